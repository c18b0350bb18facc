"""What of the arguments has a length, and the same call with other lengths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from .call import Call, abstract, is_array, is_integer, is_value_list, shape_of


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
        for dim, length in enumerate(shape_of(leaf)):
            if length > 0 or has_no_values(call, leaf):
                yield Axis(i, dim, length, _name_of(leaf, name, dim), "later" if dim else "leading")


def levels_of(call: Call) -> Iterator[Axis]:
    """How many different values the columns of text and of integers have, where the model sees values."""
    for i, (leaf, name) in enumerate(zip(call.leaves, call.names)):
        if has_no_values(call, leaf):
            continue
        for column, values in _columns(leaf).items():
            if (levels := _levels(values)) > 0:
                what = name if column is None else f"{name}[{column!r}]"
                yield Axis(i, column, levels, f"levels of {what}", "levels")


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
            new = _with_levels(leaf, axis.dim, length)
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


def _name_of(leaf: Any, name: str, dim: int) -> str:
    if hasattr(leaf, "isel"):
        return f"{name}.sizes[{list(leaf.sizes)[dim]!r}]"
    if hasattr(leaf, "columns"):
        return f"{name}.columns" if dim else f"len({name})"
    if isinstance(leaf, list):
        return f"len({name}{'[0]' * dim})"
    return f"{name}[{dim}]"


def taken(leaf: Any, dim: int, index: Any) -> Any:
    """An argument with these of its rows, or columns."""
    if hasattr(leaf, "isel"):
        return leaf.isel({list(leaf.sizes)[dim]: index})
    if hasattr(leaf, "iloc"):
        if dim == 0:
            rows = leaf.iloc[index]  # numbers that only count the rows stay different ones
            return rows.reset_index(drop=True) if type(leaf.index).__name__ == "RangeIndex" else rows
        columns = leaf.iloc[:, index]
        again = np.diff(index, prepend=-1) == 0
        columns.columns = [f"{name}~{j}" if again[j] else name for j, name in enumerate(columns.columns)]
        return columns
    if isinstance(leaf, list):
        return [taken(value, dim - 1, index) for value in leaf] if dim else [leaf[i] for i in index]
    return leaf[(slice(None),) * dim + (index,)]


def _columns(leaf: Any) -> Mapping[Any, Any]:
    """The columns of an argument that may be labels or codes, as arrays; its own values are column None."""
    if hasattr(leaf, "data_vars"):
        found = {name: leaf[name] for name in leaf.data_vars}
    elif hasattr(leaf, "columns"):
        found = {name: leaf[name] for name in leaf.columns}
    elif isinstance(leaf, np.ndarray) or is_array(leaf) or hasattr(leaf, "iloc") or hasattr(leaf, "isel"):
        found = {None: leaf}
    else:
        found = {None: np.asarray(leaf)} if is_value_list(leaf) and len(shape_of(leaf)) == 1 else {}
    arrays = {name: np.asarray(column) for name, column in found.items() if column.dtype.kind in "iuOSU"}
    return {name: array for name, array in arrays.items() if array.ndim and array.size and array.dtype.kind in "iuOSU"}


def _levels(values: Any) -> int:
    try:
        return len(set(values.ravel().tolist()))
    except TypeError:  # objects without a hash are no labels
        return 0


def _with_levels(leaf: Any, column: Any, levels: int) -> Any:
    """Repeated values become new ones, the last first, so that no old value is lost."""
    old = _columns(leaf)[column]
    seen: set[Any] = set()
    repeated = [i for i, v in enumerate(old.ravel().tolist()) if v in seen or seen.add(v)]  # type: ignore[func-returns-value]
    missing = levels - len(seen)
    if missing > len(repeated):
        return None
    values = old.ravel().astype(object)
    for j in range(missing):
        values[repeated[-1 - j]] = int(max(seen)) + 1 + j if old.dtype.kind in "iu" else f"~{j}"
    values = values.reshape(old.shape)
    if old.dtype.kind != "O":
        values = np.asarray(values.tolist(), old.dtype if old.dtype.kind in "iu" else None)
    return with_levels(leaf, column, values)


def with_levels(leaf: Any, column: Any, values: Any) -> Any:
    """An argument with other values in a column; its own values are column None."""
    if isinstance(leaf, list):
        return values.tolist()
    if hasattr(leaf, "data_vars") or hasattr(leaf, "columns"):
        table = leaf.copy()
        table[column] = like(leaf[column], values)
        return table
    return like(leaf, values)


def like(column: Any, values: Any) -> Any:
    """A column of the same kind, of other values."""
    if hasattr(column, "isel"):
        return column.copy(data=values)
    if hasattr(column, "iloc"):
        new = type(column)(values, index=column.index, name=column.name)
        return new.astype("category") if hasattr(column.dtype, "categories") else new
    return values
