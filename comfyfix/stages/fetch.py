"""Fetch: run a script, and turn the way it ended into a receipt or a problem."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from comfyfix import receipts
from comfyfix.comfyui.folders import Folders, folder_key
from comfyfix.errors import (
    DiskFull,
    DownloadFailed,
    GoneAtSource,
    LicenceNeeded,
    LockedByAnother,
    NetworkGaveUp,
    StoreUnwritable,
    TokenNeeded,
    UnsafeFile,
    WrongContent,
)
from comfyfix.files import printable, sha256_of
from comfyfix.formats import look
from comfyfix.hosts import endpoint_of
from comfyfix.http import authority
from comfyfix.manifest import TOKEN_VARIABLES, Endpoints, PicklePolicy
from comfyfix.process import Children
from comfyfix.records import Receipt, Record

EXIT_CODES: dict[int, type[DownloadFailed]] = {
    10: TokenNeeded,
    11: LicenceNeeded,
    12: GoneAtSource,
    13: DiskFull,
    14: WrongContent,
    15: NetworkGaveUp,
    16: LockedByAnother,
}
ASKS = "Looking inside: "
"""What a script says before it waits for an answer."""


def environment(
    base: Mapping[str, str],
    record: Record,
    endpoints: Endpoints,
    tokens: Mapping[str, str],
    *,
    demo: bool,
) -> dict[str, str]:
    """Make the environment of a script: of our tokens it gets the one that it needs, or none.

    It also tells the script to ask us, who listen, before it gives a file its name.
    """
    env = {name: value for name, value in base.items() if name not in TOKEN_VARIABLES.values()}
    env |= {"HF_ENDPOINT": endpoints.huggingface, "CIVITAI_ENDPOINT": endpoints.civitai}
    env["COMFYFIX_ASK"] = "yes"
    if demo:
        env |= {"HF_TOKEN_PATH": os.devnull, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    if authority(base):
        env.setdefault("CURL_CA_BUNDLE", authority(base))  # the one that curl reads
    source = endpoint_of(record.url)
    if tokens.get(source):
        env[TOKEN_VARIABLES[source]] = tokens[source]
    return env


def fetch(
    record: Record,
    script: Path,
    children: Children,
    env: Mapping[str, str],
    on_line: Callable[[str], None],
    *,
    pickle: PicklePolicy,
) -> Receipt:
    """Run the script of a record to its end. Raises DownloadFailed in one of its kinds.

    Before the script gives the file its name it asks whether the file is what it should be.
    """
    last: list[str] = []

    def keep(line: str) -> None:
        on_line(line)
        if line.strip():
            last[:] = [line.strip()]

    def answer(line: str) -> str | None:
        asked = line.removeprefix(ASKS)
        return _look(asked, record, pickle) if asked != line else None

    status = children.run(["bash", str(script)], env, keep, answer=answer)
    if status != 0:
        raise _problem(status, last[0] if last else f"the script ended with status {status}")
    path = Path(record.destination)
    try:
        digest = record.sha256 or sha256_of(path)
        return receipts.of_file(
            record.model, path, digest, script=script.name, verified=record.sha256 is not None
        )
    except OSError as error:
        raise DownloadFailed(
            f"{path} vanished after its download",
            cause=error.strerror or "",
            next_step="run doit again",
        ) from None


def _look(asked: str, record: Record, pickle: PicklePolicy) -> str:
    """Answer a script: 0, or 4 (unsafe) or 5 (damaged, or of another kind) with the reason."""
    path = Path(record.destination)
    if not asked.startswith(f"{path}."):
        return "1"  # a part of the file, or one that was put aside, lies beside it
    try:
        found = look.inspect(Path(asked), name=path.name, look_inside=pickle != "allow")
    except OSError:
        return "1"
    if found is None:
        return "0"
    return f"{4 if found.kind == 'unsafe' else 5} {printable(found.reason, 300)}"


def require_contained(record: Record, folders: Folders) -> None:
    """Refuse a destination that a symlinked folder leads out of the store."""
    path = Path(record.destination)
    configured = folders.paths.get(folder_key(record.model.folder or ""), ())
    roots = [folders.store, *configured]
    try:
        parent = path.parent.resolve()
        inside = any(parent.is_relative_to(root.resolve()) for root in roots)
    except (OSError, RuntimeError):
        inside = False
    if not inside:
        raise StoreUnwritable(
            f"{path.parent} leads out of the model folders",
            cause="a folder on the way is a symbolic link to elsewhere",
            next_step="add the link's target to extra_model_paths.yaml",
        )


def _problem(status: int, said: str) -> DownloadFailed:
    what, _, next_step = said.partition(" Next: ")
    kind = EXIT_CODES.get(status)
    if kind is WrongContent and " is unsafe: " in what:
        kind = UnsafeFile
    if kind is None:
        kind = StoreUnwritable if "permissions" in next_step else DownloadFailed
    return kind(what.rstrip("."), next_step=next_step.rstrip(".") or "run doit again")
