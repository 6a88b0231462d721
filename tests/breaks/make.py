"""The breaks that a module offers: small changes of what it does, never of what it says.

Texts, annotations, docstrings, decorators and lines of a log are left alone.
"""

from __future__ import annotations

import ast
import copy
import difflib
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

Span = ast.expr | ast.stmt

FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt,
    ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
NEGATED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.In: ast.NotIn, ast.NotIn: ast.In}
MOVED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip
SORTERS = ("sorted", "sort", "min", "max", "nsmallest", "nlargest", "groupby")
LOGGERS = ("log", "debug", "_log", "_to_log")
EMPTY = {
    "str": '""', "bytes": 'b""', "int": "0", "float": "0.0", "list": "[]", "List": "[]",
    "Sequence": "()", "Iterable": "()", "Iterator": "iter(())", "tuple": "()", "dict": "{}",
    "Mapping": "{}", "set": "set()", "frozenset": "frozenset()", "Counter": "{}",
}  # fmt: skip


@dataclass(frozen=True, order=True)
class Break:
    """One change of one module: the text from `begin` to `end` becomes `text`."""

    path: str
    line: int
    begin: int
    end: int
    kind: str
    text: str
    within: tuple[int, int]
    """The first and last line of the function that it is in; of the module outside of any."""

    def applied(self, source: str) -> str:
        """The source with the change."""
        return source[: self.begin] + self.text + source[self.end :]

    def diff(self, source: str) -> list[str]:
        """The lines that change, `-` and `+` before them."""
        old, new = source.splitlines(), self.applied(source).splitlines()
        told = list(difflib.unified_diff(old, new, lineterm="", n=0))[2:]
        return [f"{line[0]} {line[1:].strip()}" for line in told if line[0] in "+-"]


def breaks(path: str, source: str) -> list[Break]:
    """Every break of a module, in the order of its lines."""
    found = set(_Maker(path, source).of_module())
    return sorted(each for each in found if _is_python(each.applied(source)))


def sample(offered: Iterable[Break], seed: int, count: int) -> list[Break]:
    """Choose some, of all kinds alike, the same for the same seed."""
    chance = random.Random(seed)
    kinds: dict[str, list[Break]] = {}
    for each in sorted(offered):
        kinds.setdefault(each.kind, []).append(each)
    for several in kinds.values():
        chance.shuffle(several)
    chosen: list[Break] = []
    while kinds and len(chosen) < count:
        kind = chance.choice(sorted(kinds))
        chosen.append(kinds[kind].pop())
        if not kinds[kind]:
            del kinds[kind]
    return chosen


def of_files(root: Path, places: Iterable[str]) -> list[Break]:
    """Every break of the modules below some places of a tree."""
    files: set[Path] = set()
    for place in places:
        path = root / place
        files.update([path] if path.is_file() else path.rglob("*.py"))
    return [
        each
        for file in sorted(files)
        for each in breaks(file.relative_to(root).as_posix(), file.read_text(encoding="utf-8"))
    ]


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


class _Maker:
    def __init__(self, path: str, source: str) -> None:
        self._path = path
        self._source = source
        self._tree = ast.parse(source)
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def of_module(self) -> Iterator[Break]:
        yield from self._block(self._tree, (1, len(self._lines)), None)

    def _block(
        self, node: ast.AST, within: tuple[int, int], function: ast.FunctionDef | None
    ) -> Iterator[Break]:
        for child in ast.iter_child_nodes(node):
            yield from self._node(child, within, function)

    def _node(
        self, node: ast.AST, within: tuple[int, int], function: ast.FunctionDef | None
    ) -> Iterator[Break]:
        if isinstance(node, ast.FunctionDef):
            within = (node.lineno, node.end_lineno or node.lineno)
            for kind, place, text in _defaults(node):
                yield self._break(place, kind, text, within)
            for statement in node.body:
                yield from self._node(statement, within, node)
            return
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                yield from self._node(statement, within, function)
            return
        if isinstance(node, ast.JoinedStr) or _is_left_alone(node):
            return
        for kind, span, text in _changes(node, function):
            yield self._break(span, kind, text, within)
        for child in _inner(node):
            yield from self._node(child, within, function)

    def _break(self, node: Span, kind: str, text: str, within: tuple[int, int]) -> Break:
        begin = self._offset(node.lineno, node.col_offset)
        end = self._offset(node.end_lineno or 0, node.end_col_offset or 0)
        return Break(self._path, node.lineno, begin, end, kind, text, within)

    def _offset(self, line: int, column: int) -> int:
        """The place in the text; ast counts bytes."""
        before = self._lines[line - 1].encode()[:column].decode()
        return self._starts[line - 1] + len(before)


