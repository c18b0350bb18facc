"""What the values of arguments give away: indices that do not exist, and rows that act on each other."""

import inspect
import pathlib
import pickle
import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import infer as stock
from values_models import HAND_SILENT, HAND_SPEAKS, INDEX_SILENT, INDEX_SPEAKS, ROWS_SILENT, ROWS_SPEAK, posterior
from warned import warned
from without_words import says

import sanitize
from sanitize import DataStatisticWarning, IndexRangeWarning, inspect_sites, strip_deterministic
from sanitize.infer import _substitutes_deterministic

KEY = jax.random.PRNGKey(0)


def said(case, samples=None):
    samples = posterior(case.model, case.args) if samples is None else samples
    with warned() as caught:
        strip_deterministic(case.model, samples, *case.args, **case.options)
    return [w.message for w in caught if isinstance(w.message, (IndexRangeWarning, DataStatisticWarning))]


def few_fast(cases):
    """All, of which the most are slow: each compiles operations of its own."""
    return [pytest.param(case, id=case.name, marks=[pytest.mark.slow] * (i % 4 > 0)) for i, case in enumerate(cases)]


def test_there_are_enough_of_both():
    assert len(INDEX_SPEAKS) + len(ROWS_SPEAK) >= 25
    assert len(INDEX_SILENT) + len(ROWS_SILENT) >= 40


@pytest.mark.parametrize("case", few_fast(INDEX_SPEAKS))
def test_an_index_that_does_not_exist_is_said(case):
    (warning,) = said(case)
    assert type(warning) is IndexRangeWarning
    (index,) = warning.indices
    assert (index.arguments, index.values, index.count) == ((case.says[0],), *case.says[1:])
    assert says(str(warning), repr(case.says[0]))


@pytest.mark.parametrize("case", few_fast(ROWS_SPEAK))
def test_rows_that_act_on_each_other_are_said(case):
    (warning,) = said(case)
    assert type(warning) is DataStatisticWarning
    assert warning.statistic.arguments == case.says
    assert warning.statistic.moves > 0
    assert says(str(warning), repr(case.says[0]))


@pytest.mark.parametrize("case", few_fast([*INDEX_SILENT, *ROWS_SILENT]))
def test_nothing_is_said_of_what_is_right(case):
    if "keep" in case.options and not _substitutes_deterministic():
        pytest.skip("NumPyro puts recorded values back since 0.14")
    assert said(case) == []


@pytest.mark.slow
@pytest.mark.parametrize("case", [*HAND_SPEAKS, *HAND_SILENT], ids=lambda case: case.name)
def test_calls_that_were_written_to_break_it(case):
    found = said(case)
    assert len(found) == (case.says is not None)
    for warning in found:
        if isinstance(warning, IndexRangeWarning):
            seen = {(*index.arguments, index.values, index.count) for index in warning.indices}
            assert seen == {case.says}
        else:
            assert warning.statistic.arguments == case.says


# ------------------------------------------------------------------------------------------- how it is said


def groups(group, y=None):
    effect = numpyro.sample("effect", dist.Normal(0.0, 1.0).expand([5]))
    numpyro.sample("y", dist.Normal(effect[group], 1.0), obs=y)


EFFECTS = {"effect": np.linspace(-1.0, 1.0, 20, dtype=np.float32).reshape(4, 5)}


def test_the_drop_in_says_it_at_every_call_and_for_these_values_only():
    predict = sanitize.Predictive(groups, EFFECTS)
    for codes, wrong in (([0, 4], False), ([0, 7], True), ([0, 7], True), ([1, 4], False), ([-1, 0], True)):
        with warned() as caught:
            predict(KEY, np.array(codes))
        assert [w.category for w in caught] == [IndexRangeWarning] * wrong


def test_log_likelihood_says_it():
    with pytest.warns(IndexRangeWarning, match="'effect'"):
        sanitize.log_likelihood(groups, EFFECTS, np.array([0, 5]), np.zeros(2, np.float32))


