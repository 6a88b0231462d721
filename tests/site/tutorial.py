"""`docs/first.md`: a newcomer's first commands, really run, with what they print.

The ComfyUI, the workflows and the services are made up; the commands, their lines and exit codes
are as they come. `STEPS` is the page: what is said, what is typed, and how it ends.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub
from tests.rig import REPO, Need, ui_workflow

PROGRAM = (sys.executable, "-c", "from comfyfix.tasks.declare.program import main; main()")
CHECKPOINT = ("checkpoints", "harbor_light_xl.safetensors")
UNCERTAIN = ("loras", "soft_window_light.safetensors")
GATED = ("text_encoders", "river_text_encoder_fp8.safetensors")
THERE = ("vae", "harbor_light_vae.safetensors")
NOWHERE = ("loras", "grandmas_secret_style_v2.safetensors")
WORKFLOWS: dict[str, tuple[Need, ...]] = {
    "harbor.json": (CHECKPOINT, THERE),
    "window.json": (CHECKPOINT, THERE, UNCERTAIN),
    "river.json": (GATED, THERE),
    "old_style.json": (CHECKPOINT, NOWHERE),
}
TOKEN = "hf_of_the_tutorial"


@dataclass(frozen=True)
class Step:
    """What is said before a command, the command, how it ends, and what is said of its answer."""

    before: str
    typed: str
    code: int = 0
    after: str = ""


STEPS = (
    Step(
        "Make a folder for what comfyfix keeps, and let it find your ComfyUI.",
        "mkdir models && cd models",
    ),
    Step(
        "",
        "comfyfix init",
        after="It has looked in the usual places. `manifest.yaml` is a file of yours: whatever you"
        " want otherwise goes there. Your ComfyUI is somewhere else? `comfyfix init PATH`.",
    ),
    Step(
        "Is all there that a run needs? Each line is right, or says what to do.",
        "comfyfix doctor",
    ),
    Step(
        "What do the workflows need, and what of it is here? This asks nobody.",
        "comfyfix scan",
        after="`✗` is missing.",
    ),
    Step(
        "Where can it be had? This searches, and downloads nothing.",
        "comfyfix plan",
        code=1,
        after="The exit code is 1, since not all of it can be had yet: one model wants you to"
        " accept a licence, of one there are two different files, and one nobody has.",
    ),
    Step(
        "Bring what can be had. On a terminal it asks once before it begins: `y` starts, `v` shows"
        " the table, `p` picks, `n` leaves it.",
        "comfyfix",
        code=1,
        after="Each file got its name only after its size and sha256 were those that its publisher"
        " tells. At the end stands what is left, and what to do about it.",
    ),
    Step("Why is one uncertain?", f"comfyfix why {UNCERTAIN[1]}", code=1),
    Step(
        "Two publishers have a file of that name, and they are not the same. You know which"
        " one the workflow was made with: look at the pages, then choose.",
        f"comfyfix choose {UNCERTAIN[1]} --number 1",
        after="The choice is a line in `pins.yaml`; `comfyfix unpin` takes it back. On a terminal"
        " `comfyfix choose MODEL` shows them and asks.",
    ),
    Step(
        "Now the licence: open the page that the summary names, log in, and accept. Make a token"
        " under *Settings → Access Tokens* (one that reads is enough), and hand it to"
        " comfyfix by the environment; it is written nowhere.",
        "export HF_TOKEN=hf_…",
    ),
    Step(
        "Once more. What is here already is left alone.",
        "comfyfix",
        code=1,
        after="One is left: nobody has it. Usually whoever made the workflow has renamed it. Search"
        " for a part of its name, then `comfyfix pin MODEL URL`; or choose another model in the"
        " node; or leave it out with `comfyfix ignore MODEL`.",
    ),
    Step(
        "Is all of it right, also what was there before? `--store` looks at every model file,"
        " `--ask` asks who has published those that nothing here knows.",
        "comfyfix verify --store --ask",
    ),
    Step(
        "And how does everything stand, as a page?",
        "comfyfix report",
        after="`report.html` is for you, the others are for machines;"
        " `comfyfix report --open` shows it.",
    ),
)
_HEAD = """# The first ten minutes

You need Linux, macOS or WSL, with bash, curl and Python 3.11 or newer. comfyfix is not in a package
index yet; install it from a checkout, as a command for every day:

```bash
uv tool install PATH_OF_THE_CHECKOUT     # or: pipx install PATH_OF_THE_CHECKOUT
```

