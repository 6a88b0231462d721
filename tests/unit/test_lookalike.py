"""Names that are made to be taken for a well-known publisher's, and those that are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.sources.trust import publishers
from comfyfix.sources.trust.lookalike import imitated

KNOWN = tuple(publishers.known())
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"


@pytest.mark.parametrize(
    ("owner", "model"),
    [
        ("Comfy-0rg", "Comfy-Org"), ("comfyorg", "Comfy-Org"), ("Comfy_Org", "Comfy-Org"),
        ("stabiIityai", "stabilityai"), ("stabilltyai", "stabilityai"), ("Kijal", "Kijai"),
        ("KijaiI", "Kijai"), ("Kjiai", "Kijai"), ("black-forest-Iabs", "black-forest-labs"),
        ("black-forrest-labs", "black-forest-labs"), ("comfy-org-official", "Comfy-Org"),
        ("official-kijai", "Kijai"), ("Kijai-models2", "Kijai"), ("0penai", "openai"),
    ],
)  # fmt: skip
def test_a_name_that_could_be_taken_for_another_is_seen(owner: str, model: str) -> None:
    assert imitated(owner, KNOWN) == model


@pytest.mark.parametrize(
    "owner", ["night-owl", "AlexWortega", "upscale-club", "demo-studio", "vision-lab", "Oven"]
)
def test_a_name_of_its_own_imitates_nobody(owner: str) -> None:
    assert imitated(owner, KNOWN) == ""


def test_no_known_publisher_imitates_another() -> None:
    assert {owner: imitated(owner, KNOWN) for owner in KNOWN} == dict.fromkeys(KNOWN, "")
    assert imitated("comfy-ORG", KNOWN) == ""


@given(st.sampled_from([k for k in KNOWN if len(k) >= 6]), st.data())
def test_one_letter_off_is_always_seen(known: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(known) - 1))
    letter = data.draw(st.sampled_from(LETTERS))
    for owner in (known[:at] + letter + known[at + 1 :], known[:at] + letter + known[at:]):
        if owner.casefold() not in {k.casefold() for k in KNOWN}:
            assert imitated(owner, KNOWN)


@given(st.text(LETTERS, min_size=1, max_size=40))
def test_any_name_is_judged(owner: str) -> None:
    assert imitated(owner, KNOWN) in ("", *KNOWN)


@pytest.mark.parametrize(
    ("owner", "known", "taken"),
    [
        ("oven", "open", False),  # four letters are one apart by chance
        ("opens", "openx", True),
        ("harbur", "harbor", True), ("harbr", "harbor", True), ("harrbor", "harbor", True),
        ("hrabor", "harbor", True), ("hrbaor", "harbor", False), ("hxxbor", "harbor", False),
        ("habrro", "harbor", False),
        ("open-official", "openx", False), ("open-official", "open", False),
        ("openx-official", "openx", True), ("theopenx.models2", "openx", True),
        ("openx-sailors", "openx", False), ("sailors-openx", "openx", False),
        ("modern", "modem", True), ("vvave", "wave", True), ("clock", "dock", True),
        ("h4rb0r", "harbor", True), ("har.bor", "harbor", True),
    ],
)  # fmt: skip
def test_how_near_is_near(owner: str, known: str, taken: bool) -> None:
    assert imitated(owner, ["another", known]) == (known if taken else "")
