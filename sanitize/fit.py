"""What the fit had and this call has not: rows, groups, labels and their order, options.

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
from .model import argument
from .model.argument import Argument, Order, Shape, column_name, equal, has_values, is_array, is_value_list
from .model.call import Arguments, Axis, Call, with_defaults
from .model.checksums import recomputed
from .model.inspection import Inspection
from .model.replay import Replayed, attempt, differences, replay, whole
from .model.sizes import Size, numbered
from .model.targets import Path, path_in_words, with_value

Names = Collection[str]


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
        """Sizes of which the fit had another number -> which entry or argument tells."""
        found: dict[Size, str] = {}
        for size, words in (*self._by_entries(), *self._by_loops(), *self._by_arguments()):
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
        for pattern, names in numbered(self.inspection.run.named("latent")).items():
            was = len(loops.get(pattern, names))
            if was != len(names):
                for size in self.inspection.sizes.loops.get(names[0], ()):
                    yield size, f"{was} latents like {names[0]!r} were recorded, here it has {len(names)}"

    def _by_arguments(self) -> Iterator[tuple[Size, str]]:
        for size in self.inspection.sizes.sizes:
            for axis in size.axes:
                was = np.shape(self._fits_leaf(axis.leaf))
                if axis.is_of_array and axis.dim < len(was) and was[axis.dim] != axis.length:
                    yield size, f"{axis.name} was {was[axis.dim]} in the fit, here it is {axis.length}"

    def same(self, size: Size) -> bool | None:
        """Whether what follows this size is that of the fit: True, False (other rows), or None: nothing tells."""
        if size in self.changed:
            return False
        if self.had_no_arguments:
            return True
        answers = {self._compared(axis.leaf, size) for axis in size.axes}
        if False in answers:
            return None if True in answers else False
        if self._other_options:
            return None
        return True if answers == {True} or size in self._proven else None

    def begins_otherwise(self, size: Size) -> bool:
        """Whether the data, which are longer than the fit's, do not begin with them: then it is another series."""
        for axis in size.axes:
            now, was = self.call.leaves[axis.leaf], self._fits_leaf(axis.leaf)
            if not axis.is_of_array or not is_array(now) or np.ndim(was) != np.ndim(now):
                continue
            steps = np.shape(was)[axis.dim]
            if steps < axis.length and has_values(now):
                beginning = argument.of(now).taken(axis.dim, slice(steps))
                if equal(beginning, was) is False:
                    return True
        return False

    @functools.cached_property
    def had_no_arguments(self) -> bool:
        """A model that is called without any was fitted without: there is nothing that could be other rows."""
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
    def leaves(self) -> Mapping[str, Any]:
        """The fit's arguments by the names that the call's have, as far as the samples hold them."""
        if self.fitted is not None:
            return dict(zip(self.fitted.names, self.fitted.leaves))
        return {**self.samples.constant_data, **self.samples.observed_data}

    def _fits_leaf(self, leaf: int) -> Any:
        """What the fit had for an argument: by its name, or by the key (``data['x']``) that it has in a dict."""
        name, value = self.call.names[leaf], self.call.leaves[leaf]
        was = self.leaves.get(name)
        if self.fitted is not None:
            return was
        if was is not None and np.size(was) == 1 and np.shape(value) == ():
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

    def _compared(self, leaf: int, size: Size | None = None) -> bool | None:
        """Whether an argument is that of the fit; None: not known, or another axis of it changed in length."""
        now, was = self.call.leaves[leaf], self._fits_leaf(leaf)
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
        return equal(now, was)

    @functools.cached_property
    def _other_options(self) -> bool:
        """Whether a number, a text or another argument that is no length of any site is not that of the fit."""
        sizes, others = self.inspection.sizes, set(range(len(self.call.leaves)))
        for name in sizes.of:
            others -= {axis.leaf for axis in _axes(sizes.followed_by(name))}
        return any(self._compared(leaf) is False for leaf in others)

    @functools.cached_property
    def _proven(self) -> frozenset[Size]:
        """Sizes that recorded deterministic values follow which the model computes anew from these arguments."""
        run, sizes = self.inspection.run, self.inspection.sizes
        entries = []
        for name, shape in self.recorded.items():
            if name in run.sites and run.sites[name].shape == shape:
                entries.append(name)
        draws = functools.partial(self.samples.some_draws, ndims=self.ndims)
        proofs = attempt(recomputed, self.inspection.call, run, draws, entries) or ()
        return frozenset[Size]().union(*map(sizes.followed_by, proofs))


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
        yield from self.labels()
        yield from self.codes()
        yield from self.groups()
        yield from self.coordinates()

    def matters(self, other: Call) -> bool:
        """Whether it matters that the call is not that one."""
        return attempt(computes_alike, self.call, other, self.kept) is False

    def pairs(self) -> Iterator[tuple[int, str, Any, Any]]:
        """The arguments that the fit is known to have had: which one, its name, what it was, and what it is."""
        for i, name in enumerate(self.call.names):
            was, now = self.fit.leaves.get(name), self.call.leaves[i]
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
        """What this call leaves to its default, and the fit did not."""
        call, had = self.inspection.call, self._options_of_fit()
        for name, now in call.defaults().items():
            if name not in had or equal(had[name], now):
                continue
            as_it_was = self.fit.fitted or call.with_keyword(name, had[name])
            bound = _bound(as_it_was)
            bound.arguments[name] = now
            as_it_is = as_it_was.with_arguments(bound.args, bound.kwargs)
            matters = attempt(computes_alike, as_it_was, as_it_is, self.kept) is False
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
        return attempt(computes_alike, self.call, renamed, ()) is True

    # ------------------------------------------------------------------------------------------------- labels

    def labels(self) -> Differences:
        """Text that the fit had not, in as many groups as it had."""
        for i, name, was, now in self.pairs():
            before, part = argument.of(was).columns, argument.of(now)
            for column, values in part.columns.items():
                old = {*before[column].text} if column in before else set()
                labels = {*values.text}
                are_groups = 1 < len(labels) < len(values.text)
                if not old or labels <= old or not are_groups:
                    continue
                if self.matters(self.call.with_leaves({i: _turned(part, column)})):
                    yield column_name(name, column), _unknown(labels - old)

    def codes(self) -> Differences:
        """The same of integers, where the model sees their values."""
        coded = set[int]()
        for latent in self.kept:
            coded |= self.followed(latent, "levels")
        for i, name, was, now in self.pairs():
            if i in coded and is_array(was) and argument.of(was).kind in "iu":
                old = {*np.ravel(was).tolist()}
                new = {*np.ravel(now).tolist()}
                if len(old) == len(new) and new != old:
                    yield name, _unknown(new - old)

    def groups(self) -> Differences:
        """Arrays with one value a group, of groups that kept latents have values for."""
        rows = {axis.leaf for axis in _axes(self.inspection.rows)}
        for i, name, was, now in self.pairs() if rows else ():
            if i in rows or not is_array(now) or np.shape(was) != np.shape(now):
                continue
            groups = [latent for latent in self.kept if i in self.followed(latent, "leading", "later")]
            if not groups or equal(was, now) is not False:
                continue
            as_it_was = np.asarray(was, now.dtype)
            if self.matters(self.call.with_leaves({i: as_it_was})):
                yield name, f"other values for the groups of {listing(groups)} than in the fit"

    def coordinates(self) -> Differences:
        """What labels the entries, against what labels this call's groups and columns."""
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
            for dim, sizes in zip(dims[max(len(dims) - len(follows), 0) :], follows):
                if dim in self.samples.labels:
                    for axis in _axes(sizes):
                        yield dim, axis


