"""Zip archives that two readers take for two things, programs and packages of torch."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.proof.assemble import P2, STOP, call, mapping
from tests.proof.containers import npy, torch_old, torch_zip, zipped
from tests.proof.hostile.files import QUIET_RUNS, RUNS
from tests.proof.samples import Sample

_VALUES: dict[str, object] = {"tensor_values": {}, "sym_int_values": {}, "sym_bool_values": {}}
_PROGRAM: dict[str, object] = {
    "graph_module": {
        "graph": {"inputs": [], "outputs": [], "nodes": [], **_VALUES},
        "signature": {"input_specs": [], "output_specs": []},
        "module_call_graph": [],
    },
    "opset_version": {},
    "range_constraints": {},
    "schema_version": {"major": 8, "minor": 1},
}
FINE = pickle.dumps({"weights": [1, 2]}, 2)


def samples() -> Iterator[Sample]:
    """Yield tries."""
    yield from _data_pickles()
    yield from _packages()
    yield from _programs()
    yield from _native()
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


def _packages() -> Iterator[Sample]:
    family = "torch.package and other archives with code"
    source = "import os\nopen(os.environ['HELD_MARK'], 'w').close()\nclass C: pass\n"
    member = P2 + b"cevil\nC\n)\x81" + STOP
    package = {
        "p/.data/version": b"6\n",
        "p/.data/extern_modules": b"os\n",
        "p/evil.py": source.encode(),
        "p/.data/python_version": b"3.11.7",
        "p/m/model.pkl": member,
        "p/version": b"3\n",
        "p/byteorder": b"little",
    }
    yield Sample("package.pt", family, "torch.package", zipped(package))
    yield Sample("package.bin", family, "torch.package", zipped(package))
    decoy = {**package, "p/data.pkl": FINE}
    yield Sample(
        "package_decoy.pt", "a decoy data.pkl beside what is read", "torch.package", zipped(decoy)
    )
    first = {"p/data.pkl": FINE, **package}
    yield Sample(
        "package_decoy_first.ckpt",
        "a decoy data.pkl beside what is read",
        "torch.package",
        zipped(first),
    )
    quiet = {
        **package,
        "p/m/model.pkl": P2 + b"cos\nsystem\n" + call("builtins.str", "x") + b"0" + STOP,
        "p/data.pkl": FINE,
    }
    quiet["p/m/model.pkl"] = member
    quiet["p/evil.py"] = (
        source.replace("import os\n", "import os as o\n")
        .replace("os.environ", "o.environ")
        .encode()
    )
    yield Sample(
        "package_other.unknown",
        "a decoy data.pkl beside what is read",
        "torch.package",
        zipped(quiet),
    )
    family = "exported programs with a pickle inside"
    for name, bad in (("loud", RUNS), ("quiet", QUIET_RUNS)):
        for label, members in _exported(bad).items():
            yield Sample(
                f"exported_{label}_{name}.pt2", family, "torch.export.load", zipped(members)
            )
            with_decoy = {**members, "m/data.pkl": FINE}
            yield Sample(
                f"exported_{label}_{name}_decoy.pt2",
                "a decoy data.pkl beside what is read",
                "torch.export.load",
                zipped(with_decoy),
            )


def _exported(bad: bytes) -> dict[str, dict[str, bytes]]:
    """Archives of exported programs: a table says which of their weights are pickles."""
    common = {
        "m/archive_format": b"pt2",
        "m/archive_version": b"0",
        "m/byteorder": b"little",
        "m/version": b"3\n",
        "m/models/model.json": json.dumps(_PROGRAM).encode(),
        "m/data/sample_inputs/model.pt": b"",
    }

    def table(path: str) -> bytes:
        told = {"path_name": path, "is_param": True, "use_pickle": True, "tensor_meta": None}
        return json.dumps({"config": {"w": told}}).encode()

    weights, constants = "m/data/weights", "m/data/constants"
    none = json.dumps({"config": {}}).encode()
    return {
        "weights": {
            **common,
            f"{weights}/model_weights_config.json": table("weight_0"),
            f"{weights}/weight_0": torch_zip(bad),
        },
        "weights_old": {
            **common,
            f"{weights}/model_weights_config.json": table("weight_0"),
            f"{weights}/weight_0": torch_old(bad),
        },
        "constants": {
            **common,
            f"{weights}/model_weights_config.json": none,
            f"{constants}/model_constants_config.json": table("tensor_0"),
            f"{constants}/tensor_0": torch_zip(bad),
        },
        "opaque": {
            **common,
            f"{weights}/model_weights_config.json": none,
            f"{constants}/model_constants_config.json": table("opaque_obj_0"),
            f"{constants}/opaque_obj_0": bad,
        },
    }


def _programs() -> Iterator[Sample]:
    """TorchScript runs `__setstate__` of the file's own when it is loaded, and can write files."""
    family = "TorchScript, which runs its own __setstate__"
    source = """class {name}(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def __getstate__(self: {full}) -> Tuple[int, bool]:
    training = self.training
    return (0, training)
  def __setstate__(self: {full},
    s: Tuple[int, bool]) -> NoneType:
    self.training = (s)[1]
    torch.save(1, "../../mark")
    return None
"""
    names = {
        "own": ("__torch__", "M"),
        "namespace": ("argparse", "Namespace"),
        "linear": ("torch.nn.modules.linear", "Linear"),
        "detect": ("ultralytics.nn.tasks", "DetectionModel"),
    }
    for label, (module, name) in names.items():
        code = source.format(name=name, full=f"{module}.{name}").encode()
        data = P2 + f"c{module}\n{name}\n".encode() + b")\x81K\x00\x89\x86b" + STOP
        place = module.replace(".", "/")
        for folder, constants in (
            ("code", "constants.pkl"),
            ("Code", "Constants.pkl"),
            ("CODE", "CONSTANTS.PKL"),
        ):
            members = {
                "s/data.pkl": data,
                f"s/{folder}/{place}.py": code,
                f"s/{constants}": P2 + b")" + STOP,
                "s/version": b"3\n",
                "s/byteorder": b"little",
            }
            # torch.load takes it for a program only where the name is written so.
            readers = {"torch.load": "pt", "torch.jit.load": "bin"}
            for reader, ending in list(readers.items())[folder != "code" :]:
                yield Sample(f"script_{label}_{folder}.{ending}", family, reader, zipped(members))
        upper = {key.replace("data.pkl", "Data.pkl"): content for key, content in members.items()}
        yield Sample(f"script_{label}_data.pth", family, "torch.jit.load", zipped(upper))


