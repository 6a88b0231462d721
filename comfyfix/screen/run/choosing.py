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
    told = {"words": _quoted(words), "name": _quoted(f'"{model.name}"')}
    return [address.format(**told) for address in _SEARCHES]


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe="")


def by_hand(model: Model) -> Iterator[str]:
    """Tell where a person would search."""
    yield f"  {t('A search by hand may find it:')}"
    yield from (f"    {address}" for address in pages(model))


def lines(model: Model, search: Search) -> Iterator[str]:
    """Tell each candidate, with its number."""
    found = search.candidates
    told = "{model}: one of {count:files} may be meant (searched {at})"
    yield t(told, model=model.key, count=len(found), at=search.at)
    for number, one in enumerate(found, 1):
        yield ""
        yield f"  {number:2}  {one.where}" + (f": {one.name}" if one.name != model.name else "")
        yield f"      {', '.join(_facts(one))}"
        yield from (f"      {line}" for line in _places(one))


def in_short(one: Candidate) -> Choice:
    """The same of one candidate for those who follow the run."""
    return Choice(where=one.where, about=", ".join(_facts(one)), url=one.url, page=one.page)


def _facts(one: Candidate) -> Iterator[str]:
    yield human_size(one.size) if one.size else t("size unknown")
    if one.files:
        yield t("{count:files}", count=len(one.files))
    if one.publisher:
        yield t("published by {name}", name=one.publisher)
    if one.popularity:
        yield t("{count:downloads}", count=one.popularity)
    if one.date:
        yield one.date
    yield t("licence {name}", name=one.licence) if one.licence else t("licence not told")
    if one.base_model:
        yield t("based on {name}", name=one.base_model)
    if one.gated:
        yield t("gated")
    yield f"sha256 {one.sha256[:_HASH_SHOWN]}" if one.sha256 else t("no published hash")


def _places(one: Candidate) -> Iterator[str]:
    if one.page:
        yield one.page
    if one.picture:
        yield t("a picture: {address}", address=one.picture)
    if not one.page:
        yield one.url


def none_to_choose(model: Model, search: Search) -> str:
    """Say that a search has seen no file that could be chosen."""
    told = "{model}: the search of {at} has seen no file that could be chosen"
    return t(told, model=model.key, at=search.at)


def how(name: str) -> str:
    """Say how to choose where nobody can be asked."""
    step = t("`doit choose {name:shell} --number N` takes one of them", name=name)
    return f"{t('Next:')} {step}"


def wanted(count: int) -> bool:
    """Ask whether to choose now, for so many uncertain models."""
    if count == 1:
        told = t("1 model is uncertain. Choose its file now, and fetch it?")
    else:
        told = t("{count} models are uncertain. Choose their files now, and fetch?", count=count)
    try:
        return input(fixed("{told} [y/n] ", told=told)).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def asked(count: int) -> int | None:
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


def as_data(model: Model, search: Search | None, found: Sequence[Candidate]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "model": model.key,
        "outcome": search.outcome if search else None,
        "searched": search.at if search else None,
        "candidates": [_row(number, one) for number, one in enumerate(found, 1)],
        "searches": pages(model),
        "chosen": None,
    }


def _row(number: int, one: Candidate) -> dict[str, Any]:
    return {
        "number": number,
        "source": one.source,
        "where": one.where,
        "name": one.name,
        "url": one.url,
        "page": one.page,
        "picture": one.picture,
        "size": one.size,
        "sha256": one.sha256,
        "files": max(1, len(one.files)),
        "publisher": one.publisher,
        "licence": one.licence,
        "base_model": one.base_model,
        "downloads": one.popularity,
        "date": one.date,
        "gated": one.gated,
    }
