"""Orders for a run while it works, by a socket in `output/` that only its user may write to.

A stop is what Ctrl-C is. A model that has failed is searched again once all others are through, and
one for which somebody has chosen a file is pinned to it then: until then its task is done for doit,
and its batch waits for nobody.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from comfyfix.errors import Problem
from comfyfix.net import local
from comfyfix.records import Candidate, Model
from comfyfix.stages.reports.tally import Tally
from comfyfix.state.layout import Layout
from comfyfix.state.orders import Answer, Order, read_order


class Again(NamedTuple):
    """A model that is to be searched again, or the file that was chosen for it."""

    model: Model
    chosen: Candidate | None


class Orders:
    """Takes orders; where no socket can be made, nobody can give any."""

    def __init__(self, layout: Layout, tally: Tally, models: Sequence[Model], name: str) -> None:
        """`models` by the numbers that orders have for them, `tally` how they have ended so far."""
        self._layout, self._tally = layout, tally
        self._models, self._name = models, name
        self._again: dict[str, Again] = {}
        self._lock = threading.Lock()
        self._open = True
        self._listener: local.Listener | None = None
        self.socket = f".run_{name}.sock"
        path = layout.control(self.socket)
        try:
            if path is None:
                raise FileNotFoundError
            self._clear_dead()
            self._listener = local.Listener(path, self._answer)
        except OSError:  # a filesystem without sockets, or a path that is too long
            self.socket = ""

    def close(self) -> list[Again]:
        """Take no more orders; returns what is to be done once more."""
        with self._lock:
            self._open = False
            again, self._again = list(self._again.values()), {}
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        return again

    def _answer(self, body: bytes) -> tuple[bytes, Callable[[], object]]:
        order = read_order(body)
        if order is None or order.run != self._name:
            done = stops = False
        elif order.do == "stop":
            done = stops = self._is_first_stop()
        else:
            done, stops = self._note(order), False
        return msgspec.json.encode(Answer(done=done)), _stop if stops else bool

    def _is_first_stop(self) -> bool:
        """A second one would end the run at once, as a second Ctrl-C does."""
        with self._lock:
            is_first, self._open = self._open, False
        return is_first

    def _note(self, order: Order) -> bool:
        """Note a model that has failed. No lock is held for longer than that takes."""
        if order.n is None or not 0 <= order.n < len(self._models):
            return False
        model = self._models[order.n]
        problems = {end.model.key: end.problem for end in list(self._tally.endings)}
        problem = problems.get(model.key)
        if problem is None:
            return False
        chosen = _candidate_at(problem, order.url) if order.do == "choose" else None
        if order.do == "choose" and chosen is None:
            return False
        with self._lock:
            if self._open:
                self._again[model.key] = Again(model, chosen)
            return self._open

    def _clear_dead(self) -> None:
        """Remove the sockets of runs that were killed: nobody answers there any more."""
        for path in self._layout.output.glob(".run_*.sock"):
            if self._layout.control(path.name) is not None:
                with contextlib.suppress(OSError):
                    local.remove_if_dead(path)


def _candidate_at(problem: Problem, url: str) -> Candidate | None:
    """The candidate of this address, of those that a search has found several of."""
    return next((choice for choice in problem.choices if url and choice.url == url), None)


def _stop() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
