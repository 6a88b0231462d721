"""The recipes of docs/ci, and the action: what stands in them is run, in a clean folder each.

A run has to end well and leave its reports where the recipe takes them from; a second one has
nothing to do; jobs that share a store bring everything, together and each alone; the key is in no
file. What runs is slow, and marked so.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Hub, sha256
from comfyfix.disk.files import sha256_of
from comfyfix.screen.words import t
from tests import engines
from tests.engines import RECIPES, Actions, GitLab, Machine, read
from tests.faults.authority import certificate
from tests.rig import REPO, kill_hard, ui_workflow

KEY = "sesame-of-the-store-4711"
TOKEN = "hf_canary_of_the_recipes"
NAMES = [f"style{number}.safetensors" for number in range(8)]
REPORTS = {"report.json", "junit.xml", "report.md", "sbom.cdx.json"}
RUNS = pytest.mark.soak  # real programs, several of them
QUIET = {"NO_PROXY": "127.0.0.1", "COMFYFIX_WORDS": os.environ.get("COMFYFIX_WORDS", "")}


RECIPE_FILES = [REPO / "action.yml", *sorted(RECIPES.iterdir())]
STEP = {"name", "id", "if", "uses", "with", "run", "shell", "env", "working-directory"}
UNITS = {
    "comfyfix.service": {
        "Unit": {"Description", "Wants", "After", "RequiresMountsFor"},
        "Service": {
            "Type", "User", "WorkingDirectory", "Environment", "EnvironmentFile", "ExecStart",
            "NoNewPrivileges", "PrivateTmp", "ProtectSystem", "ProtectHome", "ReadWritePaths",
        },
    },
    "comfyfix.timer": {
        "Unit": {"Description"}, "Timer": {"OnCalendar", "RandomizedDelaySec", "Persistent"},
        "Install": {"WantedBy"},
    },
}  # fmt: skip
"""What systemd.unit(5), systemd.service(5), systemd.exec(5) and systemd.timer(5) know of ours."""


@pytest.mark.parametrize("path", RECIPE_FILES, ids=lambda path: path.name)
def test_a_recipe_is_short_and_holds_no_secret(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < 140
    for told in re.findall(r"(?:KEY|TOKEN)(?:=|: )(\S+)", text):
        assert re.match(r"[…$\"{]", told), told


@pytest.mark.parametrize("name", sorted({path.name for path in RECIPES.iterdir()}))
def test_a_recipe_says_where_the_key_comes_from(name: str) -> None:
    assert "COMFYFIX_STORE_KEY" in (RECIPES / name).read_text() or name in (
        "comfyfix.timer", "kubernetes-job.yaml",  # what they start, or name, says it
    )  # fmt: skip


def test_the_action_has_the_keys_that_github_knows() -> None:
    action = read("action.yml")
    assert action.keys() == {
        "name",
        "description",
        "author",
        "inputs",
        "outputs",
        "runs",
        "branding",
    }
    assert action["runs"].keys() == {"using", "steps"}
    assert action["runs"]["using"] == "composite"
    for about in action["inputs"].values():
        assert about.keys() == {"description", "default"}
        assert isinstance(about["default"], str)
    given = set(re.findall(r"inputs\.([\w-]+)", (REPO / "action.yml").read_text()))
    assert given == set(action["inputs"]), "each input is used, and none besides"
    names = [step["id"] for step in action["runs"]["steps"] if "id" in step]
    assert all(each.keys() <= STEP for each in action["runs"]["steps"])
    assert all(("run" in step) is ("shell" in step) for step in action["runs"]["steps"])
    told = set(re.findall(r"steps\.(\w+)\.", (REPO / "action.yml").read_text()))
    assert told == set(names)


def test_the_workflow_has_the_keys_that_github_knows() -> None:
    workflow = read("github.yml")
    assert workflow.keys() == {"name", True, "permissions", "jobs"}, "`on` is true in YAML 1.1"
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert job.keys() == {"runs-on", "timeout-minutes", "steps"}
    inputs = read("action.yml")["inputs"]
    for step in job["steps"]:
        assert step.keys() <= STEP
    assert job["steps"][-1]["with"].keys() <= inputs.keys()


def test_the_job_of_gitlab_has_the_keys_that_it_knows() -> None:
    (job,) = read("gitlab.yml").values()
    assert job.keys() == {"image", "variables", "cache", "before_script", "script", "artifacts"}
    assert job["cache"].keys() == {"key", "paths"}
    assert job["artifacts"].keys() == {"when", "paths", "reports"}
    assert job["artifacts"]["reports"].keys() == {"junit", "codequality"}
    assert job["artifacts"]["when"] == "always"


@pytest.mark.parametrize("name", UNITS)
def test_the_units_have_the_keys_that_systemd_knows(name: str) -> None:
    found = {section: set(keys) for section, keys in engines.unit(name).items()}
    assert found == UNITS[name]


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    machine = Machine(tmp_path)
    opt(machine)
    for name in UNITS:
        text = machine.here((RECIPES / name).read_text())
        (tmp_path / name).write_text(text.replace("User=comfyfix", "User=root"))
    argv = ["systemd-analyze", "verify", *(str(tmp_path / name) for name in UNITS)]
    done = subprocess.run(argv, capture_output=True, check=False, text=True)
    if "Failed to initialize manager" in done.stderr:
        pytest.skip("systemd-analyze does not work here")
    assert not [line for line in done.stderr.splitlines() if str(tmp_path) in line], done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "kind"), [("cronjob", "CronJob"), ("job", "Job")])
def test_a_pod_needs_no_rights_and_writes_to_volumes_alone(name: str, kind: str) -> None:
    told = read(f"kubernetes-{name}.yaml")
    assert (told["apiVersion"], told["kind"]) == ("batch/v1", kind)
    job = told["spec"]["jobTemplate"]["spec"] if kind == "CronJob" else told["spec"]
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["restartPolicy"] in ("Never", "OnFailure"), "a Job takes no other"
    assert pod["securityContext"]["runAsNonRoot"] is True
    uid = re.search(r"^USER (\d+):", (RECIPES / "Containerfile").read_text(), re.MULTILINE)
    assert uid
    assert str(pod["securityContext"]["runAsUser"]) == uid.group(1)
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert volumes == {mount["name"] for mount in container["volumeMounts"]}
    if kind == "Job":
        (jobs,) = (each["value"] for each in container["env"] if each["name"] == "JOBS")
        assert (job["completionMode"], str(job["completions"])) == ("Indexed", jobs)


def test_slurm_reads_its_options_before_the_first_command() -> None:
    lines = (RECIPES / "slurm.sh").read_text().splitlines()
    first = next(n for n, line in enumerate(lines) if not line.startswith("#"))
    assert not [line for line in lines[first:] if line.startswith("#SBATCH")]
    assert lines[0] == "#!/bin/bash"


def scripts() -> dict[str, str]:
    """All that a shell reads of the recipes."""
    found = {path.name: path.read_text() for path in RECIPES.glob("*.sh")}
    for step in read("action.yml")["runs"]["steps"]:
        if "run" in step:
            found[step["name"]] = f"#!/bin/bash\n{step['run']}"
    job = read("gitlab.yml")["models"]
    found["gitlab"] = "\n".join(["#!/bin/bash", *job["before_script"], *job["script"]])
    return found


@pytest.mark.parametrize("name", scripts())
def test_shellcheck_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    path = tmp_path / "script.sh"
    path.write_text(scripts()[name])
    done = subprocess.run(
        ["shellcheck", "-e", "SC1091", str(path)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode()


class Project:
    """A repository with workflows, a manifest and a lock file, and the machine that runs it."""

    def __init__(
        self, root: Path, hub: Hub, *, really: bool = False, user: int | None = None
    ) -> None:
        self.hub = hub
        self.machine = Machine(root, dict(QUIET), really=really, user=user)
        self.folder = self.machine.place("/project")
        (self.folder / "workflows").mkdir()
        graph = ui_workflow([("loras", name) for name in NAMES])
        (self.folder / "workflows" / "clip.json").write_text(json.dumps(graph))
        for name in NAMES:
            hub.add(f"someone/{name.partition('.')[0]}", [name])

    def manifest(self, comfyui: Path, store: str = "") -> None:
        """Write manifest.yaml."""
        comfyui.joinpath("models").mkdir(parents=True, exist_ok=True)
        names = ("huggingface", "civitai", "openmodeldb")
        settings: dict[str, Any] = {
            "comfyui": str(comfyui), "workflows": ["workflows"], "download": {"reserve": 0},
            "endpoints": dict.fromkeys(names, self.hub.url), **({"store": store} if store else {}),
        }  # fmt: skip
        (self.folder / "manifest.yaml").write_text(json.dumps(settings))

    def lock(self) -> None:
        """Write the lock file, and forget what that has left."""
        env = self.machine.environment(COMFYFIX_STORE=str(self.folder))
        env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
        argv = [sys.executable, "-c", engines.MAIN, "lock"]
        done = subprocess.run(argv, cwd=self.folder, env=env, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        shutil.rmtree(self.folder / "output")
        self.hub.seen.clear()

    @property
    def fetched(self) -> int:
        """How many files the storage has given since the lock file was made."""
        return self.hub.count("GET", "/cdn/*")

    def requires(self, store: Path) -> None:
        """Everything is there and right, and the secrets are in no file."""
        found = {path.name: sha256_of(path) for path in store.rglob("*.safetensors")}
        assert found == {name: sha256(file_for(name)) for name in NAMES}
        assert any((store / ".comfyfix").iterdir()), "receipts, signed"
        for path in self.machine.root.rglob("*"):
            if path.is_file() and path.name != "secrets":
                data = path.read_bytes()
                assert KEY.encode() not in data, path
                assert TOKEN.encode() not in data, path


@pytest.fixture
def project(tmp_path: Path, hub: Hub) -> Project:
    return Project(tmp_path, hub)


def opt(machine: Machine) -> None:
    """The program, where an administrator has installed it."""
    machine.place("/opt/comfyfix/bin").joinpath("comfyfix").symlink_to(
        machine.programs / "comfyfix"
    )


def secrets(path: Path) -> None:
    """The file of secrets, which is there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"COMFYFIX_STORE_KEY={KEY}\nHF_TOKEN={TOKEN}\n")
    path.chmod(0o600)


