"""Every message that a user can meet, in one table: about what, why, and the next step.

A test at the end holds the table against `errors.py`: a new kind of problem needs a row here.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from comfyfix import errors
from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub
from tests.behaviour.test_script import identity
from tests.rig import Site
from tests.unit.hostile_pickles import P2, call

NAME = "harbor_light.safetensors"
NEED = ("loras", NAME)
REPO = "maker/harbor_light"
HUB = "https://huggingface.co"
CIVITAI = "https://civitai.com/api/download/models"
Prepare = Callable[[Site, Hub], object]


@dataclass
class Row:
    """How to meet a message, and what it must say. `kind` is its class in errors.py."""

    kind: str
    prepare: Prepare
    about: str
    cause: str
    next_step: str
    command: tuple[str, ...] = ()
    code: int = 1
    variables: dict[str, str] = field(default_factory=dict)


def known(site: Site, hub: Hub) -> None:
    site.workflow("w.json", NEED)
    hub.add(REPO, [NAME])


def with_fault(kind: str) -> Prepare:
    def prepare(site: Site, hub: Hub) -> None:
        known(site, hub)
        hub.faults.append(Fault("file *", kind))

    return prepare


def after(change: Prepare) -> Prepare:
    def prepare(site: Site, hub: Hub) -> None:
        known(site, hub)
        change(site, hub)

    return prepare


def civitai(access: str) -> Prepare:
    def prepare(site: Site, hub: Hub) -> None:
        site.workflow("w.json", NEED)
        hub.add_civitai("Harbor Light", NAME).access = access

    return prepare


def twins(site: Site, hub: Hub) -> None:
    known(site, hub)
    hub.add("other/harbor_light", []).files[NAME] = file_for("another.safetensors")


def foreign(site: Site, hub: Hub) -> None:
    site.workflow("w.json", NEED, urls={NAME: f"https://files.example.org/{NAME}"})


def gated_after_the_search(site: Site, hub: Hub) -> None:
    known(site, hub)
    assert site.doit("plan").returncode == 0
    hub.repositories[REPO].gated = True


def moved(site: Site, hub: Hub) -> None:
    known(site, hub)
    assert site.doit("plan").returncode == 0
    hub.repositories.clear()


def locked(site: Site, hub: Hub) -> None:
    known(site, hub)
    folder = site.models / "loras"
    folder.mkdir()
    (folder / f".{NAME}.lock").symlink_to(f"{identity()}.{os.getpid()}")


def in_the_way(site: Site, hub: Hub) -> None:
    known(site, hub)
    (site.models / "loras").write_text("a file in the folder's place")


def unknown_loader(site: Site, hub: Hub) -> None:
    path = site.workflow("w.json", NEED)
    path.write_text(path.read_text().replace("LoraLoaderModelOnly", "NobodyKnowsThis"))


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def refusing_tokens(site: Site, hub: Hub) -> None:
    known(site, hub)
    hub.refused_tokens.add("hf_old")


def taken_down(site: Site, hub: Hub) -> None:
    version = hub.add_civitai("Harbor Light", NAME, type="Checkpoint")
    version.mode = "TakenDown"
    site.workflow("w.json", NEED, urls={NAME: f"{CIVITAI}/{version.id}"})


def hostile_pickle(site: Site, hub: Hub) -> None:
    name = "harbor_light.ckpt"
    hub.add(REPO, []).files[name] = P2 + call("os.system") + b"."
    site.workflow("w.json", ("checkpoints", name))


def tools_without_curl(site: Site, hub: Hub) -> None:
    known(site, hub)
    tools = site.root / "tools"
    tools.mkdir()
    for name in ("bash", "env"):
        (tools / name).symlink_to(shutil.which(name) or "")


TABLE = {
    "no manifest": Row(
        "ManifestProblem", lambda s, _: (s.root / "manifest.yaml").unlink(),
        "manifest.yaml", "does not exist", "create it", code=3),
    "unknown key": Row(
        "ManifestProblem", lambda s, _: s.manifest(serach={}),
        r"manifest.yaml, line \d+, key serach", "not known", "mend that line", code=3),
    "no comfyui": Row(
        "SetupProblem", lambda s, _: shutil.rmtree(s.comfyui),
        "no ComfyUI in .*ComfyUI", "does not exist", "COMFYUI_PATH", code=3),
    "no workflows": Row(
        "SetupProblem", lambda _, __: None,
        "no workflows", "no workflow file in", "save a workflow in ComfyUI", code=3),
    "no such workflow": Row(
        "SetupProblem", known, "x.json", "does not exist", "check the file name",
        command=("workflow=x.json",), code=3),
    "no such model": Row(
        "SetupProblem", known, "called x.pth", "No needed model", "doit list",
        command=("verify", "x.pth"), code=3),
    "broken workflow": Row(
        "WorkflowProblem", lambda s, _: (s.workflows / "b.json").write_text('{"nodes": ['),
        "b.json can't be read", "broken JSON at line 1", "save it again"),
    "refused name": Row(
        "NameRefused", lambda s, _: s.workflow("w.json", ("loras", "../x.safetensors")),
        r"\.\./x.safetensors is refused \(w.json, node 1", "part", "choose the model again"),
    "unknown folder": Row(
        "FolderUnknown", unknown_loader, NAME, "NobodyKnowsThis of w.json", "folder: FOLDER"),
    "not found": Row(
        "NotFound", lambda s, _: s.workflow("w.json", NEED), NAME, "no repository",
        f"doit pin {NAME} URL"),
    "uncertain": Row(
        "Uncertain", twins, NAME, "maker/harbor_light .*other/harbor_light",
        f"doit pin {NAME} URL"),
    "source down": Row(
        "SourceDown", known, "127.0.0.1:.* could not be asked", "no connection", "later",
        variables={"HF_ENDPOINT": closed_port()}),
    "token refused": Row(
        "TokenRefused", refusing_tokens, "127.0.0.1:.* refuses the token", "wrong or has expired",
        "set a valid HF_TOKEN", variables={"HF_TOKEN": "hf_old"}),
    "foreign host": Row(
        "HostRefused", foreign, NAME, "files.example.org", "allow_hosts"),
    "token needed": Row(
        "TokenNeeded", after(lambda _, h: h.add(REPO, [NAME], gated=True)),
        REPO, "accepted by a signed-in user", "set HF_TOKEN"),
    "licence": Row(
        "LicenceNeeded", gated_after_the_search, NAME, "licence of .* is not accepted",
        f"accept it on {HUB}/{REPO}", variables={"HF_TOKEN": "hf_other"}),
    "early access": Row(
        "EarlyAccess", civitai("early"), "Harbor Light", "early access", "when it is open"),
    "archived": Row(
        "ArchivedAtSource", civitai("archived"), "Harbor Light", "is archived", "doit pin"),
    "taken down": Row(
        "TakenDown", taken_down, "Harbor Light", "its page is closed", "doit pin"),
    "no downloads": Row(
        "DownloadsDisabled", civitai("disabled"), "Harbor Light", "own pages only", "doit pin"),
    "not permitted": Row(
        "NotPermitted", civitai("forbidden"), "Harbor Light", "do not have access", "civitai.com"),
    "region": Row(
        "RegionBlocked", civitai("region"), "Civitai", "does not serve your region", "models:"),
    "gone": Row(
        "NotFound", moved, NAME, "no repository", f"doit pin {NAME} URL"),
    "disk full": Row(
        "DiskFull", after(lambda s, _: s.manifest(download={"reserve": 1 << 59})),
        NAME, r"\d+ MB free", "make room"),
    "wrong content": Row(
        "WrongContent", with_fault("flip"), NAME, "size or sha256 differ", "searches again"),
    "unsafe": Row(
        "UnsafeFile", hostile_pickle, "harbor_light.ckpt is unsafe", "import os.system",
        "use a .safetensors file"),
    "network gave up": Row(
        "NetworkGaveUp", with_fault("reset"), NAME, "network gave up", "what has arrived is kept"),
    "gone while fetching": Row(
        "GoneAtSource", with_fault("404"), NAME, "not there any more", "searches again"),
    "locked": Row(
        "LockedByAnother", locked, NAME, "locked by another process", "run again later",
        variables={"COMFYFIX_LOCK_WAIT": "1"}),
    "store not writable": Row(
        "StoreUnwritable", in_the_way, "loras", "Can't make the folder", "permissions"),
    "no curl": Row(
        "ToolMissing", tools_without_curl, "curl", "scripts need it", "install it"),
}  # fmt: skip


@pytest.mark.parametrize("row", list(TABLE.values()), ids=list(TABLE))
def test_the_message(site: Site, hub: Hub, row: Row) -> None:
    row.prepare(site, hub)
    variables = dict(row.variables)
    if row.kind == "ToolMissing":
        variables["PATH"] = str(site.root / "tools")
    done = site.doit(*row.command, **variables)
    assert done.returncode == row.code, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    # The sentence of the failure, as it stands where it happens: what, cause, next step.
    (sentence, *_) = [line for line in said.splitlines() if "Next: " in line]
    before, _, after_ = sentence.partition("Next: ")
    assert re.search(row.about, before), sentence
    assert re.search(row.cause, before), sentence
    assert row.next_step in after_, sentence


def test_every_kind_of_problem_has_a_row() -> None:
    kinds = {
        name
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.Problem)
    }
    bases = {"Problem", "ModelProblem", "SearchFailed", "DownloadFailed"}
    assert {row.kind for row in TABLE.values()} == kinds - bases
