"""Names of the dimensions of what is predicted, and their coordinates: from the samples, the model, the arguments."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
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
    site: str  # the output is its value, a part of a tree of arrays, or comes in its place
    dim: int
    length: int
    of: int | str | None  # a dimension of the site; a name to put after the site's; None: neither


class Labels:
    """What the dimensions of outputs are called in one call, and the coordinates along them.

    A name is the first that there is of: the one that was passed; that of the recorded entry; of a plate; of a frame's
    index or of a labelled array among the arguments; ``<site>_dim_0``. Only what an output needs is looked for.

    Attributes
    ----------
    names : dict
        Output -> the names of its dimensions without those of the draws, in the order of the model.
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
        self.taken = {*self.outputs, *leading}  # names that other dimensions cannot have
        self.lengths = dict(leading)
        self.names: dict[str, list[str]] = {}
        self.coords = {name: labels for name, labels in coords.items() if name in leading}
        unknown = [name for name in dims if self.inspection.site(name) is None]
        if unknown:
            raise OptionError(f"dims names {listing(unknown)}, not a site. The outputs are {listing(self.outputs)}.")
        for site in self.sites:
            for output in self.outputs:
                if self._stands_for(output, site):
                    self._label(output, site)
        self._refuse_no_dimension()
        for name, labels in self.coords.items():
            n, found = self.lengths[name], len(labels)
            if found != n:
                raise OptionError(f"coords has {found} labels for {name!r}, along which there are {n}.")

    def _stands_for(self, output: str, site: str) -> bool:
        """Whether it is the site's value, a part of a tree of arrays, or what comes in its place."""
        if output in self.parts:
            return self.parts[output].site == site
        is_part = output.startswith(f"{site}[") and output not in self.sites
        return output == site or is_part

    def _label(self, output: str, site: str) -> None:
        shape = self.outputs[output].shape
        self._refuse_other_rank(site, len(shape))
        dims: Sequence[int | str | None] = range(len(shape))
        if output in self.parts:
            dims = self.parts[output].dims
        self.names[output] = []
        for dim, length in enumerate(shape):
            place = Place(output, site, dim, length, dims[dim])
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
        """Dimension -> the one of a target that follows the same rows, but has another name."""
        found: dict[str, str] = {}
        targets = [name for name in self.names if name in self.inspection.ends]
        others = [name for name in self.names if name not in targets]
        for target, other in itertools.product(targets, others):
            of, rows = self.inspection.sizes.of, self.inspection.rows
            for name, follows in zip(self.names[target], of[target]):
                if name in self.names[other]:
                    continue
                of_rows, length = follows.intersection(rows), self.lengths[name]
                for own, sizes in zip(self.names[other], of.get(other, ())):
                    if self.lengths[own] == length and of_rows.intersection(sizes):
                        found[own] = name
        return found

    def _refuse_other_rank(self, site: str, rank: int) -> None:
        """The rank is that of the site: a score has fewer dimensions. A category may have a name for one more."""
        if site not in self.passed_dims:
            return
        dims, shape = self.passed_dims[site], self.sites[site].shape
        if shape is not None:
            rank = len(shape)
        most = rank
        for part in self.parts.values():
            if part.site == site and CATEGORY in part.dims:
                most = rank + 1
        if isinstance(dims, str) or len(dims) not in (rank, most):
            raise OptionError(f"dims of {site!r} is {dims!r}: one name for each of its {rank} dimensions.")

    def _refuse_no_dimension(self) -> None:
        """Refuse ``coords`` of what is no dimension, neither here nor where scores or a latent are given."""
        known = {*self.lengths, *self.samples.labels}
        known.update(*self.passed_dims.values())
        known.update(*self.samples.dims.values())
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
        length = place.length
        taken = self.taken.union(self.names[place.output])
        for name in likely:
            if name not in taken and self.lengths.get(name, length) == length:
                return name
        which = f"dimension {place.dim}, of length {length}"
        raise OptionError(
            f"dims of {place.site!r} names {which}, {likely[0]!r}, which is the name of an output or of a dimension of "
            "another length."
        )

    def _likely(self, place: Place) -> Iterator[str]:
        """Names for a dimension, the best first."""
        passed = self.passed_dims.get(place.site, ())
        shape = self.sites[place.site].shape
        if isinstance(place.of, str):
            if place.of == CATEGORY:
                rank = len(shape or ())
                yield from passed[rank:]
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
        for size in sizes:
            if size in self._recorded:
                yield self._recorded[size]
        plates = self._own_plates(site)
        if dim in plates:
            yield plates[dim]
        for size in sizes:
            if size in self._plates:
                yield self._plates[size]
            for array, axis in self._arrays(size):
                name = array.dim_name(axis.dim)
                if name is not None:
                    yield str(name)

    def _own_dims(self, site: str) -> list[str]:
        """Names of the dimensions of the recorded entry; for a target those of the data."""
        if site in self.samples.dims:
            recorded: Sequence[Hashable] = per_draw_dims(self.samples, site)
        else:
            data = argument.of(self.samples.observed_data.get(site))
            recorded = [data.dim_name(dim) for dim in range(len(data.shape))]
        shape = self.sites[site].shape or ()
        if len(recorded) != len(shape):
            return []
        return [*map(str, recorded)]

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
        """The name that an entry has for a dimension that follows a size: all that follow it have this name."""
        return self._called(lambda site: dict(enumerate(self._own_dims(site))))

    @functools.cached_property
    def _plates(self) -> dict[Size, str]:
        """The plate along which sites follow a size."""
        return self._called(self._own_plates)

    def _called(self, names_of: Callable[[str], Mapping[int, str]]) -> dict[Size, str]:
        found: dict[Size, str] = {}
        for site in self.sites:
            for dim, name in names_of(site).items():
                if name == f"{site}_dim_{dim}":  # as ArviZ calls what has no name
                    continue
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
        """The arguments that have a size, each with its axis."""
        axes = [axis for axis in size.axes if axis.is_of_array]
        return [(self.arguments[axis.leaf], axis) for axis in axes]

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
        if all(map(self._is_that_of_the_fit, sizes)):
            return recorded
        return None

    def _is_that_of_the_fit(self, size: Size) -> bool:
        """Whether labels of the fit go with a size of this call.

        The rows of a call count as other rows, unless something proves that they are the fit's. The same holds for
        items that arguments bring and that no latent is fitted to. Groups count as the fit's, unless an argument that
        has nothing but them is another.
        """
        same, arrays = self.fit.same(size), self._arrays(size)
        if size in self.inspection.rows:
            return same is True
        if arrays and not self._is_of_groups(size):
            return same is True
        return same is not False or all(len(array.shape) > 1 for array, _ in arrays)

    def _is_of_groups(self, size: Size) -> bool:
        """Whether a recorded latent follows the size."""
        followed_by = self.inspection.sizes.followed_by
        latents = self.inspection.run.named("latent")
        return any(size in followed_by(name) for name in latents if name in self.fit.recorded)
