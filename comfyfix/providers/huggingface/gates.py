"""What stands between a user and a file of a gated repository, as the Hub tells it.

The status and `X-Error-Code` say little: who has not asked, who waits and who was rejected all get
403 GatedRepo, a token without the scope 403 without a code. `X-Error-Message` tells them apart.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from comfyfix.disk.files import printable
from comfyfix.errors import ModelProblem
from comfyfix.outcomes import Outcome
from comfyfix.records import Reason, because
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.net.answer import Answer

# A name of a repository holds no space, so none of these is part of one. The order counts.
_CLOSED = (
    ("awaiting a review", Outcome.ACCESS_PENDING, Why.HUB_REQUEST_PENDING),
    ("has been rejected", Outcome.NOT_PERMITTED, Why.HUB_REQUEST_REJECTED),
    ("fine-grained token settings", Outcome.TOKEN_NEEDED, Why.HUB_SCOPE_MISSING),
    ("in the authorized list", Outcome.LICENCE_NEEDED, Why.HUB_LICENCE_NEEDED),
)
_DISABLED = "this resource is disabled"
_CODES = {"RepoNotFound": Why.HUB_NO_REPOSITORY, "RevisionNotFound": Why.HUB_NO_REVISION}


def token_needed(repo: str, pages: str) -> ModelProblem:
    """The gate that is shut for who is not signed in. `pages` is where the Hub's pages are."""
    why = Why.HUB_TOKEN_NEEDED
    return ModelProblem(Outcome.TOKEN_NEEDED, why, repo=repo, **_links(repo, pages))


def gate(answer: Answer, repo: str, pages: str) -> ModelProblem | Reason | None:
    """What an answer for a file says against giving it to the user; None if nothing does."""
    said = answer.headers.get("x-error-message", "")
    code = answer.headers.get("x-error-code", "")
    links = _links(repo, pages)
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return ModelProblem(Outcome.TOKEN_NEEDED, Why.HUB_TOKEN_BAD, repo=repo, **links)
    if answer.status == HTTPStatus.FORBIDDEN and _DISABLED not in said:
        for words, outcome, why in _CLOSED:
            if words in said:
                return ModelProblem(outcome, why, repo=repo, **links)
        if said and code != "GatedRepo":  # an organisation's own rule, or one that is new
            outcome, why = Outcome.NOT_PERMITTED, Why.HUB_NOT_GIVEN
            return ModelProblem(outcome, why, repo=repo, said=printable(said, 300), **links)
        return ModelProblem(Outcome.LICENCE_NEEDED, Why.HUB_LICENCE_NEEDED, repo=repo, **links)
    return why_not(answer) if code or answer.status >= HTTPStatus.BAD_REQUEST else None


def why_not(answer: Answer) -> Reason:
    """Why a repository, or something in it, can't be had."""
    if _DISABLED in answer.headers.get("x-error-message", ""):
        return because(Why.HUB_OFFLINE)
    code = answer.headers.get("x-error-code", "")
    if why := _CODES.get(code):
        return because(why)
    if answer.status == HTTPStatus.UNAUTHORIZED:  # what it says without a token, and without a code
        return because(Why.HUB_NO_REPOSITORY)
    if code:
        return because(Why.HUB_ANSWERS_CODE, status=answer.status, code=code)
    return because(Why.HUB_ANSWERS, status=answer.status)


def _links(repo: str, pages: str) -> dict[str, str]:
    return {"page": f"{pages}/{repo}", "tokens": f"{pages}/settings/tokens"}
