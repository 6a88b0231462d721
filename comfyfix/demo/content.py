"""Small valid files of every format, made from a seed: the same name, the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile

_PAYLOAD = 2048  # bytes of "weights" in each file


def weights(seed: str, size: int = _PAYLOAD) -> bytes:
    """Bytes that look random and depend on nothing but the seed."""
    return hashlib.shake_128(seed.encode()).digest(size)


def file_for(name: str, *, seed: str = "", size: int = _PAYLOAD) -> bytes:
    """Make a valid file for a name, by its extension; `size` is that of the weights inside."""
    data = weights(seed or name, size)
    extension = name.rpartition(".")[2].lower()
    if extension in ("safetensors", "sft"):
        return safetensors(data)
    if extension == "gguf":
        return gguf(data)
    if extension == "onnx":
        return onnx(data)
    return torch_zip(data)


def safetensors(data: bytes) -> bytes:
    """One tensor of bytes."""
    header = {"weight": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def gguf(data: bytes) -> bytes:
    """One tensor of 32-bit floats, without metadata; version 3, aligned to 32 bytes."""
    data = data[: len(data) // 4 * 4]
    name = b"weight"
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0)
    info = struct.pack("<Q", len(name)) + name + struct.pack("<IQIQ", 1, len(data) // 4, 0, 0)
    start = head + info
    return start + b"\0" * (-len(start) % 32) + data


def onnx(data: bytes) -> bytes:
    """An ONNX model in protobuf: version, producer and one named graph."""

    def field(number: int, value: bytes) -> bytes:
        return _varint(number << 3 | 2) + _varint(len(value)) + value

    tensor = _varint(1 << 3) + _varint(len(data)) + _varint(2 << 3) + _varint(2) + field(9, data)
    graph = field(2, b"graph") + field(5, tensor)
    return _varint(1 << 3) + _varint(8) + field(2, b"comfyfix") + field(7, graph)


def torch_zip(data: bytes) -> bytes:
    """A zip as torch.save writes it: a pickle that names one tensor, its weights beside it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, value in (
            ("archive/data.pkl", _tensor_pickle(len(data))),
            ("archive/byteorder", b"little"),
            ("archive/data/0", data),
            ("archive/version", b"3\n"),
        ):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), value)
    return buffer.getvalue()


def _tensor_pickle(count: int) -> bytes:
    """The pickle of `{"weight": tensor}`, a tensor of bytes, instruction by instruction."""

    def name(module: str, name: str) -> bytes:
        return b"c" + f"{module}\n{name}\n".encode()

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    number = b"J" + struct.pack("<i", count)
    storage = b"(" + text("storage") + name("torch", "ByteStorage") + text("0") + text("cpu")
    storage += number + b"tQ"
    empty = name("collections", "OrderedDict") + b")R"
    shape = number + b"\x85" + b"K\x01\x85"  # so many bytes, one after another
    tensor = name("torch._utils", "_rebuild_tensor_v2")
    tensor += b"(" + storage + b"K\x00" + shape + b"\x89" + empty + b"tR"
    return b"\x80\x02}" + text("weight") + tensor + b"s."


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
