"""Would Civitai give this file to us? Asked while resolving, before any download.

The download address is asked as a download asks it, but neither followed nor read. Each refusal
of its server's table has an outcome of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfyfix.disk.files import printable
from comfyfix.errors import (
    ArchivedAtSource,
    DownloadsDisabled,
    EarlyAccess,
    ModelProblem,
    NotPermitted,
    SourceDown,
    TakenDown,
    TokenNeeded,
)
from comfyfix.loose_json import mapping
from comfyfix.net.hosts import CIVITAI
from comfyfix.providers.civitai.api import CivitaiEntry, region
from comfyfix.records import Candidate, Rejected
from comfyfix.sources.base import Blocked, Finding, Services

if TYPE_CHECKING:
    from comfyfix.net.http import Answer

ANOTHER = "if you have another address: doit pin MODEL URL"
TRIES = 2  # a file that is there has been answered with 404 for a moment


def checked(found: Candidate, entry: CivitaiEntry, query: str, services: Services) -> Finding:
    """Return the candidate if it would be given to us, else why not. Raises SourceDown."""
    if entry.mode:
        return Blocked(found, _gone(entry))
    path = f"/api/download/models/{entry.version_id}?{query}"
    for _ in range(TRIES):
        answer = services.web.peek(services.manifest.endpoints.civitai + path)
        if answer.status != 404:  # noqa: PLR2004 - HTTP
            break
    else:
        return Rejected(source=found.source, where=found.where, reason="its file is not there")
    problem = _problem(answer, entry, services)
    return Blocked(found, problem) if problem else found


def _gone(entry: CivitaiEntry) -> ModelProblem:
    if entry.mode == "TakenDown":
        return TakenDown(
            f"{entry.where} was taken down by Civitai",
            cause="its page is closed, and its files are given to no one",
            next_step=ANOTHER,
        )
    return ArchivedAtSource(
        f"{entry.where} on Civitai is archived",
        cause="its files are given to no one any more",
        next_step=ANOTHER,
    )


def _problem(answer: Answer, entry: CivitaiEntry, services: Services) -> ModelProblem | None:
    page = f"{CIVITAI}/models/{entry.model_id}?modelVersionId={entry.version_id}"
    told = _told(answer)
    error, message = str(told.get("error")), str(told.get("message"))
    if answer.status == 401 and "disabled downloads" in message:  # noqa: PLR2004 - HTTP
        return DownloadsDisabled(
            f"The creator of {entry.where} has switched its downloads off",
            cause="it may be used on Civitai's own pages only",
            next_step=ANOTHER,
        )
    if answer.status == 401 or _is_login(answer):  # noqa: PLR2004 - HTTP
        return _token(entry, page, has_one=bool(services.tokens.get("civitai")))
    if answer.status == 403 and "early access" in error.lower():  # noqa: PLR2004 - HTTP
        until = printable(str(told.get("deadline") or ""), 10)
        return EarlyAccess(
            f"{entry.where} on Civitai is not open to everyone yet",
            cause=f"early access until {until}" if until else "early access",
            next_step=f"see {page}, and run doit again when it is open",
        )
    if answer.status == 403:  # noqa: PLR2004 - HTTP
        return NotPermitted(
            f"Civitai does not give {entry.where} to you",
            cause=printable(error, 120),
            next_step=f"see {page}; {ANOTHER}",
        )
    if answer.status == 410:  # noqa: PLR2004 - HTTP
        return _gone(entry)
    if answer.status == 451:  # noqa: PLR2004 - HTTP
        return region()
    if answer.status >= 400:  # noqa: PLR2004 - HTTP
        raise SourceDown(
            f"Civitai gave no usable answer for {entry.where}",
            cause=f"status {answer.status}",
            next_step="run doit again later; nothing is lost",
        )
    return None


def _token(entry: CivitaiEntry, page: str, *, has_one: bool) -> ModelProblem:
    if has_one:
        return TokenNeeded(
            f"Civitai does not take the token for {entry.where}",
            cause="CIVITAI_TOKEN is wrong or has expired",
            next_step=f"set a valid CIVITAI_TOKEN (made on {CIVITAI}/user/account); see {page}",
        )
    return TokenNeeded(
        f"{entry.where} on Civitai needs a token",
        cause="its creator asks you to sign in",
        next_step=f"make one on {CIVITAI}/user/account, then set CIVITAI_TOKEN; see {page}",
    )


def _is_login(answer: Answer) -> bool:
    """A browser is sent to the login page; a page instead of a file is no access."""
    where = answer.headers.get("location", "")
    page = answer.headers.get("content-type", "").startswith("text/html")
    return "/login" in where.partition("?")[0] or (answer.status == 200 and page)  # noqa: PLR2004


def _told(answer: Answer) -> dict[str, object]:
    try:
        return dict(mapping(answer.json()))
    except SourceDown:
        return {}
