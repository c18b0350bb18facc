"""How the fit differs from this call: rows, groups, labels and their order, options.

Three things tell, for each size of the data by itself: how long entries are that follow it, the arguments of the fit
where the samples hold them, and recorded deterministic values, which are checksums of what they were computed from.

What no row explains is said only where it has a part in what is predicted: the call is run as it is and with the
difference undone, given the same latents. By names a model is not misled, nor by a column that it does not read.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .containers import Container, per_draw_dims
from .errors import listing
from .kinds import Shape
from .model import argument
from .model.argument import Argument, Order, column_name, equal, has_values, is_array, is_value_list
from .model.call import Arguments, Axis, Call, with_defaults, with_rows
from .model.checksums import comes_of_these_rows, recomputed
from .model.inspection import Inspection
from .model.replay import (
    Draw,
    Outcome,
    Replayed,
    attempt,
    between_elements,
    differ,
    differences,
    latents_of,
    replay,
    rows_along_each,
    whole,
)
from .model.sizes import Size, numbered
from .model.targets import Path, path_in_words, with_value
from .model.trace import is_factor, try_run

Names = Collection[str]

_LABELS = "iuOSUT"  # kinds of dtypes that labels have


def recorded_arguments(call: Call, samples: Container) -> Iterator[Arguments]:
    """The arguments of the fit, if the samples hold them: an ``MCMC``'s own, else arrays named like parameters.

    ArviZ before 1.0 stores a number as an array of one element. So there are two readings, likelier first.
    """
    if samples.arguments is not None:
        yield samples.arguments
        return
    recorded = {**samples.constant_data, **samples.observed_data}
    named = {}
    for p in call.parameters or ():
        if p.name in recorded and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
            named[p.name] = np.asarray(recorded[p.name])
    if not named:
        return
    for most_dims in (1, 0):
        passed: dict[str, Any] = dict(named)
        for name, x in named.items():
            if x.size == 1 and x.ndim <= most_dims:
                passed[name] = x.item()
        yield (), passed


class Fit:
    """The fit of some samples, compared with a call."""

    def __init__(self, inspection: Inspection, samples: Container, batch_shape: Shape):
        self.inspection, self.samples, self.batch_shape, self.ndims = inspection, samples, batch_shape, len(batch_shape)
        self.recorded: dict[str, Shape | None] = {}  # the entries' shapes per draw
        for name, shape in samples.shapes.items():
            self.recorded[name] = None if shape is None else shape[self.ndims :]
        self.call = with_defaults(inspection.call)  # to which the axes of sizes belong

    @functools.cached_property
    def changed(self) -> Mapping[Size, str]:
        """Sizes that had another length in the fit -> the entry or argument that tells."""
        found: dict[Size, str] = {}
        told = itertools.chain(self._by_entries(), self._by_loops(), self._by_arguments())
        for size, words in told:
            found.setdefault(size, words)
        return found

    def _by_entries(self) -> Iterator[tuple[Size, str]]:
        for name, site in self.inspection.run.sites.items():
            shape = self.recorded.get(name)
            if not shape or not site.shape or len(shape) != len(site.shape):
                continue
            for follows, was, now in zip(self.inspection.sizes.of[name], shape, site.shape):
                if was != now and len(follows) == 1:
                    (size,) = follows
                    yield size, f"{name!r} was recorded for {was}, here it has {now}"

    def _by_loops(self) -> Iterator[tuple[Size, str]]:
        loops = numbered(self.recorded)
        of_model = numbered(self.inspection.run.named("latent"))
        for pattern, names in of_model.items():
            was = len(loops.get(pattern, names))
            if was != len(names):
                for size in self.inspection.sizes.loops.get(names[0], ()):
                    yield size, f"{was} latents like {names[0]!r} were recorded, here it has {len(names)}"

    def _by_arguments(self) -> Iterator[tuple[Size, str]]:
        for size in self.inspection.sizes.sizes:
            for axis in size.axes:
                shape = np.shape(self.leaf(axis.leaf))
                if not axis.is_of_array or axis.dim >= len(shape):
                    continue
                was = shape[axis.dim]
                if was != axis.length:
                    yield size, f"{axis.name} was {was} in the fit, here it is {axis.length}"

    def same(self, size: Size) -> bool | None:
        """Whether what follows this size is that of the fit: True, False (other rows), or None: nothing tells."""
        if size in self.changed:
            return False
        if self.had_no_arguments:
            return True
        telling = list(filter(self.inspection.tells_of, size.axes))
        answers = {self._compared(axis.leaf, size) for axis in telling or size.axes}
        if not telling and False in answers:
            answers = {None}
        if False in answers:
            return None if True in answers else False
        if self._other_options:
            return None
        return True if answers == {True} or size in self._proven else None

    def begins_otherwise(self, size: Size) -> bool:
        """Whether the data, which are longer than the fit's, do not begin with them: then it is another series."""
        return False in self._beginnings(size)

    def is_continued(self, size: Size) -> bool:
        """Whether the data are those of the fit, or begin with them: then they are a longer series."""
        if size not in self.changed:
            return self.same(size) is True
        return {*self._beginnings(size)} == {True}

    def _beginnings(self, size: Size) -> Iterator[bool | None]:
        """For each argument that is longer than in the fit: whether it begins with the fit's values."""
        for axis in size.axes:
            now, was = self.call.leaves[axis.leaf], self.leaf(axis.leaf)
            shape = argument.of(was).shape
            if not axis.is_of_array or len(shape) <= axis.dim or not has_values(now):
                continue
            if shape[axis.dim] < axis.length:
                for dim, steps in enumerate(shape):  # a matrix of groups by groups grows along both
                    if steps < argument.of(now).shape[dim]:
                        now = argument.of(now).taken(dim, np.arange(steps))
                yield _equal_rows(now, was)

    @functools.cached_property
    def had_no_arguments(self) -> bool:
        """A model that is called without arguments was fitted without them: no rows can be others."""
        if self.inspection.call.leaves or self.inspection.assumed:
            return False
        return not any(self.samples.arguments or ())

    # ------------------------------------------------------------------------------------- arguments of the fit

    @functools.cached_property
    def fitted(self) -> Call | None:
        """The call with the arguments of the fit, where the samples hold them all."""
        arguments = self.samples.arguments
        return None if arguments is None else with_defaults(self.call.with_arguments(*arguments))

    @functools.cached_property
    def sites(self) -> Names | None:
        """The sites that the model had in the fit, where the samples hold its arguments."""
        seen = None if self.fitted is None else try_run(self.fitted)
        return None if seen is None else seen.sites

    def is_new(self, name: str) -> bool:
        """Whether a latent without an entry is new with this call: it was no site then, or belongs to a horizon."""
        if self.fitted is not None:
            return self.sites is not None and name not in self.sites
        axes = _axes(self.inspection.sizes.followed_by(name))
        options = {self.call.names[axis.leaf] for axis in axes}
        bound = _bound(self.inspection.call)
        named = options.intersection(bound.arguments)
        return any(attempt(self._had_no_horizon, name, option) for option in named)

    def _had_no_horizon(self, name: str, option: str) -> bool:
        """Whether, without this option, the entries fit the model, and nothing that it has would change.

        If the latent has a part in what the fit had, its entry was lost. See `attempt`.
        """
        bound = _bound(self.inspection.call)
        del bound.arguments[option]
        fewer = Inspection.of(self.inspection.call.with_arguments(bound.args, bound.kwargs))
        sites = fewer.run.sites
        for entry, shape in self.recorded.items():
            if entry not in sites or sites[entry].shape != shape:
                return False
        if name in sites or fewer.unrecorded(self.recorded):
            return False
        before = replay(fewer.call, {})
        draw = {entry: before[entry].value for entry in self.recorded}
        after = replay(self.inspection.call, draw)
        for one in before.keys() & after.keys():
            for parameter, was in before[one].arrays.items():
                now = np.asarray(after[one].arrays[parameter])
                beginning = tuple(map(slice, np.shape(was)))
                if differ(now[beginning], was):
                    return False
        return True

    @functools.cached_property
    def leaves(self) -> Mapping[str, Any]:
        """The arguments of the fit by the names of the call's arguments, as far as the samples hold them."""
        if self.fitted is not None:
            return dict(zip(self.fitted.names, self.fitted.leaves))
        return {**self.samples.constant_data, **self.samples.observed_data}

    def leaf(self, leaf: int) -> Any:
        """What the fit had for an argument: by its name, or by the key (``data['x']``) that it has in a dict."""
        name, value = self.call.names[leaf], self.call.leaves[leaf]
        was = self.leaves.get(name)
        if self.fitted is not None:
            return was
        is_one = was is not None and np.size(was) == 1
        if is_one and np.shape(value) == ():
            return np.asarray(was).item()  # ArviZ before 1.0 stores a number as an array of one element
        key = name.rpartition("['")[2].removesuffix("']")
        for recorded in (name, key):
            if recorded in self.leaves:
                return self.leaves[recorded]
        # data often come as an argument of another name than the site that they are observed at
        for data in self.samples.observed_data.values():
            if argument.of(value).shape and equal(value, data):
                return data
        return None

    def columns(self, leaf: int) -> Mapping[Any, Argument]:
        """The columns that an argument had in the fit, which recorded data have by their own names."""
        part = argument.of(self.call.leaves[leaf])
        if not part.is_table or self.fitted is not None:
            return argument.of(self.leaf(leaf)).columns
        recorded = part.columns.keys() & self.leaves.keys()
        return {name: argument.of(self.leaves[name]) for name in recorded}

    def _compared(self, leaf: int, size: Size | None = None) -> bool | None:
        """Whether an argument is that of the fit; None: not known, or another axis of it changed in length."""
        now, was = self.call.leaves[leaf], self.leaf(leaf)
        part = argument.of(now)
        if part.is_table and self.fitted is None:
            answers = set()
            for name, column in part.columns.items():
                if name in self.leaves:
                    answers.add(equal(column.value, self.leaves[name]))
            return answers.pop() if len(answers) == 1 else None
        if was is None or now is None:
            return None
        if np.shape(was) != np.shape(now) and size is not None:
            return None  # the lengths tell, see `changed`
        return _equal_rows(now, was)

    @functools.cached_property
    def _other_options(self) -> bool:
        """Whether another argument than a length (a number, a text, a flag) differs from the fit."""
        sizes, others = self.inspection.sizes, set(range(len(self.call.leaves)))
        for name in sizes.of:
            for axis in _axes(sizes.followed_by(name)):
                others.discard(axis.leaf)
        return any(self._compared(leaf) is False for leaf in others)

    @functools.cached_property
    def _proven(self) -> frozenset[Size]:
        """Sizes whose recorded deterministic values the model computes again from these arguments."""
        run, sizes = self.inspection.run, self.inspection.sizes
        entries = []
        for name, shape in self.recorded.items():
            if name in run.sites and run.sites[name].shape == shape:
                entries.append(name)
        draws = functools.partial(self.samples.some_draws, ndims=self.ndims)
        proofs = attempt(recomputed, self.inspection.call, run, draws, entries) or ()
        return frozenset[Size]().union(*map(sizes.followed_by, proofs))

    def had(self, arguments: Names, draw: Draw) -> bool:
        """Whether recorded values prove that the rows of these arguments are the fit's, in whatever order."""
        inspection, answers = self.inspection, dict.fromkeys(arguments, False)
        recorded = [name for name in inspection.run.named("deterministic") if name in draw]
        entries = [name for name in recorded if name not in inspection.row_dims]
        for axis in _axes(inspection.rows) if entries else ():
            name = self.call.names[axis.leaf]
            if name in answers and axis.is_of_array:
                answers[name] |= bool(attempt(comes_of_these_rows, self.call, axis, draw, entries))
        return all(answers.values())


