"""What a pickle names, calls and makes: each name must have a row, each call must fit it."""

from __future__ import annotations

from typing import Any

from comfyfix.formats.flaws import Flaw
from comfyfix.formats.pickle import reader
from comfyfix.formats.pickle.imports import ForeignImport
from comfyfix.formats.pickle.kinds import LEAVES, Box, Group, Made, Name
from comfyfix.formats.pickle.names import row_of
from comfyfix.formats.pickle.rows import Row
from comfyfix.formats.pickle.source import Source
from comfyfix.formats.pickle.special import call, made_of, new
from comfyfix.formats.pickle.stack import Stack

_ARGUMENTS_MAX = 64


class Calling(Stack):
    """The instructions that import a name or call one.

    `imports` tells whether the pickle has named anything yet: then it is one, and not bytes that
    look so. Of one that is `doubted` a name that is not allowed is kept as `foreign`, to see
    whether it is used: texts begin like that by chance.
    """

    def __init__(self, source: Source, *, keeps: bool, doubted: bool) -> None:
        super().__init__(source, keeps=keeps)
        self.protocol = 0
        self.imports = False
        self.doubted = doubted
        self.foreign: ForeignImport | None = None

    def set_protocol(self) -> None:
        """PROTO: names are translated below protocol 3."""
        self.protocol = reader.protocol(self.source)

    @property
    def is_doubtful(self) -> bool:
        """Whether nothing has shown yet that these bytes are a pickle."""
        return self.doubted and not self.imports and self.foreign is None

    def _found(self, module: Any, name: Any) -> Any:
        """Return what stands for an imported name."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise self.harmful(Flaw.PICKLE_IMPORTS_UNWRITTEN)
        row = row_of(module, name, self.protocol)
        if row is None:
            foreign = ForeignImport(module, name, self.place)
            if not self.doubted or self.imports or foreign.is_of_python:
                raise foreign
            self.foreign = self.foreign or foreign
            return Name(Row(module, name))
        self.imports = True
        return Name(row) if row.constant is None else row.constant

    def named(self) -> None:
        """GLOBAL."""
        module, name = reader.name_line(self.source), reader.name_line(self.source)
        self.source.require_more()  # what is imported at the end of a file is not called
        self.push(self._found(module, name))

    def named_on_stack(self) -> None:
        """STACK_GLOBAL: module and name may have come from anywhere, the memo too."""
        name, module = self.pop(), self.pop()
        self.push(self._found(module, name))

    def instance(self) -> None:
        """INST: import a name and call it with what follows the mark."""
        found = self._found(reader.name_line(self.source), reader.name_line(self.source))
        self._call(found, self.marked(), as_class=True)

    def marked_instance(self) -> None:
        """OBJ: call the first value after the mark with the others."""
        values = self.marked()
        if not values:
            raise self.odd(Flaw.PICKLE_CALLS_NOTHING)
        self._call(values[0], values[1:], as_class=True)

    def reduce(self) -> None:
        """REDUCE: call a value with a tuple of arguments."""
        arguments, called = self.pop(), self.pop()
        if not isinstance(arguments, Group):
            raise self.harmful(Flaw.PICKLE_CALLS_WITHOUT_TUPLE)
        if arguments.items is None:
            raise self.harmful(Flaw.PICKLE_CALLS_WITH_MORE)
        self._call(called, arguments.items)

    def _call(self, called: Any, arguments: tuple[Any, ...], *, as_class: bool = False) -> None:
        """Call a name; of a class without arguments INST and OBJ make a bare object."""
        if not isinstance(called, Name):
            raise self.harmful(Flaw.PICKLE_CALLS_ITS_OWN)
        if len(arguments) > _ARGUMENTS_MAX:
            raise self.harmful(Flaw.PICKLE_CALLS_WITH_MORE)
        for argument in arguments:
            if isinstance(argument, Box):
                self.look_at(argument)
                self.use(argument)
        bare = called.row.bare
        if as_class and not arguments:
            made = None if bare is None else made_of(called.row, bare)
        else:
            made = call(called, arguments)
        if made is None:
            raise self.harmful(Flaw.PICKLE_CALLS_ODDLY, called=called.row)
        if isinstance(made, Made | Box):
            for argument in arguments:
                if type(argument) not in LEAVES:
                    self.nest(made, argument)
        self.push_new(made)

    def new(self) -> None:
        """NEWOBJ: make an object of a class without calling its `__init__`."""
        arguments, called = self.pop(), self.pop()
        made = new(called, arguments)
        if made is None:
            if not isinstance(called, Name):
                raise self.harmful(Flaw.PICKLE_MAKES_OF_NO_CLASS)
            raise self.harmful(Flaw.PICKLE_MAKES_ODDLY, called=called.row)
        self.push_new(made)

    def new_with_keywords(self) -> None:
        """NEWOBJ_EX: only without any."""
        keywords = self.pop()
        if not isinstance(keywords, Box) or keywords.form != "dict" or keywords.count:
            raise self.harmful(Flaw.PICKLE_MAKES_WITH_KEYWORDS)
        self.new()
