"""Ten thousand broken workflows: each is read, or told in a line."""

from __future__ import annotations

import copy
import json
import random
import signal
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from comfyfix.comfyui.loaders.table import built_in
from comfyfix.comfyui.references.find import references
from comfyfix.comfyui.workflows.read import NotAWorkflow, parse
from comfyfix.records import to_json
from comfyfix.screen import words

COUNT, SEED = 10_000, 20
SECONDS = 3  # for one file; the slowest takes a tenth of one
DEEPER = 0.8
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, float("nan"), 10**30, "", "x.safetensors", "embedding:x", "\ud800",
    "a" * 5000, "../../x.pth", "<lora:x:1>", [], {}, [[]], {"": {}}, {"id": -10}, ["-1", "x"], 2, 4,
)  # fmt: skip
KEYS = ("id", "type", "mode", "inputs", "widgets_values", "links", "link", "properties",
        "nodes", "definitions", "subgraphs", "proxyWidgets", "extra", "groupNodes",
        "class_type")  # fmt: skip


def seeds() -> list[bytes]:
    """Workflows of the demo, and real ones of all kinds."""
    demo = Path(__file__).parents[2] / "comfyfix/demo/ComfyUI/user/default/workflows"
    media = Path(__file__).parents[1] / "unit" / "media"
    found = [path.read_bytes() for path in sorted((*demo.iterdir(), *media.iterdir()))]
    templates = resources.files("comfyui_workflow_templates_json").joinpath("templates")
    names = sorted(entry.name for entry in templates.iterdir() if entry.name.endswith(".json"))
    return found + [templates.joinpath(name).read_bytes() for name in names[::9]]


def spot(value: Any, chance: random.Random) -> tuple[Any, Any] | None:
    """A (container, key) somewhere in a JSON value; each depth has its share."""
    found = None
    while isinstance(value, dict | list) and value and (found is None or chance.random() < DEEPER):
        key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
        found, value = (value, key), value[key]
    return found


def change(value: Any, chance: random.Random) -> Any:
    for _ in range(chance.randint(1, 12)):
        target, other = spot(value, chance), spot(value, chance)
        if target is None or other is None:
            return value
        holder, key = target
        match chance.randrange(6):
            case 0:
                del holder[key]
            case 1:
                holder[key] = copy.deepcopy(chance.choice(ODD))
            case 2:
                holder[key] = copy.deepcopy(other[0][other[1]])
            case 3 if isinstance(holder, list):
                holder.extend([copy.deepcopy(holder[key])] * chance.randint(1, 3))
            case 4 if isinstance(holder, dict):
                holder[chance.choice(KEYS)] = holder[key]
            case _:
                holder[key] = [holder[key], copy.deepcopy(chance.choice(ODD))]
    return value


def mutated(data: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.6 and data[:1] == b"{":
        return json.dumps(change(json.loads(data), chance)).encode()
    broken = bytearray(data)
    for _ in range(chance.randint(1, 20)):
        at = chance.randrange(len(broken))
        match chance.randrange(3):
            case 0:
                broken[at] = chance.randrange(256)
            case 1:
                del broken[at : at + chance.randint(1, 50)]
            case _:
                broken[at:at] = broken[at - 40 : at]
    return bytes(broken)


@pytest.mark.soak
@pytest.mark.timeout(900, method="thread")  # the alarm is its own, one for each workflow
def test_ten_thousand_mutated_workflows() -> None:
    def hangs(*_: object) -> None:
        raise TimeoutError("it hangs")

    chance, every, read = random.Random(SEED), seeds(), 0
    before = signal.signal(signal.SIGALRM, hangs)
    try:
        for number in range(COUNT):
            data = mutated(chance.choice(every), chance)
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            try:
                found = references(parse(data), "w", built_in())
                read += 1
            except NotAWorkflow as problem:
                assert "\n" not in words.sentence(problem.reason)
                continue
            except BaseException as error:
                raise AssertionError(f"number {number} of seed {SEED}: {error!r}") from error
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            to_json(found)  # what was found can be kept
    finally:
        signal.signal(signal.SIGALRM, before)
    assert read > COUNT // 3
