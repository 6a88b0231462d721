"""Checkup: is all there that a run needs? Each thing is looked at by itself, within a bound.

What a check says is a value; one that fails or hangs hides none of the others.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from comfyfix import process
from comfyfix.comfyui.store.installation import EXTRA_PATHS
from comfyfix.errors import Problem, TokenRefused
from comfyfix.net.origin import origin_of
from comfyfix.records import Reason, because
from comfyfix.settings.manifest import TOKEN_VARIABLES, Manifest
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.comfyui.store.folders import Folders
    from comfyfix.net.http import Web

SECONDS = 20.0
"""How long all checks together may take; they run side by side."""
_ASK_SECONDS = 12.0
_CLOCK_SECONDS = 120
_PROGRAMS = (("bash", (3, 2)), ("curl", (7, 63)))  # what templates/script needs
_KEYS = ("checkpoints", "controlnet", "diffusion_models", "loras", "text_encoders", "vae")
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_SERVICES = {"huggingface": "Hugging Face", "civitai": "Civitai", "openmodeldb": "OpenModelDB"}
_QUESTIONS = {"huggingface": "/api/models?limit=1", "civitai": "/api/v1/models?limit=1"}


@dataclass(frozen=True, slots=True)
class Line:
    """What is said of one thing; `good` where nothing needs doing."""

    name: str
    good: bool
    said: Reason


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at: the settings, and what is known of the machine and its user.

    `folders` and `output` are None where the set-up can't be read. `offline` is the variable that
    forbids every request. `tokens` are by source.
    """

    manifest: Manifest
    environ: Mapping[str, str]
    folders: Folders | None = None
    output: Path | None = None
    offline: str = ""
    signs: bool = False
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)


Check = Callable[[Patient], Iterator[Line]]


def look(patient: Patient, *, seconds: float = SECONDS) -> list[Line]:
    """Do all checks side by side; returns what they say, in their order."""
    said: dict[str, list[Line]] = {name: [] for name in CHECKS}
    done: dict[str, bool] = {}
    threads = [
        threading.Thread(target=_one, args=(name, check, patient, said[name], done), daemon=True)
        for name, check in CHECKS.items()
    ]
    until = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    found: list[Line] = []
    for name in CHECKS:
        found += list(said[name])
        if name not in done:
            found.append(Line(name, good=False, said=because(Why.CHECK_LATE, seconds=int(seconds))))
    return found


def _one(
    name: str, check: Check, patient: Patient, said: list[Line], done: dict[str, bool]
) -> None:
    try:
        for line in check(patient):
            said.append(line)
    except Problem as problem:
        said.append(Line(name, good=False, said=problem.reason))
    except Exception as error:  # noqa: BLE001 - a check that fails hides none of the others
        cause = because(Why.CHECK_FAILED, error=f"{type(error).__name__}: {error}")
        said.append(Line(name, good=False, said=cause))
    done[name] = True


def _well(name: str, why: Why, /, **told: object) -> Line:
    return Line(name, good=True, said=because(why, **told))


def _ill(name: str, why: Why, /, **told: object) -> Line:
    return Line(name, good=False, said=because(why, **told))


def _programs(patient: Patient) -> Iterator[Line]:
    for name, needed in _PROGRAMS:
        version = _version(name, patient.environ)
        if version is None:
            yield _ill(name, Why.TOOL_ABSENT, name=name)
        elif version < needed:
            told = {"version": _dotted(version), "needed": _dotted(needed)}
            yield _ill(name, Why.CHECK_PROGRAM_OLD, name=name, **told)
        else:
            yield _well(name, Why.CHECK_PROGRAM, name=name, version=_dotted(version))


def _version(name: str, environ: Mapping[str, str]) -> tuple[int, ...] | None:
    """The version that a program tells; None where there is no such program."""
    if not shutil.which(name, path=environ.get("PATH")):
        return None
    lines: list[str] = []
    env = {"PATH": environ.get("PATH", "")}  # no token is a program's affair
    process.Children().run([name, "--version"], env, lines.append, seconds=_ASK_SECONDS)
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", lines[0] if lines else "")
    return tuple(int(part) for part in match.groups() if part) if match else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version)) or "?"


