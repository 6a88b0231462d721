"""Import all that an allowed name may stand for, before anything is watched."""

from __future__ import annotations

import contextlib
import encodings
import importlib
import pkgutil
import sys

MODULES = """
argparse codecs collections copyreg datetime decimal enum functools inspect linecache logging
pathlib tempfile types typing uuid zipfile tarfile bz2 gzip lzma zlib lz4.frame
numpy numpy.core.multiarray numpy.core.numeric numpy._core.multiarray numpy._core.numeric
numpy.lib.format numpy.ma numpy.random joblib joblib.numpy_pickle
torch torch._utils torch._tensor torch.nn torch.nn.functional torch.optim torch.package
torch.export torch.serialization torch.storage torch.torch_version torch.ao.quantization
torch.sparse torch.nested torch.quantization torch.utils.data torch.jit torch.amp
ultralytics ultralytics.nn.tasks ultralytics.nn.modules ultralytics.nn.modules.block
ultralytics.nn.modules.conv ultralytics.nn.modules.head ultralytics.nn.modules.transformer
ultralytics.utils ultralytics.utils.loss ultralytics.utils.tal ultralytics.utils.torch_utils
lightning.pytorch.callbacks lightning.fabric.utilities.data pytorch_lightning.callbacks
pytorch_lightning.utilities.parsing lightning_fabric.utilities.data
omegaconf omegaconf.base omegaconf.dictconfig omegaconf.listconfig omegaconf.nodes
onnx onnx.checker gguf jinja2 safetensors safetensors.torch
""".split()


def everything() -> list[str]:
    """Import the modules that are there; return the others."""
    missing = []
    texts = [f"encodings.{told.name}" for told in pkgutil.iter_modules(encodings.__path__)]
    for module in [*MODULES, *texts]:
        try:
            with contextlib.redirect_stdout(sys.stderr):  # some greet
                importlib.import_module(module)
        except ImportError:
            missing.append(module)
    return missing


if __name__ == "__main__":
    print(everything())