To look at it first, without a ComfyUI and without a network, type `uv run doit` in the checkout.

What follows is a real run of {count} commands, on a ComfyUI with four workflows. Its models are
made up and small; yours take longer."""
_TAIL = """## Go on

- What a command does: [Commands](commands.md). What can be set: [The manifest](manifest.md).
- The same files on another machine, or in a year: [The same models everywhere](lock.md).
- Something failed: [Common trouble](trouble.md), and [every message](messages.md)."""


class Tutorial:
    """A newcomer's home, and the services that he meets."""

    def __init__(self, home: Path, hub: Hub) -> None:
        self.home = home
        self.here = home
        self.hub = hub
        self.token = ""
        comfyui = home / "ComfyUI"
        workflows = comfyui / "user" / "default" / "workflows"
        for folder in (workflows, *(comfyui / "models" / need[0] for need in (THERE, UNCERTAIN))):
            folder.mkdir(parents=True)
        (comfyui / "main.py").write_text("")
        (comfyui / "models" / THERE[0] / THERE[1]).write_bytes(file_for(THERE[1]))
        for name, needs in WORKFLOWS.items():
            (workflows / name).write_text(json.dumps(ui_workflow(needs), indent=1))
        hub.add("demo-studio/harbor-light-xl", [CHECKPOINT[1], THERE[1]], downloads=52_000)
        hub.add("demo-loras/window-light", [UNCERTAIN[1]], downloads=8_100)
        other = hub.add("someone-else/window-light", [], downloads=40)
        other.files[UNCERTAIN[1]] = file_for("another window light.safetensors")
        hub.add("demo-studio/river-flow", [GATED[1]], downloads=31_000, gated=True)
        hub.tokens.add(TOKEN)

    def type(self, step: Step) -> tuple[int, str]:
        """Do what is typed; returns the exit code, and what a reader is shown of the answer."""
        word, *rest = step.typed.split()
        if word == "mkdir":
            self.here /= rest[0]
            self.here.mkdir()
        elif word == "export":
            self.token = TOKEN
        else:
            ended = self._run(rest)
            if rest == ["init"]:  # no variable names this service
                with (self.here / "manifest.yaml").open("a") as manifest:
                    manifest.write(f"endpoints: {{openmodeldb: '{self.hub.url}'}}\n")
            return ended
        return 0, ""

    def _run(self, arguments: list[str]) -> tuple[int, str]:
        port = self.hub.url.rpartition(":")[2]
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(REPO),
            "HF_ENDPOINT": self.hub.url,
            "CIVITAI_ENDPOINT": f"http://localhost:{port}",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost",
            "COMFYFIX_PAUSE": "0",
            **({"HF_TOKEN": self.token} if self.token else {}),
        }
        done = subprocess.run(
            [*PROGRAM, *arguments],
            cwd=self.here,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=280,
        )
        return done.returncode, self._as_read(done.stdout, port)

    def _as_read(self, text: str, port: str) -> str:
        """What was printed, with the services and the home that a reader would have."""
        text = text.replace(self.hub.url, "https://huggingface.co")
        text = text.replace(f"http://localhost:{port}", "https://civitai.com")
        text = text.replace(f"127.0.0.1:{port}", "huggingface.co")
        text = text.replace(f"localhost:{port}", "civitai.com")
        text = re.sub(r"^✓ (HTTPS|NO)_PROXY: .*\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"(?<=answers\n✓ )huggingface.co(?= answers)", "openmodeldb.info", text)
        return re.sub(rf"(/private)?{re.escape(str(self.home))}", "~", text)


def page(home: Path) -> str:
    """Run the commands, and make the page of what they print."""
    with Hub() as hub:
        return "\n".join(_lines(Tutorial(home, hub))) + "\n"


def _lines(tutorial: Tutorial) -> Iterator[str]:
    yield _HEAD.format(count=len(STEPS))
    typed: list[str] = []
    for step in STEPS:
        if step.before:
            yield from ("", _prose(step.before))
        code, said = tutorial.type(step)
        assert code == step.code, (step.typed, code, said)
        typed.append(f"$ {step.typed}")
        if step.typed.startswith("mkdir"):  # the next one stands in the same block
            continue
        yield from ("", "```console", *typed)
        yield from (line.rstrip() for line in said.strip("\n").split("\n") if said)
        yield "```"
        typed.clear()
        if step.after:
            yield from ("", _prose(step.after))
    yield from ("", _TAIL)


def _prose(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)
