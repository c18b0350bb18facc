"""The laws of rows: a row is drawn as it is drawn alone, wherever it stands, and a latent's value stays in its row.

All are asked of the model on a few rows, with one draw. Rows act on each other through the arguments (a mean, a
maximum, quantiles, ranks, the first row) if other values in half of the rows change what is drawn at the other half.
Rows beside those that changed are not looked at: a lag reaches its neighbours, and is no statistic. A row's place
counts (a trend by ``arange(len(x))``) if rows that are all alike are drawn with something else.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np

from . import argument
from .call import Call, with_defaults
from .replay import (
    FEW,
    NEAR,
    Draw,
    Moved,
    Names,
    Outcome,
    Programs,
    Rows,
    View,
    attempt,
    differ,
    differences,
    few_rows,
    latents_of,
    repeated,
    replay,
    replay_again,
    rows_along_each,
    rows_at,
)
from .sizes import numbered

_ALL = "biufcMOSU"  # the kinds of all numbers and labels
_LABELS = "labels of rows"  # beside the columns of a table

MANY = 40  # rows in which a lag ends

Kinds = Mapping[int, str]  # of arguments: the kinds of numbers that change in them


@dataclass(frozen=True)
class Statistic:
    """What is drawn at one row depends on other rows.

    Attributes
    ----------
    arguments : tuple of str
        Whose values at other rows have a part in it; empty: it depends on the number of the row.
    target : str
        The site that is drawn.
    parameter : str
        The parameter of its distribution that moves most.
    moves : float
        By how much, if half of the rows are others.
    keep : tuple of str
        Deterministic sites that make the rows independent if their recorded values are kept.
    reach : int
        Of a lag, how many rows later a value still counts; 0: it is no lag.
    """

    arguments: tuple[str, ...]
    target: str
    parameter: str
    moves: float
    keep: tuple[str, ...]
    reach: int = 0


@dataclass(frozen=True)
class Scene:
    """A call, one draw of it by name, and where to look."""

    call: Call
    rows: Mapping[Rows, Names]  # the sizes looked at, each with the targets that follow it
    others: Collection[Rows]  # all sizes that can be made shorter; none: the rows cannot be fewer
    draw: Draw
    kept: Names  # deterministic sites that have their recorded values
    programs: Programs

    def meetings(self, fewest: int = FEW) -> Iterator[tuple[Rows, _Meeting]]:
        """The rows of each size, so few of them, or some more."""
        if not self.others:
            few, lengths, draw = with_defaults(self.call), {axes: axes[0].length for axes in self.rows}, self.draw
        else:
            few, lengths = few_rows(self.call, [*self.rows, *self.others], fewest)
            outcome = replay_again(few, {}, (), self.programs)
            draw = repeated(_for_loops(self.draw, outcome), outcome)
        for axes, targets in self.rows.items():
            dims = {axis.leaf: int(axis.dim) for axis in axes if axis.is_of_array}
            yield axes, _Meeting(few, dims, lengths[axes], targets, draw, self.kept, self.programs)


def _for_loops(draw: Draw, outcome: Outcome) -> Draw:
    """The draw with values for all latents that a loop names: those that it has, again and again."""
    found = dict(draw)
    for names in numbered(latents_of(outcome)).values():
        known = [name for name in names if name in draw]
        for name, other in zip(names, itertools.cycle(known)):
            found.setdefault(name, draw[other])
    return found


def find_statistic(scene: Scene, offered: Sequence[str]) -> Statistic | None:
    """The first statistic along one of these sizes; None: there is none. See `attempt`.

    Deterministic sites that are ``offered`` could have their recorded values.
    """
    for axes, meeting in scene.meetings():
        if found := meeting.statistic(offered):
            reach = attempt(reach_of, replace(scene, rows={axes: scene.rows[axes]}), found.arguments)
            return replace(found, reach=reach or 0)
    return None


def find_place(scene: Scene) -> Statistic | None:
    """The first target that is drawn by the number of a row; None: there is none. See `attempt`."""
    for _, meeting in scene.meetings():
        if found := meeting.place():
            return found
    return None


def reach_of(scene: Scene, arguments: Names) -> int:
    """How many rows later a value of these arguments counts; 0: in earlier rows, too, or in all. See `attempt`."""
    ((_, meeting),) = scene.meetings(MANY)
    middle, rows = meeting.n // 2, np.arange(meeting.n)
    kinds = {i: _ALL for i in meeting.dims if meeting.few.names[i] in arguments}
    one_is_other = partial(_rows, np.where(rows == middle, middle - 1, rows), 1)
    before = meeting.run(meeting.few)
    after = meeting.run(meeting.changed(meeting.few, kinds, one_is_other), before)
    reached = [row - middle for row in _moved(before, after, meeting.targets, meeting.n, rows_at)]
    is_lag = bool(reached) and min(reached) >= 0 and max(reached) < meeting.n - 1 - middle
    return int(max(reached)) if is_lag else 0


@dataclass(frozen=True)
class _Meeting:
    """The rows of one size: whether they act on each other, and whether it counts where they stand.

    There are ``n``, along ``dims`` of arguments.
    """

    few: Call
    dims: Mapping[int, int]
    n: int
    targets: Names
    draw: Draw
    kept: Names
    programs: Programs

    def statistic(self, offered: Sequence[str]) -> Statistic | None:
        for base, kinds, are_labels in self.bases():
            move = self.largest_move(base, kinds)
            if move is None:
                continue
            alone = {i: of for i, of in kinds.items() if self.largest_move(base, {i: of})}
            acting = alone or kinds
            # not all together: beside labels, a plain index counts by its size, but moves no other row
            if are_labels and not self.count_by_size(base, acting):
                continue
            if alone and all(map(self.is_table, alone)):
                continue
            arguments = tuple(self.few.names[i] for i in acting)
            parameter = move.parameter.rpartition(".")[2]
            keep = self.settled_by(base, kinds, offered)
            return Statistic(arguments, move.site, parameter, move.by, keep)
        return None

    def place(self) -> Statistic | None:
        """What differs between rows that are all alike, but for the first and last ones, which a lag has to pad."""
        first = np.zeros(self.n, int)
        alike = self.changed(self.few, dict.fromkeys(self.dims, _ALL), lambda x, dim: x.take(first, dim))
        outcome = self.run(alike)
        if _are_data(outcome, [alike.leaves[i] for i in self.dims]):
            return None
        for target in self.targets:
            for parameter, array in outcome[target].arrays.items():
                for rows in rows_along_each(np.full(self.n, True))(np.asarray(array)):
                    inner = np.moveaxis(rows, rows.shape.index(self.n), 0)[NEAR:-NEAR]
                    if differ(inner, np.broadcast_to(inner[:1], inner.shape)):
                        gap = float(np.max(inner) - np.min(inner))
                        return Statistic((), target, parameter.rpartition(".")[2], gap, ())
        return None

    def with_kept(self, names: Names) -> _Meeting:
        """The same where these sites have their recorded values, too."""
        return replace(self, kept={*self.kept, *names})

    def settled_by(self, base: Call, kinds: Kinds, offered: Sequence[str]) -> tuple[str, ...]:
        """The fewest of the offered sites with which no row acts on another; empty: they do all the same."""
        if not offered or self.with_kept(offered).largest_move(base, kinds):
            return ()
        keep = tuple(offered)
        for name in offered:
            fewer = tuple(other for other in keep if other != name)
            if fewer and not self.with_kept(fewer).largest_move(base, kinds):
                keep = fewer
        return keep

    def bases(self) -> Iterator[tuple[Call, Kinds, bool]]:
        """Calls to start from, the kinds of numbers of each argument that change, and whether they may be labels.

        Where the model sees values, integers may be labels, which `np.unique` numbers by what others there are.
        """
        few, traced = self.few, self.few.traced
        numbers = dict.fromkeys(self.dims, "fcM")
        yield few, {**numbers, **dict.fromkeys(self.dims.keys() & traced, "biufc")}, False
        codes, labels = dict[int, str](), dict[int, str]()
        for i in self.dims:
            if any(array.dtype.kind in "iu" for array in self.numbers(few.leaves[i], i).values()):
                (codes if i in traced else labels)[i] = "iu"
        if codes:
            first = np.zeros(self.n, int)  # all rows in one group
            yield self.changed(few, codes, lambda x, dim: x.take(first, dim)), numbers, False
        if labels:
            yield few, labels, True

    def largest_move(self, base: Call, kinds: Kinds) -> Moved | None:
        """What moves most at rows that stayed, if half of the rows are others; None: nothing does."""
        half, rows = self.n // 2, np.arange(self.n)
        first, last = rows < half, rows >= self.n - half
        before = self.run(base)
        found: list[Moved] = []
        for stay, beyond in ((first, 0), (last, 0), (last, 1), (last, -1)):
            here = np.flatnonzero(stay)
            index = np.where(stay, rows, here[rows % half])
            far = np.convolve(~stay, np.ones(2 * NEAR + 1), "same") == 0
            others = self.changed(base, kinds, partial(_rows, index, beyond))
            found += self.moves(before, others, far)
        return max(found, key=lambda move: move.by, default=None)

    def count_by_size(self, base: Call, kinds: Kinds) -> bool:
        """Whether integers count by more than their order: labels do not."""
        larger = self.changed(base, kinds, lambda x, dim: 2 * x + 1)
        before, every_row = self.run(base), np.full(self.n, True)
        return bool(self.moves(before, larger, every_row))

    def changed(self, base: Call, kinds: Kinds, change: Callable[[Any, int], Any]) -> Call:
        """The call with other numbers of these kinds: ``change`` gets an array and its dimension of rows."""
        leaves = {}
        for i, of in kinds.items():
            leaf, new = base.leaves[i], {}
            for name, array in self.numbers(leaf, i).items():
                if array.dtype.kind in of:
                    new[name] = change(array, self.dims[i])
            labels = new.pop(_LABELS, None)
            leaf = argument.of(leaf).with_columns(new)
            leaves[i] = leaf if labels is None else argument.of(leaf).with_row_labels(self.dims[i], labels)
        return base.with_leaves(leaves)

    def numbers(self, leaf: Any, i: int) -> dict[Any, Any]:
        """The columns of an argument, and the labels of its rows."""
        part = argument.of(leaf)
        found = {name: column.array for name, column in part.columns.items() if column.shape}
        labels = part.row_labels(self.dims[i])
        if labels is not None:
            found[_LABELS] = labels.array
        return found

    def moves(self, before: Outcome, changed: Call, stay: Any) -> list[Moved]:
        """What differs at rows that stay, given the same latents."""
        after = self.run(changed, before)
        return list(differences(before, after, self.targets, rows_at(stay)))

    def is_table(self, leaf: int) -> bool:
        """Whether an argument that is by accident as long can be longer alone: then rows are looked up in it."""
        one_more = np.arange(self.n + 1) % self.n
        part = argument.of(self.few.leaves[leaf])
        longer = part.taken(self.dims[leaf], one_more)
        before = self.run(self.few)
        after = attempt(self.run, self.few.with_leaves({leaf: longer}), before)
        if after is None:
            return False
        return all(before[name].shape == after[name].shape for name in self.targets)

    def run(self, call: Call, before: Outcome | None = None) -> Outcome:
        """A run with the draw, given the latents of another run."""
        draw = {**self.draw, **latents_of(before or {})}
        return replay_again(call, draw, self.kept, self.programs)


def _are_data(outcome: Outcome, leaves: Sequence[Any]) -> bool:
    """Whether all arguments with these rows are observed: then a row is nothing but its number."""
    observed = [site.value for site in outcome.values() if site.kind == "observed"]
    return all(any(argument.equal(leaf, value) for value in observed) for leaf in leaves)


# ------------------------------------------------------------------------------------------ a latent's value


def reaches_other_rows(call: Call, rows: Rows, name: str, dim: int, sites: Names) -> bool:
    """Whether one value of a latent has a part in what is drawn at rows far from each other. See `attempt`.

    The model is run on a few rows with one draw of all latents, and again with another first value, and with another
    one in the middle. A lag reaches the neighbours of a row, a sum (``cumsum(z)``, ``L @ z``, ``z.mean()``) all rows.
    Where values stand, their number does not tell: those of gaps are put into rows by an index. Where each row has but
    one value, they are picked by an index, as effects of groups. ``sites`` are those whose distributions are compared.
    """
    few, n, before = _with_values(call, rows, name, dim)
    latents = latents_of(before)
    value = np.asarray(latents[name])
    other = _another(few, name, value)

    def reached(number: int) -> list[int]:
        at = (slice(None),) * dim + (number,)
        moved = value.copy()
        moved[at] = other[at]
        after = replay(few, {**latents, name: moved})
        return _moved(before, after, {*sites} - {name}, n, rows_along_each)

    values = value.shape[dim]
    far = [rows for rows in map(reached, (0, values // 2)) if rows and rows[-1] - rows[0] > NEAR]
    if not far:
        return False
    times = Counter[int]()
    for number in range(values):
        times.update(reached(number))
    return max(times.values()) > 1


def _with_values(call: Call, rows: Rows, name: str, dim: int) -> tuple[Call, int, Outcome]:
    """A call on few rows in which a latent has values, how many rows they are, and its run: gaps may be rare."""
    for fewest in (FEW, MANY, min(2 * rows[0].length, MANY**2)):
        few, lengths = few_rows(call, [rows], fewest)
        outcome = replay(few, {})
        if np.shape(outcome[name].value)[dim]:
            return few, lengths[rows], outcome
    raise ValueError(f"{name} holds no value")


def _moved(before: Outcome, after: Outcome, sites: Names, n: int, view: Callable[[Any], View]) -> list[int]:
    """The rows, of so many, at which sites are drawn with something else."""
    rows = np.arange(n)
    return [row for row in range(n) if any(differences(before, after, sites, view(rows == row)))]


def _another(few: Call, name: str, value: Any) -> Any:
    """Another draw of a latent: discrete values may be drawn twice."""
    other = value
    for key in range(1, 6):
        drawn = replay(few, {}, key=jax.random.PRNGKey(key))
        other = np.where(other == value, drawn[name].value, other)
        if (other != value).all():
            break
    return other


def _rows(index: Any, beyond: int, values: Any, dim: int) -> Any:
    """These rows of an array.

    Where that changes nothing (one row, or rows that are all alike), and with ``beyond``, numbers that are no integers
    become larger than all there are, or (-1) smaller.
    """
    if values.dtype.kind == "M":  # dates are numbers that only differ by their zero
        return _rows(index, beyond, values.astype(np.int64).astype(float), dim).astype(np.int64).astype(values.dtype)
    new = values.take(index, dim)
    if values.dtype.kind == "f" and (beyond or np.array_equal(new, values)):
        high, low = values.max(dim, keepdims=True), values.min(dim, keepdims=True)
        at = (slice(None),) * dim + (np.arange(len(index)) != index,)
        far = 2 * low - high - 0.5 if beyond < 0 else 2 * high - low + 0.5
        new[at] = far.astype(values.dtype)
    return new
