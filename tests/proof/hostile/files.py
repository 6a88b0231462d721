"""Pickles where no pickle is expected, and files that two readers take for two things."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import struct
import zlib
from collections.abc import Callable, Iterator

from tests.proof.assemble import (
    ADDITEMS,
    APPEND,
    APPENDS,
    BUILD,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_SET,
    EMPTY_TUPLE,
    MARK,
    NEWOBJ,
    NEWOBJ_EX,
    NONE,
    P2,
    P4,
    PERSISTENT,
    POP,
    REDUCE,
    SETITEM,
    SETITEMS,
    STOP,
    Value,
    call,
    mapping,
    named,
    number,
    pack,
    raw,
    sequence,
    text,
)
from tests.proof.containers import MAGIC, npy, torch_old, torch_tar, torch_zip, zipped
from tests.proof.hostile.gadgets import MARK_TEXT, config, hooked, model
from tests.proof.hostile.wrapped import in_turn
from tests.proof.samples import Sample

RUN = call("builtins.eval", MARK_TEXT)
RUNS = P2 + RUN + STOP
QUIET = call("argparse.Namespace") + mapping(__setstate__=model()) + BUILD + config() + BUILD
REST = b"".join(pickle.dumps(told, 2) for told in list[object]([1001, {}, {}, []]))
QUIET_RUNS = P2 + QUIET + STOP
"""Made of allowed names only."""


def samples() -> Iterator[Sample]:
    """Yield tries."""
    yield from _objects()
    yield from _joblib()
    yield from _packed()
    yield from _tars()
    yield from _old_parts()
    yield from _continued()
    yield from _odd_steps()


def lz4_frame(data: bytes) -> bytes:
    """Return an LZ4 frame whose block is not packed; its header's check byte is that of LZ4."""
    # Version 1, blocks alone, no checksums, blocks of up to 64 kB: its check byte is always 0x82.
    block = struct.pack("<I", len(data) | 0x80000000) + data
    return b"\x04\x22\x4d\x18\x60\x40\x82" + block + b"\0\0\0\0"


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.compress,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "lz4": lz4_frame,
}


def _objects() -> Iterator[Sample]:
    family = "NumPy's files with objects, under several names"
    for turn, data in enumerate((RUNS, QUIET_RUNS)):
        array = npy(data)
        for name in ("npy", "pt", "bin", "safetensors.npy", "NPY", "dat", "npz"):
            yield Sample(f"object_{turn}.{name}", family, "numpy.load", array)
        for name in ("npz", "pt", "zip", "bin", "model"):
            many = {"ok.npy": npy(pickle.dumps([1]), "|O"), "arr_0.npy": array}
            yield Sample(f"objects_{turn}.{name}", family, "numpy.load", zipped(many))
        for descr in ("O", "|O8", "=O", [("a", "<f4"), ("b", "|O")]):
            label = "fields" if isinstance(descr, list) else descr.strip("|=") + str(len(descr))
            header = npy(data, descr) if isinstance(descr, str) else _fields(data)
            yield Sample(f"object_{label}_{turn}.npy", family, "numpy.load", header)
        yield Sample(f"object_shape_{turn}.npy", family, "numpy.load", npy(data, "|O", "(1,)"))
        yield Sample(
            f"object_deflated_{turn}.npz", family, "numpy.load", zipped({"a.npy": array}, 8)
        )
        named_so = zipped({"x/data.pkl": pickle.dumps({}, 2), "a.npy": array})
        yield Sample(
            f"object_decoy_{turn}.npz",
            "a decoy data.pkl beside what is read",
            "numpy.load",
            named_so,
        )
        plain_name = zipped({"x/data.pkl": pickle.dumps({}, 2), "x/data/0": array})
        yield Sample(
            f"object_weights_{turn}.bin",
            "a decoy data.pkl beside what is read",
            "numpy.load",
            plain_name,
        )
        yield Sample(f"plain_{turn}.npy", family, "numpy.load", data)
        yield Sample(f"version3_{turn}.npy", family, "numpy.load", _version(data, 3))
        yield Sample(f"version2_{turn}.npy", family, "numpy.load", _version(data, 2))


def _fields(data: bytes) -> bytes:
    header = "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (), }"
    padded = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded.encode() + data


def _version(data: bytes, version: int) -> bytes:
    header = ("{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(115) + "\n").encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<I", len(header)) + header + data


def _wrapper(kind: str, inner: bytes) -> Value:
    """Build joblib's stand-in for an array whose content follows at once."""
    dtype = call("numpy.dtype", kind, False, True)
    state = mapping(
        subclass=named("numpy.ndarray"),
        shape=pack(1),
        order="C",
        dtype=dtype,
        allow_mmap=False,
        numpy_array_alignment_bytes=None,
    )
    return (
        named("joblib.numpy_pickle.NumpyArrayWrapper")
        + EMPTY_TUPLE
        + NEWOBJ
        + state
        + BUILD
        + inner
    )


