"""Abstract runs under changed arguments, for what one run cannot tell.

- *Observation probe*: give an argument that is None an array. A site that becomes observed is a prediction
  target.
- *Row probe*: make the data longer. Dimensions that grow with it are row dimensions.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from .call import Call, Shape, abstract, is_array, is_integer, is_number_list, shape_of
from .jaxpr import ancestors
from .trace import Run, Site, try_run

# An axis of an argument: (index of the leaf, dimension); an integer argument is (index of the leaf, None).
Axis = tuple[int, "int | None"]
RowDims = Mapping[str, tuple[int, ...]]

# Runs that one row probe may take. Enough for all sets of axes that five arguments of one length allow; a model
# with more of them that cannot all be lengthened together falls back on plates.
_MOST_RUNS = 64


# ---------------------------------------------------------------------------------------- observation probe


def observable_sites(call: Call, base: Run) -> dict[str, str]:
    """Latents that become observed when an argument that is None is given: site -> argument."""
    found: dict[str, str] = {}
    for name, (_, outcome) in _observed_runs(call, base).items():
        for site in base.sites.values():
            if site.kind == "latent" and site.name in outcome.sites and outcome.sites[site.name].kind == "observed":
                found.setdefault(site.name, name)
    return found


def _observed_runs(call: Call, base: Run) -> dict[str, tuple[Call, Run]]:
    """Arguments that are None and which, given, make a site observed -> that call, and its run.

    The array given has the shape of a latent (those that the model draws last come first), or one value a row.
    """
    latents = [site for site in base.sites.values() if site.kind == "latent" and site.shape is not None]
    shapes = [(site.shape or (), site.dtype) for site in reversed(latents)]
    shapes += [((n,), jax.dtypes.canonicalize_dtype(float)) for n in _leading_axes(call)]
    shapes = list(dict.fromkeys(shapes))
    before = _observed(base)
    found: dict[str, tuple[Call, Run]] = {}
    for name, given in _arguments_that_are_none(call).items():
        for shape, dtype in shapes:
            changed = given(_made_up(shape, dtype, call.mode))
            outcome = try_run(changed)
            if outcome is not None and _observed(outcome) - before:
                found[name] = changed, outcome
                break
    return found


def _observed(outcome: Run) -> set[str]:
    return {name for name, site in outcome.sites.items() if site.kind == "observed"}


def _arguments_that_are_none(call: Call) -> dict[str, Callable[[Any], Call]]:
    """Name -> the call with that argument given; also parameters that default to None."""

    def by_leaf(i: int) -> Callable[[Any], Call]:
        return lambda value: call.with_leaves({i: value})

    def by_keyword(name: str) -> Callable[[Any], Call]:
        return lambda value: call.with_keyword(name, value)

    found = {name: by_leaf(i) for i, (name, leaf) in enumerate(zip(call.names, call.leaves)) if leaf is None}
    args, kwargs = call.arguments()
    for i, parameter in enumerate(call.parameters or ()):
        passed = parameter.name in kwargs or (i < len(args) and parameter.kind is not parameter.KEYWORD_ONLY)
        if parameter.default is None and not passed:
            found[parameter.name] = by_keyword(parameter.name)
    return found


def _made_up(shape: Shape, dtype: Any, mode: str) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype) if mode == "abstract" else np.zeros(shape, dtype)


# ------------------------------------------------------------------------------------------------ row probe


def row_dims(call: Call, base: Run, observable: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """The dimensions of each site that follow the data rows.

    Axes of arguments that can only be lengthened together are one size of the data; the sizes that move an
    observed or observable site are rows. Arrays come before integers, so that a number of groups that happens
    to equal the number of rows stays what it is.
    """
    targets = _observed(base).union(observable)
    if not targets:
        # a model that scores its latents only where there are data: see it with data
        for changed, outcome in _observed_runs(call, base).values():
            rows = _rows_of(changed, outcome, _observed(outcome))
            if rows:
                return {name: dims for name, dims in rows.items() if name in base.sites}
    # one that no argument makes observed (a model inside `condition`) is at least not drawn from
    return _rows_of(call, base, targets or _drawn_last(base))


def _rows_of(call: Call, base: Run, targets: Collection[str]) -> dict[str, tuple[int, ...]]:
    budget = _Budget(_MOST_RUNS)

    def rows(sizes: Iterable[RowDims]) -> dict[str, tuple[int, ...]]:
        return _union(moved for moved in sizes if any(moved.get(name) for name in targets))

    leading = list(_sizes_by_arrays(call, base, _leading_axes(call), budget))
    if found := rows(leading) or rows(_sizes_by_arrays(call, base, _later_axes(call), budget)):
        return found
    integers = list(_sizes_by_integers(call, base, budget))
    # Where no size moves a target (the data are closed over, or it is a total), nothing tells rows from groups:
    # rather one dimension too many, which is told, than one unseen.
    return rows(integers) or _union([*(leading or integers), _like_targets(base, targets)])


def _drawn_last(base: Run) -> set[str]:
    """Observed sites, and latents that nothing else is drawn from."""
    return base.dist_shapes.keys() - drawn_from(base)


def drawn_from(base: Run) -> frozenset[str]:
    """Latents that a sample site is drawn from."""
    above = ancestors(base)
    return frozenset[str]().union(*(above.get(name, ()) for name in base.dist_shapes))


def nothing_follows(call: Call, base: Run, names: Iterable[str]) -> bool:
    """Whether one run, with all data longer at once, shows that none of these sites can follow the rows.

    That something else did grow, which the model draws last, shows that the data's length is what was changed.
    """
    axes = [axis for axes in _leading_axes(call).values() for axis in axes]
    moved = _moved(call, base, axes) if axes else None
    if moved is None or any(moved[name] for name in names):
        return False
    return any(moved[name] for name in _drawn_last(base))


def named_by_row(call: Call, base: Run) -> frozenset[str]:
    """Latents that a loop over the rows names, one for each: ``z_0``, ``z_1``, ... Longer data have more of them."""
    loops = numbered(base.named("latent"))
    found: set[str] = set()
    for size, axes in _leading_axes(call).items():
        patterns = [pattern for pattern, names in loops.items() if len(names) == size]
        outcome = try_run(_lengthened(call, base, axes)) if patterns else None
        if outcome is not None:
            after = numbered(outcome.named("latent"))
            found.update(*(loops[p] for p in patterns if len(after.get(p, ())) > size))
    return frozenset(found)


def numbered(names: Iterable[str]) -> dict[str, list[str]]:
    """Names that differ in a number alone, by what they have in common."""
    found: dict[str, list[str]] = {}
    for name in names:
        pattern = re.sub(r"\d+", "#", name)
        if pattern != name:
            found.setdefault(pattern, []).append(name)
    return found


class _Budget:
    """Counts runs: a number of them, the same on every machine."""

    def __init__(self, runs: int):
        self.left = runs

    def spend(self) -> bool:
        self.left -= 1
        return self.left >= 0


def _sizes_by_arrays(
    call: Call, base: Run, by_size: Mapping[int, Sequence[Axis]], budget: _Budget
) -> Iterator[RowDims]:
    """What moves with each size that these axes of array arguments (failing that, integers with them) have."""
    for size, axes_of_size in by_size.items():
        others = [axis for axis in _later_axes(call).get(size, ()) if axis not in axes_of_size]
        integers = _integers(call, size)
        pool = list(axes_of_size)
        while pool:
            smallest = _smallest_set(call, base, pool, others, budget)
            if smallest is None and integers:
                smallest = _smallest_set(call, base, pool, others + integers, budget)
            if smallest is None:
                break
            axes, moved = smallest
            yield moved
            # with a single row they may broadcast, and yet have to go along with another axis too
            others += [axis for axis in axes if axis in pool]
            pool = [axis for axis in pool if axis not in axes]


def _sizes_by_integers(call: Call, base: Run, budget: _Budget) -> Iterator[RowDims]:
    """What moves with each integer argument alone: a model may get its length as a number."""
    for axis in _integers(call):
        if budget.spend() and (moved := _moved(call, base, [axis])):
            yield moved


def _smallest_set(
    call: Call, base: Run, pool: Sequence[Axis], others: Sequence[Axis], budget: _Budget
) -> tuple[Sequence[Axis], RowDims] | None:
    """The smallest set of axes, one of ``pool`` among them, that can be lengthened together."""
    together = list(pool)
    if budget.spend() and (moved := _moved(call, base, together)) is not None:
        # all of them can: leave out what need not go along
        for axis in pool:
            fewer = [a for a in together if a != axis]
            if fewer and budget.spend() and (less := _moved(call, base, fewer)) is not None:
                together, moved = fewer, less
        return together, moved
    everything = [*pool, *others]
    for count in range(1, len(everything) + 1):
        for axes in itertools.combinations(everything, count):
            if not any(axis in pool for axis in axes) or list(axes) == list(pool):
                continue
            if not budget.spend():
                return None
            if (moved := _moved(call, base, axes)) is not None:
                return axes, moved
    return None


def _lengthened(call: Call, base: Run, axes: Sequence[Axis]) -> Call:
    """The call with these axes made longer."""
    changes: dict[int, Any] = {}
    for leaf, dim in axes:
        old = changes.get(leaf, call.leaves[leaf])
        size = int(old) if dim is None else shape_of(old)[dim]
        new_size = _unused_size(call, base, size)
        changes[leaf] = type(old)(new_size) if dim is None else _lengthen(old, dim, new_size, call.mode)
    return call.with_leaves(changes)


def _moved(call: Call, base: Run, axes: Sequence[Axis]) -> RowDims | None:
    """The dimensions that grow when these axes do; None where the model does not run like that."""
    outcome = try_run(_lengthened(call, base, axes))
    if outcome is None or list(outcome.sites) != list(base.sites):
        return None
    moved: dict[str, tuple[int, ...]] = {}
    for name, before in base.sites.items():
        after = outcome.sites[name]
        if after.kind != before.kind or len(after.shape or ()) != len(before.shape or ()):
            return None
        dims = tuple(i for i, (n, m) in enumerate(zip(before.shape or (), after.shape or ())) if n != m)
        if _grew_apart(before, after, base.dist_shapes.get(name), outcome.dist_shapes.get(name)):
            return None
        moved[name] = dims
    return moved


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


def _unused_size(call: Call, base: Run, size: int) -> int:
    """A multiple of ``size`` (models reshape and pool their rows) that no axis and no integer has."""
    used = {n for leaf in call.leaves for n in shape_of(leaf)}
    used |= {n for site in base.sites.values() for n in site.shape or ()}
    used |= {int(leaf) for leaf in call.leaves if is_integer(leaf)}
    return next(size * k for k in itertools.count(2) if size * k not in used)


def _lengthen(leaf: Any, dim: int, size: int, mode: str) -> Any:
    if isinstance(leaf, jax.ShapeDtypeStruct) or (mode == "abstract" and is_array(leaf)):
        shape = (*leaf.shape[:dim], size, *leaf.shape[dim + 1 :])
        return jax.ShapeDtypeStruct(shape, abstract(leaf).dtype)
    # the same values again, so that a group index stays valid
    index = np.arange(size) % shape_of(leaf)[dim]
    if hasattr(leaf, "iloc"):
        return leaf.iloc[index]
    if is_number_list(leaf):
        return [leaf[i] for i in index]
    return np.take(np.asarray(leaf), index, axis=dim)


def _leading_axes(call: Call) -> dict[int, list[Axis]]:
    """The leading axes of the data arguments by their size."""
    axes: dict[int, list[Axis]] = {}
    for i, leaf in enumerate(call.leaves):
        if (shape := shape_of(leaf)) and shape[0] > 0:
            axes.setdefault(shape[0], []).append((i, 0))
    return axes


def _later_axes(call: Call) -> dict[int, list[Axis]]:
    """The other axes of the array arguments by their size: of a square matrix, or where rows are columns."""
    axes: dict[int, list[Axis]] = {}
    for i, leaf in enumerate(call.leaves):
        for dim, n in enumerate(leaf.shape if is_array(leaf) else ()):
            if dim > 0 and n > 0:
                axes.setdefault(n, []).append((i, dim))
    return axes


def _integers(call: Call, size: int | None = None) -> list[Axis]:
    return [
        (i, None) for i, leaf in enumerate(call.leaves) if is_integer(leaf) and leaf > 0 and size in (None, int(leaf))
    ]


def _union(sizes: Iterable[RowDims]) -> dict[str, tuple[int, ...]]:
    rows: dict[str, tuple[int, ...]] = {}
    for moved in sizes:
        for name, dims in moved.items():
            if dims:
                rows[name] = tuple(sorted({*rows.get(name, ()), *dims}))
    return rows


def _like_targets(base: Run, targets: Collection[str]) -> RowDims:
    """The dimensions that look like those of a target: they have a plate, or a size but 1, in common with it."""
    plates = {plate.name for name in targets for plate in base.sites[name].plates}
    sizes = {n for name in targets for n in base.sites[name].shape or ()} - {1}
    rows = {}
    for site in base.sites.values():
        if site.shape is None or site.kind == "plate":
            continue
        end = len(site.shape) - site.event_dim
        dims = {end + p.dim for p in site.plates if p.name in plates and end + p.dim >= 0}
        dims.update(dim for dim, n in enumerate(site.shape) if n in sizes)
        rows[site.name] = tuple(sorted(dims))
    return rows
