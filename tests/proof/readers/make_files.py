"""Safetensors, GGUF and ONNX."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy
import onnx
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file

from tests.proof.readers.legit import Legit, Make

TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{{ message.content | trim }}{% if loop.last and add_generation_prompt %}x{% endif %}{% endfor %}"
)


def files() -> Iterator[Legit]:
    """Yield the files."""
    yield from _safetensors()
    yield from _gguf()
    yield from _onnx()


def _safetensors() -> Iterator[Legit]:
    tensors: dict[str, dict[str, Any]] = {
        "plain": {"a.weight": torch.ones(2, 3), "b": torch.zeros(4, dtype=torch.bfloat16)},
        "none": {},
        "kinds": {
            n: torch.zeros(2).to(getattr(torch, n))
            for n in ("float16", "int8", "uint8", "bool", "int64", "float8_e4m3fn", "float64")
        },
        "empty": {"x": torch.empty(0), "s": torch.tensor(1.0)},
    }
    for name, told in tensors.items():
        yield (f"{name}.safetensors", "safetensors", "safetensors", _saved(told, {}))
        yield (
            f"{name}_meta.safetensors",
            "safetensors",
            "safetensors",
            _saved(told, {"format": "pt", "x": "{}"}),
        )


def _saved(tensors: dict[str, Any], metadata: dict[str, str]) -> Make:
    return lambda path: save_file(tensors, path, metadata or None)


def _gguf() -> Iterator[Legit]:
    templates = {
        "none": "",
        "chatml": TEMPLATE,
        "loops": "{% set ns = namespace(x=false) %}{% for m in messages %}{% if m['role'] == 'user' %}{% set ns.x = true %}{% endif %}{{ m['content'] | upper }}{% endfor %}{{ ns.x }}",
        "macro": "{% macro f(x) %}[{{ x | replace('a', 'b') }}]{% endmacro %}{{ f(messages[0].content) }}{{ bos_token }}",
        "slices": "{{ messages[-1]['content'].split('\\n')[0] }}{{ messages[1:] | length }}{{ messages[0].get('x', '') }}",
    }
    for name, template in templates.items():
        yield (f"{name}.gguf", "GGUF", "gguf+jinja2", _written(template))
    yield ("five_dimensions.gguf", "GGUF", "gguf+jinja2", _written("", (1, 1, 2, 1, 2)))


def _written(template: str, shape: tuple[int, ...] = (2, 4)) -> Make:
    def make(path: Path) -> None:
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_uint32("llama.block_count", 1)
        writer.add_array("tokenizer.ggml.tokens", ["a", "b"])
        writer.add_float32("x.y", 0.5)
        if template:
            writer.add_chat_template(template)
        writer.add_tensor("token_embd.weight", numpy.ones(shape, "f4"))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    return make


def _onnx() -> Iterator[Legit]:
    for name, large in (("small", False), ("external", True)):
        yield (f"{name}.onnx", "ONNX", "onnx", _graph(external=large))
    yield (
        "metadata.onnx",
        "ONNX",
        "onnx",
        _graph(external=False, metadata={"names": "{0: 'face'}", "stride": "32"}),
    )
    yield ("nested.onnx", "ONNX", "onnx", _graph(external=False, nested=True))


def _graph(*, external: bool, metadata: dict[str, str] | None = None, nested: bool = False) -> Make:
    def make(path: Path) -> None:
        weight = onnx.numpy_helper.from_array(numpy.ones((4, 4), "f4"), "w")
        value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
        out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
        nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
        if nested:
            inner = helper.make_graph(
                [helper.make_node("Identity", ["x"], ["z"])],
                "inner",
                [],
                [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 4])],
            )
            condition = onnx.numpy_helper.from_array(numpy.array(True), "c")
            nodes = [helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)]
            graph = helper.make_graph(nodes, "g", [value], [out], [condition])
        else:
            graph = helper.make_graph(nodes, "g", [value], [out], [weight])
        model = helper.make_model(graph, producer_name="torch")
        helper.set_model_props(model, metadata or {})
        onnx.save(
            model,
            path,
            save_as_external_data=external,
            size_threshold=0,
            location=f"{path.name}.data",
        )

    return make
