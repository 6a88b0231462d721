"""What can go wrong: problems, each with its outcome, its reason, and what the words need.

- `SetupProblem`: nothing can start (exit code 3);
- `ModelProblem`: one model has failed, the others go on (exit code 1).

A class of its own has what some handler catches; all else is told apart by `outcome` and `why`.
The words are made where they are shown, in `screen/words.py`.
"""

from __future__ import annotations

from comfyfix.outcomes import Outcome
from comfyfix.records import Reason, Rejected, because
from comfyfix.why import Why

RETRY = "run doit again later; nothing is lost"


class Problem(Exception):
    """Something a user can act on."""

    outcome: Outcome = Outcome.PROBLEM
    reason: Reason

    def __init__(
        self,
        *named: Outcome | Why | str,
        cause: object = "",
        next_step: object = "",
        **told: object,
    ) -> None:
        *outcome, why = named
        if outcome:
            self.outcome = Outcome(outcome[0])
        if isinstance(why, Why):
            if cause != "":
                told["cause"] = cause
            self.reason = because(why, **told)
        else:  # TRANSITION
            self.reason = because(Why.PLAIN, what=why, cause=cause, next=next_step)
        super().__init__(f"{self.reason.why}: {self.reason.told}")

    # TRANSITION
    @property
    def what(self) -> str:
        from comfyfix.screen import words

        return words.told(self.reason).what

    @property
    def cause(self) -> str:
        from comfyfix.screen import words

        return words.told(self.reason).cause

    @property
    def next_step(self) -> str:
        from comfyfix.screen import words

        return words.told(self.reason).next_step

    def __str__(self) -> str:
        from comfyfix.screen import words

        return words.problem(self)


class SetupProblem(Problem):
    """Nothing can start: manifest, ComfyUI, workflows or the command line."""

    outcome = Outcome.SETUP


class ManifestProblem(SetupProblem):
    """The manifest or an extra_model_paths.yaml is not usable."""

    outcome = Outcome.MANIFEST


class WorkflowProblem(Problem):
    """One workflow file can't be read; the other files are still scanned."""

    outcome = Outcome.WORKFLOW


class ModelProblem(Problem):
    """One model can't be had, or is not what it should be.

    After a search, `asked` are the sources that were asked and `rejected` what they said that
    did not count.
    """

    outcome = Outcome.FAILED
    asked: tuple[str, ...] = ()
    rejected: tuple[Rejected, ...] = ()


class NameRefused(ModelProblem):
    """The name in the workflow can't be a file below a model folder."""

    outcome = Outcome.NAME_REFUSED


class FolderUnknown(ModelProblem):
    """No loader and no hint tells in which model folder the file belongs."""

    outcome = Outcome.FOLDER_UNKNOWN


class Unreachable(ModelProblem):
    """The file is on a disk that is not there."""

    outcome = Outcome.UNREACHABLE


class DirectoryNeeded(ModelProblem):
    """The model is a directory of several files, which is not fetched."""

    outcome = Outcome.DIRECTORY


class SearchFailed(ModelProblem):
    """The model was searched for, without a result that counts."""

    outcome = Outcome.SEARCH_FAILED


class NotFound(SearchFailed):
    """Every source was asked and none has the file."""

    outcome = Outcome.NOT_FOUND


class Uncertain(SearchFailed):
    """Several different files bear the name; choosing would be guessing."""

    outcome = Outcome.UNCERTAIN


class SourceDown(SearchFailed):
    """A source could not be asked, so "not found" can't be said."""

    outcome = Outcome.SOURCE_DOWN


class TokenRefused(SourceDown):
    """A service takes no question with the token that it was given."""

    outcome = Outcome.TOKEN_REFUSED


class HostRefused(SearchFailed):
    """The only place known is on a host that is not allowed."""

    outcome = Outcome.HOST_REFUSED


class DownloadFailed(ModelProblem):
    """The script could not bring the file."""

    outcome = Outcome.DOWNLOAD_FAILED


class TokenNeeded(DownloadFailed):
    """The provider wants a token, or does not take the one it got."""

    outcome = Outcome.TOKEN_NEEDED


class LicenceNeeded(DownloadFailed):
    """The provider wants its licence page accepted first."""

    outcome = Outcome.LICENCE_NEEDED


class EarlyAccess(DownloadFailed):
    """The file is there, but not open to everyone yet."""

    outcome = Outcome.EARLY_ACCESS


class DownloadsDisabled(DownloadFailed):
    """The creator lets no one download the file, with a token or without."""

    outcome = Outcome.DOWNLOADS_DISABLED


class NotPermitted(DownloadFailed):
    """The provider does not give the file to this account."""

    outcome = Outcome.NOT_PERMITTED


class TakenDown(DownloadFailed):
    """The provider has removed the model."""

    outcome = Outcome.TAKEN_DOWN


class ArchivedAtSource(DownloadFailed):
    """The provider keeps the page, but gives the file to no one any more."""

    outcome = Outcome.ARCHIVED


class RegionBlocked(DownloadFailed):
    """The provider does not serve the user's region."""

    outcome = Outcome.REGION_BLOCKED


class GoneAtSource(DownloadFailed):
    """The file is no longer where the record says (404, 410)."""

    outcome = Outcome.GONE


class DiskFull(DownloadFailed):
    """There is not enough free space for the file."""

    outcome = Outcome.DISK_FULL


class WrongContent(DownloadFailed):
    """What arrived is not the file that the record describes."""

    outcome = Outcome.WRONG_CONTENT


class UnsafeFile(DownloadFailed):
    """What arrived is the file meant, and loading it could run code."""

    outcome = Outcome.UNSAFE


class NetworkGaveUp(DownloadFailed):
    """The network failed more often than `download.retries` allows."""

    outcome = Outcome.NETWORK


class LockedByAnother(DownloadFailed):
    """Another process holds the file's lock for longer than we wait."""

    outcome = Outcome.LOCKED


class StoreUnwritable(DownloadFailed):
    """The model folder, or a file of ours, can't be written."""

    outcome = Outcome.UNWRITABLE


class ToolMissing(DownloadFailed):
    """A program that the scripts need (bash, curl) is not installed."""

    outcome = Outcome.TOOL_MISSING


def unwritable(error: OSError, place: object) -> ModelProblem:
    """Return the problem of what can't be written; `place` where the error names no file."""
    path = error.filename or place
    return ModelProblem(Outcome.UNWRITABLE, Why.FILE_UNWRITABLE, path=path, cause=error.strerror)
