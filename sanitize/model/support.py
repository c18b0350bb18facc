"""The law that draws lie in the support of their site. Unconstrained draws of a scale do not: they are logarithms."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpyro.distributions import biject_to, constraints

from .replay import TOLERANCE, same


def outside(support: Any, draws: Any) -> Any:
    """A value that is not in the support, or None. It may raise: ask through `attempt`.

    NaN, boundaries and rounding are not outside. ``draws`` have the shape ``(draws, *per-draw shape)``.
    """
    support = _without_event_dims(support)
    if support is None or isinstance(support, type(constraints.real)):
        return None
    is_sharded = isinstance(draws, jax.Array) and len(draws.devices()) > 1
    if not is_sharded:  # a sharded array stays where it is
        draws = np.asarray(draws)
    if support(draws).all():
        return None
    draws = np.asarray(draws)
    outside_by_more = _changed_by_transforms if support.event_dim else _beyond_rounding
    bad = draws[np.isfinite(draws) & outside_by_more(support, draws)]
    return np.asarray(bad[0]) if bad.size else None


def _without_event_dims(support: Any) -> Any:
    """The support of one value: an ``independent`` only says how many dimensions are an event."""
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    return support


def _beyond_rounding(support: Any, draws: Any) -> Any:
    largest = np.max(np.abs(draws), initial=TOLERANCE, where=np.isfinite(draws))  # if all are zero: not zero
    margin = TOLERANCE * largest
    is_near = support(draws) | support(draws - margin) | support(draws + margin)
    return ~np.asarray(is_near)


def _changed_by_transforms(support: Any, draws: Any) -> Any:
    """Which values differ after they are mapped to the real line and back."""
    transform = biject_to(support)
    unconstrained = transform._inverse(draws)
    return ~same(transform(unconstrained), draws)
