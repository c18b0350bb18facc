"""The mean of a distribution: closed forms that NumPyro does not have, else what it calls ``mean``."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import expit
from numpyro.distributions import transforms

from ..model.dists import unwrapped

# The mean of a linear function is that function of the mean. Some are younger than the oldest NumPyro.
_LINEAR = (
    "IdentityTransform",
    "AffineTransform",
    "LowerCholeskyAffine",
    "PermuteTransform",
    "ReshapeTransform",
    "RecursiveLinearTransform",
    "ZeroSumTransform",
    "HaarTransform",
    "DiscreteCosineTransform",
)
_NORMAL = (dist.Normal, dist.MultivariateNormal, dist.LowRankMultivariateNormal)
_FAR = 1e30  # in units of the scale: what decays like exp(-z) is 0 there, and z * 0 is no NaN


def mean_of(fn: Any) -> jax.Array:
    """The mean, of shape ``fn.shape()``: NaN or infinite where it does not exist, an error where nobody wrote it."""
    return jnp.broadcast_to(_mean(fn), fn.shape())


@functools.singledispatch
def _mean(fn: Any) -> Any:
    return fn.mean


@_mean.register(dist.Independent)
@_mean.register(dist.ExpandedDistribution)
@_mean.register(dist.MaskedDistribution)
def _(fn: Any) -> Any:
    return mean_of(fn.base_dist)


def _censored(fn: Any) -> Any:
    """What is drawn is not censored. The base's parameters have dimensions in front that its batch shape lacks."""
    added = len(fn.batch_shape) - len(fn.base_dist.batch_shape)

    def without_added(x: Any) -> Any:
        own = jnp.shape(x)[added:]
        return jnp.reshape(x, own)

    base = jax.tree_util.tree_map(without_added, fn.base_dist)
    return mean_of(base)


if hasattr(dist, "LeftCensoredDistribution"):  # younger than NumPyro 0.15
    _mean.register(dist.LeftCensoredDistribution, _censored)
    _mean.register(dist.RightCensoredDistribution, _censored)


@_mean.register(dist.SineSkewed)
def _(fn: Any) -> Any:
    raise NotImplementedError  # NumPyro gives the mean of the distribution before it is skewed


# ------------------------------------------------------------------------------------------------- transformed


@_mean.register(dist.TransformedDistribution)
def _(fn: Any) -> Any:
    if type(fn).mean is not dist.TransformedDistribution.mean:
        return fn.mean
    base = unwrapped(fn.base_dist)
    parts, variance = list(fn.transforms), None
    if parts and isinstance(parts[0], transforms.AbsTransform):
        mean = _folded(base)
        del parts[0]
    else:
        mean = mean_of(fn.base_dist)
        if isinstance(base, _NORMAL):
            variance = base.variance
    for part in parts:
        if isinstance(part, transforms.ExpTransform) and variance is not None:
            mean, variance = jnp.exp(mean + variance / 2), None
            continue
        mean = _linear(part)(mean)
        is_scaled = variance is not None and isinstance(part, transforms.AffineTransform)
        variance = variance * part.scale**2 if is_scaled else None
    return mean


def _linear(part: Any) -> Any:
    inner = part.base_transform if isinstance(part, transforms.IndependentTransform) else part
    if type(inner).__name__ not in _LINEAR:
        raise NotImplementedError
    return inner


# ------------------------------------------------------------------------ truncated and folded, by location and scale


@functools.singledispatch
def _integral(fn: Any, z: Any) -> Any:
    """An antiderivative of ``z * density(z)`` for location 0 and scale 1, the same for -z."""
    raise NotImplementedError


@_integral.register(dist.Normal)
def _(fn: Any, z: Any) -> Any:
    density = jnp.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return -density


@_integral.register(dist.Laplace)
def _(fn: Any, z: Any) -> Any:
    z = jnp.minimum(jnp.abs(z), _FAR)
    return -(1 + z) * jnp.exp(-z) / 2


