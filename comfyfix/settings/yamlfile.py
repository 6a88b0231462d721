"""YAML that people write by hand: every value keeps the line it was written on.

Anchors, aliases and merge keys are refused: they can grow exponentially, and a manifest
needs none of them. Duplicate keys are refused because the last one would win in silence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from comfyfix.disk import regular
from comfyfix.errors import SetupProblem
from comfyfix.records import Reason, because
from comfyfix.why import Why

Lines = dict[str, int]
DEPTH_MAX = 50
TEXT_MAX = 1 << 20  # characters
EVENTS_MAX = 40_000  # about one for each key and each value
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(path: Path) -> tuple[Any, Lines]:
    """Read a YAML file into plain values and a map from key path (`$.a.b`) to line number.

    Raises SetupProblem naming the file, the line and the next step.
    """
    try:
        text = regular.text(path, 8 * TEXT_MAX, encoding="utf-8-sig")
    except FileNotFoundError:
        if not path.is_symlink():
            raise _absent(path) from None
        cause = because(Why.LINK_TO_NOTHING)
    except regular.NotRegular as error:
        cause = error.reason
    except OSError as error:
        cause = because(Why.SYSTEM_SAYS, error=error.strerror or error)
    except UnicodeDecodeError as error:
        cause = because(Why.SYSTEM_SAYS, error=error)
    else:
        return parse(text, path)
    raise SetupProblem(Why.MANIFEST_UNREADABLE, path=path, cause=cause)


def _absent(path: Path) -> SetupProblem:
    for above in path.absolute().parent.parents:
        if (above / path.name).is_file():
            return SetupProblem(Why.MANIFEST_ABOVE, path=path, above=above)
    return SetupProblem(Why.MANIFEST_ABSENT, path=path, folder=path.parent)


def parse(text: str, path: Path) -> tuple[Any, Lines]:
    """Parse YAML text; `path` is only named in messages."""
    lines: Lines = {}
    if len(text) > TEXT_MAX:
        raise refused(path, 1, because(Why.TEXT_LONG, limit=TEXT_MAX))
    try:
        depth = 0
        for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
            if count > EVENTS_MAX:
                raise refused(path, _line(event), because(Why.KEYS_MANY, limit=EVENTS_MAX))
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH_MAX:  # libyaml's composer would overflow the stack of the process
                raise refused(path, _line(event), because(Why.NESTED_DEEP, limit=DEPTH_MAX))
            if getattr(event, "anchor", None):
                raise refused(path, _line(event), because(Why.ALIAS_REFUSED))
        root = yaml.compose(text, Loader=_Loader)
        value = None if root is None else _plain(root, "$", lines, path)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        told = because(Why.NOT_YAML, error=error.problem or error)
        raise refused(path, line, told) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise refused(path, 1, because(Why.NOT_YAML, error=error)) from None
    return value, lines


def refused(path: Path, line: int, cause: Reason, key: str = "") -> SetupProblem:
    """Return the problem of one line, or of the key on it."""
    why = Why.MANIFEST_KEY if key else Why.MANIFEST_LINE
    return SetupProblem(why, path=path, line=line, key=key, cause=cause)


def _line(marked: Any) -> int:
    return int(marked.start_mark.line) + 1


def _plain(node: Any, where: str, lines: Lines, path: Path) -> Any:
    lines[where] = _line(node)
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            lines[f"{where}.{key}"] = _line(key_node)
            if key == "<<":
                raise refused(path, _line(key_node), because(Why.MERGE_KEY_REFUSED))
            if key in result:
                raise refused(path, _line(key_node), because(Why.KEY_TWICE, name=key))
            result[key] = _plain(value_node, f"{where}.{key}", lines, path)
            lines[f"{where}.{key}"] = _line(key_node)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(item, f"{where}[{index}]", lines, path) for index, item in enumerate(node.value)
        ]
    try:
        return _scalar(node)
    except (ValueError, OverflowError):
        cause = because(Why.NO_NUMBER, value=node.value)
        raise refused(path, _line(node), cause, key=where.removeprefix("$.")) from None


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
