"""The figures of the README: each is a ratio of two calls, measured in turns in one process.

``python -m pytest tests/benchmarks -o addopts=``. The lowest of many repetitions counts: what other work on the
machine adds is never part of it. The bars are printed, and not asserted.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import time
import tracemalloc

import jax
import jax.numpy as jnp
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import handlers, infer

import sanitize
from sanitize import inspect_sites, strip_deterministic
from sanitize.model import trace as trace_module
from sanitize.model.call import Call
from sanitize.model.index import out_of_range
from sanitize.model.inspection import Inspection

KEY = jax.random.PRNGKey(0)
DRAWS = 1000


def fastest(*calls, rounds):
    """The lowest time of each call, in seconds, taken in turns."""
    times = [[] for _ in calls]
    for i in range(rounds + 1):
        for call, of in zip(calls, times):
            start = time.perf_counter()
            jax.block_until_ready(call())
            if i:  # the first round warms up
                of.append(time.perf_counter() - start)
    return [min(of) for of in times]


def data(rows):
    return np.ones((rows, 3), np.float32), np.ones(rows, np.float32)


def posterior(rows=100):
    rng = np.random.default_rng(0)
    shapes = {"alpha": (), "beta": (3,), "sigma": (), "eta": (rows,)}
    samples = {name: rng.normal(size=(DRAWS, *shape)).astype(np.float32) for name, shape in shapes.items()}
    return {**samples, "sigma": np.abs(samples["sigma"])}


def traced(X, y=None):
    return handlers.trace(handlers.seed(models.regression, KEY)).get_trace(X, y)


def values(X, y=None):
    return {name: site["value"] for name, site in traced(X, y).items()}


@pytest.fixture(scope="module")
def small():
    return data(1000)


@pytest.fixture(scope="module")
def large():
    return data(10_000_000)


def test_rows_do_not_matter(benchmark, figure, small, large):
    few, many = fastest(
        lambda: inspect_sites(models.regression, *small), lambda: inspect_sites(models.regression, *large), rounds=60
    )
    figure("inspection at 10,000,000 rows against 1,000 rows", f"{many / few:.2f} times", "<= 1.3")
    benchmark.pedantic(inspect_sites, (models.regression, *large), rounds=5)


def test_memory(benchmark, figure, small, large):
    def peak(arguments):
        inspect_sites(models.regression, *arguments)
        tracemalloc.start()
        inspect_sites(models.regression, *arguments)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    more = benchmark.pedantic(lambda: peak(large) - peak(small), rounds=1)
    figure("the same: more memory (Python and NumPy)", f"{more / 1e6:.2f} MB", "< 5 MB")


@pytest.mark.parametrize("what", ["to predict", "with y observed"])
def test_against_one_run(benchmark, figure, large, what):
    arguments = large if what == "with y observed" else large[:1]
    ours, theirs = fastest(lambda: inspect_sites(models.regression, *arguments), lambda: values(*arguments), rounds=5)
    figure(
        f"inspection against one run of the model at 10,000,000 rows, {what}",
        f"{theirs / ours:.0f} times faster",
        ">= 100",
    )
    benchmark.pedantic(inspect_sites, (models.regression, *arguments), rounds=5)


def line():
    x = np.ones(1000, np.float32)
    return models.line, {"slope": np.ones(DRAWS), "intercept": np.ones(DRAWS), "mu": np.ones((DRAWS, 100))}, (x,)


def regression():
    return models.regression, posterior(), data(1000)[:1]


def panel():
    """Rows, groups and columns to be told apart."""
    X, index = np.ones((1000, 3), np.float32), np.zeros(1000, int)
    samples = {"location": np.ones(DRAWS), "effect": np.ones((DRAWS, 4)), "mu": np.ones((DRAWS, 100))}
    return models.group_effects, samples, (X[:, 0], index, 4)


@pytest.mark.parametrize(
    ("case", "what", "bar"),
    [
        (line, "scalar coefficients", "<= 4"),
        (regression, "a coefficient for each column", "<= 4"),
        (panel, "rows told from groups", "<= 12"),
    ],
)
def test_against_the_floor(benchmark, figure, monkeypatch, case, what, bar):
    model, samples, arguments = case()

    def trace(*arguments):
        return {n: s["value"] for n, s in handlers.trace(handlers.seed(model, KEY)).get_trace(*arguments).items()}

    arrays = [x for x in arguments if isinstance(x, np.ndarray)]
    rest = arguments[len(arrays) :]
    ours, floor = fastest(
        lambda: strip_deterministic(model, samples, *arguments),
        lambda: jax.eval_shape(lambda *a: trace(*a, *rest), *arrays),  # a new function: JAX remembers what it traced
        rounds=100,
    )
    runs, original = [], trace_module.run_in_mode
    monkeypatch.setattr(trace_module, "run_in_mode", lambda call: runs.append(call) or original(call))
    strip_deterministic(model, samples, *arguments)
    figure(
        f"`strip_deterministic` against one bare `jax.eval_shape` of the trace, {what} ({len(runs)} runs)",
        f"{ours / floor:.2f} times",
        bar,
    )
    benchmark.pedantic(strip_deterministic, (model, samples, *arguments), rounds=5)


def test_a_model_that_needs_values(benchmark, figure):
    """Rows are cut where the model computes with their values."""

    def model(x, group, y=None):
        levels, code = np.unique(np.asarray(group), return_inverse=True)
        effect = numpyro.sample("effect", dist.Normal().expand([len(levels)]))
        z = numpyro.sample("z", dist.Normal().expand([len(x)]))
        numpyro.sample("y", dist.Normal(z + effect[code] * x, 1.0), obs=y)

    rows = 10_000_000
    x, group = np.ones(rows, np.float32), np.arange(rows) % 5
    samples = {"effect": np.zeros((10, 5)), "z": np.zeros((10, 7))}
    (seconds,) = fastest(lambda: strip_deterministic(model, samples, x, group, new_rows=True) and None, rounds=2)
    figure("`strip_deterministic` of a model that needs values (np.unique), 10,000,000 rows", f"{seconds:.1f} s", "-")
    benchmark.pedantic(lambda: None, rounds=1)


@pytest.mark.parametrize("what", ["a[g]", "a[g - 1]", "guarded by where and maximum"])
def test_indices(benchmark, figure, what):
    """The check of an index, against NumPy's minimum and maximum of it."""
    picks = {
        "a[g]": lambda a, g: a[g],
        "a[g - 1]": lambda a, g: a[g - 1],
        "guarded by where and maximum": lambda a, g: jnp.where(g > 0, a[jnp.maximum(g, 0)], 0.0),
    }

    def model(g, y=None):
        effect = numpyro.sample("effect", dist.Normal().expand([6]))
        numpyro.sample("y", dist.Normal(picks[what](effect, g), 1.0), obs=y)

    index = (np.arange(10_000_000) % 5 + 1).astype(np.int32)
    inspection = Inspection.of(Call.of(model, (index,), {}))

    def check():
        return out_of_range(inspection.call, inspection.run)

    assert check() == ()
    ours, floor = fastest(check, lambda: [index.min(), index.max()], rounds=30)
    figure(
        f"the check of an index, {what}, against NumPy's `min` and `max`, 10,000,000 rows",
        f"{ours / floor:.2f} times",
        "<= 3",
    )
    benchmark.pedantic(check, rounds=5)


