"""torch's tar, its format of before 2020, and pickles behind one another."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Iterator

from tests.proof.assemble import (
    EMPTY_DICT,
    P2,
    P4,
    PERSISTENT,
    POP,
    STOP,
    call,
    named,
    pack,
)
from tests.proof.containers import MAGIC, torch_old, torch_tar
from tests.proof.hostile.files import QUIET, QUIET_RUNS, REST, RUN, RUNS
from tests.proof.hostile.gadgets import MARK_TEXT
from tests.proof.samples import Sample


def samples() -> Iterator[Sample]:
    """Yield tries."""
    yield from _tars()
    yield from _old_parts()
    yield from _continued()


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
