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
    BUILD,
    EMPTY_TUPLE,
    NEWOBJ,
    NONE,
    P2,
    POP,
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
from tests.proof.containers import npy, torch_zip, zipped
from tests.proof.hostile.gadgets import MARK_TEXT, config, model
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
