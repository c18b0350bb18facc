"""Fitted values carried on: which latents go on, from which positions, and all draws of them in pieces."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

from .ancestral import Arrays, Leaves, Pass, Passed, Positions, every_draw
from .containers import Drawn, per_draw_dims
from .levels import as_index, continued
from .model.argument import Shape, has_values, is_array
from .model.call import Call, arguments_error
from .model.trace import is_factor
from .prepare import Case
from .review import Review
from .unchanged import Seen, check, density_in_fit, refuse_not_finite

# Draws that are worked on at once: a Gaussian process of 500 inputs needs 1 MB a draw for each matrix.
_PIECE = 128
# What targets are drawn with is looked at for all of them: not for more values at once.
_MOST = 2**25


def carried_on(case: Case, review: Review, rng_key: Any) -> Drawn:
    """The entries that ``extend`` names, in the model's shape, and coordinates of what has become longer."""
    return Carrier.of(case, review)(rng_key, ())


@dataclass(frozen=True, eq=False)
class Carrier:
    """What goes on in all calls that differ in some arguments' values alone: compiled once."""

    plan: Pass | None  # None: nothing goes on
    values: Arrays  # draws of the entries
    seen: Seen
    batch_shape: Shape
    coords: Mapping[Hashable, Any]
    compiled: dict[str, Callable[..., Passed]] = field(default_factory=dict)  # the pass, by the kind of its keys

    @classmethod
    def of(cls, case: Case, review: Review, taken: Sequence[int] = ()) -> Carrier:
        """``taken`` are the arguments whose values come with each call."""
        labels: dict[Hashable, Any] = {dim: level.labels for dim, level in case.levels.items()}
        if not review.extended:
            return cls(None, {}, Seen({}, {}), (), labels)
        call, ndims = case.inspection.call, len(review.batch_shape)
        fitted = _WhatGoesOn(case, review)
        plan = fitted.plan(taken)
        if not all(has_values(leaf) for i, leaf in enumerate(call.leaves) if i not in taken):
            raise arguments_error(call, "values are carried on outside of jit, with the arguments' own values")
        values = case.samples.values(fitted.kept, ndims)
        for name, at in plan.where.items():  # dimensions of length one in front are not the model's
            values[name] = values[name].reshape(len(values[name]), *map(len, at))
        first = {name: jax.tree_util.tree_map(lambda x: x[0], value) for name, value in values.items()}
        seen = Seen(case.samples.values([*plan.computed], ndims), density_in_fit(plan, first))
        return cls(plan, values, seen, review.batch_shape, {**fitted.coords(), **labels})

    def __call__(self, rng_key: Any, leaves: Leaves) -> Drawn:
        if self.plan is None:
            return Drawn({}, self.coords)
        arrays = {}
        for name, value in self._drawn(self.plan, rng_key, leaves).items():
            value = _exact(name, value, self.values.get(name), self.plan.where.get(name))
            arrays[name] = value.reshape(*self.batch_shape, *value.shape[1:])
        return Drawn(arrays, self.coords)

    def _drawn(self, plan: Pass, rng_key: Any, leaves: Leaves) -> dict[str, np.ndarray]:
        """All draws, in pieces of one length, so that one compilation serves them. The last overlaps the one before."""
        total = len(jax.tree_util.tree_leaves(self.values)[0])
        keys, others = _keys(rng_key, total)
        sites = plan.inspection.run.sites
        rows = max((int(np.prod(sites[name].shape or ())) for name in plan.targets), default=1)
        piece = min(_PIECE, total, max(1, _MOST // max(rows, 1)))
        found: dict[str, np.ndarray] = {}
        for start in (*range(0, total - piece, piece), total - piece):
            part = slice(start, start + piece)
            draws = jax.tree_util.tree_map(lambda x, part=part: x[part], dict(self.values))
            inputs = (keys[part], keys[part]), draws, leaves
            kind = str(keys.dtype)  # a typed key is another input than a raw one
            if kind not in self.compiled:
                self.compiled[kind] = plan.each(plan.run, *inputs)
            run = self.compiled[kind]
            ran = run(*inputs)
            if not found:
                check(plan, run, inputs, (keys[part], others[part]), ran, self.seen)
            for name, value in ran.values.items():
                whole = found.setdefault(name, np.empty((total, *value.shape[1:]), value.dtype))
                whole[part] = value
        return found


@functools.partial(jax.jit, static_argnums=1)
def _keys(rng_key: jax.Array, total: int) -> tuple[jax.Array, jax.Array]:
    """A key for each draw, and another one."""
    keys = jax.vmap(functools.partial(random.fold_in, rng_key))(jnp.arange(total))
    return keys, jax.vmap(functools.partial(random.fold_in, data=1))(keys)


def key_of_extend(rng_key: jax.Array) -> jax.Array:
    """The key that values are carried on with where ``rng_key`` is for the predictions."""
    return random.fold_in(rng_key, 23)


class _WhatGoesOn:
    """What was fitted, and what of it goes on."""

    def __init__(self, case: Case, review: Review):
        self.inspection, self.samples, self.levels, self.fit = case.inspection, case.samples, case.levels, case.fit
        self.sites, self.extended = self.inspection.run.sites, review.extended
        ndims = len(review.batch_shape)
        self.recorded = {name: (shape or ())[ndims:] for name, shape in self.samples.shapes.items()}
        self.entries = [name for name in review.kept if name in self.sites]
        self.kept = [name for name in self.entries if self.sites[name].kind != "observed"]
        self.where: dict[str, Positions] = {}
        for name in self.extended:
            if name in self.recorded:
                self.where[name] = [self._positions(dim, was) for dim, was, _ in self._dims(name)]

    def _dims(self, name: str) -> list[tuple[Hashable, int, int]]:
        """Of each dimension of an entry: its label (None: it has none), how long it was, how long it is."""
        model = self.sites[name].shape or ()
        lengths = self.recorded[name][len(self.recorded[name]) - len(model) :]
        dims = per_draw_dims(self.samples, name)
        labels = dims[len(dims) - len(model) :] or (None,) * len(model)
        return list(zip(labels, lengths, model))

    def _positions(self, dim: Hashable, length: int) -> np.ndarray:
        return self.levels[dim].at if dim in self.levels else np.arange(length)

    def coords(self) -> dict[Hashable, Any]:
        """Coordinates of the dimensions that have become longer."""
        found = {}
        for name in self.where:
            for dim, was, now in self._dims(name):
                if was < now and dim in self.samples.labels and dim not in self.levels:
                    found[dim] = continued(name, dim, as_index(self.samples.labels[dim]), now)
        return found

    def plan(self, taken: Sequence[int]) -> Pass:
        """What a pass has to draw, to compare and to score."""
        inspection, extended = self.inspection, self.extended
        fixed = [name for name in self.kept if name not in extended]
        unrecorded = []
        for name in inspection.used(fixed, extended):
            if name not in self.entries and self.sites[name].kind == "latent":
                unrecorded.append(name)
        wanted = [*dict.fromkeys([*extended, *unrecorded])]
        above = inspection.ancestors
        scored = [name for name in self.kept if not above.get(name, frozenset()).isdisjoint(extended)]
        ties = []
        for name in inspection.run.named("observed"):
            binds = is_factor(self.sites[name]) or above.get(name)
            if binds and not self.where.keys().isdisjoint(inspection.used(fixed, [name])):
                ties.append(name)
        fitted = None if self.levels else self._call_of_fit()
        for name in self.where if fitted else ():
            if name not in scored and self.recorded.keys() >= {*inspection.parents(name)}:
                scored.append(name)
        return Pass(inspection, self.where, wanted, self._fitted_parts(), scored, ties, self._targets(), fitted, taken)

    def _call_of_fit(self) -> Call | None:
        """The call with what the fit had in place of each argument; None where the samples do not hold all of them."""
        call, leaves = self.fit.call, {}
        for i, leaf in enumerate(call.leaves):
            was = self.fit.leaf(i)
            if was is None and leaf is not None:
                return None
            leaves[i] = np.asarray(was) if is_array(leaf) else was
        return call.with_leaves(leaves)

    def _targets(self) -> dict[str, set[int]]:
        """What is predicted -> how long its dimensions are that have become longer together with a latent."""
        sizes = {size for size, _ in self._grown}
        found = {}
        for name in self.inspection.ends.difference(self.kept, self.extended):
            dims = zip(self.inspection.sizes.of[name], self.sites[name].shape or ())
            found[name] = {length for follows, length in dims if not sizes.isdisjoint(follows)}
        return found

    def _fitted_parts(self) -> dict[str, Positions]:
        """Recorded deterministic values that have become longer together with a latent -> their fitted part.

        Not among them are those that follow something else: the rows of a call are often others than those of the fit.
        """
        found: dict[str, Positions] = {}
        for name, was in self.recorded.items():
            site = self.sites.get(name)
            if site is None or site.kind != "deterministic" or site.shape in (None, was):
                continue
            dims = self._dims(name) if len(was) == len(site.shape) else []
            parts = [self._positions(dim, n) for i, (dim, n, now) in enumerate(dims) if self._goes_on(name, i, n, now)]
            if len(parts) == len(was):
                found[name] = parts
        return found

    def _goes_on(self, name: str, i: int, was: int, now: int) -> bool:
        """Whether a recorded value has become longer along a dimension as a latent has, or is as long as it was."""
        dims, follows = per_draw_dims(self.samples, name), self.inspection.sizes.of[name][i]
        if dims and dims[i] in self.levels:
            return True
        if not follows:
            return was == now or (was, now) in self._grown
        return any((size, was) in self._grown for size in follows)

    @functools.cached_property
    def _grown(self) -> set[tuple[Any, int]]:
        """What has become longer: a size and how long it was; where no size is known, how long it was and is."""
        grown: set[tuple[Any, int]] = set()
        sizes = self.inspection.sizes
        for name in self.extended:
            if name not in self.where:
                steps = sum(one in self.recorded for one in self.inspection.loop_of(name))
                grown.update((size, steps) for size in sizes.loops.get(name, ()))
                continue
            for follows, at, now in zip(sizes.of[name], self.where[name], self.sites[name].shape or ()):
                was = len(at)
                if was < now and np.array_equal(at, np.arange(was)):
                    grown.update((size, was) for size in follows)
                    if not follows:
                        grown.add((was, now))
        return grown


def _exact(name: str, value: np.ndarray, fitted: Any, where: Positions | None) -> Any:
    """What was drawn, with the fitted values bit for bit, whatever precision JAX works in."""
    refuse_not_finite(name, value, fitted)
    if where is not None:
        value = value.astype(fitted.dtype)
        value[every_draw(where)] = fitted
    return jnp.asarray(value) if isinstance(fitted, jax.Array) else value
