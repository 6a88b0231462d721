"""The loopback hub speaks the chat API that Qwen is asked by, whole answers and streamed ones."""

from __future__ import annotations

import json
import re
from typing import Any

from comfyfix.demo.chats import Message
from comfyfix.demo.wire import Wire

FINAL_TOOL = "structured_output"
"""The tool by which the qwen program takes its final answer."""
_NAME = re.compile(r'"model": ("(?:[^"\\]|\\.)*")')
_BATCH = re.compile(r'"batch": ("\d+")')
_FILE = re.compile(r'"file": ("(?:[^"\\]|\\.)*")')
_UNKNOWN = '{"candidates": [], "reason": "not known"}'


class OpenAiApi(Wire):
    """Chat completions."""

    def answers_openai(self, path: str) -> bool:
        """Answer if the path is that of chat completions."""
        if not path.endswith("/chat/completions"):
            return False
        self._qwen(json.loads(self.body))
        return True

    def _qwen(self, body: dict[str, Any]) -> None:
        chats = self.hub.chats
        name = _asked_for(body)
        with self.hub.lock:
            chats.asked.append(body)
            before = sum(_asked_for(b) == name for b in chats.asked) - 1
        if self.fails(f"qwen {name}", "qwen"):
            return
        if body.get("tools") and not chats.tools:
            self.json(400, {"error": {"message": "this model does not support tools"}})
            return
        message = {"role": "assistant", **self._message(name, body, before)}
        if body.get("stream"):
            self._stream_of(message)
            return
        reason = _ended(message)
        choice = {"index": 0, "finish_reason": reason, "message": message}
        answer = {"id": "chat-1", "object": "chat.completion", "choices": [choice]}
        whole = {**answer, **({"usage": chats.usage} if chats.usage else {})}
        self.stream(200, json.dumps(whole).encode(), {"Content-Type": "application/json"})

    def _message(self, name: str, body: dict[str, Any], before: int) -> Message:
        script = self.hub.chats.scripts.get(name)
        if script:
            return script[min(before, len(script) - 1)]
        usual = _all_fit(body) if name.startswith("batch ") else _UNKNOWN
        text = self.hub.answers.get(name, usual)
        offered = {tool["function"]["name"] for tool in body.get("tools") or []}
        if FINAL_TOOL in offered:
            return call(FINAL_TOOL, json.loads(text))
        looked_up = any(m["role"] == "tool" for m in body["messages"])
        repo = _first_repository(text)
        if repo and not looked_up and "list_repository" in offered:
            return call("list_repository", {"repo": repo})
        return {"content": text}

    def _stream_of(self, message: Message) -> None:
        """The same message in pieces, as server-sent events."""
        reason = _ended(message)
        delta = dict(message)
        if "tool_calls" in message:
            calls = enumerate(message["tool_calls"])
            delta["tool_calls"] = [{"index": index, **call} for index, call in calls]
        usage = self.hub.chats.usage
        chunks: list[dict[str, Any]] = [
            {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
            *([{"choices": [], "usage": usage}] if usage else []),
        ]
        about = {"id": "chat-1", "object": "chat.completion.chunk", "created": 1, "model": "demo"}
        events = [json.dumps({**about, **chunk}) for chunk in chunks]
        text = "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"])
        self.send(200, text.encode(), {"Content-Type": "text/event-stream"})


def call(name: str, arguments: Any, number: int = 1) -> Message:
    """A message that calls one tool; arguments that are no text are sent as JSON."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    function = {"name": name, "arguments": text}
    one = {"id": f"call_{number}", "type": "function", "function": function}
    return {"content": None, "tool_calls": [one]}


def _ended(message: Message) -> str:
    """Why a message ends: as a script says of it, else as its kind does."""
    usual = "tool_calls" if message.get("tool_calls") else "stop"
    return str(message.pop("finish_reason", usual))


def _asked_for(body: dict[str, Any]) -> str:
    """What a question is about: `batch 001`, or the file that stands first in what is said."""
    said = [m["content"] for m in body["messages"] if m["role"] == "user"]
    text = "".join(map(_text, said))
    batch = _BATCH.search(text)
    if batch:
        return f"batch {json.loads(batch.group(1))}"
    match = _NAME.search(text)
    return str(json.loads(match.group(1))) if match else ""


def _all_fit(body: dict[str, Any]) -> str:
    """An opinion on every file that a question names: it fits."""
    said = "".join(_text(m["content"]) for m in body["messages"] if m["role"] == "user")
    names = [json.loads(match) for match in _FILE.findall(said)]
    files = [{"file": name, "fits": True, "reason": "as its name says"} for name in names]
    return json.dumps({"files": files})


def _text(content: Any) -> str:
    """What a message says, also where it comes in parts: `{"type": "text", "text": "…"}`."""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content)


def _first_repository(text: str) -> str:
    try:
        first = json.loads(text)["candidates"][0]
        return str(first["repo"])
    except (ValueError, LookupError, TypeError):
        return ""
