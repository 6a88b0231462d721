"""The loopback hub speaks OpenModelDB's API: one static list."""

from __future__ import annotations

import json

from comfyfix.demo.shelf import sha256
from comfyfix.demo.wire import Wire


class OpenModelDbApi(Wire):
    """The list of models."""

    def answers_openmodeldb(self, path: str) -> bool:
        """Answer if the path is that of the list."""
        if path != "/api/v1/models.json":
            return False
        if not self.fails("openmodeldb models.json", "search"):
            body = json.dumps(self.hub.upscalers).encode()
            etag = f'"{sha256(body)[:32]}"'
            self.send(200, body, {"Content-Type": "application/json", "ETag": etag})
        return True
