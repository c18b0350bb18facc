"""The parameters of a distribution by their own names, and which dimensions of what it draws they have."""

from __future__ import annotations

import contextlib
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
_ATTRIBUTES = {"base_distribution": "base_dist"}  # what a constructor takes by another name
_PATHS = {
    **_ATTRIBUTES,
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
        n = len(fn.batch_shape)
        batch, event = dims[:n], dims[n:]
        for name in _names(fn):
            part = getattr(fn, _ATTRIBUTES.get(name, name), None)
            path = way + _PATHS.get(name, name)
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
                else:
                    yield from self.part(inner, f"{path}.{name}", dims)

    def parameter(self, path: str, value: Any, batch: Dims, event: Dims) -> Parameter:
        """With the dimensions of length one gone that NumPyro puts in front where shapes differ."""
        value = jnp.asarray(value)
        dims = _last(batch, value.ndim - len(event)) + event
        while value.ndim > len(event) and value.shape[0] == 1 and not self.has(dims[0], 1):
            value, dims = value[0], dims[1:]
        own: Dims = ()
        for dim, length in zip(dims, value.shape):
            is_own = isinstance(dim, str) or self.has(dim, length)
            own += (dim if is_own else None,)
        return Parameter(path, value, own)

    def has(self, dim: int | str | None, length: int) -> bool:
        return isinstance(dim, int) and self.shape[dim] == length


def _names(fn: Any) -> list[str]:
    """Of what its constructor takes, and of probabilities besides, where it takes logits or makes them of others."""
    taken = inspect.signature(type(fn).__init__).parameters
    one_of = [name for name in fn.arg_constraints if name in taken and taken[name].default is None]
    given = [name for name in one_of if name in vars(fn)] or one_of[:1]
    names = dict.fromkeys([*taken, *fn.arg_constraints, "probs"])
    return [name for name in names if name not in one_of or name in given]


def _is_number(part: Any) -> bool:
    return isinstance(part, (jax.Array, np.ndarray, np.generic, float))


def _event_dims(fn: Any, name: str, value: Any, event: Dims, way: str) -> Dims:
    """Of a parameter: those along which it is one value."""
    if name in ("probs", "logits") and is_category(fn):
        return (COMPONENT if way.endswith("mixing.") else CATEGORY,)
    constraint = fn.arg_constraints.get(name)
    n = len(event)
    if constraint is not None and name != "loc":  # it has the shape of what is drawn, whatever NumPyro says
        with contextlib.suppress(NotImplementedError):  # where it depends on the parameters
            n = constraint.event_dim
    shape = jnp.shape(value)
    n = min(n, len(shape))
    # a scale of rows, a Cholesky factor
    is_another = n > 1 and name != "loc" and type(constraint) is not type(fn.support)
    if is_another or shape[len(shape) - n :] != fn.event_shape:
        return (None,) * n
    return event


def _last(dims: Dims, n: int) -> Dims:
    """So many of them; with more in front, where there are fewer."""
    return ((None,) * n + dims)[len(dims) :]