def _versions(_patient: Patient) -> Iterator[Line]:
    from importlib.metadata import version

    from comfyfix import __version__

    told = {"python": _dotted(sys.version_info[:3]), "doit": version("doit")}
    yield _well("versions", Why.CHECK_VERSIONS, own=__version__, **told)


def _tokens(patient: Patient) -> Iterator[Line]:
    for source in ("huggingface", "civitai"):
        variable, service = _variable(source, patient.environ), _SERVICES[source]
        if not patient.tokens.get(source):
            told = {"service": service, "variable": TOKEN_VARIABLES[source][0]}
            yield _well("tokens", Why.CHECK_TOKEN_NONE, **told)
        elif patient.offline:
            yield _well("tokens", Why.CHECK_NOT_ASKED, host=service)
        else:
            yield _owner(patient, source, service, variable)


def _owner(patient: Patient, source: str, service: str, variable: str) -> Line:
    endpoint = getattr(patient.manifest.endpoints, source)
    path = "/api/whoami-v2" if source == "huggingface" else "/api/v1/me"
    web = _web(patient, {origin_of(endpoint): patient.tokens[source]})
    try:
        answer = web.get(f"{endpoint}{path}", tries=1)
    except TokenRefused:
        return _ill("tokens", Why.CHECK_TOKEN_REFUSED, service=service, variable=variable)
    except Problem as problem:
        return Line("tokens", good=False, said=problem.reason)
    if answer.status in (401, 403):
        return _ill("tokens", Why.CHECK_TOKEN_REFUSED, service=service, variable=variable)
    try:
        told = msgspec.json.decode(answer.body, type=dict[str, object])
    except (ValueError, RecursionError):
        return _ill("tokens", Why.ANSWER_NOT_JSON, host=urlsplit(endpoint).netloc, cause="")
    user = next((v for k in ("name", "username") if isinstance(v := told.get(k), str)), "?")
    fields = {"user": user, "scope": _scope(told)}
    return _well("tokens", Why.CHECK_TOKEN, service=service, variable=variable, **fields)


