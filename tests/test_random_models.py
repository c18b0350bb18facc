"""Whatever the model: what is global stays, what is computed or observed goes, and stock NumPyro is then right.

``pytest tests/test_random_models.py --hypothesis-profile=thorough`` runs 300 random models a test.
"""

import copy
import dataclasses

import jax
import numpy as np
import pytest
import xarray as xr
from containers_of import with_groups
from hypothesis import assume, event, given
from hypothesis import strategies as st
from numpyro import infer as stock
from random_models import KEPT, REDRAWN, REFUSED, STRIPPED, TARGET, fewer, random_models
from warned import warned

import sanitize
from sanitize import (
    ModelArgumentsError,
    NothingLeftError,
    OptionError,
    RedrawnSiteWarning,
    RowLevelSiteWarning,
    inspect_sites,
    strip_deterministic,
)

KEY = jax.random.PRNGKey(0)
DRAWS = 3

few = fewer(8)

# What is redrawn or kept on a guess is said, which other tests see to.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sanitize.RowLevelSiteWarning"),
    pytest.mark.filterwarnings("ignore::sanitize.RedrawnSiteWarning"),
]


def some_rows(fitted):
    """One, fewer, equal and more rows than those of the fit."""
    return sorted({1, max(fitted - 1, 1), fitted, fitted + 2})


def review(model, rows, samples, y=False, **options):
    args, kwargs = model.arguments(rows, y)
    return inspect_sites(model.function, *args, **kwargs).review(samples, **options)


def actions(review):
    return {name: verdict.action for name, verdict in review.items()}


def verdicts(review):
    return {name: (verdict.action, verdict.reason, verdict.recorded_shape) for name, verdict in review.items()}


def settled(model, rows):
    """The options for a call in which nothing is refused, and the latents that are kept."""
    verdicts = model.verdicts(rows)
    kept = {name for name, action in verdicts.items() if action == KEPT}
    assume(kept)  # where all groups and rows are others, nothing is left, an error that `test_strip.py` looks at
    return {"redraw": [name for name, action in verdicts.items() if action == REFUSED]}, kept


def equal(result, truth):
    """The same names with the same values, where a made-up draw gives NaN too."""
    return result.keys() == truth.keys() and all(np.array_equal(result[n], truth[n], equal_nan=True) for n in truth)


@given(random_models())
def test_each_entry_is_judged_by_its_own_dimensions(model):
    """Whichever sizes are equal by accident, and however the arguments are passed."""
    samples = model.samples()
    for rows in some_rows(model.rows):
        found = review(model, rows, samples)
        assert actions(found) == model.verdicts(rows), rows
        assert found.batch_shape == (DRAWS,)


@given(random_models(), st.integers(1, 5), st.sampled_from([True, None]))
def test_fitted_groups_are_never_redrawn(model, rows, new_rows):
    """Nor other coefficients, whatever is said of the rows: they are kept where they fit, else refused."""
    samples = model.samples()
    try:
        found = actions(review(model, rows, samples, new_rows=new_rows))
    except OptionError:
        assert (new_rows, model.is_table, rows) == (True, True, model.rows)
        return
    fitted = model.latents.keys() - model.of(model.changing)
    assert {name: found[name] for name in fitted} == {name: model.verdicts(rows)[name] for name in fitted}
    assert {found[name] for name in fitted}.isdisjoint({STRIPPED, REDRAWN})


@given(random_models(), st.sampled_from([True, False, None]))
def test_verdicts_are_the_same_with_y_and_without(model, y):
    rows = model.rows + 1
    assert actions(review(model, rows, model.samples(), y)) == model.verdicts(rows)


@given(random_models(), st.integers(1, 5))
def test_an_unused_entry_changes_nothing(model, rows):
    """Whatever its shape, were it that of the rows."""
    samples = model.samples()
    truth = verdicts(review(model, rows, samples))
    for shape in [(), (rows,), (model.rows, 2)]:
        found = review(model, rows, {"unused": np.zeros((DRAWS, *shape), np.float32), **samples})
        assert found["unused"].action == KEPT
        assert {name: v for name, v in verdicts(found).items() if name != "unused"} == truth


