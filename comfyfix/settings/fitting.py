"""Values written by hand made into records: one that does not fit is told with its place."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

_Record = TypeVar("_Record")
_PLAIN = {
    "array": "a list", "object": "keys with values", "str": "text", "int": "a whole number",
    "float": "a number", "bool": "true or false", "null": "nothing",
}  # fmt: skip
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


class Unfit(Exception):
    """A value that does not fit: its place as a key path (`$.a.b[0]`), and what is wrong with it.

    `unknown`: it is no value but a key, which its record does not have.
    """

    def __init__(self, place: str, said: str, *, unknown: bool) -> None:
        super().__init__(place, said)
        self.place, self.said, self.unknown = place, said, unknown


def fitted(value: Any, kind: type[_Record], entry: type) -> _Record:
    """Make a record; `entry` is what each of its `models` has to be. Raises Unfit."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at ")
        place = where.strip("`") or "$"
        if place.startswith("$.models[...]"):
            place = place.replace("[...]", _first_unfit(value["models"], entry), 1)
        unknown = _UNKNOWN.match(said)
        place += f".{unknown[1]}" if unknown else ""
        place = place.replace("[...]", "")  # which value of a mapping it is, msgspec does not say
        raise Unfit(place, _plain(said.replace("`", "")), unknown=bool(unknown)) from None


def _plain(said: str) -> str:
    """What was expected and what is there, in words that are no programmer's."""
    if not said.startswith("Expected "):
        return said
    plain = re.sub(r"[a-z]+", lambda word: _PLAIN.get(word[0], word[0]), said)
    return plain.replace(" | nothing", "").replace(" | ", " or ")


def _first_unfit(entries: Any, kind: type) -> str:
    """Which entry it is, which msgspec does not say: the first that fails by itself."""
    if isinstance(entries, list):
        by_place = {f"[{number}]": entry for number, entry in enumerate(entries)}
    else:
        by_place = {f".{key}": entry for key, entry in entries.items()}
    for place, entry in by_place.items():
        try:
            msgspec.convert(entry, kind)
        except msgspec.ValidationError:
            return place
    return ""
