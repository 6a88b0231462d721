"""Chat templates: text in a GGUF that loaders hand to jinja2, often outside of its sandbox.

A template runs code once it gets from some object to the inner workings of Python, and it gets
there by names alone: `x.__init__`, `x["__init__"]`, `x|attr("__init__")`, a generator's `gi_frame`.
So the template is parsed, never rendered, and passes only if

- it holds nothing but what `_KNOWN` lists (so no other template is taken in);
- every attribute has a name that neither begins with `_` nor is one of `_INNER`. That counts for
  `x.name`, `x["name"]` (which is `x.name` where there is no such item), `|attr("name")`, and for
  each part of `|map(attribute="a.b")` and its like, whose names must be written out;
- every other subscript has a key that is surely no text, or one that is written out
  (`template_values` tells); or a key that was not put together here, and then its value is only
  read (`template_reads`), so that nothing can be done with it;
- `format`, which reads attributes that a text names, is asked of a text that is written out and
  names none that begins with `_`, or it is an item that is only read;
- Python takes no two of its names for one.

What jinja2 can't parse nobody renders with it; it passes if it names nothing that could matter to
a reader of another mind.
"""

from __future__ import annotations

import re
import unicodedata
import warnings

import jinja2
import jinja2.ext
from jinja2 import nodes
from jinja2.parser import Parser

from comfyfix.formats.finding import unsafe
from comfyfix.formats.flaws import Flaw
from comfyfix.formats.template.template_reads import walk
from comfyfix.formats.template.template_values import Values

# Ways into frames, code and classes that do not begin with an underscore.
_WAYS = (
    r"mro|(?:gi|cr|ag)_(?:frame|code|await|yieldfrom|origin)|tb_(?:frame|next)"
    r"|f_(?:back|builtins|code|generator|globals|locals|trace)"
    r"|func_(?:globals|code|closure)|im_(?:func|self|class)"
)
_INNER = re.compile(rf"_.*|{_WAYS}", re.DOTALL)
_ODD = re.compile(rf"(?<!\w)_|\\[xuUN0-7]|[|'\"]\s*attr\b|[.'\"]\s*format|\b(?:{_WAYS})\b")
_EXTENSIONS = tuple(f"jinja2.ext.{name}" for name in ("do", "loopcontrols", "i18n", "debug"))
_FORMATS = ("format", "format_map")
_READS_INSIDE = re.compile(r"[.\[]\s*_")
_BY_NAME = {"attr", "groupby", "max", "min", "sort", "sum", "unique"}
"""Filters that ask objects for attributes by what they are told."""
_KNOWN = {
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.NSRef, nodes.Const,
    nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Getattr, nodes.Getitem,
    nodes.Slice, nodes.Call, nodes.Filter, nodes.Test, nodes.Concat, nodes.Compare, nodes.Operand,
    nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub,
    nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.If, nodes.For, nodes.Break,
    nodes.Continue, nodes.Assign, nodes.AssignBlock, nodes.Macro, nodes.CallBlock,
    nodes.FilterBlock, nodes.With, nodes.ExprStmt, nodes.Scope, nodes.Block,
}  # fmt: skip


class _Generation(jinja2.ext.Extension):
    """The tag that marks what a model is trained on; it changes nothing."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """Take what is between the tags as it is."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def check(text: str) -> None:
    """Refuse a template that could run code where it is rendered. Raises Refused (unsafe).

    10 µs a character at most, and 150 bytes: the caller bounds the text.
    """
    if "\0" in text:
        raise unsafe(Flaw.TEMPLATE_ZERO_BYTE)
    try:
        parsed = _parsed(text)
        if parsed is not None:
            _Judge(parsed).run()
            return
    except RecursionError:
        raise unsafe(Flaw.TEMPLATE_NESTED) from None
    odd = _ODD.search(text)
    if odd is not None:
        raise unsafe(Flaw.TEMPLATE_UNREADABLE, text=text[odd.start() : odd.start() + 30])


