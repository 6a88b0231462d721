"""Chat templates: no template passes that gets at Python's inside when it is rendered.

Nothing here runs code: what a template reaches for inside of an object is a trap that tells.
"""

from __future__ import annotations

import random
import time
import tracemalloc
from types import SimpleNamespace
from typing import Any, ClassVar

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix.formats import gguf
from comfyfix.formats.finding import Refused
from comfyfix.formats.template import chat_template
from tests.unit.judged import Said, said


def told(text: str) -> Said:
    try:
        chat_template.check(text)
    except Refused as refused:
        assert refused.finding.kind == "unsafe"
        return said(refused.finding)
    return ()


class Sprung(Exception):
    """A template did something with what it got from inside."""


class Spring:
    """Springs where it is run through."""

    def __iter__(self) -> Any:
        raise Sprung


class Trap:
    """Stands for what lies inside of an object: it may be read, and nothing else."""

    def __str__(self) -> str:
        return "inside"

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return 1

    def __html__(self) -> str:
        return "inside"

    def __getattr__(self, name: str) -> Any:
        if name in ("__float__", "__int__", "__len__", "__index__", "__trunc__", "__add__"):
            raise AttributeError(name)
        raise Sprung(name)

    def __getitem__(self, key: object) -> Any:
        raise Sprung(key)

    def __call__(self, *_: object, **__: object) -> Any:
        raise Sprung

    def __iter__(self) -> Any:
        yield from Spring()  # so that asking whether it can be run through springs nothing

    def __contains__(self, item: object) -> bool:
        return False


INNER = ("_", "mro", "gi_", "f_")


