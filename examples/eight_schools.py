"""Eight schools, plain and non-centred: the same name is a latent in one model and deterministic in the other.

Data: Rubin, D. B. (1981), Estimation in parallel randomized experiments, Journal of Educational Statistics 6(4).
"""

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.handlers import reparam
from numpyro.infer import MCMC, NUTS, Predictive
from numpyro.infer.reparam import LocScaleReparam

from sanitize import MissingLatentError, strip_deterministic

EFFECT = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0], dtype=np.float32)
SIGMA = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0], dtype=np.float32)


def plain(sigma, effect=None):
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))
    with numpyro.plate("schools", len(sigma)):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("effect", dist.Normal(theta, sigma), obs=effect)


non_centred = reparam(plain, config={"theta": LocScaleReparam(centered=0)})


def fit(model):
    mcmc = MCMC(NUTS(model, target_accept_prob=0.95), num_warmup=500, num_samples=1000, progress_bar=False)
    mcmc.run(jax.random.PRNGKey(0), SIGMA, EFFECT)
    return mcmc.get_samples()


def predict(model, samples, sigma):
    return Predictive(model, samples)(jax.random.PRNGKey(1), sigma)["effect"]


def main():
    centred_posterior, posterior = fit(plain), fit(non_centred)

    # A replication in the same eight schools: their theta are wanted.
    clean = strip_deterministic(plain, centred_posterior, SIGMA, new_rows=False)
    print("plain, same schools:      ", sorted(clean), predict(plain, clean, SIGMA).shape)
    assert "theta" in clean

    # Three new schools: theta has one value per school, so new schools get new ones.
    new_sigma = np.array([10.0, 12.0, 14.0], dtype=np.float32)
    clean = strip_deterministic(plain, centred_posterior, new_sigma, new_rows=True)
    print("plain, new schools:       ", sorted(clean), predict(plain, clean, new_sigma).shape)
    assert sorted(clean) == ["mu", "tau"]

    # Non-centred, theta is computed from theta_decentered: the recorded values go.
    clean = strip_deterministic(non_centred, posterior, SIGMA, new_rows=False)
    print("non-centred, same schools:", sorted(clean), predict(non_centred, clean, SIGMA).shape)
    assert sorted(clean) == ["mu", "tau", "theta_decentered"]

    # A centred posterior for the non-centred model: theta would be recomputed from prior draws.
    try:
        strip_deterministic(non_centred, centred_posterior, SIGMA, new_rows=False)
    except MissingLatentError as error:
        print("centred posterior, non-centred model:", error)
    else:
        raise AssertionError("what was fitted would have been lost")


if __name__ == "__main__":
    main()
