"""JSON, YAML and picture bombs: each at most 1 s and 256 MB, and the other files are read.

Every file is read by a process of its own, so that its time and memory can be told apart from
those of a harmless one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from comfyfix.why import Why
from tests.faults.bombs import FILES, chunk, compressed, png
from tests.rig import Site
from tests.unit.graphs import ui, vae

pytestmark = pytest.mark.faults
SECONDS, MEGABYTES = 1.0, 256
SCAN = """
import json, sys, time
from comfyfix.stages.needs.scan import scan_file
import PIL.Image, PIL.PngImagePlugin, msgspec  # what they cost is not the file's doing
def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
base = peak()
begin = time.process_time()
done = scan_file(sys.argv[1], "w")
seconds = time.process_time() - begin
why = done.problem.why if done.problem else ""
print(json.dumps([why, len(done.references), seconds, (peak() - base) / 1024]))
"""
READ_YAML = """
import json, sys, time
from pathlib import Path
from comfyfix.errors import SetupProblem
from comfyfix.screen import words
from comfyfix.settings.read import load
import yaml, msgspec
def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
base, begin, said = peak(), time.process_time(), ""
try:
    load(Path(sys.argv[1]), {})
except SetupProblem as problem:
    said = words.problem(problem)
print(json.dumps([said, time.process_time() - begin, (peak() - base) / 1024]))
"""


def merges(levels: int) -> bytes:
    """Each mapping merges the one before it twice: exponential for a reader that follows."""
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: v}}" for n in range(1, levels)]
    return "\n".join(["comfyui: ComfyUI", *lines]).encode()


def laughs(levels: int) -> bytes:
    lines = ["a0: &a0 [lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(["comfyui: ComfyUI", *lines]).encode()


YAMLS: dict[str, Callable[[], bytes]] = {
    "merges": lambda: merges(40),
    "laughs": lambda: laughs(12),
    "one anchor": lambda: b"comfyui: &a ComfyUI\n",
    "an alias of itself": lambda: b"comfyui: &a [*a]\n",
    "deep lists": lambda: b"comfyui: " + b"[" * 200_000,
    "deep blocks": lambda: b"".join(b" " * n + b"a:\n" for n in range(2_000)),
    "digits": lambda: b"batch: " + b"9" * 5_000,
    "colons": lambda: b"batch: " + b"1:" * 200_000 + b"1",
    "a tag": lambda: b"comfyui: !!python/object/apply:os.system [id]\n",
    "long": lambda: b"comfyui: " + b"a" * 20_000_000,
    "many keys": lambda: b"".join(b"k%d: v\n" % n for n in range(300_000)),
    "one key often": lambda: b"comfyui: x\n" * 200_000,
    "variables": lambda: b"comfyui: " + b"${HOME}" * 400_000,
    "surrogates": lambda: b'comfyui: "\\ud800"\n',
    "most keys": lambda: b"models:\n" + b"".join(b"  k%d: {}\n" % n for n in range(13_000)),
    "no text": lambda: bytes(range(256)) * 1000,
}
JSONS: dict[str, tuple[Callable[[], bytes], str]] = {
    **FILES,
    "depth 200,000, closed": (
        lambda: b'{"nodes":' + b"[" * 200_000 + b"]" * 200_000 + b"}", Why.JSON_UNREADABLE,
    ),
    "5,000 digits": (
        lambda: b'{"nodes":[{"id":' + b"9" * 5000 + b',"type":"VAELoader"}]}', "",
    ),
    "NaN": (lambda: b'{"nodes":[{"id":NaN,"type":"VAELoader","widgets_values":[-Infinity]}]}', ""),
    "300 MB, in five chunks": (
        lambda: png(*[chunk(b"zTXt", b"k%d\0\0" % n + compressed(60)) for n in range(5)]), "",
    ),
}  # fmt: skip


def cost(program: str, path: Path) -> tuple[str, float, float]:
    """Run a reader on a file: what it said, seconds of CPU and megabytes of its own.

    The best of three: what else a machine does makes its processors slower, never faster.
    """
    figures = [once(program, path)]
    while figures[-1][1] > SECONDS and len(figures) < 3:
        figures.append(once(program, path))
    return min(figures, key=lambda figure: figure[1])


def once(program: str, path: Path) -> tuple[str, float, float]:
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True,
                          text=True, timeout=60, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    said, *_, seconds, megabytes = json.loads(done.stdout)
    if os.environ.get("COMFYFIX_FIGURES"):
        print(f"\n{seconds:.2f} s, {megabytes:.0f} MB, {said[:100]}")
    return said, seconds, megabytes


@pytest.mark.parametrize("name", JSONS)
def test_a_workflow_costs_little(name: str, tmp_path: Path) -> None:
    make, expected = JSONS[name]
    path = tmp_path / "w.json"
    path.write_bytes(make())
    said, seconds, megabytes = cost(SCAN, path)
    assert not expected or said == expected
    assert seconds <= SECONDS, f"{seconds:.2f} s"
    assert megabytes <= MEGABYTES, f"{megabytes:.0f} MB"


@pytest.mark.parametrize("name", YAMLS)
def test_a_manifest_costs_little(name: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_bytes(YAMLS[name]())
    said, seconds, megabytes = cost(READ_YAML, path)
    assert said or name == "most keys"
    assert "\n" not in said
    assert len(said) < 2000
    assert seconds <= SECONDS, f"{seconds:.2f} s"
    assert megabytes <= MEGABYTES, f"{megabytes:.0f} MB"


def test_all_bombs_together_leave_the_others_alone(site: Site) -> None:
    for number, (make, _) in enumerate(JSONS.values()):
        (site.workflows / f"bomb_{number}.json").write_bytes(make())
    (site.workflows / "good.json").write_text(json.dumps(ui(vae(1, "good.pth"))))
    done = site.doit("scan", "--json")
    assert "Traceback" not in done.stderr
    rows = json.loads(done.stdout)["references"]
    assert [row["value"] for row in rows if row["workflow"] == "good.json"] == ["good.pth"]