def _scope(told: Mapping[str, object]) -> str:
    """What a token of the Hub may do, in its own word; `?` where nothing tells it."""
    value: object = told
    for key in ("auth", "accessToken", "role"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else "?"


def _variable(source: str, environ: Mapping[str, str]) -> str:
    names = (name for name in TOKEN_VARIABLES[source] if environ.get(name, "").strip())
    return next(names, "`hf auth login`")


def _web(patient: Patient, tokens: Mapping[str, str]) -> Web:
    from comfyfix.net.http import Web  # 170 ms that only a question needs

    return Web(tokens, offline=patient.offline, seconds=_ASK_SECONDS)


def _endpoint(source: str) -> Check:
    def check(patient: Patient) -> Iterator[Line]:
        endpoint = getattr(patient.manifest.endpoints, source)
        if patient.offline:
            yield _well(source, Why.CHECK_NOT_ASKED, host=urlsplit(endpoint).netloc)
            return
        web, question = _web(patient, {}), _QUESTIONS.get(source)
        answer = web.get(f"{endpoint}{question}", tries=1) if question else web.head(endpoint)
        yield _well(source, Why.CHECK_REACHED, host=urlsplit(endpoint).netloc)
        if source == "huggingface":
            yield from _clock(answer.headers.get("date", ""), urlsplit(endpoint).netloc)

    return check


def _clock(date: str, host: str) -> Iterator[Line]:
    try:
        off = int(time.time() - parsedate_to_datetime(date).timestamp())
    except (ValueError, TypeError, OverflowError):
        return  # it tells no time
    if abs(off) > _CLOCK_SECONDS:
        yield _ill("clock", Why.CHECK_CLOCK_OFF, seconds=off, host=host)
    else:
        yield _well("clock", Why.CHECK_CLOCK, host=host)


def _proxies(patient: Patient) -> Iterator[Line]:
    set_here = [(name, patient.environ[name]) for name in _PROXIES if patient.environ.get(name)]
    if not set_here:
        yield _well("proxies", Why.CHECK_PROXY_NONE)
    for variable, told in set_here:
        try:
            parts = urlsplit(told if "://" in told else f"http://{told}")
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, port = "", None
        if host:
            shown = f"{host}:{port}" if port else host
            yield _well("proxies", Why.CHECK_PROXY, variable=variable, proxy=shown)
        else:
            yield _ill("proxies", Why.CHECK_PROXY_UNFIT, variable=variable)
    for variable in ("NO_PROXY", "no_proxy"):
        if spared := patient.environ.get(variable):
            yield _well("proxies", Why.CHECK_PROXY, variable=variable, proxy=spared)


def _room(patient: Patient) -> Iterator[Line]:
    if patient.folders is None:
        return
    store, reserve = patient.folders.store, patient.manifest.download.reserve_bytes
    free = shutil.disk_usage(_nearest(store)).free
    told = {"free": free, "path": store}
    if free <= reserve:
        yield _ill("room", Why.CHECK_ROOM_LOW, reserve=reserve, **told)
    else:
        yield _well("room", Why.CHECK_ROOM, **told)


def _store(patient: Patient) -> Iterator[Line]:
    folders = patient.folders
    if folders is None:
        return
    yield _written("store", folders.store, Why.CHECK_STORE)
    unseen = [key for key in _KEYS if folders.searched is not None and key not in folders.searched]
    if unseen:
        told = {"keys": unseen, "file": folders.comfyui / EXTRA_PATHS}
        yield _ill("store", Why.CHECK_STORE_UNSEEN, path=folders.store, **told)
    else:
        yield _well("store", Why.CHECK_STORE_SEEN, path=folders.store)


def _output(patient: Patient) -> Iterator[Line]:
    if patient.output is not None:
        yield _written("output", patient.output, Why.CHECK_OUTPUT)


def _written(name: str, path: Path, why: Why) -> Line:
    """Whether a folder can be written, by a file without a name; one to be made: its parent."""
    try:
        with tempfile.TemporaryFile(dir=_nearest(path)) as out:
            out.write(b"x")
    except OSError as error:
        return _ill(name, Why.CHECK_UNWRITABLE, path=path, cause=error.strerror or str(error))
    return _well(name, why, path=path)


def _nearest(path: Path) -> Path:
    return next((p for p in (path, *path.parents) if os.path.lexists(p)), path)


def _qwen(patient: Patient) -> Iterator[Line]:
    qwen = patient.manifest.qwen
    if qwen.command:
        process.require(qwen.command)
        yield _well("qwen", Why.CHECK_QWEN_COMMAND, command=qwen.command)
    if not qwen.base_url:
        if not qwen.command:
            yield _well("qwen", Why.CHECK_QWEN_NONE)
        return
    if patient.offline:
        yield _well("qwen", Why.CHECK_NOT_ASKED, host=urlsplit(qwen.base_url).netloc)
        return
    from comfyfix.net.chat.endpoint import Chat  # only a question needs it

    chat = Chat(qwen.chat_url, qwen.model, patient.tokens.get("qwen", ""), _web(patient, {}))
    question = [{"role": "user", "content": "Say yes."}]
    chat.ask(question, [], max_tokens=16, seconds=_ASK_SECONDS)
    yield _well("qwen", Why.CHECK_QWEN, host=chat.host)


def _key(patient: Patient) -> Iterator[Line]:
    yield _well("receipts", Why.CHECK_KEY if patient.signs else Why.CHECK_KEY_NONE)


CHECKS: dict[str, Check] = {
    "versions": _versions,
    "programs": _programs,
    "store": _store,
    "room": _room,
    "output": _output,
    "receipts": _key,
    "proxies": _proxies,
    "tokens": _tokens,
    **{source: _endpoint(source) for source in _SERVICES},
    "qwen": _qwen,
}
