"""The ledger: which number and task name each model has, for good, and how its tries ended."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec

from comfyfix.disk import json_file, regular
from comfyfix.disk.files import write_if_changed
from comfyfix.outcomes import Came, Outcome
from comfyfix.records import Attempt, Model, Record
from comfyfix.state.layout import Layout, slug, task_slug

ATTEMPTS_KEPT = 20


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One model: its number now, the numbers it had, its task, its newest tries.

    `again`: the user wants it searched again, whatever is known; the next success settles that.
    """

    number: int
    task: str
    earlier: tuple[int, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    again: bool = False


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """All models that ever had a number, by model key."""

    version: Literal[1] = 1
    highest: int = 0
    models: dict[str, Entry] = {}


def load(layout: Layout) -> Ledger:
    """Read the ledger; where it is lost, find the numbers again in records and scripts."""
    return _trusted(json_file.read(layout.ledger, Ledger)) or _rebuilt(layout)


def _trusted(ledger: Ledger | None) -> Ledger | None:
    """Return a ledger whose numbers can be: each from 1 to the highest, none twice."""
    if ledger is None:
        return None
    numbers = [entry.number for entry in ledger.models.values()]
    tasks = {entry.task for entry in ledger.models.values()}
    sound = len(set(numbers)) == len(numbers) == len(tasks) and all(
        1 <= number <= ledger.highest for number in numbers
    )
    return ledger if sound else None


def reserve(layout: Layout, models: Iterable[Model]) -> Ledger:
    """Give a number and a task name to each model that has none. Raises OSError."""
    wanted = list(models)

    def update(ledger: Ledger) -> Ledger | None:
        known = _trusted(ledger) or _rebuilt(layout)
        made = numbered(known, wanted)
        return None if made is ledger else made

    return _change(layout, update)


def numbered(ledger: Ledger, models: Iterable[Model]) -> Ledger:
    """Return the ledger with a number and a task for each model; the order given is no matter."""
    lacking = {model.key: model for model in models if model.key not in ledger.models}
    if not lacking:
        return ledger
    entries = dict(ledger.models)
    tasks = {entry.task: key for key, entry in entries.items()}
    for number, key in enumerate(sorted(lacking), ledger.highest + 1):
        task = _unique_task(lacking[key], tasks)
        tasks[task] = key
        entries[key] = Entry(number=number, task=task)
    return Ledger(highest=ledger.highest + len(lacking), models=entries)


def renumber(layout: Layout, model: Model) -> int:
    """Give a model whose source changed the next number; the old script stays as it is."""

    def update(ledger: Ledger) -> Ledger:
        old = ledger.models.get(model.key)
        if old is None:  # the ledger was lost since the plan was made
            taken = {entry.task: key for key, entry in ledger.models.items()}
            new = Entry(number=ledger.highest + 1, task=_unique_task(model, taken))
        else:
            earlier = (*old.earlier, old.number)
            new = msgspec.structs.replace(old, number=ledger.highest + 1, earlier=earlier)
        ledger.models[model.key] = new
        return msgspec.structs.replace(ledger, highest=new.number)

    return _change(layout, update).models[model.key].number


def note(layout: Layout, model: Model, attempt: Attempt, began: str = "") -> None:
    """Add the outcome of one try to a model's history.

    `began` is when its run did: of a file that another run of this project has brought since, the
    account of that run stands.
    """

    def update(ledger: Ledger) -> Ledger | None:
        old = ledger.models.get(model.key)
        if old is None or (attempt.came is Came.OTHERS and began and _brought_since(old, began)):
            return None
        attempts = (*old.attempts, attempt)[-ATTEMPTS_KEPT:]
        again = old.again and attempt.outcome != Outcome.DONE
        new = msgspec.structs.replace(old, attempts=attempts, again=again)
        ledger.models[model.key] = new
        return ledger

    _change(layout, update)


def _brought_since(entry: Entry, began: str) -> bool:
    newest = entry.attempts[-1] if entry.attempts else None
    return newest is not None and newest.outcome == Outcome.DONE and newest.at >= began


def search_again(layout: Layout, models: Iterable[Model]) -> None:
    """Note that the user wants models searched again. Raises OSError."""
    keys = [model.key for model in models]

    def update(ledger: Ledger) -> Ledger | None:
        known = [key for key in keys if key in ledger.models]
        for key in known:
            ledger.models[key] = msgspec.structs.replace(ledger.models[key], again=True)
        return ledger if known else None

    _change(layout, update)


def _change(layout: Layout, update: Callable[[Ledger], Ledger | None]) -> Ledger:
    ledger = json_file.change(
        layout.ledger, layout.ledger_lock, Ledger, lambda: _rebuilt(layout), update
    ).content
    write_if_changed(layout.counter, f"{ledger.highest}\n".encode())
    return ledger


def _unique_task(model: Model, taken: Mapping[str, str]) -> str:
    """A task name for a model; `taken` are those of others, each with its model's key.

    Where another has the plain one, what tells the two apart is put behind it.
    """
    plain = task_slug(model)
    if plain not in taken:
        return plain
    folder, _, path = taken[plain].partition("/")
    mine, others = _traits(model), _traits(Model(folder=folder, path=path))
    for suffix, other in zip(mine, others, strict=True):
        name = slug(f"{plain}-{suffix}")
        if suffix and suffix != other and name not in taken:
            return name
    return next(n for i in range(2, len(taken) + 3) if (n := f"{plain}-{i}") not in taken)


def _traits(model: Model) -> tuple[str, str, str]:
    """What may tell a model from another of its name: folder, ending, subfolder."""
    return model.folder or "", model.name.rpartition(".")[2], model.path.rpartition("/")[0]


def _rebuilt(layout: Layout) -> Ledger:
    entries: dict[str, Entry] = {}
    highest = _highest_on_disk(layout)
    taken: dict[str, str] = {}
    found = [json_file.read(path, Record) for path in sorted(layout.output.glob("sources/*.json"))]
    numbers: set[int] = set()
    for record in sorted((r for r in found if r is not None), key=lambda r: r.number):
        if record.number in numbers or record.number < 1:
            continue  # someone has copied a record; its model gets a number of its own
        numbers.add(record.number)
        highest = max(highest, record.number)
        old = entries.get(record.model.key)
        task = old.task if old else _unique_task(record.model, taken)
        taken[task] = record.model.key
        earlier = (*old.earlier, old.number) if old else ()
        entries[record.model.key] = Entry(number=record.number, task=task, earlier=earlier)
    return Ledger(highest=highest, models=entries)


def _highest_on_disk(layout: Layout) -> int:
    numbers = [0]
    if layout.output.is_dir():
        for path in (*layout.output.iterdir(), *layout.output.glob("sources/*")):
            match = re.match(r"(?:download_)?(\d{3,9})_", path.name)
            if match:
                numbers.append(int(match.group(1)))
    with contextlib.suppress(OSError, ValueError):  # lost: scripts and records have told enough
        numbers.append(int(regular.text(layout.counter, encoding="ascii")[:9]))
    return max(numbers)
