"""What a container tells of the fit, beside the entries: its arguments, and which sites were observed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpyro.infer import MCMC

from .containers import data_group
from .sites import Call, is_number_list, parameters_of

Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]


@dataclass(frozen=True)
class FitEvidence:
    """What is known of the fit when entries are judged.

    ``same_rows`` may be a function: comparing data takes reading them, which only some entries need.
    """

    observed: frozenset[str] = frozenset()  # names of sites that were observed
    same_rows: bool | Callable[[], bool | None] | None = None  # whether the data passed are those of the fit


def fit_evidence(call: Call, samples: Any) -> FitEvidence:
    """What the samples tell of their fit, compared with the arguments of this call."""
    return FitEvidence(frozenset(data_group(samples, "observed_data")), lambda: _same_rows(call, samples))


def recorded_arguments(model: Callable[..., Any], samples: Any) -> Iterator[Arguments]:
    """The arguments of the fit, if the samples hold them: an ``MCMC``'s own, else arrays named like parameters.

    ArviZ before 1.0 stores a number as an array of one element. So there are two readings, likelier first.
    """
    if isinstance(samples, MCMC):
        yield samples._args, samples._kwargs
        return
    recorded = _recorded_data(samples)
    named = {
        p.name: np.asarray(recorded[p.name])
        for p in parameters_of(model) or ()
        if p.name in recorded and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }
    for most_dims in (1, 0) if named else ():
        yield (), {name: x.item() if x.size == 1 and x.ndim <= most_dims else x for name, x in named.items()}


def _recorded_data(samples: Any) -> dict[str, Any]:
    return {**data_group(samples, "constant_data"), **data_group(samples, "observed_data")}


def _same_rows(call: Call, samples: Any) -> bool | None:
    """Whether every array that was passed is that of the fit; None where one cannot be compared."""
    if isinstance(samples, MCMC):
        fit = Call.of(call.model, samples._args, samples._kwargs)
        recorded, observed = dict(zip(fit.names, fit.leaves)), []
    else:
        # data often come as an argument of another name than the site that they are observed at
        recorded, observed = _recorded_data(samples), list(data_group(samples, "observed_data").values())
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
