"""Bad calls: each gets a specific error that names the culprit and the way out, and leaves no trace."""

import collections.abc
import contextlib
import functools
import io
import types
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
import xarray as xr
from containers_of import with_groups
from numpyro.infer import MCMC, NUTS
from numpyro.primitives import _PYRO_STACK

import sanitize
from sanitize import (
    BatchShapeError,
    MissingLatentError,
    ModelArgumentsError,
    NoSharedSiteError,
    NothingLeftError,
    OptionError,
    SamplesTypeError,
    SanitizeError,
    ShapeMismatchError,
    inspect_sites,
    log_likelihood,
    posterior_samples,
    strip_deterministic,
)

KEY = jax.random.PRNGKey(0)
DRAWS = 4
X = np.ones((5, 3), np.float32)
x = y = np.ones(5, np.float32)
DATA = (X, x)
MODEL = models.regression


def draws(n=DRAWS, **changed):
    """Draws of `MODEL`, changed; an entry that is `...` is left out."""
    samples = {"alpha": np.zeros(n), "beta": np.zeros((n, 3)), "sigma": np.ones(n), "eta": np.zeros((n, 5)), **changed}
    return {name: value for name, value in samples.items() if value is not ...}


def line_draws():
    return {"intercept": np.zeros(DRAWS), "slope": np.zeros(DRAWS)}


def dataset(**variables):
    return xr.Dataset({name: (("chain", "draw", *"abc"[: v.ndim - 2]), v) for name, v in variables.items()})


# ------------------------------------------------------------------------------------------------ wrong models


class Sampler:
    """A class whose instances are models, passed instead of an instance."""

    def __init__(self, *args):
        pass

    def __call__(self, X):
        models.regression(X)


class AsyncModel:
    async def __call__(self, x):
        models.line(x)


def generator(x):
    yield numpyro.sample("alpha", dist.Normal())


async def coroutine(x):
    numpyro.sample("alpha", dist.Normal())


def duplicated(x):
    numpyro.sample("a", dist.Normal())
    numpyro.sample("a", dist.Normal())


def returns_early(X):
    if X.shape[0] < 100:
        return
    models.regression(X)


def recursive(x):
    recursive(x)


def no_distribution(x):
    numpyro.sample("alpha", 3)


def asserting(x):
    assert x.shape == (7,), "x has to have seven rows"


def reading(x, file):
    file.read()


def other_plate(x):
    with numpyro.plate("rows", 7):
        numpyro.sample("alpha", dist.Normal(x, 1.0))


def leaving(x):
    raise SystemExit("the model leaves")


def interrupted(x):
    with numpyro.plate("rows", 5):
        raise KeyboardInterrupt("the user stops")


def numbered_site(x):
    numpyro.sample(3, dist.Normal())


class Unreadable(collections.abc.Mapping):
    def __getitem__(self, name):
        raise OSError("the file is gone")

    def __iter__(self):
        return iter(["alpha"])

    def __len__(self):
        return 1


def closed_file():
    file = io.StringIO("1")
    file.close()
    return file


def unfitted():
    return MCMC(NUTS(MODEL), num_warmup=1, num_samples=1)


def predict(samples, *args, key=KEY, **options):
    return sanitize.Predictive(MODEL, samples, **options)(key, *args)


class Bad(NamedTuple):
    """A call, its error, and what the message says: the culprit first, then the way out."""

    call: Callable[[], Any]
    error: type[BaseException]
    culprit: str
    way_out: str = ""


