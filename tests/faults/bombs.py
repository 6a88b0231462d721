"""Workflow files made to hurt, and what must be said of each."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable

from comfyfix.why import Why
from tests.unit.graphs import ui, vae

NODE = '{"id":%d,"type":"VAELoader","widgets_values":["v.pth"],"inputs":[{"name":"a","link":%d}]}'


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 4))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def compressed(megabytes: int) -> bytes:
    squeezer = zlib.compressobj(9)
    out = io.BytesIO()
    for _ in range(megabytes):
        out.write(squeezer.compress(b"a" * (1 << 20)))
    return out.getvalue() + squeezer.flush()


def nodes(count: int, links: int = 0) -> bytes:
    listed = ",".join(NODE % (n, n) for n in range(count))
    joined = ",".join(f"[{n},0,0,1,0,0]" for n in range(links))
    return f'{{"nodes":[{listed}],"links":[{joined}]}}'.encode()


def doubled(levels: int) -> bytes:
    """Each subgraph holds the next one twice."""
    subgraphs = [
        {"id": f"s{n}", "inputs": [], "nodes": [{"id": k, "type": f"s{n + 1}"} for k in (1, 2)]}
        for n in range(levels)
    ]
    return json.dumps(ui({"id": 1, "type": "s0"}, subgraphs=subgraphs)).encode()


def cyclic() -> bytes:
    inner = [
        {"id": "a", "nodes": [{"id": 1, "type": "b"}]},
        {"id": "b", "nodes": [{"id": 1, "type": "a"}]},
    ]
    return json.dumps(ui({"id": 1, "type": "a"}, vae(2, "v.pth"), subgraphs=inner)).encode()


def wide() -> bytes:
    """One host that promotes a great many widgets to a great many nodes."""
    inner = {
        "id": "s",
        "inputs": [{"name": f"i{n}"} for n in range(8000)],
        "nodes": [json.loads(NODE % (n, n)) for n in range(8000)],
        "links": [[n, -10, n, n, 0, "X"] for n in range(8000)],
    }
    host = {"id": 1, "type": "s", "widgets_values": ["h.pth"] * 8000}
    return json.dumps(ui(host, subgraphs=[inner])).encode()


def getters() -> bytes:
    some = [{"id": n, "type": "GetNode", "widgets_values": [f"n{n}"]} for n in range(20000)]
    return json.dumps(ui(*some)).encode()


FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "deep": (lambda: b'{"nodes":' + b"[" * 200_000, Why.JSON_UNREADABLE),
    "deep and closed": (lambda: b'{"a":' * 90_000 + b"1" + b"}" * 90_000, Why.JSON_UNREADABLE),
    "digits": (lambda: b'{"nodes":[' + b"1" * 20_000_000 + b"]}", Why.JSON_UNREADABLE),
    "surrogates": (lambda: b'{"nodes":[{"id":1,"type":"\\ud800"}]}', ""),
    "lists": (lambda: b"[" + b"[]," * 20_000_000 + b"[]]", Why.JSON_LONG),
    "few bytes, many lists": (
        lambda: b"[" + b"[]," * 10_000_000 + b"1]",
        Why.VALUES_MANY,
    ),
    "most lists": (lambda: b"[" + b"{}," * 124_000 + b"1]", ""),
    "most keys": (
        lambda: b"{" + b",".join(b'"%d":{"a":[]}' % n for n in range(80_000)) + b"}",
        "",
    ),
    "a million nodes": (lambda: nodes(1_000_000), Why.JSON_LONG),
    "many nodes": (lambda: nodes(60_000), Why.VALUES_MANY),
    "most nodes": (lambda: nodes(13_000, 13_000), ""),
    "a million links": (lambda: nodes(1, 1_000_000), Why.VALUES_MANY),
    "a million widgets": (
        lambda: b'{"nodes":[{"id":1,"type":"X","widgets_values":[' + b"1," * 999_999 + b"1]}]}",
        Why.VALUES_MANY,
    ),
    "one long text": (
        lambda: (
            b'{"nodes":[{"id":1,"type":"X","widgets_values":["'
            + b"embedding:" * 3_000_000
            + b'"]}]}'
        ),
        "",
    ),
    "many embeddings": (
        lambda: (
            b'{"nodes":[{"id":1,"type":"X","widgets_values":["'
            + b"embedding:a " * 2_000_000
            + b'"]}]}'
        ),
        "",
    ),
    "tags": (
        lambda: (
            b'{"nodes":[{"id":1,"type":"ImpactWildcardProcessor","widgets_values":["'
            + b"<lora:a:1" * 3_000_000
            + b'"]}]}'
        ),
        "",
    ),
    "subgraphs that double": (lambda: doubled(40), Why.NODES_MANY),
    "subgraphs in a circle": (cyclic, ""),
    "a wide host": (wide, ""),
    "getters": (getters, ""),
    "300 MB in a compressed text": (
        lambda: png(chunk(b"zTXt", b"workflow\0\0" + compressed(300))),
        Why.PICTURE_UNREADABLE,
    ),
    "300 MB in an international text": (
        lambda: png(chunk(b"iTXt", b"workflow\0\1\0\0\0" + compressed(300))),
        Why.PICTURE_UNREADABLE,
    ),
    "a picture of many pixels": (
        lambda: (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 99999, 99999, 8, 2, 0, 0, 0))
            + chunk(b"tEXt", b"workflow\0{")
            + chunk(b"IDAT", compressed(30))
            + chunk(b"IEND", b"")
        ),
        "",
    ),
    "many chunks": (
        lambda: png(*[chunk(b"tEXt", b"k%d\0v" % n) for n in range(200_000)]),
        Why.CHUNKS_MANY,
    ),
    "most chunks": (lambda: png(*[chunk(b"tEXt", b"k%d\0v" % n) for n in range(990)]), ""),
    "a video of boxes": (lambda: b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x08moov" * 1_000_000, ""),
    "a video of keys": (
        lambda: (
            b"\0\0\0\x10ftypisom\0\0\0\0"
            + struct.pack(">I4s", 16_000_024, b"moov")
            + struct.pack(">I4s", 16_000_016, b"keys")
            + bytes(8)
            + b"\0\0\0\x08mdta" * 2_000_000
        ),
        "",
    ),
    "a film of elements": (
        lambda: b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff" + b"\xec\x80" * 5_000_000,
        "",
    ),
    "an id3 of nothing": (lambda: b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(1 << 20), ""),
    "a flac of lies": (lambda: b"fLaC\x84\xff\xff\xff" + b"\xff" * 100_000, ""),
    "an ogg of pages": (lambda: b"OggS" + bytes(22) + b"\xff" * 200_000, ""),
}
