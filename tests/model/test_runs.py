"""Stripping the samples of a plain model with groups takes six runs of the model or fewer."""

import functools

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.infer import Predictive

from sanitize import strip_deterministic

Normal, sample, plate = dist.Normal, numpyro.sample, numpyro.plate

N, GROUPS, ITEMS = 40, 5, 8
X = np.linspace(-1.0, 1.0, N, dtype=np.float32)
GROUP = np.arange(N) % GROUPS
ITEM = np.arange(N) % ITEMS


def predicted(mean, rows, y):
    mu = numpyro.deterministic("mu", mean)
    sigma = sample("sigma", dist.HalfNormal())
    with plate("rows", rows):
        sample("y", Normal(mu, sigma), obs=y)


def intercepts(x, group, y=None):
    location, scale = sample("location", Normal()), sample("scale", dist.HalfNormal())
    with plate("groups", GROUPS):
        a = sample("a", Normal(location, scale))
    predicted(a[group] + sample("b", Normal()) * x, len(x), y)


def as_many_as_told(x, group, groups, y=None):
    with plate("groups", groups):
        a = sample("a", Normal())
    predicted(a[group] + sample("b", Normal()) * x, len(x), y)


def intercepts_and_slopes(x, group, y=None):
    with plate("groups", GROUPS):
        a, b = sample("a", Normal()), sample("b", Normal())
    predicted(a[group] + b[group] * x, len(x), y)


def crossed(x, group, item, y=None):
    with plate("groups", GROUPS):
        a = sample("a", Normal())
    with plate("items", ITEMS):
        b = sample("b", Normal())
    predicted(a[group] + b[item] + sample("slope", Normal()) * x, len(x), y)


def non_centred(x, group, groups, y=None):
    location, scale = sample("location", Normal()), sample("scale", dist.HalfNormal())
    with plate("groups", groups):
        z = sample("z", Normal())
    effect = numpyro.deterministic("effect", location + scale * z)
    predicted(effect[group] + sample("b", Normal()) * x, len(x), y)


CASES = {
    "intercepts": (intercepts, (X, GROUP)),
    "as many groups as told": (as_many_as_told, (X, GROUP, GROUPS)),
    "intercepts and slopes": (intercepts_and_slopes, (X, GROUP)),
    "crossed": (crossed, (X, GROUP, ITEM)),
    "non-centred": (non_centred, (X, GROUP, GROUPS)),
}
SLOW = dict.fromkeys(("as many groups as told", "intercepts and slopes", "crossed"), pytest.mark.slow)


@pytest.mark.parametrize("rows", [7, N], ids=["new rows", "as many rows"])
@pytest.mark.parametrize("with_predictions", [False, True], ids=["", "with predictions"])
@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW.get(name, ())) for name in CASES])
def test_a_model_with_groups_takes_six_runs_or_fewer(name, rows, with_predictions):
    model, arguments = CASES[name]
    samples = Predictive(model, num_samples=10)(jax.random.PRNGKey(0), *arguments)
    if not with_predictions:
        del samples["y"]
    runs = []

    @functools.wraps(model)
    def counted(*args, **kwargs):
        runs.append(1)
        return model(*args, **kwargs)

    new = [value[:rows] if isinstance(value, np.ndarray) else value for value in arguments]
    clean = strip_deterministic(counted, samples, *new)
    assert clean.keys() == samples.keys() - {"mu", "y", "effect"}
    assert 1 <= len(runs) <= 6
