"""Tensors, arrays and paths that are made of what is none."""

from __future__ import annotations

from collections.abc import Iterator

from tests.proof.assemble import (
    BUILD,
    EMPTY_DICT,
    FALSE,
    NEWOBJ,
    NONE,
    PERSISTENT,
    TRUE,
    Value,
    call,
    instance,
    mapping,
    named,
    new,
    number,
    pack,
    raw,
    sequence,
    text,
    value,
)
from tests.proof.hostile.asked import NAMESPACE, ODICT, STORAGE, tensor
from tests.proof.hostile.gadgets import config, holder, hooked, iterated, layers, model, module
from tests.proof.hostile.wrapped import in_turn, wrapped
from tests.proof.samples import Sample


def samples() -> Iterator[Sample]:
    """Yield tries."""
    yield from _of_tensors()
    yield from _of_numpy()
    yield from _of_paths()
    yield from _persistent()


def _of_tensors() -> Iterator[Sample]:
    family = "a tensor is made of what is no tensor"
    ns = "argparse.Namespace"
    detached = holder("detach", hooked())
    typed = holder("requires_grad_", hooked())
    state = "torch._utils._rebuild_parameter_with_state"
    plain: dict[str, Value] = {
        "parameter": call("torch.nn.parameter.Parameter", detached),
        "parameter_grad": call("torch.nn.parameter.Parameter", detached, True),
        "buffer": call("torch.nn.parameter.Buffer", detached),
        "parameter_newobj": named("torch.nn.parameter.Parameter") + pack(detached, True) + NEWOBJ,
        "rebuild_parameter": call("torch._utils._rebuild_parameter", detached, True, mapping()),
        "rebuild_state_data": call(state, detached, True, mapping(), mapping()),
        "rebuild_state_items": call(state, NONE, TRUE, mapping(), holder("items", hooked(1))),
        "rebuild_state_second": call(
            state, NONE, TRUE, mapping(), pack(mapping(), holder("items", hooked(2)))
        ),
        "rebuild_state_typed": call(state, typed, True, mapping(), mapping()),
        "metadata_items": tensor(metadata=holder("items", hooked(3))),
        "size_iterated": tensor(size=iterated(hooked(4))),
        "storage_shadowed": call(
            "torch._utils._rebuild_tensor_v2",
            instance(ns, mapping(_untyped_storage=holder("device", hooked()), dtype=hooked())),
            0,
            pack(2),
            pack(1),
            False,
            mapping(),
        ),
        "sparse_iterated": call(
            "torch._utils._rebuild_sparse_tensor",
            call("torch.serialization._get_layout", "torch.sparse_coo"),
            iterated(hooked(5)),
        ),
        "csr_iterated": call(
            "torch._utils._rebuild_sparse_tensor",
            call("torch.serialization._get_layout", "torch.sparse_csr"),
            iterated(hooked(6)),
        ),
        "quantizer_iterated": call(
            "torch._utils._rebuild_qtensor",
            STORAGE,
            0,
            pack(2),
            pack(1),
            pack(named("torch.per_channel_affine"), iterated(hooked()), tensor(), 0),
            False,
            mapping(),
        ),
        "meta_size": call(
            "torch._utils._rebuild_meta_tensor_no_storage",
            named("torch.float32"),
            iterated(hooked(7)),
            pack(1),
            False,
        ),
        "from_type_func": call(
            "torch._tensor._rebuild_from_type_v2", model(), model(), pack(config()), mapping()
        ),
        "from_type_v1": call(
            "torch._tensor._rebuild_from_type", model(1), model(1), pack(config()), mapping()
        ),
        "from_type_iterated": call(
            "torch._tensor._rebuild_from_type_v2",
            named("torch._utils._rebuild_tensor_v2"),
            named("torch._tensor.Tensor"),
            iterated(hooked()),
            mapping(),
        ),
        "from_type_hooked": call(
            "torch._tensor._rebuild_from_type_v2", hooked(), model(), pack(), mapping()
        ),
        "from_type_type": call(
            "torch._tensor._rebuild_from_type_v2",
            named("argparse.Namespace"),
            model(),
            pack(),
            mapping(),
        ),
        "from_type_as_subclass": call(
            "torch._tensor._rebuild_from_type_v2",
            named(NAMESPACE),
            model(),
            pack(),
            mapping(),
        ),
        "from_type_state": call(
            "torch._tensor._rebuild_from_type_v2",
            named("torch._utils._rebuild_tensor_v2"),
            named("torch._tensor.Tensor"),
            pack(STORAGE, 0, pack(2), pack(1), False, mapping()),
            holder("items", hooked(8)),
        ),
        "nested": call(
            "torch._utils._rebuild_nested_tensor", tensor(), iterated(hooked()), tensor(), tensor()
        ),
        "wrapper": call(
            "torch._utils._rebuild_wrapper_subclass",
            model(2),
            named("torch.float32"),
            iterated(hooked()),
            pack(1),
            0,
            named("torch.strided"),
            "cpu",
            False,
        ),
        "device_tensor": call(
            "torch._utils._rebuild_device_tensor_from_numpy",
            holder("x", hooked()),
            named("torch.float32"),
            "cpu",
            False,
        ),
    }
    for turn, (name, built) in enumerate(plain.items()):
        yield wrapped(f"tensor_{name}", family, built, ("zip.pt", "zip.ckpt", "zip.bin")[turn % 3])
        if PERSISTENT not in built:
            yield wrapped(f"tensor_{name}", family, built, "old.pth")


