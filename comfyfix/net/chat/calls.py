"""What a model asks to be looked up."""

from __future__ import annotations

import msgspec


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a tool; `arguments` is JSON, unchecked."""

    id: str
    name: str
    arguments: str
