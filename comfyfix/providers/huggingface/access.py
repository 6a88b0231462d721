"""Access to gated repositories of the Hub: found out while resolving, before any download."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfyfix.errors import LicenceNeeded, ModelProblem, TokenNeeded
from comfyfix.net.hosts import HUGGINGFACE
from comfyfix.records import Candidate, Rejected
from comfyfix.sources.base import Blocked, Finding, Services

if TYPE_CHECKING:
    from comfyfix.net.http import Answer

_UNAUTHORIZED = 401
_REFUSED = (401, 403)


def checked(found: Candidate, services: Services) -> Finding:
    """Return the candidate if its gate is open to the user, else what the user must do.

    Without a token no question is needed. Raises SourceDown.
    """
    if not services.tokens.get("huggingface"):
        return Blocked(found, _no_token(found.repo, services))
    url = services.manifest.endpoints.huggingface + found.url.removeprefix(HUGGINGFACE)
    answer = services.web.head(url)
    if answer.status in _REFUSED:
        return Blocked(found, _refused(found.repo, services, answer))
    if answer.headers.get("x-error-code"):
        reason = f"the Hub answers {answer.status} ({answer.headers['x-error-code']})"
        return Rejected(source=found.source, where=found.where, reason=reason)
    return found


def _page(repo: str, services: Services) -> str:
    return f"{services.manifest.endpoints.huggingface}/{repo}"


def _no_token(repo: str, services: Services) -> ModelProblem:
    return TokenNeeded(
        f"{repo} on Hugging Face needs a token",
        cause="its licence must be accepted by a signed-in user",
        next_step=f"accept the licence on {_page(repo, services)}, then set HF_TOKEN",
    )


def _refused(repo: str, services: Services, answer: Answer) -> ModelProblem:
    if answer.status == _UNAUTHORIZED:
        return TokenNeeded(
            f"{repo} on Hugging Face refuses the token",
            cause="HF_TOKEN is wrong, has expired, or may not read gated repositories",
            next_step="set HF_TOKEN to one that may read gated repositories",
        )
    return LicenceNeeded(
        f"The licence of {repo} is not accepted yet",
        cause="the Hub does not give its files to your account",
        next_step=f"accept it on {_page(repo, services)}, then run doit again",
    )
