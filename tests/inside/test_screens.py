"""Every command on a terminal, with names that are long, wide, marked, hostile: nothing is torn."""

from __future__ import annotations

import json
import re
import unicodedata

import pyte
import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.screen import width
from comfyfix.screen.run import choosing, prompt
from comfyfix.screen.run import question as question_
from comfyfix.screen.words import fixed, t
from comfyfix.tasks.run import at_work, consent
from comfyfix.tasks.run.searching import BackgroundSearches
from tests.inprocess import InProcess
from tests.rig import Need, ui_workflow
from tests.unit.test_manifests import packed_model, snapshot, zipped

HUB = "https://huggingface.co"

LONG = "a_rather_long_name_of_a_model_that_somebody_gave_it_" * 2
ALIKE = [
    f"{LONG}v1.safetensors",
    f"{LONG}v2.safetensors",
    f"{LONG}v2.ckpt",
    f"{LONG}_fp8_{LONG}.safetensors",
    f"{LONG}_fp16_{LONG}.safetensors",
]
ODD = [
    "漢字模型" * 12 + ".safetensors",
    "e\u0301a\u0308" * 30 + "/été.safetensors",
    "🎨🖌️👍🏽" * 12 + ".safetensors",
    "דוגמה" * 14 + ".safetensors",
    "[red]bold[/red]{name}%s.safetensors",
    "clear\x1b[2J\x07\u202eme.safetensors",
    "한글\u200b모델.safetensors",
]
PACK = "someone's.cpack.zip"
NEEDS: list[Need] = [
    *(("loras", name) for name in (*ALIKE, *ODD)),
    ("vae", "nobody_has_this_one.safetensors"),
    ("checkpoints", "harbor_light_v3.safetensors"),
    ("upscale_models", "rife49.pth"),
    ("vae", "soft_vae.safetensors"),
]
COMMANDS = [
    ("scan",),
    ("list",),
    ("plan",),
    ("list",),
    ("list", "--all"),
    ("why", "harbor_light_v3.safetensors"),
    ("why", "nobody_has_this_one.safetensors"),
    ("why", ALIKE[0]),
    ("lock", "--dry-run"),
    (),
    ("verify",),
    ("verify", "--store"),
    ("report",),
    ("relink",),
    ("embed",),
    ("forget", "download:rife49"),
    ("ignore", "download:nobody_has_this_one"),
    ("list",),
    ("pin", "rife49.pth", f"{HUB}/AlexWortega/RIFE/resolve/main/rife49.pth"),
    ("unpin", "rife49.pth"),
    ("clean", "--dry-run"),
    ("choose",),
    ("choose", "harbor_light_v3.safetensors"),
    ("choose", "nobody_has_this_one.safetensors"),
    ("choose", ALIKE[3]),
    ("import", PACK),
    ("import", PACK, "--dry-run"),
    ("explain", "not found"),
    ("doctor", "--offline"),
    ("init",),
    ("init", f"no/such/{LONG}"),
    ("help",),
    ("help", "choose"),
    ("help", "download:rife49"),
    ("no_such_command",),
    ("plan", ODD[5]),
]
"""In an order that makes sense: what one leaves the next one meets."""
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Colours, and what draws and erases bars."""


@pytest.fixture
def world(site: InProcess, hub: Hub) -> InProcess:
    """A project that needs all of it: some there, some to be had, some not."""
    value = ui_workflow(NEEDS)
    (site.workflows / f"{LONG}.json").write_text(json.dumps(value))
    site.workflow("作業.json", *NEEDS[:3])
    site.manifest(confirm=False)
    site.put("vae", "soft_vae.safetensors")
    models = [packed_model(filename=f"models/loras/{name}") for name in (*ALIKE, *ODD)]
    (site.root / PACK).write_bytes(zipped(json.dumps(snapshot(*models)).encode()))
    site.put("loras", f"unneeded_{LONG}.safetensors")
    for name in ALIKE[:2]:
        hub.add(f"maker/{name[:60]}{name[-15:-12]}", [name])
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    for owner in ("one", "another"):
        hub.add(f"{owner}/harbor-light", []).files["harbor_light_v3.safetensors"] = file_for(
            "harbor_light_v3.safetensors", seed=owner
        )
    return site


def rows_of(written: str, columns: int) -> list[str]:
    """What stands on the screen in the end, of a terminal that is high enough for all of it."""
    screen = pyte.Screen(columns, 40 + 2 * written.count("\n"))
    screen.set_mode(pyte.modes.LNM)
    pyte.Stream(screen).feed(written)
    return list(map(composed, screen.display))


def composed(line: str) -> str:
    """A line as pyte has it: marks joined with their letters."""
    return unicodedata.normalize("NFC", line.rstrip())


MARKS = ("✓", "✗", "!", "·")
"""What stands before a line, and stays with its first word."""


def torn(line: str, columns: int) -> bool:
    """Tell whether a line is too wide for a screen, and is not one word that is so by itself."""
    words = [word for word in line.split() if word not in MARKS]
    return width.columns(line) > columns and len(words) > 1


WIDTHS = pytest.mark.parametrize(
    "columns",
    [80, pytest.param(100, marks=pytest.mark.soak), pytest.param(160, marks=pytest.mark.soak)],
)


@WIDTHS
def test_every_command_fits_the_screen(world: InProcess, columns: int) -> None:
    for command in COMMANDS:
        _code, written = world.on_terminal(*command, columns=columns)
        require_whole(written, columns, command)


def require_whole(written: str, columns: int, command: tuple[str, ...]) -> None:
    """No line is torn or lost, and no name does something to the screen."""
    assert "\x1b[2J" not in written
    lines = re.split(r"[\r\n]+", CODES.sub("", written))
    assert [line for line in lines if torn(line, columns - 1)] == [], command
    if "\r" not in written:  # nothing was drawn and erased
        rows, told = set(rows_of(written, columns)), map(composed, lines)
        whole = [line for line in told if width.columns(line) < columns]
        assert [line for line in whole if line not in rows] == [], command


@WIDTHS
def test_the_question_fits_the_screen(
    world: InProcess, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    typed = iter(["v", "p", "1-3 w1 [red]{x}\x1b[2J 99", "v", "p", "", "n"])
    monkeypatch.setattr(at_work, "_is_asked", lambda run: bool(run.pending))
    monkeypatch.setattr(BackgroundSearches, "begin", lambda searches, _: searches._work())
    monkeypatch.setattr("select.select", lambda *_: ([0], [], []))
    monkeypatch.setattr(prompt, "read_line", lambda: next(typed))
    code, written = world.on_terminal(columns=columns)
    assert (code, list(typed)) == (1, [])
    # What is typed ends the line of a question on a real screen.
    for question in (fixed("Your choice [y/n/v/p] "), question_.how_to_pick()):
        written = written.replace(question, f"{question}\n")
    require_whole(written, columns, ("the question",))


@WIDTHS
def test_the_choice_at_the_end_fits_the_screen(
    world: InProcess, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(at_work, "_is_asked", lambda run: bool(run.pending))
    monkeypatch.setattr(consent, "agreed", lambda _: True)

    def yes(question: str) -> str:
        asked.append(question)
        return "y"

    monkeypatch.setattr("builtins.input", yes)
    monkeypatch.setattr(choosing, "ask_number", lambda _: 1)
    code, written = world.on_terminal(columns=columns)
    assert code == 1
    assert max(map(width.columns, asked)) < 78
    require_whole(written, columns, ("the choice",))


def test_models_that_differ_look_different_and_each_column_is_there(world: InProcess) -> None:
    world.on_terminal("plan")
    for command in ("plan", "list"):
        _code, written = world.on_terminal(command, columns=80)
        rows = [row for row in rows_of(written, 80) if re.match(rf"({t('NO')}|\d{{3}}) ", row)]
        heading, *models = rows
        assert len(models) == len(NEEDS) - 1  # one is there
        for row in models:
            assert len(re.split(r"  +", row)) == len(re.split(r"  +", heading)), row
        names = [re.split(r"  +", row)[1] for row in models]
        assert len(set(names)) == len(names)


def test_a_pipe_gets_all_of_it(world: InProcess) -> None:
    _code, shown = world.on_terminal("scan", columns=80)
    said = world.doit("scan").stdout
    for name in ALIKE:
        assert f"loras/{name}\n" in said
        assert name not in shown


def test_what_was_tried_last_is_told_in_the_list(world: InProcess, hub: Hub) -> None:
    hub.add("maker/harbor-gate", ["harbor_gate_v7.safetensors"], gated=True)
    world.workflow("gated.json", ("loras", "harbor_gate_v7.safetensors"))
    names = (
        "harbor_light_v3.safetensors",
        "nobody_has_this_one.safetensors",
        "harbor_gate_v7.safetensors",
    )
    assert world.doit("plan", *names).returncode == 1

    def told() -> dict[str, str]:
        rows = json.loads(world.doit("list", "--json").stdout)["pending"]
        return {row["path"]: row["last"] for row in rows}

    assert [told()[name] for name in names] == ["uncertain", "not found", "token needed"]
    assert told()["rife49.pth"] == "absent"
    place = f"{HUB}/one/harbor-light/resolve/main/{names[0]}"
    assert world.doit("pin", names[0], place).returncode == 0
    assert told()[names[0]] == "absent"  # what the search said is overtaken
