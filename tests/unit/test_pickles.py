"""Pickles: what could run code is refused wherever it hides, and real weights are not."""

from __future__ import annotations

import contextlib
import io
import pickle
import time
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.formats.finding import Finding, unsafe
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.look import inspect
from tests.unit.hostile_pickles import HOSTILE, P2, call, named, text
from tests.unit.judged import kind, said
from tests.unit.torchlike import (
    Call,
    Global,
    Instance,
    Tensor,
    archived,
    dumped,
    old_format,
    zipped,
)

EXTENSIONS = ["pt", "pth", "ckpt", "bin", "pkl"]


def finding(folder: Path, data: bytes, name: str = "x.pt", **options: Any) -> Finding | None:
    (folder / name).write_bytes(data)
    return inspect(folder / name, **options)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_unsafe_in_every_container(name: str, tmp_path: Path) -> None:
    data = HOSTILE[name]
    assert kind(finding(tmp_path, data)) == "unsafe"
    assert kind(finding(tmp_path, zipped(data=data))) == "unsafe"
    assert kind(finding(tmp_path, old_format(data=data))) in ("unsafe", "damaged")


def test_there_are_as_many_hostile_pickles_as_we_say() -> None:
    assert len(HOSTILE) >= 180


@pytest.mark.parametrize("extension", ["safetensors", "gguf", "onnx", "pickle", "model"])
def test_a_hostile_pickle_is_unsafe_under_any_name(extension: str, tmp_path: Path) -> None:
    data = P2 + call("os.system") + b"."
    assert kind(finding(tmp_path, data, f"x.{extension}")) == "unsafe"
    assert kind(finding(tmp_path, zipped(data=data), f"x.{extension}")) == "unsafe"


def test_the_reason_names_what_is_imported_and_where(tmp_path: Path) -> None:
    found = finding(tmp_path, b"\x80\x02N0" + call("os.system") + b".")
    assert found == unsafe(Flaw.PICKLE_IMPORTS, module="os", name="system", place=4).finding


def state(count: int = 3, **more: Any) -> dict[str, Any]:
    return {f"layer.{i}.weight": Tensor(items=2 + i) for i in range(count)} | more


def _numpy(module: str) -> Call:
    number = Call(
        Global("numpy", "dtype"), ("f8", False, True), (3, "<", None, None, None, -1, -1, 0)
    )
    return Call(Global(module, "scalar"), (number, b"\0" * 8))


def _array() -> Call:
    number = Call(
        Global("numpy", "dtype"), ("f4", False, True), (3, "<", None, None, None, -1, -1, 0)
    )
    empty = (Global("numpy", "ndarray"), (0,), b"b")
    return Call(
        Global("numpy.core.multiarray", "_reconstruct"), empty, (1, (2,), number, False, b"\0" * 8)
    )


def _yolo() -> dict[str, Any]:
    module = "ultralytics.nn.modules.conv"
    conv = Instance(
        Global("torch.nn.modules.conv", "Conv2d"), {"_parameters": OrderedDict(weight=Tensor(9))}
    )
    block = Instance(
        Global(module, "Conv"),
        {
            "_modules": OrderedDict(
                conv=conv, act=Instance(Global("torch.nn.modules.activation", "SiLU"), {})
            )
        },
    )
    head = Instance(Global("ultralytics.nn.modules.head", "Detect"), {"stride": Tensor(3)})
    bound = Call(Global("__builtin__", "getattr"), (head.of, "forward"))
    block.state["forward"] = Call(Global("__builtin__", "getattr"), (block.of, "forward_fuse"))
    model = Instance(
        Global("ultralytics.nn.tasks", "DetectionModel"),
        {
            "args": Instance(
                Global("ultralytics.utils", "IterableSimpleNamespace"), {"imgsz": 640}
            ),
            "yaml": {"nc": 80, "backbone": [[-1, 1, "Conv", [64, 3, 2]]]},
            "_modules": OrderedDict(
                model=Instance(
                    Global("torch.nn.modules.container", "Sequential"),
                    {"_modules": OrderedDict([("0", block), ("1", head)])},
                )
            ),
            "forward": bound,
            "names": {0: "face"},
        },
    )
    return {
        "epoch": -1,
        "model": model,
        "ema": None,
        "train_args": {"data": Call(Global("pathlib", "PosixPath"), ("a", "b"))},
        "date": "2024",
    }


