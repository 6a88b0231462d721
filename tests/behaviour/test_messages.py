"""Every message that a user can meet, in one table: about what, why, and the next step.

A test at the end holds the table against `errors.py`: a new kind of problem needs a row here.
"""

from __future__ import annotations

import inspect
import json
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
    """How to meet a message, and what it must say. `kind` is its class in errors.py.

    Rows that need a run of their own have a `command`, a `code` or variables that the others
    have not, or spoil the project for them.
    """

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


def after(change: Prepare) -> Prepare:
    def prepare(site: Site, hub: Hub) -> None:
        known(site, hub)
        change(site, hub)

    return prepare


def gated_after_the_search(site: Site, hub: Hub) -> None:
    known(site, hub)
    assert site.doit("plan").returncode == 0
    hub.repositories[REPO].gated = True


def closed_region(site: Site, hub: Hub) -> None:
    site.workflow("w.json", NEED)
    hub.add_civitai("Harbor Light", NAME).access = "region"


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def refusing_tokens(site: Site, hub: Hub) -> None:
    known(site, hub)
    hub.refused_tokens.add("hf_old")


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
    "source down": Row(
        "SourceDown", known, "127.0.0.1:.* could not be asked", "no connection", "later",
        variables={"HF_ENDPOINT": closed_port()}),
    "token refused": Row(
        "TokenRefused", refusing_tokens, "127.0.0.1:.* refuses the token", "wrong or has expired",
        "set a valid `HF_TOKEN`", variables={"HF_TOKEN": "hf_old"}),
    "licence": Row(
        "LicenceNeeded", gated_after_the_search, NAME, "licence of .* is not accepted",
        f"accept it on {HUB}/{REPO}", variables={"HF_TOKEN": "hf_other"}),
    "region": Row(
        "RegionBlocked", closed_region, "Civitai", "does not serve your region", "models:"),
    "disk full": Row(
        "DiskFull", after(lambda s, _: s.manifest(download={"reserve": 1 << 59})),
        NAME, r"\d+ MB free", "make room"),
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


@dataclass
class Shared:
    """A row of the one run that many share; `{}` is the stem of its model's name, `{t}` its title.

    `prepare` makes what is wrong with it before the plan, `later` after it. A row with a loader
    of its own, or without a model, makes its own workflow (`own`).
    """

    kind: str
    about: str
    cause: str
    next_step: str
    prepare: Callable[[Site, Hub, str], object] = lambda _, __, ___: None
    later: Callable[[Site, Hub, str], object] = lambda _, __, ___: None
    folder: str = "loras"
    ending: str = "safetensors"
    own: bool = False


def at_hub(site: Site, hub: Hub, stem: str) -> None:
    hub.add(f"maker/{stem}", [f"{stem}.safetensors"])


def failing(kind: str) -> Callable[[Site, Hub, str], None]:
    def prepare(site: Site, hub: Hub, stem: str) -> None:
        at_hub(site, hub, stem)
        hub.faults.append(Fault(f"file *{stem}*", kind))

    return prepare


def civitai(access: str) -> Callable[[Site, Hub, str], None]:
    def prepare(site: Site, hub: Hub, stem: str) -> None:
        hub.add_civitai(title(stem), f"{stem}.safetensors").access = access

    return prepare


def title(stem: str) -> str:
    return stem.replace("_", " ").title()


def twins(site: Site, hub: Hub, stem: str) -> None:
    at_hub(site, hub, stem)
    hub.add(f"other/{stem}", []).files[f"{stem}.safetensors"] = file_for("another.safetensors")


def taken_down(site: Site, hub: Hub, stem: str) -> None:
    hub.add_civitai(title(stem), f"{stem}.safetensors", type="Checkpoint").mode = "TakenDown"


def hostile_pickle(site: Site, hub: Hub, stem: str) -> None:
    hub.add(f"maker/{stem}", []).files[f"{stem}.ckpt"] = P2 + call("os.system") + b"."


def locked(site: Site, hub: Hub, stem: str) -> None:
    folder = site.models / "loras"
    folder.mkdir(exist_ok=True)
    (folder / f".{stem}.safetensors.lock").symlink_to(f"{identity()}.{os.getpid()}")


def on_no_disk(site: Site, _: Hub, stem: str) -> None:
    link = site.models / "loras" / f"{stem}.safetensors"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to("/not/mounted")


def directory_loader(site: Site, _: Hub, stem: str) -> None:
    node = {"1": {"class_type": "DiffusersLoader", "inputs": {"model_path": stem}}}
    (site.workflows / "directory.json").write_text(json.dumps(node))


def unknown_loader(site: Site, hub: Hub, stem: str) -> None:
    path = site.workflow("odd.json", ("loras", f"{stem}.safetensors"))
    path.write_text(path.read_text().replace("LoraLoaderModelOnly", "NobodyKnowsThis"))


