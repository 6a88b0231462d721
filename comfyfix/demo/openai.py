"""The loopback hub speaks the chat API that Qwen is asked by."""

from __future__ import annotations

import json

from comfyfix.demo.wire import Wire


class OpenAiApi(Wire):
    """Chat completions."""

    def answers_openai(self, path: str) -> bool:
        """Answer if the path is that of chat completions."""
        if not path.endswith("/chat/completions"):
            return False
        self._qwen()
        return True

    def _qwen(self) -> None:
        question = json.loads(self.body)["messages"][-1]["content"]
        name = json.loads(question)["model"]
        if self.fails(f"qwen {name}", "qwen"):
            return
        text = self.hub.answers.get(name, '{"candidates": [], "reason": "not known"}')
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self.json(200, {"object": "chat.completion", "choices": [choice], "usage": {}})