S = strip_deterministic
BAD = {
    # the model
    "no model": Bad(lambda: S(None, draws(), X), ModelArgumentsError, "not NoneType", "pass the model first"),
    "model's name": Bad(lambda: S("regression", draws(), X), ModelArgumentsError, "not str", "model first"),
    "samples first": Bad(lambda: S(draws(), MODEL, X), ModelArgumentsError, "not dict", "then the samples"),
    "module": Bad(lambda: S(models, draws(), X), ModelArgumentsError, "not module", "model first"),
    "MCMC as model": Bad(lambda: S(unfitted(), draws(), X), ModelArgumentsError, "not MCMC", "model first"),
    "kernel as model": Bad(lambda: S(NUTS(MODEL), draws(), X), ModelArgumentsError, "not NUTS", "model first"),
    "Predictive as model": Bad(
        lambda: S(sanitize.Predictive(MODEL, draws()), draws(), X), ModelArgumentsError, "not Predictive", "first"
    ),
    "distribution as model": Bad(lambda: S(dist.Normal(), draws(), X), ModelArgumentsError, "not Normal", "first"),
    "class instead of its instance": Bad(
        lambda: S(Sampler, draws(), X), NoSharedSiteError, r"Sampler\(\*args\)", "It is a class: pass an instance"
    ),
    "generator": Bad(lambda: S(generator, draws(), x), ModelArgumentsError, r"generator\(x\) is a generator", "plain"),
    "generator in a partial": Bad(
        lambda: S(functools.partial(generator), draws(), x), ModelArgumentsError, "yields", "plain function"
    ),
    "generator object": Bad(lambda: S(generator(x), draws(), x), ModelArgumentsError, "not generator", "model first"),
    "coroutine": Bad(lambda: S(coroutine, draws(), x), ModelArgumentsError, r"coroutine\(x\) is a coroutine", "plain"),
    "callable coroutine": Bad(lambda: S(AsyncModel(), draws(), x), ModelArgumentsError, "async", "plain function"),
    "empty lambda": Bad(
        lambda: S(lambda x: None, draws(), x), NoSharedSiteError, r"<lambda>\(x\).*runs no sites", "that was fitted"
    ),
    "builtin": Bad(lambda: S(len, draws(), x), NoSharedSiteError, r"len\(obj, /\).*runs no sites", "that was fitted"),
    "another model": Bad(
        lambda: S(models.line, draws(), x), NoSharedSiteError, "'alpha'.*'intercept'", "model that was fitted"
    ),
    "model that returns early": Bad(
        lambda: S(returns_early, draws(), X), NoSharedSiteError, r"returns_early\(X\).*no sites", "that was fitted"
    ),
    "site named by a number": Bad(
        lambda: S(numbered_site, draws(), x), NoSharedSiteError, "latents are 3", "model that was fitted"
    ),
    # what the model itself raises comes through
    "site named twice": Bad(lambda: S(duplicated, draws(), x), AssertionError, "`a` duplicated"),
    "endless recursion": Bad(lambda: S(recursive, draws(), x), RecursionError, "recursion"),
    "model that raises": Bad(lambda: S(models.raising, draws(), x), KeyError, "the model's own mistake"),
    "failure inside of handlers": Bad(lambda: S(models.nested_failure, draws(), x), RuntimeError, ""),
    "no distribution": Bad(lambda: S(no_distribution, draws(), x), Exception, "numpyro.distributions.Distribution"),
    "assertion": Bad(lambda: S(asserting, draws(), x), AssertionError, "x has to have seven rows"),
    "closed file": Bad(lambda: S(reading, draws(), x, closed_file()), ValueError, "closed file"),
    "plate of another size": Bad(lambda: S(other_plate, draws(), x), ValueError, r"\(5,\)|size|shapes"),
    "model that leaves Python": Bad(lambda: S(leaving, draws(), x), SystemExit, "the model leaves"),
    "interrupted": Bad(lambda: S(interrupted, draws(), x), KeyboardInterrupt, "the user stops"),
    # its arguments
    "no arguments, of other shapes": Bad(
        lambda: S(MODEL, draws(beta=np.ones((DRAWS, 2, 2, 2)))), ModelArgumentsError, "none were passed", "samples, X"
    ),
    "too many": Bad(lambda: S(MODEL, draws(), X, y, 3), ModelArgumentsError, "too many positional", "samples, X"),
    "twice": Bad(
        lambda: S(MODEL, draws(), X, X=X), ModelArgumentsError, "multiple values for argument 'X'", "samples, X"
    ),
    "unknown": Bad(
        lambda: S(MODEL, draws(), X, z=3), ModelArgumentsError, "unexpected keyword argument 'z'", "samples, X"
    ),
    "misspelt option": Bad(lambda: S(MODEL, draws(), X, newrows=True), ModelArgumentsError, "'newrows'", "samples, X"),
    "None for data": Bad(lambda: S(MODEL, draws(), None), AttributeError, "NoneType"),
    "text for data": Bad(lambda: S(MODEL, draws(), "X"), AttributeError, "str"),
    "vector for a matrix": Bad(lambda: S(MODEL, draws(), x), IndexError, "index out of range"),
    "zero rows": Bad(lambda: S(MODEL, draws(), X[:0]), (AssertionError, ValueError, ZeroDivisionError), ""),
    "a feature less": Bad(
        lambda: S(MODEL, draws(), X[:, :2]), ShapeMismatchError, r"'beta'.*argument 'X' has shape \(5, 2\)", "redraw="
    ),
    # the samples
    "no samples": Bad(lambda: S(MODEL, None, X), SamplesTypeError, "are None", "mcmc.get_samples"),
    "samples forgotten": Bad(lambda: S(MODEL, X), SamplesTypeError, "ndarray", "second argument after the model"),
    "samples after the data": Bad(lambda: S(MODEL, X, draws()), SamplesTypeError, "ndarray", "second argument"),
    "list of draws": Bad(lambda: S(MODEL, [draws()], X), SamplesTypeError, "list", "mcmc.get_samples"),
    "items": Bad(lambda: S(MODEL, draws().items(), X), SamplesTypeError, "dict_items", "mcmc.get_samples"),
    "path": Bad(lambda: S(MODEL, "posterior.nc", X), SamplesTypeError, "str", "mcmc.get_samples"),
    "closed file of samples": Bad(lambda: S(MODEL, closed_file(), X), SamplesTypeError, "StringIO", "InferenceData"),
    "method not called": Bad(lambda: S(MODEL, unfitted().get_samples, X), SamplesTypeError, "method", "get_samples"),
    "MCMC that was not run": Bad(lambda: S(MODEL, unfitted(), X), SamplesTypeError, "no samples", "run method"),
    "DataFrame": Bad(lambda: S(MODEL, pd.DataFrame({"alpha": [0.0]}), X), SamplesTypeError, "DataFrame", "mcmc"),
    "DataArray": Bad(
        lambda: S(MODEL, xr.DataArray(np.zeros((1, 4)), dims=("chain", "draw")), X),
        SamplesTypeError,
        "DataArray",
        "mcmc",
    ),
    "empty": Bad(lambda: S(MODEL, {}, X), NoSharedSiteError, "samples are empty", "num_samples"),
    "samples in a dict": Bad(
        lambda: S(MODEL, {"posterior": draws()}, X), NoSharedSiteError, "'posterior'", "pass it alone"
    ),
    "namespace": Bad(
        lambda: S(MODEL, types.SimpleNamespace(**draws()), X), SamplesTypeError, "SimpleNamespace", "mcmc"
    ),
    "mapping that cannot be read": Bad(lambda: S(MODEL, Unreadable(), X), OSError, "the file is gone"),
    "scalar among draws": Bad(lambda: S(MODEL, draws(alpha=1.0), X), BatchShapeError, "'alpha'", "one value per draw"),
    "ragged draws": Bad(
        lambda: S(MODEL, draws(alpha=np.zeros(5)), X), BatchShapeError, r"'alpha' has shape \(5,\)", "Thin or group"
    ),
    "ragged chains": Bad(
        lambda: S(MODEL, {n: v[None] for n, v in draws(alpha=np.zeros((2, 2))).items()}, X),
        SanitizeError,
        "'alpha'",
        "alike|size",
    ),
    "ragged list": Bad(
        lambda: S(MODEL, draws(alpha=[[1.0, 2.0], [3.0]]), X), SamplesTypeError, "'alpha' is a list", "the same shape"
    ),
    "zero draws": Bad(lambda: S(MODEL, draws(0), X), BatchShapeError, "hold no draws.*'alpha'", "num_samples > 0"),
    "None for an entry": Bad(lambda: S(MODEL, draws(alpha=None), X), SamplesTypeError, "'alpha'", "convert"),
    "objects": Bad(lambda: S(MODEL, draws(alpha=np.array([None] * 4)), X), SamplesTypeError, "dtype object", "convert"),
    "text": Bad(lambda: S(MODEL, draws(alpha=np.array(list("abcd"))), X), SamplesTypeError, "'alpha'.*<U1", "convert"),
    "bytes": Bad(lambda: S(MODEL, draws(alpha=b"abcd"), X), SamplesTypeError, r"'alpha'.*\|S4", "convert"),
    "dates": Bad(lambda: S(MODEL, draws(alpha=np.zeros(4, "M8[D]")), X), SamplesTypeError, "datetime64", "convert"),
    "durations": Bad(
        lambda: S(MODEL, draws(alpha=np.zeros(4, "m8[D]")), X), SamplesTypeError, "timedelta64", "convert"
    ),
    "records": Bad(lambda: S(MODEL, draws(alpha=np.zeros(4, "f4,f4")), X), SamplesTypeError, "'alpha'", "convert"),
    "function for an entry": Bad(lambda: S(MODEL, draws(alpha=np.zeros), X), SamplesTypeError, "'alpha'", "convert"),
    "set for an entry": Bad(lambda: S(MODEL, draws(alpha={1, 2}), X), SamplesTypeError, "'alpha'", "convert"),
    "dict for an entry": Bad(
        lambda: S(MODEL, draws(alpha={"a": np.zeros(4)}), X), SamplesTypeError, "'alpha' is a mapping", "first axis"
    ),
    "tuple for an entry": Bad(
        lambda: S(MODEL, draws(alpha=(1, 2, 3, 4)), X), SamplesTypeError, "'alpha' is a mapping or tuple", "first axis"
    ),
    "number for a name": Bad(lambda: S(MODEL, {**draws(), 3: x}, X), SamplesTypeError, "entry 3 is a int", "strings"),
    "bytes for a name": Bad(lambda: S(MODEL, {**draws(), b"a": x}, X), SamplesTypeError, "b'a' is a bytes", "strings"),
    "tuple for a name": Bad(lambda: S(MODEL, {**draws(), ("a", 0): x}, X), SamplesTypeError, r"\('a', 0\)", "strings"),
    "a dimension too many": Bad(
        lambda: S(MODEL, {n: np.stack([[v] * 2] * 3) for n, v in draws().items()}, X),
        ShapeMismatchError,
        "'alpha'",
        "redraw",
    ),
    "other features": Bad(
        lambda: S(MODEL, draws(beta=np.zeros((4, 7))), X), ShapeMismatchError, r"'beta'.*\(7,\)", "size that was fitted"
    ),
    "only a computed entry": Bad(
        lambda: S(MODEL, {"eta": np.zeros((4, 5))}, X), MissingLatentError, "'eta' from 'alpha' and 'beta'", "redraw="
    ),
    "a latent left out": Bad(lambda: S(MODEL, draws(beta=...), X), MissingLatentError, "'beta'", "redraw="),
    "only predictions": Bad(
        lambda: S(MODEL, {"obs": np.zeros((4, 5))}, X), NothingLeftError, "'obs'", r"num_samples=4|sanitize\.Predictive"
    ),
    "Dataset without draws": Bad(
        lambda: S(MODEL, xr.Dataset({"alpha": ("a", np.zeros(4))}), X),
        SamplesTypeError,
        "dimensions 'a'",
        "sample_dims",
    ),
    "Dataset of objects": Bad(
        lambda: S(MODEL, dataset(alpha=np.array([[None] * 4])), X), SamplesTypeError, "'alpha'", "convert"
    ),
    "empty Dataset": Bad(lambda: S(MODEL, xr.Dataset(), X), SamplesTypeError, "none", "sample_dims"),
    "group that is not there": Bad(
        lambda: S(MODEL, with_groups(prior=dataset(alpha=np.zeros((1, 4)))), X),
        OptionError,
        "no group 'posterior'",
        r"samples\['prior'\]",
    ),
    # the options
    "new_rows as text": Bad(lambda: S(MODEL, draws(), X, new_rows="yes"), OptionError, "'yes'", "True, False or None"),
    "new_rows as a number": Bad(lambda: S(MODEL, draws(), X, new_rows=1), OptionError, "is 1", "True, False or None"),
    "new_rows as a mask": Bad(lambda: S(MODEL, draws(), X, new_rows=x > 0), OptionError, "new_rows is array", "True"),
    "redraw as None": Bad(lambda: S(MODEL, draws(), X, redraw=None), OptionError, "None", "sequence of names"),
    "redraw as generator": Bad(
        lambda: S(MODEL, draws(), X, redraw=(n for n in "ab")), OptionError, "generator", "sequence"
    ),
    "redraw of no site": Bad(
        lambda: S(MODEL, draws(), X, redraw=["gamma"]), OptionError, "'gamma'", "latents are 'alpha'"
    ),
    "redraw of a computed site": Bad(
        lambda: S(MODEL, draws(), X, redraw=["eta"]), OptionError, "'eta'.*determ", "only latents"
    ),
    "redraw of an observed site": Bad(
        lambda: S(MODEL, draws(), X, y, redraw=["obs"]), OptionError, "'obs'.*observed", "only latents"
    ),
    "redraw of a list": Bad(
        lambda: S(MODEL, draws(), X, redraw=[["beta"]]), OptionError, r"\['beta'\]", "sequence of names"
    ),
    "redraw of everything": Bad(
        lambda: S(MODEL, draws(), X, redraw=["alpha", "beta", "sigma"]), NothingLeftError, "'beta'", "num_samples=4"
    ),
    "group of a dict": Bad(
        lambda: S(MODEL, draws(), X, group="prior"), ModelArgumentsError, "argument 'group'", r"samples\['prior'\]"
    ),
    "an option that the model has too": Bad(
        lambda: S(lambda x, redraw: models.line(x), line_draws(), x, redraw=1),
        OptionError,
        "parameter of its own named 'redraw'",
        "inspect_sites",
    ),
    # reviews
    "review of other entries": Bad(
        lambda: inspect_sites(MODEL, X).review(draws()).apply({"alpha": np.zeros(4)}),
        SamplesTypeError,
        "'beta'",
        "anew",
    ),
    "review of other shapes": Bad(
        lambda: inspect_sites(MODEL, X).review(draws()).apply(draws(beta=np.zeros((4, 9)))),
        SamplesTypeError,
        r"'beta' has shape \(4, 9\)",
        "anew",
    ),
    "review applied to nothing": Bad(
        lambda: inspect_sites(MODEL, X).review(draws()).apply(None), SamplesTypeError, "are None", "mcmc.get_samples"
    ),
    "unknown site": Bad(lambda: inspect_sites(MODEL, X)["gamma"], KeyError, "gamma"),
    "unknown entry": Bad(lambda: inspect_sites(MODEL, X).review(draws())["gamma"], KeyError, "gamma"),
    # the drop-ins
    "score without latents": Bad(
        lambda: log_likelihood(MODEL, {"alpha": np.zeros(4)}, X, y),
        MissingLatentError,
        "'beta' and 'sigma'",
        "add their",
    ),
    "score without samples": Bad(lambda: log_likelihood(MODEL, None, X, y), SamplesTypeError, "are None", "mcmc"),
    "score of a list": Bad(lambda: log_likelihood(MODEL, [1], X, y), SamplesTypeError, "list", "mcmc.get_samples"),
    "predict from a list": Bad(lambda: predict([1], X), SamplesTypeError, "list", "mcmc.get_samples"),
    "predict with new_rows as text": Bad(lambda: predict(draws(), X, new_rows="yes"), OptionError, "'yes'", "True"),
    "predict a feature less": Bad(lambda: predict(draws(), X[:, :2]), ShapeMismatchError, "'beta'", "redraw="),
    "predict without arguments": Bad(lambda: predict(draws()), ModelArgumentsError, "'X'", r"\(model, samples, X\)"),
    "draws of a dict": Bad(lambda: posterior_samples(draws()), SamplesTypeError, "dict", "what Predictive wants"),
    "more draws than there are": Bad(
        lambda: posterior_samples(dataset(alpha=np.zeros((1, 4))), num_samples=9),
        OptionError,
        "is 9",
        "between 1 and 4",
    ),
    "no draws": Bad(
        lambda: posterior_samples(dataset(alpha=np.zeros((1, 4))), num_samples=0),
        OptionError,
        "is 0",
        "between 1 and 4",
    ),
}