LEGIT: dict[str, Any] = {
    "a state dict": OrderedDict(state()),
    "a plain dict": state(),
    "parameters": {
        "a": Tensor(is_parameter=True),
        "b": Tensor(3, "HalfStorage", is_parameter=True),
    },
    "one tensor": Tensor(),
    "empty tensor": {"a": Tensor(0)},
    "of several types": {
        s: Tensor(4, s) for s in ("HalfStorage", "LongStorage", "BFloat16Storage")
    },
    "a hundred tensors": state(100),
    "plain values": {
        "a": [
            1,
            -70000,
            2**40,
            2**100,
            1.5,
            None,
            True,
            "ü",
            b"\xff\0",
            (1, 2, 3, 4),
            {1, 2},
            frozenset([3]),
        ],
        "b": bytearray(b"ab"),
    },
    "Stable Diffusion 1": {
        "state_dict": state(),
        "callbacks": {
            Global("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"): {
                "best_model_score": Tensor(1),
                "current": _numpy("numpy.core.multiarray"),
            }
        },
        "epoch": 4,
        "optimizer_states": [],
        "lr_schedulers": [{"base_lrs": [1e-4]}],
    },
    "numpy of version 2": {"loss": _numpy("numpy._core.multiarray"), "array": _array()},
    "a training state": {
        "opt": defaultdict(dict, {0: {"step": 1}}),
        "args": Instance(
            Global("argparse", "Namespace"), {"lr": 0.1, "dtype": Global("torch", "float16")}
        ),
        "n": Counter("aab"),
        "device": Call(Global("torch", "device"), ("cpu",)),
        "size": Call(Global("torch", "Size"), ([1, 2],)),
    },
    "an upscaler": {"params_ema": OrderedDict(state())},
    "an embedding": {
        "string_to_token": {"*": 265},
        "string_to_param": Instance(
            Global("torch.nn.modules.container", "ParameterDict"),
            {"_parameters": OrderedDict([("*", Tensor(is_parameter=True))])},
        ),
        "name": "x",
    },
    "a YOLO detector": _yolo(),
    "settings": {
        "hyper_parameters": Instance(
            Global("omegaconf.dictconfig", "DictConfig"),
            {
                "_metadata": Instance(
                    Global("omegaconf.base", "ContainerMetadata"),
                    {
                        "ref_type": Global("typing", "Any"),
                        "object_type": Global("builtins", "dict"),
                    },
                )
            },
        ),
        "state_dict": state(),
    },
}


@pytest.mark.parametrize("name", LEGIT)
def test_real_weights_are_no_false_alarm(name: str, tmp_path: Path) -> None:
    value = LEGIT[name]
    for extension in EXTENSIONS:
        assert finding(tmp_path, zipped(value), f"x.{extension}") is None
        assert finding(tmp_path, old_format(value), f"x.{extension}") is None
    for protocol in (2, 3, 4, 5):
        assert finding(tmp_path, zipped(value, protocol=protocol)) is None
        assert finding(tmp_path, dumped(value, protocol)[0]) is None


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_of_every_protocol_are_no_false_alarm(protocol: int, tmp_path: Path) -> None:
    value = {"a": [1, 2.5, "x", None, (1,)], "c": 2**70, "d": {"e": [], "f": "long" * 3000}}
    assert finding(tmp_path, pickle.dumps(value, protocol)) is None


