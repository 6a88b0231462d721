"""Render: a record becomes a script, one screen of facts that calls the engine beside it.

Every value is quoted for the shell exactly once, and none stands in a comment, where a newline
would run. Only what is in the record and the settings gets in: never a token.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfyfix import templates
from comfyfix.disk import regular
from comfyfix.disk.files import human_size, write_atomic
from comfyfix.net.urls.hosts import HUGGINGFACE, PUBLIC, endpoint_of
from comfyfix.once import Once
from comfyfix.records import Record
from comfyfix.script import engine
from comfyfix.settings.manifest import TOKEN_VARIABLES, Manifest

if TYPE_CHECKING:
    import jinja2

_TEMPLATE = "download.sh.j2"
_compiled: Once[str, jinja2.Template] = Once()
"""All models of a run are rendered at about the same time, and to compile takes a while."""


def render(record: Record, manifest: Manifest) -> str:
    """Return the text of the script for one record; it needs the engine beside it."""
    return _text(record, manifest, alone=False)


def alone(record: Record, manifest: Manifest) -> str:
    """Return the text of a script that has the engine in itself, for another machine."""
    begin = "engine\n" if record.files else ""
    return f"{_text(record, manifest, alone=True)}{engine.text()}}}\n{begin}"


def _text(record: Record, manifest: Manifest, *, alone: bool) -> str:
    endpoint = endpoint_of(record.url)
    server = PUBLIC.get(endpoint, "")
    size = "" if record.size is None else str(record.size)
    text: str = template().render(
        alone=alone,
        engine=engine.name(),
        model=record.model.key,
        source=f"{record.source}: {record.where}",
        page=f"{HUGGINGFACE}/{record.repo}" if endpoint == "huggingface" else "",
        endpoint=endpoint,
        path=record.url.removeprefix(server),
        local=record.local,
        lent="1" if record.lent else "",
        destination=record.folder if record.files else record.destination,
        new=record.new,
        files=[
            {
                "size": str(file.size),
                "hash": file.sha256 or (file.blob and f"git:{file.blob}"),
                "path": file.path,
                "place": file.url.removeprefix(server),
            }
            for file in record.files
        ],
        size=size if record.size_exact else "",
        about=human_size(record.size) if size else "",
        rounded=size,
        sha256=record.sha256 or "",
        token_variable=next(iter(TOKEN_VARIABLES.get(endpoint, ())), ""),
        retries=str(manifest.download.retries),
        reserve=str(manifest.download.reserve_bytes),
    )
    return text


def write(path: Path, text: str) -> bool:
    """Write a script that is not there yet.

    Returns False, and leaves the file alone, if it exists with other content: a script is
    never rewritten. One that was cut short in writing is completed.
    """
    data = text.encode()
    try:
        # A link is no script of ours: beside what it leads to lies an engine that nobody has seen.
        old = b"" if path.is_symlink() else regular.read(path)
    except (FileNotFoundError, IsADirectoryError, regular.NotRegular):
        old = b""
    if old == data:
        return True
    if old and not data.startswith(old):
        return False
    write_atomic(path, data, mode=0o777)
    return True


def template() -> jinja2.Template:
    """The template of all scripts, compiled once."""
    return _compiled.get(_TEMPLATE, _template)


def _template() -> jinja2.Template:
    environment = templates.environment(_only_quoted, keep_trailing_newline=True)
    environment.filters["sh"] = _Quoted.of
    return environment.get_template(_TEMPLATE)


class _Quoted(str):
    __slots__ = ()

    @classmethod
    def of(cls, value: str) -> _Quoted:
        if "\0" in value:
            raise ValueError("a shell word can't hold a NUL byte")
        return cls(shlex.quote(value))


def _only_quoted(value: Any) -> Any:
    """Refuse a value that a template author forgot to quote."""
    if isinstance(value, _Quoted):
        return value
    raise TypeError("every value in the script template needs `| sh`")
