"""Which files of a repository are a model that is a directory, or a set of shards.

Nothing is asked or fetched here: a listing goes in, and what the loader reads comes out. A set is
whole or not chosen; where no rule tells which of several is meant, the user chooses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from comfyfix.records import Reads, Reason, because
from comfyfix.sources.contents import readers
from comfyfix.sources.contents.asked import Asked, Choices, Chosen, Listing, Unfit
from comfyfix.sources.contents.readers import Answer, Option
from comfyfix.sources.contents.tree import CHOSEN_MAX, Tree, joined, leads_out, refused, twins
from comfyfix.why import Why

TEXT_MAX = 32 << 20  # bytes of an index or a configuration: those of the largest have ten
TEXTS_MAX = 24
OPTIONS_MAX = 100  # shown to the user to choose from
_SETTINGS = ("config.json", "adapter_config.json", "model_index.json", "tokenizer_config.json")

__all__ = ("Asked", "Choices", "Chosen", "Listing", "Reads", "Unfit", "choose", "worth_reading")


def choose(
    listing: Listing, asked: Asked, texts: Mapping[str, bytes] | None = None
) -> Chosen | Choices | Unfit:
    """Choose the files that a loader reads. `texts` are the contents of what is `worth_reading`.

    Without them sets are told by the numbers of their shards, and the components of a pipeline by
    what lies in its folders.
    """
    if why := leads_out(listing):
        return Unfit(why)
    tree = Tree(listing, texts or {})
    answers = {at: answer for at in _folders(tree, asked) if (answer := _read(tree, at, asked))}
    preferred = _preferred(answers, asked)
    options = [(at, option) for at in preferred for option in _options(answers[at])][:OPTIONS_MAX]
    if not options:
        reasons = (answer for at in preferred if isinstance(answer := answers[at], Reason))
        return Unfit(next(reasons, None) or because(Why.CONTENTS_NONE, kind=asked.reads))
    choices = []
    for at, option in options:
        choice = _checked(listing, at, option, alone=len(options) == 1)
        if isinstance(choice, Unfit):
            return choice
        choices.append(choice)
    is_sure = asked.reads is not Reads.ANY and _is_meant(preferred[0], asked)
    return choices[0] if len(choices) == 1 and is_sure else Choices(tuple(choices))


def worth_reading(listing: Listing, asked: Asked) -> tuple[str, ...]:
    """The paths of small files whose contents tell more than the listing: indexes and settings."""
    if leads_out(listing):
        return ()
    tree = Tree(listing, {})
    paths = []
    for at in _folders(tree, asked):
        if not _read(tree, at, asked):
            continue
        parts = tree.below(at) if asked.reads in (Reads.PIPELINE, Reads.ANY) else ()
        for folder in (at, *(joined(at, part) for part in parts)):
            paths += [
                joined(folder, name)
                for name in sorted(tree.names(folder))
                if name in _SETTINGS or (".index." in name and name.endswith(".json"))
            ]
    small = [path for path in paths if 0 < (listing[path].size or 0) <= TEXT_MAX]
    return tuple(dict.fromkeys(small))[:TEXTS_MAX]


def _folders(tree: Tree, asked: Asked) -> tuple[str, ...]:
    return (asked.inside.strip("/"),) if asked.inside else ("", *filter(None, tree.folders))


def _read(tree: Tree, at: str, asked: Asked) -> Answer:
    if asked.reads is not Reads.ANY:
        return readers.READERS[asked.reads](tree, at, asked)
    return list(_every_reading(tree, at, asked)) or None


def _every_reading(tree: Tree, at: str, asked: Asked) -> Iterator[Option]:
    """What a folder could be to a loader whose rule is not known."""
    for reads in readers.BY_FILES:
        for option in _options(readers.READERS[reads](tree, at, asked)):
            name = f"{reads}: {option.name}" if option.name else str(reads)
            yield Option(name, option.files, option.code)


def _options(answer: Answer) -> list[Option]:
    return answer if isinstance(answer, list) else []


def _preferred(answers: Mapping[str, Answer], asked: Asked) -> list[str]:
    """The folders to choose from: the one that bears the name, the root, or all there are.

    One of them that is not whole is the one that is meant all the same.
    """
    name = _own_name(asked)
    named = [at for at in answers if at and at.rpartition("/")[2].casefold() == name]
    if asked.reads is Reads.NAMED:
        named = [at for at in answers if not isinstance(answers[at], Reason)]
    elif "" in answers and not asked.inside and len(named) != 1:
        return [""]
    return named or list(answers)


def _own_name(asked: Asked) -> str:
    path = asked.name.rpartition("/")[0] if asked.reads is Reads.SET else asked.name
    return path.rpartition("/")[2].casefold()


def _is_meant(at: str, asked: Asked) -> bool:
    """Tell whether a folder is the one that is asked for, and not just the only one there is."""
    by_files = asked.reads in (Reads.NAMED, Reads.SET)
    named = not at or at.rpartition("/")[2].casefold() == _own_name(asked)
    return by_files or named or bool(asked.inside)


def _checked(listing: Listing, at: str, option: Option, *, alone: bool) -> Chosen | Unfit:
    """An option as files of the listing; or why they can't be had as they are."""
    files = {name: joined(at, name) for name in sorted(option.files)}
    if len(files) > CHOSEN_MAX:
        return Unfit(because(Why.CONTENTS_MANY, count=len(files), limit=CHOSEN_MAX))
    if why := refused(files) or twins(files.values(), listing):
        return Unfit(why)
    size = 0
    for path in files.values():
        item = listing[path]
        if item.size is None:
            cause = because(Why.NO_SIZE)
            return Unfit(because(Why.CONTENTS_REFUSED, name=path, cause=cause))
        size += item.size
    name = (f"{at}/{option.name}" if at else option.name) or ("" if alone else "./")
    return Chosen(name, files, size, tuple(sorted(joined(at, path) for path in option.code)))
