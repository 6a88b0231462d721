"""Calls whose arguments have to be seen together, and the persistent ids of torch."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from comfyfix.formats.pickle.calls import RESULTS
from comfyfix.formats.pickle.checks import CHECKS
from comfyfix.formats.pickle.classes import TENSOR_OWN
from comfyfix.formats.pickle.kinds import (
    ALL,
    BOUND,
    ELLIPSIS,
    INT,
    KEY,
    MODULE,
    NESTED_MAX,
    TEXT,
    TYPE_CODE,
    VALUE,
    WHOLE,
    Box,
    Group,
    Made,
    Name,
    Plain,
    Storage,
    kinds,
    named,
)
from comfyfix.formats.pickle.names import METHODS, item_bytes
from comfyfix.formats.pickle.rows import Row

_HASHED = ("b", "i", "u", "f")  # types of numpy whose hash is that of a plain number
_ANNOTATION = Name(Row("typing", "List", roles=frozenset({"annotation"})))
_TENSOR = Plain(int(RESULTS["tensor"]))


def new(called: Any, arguments: Any) -> Any:
    """Return what NEWOBJ makes; None if it may not."""
    if not isinstance(called, Name) or not isinstance(arguments, Group):
        return None
    row, items = called.row, arguments.items
    if items is None:
        return None
    if not items:
        return None if row.bare is None else made_of(row, row.bare)
    fits = (signature for signature in row.news if signature.fits(items))
    return next((made_of(row, signature.gives) for signature in fits), None)


def made_of(row: Row, form: int | str) -> Made | Box:
    """Return what a call or NEWOBJ gives: an object, or a box that is filled later."""
    if isinstance(form, str):
        return Box(form, row)
    made = Made(row, form)
    if row.state == "array":  # what has no content yet could be given any, too deep for Python
        made.deep = NESTED_MAX
    return made


def _typed_tensor(arguments: tuple[Any, ...]) -> Any:
    """torch._tensor._rebuild_from_type_v2: a call inside a call, its type, its attributes."""
    match arguments:
        case (Name() as rebuilt, kind, Group(items=tuple() as inner), state) if named(
            rebuilt, "rebuilds"
        ) and named(kind, "tensor_type"):
            fits = any(signature.fits(inner) for signature in rebuilt.row.calls)
            return _TENSOR if fits and _attributes(state) else None
    return None


def _parameter_with_state(arguments: tuple[Any, ...]) -> Any:
    """torch._utils._rebuild_parameter_with_state."""
    match arguments:
        case (data, needs_grad, hooks, state):
            fits = CHECKS["tensor"](data) and CHECKS["bool"](needs_grad) and CHECKS["hooks"](hooks)
            return _TENSOR if fits and _attributes(state) else None
    return None


def _attributes(state: Any) -> bool:
    """Attributes that are set on a tensor: plain values, under names that torch does not use."""
    if isinstance(state, Group):  # those of the dict, and those of slots
        parts = state.items or ()
        return len(parts) == 2 and all(_attributes(part) for part in parts)  # noqa: PLR2004 - a pair
    if state is None:
        return True
    if not isinstance(state, Box) or state.form != "dict":
        return False
    plain = state.members & VALUE and state.keys & TEXT and not state.hidden
    return bool(plain) and not any(key in TENSOR_OWN for key, _ in state.odd)


def _method(arguments: tuple[Any, ...]) -> Any:
    """builtins.getattr of a module of ultralytics, or of its class."""
    match arguments:
        case (Made(row=row, kinds=of), str() as name) if of & MODULE:
            found = "has_methods" in row.roles and name in METHODS
        case (Name(row=row), str() as name):
            found = "has_methods" in row.roles and name in METHODS
        case _:
            found = False
    return Plain(BOUND) if found else None


def _reconstructed(arguments: tuple[Any, ...]) -> Any:
    """copyreg._reconstructor: how protocol 0 and 1 make an object without its `__init__`."""
    match arguments:
        case (Name(row=row), base, None) if isinstance(row.bare, int) and named(base, "object"):
            return Made(row, row.bare)
        case (Name(row=row), Name(row=base), Box() as items) if (
            row.bare == "AttributeDict"
            and str(base) == "builtins.dict"
            and CHECKS["mapping"](items)
        ):
            box = Box("AttributeDict", row)
            if items.count:
                box.holds_unknown()
            return None if items.hidden else box
        case (Name(row=row), Name(row=base), text) if (
            row.name == "TorchVersion" and str(base) == "builtins.str" and kinds(text) & TEXT
        ):
            return Made(row, VALUE)
    return None


def _annotation(arguments: tuple[Any, ...]) -> Any:
    """_operator.getitem of a type of `typing`: how OmegaConf's types of containers are written."""
    match arguments:
        case (Name() as generic, inside) if named(generic, "generic"):
            parts = inside.items or () if isinstance(inside, Group) else (inside,)
            if parts and all(_is_type(part) for part in parts):
                return _ANNOTATION
    return None


