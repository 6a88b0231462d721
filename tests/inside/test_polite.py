"""What is nowhere is searched in full at each run, and no service is asked more than needed."""

from __future__ import annotations

from collections import Counter

from comfyfix.demo.hub import Hub
from comfyfix.screen.words import t
from tests.inprocess import InProcess

NAMES = ("harbour_fog_never_made.safetensors", "Harbour_Fog_Never_Made_v2.safetensors")
MOST = 40
"""Requests for a model that nobody has, all sources but Qwen."""


def test_no_question_is_asked_twice_and_those_of_a_model_are_bounded_and_told(
    inprocess: InProcess, hub: Hub
) -> None:
    inprocess.workflow("w.json", *(("loras", name) for name in NAMES))
    counts = []
    for _ in range(2):
        hub.seen.clear()
        done = inprocess.run()
        assert done.code == 1
        asked = Counter((seen.method, seen.path) for seen in hub.seen)
        assert max(asked.values()) == 1, asked.most_common(3)
        counts.append(len(hub.seen))
        lines = [
            t(
                "Requests for what was not found: {count}, at most {most} for one model",
                count=len(hub.seen),
                most=most,
            )
            for most in range(1, MOST)
        ]
        assert any(line in done.out for line in lines), done.out
    # Side by side, one may have the answer to a question that both have, or need not ask it.
    assert abs(counts[0] - counts[1]) <= 1, "no failure is remembered"
