"""`report.html` as a browser shows it, opened from its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from comfyfix.screen.results.page import page
from comfyfix.screen.results.shape import Told
from tests.browser.conftest import serious
from tests.unit.test_page import NAMES, flow, hostile, model, report

pytestmark = pytest.mark.soak


@pytest.fixture
def opened(tab: Page, tmp_path: Path) -> Page:
    reason = Told(why="x", message="Nobody has it", next="type `comfyfix pin a URL`")
    models = [
        model(model="loras/big.pt", path="big.pt", size=9_000_000),
        model(model="loras/small.pt", path="small.pt", size=5),
        model(model="vae/bad.pt", path="bad.pt", folder="vae", status="failed", reason=reason),
        *(hostile(name) for name in NAMES),
    ]
    flows = (flow("clip.json", models=("loras/small.pt",)),)
    path = tmp_path / "report.html"
    path.write_bytes(page(report(*models, workflows=flows)))
    tab.goto(path.as_uri())
    return tab


def test_it_is_filtered_and_sorted(opened: Page) -> None:
    rows = opened.locator("tr.model:visible")
    expect(rows).to_have_count(3 + len(NAMES))
    opened.locator("#query").fill("big.pt")
    expect(rows).to_have_count(1)
    opened.keyboard.press("Escape")
    opened.locator(".chip[data-status=ok]").click()
    expect(rows).to_have_count(1)
    opened.keyboard.press("Escape")
    opened.locator("th[data-key=size] button").click()
    expect(rows.first).to_contain_text("small.pt")
    opened.locator("th[data-key=size] button").press("Enter")
    expect(rows.first).to_contain_text("big.pt")


def test_the_keyboard_is_enough(opened: Page) -> None:
    opened.keyboard.press("/")
    opened.keyboard.type("small")
    expect(opened.locator("tr.model:visible")).to_have_count(1)
    opened.keyboard.press("Escape")
    opened.locator("tr.model summary").first.focus()
    opened.keyboard.press("Enter")
    expect(opened.locator("tr.model dl").first).to_be_visible()


def test_names_of_strangers_are_texts(opened: Page) -> None:
    assert opened.locator("main img, main script, main iframe").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 820, 390])
def test_everybody_can_read_it(opened: Page, axe: str, scheme: Any, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 900})
    opened.emulate_media(color_scheme=scheme)
    assert serious(opened, axe) == []