def in_report(folder: Path) -> Any:
    assert {path.name for path in folder.iterdir()} >= REPORTS
    return json.loads((folder / "report.json").read_text())


def on_actions(project: Project, **changed: str) -> Actions:
    told = {"COMFYFIX_STORE_KEY": KEY, "HF_TOKEN": TOKEN}
    return Actions(project.machine, project.folder, told, changed=changed)


@RUNS
def test_the_action_on_a_shared_store(project: Project) -> None:
    store = project.machine.place("/mnt/models")
    project.manifest(project.machine.place("/ComfyUI"), "${COMFYFIX_STORE}")
    project.lock()
    runner = on_actions(project)
    assert runner.job() == 0, runner.said
    assert project.machine.installed.read_text().split()[-1] == str(REPO)
    assert in_report(runner.artifacts["comfyfix-report"])["good"] is True
    assert Path(runner.report).name == "report"
    assert re.search("^::group::", runner.said, re.MULTILINE)
    assert NAMES[7] in (runner.temp / "github_step_summary").read_text()
    project.requires(store)
    assert project.fetched == len(NAMES)
    asked = len(project.hub.seen)
    shutil.rmtree(project.folder / "output")  # a fresh checkout
    assert runner.job() == 0, runner.said
    assert len(project.hub.seen) == asked


