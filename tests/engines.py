"""What runs the recipes of docs/ci: each engine in small, as its manual tells it.

An engine reads a recipe, takes the commands out of it, and starts them in the environment and the
folders that the real one would give. Places of the real machine (`/mnt/models`) lie below a folder
of the test. What a recipe installs is the program of this checkout, or, with `really`, what pip
makes of it.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.rig import REPO

RECIPES = REPO / "docs" / "ci"
PLACES = (
    "/etc/comfyfix",
    "/srv/comfyfix",
    "/opt/comfyfix",
    "/tmp/comfyfix",  # noqa: S108 - a name in a recipe
    "/tmp/dask",  # noqa: S108 - the same
    "/etc/dask",
    "/mnt",
    "/work",
    "/src",
)
_PLACE = re.compile(rf"(?<![\w./$}}])({'|'.join(PLACES)})(?![\w.-])")
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
Done = subprocess.CompletedProcess[str]


@dataclass
class Machine:
    """A machine in a folder: its places, its programs, and what users of it have set."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    really: bool = False
    user: int | None = None

    def __post_init__(self) -> None:
        self.programs = self.place("/programs")
        (self.place("/home")).mkdir(exist_ok=True)
        self.installed = self.root / "installed"
        if self.really:
            return
        _program(self.programs / "comfyfix", f'exec "{sys.executable}" -c "{MAIN}" "$@"')
        _program(self.programs / "dask", f'exec "{sys.executable}" -m dask "$@"')
        pip = f"printf '%s\\n' \"$*\" >>'{self.installed}'"
        _program(self.programs / "pip", pip)
        _program(
            self.programs / "python3",
            f"""[ "$1 $2" = "-m venv" ] || exec "{sys.executable}" "$@"
            mkdir -p "$3/bin" && ln -sf '{self.programs}'/{{comfyfix,pip}} "$3/bin/" """,
        )

    def place(self, path: str) -> Path:
        """Where a place of the real machine lies here; its folder is made."""
        here = self.root / path.lstrip("/")
        here.mkdir(parents=True, exist_ok=True)
        return here

    def here(self, text: str) -> str:
        """A text of a recipe, with the places of this machine."""
        return _PLACE.sub(rf"{self.root}\1", text)

    def environment(self, **extra: str) -> dict[str, str]:
        """What every engine gives, and what it gives besides; nothing of the test's own."""
        base = str(Path(sys.base_prefix) / "bin")
        path = f"{self.programs}:{base}:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.root / "home"), **self.env, **extra}

    def run(self, argv: list[str], cwd: Path | str, env: Mapping[str, str]) -> Done:
        """Start a program, as nobody's own where this machine has a user."""
        as_user: dict[str, Any] = {}
        if self.user is not None:
            as_user = {"user": self.user, "group": self.user, "extra_groups": []}
        return subprocess.run(
            argv, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False, text=True, timeout=280, **as_user,
        )  # fmt: skip


MAIN = "from comfyfix.tasks.declare.program import main; main()"


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def read(name: str) -> Any:
    """A recipe that is YAML; several documents as a list."""
    text = (REPO / name if name == "action.yml" else RECIPES / name).read_text()
    return yaml.safe_load(text)


