"""Archives that are programs: torch.package, TorchScript, exported programs, machine code."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.proof.assemble import P2, STOP, call
from tests.proof.containers import torch_old, torch_zip, zipped
from tests.proof.hostile.archives import FINE
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


def samples() -> Iterator[Sample]:
    """Yield tries."""
    yield from _packages()
    yield from _programs()
    yield from _native()


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
