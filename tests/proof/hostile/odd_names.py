"""Names that come from elsewhere, and names that the import system takes otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from tests.proof.assemble import (
    BUILD,
    MEMOIZE,
    NONE,
    P2,
    P4,
    PERSISTENT,
    POP,
    REDUCE,
    STACK_GLOBAL,
    STOP,
    call,
    named,
    on_stack,
    pack,
    raw,
    text,
)
from tests.proof.hostile.gadgets import MARK_COMMAND, MARK_TEXT
from tests.proof.hostile.names import SHELL
from tests.proof.hostile.wrapped import in_turn, wrapped
from tests.proof.samples import Sample


def samples() -> Iterator[Sample]:
    """Yield tries."""
    yield from _indirect()
    yield from _odd_names()


def _indirect() -> Iterator[Sample]:
    family = "the name comes from elsewhere on the stack"
    joined = call("builtins.str.join", "", pack("sys", "tem"))
    tricks = {
        "memo_texts": text("os")
        + b"q\x01"
        + POP
        + text("system")
        + b"q\x02"
        + POP
        + b"h\x01h\x02"
        + STACK_GLOBAL
        + SHELL
        + REDUCE,
        "memo_over": text("math")
        + b"q\x01"
        + POP
        + text("os")
        + b"q\x01"
        + POP
        + text("system")
        + b"q\x02"
        + POP
        + b"h\x01h\x02"
        + STACK_GLOBAL
        + SHELL
        + REDUCE,
        "memoize": text("os")
        + MEMOIZE
        + POP
        + text("system")
        + MEMOIZE
        + POP
        + b"h\x00h\x01"
        + STACK_GLOBAL
        + SHELL
        + REDUCE,
        "escaped": b"V\\u006fs\n" + b"Vsyste\\u006d\n" + STACK_GLOBAL + SHELL + REDUCE,
        "quoted": b"S'\\x6fs'\n" + b"S'sys\\x74em'\n" + STACK_GLOBAL + SHELL + REDUCE,
        "line": b"U\x02os" + b"T\x06\0\0\0system" + STACK_GLOBAL + SHELL + REDUCE,
        "long": b"\x8d"
        + (2).to_bytes(8, "little")
        + b"os"
        + text("system")
        + STACK_GLOBAL
        + SHELL
        + REDUCE,
        "joined": text("os") + joined + STACK_GLOBAL + SHELL + REDUCE,
        "decoded": text("os")
        + call("_codecs.decode", b"C\x06system")
        + STACK_GLOBAL
        + SHELL
        + REDUCE,
        "version": text("os")
        + call("torch.torch_version.TorchVersion", "system")
        + STACK_GLOBAL
        + SHELL
        + REDUCE,
        "str_call": call("builtins.str", "os") + text("system") + STACK_GLOBAL + SHELL + REDUCE,
        "rot13": call("_codecs.encode", "bf", "rot13")
        + text("system")
        + STACK_GLOBAL
        + SHELL
        + REDUCE,
        "after_stop_like": text(".") + POP + named("os.system") + SHELL + REDUCE,
        "framed": b"\x95" + (0).to_bytes(8, "little") + named("os.system") + SHELL + REDUCE,
        "second_proto": P2 + named("os.system") + SHELL + REDUCE,
        "proto_zero_inside": b"\x80\x00" + named("os.system") + SHELL + REDUCE,
        "persistent": pack("storage", call("os.system", MARK_COMMAND), "0", "cpu", 1) + PERSISTENT,
        "argument": call("collections.OrderedDict", call("os.system", MARK_COMMAND)),
        "build_state": call("collections.OrderedDict") + call("os.system", MARK_COMMAND) + BUILD,
    }
    for turn, (name, built) in enumerate(tricks.items()):
        yield from in_turn(f"indirect_{name}", family, built, turn, P4)


def _odd_names() -> Iterator[Sample]:
    family = "a module's name that the import system takes otherwise"
    line = b"(V" + MARK_COMMAND.encode() + b"\ntR."
    odd: dict[str, bytes] = {
        "nul": b"cos\0\nsystem\n" + line,
        "nul_more": b"cos\0.path\nsystem\n" + line,
        "nul_posix": b"cposix\0x\nsystem\n" + line,
        "nul_inst": b"(V" + MARK_COMMAND.encode() + b"\nios\0\nsystem\n.",
        "nul_stack": P4 + on_stack("os\0torch", "system") + SHELL + REDUCE + STOP,
        "nul_python2": P2 + named("__builtin__\0.eval") + pack(MARK_TEXT) + REDUCE + STOP,
        "nul_dotted": P4 + named("os\0 path.os.system") + SHELL + REDUCE + STOP,
        "path": P4 + named("torch.nn.modules.os.system") + SHELL + REDUCE + STOP,
        "carriage": b"cos\r\nsystem\r\n" + line,
        "dots": b"cos.\nsystem\n" + line,
        "spaces": b"c os\nsystem\n" + line,
        "fullwidth": P4 + on_stack("\uff4f\uff53", "system") + SHELL + REDUCE + STOP,
        "surrogate": P4 + on_stack("os\udc00", "system") + SHELL + REDUCE + STOP,
    }
    for name, data in odd.items():
        for kind in ("model", "joblib"):
            yield wrapped(f"odd_{name}", family, data.removesuffix(STOP), kind, b"")
        for kind in ("zip.pt", "old.pth", "npy"):
            yield wrapped(f"odd_{name}", family, data.removesuffix(STOP), kind, b"")
    family = "Python 2's names, which older protocols translate"
    old = {
        "commands": ("commands.getoutput", SHELL),
        "cpickle": ("cPickle.loads", pack(raw(b"cos\nsystem\n" + line))),
        "builtin_eval": ("__builtin__.eval", pack(MARK_TEXT)),
        "builtin_execfile": ("__builtin__.compile", pack(MARK_TEXT, "x", "exec")),
        "copy_reg": (
            "copy_reg._reconstructor",
            pack(named("builtins.object"), named("builtins.object"), NONE),
        ),
        "user_dict": ("UserDict.IterableUserDict", pack(call("__builtin__.eval", MARK_TEXT))),
        "reduce": (
            "__builtin__.reduce",
            pack(named("__builtin__.getattr"), pack(named("__builtin__.dict"), "x")),
        ),
        "imap": ("__builtin__.list", pack(call("itertools.imap", named("posix.system"), SHELL))),
        "ifilter": (
            "__builtin__.tuple",
            pack(call("itertools.ifilter", named("posix.system"), SHELL)),
        ),
        "intern": (
            "__builtin__.intern",
            pack(call("__builtin__.str", call("posix.system", MARK_COMMAND))),
        ),
        "dbhash": (
            "whichdb.whichdb",
            pack(call("__builtin__.str", call("posix.system", MARK_COMMAND))),
        ),
    }
    for turn, (name, (dotted, arguments)) in enumerate(old.items()):
        for proto in (b"", P2):
            label = f"python2_{name}_{len(proto)}"
            yield from in_turn(label, family, named(dotted) + arguments + REDUCE, turn, proto)
