"""manifest.yaml: what it takes, what it refuses, and where it says the mistake is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.errors import ManifestProblem
from comfyfix.settings import read as manifest_file
from comfyfix.settings.manifest import Manifest, size_in_bytes

LOAD = """
import pathlib, comfyfix.errors, comfyfix.settings.read
try: comfyfix.settings.read.load(pathlib.Path("m.yaml"))
except comfyfix.errors.ManifestProblem: pass
"""
REPO = Path(__file__).resolve().parents[2]
FIELDS = Manifest.__struct_fields__
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
MANIFESTS = st.dictionaries(st.sampled_from(FIELDS) | TEXT, JSON, max_size=4).map(
    lambda some: json.dumps({"comfyui": "c", **some})
)


def load(folder: Path, text: str, **environ: str) -> Manifest:
    (folder / "manifest.yaml").write_text(text, encoding="utf-8")
    return manifest_file.load(folder / "manifest.yaml", environ)


def refusal(folder: Path, text: str, **environ: str) -> str:
    with pytest.raises(ManifestProblem) as caught:
        load(folder, text, **environ)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("comfyui: c\ncolour: red", "line 2, key colour: this key is not known"),
        ("comfyui: c\ndownload:\n  retires: 3", "line 3, key download.retires: this key"),
        ("comfyui: c\nmodels:\n  a.b.pth:\n    link: x", "line 4, key models.a.b.pth.link: this"),
        ("comfyui: [c]", "line 1, key comfyui: Expected str"),
        ("comfyui: c\n\nworkflows: one.json", "line 3, key workflows: Expected array"),
        ("comfyui: c\nworkflows:\n  - a\n  - 5", "line 4, key workflows[1]: Expected str"),
        ("comfyui: c\nconfirm: maybe", "line 2, key confirm: Expected bool"),
        ("comfyui: c\nmodels:\n  ok.pth: {}\n  x.pth:", "line 4, key models.x.pth: Expected obj"),
        ("comfyui: c\nbatch: 0", "line 2, key batch: 0 is not from 1"),
        ("comfyui: c\nsearch:\n  sources: [bing]", "line 3, key search.sources: 'bing' is not"),
        ("comfyui: c\nverify:\n  pickle: eat", "line 3, key verify.pickle: Invalid enum"),
        ("comfyui: c\ndownload: {retries: 101}", "line 2, key download.retries: 101 is not"),
        ("comfyui: c\ndownload:\n  reserve: much", "line 3, key download.reserve: 'much' is not"),
        ("comfyui: c\ndownload:\n  reserve: -5", "line 3, key download.reserve: -5 is not"),
        ("comfyui: c\nqwen: {seconds: 0}", "line 2, key qwen.seconds: it must be more"),
        ("comfyui: c\nqwen: {seconds: 99999}", "line 2, key qwen.seconds: it must be more"),
        ("comfyui: c\nqwen: {calls: 0}", "line 2, key qwen.calls: 0 is not from 1"),
        ("comfyui: c\nqwen: {tokens: 0}", "line 2, key qwen.tokens: 0 is not from 1"),
        ("comfyui: c\nqwen: {command: 'qwen -y'}", "line 2, key qwen.command: it must be the name"),
        ("comfyui: c\nqwen: {command: ./qwen}", "line 2, key qwen.command: it must be the name"),
        ("comfyui: c\nqwen: {command: --yolo}", "line 2, key qwen.command: it must be the name"),
        ("comfyui: c\nqwen: {command: '/a/b;c d'}", "line 2, key qwen.command: it must be the"),
        ("comfyui: c\nendpoints: {civitai: 'ftp://h'}", "line 2, key endpoints.civitai: 'ftp://h'"),
        ("comfyui: c\nqwen: {base_url: 'http://u@h'}", "line 2, key qwen.base_url: 'http://u@h'"),
        ("comfyui: c\nmodels:\n  x: {sha256: gg}", "line 3, key models.x.sha256: not 64"),
        ("comfyui: c\nstore: &s x", "line 2: anchors and aliases"),
        ("comfyui: *s", "line 1: anchors and aliases"),
        ("comfyui: c\nqwen: &q {}\ninclude: {<<: *q}", "line 2: anchors and aliases"),
        ("comfyui: c\ninclude:\n  <<: {inactive: true}", "line 3: merge keys (<<)"),
        ("comfyui: c\nbatch: 6\ncomfyui: d", "line 3: the key 'comfyui' stands here twice"),
        ("comfyui: c\nstore: ${NO_SUCH}/m", "line 2, key store: ${NO_SUCH} is not set"),
        ("comfyui: c\n\tstore: x", "line 2: found"),
        ("- comfyui: c", "line 1: the manifest must be a list of"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(text: str, place: str, tmp_path: Path) -> None:
    assert f"manifest.yaml, {place}" in refusal(tmp_path, text)


def test_a_manifest_without_comfyui_says_what_to_add(tmp_path: Path) -> None:
    assert "add `comfyui: PATH`, or set COMFYUI_PATH" in refusal(tmp_path, "")


def test_an_absent_a_binary_and_a_folder_manifest_are_problems(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"comfyui: \xff")
    for name, said in (("no.yaml", "does not exist"), ("binary", "can't be"), ("", "can't be")):
        with pytest.raises(ManifestProblem, match=said):
            manifest_file.load(tmp_path / name, {})


def test_variables_are_expanded_at_every_depth_and_a_bom_is_skipped(tmp_path: Path) -> None:
    text = "\ufeffcomfyui: ${A}/c\nworkflows: ['${A}/${B}.json']\nmodels: {x: {url: 'u${B}$B'}}"
    found = load(tmp_path, text, A="/a", B="b")
    assert (found.comfyui, found.workflows) == ("/a/c", ("/a/b.json",))
    assert found.models["x"].url == "ub$B"


def test_paths_are_relative_to_the_folder_of_the_manifest(tmp_path: Path) -> None:
    text = "comfyui: C\nstore: ../s\noutput: o/../p\nextra_model_paths: [e.yaml]\nworkflows: [/w]"
    found = load(tmp_path, text)
    assert found.comfyui == f"{tmp_path}/C"
    assert found.store == f"{tmp_path.parent}/s"
    assert found.output == f"{tmp_path}/p"
    assert found.extra_model_paths == (f"{tmp_path}/e.yaml",)
    assert found.workflows == ("/w",)


def test_a_tilde_is_the_home_and_that_of_an_unknown_user_is_no_crash(tmp_path: Path) -> None:
    assert load(tmp_path, "comfyui: ~/ComfyUI").comfyui == f"{Path.home()}/ComfyUI"
    assert load(tmp_path, "comfyui: ~nobody-at-all/c").comfyui.endswith("/~nobody-at-all/c")


def test_the_environment_wins_over_the_manifest(tmp_path: Path) -> None:
    text = "comfyui: c\nendpoints: {huggingface: http://h}\nqwen: {model: m, base_url: http://q}"
    kept = load(tmp_path, text)
    assert kept.endpoints.huggingface == "http://h"
    assert (kept.qwen.model, kept.qwen.base_url) == ("m", "http://q")
    found = load(
        tmp_path, text, COMFYUI_PATH="/env", HF_ENDPOINT="https://e/", CIVITAI_ENDPOINT="https://c",
        QWEN_BASE_URL="http://b/v1/", QWEN_MODEL="n",
    )  # fmt: skip
    assert found.comfyui == "/env"
    assert (found.endpoints.huggingface, found.endpoints.civitai) == ("https://e", "https://c")
    assert (found.qwen.model, found.qwen.base_url) == ("n", "http://b/v1")


@pytest.mark.parametrize("command", ["qwen", "qwen-0.24", "/opt/qwen/bin/qwen"])
def test_the_qwen_program_is_a_name_or_an_absolute_path(command: str, tmp_path: Path) -> None:
    text = f"comfyui: c\nqwen: {{command: {command}, base_url: 'http://h/v1'}}"
    assert load(tmp_path, text).qwen.command == command


def test_comfyui_path_alone_is_enough_and_the_demo_ignores_endpoints(tmp_path: Path) -> None:
    assert load(tmp_path, "batch: 3", COMFYUI_PATH="/env").comfyui == "/env"
    demo = load(tmp_path, "comfyui: demo", HF_ENDPOINT="https://e", QWEN_MODEL="n")
    assert demo.is_demo
    assert (demo.endpoints.huggingface, demo.qwen.model) == ("https://huggingface.co", "qwen-plus")


@pytest.mark.parametrize(
    ("text", "size"),
    [(7, 7), ("0", 0), ("2GB", 2 * 10**9), ("500 MiB", 500 * 2**20), ("1.5k", 1500)],
)
def test_sizes_are_read_in_both_kinds_of_unit(text: int | str, size: int) -> None:
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1,5GB", "2 GB free", "1e3", "2PB"])
def test_what_is_no_size_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        size_in_bytes(text)


def test_the_most_exact_override_is_found_first(tmp_path: Path) -> None:
    keys = ["loras/a/x.pth", "a/x.pth", "x.pth"]
    for first in range(3):
        models = {key: {"url": key} for key in reversed(keys[first:])}
        found = load(tmp_path, json.dumps({"comfyui": "c", "models": models}))
        override = found.override_for("loras", "a/x.pth")
        assert override is not None
        assert override.url == keys[first]
    assert found.override_for("loras", "a/y.pth") is None


@given(text=TEXT | MANIFESTS)
def test_any_text_loads_or_is_a_manifest_problem(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        found = load(tmp_path_factory.getbasetemp(), text)
    except ManifestProblem as problem:
        assert "manifest.yaml" in problem.what
    else:
        assert Path(found.output).is_absolute()


@pytest.mark.parametrize("line", ["confirm: 010", "confirm: 1:30", "batch: .inf", "batch: .nan"])
def test_a_strange_number_is_told_with_its_own_line(line: str, tmp_path: Path) -> None:
    assert "line 3, key " in refusal(tmp_path, f"comfyui: c\n\n{line}\n")


def test_a_size_beyond_all_numbers_is_told_with_its_key(tmp_path: Path) -> None:
    text = f"comfyui: c\ndownload: {{reserve: {'9' * 400}GB}}"
    assert "download.reserve" in refusal(tmp_path, text)


def test_deeply_nested_mappings_are_a_manifest_problem(tmp_path: Path) -> None:
    refusal(tmp_path, f"comfyui: c\na: {'{a: ' * 600}1{'}' * 600}")


def test_deeply_nested_lists_do_not_kill_the_program(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("- " * 200_000)
    argv, env = [sys.executable, "-c", LOAD], {"PYTHONPATH": str(REPO)}
    assert subprocess.run(argv, cwd=tmp_path, env=env, check=False).returncode == 0
