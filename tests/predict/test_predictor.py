"""`Predictor`: stock's numbers, compiled once, labelled, in batches, now or when dask asks."""

import os
import pickle
import subprocess
import sys
import threading
from dataclasses import replace

import arviz as az
import jax
import jax.numpy as jnp
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from containers_of import with_groups
from numpyro import infer as stock
from numpyro.infer import MCMC, NUTS
from since import OF_PREDICTOR
from textbook_models import TEXTBOOK, record_fit

from sanitize import (
    BatchShapeError,
    MissingLatentError,
    NoSharedSiteError,
    OptionError,
    Predictor,
    RedrawnSiteWarning,
    RowLevelSiteWarning,
    ShapeMismatchError,
    strip_deterministic,
)

pytestmark = OF_PREDICTOR

KEY = jax.random.PRNGKey(0)
X = np.cos(np.arange(12, dtype=np.float32)).reshape(4, 3)
Y = np.ones(4, np.float32)
NAMES = ("alpha", "beta", "sigma")


def draws(batch=(6,), rows=9):
    rng = np.random.default_rng(0)
    shapes = {"alpha": (), "beta": (3,), "sigma": (), "eta": (rows,), "obs": (rows,)}
    samples = {name: rng.normal(size=(*batch, *shape)).astype(np.float32) for name, shape in shapes.items()}
    return {**samples, "sigma": np.abs(samples["sigma"]) + 0.1}


def latents(samples):
    return {name: samples[name] for name in NAMES}


