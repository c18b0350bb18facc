"""The drop-ins: changing one import is enough to be safe, and changes nothing else."""

import functools
import inspect
import pickle
import threading

import jax
import jax.numpy as jnp
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import infer as stock
from numpyro.infer import MCMC, NUTS, SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoDelta, AutoLaplaceApproximation, AutoMultivariateNormal, AutoNormal
from since import OF_PREDICTOR
from warned import warned

import sanitize
from sanitize import (
    MissingLatentError,
    MissingLatentWarning,
    RedrawnSiteWarning,
    RowLevelSiteWarning,
    ShapeMismatchError,
    strip_deterministic,
)
from sanitize.behavior import HAZARDS, density, posterior, predict, predict_alone, score
from sanitize.infer import _substitutes_deterministic
from sanitize.model import trace

KEY = jax.random.PRNGKey(0)
X = np.cos(np.arange(12, dtype=np.float32)).reshape(4, 3)
Y = np.ones(4, np.float32)


def draws(batch=(5,), rows=9):
    rng = np.random.default_rng(0)
    shapes = {"alpha": (), "beta": (3,), "sigma": (), "eta": (rows,), "obs": (rows,)}
    samples = {name: rng.normal(size=(*batch, *shape)).astype(np.float32) for name, shape in shapes.items()}
    return {**samples, "sigma": np.abs(samples["sigma"]) + 0.1}


def latents(samples):
    return {name: samples[name] for name in ("alpha", "beta", "sigma")}


def equal(result, truth):
    return set(result) == set(truth) and all(np.array_equal(result[name], truth[name]) for name in truth)


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.name)
def test_every_hazard_is_right_through_the_drop_ins(hazard):
    """`log_density` has no drop-in; all others are right with the samples as they are."""
    if hazard.call is density:
        pytest.skip("log_density has no drop-in")
    samples = dict(posterior(hazard.entry))
    truth = hazard.run({n: v for n, v in samples.items() if n != hazard.entry})
    if hazard.call is score:
        result = sanitize.log_likelihood(hazard.model, samples, hazard.x, hazard.y)["obs"]
    else:
        sites = {predict: None, predict_alone: ["obs"]}[hazard.call]
        predictive = sanitize.Predictive(hazard.model, samples, return_sites=sites, new_rows=True)
        result = predictive(KEY, hazard.x)["obs"]
    assert np.array_equal(result, truth)


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
@pytest.mark.parametrize("parallel", [False, True])
def test_batches(batch, parallel):
    samples, options = draws(batch), {"batch_ndims": len(batch), "parallel": parallel}
    result = sanitize.Predictive(models.regression, samples, **options)(KEY, X)
    assert equal(result, stock.Predictive(models.regression, latents(samples), **options)(KEY, X))
    result = sanitize.log_likelihood(models.regression, samples, X, Y, **options)
    assert equal(result, stock.log_likelihood(models.regression, latents(samples), X, Y, **options))


def test_the_batch_dimensions_are_those_that_were_said():
    """Draws by chain are, without `batch_ndims=2`, coefficients of another shape."""
    samples = {"slope": np.zeros((2, 3)), "intercept": np.zeros((2, 3))}
    with pytest.raises(ShapeMismatchError, match=r"'slope' has recorded shape \(3,\)"):
        sanitize.Predictive(models.line, samples)(KEY, Y)
    assert sanitize.Predictive(models.line, samples, batch_ndims=2)(KEY, Y)["obs"].shape == (2, 3, 4)


def test_signature_is_numpyros_with_five_more():
    theirs = inspect.signature(stock.Predictive)
    ours = inspect.signature(sanitize.Predictive)
    assert list(ours.parameters)[: len(theirs.parameters)] == list(theirs.parameters)
    assert list(ours.parameters)[len(theirs.parameters) :] == [
        "new_rows",
        "keep",
        "redraw",
        "extend",
        "levels",
    ]
    assert issubclass(sanitize.Predictive, stock.Predictive)


