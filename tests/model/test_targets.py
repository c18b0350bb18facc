"""Probes: what follows the rows, what an argument makes observed, and how few runs that takes."""

import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanitize import RedrawnSiteWarning, RowLevelSiteWarning, inspect_sites, strip_deterministic
from sanitize.model import trace


def x(rows):
    return np.linspace(0.0, 1.0, rows, dtype=np.float32)


def rows_of(model, *args, **kwargs):
    table = inspect_sites(model, *args, **kwargs)
    return {name: site.row_dims for name, site in table.items() if site.row_dims and site.kind == "latent"}


@pytest.mark.parametrize("rows", [1, 2, 5, 8])
@pytest.mark.parametrize("with_y", [False, True])
def test_rows_are_told_from_groups_of_the_same_size(rows, with_y):
    """Rows = groups through an int, and through a group-level covariate with as many entries."""
    y = {"y": x(rows)} if with_y else {}
    latent_y = set() if with_y else {"obs"}
    assert set(rows_of(models.row_effects, x(rows), **y)) == {"z"} | latent_y
    index = np.zeros(rows, int)
    assert set(rows_of(models.group_effects, x(rows), index, rows, **y)) == latent_y
    assert set(rows_of(models.group_covariate, x(rows), index, x(rows), **y)) == latent_y
    assert set(rows_of(models.schools, rows, x(rows) + 1, **y)) == {"theta"} | latent_y
    assert set(rows_of(models.horseshoe, np.zeros((rows, rows)), **y)) == latent_y


def test_a_flag_that_equals_the_number_of_rows_stays_a_flag():
    """One row, and an integer code of 1: lengthening the code would run another model."""
    assert set(rows_of(models.flagged, x(1), 1)) == {"obs"}


def test_square_argument_takes_both_axes():
    D = np.abs(x(5)[:, None] - x(5))
    assert rows_of(models.distance_process, D) == {"f": (0,), "obs": (0,)}


def test_rows_that_take_two_changes_are_told_from_groups_of_the_same_size():
    """A square matrix, or a number beside the data: what cannot grow alone grows with what it needs."""

    def square(D, group, u, y=None):
        effect = numpyro.sample("effect", dist.Normal().expand(u.shape))
        f = numpyro.sample("f", dist.MultivariateNormal(jnp.zeros(len(D)), jnp.exp(-D) + jnp.eye(len(D))))
        numpyro.sample("obs", dist.Normal(f + (effect * u)[group], 1.0), obs=y)

    def counted(x, n, group, u, y=None):
        effect = numpyro.sample("effect", dist.Normal().expand(u.shape))
        with numpyro.plate("data", n):
            f = numpyro.sample("f", dist.Normal())
            numpyro.sample("obs", dist.Normal(x + f + (effect * u)[group], 1.0), obs=y)

    for with_y in ((), (x(6),)):
        found = {"f": (0,)} if with_y else {"f": (0,), "obs": (0,)}
        assert rows_of(square, np.abs(x(6)[:, None] - x(6)), np.arange(6), x(6), *with_y) == found
        assert rows_of(counted, x(6), 6, np.arange(6), x(6), *with_y) == found


def test_an_observed_constant_need_not_grow():
    """Also not where it stands in the plate of the rows, which it does not fill."""

    def model(x, y=None):
        effect = numpyro.sample("effect", dist.Normal().expand([6]))
        with numpyro.plate("data", len(x)):
            z = numpyro.sample("z", dist.Normal())
            numpyro.sample("constraint", dist.Normal(z, 0.1), obs=0.0)
            numpyro.sample("obs", dist.Normal(x + z + effect.sum(), 1.0), obs=y)

    assert rows_of(model, x(6), x(6)) == {"z": (0,)}


def test_a_single_row_fills_every_plate():
    """A plate of one row broadcasts without an error: the data cannot grow without the number beside them."""

    def model(X, n, y=None):
        with numpyro.plate("columns", X.shape[1], dim=-1), numpyro.plate("rows", n, dim=-2):
            z = numpyro.sample("z", dist.Normal())
            numpyro.sample("obs", dist.Normal(X + z, 1.0), obs=y)

    assert rows_of(model, np.zeros((1, 3)), 1) == {"z": (0, 1), "obs": (0, 1)}


