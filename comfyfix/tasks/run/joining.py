"""The cluster of a run: joined once it is needed, again where it was lost, and left at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from comfyfix.errors import Problem, unwritable

if TYPE_CHECKING:
    from comfyfix.cluster.away import Away
    from comfyfix.project import Project
    from comfyfix.screen.run.events import Events


class Membership:
    """Safe to use from several threads."""

    def __init__(self, project: Callable[[], Project], events: Callable[[], Events]) -> None:
        """Of a run whose project is asked for then; it joins no cluster yet."""
        self._project, self._events = project, events
        self._lock = threading.Lock()
        self._away: Away | Problem | None = None

    def away(self, lost: Away | None = None) -> Away:
        """The cluster that fetches, but the one that is `lost`. Raises Problem.

        Whoever could not connect once is told the same each time.
        """
        with self._lock:
            away = self._away
            if away is None or away is lost:
                self.leave()
                away = self._away = self._join()
            if isinstance(away, Problem):
                raise away
            return away

    def _join(self) -> Away | Problem:
        from comfyfix.cluster.away import Away  # half a second that only these runs need

        project, events = self._project(), self._events()
        store = project.folders.store
        try:
            away = Away(project.manifest, store, events.left_out)
        except Problem as problem:
            return problem
        except OSError as error:
            return unwritable(error, store)
        if not away.workers:
            events.no_worker()
        return away

    def leave(self) -> int:
        """Leave the cluster: what runs there ends. Returns how many scripts that were."""
        return 0 if self._away is None or isinstance(self._away, Problem) else self._away.close()
