"""Stripping a dict: the verdicts that need no probe, batch shapes, and results equal to the latents alone."""

import pickle
from collections import OrderedDict

import jax
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpyro.infer import MCMC, NUTS, Predictive, log_likelihood

from sanitize import (
    BatchShapeError,
    ModelArgumentsError,
    NoSharedSiteError,
    NothingLeftError,
    OptionError,
    SamplesTypeError,
    SanitizeError,
    ShapeMismatchError,
    inspect_sites,
    strip_deterministic,
)
from sanitize.verdicts import Cause

KEY = jax.random.PRNGKey(0)


def data(rows, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 3)).astype(np.float32)
    return X, (X.sum(-1) + rng.normal(size=rows)).astype(np.float32)


@pytest.fixture(scope="module")
def fitted():
    """A posterior of the regression of NumPyro issue 1772, fitted on 30 rows, by chain."""
    sizes = {"num_warmup": 50, "num_samples": 20, "num_chains": 2}
    mcmc = MCMC(NUTS(models.regression), **sizes, chain_method="sequential", progress_bar=False)
    mcmc.run(KEY, *data(30))
    return mcmc


LATENTS = ("alpha", "beta", "sigma")


def latents_alone(samples):
    return {name: samples[name] for name in LATENTS}


def equal(result, truth):
    assert set(result) == set(truth)
    return all(np.array_equal(result[name], truth[name]) for name in truth)


@pytest.mark.parametrize("rows", [1, 30, *(pytest.param(n, marks=pytest.mark.slow) for n in (7, 50))])
@pytest.mark.parametrize("by_chain", [False, True])
def test_predictions_and_scores_are_those_of_the_latents_alone(fitted, rows, by_chain):
    """Bit for bit, on fewer, equal and more rows, with draws and with chains x draws."""
    samples = dict(fitted.get_samples(group_by_chain=by_chain))
    X, y = data(rows, seed=1)
    ndims = 1 + by_chain
    clean = strip_deterministic(models.regression, samples, X)
    assert list(clean) == [name for name in samples if name in LATENTS]
    predicted = Predictive(models.regression, clean, batch_ndims=ndims)(KEY, X)
    truth = Predictive(models.regression, latents_alone(samples), batch_ndims=ndims)(KEY, X)
    assert equal(predicted, truth)
    assert predicted["obs"].shape == (*samples["alpha"].shape, rows)
    clean = strip_deterministic(models.regression, samples, X, y)
    scored = log_likelihood(models.regression, clean, X, y, batch_ndims=ndims)
    assert equal(scored, log_likelihood(models.regression, latents_alone(samples), X, y, batch_ndims=ndims))


def test_draws_of_the_observed_site_go(fitted):
    """Stock either fails to find the predictions, or returns and scores the old draws."""
    X, y = data(30)
    samples = dict(fitted.get_samples())
    merged = {**samples, **Predictive(models.regression, latents_alone(samples))(KEY, X)}
    assert "obs" not in Predictive(models.regression, merged)(KEY, X)
    stale = log_likelihood(models.regression, merged, X, y)["obs"]
    truth = log_likelihood(models.regression, latents_alone(samples), X, y)["obs"]
    assert not np.array_equal(stale, truth)
    for args in [(X,), (X, y)]:
        assert list(strip_deterministic(models.regression, merged, *args)) == list(latents_alone(merged))
    clean = strip_deterministic(models.regression, merged, X, y)
    assert np.array_equal(log_likelihood(models.regression, clean, X, y)["obs"], truth)


def test_input_is_unchanged_and_kept_arrays_are_the_same_objects(fitted):
    samples = dict(fitted.get_samples())
    before = list(samples.items())
    clean = strip_deterministic(models.regression, samples, data(5)[0])
    assert [name for name, _ in before] == list(samples)
    assert all(samples[name] is value for name, value in before)
    assert all(clean[name] is samples[name] for name in clean)