@dataclass
class Actions:
    """A runner of GitHub: a job of a workflow, with the caches and artefacts of its repository."""

    machine: Machine
    workspace: Path
    secrets: dict[str, str]
    caches: dict[str, Path] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    said: str = ""

    def job(self, name: str = "github.yml") -> int:
        """Run the only job of a workflow; returns the code of the first step that failed."""
        (job,) = read(name)["jobs"].values()
        action = None
        for step in job["steps"]:
            uses = step["uses"]
            if uses.startswith("OWNER/comfyfix@"):
                action = step.get("with", {})
        assert action is not None
        told = {k: self._told(str(v), {"secrets": self.secrets}) for k, v in action.items()}
        return self.action({k: self.machine.here(v) for k, v in told.items()} | self.changed)

    def action(self, given: dict[str, str]) -> int:
        """Run the composite action with these inputs."""
        action = read("action.yml")
        inputs = {name: about.get("default", "") for name, about in action["inputs"].items()}
        assert given.keys() <= inputs.keys()
        self.temp = self.machine.root / "temp"
        shutil.rmtree(self.temp, ignore_errors=True)
        self.temp.mkdir()
        self.known: dict[str, Any] = {
            "inputs": {**inputs, **given}, "steps": {}, "runner": {"os": "Linux"},
            "env": {}, "github": {"workspace": str(self.workspace)},
        }  # fmt: skip
        code, saving = 0, []
        for step in action["runs"]["steps"]:
            asked = str(step.get("if", "success()"))
            always = "always()" in asked
            if (code and not always) or not self._holds(asked):
                continue
            if "run" in step:
                code = code or self._run(step)
            elif step["uses"].startswith("actions/cache@"):
                saving.append(self._restore(step["with"]))
            else:
                self._upload(step["with"])
        for save in saving if not code else []:
            save()
        self.report = self._told(action["outputs"]["report"]["value"])
        return code

    def _run(self, step: dict[str, Any]) -> int:
        assert step["shell"] == "bash", "a step of a composite action names its shell"
        files = {
            name: self.temp / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
        }
        for path in files.values():
            path.touch()
        files["GITHUB_OUTPUT"].write_text("")
        script = self.temp / "step.sh"
        assert "${{" not in step["run"], "what is given must not become a part of a script"
        script.write_text(step["run"])
        env = self.machine.environment(
            CI="true", GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(self.workspace),
            GITHUB_ACTION_PATH=str(REPO), RUNNER_TEMP=str(self.temp), RUNNER_OS="Linux",
            **{name: str(path) for name, path in files.items()},
            **{name: self._told(str(value)) for name, value in step.get("env", {}).items()},
        )  # fmt: skip
        cwd = self.workspace / self._told(step.get("working-directory", "."))
        done = self.machine.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)], cwd, env
        )
        self.said += done.stdout
        lines = files["GITHUB_OUTPUT"].read_text().splitlines()
        if "id" in step:
            outputs = dict(line.split("=", 1) for line in lines)
            self.known["steps"][step["id"]] = {"outputs": outputs}
        return done.returncode

    def _restore(self, told: dict[str, str]) -> Callable[[], None]:
        path, key = Path(self._told(told["path"])), self._told(told["key"])
        wanted = [key, *self._told(told["restore-keys"]).split()]
        hit = next((k for w in wanted for k in self.caches if k.startswith(w)), None)
        if hit is not None:
            shutil.copytree(self.caches[hit], path, dirs_exist_ok=True)

        def save() -> None:
            if key not in self.caches:
                self.caches[key] = self.machine.root / "caches" / key
                shutil.copytree(path, self.caches[key])

        return save

    def _upload(self, told: dict[str, str]) -> None:
        path = self.workspace / self._told(told["path"])
        if path.is_dir():
            kept = self.machine.root / "artifacts" / self._told(told["name"])
            shutil.copytree(path, kept, dirs_exist_ok=True)
            self.artifacts[kept.name] = kept

    def _told(self, text: str, known: dict[str, Any] | None = None) -> str:
        found = {**getattr(self, "known", {}), **(known or {})}
        return _EXPRESSION.sub(lambda match: str(self._value(match.group(1), found)), text)

    def _holds(self, text: str) -> bool:
        return bool(self._value(text.removeprefix("${{").removesuffix("}}"), self.known))

    def _value(self, text: str, known: dict[str, Any]) -> Any:
        """An expression: contexts, texts, `==`, `!=`, `&&`, `||` and the functions that we use."""
        text = text.strip()
        for operator, both in (("||", any), ("&&", all)):
            if operator in text:
                parts = [self._value(part, known) for part in text.split(operator)]
                if both is any:
                    return next((part for part in parts if part), parts[-1])
                return next((part for part in parts if not part), parts[-1])
        for operator in ("==", "!="):
            if operator in text:
                one, other = (self._value(part, known) for part in text.split(operator))
                return (one == other) is (operator == "==")
        if match := re.fullmatch(r"'([^']*)'", text):
            return match.group(1)
        if text in ("always()", "success()"):
            return True
        if match := re.fullmatch(r"hashFiles\((.*)\)", text):
            path = self.workspace / self._value(match.group(1), known)
            return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        value: Any = known
        for name in text.split("."):
            value = value.get(name, "") if isinstance(value, dict) else ""
        return value


