"""What each dimension follows: found by abstract runs under changed lengths alone.

One size is changed a run: a dimension that moves with it follows it. Axes that are equally long are one size, until a
run shows that a part of them can change alone.
"""

from __future__ import annotations

import itertools
import operator
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from .call import Axis, Call, lengths_of, levels_of, resized, with_defaults
from .trace import Run, Site, try_run

Names = list[str]
Change = dict["Size", int]  # the new length of each
# (site, dimension) -> by how much it grew; (pattern of names, _LOOP) -> how many more sites a loop names.
Growth = dict[tuple[str, int], int]
_LOOP = -1

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
        """No array has it: it is a number, or levels."""
        return self.is_of("integer", "levels")

    def is_of(self, *kinds: str) -> bool:
        """Whether its axes are of these kinds alone."""
        return self == self.part(kinds)

    @property
    def led(self) -> set[int]:
        """The arguments that have it as their first axis."""
        return {axis.leaf for axis in self.part(["leading"]).axes}

    def part(self, kinds: Collection[str]) -> Size:
        """Its axes of these kinds; there may be none."""
        return Size(tuple(axis for axis in self.axes if axis.kind in kinds))

    def without(self, axes: Collection[Axis]) -> Size:
        """Its other axes; there may be none."""
        return Size(tuple(axis for axis in self.axes if axis not in axes))


_NO_SIZES = frozenset[Size]()


@dataclass(frozen=True, eq=False)
class Sizes:
    """What the dimensions of each site follow.

    Attributes
    ----------
    sites : mapping
        The sites of the run.
    of : mapping
        Site -> for each dimension the sizes that it follows. Empty: the model fixes it, or it could not be told.
    loops : mapping
        Site that a loop named (``z_0``, ``z_1``, ...) -> the sizes that tell how many there are.
    sizes : tuple of Size
        All that were found.
    stuck : frozenset of int
        Lengths of axes that cannot change.
    fixed : tuple of Size
        Sizes that cannot change, as beside a column that the model closes over.
    shrinking : frozenset of Size
        Sizes that make a target shorter as they grow: the lag ``p`` of ``y[p:]``.
    runs : int
        How many changed runs it took.
    """

    sites: Mapping[str, Site]
    of: Mapping[str, tuple[frozenset[Size], ...]]
    loops: Mapping[str, frozenset[Size]]
    sizes: tuple[Size, ...]
    stuck: frozenset[int]
    fixed: tuple[Size, ...]
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
        found = set()
        for dim, length in enumerate(self.sites[name].shape or ()):
            if length in lengths and not self.of[name][dim]:
                found.add(dim)
        return frozenset(found)

    def rows(self, targets: Collection[str]) -> tuple[Size, ...]:
        """The sizes that targets follow: those that all of them follow, if there are such.

        Where covariates are observed as well (``X`` beside ``y``), what both follow are rows, and the columns of ``X``
        are not.
        """
        each = []
        for name in self.of:
            rows = self._rows_of(name)
            if rows and name in targets:
                each.append(rows)
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


def find_sizes(call: Call, base: Run, targets: Collection[str]) -> Sizes:
    """What each dimension of each site of ``base`` follows; it is the run of ``call``."""
    call = with_defaults(call)
    search = _ChangedRuns(*cut(call, base), targets)
    search.explain()
    real = {axis.place: axis for axis in lengths_of(call)}  # few rows have other lengths
    following: dict[tuple[str, int], frozenset[Size]] = defaultdict(frozenset)
    shrinking, sizes = set(), []
    for seen in search.in_order(search.moved):
        size = Size(tuple(real.get(axis.place, axis) for axis in seen.axes))
        sizes.append(size)
        for at, step in search.moved[seen].items():
            following[at] |= {size}
            if step < 0 and at[0] in targets:
                shrinking.add(size)

    of, loops = {}, {}
    for name, site in base.sites.items():
        of[name] = tuple(following[name, dim] for dim in range(site.rank))
        naming = following[_pattern(name), _LOOP]
        if naming:
            loops[name] = naming
    stuck, fixed = search.stuck_lengths(), tuple(search.stuck)
    return Sizes(base.sites, of, loops, tuple(sizes), stuck, fixed, frozenset(shrinking), len(search.told))


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


