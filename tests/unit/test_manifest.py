"""manifest.yaml: what it takes, what it refuses, and where it says the mistake is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.errors import SetupProblem
from comfyfix.records import Reason, because
from comfyfix.settings import read as manifest_file
from comfyfix.settings import yamlfile
from comfyfix.settings.amounts import rate_in_bytes, size_in_bytes
from comfyfix.settings.manifest import Manifest
from comfyfix.why import Why

LOAD = """
import pathlib, comfyfix.errors, comfyfix.settings.read
try: comfyfix.settings.read.load(pathlib.Path("m.yaml"))
except comfyfix.errors.SetupProblem: pass
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


def refusal(folder: Path, text: str, **environ: str) -> Reason:
    with pytest.raises(SetupProblem) as caught:
        load(folder, text, **environ)
    return caught.value.reason


@pytest.mark.parametrize(
    ("text", "line", "key", "why"),
    [
        ("comfyui: c\ncolour: red", 2, "colour", Why.KEY_UNKNOWN),
        ("comfyui: c\ndownload:\n  retires: 3", 3, "download.retires", Why.KEY_UNKNOWN),
        ("comfyui: c\nmodels:\n  a.b.pth:\n    link: x", 4, "models.a.b.pth.link", Why.KEY_UNKNOWN),
        ("comfyui: [c]", 1, "comfyui", Why.VALUE_UNFIT),
        ("comfyui: c\n\nworkflows: one.json", 3, "workflows", Why.VALUE_UNFIT),
        ("comfyui: c\nworkflows:\n  - a\n  - 5", 4, "workflows[1]", Why.VALUE_UNFIT),
        ("comfyui: c\nconfirm: maybe", 2, "confirm", Why.VALUE_UNFIT),
        ("comfyui: c\nmodels:\n  ok.pth: {}\n  x.pth:", 4, "models.x.pth", Why.VALUE_UNFIT),
        ("comfyui: c\nbatch: 0", 2, "batch", Why.VALUE_UNFIT),
        ("comfyui: c\nsearch:\n  parallel: 65", 3, "search.parallel", Why.VALUE_UNFIT),
        ("comfyui: c\nsearch:\n  sources: [bing]", 3, "search.sources", Why.SOURCE_NAME_UNKNOWN),
        ("comfyui: c\nverify:\n  pickle: eat", 3, "verify.pickle", Why.VALUE_UNFIT),
        ("comfyui: c\ndownload: {retries: 101}", 2, "download.retries", Why.VALUE_UNFIT),
        ("comfyui: c\ndownload:\n  reserve: much", 3, "download.reserve", Why.SIZE_UNFIT),
        ("comfyui: c\ndownload:\n  reserve: -5", 3, "download.reserve", Why.SIZE_UNFIT),
        ("comfyui: c\ndownload:\n  reserve: 9e9TB", 3, "download.reserve", Why.SIZE_UNFIT),
        ("comfyui: c\ndownload:\n  reserve: 9999999TB", 3, "download.reserve", Why.SIZE_LARGE),
        ("comfyui: c\ndownload:\n  limit: fast", 3, "download.limit", Why.RATE_UNFIT),
        ("comfyui: c\ndownload:\n  limit: 20MB", 3, "download.limit", Why.RATE_UNFIT),
        ("comfyui: c\ndownload:\n  limit: true", 3, "download.limit", Why.VALUE_UNFIT),
        ("comfyui: c\ndownload:\n  limit: 10KB/s", 3, "download.limit", Why.RATE_LOW),
        ("comfyui: c\ndownload:\n  limit:\n    a.b: 1", 4, "download.limit.a.b", Why.RATE_LOW),
        (
            "comfyui: c\ndownload:\n  limit:\n    https://a: 1MB/s",
            4,
            "download.limit.https://a",
            Why.LIMIT_HOST_UNFIT,
        ),
        ("comfyui: c\nqwen: {seconds: 0}", 2, "qwen.seconds", Why.VALUE_UNFIT),
        ("comfyui: c\nqwen: {seconds: 99999}", 2, "qwen.seconds", Why.VALUE_UNFIT),
        ("comfyui: c\nqwen: {seconds: 1e999}", 2, "qwen.seconds", Why.VALUE_UNFIT),
        ("comfyui: c\nqwen: {calls: 0}", 2, "qwen.calls", Why.VALUE_UNFIT),
        ("comfyui: c\nqwen: {tokens: 0}", 2, "qwen.tokens", Why.VALUE_UNFIT),
        ("comfyui: c\nqwen: {command: 'qwen -y'}", 2, "qwen.command", Why.COMMAND_UNFIT),
        ("comfyui: c\nqwen: {command: ./qwen}", 2, "qwen.command", Why.COMMAND_UNFIT),
        ("comfyui: c\nqwen: {command: --yolo}", 2, "qwen.command", Why.COMMAND_UNFIT),
        ("comfyui: c\nqwen: {command: '/a/b;c d'}", 2, "qwen.command", Why.COMMAND_UNFIT),
        ("comfyui: c\nverify: {qwen: true}", 2, "verify.qwen", Why.QWEN_ADDRESS_NEEDED),
        ("comfyui: c\nendpoints: {civitai: 'ftp://h'}", 2, "endpoints.civitai", Why.ADDRESS_UNFIT),
        ("comfyui: c\nqwen: {base_url: 'http://u@h'}", 2, "qwen.base_url", Why.ADDRESS_UNFIT),
        ("comfyui: c\nmodels:\n  x: {sha256: gg}", 3, "models.x.sha256", Why.SHA256_UNFIT),
        ("comfyui: c\nmodels:\n  x.pth: {repo: a/b}", 3, "models.x.pth.repo", Why.FIELD_NEEDS),
        ("comfyui: c\nstore: &s x", 2, "", Why.ALIAS_REFUSED),
        ("comfyui: *s", 1, "", Why.ALIAS_REFUSED),
        ("comfyui: c\nqwen: &q {}\ninclude: {<<: *q}", 2, "", Why.ALIAS_REFUSED),
        ("comfyui: c\ninclude:\n  <<: {inactive: true}", 3, "", Why.MERGE_KEY_REFUSED),
        ("comfyui: c\nbatch: 6\ncomfyui: d", 3, "", Why.KEY_TWICE),
        ("comfyui: c\nstore: ${NO_SUCH}/m", 2, "store", Why.VARIABLE_UNSET),
        ("comfyui: c\n\tstore: x", 2, "", Why.NOT_YAML),
        ("- comfyui: c", 1, "", Why.MANIFEST_NO_MAPPING),
        ("comfyui: c\n\nconfirm: 010", 3, "confirm", Why.NO_NUMBER),
        ("comfyui: c\n\nconfirm: 1:30", 3, "confirm", Why.NO_NUMBER),
        ("comfyui: c\n\nbatch: .inf", 3, "batch", Why.NO_NUMBER),
        ("comfyui: c\n\nbatch: .nan", 3, "batch", Why.NO_NUMBER),
        (f"comfyui: c\na: {'{a: ' * 600}1{'}' * 600}", 2, "", Why.NESTED_DEEP),
        (
            f"comfyui: c\ndownload: {{reserve: {'9' * 400}GB}}",
            2,
            "download.reserve",
            Why.SIZE_LARGE,
        ),
    ],
    ids=range(51),
)
def test_a_mistake_is_told_with_its_line_and_key(
    text: str, line: int, key: str, why: Why, tmp_path: Path
) -> None:
    told = refusal(tmp_path, text).told
    assert isinstance(told["cause"], Reason)
    place = str(tmp_path / "manifest.yaml"), line, key
    assert (told["path"], told["line"], told["key"], told["cause"].why) == (*place, why)


