"""Models with data-shaped latents, predicted on one, fewer, equal and more rows than they were fitted on."""

import functools
import types
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
from fits import Fitted, draws
from numpyro.infer import MCMC, NUTS, Predictive
from warned import warned

from sanitize import (
    OptionError,
    RedrawnSiteWarning,
    RowLevelSiteWarning,
    ShapeMismatchError,
    inspect_sites,
    strip_deterministic,
)
from sanitize.verdicts import Cause

FITTED, DRAWS = 6, 5
KEY = jax.random.PRNGKey(0)


def x(rows):
    return np.linspace(0.0, 1.0, rows, dtype=np.float32)


def X(rows, columns):
    return np.cos(np.arange(rows * columns, dtype=np.float32)).reshape(rows, columns)


def group(rows, groups=4):
    return np.arange(rows) % groups


def draw(model, samples, *args, **kwargs):
    """Stock `Predictive`; ``parallel`` takes no compilation of the whole model, which is most of the time here."""
    prior = {} if samples else {"num_samples": DRAWS}
    return Predictive(model, samples or None, parallel=True, **prior)(KEY, *args, **kwargs)


def drawn_shapes(model, samples, *args, **kwargs):
    return jax.eval_shape(lambda: draw(model, samples, *args, **kwargs))


@functools.cache
def posterior(name):
    """Draws as a fit on `FITTED` rows records them: latents, and deterministic sites computed from them."""
    case = CASES[name]
    samples = draw(case.model, None, *case.args(FITTED), **case.kwargs(FITTED))
    recorded = (
        *case.latents,
        *case.rows,
        *case.untold,
        *case.computed,
        case.target,
    )  # not the rows observed under a mask
    return {name: np.asarray(value) for name, value in samples.items() if name in recorded}


class Case(NamedTuple):
    """A model, its arguments for a number of rows, and the verdict on each entry that a fit records."""

    model: Callable[..., Any]
    args: Callable[[int], tuple[Any, ...]]
    latents: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()  # row-level latents
    joint: tuple[str, ...] = ()  # of them those whose values depend on each other: refused where they do not fit
    untold: tuple[str, ...] = ()  # refused where they do not fit, since nothing shows that these are rows
    computed: tuple[str, ...] = ()  # deterministic
    kwargs: Callable[[int], dict[str, Any]] = lambda rows: {}
    target: str = "obs"


