"""Words and values belong together: every reason has its text, and gets what its text tells."""

from __future__ import annotations

import ast
import re
import string
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest

from comfyfix.formats.flaws import Flaw
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import COUNTED
from comfyfix.why import Why

PACKAGE = Path(__file__).resolve().parents[2] / "comfyfix"
TABLES = sorted((PACKAGE / "screen" / "texts").glob("*.toml"))
KINDS: dict[str, type[StrEnum]] = {"Why": Why, "Flaw": Flaw}
SPECS = {"", "size", "shell", "typed", "lines", *COUNTED}
LINES = ("t", "fixed")  # functions that take a text itself
PARTS = {"what", "cause", "next"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def texts() -> dict[str, list[str]]:
    """The texts of each reason, by its name."""
    found: dict[str, list[str]] = {}
    for table in TABLES:
        for name, entry in tomllib.loads(table.read_text()).items():
            found[name] = [entry] if isinstance(entry, str) else list(entry.values())
    return found


def fields(*templates: str) -> set[str]:
    """What texts tell, by name."""
    return {name for text in templates for _, name, _, _ in string.Formatter().parse(text) if name}


TEXTS = texts()


def test_every_reason_has_one_text_and_every_text_one_reason() -> None:
    names = Counter(str(member) for kind in KINDS.values() for member in kind)
    told = Counter(name for table in TABLES for name in tomllib.loads(table.read_text()))
    assert [name for name, count in (names + told).items() if names[name] != 1] == []
    assert told == names


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.stem)
def test_a_text_is_one_line_that_can_be_filled(table: Path) -> None:
    for name, entry in tomllib.loads(table.read_text()).items():
        parts = {"what": entry} if isinstance(entry, str) else entry
        assert "what" in parts, name
        assert set(parts) <= PARTS, name
        for text in parts.values():
            assert text.strip() == text, name
            assert text.isprintable(), name
            for _, field, spec, _ in string.Formatter().parse(text):
                assert field is None or field.isidentifier(), name
                assert (spec or "") in SPECS, name


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text())


MODULES = list(modules())


def functions(tree: ast.AST) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def called(call: ast.Call) -> str:
    """The last part of what is called."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def handed_on() -> dict[str, set[str]]:
    """Functions that take a reason as an argument, and the fields that they add to it.

    One that hands on a `why` adds also what the next one adds.
    """
    added, onward = defaultdict[str, set[str]](set), list[tuple[str, str]]()
    for _, tree in MODULES:
        for function in functions(tree):
            own = {argument.arg for argument in function.args.args}
            for call in ast.walk(function):
                if isinstance(call, ast.Call):
                    handed = own & {a.id for a in call.args if isinstance(a, ast.Name)}
                    if handed:
                        added[function.name] |= {word.arg for word in call.keywords if word.arg}
                    if "why" in handed:
                        onward.append((function.name, called(call)))
    for first, then in onward * 2:  # as far as it is handed on
        added[first] |= added[then]
    return added


ADDED = handed_on()


def reasons(node: ast.AST, assigned: dict[str, ast.expr]) -> Iterator[str]:
    """The reasons that an argument can be: `Why.X`, one of several, or a variable of those."""
    match node:
        case ast.Attribute(value=ast.Name(id=kind), attr=member) if kind in KINDS:
            yield KINDS[kind][member]
        case ast.IfExp():
            yield from reasons(node.body, assigned)
            yield from reasons(node.orelse, assigned)
        case ast.Name(id=name) if name in assigned:
            yield from reasons(assigned[name], {})


def calls(tree: ast.Module) -> Iterator[tuple[ast.Call, dict[str, ast.expr]]]:
    """Every call, with what the variables around it were given."""
    for around in (tree, *functions(tree)):
        given = (
            sorted(
                (node.lineno, node.targets[0].id, node.value)
                for node in ast.walk(around)
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            )
            if around is not tree
            else []
        )
        for node in ast.walk(around):
            if isinstance(node, ast.Call):
                yield node, {name: value for at, name, value in given if at < node.lineno}


def lacking(call: ast.Call, templates: list[str]) -> set[str]:
    """The fields that texts tell, and a call does not."""
    words = {word.arg for word in call.keywords}
    return set() if None in words else fields(*templates) - words - ADDED[called(call)]


def test_a_reason_is_given_all_that_its_text_tells() -> None:
    seen, wrong = set[str](), set[str]()
    for path, tree in MODULES:
        for call, assigned in calls(tree):
            for argument in call.args:
                for name in reasons(argument, assigned):
                    seen.add(name)
                    if lacks := lacking(call, TEXTS.get(name, [])):
                        wrong.add(f"{path.name}:{call.lineno} {name} lacks {sorted(lacks)}")
    assert wrong == set()
    assert len(seen) > 150


def test_a_line_is_given_all_that_it_tells() -> None:
    wrong = set[str]()
    for path, tree in MODULES:
        for call, _ in calls(tree):
            match call:
                case ast.Call(args=[ast.Constant(value=str(text)), *_]) if called(call) in LINES:
                    if lacks := lacking(call, [text]):
                        wrong.add(f"{path.name}:{call.lineno} lacks {sorted(lacks)}")
    assert wrong == set()


def test_every_reason_is_used() -> None:
    used = {
        str(KINDS[node.value.id][node.attr])
        for _, tree in MODULES
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in KINDS
    }
    assert {str(member) for kind in KINDS.values() for member in kind} - used == set()


def test_only_what_shows_knows_the_words() -> None:
    """Judges of files, sources and stages hand up values."""
    below = ("formats", "net", "providers", "sources", "stages", "comfyui", "state", "settings")
    knowing = [
        str(path.relative_to(PACKAGE))
        for path, tree in MODULES
        if path.relative_to(PACKAGE).parts[0] in below
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("comfyfix.screen")
    ]
    assert knowing == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run `doit`, or `doit pin x`", "run `comfyfix`, or `comfyfix pin x`"),
        ('`eval "$(doit list)"`', '`eval "$(comfyfix list)"`'),
        ("doit's own, in `.cache/doit.json`, `dodo.py` or `do/doit`", None),
        ("a `doit-x`, a `[tool.doit]`, a doit", None),
    ],
)
def test_commands_are_those_of_the_program_that_was_typed(
    text: str, shown: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert words.as_typed(text) == text
    monkeypatch.setattr(words, "_typed", [words.PROGRAMS[0]])
    words.typed(words.PROGRAMS[1])
    assert words.as_typed(text) == (shown or text)
    # What comes from outside is no command of ours.
    assert "`doit x`" in words.t("`doit pin {name}`", name="`doit x`")


def test_a_script_says_what_to_run_as_it_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows no more than `doit`; by hand that is right."""
    monkeypatch.setattr(words, "_typed", ["comfyfix"])
    told = because(Why.SCRIPT_TELLS, what="`doit` is gone", next="run `doit`, it searches again")
    assert words.worded(told) == ("`doit` is gone", "", "run `comfyfix`, it searches again")


def test_scripts_have_what_is_typed_in_backticks() -> None:
    said = re.compile(r"^[^#\n]*\bfail \d+ .*", re.MULTILINE)
    for path in sorted((PACKAGE.parent / "templates" / "script").glob("*.sh")):
        for line in said.findall(path.read_text()):
            assert not re.search(r"(?<![`\w/.-])doit\b", line), line


def test_what_is_typed_stands_in_backticks() -> None:
    for name, parts in TEXTS.items():
        for text in parts:
            bare = "".join(text.split("`")[::2])
            assert not re.search(r"(?<!\{)\bdoit\b(?!'| \{)", bare), name