@given(random_models(), st.integers(1, 5), st.randoms(use_true_random=False))
def test_the_order_of_rows_entries_and_arguments_changes_nothing(model, rows, random):
    """Nor do the values of the data, where nothing of the fit is there to compare them with."""
    samples = model.samples()
    truth = verdicts(review(model, rows, samples))
    order = list(range(model.sizes(rows)["row"]))
    random.shuffle(order)
    names = list(samples)
    random.shuffle(names)
    args, kwargs = dataclasses.replace(model, keywords=99).arguments(rows, seed=1, order=order)
    by_name = list(kwargs)
    random.shuffle(by_name)
    kwargs = {name: kwargs[name] for name in by_name}
    again = inspect_sites(model.function, *args, **kwargs).review({name: samples[name] for name in names})
    assert list(again) == names
    assert verdicts(again) == truth


@pytest.mark.filterwarnings("ignore::sanitize.DataStatisticWarning")  # a mean over rows is one, of all or of a part
@given(random_models(per_row=False), st.integers(1, 3), st.integers(1, 3))
def test_splitting_a_call_changes_nothing(model, first, second):
    """What is kept of the latents for all rows at once is kept for each part of them, if it has all groups."""
    samples = model.samples()
    whole = actions(review(model, first + second, samples))
    for rows in (first, second):
        if model.sizes(rows)["group"] == model.sizes(first + second)["group"]:
            assert actions(review(model, rows, samples)) == whole


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
            along = tuple(i for i, axis in enumerate(node.axes) if axis in ("row", "column"))
            assert node.is_named_by_a_loop or table[node.name].row_dims == along
    assert table[TARGET].row_dims == ((0, 1) if model.is_table else (0,))


@few
@given(random_models(), st.integers(1, 5))
def test_stock_predictive_runs_on_the_result_and_gives_the_right_shapes(model, rows):
    options, _ = settled(model, rows)
    found = review(model, rows, samples := model.samples(), **options)
    clean = found.apply(samples)
    args, kwargs = model.arguments(rows)
    predicted = stock.Predictive(model.function, clean, parallel=True)(KEY, *args, **kwargs)
    sites = model.sites(rows)
    assert predicted[TARGET].shape == (DRAWS, *model.shape(model.target, rows))
    for name in predicted:
        assert predicted[name].shape == (DRAWS, *sites[name]["shape"])
    assert set(model.computed) <= set(predicted)


@few
@given(random_models(), st.integers(1, 5))
def test_predictions_are_those_of_hand_picked_latents(model, rows):
    """Bit for bit, from stock `Predictive` after stripping and from the drop-in with the samples as they are."""
    samples = model.samples()
    args, kwargs = model.arguments(rows)
    options, kept = settled(model, rows)
    hand_picked = {name: samples[name] for name in kept}
    truth = stock.Predictive(model.function, hand_picked, parallel=True)(KEY, *args, **kwargs)
    clean = strip_deterministic(model.function, samples, *args, **options, **kwargs)
    assert set(clean) == kept
    assert equal(stock.Predictive(model.function, clean, parallel=True)(KEY, *args, **kwargs), truth)
    assert equal(sanitize.Predictive(model.function, samples, parallel=True, **options)(KEY, *args, **kwargs), truth)


@few
@given(random_models(per_row=False), st.integers(1, 5))
def test_scores_are_those_of_the_latents_alone(model, rows):
    """Bit for bit, from stock `log_likelihood` after stripping and from the drop-in with the samples as they are."""
    samples = model.samples()
    args, kwargs = model.arguments(rows, y=True)
    assume(REFUSED not in model.verdicts(rows).values())  # fewer labels than in the fit: nothing can be scored
    latents = {name: samples[name] for name in model.latents}
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
    latents = {name: samples[name] for name in model.latents}
    truth = stock.Predictive(model.function, latents, parallel=True)(KEY, *args, **kwargs)
    same = sanitize.Predictive(model.function, samples, parallel=True, new_rows=False)(KEY, *args, **kwargs)
    assert equal(same, truth)