def _of_numpy() -> Iterator[Sample]:
    family = "an array is made of what is no array"
    typed = module("torch.nn.modules.linear.Linear", dtype=iterated(hooked()))
    shown = module("torch.nn.modules.linear.Identity", extra_repr=hooked())
    shape = iterated(hooked())
    array = call("numpy._core.multiarray._reconstruct", named("numpy.ndarray"), pack(0), raw(b"b"))
    dtype = call("numpy.dtype", "f4", False, True)
    lengths = "numpy.ndarray"
    plain = {
        "reconstruct_shape": call(
            "numpy._core.multiarray._reconstruct", named("numpy.ndarray"), shape, raw(b"b")
        ),
        "reconstruct_type": call("numpy.core.multiarray._reconstruct", model(), pack(0), raw(b"b")),
        "reconstruct_dtype": call(
            "numpy._core.multiarray._reconstruct", named("numpy.ndarray"), pack(0), shown
        ),
        "ndarray_shape": call(lengths, shape),
        "ndarray_dtype": call(lengths, pack(0), shown),
        "ndarray_dtype_named": call(lengths, pack(0), holder("dtype", shown)),
        "ndarray_newobj": named(lengths) + pack(shape) + NEWOBJ,
        "state_shape": array + pack(1, shape, dtype, False, raw(b"")) + BUILD,
        "state_list": array
        + pack(1, pack(1), call("numpy.dtype", "O8", False, True), False, shape)
        + BUILD,
        "frombuffer_dtype": call(
            "numpy._core.numeric._frombuffer", raw(b"\0" * 8), typed, pack(1), "C"
        ),
        "frombuffer_shape": call(
            "numpy._core.numeric._frombuffer", raw(b"\0" * 8), dtype, shape, "C"
        ),
        "frombuffer_reshape": call(
            "numpy._core.numeric._frombuffer", raw(b"\0" * 8), dtype, shown, "C"
        ),
        "scalar_dtype": call("numpy._core.multiarray.scalar", dtype, shape),
        "dtype_fields": call("numpy.dtype", sequence(pack("a", shown)), False, True),
        "dtype_tuple": call("numpy.dtype", pack("f4", shape), False, True),
        "dtype_dict": call(
            "numpy.dtype", mapping(names=iterated(hooked()), formats=shape), False, True
        ),
        "dtype_of_dtype": call("numpy.dtype", holder("dtype", shown), False, True),
        "dtype_copied": call("numpy.dtype", shown, False, holder("x", shown)),
        "array_of": call("numpy._core.multiarray.array", shape),
    }
    for turn, (name, built) in enumerate(plain.items()):
        yield from in_turn(f"numpy_{name}", family, built, turn)


def _of_paths() -> Iterator[Sample]:
    family = "a path of parts that are no texts"
    lower = pack(NONE, mapping(_drv="", _root="", _parts=sequence(holder("lower", hooked()))))
    windows = new("pathlib.PureWindowsPath") + lower + BUILD
    parts = pack(NONE, mapping(_drv="", _root="", _parts=iterated(hooked())))
    posix = new("pathlib.PurePosixPath") + parts + BUILD
    yield from in_turn("path_hashed", family, call("builtins.set", sequence(windows)), 0)
    yield from in_turn("path_key", family, EMPTY_DICT + windows + text("x") + b"s", 1)
    yield from in_turn("path_of_path", family, call("pathlib.PurePosixPath", posix), 2)
    yield from in_turn("path_text", family, call("builtins.str", posix), 3)
    yield from in_turn("path_version", family, call("torch.torch_version.TorchVersion", posix), 4)


def _persistent() -> Iterator[Sample]:
    family = "an identifier of weights that carries objects"
    starts = holder("startswith", model())  # called with a text: a model takes a mapping only
    hooked_start = holder("startswith", hooked())
    typed = instance("argparse.Namespace", mapping(dtype=named("torch.float32")))
    last = {
        "location": pack("storage", named("torch.FloatStorage"), "0", hooked_start, 4),
        "location_model": pack("storage", named("torch.FloatStorage"), "0", starts, 4),
        "type_and_location": pack("storage", typed, "0", hooked_start, 4),
    }
    for name, told in last.items():
        yield wrapped(f"persistent_{name}", family, told + PERSISTENT, "zip.pt")
    old = pack("storage", named("torch.FloatStorage"), "0", hooked_start, 4, NONE)
    yield wrapped("persistent_old_location", family, old + PERSISTENT, "old.pth")
    source = pack("module", named("torch.nn.modules.linear.Linear"), "x", holder("split", hooked()))
    patches = module("torch.nn.modules.linear.Linear", dump_patches=True, __name__="x")
    yield wrapped("persistent_module_source", family, source + PERSISTENT, "old.pth")
    source = pack("module", patches, "x", holder("split", hooked()))
    yield wrapped("persistent_module_instance", family, source + PERSISTENT, "old.pth")
    truth = pack("module", named("argparse.Namespace"), instance(ODICT), holder("x", layers()))
    yield wrapped("persistent_truth", family, truth + PERSISTENT, "old.pth")
    yield wrapped("persistent_number", family, value(FALSE) + number(1) + b"0", "old.pth")
