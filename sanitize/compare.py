"""What the fit was given and this call is not, as far as no row explains it: labels, their order, groups, options.

A difference is said only where it has a part in what is predicted: the call is run as it is and with the difference
undone, given the same latents. By names a model is not misled, nor by a column that it does not read.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .containers import Container, per_draw_dims
from .errors import listing
from .fit import Fit, equal
from .model.axes import Axis, with_levels
from .model.call import Call, Shape, is_array, is_value_list
from .model.inspection import Inspection
from .model.replay import attempt, differences, replay, whole
from .model.targets import Path, path_in_words, with_value


class Difference(NamedTuple):
    """One argument, what it was in the fit and is here, in words."""

    argument: str
    words: str


def other_arguments(inspection: Inspection, samples: Container, fit: Fit, kept: Collection[str]) -> dict[str, str]:
    """Argument -> in words what the fit had and what this call has. ``kept`` are the latents that are not redrawn."""
    if inspection.assumed or not kept or not (samples.arguments or samples.constant_data or samples.labels):
        return {}
    search = _Search(inspection, samples, fit, kept)
    found: dict[str, str] = {}
    for question in (search.options, search.orders, search.levels, search.groups, search.coordinates):
        for difference in question():
            found.setdefault(*difference)
    return found


class _Search:
    def __init__(self, inspection: Inspection, samples: Container, fit: Fit, kept: Collection[str]):
        self.inspection, self.samples, self.fit, self.kept = inspection, samples, fit, kept
        self.call = fit.call  # to which the axes of sizes belong
        arguments = samples.arguments
        self.fitted = None if arguments is None else self.call.with_arguments(*arguments)
        self.pairs = [
            (i, name, was, now)
            for i, (name, now) in enumerate(zip(self.call.names, self.call.leaves))
            if (was := fit.leaf(name)) is not None and was is not now
        ]

    def matters(self, one: Call, other: Call) -> bool:
        return computes_alike(one, other, self.kept) is False

    def changed(self, leaf: int, value: Any) -> bool:
        """Whether it matters that this argument is not that value."""
        return self.matters(self.call, self.call.with_leaves({leaf: value}))

    # ------------------------------------------------------------------------------------------------ options

    def options(self) -> Iterator[Difference]:
        """What this call leaves to its default, and the fit did not."""
        call = self.inspection.call
        signature = inspect.Signature(call.parameters or ())
        passed = _bound(signature, call)
        recorded = self.samples.constant_data
        for p in call.parameters or ():
            if p.name in passed or p.default is p.empty:
                continue
            if self.fitted is not None:
                was = _bound(signature, self.fitted).get(p.name, p.default)
                other = self.fitted_with(signature, p.name, p.default)
                one: Call | None = self.fitted
            elif p.name in recorded and np.size(recorded[p.name]) == 1:
                was = np.asarray(recorded[p.name]).item()
                one, other = call.with_keyword(p.name, was), call
            else:
                continue
            if one is None or other is None or was is p.default or equal(was, p.default):
                continue
            if self.matters(one, other) and not self.is_outcome(p.name):
                yield Difference(p.name, f"{_short(was)} in the fit, and left to its default {_short(p.default)} here")

    def is_outcome(self, name: str) -> bool:
        """Whether latents are observed when it is given: then it is what is predicted, and left out by right."""
        return any(seen.words == name and seen.latents for seen in self.inspection.observations)

    def fitted_with(self, signature: inspect.Signature, name: str, value: Any) -> Call | None:
        assert self.fitted is not None
        args, kwargs = self.fitted.arguments()
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return None
        bound.arguments[name] = value
        return self.fitted.with_arguments(bound.args, bound.kwargs)

    # ----------------------------------------------------------------------------------------- order of names

    def orders(self) -> Iterator[Difference]:
        """Columns, keys, coordinates, categories: in another order, or other ones that are taken by their place."""
        if self.fitted is None:
            return
        before = {
            (name + at, what): labels for name, p, _ in _parts(self.fitted) for at, what, labels, *_ in _orders(p)
        }
        for name, part, where in _parts(self.call):
            for at, what, labels, reordered, renamed in _orders(part):
                was = before.get((name + at, what), labels)
                if not was or not labels or was == labels:
                    continue
                if renamed is None or {*was} == {*labels}:
                    said = self.matters(self.call, _with(self.call, where, reordered(was)))
                else:
                    named = _with(self.call, where, renamed(was)) if len(was) == len(labels) else None
                    said = named is not None and computes_alike(self.call, named, ()) is True
                if said:
                    yield Difference(name + at, _order(what, was, labels))

    # ------------------------------------------------------------------------------------------------- labels

    def levels(self) -> Iterator[Difference]:
        """Labels that the fit had not, in as many groups as it had."""
        for i, name, was, now in self.pairs:
            before, columns = _texts(was), _texts(now)
            for column in [c for c in columns if c in before]:
                new = sorted({*columns[column]} - {*before[column]})
                levels = len({*columns[column]})
                one_a_row = levels == len(columns[column])
                if new and levels > 1 and not one_a_row and self.changed(i, _swapped(now, column, columns[column])):
                    where = name if column is None else f"{name}[{column!r}]"
                    yield Difference(where, _unknown(new))
        for axis in self.followed("levels"):
            was = self.fit.leaf(self.call.names[axis.leaf])
            if was is None or not (is_array(was) and was.dtype.kind in "iu"):
                continue
            old, are = np.unique(was), np.unique(self.call.leaves[axis.leaf])
            if len(old) == len(are) and (new := sorted({*are.tolist()} - {*old.tolist()})):
                yield Difference(self.call.names[axis.leaf], _unknown(new))

    def followed(self, kind: str) -> list[Axis]:
        """Axes of a kind among those that a dimension of a kept latent follows."""
        shaped = [name for name in self.kept if self.inspection.run.sites[name].shape]  # sizes take further runs
        axes = (a for name in shaped for dim in self.inspection.sizes.of[name] for size in dim for a in size.axes)
        return list(dict.fromkeys(axis for axis in axes if axis.kind == kind))

    def groups(self) -> Iterator[Difference]:
        """Arrays with one value a group, of groups that kept latents have values for."""
        rows = {axis.leaf for size in self.inspection.rows for axis in size.axes}
        grouped = {axis.leaf for kind in ("leading", "later") for axis in self.followed(kind)} - rows
        for i, name, was, now in self.pairs if rows and grouped else ():
            if i not in grouped or not is_array(now) or np.shape(was) != np.shape(now):
                continue
            if equal(was, now) is False and self.changed(i, np.asarray(was, now.dtype)):
                groups = [
                    latent
                    for latent in self.kept
                    if any(a.leaf == i for dim in self.inspection.sizes.of.get(latent, ()) for s in dim for a in s.axes)
                ]
                yield Difference(name, f"other values for the groups of {listing(groups)} than in the fit")

    def coordinates(self) -> Iterator[Difference]:
        """What labels the entries, against what labels this call's groups and columns."""
        if not self.samples.labels:
            return
        for entry in self.kept:
            shape = self.inspection.run.sites[entry].shape or ()
            dims = per_draw_dims(self.samples, entry)[-len(shape) :] if shape else ()
            for i, dim in enumerate(dims):
                before = _text(self.samples.labels[dim]) if dim in self.samples.labels else []
                if not before or i >= len(shape):
                    continue
                for axis in (a for size in self.inspection.sizes.of[entry][i] for a in size.axes):
                    labels = _labels(self.call.leaves[axis.leaf], axis)
                    ordered = axis.kind != "levels"
                    if len(labels) != len(before) or labels == before or (not ordered and {*labels} == {*before}):
                        continue
                    yield Difference(axis.name, f"{_order(f'labels of {dim!r}', before, labels)}")


