"""Rows that act on each other through the arguments: a mean, a maximum, quantiles, ranks, the first row.

With one draw of the latents, the model is run on a few of the rows, and again with other values in half of them. What
is drawn at rows of the other half has to be the same. Rows beside those that changed are not looked at: a lag reaches
its neighbours, and is no statistic.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from numpyro import handlers
from numpyro.distributions import Distribution

from .axes import Axis, lengths_of, like, resized, taken, with_defaults
from .call import Call, is_array
from .trace import ONE_RUN_AT_A_TIME, parameters, trace_model, unmasked
from .values import same

_FEW = 8  # rows of a run
_NEAR = 2  # a lag reaches so many

Rows = tuple[Axis, ...]


@dataclass(frozen=True)
class Statistic:
    """What is drawn at one row depends on other rows.

    Attributes
    ----------
    arguments : tuple of str
        Whose values at other rows have a part in it.
    target : str
        The site that is drawn.
    parameter : str
        The parameter of its distribution that moves most.
    moves : float
        By how much, if half of the rows are others.
    keep : tuple of str
        Deterministic sites that make the rows independent if their recorded values are kept.
    """

    arguments: tuple[str, ...]
    target: str
    parameter: str
    moves: float
    keep: tuple[str, ...]


def find_statistic(
    call: Call,
    rows: Mapping[Rows, Collection[str]],
    others: Collection[Rows],
    draw: Mapping[str, Any],
    kept: Collection[str],
    offered: Sequence[str],
) -> Statistic | None:
    """The first statistic along one of these sizes; None: there is none, or it cannot be told.

    ``rows`` are the sizes looked at, each with the targets that follow it, ``others`` all that can be made shorter,
    ``draw`` is one draw by name. Deterministic sites in ``kept`` have their recorded values; ``offered`` ones could.
    """
    whole = replace(with_defaults(call), mode="concrete")
    taken_lengths = {axis.length for axis in lengths_of(whole)}
    free = (n for n in itertools.count(_FEW) if n not in taken_lengths)
    lengths = {axes: next(free) for axes in dict.fromkeys([*rows, *others])}
    few = resized(whole, [(axis, n) for axes, n in lengths.items() for axis in axes])
    if few is None or any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in few.leaves):
        return None
    # where the model sees values, integers may be labels, which `np.unique` numbers by what others there are
    traced = {i for i, leaf in enumerate(whole.leaves) if call.mode == "abstract" and is_array(leaf)}
    try:
        with ONE_RUN_AT_A_TIME, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for axes, targets in rows.items():
                dims = {axis.leaf: int(axis.dim) for axis in axes if axis.is_of_array}
                if found := _Search(few, dims, lengths[axes], targets, draw, traced).statistic(kept, offered):
                    return found
    except Exception:  # a model that does not run on these rows
        pass
    return None


@dataclass(frozen=True)
class _Search:
    """The rows of one size: ``n`` along these dimensions of arguments."""

    few: Call
    dims: Mapping[int, int]
    n: int
    targets: Collection[str]
    draw: Mapping[str, Any]
    traced: Collection[int]

    def statistic(self, kept: Collection[str], offered: Sequence[str]) -> Statistic | None:
        for base, kinds, labels in self.bases():
            move = self.move(base, kinds, kept)
            if move is None:
                continue
            alone = [i for i in kinds if self.move(base, {i: kinds[i]}, kept)]
            # not all together: beside labels, a plain index counts by its size, but moves no other row
            if labels and not self.is_moved_by_size(base, {i: kinds[i] for i in alone or kinds}, kept):
                continue
            if alone and all(map(self.is_table, alone)):
                continue
            keep = list(offered) if offered and not self.move(base, kinds, {*kept, *offered}) else []
            for name in offered:  # the fewest that settle it
                fewer = [other for other in keep if other != name]
                if fewer and not self.move(base, kinds, {*kept, *fewer}):
                    keep = fewer
            return Statistic(tuple(self.few.names[i] for i in alone or kinds), *move, tuple(keep))
        return None

    def bases(self) -> Iterator[tuple[Call, dict[int, str], bool]]:
        """Calls to start from, the kinds of numbers of each argument that change, and whether they may be labels."""
        leaves = self.few.leaves
        yield self.few, {i: "biufc" if i in self.traced else "fc" for i in self.dims}, False
        integers = [i for i in self.dims if _has_integers(leaves[i])]
        if traced := [i for i in integers if i in self.traced]:  # all rows in one group
            alike = {i: _with_rows(leaves[i], self.dims[i], np.zeros(self.n, int), "iu") for i in traced}
            yield self.few.with_leaves(alike), dict.fromkeys(self.dims, "fc"), False
        if others := [i for i in integers if i not in self.traced]:
            yield self.few, dict.fromkeys(others, "iu"), True

    def move(self, base: Call, kinds: Mapping[int, str], kept: Collection[str]) -> tuple[str, str, float] | None:
        """Target, parameter, by how much: what moves most at rows that stayed; None: nothing does."""
        half, rows = self.n // 2, np.arange(self.n)
        before_last = np.where(rows >= self.n - half, rows, self.n - half + rows % half)
        before, latents = self.run(base, kept, {})
        found = []
        for index, stayed, beyond in (
            (np.where(rows < half, rows, (rows - half) % half), rows < half - _NEAR, False),
            (before_last, rows >= self.n - half + _NEAR, False),
            (before_last, rows >= self.n - half + _NEAR, True),
        ):
            changes = {i: _with_rows(base.leaves[i], self.dims[i], index, of, beyond) for i, of in kinds.items()}
            found += self.moves(before, self.run(base.with_leaves(changes), kept, latents)[0], stayed)
        return max(found, key=lambda move: move[2], default=None)

    def is_moved_by_size(self, base: Call, kinds: Mapping[int, str], kept: Collection[str]) -> bool:
        """Whether integers count by more than their order: labels do not."""
        before, latents = self.run(base, kept, {})
        changes = {i: _with_values(base.leaves[i], lambda x: 2 * x + 1, of) for i, of in kinds.items()}
        after, _ = self.run(base.with_leaves(changes), kept, latents)
        return bool(self.moves(before, after, np.full(self.n, True)))

    def is_table(self, leaf: int) -> bool:
        """Whether an argument that is by accident as long can be longer alone: then rows are looked up in it."""
        longer = taken(self.few.leaves[leaf], self.dims[leaf], np.arange(self.n + 1) % self.n)
        try:
            before, latents = self.run(self.few, (), {})
            after, _ = self.run(self.few.with_leaves({leaf: longer}), (), latents)
        except Exception:
            return False
        return all(before[name]["fn"].shape() == after[name]["fn"].shape() for name in self.targets)

    def moves(self, before: Any, after: Any, stayed: Any) -> list[tuple[str, str, float]]:
        found = []
        for target in self.targets:
            for (name, one), (_, other) in zip(_named(before[target]["fn"]), _named(after[target]["fn"])):
                if np.shape(one) != np.shape(other):
                    continue
                one, other = np.asarray(one), np.asarray(other)
                for axis in (i for i, length in enumerate(one.shape) if length == self.n):
                    one, other = one.compress(stayed, axis), other.compress(stayed, axis)
                if not same(one, other).all():
                    by = np.abs(one.astype(float) - other.astype(float))
                    found.append((target, name, float(np.max(by, initial=0.0, where=np.isfinite(by)))))
        return found

    def run(
        self, call: Call, kept: Collection[str], latents: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """The trace with the draw put in, and the values of all latents."""

        def given(message: dict[str, Any]) -> Any:
            name, kind = message["name"], message["type"]
            if kind == "deterministic":
                return self.draw[name] if name in kept and name in self.draw else None
            if kind != "sample" or message.get("is_observed"):
                return None
            if name in latents:
                return latents[name]
            return _fitting(self.draw[name], tuple(message["fn"].shape())) if name in self.draw else None

        model = handlers.substitute(call.model, substitute_fn=given)
        trace = trace_model(model, call.masked, *call.arguments(), jax.random.PRNGKey(0))
        return trace, {k: m["value"] for k, m in trace.items() if m["type"] == "sample" and not m["is_observed"]}


def _fitting(value: Any, shape: tuple[int, ...]) -> Any:
    """A draw for other rows: the same numbers again, or fewer of them."""
    value = np.asarray(value)
    if value.ndim != len(shape) or 0 in value.shape:
        return None
    for dim, n in enumerate(shape):
        value = value.take(np.arange(n) % value.shape[dim], dim)
    return jax.numpy.asarray(value)


def _named(fn: Any) -> Iterator[tuple[str, Any]]:
    """The parameters of a distribution, by the names that they have in it."""
    for name, part in vars(unmasked(fn)).items():
        if isinstance(part, Distribution):
            yield from _named(part)
        else:
            yield from ((name.lstrip("_"), array) for array in parameters(part))


# ------------------------------------------------------------------------------------------ other values in some rows


def _has_integers(leaf: Any) -> bool:
    columns = [leaf[c] for c in leaf] if hasattr(leaf, "columns") or hasattr(leaf, "data_vars") else [leaf]
    return any(_kind(column) in "iu" for column in columns)


def _kind(values: Any) -> str:
    dtype = values.dtype if hasattr(values, "dtype") else np.asarray(values).dtype
    return str(getattr(dtype, "kind", "O"))


def _with_rows(leaf: Any, dim: int, index: Any, kinds: str, beyond: bool = False) -> Any:
    """An argument whose rows are these, as far as they hold numbers of such kinds.

    Where that changes nothing (one row, or rows that are all alike), and with ``beyond``, numbers that are no integers
    become larger than all there are.
    """

    def rows(values: Any) -> Any:
        new = values.take(index, dim)
        if values.dtype.kind == "f" and (beyond or np.array_equal(new, values)):
            at = (slice(None),) * dim + (np.arange(len(index)) != index,)
            new[at] = (2 * values.max(dim, keepdims=True) - values.min(dim, keepdims=True) + 0.5).astype(values.dtype)
        return new

    return _with_values(leaf, rows, kinds)


def _with_values(leaf: Any, function: Any, kinds: str) -> Any:
    if hasattr(leaf, "columns") or hasattr(leaf, "data_vars"):
        table = leaf.copy()
        for column in leaf:
            if _kind(leaf[column]) in kinds and np.shape(leaf[column]):
                table[column] = like(leaf[column], function(np.asarray(leaf[column])))
        return table
    if _kind(leaf) not in kinds:
        return leaf
    new = function(np.asarray(leaf))
    return new.tolist() if isinstance(leaf, list) else like(leaf, new)