def assert_equal(answer, truth, tolerance=2e-5):
    assert set(answer.data_vars) == set(truth)
    for name, values in truth.items():
        np.testing.assert_allclose(answer[name].values, values, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.fixture
def compilations():
    """Counts what XLA compiles of functions of the given name."""
    counted = []

    def listen(event, duration, **said):
        if event == "/jax/core/compile/backend_compile_duration":
            counted.append(said)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield counted
    jax.monitoring.clear_event_listeners()


# ---------------------------------------------------------------------------------------------- stock's numbers


@pytest.mark.parametrize(
    "batch", [pytest.param((), marks=pytest.mark.slow), (1,), pytest.param((6,), marks=pytest.mark.slow), (2, 3)]
)
def test_the_numbers_are_stocks(batch):
    samples = draws(batch)
    predict, ndims = Predictor(models.regression, samples), len(batch)
    truth = stock.Predictive(models.regression, latents(samples), batch_ndims=ndims)(KEY, X)
    assert_equal(predict(KEY, X), truth)
    assert predict(KEY, X)["obs"].dims == (*("chain", "draw")[2 - ndims :], "data")
    scores = stock.log_likelihood(models.regression, latents(samples), X, Y, batch_ndims=ndims)
    assert_equal(predict.log_likelihood(X, Y), scores, 1e-4)


@pytest.mark.parametrize(
    ("batch_size", "lazy"),
    [
        (3, False),
        (4, True),
        *(pytest.param(n, x, marks=pytest.mark.slow) for n in (1, 5, 7, 100) for x in (False, True)),
    ],
)
def test_batches_change_nothing(batch_size, lazy):
    samples = draws((2, 7))
    predict = Predictor(models.regression, samples, batch_size=batch_size, lazy=lazy, progress_bar=False)
    answer = predict(KEY, X)
    assert_equal(answer, stock.Predictive(models.regression, latents(samples), batch_ndims=2)(KEY, X))
    if lazy:  # a chunk is a batch, and none crosses chains
        assert answer["obs"].chunks[0] == (1, 1)
        assert max(answer["obs"].chunks[1]) == min(batch_size, 7)


def test_pieces_change_nothing(monkeypatch):
    from sanitize.predict import compiled

    monkeypatch.setattr(compiled, "_PIECE", 3 * 2 * 4 * X.shape[0])  # of three draws, two sites
    samples = draws((10,))
    predict = Predictor(models.regression, samples)
    assert_equal(predict(KEY, X), stock.Predictive(models.regression, latents(samples))(KEY, X))
    assert [batch.piece for batch in predict._batches.answers.values()] == [3]


@pytest.mark.slow
def test_an_mcmc_comes_back_by_chain():
    mcmc = MCMC(
        NUTS(models.line), num_warmup=5, num_samples=4, num_chains=2, chain_method="sequential", progress_bar=False
    )
    mcmc.run(KEY, Y, Y)
    by_chain = {name: x for name, x in mcmc.get_samples(group_by_chain=True).items() if name != "mu"}
    answer = Predictor(models.line, mcmc)(KEY, X[:, 0])
    assert_equal(answer, stock.Predictive(models.line, by_chain, batch_ndims=2)(KEY, X[:, 0]))
    assert answer["obs"].dims[:2] == ("chain", "draw")


def test_containers_of_arviz():
    samples = draws((2, 5))
    posterior = xr.Dataset(
        {n: (("chain", "draw", *(f"{n}_{i}" for i in range(x.ndim - 2))), x) for n, x in samples.items()}
    )
    posterior = posterior.assign_coords(chain=[3, 4], draw=10 + np.arange(5)).transpose("draw", ..., "chain")
    truth = stock.Predictive(models.regression, latents(samples), batch_ndims=2)(KEY, X)
    for container in (posterior, with_groups(posterior=posterior)):
        answer = Predictor(models.regression, container)(KEY, X)
        assert_equal(answer, truth)
        assert list(answer.draw) == [10, 11, 12, 13, 14]
        assert list(answer.chain) == [3, 4]
    extracted = az.extract(posterior)
    answer = Predictor(models.regression, extracted)(KEY, X)
    assert answer["obs"].dims == ("sample", "obs_0")
    assert_equal(answer, {n: x.reshape(10, 4) for n, x in truth.items()})
    assert answer["obs"].unstack("sample").sizes["draw"] == 5


def without_factors(values):
    return {name: x for name, x in values.items() if np.shape(x)[-1:] != (0,)}


MODELS = {
    "regression": (models.regression, (X, Y)),
    "nested_plates": (models.nested_plates, (4, 3)),
    "subsampled": (models.subsampled, (jnp.asarray(Y), 2)),
    "with_factor": (models.with_factor, (Y,)),
    "mixture": (models.mixture, (None, 4)),
    "masked": (models.masked_observations, (Y, Y > 0)),
    "local_level": (models.local_level, (None, 4)),
    "driven_level": (models.driven_level, (Y,)),
    "schools": (models.schools, (4, Y)),
    "noncentred_schools": (models.noncentred_schools, (4, Y)),
    "projected": (models.projected, (Y,)),
    "scoped": (models.scoped, (Y,)),
    "circular": (models.circular, (Y,)),
    "method": (models.Model().run, (Y,)),
    "structured": (models.structured, ({"x": Y}, (1, 2))),
    "concrete_groups": (models.concrete_groups, (Y, np.array([0, 0, 1, 2]))),
    "concrete_everything": (models.concrete_everything, (Y, 3)),
    "row_effects": (models.row_effects, (Y,)),
    "gaussian_process": (models.gaussian_process, (np.arange(4.0, dtype=np.float32),)),
    "multi_output": (models.multi_output, (X,)),
    "panel": (models.panel, (X,)),
    "no_arguments": (models.no_arguments, ()),
    "labelled": (models.labelled, (Y, ["a", "b", "b", "c"])),
    "without_latents": (models.chain, (Y,)),
}


@pytest.mark.filterwarnings("ignore::sanitize.SanitizeWarning")  # the outcomes are given, too
@pytest.mark.filterwarnings("ignore::sanitize.RowLevelSiteWarning")
@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_models_of_all_kinds(name):
    model, args = MODELS[name]
    samples = record_fit(model, args)
    truth = stock.Predictive(model, strip_deterministic(model, samples, *args))(KEY, *args)
    assert_equal(Predictor(model, samples)(KEY, *args), without_factors(truth), 1e-4)


@pytest.mark.filterwarnings("ignore::sanitize.SanitizeWarning")  # the outcomes are given, too
@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook_models(name):
    case = TEXTBOOK[name]
    samples = record_fit(case.model, case.args, case.kwargs)
    clean = strip_deterministic(case.model, samples, *case.args, **case.kwargs)
    truth = stock.Predictive(case.model, clean)(KEY, *case.args, **case.kwargs)
    answer = Predictor(case.model, samples)(KEY, *case.args, **case.kwargs)
    truth = {n: np.where(np.isfinite(x), x, 0) for n, x in without_factors(truth).items()}
    answer = answer.where(np.isfinite(answer), 0)
    assert_equal(answer, truth, 2e-3)


@pytest.mark.slow
def test_what_is_stripped_and_said_is_what_strip_deterministic_says():
    samples = {"sigma": np.ones(5), "z": np.zeros((5, 9)), "mu": np.zeros((5, 9))}
    with pytest.warns(RedrawnSiteWarning, match="'z'"):
        answer = Predictor(models.row_effects, samples)(KEY, Y)
    assert_equal(answer, stock.Predictive(models.row_effects, {"sigma": samples["sigma"]})(KEY, Y))
    assert answer.attrs["sanitize_redrawn"] == "z"
    assert answer.attrs["sanitize_stripped"] == "mu"
    fitting = {"sigma": np.ones(5), "z": np.zeros((5, 4))}
    with pytest.warns(RowLevelSiteWarning, match="'z'"):
        assert set(Predictor(models.row_effects, fitting)(KEY, Y)) == {"mu", "obs"}
    predict = Predictor(models.row_effects, fitting, new_rows=True)
    assert set(predict(KEY, Y)) == {"mu", "obs", "z"}
    assert set(Predictor(models.row_effects, fitting, keep="z")(KEY, Y)) == {"mu", "obs"}
    with pytest.raises(ShapeMismatchError, match="'beta'"):
        Predictor(models.regression, draws())(KEY, X[:, :2])


def test_a_warning_is_said_at_every_call():
    predict = Predictor(models.row_effects, {"sigma": np.ones(5), "z": np.zeros((5, 9))})
    for _ in range(2):
        with pytest.warns(RedrawnSiteWarning) as caught:
            predict(KEY, Y)
        assert caught[0].filename == __file__


@pytest.mark.slow
def test_a_recorded_value_in_keep_is_put_back():
    def model(x, y=None):
        center = numpyro.deterministic("center", x.mean())
        slope = numpyro.sample("slope", dist.Normal())
        mu = numpyro.deterministic("mu", slope * (x - center))
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    samples = {"slope": np.ones(3, np.float32), "center": np.full(3, 100.0, np.float32)}
    for kind in ("samples", "mean"):
        answer = Predictor(model, samples, keep="center", kind=kind)(KEY, np.zeros(2, np.float32))
        assert np.array_equal(answer["mu"], np.full((3, 2), -100.0))


@pytest.mark.slow
def test_nothing_left_has_as_many_draws():
    samples = {"sigma": np.ones((2, 3)), "z": np.zeros((2, 3, 9)), "mu": np.zeros((2, 3, 9))}
    answer = Predictor(models.row_effects, samples, redraw=("sigma", "z"))(KEY, Y)
    truth = stock.Predictive(models.row_effects, num_samples=6)(KEY, Y)
    assert_equal(answer, {name: x.reshape(2, 3, *x.shape[1:]) for name, x in truth.items()})


@pytest.mark.slow
def test_params_are_put_in():
    samples = {"a": np.linspace(0, 1, 5, dtype=np.float32)}
    params = {"scale": jnp.asarray(2.0), "lazy": jnp.arange(4.0)}
    options = {"params": params}
    truth = stock.Predictive(models.with_params, samples, **options)(KEY, Y)
    predict = Predictor(models.with_params, samples, **options)
    assert_equal(predict(KEY, Y), truth)
    told = numpyro.handlers.substitute(models.with_params, data=params)
    assert_equal(predict.log_likelihood(Y, Y), stock.log_likelihood(told, samples, Y, Y))


def test_a_site_that_is_a_tree():
    def model(x):
        a = numpyro.sample("a", dist.Normal())
        numpyro.deterministic("parts", {"twice": 2 * a, "rows": (a + x,)})

    answer = Predictor(model, {"a": np.ones(3, np.float32)})(KEY, Y)
    assert {name: v.shape for name, v in answer.items()} == {"parts['twice']": (3,), "parts['rows'][0]": (3, 4)}


# --------------------------------------------------------------------------------------------- compiled once


def test_one_compilation_in_many_calls(compilations):
    predict = Predictor(models.regression, draws())
    for i in range(3):  # splitting the key takes compilations of its own
        predict(jax.random.PRNGKey(i), X)
    del compilations[:]
    for i in range(100):
        predict(jax.random.PRNGKey(i), X + i)
    assert len(compilations) == 0
    assert len(predict._batches.answers) == 1
    predict(KEY, X[:3])
    assert len(predict._batches.answers) == 2


def counted_model():
    runs = []

    def model(t, scale=1.0, y=None):
        runs.append(1)
        slope = numpyro.sample("slope", dist.Normal())
        mu = numpyro.deterministic("mu", slope * (t - t[0]))
        numpyro.sample("y", dist.Normal(mu, scale), obs=y)

    return model, runs


SLOPES = {"slope": np.linspace(1, 2, 5, dtype=np.float32)}


@pytest.mark.filterwarnings("ignore::sanitize.DataStatisticWarning")  # time counts from the first row
def test_python_floats_are_taken(compilations):
    model, runs = counted_model()
    predict = Predictor(model, SLOPES)
    predict(KEY, Y, 0.5)
    del runs[:]
    for scale in (0.1, 3.0, 12345.678):
        truth = stock.Predictive(model, SLOPES)(KEY, Y, scale)
        del runs[:]
        assert_equal(predict(KEY, Y, scale), truth)
        assert runs == []
    assert len(predict._batches.answers) == 1


@pytest.mark.filterwarnings("ignore::sanitize.DataStatisticWarning")  # time counts from the first row
def test_time_stamps_stay_exact():
    """In stock NumPy subtracts before JAX casts; traced, the seconds would all be equal."""
    model, runs = counted_model()
    predict = Predictor(model, SLOPES)
    seconds = 1.7e9 + np.arange(0.0, 30.0, 10.0)
    for times in (seconds, seconds.astype(np.int64), seconds + 60, seconds[::-1]):
        answer = predict(KEY, times)
        assert_equal(answer, stock.Predictive(model, SLOPES)(KEY, times))
        assert np.ptp(answer["mu"].values[0]) == pytest.approx(20.0)
    del runs[:]
    predict(KEY, seconds)
    assert runs == []  # remembered by value


@pytest.mark.filterwarnings("ignore::sanitize.DataStatisticWarning")  # time counts from the first row
@pytest.mark.slow
def test_ordinary_doubles_are_taken():
    model, _ = counted_model()
    predict = Predictor(model, SLOPES)
    for i in range(4):
        x = np.random.default_rng(i).normal(size=(4,))
        assert_equal(predict(KEY, x), stock.Predictive(model, SLOPES)(KEY, x))
    assert len(predict._batches.answers) == 1
    direct = Predictor(models.line, {"slope": np.ones(3), "intercept": np.ones(3)})
    for value in (0.1, 1.7e9, 22.7):  # one row alone has no spread, but the model does not calculate with it
        assert_equal(
            direct(KEY, np.array([value])),
            stock.Predictive(models.line, {"slope": np.ones(3), "intercept": np.ones(3)})(KEY, np.array([value])),
        )
    assert len(direct._batches.answers) == 1


@pytest.mark.slow
def test_values_that_the_model_needs_are_part_of_the_signature():
    samples = {"effect": np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)}
    predict = Predictor(models.concrete_groups, samples)
    groups = np.array([0, 1, 2, 1]), np.array([2, 1, 0, 0])
    for group in (*groups, *groups):
        for x in (Y, 2 * Y):
            truth = stock.Predictive(models.concrete_groups, samples)(KEY, x, group)
            assert_equal(predict(KEY, x, group), truth)
    assert len(predict._batches.answers) == 2  # x is taken, the groups are not


