"""Arguments under trial: what each may be, which is likelier by its name, and which of their lengths are one."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from inspect import Parameter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..model.call import Call
from ..model.targets import Asking, Path

# A dimension of an array, or an int itself: of what ("X",) or ("data", "x") leads to, a parameter or one of its keys.
Extent = tuple[Path, int]
Lengths = Mapping[Extent, int]
# How long an extent is: as long as a size (None: as nothing), and so much longer.
Made = tuple["Extent | None", int]


class Reading(NamedTuple):
    """One thing that an argument may be."""

    name: str  # what is said of it, with a place for each of its lengths
    make: Callable[..., Any]
    extents: int = 0
    kind: str = "value"  # or "array", "values" (an array that is no abstract one), "number", "length", "fields"

    @property
    def is_array(self) -> bool:
        return self.kind in ("array", "values")


def _array(dtype: type, dims: int) -> Reading:
    def make(*shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, jnp.result_type(dtype))

    places = ", ".join(["{}"] * dims)
    return Reading(f"{{{dtype.__name__}}}[{places}]", make, dims, "array" if dims else "number")


def _values(of: Callable[[Any, int], Any], dtype: type = int) -> Reading:
    def make(n: int, levels: int) -> Any:
        levels = max(levels, 1)
        return of(np.arange(n) % levels, levels)

    return Reading(f"{{{dtype.__name__}}}[{{}}]", make, 2, "values")


def value(x: Any) -> Reading:
    """This very value."""
    return Reading(repr(x), lambda: x)


VECTOR = _array(float, 1)
MATRIX = _array(float, 2)
CUBE = _array(float, 3)
FOUR = _array(float, 4)
INDEX = _array(int, 1)
COUNTS = _array(int, 2)
FLAGS = _array(bool, 1)
NUMBER = _array(float, 0)
WHOLE = _array(int, 0)
LIST = Reading("list", lambda: [NUMBER.make()])
INT = Reading("{}", lambda n: n, 1, "length")
FIELDS = Reading("", lambda: None, 0, "fields")
NONE = value(None)
TRUE = value(True)
FALSE = value(False)
NOT_GIVEN = Reading("not given", lambda: None)


def of_default(x: Any) -> Reading:
    """The reading of a parameter that was left to its default."""
    if isinstance(x, np.bool_):
        x = bool(x)
    for known in (NONE, TRUE, FALSE):
        if x is known.make():
            return known
    return value(x)


# For a model that asks for the values of an array: an index of so many levels, sorted, from 1, and so on.
VALUES = _values(lambda x, levels: x)
SORTED = _values(lambda x, levels: np.sort(x))
DESCENDING = _values(lambda x, levels: levels - 1 - x)
FROM_ONE = _values(lambda x, levels: x + 1)
NEGATIVE = _values(lambda x, levels: -1 - x)
FRACTIONS = _values(lambda x, levels: (x / levels - 0.5).astype(np.float32), float)
WITH_GAP = _values(lambda x, levels: np.where(x, x, np.nan).astype(np.float32), float)
OTHER_VALUES = (SORTED, DESCENDING, FROM_ONE, NEGATIVE, FRACTIONS, WITH_GAP)

DATA = (VECTOR, INDEX, NUMBER, MATRIX, COUNTS, FLAGS)


class Record(Asking):
    """Its keys are attributes, too, unless an array has one of that name; which there are, it does not tell."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or hasattr(jax.Array, name) or hasattr(np.ndarray, name):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __len__(self) -> int:
        return len(self["index"])  # of a frame: its rows

    def to_numpy(self) -> Any:
        return self["values"]

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("nothing tells which keys there are")

    __iter__ = __eq__ = keys = items = pop = copy = setdefault = _refuse  # type: ignore[assignment]
    __or__ = __ror__ = __ne__ = __reversed__ = _refuse  # type: ignore[assignment]
    values = property(to_numpy)  # type: ignore[assignment]  # of a column; calling it fails


def _flat(record: Record) -> tuple[list[Any], tuple[Any, ...]]:
    keys = tuple(dict.keys(record))
    return [(jax.tree_util.DictKey(key), record[key]) for key in keys], keys