CASES = {
    "row-level random effects": Case(models.row_effects, lambda n: (x(n),), ("sigma",), ("z",), computed=("mu",)),
    "row-level latent outside any plate": Case(models.expanded_row_effects, lambda n: (x(n),), ("sigma",), ("z",)),
    "group effects": Case(
        models.group_effects, lambda n: (x(n), group(n), 4), ("location", "effect"), computed=("mu",)
    ),
    "as many groups as rows": Case(
        models.group_effects, lambda n: (x(n), group(n, FITTED), FITTED), ("location", "effect"), computed=("mu",)
    ),
    "as many entries of a group covariate as rows": Case(
        models.group_covariate, lambda n: (x(n), group(n, FITTED), x(FITTED)), ("effect",)
    ),
    "eight schools": Case(models.schools, lambda n: (n, x(n) + 1), ("mu", "tau"), ("theta",)),
    "eight schools, non-centred": Case(
        models.noncentred_schools, lambda n: (n, x(n) + 1), ("mu", "tau"), ("theta_decentered",), computed=("theta",)
    ),
    "Gaussian process": Case(models.gaussian_process, lambda n: (x(n),), ("length",), ("f",), ("f",)),
    "Gaussian process, distances given": Case(
        models.distance_process, lambda n: (np.abs(x(n)[:, None] - x(n)),), ("length",), ("f",), ("f",)
    ),
    "stochastic volatility": Case(models.volatility, lambda n: (n,), ("sigma",), ("s",), ("s",)),
    "mixture": Case(
        models.mixture,
        lambda n: (),
        ("weights", "location"),
        ("z",),
        computed=("center",),
        kwargs=lambda n: {"rows": n},
    ),
    "horseshoe, as many features as rows": Case(
        models.horseshoe, lambda n: (X(n, FITTED),), ("tau", "lambdas", "unscaled"), computed=("beta",)
    ),
    "multi-output": Case(models.multi_output, lambda n: (X(n, 3),), ("W",), computed=("mean",)),
    "as many outputs and features as rows": Case(
        models.multi_output, lambda n: (X(n, FITTED), None, FITTED), ("W",), computed=("mean",)
    ),
    "nested plates": Case(models.panel, lambda n: (X(n, 3),), ("effect",), ("cell",)),
    "nested plates, as many groups as rows": Case(models.panel, lambda n: (X(n, FITTED),), ("effect",), ("cell",)),
    "needs the values of its groups": Case(
        models.concrete_groups,
        lambda n: (x(n), np.concatenate([group(n), np.arange(4)])[-n:]),
        ("effect",),
        computed=("mu",),
    ),
    "observation mask": Case(
        models.masked_observations, lambda n: (x(n), x(n) > 0.5), ("mu",), ("obs_unobserved",), computed=("obs",)
    ),
    "a latent of function values, scored only with data": Case(
        models.scored_function, lambda n: (x(n),), ("a",), ("f",), target="f"
    ),
    "data in a dict": Case(models.from_dict, lambda n: ({"x": x(n), "y": None},), ("a",), ("z",)),
    "data in a list": Case(models.from_dict, lambda n: ({"x": x(n).tolist(), "y": None},), ("a",), ("z",)),
    "data in a DataFrame": Case(models.from_frame, lambda n: (pd.DataFrame({"x": x(n)}),), ("a",), ("z",)),
    "data in a Dataset": Case(models.from_frame, lambda n: (xr.Dataset({"x": ("row", x(n))}),), ("a",), ("z",)),
    "data in an object": Case(models.from_object, lambda n: (types.SimpleNamespace(x=x(n)),), ("a",), untold=("z",)),
    "data in a tuple of numbers": Case(models.from_numbers, lambda n: (tuple(x(n).tolist()),), ("a",), untold=("z",)),
    "groups named by text": Case(
        models.labelled, lambda n: (x(n), np.array(list("abcabcabc"))[:n]), ("effect",), ("z",)
    ),
    "a total of the rows": Case(models.pooled, lambda n: (x(n),), ("a",), untold=("z",)),
    "a factor in place of a likelihood": Case(
        models.scored_by_factor, lambda n: (x(n),), ("a",), untold=("z",), target="z"
    ),
    "rows in columns": Case(models.rows_in_columns, lambda n: (X(3, n),), ("beta",), ("z",)),
    "number of rows given beside the data": Case(models.number_of_rows, lambda n: (x(n), n), ("a",), ("z",)),
    "no argument makes the target observed": Case(  # so that it is no target, and there are no rows
        models.conditioned_elsewhere, lambda n: (x(n), group(n), x(4)), ("effect",), untold=("obs",), target="obs"
    ),
    "minibatch": Case(models.minibatch, lambda n: (x(n),), ("a",), ("z",)),
    "covariates that are the rows before": Case(
        models.autoregression, lambda n: (x(n + 1),), ("a",), ("z",), target="z"
    ),
}
NO_SINGLE_ROW = {"needs the values of its groups", "groups named by text"}  # one row has one group
# Of these a run under other lengths tells nothing, so that a latent is kept with a warning if it is used row by row.
SAID_AS_UNTOLD = {"data in an object", "data in a tuple of numbers"}
# Recorded values of deterministic sites show that the rows are those of the fit.
SAME_BY_CHECKSUM = {"row-level random effects"}


def slow(parameter):
    return pytest.param(parameter, marks=pytest.mark.slow)


@pytest.mark.parametrize("rows", [slow(1), 4, FITTED, slow(9)])
@pytest.mark.parametrize("name", CASES)
def test_every_entry_of_every_model(name, rows):
    """The verdict on every entry, and what stock `Predictive` then makes of the result."""
    case = CASES[name]
    if rows == 1 and name in NO_SINGLE_ROW:
        return
    samples = posterior(name)
    args, kwargs = case.args(rows), case.kwargs(rows)
    with warned() as caught:
        table = inspect_sites(case.model, *args, **kwargs)
        review = table.review(samples)
    same = rows == FITTED
    expected = dict.fromkeys(case.latents, "kept")
    expected |= dict.fromkeys(case.rows, "kept" if same else "redrawn")
    expected |= dict.fromkeys([*case.untold, *case.joint], "kept" if same else "refused")
    expected |= dict.fromkeys(case.computed, "stripped")
    expected.setdefault(case.target, "stripped")
    assert {n: v.action for n, v in review.items()} == expected
    if review.refused:
        assert not caught
        with pytest.raises(ShapeMismatchError, match=f"{sorted(review.refused)[0]!r}.*redraw=") as error:
            review.apply(samples)
        assert error.value.review is review
        review = table.review(samples, redraw=review.refused)
    else:
        category = RowLevelSiteWarning if same else RedrawnSiteWarning
        silent = (not case.rows and name not in SAID_AS_UNTOLD) or (same and name in SAME_BY_CHECKSUM)
        assert [w.category for w in caught] == ([] if silent else [category])
        for site in () if silent else (*case.rows, *case.untold):
            assert site in caught[0].message.sites
    clean = review.apply(samples)
    assert all(clean[n] is samples[n] for n in clean)
    # only on the fit's rows are numbers compared; for shapes nothing has to be compiled
    predicted = (draw if same else drawn_shapes)(case.model, clean, *args, **kwargs)
    if case.target not in clean:
        assert predicted[case.target].shape == (DRAWS, *table[case.target].shape)
        assert predicted[case.target].shape[1:2] == (() if name == "a total of the rows" else (rows,))
    if same:
        latents = {n: samples[n] for n in (*case.latents, *case.rows, *case.untold)}
        truth = draw(case.model, latents, *args, **kwargs)
        assert truth.keys() == predicted.keys()
        assert all(np.array_equal(predicted[n], truth[n]) for n in truth)