# ------------------------------------------------------------------------------------- what no row explains


Differences = Iterator[tuple[str, str]]  # arguments, and in words what they were in the fit and are here


def other_arguments(fit: Fit, kept: Names) -> dict[str, str]:
    """Argument -> in words what the fit had and what this call has. ``kept`` are the latents that are not redrawn."""
    samples = fit.samples
    is_told = samples.arguments or samples.constant_data or samples.labels
    if fit.inspection.assumed or not kept or not is_told:
        return {}
    found: dict[str, str] = {}
    for name, words in _Comparison(fit, kept).all():
        found.setdefault(name, words)
    return found


class _Comparison:
    """The arguments of a call and those of the fit, one question after the other."""

    def __init__(self, fit: Fit, kept: Names):
        self.fit, self.kept = fit, kept
        self.inspection, self.samples, self.call = fit.inspection, fit.samples, fit.call

    def all(self) -> Differences:
        yield from self.options()
        yield from self.orders()
        yield from self.values()
        yield from self.labels()
        yield from self.names()
        yield from self.coordinates()

    def matters(self, other: Call, sites: Names | None = None) -> bool:
        """Whether it matters that the call differs from that one, for these sites or for all."""
        return attempt(self.computes_alike, self.call, other, sites) is False

    def computes_alike(self, one: Call, other: Call, sites: Names | None = None) -> bool | None:
        """Whether two calls of a model end alike, given the same latents; None: they have other shapes. See `attempt`.

        Deterministic values, and what sites are drawn with, are compared. For a kept latent only differences between
        its elements count: a prior that is the same for all of them does not tell them apart.
        """
        before = replay(one, {})
        after = replay(other, _drawn(before))
        for name in before.keys() & after.keys() if sites is None else before.keys() & after.keys() & {*sites}:
            was, now = before[name], after[name]
            if was.kind != now.kind:  # a target, which is observed in one of them
                continue
            if was.arrays.keys() != now.arrays.keys():
                return False
            if _shapes(was) != _shapes(now):
                return None
            in_a_loop = len(self.inspection.loop_of(name)) > 1
            view = between_elements if name in self.kept and not in_a_loop else whole
            if any(differences(before, after, [name], view)):
                return False
        return True

    def pairs(self) -> Iterator[tuple[int, str, Any, Any]]:
        """The arguments that the fit is known to have had: which one, its name, what it was, and what it is."""
        for i, name in enumerate(self.call.names):
            was, now = self.fit.leaf(i), self.call.leaves[i]
            if was is not None and was is not now:
                yield i, name, was, now

    def follows(self, name: str) -> Sequence[Collection[Size]]:
        """What each dimension of a latent follows."""
        is_scalar = not self.inspection.run.sites[name].shape
        return () if is_scalar else self.inspection.sizes.of[name]  # sizes take further runs

    def followed(self, name: str, *kinds: str) -> set[int]:
        """The arguments with axes of these kinds that a dimension of a latent follows."""
        sizes = itertools.chain(*self.follows(name))
        return {axis.leaf for axis in _axes(sizes) if axis.kind in kinds}

    # ------------------------------------------------------------------------------------------------ options

    def options(self) -> Differences:
        """Options that this call leaves to their default, and the fit did not."""
        call, had = self.inspection.call, self._options_of_fit()
        for name, now in call.defaults().items():
            if name not in had or equal(had[name], now):
                continue
            as_it_was = self.fit.fitted or call.with_keyword(name, had[name])
            bound = _bound(as_it_was)
            bound.arguments[name] = now
            as_it_is = as_it_was.with_arguments(bound.args, bound.kwargs)
            matters = attempt(self.computes_alike, as_it_was, as_it_is) is False
            if matters and not self._is_outcome(name):
                yield name, f"{_short(had[name])} in the fit, and left to its default {_short(now)} here"

    def _options_of_fit(self) -> Mapping[str, Any]:
        """The arguments of the fit; of recorded data only what may be a number."""
        if self.fit.fitted is not None:
            return _bound(self.fit.fitted).arguments
        numbers = {}
        for name, value in self.samples.constant_data.items():
            if np.size(value) == 1:
                numbers[name] = np.asarray(value).item()
        return numbers

    def _is_outcome(self, name: str) -> bool:
        """Whether latents are observed when it is given: then it is what is predicted, and left out by right."""
        return any(seen.words == name and seen.latents for seen in self.inspection.observations)

    # ----------------------------------------------------------------------------------------- order of names

    def orders(self) -> Differences:
        """Columns, keys, coordinates, categories: in another order, or other ones that are taken by their place."""
        if self.fit.fitted is None:
            return
        before = {where: order.names for where, _, order in _orders(self.fit.fitted)}
        for where, way, order in _orders(self.call):
            was, now = before.get(where), order.names
            if was and now and was != now and self._is_misled(way, order, was):
                yield where[0], _order(order.what, was, now)

    def _is_misled(self, way: Way, order: Order, was: list[Any]) -> bool:
        """Whether the model takes what has these names by its place."""
        if order.renamed is None or {*was} == {*order.names}:
            return self.matters(_with(self.call, way, order.reordered(was)))
        if len(was) != len(order.names):
            return False
        renamed = _with(self.call, way, order.renamed(was))
        return attempt(self.computes_alike, self.call, renamed) is True

    # ------------------------------------------------------------------------------------------------- values

    def values(self) -> Differences:
        """Arguments without rows: with the values of the fit, kept latents would mean something else."""
        rows = {axis.leaf for axis in _axes(self.inspection.rows)}
        for i, name, was, now in self.pairs():
            is_as_long = argument.of(was).shape == argument.of(now).shape
            if i in rows or not is_as_long or equal(was, now) is not False:
                continue
            groups = [latent for latent in self.kept if i in self.followed(latent, "leading", "later")]
            as_it_was = np.asarray(was, now.dtype) if is_array(now) else was
            of_groups = None if groups and rows else self.priors()
            if self.matters(self.call.with_leaves({i: as_it_was}), of_groups):
                those = f" for the groups of {listing(groups)}" if groups else ", which kept latents are drawn with,"
                yield name, f"other values{those} than in the fit"

    def priors(self) -> list[str]:
        """What tells the elements of kept latents apart: their distributions, and factors beside a likelihood."""
        if not self.inspection.rows:
            return [*self.kept]
        sites = self.inspection.run.sites
        return [*self.kept, *(name for name in sites if is_factor(sites[name]))]

    # ------------------------------------------------------------------------------------------------- labels

    def labels(self) -> Differences:
        """Columns of labels: with the rows of the fit in front, the rows of this call should stay in their groups."""
        columns = self._columns_of_labels()
        if not columns or not any(map(self._has_several, self.kept)):
            return
        for size in self.inspection.sizes.sizes:
            leaves = {axis.leaf for axis in size.axes if axis.kind == "leading"}
            those = {where: columns[where] for where in columns if where[0] in leaves}
            lengths = set(map(len, those.values()))
            if len(lengths) == 1:  # else they were no columns of the same rows
                yield from _InFront(self.call, size, those, self.kept).unlike()

    def _has_several(self, name: str) -> bool:
        """Whether a latent has several values: it may have one for each group."""
        shape, loop = self.inspection.run.sites[name].shape, self.inspection.loop_of(name)
        return bool(shape) or len(loop) > 1

    def _columns_of_labels(self) -> dict[Where, list[Any]]:
        """Columns of text or of integers, as the model sees their values: what they were in the fit."""
        found = {}
        for i, now in enumerate(self.call.leaves):
            if self.call.is_traced(now):
                continue
            was = self.fit.columns(i)
            for column, values in argument.of(now).columns.items():
                old = was.get(column)
                if old is None or old.kind not in _LABELS or values.categories:
                    continue
                are_codes = values.kind in "iu" and len(values.shape) == 1
                if values.text or are_codes:
                    found[i, column] = old.array.tolist()
        return found

    def names(self) -> Differences:
        """Lists of names, of which a kept latent has a value for each: the model need not look at the names."""
        rows = {axis.leaf for axis in _axes(self.inspection.rows)}
        for name in self.kept:
            for leaf in self.followed(name, "leading") - rows:
                was = argument.of(self.fit.leaf(leaf)).text
                now = argument.of(self.call.leaves[leaf]).text
                if len(was) == len(now) and was != now:
                    yield self.call.names[leaf], _order("names", was, now)

    def coordinates(self) -> Differences:
        """The labels of the entries, compared with those of this call's groups and columns."""
        for dim, axis in self._labelled():
            before = argument.text(self.samples.labels[dim])
            now = _labels(argument.of(self.call.leaves[axis.leaf]), axis)
            is_same = {*now} == {*before} if axis.kind == "levels" else now == before
            if len(now) == len(before) and not is_same:
                yield axis.name, _order(f"labels of {dim!r}", before, now)

    def _labelled(self) -> Iterator[tuple[Any, Axis]]:
        """The dimensions of kept latents that have labels, each with the axes of arguments that it follows."""
        for name in self.kept:
            dims, follows = per_draw_dims(self.samples, name), self.follows(name)
            in_front = max(len(dims) - len(follows), 0)
            for dim, sizes in zip(dims[in_front:], follows):
                if dim in self.samples.labels:
                    for axis in _axes(sizes):
                        yield dim, axis


