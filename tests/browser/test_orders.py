"""The page gives orders to a real run."""

from __future__ import annotations

import threading

import pytest
from playwright.sync_api import Page, expect

from comfyfix.dashboard.page import states
from comfyfix.demo.hub import Hub
from tests.rig import Site
from tests.served import served

pytestmark = pytest.mark.soak

LATE = "harbour_late.safetensors"


@pytest.fixture
def slow(program: Site, hub: Hub) -> Site:
    """A run that waits for the page, in its first download."""
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    program.workflow("w.json", ("upscale_models", "rife49.pth"), ("loras", LATE))
    return program


def test_a_run_is_stopped(tab: Page, slow: Site, hub: Hub) -> None:
    go_on, at_it = threading.Event(), threading.Event()

    def wait(request: str) -> None:
        if request.startswith("file"):
            at_it.set()
            go_on.wait(60)

    hub.on_request = wait
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
    go_on, at_it = threading.Event(), threading.Event()

    def wait(request: str) -> None:
        if request.startswith("file"):
            at_it.set()
            go_on.wait(60)

    hub.on_request = wait
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
