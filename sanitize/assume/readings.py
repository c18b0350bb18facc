"""What an argument may be: how many lengths it has, how a value is made of them, and which is likelier by its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from inspect import Parameter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..model.targets import Asking

Path = tuple[Any, ...]  # ("X",) is a parameter, ("data", "x") what a parameter holds under a key
Axis = tuple[Path, int]  # a dimension of an array; of an int, the int itself


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
    def make(n: int, levels: int) -> Any:
        with np.errstate(all="ignore"):  # of no levels, NumPy warns
            return of(np.arange(n) % levels, levels)

    return Reading(name, make, 2, "values")


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
    __hash__ = None  # type: ignore[assignment]
    values = property(lambda self: self["values"])  # type: ignore[assignment]  # of a column; calling it fails


jax.tree_util.register_pytree_with_keys(
    Record,
    lambda record: ([(jax.tree_util.DictKey(k), v) for k, v in dict.items(record)], tuple(dict.keys(record))),
    lambda keys, values: Record(dict(zip(keys, values)), (), {}),
)


# What names suggest, for the order of the trials only.
_DATA = "data|dataset|batch|d|df|frame"
_SUGGESTIONS: tuple[tuple[str, tuple[Reading, ...]], ...] = (
    (r"y|Y|y_\w+|obs|labels?|outcomes?|targets?|values", (VECTOR, NONE)),
    (r"X(_\w+)?|Z|design\w*|features|covariates|basis|\w*matrix|\w*history", (MATRIX,)),
    (
        r"n|k|steps|future|degree|order|horizon|length|[A-W]|[DN]_[A-Z]|(n|num|len|dim|size)_\w+|\w+_(dim|size|num)",
        (INT,),
    ),
    (r"\w*(idx|index|code|group|county|subject|actor|block|student|item|player|team|region|label|id)s?", (INDEX,)),
    (r"(is|use|has|with|include|do)_\w+|\w*cent(e)?red|flag", (TRUE,)),
    (rf"hyper\w*|config|cfg|options|opts|params|settings|args|{_DATA}", (FIELDS,)),
)
_ANNOTATIONS = {"int": INT, "bool": TRUE, "float": NUMBER, "dict": FIELDS}
_USUAL = (VECTOR, MATRIX, INDEX, INT, NUMBER, NONE, TRUE, FALSE, FIELDS, FLAGS, COUNTS, CUBE)


def likely(path: Path, parameter: Parameter | None) -> Iterator[Reading]:
    """What an argument is tried as, the likeliest first: by its default, its annotation, its name."""
    if parameter is not None and parameter.default is not parameter.empty:
        yield NOT_GIVEN
        if type(parameter.default) in (bool, int):
            yield INT if type(parameter.default) is int else FALSE if parameter.default else TRUE
            return
    annotation = None if parameter is None else parameter.annotation
    annotated = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    if annotated in _ANNOTATIONS:
        yield _ANNOTATIONS[annotated]
    yield from next((r for pattern, r in _SUGGESTIONS if re.fullmatch(pattern, str(path[-1]))), ())
    if len(path) > 1 and not re.fullmatch(_DATA, str(path[-2])):
        yield NUMBER
    yield from _USUAL