@dataclass
class GitLab:
    """A runner of GitLab: each job in a clone of its own, with the cache of the one before."""

    machine: Machine
    project: Path
    variables: dict[str, str]
    cache: dict[str, Path] = field(default_factory=dict)
    jobs: int = 0

    def job(self) -> Done:
        """Run the only job of the recipe."""
        (job,) = read("gitlab.yml").values()
        self.jobs += 1
        self.clone = self.machine.root / "builds" / str(self.jobs)
        shutil.copytree(self.project, self.clone)
        env = self.machine.environment(
            CI="true", GITLAB_CI="true", CI_PROJECT_DIR=str(self.clone), CI_JOB_NAME="models"
        )
        for name, value in {**job["variables"], **self.variables}.items():
            env[name] = re.sub(r"\$(\w+)", lambda m: env.get(m.group(1), ""), str(value))
        (lock,) = job["cache"]["key"]["files"]
        digest = hashlib.sha1((self.clone / lock).read_bytes(), usedforsecurity=False)
        key = f"{job['cache']['key']['prefix']}-{digest.hexdigest()}"
        for path in job["cache"]["paths"]:
            if key in self.cache:
                shutil.copytree(self.cache[key] / path, self.clone / path)
        script = self.machine.here("\n".join([*job["before_script"], *job["script"]]))
        done = self.machine.run(["bash", "-eo", "pipefail", "-c", script], self.clone, env)
        if done.returncode == 0:
            self.cache[key] = self.machine.root / "cache"
            for path in job["cache"]["paths"]:
                shutil.copytree(self.clone / path, self.cache[key] / path, dirs_exist_ok=True)
        return done

    def artifacts(self) -> list[Path]:
        """What the newest job keeps; each of them has to be there."""
        kept = read("gitlab.yml")["models"]["artifacts"]
        return [self.clone / path for path in (*kept["paths"], *kept["reports"].values())]


def unit(name: str) -> dict[str, dict[str, str]]:
    """A unit of systemd, by section; a key stands once in each of ours."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((RECIPES / name).read_text())
    return {section: dict(parser[section]) for section in parser.sections()}


def variables(text: str) -> dict[str, str]:
    """The variables of an environment file, or of a crontab."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))


def start_service(machine: Machine) -> Done:
    """Start the service, as its timer does."""
    service = unit("comfyfix.service")["Service"]
    secrets = Path(machine.here(service["EnvironmentFile"])).read_text()
    env = {**variables(service["Environment"]), **variables(secrets)}
    cwd = machine.here(service["WorkingDirectory"])
    argv = machine.here(service["ExecStart"]).split()
    return machine.run(argv, cwd, machine.environment(**env))


def start_cron(machine: Machine) -> Done:
    """Do what the crontab says, once."""
    text = (RECIPES / "comfyfix.cron").read_text()
    (line,) = (line for line in text.splitlines() if re.match(r"[\d*]", line))
    *_, command = line.split(maxsplit=6)
    env = variables(text)
    return machine.run([env["SHELL"], "-c", machine.here(command)], "/", machine.environment(**env))


def start_pod(
    machine: Machine, pod: dict[str, Any], secret: dict[str, str], work: Path, **given: str
) -> Done:
    """Start the container of a pod; `work` is its empty folder, `given` what a Job adds."""
    (container,) = pod["containers"]
    env = {each["name"]: each["value"] for each in container.get("env", ())}
    env |= secret if "envFrom" in container else {}
    argv = [*container["command"], *map(machine.here, container["args"])]
    assert container["workingDir"] == "/work"
    return machine.run(argv, work, machine.environment(CI="true", **env, **given))


def start_script(machine: Machine, name: str, folder: Path, port: int, *arguments: str) -> Done:
    """Start a recipe by hand; what listens at Dask's usual port listens at this one."""
    text = (RECIPES / name).read_text().replace("8786", str(port))
    argv = ["bash", "-c", machine.here(text), name, *arguments]
    return machine.run(argv, folder, machine.environment())


