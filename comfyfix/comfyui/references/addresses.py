"""Addresses: what a workflow says of where its models are, and for which of its names that counts.

`properties.models` of the very node comes first, then those of other nodes, then addresses that
stand in a text, such as a note. Nothing of it is believed here: it is asked about later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from comfyfix import endings
from comfyfix.comfyui.references.hints import Named, by_name, key_of, path_below, path_of
from comfyfix.comfyui.references.places import NESTED_MAX, Place, has_model_extension
from comfyfix.comfyui.workflows.graph import Node, Workflow
from comfyfix.net.urls.hosts import HUGGINGFACE, HUGGINGFACE_HOSTS
from comfyfix.records import Hint

TEXT_MAX = 1 << 18  # characters of one text in which addresses are looked for
ADDRESSES_MAX = 500  # of one workflow
_URL = re.compile(r"(?:https|hf)://[^\s\"'<>()\[\]{}|\\^`]{4,2000}")
_ENDINGS = "|".join(re.escape(ending) for ending in sorted(endings.LISTED))
_NAME = re.compile(
    rf"[^\s\"'<>()\[\]{{}}|\\^`/:,;*?]{{1,200}}(?:{_ENDINGS})(?![\w.])", re.IGNORECASE
)
_AIR = re.compile(r"\burn:air:[\w.-]{1,40}:[\w.-]{1,40}:civitai:[0-9]{1,12}(?:@[0-9]{1,12})?")
_BEGINNINGS = ("https://", "hf://", "urn:air:")
# A repository, or a folder of it: what a directory is named after.
_FOLDER = re.compile(r"/[\w.-]+/(?P<repo>[\w.-]+)(?:/tree/[^/]+/?(?P<path>.*?))?/?")
_CIVITAI = re.compile(r"(?:(?:www|api)\.)?civitai\.(?:com|red|green)")


class Addresses:
    """The addresses of one workflow, each asked for by the name that a widget holds."""

    def __init__(self, workflow: Workflow) -> None:
        texts = {id(node): tuple(of_texts(node)) for node in workflow.nodes}
        every = dict.fromkeys(hint for hints in texts.values() for hint in hints)
        self._every = (*workflow.hints, *tuple(every)[:ADDRESSES_MAX])
        self._properties, self._texts = by_name(workflow.hints), by_name(tuple(every))
        self._own = {
            id(node): (by_name(node.hints), by_name(texts[id(node)])) for node in workflow.nodes
        }

    @property
    def every(self) -> tuple[Hint, ...]:
        """All that name a model file: another workflow may need it."""
        return tuple(dict.fromkeys(h for h in self._every if has_model_extension(h.name)))

    def of(self, node: Node, path: str, folder: str | None, also: Iterable[str]) -> Hint | None:
        """The address for what a widget of a node names."""
        keys = {key for key in (folder, *also) if key}
        properties, texts = self._own[id(node)]
        near = _best(properties, path) or _best(texts, path)
        return near or _best(self._properties, path, keys) or _best(self._texts, path, keys)


def own_address(place: Place, path: str) -> Hint | None:
    """Where the source of a node says that a directory is from."""
    return Hint(name=path, url=f"{HUGGINGFACE}/{place.repo}") if place.repo else None


def _best(hints: Named, path: str, keys: Iterable[str] | None = None) -> Hint | None:
    """The hint of this very path, else one of the file's name; elsewhere only of its folder."""
    named = hints.get(path.rpartition("/")[2], ()) if hints else ()
    if not named:  # nearly always, and asked of every name
        return None
    if keys:
        fitting = [hint for hint in named if key_of(hint) in (None, *keys)]
        named = fitting or [hint for hint in named if path_of(hint) == path]
    exact = (hint for hint in named if path in (path_of(hint), path_below(hint)))
    return next(exact, named[0] if named else None)


def of_texts(node: Node) -> Iterator[Hint]:
    """The addresses that stand in the texts of a node, by the file name that they end in.

    A page of Civitai names no file; it counts for the one that its line names.
    """
    texts = [text for _, value in node.values() for text in _texts(value)]
    if texts:
        from html import unescape  # few workflows have any

        for text in texts:
            for line in text[:TEXT_MAX].splitlines():
                if any(begins in line for begins in _BEGINNINGS):
                    yield from _of_line(unescape(line))


def _of_line(line: str) -> Iterator[Hint]:
    pages = _AIR.findall(line)
    for text in _URL.findall(line):
        url = text.rstrip(".,;:!*_~")
        try:
            parts = urlsplit(url)
            name = unquote(parts.path.rpartition("/")[2])
        except ValueError:
            continue
        if has_model_extension(name):
            yield Hint(name=name, url=url)
        elif parts.hostname in HUGGINGFACE_HOSTS and (folder := _FOLDER.fullmatch(parts.path)):
            yield Hint(name=unquote(folder["path"] or folder["repo"]).rpartition("/")[2], url=url)
        elif _CIVITAI.fullmatch(parts.hostname or ""):
            pages.append(url)
    names = set(_NAME.findall(_AIR.sub(" ", _URL.sub(" ", line))))
    if len(set(pages)) == 1 and len(names) == 1:
        yield Hint(name=names.pop(), url=pages[0])


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        if any(begins in value for begins in _BEGINNINGS):
            yield value
    elif depth < NESTED_MAX and isinstance(value, list | Mapping):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner, depth + 1)