class Environment(jinja2.Environment):
    """Gives traps for whatever a name that leads inside is the name of."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.look(super().getattr(obj, attribute), obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self.look(super().getitem(obj, argument), obj, argument)

    def look(self, value: Any, obj: Any, name: Any) -> Any:
        if isinstance(obj, Trap):
            raise Sprung(name)
        if not isinstance(name, str) or isinstance(value, jinja2.Undefined):
            return value
        inner = isinstance(obj, dict) and name in obj
        return Trap() if name.startswith(INNER) and not inner else value


MESSAGES = [
    {"role": "system", "content": "Be nice.", "tool_calls": None},
    {"role": "user", "content": "__class__", "name": "__init__"},
    {
        "role": "assistant",
        "content": "<think>well</think>fine",
        "tool_calls": [{"function": {"name": "f", "arguments": {"__class__": 1, "b": [2]}}}],
    },
    {"role": "tool", "content": "5", "tool_call_id": "x"},
]
CONTEXT: dict[str, Any] = {
    "x": SimpleNamespace(a=1, role="r"),
    "messages": MESSAGES,
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "does",
                "parameters": {
                    "type": "object",
                    "required": ["b"],
                    "properties": {"b": {"type": "string", "format": "date", "enum": ["u", "v"]}},
                },
            },
        }
    ],
    "bos_token": "__class__",
    "eos_token": "__init__",
    "add_generation_prompt": True,
    "strftime_now": lambda form: form,
    "raise_exception": lambda text: text,
}


def render(text: str, undefined: type[jinja2.Undefined] = jinja2.Undefined) -> str:
    environment = Environment(
        undefined=undefined,
        extensions=[
            "jinja2.ext.loopcontrols",
            "jinja2.ext.do",
            chat_template._Generation,
        ],
    )
    return environment.from_string(text).render(CONTEXT)


# Each reaches code where jinja2 renders it without its sandbox.
HOSTILE = {
    "attribute": "{{ ().__class__.__base__.__subclasses__() }}",
    "attribute of a helper": "{{ cycler.__init__.__globals__.os.system('x') }}",
    "subscript": "{{ x['__class__']['__init__'] }}",
    "subscript of a helper": "{{ lipsum['__globals__']['os'].popen('x').read() }}",
    "escaped": "{{ lipsum['\\x5f\\x5fglobals\\x5f\\x5f'].os }}",
    "escaped otherwise": "{{ lipsum['\\u005f_globals__'].os }}",
    "escaped in octal": "{{ lipsum['\\137\\137globals__'].os }}",
    "named": "{{ lipsum['\\N{LOW LINE}_globals__'].os }}",
    "two texts side by side": "{{ lipsum['_' '_globals__'].os }}",
    "joined": "{{ lipsum['__glo' ~ 'bals__'].os }}",
    "added": "{{ lipsum['__glo' + 'bals__'].os }}",
    "multiplied": "{{ lipsum['_' * 2 ~ 'globals__'].os }}",
    "multiplied by one": "{{ lipsum['__globals__' * 1].os }}",
    "a namespace of a mapping, beside a harmless one": (
        "{% set o = namespace(k=0) %}{% set n = namespace({'k': '__globals__'}) %}"
        "{{ lipsum[n.k].os }}"
    ),
    "formatted": "{{ lipsum['%sglobals%s' % ('__', '__')].os }}",
    "formatted by a filter": "{{ lipsum['%sglobals__'|format('__')].os }}",
    "formatted by a method": "{{ lipsum['{0}globals__'.format('__')].os }}",
    "joined by a filter": "{{ lipsum[['__glo', 'bals__']|join].os }}",
    "turned": "{{ lipsum['__slabolg__'|reverse].os }}",
    "sliced": "{{ lipsum['__slabolg__'[::-1]].os }}",
    "replaced": "{{ lipsum['--globals--'|replace('-', '_')].os }}",
    "lowered": "{{ lipsum['__GLOBALS__'|lower].os }}",
    "a name": "{% set k = '__globals__' %}{{ lipsum[k].os }}",
    "a name, put together": "{% set k = '__glo' ~ 'bals__' %}{{ lipsum[k].os }}",
    "a name from a block": "{% set k %}__globals__{% endset %}{{ lipsum[k|string].os }}",
    "a name that has two values": (
        "{% set k = 0 %}{% for x in [1] %}{% set k = '__globals__' %}{{ lipsum[k].os }}{% endfor %}"
    ),
    "a name in a loop": "{% for k in ['__globals__'] %}{{ lipsum[k].os }}{% endfor %}",
    "a name in a tuple": "{% set a, k = 1, '__globals__' %}{{ lipsum[k].os }}",
    "a name by with": "{% with k = '__globals__' %}{{ lipsum[k].os }}{% endwith %}",
    "a name of a macro": "{% macro m(k) %}{{ lipsum[k].os }}{% endmacro %}{{ m('__globals__') }}",
    "a word of a macro": "{% macro m(k) %}{{ lipsum[k].os }}{% endmacro %}{{ m(k='__globals__') }}",
    "a default of a macro": (
        "{% macro m(k='__globals__') %}{{ lipsum[k].os }}{% endmacro %}{{ m() }}"
    ),
    "a macro called by stars": (
        "{% macro m(k) %}{{ lipsum[k].os }}{% endmacro %}{{ m('a') }}{{ m(*['__globals__']) }}"
    ),
    "a macro by another name": (
        "{% macro m(k) %}{{ lipsum[k].os }}{% endmacro %}{{ m('a') }}"
        "{% set n = m %}{{ n('__globals__') }}"
    ),
    "a macro twice": (
        "{% macro m(k) %}{% endmacro %}{{ m('a') }}"
        "{% macro m(q, k) %}{{ lipsum[k].os }}{% endmacro %}{{ m('a', '__globals__') }}"
    ),
    "a caller": (
        "{% macro m() %}{{ caller('__globals__') }}{% endmacro %}"
        "{% call(k) m() %}{{ lipsum[k].os }}{% endcall %}"
    ),
    "what a macro gives": "{% macro m() %}__globals__{% endmacro %}{{ lipsum[m()|string].os }}",
    "a namespace": "{% set ns = namespace(k='__globals__') %}{{ lipsum[ns.k].os }}",
    "a namespace, set later": (
        "{% set ns = namespace(k=0) %}{% set ns.k = '__globals__' %}{{ lipsum[ns.k].os }}"
    ),
    "a namespace by another name": (
        "{% set ns = namespace(k=0) %}{% set o = ns %}{% set o.k = '__globals__' %}"
        "{{ lipsum[ns.k].os }}"
    ),
    "a namespace of a mapping": "{% set n = namespace({'k': '__globals__'}) %}{{ lipsum[n.k].os }}",
    "a namespace with stars": "{% set n = namespace(**{'k': '__globals__'}) %}{{ lipsum[n.k].os }}",
    "a namespace from a block": (
        "{% set ns = namespace(k=0) %}{% set ns.k %}__globals__{% endset %}{{ lipsum[ns.k].os }}"
    ),
    "another namespace": (
        "{% macro namespace(k) %}{% endmacro %}{% set n = namespace(k=1) %}{{ lipsum[n.k].os }}"
    ),
    "another range": (
        "{% set range = dict %}{% for k in range({'__globals__': 1}) %}"
        "{{ lipsum[k].os }}{% endfor %}"
    ),
    "another loop": "{% set loop = {'index0': '__globals__'} %}{{ lipsum[loop.index0].os }}",
    "the default of a number": "{{ lipsum['x'|int('__globals__')].os }}",
    "the default of a number, by word": "{{ lipsum['x'|float(default='__globals__')].os }}",
    "one or the other": "{{ lipsum['__globals__' if true else 1].os }}",
    "and": "{{ lipsum[1 and '__globals__'].os }}",
    "or": "{{ lipsum[0 or '__globals__'].os }}",
    "a token": "{% for bos_token in [1] %}{% endfor %}{{ x[bos_token].y }}",
    "a token by its name": "{% set k = bos_token %}{{ x[k].y }}",
    "what somebody wrote": "{{ x[messages[1].content].y }}",
    "read, then used": "{% set v = x[messages[1].content] %}{{ v }}{{ v.y }}",
    "read, then called": "{% set v = x[messages[1].content] %}{% set w = v %}{{ w() }}",
    "read, then run through": (
        "{% set v = x[messages[1].content] %}{% for i in v %}{{ i }}{% endfor %}"
    ),
    "handed over": "{% macro m(v) %}{{ v.y }}{% endmacro %}{{ m(x[messages[1].content]) }}",
    "kept": "{% set l = [x[messages[1].content]] %}{{ l[0].y }}",
    "passed on by default": "{{ (x[messages[1].content]|default(1)).y }}",
    "the filter attr": "{{ lipsum|attr('__globals__') }}",
    "the filter attr, put together": "{{ lipsum|attr('__glo' ~ 'bals__') }}",
    "the filter attr with a name": "{% set k = '__globals__' %}{{ lipsum|attr(k) }}",
    "the filter attr by word": "{{ lipsum|attr(name='__globals__') }}",
    "the filter attr with stars": "{{ lipsum|attr(*['__globals__']) }}",
    "the filter attr with two stars": "{{ lipsum|attr(**{'name': '__globals__'}) }}",
    "the filter attr on a block": "{% filter attr('__class__') %}x{% endfilter %}",
    "map by attribute": "{{ [lipsum]|map(attribute='__globals__')|first }}",
    "map by a path": "{{ [x]|map(attribute='a.__class__')|first }}",
    "map with stars": "{{ [x]|map(**{'attribute': '__class__'})|first }}",
    "map of attr": "{{ [lipsum]|map('attr', '__globals__')|first }}",
    "map of map of attr": "{{ [[lipsum]]|map('map', 'attr', '__globals__')|first|first }}",
    "map of map by attribute": "{{ [[x]]|map('map', attribute='__class__')|first|first }}",
    "map of a computed filter": "{{ [lipsum]|map('at' ~ 'tr', 'x')|first }}",
    "map of sum": "{{ [[x]]|map('sum', attribute='__class__')|first }}",
    "selectattr": "{{ [x]|selectattr('__class__')|list }}",
    "rejectattr": "{{ [x]|rejectattr('__class__.x')|list }}",
    "selectattr, computed": "{{ [x]|selectattr(bos_token)|list }}",
    "groupby": "{{ [x]|groupby('__class__') }}",
    "groupby by word": "{{ ([x]|groupby(attribute='__class__'))[0].grouper.y }}",
    "sort": "{{ [x]|sort(attribute='role,__class__') }}",
    "sort by place": "{{ [x]|sort(false, false, '__class__') }}",
    "unique": "{{ [x]|unique(attribute='__class__') }}",
    "min": "{{ [x]|min(attribute='__class__') }}",
    "max": "{{ [x]|max(false, '__class__') }}",
    "sum": "{{ [x]|sum('__class__') }}",
    "sum of what is inside": "{{ [x]|sum(attribute='__class__', start=[]) }}",
    "join": "{{ [x]|join(',', '__class__') }}",
    "join by word": "{{ [x]|join(',', attribute='__class__') }}",
    "format": "{{ '{0.__class__.__init__}'.format(x) }}",
    "format, with an item": "{{ '{0[__globals__]}'.format(x) }}",
    "format_map": "{{ '{x.__class__}'.format_map({'x': 1}) }}",
    "format of a name": "{% set f = '{0.__class__}' %}{{ f.format(x) }}",
    "format, taken": "{% set f = '{0.__class__}'.format %}{{ f(x) }}",
    "format by subscript": "{{ '{0.__class__}'['format'](x) }}",
    "format by a filter": "{{ ('{0.__class__}'|attr('format'))(x) }}",
    "a generator's frame": "{{ (messages|map('upper')).gi_frame.f_globals }}",
    "a generator's frame by subscript": "{{ (messages|map('upper'))['gi_frame']['f_builtins'] }}",
    "a generator's frame by a name": (
        "{% set k = 'gi_frame' %}{{ (messages|map('upper'))[k].f_globals }}"
    ),
    "all classes": "{{ dict.mro()[1] }}",
    "another template": "{% include 'x' %}",
    "another template, by a name": "{% include messages[0].content %}",
    "a parent": "{% extends 'x' %}",
    "macros of another": "{% import 'x' as y %}",
    "some macros of another": "{% from 'x' import y %}",
    "set inside": "{% set ns = namespace() %}{% set ns.__class__ = 1 %}",
    "a word that Python takes for another": (
        "{% macro m(k) %}{{ lipsum[k].os }}{% endmacro %}{{ m(\uff4b='__globals__') }}"
    ),
    "a namespace's word that Python takes for another": (
        "{% set n = namespace(k=0, \uff4b='__globals__') %}{{ lipsum[n.k].os }}"
    ),
    "another range that does more than read": (
        "{% macro range(v) %}{{ v.y }}{% endmacro %}{{ range(x[messages[1].content]) }}"
    ),
    "read, or given back by default": "{{ ('a'|int(x[messages[1].content])).y }}",
    "read, or given back as it is": "{{ (x[messages[1].content]|truncate).y }}",
    "run through by a neighbour": (
        "{% for v in [x[messages[1].content], 2] %}{{ loop.previtem.y }}{% endfor %}"
    ),
    "more than a macro asks for": (
        "{% macro m() %}{{ varargs[0].y }}{% endmacro %}{{ m(x[messages[1].content]) }}"
    ),
    "a translation": "{% trans a=x.__class__ %}{{ a }}{% endtrans %}",
    "all that there is": "{% debug %}",
    "two names that Python takes for one": (
        "{% set k = 1 %}{% set \uff4b = '__globals__' %}{{ lipsum[k].os }}"
    ),
    "a zero byte": "a\0{{ x }}",
    "unreadable": "{% unknown %}{{ x.__class__ }}",
    "unreadable, escaped": "{% unknown %}{{ x['\\x5f'] }}",
    "unreadable, by a format": "{% unknown %}{{ y.format(x) }}",
    "unreadable, by a frame": "{% unknown %}{{ y.gi_frame }}",
    "unreadable, by a filter": "{% unknown %}{{ x|attr(y) }}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_template_that_reaches_inside_is_told(name: str) -> None:
    assert told(HOSTILE[name])


# In the manner of the templates that models come with.
HARMLESS = {
    "nothing": "",
    "plain": "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m['content'] }}\n{% endfor %}",
    "neighbours": (
        "{% for m in messages %}{% if loop.first or messages[loop.index0 - 1].role != m.role %}"
        "{{ m.role }}{% endif %}{% if not loop.last and messages[loop.index0 + 1]['role'] %}"
        "{% endif %}{% endfor %}{{ messages[-1].content }}{{ messages[1:][::-1]|length }}"
    ),
    "a place that was found": (
        "{% set ns = namespace(last=-1, open=false) %}{% for m in messages %}{% if m.role == 'user'"
        " %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}{{ messages[ns.last].content }}"
        "{% set at = messages|length - 1 %}{% set m = messages[at] %}{{ m.role }}"
    ),
    "counting": (
        "{% for i in range(messages|length - 1, -1, -1) %}{% set m = messages[i] %}{{ m.role }}"
        "{% endfor %}{% for i in range(3)|list %}{{ messages[i % 2].role }}{% endfor %}"
    ),
    "thoughts": (
        "{% for m in messages %}{% set c = m.content %}{% if '</think>' in c %}{{ c.split("
        "'</think>')[-1].lstrip('\\n') }}{% set t = c.split('</think>')[0].split('<think>')[-1] %}"
        "{{ t|trim }}{% endif %}{% endfor %}"
    ),
    "arguments": (
        "{% for m in messages if m.tool_calls %}{% for call in m.tool_calls %}{% set a = "
        "call.function.arguments %}{% for k in a %}{% set v = a[k] %}<{{ k }}>{{ v|tojson if v is "
        "mapping or (v is sequence and v is not string) else v|string }}{% endfor %}"
        "{% for k, v in a|items %}{{ k }}={{ v }}{% endfor %}{% endfor %}{% endfor %}"
    ),
    "a table of types": (
        "{%- macro type(spec) -%}{%- set names = {'string': 'str', 'number': 'float'} -%}"
        "{%- if names[spec.type] is defined -%}{{ names[spec.type] }}{%- elif spec.type == 'array'"
        " -%}{{ 'list[' + type(spec['items']) + ']' }}{%- endif -%}{%- endmacro -%}"
        "{% for t in tools %}{% for n, p in t.function.parameters.properties.items() %}"
        "{{ n }}: {{ type(p) }}{{ p.format }}{{ p['format'] }}{% endfor %}{% endfor %}"
    ),
    "one of these": (
        "{% for key, title in [('enum', 'One of'), ('format', 'Form')] %}{% for t in tools %}"
        "{% set p = t.function.parameters.properties.b %}{% if p[key] is defined %}{{ title }}: "
        "{{ p[key] }}{% endif %}{% endfor %}{% endfor %}"
    ),
    "one that a macro is told": (
        "{% macro has(m, key=none) %}{% if key in m %}{% set m = m[key] %}{% endif %}"
        "{{ m.role }}{% endmacro %}{{ has(messages[0], 'content') }}{{ has(messages[0], key='role')"
        " }}{{ has(messages[0]) }}"
    ),
    "filters": (
        "{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|join(', ') }}"
        "{{ messages|rejectattr('role', 'in', ['user'])|list|length }}{{ messages|map('string')|"
        "map('upper')|list|first }}{{ messages|sort(attribute='role,content')|length }}"
        "{{ tools|tojson(indent=4) }}{{ messages|groupby('role')|length }}"
        "{{ messages[0]|dictsort }}{{ [1, 2]|sum }}"
        "{{ messages|map('replace', 'a', messages[0].role)|list|length }}"
    ),
    "no sandbox word is a word": "{{ '__init__' }}{{ messages[0].get('_hidden') }}{% set _ = 1 %}",
    "numbers and dates": "{{ '{:.2f} {}'.format(1, 2) }}{{ strftime_now('%d %b %Y') }}",
    "what is marked": (
        "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
        "{% endgeneration %}{% else %}{% continue %}{% endif %}{% break %}{% endfor %}"
    ),
    "doing": (
        "{% set l = [] %}{% do l.append(1) %}{{ l[0] }}{{ raise_exception('no ' + bos_token) }}"
    ),
    "a namespace that is a word": (
        "{% macro m(namespace='f') %}{{ namespace }}{% endmacro %}{{ m() }}"
    ),
    "blocks": (
        "{% set x %}a{% endset %}{% filter upper %}b{% endfilter %}{% block c %}{% endblock %}"
    ),
    "the templates of another program": "{{ .System }}{{ range .Messages }}{{ end }}",
    "a name that is no way": "{{ x.im_start }}{{ x.func_name }}{{ x['co_author'] }}",
    "unknown tags": "Information of attributes. {% wonder add_generation_prompt %}{{ bos_token }}",
    "letters of the world": "{% set größe = 1 %}{{ messages[größe].role }} 你好 {# ＿＿ #}",
    "an odd escape": "{{ '\\d' }}",
}


@pytest.mark.filterwarnings("ignore:invalid escape:DeprecationWarning")
@pytest.mark.parametrize("name", HARMLESS)
def test_a_template_as_models_come_with_passes(name: str) -> None:
    assert told(HARMLESS[name]) == ()
    if name in ("the templates of another program", "unknown tags"):
        with pytest.raises(jinja2.TemplateSyntaxError):
            render(HARMLESS[name])
    else:
        render(HARMLESS[name])


def test_the_traps_are_sprung_where_a_template_reaches_inside() -> None:
    sprung = 0
    for text in HOSTILE.values():
        try:
            render(text)
        except Sprung:
            sprung += 1
        except (jinja2.TemplateError, SyntaxError, TypeError, AttributeError, KeyError):
            pass
    assert sprung >= 60


class Soft(jinja2.ChainableUndefined):
    """What is not there takes part in everything, so that a template goes on."""

    def __call__(self, *_: object, **__: object) -> Any:
        return self

    def __add__(self, other: object) -> Any:
        return self

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = __rmod__ = __add__


class Writer:
    """Writes templates at random, of what one needs to get inside."""

    STANDS_FOR: ClassVar[dict[str, tuple[str, ...]]] = {
        "E": (
            *("N", "N", "N", "N", "N", "T", "T", "T", "I", "I", "N[E]", "N[N]", "N[N]", "E.W"),
            *("(E|F)", "N|F", "m(E)", "m(k=E)", "m(E, E)", "(E ~ E)", "(E + E)", "(I * E)"),
            *("('%s' % E)", "(E % E)", "(E - E)", "(E if E else E)", "(E and E)", "(E or E)"),
            *("(not E)", "(E == E)", "(E in E)", "(E is string)", "[E]", "[E, E]", "(E, E)"),
            *("{E: E}", "range(3)", "E[E:E]", "E[::-1]", "n.k", "n.k", "n.a", "loop.index0"),
            *("cycler(E)", "dict(k=E)", "E.split(T)", "E.items()", "v.k", "namespace(k=E)"),
        ),
        "P": (
            *("{{ E }}", "{{ E }}", "{{ N[N].W }}", "{{ N[n.k].W }}", "{{ x[V].a }}{{ V.a }}"),
            *("{% set V = E %}", "{% set V = E %}", "{% set V = T %}", "{% set V = N[N] %}"),
            *("{% set n.k = E %}", "{% set n.k = T %}", "{% set v.k = T %}", "{% set v = n %}"),
            *(
                "{% set V, V = E, E %}",
                "{% set V %}P{% endset %}",
                "{% set V %}__class__{% endset %}",
            ),
            *("{% for V in E %}P{% endfor %}", "{% for V in [T, E] %}P{% endfor %}"),
            *("{% for V, V in E %}P{% endfor %}", "{% for V in E if E %}PP{% endfor %}"),
            *(
                "{% for V in range(3) %}PP{% endfor %}",
                "{% if E %}P{% elif E %}P{% else %}P{% endif %}",
            ),
            *("{% with V = E %}PP{% endwith %}", "{% macro m(V, V=E) %}PP{% endmacro %}"),
            *("{% macro m(k) %}{{ x[k].a }}{% endmacro %}", "{{ m(E) }}", "{{ m(T) }}"),
            *(
                "{% call(V) m(E) %}P{% endcall %}",
                "{{ caller(E) }}",
                "{% filter F %}P{% endfilter %}",
            ),
            *("{% set n = namespace(k=E, a=E) %}", "{% set n = namespace(k=0) %}", "{% do E %}"),
        ),
        "F": (
            *("length", "int", "list", "first", "last", "upper", "string", "reverse", "tojson"),
            *("default(E)", "default(E, true)", "int(E)", "float(default=E)", "join(E)", "trim"),
            *("replace(E, E)", "attr(T)", "map(attribute=T)", "map('attr', T)", "items", "first"),
            *("selectattr(T)", "sum(T, E)", "sort(attribute=E)", "groupby(T)", "unique", "d(E)"),
            *("dictsort", "batch(2)", "select", "join(E, T)", "safe", "abs", "e", "list", "first"),
        ),
        "N": ("x", "k", "v", "m", "n", "k", "v", "messages", "lipsum", "bos_token", "eos_token"),
        "V": ("k", "v", "k", "v", "k", "v", "k", "v", "m", "n", "x", "loop", "bos_token"),
        "T": (
            "'__class__'",
            "'__class__'",
            "'__init__'",
            "'role'",
            "'a'",
            "'_'",
            "'_class__'",
            "'0'",
        ),
        "W": ("a", "k", "role", "content", "items", "upper", "get", "a", "role", "name"),
        "I": ("0", "1", "-1", "2"),
    }

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.left = 30  # letters that may be replaced by what is longer

    def template(self) -> str:
        return "".join(self.filled("P") for _ in range(self.random.randint(1, 4)))

    def filled(self, shape: str) -> str:
        """The shape, with each capital letter replaced by one of what it stands for."""
        return "".join(self.one(letter) if letter.isupper() else letter for letter in shape)

    def one(self, letter: str) -> str:
        self.left -= 1
        if self.left < 0 and letter in "EPF":
            return {"E": "k", "P": "", "F": "string"}[letter]
        return self.filled(self.random.choice(self.STANDS_FOR[letter]))


def outcome(text: str) -> str:
    """What becomes of a template: refused, unreadable, broken, rendered or sprung."""
    if told(text):
        return "refused"
    try:
        render(text, Soft)
    except Sprung:
        return "sprung"
    except jinja2.TemplateSyntaxError:
        return "unreadable"
    except (Exception, RecursionError):  # noqa: BLE001 - a template may fail in any way
        return "broken"
    return "rendered"


@settings(max_examples=300)
@given(seed=st.integers(0, 1 << 60))
def test_no_template_that_passes_springs_a_trap(seed: int) -> None:
    writer = Writer(seed)
    for _ in range(5):
        text = writer.template()
        assert outcome(text) != "sprung", text


LARGE = {
    "outputs": "{{a}}" * 11_900,
    "brackets": "{{" + "(" * 59_000,
    "lists": "{{" + "[" * 29_000 + "]" * 29_000 + "}}",
    "loops": "{% for a in b %}" * 2_000 + "{% endfor %}" * 2_000,
    "attributes": "{{ a" + ".b" * 29_000 + "}}",
    "subscripts": "{{ a" + "[b]" * 19_000 + "}}",
    "subscripts in subscripts": "{{ " + "a[" * 19_000 + "0" + "]" * 19_000 + "}}",
    "sums": "{{ a[1" + "+1" * 29_000 + "] }}",
    "differences": "{{ a[1" + "-1" * 29_000 + "] }}",
    "joins": "{{ 1" + "~1" * 29_000 + "}}",
    "filters": "{{ a" + "|e" * 29_000 + "}}",
    "names": "".join(f"{{% set a{i} = a{i + 1} %}}" for i in range(2_400)),
    "names, turned": "".join(f"{{% set a{i + 1} = a{i} %}}" for i in range(2_400)),
    "names that are used": "".join(f"{{% set a{i} = a{i + 1}[b] %}}" for i in range(2_000))
    + "{{a0.b}}",
    "macros": "".join(f"{{% macro m(a{i}) %}}{{% endmacro %}}{{{{ m(1) }}}}" for i in range(1_300)),
    "calls": "{% macro m(a, b, c, d) %}{% endmacro %}" + "{{m(1,2,3,4)}}" * 3_900,
    "comments": "{#" * 29_000,
    "text": "a" * 60_000,
    "digits": "{{" + "9" * 59_000 + "}}",
    "a text": "{{ '" + "\\x5f" * 14_000 + "' }}",
    "turning if": "{{" + "a if b else " * 4_900 + "c }}",
    "not": "{{" + "not " * 14_000 + "c }}",
    "signs": "{{" + "-" * 59_000 + "1 }}",
}


@pytest.mark.faults
@pytest.mark.parametrize("name", LARGE)
def test_a_large_template_costs_little(name: str) -> None:
    text = LARGE[name]
    assert len(text) > gguf.TEMPLATES_MAX * 0.7
    told("{{ a }}")  # so that jinja2 is there
    begin = time.process_time()
    told(text)
    assert time.process_time() - begin < 2  # half a second where nothing else runs


@pytest.mark.faults
def test_a_large_template_takes_little_memory() -> None:
    told("{{ a }}")
    tracemalloc.start()
    told(LARGE["names"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000_000
