"""Who may import whom, told by the source of every module, without importing any.

The layers and what is still to be removed stand in pyproject.toml, where `lint-imports` reads them
too; this test looks at each single import and needs milliseconds. What only type checkers see
(`if TYPE_CHECKING:`) is not counted; what a function imports when it runs is.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from tests.rig import REPO

OURS = "comfyfix"
RELAY = tuple(f"comfyfix.net.{name}" for name in ("dialling", "faucet", "pace", "relay"))
# What opens connections, resolves names or listens, and the modules that may: beside net.exchange
# those that it is made of, those that only answer: the hub of the demo, and the dashboard, and the
# relay.
NETWORK = {
    "apprise": ("comfyfix.net.notify.teller",),
    "distributed": ("comfyfix.cluster",), "dask": ("comfyfix.cluster",),
    "aiohttp": (),
    "asyncio": ("comfyfix.dashboard.server", *RELAY),
    "ftplib": (), "httpcore2": (), "httpx": (),
    "http.client": ("comfyfix.net.failures",),
    "imaplib": (), "poplib": (), "smtplib": (), "telnetlib": (),
    "ssl": ("comfyfix.net.relay.dialling",),
    "urllib.request": (),
    "websockets": (), "xmlrpc": (), "selectors": (),
    "requests": ("comfyfix.net.exchange", "comfyfix.net.failures"),
    "urllib3": ("comfyfix.net.addresses", "comfyfix.net.failures"),
    "socket": ("comfyfix.dashboard.server", "comfyfix.net.addresses", "comfyfix.net.relay.dialling",
        "comfyfix.net.relay.faucet", "comfyfix.net.local"),
    "starlette": ("comfyfix.dashboard.server",), "uvicorn": ("comfyfix.dashboard.server",),
    "httpx2": (), "huggingface_hub": (),
    "http.server": ("comfyfix.demo",), "socketserver": ("comfyfix.demo",),
}  # fmt: skip
PROGRAMS = dict.fromkeys(("multiprocessing", "pty", "subprocess", "pexpect"), ("comfyfix.process",))
OTHERS = {"doit": ("comfyfix.tasks",), "rich": ("comfyfix.screen",)}
STARTERS = re.compile(r"os\.(system|popen|fork|forkpty|exec\w+|spawn\w+|posix_spawn\w*)")
PRINTERS = re.compile(
    r"print|sys\.(stdout|stderr|__stdout__|__stderr__)\.(write|writelines|buffer\.\w+)"
)
# Places that still print for themselves. To be removed: nothing is ever added.
STILL_PRINT: set[str] = set()


@dataclass(frozen=True)
class Module:
    """What one module imports and calls while it runs, each with its line."""

    imports: frozenset[tuple[str, int]]
    calls: frozenset[tuple[str, int]]


def read(
    name: str, source: str, modules: Mapping[str, object], *, package: bool, types: bool = False
) -> Module:
    """What a module imports and calls; `types`: also what only type checkers see."""
    imports: set[tuple[str, int]] = set()
    calls: set[tuple[str, int]] = set()

    def walk(node: ast.AST) -> None:
        checking = isinstance(node, ast.If) and dotted(node.test).endswith("TYPE_CHECKING")
        if isinstance(node, ast.If) and checking and not types:
            for statement in node.orelse:
                walk(statement)
            return
        if isinstance(node, ast.Import):
            imports.update((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = name.split(".")[: len(name.split(".")) - node.level + package]
                base = ".".join([*up, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                imports.add((whole if whole in modules else base, node.lineno))
        elif isinstance(node, ast.Call):
            calls.add((dotted(node.func), node.lineno))
        for child in ast.iter_child_nodes(node):
            walk(child)

    walk(ast.parse(source))
    return Module(frozenset(imports), frozenset(calls))


def dotted(node: ast.AST) -> str:
    """A name as it is written, empty for what is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = dotted(node.value)
        return left and f"{left}.{node.attr}"
    return ""


def read_all(
    sources: Mapping[str, str], packages: frozenset[str], *, types: bool = False
) -> dict[str, Module]:
    return {
        n: read(n, text, sources, package=n in packages, types=types) for n, text in sources.items()
    }


