"""The law that a row's place does not count, and what is told of lags, of dates, and of values below all others."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from fits import Fitted
from numpyro import plate, sample
from values_models import posterior

from sanitize import DataStatisticWarning, Predictive, strip_deterministic

X = np.linspace(-1.0, 1.0, 9).astype(np.float32)
KEY = jax.random.PRNGKey(0)
GROUPS = np.array([0, 0, 1, 1, 2, 2, 0, 1, 2])
NEIGHBOURS = np.eye(9, k=1) + np.eye(9, k=-1)


def trend(x, y=None):
    slope = sample("slope", dist.Normal(0.0, 1.0))
    sample("y", dist.Normal(slope * jnp.arange(x.shape[0]) + x, 0.01), obs=y)


def season_by_plate(x, y=None):
    month = sample("month", dist.Normal(0.0, 1.0).expand([12]).to_event(1))
    with plate("rows", x.shape[0]) as number:
        sample("y", dist.Normal(month[number % 12] + x, 0.01), obs=y)


def season_in_numpy(data, y=None):
    level = sample("level", dist.Normal(0.0, 1.0))
    wave = np.sin(np.arange(len(data["x"])))
    sample("y", dist.Normal(level * wave + data["x"], 0.01), obs=y)


def trial(x, y=None):
    slope = sample("slope", dist.Normal(0.0, 1.0))
    sample("y", dist.Normal(slope * (x + 0.1 * jnp.arange(len(x))), 1.0), obs=y)


def weight_of_age(frame, y=None):
    level = sample("level", dist.Normal(0.0, 1.0))
    x = frame["x"].to_numpy()
    sample("y", dist.Normal(level + x, 0.9 ** np.arange(len(frame))), obs=y)


def wards_closed_over(x, y=None):
    b = sample("b", dist.Normal(0.0, 1.0))
    with plate("wards", 3):
        ward = sample("ward", dist.Normal(0.0, 1.0))
    with plate("rows", len(x)):
        sample("y", dist.Normal(ward[GROUPS] + b * x, 1.0), obs=y)


def exposure_closed_over(frame, y=None):
    b = sample("b", dist.Normal(0.0, 1.0))
    sample("y", dist.Poisson((1.0 + GROUPS) * jnp.exp(b * frame["x"].to_numpy())), obs=y)


def areas_beside_their_neighbours(x, y=None):
    b = sample("b", dist.Normal(0.0, 1.0))
    area = sample("area", dist.CAR(0.0, 0.5, 1.0, NEIGHBOURS))
    sample("y", dist.Normal(area + b * x, 1.0), obs=y)


def rows_masked(x, y=None):
    b = sample("b", dist.Normal(0.0, 1.0))
    with numpyro.handlers.mask(mask=GROUPS > 0):
        sample("y", dist.Normal(b * x, 1.0), obs=y)


def items_by_persons(ability, y=None):
    difficulty = sample("difficulty", dist.Normal(0.0, 1.0).expand([9]).to_event(1))
    sample("y", dist.Normal(ability[:, None] - difficulty * (1 + GROUPS), 1.0).to_event(1), obs=y)


def slope_only(x, y=None):
    slope = sample("slope", dist.Normal(0.0, 1.0))
    sample("y", dist.Normal(slope * x, 0.01), obs=y)


def polynomial(x, y=None):
    b = sample("b", dist.Normal(0.0, 1.0).expand([3]).to_event(1))
    sample("y", dist.Normal((x[:, None] ** jnp.arange(3)) @ b, 1.0), obs=y)


def lag(x, y=None):
    b = sample("b", dist.Normal(0.0, 1.0))
    before = jnp.concatenate([jnp.zeros(2), x[:-2]])
    sample("y", dist.Normal(b * before, 1.0), obs=y)


def row_effects(x, y=None):
    with plate("rows", x.shape[0]) as number:
        effect = sample("effect", dist.Normal(0.0, 1.0))
        sample("y", dist.Normal(effect[number] + x, 1.0), obs=y)


def series_alone(y):
    slope = sample("slope", dist.Normal(0.0, 1.0))
    sample("y", dist.Normal(slope * jnp.arange(y.shape[0]), 1.0), obs=y)


def said(model, samples, *args, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        strip_deterministic(model, samples, *args, **options)
    return [one.message for one in caught if isinstance(one.message, DataStatisticWarning)]


COUNTS = {
    "a trend": (trend, X),
    "a season by the index of a plate": (season_by_plate, X),
    "a season in NumPy": (season_in_numpy, {"x": X}),
    "the number of a trial": (trial, X),
    "a weight that falls": (weight_of_age, pd.DataFrame({"x": X})),
    "groups that the model closes over": (wards_closed_over, X),
    "an exposure that the model closes over": (exposure_closed_over, pd.DataFrame({"x": X})),
}
DOES_NOT = {
    "a slope": (slope_only, X),
    "degrees of a polynomial": (polynomial, X),
    "a lag of two": (lag, X),
    "row effects by the index of their plate": (row_effects, X),
    "a series without covariates": (series_alone, X),
    "a map that a prior closes over": (areas_beside_their_neighbours, X),
    "a mask that the model closes over": (rows_masked, X),
    "as many items as persons": (items_by_persons, X),
}


@pytest.mark.parametrize("name", COUNTS)
def test_a_place_that_counts_is_told(name):
    model, x = COUNTS[name]
    (warning,) = said(model, posterior(model, (x,)), x)
    assert warning.statistic.arguments == ()
    assert warning.statistic.target == "y"


@pytest.mark.parametrize("name", DOES_NOT)
@pytest.mark.filterwarnings("ignore::sanitize.RowLevelSiteWarning")
def test_nothing_is_said_where_a_place_does_not_count(name):
    model, x = DOES_NOT[name]
    assert not said(model, posterior(model, (x,)), x)


def test_stock_begins_again_at_zero():
    """So that there is something to say."""
    samples = {"slope": np.full(20, 2.0, np.float32)}
    drawn = numpyro.infer.Predictive(trend, samples)(KEY, X[:3])["y"]
    np.testing.assert_allclose(drawn.mean(0), 2.0 * np.arange(3) + X[:3], atol=0.02)


@pytest.mark.parametrize("name", COUNTS)
def test_the_fits_rows_and_what_comes_after_them_are_silent(name):
    model, x = COUNTS[name]
    samples = Fitted(model, x, X)
    samples._draws.update(posterior(model, (x,)))
    assert not said(model, samples, x)
    if isinstance(x, np.ndarray) and model is not wards_closed_over:  # whose rows cannot be more or fewer
        assert not said(model, samples, np.concatenate([x, x + 5]))
        assert said(model, samples, x[3:])
    assert not said(model, posterior(model, (x,)), x, new_rows=False)


def test_other_rows_beside_groups_that_the_model_closes_over():
    """As many as the fit had: there is no other number. The message does not offer to pass more."""
    samples = Fitted(wards_closed_over, X, X)
    samples._draws.update(posterior(wards_closed_over, (X,)))
    (warning,) = said(wards_closed_over, samples, X[::-1])
    assert "pass what counts" in str(warning)
    assert "first, and the new ones" not in str(warning)


def test_the_drop_in_says_it():
    samples = {"slope": np.full(20, 2.0, np.float32)}
    with pytest.warns(DataStatisticWarning, match="place of a row counts"):
        Predictive(trend, samples)(KEY, X)


def carried(lags):
    def media(spend, y=None):
        b = sample("b", dist.Normal(0.0, 1.0))
        padded = jnp.concatenate([jnp.zeros(lags), spend])
        total = sum(0.8**i * padded[lags - i : lags - i + spend.shape[0]] for i in range(lags + 1))
        sample("y", dist.Normal(b * total, 1.0), obs=y)

    return media


@pytest.mark.parametrize("lags", [4, 13])
def test_a_carry_over_is_told_as_a_lag_with_its_reach(lags):
    model = carried(lags)
    (warning,) = said(model, posterior(model, (X,)), X)
    assert warning.statistic.reach == lags
    assert warning.statistic.arguments == ("spend",)


@pytest.mark.parametrize("of", [lambda x: x - x[0], lambda x: x - x.mean(), jnp.cumsum])
def test_the_first_row_a_mean_and_a_sum_are_no_lags(of):
    def model(x, y=None):
        sample("y", dist.Normal(sample("b", dist.Normal()) * of(x), 1.0), obs=y)

    (warning,) = said(model, posterior(model, (X,)), X)
    assert warning.statistic.reach == 0


def lowest_of_group(x, group, y=None):
    b = sample("b", dist.Normal(0.0, 1.0))
    sample("y", dist.Normal(b * (x - jax.ops.segment_min(x, group, 3)[group]), 1.0), obs=y)


def days_since_the_first(frame, y=None):
    b = sample("b", dist.Normal(0.0, 1.0))
    days = (frame.index - frame.index.min()).days.to_numpy().astype(np.float32)
    sample("y", dist.Normal(b * days, 1.0), obs=y)


def days_in_a_column(frame, y=None):
    b = sample("b", dist.Normal(0.0, 1.0))
    days = (frame["day"] - frame["day"].min()).dt.days.to_numpy().astype(np.float32)
    sample("y", dist.Normal(b * days, 1.0), obs=y)


def days_since_1970(frame, y=None):
    b = sample("b", dist.Normal(0.0, 1.0))
    days = (frame.index - pd.Timestamp("1970-01-01")).days.to_numpy().astype(np.float32)
    sample("y", dist.Normal(b * days, 1.0), obs=y)


DAYS = pd.date_range("2024-03-01", periods=9)
DATED = pd.DataFrame({"x": X}, index=DAYS)


def test_values_below_all_others_and_dates_are_looked_at():
    assert said(lowest_of_group, {"b": np.ones(5)}, X, GROUPS)
    assert said(days_since_the_first, {"b": np.ones(5)}, DATED)
    assert said(days_in_a_column, {"b": np.ones(5)}, pd.DataFrame({"day": DAYS}))
    assert not said(days_since_1970, {"b": np.ones(5)}, DATED)


def test_other_dates_in_an_index_are_other_rows():
    samples = Fitted(days_since_the_first, DATED, X)
    assert not said(days_since_the_first, samples, DATED)
    assert said(days_since_the_first, samples, DATED.set_axis(DAYS + pd.Timedelta(days=30)))