@pytest.fixture
def unchanged():
    """The data that all calls share are as they were, and no handler is left open."""
    copies = [array.copy() for array in DATA]
    yield
    assert all(np.array_equal(array, copy) for array, copy in zip(DATA, copies))
    assert not _PYRO_STACK


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", BAD)
def test_bad_call(name):
    """A specific error; its message names the culprit and what to do; nothing of a tracer is left."""
    bad = BAD[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error", sanitize.SanitizeWarning)
        with pytest.raises(bad.error, match=f"(?s){bad.culprit}") as caught:
            bad.call()
    error = caught.value
    ours = isinstance(error, SanitizeError)
    kinds = bad.error if isinstance(bad.error, tuple) else (bad.error,)
    assert ours == any(issubclass(kind, SanitizeError) for kind in kinds)
    assert bool(bad.way_out) == ours
    if ours:
        assert caught.match(f"(?s){bad.way_out}")
        assert "Traced" not in str(error)
        assert not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree_util.tree_leaves(vars(error)))
    assert inspect_sites(MODEL, X)["eta"].shape == (5,)  # and the next call is as good as any


def test_there_are_many_bad_calls():
    assert len(BAD) >= 60


@pytest.mark.parametrize("name", BAD)
def test_samples_of_a_bad_call_are_as_they_were(name, monkeypatch):
    """No call that fails has changed a dict of draws on its way."""
    made = []
    original = draws

    def remembering(*args, **kwargs):
        samples = original(*args, **kwargs)
        made.append((samples, dict(samples), {n: np.copy(v) for n, v in samples.items() if isinstance(v, np.ndarray)}))
        return samples

    monkeypatch.setitem(globals(), "draws", remembering)
    with contextlib.suppress(BaseException):
        BAD[name].call()
    for samples, entries, values in made:
        assert list(samples) == list(entries)
        assert all(samples[n] is entries[n] for n in entries)
        assert all(np.array_equal(samples[n], value, equal_nan=value.dtype.kind == "f") for n, value in values.items())


