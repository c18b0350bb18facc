"""NeuTra packs all latents of a fit into one vector: its values for rows are those of the rows of the fit."""

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from fits import Fitted, draws, heard
from numpyro.infer import SVI, Trace_ELBO, autoguide
from numpyro.infer.reparam import NeuTraReparam
from warned import warned

from sanitize import RowLevelSiteWarning, ShapeMismatchError, strip_deterministic

RNG = np.random.default_rng(5)
Normal, sample = dist.Normal, numpyro.sample


def f(*shape):
    return RNG.uniform(0.5, 2.0, shape).astype(np.float32)


def schools(sigma, y=None):
    mu, tau = sample("mu", Normal(0, 5)), sample("tau", dist.HalfNormal(5))
    with numpyro.plate("schools", len(sigma)):
        theta = sample("theta", Normal(mu, tau))
        sample("y", Normal(theta, sigma), obs=y)


def matches(strength, games, y=None):
    b = sample("b", Normal(0, 1))
    with numpyro.plate("teams", strength.shape[0]):
        skill = sample("skill", Normal(b * strength, 1))
    sample("y", Normal(skill * games, 1.0), obs=y)


def robust(X, y=None):
    beta = sample("beta", Normal(0, 1).expand([X.shape[1]]).to_event(1))
    with numpyro.plate("rows", X.shape[0]):
        scale = sample("scale", dist.InverseGamma(2, 2))
        sample("y", Normal(X @ beta, scale), obs=y)


def line(x, y=None):
    a, b = sample("a", Normal(0, 5)), sample("b", Normal(0, 5))
    sample("y", Normal(a + b * x, 1.0), obs=y)


def regression(X, y=None):
    beta = sample("beta", Normal(0, 1).expand([X.shape[1]]).to_event(1))
    numpyro.deterministic("mean", X @ beta)
    sample("y", Normal(X @ beta, 1.0), obs=y)


def counties(g, x, y=None):
    mu = sample("mu", Normal(0, 5))  # NumPyro 0.10 wants the first latent outside of plates
    with numpyro.plate("counties", 4):
        a = sample("a", Normal(mu, 1))
    sample("y", Normal(a[g] * x, 1.0), obs=y)


G = np.arange(8) % 4
Y = f(8)
WITH_ROWS = {
    schools: [(f(8),), (f(8),)],
    matches: [(f(8), f(8)), (f(8), f(8))],
    robust: [(f(8, 2),), (f(8, 2),)],
}
WITHOUT_ROWS = {
    line: [(f(8),), (f(8),), (f(12),)],
    regression: [(f(8, 2),), (f(8, 2),), (f(3, 2),)],
    counties: [(G, f(8)), (G[::-1], f(8)), (G[:5], f(5))],
}


def transported(model, *args):
    guide = autoguide.AutoDiagonalNormal(model)
    svi = SVI(model, guide, numpyro.optim.Adam(0.01), Trace_ELBO())
    params = svi.get_params(svi.init(jax.random.PRNGKey(0), *args, y=Y))
    return NeuTraReparam(guide, params).reparam(model)


@pytest.mark.parametrize("model", WITH_ROWS)
def test_rows_with_other_data_are_refused(model):
    args, new = WITH_ROWS[model]
    neutra = transported(model, *args)
    with pytest.raises(ShapeMismatchError, match="NeuTra") as error:
        strip_deterministic(neutra, Fitted(neutra, *args, y=Y), *new)
    assert "auto_shared_latent" in error.value.recorded


@pytest.mark.parametrize("model", WITH_ROWS)
def test_rows_that_may_be_others_are_told(model):
    args, new = WITH_ROWS[model]
    neutra = transported(model, *args)
    warning = heard(lambda: strip_deterministic(neutra, draws(neutra, *args, y=Y), *new), RowLevelSiteWarning)
    assert warning.sites == ("auto_shared_latent",)


@pytest.mark.parametrize("model", WITH_ROWS)
def test_rows_that_the_user_calls_new_are_refused(model):
    args, new = WITH_ROWS[model]
    neutra = transported(model, *args)
    with pytest.raises(ShapeMismatchError, match="NeuTra"):
        strip_deterministic(neutra, draws(neutra, *args, y=Y), *new, new_rows=True)


@pytest.mark.parametrize("settled", [{"new_rows": False}, {"keep": ("auto_shared_latent",)}])
@pytest.mark.parametrize("model", WITH_ROWS)
def test_what_the_user_settles_is_kept_without_a_word(model, settled):
    args, new = WITH_ROWS[model]
    neutra = transported(model, *args)
    with warned() as caught:
        kept = strip_deterministic(neutra, draws(neutra, *args, y=Y), *new, **settled)
    assert set(kept) == {"auto_shared_latent"}
    assert not caught


@pytest.mark.parametrize("model", WITH_ROWS | WITHOUT_ROWS)
def test_the_rows_of_the_fit_are_kept_without_a_word(model):
    args, *_ = (WITH_ROWS | WITHOUT_ROWS)[model]
    neutra = transported(model, *args)
    with warned() as caught:
        kept = strip_deterministic(neutra, Fitted(neutra, *args, y=Y), *args)
    assert set(kept) == {"auto_shared_latent"}
    assert not caught


@pytest.mark.parametrize("model", WITHOUT_ROWS)
def test_a_vector_without_values_for_rows_serves_any_rows(model):
    args, *others = WITHOUT_ROWS[model]
    neutra = transported(model, *args)
    for new in others:
        for samples in (draws(neutra, *args, y=Y), Fitted(neutra, *args, y=Y)):
            with warned() as caught:
                kept = strip_deterministic(neutra, samples, *new)
            assert set(kept) == {"auto_shared_latent"}
            assert not caught