@pytest.mark.parametrize(
    ("text", "key", "why"),
    [
        ("models: {x: {path: a}}", "models.x.path", Why.FIELD_NEEDS),
        ("models: {x: {file_id: 7}}", "models.x.file_id", Why.FIELD_NEEDS),
        ("search: {sources: [store, bing]}", "search.sources", Why.SOURCE_NAME_UNKNOWN),
        ("mirror: [/a, 'ftp://host/b']", "mirror[1]", Why.MIRROR_UNFIT),
        ("notify: ['json://a', 'exec://b']", "notify[1]", Why.NOTIFY_SCHEME_UNKNOWN),
        ("policy: {licences: [mit, ' ']}", "policy.licences[1]", Why.WORD_EMPTY),
        ("policy: {publishers: ['']}", "policy.publishers[0]", Why.WORD_EMPTY),
        ("policy: {formats: [gguf, '']}", "policy.formats[1]", Why.WORD_EMPTY),
        ("policy: {hosts: ['https://a']}", "policy.hosts[0]", Why.HOST_UNFIT),
        ("policy: {max_file: much}", "policy.max_file", Why.SIZE_UNFIT),
        ("policy: {max_total: 9999999TB}", "policy.max_total", Why.SIZE_LARGE),
        ("download: {allow_hosts: [a.b, a/b]}", "download.allow_hosts[1]", Why.HOST_UNFIT),
        ("download: {limit: {A.b: 1MB/s, a.B: 1MB/s}}", "download.limit.a.B", Why.KEY_TWICE),
        ("cluster: 'tcp://elsewhere:8786'", "cluster", Why.CLUSTER_PLAIN),
        ("cluster: {address: 'tls://a'}", "cluster.address", Why.CLUSTER_UNFIT),
        (
            "cluster: {address: 'tls://a:1', workers: {w: [x]}}",
            "cluster.workers",
            Why.CLUSTER_EACH_ONLY,
        ),
        ("tiers: {size: 0}", "tiers.size", Why.TIER_SIZE_NONE),
        ("tiers: {size: much}", "tiers.size", Why.SIZE_UNFIT),
        ('tiers: {fast: "a\\0b"}', "tiers.fast", Why.NAME_CHARACTER),
        ("comfyui_url: 'http://h:99999'", "comfyui_url", Why.ADDRESS_UNFIT),
        ("comfyui_url: 'http://h:0'", "comfyui_url", Why.ADDRESS_UNFIT),
        ("endpoints: {openmodeldb: 'http://h/ a'}", "endpoints.openmodeldb", Why.ADDRESS_UNFIT),
    ],
)
def test_a_value_that_can_not_be_is_told_with_its_key(
    text: str, key: str, why: Why, tmp_path: Path
) -> None:
    told = refusal(tmp_path, f"comfyui: c\n{text}").told
    assert isinstance(told["cause"], Reason)
    assert (told["line"], told["key"], told["cause"].why) == (2, key, why)


