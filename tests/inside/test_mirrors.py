"""Mirrors as a project has them: filled from the lock file, asked first, never believed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.net.buckets import _KEYS
from comfyfix.records import because
from comfyfix.screen.words import fixed, sentence, t
from comfyfix.settings.mirror import name_of
from comfyfix.settings.overrides import LOCK_FILE
from comfyfix.why import Why
from tests.buckets import Buckets
from tests.google_buckets import GoogleBuckets
from tests.inprocess import InProcess, Ran

REPO = "harbour/harbour_lamps"
NAMES = tuple(f"harbour_lamp_{number}.safetensors" for number in range(3))
DIGESTS = {sha256(file_for(name)): name for name in NAMES}


@pytest.fixture
def site(inprocess: InProcess, hub: Hub) -> InProcess:
    """A project whose lock file names three models, of which none is there."""
    hub.add(REPO, NAMES)
    inprocess.workflow("w.json", *(("loras", name) for name in NAMES))
    inprocess.manifest(search={"sources": ["store", "workflow", "huggingface"]})
    done = inprocess.run("lock")
    assert done.code == 0, done
    hub.seen.clear()
    return inprocess


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


@pytest.fixture(params=["s3", "gs"])
def buckets(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Buckets]:
    pytest.importorskip("obstore")
    account = tmp_path_factory.mktemp("account") / "account.json"
    with Buckets() if request.param == "s3" else GoogleBuckets(account) as server:
        yield server


def put(mirror: Path, wrong: bool = False) -> None:
    for digest, name in DIGESTS.items():
        path = mirror / name_of(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        data = file_for(name)
        path.write_bytes(bytes(len(data)) if wrong else data)


def brought(site: InProcess) -> dict[str, str]:
    return {p.name: sha256(p.read_bytes()) for p in (site.models / "loras").glob("*.safetensors")}


def is_right(site: InProcess, ran: Ran) -> None:
    assert ran.code == 0, ran.out + ran.err
    assert brought(site) == {name: digest for digest, name in DIGESTS.items()}


def held(mirror: Path) -> dict[str, str]:
    """What lies in a folder, by name, with its hash."""
    return {p.name: sha256(p.read_bytes()) for p in mirror.rglob("*") if p.is_file()}


def right(found: dict[str, str]) -> bool:
    return found == {digest: digest for digest in DIGESTS}


def test_a_locked_run_with_a_full_mirror_asks_nobody_else(
    site: InProcess, hub: Hub, mirror: Path
) -> None:
    put(mirror)
    done = site.run("--locked", COMFYFIX_MIRROR=str(mirror))
    is_right(site, done)
    assert hub.seen == []
    assert done.out.count(t("✓ From the mirror {place}", place=str(mirror))) == 3
    size = sum(len(file_for(name)) for name in NAMES)
    assert t("Of them from a mirror: {count} ({size:size})", count=3, size=size) in done.out
    assert fixed("Successfully downloaded: {count}", count=3) in done.out
    rows = site.state("report/report.json")["models"]
    assert [row["mirror"] for row in rows] == [str(mirror)] * 3
    assert [row["came"] for row in rows] == ["fetched"] * 3


def test_so_does_one_that_may_send_no_request(site: InProcess, hub: Hub, mirror: Path) -> None:
    put(mirror)
    site.manifest(mirror=[os.path.relpath(mirror, site.root)])
    is_right(site, site.run("--locked", "--offline"))
    assert hub.seen == []


def test_a_mirror_of_wrong_bytes_poisons_nothing(site: InProcess, hub: Hub, mirror: Path) -> None:
    put(mirror, wrong=True)
    done = site.run("--locked", COMFYFIX_MIRROR=str(mirror))
    is_right(site, done)
    line = t("! The mirror {place} has other bytes under this hash: not taken", place=str(mirror))
    assert done.out.count(line) == 3
    rows = site.state("report/report.json")["models"]
    assert [row["mirror"] for row in rows] == [None] * 3
    assert t("Of them from a mirror: ") not in done.out


def test_one_that_is_not_there_is_told_once(site: InProcess, hub: Hub) -> None:
    place = "http://127.0.0.1:9/models"
    site.manifest(mirror=[place], download={"parallel": 1})
    done = site.run("--locked")
    is_right(site, done)
    assert done.out.count(t("! The mirror {place} can't be reached", place=place)) == 1


def test_a_file_that_nobody_else_has_comes_from_the_mirror(
    site: InProcess, hub: Hub, mirror: Path
) -> None:
    """It is locked by its hash alone, where it lies it is put into the mirror."""
    name = "ours_alone.safetensors"
    site.workflow("w.json", ("loras", name))
    ours = site.put("loras", name, file_for(name, seed="ours"))
    digest = sha256(ours.read_bytes())
    assert site.run("lock").code == 0
    lock = (site.root / LOCK_FILE).read_bytes()
    assert site.run("mirror", str(mirror)).code == 0
    assert held(mirror) == {digest: digest}
    shutil.rmtree(site.output)
    ours.unlink()
    hub.seen.clear()
    assert site.run("--locked").code == 1
    done = site.run("--locked", COMFYFIX_MIRROR=str(mirror))
    assert done.code == 0, done.out + done.err
    assert brought(site) == {name: digest}
    assert hub.seen == []
    assert site.run("verify").code == 0
    assert (site.root / LOCK_FILE).read_bytes() == lock
    ours.unlink()
    shutil.rmtree(mirror)
    done = site.run("--locked", COMFYFIX_MIRROR=str(mirror))
    assert done.code == 1
    assert "doit mirror" in done.out or "comfyfix mirror" in done.out
    assert hub.seen == []


def test_what_lies_in_a_folder_of_a_folder_is_copied_too(site: InProcess, mirror: Path) -> None:
    name = "ours_alone.safetensors"
    node = {"class_type": "LoadChatGLM3", "inputs": {"chatglm3_checkpoint": name}}
    (site.workflows / "w.json").write_text(json.dumps({"1": node}))
    ours = site.put("LLM/checkpoints", name, file_for(name, seed="ours"))
    assert site.run("lock").code == 0
    done = site.run("mirror", str(mirror))
    assert done.code == 0, done.out
    assert set(held(mirror)) == {sha256(ours.read_bytes())}


def test_what_the_origin_would_refuse_is_decided_by_the_record(
    site: InProcess, hub: Hub, mirror: Path
) -> None:
    """A rule of the manifest holds for what a mirror has, too."""
    put(mirror)
    site.manifest(policy={"formats": ["gguf"]}, mirror=[str(mirror)])
    assert site.run("--locked").code == 1
    assert brought(site) == {}


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("https://user:word@host/x", Why.MIRROR_SECRET),
        ("https://host/x?X-Amz-Signature=0123456789", Why.MIRROR_SECRET),
        ("ftp://host/x", Why.MIRROR_UNFIT),
        ("s3://", Why.MIRROR_UNFIT),
        ("s3://bucket/../other", Why.MIRROR_UNFIT),
        ("https://host/a b", Why.MIRROR_UNFIT),
        ("https:///x", Why.MIRROR_UNFIT),
        ("", Why.MIRROR_UNFIT),
    ],
)
def test_what_is_no_mirror_is_told_with_its_line(site: InProcess, entry: str, why: Why) -> None:
    site.manifest(mirror=[entry])
    done = site.run("list")
    assert done.code == 3
    assert "mirror[0]" in done.err
    shown = entry.partition("?")[0].rpartition("@")[2]
    told = {"variable": "COMFYFIX_MIRROR"} if why is Why.MIRROR_SECRET else {"place": shown}
    assert sentence(because(why, **told)) in " ".join(done.err.split())
    assert "0123456789" not in done.err
    assert "word@" not in done.err


def test_the_variable_is_held_to_the_same_rules(site: InProcess) -> None:
    done = site.run("list", COMFYFIX_MIRROR="relative/folder")
    assert done.code == 3
    assert "COMFYFIX_MIRROR" in done.err


def test_a_folder_is_filled_from_the_store_or_from_the_origin(
    site: InProcess, hub: Hub, mirror: Path
) -> None:
    site.put("loras", NAMES[0])
    site.put("loras", NAMES[1], bytes(len(file_for(NAMES[1]))))  # another, of its size
    done = site.run("mirror", str(mirror), "--json")
    assert done.code == 0, done
    assert right(held(mirror))
    (told,) = json.loads(done.out)["mirrors"]
    came = {row["model"]: row["came"] for row in told["files"]}
    assert came == {f"loras/{n}": "copied" if n == NAMES[0] else "fetched" for n in NAMES}
    again = site.run("mirror", str(mirror))
    assert t("  There before: {count:files}, {size:size}", count=3,
             size=sum(len(file_for(name)) for name in NAMES)) in again.out  # fmt: skip


def test_it_is_verified_and_what_nothing_needs_is_listed(
    site: InProcess, hub: Hub, mirror: Path
) -> None:
    put(mirror)
    extra = mirror / name_of("ab" * 32)
    extra.parent.mkdir()
    extra.write_bytes(b"left over")
    (mirror / "sha256" / "ab" / "notes.txt").write_text("no file of ours")
    broken = next(iter(DIGESTS))
    path = mirror / name_of(broken)
    path.write_bytes(bytes(path.stat().st_size))
    done = site.run("mirror", "--verify", str(mirror), "--json")
    assert done.code == 1
    (told,) = json.loads(done.out)["mirrors"]
    assert {row["sha256"] for row in told["wrong"]} == {broken, "ab" * 32}
    assert told["not_needed"] == [{"sha256": "ab" * 32, "bytes": 9}]
    assert told["hashed"] == 4
    assert hub.seen == []
    shown = site.run("mirror", "--verify", str(mirror))
    assert "ab" * 32 in shown.out
    assert extra.exists()


def test_what_it_lacks_is_told_and_one_that_is_away_is_no_empty_one(
    site: InProcess, hub: Hub, mirror: Path
) -> None:
    away = site.run("mirror", "--verify", str(mirror), "--json")
    assert away.code == 1
    assert json.loads(away.out)["mirrors"][0]["problem"]["why"] == Why.MIRROR_UNUSABLE
    assert not mirror.exists()
    put(mirror)
    gone, name = next(iter(DIGESTS.items()))
    (mirror / name_of(gone)).unlink()
    done = site.run("mirror", "--verify", str(mirror), "--json")
    assert done.code == 0
    (told,) = json.loads(done.out)["mirrors"]
    assert [row["model"] for row in told["absent"]] == [f"loras/{name}"]
    line = t("  Not there yet: {count:files}, {size:size}", count=1, size=len(file_for(name)))
    assert line in site.run("mirror", "--verify", str(mirror)).out
    assert hub.seen == []


def test_what_fails_is_told_and_the_others_are_put(site: InProcess, hub: Hub, mirror: Path) -> None:
    hub.faults.append(Fault(f"file *{NAMES[1]}", "404"))
    done = site.run("mirror", str(mirror))
    assert done.code == 1
    assert f"✗ loras/{NAMES[1]}" in done.out
    assert set(held(mirror)) == {d for d, name in DIGESTS.items() if name != NAMES[1]}


def test_a_mirror_that_can_only_be_read_is_told(site: InProcess) -> None:
    site.manifest(mirror=["https://127.0.0.1:9/models"])
    done = site.run("mirror")
    assert done.code == 1
    assert sentence(because(Why.MIRROR_READ_ONLY, place="https://127.0.0.1:9/models")) in done.out


def test_without_a_mirror_there_is_nothing_to_fill(site: InProcess) -> None:
    assert site.run("mirror").code == 3


def test_without_a_lock_file_too(inprocess: InProcess, mirror: Path) -> None:
    inprocess.workflow("w.json", ("loras", NAMES[0]))
    done = inprocess.run("mirror", str(mirror))
    assert done.code == 3
    assert not mirror.exists()


def test_a_folder_that_leads_elsewhere_is_not_written_to(
    site: InProcess, mirror: Path, tmp_path: Path
) -> None:
    digest, name = next(iter(DIGESTS.items()))
    others = tmp_path / "others"
    others.mkdir()
    (mirror / "sha256").mkdir(parents=True)
    (mirror / "sha256" / digest[:2]).symlink_to(others)
    done = site.run("mirror", str(mirror))
    assert done.code == 1
    assert f"✗ loras/{name}" in done.out
    assert list(others.iterdir()) == []


@pytest.mark.parametrize("here", [True, False], ids=["copied", "fetched"])
@pytest.mark.parametrize("made", ["file", "link", "pipe"])
def test_what_stands_in_the_way_is_replaced(
    site: InProcess, mirror: Path, tmp_path: Path, made: str, here: bool
) -> None:
    digest = next(iter(DIGESTS))
    path = mirror / name_of(digest)
    path.parent.mkdir(parents=True)
    others = tmp_path / "others"
    others.write_bytes(b"of somebody")
    if made == "file":
        path.write_bytes(b"short")
    elif made == "link":
        path.symlink_to(others)
    else:
        os.mkfifo(path)
    site.put("loras", DIGESTS[digest] if here else "another.safetensors")
    done = site.run("mirror", str(mirror))
    assert done.code == 0, done
    assert right({n: d for n, d in held(mirror).items() if not n.endswith(".damaged")})
    assert not path.is_symlink()
    assert others.read_bytes() == b"of somebody"


def test_a_bucket_is_filled_and_read_by_signed_addresses(
    site: InProcess, hub: Hub, buckets: Buckets
) -> None:
    site.put("loras", NAMES[0])
    site.manifest(mirror=[f"{buckets.scheme}://models/of/us"])
    done = site.run("mirror", **buckets.environment)
    assert done.code == 0, done
    assert {key: sha256(data) for key, data in buckets.objects.items()} == {
        f"/models/of/us/{name_of(digest)}": digest for digest in DIGESTS
    }
    assert not list((site.output / "cache" / "mirror").rglob("*.part"))
    shutil.rmtree(site.models / "loras")
    hub.seen.clear()
    done = site.run("--locked", **buckets.environment)
    is_right(site, done)
    assert hub.seen == []
    assert not _secrets(site, done, buckets)
    verified = site.run("mirror", "--verify", "--json", **buckets.environment)
    assert json.loads(verified.out)["mirrors"][0]["hashed"] == 3


def _secrets(site: InProcess, ran: Ran, buckets: Buckets) -> list[str]:
    """Where a key, or a signature that was sent, stands in what a run has left and shown."""
    signed = {
        part for _, path, _ in buckets.seen for part in path.split("&") if "Signature=" in part
    }
    assert signed
    words = [*buckets.secrets, *(part.partition("=")[2] for part in signed)]
    texts = {"screen": ran.out + ran.err}
    for path in site.root.rglob("*"):
        if path.is_file():
            texts[str(path)] = path.read_bytes().decode(errors="replace")
    return [name for name, text in texts.items() if any(word in text for word in words)]


def test_an_expired_signature_costs_nothing_but_a_request(
    site: InProcess, hub: Hub, buckets: Buckets
) -> None:
    site.manifest(mirror=[f"{buckets.scheme}://models"])
    for digest, name in DIGESTS.items():
        buckets.objects[f"/models/{name_of(digest)}"] = file_for(name)
    buckets.now = lambda: datetime.now(UTC) + timedelta(hours=13)
    done = site.run("--locked", **buckets.environment)
    is_right(site, done)
    assert {status for _, _, status in buckets.seen} == {403}
    assert hub.seen


def test_a_bucket_without_keys_is_not_asked(site: InProcess, hub: Hub, buckets: Buckets) -> None:
    site.manifest(mirror=[f"{buckets.scheme}://models"])
    done = site.run("--locked", **buckets.endpoint)
    is_right(site, done)
    assert buckets.seen == []
    assert done.out.count(f"{buckets.scheme}://models") == 1


def test_what_changes_while_it_is_sent_gets_no_name(
    site: InProcess, hub: Hub, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes that are sent are those that are hashed."""
    from comfyfix.mirrors import holders

    for name in NAMES:
        site.put("loras", name, bytes(len(file_for(name))))
    monkeypatch.setattr(holders, "PART_BYTES", 100)  # sent in parts
    done = site.run("mirror", f"{buckets.scheme}://models", **buckets.environment)
    assert done.code == 0, done
    assert {sha256(data) for data in buckets.objects.values()} == set(DIGESTS)
    assert buckets.parts == {}


