"""The laws of rows: a row is drawn as it is drawn alone, and a latent's value stays in its row.

Both are asked of the model on a few rows, with one draw. Rows act on each other through the arguments (a mean, a
maximum, quantiles, ranks, the first row) if other values in half of the rows change what is drawn at the other half.
Rows beside those that changed are not looked at: a lag reaches its neighbours, and is no statistic.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from . import argument
from .call import Call
from .replay import (
    NEAR,
    Draw,
    Moved,
    Names,
    Outcome,
    Programs,
    Rows,
    attempt,
    differences,
    few_rows,
    latents_of,
    repeated,
    replay,
    replay_again,
    rows_along_each,
    rows_at,
)

Kinds = Mapping[int, str]  # of arguments: the kinds of numbers that change in them


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
    draw: Draw,
    kept: Names,
    offered: Sequence[str],
    programs: Programs,
) -> Statistic | None:
    """The first statistic along one of these sizes; None: there is none. See `attempt`.

    ``rows`` are the sizes looked at, each with the targets that follow it, ``others`` all that can be made shorter,
    ``draw`` is one draw by name. Deterministic sites in ``kept`` have their recorded values; ``offered`` ones could.
    """
    few, lengths = few_rows(call, [*rows, *others])
    draw = repeated(draw, replay_again(few, {}, (), programs))
    for axes, targets in rows.items():
        dims = {axis.leaf: int(axis.dim) for axis in axes if axis.is_of_array}
        meeting = _Meeting(few, dims, lengths[axes], targets, draw, programs)
        if found := meeting.statistic(kept, offered):
            return found
    return None


@dataclass(frozen=True)
class _Meeting:
    """The rows of one size: whether they act on each other. There are ``n``, along ``dims`` of arguments."""

    few: Call
    dims: Mapping[int, int]
    n: int
    targets: Names
    draw: Draw
    programs: Programs

    def statistic(self, kept: Names, offered: Sequence[str]) -> Statistic | None:
        for base, kinds, are_labels in self.bases():
            move = self.largest_move(base, kinds, kept)
            if move is None:
                continue
            alone = {i: of for i, of in kinds.items() if self.largest_move(base, {i: of}, kept)}
            acting = alone or kinds
            # not all together: beside labels, a plain index counts by its size, but moves no other row
            if are_labels and not self.count_by_size(base, acting, kept):
                continue
            if alone and all(map(self.is_table, alone)):
                continue
            arguments = tuple(self.few.names[i] for i in acting)
            parameter = move.parameter.rpartition(".")[2]
            keep = self.settled_by(base, kinds, kept, offered)
            return Statistic(arguments, move.site, parameter, move.by, keep)
        return None

    def settled_by(self, base: Call, kinds: Kinds, kept: Names, offered: Sequence[str]) -> tuple[str, ...]:
        """The fewest of the offered sites with which no row acts on another; empty: they do all the same."""
        if not offered or self.largest_move(base, kinds, {*kept, *offered}):
            return ()
        keep = tuple(offered)
        for name in offered:
            fewer = tuple(other for other in keep if other != name)
            if fewer and not self.largest_move(base, kinds, {*kept, *fewer}):
                keep = fewer
        return keep

    def bases(self) -> Iterator[tuple[Call, Kinds, bool]]:
        """Calls to start from, the kinds of numbers of each argument that change, and whether they may be labels.

        Where the model sees values, integers may be labels, which `np.unique` numbers by what others there are.
        """
        few, traced = self.few, self.few.traced
        numbers = dict.fromkeys(self.dims, "fc")
        yield few, {**numbers, **dict.fromkeys(self.dims.keys() & traced, "biufc")}, False
        codes, labels = dict[int, str](), dict[int, str]()
        for i in self.dims:
            columns = argument.of(few.leaves[i]).columns.values()
            if any(column.kind in "iu" for column in columns):
                (codes if i in traced else labels)[i] = "iu"
        if codes:
            first = np.zeros(self.n, int)  # all rows in one group
            yield self.changed(few, codes, lambda x, dim: x.take(first, dim)), numbers, False
        if labels:
            yield few, labels, True

    def largest_move(self, base: Call, kinds: Kinds, kept: Names) -> Moved | None:
        """What moves most at rows that stayed, if half of the rows are others; None: nothing does."""
        half, rows = self.n // 2, np.arange(self.n)
        first, last = rows < half, rows >= self.n - half
        before = self.run(base, kept)
        found: list[Moved] = []
        for stay, beyond in ((first, False), (last, False), (last, True)):
            here = np.flatnonzero(stay)
            index = np.where(stay, rows, here[rows % half])
            far = np.convolve(~stay, np.ones(2 * NEAR + 1), "same") == 0
            others = self.changed(base, kinds, partial(_rows, index, beyond))
            found += self.moves(before, others, far, kept)
        return max(found, key=lambda move: move.by, default=None)

    def count_by_size(self, base: Call, kinds: Kinds, kept: Names) -> bool:
        """Whether integers count by more than their order: labels do not."""
        larger = self.changed(base, kinds, lambda x, dim: 2 * x + 1)
        before, every_row = self.run(base, kept), np.full(self.n, True)
        return bool(self.moves(before, larger, every_row, kept))

    def changed(self, base: Call, kinds: Kinds, change: Callable[[Any, int], Any]) -> Call:
        """The call with other numbers of these kinds: ``change`` gets an array and its dimension of rows."""
        leaves = {}
        for i, of in kinds.items():
            part, columns = argument.of(base.leaves[i]), {}
            for name, column in part.columns.items():
                if column.kind in of and column.shape:
                    columns[name] = change(column.array, self.dims[i])
            leaves[i] = part.with_columns(columns)
        return base.with_leaves(leaves)

    def moves(self, before: Outcome, changed: Call, stay: Any, kept: Names) -> list[Moved]:
        """What differs at rows that stay, given the same latents."""
        after = self.run(changed, kept, before)
        return list(differences(before, after, self.targets, rows_at(stay)))

    def is_table(self, leaf: int) -> bool:
        """Whether an argument that is by accident as long can be longer alone: then rows are looked up in it."""
        one_more = np.arange(self.n + 1) % self.n
        part = argument.of(self.few.leaves[leaf])
        longer = part.taken(self.dims[leaf], one_more)
        before = self.run(self.few)
        after = attempt(self.run, self.few.with_leaves({leaf: longer}), (), before)
        if after is None:
            return False
        return all(before[name].shape == after[name].shape for name in self.targets)

    def run(self, call: Call, kept: Names = (), before: Outcome | None = None) -> Outcome:
        """A run with the draw, given the latents of another run."""
        draw = {**self.draw, **latents_of(before or {})}
        return replay_again(call, draw, kept, self.programs)


# ------------------------------------------------------------------------------------------ a latent's value


def reaches_other_rows(call: Call, rows: Rows, name: str, dim: int, sites: Names) -> bool:
    """Whether the value of a latent at one row has a part in what is drawn at rows far from it. See `attempt`.

    The model is run on a few rows with one draw of all latents, and again with another value at the first row, and at
    one in the middle. A lag reaches the neighbours of a row, a sum (``cumsum(z)``, ``L @ z``, ``z.mean()``) all rows.
    ``sites`` are those whose distributions are compared.
    """
    few, lengths = few_rows(call, [rows])
    before = replay(few, {})
    latents = latents_of(before)
    value = np.asarray(latents[name])
    other = _another(few, name, value)
    for row in (0, value.shape[dim] // 2):
        at = (slice(None),) * dim + (row,)
        moved = value.copy()
        moved[at] = other[at]
        after = replay(few, {**latents, name: moved})
        distance = np.abs(np.arange(lengths[rows]) - row)
        if any(differences(before, after, {*sites} - {name}, rows_along_each(distance > NEAR))):
            return True
    return False


def _another(few: Call, name: str, value: Any) -> Any:
    """Another draw of a latent: discrete values may be drawn twice."""
    other = value
    for key in range(1, 6):
        drawn = replay(few, {}, key=jax.random.PRNGKey(key))
        other = np.where(other == value, drawn[name].value, other)
        if (other != value).all():
            break
    return other


def _rows(index: Any, beyond: bool, values: Any, dim: int) -> Any:
    """These rows of an array.

    Where that changes nothing (one row, or rows that are all alike), and with ``beyond``, numbers that are no integers
    become larger than all there are.
    """
    new = values.take(index, dim)
    if values.dtype.kind == "f" and (beyond or np.array_equal(new, values)):
        high, low = values.max(dim, keepdims=True), values.min(dim, keepdims=True)
        at = (slice(None),) * dim + (np.arange(len(index)) != index,)
        new[at] = (2 * high - low + 0.5).astype(values.dtype)
    return new