def _joblib() -> Iterator[Sample]:
    family = "joblib's files, packed and with arrays"
    quiet = P2 + sequence(_wrapper("O", QUIET_RUNS)) + STOP
    loud = P2 + sequence(_wrapper("O", RUNS)) + STOP
    data = {"quiet": quiet, "loud": loud, "plain": RUNS, "quiet_plain": QUIET_RUNS}
    for name, content in data.items():
        yield Sample(f"joblib_{name}.joblib", family, "joblib.load", content)
        yield Sample(f"joblib_{name}.pkl", family, "joblib.load", content)
        for packer, pack_it in PACKERS.items():
            yield Sample(f"joblib_{name}_{packer}.joblib", family, "joblib.load", pack_it(content))
    beside = call("joblib.numpy_pickle_compat.NDArrayWrapper", "other.npy", named("numpy.ndarray"))
    yield Sample(
        "joblib_beside.joblib",
        "joblib's old files, which read others beside",
        "joblib.load",
        P2 + beside + STOP,
        {"other.npy": npy(RUNS)},
    )
    wrapped = call(
        "joblib.numpy_pickle_compat.ZNDArrayWrapper",
        "other.z",
        pack(named("numpy.ndarray"), pack(0), raw(b"b")),
        pack(1, pack(1), call("numpy.dtype", "O"), False, None),
    )
    yield Sample(
        "joblib_beside_z.joblib",
        "joblib's old files, which read others beside",
        "joblib.load",
        P2 + wrapped + POP + RUN + STOP,
        {"other.z": zlib.compress(b"x")},
    )
    shifted = P2 + sequence(_wrapper("f4", b"\0\0\0\0"), RUN) + STOP
    yield Sample("joblib_shifted.joblib", family, "joblib.load", shifted)
    hidden = P2 + _wrapper("S9", P2 + text("x") + STOP + b"\0") + POP + RUN + STOP
    yield Sample("joblib_hidden.joblib", family, "joblib.load", hidden)
    aligned = (
        P2
        + _wrapper("f4", b"\0\0\0\0").replace(
            text("numpy_array_alignment_bytes") + NONE,
            text("numpy_array_alignment_bytes") + number(16),
        )
        + RUN
        + STOP
    )
    yield Sample("joblib_aligned.joblib", family, "joblib.load", aligned)


def _packed() -> Iterator[Sample]:
    family = "packed pickles under names that tell nothing"
    for name, packer in PACKERS.items():
        for ending in ("dat", "pkl.gz", "z", "bin", "pt", "model", "onnx.data", "txt"):
            content = RUNS if ending in ("bin", "dat") else QUIET_RUNS
            yield Sample(f"packed_{name}.{ending}", family, "joblib.load", packer(content))
    old = b"ZF" + hex(len(QUIET_RUNS)).encode().ljust(19) + zlib.compress(QUIET_RUNS)
    yield Sample("packed_zf.joblib", family, "joblib.load", old)
    yield Sample("packed_zf.dat", family, "joblib.load", old)
    for ending in ("dat", "unknown", "npz", "h5", "safetensors.pkl", "json", "model"):
        yield Sample(
            f"bare_quiet.{ending}", "pickles under names of other kinds", "joblib.load", QUIET_RUNS
        )
        yield Sample(
            f"bare_loud.{ending}", "pickles under names of other kinds", "pickle.load", RUNS
        )
        zipped_quiet = torch_zip(QUIET_RUNS)
        yield Sample(
            f"zip_quiet.{ending}", "pickles under names of other kinds", "torch.load", zipped_quiet
        )
    level = [zlib.compress(QUIET_RUNS, level) for level in (0, 1, 9)]
    for place, content in enumerate(level):
        yield Sample(f"packed_level_{place}.joblib", family, "joblib.load", content)
    yield Sample("packed_gzip_named.joblib", family, "joblib.load", _named_gzip(QUIET_RUNS))
    twice = bz2.compress(QUIET_RUNS[:20]) + bz2.compress(QUIET_RUNS[20:])
    yield Sample("packed_bz2_twice.joblib", family, "joblib.load", twice)
    members = gzip.compress(QUIET_RUNS[:20], mtime=0) + gzip.compress(QUIET_RUNS[20:], mtime=0)
    yield Sample("packed_gzip_twice.joblib", family, "joblib.load", members)
    skipped = b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + b"skip" + lz4_frame(QUIET_RUNS)
    yield Sample("packed_lz4_skipped.joblib", family, "joblib.load", lz4_frame(b"") + skipped)