def test_values_at_their_bounds_are_taken(tmp_path: Path) -> None:
    made = load(
        tmp_path,
        "comfyui: c\ncomfyui_url: 'http://h:1'\ntiers: {size: 1}\n"
        "models: {x: {repo: a/b}, y: {path: p, repo: a/b}, z: {file_id: 7, model_version_id: 1}}\n"
        "cluster: {address: 'tls://a:1', store: each, workers: {w: [x]}}",
    )
    assert (made.workers_have_stores, made.workers_fetch) == (True, False)
    assert made.tiers.size_bytes == 1


@pytest.mark.parametrize("more", [0, 1])
def test_a_file_is_read_up_to_its_bounds_and_no_further(more: int) -> None:
    """Its length, what stands in it, and how deep it is nested."""
    long = "#" + "x" * (yamlfile.TEXT_MAX - 1 + more)
    of_list = 6  # events around the entries of a list: of the stream, the document, the list
    many = f"[{'a, ' * (yamlfile.EVENTS_MAX + 1 - of_list + more)}]"
    deep = "[" * (yamlfile.DEPTH_MAX + more) + "]" * (yamlfile.DEPTH_MAX + more)
    whys = {long: Why.TEXT_LONG, many: Why.KEYS_MANY, deep: Why.NESTED_DEEP}
    for text, why in whys.items():
        if not more:
            yamlfile.parse(text, Path("m.yaml"))
            continue
        with pytest.raises(SetupProblem) as caught:
            yamlfile.parse(text, Path("m.yaml"))
        cause = caught.value.reason.told["cause"]
        assert isinstance(cause, Reason)
        assert cause.why == why