@cache
def tree(*, types: bool = False) -> dict[str, Module]:
    """Every module of ours by its dotted name."""
    sources: dict[str, str] = {}
    packages: set[str] = set()
    for path in sorted((REPO / OURS).rglob("*.py")):
        parts = path.relative_to(REPO).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
            packages.add(".".join(parts))
        sources[".".join(parts)] = path.read_text(encoding="utf-8")
    return read_all(sources, frozenset(packages), types=types)


@cache
def contracts() -> dict[str, dict[str, Any]]:
    told = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
    return {each["id"]: each for each in told["tool"]["importlinter"]["contracts"]}


Places = dict[str, tuple[int, bool]]
"""Of each package: its height (0 is the lowest), and whether its neighbours may import it."""


def places(layers: list[str]) -> Places:
    found: Places = {}
    for height, line in enumerate(reversed(layers)):
        for name in re.split(r"[|:]", line):
            found[name.strip()] = (height, "|" not in line)
    return found


def top(module: str, container: str = "comfyfix") -> str:
    """The room right below a package that a module is in; empty for others, and for itself."""
    inside = within(module, container) and module != container
    return module.removeprefix(f"{container}.").split(".")[0] if inside else ""


def edges(modules: Mapping[str, Module]) -> Iterator[tuple[str, str, int]]:
    """Each import of one of our modules by another."""
    for name, module in modules.items():
        yield from ((name, other, line) for other, line in module.imports if other in modules)


def upward(
    modules: Mapping[str, Module], heights: Places, container: str = "comfyfix"
) -> list[tuple[str, str, int]]:
    """The imports that the layers forbid."""
    found = []
    for name, other, line in edges(modules):
        mine, its = top(name, container), top(other, container)
        if not mine or not its or mine == its:
            continue
        (height, _), (other_height, open_to_neighbours) = heights[mine], heights[its]
        if other_height > height or (other_height == height and not open_to_neighbours):
            found.append((name, other, line))
    return sorted(found)


def matches(rule: str, name: str, other: str) -> bool:
    """Tell whether a line of `ignore_imports` means this import."""
    return all(
        re.fullmatch(
            re.escape(side.strip()).replace(r"\*\*", ".+").replace(r"\*", r"[^.]+"), module
        )
        for side, module in zip(rule.split("->"), (name, other), strict=True)
    )


def circles(modules: Mapping[str, Module], ignored: list[str]) -> list[list[str]]:
    """The groups of modules that import each other in a circle."""
    others: dict[str, set[str]] = {name: set() for name in modules}
    for name, other, _ in edges(modules):
        if name != other and not any(matches(rule, name, other) for rule in ignored):
            others[name].add(other)

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        front = [start]
        while front:
            new = others[front.pop()] - seen
            seen |= new
            front += new
        return seen

    # Most modules import nothing that leads on: drop these first, and little is left to follow.
    while leaves := {n for n, found in others.items() if not found}:
        others = {n: found - leaves for n, found in others.items() if n not in leaves}
    reach = {name: reached(name) for name in others}
    groups = {frozenset(o for o in reach[n] if n in reach[o]) for n in others if n in reach[n]}
    return sorted(sorted(group) for group in groups)


def strangers(
    modules: Mapping[str, Module], allowed: Mapping[str, tuple[str, ...]]
) -> list[tuple[str, str, int]]:
    """The imports of libraries by modules that may not have them."""
    return sorted(
        (name, other, line)
        for name, module in modules.items()
        for other, line in module.imports
        for library, users in allowed.items()
        if within(other, library) and not any(within(name, user) for user in users)
    )


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def callers(modules: Mapping[str, Module], what: re.Pattern[str], home: str) -> dict[str, int]:
    """The modules outside of one package that call such functions, with the last line."""
    return {
        name: line
        for name, module in modules.items()
        if not within(name, home)
        for call, line in sorted(module.calls)
        if what.fullmatch(call)
    }


LAYERED = [name for name, contract in contracts().items() if contract["type"] == "layers"]


@pytest.mark.parametrize("name", LAYERED)
def test_every_room_has_its_layer(name: str) -> None:
    [container] = contracts()[name]["containers"]
    names = {top(module, container) for module in tree()} - {""}
    assert set(places(contracts()[name]["layers"])) == names


