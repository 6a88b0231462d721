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
_TELLING = ("config.json", "adapter_config.json", "model_index.json", "tokenizer_config.json")

__all__ = ("Asked", "Choices", "Chosen", "Listing", "Reads", "Unfit", "choose", "telling")


def choose(
    listing: Listing, asked: Asked, told: Mapping[str, bytes] | None = None
) -> Chosen | Choices | Unfit:
    """Choose the files that a loader reads. `told` has the contents of what `telling` names.

    Without them sets are told by the numbers of their shards, and the components of a pipeline by
    what lies in its folders.
    """
    why = leads_out(listing)
    if why:
        return Unfit(why)
    tree = Tree(listing, told or {})
    found = {at: answer for at in _places(tree, asked) if (answer := _read(tree, at, asked))}
    best = _preferred(found, asked)
    picked = [(at, option) for at in best for option in _options(found[at])][:OPTIONS_MAX]
    if not picked:
        why = next((of for at in best if isinstance(of := found[at], Reason)), None)
        return Unfit(why or because(Why.CONTENTS_NONE, kind=asked.reads))
    chosen = []
    for at, option in picked:
        checked = _checked(listing, at, option, alone=len(picked) == 1)
        if isinstance(checked, Unfit):
            return checked
        chosen.append(checked)
    sure = asked.reads is not Reads.ANY and _is_meant(best[0], asked)
    return chosen[0] if len(chosen) == 1 and sure else Choices(tuple(chosen))


def telling(listing: Listing, asked: Asked) -> tuple[str, ...]:
    """The paths of small files whose contents tell more than the listing: indexes and settings."""
    if leads_out(listing):
        return ()
    tree = Tree(listing, {})
    paths = []
    for at in _places(tree, asked):
        if not _read(tree, at, asked):
            continue
        within = [at, *(joined(at, part) for part in tree.below(at))]
        for folder in within if asked.reads in (Reads.PIPELINE, Reads.ANY) else [at]:
            names = sorted(tree.names(folder))
            paths += [
                joined(folder, name)
                for name in names
                if name in _TELLING or (".index." in name and name.endswith(".json"))
            ]
    small = [path for path in paths if 0 < (listing[path].size or 0) <= TEXT_MAX]
    return tuple(dict.fromkeys(small))[:TEXTS_MAX]


def _places(tree: Tree, asked: Asked) -> tuple[str, ...]:
    return (asked.inside.strip("/"),) if asked.inside else ("", *filter(None, tree.folders))


def _read(tree: Tree, at: str, asked: Asked) -> Answer:
    if asked.reads is not Reads.ANY:
        return readers.READERS[asked.reads](tree, at, asked)
    return list(_every(tree, at, asked)) or None


def _every(tree: Tree, at: str, asked: Asked) -> Iterator[Option]:
    """What a folder could be to a loader whose rule is not known."""
    for reads in readers.BY_FILES:
        options = readers.READERS[reads](tree, at, asked)
        for option in options if isinstance(options, list) else ():
            name = f"{reads}: {option.name}" if option.name else str(reads)
            yield Option(name, option.files, option.code)


def _options(answer: Answer) -> list[Option]:
    return answer if isinstance(answer, list) else []


def _preferred(found: Mapping[str, Answer], asked: Asked) -> list[str]:
    """The folders to choose from: the one that bears the name, the root, or all there are.

    One of them that is not whole is the one that is meant all the same.
    """
    name = _own_name(asked)
    named = [at for at in found if at and at.rpartition("/")[2].casefold() == name]
    if asked.reads is Reads.NAMED:
        return [at for at in found if not isinstance(found[at], Reason)] or list(found)
    if asked.inside or len(named) == 1:
        return named or list(found)
    if "" in found:
        return [""]
    return named or list(found)


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
    why = refused(files) or twins(files.values(), listing)
    if len(files) > CHOSEN_MAX:
        why = because(Why.CONTENTS_MANY, count=len(files), limit=CHOSEN_MAX)
    sizes = [listing[path].size for path in files.values()]
    unsized = [path for path, size in zip(files.values(), sizes, strict=True) if size is None]
    if unsized and not why:
        why = because(Why.CONTENTS_REFUSED, name=unsized[0], cause=because(Why.NO_SIZE))
    if why:
        return Unfit(why)
    total = sum(size for size in sizes if size is not None)
    name = (f"{at}/{option.name}" if at else option.name) or ("" if alone else "./")
    return Chosen(name, files, total, tuple(sorted(joined(at, name) for name in option.code)))