def _from_flat(keys: tuple[Any, ...], values: Any) -> Record:
    return Record(dict(zip(keys, values)), (), {})


jax.tree_util.register_pytree_with_keys(Record, _flat, _from_flat)


# What names suggest, for the order of the trials only.
_DATA = "data|dataset|batch|d|df|frame"
_SUGGESTIONS = {
    r"y|Y|y_\w+|obs|labels?|outcomes?|targets?|values": (VECTOR, NONE),
    r"X(_\w+)?|Z|design\w*|features|covariates|basis|\w*matrix|\w*history": (MATRIX,),
    r"[A-Wnk]|steps|future|degree|order|horizon|length|[DN]_[A-Z]|(n|num|len|dim|size)_\w+|\w+_(dim|size|num)": (INT,),
    r"\w*(idx|index|code|group|county|subject|actor|block|student|item|player|team|region|label|id)s?": (INDEX,),
    r"(is|use|has|with|include|do)_\w+|\w*cent(e)?red|flag": (TRUE,),
    rf"hyper\w*|config|cfg|options|opts|params|settings|args|{_DATA}": (FIELDS,),
}
_ANNOTATIONS = {"int": INT, "bool": TRUE, "float": NUMBER, "dict": FIELDS}
_USUAL = (VECTOR, MATRIX, INDEX, INT, NUMBER, NONE, TRUE, FALSE, FIELDS, FLAGS, COUNTS, CUBE, FOUR)


def likely(path: Path, parameter: Parameter | None) -> Iterator[Reading]:
    """The readings to try for an argument, the likeliest first: by its default, its annotation, its name."""
    default = getattr(parameter, "default", Parameter.empty)
    if default is not Parameter.empty:
        yield NOT_GIVEN
    if type(default) is int:
        yield INT
        return
    if type(default) is bool:
        yield FALSE if default else TRUE
        return
    annotation = getattr(parameter, "annotation", None)
    type_name = str(getattr(annotation, "__name__", annotation))
    if type_name in _ANNOTATIONS:
        yield _ANNOTATIONS[type_name]
    for pattern, readings in _SUGGESTIONS.items():
        if re.fullmatch(pattern, str(path[-1])):
            yield from readings
            break
    if len(path) > 1 and not re.fullmatch(_DATA, str(path[-2])):
        yield NUMBER
    yield from _USUAL


