"""What each dimension follows: found by abstract runs under changed lengths alone.

All lengths are changed at once, each to a new one of its own, so that one run tells most: a dimension that was as long
as `X[0]` and is now as long as the new `X[0]` follows it. Where that run fails, or leaves something open, fewer lengths
are changed, down to one at a time.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .axes import Axis, has_no_values, lengths_of, levels_of, resized, with_defaults
from .call import Call, Shape
from .trace import Run, Site, try_run

# Changed runs that one model may take. One or two are usual; none of the models in the tests takes more than 30.
_MOST_RUNS = 64
# Axes longer than this are cut first, where the model computes with the values of an argument.
_LONG, _CUT = 256, 64

# A new length is at most so much longer, where it is no multiple; more sizes have no different lengths in this room.
_MOST_STEPS, _MOST_AT_ONCE = 400, 50

_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)


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

    def __repr__(self) -> str:
        return f"<{' = '.join(self.words)} = {self.length}>"


@dataclass(frozen=True, eq=False)
class Sizes:
    """What the dimensions of each site follow.

    Attributes
    ----------
    of : mapping
        Site -> for each of its dimensions the sizes that it follows. None: the model fixes it, or it is untold.
    stuck : frozenset of int
        Lengths of axes that cannot change.
    loops : mapping
        Site that a loop named (``z_0``, ``z_1``, ...) -> the sizes that tell how many there are.
    sizes : tuple of Size
        All that were found.
    runs : int
        How many changed runs that took.
    event_dims : mapping
        Site -> how many rightmost dimensions belong to one event.
    shrinking : frozenset of Size
        Sizes that make a target shorter: a lag, as of ``y[p:]``.
    """

    of: Mapping[str, tuple[frozenset[Size], ...]]
    stuck: frozenset[int]
    loops: Mapping[str, frozenset[Size]]
    sizes: tuple[Size, ...]
    runs: int
    event_dims: Mapping[str, int]
    shrinking: frozenset[Size]

    def followed_by(self, name: str) -> frozenset[Size]:
        """What a site follows: along a dimension, or as one of many that a loop names."""
        return frozenset[Size]().union(*self.of[name], self.loops.get(name, ()))

    def untold(self, site: Site, sites: Mapping[str, Site], targets: Collection[str]) -> frozenset[int]:
        """Dimensions as long as an axis that cannot change, or as those of a target that nothing moves."""
        unmoved = [name for name in targets if name in self.of and not any(self.of[name])]
        lengths = self.stuck.union(*(sites[name].shape or () for name in unmoved)) - {0, 1}
        dims = zip(site.shape or (), self.of[site.name])
        return frozenset(i for i, (n, follows) in enumerate(dims) if n in lengths and not follows)

    def rows(self, targets: Collection[str]) -> tuple[Size, ...]:
        """The sizes that targets follow: those that all of them follow, if there are such.

        Of a target with batch dimensions these alone: several outcomes of one event (``MultivariateNormal``) are one
        row. Where only the event follows a size (a Gaussian process), its elements are the rows. Where covariates are
        observed as well (``X`` beside ``y``), what both follow are rows, and the columns of ``X`` are not.
        """
        each: list[frozenset[Size]] = []
        for name in self.of.keys() & set(targets):
            dims = self.of[name]
            batch = dims[: len(dims) - self.event_dims[name]]
            each.append(frozenset().union(*batch, self.loops.get(name, ())) or frozenset().union(*dims))
        each = [follows - self.shrinking for follows in each if follows - self.shrinking]
        found = frozenset[Size]().union(*each)
        common = found.intersection(*each)
        return tuple(size for size in self.sizes if size in (common or found))


def find_sizes(call: Call, base: Run, targets: Collection[str], budget: int = _MOST_RUNS) -> Sizes:
    """What each dimension of each site of ``base`` follows; it is the run of ``call``."""
    short_call, short, cut_runs = cut(with_defaults(call), base)
    search = _Search(short_call, short, targets, budget)
    search.explain()
    of, loops = search.follows, {}
    for pattern, sizes in search.loops.items():
        loops.update(dict.fromkeys(numbered(base.sites).get(pattern, ()), frozenset(sizes)))
    for name in base.sites.keys() - of.keys():  # of a loop that became shorter by the cut
        alike = [n for n in of if _pattern(n) == _pattern(name) and len(of[n]) == len(base.sites[name].shape or ())]
        of[name] = of[alike[0]] if alike else [set() for _ in base.sites[name].shape or ()]
    # said with the lengths that the arguments really have
    whole = {(axis.leaf, axis.dim, axis.kind): axis for axis in lengths_of(with_defaults(call))} if cut_runs else {}
    found = sorted(search.sizes, key=lambda size: search.axes.index(size.axes[0]))
    named = {s: Size(tuple(whole.get((a.leaf, a.dim, a.kind), a) for a in s.axes)) for s in found}
    return Sizes(
        {name: tuple(frozenset(named[s] for s in dim) for dim in of[name]) for name in base.sites},
        search.stuck_lengths(),
        {name: frozenset(named[s] for s in sizes) for name, sizes in loops.items()},
        tuple(named.values()),
        search.runs + cut_runs,
        {name: site.event_dim for name, site in base.sites.items()},
        frozenset(named[s] for s in search.shrinking if s in named),
    )


def numbered(names: Iterable[str]) -> dict[str, list[str]]:
    """Names that differ in a number alone, by what they have in common."""
    found: dict[str, list[str]] = {}
    for name in names:
        if (pattern := _pattern(name)) != name:
            found.setdefault(pattern, []).append(name)
    return found


def _pattern(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def cut(call: Call, base: Run) -> tuple[Call, Run, int]:
    """The same on few rows, if the model computes with the values of many: one run costs as much as the data."""
    axes = list(lengths_of(call))
    long = {
        a.length for a in axes if a.length > _LONG and a.is_of_array and not has_no_values(call, call.leaves[a.leaf])
    }
    if not long:
        return call, base, 0
    used = {a.length for a in axes} | _lengths(base)
    free = [n for n in range(_CUT, 1, -1) if n not in used]
    cut = dict(zip(sorted(long, reverse=True), free))  # what is longer stays longer
    runs = 0
    for kinds in (("leading", "later", "integer"), ("leading", "later")):
        shorter = resized(call, [(a, cut[a.length]) for a in axes if a.length in cut and a.kind in kinds])
        runs += 1
        outcome = try_run(shorter) if shorter else None
        if shorter and outcome and {*map(_pattern, outcome.sites)} == {*map(_pattern, base.sites)}:
            return shorter, outcome, runs
    return call, base, runs


def _lengths(run: Run) -> set[int]:
    return {n for site in run.sites.values() for n in site.shape or ()}


Change = Mapping[Size, int]  # sizes and their new lengths


@dataclass(frozen=True)
class _Moved:
    """What a changed run tells: lengths before and after."""

    dims: Mapping[str, Sequence[tuple[int, int]]]
    loops: Mapping[str, tuple[int, int]]  # of numbered names: how many there are


class _Search:
    """The changed runs of one model, and what they have told so far."""

    def __init__(self, call: Call, base: Run, targets: Collection[str], budget: int):
        self.call, self.base, self.targets, self.budget = call, base, targets, budget
        self.axes = (*lengths_of(call), *levels_of(call))
        self.follows: dict[str, list[set[Size]]] = {n: [set() for _ in s.shape or ()] for n, s in base.sites.items()}
        self.loops: dict[str, set[Size]] = {}
        self.sizes: list[Size] = []  # that could change
        self.stuck: list[Size] = []  # that could not
        self.doubtful: set[Size] = set()  # a latent's length was told by arithmetic
        self.shrinking: set[Size] = set()  # a target is the shorter, the longer these are
        self.runs = 0

    def explain(self) -> None:
        self.few_by_few(self.all_but_few_at_once())
        self.two_by_two()
        self.split()
        self.confirm()

    # ------------------------------------------------------------------------------------- in which order

    def all_but_few_at_once(self) -> list[Size]:
        """One run with all sizes changed, else with fewer; what has to be looked at one by one."""
        tied = self.tied()
        tried: list[list[Size]] = []
        for some in (
            lambda size, axis: True,
            lambda size, axis: axis.kind != "later",  # columns are often named one by one
            lambda size, axis: not (size.is_lone and axis.kind == "integer"),  # often an option
            lambda size, axis: not size.is_lone,
            lambda size, axis: axis.is_of_array,
        ):
            sizes = _restricted(tied, some)
            for chosen in (sizes, self.tied(levels=True)) if sizes == tied else (sizes,):
                if chosen and chosen not in tried:
                    tried.append(chosen)
                    change = self.by_multiples(chosen)
                    if change and (moved := self.run(change)):
                        left = _restricted(tied, lambda size, axis: not some(size, axis))  # noqa: B023 - used at once
                        return self.told(moved, change, left)
        change = self.by_small_steps(tied)  # what depends on the order: more rows than columns, sorted bounds
        if len(change) > 1 and (moved := self.run(change)):
            return self.told(moved, change, [])
        return tied

    def told(self, moved: _Moved, change: Change, left: list[Size]) -> list[Size]:
        self.sizes += change
        return left if self.note(moved, change) else [*change, *left]

    def tied(self, levels: bool = False) -> list[Size]:
        """Axes of one length, integers with them; numbers that no axis has are sizes of their own, and so are levels,
        unless they are to go along with a table that has one row each."""
        lengths = {axis.length for axis in self.axes if axis.is_of_array}
        groups: dict[object, list[Axis]] = {}
        for axis in self.axes:
            own = axis.length not in lengths or (axis.kind == "levels" and not levels)
            groups.setdefault(axis if own else axis.length, []).append(axis)
        return [Size(tuple(axes)) for axes in groups.values()]

    def few_by_few(self, sizes: list[Size]) -> None:
        """One by one, but for many, of which most move nothing (the columns of a frame): as many as move nothing."""
        if len(sizes) <= 3:
            for size in sizes:
                self.alone(size)
            return
        longer = {size: next(n for n in itertools.count(size.length + 1) if n not in self.used) for size in sizes}
        moved = self.run(longer)
        if moved and not moved.loops and all(n == new for pairs in moved.dims.values() for n, new in pairs):
            self.sizes += [size for size in sizes if size not in self.sizes]
        else:
            self.few_by_few(sizes[: len(sizes) // 2])
            self.few_by_few(sizes[len(sizes) // 2 :])

    def alone(self, size: Size) -> None:
        """One size; where it cannot change, its parts."""
        placed: set[Axis] = set()
        tried: set[Size] = set()
        for some in (
            lambda axis: True,
            lambda axis: axis.kind != "integer",
            lambda axis: axis.kind == "leading",
            lambda axis: axis.kind == "integer",
            lambda axis: axis.kind == "later",
        ):
            part = Size(tuple(axis for axis in size.axes if some(axis)))
            if part.axes and part not in tried and not placed.intersection(part.axes):
                tried.add(part)
                placed.update(part.axes if self.changed_alone(part) else ())
        rest = Size(tuple(axis for axis in size.axes if axis not in placed))
        # an integer that is by accident as long as something that moved tells nothing
        if rest.axes and not (placed and all(axis.kind == "integer" for axis in rest.axes)):
            self.stuck.append(rest)

    def changed_alone(self, size: Size) -> bool:
        for choose in (self.by_multiples, self.by_small_steps):
            change = choose([size])
            if change and (moved := self.run(change)):
                self.note(moved, change)
                if size not in self.sizes:
                    self.sizes.append(size)
                return True
        return False

    def two_by_two(self) -> None:
        """Sizes that cannot change alone: `y` and `y[1:]`, rows and a number of rows a group."""
        for one, other in itertools.combinations(tuple(self.stuck), 2):
            if one not in self.stuck and other not in self.stuck:
                continue
            both = Size(one.axes + other.axes)
            for longer in (lambda n: 2 * n, lambda n: n + 7):
                moved = self.run({one: longer(one.length), other: longer(other.length)})
                if moved:
                    self.note(moved, {both: longer(one.length)})
                    self.sizes.append(both)
                    self.stuck = [size for size in self.stuck if size not in (one, other)]
                    break

    def split(self) -> None:
        """Axes of one length by accident: told apart where a target and a latent follow them."""
        todo = [size for size in self.sizes if self.would_be_rows(size)]
        while todo:
            size = todo.pop()
            for parts in _partitions(size):
                change = self.by_multiples(parts)
                if change and (moved := self.run(change)):
                    self.sizes.remove(size)
                    self.forget(size)
                    self.few_by_few(self.told(moved, change, []))
                    todo += [part for part in parts if self.would_be_rows(part)]
                    break

    def confirm(self) -> None:
        """A latent's length that was told by arithmetic may be an accident: see that it is none."""
        for size in [s for s in self.sizes if s in self.doubtful and self.moves_a_target(s)]:
            self.forget(size)
            if not self.changed_alone(size):
                self.sizes.remove(size)
                self.stuck.append(size)

    def would_be_rows(self, size: Size) -> bool:
        """Whether a target and a latent follow it; a target may be a latent itself, and need not be one for sure."""
        moved = self.moved_by(size)
        targets = {_pattern(name) for name in moved if name in self.targets}
        latents = {_pattern(name) for name in moved if self.base.sites[name].kind == "latent"}
        return len(size.axes) > 1 and bool(targets and latents) and len(targets | latents) > 1

    def moves_a_target(self, size: Size) -> bool:
        return any(name in self.targets for name in self.moved_by(size))

    def moved_by(self, size: Size) -> list[str]:
        named = [numbered(self.base.sites)[pattern] for pattern, sizes in self.loops.items() if size in sizes]
        return [*itertools.chain(*named), *(n for n, dims in self.follows.items() if any(size in dim for dim in dims))]

    def is_parameter(self, name: str) -> bool:
        return self.base.sites[name].kind == "latent" and name not in self.targets

    def forget(self, size: Size) -> None:
        for follows in (*itertools.chain(*self.follows.values()), *self.loops.values()):
            follows.discard(size)

    # ---------------------------------------------------------------------------------------- one changed run

    def run(self, change: Change) -> _Moved | None:
        """What moves under a change; None where the model does not run like that, or becomes another model."""
        if self.runs >= self.budget:
            return None
        changed = resized(self.call, [(axis, length) for size, length in change.items() for axis in size.axes])
        if changed is None:
            return None
        self.runs += 1
        after = try_run(changed)
        if after is None or {*map(_pattern, after.sites)} != {*map(_pattern, self.base.sites)}:
            return None
        if not self.base.sites.keys() <= after.sites.keys():
            return None
        dims = {}
        for name, site in self.base.sites.items():
            new = after.sites[name]
            same = new.kind == site.kind and len(new.shape or ()) == len(site.shape or ())
            if not same or _grew_apart(site, new, self.base.dist_shapes.get(name), after.dist_shapes.get(name)):
                return None
            dims[name] = list(zip(site.shape or (), new.shape or ()))
        before, now = (numbered(r.sites.keys() - {*r.named("plate")}) for r in (self.base, after))
        loops = {p: (len(names), len(now[p])) for p, names in before.items() if len(now[p]) != len(names)}
        return _Moved(dims, loops)

    def note(self, moved: _Moved, change: Change) -> bool:
        """Write down what moved with what; whether all of it was told."""
        told = True
        lengths = [(self.follows[name][i], pair, name) for name, ps in moved.dims.items() for i, pair in enumerate(ps)]
        lengths += [(self.loops.setdefault(p, set()), pair, self.first_of(p)) for p, pair in moved.loops.items()]
        for follows, (before, after), name in lengths:
            sizes = _source(before, after, change)
            told = told and sizes is not None
            follows.update(sizes or ())
            if name in self.targets:
                steps = {size: change[size] - size.length for size in sizes or ()}
                total = sum(steps.values())
                self.shrinking.update(size for size, step in steps.items() if after - before == total - 2 * step)
            exact = any((before, after) == (size.length, change[size]) for size in sizes or ())
            if len(change) > 1 and not exact and self.is_parameter(name):
                self.doubtful.update(sizes or ())
        return told

    def first_of(self, pattern: str) -> str:
        return numbered(self.base.sites)[pattern][0]

    def stuck_lengths(self) -> frozenset[int]:
        """Not of the columns of an array whose rows did move: how many there are, the model fixes."""
        moving = {axis.leaf for size in self.sizes for axis in size.axes if axis.kind == "leading"}
        stuck = (axis for size in self.stuck for axis in size.axes)
        return frozenset(axis.length for axis in stuck if not (axis.kind == "later" and axis.leaf in moving))

    # -------------------------------------------------------------------------------------- the new lengths

    @functools.cached_property
    def used(self) -> frozenset[int]:
        return frozenset(_lengths(self.base) | {axis.length for axis in self.axes})

    def by_multiples(self, sizes: Sequence[Size]) -> Change:
        """A multiple of each length (models reshape and pool their rows), another for each.

        No new length, difference, or sum of two differences is that of others. Empty where there is no such choice.
        """
        if len(sizes) > _MOST_AT_ONCE:
            return {}
        change: dict[Size, int] = {}
        factors, steps, pairs = set[int](), set[int](), set[int]()
        # among the new rows there has to be room for new levels
        primes = _PRIMES[2:] if any(size.axes[0].kind == "levels" for size in sizes) else _PRIMES
        for size in sorted(sizes, key=lambda size: -size.length):
            n = size.length
            few = n == 0 or size.axes[0].kind == "levels"  # each new level takes a value
            multiples = (n * k for k in primes if k not in factors and not few)
            for new in itertools.chain(multiples, range(n + 2, n + _MOST_STEPS)):
                step = new - n
                sums = {abs(step + sign * a) for a in steps for sign in (1, -1)}
                unused = new not in self.used and new not in change.values()
                if unused and step not in steps | pairs and not sums & steps:
                    change[size] = new
                    steps.add(step)
                    pairs |= sums
                    factors.add(new // n if n else 0)
                    break
            else:
                return {}
        return change

    def by_small_steps(self, sizes: Sequence[Size]) -> Change:
        """The same by a few each: what is longer stays longer."""
        change: dict[Size, int] = {}
        steps = [1]
        for size in sorted(sizes, key=lambda size: size.length):
            pairs = {a + b for a in steps for b in steps}
            taken = {*steps, *pairs, *(a + b for a in pairs for b in steps)}
            taken |= {n - size.length for n in (*self.used, *change.values())}
            step = next((step for step in range(steps[-1] + 1, _MOST_STEPS) if step not in taken), None)
            if step is None:
                return {}
            change[size] = size.length + step
            steps.append(step)
        return change


def _restricted(sizes: Iterable[Size], some: Callable[[Size, Axis], bool]) -> list[Size]:
    parts = (tuple(axis for axis in size.axes if some(size, axis)) for size in sizes)
    return [Size(axes) for axes in parts if axes]


def _partitions(size: Size) -> Iterator[list[Size]]:
    """Ways to tell a size's axes apart: by their kind, then each from all others, then two and two."""
    axes = size.axes
    kinds = [[a for a in axes if (a.kind, a.dim) == kind] for kind in dict.fromkeys((a.kind, a.dim) for a in axes)]
    ways = [kinds] if len(kinds) > 1 else []
    ways += [[kind, [a for a in axes if a not in kind]] for kind in kinds if len(kinds) > 2]
    ways += [[[axis], [a for a in axes if a != axis]] for axis in axes if len(axes) > 1]
    if len(axes) in (4, 5):
        ways += [[[*two], [a for a in axes if a not in two]] for two in itertools.combinations(axes, 2)]
    seen = set()
    for way in ways:
        parts = [Size(tuple(part)) for part in way]
        if frozenset(parts) not in seen:
            seen.add(frozenset(parts))
            yield parts


def _source(before: int, after: int, change: Change) -> frozenset[Size] | None:
    """The sizes whose change alone explains that of a length; None where that cannot be told."""
    if before == after:
        return frozenset()
    if len(change) == 1:
        return frozenset(change)
    rules: tuple[Callable[[int, int], bool], ...] = (
        lambda n, new: (before, after) == (n, new),
        lambda n, new: after - before == new - n,  # y[1:]
        lambda n, new: n > 0 and after * n == before * new,  # two a row
    )
    for rule in rules:
        if hits := [size for size, new in change.items() if rule(size.length, new)]:
            return frozenset(hits) if len(hits) == 1 else None
    pairs = []
    for (one, one_new), (other, other_new) in itertools.combinations(change.items(), 2):
        a, b = one_new - one.length, other_new - other.length
        n, new = one.length * other.length, one_new * other_new
        if after - before in (a + b, a - b, b - a) or (n > 0 and after * n == before * new):
            pairs.append(frozenset((one, other)))
    return pairs[0] if len(pairs) == 1 else None


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
