"""A dodo.py of the user's own, with comfyfix's tasks beside theirs."""

from __future__ import annotations

import json
import re

import pytest

from comfyfix.demo.hub import Hub
from comfyfix.errors import SetupProblem
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.screen.words import fixed, t
from comfyfix.tasks.run.reporter import Reporter
from comfyfix.why import Why
from tests.inprocess import InProcess
from tests.rig import Site

# doit does not close the pipes of what it starts.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
RIFE = ("upscale_models", "rife49.pth")
VAE = ("vae", "soft_vae.safetensors")
LORA = ("loras", "nowhere.safetensors")
LOAD = 'from comfyfix.tasks import load\nDOIT_CONFIG, task_models = load("manifest.yaml")\n'
THEIRS = """
import threading
met = threading.Barrier(2)
def task_hello():
    return {"actions": ["echo HELLO"], "verbosity": 2}
def task_bad():
    return {"actions": ["echo some-output; echo to-stderr >&2; exit 3"]}
def task_false():
    return {"actions": [lambda: False]}
def task_raises():
    def f(): raise ValueError("user code broke")
    return {"actions": [f]}
def task_after():
    return {"actions": ["touch after"], "task_dep": ["download"]}
def task_prints():
    def said(number):
        try:
            met.wait(0.2)
            print("two at once")
        except threading.BrokenBarrierError:
            met.reset()
            print(f"mine {number}")
    for number in range(4):
        yield {"name": str(number), "actions": [(said, [number])], "verbosity": 2}
def task__hidden():
    return {"actions": ["true"]}
def task_made():
    return {"actions": ["touch made"], "targets": ["made"], "clean": True}
"""


@pytest.fixture
def site(inprocess: InProcess, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A project folder in which doit itself runs, in the process of the test."""
    monkeypatch.setattr(inprocess, "doit", inprocess.in_doit)
    return inprocess


@pytest.fixture(params=["our commands", "doit's own"])
def mixed(request: pytest.FixtureRequest, site: Site) -> Site:
    """A dodo of the user's own, in a folder where our commands are loaded, or are not."""
    site.workflow("w.json", RIFE)
    (site.root / "dodo.py").write_text(LOAD + THEIRS)
    if request.param == "doit's own":
        (site.root / "pyproject.toml").unlink()
    return site


def test_what_their_tasks_do_is_told_as_doit_tells_it(mixed: Site) -> None:
    summaries = fixed("SUMMARY"), t("Nothing to do")
    for task, code, told in (
        ("hello", 0, r"^\.  hello\nHELLO\n$"),
        ("bad", 1, r"TaskFailed - taskid:bad\nCommand failed: (.*\n)*bad <stdout>:\nsome-output"),
        ("false", 1, r"TaskFailed - taskid:false\nPython Task failed"),
        (
            "raises",
            2,
            r'\n  File ".*dodo.py", line \d+, in f\n(.*\n)*ValueError: user code broke\n',
        ),
    ):
        done = mixed.doit(task)
        assert done.returncode == code, done.stderr
        assert re.search(told, done.stdout), done.stdout
        assert not any(summary in done.stdout for summary in summaries)
    assert "to-stderr\n" in mixed.doit("bad").stderr, "as doit does without a verbosity"
    assert mixed.files() == {}


def test_a_task_waits_for_our_models_and_is_left_out_when_one_fails(mixed: Site, hub: Hub) -> None:
    done = mixed.doit("after", "hello")
    assert done.returncode == 1
    told = t("not run, since {failed} failed", failed="download")
    assert f"UnmetDependency - taskid:after\n{told}" in done.stdout
    assert "HELLO" in done.stdout
    assert fixed("Models not found:") in done.stdout
    assert not (mixed.root / "after").exists()
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    done = mixed.doit("after")
    assert done.returncode == 0, done.stdout
    assert (mixed.root / "after").exists()
    assert fixed("Successfully downloaded: {count}", count=1) in done.stdout


def test_what_python_prints_is_whole_however_much_runs_beside_it(site: Site, hub: Hub) -> None:
    """doit puts a buffer in the place of stdout: two that overlap would swallow lines."""
    site.workflow("w.json", *(("loras", f"style{n}.safetensors") for n in range(8)))
    hub.add("a/styles", [f"style{n}.safetensors" for n in range(8)])
    (site.root / "dodo.py").write_text(LOAD + THEIRS)
    done = site.doit("prints", "download", "prints")
    assert done.returncode == 0, done.stdout
    assert len(re.findall(r"(?m)^mine \d+$", done.stdout)) == 4
    assert done.stdout.count(fixed("✓ Download completed successfully")) == 8
    assert done.stdout.count(fixed("Executing download: ")) == 8


def test_a_configuration_can_be_merged_and_a_task_listed(site: Site) -> None:
    site.workflow("w.json", RIFE)
    (site.root / "dodo.py").write_text(
        "from comfyfix.tasks import load\nconfig, task_models = load()\n"
        'DOIT_CONFIG = {**config, "default_tasks": ["hello", *config["default_tasks"]]}\n' + THEIRS
    )
    done = site.doit()
    assert done.stdout.startswith(".  hello\n")
    assert done.returncode == 1
    ours, *theirs = site.doit("list", "-q").stdout.split()
    assert ours == "download:rife49"
    assert theirs == ["after", "bad", "false", "hello", "made", "prints", "raises"]
    assert "prints" in site.doit("list").stdout
    (site.root / "dodo.py").write_text(LOAD)
    assert site.doit("list", "-q").stdout.split() == [ours]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ('def task_fetch():\n    return {"basename": "download", "actions": ["true"]}\n',
         because(Why.TASK_NAME_TAKEN, name="download")),
        ('def task_models():\n    return {"actions": ["true"]}\n', because(Why.TASKS_HIDDEN)),
    ],
    ids=["name of a task", "name in the dodo"],
)  # fmt: skip
def test_a_name_that_is_taken_is_told(site: Site, more: str, why: object) -> None:
    site.workflow("w.json", RIFE)
    (site.root / "dodo.py").write_text(LOAD + more)
    done = site.doit()
    assert done.returncode == 3
    assert words.sentence(why) in done.stderr  # type: ignore[arg-type]
    assert "Traceback" not in done.stderr


