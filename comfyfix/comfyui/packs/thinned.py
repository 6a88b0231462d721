"""Sources without the bodies of functions that can't matter: parsing those is most of the work.

A long body that names nothing of folders, files or nodes says nothing of what inputs choose, and
neither does what a node does once it runs. Bodies are found by their lines; where a text of several
lines misleads that, the source does not parse, and is parsed whole.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence, Set
from functools import cache
from typing import NamedTuple

LINES_MIN = 12  # shorter ones may make names, and cost little
OWN_LINES_MIN = 3  # the same, of an instance
LINES_MAX = 3000  # of a body; longer ones stay, since looking for their ends has to have one
SIGNATURE_MAX = 200  # lines
# A word is found at once; what stands before it in its line is looked at then.
_DEF = re.compile(rb"def[ ]+(\w+)(\([ ]*self\b)?")
_CLASS = re.compile(rb"class[ ]+\w.*")
_BEFORE = re.compile(rb"([ \t]{0,40})(?:async[ ]+)?")
_DECLARING = (b"INPUT_TYPES", b"define_schema")
_RUNS = re.compile(rb"\bFUNCTION[ ]*=[ ]*[\"'](\w+)")
"""What a node does, by the name that its class tells."""
_EXECUTE = b"execute"
"""The same of nodes of the newer interface, a method of their class."""
_MATTER = (
    b"folder_", b"_folder", b"filename_list", b"listdir", b"scandir", b"glob", b"iterdir", b"walk",
    b"recursive_search", b"models_dir", *_DECLARING, b"MAPPINGS", b"import_module", b"_paths",
    b"Path(", b"from .",
)  # fmt: skip
_ASKS = re.compile(rb"(?:get|list|find|scan)_\w{0,40}(?:model|file|name|lora|ckpt|checkpoint)")
_GIVES = re.compile(rb"(?:get|list|find|scan|load)_")
"""Names of methods that another source may ask for choices."""
_Span = tuple[int, int]


class _Function(NamedTuple):
    """A function by its first line: where that begins, and what it says."""

    begin: int
    indent: bytes
    name: bytes
    own: bool


def thinned(data: bytes) -> bytes:
    """A source in which `pass` stands for long bodies that can't matter."""
    data = b"\n" + data
    functions = list(_functions(data))
    nodes = _node_classes(data, functions)
    runs = {_EXECUTE, *_RUNS.findall(data)} if nodes else set()
    marks = _marks(data)
    kept: list[bytes] = []
    at = 1
    for function in functions:
        if function.begin < at:
            continue  # inside of what was left out
        start = _after_signature(data, function.begin)
        end = _after_body(data, start, len(function.indent))
        lines = data.count(b"\n", start, end)
        if lines < (OWN_LINES_MIN if function.own else LINES_MIN):
            continue
        matters = _has(marks, function.begin, end) or _ASKS.search(data, function.begin, end)
        if not matters or _is_run(data, function, nodes, runs):
            kept += [data[at:start], function.indent, b"    pass\n"]
            at = end
    return b"".join((*kept, data[at:]))


def _functions(data: bytes) -> Iterator[_Function]:
    for match in _DEF.finditer(data):
        begin = data.rfind(b"\n", 0, match.start()) + 1
        before = _BEFORE.fullmatch(data, begin, match.start())
        if before:
            yield _Function(begin, before[1], match[1], match[2] is not None)


def _marks(data: bytes) -> list[int]:
    """Where words of folders, files and nodes stand, in order."""
    marks: list[int] = []
    for word in _MATTER:
        place = data.find(word)
        while place >= 0:
            marks.append(place)
            place = data.find(word, place + len(word))
    return sorted(marks)


def _has(places: Sequence[int], begin: int, end: int) -> bool:
    first = bisect_left(places, begin)
    return first < len(places) and places[first] < end


def _node_classes(data: bytes, functions: Sequence[_Function]) -> list[_Span]:
    """Where the bodies of classes lie that declare inputs themselves."""
    declared = [function.begin for function in functions if function.name in _DECLARING]
    return [span for span in _classes(data) if _has(declared, *span)] if declared else []


def _classes(data: bytes) -> Iterator[_Span]:
    for match in _CLASS.finditer(data):
        begin = data.rfind(b"\n", 0, match.start()) + 1
        before = _BEFORE.fullmatch(data, begin, match.start())
        if before:
            start = match.end() + 1
            yield start, _after_body(data, start, len(before[1]))


def _is_run(data: bytes, function: _Function, nodes: Sequence[_Span], runs: Set[bytes]) -> bool:
    """Tell a method that only a run of its node calls."""
    name = function.name
    if not (function.own or name == _EXECUTE) or name in _DECLARING:
        return False
    if not any(begin <= function.begin < end for begin, end in nodes):
        return False
    return name in runs or not (_GIVES.match(name) or b"." + name in data)


def _after_signature(data: bytes, at: int) -> int:
    depth, begin = 0, at
    for _ in range(SIGNATURE_MAX):
        end = data.find(b"\n", begin) + 1 or len(data)
        line = data[begin:end].partition(b"#")[0].rstrip()
        if begin > at and _DEF.match(line.lstrip()):
            break
        depth += sum(map(line.count, (b"(", b"[", b"{")))
        depth -= sum(map(line.count, (b")", b"]", b"}")))
        if depth <= 0 and line.endswith(b":"):
            return end
        if depth <= 0 or end == len(data):
            break  # a body beside its signature, or a bracket in a text
        begin = end
    return data.find(b"\n", at) + 1 or len(data)


def _after_body(data: bytes, start: int, indent: int) -> int:
    """Where the first line begins that is no further in; the start of what is too long."""
    next_line = _outside(indent).search(data, start - 1)
    end = next_line.start() + 1 if next_line else len(data)
    return end if data.count(b"\n", start, end) < LINES_MAX else start


@cache
def _outside(indent: int) -> re.Pattern[bytes]:
    return re.compile(rb"\n[ \t\r\f\v]{0,%d}[^\s#]" % indent)
