"""Fitted values carried on: which latents go on, from which positions, and all draws of them in pieces."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

from .ancestral import Arrays, Leaves, Pass, Passed, Positions, every_draw
from .carry import is_in_order
from .containers import NOTHING, Drawn, per_draw_dims
from .errors import ExtensionError
from .kinds import Shape
from .levels import as_index, continued
from .memory import Memory
from .model.argument import has_values, is_array
from .model.call import Call, arguments_error
from .model.dists import unmasked
from .model.replay import Draw, attempt, replay
from .model.trace import is_factor
from .prepare import Case
from .review import Review
from .unchanged import Inputs, Seen, check

# Draws that are worked on at once: a Gaussian process of 500 inputs needs 1 MB a draw for each matrix.
_PIECE = 128
# What targets are drawn with is looked at for all of them: not for more values at once.
_MOST = 2**25
# A reference group, or all but the last of a sum: so many values fewer or more than a latent has.
_BESIDE = (-1, 1, -2, 2)


def carried_on(case: Case, review: Review, rng_key: Any) -> Drawn:
    """The entries that ``extend`` names, in the model's shape, and coordinates of what has become longer."""
    return Carrier.of(case, review)(rng_key, ())


def key_of_extend(rng_key: jax.Array) -> jax.Array:
    """The key that values are carried on with where ``rng_key`` is for the predictions."""
    return random.fold_in(rng_key, 23)


