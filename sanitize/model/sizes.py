"""What each dimension follows: found by abstract runs under changed lengths alone.

One size is changed a run: a dimension that moves with it follows it. Axes that are equally long are one size, until a
run shows that a part of them can change alone.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .axes import Axis, has_no_values, lengths_of, levels_of, resized, with_defaults
from .call import Call, Shape
from .trace import Run, Site, try_run

Names = list[str]

# Changed runs that one model may take. Two or three are usual; none of the models in the tests takes more than 30.
_MOST_RUNS = 64
# Axes longer than this are cut first, where the model computes with the values of an argument.
_LONG, _CUT = 256, 64


@dataclass(frozen=True)
class Size:
    """Axes that can only change together: one size of the data."""

    axes: tuple[Axis, ...]

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    @property
    def length(self) -> int:
        return self.axes[0].length

    @property
    def is_lone(self) -> bool:
        """No array has it: a number, or levels."""
        return not any(axis.is_of_array for axis in self.axes)

    @property
    def is_of_levels(self) -> bool:
        return all(axis.kind == "levels" for axis in self.axes)

    def __repr__(self) -> str:
        return f"<{' = '.join(self.words)} = {self.length}>"


_NO_SIZES = frozenset[Size]()


@dataclass(frozen=True, eq=False)
class Sizes:
    """What the dimensions of each site follow.

    Attributes
    ----------
    sites : mapping
        The sites of the run.
    of : mapping
        Site -> for each of its dimensions the sizes that it follows. None: the model fixes it, or it is untold.
    loops : mapping
        Site that a loop named (``z_0``, ``z_1``, ...) -> the sizes that tell how many there are.
    sizes : tuple of Size
        All that were found.
    stuck : frozenset of int
        Lengths of axes that cannot change.
    shrinking : frozenset of Size
        Sizes that make a target shorter: a lag, as of ``y[p:]``.
    runs : int
        How many changed runs that took.
    """

    sites: Mapping[str, Site]
    of: Mapping[str, tuple[frozenset[Size], ...]]
    loops: Mapping[str, frozenset[Size]]
    sizes: tuple[Size, ...]
    stuck: frozenset[int]
    shrinking: frozenset[Size]
    runs: int

    def followed_by(self, name: str) -> frozenset[Size]:
        """What a site follows: along a dimension, or as one of many that a loop names."""
        return _NO_SIZES.union(*self.of[name], self.loops.get(name, ()))

    def untold(self, name: str, targets: Collection[str]) -> frozenset[int]:
        """Dimensions as long as an axis that cannot change, or as those of a target that nothing moves."""
        lengths = set(self.stuck)
        for target in targets:
            if target in self.of and not any(self.of[target]):
                lengths.update(self.sites[target].shape or ())
        lengths -= {0, 1}
        dims = zip(self.sites[name].shape or (), self.of[name])
        return frozenset(i for i, (length, follows) in enumerate(dims) if length in lengths and not follows)

    def rows(self, targets: Collection[str]) -> tuple[Size, ...]:
        """The sizes that targets follow: those that all of them follow, if there are such.

        Where covariates are observed as well (``X`` beside ``y``), what both follow are rows, and the columns of ``X``
        are not.
        """
        each = [self._rows_of(name) for name in self.of if name in targets]
        each = [rows for rows in each if rows]
        found = _NO_SIZES.union(*each)
        common = found.intersection(*each)
        return tuple(size for size in self.sizes if size in (common or found))

    def _rows_of(self, target: str) -> frozenset[Size]:
        """What its batch dimensions follow: several outcomes of one event (``MultivariateNormal``) are one row. Where
        only the event follows a size (a Gaussian process), its elements are the rows."""
        dims = self.of[target]
        batch = dims[: len(dims) - self.sites[target].event_dim]
        follows = _NO_SIZES.union(*batch, self.loops.get(target, ()))
        return (follows or _NO_SIZES.union(*dims)) - self.shrinking


def find_sizes(call: Call, base: Run, targets: Collection[str], budget: int = _MOST_RUNS) -> Sizes:
    """What each dimension of each site of ``base`` follows; it is the run of ``call``."""
    call = with_defaults(call)
    few_rows, few_base, cut_runs = cut(call, base)
    search = _Search(few_rows, few_base, targets, budget)
    search.explain()
    real = search.sizes_of(call)

    def as_passed(sizes: Iterable[Size]) -> frozenset[Size]:
        return frozenset(real[size] for size in sizes if size in real)

    of, loops = {}, {}
    for name, site in base.sites.items():
        of[name] = tuple(as_passed(follows) for follows in search.dims_of(site))
    for pattern, sizes in search.loops.items():
        loops.update(dict.fromkeys(numbered(base.sites).get(pattern, ()), as_passed(sizes)))
    stuck, shrinking = search.stuck_lengths(), as_passed(search.shrinking)
    return Sizes(base.sites, of, loops, tuple(real.values()), stuck, shrinking, search.runs + cut_runs)


def numbered(names: Iterable[str]) -> dict[str, Names]:
    """Names that differ in a number alone, by what they have in common."""
    found: dict[str, Names] = {}
    for name in names:
        pattern = _pattern(name)
        if pattern != name:
            found.setdefault(pattern, []).append(name)
    return found


def _pattern(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def cut(call: Call, base: Run) -> tuple[Call, Run, int]:
    """The same on few rows, if the model computes with the values of many: one run costs as much as the data."""
    axes = list(lengths_of(call))
    long = set()
    for axis in axes:
        if axis.length > _LONG and axis.is_of_array and not has_no_values(call, call.leaves[axis.leaf]):
            long.add(axis.length)
    used = {axis.length for axis in axes} | _lengths(base)
    free = [n for n in range(_CUT, 1, -1) if n not in used]
    new_lengths = dict(zip(sorted(long, reverse=True), free))  # what is longer stays longer
    equally_long = [axis for axis in axes if axis.length in new_lengths]
    of_arrays = [axis for axis in equally_long if axis.is_of_array]
    runs = 0
    for chosen in (equally_long, of_arrays) if long else ():
        runs += 1
        few_rows = resized(call, [(axis, new_lengths[axis.length]) for axis in chosen])
        outcome = try_run(few_rows) if few_rows else None
        if few_rows and outcome and _patterns(outcome) == _patterns(base):
            return few_rows, outcome, runs
    return call, base, runs


def _lengths(run: Run) -> set[int]:
    return {n for site in run.sites.values() for n in site.shape or ()}


def _patterns(run: Run) -> set[str]:
    return set(map(_pattern, run.sites))


@dataclass(frozen=True)
class _Growth:
    """What a changed run tells: by how much each dimension of a site grew, and which loops name another number."""

    dims: Mapping[str, Sequence[int]]
    loops: Collection[str]

    @property
    def is_nothing(self) -> bool:
        return not self.loops and not any(map(any, self.dims.values()))


class _Search:
    """The changed runs of one model, and what they have told so far."""

    def __init__(self, call: Call, base: Run, targets: Collection[str], budget: int):
        self.call, self.base, self.targets, self.budget = call, base, targets, budget
        self.axes = (*lengths_of(call), *levels_of(call))
        self.follows: dict[str, list[set[Size]]] = {n: [set() for _ in s.shape or ()] for n, s in base.sites.items()}
        self.loops: dict[str, set[Size]] = {}
        self.sizes: list[Size] = []  # that could change
        self.stuck: list[Size] = []  # that could not
        self.shrinking: set[Size] = set()  # a target is the shorter, the longer these are
        self.told: dict[frozenset[tuple[Size, int]], _Growth | None] = {}

    @property
    def runs(self) -> int:
        return len(self.told)

    def explain(self) -> None:
        sizes = self.equally_long()
        lone = [size for size in sizes if size.is_lone]
        if len(lone) > 3 and self.move_nothing(lone):  # the columns of a frame: most move nothing
            self.sizes += lone
            sizes = [size for size in sizes if not size.is_lone]
        for size in sizes:
            self.alone(size)
        self.two_by_two()
        self.split()

    def equally_long(self) -> list[Size]:
        """Axes of one length, integers with them. Numbers that no axis has are sizes of their own, and so are levels.
        Levels come last: new ones need new rows to stand in."""
        lengths = {axis.length for axis in self.axes if axis.is_of_array}
        groups: dict[object, list[Axis]] = {}
        for axis in self.axes:
            is_own = axis.length not in lengths or axis.kind == "levels"
            groups.setdefault(axis if is_own else axis.length, []).append(axis)
        return [Size(tuple(axes)) for axes in groups.values()]

    def move_nothing(self, sizes: Iterable[Size]) -> bool:
        moved = self.run({size: self.longer(size) for size in sizes})
        return moved is not None and moved.is_nothing

    def alone(self, size: Size) -> None:
        """One size; where it cannot change, its parts."""
        rest = list(size.axes)
        for kinds in (
            ("leading", "later", "integer", "levels"),
            ("leading", "later", "levels"),
            ("leading",),
            ("integer",),
            ("later",),
        ):
            part = Size(tuple(axis for axis in size.axes if axis.kind in kinds))
            if part.axes and set(part.axes) <= set(rest) and self.can_change(part):
                rest = [axis for axis in rest if axis not in part.axes]
        # an integer that is by accident as long as something that moved tells nothing
        is_accident = len(rest) < len(size.axes) and all(axis.kind == "integer" for axis in rest)
        if rest and not is_accident:
            self.stuck.append(Size(tuple(rest)))

    def can_change(self, size: Size) -> bool:
        for length in (self.longer(size), self.next_unused(size)):
            moved = self.run({size: length})
            if moved:
                self.note(moved, size)
                return True
        return size.is_of_levels and self.can_change_with_its_rows(size)

    def can_change_with_its_rows(self, levels: Size) -> bool:
        """New levels need new rows to stand in: what moves, and does not follow those rows, follows the levels."""
        leaf = levels.axes[0].leaf
        for rows in self.sizes:
            if any(axis.leaf == leaf and axis.kind == "leading" for axis in rows.axes):
                moved = self.run({rows: self.longer(rows), levels: self.longer(levels)})
                if moved:
                    self.note(moved, levels, beside=rows)
                return moved is not None
        return False

    def two_by_two(self) -> None:
        """Sizes that cannot change alone: `y` and `y[1:]`, rows and a number of rows a group."""
        for one, other in itertools.combinations(tuple(self.stuck), 2):
            if one not in self.stuck and other not in self.stuck:
                continue
            doubled = {size: 2 * size.length for size in (one, other)}
            a_few_more = {size: size.length + 7 for size in (one, other)}
            moved = self.run(doubled) or self.run(a_few_more)
            if moved:
                self.note(moved, Size(one.axes + other.axes))
                self.stuck = [size for size in self.stuck if size not in (one, other)]

    def split(self) -> None:
        """Axes of one length by accident: told apart where a target and a latent follow them."""
        todo = [size for size in self.sizes if self.would_be_rows(size)]
        while todo:
            size = todo.pop()
            parts = self.parts_that_move_alone(size)
            if parts:
                self.forget(size)
                for part, moved in parts.items():
                    self.note(moved, part)
                todo += [part for part in parts if self.would_be_rows(part)]

    def parts_that_move_alone(self, size: Size) -> dict[Size, _Growth]:
        for parts in _partitions(size):
            found = {}
            for part in parts:
                moved = self.run({part: self.longer(part)})
                if moved is None:
                    break
                found[part] = moved
            if len(found) == len(parts):
                return found
        return {}

    def would_be_rows(self, size: Size) -> bool:
        """Whether a target and a latent follow it; a target may be a latent itself, and need not be one for sure."""
        moved = self.moved_by(size)
        targets = {_pattern(name) for name in moved if name in self.targets}
        latents = {_pattern(name) for name in moved if self.base.sites[name].kind == "latent"}
        return len(size.axes) > 1 and bool(targets and latents) and len(targets | latents) > 1

    def moved_by(self, size: Size) -> Names:
        found = [name for name, dims in self.follows.items() if any(size in follows for follows in dims)]
        for pattern, sizes in self.loops.items():
            if size in sizes:
                found += self.numbered[pattern]
        return found

    # ---------------------------------------------------------------------------------------- one changed run

    def run(self, change: Mapping[Size, int]) -> _Growth | None:
        """What moves under a change; None where the model does not run like that, or becomes another model."""
        key = frozenset(change.items())
        if key not in self.told:
            changed = resized(self.call, [(axis, length) for size, length in change.items() for axis in size.axes])
            if changed is None or self.runs == self.budget:
                return None
            self.told[key] = self.compared(try_run(changed))
        return self.told[key]

    def compared(self, after: Run | None) -> _Growth | None:
        before = self.base
        if after is None or _patterns(after) != _patterns(before) or not before.sites.keys() <= after.sites.keys():
            return None
        dims = {}
        for name, site in before.sites.items():
            new = after.sites[name]
            shape, new_shape = site.shape or (), new.shape or ()
            if new.kind != site.kind or len(new_shape) != len(shape):
                return None
            if _grew_apart(site, new, before.dist_shapes.get(name), after.dist_shapes.get(name)):
                return None
            dims[name] = [now - was for was, now in zip(shape, new_shape)]
        now = numbered(after.sites.keys() - {*after.named("plate")})
        return _Growth(dims, [p for p, names in self.numbered.items() if len(now.get(p, ())) != len(names)])

    def note(self, moved: _Growth, size: Size, beside: Size | None = None) -> None:
        """Write down what moved with a size, or with a size that changed ``beside`` it."""
        self.sizes.append(size)
        # what grows by less than the number of levels is made of their values
        least = self.longer(size) - size.length if size.is_of_levels else 1
        for name, steps in moved.dims.items():
            for follows, step in zip(self.follows[name], steps):
                if abs(step) >= least and beside not in follows:
                    follows.add(size)
                if step < 0 and name in self.targets:
                    self.shrinking.add(size)
        for pattern in moved.loops:
            follows = self.loops.setdefault(pattern, set())
            if beside not in follows:
                follows.add(size)

    def forget(self, size: Size) -> None:
        self.sizes.remove(size)
        for follows in (*itertools.chain(*self.follows.values()), *self.loops.values()):
            follows.discard(size)

    @functools.cached_property
    def numbered(self) -> dict[str, Names]:
        return numbered(name for name, site in self.base.sites.items() if site.kind != "plate")

    # -------------------------------------------------------------------------------------- the new lengths

    @functools.cached_property
    def used(self) -> frozenset[int]:
        return frozenset(_lengths(self.base) | {axis.length for axis in self.axes})

    def longer(self, size: Size) -> int:
        """A multiple of the length that nothing else has: models reshape and pool their rows."""
        if size.length == 0 or size.is_of_levels:  # each level takes a value
            return self.next_unused(size)
        multiples = (size.length * factor for factor in itertools.count(2))
        return next(n for n in multiples if n not in self.used)

    def next_unused(self, size: Size) -> int:
        return next(n for n in itertools.count(size.length + 2) if n not in self.used)

    # ------------------------------------------------------------------------------------------ what was told

    def sizes_of(self, call: Call) -> dict[Size, Size]:
        """The sizes that were found, in the order of their axes, and each with the lengths that a call has."""
        real = {(axis.leaf, axis.dim, axis.kind): axis for axis in lengths_of(call)}
        found = {}
        for size in sorted(self.sizes, key=lambda size: self.axes.index(size.axes[0])):
            found[size] = Size(tuple(real.get((axis.leaf, axis.dim, axis.kind), axis) for axis in size.axes))
        return found

    def dims_of(self, site: Site) -> Sequence[set[Size]]:
        """What the dimensions of a site follow, also of one that a loop names which the cut made shorter."""
        unknown: list[set[Size]] = [set() for _ in site.shape or ()]
        alike = [dims for name, dims in self.follows.items() if _pattern(name) == _pattern(site.name)]
        return self.follows.get(site.name) or next((dims for dims in alike if len(dims) == len(unknown)), unknown)

    def stuck_lengths(self) -> frozenset[int]:
        """Not of the columns of an array whose rows did move: how many there are, the model fixes."""
        moving = {axis.leaf for size in self.sizes for axis in size.axes if axis.kind == "leading"}
        stuck = [axis for size in self.stuck for axis in size.axes]
        return frozenset(axis.length for axis in stuck if axis.kind != "later" or axis.leaf not in moving)


def _partitions(size: Size) -> Iterator[list[Size]]:
    """Ways to tell a size's axes apart: by their kind, then each from all others, then two and two."""
    axes = size.axes
    kinds: dict[object, list[Axis]] = {}
    for axis in axes:
        kinds.setdefault((axis.kind, axis.dim), []).append(axis)
    if len(kinds) > 1:
        yield [Size(tuple(kind)) for kind in kinds.values()]
    parts = [*kinds.values(), *([axis] for axis in axes)]
    if len(axes) in (4, 5):
        parts += map(list, itertools.combinations(axes, 2))
    for part in parts:
        others = [axis for axis in axes if axis not in part]
        if others:
            in_order = sorted((part, others), key=lambda some: axes.index(some[0]))
            yield [Size(tuple(some)) for some in in_order]


def _grew_apart(before: Site, after: Site, dist_before: Shape | None, dist_after: Shape | None) -> bool:
    """Whether a site fitted its distribution and its plates, and does not any more. NumPyro raises no error:
    an observed site takes any value, and a plate of size 1 broadcasts."""
    if before.kind == "observed" and dist_before == before.shape and dist_after != after.shape:
        return True
    if before.kind not in ("latent", "observed"):
        return False
    return _fills_plates(before) and not _fills_plates(after)


def _fills_plates(site: Site) -> bool:
    batch = (site.shape or ())[: len(site.shape or ()) - site.event_dim]
    return all(len(batch) >= -p.dim and batch[p.dim] == p.size for p in site.plates)
