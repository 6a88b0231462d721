"""What can go wrong, one class per outcome that a user can act on.

Every problem says what happened, why, and what to do next. Two families:

- `SetupProblem`: nothing can start (exit code 3);
- `ModelProblem`: one model has failed, the others go on (exit code 1).

`outcome` is the stable word for the kind of failure; it is what the ledger keeps.
"""

from __future__ import annotations

from typing import ClassVar

from comfyfix.records import Rejected

RETRY = "run doit again later; nothing is lost"
"""The next step after a failure that passes by itself."""


class Problem(Exception):
    """Something a user can act on: `what` happened, its `cause`, the `next_step`."""

    outcome: ClassVar[str] = "problem"

    def __init__(self, what: str, *, cause: str = "", next_step: str = "") -> None:
        self.what = what
        self.cause = cause
        self.next_step = next_step
        super().__init__(what)

    def __str__(self) -> str:
        """Return the whole message on one line: what, cause, next step."""
        text = self.what
        if self.cause:
            text += f": {self.cause}"
        if self.next_step:
            text += f". Next: {self.next_step}"
        return text


class SetupProblem(Problem):
    """Nothing can start: manifest, ComfyUI, workflows or the command line."""

    outcome = "setup"


class ManifestProblem(SetupProblem):
    """The manifest or an extra_model_paths.yaml is not usable."""

    outcome = "manifest"


class WorkflowProblem(Problem):
    """One workflow file can't be read; the other files are still scanned."""

    outcome = "workflow"


class ModelProblem(Problem):
    """One model can't be had, or is not what it should be.

    After a search, `asked` are the sources that were asked and `rejected` what they said that
    did not count.
    """

    outcome = "failed"
    asked: tuple[str, ...] = ()
    rejected: tuple[Rejected, ...] = ()


class NameRefused(ModelProblem):
    """The name in the workflow can't be a file below a model folder."""

    outcome = "name refused"


class FolderUnknown(ModelProblem):
    """No loader and no hint tells in which model folder the file belongs."""

    outcome = "folder unknown"


class Unreachable(ModelProblem):
    """The file is on a disk that is not there."""

    outcome = "unreachable"


class DirectoryNeeded(ModelProblem):
    """The model is a directory of several files, which is not fetched."""

    outcome = "directory"


class SearchFailed(ModelProblem):
    """The model was searched for, without a result that counts."""

    outcome = "search failed"


class NotFound(SearchFailed):
    """Every source was asked and none has the file."""

    outcome = "not found"


class Uncertain(SearchFailed):
    """Several different files bear the name; choosing would be guessing."""

    outcome = "uncertain"


class SourceDown(SearchFailed):
    """A source could not be asked, so "not found" can't be said."""

    outcome = "source down"


class TokenRefused(SourceDown):
    """A service takes no question with the token that it was given."""

    outcome = "token refused"


class HostRefused(SearchFailed):
    """The only place known is on a host that is not allowed."""

    outcome = "host refused"


class DownloadFailed(ModelProblem):
    """The script could not bring the file."""

    outcome = "download failed"


class TokenNeeded(DownloadFailed):
    """The provider wants a token, or does not take the one it got."""

    outcome = "token needed"


class LicenceNeeded(DownloadFailed):
    """The provider wants its licence page accepted first."""

    outcome = "licence needed"


class EarlyAccess(DownloadFailed):
    """The file is there, but not open to everyone yet."""

    outcome = "early access"


class DownloadsDisabled(DownloadFailed):
    """The creator lets no one download the file, with a token or without."""

    outcome = "downloads disabled"


class NotPermitted(DownloadFailed):
    """The provider does not give the file to this account."""

    outcome = "not permitted"


class TakenDown(DownloadFailed):
    """The provider has removed the model."""

    outcome = "taken down"


class ArchivedAtSource(DownloadFailed):
    """The provider keeps the page, but gives the file to no one any more."""

    outcome = "archived"


class RegionBlocked(DownloadFailed):
    """The provider does not serve the user's region."""

    outcome = "region blocked"


class GoneAtSource(DownloadFailed):
    """The file is no longer where the record says (404, 410)."""

    outcome = "gone at source"


class DiskFull(DownloadFailed):
    """There is not enough free space for the file."""

    outcome = "disk full"


class WrongContent(DownloadFailed):
    """What arrived is not the file that the record describes."""

    outcome = "wrong content"


class UnsafeFile(DownloadFailed):
    """What arrived is the file meant, and loading it could run code."""

    outcome = "unsafe"


class NetworkGaveUp(DownloadFailed):
    """The network failed more often than `download.retries` allows."""

    outcome = "network gave up"


class LockedByAnother(DownloadFailed):
    """Another process holds the file's lock for longer than we wait."""

    outcome = "locked"


class StoreUnwritable(DownloadFailed):
    """The model folder, or a file of ours, can't be written."""

    outcome = "store not writable"

    @classmethod
    def of(cls, error: OSError, place: object) -> StoreUnwritable:
        """Tell an error of the system; `place` is named where it names no file itself."""
        return cls(
            f"{error.filename or place} can't be written",
            cause=error.strerror or str(error),
            next_step="check permissions and free space",
        )


class ToolMissing(DownloadFailed):
    """A program that the scripts need (bash, curl) is not installed."""

    outcome = "tool missing"
