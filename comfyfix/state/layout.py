"""Every path below `output/` and `STORE/.comfyfix/`, in one place."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from comfyfix import endings
from comfyfix.records import Model

STORE_STATE = ".comfyfix"
RECEIPT = ".receipt"
"""What the names of receipts in a store end in; inside they are JSON."""
_SOCKET = re.compile(r"\.run_[0-9]{8}_[0-9]{6}_[0-9a-f]{8}\.sock", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one output folder."""

    output: Path

    @property
    def ledger(self) -> Path:
        """Numbers and history that outlive a run."""
        return self.output / "ledger.json"

    @property
    def ledger_lock(self) -> Path:
        """Held while the ledger is read, changed and written."""
        return self.output / ".ledger.lock"

    @property
    def counter(self) -> Path:
        """The highest number ever given out, for people and shell scripts."""
        return self.output / "download_counter.txt"

    @property
    def missing(self) -> Path:
        """What is missing since the newest run."""
        return self.output / "missing_models.json"

    @property
    def receipts(self) -> Path:
        """Receipts of all that was downloaded here."""
        return self.output / "downloaded_models.json"

    @property
    def pins_lock(self) -> Path:
        """Held while pins.yaml is read, changed and written."""
        return self.output / ".pins.lock"

    @property
    def links(self) -> Path:
        """Links that were made in ComfyUI's models/, for names that workflows have."""
        return self.output / "links.json"

    @property
    def links_lock(self) -> Path:
        """Held while links are made and taken back."""
        return self.output / ".links.lock"

    @property
    def for_mirrors(self) -> Path:
        """Files on their way into a bucket."""
        return self.caches / "mirror"

    @property
    def scan_cache(self) -> Path:
        """What was found in each workflow file, by the file's stamp."""
        return self.caches / "scan.json"

    @property
    def pack_cache(self) -> Path:
        """What the user's node packs say, by the stamps of their files."""
        return self.caches / "packs.json"

    @property
    def server_cache(self) -> Path:
        """What a running ComfyUI said of its nodes."""
        return self.caches / "server.json"

    @property
    def lock_cache(self) -> Path:
        """What the lock file says, by the hash of its text."""
        return self.caches / "lock.json"

    @property
    def lock_lock(self) -> Path:
        """Held while the lock file is written."""
        return self.output / ".manifest.lock"

    @property
    def rendered(self) -> Path:
        """What the files of the report were made of."""
        return self.caches / "rendered.json"

    @property
    def pieces(self) -> Path:
        """What each row of these files was made of, and how long it is."""
        return self.caches / "pieces.json"

    @property
    def records_cache(self) -> Path:
        """All records in one file, by the stamps of their own."""
        return self.caches / "records.json"

    @property
    def brought(self) -> Path:
        """Workflows that were named by their addresses, each in a folder of its own."""
        return self.caches / "workflows"

    @property
    def report(self) -> Path:
        """Where the results lie as files for others."""
        return self.output / "report"

    @property
    def sources(self) -> Path:
        """Where the records lie."""
        return self.output / "sources"

    @property
    def hashes(self) -> Path:
        """The sha256 of every file that was hashed, one JSON line each."""
        return self.caches / "hashes.jsonl"

    @property
    def doit_db(self) -> Path:
        """doit's own memory; losing it costs nothing."""
        return self.caches / "doit.json"

    @property
    def kept(self) -> Path:
        """The answer that there is nothing to do, by the stamps of what it was worked out from."""
        return self.caches / "kept.json"

    @property
    def search_log(self) -> Path:
        """Every query to every source, one JSON line each."""
        return self.output / "log" / "search_history.log"

    @property
    def qwen_log(self) -> Path:
        """Every Qwen exchange, readable."""
        return self.output / "log" / "qwen_search_history.log"

    @property
    def hashes_lock(self) -> Path:
        """Held while the hashes are written anew."""
        return self.caches / ".hashes.jsonl.lock"

    @property
    def searches(self) -> Path:
        """The last searches that found nothing that counts, a file for each model."""
        return self.caches / "searches"

    def search(self, model: Model) -> Path:
        """The last search of one model."""
        digest = hashlib.sha256(model.key.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        return self.searches / f"{file_slug(model.name)[:80]}-{digest}.json"

    @property
    def caches(self) -> Path:
        """Where all lies that costs nothing but time to lose."""
        return self.output / ".cache"

    @property
    def cached(self) -> tuple[Path, ...]:
        """Every file of the caches."""
        return (
            self.scan_cache, self.pack_cache, self.server_cache, self.lock_cache, self.hashes,
            self.kept, self.rendered, self.pieces, self.records_cache, self.doit_db,
        )  # fmt: skip

    @property
    def folders(self) -> tuple[Path, ...]:
        """Every folder of ours but the caches."""
        return tuple(
            self.output / name for name in ("engine", "log", "report", "sources", "verified")
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file of ours that has one name for all runs, but the caches and the locks."""
        return (
            self.ledger, self.counter, self.missing, self.receipts, self.links, self.search_log,
            self.qwen_log,
        )  # fmt: skip

    @property
    def locks(self) -> tuple[Path, ...]:
        """Every lock but that of the caches."""
        return (self.ledger_lock, self.pins_lock, self.links_lock, self.lock_lock)

    def run_log(self, stamp: str) -> Path:
        """The full log of the run that began at `stamp` (YYYYMMDD_HHMMSS)."""
        return self.output / "log" / f"run_{stamp}.log"

    def run_events(self, stamp: str) -> Path:
        """What the run that began at `stamp` tells while it works, one JSON line per event."""
        return self.output / "log" / f"run_{stamp}.events.jsonl"

    def control(self, name: str) -> Path | None:
        """The socket by which a run can be reached while it lives; None for no name of one."""
        return self.output / name if _SOCKET.fullmatch(name) else None

    def record(self, number: int, model: Model) -> Path:
        """The resolved-source record of a model."""
        return Path(self.targets(number, model)[0])

    def script(self, number: int, model: Model) -> Path:
        """The download script of a model."""
        return Path(self.targets(number, model)[1])

    def targets(self, number: int, model: Model) -> tuple[str, str]:
        """Record and script as plain strings: every command asks for those of every model."""
        name = f"{number:03d}_{file_slug(model.name)}"
        return f"{self.output}/sources/{name}.json", f"{self.output}/{script_name(number, model)}"

    def batch(self, number: int) -> Path:
        """The verdicts of one batch."""
        return self.output / "verified" / f"batch_{number:03d}.json"


def slug(text: str) -> str:
    """A name safe for tasks, files and shells: `[A-Za-z0-9._-]`, no leading `-` or `.`."""
    return _UNSAFE.sub("_", text).strip("_").lstrip("-.")[:120] or "model"


@functools.cache
def file_slug(name: str) -> str:
    """`rife49_pth` for `rife49.pth`."""
    return slug(name.replace(".", "_"))


def task_slug(model: Model) -> str:
    """`rife49` for `rife49.pth`."""
    return slug(endings.stem(model.name))


def store_receipt(store: Path, folder: str, path: str) -> Path:
    """One receipt per file, so that many writers of a shared store never meet in one.

    Its ending is none that other programs look for: they list `x.safetensors.json` as a model.
    """
    return store / STORE_STATE / "receipts" / slug(folder) / f"{path}{RECEIPT}"


def script_name(number: int, model: Model) -> str:
    """The name of the download script of a model, in `output/`."""
    return f"download_{number:03d}_{file_slug(model.name)}.sh"
