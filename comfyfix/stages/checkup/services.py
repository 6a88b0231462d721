"""What is asked of services: whether they answer, whom a token is of, what time it is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from comfyfix import process
from comfyfix.errors import Problem, TokenRefused
from comfyfix.net.urls.origin import origin_of
from comfyfix.settings.manifest import TOKEN_VARIABLES
from comfyfix.stages.checkup.base import ASK_SECONDS, Check, Line, Patient, ill, well
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.net.http import Web

_SERVICES = {"huggingface": "Hugging Face", "civitai": "Civitai", "openmodeldb": "OpenModelDB"}
_CLOCK_SECONDS = 120
_QUESTIONS = {"huggingface": "/api/models?limit=1", "civitai": "/api/v1/models?limit=1"}


def _tokens(patient: Patient) -> Iterator[Line]:
    for source in ("huggingface", "civitai"):
        service = _SERVICES[source]
        if not patient.tokens.get(source):
            variable = TOKEN_VARIABLES[source][0]
            yield well("tokens", Why.CHECK_TOKEN_NONE, service=service, variable=variable)
        elif patient.offline:
            yield well("tokens", Why.CHECK_NOT_ASKED, host=service)
        else:
            yield _owner(patient, source)


def _owner(patient: Patient, source: str) -> Line:
    service, variable = _SERVICES[source], _variable(source, patient.environ)
    endpoint = getattr(patient.manifest.endpoints, source)
    path = "/api/whoami-v2" if source == "huggingface" else "/api/v1/me"
    web = _web(patient, {origin_of(endpoint): patient.tokens[source]})
    try:
        answer = web.get(f"{endpoint}{path}", tries=1)
    except TokenRefused:
        return ill("tokens", Why.CHECK_TOKEN_REFUSED, service=service, variable=variable)
    except Problem as problem:
        return Line("tokens", good=False, said=problem.reason)
    if answer.status in (401, 403):
        return ill("tokens", Why.CHECK_TOKEN_REFUSED, service=service, variable=variable)
    try:
        account = msgspec.json.decode(answer.body, type=dict[str, object])
    except (ValueError, RecursionError):
        return ill("tokens", Why.ANSWER_NOT_JSON, host=urlsplit(endpoint).netloc, cause="")
    user = next((v for k in ("name", "username") if isinstance(v := account.get(k), str)), "?")
    fields = {"user": user, "scope": _scope(account)}
    return well("tokens", Why.CHECK_TOKEN, service=service, variable=variable, **fields)


def _scope(account: Mapping[str, object]) -> str:
    """What a token of the Hub may do, in its own word; `?` where nothing tells it."""
    value: object = account
    for key in ("auth", "accessToken", "role"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else "?"


def _variable(source: str, environ: Mapping[str, str]) -> str:
    names = (name for name in TOKEN_VARIABLES[source] if environ.get(name, "").strip())
    return next(names, "`hf auth login`")


def _web(patient: Patient, tokens: Mapping[str, str]) -> Web:
    from comfyfix.net.http import Web  # 170 ms that only a question needs

    return Web(tokens, offline=patient.offline, seconds=ASK_SECONDS)


def _endpoint(source: str, patient: Patient) -> Iterator[Line]:
    endpoint = getattr(patient.manifest.endpoints, source)
    host = urlsplit(endpoint).netloc
    if patient.offline:
        yield well(source, Why.CHECK_NOT_ASKED, host=host)
        return
    web, question = _web(patient, {}), _QUESTIONS.get(source)
    answer = web.get(f"{endpoint}{question}", tries=1) if question else web.head(endpoint)
    yield well(source, Why.CHECK_REACHED, host=host)
    if source == "huggingface":
        yield from _clock(answer.headers.get("date", ""), host)


def _clock(date: str, host: str) -> Iterator[Line]:
    try:
        off = int(time.time() - parsedate_to_datetime(date).timestamp())
    except (ValueError, TypeError, OverflowError):
        return  # it tells no time
    if abs(off) > _CLOCK_SECONDS:
        yield ill("clock", Why.CHECK_CLOCK_OFF, seconds=off, host=host)
    else:
        yield well("clock", Why.CHECK_CLOCK, host=host)


def _qwen(patient: Patient) -> Iterator[Line]:
    qwen = patient.manifest.qwen
    if qwen.command:
        process.require(qwen.command)
        yield well("qwen", Why.CHECK_QWEN_COMMAND, command=qwen.command)
    if not qwen.base_url:
        if not qwen.command:
            yield well("qwen", Why.CHECK_QWEN_NONE)
        return
    if patient.offline:
        yield well("qwen", Why.CHECK_NOT_ASKED, host=urlsplit(qwen.base_url).netloc)
        return
    from comfyfix.net.chat.endpoint import Chat  # only a question needs it

    chat = Chat(qwen.chat_url, qwen.model, patient.tokens.get("qwen", ""), _web(patient, {}))
    question = [{"role": "user", "content": "Say yes."}]
    chat.ask(question, [], max_tokens=16, seconds=ASK_SECONDS)
    yield well("qwen", Why.CHECK_QWEN, host=chat.host)


CHECKS: dict[str, Check] = {
    "tokens": _tokens,
    **{source: partial(_endpoint, source) for source in _SERVICES},
    "qwen": _qwen,
}
