"""What each dimension follows: found by abstract runs under changed lengths alone.

One size is changed a run: a dimension that moves with it follows it. Axes that are equally long are one size, until a
run shows that a part of them can change alone.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from .argument import Shape
from .call import Axis, Call, lengths_of, levels_of, resized, with_defaults
from .trace import Run, Site, try_run

Names = list[str]
Change = dict["Size", int]  # the new length of each
# By how much dimensions of sites grew, and how many more sites a loop names: (pattern of their names, _LOOP).
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
    def kinds(self) -> set[str]:
        """Of its axes."""
        return {axis.kind for axis in self.axes}

    @property
    def is_lone(self) -> bool:
        """No array has it: a number, or levels."""
        return self.kinds <= {"integer", "levels"}

    @property
    def is_of_levels(self) -> bool:
        return self.kinds == {"levels"}

    def part(self, kinds: Collection[str]) -> Size:
        """Its axes of these kinds; there may be none."""
        return Size(tuple(axis for axis in self.axes if axis.kind in kinds))

    def without(self, axes: Collection[Axis]) -> Size:
        """Its other axes; there may be none."""
        return Size(tuple(axis for axis in self.axes if axis not in axes))

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
    fixed : tuple of Size
        Sizes that cannot change, as beside a column that the model closes over.
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


def find_sizes(call: Call, base: Run, targets: Collection[str]) -> Sizes:
    """What each dimension of each site of ``base`` follows; it is the run of ``call``."""
    call = with_defaults(call)
    search = _ChangedRuns(*cut(call, base), targets)
    search.explain()
    moved = search.moved_in(call)

    of, loops = {}, {}
    for name, site in base.sites.items():
        seen = search.seen_as(site)
        of[name] = tuple(_moving(moved, seen, dim) for dim in range(site.rank))
        naming = _moving(moved, _pattern(name), _LOOP)
        if naming:
            loops[name] = naming
    shrinking = set()
    for size, growth in moved.items():
        for (name, _), step in growth.items():
            if step < 0 and name in targets:
                shrinking.add(size)
    stuck, fixed = search.stuck_lengths(), tuple(search.stuck)
    return Sizes(base.sites, of, loops, tuple(moved), stuck, fixed, frozenset(shrinking), len(search.told))


def _moving(moved: Mapping[Size, Growth], name: str, dim: int) -> frozenset[Size]:
    return frozenset(size for size, growth in moved.items() if (name, dim) in growth)


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
    """The same on few rows, if the model computes with the values of many: one run costs as much as the data."""
    axes = list(lengths_of(call))
    long = set()
    for axis in axes:
        costs = axis.is_of_array and not call.is_traced(call.leaves[axis.leaf])
        if costs and axis.length > _LONG:
            long.add(axis.length)
    used = {axis.length for axis in axes} | _lengths(base)
    free = [n for n in range(_CUT, 1, -1) if n not in used]
    new_lengths = dict(zip(sorted(long, reverse=True), free))  # what is longer stays longer
    equally_long = [axis for axis in axes if axis.length in new_lengths]
    of_arrays = [axis for axis in equally_long if axis.is_of_array]
    for chosen in (equally_long, of_arrays) if long else ():
        few_rows = resized(call, [(axis, new_lengths[axis.length]) for axis in chosen])
        outcome = try_run(few_rows) if few_rows else None
        if few_rows and outcome and _patterns(outcome) == _patterns(base):
            return few_rows, outcome
    return call, base


def _lengths(run: Run) -> set[int]:
    return {n for site in run.sites.values() for n in site.shape or ()}


def _loops(run: Run) -> dict[str, Names]:
    return numbered(name for name, site in run.sites.items() if site.kind != "plate")


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
        self.used = _lengths(base) | {axis.length for axis in self.axes}

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
        """One size; where it cannot change, its parts."""
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
        # a number that is by accident as long as something that moved tells nothing
        tells_nothing = rest != size and rest.kinds == {"integer"}
        if rest.axes and not tells_nothing:
            self.stuck.append(rest)

    def can_change(self, size: Size) -> bool:
        growth = self.run({size: self.longer(size)}, {size: self.next_unused(size)})
        if growth is None and size.is_of_levels:
            growth = self.growth_with_its_rows(size)
        if growth is None:
            return False
        self.moved[size] = growth
        return True

    def growth_with_its_rows(self, levels: Size) -> Growth | None:
        """New levels need new rows to stand in: what moves, and does not follow those rows, follows the levels."""
        leaf, new = levels.axes[0].leaf, self.longer(levels)
        for rows, known in self.moved.items():
            if any(axis.leaf == leaf and axis.kind == "leading" for axis in rows.axes):
                growth = self.run({rows: self.longer(rows), levels: new})
                if growth is None:
                    return None
                # what grows by less than the number of levels is made of their values
                least = new - levels.length
                return {at: step for at, step in growth.items() if step >= least and at not in known}
        return None

    def two_by_two(self) -> None:
        """Sizes that cannot change alone: `y` and `y[1:]`, rows and a number of rows a group."""
        for one, other in itertools.combinations(tuple(self.stuck), 2):
            if one not in self.stuck and other not in self.stuck:
                continue
            n, m = one.length, other.length
            growth = self.run({one: 2 * n, other: 2 * m}, {one: n + 7, other: m + 7})
            if growth is not None:
                self.moved[Size(one.axes + other.axes)] = growth
                self.stuck = [size for size in self.stuck if size not in (one, other)]

    def split(self) -> None:
        """Axes of one length by accident: told apart where a target and a latent follow them."""
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
            for part in parts:
                growth = self.run({part: self.longer(part)})
                if growth is None:
                    break
                found[part] = growth
            else:
                return found
        return {}

    def would_be_rows(self, size: Size) -> bool:
        """Whether a target and a latent follow it; a target may be a latent itself, and need not be one for sure."""
        moved = {_pattern(name) for name, _ in self.moved[size]}
        targets = moved.intersection(map(_pattern, self.targets))
        latents = moved.intersection(map(_pattern, self.base.named("latent")))
        has_both = bool(targets and latents) and len(targets | latents) > 1
        return has_both and len(size.axes) > 1

    # ---------------------------------------------------------------------------------------- one changed run

    def run(self, *changes: Change) -> Growth | None:
        """What moves under the first of these changes that the model runs with, and stays the same model."""
        for change in changes:
            key = frozenset(change.items())
            if key not in self.told:
                lengths = [(axis, length) for size, length in change.items() for axis in size.axes]
                changed = resized(self.call, lengths)
                if changed is None or len(self.told) == _MOST_RUNS:
                    continue
                self.told[key] = self.growth(try_run(changed))
            growth = self.told[key]
            if growth is not None:
                return growth
        return None

    def growth(self, after: Run | None) -> Growth | None:
        before, found = self.base, {}
        if after is None or _patterns(after) != _patterns(before):
            return None
        if not before.sites.keys() <= after.sites.keys():
            return None
        for name, site in before.sites.items():
            new = after.sites[name]
            if new.kind != site.kind or new.rank != site.rank:
                return None
            if _grew_apart(site, new, before.dist_shapes.get(name), after.dist_shapes.get(name)):
                return None
            for dim, lengths in enumerate(zip(site.shape or (), new.shape or ())):
                was, now = lengths
                found[name, dim] = now - was
        more, loops = _loops(after), _loops(before)
        for pattern, names in loops.items():
            found[pattern, _LOOP] = len(more.get(pattern, ())) - len(names)
        return {at: step for at, step in found.items() if step}

    # -------------------------------------------------------------------------------------- the new lengths

    def longer(self, size: Size) -> int:
        """A multiple of the length that nothing else has: models reshape and pool their rows."""
        if size.length == 0 or size.is_of_levels:  # each level takes a value
            return self.next_unused(size)
        return self.next_unused(size, step=size.length)

    def next_unused(self, size: Size, step: int = 1) -> int:
        new = size.length + max(step, 2)
        while new in self.used:
            new += step
        return new

    # ------------------------------------------------------------------------------------------ what was told

    def moved_in(self, call: Call) -> dict[Size, Growth]:
        """What moved with each size, in the order of their axes, and with the lengths that a call has."""
        real = {axis.place: axis for axis in lengths_of(call)}
        found = {}
        in_order = sorted(self.moved, key=lambda size: self.axes.index(size.axes[0]))
        for size in in_order:
            axes = [real.get(axis.place, axis) for axis in size.axes]
            found[Size(tuple(axes))] = self.moved[size]
        return found

    def seen_as(self, site: Site) -> str:
        """The name that tells of a site: of those that a loop names, the cut may leave fewer."""
        if site.name in self.base.sites:
            return site.name
        for name, seen in self.base.sites.items():
            if _pattern(name) == _pattern(site.name) and seen.rank == site.rank:
                return name
        return site.name

    def stuck_lengths(self) -> frozenset[int]:
        """Not of the columns of an array whose rows did move: how many there are, the model fixes."""
        moving = {axis.leaf for size in self.moved for axis in size.axes if axis.kind == "leading"}
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
        others = size.without(part)
        if others.axes:
            yield sorted((Size(tuple(part)), others), key=lambda size: axes.index(size.axes[0]))


def _grew_apart(before: Site, after: Site, dist_before: Shape | None, dist_after: Shape | None) -> bool:
    """Whether a site fitted its distribution and its plates, and does not any more. NumPyro raises no error:
    an observed site takes any value, and a plate of size 1 broadcasts."""
    if before.kind == "observed" and dist_before == before.shape and dist_after != after.shape:
        return True
    if before.kind not in ("latent", "observed"):
        return False
    return _fills_plates(before) and not _fills_plates(after)


def _fills_plates(site: Site) -> bool:
    batch = (site.shape or ())[: site.rank - site.event_dim]
    return all(len(batch) >= -plate.dim and batch[plate.dim] == plate.size for plate in site.plates)