def test_a_packed_archive_is_read_as_well(tmp_path: Path) -> None:
    members = {"x/data.pkl": dumped({"a": 1})[0], "x/version": b"3\n"}
    assert finding(tmp_path, archived(members, 8)) is None
    members["x/data.pkl"] = P2 + call("os.system") + b"."
    assert kind(finding(tmp_path, archived(members, 8))) == "unsafe"


@pytest.mark.parametrize("make", [zipped, old_format])
def test_every_cut_of_real_weights_is_noticed(make: Any, tmp_path: Path) -> None:
    data = make(state())
    kinds = {kind(finding(tmp_path, data[:end])) for end in range(1, len(data))}
    assert "" not in kinds
    assert kinds <= {"damaged", "wrong"}


def test_weights_of_another_size_than_the_pickle_says_are_damaged(tmp_path: Path) -> None:
    pickled = dumped({"a": Tensor(5)})[0]
    short = archived({"x/data.pkl": pickled, "x/data/0": b"\0" * 19})
    assert kind(finding(tmp_path, short)) == "damaged"
    missing = archived({"x/data.pkl": pickled, "x/version": b"3"})
    assert said(finding(tmp_path, missing)) == ("damaged", Flaw.ZIP_WEIGHTS_MISSING)
    assert kind(finding(tmp_path, old_format(state()) + b"\0")) == "damaged"


def test_what_a_pickle_holds_may_be_allowed_but_not_its_damage(tmp_path: Path) -> None:
    hostile = P2 + call("os.system") + b"."
    assert finding(tmp_path, hostile, look_inside=False) is None
    assert finding(tmp_path, zipped(data=hostile), look_inside=False) is None
    assert kind(finding(tmp_path, zipped(data=hostile)[:-1], look_inside=False)) == "damaged"
    assert kind(finding(tmp_path, b"<html>", look_inside=False)) == "damaged"


@pytest.mark.faults
def test_a_long_pickle_takes_seconds_not_minutes(tmp_path: Path) -> None:
    begin = time.process_time()
    assert kind(finding(tmp_path, P2 + b"N0" * 2_000_000 + b"N.")) == ""
    assert kind(finding(tmp_path, P2 + b"N0" * 13_000_000 + b"N.")) == "unsafe"
    assert time.process_time() - begin < 90


ATOMS = st.sampled_from(
    [named("collections.OrderedDict"), named("builtins.getattr"), named("os.system"), text("os"),
     text("forward"), b"\x93", b"R", b")", b"}", b"]", b"(", b"t", b"\x81", b"b", b"a", b"s", b"u",
     b"e", b"Q", b"q\0", b"h\0", b"\x94", b"0", b"1", b"2", b"\x85", b"\x86", b"N", b"K\1", b"o",
     b"\x92", P2]
)  # fmt: skip


@pytest.mark.faults
@settings(max_examples=1500)
@given(parts=st.lists(ATOMS, max_size=14) | st.lists(st.binary(max_size=8), max_size=6))
def test_no_order_of_instructions_slips_through(
    parts: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = P2 + b"".join(parts) + b"."
    found = finding(tmp_path_factory.getbasetemp(), data, "order.pt")
    if found is None:  # then Python's own reader imports nothing that acts, or can't read it
        _load_guarded(data)


UNREADABLE = (
    pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError, AttributeError,
)  # fmt: skip


class _Guarded(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        assert (module, name) in {("collections", "OrderedDict"), ("builtins", "getattr")}
        return super().find_class(module, name)


def _load_guarded(data: bytes) -> None:
    # What can't be loaded does no harm; what is imported is what counts.
    with contextlib.suppress(*UNREADABLE):
        _Guarded(io.BytesIO(data)).load()


@pytest.mark.faults
@settings(max_examples=400)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_flipped_byte_never_stops_the_reading(
    place: int, byte: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for data in (zipped(state()), old_format(LEGIT["a YOLO detector"])):
        flipped = bytearray(data)
        flipped[place % len(data)] = byte
        kind(finding(tmp_path_factory.getbasetemp(), bytes(flipped), "flipped.pt"))
