"""The actions by name, for declaring tasks: what they need is imported when the first one runs.

Every command declares all tasks, and most run none; sources, templates and the rest would cost
each of them a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfyfix.stages.scan import ScannedFile
    from comfyfix.stages.work import Planned, Present
    from comfyfix.tasks.build import Build


def resolve(build: Build, planned: Planned) -> object:
    """Find where a model can be had."""
    from comfyfix.tasks import actions  # noqa: PLC0415 - see above

    return actions.resolve(build, planned)


def render(build: Build, planned: Planned) -> object:
    """Write its record and script."""
    from comfyfix.tasks import actions  # noqa: PLC0415 - see above

    return actions.render(build, planned)


def fetch(build: Build, planned: Planned) -> object:
    """Run its script."""
    from comfyfix.tasks import actions  # noqa: PLC0415 - see above

    return actions.fetch(build, planned)


def verify_batch(build: Build, number: int, members: Sequence[Planned]) -> object:
    """Verify the members of a batch."""
    from comfyfix.tasks import verifying  # noqa: PLC0415 - see above

    return verifying.verify_batch(build, number, members)


def verify_present(build: Build, present: Sequence[Present]) -> object:
    """Verify what was there before."""
    from comfyfix.tasks import verifying  # noqa: PLC0415 - see above

    return verifying.verify_present(build, present)


def unreadable(build: Build, file: ScannedFile) -> object:
    """Tell of a workflow that can't be read."""
    from comfyfix.tasks import verifying  # noqa: PLC0415 - see above

    return verifying.unreadable(build, file)