Change = tuple[str, Span, str]


def _is_left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return True
    if not isinstance(node, ast.Expr):
        return False
    value = node.value
    if isinstance(value, ast.Constant):
        return True  # a docstring
    return isinstance(value, ast.Call) and _called(value) in LOGGERS


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _inner(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child


def _changes(node: ast.AST, function: ast.FunctionDef | None) -> Iterator[Change]:
    match node:
        case ast.Compare():
            yield from _comparisons(node)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield "condition negated", test, f"not ({ast.unparse(test)})"
        case ast.comprehension(ifs=tests):
            for each in tests:
                yield "condition negated", each, f"(not ({ast.unparse(each)}))"
        case ast.BoolOp():
            swapped = copy.copy(node)
            swapped.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield "and/or swapped", node, ast.unparse(swapped)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "not dropped", node, f"({ast.unparse(operand)})"
        case ast.Return(value=ast.expr() as value) if function is not None:
            yield from _returns(node, value, function)
        case ast.Expr(value=ast.Call()):
            yield "call removed", node, "pass"
        case ast.Raise():
            yield "raise dropped", node, "pass"
        case ast.Call() if _called(node) in SORTERS:
            yield from _orders(node)
        case _:
            pass


def _orders(node: ast.Call) -> Iterator[Change]:
    for key in node.keywords:
        if key.arg == "key":
            plain = copy.copy(node)
            plain.keywords = [k for k in node.keywords if k is not key]
            yield "sort key dropped", node, ast.unparse(plain)
        elif key.arg == "reverse" and isinstance(key.value, ast.Constant):
            yield "order turned", key.value, str(not key.value.value)


def _comparisons(node: ast.Compare) -> Iterator[Change]:
    for place, op in enumerate(node.ops):
        for kind, table in (
            ("comparison flipped", FLIPPED),
            ("in negated", NEGATED),
            ("boundary moved", MOVED),
        ):
            other = table.get(type(op))
            if other is not None:
                changed = copy.copy(node)
                changed.ops = [*node.ops[:place], other(), *node.ops[place + 1 :]]
                yield kind, node, ast.unparse(changed)
    for each in node.comparators:
        if isinstance(each, ast.Constant) and type(each.value) is int:
            yield "boundary moved", each, str(each.value + 1)


def _returns(node: ast.Return, value: ast.expr, function: ast.FunctionDef) -> Iterator[Change]:
    told = ast.unparse(function.returns) if function.returns else ""
    if told.strip("'\"") in ("None", ""):
        return
    as_it_is = ast.dump(node)
    for kind, text in _other_returns(value, told, function):
        if ast.dump(ast.parse(text).body[0]) != as_it_is:
            yield kind, node, text


def _other_returns(
    value: ast.expr, told: str, function: ast.FunctionDef
) -> Iterator[tuple[str, str]]:
    if told == "bool":
        yield "return negated", f"return not ({ast.unparse(value)})"
    else:
        yield "returns None", "return None"
    empty = _empty(value, told)
    if empty:
        yield "returns nothing in it", f"return {empty}"
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    names = [name for name in names if name not in ("self", "cls")]
    if names:
        yield "returns its argument", f"return {names[0]}"


def _empty(value: ast.expr, told: str) -> str:
    kinds: tuple[tuple[type[ast.expr], str], ...] = (
        (ast.JoinedStr, '""'), (ast.List, "[]"), (ast.ListComp, "[]"), (ast.Tuple, "()"),
        (ast.Dict, "{}"), (ast.DictComp, "{}"), (ast.Set, "set()"), (ast.SetComp, "set()"),
    )  # fmt: skip
    for kind, text in kinds:
        if isinstance(value, kind):
            return text
    first = told.partition("[")[0].partition(" |")[0].rpartition(".")[2]
    return EMPTY.get(first, "")


def _defaults(node: ast.FunctionDef) -> Iterator[Change]:
    for default in (*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)):
        changed = _other(default)
        if changed:
            yield "default changed", default, changed


def _other(node: ast.expr) -> str:
    if not isinstance(node, ast.Constant):
        return ""
    changes: dict[type, Callable[[object], str]] = {
        bool: lambda value: str(not value),
        int: lambda value: repr(value + 1),  # type: ignore[operator]
        float: lambda value: repr(value * 2 + 1),  # type: ignore[operator]
    }
    change = changes.get(type(node.value))
    return change(node.value) if change else ""