@pytest.mark.parametrize("extra", ["same", "kind", "rank", "more", "less"])
def test_longer_data_that_make_another_model_prove_nothing(extra):
    """What is as long as the rows by accident is then kept where it fits, and refused where not: never redrawn."""

    def model(x, y=None):
        effect = numpyro.sample("effect", dist.Normal().expand([6]))
        longer = len(x) > 6
        if extra == "kind" and longer:
            numpyro.deterministic("a", x[0])
        elif extra != ("less" if longer else "more"):
            numpyro.sample("a", dist.Normal().expand([1] * (extra == "rank" and longer)))
        numpyro.sample("obs", dist.Normal(x + effect.sum(), 1.0), obs=y)

    sites = inspect_sites(model, x(6), x(6))
    assert sites["effect"].row_dims == ()
    assert sites.review({"effect": np.zeros((4, 6))})["effect"].action == "kept"
    assert sites.review({"effect": np.zeros((4, 7))})["effect"].action == "refused"


def test_sizes_computed_from_the_rows():
    """One fewer, and one for each seven: they grow with the data, so they are row-level."""
    assert rows_of(models.differences, x(6)) == {"jumps": (0,)}
    assert rows_of(models.differences, None, 6)["jumps"] == (0,)
    assert rows_of(models.weekly, x(21))["level"] == (0,)


def test_length_given_as_a_number():
    assert rows_of(models.volatility, 12) == {"s": (0,), "obs": (0,)}
    assert rows_of(models.local_level, steps=12) == {"level": (0,), "obs": (0,)}


def test_rows_of_a_frame_a_dict_and_a_list():
    frame = pd.DataFrame({"x": x(6)})
    assert set(rows_of(models.from_frame, frame)) == {"z", "obs"}
    assert set(rows_of(models.from_dict, {"x": x(6), "y": None})) == {"z", "obs"}
    assert set(rows_of(models.from_dict, {"x": x(6).tolist(), "y": x(6).tolist()})) == {"z"}


def test_rows_of_a_frame_and_of_a_list_are_told_from_groups():
    """They are lengthened as arrays are: nothing rests on sizes that coincide."""

    def model(x, y=None):
        effect = numpyro.sample("effect", dist.Normal().expand([6]))
        numpyro.sample("obs", dist.Normal(jnp.asarray(x) + effect.sum(), 1.0), obs=y)

    def of_frame(frame):
        model(frame["x"].values)

    assert set(rows_of(model, x(6).tolist())) == {"obs"}
    assert set(rows_of(of_frame, pd.DataFrame({"x": x(6)}))) == set()  # nothing is observed, whatever is given


@pytest.mark.parametrize("arguments", [(), (np.zeros(6, np.float32),)])
def test_of_closed_over_data_nothing_is_told(arguments):
    """No argument can be lengthened: what is as long as the target may be rows, and is not called so."""
    z = inspect_sites(models.closed_over, *arguments)["z"]
    assert (z.row_dims, z.dims[0].known) == ((), False)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_no_rows_or_no_columns(shape):
    """What is empty cannot be lengthened; what is not can."""

    def model(X, y=None):
        z = numpyro.sample("z", dist.Normal().expand([X.shape[0]]))
        numpyro.sample("obs", dist.Normal(z + X.sum(tuple(range(1, X.ndim))), 1.0), obs=y)

    assert rows_of(model, np.zeros(shape)) == {"z": (0,), "obs": (0,)}


def test_model_that_needs_values():
    """Data are lengthened by repeating rows, so that a group index stays valid and groups stay as many."""
    table = inspect_sites(models.concrete_groups, x(8), np.arange(8) % 8)
    assert table.inspection.call.mode == "concrete"
    assert table["effect"].row_dims == ()
    assert table["mu"].row_dims == (0,)
    table = inspect_sites(models.concrete_groups, jax.ShapeDtypeStruct((8,), np.float32), np.arange(8) % 8)
    assert table["mu"].row_dims == (0,)


def test_event_dimensions_and_nested_plates():
    table = inspect_sites(models.panel, np.zeros((5, 5), np.float32))
    assert table["cell"].row_dims == (0, 1)
    assert table["effect"].row_dims == (0,)  # a panel has rows and columns
    table = inspect_sites(models.multi_output, np.zeros((5, 2), np.float32))
    assert table["obs"].row_dims == (0,)
    assert table["W"].row_dims == ()


