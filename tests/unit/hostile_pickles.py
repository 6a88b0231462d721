"""Pickles that would run code, or lead their reader astray: assembled by hand, one trick each."""

from __future__ import annotations

import pickle
import struct

CALLS = """
os.system posix.system nt.system os.popen os.execv os.spawnl os.remove os.putenv posix.open
subprocess.Popen subprocess.run subprocess.check_output subprocess.getoutput commands.getoutput
builtins.eval builtins.exec builtins.compile builtins.__import__ builtins.open builtins.print
builtins.setattr builtins.delattr builtins.globals builtins.vars builtins.type builtins.map
builtins.breakpoint builtins.input builtins.bytes.join __builtin__.eval __builtin__.apply
__builtin__.execfile importlib.import_module importlib.reload runpy.run_path runpy._run_code
webbrowser.open operator.attrgetter operator.methodcaller _operator.itemgetter functools.partial
functools.reduce socket.socket socket.create_connection ctypes.CDLL ctypes.WinDLL pip.main
pip._internal.main torch.hub.load torch.jit.load torch.load torch.serialization.load
torch.storage._load_from_bytes torch.utils.cpp_extension.load torch.ops.load_library
torch._inductor.codecache.compile_file torch.fx.experimental.symbolic_shapes.eval
torch._tensor._rebuild_from_type_v2 torch.package.PackageImporter torch.utils.collect_env.run
numpy.testing._private.utils.runstring numpy.load numpy.f2py.crackfortran.getlincoef
numpy.ctypeslib.load_library pickle.loads pickle.Unpickler _pickle.loads dill.loads
dill._dill._load_type dill._dill._create_function cloudpickle.cloudpickle._builtin_type
joblib.load marshal.loads types.FunctionType types.CodeType types.MethodType
code.InteractiveInterpreter codecs.open io.open _io.FileIO shutil.rmtree pathlib.Path.write_text
tempfile.mkstemp pdb.run bdb.Bdb.run timeit.timeit cProfile.run profile.run trace.Trace pty.spawn
pydoc.pipepager pydoc.locate pkgutil.resolve_name uuid._get_command_stdout venv.create
ensurepip._run_pip idlelib.pyshell.ModifiedInterpreter lib2to3.pgen2.grammar.Grammar asyncio.run
logging.FileHandler imaplib.IMAP4_stream sys.exit sys.settrace ssl.get_server_certificate
http.client.HTTPSConnection urllib.request.urlopen requests.get aiohttp.ClientSession
multiprocessing.Process distutils.file_util.write_file test.support.script_helper.assert_python_ok
doctest.debug_script _osx_support._read_output pandas.read_pickle
transformers.AutoModel.from_pretrained models.yolo.Detect ultralytics.utils.checks.check_file
ultralytics.nn.tasks.attempt_load_weights huggingface_hub.hf_hub_download __main__.x
ultralytics.nn.tasks.os.system torch.nn.Linear collections.OrderedDict.fromkeys
numpy.dtype.__reduce__ evil.payload
"""


def named(dotted: str) -> bytes:
    """GLOBAL."""
    module, _, name = dotted.rpartition(".")
    return b"c" + f"{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    """BINUNICODE."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def short(value: str) -> bytes:
    """SHORT_BINUNICODE."""
    return b"\x8c" + bytes([len(value.encode())]) + value.encode()


def call(dotted: str, arguments: bytes = text("id") + b"\x85") -> bytes:
    """REDUCE of a name."""
    return named(dotted) + arguments + b"R"


def on_stack(module: bytes, name: bytes) -> bytes:
    """STACK_GLOBAL, called."""
    return module + name + b"\x93" + text("id") + b"\x85R"


