"""What was fitted stays: what targets are drawn with along the fitted part, and how likely fitted values are."""

import warnings

import fitted_part_models as cases
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from fits import Fitted
from numpyro import infer as stock
from warned import warned

from sanitize import ExtensionError, Predictive, SanitizeWarning, extend

KEY = jax.random.PRNGKey(0)
FAST = ("centred_after_the_index", "sum_coded", "categories", "crossed", "an_effect_for_each_row")


def named(of):
    return [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in of]


def latents(model, *args):
    """Draws of the latents alone, from the prior: no recorded value may help."""
    trace = numpyro.handlers.trace(numpyro.handlers.seed(model, KEY)).get_trace(*args)
    names = [name for name, site in trace.items() if site["type"] == "sample" and not site["is_observed"]]
    names = [name for name in names if name not in ("y", "w")]
    draws = stock.Predictive(model, num_samples=10, return_sites=names)(jax.random.PRNGKey(3), *args)
    return {name: np.asarray(value) for name, value in draws.items()}


@pytest.mark.parametrize("name", named(cases.CHANGES))
def test_targets_that_would_change_are_an_error(name):
    model, fitted, more, sites = cases.CHANGES[name]
    samples = latents(model, *fitted)
    with pytest.raises(ExtensionError) as error:
        extend(model, samples, KEY, *more, sites=sites)
    assert error.value.sites
    Predictive(model, samples, redraw=sites)(KEY, *more)  # which the message offers


@pytest.mark.parametrize("name", named(cases.SHARES))
def test_shares_become_smaller_with_a_warning(name):
    model, fitted, more, sites = cases.SHARES[name]
    samples = latents(model, *fitted)
    with pytest.warns(SanitizeWarning, match="shares of what was fitted become smaller"):
        result = extend(model, samples, KEY, *more, sites=sites)
    assert np.array_equal(result["t"][:, :3], samples["t"])


@pytest.mark.parametrize("name", named(cases.STAYS))
def test_targets_that_stay_are_silent(name):
    model, fitted, more, sites = cases.STAYS[name]
    samples = latents(model, *fitted)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = extend(model, samples, KEY, *more, sites=sites)
    for entry, value in samples.items():
        assert np.array_equal(result[entry][tuple(slice(n) for n in value.shape)], value)


def test_what_is_redrawn_may_be_centred():
    """Another key for what is drawn anew is no other key for what the user wants from the prior."""

    def model(g, n, y=None):
        t, c = cases.effects("t", n), cases.effects("c", n)
        cases.outcome(t[g] + (c - c.mean())[g], y)

    samples = latents(model, cases.FIRST, 3)
    assert Predictive(model, samples, extend="t", redraw="c")(KEY, cases.THEN, 5)["y"].shape == (10, 6)


# ---------------------------------------------------------------------------------------------- the fit's arguments


def scaled_by_the_number(n, g, y=None):
    cases.outcome(numpyro.sample("t", dist.Normal(0.0, 1 / n).expand([n]))[g], y)


def scaled_by_the_length(u, g, y=None):
    with numpyro.plate("group", len(u)):
        t = numpyro.sample("t", dist.Normal(u, 1 / len(u)))
    cases.outcome(t[g], y)


def around_a_centred_covariate(u, g, y=None):
    with numpyro.plate("group", len(u)):
        t = numpyro.sample("t", dist.Normal(u - u.mean(), 1.0))
    cases.outcome(t[g], y)


def around_a_covariate(u, g, y=None):
    tau = numpyro.sample("tau", dist.HalfNormal(1.0))
    with numpyro.plate("group", len(u)):
        t = numpyro.sample("t", dist.Normal(u, tau))
    cases.outcome(t[g], y)


def without_a_covariate(n, g, y=None):
    cases.outcome(cases.effects("t", n)[g], y)


U3, U5 = np.array([1.0, 2.0, 4.0], np.float32), np.array([1.0, 2.0, 4.0, 7.0, 1.0], np.float32)


@pytest.mark.parametrize(
    ("model", "was", "now"),
    [(scaled_by_the_number, 3, 5), (scaled_by_the_length, U3, U5), (around_a_centred_covariate, U3, U5)],
)
def test_a_prior_that_depends_on_how_many_there_are(model, was, now):
    fit = Fitted(model, was, cases.FIRST, y=jnp.zeros(5))
    with pytest.raises(ExtensionError, match="'t' have another distribution with these arguments"):
        extend(model, fit, KEY, now, cases.THEN, sites="t")
    extend(model, dict(fit.get_samples()), KEY, now, cases.THEN, sites="t")  # a dict does not tell


@pytest.mark.parametrize(
    ("model", "was", "now"),
    [(without_a_covariate, 3, 5), (around_a_covariate, U3, U5)],
)
def test_a_prior_that_does_not(model, was, now):
    fit = Fitted(model, was, cases.FIRST, y=jnp.zeros(5))
    with warned() as said:
        more = extend(model, fit, KEY, now, cases.THEN, sites="t")
    assert not said
    assert more["t"].shape[1] == 5
