"""What a compiled function takes of the arguments of a call, and what it is compiled for.

A function is compiled for shapes and dtypes of what it takes, and for the *values* of all else: what the model needs
in Python (``np.unique(group)``), what is no array, and 64-bit numbers that the model calculates with before JAX sees
them, where the cast would lose them (seconds since 1970, minus the first of them).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..model.argument import abstract, is_array
from ..model.call import Call
from ..model.inspection import Inspection
from ..model.trace import try_run

# Of the spread of a column, so much the cast may change: rounding to single precision is 6e-8 of a value itself.
_ROUNDING = 1e-6
_LARGE_FLOAT = 1e6  # a Python float has no spread: beyond this, a difference to another one would be lost
_LARGE_INTEGER = 2**15  # the product of two of these is an int32

Which = tuple[int, ...]  # arguments, by number


def may_be_taken(call: Call) -> Which:
    """Arrays and floats."""
    return tuple(i for i, leaf in enumerate(call.leaves) if is_array(leaf) or _is_float(leaf))


def as_arrays(call: Call, which: Collection[int]) -> Call:
    """The call with arrays in place of floats."""
    return call.with_leaves({i: np.asarray(call.leaves[i]) for i in which if _is_float(call.leaves[i])})


def taking(call: Call, which: Collection[int]) -> Call:
    """The call without the values of these arguments, and of these only."""
    return replace(as_arrays(call, which).withheld(which), mode="concrete")


@dataclass(frozen=True)
class Taken:
    """Which arguments a compiled function takes, of all calls that have the shapes of the first one."""

    first: Inspection
    which: Which
    calculated: dict[int, bool] = field(default_factory=dict)  # whether the model itself calculates with an argument

    @classmethod
    def of(cls, inspection: Inspection) -> Taken:
        return cls(inspection.without_values(), _takeable(inspection))

    def by(self, call: Call) -> Which:
        """Those of which the cast loses nothing that the model calculates with."""
        return tuple(i for i in self.which if _survives(call.leaves[i]) or not self._calculates_with(call, i))

    def _calculates_with(self, call: Call, one: int) -> bool:
        """Whether the model calculates with an argument in Python or NumPy: then JAX sees fewer steps."""
        if one not in self.calculated:
            runs = [try_run(taking(call, which)) for which in (self.which, {*self.which} - {one})]
            steps = {len(run.jaxpr.eqns) if run else None for run in runs}
            self.calculated[one] = len(steps) > 1 or None in steps
        return self.calculated[one]

    def inspection(self, call: Call, which: Which) -> Inspection:
        """Of such calls, without the values of what is taken."""
        unseen = replace(call.withheld(which), masked=self.first.call.masked)
        if self.first.call.mode == "abstract" and self.first.call.traced == unseen.traced:
            return self.first.with_call(unseen)
        return Inspection.of(unseen)


def _takeable(inspection: Inspection) -> Which:
    """Arrays and floats whose values the model does not need: without them its run is the same."""
    call = inspection.call

    def is_same(which: Collection[int]) -> bool:
        run = try_run(taking(call, which))
        return run is not None and (run.sites, run.dist_shapes) == (inspection.run.sites, inspection.run.dist_shapes)

    found = call.traced
    likely = may_be_taken(call)
    if found == likely or is_same(likely):
        return likely
    for i in likely:
        if i not in found and is_same((*found, i)):
            found = (*found, i)
    return tuple(sorted(found))


def _is_float(leaf: Any) -> bool:
    return isinstance(leaf, (float, np.floating))


def _survives(leaf: Any) -> bool:
    """Whether the cast to JAX's dtype changes no more than rounding, which the differences within a column tell."""
    if not (isinstance(leaf, np.ndarray) or _is_float(leaf)):
        return True
    x = np.asarray(leaf)
    dtype = abstract(x).dtype
    if x.size == 0 or x.dtype == dtype:
        return True
    if x.dtype.kind in "iu":
        return bool(np.abs(x).max() < _LARGE_INTEGER)
    with np.errstate(all="ignore"):
        finite = np.where(np.isfinite(x), x, 0.0)  # NaN and infinity stay what they are
        rows = finite.reshape(len(x) if x.ndim else 1, -1)
        error = np.abs(rows.astype(dtype) - rows)
        spread = np.abs(rows.max(0) - rows.min(0))
    if _is_float(leaf):
        return abs(leaf) < _LARGE_FLOAT or not error.any()
    return bool((error <= _ROUNDING * spread).all())
