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
from .model.dists import FORWARD, is_forward, joint_dims, name_of


@functools.singledispatch
def carry_on(fn: Any, rng_key: Array, recorded: Array, at: np.ndarray) -> Array:
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


def complete(
    fn: Any, rng_key: Array, recorded: Array, where: Sequence[np.ndarray], sample_shape: tuple[int, ...] = ()
) -> Array:
    """A whole value of a site: ``recorded`` at the positions ``where`` along each dimension, the rest given it."""
    alike = None if sample_shape else _alike_after(fn, recorded.shape, where)
    if alike is not None:
        dim, new = alike
        return jnp.concatenate([recorded, new.sample(rng_key)], dim)
    fresh = fn.sample(rng_key, sample_shape)
    lead = fresh.ndim - joint_dims(fn)
    own, event = where[lead:], fresh.shape[lead:]
    # what is new along the leading dimensions has a past of its own, drawn from the prior
    past = fresh[(..., *np.ix_(*own))] if own else fresh
    fitted = np.ix_(*where[:lead], *map(np.arange, recorded.shape[lead:]))
    past = past.at[fitted].set(recorded)
    grows = [len(at) < length for at, length in zip(own, event)]
    if any(grows[1:]):  # rules are for the first
        raise OptionError(
            f"it is drawn jointly by a {name_of(fn)}, of which not the first dimension of the event grows. Name the "
            "latent in redraw="
        )
    if not any(grows) and all(map(_is_in_order, own)):
        return past
    return carry_on(fn, random.fold_in(rng_key, 1), past, own[0])


def _alike_after(fn: Any, recorded: tuple[int, ...], where: Sequence[np.ndarray]) -> tuple[int, Any] | None:
    """The one dimension that grows after the recorded values, and the distribution of those that are new; None: it
    need not be the same for all along it."""
    while isinstance(fn, (dist.Independent, dist.MaskedDistribution)):
        fn = fn.base_dist
    if not isinstance(fn, dist.ExpandedDistribution) or not all(map(_is_in_order, where)):
        return None
    grows = np.flatnonzero(np.less(recorded, fn.shape()))
    if len(grows) != 1 or grows[0] >= len(fn.batch_shape):
        return None
    dim, shape = int(grows[0]), [*fn.batch_shape]
    inner = (1,) * len(shape) + fn.base_dist.batch_shape
    if inner[dim - len(shape)] != 1:
        return None
    shape[dim] -= recorded[dim]
    return dim, fn.base_dist.expand(shape)


def _is_in_order(at: np.ndarray) -> bool:
    """Whether these are the first positions, one after the other."""
    return np.array_equal(at, np.arange(len(at)))


def _from_first(fn: Any, at: np.ndarray) -> None:
    if not _is_in_order(at):
        raise OptionError(f"a {type(fn).__name__} goes on after its last recorded step only, in the order of the steps")


@carry_on.register(dist.Independent)
@carry_on.register(dist.ExpandedDistribution)
@carry_on.register(dist.MaskedDistribution)
def _(fn: Any, rng_key: Array, recorded: Array, at: np.ndarray) -> Array:
    return carry_on(fn.base_dist, rng_key, recorded, at)


@carry_on.register(dist.TransformedDistribution)
def _(fn: Any, rng_key: Array, recorded: Array, at: np.ndarray) -> Array:
    jointly = any(t.domain.event_dim or t.codomain.event_dim for t in fn.transforms)
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
        lead = value.ndim - len(fn.base_dist.shape())
        value = complete(fn.base_dist, rng_key, value, where, value.shape[:lead])
    else:
        value = carry_on(fn.base_dist, rng_key, value, at)
    for transform in fn.transforms:
        value = transform(value)
    return value


@carry_on.register(dist.MultivariateNormal)
@carry_on.register(dist.LowRankMultivariateNormal)
def _(fn: Any, rng_key: Array, recorded: Array, at: np.ndarray) -> Array:
    """By the Cholesky factor with the recorded values first: its innovations are solved for, and go on."""
    batch, r, n = recorded.shape[:-1], len(at), fn.event_shape[0]
    others = np.setdiff1d(np.arange(n), at)
    order = np.r_[at, others]
    if isinstance(fn, dist.MultivariateNormal) and _is_in_order(order):
        scale = fn.scale_tril
    else:
        scale = jnp.linalg.cholesky(fn.covariance_matrix[..., order, :][..., order])
    scale = jnp.broadcast_to(scale, (*batch, n, n))
    mean = jnp.broadcast_to(fn.mean, (*batch, n))[..., order]
    off = recorded - mean[..., :r]
    first = solve_triangular(scale[..., :r, :r], off[..., None], lower=True)[..., 0]
    noise = jnp.concatenate([first, _noise(rng_key, first, n - r)], -1)
    value = mean + jnp.einsum("...ij,...j->...i", scale, noise)
    return value[..., np.argsort(order)]


def _noise(rng_key: Array, past: Array, n: int) -> Array:
    """Standard normals, so many for each series of the past."""
    return random.normal(rng_key, (*past.shape[:-1], n), past.dtype)


@carry_on.register(dist.GaussianRandomWalk)
def _(fn: Any, rng_key: Array, recorded: Array, at: np.ndarray) -> Array:
    _from_first(fn, at)
    scale = jnp.expand_dims(fn.scale, -1)
    steps = scale * _noise(rng_key, recorded, fn.event_shape[0] - len(at))
    path = recorded[..., -1:] + jnp.cumsum(steps, -1)
    return jnp.concatenate([recorded, path], -1)


if hasattr(dist, "EulerMaruyama"):  # since NumPyro 0.14

    @carry_on.register(dist.EulerMaruyama)
    def _path(fn: Any, rng_key: Array, recorded: Array, at: np.ndarray) -> Array:
        _from_first(fn, at)
        axis, r = recorded.ndim - fn.event_dim, len(at)
        last = dist.Delta(jnp.take(recorded, r - 1, axis), event_dim=fn.event_dim - 1)
        times = jnp.asarray(fn.t)[..., r - 1 :]
        path = dist.EulerMaruyama(times, fn.sde_fn, last).sample(rng_key)
        return jnp.concatenate([recorded, lax.slice_in_dim(path, 1, None, axis=axis)], axis)


if hasattr(dist, "GaussianStateSpace"):  # since NumPyro 0.16

    @carry_on.register(dist.GaussianStateSpace)
    def _states(fn: Any, rng_key: Array, recorded: Array, at: np.ndarray) -> Array:
        _from_first(fn, at)
        steps, states = fn.event_shape
        noise = random.normal(rng_key, (*recorded.shape[:-2], steps - len(at), states), recorded.dtype)
        noise = jnp.einsum("...ij,...tj->t...i", fn.scale_tril, noise)

        def step(state: Array, change: Array) -> tuple[Array, Array]:
            state = jnp.einsum("ij,...j->...i", fn.transition_matrix, state) + change
            return state, state

        _, path = lax.scan(step, recorded[..., -1, :], noise)
        return jnp.concatenate([recorded, jnp.moveaxis(path, 0, -2)], -2)
