"""The rules of the pickle judge, each with what fits it and what does not."""

from __future__ import annotations

import _compat_pickle
import pickle
import time
from pathlib import Path

import pytest

from comfyfix.formats.flaws import Flaw
from comfyfix.formats.look import inspect
from comfyfix.formats.pickle import memo
from comfyfix.formats.pickle.names import _OLD_MODULES, _OLD_NAMES, _ROWS
from tests.unit.hostile_pickles import CONV, ODICT, P2, P4, call, named, text
from tests.unit.judged import kind, said
from tests.unit.torchlike import archived

NAMESPACE = named("argparse.Namespace")
MADE = NAMESPACE + b")\x81"  # a namespace without attributes
MODULE = named(CONV) + b")\x81"
YOLO = named("ultralytics.nn.modules.conv.Conv") + b")\x81"
LOSS = named("ultralytics.utils.loss.v8DetectionLoss") + b")\x81"
LAYER = named("torch.nn.modules.transformer.TransformerEncoderLayer") + b")\x81"
LSTM = named("torch.nn.modules.rnn.LSTM") + b")\x81"
CONFIG = named("omegaconf.dictconfig.DictConfig") + b")\x81"
METADATA = named("omegaconf.base.ContainerMetadata") + b")\x81"
RELU = named("torch.nn.functional.relu")
STORAGE = (
    b"(" + text("storage") + named("torch.FloatStorage") + text("0") + text("cpu") + b"K\x01tQ"
)
TENSOR = named("torch._utils._rebuild_tensor_v2") + b"(" + STORAGE + b"K\0K\1\x85K\1\x85\x89" + ODICT + b"tR"  # fmt: skip
DTYPE = named("numpy.dtype") + text("f4") + b"\x89\x88\x87R"
OBJECTS = named("numpy.dtype") + text("O8") + b"\x89\x88\x87R"
ARRAY = named("numpy.core.multiarray._reconstruct") + named("numpy.ndarray") + b"K\0\x85C\1b\x87R"


def state(**attributes: bytes) -> bytes:
    """BUILD with these attributes."""
    return b"}(" + b"".join(text(key) + value for key, value in attributes.items()) + b"ub"


def getattr_of(what: bytes, name: str) -> bytes:
    return named("builtins.getattr") + what + text(name) + b"\x86R"


def of_dtype(flags: bytes, size: bytes = b"J\xff\xff\xff\xff") -> bytes:
    return b"(K\x03" + text("|") + b"NNN" + size * 2 + flags + b"tb"


