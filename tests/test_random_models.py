"""Whatever the model: what is global stays, what is computed or observed goes, and stock NumPyro is then right.

``pytest tests/test_random_models.py --hypothesis-profile=thorough`` runs 500 random models a test, 8,500 in all.
"""

import warnings

import jax
import numpy as np
import pytest
import xarray as xr
from containers_of import with_groups
from hypothesis import event, given, settings
from hypothesis import strategies as st
from numpyro import infer as stock
from random_models import TARGET, random_models

import sanitize
from sanitize import (
    ModelArgumentsError,
    NothingLeftError,
    RedrawnSiteWarning,
    RowLevelSiteWarning,
    inspect_sites,
    strip_deterministic,
)

KEY = jax.random.PRNGKey(0)
DRAWS = 3

# Stock NumPyro compiles each model anew, which takes ten times as long as all else: fewer, but where all are asked for.
_EXAMPLES = settings().max_examples
few = settings(max_examples=_EXAMPLES if _EXAMPLES >= 500 else _EXAMPLES // 8)

# What is redrawn or kept on a guess is said, which other tests see to.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sanitize.RowLevelSiteWarning"),
    pytest.mark.filterwarnings("ignore::sanitize.RedrawnSiteWarning"),
]


def some_rows(fitted):
    """One, fewer, equal and more rows than those of the fit."""
    return sorted({1, max(fitted - 1, 1), fitted, fitted + 2})


def review(model, rows, samples, y=False, **options):
    args, kwargs = model.arguments(rows, y)
    return inspect_sites(model.function, *args, **kwargs).review(samples, **options)


def verdicts(review):
    return {name: (verdict.action, verdict.reason, verdict.recorded_shape) for name, verdict in review.items()}


def expected(model, rows, samples):
    return {name: "kept" if name in model.kept(rows) else "stripped" for name in samples}


def equal(result, truth):
    """The same names with the same values, where a made-up draw gives NaN too."""
    return result.keys() == truth.keys() and all(np.array_equal(result[n], truth[n], equal_nan=True) for n in truth)


@given(random_models())
def test_what_is_global_is_kept_and_what_is_computed_or_observed_goes(model):
    """Whichever sizes are equal by accident, and however the arguments are passed."""
    samples = model.samples()
    for rows in some_rows(model.rows):
        found = review(model, rows, samples)
        assert {n: v.action for n, v in found.items()} == expected(model, rows, samples), rows
        assert found.batch_shape == (DRAWS,)


@given(random_models(), st.sampled_from([True, False, None]))
def test_verdicts_are_the_same_with_y_and_without(model, y):
    samples = model.samples()
    rows = model.rows + 1
    assert {n: v.action for n, v in review(model, rows, samples, y).items()} == expected(model, rows, samples)


@given(random_models())
def test_sites_are_those_of_numpyros_own_trace(model):
    """Names in their order, kinds, shapes and dtypes; what is observed once y is given, too."""
    for y in (False, True):
        args, kwargs = model.arguments(model.rows, y)
        table = inspect_sites(model.function, *args, **kwargs)
        truth = model.sites(model.rows, y)
        assert [name for name in table if table[name].kind != "plate"] == list(truth)
        for name, site in truth.items():
            kind = "observed" if site["observed"] else "latent" if site["type"] == "sample" else site["type"]
            assert (table[name].kind, table[name].shape, table[name].dtype) == (kind, site["shape"], site["dtype"])


@given(random_models())
def test_row_dimensions_are_the_axes_that_were_built_as_rows(model):
    """Also where a number of groups, features or outputs is that of the rows."""
    args, kwargs = model.arguments(model.rows)
    table = inspect_sites(model.function, *args, **kwargs)
    for node in model.nodes:
        if node.kind == "latent":
            assert table[node.name].row_dims == tuple(i for i, axis in enumerate(node.axes) if axis == "row")
    assert table[TARGET].row_dims == (0,)


