"""The figures of `Predictor`, side by side with stock and, where ``AIMZ_PYTHON`` names an interpreter, with aimz."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import jax
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import infer
from test_benchmarks import KEY, fastest

from sanitize import Predictor

HERE = pathlib.Path(__file__).parent
DRAWS = 1000


def large_run(*what, python=sys.executable):
    env = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
    command = [python, str(HERE / "large_run.py"), *what]
    result = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def posterior(**shapes):
    rng = np.random.default_rng(0)
    return {n: np.abs(rng.normal(size=(DRAWS, *shape))).astype(np.float32) for n, shape in shapes.items()}


def covariates(rows):
    return np.random.default_rng(rows).normal(size=(rows, 10)).astype(np.float32)


@jax.jit
def by_hand(key, draws, X):
    """What somebody would write who has no need of a model."""

    def one(key, draw):
        mu = draw["alpha"] + X @ draw["beta"]
        return {"mu": mu, "obs": mu + draw["sigma"] * jax.random.normal(key, mu.shape)}

    return jax.vmap(one)(jax.random.split(key, DRAWS), draws)


def in_numpy(arrays):
    return {name: np.array(x) for name, x in arrays.items()}


@pytest.mark.parametrize(("rows", "bar", "of_hand"), [(10, 2, 1.8), (1000, 1.5, 1.2), (20_000, 3, 0.55)])
def test_repeated_calls_of_the_predictor(benchmark, figure, rows, bar, of_hand):
    samples, X = posterior(alpha=(), beta=(10,), sigma=()), covariates(rows)
    predict = Predictor(models.regression, samples)
    calls = [lambda: predict(KEY, X) and None, lambda: in_numpy(by_hand(KEY, samples, X)) and None]
    for parallel in (False, True):
        mode = infer.Predictive(models.regression, samples, parallel=parallel)
        calls.append(lambda mode=mode: in_numpy(mode(KEY, X)) and None)
    ours, hand, *theirs = fastest(*calls, rounds=10 if rows < 20_000 else 5)
    times = ", ".join(f"{1e3 * t:.1f}" for t in (ours, hand, *theirs))
    what = f"a repeated call of `Predictor`, {DRAWS} draws x {rows} rows, against"
    figure(f"{what} the faster mode of stock", f"{min(theirs) / ours:.1f} times faster ({times} ms)", f">= {bar}")
    figure(f"{what} a hand-written `jit(vmap)`", f"{ours / hand:.2f} times", f"<= {of_hand}")
    benchmark.pedantic(predict, (KEY, X), rounds=3)


def test_a_new_shape(benchmark, figure):
    samples = posterior(alpha=(), beta=(10,), sigma=())
    predict, theirs = Predictor(models.regression, samples), infer.Predictive(models.regression, samples)
    times = {predict: [], theirs: []}
    for rows in (900, 1011, 1012, 1013, 1014, 1015):
        X = covariates(rows)
        for call, of in times.items():
            start = time.process_time()
            jax.block_until_ready(dict(call(KEY, X)))
            of.append(time.process_time() - start)
    ours, stock = (statistics.median(of[1:]) for of in times.values())
    figure(
        "`Predictor`, a new shape after the very first call: processor time against stock's default mode",
        f"{ours / stock:.2f} times ({1e3 * ours:.0f}, {1e3 * stock:.0f} ms)",
        "<= 1.1",
    )
    benchmark.pedantic(lambda: None, rounds=1)


def of_groups(group, J, y=None):
    mu, tau = numpyro.sample("mu", dist.Normal()), numpyro.sample("tau", dist.HalfNormal())
    with numpyro.plate("groups", J):
        effect = numpyro.sample("effect", dist.Normal(mu, tau))
    with numpyro.plate("data", len(group)):
        numpyro.sample("y", dist.Normal(effect[group], 1.0), obs=y)


def test_a_predictor_that_carries_on(benchmark, figure):
    group = np.arange(1100)
    fitted, all_of_them = posterior(mu=(), tau=(), effect=(1000,)), posterior(mu=(), tau=(), effect=(1100,))
    carrying, plain = Predictor(of_groups, fitted, extend="effect"), Predictor(of_groups, all_of_them)
    calls = [lambda predict=predict: predict(KEY, group, 1100) and None for predict in (carrying, plain)]
    ours, without = fastest(*calls, rounds=7)
    figure(
        f"`Predictor(extend=)`, repeated, {DRAWS} draws x 1,000 + 100 groups, against the same without `extend`",
        f"{ours / without:.2f} times ({1e3 * ours:.1f}, {1e3 * without:.1f} ms)",
        "<= 3",
    )
    benchmark.pedantic(lambda: None, rounds=1)


def test_compilations(benchmark, figure):
    counted, X = [], np.ones((10, 3), np.float32)
    predict = Predictor(models.regression, {"alpha": np.ones(50), "beta": np.ones((50, 3)), "sigma": np.ones(50)})
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: counted.append(1) if event.endswith("backend_compile_duration") else None
    )
    keys = list(jax.random.split(KEY, 101))  # which takes compilations of its own
    jax.random.split(keys[0], 50)
    del counted[:]
    for i in range(100):
        predict(keys[i], X + i)
    figure(
        "compilations in 100 calls of one shape", f"{len(counted)} (`Predictor` {len(predict._batches.answers)})", "1"
    )
    benchmark.pedantic(predict, (KEY, X), rounds=3)


def test_large_predictions(benchmark, figure):
    python = os.environ.get("AIMZ_PYTHON")
    whats = {"sanitize": ["sanitize"], "aimz": ["aimz"], "aimz by draws": ["aimz", "draws"]}
    runs = {name: [] for name in whats if python or name == "sanitize"}
    for _ in range(3):
        for name, of in runs.items():
            of.append(large_run(*whats[name], python=python or sys.executable))
    for name, of in runs.items():
        seconds, grown = [r["seconds"] for r in of], [r["grown"] for r in of]
        figure(
            f"4,000 draws x 100,000 rows to Zarr, {name}: growth of peak memory; seconds, median of 3",
            f"{min(grown):.0f} to {max(grown):.0f} MB; {statistics.median(seconds):.1f} "
            f"({min(seconds):.1f} to {max(seconds):.1f})",
            "<= 400 MB; <= aimz" if name == "sanitize" else "-",
        )
    benchmark.pedantic(lambda: None, rounds=1)


def test_a_mean_of_a_million_rows(benchmark, figure):
    mean, quantiles = large_run("mean"), large_run("quantiles")
    figure(
        "the mean over 4,000 draws of 1,000,000 rows, lazy: peak of the process",
        f"{mean['peak']:.0f} MB in {mean['seconds']:.0f} s",
        "<= 1 GB",
    )
    figure(
        "five quantiles of 200,000 rows, 20,000 a call: peak of the process; against the mean of as many",
        f"{quantiles['peak']:.0f} MB; {5 * quantiles['seconds'] / mean['seconds']:.1f} times",
        "<= 1 GB; <= 2.5",
    )
    benchmark.pedantic(lambda: None, rounds=1)
