"""The laws of rows: a row is drawn as it is drawn alone, wherever it stands, and a latent's value stays in its row.

The model is run on a few rows, with one draw. Rows act on each other through the arguments (a mean, a maximum,
quantiles, ranks, the first row) if other values in half of the rows change what the other half is drawn with. Rows next
to those that changed are not compared: a lag reaches its neighbours, and is no statistic. A row's place counts (a trend
by ``arange(len(x))``) if all rows have the same values, but are drawn with different ones.
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
        The arguments whose values at other rows count; empty: the number of the row counts.
    target : str
        The site that is drawn.
    parameter : str
        The parameter of its distribution that changes most.
    moves : float
        How much it changes if half of the rows are others.
    keep : tuple of str
        Deterministic sites that make the rows independent if their recorded values are kept.
    reach : int
        How many rows later a value still counts, if this is a lag; 0: it is no lag.
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
        """The rows of each size, at least ``fewest`` of them."""
        if not self.others:
            few, draw = with_defaults(self.call), self.draw
            lengths = {axes: axes[0].length for axes in self.rows}
        else:
            few, lengths = few_rows(self.call, [*self.rows, *self.others], fewest)
            outcome = replay_again(few, {}, (), self.programs)
            draw = repeated(_for_loops(self.draw, outcome), outcome)
        scene = replace(self, call=few, draw=draw)
        for axes, targets in self.rows.items():
            of_arrays = [axis for axis in axes if axis.is_of_array]
            dims = {axis.leaf: int(axis.dim) for axis in of_arrays}
            yield axes, _Meeting(scene, dims, lengths[axes], targets)


def _for_loops(draw: Draw, outcome: Outcome) -> Draw:
    """The draw with a value for each latent that a loop names: the values that it has, again and again."""
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
            alone = replace(scene, rows={axes: scene.rows[axes]})
            reach = attempt(reach_of, alone, found.arguments)
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
    rows = np.arange(meeting.n)
    middle = meeting.n // 2
    few = meeting.call
    kinds = {i: _ALL for i in meeting.dims if few.names[i] in arguments}
    index = np.where(rows == middle, middle - 1, rows)
    one_is_other = partial(_rows, index, 1)
    before = meeting.run(few)
    after = meeting.run(meeting.changed(few, kinds, one_is_other), before)
    moved = _moved(before, after, meeting.targets, meeting.n, rows_at)
    if not moved:
        return 0
    is_lag = moved[0] >= middle and moved[-1] < meeting.n - 1
    return moved[-1] - middle if is_lag else 0


@dataclass(frozen=True)
class _Meeting:
    """The rows of one size: whether they act on each other, and whether it counts where they stand.

    There are ``n``, along ``dims`` of arguments. The call of the scene has few rows.
    """

    scene: Scene
    dims: Mapping[int, int]
    n: int
    targets: Names

    @property
    def call(self) -> Call:
        return self.scene.call

    def statistic(self, offered: Sequence[str]) -> Statistic | None:
        for base, kinds, are_labels in self.bases():
            move = self.largest_move(base, kinds)
            if move is None:
                continue
            alone = {}
            for i, of in kinds.items():
                if self.largest_move(base, {i: of}):
                    alone[i] = of
            acting = alone or kinds
            # only those that act: beside labels, a plain index counts by its size, but moves no other row
            if are_labels and not self.count_by_size(base, acting):
                continue
            if alone and all(map(self.is_table, alone)):
                continue
            keep = self.settled_by(base, kinds, offered)
            return _statistic(move, [self.call.names[i] for i in acting], keep)
        return None

    def place(self) -> Statistic | None:
        """What rows are drawn with if not all alike, though their values are. A lag pads the first and last rows: they
        are not compared."""
        alike = self.all_alike(dict.fromkeys(self.dims, _ALL))
        outcome = self.run(alike)
        if _are_data(outcome, [alike.leaves[i] for i in self.dims]):
            return None
        for target in self.targets:
            for parameter, array in outcome[target].arrays.items():
                shape = np.shape(array)
                if self.n not in shape:
                    continue
                rows = np.moveaxis(np.asarray(array), shape.index(self.n), 0)
                inner = rows[NEAR:-NEAR]
                if differ(inner, np.broadcast_to(inner[:1], inner.shape)):
                    return _statistic(Moved(target, parameter, float(np.ptp(inner))))
        return None

    def settled_by(self, base: Call, kinds: Kinds, offered: Sequence[str]) -> tuple[str, ...]:
        """The fewest of the offered sites with which no row acts on another; empty: rows act on each other anyway."""

        def is_enough(names: Names) -> bool:
            scene = replace(self.scene, kept={*self.scene.kept, *names})
            return bool(names) and not replace(self, scene=scene).largest_move(base, kinds)

        if not is_enough(offered):
            return ()
        keep = tuple(offered)
        for name in offered:
            fewer = tuple(other for other in keep if other != name)
            if is_enough(fewer):
                keep = fewer
        return keep

    def bases(self) -> Iterator[tuple[Call, Kinds, bool]]:
        """Calls to start from, the kinds of numbers that change in each argument, and whether they may be labels.

        Where the model sees values, integers may be labels: `np.unique` numbers each by what other labels there are.
        """
        numbers = dict.fromkeys(self.dims, "fcM")
        traced = self.dims.keys() & self.call.traced
        yield self.call, {**numbers, **dict.fromkeys(traced, "biufc")}, False
        codes, labels = dict[int, str](), dict[int, str]()
        for i in self.dims:
            kinds = {array.dtype.kind for array in self.numbers(self.call, i).values()}
            if not kinds.isdisjoint("iu"):
                where = codes if i in traced else labels
                where[i] = "iu"
        if codes:
            yield self.all_alike(codes), numbers, False  # all rows are in one group
        if labels:
            yield self.call, labels, True

    def largest_move(self, base: Call, kinds: Kinds) -> Moved | None:
        """What changes most at rows that stay, if half of the rows are others; None: nothing does."""
        half, rows = self.n // 2, np.arange(self.n)
        first = rows < half
        last = first[::-1]
        before = self.run(base)
        found = list[Moved]()
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
        every_row = np.full(self.n, True)
        return bool(self.moves(self.run(base), larger, every_row))

    def all_alike(self, kinds: Kinds) -> Call:
        """The call in which all rows have the numbers of the first one."""
        first = np.zeros(self.n, int)
        return self.changed(self.call, kinds, lambda x, dim: x.take(first, dim))

    def changed(self, base: Call, kinds: Kinds, change: Callable[[Any, int], Any]) -> Call:
        """The call with other numbers of these kinds: ``change`` gets an array and its dimension of rows."""
        leaves = {}
        for i, of in kinds.items():
            dim, new = self.dims[i], {}
            for name, array in self.numbers(base, i).items():
                if array.dtype.kind in of:
                    new[name] = change(array, dim)
            labels = new.pop(_LABELS, None)
            leaf = argument.of(base.leaves[i]).with_columns(new)
            if labels is not None:
                leaf = argument.of(leaf).with_row_labels(dim, labels)
            leaves[i] = leaf
        return base.with_leaves(leaves)

    def numbers(self, call: Call, i: int) -> dict[Any, Any]:
        """The columns of an argument, and the labels of its rows."""
        part = argument.of(call.leaves[i])
        found = {}
        for name, column in part.columns.items():
            if column.shape:
                found[name] = column.array
        labels = part.row_labels(self.dims[i])
        if labels is not None:
            found[_LABELS] = labels.array
        return found

    def moves(self, before: Outcome, changed: Call, stay: Any) -> list[Moved]:
        """What differs at rows that stay, given the same latents."""
        after = self.run(changed, before)
        return list(differences(before, after, self.targets, rows_at(stay)))

    def is_table(self, leaf: int) -> bool:
        """Whether an argument can be longer alone: then rows are looked up in it, and its length is an accident."""
        one_more = np.arange(self.n + 1) % self.n
        part = argument.of(self.call.leaves[leaf])
        longer = part.taken(self.dims[leaf], one_more)
        before = self.run(self.call)
        after = attempt(self.run, self.call.with_leaves({leaf: longer}), before)
        if after is None:
            return False
        return all(before[name].shape == after[name].shape for name in self.targets)

    def run(self, call: Call, before: Outcome | None = None) -> Outcome:
        """A run with the draw, given the latents of another run."""
        draw = {**self.scene.draw, **latents_of(before or {})}
        return replay_again(call, draw, self.scene.kept, self.scene.programs)


def _statistic(move: Moved, arguments: Names = (), keep: Names = ()) -> Statistic:
    parameter = move.parameter.rpartition(".")[2]
    return Statistic(tuple(arguments), move.site, parameter, move.by, tuple(keep))


def _are_data(outcome: Outcome, leaves: Sequence[Any]) -> bool:
    """Whether all arguments with these rows are observed: then nothing but its number tells a row from others."""
    observed = [site.value for site in outcome.values() if site.kind == "observed"]

    def is_observed(leaf: Any) -> bool:
        return any(argument.equal(leaf, value) for value in observed)

    return all(map(is_observed, leaves))


# ------------------------------------------------------------------------------------------ a latent's value


def reaches_other_rows(call: Call, rows: Rows, name: str, dim: int, sites: Names) -> bool:
    """Whether one value of a latent counts at rows far from each other. See `attempt`.

    The model is run on a few rows with one draw of all latents, then with another first value, then with another value
    in the middle. A lag reaches the neighbours of a row, a sum (``cumsum(z)``, ``L @ z``, ``z.mean()``) reaches all
    rows. The number of a value is not its row: values of gaps are put into rows by an index. If each row has only one
    value, values are picked by an index, as effects of groups are. The distributions of ``sites`` are compared.
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

    def reaches_far(number: int) -> bool:
        rows = reached(number)
        return bool(rows) and rows[-1] - rows[0] > NEAR

    values = value.shape[dim]
    if not reaches_far(0) and not reaches_far(values // 2):
        return False
    times = Counter[int]()
    for number in range(values):
        times.update(reached(number))
    return max(times.values()) > 1


def _with_values(call: Call, rows: Rows, name: str, dim: int) -> tuple[Call, int, Outcome]:
    """A call on few rows in which a latent has values, the number of rows, and its run. Gaps may be rare."""
    most = min(2 * rows[0].length, MANY**2)
    for fewest in (FEW, MANY, most):
        few, lengths = few_rows(call, [rows], fewest)
        outcome = replay(few, {})
        if np.shape(outcome[name].value)[dim]:
            return few, lengths[rows], outcome
    raise ValueError(f"{name} holds no value")


def _moved(before: Outcome, after: Outcome, sites: Names, n: int, view: Callable[[Any], View]) -> list[int]:
    """The rows, of so many, at which sites are drawn with something else."""
    rows = np.arange(n)
    moved = []
    for row in range(n):
        this_row = view(rows == row)
        if any(differences(before, after, sites, this_row)):
            moved.append(row)
    return moved


def _another(few: Call, name: str, value: Any) -> Any:
    """Another draw of a latent. It is drawn more than once, since a discrete value may come again."""
    other = value
    for key in range(1, 6):
        drawn = replay(few, {}, key=jax.random.PRNGKey(key))
        other = np.where(other == value, drawn[name].value, other)
        if (other != value).all():
            break
    return other


def _rows(index: Any, beyond: int, values: Any, dim: int) -> Any:
    """These rows of an array.

    With ``beyond``, numbers become larger than all others, or smaller (-1), unless they are integers. So they do where
    these rows change nothing: there is one row, or all rows are alike.
    """
    if values.dtype.kind == "M":  # dates are numbers that only differ by their zero
        numbers = values.astype(np.int64).astype(float)
        new = _rows(index, beyond, numbers, dim)
        return new.astype(np.int64).astype(values.dtype)
    new = values.take(index, dim)
    if values.dtype.kind == "f" and (beyond or np.array_equal(new, values)):
        high, low = values.max(dim, keepdims=True), values.min(dim, keepdims=True)
        span = high - low + 0.5
        far = low - span if beyond < 0 else high + span
        is_other = np.arange(len(index)) != index
        at = (slice(None),) * dim + (is_other,)
        new[at] = far.astype(values.dtype)
    return new
