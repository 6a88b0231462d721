"""Names of what runs code, in every spelling: what a list of names must refuse."""

from __future__ import annotations

from collections.abc import Iterator

from tests.proof.assemble import (
    APPEND,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_TUPLE,
    MARK,
    NEWOBJ,
    NEWOBJ_EX,
    NONE,
    OBJ,
    P2,
    P4,
    POP,
    REDUCE,
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
from tests.proof.hostile.wrapped import in_turn
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