@few
@given(random_models(), st.integers(1, 5))
def test_stock_predictive_runs_on_the_result_and_gives_the_right_shapes(model, rows):
    clean = review(model, rows, samples := model.samples()).apply(samples)
    args, kwargs = model.arguments(rows)
    predicted = stock.Predictive(model.function, clean, parallel=True)(KEY, *args, **kwargs)
    sites = model.sites(rows)
    assert predicted[TARGET].shape == (DRAWS, *model.target_shape(rows))
    for name in predicted:
        assert predicted[name].shape == (DRAWS, *sites[name]["shape"])
    assert set(model.computed) <= set(predicted)


@few
@given(random_models(per_row=False), st.integers(1, 5))
def test_predictions_are_those_of_the_latents_alone(model, rows):
    """Bit for bit, from stock `Predictive` after stripping and from the drop-in with the samples as they are."""
    samples = model.samples()
    args, kwargs = model.arguments(rows)
    latents = {name: samples[name] for name in model.latents(per_row=False)}
    truth = stock.Predictive(model.function, latents, parallel=True)(KEY, *args, **kwargs)
    clean = strip_deterministic(model.function, samples, *args, **kwargs)
    assert equal(stock.Predictive(model.function, clean, parallel=True)(KEY, *args, **kwargs), truth)
    assert equal(sanitize.Predictive(model.function, samples, parallel=True)(KEY, *args, **kwargs), truth)


@few
@given(random_models(per_row=False), st.integers(1, 5))
def test_scores_are_those_of_the_latents_alone(model, rows):
    """Bit for bit, from stock `log_likelihood` after stripping and from the drop-in with the samples as they are."""
    samples = model.samples()
    args, kwargs = model.arguments(rows, y=True)
    latents = {name: samples[name] for name in model.latents(per_row=False)}
    truth = stock.log_likelihood(model.function, latents, *args, parallel=True, **kwargs)
    clean = strip_deterministic(model.function, samples, *args, **kwargs)
    assert equal(stock.log_likelihood(model.function, clean, *args, parallel=True, **kwargs), truth)
    assert equal(sanitize.log_likelihood(model.function, samples, *args, parallel=True, **kwargs), truth)


@few
@given(random_models())
def test_rows_of_the_fit_are_predicted_from_all_latents(model):
    """With the rows of the fit, row-level latents are conditioned on like all others, bit for bit."""
    samples = model.samples()
    args, kwargs = model.arguments(model.rows)
    latents = {name: samples[name] for name in model.latents(per_row=False) + model.latents(per_row=True)}
    truth = stock.Predictive(model.function, latents, parallel=True)(KEY, *args, **kwargs)
    same = sanitize.Predictive(model.function, samples, parallel=True, new_rows=False)(KEY, *args, **kwargs)
    assert equal(same, truth)


@given(random_models(), st.integers(1, 5), st.booleans())
def test_the_input_is_unchanged_and_kept_arrays_are_the_same_objects(model, rows, y):
    """Names, order and identity of samples and arguments; the values of both."""
    samples = model.samples()
    args, kwargs = model.arguments(rows, y)
    before = [(name, value, value.copy()) for name, value in samples.items()]
    arguments = [(value, np.copy(value)) for value in (*args, *kwargs.values()) if value is not None]
    clean = strip_deterministic(model.function, samples, *args, **kwargs)
    assert list(samples) == [name for name, _, _ in before]
    assert all(samples[name] is value and np.array_equal(value, copy) for name, value, copy in before)
    assert all(np.array_equal(value, copy) for value, copy in arguments)
    assert list(clean) == [name for name in samples if name in clean]
    assert all(clean[name] is samples[name] for name in clean)


@given(random_models(), st.integers(1, 5))
def test_stripping_twice_is_stripping_once(model, rows):
    args, kwargs = model.arguments(rows)
    once = strip_deterministic(model.function, model.samples(), *args, **kwargs)
    twice = strip_deterministic(model.function, once, *args, **kwargs)
    assert list(once) == list(twice)
    assert all(once[name] is twice[name] for name in once)


