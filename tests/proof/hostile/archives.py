"""Zip archives that two readers take for two things, programs and packages of torch."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Iterator

from tests.proof.assemble import P2, STOP, call, mapping
from tests.proof.containers import npy, torch_zip, zipped
from tests.proof.hostile.files import QUIET_RUNS, RUNS
from tests.proof.samples import Sample

FINE = pickle.dumps({"weights": [1, 2]}, 2)


def samples() -> Iterator[Sample]:
    """Yield tries."""
    yield from _data_pickles()
    yield from _behind()
    yield from _names_of_others()


def _data_pickles() -> Iterator[Sample]:
    family = "a zip of torch whose pickle is not where one looks"
    for name, bad in (("loud", RUNS), ("quiet", QUIET_RUNS)):
        tries = {
            "two": {"a/data.pkl": bad, "b/data.pkl": FINE},
            "second": {"a/version": b"3", "a/data.pkl": bad, "a/DATA.PKL": FINE},
            "case": {"a/version": b"3", "a/Data.pkl": bad},
            "deep": {"a/b/data.pkl": bad, "a/b/version": b"3"},
            "no_root": {"data.pkl": bad, "version": b"3"},
            "slashes": {"a//data.pkl": bad, "a/data.pkl": FINE},
            "backslash": {"a\\data.pkl": bad, "a\\version": b"3"},
            "dot": {"./data.pkl": bad, "./version": b"3"},
            "stray": {"stray.txt": b"x", "stray/data.pkl": bad, "a/data.pkl": FINE},
            "weights": {"a/data.pkl": bad, "a/data/0": b"\0" * 4, "a/byteorder": b"little"},
            "odd_order": {"a/byteorder": b"big", "a/data.pkl": bad, "a/version": b"99"},
            "unicode": {"ä/data.pkl": bad, "ä/version": b"3"},
        }
        for label, members in tries.items():
            yield Sample(f"where_{label}_{name}.pt", family, "torch.load", zipped(members))
        packed = zipped({"a/data.pkl": bad, "a/version": b"3"}, zipfile.ZIP_DEFLATED)
        yield Sample(f"where_deflated_{name}.pt", family, "torch.load", packed)
        commented = torch_zip(bad)[:-2] + struct.pack("<H", 3) + b"abc"
        yield Sample(f"where_comment_{name}.pt", family, "torch.load", commented)
        yield Sample(f"where_twice_{name}.pt", family, "torch.load", torch_zip(FINE) + _moved(bad))
        yield Sample(f"where_behind_{name}.pt", family, "torch.load", torch_zip(bad) + b"x" * 10)


def _moved(bad: bytes) -> bytes:
    """A second archive behind a first one; readers take the last directory."""
    return torch_zip(bad, root="b")


def _behind() -> Iterator[Sample]:
    family = "an archive behind a file of another kind"
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    tensors = struct.pack("<Q", len(header)) + header + b"\0\0\0\0"
    inner = zipped({"a.npy": npy(RUNS)})
    yield Sample("behind.safetensors", family, "zip behind", tensors + inner)
    yield Sample("behind_torch.safetensors", family, "zip behind", tensors + torch_zip(QUIET_RUNS))
    wide = struct.pack("<Q", len(header)) + header.replace(b"[0, 4]", b"[0, 4]") + b"\0\0\0\0"
    yield Sample("behind_loud.safetensors", family, "zip behind", wide + torch_zip(RUNS))
    gguf = b"GGUF" + struct.pack("<IQQ", 3, 0, 0)
    yield Sample("behind.gguf", family, "zip behind", gguf + torch_zip(RUNS))
    yield Sample(
        "behind_quiet.gguf", family, "zip behind", gguf + b"\0" * 40 + torch_zip(QUIET_RUNS)
    )
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 0) + b"IEND" + b"\xae\x42\x60\x82"
    yield Sample("behind.png", family, "zip behind", png + torch_zip(RUNS))
    fine = pickle.dumps({"a": 1}, 2)
    yield Sample("behind_pickle.pkl", family, "zip behind", fine + torch_zip(RUNS))
    yield Sample(
        "behind_npy.npy", family, "zip behind", npy(b"\0" * 4, "<f4") + torch_zip(QUIET_RUNS)
    )


def _names_of_others() -> Iterator[Sample]:
    family = "weights beside a pickle that are files of their own"
    for name, bad in (("loud", RUNS), ("quiet", QUIET_RUNS)):
        inner = {"x/data.pkl": FINE, "x/data/0": b"\0", "x/version": b"3"}
        for label, extra in (
            ("npy", {"a.npy": npy(bad)}),
            ("npy_upper", {"arr.npy": npy(bad), "x/y": b""}),
            ("no_ending", {"x/array": npy(bad)}),
        ):
            yield Sample(
                f"others_{label}_{name}.npz", family, "numpy.load", zipped({**inner, **extra})
            )
            yield Sample(
                f"others_{label}_{name}.pt", family, "numpy.load", zipped({**extra, **inner})
            )
    unknown = mapping(a=1)
    yield Sample(
        "others_plain.pt",
        family,
        "torch.load",
        torch_zip(P2 + call("posix.system", ': > "$HELD_MARK"') + b"0" + unknown + STOP),
    )
