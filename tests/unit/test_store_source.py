"""The store as a source: equal content, or the one file of the name where nobody knows better."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from comfyfix.comfyui.store import folders
from comfyfix.demo.hub import sha256
from comfyfix.net.http import Web
from comfyfix.records import Candidate, Model, Reason, Receipt, Rejected, because
from comfyfix.settings.manifest import Manifest
from comfyfix.sources import store
from comfyfix.sources.base import Services, Wanted
from comfyfix.state.hashing import FileChanged
from comfyfix.state.layout import Layout
from comfyfix.why import Why

NAME = "Harbor.safetensors"
DATA, OTHER = b"a", b"b"  # one byte is enough


class Shelf:
    """A store, and what the source says of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.models = root / "models"
        self.models.mkdir()

    def put(self, path: str, data: bytes = DATA) -> Path:
        file = self.models / path
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        return file

    def services(self) -> Services:
        return Services(
            manifest=Manifest(comfyui=str(self.root)),
            folders=folders.read(self.root, [], None),
            layout=Layout(self.root / "output"),
            web=Web({}, direct=True),
            tokens={},
        )

    def wanted(self, sha256: str | None = None, folder: str | None = "loras") -> Wanted:
        model = Model(folder=folder, path="harbor.safetensors")
        return Wanted(
            model=model, sha256=sha256, destination=str(self.models / "loras" / model.path)
        )

    def logged(self) -> list[tuple[str, Any]]:
        lines = Layout(self.root / "output").search_log.read_text().splitlines()
        return [(line["query"], json.loads(line["answer"])) for line in map(json.loads, lines)]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def candidate(path: Path, why: Why) -> Candidate:
    return Candidate(
        source="store", where=str(path), name=path.name, local=str(path), size=1,
        sha256=sha256(DATA), renamed=True, evidence=(because(why),),
    )  # fmt: skip


def test_of_the_name_the_file_with_the_hash_that_is_wanted(shelf: Shelf) -> None:
    right, wrong = shelf.put(f"vae/{NAME}"), shelf.put(f"loras/{NAME}", OTHER)
    shelf.put("checkpoints/another.safetensors")
    shelf.put("clip/harbor.safetensors", b"")
    shelf.put("loras/harbor.safetensors", DATA)  # what is asked for does not serve itself
    found = list(store.find(shelf.wanted(sha256(DATA)), shelf.services()))
    no = Rejected(source="store", where=str(wrong), reason=because(Why.HASH_NOT_WANTED))
    assert len(found) == 2
    assert no in found
    assert candidate(right, Why.HASH_WANTED) in found
    assert shelf.logged() == [("harbor.safetensors", {"files": 2})]


def test_without_a_hash_nothing_is_known_of_a_file(shelf: Shelf) -> None:
    there = shelf.put(f"vae/{NAME}")
    told = Rejected(source="store", where=str(there), reason=because(Why.HASH_UNKNOWN))
    assert list(store.find(shelf.wanted(), shelf.services())) == [told]


def test_equal_content_serves_whatever_its_name(shelf: Shelf) -> None:
    shelf.put("checkpoints/x.safetensors", OTHER)
    there = shelf.put("vae/y.safetensors")
    found = store.same_content(shelf.wanted(), 1, sha256(DATA), shelf.services())
    assert found == candidate(there, Why.SAME_AS_SOURCE)
    assert shelf.logged() == [(sha256(DATA), {"found": str(there)})]
    assert store.same_content(shelf.wanted(), 1, "c" * 64, shelf.services()) is None
    assert store.same_content(shelf.wanted(), 2, sha256(DATA), shelf.services()) is None


def test_a_file_with_a_receipt_is_not_read_while_it_is_as_it_was(shelf: Shelf) -> None:
    there, other = shelf.put(f"vae/{NAME}"), shelf.put(f"clip/{NAME}")
    info = there.stat()
    receipt = Receipt(
        model="vae/x", path=str(there), size=info.st_size, sha256="d" * 64, at="",
        mtime_ns=info.st_mtime_ns, ctime_ns=info.st_ctime_ns, device=info.st_dev,
        inode=info.st_ino,
    )  # fmt: skip
    old = msgspec.structs.replace(receipt, mtime_ns=1)
    services = shelf.services()
    services.receipts = {"old": old, "new": receipt}
    assert services.hash_of(there) == "d" * 64
    assert services.hash_of(other) == sha256(DATA)
    services = shelf.services()
    services.receipts = {"old": old}
    assert services.hash_of(there) == sha256(DATA)


def test_a_name_in_another_case_serves_in_its_own_folder_if_it_is_one_content(
    shelf: Shelf,
) -> None:
    shelf.put(f"vae/{NAME}")
    assert store.same_name(shelf.wanted(), shelf.services()) is None
    there = shelf.put(f"loras/{NAME}")
    found = candidate(there, Why.ONLY_CONTENT)
    assert store.same_name(shelf.wanted(), shelf.services()) == found
    assert store.same_name(shelf.wanted(folder=None), shelf.services()) is None
    shelf.put("loras/HARBOR.safetensors")
    same = store.same_name(shelf.wanted(), shelf.services())
    assert same is not None
    assert same.sha256 == sha256(DATA)
    shelf.put("loras/HARBOR.safetensors", OTHER)
    assert store.same_name(shelf.wanted(), shelf.services()) is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FileChanged(), because(Why.FILE_CHANGES)),
        (PermissionError(13, "no"), because(Why.FILE_UNREADABLE, cause="no")),
    ],
)
def test_a_file_that_is_written_to_or_can_not_be_read_is_left_out(
    shelf: Shelf, error: OSError, reason: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another download may be linking it just now: that is no failure of this search."""
    busy, good = shelf.put("vae/Harbor.safetensors"), shelf.put("vae/other.safetensors")
    other_case = shelf.put("loras/Harbor.safetensors", OTHER)
    services = shelf.services()
    plain = Services.hash_of

    def hash_of(self: Services, path: Path) -> str:
        if path == good:
            return plain(self, path)
        raise error

    monkeypatch.setattr(Services, "hash_of", hash_of)
    wanted = shelf.wanted(sha256(DATA))
    refused = [Rejected(source="store", where=str(p), reason=reason) for p in (other_case, busy)]
    assert sorted(store.find(wanted, services), key=str) == sorted(refused, key=str)
    assert store.same_content(wanted, 1, sha256(DATA), services) == candidate(
        good, Why.SAME_AS_SOURCE
    )
    assert store.same_name(shelf.wanted(), services) is None