def test_attributes_and_pickling():
    samples = draws()
    predictive = sanitize.Predictive(models.regression, samples, return_sites=["obs"])
    assert predictive.posterior_samples is samples
    assert predictive.num_samples == 5
    predictive(KEY, X)
    assert predictive.posterior_samples is samples
    assert equal(pickle.loads(pickle.dumps(predictive))(KEY, X), predictive(KEY, X))


@pytest.mark.slow
def test_prior_predictive_and_guide_are_stock():
    result = sanitize.Predictive(models.regression, num_samples=3)(KEY, X)
    assert equal(result, stock.Predictive(models.regression, num_samples=3)(KEY, X))
    guide = AutoNormal(models.regression)
    svi = SVI(models.regression, guide, numpyro.optim.Adam(0.1), Trace_ELBO())
    params = svi.run(KEY, 5, X, Y, progress_bar=False).params
    options = {"guide": guide, "params": params, "num_samples": 3}
    assert equal(
        sanitize.Predictive(models.regression, **options)(KEY, X),
        stock.Predictive(models.regression, **options)(KEY, X),
    )
    assert equal(
        sanitize.Predictive(models.regression, {}, num_samples=3)(KEY, X),
        stock.Predictive(models.regression, {}, num_samples=3)(KEY, X),
    )


@pytest.mark.slow
def test_samples_of_a_guide():
    guide = AutoNormal(models.regression)
    svi = SVI(models.regression, guide, numpyro.optim.Adam(0.1), Trace_ELBO())
    params = svi.run(KEY, 5, X, Y, progress_bar=False).params
    samples = guide.sample_posterior(KEY, params, sample_shape=(4,))
    truth = stock.Predictive(models.regression, latents(samples))(KEY, X)
    assert equal(sanitize.Predictive(models.regression, samples)(KEY, X), truth)


def test_params_are_those_that_were_passed():
    """The model is inspected with its params substituted, as it runs."""
    options = {"params": {"lazy": jnp.ones(4), "scale": 2.0}}
    samples = {"a": np.zeros(3), "obs": np.zeros((3, 9))}
    result = sanitize.Predictive(models.with_params, samples, **options)(KEY, np.ones(4))
    assert equal(result, stock.Predictive(models.with_params, {"a": np.zeros(3)}, **options)(KEY, np.ones(4)))


def test_nothing_left_goes_on_with_the_draws_there_were():
    samples = {"obs": np.zeros((2, 3, 9))}
    with pytest.warns(sanitize.MissingLatentWarning, match="'alpha', 'beta' and 'sigma'"):
        result = sanitize.Predictive(models.regression, samples, batch_ndims=2)(KEY, X)
    assert result["obs"].shape == (2, 3, 4)
    result = sanitize.log_likelihood(models.with_factor, {"penalty": np.zeros((7, 0)), "a": np.zeros(7)}, X)
    assert result["penalty"].shape == (7,)

    def fixed(y=None):
        numpyro.sample("y", numpyro.distributions.Normal(jnp.zeros(4)), obs=y)

    assert sanitize.log_likelihood(fixed, {"y": np.zeros((7, 9))}, Y)["y"].shape == (7, 4)


def test_entries_that_are_no_site_only_tell_the_number_of_draws():
    samples = {"dummy": np.zeros(3)}
    with pytest.warns(sanitize.MissingLatentWarning, match="No site claims 'dummy'"):
        result = sanitize.Predictive(models.regression, samples)(KEY, X)
    assert equal(result, stock.Predictive(models.regression, samples)(KEY, X))


def test_explicit_wish_to_condition_on_deterministic_entries():
    """By either name that NumPyro gives it, on the versions that have one."""
    known = inspect.signature(stock.Predictive).parameters
    if "condition_deterministic" in known:
        wish = {"condition_deterministic": True}
    elif "exclude_deterministic" in known:
        wish = {"exclude_deterministic": False}
    else:
        pytest.skip("this NumPyro has no such option")
    samples = draws(rows=4)
    del samples["obs"]
    truth = stock.Predictive(models.regression, samples, **wish)(KEY, X)
    assert equal(sanitize.Predictive(models.regression, samples, **wish)(KEY, X), truth)
    assert np.array_equal(truth["eta"], samples["eta"])
    only = {"eta": samples["eta"], "sigma": samples["sigma"]}  # what it was computed from is not used
    truth = stock.Predictive(models.regression, only, **wish)(KEY, X)
    assert equal(sanitize.Predictive(models.regression, only, **wish)(KEY, X), truth)


