"""The law that draws lie in the support of their site."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from fits import Fitted
from textbook_models import TEXTBOOK

from sanitize import Predictive, SamplesTypeError, inspect_sites, strip_deterministic
from sanitize.verdicts import Cause

X = np.linspace(0.0, 1.0, 4, dtype=np.float32)
KEY = jax.random.PRNGKey(0)


def drawn_from(distribution):
    """A model with one latent, which is drawn from this."""

    def model(x, y=None):
        a = numpyro.sample("a", distribution)
        numpyro.sample("obs", dist.Normal(x * jnp.sum(a), 1.0), obs=y)

    return model


def bounds_are_drawn(x, y=None):
    high = numpyro.sample("high", dist.Uniform(0.0, 10.0))
    a = numpyro.sample("a", dist.Uniform(0.0, high))
    numpyro.sample("obs", dist.Normal(a * x, 1.0), obs=y)


def bounds_are_passed(x, y=None):
    a = numpyro.sample("a", dist.Uniform(0.0, x.max()))
    numpyro.sample("obs", dist.Normal(a * x, 1.0), obs=y)


def one_of(draws, value):
    """Fifty draws, one of which is this."""
    draws = np.full((50, *np.shape(value)), draws, np.float32)
    draws[37] = value
    return draws


DRAWN = {"high": np.full(50, 3.0, np.float32), "a": np.full(50, 7.0, np.float32)}
OUTSIDE = {
    "the logarithm of a scale": (drawn_from(dist.HalfNormal(1.0)), {"a": np.full(50, -2.0)}),
    "one draw of fifty": (drawn_from(dist.Gamma(2.0, 1.0)), {"a": one_of(1.0, -2.0)}),
    "one element of a vector": (drawn_from(dist.LogNormal().expand([3]).to_event(1)), {"a": one_of(1, [1, -3.0, 1])}),
    "the logit of a share": (drawn_from(dist.Beta(1.0, 1.0)), {"a": np.full(50, 2.2)}),
    "shares that sum to 3": (drawn_from(dist.Dirichlet(jnp.ones(3))), {"a": np.ones((50, 3))}),
    "beyond written bounds": (drawn_from(dist.Uniform(-1.0, 10.0)), {"a": one_of(2.0, 12.0)}),
    "below a truncation": (drawn_from(dist.TruncatedNormal(0.0, 1.0, low=0.0)), {"a": one_of(2.0, -1.0)}),
    "a category that is none": (drawn_from(dist.Categorical(jnp.ones(3) / 3)), {"a": np.full(50, 5)}),
    "a count below zero": (drawn_from(dist.Poisson(3.0)), {"a": np.full(50, -1)}),
    "a factor of no correlations": (drawn_from(dist.LKJCholesky(2)), {"a": np.full((50, 2, 2), 3.0)}),
    "beyond bounds that are drawn": (bounds_are_drawn, DRAWN),
    "beyond bounds that are passed": (bounds_are_passed, {"a": np.full(50, 7.0)}),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_draw_outside_of_the_support_is_refused(name):
    model, samples = OUTSIDE[name]
    with pytest.raises(SamplesTypeError) as caught:
        strip_deterministic(model, samples, X)
    assert caught.value.entry == "a"
    assert isinstance(caught.value, ValueError)


def test_stock_predicts_with_them():
    """So that there is something to say: a scale of -2 gives a standard deviation of 2."""
    a = np.full(2000, -2.0, np.float32)

    def model(x, y=None):
        numpyro.sample("obs", dist.Normal(x, numpyro.sample("a", dist.HalfNormal(1.0))), obs=y)

    drawn = numpyro.infer.Predictive(model, {"a": a})(KEY, np.zeros(1, np.float32))["obs"]
    assert float(jnp.std(drawn)) == pytest.approx(2.0, abs=0.1)
    with pytest.raises(SamplesTypeError, match="no value of the latent 'a'"):
        Predictive(model, {"a": a})(KEY, np.zeros(1, np.float32))


@pytest.mark.parametrize("option", ["keep", "redraw"])
def test_what_the_user_names_goes_on(option):
    samples = {"a": np.full(50, -2.0, np.float32), "obs": np.zeros((50, 4), np.float32)}
    clean = strip_deterministic(drawn_from(dist.HalfNormal(1.0)), {**samples, "more": samples["a"]}, X, **{option: "a"})
    assert ("a" in clean) == (option == "keep")


def test_a_dataset_that_is_in_memory():
    xr = pytest.importorskip("xarray")
    samples = xr.Dataset({"a": (("chain", "draw"), np.full((2, 25), -2.0))})
    with pytest.raises(SamplesTypeError):
        strip_deterministic(drawn_from(dist.HalfNormal(1.0)), samples, X)


def test_a_fitted_mcmc():
    model = drawn_from(dist.HalfNormal(1.0))
    mcmc = Fitted(model, X, X)
    mcmc._draws["a"] = np.full(50, -2.0)
    with pytest.raises(SamplesTypeError):
        strip_deterministic(model, mcmc, X)


ROUNDED = np.array([0.2, 0.3, 0.5], np.float32) * np.float32(1 + 2e-6)
INSIDE = {
    "zeros of a scale": (drawn_from(dist.HalfNormal(1.0)), {"a": np.zeros(50)}),
    "ones of a share": (drawn_from(dist.Beta(1.0, 1.0)), {"a": np.full(50, 1.0)}),
    "a share of 1 but for rounding": (drawn_from(dist.Beta(1.0, 1.0)), {"a": np.full(50, 1.0 + 1e-6)}),
    "bounds but for rounding": (drawn_from(dist.Uniform(0.0, 10.0)), {"a": one_of(1.0, 10.00001)}),
    "shares that sum to 1 but for rounding": (drawn_from(dist.Dirichlet(jnp.ones(3))), {"a": one_of(1 / 3, ROUNDED)}),
    "NaN": (drawn_from(dist.HalfNormal(1.0)), {"a": one_of(1.0, np.nan)}),
    "infinity": (drawn_from(dist.Exponential(1.0)), {"a": one_of(1.0, np.inf)}),
    "every number": (drawn_from(dist.Normal(0.0, 1.0)), {"a": np.full(50, -2.0)}),
    "whole numbers as floats": (drawn_from(dist.Poisson(3.0)), {"a": np.full(50, 4.0)}),
    "within bounds that are drawn": (bounds_are_drawn, {**DRAWN, "a": np.full(50, 2.0)}),
    "bounds that are drawn anew": (bounds_are_drawn, {"a": np.full(50, 2.0)}),
    "within bounds that are passed": (bounds_are_passed, {"a": np.full(50, 0.5)}),
}


@pytest.mark.parametrize("name", INSIDE)
@pytest.mark.filterwarnings("ignore::sanitize.MissingLatentWarning")
def test_boundaries_rounding_and_nan_are_not_outside(name):
    model, samples = INSIDE[name]
    assert "a" in strip_deterministic(model, samples, X)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sanitize.RowLevelSiteWarning")
@pytest.mark.parametrize("name", TEXTBOOK)
def test_draws_of_stock_pass(name):
    """What stock draws from the prior is in the support of each site."""
    model, args, kwargs = TEXTBOOK[name]
    drawn = numpyro.infer.Predictive(model, num_samples=20)(KEY, *args, **kwargs)
    review = inspect_sites(model, *args, **kwargs).review(drawn)
    assert not [entry for entry, verdict in review.items() if verdict.cause is Cause.OUTSIDE]


def test_what_is_not_in_memory_is_not_computed():
    xr = pytest.importorskip("xarray")
    dask = pytest.importorskip("dask.array")
    samples = xr.Dataset({"a": (("chain", "draw"), dask.full((1, 50), -2.0, chunks=10))})
    assert strip_deterministic(drawn_from(dist.HalfNormal(1.0)), samples, X)["a"].chunks is not None
