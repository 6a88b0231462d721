"""Tensors of every kind, in every format and protocol that torch writes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from tests.proof.readers.legit import Legit
from tests.proof.readers.made import saved

NUMBERS = """
float32 float64 float16 bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64
complex128 complex32 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu
""".split()


def files() -> Iterator[Legit]:
    """Yield the files."""
    yield from _kinds()
    yield from _formats()
    yield from _layouts()
    yield from _facts()


def _kinds() -> Iterator[Legit]:
    family = "tensors: each type of number"
    for name in NUMBERS:
        yield saved(f"number_{name}.pt", family, _of(name))
        if name not in ("uint16", "uint32", "uint64", "complex32") and not name.startswith(
            "float8"
        ):
            yield saved(f"number_{name}_old.pth", family, _of(name), old=True)


def _of(name: str) -> dict[str, Any]:
    kind = getattr(torch, name)
    return {"weight": torch.zeros(3, 4).to(kind), "dtype": kind}


def _formats() -> Iterator[Legit]:
    family = "state dicts: formats and protocols"
    state = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(3, 2)).state_dict()
    for protocol in range(1, 6):  # torch can't read tensors that it wrote by protocol 0
        if protocol >= 2:
            yield saved(f"state_p{protocol}.pt", family, state, protocol)
        yield saved(f"state_p{protocol}_old.pth", family, state, protocol, old=True)
    shared = torch.arange(12.0)
    views: dict[str, Any] = {
        "a": shared[:6],
        "b": shared[6:].view(2, 3),
        "c": shared,
        "t": shared.view(3, 4).t(),
    }
    for ending, old in (("ckpt", False), ("bin", True), ("pth", False)):
        yield saved(f"views_{old}.{ending}", family, views, old=old)
    hooked = OrderedDict(
        weight=nn.Parameter(torch.ones(2)), bias=nn.Parameter(torch.ones(2), False)
    )
    yield saved("parameters.pt", family, hooked)
    yield saved("parameters_old.pt", family, hooked, old=True)
    yield saved("one_tensor.pt", family, torch.ones(3))
    yield saved("one_tensor_old.bin", family, torch.ones(3), old=True)
    yield saved("list_of_tensors.pth", family, [torch.ones(3), (torch.zeros(2), None)])
    yield saved("empty_dict.pt", family, {})
    yield saved("empty_tensor.pt", family, {"x": torch.empty(0), "y": torch.empty(2, 0)})
    yield saved("scalar_tensors.pt", family, {"step": torch.tensor(3), "x": torch.tensor(0.5)})
    yield saved("hub.pt2.pth", family, {"model": state, "epoch": 3, "best": 0.5})


def _layouts() -> Iterator[Legit]:
    family = "tensors: layouts and rebuilding functions"
    dense = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    kinds: dict[str, Any] = {
        "coo": dense.to_sparse(),
        "coo_coalesced": dense.to_sparse().coalesce(),
        "csr": dense.to_sparse_csr(),
        "csc": dense.to_sparse_csc(),
        "bsr": dense.to_sparse_bsr((1, 1)),
        "bsc": dense.to_sparse_bsc((1, 1)),
        "per_tensor": torch.quantize_per_tensor(dense, 0.1, 3, torch.quint8),
        "per_channel": torch.quantize_per_channel(
            dense, torch.tensor([0.1, 0.2]), torch.tensor([0, 1]), 0, torch.qint8
        ),
        "qint32": torch.quantize_per_tensor(dense, 0.1, 0, torch.qint32),
        "conj": torch.tensor([1 + 2j]).conj(),
        "neg": torch.tensor([1 + 2j]).conj().imag,
        "meta": torch.empty(2, 3, device="meta"),
        "nested": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        "channels_last": torch.ones(1, 2, 3, 3).to(memory_format=torch.channels_last),
        "expanded": torch.ones(1).expand(4, 4),
        "strided": torch.arange(20.0)[::3],
        "requires_grad": torch.ones(2, requires_grad=True),
        "buffer": nn.Buffer(torch.ones(2)),
        "buffer_temporary": nn.Buffer(torch.ones(2), persistent=False),
    }
    for name, tensor in kinds.items():
        yield saved(f"layout_{name}.pt", family, {"x": tensor})
        if name in ("coo", "csr", "per_tensor", "per_channel", "conj", "requires_grad", "buffer"):
            yield saved(f"layout_{name}_old.pth", family, {"x": tensor}, old=True)
    told = nn.Parameter(torch.ones(2))
    told.tag = "x"
    told.lr_scale = 0.5
    told.sizes = [1, 2, {"a": (3, None)}]
    yield saved("parameter_attributes.pt", family, {"w": told})
    yield saved("parameter_attributes_old.pt", family, {"w": told}, old=True)
    tensor = torch.ones(2)
    tensor.note = "plain"
    yield saved("tensor_attributes.pt", family, {"w": tensor})
    uninitialised = nn.UninitializedParameter()
    yield saved("may_uninitialised.pt", "may: parameters without data", {"w": uninitialised})


def _facts() -> Iterator[Legit]:
    family = "values of torch beside tensors"
    facts: dict[str, Any] = {
        "size": torch.Size([1, 2]),
        "shape_in_list": [torch.ones(2, 3).shape],
        "device": torch.device("cuda:0"),
        "devices": {"a": torch.device("cpu"), "b": torch.device("meta")},
        "dtypes": [torch.float32, torch.bfloat16, torch.qint8, torch.float8_e4m3fn],
        "layout": torch.strided,
        "sparse_layout": {"x": torch.sparse_coo},
        "version": torch.__version__,
        "qscheme": torch.per_tensor_affine,
        "untyped": torch.ones(2).untyped_storage(),
        "typed": torch.ones(2).storage(),
        "rng": torch.get_rng_state(),
        "finfo": {"eps": torch.finfo(torch.float32).eps},
    }
    for name, value in facts.items():
        yield saved(f"fact_{name}.pt", family, {"value": value})
    yield saved("fact_version_p4.pt", family, {"v": torch.__version__, "x": torch.ones(1)}, 4)
    yield saved("may_return_types.pt", "may: torch.return_types", torch.ones(2, 2).max(0))
    yield saved("may_generator.pt", "may: objects of C++", lambda: torch.Generator().get_state())
    scripted = torch.jit.script(nn.Linear(1, 1))
    yield (
        "may_script.pt",
        "may: TorchScript",
        "torch.jit.load",
        lambda path: scripted.save(str(path)),
    )
    exported = torch.export.export(nn.Linear(1, 1), (torch.ones(1),))
    yield (
        "may_exported.pt2",
        "may: exported programs",
        "torch.export.load",
        lambda path: torch.export.save(exported, path),
    )
