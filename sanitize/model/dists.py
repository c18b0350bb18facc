"""What is inside a distribution: NumPyro wraps one to mask, to expand and to reshape it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from numpyro.distributions import (
    CategoricalLogits,
    CategoricalProbs,
    Distribution,
    ExpandedDistribution,
    Independent,
    MaskedDistribution,
    TransformedDistribution,
    transforms,
)
from numpyro.distributions.constraints import Constraint
from numpyro.distributions.transforms import Transform

FORWARD = tuple(
    getattr(transforms, name)
    for name in ("OrderedTransform", "RecursiveLinearTransform")  # the second since NumPyro 0.16
    if hasattr(transforms, name)
)
_WRAPPERS = (Independent, ExpandedDistribution, MaskedDistribution)


def unmasked(fn: Any) -> Any:
    """The distribution without its masks, which do not change what is drawn."""
    while isinstance(fn, MaskedDistribution):
        fn = fn.base_dist
    return fn


def unwrapped(fn: Any) -> Any:
    """The distribution without what only masks, expands or reshapes it."""
    while isinstance(fn, _WRAPPERS):
        fn = fn.base_dist
    return fn


def name_of(fn: Any) -> str:
    """What it is called: the name of its class."""
    return type(unwrapped(fn)).__name__


def is_category(fn: Any) -> bool:
    """Whether its values are numbers of categories, ordered or not. Categories have probabilities, and no mean."""
    return isinstance(unwrapped(fn), (CategoricalProbs, CategoricalLogits))


def drawn_jointly(fn: Any) -> Any:
    """The part that draws values jointly, if there is one: inside wrappers, and inside transforms of single values."""
    fn = unwrapped(fn)
    while isinstance(fn, TransformedDistribution) and not any(t.domain.event_dim for t in fn.transforms):
        fn = unwrapped(fn.base_dist)
    return fn


def family_of(fn: Any) -> type:
    """The class of the distribution that draws them, or of a transform that is `FORWARD`."""
    part = drawn_jointly(fn)
    jointly = [t for t in getattr(part, "transforms", ()) if t.domain.event_dim]
    return type(jointly[0] if jointly and is_forward(part) else part)


def is_forward(fn: Any) -> bool:
    """Whether each value of a transformed distribution depends on those of its base up to its own alone."""
    return all(isinstance(t, FORWARD) or not t.domain.event_dim for t in fn.transforms)


def joint_dims(fn: Any) -> int:
    """How many of the last dimensions are drawn jointly. Those that ``to_event`` only counts as an event are not."""
    return int(drawn_jointly(fn).event_dim)


def mask_of(fn: Any) -> Any:
    """The array that masks it; True where there is none."""
    while fn is not None:
        mask = getattr(fn, "_mask", None)
        if isinstance(mask, (jax.Array, np.ndarray)):
            return mask
        fn = getattr(fn, "base_dist", None)
    return True


def parameters(part: Any, way: str = "") -> Iterator[tuple[str, Any]]:
    """Its parameters, by its own names for them: ``loc``, ``component_distribution.scale``."""
    if isinstance(part, (jax.Array, np.ndarray, float)):
        yield way, part
    elif isinstance(part, (list, tuple)):
        for i, inner in enumerate(part):
            yield from parameters(inner, f"{way}.{i}")
    elif isinstance(part, (Distribution, Transform)):
        for attribute, inner in vars(part).items():
            is_wrapped = attribute == "base_dist" and isinstance(part, _WRAPPERS)
            yield from parameters(inner, way if is_wrapped else f"{way}.{attribute.lstrip('_')}".lstrip("."))


def arrays(fn: Any) -> list[jax.Array]:
    """The parameters that JAX traces, without masks: nothing is drawn with a mask."""
    return [number for way, number in parameters(fn) if isinstance(number, jax.Array) and not _is_mask(way)]


def masks(fn: Any) -> list[jax.Array]:
    """The masks that JAX traces."""
    return [number for way, number in parameters(fn) if isinstance(number, jax.Array) and _is_mask(way)]


def _is_mask(way: str) -> bool:
    return way.rpartition(".")[2] == "mask"


def support_of(fn: Any) -> Any:
    """The values that it can take; None if it has no support."""
    return unwrapped(fn).support


def written_support(fn: Any) -> Any:
    """The values that it can take; None if their bounds are arrays, since an abstract run does not know these."""
    support = support_of(fn)
    return None if _has_arrays(support) else support


def _has_arrays(part: Any) -> bool:
    if isinstance(part, Constraint):
        return any(map(_has_arrays, vars(part).values()))
    if isinstance(part, (list, tuple)):
        return any(map(_has_arrays, part))
    return isinstance(part, jax.Array)


def has_sampler(fn: Any) -> bool:
    """Whether values can be drawn from it. From ``ImproperUniform`` they cannot."""
    while hasattr(fn, "base_dist"):
        fn = fn.base_dist
    if type(fn).sample is Distribution.sample:
        return False
    if type(fn).__module__.startswith("numpyro."):
        return True
    try:  # people write distributions that have a density only
        jax.eval_shape(fn.sample, jax.random.PRNGKey(0))
    except NotImplementedError:
        return False
    return True
