"""`extend`, repeated, against a `vmap` that is written by hand for the model, in one process."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax import random
from jax.scipy.linalg import solve_triangular
from test_benchmarks import KEY, fastest

from sanitize import extend

DRAWS = 1000
RNG = np.random.default_rng(0)


def groups(n, y=None):
    tau = numpyro.sample("tau", dist.HalfNormal(1.0))
    with numpyro.plate("group", n):
        x = numpyro.sample("x", dist.Normal(0.0, tau))
        numpyro.sample("y", dist.Normal(x, 1.0), obs=y)


def more_groups(key, draw, n):
    new = draw["tau"] * random.normal(key, (n - draw["x"].shape[0],))
    return jnp.concatenate([draw["x"], new])


def walk(n, y=None):
    tau = numpyro.sample("tau", dist.HalfNormal(1.0))
    x = numpyro.sample("x", dist.GaussianRandomWalk(tau, n))
    numpyro.sample("y", dist.Normal(x, 1.0), obs=y)


def more_steps(key, draw, n):
    new = draw["tau"] * random.normal(key, (n - draw["x"].shape[0],))
    return jnp.concatenate([draw["x"], draw["x"][-1] + jnp.cumsum(new)])


def kernel(n, width):
    grid = jnp.arange(n) / 10
    return jnp.exp(-0.5 * ((grid[:, None] - grid) / width) ** 2) + 1e-2 * jnp.eye(n)


def process(n, y=None):
    tau = numpyro.sample("tau", dist.LogNormal(0.0, 0.1))
    x = numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(n), covariance_matrix=kernel(n, tau)))
    numpyro.sample("y", dist.Normal(x, 1.0), obs=y)


def more_inputs(key, draw, n):
    r = draw["x"].shape[0]
    scale = jnp.linalg.cholesky(kernel(n, draw["tau"]))
    first = solve_triangular(scale[:r, :r], draw["x"], lower=True)
    noise = jnp.concatenate([first, random.normal(key, (n - r,))])
    return jnp.concatenate([draw["x"], (scale @ noise)[r:]])


@pytest.mark.parametrize(
    ("model", "by_hand", "was", "more", "bar"),
    [(groups, more_groups, 1000, 100, 3), (walk, more_steps, 500, 12, 2), (process, more_inputs, 200, 50, 2)],
)
def test_extend_repeated(benchmark, figure, model, by_hand, was, more, bar):
    tau = np.exp(0.1 * RNG.normal(size=DRAWS)).astype(np.float32)
    samples = {"tau": tau, "x": RNG.normal(size=(DRAWS, was)).astype(np.float32)}
    if model is process:
        innovations = RNG.normal(size=(DRAWS, was)).astype(np.float32)
        scale = np.linalg.cholesky(np.asarray(jax.vmap(lambda width: kernel(was, width))(tau), float))
        samples["x"] = (scale @ innovations[..., None])[..., 0].astype(np.float32)
    drawn = jax.jit(jax.vmap(lambda key, draw: by_hand(key, draw, was + more)))
    ours, theirs = fastest(
        lambda: extend(model, samples, KEY, was + more, sites="x")["x"],
        lambda: np.asarray(drawn(random.split(KEY, DRAWS), samples)),
        rounds=5,
    )
    figure(
        f"`extend` repeated, {was} + {more} of {model.__name__}, against a `vmap` by hand",
        f"{ours / theirs:.1f} ({1e3 * ours:.1f} against {1e3 * theirs:.1f} ms)",
        f"<= {bar}",
    )
    benchmark.pedantic(extend, (model, samples, KEY, was + more), {"sites": "x"}, rounds=3)
