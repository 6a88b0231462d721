"""How an address from outside is refused: with the rule that it breaks."""

from __future__ import annotations

from comfyfix.errors import HostRefused
from comfyfix.records import Reason, because
from comfyfix.why import Why


def refused(address: str, rule: Why, **fields: object) -> HostRefused:
    """The error for an address that breaks a rule."""
    return HostRefused(Why.ADDRESS_REFUSED, address=address, cause=because(rule, **fields))


def broken_rule(refusal: HostRefused) -> Reason:
    """The rule that a refused address breaks, without the address."""
    rule = refusal.reason.told.get("cause")
    return rule if isinstance(rule, Reason) else refusal.reason