def test_same_type_comes_back(fitted):
    samples = OrderedDict(fitted.get_samples())
    clean = strip_deterministic(models.regression, samples, data(5)[0])
    assert type(clean) is OrderedDict


def test_stripping_twice_is_stripping_once(fitted):
    X = data(5)[0]
    once = strip_deterministic(models.regression, dict(fitted.get_samples()), X)
    twice = strip_deterministic(models.regression, once, X)
    assert list(once) == list(twice)
    assert all(once[name] is twice[name] for name in once)


def test_arguments_by_keyword_and_options_are_not_confused(fitted):
    clean = strip_deterministic(models.regression, dict(fitted.get_samples()), X=data(5)[0], y=None, new_rows=None)
    assert set(clean) == set(LATENTS)


def test_model_parameters_named_model_or_samples():
    """The first two parameters are positional only, so a model may have its own of these names."""

    def model(samples, model=None):
        models.line(samples)

    entries = {"intercept": np.zeros(4), "slope": np.zeros(4), "mu": np.zeros((4, 2))}
    assert list(strip_deterministic(model, entries, samples=np.zeros(3), model=1)) == ["intercept", "slope"]


@pytest.mark.parametrize("option", ["new_rows", "redraw"])
def test_a_models_own_parameter_of_an_options_name_is_refused(option):
    namespace = {}
    exec(f"def model(x, {option}=None): line(x)", {"line": models.line}, namespace)
    samples = {"slope": np.zeros(4), "intercept": np.zeros(4)}
    with pytest.raises(OptionError, match=r"inspect_sites\(model, \.\.\.\)\.review"):
        strip_deterministic(namespace["model"], samples, np.zeros(3))
    clean = inspect_sites(namespace["model"], np.zeros(3), **{option: 1}).review(samples).apply(samples)
    assert set(clean) == set(samples)


# ---------------------------------------------------------------------------------------------- the verdicts


def actions(review):
    return {name: verdict.action for name, verdict in review.items()}


def test_param_mutable_and_unused_entries_are_kept():
    samples = {
        "a": np.zeros(4),
        "scale": np.zeros(4),
        "lazy": np.zeros((4, 4)),
        "count": {"value": np.zeros(2)},
        "no_site": np.zeros((4, 9)),
    }
    review = inspect_sites(models.with_params, np.zeros(3)).review(samples)
    assert set(actions(review).values()) == {"kept"}
    assert review["no_site"].cause is Cause.NO_SITE
    assert {review[name].cause for name in ("scale", "lazy", "count")} == {Cause.PARAM}
    assert review["no_site"].model_shape is None
    assert review.apply(samples)["count"] is samples["count"]


def test_recorded_subsample_indices_are_stripped():
    samples = {"beta": np.zeros(4), "data": np.zeros((4, 5), int), "mu": np.zeros((4, 5))}
    review = inspect_sites(models.subsampled, np.zeros(20), 5).review(samples)
    assert actions(review) == {"beta": "kept", "data": "stripped", "mu": "stripped"}


def test_entry_that_only_a_likelihood_sees_is_stripped():
    """A site behind `numpyro.get_mask()` runs in `log_likelihood`, which would put it back."""
    samples = {"a": np.zeros(4), "costly": np.zeros((4, 3)), "no_site": np.zeros(4)}
    review = inspect_sites(models.guarded, np.zeros(3), np.zeros(3)).review(samples)
    assert actions(review) == {"a": "kept", "costly": "stripped", "no_site": "kept"}


def test_part_that_fails_where_there_is_no_likelihood_is_not_needed():
    """An entry that is no site is looked for in the unmasked run, which need not run with these arguments."""
    samples = {"a": np.zeros(5), "other": np.zeros(5)}
    assert list(strip_deterministic(models.scored_with_data_only, samples, np.zeros(3))) == ["a", "other"]


