"""What of the arguments has a length, and the same call with other lengths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from . import argument
from .argument import abstract, is_array, is_integer
from .call import Call


@dataclass(frozen=True)
class Axis:
    """Something that has a length: an axis of an argument, an integer, or the different values of a column.

    Attributes
    ----------
    leaf : int
        Which argument of the call.
    dim : int, str, or None
        The dimension of an array; the column whose levels these are, None where the argument is the column.
    length : int
        How long it is, how large, how many.
    name : str
        In words: ``"X[0]"``, ``"J"``, ``"levels of g"``, ``"len(labels)"``.
    kind : str
        ``"leading"``, ``"later"``, ``"integer"`` or ``"levels"``.
    """

    leaf: int
    dim: Any
    length: int
    name: str
    kind: str

    @property
    def is_of_array(self) -> bool:
        return self.kind in ("leading", "later")


def with_defaults(call: Call) -> Call:
    """The call with integers that were left to their defaults: they may be the number of something."""
    args, kwargs = call.arguments()
    for i, p in enumerate(call.parameters or ()):
        passed = p.name in kwargs or (i < len(args) and p.kind is not p.KEYWORD_ONLY)
        by_name = p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        if by_name and not passed and is_integer(p.default) and p.default > 1:
            call = call.with_keyword(p.name, p.default)
    return call


def lengths_of(call: Call) -> Iterator[Axis]:
    """The axes of the arguments, and the integers."""
    for i, (leaf, name) in enumerate(zip(call.leaves, call.names)):
        if is_integer(leaf) and leaf >= 0:
            yield Axis(i, None, int(leaf), name, "integer")
        known = argument.of(leaf)
        for dim, length in enumerate(known.shape):
            if length > 0 or has_no_values(call, leaf):
                yield Axis(i, dim, length, known.axis_name(name, dim), "later" if dim else "leading")


def levels_of(call: Call) -> Iterator[Axis]:
    """How many different values the columns of text and of integers have, where the model sees values."""
    for i, (leaf, name) in enumerate(zip(call.leaves, call.names)):
        if has_no_values(call, leaf):
            continue
        for column, values in argument.of(leaf).columns.items():
            if values.levels:
                what = argument.column_name(name, column)
                yield Axis(i, column, values.levels, f"levels of {what}", "levels")


def has_no_values(call: Call, leaf: Any) -> bool:
    """Whether the model gets shape and dtype of this argument only: any length costs the same."""
    return isinstance(leaf, jax.ShapeDtypeStruct) or (call.mode == "abstract" and is_array(leaf))


def resized(call: Call, lengths: Iterable[tuple[Axis, int]]) -> Call | None:
    """The call with these lengths; None where a column has too few values for so many levels."""
    changes: dict[int, Any] = {}
    for axis, length in sorted(lengths, key=lambda pair: pair[0].kind == "levels"):  # new levels among the new rows
        leaf = changes.get(axis.leaf, call.leaves[axis.leaf])
        if axis.kind == "integer":
            new = type(leaf)(length)
        elif axis.kind == "levels":
            known = argument.of(leaf)
            values = known.columns[axis.dim].with_levels(length)
            new = None if values is None else known.with_columns({axis.dim: values})
        elif has_no_values(call, leaf):
            shape = (*leaf.shape[: axis.dim], length, *leaf.shape[axis.dim + 1 :])
            new = jax.ShapeDtypeStruct(shape, abstract(leaf).dtype)
        else:
            # the same values in the same order, so that an index stays valid and times stay sorted
            new = taken(leaf, axis.dim, np.arange(length) * axis.length // max(length, 1))
        if new is None:
            return None
        changes[axis.leaf] = new
    return call.with_leaves(changes)


def taken(leaf: Any, dim: int, index: Any) -> Any:
    """As `argument.of` has it."""
    return argument.of(leaf).taken(dim, index)


def with_levels(leaf: Any, column: Any, values: Any) -> Any:
    """As `argument.of` has it."""
    return argument.of(leaf).with_columns({column: values})


def like(column: Any, values: Any) -> Any:
    """As `argument.of` has it."""
    return argument.of(column).like(values)
