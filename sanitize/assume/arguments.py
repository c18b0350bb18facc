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

# of the path ("X",) to a parameter, or ("data", "x") to what one holds under a key: a dimension, or an int itself
Axis = tuple[Path, int]
Lengths = Mapping[Axis, int]
Group = Mapping["Axis | None", int]


class Reading(NamedTuple):
    """One thing that an argument may be."""

    name: str
    make: Callable[..., Any]
    sizes: int = 0
    kind: str = "value"  # or "array", "values" (an array that is no abstract one), "number", "length", "fields"

    @property
    def is_array(self) -> bool:
        return self.kind in ("array", "values")


def _array(name: str, dtype: Any, dims: int) -> Reading:
    kind = "array" if dims else "number"
    return Reading(name, lambda *shape: jax.ShapeDtypeStruct(shape, jnp.result_type(dtype)), dims, kind)


def _values(name: str, of: Callable[[Any, int], Any]) -> Reading:
    return Reading(name, lambda n, levels: of(np.arange(n) % max(levels, 1), max(levels, 1)), 2, "values")


def value(x: Any) -> Reading:
    """This very value."""
    return Reading(repr(x), lambda: x)


VECTOR, MATRIX, CUBE = (_array(f"{n}-dimensional", float, n) for n in (1, 2, 3))
INDEX, COUNTS = (_array(f"integers, {n}-dimensional", int, n) for n in (1, 2))
FLAGS = _array("flags", bool, 1)
NUMBER, WHOLE = _array("number", float, 0), _array("whole number", int, 0)
LIST = Reading("list", lambda: [NUMBER.make()])
INT = Reading("int", lambda n: n, 1, "length")
FIELDS = Reading("dict", lambda: None, 0, "fields")
NONE, TRUE, FALSE = value(None), value(True), value(False)
NOT_GIVEN = Reading("not given", lambda: None)

# For a model that asks for the values of an array: an index has so many levels.
VALUES = _values("index of so many levels", lambda x, levels: x)
OTHER_VALUES = (
    _values("sorted index", lambda x, levels: np.sort(x)),
    _values("descending index", lambda x, levels: levels - 1 - x),
    _values("index from 1", lambda x, levels: x + 1),
    _values("negative index", lambda x, levels: -1 - x),
    _values("fractions", lambda x, levels: (x / levels - 0.5).astype(np.float32)),
    _values("numbers with a gap", lambda x, levels: np.where(x, x, np.nan).astype(np.float32)),
)

DATA = (VECTOR, INDEX, NUMBER, MATRIX, COUNTS, FLAGS)
WITH_ONE_MORE_DIMENSION = {VECTOR: MATRIX, MATRIX: CUBE, INDEX: COUNTS}


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
    values = property(lambda self: self["values"])  # type: ignore[assignment]  # of a column; calling it fails


jax.tree_util.register_pytree_with_keys(
    Record,
    lambda record: ([(jax.tree_util.DictKey(k), v) for k, v in dict.items(record)], tuple(dict.keys(record))),
    lambda keys, values: Record(dict(zip(keys, values)), (), {}),
)


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
_USUAL = (VECTOR, MATRIX, INDEX, INT, NUMBER, NONE, TRUE, FALSE, FIELDS, FLAGS, COUNTS, CUBE)


def likely(path: Path, parameter: Parameter | None) -> Iterator[Reading]:
    """What an argument is tried as, the likeliest first: by its default, its annotation, its name."""
    if parameter is not None and parameter.default is not parameter.empty:
        yield NOT_GIVEN
        if type(parameter.default) in (bool, int):
            yield INT if type(parameter.default) is int else FALSE if parameter.default else TRUE
            return
    annotation = getattr(parameter, "annotation", None)
    if reading := _ANNOTATIONS.get(str(getattr(annotation, "__name__", annotation))):
        yield reading
    yield from next((r for pattern, r in _SUGGESTIONS.items() if re.fullmatch(pattern, str(path[-1]))), ())
    if len(path) > 1 and not re.fullmatch(_DATA, str(path[-2])):
        yield NUMBER
    yield from _USUAL


