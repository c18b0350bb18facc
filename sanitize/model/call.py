"""A model and the arguments of one call, flat, so that they can be changed one by one: values and lengths."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import jax
import numpy as np

from ..errors import ModelArgumentsError
from ..kinds import Args, Kwargs, Model
from . import advice, argument
from .argument import Withheld, abstract, has_values, is_array, is_integer, is_value_list

Arguments = tuple[Args, Kwargs]


class _InOrder(dict[Any, Any]):
    """A dict that JAX flattens in the order in which the model gets it. A plain dict would be sorted."""


jax.tree_util.register_pytree_with_keys(
    _InOrder,
    lambda d: ([(jax.tree_util.DictKey(key), value) for key, value in d.items()], tuple(d)),
    lambda keys, values: cast(Any, dict(zip(keys, values))),  # a plain dict again: what the model was to get
)


def _in_order(x: Any) -> Any:
    if type(x) is dict:
        return _InOrder((key, _in_order(value)) for key, value in x.items())
    if type(x) is tuple or (type(x) is list and not is_value_list(x)):
        return type(x)(map(_in_order, x))
    return x


def _is_leaf(x: Any) -> bool:
    return x is None or is_value_list(x)


def _own(x: Any) -> Any:
    """A copy of data that a model could change in place: a run to look leaves the caller's as it is."""
    if type(x) is np.ndarray:
        return x.copy()
    return [_own(v) for v in x] if is_value_list(x) else x


