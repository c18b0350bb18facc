"""The figures of `Predictor`, side by side with stock and, where ``AIMZ_PYTHON`` names an interpreter, with aimz."""

import json
import os
import pathlib
import statistics
import subprocess
import sys

import jax
import models
import numpy as np
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


@pytest.mark.parametrize(("rows", "bar"), [(10, 2), (1000, 1.5), (20_000, 3)])
def test_repeated_calls_of_the_predictor(benchmark, figure, rows, bar):
    rng = np.random.default_rng(0)
    shapes = {"alpha": (), "beta": (10,), "sigma": ()}
    samples = {n: np.abs(rng.normal(size=(DRAWS, *shape))).astype(np.float32) for n, shape in shapes.items()}
    X = rng.normal(size=(rows, 10)).astype(np.float32)
    predict = Predictor(models.regression, samples)
    modes = [infer.Predictive(models.regression, samples, parallel=parallel) for parallel in (False, True)]
    calls = [lambda mode=mode: {n: np.asarray(x) for n, x in mode(KEY, X).items()} for mode in modes]
    ours, *theirs = fastest(lambda: predict(KEY, X) and None, *calls, rounds=10 if rows < 20_000 else 5)
    times = ", ".join(f"{1e3 * t:.1f}" for t in (ours, *theirs))
    figure(
        f"a repeated call of `Predictor`, {DRAWS} draws x {rows} rows, against the faster mode of stock",
        f"{min(theirs) / ours:.1f} times faster ({times} ms)",
        f">= {bar}",
    )
    benchmark.pedantic(predict, (KEY, X), rounds=3)


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
    for _ in range(5):
        for name, of in runs.items():
            of.append(large_run(*whats[name], python=python or sys.executable))
    for name, of in runs.items():
        seconds, grown = [r["seconds"] for r in of], [r["grown"] for r in of]
        figure(
            f"4,000 draws x 100,000 rows to Zarr, {name}: growth of peak memory; seconds, median of 5",
            f"{min(grown):.0f} to {max(grown):.0f} MB; {statistics.median(seconds):.1f} "
            f"({min(seconds):.1f} to {max(seconds):.1f})",
            "<= 400 MB; <= aimz" if name == "sanitize" else "-",
        )
    benchmark.pedantic(lambda: None, rounds=1)


def test_a_mean_of_a_million_rows(benchmark, figure):
    result = large_run("mean")
    figure(
        "the mean over 4,000 draws of 1,000,000 rows, lazy: peak of the process",
        f"{result['peak']:.0f} MB in {result['seconds']:.0f} s",
        "<= 1 GB",
    )
    benchmark.pedantic(lambda: None, rounds=1)