TWO_ROWS = {"nested plates", "nested plates, as many groups as rows"}  # targets follow rows and columns


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.rows and name not in TWO_ROWS])
def test_keyword_settles_what_happens_to_row_level_latents(name):
    """`new_rows=True` strips them, `new_rows=False` keeps them, both without a warning."""
    case, samples = CASES[name], posterior(name)
    for new_rows in (True, False):
        clean = strip_deterministic(case.model, samples, *case.args(FITTED), new_rows=new_rows, **case.kwargs(FITTED))
        assert set(clean) == set(case.latents) | (set() if new_rows else set(case.rows))


@pytest.mark.parametrize("name", sorted(TWO_ROWS))
def test_new_rows_of_two_sizes_asks_which(name):
    case, samples = CASES[name], posterior(name)
    with pytest.raises(OptionError, match=r"X\[0\] and X\[1\].*redraw="):
        strip_deterministic(case.model, samples, *case.args(FITTED), new_rows=True)
    clean = strip_deterministic(case.model, samples, *case.args(FITTED), redraw="cell", keep="effect")
    assert set(clean) == {"effect"}


@pytest.mark.parametrize("name", sorted(SAID_AS_UNTOLD))
def test_new_rows_that_could_not_be_told_ask_which(name):
    case, samples = CASES[name], posterior(name)
    with pytest.raises(OptionError, match=r"could not be told.*redraw=\('z',\)"):
        strip_deterministic(case.model, samples, *case.args(FITTED), new_rows=True)


@pytest.mark.parametrize("rows", [1, slow(4), FITTED, slow(9)])
def test_sites_that_a_loop_over_the_rows_names(record, rows):
    """A latent for each row is row-level also where each is a site of its own."""
    model = models.looped_row_effects
    samples = record(model, x(FITTED), x(FITTED))
    names = {f"z_{i}" for i in range(FITTED)}
    if rows == FITTED:
        with pytest.warns(RowLevelSiteWarning, match="'z_0'"):
            assert set(strip_deterministic(model, samples, x(rows))) == {"sigma", *names}
        assert set(strip_deterministic(model, samples, x(rows), new_rows=False)) == {"sigma", *names}
        clean = strip_deterministic(model, samples, x(rows), new_rows=True)
        assert set(clean) == {"sigma"}
    else:
        with pytest.warns(RedrawnSiteWarning, match="'z_0'"):
            clean = strip_deterministic(model, samples, x(rows))
        unused = {f"z_{i}" for i in range(rows, FITTED)}
        assert {name for name in clean if "obs" not in name} == {"sigma", *unused}
    latents = {"sigma": samples["sigma"]}
    result, truth = draw(model, clean, x(rows)), draw(model, latents, x(rows))
    assert all(np.array_equal(result[name], truth[name]) for name in truth)


def test_sites_that_a_loop_over_the_features_names(record):
    """As many features as rows: what has one site for each feature is no row-level latent."""
    model = models.looped_coefficients
    samples = record(model, X(FITTED, FITTED), x(FITTED))
    assert len(strip_deterministic(model, samples, X(FITTED, FITTED))) == FITTED
    assert len(strip_deterministic(model, samples, X(4, FITTED))) == FITTED


def test_of_two_loops_only_the_one_over_the_rows_is_redrawn(record):
    samples = record(models.looped_panel, X(FITTED, 3), x(FITTED))
    coefficients = {f"beta_{j}" for j in range(3)}
    with pytest.warns(RedrawnSiteWarning, match="'z_0'"):
        clean = strip_deterministic(models.looped_panel, samples, X(4, 3))
    assert set(clean) == coefficients | {"z_4", "z_5"}  # no sites of this call
    with pytest.raises(OptionError, match="new_rows=False"):
        strip_deterministic(models.looped_panel, samples, X(4, 3), new_rows=False)


def test_rows_that_cannot_be_the_same_are_said(record):
    samples = record(models.row_effects, x(FITTED), x(FITTED))
    with pytest.raises(OptionError, match=r"new_rows=False says.*recorded for 6, here it has 4"):
        strip_deterministic(models.row_effects, samples, x(4), new_rows=False)


