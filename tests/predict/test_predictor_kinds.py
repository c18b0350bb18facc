"""Twenty models of kinds that no other test has: samples, means and parameters against stock with the same key."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import deterministic, plate, sample
from numpyro import infer as stock
from numpyro.contrib.control_flow import scan
from since import OF_PREDICTOR

from sanitize import Predictor

pytestmark = [pytest.mark.slow, OF_PREDICTOR]
KEY = jax.random.PRNGKey(11)
N, D = 6, 5
T = np.linspace(0.5, 3.0, N, dtype=np.float32)
RNG = np.random.default_rng(3)


def told(**values):
    """The mean and the parameters as somebody would write them down, and the name under which they come here."""
    for name, value in values.items():
        deterministic(f"told.{name}", value)


def dose_response(x, a, b):
    top = jnp.exp(a)
    mu = top / (1 + (x / jnp.exp(b)) ** 2)
    told(mean=mu, loc=mu, scale=0.1 * mu)
    sample("y", dist.Normal(mu, 0.1 * mu))


def survival(x, a, b):
    scale = jnp.exp(a + b * x / 3)
    told(mean=scale * jnp.sqrt(jnp.pi) / 2, scale=scale, concentration=jnp.full(len(x), 2.0))
    with plate("patient", len(x)):
        sample("y", dist.Weibull(scale, jnp.full(len(x), 2.0)))


def poisson_offset(x, a, b):
    rate = x * jnp.exp(a)
    told(mean=rate, rate=rate)
    with plate("region", len(x)):
        sample("y", dist.Poisson(rate))


def quota(x, a, b):
    p = jax.nn.sigmoid(a + b * x)
    total = jnp.arange(len(x)) + 5
    told(mean=total * p, probs=p, total_count=total)
    with plate("school", len(x)):
        sample("y", dist.Binomial(total, p))


def share(x, a, b):
    mean = jax.nn.sigmoid(a + 0.1 * b * x)
    told(concentration=jnp.exp(b))
    deterministic("told.mean", mean)
    with plate("plot", len(x)):
        sample("y", dist.BetaProportion(mean, jnp.exp(b)))


def hurdle(x, a, b):
    gate, rate = jax.nn.sigmoid(a), jnp.exp(0.2 * b * x)
    told(mean=(1 - gate) * rate, gate=gate, rate=rate)
    with plate("trap", len(x)):
        sample("y", dist.ZeroInflatedPoisson(gate, rate))


def arrhenius(x, a, b):
    loc = a - jnp.exp(b) / (8.3 * (280 + x))
    told(mean=jnp.exp(loc + 0.02), loc=loc, scale=0.2)
    sample("y", dist.LogNormal(loc, 0.2))


def robust(x, a, b):
    loc = a + b * x
    told(mean=loc, loc=loc, df=5.0, scale=1.5)
    with plate("run", len(x)):
        sample("y", dist.StudentT(5.0, loc, 1.5))


def extreme(x, a, b):
    loc = a + b * jnp.log(x)
    told(mean=loc + 2 * np.euler_gamma, loc=loc, scale=2.0)
    with plate("year", len(x)):
        sample("y", dist.Gumbel(loc, 2.0))


def waiting(x, a, b):
    rate = jnp.exp(a + 0.1 * b * x)
    told(mean=1 / rate, rate=rate)
    with plate("call", len(x)):
        sample("y", dist.Exponential(rate))


def spline(x, a, b):
    basis = jnp.stack([jnp.ones_like(x), x, jnp.maximum(x - 1.0, 0) ** 3], -1)
    loc = basis @ jnp.stack([a, b, a * b])
    told(mean=loc, loc=loc, scale=1.0)
    sample("y", dist.Laplace(loc, 1.0))


def two_outcomes(x, a, b):
    loc = a + b * x
    told(mean=loc, loc=loc)
    sample("y", dist.Normal(loc, 1.0).to_event(1))
    sample("died", dist.Bernoulli(logits=loc))


def bivariate(x, a, b):
    loc = jnp.stack([a * x, b * x], -1)
    told(mean=loc, loc=loc)
    with plate("pair", len(x)):
        sample("y", dist.MultivariateNormal(loc, scale_tril=jnp.array([[1.0, 0.0], [0.5, 1.0]])))


def choice(x, a, b):
    logits = jnp.stack([a * x, b * x, jnp.zeros_like(x)], -1)
    told(mean=jax.nn.softmax(logits, -1), probs=jax.nn.softmax(logits, -1), logits=logits)
    with plate("buyer", len(x)):
        sample("y", dist.Categorical(logits=logits))


def rating(x, a, b):
    cuts = jnp.array([-1.0, 0.0, 1.5])
    below = jax.nn.sigmoid(cuts - (a + b * x)[:, None])
    shares = jnp.diff(jnp.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1))))
    told(mean=shares, probs=shares, predictor=a + b * x, cutpoints=cuts)
    with plate("rater", len(x)):
        sample("y", dist.OrderedLogistic(a + b * x, cuts))


def standardized(x, a, b):
    base = dist.StudentT(4.0, 0.0, 1.0)
    loc, scale = a + b * x, jnp.exp(0.1 * x)
    told(mean=loc)
    with plate("asset", len(x)):
        sample("y", dist.TransformedDistribution(base, dist.transforms.AffineTransform(loc, scale)))


def distance(x, a, b):
    loc = a * x
    z = loc / 2.0
    mean = 2 * jnp.sqrt(2 / jnp.pi) * jnp.exp(-(z**2) / 2) + loc * (1 - 2 * jax.scipy.stats.norm.cdf(-z))
    told(mean=mean)
    deterministic("told.base_dist.loc", loc)
    with plate("walker", len(x)):
        sample("y", dist.FoldedDistribution(dist.Normal(loc, 2.0)))


def two_sorts(x, a, b):
    w = jax.nn.sigmoid(a)
    locs = jnp.stack([x, 3 + b * x], -1)
    told(mean=w * x + (1 - w) * (3 + b * x))
    deterministic("told.component.loc", locs)
    with plate("eruption", len(x)):
        sample("y", dist.MixtureSameFamily(dist.Categorical(jnp.stack([w, 1 - w])), dist.Normal(locs, 0.5)))


def under_scope(x, a, b):
    told(mean=a + x, loc=a + x)
    with numpyro.handlers.scope(prefix="site"), plate("day", len(x)):
        sample("y", dist.Normal(a + x, jnp.exp(b)))


def filtered(x, a, b):
    def step(state, value):
        state = 0.5 * state + value
        sample("y", dist.Normal(a + state, 1.0))
        return state, state

    _, states = scan(step, 0.0, x)
    told(mean=a + states, loc=a + states)


MODELS = [
    *(dose_response, survival, poisson_offset, quota, share, hurdle, arrhenius, robust, extreme, waiting),
    *(spline, two_outcomes, bivariate, choice, rating, standardized, distance, two_sorts, under_scope, filtered),
]
SAMPLES = {
    "a": RNG.normal(size=D).astype(np.float32),
    "b": RNG.normal(size=D).astype(np.float32),
    "told.mean": np.zeros((D, 99), np.float32),  # of other rows
}


def whole(likelihood):
    def model(x):
        likelihood(x, sample("a", dist.Normal()), sample("b", dist.Normal()))

    return model


@pytest.mark.parametrize("likelihood", MODELS)
def test_samples_means_and_parameters_are_stocks(likelihood):
    model = whole(likelihood)
    truth = stock.Predictive(model, {name: SAMPLES[name] for name in "ab"})(KEY, T)
    drawn, mean, params = (Predictor(model, SAMPLES, kind=kind)(KEY, T) for kind in ("samples", "mean", "params"))
    assert set(drawn.data_vars) == set(truth)
    for name, values in truth.items():
        np.testing.assert_allclose(drawn[name], values, rtol=2e-5, atol=2e-5, err_msg=name)
        if name.startswith("told."):
            prefix = "site/y" if likelihood is under_scope else "y"
            output = f"{prefix}.{name.removeprefix('told.')}"
            if output in params:
                np.testing.assert_allclose(
                    np.broadcast_to(params[output], values.shape), values, rtol=2e-5, atol=2e-5, err_msg=name
                )
            assert output in params or name == "told.mean"
    y = "site/y" if likelihood is under_scope else "y"
    np.testing.assert_allclose(mean[y], truth["told.mean"], rtol=2e-4, atol=2e-5)