# ---------------------------------------------------------------------- odd, but no mistake that can be told


def test_model_that_changes_its_arguments_leaves_the_callers_alone():
    """An array, a list and a dict that the model writes to, in a run that needs their values."""

    def model(x, values, data):
        x[0] = 7.0
        values.append(3.0)
        data["x"] = None
        models.line(jnp.asarray(x))

    x, values, data = np.ones(5, np.float32), [1.0, 2.0], {"x": np.ones(2)}
    clean = strip_deterministic(model, line_draws(), x, values, data)
    assert list(clean) == ["intercept", "slope"]
    assert np.array_equal(x, np.ones(5))
    assert values == [1.0, 2.0]
    assert list(data) == ["x"]
    assert data["x"] is not None


def test_draws_are_not_looked_at():
    """NaN-only draws are kept as they are: whether a fit is sound, other tools tell."""
    samples = draws(alpha=np.full(DRAWS, np.nan))
    clean = strip_deterministic(MODEL, samples, X)
    assert clean["alpha"] is samples["alpha"]


def test_single_draw_without_batch_dimensions_is_no_mistake():
    samples = {"alpha": 1.0, "beta": np.zeros(3), "sigma": 2.0, "eta": np.zeros(5)}
    assert list(strip_deterministic(MODEL, samples, X)) == ["alpha", "beta", "sigma"]