def test_one_group_more_is_refused_by_name(record):
    """A fitted group effect is never replaced by its prior unasked; the argument that brought the size is named."""
    samples = record(models.group_effects, x(FITTED), group(FITTED), 4)
    with pytest.raises(ShapeMismatchError, match=r"'effect'.*dimension 0 is 4 instead of 5 \(argument 'J' is 5\)"):
        strip_deterministic(models.group_effects, samples, x(FITTED), group(FITTED), 5)
    clean = strip_deterministic(models.group_effects, samples, x(FITTED), group(FITTED), 5, redraw=("effect",))
    assert list(clean) == ["location"]
    assert draw(models.group_effects, clean, x(FITTED), group(FITTED), 5)["effect"].shape == (6, 5)


def test_group_covariate_of_another_length_is_refused(record):
    samples = record(models.group_covariate, x(FITTED), group(FITTED), x(4))
    with pytest.raises(ShapeMismatchError, match=r"'effect'.*argument 'u' has shape \(5,\)"):
        strip_deterministic(models.group_covariate, samples, x(9), group(9), x(5))


def test_new_feature_is_refused(record):
    samples = record(models.horseshoe, X(FITTED, 3))
    with pytest.raises(ShapeMismatchError, match=r"argument 'X' has shape \(6, 4\)") as caught:
        strip_deterministic(models.horseshoe, samples, X(FITTED, 4))
    assert set(caught.value.recorded) == {"lambdas", "unscaled"}


def imputed_in_columns(X, y=None):
    slopes = numpyro.sample("slopes", dist.Normal().expand([X.shape[1]]))
    columns = []
    for j, column in enumerate(X.T):
        gaps = np.flatnonzero(np.isnan(column))
        imputed = numpyro.sample(f"imputed_{j}", dist.Normal().expand([len(gaps)]))
        columns.append(jnp.asarray(column).at[gaps].set(imputed))
    numpyro.sample("y", dist.Normal(jnp.stack(columns, -1) @ slopes, 1.0), obs=y)


def imputed_in_a_table(X, y=None):
    row, column = np.nonzero(np.isnan(X))
    with numpyro.plate("gaps", len(row)):
        imputed = numpyro.sample("imputed", dist.Normal())
    numpyro.sample("y", dist.Normal(jnp.asarray(X).at[row, column].set(imputed).sum(-1), 1.0), obs=y)


def imputed_by_mask(X, y=None):
    known = ~np.isnan(X[:, 0])
    imputed = numpyro.sample("imputed", dist.Normal().expand([(~known).sum()]).mask(False))
    x = jnp.asarray(X[:, 0]).at[~known].set(imputed)
    numpyro.sample("x", dist.Normal(), obs=x)
    numpyro.sample("y", dist.Normal(x, 1.0), obs=y)


def imputed_in_order(X, y=None):
    """What was observed comes first, what was not after it, and then all in the order of the rows."""
    gaps = np.isnan(X[:, 0])
    imputed = numpyro.sample("imputed", dist.Normal().expand([gaps.sum()]))
    x = jnp.concatenate([jnp.asarray(X[~gaps, 0]), imputed])
    numpyro.sample("y", dist.Normal(x[np.argsort(np.argsort(gaps, kind="stable"))], 1.0), obs=y)


def imputed_at_an_argument(X, y=None, gaps=None):
    imputed = numpyro.sample("imputed", dist.Normal().expand([len(gaps)]))
    numpyro.sample("y", dist.Normal(jnp.asarray(X)[:, 0].at[gaps].set(imputed), 1.0), obs=y)


def imputed_at_a_closure(X, y=None):
    imputed = numpyro.sample("imputed", dist.Normal().expand([2]))
    numpyro.sample("y", dist.Normal(jnp.asarray(X)[:, 0].at[np.array([1, 4])].set(imputed), 1.0), obs=y)


def with_gaps(rows, *gaps):
    table = X(rows, 2)
    for gap in gaps:
        table[gap] = np.nan
    return table


TWO_GAPS, TWO_OTHERS, THREE_GAPS = ([(1, 0), (4, 0)], [(2, 0), (3, 0)], [(0, 0), (1, 0), (5, 0)])


