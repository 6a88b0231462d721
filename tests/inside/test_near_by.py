"""What the user has already is copied, not downloaded, once its bytes are seen to be the same."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import fixed, t
from comfyfix.state.journal import Expected, journals, read_line
from comfyfix.state.layout import Layout
from comfyfix.why import Why
from tests.inprocess import InProcess
from tests.near_by import COMMIT, cache_of, put_in_cache, state_of

NAME = "harbor_light.safetensors"
NEED = ("loras", NAME)
DATA = file_for(NAME)
OTHER = DATA[:-1] + bytes([DATA[-1] ^ 1])  # of the same size
FILE = f"maker/harbor_light/{NAME}"


@pytest.fixture
def wanted(inprocess: InProcess, hub: Hub) -> InProcess:
    """A site that lacks one file, which the Hub has."""
    inprocess.workflow("w.json", NEED)
    hub.add("maker/harbor_light", [NAME])
    return inprocess


def downloads(hub: Hub) -> list[str]:
    return [seen.path for seen in hub.seen if "/resolve/" in seen.path and seen.method == "GET"]


def receipt(site: InProcess) -> dict[str, object]:
    found = site.state("downloaded_models.json")["models"][f"loras/{NAME}"]
    assert isinstance(found, dict)
    return found


def assert_copied(site: InProcess, hub: Hub, origin: Path, **extra: str) -> None:
    done = site.doit(**extra)
    assert done.returncode == 0, done.stdout
    assert site.files() == {f"loras/{NAME}": sha256(DATA)}
    assert downloads(hub) == []
    assert receipt(site)["origin"] == str(origin)
    assert (
        t("✓ Copied from {place} ({size:size})", place=str(origin), size=len(DATA)) in done.stdout
    )
    line = "Copied from files of yours: {count} ({size:size})"
    assert t(line, count=1, size=len(DATA)) in done.stdout
    assert fixed("Successfully downloaded: {count}", count=0) in done.stdout
    leftovers = [p.name for p in (site.models / "loras").iterdir() if p.name != NAME]
    assert leftovers == []


def assert_downloaded(site: InProcess, hub: Hub) -> None:
    done = site.doit()
    assert done.returncode == 0, done.stdout
    assert site.files() == {f"loras/{NAME}": sha256(DATA)}
    assert downloads(hub) != []
    assert receipt(site)["origin"] == ""


@pytest.mark.parametrize("large", [True, False], ids=["sha256", "sha1"])
def test_a_file_of_the_hubs_cache_is_copied(wanted: InProcess, hub: Hub, large: bool) -> None:
    cache = cache_of(wanted.home)
    blob = put_in_cache(cache, "somebody/else", f"deep/er/{NAME}", DATA, large=large)
    before = state_of(cache)
    assert_copied(wanted, hub, blob)
    assert state_of(cache) == before
    made = wanted.models / "loras" / NAME
    assert not made.is_symlink()
    assert made.stat().st_ino != blob.stat().st_ino


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME"])
def test_the_cache_lies_where_the_environment_says(
    wanted: InProcess, hub: Hub, variable: str
) -> None:
    place = wanted.root / "elsewhere"
    blob = put_in_cache(place / "hub" if variable == "HF_HOME" else place, "a/b", NAME, DATA)
    assert_copied(wanted, hub, blob, **{variable: str(place)})


def test_a_blob_that_leads_out_of_the_cache_counts_if_it_is_right(
    wanted: InProcess, hub: Hub
) -> None:
    blob = put_in_cache(cache_of(wanted.home), "a/b", NAME, DATA)
    real = wanted.root / "disk" / "xet"
    real.parent.mkdir()
    blob.rename(real)
    blob.symlink_to(real)
    assert_copied(wanted, hub, real)


def _wrong_bytes(blob: Path) -> None:
    blob.write_bytes(OTHER)


def _sparse(blob: Path) -> None:
    blob.write_bytes(b"")
    os.truncate(blob, len(DATA))


def _huge(blob: Path) -> None:
    os.truncate(blob, 1 << 43)


def _pipe(blob: Path) -> None:
    blob.unlink()
    os.mkfifo(blob)


def _device(blob: Path) -> None:
    blob.unlink()
    blob.symlink_to("/dev/zero")


def _nowhere(blob: Path) -> None:
    blob.unlink()


def _incomplete(blob: Path) -> None:
    blob.rename(blob.with_name(f"{blob.name}.incomplete"))


def _unreadable(blob: Path) -> None:
    blob.unlink()
    blob.symlink_to(blob.name)


@pytest.mark.soak
@pytest.mark.parametrize(
    "spoil",
    [_wrong_bytes, _sparse, _huge, _pipe, _device, _nowhere, _incomplete, _unreadable],
)
def test_what_is_no_such_file_is_not_taken(wanted: InProcess, hub: Hub, spoil: object) -> None:
    assert callable(spoil)
    spoil(put_in_cache(cache_of(wanted.home), "a/b", NAME, DATA))
    assert_downloaded(wanted, hub)


def test_what_is_half_fetched_is_not_taken_whole_or_not(wanted: InProcess, hub: Hub) -> None:
    cache = cache_of(wanted.home)
    blob = put_in_cache(cache, "a/b", NAME, DATA)
    next((cache / "models--a--b" / "snapshots").rglob(NAME)).unlink()
    blob.rename(blob.with_name(f"{blob.name}.incomplete"))
    assert_downloaded(wanted, hub)


@pytest.mark.parametrize("side", [None, "civitai.info", "cm-info.json", "metadata.json"])
@pytest.mark.parametrize("link", [False, True], ids=["copied", "linked"])
def test_a_file_of_another_program_is_taken(
    wanted: InProcess, hub: Hub, side: str | None, link: bool
) -> None:
    folder = wanted.root / "A1111" / "models" / "Lora"
    folder.mkdir(parents=True)
    other = folder / "their own name.safetensors"
    other.write_bytes(DATA)
    told = {
        "civitai.info": {"id": 7, "files": [{"hashes": {"SHA256": sha256(DATA).upper()}}]},
        "cm-info.json": {"VersionId": 7, "Hashes": {"SHA256": sha256(DATA).upper()}},
        "metadata.json": {"file_name": "x", "sha256": sha256(DATA)},
    }
    if side:
        other.with_suffix(f".{side}").write_text(json.dumps(told[side]))
    wanted.manifest(also_look_in=["A1111"], download={"link": link})
    assert_copied(wanted, hub, other)
    assert (wanted.models / "loras" / NAME).samefile(other) is link


def test_a_side_file_proves_nothing(wanted: InProcess, hub: Hub) -> None:
    folder = wanted.root / "A1111"
    folder.mkdir()
    (folder / NAME).write_bytes(OTHER)
    (folder / "harbor_light.metadata.json").write_text(json.dumps({"sha256": sha256(DATA)}))
    wanted.manifest(also_look_in=["A1111"], download={"link": True})
    assert_downloaded(wanted, hub)
    assert (folder / NAME).read_bytes() == OTHER
    assert (folder / NAME).stat().st_nlink == 1


def test_a_side_file_that_is_out_of_date_hides_nothing(wanted: InProcess, hub: Hub) -> None:
    folder = wanted.root / "A1111"
    folder.mkdir()
    (folder / "x.safetensors").write_bytes(DATA)
    (folder / "x.civitai.info").write_text(json.dumps({"sha256": sha256(OTHER)}))
    wanted.manifest(also_look_in=[str(folder)])
    assert_copied(wanted, hub, folder / "x.safetensors")


def test_a_folder_of_files_of_one_size_is_not_hashed_whole(wanted: InProcess, hub: Hub) -> None:
    folder = wanted.root / "many"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02d}.safetensors").write_bytes(OTHER)
    wanted.manifest(also_look_in=[str(folder)])
    assert_downloaded(wanted, hub)
    hashed = (wanted.output / ".cache" / "hashes.jsonl").read_text().split("\n")
    assert 0 < sum("/many/" in line for line in hashed) < 5


def test_a_folder_that_is_not_there_is_told_once(wanted: InProcess, hub: Hub) -> None:
    wanted.manifest(also_look_in=["nowhere"])
    done = wanted.doit()
    told = words.sentence(because(Why.ALSO_LOOK_ABSENT, folder=str(wanted.root / "nowhere")))
    assert (done.stdout + done.stderr).count(told) == 1
    assert done.returncode == 0
    assert downloads(hub) != []


def with_hash(
    site: InProcess, url: str = f"https://huggingface.co/maker/x/resolve/main/{NAME}"
) -> None:
    path = site.workflow("w.json", NEED, urls={NAME: url})
    told = json.loads(path.read_text())
    told["nodes"][0]["properties"]["models"][0] |= {"hash": sha256(DATA), "hash_type": "SHA256"}
    path.write_text(json.dumps(told))


def asked(hub: Hub) -> list[str]:
    return [seen.path for seen in hub.seen]


def test_what_the_workflow_tells_the_hash_of_needs_no_network(
    inprocess: InProcess, hub: Hub
) -> None:
    site = inprocess
    with_hash(site)
    blob = put_in_cache(cache_of(site.home), "maker/harbor_light", f"deep/{NAME}", DATA)
    site.manifest(endpoints=dict.fromkeys(("huggingface", "civitai"), "http://127.0.0.1:9"))
    assert_copied(site, hub, blob)
    assert asked(hub) == []
    record = json.loads(next((site.output / "sources").iterdir()).read_text())
    assert (record["repo"], record["commit"], record["path"]) == (
        "maker/harbor_light",
        COMMIT,
        f"deep/{NAME}",
    )
    assert record["url"].endswith(f"/maker/harbor_light/resolve/{COMMIT}/deep/{NAME}")
    assert record["local"] == ""


@pytest.mark.parametrize("known", ["workflow", "record"])
def test_offline_what_lies_near_by_is_copied_all_the_same(
    inprocess: InProcess, hub: Hub, known: str
) -> None:
    if known == "workflow":
        with_hash(inprocess)
    else:
        inprocess.workflow("w.json", NEED)
        hub.add("maker/harbor_light", []).files[NAME] = DATA
        assert inprocess.doit().returncode == 0
        (inprocess.models / "loras" / NAME).unlink()
        hub.seen.clear()
    put_in_cache(cache_of(inprocess.home), "maker/harbor_light", NAME, DATA)
    done = inprocess.doit(COMFYFIX_OFFLINE="1")
    assert done.returncode == 0, done.stdout
    assert inprocess.files() == {f"loras/{NAME}": sha256(DATA)}
    assert asked(hub) == []


@pytest.mark.parametrize("told", ["workflow", "pin", "bare pin"])
def test_another_programs_file_serves_without_a_network(
    inprocess: InProcess, hub: Hub, told: str
) -> None:
    site = inprocess
    other = site.root / "A1111" / NAME
    other.parent.mkdir()
    other.write_bytes(DATA)
    url = f"https://huggingface.co/maker/harbor_light/resolve/main/{NAME}"
    with_hash(site) if told == "workflow" else site.workflow("w.json", NEED)
    pin = {"sha256": sha256(DATA), **({"url": url} if told == "pin" else {})}
    site.manifest(
        also_look_in=["A1111"],
        models={} if told == "workflow" else {NAME: pin},
        endpoints=dict.fromkeys(("huggingface", "civitai"), "http://127.0.0.1:9"),
    )
    assert_copied(site, hub, other)
    assert asked(hub) == []
    (events,) = journals(Layout(site.output))
    sizes = [
        e.size for e in map(read_line, events.read_bytes().splitlines()) if type(e) is Expected
    ]
    assert sizes == [len(DATA)], "it is copied: what is only linked brings no bytes"
    assert other.stat().st_nlink == 1
    assert site.doit().returncode == 0
    assert site.doit("verify").returncode == 0


def test_a_wrong_file_does_not_stand_in(inprocess: InProcess, hub: Hub) -> None:
    with_hash(inprocess)
    put_in_cache(cache_of(inprocess.home), "a/b", NAME, OTHER, etag=sha256(DATA))
    inprocess.manifest(endpoints=dict.fromkeys(("huggingface", "civitai"), "http://127.0.0.1:9"))
    assert inprocess.doit().returncode == 1
    assert inprocess.files() == {}


@pytest.mark.parametrize("here", [True, False])
def test_a_gated_file_that_is_here_needs_no_token(
    inprocess: InProcess, hub: Hub, here: bool
) -> None:
    inprocess.workflow("w.json", NEED)
    hub.add("maker/harbor_light", [NAME], gated=True)
    blob = put_in_cache(
        cache_of(inprocess.home), "maker/harbor_light", NAME, DATA if here else OTHER
    )
    if here:
        assert_copied(inprocess, hub, blob)
        record = json.loads(next((inprocess.output / "sources").iterdir()).read_text())
        assert (record["source"], record["gated"]) == ("huggingface", True)
    else:
        assert inprocess.doit().returncode == 1


def test_what_the_hubs_scan_flags_is_refused_here_too(inprocess: InProcess, hub: Hub) -> None:
    with_hash(inprocess, f"https://huggingface.co/maker/harbor_light/resolve/main/{NAME}")
    hub.add("maker/harbor_light", [NAME]).flagged[NAME] = "unsafe"
    put_in_cache(cache_of(inprocess.home), "maker/harbor_light", NAME, DATA)
    assert inprocess.doit().returncode == 1
    assert inprocess.files() == {}


def test_plan_counts_what_is_copied_apart(wanted: InProcess, hub: Hub) -> None:
    wanted.workflow("v.json", ("vae", "soft.safetensors"))
    hub.add("maker/soft", ["soft.safetensors"])
    blob = put_in_cache(cache_of(wanted.home), "maker/harbor_light", NAME, DATA)
    far = len(file_for("soft.safetensors"))
    view = json.loads(wanted.doit("plan", "--json").stdout)
    assert (view["total_bytes"], view["near_bytes"]) == (far, len(DATA))
    assert {row["model"]: row["near"] for row in view["models"]} == {
        NAME: str(blob),
        "soft.safetensors": "",
    }
    line = t(
        "{size:size} of others to copy from files of yours, which are hashed first", size=len(DATA)
    )
    assert line in wanted.doit("plan").stdout
    blob.write_bytes(OTHER[:-1])
    assert json.loads(wanted.doit("plan", "--json").stdout)["near_bytes"] == 0