@given(random_models(), st.integers(1, 5), st.booleans())
def test_the_input_is_unchanged_and_kept_arrays_are_the_same_objects(model, rows, y):
    """Names, order and identity of samples and arguments; the values of both."""
    samples = model.samples()
    args, kwargs = model.arguments(rows, y)
    before = [(name, value, value.copy()) for name, value in samples.items()]
    arguments = [(value, copy.deepcopy(value)) for value in jax.tree_util.tree_leaves((args, kwargs))]
    clean = strip_deterministic(model.function, samples, *args, **settled(model, rows)[0], **kwargs)
    assert list(samples) == [name for name, _, _ in before]
    assert all(samples[name] is value and np.array_equal(value, same) for name, value, same in before)
    assert all(np.array_equal(value, same) for value, same in arguments)
    assert list(clean) == [name for name in samples if name in clean]
    assert all(clean[name] is samples[name] for name in clean)


@given(random_models(), st.integers(1, 5))
def test_stripping_twice_is_stripping_once(model, rows):
    args, kwargs = model.arguments(rows)
    options, _ = settled(model, rows)
    once = strip_deterministic(model.function, model.samples(), *args, **options, **kwargs)
    twice = strip_deterministic(model.function, once, *args, **options, **kwargs)
    assert list(once) == list(twice)
    assert all(once[name] is twice[name] for name in once)


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
    options, _ = settled(model, rows)
    for container in (dataset, with_groups(posterior=dataset)):
        assert verdicts(review(model, rows, container)) == truth
        found = review(model, rows, container, **options)
        assert set(sanitize.posterior_samples(found.apply(container))) == found.kept


@given(random_models(), st.integers(1, 5), st.booleans())
def test_keyword_settles_what_happens_to_row_level_latents(model, rows, new_rows):
    """`new_rows` decides where they fit; it cannot where their number tells, or where it could mean either axis."""
    samples = model.samples()
    if not new_rows and rows != model.rows and not model.continues(rows):
        with pytest.raises(OptionError, match="new_rows=False"):
            review(model, rows, samples, new_rows=new_rows)
    elif new_rows and rows == model.rows and model.is_table and model.of("row", "column"):
        with pytest.raises(OptionError, match="redraw="):
            review(model, rows, samples, new_rows=new_rows)
    elif not model.is_table or rows != model.rows or not new_rows:
        assert actions(review(model, rows, samples, new_rows=new_rows)) == model.verdicts(rows, new_rows)


@given(random_models(), st.integers(1, 5))
def test_nothing_is_redrawn_or_guessed_without_a_warning(model, rows):
    """And no warning is without cause: of a table's other axis one may say that nothing tells of it."""
    samples = model.samples()
    with warned() as caught:
        found = review(model, rows, samples)
    truth = model.verdicts(rows)
    refused = REFUSED in truth.values()
    same = set() if rows != model.rows or refused else model.of("row")
    others = set() if rows != model.rows or refused else model.of("column")
    redrawn = set() if refused else {name for name in model.latents if truth[name] == REDRAWN}
    said = {w.category: str(w.message) for w in caught}
    assert len(said) == len(caught)
    assert found.redrawn == {name for name in model.latents if truth[name] == REDRAWN}
    for category, must, may in ((RedrawnSiteWarning, redrawn, redrawn), (RowLevelSiteWarning, same, same | others)):
        message = said.pop(category, "")
        named = {name for name in model.latents if f"{name!r} (recorded" in message}
        assert must <= named <= may
    assert not said


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
    assert set(clean) - model.of("row", "column") == model.latents.keys() - model.of("row", "column")