@dataclass(frozen=True)
class Call:
    """A model and the arguments of one call. `Call.of` validates the model, other constructors do not."""

    model: Model
    leaves: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()  # "X", "data['x']"
    treedef: Any = None
    mode: str = "abstract"  # what the first run found that the model needs
    masked: bool = True  # run as `Predictive` runs it; False: as `log_likelihood` does

    @classmethod
    def of(cls, model: Model, args: Args, kwargs: Kwargs) -> Call:
        advice.refuse_other_than_model(model)
        return cls(model).with_arguments(args, kwargs)

    def with_arguments(self, args: Args, kwargs: Kwargs) -> Call:
        """The same model, with other arguments."""
        tree = _in_order((args, dict(kwargs)))
        flat, treedef = jax.tree_util.tree_flatten_with_path(tree, is_leaf=_is_leaf)
        names, leaves = [], []
        positional = [p.name for p in self.parameters or () if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        for (_, first, *rest), leaf in flat:
            if isinstance(first, jax.tree_util.DictKey):
                name = first.key
            else:
                name = positional[first.idx] if first.idx < len(positional) else f"args[{first.idx}]"
            names.append(f"{name}{jax.tree_util.keystr(tuple(rest))}")
            # a tracer of the caller's must not outlive the run
            leaves.append(abstract(leaf) if isinstance(leaf, jax.core.Tracer) else leaf)
        return replace(self, leaves=tuple(leaves), names=tuple(names), treedef=treedef)

    def with_leaves(self, changes: Mapping[int, Any]) -> Call:
        return replace(self, leaves=tuple(changes.get(i, leaf) for i, leaf in enumerate(self.leaves)))

    def withheld(self, which: Collection[int]) -> Call:
        """Without the values of these arrays."""
        shapes = {i: abstract(self.leaves[i]) for i in which}
        return self.with_leaves({i: Withheld(x.shape, x.dtype) for i, x in shapes.items()})

    @property
    def has_values(self) -> bool:
        """Whether the values of all arguments are known, so that the model can be run with them."""
        return all(map(has_values, self.leaves))

    def with_keyword(self, name: str, value: Any) -> Call:
        args, kwargs = self.arguments()
        return self.with_arguments(args, {**kwargs, name: value})

    def without_data(self) -> Call:
        """With shapes in place of arrays, if the model runs with them: it can be kept for long."""
        return self.with_traced(self.shapes)

    def is_traced(self, leaf: Any) -> bool:
        """Whether the model gets shape and dtype of this argument only: any length costs the same."""
        return isinstance(leaf, jax.ShapeDtypeStruct) or (self.mode == "abstract" and is_array(leaf))

    @property
    def traced(self) -> tuple[int, ...]:
        """Which arguments are abstract in a run: arrays, where the model does not need their values."""
        return tuple(i for i, leaf in enumerate(self.leaves) if self.is_traced(leaf))

    @property
    def arrays(self) -> list[Any]:
        """The arguments that are `traced`."""
        return [self.leaves[i] for i in self.traced]

    def with_traced(self, arrays: Iterable[Any]) -> Call:
        """With these in the place of what is `traced`."""
        return self.with_leaves(dict(zip(self.traced, arrays)))

    @property
    def shapes(self) -> list[Any]:
        """Shapes and dtypes of the arguments that are `traced`."""
        return [abstract(array) for array in self.arrays]

    def arguments(self) -> Arguments:
        """``args, kwargs`` as they were passed."""
        return jax.tree_util.tree_unflatten(self.treedef, self.leaves)

    def filled(self, arrays: Sequence[Any]) -> Arguments:
        """``args, kwargs`` for a run: ``arrays`` in place of what is `traced`, and copies that the model may change."""
        leaves = [_own(leaf) for leaf in self.with_traced(arrays).leaves]
        return jax.tree_util.tree_unflatten(self.treedef, leaves)

    @functools.cached_property
    def parameters(self) -> advice.Parameters | None:
        return advice.parameters_of(self.model)

    @property
    def description(self) -> str:
        """``model(X, y=None)``."""
        return advice.described(self.model)

    def defaults(self) -> dict[str, Any]:
        """What the parameters are that were not passed, and could be by name."""
        args, kwargs = self.arguments()
        found = {}
        for i, p in enumerate(self.parameters or ()):
            is_passed = p.name in kwargs or (i < len(args) and p.kind is not p.KEYWORD_ONLY)
            if not is_passed and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
                found[p.name] = p.default
        return found

    def why_not_bound(self) -> str | None:
        """Why the arguments do not fit the model's signature, in Python's words; None where they do."""
        args, kwargs = self.arguments()
        signature = advice.signature_of(advice.undecorated(self.model))
        if signature is None:
            return None
        try:
            signature.bind(*args, **kwargs)
        except TypeError as mismatch:
            return str(mismatch)
        return None


def arguments_error(call: Call, what: str) -> ModelArgumentsError:
    """The signature, and the call to make."""
    return advice.missing_arguments(call.model, *call.arguments(), what)


def with_defaults(call: Call) -> Call:
    """The call with integers that were left to their defaults: they may be the number of something."""
    for name, default in call.defaults().items():
        if is_integer(default) and default > 1:
            call = call.with_keyword(name, default)
    return call


# ------------------------------------------------------------------------------------------------------- lengths


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
    def place(self) -> tuple[Any, ...]:
        """What it is, apart from its length."""
        return self.leaf, self.dim, self.kind

    @property
    def is_of_array(self) -> bool:
        return self.kind in ("leading", "later")


def lengths_of(call: Call) -> Iterator[Axis]:
    """The axes of the arguments, and the integers."""
    for i, (leaf, name) in enumerate(zip(call.leaves, call.names)):
        if is_integer(leaf) and leaf >= 0:
            yield Axis(i, None, int(leaf), name, "integer")
        known = argument.of(leaf)
        for dim, length in enumerate(known.shape):
            if length > 0 or call.is_traced(leaf):
                yield Axis(i, dim, length, known.axis_name(name, dim), "later" if dim else "leading")


def levels_of(call: Call) -> Iterator[Axis]:
    """How many different values the columns of text and of integers have, where the model sees values."""
    for i, (leaf, name) in enumerate(zip(call.leaves, call.names)):
        if call.is_traced(leaf):
            continue
        for column, values in argument.of(leaf).columns.items():
            levels = values.levels
            if levels:
                yield Axis(i, column, levels, f"levels of {argument.column_name(name, column)}", "levels")


def with_rows(call: Call, axes: Iterable[Axis], index: np.ndarray) -> Call:
    """The call with these rows of one size, in this order."""
    leaves: dict[int, Any] = {}
    for axis in axes:
        leaf = leaves.get(axis.leaf, call.leaves[axis.leaf])
        if axis.is_of_array:
            leaves[axis.leaf] = argument.of(leaf).taken(axis.dim, index)
        elif axis.kind == "integer":
            leaves[axis.leaf] = type(leaf)(len(index))
    return call.with_leaves(leaves)


def resized(call: Call, lengths: Iterable[tuple[Axis, int]]) -> Call | None:
    """The call with these lengths; None where a column has too few values for so many levels."""
    changes: dict[int, Any] = {}
    for axis, length in sorted(lengths, key=lambda pair: pair[0].kind == "levels"):  # new levels among the new rows
        leaf = changes.get(axis.leaf, call.leaves[axis.leaf])
        known = argument.of(leaf)
        if axis.kind == "integer":
            new = type(leaf)(length)
        elif axis.kind == "levels":
            values = known.columns[axis.dim].with_levels(length)
            if values is None:
                return None
            new = known.with_columns({axis.dim: values})
        elif call.is_traced(leaf):
            shape = (*known.shape[: axis.dim], length, *known.shape[axis.dim + 1 :])
            kind = Withheld if isinstance(leaf, Withheld) else jax.ShapeDtypeStruct
            new = kind(shape, abstract(leaf).dtype)
        else:
            # the same values in the same order, so that an index stays valid and times stay sorted
            new = known.taken(axis.dim, np.arange(length) * axis.length // max(length, 1))
        changes[axis.leaf] = new
    return call.with_leaves(changes)
