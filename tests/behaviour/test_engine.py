"""The engine beside the scripts: found from anywhere; none from elsewhere or foreign is run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from comfyfix import __version__
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.disk import json_file
from comfyfix.disk.files import sha256_of
from comfyfix.net.exchange import USER_AGENT
from comfyfix.records import Record
from comfyfix.screen.words import t
from comfyfix.script import engine, render
from comfyfix.settings.manifest import TOKEN_VARIABLES
from comfyfix.settings.store_key import STORE_KEY
from tests.behaviour.test_script import DATA, NAME, script_for
from tests.faults.server import Reply, Server
from tests.inprocess import InProcess
from tests.rig import Site

LINES_MAX = 45  # of facts and the call: one screen
MODEL = "harbor_light.safetensors"
SCRIPT = "download_001_harbor_light_safetensors.sh"


def spread(site: Site, hub: Hub) -> Path:
    """A script and its engine in a folder with an odd name, and a foreign engine where we are."""
    script_for(site, hub)
    folder = site.root / "my scripts; $(touch pwned)"
    folder.mkdir()
    script = (site.root / "download.sh").rename(folder / "download 1.sh")
    (site.root / engine.FOLDER).rename(folder / engine.FOLDER)
    foreign(site.root / "here")
    return script


def foreign(folder: Path) -> None:
    """What must not be run: an engine, and a program, of the same name in another folder."""
    path = folder / engine.name()
    path.parent.mkdir(parents=True)
    path.write_text(f"touch '{folder}/pwned'\n")
    for name in (path.name, "download 1.sh"):
        shutil.copy(path, folder / name)


def run(site: Site, hub: Hub, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command in a folder that holds a foreign engine, which is on PATH too."""
    here = site.root / "here"
    env = site.environment(HF_ENDPOINT=hub.url)
    env["PATH"] += f":{here}"
    done = subprocess.run(
        words, cwd=here, env=env, input=stdin, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert not list(site.root.rglob("pwned"))
    return done


def linked(target: Path | str, link: Path) -> str:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    return str(link)


WAYS: dict[str, Callable[[Path, Path], list[str]]] = {
    "by bash": lambda script, _: ["bash", str(script)],
    "by itself": lambda script, _: [str(script)],
    "from here": lambda script, here: ["bash", os.path.relpath(script, here)],
    "in its folder": lambda script, _: [
        "bash", "-c", 'cd "$0" && bash "$1"', str(script.parent), script.name
    ],
    "read in": lambda script, _: ["bash", "-c", '. "$0"', str(script)],
    "with a cdpath": lambda script, _: ["env", f"CDPATH={script.parent}", "bash", str(script)],
    "a link": lambda script, here: ["bash", linked(script, here / "a link")],
    "a link that runs": lambda script, here: [linked(script, here / "bin" / "go")],
    "a relative link": lambda script, here: [
        "bash", linked(os.path.relpath(script, here / "bin"), here / "bin" / "go")
    ],
    "a link in its folder": lambda script, _: ["bash", linked(script.name, script.parent / "-x")],
    "links of links": lambda script, here: [
        "bash", linked("../two", Path(linked(script, here / "two")).parent / "bin" / "three")
    ],
    "a folder's link": lambda script, here: [
        "bash", f"{linked(script.parent, here / 'to it')}/{script.name}"
    ],
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_script_finds_the_engine_beside_it(
    site: Site, hub: Hub, way: Callable[[Path, Path], list[str]]
) -> None:
    script = spread(site, hub)
    done = run(site, hub, *way(script, site.root / "here"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.files() == {f"loras/{NAME}": sha256(DATA)}


NOWHERE: dict[str, Callable[[Path], tuple[list[str], str]]] = {
    "alone": lambda script: (["bash", shutil.copy(script, f"{script.parent.parent}/alone.sh")], ""),
    "read from a pipe": lambda script: (["bash"], script.read_text()),
    "an argument": lambda script: (["bash", "-c", script.read_text()], ""),
    "with a name": lambda script: (["bash", "-c", script.read_text(), "./x"], ""),
}  # fmt: skip


@pytest.mark.parametrize("way", NOWHERE.values(), ids=NOWHERE)
def test_without_its_engine_a_script_says_so_in_one_line(
    site: Site, hub: Hub, way: Callable[[Path], tuple[list[str], str]]
) -> None:
    words, stdin = way(spread(site, hub))
    done = run(site, hub, *words, stdin=stdin)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert engine.name() in line
    assert f"doit script loras/{NAME}" in line
    assert hub.seen == []


def test_an_engine_that_is_a_pipe_keeps_nobody(site: Site, hub: Hub) -> None:
    script = script_for(site, hub)
    path = site.root / engine.name()
    path.unlink()
    os.mkfifo(path)
    assert site.script(script).returncode == 1


def test_a_script_alone_is_whole_and_reads_nothing_of_itself(site: Site, hub: Hub) -> None:
    """From a pipe too, where a program that it calls could take the rest of it."""
    text = script_for(site, hub, alone=True).read_text()
    (site.root / "here").mkdir()
    done = run(site, hub, "bash", stdin=text + "touch pwned\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.files() == {f"loras/{NAME}": sha256(DATA)}


def test_a_place_may_be_written_by_hand(site: Site, hub: Hub) -> None:
    script = script_for(site, hub, alone=True)
    lines = script.read_text().splitlines(keepends=True)
    (at,) = (n for n, line in enumerate(lines) if line.lstrip().startswith("DEST="))
    lines[at] = f"DEST={NAME}\n"
    script.write_text("".join(lines))
    (site.root / "here").mkdir()
    assert run(site, hub, "bash", str(script)).returncode == 0
    assert sha256_of(site.root / "here" / NAME) == sha256(DATA)


def test_no_secret_of_ours_reaches_what_is_called() -> None:
    (line,) = (line for line in engine.text().splitlines() if line.startswith("unset "))
    tokens = chain.from_iterable(TOKEN_VARIABLES.values())
    assert set(line.split()) >= {*tokens, STORE_KEY, "COMFYFIX_ASK"}


def test_many_put_it_there_at_once(tmp_path: Path) -> None:
    wrong = tmp_path / engine.name()
    wrong.parent.mkdir()
    wrong.write_text("foreign")
    begin = threading.Barrier(8)
    aside: list[Path | None] = []

    def put() -> None:
        begin.wait()
        aside.append(engine.put(tmp_path))

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong.read_text() == engine.text()
    assert [path.read_text() for path in aside if path] == ["foreign"]


@pytest.fixture
def needy(inprocess: InProcess, hub: Hub) -> InProcess:
    """One model to bring."""
    inprocess.workflow("w.json", ("loras", MODEL))
    hub.add("maker/harbor_light", [MODEL])
    return inprocess


def test_what_a_run_leaves_reads_on_one_screen_and_works_elsewhere(
    needy: InProcess, hub: Hub
) -> None:
    assert needy.run().code == 0
    script = needy.output / SCRIPT
    assert len(script.read_text().splitlines()) <= LINES_MAX
    assert [path.name for path in (needy.output / engine.FOLDER).iterdir()] == [
        Path(engine.name()).name
    ]
    (brought,) = needy.files()
    (needy.models / brought).unlink()
    shutil.copytree(needy.output, needy.root / "a copy" / "of it")
    shutil.rmtree(needy.output)
    assert needy.script(needy.root / "a copy" / "of it" / SCRIPT).returncode == 0
    assert list(needy.files()) == [brought]


@pytest.mark.parametrize("kind", ["foreign", "longer", "cut", "empty", "link", "pipe", "folder"])
def test_an_engine_that_is_not_ours_is_put_aside_and_not_run(
    needy: InProcess, hub: Hub, tmp_path: Path, kind: str
) -> None:
    path, text = needy.output / engine.name(), engine.text()
    path.parent.mkdir(parents=True)
    act = f"touch '{tmp_path}/pwned'\n"
    if kind == "link":
        (tmp_path / "other.sh").write_text(text)
        path.symlink_to(tmp_path / "other.sh")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text(
            {"foreign": act, "longer": f"{text}{act}", "cut": text[:9000], "empty": ""}[kind]
        )
    done = needy.run()
    assert done.code == 0, done.out
    line = "! {path} was not what our scripts call; it lies in {aside} now"
    assert t(line, path=path, aside=f"{path.name}.damaged") in done.out
    assert path.read_text() == text
    assert not path.is_symlink()
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("gone", [engine.FOLDER, engine.name()])
def test_an_engine_that_is_gone_comes_back_while_scripts_call_it(
    needy: InProcess, gone: str
) -> None:
    assert needy.run().code == 0
    path = needy.output / gone
    for arguments in ((), ("download:harbor_light",), ("plan",)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        assert needy.run("list").code == 0
        assert not path.exists(), "who only looks leaves it"
        assert needy.run(*arguments).code == 0
        assert (needy.output / engine.name()).read_text() == engine.text()
    shutil.rmtree(needy.output / engine.FOLDER)
    script = needy.output / SCRIPT
    script.write_text(script.read_text().replace(engine.name(), f"{engine.FOLDER}/{'0' * 16}.sh"))
    assert needy.run().code == 0
    assert not (needy.output / engine.FOLDER / Path(engine.name()).name).exists(), "no one calls it"


@pytest.mark.parametrize("hashed", [True, False])
def test_a_server_is_told_who_asks(site: Site, hub: Hub, hashed: bool) -> None:
    script = script_for(site, hub) if hashed else script_for(site, hub, sha256=None)
    with Server(lambda _: Reply(404)) as server:
        assert site.script(script, HF_ENDPOINT=server.url).returncode == 12
        agents = {seen.ask.headers.get("user-agent") for seen in server.seen}
    assert agents == {f"comfyfix/{__version__}"} == {USER_AGENT}


def test_a_file_in_the_place_of_its_folder_is_put_aside(needy: InProcess) -> None:
    (needy.output).mkdir()
    (needy.output / engine.FOLDER).write_text("precious")
    assert needy.run().code == 0
    assert (needy.output / f"{engine.FOLDER}.damaged").read_text() == "precious"


def test_a_mended_engine_reaches_everyone_and_the_old_one_stays(
    needy: InProcess, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.faults.append(Fault("file *", "reset"))
    with monkeypatch.context() as older:
        text = engine.text() + "# as it was\n"
        name = engine.name().replace("/", "/0")
        older.setattr(engine, "text", lambda: text)
        older.setattr(engine, "name", lambda: name)
        assert needy.run().code == 1
    hub.faults.clear()
    assert needy.run().code == 0
    old, new = (needy.output / SCRIPT.replace("001", number) for number in ("001", "002"))
    assert name in old.read_text()
    assert engine.name() in new.read_text()
    assert (needy.output / name).read_text() == text
    (brought,) = needy.files()
    (needy.models / brought).unlink()
    assert needy.script(old).returncode == 0
    assert list(needy.files()) == [brought]


def test_a_link_in_the_place_of_a_script_is_not_followed(
    needy: InProcess, hub: Hub, tmp_path: Path
) -> None:
    """What it leads to may be a copy; the engine beside that would be another's."""
    hub.faults.append(Fault("file *", "reset"))
    assert needy.run().code == 1
    hub.faults.clear()
    foreign(tmp_path / "other")
    (needy.output / SCRIPT).rename(tmp_path / "other" / SCRIPT)
    (needy.output / SCRIPT).symlink_to(tmp_path / "other" / SCRIPT)
    assert needy.run().code == 0
    assert not (tmp_path / "other" / "pwned").exists()


def test_doit_script_prints_one_that_stands_alone(needy: InProcess, hub: Hub) -> None:
    hub.faults.append(Fault("file *", "reset"))
    assert needy.run().code == 1
    hub.faults.clear()
    done = needy.run("script", MODEL)
    assert (done.code, done.err) == (0, "")
    record = json_file.read(next((needy.output / "sources").iterdir()), Record)
    assert record is not None
    assert done.out == render.alone(record, needy.project().manifest)
    path = needy.root / "there" / "x.sh"
    path.parent.mkdir()
    path.write_text(done.out)
    assert needy.script(path).returncode == 0
    assert list(needy.files()) == [f"loras/{MODEL}"]


def test_doit_script_for_programs(needy: InProcess, hub: Hub) -> None:
    hub.faults.append(Fault("file *", "reset"))
    assert needy.run().code == 1
    done = needy.run("script", "--json", MODEL)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == {
        "version": 1,
        "model": f"loras/{MODEL}",
        "name": SCRIPT,
        "script": needy.run("script", MODEL).out,
    }


def test_doit_script_without_a_model_or_a_record(needy: InProcess, hub: Hub) -> None:
    done = needy.run("script", MODEL)
    assert (done.code, done.out) == (1, "")
    assert "comfyfix plan" in done.err
    assert hub.seen == []
    for names in ((), ("what_nobody_needs.pth",), (MODEL, MODEL)):
        assert needy.run("script", *names).code == 3


def test_doit_script_of_a_model_that_is_linked_here(needy: InProcess, hub: Hub) -> None:
    needy.put("checkpoints", MODEL)
    needy.workflow("w.json", ("loras", MODEL))
    assert needy.run().code == 0
    done = needy.run("script", MODEL)
    assert (done.code, done.out) == (1, "")
    assert str(needy.models / "checkpoints" / MODEL) in done.err