def _parsed(text: str) -> nodes.Template | None:
    """Return what jinja2 makes of a text, with all tags that loaders know; None if it can't."""
    environment = jinja2.Environment(  # noqa: S701 - nothing is rendered
        extensions=[*_EXTENSIONS, _Generation]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that mean nothing
        try:
            return environment.parse(text)
        except (jinja2.TemplateError, ValueError):
            return None


class _Judge:
    """Judges the nodes of one template."""

    def __init__(self, template: nodes.Template) -> None:
        self.values = Values(template, _is_inner)
        self.nodes = walk(template, self.values.given)

    def run(self) -> None:
        """Judge every node. Raises Refused."""
        for node, read in self.nodes:
            if type(node) not in _KNOWN:
                raise unsafe(Flaw.TEMPLATE_NOT_LOOKED_INTO, node=type(node).__name__)
            match node:
                case nodes.Name():
                    _require_one(node.name)
                case nodes.Keyword():
                    _require_one(node.key)
                case nodes.NSRef():
                    _require_name(node.attr)
                    _require_one(node.attr)
                    _require_one(node.name)
                case nodes.Getattr():
                    _require_name(node.attr, node.node, read=read)
                case nodes.Getitem():
                    self._key(node, read=read)
                case nodes.Filter():
                    self._named(node.name, node.args, node)

    def _key(self, node: nodes.Getitem, *, read: bool) -> None:
        key = node.arg
        if isinstance(key, nodes.Const) and isinstance(key.value, str):
            _require_name(key.value, node.node, read=read)
        elif not (self.values.is_plain(key) or (read and _is_found(key))):
            raise unsafe(Flaw.TEMPLATE_COMPUTED_SUBSCRIPT)

    def _named(self, name: str, arguments: list[nodes.Expr], node: nodes.Filter) -> None:
        """Judge what a filter is told of attributes, and of the filters that it applies."""
        words = [word.value for word in node.kwargs]
        attribute = [word.value for word in node.kwargs if word.key == "attribute"]
        if name in _BY_NAME:
            named = [*arguments, *words]
        elif name in ("selectattr", "rejectattr"):
            named = arguments[:1]
        elif name == "join":
            named = [*arguments[1:], *attribute]
        elif name == "map":
            named = [*arguments[:1], *attribute]
        else:
            return
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise unsafe(Flaw.TEMPLATE_NOT_WRITTEN_OUT, filter=name)
        for value in named:
            self._path(value)
        if name == "map" and arguments and isinstance(arguments[0], nodes.Const):
            self._named(str(arguments[0].value), arguments[1:], node)

    def _path(self, value: nodes.Expr) -> None:
        if not isinstance(value, nodes.Const):
            if not self.values.never_text(value):
                raise unsafe(Flaw.TEMPLATE_COMPUTED_NAME)
            return
        for part in re.split("[.,]", str(value.value)):
            _require_name(part)


def _is_inner(name: str) -> bool:
    """Tell whether an attribute of that name leads inside, or reads what a text names."""
    return name in _FORMATS or _INNER.fullmatch(name) is not None


def _is_found(key: nodes.Node) -> bool:
    """Tell whether a key is taken from somewhere as it is, not put together here."""
    while isinstance(key, (nodes.Getattr, nodes.Getitem)):
        key = key.node
    return isinstance(key, nodes.Name)


def _require_name(name: str, of: nodes.Node | None = None, *, read: bool = False) -> None:
    """Refuse the name of an attribute that leads inside."""
    if _INNER.fullmatch(name):
        raise unsafe(Flaw.TEMPLATE_REACHES_INSIDE, name=name)
    if name in _FORMATS and not read:
        text = of.value if isinstance(of, nodes.Const) else None
        if not isinstance(text, str) or _READS_INSIDE.search(text):
            raise unsafe(Flaw.TEMPLATE_FORMATS, name=name)


def _require_one(name: str) -> None:
    if not name.isascii() and unicodedata.normalize("NFKC", name) != name:
        raise unsafe(Flaw.TEMPLATE_TWO_NAMES, name=name)