def _equal_rows(now: Any, was: Any) -> bool | None:
    """Whether two arguments are the same, with the labels of their rows: dates that stand in the index of a frame."""
    one, other = argument.of(now), argument.of(was)
    labels = one.row_labels(0) if one.shape else None
    before = other.row_labels(0) if other.shape else None
    if labels and before and equal(labels.value, before.value) is False:
        return False
    return equal(now, was)


def _axes(sizes: Iterable[Size]) -> Iterator[Axis]:
    for size in sizes:
        yield from size.axes


def _drawn(outcome: Outcome) -> dict[str, Any]:
    """The values of a run that another one is given."""
    kinds = ("latent", "observed", "plate")
    return {name: site.value for name, site in outcome.items() if site.kind in kinds}


def _shapes(site: Replayed) -> list[Shape]:
    return [site.shape, *map(np.shape, site.arrays.values())]


# ----------------------------------------------------------------------------------- the rows of the fit in front


Where = tuple[int, Any]  # an argument, and a column of it


class _InFront:
    """Columns of labels: whether the rows of a call are of the same groups with the fit's rows in front of them.

    A few rows are looked at, one for each label or combination of labels. The rows in front have the covariates of this
    call, so that nothing but the labels differs.
    """

    def __init__(self, call: Call, size: Size, columns: Mapping[Where, list[Any]], kept: Names):
        self.call, self.size, self.columns, self.kept = call, size, dict(columns), kept
        self.now = {where: self._column(where).array.tolist() for where in columns}

    def _column(self, where: Where) -> Argument:
        leaf, column = where
        return argument.of(self.call.leaves[leaf]).columns[column]

    def unlike(self) -> Differences:
        """The columns whose labels stand for other groups than in the fit."""
        for where in list(self.columns):
            if self._column(where).kind in "iu" and not self._counts_by_order(where):
                del self.columns[where]
        acting = self.columns if self._misled(self.columns) else {}
        if len(acting) > 1:
            alone = [where for where in acting if self._misled([where])]
            acting = {where: self.columns[where] for where in alone or acting}
        for where, old in acting.items():
            new = {*self.now[where]}.difference(old)
            words = _unknown(new) if new else "the same labels stand for other groups than in the fit"
            yield column_name(self.call.names[where[0]], where[1]), words

    def _counts_by_order(self, where: Where) -> bool:
        """Whether a column of integers holds labels: then other numbers in the same order change nothing."""
        rows = _firsts([self.now[where]])
        larger = [2 * self.now[where][i] + 1 for i in rows]
        return attempt(self._differ, rows, {where: larger}, 0) is False

    def _misled(self, columns: Collection[Where]) -> bool:
        """Whether the rows of this call belong to other groups behind the rows of the fit."""
        now = [self.now[where] for where in columns]
        old = [self.columns[where] for where in columns]
        mine, fits = _firsts(now), _firsts(old)
        if not columns or _at_rows(now, mine) == _at_rows(old, fits):
            return False
        n = max(len(mine), len(fits)) + 2
        rows = _filled(mine, n, mine[0]) + mine
        of_fit = _at_rows(old, _filled(fits, n, fits[-1]))
        in_front = dict(zip(columns, of_fit))
        of_call = _at_rows(now, _filled(mine, n, mine[-1]))
        again = dict(zip(columns, of_call))
        others = map(_turned, _at_rows(now, mine))
        turned = dict(zip(columns, others))
        answer = attempt(self._differ, rows, in_front, n)
        if answer:  # if the number of rows in a group counts, that is a statistic
            return attempt(self._differ, rows, again, n) is False
        levels = [{*labels} for labels in now]
        if all(map(set.issubset, levels, old)):
            return False
        # the model may not take so many groups, or JAX takes the last one for all beyond it
        are_groups = answer is None or any(1 < len(of) < len(now[0]) for of in levels)
        return are_groups and attempt(self._differ, mine, turned, 0) is True

    def _differ(self, rows: list[int], labels: Mapping[Where, list[Any]], n: int) -> bool:
        """Whether with these labels for the first of the rows there are other groups, or rows from ``n`` on differ."""
        call = with_rows(self.call, self.size.axes, np.array(rows))
        before = replay(call, {})
        after = replay(_with_labels(call, labels), latents_of(before))
        for name in self.kept:
            if name not in after or before[name].shape != after[name].shape:
                return True
        sites = [name for name in before if name in after and name not in self.kept]
        behind = rows_along_each(np.arange(len(rows)) >= n)
        return any(differences(before, after, sites, behind))


