"""Files as torch.save writes them, made without torch: zip archives, and its format before 2020."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

ITEM_BYTES = {"FloatStorage": 4, "HalfStorage": 2, "LongStorage": 8, "BFloat16Storage": 2}
MAGIC = 0x1950A86A20F9469CFC6C


@dataclass(frozen=True)
class Global:
    """A name that the pickle imports."""

    module: str
    name: str


@dataclass(frozen=True)
class Call:
    """What calling a name with arguments gives; `state` is set by BUILD."""

    what: Global
    arguments: tuple[Any, ...]
    state: Any = None


@dataclass(frozen=True)
class Instance:
    """An object that is made without its `__init__`, and its attributes."""

    of: Global
    state: Any = None


@dataclass(frozen=True)
class Tensor:
    """Weights beside the pickle."""

    items: int = 6
    storage: str = "FloatStorage"
    is_parameter: bool = False
    key: str = field(default="", compare=False)

    @property
    def data(self) -> bytes:
        return bytes(range(7, 7 + 13)) * self.items * ITEM_BYTES[self.storage]

    @property
    def weights(self) -> bytes:
        return self.data[: self.items * ITEM_BYTES[self.storage]]


class Writer(pickle._Pickler):
    """Python's own pickler, which takes the stand-ins for what they stand for."""

    def __init__(self, out: io.BytesIO, protocol: int, *, old: bool = False) -> None:
        super().__init__(out, protocol)
        self.old = old
        self.tensors: dict[str, Tensor] = {}

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:  # noqa: ARG002 - as in pickle
        write, save = self.write, super().save  # type: ignore[attr-defined, misc]
        if isinstance(obj, Global):
            self._global(obj)
        elif isinstance(obj, Call):
            self.save(obj.what)
            save(obj.arguments)
            write(b"R")
            self._state(obj.state)
        elif isinstance(obj, Instance):
            self.save(obj.of)
            write(b")\x81")
            self._state(obj.state)
        elif isinstance(obj, Tensor):
            self._tensor(obj)
        elif isinstance(obj, _Persistent):
            self.save(obj.value)
            write(b"Q")
        else:
            save(obj)

    def _global(self, name: Global) -> None:
        if self.proto >= 3:  # type: ignore[attr-defined]
            name = replace(name, module=name.module.replace("__builtin__", "builtins"))
        if self.proto >= 4:  # type: ignore[attr-defined]
            self.save(name.module)
            self.save(name.name)
            self.write(b"\x93")  # type: ignore[attr-defined]
        else:
            self.write(b"c" + f"{name.module}\n{name.name}\n".encode())  # type: ignore[attr-defined]

    def _state(self, state: Any) -> None:
        if state is not None:
            self.save(state)
            self.write(b"b")  # type: ignore[attr-defined]

    def _tensor(self, tensor: Tensor) -> None:
        key = str(len(self.tensors))
        self.tensors[key] = tensor
        view = (None,) if self.old else ()
        kind = Global("torch", tensor.storage)
        storage = _Persistent(("storage", kind, key, "cpu", tensor.items, *view))
        arguments: tuple[Any, ...] = (storage, 0, (tensor.items,), (1,), False, OrderedDict())
        made = Call(Global("torch._utils", "_rebuild_tensor_v2"), arguments)
        if tensor.is_parameter:
            made = Call(Global("torch._utils", "_rebuild_parameter"), (made, True, OrderedDict()))
        self.save(made)


@dataclass(frozen=True)
class _Persistent:
    value: tuple[Any, ...]


def dumped(value: Any, protocol: int = 2, *, old: bool = False) -> tuple[bytes, dict[str, Tensor]]:
    """Pickle a value; return the pickle and the tensors beside it."""
    out = io.BytesIO()
    writer = Writer(out, protocol, old=old)
    writer.dump(value)
    return out.getvalue(), writer.tensors


def zipped(
    value: Any = None, *, data: bytes | None = None, protocol: int = 2, **extra: bytes
) -> bytes:
    """The archive that torch.save makes; `data` in place of its pickle, `extra` members by name."""
    made, tensors = dumped(value, protocol)
    members = {"archive/data.pkl": made if data is None else data, "archive/byteorder": b"little"}
    members |= {f"archive/data/{key}": tensor.weights for key, tensor in tensors.items()}
    members |= {"archive/version": b"3\n", "archive/.data/serialization_id": b"0" * 40}
    return archived(members | extra)


def archived(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, method)
    return out.getvalue()


def old_format(value: Any = None, *, data: bytes | None = None) -> bytes:
    """What torch.save made before 2020; `data` in place of the pickle of the value."""
    made, tensors = dumped(value, old=True)
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    parts = [pickle.dumps(part, 2) for part in (MAGIC, 1001, system)]
    parts += [made if data is None else data, pickle.dumps(sorted(tensors), 2)]
    for key in sorted(tensors):
        parts += [struct.pack("<q", tensors[key].items), tensors[key].weights]
    return b"".join(parts)
