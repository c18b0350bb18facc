"""One large prediction in a process of its own: prints seconds, and by how many MB the peak of memory grew.

``python large_run.py sanitize|aimz|mean|quantiles``
"""

import json
import pathlib
import sys
import tempfile
import time

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist

DRAWS, ROWS = 4000, 100_000


def model(X, y=None):
    alpha = numpyro.sample("alpha", dist.Normal(0.0, 1.0))
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([X.shape[1]]).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0))
    with numpyro.plate("data", X.shape[0]):
        numpyro.sample("y", dist.Normal(alpha + X @ beta, sigma), obs=y)


def data(rows):
    rng = np.random.default_rng(0)
    samples = {"alpha": rng.normal(size=DRAWS), "beta": rng.normal(size=(DRAWS, 10)), "sigma": np.ones(DRAWS)}
    return rng.normal(size=(rows, 10)).astype(np.float32), {n: x.astype(np.float32) for n, x in samples.items()}


def peak():
    """In MB, of this process alone: ``ru_maxrss`` of a child starts at the peak of its parent."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmHWM in /proc/self/status")


def run_sanitize(X, samples, directory):
    from sanitize import Predictor

    predict = Predictor(model, samples, batch_size=100, lazy=True)
    return lambda: predict(jax.random.PRNGKey(0), X).to_zarr(f"{directory}/{time.time()}.zarr", consolidated=False)


def run_mean(X, samples, directory):
    from sanitize import Predictor

    predict = Predictor(model, samples, kind="mean", lazy=True)
    return lambda: predict(jax.random.PRNGKey(0), X)["y"].mean("draw").compute()


def run_quantiles(X, samples, directory):
    from sanitize import Predictor

    predict = Predictor(model, samples, kind="mean", lazy=True)
    rows = 20_000  # a block: quantiles need all draws of a row at once

    def in_blocks():
        for first in range(0, len(X), rows):
            mean = predict(jax.random.PRNGKey(0), X[first : first + rows])["y"].compute()
            mean.quantile([0.05, 0.25, 0.5, 0.75, 0.95], "draw")

    return in_blocks


def run_aimz(X, samples, directory):
    from aimz import ImpactModel
    from numpyro.infer import SVI, Trace_ELBO
    from numpyro.infer.autoguide import AutoNormal

    svi = SVI(model, AutoNormal(model), numpyro.optim.Adam(0.1), Trace_ELBO())
    aimz = ImpactModel(model, rng_key=jax.random.PRNGKey(0), inference=svi)
    aimz.set_posterior_sample({name: jax.numpy.asarray(x) for name, x in samples.items()})
    options = {"shard_axis": "draw", "batch_size": 100} if "draws" in sys.argv else {}
    return lambda: aimz.predict(X, output_dir=directory, progress=False, **options)


if __name__ == "__main__":
    what = sys.argv[1]
    X, samples = data({"mean": 1_000_000, "quantiles": 200_000}.get(what, ROWS))
    with tempfile.TemporaryDirectory() as directory:
        run = {"sanitize": run_sanitize, "aimz": run_aimz, "mean": run_mean, "quantiles": run_quantiles}[what](
            X, samples, directory
        )
        before, start = peak(), time.perf_counter()
        run()
        print(json.dumps({"seconds": time.perf_counter() - start, "grown": peak() - before, "peak": peak()}))
