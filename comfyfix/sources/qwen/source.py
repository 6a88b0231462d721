"""Qwen as a source, the last one: it proposes, the providers decide.

Qwen is asked through a chat endpoint, where it may look things up (`agent`), or through the
qwen program (`program`). Whatever it says is data: repository ids, paths and URLs are checked
like anything from outside, and a candidate counts only once the provider's own API has confirmed
the file and `rules` finds enough that speaks for it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from comfyfix.disk.files import printable
from comfyfix.errors import HostRefused, SourceDown
from comfyfix.net.urls.civitai_address import CivitaiFile
from comfyfix.net.urls.hosts import DirectFile, read_url
from comfyfix.net.urls.hub_address import HubFile, hub_path, hub_repo
from comfyfix.net.urls.rules import broken_rule
from comfyfix.records import Candidate, Rejected, because
from comfyfix.sources import civitai, hub_files
from comfyfix.sources.base import Blocked, Finding, Services, Wanted, logged, rejected
from comfyfix.sources.qwen import program as qwen_cli
from comfyfix.sources.qwen import question as qwen_question
from comfyfix.sources.qwen import reply as qwen_reply
from comfyfix.sources.qwen.agent import converse
from comfyfix.sources.qwen.budget import BudgetUsedUp
from comfyfix.sources.qwen.reply import CANDIDATES_MAX, Proposal, Reply
from comfyfix.sources.qwen.rules import judge
from comfyfix.sources.qwen.tools import Tools
from comfyfix.sources.qwen.transcript import exchange
from comfyfix.why import Why

NAME = "qwen"
DECISIVE = False
_EVIDENCE = because(Why.QWEN_PROPOSED)


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Ask, then yield what the providers say of each proposal.

    Raises SourceDown when Qwen could not be asked, and also when it knows no place while one of
    the services that it would have looked at could not be asked.
    """
    if not services.manifest.qwen.base_url:
        yield rejected(NAME, "", Why.QWEN_NO_ENDPOINT)
        return
    tools = Tools(wanted, services)
    try:
        text = _ask(wanted, tools, services)
    except BudgetUsedUp as limit:
        services.log_search(wanted, NAME, wanted.model.name, limit.reason)
        if tools.down:
            raise tools.down[0] from None
        yield Rejected(source=NAME, where="Qwen", reason=limit.reason)
        return
    findings = _findings(text, wanted, tools, services)
    if tools.down and all(isinstance(finding, Rejected) for finding in findings):
        raise tools.down[0]
    yield from findings


def _ask(wanted: Wanted, tools: Tools, services: Services) -> str:
    with exchange(wanted.model.key, services) as transcript:
        if services.manifest.qwen.command:
            text = qwen_cli.ask(_question(wanted), services, transcript)
        else:
            text = converse(wanted, tools, services, transcript)
    return services.scrubbed(text)


def _question(wanted: Wanted) -> qwen_cli.Question:
    return qwen_cli.Question(
        prompt=qwen_question.question(wanted),
        system=qwen_question.system(tools=False),
        schema=qwen_reply.SCHEMA,
        answers=qwen_reply.holds(Reply),
    )


def _findings(text: str, wanted: Wanted, tools: Tools, services: Services) -> list[Finding]:
    """What comes of an answer; `tools.down` gets what could not be asked on the way."""
    reply = qwen_reply.read(text)
    if reply is None:
        return [rejected(NAME, "", Why.QWEN_NOT_JSON)]
    if not reply.candidates:
        return [rejected(NAME, "", Why.QWEN_KNOWS_NONE, said=reply.reason)]
    findings: list[Finding] = []
    for proposal in dict.fromkeys(reply.candidates[:CANDIDATES_MAX]):
        query = msgspec.json.encode(proposal).decode()
        try:
            finding = _judged(_confirm(proposal, wanted, services), wanted, tools, services)
        except SourceDown as problem:
            services.log_search(wanted, NAME, query, problem.reason)
            tools.down.append(problem)
            continue
        services.log_search(wanted, NAME, query, logged(finding))
        findings.append(finding)
    return findings


def _judged(finding: Finding, wanted: Wanted, tools: Tools, services: Services) -> Finding:
    if isinstance(finding, Candidate):
        return judge(finding, wanted, tools, services)
    if isinstance(finding, Blocked):
        judged = judge(finding.candidate, wanted, tools, services)
        return finding if isinstance(judged, Candidate) else judged
    return finding


def _confirm(proposal: Proposal, wanted: Wanted, services: Services) -> Finding:
    where = printable(proposal.repo or proposal.url or str(proposal.model_version_id))
    try:
        target = _target(proposal, services)
    except HostRefused as refusal:
        return Rejected(source=NAME, where=where, reason=broken_rule(refusal))
    if isinstance(target, HubFile):
        return hub_files.confirm(target, NAME, services, evidence=_EVIDENCE)
    if isinstance(target, CivitaiFile):
        return civitai.confirm(target, wanted.model.name, NAME, services)
    if isinstance(target, DirectFile):
        # Nothing is asked there: without a published hash it could not count.
        return rejected(NAME, where, Why.QWEN_NO_HASH)
    return rejected(NAME, where, Why.QWEN_NO_SUCH_SOURCE, source=proposal.source)


def _target(proposal: Proposal, services: Services) -> HubFile | CivitaiFile | DirectFile | None:
    """The file that a proposal names. Raises HostRefused."""
    if proposal.source == "huggingface":
        return HubFile(hub_repo(proposal.repo), "main", hub_path(proposal.path))
    if proposal.source == "civitai" and proposal.model_version_id:
        return CivitaiFile(proposal.model_version_id, proposal.file_id)
    if proposal.source == "url" and proposal.url:
        manifest = services.manifest
        return read_url(proposal.url, manifest.endpoints, manifest.download.allow_hosts)
    return None
