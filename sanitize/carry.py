"""How one distribution goes on: recorded values stay where they are, the others are drawn given them.

Along batch dimensions, and along those that ``to_event`` only counts as one event, values are independent of each
other given the parameters. Along all others they are drawn jointly, and a rule for the distribution has to say how.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import lax, random
from jax.scipy.linalg import solve_triangular

from .errors import OptionError
from .model.dists import FORWARD, is_forward, joint_dims, name_of


@functools.singledispatch
def carry_on(fn: Any, rng_key: jax.Array, recorded: jax.Array, at: np.ndarray) -> jax.Array:
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
    fn: Any, rng_key: jax.Array, recorded: jax.Array, where: Sequence[np.ndarray], sample_shape: tuple[int, ...] = ()
) -> jax.Array:
    """A whole value of a site: ``recorded`` at the positions ``where`` along each dimension, the rest given it."""
    alike = None if sample_shape else _alike_after(fn, recorded.shape, where)
    if alike is not None:
        dim, new = alike
        return jnp.concatenate([recorded, new.sample(rng_key)], dim)
    fresh = fn.sample(rng_key, sample_shape)
    lead = fresh.ndim - joint_dims(fn)
    own = where[lead:]
    # what is new along the leading dimensions has a past of its own, drawn from the prior
    past = fresh[(..., *np.ix_(*own))] if own else fresh
    past = past.at[np.ix_(*where[:lead], *map(np.arange, recorded.shape[lead:]))].set(recorded)
    grows = [i for i, at in enumerate(own) if len(at) < fresh.shape[lead + i]]
    if any(grows):  # the first of them is the one that rules are for
        raise OptionError(
            f"it is drawn jointly by a {name_of(fn)}, of which not the first dimension of the event grows. Name the "
            f"latent in redraw="
        )
    if not grows and all((at == np.arange(len(at))).all() for at in own):
        return past
    return carry_on(fn, random.fold_in(rng_key, 1), past, own[0])


def _alike_after(fn: Any, recorded: tuple[int, ...], where: Sequence[np.ndarray]) -> tuple[int, Any] | None:
    """The one dimension that grows after the recorded values, and the distribution of those that are new; None: it
    need not be the same for all along it."""
    while isinstance(fn, (dist.Independent, dist.MaskedDistribution)):
        fn = fn.base_dist
    in_order = all(np.array_equal(at, np.arange(len(at))) for at in where)
    grows = [dim for dim, (was, now) in enumerate(zip(recorded, fn.shape())) if was < now]
    if not isinstance(fn, dist.ExpandedDistribution) or not in_order or len(grows) != 1:
        return None
    shape, dim = list(fn.batch_shape), grows[0]
    inner = (1,) * len(shape) + fn.base_dist.batch_shape
    if dim >= len(shape) or inner[dim - len(shape)] != 1:
        return None
    shape[dim] -= recorded[dim]
    return dim, fn.base_dist.expand(shape)


def _from_first(fn: Any, at: np.ndarray) -> None:
    if not np.array_equal(at, np.arange(len(at))):
        raise OptionError(f"a {type(fn).__name__} goes on after its last recorded step only, in the order of the steps")


@carry_on.register(dist.Independent)
@carry_on.register(dist.ExpandedDistribution)
@carry_on.register(dist.MaskedDistribution)
def _(fn: Any, rng_key: jax.Array, recorded: jax.Array, at: np.ndarray) -> jax.Array:
    return carry_on(fn.base_dist, rng_key, recorded, at)


@carry_on.register(dist.TransformedDistribution)
def _(fn: Any, rng_key: jax.Array, recorded: jax.Array, at: np.ndarray) -> jax.Array:
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
        shape = fn.base_dist.shape()
        where = [at if dim == axis else np.arange(n) for dim, n in enumerate(value.shape)]
        value = complete(fn.base_dist, rng_key, value, where, value.shape[: value.ndim - len(shape)])
    else:
        value = carry_on(fn.base_dist, rng_key, value, at)
    for transform in fn.transforms:
        value = transform(value)
    return value


@carry_on.register(dist.MultivariateNormal)
@carry_on.register(dist.LowRankMultivariateNormal)
def _(fn: Any, rng_key: jax.Array, recorded: jax.Array, at: np.ndarray) -> jax.Array:
    """By the Cholesky factor with the recorded values first: its innovations are solved for, and go on."""
    batch, (r, n) = recorded.shape[:-1], (len(at), fn.event_shape[0])
    order = np.r_[at, np.setdiff1d(np.arange(n), at)]
    if isinstance(fn, dist.MultivariateNormal) and np.array_equal(order, np.arange(n)):
        scale = fn.scale_tril
    else:
        scale = jnp.linalg.cholesky(fn.covariance_matrix[..., order, :][..., order])
    scale = jnp.broadcast_to(scale, (*batch, n, n))
    mean = jnp.broadcast_to(fn.mean, (*batch, n))[..., order]
    first = solve_triangular(scale[..., :r, :r], (recorded - mean[..., :r])[..., None], lower=True)[..., 0]
    noise = jnp.concatenate([first, random.normal(rng_key, (*batch, n - r), first.dtype)], -1)
    return (mean + jnp.einsum("...ij,...j->...i", scale, noise))[..., np.argsort(order)]


@carry_on.register(dist.GaussianRandomWalk)
def _(fn: Any, rng_key: jax.Array, recorded: jax.Array, at: np.ndarray) -> jax.Array:
    _from_first(fn, at)
    steps = random.normal(rng_key, (*recorded.shape[:-1], fn.event_shape[0] - len(at)), recorded.dtype)
    steps = jnp.expand_dims(fn.scale, -1) * steps
    return jnp.concatenate([recorded, recorded[..., -1:] + jnp.cumsum(steps, -1)], -1)


if hasattr(dist, "EulerMaruyama"):  # since NumPyro 0.14

    @carry_on.register(dist.EulerMaruyama)
    def _path(fn: Any, rng_key: jax.Array, recorded: jax.Array, at: np.ndarray) -> jax.Array:
        _from_first(fn, at)
        axis, r = recorded.ndim - fn.event_dim, len(at)
        last = dist.Delta(jnp.take(recorded, r - 1, axis), event_dim=fn.event_dim - 1)
        path = dist.EulerMaruyama(jnp.asarray(fn.t)[..., r - 1 :], fn.sde_fn, last).sample(rng_key)
        return jnp.concatenate([recorded, lax.slice_in_dim(path, 1, None, axis=axis)], axis)


if hasattr(dist, "GaussianStateSpace"):  # since NumPyro 0.16

    @carry_on.register(dist.GaussianStateSpace)
    def _states(fn: Any, rng_key: jax.Array, recorded: jax.Array, at: np.ndarray) -> jax.Array:
        _from_first(fn, at)
        steps, states = fn.event_shape
        noise = random.normal(rng_key, (*recorded.shape[:-2], steps - len(at), states), recorded.dtype)
        noise = jnp.einsum("...ij,...tj->t...i", fn.scale_tril, noise)

        def step(state: jax.Array, change: jax.Array) -> tuple[jax.Array, jax.Array]:
            state = jnp.einsum("ij,...j->...i", fn.transition_matrix, state) + change
            return state, state

        _, path = lax.scan(step, recorded[..., -1, :], noise)
        return jnp.concatenate([recorded, jnp.moveaxis(path, 0, -2)], -2)
