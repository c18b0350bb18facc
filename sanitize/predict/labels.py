"""Names of the dimensions of what is predicted, and their coordinates: from the samples, the model, the arguments."""

from __future__ import annotations

import functools
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..containers import per_draw_dims
from ..errors import OptionError, listing
from ..fit import Fit
from ..model import argument
from ..model.sizes import Size
from .parameters import CATEGORY, COMPONENT, Parts

Names = tuple[str, ...]


class Place(NamedTuple):
    """A dimension of an output."""

    output: str
    site: str  # of which the output is the value, a part of a tree of arrays, or what stands for it
    dim: int
    length: int
    of: int | str | None  # the dimension of the site that it is; what it is called after the site; neither


class Labels:
    """What the dimensions of outputs are called, in one call.

    The names are those that were passed; those of the recorded entry; of plates; of a frame's index or a labelled
    array among the arguments; else ``<site>_dim_0``. Nothing is looked for that no output needs.
    """

    def __init__(
        self,
        fit: Fit,
        dims: Mapping[str, Sequence[str]],
        coords: Mapping[str, Any],
        carried_on: Mapping[Hashable, Any],
        parts: Parts,
    ):
        self.fit, self.inspection, self.samples = fit, fit.inspection, fit.samples
        self.sites = fit.inspection.run.sites
        self.passed_dims, self.passed_coords = dims, coords
        self.carried_on = carried_on  # coordinates of fitted values with new ones
        self.parts = parts
        self.arguments = [argument.of(leaf) for leaf in fit.call.leaves]

    def of(
        self, outputs: Mapping[str, Any], leading: Mapping[Hashable, int]
    ) -> tuple[dict[str, Names], dict[str, Any]]:
        """Names for each output, in the order of the model, and the coordinates along them.

        ``leading`` are the dimensions of the draws, which all outputs have besides.
        """
        if unknown := [name for name in self.passed_dims if self.inspection.site(name) is None]:
            raise OptionError(f"dims names {listing(unknown)}, not a site. The outputs are {listing(outputs)}.")
        coords = {name: labels for name, labels in self.passed_coords.items() if name in leading}
        lengths = dict(leading)
        taken: set[Hashable] = {*outputs, *leading}
        names: dict[str, Names] = {}
        for output, site in self._in_order(outputs):
            shape = outputs[output].shape
            dims = self.parts[output].dims if output in self.parts else tuple(range(len(shape)))
            self._refuse_other_rank(site, len(shape))
            names[output] = ()
            for dim, length in enumerate(shape):
                place = Place(output, site, dim, length, dims[dim])
                name = self._name(place, taken.union(names[output]), lengths)
                names[output] += (name,)
                if name not in lengths:
                    lengths[name] = place.length
                    labels = self._coordinate(name, place)
                    if labels is not None:
                        coords[name] = labels
        self._refuse_no_dimension(lengths)
        for name, labels in coords.items():
            if np.shape(labels)[:1] != (lengths[name],):
                n = lengths[name]
                raise OptionError(f"coords has {len(labels)} labels for {name!r}, along which there are {n}.")
        return names, coords

    def paired(self, names: Mapping[str, Names], outputs: Mapping[str, Any]) -> dict[str, str]:
        """Dimensions that follow the same rows as one of a target, and have another name."""
        found: dict[str, str] = {}
        targets = [name for name in names if name in self.inspection.ends]
        for target in targets:
            for output in names.keys() - targets:
                lengths = {*outputs[output].shape}
                own = outputs[target].shape[: len(self.inspection.sizes.of[target])]  # and no categories
                for i, length in enumerate(own):
                    if length in lengths and names[target][i] not in names[output]:
                        found.update(self._on_rows(output, names, target, i))
        return found

    def _on_rows(self, output: str, names: Mapping[str, Names], target: str, dim: int) -> dict[str, str]:
        of = self.inspection.sizes.of
        rows = of[target][dim].intersection(self.inspection.rows)
        found = {}
        for own, follows in zip(names[output], of.get(output, ())):
            if not rows.isdisjoint(follows):
                found[own] = names[target][dim]
        return found

    def _in_order(self, outputs: Collection[str]) -> Iterator[tuple[str, str]]:
        for site in self.sites:
            for output in outputs:
                is_part = output in self.parts and self.parts[output].site == site
                is_leaf = output.startswith(f"{site}[") and output not in self.sites
                if output == site or is_part or is_leaf:
                    yield output, site

    def _refuse_other_rank(self, site: str, rank: int) -> None:
        dims, rank = self.passed_dims.get(site), self._rank(site, rank)
        more = any(part.site == site and CATEGORY in part.dims for part in self.parts.values())
        if dims is not None and (isinstance(dims, str) or len(dims) not in (rank, rank + more)):
            raise OptionError(f"dims of {site!r} is {dims!r}: one name for each of its {rank} dimensions.")

    def _refuse_no_dimension(self, names: Collection[Hashable]) -> None:
        """Outputs that this call has not may have the dimension: a score, a latent, probabilities."""
        known = {*names, *self.samples.labels}
        known.update(*self.passed_dims.values(), *self.samples.dims.values())
        for passed in self.arguments:
            known.update(map(passed.dim_name, range(len(passed.shape))))
        for name, site in self.sites.items():
            known.update(plate.name for plate in site.plates)
            known.update(f"{name}_dim_{dim}" for dim in range(len(site.shape or ())))
            known.update((f"{name}_{CATEGORY}", f"{name}_{COMPONENT}"))
        if unknown := [name for name in self.passed_coords if name not in known]:
            has = listing(map(str, names))
            raise OptionError(f"coords names {listing(unknown)}, not a dimension. The dimensions here are {has}.")

    def _rank(self, site: str, rank: int) -> int:
        """Of a value of the site: a score has its leading dimensions only."""
        known = self.sites[site].shape
        return rank if known is None else len(known)

    # ------------------------------------------------------------------------------------------------ names

    def _name(self, place: Place, taken: Collection[Hashable], lengths: Mapping[Hashable, int]) -> str:
        likely = [*self._likely(place)]
        for name in likely:
            if name not in taken and lengths.get(name, place.length) == place.length:
                return name
        raise OptionError(
            f"dims of {place.site!r} names dimension {place.dim}, of length {place.length}, {likely[0]!r}, which is "
            f"the name of an output or of a dimension of another length."
        )

    def _likely(self, place: Place) -> Iterator[str]:
        """Names for a dimension, the best first."""
        passed, shape = self.passed_dims.get(place.site, ()), self.sites[place.site].shape
        if isinstance(place.of, str):
            if place.of == CATEGORY:
                yield from passed[len(shape or ()) :]
            yield f"{place.site}_{place.of}"
        elif place.of is not None and passed:
            yield passed[place.of]
            return
        elif place.of is not None and shape is not None:
            yield from self._names_at(place.site, place.of)
            yield f"{place.site}_dim_{place.of}"
        yield f"{place.output}_dim_{place.dim}"

    def _names_at(self, site: str, dim: int) -> Iterator[str]:
        """What the recorded entry, plates and arguments call a dimension of a site."""
        if name := self._own_dims(site).get(dim):
            yield name
        sizes = self._follows(site, dim)
        yield from (self._recorded[size] for size in sizes if size in self._recorded)
        if plate := self._own_plates(site).get(dim):
            yield plate
        for size in sizes:
            yield from self._names_of(size)

    def _own_dims(self, site: str) -> dict[int, str]:
        """Names of the dimensions of the recorded entry."""
        recorded = self._recorded_dims(site)
        is_whole = len(recorded) == len(self.sites[site].shape or ())
        return {dim: str(name) for dim, name in enumerate(recorded)} if is_whole else {}

    @functools.cached_property
    def _recorded(self) -> dict[Size, str]:
        """What an entry calls a dimension that follows a size, so that all that follow it are called so."""
        found: dict[Size, str] = {}
        for site in self.sites:
            for dim, name in self._own_dims(site).items():
                if name != f"{site}_dim_{dim}":  # as ArviZ calls what has no name
                    for size in self._follows(site, dim):
                        found.setdefault(size, name)
        return found

    def _recorded_dims(self, site: str) -> Sequence[Hashable]:
        """Those of the entry, without chains and draws; of a target those of the data."""
        if site in self.samples.dims:
            return per_draw_dims(self.samples, site)
        data = argument.of(self.samples.observed_data.get(site))
        return [data.dim_name(dim) for dim in range(len(data.shape))] if data.is_labelled else []

    def _own_plates(self, name: str) -> dict[int, str]:
        site = self.sites[name]
        if site.kind == "deterministic":  # its value need not have the plates' dimensions
            return {}
        shape = site.shape or ()
        found = {}
        for plate in site.plates:
            dim = len(shape) - site.event_dim + plate.dim
            if dim >= 0 and shape[dim] == plate.size:
                found[dim] = plate.name
        return found

    def _names_of(self, size: Size) -> Iterator[str]:
        """What plates and arguments call what follows a size."""
        if size in self._plates:
            yield self._plates[size]
        for axis in size.axes:
            name = self.arguments[axis.leaf].dim_name(axis.dim) if axis.is_of_array else None
            if name is not None:
                yield str(name)

    @functools.cached_property
    def _plates(self) -> dict[Size, str]:
        """The plate along which sites follow a size."""
        found: dict[Size, str] = {}
        for name in self.sites:
            for dim, plate in self._own_plates(name).items():
                for size in self._follows(name, dim):
                    found.setdefault(size, plate)
        return found

    def _follows(self, name: str, dim: int) -> list[Size]:
        if not self._are_there_names:
            return []  # sizes need not be looked for
        followed = self.inspection.sizes.of[name][dim : dim + 1]
        return [size for size in self.inspection.sizes.sizes if any(size in sizes for sizes in followed)]

    @functools.cached_property
    def _are_there_names(self) -> bool:
        plates = any(site.plates for site in self.sites.values())
        recorded = self.samples.labels or self.samples.dims
        return plates or bool(recorded) or any(known.is_labelled for known in self.arguments)

    # ------------------------------------------------------------------------------------------ coordinates

    def _coordinate(self, name: str, place: Place) -> Any:
        if name in self.passed_coords:
            return self.passed_coords[name]
        if len(self.carried_on.get(name, ())) == place.length:
            return self.carried_on[name]
        if isinstance(place.of, str):
            return np.arange(place.length)
        if place.of is None or self.sites[place.site].shape is None:
            return None
        sizes = self._follows(place.site, place.of)
        for size in sizes:
            for axis in size.axes:
                if axis.is_of_array and axis.length == place.length:
                    labels = self.arguments[axis.leaf].labels(axis.dim)
                    if labels is not None:
                        return labels
        recorded = self.samples.labels.get(name)
        if recorded is None or recorded.shape != (place.length,):
            return None
        return recorded if all(map(self._is_that_of_the_fit, sizes)) else None

    def _is_that_of_the_fit(self, size: Size) -> bool:
        """Whether labels of the fit go with a size of this call.

        The rows of a call are other rows, unless something proves that they are not; so are items that arguments bring
        and that no latent is fitted to. Groups are those of the fit, unless an argument of theirs alone is another.
        """
        same, sizes = self.fit.same(size), self.inspection.sizes
        fitted = [name for name in self.fit.recorded if name in sizes.of and self.sites[name].kind == "latent"]
        is_of_groups = any(size in sizes.followed_by(name) for name in fitted)
        arrays = [self.arguments[axis.leaf] for axis in size.axes if axis.is_of_array]
        if size in self.inspection.rows or (arrays and not is_of_groups):
            return same is True
        return same is not False or all(len(array.shape) > 1 for array in arrays)
