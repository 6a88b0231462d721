"""Policy: what the manifest allows to be had, held against a record before anything is fetched.

A file that is linked inside the store is there already: of it only kind, size and hash count, and
of one that came without us kind and size.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from comfyfix import endings, licences
from comfyfix.errors import ModelProblem
from comfyfix.outcomes import Outcome
from comfyfix.records import Reason, Record, because
from comfyfix.settings.manifest import Policy
from comfyfix.stages.needs.work import Plan
from comfyfix.why import Why

Broken = tuple[str, Reason]
"""A rule, by its name below `policy:`, and why it is broken."""


@dataclass
class RunPolicy:
    """The policy of one run: rules for each model, and one for all of them together.

    `line` tells on which line of the manifest a rule stands. Safe to use from several threads.
    """

    policy: Policy
    manifest: str
    line: Callable[[str], int]
    plan: Plan
    _sizes: dict[str, int] = field(default_factory=dict)
    _total: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """What is there counts before all else."""
        if self.policy.max_total is not None:
            self._sizes = {there.model.key: there.size for there in self.plan.present}
            for planned in self.plan.models:
                if planned.pending is None and planned.record:
                    self._sizes[planned.model.key] = planned.record.size or 0
            self._total = sum(self._sizes.values())

    def require(self, record: Record) -> None:
        """Raise ModelProblem for a record that may not be fetched: model, rules, and lines."""
        rules = [*broken(self.policy, record), *self._too_much(record)]
        if rules:
            placed = tuple(self.with_line(rule, reason) for rule, reason in rules)
            key = record.model.key
            raise ModelProblem(Outcome.POLICY, Why.POLICY_BROKEN, model=key, rules=placed)

    def broken_by_all(self) -> Iterator[Broken]:
        """Whether what is there already is more than all models may have."""
        limit, total = self.policy.max_total_bytes, self._total
        if limit is not None and total > limit:
            yield "max_total", because(Why.POLICY_TOTAL_THERE, total=total, limit=limit)

    def with_line(self, rule: str, reason: Reason) -> Reason:
        """A broken rule, with the place where it stands."""
        place = {"file": self.manifest, "line": self.line(f"policy.{rule}")}
        return because(Why.POLICY_RULE, rule=rule, reason=reason, **place)

    def _too_much(self, record: Record) -> Iterator[Broken]:
        limit = self.policy.max_total_bytes
        if limit is None:
            return
        if record.size is None:
            yield "max_total", because(Why.POLICY_NO_SIZE)
            return
        key = record.model.key
        with self._lock:
            total = self._total - self._sizes.get(key, 0) + record.size
            if total <= limit:
                self._sizes[key], self._total = record.size, total
                return
        yield "max_total", because(Why.POLICY_TOTAL, total=total, limit=limit)


def broken(policy: Policy, record: Record) -> Iterator[Broken]:
    """The rules of `policy:` that a record breaks, each with the reason."""
    if not record.local:
        yield from _of_place(policy, record)
    files = record.members
    yield from broken_by_files(policy, [(file.name, file.size) for file in files])
    if policy.require_hash and not all(file.sha256 or file.blob for file in files):
        yield "require_hash", because(Why.POLICY_HASH)


def broken_by_files(policy: Policy, files: Sequence[tuple[str, int | None]]) -> Iterator[Broken]:
    """The rules that files break by their names and sizes, whoever has brought them."""
    if policy.formats:
        others = [n for n, _ in files if _is_model(n) and not _is_of(policy.formats, n)]
        if others:
            yield "formats", because(Why.POLICY_FORMAT, name=others[0], allowed=policy.formats)
    limit = policy.max_file_bytes
    if limit is None:
        return
    large = [size for _, size in files if size is not None and size > limit]
    if large:
        yield "max_file", because(Why.POLICY_SIZE, size=large[0], limit=limit)
    elif any(size is None for _, size in files):
        yield "max_file", because(Why.POLICY_NO_SIZE)


def _of_place(policy: Policy, record: Record) -> Iterator[Broken]:
    licence = licences.named(record.licence)
    if policy.licences and not any(licences.same(licence, word) for word in policy.licences):
        yield "licences", because(Why.POLICY_LICENCE, found=licence, allowed=policy.licences)
    publisher, publishers = record.publisher or licences.UNKNOWN, policy.publishers
    if publishers and publisher.lower() not in _lower(publishers):
        yield "publishers", because(Why.POLICY_PUBLISHER, found=publisher, allowed=publishers)
    hosts = {_host(file.url) for file in record.members if file.url}
    others = sorted(hosts - _lower(policy.hosts))
    if policy.hosts and others:
        yield "hosts", because(Why.POLICY_HOST, host=others[0], allowed=policy.hosts)


def _host(url: str) -> str:
    """The host of an address, empty where there is none: a record may be edited by hand."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _lower(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word.lower() for word in words)


def _is_model(name: str) -> bool:
    """Tell a file of weights from a directory's configuration, which has no format to choose."""
    return name.lower().endswith(tuple(endings.LISTED.union(endings.PICKLES)))


def _is_of(formats: Iterable[str], name: str) -> bool:
    ending = name.lower().rpartition(".")[2]
    return any(ending == word.lower().lstrip(".") for word in formats)