@pytest.mark.slow
def test_objects_are_compared_by_what_is_in_them():
    class Data:
        x = None

    data, samples = Data(), {"a": np.ones(3, np.float32)}
    predict = Predictor(models.from_object, {**samples, "z": np.zeros((3, 4))}, keep="z")
    for value in (1.0, 2.0):
        data.x = np.full(4, value, np.float32)
        answer = predict(KEY, data)
        truth = stock.Predictive(models.from_object, {**samples, "z": np.zeros((3, 4))})(KEY, data)
        assert_equal(answer, truth)


@pytest.mark.slow
def test_whether_rows_are_the_fits_is_asked_of_the_values():
    """The verdict hangs on the values of an argument, so that a signature alone does not tell."""
    mcmc = MCMC(NUTS(models.row_effects), num_warmup=3, num_samples=4, progress_bar=False)
    mcmc.run(KEY, Y, Y)
    predict = Predictor(models.row_effects, mcmc)
    assert set(predict(KEY, Y)) == {"mu", "obs"}
    with pytest.warns(RedrawnSiteWarning):
        assert set(predict(KEY, 2 * Y)) == {"mu", "obs", "z"}
    assert set(predict(KEY, Y)) == {"mu", "obs"}


def test_threads_share_what_is_compiled():
    samples, answers = draws(), []
    predict = Predictor(models.regression, samples)
    threads = [threading.Thread(target=lambda: answers.append(predict(KEY, X))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert len(predict._batches.answers) == 1
    for answer in answers:
        xr.testing.assert_identical(answer, answers[0])


@pytest.mark.slow
def test_old_signatures_are_forgotten(monkeypatch):
    from sanitize import memory

    monkeypatch.setattr(memory, "_MOST", 2)
    predict = Predictor(models.line, {"slope": np.ones(3), "intercept": np.ones(3)})
    for n in (1, 2, 3, 4):
        predict(KEY, np.ones(n, np.float32))
    assert len(predict._batches.answers) == len(predict._plans.answers) == 2


@pytest.mark.slow
def test_it_pickles():
    predict = Predictor(models.regression, draws())
    answer = predict(KEY, X)
    xr.testing.assert_identical(pickle.loads(pickle.dumps(predict))(KEY, X), answer)


@pytest.mark.parametrize("typed", [pytest.param(False, marks=pytest.mark.slow), True])
def test_double_precision(typed):
    samples = {name: x.astype(np.float64) for name, x in draws().items()}
    with jax.experimental.enable_x64() if hasattr(jax.experimental, "enable_x64") else jax.enable_x64(True):
        key = jax.random.key(3) if typed else jax.random.PRNGKey(3)
        answer = Predictor(models.regression, samples)(key, X.astype(np.float64))
        truth = stock.Predictive(models.regression, latents(samples))(key, X.astype(np.float64))
        assert answer["eta"].dtype == np.float64
        assert_equal(answer, truth, 1e-12)


# ---------------------------------------------------------------------------------------------------- means


MEANS = {
    "Normal": (lambda: dist.Normal(2.0, 3.0), 2.0),
    "LogNormal": (lambda: dist.LogNormal(0.5, 1.0), np.exp(1.0)),
    "Gamma": (lambda: dist.Gamma(3.0, 2.0), 1.5),
    "Beta": (lambda: dist.Beta(2.0, 6.0), 0.25),
    "Poisson": (lambda: dist.Poisson(4.5), 4.5),
    "NegativeBinomial2": (lambda: dist.NegativeBinomial2(3.0, 2.0), 3.0),
    "Binomial": (lambda: dist.Binomial(8, logits=0.0), 4.0),
    "BernoulliLogits": (lambda: dist.Bernoulli(logits=np.log(3.0)), 0.75),
    "StudentT": (lambda: dist.StudentT(4.0, 1.5, 2.0), 1.5),
    "HalfNormal": (lambda: dist.HalfNormal(2.0), 2.0 * np.sqrt(2 / np.pi)),
    "Weibull": (lambda: dist.Weibull(2.0, 1.0), 2.0),
    "ZeroInflatedPoisson": (lambda: dist.ZeroInflatedPoisson(0.25, 4.0), 3.0),
    "MixtureSameFamily": (
        lambda: dist.MixtureSameFamily(
            dist.Categorical(jnp.array([0.25, 0.75])), dist.Normal(jnp.array([0.0, 4.0]), 1.0)
        ),
        3.0,
    ),
    "MultivariateNormal": (lambda: dist.MultivariateNormal(jnp.array([1.0, 2.0]), jnp.eye(2)), np.array([1.0, 2.0])),
    "Multinomial": (lambda: dist.Multinomial(10, jnp.array([0.2, 0.8])), np.array([2.0, 8.0])),
    "Dirichlet": (lambda: dist.Dirichlet(jnp.array([1.0, 3.0])), np.array([0.25, 0.75])),
    "TruncatedNormal": (lambda: dist.TruncatedNormal(0.0, 1.0, low=0.0), np.sqrt(2 / np.pi)),
}


def of_distributions(**fns):
    """A target of each distribution, in a plate and under a mask."""

    def model(shift):
        numpyro.sample("unused", dist.Normal())
        with numpyro.plate("rows", 3), numpyro.handlers.mask(mask=jnp.array([True, False, True])):
            values = [numpyro.sample(name, fn()) for name, fn in fns.items()]
        numpyro.deterministic("next", values[0] + shift)

    return model


@pytest.mark.filterwarnings("ignore::sanitize.MissingLatentWarning")  # of what `next` is computed from
def test_means_are_the_closed_forms():
    model = of_distributions(**{name: fn for name, (fn, _) in MEANS.items()})
    answer = Predictor(model, {"unused": np.zeros(4)}, kind="mean")(KEY, 1.0)
    for name, (_, mean) in MEANS.items():
        truth = np.broadcast_to(mean, answer[name].shape)
        np.testing.assert_allclose(answer[name], truth, rtol=1e-5, err_msg=name)
        assert answer[name].dims[:2] == ("draw", "rows")
    assert np.ptp(answer["next"].values) > 0.1  # computed from a draw, as ever


@pytest.mark.filterwarnings("ignore::sanitize.MissingLatentWarning")  # of what `next` is computed from
@pytest.mark.slow
def test_means_are_those_of_many_draws():
    model = of_distributions(**{name: fn for name, (fn, _) in MEANS.items()})
    samples = {"unused": np.zeros(20_000)}
    mean = Predictor(model, samples, kind="mean")(KEY, 1.0).mean("draw")
    drawn = Predictor(model, samples)(KEY, 1.0)
    for name in MEANS:
        error = 5 * drawn[name].std("draw") / np.sqrt(20_000)
        assert (abs(drawn[name].mean("draw") - mean[name]) <= error).all(), name


@pytest.mark.slow
def test_means_with_to_event_and_in_scan():
    samples = {"W": np.random.default_rng(0).normal(size=(5, 3, 2)).astype(np.float32)}
    answer = Predictor(models.multi_output, samples, kind="mean")(KEY, X)
    np.testing.assert_array_equal(answer["obs"], answer["mean"])
    level = {"drift": np.zeros(3), "start": np.zeros(3), "level": np.arange(12.0).reshape(3, 4)}
    answer = Predictor(models.local_level, level, kind="mean", keep="level")(KEY, None, 4)
    np.testing.assert_array_equal(answer["obs"], level["level"])


def test_the_mean_of_redrawn_rows_is_given_their_draw():
    samples = {"sigma": np.ones(5, np.float32), "z": np.zeros((5, 9))}
    answer = Predictor(models.row_effects, samples, kind="mean", new_rows=True)(KEY, Y)
    np.testing.assert_allclose(answer["obs"], Y + answer["z"], rtol=1e-3)
    assert answer["z"].std() > 0.1


@pytest.mark.filterwarnings("ignore::sanitize.MissingLatentWarning")  # of what `next` is computed from
@pytest.mark.parametrize(
    "fn",
    [
        dist.Cauchy(),
        *(pytest.param(fn, marks=pytest.mark.slow) for fn in (dist.StudentT(1.0), dist.HalfCauchy())),
    ],
)
def test_what_has_no_mean_is_told_by_name(fn):
    predict = Predictor(of_distributions(y=lambda: fn), {"unused": np.zeros(4)}, kind="mean")
    with pytest.raises(OptionError, match=rf"'y', {type(fn).__name__}, is NaN or infinite.*kind='samples'"):
        predict(KEY, 1.0)


def test_a_mean_that_nobody_wrote_is_told_by_name():
    predict = Predictor(models.density_only, {"a": np.zeros((4, 2))}, kind="mean")
    assert "obs" in predict(KEY, Y)

    def model():
        numpyro.sample("unused", dist.Normal())
        numpyro.sample("y", dist.TransformedDistribution(dist.Normal(), dist.transforms.SigmoidTransform()))

    samples = {"unused": np.zeros(4)}
    with pytest.raises(OptionError, match=r"'y', TransformedDistribution, is not known.*kind='samples'"):
        Predictor(model, samples, kind="mean")(KEY)
    Predictor(model, samples)(KEY)


# --------------------------------------------------------------------------------------------------- labels


def labelled(chains=2, n=3):
    samples = draws((chains, n))
    dims = {"alpha": (), "beta": ("feature",), "sigma": (), "eta": ("day",), "obs": ("day",)}
    data = {name: (("chain", "draw", *dims[name]), x) for name, x in samples.items()}
    return xr.Dataset(data, coords={"feature": ["a", "b", "c"], "day": np.arange(9)})


def test_dims_of_the_recorded_entry_win_over_plates():
    answer = Predictor(models.regression, labelled(), return_sites=("eta", "obs", "beta"))(KEY, X)
    assert answer["eta"].dims == answer["obs"].dims == ("chain", "draw", "day")
    assert list(answer["feature"]) == ["a", "b", "c"]
    assert "day" not in answer.coords  # of another number


def test_labels_of_rows_are_taken_only_where_they_are_the_fits():
    rows = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    idata = with_groups(posterior=labelled(), constant_data=xr.Dataset({"X": (("day", "feature"), rows)}))
    predict = Predictor(models.regression, idata)
    assert "day" in predict(KEY, rows).coords
    assert "day" not in predict(KEY, rows + 1).coords
    assert "day" in predict(KEY, rows).coords


@pytest.mark.slow
def test_dims_of_plates_are_found_for_what_is_computed_outside():
    def model(x, y=None):
        a = numpyro.sample("a", dist.Normal())
        mu = numpyro.deterministic("mu", a * x)
        with numpyro.plate("day", len(x)):
            numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    answer = Predictor(model, {"a": np.zeros(3)})(KEY, Y)
    assert answer["mu"].dims == answer["y"].dims == ("draw", "day")


def test_dims_of_arguments():
    import pandas as pd

    frame = pd.DataFrame({"x": Y}, index=pd.Index(list("abcd"), name="town"))
    samples = {"a": np.zeros(3), "z": np.zeros((3, 9))}
    answer = Predictor(models.from_frame, samples, new_rows=True)(KEY, frame)
    assert answer["obs"].dims == ("draw", "town")
    assert list(answer["town"]) == list("abcd")

    def model(x):
        a = numpyro.sample("a", dist.Normal())
        numpyro.sample("y", dist.Normal(a * x.values, 1.0))

    x = xr.DataArray(X, dims=("town", "year"), coords={"year": [1, 2, 3]})
    answer = Predictor(model, {"a": np.zeros(3)})(KEY, x)
    assert answer["y"].dims == ("draw", "town", "year")
    assert list(answer["year"]) == [1, 2, 3]


def test_dims_and_coords_that_are_passed_win():
    predict = Predictor(
        models.line,
        {"slope": np.zeros(3), "intercept": np.zeros(3)},
        dims={"obs": ["day"]},
        coords={"day": list("abcd")},
    )
    answer = predict(KEY, Y)
    assert answer["obs"].dims == ("draw", "day")
    assert answer["mu"].dims == ("draw", "mu_dim_0")
    assert list(answer["day"]) == list("abcd")
    with pytest.raises(OptionError, match="4 labels for 'day', along which there are 3"):
        predict(KEY, Y[:3])
    with pytest.raises(OptionError, match="dims of 'obs' is"):
        Predictor(models.line, {"slope": np.zeros(3), "intercept": np.zeros(3)}, dims={"obs": ["a", "b"]})(KEY, Y)
    with pytest.raises(OptionError, match="dims names 'ob'"):
        Predictor(models.line, {"slope": np.zeros(3), "intercept": np.zeros(3)}, dims={"ob": ["a"]})(KEY, Y)


def test_equal_names_and_sizes_that_differ_fall_back():
    def model(x, y=None):
        with numpyro.plate("rows", len(x)):
            a = numpyro.sample("a", dist.Normal())
        numpyro.deterministic("cross", a[:, None] * a + x[:, None])
        numpyro.sample("y", dist.Normal(x.sum(), 1.0), obs=y)

    answer = Predictor(model, {"a": np.zeros((3, 4))}, keep="a")(KEY, Y)
    assert answer["cross"].dims == ("draw", "rows", "cross_dim_1")


def test_attributes_tell_versions_and_verdicts():
    attrs = Predictor(models.regression, draws())(KEY, X).attrs
    assert attrs["inference_library_version"] == numpyro.__version__
    assert attrs["sanitize_kept"] == "alpha, beta, sigma"
    assert attrs["sanitize_stripped"] == "eta, obs"
    assert attrs["sanitize_redrawn"] == ""


def test_the_answer_goes_into_what_arviz_has():
    idata = with_groups(posterior=labelled())
    answer = Predictor(models.regression, idata)(KEY, X)
    if hasattr(idata, "add_groups"):
        idata.add_groups(predictions=answer)
    else:
        idata["predictions"] = xr.DataTree(answer)
    assert idata["predictions"]["obs"].shape == (2, 3, 4)


@pytest.mark.slow
def test_scores_are_what_loo_takes():
    samples = {name: 1 + x / 10 for name, x in draws((4, 50)).items()}
    posterior = xr.Dataset(
        {n: (("chain", "draw", *(f"{n}_{i}" for i in range(x.ndim - 2))), x) for n, x in samples.items()}
    )
    scores = Predictor(models.regression, posterior).log_likelihood(X, Y)
    loo = az.loo(with_groups(posterior=posterior, log_likelihood=scores))
    assert loo.n_data_points == 4


def test_a_plate_that_is_called_like_the_draws():
    def model(x, y=None):
        a = numpyro.sample("a", dist.Normal())
        with numpyro.plate("draw", len(x)):
            numpyro.sample("y", dist.Normal(a * x, 1.0), obs=y)

    answer = Predictor(model, {"a": np.zeros(4)})(KEY, Y)
    assert answer["y"].dims == ("draw", "y_dim_0")


# --------------------------------------------------------------------------------------------------- scores


def test_scores_need_all_latents():
    predict = Predictor(models.row_effects, {"sigma": np.ones(5), "z": np.zeros((5, 9))})
    with pytest.warns(RedrawnSiteWarning), pytest.raises(MissingLatentError, match="'z', which log_likelihood needs"):
        predict.log_likelihood(Y, Y)


@pytest.mark.slow
def test_scores_with_options():
    samples = draws((2, 5))
    truth = stock.log_likelihood(models.regression, latents(samples), X, Y, batch_ndims=2)
    for options in ({"kind": "mean"}, {"lazy": True, "batch_size": 2}, {"batch_size": 3, "progress_bar": False}):
        assert_equal(Predictor(models.regression, samples, **options).log_likelihood(X, Y), truth, 1e-4)


# ---------------------------------------------------------------------------------------------------- dask


def test_lazy_computes_nothing_before_it_is_asked(compilations):
    samples = draws((2, 50))
    lazily = Predictor(models.regression, samples, lazy=True, batch_size=10)
    answer = lazily(KEY, X)
    truth = stock.Predictive(models.regression, latents(samples), batch_ndims=2)(KEY, X)
    for scheduler in ("synchronous", "threads"):
        assert_equal(answer.compute(scheduler=scheduler), truth)
    mean = answer.mean(("chain", "draw")).compute(scheduler="synchronous")
    np.testing.assert_allclose(mean["obs"], truth["obs"].mean((0, 1)), rtol=1e-4, atol=1e-5)
    assert_equal(lazily(KEY, X).isel(chain=1).compute(scheduler="synchronous"), {n: x[1] for n, x in truth.items()})


@pytest.mark.parametrize("lazy", [False, True])
def test_samples_held_by_dask_are_read_batch_by_batch(lazy):
    import dask.array as da

    read, samples = [], draws((2, 12))
    beta = da.from_array(samples["beta"], chunks=(1, 4, 3)).map_blocks(
        lambda x: read.append(x.shape) or x, meta=np.empty((0, 0, 0), np.float32)
    )
    data = {n: (("chain", "draw"), samples[n]) for n in ("alpha", "sigma")}
    posterior = xr.Dataset({**data, "beta": (("chain", "draw", "feature"), beta)})
    answer = Predictor(models.regression, posterior, batch_size=4, lazy=lazy, progress_bar=False)(KEY, X)
    assert (read == []) is lazy
    answer = answer.compute(scheduler="synchronous")
    assert read == [(1, 4, 3)] * 6
    assert_equal(answer, stock.Predictive(models.regression, latents(samples), batch_ndims=2)(KEY, X))


@pytest.mark.filterwarnings("ignore::sanitize.MissingLatentWarning")  # of what `next` is computed from
def test_an_error_in_a_batch_comes_through():
    predict = Predictor(of_distributions(y=dist.Cauchy), {"unused": np.zeros(4)}, kind="mean", lazy=True)
    answer = predict(KEY, 1.0)
    with pytest.raises(OptionError, match="Cauchy"):
        answer.compute(scheduler="synchronous")


@pytest.mark.slow
def test_an_interrupted_write_leaves_the_samples(tmp_path):
    samples = draws((2, 6))
    before = {name: x.copy() for name, x in samples.items()}
    predict = Predictor(models.regression, samples, lazy=True, batch_size=2)
    answer, written = predict(KEY, X), []

    def interrupt(block):
        written.append(1)
        if len(written) > 2:
            raise KeyboardInterrupt
        return block

    with pytest.raises(KeyboardInterrupt):
        answer["obs"].data.map_blocks(interrupt, dtype=np.float32).compute(scheduler="synchronous")
    assert all(np.array_equal(samples[name], x) for name, x in before.items())
    assert_equal(
        predict(KEY, X).compute(scheduler="synchronous"),
        stock.Predictive(models.regression, latents(samples), batch_ndims=2)(KEY, X),
    )


def test_it_streams_to_zarr(tmp_path):
    pytest.importorskip("zarr")
    samples = draws((2, 7))
    Predictor(models.regression, samples, lazy=True, batch_size=3)(KEY, X).to_zarr(
        tmp_path / "a.zarr", consolidated=False
    )
    with xr.open_zarr(tmp_path / "a.zarr", consolidated=False) as written:
        assert_equal(written.load(), stock.Predictive(models.regression, latents(samples), batch_ndims=2)(KEY, X))


def test_what_was_compiled_pickles_without_the_model():
    export = pytest.importorskip("jax.export")
    pytest.importorskip("flatbuffers")
    assert export
    predict = Predictor(models.regression, draws(), batch_size=3)
    answer = predict(KEY, X)
    (plan,) = predict._plans.answers.values()
    batch = pickle.loads(pickle.dumps(plan.batch))
    keys = np.asarray(jax.random.key_data(jax.random.split(KEY, 6)))
    again = batch(keys, plan.draws.slice(0, 6), ([X], {}), 6)
    assert_equal(answer, again)
    assert b"regression" not in pickle.dumps(plan.batch.function)[:200]
    batch = replace(batch, function=replace(batch.function, x64=not batch.function.x64))
    with pytest.raises(OptionError, match="JAX_ENABLE_X64=1 in the environment of the workers"):
        batch(keys, plan.draws.slice(0, 6), ([X], {}), 6)


@pytest.mark.slow
def test_without_what_pickling_needs_threads_go_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    answer = Predictor(models.regression, draws(), lazy=True)(KEY, X)
    answer.compute(scheduler="threads")
    predict = Predictor(models.regression, draws())
    predict(KEY, X)
    (batch,) = predict._batches.answers.values()
    with pytest.raises(OptionError, match=r"pip install flatbuffers.*scheduler='threads'"):
        pickle.dumps(batch)


@pytest.mark.slow
def test_a_cluster_of_two_processes():
    distributed = pytest.importorskip("distributed")
    pytest.importorskip("jax.export")
    pytest.importorskip("flatbuffers")
    samples = draws((2, 50))
    truth = stock.Predictive(models.regression, latents(samples), batch_ndims=2)(KEY, X)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster),
    ):
        assert_equal(Predictor(models.regression, samples, lazy=True, batch_size=10)(KEY, X).compute(), truth)


