"""The templates of scripts, prompts and pages: where they lie, and how they are read."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2


def text(name: str) -> str:
    """Return the source of one template of `templates/`."""
    packaged = resources.files("comfyfix").joinpath("templates", name)
    if packaged.is_file():  # an installed wheel carries the templates inside the package
        return packaged.read_text(encoding="utf-8")
    beside = Path(__file__).resolve().parents[1] / "templates" / name
    return beside.read_text(encoding="utf-8")


def environment(finalize: Callable[[Any], Any] | None = None, **options: Any) -> jinja2.Environment:
    """Return what renders our templates: each value is escaped for HTML, or as `finalize` says."""
    import jinja2  # 90 ms that most commands do without

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(text),
        undefined=jinja2.StrictUndefined,
        autoescape=finalize is None,  # noqa: S701 - `finalize` refuses what is not quoted
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
