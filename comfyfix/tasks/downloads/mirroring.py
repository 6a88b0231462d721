"""What scripts tell of the mirrors that they have asked."""

from __future__ import annotations

from comfyfix.mirrors.handing import Handed
from comfyfix.script.channel import Message
from comfyfix.stages.needs.work import Planned
from comfyfix.tasks.run.running import Run


def heard(run: Run, planned: Planned, handed: Handed, said: Message) -> None:
    """Take in what became of one mirror, which a script names by its place in its list."""
    number, what = said.fields
    mirror = handed.of(number)
    if mirror is None:
        return
    if what == "brought":
        run.mirrored[planned.model.key] = mirror.label
        run.events.mirrored(planned.model, mirror.label)
    elif what == "unreached":
        if run.mirrors().unreached(mirror):
            run.events.mirror_unreached(mirror.label)
    elif what in ("wrong", "failed"):
        run.events.mirror_failed(planned.model, mirror.label, wrong=what == "wrong")