def test_value_of_a_deterministic_that_is_no_array():
    """Text recorded at a site has no shape, and goes as all that is computed."""

    def model(x):
        numpyro.sample("alpha", dist.Normal())
        numpyro.deterministic("note", "text")

    assert list(strip_deterministic(model, {"alpha": np.zeros(4), "note": np.zeros(4)}, x)) == ["alpha"]


def test_no_tracer_outlives_a_failure():
    """A model that fails half-way, under JAX's own check for leaks."""
    with jax.checking_leaks(), pytest.raises(RuntimeError):
        strip_deterministic(models.nested_failure, draws(), x)


def test_model_whose_signature_python_cannot_tell():
    """A callable with a made-up signature runs as it is called, and is named without one."""

    class Unsigned:
        __signature__ = "none that Python knows"

        def __call__(self, x):
            models.line(x)

    assert list(strip_deterministic(Unsigned(), line_draws(), x)) == ["intercept", "slope"]
    with pytest.raises(NoSharedSiteError, match=r"Unsigned\(\.\.\.\)"):
        strip_deterministic(Unsigned(), draws(), x)


def test_static_argument_that_cannot_be_hashed():
    """A call with a set is predicted as any other; its review is not remembered."""

    def model(X, chosen):
        assert chosen == {1, 2}
        models.regression(X)

    predictive = sanitize.Predictive(model, draws())
    latents = draws(eta=...)
    for _ in range(2):
        truth = sanitize.Predictive(MODEL, latents)(KEY, X)
        assert np.array_equal(predictive(KEY, X, {1, 2})["obs"], truth["obs"])


