"""Threads: NumPyro's stack of handlers is one for the process, so that runs of ours take turns."""

import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.primitives import _PYRO_STACK

from sanitize import inspect_sites, strip_deterministic
from sanitize.model import trace

THREADS, ROUNDS = 8, 4
x = np.linspace(0.0, 1.0, 5, dtype=np.float32)
X = np.stack([x, x**2, x**3], -1)

# A model, the arguments to predict with, and the entries that stay; no two share their sites.
JOBS = {
    "regression": (models.regression, (X,), {"alpha", "beta", "sigma"}),
    "line": (models.line, (x,), {"intercept", "slope"}),
    "row effects": (models.row_effects, (x,), {"sigma", "z"}),
    "group effects": (models.group_effects, (x, np.arange(5) % 4, 4), {"location", "effect"}),
    "schools": (models.noncentred_schools, (5, x + 1), {"mu", "tau", "theta_decentered"}),
    "horseshoe": (models.horseshoe, (X,), {"tau", "lambdas", "unscaled"}),
    "multi-output": (models.multi_output, (X,), {"W"}),
    "concrete": (models.concrete_groups, (x, np.arange(5) % 4), {"effect"}),
}


def describe(name):
    """All that can be asked of one job, in plain Python."""
    model, args, _ = JOBS[name]
    table = inspect_sites(model, *args)
    samples = made_up(table)
    clean = strip_deterministic(model, samples, *args, new_rows=False)
    review = table.review(samples, new_rows=False)
    return repr(table), repr(review), sorted(clean)


def made_up(table):
    return {
        n: np.ones((3, *table.inspection.run.sites[n].shape), np.float32)
        for n in table
        if table.inspection.run.sites[n].kind != "plate"
    }


def together(work, arguments):
    """All threads start at the same moment, and every result comes back."""
    start = threading.Barrier(len(arguments))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # as many interleavings as can be had

    def run(argument):
        start.wait(60)
        return [work(argument) for _ in range(ROUNDS)]

    try:
        with ThreadPoolExecutor(len(arguments)) as pool:
            return list(pool.map(run, arguments))
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.slow
def test_eight_threads_give_the_results_of_one():
    """Different models inspected, reviewed and stripped at once; then the same model by all."""
    alone = {name: describe(name) for name in JOBS}
    for name, (_, _, kept) in JOBS.items():
        assert set(alone[name][2]) == kept
    assert len(JOBS) == THREADS
    for names in (list(JOBS), ["regression"] * THREADS):
        for name, results in zip(names, together(describe, names)):
            assert results == [alone[name]] * ROUNDS
    assert not _PYRO_STACK


def test_one_table_may_be_asked_by_all_threads():
    """Its probes run when first needed, whoever needs them."""
    table = inspect_sites(models.row_effects, x)
    alone = repr(inspect_sites(models.row_effects, x))
    assert together(lambda _: repr(table), list(range(THREADS))) == [[alone] * ROUNDS] * THREADS


def test_a_model_that_strips_on_its_own_does_not_lock_itself_out():
    """The lock is re-entrant: a model may predict with a sanitized posterior of another."""

    def outer(x, y=None):
        inner = strip_deterministic(models.line, {"intercept": np.zeros(3), "slope": np.ones(3)}, x)
        slope = numpyro.sample("slope", dist.Normal(inner["slope"].mean(), 1.0))
        numpyro.sample("obs", dist.Normal(slope * x, 1.0), obs=y)

    results = together(lambda _: list(inspect_sites(outer, x)), list(range(THREADS)))
    assert results == [[["slope", "obs"]] * ROUNDS] * THREADS


def test_failures_of_one_thread_are_not_those_of_another():
    """A model that raises leaves neither the lock taken nor a handler open."""

    def work(i):
        if i % 2:
            return list(inspect_sites(models.line, x))
        with pytest.raises(RuntimeError):
            inspect_sites(models.nested_failure, x)
        return None

    alone = list(inspect_sites(models.line, x))
    results = together(work, list(range(THREADS)))
    assert results == [[alone if i % 2 else None] * ROUNDS for i in range(THREADS)]
    assert not _PYRO_STACK
    assert trace.ONE_RUN_AT_A_TIME.acquire(blocking=False)
    trace.ONE_RUN_AT_A_TIME.release()


def test_the_filters_of_warnings_are_as_they_were(monkeypatch):
    """Python's `catch_warnings` is one for the process too: left in the order of entering, it silences all for good."""
    second_is_in, first_is_out = threading.Event(), threading.Event()

    def run(call):
        if call == "first":
            second_is_in.wait(0.5)  # in vain where runs take turns
        else:
            second_is_in.set()
            first_is_out.wait(0.5)
        return None, call

    monkeypatch.setattr(trace, "run_in_mode", run)
    before = list(warnings.filters)
    threads = [threading.Thread(target=trace.try_run, args=(call,)) for call in ("first", "second")]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    threads[0].join()
    first_is_out.set()
    threads[1].join()
    after, warnings.filters[:] = list(warnings.filters), before
    assert after == before