@given(random_models(), st.integers(1, 5), st.randoms(use_true_random=False))
def test_verdicts_do_not_depend_on_the_order_of_the_entries_or_the_values_of_the_data(model, rows, random):
    samples = model.samples()
    truth = verdicts(review(model, rows, samples))
    names = list(samples)
    random.shuffle(names)
    args, kwargs = model.arguments(rows, seed=1)
    again = inspect_sites(model.function, *args, **kwargs).review({name: samples[name] for name in names})
    assert list(again) == names
    assert verdicts(again) == truth


@given(random_models(), st.integers(1, 5), st.sampled_from([(), (1,), (2,), (1, 3), (2, 2)]))
def test_any_batch_shape_gives_the_same_verdicts(model, rows, batch):
    """One draw, draws, chains and draws, whatever sizes they have in common with the model."""
    truth = verdicts(review(model, rows, model.samples()))
    found = review(model, rows, model.samples(batch))
    assert verdicts(found) == truth
    assert found.batch_shape == batch


@few
@given(random_models(), st.integers(1, 5))
def test_every_container_gives_the_same_verdicts(model, rows):
    """A dict, a Dataset, and the InferenceData or DataTree of the installed ArviZ."""
    samples = model.samples((2, DRAWS))
    truth = verdicts(review(model, rows, samples))
    variables = {
        name: (("chain", "draw", *(f"{name}_dim_{i}" for i in range(value.ndim - 2))), value)
        for name, value in samples.items()
    }
    dataset = xr.Dataset(variables)
    for container in (dataset, with_groups(posterior=dataset)):
        found = review(model, rows, container)
        assert verdicts(found) == truth
        assert set(sanitize.posterior_samples(found.apply(container))) == found.kept


@given(random_models(), st.integers(1, 5), st.booleans())
def test_keyword_settles_what_happens_to_row_level_latents(model, rows, new_rows):
    """`new_rows` decides where they fit; where they do not, they go."""
    samples = model.samples()
    per_row = set(model.latents(per_row=True))
    goes_on = set(model.scanned) if rows > model.rows else set()
    expect = set(model.latents(per_row=False))
    if not new_rows:
        expect |= per_row if rows == model.rows else goes_on
    assert review(model, rows, samples, new_rows=new_rows).kept == expect


@given(random_models(), st.integers(1, 5))
def test_nothing_is_redrawn_or_guessed_without_a_warning(model, rows):
    samples = model.samples()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = review(model, rows, samples)
    per_row = set(model.latents(per_row=True))
    said = {RedrawnSiteWarning: per_row - found.kept, RowLevelSiteWarning: per_row & found.kept}
    assert {w.category for w in caught} == {category for category, names in said.items() if names}
    for warning in caught:
        assert all(repr(name) in str(warning.message) for name in said[warning.category])


@given(random_models(), st.integers(1, 5))
def test_of_draws_of_the_target_nothing_is_left(model, rows):
    """Predictions of another run are nothing to condition on, and the error says what to call instead."""
    samples = {name: value for name, value in model.samples().items() if name == TARGET}
    with pytest.raises(NothingLeftError, match="num_samples=3"):
        review(model, rows, samples).apply(samples)


@few
@given(random_models(), st.booleans())
@pytest.mark.filterwarnings("ignore::sanitize.AssumedArgumentsWarning")
def test_a_call_without_arguments_agrees_with_the_arguments_of_the_fit_or_asks_for_them(model, predicted):
    """On all entries that are not row-level; sizes that are equal by accident are no excuse."""
    samples = model.fit()
    if not predicted:
        del samples[TARGET]
    try:
        clean = strip_deterministic(model.function, samples)
    except ModelArgumentsError:
        event("asks for arguments")
        return
    event("solved")
    assert set(clean) - set(model.latents(per_row=True)) == set(model.latents(per_row=False))
