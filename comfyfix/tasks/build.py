"""One build: the manifest read, the plan made, and what its actions share, made when needed."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from comfyfix.comfyui.store import folders as comfyui_folders
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.workflows import files as workflow_files
from comfyfix.disk import regular
from comfyfix.errors import SetupProblem
from comfyfix.net.origin import origin_of
from comfyfix.process import Children
from comfyfix.records import Record
from comfyfix.screen import words
from comfyfix.screen.console import choose
from comfyfix.screen.events import Events
from comfyfix.screen.lines import Console
from comfyfix.screen.text import warn
from comfyfix.settings.manifest import STORE_KEY, TOKEN_VARIABLES, Manifest
from comfyfix.settings.read import load
from comfyfix.stages import loaders as knowledge
from comfyfix.stages import plan as plan_stage
from comfyfix.stages import scan as scan_stage
from comfyfix.stages.report import Tally
from comfyfix.stages.scan import ScannedFile
from comfyfix.stages.work import Plan
from comfyfix.state import order, receipts
from comfyfix.state.layout import Layout, slug
from comfyfix.state.trust import Trust

if TYPE_CHECKING:
    from comfyfix.sources.base import Services

MANIFEST = "manifest.yaml"


@dataclass
class Build:
    """Everything that one doit process knows of one manifest."""

    manifest: Manifest
    folders: Folders
    layout: Layout
    scanned: list[ScannedFile]
    plan: Plan
    trust: Trust
    selected: str = ""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    children: Children = field(default_factory=Children)
    tally: Tally = field(default_factory=Tally)
    records: dict[str, Record] = field(default_factory=dict)
    stopping: bool = False
    live: bool = False

    def __post_init__(self) -> None:
        self.searches = threading.Semaphore(self.manifest.search.parallel)
        self.downloads = threading.Semaphore(self.manifest.download.parallel)
        self._services_lock = threading.Lock()

    @cached_property
    def console(self) -> Console:
        """Where the lines of this run go."""
        stamp = time.strftime("%Y%m%d_%H%M%S")
        return choose(self.layout.run_log(stamp), live=self.live)

    @cached_property
    def events(self) -> Events:
        """What tells the console of this run what happens."""
        return Events(self.console, self.folders.store)

    @cached_property
    def workflow_tasks(self) -> dict[str, str]:
        """Task names of workflows: the file's stem, made unique where two share it."""
        names: dict[str, str] = {}
        taken: set[str] = set()
        for file in self.scanned:
            whole = file.workflow.rpartition(".")[0] or file.workflow
            stem = slug(whole.rpartition("/")[2])
            if stem in taken:
                stem = slug(whole)
            while stem in taken:
                stem += "-2"
            names[file.workflow] = stem
            taken.add(stem)
        return names

    @cached_property
    def tokens(self) -> dict[str, str]:
        """The tokens of the environment, by source; the demo uses none."""
        if self.manifest.is_demo:
            return {}
        found = {
            source: self.environ.get(variable, "").strip()
            for source, variable in TOKEN_VARIABLES.items()
        }
        if not found["huggingface"]:
            found["huggingface"] = _token_of_login(self.environ)
        for source, token in found.items():
            if not re.fullmatch(r"[\x21-\x7e]*", token):
                raise SetupProblem(
                    f"The token in {TOKEN_VARIABLES[source]} is not usable",
                    cause="it holds a character that no token has",
                    next_step="set it again, without quotes or spaces",
                )
        return {source: token for source, token in found.items() if token}

    def services(self) -> Services:
        """What sources need; the first call opens sessions and, for the demo, starts the hub."""
        with self._services_lock:
            return self._services

    @cached_property
    def _services(self) -> Services:
        # 170 ms that only a search needs
        from comfyfix.net.http import Web  # noqa: PLC0415
        from comfyfix.sources.base import Services  # noqa: PLC0415

        manifest = self.manifest
        if manifest.is_demo:
            from comfyfix.demo import example  # noqa: PLC0415 - only the demo needs it

            manifest = example.start_hub(manifest, self.environ)
        return Services(
            manifest=manifest,
            folders=self.folders,
            layout=self.layout,
            web=Web(_by_origin(manifest, self.tokens), direct=manifest.is_demo),
            tokens=self.tokens,
            children=self.children,
            trust=self.trust,
            receipts=receipts.load(self.layout),
            qwen_gate=threading.Semaphore(manifest.qwen.parallel),
        )


