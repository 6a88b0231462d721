"""Sources without the bodies of functions that can't matter: parsing those is most of the work.

A long body that names nothing of folders, files or nodes says nothing of what inputs choose. It is
found by its lines; where a text of several lines misleads that, the source does not parse, and is
parsed whole.
"""

from __future__ import annotations

import re

LINES_MIN = 12  # shorter ones may make names, and cost little
LINES_MAX = 3000  # of a body; longer ones stay, since looking for their ends has to have one
SIGNATURE_MAX = 200  # lines
_DEF = re.compile(rb"([ \t]{0,40})(?:async[ ]+)?def[ ]+\w")
_MATTER = (
    b"folder_", b"_folder", b"filename_list", b"listdir", b"scandir", b"glob", b"iterdir", b"walk",
    b"recursive_search", b"models_dir", b"INPUT_TYPES", b"define_schema", b"MAPPINGS",
    b"import_module", b"_paths", b"Path(",
)  # fmt: skip
_ASKS = re.compile(rb"(?:get|list|find|scan)_\w{0,40}(?:model|file|name|lora|ckpt|checkpoint)")


def thinned(data: bytes) -> bytes:
    """A source in which `pass` stands for long bodies that can't matter."""
    lines = data.split(b"\n")
    kept: list[bytes] = []
    at = 0
    while at < len(lines):
        match = _DEF.match(lines[at])
        if match is None:
            kept.append(lines[at])
            at += 1
            continue
        start = _after_signature(lines, at)
        end = _after_body(lines, start, len(match[1]))
        kept += lines[at:start]
        body = lines[start:end]
        if len(body) >= LINES_MIN and not _matters(b"\n".join(lines[at:end])):
            kept.append(match[1] + b"    pass")
            at = end
        else:
            at = start
    return b"\n".join(kept)


def _matters(text: bytes) -> bool:
    return any(word in text for word in _MATTER) or _ASKS.search(text) is not None


def _after_signature(lines: list[bytes], at: int) -> int:
    depth = 0
    for number in range(at, min(at + SIGNATURE_MAX, len(lines))):
        if number > at and _DEF.match(lines[number]):
            break
        line = lines[number].partition(b"#")[0].rstrip()
        depth += sum(map(line.count, b"([{")) - sum(map(line.count, b")]}"))
        if depth <= 0 and line.endswith(b":"):
            return number + 1
        if depth <= 0:
            break  # a body beside its signature, or a bracket in a text
    return at + 1


def _after_body(lines: list[bytes], start: int, indent: int) -> int:
    for number in range(start, min(start + LINES_MAX, len(lines))):
        line = lines[number]
        text = line.lstrip()
        if text and len(line) - len(text) <= indent and not text.startswith(b"#"):
            return number
    return len(lines) if start + LINES_MAX >= len(lines) else start
