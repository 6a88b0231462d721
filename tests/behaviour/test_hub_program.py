"""What Hugging Face's bridge does not serve comes by its own program, where that is installed."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from comfyfix.demo.content import file_for
from comfyfix.demo.hub import Fault, Hub, sha256
from comfyfix.disk.files import sha256_of
from comfyfix.records import Model, Record
from tests.faults.rig import wait_until
from tests.rig import Site, is_alive, put_script

NAME = "night train%20.safetensors"
DATA = file_for(NAME, size=3_000_000)
REPO = "someone/night-train"
HF = """#!/bin/sh
printf '%s\\n' "$@" >"$HOME/arguments"
printf '%s\\n' "$HF_TOKEN" "$HF_ENDPOINT" >"$HOME/environment"
while [ "$1" != -- ]; do [ "$1" != --local-dir ] || place="$2"; shift; done
mkdir -p "$place/sub" "$place/.cache/huggingface/download"
: >"$place/.cache/huggingface/download/lock"
"""
BRINGS = 'cp "$HOME/hub file" "$place/$3"\n'


@pytest.fixture
def script(site: Site, hub: Hub) -> Path:
    """The script of a file of a folder of a repository, whose storage is another server."""
    repository = hub.add(REPO, [])
    repository.files[f"sub/{NAME}"] = DATA
    quoted = NAME.replace("%", "%25").replace(" ", "%20")
    record = Record(
        number=1,
        model=Model(folder="loras", path=NAME),
        destination=str(site.models / "loras" / NAME),
        store=str(site.models),
        source="huggingface",
        where=REPO,
        repo=REPO,
        url=f"https://huggingface.co/{REPO}/resolve/{repository.commit}/sub/{quoted}",
        size=len(DATA),
        sha256=sha256(DATA),
    )
    (site.home / "hub file").write_bytes(DATA)
    return put_script(site.root / "download.sh", record, retries=2, reserve=0)


def path_with(site: Site, program: str | None) -> str:
    """A PATH on which `hf` is this program, or none."""
    folder = site.root / "bin"
    folder.mkdir(exist_ok=True)
    for place in os.environ["PATH"].split(os.pathsep):
        for tool in Path(place).glob("*") if Path(place).is_dir() else ():
            link = folder / tool.name
            if tool.name != "hf" and not os.path.lexists(link):
                link.symlink_to(tool)
    if program is not None:
        (folder / "hf").write_text(program)
        (folder / "hf").chmod(0o755)
    return str(folder)


def left(site: Site) -> list[str]:
    return sorted(path.name for path in (site.models / "loras").iterdir())


def test_a_file_beyond_the_limit_comes_by_hf(site: Site, hub: Hub, script: Path) -> None:
    path = path_with(site, HF + BRINGS)
    done = site.script(script, PATH=path, COMFYFIX_BRIDGE="2999999", HF_TOKEN="hf_secret")
    assert done.returncode == 0, done.stdout + done.stderr
    assert left(site) == [NAME]
    assert sha256_of(site.models / "loras" / NAME) == sha256(DATA)
    assert hub.seen == []
    commit = hub.repositories[REPO].commit
    arguments = (site.home / "arguments").read_text().splitlines()
    assert arguments[:3] == ["download", "--revision", commit]
    assert arguments[-3:] == ["--", REPO, f"sub/{NAME}"]
    assert "hf_secret" not in "".join(arguments) + done.stdout + done.stderr
    assert (site.home / "environment").read_text().splitlines() == ["hf_secret", hub.url]


def test_a_file_below_the_limit_does_not(site: Site, hub: Hub, script: Path) -> None:
    path = path_with(site, "#!/bin/sh\nexit 1\n")
    done = site.script(script, PATH=path, COMFYFIX_BRIDGE="3999999")
    assert done.returncode == 0, done.stdout + done.stderr
    assert left(site) == [NAME]


def test_what_the_storage_refuses_comes_by_hf(site: Site, hub: Hub, script: Path) -> None:
    with Hub() as storage:
        storage.repositories = hub.repositories
        storage.faults.append(Fault(f"file {REPO}/*", "400"))
        hub.cdn = storage.url
        done = site.script(script, PATH=path_with(site, HF + BRINGS))
        assert done.returncode == 0, done.stdout + done.stderr
        assert storage.seen != []
    assert left(site) == [NAME]
    assert sha256_of(site.models / "loras" / NAME) == sha256(DATA)


def test_without_hf_it_is_told_what_to_install(site: Site, script: Path) -> None:
    done = site.script(script, PATH=path_with(site, None), COMFYFIX_BRIDGE="1")
    assert done.returncode == 1
    assert "install it (pip install huggingface_hub)" in done.stdout
    assert left(site) == []


@pytest.mark.parametrize(
    ("hf", "code", "told"),
    [
        (HF + 'printf wrong >"$place/$3"\n', 14, "What hf brought is not"),
        (HF + 'ln -s "$HOME/hub file" "$place/$3"\n', 15, "could not fetch"),
        (
            HF + "echo 'Error: no such thing' >&2; echo Hint: none; exit 1\n",
            15,
            "Error: no such thing",
        ),
        (HF + "exit 0\n", 15, "could not fetch"),
        (HF + "echo 'OSError: No space left on device'; exit 1\n", 13, "Not enough space"),
    ],
)
def test_what_hf_does_not_bring_has_no_name(
    site: Site, script: Path, hf: str, code: int, told: str
) -> None:
    done = site.script(script, PATH=path_with(site, hf), COMFYFIX_BRIDGE="1")
    assert done.returncode == code, done.stdout + done.stderr
    assert told in done.stdout
    assert left(site) == []


@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGKILL])
def test_a_stop_ends_hf_and_the_next_run_clears_up(site: Site, script: Path, way: int) -> None:
    slow = HF + 'echo "$$" >"$HOME/begun"; while :; do sleep 0.1; done\n'
    env = site.environment(PATH=path_with(site, slow), COMFYFIX_BRIDGE="1")
    begun = site.home / "begun"
    with subprocess.Popen(["bash", str(script)], env=env, start_new_session=True) as process:
        wait_until(lambda: begun.exists() and begun.read_text() != "")
        hf = int(begun.read_text())
        process.send_signal(way)
        process.wait()
        if way == signal.SIGTERM:
            wait_until(lambda: not is_alive(hf))
            assert left(site) == []
    again = site.script(script, PATH=path_with(site, HF + BRINGS), COMFYFIX_BRIDGE="1")
    assert again.returncode == 0, again.stdout + again.stderr
    assert left(site) == [NAME]
    wait_until(lambda: not is_alive(hf))
