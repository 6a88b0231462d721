"""Tells services by apprise, in a process of its own: the only module that knows it.

apprise opens connections of its own, keeps threads that Python waits for at its end, and may hang
in the look-up of a name. So it has a process that can be ended at any time, gets what it needs on
standard input, and says nothing but a line of JSON for each service: its place in the list,
whether it took the message, and the status of its answer. What it logs names secrets, and is
dropped.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import sys
import threading
import time
import warnings
from contextvars import ContextVar
from typing import Any

READY = "ready"
ABSENT = "absent"
_STATUS = re.compile(r"\berror=(\d{3})\b")
_PLACE: ContextVar[int] = ContextVar("place")
"""Which service is told: apprise hands it on to the threads that do so."""
_BY_PATH = ("matrix", "matrixs")  # what is attached there, apprise opens by its path


def main() -> None:
    """Say that it is ready, read who is to be told of what, and tell them side by side."""
    logging.disable(logging.DEBUG)
    warnings.simplefilter("ignore")
    try:
        import apprise
    except ImportError:
        _say(ABSENT)
        return
    statuses = _Statuses()
    services = _Services(apprise, statuses)
    services.know("json://localhost")  # loads its plugins, which takes a second or more
    _say(READY)
    notice = json.loads(sys.stdin.readline())
    tries = [
        threading.Thread(target=services.tell, args=(place, url, notice), daemon=True)
        for place, url in enumerate(notice["addresses"])
    ]
    for each in tries:
        each.start()
    until = time.monotonic() + notice["seconds"]
    for each in tries:
        each.join(max(0.0, until - time.monotonic()))
    os._exit(0)  # its threads would be waited for


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


class _Services:
    """What apprise makes of addresses."""

    def __init__(self, apprise: Any, statuses: _Statuses) -> None:
        self._apprise = apprise
        self._statuses = statuses
        # Nothing kept on disk, no plugins from elsewhere.
        self._asset = apprise.AppriseAsset(async_mode=False, storage_mode="memory", plugin_paths=[])

    def know(self, address: str) -> Any:
        """The service of one address; several in one text, as apprise would read them, are none."""
        service = self._apprise.Apprise.instantiate(address, asset=self._asset)
        if service is not None:
            service.overflow_mode = self._apprise.OverflowMode.TRUNCATE  # one message
        return service

    def tell(self, place: int, address: str, notice: dict[str, Any]) -> None:
        """Tell one service, and say what came of it."""
        _PLACE.set(place)
        try:
            taken = self._taken(address, notice)
        except Exception:  # noqa: BLE001 - any of a hundred plugins of others
            taken = False
        _say(json.dumps([place, taken, self._statuses.seen.get(place)]))

    def _taken(self, address: str, notice: dict[str, Any]) -> bool:
        service = self.know(address)
        by = self._apprise.Apprise(asset=self._asset)
        if service is None or not by.add(service):
            return False
        page = None
        if notice["page"] and address.partition(":")[0].lower() not in _BY_PATH:
            from apprise.attachment.memory import AttachMemory

            make: Any = AttachMemory  # it tells no types
            page = make(
                content=base64.b64decode(notice["page"]), name=notice["name"], mimetype="text/html"
            )
        plain = self._apprise.NotifyFormat.TEXT
        title, text, kind = notice["title"], notice["text"], notice["kind"]
        return bool(by.notify(text, title, kind, body_format=plain, attach=page))


class _Statuses(logging.Handler):
    """Hears all that is logged, and keeps the status of an answer by the service's place."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[int | None, int] = {}
        logging.getLogger().handlers[:] = [self]
        logger = logging.getLogger("apprise")
        logger.handlers[:] = []
        logger.propagate = True

    def emit(self, record: logging.LogRecord) -> None:
        """Note a status."""
        if status := _STATUS.search(record.getMessage()):
            self.seen[_PLACE.get(None)] = int(status[1])


if __name__ == "__main__":
    main()
