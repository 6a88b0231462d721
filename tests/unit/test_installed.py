"""What the user's own node packs say of their inputs, read without running anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.comfyui.loaders.table import Loader, LoaderInput, Widget, merged
from comfyfix.comfyui.packs import installed, reading
from comfyfix.comfyui.packs.facts import PackFacts
from comfyfix.comfyui.packs.linked import linked
from comfyfix.disk import looked
from tests.unit.pack_sources import EXPECTED, FILES, lay_out


def read(text: str) -> PackFacts:
    facts = reading.read(["/c/custom_nodes/p.py"], lambda _: text.encode(), "/c")
    return linked(facts, "/c", {})


def folder_of(expression: str, before: str = "") -> tuple[str | None, tuple[str, ...]] | None:
    """The folders of an input whose choices are an expression."""
    text = f"""
import folder_paths
import folder_paths as fp
from folder_paths import get_filename_list as listing
{before}
class Node:
    @classmethod
    def INPUT_TYPES(cls):
        return {{"required": {{"name": ({expression},)}}}}
"""
    loader = read(text).loaders.get("Node")
    return (loader.inputs["name"].folder, loader.inputs["name"].also) if loader else None


def test_nearly_every_loader_input_of_core_and_five_packs(tmp_path: Path) -> None:
    lay_out(tmp_path)
    facts = installed.read(tmp_path, [], None)
    got = {
        (node, name): (entry.folder, entry.index)
        for node, loader in facts.loaders.items()
        for name, entry in loader.inputs.items()
    }
    right = [key for key, told in EXPECTED.items() if got.get(key) == told]
    assert len(right) / len(EXPECTED) >= 0.95, set(EXPECTED) - set(right)
    assert {key: told for key, told in got.items() if EXPECTED.get(key) != told} == {}
    assert facts.folders["mmdets_bbox"] == (f"{tmp_path}/models/mmdets/bbox",)
    assert facts.folders["ipadapter"] == (f"{tmp_path}/models/ipadapter",)


@pytest.mark.parametrize(
    "expression",
    [
        'folder_paths.get_filename_list("loras")',
        'fp.get_filename_list("loras")',
        'listing("loras")',
        '["None"] + sorted(listing("loras"), key=str.lower)',
        '["None", *listing("loras")]',
        '[x for x in listing("loras") if "a" in x]',
        'list(filter(lambda x: x, listing("loras")))',
        'listing("loras") if fp else ["none"]',
        'listing("loras")[:50] or ["none"]',
        'sorted(set(listing("loras")))',
    ],
)
def test_choices_of_a_folder_are_known_however_they_are_written(expression: str) -> None:
    assert folder_of(expression) == ("loras", ())


def test_choices_of_two_folders_are_looked_for_in_both() -> None:
    assert folder_of('listing("vae") + listing("vae_approx")') == ("vae", ("vae_approx",))
    assert folder_of('listing("clip") + listing("clip_gguf")') == ("text_encoders", ())


@pytest.mark.parametrize(
    "expression",
    [
        '["a", "b"]',
        '["x" + n for n in listing("loras")]',
        '[f"{n}!" for n in listing("loras")]',
        '[os.path.splitext(n)[0] for n in listing("loras")]',
        "listing(name_from_elsewhere)",
        'listing("../../etc")',
        '"STRING"',
    ],
)
def test_what_is_no_name_inside_a_folder_is_not_claimed(expression: str) -> None:
    assert folder_of(expression) is None


def test_nothing_of_a_pack_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = f"""
open({str(mark)!r}, "w")
__import__("os").system("touch {mark}")
import folder_paths
class Node:
    INPUT_TYPES = classmethod(lambda s: open({str(mark)!r}, "w"))
class Other:
    @classmethod
    def INPUT_TYPES(s):
        open({str(mark)!r}, "w")
        return {{"required": {{"x": (folder_paths.get_filename_list("vae"),)}}}}