@RUNS
def test_the_action_with_a_cache_and_without_a_manifest(project: Project) -> None:
    names = ("HF_ENDPOINT", "CIVITAI_ENDPOINT")
    project.machine.env |= dict.fromkeys(names, project.hub.url)
    runner = on_actions(
        project, lock="open", store="it's mine", workflows="workflows\n", version="7.1"
    )
    assert runner.job() == 0, runner.said
    assert project.machine.installed.read_text().split()[-1] == "comfyfix==7.1"
    store = project.folder / "it's mine"
    project.requires(store)
    assert not runner.caches, "without a lock file nothing tells when a store is another"
    env = project.machine.environment()
    done = project.machine.run(["comfyfix", "lock"], project.folder, env)
    assert done.returncode == 0, done.stdout
    runner.changed |= {"lock": "locked", "cache": "true"}
    assert runner.job() == 0, runner.said
    (key,) = runner.caches
    assert re.fullmatch(r"comfyfix-Linux-[0-9a-f]{64}", key)
    shutil.rmtree(store)
    shutil.rmtree(project.folder / "output")
    project.hub.seen.clear()
    assert runner.job() == 0, runner.said
    assert project.hub.seen == []
    project.requires(store)


@RUNS
def test_the_action_tells_what_fails_and_uploads_it(project: Project) -> None:
    project.machine.place("/mnt/models")
    project.manifest(project.machine.place("/ComfyUI"), "${COMFYFIX_STORE}")
    (project.folder / "workflows" / "broken.json").write_text('{"nodes": [\n  {"id": }')
    runner = on_actions(project, lock="open")
    assert runner.job() == 1
    assert in_report(runner.artifacts["comfyfix-report"])["good"] is False
    assert re.search(r"^::error file=workflows/broken.json,line=2,", runner.said, re.MULTILINE)
    assert runner.said.count("::group::") == runner.said.count("::endgroup::") == 1


