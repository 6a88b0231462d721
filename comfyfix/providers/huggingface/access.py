"""Access to gated repositories of the Hub: found out while resolving, before any download."""

from __future__ import annotations

from http import HTTPStatus

from comfyfix.errors import ModelProblem
from comfyfix.net.hosts import HUGGINGFACE
from comfyfix.outcomes import Outcome
from comfyfix.records import Candidate, Rejected, because
from comfyfix.sources.base import Blocked, Finding, Services
from comfyfix.why import Why


def checked(found: Candidate, services: Services) -> Finding:
    """Return the candidate if its gate is open to the user, else what the user must do.

    Without a token no question is needed. Raises SourceDown.
    """
    repo, page = found.repo, f"{services.manifest.endpoints.huggingface}/{found.repo}"
    if not services.tokens.get("huggingface"):
        why = Why.HUB_TOKEN_NEEDED
        return Blocked(found, ModelProblem(Outcome.TOKEN_NEEDED, why, repo=repo, page=page))
    url = services.manifest.endpoints.huggingface + found.url.removeprefix(HUGGINGFACE)
    answer = services.web.head(url)
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return Blocked(found, ModelProblem(Outcome.TOKEN_NEEDED, Why.HUB_TOKEN_BAD, repo=repo))
    if answer.status == HTTPStatus.FORBIDDEN:
        why = Why.HUB_LICENCE_NEEDED
        return Blocked(found, ModelProblem(Outcome.LICENCE_NEEDED, why, repo=repo, page=page))
    if code := answer.headers.get("x-error-code"):
        reason = because(Why.HUB_ANSWERS_CODE, status=answer.status, code=code)
        return Rejected(source=found.source, where=found.where, reason=reason)
    return found
