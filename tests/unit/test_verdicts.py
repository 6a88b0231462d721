"""One file, held against all that is claimed of it, and what is moved aside of the bad ones."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import sha256
from comfyfix.disk.files import git_blob_of
from comfyfix.records import Model, Receipt, Record, Verdict, because
from comfyfix.settings.overrides import Override
from comfyfix.stages.verdicts.verify import Claims, Manner, joined, move_aside, verify
from comfyfix.state import receipts
from comfyfix.state.hashing import FileChanged
from comfyfix.why import Why

NAME = "harbor.safetensors"
DATA = file_for(NAME)
MODEL = Model(folder="loras", path=NAME)
RIGHT, OTHER = sha256(DATA), "b" * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / NAME
    file.write_bytes(DATA)
    return file


def record(**more: Any) -> Record:
    made = Record(
        number=1, model=MODEL, destination="/m/x", store="/m", source="huggingface", where="o/n",
        url="https://x.example/a", size=len(DATA), sha256=RIGHT,
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


def receipt(path: Path, digest: str = RIGHT, *, verified: bool = True) -> Receipt:
    return receipts.of_file(MODEL, path, digest, script="x.sh", verified=verified)


def told(path: Path, claims: Claims | None = None, **manner: Any) -> tuple[str, str, str | None]:
    """The verdict: its status, the reason or whose word it is, and the hash."""
    found = verify(MODEL, path, claims or Claims(), Manner(**manner))
    why = found.reason or found.by
    assert (found.model, found.filename, found.path) == (MODEL.key, path.name, str(path))
    assert (found.by is None) is (found.status != "ok")
    return found.status, why.why if why else "", found.sha256


def test_whose_word_counts_first(path: Path) -> None:
    claims = Claims(record(sha256=OTHER), receipt(path, OTHER), Override(sha256=RIGHT))
    assert told(path, claims, anew=True) == ("ok", Why.BY_MANIFEST, RIGHT)
    assert told(path, Claims(record(), receipt(path, OTHER)), anew=True) == (
        "ok", Why.BY_PLACE, RIGHT,
    )  # fmt: skip
    unknown = record(sha256=None, size=None)
    assert told(path, Claims(unknown, receipt(path)), anew=True) == ("ok", Why.BY_RECEIPT, RIGHT)
    unverified = Claims(None, receipt(path, verified=False))
    assert told(path, unverified, anew=True) == ("unverified", Why.NO_PUBLISHED_HASH, RIGHT)


def test_a_receipt_stands_for_the_hash_while_the_file_is_as_it_says(path: Path) -> None:
    hashed: list[Path] = []

    def hashes(file: Path) -> str:
        hashed.append(file)
        return RIGHT

    claims = Claims(record(), receipt(path))
    assert told(path, claims, hash_of=hashes) == ("ok", Why.BY_PLACE, RIGHT)
    assert hashed == []
    assert told(path, claims, hash_of=hashes, anew=True)[0] == "ok"
    assert told(path, Claims(record()), hash_of=hashes)[0] == "ok"
    assert hashed == [path, path]
    assert told(path, Claims(record(), receipt(path, OTHER)), hash_of=hashes)[0] == "wrong"
    path.touch()
    os.utime(path, (1, 1))
    assert told(path, Claims(record(), claims.receipt), hash_of=hashes)[0] == "ok"
    assert len(hashed) == 3


def test_what_has_no_hash_is_hashed_only_if_that_is_asked(path: Path) -> None:
    none = ("unverified", Why.NO_PUBLISHED_HASH)
    assert told(path) == (*none, None)
    assert told(path, always=True) == (*none, RIGHT)
    assert told(path, anew=True) == (*none, RIGHT)


def test_a_size_tells_where_there_is_no_hash_and_it_is_exact(path: Path) -> None:
    wrong = ("wrong", Why.SIZE_DIFFERS, None)
    short = record(sha256=None, size=5)
    assert told(path, Claims(short)) == wrong
    assert told(path, Claims(record(sha256=None)))[0] == "unverified"
    assert told(path, Claims(record(sha256=None, size=None)))[0] == "unverified"
    assert told(path, Claims(record(sha256=None, size=5, size_exact=False)))[0] == "unverified"
    assert told(path, Claims(record(size=5)))[0] == "ok", "its hash tells more"
    assert told(path, Claims(short, None, Override(sha256=RIGHT)))[0] == "ok"


def test_another_hash_is_told_with_whose_word_it_is(path: Path) -> None:
    found = verify(MODEL, path, Claims(record(sha256=OTHER)), Manner())
    word = because(Why.BY_PLACE, where="o/n")
    told = because(Why.HASH_DIFFERS, source=word, found=RIGHT, wanted=OTHER)
    assert (found.status, found.reason) == ("wrong", told)


def test_gits_id_of_its_content_counts_where_there_is_no_sha256(path: Path) -> None:
    blob = git_blob_of(path)
    word = because(Why.BY_PLACE, where="o/n")
    for claims in (
        Claims(record(sha256=None, blob=blob)),
        Claims(record(sha256=None, size=5, size_exact=False, blob=blob)),
    ):
        found = verify(MODEL, path, claims, Manner())
        assert (found.status, found.by, found.sha256) == ("ok", word, RIGHT)
    other = record(sha256=None, blob="b" * 40)
    found = verify(MODEL, path, Claims(other), Manner())
    reason = because(Why.BLOB_DIFFERS, source=word, found=blob, wanted="b" * 40)
    assert (found.status, found.reason) == ("wrong", reason)
    assert told(path, Claims(other, None, Override(sha256=RIGHT)))[0] == "ok"
    assert told(path, Claims(record(blob="b" * 40)))[0] == "ok", "the sha256 tells more"


def test_a_copy_has_to_be_what_it_was_by_our_notes(path: Path) -> None:
    assert told(path, Claims(noted_sha256=RIGHT)) == ("ok", Why.BY_COPIED, RIGHT)
    assert told(path, Claims(noted_sha256=OTHER)) == ("wrong", Why.HASH_DIFFERS, RIGHT)
    assert told(path, Claims(record(), noted_sha256=OTHER))[:2] == ("ok", Why.BY_PLACE)


def member(name: str, status: str, **more: Any) -> Verdict:
    return Verdict(
        model=f"LLM/x/{name}", filename=name, path=f"/m/{name}", status=status,  # type: ignore[arg-type]
        size=2, reason=None if status == "ok" else because(Why.FILE_ABSENT), **more,
    )  # fmt: skip


def test_a_directory_is_what_its_worst_file_is() -> None:
    word = because(Why.BY_PLACE, where="o/n")
    good, other = member("a.json", "ok", by=word), member("b.json", "ok", by=word)
    whole = joined(MODEL, Path("/m"), [good, other])
    assert (whole.status, whole.size, whole.by, whole.reason) == ("ok", 4, word, None)
    assert (whole.model, whole.path, whole.files) == (MODEL.key, "/m", (good, other))
    bad = member("c.json", "missing")
    reason = because(Why.OF_ITS_FILE, name="c.json", reason=bad.reason)
    whole = joined(MODEL, Path("/m"), [good, bad])
    assert (whole.status, whole.reason) == ("missing", reason)
    worse = joined(MODEL, Path("/m"), [bad, bad, good])
    assert worse.reason == because(Why.OF_ITS_FILES, first=reason, count=1)
    order = ["unsafe", "damaged", "wrong", "unreachable", "missing", "unverified", "ok"]
    for status, better in itertools.pairwise(order):
        files = [member("x.json", better), member("y.json", status)]
        assert joined(MODEL, Path("/m"), files).status == status


def test_a_tokenizer_with_its_publishers_bytes_makes_nothing_unverified() -> None:
    word = because(Why.BY_PLACE, where="o/n")
    good = member("a.safetensors", "ok", by=word)
    for name, by, status in (
        ("tokenizer.MODEL", word, "ok"),
        ("tokenizer.model", None, "unverified"),
        ("tokenizer.engine", word, "unverified"),
    ):
        file = member(name, "unverified", by=by, looked_into=False)
        assert joined(MODEL, Path("/m"), [good, file]).status == status
    seen = member("tokenizer.model", "unverified", by=word)
    assert joined(MODEL, Path("/m"), [good, seen]).status == "unverified"


def test_what_is_of_no_known_kind_is_unverified_whatever_its_hash(path: Path) -> None:
    odd = path.rename(path.with_name("harbor.engine"))
    for claims in (Claims(), Claims(record())):
        found = verify(MODEL, odd, claims, Manner())
        assert (found.status, found.looked_into, found.sha256) == ("unverified", False, RIGHT)
        assert found.reason is not None
        assert found.reason.why == Why.KIND_NOT_LOOKED_INTO
    assert told(odd, Claims(record(sha256=OTHER)))[0] == "wrong"


def test_what_is_not_there_or_can_not_be_read(path: Path) -> None:
    assert told(path.with_name("gone")) == ("missing", Why.FILE_ABSENT, None)
    link = path.with_name("link.safetensors")
    link.symlink_to("/nowhere/at/all")
    assert told(link) == ("unreachable", Why.LINK_LEADS_NOWHERE, None)
    for error, status, why in (
        (FileNotFoundError(), "missing", Why.FILE_WENT_AWAY),
        (FileChanged(), "unverified", Why.FILE_CHANGES),
        (OSError(5, "broken"), "damaged", Why.FILE_UNREADABLE),
    ):

        def hashes(_: Path, error: OSError = error) -> str:
            raise error

        assert told(path, Claims(record()), hash_of=hashes) == (status, why, None)


def test_pickles_are_as_the_manifest_has_it(tmp_path: Path) -> None:
    pickle = tmp_path / "harbor.ckpt"
    pickle.write_bytes(file_for("harbor.ckpt"))
    assert told(pickle, pickle="refuse") == ("unsafe", Why.PICKLE_REFUSED, None)
    assert told(pickle)[0] == "unverified"
    evil = tmp_path / "evil.ckpt"
    evil.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert told(evil)[0] == "unsafe"
    assert told(evil, pickle="allow")[0] != "unsafe"


def bad(path: Path, status: str, why: Why = Why.HASH_DIFFERS, **more: Any) -> Verdict:
    return Verdict(
        model=MODEL.key, filename=path.name, path=str(path), status=status,  # type: ignore[arg-type]
        reason=because(why), size=len(DATA), **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "by", "more", "ending"),
    [
        ("damaged", None, {}, "damaged"), ("unsafe", None, {}, "unsafe"),
        ("unsafe", None, {"why": Why.PICKLE_REFUSED}, None),
        ("ok", "verified", {}, None), ("unverified", None, {}, None), ("missing", None, {}, None),
        ("wrong", None, {"sha256": OTHER}, None),
        ("wrong", "identified", {"sha256": OTHER}, None),
        ("wrong", "verified", {"sha256": OTHER}, "damaged"),
        ("wrong", "verified", {}, None),  # by its size alone: they are its publisher's bytes
        ("wrong", "another size", {}, "damaged"), ("wrong", "unverified", {}, "damaged"),
        ("damaged", "verified", {}, "damaged"),
    ],
)  # fmt: skip
def test_what_is_moved_aside(
    path: Path, status: str, by: str | None, more: dict[str, Any], ending: str | None
) -> None:
    made = receipt(path, verified=by != "unverified") if by else None
    if made and by == "identified":
        made = msgspec.structs.replace(made, identified=True)
    if made and by == "another size":
        made = msgspec.structs.replace(made, size=5)
    verdict = bad(path, status, **more)
    moved = move_aside(verdict, made)
    aside = path.with_name(f"{NAME}.{ending}")
    if ending is None:
        assert moved == verdict
        assert path.exists()
    else:
        assert (path.exists(), aside.read_bytes()) == (False, DATA)
        told = because(Why.AND_MOVED, reason=verdict.reason, name=aside.name)
        assert (moved.reason, moved.moved_to, moved.status) == (told, str(aside), status)


def test_what_can_not_be_moved_stays_and_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr("comfyfix.stages.verdicts.verify.quarantine", refuse)
    verdict = bad(path, "damaged")
    moved = move_aside(verdict, None)
    told = because(Why.AND_STAYS, reason=verdict.reason, cause="no")
    assert (moved.reason, moved.moved_to) == (told, "")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert move_aside(verdict, None) == verdict, "it has not been seen to be bad"
    assert verify(MODEL, path, Claims(), Manner()).status == "damaged"
