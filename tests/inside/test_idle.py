"""The answer "nothing to do" is kept, and given again only while nothing could say otherwise."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from comfyfix import project as projects
from comfyfix.demo.hub import Hub
from comfyfix.disk import looked
from comfyfix.screen.words import t
from comfyfix.state import kept
from tests.inprocess import InProcess, Ran

FETCHED, THERE = "rife49.pth", "there.safetensors"
PACK = """
class A:
    INPUT_TYPES = lambda: {"required": {"x": (folder_paths.get_filename_list("vae"),)}}
"""


def nothing(command: tuple[str, ...], models: int = 3) -> str:
    """What a command says where there is nothing to do, and nothing to say besides."""
    if command:
        return t("Nothing is pending: all {count} needed models are present.", count=models)
    return t("Nothing to do: the {count} needed models are present.", count=models)


class Idle:
    """A project without work. A fresh file counts at once, or each test would wait two seconds."""

    def __init__(self, site: InProcess, patch: pytest.MonkeyPatch) -> None:
        self.site = site
        self.opened = 0
        self.models = 3
        self.kept = site.output / ".cache" / "kept.json"
        really = projects.open_project

        def counted(*arguments: object, **named: object) -> projects.Project:
            self.opened += 1
            return really(*arguments, **named)  # type: ignore[arg-type]

        patch.setattr(projects, "open_project", counted)
        patch.setattr(looked, "SETTLED_NS", -(10**18))

    def settle(self, **extra: str) -> None:
        """Run until the answer is kept, and given."""
        for _ in range(6):
            assert self.site.run(**extra).code == 0
            if self.is_told(**extra):
                return
        raise AssertionError("no answer is kept")

    def is_told(self, *command: str, **extra: str) -> bool:
        """Run a command; tell whether it gave the kept answer, which has to be that one."""
        before = self.opened
        ran = self.site.run(*command, **extra)
        told = self.opened == before
        if told:
            assert (ran.code, ran.err, ran.out.strip()) == (0, "", nothing(command, self.models)), (
                ran
            )
        return told

    def holds_no_more(self, what: str, **extra: str) -> None:
        """The next `list` and `doit` look for themselves, and say what they say without it."""
        for command in (("list",), ()):
            before, safe = self.opened, self.kept.read_bytes()
            with_it = self.site.run(*command, **extra)
            assert self.opened > before, f"{what}: {command} has not looked"
            if command:  # a run may have mended it
                self.kept.unlink(missing_ok=True)
                assert _same(with_it, self.site.run(*command, **extra)), what
                self.kept.write_bytes(safe)


def _same(one: Ran, other: Ran) -> bool:
    return (one.code, one.out, one.err) == (other.code, other.out, other.err)


@pytest.fixture
def idle(inprocess: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Idle]:
    hub.add("AlexWortega/RIFE", [FETCHED])
    inprocess.workflow("w.json", ("upscale_models", FETCHED), ("loras", THERE))
    inprocess.put("loras", THERE)
    folder = inprocess.models / "diffusers" / "tiny"
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    node = {"class_type": "DiffusersLoader", "inputs": {"model_path": "tiny"}}
    (inprocess.workflows / "folder.json").write_text(json.dumps({"1": node}))
    (inprocess.comfyui / "custom_nodes" / "pack").mkdir(parents=True)
    (inprocess.comfyui / "custom_nodes" / "pack" / "nodes.py").write_text(PACK)
    idle = Idle(inprocess, monkeypatch)
    idle.settle()
    yield idle


def test_the_answer_is_given_again(idle: Idle) -> None:
    log = idle.site.output / "log"
    before = len(list(log.glob("run_*")))
    for command in ((), ("list",), ()):
        assert idle.is_told(*command)
    assert idle.site.run("list", "-q").out == ""
    assert len(list(log.glob("run_*"))) >= before


def _anew(path: Path, data: bytes) -> None:
    """Write until the system tells another time, however coarse its clock is."""
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if nothing had been


def _swap(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert len(old) == len(new) and old in data
    _anew(path, data.replace(old, new))


def _flip(path: Path) -> None:
    data = path.read_bytes()
    _anew(path, data[:-1] + bytes([data[-1] ^ 1]))


CHANGES: dict[str, Callable[[InProcess], object]] = {
    "a workflow of the same size": lambda s: _swap(s.workflows / "w.json", b"rife49", b"rife48"),
    "a new workflow": lambda s: s.workflow("new.json", ("loras", "new.safetensors")),
    "one in a new folder": lambda s: s.workflow("a/b/new.json", ("loras", "new.safetensors")),
    "no workflow": lambda s: (s.workflows / "w.json").rename(s.root / "w.json"),
    "a model gone": lambda s: (s.models / "upscale_models" / FETCHED).unlink(),
    "one that was there gone": lambda s: (s.models / "loras" / THERE).unlink(),
    "a model of the same size and time": lambda s: _flip(s.models / "upscale_models" / FETCHED),
    "a model that is a folder": lambda s: (
        s.models / "diffusers" / "tiny" / "model_index.json"
    ).unlink(),
    "another model folder": lambda s: _moved(s.models / "upscale_models", s.root / "elsewhere"),
    "a record gone": lambda s: next((s.output / "sources").iterdir()).unlink(),
    "a broken record": lambda s: next((s.output / "sources").iterdir()).write_text("{"),
    "a script gone": lambda s: next(s.output.glob("download_*.sh")).unlink(),
    "an engine gone": lambda s: next((s.output / "engine").iterdir()).unlink(),
    "no receipts": lambda s: (s.output / "downloaded_models.json").unlink(),
    "no ledger": lambda s: (s.output / "ledger.json").unlink(),
    "no list of what is missing": lambda s: (s.output / "missing_models.json").unlink(),
    "no report": lambda s: (s.output / "report" / "report.json").unlink(),
    "a part that was left": lambda s: (
        s.models / "upscale_models" / f"{FETCHED}.nohash.x.1.part"
    ).write_bytes(b"x"),
    "a pack's file": lambda s: _swap(
        s.comfyui / "custom_nodes" / "pack" / "nodes.py", b"vae", b"vaz"
    ),
    "a new pack": lambda s: (s.comfyui / "custom_nodes" / "one.py").write_text(PACK),
    "a new file of a pack": lambda s: (s.comfyui / "custom_nodes" / "pack" / "b.py").write_text(""),
    "extra_model_paths.yaml": lambda s: (s.comfyui / "extra_model_paths.yaml").write_text(
        f"a:\n  base_path: {s.root}\n  loras: more\n"
    ),
    "the manifest": lambda s: _swap(s.root / "manifest.yaml", b'"retries": 1', b'"retries": 2'),
    "pins": lambda s: (s.root / "pins.yaml").write_text(
        f"models:\n  {FETCHED}:\n    sha256: {'0' * 64}\n"
    ),
    "links": lambda s: (s.output / "links.json").write_text("{}"),
    "a login": lambda s: _put(s.home / ".cache" / "huggingface" / "token", "hf_x"),
}


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)


def _moved(path: Path, aside: Path) -> None:
    path.rename(aside)
    path.symlink_to(aside)


def _saved(site: InProcess, aside: Path) -> Callable[[], None]:
    """Keep all files as they are; returns what puts them back."""
    places = [site.comfyui, site.output, site.home]
    for place in places:
        shutil.copytree(place, aside / place.name, symlinks=True)
    texts = {name: (site.root / name).read_bytes() for name in ("manifest.yaml",)}

    def back() -> None:
        for place in places:
            shutil.rmtree(place)
            shutil.copytree(aside / place.name, place, symlinks=True)
        for name, data in texts.items():
            (site.root / name).write_bytes(data)
        for extra in (site.root / "pins.yaml", site.root / "w.json"):
            extra.unlink(missing_ok=True)
        shutil.rmtree(site.root / "elsewhere", ignore_errors=True)

    return back


def test_whatever_is_changed_is_seen(idle: Idle, tmp_path: Path) -> None:
    back = _saved(idle.site, tmp_path / "aside")
    for what, change in CHANGES.items():
        assert idle.is_told("list"), what
        change(idle.site)
        idle.holds_no_more(what)
        back()
        # What is copied back has other inodes, and no receipt of ours is for those.
        (idle.site.root / "manifest.yaml").write_text(
            json.dumps(
                json.loads((idle.site.root / "manifest.yaml").read_text())
                | {"verify": {"identity": "mtime"}}
            )
        )
        idle.settle()


@pytest.mark.soak
@pytest.mark.parametrize(
    "extra",
    [
        {"HF_ENDPOINT": "http://127.0.0.1:9"},
        {"HF_TOKEN": "hf_" + "x" * 20},
        {"HF_TOKEN": "no token"},
        {"COMFYUI_PATH": "/nowhere"},
        {"COMFYFIX_STORE_KEY": "key"},
        {"COMFYFIX_OFFLINE": "1"},
        {"ANY": "thing"},
    ],
    ids=str,
)
def test_a_variable_that_is_set_is_seen(idle: Idle, extra: dict[str, str]) -> None:
    idle.holds_no_more(str(extra), **extra)


def test_a_terminal_of_another_kind_is_no_matter(idle: Idle) -> None:
    assert idle.is_told("list", TERM="xterm", PWD="/x", COLUMNS="80", SSH_TTY="/dev/pts/1")


def test_a_variable_of_a_terminal_counts_where_a_text_names_variables(idle: Idle) -> None:
    (idle.site.models / "tmux").mkdir()
    idle.site.manifest(also_look_in=["${TMUX_PLACE}"])
    place = {"TMUX_PLACE": str(idle.site.models / "tmux")}
    idle.settle(**place)
    idle.holds_no_more("another value", TMUX_PLACE=str(idle.site.models))


def test_the_key_is_taken_and_what_stands_in_the_cache_tells_nothing(idle: Idle) -> None:
    secrets = {"COMFYFIX_STORE_KEY": "a-canary-key", "HF_TOKEN": "hf_canarycanary"}
    idle.settle(**secrets)
    assert b"canary" not in idle.kept.read_bytes()
    idle.holds_no_more("another key", **secrets | {"COMFYFIX_STORE_KEY": "b-canary-key"})


def test_another_program_looks_for_itself(idle: Idle, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(kept, "__version__", "0.0.0")
        idle.holds_no_more("version")
    idle.settle()
    with monkeypatch.context() as patch:
        patch.setattr(kept, "stamp_of_code", lambda: "another")
        idle.holds_no_more("code")


def test_what_doit_was_told_is_seen(idle: Idle) -> None:
    assert idle.site.run("ignore", "verify:present").code == 0
    idle.holds_no_more("ignored")
    assert idle.site.run("forget", "--all").code == 0
    idle.holds_no_more("forgotten")


MORE = ["-a", "download:rife49", "workflow:w", "-r json", "-s download:rife49", "-o out.txt"]


@pytest.mark.soak
@pytest.mark.parametrize("arguments", MORE)
def test_who_asks_for_more_gets_more(idle: Idle, arguments: str) -> None:
    before = idle.opened
    assert idle.site.run(*arguments.split()).code == 0
    assert idle.opened > before


def test_a_workflow_on_the_command_line_is_looked_at(idle: Idle) -> None:
    other = idle.site.root / "other.json"
    shutil.copy(idle.site.workflow("x.json", ("loras", "other.safetensors")), other)
    (idle.site.workflows / "x.json").unlink()
    idle.settle()
    listed = idle.site.run("list", "-q", f"workflow={other}")
    assert listed.out.split() == ["download:other"]


def test_a_lock_file_is_an_input_too(idle: Idle) -> None:
    (idle.site.workflows / "folder.json").unlink()
    idle.models = 2
    idle.settle()
    assert idle.site.run("lock").code == 0
    idle.holds_no_more("a lock file")
    idle.settle()
    idle.settle(COMFYFIX_FROZEN="1")
    idle.holds_no_more("not frozen")
    idle.settle(COMFYFIX_FROZEN="1")
    lock = idle.site.root / "manifest.lock.yaml"
    _swap(lock, THERE.encode(), THERE.upper().encode())
    idle.holds_no_more("another name", COMFYFIX_FROZEN="1")


@pytest.mark.soak
@pytest.mark.parametrize("why", ["unreadable", "refused", "remark", "glob", "part", "temporary"])
def test_what_is_told_besides_is_told_each_time(idle: Idle, why: str) -> None:
    site = idle.site
    if why == "unreadable":
        (site.workflows / "broken.json").write_text("{")
    elif why == "refused":
        (site.models / "loras" / "sub").mkdir()
        shutil.copy(site.models / "loras" / THERE, site.models / "loras" / "sub" / THERE)
        site.workflow("back.json", ("loras", f"sub\\{THERE}"))
    elif why == "remark":
        site.manifest(also_look_in=["nowhere"])
    elif why in ("part", "temporary"):  # of another machine, so nobody can tell whether it lives
        name = f"{FETCHED}.nohash.elsewhere.1.part"
        place = site.models / "upscale_models" / name
        if why == "temporary":
            place = site.output / ".ledger.json.elsewhere.1.abcdefgh.tmp"
        place.write_bytes(b"x")
    else:
        site.manifest(workflows=[f"{site.workflows}/*.json"])
    told = [site.run(*command) for command in ((), ("list",)) for _ in range(3)]
    before = idle.opened
    again = [site.run(*command) for command in ((), ("list",))]
    assert idle.opened >= before + (1 if why in ("part", "temporary") else 2)  # not `list`'s affair
    assert [(r.code, r.out, r.err) for r in again] == [(r.code, r.out, r.err) for r in told[2::3]]


def test_a_model_from_the_future_is_as_good_as_any(
    idle: Idle, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = time.time_ns() + 10**18
    os.utime(idle.site.models / "loras" / THERE, ns=(ahead, ahead))
    idle.settle()
    idle.kept.unlink()
    monkeypatch.setattr(looked, "SETTLED_NS", -(10**8))
    assert idle.site.run("list").code == 0
    assert idle.is_told("list")


def test_what_is_too_fresh_is_not_trusted(idle: Idle, monkeypatch: pytest.MonkeyPatch) -> None:
    idle.kept.unlink()
    monkeypatch.setattr(looked, "SETTLED_NS", 3600 * 10**9)
    assert idle.site.run("list").code == 0
    assert not idle.kept.exists()


@pytest.mark.soak
@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"{"),
        lambda path: path.write_bytes(b"[" * 100_000),
        lambda path: (path.unlink(), subprocess.run(["mkfifo", path], check=True)),
        lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":9')),
    ],
)
def test_an_odd_file_in_its_place_is_no_answer(idle: Idle, spoil: Callable[[Path], object]) -> None:
    spoil(idle.kept)
    before = idle.opened
    ran = idle.site.run("list")
    assert idle.opened > before
    assert ran.out.strip() == nothing(("list",))


def test_an_answer_of_another_project_is_none(idle: Idle, hub: Hub, tmp_path: Path) -> None:
    """As one that comes with a repository: its stamps are those of another disk."""
    told = msgspec.json.decode(idle.kept.read_bytes())
    told["answer"]["about"] = f":{tmp_path / 'other' / 'manifest.yaml'}"
    told["folders"] = {str(tmp_path): ["nothing"]}
    idle.kept.write_bytes(msgspec.json.encode(told))
    idle.holds_no_more("about")
    told["answer"]["about"] = f":{idle.site.root / 'manifest.yaml'}"
    idle.kept.write_bytes(msgspec.json.encode(told))
    idle.holds_no_more("stamps")


def test_an_output_elsewhere_is_found(idle: Idle) -> None:
    (idle.site.root / "manifest.yaml").write_text(
        (idle.site.root / "manifest.yaml").read_text().replace("{", '{"output": "of mine/out",', 1)
    )
    for _ in range(3):
        idle.site.run()
    assert (idle.site.root / "of mine" / "out" / ".cache" / "kept.json").exists()
    assert idle.is_told("list")


def test_who_has_no_work_loads_nothing_that_asks_or_draws() -> None:
    """Of `creators` every command needs all, of the commands' own doors those without work."""
    slow = {"requests", "urllib3", "jinja2", "rich", "PIL", "filelock", "mutagen", "asyncio"}
    names = ("commands.list", "commands.run", "declare.loading", "declare.manifest_loader")
    doors = tuple(f"comfyfix.tasks.{name}" for name in names)
    for modules, none_of in (
        (("comfyfix.tasks.declare.creators",), slow),
        (doors, slow | {"yaml", "comfyfix.project", "comfyfix.setup", "comfyfix.comfyui"}),
    ):
        code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
        argv = [sys.executable, "-c", code]
        loaded = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()
        assert not none_of.intersection(loaded)


def test_all_that_is_asked_of_the_disk_is_noted(
    idle: Idle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who adds a look at the disk to the way of every command has to note it there."""
    root, asked = str(idle.site.root), set[str]()

    def watched(really: Callable[..., object]) -> Callable[..., object]:
        def asking(path: object = ".", *more: object, **named: object) -> object:
            if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(root):
                asked.add(os.path.normpath(os.fspath(path)))
            return really(path, *more, **named)

        return asking

    for command in ((), ("list",)):
        idle.kept.unlink()
        asked.clear()
        with monkeypatch.context() as patch:
            for name in ("stat", "lstat", "scandir", "listdir", "open", "readlink"):
                patch.setattr(os, name, watched(getattr(os, name)))
            idle.site.run(*command)
        noted = msgspec.json.decode(idle.kept.read_bytes())["folders"]
        paths = {f"{folder}/{name}" for folder, names in noted.items() for name in names}
        above = {str(folder) for path in paths for folder in Path(path).parents}
        output = str(idle.site.output)
        ours = (f"{output}/.cache", f"{output}/log", f"{output}/.")  # caches, logs, locks
        left = {path for path in asked - paths - above if not path.startswith(ours)}
        assert not left, command