def test_rows_of_the_fit_compared_with_shapes_or_other_numbers_of_rows():
    """Shapes alone do not tell whether the rows are the same: there is a warning. Another number of them does."""
    fit = MCMC(NUTS(models.row_effects), num_warmup=2, num_samples=2, progress_bar=False)
    fit.run(KEY, x, y)
    with pytest.warns(sanitize.RowLevelSiteWarning, match="'z'"):
        clean = strip_deterministic(models.row_effects, fit, jax.ShapeDtypeStruct((5,), jnp.float32))
    assert "z" in clean
    with pytest.warns(sanitize.RedrawnSiteWarning, match="'z'"):
        clean = strip_deterministic(models.row_effects, fit, np.ones(4, np.float32))
    assert "z" not in clean


def test_error_of_a_model_without_parameters_comes_through():
    """Where no arguments could help, what the model raises is the whole story."""

    def model():
        raise LookupError("no file of data")

    with pytest.raises(LookupError, match="no file of data"):
        strip_deterministic(model, draws())


def test_score_that_fails_for_another_reason_than_missing_latents():
    """The model's own error comes through."""

    def model(X, y=None):
        models.regression(X, y)
        if isinstance(X, np.ndarray):  # not in the abstract run
            raise LookupError("the model's own")

    with pytest.raises(LookupError, match="the model's own"):
        log_likelihood(model, draws(), X, y)