@pytest.mark.parametrize(
    "model",
    [
        imputed_in_columns,
        imputed_in_a_table,
        imputed_by_mask,
        imputed_in_order,
        imputed_at_an_argument,
        imputed_at_a_closure,
    ],
)
def test_values_put_into_rows_by_an_index_belong_to_these_rows(model):
    """As many of them without evidence are kept and told, others redrawn and told; for the fit's own all is silent."""

    def said(samples, rows, gaps):
        kwargs = {"gaps": np.array([row for row, _ in gaps])} if model is imputed_at_an_argument else {}
        with warned() as caught:
            review = inspect_sites(model, with_gaps(rows, *gaps), **kwargs).review(samples)
        return review[imputed].action, [w.category for w in caught]

    imputed = "imputed_0" if model is imputed_in_columns else "imputed"
    gaps = {"gaps": np.array([1, 4])} if model is imputed_at_an_argument else {}
    args = (with_gaps(FITTED, *TWO_GAPS), np.zeros(FITTED, np.float32))
    assert said(draws(model, *args, **gaps), FITTED, TWO_OTHERS) == ("kept", [RowLevelSiteWarning])
    assert said(Fitted(model, *args, **gaps), FITTED, TWO_GAPS) == ("kept", [])
    assert said(Fitted(model, *args, **gaps), FITTED, TWO_OTHERS) == ("redrawn", [RedrawnSiteWarning])
    assert said(Fitted(model, *args, **gaps), 9, TWO_OTHERS) == ("redrawn", [RedrawnSiteWarning])
    if model is not imputed_at_a_closure:
        assert said(draws(model, *args, **gaps), 9, THREE_GAPS) == ("redrawn", [RedrawnSiteWarning])


def test_imputed_values_of_rare_gaps():
    """Among a few rows there may be no gap at all."""
    others = with_gaps(390, (33, 0), (201, 0))
    with pytest.warns(RedrawnSiteWarning, match="'imputed'"):
        review = inspect_sites(imputed_in_order, others).review({"imputed": np.zeros((DRAWS, 1))})
    assert review["imputed"].action == "redrawn"


def picked(subject, y=None):
    """As many effects as rows, of which few are used."""
    effect = numpyro.sample("z", dist.Normal().expand(subject.shape))
    numpyro.sample("y", dist.Normal(effect[subject], 1.0), obs=y)


def of_kept_rows(x, y=None):
    z = numpyro.sample("z", dist.Normal().expand(x.shape))
    numpyro.sample("y", dist.Normal(z[x > 0] + x[x > 0], 1.0), obs=y)


def from_the_last(x, y=None):
    z = numpyro.sample("z", dist.Normal().expand(x.shape))
    numpyro.sample("y", dist.Normal(z[::-1] * x, 1.0), obs=y)


def behind_a_mask(x, y=None):
    z = numpyro.sample("z", dist.Normal().expand(x.shape))
    with numpyro.handlers.mask(mask=jnp.isfinite(x)):
        numpyro.sample("y", dist.Normal((z + jnp.nan_to_num(x))[jnp.arange(len(x))], 1.0), obs=y)


IID = {
    picked: lambda n: group(n),
    of_kept_rows: lambda n: x(n) - 0.3,
    from_the_last: x,
    behind_a_mask: x,
}


@pytest.mark.parametrize("model", IID)
def test_effects_that_do_not_act_on_each_other_are_redrawn_however_they_get_to_their_rows(model):
    with pytest.warns(RedrawnSiteWarning, match="'z'"):
        review = inspect_sites(model, IID[model](7)).review(draws(model, IID[model](9)))
    assert review["z"].action == "redrawn"


def season_before(x, y=None):
    z = numpyro.sample("z", dist.Normal().expand(x.shape))
    numpyro.sample("y", dist.Normal(z + jnp.roll(z, 4) + x, 1.0), obs=y)


def of_neighbours(x, y=None):
    z = numpyro.sample("z", dist.Normal().expand(x.shape))
    neighbours = jnp.arange(len(x))[:, None] + jnp.array([-3, 0, 3])
    numpyro.sample("y", dist.Normal(z[neighbours % len(x)].mean(-1), 1.0), obs=y)


def centred(x, y=None):
    z = numpyro.sample("z", dist.Normal().expand(x.shape))
    numpyro.sample("y", dist.Normal(z - z.mean() + x, 1.0), obs=y)


@pytest.mark.parametrize("model", [season_before, of_neighbours, centred])
def test_values_of_which_a_row_has_several_depend_on_each_other(model):
    review = inspect_sites(model, x(7)).review(draws(model, x(9)))
    assert review["z"].cause is Cause.JOINT_MISFIT


def of_unknown_rows(x, y=None):
    if not isinstance(x, jax.core.Tracer):
        raise ValueError("these rows do not fold")
    z = numpyro.sample("z", dist.Normal().expand(x.shape))
    numpyro.sample("y", dist.Normal(jnp.tanh(z)[::-1], 1.0), obs=y)


def test_what_could_not_be_told_is_said_and_why():
    samples = {"z": np.zeros((DRAWS, 20)), "a": np.zeros(DRAWS)}
    review = inspect_sites(of_unknown_rows, x(12)).review(samples)
    assert review["z"].cause is Cause.UNTOLD_MISFIT
    with pytest.raises(ShapeMismatchError, match=r"could not be told.*ValueError: these rows do not fold.*redraw="):
        review.apply(samples)