BAD = {
    "lock": {"lock": "--open; id"},
    "manifest": {"manifest": "elsewhere.yaml"},
    "two lines": {"store": "models\nreport=/etc"},
    "nothing": {"manifest": "none/manifest.yaml"},
}


@pytest.mark.parametrize("given", [pytest.param(each, marks=RUNS) for each in BAD])
def test_the_action_refuses_what_it_can_not_use(project: Project, given: str) -> None:
    project.machine.place("/mnt/models")
    project.manifest(project.machine.place("/ComfyUI"), "${COMFYFIX_STORE}")
    runner = on_actions(project, **BAD[given])
    assert runner.job() == 3
    assert re.search("^::error title=comfyfix::", runner.said, re.MULTILINE)
    assert project.hub.seen == []


@RUNS
def test_gitlab(project: Project) -> None:
    project.manifest(project.machine.place("/ComfyUI"), "${COMFYFIX_STORE}")
    project.lock()
    runner = GitLab(project.machine, project.folder, {"COMFYFIX_STORE_KEY": KEY, "HF_TOKEN": TOKEN})
    done = runner.job()
    assert done.returncode == 0, done.stdout
    assert project.machine.installed.read_text().split()[-1].startswith("comfyfix==")
    assert all(path.exists() for path in runner.artifacts())
    assert done.stdout.count("section_start:") == done.stdout.count("section_end:") == 1
    project.requires(runner.clone / "models")
    asked = len(project.hub.seen)
    done = runner.job()
    assert done.returncode == 0, done.stdout
    assert all(path.exists() for path in runner.artifacts())
    assert len(project.hub.seen) == asked
    project.requires(runner.clone / "models")


@RUNS
@pytest.mark.parametrize("start", [engines.start_service, engines.start_cron])
def test_a_machine_of_ones_own(project: Project, start: Any) -> None:
    opt(project.machine)
    store = project.machine.place("/mnt/models")
    project.manifest(project.machine.place("/ComfyUI"), str(store))
    project.lock()
    project.folder.rename(project.machine.place("/srv") / "comfyfix")
    secrets(project.machine.root / "etc" / "comfyfix" / "secrets")
    done = start(project.machine)
    assert done.returncode == 0, done.stdout
    assert in_report(project.machine.root / "srv/comfyfix/output/report")["good"] is True
    project.requires(store)
    asked = len(project.hub.seen)
    done = start(project.machine)
    assert done.returncode == 0, done.stdout
    assert len(project.hub.seen) == asked == 2 * len(NAMES)
    next(store.rglob("style0.safetensors")).unlink()
    project.hub.repositories.clear()
    done = start(project.machine)
    assert done.returncode == 1
    assert "style0.safetensors" in done.stdout, "also where a run that ends well says nothing"


