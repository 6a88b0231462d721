"""Receipts in a store that others write to: whose word counts, and for how long."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.screen.words import fixed, t
from tests.rig import Site

NAME = "harbor_light.safetensors"
KEY = "a key of the store: canary"
WITH_KEY = {"COMFYFIX_STORE_KEY": KEY}
Receipt = dict[str, Any]


def model(site: Site) -> Path:
    return site.models / "loras" / NAME


def receipt_file(site: Site, name: str = NAME) -> Path:
    return site.models / ".comfyfix" / "receipts" / "loras" / f"{name}.receipt"


def change(site: Site, **fields: Any) -> None:
    """What whoever writes to the store may do."""
    path = receipt_file(site)
    path.write_text(json.dumps(json.loads(path.read_bytes()) | fields))


def fresh(site: Site) -> None:
    """Another checkout: the same store, nothing else."""
    shutil.rmtree(site.output)


def unseen(path: Path) -> None:
    """Change a byte; size and mtime are as they were."""
    info = path.stat()
    old = path.read_bytes()
    path.write_bytes(old[:-1] + bytes([old[-1] ^ 1]))
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def forge(site: Site) -> None:
    """Wrong bytes, and a receipt that says they are right."""
    path = model(site)
    unseen(path)
    info = path.stat()
    change(
        site, mtime_ns=info.st_mtime_ns, size=info.st_size, ctime_ns=info.st_ctime_ns,
        device=info.st_dev, inode=info.st_ino, verified=True, identified=False,
    )  # fmt: skip


@pytest.fixture
def fetched(site: Site, hub: Hub) -> Site:
    """A store with one model that was fetched by somebody with the key."""
    site.workflow("w.json", ("loras", NAME))
    hub.add("maker/harbor_light", [NAME])
    assert site.doit(**WITH_KEY).returncode == 0
    assert json.loads(receipt_file(site).read_bytes())["mac"]
    return site


def hashed(site: Site) -> bool:
    """Whether the last checkout has hashed the model."""
    log = site.output / ".cache" / "hashes.jsonl"
    return log.exists() and NAME in log.read_text()


def test_a_signed_receipt_spares_the_next_checkout_the_hash(fetched: Site) -> None:
    fresh(fetched)
    done = fetched.doit(**WITH_KEY)
    assert done.returncode == 0, done.stdout
    assert fixed("Verified: {count:models}", count=1) in done.stdout
    assert not hashed(fetched)


@pytest.mark.parametrize("environment", [{}, {"COMFYFIX_STORE_KEY": "another"}])
def test_without_the_key_it_is_hashed_once(fetched: Site, environment: dict[str, str]) -> None:
    fresh(fetched)
    done = fetched.doit(**environment)
    assert done.returncode == 0, done.stdout
    told = t("Receipts of others do not count: hashing {count:models}", count=1)
    assert told in done.stdout
    assert "COMFYFIX_STORE_KEY" in done.stdout
    assert "receipts: trust" in done.stdout
    assert hashed(fetched)
    again = fetched.doit(**environment)
    assert again.returncode == 0
    assert t("hashing") not in again.stdout


def test_one_without_a_key_leaves_what_is_signed(fetched: Site) -> None:
    before = receipt_file(fetched).read_bytes()
    fresh(fetched)
    assert fetched.doit().returncode == 0
    assert receipt_file(fetched).read_bytes() == before


def test_who_has_the_key_signs_what_was_hashed(fetched: Site) -> None:
    change(fetched, mac="")
    fresh(fetched)
    assert t("hashing") in fetched.doit(**WITH_KEY).stdout
    fresh(fetched)
    assert t("hashing") not in fetched.doit(**WITH_KEY).stdout


@pytest.mark.parametrize("signed", [True, False], ids=["key", "no key"])
@pytest.mark.parametrize(
    "command",
    [(), *(pytest.param(c, marks=pytest.mark.soak) for c in (("verify",), ("verify", "--store")))],
    ids=" ".join,
)
def test_a_forged_receipt_is_not_held_against_the_manifest(
    fetched: Site, signed: bool, command: tuple[str, ...]
) -> None:
    fetched.manifest(models={NAME: {"sha256": sha256(file_for(NAME))}})
    forge(fetched)
    fresh(fetched)
    done = fetched.doit(*command, **(WITH_KEY if signed else {}))
    assert done.returncode == 1, done.stdout
    assert t("and by {source} it has to be", source="manifest.yaml") in done.stdout


def test_trust_is_every_writers_word_but_for_the_manifests_sha256(fetched: Site) -> None:
    fetched.manifest(verify={"receipts": "trust"})
    forge(fetched)
    fresh(fetched)
    assert fetched.doit().returncode == 0
    fresh(fetched)
    fetched.manifest(
        verify={"receipts": "trust"}, models={NAME: {"sha256": sha256(file_for(NAME))}}
    )
    assert fetched.doit().returncode == 1


def test_own_is_nobody_elses_word(fetched: Site) -> None:
    fetched.manifest(verify={"receipts": "own"})
    fresh(fetched)
    assert t("hashing") in fetched.doit(**WITH_KEY).stdout


def moved(site: Site) -> None:
    """The receipt of one model under the name of another."""
    other = receipt_file(site, "other.safetensors")
    other.write_bytes(receipt_file(site).read_bytes())
    path = model(site)
    path.rename(path.with_name("other.safetensors"))
    path = path.with_name("other.safetensors")
    info = path.stat()
    told = json.loads(other.read_bytes())
    other.write_text(
        json.dumps(told | {"model": "loras/other.safetensors", "ctime_ns": info.st_ctime_ns})
    )
    site.workflow("w.json", ("loras", "other.safetensors"))


UNTRUE: dict[str, Callable[[Site], object]] = {
    "bytes": lambda site: unseen(model(site)),
    "sha256": lambda site: change(site, sha256="0" * 64),
    "size": lambda site: change(site, size=1),
    "verified": lambda site: change(site, verified=False),
    "key id": lambda site: change(site, key_id="0" * 16, mac="0" * 64),
    "mac": lambda site: change(site, mac="\u0130"),
    "place": lambda site: change(site, place="../loras/" + NAME),
    "moved": moved,
    "forged": forge,
}


@pytest.mark.soak  # many runs; the forged and the unseen are tried above and below
@pytest.mark.parametrize("how", UNTRUE)
def test_what_is_not_as_it_was_signed_is_hashed(fetched: Site, how: str) -> None:
    UNTRUE[how](fetched)
    fresh(fetched)
    fetched.manifest(search={"sources": ["store"]})
    fetched.doit(**WITH_KEY)
    done = fetched.doit("verify", "--store", **WITH_KEY)
    if how == "bytes":  # what was signed tells that it is another content now
        assert set(fetched.files()) == {f"loras/{NAME}.damaged"}
    else:
        assert "loras/" in (fetched.output / ".cache" / "hashes.jsonl").read_text(), done.stdout


def test_bytes_that_changed_unseen_are_not_believed_on_our_own_receipt(
    fetched: Site, hub: Hub
) -> None:
    unseen(model(fetched))
    done = fetched.doit(**WITH_KEY)
    assert done.returncode == 0, done.stdout
    assert fetched.files()[f"loras/{NAME}"] == sha256(file_for(NAME))
    assert f"loras/{NAME}.damaged" in fetched.files()


def test_a_touch_costs_one_hash(fetched: Site, hub: Hub) -> None:
    model(fetched).chmod(0o600)  # another ctime
    before = hub.count("GET", "/cdn/*")
    for _ in range(2):
        done = fetched.doit(**WITH_KEY)
        assert done.returncode == 0, done.stdout
    assert t("Nothing to do") in done.stdout
    assert hub.count("GET", "/cdn/*") == before


def test_a_link_to_a_file_costs_no_further_hash(fetched: Site, hub: Hub) -> None:
    """A second name of the same content is linked; what it is linked to stays verified."""
    hub.add("maker/other_light", []).files["other_light.safetensors"] = file_for(NAME)
    fetched.workflow("x.json", ("loras", "other_light.safetensors"))
    done = fetched.doit(**WITH_KEY)
    assert t("Linked inside the store: {count}", count=1) in done.stdout
    assert model(fetched).stat().st_nlink == 2
    done = fetched.doit(**WITH_KEY)
    assert t("Nothing to do") in done.stdout
    fresh(fetched)
    assert fetched.doit(**WITH_KEY).returncode == 0
    assert not hashed(fetched)


def test_the_key_is_told_to_no_one(site: Site, hub: Hub) -> None:
    site.workflow("w.json", ("loras", NAME), ("loras", "nobody_has_it.safetensors"))
    hub.add("maker/harbor_light", [NAME])
    site.manifest(qwen={"base_url": f"{hub.url}/v1", "model": "q"})
    printed = ""
    for command in ((), ("plan",), ("verify", "--store"), ("why", NAME), ("list", "--all")):
        done = site.doit(*command, **WITH_KEY)
        printed += done.stdout + done.stderr
    assert "canary" not in printed
    told = [p for p in site.root.rglob("*") if p.is_file() and b"canary" in p.read_bytes()]
    assert told == []
    assert not any("canary" in str(seen) for seen in hub.seen)
