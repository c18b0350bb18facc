"""The parameters of a distribution by their own names, and which dimensions of what it draws they have."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import Distribution
from numpyro.distributions.transforms import Transform

from ..model.argument import Shape
from ..model.dists import is_category, unwrapped

CATEGORY, COMPONENT = "category", "component"  # dimensions that what is drawn has not
_PATHS = {
    "base_distribution": "base_dist",
    "mixing_distribution": "mixing",
    "component_distribution": "component",
    "component_distributions": "component",
}

Dims = tuple[int | str | None, ...]  # which dimensions of what is drawn; one of those; one of the parameter alone


class Part(NamedTuple):
    """What an output is that stands for a site."""

    site: str
    distribution: str
    is_mean: bool
    dims: Dims


Parts = dict[str, Part]


class Parameter(NamedTuple):
    name: str
    value: jax.Array
    dims: Dims


def parameters_of(fn: Any) -> Iterator[Parameter]:
    """What its constructor takes; what another distribution takes by a path: ``component.loc``, ``base_dist.loc``."""
    shape = tuple(fn.shape())
    return _ByName(shape).inside(fn, "", tuple(range(len(shape))))


class _ByName:
    """Through distributions within one that draws values of this shape."""

    def __init__(self, shape: Shape):
        self.shape = shape

    def inside(self, fn: Any, way: str, dims: Dims) -> Iterator[Parameter]:
        """The parameters of one that draws along the last of these dimensions."""
        fn = unwrapped(fn)
        dims = _last(dims, len(fn.shape()))
        batch, event = dims[: len(fn.batch_shape)], dims[len(fn.batch_shape) :]
        for name in _names(fn):
            part, path = _stored(fn, name), f"{way}{_PATHS.get(name, name)}"
            if _is_number(part) or (isinstance(part, int) and name in fn.arg_constraints):
                yield self.parameter(path, part, batch, _event_dims(fn, name, part, event, way))
            elif name == "mixing_distribution":
                yield from self.inside(part, f"{path}.", batch)
            elif name == "component_distribution":
                yield from self.inside(part, f"{path}.", (*batch, COMPONENT, *event))
            else:
                yield from self.part(part, path, dims)

    def part(self, part: Any, path: str, dims: Dims) -> Iterator[Parameter]:
        """Those of what is given to a constructor and is no number."""
        if isinstance(part, Distribution):
            yield from self.inside(part, f"{path}.", dims)
        elif isinstance(part, (list, tuple)):
            for i, inner in enumerate(part):
                yield from self.part(inner, f"{path}.{i}", dims)
        elif isinstance(part, Transform):
            dims = () if part.domain.event_dim else dims
            for name, inner in vars(part).items():
                if _is_number(inner):
                    yield self.parameter(f"{path}.{name}", inner, dims, ())
                elif isinstance(inner, Transform):
                    yield from self.part(inner, f"{path}.{name}", dims)

    def parameter(self, path: str, value: Any, batch: Dims, event: Dims) -> Parameter:
        """With the dimensions of length one gone that NumPyro puts in front where shapes differ."""
        value = jnp.asarray(value)
        dims = (*_last(batch, value.ndim - len(event)), *event)
        while value.ndim > len(event) and value.shape[0] == 1 and not self.has(dims[0], 1):
            value, dims = value[0], dims[1:]
        own = [dim if isinstance(dim, str) or self.has(dim, n) else None for dim, n in zip(dims, value.shape)]
        return Parameter(path, value, tuple(own))

    def has(self, dim: int | str | None, length: int) -> bool:
        return isinstance(dim, int) and self.shape[dim] == length


def _names(fn: Any) -> list[str]:
    """Of what its constructor takes, and of probabilities besides, where it takes logits or makes them of others."""
    taken = inspect.signature(type(fn).__init__).parameters
    one_of = [name for name in fn.arg_constraints if name in taken and taken[name].default is None]
    given = [name for name in one_of if name in vars(fn)] or one_of[:1]
    names = [name for name in (*taken, *fn.arg_constraints) if name not in one_of or name in given]
    return [*dict.fromkeys([*names, "probs"])]


def _stored(fn: Any, name: str) -> Any:
    """What a distribution has by the name of an argument of its constructor."""
    name = "base_dist" if name == "base_distribution" else name
    is_its_own = name == "probs" or name in fn.arg_constraints or isinstance(getattr(type(fn), name, None), property)
    return getattr(fn, name, None) if is_its_own else vars(fn).get(name)


def _is_number(part: Any) -> bool:
    return isinstance(part, (jax.Array, np.ndarray, np.generic, float))


def _event_dims(fn: Any, name: str, value: Any, event: Dims, way: str) -> Dims:
    """Of a parameter: those along which it is one value."""
    if name in ("probs", "logits") and is_category(fn):
        return (COMPONENT if way.endswith("mixing.") else CATEGORY,)
    constraint = fn.arg_constraints.get(name)
    try:  # a location has the shape of what is drawn, whatever NumPyro says (MatrixNormal)
        n = len(event) if constraint is None or name == "loc" else constraint.event_dim
    except NotImplementedError:  # where it depends on the parameters
        n = len(event)
    n = min(n, jnp.ndim(value))
    is_event = jnp.shape(value)[jnp.ndim(value) - n :] == fn.event_shape
    if n > 1 and name != "loc" and type(constraint) is not type(fn.support):  # a scale of rows, a Cholesky factor
        is_event = False
    return event if is_event else (None,) * n


def _last(dims: Dims, n: int) -> Dims:
    """So many of them; with more in front, where there are fewer."""
    dims = (*[None] * n, *dims)
    return dims[len(dims) - n :]