def corner(g, levels, y=None):
    effect = jnp.zeros(levels).at[1:].set(numpyro.sample("effect", dist.Normal().expand([levels - 1])))
    numpyro.sample("y", dist.Normal(effect[g], 1.0), obs=y)


def corner_of_a_design(D, y=None):
    effect = jnp.zeros(D.shape[1]).at[1:].set(numpyro.sample("effect", dist.Normal().expand([D.shape[1] - 1])))
    numpyro.sample("y", dist.Normal(D @ effect, 1.0), obs=y)


def corner_of_outcomes(D, y=None):
    effect = jnp.zeros(3).at[np.array([0, 2])].set(numpyro.sample("effect", dist.Normal().expand([2])))
    numpyro.sample("y", dist.Normal(D[:, :1] + effect, 1.0), obs=y)


@pytest.mark.parametrize(
    ("model", "args"),
    [
        (corner, lambda n: (group(n), 4)),
        (corner_of_a_design, lambda n: (X(n, 4),)),
        (corner_of_outcomes, lambda n: (X(n, 4),)),
    ],
)
@pytest.mark.parametrize("rows", [FITTED, 9])
def test_values_put_into_coefficients_by_an_index_are_no_rows(model, args, rows):
    y = X(FITTED, 3) if model is corner_of_outcomes else x(FITTED)
    for fit in (draws(model, *args(FITTED), y=y), Fitted(model, *args(FITTED), y=y)):
        with warned() as caught:
            assert "effect" in strip_deterministic(model, fit, *args(rows))
        assert not caught


def test_another_number_of_missing_values_is_redrawn(record):
    """Imputed values stand in rows, also where an argument says in which."""
    samples = record(models.imputation, x(FITTED), np.array([1, 3]))
    del samples["obs"]
    with pytest.warns(RowLevelSiteWarning, match="'imputed'"):
        clean = strip_deterministic(models.imputation, samples, x(9), np.array([1, 3]))
    assert set(clean) == {"location", "imputed", "slope"}
    with pytest.warns(RedrawnSiteWarning, match="'imputed'"):
        clean = strip_deterministic(models.imputation, samples, x(9), np.array([1, 3, 5]))
    assert set(clean) == {"location", "slope"}


# ---------------------------------------------------------------------------------------------- time series


def test_longer_horizon_continues_the_series(record):
    """NumPyro's `scan` takes the recorded steps and draws those after them: they are kept, without a word."""
    samples = record(models.local_level, steps=FITTED)
    clean = strip_deterministic(models.local_level, samples, steps=9)
    assert set(clean) == {"drift", "start", "level"}
    forecast = Predictive(models.local_level, clean, return_sites=["level", "obs"])(KEY, steps=9)
    assert forecast["obs"].shape == (6, 9)
    assert np.array_equal(forecast["level"][:, :FITTED], samples["level"])
    assert not np.array_equal(forecast["level"][:, FITTED : FITTED + 1], samples["level"][:, -1:])


@pytest.mark.slow
def test_forecast_from_a_fit_whose_covariates_are_known():
    """Covariates that go on after those of the fit continue its series; others are another series."""
    x = np.linspace(0, 1, FITTED + 3, dtype=np.float32)
    mcmc = MCMC(NUTS(models.driven_level), num_warmup=5, num_samples=4, progress_bar=False)
    mcmc.run(KEY, x[:FITTED], x[:FITTED])
    clean = strip_deterministic(models.driven_level, mcmc, x)
    assert set(clean) == {"drift", "level"}
    forecast = Predictive(models.driven_level, clean, return_sites=["level", "obs"])(KEY, x)
    assert np.array_equal(forecast["level"][:, :FITTED], mcmc.get_samples()["level"])
    assert forecast["obs"].shape == (4, FITTED + 3)
    with pytest.raises(ShapeMismatchError, match="'level'"):
        strip_deterministic(models.driven_level, mcmc, x[::-1])
    assert set(strip_deterministic(models.driven_level, mcmc, x[::-1], new_rows=True)) == {"drift"}


def test_shorter_horizon_is_refused(record):
    """A state depends on the one before it: drawn anew, all that was fitted would be lost."""
    samples = record(models.local_level, steps=FITTED)
    for steps in (1, 4):
        with pytest.raises(ShapeMismatchError, match=r"'level'.*depend on each other.*redraw="):
            strip_deterministic(models.local_level, samples, steps=steps)
        clean = strip_deterministic(models.local_level, samples, steps=steps, redraw="level")
        assert set(clean) == {"drift", "start"}
        assert Predictive(models.local_level, clean)(KEY, steps=steps)["obs"].shape == (6, steps)


