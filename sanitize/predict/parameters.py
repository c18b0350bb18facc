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

from ..kinds import Shape
from ..model.dists import is_category, unwrapped

CATEGORY, COMPONENT = "category", "component"  # dimensions of parameters that a value of the site lacks
_ATTRIBUTES = {"base_distribution": "base_dist"}  # parameter of a constructor -> the attribute that holds it
_PATHS = {
    **_ATTRIBUTES,
    "mixing_distribution": "mixing",
    "component_distribution": "component",
    "component_distributions": "component",
}

Dims = tuple[int | str | None, ...]  # a dimension of the value drawn; category or component; the parameter's own


class Part(NamedTuple):
    """What an output is that comes in place of a site."""

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
    """What its constructor takes. What a distribution in it takes has a path: ``component.loc``, ``base_dist.loc``."""
    shape = tuple(fn.shape())
    dims = tuple(range(len(shape)))
    return _ByName(shape).inside(fn, "", dims)


class _ByName:
    """The parameters of a distribution that draws values of this shape, and of those inside it."""

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
            is_count = isinstance(part, int) and name in fn.arg_constraints
            if _is_number(part) or is_count:
                own = _event_dims(fn, name, part, event, way)
                yield self.parameter(path, part, batch, own)
            elif name == "mixing_distribution":
                yield from self.inside(part, f"{path}.", batch)
            elif name == "component_distribution":
                of_components = *batch, COMPONENT, *event
                yield from self.inside(part, f"{path}.", of_components)
            else:
                yield from self.part(part, path, dims)

    def part(self, part: Any, path: str, dims: Dims) -> Iterator[Parameter]:
        """The parameters in what is passed to a constructor and is not a number."""
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
        """A parameter, without the dimensions of length one that NumPyro puts in front where shapes differ."""
        value = jnp.asarray(value)
        n = value.ndim - len(event)
        dims = _last(batch, n) + event
        for _ in range(n):
            if value.shape[0] != 1 or self.has(dims[0], 1):
                break
            value, dims = value[0], dims[1:]
        own: Dims = ()
        for dim, length in zip(dims, value.shape):
            is_own = isinstance(dim, str) or self.has(dim, length)
            own += (dim if is_own else None,)
        return Parameter(path, value, own)

    def has(self, dim: int | str | None, length: int) -> bool:
        return isinstance(dim, int) and self.shape[dim] == length


def _names(fn: Any) -> list[str]:
    """Names of what its constructor takes, and ``probs`` where it has probabilities but takes something else."""
    taken = inspect.signature(type(fn).__init__).parameters
    one_of = []  # optional parameters, which say one thing in two ways
    for name in fn.arg_constraints:
        if name in taken and taken[name].default is None:
            one_of.append(name)
    given = [name for name in one_of if name in vars(fn)] or one_of[:1]
    names = dict.fromkeys([*taken, *fn.arg_constraints, "probs"])
    return [name for name in names if name not in one_of or name in given]


def _is_number(part: Any) -> bool:
    return isinstance(part, (jax.Array, np.ndarray, np.generic, float))


def _event_dims(fn: Any, name: str, value: Any, event: Dims, way: str) -> Dims:
    """The last dimensions of a parameter, along which it belongs to one draw."""
    if name in ("probs", "logits") and is_category(fn):
        return (COMPONENT if way.endswith("mixing.") else CATEGORY,)
    constraint = fn.arg_constraints.get(name)
    n = len(event)
    is_loc = name == "loc"  # it has the shape of what is drawn, whatever NumPyro says
    if constraint is not None and not is_loc:
        with contextlib.suppress(NotImplementedError):  # raised where it depends on the parameters
            n = constraint.event_dim
    shape = jnp.shape(value)
    n = min(n, len(shape))
    is_same_kind = is_loc or type(constraint) is type(fn.support)  # not a scale of rows, a Cholesky factor
    last = shape[len(shape) - n :]
    if last != fn.event_shape or (n > 1 and not is_same_kind):
        return (None,) * n
    return event


def _last(dims: Dims, n: int) -> Dims:
    """The last ``n`` of these dimensions; where they are fewer, with None in front."""
    return ((None,) * n + dims)[len(dims) :]