def _trust(manifest: Manifest) -> Trust:
    """Take the key of the store out of the environment: no program that is started here gets it."""
    told = os.environ.pop(STORE_KEY, "").strip().encode()
    if told:
        _keys[:] = [told]
    key = _keys[0] if _keys else b""
    return Trust(manifest.verify.receipts, manifest.verify.identity, key)


def _by_origin(manifest: Manifest, tokens: Mapping[str, str]) -> dict[str, str]:
    """Which origin may see which token; one that serves several services sees the first.

    Qwen's is not among them: it is sent by the questions to Qwen alone, and they send no other.
    """
    places = (
        (manifest.endpoints.huggingface, "huggingface"),
        (manifest.endpoints.civitai, "civitai"),
    )
    found: dict[str, str] = {}
    for url, source in places:
        if url and tokens.get(source):
            found.setdefault(origin_of(url), tokens[source])
    return found


def _token_of_login(environ: Mapping[str, str]) -> str:
    """The token that `hf auth login` wrote, where that command keeps it."""
    cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(environ.get("HF_HOME") or cache / "huggingface")
    path = Path(environ.get("HF_TOKEN_PATH") or home / "token")
    try:
        return regular.text(path, encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return ""  # nobody has logged in, or it was another user
    except (OSError, UnicodeDecodeError) as error:
        cause = "it is not text" if isinstance(error, UnicodeDecodeError) else error.strerror
        if isinstance(error, regular.NotRegular):
            cause = words.sentence(error.reason)
        raise SetupProblem(
            f"The token file {path} can't be read",
            cause=cause or str(error),
            next_step="run `hf auth login` again, or set HF_TOKEN",
        ) from None


def read_setup(manifest_path: Path) -> tuple[Manifest, Folders, Layout]:
    """Read manifest and model folders; for the demo, lay out its example first.

    Raises SetupProblem.
    """
    manifest = load(manifest_path)
    layout = Layout(Path(manifest.output))
    for line in order.set_right(layout):
        warn(f"! {words.sentence(line)}")
    home = Path(manifest.comfyui)
    if not manifest.is_demo and not manifest.workflows:
        manifest = _with_default_workflows(manifest)
    if manifest.is_demo:
        from comfyfix.demo import example  # noqa: PLC0415 - only the demo needs it

        home, manifest = example.comfyui(manifest), example.prepare(manifest)
    folders = comfyui_folders.read(
        home,
        map(Path, manifest.extra_model_paths),
        Path(manifest.store) if manifest.store else None,
        create_store=manifest.create_store,
    )
    return manifest, folders, layout


def _with_default_workflows(manifest: Manifest) -> Manifest:
    place = Path(manifest.comfyui) / "user" / "default" / "workflows"
    # Before the first workflow is saved there is no such folder; that is no mistake of a name.
    return msgspec.structs.replace(manifest, workflows=(str(place),) if place.is_dir() else ())


def open_build(manifest_path: Path, workflow: str | None = None) -> Build:
    """Read, scan and plan. `workflow` adds a file and selects its models. Raises SetupProblem."""
    manifest, folders, layout = read_setup(manifest_path)
    places = list(manifest.workflows)
    if workflow:
        named = os.path.abspath(workflow)  # noqa: PTH100 - links in the path are left as they are
        if not Path(named).is_file():
            raise SetupProblem(workflow_files.why_no_file(named), path=workflow)
        places.append(named)
    files = workflow_files.find(places)
    if not files:
        raise SetupProblem(
            "There are no workflows",
            cause=f"no workflow file in {', '.join(manifest.workflows) or manifest.comfyui}",
            next_step="save a workflow in ComfyUI, or set `workflows:` in manifest.yaml",
        )
    try:
        _make_output(layout)
        known = knowledge.gather(folders, layout, manifest.comfyui_url)
        folders = known.folders
        scanned = scan_stage.scan(files, layout.scan_cache, known.loaders)
        trust = _trust(manifest)
        plan = plan_stage.make(manifest, folders, scanned, layout, trust)
    except OSError as error:
        raise _unusable(error, layout) from None
    told = words.sentence(known.warning) if known.warning else ""
    for warning in (told, _unsearched(folders, plan)):
        if warning:
            warn(f"! {warning}")
    build = Build(manifest, folders, layout, scanned, plan, trust)
    if workflow:
        chosen = next(file for file in scanned if file.path == named)
        if not chosen.is_workflow:
            raise SetupProblem(f"{workflow} holds no workflow", next_step="check the file name")
        build.selected = chosen.workflow
    build.tokens  # noqa: B018 - an unusable token is told now, not in the middle of a run
    return build


def _unsearched(folders: Folders, plan: Plan) -> str:
    """What to tell ComfyUI of a store that it does not look into, empty if it does."""
    if folders.searched is None:
        return ""
    needed = {planned.model.folder for planned in plan.models}
    keys = sorted(key for key in needed if key and key not in folders.searched)
    if not keys:
        return ""
    lines = [f"  {key}: {folders.destination(key, '')}".rstrip("/") for key in keys]
    return (
        f"ComfyUI does not look into the store {folders.store}. "
        f"Next: add to {folders.comfyui}/extra_model_paths.yaml\n"
        + "\n".join(["comfyfix:", *lines])
    )


def open_store(manifest_path: Path) -> Build:
    """Read the model folders alone: a store can be looked at without workflows.

    Raises SetupProblem.
    """
    manifest, folders, layout = read_setup(manifest_path)
    try:
        _make_output(layout)
        known = knowledge.gather(folders, layout, manifest.comfyui_url)
    except OSError as error:
        raise _unusable(error, layout) from None
    nothing = Plan(models=(), present=(), workflows={}, unreadable=())
    build = Build(manifest, known.folders, layout, [], nothing, _trust(manifest))
    build.tokens  # noqa: B018 - an unusable token is told now, not in the middle of a run
    return build


def _make_output(layout: Layout) -> None:
    """Make output/, if it can be: a command that only looks does without. Raises OSError."""
    try:
        layout.output.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise
    except OSError:
        return


def unwritten(build: Build) -> SetupProblem | None:
    """What keeps this build from being noted down, for a run that can't do without."""
    error = build.plan.unwritten
    return _unusable(error, build.layout) if error else None


def _unusable(error: OSError, layout: Layout) -> SetupProblem:
    return SetupProblem(
        f"{error.filename or layout.output} can't be read or written",
        cause=str(error.strerror or error),
        next_step="set `output:` in manifest.yaml to a folder that you may write",
    )


_keys: list[bytes] = []
_opened: list[Build] = []
_loaded: list[bool] = []


@contextlib.contextmanager
def commands_loaded() -> Iterator[None]:
    """Note for a while that doit runs by our commands, not by its own alone."""
    _loaded.append(True)
    try:
        yield
    finally:
        _loaded.pop()


def are_commands_loaded() -> bool:
    """Tell whether doit knows our commands."""
    return bool(_loaded)


def remember(build: Build) -> Build:
    """Keep the build that the dodo has opened, for commands and reporter."""
    _opened[:] = [build]
    return build


def current() -> Build | None:
    """The build that the dodo has opened in this process, if any."""
    return _opened[0] if _opened else None
