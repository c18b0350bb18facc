"""Names of the dimensions of what is predicted, and their coordinates: from the samples, the model, the arguments."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..containers import per_draw_dims
from ..errors import OptionError, listing
from ..fit import Fit
from ..model import argument
from ..model.call import Axis
from ..model.sizes import Size
from .parameters import CATEGORY, COMPONENT, Parts


class Place(NamedTuple):
    """A dimension of an output."""

    output: str
    site: str  # of which the output is the value, a part of a tree of arrays, or what stands for it
    dim: int
    length: int
    of: int | str | None  # the dimension of the site that it is; what it is called after the site; neither


class Labels:
    """What the dimensions of outputs are called in one call, and the coordinates along them.

    The names are those that were passed; those of the recorded entry; of plates; of a frame's index or a labelled
    array among the arguments; else ``<site>_dim_0``. Nothing is looked for that no output needs.

    Attributes
    ----------
    names : dict
        Output -> the names of its dimensions but for those of the draws, in the order of the model.
    coords : dict
        Dimension -> its labels.
    """

    def __init__(
        self,
        fit: Fit,
        dims: Mapping[str, Sequence[str]],
        coords: Mapping[str, Any],
        carried_on: Mapping[Hashable, Any],
        outputs: Mapping[str, Any],
        parts: Parts,
        leading: Mapping[Hashable, int],
    ):
        self.fit, self.inspection, self.samples = fit, fit.inspection, fit.samples
        self.sites = fit.inspection.run.sites
        self.passed_dims, self.passed_coords = dims, coords
        self.carried_on = carried_on  # coordinates of fitted values with new ones
        self.outputs, self.parts = outputs, parts
        self.arguments = [argument.of(leaf) for leaf in fit.call.leaves]
        self.taken = {*self.outputs, *leading}  # no names of other dimensions
        self.lengths = dict(leading)
        self.names: dict[str, list[str]] = {}
        self.coords = {name: labels for name, labels in coords.items() if name in leading}
        if unknown := [name for name in dims if self.inspection.site(name) is None]:
            raise OptionError(f"dims names {listing(unknown)}, not a site. The outputs are {listing(self.outputs)}.")
        for site in self.sites:
            for output in self.outputs:
                if self._stands_for(output, site):
                    self._label(output, site)
        self._refuse_no_dimension()
        for name, labels in self.coords.items():
            n = self.lengths[name]
            if np.shape(labels)[:1] != (n,):
                raise OptionError(f"coords has {len(labels)} labels for {name!r}, along which there are {n}.")

    def _stands_for(self, output: str, site: str) -> bool:
        """Whether it is the site's value, a part of a tree of arrays, or what comes in its place."""
        if output in self.parts:
            return self.parts[output].site == site
        is_part = output.startswith(f"{site}[") and output not in self.sites
        return output == site or is_part

    def _label(self, output: str, site: str) -> None:
        shape = self.outputs[output].shape
        self._refuse_other_rank(site, len(shape))
        dims: Iterable[int | str | None] = range(len(shape))
        if output in self.parts:
            dims = self.parts[output].dims
        self.names[output] = []
        for dim, (length, of) in enumerate(zip(shape, dims)):
            place = Place(output, site, dim, length, of)
            name = self._name(place)
            self.names[output].append(name)
            if name in self.lengths:
                continue
            self.lengths[name] = length
            labels = self._coordinate(name, place)
            if labels is not None:
                self.coords[name] = labels

    @property
    def paired(self) -> dict[str, str]:
        """Dimensions that follow the same rows as one of a target, and have another name."""
        found: dict[str, str] = {}
        targets = [name for name in self.names if name in self.inspection.ends]
        others = [name for name in self.names if name not in targets]
        for target, other in itertools.product(targets, others):
            of, rows = self.inspection.sizes.of, self.inspection.rows
            for name, follows in zip(self.names[target], of[target]):
                if name in self.names[other]:
                    continue
                of_rows = follows.intersection(rows)
                for own, sizes in zip(self.names[other], of.get(other, ())):
                    if self.lengths[own] == self.lengths[name] and not of_rows.isdisjoint(sizes):
                        found[own] = name
        return found

    def _refuse_other_rank(self, site: str, rank: int) -> None:
        """A score has the leading dimensions only of a value of the site, and a category has one more."""
        dims, shape = self.passed_dims.get(site), self.sites[site].shape
        if dims is None:
            return
        rank = rank if shape is None else len(shape)
        of_site = [part.dims for part in self.parts.values() if part.site == site]
        most = rank + any(CATEGORY in own for own in of_site)
        if isinstance(dims, str) or len(dims) not in (rank, most):
            raise OptionError(f"dims of {site!r} is {dims!r}: one name for each of its {rank} dimensions.")

    def _refuse_no_dimension(self) -> None:
        """Outputs that this call has not may have the dimension: a score, a latent, probabilities."""
        known = {*self.lengths, *self.samples.labels}
        known.update(*self.passed_dims.values(), *self.samples.dims.values())
        for passed in self.arguments:
            known.update(map(passed.dim_name, range(len(passed.shape))))
        for site in self.sites.values():
            known.update(plate.name for plate in site.plates)
        unknown = []
        for name in self.passed_coords:
            of = re.sub(rf"_(dim_\d+|{CATEGORY}|{COMPONENT})$", "", name)
            if name not in known and (of == name or of not in self.sites):
                unknown.append(name)
        if unknown:
            has = listing(map(str, self.lengths))
            raise OptionError(f"coords names {listing(unknown)}, not a dimension. The dimensions here are {has}.")

    # ------------------------------------------------------------------------------------------------ names

    def _name(self, place: Place) -> str:
        likely = [*self._likely(place)]
        taken = self.taken.union(self.names[place.output])
        for name in likely:
            if name not in taken and self.lengths.get(name, place.length) == place.length:
                return name
        raise OptionError(
            f"dims of {place.site!r} names dimension {place.dim}, of length {place.length}, {likely[0]!r}, which is "
            f"the name of an output or of a dimension of another length."
        )

    def _likely(self, place: Place) -> Iterator[str]:
        """Names for a dimension, the best first."""
        passed = self.passed_dims.get(place.site, ())
        shape = self.sites[place.site].shape
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
        sizes = self._follows(site, dim)
        yield from self._own_dims(site)[dim : dim + 1]
        yield from (self._recorded[size] for size in sizes if size in self._recorded)
        if plate := self._own_plates(site).get(dim):
            yield plate
        for size in sizes:
            if size in self._plates:
                yield self._plates[size]
            for array, axis in self._arrays(size):
                name = array.dim_name(axis.dim)
                if name is not None:
                    yield str(name)

    def _own_dims(self, site: str) -> list[str]:
        """Names of the dimensions of the recorded entry; of a target those of the data."""
        if site in self.samples.dims:
            recorded: Sequence[Hashable] = per_draw_dims(self.samples, site)
        else:
            data = argument.of(self.samples.observed_data.get(site))
            recorded = [data.dim_name(dim) for dim in range(len(data.shape))]
        is_whole = len(recorded) == len(self.sites[site].shape or ())
        return [*map(str, recorded)] if is_whole else []

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

    @functools.cached_property
    def _recorded(self) -> dict[Size, str]:
        """What an entry calls a dimension that follows a size, so that all that follow it are called so."""
        return self._called(lambda site: dict(enumerate(self._own_dims(site))))

    @functools.cached_property
    def _plates(self) -> dict[Size, str]:
        """The plate along which sites follow a size."""
        return self._called(self._own_plates)

    def _called(self, names_of: Callable[[str], Mapping[int, str]]) -> dict[Size, str]:
        found: dict[Size, str] = {}
        for site in self.sites:
            for dim, name in names_of(site).items():
                if name != f"{site}_dim_{dim}":  # as ArviZ calls what has no name
                    for size in self._follows(site, dim):
                        found.setdefault(size, name)
        return found

    def _follows(self, name: str, dim: int) -> list[Size]:
        if not self._are_there_names:
            return []  # sizes need not be looked for
        sizes = self.inspection.sizes
        followed = sizes.of[name][dim]
        return [size for size in sizes.sizes if size in followed]

    @functools.cached_property
    def _are_there_names(self) -> bool:
        plates = any(site.plates for site in self.sites.values())
        recorded = self.samples.labels or self.samples.dims
        return plates or bool(recorded) or any(known.is_labelled for known in self.arguments)

    def _arrays(self, size: Size) -> list[tuple[argument.Argument, Axis]]:
        """The arguments that have a size, and along which axis."""
        return [(self.arguments[axis.leaf], axis) for axis in size.axes if axis.is_of_array]

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
            for array, axis in self._arrays(size):
                labels = array.labels(axis.dim)
                if labels is not None and axis.length == place.length:
                    return labels
        recorded = self.samples.labels.get(name)
        if recorded is None or np.shape(recorded) != (place.length,):
            return None
        return recorded if all(map(self._is_that_of_the_fit, sizes)) else None

    def _is_that_of_the_fit(self, size: Size) -> bool:
        """Whether labels of the fit go with a size of this call.

        The rows of a call are other rows, unless something proves that they are not; so are items that arguments bring
        and that no latent is fitted to. Groups are those of the fit, unless an argument of theirs alone is another.
        """
        same, arrays = self.fit.same(size), self._arrays(size)
        latents = self.fit.recorded.keys() & self.inspection.run.named("latent")
        is_of_groups = any(size in self.inspection.sizes.followed_by(name) for name in latents)
        if size in self.inspection.rows or (arrays and not is_of_groups):
            return same is True
        return same is not False or all(len(array.shape) > 1 for array, _ in arrays)
