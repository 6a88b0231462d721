"""The simulation: nothing is lost, nothing is fetched twice, and no limit is overstepped."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation import scenes
from tests.simulation.clock import Clock, Gate, Places, Shared, Work
from tests.simulation.plots import Axis, bars, lines
from tests.simulation.world import MEGABYTE, WINDOW_SECONDS, Counted, Scene

MODELS = 60
PLAN = scenes.planned(MODELS)
SMALL = Scene(name="small", models=MODELS, runners=5, locked=True, size=100, latency=0.1)
SCENES = st.builds(
    Scene,
    name=st.just("any"),
    models=st.just(MODELS),
    runners=st.integers(1, 9),
    locked=st.booleans(),
    sharded=st.booleans(),
    signed=st.booleans(),
    mirror=st.sampled_from([0, 50]),
    parallel=st.integers(1, 4),
    calls=st.integers(1, 3),
    api=st.integers(200, 400),
    addresses=st.integers(1, 3),
    line=st.sampled_from([10, 200]),
    size=st.sampled_from([0, 1, 50]),
)


@given(SCENES)
@settings(max_examples=10, deadline=None)
def test_every_file_comes_once_and_every_runner_ends(scene: Scene) -> None:
    played = scenes.play(scene, PLAN)
    assert sum(played.brought) == len(played.there) == MODELS
    assert played.there_after is not None
    assert played.ended is not None
    assert played.ended >= played.there_after
    assert scenes.play(scene, PLAN) == played, "the same each time"
    total = sum(scenes.sizes(PLAN, scene).values()) / MEGABYTE
    rate = scene.mirror or scene.line * scene.addresses
    assert played.there_after >= total / min(rate, scene.write) * 0.999


def test_a_lock_asks_nobody_and_without_one_the_limit_is_kept() -> None:
    assert scenes.play(replace(SMALL, api=1), PLAN).refused == 0
    free = replace(SMALL, locked=False, sharded=True, runners=1, calls=2, api=40)
    played = scenes.play(free, PLAN)
    windows = -(-MODELS * 2 // 40)
    assert played.there_after is not None
    assert played.there_after >= (windows - 1) * WINDOW_SECONDS
    assert played.runs >= 2, "what is refused for long is for the next run"


def test_who_begins_elsewhere_waits_less_and_a_receipt_spares_the_hash() -> None:
    slow = replace(SMALL, read=50, hashing=50)
    together, apart = scenes.play(slow, PLAN), scenes.play(replace(slow, sharded=True), PLAN)
    signed = scenes.play(replace(slow, sharded=True, signed=True), PLAN)
    assert together.waited > apart.waited
    assert apart.ended is not None
    assert signed.ended is not None
    assert signed.ended < apart.ended
    assert signed.busy["store, read"] == 0 < apart.busy["store, read"]


@given(st.lists(st.integers(0, 900), max_size=60), st.integers(1, 9))
def test_a_window_takes_no_more_than_its_limit(moments: list[int], most: int) -> None:
    clock = Clock()
    limit = Counted(clock, "api", most)
    taken: dict[int, int] = {}

    def ask(moment: int) -> Work:
        yield float(moment)
        status, told = limit.ask(0)
        window = int(clock.now // WINDOW_SECONDS)
        taken[window] = taken.get(window, 0) + (status == 200)
        [opens] = re.findall(r"t=(\d+)", told["ratelimit"])
        assert (clock.now + int(opens)) // WINDOW_SECONDS > window

    for moment in moments:
        clock.start(ask(moment))
    clock.run()
    assert all(count <= most for count in taken.values())
    assert sum(taken.values()) + limit.refused == len(moments)


def test_places_are_given_in_turn_and_a_line_is_never_overfull() -> None:
    clock = Clock()
    places, line = Places(clock, 2), Shared(clock, 10)
    at_work, order, most = 0, [], 0

    def work(number: int) -> Work:
        nonlocal at_work, most
        yield from places.take()
        at_work += 1
        most = max(most, at_work)
        order.append(number)
        yield line.put(10)
        at_work -= 1
        places.leave()

    for number in range(7):
        clock.start(work(number))
    clock.run()
    assert order == list(range(7))
    assert most == 2
    assert clock.now == pytest.approx(7)
    assert line.busy == pytest.approx(7)


USERS = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 50)), min_size=1, max_size=12)


@given(USERS, st.integers(1, 5), st.sampled_from([1.0, 2.5, float("inf")]))
def test_all_who_use_it_together_are_given_the_same(
    users: list[tuple[int, int]], rate: int, most: float
) -> None:
    """Held against a clock that goes on in small steps, each user being told what he is given."""
    clock = Clock()
    shared, ended = Shared(clock, rate, most), dict[int, float]()

    def use(number: int, begin: int, amount: int) -> Work:
        yield float(begin)
        yield shared.put(amount)
        ended[number] = clock.now

    for number, (begin, amount) in enumerate(users):
        clock.start(use(number, begin, amount))
    clock.run()
    left = {number: float(amount) for number, (_, amount) in enumerate(users)}
    expected, now = dict[int, float](), 0.0
    while left:
        here = [number for number in left if users[number][0] <= now]
        comes = min((users[n][0] for n in left if users[n][0] > now), default=float("inf"))
        share = min(most, rate / len(here)) if here else 0.0
        goes = min((now + left[n] / share for n in here), default=float("inf"))
        then = min(comes, goes)
        for number in here:
            left[number] -= share * (then - now)
            if left[number] < 1e-9:
                expected[number] = then
                del left[number]
        now = then
    assert ended == pytest.approx(expected)
    assert shared.busy == pytest.approx(sum(amount for _, amount in users) / rate)


def test_a_gate_lets_all_go_on_also_who_comes_late() -> None:
    clock = Clock()
    gate, seen = Gate(clock), []

    def come(moment: float) -> Work:
        yield moment
        yield gate
        seen.append(clock.now)

    def open_it() -> Work:
        yield 5.0
        gate.open()

    for work in (come(1), come(2), open_it(), come(9)):
        clock.start(work)
    clock.run()
    assert seen == [5.0, 5.0, 9.0]


def test_plots_can_be_read_and_hold_every_name() -> None:
    up, across = Axis(told="up <&", low=1, high=900, log=True), Axis(told="x", low=0, high=37)
    drawn = lines(across, up, {"one <b>": [(0, 1), (37, 900)], "two": [(5, 5)]})
    other = bars(Axis(told="%", low=0, high=100), ["a", "b"], {"one": [0, 100], "two": [50, 5]})
    for text in (drawn, other):
        root = ElementTree.fromstring(text)
        for x in (
            float(v) for e in root.iter() for v in re.findall(r"[\d.]+", e.get("points", ""))
        ):
            assert 0 <= x <= 720
    assert "one &lt;b&gt;" in drawn