def test_what_their_tasks_make_is_cleaned_as_doit_cleans_it(mixed: Site) -> None:
    model = mixed.put(*RIFE)
    assert mixed.doit("made").returncode == 0
    shown = mixed.doit("clean", "--dry-run", "made")
    assert "made - removing file" in shown.stdout
    assert (mixed.root / "made").exists()
    assert mixed.doit("clean", "--clean-all").returncode == 0
    assert not (mixed.root / "made").exists()
    assert model.exists()


def two(site: Site) -> None:
    """Two projects in one dodo: both need one model, in a store that they share."""
    other = Site(site.root / "b", site.hub)
    other.manifest(store=str(site.models))
    other.workflow("x.json", RIFE, LORA)
    site.workflow("w.json", RIFE, VAE)
    (site.root / "dodo.py").write_text(
        "from comfyfix.tasks import load\n"
        'DOIT_CONFIG, task_a = load("manifest.yaml", prefix="a")\n'
        '_, task_b = load("b/manifest.yaml", prefix="b")\n'
    )


def test_two_projects_in_one_dodo(site: Site, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    live: list[list[bool]] = []
    ended = Reporter.complete_run

    def complete_run(self: Reporter) -> None:
        live.append([run.live for run in self._runs])
        ended(self)

    monkeypatch.setattr(Reporter, "complete_run", complete_run)
    two(site)
    hub.add("AlexWortega/RIFE", ["rife49.pth"])
    hub.add("a/soft-vae", ["soft_vae.safetensors"])
    assert site.doit("list", "-q").stdout.split()[:4] == [
        "a:download:rife49", "a:download:soft_vae", "b:download:nowhere", "b:download:rife49",
    ]  # fmt: skip
    done = site.doit(GITHUB_ACTIONS="true")
    assert done.returncode == 1, done.stdout
    assert f"::group::comfyfix: {t('{count:models}', count=4)}\n" in done.stdout
    assert done.stdout.count("::group::") == 1, "folds don't nest"
    assert done.stdout.count("::endgroup::") == 1
    first, second = done.stdout.split(fixed("INCREMENTAL DOWNLOAD SUMMARY"))[1:]
    assert t("Project: {name}", name="a") in first
    assert fixed("Failed searches: {count}", count=0) in first  # either may fetch what both need
    assert t("Project: {name}", name="b") in second
    assert fixed("Failed searches: {count}", count=1) in second
    assert set(site.files()) == {"upscale_models/rife49.pth", "vae/soft_vae.safetensors"}
    assert site.doit("a").returncode == 0
    assert site.doit("b:workflow:x").returncode == 1
    assert live == [[False, False], [True], [True]], "two can't draw on one screen"


def test_commands_know_the_projects_of_a_dodo(site: Site) -> None:
    two(site)
    done = site.doit("why", "b:download:nowhere")
    assert done.stdout.startswith("loras/nowhere.safetensors\n")
    told = json.loads(site.doit("plan", "--json", "rife49.pth").stdout)
    assert told["version"] == 1
    views = told["projects"].items()
    assert {name: [m["task"] for m in view["models"]] for name, view in views} == {
        "a": ["a:download:rife49"], "b": ["b:download:rife49"],
    }  # fmt: skip
    rows = json.loads(site.doit("scan", "--json").stdout)["references"]
    assert {row["workflow"] for row in rows} == {"w.json", "x.json"}
    both = site.doit("pin", "rife49.pth", "https://huggingface.co/a/b/resolve/main/c.pth")
    assert both.returncode == 3
    assert "b:download:rife49" in both.stderr
    one = site.doit(
        "pin", "--offline", "b:download:rife49", "https://huggingface.co/a/b/resolve/main/c.pth"
    )
    assert one.returncode == 0, one.stderr
    assert (site.root / "b" / "pins.yaml").exists()


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        (("paths", "-o", "told.yaml"), SetupProblem(Why.PATHS_OF_SEVERAL)),
        (("dashboard",), SetupProblem(Why.DASHBOARD_PROJECTS, names=["a", "b"])),
    ],
    ids=["paths", "dashboard"],
)
def test_what_is_of_one_project_is_not_told_of_several(
    site: Site, typed: tuple[str, ...], problem: SetupProblem
) -> None:
    two(site)
    done = site.doit(*typed)
    assert (done.returncode, done.stdout) == (3, "")
    assert words.problem(problem) in done.stderr
    assert not (site.root / "told.yaml").exists()


