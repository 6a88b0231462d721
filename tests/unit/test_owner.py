"""Who has made something: scripts and comfyfix mean the same process, and know when it is gone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix import templates
from comfyfix.disk.lease import owner

PARTS = ("begin", "identity", "words", "children", "lease", "leftovers")
NAMED = """\
import sys
with open("/proc/self/comm", "w") as name:
    name.write(sys.argv[1])
print("named", flush=True)
sys.stdin.read()
"""


def script(program: str, *given: object, proc: str = "/proc", path: str = "") -> list[str]:
    """What the scripts' own functions say; `proc` stands in for /proc."""
    text = "".join(templates.text(f"script/{part}.sh") for part in PARTS)
    done = subprocess.run(
        [shutil.which("bash") or "", "-c", f"{text.replace('/proc/', f'{proc}/')}\n{program}",
         "script", *map(str, given)],
        env={"PATH": path or os.environ["PATH"], "HOSTNAME": "studio", "TZ": "Asia/Tokyo"},
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


DEAD = """\
for each in "$@"; do
  if is_owner "$each" && dead "$each"; then echo dead; else echo "at work, or not ours"; fi
done
"""


def dead(*owners: str) -> list[bool]:
    """Whom the scripts take for dead."""
    return [line == "dead" for line in script(DEAD, *owners)]


def test_a_number_that_is_in_use_again_is_another_process() -> None:
    here, pid = owner.where(), os.getpid()
    with subprocess.Popen(["true"]) as gone:
        pass
    began = owner.began_of(pid)
    told = {
        owner.me(): False,
        f"{here}{began}.{pid}": False,
        f"{here}{began}1.{pid}": True,
        f"{here}t1.{pid}": True,
        f"{here}.{pid}": False,  # who does not tell when it began
        f"{here}dSunNov292359592026.{pid}": False,  # told in another way than here
        f"{here}.{gone.pid}": True,
        f"{here}t1.{gone.pid}": True,
        f"{here}x1.{pid}": False,
        f"{here}tt1.{pid}": False,
        f"{here}t.{gone.pid}": False,
        f"elsewhere.{gone.pid}": False,
        f"elsewhere{began}.{gone.pid}": False,
        f"x{here}t1.{gone.pid}": False,
        "anything/else": False,
        "": False,
    }
    assert {each: owner.is_dead(each) for each in told} == told
    assert dict(zip(told, dead(*told), strict=True)) == told


def test_a_script_calls_itself_as_it_is_called_here() -> None:
    told = script('printf "%s\\n" "$ME" "$$"; began "$1"; echo "$WHERE$BEGAN.$1"', os.getpid())
    assert told[2] == owner.me()
    assert told[0].partition("t")[0] == owner.where()
    assert told[0].endswith(f".{told[1]}")
    assert script('kill -0 "$1" 2>/dev/null || echo gone; dead "$2" && echo dead', told[1], told[0])


@pytest.mark.parametrize("name", ["a b", ") S 1 (", "a)\n) Z 5", "\n", "1 2 3 4 5 6 7"])
def test_no_name_of_a_program_hides_when_it_began(name: str) -> None:
    python = shutil.which("python3") or ""
    with subprocess.Popen(
        [python, "-c", NAMED, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == "named\n"
        assert f"({name})" in Path(f"/proc/{child.pid}/stat").read_text()
        told = owner.began_of(child.pid)
        assert int(told.removeprefix("t")) >= int(owner.began_of(os.getpid()).removeprefix("t"))
        assert script('began "$1"; echo "$BEGAN"', child.pid) == [told]


@pytest.fixture
def no_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing but `ps` tells of processes; a file `date` holds what it says."""
    program, date, bash = tmp_path / "ps", tmp_path / "date", shutil.which("bash") or ""
    asked = "-o lstart= -p"
    (tmp_path / "bash").symlink_to(bash)
    program.write_text(
        f'#!{bash}\n[ "$LC_ALL $TZ" = "C UTC0" ] || exit\n'
        f'case "$*" in "{asked} "*) while read -r line; do echo "$line"; done <"{date}" ;; esac\n'
    )
    program.chmod(0o755)
    date.write_text("Mon Nov 30 16:09:40 2026    \n")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(owner, "_PROC", Path("/nowhere"))
    return date


def test_where_there_is_no_kernel_to_ask_ps_tells(no_kernel: Path) -> None:
    pid, way = os.getpid(), {"proc": "/nowhere", "path": str(no_kernel.parent)}
    assert owner.began_of(pid) == "dMonNov301609402026"
    assert script('began "$1"; echo "$BEGAN"; echo "$WHERE"', pid, **way) == [
        "dMonNov301609402026", "studio",
    ]  # fmt: skip
    here = owner.where()
    for date, is_dead in (("Mon Nov 30 16:09:40 2026", False), ("Mon Nov 30 16:09:41 2026", True),
                          ("nobody knows", False), ("", False)):  # fmt: skip
        no_kernel.write_text(f"{date}\n" if date else "")
        assert owner.is_dead(f"{here}dMonNov301609402026.{pid}") == is_dead
        ends = script(DEAD, f"studiodMonNov301609402026.{pid}", f"studio.{pid}", **way)
        assert [end == "dead" for end in ends] == [is_dead, False]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "x", owner.where(), owner.where()[:-1], owner.where() + "7"]),
            st.from_regex(r"t[0-9x]{0,4}|d[A-Za-z0-9]{0,3}|", fullmatch=True),
            st.sampled_from([1, os.getpid(), 4194304, 999999999]),
        ),
        min_size=20, max_size=20,
    )
)  # fmt: skip
def test_scripts_and_comfyfix_never_disagree(made: list[tuple[str, str, int]]) -> None:
    owners = [f"{where}{began}.{pid}" for where, began, pid in made]
    assert dead(*owners) == [owner.is_dead(each) for each in owners]