def test_apply(benchmark, figure):
    samples = {f"other{i}": np.zeros((10, 3)) for i in range(96)}
    samples.update(posterior())
    samples = {name: value[:10] for name, value in samples.items()}
    review = inspect_sites(models.regression, *data(100)).review(samples)
    names = review.kept

    def many(call):
        return lambda: [call() for _ in range(100)] and None

    ours, floor = fastest(
        many(lambda: review.apply(samples)), many(lambda: {name: samples[name] for name in names}), rounds=100
    )
    figure("`review.apply` on 100 entries against a dict comprehension", f"{ours / floor:.2f} times", "<= 3")
    benchmark.pedantic(review.apply, (samples,), rounds=5)


@pytest.mark.parametrize("parallel", [False, True])
def test_repeated_calls(benchmark, figure, parallel):
    X, samples = data(100)[0], posterior()
    latents = {name: samples[name] for name in ("alpha", "beta", "sigma")}
    ours = sanitize.Predictive(models.regression, samples, parallel=parallel)
    theirs = infer.Predictive(models.regression, latents, parallel=parallel)
    mine, stock = fastest(lambda: ours(KEY, X), lambda: theirs(KEY, X), rounds=150 if parallel else 30)
    one_run = fastest(lambda: inspect_sites(models.regression, X) and None, rounds=30)[0]
    figure(
        f"a repeated call of `Predictive` against stock, {DRAWS} draws, parallel={parallel}",
        f"{mine / stock:.3f} times, {(mine - stock) / one_run:+.1f} abstract runs",
        "+ at most 1 run",
    )
    benchmark.pedantic(ours, (KEY, X), rounds=5)


@pytest.mark.parametrize("name", ["regression", "groups"])
def test_the_first_call_in_a_fresh_process(figure, name):
    script = pathlib.Path(__file__).with_name("first_call.py")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("JAX_", "XLA_"))}

    def seconds(what):
        run = subprocess.run(
            [sys.executable, script, what, name], capture_output=True, text=True, check=True, env=environment
        )
        return float(run.stdout)

    times = [(seconds("strip"), seconds("stock")) for _ in range(5)]
    strip, stock = (statistics.median(of) for of in zip(*times))
    figure(
        f"first call of strip_deterministic in a fresh process, {name}", f"{strip / stock:.2f} times stock", "<= 0.5"
    )