def test_same_horizon(record):
    samples = record(models.local_level, steps=FITTED)
    clean = strip_deterministic(models.local_level, samples, steps=FITTED, new_rows=False)
    latents = {name: samples[name] for name in ("drift", "start", "level")}
    result, truth = (Predictive(models.local_level, s)(KEY, steps=FITTED) for s in (clean, latents))
    assert all(np.array_equal(result[name], truth[name]) for name in truth)
    clean = strip_deterministic(models.local_level, samples, steps=9, new_rows=True)
    assert set(clean) == {"drift", "start"}


# ------------------------------------------------------------------------------------- subsampled plates, and new_rows

DATA = np.linspace(0.0, 1.0, 20)


def of_a_literal_size():
    with numpyro.plate("rows", 20, subsample_size=5) as i:
        effect = numpyro.sample("effect", dist.Normal())
        numpyro.sample("y", dist.Normal(effect, 1.0), obs=jnp.asarray(DATA)[i])


def of_the_rows(x, y=None):
    with numpyro.plate("rows", len(x), subsample_size=5) as i:
        effect = numpyro.sample("effect", dist.Normal())
        numpyro.sample("y", dist.Normal(effect + x[i], 1.0), obs=None if y is None else y[i])


def of_all_rows(x, y=None):
    b = numpyro.sample("effect", dist.Normal().expand([5]))
    with numpyro.plate("rows", len(x), subsample_size=len(x)) as i:
        numpyro.sample("y", dist.Normal(b.sum() * x[i], 1.0), obs=None if y is None else y[i])


def with_effects_for_all(x, y=None):
    effect = numpyro.sample("effect", dist.Normal().expand([5]))
    with numpyro.plate("rows", len(x), subsample_size=6) as i:
        numpyro.sample("y", dist.Normal(effect[jnp.asarray(4 * x, int)[i]], 1.0), obs=None if y is None else y[i])


@pytest.mark.parametrize(("model", "args"), [(of_a_literal_size, ()), (of_the_rows, (DATA,))])
def test_latents_of_a_subsample_are_those_of_its_rows(model, args):
    samples = {"effect": np.zeros((DRAWS, 5))}
    with pytest.warns(RowLevelSiteWarning, match="'effect'") as caught:
        strip_deterministic(model, samples, *args)
    assert "new_rows=True" not in str(caught[0].message)
    with pytest.raises(OptionError, match="redraw"):
        strip_deterministic(model, samples, *args, new_rows=True)
    with warned() as caught:
        assert set(strip_deterministic(model, samples, *args, new_rows=False)) == {"effect"}
        assert not strip_deterministic(model, {**samples, "b": np.zeros(DRAWS)}, *args, redraw="effect").keys() - {"b"}
    assert not caught


@pytest.mark.parametrize("model", [of_all_rows, with_effects_for_all])
def test_latents_outside_a_subsample_are_no_rows(model):
    with warned() as caught:
        assert set(strip_deterministic(model, {"effect": np.zeros((DRAWS, 5))}, DATA)) == {"effect"}
        assert set(strip_deterministic(model, {"effect": np.zeros((DRAWS, 5))}, DATA, new_rows=True)) == {"effect"}
    assert not caught


def test_new_rows_that_redraws_nothing_is_refused_where_rows_cannot_be_told():
    def total(x, y=None):
        numpyro.sample("b", dist.Normal())
        z = numpyro.sample("z", dist.Normal().expand([len(x)]))
        numpyro.sample("y", dist.Normal(jnp.sum(z * x), 1.0), obs=y)

    samples = {"b": np.zeros(DRAWS), "z": np.zeros((DRAWS, 20))}
    with pytest.raises(OptionError, match="redraw=\\('z',\\)"):
        strip_deterministic(total, samples, DATA, new_rows=True)
    assert set(strip_deterministic(total, samples, DATA, redraw="z")) == {"b"}


# ------------------------------------------------------------------------ species that lead the observed array alone


def occupancy(seen, cover, predict=False):
    with numpyro.plate("species", seen.shape[0], dim=-2):
        a = numpyro.sample("a", dist.Normal())
        with numpyro.plate("site", len(cover), dim=-1):
            numpyro.sample("y", dist.Bernoulli(logits=a + cover), obs=None if predict else seen)


def by_size(seen, size, cover, predict=False):
    """Other species come with other sizes."""
    with numpyro.plate("species", len(size), dim=-2):
        a = numpyro.sample("a", dist.Normal(size[:, None]))
        with numpyro.plate("site", len(cover), dim=-1):
            numpyro.sample("y", dist.Bernoulli(logits=a + cover), obs=None if predict else seen)