def _named_gzip(data: bytes) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile("weights.safetensors", "wb", 9, out, 0) as packer:
        packer.write(data)
    return out.getvalue()


def _tars() -> Iterator[Sample]:
    family = "torch's tar of 2016, plain and in a pickle's bytes"
    inside = {"loud": RUNS, "quiet": QUIET_RUNS}
    for name, data in inside.items():
        for ending in ("pt", "pth", "ckpt", "bin", "tar", "unknown"):
            yield Sample(f"tar_{name}.{ending}", family, "torch.load", torch_tar(data))
        storages = torch_tar(P2 + EMPTY_DICT + STOP, storages=data)
        yield Sample(f"tar_{name}_storages.pt", family, "torch.load", storages)
        tensors = torch_tar(P2 + EMPTY_DICT + STOP, tensors=data)
        yield Sample(f"tar_{name}_tensors.pt", family, "torch.load", tensors)
    heads: dict[str, tuple[bytes, Callable[[int], bytes]]] = {
        "binbytes": (P4, lambda size: b"B" + struct.pack("<I", size)),
        "binbytes8": (P4, lambda size: b"\x8e" + struct.pack("<Q", size)),
        "bytearray8": (b"\x80\x05", lambda size: b"\x96" + struct.pack("<Q", size)),
        "unicode": (P2, lambda size: b"X" + struct.pack("<I", size)),
        "unicode8": (P4, lambda size: b"\x8d" + struct.pack("<Q", size)),
        "long4": (P2, lambda size: b"\x8b" + struct.pack("<I", size)),
        "binstring": (P2, lambda size: b"T" + struct.pack("<I", size)),
        "no_proto": (b"", lambda size: b"B" + struct.pack("<I", size)),
        "mark": (b"(", lambda size: b"X" + struct.pack("<I", size)),
        "after_text": (P2, lambda size: b"U\x03abc" + b"B" + struct.pack("<I", size)),
        "framed": (
            P4,
            lambda size: b"\x95" + struct.pack("<Q", size + 6) + b"B" + struct.pack("<I", size),
        ),
        "line": (b"", lambda _: b"V"),
        "quoted": (b"", lambda _: b"S'"),
        "global": (b"", lambda _: b"ccollections\nOrderedDict\n0V"),
        "short_then_long": (P4, lambda size: b"\x8c\x01x0B" + struct.pack("<I", size)),
    }
    for name, (start, head) in heads.items():
        length = len(torch_tar(QUIET_RUNS)) + 512
        first = start + head(length - len(start + head(0)))
        tar = torch_tar(QUIET_RUNS, first=first)
        tail = {"line": b"\n.", "quoted": b"'\n.", "global": b"\n."}.get(name, b".")
        yield Sample(f"polyglot_{name}.pt", family, "torch.load", tar + tail)
        old = tar + tail + REST
        yield Sample(f"polyglot_{name}_more.pkl", family, "torch.load", old)
    magic = pickle.dumps(MAGIC, 2)
    facts = torch_old(P2 + EMPTY_DICT + STOP)
    as_name = torch_tar(QUIET_RUNS, first=magic + b"\x80\x02K\x00.")
    yield Sample("polyglot_old_format.pth", family, "torch.load", as_name + facts)


def _old_parts() -> Iterator[Sample]:
    family = "torch's format of before 2020: in each of its five pickles"
    quiet = QUIET + POP
    parts: list[object] = [MAGIC, 1001, {"little_endian": True}, {}, []]
    for place, told in enumerate(parts):
        end = pickle.dumps(told, 2)[2:]
        for name, act in (("loud", RUN + POP), ("quiet", quiet)):
            data = torch_old(pickle.dumps({}, 2), other={place: P2 + act + end})
            yield Sample(f"old_part_{place}_{name}.pth", family, "torch.load", data)
    key = call("collections.OrderedDict", call("builtins.eval", MARK_TEXT))
    yield Sample(
        "old_keys_called.pth",
        family,
        "torch.load",
        torch_old(pickle.dumps({}, 2), other={4: P2 + key + STOP}),
    )
    module = pack("module", call("builtins.eval", MARK_TEXT), "x", "y") + PERSISTENT
    yield Sample("old_module.pth", family, "torch.load", torch_old(P2 + module + STOP))
    patched = (
        call("builtins.setattr", named("torch.nn.modules.linear.Linear"), "dump_patches", True)
        + POP
    )
    source = pack("module", named("torch.nn.modules.linear.Linear"), "x", "y") + PERSISTENT
    yield Sample(
        "old_patches.pth", family, "torch.load", torch_old(P2 + patched + RUN + POP + source + STOP)
    )