def cut(call: Call, base: Run) -> tuple[Call, Run]:
    """The call on few rows, and its run, where the model computes with the values of many: its runs take long."""
    axes = list(lengths_of(call))
    long = set()
    for axis in axes:
        costs = axis.is_of_array and not call.is_traced(call.leaves[axis.leaf])
        if costs and axis.length > _LONG:
            long.add(axis.length)
    free = set(range(2, _CUT + 1)) - _lengths(base, axes)
    new_lengths = dict(zip(sorted(long), sorted(free)[-len(long) :]))  # what is longer stays longer
    changes = [(axis, new_lengths[axis.length]) for axis in axes if axis.length in new_lengths]
    few_rows = resized(call, changes) if changes else None
    outcome = try_run(few_rows) if few_rows else None
    if few_rows and outcome and _patterns(outcome) == _patterns(base):
        return few_rows, outcome
    return call, base


def _lengths(run: Run, axes: Iterable[Axis]) -> set[int]:
    """The lengths of these axes, and of the dimensions of all sites."""
    found = {axis.length for axis in axes}
    for site in run.sites.values():
        found.update(site.shape or ())
    return found


def _patterns(run: Run) -> set[str]:
    return set(map(_pattern, run.sites))


class _ChangedRuns:
    """The changed runs of one model, and what they have told so far."""

    def __init__(self, call: Call, base: Run, targets: Collection[str]):
        self.call, self.base, self.targets = call, base, targets
        self.axes = (*lengths_of(call), *levels_of(call))
        self.moved: dict[Size, Growth] = {}  # with each size that could change
        self.stuck: list[Size] = []  # that could not
        self.told: dict[frozenset[tuple[Size, int]], Growth | None] = {}  # by each run
        self.used = _lengths(base, self.axes)

    def explain(self) -> None:
        sizes = self.equally_long()
        lone = [size for size in sizes if size.is_lone]
        if len(lone) > 3:  # the columns of a frame: most move nothing
            growth = self.run({size: self.longer(size) for size in lone})
            if growth == {}:
                self.moved.update(dict.fromkeys(lone, growth))
        for size in sizes:
            if size not in self.moved:
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

    def alone(self, size: Size) -> None:
        """Change one size; where it cannot change, its parts."""
        rest = size
        for kinds in (
            ("leading", "later", "integer", "levels"),
            ("leading", "later", "levels"),
            ("leading",),
            ("integer",),
            ("later",),
        ):
            part = rest.part(kinds)
            if part.axes and self.can_change(part):
                rest = rest.without(part.axes)
        # a number that happens to be equal to a length that moved tells nothing
        tells_nothing = rest != size and rest.is_of("integer")
        if rest.axes and not tells_nothing:
            self.stuck.append(rest)

    def can_change(self, size: Size) -> bool:
        growth = self.run({size: self.longer(size)}, {size: self.next_unused(size, 1)})
        if growth is None and size.is_of("levels"):
            growth = self.growth_with_its_rows(size)
        if growth is not None:
            self.moved[size] = growth
        return growth is not None

    def growth_with_its_rows(self, levels: Size) -> Growth | None:
        """New levels need new rows. What moves then, and does not follow those rows, follows the levels."""
        new = self.longer(levels)
        for rows, known in self.moved.items():
            if levels.axes[0].leaf not in rows.led:
                continue
            growth = self.run({rows: self.longer(rows), levels: new})
            if growth is None:
                return None
            # what grows by less than the number of levels is made of their values
            least = new - levels.length
            return {at: step for at, step in growth.items() if step >= least and at not in known}
        return None

    def two_by_two(self) -> None:
        """Change two sizes that cannot change alone: `y` and `y[1:]`, rows and the number of rows in a group."""
        for pair in itertools.combinations(tuple(self.stuck), 2):
            twice = {size: 2 * size.length for size in pair}
            a_few_more = {size: size.length + 7 for size in pair}
            growth = self.run(twice, a_few_more)
            if growth is not None:
                one, other = pair
                self.moved[Size(one.axes + other.axes)] = growth
                self.stuck = [size for size in self.stuck if size not in pair]

    def split(self) -> None:
        """Tell axes apart that only happen to be equally long, where a target and a latent follow them."""
        todo = list(self.moved)
        while todo:
            size = todo.pop()
            if self.would_be_rows(size):
                parts = self.parts_that_move_alone(size)
                if parts:
                    del self.moved[size]
                    self.moved.update(parts)
                    todo += parts

    def parts_that_move_alone(self, size: Size) -> dict[Size, Growth]:
        for parts in _partitions(size):
            found = {}
            for part in self.in_order(parts):
                growth = self.run({part: self.longer(part)})
                if growth is None:
                    break
                found[part] = growth
            else:
                return found
        return {}

    def would_be_rows(self, size: Size) -> bool:
        """Whether a target and a latent follow it. What may be a target counts, and may be a latent itself."""
        moved = {_pattern(name) for name, _ in self.moved[size]}
        targets = moved.intersection(map(_pattern, self.targets))
        latents = moved.intersection(map(_pattern, self.base.named("latent")))
        return bool(targets and latents) and len(targets | latents) > 1

    # ---------------------------------------------------------------------------------------- one changed run

    def run(self, *changes: Change) -> Growth | None:
        """What moves under the first of these changes with which the model runs, and stays the same model."""
        for change in changes:
            key = frozenset(change.items())
            if key not in self.told:
                lengths: list[tuple[Axis, int]] = []
                for size, length in change.items():
                    for axis in size.axes:
                        lengths.append((axis, length))
                changed = resized(self.call, lengths)
                if changed is None or len(self.told) == _MOST_RUNS:
                    continue
                self.told[key] = self.growth(try_run(changed))
            growth = self.told[key]
            if growth is not None:
                return growth
        return None

    def growth(self, after: Run | None) -> Growth | None:
        """What grew from the first run to this one; None: this one failed, or is of another model."""
        before = self.base
        if after is None or _patterns(after) != _patterns(before):
            return None
        found: Growth = {}
        for name, site in before.sites.items():
            new = after.sites.get(name)
            if new is None or new.kind != site.kind or new.rank != site.rank:
                return None
            if _misfits(after, name) - _misfits(before, name):
                return None
            steps = map(operator.sub, new.shape or (), site.shape or ())
            for dim, step in enumerate(steps):
                if step:
                    found[name, dim] = step
        loops = numbered(after.sites)
        for pattern, names in numbered(before.sites).items():
            more = len(loops[pattern]) - len(names)
            if more:
                found[pattern, _LOOP] = more
        return found

    # -------------------------------------------------------------------------------------- the new lengths

    def longer(self, size: Size) -> int:
        """A multiple of the length that nothing else has: models reshape and pool their rows.

        Of levels it is the next number, since each of them takes a value.
        """
        step = 1 if size.is_of("levels") else size.length
        return self.next_unused(size, step or 1)

    def next_unused(self, size: Size, step: int) -> int:
        new = size.length + max(step, 2)
        while new in self.used:
            new += step
        return new

    # ------------------------------------------------------------------------------------------ what was told

    def in_order(self, sizes: Iterable[Size]) -> list[Size]:
        """In the order of the first axis of each."""
        return sorted(sizes, key=lambda size: self.axes.index(size.axes[0]))

    def stuck_lengths(self) -> frozenset[int]:
        """The lengths that could not change, but for columns of an array whose rows could: the model fixes these."""
        moving = set[int]().union(*(size.led for size in self.moved))
        found = set()
        for size in self.stuck:
            for axis in size.axes:
                if axis.kind != "later" or axis.leaf not in moving:
                    found.add(axis.length)
        return frozenset(found)


