"""What stands for the values of a pickle while it is followed, and which calls are inert.

Text, whole numbers, tuples and lists stand for themselves; they can be names, lengths, arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from comfyfix.formats.pickle_allowed import ITEM_BYTES, Use


@dataclass(frozen=True, slots=True)
class Name:
    """An allowed name that the pickle has imported."""

    module: str
    name: str
    use: Use

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class Made:
    """An object that was made of an allowed name."""

    by: Name

    @property
    def holds_items(self) -> bool:
        """Whether it is a kind of dict, which an unpickler may fill."""
        return self.by.name in ("OrderedDict", "Counter", "defaultdict", "AttributeDict")


@dataclass(frozen=True, slots=True)
class Storage:
    """Weights beside the pickle: so many items of so many bytes (None: not known)."""

    items: int
    item_bytes: int | None


class Plain:
    """A value that can do nothing, and of which nothing but its kind is known."""


PLAIN = Plain()
"""None, a truth value, a fraction, bytes, a text that is too long for a name."""
DICT = Plain()
SET = Plain()
MARK = Plain()
"""Where the arguments of a later instruction begin; no value."""

_PLAIN_TYPES = {"int", "float", "str", "bool", "tuple", "list", "dict", "set"}
_ENCODINGS = {"latin1", "latin-1", "ascii", "utf-8", "utf8"}
# What ultralytics puts in an object's own `forward`, and with it into the file.
_METHODS = {"forward", "forward_fuse", "forward_split"}


def storage(persistent: Any) -> tuple[str, Storage] | None:
    """Read the tuple by which torch names weights beside the pickle: their key, their size."""
    match persistent:
        case (
            "storage",
            Name(use=Use.STORAGE) as kind,
            str() | int() as key,
            _,
            int() as items,
            *_,
        ):
            return str(key), Storage(items, ITEM_BYTES.get(kind.name.removesuffix("Storage")))
    return None


def call_checked(called: Name, arguments: tuple[Any, ...]) -> Any:
    """Return what stands for the result of a call that is inert with just these arguments.

    None if it might not be inert.
    """
    first, others = (arguments[0], arguments[1:]) if arguments else (None, ())
    match called.name:
        case "encode":
            good = isinstance(first, str | Plain) and _encodings(others)
        case "bytearray":  # of a number it would be that many bytes
            good = not isinstance(first, int) and _encodings(others)
        case "defaultdict":  # its first argument is called for keys that are not there
            good = first is None or first is PLAIN or _plain_type(first)
        case "getattr":
            source = first.by if isinstance(first, Made) else first
            good = _is(source, Use.EMPTY) and len(others) == 1
            good = good and isinstance(others[0], str) and others[0] in _METHODS
        case "_reconstructor":
            good = _is(first, Use.EMPTY) or _is(first, Use.CALL)
            good = good and len(others) == 2 and str(others[0]) == "builtins.object"  # noqa: PLR2004 - base and state
            return Made(first) if good and isinstance(first, Name) else None
        case _:
            return None
    if not good:
        return None
    return Made(called) if called.name == "defaultdict" else PLAIN


def _is(value: Any, use: Use) -> bool:
    return isinstance(value, Name) and value.use is use


def _plain_type(value: Any) -> bool:
    return isinstance(value, Name) and value.module == "builtins" and value.name in _PLAIN_TYPES


def _encodings(arguments: tuple[Any, ...]) -> bool:
    return all(isinstance(told, str) and told in _ENCODINGS for told in arguments)