def hosts(machine: Machine, *names: str) -> None:
    """Programs by which other hosts are reached, each with a home of its own on this machine."""
    for name in names:
        machine.place(f"/hosts/{name}/.config/comfyfix")
    root = machine.root / "hosts"
    _program(machine.programs / "hostname", "echo 127.0.0.1")
    reach = 'host="$1"; shift; [ -d "$root/$host" ] || exit 255; export HOME="$root/$host"'
    # As sshd does: a shell of the user's, in his home, and nothing of who has called.
    _program(
        machine.programs / "ssh",
        f"""root='{root}'; [ "$1" = -n ] && shift; {reach}; cd "$HOME"
        exec env -i HOME="$HOME" PATH="$PATH" NO_PROXY=127.0.0.1 bash -c "$*" </dev/null""",
    )
    _program(
        machine.programs / "scp",
        f"""shift; to="${{!#}}"; exec cp "${{@:1:$#-1}}" '{root}'/"${{to%%:*}}/${{to#*:}}" """,
    )


def pod_process(
    machine: Machine, pod: dict[str, Any], port: int, work: Path, **given: str
) -> subprocess.Popen[str]:
    """Start the container of a pod that is to stay; `given` are variables of its secrets."""
    (container,) = pod["containers"]
    argv = [machine.here(part) for part in [*container["command"], *container["args"]]]
    argv = [part.replace("dask:8786", f"127.0.0.1:{port}") for part in argv]
    argv = [part.replace("8786", str(port)) for part in argv]
    names = [each["name"] for each in container.get("env", ())]
    env = machine.environment(**{name: given[name] for name in names if name in given})
    env["HOSTNAME"] = work.name
    return subprocess.Popen(
        argv, cwd=work, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip


def start_task(machine: Machine, submitted: Path, index: int, count: int, first: int = 0) -> Done:
    """Start one task of Slurm's array: the batch script, copied away, in the folder of sbatch."""
    script = machine.place("/spool") / f"slurm_script_{index}"
    shutil.copy(RECIPES / "slurm.sh", script)
    env = machine.environment(
        SLURM_SUBMIT_DIR=str(submitted), SLURM_ARRAY_TASK_ID=str(index + first),
        SLURM_ARRAY_TASK_MIN=str(first), SLURM_ARRAY_TASK_COUNT=str(count),
    )  # fmt: skip
    return machine.run(["bash", str(script)], submitted, env)


def image(machine: Machine, text: str, source: Path) -> dict[str, str]:
    """Do the steps of a Containerfile as a user without rights; returns its last stage's settings.

    What its base has to bring (`apt-get`, `useradd`) is left to the machine.
    """
    told: dict[str, str] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            told = {}
        elif word == "ENV":
            name, _, value = rest.partition("=")
            told[name] = machine.here(value)
        elif word == "COPY":
            assert rest == ". /src" or rest.startswith("--from=build /opt/comfyfix /opt/")
            if rest == ". /src":
                shutil.copytree(source, machine.root / "src", dirs_exist_ok=True)
        elif word == "RUN" and not rest.startswith(("apt-get ", "useradd ")):
            done = machine.run(["sh", "-c", machine.here(rest)], "/", machine.environment())
            assert done.returncode == 0, done.stdout
        elif word in ("USER", "WORKDIR", "ENTRYPOINT"):
            told[word] = rest
    return told


_READ_ONLY = """mount --bind "$1" "$1" && mount --bind "$2" "$2" && mount -t tmpfs tmpfs /tmp &&
mount -o remount,bind,ro / && user="$3" && shift 3 &&
exec setpriv --reuid="$user" --regid="$user" --clear-groups "$@"
"""


def start_container(
    machine: Machine, told: dict[str, str], work: Path, store: Path, *arguments: str, **env: str
) -> Done:
    """Start the entry point of an image: `--read-only --tmpfs /tmp`, with two volumes.

    That takes a mount namespace of one's own. Who may not make one writes to a /tmp in `work`.
    """
    user = told["USER"].partition(":")[0]
    (entry,) = json.loads(told["ENTRYPOINT"])
    given = {name: value for name, value in told.items() if name not in IMAGE_ONLY} | env
    program = shutil.which(entry, path=given["PATH"])
    assert program
    assert program.startswith(str(machine.root)), "it is the one that was installed"
    apart = ["unshare", "--mount", "--propagation", "private"]
    if machine.user is None or subprocess.run([*apart, "true"], check=False).returncode:
        return machine.run([program, *arguments], work, given | {"HOME": str(work)})
    volumes = ["sh", "-c", _READ_ONLY, "sh", str(work), str(store), user]
    return Machine(machine.root, really=True).run(
        [*apart, *volumes, program, *arguments], work, given
    )


IMAGE_ONLY = ("USER", "WORKDIR", "ENTRYPOINT")