def run(code, **environment):
    command = [sys.executable, "-c", code]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **environment}
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


@pytest.mark.slow
def test_sharded_draws_are_computed_where_they_are():
    result = run(
        """if True:
        import jax, numpy as np, numpyro, models
        from jax.sharding import Mesh, NamedSharding, PartitionSpec
        from sanitize import Predictor
        from sanitize.predict.compiled import Compiled
        assert len(jax.devices()) == 4
        rng = np.random.default_rng(0)
        samples = {"slope": rng.normal(size=8), "intercept": rng.normal(size=8)}
        sharding = NamedSharding(Mesh(np.array(jax.devices()), ("draws",)), PartitionSpec("draws"))
        sharded = {n: jax.device_put(x.astype(np.float32), sharding) for n, x in samples.items()}
        seen, call = [], Compiled.__call__
        def watched(self, *inputs):
            out = call(self, *inputs)
            seen.append((getattr(inputs[1]["slope"], "sharding", None), out["obs"].sharding))
            return out
        Compiled.__call__ = watched
        x, key = np.arange(5.0, dtype=np.float32), jax.random.PRNGKey(0)
        for options in ({}, {"batch_size": 4, "progress_bar": False}):
            answer = Predictor(models.line, sharded, **options)(key, x)
            truth = Predictor(models.line, samples)(key, x)
            np.testing.assert_allclose(answer["obs"], truth["obs"], rtol=1e-5)
        assert seen[0][0] == sharding
        assert len(seen[0][1].device_set) == 4 and not seen[0][1].is_fully_replicated, seen[0]
        """,
        XLA_FLAGS="--xla_force_host_platform_device_count=4",
    )
    assert result.returncode == 0, result.stderr


