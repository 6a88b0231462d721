"""The Hub's cache as its own program reads it, what side files tell, and how bytes are lent."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from huggingface_hub import scan_cache_dir
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.demo.hub import sha256
from comfyfix.nearby import hub_cache, lending, side_files
from comfyfix.nearby.hub_cache import Cached
from comfyfix.nearby.leads import ROUNDED, Nearby, Sought
from comfyfix.nearby.lending import FICLONE, Lender
from comfyfix.nearby.side_files import DEPTH_MAX, VALUES_MAX
from comfyfix.state.hashes import HashLog
from tests.near_by import COMMIT, put_in_cache

DATA = bytes(range(256)) * 20_000  # some blocks
SHA256 = sha256(DATA)


def lender(tmp_path: Path, place: Path, stopped: Callable[[], bool] = bool) -> Lender:
    sought = Sought(SHA256, len(DATA), names=("x.safetensors",))
    leads = Nearby(folders=(str(place),)).leads(sought)
    assert leads
    return Lender(sought, leads, HashLog(tmp_path / "hashes"), stopped)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "other" / "x.safetensors"
    path.parent.mkdir()
    path.write_bytes(DATA)
    (path.parent / "x.metadata.json").write_text(json.dumps({"sha256": SHA256}))
    return path


def test_a_cache_is_read_as_its_own_program_reads_it(tmp_path: Path) -> None:
    put_in_cache(tmp_path, "maker/one", "a/b/one.safetensors", b"one")
    put_in_cache(tmp_path, "maker/one", "one.json", b"{}", large=False)
    put_in_cache(tmp_path, "gpt2", "two.bin", b"two")
    (tmp_path / "models--gpt2" / "blobs" / f"{'a' * 64}.incomplete").write_bytes(b"half")
    theirs = {
        (repo.repo_id, revision.commit_hash, str(file.file_path), file.size_on_disk,
         str(file.blob_path))
        for repo in scan_cache_dir(tmp_path).repos
        for revision in repo.revisions
        for file in revision.files
    }  # fmt: skip
    ours = {
        (found.repo, found.commit, found.file, found.size, os.path.realpath(found.file))
        for found in hub_cache.entries(str(tmp_path))
        if found.commit
    }
    assert ours == theirs
    hashes = {found.path: found.sha256 for found in hub_cache.entries(str(tmp_path))}
    assert hashes["a/b/one.safetensors"] == sha256(b"one")
    assert hashes["one.json"] == ""


def test_a_store_that_repositories_share_is_followed(tmp_path: Path) -> None:
    blob = put_in_cache(tmp_path, "maker/one", "one.safetensors", DATA)
    shared = tmp_path / "blobs" / "ab" / "ab00"
    shared.parent.mkdir(parents=True)
    blob.rename(shared)
    blob.symlink_to("../../blobs/ab/ab00")
    leads = Nearby(cache=str(tmp_path)).leads(Sought(SHA256))
    assert [lead.path for lead in leads] == [str(shared)]


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"HOME": "/h"}, "/h/.cache/huggingface/hub"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"),
        ({"HOME": "/h", "HF_HOME": "/f"}, "/f/hub"),
        ({"HOME": "/h", "HF_HOME": "/f", "HUGGINGFACE_HUB_CACHE": "/c"}, "/c"),
        ({"HOME": "/h", "HUGGINGFACE_HUB_CACHE": "/c", "HF_HUB_CACHE": "~/d"}, "/h/d"),
    ],
)
def test_the_cache_lies_where_its_own_program_has_it(environ: dict[str, str], place: str) -> None:
    assert hub_cache.folder(environ) == place


KEYS = st.sampled_from(["sha256", "SHA256", "x"])


@given(
    st.recursive(
        st.none() | st.text(max_size=3) | st.just(SHA256),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner),
    )
)
def test_a_side_file_of_any_form_tells_hashes_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    path = tmp_path_factory.mktemp("side") / "m.civitai.info"
    path.write_text(json.dumps(value))
    told = side_files.hashes_of(str(path.with_name("m.safetensors")))
    assert told <= {SHA256}
    if isinstance(value, dict) and value.get("SHA256") == SHA256:
        assert told


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"sha256": "\\ud800"}', "\xff"])
def test_a_side_file_that_is_none_tells_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.civitai.info").write_bytes(text.encode("latin-1", "replace"))
    assert side_files.hashes_of(str(tmp_path / "m.safetensors")) == frozenset()


def test_a_copy_is_asked_for_once_there_is_room(tmp_path: Path, source: Path) -> None:
    lends, part = lender(tmp_path, source.parent), tmp_path / "part"
    assert lends.answer(part, "clone") == lending.WANTS_ROOM
    assert not part.exists()
    part.touch()
    assert lends.answer(part, "copy") == f"0 {SHA256}"
    assert sha256(part.read_bytes()) == SHA256
    assert lends.lent is not None
    assert (lends.lent.way, lends.lent.lead.path) == ("copied", str(source))


def test_where_blocks_can_be_shared_they_are(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ioctl(target: int, request: int, from_: int) -> int:
        assert request == FICLONE
        os.write(target, os.pread(from_, len(DATA) + 1, 0))
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    lends, part = lender(tmp_path, source.parent), tmp_path / "part"
    assert lends.answer(part, "clone") == f"0 {SHA256}"
    assert lends.lent is not None
    assert lends.lent.way == "cloned"


@pytest.mark.parametrize("way", ["grows", "shrinks", "is written to"])
def test_a_file_that_changes_while_it_is_copied_is_not_taken(
    tmp_path: Path, source: Path, way: str
) -> None:
    looks = 0

    def stopped() -> bool:  # it is asked for each block
        nonlocal looks
        looks += 1
        if looks == 2:
            os.truncate(source, {"grows": len(DATA) + 5, "shrinks": 9}.get(way, len(DATA)))
            os.utime(source, ns=(1, 1))
        return False

    lends, part = lender(tmp_path, source.parent, stopped), tmp_path / "part"
    lends.answer(part, "clone")
    assert lends.answer(part, "copy") == lending.NONE
    assert not part.exists()
    assert HashLog(tmp_path / "hashes").find(str(source), source.stat()) is None


def test_a_copy_ends_where_all_is_to_end(tmp_path: Path, source: Path) -> None:
    lends, part = lender(tmp_path, source.parent, lambda: True), tmp_path / "part"
    lends.answer(part, "clone")
    assert lends.answer(part, "copy") == lending.NONE
    assert not part.exists()


def test_nothing_is_written_over(tmp_path: Path, source: Path) -> None:
    lends, part = lender(tmp_path, source.parent), tmp_path / "part"
    part.write_bytes(b"of another")
    lends.answer(part, "clone")
    assert lends.answer(part, "copy") == lending.NONE
    assert part.read_bytes() == b"of another"


def test_what_is_known_to_be_another_file_is_not_read_again(tmp_path: Path, source: Path) -> None:
    source.write_bytes(DATA[::-1])
    for _ in range(2):
        lends = lender(tmp_path, source.parent)
        answers = [lends.answer(tmp_path / "part", how) for how in ("clone", "copy")]
        assert answers[-1] == lending.NONE
    assert answers == [lending.NONE, lending.NONE]


def test_many_that_claim_the_hash_are_not_all_read(tmp_path: Path, source: Path) -> None:
    for number in range(40):
        (source.parent / f"a{number}.safetensors").write_bytes(DATA[:-1] + b"x")
        (source.parent / f"a{number}.metadata.json").write_text(json.dumps({"sha256": SHA256}))
    honest = lender(tmp_path, source.parent)
    assert honest.answer(tmp_path / "part", "copy") == f"0 {SHA256}", "the namesake comes first"
    source.unlink()
    for how in ("answer", "proven"):
        log = HashLog(tmp_path / how)
        liars = Lender(honest.sought, honest.leads, log)
        if how == "answer":
            assert liars.answer(tmp_path / how / "part", "copy") == "1"
        else:
            assert liars.proven() is None
        read = [lead for lead in honest.leads if os.path.exists(lead.path)]
        known = [lead for lead in read if log.find(lead.path, os.stat(lead.path))]
        assert len(known) <= lending.WRONG_MAX


@pytest.mark.parametrize("loop", ["..", "../other", "other", "x.safetensors.link", "/dev/zero"])
def test_links_in_circles_and_to_no_file_lead_nowhere(
    tmp_path: Path, source: Path, loop: str
) -> None:
    for name in ("loop", "loop.safetensors", "x.safetensors.link", "x.civitai.info"):
        (source.parent / name).symlink_to(loop)
    os.mkfifo(source.parent / "pipe.safetensors")
    sought = Sought(SHA256, len(DATA), names=("x.safetensors",))
    cache = put_in_cache(tmp_path / "hub", "maker/one", "other.safetensors", b"one").parents[1]
    for name in ("blobs/loop", f"blobs/{'c' * 64}", "snapshots/loop", "snapshots/loop2"):
        (cache / name).symlink_to(loop)
    near = Nearby(cache=str(tmp_path / "hub"), folders=(str(source.parent),))
    leads = [lead.path for lead in near.leads(sought)]
    assert leads == [str(source)]


def seeking(path: Path, data: bytes = DATA, **named: object) -> Lender:
    """Who lends the bytes of the files in a folder, whatever speaks for them."""
    sought = Sought(sha256(data), len(data))
    leads = Nearby(folders=(str(path),)).leads(sought)
    return Lender(sought, leads, HashLog(path.parent / "hashes"), **named)  # type: ignore[arg-type]


def test_the_likeliest_is_tried_first(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    for name in ("a", "b", "named", "z"):
        (folder / f"{name}.safetensors").write_bytes(b"12345")
    side = json.dumps([{"sha256": SHA256}])
    (folder / "z.safetensors.cm-info.json").write_text(side + " " * 2 * ROUNDED)
    blob = put_in_cache(tmp_path / "hub", "maker/one", "deep/named.safetensors", b"54321")
    near = Nearby(cache=str(tmp_path / "hub"), folders=(str(folder),))
    names = ("named.safetensors",)
    leads = near.leads(Sought(SHA256, 5, names=names))
    assert [os.path.basename(lead.path)[:5] for lead in leads] == [
        "z.saf",
        "named",
        "a.saf",
        "b.saf",
    ]
    assert [lead.likely.name for lead in leads] == ["CLAIMED", "NAMESAKE", "OF_SIZE", "OF_SIZE"]
    assert near.leads(Sought(SHA256, 6, names=names)) == []
    rounded = near.leads(Sought(SHA256, 5 + ROUNDED, exact=False))
    assert [lead.likely.name for lead in rounded] == ["CLAIMED", "OF_SIZE", "OF_SIZE", "OF_SIZE"]
    assert near.leads(Sought(SHA256, 6 + ROUNDED, exact=False)) == []
    (of_cache,) = near.leads(Sought(sha256(b"54321"), None))
    assert (of_cache.path, of_cache.root, of_cache.linkable) == (str(blob), near.cache, False)
    assert of_cache.cached is not None
    assert (of_cache.cached.repo, of_cache.cached.path) == ("maker/one", "deep/named.safetensors")


def test_of_unknown_size_is_what_bears_the_name_or_is_said_to_be_it(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    for name in ("said.ckpt", "named.pt", "other.pt"):
        (folder / name).write_bytes(b"x")
    (folder / "named.gguf").write_bytes(b"")
    (folder / "said.civitai.info").write_text(json.dumps({"hashes": {"SHA256": SHA256.upper()}}))
    put_in_cache(tmp_path / "hub", "a/b", "named.pt", b"another sha256")
    put_in_cache(tmp_path / "hub", "a/b", "unnamed.pt", b"no sha256", large=False)
    small = put_in_cache(tmp_path / "hub", "a/c", "named.pt", b"no sha256, named", large=False)
    near = Nearby(cache=str(tmp_path / "hub"), folders=(str(folder),))
    leads = near.leads(Sought(SHA256, names=("named.pt", "named.gguf")))
    assert [lead.path for lead in leads if lead.path != str(folder / "named.gguf")] == [
        str(folder / "said.ckpt"), str(folder / "named.pt"), str(small),
    ]  # fmt: skip
    assert Lender(Sought(SHA256), leads, HashLog(tmp_path / "log")).promised() == leads[0]


def test_a_file_of_the_user_becomes_a_link_where_that_is_wanted(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = tmp_path / "part"
    lends = seeking(source.parent, links=True)
    assert lends.answer(part, "clone") == f"0 {SHA256}"
    assert part.samefile(source)
    assert lends.lent is not None
    info = source.stat()
    assert (lends.lent.way, lends.lent.identity) == ("linked", (info.st_dev, info.st_ino))
    part.unlink()
    assert seeking(source.parent).answer(part, "clone") == lending.WANTS_ROOM
    monkeypatch.setattr(os, "geteuid", lambda: source.stat().st_uid + 1)
    assert seeking(source.parent, links=True).answer(part, "clone") == lending.WANTS_ROOM
    assert not part.exists()


def test_what_is_linked_is_the_file_that_was_read_and_right(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, part = os.link, tmp_path / "part"

    def link(path: str, target: Path, **named: bool) -> None:
        os.replace(path, tmp_path / "away")
        Path(path).write_bytes(DATA)
        real(path, target, **named)

    monkeypatch.setattr(os, "link", link)
    assert seeking(source.parent, links=True).answer(part, "clone") == lending.WANTS_ROOM
    assert not part.exists()
    monkeypatch.undo()
    source.write_bytes(DATA[::-1])  # its side file still tells the hash
    assert seeking(source.parent, links=True).answer(part, "clone") == lending.NONE
    assert (part.exists(), source.read_bytes()) == (False, DATA[::-1])


def test_of_files_for_which_their_size_alone_speaks_few_are_hashed(tmp_path: Path) -> None:
    for last in (lending.UNLIKELY_MAX, lending.UNLIKELY_MAX + 1):
        folder = tmp_path / str(last) / "other"
        folder.mkdir(parents=True)
        for number in range(1, last + 1):
            (folder / f"{number}.pt").write_bytes(DATA if number == last else DATA[::-1])
        lead = seeking(folder).proven()
        found = (lead.path, lead.size) if lead else None
        right = str(folder / f"{last}.pt"), len(DATA)
        assert found == (right if last == lending.UNLIKELY_MAX else None)
        assert seeking(folder).promised() == (lead and replace(lead, size=None))


def test_what_was_made_large_and_never_filled_is_not_read(tmp_path: Path) -> None:
    folder, data = tmp_path / "other", bytes(4 << 20)
    folder.mkdir()
    with (folder / "x.pt").open("wb") as out:
        out.truncate(len(data))
    sought = Sought(sha256(data), names=("x.pt",))
    leads = Nearby(folders=(str(folder),)).leads(sought)
    assert len(leads) == 1
    assert Lender(sought, leads, HashLog(tmp_path / "log")).proven() is None
    lead = seeking(folder, data).proven()
    assert lead is not None, "of a known size it may be all noughts"


def test_a_clone_that_fails_for_another_reason_is_no_answer(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(code: int, *_: int) -> None:
        raise OSError(code, "no")

    part = tmp_path / "part"
    for code, answer in ((errno.ENOSPC, lending.NONE), (errno.EXDEV, lending.WANTS_ROOM)):
        monkeypatch.setattr(fcntl, "ioctl", partial(refuse, code))
        assert seeking(source.parent).answer(part, "clone") == answer
        assert not part.exists()


def test_a_cache_names_each_content_and_no_more_files_than_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = put_in_cache(tmp_path, "maker/one", "one.pt", b"one")
    other = blob.with_name("b" * 64)
    other.write_bytes(b"of no snapshot")
    snapshots = blob.parents[1] / "snapshots"
    (snapshots / "main").mkdir()
    (snapshots / "main" / "copy.pt").write_bytes(b"without links")
    (tmp_path / "datasets--maker--two" / "blobs").mkdir(parents=True)
    (tmp_path / "datasets--maker--two" / "blobs" / ("c" * 64)).write_bytes(b"data")
    for stranger in ("version.txt--x", "models"):
        (tmp_path / stranger / "blobs").mkdir(parents=True)
        (tmp_path / stranger / "blobs" / ("d" * 64)).write_bytes(b"strange")
    link = snapshots / COMMIT / "one.pt"
    entries = [
        Cached(str(tmp_path / "datasets--maker--two" / "blobs" / ("c" * 64)), 4, "c" * 64,
               "datasets/maker/two"),
        Cached(str(link), 3, sha256(b"one"), "maker/one", COMMIT, "one.pt"),
        Cached(str(snapshots / "main" / "copy.pt"), 13, "", "maker/one"),
        Cached(str(other), 14, "b" * 64, "maker/one"),
    ]  # fmt: skip
    assert list(hub_cache.entries(str(tmp_path))) == entries
    monkeypatch.setattr(hub_cache, "FILES_MAX", 2)
    assert list(hub_cache.entries(str(tmp_path))) == entries[:2]


@pytest.mark.parametrize(("depth", "found"), [(DEPTH_MAX - 1, True), (DEPTH_MAX, False)])
def test_a_side_file_is_read_so_deep_and_so_far(tmp_path: Path, depth: int, found: bool) -> None:
    value: object = {"sha256": SHA256}
    for _ in range(depth):
        value = [value]
    path = tmp_path / "m.pt.metadata.json"
    path.write_text(json.dumps(value))
    assert side_files.hashes_of(str(tmp_path / "m.pt")) == ({SHA256} if found else set())
    values = [{"sha256": SHA256}, *[[]] * (VALUES_MAX - (1 if found else 0))]
    path.write_text(json.dumps(values))
    assert side_files.hashes_in(str(path)) == set(), "the last is looked at first"
    path.write_text(json.dumps(values[: VALUES_MAX - 1]))
    assert side_files.hashes_in(str(path)) == {SHA256}