PASSES = {
    "a list in itself": b"]q\0(h\0" + TENSOR + b"e",
    "nested tensors": call("torch._utils._rebuild_nested_tensor", b"(" + TENSOR * 4 + b"t"),
    "keys of every kind": b"}(NN\x88NK\1NG" + b"\0" * 8 + b"NC\1aN(K\1K\2tN(K\1\x91Nu",
    "an attribute that shadows a method": MADE + state(keys=text("x"), items=b"K\1"),
    "an object inside its own state": MADE + b"q\0" + state(me=b"h\0"),
    "the same attributes for two": b"}q\0(" + text("a") + b"K\1u0" + (MADE + b"h\0b") * 2 + b"\x86",
    "a list in a list": b"]]aK\1a",
    "items, then attributes": ODICT + text("a") + b"K\1s" + state(_metadata=ODICT),
    "a module as the root": MODULE + state(_parameters=ODICT, training=b"\x88"),
    "a module in a root": b"}" + text("model") + MODULE + b"s",
    "modules in a module": MODULE + state(_modules=b"}" + text("a") + MODULE + b"s"),
    "modules and none": MODULE + state(_modules=ODICT + b"(" + text("a") + MODULE + text("b") + b"Nu"),
    "empty hooks": MODULE + state(_forward_hooks=ODICT, _backward_hooks=b"}"),
    "a method as forward": YOLO + state(forward=getattr_of(YOLO, "forward_fuse")),
    "a method of a class as detect": YOLO + state(
        detect=getattr_of(named("ultralytics.nn.modules.head.Detect"), "forward")
    ),
    "a loss as criterion": YOLO + state(criterion=LOSS + state(bce=MODULE, hyp=MADE)),
    "a function as activation": LAYER + state(activation=RELU),
    "weights of a recurrent layer": LSTM + state(
        num_layers=b"K\1", _flat_weights_names=b"]" + text("w") + b"a", _flat_weights=b"]" + TENSOR + b"a"
    ),
    "settings": CONFIG + b"q\0" + state(
        _metadata=METADATA + state(ref_type=named("typing.Any"), key_type=named("builtins.dict")),
        _content=b"}" + text("a") + named("omegaconf.nodes.AnyNode") + b")\x81" + state(_parent=b"h\0") + b"s",
    ),
    "types of settings": METADATA + state(
        element_type=call("_operator.getitem", named("typing.List") + named("builtins.int") + b"\x86"),
        key_type=call(
            "_operator.getitem",
            named("typing.Dict") + named("builtins.str")
            + call(
                "_operator.getitem",
                named("typing.Union") + named("builtins.str")
                + call("builtins.type", b"N\x85") + b"\x86\x86",
            )
            + b"\x86\x86",
        ),
    ),
    "a version as protocol 0 writes it": call(
        "copyreg._reconstructor",
        named("torch.torch_version.TorchVersion") + named("builtins.str") + text("2.13") + b"\x87",
    ),
    "numbers of numpy as keys": b"}"
        + call("numpy.core.multiarray.scalar", DTYPE + b"C\4\0\0\0\0\x86") + b"Ns",
    "a factory": call("collections.defaultdict", named("builtins.list") + b"\x85"),
    "old pairs": call("collections.OrderedDict", b"]]" + text("a") + b"aK\1aa\x85"),
    "a deque, filled": call("collections.deque", b")K\3\x86") + b"(K\1K\2e",
    "a set, filled": b"\x8f(K\1K\2\x90",
    "an array": ARRAY + b"(K\1K\2\x85" + DTYPE + b"\x89C\x08" + b"\0" * 8 + b"tb",
    "an array of objects": ARRAY + b"(K\1K\1\x85" + OBJECTS + of_dtype(b"K\x3f") + b"\x89](K\1etb",
    "a callback as a key": b"}" + text("callbacks") + b"}"
        + named("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint") + b"}ss",
    "a buffer": call(
        "torch._tensor._rebuild_from_type_v2",
        b"(" + named("torch._utils._rebuild_tensor_v2") + named("torch.Tensor")
        + b"(" + STORAGE + b"K\0K\1\x85K\1\x85\x89" + ODICT + b"t}t",
    ),
    "a parameter with attributes": call(
        "torch._utils._rebuild_parameter_with_state",
        b"(" + TENSOR + b"\x88" + ODICT + b"}" + text("tag") + b"K\1st",
    ),
    "names of Python 2": b"]" + call("__builtin__.xrange", b"K\1\x85") + b"a",
    "numbers as Python takes them": b"(I0x10\nI1_000\nI01\nL7L\nt",
    "a mark that is dropped": b"(0N",
}  # fmt: skip

