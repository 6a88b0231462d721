"""Render: a record becomes a script that stands alone.

Every value is quoted for the shell exactly once, and none stands in a comment, where a newline
would run. Only what is in the record and the settings gets in: never a token.
"""

from __future__ import annotations

import functools
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfyfix import templates
from comfyfix.disk import regular
from comfyfix.disk.files import write_atomic
from comfyfix.net.hosts import HUGGINGFACE, PUBLIC, STORAGE, endpoint_of
from comfyfix.records import Record
from comfyfix.settings.manifest import STORE_KEY, TOKEN_VARIABLES, Manifest

if TYPE_CHECKING:
    import jinja2

AT_ONCE = 1 << 20
"""Bytes. A smaller file is tried at once, before a script has read the rest of itself."""


def render(record: Record, manifest: Manifest) -> str:
    """Return the text of the script for one record."""
    endpoint = endpoint_of(record.url)
    small = record.size_exact and (record.size or AT_ONCE) < AT_ONCE
    text: str = _template("download.sh.j2").render(
        destination=record.destination,
        size=str(record.size) if record.size is not None and record.size_exact else "",
        space=str(record.size or ""),
        sha256=record.sha256 or "",
        local=record.local,
        endpoint=endpoint,
        at_once=bool(small and record.sha256 and endpoint and not record.local),
        storage=[f"{host}:443:{host}:443" for host in STORAGE.get(endpoint, ())],
        path=record.url.removeprefix(PUBLIC.get(endpoint, "")),
        secrets=[*TOKEN_VARIABLES.values(), STORE_KEY],
        token_variable=TOKEN_VARIABLES.get(endpoint, ""),
        page=f"{HUGGINGFACE}/{record.repo}" if endpoint == "huggingface" else "",
        retries=str(manifest.download.retries),
        reserve=str(manifest.download.reserve_bytes),
    )
    return text


def clearing() -> str:
    """Return the program that removes what dead scripts have left: `bash -c` with its arguments.

    Not a mode of the scripts: those of an earlier version don't know it, and some may be lost.
    """
    text: str = _template("clear.sh.j2").render()
    return text


def write(path: Path, text: str) -> bool:
    """Write a script that is not there yet.

    Returns False, and leaves the file alone, if it exists with other content: a script is
    never rewritten. One that was cut short in writing is completed.
    """
    data = text.encode()
    try:
        old = regular.read(path)
    except (FileNotFoundError, IsADirectoryError, regular.NotRegular):
        old = b""
    if old == data:
        return True
    if old and not data.startswith(old):
        return False
    write_atomic(path, data, mode=0o777)
    return True


@functools.cache
def _template(name: str) -> jinja2.Template:
    import jinja2  # 90 ms that only a run with downloads needs

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(templates.text),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - shell, not HTML; the `sh` filter quotes
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        comment_start_string="{=#",  # bash's own ${#length} would begin a comment
        comment_end_string="#=}",
        finalize=_only_quoted,
    )
    environment.filters["sh"] = _Quoted.of
    return environment.get_template(name)


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