def test_conditioned_latent_is_observed():
    samples = {"inner": np.zeros(4), "a": np.zeros(4), "extra": np.zeros(4)}
    review = inspect_sites(models.conditioned, np.zeros(3)).review(samples)
    assert actions(review) == {"inner": "kept", "a": "stripped", "extra": "kept"}


def test_the_verdict_belongs_to_the_model_that_was_passed():
    """`theta` is a latent of the plain eight schools and deterministic in the reparametrized ones."""
    sigma = np.ones(8, np.float32)
    samples = {"mu": np.zeros(4), "tau": np.ones(4), "theta": np.zeros((4, 8)), "theta_decentered": np.zeros((4, 8))}
    plain = inspect_sites(models.schools, 8, sigma).review(samples, new_rows=False)
    assert actions(plain) == {"mu": "kept", "tau": "kept", "theta": "kept", "theta_decentered": "kept"}
    other = inspect_sites(models.noncentred_schools, 8, sigma).review(samples, new_rows=False)
    assert actions(other) == {"mu": "kept", "tau": "kept", "theta": "stripped", "theta_decentered": "kept"}


@pytest.mark.words
def test_review_prints_one_line_an_entry(fitted):
    review = inspect_sites(models.regression, data(5)[0]).review(dict(fitted.get_samples()))
    lines = repr(review).splitlines()
    assert lines[0] == "1 of 4 entries stripped, 3 kept (batch shape (40,), shapes per draw)"
    assert " ".join(lines[2].split()) == "eta stripped (30,) (5,) deterministic: recomputed from alpha, beta"
    assert lines[-1] == "predicted: obs"
    assert len(lines) == 1 + 1 + 4 + 1
    assert review.missing == ("obs",)
    assert review["eta"].recorded_shape == (30,)
    assert review["eta"].model_shape == (5,)
    assert "stripped" in review._repr_html_()


@pytest.mark.words
def test_review_prints_a_dash_where_there_is_no_shape():
    """And no blank line where no latent lacks an entry."""
    samples = {"intercept": np.zeros(5), "slope": np.zeros(5), "obs": np.zeros((5, 3)), "other": np.zeros((5, 2))}
    text = repr(inspect_sites(models.line, np.zeros(3)).review(samples))
    assert (
        " ".join(text.splitlines()[-1].split())
        == "other kept (2,) - unused: not a site of this model, Predictive ignores it"
    )
    assert text == text.strip()


@pytest.mark.words
def test_what_is_computed_from_no_latent_is_told_so():
    def model(x):
        numpyro.sample("a", dist.Normal(0.0, 1.0))
        numpyro.deterministic("twice", 2.0 * x)

    review = inspect_sites(model, np.zeros(3)).review({"a": np.zeros(5), "twice": np.zeros((5, 9))})
    assert review["twice"].reason == "deterministic: recomputed"


def test_review_is_applied_to_other_draws_of_the_same_entries(fitted):
    review = inspect_sites(models.regression, data(5)[0]).review(dict(fitted.get_samples()))
    thinned = {name: value[::2] for name, value in fitted.get_samples().items()}
    clean = review.apply(thinned)
    assert all(clean[name] is thinned[name] for name in LATENTS)


@pytest.mark.parametrize("change", ["extra", "lacking", "renamed", "other kept", "shape"])
def test_review_is_not_applied_to_other_entries(fitted, change):
    samples = dict(fitted.get_samples())
    review = inspect_sites(models.regression, data(5)[0]).review(samples)
    if change == "extra":
        samples["surprise"] = np.zeros(40)
    elif change == "lacking":
        del samples["alpha"]
    elif change == "renamed":
        samples["surprise"] = samples.pop("eta")
    elif change == "other kept":
        samples = {"surprise" if name == "alpha" else name: value for name, value in samples.items()}
    else:
        samples["beta"] = np.zeros((40, 4))
    with pytest.raises(SamplesTypeError, match=r"surprise|alpha|beta"):
        review.apply(samples)


# -------------------------------------------------------------------------------------------- batch dimensions


