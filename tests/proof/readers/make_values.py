"""Python's own values beside weights, as trainers leave them."""

from __future__ import annotations

import argparse
import collections
import datetime
import decimal
import functools
import pathlib
import types
from collections.abc import Iterator
from typing import Any

import torch

from tests.proof.readers.legit import Legit
from tests.proof.readers.made import pickled, saved


def values() -> dict[str, Any]:
    """Build values that must pass."""
    utc, hour = datetime.UTC, datetime.timedelta(hours=1, minutes=30)
    counted = collections.defaultdict(int, {"a": 1})
    return {
        "namespace": argparse.Namespace(
            lr=0.1, steps=[1, 2], model="x", nested=argparse.Namespace(a=1)
        ),
        "simple": types.SimpleNamespace(a=1, b="x", c=[None, True]),
        "posix_path": pathlib.PurePosixPath("/data/x"),
        "path": {"save_dir": pathlib.Path("runs/train/exp")},
        "windows_path": pathlib.PureWindowsPath("C:/data/x"),
        "datetime": datetime.datetime(2023, 4, 5, 6, 7, 8, 9),
        "datetime_utc": datetime.datetime(2023, 4, 5, tzinfo=utc),
        "datetime_offset": datetime.datetime(2023, 4, 5, tzinfo=datetime.timezone(hour, "x")),
        "timezone": [utc, datetime.timezone(-hour)],
        "date": datetime.date(2023, 4, 5),
        "time": datetime.time(6, 7, 8, tzinfo=utc),
        "time_plain": datetime.time(6, 7),
        "timedelta": hour,
        "defaultdict_int": counted,
        "defaultdict_list": collections.defaultdict(list, {"a": [1]}),
        "defaultdict_dict": collections.defaultdict(dict, {1: {"state": torch.ones(1)}}),
        "defaultdict_none": collections.defaultdict(None, {"a": 1}),
        "defaultdict_others": [
            collections.defaultdict(kind) for kind in (float, str, set, tuple, bool)
        ],
        "counter": collections.Counter("hello"),
        "counter_numbers": collections.Counter({3: 2, (1, 2): 4}),
        "deque": collections.deque([1, 2, 3]),
        "deque_bounded": collections.deque([1, torch.ones(1)], maxlen=5),
        "ordered": collections.OrderedDict(a=1, b=collections.OrderedDict(c=2)),
        "complex": [1 + 2j, complex("inf")],
        "slice": {"s": slice(1, 10, 2), "t": slice(None)},
        "range": [range(10), range(1, 5, 2)],
        "ellipsis": (..., None),
        "bytes": [b"", b"x", b"\xff" * 40, b"long" * 100],
        "bytearray": [bytearray(b"xyz"), bytearray()],
        "sets": [{1, 2}, frozenset({"a", ("b", 1)}), set(), frozenset()],
        "big_numbers": [2**31, 2**63, -(2**64), 2**400, -1, 0, 255, 256, 65536, 2**2100],
        "floats": [0.1, float("inf"), float("nan"), -0.0],
        "texts": ["", "ä☃😀", "x" * 300, "y" * 70_000, "line\nbreak", "nul\0", "\\u0041"],
        "keys": {
            1: "a",
            1.5: "b",
            None: "c",
            False: "d",
            (1, "x"): "e",
            b"k": "f",
            frozenset({1}): "g",
        },
        "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((1,), [])),
        "cyclic": _cyclic(),
        "shared": _shared(),
        "many": {f"k{place}": [place, float(place), str(place)] for place in range(3000)},
        "python_names": {"__class__": "x", "__doc__": None, "keys": 1, "forward": "text"},
    }


def _cyclic() -> Any:
    told: list[Any] = [1]
    told.append(told)
    inner: dict[str, Any] = {"list": told}
    inner["self"] = inner
    return inner


def _shared() -> Any:
    one = [1, 2]
    return {"a": one, "b": one, "c": (one, one)}


def files() -> Iterator[Legit]:
    """Yield the files."""
    family = "values of Python beside weights"
    for turn, (name, value) in enumerate(values().items()):
        told = {"value": value, "weight": torch.ones(2)}
        bare = {"value": value}  # torch reads no tensors from protocol 0, pickle none of torch's
        yield saved(f"value_{name}.pt", family, told)
        if turn % 2:
            yield saved(f"value_{name}_old.ckpt", family, told, old=True)
        protocol = turn % 6
        if protocol != 2:
            pair = told if protocol else bare
            yield saved(f"value_{name}_p{protocol}.pth", family, pair, protocol, old=protocol < 2)
        if turn % 3 == 0 and name not in ("deque_bounded", "defaultdict_dict"):
            ending = ("pkl", "pickle", "model", "bin")[turn // 3 % 4]
            yield pickled(f"plain_{name}_p{protocol}.{ending}", "plain pickles", bare, protocol)
    yield from _typical()
    yield from _may()


def _typical() -> Iterator[Legit]:
    family = "files as ComfyUI's users have them"
    embedding = {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": torch.nn.Parameter(torch.ones(2, 8))},
        "name": "style",
        "step": 5000,
        "sd_checkpoint": "abc",
        "sd_checkpoint_name": "x.ckpt",
    }
    yield saved("embedding.pt", family, embedding)
    yield saved("embedding_plain.pt", family, {"emb_params": torch.ones(2, 8)})
    yield saved("embedding_old.bin", family, {"<style>": torch.ones(8)}, old=True)
    lists = torch.nn.ParameterDict({"*": torch.nn.Parameter(torch.ones(1, 4))})
    yield saved("embedding_dict.pt", family, {**embedding, "string_to_param": lists})
    upscaler = {
        "params_ema": {"conv_first.weight": torch.ones(2, 3, 3, 3)},
        "params": {"x": torch.ones(1)},
    }
    yield saved("upscaler.pth", family, upscaler)
    yield saved("upscaler_old.pth", family, upscaler, old=True)
    yield saved(
        "esrgan.pth",
        family,
        {f"model.{place}.weight": torch.ones(2) for place in range(20)},
        old=True,
    )
    yield saved(
        "hypernetwork.pt",
        family,
        {
            320: [{"linear.0.weight": torch.ones(2)}] * 2,
            "step": 1,
            "layer_norm": False,
            "activation_func": "relu",
        },
    )
    yield saved("gfpgan.pth", family, {"g_ema": {"x": torch.ones(1)}, "latent_avg": torch.ones(2)})
    yield saved(
        "lora.ckpt",
        family,
        {"lora_unet.alpha": torch.tensor(4.0), "lora_unet.lora_up.weight": torch.ones(2, 2).half()},
    )
    yield saved(
        "many_layers.bin", family, {f"block.{place}.weight": torch.ones(1) for place in range(1500)}
    )


def _may() -> Iterator[Legit]:
    may: dict[str, Any] = {
        "partial": functools.partial(int, base=2),
        "decimal": decimal.Decimal("1.5"),
        "class": dict,
        "function": torch.nn.functional.relu,
        "named_tuple_type": torch.nn.Linear,
        "builtin": len,
    }
    for name, value in may.items():
        yield saved(f"may_{name}.pt", "may: classes, functions, rare values", {"value": value})
    chained = {"value": collections.ChainMap({"a": 1}, {"b": 2})}
    yield saved("may_chainmap.pt", "may: classes, functions, rare values", chained)