def test_traced_arguments_have_no_values_and_nothing_is_said():
    predict = sanitize.Predictive(groups, EFFECTS)
    jax.jit(lambda codes: predict(KEY, codes))(np.array([0, 7]))


def test_the_filter_makes_it_an_error_at_the_line_that_calls():
    with warnings.catch_warnings():
        warnings.simplefilter("error", IndexRangeWarning)
        with pytest.raises(IndexRangeWarning) as caught:
            strip_deterministic(groups, EFFECTS, np.array([0, 7, 9, -1]))
    (index,) = pickle.loads(pickle.dumps(caught.value)).indices
    assert (index.values, index.count, index.total, index.length) == ((-1, 7, 9), 3, 4, 5)
    assert says(str(caught.value), "'group' holds -1, 7, 9, but 'effect' has 5 values (0 to 4)")


def test_at_most_five_values_are_named():
    with pytest.warns(IndexRangeWarning) as caught:
        strip_deterministic(groups, EFFECTS, np.arange(100))
    (index,) = caught[0].message.indices
    assert (len(index.values), index.count) == (5, 95)


@pytest.mark.words
def test_both_stand_in_the_review_and_what_could_not_be_told_where_the_model_ran_with_values_only():
    def needs_latents(group, y=None):
        effect = numpyro.sample("effect", dist.Normal(0.0, 1.0).expand([5]))
        if effect[0] > 100.0:
            effect = 0.0 * effect
        numpyro.sample("y", dist.Normal(effect[group], 1.0), obs=y)

    def both(x, group, y=None):
        effect = numpyro.sample("effect", dist.Normal(0.0, 1.0).expand([5]))
        numpyro.sample("y", dist.Normal(effect[group] * (x - x.mean()), 1.0), obs=y)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        review = inspect_sites(both, np.arange(3.0), np.array([0, 1, 5])).review(EFFECTS)
    for text in (repr(review), review._repr_html_()):
        assert "out of range: " in text
        assert "rows act on each other: y (loc)" in text
    assert "could not be told" in repr(inspect_sites(needs_latents, np.array([0, 1])).review(EFFECTS))
    assert "could not be told" not in repr(inspect_sites(groups, np.array([0, 1])).review(EFFECTS))


# ------------------------------------------------------------------------------------- the fit's statistic is kept


def centred(x, y=None):
    x_mean = numpyro.deterministic("x_mean", x.mean())
    slope = numpyro.sample("slope", dist.Normal(0.0, 1.0))
    mu = numpyro.deterministic("mu", slope * (x - x_mean))
    numpyro.sample("y", dist.Normal(mu, 0.001), obs=y)


X_FIT, X_NEW = np.linspace(0.0, 4.0, 20, dtype=np.float32), np.linspace(10.0, 11.0, 10, dtype=np.float32)
SLOPES = np.array([0.5, -1.0, 2.0], np.float32)
FIT = {"slope": SLOPES, "x_mean": np.full(3, X_FIT.mean()), "mu": SLOPES[:, None] * (X_FIT - X_FIT.mean())}
BY_HAND = SLOPES[:, None] * (X_NEW - X_FIT.mean())


@pytest.mark.skipif(not _substitutes_deterministic(), reason="NumPyro puts recorded values back since 0.14")
def test_the_call_that_the_warning_names_gives_the_answer_by_hand():
    with pytest.warns(DataStatisticWarning, match=r"keep=\('x_mean',\)") as caught:
        wrong = sanitize.Predictive(centred, FIT, return_sites=["mu"])(KEY, X_NEW)["mu"]
    assert np.abs(wrong - BY_HAND).max() > 1
    keep = caught[0].message.statistic.keep
    drop_in = sanitize.Predictive(centred, FIT, keep=keep, return_sites=["mu", "y"])(KEY, X_NEW)
    np.testing.assert_allclose(drop_in["mu"], BY_HAND, atol=1e-6, rtol=1e-6)
    clean = strip_deterministic(centred, FIT, X_NEW, keep=keep)
    assert clean.keys() == {"slope", "x_mean"}
    if "condition_deterministic" in inspect.signature(stock.Predictive).parameters:
        again = {"condition_deterministic": True}
    elif "exclude_deterministic" in inspect.signature(stock.Predictive).parameters:
        again = {"exclude_deterministic": False}
    else:  # NumPyro 0.14 puts them back unasked
        again = {}
    by_stock = stock.Predictive(centred, clean, return_sites=["mu", "y"], **again)(KEY, X_NEW)
    for name in ("mu", "y"):
        np.testing.assert_array_equal(by_stock[name], drop_in[name])


