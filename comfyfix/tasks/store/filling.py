"""Filling a mirror: what is not on this machine is fetched by the script that a run would use."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from comfyfix.errors import ModelProblem, Problem, unwritable
from comfyfix.mirrors.holders import FolderHolder, Holder, OtherBytes
from comfyfix.net.buckets import BucketFailed
from comfyfix.outcomes import Outcome
from comfyfix.process import require
from comfyfix.records import Reason, Record, because
from comfyfix.screen import words
from comfyfix.script import render
from comfyfix.settings.mirror import name_of
from comfyfix.stages.download import fetch as fetch_stage
from comfyfix.stages.download.slots import Slot, Slots
from comfyfix.stages.download.talk import Talk
from comfyfix.stages.lock import mirroring
from comfyfix.stages.lock.mirroring import Content, Done, Filled
from comfyfix.state.hashing import Halted
from comfyfix.tasks.run.running import Run
from comfyfix.why import Why

T = TypeVar("T")
W = TypeVar("W")


def fill(run: Run, filled: Filled, holder: Holder, tell: Callable[[Content, Done], object]) -> None:
    """Put all that is needed into a mirror, several at a time; `tell` is called in one thread.

    Raises Stopped; what is there by then stays, and what has arrived of a download is kept.
    """

    def put(content: Content) -> Done:
        return mirroring.put(content, holder, partial(_fetch, run, holder))

    def settle(content: Content, done: Done) -> None:
        filled.done[content.sha256] = done
        tell(content, done)

    by_hash = {content.sha256: content for content in filled.contents}
    _side_by_side(run, filled, by_hash, put, settle)


def verify(run: Run, filled: Filled, holder: Holder) -> None:
    """Hash all that a mirror has, and note what it lacks. Raises Stopped, OSError, BucketFailed."""
    sizes = dict(holder.listed())
    filled.absent = [content for content in filled.contents if content.sha256 not in sizes]

    def settle(sha256: str, found: str) -> None:
        filled.verified += 1
        if found != sha256:
            filled.wrong[sha256] = sizes[sha256]

    _side_by_side(run, filled, {sha256: sha256 for sha256 in sizes}, holder.hash_of, settle)


def _side_by_side(
    run: Run,
    filled: Filled,
    items: Mapping[str, W],
    work: Callable[[W], T],
    settle: Callable[[W, T], None],
) -> None:
    """Do the work for each item, by its hash; what has failed is noted, and the others go on."""
    pool = ThreadPoolExecutor(run.project.manifest.download.parallel, thread_name_prefix="mirror")
    try:
        futures = {pool.submit(work, item): (sha256, item) for sha256, item in items.items()}
        for future in as_completed(futures):
            sha256, item = futures[future]
            try:
                settle(item, future.result())
            except (Problem, OSError, BucketFailed, OtherBytes, Halted) as error:
                filled.failed[sha256] = _reason(error, filled.place)
    except BaseException:
        run.stopping = True
        run.children.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _reason(error: Exception, place: str) -> Reason:
    if isinstance(error, Problem | BucketFailed):
        return error.reason
    if isinstance(error, OSError):
        return unwritable(error, place).reason
    return because(Why.MIRROR_CHANGED)


def _fetch(run: Run, holder: Holder, content: Content, record: Record) -> None:
    """Fetch a file from its address: into a folder at once, for a bucket into one of ours."""
    run.policy.require(record)
    if isinstance(holder, FolderHolder):
        _by_script(run, record, holder.ready(content.sha256))
        return
    path = run.project.layout.for_mirrors.absolute() / name_of(content.sha256)
    _by_script(run, record, path)
    try:
        mirroring.put_file(content, path, holder)
    finally:
        path.unlink(missing_ok=True)


def _by_script(run: Run, record: Record, path: Path) -> None:
    """Run the script of a record for another place, as one that lies nowhere. Raises Problem."""
    if run.stopping:
        raise ModelProblem(Outcome.DOWNLOAD_FAILED, Why.STOPPED)
    require("bash", "curl")
    manifest = run.services().manifest
    placed = msgspec.structs.replace(record, destination=str(path), store=str(path.parent))
    path.parent.mkdir(parents=True, exist_ok=True)
    env = fetch_stage.environment(
        run.environ,
        placed,
        manifest.endpoints,
        run.project.tokens,
        folder=Path(os.path.realpath(path.parent)),
        demo=manifest.is_demo,
    )
    script = render.alone(placed, manifest)
    here = fetch_stage.Here(run.children, env, run.services().relay, script)
    talk = Talk.about(
        placed,
        lambda _said: None,
        Slot(Slots()),
        pickle="allow",  # whoever takes it from there looks into it
        words=words.sentence,
    )
    fetch_stage.fetch(placed, path, talk, here, signs=False)
