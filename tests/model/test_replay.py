"""Runs with values: what is put in, what differs, and that no mistake of ours is silent."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from fits import Fitted
from numpyro.contrib.control_flow import scan
from textbook_models import TEXTBOOK, record_fit
from warned import warned

from sanitize import strip_deterministic
from sanitize.infer import _substitutes_deterministic
from sanitize.model import replay as engine
from sanitize.model.call import Call
from sanitize.model.replay import (
    attempt,
    differ,
    differences,
    few_rows,
    repeated,
    replay,
    replay_again,
    rows_along_each,
    rows_at,
    whole,
)

X = np.arange(20.0, dtype=np.float32)


def regression(x, y=None):
    slope = numpyro.sample("slope", dist.Normal())
    noise = numpyro.sample("noise", dist.Normal().expand([len(x)]))
    mu = numpyro.deterministic("mu", slope * x)
    numpyro.sample("y", dist.Normal(mu + noise, 1.0), obs=y)


def test_a_draw_is_put_in_and_repeated_for_other_rows():
    call = Call.of(regression, (X,), {})
    draw = {"slope": np.float32(2.0), "noise": np.array([1.0, 2.0]), "mu": np.zeros(20)}
    outcome = replay(call, repeated(draw, replay(call, {})))
    np.testing.assert_allclose(outcome["mu"].value, 2 * X)
    np.testing.assert_allclose(outcome["y"].arrays["loc"], 2 * X + np.tile([1.0, 2.0], 10))
    assert (outcome["y"].kind, outcome["mu"].kind) == ("latent", "deterministic")


@pytest.mark.skipif(not _substitutes_deterministic(), reason="NumPyro puts recorded values back since 0.14")
def test_a_recorded_value_is_put_in_only_if_it_is_kept():
    call = Call.of(regression, (X,), {"y": X})
    outcome = replay(call, {"noise": np.zeros(20), "mu": np.ones(20), "y": np.zeros(20)}, kept=("mu",))
    np.testing.assert_allclose(outcome["y"].arrays["loc"], 1.0)
    np.testing.assert_allclose(outcome["y"].value, X)  # data stay


def test_runs_that_differ_in_values_only_run_the_model_once():
    runs = []

    def model(x):
        runs.append(x)
        numpyro.sample("y", dist.Normal(numpyro.sample("slope", dist.Normal()) * x, 1.0))

    programs = {}
    for slope in (1.0, 2.0):
        for x in (X, X + 1):
            outcome = replay_again(Call.of(model, (x,), {}), {"slope": np.float32(slope)}, (), programs)
            np.testing.assert_allclose(outcome["y"].arrays["loc"], slope * x)
            assert (outcome["y"].kind, outcome["y"].shape) == ("latent", (20,))
    assert len(runs) == 1


def test_a_series_in_a_scan_is_put_in_step_by_step():
    def walk(x):
        def step(level, x):
            level = numpyro.sample("level", dist.Normal(level, 1.0))
            return level, None

        scan(step, 0.0, x)

    outcome = replay(Call.of(walk, (X,), {}), {"level": jnp.asarray(X)})
    np.testing.assert_allclose(outcome["level"].value, X)


def test_few_rows_have_a_length_that_nothing_else_has():
    def model(x, features):
        numpyro.sample("y", dist.Normal(x + features.sum(), 1.0))

    call = Call.of(model, (X, np.zeros(8)), {})
    (axis,) = [axis for axis in engine.lengths_of(call) if axis.length == 20]
    few, lengths = few_rows(call, [(axis,)])
    assert lengths == {(axis,): 9}
    assert [leaf.shape for leaf in few.leaves] == [(9,), (8,)]


@pytest.mark.parametrize(
    ("one", "other", "is_other"),
    [
        (1.0, 1.0 + 1e-5, False),
        (1.0, 1.01, True),
        ([np.nan, 1.0], [np.nan, 1.0], False),
        ([np.nan, 1.0], [0.0, 1.0], True),
        ([1e-6, 100.0], [0.0, 100.0], False),  # the largest number tells how exact a sum can be
        ([True, False], [True, True], True),
        (np.array([1, 2], np.uint8), np.array([2, 1], np.uint8), True),
        ([1.0], [1.0, 1.0], True),
    ],
)
def test_what_differs_by_more_than_rounding(one, other, is_other):
    assert differ(one, other) is is_other


def test_differences_are_told_by_site_parameter_and_size():
    call = Call.of(regression, (X,), {})
    draw = {"slope": np.float32(1.0), "noise": np.zeros(20, np.float32)}
    moved = draw["noise"].copy()
    moved[0] = 3.0
    before, after = replay(call, draw), replay(call, {**draw, "noise": moved})
    assert [*differences(before, after, ["mu", "y"], whole)] == [("y", "loc", 3.0)]
    later = np.arange(20) > 0
    assert not [*differences(before, after, ["y"], rows_at(later))]
    assert not [*differences(before, after, ["y"], rows_along_each(later))]


def test_only_attempt_makes_a_silence_of_an_exception(monkeypatch):
    def broken():
        raise KeyError("a mistake")

    assert attempt(broken) is None
    monkeypatch.setattr(engine, "RAISE", True)
    with pytest.raises(KeyError):
        attempt(broken)


ROUTINE = ["polynomial", "radon", "gaussian_process", "linear_regression", "varying_intercepts", "patients", "ar2"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (i > 2)) for i, name in enumerate(ROUTINE)]
)
def test_in_routine_models_nothing_is_swallowed(name, monkeypatch):
    model, args, kwargs = TEXTBOOK[name]
    samples = record_fit(model, args, kwargs)
    others = [leaf + 1 if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" else leaf for leaf in args]
    monkeypatch.setattr(engine, "RAISE", True)
    with warned():
        strip_deterministic(model, samples, *args, **kwargs)
        strip_deterministic(model, samples, *others, **kwargs)
        strip_deterministic(model, Fitted(model, *args, **kwargs), *others, **kwargs)