class Cluster:
    """What kubectl has been told before: a ConfigMap, a secret, a volume."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.machine = project.machine
        comfyui = self.machine.place("/mnt/comfyui")
        self.store = comfyui / "models"
        project.manifest(comfyui)
        project.lock()
        # As the kubelet mounts it: links to links, in folders whose names begin with dots.
        mounted = self.machine.place("/etc/comfyfix")
        (mounted / "..2026").mkdir()
        (mounted / "..data").symlink_to("..2026")
        for name in ("manifest.yaml", "manifest.lock.yaml"):
            shutil.copy(project.folder / name, mounted / "..2026")
            (mounted / name).symlink_to(f"..data/{name}")
        self.pods = 0

    def pod(self, spec: Any, **given: str) -> tuple[engines.Done, Path]:
        """Start one pod; returns its end, and its folder."""
        self.pods += 1
        work = self.machine.place(f"/pods/{given.get('JOB_COMPLETION_INDEX', '')}-{self.pods}")
        secret = {"COMFYFIX_STORE_KEY": KEY, "HF_TOKEN": TOKEN}
        return engines.start_pod(self.machine, spec, secret, work, **given), work


@RUNS
def test_a_cron_job_of_kubernetes(project: Project) -> None:
    cluster = Cluster(project)
    spec = read("kubernetes-cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    for _ in range(2):
        done, work = cluster.pod(spec)
        assert done.returncode == 0, done.stdout
        assert in_report(work / "output/report")["good"] is True
        assert project.fetched == len(NAMES)
        assert "COMFYFIX_STORE_KEY" not in done.stdout, "receipts of others count, by the key"
    project.requires(cluster.store)


@RUNS
def test_an_indexed_job_of_kubernetes(project: Project) -> None:
    cluster = Cluster(project)
    job = read("kubernetes-job.yaml")["spec"]
    spec, count = job["template"]["spec"], job["completions"]
    assert job["completionMode"] == "Indexed"
    with ThreadPoolExecutor(count) as pods:
        ends = pods.map(lambda n: cluster.pod(spec, JOB_COMPLETION_INDEX=str(n)), range(count))
        for done, work in ends:
            assert done.returncode == 0, done.stdout
            assert in_report(work / "output/report")["good"] is True
    project.requires(cluster.store)
    assert project.fetched == len(NAMES)
    for alone in (0, count - 1):
        shutil.rmtree(cluster.store)
        cluster.store.mkdir()
        done, _ = cluster.pod(spec, JOB_COMPLETION_INDEX=str(alone))
        assert done.returncode == 0, done.stdout
        project.requires(cluster.store)


@RUNS
@pytest.mark.parametrize("first", [0, 5])
def test_an_array_of_slurm(project: Project, first: int) -> None:
    store = project.machine.place("/mnt/models")
    project.manifest(project.machine.place("/ComfyUI"), str(store))
    project.lock()
    secrets(project.machine.root / "home/.config/comfyfix/secrets")
    text = (RECIPES / "slurm.sh").read_text()
    told = re.search(r"^#SBATCH --array=0-(\d+)$", text, re.MULTILINE)
    assert told
    count = int(told.group(1)) + 1

    def task(number: int) -> engines.Done:
        return engines.start_task(project.machine, project.folder, number, count, first)

    with ThreadPoolExecutor(count) as tasks:
        for done in tasks.map(task, range(count)):
            assert done.returncode == 0, done.stdout
    for number in range(count):
        tasks_own = project.folder / "tasks" / str(number + first)
        assert in_report(tasks_own / "output/report")["good"] is True
    assert project.fetched == len(NAMES)
    asked = len(project.hub.seen)
    done = task(count - 1)
    assert done.returncode == 0, done.stdout
    assert t("Nothing to do") in done.stdout
    assert len(project.hub.seen) == asked
    shutil.rmtree(store)
    store.mkdir()
    shutil.rmtree(project.folder / "tasks")
    assert task(count - 1).returncode == 0
    project.requires(store)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def with_cluster(project: Project, told: object) -> Path:
    """The project of a cluster's recipe: its manifest names the scheduler."""
    store = project.machine.place("/mnt/models")
    project.manifest(project.machine.place("/ComfyUI"), str(store))
    project.lock()
    path = project.folder / "manifest.yaml"
    path.write_text(json.dumps({**json.loads(path.read_text()), "cluster": told}))
    return store


def in_certificates(machine: Machine, *, home: str = "~/.config/comfyfix/tls") -> dict[str, str]:
    return {"ca": f"{home}/ca.pem", "cert": f"{home}/us.pem", "key": f"{home}/us.key"}


def requires_a_rest(project: Project, store: Path, start: Callable[[], engines.Done]) -> None:
    """It brings all by the workers; a second run has nothing to do."""
    done = start()
    assert done.returncode == 0, done.stdout
    assert len(re.findall(r"^  Executing download: .* on \S+$", done.stdout, re.MULTILINE)) == 8
    project.requires(store)
    asked = len(project.hub.seen)
    assert project.fetched == len(NAMES)
    again = start()
    assert again.returncode == 0, again.stdout
    assert t("Nothing to do") in again.stdout
    assert len(project.hub.seen) == asked


@RUNS
def test_a_cluster_on_one_host(project: Project) -> None:
    port = free_port()
    store = with_cluster(project, f"tcp://127.0.0.1:{port}")
    secrets(project.machine.root / "home/.config/comfyfix/secrets")
    name = "cluster-host.sh"
    requires_a_rest(
        project, store, lambda: engines.start_script(project.machine, name, project.folder, port)
    )