def test_a_bucket_gets_what_it_lacks_and_is_verified(
    site: InProcess, hub: Hub, buckets: Buckets
) -> None:
    place = f"{buckets.scheme}://models"
    keys = {digest: f"/models/{name_of(digest)}" for digest in DIGESTS}
    wrong, short, absent = DIGESTS
    buckets.objects[keys[wrong]] = bytes(len(file_for(DIGESTS[wrong])))
    buckets.objects[keys[short]] = b"half"
    buckets.objects[f"/models/{name_of('ab' * 32)}"] = b"left over"
    buckets.cuts = {"PUT": 2}
    done = site.run("mirror", place, **buckets.environment)
    assert done.code == 0, done
    assert buckets.cuts == {"PUT": 0}
    put = [unquote(path) for method, path, _ in buckets.seen if method == "PUT"]
    assert sorted(put) == sorted(keys[digest] for digest in (short, absent))
    verified = site.run("mirror", "--verify", place, "--json", **buckets.environment)
    assert verified.code == 1
    (told,) = json.loads(verified.out)["mirrors"]
    assert {row["sha256"] for row in told["wrong"]} == {wrong, "ab" * 32}
    assert told["not_needed"] == [{"sha256": "ab" * 32, "bytes": 9}]
    done = site.run("--locked", COMFYFIX_MIRROR=place, **buckets.environment)
    is_right(site, done)  # the wrong one from its origin