def test_rows_of_the_fit_are_known_by_the_mean_that_they_have():
    """A recorded value that these arguments give again proves it."""
    strip_deterministic(centred, FIT, X_FIT)


@pytest.mark.skipif(not _substitutes_deterministic(), reason="NumPyro puts recorded values back since 0.14")
def test_what_is_put_back_is_no_statistic_of_new_rows():
    name = "condition_deterministic"
    if name not in inspect.signature(stock.Predictive).parameters:
        pytest.skip("another NumPyro")
    mean = {"slope": SLOPES, "x_mean": FIT["x_mean"]}
    sanitize.Predictive(centred, mean, condition_deterministic=True)(KEY, X_NEW)


@pytest.mark.slow
@pytest.mark.skipif(not _substitutes_deterministic(), reason="NumPyro puts recorded values back since 0.14")
def test_the_how_to_runs():
    page = pathlib.Path(__file__).parents[2] / "docs" / "how-to" / "values.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    with warnings.catch_warnings():
        exec("\n".join(blocks), {})


def _of_params(group, y=None):
    u = numpyro.param("u", jnp.zeros(3))
    numpyro.sample("y", dist.Normal(u[group], numpyro.sample("s", dist.HalfNormal())), obs=y)


def _of_positive_params(group, y=None):
    u = numpyro.param("u", jnp.ones(3), constraint=dist.constraints.positive)
    numpyro.sample("y", dist.Normal(jnp.log(u)[group], numpyro.sample("s", dist.HalfNormal())), obs=y)


def _of_guarded_params(group, y=None):
    u = numpyro.param("u", jnp.zeros(3))
    mean = jnp.where(group < 3, u[group], 0.0)
    numpyro.sample("y", dist.Normal(mean, numpyro.sample("s", dist.HalfNormal())), obs=y)


def _of_a_table(group, y=None):
    mean = numpyro.sample("s", dist.HalfNormal()) * jnp.arange(3.0)[group]
    numpyro.sample("y", dist.Normal(mean, 1.0), obs=y)


@pytest.mark.parametrize("params", [None, {"u": jnp.array([1.0, 2.0, 3.0])}])
@pytest.mark.parametrize(
    ("model", "group", "wrong"),
    [
        (_of_params, [0, 3], True),
        (_of_positive_params, [0, 3], True),
        (_of_params, [0, -1], True),
        (_of_params, [0, 2], False),
        (_of_guarded_params, [0, 3], False),
        (_of_a_table, [0, 3], False),
    ],
)
def test_an_index_into_params_is_looked_at(model, group, wrong, params):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sanitize.Predictive(model, {"s": np.ones(5)}, params=params)(KEY, np.array(group))
    assert [w.category for w in caught if w.category is IndexRangeWarning] == [IndexRangeWarning] * wrong


def test_a_number_that_becomes_nan_does_not_move_by_nothing():
    def centred(x, y=None):
        b = numpyro.sample("b", dist.Normal())
        numpyro.sample("y", dist.Normal(b * (x - x.mean()), 1.0), obs=y)

    x = np.append(np.linspace(0.0, 1.0, 7), np.nan)
    with pytest.warns(DataStatisticWarning) as caught:
        strip_deterministic(centred, {"b": np.ones(4)}, x)
    assert caught[0].message.statistic.moves > 0
    assert says(str(caught[0].message), "NaN")


def own_slopes(x, y=None):
    scale = numpyro.sample("scale", dist.HalfNormal(1.0))
    with numpyro.plate("rows", x.shape[0]):
        slope = numpyro.sample("slope", dist.Normal(0.0, scale))
        numpyro.sample("y", dist.Normal(slope * (x - x.mean()), 1.0), obs=y)


