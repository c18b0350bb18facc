"""What a compiled function takes of the arguments of a call, and what it is compiled for.

A function is compiled for shapes and dtypes of what it takes, and for the *values* of all else. All else is what is not
an array; what the model needs in Python (``np.unique(group)``); and what the model computes in another way where it has
no values: in NumPy, with 64 bits, from arguments that JAX would cast (seconds since 1970, minus the first of them), or
in another branch. The model is traced with shapes and with values. What both runs compute from arguments alone has to
be the same computation of the same numbers, or has to give the same numbers.
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

_TOLERANCE = 1e-5  # of the largest number in a column, so much two computations may differ by rounding

Which = tuple[int, ...]  # arguments, by number
Traced = tuple[Any, Any]  # a jaxpr, and how its outputs are folded
Pair = tuple[Value, Value]


def may_be_taken(call: Call) -> Which:
    """Arrays and floats."""
    return tuple(i for i, leaf in enumerate(call.leaves) if is_array(leaf) or _is_float(leaf))


def as_arrays(call: Call, which: Collection[int]) -> Call:
    """The call with arrays in place of floats."""
    arrays = {}
    for i in which:
        leaf = call.leaves[i]
        if _is_float(leaf):
            arrays[i] = np.asarray(leaf)
    return call.with_leaves(arrays)


def taking(call: Call, which: Collection[int]) -> Call:
    """The call without the values of these arguments, and of these only."""
    unseen = as_arrays(call, which).withheld(which)
    return replace(unseen, mode="concrete")


@dataclass(frozen=True)
class Taken:
    """Which arguments a compiled function takes, of all calls that have the shapes of the first one."""

    first: Inspection
    which: Which
    asked: Which  # those of them whose values decide, at each call
    judged: Memory[Which] = field(default_factory=Memory)

    @classmethod
    def of(cls, inspection: Inspection) -> Taken:
        which = _takeable(inspection)
        asked = attempt(_asked, inspection, which)
        if asked is None:
            asked = which
        return cls(inspection.without_values(), which, asked)

    def by(self, call: Call) -> Which:
        """The arguments whose values the model does not need: it computes the same without them."""
        if not self.asked:
            return self.which
        values = tuple(value_key(call.leaves[i]) for i in self.asked)
        return self.judged.of(values, lambda: self._without_loss(call))

    def _without_loss(self, call: Call) -> Which:
        def is_same(which: Which) -> bool | None:
            return attempt(_is_same, self.first, call, which)

        certain = tuple(i for i in self.which if i not in self.asked)
        return _as_many(self.which, certain, is_same)

    def inspection(self, call: Call, which: Which) -> Inspection:
        """The inspection of such a call, without the values of what is taken."""
        first = self.first.call
        unseen = replace(call.withheld(which), masked=first.masked)
        if first.mode == "abstract" and first.traced == unseen.traced:
            return self.first.with_call(unseen)
        return Inspection.of(unseen)


def _asked(first: Inspection, which: Which) -> Which:
    """The arguments from which the model computes something in another way if it has no values of these."""
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
        if pairs is None:
            return which
        for one, other in pairs:
            if not (_is_uncast(first.call, one) and _are_near(one, other)):
                found.update(one.arguments or which)
    return tuple(sorted(found))


def _is_uncast(call: Call, value: Value) -> bool:
    """Whether NumPy and JAX have the same numbers in its arguments, so that both differ by rounding alone."""
    for i in value.arguments:
        leaf = call.leaves[i]
        if not is_array(leaf) or leaf.dtype.kind != "f":
            return False
        if leaf.dtype != abstract(leaf).dtype:
            return False
    return bool(value.arguments)


def _is_same(first: Inspection, call: Call, which: Which) -> bool:
    """Whether the model computes the same numbers without the values of these arguments."""
    pairs = _differing(first, call, which, _traced(first, call, which))
    return pairs is not None and all(itertools.starmap(_are_near, pairs))


def _differing(first: Inspection, call: Call, which: Which, traced: Traced) -> list[Pair] | None:
    """What a run with values computes from arguments alone in another way than the traced run.

    None: the runs differ in more than that.
    """
    without_values, tree = traced
    with_values, other_tree = _traced(first, call, ())
    if tree != other_tree:
        return None
    arrays = {i: jnp.asarray(call.leaves[i]) for i in which}
    return differing(computed(without_values, arrays), computed(with_values, {}))


def _traced(first: Inspection, call: Call, which: Which) -> Traced:
    """A run without these values, given latents: of all but factors, where predictions leave them out."""
    run, masked = first.run, first.call.masked
    draw, sites = {}, []
    for name, site in run.sites.items():
        if site.kind == "latent" and name not in run.given and site.shape is not None:
            draw[name] = jax.ShapeDtypeStruct(site.shape, site.dtype)
        if not (masked and is_factor(site)):
            sites.append(name)
    unseen = replace(taking(call, which), masked=masked)
    return traced_for(unseen, draw, sites)


def _are_near(value: Value, other_value: Value) -> bool:
    one = np.atleast_1d(value.array())
    other = np.atleast_1d(other_value.array())
    kind = one.dtype.kind
    if one.shape != other.shape or kind != other.dtype.kind:
        return False
    if kind not in "fc":
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
        if run is None:
            return False
        return run.sites == seen.sites and run.dist_shapes == seen.dist_shapes

    return _as_many(may_be_taken(call), call.traced, is_same)


def _as_many(which: Which, certain: Which, are_fine: Callable[[Which], bool | None]) -> Which:
    """As many of these arguments as are fine together; some of them are fine for certain."""
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
