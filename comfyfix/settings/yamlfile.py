"""YAML that people write by hand: every value keeps the line it was written on.

In files of ours anchors, aliases and merge keys are refused: they can grow exponentially, and a
manifest needs none of them. Duplicate keys are refused because the last one would win in silence.
Files of ComfyUI are taken as PyYAML's safe loader takes them, with a bound on what they grow to.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from comfyfix.disk import looked, regular
from comfyfix.errors import SetupProblem, system_says
from comfyfix.records import Reason, because
from comfyfix.why import Why

DEPTH_MAX = 50
TEXT_MAX = 1 << 20  # characters
EVENTS_MAX = 40_000  # about one for each key and each value
LONG = 100
_MERGE = "tag:yaml.org,2002:merge"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Document:
    """What problems tell of a file: its path, and the line of each key path (`$.a.b[0]`)."""

    path: Path
    lines: dict[str, int] = field(default_factory=dict)

    def refused(self, place: str, cause: Reason) -> SetupProblem:
        """Return the problem of a key path, with the nearest line that is known of it."""
        known = place
        while known not in self.lines and known != "$":
            known = known.rpartition("." if known.rfind(".") > known.rfind("[") else "[")[0] or "$"
        key = place.removeprefix("$").removeprefix(".")
        return refused(self.path, self.lines.get(known, 1), cause, key)


def read(path: Path) -> tuple[Any, Document]:
    """Read a YAML file into plain values, and where each of them stands.

    Raises SetupProblem naming the file, the line and the next step.
    """
    return parse(_text(path, Why.MANIFEST_ABSENT), path)


def read_long(data: bytes, path: Path) -> tuple[Any, Document]:
    """The same of a file that a program writes, which may be a hundred times as long."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        cause = because(Why.SYSTEM_SAYS, error=error)
        raise SetupProblem(Why.MANIFEST_UNREADABLE, path=path, cause=cause) from None
    return parse(text, path, times=LONG)


def read_loosely(path: Path) -> tuple[Any, Any]:
    """Read a YAML file of ComfyUI as it does: its values, and the root of their nodes.

    Of keys that stand there twice the last counts; aliases share one value; merges are resolved,
    in the nodes too. Raises SetupProblem.
    """
    text = _text(path, Why.EXTRA_PATHS_ABSENT)
    with _syntax_refused(path):
        root = _composed(text, path, anchors=True)
        if root is None:
            return None, None
        sizes: dict[int, int] = {}
        _count(root, sizes)
        if sum(sizes.values()) > EVENTS_MAX:
            raise refused(path, line_of(root), because(Why.KEYS_MANY, limit=EVENTS_MAX))
        return yaml.constructor.SafeConstructor().construct_document(root), root


def line_of(marked: Any) -> int:
    """Return the line that a node or an event begins on; the first is 1."""
    return int(marked.start_mark.line) + 1


def _text(path: Path, absent: Why) -> str:
    try:
        text = regular.text(path, 8 * TEXT_MAX, encoding="utf-8-sig")
    except FileNotFoundError:
        if not path.is_symlink():
            above = _above(path) if absent is Why.MANIFEST_ABSENT else None
            if above:
                raise SetupProblem(Why.MANIFEST_ABOVE, path=path, above=above) from None
            raise SetupProblem(absent, path=path, folder=path.parent) from None
        cause = because(Why.LINK_TO_NOTHING)
    except regular.NotRegular as error:
        cause = error.reason
    except OSError as error:
        cause = system_says(error)
    except UnicodeDecodeError as error:
        cause = because(Why.SYSTEM_SAYS, error=error)
    else:
        if "$" in text:
            looked.variables()
        return text
    raise SetupProblem(Why.MANIFEST_UNREADABLE, path=path, cause=cause)


def _above(path: Path) -> Path | None:
    """The folder above that has a file of this name."""
    return next((a for a in path.absolute().parent.parents if (a / path.name).is_file()), None)


def parse(text: str, path: Path, times: int = 1) -> tuple[Any, Document]:
    """Parse YAML text; `path` is only named in messages, `times` is how often the usual bounds."""
    document = Document(path)
    with _syntax_refused(path):
        root = _composed(text, path, anchors=False, times=times)
        value = None if root is None else _plain(root, "$", document)
    return value, document


@contextlib.contextmanager
def _syntax_refused(path: Path) -> Iterator[None]:
    """What the reader says of broken YAML, as a problem of its line."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise refused(path, line, because(Why.NOT_YAML, error=error.problem or error)) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise refused(path, 1, because(Why.NOT_YAML, error=error)) from None


def _composed(text: str, path: Path, *, anchors: bool, times: int = 1) -> Any:
    if len(text) > TEXT_MAX * times:
        raise refused(path, 1, because(Why.TEXT_LONG, limit=TEXT_MAX * times))
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        if count > EVENTS_MAX * times:
            raise refused(path, line_of(event), because(Why.KEYS_MANY, limit=EVENTS_MAX * times))
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_MAX:  # libyaml's composer would overflow the stack of the process
            raise refused(path, line_of(event), because(Why.NESTED_DEEP, limit=DEPTH_MAX))
        if getattr(event, "anchor", None) and not anchors:
            raise refused(path, line_of(event), because(Why.ALIAS_REFUSED))
    return yaml.compose(text, Loader=_Loader)


def _count(node: Any, sizes: dict[int, int]) -> int:
    """How many values a node holds once merges are resolved: merges of merges would double them.

    `sizes` takes the figure of each node; one that holds itself counts once.
    """
    if id(node) not in sizes and not isinstance(node, yaml.ScalarNode):
        sizes[id(node)] = 1
        if isinstance(node, yaml.MappingNode):
            counts = [_count(value, sizes) for _, value in node.value]
            merges = [key.tag == _MERGE for key, _ in node.value]
            sizes[id(node)] = sum(c if m else 1 for c, m in zip(counts, merges, strict=True))
        else:
            sizes[id(node)] = sum(_count(item, sizes) for item in node.value)
    return sizes.get(id(node), 1)


def refused(path: Path, line: int, cause: Reason, key: str = "") -> SetupProblem:
    """Return the problem of one line, or of the key on it."""
    why = Why.MANIFEST_KEY if key else Why.MANIFEST_LINE
    return SetupProblem(why, path=path, line=line, key=key, cause=cause)


def _plain(node: Any, place: str, document: Document) -> Any:
    document.lines[place] = line_of(node)
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line, below = line_of(key_node), f"{place}.{key}"
            if key == "<<":
                raise refused(document.path, line, because(Why.MERGE_KEY_REFUSED))
            if key in result:
                raise refused(document.path, line, because(Why.KEY_TWICE, name=key))
            result[key] = _plain(value_node, below, document)
            document.lines[below] = line  # a value may begin on a line below its key
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, f"{place}[{n}]", document) for n, item in enumerate(node.value)]
    try:
        return _scalar(node)
    except (ValueError, OverflowError):
        cause = because(Why.NO_NUMBER, value=node.value)
        raise document.refused(place, cause) from None


def _scalar(node: Any) -> Any:
    tag = node.tag.rpartition(":")[2]
    text: str = node.value
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() in ("true", "yes", "on", "y")
    if tag == "int":
        return int(text.replace("_", ""), 0)
    if tag == "float":
        return float(text.replace("_", ""))
    return text