@given(hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=5), st.integers(1, 4))
def test_any_batch_shape(batch, features):
    """No draws, draws, chains x draws: worked out from the entries, whatever sizes coincide."""
    samples = {
        "alpha": np.zeros(batch),
        "beta": np.zeros((*batch, features)),
        "sigma": np.ones(batch),
        "eta": np.zeros((*batch, 4)),
    }
    review = inspect_sites(models.regression, np.zeros((5, features))).review(samples)
    assert review.batch_shape == batch
    assert set(review.kept) == set(LATENTS)


def test_entries_that_disagree_on_the_batch():
    samples = {"alpha": np.zeros(4), "beta": np.zeros((5, 3)), "sigma": np.ones(4)}
    with pytest.raises(BatchShapeError, match=r"'alpha' has shape \(4,\), 'beta' has shape \(5, 3\)"):
        strip_deterministic(models.regression, samples, data(5)[0])


def test_entry_with_too_few_dimensions():
    samples = {"alpha": np.zeros(4), "beta": np.zeros((4, 3)), "sigma": np.float32(1.0)}
    with pytest.raises(BatchShapeError, match=r"'sigma' has too few dimensions: 'sigma' has shape \(\)"):
        strip_deterministic(models.regression, samples, data(5)[0])


def test_latent_of_another_shape():
    samples = {"alpha": np.zeros(4), "beta": np.zeros((4, 2)), "sigma": np.ones(4)}
    with pytest.raises(ShapeMismatchError, match=r"'beta' has recorded shape \(2,\).*argument 'X' has shape") as caught:
        strip_deterministic(models.regression, samples, data(5)[0])
    assert caught.value.recorded == {"beta": (2,)}
    assert caught.value.model == {"beta": (3,)}
    samples["beta"] = np.zeros(4)
    with pytest.raises(ShapeMismatchError, match=r"'beta' has recorded shape \(\)"):
        strip_deterministic(models.regression, samples, data(5)[0])


# ---------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("samples", [None, [1], np.zeros(3), "posterior", 3])
def test_samples_that_are_no_mapping(samples):
    with pytest.raises(SamplesTypeError, match="None" if samples is None else type(samples).__name__):
        strip_deterministic(models.regression, samples, data(5)[0])


@pytest.mark.parametrize("value", [np.array(["a"] * 4), np.array([None] * 4, object)])
def test_entries_that_are_no_numbers(value):
    with pytest.raises(SamplesTypeError, match="'alpha' is an array of dtype"):
        strip_deterministic(models.regression, {"alpha": value}, data(5)[0])


def test_names_that_are_no_strings():
    with pytest.raises(SamplesTypeError, match="entry 3"):
        strip_deterministic(models.regression, {3: np.zeros(4)}, data(5)[0])


def test_empty_samples():
    with pytest.raises(NoSharedSiteError, match="num_samples"):
        strip_deterministic(models.regression, {}, data(5)[0])


def test_another_models_samples():
    with pytest.raises(NoSharedSiteError, match=r"'w'.*'alpha'") as caught:
        strip_deterministic(models.regression, {"w": np.zeros(4)}, data(5)[0])
    assert caught.value.entries == ("w",)


def test_nothing_left():
    samples = {"obs": np.zeros((4, 5))}
    with pytest.raises(NothingLeftError, match="num_samples=4") as caught:
        strip_deterministic(models.regression, samples, *data(5))
    assert caught.value.batch_shape == (4,)