def _with_labels(call: Call, changes: Mapping[Where, list[Any]]) -> Call:
    """The call with other labels in its first rows."""
    for (i, column), labels in changes.items():
        part = argument.of(call.leaves[i])
        known = part.columns[column]
        values = known.array.astype(object)
        values[: len(labels)] = labels
        as_it_was = values if known.kind == "O" else np.array(values.tolist())
        call = call.with_leaves({i: part.with_columns({column: as_it_was})})
    return call


def _turned(labels: list[Any]) -> list[Any]:
    """Labels that have changed places: this matters if the model tells them apart."""
    levels = sorted({*labels})
    after = dict(zip(levels, levels[1:] + levels[:1]))
    return [after[label] for label in labels]


def _filled(rows: list[int], n: int, more: int) -> list[int]:
    """These rows, and one of them again and again, up to this number."""
    return rows + [more] * (n - len(rows))


def _at_rows(columns: Iterable[list[Any]], rows: list[int]) -> list[list[Any]]:
    """The labels of columns in these rows."""
    return [[labels[i] for i in rows] for labels in columns]


def _firsts(columns: Sequence[list[Any]]) -> list[int]:
    """The rows in which a combination of labels occurs for the first time."""
    firsts = dict[Any, int]()
    for i, labels in enumerate(zip(*columns)):
        firsts.setdefault(labels, i)
    return list(firsts.values())


