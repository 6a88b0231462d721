"""Does something in between answer for a service: a network where people sign in first?

Such a network answers every question with its own page, or sends it there. A service that is asked
for data may do so once, by a fault of its own; so it counts where nothing else has come.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from comfyfix.net.answer import REDIRECTS
from comfyfix.net.urls.hosts import CIVITAI_HOSTS, HUGGINGFACE_HOSTS

if TYPE_CHECKING:
    from comfyfix.net.answer import Answer

_FILES = "/api/download/"  # leads elsewhere by intent
_SERVICES = HUGGINGFACE_HOSTS | CIVITAI_HOSTS


def is_between(url: str, answer: Answer) -> bool:
    """Tell whether an answer is no service's: a page for data, or a way to another host."""
    if answer.status == HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED:
        return True
    asked = urlsplit(url)
    if not asked.path.startswith("/api/") or asked.path.startswith(_FILES):
        return False
    if answer.status in REDIRECTS:
        return _leads_out(answer)
    kind = answer.headers.get("content-type", "")
    page = kind.startswith("text/html") or answer.body.lstrip()[:1] == b"<"
    return answer.status == HTTPStatus.OK and page


def _leads_out(answer: Answer) -> bool:
    try:
        there = urlsplit(urljoin(answer.url, answer.headers.get("location", ""))).hostname
    except ValueError:
        return False
    return there not in {urlsplit(answer.url).hostname, *_SERVICES}