def test_two_data_tables():
    """Two outcomes with rows of their own: both sizes are rows."""

    def model(x1, x2, y1=None, y2=None):
        a = numpyro.sample("a", dist.Normal())
        z1 = numpyro.sample("z1", dist.Normal().expand([len(x1)]))
        z2 = numpyro.sample("z2", dist.Normal().expand([len(x2)]))
        numpyro.sample("obs1", dist.Normal(a * x1 + z1), obs=y1)
        numpyro.sample("obs2", dist.Normal(a * x2 + z2), obs=y2)

    assert set(rows_of(model, x(4), x(7))) == {"z1", "z2", "obs1", "obs2"}
    assert set(rows_of(model, x(4), x(4))) == {"z1", "z2", "obs1", "obs2"}
    assert set(rows_of(model, x(4), x(7), y1=x(4))) == {"z1", "z2", "obs2"}


def test_weights_and_masks_go_along():
    def model(x, weight, mask, y=None):
        z = numpyro.sample("z", dist.Normal().expand([x.shape[0]]))
        with numpyro.handlers.scale(scale=weight), numpyro.handlers.mask(mask=mask):
            numpyro.sample("obs", dist.Normal(z + x, 1.0), obs=y)

    for y in (None, x(5)):
        assert "z" in rows_of(model, x(5), jnp.ones(5), np.ones(5, bool), y)


# ---------------------------------------------------------------------------------------- observation probe


def test_target_is_known_by_the_argument_that_makes_it_observed():
    assert inspect_sites(models.regression, np.zeros((4, 2)))["obs"].observable == "y"
    assert inspect_sites(models.total, x(4))["total"].observable == "y"
    assert inspect_sites(models.from_dict, {"x": x(4), "y": None})["obs"].observable == "data['y']"
    assert inspect_sites(models.multi_output, np.zeros((4, 2)))["obs"].observable == "Y"
    assert inspect_sites(models.local_level, steps=5)["obs"].observable == "y"
    partly = inspect_sites(models.masked_observations, x(4), x(4) > 0.5)
    assert partly["obs_observed"].observable == "y"
    assert partly["obs_unobserved"].observable is None


def test_a_latent_that_is_only_scored_with_data_is_no_target():
    assert inspect_sites(models.scored_function, x(4))["f"].observable is None


def test_target_of_a_model_that_has_to_be_run():
    """Made-up data are values there."""
    table = inspect_sites(models.switching, x(4))
    assert table.inspection.call.mode == "eager"
    assert (table["obs"].observable, table["obs"].row_dims) == ("y", (0,))


def test_an_argument_that_has_a_value_keeps_it():
    """Only what is None stands for something that may be given."""

    def with_default(x, sd=1.0, y=None):
        models.measured_error(x, sd, y)

    def observables(model, *args, **kwargs):
        return [inspect_sites(model, x(4), *args, **kwargs)[name].observable for name in ("sd", "obs")]

    assert observables(models.measured_error) == ["sd", "y"]
    assert observables(models.measured_error, 2.0) == [None, "y"]
    assert observables(models.measured_error, sd=2.0) == [None, "y"]
    assert observables(with_default) == [None, "y"]


def test_target_that_is_passed_by_keyword_only():
    def model(*columns, y=None):
        models.line(sum(columns), y)

    assert inspect_sites(model, x(4), x(4), x(4))["obs"].observable == "y"


def test_rows_of_a_model_that_is_scored_with_data_only():
    """Nothing in this call is a target; with data there is one, and groups are no rows."""
    assert rows_of(models.scored_effects, x(6), np.arange(6) % 4, x(4)) == {"f": (0,)}


def test_several_targets():
    def model(y1=None, y2=None, unused=None):
        a = numpyro.sample("a", dist.Normal())
        numpyro.sample("obs1", dist.Normal(a).expand([3]), obs=y1)
        numpyro.sample("obs2", dist.Poisson(jnp.exp(a)).expand([2]), obs=y2)

    table = inspect_sites(model)
    assert [table[name].observable for name in table] == [None, "y1", "y2"]
    table = inspect_sites(model, x(3))
    assert [table[name].observable for name in table] == [None, None, "y2"]


class Outcomes(NamedTuple):
    first: Any = None
    second: Any = None


def two_outcomes(x, ys):
    b = numpyro.sample("b", dist.Normal())
    for name, y in zip(("one", "two"), ys):
        numpyro.sample(name, dist.Normal(b * x, 1.0), obs=y)


def outcomes_of_a_tuple(x, ys=(None, None)):
    two_outcomes(x, ys)


def outcomes_of_a_list(x, *, ys=[None, None]):  # noqa: B006
    two_outcomes(x, ys)


def outcomes_of_a_class(x, ys=Outcomes()):  # noqa: B008
    two_outcomes(x, ys)