@pytest.mark.parametrize("prefix", ["-a", "a b", "a" * 41, "é"])
def test_a_prefix_is_what_a_task_may_begin_with(site: Site, prefix: str) -> None:
    site.workflow("w.json", RIFE)
    load = f"DOIT_CONFIG, task_models = load('manifest.yaml', prefix={prefix!r})\n"
    (site.root / "dodo.py").write_text(f"from comfyfix.tasks import load\n{load}")
    done = site.doit("list")
    assert done.returncode == 3
    assert words.problem(SetupProblem(Why.PREFIX_UNFIT, prefix=prefix)) in done.stderr


def test_a_dodo_from_elsewhere(site: Site) -> None:
    """Every command of ours takes `-f` and `--dir`, and `-k` finds a dodo above."""
    site.workflow("w.json", RIFE)
    elsewhere = site.root / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / "pyproject.toml").write_bytes((site.root / "pyproject.toml").read_bytes())
    whole = ("-f", str(site.root / "dodo.py"))
    for options in (whole, (*whole, "-d", str(elsewhere)), ("-k",)):
        for command in (
            ("list", "-q"),
            ("scan", "--json"),
            ("plan", "--json"),
            ("why", "rife49.pth"),
        ):
            root, site.root = site.root, elsewhere
            try:
                done = site.doit(command[0], *options, *command[1:])
            finally:
                site.root = root
            assert "rife49" in done.stdout, (command, options, done.stderr)
            assert "Traceback" not in done.stderr