def computes_alike(one: Call, other: Call, kept: Collection[str]) -> bool | None:
    """Whether two calls of a model end alike, given the same latents; None: they have other shapes, or do not run.

    Compared are deterministic values and what sites are drawn with, but of those in ``kept``, whose draws stand.
    """
    return attempt(_computes_alike, one, other, kept)


def _computes_alike(one: Call, other: Call, kept: Collection[str]) -> bool | None:
    before = replay(one, {})
    drawn = {name: site.value for name, site in before.items() if site.kind in ("latent", "observed", "plate")}
    after = replay(other, drawn)
    for name in before:
        if name not in after or name in kept:
            continue
        was, now = before[name], after[name]
        if was.arrays.keys() != now.arrays.keys():
            return False
        if was.shape != now.shape or _shapes(was.arrays) != _shapes(now.arrays):
            return None
        if any(differences(before, after, [name], whole)):
            return False
    return True


def _shapes(arrays: Mapping[str, Any]) -> list[Shape]:
    return [np.shape(array) for array in arrays.values()]


# ------------------------------------------------------------------------------------------- what has labels


def _bound(signature: inspect.Signature, call: Call) -> Mapping[str, Any]:
    args, kwargs = call.arguments()
    try:
        return signature.bind_partial(*args, **kwargs).arguments
    except TypeError:
        return {}


_Way = int | Path  # to a leaf, by its number, or to a dict, by keys and positions