def _axes(sizes: Iterable[Size]) -> Iterator[Axis]:
    for size in sizes:
        yield from size.axes


def computes_alike(one: Call, other: Call, kept: Names) -> bool | None:
    """Whether two calls of a model end alike, given the same latents; None: they have other shapes. See `attempt`.

    Compared are deterministic values and what sites are drawn with, but of those in ``kept``, whose draws stand.
    """
    before = replay(one, {})
    drawn = {name: site.value for name, site in before.items() if site.kind in ("latent", "observed", "plate")}
    after = replay(other, drawn)
    for name in before:
        if name not in after or name in kept:
            continue
        was, now = before[name], after[name]
        if was.arrays.keys() != now.arrays.keys():
            return False
        if _shapes(was) != _shapes(now):
            return None
        if any(differences(before, after, [name], whole)):
            return False
    return True


def _shapes(site: Replayed) -> list[Shape]:
    return [site.shape, *map(np.shape, site.arrays.values())]


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


def _turned(part: Argument, column: Any) -> Any:
    """An argument with the labels of a column in the place of each other: it matters where they are told apart."""
    levels, codes = np.unique(part.columns[column].text, return_inverse=True)
    turned = np.roll(levels, -1)[codes]
    return part.with_columns({column: turned.astype(object)})


def _labels(part: Argument, axis: Axis) -> list[Any]:
    """What stands along an axis of an argument."""
    if axis.kind == "levels":
        column = part.columns[axis.dim]
        return sorted({*column.text}) or column.categories
    return argument.text(part.labels(axis.dim)) or part.text


def _order(what: str, was: Sequence[Any], now: Sequence[Any]) -> str:
    here, in_the_fit = listing(map(str, now), 5), listing(map(str, was), 5)
    return f"{what} {here} here, {in_the_fit} in the fit"


def _unknown(labels: Collection[Any]) -> str:
    plural = "s" if len(labels) > 1 else ""
    return f"the fit had no label{plural} {listing(map(str, sorted(labels)))}"


def _short(value: Any) -> str:
    if np.ndim(value):
        return f"an array of shape {np.shape(value)}"
    return repr(value)
