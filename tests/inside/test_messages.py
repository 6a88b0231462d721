"""Every problem that a user can meet, in one table: its outcome, what it names, what to do next.

The words are not looked at here, only what stands between them: names, addresses, commands. A test
at the end holds the table against the outcomes: a new one needs a row here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub
from comfyfix.outcomes import Outcome
from comfyfix.screen.words import t
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
    """How to meet a problem, what its line must name, and what its next step.

    Rows that need a run of their own have a `command`, a `code` or variables that the others
    have not, or spoil the project for them.
    """

    outcome: Outcome
    prepare: Prepare
    about: str
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
    hub.repositories[REPO].gated = "manual"
    hub.gates["hf_waits"] = "pending"


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
        Outcome.SETUP, lambda s, _: (s.root / "manifest.yaml").unlink(),
        "manifest.yaml", "", code=3),
    "unknown key": Row(
        Outcome.SETUP, lambda s, _: s.manifest(serach={}),
        r"manifest.yaml\D+\d+\b.*\bserach\b", "", code=3),
    "no comfyui": Row(
        Outcome.SETUP, lambda s, _: shutil.rmtree(s.comfyui), "/ComfyUI", "COMFYUI_PATH", code=3),
    "no workflows": Row(Outcome.SETUP, lambda _, __: None, "/ComfyUI", "`workflows:`", code=3),
    "no such workflow": Row(
        Outcome.SETUP, known, "x.json", "", command=("workflow=x.json",), code=3),
    "no such model": Row(
        Outcome.SETUP, known, "x.pth", "`comfyfix list`", command=("verify", "x.pth"), code=3),
    "source down": Row(
        Outcome.SOURCE_DOWN, known, "127.0.0.1:", "", variables={"HF_ENDPOINT": closed_port()}),
    "token refused": Row(
        Outcome.TOKEN_REFUSED, refusing_tokens, "127.0.0.1:", "HF_TOKEN",
        variables={"HF_TOKEN": "hf_old"}),
    "licence": Row(
        Outcome.LICENCE_NEEDED, gated_after_the_search, NAME, f"{HUB}/{REPO}",
        variables={"HF_TOKEN": "hf_other"}),
    "pending": Row(
        Outcome.ACCESS_PENDING, gated_after_the_search, NAME, f"{HUB}/{REPO}",
        variables={"HF_TOKEN": "hf_waits"}),
    "region": Row(Outcome.REGION_BLOCKED, closed_region, "", ""),
    "disk full": Row(
        Outcome.DISK_FULL, after(lambda s, _: s.manifest(download={"reserve": 1 << 59})), NAME, ""),
    "policy": Row(
        Outcome.POLICY, after(lambda s, _: s.manifest(policy={"publishers": ["nobody"]})),
        r"manifest.yaml\D+\d+\b", "`policy:`"),
    "no curl": Row(Outcome.TOOL_MISSING, tools_without_curl, "curl", ""),
}  # fmt: skip


@pytest.mark.parametrize("row", list(TABLE.values()), ids=list(TABLE))
def test_the_message(site: Site, hub: Hub, row: Row) -> None:
    row.prepare(site, hub)
    variables = dict(row.variables)
    if row.outcome is Outcome.TOOL_MISSING:
        variables["PATH"] = str(site.root / "tools")
    done = site.doit(*row.command, **variables)
    assert done.returncode == row.code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    # The sentence of the failure, as it stands where it happens: what, cause, next step.
    sentence = sentences(done.stdout + done.stderr)[0]
    assert tells(sentence, row.about, row.next_step), sentence
    if row.code == 1:
        assert [*outcomes(site).values()] == [row.outcome]


def sentences(said: str) -> list[str]:
    return [line for line in said.splitlines() if t("Next:") in line]


def tells(sentence: str, about: str, next_step: str) -> bool:
    """Tell whether a line says what it is about, and what to do."""
    before, _, after_ = sentence.partition(t("Next:"))
    return bool(re.search(about, before) and after_.strip() and next_step in after_)


def outcomes(site: Site) -> dict[str, str]:
    """How the last try at each model ended."""
    models = site.state("ledger.json")["models"]
    return {key: entry["attempts"][-1]["outcome"] for key, entry in models.items()}


@dataclass
class Shared:
    """A row of the one run that many share; `{}` is the stem of its model's name, `{t}` its title.

    `prepare` makes what is wrong with it before the plan, `later` after it. A row with a loader
    of its own, or without a model, makes its own workflow (`own`).
    """

    outcome: Outcome
    about: str
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


def directory_loader(site: Site, hub: Hub, stem: str) -> None:
    names = ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model")
    weights = {f"{name}.safetensors": file_for("model.safetensors", seed=name) for name in names}
    hub.add(f"stabilityai/{stem}", []).files.update({"model_index.json": b"{}", **weights})
    node = {"1": {"class_type": "DiffusersLoader", "inputs": {"model_path": stem}}}
    (site.workflows / "directory.json").write_text(json.dumps(node))


def unknown_loader(site: Site, hub: Hub, stem: str) -> None:
    path = site.workflow("odd.json", ("loras", f"{stem}.safetensors"))
    path.write_text(path.read_text().replace("LoraLoaderModelOnly", "NobodyKnowsThis"))


TOGETHER = {
    "broken_workflow": Shared(
        Outcome.WORKFLOW, r"b.json\b.*\b1\b", "",
        lambda s, _, __: (s.workflows / "b.json").write_text('{"nodes": ['), own=True),
    "refused_name": Shared(
        Outcome.NAME_REFUSED, r"\.\./x.safetensors\b.*bad.json", "",
        lambda s, _, __: s.workflow("bad.json", ("loras", "../x.safetensors")), own=True),
    "unknown_folder": Shared(
        Outcome.FOLDER_UNKNOWN, "{}.*NobodyKnowsThis.*odd.json", "folder: FOLDER",
        unknown_loader, own=True),
    "sdxl-base": Shared(
        Outcome.CONFLICT, "diffusers/{}/model_index.json", "", directory_loader,
        lambda s, _, stem: s.put("diffusers", f"{stem}/model_index.json", b"of the user"),
        own=True),
    "far_away": Shared(Outcome.UNREACHABLE, "loras/{}.*/not/mounted", "", on_no_disk),
    "amber_gate": Shared(Outcome.NOT_FOUND, "{}", "comfyfix pin {}.safetensors URL"),
    "birch_lane": Shared(
        Outcome.UNCERTAIN, "maker/{} .*other/{}", "comfyfix pin {}.safetensors URL", twins),
    "foreign_host": Shared(Outcome.HOST_REFUSED, "{}.*files.example.org", "allow_hosts"),
    "cedar_hill": Shared(
        Outcome.TOKEN_NEEDED, "maker/{}", "HF_TOKEN",
        lambda _, h, stem: h.add(f"maker/{stem}", [f"{stem}.safetensors"], gated=True)),
    "dune_walk": Shared(Outcome.EARLY_ACCESS, "{t}", "", civitai("early")),
    "elm_court": Shared(Outcome.ARCHIVED, "{t}", "comfyfix pin", civitai("archived")),
    "glass_pier": Shared(Outcome.DOWNLOADS_DISABLED, "{t}", "comfyfix pin", civitai("disabled")),
    "hazel_yard": Shared(Outcome.NOT_PERMITTED, "{t}", "civitai.com", civitai("forbidden")),
    "jade_ridge": Shared(
        Outcome.NOT_FOUND, "{}", "comfyfix pin {}.safetensors URL", at_hub,
        lambda _, h, stem: h.repositories.pop(f"maker/{stem}")),
    "kelp_shore": Shared(Outcome.WRONG_CONTENT, "{}", "", failing("flip")),
    "lava_field": Shared(
        Outcome.UNSAFE, "{}.ckpt.*os.system", ".safetensors", hostile_pickle,
        folder="checkpoints", ending="ckpt"),
    "maple_road": Shared(Outcome.NETWORK, "{}", "", failing("reset")),
    "north_tower": Shared(Outcome.GONE, "{}", "", failing("404")),
    "olive_grove": Shared(Outcome.LOCKED, "{}", "", at_hub, locked),
    "pine_ledge": Shared(
        Outcome.UNWRITABLE, "vae", "", at_hub,
        lambda s, _, __: (s.models / "vae").write_text("in the folder's place"), folder="vae"),
}  # fmt: skip


def test_the_messages_of_one_run(site: Site, hub: Hub) -> None:
    """Each failure says its own, and none hides another."""
    named = {stem: f"{stem}.{row.ending}" for stem, row in TOGETHER.items() if not row.own}
    needs = [(TOGETHER[stem].folder, name) for stem, name in named.items()]
    urls = {named["foreign_host"]: f"https://files.example.org/{named['foreign_host']}"}
    for stem, row in TOGETHER.items():
        row.prepare(site, hub, stem)
    site.workflow("w.json", *needs, urls=urls)
    site.doit("plan")
    for stem, row in TOGETHER.items():
        row.later(site, hub, stem)
    done = site.doit(COMFYFIX_LOCK_WAIT="1")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    lines = sentences(done.stdout + done.stderr)
    ended = outcomes(site)
    missing = {stem for stem, row in TOGETHER.items() if not told(stem, row, lines, ended)}
    assert missing == set(), done.stdout


def told(stem: str, row: Shared, lines: list[str], ended: dict[str, str]) -> bool:
    """Tell whether the model ended as the row says, and one line tells all of it."""

    def filled(text: str) -> str:
        return text.replace("{}", stem).replace("{t}", title(stem))

    line = any(tells(line, filled(row.about), filled(row.next_step)) for line in lines)
    return line and (row.own or [o for key, o in ended.items() if stem in key] == [row.outcome])


def test_every_outcome_has_a_row() -> None:
    general = {Outcome.DONE, Outcome.DOWNLOAD_FAILED}
    told_of = {row.outcome for row in TABLE.values()}
    told_of |= {row.outcome for row in TOGETHER.values()}
    assert told_of == {*Outcome} - general