@pytest.mark.parametrize("name", LAYERED)
def test_imports_run_downward_only(name: str) -> None:
    [container] = contracts()[name]["containers"]
    assert upward(tree(), places(contracts()[name]["layers"]), container) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(tree(), contracts()["circles"].get("ignore_imports", [])) == []


def test_nor_do_they_for_types_alone() -> None:
    # What programs import holds all, and all may ask it for the version.
    assert circles(tree(types=True), [f"** -> {OURS}"]) == []


@pytest.mark.parametrize("allowed", [NETWORK, PROGRAMS, OTHERS], ids=["net", "programs", "others"])
def test_a_library_is_known_where_it_belongs(allowed: dict[str, tuple[str, ...]]) -> None:
    assert strangers(tree(), allowed) == []


def test_programs_are_started_in_one_place() -> None:
    assert callers(tree(), STARTERS, "comfyfix.process") == {}


def test_only_the_screen_prints() -> None:
    assert set(callers(tree(), PRINTERS, "comfyfix.screen")) == STILL_PRINT


# What these rules are worth: small trees that break each of them.

LOW = "def low() -> None: ...\n"


def made(**sources: str) -> dict[str, Module]:
    dotted = {name.replace("__", "."): text for name, text in sources.items()}
    return read_all({"comfyfix": "", **dotted}, frozenset({"comfyfix", "comfyfix.stages"}))


@pytest.mark.parametrize(
    ("line", "forbidden"),
    [
        ("from comfyfix.tasks import run", 1),
        ("from comfyfix import tasks", 1),
        ("import comfyfix.tasks.run", 1),
        ("from ..tasks import run", 1),
        ("def f():\n    from comfyfix.tasks import run", 1),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import comfyfix.tasks", 0),
        ("import typing as t\nif t.TYPE_CHECKING:\n    pass\nelse:\n    import comfyfix.tasks", 1),
        ("from comfyfix.comfyui import x", 0),
        ("from comfyfix.stages import other", 0),
    ],
)
def test_an_upward_import_is_seen(line: str, forbidden: int) -> None:
    tree = made(
        comfyfix__tasks=LOW,
        comfyfix__tasks__run=LOW,
        comfyfix__comfyui=LOW,
        comfyfix__stages__one=line,
    )
    found = upward(tree, places(["tasks", "stages", "comfyui | formats"]))
    assert len(found) == forbidden


@pytest.mark.parametrize(
    ("layer", "forbidden"), [("comfyui | formats", 1), ("comfyui : formats", 0)]
)
def test_neighbours_are_open_or_not(layer: str, forbidden: int) -> None:
    tree = made(comfyfix__comfyui="import comfyfix.formats", comfyfix__formats=LOW)
    assert len(upward(tree, places([layer]))) == forbidden


def test_a_circle_is_seen_and_can_be_ignored() -> None:
    tree = made(
        comfyfix__a="def f():\n    from comfyfix import b",
        comfyfix__b="import comfyfix.c",
        comfyfix__c="import comfyfix.a",
        comfyfix__d="import comfyfix.a",
    )
    assert circles(tree, []) == [["comfyfix.a", "comfyfix.b", "comfyfix.c"]]
    assert circles(tree, ["comfyfix.a -> comfyfix.b"]) == []
    assert circles(tree, ["comfyfix.* -> comfyfix.b"]) == []
    assert circles(tree, ["comfyfix.b -> comfyfix.a"]) != []


def test_strangers_starters_and_printers_are_seen() -> None:
    tree = made(
        comfyfix__stages__one="import urllib.request, urllib.parse\nprint('x')",
        comfyfix__stages__two="import sys\nfrom doit.tools import x\nsys.stderr.write('x')",
        comfyfix__process="import subprocess\nimport os\nos.execvp('a', [])",
        comfyfix__formats="import os\nos.execvp('a', [])",
    )
    assert [each[:2] for each in strangers(tree, {**NETWORK, **PROGRAMS, **OTHERS})] == [
        ("comfyfix.stages.one", "urllib.request"),
        ("comfyfix.stages.two", "doit.tools"),
    ]
    assert set(callers(tree, STARTERS, "comfyfix.process")) == {"comfyfix.formats"}
    assert set(callers(tree, PRINTERS, "comfyfix.screen")) == {
        "comfyfix.stages.one",
        "comfyfix.stages.two",
    }
