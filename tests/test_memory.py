"""What an instance remembers of one call holds for the next one, whatever the values of its arguments are.

Each law is checked with two calls of the same shapes, in both orders: what is said of the second is what a new instance
says of it.
"""

import functools

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from models import row_effects
from numpyro.infer import MCMC, NUTS
from since import OF_PREDICTOR
from warned import warned

from sanitize import (
    DataStatisticWarning,
    IndexRangeWarning,
    Predictive,
    Predictor,
    RedrawnSiteWarning,
    RowLevelSiteWarning,
)

KEY = jax.random.PRNGKey(0)
KINDS = [
    pytest.param(Predictor, marks=OF_PREDICTOR),
    Predictive,
]
ORDERS = pytest.mark.parametrize("turned", [False, True])


def groups(group, y=None):
    effect = numpyro.sample("effect", dist.Normal(0.0, 1.0).expand([5]))
    numpyro.sample("y", dist.Normal(effect[group], 1.0), obs=y)


def crossed(data, region, y=None):
    effect = numpyro.sample("effect", dist.Normal(0.0, 1.0).expand([5]))
    level = numpyro.sample("level", dist.Normal(0.0, 1.0).expand([3]))
    mu = effect[data["group"]] + level[region] * data["x"]
    numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def framed(frame, y=None):
    effect = numpyro.sample("effect", dist.Normal(0.0, 1.0).expand([5]))
    numpyro.sample("y", dist.Normal(effect[frame["group"].to_numpy()], 1.0), obs=y)


def centred(x, weight, y=None):
    slope = numpyro.sample("slope", dist.Normal())
    numpyro.sample("y", dist.Normal(slope * (x - weight * x.mean()), 1.0), obs=y)


EFFECTS = {"effect": np.linspace(-1, 1, 20, dtype=np.float32).reshape(4, 5), "level": np.ones((4, 3), np.float32)}
SLOPES = {"slope": np.linspace(1, 2, 4, dtype=np.float32)}
X = np.array([1.0, 2.0, 4.0], np.float32)
GOOD, BAD = np.array([0, 4, 1]), np.array([0, 7, 1])
ROWS = np.array([0, 2, 1])


def of_groups(group, region=ROWS):
    return {"group": group, "x": X}, region


CASES = {
    "an index": (groups, EFFECTS, (GOOD,), (BAD,)),
    "a negative index": (groups, EFFECTS, (GOOD,), (np.array([0, -1, 1]),)),
    "an index in a dict": (crossed, EFFECTS, of_groups(GOOD), of_groups(BAD)),
    "a second index": (crossed, EFFECTS, of_groups(GOOD), of_groups(GOOD, ROWS + 1)),
    "another of two": (crossed, EFFECTS, of_groups(BAD), of_groups(GOOD, ROWS + 1)),
    "an index in a frame": (framed, EFFECTS, (pd.DataFrame({"group": GOOD}),), (pd.DataFrame({"group": BAD}),)),
    "a statistic with a number": (centred, SLOPES, (X, 0.0), (X, 1.0)),
    "a statistic with a weight": (centred, SLOPES, (X, np.zeros(3, np.float32)), (X, np.ones(3, np.float32))),
}


FAST = "a statistic with a weight"  # the others are left to the slow set


def said(predict, arguments):
    with warned() as caught:
        predict(KEY, *arguments)
    return [(m.category, f"{m.message} {getattr(m.message, 'indices', '')}") for m in caught]


def categories(predict, arguments):
    return [category for category, _ in said(predict, arguments)]


@ORDERS
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", [FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in CASES if name != FAST)]
)
def test_what_is_said_of_a_call_does_not_depend_on_the_call_before(kind, name, turned):
    model, samples, *calls = CASES[name]
    first, second = reversed(calls) if turned else calls
    samples = {n: x for n, x in samples.items() if n != "level" or model is crossed}
    predict, expected = kind(model, samples), said(kind(model, samples), second)
    assert said(predict, first) != expected
    for _ in range(2):
        assert said(predict, second) == expected
    assert said(predict, first) != expected


@pytest.mark.parametrize("kind", KINDS)
def test_each_warning_is_of_its_class(kind):
    with pytest.warns(IndexRangeWarning, match="'group'"):
        kind(groups, {"effect": EFFECTS["effect"]})(KEY, BAD)
    with pytest.warns(DataStatisticWarning, match="'x'"):
        kind(centred, SLOPES)(KEY, X, np.ones(3, np.float32))


@pytest.fixture(scope="module")
def fitted():
    mcmc = MCMC(NUTS(row_effects), num_warmup=3, num_samples=4, progress_bar=False)
    mcmc.run(KEY, X, X)
    return mcmc


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_compared_with_those_of_the_fit_at_every_call(fitted, kind):
    predict, others = kind(row_effects, fitted), (X + 1, X[::-1].copy())
    for x in (X, *others, X, others[0]):
        found = categories(predict, (x,))
        assert (RedrawnSiteWarning in found) is (x is not X)


def two_columns(x, z, y=None):
    with numpyro.plate("row", len(x)):
        effect = numpyro.sample("effect", dist.Normal(0.0, 1.0))
        numpyro.sample("y", dist.Normal(effect + x + z, 1.0), obs=y)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_which_one_column_is_the_fits_are_kept_on_a_guess(kind):
    mcmc = MCMC(NUTS(two_columns), num_warmup=3, num_samples=4, progress_bar=False)
    mcmc.run(KEY, X, X, X)
    predict = kind(two_columns, mcmc)
    due = {None: (X, X), RowLevelSiteWarning: (X, 2 * X), RedrawnSiteWarning: (2 * X, 3 * X)}
    for category in (None, RowLevelSiteWarning, RedrawnSiteWarning, None, RedrawnSiteWarning, RowLevelSiteWarning):
        found = categories(predict, due[category])
        assert found == ([] if category is None else [category])


@OF_PREDICTOR
@pytest.mark.parametrize("name", ["an index", "an index in a dict", "a statistic with a weight"])
def test_other_values_of_the_same_shapes_take_no_run_of_the_model(name):
    model, samples, *calls = CASES[name]
    runs = []

    @functools.wraps(model)
    def counted(*args, **kwargs):
        runs.append(1)
        return model(*args, **kwargs)

    samples = {n: x for n, x in samples.items() if n != "level" or model is crossed}
    predict = Predictor(counted, samples)
    said(predict, calls[0])
    said(predict, calls[1])
    del runs[:]
    # what is good, and is not what was seen
    said(predict, jax.tree_util.tree_map(lambda x: x[::-1].copy(), calls[0]))
    assert runs == []
