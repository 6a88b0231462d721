"""The cluster of a run: it is joined once, again where it was lost, and told alike to all."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from comfyfix.errors import ModelProblem
from comfyfix.outcomes import Outcome
from comfyfix.tasks.run.joining import Membership
from comfyfix.why import Why


class Away:
    """Stands for a cluster that was joined."""

    fails: Exception | None = None
    workers: tuple[str, ...] = ("anna",)

    def __init__(self, *_: object) -> None:
        """Join it, if that can be."""
        MADE.append(self)
        self.left = False
        if self.fails:
            raise self.fails

    def close(self) -> int:
        """Leave it; two scripts were under way."""
        self.left = True
        return 2


MADE: list[Away] = []
EVENTS: list[str] = []


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Membership:
    away = pytest.importorskip("comfyfix.cluster.away", reason="uv sync has distributed")
    monkeypatch.setattr(away, "Away", Away)
    for told in (MADE, EVENTS):
        told.clear()
    folders = SimpleNamespace(store=Path("/store"))
    project: Any = SimpleNamespace(manifest=None, folders=folders)
    events: Any = SimpleNamespace(left_out=None, no_worker=lambda: EVENTS.append("no worker"))
    return Membership(lambda: project, lambda: events)


def test_it_is_joined_once_and_again_only_where_it_was_lost(cluster: Membership) -> None:
    assert cluster.leave() == 0, "nobody has joined it"
    first = cluster.away()
    assert cluster.away() is first
    assert cluster.away(lost=cast(Any, Away())) is first, "another was lost"
    assert cluster.away(lost=first) is not first
    assert ([made.left for made in MADE], EVENTS) == ([True, False, False], [])
    assert cluster.leave() == 2
    assert MADE[-1].left


@pytest.mark.parametrize(
    ("fails", "outcome"),
    [
        (ModelProblem(Outcome.TOOL_MISSING, Why.STOPPED), Outcome.TOOL_MISSING),
        (PermissionError(13, "not yours"), Outcome.UNWRITABLE),
    ],
)
def test_who_could_not_connect_is_told_the_same_each_time(
    cluster: Membership, monkeypatch: pytest.MonkeyPatch, fails: Exception, outcome: Outcome
) -> None:
    monkeypatch.setattr(Away, "fails", fails)
    for _ in range(2):
        with pytest.raises(ModelProblem) as caught:
            cluster.away()
        assert caught.value.outcome == outcome
    assert len(MADE) == 1
    assert cluster.leave() == 0


def test_a_cluster_without_a_worker_is_told(
    cluster: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Away, "workers", ())
    cluster.away()
    assert EVENTS == ["no worker"]
