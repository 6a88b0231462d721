"""Fetch: run a script, and turn the way it ended into a receipt or a problem."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Semaphore

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
from comfyfix.records import Model, Receipt, Record

EXIT_CODES: dict[int, type[DownloadFailed]] = {
    10: TokenNeeded,
    11: LicenceNeeded,
    12: GoneAtSource,
    13: DiskFull,
    14: WrongContent,
    15: NetworkGaveUp,
    16: LockedByAnother,
}
LOOKING, WAITED = "Looking inside: ", "Waited: "
"""What a script says before it waits for an answer."""
WAITING = "Waiting: "
"""What it says when another process has its file: it may be hours."""
HASHED = "sha256: "
"""What it says of a file whose hash nobody has published."""


class Slot:
    """A place among the downloads that go on at the same time; one who only waits gives it up."""

    def __init__(self, places: Semaphore) -> None:
        self._places = places
        self._held = False

    def take(self) -> None:
        """Wait for a free place."""
        if not self._held:
            self._places.acquire()
            self._held = True

    def leave(self) -> None:
        """Let another have the place."""
        if self._held:
            self._places.release()
            self._held = False

    def __enter__(self) -> Slot:
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


def environment(
    base: Mapping[str, str],
    record: Record,
    endpoints: Endpoints,
    tokens: Mapping[str, str],
    *,
    folder: Path,
    demo: bool,
) -> dict[str, str]:
    """Make the environment of a script: of our tokens it gets the one that it needs, or none.

    It also tells the script to ask us, who listen, before it gives a file its name, and that it
    must find itself in this `folder`, all links followed.
    """
    env = {name: value for name, value in base.items() if name not in TOKEN_VARIABLES.values()}
    env |= {"HF_ENDPOINT": endpoints.huggingface, "CIVITAI_ENDPOINT": endpoints.civitai}
    env |= {"COMFYFIX_ASK": "yes", "COMFYFIX_FOLDER": str(folder)}
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
    slot: Slot,
    pickle: PicklePolicy,
) -> Receipt:
    """Run the script of a record to its end. Raises DownloadFailed in one of its kinds.

    Before the script gives the file its name it asks whether the file is what it should be.
    While it waits for another process that fetches the same file, its slot is given up.
    """
    last = f"the script ended with an error; see {script}"
    hashed = ""

    def keep(line: str) -> None:
        nonlocal last, hashed
        on_line(line)
        if line.startswith(WAITING):
            slot.leave()
        hashed = line.removeprefix(HASHED) if line.startswith(HASHED) else hashed
        last = line.strip() or last

    def answer(line: str) -> str | None:
        if line.startswith(WAITED):
            slot.take()
            return "0"
        return (
            _look(line.removeprefix(LOOKING), record, pickle) if line.startswith(LOOKING) else None
        )

    status = children.run(["bash", str(script)], env, keep, answer=answer)
    if status != 0:
        raise _problem(status, last)
    path = Path(record.destination)
    try:
        digest = record.sha256 or hashed or sha256_of(path)
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


def real_folder(model: Model, file: str, folders: Folders) -> Path:
    """Return the folder of a model's file, every link in its path followed.

    Raises StoreUnwritable for one that a symlinked folder leads out of the store.
    """
    path = Path(file)
    configured = folders.paths.get(folder_key(model.folder or ""), ())
    roots = [folders.store, *configured]
    try:
        parent = path.parent.resolve()
        inside = any(parent.is_relative_to(root.resolve()) for root in roots)
    except (OSError, RuntimeError):
        inside = False
    if inside:
        return parent
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
