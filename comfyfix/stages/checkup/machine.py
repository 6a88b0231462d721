"""What is looked at on this machine: programs, versions, proxies, folders and their room."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from comfyfix import process
from comfyfix.comfyui.store.installation import EXTRA_PATHS
from comfyfix.stages.checkup.base import ASK_SECONDS, Check, Line, Patient, ill, well
from comfyfix.why import Why

_PROGRAMS = (("bash", (3, 2)), ("curl", (7, 63)))  # what templates/script needs
_KEYS = ("checkpoints", "controlnet", "diffusion_models", "loras", "text_encoders", "vae")
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def _programs(patient: Patient) -> Iterator[Line]:
    for name, needed in _PROGRAMS:
        version = _version(name, patient.environ)
        if version is None:
            yield ill(name, Why.TOOL_ABSENT, name=name)
        elif version < needed:
            versions = {"version": _dotted(version), "needed": _dotted(needed)}
            yield ill(name, Why.CHECK_PROGRAM_OLD, name=name, **versions)
        else:
            yield well(name, Why.CHECK_PROGRAM, name=name, version=_dotted(version))


def _version(name: str, environ: Mapping[str, str]) -> tuple[int, ...] | None:
    """The version that a program tells; None where there is no such program."""
    if not shutil.which(name, path=environ.get("PATH")):
        return None
    lines: list[str] = []
    env = {"PATH": environ.get("PATH", "")}  # no token is a program's affair
    process.Children().run([name, "--version"], env, lines.append, seconds=ASK_SECONDS)
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", lines[0] if lines else "")
    return tuple(int(part) for part in match.groups() if part) if match else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version)) or "?"


def _versions(_patient: Patient) -> Iterator[Line]:
    from importlib.metadata import version

    from comfyfix.version import __version__

    python, doit = _dotted(sys.version_info[:3]), version("doit")
    yield well("versions", Why.CHECK_VERSIONS, own=__version__, python=python, doit=doit)


def _proxies(patient: Patient) -> Iterator[Line]:
    set_here = [(name, patient.environ[name]) for name in _PROXIES if patient.environ.get(name)]
    if not set_here:
        yield well("proxies", Why.CHECK_PROXY_NONE)
    for variable, address in set_here:
        try:
            parts = urlsplit(address if "://" in address else f"http://{address}")
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, port = "", None
        if host:
            shown = f"{host}:{port}" if port else host
            yield well("proxies", Why.CHECK_PROXY, variable=variable, proxy=shown)
        else:
            yield ill("proxies", Why.CHECK_PROXY_UNFIT, variable=variable)
    for variable in ("NO_PROXY", "no_proxy"):
        if spared := patient.environ.get(variable):
            yield well("proxies", Why.CHECK_PROXY, variable=variable, proxy=spared)


def _room(patient: Patient) -> Iterator[Line]:
    if patient.folders is None:
        return
    store, reserve = patient.folders.store, patient.manifest.download.reserve_bytes
    free = shutil.disk_usage(_nearest(store)).free
    if free <= reserve:
        yield ill("room", Why.CHECK_ROOM_LOW, reserve=reserve, free=free, path=store)
    else:
        yield well("room", Why.CHECK_ROOM, free=free, path=store)


def _store(patient: Patient) -> Iterator[Line]:
    folders = patient.folders
    if folders is None:
        return
    yield _written("store", folders.store, Why.CHECK_STORE)
    unseen = [key for key in _KEYS if folders.searched is not None and key not in folders.searched]
    if unseen:
        file = folders.comfyui / EXTRA_PATHS
        yield ill("store", Why.CHECK_STORE_UNSEEN, path=folders.store, keys=unseen, file=file)
    else:
        yield well("store", Why.CHECK_STORE_SEEN, path=folders.store)


def _output(patient: Patient) -> Iterator[Line]:
    if patient.output is not None:
        yield _written("output", patient.output, Why.CHECK_OUTPUT)


def _written(name: str, path: Path, why: Why) -> Line:
    """Whether a folder can be written, by a file without a name; one to be made: its parent."""
    try:
        with tempfile.TemporaryFile(dir=_nearest(path)) as out:
            out.write(b"x")
    except OSError as error:
        return ill(name, Why.CHECK_UNWRITABLE, path=path, cause=error.strerror or str(error))
    return well(name, why, path=path)


def _nearest(path: Path) -> Path:
    return next((p for p in (path, *path.parents) if os.path.lexists(p)), path)


def _key(patient: Patient) -> Iterator[Line]:
    yield well("receipts", Why.CHECK_KEY if patient.signs else Why.CHECK_KEY_NONE)


CHECKS: dict[str, Check] = {
    "versions": _versions,
    "programs": _programs,
    "store": _store,
    "room": _room,
    "output": _output,
    "receipts": _key,
    "proxies": _proxies,
}
