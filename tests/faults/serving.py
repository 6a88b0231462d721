"""What the servers of the fault matrix share: they serve while a test is inside them."""

from __future__ import annotations

import socketserver
import threading
from typing import Any, Self


class Serving(socketserver.BaseServer):
    """Serves in a thread once it is entered; what holds a client to the end waits for `closing`."""

    def __init__(self, *arguments: Any) -> None:
        self.closing = threading.Event()
        super().__init__(*arguments)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are part of the tests."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