PAIRS = call("collections.OrderedDict", b"]](" + text("num_layers") + b"K\1ea\x85")
UNSAFE = {
    "pairs for no hooks": MODULE + state(_forward_hooks=PAIRS),
    "pairs for no parameters": MODULE + state(_parameters=PAIRS),
    "counts for no hooks": MODULE + state(
        _forward_hooks=call("collections.Counter", b"}K\1K\1s\x85")
    ),
    "a table that answers for an attribute": LSTM + state(
        _buffers=b"}" + text("num_layers") + TENSOR + b"s"
    ),
    "a state that is used again": b"}q\0(" + text("a") + b"K\1u0" + MODULE + b"h\0bh\0\x86",
    "a state that was used before": b"}q\0(" + text("a") + b"K\1uh\0\x85" + MODULE + b"h\0b\x86",
    "a dict of modules in itself": b"}q\0(K\1h\0K\2" + MODULE + b"u",
    "a device of one's own": call("torch.device", text("privateuseone") + b"\x85"),
    "a tensor from nothing for a tensor of many": call(
        "torch._utils._rebuild_nested_tensor",
        b"(" + TENSOR + (TENSOR.replace(b"K\1\x85K\1", b"M\xff\xff\x85K\0")) * 3 + b"t",
    ),
    "a tensor as a key": b"}" + TENSOR + b"Ns",
    "an object as a key": b"}" + MADE + b"Ns",
    "an object in a tuple as a key": b"}" + MADE + b"\x85Ns",
    "an object in a set": b"\x8f(" + MADE + b"\x90",
    "an object in a frozenset": b"(" + MADE + b"\x91",
    "settings in a set that is called": call("builtins.set", b"]" + CONFIG + b"a\x85"),
    "an object for pairs": call("collections.OrderedDict", MADE + b"\x85"),
    "an object for counts": call("collections.Counter", ODICT + b"\x85"),
    "an object to iterate": call("collections.deque", MADE + b"\x85"),
    "a module to iterate": call("torch.Size", MODULE + b"\x85"),
    "an object for bytes": call("builtins.bytearray", MADE + b"\x85"),
    "bytes by the number": call("builtins.bytes", b"J\0\0\0\x7f\x85"),
    "an object for a tensor": call("torch.nn.parameter.Parameter", MADE + b"\x85"),
    "an object for a type": call("numpy.dtype", MADE + b"\x89\x88\x87"),
    "a comma text for a type": call("numpy.dtype", text("f4,f4") + b"\x89\x88\x87"),
    "an object as a text": call("torch.torch_version.TorchVersion", MADE + b"\x85"),
    "a factory that is a module": call("collections.defaultdict", MODULE + b"\x85"),
    "APPEND to an object": MADE + b"K\1a",
    "ADDITEMS to an OrderedDict": ODICT + b"(K\1\x90",
    "ADDITEMS to a set that was called": call("builtins.set", b"]\x85") + b"(K\1\x90",
    "SETITEM on a list": b"]K\1K\2s",
    "SETITEM on an object": MADE + b"K\1K\2s",
    "a list that grows when it was used": b"]q\0\x85h\0K\1a",
    "a dict that grows when it was used": b"}q\0\x85h\0K\1K\2s",
    "items after attributes": ODICT + state(a=b"K\1") + b"K\1K\2s",
    "BUILD twice": MADE + state(a=b"K\1") + state(b=b"K\1"),
    "BUILD twice, by the memo": MADE + b"q\0" + state(a=b"K\1") + b"\x85h\0" + state(b=b"K\1"),
    "a hidden attribute": MADE + state(__setstate__=text("x")),
    "a hidden attribute of Python 2": MADE + b"}U\x0c__setstate__K\1sb",
    "a long hidden attribute": MADE + b"}" + text("__" + "x" * 500) + b"K\1sb",
    "attributes of no text": MADE + b"}K\1K\1sb",
    "attributes in a pair": MADE + b"N}\x86b",
    "attributes of an OrderedDict": MADE + ODICT + b"b",
    "a class as an attribute": MADE + state(a=named(CONV)),
    "a module as an attribute": MADE + state(keys=MODULE),
    "a module as an attribute of one": MODULE + state(a=MODULE),
    "a module in a list": b"]" + MODULE + b"a",
    "modules under numbers": MODULE + state(_modules=b"}K\1" + MODULE + b"s"),
    "values among modules": MODULE + state(_modules=b"}" + text("a") + b"K\1s"),
    "parameters that are no table": MODULE + state(_parameters=text("x")),
    "a hook": MODULE + state(_forward_hooks=b"}K\1K\1s"),
    "a method as another attribute": YOLO + state(keys=getattr_of(YOLO, "forward")),
    "a method of torch as forward": MODULE + state(forward=getattr_of(YOLO, "forward")),
    "another method": YOLO + state(forward=getattr_of(YOLO, "train")),
    "a method of torch's": getattr_of(MODULE, "forward"),
    "a function as an attribute": MODULE + state(activation=RELU),
    "a loss in a list": b"]" + LOSS + b"a",
    "a recurrent layer of objects": LSTM + state(_all_weights=MADE),
    "too many layers": LSTM + state(num_layers=b"J\0\0\0\x7f"),
    "settings without their metadata": CONFIG + state(_metadata=MADE),
    "an item of what was made": call("_operator.getitem", b"}" + text("a") + b"\x86"),
    "an item of a class": call("_operator.getitem", named(CONV) + text("a") + b"\x86"),
    "a type of a class": call("_operator.getitem", named("typing.List") + named(CONV) + b"\x86"),
    "a type of another kind": b"}" + call("builtins.type", MADE + b"\x85") + b"Ns",
    "a class that is made": call("builtins.type", text("A") + b")}\x87"),
    "a type of a text": call("_operator.getitem", named("typing.List") + text("os") + b"\x86"),
    "a type as an attribute": MADE + state(
        a=call("_operator.getitem", named("typing.List") + named("builtins.int") + b"\x86")
    ),
    "a version of an object": call(
        "copyreg._reconstructor",
        named("torch.torch_version.TorchVersion") + named("builtins.str") + MADE + b"\x87",
    ),
    "a text of numpy as a key": b"}"
        + call("numpy.core.multiarray.scalar", named("numpy.dtype") + text("U1")
        + b"\x89\x88\x87R" + b"C\4_\0\0\0\x86") + b"Ns",
    "an array as a key": b"}" + ARRAY + b"Ns",
    "metadata of a class": METADATA + state(key_type=named(CONV)),
    "callbacks elsewhere": b"}" + text("a") + b"}"
        + named("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint") + b"}ss",
    "flags that make addresses of bytes": OBJECTS + of_dtype(b"K\0"),
    "flags that make objects of bytes": DTYPE + of_dtype(b"K\x3f"),
    "objects from bytes": ARRAY + b"(K\1K\1\x85" + OBJECTS + b"\x89C\x08" + b"\0" * 8 + b"tb",
    "an array that was called": call("numpy.ndarray", b"K\1\x85\x85"),
    "a large array from nothing": (
        named("numpy.core.multiarray._reconstruct") + named("numpy.ndarray") + b"J\0\0\0\x7f\x85C\1b\x87R"
    ),
    "a call of torch in disguise": call(
        "torch._tensor._rebuild_from_type_v2",
        b"(" + named("builtins.getattr") + named("torch.Tensor") + b"(" + MODULE + text("x") + b"t}t",
    ),
    "an attribute that torch sets itself": call(
        "torch._utils._rebuild_parameter_with_state",
        b"(" + TENSOR + b"\x88" + ODICT + b"}" + text("real") + b"K\1st",
    ),
    "weights that are told twice, and differ": STORAGE + STORAGE.replace(b"K\x01t", b"K\x02t") + b"\x86",
    "values left behind": b"NN",
    "a class alone": named(CONV),
    "a number that is far off": b"Nr\xff\xff\xff\x7f",
    "a truncated frame": b"\x95\xff\0\0\0\0\0\0\0" + call("os.system"),
    "NUL in a module": b"cos\0x\nsystem\n)R",
    "letters of another script": "cоs\nsystem\n)R".encode(),
    "names of Python 2 under protocol 3": b"\x80\x03" + call("__builtin__.xrange", b"K\1\x85"),
    "extend on a bytearray": b"\x96\1\0\0\0\0\0\0\0a(K\1e" + call("os.system"),
}  # fmt: skip


