"""What is made once: by whom, how often, and what is not kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from comfyfix.once import Once, asked_once

THREADS = 8


def test_threads_that_ask_together_get_the_same_value() -> None:
    once: Once[str, object] = Once()
    gate = threading.Barrier(THREADS)
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    def ask(_: int) -> object:
        gate.wait()
        return once.get("key", make)

    with ThreadPoolExecutor(THREADS) as pool:
        got = list(pool.map(ask, range(THREADS)))
    assert len(made) == 1
    assert all(value is made[0] for value in got)


def test_one_key_does_not_wait_for_another() -> None:
    once: Once[str, int] = Once()
    inside = threading.Event()
    done = threading.Event()

    def slow() -> int:
        inside.set()
        assert done.wait(10)
        return 1

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(once.get, "slow", slow)
        assert inside.wait(10)
        assert once.get("other", lambda: 2) == 2
        done.set()
        assert first.result() == 1


def test_a_failure_is_not_kept_and_nothing_is_an_answer() -> None:
    once: Once[str, None] = Once()
    with pytest.raises(ZeroDivisionError):
        once.get("key", lambda: 1 // 0)  # type: ignore[arg-type]
    assert once.get("key", lambda: None) is None
    with_none = threading.Event()
    once.get("key", with_none.set)
    assert not with_none.is_set()


class Oracle:
    def __init__(self) -> None:
        self.asked: list[object] = []

    @asked_once
    def says(self, word: str, *, loud: bool = False) -> str:
        self.asked.append(word)
        if word == "none":
            raise KeyError(word)
        return word.upper() if loud else word

    @asked_once
    def hears(self, word: str) -> int:
        self.asked.append(len(word))
        return len(word)


def test_a_method_is_asked_once_by_each_object_for_each_question() -> None:
    oracle, other = Oracle(), Oracle()
    assert [oracle.says("a"), oracle.says("a"), oracle.says("b")] == ["a", "a", "b"]
    assert oracle.says("a", loud=True) == "A"
    assert [oracle.hears("a"), oracle.hears("a")] == [1, 1]
    assert oracle.asked == ["a", "b", "a", 1]
    assert other.says("a") == "a"
    assert other.asked == ["a"]
    for _ in range(2):
        with pytest.raises(KeyError):
            oracle.says("none")
    assert oracle.asked[-2:] == ["none", "none"]