def test_a_value_without_a_line_of_its_own_is_told_with_the_nearest() -> None:
    document = yamlfile.Document(Path("m.yaml"), {"$": 1, "$.a": 3, "$.a[0]": 4})
    places = {"$.a[0].b.c": 4, "$.a[7]": 3, "$.a.x[1]": 3, "$.z": 1, "$": 1}
    cause = because(Why.WORD_EMPTY)
    lines = {place: document.refused(place, cause).reason.told["line"] for place in places}
    assert lines == places


def test_a_manifest_without_comfyui_says_what_to_add(tmp_path: Path) -> None:
    assert refusal(tmp_path, "").why == Why.MANIFEST_NO_COMFYUI


def test_an_absent_a_binary_and_a_folder_manifest_are_problems(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"comfyui: \xff")
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    unreadable = dict.fromkeys(("binary", "link", "pipe", ""), Why.MANIFEST_UNREADABLE)
    for name, why in {"no.yaml": Why.MANIFEST_ABSENT, **unreadable}.items():
        with pytest.raises(SetupProblem) as caught:
            manifest_file.load(tmp_path / name, {})
        assert (caught.value.reason.why, caught.value.reason.told["path"]) == (
            why,
            str(tmp_path / name),
        )


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


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        (1_000_000, 1_000_000),
        ("20MB/s", 20_000_000),
        (" 1.5 MiB/s ", 1_572_864),
        ("160Mbit/s", 20_000_000),
        ("1Gbps", None),
        ("20Mb/s", None),  # bits or bytes? nobody knows
        ("9999999999GB/s", None),
        (1, 0),
        ("49KB/s", 0),
    ],
)
def test_speeds_are_read_in_bytes_and_bits(text: int | str, rate: int | None) -> None:
    if rate:
        assert rate_in_bytes(text) == rate
    else:
        with pytest.raises(ValueError if rate is None else OverflowError):
            rate_in_bytes(text)


def test_a_limit_is_of_all_together_or_of_hosts(tmp_path: Path) -> None:
    assert load(tmp_path, "comfyui: c").download.limits == {}
    one = load(tmp_path, "comfyui: c\ndownload: {limit: 20MB/s}")
    assert one.download.limits == {"total": 20_000_000}
    text = "comfyui: c\ndownload: {limit: {total: 20MB/s, HuggingFace.co: 5MB/s}}"
    hosts = load(tmp_path, text).download.limits
    assert hosts == {"total": 20_000_000, "huggingface.co": 5_000_000}


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1,5GB", "2 GB free", "1e3", "2PB"])
def test_what_is_no_size_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        size_in_bytes(text)


def test_what_no_disk_holds_is_too_large() -> None:
    for size in (1 << 61, "9999999TB", "9" * 400):
        with pytest.raises(OverflowError):
            size_in_bytes(size)


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
    except SetupProblem as problem:
        assert str(problem.reason.told["path"]).endswith("manifest.yaml")
    else:
        assert Path(found.output).is_absolute()


def test_deeply_nested_lists_do_not_kill_the_program(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("- " * 200_000)
    argv, env = [sys.executable, "-c", LOAD], {"PYTHONPATH": str(REPO)}
    assert subprocess.run(argv, cwd=tmp_path, env=env, check=False).returncode == 0
