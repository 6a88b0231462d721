"""What can go wrong: problems, each with its outcome, its reason, and what the words need.

- `SetupProblem`: nothing can start (exit code 3);
- `ModelProblem`: one model has failed, the others go on (exit code 1).

A class of its own has what some handler catches; all else is told apart by `outcome` and `why`.
The words are made where they are shown, in `screen/words.py`.
"""

from __future__ import annotations

from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate, Reason, Rejected, because
from comfyfix.why import Why


class Problem(Exception):
    """Something a user can act on: how it ended, why, and what the words of it tell."""

    def __init__(self, outcome: Outcome, why: Why, **told: object) -> None:
        self.outcome = outcome
        self.reason = because(why, **told)
        super().__init__(f"{self.reason.why}: {self.reason.told}")

    @property
    def choices(self) -> tuple[Candidate, ...]:
        """The files of which the user may choose one: those of a model that is uncertain."""
        return ()


class SetupProblem(Problem):
    """Nothing can start: manifest, ComfyUI, workflows or the command line."""

    def __init__(self, why: Why, **told: object) -> None:
        super().__init__(Outcome.SETUP, why, **told)


class ModelProblem(Problem):
    """One model can't be had, or is not what it should be.

    After a search, `asked` are the sources that were asked and `rejected` what they said that
    did not count, `candidates` the files that were seen. `behind` is the file that would be fetched
    if its provider gave it to the user.
    """

    behind: Candidate | None = None
    asked: tuple[str, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    candidates: tuple[Candidate, ...] = ()

    @property
    def choices(self) -> tuple[Candidate, ...]:
        """The files of which the user may choose one: those of a model that is uncertain."""
        return self.candidates if self.outcome == Outcome.UNCERTAIN else ()


class NameRefused(ModelProblem):
    """The name in the workflow can't be a file below a model folder."""

    def __init__(self, why: Why, **told: object) -> None:
        super().__init__(Outcome.NAME_REFUSED, why, **told)


class HostRefused(ModelProblem):
    """An address leads to a host that is not allowed, or is none."""

    def __init__(self, why: Why, **told: object) -> None:
        super().__init__(Outcome.HOST_REFUSED, why, **told)


class SourceDown(ModelProblem):
    """A source could not be asked, so "not found" can't be said."""

    def __init__(self, why: Why, **told: object) -> None:
        super().__init__(Outcome.SOURCE_DOWN, why, **told)


class Unreachable(SourceDown):
    """No connection could be made, or none may be: so it is with every model, and is told once."""


class TokenRefused(SourceDown):
    """A service takes no question with the token that it was given."""

    def __init__(self, why: Why, **told: object) -> None:
        super().__init__(why, **told)
        self.outcome = Outcome.TOKEN_REFUSED


class RegionBlocked(ModelProblem):
    """A provider does not serve the user's region."""

    def __init__(self, why: Why, **told: object) -> None:
        super().__init__(Outcome.REGION_BLOCKED, why, **told)


def unwritable(error: OSError, place: object) -> ModelProblem:
    """Return the problem of what can't be written; `place` where the error names no file."""
    path, cause = error.filename or place, error.strerror or str(error)
    return ModelProblem(Outcome.UNWRITABLE, Why.FILE_UNWRITABLE, path=path, cause=cause)


def system_says(error: OSError) -> Reason:
    """Return what the system says of an error, as a cause."""
    return because(Why.SYSTEM_SAYS, error=error.strerror or error)