@dataclass(frozen=True)
class Trial:
    """A reading of each argument that is given, and what is known of their lengths.

    ``lengths`` says of each extent how long it is. A *size* is named by the first extent that has it, and is free. So
    two trials that say the same are equal: `Trial.of` makes them.
    """

    readings: Mapping[Path, Reading]
    lengths: Mapping[Extent, Made]

    @classmethod
    def of(cls, readings: Mapping[Path, Reading], known: Mapping[Extent, tuple[Any, int]] = {}) -> Trial:
        """With what is known of lengths, whatever their sizes are called; what is not known is free."""
        names: dict[Any, Made] = {None: (None, 0)}
        lengths = {}
        for path, reading in readings.items():
            for i in range(reading.extents):
                size, more = known.get((path, i), ((path, i, "new"), 0))
                name, less = names.setdefault(size, ((path, i), more))
                lengths[path, i] = name, more - less
        return cls(readings, lengths)

    def size_of(self, extent: Extent) -> Extent | None:
        """The size that decides how long an extent is; None: a number does."""
        return self.lengths[extent][0]

    @property
    def with_values(self) -> list[Path]:
        return [path for path, reading in self.readings.items() if reading.kind == "values"]

    @functools.cached_property
    def sizes(self) -> list[Extent]:
        """The free sizes, shorter ones first: an index has to be longer than its number of levels."""
        rows = {self.size_of((path, 0)) for path in self.with_values}
        levels = {self.size_of((path, 1)) for path in self.with_values}
        free = [extent for extent in self.lengths if self.size_of(extent) == extent]
        return sorted(free, key=lambda size: (size in rows) * (2 - (size in levels)))

    @functools.cached_property
    def of_arrays(self) -> frozenset[Extent | None]:
        """The sizes that are dimensions of arrays."""
        extents = [extent for extent in self.lengths if self.readings[extent[0]].is_array]
        return frozenset(map(self.size_of, extents))

    @property
    def first_dimensions(self) -> list[Extent]:
        """Of the arrays."""
        return [(path, 0) for path, reading in self.readings.items() if reading.is_array]

    @functools.cached_property
    def leading(self) -> frozenset[Extent | None]:
        """The sizes that are the first dimension of an array."""
        return frozenset(map(self.size_of, self.first_dimensions))

    def __hash__(self) -> int:
        return hash((frozenset(self.readings.items()), frozenset(self.lengths.items())))

    def given(self, path: Path, reading: Reading) -> Trial:
        """With another reading of one argument; what was known of its own lengths stays, if it has as many."""
        before = self.readings.get(path)
        readings = {p: r for p, r in self.readings.items() if p == path or not _is_in(p, path)}
        readings[path] = reading
        dims = before.extents if before and before.is_array and reading.is_array else 0
        if dims and (dims == reading.extents or (dims == 1 and reading.kind == "values")):
            return Trial.of(readings, self.lengths)
        others = {extent: made for extent, made in self.lengths.items() if not _is_in(extent[0], path)}
        return Trial.of(readings, others)

    def with_tie(self, one: Extent, other: Extent | None, more: int) -> Trial | None:
        """With ``one`` as long as the other (None: nothing) plus ``more``; None if that is no news, or impossible."""
        mine, k = self.lengths[one]
        theirs, j = self.lengths[other] if other else (None, 0)
        if mine is None or mine == theirs or (theirs is None and j + more < 0):
            return None
        lengths = dict(self.lengths)
        for extent, (size, n) in self.lengths.items():
            if size == mine:
                lengths[extent] = theirs, n + j + more - k
        return Trial.of(self.readings, lengths)

    def of_one_length(self) -> Trial:
        """With all arrays of one length."""
        trial = self
        free = [extent for extent in self.first_dimensions if self.size_of(extent)]
        for extent in free[1:]:
            trial = trial.with_tie(extent, free[0], 0) or trial
        return trial

    def shape(self, path: Path, lengths: Lengths) -> list[int | None]:
        """How long the extents of an argument are with these lengths of the sizes; None where they do not tell."""
        shape: list[int | None] = []
        for i in range(self.readings[path].extents):
            size, more = self.lengths[path, i]
            length = lengths.get(size) if size else 0
            shape.append(None if length is None else length + more)
        return shape

    def call(self, bare: Call, lengths: Lengths) -> Call:
        """The call with these lengths of the sizes."""
        given = {path[0]: self._made(path, lengths) for path in self.readings if len(path) == 1}
        args = []
        for parameter in bare.parameters or ():
            if parameter.kind is Parameter.POSITIONAL_ONLY and parameter.name in given:
                args.append(given.pop(parameter.name))
        call = bare.with_arguments(tuple(args), given)
        return replace(call, mode="concrete" if self.with_values else "abstract")

    def _made(self, path: Path, lengths: Lengths) -> Any:
        """An argument, or what it holds under a key."""
        reading = self.readings[path]
        if reading is not FIELDS:
            shape = [max(n or 0, 0) for n in self.shape(path, lengths)]
            return reading.make(*shape)
        fields = {inner[-1]: self._made(inner, lengths) for inner in self.readings if inner[:-1] == path}
        return Record(fields, path, {})

    def described(self, lengths: Lengths) -> tuple[str, ...]:
        """``X: float32[1000, 3]`` for each argument, with a question mark for a length that is not told."""
        dtypes = {kind.__name__: jnp.result_type(kind) for kind in (float, int, bool)}
        found = []
        for path, reading in self.readings.items():
            shape = ["?" if n is None else n for n in self.shape(path, lengths)]
            if reading.name:
                found.append(f"{text_of(path)}: {reading.name.format(*shape, **dtypes)}")
        return tuple(found)


def _is_in(path: Path, outer: Path) -> bool:
    return path[: len(outer)] == outer


def text_of(path: Path) -> str:
    """``data['x']``, as `Call` names it."""
    text = str(path[0])
    for key in path[1:]:
        text += f"[{key!r}]"
    return text
