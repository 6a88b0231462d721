"""Names of what runs code, in every spelling: what a list of names must refuse."""

from __future__ import annotations

from collections.abc import Iterator

from tests.proof.assemble import (
    APPEND,
    BUILD,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_TUPLE,
    MARK,
    MEMOIZE,
    NEWOBJ,
    NEWOBJ_EX,
    NONE,
    OBJ,
    P2,
    P4,
    PERSISTENT,
    POP,
    REDUCE,
    STACK_GLOBAL,
    STOP,
    Value,
    call,
    mapping,
    named,
    on_stack,
    pack,
    raw,
    sequence,
    text,
)
from tests.proof.hostile.gadgets import MARK_COMMAND, MARK_TEXT
from tests.proof.hostile.wrapped import in_turn, wrapped
from tests.proof.samples import Sample

SHELL = pack(MARK_COMMAND)
CALLED: dict[str, tuple[str, Value]] = {
    "os": ("os.system", SHELL),
    "posix": ("posix.system", SHELL),
    "popen": ("subprocess.Popen", pack(MARK_COMMAND, -1, NONE, NONE, NONE, NONE, NONE, True, True)),
    "getoutput": ("subprocess.getoutput", SHELL),
    "commands": ("commands.getoutput", SHELL),
    "eval": ("builtins.eval", pack(MARK_TEXT)),
    "exec": ("builtins.exec", pack(MARK_TEXT)),
    "py2_eval": ("__builtin__.eval", pack(MARK_TEXT)),
    "runstring": ("numpy.testing._private.utils.runstring", pack(MARK_TEXT, mapping())),
    "timeit": ("timeit.timeit", pack(MARK_TEXT, "pass", NONE, 1)),
    "profile": ("cProfile.run", pack(MARK_TEXT)),
    "pdb": ("bdb.Bdb.run", pack(NONE, MARK_TEXT)),
    "pydoc": ("pydoc.pipepager", pack("x", MARK_COMMAND)),
    "uuid": ("ctypes.util._findLib_gcc", SHELL),
    "collect": ("torch.utils.collect_env.run", SHELL),
    "torch_os": ("torch.os.system", SHELL),
    "pickle_loads": (
        "pickle.loads",
        pack(raw(b"cos\nsystem\n(V" + MARK_COMMAND.encode() + b"\ntR.")),
    ),
    "storage_bytes": (
        "_pickle.loads",
        pack(raw(b"cos\nsystem\n(V" + MARK_COMMAND.encode() + b"\ntR.")),
    ),
    "logging": ("logging.FileHandler", pack("../../mark")),
    "open": ("io.open", pack("../../mark", "w")),
    "touch": ("pathlib.Path.touch", pack(call("pathlib.PosixPath", "../../mark"))),
    "mkdir": ("os.mkdir", pack("../../mark")),
    "ultralytics": ("ultralytics.utils.checks.subprocess.getoutput", SHELL),
    "model": ("ultralytics.nn.tasks.torch.os.system", SHELL),
    "joblib": ("joblib.parallel.os.system", SHELL),
    "distutils": ("numpy.f2py.crackfortran.myeval", pack(MARK_TEXT)),
    "sympy": ("sympy.sympify", pack(MARK_TEXT)),
}


def samples() -> Iterator[Sample]:
    """Yield tries."""
    yield from _spelled()
    yield from _turned()
    yield from _indirect()
    yield from _odd_names()


def _called(name: str, arguments: Value) -> dict[str, Value]:
    """Ways to call a name that an unpickler has."""
    module, _, what = name.rpartition(".")
    return {
        "reduce": named(name) + arguments + REDUCE,
        "stack": on_stack(module, what) + arguments + REDUCE,
        "in_list": EMPTY_LIST + named(name) + arguments + REDUCE + APPEND,
        "dropped": named(name) + arguments + REDUCE + POP + text("weights"),
        "memo": named(name) + b"q\x01" + POP + b"h\x01" + arguments + REDUCE,
        "proto_again": named(name) + P2 + arguments + REDUCE,
    }