def outcomes_of_a_dict(x, data={"one": None, "two": {"y": None}}):  # noqa: B006
    two_outcomes(x, (data["one"], data["two"]["y"]))


@pytest.mark.parametrize("model", [outcomes_of_a_tuple, outcomes_of_a_list, outcomes_of_a_class, outcomes_of_a_dict])
def test_none_stands_for_an_outcome_anywhere_in_the_arguments(model):
    table = inspect_sites(model, x(4))
    assert [table[name].observable is not None for name in table] == [False, True, True]
    assert set(strip_deterministic(model, {"b": x(3), "one": np.ones((3, 9)), "two": np.ones((3, 4))}, x(4))) == {"b"}


def outcomes_in_a_dict(x, data=None):
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * x, 1.0), obs=None if data is None else data["y"])


def a_count_and_its_exposure(x, data=None):
    b = numpyro.sample("b", dist.Normal())
    rate = jnp.exp(b * x) * (1.0 if data is None else data["exposure"])
    numpyro.sample("y", dist.Poisson(rate), obs=None if data is None else data["y"])


def options_in_a_dict(x, options=None):
    options = options or {}
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * x, options.get("scale", 1.0)))


@pytest.mark.parametrize(
    ("model", "observable"),
    [(outcomes_in_a_dict, "data"), (a_count_and_its_exposure, "data"), (options_in_a_dict, None)],
)
def test_none_stands_for_a_dict_of_outcomes(model, observable):
    assert inspect_sites(model, x(4))["y"].observable == observable


def scored_by_a_dict(x, data=None):
    b = numpyro.sample("b", dist.Normal())
    r = numpyro.sample("r", dist.Normal().expand([len(x)]))
    if data is not None:
        numpyro.factor("f", -((data["y"] - b * x - r) ** 2).sum())
    numpyro.deterministic("mu", b * x + r)


def test_the_rows_of_a_factor_that_reads_a_dict():
    samples = {"b": x(3), "r": np.ones((3, 4)), "mu": np.ones((3, 4))}
    with pytest.warns(RowLevelSiteWarning):
        assert "r" in strip_deterministic(scored_by_a_dict, samples, x(4))


def test_none_among_outcomes_that_are_passed():
    for ys in ((x(4), None), [x(4), None], Outcomes(x(4))):
        table = inspect_sites(outcomes_of_a_tuple, x(4), ys)
        assert (table["one"].kind, table["two"].observable is not None) == ("observed", True)


@pytest.mark.parametrize("gaps", [np.isnan, lambda y: np.isnan(np.asarray(y)), jnp.isnan, lambda y: y != y])
def test_a_mask_of_the_gaps_of_an_outcome(gaps):
    """The model asks the outcome itself for its gaps, in NumPy too."""

    def model(x, y=None):
        b = numpyro.sample("b", dist.Normal())
        mask = None if y is None else ~gaps(y)
        numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y, obs_mask=mask)

    assert inspect_sites(model, x(4))["y"].observable == "y"
    samples = {"b": x(3), "y": np.ones((3, 9)), "y_unobserved": np.ones((3, 9))}
    assert "y" not in strip_deterministic(model, samples, x(4))


def abundance(habitat, site, y=None):
    scale = numpyro.sample("scale", dist.HalfNormal())
    with numpyro.plate("sites", len(habitat)):
        effect = numpyro.sample("effect", dist.Normal(0.0, scale))
    rate = numpyro.deterministic("rate", jnp.exp(habitat + effect))
    if y is not None:
        numpyro.factor("scores", dist.Poisson(rate[:, None]).log_prob(y).sum())


def visits(habitat, group, y=None):
    effect = numpyro.sample("effect", dist.Normal().expand([3]))
    rate = numpyro.deterministic("rate", jnp.exp(habitat + effect[group]))
    if y is not None:
        numpyro.factor("scores", dist.Poisson(rate[:, None]).log_prob(y.reshape(len(habitat), -1)).sum())


def test_the_rows_of_a_single_factor_are_those_of_the_data():
    samples = {"scale": x(3), "effect": np.ones((3, 6))}
    with pytest.warns(RowLevelSiteWarning, match="'effect'"):
        strip_deterministic(abundance, samples, x(6), None)
    assert set(strip_deterministic(abundance, samples, x(6), None, new_rows=True)) == {"scale"}
    with pytest.warns(RedrawnSiteWarning, match="'effect'"):
        strip_deterministic(abundance, samples, x(4), None)