def slopes_across_a_table(X, y=None):
    scale = numpyro.sample("scale", dist.HalfNormal(1.0))
    with numpyro.plate("columns", X.shape[1]), numpyro.plate("rows", X.shape[0]):
        slope = numpyro.sample("slope", dist.Normal(0.0, scale))
        numpyro.sample("y", dist.Normal(slope * (X - X.min(0)), 1.0), obs=y)


def own_slopes_alone(x, y=None):
    scale = numpyro.sample("scale", dist.HalfNormal(1.0))
    with numpyro.plate("rows", x.shape[0]):
        slope = numpyro.sample("slope", dist.Normal(0.0, scale))
        numpyro.sample("y", dist.Normal(slope * x, 1.0), obs=y)


def smooth(x, y=None):
    scale = numpyro.sample("scale", dist.HalfNormal(1.0))
    kernel = jnp.exp(-((x[:, None] - x) ** 2)) + 1e-2 * jnp.eye(len(x))
    with numpyro.plate("rows", x.shape[0]):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
    numpyro.sample("y", dist.Normal(scale * jnp.linalg.cholesky(kernel) @ z, 1.0), obs=y)


def by_a_loop(x, y=None, trend=0.0):
    scale = numpyro.sample("scale", dist.HalfNormal(1.0))
    slopes = [numpyro.sample(f"slope_{i}", dist.Normal(0.0, scale)) for i in range(len(x))]
    numpyro.sample("y", dist.Normal(jnp.stack(slopes) * x + trend * scale * jnp.arange(len(x)), 1.0), obs=y)


def by_a_loop_with_a_trend(x, y=None):
    by_a_loop(x, y, 1.0)


@pytest.mark.parametrize(
    ("model", "x", "speaks"),
    [
        (by_a_loop, np.linspace(1.0, 2.0, 3), False),
        (by_a_loop, np.linspace(1.0, 2.0, 9), False),
        (by_a_loop_with_a_trend, np.linspace(1.0, 2.0, 9), True),
        (own_slopes, np.linspace(1.0, 2.0, 9), True),
        (slopes_across_a_table, np.linspace(1.0, 2.0, 18).reshape(9, 2), True),
        (own_slopes_alone, np.linspace(1.0, 2.0, 9), False),
        (smooth, np.linspace(1.0, 2.0, 9), False),
    ],
)
def test_a_latent_of_the_rows_multiplies_a_statistic(model, x, speaks):
    """It is zero on average, and its recorded draw is not."""
    samples = posterior(model, (x,))
    with warned() as caught:
        strip_deterministic(model, samples, x, redraw=[*samples.keys() - {"scale"}])
    assert [type(w.message) for w in caught] == [DataStatisticWarning] * speaks


def centred_by_ten(x, y=None):
    b = numpyro.sample("b", dist.Normal(0.0, 1.0))
    if len(x) < 10:
        raise ValueError("ten rows are needed")
    numpyro.sample("y", dist.Normal(b * (x - x.mean()), 1.0), obs=y)


def slope_by_ten(x, y=None):
    if len(x) < 10:
        raise ValueError("ten rows are needed")
    numpyro.sample("y", dist.Normal(numpyro.sample("b", dist.Normal(0.0, 1.0)) * x, 1.0), obs=y)


def test_a_search_that_cannot_run_is_a_remark():
    """Only where the computation leaves it open, and not of the rows of the fit."""
    x, samples = np.linspace(0.0, 1.0, 12), {"b": np.ones(5)}
    review = inspect_sites(centred_by_ten, x).review(samples)
    assert says(str(review), "could not be told whether rows act on each other")
    assert says(str(review), "ValueError: ten rows are needed")
    for told in (
        inspect_sites(centred_by_ten, x).review(samples, new_rows=False),
        inspect_sites(slope_by_ten, x).review(samples),
    ):
        assert "ten rows" not in str(told)
