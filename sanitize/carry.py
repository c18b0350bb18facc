"""How one distribution goes on: recorded values stay where they are, the others are drawn given them.

Along batch dimensions, and along those that ``to_event`` only counts as one event, values are independent of each
other given the parameters. Along all others they are drawn jointly, and a rule for the distribution has to say how.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import Array, lax, random
from jax.scipy.linalg import solve_triangular

from .errors import OptionError
from .kinds import Shape
from .model.dists import FORWARD, is_forward, joint_dims, name_of

Places = np.ndarray  # the positions of recorded values along one dimension


@functools.singledispatch
def carry_on(fn: Any, rng_key: Array, recorded: Array, at: Places) -> Array:
    """Draw the values of a distribution that are not recorded, given those that are: one rule a distribution.

    Rules exist for ``MultivariateNormal``, ``LowRankMultivariateNormal``, ``GaussianRandomWalk``, ``EulerMaruyama``,
    ``GaussianStateSpace``, elementwise transforms of them, ``OrderedTransform`` and ``RecursiveLinearTransform``.
    Register one for a distribution of your own.

    Parameters
    ----------
    fn : numpyro.distributions.Distribution
        With the length that is asked for. Its batch dimensions broadcast to those of ``recorded``.
    rng_key : jax.Array
        The key to draw with.
    recorded : jax.Array
        Of shape ``(*batch, r, *rest)``, where a whole event of ``fn`` is ``(n, *rest)``.
    at : numpy.ndarray
        The ``r`` positions of the recorded values among the ``n``, in their order.

    Returns
    -------
    jax.Array
        Of shape ``(*batch, n, *rest)``, whole events.

    Raises
    ------
    OptionError
        If there is no rule for the distribution.

    Examples
    --------
    >>> import jax, jax.numpy as jnp, numpyro.distributions as dist
    >>> from sanitize import carry_on
    >>> class MarkovChain(dist.Distribution):  # of `num_steps` states that stay with probability `stay`
    ...     ...
    >>> @carry_on.register(MarkovChain)
    ... def _(fn, rng_key, recorded, at):
    ...     flips = jax.random.bernoulli(rng_key, 1 - fn.stay, (*recorded.shape[:-1], fn.num_steps - len(at)))
    ...     return jnp.concatenate([recorded, (recorded[..., -1:] + jnp.cumsum(flips, -1)) % 2], -1)
    """
    raise OptionError(
        f"its values are drawn jointly by a {type(fn).__name__}, and no rule says how that goes on. Register one by "
        f"sanitize.carry_on.register({type(fn).__name__}), or name the latent in redraw="
    )


def has_rule(family: type) -> bool:
    """Whether it is known how a distribution of this class goes on. A transform of single values is looked through."""
    none = carry_on.dispatch(object), carry_on.dispatch(dist.TransformedDistribution)
    return family in FORWARD or carry_on.dispatch(family) not in none


def complete(fn: Any, rng_key: Array, recorded: Array, where: Sequence[Places], sample_shape: Shape = ()) -> Array:
    """A whole value of a site: ``recorded`` at the positions ``where`` along each dimension, the rest given it."""
    alike = None if sample_shape else _alike_after(fn, recorded.shape, where)
    if alike is not None:
        dim, new = alike
        drawn = new.sample(rng_key)
        return jnp.concatenate([recorded, drawn], dim)
    fresh = fn.sample(rng_key, sample_shape)
    lead = fresh.ndim - joint_dims(fn)
    own, event = where[lead:], fresh.shape[lead:]
    # what is new along the leading dimensions has a past of its own, drawn from the prior
    past = fresh[(..., *np.ix_(*own))] if own else fresh
    whole_events = map(np.arange, recorded.shape[lead:])
    fitted = np.ix_(*where[:lead], *whole_events)
    past = past.at[fitted].set(recorded)
    grows = [len(at) < length for at, length in zip(own, event)]
    if any(grows[1:]):  # rules are for the first
        raise OptionError(
            f"it is drawn jointly by a {name_of(fn)}, and another dimension of its event than the first grows. Name "
            "the latent in redraw="
        )
    if not any(grows) and all(map(is_in_order, own)):
        return past
    rng_key = random.fold_in(rng_key, 1)
    return carry_on(fn, rng_key, past, own[0])


def _alike_after(fn: Any, recorded: Shape, where: Sequence[Places]) -> tuple[int, Any] | None:
    """The one dimension that grows after the recorded values, and the distribution of the new ones.

    None: this distribution may not be the same for all values along the dimension.
    """
    while isinstance(fn, (dist.Independent, dist.MaskedDistribution)):
        fn = fn.base_dist
    in_order = all(map(is_in_order, where))
    if not in_order or not isinstance(fn, dist.ExpandedDistribution):
        return None
    is_longer = np.less(recorded, fn.shape())
    grows = np.flatnonzero(is_longer)
    if len(grows) != 1 or grows[0] >= len(fn.batch_shape):
        return None
    dim = int(grows[0])
    shape = [*fn.batch_shape]
    inner = (1,) * len(shape) + fn.base_dist.batch_shape
    if inner[dim - len(shape)] != 1:
        return None
    shape[dim] -= recorded[dim]
    return dim, fn.base_dist.expand(shape)


def is_in_order(at: Places) -> bool:
    """Whether these are the first positions, one after the other."""
    return np.array_equal(at, np.arange(len(at)))


def _from_first(fn: Any, at: Places) -> None:
    if not is_in_order(at):
        raise OptionError(f"a {type(fn).__name__} goes on after its last recorded step only, in the order of the steps")


@carry_on.register(dist.Independent)
@carry_on.register(dist.ExpandedDistribution)
@carry_on.register(dist.MaskedDistribution)
def _(fn: Any, rng_key: Array, recorded: Array, at: Places) -> Array:
    return carry_on(fn.base_dist, rng_key, recorded, at)


@carry_on.register(dist.TransformedDistribution)
def _(fn: Any, rng_key: Array, recorded: Array, at: Places) -> Array:
    event_dims = [max(t.domain.event_dim, t.codomain.event_dim) for t in fn.transforms]
    jointly = any(event_dims)
    if jointly and not is_forward(fn):
        return carry_on.dispatch(object)(fn, rng_key, recorded, at)
    if jointly:
        _from_first(fn, at)
    # parameters of a transform may differ along the event: invert whole events, and take the recorded part of them
    axis = recorded.ndim - fn.event_dim
    padding = np.full(fn.event_shape[0], len(at) - 1)
    padding[at] = np.arange(len(at))
    value = jnp.take(recorded, padding, axis)
    for transform in reversed(fn.transforms):
        value = transform.inv(value)
    value = jnp.take(value, at, axis)
    if jointly:
        where = [*map(np.arange, value.shape)]
        where[axis] = at
        base = fn.base_dist
        lead = value.ndim - len(base.shape())
        value = complete(base, rng_key, value, where, value.shape[:lead])
    else:
        value = carry_on(fn.base_dist, rng_key, value, at)
    for transform in fn.transforms:
        value = transform(value)
    return value


@carry_on.register(dist.MultivariateNormal)
@carry_on.register(dist.LowRankMultivariateNormal)
def _(fn: Any, rng_key: Array, recorded: Array, at: Places) -> Array:
    """By the Cholesky factor with the recorded values first: its innovations are solved for, and go on."""
    batch = recorded.shape[:-1]
    r, n = len(at), fn.event_shape[0]
    others = np.setdiff1d(np.arange(n), at)
    order = np.r_[at, others]
    if isinstance(fn, dist.MultivariateNormal) and is_in_order(order):
        scale = fn.scale_tril
    else:
        covariance = fn.covariance_matrix[..., order, :][..., order]
        scale = jnp.linalg.cholesky(covariance)
    scale = jnp.broadcast_to(scale, (*batch, n, n))
    mean = jnp.broadcast_to(fn.mean, (*batch, n))
    mean = mean[..., order]
    off = recorded - mean[..., :r]
    known = scale[..., :r, :r]
    first = solve_triangular(known, off[..., None], lower=True)[..., 0]
    new = _noise(rng_key, first, n - r)
    noise = jnp.concatenate([first, new], -1)
    value = mean + jnp.einsum("...ij,...j->...i", scale, noise)
    return value[..., np.argsort(order)]


def _noise(rng_key: Array, past: Array, n: int) -> Array:
    """Standard normals, so many for each series of the past."""
    shape = (*past.shape[:-1], n)
    return random.normal(rng_key, shape, past.dtype)


@carry_on.register(dist.GaussianRandomWalk)
def _(fn: Any, rng_key: Array, recorded: Array, at: Places) -> Array:
    _from_first(fn, at)
    noise = _noise(rng_key, recorded, fn.event_shape[0] - len(at))
    steps = noise * jnp.expand_dims(fn.scale, -1)
    last = recorded[..., -1:]
    path = last + jnp.cumsum(steps, -1)
    return jnp.concatenate([recorded, path], -1)


if hasattr(dist, "EulerMaruyama"):  # since NumPyro 0.14

    @carry_on.register(dist.EulerMaruyama)
    def _path(fn: Any, rng_key: Array, recorded: Array, at: Places) -> Array:
        _from_first(fn, at)
        axis = recorded.ndim - fn.event_dim
        step = len(at) - 1
        last = jnp.take(recorded, step, axis)
        start = dist.Delta(last, event_dim=fn.event_dim - 1)
        times = jnp.asarray(fn.t)[..., step:]
        path = dist.EulerMaruyama(times, fn.sde_fn, start).sample(rng_key)
        new = lax.slice_in_dim(path, 1, None, axis=axis)
        return jnp.concatenate([recorded, new], axis)


if hasattr(dist, "GaussianStateSpace"):  # since NumPyro 0.16

    @carry_on.register(dist.GaussianStateSpace)
    def _states(fn: Any, rng_key: Array, recorded: Array, at: Places) -> Array:
        _from_first(fn, at)
        steps, states = fn.event_shape
        shape = (*recorded.shape[:-2], steps - len(at), states)
        noise = random.normal(rng_key, shape, recorded.dtype)
        noise = jnp.einsum("...ij,...tj->t...i", fn.scale_tril, noise)

        def step(state: Array, change: Array) -> tuple[Array, Array]:
            state = jnp.einsum("ij,...j->...i", fn.transition_matrix, state) + change
            return state, state

        _, path = lax.scan(step, recorded[..., -1, :], noise)
        path = jnp.moveaxis(path, 0, -2)
        return jnp.concatenate([recorded, path], -2)
