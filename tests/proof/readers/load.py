"""How each kind of file is really read."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import jinja2
import joblib
import numpy
import onnx
import torch
from onnx import external_data_helper
from safetensors import torch as safetensors_torch

SECRET = b"what lies outside of the folder"


def _torch(path: Path) -> Any:
    return torch.load(path, weights_only=False, map_location=None)


def _numpy(path: Path) -> Any:
    told = numpy.load(path, allow_pickle=True)
    return {name: told[name] for name in told} if hasattr(told, "files") else told


def _pickle(path: Path) -> Any:
    with path.open("rb") as stream:
        return pickle.load(stream)


def _pickle_of_python2(path: Path) -> Any:
    with path.open("rb") as stream:
        return pickle.load(stream, encoding="latin1")


def _onnx(path: Path) -> Any:
    model = onnx.load(path, load_external_data=True)
    if any(SECRET in item.raw_data for item in external_data_helper._get_all_tensors(model)):
        _mark()
    return model


def _onnx_checked(path: Path) -> Any:
    """The reader in C++ asks for data outside: it refuses them, but only since it took them so."""
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        if any(word in str(error) for word in ("outside", "..", "absolute", "relative")):
            _mark()


def _gguf(path: Path) -> Any:
    """llama-cpp-python and others render the template when a chat begins."""
    reader = gguf.GGUFReader(path)
    said = {"messages": [{"role": "user", "content": "hi"}], "bos_token": "", "eos_token": ""}
    for name, field in reader.fields.items():
        if name.startswith("tokenizer.chat_template"):
            jinja2.Environment().from_string(field.contents()).render(**said)


def _script(path: Path) -> Any:
    return torch.jit.load(path)


def _package(path: Path) -> Any:
    importer = torch.package.PackageImporter(path)
    with zipfile.ZipFile(path) as archive:
        names = [n.split("/", 1)[1] for n in archive.namelist() if n.endswith(".pkl")]
    return [importer.load_pickle(n.rpartition("/")[0], n.rpartition("/")[2]) for n in names]


def _exported(path: Path) -> Any:
    return torch.export.load(path)


def _native(path: Path) -> Any:
    from torch import _inductor

    return _inductor.aoti_load_package(str(path))


def _behind(path: Path) -> Any:
    """What a reader finds who looks for a zip from its end, as Python's own does."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                if name.endswith(".npy"):
                    numpy.lib.format.read_array(member, allow_pickle=True)
                elif name.endswith(".pkl"):
                    pickle.load(member)


def _all_pickles(path: Path) -> Any:
    with path.open("rb") as stream:
        while stream.peek(1):
            pickle.load(stream)


def _mark() -> None:
    Path(os.environ["HELD_MARK"]).touch()


READERS: dict[str, Callable[[Path], Any]] = {
    "torch.load": _torch,
    "numpy.load": _numpy,
    "joblib.load": joblib.load,
    "pickle.load": _pickle,
    "pickle.load.latin1": _pickle_of_python2,
    "onnx": _onnx,
    "onnx.checker": _onnx_checked,
    "gguf+jinja2": _gguf,
    "safetensors": safetensors_torch.load_file,
    "torch.jit.load": _script,
    "zip behind": _behind,
    "pickle.loads": _all_pickles,
    "torch.package": _package,
    "torch.export.load": _exported,
    "torch._inductor.aoti_load_package": _native,
}
