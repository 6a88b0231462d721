"""Setup: a manifest read, with the lock file that binds it and the model folders that it names.

Nothing is scanned. What the user should hear of it is handed to whoever reads it at once, since it
may end in a problem.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from comfyfix.comfyui.store import folders as comfyui_folders
from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.installation import Options
from comfyfix.comfyui.store.keys import BESIDE
from comfyfix.disk import looked
from comfyfix.disk.files import led_into
from comfyfix.errors import SetupProblem
from comfyfix.records import Reason, because
from comfyfix.settings import lockfile, obeying
from comfyfix.settings.lockfile import Lock
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.obeying import Mode
from comfyfix.settings.read import load
from comfyfix.state import links, order
from comfyfix.state.layout import Layout
from comfyfix.why import Why

_OF_COMFYUI = ("custom_nodes", "input", "temp", "user")
Hear = Callable[[Reason], object]
"""Takes what the user should hear, the moment that it is known."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A manifest, where it lies, and the folders that it names."""

    manifest_path: Path
    manifest: Manifest
    folders: Folders
    layout: Layout
    lock: Lock
    mode: Mode


def read_setup(manifest_path: Path, hear: Hear) -> Setup:
    """Read manifest and model folders. Raises SetupProblem."""
    return setup_of(load(manifest_path), manifest_path, hear)


def setup_of(manifest: Manifest, manifest_path: Path, hear: Hear) -> Setup:
    """Read the model folders of a manifest. Raises SetupProblem."""
    layout = Layout(Path(manifest.output))
    if not looked.is_dir(layout.output) and os.path.lexists(layout.output):
        raise unusable(NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)), layout)
    for remark in order.set_caches_right(layout):
        hear(remark)
    lock, mode = obeying.read(manifest, manifest_path, layout.lock_cache, os.environ)
    manifest = lockfile.applied(manifest, lock, alone=mode == "frozen")
    if manifest.is_demo:
        manifest, folders = _of_demo(manifest, hear)
    else:
        manifest = manifest if manifest.workflows else _with_default_workflows(manifest)
        folders = _folders(Path(manifest.comfyui), manifest, _options(manifest), hear)
        require_own_output(manifest, folders, manifest_path, os.path.normpath)
    for folder in manifest.also_look_in:
        if not looked.is_dir(folder):
            hear(because(Why.ALSO_LOOK_ABSENT, folder=folder))
    try:
        made_by_us = {link.link: link.target for link in links.load(layout)}
    except OSError as error:
        raise unusable(error, layout) from None
    folders = replace(folders, links=made_by_us)
    return Setup(manifest_path.absolute(), manifest, folders, layout, lock, mode)


def _folders(home: Path, manifest: Manifest, options: Options, hear: Hear) -> Folders:
    tier = Path(manifest.tiers.fast) if manifest.tiers.fast else None
    folders = comfyui_folders.read(
        home,
        map(Path, manifest.extra_model_paths),
        Path(manifest.store) if manifest.store else None,
        create_store=manifest.create_store,
        options=options,
        hear=hear,
        tier=tier,
    )
    if tier:
        _require_apart(tier, folders)
    return folders


def _require_apart(tier: Path, folders: Folders) -> None:
    """Raise SetupProblem where copies would lie among the models that they are copies of."""
    beside = (path for key in BESIDE for path in folders.paths.get(key, ()))
    for root in (*folders.roots(), folders.store, folders.models, *beside):
        if led_into(tier, root) or led_into(root, tier):
            raise SetupProblem(Why.TIER_INSIDE, path=tier, root=root)


def require_own_output(
    manifest: Manifest, folders: Folders, manifest_path: Path, follow: Callable[[str], str]
) -> None:
    """Raise SetupProblem where our state would lie among the pictures or models of ComfyUI.

    `follow` makes paths comparable: of each command by their text, of one that writes by the disk.
    """
    below = (folders.base / name for name in _OF_COMFYUI)
    pictures = manifest.output_directory or folders.base / "output"
    theirs = (folders.comfyui, folders.base, folders.models, folders.store, pictures, *below)
    output = follow(manifest.output)
    if any(output == follow(str(path)) for path in theirs):
        raise SetupProblem(Why.OUTPUT_OF_COMFYUI, file=manifest_path.name, path=manifest.output)


def _of_demo(manifest: Manifest, hear: Hear) -> tuple[Manifest, Folders]:
    """The manifest of the example and its folders, which may not be laid out yet."""
    from comfyfix.demo import example  # only the demo needs it

    looked.unsure()  # it is laid out while one looks
    home, manifest = example.seen(manifest)
    folders = _folders(home, manifest, Options(), hear)
    # What is written goes to its own place, also while it is not there yet.
    home = example.laid_out(manifest)
    models = home / "models"
    return manifest, replace(
        folders, store=models, default_root=models, written={}, base=home, models=models
    )


def _options(manifest: Manifest) -> Options:
    given = (manifest.base_directory, manifest.models_directory, manifest.output_directory)
    return Options(*(Path(path) if path else None for path in given))


def _with_default_workflows(manifest: Manifest) -> Manifest:
    place = Path(manifest.base_directory or manifest.comfyui) / "user" / "default" / "workflows"
    # Before the first workflow is saved there is no such folder; that is no mistake of a name.
    return msgspec.structs.replace(
        manifest, workflows=(str(place),) if looked.is_dir(place) else ()
    )


def unusable(error: OSError, layout: Layout) -> SetupProblem:
    """The problem that output/ can't be read or written."""
    path = error.filename or layout.output
    return SetupProblem(Why.OUTPUT_UNUSABLE, path=path, cause=error.strerror or str(error))
