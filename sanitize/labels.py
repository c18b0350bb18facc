"""Names of the dimensions of what is predicted, and their coordinates: from the samples, the model, the arguments."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .containers import per_draw_dims
from .errors import OptionError, listing
from .fit import Fit
from .model import argument
from .model.argument import Shape
from .model.call import Axis
from .model.sizes import Size


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
    ):
        self.fit, self.inspection, self.samples = fit, fit.inspection, fit.samples
        self.given, self.given_coords = dims, coords
        self.carried_on = carried_on  # coordinates of fitted values with new ones
        self.leaves = self.fit.call.leaves

    def of(
        self, outputs: Mapping[str, tuple[str, Shape]], leading: Mapping[Hashable, int]
    ) -> tuple[dict[str, tuple[str, ...]], dict[str, Any]]:
        """Names for each output, which is a site's value of some shape, and the coordinates along them.

        ``leading`` are the dimensions of the draws, which all outputs have besides.
        """
        if unknown := [name for name in self.given if self.inspection.site(name) is None]:
            raise OptionError(f"dims names {listing(unknown)}, not a site. The outputs are {listing(outputs)}.")
        sizes: dict[Hashable, int] = dict(leading)
        names: dict[str, tuple[str, ...]] = {}
        follows: dict[str, tuple[str, int, int]] = {}  # name -> where it was first seen: site, dimension, length
        for output, (site, shape) in outputs.items():
            given = self.given.get(site)
            if given is not None and (isinstance(given, str) or len(given) != self._rank(site, shape)):
                raise OptionError(
                    f"dims of {site!r} is {given!r}: one name for each of its {self._rank(site, shape)} dimensions."
                )
            found: list[str] = []
            for i, n in enumerate(shape):
                fallback = f"{output}_dim_{i}"
                likely = (given[i],) if given is not None else (*self._likely(site, i, shape), fallback)
                taken = {*found, *outputs, *leading}
                name = next((d for d in likely if d not in taken and sizes.get(d, n) == n), None)
                if name is None:
                    raise OptionError(
                        f"dims of {site!r} names dimension {i}, of length {n}, {likely[0]!r}, which is the name of "
                        f"an output or of a dimension of another length."
                    )
                sizes[name] = n
                found.append(name)
                follows.setdefault(name, (site, i, n))
            names[output] = tuple(found)
        coords = {name: x for name, where in follows.items() if (x := self._coordinate(name, *where)) is not None}
        for name, values in coords.items():
            if np.shape(values)[:1] != (sizes[name],):
                raise OptionError(f"coords has {len(values)} labels for {name!r}, along which there are {sizes[name]}.")
        return names, coords

    # ------------------------------------------------------------------------------------------------ names

    def _likely(self, site: str, i: int, shape: Shape) -> Iterator[str]:
        """Names for one dimension of a site, the best first."""
        recorded = self._recorded_dims(site)
        if len(recorded) == self._rank(site, shape):
            yield str(recorded[i])
        if site not in self.inspection.run.sites:  # part of a tree of arrays
            return
        if plate := self._own_plates(site).get(i):
            yield plate
        for size in self._follows(site, i):
            if size in self._plates:
                yield self._plates[size]
            yield from (name for axis in size.axes if (name := self._name_in(axis)) is not None)

    def _rank(self, site: str, shape: Shape) -> int:
        """Of a value of the site: a score has its leading dimensions only."""
        known = self.inspection.run.sites.get(site)
        return len(shape) if known is None or known.shape is None else len(known.shape)

    def _recorded_dims(self, site: str) -> tuple[Hashable, ...]:
        """Those of the entry, without chains and draws; of a target those of the data."""
        if site in self.samples.dims:
            return per_draw_dims(self.samples, site)
        return getattr(self.samples.observed_data.get(site), "dims", ())

    def _own_plates(self, name: str) -> dict[int, str]:
        site = self.inspection.run.sites[name]
        shape = site.shape or ()
        batch = len(shape) - site.event_dim
        if site.kind == "deterministic":  # its value need not have the plates' dimensions
            return {}
        plates = ((batch + plate.dim, plate) for plate in site.plates)
        return {i: plate.name for i, plate in plates if i >= 0 and shape[i] == plate.size}

    @functools.cached_property
    def _plates(self) -> dict[Size, str]:
        """The plate along which sites follow a size."""
        found: dict[Size, str] = {}
        for name in self.inspection.run.sites:
            for i, plate in self._own_plates(name).items():
                for size in self._follows(name, i):
                    found.setdefault(size, plate)
        return found

    def _follows(self, name: str, i: int) -> list[Size]:
        if not self._are_there_names:
            return []  # sizes need not be looked for
        followed = self.inspection.sizes.of[name]
        return [size for size in self.inspection.sizes.sizes if i < len(followed) and size in followed[i]]

    @functools.cached_property
    def _are_there_names(self) -> bool:
        plates = any(site.plates for site in self.inspection.run.sites.values())
        return plates or bool(self.samples.labels) or any(argument.of(leaf).is_labelled for leaf in self.leaves)

    def _name_in(self, axis: Axis) -> str | None:
        """What an argument calls one of its axes."""
        if not axis.is_of_array:
            return None
        name = argument.of(self.leaves[axis.leaf]).dim_name(axis.dim)
        return None if name is None else str(name)

    # ------------------------------------------------------------------------------------------ coordinates

    def _coordinate(self, name: str, site: str, i: int, n: int) -> Any:
        if name in self.given_coords:
            return self.given_coords[name]
        if len(self.carried_on.get(name, ())) == n:
            return self.carried_on[name]
        if site not in self.inspection.run.sites:
            return None
        follows = self._follows(site, i)
        for axis in itertools.chain.from_iterable(size.axes for size in follows):
            if axis.is_of_array and axis.length == n:
                found = argument.of(self.leaves[axis.leaf]).labels(axis.dim)
                if found is not None:
                    return found
        recorded = self.samples.labels.get(name)
        if recorded is None or recorded.shape != (n,):
            return None
        # the rows of a call are other rows, unless something proves that they are not
        rows = [size for size in follows if size in self.inspection.rows]
        return recorded if all(self.fit.same(size) for size in rows) else None