@pytest.mark.slow
def test_every_container():
    mcmc = MCMC(NUTS(models.regression), num_warmup=10, num_samples=5, num_chains=2, chain_method="sequential",
                progress_bar=False)  # fmt: skip
    mcmc.run(KEY, X, Y)
    az = pytest.importorskip("arviz")
    idata = az.from_numpyro(mcmc)
    for ndims in (1, 2):
        samples = mcmc.get_samples(group_by_chain=ndims == 2)
        truth = stock.Predictive(models.regression, latents(samples), batch_ndims=ndims)(KEY, X[:2])
        scores = stock.log_likelihood(models.regression, latents(samples), X[:2], Y[:2], batch_ndims=ndims)
        for container in (mcmc, idata, samples):
            predictive = sanitize.Predictive(models.regression, container, batch_ndims=ndims)
            assert equal(predictive(KEY, X[:2]), truth)
            result = sanitize.log_likelihood(models.regression, container, X[:2], Y[:2], batch_ndims=ndims)
            assert equal(result, scores)


@pytest.mark.slow
def test_the_data_of_the_fit_are_evidence(recwarn):
    """Of an MCMC the arguments are known: its rows are kept, other rows are drawn."""
    x = np.linspace(0, 1, 6, dtype=np.float32)
    mcmc = MCMC(NUTS(models.row_effects), num_warmup=10, num_samples=5, progress_bar=False)
    mcmc.run(KEY, x, x)
    predictive = sanitize.Predictive(models.row_effects, mcmc)
    samples = mcmc.get_samples()
    kept = {name: samples[name] for name in ("sigma", "z")}
    assert equal(predictive(KEY, x), stock.Predictive(models.row_effects, kept)(KEY, x))
    assert not [w for w in recwarn if issubclass(w.category, (RedrawnSiteWarning, RowLevelSiteWarning))]
    with pytest.warns(RedrawnSiteWarning):
        result = predictive(KEY, x**2)
    assert equal(result, stock.Predictive(models.row_effects, {"sigma": samples["sigma"]})(KEY, x**2))


def test_model_with_its_own_data_keeps_its_row_level_latents():
    """Without arguments the rows are those that the model holds, and the fit had no others."""
    samples = {"a": np.zeros(5), "z": np.ones((5, 6))}
    truth = stock.Predictive(models.closed_over, samples)(KEY)
    assert equal(sanitize.Predictive(models.closed_over, samples)(KEY), truth)
    assert equal(sanitize.Predictive(models.closed_over, samples, new_rows=False)(KEY), truth)
    assert not np.array_equal(truth["obs"], stock.Predictive(models.closed_over, {"a": np.zeros(5)})(KEY)["obs"])
    scores = sanitize.log_likelihood(models.no_arguments, {"a": np.arange(3.0), "b": np.zeros(3)})
    assert equal(scores, stock.log_likelihood(models.no_arguments, {"a": np.arange(3.0)}))


def test_one_draw_without_batch_dimensions():
    """NumPyro takes scalars for one draw, whatever `batch_ndims` says."""
    samples, x = {"slope": np.float32(2.0), "intercept": np.float32(1.0)}, np.ones(3, np.float32)
    truth = stock.Predictive(models.line, samples)(KEY, x)
    assert equal(sanitize.Predictive(models.line, samples)(KEY, x), truth)
    scores = stock.log_likelihood(models.line, samples, x, x)
    assert equal(sanitize.log_likelihood(models.line, samples, x, x), scores)


def test_axes_of_size_one_in_front_broadcast():
    """As stock has it: values recorded under an outer plate of the fit are the same values."""
    samples, x = {"slope": np.arange(3.0).reshape(3, 1), "intercept": np.ones(3)}, np.ones(4, np.float32)
    truth = stock.log_likelihood(models.line, samples, x, x)
    assert equal(sanitize.log_likelihood(models.line, samples, x, x), truth)