def test_missing_arguments(fitted):
    def model(X, *, group):
        models.regression(X)

    with pytest.raises(ModelArgumentsError, match=r"strip_deterministic\(model, samples, X, group=group\)"):
        strip_deterministic(model, dict(fitted.get_samples()), data(5)[0])


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"new_rows": "yes"}, "new_rows is 'yes'"),
        ({"redraw": "bets"}, "redraw names 'bets', which is not a site"),
        ({"keep": 3}, "keep is 3"),
        ({"keep": "nothing"}, "keep names 'nothing', which is not a site"),
        ({"keep": ("beta",), "redraw": "beta"}, "'beta' is named in keep and in redraw"),
        ({"redraw": ("eta",)}, "'eta', which is a site of kind deterministic"),
        ({"redraw": ("nothing",)}, "'nothing', which is not a site"),
        ({"redraw": 3}, "redraw is 3"),
    ],
)
def test_options_that_cannot_be_understood(fitted, options, what):
    with pytest.raises(OptionError, match=what):
        strip_deterministic(models.regression, dict(fitted.get_samples()), data(5)[0], **options)


def test_errors_share_a_base_and_survive_pickling():
    with pytest.raises(SanitizeError) as caught:
        strip_deterministic(models.regression, {"w": np.zeros(4)}, data(5)[0])
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is type(caught.value)
    assert (str(copy), copy.entries) == (str(caught.value), caught.value.entries)
    assert isinstance(copy, ValueError)


def test_model_without_arguments():
    samples = {"a": np.zeros(4), "b": np.zeros(4)}
    assert list(strip_deterministic(models.no_arguments, samples)) == ["a"]


# ------------------------------------------------------------------------------ regressions, against stock


def test_scores_of_other_rows_of_the_same_number_are_right(fitted):
    """NumPyro issue 1772: with `eta` among the samples, stock scores the rows of the fit (since 0.14)."""
    X, y = data(30, seed=2)
    samples = dict(fitted.get_samples())
    truth = log_likelihood(models.regression, latents_alone(samples), X, y)["obs"]
    clean = strip_deterministic(models.regression, samples, X, y)
    assert np.array_equal(log_likelihood(models.regression, clean, X, y)["obs"], truth)
    eta = samples["alpha"][:, None] + samples["beta"] @ X.T
    by_hand = -0.5 * ((y - eta) / samples["sigma"][:, None]) ** 2
    by_hand = by_hand - np.log(samples["sigma"])[:, None] - 0.5 * np.log(2 * np.pi)
    assert np.allclose(truth, by_hand, atol=1e-3)  # so the truth compared with is the truth


def test_dict_of_data_is_predicted_from_as_stock_does():
    """Nothing of the order of a dict's keys is lost on the way to the verdicts."""
    X, _ = data(5)
    rng = np.random.default_rng(1)
    beta = rng.normal(size=(4, 3)).astype(np.float32)
    arguments = {"X": X, "A": X[:, 0]}
    clean = strip_deterministic(models.ordered_data, {"beta": beta, "eta": np.zeros((4, 30))}, arguments)
    assert list(clean) == ["beta"]
    truth = Predictive(models.ordered_data, {"beta": beta})(KEY, arguments)
    assert equal(Predictive(models.ordered_data, clean)(KEY, arguments), truth)


def test_latent_that_cannot_be_sampled_is_kept():
    samples = {"a": np.zeros((4, 2)), "mu": np.zeros((4, 30))}
    clean = strip_deterministic(models.density_only, samples, data(5)[1])
    assert clean["a"] is samples["a"]
    assert Predictive(models.density_only, clean)(KEY, data(5)[1])["obs"].shape == (4, 5)


def test_html_of_a_review_escapes_names():
    samples = {"intercept": np.zeros(4), "slope": np.zeros(4), "<b>": np.zeros(4)}
    html = inspect_sites(models.line, np.zeros(3)).review(samples)._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_review_is_a_read_only_mapping():
    samples = {"intercept": np.zeros(4), "slope": np.zeros(4), "mu": np.zeros((4, 9))}
    review = inspect_sites(models.line, np.zeros(3)).review(samples)
    assert list(review) == list(samples)
    assert (review.kept, review.stripped) == ({"intercept", "slope"}, {"mu"})
    with pytest.raises(TypeError):
        review["mu"] = None
    with pytest.raises(KeyError):
        review["nothing"]
