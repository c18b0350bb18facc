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

# The mean of a linear function is that function of the mean. Some are younger than the oldest NumPyro.
_LINEAR_NAMES = (
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
_LINEAR = tuple(getattr(transforms, name) for name in _LINEAR_NAMES if hasattr(transforms, name))
_NORMAL = (dist.Normal, dist.MultivariateNormal, dist.LowRankMultivariateNormal)
_FAR = 1e30  # in units of the scale: what decays like exp(-z) is 0 there, and z * 0 is no NaN


def mean_of(fn: Any) -> jax.Array:
    """The mean, of shape ``fn.shape()``: NaN or infinite where there is none, an error where nobody wrote it."""
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
    """What is drawn is not censored. Its parameters have got dimensions in front that its batch shape has not."""
    added = len(fn.batch_shape) - len(fn.base_dist.batch_shape)
    return mean_of(jax.tree_util.tree_map(lambda x: jnp.reshape(x, jnp.shape(x)[added:]), fn.base_dist))


if hasattr(dist, "LeftCensoredDistribution"):  # younger than NumPyro 0.15
    _mean.register(dist.LeftCensoredDistribution, _censored)
    _mean.register(dist.RightCensoredDistribution, _censored)


@_mean.register(dist.SineSkewed)
def _(fn: Any) -> Any:
    raise NotImplementedError  # NumPyro gives that of the distribution before it is skewed


# ------------------------------------------------------------------------------------------------- transformed


@_mean.register(dist.TransformedDistribution)
def _(fn: Any) -> Any:
    if type(fn).mean is not dist.TransformedDistribution.mean:
        return fn.mean
    base = fn.base_dist
    while isinstance(base, (dist.Independent, dist.ExpandedDistribution)):
        base = base.base_dist
    parts = list(fn.transforms)
    if parts and isinstance(parts[0], transforms.AbsTransform):
        return _linear(_folded(base), parts[1:])
    variance = base.variance if isinstance(base, _NORMAL) else None
    mean = mean_of(fn.base_dist)
    for i, part in enumerate(parts):
        if isinstance(part, transforms.ExpTransform) and variance is not None:
            return _linear(jnp.exp(mean + variance / 2), parts[i + 1 :])
        mean = _linear(mean, [part])
        if variance is not None:
            variance = variance * part.scale**2 if isinstance(part, transforms.AffineTransform) else None
    return mean


def _linear(mean: Any, parts: list[Any]) -> Any:
    for part in parts:
        inner = part.base_transform if isinstance(part, transforms.IndependentTransform) else part
        if not isinstance(inner, _LINEAR):
            raise NotImplementedError
        mean = inner(mean)
    return mean


# ------------------------------------------------------------------------ truncated and folded, by location and scale


@functools.singledispatch
def _integral(fn: Any, z: Any) -> Any:
    """An antiderivative of ``z * density(z)`` for location 0 and scale 1, the same for -z."""
    raise NotImplementedError


@_integral.register(dist.Normal)
def _(fn: Any, z: Any) -> Any:
    return -jnp.exp(-z * z / 2) / math.sqrt(2 * math.pi)


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
    power, grows = (1 - fn.df) / 2, jnp.log1p(z * z / fn.df)
    grown = jnp.where(power == 0, grows, jnp.expm1(power * grows) / jnp.where(power == 0, 1.0, power))
    return grown * fn.df / 2 * jnp.exp(dist.StudentT(fn.df).log_prob(0.0))


def _between(fn: Any, low: Any, high: Any) -> Any:
    base = fn.base_dist
    z_low, z_high = (low - base.loc) / base.scale, (high - base.loc) / base.scale
    # the density is symmetric: shares are those of the lower tail, which are not lost beside 1
    sign = jnp.where(z_low > 0, -1.0, 1.0)
    share = sign * (_share_below(base, sign * z_high) - _share_below(base, sign * z_low))
    mean = base.loc + base.scale * (_integral(base, z_high) - _integral(base, z_low)) / share
    return jnp.clip(mean, low, high)  # of rounding, where the interval is short


def _share_below(base: Any, z: Any) -> Any:
    share = base.cdf(base.loc + base.scale * jnp.clip(z, -_FAR, _FAR))
    return jnp.where(jnp.isinf(z), jnp.where(z > 0, 1.0, 0.0), share)


def _folded(base: Any) -> Any:
    center = -base.loc / base.scale
    spread = _integral(base, jnp.inf) - _integral(base, center)
    return base.loc * (1 - 2 * base.cdf(0.0)) + 2 * base.scale * spread


@_mean.register(dist.LeftTruncatedDistribution)
def _(fn: Any) -> Any:
    return _between(fn, fn.low, jnp.inf)


@_mean.register(dist.RightTruncatedDistribution)
def _(fn: Any) -> Any:
    return _between(fn, -jnp.inf, fn.high)


@_mean.register(dist.TwoSidedTruncatedDistribution)
def _(fn: Any) -> Any:
    return _between(fn, fn.low, fn.high)


if hasattr(dist, "LowerTruncatedPowerLaw"):  # younger than NumPyro 0.15

    @_mean.register(dist.LowerTruncatedPowerLaw)
    def _lower(fn: Any) -> Any:
        return jnp.where(fn.alpha < -2, fn.low * (1 + fn.alpha) / (2 + fn.alpha), jnp.inf)

    @_mean.register(dist.DoublyTruncatedPowerLaw)
    def _doubly(fn: Any) -> Any:
        def integral(power: Any) -> Any:
            """Of ``x**(power - 1)`` from low to high."""
            log = jnp.log(fn.high) - jnp.log(fn.low)
            rest = jnp.where(power == 0, log, -jnp.expm1(-power * log) / jnp.where(power == 0, 1.0, power))
            return fn.high**power * rest

        return integral(fn.alpha + 2) / integral(fn.alpha + 1)


# ---------------------------------------------------------------------------------------------------- mixtures


@_mean.register(dist.MixtureSameFamily)
def _(fn: Any) -> Any:
    return _mixed(fn, mean_of(fn.component_distribution))


@_mean.register(dist.MixtureGeneral)
def _(fn: Any) -> Any:
    means = [jnp.broadcast_to(mean_of(component), fn.shape()) for component in fn.component_distributions]
    return _mixed(fn, jnp.stack(means, fn.mixture_dim))


def _mixed(fn: Any, means: Any) -> Any:
    shares = fn.mixing_distribution.probs
    return (shares.reshape(*shares.shape, *[1] * fn.event_dim) * means).sum(fn.mixture_dim)
