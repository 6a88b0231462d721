"""Would Civitai give this file to us? Each refusal of its server's table has an outcome."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from comfyfix.errors import ModelProblem, RegionBlocked, SourceDown
from comfyfix.loose_json import mapping
from comfyfix.net.urls.hosts import CIVITAI
from comfyfix.outcomes import Outcome
from comfyfix.providers.civitai.entries import CivitaiEntry
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.net.answer import Answer

ACCOUNT = f"{CIVITAI}/user/account"


def gone(entry: CivitaiEntry) -> ModelProblem:
    """The problem of a model that Civitai gives to no one any more."""
    return ModelProblem(Outcome.ARCHIVED, Why.CIVITAI_ARCHIVED, where=entry.where)


def switched_off(entry: CivitaiEntry) -> ModelProblem:
    """The problem of a version that its creator gives to no one."""
    return ModelProblem(Outcome.DOWNLOADS_DISABLED, Why.CIVITAI_DISABLED, where=entry.where)


def refusal(answer: Answer, entry: CivitaiEntry, *, token_known: bool) -> ModelProblem | None:
    """What an answer of the download address says against a download. Raises SourceDown."""
    page = f"{CIVITAI}/models/{entry.model_id}?modelVersionId={entry.version_id}"
    where, said = entry.where, _said(answer)
    error, message = str(said.get("error")), str(said.get("message"))
    if answer.status == HTTPStatus.UNAUTHORIZED and "disabled downloads" in message:
        return switched_off(entry)
    if answer.status == HTTPStatus.UNAUTHORIZED or _is_login(answer):
        why = Why.CIVITAI_TOKEN_BAD if token_known else Why.CIVITAI_TOKEN_NEEDED
        return ModelProblem(Outcome.TOKEN_NEEDED, why, where=where, page=page, account=ACCOUNT)
    if answer.status == HTTPStatus.FORBIDDEN and "early access" in error.lower():
        until = str(said.get("deadline") or "")[:10]
        why = Why.CIVITAI_EARLY_UNTIL if until else Why.CIVITAI_EARLY
        return ModelProblem(Outcome.EARLY_ACCESS, why, where=where, until=until, page=page)
    if answer.status == HTTPStatus.FORBIDDEN:
        why = Why.CIVITAI_NOT_GIVEN
        return ModelProblem(Outcome.NOT_PERMITTED, why, where=where, told=error, page=page)
    if answer.status == HTTPStatus.GONE:
        return gone(entry)
    if answer.status == HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS:
        return RegionBlocked(Why.CIVITAI_REGION)
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise answer.of_no_use(Why.CIVITAI_NO_ANSWER_FOR, where=where)
    return None


def _is_login(answer: Answer) -> bool:
    """A browser is sent to the login page; a page instead of a file is no access."""
    where = answer.headers.get("location", "")
    page = answer.headers.get("content-type", "").startswith("text/html")
    return "/login" in where.partition("?")[0] or (answer.status == HTTPStatus.OK and page)


def _said(answer: Answer) -> Mapping[str, object]:
    try:
        return mapping(answer.json())
    except SourceDown:
        return {}