@_integral.register(dist.Logistic)
def _(fn: Any, z: Any) -> Any:
    z = jnp.minimum(jnp.abs(z), _FAR)
    return -z * expit(-z) - jax.nn.softplus(-z)


@_integral.register(dist.Cauchy)
def _(fn: Any, z: Any) -> Any:
    return jnp.log1p(z * z) / (2 * math.pi)


@_integral.register(dist.StudentT)
def _(fn: Any, z: Any) -> Any:
    power = (1 - fn.df) / 2
    grown = _grown(power, jnp.log1p(z * z / fn.df))
    log_at_zero = dist.StudentT(fn.df).log_prob(0.0)
    return grown * fn.df / 2 * jnp.exp(log_at_zero)


def _grown(power: Any, log: Any) -> Any:
    """``(exp(power * log) - 1) / power``, also where the power is 0."""
    is_zero = power == 0
    divisor = jnp.where(is_zero, 1.0, power)
    grown = jnp.expm1(power * log) / divisor
    return jnp.where(is_zero, log, grown)


@_mean.register(dist.LeftTruncatedDistribution)
@_mean.register(dist.RightTruncatedDistribution)
@_mean.register(dist.TwoSidedTruncatedDistribution)
def _(fn: Any) -> Any:
    base = fn.base_dist
    low = getattr(fn, "low", -jnp.inf)
    high = getattr(fn, "high", jnp.inf)
    z_low = (low - base.loc) / base.scale
    z_high = (high - base.loc) / base.scale
    # the density is symmetric: shares are taken in the lower tail, where small ones are not rounded away beside 1
    sign = jnp.where(z_low > 0, -1.0, 1.0)
    below_high = _share_below(base, sign * z_high)
    below_low = _share_below(base, sign * z_low)
    share = sign * (below_high - below_low)
    moment = _integral(base, z_high) - _integral(base, z_low)
    mean = base.loc + base.scale * moment / share
    return jnp.clip(mean, low, high)  # where the interval is short, rounding may leave it


def _share_below(base: Any, z: Any) -> Any:
    near = jnp.clip(z, -_FAR, _FAR)
    share = base.cdf(base.loc + base.scale * near)
    at_infinity = jnp.heaviside(z, 0.0)
    return jnp.where(jnp.isinf(z), at_infinity, share)


def _folded(base: Any) -> Any:
    center = -base.loc / base.scale
    spread = _integral(base, jnp.inf) - _integral(base, center)
    more_above = 1 - 2 * base.cdf(0.0)
    return base.loc * more_above + 2 * base.scale * spread


if hasattr(dist, "LowerTruncatedPowerLaw"):  # younger than NumPyro 0.15

    @_mean.register(dist.LowerTruncatedPowerLaw)
    def _lower(fn: Any) -> Any:
        mean = fn.low * (1 + fn.alpha) / (2 + fn.alpha)
        return jnp.where(fn.alpha < -2, mean, jnp.inf)

    @_mean.register(dist.DoublyTruncatedPowerLaw)
    def _doubly(fn: Any) -> Any:
        def integral(power: Any) -> Any:
            """Of ``x**(power - 1)`` from low to high."""
            log = jnp.log(fn.high) - jnp.log(fn.low)
            return fn.high**power * _grown(-power, log)

        return integral(fn.alpha + 2) / integral(fn.alpha + 1)


# ---------------------------------------------------------------------------------------------------- mixtures


@_mean.register(dist.MixtureSameFamily)
def _(fn: Any) -> Any:
    return _mixed(fn, mean_of(fn.component_distribution))


@_mean.register(dist.MixtureGeneral)
def _(fn: Any) -> Any:
    shape, means = fn.shape(), []
    for component in fn.component_distributions:
        mean = jnp.broadcast_to(mean_of(component), shape)
        means.append(mean)
    return _mixed(fn, jnp.stack(means, fn.mixture_dim))


def _mixed(fn: Any, means: Any) -> Any:
    event = tuple(range(-fn.event_dim, 0))
    shares = jnp.expand_dims(fn.mixing_distribution.probs, event)
    return (shares * means).sum(fn.mixture_dim)
