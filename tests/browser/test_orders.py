"""The page gives orders to a real run."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.screen.pages import states
from tests.browser.conftest import AXE, serious
from tests.rig import Site
from tests.served import served

pytestmark = pytest.mark.soak

LATE = "harbour_late.safetensors"
OTHER = file_for("something else.safetensors")


@pytest.fixture
def slow(program: Site, hub: Hub) -> Site:
    """A run that waits for the page, in its first download."""
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    program.workflow("w.json", ("upscale_models", "rife49.pth"), ("loras", LATE))
    return program


def held(hub: Hub) -> tuple[threading.Event, threading.Event]:
    """Hold the downloads up: one event tells that a file was asked for, the other lets it come."""
    at_it, go_on = threading.Event(), threading.Event()

    def wait(request: str) -> None:
        if request.startswith("file"):
            at_it.set()
            go_on.wait(60)

    hub.on_request = wait
    return at_it, go_on


def test_a_run_is_stopped(tab: Page, slow: Site, hub: Hub) -> None:
    at_it, go_on = held(hub)
    with served(slow.output, control=True) as shown:
        process = slow.start()
        assert at_it.wait(60)
        tab.goto(shown.address)
        tab.locator("#stop").click()
        tab.locator("#keep").click()
        tab.locator("#stop").click()
        tab.locator("#sure").click()
        process.communicate(timeout=60)
        go_on.set()
        assert process.returncode == 130
        expect(tab.locator("#course")).to_contain_text(states()["stopped"])
        expect(tab.locator("#stopping")).to_be_hidden()


def test_a_model_is_searched_again(tab: Page, slow: Site, hub: Hub) -> None:
    at_it, go_on = held(hub)
    with served(slow.output, control=True) as shown:
        process = slow.start()
        assert at_it.wait(60)
        tab.goto(shown.address)
        expect(tab.locator("#failed li")).to_have_count(1)
        hub.add("harbour/harbour_late", [LATE])
        tab.locator("#failed button").click()
        expect(tab.locator("#failed button")).to_be_hidden()
        go_on.set()
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, (out, err)
        expect(tab.locator("#failed li")).to_have_count(0)
        expect(tab.locator("#course")).to_contain_text(states()["ended"])


def test_a_file_is_chosen_for_an_uncertain_model(
    tab: Page, slow: Site, hub: Hub, tmp_path: Path
) -> None:
    at_it, go_on = held(hub)
    hub.add("maker/harbour_late", [LATE]).downloads = 7000
    hub.add("other/harbour_late", [LATE], gated=False).files[LATE] = OTHER

    with served(slow.output, control=True) as shown:
        process = slow.start()
        assert at_it.wait(60)
        tab.goto(shown.address)
        choices = tab.locator("#failed .choices li")
        expect(choices).to_have_count(2)
        tab.screenshot(path=tmp_path / "choices.png")
        if AXE:
            assert serious(tab, Path(AXE).read_text(encoding="utf-8")) == []
        meant = choices.filter(has_text="other/harbour_late")
        assert (meant.locator("a").get_attribute("href") or "").startswith("https://")
        meant.locator("button").click()
        expect(tab.locator("#failed button").first).to_be_hidden()
        go_on.set()
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, (out, err)
        assert (slow.models / "loras" / LATE).read_bytes() == OTHER
        expect(tab.locator("#failed li")).to_have_count(0)