# ------------------------------------------------------------------------------------------- what has names


def _bound(call: Call) -> inspect.BoundArguments:
    args, kwargs = call.arguments()
    signature = inspect.Signature(call.parameters or ())
    try:
        return signature.bind_partial(*args, **kwargs)
    except TypeError:
        return signature.bind_partial()


Way = int | Path  # to a leaf, by its number, or to a dict, by keys and positions


def _orders(call: Call) -> Iterator[tuple[tuple[str, str], Way, Order]]:
    """What the arguments have in an order, the dicts among them too: where and what it is, and the way to it."""
    parts: list[tuple[str, Way, Any]] = []
    for i, (name, leaf) in enumerate(zip(call.names, call.leaves)):
        parts.append((name, i, leaf))
    for path, keys in _dicts(call.arguments()):
        if len(path) > 1:
            parts.append((path_in_words(call, path), path, keys))
    for name, way, part in parts:
        for order in argument.of(part).orders():
            yield (name + order.where, order.what), way, order


def _with(call: Call, way: Way, value: Any) -> Call:
    if isinstance(way, int):
        return call.with_leaves({way: value})
    return call.with_arguments(*with_value(call.arguments(), way, value))


def _dicts(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The dicts among arguments, each with the way to it."""
    if isinstance(tree, dict):
        yield path, tree
    elif type(tree) in (list, tuple) and not is_value_list(tree):
        tree = dict(enumerate(tree))
    else:
        return
    for key, value in tree.items():
        yield from _dicts(value, (*path, key))


def _labels(part: Argument, axis: Axis) -> list[Any]:
    """What stands along an axis of an argument."""
    if axis.kind == "levels":
        column = part.columns[axis.dim]
        return sorted({*column.text}) or column.categories
    return argument.text(part.labels(axis.dim)) or part.text


def _order(what: str, was: Sequence[Any], now: Sequence[Any]) -> str:
    here = listing(map(str, now), 5)
    in_the_fit = listing(map(str, was), 5)
    return f"{what} {here} here, {in_the_fit} in the fit"


def _unknown(labels: Collection[Any]) -> str:
    plural = "s" if len(labels) > 1 else ""
    return f"the fit had no label{plural} {listing(map(str, sorted(labels)))}"


def _short(value: Any) -> str:
    if np.ndim(value):
        return f"an array of shape {np.shape(value)}"
    return repr(value)