@RUNS
def test_a_cluster_of_hosts_behind_ssh(project: Project) -> None:
    if not shutil.which("openssl"):
        pytest.skip("the openssl program is not installed")
    port = free_port()
    machine = project.machine
    told = {"address": "tls://${SCHEDULER}", **in_certificates(machine)}
    store = with_cluster(project, told)
    engines.hosts(machine, "anna", "ben")
    for place in ("home", "hosts/anna", "hosts/ben"):
        secrets(machine.root / place / ".config/comfyfix/secrets")
    name = "cluster-ssh.sh"
    requires_a_rest(
        project,
        store,
        lambda: engines.start_script(machine, name, project.folder, port, "anna", "ben"),
    )
    private = machine.root / "hosts/anna/.config/comfyfix/tls"
    assert not private.joinpath("ca.key").exists(), "who has it can let anybody in"
    assert private.stat().st_mode & 0o077 == 0


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((RECIPES / name).read_text()))


def test_pods_of_a_cluster_need_no_rights_and_write_to_volumes_alone() -> None:
    service, *deployments = documents("kubernetes-cluster.yaml")
    assert (service["kind"], service["metadata"]["name"]) == ("Service", "dask")
    for told in deployments:
        assert (told["apiVersion"], told["kind"]) == ("apps/v1", "Deployment")
        template, pod = told["spec"]["template"], told["spec"]["template"]["spec"]
        assert told["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert volumes == {mount["name"] for mount in container["volumeMounts"]}
    assert service["spec"]["selector"] == deployments[0]["spec"]["template"]["metadata"]["labels"]


@RUNS
def test_a_cluster_of_kubernetes(project: Project) -> None:
    port = free_port()
    cluster = Cluster(project)
    machine = project.machine
    made = certificate(machine.place("/keys"), "IP:127.0.0.1")
    mounted = machine.place("/etc/dask")
    for name, path in (("ca.pem", made.authority), ("us.pem", made.chain), ("us.key", made.key)):
        shutil.copy(path, mounted / name)
    settings = machine.root / "etc/comfyfix/manifest.yaml"
    told = {"address": f"tls://127.0.0.1:{port}", **in_certificates(machine, home=str(mounted))}
    settings.resolve().write_text(json.dumps({**json.loads(settings.read_text()), "cluster": told}))
    _, scheduler, workers = documents("kubernetes-cluster.yaml")
    pods = [scheduler, workers, workers]
    spec = read("kubernetes-cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    running = [
        engines.pod_process(
            machine, each["spec"]["template"]["spec"], port, machine.place(f"/pods/p{number}"),
            HF_TOKEN=TOKEN,
        )
        for number, each in enumerate(pods)
    ]  # fmt: skip
    try:
        requires_a_rest(project, cluster.store, lambda: cluster.pod(spec)[0])
    finally:
        for each in running:
            kill_hard(each)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own are not, and that is not in /tmp."""
    folder = Path(tempfile.mkdtemp(prefix="comfyfix-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
    shutil.rmtree(folder)


def check_out(folder: Path) -> set[Path]:
    """Make a clean checkout, without the tests; returns what is in it."""
    argv = ["git", "ls-files", "-z", "--", ".", ":!tests"]
    listed = subprocess.run(argv, cwd=REPO, capture_output=True, check=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (REPO / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / name, folder / name)
    return below(folder)


def below(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


@RUNS
def test_the_image(open_folder: Path, hub: Hub) -> None:
    """Built and run by users without rights; pip gets what it needs from the package index."""
    text = (RECIPES / "Containerfile").read_text()
    uid = re.search(r"^USER (\d+):", text, re.MULTILINE)
    assert uid
    assert int(uid.group(1)) > 0
    user = int(uid.group(1)) if os.getuid() == 0 else None
    project = Project(open_folder, hub, really=True, user=user)
    machine = project.machine
    machine.env |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    given = [machine.place(f"/{name}") for name in ("opt/comfyfix", "work", "home", "mnt/models")]
    for path in given:
        os.chown(path, os.getuid() if user is None else user, -1)
    _, work, _, store = given
    source = machine.place("/checkout")
    checked_out = check_out(source)
    told = engines.image(machine, text, source)
    assert below(machine.place("/src")) == checked_out, "the build writes nothing there"
    project.manifest(machine.place("/mnt/comfyui"), str(store))
    project.lock()
    shutil.copytree(project.folder, work, dirs_exist_ok=True)
    installed = below(machine.place("/opt"))
    for _ in range(2):
        done = engines.start_container(
            machine, told, work, store, "--locked", **QUIET, COMFYFIX_STORE_KEY=KEY
        )
        assert done.returncode == 0, done.stdout
        assert project.fetched == len(NAMES)
    assert in_report(work / "output/report")["good"] is True
    assert below(machine.place("/opt")) == installed
    project.requires(store)
