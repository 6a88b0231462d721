"""A project folder to run the real program in: a ComfyUI, workflows, a manifest, and doit."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from comfyfix.disk.files import sha256_of, write_atomic
from comfyfix.records import Record
from comfyfix.script import engine, render
from comfyfix.settings.manifest import Download, Manifest

REPO = Path(__file__).resolve().parents[1]
PROGRAM = (sys.executable, "-m", "doit")
LOADERS = {  # folder → (node type, input) of ComfyUI's core
    "checkpoints": ("CheckpointLoaderSimple", "ckpt_name"),
    "loras": ("LoraLoaderModelOnly", "lora_name"),
    "vae": ("VAELoader", "vae_name"),
    "upscale_models": ("UpscaleModelLoader", "model_name"),
    "diffusion_models": ("UNETLoader", "unet_name"),
    "text_encoders": ("CLIPLoader", "clip_name"),
    "controlnet": ("ControlNetLoader", "control_net_name"),
}
FOLDS = {  # what opens and what closes a fold, by the variable of the service that has it
    "GITHUB_ACTIONS": (re.compile("^::group::", re.M), re.compile("^::endgroup::", re.M)),
    "GITLAB_CI": (re.compile("section_start:"), re.compile("section_end:")),
}
Need = tuple[str, str]  # folder, value
ENDED = ("", "Z", "X")  # states of a process that runs no more


def ui_workflow(needs: Iterable[Need], urls: dict[str, str] | None = None) -> dict[str, Any]:
    """Make a UI workflow that loads these models; `urls` embeds addresses by value."""
    nodes = []
    for number, (folder, value) in enumerate(needs, 1):
        node: dict[str, Any] = {
            "id": number,
            "type": LOADERS[folder][0],
            "mode": 0,
            "inputs": [],
            "outputs": [],
            "properties": {},
            "widgets_values": [value],
        }
        if urls and value in urls:
            node["properties"]["models"] = [
                {"name": value, "url": urls[value], "directory": folder}
            ]
        nodes.append(node)
    return {"version": 0.4, "nodes": nodes, "links": [], "groups": [], "extra": {}}


def put_script(path: Path, record: Record, *, alone: bool = False, **settings: Any) -> Path:
    """Write the script of a record, and the engine beside it, as the program would.

    `alone`: one with the engine in itself. `settings` are those of `download:`.
    """
    manifest = Manifest(comfyui="-", download=Download(**settings))
    text = (render.alone if alone else render.render)(record, manifest)
    if not alone:
        engine.put(path.parent)
    write_atomic(path, text.encode(), mode=0o777)
    return path


class Site:
    """One project folder."""

    def __init__(self, root: Path, hub: Hub | None = None) -> None:
        self.root = root
        self.hub = hub
        self.comfyui = root / "ComfyUI"
        self.models = self.comfyui / "models"
        self.workflows = self.comfyui / "user" / "default" / "workflows"
        self.output = root / "output"
        for folder in (self.models, self.workflows):
            folder.mkdir(parents=True)
        for name in ("dodo.py", "pyproject.toml"):
            (root / name).write_bytes((REPO / name).read_bytes())
        self.home = root / "home"
        self.home.mkdir()
        self.manifest()
        self._started: list[subprocess.Popen[str]] = []

    def close(self) -> None:
        """Kill what a failed test has left running."""
        for process in self._started:
            if process.poll() is None:
                kill_hard(process)

    def manifest(self, **settings: Any) -> None:
        """Write manifest.yaml; JSON is YAML."""
        value: dict[str, Any] = {"comfyui": "ComfyUI", "download": {"retries": 1, "reserve": 0}}
        if self.hub:
            names = ("huggingface", "civitai", "openmodeldb")
            value["endpoints"] = dict.fromkeys(names, self.hub.url)
        for key, given in settings.items():
            value[key] = {**value.get(key, {}), **given} if isinstance(given, dict) else given
        (self.root / "manifest.yaml").write_text(json.dumps(value, indent=1))

    def workflow(self, name: str, *needs: Need, urls: dict[str, str] | None = None) -> Path:
        """Save a UI workflow."""
        path = self.workflows / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(ui_workflow(needs, urls)))
        return path

    def put(self, folder: str, name: str, data: bytes | None = None) -> Path:
        """Put a model file into the store."""
        path = self.models / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_for(path.name) if data is None else data)
        return path

    def environment(self, **extra: str) -> dict[str, str]:
        """Nothing of the user's own, and no way out but loopback."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "error::ResourceWarning",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "COMFYFIX_PAUSE": "0",
            "COMFYFIX_WORDS": os.environ.get("COMFYFIX_WORDS", ""),
            **extra,
        }

    def doit(
        self, *arguments: str, program: Sequence[str] = PROGRAM, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        """Run doit to its end."""
        return subprocess.run(
            [*program, *arguments],
            cwd=self.root,
            env=self.environment(**extra),
            capture_output=True,
            check=False,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=280,
        )

    def start(self, *arguments: str, **extra: str) -> subprocess.Popen[str]:
        """Start doit and leave it running, as the leader of a group of its own."""
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=self.root,
            env=self.environment(**extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def script(self, path: Path, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a download script by hand, from another directory."""
        return subprocess.run(
            ["bash", str(path)],
            cwd="/",
            env=self.environment(**{"HF_ENDPOINT": self.hub.url if self.hub else "", **extra}),
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )

    def files(self) -> dict[str, str]:
        """The sha256 of every file of the model folders but our own receipts, by relative path.

        No contents: of two that differ pytest would draw all the differences, for minutes.
        """
        return {
            str(path.relative_to(self.models)): sha256_of(path)
            for path in sorted(self.models.rglob("*"))
            if path.is_file() and ".comfyfix" not in path.parts
        }

    def pending(self) -> list[str]:
        """The names that `doit list -q` prints."""
        done = self.doit("list", "-q")
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def state(self, name: str) -> Any:
        """One of the files in output/, decoded."""
        return json.loads((self.output / name).read_bytes())


def children_of(pid: int) -> list[int]:
    """Every live descendant of a process, by /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            state, parent = _stat(int(entry.name))
            if state not in ENDED:
                parents[int(entry.name)] = parent
    found: list[int] = []
    front = [pid]
    while front:
        front = [child for child, parent in parents.items() if parent in front]
        found += front
    return found


def is_alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie does not)."""
    return _stat(pid)[0] not in ENDED


def is_zombie(pid: int) -> bool:
    """Tell whether a process has ended and nobody has asked how."""
    return _stat(pid)[0] == "Z"


def _stat(pid: int) -> tuple[str, int]:
    """State and parent of a process; no state for one that is not there."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", 0
    return fields[0], int(fields[1])


def kill_hard(process: subprocess.Popen[str]) -> None:
    """kill -9, as a crash would."""
    process.send_signal(signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()
