"""Publishers of models on the Hub whose files many workflows use, and which families they make.

A list of facts (publishers.json): whose repositories are worth a look for which names and
folders, although their names need not hold a word of the file's. Being listed is also a hint
of trust; it never decides alone.
"""

from __future__ import annotations

import functools
from importlib import resources

import msgspec


class Publisher(msgspec.Struct, frozen=True, kw_only=True):
    """One publisher: beginnings of words in the names of its files, and folders of ComfyUI.

    `always` is for one that packs other people's families, `gguf` for one that makes GGUF files
    only.
    """

    names: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    always: bool = False
    gguf: bool = False


@functools.cache
def known() -> dict[str, Publisher]:
    """Every publisher by its name on the Hub."""
    data = resources.files(__package__).joinpath("publishers.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, Publisher])


def likely(name: str, stem: str, folder: str | None) -> list[str]:
    """Publishers to look at for a file, the likeliest first; `stem` is its name made loose."""
    gguf = name.casefold().endswith(".gguf")
    scores: dict[str, int] = {}
    for author, publisher in known().items():
        if publisher.gguf and not gguf:
            continue
        longest = max((len(n) for n in publisher.names if f"_{n}" in f"_{stem}"), default=0)
        score = longest + 2 * (folder in publisher.folders)
        if longest and publisher.gguf:
            score += 4
        if score:
            scores[author] = score
    return sorted(scores, key=lambda author: -scores[author])


def family(word: str) -> str:
    """The shortest beginning of a word that some publisher's family has, or the word itself."""
    return next((word[:size] for size in range(3, len(word)) if word[:size] in _families()), word)


@functools.cache
def _families() -> frozenset[str]:
    return frozenset(name for publisher in known().values() for name in publisher.names)


def always() -> list[str]:
    """Publishers that are worth a look for every name."""
    return [author for author, publisher in known().items() if publisher.always]