def _spelled() -> Iterator[Sample]:
    family = "a name that runs code, called"
    for turn, (name, (dotted, arguments)) in enumerate(CALLED.items()):
        # Names with a dot behind the module are walked only from protocol 4 on.
        for how, built in list(_called(dotted, arguments).items())[turn % 3 :: 3]:
            yield from in_turn(f"called_{name}_{how}", family, built, turn, P4)
        dots = dotted.split(".")
        if len(dots) > 2:
            split = on_stack(dots[0], ".".join(dots[1:])) + arguments + REDUCE
            yield from in_turn(
                f"dotted_{name}", "a dotted name, walked by protocol 4", split, turn, P4
            )


def _turned() -> Iterator[Sample]:
    family = "the same call by each instruction that calls"
    command = text(MARK_COMMAND)
    tricks = {
        "inst": MARK + command + b"ios\nsystem\n",
        "obj": MARK + named("os.system") + command + OBJ,
        "newobj": named("subprocess.Popen")
        + pack(sequence("touch", "../../mark"))
        + NEWOBJ
        + POP
        + named("os.system")
        + SHELL
        + REDUCE,
        "newobj_ex": named("argparse.Namespace")
        + EMPTY_TUPLE
        + EMPTY_DICT
        + NEWOBJ_EX
        + POP
        + named("os.system")
        + SHELL
        + REDUCE,
        "partial": call("functools.partial", named("os.system"), MARK_COMMAND)
        + EMPTY_TUPLE
        + REDUCE,
        "map": call("builtins.list", call("builtins.map", named("os.system"), SHELL)),
        "starmap": call(
            "collections.deque", call("itertools.starmap", named("os.system"), sequence(SHELL))
        ),
        "methodcaller": call(
            call("operator.methodcaller", "system", MARK_COMMAND), named("torch.os")
        ),
        "attrgetter": call(call("operator.attrgetter", "system"), named("torch.os"))
        + SHELL
        + REDUCE,
        "getattr": call("builtins.getattr", named("torch.os"), "system") + SHELL + REDUCE,
        "getattribute": call("builtins.object.__getattribute__", named("torch.os"), "system")
        + SHELL
        + REDUCE,
        "apply": call("itertools.accumulate", SHELL, named("os.system"))
        + POP
        + named("os.system")
        + SHELL
        + REDUCE,
        "reduce_of": call("functools.reduce", named("os.system"), SHELL)
        + POP
        + call("functools.reduce", named("builtins.getattr"), pack(named("torch.os"), "system"))
        + SHELL
        + REDUCE,
        "import": call("builtins.getattr", call("builtins.__import__", "os"), "system")
        + SHELL
        + REDUCE,
        "import_module": call("builtins.getattr", call("importlib.import_module", "os"), "system")
        + SHELL
        + REDUCE,
        "globals": call("builtins.eval", "__import__('os').system", mapping()) + SHELL + REDUCE,
        "default_factory": call(
            "collections.defaultdict.__missing__",
            call(
                "collections.defaultdict",
                call("functools.partial", named("os.system"), MARK_COMMAND),
            ),
            1,
        ),
        "weakref": call("builtins.next", call("builtins.map", named("os.system"), SHELL)),
        "filter": call("builtins.tuple", call("builtins.filter", named("os.system"), SHELL)),
        "sorted": call("builtins.max", sequence(MARK_COMMAND, "true"))
        + POP
        + call("builtins.list", call("builtins.map", named("os.system"), SHELL)),
        "iter": call(
            "builtins.next",
            call("builtins.iter", call("functools.partial", named("os.system"), MARK_COMMAND), 1),
        ),
        "enum": call("types.MethodType", named("os.system"), MARK_COMMAND) + EMPTY_TUPLE + REDUCE,
    }
    for turn, (name, built) in enumerate(tricks.items()):
        yield from in_turn(f"turned_{name}", family, built, turn, P4)


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