P2, P4 = b"\x80\x02", b"\x80\x04"
CONV = "torch.nn.modules.conv.Conv2d"
ODICT = call("collections.OrderedDict", b")")
TRICKS = {
    "protocol 0": b"cos\nsystem\n(S'id'\ntR.",
    "protocol 0, INST": b"(S'id'\nios\nsystem\n.",
    "INST without arguments": b"(ievil\npayload\n.",
    "OBJ": P2 + b"(" + named("os.system") + text("id") + b"o.",
    "OBJ of what is allowed, with EMPTY": P2 + b"(" + named(CONV) + text("id") + b"o.",
    "NEWOBJ": P2 + named("subprocess.Popen") + text("id") + b"\x85\x81.",
    "NEWOBJ_EX": P4 + named("subprocess.Popen") + text("id") + b"\x85}\x92.",
    "NEWOBJ of what is only a name": P2 + named("builtins.object") + b")\x81.",
    "STACK_GLOBAL": P4 + on_stack(short("os"), short("system")) + b".",
    "STACK_GLOBAL, long texts": P4 + on_stack(text("os"), text("system")) + b".",
    "STACK_GLOBAL, dotted": P4 + on_stack(short("torch"), short("os.system")) + b".",
    "STACK_GLOBAL, dotted beyond an allowed name": (
        P4 + on_stack(short("collections"), short("OrderedDict.__init__.__globals__")) + b"."
    ),
    "STACK_GLOBAL from the memo": (
        P4 + short("os") + b"\x940" + short("system") + b"\x940" + on_stack(b"h\0", b"h\1") + b"."
    ),
    "STACK_GLOBAL, memo written twice": (
        P4 + short("collections") + b"q\x050" + short("os") + b"q\x050"
        + on_stack(b"h\x05", short("system")) + b"."
    ),
    "STACK_GLOBAL, long memo numbers": (
        P4 + short("os") + b"r\xff\xff\0\x000" + on_stack(b"j\xff\xff\0\0", short("system")) + b"."
    ),
    "STACK_GLOBAL, memo in text": (
        P4 + short("os") + b"p77\n0" + on_stack(b"g77\n", short("system")) + b"."
    ),
    "STACK_GLOBAL with values in between": (
        P4 + short("os") + b"N0" + short("system") + b"]0\x93" + text("id") + b"\x85R."
    ),
    "STACK_GLOBAL by DUP": P4 + short("os") + b"20" + short("system") + b"\x93)R.",
    "STACK_GLOBAL of STRING": P4 + on_stack(b"S'os'\n", b"S'system'\n") + b".",
    "STACK_GLOBAL of an escaped STRING": P4 + on_stack(b"S'\\x6fs'\n", b"S'system'\n") + b".",
    "STACK_GLOBAL of UNICODE": P4 + on_stack(b"V\\u006fs\n", b"Vsystem\n") + b".",
    "STACK_GLOBAL of BINSTRING": P4 + on_stack(b"U\x02os", b"T\x06\0\0\0system") + b".",
    "STACK_GLOBAL of no text": P4 + on_stack(b"K\x01", short("system")) + b".",
    "STACK_GLOBAL of what was made": (
        P4 + call("_codecs.encode", text("os") + text("ascii") + b"\x86") + short("x") + b"\x93."
    ),
    "after POP": P2 + call("os.system") + b"0N.",
    "after POP_MARK": P2 + b"(" + call("os.system") + b"1N.",
    "inside a dict": P2 + b"}" + text("a") + call("os.system") + b"s.",
    "inside a tuple": P2 + call("os.system") + b"\x85.",
    "as an argument of what is allowed": (
        P2 + call("collections.OrderedDict", call("os.system") + b"\x85") + b"."
    ),
    "as the state of an object": P2 + ODICT + call("os.system") + b"b.",
    "as weights": P2 + call("os.system") + b"Q.",
    "broken after the call": P2 + call("os.system") + b"\xff",
    "cut after the call": P2 + call("os.system"),
    "without STOP": P2 + call("os.system") + b"N" * 50,
    "in a frame": P4 + b"\x95\x15" + b"\0" * 7 + on_stack(short("os"), short("system")) + b".",
    "two protocols": P2 + P4 + on_stack(short("os"), short("system")) + b".",
    "EXT1": P2 + b"\x82\x01.",
    "EXT2": P2 + b"\x83\x01\0.",
    "EXT4": P2 + b"\x84\x01\0\0\0)R.",
    "PERSID": P2 + b"Pevil\n.",
    "BINPERSID of no weights": P2 + text("evil") + b"Q.",
    "BINPERSID, odd type": (
        P2 + b"(" + text("storage") + named(CONV) + text("0") + text("cpu") + b"K\x01tQ."
    ),
    "NEXT_BUFFER": b"\x80\x05\x97.",
    "READONLY_BUFFER": b"\x80\x05N\x98.",
    "getattr of a module's method": (
        P2 + call("builtins.getattr", named(CONV) + text("__init__") + b"\x86") + b"."
    ),
    "getattr of globals": (
        P2 + call("builtins.getattr", ODICT + text("__class__") + b"\x86") + b"."
    ),
    "getattr with a default": (
        P2 + call("builtins.getattr", named(CONV) + text("forward") + named(CONV) + b"\x87") + b"."
    ),
    "getattr, name from the memo": (
        P2 + text("forward") + b"q\0" + text("__globals__") + b"q\x0000"
        + call("builtins.getattr", named(CONV) + b"h\0\x86") + b"."
    ),
    "getattr, then called": (
        P2 + call("builtins.getattr", named(CONV) + text("forward") + b"\x86") + b")R."
    ),
    "getattr handed on": P2 + named("builtins.getattr") + b"\x85.",
    "getattr in a list": P2 + b"]" + named("builtins.getattr") + b"a.",
    "getattr in a dict": P2 + b"}" + text("a") + named("builtins.getattr") + b"s.",
    "getattr as an argument": (
        P2 + call("torch._utils._rebuild_tensor_v2", named("builtins.getattr") + b"\x85") + b"."
    ),
    "getattr as a factory": (
        P2 + call("collections.defaultdict", named("builtins.getattr") + b"\x85") + b"."
    ),
    "a factory that is a class": P2 + call("collections.defaultdict", named(CONV) + b"\x85") + b".",
    "a factory that was made": P2 + call("collections.defaultdict", ODICT + b"\x85") + b".",
    "a class that may only be made empty, called": (
        P2 + call("ultralytics.nn.tasks.DetectionModel", text("http://evil/x") + b"\x85") + b"."
    ),
    "a name that may only be named, called": (
        P2 + call("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint", b")") + b"."
    ),
    "a storage, called": P2 + call("torch.FloatStorage", text("x") + b"\x85") + b".",
    "encode into a codec of one's choice": (
        P2 + call("_codecs.encode", text("x") + text("evil") + b"\x86") + b"."
    ),
    "bytearray of a billion": P2 + call("builtins.bytearray", b"J\0\xca\x9a\x3b\x85") + b".",
    "_reconstructor of a base that acts": (
        P2 + call("copyreg._reconstructor", named(CONV) + named(CONV) + b"N\x87") + b"."
    ),
    "_reconstructor of what is not allowed": (
        b"ccopy_reg\n_reconstructor\n(cos\nsystem\nc__builtin__\nobject\nNtR."
    ),
    "BUILD of a class": P2 + named(CONV) + b"}" + text("forward") + b"Nsb.",
    "BUILD of a function": P2 + named("torch._utils._rebuild_tensor_v2") + b"}b.",
    "BUILD of a list": P2 + b"]}b.",
    "BUILD by attributes": P2 + ODICT + b"N}\x86b.",
    "BUILD with an object": P2 + ODICT + ODICT + b"b.",
    "BUILD with __setstate__": (
        P2 + named("argparse.Namespace") + b")\x81}" + text("__setstate__") + named("os.system")
        + b"sb" + text("id") + b"b."
    ),
    "a result, called": P2 + ODICT + text("id") + b"\x85R.",
    "a text, called": P2 + text("os.system") + b")R.",
    "a tuple, called": P2 + b")" + b")R.",
    "a pickle after the pickle": P2 + b"N." + P2 + call("os.system") + b".",
    "bytes after the pickle": P2 + b"N.rubbish",
    "a zip after the pickle": P2 + b"N.PK\x03\x04",
    "a nested pickle": P2 + call("pickle.loads", b"C\x05\x80\x04N.\x85") + b".",
    "Python's own": pickle.dumps({"a": [eval, print]}),
}  # fmt: skip
HOSTILE = {f"call {name}": P2 + call(name) + b"." for name in CALLS.split()} | TRICKS
