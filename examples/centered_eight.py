"""A posterior that another program wrote: ArviZ's `centered_eight`, made with PyMC, predicted with NumPyro.

Runs with ArviZ 0.x (InferenceData) and ArviZ 1.x (DataTree). The posterior has mu, tau, and theta for eight schools.
Data: Rubin, D. B. (1981), Estimation in parallel randomized experiments, Journal of Educational Statistics 6(4).
"""

import arviz as az
import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import xarray
from numpyro.handlers import reparam
from numpyro.infer import Predictive
from numpyro.infer.reparam import TransformReparam

from sanitize import MissingLatentError, posterior_samples, strip_deterministic

SIGMA = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0], dtype=np.float32)


def plain(sigma, obs=None):
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))
    with numpyro.plate("school", len(sigma)):
        affine = dist.transforms.AffineTransform(mu, tau)
        theta = numpyro.sample("theta", dist.TransformedDistribution(dist.Normal(0.0, 1.0), affine))
        numpyro.sample("obs", dist.Normal(theta, sigma), obs=obs)


# theta is mu + tau * theta_base: computed, not drawn
non_centred = reparam(plain, config={"theta": TransformReparam()})


def predict(model, container, sigma):
    """Predictions with stock NumPyro, by chain and draw as ArviZ wants them."""
    posterior = container["posterior"]
    draws = Predictive(model, posterior_samples(container))(jax.random.PRNGKey(0), sigma)["obs"]
    shape = posterior.sizes["chain"], posterior.sizes["draw"], len(sigma)
    return xarray.Dataset({"obs": (("chain", "draw", "school"), np.asarray(draws).reshape(shape))})


def main():
    idata = az.load_arviz_data("centered_eight")
    recorded = sorted(idata["posterior"].data_vars)
    print(f"ArviZ {az.__version__}, {type(idata).__name__} with {recorded}")

    # The plain model draws theta: a replication in the same eight schools needs it.
    clean = strip_deterministic(plain, idata, SIGMA, new_rows=False)
    kept = sorted(clean["posterior"].data_vars)
    print("plain, same schools:", kept)
    assert kept == ["mu", "tau", "theta"]
    clean["predictions"] = predict(plain, clean, SIGMA)
    means = clean["predictions"]["obs"].mean(("chain", "draw")).values
    print("replicated effects:", np.round(means, 1))
    assert abs(means - clean["posterior"]["theta"].mean(("chain", "draw")).values).max() < 1.5

    # Three new schools have effects of their own.
    clean = strip_deterministic(plain, idata, SIGMA[:3], new_rows=True)
    kept = sorted(clean["posterior"].data_vars)
    print("plain, new schools:", kept)
    assert kept == ["mu", "tau"]
    clean["predictions"] = predict(plain, clean, SIGMA[:3])
    assert dict(clean["predictions"].sizes) == {"chain": 4, "draw": 500, "school": 3}

    # The non-centred model computes theta, from theta_base: PyMC's centred one did not record that.
    try:
        strip_deterministic(non_centred, idata, SIGMA, new_rows=False)
    except MissingLatentError as error:
        print("non-centred, without theta_base:", error)
    else:
        raise AssertionError("what was fitted would have been lost")

    # Given theta_base, theta is recomputed: the recorded values go.
    posterior = idata["posterior"]
    posterior["theta_base"] = (posterior["theta"] - posterior["mu"]) / posterior["tau"]
    clean = strip_deterministic(non_centred, idata, SIGMA, new_rows=False)
    kept = sorted(clean["posterior"].data_vars)
    print("non-centred, with theta_base:", kept)
    assert kept == ["mu", "tau", "theta_base"]
    means_again = predict(non_centred, clean, SIGMA)["obs"].mean(("chain", "draw")).values
    assert abs(means_again - means).max() < 1.5
    assert recorded == ["mu", "tau", "theta"]


if __name__ == "__main__":
    main()
