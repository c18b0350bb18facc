"""What is made of arguments alone is what stock NumPyro makes of it, whatever JAX casts and who asks for tracers."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import infer as stock
from since import OF_PREDICTOR

from sanitize import IndexRangeWarning, Predictor

pytestmark = OF_PREDICTOR

KEY = jax.random.PRNGKey(3)
DRAWS = {"b": np.linspace(1, 2, 4, dtype=np.float32)}
START = 1.0e9 + 7e7 * np.arange(6.0)


def recording(made):
    """A model that records what is made of its arguments, times a latent, and draws with it."""

    def model(*args, y=None):
        b = numpyro.sample("b", dist.Normal())
        m = numpyro.deterministic("m", b * made(*args))
        numpyro.sample("y", dist.Normal(m, 1.0), obs=y)

    return model


def assert_is_stocks(predict, model, *args):
    answer, truth = predict(KEY, *args), stock.Predictive(model, DRAWS)(KEY, *args)
    for name in ("m", "y"):
        np.testing.assert_allclose(answer[name], truth[name], 2e-5, 1e-6)


def minutes_since(first, dates):
    return (dates - first) / 6e10


def by_tries(x):
    try:
        return float(len(np.unique(x)))
    except Exception:
        return 6.0


def by_attribute(x):
    return x.at[0].set(5.0) if hasattr(x, "at") else x


def by_tracer(x):
    return 2.0 * x if isinstance(x, jax.core.Tracer) else 3.0 * x


def by_class(x):
    return x + 1.0 if isinstance(x, np.ndarray) else x - 1.0


def by_limit(limit):
    """A branch that the values of later calls may take, and those of the first one do not."""

    def made(x):
        try:
            return x + 10.0 if limit(x) else x * 1.0
        except Exception:
            return x * 1.0

    return made


def in_a_dict(data):
    return data["time"]["stop"] - data["time"]["start"]


def spans(extra=60.0):
    return np.stack([START, START + extra], 1)


NOON = 1_700_000_000 * 10**9  # nanoseconds
CASES = {
    "two columns": (lambda t: t[:, 1] - t[:, 0], [(spans(),), (spans(90.0),)]),
    "two arguments": (lambda a, b: b - a, [(START, START + 60), (START, START + 90)]),
    "one argument and its first": (lambda t: (t - t[0]) / 1e7, [(START,), (START[::-1],), (np.arange(6.0),)]),
    "of another scale than its neighbour": (
        lambda t, x: np.stack([t - t[0], x], 1),
        [(1.7e9 + np.arange(6.0), 1e7 * np.arange(6.0))],
    ),
    "nested": (in_a_dict, [({"time": {"start": START, "stop": START + 7}},)]),
    "a cube": (lambda n: n**3 / 1e9, [(np.arange(4),), (np.array([1500, 2000, 2500, 3000]),)]),
    "a product": (lambda a, b: a * b / 1e9, [(np.arange(3), np.arange(3)), (np.arange(3) + 70000,) * 2]),
    "a sum of integers": (lambda n: n.sum() / 1e9, [(np.array([1, 2]),), (np.array([2**31 - 1] * 2),)]),
    "dates as integers": (minutes_since, [(0, np.arange(3)), (NOON, NOON + 10**9 * np.arange(3))]),
    "a number": (lambda x: (x - 1.7e9) / 60, [(1.0,), (1.7e9 + 60.0,)]),
    "a number and an array": (lambda x, t: t - x, [(1.0, np.arange(3.0)), (START[0], START)]),
    "one minus what is nearly one": (lambda p: jnp.log(1 - p), [(np.array([0.5, 0.2]),), (np.array([0.5, 1 - 1e-9]),)]),
    "tries": (by_tries, [(np.arange(6),), (np.array([0, 1, 1, 1, 2, 2]),), (np.arange(6),)]),
    "an attribute": (by_attribute, [(np.full(3, 5.0, "f"),), (np.arange(3.0, dtype="f"),)]),
    "a tracer": (by_tracer, [(np.zeros(3),), (np.ones(3),)]),
    "a class": (by_class, [(np.arange(3.0, dtype="f"),)]),
    "a limit": (by_limit(lambda x: (x > 2).any()), [(np.array([0.1, 0.2], "f"),), (np.array([0.1, 5.0], "f"),)]),
    "a lower limit": (by_limit(lambda x: x.min() < -3), [(np.array([0.1, 0.2], "f"),), (np.array([0.1, -5.0], "f"),)]),
    "a mean": (by_limit(lambda x: x.mean() > 8), [(np.array([0.1, 0.2, 1], "f"),), (np.array([9, 9, 8], "f"),)]),
    "a limit of integers": (by_limit(lambda n: (n > 3).any()), [(np.array([0, 1]),), (np.array([0, 9]),)]),
    "a flag": (by_limit(lambda k: not k.all()), [(np.array([True, True]),), (np.array([True, False]),)]),
    "a number of positives": (
        lambda x: x + (3 if isinstance(x, jax.core.Tracer) else int((x > 0).sum())),
        [(np.ones(3, "f"),), (np.array([1.0, -1.0, 1.0], "f"),)],
    ),
    "a limit of one of two": (
        by_limit(lambda a: bool(a[0] > 100)),
        [(np.array([50.0, 60.0], "f"),), (np.array([150.0, 60.0], "f"),)],
    ),
}


FAST = {"two columns", "a product", "tries"}


def named(cases):
    return [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in cases]


def of_stocks(made, calls):
    """A `Predictor`, after calls that gave what stock gives."""
    model = recording(made)
    predict = Predictor(model, DRAWS, new_rows=False)
    for args in calls:
        assert_is_stocks(predict, model, *args)
    return predict


@pytest.mark.parametrize("name", named(CASES))
def test_what_is_made_of_arguments_is_what_stock_makes_of_it(name):
    of_stocks(*CASES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_in_double_precision(name):
    made, calls = CASES[name]
    model = recording(made)
    jax.config.update("jax_enable_x64", True)
    try:
        predict = Predictor(model, DRAWS, new_rows=False)
        for args in calls:
            assert_is_stocks(predict, model, *args)
    finally:
        jax.config.update("jax_enable_x64", False)


TAKEN = {
    "as it is": (lambda x: x, [(np.array([0.1, 5.0]),), (np.array([1.7e9, 1.0]),)]),
    "a matrix": (lambda x: x @ np.ones(3), [(np.ones((4, 3)),), (np.arange(12.0).reshape(4, 3),)]),
    "standardized in NumPy": (lambda x: (x - 50.0) / 12.0, [(50 + 9 * np.sin(np.arange(5.0)),), (np.arange(5.0),)]),
    "functions of JAX": (lambda x: jnp.exp(-x / 3), [(np.arange(3.0),), (np.arange(3.0) + 50,)]),
    "some of it": (lambda x: x[:2] * x[2:], [(np.arange(4.0),), (np.arange(4.0) - 7,)]),
    "an index": (lambda g: jnp.arange(5.0)[g], [(np.array([0, 1, 4]),), (np.array([4, 4, 4]),)]),
    "small integers": (lambda n: n**2 + 1.0, [(np.arange(3),), (np.arange(3) + 100,)]),
    "numbers": (lambda x, y: x * 2 + y, [(0.5, 3.0), (1e3, -7.25)]),
    "a limit of no consequence": (
        by_limit(lambda x: jnp.any(x > 2) & False),
        [(np.ones(3, "f"),), (np.ones(3, "f") * 5,)],
    ),
    "a limit inside": (lambda x: jnp.where(x > 2, x + 10, x), [(np.ones(3, "f"),), (np.ones(3, "f") * 5,)]),
    "flags": (lambda k: jnp.where(k, 2.0, 3.0), [(np.array([True, True]),), (np.array([False, True]),)]),
    "a logarithm": (lambda x: jnp.log(x), [(np.array([0.5, 2.0], "f"),), (np.array([7.0, 2.0], "f"),)]),
    "a branch of no consequence": (lambda x: x.at[0].get() if hasattr(x, "at") else x[0], [(np.arange(3.0),)]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TAKEN)
def test_what_the_cast_leaves_alone_is_taken(name):
    assert len(of_stocks(*TAKEN[name])._batches.answers) == 1


def weighted(t, weight, y=None):
    b = numpyro.sample("b", dist.Normal())
    numpyro.factor("prior", b * (weight[1] - weight[0]))
    numpyro.deterministic("m", b * t)
    numpyro.sample("y", dist.Normal(b * t, 1.0), obs=y)


@pytest.mark.slow
def test_what_is_in_a_factor_alone_decides_over_scores_alone():
    x = np.arange(3.0)
    predict = Predictor(weighted, DRAWS)
    for weight in (np.array([0.0, 60.0]), np.array([1.7e9, 1.7e9 + 60])):
        assert_is_stocks(predict, weighted, x, weight)
        scores, truth = predict.log_likelihood(x, weight, x), stock.log_likelihood(weighted, DRAWS, x, weight, x)
        for name in truth:
            np.testing.assert_allclose(scores[name], truth[name], 2e-5)
    assert len([key for key, *_ in predict._batches.answers if key[0] == "samples"]) == 1


def arrivals(start, stop=None, mask=True):
    b = numpyro.sample("b", dist.Normal())
    numpyro.deterministic("m", b)
    with numpyro.handlers.mask(mask=mask):
        numpyro.sample("stop", dist.Normal(start, 5.0), obs=stop)


@pytest.mark.slow
def test_scores_are_of_what_was_subtracted_before_the_cast():
    """The score subtracts what is observed from its mean, in NumPy where both are arrays of NumPy's."""
    start, mask = START[:3], np.array([True, False, True])
    predict = Predictor(arrivals, DRAWS)
    for stop in (start + 7, start - 2):
        scores = predict.log_likelihood(start, stop, mask)["stop"]
        truth = stock.log_likelihood(arrivals, DRAWS, start, stop, mask)["stop"]
        np.testing.assert_allclose(scores, truth, 2e-5)


@pytest.mark.parametrize(
    "index",
    [
        lambda x: jnp.searchsorted(jnp.array([1.0, 2.0]), x),
        lambda x: jnp.digitize(x, jnp.array([1.0, 2.0])),
        lambda x: x.astype(int) % 3,
        lambda x: jnp.abs(x).astype(int),
    ],
)
def test_an_index_that_is_computed_of_an_argument_is_asked_for(index):
    def model(x, y=None):
        level = numpyro.sample("level", dist.Normal().expand([3]).to_event(1))
        numpyro.sample("y", dist.Normal(level[index(x)], 1.0), obs=y)

    samples = {"level": np.arange(12, dtype=np.float32).reshape(4, 3)}
    predict = Predictor(model, samples)
    for x in (np.array([0.5, 2.5, 1.5], np.float32), np.array([0.1, 0.2, 1.2], np.float32)):
        truth = stock.Predictive(model, samples)(KEY, x)
        np.testing.assert_allclose(predict(KEY, x)["y"], truth["y"], rtol=1e-5)
    if index(x).max() < 3 and index(np.full(3, 9.0)).max() == 3:
        with pytest.warns(IndexRangeWarning):
            predict(KEY, np.full(3, 9.0, np.float32))
