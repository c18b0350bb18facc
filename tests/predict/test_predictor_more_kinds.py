"""Twenty more models of kinds that no other test has: differential equations, branches, handlers, composed data."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax.experimental.ode import odeint
from numpyro import deterministic, handlers, plate, sample
from numpyro import infer as stock
from numpyro.infer.reparam import LocScaleReparam
from since import OF_PREDICTOR

from sanitize import Predictor

pytestmark = [pytest.mark.slow, OF_PREDICTOR]
KEY = jax.random.PRNGKey(23)
N, D = 6, 5
T = np.linspace(0.5, 3.0, N, dtype=np.float32)
RNG = np.random.default_rng(8)


def latents():
    return sample("a", dist.Normal()), sample("b", dist.Normal())


def told(**values):
    """The mean and the parameters as somebody would write them down, and the name under which they come here."""
    for name, value in values.items():
        deterministic(f"told.{name}", value)


def decay(t):
    """A differential equation."""
    a, b = latents()
    rate = jnp.exp(0.3 * a)
    level = odeint(lambda y, t, rate: -rate * y, jnp.exp(b), jnp.concatenate([jnp.zeros(1), t]), rate)[1:]
    told(loc=level, scale=0.1, mean=level)
    sample("y", dist.Normal(level, 0.1))


def direction(t):
    """Angles."""
    a, b = latents()
    loc = 2 * jnp.arctan(a + b * t)
    told(loc=loc, concentration=3.0, mean=loc)
    with plate("bird", len(t)):
        sample("y", dist.VonMises(loc, 3.0))


def composition(t):
    """Shares that add up to one."""
    a, b = latents()
    weights = jnp.exp(jnp.stack([a + 0 * t, b * t / 3, 0 * t], -1))
    told(concentration=weights, mean=weights / weights.sum(-1, keepdims=True))
    with plate("rock", len(t)):
        sample("y", dist.Dirichlet(weights))


def votes(t):
    """Counts of several kinds."""
    a, b = latents()
    logits = jnp.stack([a + 0 * t, b * t, 0 * t], -1)
    probs = jax.nn.softmax(logits, -1)
    told(probs=probs, mean=50 * probs)
    with plate("county", len(t)):
        sample("y", dist.Multinomial(50, probs=probs))


def litters(t):
    """More spread than a binomial has."""
    a, b = latents()
    p, n = jax.nn.sigmoid(a + b * t), jnp.arange(len(t)) + 4
    told(concentration1=5 * p, concentration0=5 * (1 - p), total_count=n, mean=n * p)
    with plate("litter", len(t)):
        sample("y", dist.BetaBinomial(5 * p, 5 * (1 - p), n))


def empty_traps(t):
    """More zeros than a negative binomial has."""
    a, b = latents()
    gate, mean = jax.nn.sigmoid(a), jnp.exp(b * t / 4)
    told(mean=(1 - gate) * mean, gate=gate)
    with plate("trap", len(t)):
        sample("y", dist.ZeroInflatedDistribution(dist.NegativeBinomial2(mean, 2.0), gate=gate))


def below_a_limit(t):
    """What a detector cannot see is not there."""
    a, b = latents()
    fn = dist.TruncatedNormal(a + b * t, 1.0, high=2.0)
    z = 2.0 - a - b * t
    ratio = jnp.exp(jax.scipy.stats.norm.logpdf(z) - jax.scipy.stats.norm.logcdf(z))
    told(mean=a + b * t - ratio)
    sample("y", fn)


def branch(t):
    """A branch on a latent."""
    a, b = latents()
    loc = jax.lax.cond(a > 0, lambda t: a + b * t, lambda t: a - b * t**2, t)
    told(loc=loc, scale=1.0, mean=loc)
    sample("y", dist.Normal(loc, 1.0))


def steps(t):
    """A step function of knots of its own."""
    a, b = latents()
    level = jnp.stack([a, b, a + b])[jnp.searchsorted(jnp.array([1.0, 2.0]), t)]
    told(loc=level, scale=1.0, mean=level)
    with plate("hour", len(t)):
        sample("y", dist.Laplace(level, 1.0))


def partly_seen(t):
    """Some rows are masked and all are scaled."""
    a, b = latents()
    loc = a + b * t
    told(loc=loc, scale=0.5, mean=loc)
    with handlers.mask(mask=t > 1), handlers.scale(scale=2.0), plate("row", len(t)):
        sample("y", dist.Normal(loc, 0.5))


def row_by_row(t):
    """A function of one row, under vmap."""
    a, b = latents()
    rate = jax.vmap(lambda one: jnp.exp(a / 2) * jax.lax.fori_loop(0, 3, lambda _, x: jnp.tanh(x + b), one) ** 2)(t)
    told(rate=rate, mean=rate)
    with plate("row", len(t)):
        sample("y", dist.Poisson(rate))


def factors(t):
    """Several outcomes that share factors."""
    a, b = latents()
    loc = jnp.stack([a * t, b * t, t], -1)
    factor = jnp.ones((3, 2)).at[0, 1].set(a)
    told(loc=loc, cov_factor=factor, cov_diag=jnp.ones(3), mean=loc)
    with plate("person", len(t)):
        sample("y", dist.LowRankMultivariateNormal(loc, factor, jnp.ones(3)))


def interpolated(t):
    """A curve through knots."""
    a, b = latents()
    loc = jnp.interp(t, jnp.array([0.0, 1.5, 3.0]), jnp.stack([a, b, -a]))
    told(loc=loc, mean=loc)
    deterministic("told.scale", jnp.exp(b))
    sample("y", dist.Logistic(loc, jnp.exp(b)))


def seasonal(t):
    """Made of frequencies."""
    a, b = latents()
    coefs = jnp.zeros(len(t) // 2 + 1, jnp.complex64).at[1].set(a + 1j * b)
    loc = jnp.fft.irfft(coefs, len(t)) * len(t)
    told(loc=loc, scale=1.0, mean=loc)
    sample("y", dist.Normal(loc, 1.0).to_event(1))


def crossed(t):
    """Two plates that cross, and an effect of each."""
    a, b = latents()
    with plate("judge", 3, dim=-2):
        leniency = sample("leniency", dist.Normal(a, 0.1))
    loc = leniency + b * t
    told(loc=loc, mean=loc)
    with plate("judge", 3, dim=-2), plate("case", len(t), dim=-1):
        sample("y", dist.Normal(loc, 1.0))


def reparametrized(t):
    """Latents of another form are recorded."""
    a, b = latents()
    with handlers.reparam(config={"level": LocScaleReparam(0.0)}):
        level = sample("level", dist.Normal(a, jnp.exp(b)))
    told(loc=level + t, mean=level + t)
    sample("y", dist.Normal(level + t, 1.0))


def quantiles(t):
    """A quantile in place of a mean."""
    a, b = latents()
    loc = a + b * t
    told(loc=loc, mean=loc + (1 - 2 * 0.9) / (0.9 * (1 - 0.9)))
    sample("y", dist.AsymmetricLaplaceQuantile(loc, 1.0, 0.9))


class Trial(NamedTuple):
    dose: np.ndarray
    units: float = 2.0


def of_a_named_tuple(trial):
    """Data with names, one of which is a number."""
    _, b = latents()
    scale = trial.units * jnp.exp(b * trial.dose / 5)
    told(scale=scale, mean=scale * jnp.sqrt(2 / jnp.pi))
    with plate("dose", trial.dose.shape[0]):
        sample("y", dist.HalfNormal(scale))


def by_options(t, *, link="identity", power=1):
    """What is chosen by text and by whole numbers."""
    a, b = latents()
    mean = {"identity": lambda x: x**2, "exp": jnp.exp}[link](a + b * t**power)
    told(mean=mean, concentration=4.0, rate=4 / mean)
    with plate("row", len(t)):
        sample("y", dist.Gamma(4.0, 4 / mean))


class Lattice:
    """A model that is an object, with neighbours of its own."""

    near = np.diag(np.ones(N - 1), 1) + np.diag(np.ones(N - 1), -1)

    def __call__(self, t):
        a, b = latents()
        told(loc=a + b * t, mean=a + b * t)
        sample("y", dist.CAR(a + b * t, 0.5, 2.0, self.near))


LEVEL = {"leniency": RNG.normal(size=(D, 3, 1)), "level_decentered": RNG.normal(size=D)}
MODELS = {
    decay: (T,),
    direction: (T,),
    composition: (T,),
    votes: (T,),
    litters: (T,),
    empty_traps: (T,),
    below_a_limit: (T,),
    branch: (T,),
    steps: (T,),
    partly_seen: (T,),
    row_by_row: (T,),
    factors: (T,),
    interpolated: (T,),
    seasonal: (T,),
    crossed: (T,),
    reparametrized: (T,),
    quantiles: (T,),
    of_a_named_tuple: (Trial(T, 3.0),),
    functools.partial(by_options, link="exp", power=2): (T,),
    Lattice(): (T,),
}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: getattr(model, "__name__", type(model).__name__))
def test_samples_means_and_parameters_are_stocks(model):
    args = MODELS[model]
    picked = {"a": RNG.normal(size=D), "b": RNG.normal(size=D)}
    names = numpyro.handlers.trace(handlers.seed(model, 0)).get_trace(*args)
    picked.update({name: x for name, x in LEVEL.items() if name in names})
    picked = {name: x.astype(np.float32) for name, x in picked.items()}
    samples = {**picked, "told.mean": np.zeros((D, 99), np.float32)}  # of other rows
    truth = stock.Predictive(model, picked)(KEY, *args)
    drawn, mean, params = (Predictor(model, samples, kind=kind)(KEY, *args) for kind in ("samples", "mean", "params"))
    assert set(drawn.data_vars) == set(truth)
    for name, values in truth.items():
        np.testing.assert_allclose(drawn[name], values, rtol=2e-5, atol=2e-5, err_msg=name)
        output = f"y.{name.removeprefix('told.')}"
        if name.startswith("told.") and (output in params or name != "told.mean"):
            shape = np.broadcast_shapes(params[output].shape, values.shape)
            one, other = np.broadcast_to(params[output], shape), np.broadcast_to(values, shape)
            np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5, err_msg=name)
    np.testing.assert_allclose(mean["y"], truth["told.mean"], rtol=2e-4, atol=2e-5)