@dataclass(frozen=True, eq=False)
class Carrier:
    """What goes on, for all calls that differ only in the values of some arguments: compiled once."""

    plan: Pass | None  # None: nothing goes on
    values: Arrays  # draws of the entries
    seen: Seen
    batch_shape: Shape
    coords: Mapping[Hashable, Any]
    compiled: Memory[Callable[..., Passed]] = field(default_factory=Memory)  # the pass, by the kind of its keys

    @classmethod
    def of(cls, case: Case, review: Review, taken: Sequence[int] = ()) -> Carrier:
        """``taken`` are the arguments whose values come with each call."""
        coords = {dim: level.labels for dim, level in case.levels.items()}
        if not review.extended:
            return cls(None, {}, Seen({}, {}), (), coords)
        fitted = _Beginning(case, review)
        call = case.inspection.call
        call_of_fit = None if case.levels else fitted.call()
        plan = fitted.plan(taken, call_of_fit)
        for i, leaf in enumerate(call.leaves):
            if i not in taken and not has_values(leaf):
                raise arguments_error(call, "values are carried on outside of jit, with the arguments' own values")
        ndims = len(review.batch_shape)
        values = case.samples.values(fitted.kept, ndims)
        for name, at in plan.where.items():  # dimensions of length one in front are not the model's
            lengths = map(len, at)
            values[name] = values[name].reshape(-1, *lengths)
        computed = case.samples.values([*plan.computed], ndims)
        density = _density(plan, call_of_fit, _taken(values, 0)) if call_of_fit else {}
        seen = Seen(computed, density)
        coords = fitted.coords() | coords
        return cls(plan, values, seen, review.batch_shape, coords)

    def __call__(self, rng_key: Any, leaves: Leaves) -> Drawn:
        if self.plan is None:
            return NOTHING._replace(coords=self.coords)
        arrays = {}
        for name, value in self._drawn(self.plan, rng_key, leaves).items():
            fitted = self.values.get(name)
            exact = _exact(name, value, fitted, self.plan.where.get(name))
            shape = (*self.batch_shape, *value.shape[1:])
            arrays[name] = exact.reshape(shape)
        return Drawn(arrays, self.coords)

    def _drawn(self, plan: Pass, rng_key: Any, leaves: Leaves) -> dict[str, np.ndarray]:
        """All draws, in pieces of one length, so that one compilation serves them. The last overlaps the one before."""
        total = len(jax.tree_util.tree_leaves(self.values)[0])
        keys, others = _keys(rng_key, total)
        piece = min(_PIECE, total, max(1, _MOST // _largest(plan)))
        found: dict[str, np.ndarray] = {}
        for start in (*range(0, total - piece, piece), total - piece):
            part = slice(start, start + piece)
            of_part, others_of_part = keys[part], others[part]
            inputs = Inputs((of_part, of_part), _taken(self.values, part), leaves)
            compiled = functools.partial(plan.each, plan.run, *inputs)
            run = self.compiled.of(str(keys.dtype), compiled)  # a typed key and a raw one are different inputs
            ran = run(*inputs)
            if not found:
                check(plan, run, inputs, (of_part, others_of_part), ran, self.seen)
            for name, value in ran.values.items():
                if name not in found:
                    shape = (total, *value.shape[1:])
                    found[name] = np.empty(shape, value.dtype)
                found[name][part] = value
        return found


@functools.partial(jax.jit, static_argnums=1)
def _keys(rng_key: jax.Array, total: int) -> tuple[jax.Array, jax.Array]:
    """A key for each draw, and another one."""
    folded = functools.partial(random.fold_in, rng_key)
    other = functools.partial(random.fold_in, data=1)
    keys = jax.vmap(folded)(jnp.arange(total))
    return keys, jax.vmap(other)(keys)


def _taken(values: Arrays, part: Any) -> dict[str, Any]:
    """Some draws of entries, or one of them."""
    return {name: value[part] for name, value in values.items()}


def _largest(plan: Pass) -> int:
    """How many values the largest target has."""
    sites = plan.inspection.run.sites
    shapes = [sites[name].shape or () for name in plan.targets]
    return max([1, *map(math.prod, shapes)])


def _density(plan: Pass, call_of_fit: Call, draw: Draw) -> dict[str, float]:
    """How likely what is carried on was in the fit."""
    in_fit = attempt(replay, call_of_fit, draw)
    found: dict[str, float] = {}
    if in_fit is None:
        return found
    for name in plan.where.keys() & plan.scored:
        fn = unmasked(in_fit[name].fn)
        logs = fn.log_prob(draw[name])
        found[name] = float(np.sum(logs))
    return found


def _exact(name: str, value: np.ndarray, fitted: Any, where: Positions | None) -> Any:
    """What was drawn, with the fitted values bit for bit, whatever precision JAX works in."""
    was_nan = fitted is not None and np.isnan(fitted).any()
    of_draw = tuple(range(1, value.ndim))
    is_nan = np.isnan(value).any(of_draw)
    if is_nan.any() and not was_nan:
        raise ExtensionError(
            f"{name!r} carried on is not a number in {is_nan.sum()} of {len(value)} draws: a covariance is not "
            "positive definite in the precision of JAX. Add jitter to its diagonal, or set jax_enable_x64.",
            sites=(name,),
        )
    if where is not None:
        value = value.astype(fitted.dtype)
        value[every_draw(where)] = fitted
    return jnp.asarray(value) if isinstance(fitted, jax.Array) else value


class _Growing(NamedTuple):
    """A dimension of an entry, which may have grown."""

    label: Hashable  # None: it has none
    at: np.ndarray  # where its recorded values stand
    length: int  # with the arguments of this call
    follows: Collection[Any]  # sizes

    @property
    def is_longer(self) -> bool:
        return len(self.at) < self.length

    @property
    def is_first(self) -> bool:
        """Whether the fitted values come first, in their order."""
        return is_in_order(self.at)

    @property
    def growth(self) -> set[Any]:
        """What grows with it, and how long that was; where no size is known, how long it was and is."""
        was = len(self.at)
        of_sizes = {(size, was) for size in self.follows}
        return of_sizes or {(was, self.length)}


class _Beginning:
    """The fitted values, and which of them go on."""

    def __init__(self, case: Case, review: Review):
        self.case, self.inspection = case, case.inspection
        self.extended, self.recorded = review.extended, case.fit.recorded
        self.sites = self.inspection.run.sites
        given = self.sites.keys() - self.inspection.run.named("observed")
        self.kept = [name for name in review.kept if name in given]
        self.fixed = [name for name in self.kept if name not in self.extended]
        self.going: dict[str, list[_Growing]] = {}
        self.longer: list[_Growing] = []
        for name in self.extended:
            if name in self.recorded:
                self.going[name] = dims = [*self._dims(name)]
                self.longer += [dim for dim in dims if dim.is_longer]

    def _dims(self, name: str) -> Iterator[_Growing]:
        shape = self.sites[name].shape or ()
        recorded = self.recorded[name] or ()
        labels = per_draw_dims(self.case.samples, name) or (None,) * len(recorded)
        n = len(shape)  # dimensions of length one in front are not the model's
        dims = zip(labels[-n:], recorded[-n:], shape, self.inspection.sizes.of[name])
        for label, was, now, sizes in dims:
            level = self.case.levels.get(label)
            at = np.arange(was) if level is None else level.at
            yield _Growing(label, at, now, sizes)

    def call(self) -> Call | None:
        """The call with what the fit had in place of each argument; None where the samples do not hold all of them."""
        fit, leaves = self.case.fit, {}
        for i, leaf in enumerate(fit.call.leaves):
            was = fit.leaf(i)
            if was is None and leaf is not None:
                return None
            leaves[i] = np.asarray(was) if is_array(leaf) else was
        return fit.call.with_leaves(leaves)

    def coords(self) -> dict[Hashable, Any]:
        """Coordinates of the dimensions that have become longer."""
        found, labels = {}, self.case.samples.labels
        for name, dims in self.going.items():
            for dim in dims:
                is_labelled = dim.label in labels and dim.label not in self.case.levels
                if dim.is_longer and is_labelled:
                    index = as_index(labels[dim.label])
                    found[dim.label] = continued(name, dim.label, index, dim.length)
        return found

    def plan(self, taken: Sequence[int], call_of_fit: Call | None) -> Pass:
        """What a pass has to draw, to compare and to score."""
        is_fit_known = call_of_fit is not None
        wanted = dict.fromkeys([*self.extended, *self._unrecorded()])
        scored = [name for name in self.kept if self._is_scored(name, is_fit_known)]
        observed = self.inspection.run.named("observed")
        ties = [name for name in observed if self._ties(name)]
        return Pass(
            self.inspection,
            where={name: [dim.at for dim in dims] for name, dims in self.going.items()},
            parts=self._parts(),
            wanted=[*wanted],
            computed=self._computed(),
            scored=scored,
            ties=ties,
            targets=self._targets(),
            taken=taken,
        )

    def _unrecorded(self) -> list[str]:
        """Latents without an entry from which something that goes on is drawn."""
        used = self.inspection.used(self.fixed, self.extended)
        latents = self.inspection.run.named("latent")
        return [name for name in used if name in latents and name not in self.kept]

    def _is_scored(self, name: str, is_fit_known: bool) -> bool:
        """Whether the distribution of fitted values may depend on what is new, or be another than in the fit."""
        parents = {*self.inspection.parents(name)}
        if not parents.isdisjoint(self.extended):
            return True
        return is_fit_known and name in self.going and self.recorded.keys() >= parents

    def _ties(self, name: str) -> bool:
        """Whether a factor, or an observation of latents, depends on what goes on."""
        is_tie = is_factor(self.sites[name]) or self.inspection.parents(name)
        if not is_tie:
            return False
        used = self.inspection.used(self.fixed, [name])
        return not self.going.keys().isdisjoint(used)

    def _parts(self) -> dict[int, np.ndarray]:
        """How long dimensions are that have become longer, or nearly so -> what of them was fitted."""
        found: dict[int, np.ndarray] = {}
        for dim in self.longer:
            places = np.arange(dim.length)
            found.setdefault(dim.length, np.isin(places, dim.at))
        for dim in self.longer:
            for more in _BESIDE if dim.is_first else ():
                length, was = dim.length + more, len(dim.at) + more
                found.setdefault(length, np.arange(length) < was)
        return found

    @functools.cached_property
    def _grown(self) -> set[Any]:
        """What has become longer: a size and how long it was; where no size is known, how long it was and is."""
        grown = set[Any]()
        for dim in self.longer:
            grown |= dim.growth if dim.is_first else set()
        for name in self.extended:
            if name not in self.recorded:
                loop = self.inspection.loop_of(name)
                steps = sum(one in self.recorded for one in loop)
                of_loop = self.inspection.sizes.loops.get(name, ())
                grown |= {(size, steps) for size in of_loop}
        return grown

    def _targets(self) -> dict[str, set[int]]:
        """What is predicted -> how long its dimensions are that have become longer together with a latent."""
        grown = {size for size, _ in self._grown}
        found: dict[str, set[int]] = {}
        for name in self.inspection.ends.difference(self.kept, self.extended):
            lengths = found[name] = set()
            shape = self.sites[name].shape or ()
            for follows, length in zip(self.inspection.sizes.of[name], shape):
                if not grown.isdisjoint(follows):
                    lengths.add(length)
        return found

    def _computed(self) -> dict[str, Positions]:
        """Recorded deterministic values that have become longer together with a latent -> their fitted part.

        Those that follow something else are left out: a call often has other rows than the fit.
        """
        found: dict[str, Positions] = {}
        for name, was in self.recorded.items():
            site = self.sites.get(name)
            if site is None or site.kind != "deterministic" or site.shape in (None, was):
                continue
            dims = [*self._dims(name)]
            go_on = all(map(self._goes_on, dims))
            if go_on and len(dims) == len(was or ()) == site.rank:
                found[name] = [dim.at for dim in dims]
        return found

    def _goes_on(self, dim: _Growing) -> bool:
        """Whether a recorded value has become longer along a dimension as a latent has, or is as long as it was."""
        if dim.label in self.case.levels:
            return True
        if not dim.follows and len(dim.at) == dim.length:
            return True
        return not self._grown.isdisjoint(dim.growth)
