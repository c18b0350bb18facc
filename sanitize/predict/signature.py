"""What a compiled function takes of the arguments of a call, and what it is compiled for.

A function is compiled for shapes and dtypes of what it takes, and for the *values* of all else: what is no array, what
the model needs in Python (``np.unique(group)``), and what it computes otherwise where it has no values: in NumPy, of 64
bits, from arguments that JAX would cast (seconds since 1970, minus the first of them), or in another branch. The model
is traced with shapes and with values. What it makes of arguments alone has to be the same computation of the same
numbers, or has to come to the same numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions.distribution import validation_enabled

from ..memory import Memory, value_key
from ..model.argument import abstract, is_array, is_key
from ..model.call import Call
from ..model.inspection import Inspection
from ..model.jaxpr import Value, computed, differing
from ..model.replay import attempt, same, traced_for
from ..model.trace import ONE_RUN_AT_A_TIME, is_factor, try_run

_UNTOLD = Value("unknown"), Value("unknown")
_TOLERANCE = 1e-5  # of the largest number in a column, so much two computations may differ by rounding

Which = tuple[int, ...]  # arguments, by number
Traced = tuple[Any, Any]  # a jaxpr, and how its outputs are folded
Pair = tuple[Value, Value]


def may_be_taken(call: Call) -> Which:
    """Arrays and floats."""
    leaves = enumerate(call.leaves)
    return tuple(i for i, leaf in leaves if is_array(leaf) or _is_float(leaf))


def as_arrays(call: Call, which: Collection[int]) -> Call:
    """The call with arrays in place of floats."""
    floats = [i for i in which if _is_float(call.leaves[i])]
    return call.with_leaves({i: np.asarray(call.leaves[i]) for i in floats})


def taking(call: Call, which: Collection[int]) -> Call:
    """The call without the values of these arguments, and of these only."""
    return replace(as_arrays(call, which).withheld(which), mode="concrete")


@dataclass(frozen=True)
class Taken:
    """Which arguments a compiled function takes, of all calls that have the shapes of the first one."""

    first: Inspection
    which: Which
    asked: Which  # of those the ones that are computed with: their values decide, at each call
    judged: Memory[Which] = field(default_factory=Memory)

    @classmethod
    def of(cls, inspection: Inspection) -> Taken:
        which = _takeable(inspection)
        asked = attempt(_asked, inspection, which)
        return cls(inspection.without_values(), which, which if asked is None else asked)

    def by(self, call: Call) -> Which:
        """Those without whose values the model computes the same."""
        if not self.asked:
            return self.which
        values = tuple(value_key(call.leaves[i]) for i in self.asked)
        return self.judged.of(values, lambda: self._without_loss(call))

    def _without_loss(self, call: Call) -> Which:
        certain = tuple(i for i in self.which if i not in self.asked)
        return _as_many(self.which, certain, lambda which: attempt(_is_same, self.first, call, which))

    def inspection(self, call: Call, which: Which) -> Inspection:
        """Of such calls, without the values of what is taken."""
        unseen = replace(call.withheld(which), masked=self.first.call.masked)
        if self.first.call.mode == "abstract" and self.first.call.traced == unseen.traced:
            return self.first.with_call(unseen)
        return Inspection.of(unseen)


def _asked(first: Inspection, which: Which) -> Which:
    """The arguments that the model computes something of otherwise if it has no values of these."""
    found: set[int] = set()
    traced = _traced(first, first.call, which)
    calls = [first.call]
    # two branches may have come to the same numbers, or a later call may go beyond a limit
    for sign in (1, -1):
        others = other_values(first.call, which, sign)
        calls.append(first.call.with_leaves(others))
    for call in calls:
        with ONE_RUN_AT_A_TIME, validation_enabled(False):  # a scale may be below zero then
            pairs = _differing(first, call, which, traced)
        for one, other in [_UNTOLD] if pairs is None else pairs:
            if not (_is_uncast(first.call, one) and _are_near(one, other)):
                found.update(one.arguments or which)
    return tuple(sorted(found))


def _is_uncast(call: Call, value: Value) -> bool:
    """Whether it is computed of numbers that NumPy has as JAX has them, so that both differ by rounding alone."""
    for i in value.arguments:
        leaf = call.leaves[i]
        if not is_array(leaf) or leaf.dtype.kind != "f" or leaf.dtype != abstract(leaf).dtype:
            return False
    return bool(value.arguments)


def _is_same(first: Inspection, call: Call, which: Which) -> bool:
    """Whether the model comes to the same numbers without the values of these arguments."""
    pairs = _differing(first, call, which, _traced(first, call, which))
    return pairs is not None and all(itertools.starmap(_are_near, pairs))


def _differing(first: Inspection, call: Call, which: Which, traced: Traced) -> list[Pair] | None:
    """What is computed of arguments alone otherwise than in a traced run; None: not of those alone."""
    jaxpr, tree = _traced(first, call, ())
    if tree != traced[1]:
        return None
    arrays = {i: jnp.asarray(call.leaves[i]) for i in which}
    return differing(computed(traced[0], arrays), computed(jaxpr, {}))


def _traced(first: Inspection, call: Call, which: Which) -> Traced:
    """A run without these values, given latents: of all but factors, where predictions leave them out."""
    run, masked, draw = first.run, first.call.masked, {}
    for name in run.named("latent"):
        site = run.sites[name]
        if name not in run.given and site.shape is not None:
            draw[name] = jax.ShapeDtypeStruct(site.shape, site.dtype)
    sites = [name for name, site in run.sites.items() if not masked or not is_factor(site)]
    return traced_for(replace(taking(call, which), masked=masked), draw, sites)


def _are_near(value: Value, other_value: Value) -> bool:
    one, other = np.atleast_1d(value.array()), np.atleast_1d(other_value.array())
    if one.shape != other.shape or one.dtype.kind != other.dtype.kind:
        return False
    if one.dtype.kind not in "fc":
        return np.array_equal(one, other)
    return bool(same(one, other, _TOLERANCE, 0).all())


def other_values(call: Call, which: Which, sign: int = 1) -> Mapping[int, Any]:
    """In the place of each argument another one, floats far beyond its values."""
    found = {}
    for i in which:
        leaf = call.leaves[i]
        if is_key(leaf) or not np.size(leaf):
            continue
        other: Any = 2 if np.ravel(leaf)[0] == 1 else 1
        if np.asarray(leaf).dtype.kind == "f":
            largest = np.nanmax(np.abs(leaf), initial=0.0)
            other = sign * 10 * (1 + largest)
        module: Any = jnp if isinstance(leaf, jax.Array) else np
        others = module.full_like(leaf, other)
        found[i] = type(leaf)(others) if _is_float(leaf) else others
    return found


def _takeable(inspection: Inspection) -> Which:
    """Arrays and floats whose values the model does not need: without them its run is the same."""
    call, seen = inspection.call, inspection.run

    def is_same(which: Which) -> bool:
        run = try_run(taking(call, which))
        return run is not None and run.sites == seen.sites and run.dist_shapes == seen.dist_shapes

    return _as_many(may_be_taken(call), call.traced, is_same)


def _as_many(which: Which, certain: Which, are_fine: Callable[[Which], bool | None]) -> Which:
    """All of these arguments that are fine together; some of them are for certain."""
    if which == certain or are_fine(which):
        return which
    found = certain
    for i in which:
        more = tuple(sorted({*found, i}))
        if more != found and are_fine(more):
            found = more
    return found


def _is_float(leaf: Any) -> bool:
    return isinstance(leaf, (float, np.floating))