# ------------------------------------------------------------------------------------------- progress, bad input


def test_progress_is_shown_over_several_batches(capsys, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    samples = draws((10,))
    Predictor(models.regression, samples, batch_size=10)(KEY, X)
    Predictor(models.regression, samples, batch_size=3, progress_bar=False)(KEY, X)
    assert capsys.readouterr().err == ""
    Predictor(models.regression, samples, batch_size=3)(KEY, X)
    assert "4/4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": True}, "batch_size is True"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"kind": "median"}, "kind is 'median'"),
    ],
)
def test_options_that_are_none(options, message):
    with pytest.raises(OptionError, match=message):
        Predictor(models.regression, draws(), **options)


@pytest.mark.parametrize("key", [0, None, np.zeros(3), X, "key", jax.random.split(KEY, 3)])
def test_a_key_that_is_none(key, compilations):
    predict = Predictor(models.regression, draws())
    with pytest.raises(OptionError, match=r"has to be one random key.*key = jax.random.PRNGKey\(0\)"):
        predict(key, X)
    assert len(predict._batches.answers) == 0


def test_no_such_site_and_other_draws(compilations):
    predict = Predictor(models.regression, draws(), return_sites=["obs", "mu"])
    with pytest.raises(OptionError, match="return_sites names 'mu'"):
        predict(KEY, X)
    predict = Predictor(models.regression, {**latents(draws()), "alpha": np.zeros(5)})
    with pytest.raises(BatchShapeError, match="disagree"):
        predict(KEY, X)
    assert len(predict._batches.answers) == 0


@pytest.mark.slow
def test_handlers_around_a_call_have_no_part_in_it():
    predict = Predictor(models.regression, draws())
    with numpyro.handlers.trace() as trace, numpyro.handlers.do(data={"alpha": 100.0}):
        first = predict(KEY, X)
    assert not trace
    assert_equal(first, stock.Predictive(models.regression, latents(draws()))(KEY, X))


def test_old_numpyro_is_told(monkeypatch):
    monkeypatch.setattr(numpyro, "__version__", "0.14.0")
    with pytest.raises(OptionError, match=r"needs NumPyro 0.15 or later, and here is 0.14.0"):
        Predictor(models.regression, draws())


def test_samples_without_an_entry_are_an_error_that_says_so():
    with pytest.raises(NoSharedSiteError, match="num_samples="):
        Predictor(models.regression, {})
