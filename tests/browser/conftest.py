"""A headless Chromium of the system; where there is none, these tests are skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = os.environ.get("COMFYFIX_CHROMIUM") or shutil.which("chromium")
AXE = os.environ.get("COMFYFIX_AXE")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser, one for all tests."""
    if not CHROMIUM:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as play:
        args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        opened = play.chromium.launch(executable_path=CHROMIUM, args=args)
        yield opened
        opened.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A page of its own, in which no error may happen."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}"))
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def axe() -> str:
    """The text of axe-core."""
    if not AXE:
        pytest.skip("COMFYFIX_AXE names no axe.min.js")
    return Path(AXE).read_text(encoding="utf-8")


def serious(tab: Page, axe: str) -> list[str]:
    """What axe-core finds serious of a page as it is."""
    tab.evaluate(axe)
    found = tab.evaluate("() => axe.run()")
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
