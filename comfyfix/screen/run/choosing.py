"""The files that a model may be, for the user to choose from; and where people would look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from comfyfix import endings
from comfyfix.disk.files import human_size
from comfyfix.records import Candidate, Model
from comfyfix.screen.words import fixed, t
from comfyfix.state.journal import Choice
from comfyfix.state.searches import Search

_SEARCHES = (
    "https://huggingface.co/models?search={words}",
    "https://civitai.com/search/models?query={words}",
    "https://duckduckgo.com/?q={name}",
)
_HASH_SHOWN = 12


def pages(model: Model) -> list[str]:
    """The pages on which a person would search for a model: two of providers, one of the web."""
    words = " ".join(endings.stem(model.name).replace("_", " ").split())
    name = f'"{model.name}"'
    return [address.format(words=_quoted(words), name=_quoted(name)) for address in _SEARCHES]


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe="")


def by_hand(model: Model) -> Iterator[str]:
    """Tell where a person would search."""
    yield f"  {t('A search by hand may find it:')}"
    yield from (f"    {address}" for address in pages(model))


def lines(model: Model, search: Search) -> Iterator[str]:
    """Tell each candidate, with its number."""
    line = "{model}: one of {count:files} may be meant (searched {at})"
    yield t(line, model=model.key, count=len(search.candidates), at=search.at)
    for number, candidate in enumerate(search.candidates, 1):
        name = f": {candidate.name}" if candidate.name != model.name else ""
        yield ""
        yield f"  {number:2}  {candidate.where}{name}"
        yield f"      {_facts(candidate)}"
        yield from (f"      {place}" for place in _places(candidate))


def in_short(candidate: Candidate) -> Choice:
    """The same of one candidate for those who follow the run."""
    return Choice(
        where=candidate.where, about=_facts(candidate), url=candidate.url, page=candidate.page
    )


def _facts(candidate: Candidate) -> str:
    licence, digest = candidate.licence, candidate.sha256
    facts = (
        human_size(candidate.size) if candidate.size else t("size unknown"),
        t("{count:files}", count=len(candidate.files)) if candidate.files else "",
        candidate.publisher and t("published by {name}", name=candidate.publisher),
        t("{count:downloads}", count=candidate.popularity) if candidate.popularity else "",
        candidate.date,
        t("licence {name}", name=licence) if licence else t("licence not told"),
        candidate.base_model and t("based on {name}", name=candidate.base_model),
        t("gated") if candidate.gated else "",
        f"sha256 {digest[:_HASH_SHOWN]}" if digest else t("no published hash"),
    )
    return ", ".join(filter(None, facts))


def _places(candidate: Candidate) -> Iterator[str]:
    if candidate.page:
        yield candidate.page
    if candidate.picture:
        yield t("a picture: {address}", address=candidate.picture)
    if not candidate.page:
        yield candidate.url


def none_to_choose(model: Model, search: Search) -> str:
    """Say that a search has seen no file that could be chosen."""
    line = "{model}: the search of {at} has seen no file that could be chosen"
    return t(line, model=model.key, at=search.at)


def how_to_choose(name: str) -> str:
    """Say how to choose where nobody can be asked."""
    step = t("`doit choose {name:shell} --number N` takes one of them", name=name)
    return f"{t('Next:')} {step}"


def wants_to_choose(count: int) -> bool:
    """Ask whether to choose now, for so many uncertain models."""
    if count == 1:
        question = t("1 model is uncertain. Choose its file now, and fetch it?")
    else:
        line = "{count} models are uncertain. Choose their files now, and fetch?"
        question = t(line, count=count)
    try:
        return input(f"{question} [y/n] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def ask_number(count: int) -> int | None:
    """Ask for the number of one of so many; None for none of them."""
    while True:
        try:
            answer = input(fixed("Your choice [1-{count}/n] ", count=count)).strip().lower()
        except EOFError:
            return None
        if answer in ("n", "no", ""):
            return None
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= count:
            return int(answer)


def as_data(model: Model, search: Search | None, candidates: Sequence[Candidate]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "model": model.key,
        "outcome": search.outcome if search else None,
        "searched": search.at if search else None,
        "candidates": [_row(*numbered) for numbered in enumerate(candidates, 1)],
        "searches": pages(model),
        "chosen": None,
    }


def _row(number: int, candidate: Candidate) -> dict[str, Any]:
    return {
        "number": number,
        "source": candidate.source,
        "where": candidate.where,
        "name": candidate.name,
        "url": candidate.url,
        "page": candidate.page,
        "picture": candidate.picture,
        "size": candidate.size,
        "sha256": candidate.sha256,
        "files": max(1, len(candidate.files)),
        "publisher": candidate.publisher,
        "licence": candidate.licence,
        "base_model": candidate.base_model,
        "downloads": candidate.popularity,
        "date": candidate.date,
        "gated": candidate.gated,
    }