@dataclass(frozen=True)
class Trial:
    """A reading of each argument that is given, and what is known of their lengths.

    ``groups`` are axes of one length, but for a number that each has on top; None among them stands for zero, so that
    the others are just numbers. A *size* is the first axis of a group: it decides how long the others are.
    """

    readings: Mapping[Path, Reading]
    groups: tuple[Group, ...] = ()

    def _group(self, axis: Axis) -> Group:
        return next((group for group in self.groups if axis in group), {axis: 0})

    def made_of(self, axis: Axis) -> tuple[Axis | None, int]:
        """The size that decides how long an axis is (None: a number does), and how much longer it is."""
        group = self._group(axis)
        size = None if None in group else next(other for other in self.axes if other in group)
        return size, group[axis] - group[size]

    def size_of(self, axis: Axis) -> Axis | None:
        return self.made_of(axis)[0]

    @functools.cached_property
    def axes(self) -> list[Axis]:
        return [(path, i) for path, reading in self.readings.items() for i in range(reading.sizes)]

    @functools.cached_property
    def sizes(self) -> list[Axis]:
        """Those that are free, shorter ones first: an index has to be longer than it has levels."""
        free = dict.fromkeys(size for axis in self.axes if (size := self.size_of(axis)) is not None)
        indices = [path for path, reading in self.readings.items() if reading.kind == "values"]
        rows, levels = ({self.size_of((path, i)) for path in indices} for i in (0, 1))
        return sorted(free, key=lambda size: (size in rows) * (2 - (size in levels)))

    @functools.cached_property
    def leading(self) -> frozenset[Axis]:
        """The sizes that are the first dimension of an array."""
        arrays = [path for path, reading in self.readings.items() if reading.is_array]
        return frozenset(size for path in arrays if (size := self.size_of((path, 0))) is not None)

    @functools.cached_property
    def identity(self) -> Any:
        """What tells it from others."""
        readings = frozenset((path, reading.name) for path, reading in self.readings.items())
        return readings, frozenset((axis, self.made_of(axis)) for axis in self.axes)

    def given(self, path: Path, reading: Reading) -> Trial:
        """With another reading of one argument; what was known of its own lengths stays, if it has as many."""
        before = self.readings.get(path)
        readings = {p: r for p, r in self.readings.items() if p[: len(path)] != path or p == path}
        readings[path] = reading
        dims = before.sizes if before is not None and before.is_array and reading.is_array else 0
        if dims and (dims == reading.sizes or (dims == 1 and reading.kind == "values")):
            return Trial(readings, self.groups)
        left = ({a: k for a, k in g.items() if a is None or a[0][: len(path)] != path} for g in self.groups)
        return Trial(readings, tuple(group for group in left if len(group) > 1))

    def tied(self, one: Axis, other: Axis | None, more: int) -> Trial | None:
        """With ``one`` as long as the other plus ``more``; None if that is no news, or impossible."""
        zero: Group = {None: 0}
        mine, theirs = self._group(one), zero if other is None else self._group(other)
        if None in mine or one in theirs:
            return None
        together = {**theirs, **{axis: k - mine[one] + theirs[other] + more for axis, k in mine.items()}}
        if together[one] < together.get(None, together[one]):
            return None
        return replace(self, groups=(*(g for g in self.groups if g not in (mine, theirs)), together))

    def of_one_length(self) -> Trial:
        """With all arrays of one length."""
        arrays = [(path, 0) for path, r in self.readings.items() if r.is_array and self.size_of((path, 0)) is not None]
        return functools.reduce(lambda trial, axis: trial.tied(axis, arrays[0], 0) or trial, arrays[1:], self)

    def shape(self, path: Path, lengths: Lengths) -> list[int | None]:
        """How long the axes of an argument are with these lengths of the sizes; None where they do not tell."""
        made_of = [self.made_of((path, i)) for i in range(self.readings[path].sizes)]
        return [more if s is None else lengths[s] + more if s in lengths else None for s, more in made_of]

    def call(self, bare: Call, lengths: Lengths) -> Call:
        """The call with these lengths of the sizes."""

        def make(path: Path) -> Any:
            reading = self.readings[path]
            if reading is FIELDS:
                return Record({p[-1]: make(p) for p in self.readings if p[:-1] == path and len(p) > 1}, path, {})
            return reading.make(*(max(n or 0, 0) for n in self.shape(path, lengths)))

        given = {path[0]: make(path) for path in self.readings if len(path) == 1}
        positional = [p.name for p in bare.parameters or () if p.kind is p.POSITIONAL_ONLY]
        args = tuple(given.pop(name) for name in positional if name in given)
        with_values = any(reading.kind == "values" for reading in self.readings.values())
        return replace(bare.with_arguments(args, given), mode="concrete" if with_values else "abstract")

    def described(self, sizes: Lengths) -> tuple[str, ...]:
        """``X: float32[1000, 3]`` for each argument, with a question mark for a length that is not told."""

        def text(path: Path, reading: Reading) -> str:
            lengths = ["?" if n is None else str(n) for n in self.shape(path, sizes)]
            if reading.kind in ("value", "length"):
                return lengths[0] if lengths else reading.name
            dtype = jax.dtypes.canonicalize_dtype(reading.make(*(1 for _ in lengths)).dtype)
            return f"{dtype}[{', '.join(lengths[:1] if reading.kind == 'values' else lengths)}]"

        return tuple(f"{text_of(path)}: {text(path, r)}" for path, r in self.readings.items() if r is not FIELDS)


def text_of(path: Path) -> str:
    """``data['x']``, as `Call` names it."""
    return str(path[0]) + "".join(f"[{key!r}]" for key in path[1:])
