"""The constants that the code of a model mentions: the values on which it can branch.

A search that varies an option cannot try every string or number; those that the code compares with stand in it.
"""

from __future__ import annotations

import dis
import enum
import functools
import itertools
import os
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpyro.primitives import Messenger

# Functions that are read before the search gives up: a model with more helpers than this is a program.
_MOST_FUNCTIONS = 300
_LONGEST_OPTION = 40

_TYPE_TESTS = frozenset({"isinstance", "issubclass", "type", "__class__", "hasattr", "callable", "isscalar"})

_LIBRARIES = (
    os.path.dirname(os.path.abspath(__file__)),
    *{sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")},
)


@dataclass(frozen=True)
class Constants:
    """What the code of a model mentions, its helpers and the tables that it looks things up in included.

    ``complete`` tells whether all of its code could be read.
    """

    numbers: tuple[float, ...]  # int and float, in order
    strings: tuple[str, ...]
    members: tuple[enum.Enum, ...]
    functions: tuple[Callable[..., Any], ...]  # as `jnp.exp`, for a model that is passed one
    tests_none: bool  # whether something is compared with None
    tests_types: bool  # whether it asks for the type of something
    complete: bool

    @property
    def integers(self) -> tuple[int, ...]:
        return tuple(x for x in self.numbers if isinstance(x, int))


def constants_of(model: Callable[..., Any]) -> Constants:
    """The constants that the code of a model mentions."""
    reader = _Reader(model)
    reader.read()
    numbers = sorted(reader.numbers, key=lambda x: (x, isinstance(x, float)))
    functions = tuple(reader.functions.values())
    found = tuple(numbers), tuple(reader.strings), tuple(reader.members), functions
    return Constants(*found, reader.tests_none, reader.tests_types, reader.complete)


def unwrap(model: Any) -> Iterator[Any]:
    """The callables inside one another: a partial's function, a handler's, a method's, a decorated one's."""
    while model is not None:
        yield model
        if isinstance(model, functools.partial):
            model = model.func
        elif isinstance(model, Messenger):
            model = model.fn
        else:
            model = getattr(model, "__func__", None) or getattr(model, "__wrapped__", None)


class _Reader:
    def __init__(self, model: Any):
        self.numbers: set[float] = set()
        self.strings: dict[str, None] = {}
        self.members: dict[enum.Enum, None] = {}
        self.functions: dict[int, Callable[..., Any]] = {}
        self.tests_none = self.tests_types = False
        self.complete = True
        self._pending: list[Any] = [model]
        self._seen: set[int] = set()
        self._kept: list[Any] = []  # that an id stays what it is
        self._package = _package(list(unwrap(model))[-1])

    def read(self) -> None:
        while self._pending:
            thing = self._pending.pop()
            if id(thing) in self._seen:
                continue
            if len(self._seen) > 50 * _MOST_FUNCTIONS:
                self.complete = False
                return
            self._seen.add(id(thing))
            self._kept.append(thing)
            self._read(thing)

    def _read(self, thing: Any) -> None:
        if isinstance(thing, enum.Enum):
            self._pending.append(type(thing))
        elif isinstance(thing, (bool, type(None))):
            pass
        elif isinstance(thing, (int, float, np.integer, np.floating)):
            self.numbers.add(int(thing) if isinstance(thing, (int, np.integer)) else float(thing))
        elif isinstance(thing, str):
            if 0 < len(thing) <= _LONGEST_OPTION:
                self.strings[thing] = None
        elif isinstance(thing, (tuple, list, set, frozenset)):
            self._pending += list(thing)[:_MOST_FUNCTIONS]
        elif isinstance(thing, dict):
            self._pending += [x for item in list(thing.items())[:_MOST_FUNCTIONS] for x in item]
        elif isinstance(thing, types.ModuleType):
            pass  # read by the names that the code asks of it
        elif isinstance(thing, type):
            self._read_class(thing)
        elif callable(thing):
            self._read_callable(thing)

    def _read_class(self, cls: type) -> None:
        if self._is_library(cls):
            return
        if issubclass(cls, enum.Enum):
            for member in cls:
                self.members[member] = None
                self._pending.append(member.value)
            return
        self._pending += [x for name, x in vars(cls).items() if callable(getattr(x, "__func__", x)) or name == "fget"]
        self._pending += [x.fget for x in vars(cls).values() if isinstance(x, property)]

    def _read_callable(self, fn: Any) -> None:
        if isinstance(fn, functools.partial):
            self._pending += [fn.func, fn.args, fn.keywords]
            return
        if isinstance(fn, Messenger):
            self._pending.append(fn.fn)
            return
        if inner := getattr(fn, "__func__", None) or getattr(fn, "__wrapped__", None):
            self._pending.append(inner)
            if owner := getattr(fn, "__self__", None):
                self._pending.append(type(owner))
        if self._is_library(fn):
            return
        if not isinstance(fn, types.FunctionType):
            if not inner:
                self._pending.append(type(fn))
            return
        for cell in fn.__closure__ or ():
            try:
                self._pending.append(cell.cell_contents)
            except ValueError:  # not filled yet
                continue
        self._pending += [fn.__defaults__ or (), fn.__kwdefaults__ or {}]
        self._pending += [x for x in fn.__annotations__.values() if isinstance(x, type) or hasattr(x, "__args__")]
        self._pending += [x.__args__ for x in fn.__annotations__.values() if hasattr(x, "__args__")]
        self._read_code(fn.__code__, fn.__globals__, fn.__doc__)

    def _read_code(self, code: types.CodeType, names: dict[str, Any], doc: str | None = None) -> None:
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._read_code(constant, names)
            elif constant is not doc:
                self._pending.append(constant)
        for before, instruction in itertools.pairwise(dis.get_instructions(code)):
            compared = instruction.opname in ("IS_OP", "COMPARE_OP") and before.argval is None
            self.tests_none |= compared or instruction.opname.endswith("_NONE")
            self.tests_types |= instruction.opname.startswith("MATCH_")
        self.tests_types |= not _TYPE_TESTS.isdisjoint(code.co_names)
        for name in code.co_names:
            value = names.get(name)
            self._pending.append(value)
            if isinstance(value, types.ModuleType):
                attributes = [vars(value).get(other) for other in code.co_names]
                if self._is_library(value):
                    functions = [x for x in attributes if callable(x) and not isinstance(x, type)]
                    self.functions.update({id(x): x for x in functions})
                else:
                    self._pending += attributes
            elif callable(value) and not isinstance(value, type):
                self.functions[id(value)] = value

    def _is_library(self, thing: Any) -> bool:
        """Whether it is installed code, and not of the package that the model comes from."""
        name = thing.__name__ if isinstance(thing, types.ModuleType) else getattr(thing, "__module__", None)
        if name is None or name.partition(".")[0] == self._package:
            return name is None
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        return module is not None and (file is None or file.startswith(_LIBRARIES))


def _package(model: Any) -> str:
    return str(getattr(model, "__module__", None) or type(model).__module__).partition(".")[0]