def test_what_opens_no_bucket_is_told(
    site: InProcess, hub: Hub, buckets: Buckets, tmp_path: Path
) -> None:
    place = f"{buckets.scheme}://models"
    environment = {**buckets.environment, "AWS_SECRET_ACCESS_KEY": "another"}
    if buckets.scheme == "gs":
        account = json.loads(Path(environment["GOOGLE_APPLICATION_CREDENTIALS"]).read_text())
        other = tmp_path / "other.json"
        other.write_text(json.dumps(account | {"client_email": "other@harbour.example"}))
        environment["GOOGLE_APPLICATION_CREDENTIALS"] = str(other)
    done = site.run("mirror", place, **environment)
    assert done.code == 1
    cause = because(Why.MIRROR_REFUSES)
    assert sentence(because(Why.MIRROR_UNUSABLE, place=place, cause=cause)) in done.out
    assert buckets.objects == {}
    done = site.run("mirror", place, **buckets.endpoint)
    assert done.code == 1
    names = ["+".join(each) for each in _KEYS[buckets.scheme]]
    cause = because(Why.MIRROR_NO_KEY, names=names)
    assert sentence(because(Why.MIRROR_UNUSABLE, place=place, cause=cause)) in done.out


@pytest.mark.parametrize("named", ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT"])
@pytest.mark.parametrize("text", [None, "", "[]", "{no json", '{"type": "service_account"}', "key"])
def test_what_is_no_key_of_google_is_told(
    site: InProcess, tmp_path: Path, named: str, text: str | None
) -> None:
    pytest.importorskip("obstore")
    path = tmp_path / "account.json"
    if text == "key":
        begin, end = (f"-----{edge} PRIVATE KEY-----" for edge in ("BEGIN", "END"))
        told = {"private_key": f"{begin}\nc2VjcmV0IGJ5dGVz\n{end}\n", "private_key_id": "first"}
        text = json.dumps(told | {"type": "service_account", "client_email": "a@b.example"})
    if text is not None:
        path.write_text(text)
    done = site.run("mirror", "gs://models", **{named: str(path)})
    assert done.code == 1
    cause = because(Why.MIRROR_KEY_UNFIT, names=[named])
    assert sentence(because(Why.MIRROR_UNUSABLE, place="gs://models", cause=cause)) in done.out
    assert "c2VjcmV0" not in done.out + done.err
