"""What a compiled prediction costs beside the same written by hand, and what carrying on costs beside its formula."""

import time

import jax
import jax.numpy as jnp
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import handlers, infer
from test_benchmarks import KEY, fastest
from test_predictor_benchmarks import DRAWS, large_run

from sanitize import Predictor, extend

RNG = np.random.default_rng(0)


def draws_of(**shapes):
    return {name: np.abs(RNG.normal(size=(DRAWS, *shape))).astype(np.float32) for name, shape in shapes.items()}


def by_hand(model, return_site):
    """One draw of a site, compiled for many draws: what a user writes who needs speed."""

    def one(key, draw, *args):
        seeded = handlers.seed(handlers.substitute(model, draw), key)
        return handlers.trace(seeded).get_trace(*args)[return_site]["value"]

    return jax.jit(
        lambda key, draws, *args: jax.vmap(lambda k, d: one(k, d, *args))(jax.random.split(key, DRAWS), draws)
    )


@pytest.mark.parametrize(("rows", "bar"), [(10, 1.8), (1000, 1.2), (20_000, 0.55)])
def test_a_call_against_a_vmap(figure, rows, bar):
    samples = draws_of(alpha=(), beta=(10,), sigma=())
    X = RNG.normal(size=(rows, 10)).astype(np.float32)
    predict, one = Predictor(models.regression, samples), by_hand(models.regression, "obs")
    ours, theirs = fastest(
        lambda: predict(KEY, X) and None,
        lambda: np.asarray(one(KEY, samples, X)),
        rounds=30 if rows < 20_000 else 5,
    )
    what = f"a repeated call of `Predictor`, {DRAWS} draws x {rows} rows, against a `jit(vmap)` by hand"
    figure(what, f"{ours / theirs:.2f} times the time", f"<= {bar}")


def test_a_new_shape(figure):
    samples = draws_of(alpha=(), beta=(10,), sigma=())
    predict, stock = Predictor(models.regression, samples), infer.Predictive(models.regression, samples)
    seconds = {"ours": [], "stock": []}
    for rows in range(100, 107):
        X = RNG.normal(size=(rows, 10)).astype(np.float32)
        for name, call in (("ours", predict), ("stock", stock)):
            start = time.process_time()
            {site: np.asarray(x) for site, x in call(KEY, X).items()}
            seconds[name].append(time.process_time() - start)
    ours, theirs = (sorted(of[1:])[len(of) // 2] for of in seconds.values())
    what = "a call of `Predictor` with a new shape, against stock's, processor time, median of 6"
    figure(what, f"{ours / theirs:.2f} times", "<= 1.1")


def groups(x, group, n, y=None):
    spread = numpyro.sample("spread", dist.HalfNormal(1.0))
    with numpyro.plate("groups", n):
        effect = numpyro.sample("effect", dist.Normal(0.0, spread))
    with numpyro.plate("rows", len(x)):
        numpyro.sample("y", dist.Normal(x + effect[group], 1.0), obs=y)


def walk(n, y=None):
    scale = numpyro.sample("scale", dist.HalfNormal(1.0))
    level = numpyro.sample("level", dist.GaussianRandomWalk(scale, num_steps=n))
    numpyro.sample("y", dist.Normal(level, 1.0), obs=y)


def kernel(x, other, length):
    return jnp.exp(-0.5 * ((x[:, None] - other) / length) ** 2)


def process(x, y=None):
    length = numpyro.sample("length", dist.HalfNormal(1.0))
    noise = 1e-2 * jnp.eye(len(x))
    f = numpyro.sample("f", dist.MultivariateNormal(jnp.zeros(len(x)), kernel(x, x, length) + noise))
    numpyro.sample("y", dist.Normal(f, 0.1), obs=y)


def more_groups(key, draw):
    return jnp.concatenate([draw["effect"], draw["spread"] * jax.random.normal(key, (100,))])


def more_steps(key, draw):
    steps = draw["scale"] * jax.random.normal(key, (12,))
    return jnp.concatenate([draw["level"], draw["level"][-1] + jnp.cumsum(steps)])


def more_inputs(key, draw):
    length, f = draw["length"], draw["f"]
    factor = jnp.linalg.cholesky(kernel(INPUTS[:200], INPUTS[:200], length) + 1e-2 * jnp.eye(200))
    solved = jax.scipy.linalg.solve_triangular(factor, kernel(INPUTS[:200], INPUTS[200:], length), lower=True)
    mean = solved.T @ jax.scipy.linalg.solve_triangular(factor, f, lower=True)
    rest = kernel(INPUTS[200:], INPUTS[200:], length) + 1e-2 * jnp.eye(50) - solved.T @ solved
    return jnp.concatenate([f, mean + jnp.linalg.cholesky(rest) @ jax.random.normal(key, (50,))])


INPUTS = np.linspace(0.0, 20.0, 250).astype(np.float32)
EXTENSIONS = {
    "1,000 + 100 groups": (groups, (INPUTS, np.arange(250), 1100), "effect", 1000, more_groups, 3),
    "a walk of 500 + 12 steps": (walk, (512,), "level", 500, more_steps, 2),
    "a Gaussian process at 200 + 50 inputs": (process, (INPUTS,), "f", 200, more_inputs, 2),
}
GLOBALS = {"effect": "spread", "level": "scale", "f": "length"}


def fitted(model, site, length):
    samples = draws_of(**{GLOBALS[site]: ()})
    samples[GLOBALS[site]] += 0.5
    if site == "f":  # its values have to be such as its distribution gives
        smooth = np.linalg.cholesky(kernel(INPUTS[:length], INPUTS[:length], 1.0) + 1e-2 * np.eye(length))
        return {"length": np.ones(DRAWS, np.float32), "f": (RNG.normal(size=(DRAWS, length)) @ smooth.T).astype("f4")}
    return {**samples, site: RNG.normal(size=(DRAWS, length)).astype(np.float32)}


@pytest.mark.parametrize("what", EXTENSIONS)
def test_extend(figure, what):
    model, args, site, length, formula, bar = EXTENSIONS[what]
    samples = fitted(model, site, length)
    written = jax.jit(lambda key: jax.vmap(formula)(jax.random.split(key, DRAWS), samples))
    ours, theirs = fastest(
        lambda: extend(model, samples, KEY, *args, sites=site)[site],
        lambda: written(KEY),
        rounds=5,
    )
    figure(f"`extend`, repeated, {what}, against a `vmap` by hand", f"{ours / theirs:.1f} times", f"<= {bar}")


@pytest.mark.parametrize("what", [*EXTENSIONS][:2])
def test_predictor_with_extend(figure, what):
    model, args, site, length, _, _ = EXTENSIONS[what]
    samples = fitted(model, site, length)
    whole = fitted(model, site, length + (100 if site == "effect" else 12))
    carrying, plain = Predictor(model, samples, extend=site), Predictor(model, whole, new_rows=False)
    ours, theirs = fastest(lambda: carrying(KEY, *args) and None, lambda: plain(KEY, *args) and None, rounds=5)
    figure(f"`Predictor(extend=)`, repeated, {what}, against the same without", f"{ours / theirs:.1f} times", "<= 3")


def test_quantiles_of_a_million_rows(figure):
    quantiles, mean = large_run("quantiles"), large_run("mean")
    figure(
        "five quantiles over 4,000 draws of the mean of 1,000,000 rows, in blocks of rows: peak; time against one mean",
        f"{quantiles['peak']:.0f} MB; {quantiles['seconds'] / mean['seconds']:.1f} times",
        "<= 1 GB; <= 2.5",
    )
