"""What commands tell each other, and what our tasks bear: without loading what a run needs."""

from __future__ import annotations

from contextvars import ContextVar

PRESENT = "present"
"""The name of the task that verifies what was there before."""
AS_KEPT: ContextVar[bool] = ContextVar("AS_KEPT", default=False)
"""Set by a command that others call for names: what is at an address is not asked for again."""
MARK = "comfyfix"
"""Under this name the `meta` of each of our tasks holds its run: so ours are told from others."""


class Owner:
    """What tasks of ours belong to; there is one kind of it, a `Run`."""