def _continued() -> Iterator[Sample]:
    family = "pickles behind one another, for a reader that takes the next one"
    first = pickle.dumps({"weights": 1}, 2)
    yield Sample("next_in_old.pth", family, "torch.load", pickle.dumps(MAGIC, 2) + RUNS)
    yield Sample(
        "next_version.pth",
        family,
        "torch.load",
        pickle.dumps(MAGIC, 2) + pickle.dumps(1001, 2) + QUIET_RUNS,
    )
    yield Sample("behind.joblib", family, "pickle.loads", first + RUNS)
    yield Sample("behind_quiet.pkl", family, "pickle.loads", first + QUIET_RUNS)
    yield Sample(
        "behind_weights.pth",
        family,
        "pickle.loads",
        torch_old(first[:0] + P2 + EMPTY_DICT + STOP) + RUNS,
    )


def _odd_steps() -> Iterator[Sample]:
    family = "an instruction that is rare but sound, before the call"
    array = call("builtins.bytearray")
    listed = EMPTY_LIST + MARK + number(1) + number(2) + APPENDS
    loud = POP + RUN
    odd: dict[str, Value] = {
        "setitem_list": listed + number(0) + text("x") + SETITEM,
        "setitems_list": listed + MARK + number(0) + text("x") + number(1) + text("y") + SETITEMS,
        "setitem_bytearray": call("builtins.bytearray", raw(b"ab"))
        + number(0)
        + number(1)
        + SETITEM,
        "extend_bytearray": array + MARK + number(1) + APPENDS,
        "append_bytearray": array + number(1) + APPEND,
        "append_deque": call("collections.deque") + number(1) + APPEND,
        "extend_deque": call("collections.deque") + MARK + number(1) + APPENDS,
        "append_set": call("builtins.set") + MARK + ADDITEMS,
        "additems_set": call("builtins.set") + MARK + number(1) + ADDITEMS,
        "appends_nothing": EMPTY_LIST + MARK + APPENDS,
        "append_counter": call("collections.Counter") + text("a") + number(1) + SETITEM,
        "setitem_slice": listed + call("builtins.slice", 0, 1) + listed + SETITEM,
        "build_none": call("argparse.Namespace") + mapping() + BUILD,
        "build_empty_pair": call("argparse.Namespace") + pack(None, None) + BUILD,
        "build_false": call("argparse.Namespace") + pack(mapping(), 0) + BUILD,
        "pop_mark": MARK + number(1) + b"1" + NONE,
        "pop_mark_by_pop": NONE + MARK + POP,
        "pop_below": MARK + NONE + POP + POP + NONE,
        "long_empty": b"\x8a\x00",
        "long_text": b"L0x10L\n",
        "long_plain": b"L1_000L\n",
        "int_spaces": b"I  7 \n",
        "int_true": b"I01\n",
        "float_text": b"Fnan\n",
        "float_spaces": b"F 1_0.5 \n",
        "string_empty": b"S''\n",
        "quoted_spaces": b"S'x'  \n",
        "unicode_surrogate": b"X\x03\0\0\0\xed\xa0\x80",
        "unicode_raw": b"V\\ud800\n",
        "frame_wide": b"\x95" + struct.pack("<Q", 2) + NONE + POP + NONE,
        "proto_later": NONE + b"\x80\x03",
        "put_large": NONE + b"r\x10\x27\0\0",
        "put_text": NONE + b"p 1_0\n",
        "get_text": NONE + b"p10\n" + POP + b"g+1_0\n",
        "newobj_ex": named("builtins.int") + pack(5) + EMPTY_DICT + NEWOBJ_EX,
        "newobj_int": named("builtins.int") + EMPTY_TUPLE + NEWOBJ,
        "reduce_list": named("builtins.list") + pack(pack(1, 2)) + REDUCE,
        "set_filled": EMPTY_SET + MARK + number(1) + ADDITEMS,
        "dict_odd": MARK + b"d",
        "dup": NONE + b"2" + POP,
        "readonly": raw(b"x") + b"\x98",
        "object": named("builtins.object") + EMPTY_TUPLE + REDUCE,
        "empty_dict_item": EMPTY_DICT + MARK + SETITEMS,
    }
    for turn, (name, built) in enumerate(odd.items()):
        yield from in_turn(f"odd_step_{name}", family, built + loud, turn, P4)
        yield Sample(f"odd_step_{name}.unknown", family, "pickle.load", P4 + built + loud + STOP)
        if turn % 2:
            yield Sample(f"odd_step_{name}.npy", family, "numpy.load", P4 + built + loud + STOP)
        else:
            quiet = hooked()
            size = call("builtins.set", sequence(number(1))) + POP + quiet + EMPTY_TUPLE + REDUCE
            data = P4 + built + POP + size + STOP
            yield Sample(f"odd_step_{name}_quiet.dat", family, "joblib.load", data)