def verdict(folder: Path, data: bytes, name: str = "x.pkl") -> str:
    (folder / name).write_bytes(data)
    return kind(inspect(folder / name))


def in_zip(data: bytes) -> bytes:
    weights = {"x/data/0": b"\0" * 4} if STORAGE in data else {}
    return archived({"x/data.pkl": data, **weights})


@pytest.mark.parametrize("name", PASSES)
def test_what_fits_the_rules_passes(name: str, tmp_path: Path) -> None:
    data = P2 + PASSES[name] + b"."
    assert verdict(tmp_path, in_zip(data), "x.pt") == ""
    assert verdict(tmp_path, data) == ""


@pytest.mark.parametrize("name", UNSAFE)
def test_what_breaks_a_rule_is_unsafe(name: str, tmp_path: Path) -> None:
    data = P2 + UNSAFE[name] + b"."
    assert verdict(tmp_path, data) == "unsafe"
    assert verdict(tmp_path, in_zip(data), "x.pt") == "unsafe"


ALLOWED_WHERE_DROPPED = {
    "values left behind",
    "a class alone",
    "callbacks elsewhere",
    "a state that is used again",
}


def test_nothing_that_was_dropped_is_forgotten(tmp_path: Path) -> None:
    for name, data in UNSAFE.items():
        if name not in ALLOWED_WHERE_DROPPED:
            assert verdict(tmp_path, P2 + data + b"0N.") == "unsafe", name


def test_only_what_every_reader_stops_at_is_damaged(tmp_path: Path) -> None:
    for data in (
        b"N",
        b"h\0.",
        b"0.",
        b"t.",
        b"\xff.",
        b"}(K\1u.",
        b"Kx",
        b"\x80\x06N.",
        b"B\0\xca\x9a\x3bx",
    ):
        assert verdict(tmp_path, P2 + data) == "damaged", data
    # Python's reader in C stops at such a part, the one in Python does not.
    longer = P4 + b"\x95\xff\0\0\0\0\0\0\0N."
    assert verdict(tmp_path, longer) == "damaged"