def _parts(call: Call) -> Iterator[tuple[str, Any, _Way]]:
    """The leaves of the arguments, and the dicts among them."""
    for i, (name, leaf) in enumerate(zip(call.names, call.leaves)):
        yield name, leaf, i
    for path, value in _dicts(call.arguments()):
        if len(path) > 1:
            yield path_in_words(call, path), value, path


def _with(call: Call, where: _Way, value: Any) -> Call:
    if isinstance(where, int):
        return call.with_leaves({where: value})
    return call.with_arguments(*with_value(call.arguments(), where, value))


def _dicts(tree: Any, path: Path = ()) -> Iterator[tuple[Path, dict[Any, Any]]]:
    """The dicts among arguments, each with the way to it."""
    if isinstance(tree, dict):
        yield path, tree
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if type(tree) in (list, tuple) else ()
    for key, value in () if is_value_list(tree) else items:
        yield from _dicts(value, (*path, key))


def _orders(part: Any) -> Iterator[tuple[str, str, list[Any], Callable[..., Any], Callable[..., Any] | None]]:
    """What an argument has in an order: where and what it is, the labels, and the argument with them in another order
    or with others in their places (categories are values, which have none)."""
    if isinstance(part, dict):
        yield "", "keys", list(part), lambda to: {key: part[key] for key in to}, lambda to: dict(zip(to, part.values()))
    elif hasattr(part, "columns"):
        yield "", "columns", list(part.columns), lambda to: part[to], lambda to: part.set_axis(to, axis=1)
        for name in part.columns:
            recoded = lambda to, name=name: part.assign(**{name: part[name].cat.set_categories(to)})  # noqa: E731
            yield f"[{name!r}]", "categories", _categories(part[name]), recoded, None
    elif categories := _categories(part):
        yield "", "categories", categories, lambda to: part.cat.set_categories(to), None
    elif hasattr(part, "isel"):
        for dim in part.dims:
            sel, rename = lambda to, dim=dim: part.sel({dim: to}), lambda to, dim=dim: part.assign_coords({dim: to})
            yield "", f"labels of {dim!r}", _coordinate(part, dim), sel, rename


def _categories(column: Any) -> list[Any]:
    return list(getattr(getattr(column, "dtype", None), "categories", ()))


def _coordinate(array: Any, dim: Any) -> list[Any]:
    return _text(array.coords[dim].values) if dim in array.dims and dim in array.coords else []


def _text(labels: np.ndarray) -> list[Any]:
    return labels.tolist() if labels.dtype.kind in "OSUT" else []


def _texts(leaf: Any) -> dict[Any, list[str]]:
    """Columns of text of an argument; its own text is column None."""
    if hasattr(leaf, "columns"):
        columns = {name: leaf[name] for name in leaf.columns}
    else:
        columns = {None: leaf} if np.ndim(leaf) == 1 and (is_value_list(leaf) or hasattr(leaf, "dtype")) else {}
    found = {}
    for name, column in columns.items():
        if _categories(column) or is_array(column):
            continue
        values = np.asarray(column).tolist()
        if values and all(isinstance(value, str) for value in values):
            found[name] = values
    return found


def _swapped(leaf: Any, column: Any, values: Sequence[str]) -> Any:
    """The same argument with its labels in the place of each other: it matters where labels are told apart."""
    levels = sorted({*values})
    other = dict(zip(levels, [*levels[1:], levels[0]]))
    return with_levels(leaf, column, np.array([other[value] for value in values], object))


def _labels(leaf: Any, axis: Axis) -> list[Any]:
    """What stands along an axis of an argument."""
    if axis.kind == "levels":
        return sorted({*_texts(leaf).get(axis.dim, ())}) or _categories(leaf if axis.dim is None else leaf[axis.dim])
    if axis.kind == "later" and hasattr(leaf, "columns"):
        return list(leaf.columns)
    if hasattr(leaf, "isel"):
        return _coordinate(leaf, list(leaf.sizes)[axis.dim])
    if hasattr(leaf, "index") and hasattr(leaf, "iloc") and axis.dim == 0:
        labels = list(leaf.index)
        return labels if all(isinstance(label, str) for label in labels) else []
    return list(leaf) if axis.is_of_array and axis.dim == 0 and not is_array(leaf) and _texts(leaf) else []


def _order(what: str, was: Sequence[Any], now: Sequence[Any]) -> str:
    return f"{what} {listing(map(str, now), 5)} here, {listing(map(str, was), 5)} in the fit"


def _unknown(labels: Sequence[Any]) -> str:
    return f"the fit had no label{'s' * (len(labels) > 1)} {listing(map(str, labels))}"


def _short(value: Any) -> str:
    return f"an array of shape {np.shape(value)}" if np.ndim(value) else repr(value)
