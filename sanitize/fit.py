"""What is known of the fit, beside its draws: its arguments, compared with those of a call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from .containers import Container
from .model.call import Arguments, Call, is_number_list


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


def same_rows(call: Call, samples: Container) -> bool | None:
    """Whether every array that was passed is that of the fit; None where one cannot be compared."""
    if samples.arguments is not None:
        fit = call.with_arguments(*samples.arguments)
        recorded, observed = dict(zip(fit.names, fit.leaves)), []
        if not (fit.leaves or call.leaves):  # it had none either
            return True
    else:
        # data often come as an argument of another name than the site that they are observed at
        recorded = {**samples.constant_data, **samples.observed_data}
        observed = list(samples.observed_data.values())
    answers = []
    for name, value in zip(call.names, call.leaves):
        if getattr(value, "shape", ()) or is_number_list(value):
            if recorded.get(name) is not None:
                answers.append(_equal(value, recorded[name]))
            else:
                answers.append(any(_equal(value, other) for other in observed) or None)
    if False in answers:
        return False
    return True if answers and None not in answers else None


def _equal(a: Any, b: Any) -> bool | None:
    """Whether an array is that of the fit as JAX sees them, NaN equal to NaN; None where that cannot be told.

    One that goes on after the rows of the fit, as covariates for a forecast do, begins with the same rows.
    """
    if a is b:
        return True
    more = len(np.shape(a)) > 0 and np.shape(a)[0] > (np.shape(b) or (0,))[0] > 0
    if more and isinstance(a, (np.ndarray, jax.Array)):
        a = a[: np.shape(b)[0]]
    if np.shape(a) != np.shape(b):
        return False
    if isinstance(a, jax.ShapeDtypeStruct) or isinstance(b, jax.ShapeDtypeStruct):
        return None
    try:
        a, b = np.asarray(a), np.asarray(b)
        if a.dtype.kind == b.dtype.kind == "f":  # one of them may have been through JAX, in single precision
            dtype = min(a.dtype, b.dtype, key=lambda dtype: dtype.itemsize)
            a, b = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
        return bool(((a == b) | ((a != a) & (b != b))).all())
    except (TypeError, ValueError):  # objects that do not compare
        return None
