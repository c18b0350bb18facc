"""What an argument may be: how many lengths it has, and how a value is made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

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


def _array(dtype: Any) -> Callable[..., Any]:
    return lambda *shape: jax.ShapeDtypeStruct(shape, jnp.result_type(dtype))


def _values(name: str, of: Callable[[Any, int], Any]) -> Reading:
    return Reading(name, lambda n, levels: of(np.arange(n) % levels, levels), 2, "values")


def value(x: Any) -> Reading:
    """This very value."""
    return Reading(repr(x), lambda: x)


VECTOR = Reading("vector", _array(float), 1, "array")
MATRIX = Reading("matrix", _array(float), 2, "array")
CUBE = Reading("three-dimensional array", _array(float), 3, "array")
INDEX = Reading("index", _array(int), 1, "array")
COUNTS = Reading("integer matrix", _array(int), 2, "array")
FLAGS = Reading("flags", _array(bool), 1, "array")
NUMBER = Reading("number", _array(float), 0, "number")
WHOLE = Reading("whole number", _array(int), 0, "number")
LIST = Reading("list", lambda: [_array(float)()])
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


class Record(dict[Any, Any]):
    """A dict, a frame, an object: its keys are attributes, too, unless an array has one of that name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or hasattr(jax.Array, name):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    values = property(lambda self: self["values"])  # type: ignore[assignment]  # of a column; calling it fails


jax.tree_util.register_pytree_with_keys(
    Record,
    lambda record: ([(jax.tree_util.DictKey(key), record[key]) for key in record], tuple(record)),
    lambda keys, values: Record(zip(keys, values)),
)
