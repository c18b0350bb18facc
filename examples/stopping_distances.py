"""Linear regression: stopping distances by speed, predicted for speeds that were not in the data.

Data: Ezekiel, M. (1930), Methods of Correlation Analysis: 50 cars, speed in mph, stopping distance in ft.
"""

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS, Predictive, log_likelihood

from sanitize import inspect_sites, strip_deterministic

# fmt: off
SPEED = np.array([
    4, 4, 7, 7, 8, 9, 10, 10, 10, 11, 11, 12, 12, 12, 12, 13, 13, 13, 13, 14, 14, 14, 14, 15, 15,
    15, 16, 16, 17, 17, 17, 18, 18, 18, 18, 19, 19, 19, 20, 20, 20, 20, 20, 22, 23, 24, 24, 24, 24, 25,
], dtype=np.float32)
DISTANCE = np.array([
    2, 10, 4, 22, 16, 10, 18, 26, 34, 17, 28, 14, 20, 24, 28, 26, 34, 34, 46, 26, 36, 60, 80, 20, 26,
    54, 32, 40, 32, 40, 50, 42, 56, 76, 84, 36, 46, 68, 32, 48, 52, 56, 64, 66, 54, 70, 92, 93, 120, 85,
], dtype=np.float32)
# fmt: on


def model(speed, distance=None):
    at_mean = numpyro.sample("at_mean", dist.Normal(40.0, 20.0))
    slope = numpyro.sample("slope", dist.Normal(0.0, 5.0))
    sigma = numpyro.sample("sigma", dist.HalfNormal(20.0))
    with numpyro.plate("cars", speed.shape[0]):
        mean = numpyro.deterministic("mean", at_mean + slope * (speed - 15.4))
        numpyro.sample("distance", dist.Normal(mean, sigma), obs=distance)


def main():
    mcmc = MCMC(NUTS(model), num_warmup=500, num_samples=1000, progress_bar=False)
    mcmc.run(jax.random.PRNGKey(0), SPEED, DISTANCE)
    samples = mcmc.get_samples()

    new_speed = np.array([10.0, 20.0, 30.0], dtype=np.float32)
    review = inspect_sites(model, new_speed).review(samples)
    print(review)

    clean = strip_deterministic(model, samples, new_speed)
    predicted = Predictive(model, clean)(jax.random.PRNGKey(1), new_speed)["distance"]
    for speed, draws in zip(new_speed, np.asarray(predicted).T):
        low, middle, high = np.percentile(draws, [5, 50, 95])
        print(f"{speed:4.0f} mph: {middle:5.0f} ft (90 % interval {low:.0f} to {high:.0f})")

    # The score of a car that was not in the data: 25 mph, 85 ft. As recorded, `mean` would score the 50 old cars.
    one_car = np.array([25.0], dtype=np.float32), np.array([85.0], dtype=np.float32)
    clean = strip_deterministic(model, samples, *one_car)
    stock = log_likelihood(model, samples, *one_car)["distance"]
    sanitized = log_likelihood(model, clean, *one_car)["distance"]
    print(f"log likelihood of one car: stock shape {stock.shape}, sanitized shape {sanitized.shape}")
    assert predicted.shape == (1000, 3)
    assert sanitized.shape == (1000, 1)


if __name__ == "__main__":
    main()
