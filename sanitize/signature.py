"""What a compiled function takes of the arguments of a call, and what it is compiled for.

A function is compiled for shapes and dtypes of what it takes, and for the *values* of all else: what the model needs
in Python (``np.unique(group)``), what is no array, and 64-bit numbers that the model calculates with before JAX sees
them, where the cast would lose them (seconds since 1970, minus the first of them).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .model.argument import abstract, is_array
from .model.call import Call
from .model.inspection import Inspection
from .model.trace import try_run

# Of the spread of a column, so much the cast may change: rounding to single precision is 6e-8 of a value itself.
_ROUNDING = 1e-6
_LARGE_FLOAT = 1e6  # a Python float has no spread: beyond this, a difference to another one would be lost
_LARGE_INTEGER = 2**15  # the product of two of these is an int32


def may_be_taken(call: Call) -> list[int]:
    """Arrays and floats: a compiled function may take them, so that others of the same shapes do as well."""
    return [i for i, leaf in enumerate(call.leaves) if is_array(leaf) or is_float(leaf)]


def as_arrays(call: Call, which: Collection[int]) -> Call:
    """The call with arrays in place of floats."""
    return call.with_leaves({i: np.asarray(call.leaves[i]) for i in which if is_float(call.leaves[i])})


def is_float(leaf: Any) -> bool:
    return isinstance(leaf, (float, np.floating))


def takeable(inspection: Inspection) -> tuple[int, ...]:
    """Arrays and floats whose values the model does not need: with shapes in their place its run is the same."""
    call = inspection.call
    arrays = [i for i, leaf in enumerate(call.leaves) if is_array(leaf)]
    floats = [i for i, leaf in enumerate(call.leaves) if is_float(leaf)]

    def is_same(which: Sequence[int]) -> bool:
        run = try_run(taking(call, which))
        return run is not None and (run.sites, run.dist_shapes) == (inspection.run.sites, inspection.run.dist_shapes)

    found = arrays if call.mode == "abstract" else []
    rest = [i for i in (*arrays, *floats) if i not in found]
    if rest and is_same([*arrays, *floats]):
        return tuple(sorted([*arrays, *floats]))
    for i in rest:
        if is_same([*found, i]):
            found = [*found, i]
    return tuple(sorted(found))


def taking(call: Call, which: Collection[int]) -> Call:
    """The call with shapes in place of these arguments, and of these only: values of all others are seen."""
    shapes = {i: abstract(np.asarray(leaf) if is_float(leaf := call.leaves[i]) else leaf) for i in which}
    return replace(call.with_leaves(shapes), mode="concrete")


def lossy(call: Call, which: Collection[int]) -> Iterator[int]:
    """Those of the arguments whose values the cast to JAX's dtype changes by more than rounding."""
    for i in which:
        leaf = call.leaves[i]
        if is_float(leaf):
            if abs(leaf) >= _LARGE_FLOAT and leaf != np.asarray(leaf).astype(abstract(np.asarray(leaf)).dtype):
                yield i
        elif isinstance(leaf, np.ndarray) and not _survives(leaf, abstract(leaf).dtype):
            yield i


def calculates_with(call: Call, which: Sequence[int], one: int) -> bool:
    """Whether the model itself calculates with an argument, in Python or NumPy: then JAX sees fewer steps."""
    runs = [try_run(taking(call, chosen)) for chosen in (which, [i for i in which if i != one])]
    steps = {len(run.jaxpr.eqns) if run else None for run in runs}
    return len(steps) > 1 or None in steps


def _survives(x: np.ndarray, dtype: Any) -> bool:
    """Whether a cast changes no more than rounding, which the differences within a column tell."""
    if x.size == 0 or x.dtype == dtype:
        return True
    if x.dtype.kind in "iu":
        return bool(np.abs(x).max() < _LARGE_INTEGER)
    with np.errstate(all="ignore"):
        finite = np.where(np.isfinite(x), x, 0.0)  # NaN and infinity stay what they are
        rows = finite.reshape(len(x), -1) if x.ndim else finite.reshape(1, 1)
        error = np.abs(rows.astype(dtype) - rows)
        spread = np.abs(rows.max(0) - rows.min(0))
    return bool((error <= _ROUNDING * spread).all())