def test_other_samples_in_the_same_instance():
    """NumPyro reads its attributes at each call: so does the review."""
    predictive = sanitize.Predictive(models.regression, latents(draws()))
    predictive(KEY, X)
    predictive.posterior_samples = draws()
    assert equal(predictive(KEY, X), stock.Predictive(models.regression, latents(draws()))(KEY, X))


# --------------------------------------------------------------------------------------------------- serving


@pytest.fixture
def runs(monkeypatch):
    seen = []
    original = trace.run_in_mode
    monkeypatch.setattr(trace, "run_in_mode", lambda *args: seen.append(args) or original(*args))
    return seen


def test_same_shapes_are_inspected_once(runs):
    predictive = sanitize.Predictive(models.regression, draws())
    """One run shows that the model is still what it was: what further runs told is remembered."""
    predictive(KEY, X)
    first = len(runs)
    assert first > 1
    assert equal(predictive(KEY, X + 1), stock.Predictive(models.regression, latents(draws()))(KEY, X + 1))
    assert len(runs) == first + 1
    predictive(KEY, X[:2])
    assert len(runs) > first


def test_containers_are_inspected_once_too(runs):
    """Unless their data counted, see `test_the_data_of_the_fit_are_evidence`: other data have the same shapes."""
    xarray = pytest.importorskip("xarray")
    dims = ("chain", "draw")
    posterior = xarray.Dataset({"slope": (dims, np.zeros((1, 4))), "intercept": (dims, np.zeros((1, 4)))})
    predictive = sanitize.Predictive(models.line, posterior)
    predictive(KEY, np.zeros(3))
    first = len(runs)
    predictive(KEY, np.ones(3))
    assert len(runs) <= first + 1


def test_changed_wishes_are_heard():
    """The attributes of an instance may be set anew, as NumPyro's may."""
    samples = {"sigma": np.ones(4), "z": np.zeros((4, 3))}
    predictive = sanitize.Predictive(models.row_effects, samples, return_sites=["z"], new_rows=False)
    x = np.ones(3, np.float32)
    assert np.array_equal(predictive(KEY, x)["z"], samples["z"])
    predictive.new_rows = True
    assert not np.array_equal(predictive(KEY, x)["z"], samples["z"])
    predictive.new_rows, predictive.redraw = False, ("z",)
    assert not np.array_equal(predictive(KEY, x)["z"], samples["z"])


def test_static_values_are_told_apart_by_type_and_value():
    """A review for one flag is not used for another, nor 1 for True."""
    x = np.ones(3, np.float32)
    samples = {"mu": np.zeros(4), "raw": np.zeros(4), "theta": np.ones(4)}
    predictive = sanitize.Predictive(models.flagged, samples, return_sites=["theta"])
    assert np.array_equal(predictive(KEY, x, 1)["theta"], np.zeros(4))
    assert np.array_equal(predictive(KEY, x, 2).get("theta", samples["theta"]), np.ones(4))
    assert np.array_equal(predictive(KEY, x, 1)["theta"], np.zeros(4))


