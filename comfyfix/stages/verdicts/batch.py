"""The file of a batch: the verdicts of its members, and by which rules they were looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from comfyfix import formats
from comfyfix.records import Opinion, Reason, Verdict, to_json
from comfyfix.settings.manifest import PicklePolicy

MEGABYTE = 1_000_000


class _File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a directory or a set; `path` is all of it."""

    path: str
    exists: bool
    size: int | None
    sha256: str | None
    status: str
    reason: str


class _Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    filename: str
    path: str
    exists: bool
    status: str
    files: tuple[_File, ...] = ()


class _Good(_Member, frozen=True, kw_only=True, omit_defaults=True):
    size_mb: float
    sha256: str | None
    opinion: Opinion | None = None


class _Bad(_Member, frozen=True, kw_only=True, omit_defaults=True):
    reason: str


class BatchFile(msgspec.Struct, frozen=True, kw_only=True):
    """`verified/batch_NNN.json`; `rules` are those that its files were looked at by."""

    version: int = 1
    rules: str = ""
    verified: tuple[_Good, ...] = ()
    failed: tuple[_Bad, ...] = ()

    @property
    def all_good(self) -> frozenset[str]:
        """The paths of its members if every one is good; empty otherwise."""
        return frozenset() if self.failed else frozenset(good.path for good in self.verified)


def rules(pickle: PicklePolicy) -> str:
    """Name the rules that files are looked at by: when they change, all are looked at anew."""
    return f"{formats.RULES}-{pickle}"


def batch_file(
    verdicts: Sequence[Verdict],
    pickle: PicklePolicy,
    opinions: Mapping[str, Opinion],
    words: Callable[[Reason], str],
) -> bytes:
    """Return the verdicts of one batch as the content of its file; `opinions` by model key.

    People read this file: `words` tells a reason as they see it elsewhere.
    """
    return to_json(
        BatchFile(
            rules=rules(pickle),
            verified=tuple(_good(v, opinions.get(v.model), words) for v in verdicts if v.good),
            failed=tuple(_bad(v, words) for v in verdicts if not v.good),
        )
    )


def _good(verdict: Verdict, opinion: Opinion | None, words: Callable[[Reason], str]) -> _Good:
    return _Good(
        filename=verdict.filename,
        path=verdict.path,
        exists=True,
        size_mb=round((verdict.size or 0) / MEGABYTE, 3),
        sha256=verdict.sha256,
        status=verdict.status,
        opinion=opinion,
        files=_files(verdict, words),
    )


def _bad(verdict: Verdict, words: Callable[[Reason], str]) -> _Bad:
    return _Bad(
        filename=verdict.filename,
        path=verdict.path,
        exists=_exists(verdict),
        status=verdict.status,
        reason=words(verdict.reason) if verdict.reason else "",
        files=_files(verdict, words),
    )


def _exists(verdict: Verdict) -> bool:
    return verdict.status != "missing" and not verdict.moved_to


def _files(verdict: Verdict, words: Callable[[Reason], str]) -> tuple[_File, ...]:
    return tuple(
        _File(
            path=file.path,
            exists=_exists(file),
            size=file.size,
            sha256=file.sha256,
            status=file.status,
            reason=words(file.reason) if file.reason else "",
        )
        for file in verdict.files
    )