def counts_and_exposure(habitat, site, y=None, exposure=None):
    if y is not None and exposure is not None:
        abundance(habitat / exposure, site, y)
    else:
        abundance(habitat, site)


def each_visit(habitat, site, y=None):
    abundance(habitat, site)
    effect = numpyro.sample("slope", dist.Normal())
    for visit in range(0 if y is None else y.shape[1]):
        numpyro.factor(f"visit_{visit}", dist.Normal(effect * habitat, 1.0).log_prob(y[:, visit]).sum())


def categories(habitat, site, y=None):
    abundance(habitat, site)
    if y is not None:
        numpyro.factor("scores", jnp.take(habitat, y).sum())


def under_a_key(data, site):
    abundance(data["habitat"], site, data.get("y"))


@pytest.mark.parametrize("model", [counts_and_exposure, each_visit, categories, under_a_key])
def test_the_rows_of_factors_however_the_data_come(model):
    habitat = {"habitat": x(6)} if model is under_a_key else x(6)
    assert rows_of(model, habitat, None) == {"effect": (0,)}


def test_groups_of_a_single_factor_are_no_rows():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for new_rows in (None, True):
            samples = {"effect": np.ones((5, 3))}
            assert set(strip_deterministic(visits, samples, x(6), np.arange(6) % 3, new_rows=new_rows)) == {"effect"}


# ------------------------------------------------------------------------------------------------ cost


@pytest.fixture
def runs(monkeypatch):
    """Counts runs of the model."""
    seen = []
    original = trace.run_in_mode
    monkeypatch.setattr(trace, "run_in_mode", lambda *args: seen.append(args) or original(*args))
    return seen


def test_regression_with_scalar_coefficients_costs_one_run(runs):
    """No entry of it can follow the rows or be a target: no probe."""
    entries = {"intercept": np.zeros(5), "slope": np.zeros(5), "mu": np.zeros((5, 9))}
    assert set(strip_deterministic(models.line, entries, x(3))) == {"intercept", "slope"}
    assert len(runs) == 1


def test_regression_with_a_coefficient_vector_costs_three_runs(runs):
    """One for each size, rows and columns, shows that no coefficient follows what could be a target."""
    entries = {"alpha": np.zeros(5), "beta": np.zeros((5, 3)), "sigma": np.ones(5), "eta": np.zeros((5, 9))}
    strip_deterministic(models.regression, entries, np.zeros((4, 3)))
    assert len(runs) == 3


def test_a_table_probes_once(runs):
    """Review after review of one table: the probes are not repeated."""
    entries = {"sigma": np.zeros(5), "z": np.zeros((5, 9)), "mu": np.zeros((5, 9))}
    table = inspect_sites(models.row_effects, x(3))
    for _ in range(3):
        table.review(entries, new_rows=True)
        first = len(runs)
    assert len(runs) == first


def test_probing_many_arguments_is_bounded(runs):
    """A dozen arrays of one length that cannot be lengthened apart, nor together: the search ends."""

    def model(**data):
        a = numpyro.sample("a", dist.Normal().expand([6]))
        numpyro.sample("obs", dist.Normal(a * sum(data.values())), obs=None)

    table = inspect_sites(model, **{f"x{i}": x(6) for i in range(12)})
    assert table["a"].row_dims == ()  # as many as the target has, but that may be chance
    assert len(runs) < 150


def test_probes_leak_nothing():
    with jax.checking_leaks():
        repr(inspect_sites(models.row_effects, x(4)))
        repr(inspect_sites(models.concrete_groups, x(4), np.arange(4)))


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.booleans())
def test_any_sizes_of_rows_groups_and_features(rows, groups, features, with_y):
    """Whatever sizes coincide: row effects follow the rows; group effects and coefficients never do."""

    def model(X, group, J, y=None):
        beta = numpyro.sample("beta", dist.Normal().expand([X.shape[1]]))
        with numpyro.plate("groups", J):
            a = numpyro.sample("a", dist.Normal())
        with numpyro.plate("data", X.shape[0]):
            z = numpyro.sample("z", dist.Normal())
            numpyro.sample("obs", dist.Normal(X @ beta + a[group] + z, 1.0), obs=y)

    y = x(rows) if with_y else None
    found = rows_of(model, np.zeros((rows, features)), np.arange(rows) % groups, groups, y)
    assert found == ({"z": (0,)} if with_y else {"z": (0,), "obs": (0,)})