def test_kinds_stay_true_where_contents_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memo, "_KEPT_MAX", 2000)
    many = (
        b"("
        + b"".join(text(f"w{i}") + b"r" + (i + 9).to_bytes(4, "little") for i in range(2100))
        + b"1"
    )  # from here on of what is kept only the kinds are
    for name, data in UNSAFE.items():
        assert verdict(tmp_path, P2 + many + data + b".") == "unsafe", name
    for name, data in PASSES.items():
        assert verdict(tmp_path, P2 + many + data + b".") == "", name
    kept = b"j\0\0\1\0"
    pairs = b"K\1K\2\x86r\0\0\1\0" + b"0"
    hidden = text("__class__") + b"r\0\0\1\0" + b"0"
    for data in (
        pairs + call("collections.OrderedDict", kept),
        pairs + named("numpy.dtype") + text("f4") + kept + b"\x86R",
        hidden + MADE + b"}" + kept + b"K\1sb",
    ):
        assert verdict(tmp_path, P2 + many + data + b".") == "unsafe", data


def test_names_are_translated_as_python_does() -> None:
    for module, name in _ROWS:
        assert (module, name) not in _compat_pickle.NAME_MAPPING
        assert module not in _compat_pickle.IMPORT_MAPPING
    for old, new in _OLD_NAMES.items():
        assert _compat_pickle.NAME_MAPPING[old] == new
    for old_module, new_module in _OLD_MODULES.items():
        assert _compat_pickle.IMPORT_MAPPING[old_module] == new_module


HUGE = {
    "tuples in tuples": b")" + b"\x85" * 2_000_000,
    "lists in lists": b"]" * 1_000_000 + b"a" * 999_999,
    "marks": b"(" * 2_000_000,
    "arrays in arrays": (ARRAY + b"(K\1K\1\x85" + OBJECTS + of_dtype(b"K\x3f") + b"\x89]") * 2000
    + b"K\1"
    + b"atb" * 2000,
    "dicts in dicts": (call("collections.defaultdict", b")") + b"K\1") * 2000 + b"N" + b"s" * 2000,
    "an array that is filled when it was used": ARRAY + b"]" + ARRAY + b"a\x86",
}


@pytest.mark.parametrize("name", HUGE)
def test_what_takes_too_much_is_unsafe_at_once(name: str, tmp_path: Path) -> None:
    data = P2 + HUGE[name] + b"."
    begin = time.process_time()
    (tmp_path / "x.pkl").write_bytes(data)
    assert said(inspect(tmp_path / "x.pkl")) in (
        ("unsafe", Flaw.PICKLE_NESTED),
        ("unsafe", Flaw.PICKLE_HOLDS_TOO_MUCH),
        ("unsafe", Flaw.PICKLE_LOOKS_TOO_OFTEN),
    )
    assert time.process_time() - begin < 3 * (
        1 + len(data) / 1e6
    )  # three machines slower than ours


def test_an_honest_pickle_of_many_megabytes_passes(tmp_path: Path) -> None:
    value = [{"id": i, "name": f"entry {i}", "box": (i, i + 1)} for i in range(15_000)]
    for protocol in (2, 4):
        assert verdict(tmp_path, pickle.dumps(value, protocol)) == ""


DETOURS = {
    "a long number of the memo": b"I1\np7\n0g" + b"0" * 70 + b"7\n0" + call("os.system"),
    "a number that a NUL ends": b"I1\np7\n0g7\0zz\n0" + call("os.system"),
    "INST in a line without end": b"(ios\nsystemX",
    "nothing put into a dict": b"}(e0" + call("os.system"),
    "a number that is skipped": b"Np99\n0" + call("os.system"),
    "a module after a dot": b"c.os\nsystem\n)R",
    "a name of many letters": b"cos\0" + b"x" * 300_000 + b"\nsystem\n)R",
    "a module that acts when it is imported": b"cidlelib.__main__\nx y\n.",
    "a module that acts, in another": b"cunittest.__main__\n\xc3\xa4 \n.",
    "a module of others, called": b"cevil-pack.x\npayload\n)R",
    "a module of others, alone": b"cevilpack\npayload\n",
}


@pytest.mark.parametrize("name", DETOURS)
def test_a_detour_is_followed_in_a_file_of_any_name(name: str, tmp_path: Path) -> None:
    data = b"K\x010" + DETOURS[name] + (b"" if name.endswith("end") else b".")
    for file in ("x.dat", "x.pkl", "x.joblib"):
        assert verdict(tmp_path, data, file) == "unsafe", file


