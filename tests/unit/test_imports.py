"""Imports: what becomes of each entry of another tool's file, without asking anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyfix.comfyui.manifests.listing import Listed, Listing
from comfyfix.comfyui.store import folders
from comfyfix.records import Model, Reason, because
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.overrides import Override, Pin
from comfyfix.stages.needs import imports
from comfyfix.stages.needs.imports import Imported, Skipped
from comfyfix.stages.needs.work import Pending, Plan, Planned, Present
from comfyfix.why import Why

ONE, TWO = "1" * 64, "2" * 64
URL = "https://huggingface.co/a/b/resolve/main/x.pt"
OTHER_URL = "https://huggingface.co/c/d/resolve/main/x.pt"


def plan(*keys: str, present: tuple[str, ...] = ()) -> Plan:
    models = [Model(folder=f if f != "?" else None, path=p) for f, _, p in map(_parts, keys)]
    there = [Model(folder=f, path=p) for f, _, p in map(_parts, present)]
    planned = [
        Planned(model=m, number=n, task=m.key, location=f"/m/{m.key}", pending=Pending.ABSENT)
        for n, m in enumerate(models, 1)
    ]
    files = [Present(model=m, location=f"/m/{m.key}", size=1, mtime_ns=1) for m in there]
    return Plan(tuple(planned), tuple(files), {}, ())


def _parts(key: str) -> tuple[str, str, str]:
    return key.partition("/")


def as_listed(place: str, url: str = URL, sha256: str = "", where: str = "models[0]") -> Listed:
    return Listed(where=where, place=place, url=url, sha256=sha256)


def decide(
    tmp_path: Path,
    made: Plan,
    *listed: Listed,
    own: dict[str, Override] | None = None,
    pins: dict[str, Override] | None = None,
    says: Reason | None = None,
) -> tuple[list[Imported], list[Skipped]]:
    (tmp_path / "models").mkdir(exist_ok=True)
    here = folders.read(tmp_path, [], None)
    by_user = Manifest(comfyui=str(tmp_path), models=own or {})
    manifest = Manifest(comfyui=str(tmp_path), models=(own or {}) | (pins or {}))
    return imports.decide(
        Listing(tool="x", models=listed), made, here, manifest, by_user, lambda e: says or e
    )


def test_a_place_or_a_name_is_the_model_that_is_needed(tmp_path: Path) -> None:
    needed = plan("loras/x.pt")
    for place in ("models/loras/x.pt", "C:\\ComfyUI\\models\\loras\\x.pt", "x.pt"):
        assert decide(tmp_path, needed, as_listed(place)) == (
            [Imported("loras/x.pt", "models[0]", URL)],
            [],
        )


def test_a_name_that_several_have_or_none_is_left(tmp_path: Path) -> None:
    (left,) = decide(tmp_path, plan("loras/x.pt", "vae/x.pt"), as_listed("x.pt"))[1]
    models = ["loras/x.pt", "vae/x.pt"]
    assert left.reason == because(Why.IMPORT_SEVERAL_NEEDED, models=models)
    (left,) = decide(tmp_path, plan("loras/y.pt"), as_listed("x.pt"))[1]
    assert left.reason.why == Why.IMPORT_NO_FOLDER
    assert left.failed
    both = plan("loras/a/x.pt", "loras/b/x.pt")
    (left,) = decide(tmp_path, both, as_listed("models/loras/c/x.pt"))[1]
    assert left.reason.why == Why.IMPORT_SEVERAL_NEEDED


@pytest.mark.parametrize("place", ["models/loras/../x.pt", "models/loras/sub/..", ""])
def test_no_place_is_outside(place: str, tmp_path: Path) -> None:
    taken, (left,) = decide(tmp_path, plan("loras/y.pt"), as_listed(place))
    assert taken == []
    assert left.model == place


def test_a_model_that_lies_elsewhere_is_the_one_that_is_needed_and_it_is_told(
    tmp_path: Path,
) -> None:
    listed = as_listed("models/loras/old/x.pt")
    ((entry,), _) = decide(tmp_path, plan("loras/x.pt"), listed)
    assert (entry.key, entry.own_key) == ("loras/x.pt", "loras/old/x.pt")
    assert entry.note == because(Why.IMPORT_OTHER_PLACE, place="loras/old/x.pt")
    ((entry,), _) = decide(tmp_path, plan("?/x.pt"), listed)
    assert (entry.key, entry.pin) == ("x.pt", {"folder": "loras", "url": URL})
    ((entry,), _) = decide(tmp_path, plan("vae/y.pt"), listed, says=because(Why.HUB_NO_FILE))
    assert (entry.key, entry.needed) == ("loras/old/x.pt", False), "of it nobody is asked"


def test_of_two_places_of_one_name_each_has_its_own(tmp_path: Path) -> None:
    listed = (as_listed("models/loras/old/x.pt", OTHER_URL), as_listed("models/loras/x.pt"))
    taken, left = decide(tmp_path, plan("loras/x.pt"), *listed)
    assert left == []
    assert {(e.key, e.url, e.needed, e.note) for e in taken} == {
        ("loras/x.pt", URL, True, None),
        ("loras/old/x.pt", OTHER_URL, False, None),
    }


@pytest.mark.parametrize(
    ("one", "other", "agreed"),
    [
        ((URL, ONE), (URL, ""), (URL, ONE)),
        ((URL, ""), ("", ONE), (URL, ONE)),
        ((URL, ONE), (OTHER_URL, ONE), (URL, ONE)),
        ((URL, ONE), (OTHER_URL, ""), None),
        ((URL, ""), (OTHER_URL, ""), None),
        ((URL, ONE), (URL, TWO), None),
    ],
)
def test_entries_of_one_model_have_to_say_the_same(
    one: tuple[str, str], other: tuple[str, str], agreed: tuple[str, str] | None, tmp_path: Path
) -> None:
    listed = [
        as_listed("models/loras/x.pt", *said, where=w) for said, w in ((one, "a"), (other, "b"))
    ]
    taken, left = decide(tmp_path, plan("loras/x.pt"), *listed)
    assert [(e.url, e.sha256) for e in taken] == ([agreed] if agreed else [])
    disagree = Skipped("a, b", "loras/x.pt", because(Why.IMPORT_DISAGREE, places=["a", "b"]))
    assert left == ([] if agreed else [disagree])


@pytest.mark.parametrize(
    ("url", "sha256", "pin"),
    [
        ("", ONE, {"url": URL, "sha256": ONE}),
        (URL, ONE, {"url": URL, "sha256": ONE}),
        (URL, "", Why.IMPORT_THERE_ALREADY),
        (OTHER_URL, "", Why.IMPORT_YOURS_STAYS),
    ],
)
def test_a_pin_gets_what_it_lacks_and_nothing_else(
    url: str, sha256: str, pin: object, tmp_path: Path
) -> None:
    pins: dict[str, Override] = {"loras/x.pt": Pin(url=URL)}
    listed = as_listed("models/loras/x.pt", url, sha256)
    taken, left = decide(tmp_path, plan("loras/x.pt"), listed, pins=pins)
    assert [e.pin for e in taken] + [e.reason.why for e in left] == [pin]
    assert not any(e.failed for e in left)


def test_what_the_manifest_says_stays(tmp_path: Path) -> None:
    own = {"loras/x.pt": Override(sha256=ONE)}
    for sha256, why in ((ONE, Why.IMPORT_THERE_ALREADY), (TWO, Why.IMPORT_YOURS_STAYS)):
        listed = as_listed("models/loras/x.pt", URL, sha256)
        taken, left = decide(tmp_path, plan("loras/x.pt"), listed, own=own)
        assert taken == []
        assert [(e.reason, e.failed) for e in left] == [(because(why, file="manifest.yaml"), False)]


def test_what_can_not_be_kept_of_an_address_leaves_its_hash(tmp_path: Path) -> None:
    secret = "https://github.com/a/b/releases/download/v1/x.pt?token=canary"
    needed = plan("loras/x.pt")
    _, (left,) = decide(tmp_path, needed, as_listed("models/loras/x.pt", secret))
    assert left.reason == because(Why.IMPORT_SECRET)
    (entry,), _ = decide(tmp_path, needed, as_listed("models/loras/x.pt", secret, ONE))
    assert (entry.pin, entry.note) == ({"sha256": ONE}, because(Why.IMPORT_SECRET))
    (entry,), _ = decide(
        tmp_path, needed, as_listed("models/loras/x.pt", secret.split("?", maxsplit=1)[0] + "?raw=")
    )
    assert entry.url.endswith("?raw=")
    _, (left,) = decide(tmp_path, needed, as_listed("models/loras/x.pt", ""))
    assert left.reason == because(Why.IMPORT_SAYS_NOTHING)


def test_what_was_looked_for_counts_and_what_is_there_is_told(tmp_path: Path) -> None:
    gone = because(Why.HUB_NO_FILE)
    _, (left,) = decide(tmp_path, plan("loras/x.pt"), as_listed("models/loras/x.pt"), says=gone)
    assert (left.reason, left.failed) == (gone, True)
    there = plan(present=("loras/x.pt",))
    (entry,), _ = decide(tmp_path, there, as_listed("models/loras/x.pt", URL, ONE))
    assert entry.note == because(Why.IMPORT_PRESENT)
    (entry,), _ = decide(tmp_path, there, as_listed("models/loras/x.pt"))
    assert entry.note is None
    beside = as_listed("models/loras/notes.txt")
    _, (left,) = decide(tmp_path, there, beside)
    assert (left.reason, left.failed) == (because(Why.IMPORT_NO_MODEL), False)


def test_a_place_without_a_models_folder_is_told_by_the_folder_that_it_names(
    tmp_path: Path,
) -> None:
    needed = plan("loras/deep/x.pt", "vae/x.pt")
    assert decide(tmp_path, needed, as_listed("backup/loras/deep/x.pt"))[0] == [
        Imported("loras/deep/x.pt", "models[0]", URL)
    ]