def test_species_that_lead_the_data_alone_are_the_fits():
    seen, cover, size = np.zeros((5, 9), int), np.linspace(-1, 1, 9), np.ones(5)
    samples = {"a": np.zeros((8, 5, 1))}
    with warned() as caught:
        for sites in (9, 6):
            assert "a" in strip_deterministic(occupancy, samples, seen[:, :sites], cover[:sites], predict=True)
    assert not caught
    with pytest.warns(RowLevelSiteWarning, match="'a'"):
        strip_deterministic(by_size, samples, seen, size, cover, predict=True)


# ------------------------------------------------------------------------- masks, and values that are drawn jointly


def loss_triangle(premium, known, y=None):
    origins, years = known.shape
    share = numpyro.sample("share", dist.Dirichlet(jnp.ones(years)))
    with numpyro.plate("origin", origins, dim=-2):
        ratio = numpyro.sample("ratio", dist.LogNormal())
    with numpyro.plate("origin", origins, dim=-2), numpyro.plate("year", years), numpyro.handlers.mask(mask=known):
        numpyro.sample("y", dist.Normal(premium[:, None] * ratio * share, 1.0), obs=y)


def trials_by_subject(stimulus, done, y=None):
    with numpyro.plate("subject", stimulus.shape[1]):
        skill = numpyro.sample("skill", dist.Normal())
    with numpyro.plate("trial", stimulus.shape[0], dim=-2):
        luck = numpyro.sample("luck", dist.Normal())
        with numpyro.plate("subject", stimulus.shape[1]), numpyro.handlers.mask(mask=done):
            numpyro.sample("y", dist.Normal(skill + luck + stimulus, 1.0), obs=y)


def of_padded_visits(dose, visits, y=None):
    with numpyro.plate("patient", dose.shape[0], dim=-2):
        effect = numpyro.sample("effect", dist.Normal())
        is_visit = jnp.arange(dose.shape[1]) < visits[:, None]
        with numpyro.plate("visit", dose.shape[1]), numpyro.handlers.mask(mask=is_visit):
            numpyro.sample("y", dist.Normal(effect * dose, 1.0), obs=y)


def masked_walk(x, seen, y=None):
    walk = numpyro.sample("walk", dist.GaussianRandomWalk(1.0, len(x)))
    numpyro.sample("y", dist.Normal(walk + x, 1.0).mask(seen), obs=y)


PREMIUM, DOSES, EARLY = x(3) + 1, X(3, 2), np.tri(3, 2)[::-1] > 0
ALL = np.ones((3, 2), bool)
MASKED = {
    "loss triangle": (loss_triangle, (PREMIUM, EARLY), (PREMIUM, ALL)),
    "trials": (trials_by_subject, (DOSES, EARLY), (DOSES, ALL)),
    "padded": (of_padded_visits, (DOSES, np.array([1, 2, 1])), (DOSES, np.array([2, 2, 2]))),
    "walk": (masked_walk, (PREMIUM, PREMIUM > 1), (PREMIUM, PREMIUM > 0)),
}


@pytest.mark.parametrize("name", MASKED)
def test_another_mask_is_no_evidence_of_other_rows(name):
    model, fitted, later = MASKED[name]
    outcome = np.ones(np.shape(fitted[1]) if np.ndim(fitted[1]) == 2 else fitted[0].shape, np.float32)
    mcmc = Fitted(model, *fitted, outcome)
    for args in (fitted, later):
        with warned() as caught:
            review = inspect_sites(model, *args).review(mcmc)
        assert {*review} == {*review.kept}
        assert not caught


OTHERS = {
    "loss triangle": ((PREMIUM + x(3), EARLY), {"ratio": "redrawn", "share": "kept"}, [RedrawnSiteWarning]),
    "trials": ((DOSES**2, EARLY), {"skill": "redrawn", "luck": "redrawn"}, [RedrawnSiteWarning]),
    "padded": ((DOSES**2, np.array([1, 2, 1])), {"effect": "redrawn"}, [RedrawnSiteWarning]),
    "walk": ((PREMIUM + x(3), PREMIUM > 1), {"walk": "kept"}, [RowLevelSiteWarning]),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_data_of_as_many_rows(name):
    """Values that are drawn jointly are kept and told: drawn anew, all that was fitted would be lost."""
    model, fitted, _ = MASKED[name]
    outcome = np.ones(np.shape(fitted[1]) if np.ndim(fitted[1]) == 2 else fitted[0].shape, np.float32)
    args, actions, said = OTHERS[name]
    with warned() as caught:
        review = inspect_sites(model, *args).review(Fitted(model, *fitted, outcome))
    assert {name: verdict.action for name, verdict in review.items()} == actions
    assert [w.category for w in caught] == said
    with warned() as caught:
        settled = inspect_sites(model, *args).review(Fitted(model, *fitted, outcome), redraw=tuple(actions))
    assert {*settled.redrawn} == {*actions}
    assert not caught