def _native() -> Iterator[Sample]:
    """A library of machine code, which runs as soon as it is opened."""
    family = "a library of machine code in an archive"
    library = _library()
    if not library:
        return
    members = {
        "m/archive_format": b"pt2",
        "m/archive_version": b"0",
        "m/byteorder": b"little",
        "m/data/aotinductor/model/a.wrapper.so": library,
        "m/data/aotinductor/model/a.wrapper_metadata.json": b'{"AOTI_DEVICE_KEY": "cpu"}',
        "m/version": b"3\n",
    }
    reader = "torch._inductor.aoti_load_package"
    yield Sample("native.pt2", family, reader, zipped(members))
    for label, decoy in (("decoy", "m/data.pkl"), ("decoy_other", "x/data.pkl")):
        family = "a decoy data.pkl beside what is read"
        yield Sample(f"native_{label}.pt2", family, reader, zipped({**members, decoy: FINE}))
        yield Sample(f"native_{label}.pt", family, reader, zipped({decoy: FINE, **members}))


def _library() -> bytes:
    """Compile one; empty where there is no compiler."""
    source = (
        "#include <stdio.h>\n"
        "__attribute__((constructor)) static void run(void)"
        ' {fclose(fopen("../../mark", "w"));}'
    )
    compiler = shutil.which("cc")
    if compiler is None:
        return b""
    with tempfile.TemporaryDirectory() as told:
        target = Path(told, "a.so")
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-Os", "-s", "-x", "c", "-", "-o", str(target)],
            input=source.encode(),
            check=True,
        )
        return target.read_bytes()


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