def test_models_that_need_values_are_inspected_anew():
    x = np.ones(4, np.float32)
    samples = {"effect": np.zeros((5, 4)), "mu": np.zeros((5, 9))}
    predictive = sanitize.Predictive(models.concrete_groups, samples)
    assert predictive(KEY, x, np.arange(4))["obs"].shape == (5, 4)
    with pytest.raises(ShapeMismatchError):
        predictive(KEY, x, np.arange(4) // 2)


def test_what_is_remembered_is_bounded():
    predictive = sanitize.Predictive(models.line, {"slope": np.zeros(2), "intercept": np.zeros(2)})
    for rows in range(1, 50):
        predictive._clean(KEY, (np.zeros(rows),), {})
    assert len(predictive._reviews.answers) <= 32


def test_a_remembered_review_still_warns():
    predictive = sanitize.Predictive(models.row_effects, {"sigma": np.ones(4), "z": np.zeros((4, 3))})
    for _ in range(2):
        with pytest.warns(RowLevelSiteWarning, match="'z'") as caught:
            predictive(KEY, np.zeros(3, np.float32))
        assert caught[0].filename == __file__


@pytest.mark.slow
def test_jit_vmap_and_scan_around_the_call():
    samples = draws()
    truth = stock.Predictive(models.regression, latents(samples))(KEY, X)["obs"]

    def predict(key, X):
        return sanitize.Predictive(models.regression, samples)(key, X)["obs"]

    reference = jax.jit(lambda key, X: stock.Predictive(models.regression, latents(samples))(key, X)["obs"])
    with jax.checking_leaks():
        assert np.array_equal(jax.jit(predict)(KEY, X), reference(KEY, X))
    one = sanitize.Predictive(models.regression, samples)
    assert np.array_equal(jax.jit(lambda key, X: one(key, X)["obs"])(KEY, X), reference(KEY, X))
    assert np.array_equal(one(KEY, X)["obs"], truth)  # no tracer was remembered
    assert jax.vmap(predict, in_axes=(None, 0))(KEY, np.stack([X, X])).shape == (2, *truth.shape)
    _, scanned = jax.lax.scan(lambda c, X: (c, predict(KEY, X)), 0, np.stack([X, X]))
    assert scanned.shape == (2, *truth.shape)
    score = jax.jit(lambda X, y: sanitize.log_likelihood(models.regression, samples, X, y)["obs"])
    assert score(X, Y).shape == (5, 4)


def test_samples_may_be_tracers():
    samples = {name: jnp.asarray(value) for name, value in draws().items()}
    result = jax.jit(lambda s: sanitize.Predictive(models.regression, s)(KEY, X)["obs"])(samples)
    assert result.shape == (5, 4)


def test_threads_share_an_instance():
    predictive = sanitize.Predictive(models.regression, draws())
    found = [None] * 4

    def inspect_rows(i):
        found[i] = [set(predictive._clean(KEY, (X[: 1 + (i + j) % 4],), {})[0]) for j in range(4)]

    threads = [threading.Thread(target=inspect_rows, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(names == {"alpha", "beta", "sigma"} for f in found for names in f)


def test_replacing_numpyros_names_does_not_recurse(monkeypatch):
    for module in (stock, stock.util):
        monkeypatch.setattr(module, "Predictive", sanitize.Predictive)
        monkeypatch.setattr(module, "log_likelihood", sanitize.log_likelihood)
    assert stock.Predictive(models.regression, draws())(KEY, X)["obs"].shape == (5, 4)
    assert stock.log_likelihood(models.regression, draws(), X, Y)["obs"].shape == (5, 4)


# ----------------------------------------------------------------------------------------------------- scores


def test_missing_latent_is_named():
    """NumPyro fails deep inside, for want of a random key."""
    samples = {"alpha": np.zeros(3), "sigma": np.ones(3)}
    with pytest.raises(AssertionError):
        stock.log_likelihood(models.regression, samples, X, Y)
    with pytest.raises(MissingLatentError, match="'beta'") as caught:
        sanitize.log_likelihood(models.regression, samples, X, Y)
    assert caught.value.missing == {"beta": ()}


@pytest.mark.parametrize("samples", [{}, {"other": np.zeros(3)}], ids=["empty", "no site"])
def test_without_any_entry_all_latents_are_named(samples):
    """Stock says `AssertionError`, and no more."""
    with pytest.raises(AssertionError):
        stock.log_likelihood(models.regression, samples, X, Y)
    with pytest.raises(MissingLatentError, match="'alpha', 'beta' and 'sigma'"):
        sanitize.log_likelihood(models.regression, samples, X, Y)


def test_a_model_without_latents_needs_no_samples():
    truth = stock.log_likelihood(models.without_latents, {}, Y, Y)
    assert equal(sanitize.log_likelihood(models.without_latents, {}, Y, Y), truth)


def test_rows_that_cannot_be_drawn_are_named():
    samples = {"sigma": np.ones(3), "z": np.zeros((3, 9)), "mu": np.zeros((3, 9))}
    x = np.zeros(4, np.float32)
    with pytest.warns(RedrawnSiteWarning), pytest.raises(MissingLatentError, match="'z'"):
        sanitize.log_likelihood(models.row_effects, samples, x, x)


def test_part_that_only_a_likelihood_runs():
    """A deterministic site behind `numpyro.get_mask()` is put back by stock, and is stripped here."""
    x = np.ones(3, np.float32)
    samples = {"a": np.zeros(4), "costly": np.zeros((4, 9))}
    truth = stock.log_likelihood(models.guarded, {"a": np.zeros(4)}, x, x)
    assert equal(sanitize.log_likelihood(models.guarded, samples, x, x), truth)


def test_seeded_model_needs_no_entry():
    """A model that brings its own random key can draw what is missing, as with stock."""
    x, samples = np.ones(3, np.float32), {"other": np.zeros(2)}

    def seeded():  # anew for each call: the handler goes on with the key that the last call left
        return numpyro.handlers.seed(models.inner, rng_seed=1)

    truth = stock.log_likelihood(seeded(), samples, x, x)
    assert equal(sanitize.log_likelihood(seeded(), samples, x, x), truth)


@pytest.mark.slow
def test_nuts_posterior_scores_like_its_latents():
    mcmc = MCMC(NUTS(models.regression), num_warmup=10, num_samples=5, progress_bar=False)
    mcmc.run(KEY, X, Y)
    samples = mcmc.get_samples()
    stale = stock.log_likelihood(models.regression, samples, X * 2, Y)["obs"]
    truth = stock.log_likelihood(models.regression, latents(samples), X * 2, Y)["obs"]
    assert np.array_equal(sanitize.log_likelihood(models.regression, samples, X * 2, Y)["obs"], truth)
    if tuple(int(part) for part in numpyro.__version__.split(".")[:2]) >= (0, 14):
        assert not np.array_equal(stale, truth)


# ----------------------------------------------------------------------------------------------------- verbs


def centred(x, y=None):
    """Centres its covariate by a mean that it records."""
    x_mean = numpyro.deterministic("x_mean", x.mean())
    slope = numpyro.sample("slope", dist.Normal())
    numpyro.sample("y", dist.Normal(slope * (x - x_mean), 1e-6), obs=y)


@pytest.mark.skipif(not _substitutes_deterministic(), reason="NumPyro recomputes deterministic sites before 0.14")
def test_a_recorded_statistic_stands_if_it_is_kept():
    """The fit's mean centres the new covariates."""
    old, new = np.arange(6, dtype=np.float32), np.arange(10, 20, dtype=np.float32)
    samples = {"slope": np.array([1.0, 2.0, 3.0], np.float32), "x_mean": np.full(3, old.mean(), np.float32)}
    truth = samples["slope"][:, None] * (new - old.mean())
    predicted = sanitize.Predictive(centred, samples, keep="x_mean", return_sites=["y"])(KEY, new)["y"]
    assert np.allclose(predicted, truth, rtol=1e-5, atol=1e-4)
    with pytest.warns(sanitize.DataStatisticWarning, match="x_mean"):
        predicted = sanitize.Predictive(centred, samples, return_sites=["y"])(KEY, new)["y"]
    assert not np.allclose(predicted, truth, atol=1)
    scores = sanitize.log_likelihood(centred, samples, new, truth[0], keep="x_mean")["y"]
    assert (scores[0] > 10).all()
    assert (scores[1:] < -10).all()
    clean = strip_deterministic(centred, samples, new, keep="x_mean")
    assert clean.keys() == samples.keys()
    with pytest.warns(sanitize.DataStatisticWarning, match="x_mean"):
        assert list(strip_deterministic(centred, samples, new)) == ["slope"]


def test_a_recorded_value_of_other_rows_cannot_be_kept():
    samples = {"sigma": np.ones(4), "z": np.zeros((4, 6)), "mu": np.zeros((4, 6))}
    with pytest.raises(ShapeMismatchError, match=r"'mu' has recorded shape \(6,\) per draw, the model's is \(3,\)"):
        strip_deterministic(models.row_effects, samples, np.ones(3, np.float32), keep="mu", redraw="z")


def test_a_model_that_changes_between_two_calls_is_inspected_anew():
    """A field, a global, a closure: what an instance remembers is not another model's verdict."""

    class Regression:
        groups = 3

        def __call__(self, x, y=None):
            effect = numpyro.sample("effect", dist.Normal().expand([self.groups]))
            numpyro.sample("y", dist.Normal(x * effect.sum(), 1.0), obs=y)

    model = Regression()
    predictive = sanitize.Predictive(model, {"effect": np.zeros((4, 3))})
    predictive(KEY, np.ones(5, np.float32))
    model.groups = 4
    with pytest.raises(ShapeMismatchError, match="'effect'"):
        predictive(KEY, np.ones(5, np.float32))


def test_draws_by_chain_without_batch_ndims_are_told():
    samples = {"slope": np.zeros((2, 4)), "intercept": np.zeros((2, 4))}
    with pytest.raises(ShapeMismatchError, match="batch_ndims=2") as caught:
        sanitize.Predictive(models.line, samples)(KEY, np.ones(3, np.float32))
    assert "redraw" not in str(caught.value)


# ------------------------------------------------------------------------------------------------ what a guide draws


def fitted(model, guide, *args, steps=5):
    """What a guide has after a short fit."""
    svi = SVI(model, guide, numpyro.optim.Adam(0.05), Trace_ELBO())
    return svi.run(KEY, steps, *args, progress_bar=False).params


@functools.cache
def with_effects(make):
    """A guide of the effects of six rows, and what it has after a fit that is near its end."""
    guide = make(own_effects)
    return guide, fitted(own_effects, guide, SIX, 2 * SIX + SIGNS, steps=200)


def own_effects(x, y=None):
    """An effect of each row beside the slope."""
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    with numpyro.plate("rows", len(x)):
        effect = numpyro.sample("effect", dist.Normal(0, 0.5))
        numpyro.sample("y", dist.Normal(slope * x + effect, 0.1), obs=y)


def guide_by_hand(x, y=None):
    loc = numpyro.param("loc", 0.0)
    numpyro.sample("slope", dist.Normal(loc, 0.1))
    effects = numpyro.param("effects", np.zeros(len(x), np.float32))
    with numpyro.plate("rows", len(x)):
        numpyro.sample("effect", dist.Normal(effects, 0.1))


def line(x, y=None):
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    mean = numpyro.deterministic("mean", slope * x)
    numpyro.sample("y", dist.Normal(mean, sigma), obs=y)


SIX = np.linspace(1, 2, 6, dtype=np.float32)
SIGNS = np.where(np.arange(6) % 2, 0.5, -0.5).astype(np.float32)


@pytest.mark.parametrize("make", [AutoNormal, AutoMultivariateNormal, AutoDelta, AutoLaplaceApproximation])
def test_a_guide_of_which_nothing_is_stripped_gives_stocks_numbers(make):
    guide = make(line)
    params = fitted(line, guide, SIX, 2 * SIX)
    for options in ({}, {"return_sites": ["y", "mean"]}, {"parallel": True}):
        options.update(guide=guide, params=params, num_samples=4)
        with warned() as caught:
            answer = sanitize.Predictive(line, **options)(KEY, SIX[:2])
        assert equal(answer, stock.Predictive(line, **options)(KEY, SIX[:2]))
        assert not caught


def test_params_that_are_a_batch_are_stocks():
    guide = AutoDelta(line)
    params = {name: jnp.stack([x, x + 0.1]) for name, x in fitted(line, guide, SIX, 2 * SIX).items()}
    options = {"guide": guide, "params": params, "num_samples": 3, "batch_ndims": 1}
    assert equal(sanitize.Predictive(line, **options)(KEY, SIX), stock.Predictive(line, **options)(KEY, SIX))


@pytest.mark.parametrize("rows", [1, 2, 9])
@pytest.mark.parametrize("make", [AutoNormal, AutoMultivariateNormal])
def test_effects_of_a_guide_are_not_given_to_other_rows(make, rows):
    """y has the mean of slope * x, and the spread of the prior of an effect."""
    guide, params = with_effects(make)
    predictive = sanitize.Predictive(own_effects, guide=guide, params=params, num_samples=400)
    with pytest.warns(RedrawnSiteWarning, match="effect"):
        y = predictive(KEY, np.ones(rows, np.float32))["y"]
    assert y.shape == (400, rows)
    assert np.allclose(y.mean(0), guide.median(params)["slope"], atol=0.15)
    assert np.allclose(y.std(0), 0.51, atol=0.1)


def test_effects_of_a_guide_for_as_many_rows_are_told_and_settled():
    guide, params = with_effects(AutoNormal)
    options = {"guide": guide, "params": params, "num_samples": 400}
    with pytest.warns(RowLevelSiteWarning, match="effect"):
        kept = sanitize.Predictive(own_effects, **options)(KEY, SIX)
    assert equal(kept, stock.Predictive(own_effects, **options)(KEY, SIX))
    with warned() as caught:
        same = sanitize.Predictive(own_effects, new_rows=False, **options)(KEY, SIX)
        other = sanitize.Predictive(own_effects, new_rows=True, **options)(KEY, np.ones(6, np.float32))
    assert equal(same, kept)
    assert np.ptp(other["y"].mean(0)) < 0.3
    assert not caught


def test_effects_of_a_guide_written_by_hand():
    """Its params are the fit's, whatever rows it is asked for."""
    params = fitted(own_effects, guide_by_hand, SIX, 2 * SIX + SIGNS)
    options = {"guide": guide_by_hand, "params": params, "num_samples": 20}
    with pytest.warns(RedrawnSiteWarning, match="effect"):
        assert sanitize.Predictive(own_effects, **options)(KEY, np.ones(1, np.float32))["y"].shape == (20, 1)


def always_observed(x, y):
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(slope * x, 0.1), obs=y)


def test_a_fresh_guide_that_takes_data_for_latents_is_told():
    guide = AutoNormal(always_observed)
    params = fitted(always_observed, guide, SIX, 2 * SIX)
    options = {"params": params, "num_samples": 3}
    with pytest.warns(MissingLatentWarning, match="y_auto_loc"):
        sanitize.Predictive(always_observed, guide=AutoNormal(always_observed), **options)(KEY, SIX, None)
    with warned() as caught:
        sanitize.Predictive(always_observed, guide=guide, **options)(KEY, SIX, None)
    assert not [w for w in caught if w.category is MissingLatentWarning]


def test_a_guide_without_its_params_is_told():
    guide = AutoNormal(line)
    fitted(line, guide, SIX, 2 * SIX)
    with pytest.warns(MissingLatentWarning, match="slope_auto_loc"):
        sanitize.Predictive(line, guide=guide, num_samples=3)(KEY, SIX)


@pytest.mark.skipif(not hasattr(stock.autoguide, "Predictive"), reason="guides of this NumPyro do without")
def test_what_a_guide_computes_of_its_own_is_said_to_nobody(monkeypatch):
    """`AutoDelta` takes the initial values of params for deterministic sites, where NumPyro's names are ours."""
    monkeypatch.setattr(stock.autoguide, "Predictive", sanitize.Predictive)

    def scaled(y=None):
        scale = numpyro.param("scale", 1.0)
        mean = numpyro.sample("mean", dist.Normal())
        numpyro.deterministic("scaled", mean / scale)
        numpyro.sample("y", dist.Normal(mean, scale), obs=y)

    guide = AutoDelta(scaled)
    params = fitted(scaled, guide, SIX)
    with warned() as caught:
        samples = guide.sample_posterior(KEY, params, sample_shape=(4,))
    assert not caught
    assert samples["scaled"].shape == (4,)
    del samples["scaled"]
    with pytest.warns(MissingLatentWarning, match="'scale'"):
        sanitize.Predictive(scaled, samples)(KEY)


@pytest.mark.parametrize("kind", ["Predictive", pytest.param("Predictor", marks=OF_PREDICTOR)])
def test_it_says_what_it_is_of(kind):
    made = getattr(sanitize, kind)(models.line, {"slope": np.zeros(5), "mu": np.zeros((5, 4))})
    assert repr(made).startswith(f"{kind}(line(")
    assert "samples of 'slope' and 'mu'" in repr(made)
    said = repr(sanitize.Predictive(models.line, num_samples=3, redraw="slope"))
    assert said.endswith("no samples, redraw='slope')")
