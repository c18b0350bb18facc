"""Coverage of `extend` by simulation: truth from the prior, a fit by NUTS of what was seen, intervals of what was not.

The replications are independent data sets side by side in one model, which one chain of NUTS fits at once.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import infer as stock

import sanitize
from sanitize import extend

R, SEEN, NEW, DRAWS = 100, 8, 2, 99
GRID = jnp.linspace(0.0, 3.0, SEEN + NEW)


def groups(n, y=None):
    with numpyro.plate("data_set", R, dim=-2):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        tau = numpyro.sample("tau", dist.LogNormal(0, 0.3))
        with numpyro.plate("group", n, dim=-1):
            theta = numpyro.sample("latent", dist.Normal(mu, tau))
            numpyro.sample("y", dist.Normal(theta, 0.5), obs=y)


def walk(n, y=None):
    with numpyro.plate("data_set", R):
        scale = numpyro.sample("scale", dist.LogNormal(0, 0.3))
        x = numpyro.sample("latent", dist.GaussianRandomWalk(scale, n))
        numpyro.sample("y", dist.Normal(x, 0.5).to_event(1), obs=y)


def gaussian_process(n, y=None):
    with numpyro.plate("data_set", R):
        length = numpyro.sample("length", dist.LogNormal(0, 0.3))
        distance = (GRID[:n, None] - GRID[:n]) / length[:, None, None]
        cov = jnp.exp(-0.5 * distance**2) + 1e-2 * jnp.eye(n)
        f = numpyro.sample("latent", dist.MultivariateNormal(jnp.zeros(n), cov))
        numpyro.sample("y", dist.Normal(f, 0.5).to_event(1), obs=y)


@pytest.mark.slow
@pytest.mark.parametrize("model", [groups, walk, gaussian_process])
def test_intervals_of_what_is_new_cover(model):
    """Where a truth stands among 99 draws is uniform on 0, ..., 99: 90 of these 100 places are inside."""
    truth = stock.Predictive(model, num_samples=1)(jax.random.PRNGKey(1), SEEN + NEW)
    mcmc = stock.MCMC(stock.NUTS(model), num_warmup=300, num_samples=4 * DRAWS, thinning=4, progress_bar=False)
    mcmc.run(jax.random.PRNGKey(2), SEEN, y=truth["y"][0, :, :SEEN])
    samples = mcmc.get_samples()
    more = extend(model, samples, jax.random.PRNGKey(3), SEEN + NEW, sites="latent")
    predicted = sanitize.Predictive(model, samples, extend="latent")(jax.random.PRNGKey(4), SEEN + NEW)
    error = np.sqrt(0.9 * 0.1 / R)
    assert np.array_equal(more["latent"][..., :SEEN], samples["latent"])
    for name, draws in (("latent", more["latent"]), ("y", predicted["y"])):
        for step in range(SEEN, SEEN + NEW):
            rank = (np.asarray(draws)[:, :, step] < np.asarray(truth[name])[0, :, step]).sum(0)
            covered = np.mean((rank >= 5) & (rank < 95))
            print(model.__name__, name, step, covered)
            assert abs(covered - 0.9) < 3 * error, (name, step)
