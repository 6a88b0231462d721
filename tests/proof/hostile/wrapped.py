"""One pickle in the several containers that a reader of models takes."""

from __future__ import annotations

from tests.proof.assemble import P2, STOP, Value
from tests.proof.containers import npy, torch_old, torch_zip, zipped
from tests.proof.samples import Sample

# Container and reader; a trick goes into some of them, in turn, so that each meets each kind.
KINDS = ("zip.pt", "zip.ckpt", "old.pth", "plain.pkl", "joblib", "npy", "npz")


def wrapped(name: str, family: str, built: Value, kind: str, proto: bytes = P2) -> Sample:
    """Put a value into a container of this kind."""
    data = proto + built + STOP
    weights = {"0": b"\0" * 16}
    match kind:
        case "zip.pt" | "zip.ckpt" | "zip.bin" | "zip.pth":
            return Sample(f"{name}.{kind[4:]}", family, "torch.load", torch_zip(data, weights))
        case "old.pth":
            return Sample(f"{name}.old.pth", family, "torch.load", torch_old(data))
        case "plain.pkl" | "model":
            ending = kind.rpartition(".")[2]
            return Sample(f"{name}.{ending}", family, "pickle.load", data)
        case "joblib":
            return Sample(f"{name}.joblib", family, "joblib.load", data)
        case "npy":
            return Sample(f"{name}.npy", family, "numpy.load", npy(data))
        case "npz":
            return Sample(f"{name}.npz", family, "numpy.load", zipped({"arr_0.npy": npy(data)}))
    raise ValueError(kind)


def in_turn(name: str, family: str, built: Value, turn: int, proto: bytes = P2) -> list[Sample]:
    """Put a value into torch's zip, and into one other container."""
    other = KINDS[1 + turn % (len(KINDS) - 1)]
    return [wrapped(name, family, built, kind, proto) for kind in ("zip.pt", other)]
