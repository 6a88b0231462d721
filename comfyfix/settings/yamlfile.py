"""YAML that people write by hand: every value keeps the line it was written on.

Anchors, aliases and merge keys are refused: they can grow exponentially, and a manifest
needs none of them. Duplicate keys are refused because the last one would win in silence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from comfyfix.disk import regular
from comfyfix.disk.files import printable
from comfyfix.errors import ManifestProblem

Lines = dict[str, int]
DEPTH_MAX = 50
TEXT_MAX = 1 << 20  # characters
EVENTS_MAX = 40_000  # about one for each key and each value
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(path: Path) -> tuple[Any, Lines]:
    """Read a YAML file into plain values and a map from key path (`$.a.b`) to line number.

    Raises ManifestProblem naming the file, the line and the next step.
    """
    try:
        text = regular.text(path, 8 * TEXT_MAX, encoding="utf-8-sig")
    except FileNotFoundError:
        if path.is_symlink():
            raise ManifestProblem(
                f"{path} can't be read",
                cause="it is a link to a file that does not exist",
                next_step="mend or delete the link",
            ) from None
        raise ManifestProblem(
            f"{path} does not exist",
            next_step=f"create it, with a line such as `comfyui: ~/ComfyUI`, in {path.parent}",
        ) from None
    except OSError as error:
        raise ManifestProblem(
            f"{path} can't be read", cause=error.strerror or str(error), next_step="mend the file"
        ) from None
    except UnicodeDecodeError as error:
        raise ManifestProblem(
            f"{path} can't be read", cause=str(error), next_step="mend the file"
        ) from None
    return parse(text, path)


def parse(text: str, path: Path) -> tuple[Any, Lines]:
    """Parse YAML text; `path` is only named in messages."""
    lines: Lines = {}
    if len(text) > TEXT_MAX:
        raise _refused(path, 1, f"the file is larger than {TEXT_MAX >> 20} MB")
    try:
        depth = 0
        for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
            if count > EVENTS_MAX:
                raise _refused(path, _line(event), f"more than {EVENTS_MAX} keys and values")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH_MAX:  # libyaml's composer would overflow the stack of the process
                raise _refused(path, _line(event), f"nested more than {DEPTH_MAX} deep")
            if getattr(event, "anchor", None):
                raise _refused(path, _line(event), "anchors and aliases are not allowed")
        root = yaml.compose(text, Loader=_Loader)
        value = None if root is None else _plain(root, "$", lines, path)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _refused(path, line, error.problem or "not YAML") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _refused(path, 1, f"not YAML ({error})") from None
    return value, lines


def _refused(path: Path, line: int, cause: str, key: str = "") -> ManifestProblem:
    place = f"{path}, line {line}{f', key {printable(key)}' if key else ''}"
    return ManifestProblem(place, cause=printable(cause, 300), next_step="mend that line")


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
                raise _refused(path, _line(key_node), "merge keys (<<) are not allowed")
            if key in result:
                cause = f"the key '{printable(key)}' stands here twice"
                raise _refused(path, _line(key_node), cause)
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
        cause = f"'{printable(node.value)}' is no number that we know; put it in quotes"
        raise _refused(path, _line(node), cause, key=where.removeprefix("$.")) from None


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