def part(length: int) -> bytes:
    """FRAME: the beginning of a part of so many bytes."""
    return b"\x95" + length.to_bytes(8, "little")


HIDDEN = b"\0" * 4 + call("os.system", text("x") + b"\x85")  # for one reader inside of a text
ACROSS_PARTS = {
    "a text": part(3) + b"X" + len(HIDDEN).to_bytes(4, "little") + HIDDEN,
    "a line": part(2) + b"Sa\n" + call("os.system", text("x") + b"\x85"),
    "a line in pieces": part(70_000) + b"V" + b"a" * 70_005 + b"\n",
    "a number": part(2) + b"Mab",
    "a long text, passed over": part(100_000) + b"X\xf0\x49\x02\0" + b"a" * 150_000,
    "the number of a part": part(4) + part(30) + b"N0" * 15 + b"N",
    "a part in a part": part(20) + part(5) + b"N0" * 15 + b"N",
}


@pytest.mark.parametrize("name", ACROSS_PARTS)
def test_nothing_crosses_the_end_of_a_part(name: str, tmp_path: Path) -> None:
    data = P4 + ACROSS_PARTS[name] + b"."
    for file in ("x.pkl", "x.dat"):
        assert verdict(tmp_path, data, file) == "unsafe", file
    assert verdict(tmp_path, in_zip(data), "x.pt") == "unsafe"


def test_parts_as_python_writes_them_pass(tmp_path: Path) -> None:
    value = ["x" * 100_000, *range(70_000), b"y" * 70_000, 1]
    assert verdict(tmp_path, pickle.dumps(value, 4)) == ""


def test_only_joblib_can_read_what_counts_as_joblibs(tmp_path: Path) -> None:
    """What one reader takes for a number and another does not has stopped neither for sure."""
    wrapper = (
        named("joblib.numpy_pickle.NumpyArrayWrapper")
        + b")\x81"
        + state(
            subclass=named("numpy.ndarray"),
            shape=b"K\x40\x85",
            order=text("C"),
            dtype=named("numpy.dtype") + text("u1") + b"\x89\x88\x87R",
            allow_mmap=b"\x89",
        )
    )
    for number in (b"I010\n0", b"I-0007\n0", b"F1_0.0\n0"):
        hidden = number + call("os.system", text("x") + b"\x85")
        for name in ("x.pkl", "x.pt", "x.dat"):
            data = P2 + wrapper + hidden.ljust(64, b"0") + b"."
            assert verdict(tmp_path, data, name) == "unsafe", (number, name)


def test_texts_are_no_pickles(tmp_path: Path) -> None:
    for words in (
        "cat\ndog\nbird\n",
        "icecream\nlemon\n",
        "No\nYes\n",
        "(a)\n(b)\n",
        "person\nK9\n",
    ):
        for file in ("labels.txt", "classes.names", "labels.model"):
            assert verdict(tmp_path, words.encode(), file) != "unsafe", words


MISFITS = {
    "fewer objects than places": ARRAY
    + b"(K\1K\2\x85"
    + OBJECTS
    + of_dtype(b"K\x3f")
    + b"\x89](K\1etb",
    "a shape of no numbers": ARRAY + b"(K\1" + text("x") + b"\x85" + DTYPE + b"\x89C\0tb",
    "a type that is its own base": named("numpy.dtype")
    + text("V8")
    + b"\x89\x88\x87Rq\0(K\x03"
    + text("|")
    + b"h\0K\1\x85\x86NNK\x08K\x01K\0tb",
    "a type with itself as a field": named("numpy.dtype")
    + text("V8")
    + b"\x89\x88\x87Rq\0(K\x03"
    + text("|")
    + b"N"
    + text("a")
    + b"\x85}"
    + text("a")
    + b"h\0K\0\x86sK\x08K\x01K\x10tb",
    "another code for an empty array": named("numpy.core.multiarray._reconstruct")
    + named("numpy.ndarray")
    + b"K\0\x85"
    + text("(2,3)f8,i4")
    + b"\x87R",
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_numpy_would_take_beyond_its_bounds_is_unsafe(name: str, tmp_path: Path) -> None:
    assert verdict(tmp_path, P2 + MISFITS[name] + b".") == "unsafe"
