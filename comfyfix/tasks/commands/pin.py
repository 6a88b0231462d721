"""The `pin` command: the user says where an uncertain model is."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from doit.doit_cmd import get_var

from comfyfix.errors import HostRefused, SetupProblem
from comfyfix.net.hosts import DirectFile, HubFile, read_url
from comfyfix.screen.text import say
from comfyfix.settings import pins
from comfyfix.settings.read import load
from comfyfix.stages.work import Planned, Present
from comfyfix.tasks.build import MANIFEST, Build, open_build
from comfyfix.tasks.commands.base import Ours
from comfyfix.tasks.names import named


class Pin(Ours):
    """Settle by hand where a model comes from."""

    doc_purpose = "settle by hand where a model comes from"
    doc_usage = "MODEL URL"
    doc_description = (
        "Writes pins.yaml beside manifest.yaml. The address is asked and checked by the next run, "
        "like any other; delete the entry to take the pin back."
    )
    name = "pin"

    def work(self, options: dict[str, Any], names: list[str]) -> int:  # noqa: ARG002 - a command's signature
        """Check the address and write the pin."""
        # An argument with `=` comes last, whatever its place was.
        urls = [name for name in names if "://" in name]
        models = [name for name in names if "://" not in name]
        if len(urls) != 1 or len(models) != 1:
            raise SetupProblem(
                "pin needs a model and an address",
                next_step="use `doit pin MODEL https://…`, the address in quotes",
            )
        build = open_build(Path(MANIFEST), get_var("workflow"))
        item = _only(build, models[0])
        there = _name_at(build, urls[0])
        try:
            pins.add(
                Path(MANIFEST).absolute().parent / pins.NAME,
                build.layout.pins_lock,
                item.model.key,
                {"url": urls[0]},
            )
        except OSError as error:
            raise SetupProblem(
                f"{pins.NAME} can't be written",
                cause=error.strerror or str(error),
                next_step="check the folder's permissions",
            ) from None
        say(f"Pinned {item.model.key} to {urls[0]}")
        if there and there != item.model.name:
            say(f"! Its name there is {there}")
        if isinstance(item, Planned):
            say(f"Next: doit download:{item.task}")
        else:
            say("It is there already; the pin counts when it is missing.")
        return 0


def _only(build: Build, name: str) -> Planned | Present:
    hits = named(build.plan, name)
    if len(hits) > 1:
        keys = ", ".join(item.model.key for item in hits)
        raise SetupProblem(
            f"Several models are called {name}",
            cause=keys,
            next_step=f"name one of them with its folder: {shlex.quote(hits[0].model.key)}",
        )
    item = hits[0]
    if item.model.folder is None:
        raise SetupProblem(
            f"No one tells in which model folder {item.model.path} belongs",
            next_step=f"add `models: {{{item.model.name}: {{folder: FOLDER}}}}` to manifest.yaml",
        )
    own = load(Path(MANIFEST), build.environ, with_pins=False)
    override = own.override_for(item.model.folder, item.model.path)
    if override and override.names_a_place:
        raise SetupProblem(
            f"{MANIFEST} says already where {item.model.key} is",
            next_step="change it there, under models:",
        )
    return item


def _name_at(build: Build, url: str) -> str:
    try:
        target = read_url(url, build.manifest.endpoints, build.manifest.download.allow_hosts)
    except HostRefused as refusal:
        raise SetupProblem(
            "That address can't be pinned", cause=refusal.cause, next_step=refusal.next_step
        ) from None
    return target.name if isinstance(target, HubFile | DirectFile) else ""
