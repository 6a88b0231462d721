"""Workflow files as texts that are edited: what is not changed stays byte for byte."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comfyfix.comfyui.workflows import copies, files, marked, media, read
from comfyfix.comfyui.workflows.marked import Span
from comfyfix.disk.files import write_new
from comfyfix.records import Reason, because
from comfyfix.why import Why


@dataclass(frozen=True, slots=True)
class Source:
    """A workflow as its file holds it; `value` is its JSON, marked with places in `text`."""

    data: bytes = field(repr=False)
    mark: bytes
    encoding: str
    text: str = field(repr=False)
    value: Any = field(repr=False)

    def with_edits(self, edits: Mapping[Span, str]) -> bytes:
        """The bytes of the file with other letters at some places."""
        return self.mark + marked.rewritten(self.text, edits).encode(self.encoding)


def opened(path: str) -> Source | Reason:
    """Read a workflow to be edited. Raises NotAWorkflow, OSError.

    A reason is told for what can't be: only JSON can be written so that all else stays.
    """
    with files.open_file(path) as stream:
        if media.form_of(stream.read(media.HEAD)) is not None:
            return because(Why.EDIT_NO_JSON, path=path)
        stream.seek(0)
        data = stream.read(read.TEXT_MAX + 1)
    read.parse(data)  # holds it against every bound, and tells what is broken
    if not os.path.isfile(path):
        return because(Why.EDIT_IN_ZIP, path=path)
    mark, encoding = read.mark_of(data)
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        return because(Why.EDIT_NOT_UTF8, path=path)
    return Source(data, mark, encoding, text, marked.decode(text))


def place(path: str, made: bytes, kind: copies.Kind) -> tuple[str, bool]:
    """Where a copy goes, and whether it lies there already."""
    return free(copies.names(path, kind), made)


def free(places: Iterator[str], made: bytes) -> tuple[str, bool]:
    """The first place that is free, or holds just this already; tells which."""
    for copy in places:
        if not os.path.lexists(copy):
            return copy, False
        with contextlib.suppress(OSError, ValueError), files.open_file(copy) as stream:
            if stream.read(len(made) + 1) == made:
                return copy, True
    raise FileExistsError


def write(copy: str, data: bytes, *, of: str, there: bool) -> None:
    """Write a copy of a file where nothing is, for whoever may read that. Raises OSError."""
    if not there:
        write_new(Path(copy), data, mode=stat.S_IMODE(os.stat(of).st_mode) & 0o777)
