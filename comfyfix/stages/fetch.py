"""Fetch: run a script, and turn the way it ended into a receipt or a problem."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Semaphore

from comfyfix.comfyui.store.folders import Folders, folder_key
from comfyfix.disk.files import led_into, printable, sha256_of
from comfyfix.errors import (
    DiskFull,
    DownloadFailed,
    GoneAtSource,
    LicenceNeeded,
    LockedByAnother,
    NetworkGaveUp,
    StoreUnwritable,
    TokenNeeded,
    ToolMissing,
    UnsafeFile,
    WrongContent,
)
from comfyfix.formats import look
from comfyfix.net.hosts import endpoint_of
from comfyfix.net.http import authority
from comfyfix.process import Children
from comfyfix.records import Model, Receipt, Record
from comfyfix.script import channel
from comfyfix.script.channel import Told
from comfyfix.settings.manifest import STORE_KEY, TOKEN_VARIABLES, Endpoints, PicklePolicy
from comfyfix.state import receipts

Hear = Callable[[str | Told], None]
"""Takes what a script says: a line for people, or something that it tells."""

EXIT_CODES: dict[int, type[DownloadFailed]] = {
    10: TokenNeeded,
    11: LicenceNeeded,
    12: GoneAtSource,
    13: DiskFull,
    14: WrongContent,
    15: NetworkGaveUp,
    16: LockedByAnother,
}
KINDS: dict[str, type[DownloadFailed]] = {
    "store": StoreUnwritable,
    "tool": ToolMissing,
    "unsafe": UnsafeFile,
}
"""What a script calls a failure that its exit code does not tell."""


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

    It also tells the script that it must find itself in this `folder`, all links followed.
    """
    kept_back = {*TOKEN_VARIABLES.values(), STORE_KEY}
    env = {name: value for name, value in base.items() if name not in kept_back}
    env |= {"HF_ENDPOINT": endpoints.huggingface, "CIVITAI_ENDPOINT": endpoints.civitai}
    env["COMFYFIX_FOLDER"] = str(folder)
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
    hear: Hear,
    *,
    slot: Slot,
    pickle: PicklePolicy,
    signs: bool = False,
) -> Receipt:
    """Run the script of a record to its end. Raises DownloadFailed in one of its kinds.

    Before the script gives the file its name it asks whether the file is what it should be.
    While it waits for another process that fetches the same file, its slot is given up.
    `signs`: the receipt will be signed. Then a file that the script has not just hashed and asked
    about, since it lay there already, is hashed here.
    """
    word = channel.new_word()
    last: dict[str, Told] = {}
    asked: list[tuple[int, ...]] = []

    def keep(line: str) -> None:
        told = channel.read(line, word)
        hear(line if told is None else told)
        if told is not None:
            last[told.kind] = told
            if told.kind == "waiting":
                slot.leave()

    def answer(line: str) -> str | None:
        told = channel.read(line, word)
        if told is not None and told.kind == "waited":
            slot.take()
            return "0"
        if told is None or told.kind != "look":
            return None
        asked.append(_identity(Path(told.fields[0])))
        return _look(told.fields[0], record, pickle)

    status = children.run(
        ["bash", str(script)], {**env, channel.VARIABLE: word}, keep, answer=answer
    )
    if status != 0:
        raise _problem(status, last.get("fail"), script)
    path = Path(record.destination)
    try:
        if signs and record.sha256 and _identity(path) not in asked:
            _require(path, record.sha256)
        digest = record.sha256 or _hash_told(last.get("sha256")) or sha256_of(path)
        return receipts.of_file(
            record.model, path, digest, script=script.name, verified=record.sha256 is not None
        )
    except OSError as error:
        raise DownloadFailed(
            f"{path} vanished after its download",
            cause=error.strerror or "",
            next_step="run doit again",
        ) from None


def _identity(path: Path) -> tuple[int, ...]:
    """What stays as it is when a file gets its name."""
    try:
        info = path.stat()
    except OSError:
        return ()
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns


def _require(path: Path, sha256: str) -> None:
    if sha256_of(path) != sha256:
        raise WrongContent(
            f"{path} is not what its script has seen", next_step="see who else writes to the store"
        )


def _hash_told(told: Told | None) -> str:
    found = told.fields[0] if told else ""
    return found if re.fullmatch(r"[0-9a-f]{64}", found) else ""


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
    real = led_into(path.parent, folders.store, *configured)
    if real is not None:
        return real
    raise StoreUnwritable(
        f"{path.parent} leads out of the model folders",
        cause="a folder on the way is a symbolic link to elsewhere",
        next_step="add the link's target to extra_model_paths.yaml",
    )


def _problem(status: int, told: Told | None, script: Path) -> DownloadFailed:
    kind, what, next_step = told.fields if told else ("", "", "")
    outcome = KINDS.get(kind) or EXIT_CODES.get(status) or DownloadFailed
    if not what:  # it did not come to tell why
        how = f"status {status}" if status > 0 else f"signal {-status}"
        what, next_step = f"{script.name} ended with {how}", "see the log in output/log"
    return outcome(what, next_step=next_step or "run doit again")
