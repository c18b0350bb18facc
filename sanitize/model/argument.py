"""What an argument of a model is: each kind is one class, and `of` is the one door to them.

A new kind is a class and a line in `of`. Who asks for the length, the columns or the labels of an argument asks here,
so that all else knows neither pandas nor xarray.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np

from ..kinds import Shape

Names = list[Any]

_MAY_BE_LABELS = "iuOSU"  # kinds of dtypes: integers, objects, text
_TEXT = "OSUT"
_NUMBERS = "iufM"  # and dates
_SCALARS = (bool, int, float, complex, str)


def of(value: Any) -> Argument:
    """The kind of an argument, or of a dict among the arguments."""
    if isinstance(value, (np.ndarray, jax.Array, jax.ShapeDtypeStruct)):
        return Array(value)
    if is_value_list(value):
        return ValueList(value)
    if isinstance(value, dict):
        return Keys(value)
    if hasattr(value, "data_vars"):
        return LabelledTable(value)
    if hasattr(value, "isel"):
        return LabelledArray(value)
    if hasattr(value, "iloc"):
        return Frame(value) if hasattr(value, "columns") else Series(value)
    return Argument(value)


class Order(NamedTuple):
    """Names that an argument has in an order: its keys, columns, categories, or labels along a dimension."""

    where: str  # in the argument: "['g']" for the categories of a column, else ""
    what: str
    names: Names
    reordered: Callable[[Names], Any]  # the argument with the same names in another order
    renamed: Callable[[Names], Any] | None  # the argument with other names in their places; None: they have none


@dataclass(frozen=True)
class Argument:
    """An argument without a length: a number, text, None, an object of the user."""

    value: Any

    is_table: ClassVar[bool] = False  # its columns have names
    is_labelled: ClassVar[bool] = False  # its dimensions may have names and labels

    @property
    def shape(self) -> Shape:
        return ()

    @property
    def dtype(self) -> Any:
        """The dtype of NumPy, JAX or pandas; None if there is none."""
        return getattr(self.value, "dtype", None)

    @property
    def kind(self) -> str:
        """The kind of the dtype, as NumPy has it; a dash where there is none."""
        return getattr(self.dtype, "kind", "-")

    @property
    def array(self) -> np.ndarray:
        return np.asarray(self.value)

    @property
    def description(self) -> str:
        """Shape and dtype of an array, the type of all else."""
        if self.dtype is None:
            is_number = isinstance(self.value, (bool, int, float))
            return repr(self.value) if self.value is None or is_number else type(self.value).__name__
        shape = np.shape(self.value)
        if self.kind not in _TEXT:
            return f"{shape} {self.dtype}"
        return f"{getattr(self.dtype, 'str', self.dtype)[1:]} {shape}"

    def axis_name(self, name: str, dim: int) -> str:
        """One of its axes, in words."""
        return f"{name}[{dim}]"

    def taken(self, dim: int, index: Any) -> Any:
        """The argument with these of its rows, or columns."""
        return self.value[(slice(None),) * dim + (index,)]

    # ----------------------------------------------------------------------------------------------- columns

    @property
    def columns(self) -> Mapping[Any, Argument]:
        """The columns of a table by name; what has a length and is no table is one column, called None."""
        if self.is_table:
            return {name: of(column) for name, column in self.value.items()}
        return {None: self} if self.shape else {}

    def with_columns(self, changes: Mapping[Any, np.ndarray]) -> Any:
        """The argument with other values in these columns."""
        if not self.is_table:
            return self.like(changes[None]) if changes else self.value
        table = self.value.copy()
        for name, values in changes.items():
            table[name] = self.columns[name].like(values)
        return table

    def like(self, values: np.ndarray) -> Any:
        """A column of the same kind, of other values."""
        return values

    def row_labels(self, dim: int) -> Argument | None:
        """The labels along a dimension, if a model may compute with them, as with dates and years."""
        labels = self.labels(dim)
        return None if labels is None or labels.dtype.kind not in _NUMBERS else of(labels)

    def with_row_labels(self, dim: int, labels: np.ndarray) -> Any:
        """The argument with other labels along a dimension."""
        return self.value

    @property
    def codes(self) -> np.ndarray:
        """What a model picks by: the codes of categories, else the values."""
        return np.asarray(self.value.cat.codes) if self.categories else self.array

    @property
    def categories(self) -> Names:
        return list(getattr(self.dtype, "categories", ()))

    @property
    def text(self) -> list[str]:
        """The values of a column of text; empty where it holds anything else."""
        if self.kind not in _TEXT or len(self.shape) != 1 or self.categories:
            return []
        values = self.array.tolist()
        return values if all(isinstance(value, str) for value in values) else []

    @property
    def levels(self) -> int:
        """How many different labels or codes a column has; 0 where it holds anything else."""
        if self.kind not in _MAY_BE_LABELS:
            return 0
        values = self.array
        if values.dtype.kind not in _MAY_BE_LABELS:  # of categories
            return 0
        try:
            return len(set(values.ravel().tolist()))
        except TypeError:  # objects without a hash are no labels
            return 0

    def with_levels(self, levels: int) -> np.ndarray | None:
        """The values of a column, of so many levels; None where there are too few rows.

        Repeated values become new ones, the last first, so that no old one is lost.
        """
        old = self.array
        values = old.ravel().astype(object)
        seen, repeated = set[Any](), []
        for i, value in enumerate(old.ravel().tolist()):
            if value in seen:
                repeated.append(i)
            seen.add(value)
        missing = levels - len(seen)
        if missing > len(repeated):
            return None
        are_numbers = old.dtype.kind in "iu"
        for j in range(missing):
            values[repeated[-1 - j]] = int(max(seen)) + 1 + j if are_numbers else f"~{j}"
        if old.dtype.kind != "O":
            values = np.asarray(values.tolist(), old.dtype if are_numbers else None)
        return values.reshape(old.shape)

    # ------------------------------------------------------------------------------------------------ labels

    def dim_name(self, dim: int) -> Any:
        """What the argument calls one of its dimensions; None: nothing."""
        return None

    def labels(self, dim: int) -> np.ndarray | None:
        """What stands along a dimension; None: nothing."""
        return None

    def orders(self) -> Iterator[Order]:
        """All that the argument has in an order."""
        yield from ()


class Array(Argument):
    """An array of NumPy's or JAX's, or shape and dtype of one."""

    @property
    def shape(self) -> Shape:
        return tuple(self.value.shape)


class ValueList(Argument):
    """A list of numbers or of text, also nested: data."""

    @property
    def shape(self) -> Shape:
        return self.array.shape

    @property
    def kind(self) -> str:
        return self.array.dtype.kind

    @property
    def array(self) -> np.ndarray:
        try:
            return np.asarray(self.value)
        except ValueError:  # lists of different lengths
            return np.asarray(self.value, object)

    def axis_name(self, name: str, dim: int) -> str:
        return f"len({name}{'[0]' * dim})"

    def taken(self, dim: int, index: Any) -> Any:
        if dim:
            return [of(value).taken(dim - 1, index) for value in self.value]
        return [self.value[i] for i in index]

    def like(self, values: np.ndarray) -> Any:
        return values.tolist()


class Keys(Argument):
    """A dict: a container of arguments, whose keys have an order."""

    def orders(self) -> Iterator[Order]:
        items = self.value
        reordered = lambda keys: {key: items[key] for key in keys}  # noqa: E731
        yield Order("", "keys", list(items), reordered, lambda keys: dict(zip(keys, items.values())))
        codes = sorted(items.values()) if all(map(is_integer, items.values())) else []
        if len(codes) > 1 and codes == list(range(codes[0], codes[0] + len(codes))):
            by_code = sorted(items, key=items.__getitem__)
            yield Order("", "names by their codes", by_code, functools.partial(_coded, by_code, codes), None)


def _coded(now: Names, codes: list[int], names: Names) -> dict[Any, int]:
    """A code book of names in this order. Names that differ get the code of the next one each: do codes count?"""
    if {*names} != {*now}:
        names = now[1:] + now[:1] if len(names) == len(now) else now
    return dict(zip(names, codes))


class Series(Array):
    """One column of pandas."""

    is_labelled = True

    def taken(self, dim: int, index: Any) -> Any:
        rows = self.value.iloc[index]
        # numbers that only count the rows stay different ones
        return rows.reset_index(drop=True) if type(self.value.index).__name__ == "RangeIndex" else rows

    def like(self, values: np.ndarray) -> Any:
        new = type(self.value)(values, index=self.value.index, name=self.value.name)
        return new.astype("category") if self.categories else new

    def dim_name(self, dim: int) -> Any:
        return self.value.axes[dim].name

    def labels(self, dim: int) -> np.ndarray | None:
        index = self.value.axes[dim]
        return None if index.nlevels > 1 else index.to_numpy()

    def row_labels(self, dim: int) -> Argument | None:
        only_counts = type(self.value.axes[dim]).__name__ == "RangeIndex"
        return None if only_counts else super().row_labels(dim)

    def with_row_labels(self, dim: int, labels: np.ndarray) -> Any:
        return self.value.set_axis(labels, axis=dim)

    def orders(self) -> Iterator[Order]:
        if self.categories:
            yield Order("", "categories", self.categories, self.value.cat.set_categories, None)


class Frame(Series):
    """A table of pandas."""

    is_table = True

    def axis_name(self, name: str, dim: int) -> str:
        return f"{name}.columns" if dim else f"len({name})"

    def taken(self, dim: int, index: Any) -> Any:
        if dim == 0:
            return super().taken(dim, index)
        columns = self.value.iloc[:, index]
        is_again = np.diff(index, prepend=-1) == 0
        names = list(columns.columns)
        for j in np.flatnonzero(is_again):
            names[j] = f"{names[j]}~{j}"
        columns.columns = names
        return columns

    def orders(self) -> Iterator[Order]:
        table = self.value
        renamed = functools.partial(table.set_axis, axis=1)
        yield Order("", "columns", list(table.columns), table.__getitem__, renamed)
        for name, column in self.columns.items():
            for _, what, names, reordered, _ in column.orders():
                yield Order(f"[{name!r}]", what, names, functools.partial(self._with_column, name, reordered), None)

    def _with_column(self, name: Any, make: Callable[[Names], Any], names: Names) -> Any:
        table = self.value.copy()
        table[name] = make(names)
        return table


class LabelledArray(Argument):
    """An array of xarray."""

    is_labelled = True

    @property
    def shape(self) -> Shape:
        return tuple(self.value.sizes.values())

    def axis_name(self, name: str, dim: int) -> str:
        return f"{name}.sizes[{self.dim_name(dim)!r}]"

    def taken(self, dim: int, index: Any) -> Any:
        return self.value.isel({self.dim_name(dim): index})

    def like(self, values: np.ndarray) -> Any:
        return self.value.copy(data=values)

    def dim_name(self, dim: int) -> Any:
        return list(self.value.sizes)[dim]

    def labels(self, dim: int) -> np.ndarray | None:
        name, coords = self.dim_name(dim), getattr(self.value, "coords", {})  # a bare Variable has none
        return coords[name].values if name in coords else None

    def with_row_labels(self, dim: int, labels: np.ndarray) -> Any:
        return self.value.assign_coords({self.dim_name(dim): labels})

    def orders(self) -> Iterator[Order]:
        for i, dim in enumerate(self.value.sizes):
            change = functools.partial(self._along, dim)
            reordered = functools.partial(change, self.value.sel)
            renamed = functools.partial(change, self.value.assign_coords)
            yield Order("", f"labels of {dim!r}", text(self.labels(i)), reordered, renamed)

    def _along(self, dim: Any, change: Callable[[Any], Any], labels: Names) -> Any:
        return change({dim: labels})


class LabelledTable(LabelledArray):
    """A Dataset of xarray."""

    is_table = True


def column_name(name: str, column: Any) -> str:
    """``data['x']``: a column of an argument, in words."""
    return name if column is None else f"{name}[{column!r}]"


def text(labels: np.ndarray | None) -> Names:
    """The labels as a list, if they are text."""
    return labels.tolist() if labels is not None and labels.dtype.kind in _TEXT else []


def equal(a: Any, b: Any) -> bool | None:
    """Whether two values are the same as JAX sees them, NaN equal to NaN; None where that cannot be told."""
    if a is b:
        return True
    if not (has_values(a) and has_values(b)):
        return None
    try:
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape:
            return False
        if a.dtype.kind == b.dtype.kind == "f":  # one of them may have been through JAX, in single precision
            dtype = min(a.dtype, b.dtype, key=lambda dtype: dtype.itemsize)
            a, b = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
        return bool(((a == b) | ((a != a) & (b != b))).all())
    except (TypeError, ValueError):  # objects that do not compare
        return None


# ------------------------------------------------------------------------------------------------- single questions


def is_array(x: Any) -> bool:
    """Whether an argument is made abstract: an array of a dtype that JAX knows."""
    if isinstance(x, (jax.Array, jax.ShapeDtypeStruct)):
        return True
    # not its subclasses: a masked array without its mask would be another argument
    return type(x) is np.ndarray and x.dtype.kind in "biufc"


def abstract(x: Any) -> Any:
    """Shape and canonical dtype in place of an array."""
    dtype = x.dtype
    if isinstance(dtype, np.dtype):  # the dtype of a typed PRNG key is none, and canonicalize_dtype rejects it
        dtype = jax.dtypes.canonicalize_dtype(dtype)
    return jax.ShapeDtypeStruct(tuple(x.shape), dtype)


class ValuesAsked(BaseException):
    """The values of an argument were looked at that a memory does not know, see `Withheld`.

    It is not an ``Exception``: code that catches those, and then says "could not be told", must not catch this one.
    """


class Withheld(jax.ShapeDtypeStruct):
    """An argument of which a memory knows shape and dtype alone: other calls will have other values.

    An answer that is given with such arguments holds for all of those calls. If it takes the values, they are asked
    for by an exception, and the answer holds for this call alone.
    """

    def _ask(self, *args: Any, **kwargs: Any) -> Any:
        raise ValuesAsked

    __array__ = __jax_array__ = __getitem__ = _ask


def has_values(leaf: Any) -> bool:
    """Whether the values of an argument are known. Code that looks at values asks this first."""
    if isinstance(leaf, Withheld):
        raise ValuesAsked
    return not isinstance(leaf, jax.ShapeDtypeStruct)


def is_key(x: Any) -> bool:
    """Whether this looks like a key of JAX's random numbers, typed or raw."""
    if not isinstance(x, (jax.Array, np.ndarray)):
        return False
    return not isinstance(x.dtype, np.dtype) or (x.dtype == np.uint32 and x.shape in ((2,), (4,)))


def is_integer(x: Any) -> bool:
    return isinstance(x, (int, np.integer)) and not isinstance(x, bool)


def is_value_list(x: Any) -> bool:
    """A list of numbers or text, also nested, is data (one argument), not a container of arguments."""
    if not isinstance(x, list) or not x:
        return False
    return all(isinstance(value, _SCALARS) or is_value_list(value) for value in x)
