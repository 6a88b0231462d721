"""The files that each kind of loader reads in a folder, after the loaders' own sources."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from comfyfix.file_names import SHARD
from comfyfix.records import Reads, Reason, because
from comfyfix.sources.contents.asked import Asked
from comfyfix.sources.contents.tree import Tree, joined
from comfyfix.sources.contents.weights import Saved, Weights, find, siblings
from comfyfix.why import Why

_SIDES = re.compile(r"\w[\w.+-]*\.(json|txt|model|tiktoken|jinja|spm|bpe|vocab)", re.ASCII)
"""Settings, vocabularies and templates, which readers take by many names, all of them plain."""
_NOT_READ = re.compile(
    r".+\.index(\.\w+)?\.json|(readme|licen[cs]e|notice|use_policy|requirements|changelog|citation"
    r"|trainer_state|training_args|(all|train|eval|test)_results)([._-].*)?\.\w+",
    re.IGNORECASE,
)
_VOCABULARIES = frozenset(
    {"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt",
     "spiece.model", "sentencepiece.bpe.model"}
)  # fmt: skip
_WITHOUT_WEIGHTS = re.compile(r"(Scheduler|Tokenizer|Extractor|Processor)(Fast)?$")
_TRANSFORMERS = (Saved("model", "safetensors"), Saved("pytorch_model", "bin"))
_DIFFUSERS = (
    Saved("diffusion_pytorch_model", "safetensors"),
    Saved("diffusion_pytorch_model", "bin"),
)
_ADAPTER = (Saved("adapter_model", "safetensors"), Saved("adapter_model", "bin"))
# In this order, which is ComfyUI's: half precision first, no shards.
_CHECKPOINT = {
    "unet": ("diffusion_pytorch_model", "diffusion_pytorch_model"),
    "vae": ("diffusion_pytorch_model", "diffusion_pytorch_model"),
    "text_encoder": ("model", "pytorch_model"),
    "text_encoder_2": ("model", "pytorch_model"),
}
_HALVES = ("config.json", "transformer_blocks.safetensors", "unquantized_layers.safetensors")


@dataclass(frozen=True, slots=True)
class Option:
    """What could be read in a folder: paths below it, and the code files that are left out."""

    name: str
    files: frozenset[str]
    code: frozenset[str] = frozenset()


Answer = list[Option] | Reason | None
"""What could be read, why nothing whole, or None where a folder is nothing of the kind."""
Reader = Callable[[Tree, str, Asked], Answer]


def _configured(config: str, kinds: tuple[Saved, ...], tree: Tree, at: str, asked: Asked) -> Answer:
    if config not in tree.names(at):
        return None
    weights = _first(tree, at, kinds, asked.variant)
    if weights is None or isinstance(weights, Reason):
        return weights
    return [_with_code(tree, at, asked, weights.union(_sides(tree, at)), config)]


def _first(tree: Tree, at: str, kinds: Iterable[Saved], variant: str) -> Weights | Reason | None:
    """The first weights that are whole; with a precision those come first, as diffusers has it."""
    varied = [replace(saved, variant=variant) for saved in kinds] if variant else []
    why: Reason | None = None
    for saved in (*varied, *kinds):
        weights = find(tree, at, saved)
        if isinstance(weights, frozenset):
            return weights
        why = why or weights
    return why


def _sides(tree: Tree, at: str) -> Iterator[str]:
    for name in tree.names(at):
        if _SIDES.fullmatch(name) and not _NOT_READ.fullmatch(name):
            yield name
    for name in tree.names(joined(at, "additional_chat_templates")):
        if name.endswith(".jinja"):
            yield f"additional_chat_templates/{name}"


def _with_code(tree: Tree, at: str, asked: Asked, files: frozenset[str], config: str) -> Option:
    """Add the code of a folder, or tell of it: unless its settings say that it has none."""
    settings = tree.text(joined(at, config))
    if settings is not None and b'"auto_map"' not in settings:
        return Option("", files)
    code = _code(tree, at)
    return Option("", files | code) if asked.code else Option("", files, code)


def _code(tree: Tree, at: str) -> frozenset[str]:
    return frozenset(name for name in tree.names(at) if name.endswith(".py"))


def _pipeline(tree: Tree, at: str, asked: Asked) -> Answer:
    if "model_index.json" not in tree.names(at):
        return None
    index = _index(tree, at)
    if isinstance(index, Reason):
        return index
    parts = _parts(tree, at, index)
    if isinstance(parts, Reason):
        return parts
    files, code = {"model_index.json"}, set[str]()
    if isinstance(index.get("_class_name"), list):  # of a module that lies there, not diffusers'
        (files if asked.code else code).update(_code(tree, at))
    for part, kind in parts.items():
        option = _part(tree, joined(at, part), kind, asked)
        if isinstance(option, Reason):
            return option
        files |= {f"{part}/{name}" for name in option.files}
        code |= {f"{part}/{name}" for name in option.code}
    return [Option("", frozenset(files), frozenset(code))]


def _index(tree: Tree, at: str) -> dict[str, object] | Reason:
    text = tree.text(joined(at, "model_index.json"))
    if text is None:
        return because(Why.CONTENTS_UNREAD, name="model_index.json")
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return {}  # it names no component


def _parts(tree: Tree, at: str, index: dict[str, object]) -> dict[str, str] | Reason:
    """The components of a pipeline that its index names, and the classes that read them.

    What lies in the folders tells it badly: some hold other formats, others are left out.
    """
    named = {
        name: value[-1]
        for name, value in sorted(index.items())
        if isinstance(value, list) and value and isinstance(value[-1], str) and name[:1] != "_"
    }
    missing = sorted(set(named) - set(tree.below(at)))
    if missing:
        return because(Why.CONTENTS_LACK, missing=missing[0])
    return named or because(Why.CONTENTS_UNREADABLE, name="model_index.json")


def _part(tree: Tree, at: str, kind: str, asked: Asked) -> Option | Reason:
    weights: Weights | Reason | None = None
    if not _WITHOUT_WEIGHTS.search(kind):
        weights = _first(tree, at, (*_DIFFUSERS, *_TRANSFORMERS), asked.variant)
        weights = weights or because(Why.CONTENTS_LACK, missing=_DIFFUSERS[0].file)
    sides = frozenset(_sides(tree, at))
    own = "scheduler_config.json" if kind.endswith("Scheduler") else "config.json"
    if not sides or (own not in sides and (weights or own != "config.json")):
        weights = because(Why.CONTENTS_LACK, missing=own)
    if isinstance(weights, Reason):
        return because(Why.CONTENTS_LACK_IN, folder=at, cause=weights)
    return _with_code(tree, at, asked, sides.union(weights or ()), "config.json")


def _checkpoint(tree: Tree, at: str, _asked: Asked) -> Answer:
    if "model_index.json" not in tree.names(at):
        return None
    files = {"model_index.json"}
    for part, (safe, pickled) in _CHECKPOINT.items():
        names = tree.names(joined(at, part))
        tried = (f"{safe}.fp16.safetensors", f"{safe}.safetensors", f"{pickled}.fp16.bin",
                 f"{pickled}.bin")  # fmt: skip
        first = next((name for name in tried if name in names), None)
        if first is None and (part != "text_encoder_2" or names):
            return because(Why.CONTENTS_LACK, missing=f"{part}/{tried[1]}")
        if first is not None:
            files.add(f"{part}/{first}")
    return [Option("", frozenset(files))]


def _nunchaku(tree: Tree, at: str, _asked: Asked) -> Answer:
    names = tree.names(at)
    if not names & set(_HALVES[1:]):
        return None
    missing = next((name for name in _HALVES if name not in names), None)
    if missing:
        return because(Why.CONTENTS_LACK, missing=missing)
    return [Option("", frozenset(_HALVES) | (names & {"comfy_config.json"}))]


def _named(tree: Tree, at: str, asked: Asked) -> Answer:
    names = sorted({file.rpartition("/")[2] for file in asked.files})
    there = tree.names(at).intersection(names)
    missing = next((name for name in names if name not in there), None)
    if there and missing:
        return because(Why.CONTENTS_LACK, missing=missing)
    return [Option("", there)] if there else None


def _tokenizer(tree: Tree, at: str, asked: Asked) -> Answer:
    if not tree.names(at) & _VOCABULARIES:
        return None
    return [_with_code(tree, at, asked, frozenset(_sides(tree, at)), "tokenizer_config.json")]


def _gguf(tree: Tree, at: str, asked: Asked) -> Answer:
    files = sorted(name for name in tree.names(at) if name.lower().endswith(".gguf"))
    projectors = [name for name in files if "mmproj" in name.lower()]
    sets = {_set_name(name): name for name in files if name not in projectors}
    options: list[Option] = []
    why: Reason | None = None
    for name, first in sorted(sets.items()):
        weights = siblings(tree, at, first)
        if isinstance(weights, Reason):
            why = why or weights
            continue
        for projector in projectors or [""]:
            label = f"{name} + {projector}" if len(projectors) > 1 else name
            options.append(Option(label, weights.union([projector] if projector else [])))
    meant = [option for option in options if _tells(asked.name, option.name)]
    return (meant if len(meant) == 1 else options) or why


def _set_name(name: str) -> str:
    shard = SHARD.fullmatch(name)
    return f"{shard['stem']}-of-{shard['count']}.{shard['ending']}" if shard else name


def _tells(name: str, option: str) -> bool:
    """Tell whether a directory is named as the file in it is."""
    stem = re.sub(r"-of-[0-9]+$", "", option.rpartition(".")[0])
    return name.rpartition("/")[2].casefold() == stem.casefold()


def _onnx(tree: Tree, at: str, _asked: Asked) -> Answer:
    names = tree.names(at)
    networks = sorted(name for name in names if name.endswith(".onnx"))
    sides = frozenset(_sides(tree, at))
    return [
        Option(name, frozenset({name, *_data_of(name, names)}) | sides) for name in networks
    ] or None


def _data_of(name: str, names: Iterable[str]) -> Iterator[str]:
    """What lies beside a network because it is too large for it."""
    beside = re.compile(rf"{re.escape(name)}[._]data([._]?[0-9]+)?")
    return (other for other in names if beside.fullmatch(other))


def _set(tree: Tree, at: str, asked: Asked) -> Answer:
    parent, _, shard = asked.name.rpartition("/")
    if shard not in tree.names(at):
        return None
    weights = siblings(tree, at, shard)
    if isinstance(weights, Reason):
        return weights
    if shard.endswith(".gguf") or not parent:
        # What lies beside other models in the folder of all of them is none of theirs.
        return [Option("", frozenset(name for name in weights if SHARD.fullmatch(name)))]
    return [_with_code(tree, at, asked, weights.union(_sides(tree, at)), "config.json")]


READERS: dict[Reads, Reader] = {
    Reads.PIPELINE: _pipeline,
    Reads.NUNCHAKU: _nunchaku,
    Reads.ADAPTER: partial(_configured, "adapter_config.json", _ADAPTER),
    Reads.TRANSFORMERS: partial(_configured, "config.json", _TRANSFORMERS),
    Reads.COMPONENT: partial(_configured, "config.json", _DIFFUSERS),
    Reads.GGUF: _gguf,
    Reads.ONNX: _onnx,
    Reads.CHECKPOINT: _checkpoint,
    Reads.NAMED: _named,
    Reads.TOKENIZER: _tokenizer,
    Reads.SET: _set,
}
"""How each kind is read."""
BY_FILES = (Reads.PIPELINE, Reads.NUNCHAKU, Reads.ADAPTER, Reads.TRANSFORMERS, Reads.COMPONENT,
            Reads.GGUF, Reads.ONNX)  # fmt: skip
"""The kinds that a folder's files tell by themselves."""