"""
    assert read(text).loaders["Other"].inputs["x"].folder == "vae"
    assert not mark.exists()


@pytest.mark.faults
@pytest.mark.parametrize(
    "body",
    [
        "x = " + "[" * 3000 + "]" * 3000,
        "x = " + "(" * 90 + "1" + ")" * 90 + "\ny = " + "-" * 5000 + "1",
        "def f(): return f()\nx = f()",
        "a = b\nb = a",
        "x = [i for i in range(10**9)]\n" * 50,
        "class A(A): pass\nclass B(C): pass\nclass C(B): pass",
        "def INPUT_TYPES(:",
        "\0",
        "x = [folder_paths]\n" + "x = [x, x, *x]\n" * 80,
        "def f(\n" * 50000,
        "x = [" + "a," * 400000 + "]",
        "x = folder_paths.get_filename_list('loras')\nfor i in range(256):\n"
        "    for j in range(256):\n        x = x + [f'{i}{j}']\n        if x: y = i",
        "def f(x):\n    d = {" + "".join(f"{i}: 1," for i in range(9000)) + "}\n"
        "    for i in range(256):\n        for j in range(256):\n            d = {**d}\nx = f(1)",
        "x = []\nx.append(x)\ny = {}\ny['x'] = y\nx.extend(x)\nx = x + [y]",
        "from . import *\nfrom .p import *",
        "x = 'a' * 10**9\ny = x + x",
        "def f(n):\n    for i in range(256):\n        for j in range(256):\n"
        "            for k in range(256):\n                n += [i]\n    return n\nx = f([])",
    ],
    ids=range(17),
)
def test_a_hostile_pack_costs_little_and_the_rest_is_read(body: str, tmp_path: Path) -> None:
    lay_out(tmp_path)
    evil = tmp_path / "custom_nodes" / "a_first.py"
    evil.write_text(
        "import folder_paths\n" + body + "\nclass Evil(B if 0 else object):\n"
        "    @classmethod\n    def INPUT_TYPES(s):\n"
        "        return {'required': {'x': (x, y, f([]), folder_paths)}}\n"
        "NODE_CLASS_MAPPINGS = {'Evil': Evil}\n"
    )
    facts = installed.read(tmp_path, [], None)
    assert "UnetLoaderGGUF" in facts.loaders
    assert "Evil" not in facts.loaders


def test_links_in_a_circle_and_switched_off_packs_are_left(tmp_path: Path) -> None:
    lay_out(tmp_path)
    packs = tmp_path / "custom_nodes"
    (packs / "rgthree-comfy" / "round").symlink_to(packs)
    (packs / "ComfyUI-GGUF").rename(packs / "ComfyUI-GGUF.disabled")
    assert "UnetLoaderGGUF" not in installed.read(tmp_path, [], None).loaders


def test_a_second_reading_knows_what_changed(tmp_path: Path) -> None:
    comfyui, cache = tmp_path / "c", tmp_path / "cache.json"
    lay_out(comfyui)
    for path in comfyui.rglob("*.py"):
        os.utime(path, (1, 1))
    first = installed.read(comfyui, [], cache)
    assert installed.read(comfyui, [], cache) == first
    changed = comfyui / "custom_nodes" / "ComfyUI_IPAdapter_plus" / "IPAdapterPlus.py"
    changed.write_text(changed.read_text().replace('list("ipadapter")', 'list("clip_vision")'))
    second = installed.read(comfyui, [], cache)
    assert second.loaders["IPAdapterModelLoader"].inputs["ipadapter_file"].folder == "clip_vision"
    cache.write_text("{")
    assert installed.read(comfyui, [], cache) == second


def test_what_is_unchanged_is_not_parsed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comfyui, cache = tmp_path / "c", tmp_path / "cache.json"
    lay_out(comfyui)
    monkeypatch.setattr(looked, "SETTLED_NS", -1)
    first = installed.read(comfyui, [], cache)
    monkeypatch.setattr(reading, "read", None)
    assert installed.read(comfyui, [], cache) == first


def test_tables_are_merged_input_by_input() -> None:
    switch = Widget(name="on", index=1)
    best = {"A": Loader(inputs={"x": LoaderInput(folder="loras", also=("vae",))})}
    last = {
        "A": Loader(
            inputs={
                "x": LoaderInput(
                    folder="vae", index=3, switch=Widget(name="on", index=1), optional=True
                ),
                "y": LoaderInput(folder="clip_vision"),
            },
            count=Widget(name="count", index=2),
        ),
        "B": Loader(inputs={"z": LoaderInput(folder="vae")}),
    }
    got = merged(best, last)
    assert got["A"].count == Widget(name="count", index=2)
    # Both folders are looked in; which of them is meant first, the table knows.
    assert got["A"].inputs["x"] == LoaderInput(
        folder="vae", also=("loras",), index=3, switch=switch, optional=True
    )
    assert got["A"].inputs["y"].folder == "clip_vision"
    assert got["B"] == last["B"]


@settings(max_examples=150)
@given(st.data())
def test_any_change_of_a_source_is_survived(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(sorted(FILES.values())))
    start = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 200))
    piece = data.draw(st.one_of(st.text(max_size=20), st.sampled_from(sorted(FILES.values()))))
    assert isinstance(read(text[:start] + piece + text[start + cut :]), PackFacts)