def _partitions(size: Size) -> Iterator[list[Size]]:
    """Ways to tell a size's axes apart: by their kind, then each from all others, then two and two."""
    axes = size.axes
    kinds: dict[object, list[Axis]] = {}
    for axis in axes:
        kinds.setdefault((axis.kind, axis.dim), []).append(axis)
    if len(kinds) > 1:
        yield [Size(tuple(kind)) for kind in kinds.values()]
    parts: list[Collection[Axis]] = [*kinds.values(), *zip(axes)]
    if len(axes) in (4, 5):
        parts += itertools.combinations(axes, 2)
    for part in parts:
        others = size.without(part)
        if others.axes:
            yield [Size(tuple(part)), others]


def _misfits(run: Run, name: str) -> set[str]:
    """What the value of a sample site does not fit. NumPyro raises no error: an observed site takes any value, and a
    plate of size 1 broadcasts."""
    found: set[str] = set()
    if name not in run.dist_shapes:
        return found
    site = run.sites[name]
    shape = site.shape or ()
    if site.kind == "observed" and shape != run.dist_shapes[name]:
        found.add("distribution")
    batch = shape[: site.rank - site.event_dim]
    for plate in site.plates:
        if len(batch) < -plate.dim or batch[plate.dim] != plate.size:
            found.add("plates")
    return found
