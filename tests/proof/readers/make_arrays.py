"""NumPy's arrays, alone and inside of pickles, and joblib's files."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy
import torch

from tests.proof.assemble import BUILD, P2, REDUCE, STOP, call, mapping, named, pack, text
from tests.proof.containers import zipped
from tests.proof.readers.legit import Legit, Make
from tests.proof.readers.made import pickled, saved, written


def arrays() -> dict[str, Any]:
    """Build arrays and scalars that must pass."""
    fields = [("a", "i4"), ("b", "f8", (2,)), ("c", "U3")]
    return {
        "float32": numpy.ones((2, 3), "f4"),
        "float64": numpy.arange(4.0),
        "float16": numpy.ones(2, "f2"),
        "int64": numpy.arange(5),
        "uint8": numpy.zeros((2, 2), "u1"),
        "bool": numpy.array([True, False]),
        "complex": numpy.array([1 + 2j]),
        "text": numpy.array(["ab", "c"]),
        "bytes": numpy.array([b"ab", b"c"]),
        "big_endian": numpy.arange(3, dtype=">i4"),
        "datetime": numpy.array(["2020-01-01"], "M8[D]"),
        "timedelta": numpy.array([1, 2], "m8[s]"),
        "fields": numpy.zeros(2, fields),
        "fortran": numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)),
        "strided": numpy.arange(10)[::3],
        "zero_d": numpy.array(3.5),
        "empty": numpy.empty((0, 3)),
        "void": numpy.zeros(2, "V4"),
        "large": numpy.zeros((100, 100), "f4"),
    }


def scalars() -> dict[str, Any]:
    """Build scalars and types."""
    return {
        "scalars": [numpy.float32(1.5), numpy.int64(3), numpy.bool_(True), numpy.float64(0.5)],
        "text_scalar": numpy.str_("x"),
        "bytes_scalar": numpy.bytes_(b"x"),
        "time_scalar": numpy.datetime64("2020-01-01"),
        "complex_scalar": numpy.complex64(1j),
        "types": [numpy.dtype("f4"), numpy.dtype("i8"), numpy.dtype(">f2")],
        "type_of_fields": numpy.dtype([("a", "i4"), ("b", "f8", (2,))]),
        "type_of_texts": [numpy.dtype("U5"), numpy.dtype("S3"), numpy.dtype("M8[ns]")],
        "metric": {"best": numpy.float64(0.5), "epoch": numpy.int64(3)},
    }


def files() -> Iterator[Legit]:
    """Yield the files."""
    for turn, (name, array) in enumerate({**arrays(), **scalars()}.items()):
        family = "NumPy inside of torch's files and of pickles"
        yield saved(f"array_{name}.pt", family, {"a": array, "x": torch.ones(1)})
        protocol = (0, 1, 3, 4, 5)[turn % 5]
        yield saved(
            f"array_{name}_p{protocol}.ckpt", family, {"a": array}, protocol, old=protocol < 2
        )
        yield pickled(f"array_{name}_p{turn % 6}.pkl", family, {"a": array}, turn % 6)
    yield from _numpy_files()
    yield from _joblib()
    yield from _insight()
    yield from _may()


def _numpy_files() -> Iterator[Legit]:
    family = "NumPy's own files"
    for name, array in arrays().items():
        yield (f"{name}.npy", family, "numpy.load", _npy(array))
    some = {name: arrays()[name] for name in ("float32", "text", "zero_d", "fortran")}
    yield ("plain.npz", family, "numpy.load", lambda path: numpy.savez(path, **some))
    yield ("packed.npz", family, "numpy.load", lambda path: numpy.savez_compressed(path, **some))
    yield ("one.npz", family, "numpy.load", lambda path: numpy.savez(path, numpy.ones(3)))
    out = io.BytesIO()
    numpy.lib.format.write_array(out, numpy.ones(3), version=(2, 0))
    yield written("version2.npy", family, "numpy.load", out.getvalue())


def _npy(array: Any) -> Make:
    def make(path: Path) -> None:
        numpy.save(path, array, allow_pickle=False)

    return make


def _joblib() -> Iterator[Legit]:
    family = "joblib's files"
    plain = {"a": [1, 2.5, "x", None], "b": (True, b"x"), "c": {1, 2}}
    with_arrays = {
        **plain,
        "array": numpy.ones((3, 2)),
        "more": [numpy.arange(5), numpy.float32(1)],
    }
    for name, value in (("plain", plain), ("arrays", with_arrays), ("array", numpy.arange(6.0))):
        for packed in (0, "zlib", "gzip", "bz2", "xz", "lzma", "lz4"):
            label = packed or "stored"
            ending = {"zlib": "z", "gzip": "gz", "bz2": "bz2", "xz": "xz"}.get(
                str(packed), "joblib"
            )
            yield (f"{name}_{label}.{ending}", family, "joblib.load", _dumped(value, packed))
    yield ("plain_zlib.joblib", family, "joblib.load", _dumped(plain, "zlib"))
    yield (
        "array_fortran.joblib",
        family,
        "joblib.load",
        _dumped(numpy.asfortranarray(numpy.ones((2, 3))), 0),
    )
    yield ("array_pkl.pkl", family, "joblib.load", _dumped(with_arrays, 0))


def _dumped(value: Any, packed: Any) -> Make:
    def make(path: Path) -> None:
        joblib.dump(value, path, compress=(packed, 3) if packed else 0)

    return make


def _insight() -> Iterator[Legit]:
    """A dict of arrays, as Python 2 and 3 write it by protocol 2."""
    family = "pickles of arrays, as Python 2 wrote them"
    faces = {"model": {"mean": numpy.ones(3, "f4"), "std": numpy.ones(3)}, "names": ["a", "b"]}
    yield pickled("meanshape.pkl", family, numpy.ones((5, 2), "f4"), 2)
    yield pickled("faces.pkl", family, faces, 2)
    yield pickled("faces_p0.pkl", family, faces, 0)
    array = call(
        "numpy.core.multiarray._reconstruct", named("numpy.ndarray"), pack(0), _bytes(b"b")
    )
    kind = call("numpy.dtype", _short("f4"), 0, 1)
    kind += pack(3, _short("<"), None, None, None, -1, -1, 0) + BUILD
    data = struct.pack("<2f", 1, 2)
    built = array + pack(1, pack(2), kind, False, _bytes(data)) + BUILD
    yield written("python2_array.pkl", family, "pickle.load.latin1", P2 + mapping(x=built) + STOP)
    odd = call(
        "copy_reg._reconstructor", named("argparse.Namespace"), named("__builtin__.object"), None
    )
    odd += mapping(lr=1, name=_short("x")) + BUILD
    yield written("python2_namespace.pkl", family, "pickle.load", P2 + odd + STOP)
    plain = named("__builtin__.set") + pack(b"](K\x01K\x02e") + REDUCE
    yield written(
        "python2_set.pkl", family, "pickle.load", P2 + mapping(s=plain, t=text("x")) + STOP
    )
    more = call("__builtin__.bytearray", call("_codecs.encode", text("xyz\xff"), text("latin1")))
    yield written("python2_bytes.pkl", family, "pickle.load", P2 + mapping(b=more) + STOP)
    ranged = call("__builtin__.xrange", 0, 10, 2) + call("__builtin__.complex", 1.0, 2.0) + b"\x86"
    yield written("python2_range.pkl", family, "pickle.load", P2 + ranged + STOP)


def _short(told: str) -> bytes:
    """SHORT_BINSTRING, as Python 2 wrote its texts."""
    return b"U" + bytes([len(told)]) + told.encode()


def _bytes(told: bytes) -> bytes:
    return b"T" + struct.pack("<I", len(told)) + told


def _may() -> Iterator[Legit]:
    family = "may: rare objects of NumPy"
    masked = numpy.ma.array([1, 2], mask=[0, 1])
    yield saved("may_masked.pt", family, masked)
    yield saved("may_rec.pt", family, numpy.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]))
    yield saved("may_generator_numpy.pt", family, {"rng": numpy.random.default_rng(1)})
    yield saved("may_state_numpy.pt", family, {"rng": numpy.random.RandomState(1)})
    objects = numpy.empty(2, object)
    objects[:] = [1, "x"]
    yield saved("may_objects.pt", "may: arrays of objects", {"o": objects})
    yield (
        "may_objects.npy",
        "may: arrays of objects",
        "numpy.load",
        lambda path: numpy.save(path, objects, allow_pickle=True),
    )
    yield (
        "may_objects.npz",
        "may: arrays of objects",
        "numpy.load",
        lambda path: numpy.savez(path, o=objects),
    )
    yield (
        "may_objects.joblib",
        "may: arrays of objects",
        "joblib.load",
        _dumped({"o": objects}, 0),
    )
    inner = zipped({"x.npy": pickle.dumps(1)})
    yield written("may_odd.npz", "may: arrays of objects", "numpy.load", inner)
