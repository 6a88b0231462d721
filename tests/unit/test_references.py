"""References: which values of a workflow name models, in which folder, and whether they count."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.comfyui.loaders.table import built_in
from comfyfix.comfyui.references.find import references
from comfyfix.comfyui.references.taken import is_listed
from comfyfix.comfyui.workflows.read import NotAWorkflow, parse
from comfyfix.records import to_json
from tests.unit.graphs import Json, found, link, node, paths, subgraph, ui, vae


def test_rows_of_rgthree_count_when_they_are_on_and_have_a_strength() -> None:
    rows = [
        {"on": on, "lora": f"{name}.pth", "strength": strength, "strengthTwo": None}
        for name, on, strength in (("a", True, 1), ("b", False, 1), ("c", True, 0), ("d", True, -1))
    ]
    rows.append({"on": True, "lora": "None", "strength": 1})
    got = found(ui(node(1, "Power Lora Loader (rgthree)", {}, {"type": "Header"}, *rows, "")))
    assert [(r.path, r.active) for r in got] == [
        ("a.pth", True), ("b.pth", False), ("c.pth", False), ("d.pth", True),
    ]  # fmt: skip
    assert {r.folder for r in got} == {"loras"}


def test_a_stack_uses_as_many_slots_as_it_counts() -> None:
    slots = [value for name in "abc" for value in (f"{name}.pth", 1, 1, 1)]
    assert paths(ui(node(1, "LoRA Stacker", "simple", 2, *slots))) == ["a.pth", "b.pth"]


@pytest.mark.parametrize("form", ["ui", "api"])
def test_a_switch_and_a_count_are_read_in_either_form(form: str) -> None:
    stack = {"switch_1": "Off", "lora_name_1": "a.pth", "model_weight_1": 1, "clip_weight_1": 1}
    stack |= {"switch_2": "On", "lora_name_2": "b.pth", "model_weight_2": 1, "clip_weight_2": 1}
    easy: Json = {"toggle": True, "mode": "simple", "num_loras": 1}
    for number, name in ((1, "c.pth"), (2, "d.pth")):
        easy |= {f"lora_{number}_name": name, f"lora_{number}_strength": 1}
        easy |= {f"lora_{number}_model_strength": 1, f"lora_{number}_clip_strength": 1}
    kinds = {"CR LoRA Stack": stack, "easy loraStack": easy}
    graph: Json = {
        str(i): {"class_type": kind, "inputs": values}
        for i, (kind, values) in enumerate(kinds.items())
    }
    if form == "ui":
        graph = ui(*(node(i, kind, *kinds[kind].values()) for i, kind in enumerate(kinds)))
    assert [(r.value, r.active) for r in found(graph)] == [
        ("a.pth", False), ("b.pth", True), ("c.pth", True), ("d.pth", False),
    ]  # fmt: skip


def test_rows_of_a_lora_manager_name_files_without_extension() -> None:
    rows = [
        {"name": "detail_v1.5", "strength": 0.6, "active": True, "clipStrength": 0.6},
        {"name": "off", "strength": 1, "active": False},
        {"name": "a\nb", "strength": 1, "active": True},
    ]
    kind = "Lora Loader (LoraManager)"
    ui_form = ui(node(1, kind, {"version": 1}, "<lora:detail_v1.5:0.6>", rows))
    api_form = {"1": {"class_type": kind, "inputs": {"loras": {"__value__": rows}}}}
    for form in (ui_form, api_form):
        got = found(form)
        assert [(r.value, r.active) for r in got] == [
            ("detail_v1.5", True), ("off", False), ("a\nb", True),
        ]  # fmt: skip
        assert (got[0].folder, got[0].files) == ("loras", ("detail_v1.5.safetensors",))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            "a <lora:sub/one:1.0:1.0:LBW=0,0;A=2.0> b <lora:two> <lora:sub/one:0.5>",
            ["sub/one", "two"],
        ),
        ("<lora:with space v1.5:0.8>", ["with space v1.5"]),
        ("<lora:own.safetensors:1>", ["own.safetensors"]),
        ("<lora:> <lora::1> <lore:x> lora:y <lora:a\nb:1>", []),
    ],
)
def test_tags_count_in_nodes_that_load_what_they_name(text: str, names: list[str]) -> None:
    picked = "SD1.5/picked.safetensors"  # what was last chosen from the list is in the text too
    got = found(ui(node(1, "ImpactWildcardEncode", text, text, False, picked)))
    assert [r.value for r in got] == names
    assert {r.folder for r in got} <= {"loras"}
    assert [r.files for r in got] == [
        () if name.endswith("safetensors") else (f"{name}.safetensors",) for name in names
    ]
    assert found(ui(node(1, "CLIPTextEncode", text))) == []


def test_tags_count_in_a_text_that_reaches_such_a_node() -> None:
    prompt = node(1, "Text Multiline", "<lora:far:1>")
    loader = node(2, "LoraTagLoader", "", links={"text": 5})
    assert paths(ui(prompt, loader, links=[[5, 1, 0, 2, 0, "STRING"]])) == ["far"]
    api = {
        "1": {"class_type": "CLIPTextEncode", "inputs": {"text": "<lora:far:1>"}},
        "2": {"class_type": "FaceDetailer", "inputs": {"positive": ["1", 0]}},
    }
    assert paths(api) == []


def test_a_list_with_pictures_keeps_the_name_beside_the_picture() -> None:
    chosen = {"content": "SDXL\\a.safetensors", "image": "loras/a.preview.png"}
    (got,) = found(ui(node(1, "LoraLoader|pysssss", chosen, 1, 1, "[none]")))
    assert (got.path, got.folder) == ("SDXL/a.safetensors", "loras")
    graph = {"1": {"class_type": "LoraLoader|pysssss", "inputs": {"lora_name": chosen}}}
    assert paths(graph) == [got.path]


def test_a_loader_that_runs_on_a_chosen_device_is_the_loader_it_is_made_from() -> None:
    kinds = ("VAELoaderMultiGPU", "VAELoaderDisTorchMultiGPU", "VAELoaderDisTorch2MultiGPU")
    got = found(ui(*(node(i, kind, "x.pth", "cuda:1") for i, kind in enumerate(kinds))))
    assert [(r.folder, r.guessed) for r in got] == [("vae", False)] * 3


def test_a_loader_of_another_version_keeps_its_folder() -> None:
    old = node(1, "LoraLoaderBlockWeight //Inspire", "a.safetensors", 1, 1, False)
    new = node(2, "LoraLoaderBlockWeight //Inspire", "All", "b.safetensors", 1, 1, False)
    assert [(r.path, r.folder) for r in found(ui(old, new))] == [
        ("a.safetensors", "loras"), ("b.safetensors", "loras"),
    ]  # fmt: skip
    linked = node(1, "LoraLoaderBlockWeight //Inspire", "stale.pth", 1, links={"lora_name": 5})
    assert paths(ui(linked, node(3, "Any"), links=[[5, 3, 0, 1, 0, "COMBO"]])) == []


def test_widgets_that_the_frontend_adds_after_a_seed_do_not_shift_the_names() -> None:
    names: Json = {"seed": None, "lora_name": None}
    (got,) = found(ui(node(1, "New", 7, "randomize", "x.safetensors", links=names)))
    assert (got.input, got.folder) == ("lora_name", "loras")


@pytest.mark.parametrize("kind", ["DownloadAndLoadSomething", "DepthAnythingPreprocessor"])
def test_nodes_that_fetch_for_themselves_need_nothing(kind: str) -> None:
    (got,) = found(ui(node(1, kind, "depth_lora.pth")))
    assert (got.optional, got.folder) == (True, None)


@pytest.mark.parametrize(
    ("kind", "path", "folder"),
    [
        ("Some Lora Loader", "x.safetensors", "loras"),
        ("CheckpointLoaderX", "x.safetensors", "checkpoints"),
        ("XY Input: Checkpoint", "x.ckpt", "checkpoints"),
        ("LoadVAEX", "x.pt", "vae"),
        ("UNETLoaderX", "x.sft", "diffusion_models"),
        ("Some Lora Loader", "my-controlnet-lora.safetensors", "loras"),
        ("CheckpointLoaderX", "sdxl-vae.safetensors", None),  # the class and the name disagree
        ("Exploration", "x.safetensors", None),
        ("CheckpointLoaderX", "x.gguf", None),
    ],
)
def test_the_last_guess_hears_the_name_of_the_class(
    kind: str, path: str, folder: str | None
) -> None:
    (got,) = found(ui(node(1, kind, path)))
    assert (got.folder, got.guessed) == (folder, folder is not None)


def test_backslashes_are_separators_and_the_value_is_kept() -> None:
    (got,) = found(ui(vae(1, "SDXL\\sub\\v.pth")))
    assert (got.value, got.path, got.name) == ("SDXL\\sub\\v.pth", "SDXL/sub/v.pth", "v.pth")


def test_the_folder_depends_on_the_input() -> None:
    got = found(ui(node(1, "LTXAVTextEncoderLoader", "t.pth", "c.pth")))
    assert {r.input: r.folder for r in got} == {
        "text_encoder": "text_encoders",
        "ckpt_name": "checkpoints",
    }


def models(name: str) -> Json:
    hint = {"name": name, "url": "https://h/x", "directory": "clip", "hash": "AB"}
    return {"models": [{**hint, "hash_type": "SHA-256"}, {"name": 5, "url": None}, "text"]}


def test_an_unknown_node_is_placed_by_a_hint_of_the_file_or_not_at_all() -> None:
    (own,) = found(ui(node(1, "New", 7, "sub\\x.gguf", properties=models("sub/x.gguf"))))
    assert (own.folder, own.guessed) == ("text_encoders", True)
    assert own.hint is not None
    assert (own.hint.url, own.hint.sha256) == ("https://h/x", "ab")
    (other,) = found(ui(node(1, "New", "x.gguf"), models=models("x.gguf")["models"]))
    assert (other.folder, other.guessed) == ("text_encoders", True)
    (none,) = found(ui(node(1, "New", {"deep": ["x.gguf"]}), vae(2, "pixel_space")))
    assert (none.folder, none.guessed, none.hint) == (None, False, None)


@pytest.mark.parametrize(
    ("input_name", "path", "folder"),
    [
        ("lora_name_2", "anything.safetensors", "loras"),
        ("model", "detail-lora_v2.safetensors", "loras"),
        ("model", "sub/t5xxl_fp8_e4m3fn.safetensors", "text_encoders"),
        ("model", "4x-UltraSharp.pth", "upscale_models"),
        ("model", "ip-adapter-plus_sd15.safetensors", "ipadapter"),
        ("model", "florae.safetensors", None),  # no word of its own
        ("model", "vae-lora.safetensors", None),  # two words, two folders
        ("model", "face_yolov8m.pt", None),
        ("lora_name", "x-lora.gguf", None),
    ],
)
def test_the_last_guess_is_made_from_plain_words_only(
    input_name: str, path: str, folder: str | None
) -> None:
    (got,) = found(ui(node(1, "New", path, links={input_name: None})))
    assert (got.folder, got.guessed) == (folder, folder is not None)


def test_a_node_that_only_chooses_a_name_takes_the_folder_of_the_loader_it_feeds() -> None:
    chooser = node(1, "Some Chooser", "chosen.pth")
    stale = node(2, "CheckpointLoaderSimple", "stale.pth", links={"ckpt_name": 5})
    graph = ui(chooser, stale, links=[[5, 1, 0, 2, 0, "COMBO"]])
    api = {
        "1": {"class_type": "Some Chooser", "inputs": {"name": "chosen.pth"}},
        "2": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": ["1", 0]}},
    }
    for form in (graph, api):
        (got,) = found(form)
        assert (got.path, got.folder, got.guessed) == ("chosen.pth", "checkpoints", False)


def test_a_value_that_only_a_run_decides_is_not_what_was_there_before_the_link() -> None:
    graph = ui(node(1, "Random Name"), vae(2, "stale.pth", 5), links=[[5, 1, 0, 2, 0, "COMBO"]])
    assert paths(graph) == []
    inner = subgraph("G", ["vae_name"], vae(7, "stale.pth", 9), links=[link(9, -10, 0, 7)])
    host = node(2, "G", "host.pth", links={"vae_name": 5})
    assert paths(ui(node(1, "PrimitiveNode"), host, subgraphs=[inner])) == ["host.pth"]
    links = [[5, 1, 0, 2, 0, "COMBO"]]
    assert paths(ui(node(1, "Random Name"), host, links=links, subgraphs=[inner])) == []


def test_values_pass_set_and_get_nodes() -> None:
    nodes = [
        node(1, "PrimitiveNode", "there.pth"),
        {**node(2, "SetNode", "name", links={"*": 5})},
        node(3, "GetNode", "name"),
        vae(4, "stale.pth", 6),
    ]
    links = [[5, 1, 0, 2, 0, "*"], [6, 3, 0, 4, 0, "*"]]
    assert paths(ui(*nodes, links=links)) == ["there.pth"]


def test_a_group_node_has_the_widgets_that_no_link_inside_feeds() -> None:
    members = [
        {"type": "PrimitiveNode", "widgets_values": ["old.pth", "fixed"]},
        {
            "type": "VAELoader",
            "inputs": [{"name": "vae_name", "widget": {"name": "vae_name"}, "link": 77}],
            "widgets_values": ["older.pth"],
        },
        {"type": "LoraLoader", "widgets_values": ["lora.pth", 1, 1], "mode": 4},
    ]
    group = {"nodes": members, "links": [[0, 0, 1, 0, 3, "COMBO"], [None, 0, 1, 1, 3, "X"]]}
    host = node(9, "workflow>G", "new.pth", "fixed", "mine.pth", 1, 1)
    got = found(ui(host, extra={"groupNodes": {"G": group}}))
    assert [(r.node_id, r.path, r.active) for r in got] == [
        ("9:1", "new.pth", True), ("9:2", "mine.pth", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("a girl, embedding:SDA768.pt, blonde", ["SDA768.pt"]),
        ("(embedding:sub/bad-hands:1.2) and\nembedding:easy", ["sub/bad-hands", "easy"]),
        ("embedding:one,embedding:two", ["one", "two"]),
        ("no-embedding:x, embedding: y, Embedding:z", []),
    ],
)
def test_embeddings_in_prompts_count(prompt: str, names: list[str]) -> None:
    text = node(3, "CLIPTextEncode", prompt)
    got = found(ui(text, node(4, "MarkdownNote", "embedding:note")))
    assert [r.value for r in got] == names
    assert {(r.folder, r.kind, r.input) for r in got} <= {("embeddings", "embedding", "widget_0")}
    assert [r.files for r in got] == [
        () if name.endswith(".pt") else (f"{name}.safetensors",) for name in names
    ]


def test_the_small_vaes_stand_for_two_files() -> None:
    (got,) = found(ui(vae(1, "taesd")))
    assert (got.path, got.folder) == ("taesd", "vae_approx")
    assert got.files == ("taesd_encoder.pth", "taesd_decoder.pth")


def test_stale_models_of_a_node_are_no_need() -> None:
    (got,) = found(ui(vae(1, "now.pth", properties=models("then.pth"))))
    assert (got.path, got.folder, got.hint) == ("now.pth", "vae", None)


def test_a_loader_knows_its_folder_better_than_a_hint() -> None:
    (got,) = found(ui(vae(1, "x.pth", properties=models("x.pth"))))
    assert (got.folder, got.guessed) == ("vae", False)
    assert got.hint is not None


@pytest.mark.parametrize("value", ["pixel_space", "", "None", "[none]", "Baked VAE", 5, "---"])
@pytest.mark.parametrize("kind", ["VAELoaderKJ", "New"])
def test_what_is_offered_beside_files_is_no_reference(kind: str, value: Any) -> None:
    assert paths(ui(node(1, kind, value))) == []


@pytest.mark.parametrize(
    ("kind", "name", "taken"),
    [
        ("LoraLoaderModelOnly", "a.safetensors", True),
        ("LoraLoaderModelOnly", "a.gguf", False),
        ("UNETLoader", "a.GGUF", False),
        ("UpscaleModelLoader", "a.onnx", False),
        ("LoraLoader", "urn:air:sdxl:lora:civitai:1@2", True),
        ("VAELoader", "taesd", True),
        ("DiffusersLoader", "sdxl-base", True),
        ("UnetLoaderGGUF", "a.gguf", True),
        ("ReActorFaceSwap", "a.onnx", True),
    ],
)
def test_the_table_knows_which_endings_the_core_lists(kind: str, name: str, taken: bool) -> None:
    assert is_listed(found(ui(node(1, kind, name)))[0]) is taken


@pytest.mark.parametrize("value", ["", "None", "[none]", "Baked VAE", "---"])
def test_what_the_core_does_not_offer_is_a_name_that_can_be_no_file(value: str) -> None:
    graph = {"1": {"class_type": "VAELoader", "inputs": {"vae_name": value}}}
    assert [one.value for one in found(graph)] == [value]
    assert paths(ui(node(1, "VAELoader", "pixel_space"), node(2, "TrainLoraNode", "[None]"))) == []


_NO_NAMES: tuple[Any, ...] = (
    *(None, 5, 0.5, True, False),
    *([], ["x.pth"], ["2", 0], ["1", 0, 0]),
    *({}, {"name": "x.pth"}),
)


@pytest.mark.parametrize("value", _NO_NAMES)
@pytest.mark.parametrize("kind", ["VAELoader", "VAELoaderKJ"])
def test_what_is_no_text_is_in_no_list_of_names(kind: str, value: Any) -> None:
    name = next(iter(built_in()[kind].inputs))
    for held in (value, {"__value__": value}):
        (got,) = found({"1": {"class_type": kind, "inputs": {name: held}}})
        assert (got.value, got.folder, got.listed) == (json.dumps(value), "vae", True)
    (got,) = found(ui(node(1, "VAELoader", value, links={"vae_name": None})))
    assert (got.value, got.listed) == (json.dumps(value), True)


@pytest.mark.parametrize("kind", ["VAELoader", "VAELoaderKJ"])
def test_nothing_where_a_name_should_be_is_told_once_the_file_tells_each_input(kind: str) -> None:
    name = next(iter(built_in()[kind].inputs))
    for value in ("", "  "):
        (got,) = found({"1": {"class_type": kind, "inputs": {name: value}}})
        assert (got.value, got.listed) == (value, True)
    linked = {"1": {"class_type": kind, "inputs": {name: ["2", 0]}}, "2": {"class_type": "Any"}}
    assert found(linked) == []
    absent = found({"1": {"class_type": kind, "inputs": {}}})
    assert [one.value for one in absent] == ([""] if kind == "VAELoader" else [])
    assert found(ui(vae(1, None, link=7), node(2, "Any"), links=[link(7, 2, 0, 1)])) == []


@pytest.mark.parametrize(
    ("value", "folder", "also"),
    [
        ("taehv.safetensors", "vae_approx", ()),
        ("taehv_small.pth", "vae", ("vae_approx",)),
        ("taesd_decoder.pth", "vae", ()),
        ("my.pth", "vae", ()),
    ],
)
def test_of_a_further_folder_only_some_names_are_listed(
    value: str, folder: str, also: tuple[str, ...]
) -> None:
    (got,) = found(ui(vae(1, value)))
    assert (got.folder, got.also) == (folder, also)


def test_the_names_of_all_widgets_tell_their_places() -> None:
    names = ("type", "clip_name2", "clip_name1")
    inputs = [{"name": n, "widget": {"name": n}} for n in names]
    told = found(ui(node(1, "DualCLIPLoader", "flux", "b.pth", "a.pth", inputs=inputs)))
    assert {one.input: one.value for one in told} == {"clip_name1": "a.pth", "clip_name2": "b.pth"}
    told = found(ui(node(1, "DualCLIPLoader", "a.pth", "b.pth", "flux", inputs=inputs[:2])))
    assert {one.input: one.value for one in told} == {"clip_name1": "a.pth", "clip_name2": "b.pth"}


def test_a_value_in_its_wrapper_is_the_value() -> None:
    graph = {"1": {"class_type": "VAELoader", "inputs": {"vae_name": {"__value__": "a.pth"}}}}
    assert [one.value for one in found(json.dumps(graph).encode())] == ["a.pth"]


@pytest.mark.parametrize(
    "value",
    ["a\nb.pth", "https://h/x.pth", ".pth", "sdxl_base", "x.pth ", "x.pth [abc1234567]", "a" * 999],
)
def test_where_a_file_is_chosen_every_other_value_is_a_reference(value: str) -> None:
    (got,) = found(ui(node(1, "VAELoader", value)))
    assert (got.value, got.folder, got.kind) == (value, "vae", "file")
    assert paths(ui(node(1, "New", value))) == []


def test_widgets_that_have_moved_are_not_names_of_files() -> None:
    (got,) = found(ui(node(1, "LoraLoader", "fixed", "x.pth", 1, 1)))
    assert got.value == "x.pth"


@pytest.mark.parametrize("ending", ["", ":safetensors", ".safetensors"])
def test_a_name_of_civitais_generator_names_the_very_version(ending: str) -> None:
    value = f"urn:air:sdxl:lora:civitai:122359@135867{ending}"
    (got,) = found({"1": {"class_type": "LoraLoader", "inputs": {"lora_name": value}}})
    assert got.files == ("civitai-122359-135867.safetensors",)
    assert got.hint is not None
    assert got.hint.url == "https://civitai.com/models/122359?modelVersionId=135867"


@pytest.mark.parametrize(
    ("kind", "inputs", "listed"),
    [
        ("VAELoader", {"vae_name": "x.pth"}, True),
        ("New", {"name": "x.pth"}, True),
        ("New", {"rows": [{"name": "x.pth"}]}, False),
        ("CR LoRA Stack", {"switch_1": "Off", "lora_name_1": "x.pth"}, True),
        ("Power Lora Loader (rgthree)", {"lora_1": {"on": True, "lora": "x.pth"}}, False),
        ("LoraTagLoader", {"text": "<lora:x.pth:1>"}, False),
        ("DownloadAndLoadSAM2Model", {"model": "x.pth"}, False),
        ("CLIPTextEncode", {"text": "embedding:x.pt"}, False),
    ],
)
def test_comfyui_holds_what_is_chosen_against_its_list(
    kind: str, inputs: Json, listed: bool
) -> None:
    (got,) = found({"1": {"class_type": kind, "inputs": inputs}})
    assert got.listed is listed


_WITHOUT_MODELS = ("SaveImage", "Note", "PreviewAny", "VAESave", "PrimitiveNode")


@pytest.mark.parametrize("kind", [*_WITHOUT_MODELS, "Display Any (rgthree)", "easy showAnything"])
def test_a_node_that_loads_nothing_names_nothing(kind: str) -> None:
    assert paths(ui(node(1, kind, "x.safetensors"))) == []


SCALARS = st.none() | st.booleans() | st.integers() | st.floats()
WORDS = st.sampled_from(["x.pth", "in", "-10", "VAELoader", "LoRA Stacker", "workflow/G"])
KEYS = st.sampled_from(["nodes", "id", "type", "inputs", "link", "links", "name", "class_type"])
JSON = st.recursive(
    SCALARS | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | WORDS, inner, max_size=4),
    max_leaves=12,
)
INNER = subgraph("in", ["vae"], vae(5, "inside.pth", 1), links=[link(1, -10, 0, 5)])
SAMPLE = ui(
    node(1, "PrimitiveNode", "p.pth"),
    vae(2, "own.pth", 9, properties=models("own.pth")),
    node(3, "in", "host.pth", properties={"proxyWidgets": [["5", "vae_name"]]}),
    node(4, "workflow/G", "g.pth"),
    node(5, "LoRA Stacker", "simple", 1, "a.pth", 1, 1, 1),
    node(6, "Power Lora Loader (rgthree)", {"on": True, "lora": "r.pth", "strength": 1}),
    node(7, "CR LoRA Stack", "On", "s.pth", 1, 1),
    {"id": 8, "type": "LoadLoraModel", "widgets_values": {"loras.0.lora_name": "l.pth"}},
    links=[link(9, 1, 0, 2), [10, 1, 0, 3, 0, "COMBO"]],
    subgraphs=[INNER],
    extra={"groupNodes": {"G": {"nodes": [vae(0, "in.pth")]}}},
    models=models("own.pth")["models"],
)
API = {"1": {"class_type": "Reroute", "inputs": {"a": ["1", 0]}}, "2": {"class_type": "VAELoader"}}


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if not isinstance(value, dict | list):
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*at, key)
        yield from places(inner, (*at, key))


def changed(base: Any, changes: list[tuple[tuple[Any, ...], Any]]) -> Any:
    """Put other values at some places; a place that is gone by then is skipped."""
    value = copy.deepcopy(base)
    for (*way, last), new in changes:
        holder = value
        try:
            for step in way:
                holder = holder[step]
            holder[last] = new
        except (KeyError, IndexError, TypeError):
            continue
    return value


def mutants(base: Any) -> st.SearchStrategy[Any]:
    change = st.tuples(st.sampled_from(list(places(base))), JSON)
    return st.lists(change, min_size=1, max_size=4).map(lambda changes: changed(base, changes))


@settings(max_examples=400)
@given(JSON | mutants(SAMPLE) | mutants(API))
def test_any_json_is_parsed_or_is_no_workflow(value: Any) -> None:
    try:
        workflow = parse(json.dumps(value).encode())
    except NotAWorkflow:
        return
    for reference in references(workflow, "w", built_in()):
        assert reference.path.endswith(reference.name)
        assert to_json(reference)


@given(st.binary())
def test_any_bytes_are_parsed_or_are_no_workflow(data: bytes) -> None:
    for whole in (data, b'{"nodes": [{"id": 1, "type": "' + data):
        with contextlib.suppress(NotAWorkflow):
            assert all(node.id for node in parse(whole).nodes)


def test_the_sample_of_the_mutations_is_read_in_full() -> None:
    assert sorted(paths(SAMPLE)) == [
        "a.pth", "g.pth", "host.pth", "l.pth", "p.pth", "r.pth", "s.pth",
    ]  # fmt: skip


@pytest.mark.parametrize("before", [b"", b'"seed": NaN, '])
def test_a_lone_surrogate_does_not_break_the_files_that_are_written(before: bytes) -> None:
    hints = rb'"properties": {"models": [{"name": "\ud800", "url": ""}]}, '
    node = rb'{"type": "New\udfff", ' + hints + rb'"widgets_values": ["a\udcff.pth"]}'
    got = found(b"{" + before + b'"nodes": [' + node + b"]}")
    assert "a\ufffd.pth" in to_json(got).decode()


@pytest.mark.parametrize(
    "told",
    [
        "hf://maker/tools/vae/own.pth",
        "https://civitai.com/models/4384/dreamshaper",
        "urn:air:sd1:vae:civitai:4384@128713",
    ],
)
def test_an_address_of_another_scheme_counts_in_a_note(told: str) -> None:
    (got,) = found(ui(vae(2, "own.pth", 9), node(3, "Note", f"the vae own.pth: {told}, thanks")))
    assert got.hint is not None
    assert got.hint.url == told
