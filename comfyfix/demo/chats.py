"""What Qwen says at the loopback hub, and what it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]


@dataclass(slots=True)
class Chats:
    """What Qwen says, and what it was asked.

    `scripts` has its messages by file name or batch (`batch 001`), one per question; a script that
    has ended repeats its last one; a message may name its `finish_reason`. `asked` are the bodies
    of all questions. `usage` is told with every answer, None: none is. Without `tools` the
    endpoint refuses questions that offer any.
    """

    scripts: dict[str, list[Message]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, int] | None = field(default_factory=lambda: {"total_tokens": 400})
    tools: bool = True
