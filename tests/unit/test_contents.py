"""Which files of a repository are a directory model: whole sets, and nothing that is not read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.disk.files import FETCHED_NAME_BYTES_MAX
from comfyfix.file_names import SHARDS_MAX
from comfyfix.providers.huggingface.answers import HubItem
from comfyfix.records import Reason
from comfyfix.sources.contents import (
    Asked,
    Choices,
    Chosen,
    Reads,
    Unfit,
    choose,
    tree,
    worth_reading,
)
from comfyfix.why import Why

CLUTTER = (
    ".gitattributes",
    "README.md",
    "LICENSE.txt",
    "sample.png",
    "tf_model.h5",
    "onnx/model.onnx",
)
SHARDS = tuple(f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3))
INDEX = "model.safetensors.index.json"
TEXT = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "merges.txt", "vocab.json", "chat_template.jinja")  # fmt: skip
Answer = Chosen | Choices | Unfit


def listing(*paths: str, size: int | None = 10) -> dict[str, HubItem]:
    return {path: HubItem(size=size) for path in paths}


def ask(reads: Reads, *paths: str, name: str = "some-model", **more: object) -> Answer:
    told = more.pop("told", None)
    asked = Asked(reads=reads, name=name, **more)  # type: ignore[arg-type]
    return choose(listing(*paths), asked, told)  # type: ignore[arg-type]


def files(answer: Answer) -> set[str]:
    assert isinstance(answer, Chosen), answer
    return set(answer.files)


def taken(answer: Answer) -> set[str]:
    assert isinstance(answer, Chosen), answer
    return set(answer.files.values())


def why(answer: Answer) -> str:
    assert isinstance(answer, Unfit), answer
    return answer.reason.why


def names(answer: Answer) -> list[str]:
    assert isinstance(answer, Choices), answer
    return [choice.name for choice in answer.of]


def below(folder: str, *paths: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{path}" for path in paths)


# Each kind: what its loader reads, and what lies beside it and is not read.


def test_a_model_of_transformers_is_its_settings_its_words_and_one_whole_set() -> None:
    beside = ("pytorch_model.bin", "pytorch_model.bin.index.json", "trainer_state.json",
              "model.fp16.safetensors", "consolidated.safetensors")  # fmt: skip
    found = ask(Reads.TRANSFORMERS, *TEXT, *SHARDS, INDEX, *beside, *CLUTTER)
    assert files(found) == {*TEXT, *SHARDS, INDEX}


def test_one_file_comes_before_shards_and_safetensors_before_pickles() -> None:
    found = ask(Reads.TRANSFORMERS, "config.json", "model.safetensors", *SHARDS, INDEX)
    assert files(found) == {"config.json", "model.safetensors"}
    found = ask(Reads.TRANSFORMERS, "config.json", "pytorch_model.bin")
    assert files(found) == {"config.json", "pytorch_model.bin"}


def test_pickles_are_taken_where_the_shards_are_not_whole() -> None:
    found = ask(Reads.TRANSFORMERS, "config.json", *SHARDS[:2], INDEX, "pytorch_model.bin")
    assert files(found) == {"config.json", "pytorch_model.bin"}


def test_a_set_that_lacks_a_shard_or_its_index_is_never_chosen() -> None:
    assert why(ask(Reads.TRANSFORMERS, "config.json", *SHARDS[1:], INDEX)) == Why.CONTENTS_LACK
    assert why(ask(Reads.TRANSFORMERS, "config.json", *SHARDS)) == Why.CONTENTS_LACK
    assert why(ask(Reads.TRANSFORMERS, "config.json", INDEX)) == Why.CONTENTS_LACK


def test_a_set_is_what_its_index_names() -> None:
    odd = ("first.safetensors", "second.safetensors")
    index = json.dumps({"weight_map": {"a": odd[0], "b": odd[1], "c": odd[0]}}).encode()
    paths = ("config.json", *odd, *SHARDS, INDEX)
    found = ask(Reads.TRANSFORMERS, *paths, told={INDEX: index})
    assert files(found) == {"config.json", *odd, INDEX}
    without = tuple(path for path in paths if path != odd[1])
    assert why(ask(Reads.TRANSFORMERS, *without, told={INDEX: index})) == Why.CONTENTS_LACK


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'{"weight_map": {}}', b'{"weight_map": {"a": "../x.safetensors"}}',
             b'{"weight_map": {"a": 1}}', b"[" * 100_000]
)  # fmt: skip
def test_an_index_that_tells_nothing_is_no_set(text: bytes) -> None:
    found = ask(Reads.TRANSFORMERS, "config.json", *SHARDS, INDEX, told={INDEX: text})
    assert why(found) == Why.CONTENTS_UNREADABLE


def test_shards_that_are_counted_from_nought_are_told_by_their_index_alone() -> None:
    three = (
        "model-00000-of-00002.safetensors",
        *(f"model-0000{n}-of-00002.safetensors" for n in (1, 2)),
    )
    index = json.dumps({"weight_map": dict(enumerate(three))}).encode()
    paths = ("config.json", *three, INDEX)
    assert why(ask(Reads.TRANSFORMERS, *paths)) == Why.CONTENTS_UNREAD
    assert files(ask(Reads.TRANSFORMERS, *paths, told={INDEX: index})) == set(paths)
    name = f"gpt/{three[1]}"
    assert why(ask(Reads.SET, *paths, name=name)) == Why.CONTENTS_UNREAD
    assert files(ask(Reads.SET, *paths, name=name, told={INDEX: index})) == set(paths)


def test_an_empty_file_is_no_file() -> None:
    told = {**listing("config.json", *SHARDS[:2], INDEX), **listing(SHARDS[2], "x.json", size=0)}
    assert why(choose(told, Asked(reads=Reads.TRANSFORMERS, name="x"))) == Why.CONTENTS_LACK
    told = {**listing("config.json", "model.safetensors"), **listing("x.json", size=0)}
    found = choose(told, Asked(reads=Reads.TRANSFORMERS, name="x"))
    assert files(found) == {"config.json", "model.safetensors"}


def test_what_is_not_whole_at_the_root_is_not_taken_from_elsewhere() -> None:
    original = below("original", "config.json", "model.safetensors")
    found = ask(Reads.TRANSFORMERS, "config.json", INDEX, *SHARDS[:2], *original)
    assert why(found) == Why.CONTENTS_LACK


def test_shards_of_two_sets_in_one_folder_are_nobodys() -> None:
    other = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    found = ask(Reads.TRANSFORMERS, "config.json", *SHARDS, *other, INDEX)
    assert why(found) == Why.CONTENTS_SETS


PIPELINE = ("model_index.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json",
            "tokenizer/merges.txt", "tokenizer/tokenizer_config.json", "unet/config.json",
            "text_encoder/config.json", "vae/config.json",
            "feature_extractor/preprocessor_config.json")  # fmt: skip
WEIGHTS = ("unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors",
           "text_encoder/model.safetensors")  # fmt: skip
HALVES = tuple(path.replace(".safetensors", ".fp16.safetensors") for path in WEIGHTS)
PICKLES = ("unet/diffusion_pytorch_model.bin", "vae/diffusion_pytorch_model.bin",
           "text_encoder/pytorch_model.bin")  # fmt: skip


CLASSES = {"scheduler": "PNDMScheduler", "tokenizer": "CLIPTokenizer",
           "unet": "UNet2DConditionModel", "text_encoder": "CLIPTextModel", "vae": "AutoencoderKL",
           "feature_extractor": "CLIPImageProcessor"}  # fmt: skip
PARTS = {part: ["diffusers", kind] for part, kind in CLASSES.items()}
TOLD = {"model_index.json": json.dumps({"_class_name": ["own", "Pipe"], **PARTS}).encode()}


def test_a_pipeline_is_its_components() -> None:
    beside = ("sd_xl_base_1.0.safetensors", "unet/diffusion_pytorch_model.non_ema.safetensors",
              "unet/openvino_model.xml", "samples/one.json")  # fmt: skip
    every = (*PIPELINE, *WEIGHTS, *HALVES, *PICKLES, *beside, *CLUTTER)
    found = ask(Reads.PIPELINE, *every, told=TOLD)
    assert files(found) == {*PIPELINE, *WEIGHTS}


def test_a_pipeline_of_a_precision_takes_it_where_it_is() -> None:
    paths = (*PIPELINE, *WEIGHTS, *HALVES[:2])
    found = ask(Reads.PIPELINE, *paths, variant="fp16", told=TOLD)
    assert files(found) == {*PIPELINE, *HALVES[:2], WEIGHTS[2]}


def test_a_pipeline_reads_the_components_that_its_index_names() -> None:
    index = json.dumps({
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "safety_checker": [None, None],
    }).encode()  # fmt: skip
    told = {"model_index.json": index}
    checker = below("safety_checker", "config.json", "model.safetensors")
    found = ask(Reads.PIPELINE, *PIPELINE, *WEIGHTS, *checker, told=told)
    expected = {"model_index.json", "unet/config.json", "vae/config.json", *WEIGHTS[:2]}
    assert files(found) == expected
    less = tuple(path for path in PIPELINE if not path.startswith("vae/"))
    assert why(ask(Reads.PIPELINE, *less, WEIGHTS[0], told=told)) == Why.CONTENTS_LACK


def test_what_the_parts_of_a_pipeline_are_is_told_by_its_index_alone() -> None:
    assert why(ask(Reads.PIPELINE, *PIPELINE, *WEIGHTS)) == Why.CONTENTS_UNREAD
    for text in (b"", b"[]", b"{}", b'{"unet": [null, null]}', b"[" * 100_000):
        found = ask(Reads.PIPELINE, *PIPELINE, *WEIGHTS, told={"model_index.json": text})
        assert why(found) == Why.CONTENTS_UNREADABLE


@pytest.mark.parametrize("lost", [*WEIGHTS, "scheduler/scheduler_config.json"])
@pytest.mark.parametrize("others", [HALVES, ()])
def test_a_pipeline_that_lacks_a_file_is_none(lost: str, others: tuple[str, ...]) -> None:
    paths = [path for path in (*PIPELINE, *WEIGHTS, *others) if path != lost]
    lacks = (Why.CONTENTS_LACK, Why.CONTENTS_LACK_IN)
    assert why(ask(Reads.PIPELINE, *paths, told=TOLD)) in lacks


def test_comfyuis_own_loader_of_pipelines_reads_weights_alone() -> None:
    found = ask(Reads.CHECKPOINT, *PIPELINE, *WEIGHTS, *HALVES[:1], *PICKLES, *CLUTTER)
    assert files(found) == {"model_index.json", HALVES[0], *WEIGHTS[1:]}
    transformer = [path.replace("unet/", "transformer/") for path in (*PIPELINE, *WEIGHTS)]
    assert why(ask(Reads.CHECKPOINT, *transformer)) == Why.CONTENTS_LACK


def test_a_component_by_itself() -> None:
    paths = ("config.json", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
    assert files(ask(Reads.COMPONENT, *paths, *CLUTTER)) == set(paths[:2])


def test_both_halves_of_a_quantized_transformer() -> None:
    halves = ("config.json", "transformer_blocks.safetensors", "unquantized_layers.safetensors")
    found = ask(Reads.NUNCHAKU, *halves, "comfy_config.json", *CLUTTER)
    assert files(found) == {*halves, "comfy_config.json"}
    assert why(ask(Reads.NUNCHAKU, *halves[:2])) == Why.CONTENTS_LACK


def test_an_adapter() -> None:
    paths = ("adapter_config.json", "adapter_model.safetensors")
    assert files(ask(Reads.ADAPTER, *paths, "adapter_model.bin", "optimizer.pt")) == set(paths)


def test_one_quantization_with_its_projector() -> None:
    split = ("Some-Q8_0-00001-of-00002.gguf", "Some-Q8_0-00002-of-00002.gguf")
    paths = (*split, "Some-Q4_K_M.gguf", "mmproj-Some-f16.gguf", *CLUTTER)
    assert names(ask(Reads.GGUF, *paths)) == ["Some-Q4_K_M.gguf", "Some-Q8_0-of-00002.gguf"]
    found = ask(Reads.GGUF, *paths, name="LLM/some-q8_0")
    assert files(found) == {*split, "mmproj-Some-f16.gguf"}
    assert why(ask(Reads.GGUF, split[1])) == Why.CONTENTS_LACK


def test_two_projectors_are_for_the_user_to_choose_from() -> None:
    paths = ("Some-Q4_K_M.gguf", "mmproj-F16.gguf", "mmproj-F32.gguf")
    found = ask(Reads.GGUF, *paths, name="Some-Q4_K_M")
    assert names(found) == [f"Some-Q4_K_M.gguf + {name}" for name in paths[1:]]


def test_a_network_with_its_data() -> None:
    beside = ("model.onnx", "model.onnx_data", "config.json")
    assert files(ask(Reads.ONNX, *beside, "x.onnx_data")) == set(beside)
    found = ask(Reads.ONNX, "model.onnx", "model.onnx_data", "model_fp16.onnx")
    assert names(found) == ["model.onnx", "model_fp16.onnx"]


FACES = ("1k3d68.onnx", "2d106det.onnx", "genderage.onnx", "glintr100.onnx", "scrfd_10g_bnkps.onnx")


def test_named_files_lie_in_one_folder_wherever_that_is() -> None:
    paths = (*below("models/antelopev2", *FACES), *below("models/buffalo_l", *FACES[:3]))
    found = ask(Reads.NAMED, *paths, name="models/antelopev2", files=FACES)
    assert files(found) == set(FACES)
    assert taken(found) == set(below("models/antelopev2", *FACES))
    spread = (*FACES[:2], *below("more", *FACES[2:]))
    assert why(ask(Reads.NAMED, *spread, files=FACES)) == Why.CONTENTS_LACK


def test_words_alone() -> None:
    found = ask(Reads.TOKENIZER, *TEXT, "model.safetensors", *CLUTTER)
    assert files(found) == set(TEXT)


def test_a_shard_stands_for_its_set_and_what_its_loader_reads_beside_it() -> None:
    paths = (*TEXT, *SHARDS, INDEX, "tokenizer.model", *CLUTTER)
    found = ask(Reads.SET, *paths, name=f"gemma/{SHARDS[0]}")
    assert files(found) == {*TEXT, *SHARDS, INDEX, "tokenizer.model"}
    assert why(ask(Reads.SET, *SHARDS[:2], name=f"gemma/{SHARDS[0]}")) == Why.CONTENTS_LACK


def test_nothing_goes_beside_other_models_but_the_shards() -> None:
    found = ask(Reads.SET, *TEXT, *SHARDS, INDEX, name=SHARDS[1])
    assert files(found) == set(SHARDS)
    split = ("x-00001-of-00002.gguf", "x-00002-of-00002.gguf")
    found = ask(Reads.SET, *split, "config.json", name=f"sub/{split[0]}")
    assert files(found) == set(split)


def test_an_index_that_names_other_shards_than_the_widgets_is_refused() -> None:
    index = json.dumps({"weight_map": {"a": SHARDS[0], "b": "more.safetensors"}}).encode()
    paths = (*SHARDS, INDEX, "more.safetensors")
    found = ask(Reads.SET, *paths, name=f"gemma/{SHARDS[0]}", told={INDEX: index})
    assert why(found) == Why.CONTENTS_INDEX


@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.parametrize("indexed", [False, True])
def test_a_set_may_have_a_thousand_shards_and_no_more(indexed: bool, over: int) -> None:
    last = SHARDS_MAX + over
    shards = [f"x-{number:05}-of-{last:05}.safetensors" for number in range(1, last + 1)]
    index = json.dumps({"weight_map": {name: name for name in shards}}).encode()
    more = ["x.safetensors.index.json"] if indexed else []
    found = ask(Reads.SET, *shards, *more, name=shards[0], told=dict.fromkeys(more, index))
    if over:
        assert why(found) == (Why.CONTENTS_UNREADABLE if indexed else Why.CONTENTS_MANY)
    else:
        assert files(found) == {*shards}


# Where in the repository.


def test_the_folder_of_the_asked_name_comes_before_all_others() -> None:
    one = below("a/Some-Model", "config.json", "model.safetensors")
    other = below("b", "config.json", "model.safetensors")
    found = ask(Reads.TRANSFORMERS, *one, *other, "config.json", "model.safetensors")
    assert taken(found) == set(one)


def test_several_models_of_one_repository_are_for_the_user_to_choose_from() -> None:
    both = (*below("a", "config.json", "model.safetensors"),
            *below("b", "config.json", "model.safetensors"))  # fmt: skip
    found = ask(Reads.TRANSFORMERS, *both)
    assert names(found) == ["a/", "b/"]
    assert [choice.size for choice in found.of] == [20, 20]  # type: ignore[union-attr]
    found = ask(Reads.TRANSFORMERS, *both, inside="b")
    assert taken(found) == set(both[2:])
    assert why(ask(Reads.TRANSFORMERS, *both, inside="c")) == Why.CONTENTS_NONE


def test_the_only_model_in_a_folder_of_another_name_is_not_taken_for_the_one() -> None:
    found = ask(Reads.TRANSFORMERS, *below("image_encoder", "config.json", "model.safetensors"))
    assert names(found) == ["image_encoder/"]


def test_without_a_rule_all_readings_are_shown_and_none_is_chosen() -> None:
    assert names(ask(Reads.ANY, "config.json", "model.safetensors")) == ["transformers"]
    paths = ("config.json", "model.safetensors", "x.Q8_0.gguf", "x.Q4_0.gguf")
    assert names(ask(Reads.ANY, *paths)) == [
        "transformers",
        "gguf: x.Q4_0.gguf",
        "gguf: x.Q8_0.gguf",
    ]
    assert why(ask(Reads.ANY, "picture.png", "README.md")) == Why.CONTENTS_NONE


# Code.


def test_code_is_left_out_and_told_of() -> None:
    paths = ("config.json", "model.safetensors", "modeling_x.py")
    found = ask(Reads.TRANSFORMERS, *paths)
    assert isinstance(found, Chosen)
    assert (set(found.files), found.code) == (set(paths[:2]), ("modeling_x.py",))
    assert files(ask(Reads.TRANSFORMERS, *paths, code=True)) == set(paths)


def test_code_that_the_settings_do_not_ask_for_is_not_missed() -> None:
    paths = ("config.json", "model.safetensors", "modeling_x.py")
    plain = ask(Reads.TRANSFORMERS, *paths, told={"config.json": b"{}"})
    asks = ask(Reads.TRANSFORMERS, *paths, told={"config.json": b'{"auto_map": {}}'})
    assert isinstance(plain, Chosen)
    assert isinstance(asks, Chosen)
    assert (plain.code, asks.code) == ((), ("modeling_x.py",))


def test_the_code_of_a_pipeline_of_a_class_of_its_own_is_told_of() -> None:
    paths = (*PIPELINE, *WEIGHTS)
    code = ("own.py", "parts.py")
    found = ask(Reads.PIPELINE, *paths, *code, told=TOLD)
    assert isinstance(found, Chosen)
    assert (set(found.files), found.code) == (set(paths), code)
    assert files(ask(Reads.PIPELINE, *paths, *code, told=TOLD, code=True)) == {*paths, *code}
    plain = {"model_index.json": json.dumps({"_class_name": "Pipe", **PARTS}).encode()}
    found = ask(Reads.PIPELINE, *paths, *code, told=plain)
    assert isinstance(found, Chosen)
    assert (set(found.files), found.code) == (set(paths), ())


def test_the_code_of_a_component_is_told_of_where_it_lies() -> None:
    code = "unet/own.py"
    found = ask(Reads.PIPELINE, *PIPELINE, *WEIGHTS, code, told=TOLD)
    assert isinstance(found, Chosen)
    assert (code in found.files, found.code) == (False, (code,))
    assert code in files(ask(Reads.PIPELINE, *PIPELINE, *WEIGHTS, code, told=TOLD, code=True))


def test_indexes_and_settings_are_worth_reading_where_the_loader_looks() -> None:
    part = below("unet", "config.json", "x.safetensors.index.json", "vocab.json")
    sides = ("config.json", "tokenizer_config.json", "vocab.json", "x.index.txt", "other.json")
    paths = ("model_index.json", "model.safetensors", *sides, *part, "unet/deep/config.json")
    asked = Asked(reads=Reads.PIPELINE, name="x")
    top = ("config.json", "model_index.json", "tokenizer_config.json")
    assert worth_reading(listing(*paths), asked) == (*top, *part[:2])
    asked = Asked(reads=Reads.TRANSFORMERS, name="x")
    assert worth_reading(listing(*paths), asked) == top
    asked = Asked(reads=Reads.ANY, name="x")
    assert worth_reading(listing(*paths), asked) == (*top, *part[:2])


# Hostile listings.


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../up.json", "a/../../b.json", "a//b.json", "a/./b", "x\n.json", ""]
)
def test_a_listing_that_leads_out_is_refused_whole(path: str) -> None:
    found = ask(Reads.TRANSFORMERS, "config.json", "model.safetensors", path)
    assert why(found) == Why.CONTENTS_REFUSED


@pytest.mark.parametrize("path", ["con.json", "NUL.txt", "a" * 300 + ".json"])
def test_a_read_file_of_a_name_that_some_system_refuses_is_refused(path: str) -> None:
    found = ask(Reads.TRANSFORMERS, "config.json", "model.safetensors", path)
    assert why(found) == Why.CONTENTS_REFUSED


@pytest.mark.parametrize("path", ["con.png", "what is it?.png", "-x.png", "samples/a:b.png"])
def test_what_is_not_read_may_have_any_name(path: str) -> None:
    found = ask(Reads.TRANSFORMERS, "config.json", "model.safetensors", path)
    assert files(found) == {"config.json", "model.safetensors"}


@pytest.mark.parametrize(
    "path", ["Config.json", "MODEL.safetensors", "CONFIG.JSON/x.png", "vocab.json/x"]
)
def test_names_that_are_one_on_many_disks_are_refused(path: str) -> None:
    found = ask(Reads.TRANSFORMERS, "config.json", "model.safetensors", "vocab.json", path)
    assert why(found) == Why.CONTENTS_TWINS


@pytest.mark.parametrize("over", [0, 1])
def test_limits_of_a_listing_allow_what_just_reaches_them(over: int) -> None:
    many = [f"{number}.png" for number in range(tree.LISTED_MAX - 2 + over)]
    long = "/".join(["x" * 63] * (tree.PATH_MAX // 64 - 1) + ["y" * (63 + 1 + over)])
    name = "n" * (FETCHED_NAME_BYTES_MAX - len(".json") + over) + ".json"
    for more, refusal in (
        (many, Why.CONTENTS_MANY), ([long], Why.CONTENTS_REFUSED), ([name], Why.CONTENTS_REFUSED),
    ):  # fmt: skip
        found = ask(Reads.TRANSFORMERS, "config.json", "model.safetensors", *more)
        assert isinstance(found, Unfit if over else Chosen), more[-1][-9:]
        assert not over or why(found) == refusal


def test_a_file_without_a_size_is_refused() -> None:
    told = {**listing("config.json"), **listing("model.safetensors", size=None)}
    found = choose(told, Asked(reads=Reads.TRANSFORMERS, name="x"))
    assert why(found) == Why.CONTENTS_REFUSED


def test_endless_listings_and_sets_are_refused() -> None:
    many = (f"{number}.json" for number in range(20_001))
    assert why(ask(Reads.TRANSFORMERS, *many)) == Why.CONTENTS_MANY
    many = (f"{number}.json" for number in range(1_001))
    assert (
        why(ask(Reads.TRANSFORMERS, "config.json", "model.safetensors", *many)) == Why.CONTENTS_MANY
    )
    shard = "x-000001-of-999999.safetensors"
    assert why(ask(Reads.SET, shard, name=shard)) == Why.CONTENTS_MANY


# What holds of every listing.

NAMES = st.sampled_from(
    [*SHARDS, *FACES, *TEXT[:3], INDEX, "model.safetensors", "pytorch_model.bin", "Config.json",
     "model_index.json", "diffusion_pytorch_model.safetensors", "transformer_blocks.safetensors",
     "unquantized_layers.safetensors", "x-00001-of-00002.gguf", "x-00002-of-00002.gguf", "y.gguf",
     "mmproj.gguf", "model.onnx", "model.onnx_data", "adapter_config.json", "code.py", "con.json",
     "adapter_model.safetensors", "a.png", "model-00001-of-00002.safetensors",
     "diffusion_pytorch_model.fp16.bin"]
)  # fmt: skip
FOLDERS = st.sampled_from(["", "unet/", "vae/", "text_encoder/", "a/", "a/some-model/", "B/"])
PATHS = st.lists(st.tuples(FOLDERS, NAMES).map("".join), max_size=30, unique=True)
ASKED = st.builds(
    Asked,
    reads=st.sampled_from(list(Reads)),
    name=st.sampled_from(["some-model", f"g/{SHARDS[0]}", "x-00001-of-00002.gguf", "x"]),
    inside=st.sampled_from(["", "", "a", "unet"]),
    files=st.just(FACES),
    variant=st.sampled_from(["", "fp16"]),
    code=st.booleans(),
)


@given(paths=PATHS, asked=ASKED, seed=st.randoms(use_true_random=False))
def test_whatever_is_listed(paths: list[str], asked: Asked, seed: object) -> None:
    found = choose(listing(*paths), asked)
    shuffled = list(paths)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    assert choose(listing(*shuffled), asked) == found
    told = worth_reading(listing(*paths), asked)
    assert set(told) <= set(paths)
    options = found.of if isinstance(found, Choices) else (found,)
    assert len({option.name for option in options if isinstance(option, Chosen)}) == len(
        options
    ) or (isinstance(found, Unfit))
    for option in options:
        if isinstance(option, Chosen):
            _is_sound(option, paths, asked)


def _is_sound(option: Chosen, paths: list[str], asked: Asked) -> None:
    read = set(option.files.values())
    assert read
    assert read <= set(paths)
    assert all(path.endswith(below) for below, path in option.files.items())
    assert option.size == 10 * len(read)
    assert asked.code or not any(path.endswith(".py") for path in read)
    assert not any(path.endswith(".png") for path in read)
    for path in read:
        folder, _, name = path.rpartition("/")
        start = f"{folder}/" if folder else ""
        if name in SHARDS:
            assert {f"{start}{shard}" for shard in SHARDS} <= read
        if name.startswith("x-0000"):
            assert {f"{start}x-0000{number}-of-00002.gguf" for number in (1, 2)} <= read
        pickled = {f"{start}pytorch_model.bin", f"{start}diffusion_pytorch_model.fp16.bin"}
        if name.endswith(".safetensors") and asked.variant == "":
            assert not pickled & read


@given(
    st.dictionaries(st.text(max_size=20), st.builds(HubItem, size=st.just(1)), max_size=8), ASKED
)
def test_nothing_in_a_listing_is_an_error(told: dict[str, HubItem], asked: Asked) -> None:
    found = choose(told, asked)
    assert isinstance(found, Chosen | Choices | Unfit)
    assert not isinstance(found, Unfit) or isinstance(found.reason, Reason)