TOGETHER = {
    "broken_workflow": Shared(
        "WorkflowProblem", "b.json can't be read", "broken JSON at line 1", "save it again",
        lambda s, _, __: (s.workflows / "b.json").write_text('{"nodes": ['), own=True),
    "refused_name": Shared(
        "NameRefused", r"\.\./x.safetensors is refused \(bad.json, node 1", "part",
        "choose the model again",
        lambda s, _, __: s.workflow("bad.json", ("loras", "../x.safetensors")), own=True),
    "unknown_folder": Shared(
        "FolderUnknown", "{}", "NobodyKnowsThis of odd.json", "folder: FOLDER", unknown_loader,
        own=True),
    "sdxl-base": Shared(
        "DirectoryNeeded", "diffusers/{}", "needs it; comfyfix fetches single files only",
        "put the whole directory", directory_loader, own=True),
    "far_away": Shared(
        "Unreachable", "loras/{}", "leads to /not/mounted", "mount the disk", on_no_disk),
    "amber_gate": Shared("NotFound", "{}", "no repository", "doit pin {}.safetensors URL"),
    "birch_lane": Shared(
        "Uncertain", "{}", "maker/{} .*other/{}", "doit pin {}.safetensors URL", twins),
    "foreign_host": Shared("HostRefused", "{}", "files.example.org", "allow_hosts"),
    "cedar_hill": Shared(
        "TokenNeeded", "maker/{}", "accepted by a signed-in user", "set `HF_TOKEN`",
        lambda _, h, stem: h.add(f"maker/{stem}", [f"{stem}.safetensors"], gated=True)),
    "dune_walk": Shared("EarlyAccess", "{t}", "early access", "when it is open", civitai("early")),
    "elm_court": Shared(
        "ArchivedAtSource", "{t}", "is archived", "doit pin", civitai("archived")),
    "fern_brook": Shared("TakenDown", "{t}", "its page is closed", "doit pin", taken_down),
    "glass_pier": Shared(
        "DownloadsDisabled", "{t}", "own pages only", "doit pin", civitai("disabled")),
    "hazel_yard": Shared(
        "NotPermitted", "{t}", "do not have access", "civitai.com", civitai("forbidden")),
    "jade_ridge": Shared(
        "NotFound", "{}", "no repository", "doit pin {}.safetensors URL", at_hub,
        lambda _, h, stem: h.repositories.pop(f"maker/{stem}")),
    "kelp_shore": Shared(
        "WrongContent", "{}", "size or sha256 differ", "searches again", failing("flip")),
    "lava_field": Shared(
        "UnsafeFile", "{}.ckpt is unsafe", "import os.system", "use a .safetensors file",
        hostile_pickle, folder="checkpoints", ending="ckpt"),
    "maple_road": Shared(
        "NetworkGaveUp", "{}", "network gave up", "what has arrived is kept", failing("reset")),
    "north_tower": Shared(
        "GoneAtSource", "{}", "not there any more", "searches again", failing("404")),
    "olive_grove": Shared(
        "LockedByAnother", "{}", "locked by another process", "run again later", at_hub, locked),
    "pine_ledge": Shared(
        "StoreUnwritable", "vae", "Can't make the folder", "permissions", at_hub,
        lambda s, _, __: (s.models / "vae").write_text("in the folder's place"), folder="vae"),
}  # fmt: skip


def test_the_messages_of_one_run(site: Site, hub: Hub) -> None:
    """Each failure says its own, and none hides another."""
    named = {stem: f"{stem}.{row.ending}" for stem, row in TOGETHER.items() if not row.own}
    needs = [(TOGETHER[stem].folder, name) for stem, name in named.items()]
    urls = {named["foreign_host"]: f"https://files.example.org/{named['foreign_host']}"}
    for stem, row in TOGETHER.items():
        row.prepare(site, hub, stem)
    down = next(v for v in hub.civitai.values() if v.mode == "TakenDown")
    urls[named["fern_brook"]] = f"{CIVITAI}/{down.id}"
    site.workflow("w.json", *needs, urls=urls)
    site.doit("plan")
    for stem, row in TOGETHER.items():
        row.later(site, hub, stem)
    done = site.doit(COMFYFIX_LOCK_WAIT="1")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    sentences = [line for line in (done.stdout + done.stderr).splitlines() if "Next: " in line]
    missing = {stem: row.kind for stem, row in TOGETHER.items() if not told(stem, row, sentences)}
    assert missing == {}, done.stdout


def told(stem: str, row: Shared, sentences: list[str]) -> bool:
    """Tell whether one sentence holds all three: what, cause, next step."""

    def filled(text: str) -> str:
        return text.replace("{}", stem).replace("{t}", title(stem))

    for sentence in sentences:
        before, _, after_ = sentence.partition("Next: ")
        if (
            re.search(filled(row.about), before)
            and re.search(filled(row.cause), before)
            and filled(row.next_step) in after_
        ):
            return True
    return False


def test_every_kind_of_problem_has_a_row() -> None:
    kinds = {
        name
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.Problem)
    }
    bases = {"Problem", "ModelProblem", "SearchFailed", "DownloadFailed"}
    told_of = {row.kind for row in TABLE.values()} | {row.kind for row in TOGETHER.values()}
    assert told_of == kinds - bases
