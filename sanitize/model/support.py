"""The law that draws lie in the support of their site. Unconstrained draws do not: those of a scale are logarithms."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpyro.distributions import biject_to, constraints

from .replay import TOLERANCE, same


def outside(support: Any, draws: Any) -> Any:
    """A value that is not in the support; None: there is none. Ask through `attempt`.

    NaN, boundaries and rounding are not outside. ``draws`` have the shape ``(draws, *per-draw shape)``.
    """
    support = _of_one_value(support)
    if support is None or isinstance(support, type(constraints.real)):
        return None
    if not isinstance(draws, jax.Array) or len(draws.devices()) == 1:  # a sharded array stays where it is
        draws = np.asarray(draws)
    if support(draws).all():
        return None
    draws = np.asarray(draws)
    finite = np.isfinite(draws)
    bad = finite & (_beyond_rounding(support, draws) if support.event_dim == 0 else _does_not_come_back(support, draws))
    return np.asarray(draws[bad].ravel()[0]) if bad.any() else None


def _of_one_value(support: Any) -> Any:
    """Without what only counts dimensions as an event."""
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    return support


def _beyond_rounding(support: Any, draws: Any) -> Any:
    margin = TOLERANCE * np.max(np.abs(draws), initial=TOLERANCE, where=np.isfinite(draws))  # zeros are a boundary
    is_near = support(draws) | support(draws - margin) | support(draws + margin)
    return ~np.asarray(is_near)


def _does_not_come_back(support: Any, draws: Any) -> Any:
    """Values of events that differ after the way to the real line and back."""
    way = biject_to(support)
    return ~same(way(way._inverse(draws)), draws)
