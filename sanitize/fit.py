"""What is known of the fit, beside its draws: how its rows and groups compare with those of a call.

Three things tell, for each size of the data by itself: how long entries are that follow it, the arguments of the fit
where the samples hold them, and recorded deterministic values, which are checksums of what they were computed from.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .containers import Container
from .model.axes import with_defaults
from .model.call import Arguments, Call, Shape, has_values, is_array, shape_of
from .model.checksums import recomputed
from .model.inspection import Inspection
from .model.sizes import Size, numbered


def recorded_arguments(call: Call, samples: Container) -> Iterator[Arguments]:
    """The arguments of the fit, if the samples hold them: an ``MCMC``'s own, else arrays named like parameters.

    ArviZ before 1.0 stores a number as an array of one element. So there are two readings, likelier first.
    """
    if samples.arguments is not None:
        yield samples.arguments
        return
    recorded = {**samples.constant_data, **samples.observed_data}
    named = {
        p.name: np.asarray(recorded[p.name])
        for p in call.parameters or ()
        if p.name in recorded and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }
    for most_dims in (1, 0) if named else ():
        yield (), {name: x.item() if x.size == 1 and x.ndim <= most_dims else x for name, x in named.items()}


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
        for name, site in self.inspection.run.sites.items():
            shape = self.recorded.get(name)
            if shape is None or site.shape is None or len(shape) != len(site.shape):
                continue
            for follows, was, now in zip(self.inspection.sizes.of[name], shape, site.shape):
                if was != now and len(follows) == 1:
                    found.setdefault(next(iter(follows)), f"{name!r} was recorded for {was}, here it has {now}")
        for pattern, names in numbered(self.inspection.run.named("latent")).items():
            recorded = numbered(self.recorded).get(pattern, names)
            for size in self.inspection.sizes.loops.get(names[0], ()):
                if len(names) != len(recorded):
                    text = f"{len(recorded)} latents like {names[0]!r} were recorded, here it has {len(names)}"
                    found.setdefault(size, text)
        for size in self.inspection.sizes.sizes:
            for axis in size.axes:
                was = self._fits_leaf(axis.leaf)
                length = np.shape(was)[axis.dim : axis.dim + 1] if axis.is_of_array and was is not None else ()
                if length and length[0] != axis.length:
                    found.setdefault(size, f"{axis.name} was {length[0]} in the fit, here it is {axis.length}")
        return found

    def same(self, size: Size) -> bool | None:
        """Whether what follows this size is that of the fit: True, False (other rows), or None: nothing tells."""
        if size in self.changed:
            return False
        if self.had_no_arguments:
            return True
        answers = [self._compared(leaf, size) for leaf in dict.fromkeys(axis.leaf for axis in size.axes)]
        if False in answers:
            return None if True in answers else False
        if self._other_options:
            return None
        return True if set(answers) == {True} or size in self._proven else None

    def begins_otherwise(self, size: Size) -> bool:
        """Whether the data, which are longer than the fit's, do not begin with them: then it is another series."""
        for axis in size.axes:
            now, was = self.call.leaves[axis.leaf], self._fits_leaf(axis.leaf)
            if axis.is_of_array and is_array(now) and was is not None and np.ndim(was) == np.ndim(now):
                steps = np.shape(was)[axis.dim]
                if steps < axis.length and equal(now[(slice(None),) * axis.dim + (slice(steps),)], was) is False:
                    return True
        return False

    @functools.cached_property
    def had_no_arguments(self) -> bool:
        """A model that is called without any was fitted without: there is nothing that could be other rows."""
        fit = self.samples.arguments
        return not self.inspection.call.leaves and not self.inspection.assumed and (fit is None or not any(fit))

    # ------------------------------------------------------------------------------------- arguments of the fit

    @functools.cached_property
    def _leaves(self) -> Mapping[str, Any]:
        """The fit's arguments by the names that the call's have, as far as the samples hold them."""
        if self.samples.arguments is not None:
            fit = with_defaults(self.call.with_arguments(*self.samples.arguments))
            return dict(zip(fit.names, fit.leaves))
        return {**self.samples.constant_data, **self.samples.observed_data}

    def leaf(self, name: str) -> Any:
        """What the fit had for the argument of this name; None: not known."""
        return self._leaves.get(name)

    def _fits_leaf(self, leaf: int) -> Any:
        """What the fit had for an argument: by its name, or by the key (``data['x']``) that it has in a dict."""
        name, value = self.call.names[leaf], self.call.leaves[leaf]
        if self.samples.arguments is not None:
            return self._leaves.get(name)
        if name in self._leaves:
            was = self._leaves[name]
            # ArviZ before 1.0 stores a number as an array of one element
            return np.asarray(was).item() if np.size(was) == 1 and np.shape(value) == () else was
        key = name.rpartition("['")[2].removesuffix("']")
        if key in self._leaves:
            return self._leaves[key]
        # data often come as an argument of another name than the site that they are observed at
        return next((v for v in self.samples.observed_data.values() if shape_of(value) and equal(value, v)), None)

    def _compared(self, leaf: int, size: Size | None = None) -> bool | None:
        """Whether an argument is that of the fit; None: not known, or another axis of it changed in length."""
        value = self.call.leaves[leaf]
        if hasattr(value, "columns") and self.samples.arguments is None:
            columns = [equal(value[name], self._leaves[name]) for name in value.columns if name in self._leaves]
            return None if not columns or len({*columns}) > 1 else columns[0]
        was = self._fits_leaf(leaf)
        if was is None or value is None:
            return None
        if np.shape(was) != np.shape(value) and size is not None:
            return None  # the lengths tell, see `changed`
        return equal(value, was)

    @functools.cached_property
    def _other_options(self) -> bool:
        """Whether a number, a text or another argument that is no length of any site is not that of the fit."""
        sizes = self.inspection.sizes
        followed = frozenset[Size]().union(*(f for dims in sizes.of.values() for f in dims), *sizes.loops.values())
        lengths = {axis.leaf for size in followed for axis in size.axes}
        return any(self._compared(leaf) is False for leaf in range(len(self.call.leaves)) if leaf not in lengths)

    # ---------------------------------------------------------------------------------------------- checksums

    @functools.cached_property
    def _proven(self) -> frozenset[Size]:
        """Sizes that recorded deterministic values follow which the model computes anew from these arguments."""
        run, of = self.inspection.run, self.inspection.sizes.of
        entries = [n for n, shape in self.recorded.items() if n in run.sites and run.sites[n].shape == shape]
        if not any(run.sites[name].kind == "deterministic" for name in entries):
            return frozenset()
        draws = functools.partial(self.samples.some_draws, ndims=self.ndims)
        proofs = recomputed(self.inspection.call, run, draws, entries)
        return frozenset(size for name in proofs for follows in of[name] for size in follows)


def equal(a: Any, b: Any) -> bool | None:
    """Whether a value is that of the fit as JAX sees them, NaN equal to NaN; None where that cannot be told."""
    if a is b:
        return True
    if not (has_values(a) and has_values(b)):
        return None
    try:
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape:
            return False
        if a.dtype.kind == b.dtype.kind == "f":  # one of them may have been through JAX, in single precision
            dtype = min(a.dtype, b.dtype, key=lambda dtype: dtype.itemsize)
            a, b = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
        return bool(((a == b) | ((a != a) & (b != b))).all())
    except (TypeError, ValueError):  # objects that do not compare
        return None