def _is_type(part: Any) -> bool:
    return part is None or part is ELLIPSIS or named(part, "annotation")


def _type(arguments: tuple[Any, ...]) -> Any:
    """builtins.type: only the type of None, which is written like that."""
    return _ANNOTATION if arguments == (None,) else None


def _new(arguments: tuple[Any, ...]) -> Any:
    """copyreg.__newobj__: NEWOBJ as protocol 0 and 1 write it."""
    return new(arguments[0], Group(arguments[1:])) if arguments else None


SPECIAL: dict[tuple[str, str], Callable[[tuple[Any, ...]], Any]] = {
    ("torch._tensor", "_rebuild_from_type_v2"): _typed_tensor,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter_with_state,
    ("builtins", "getattr"): _method,
    ("copyreg", "_reconstructor"): _reconstructed,
    ("copyreg", "__newobj__"): _new,
    ("_operator", "getitem"): _annotation,
    ("builtins", "type"): _type,
}
"""Name → the function that returns what the call gives, or None if it is not allowed."""


def call(name: Name, arguments: tuple[Any, ...]) -> Any:
    """Return what a call gives; None if it fits no signature."""
    row = name.row
    special = SPECIAL.get((row.module, row.name))
    if special is not None:
        return special(arguments)
    for signature in row.calls:
        if signature.fits(arguments):
            if row.name == "encode" and arguments[0] == "b":
                return TYPE_CODE
            return _made_by_call(row, signature.gives, arguments)
    return None


def _made_by_call(row: Row, gives: int | str, arguments: tuple[Any, ...]) -> Made | Box:
    made = made_of(row, gives)
    if isinstance(made, Box):
        if any(isinstance(value, Group | Box) and value.members != ALL for value in arguments):
            made.holds_unknown()
    elif row.name == "scalar" and arguments[0].note[:1] in _HASHED:
        made.kinds |= KEY
    elif row.name in ("dtype", "device"):
        made.note = str(arguments[0])
    elif row.name in ("_rebuild_tensor", "_rebuild_tensor_v2") and _is_whole(*arguments[:3]):
        made.kinds |= WHOLE
    return made


def _is_whole(weights: Storage, _: Any, size: Any) -> bool:
    """Tell whether a tensor has no more items than its storage: then what it costs is there."""
    extents = size.items if isinstance(size, Group) else None
    return (
        extents is not None
        and all(type(extent) is int and extent >= 0 for extent in extents)
        and prod(extents) <= weights.items
    )


def storage(value: Any) -> tuple[str, Storage] | None:
    """Read the tuple by which torch names weights beside the pickle: their key, their size."""
    match value:
        case Group(
            items=("storage", Name() as kind, str() | int() as key, place, int() as items, *view)
        ) if named(kind, "storage") and items >= 0 and kinds(place) & TEXT and _is_view(view):
            return str(key), Storage(items, item_bytes(kind.row))
    return None


def _is_view(view: list[Any]) -> bool:
    """A part of other weights, as torch wrote it before 2020: key, begin, items."""
    match view:
        case [] | [None]:
            return True
        case [Group(items=(key, begin, items))]:
            numbers = kinds(begin) & INT and kinds(items) & INT
            return bool(kinds(key) & TEXT and numbers)
    return False


def container(value: Any) -> Name | None:
    """Read the tuple by which torch of 2017 kept the source of a class beside it: the class."""
    match value:
        case Group(items=("module", Name(row=row) as kind, file, source)) if (
            isinstance(row.bare, int) and row.bare & MODULE and _texts(file, source)
        ):
            return kind
    return None


def _texts(*values: Any) -> bool:
    return all(value is None or (kinds(value) & VALUE and kinds(value) & TEXT) for value in values)
