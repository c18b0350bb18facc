"""Evidence on whether rows are new, what is refused, and what warnings say and where they point."""

import inspect

import jax
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from containers_of import with_groups
from numpyro import handlers
from numpyro.infer import Predictive

from sanitize import (
    BatchShapeError,
    MissingLatentError,
    RedrawnSiteWarning,
    RowLevelSiteWarning,
    SamplesTypeError,
    ShapeMismatchError,
    inspect_sites,
    strip_deterministic,
)
from sanitize.verdicts import Cause

KEY = jax.random.PRNGKey(0)
SIGMA = np.ones(8, np.float32)


def x(rows):
    return np.linspace(0.0, 1.0, rows, dtype=np.float32)


def row_effects(rows=6):
    return {"sigma": np.ones(5), "z": np.zeros((5, rows)), "mu": np.zeros((5, rows))}


# ------------------------------------------------------------------------------------------------- evidence


def two_effects(x, J, y=None):
    with numpyro.plate("data", x.shape[0]):
        a = numpyro.sample("a", dist.Normal())
        b = numpyro.sample("b", dist.Normal())
    last = numpyro.sample("last", dist.Normal().expand([x.shape[0] // 2]))
    numpyro.sample("obs", dist.Normal(a + b + last.sum()), obs=y)


def review_of_two_effects():
    entries = {"a": np.zeros((5, 7)), "b": np.zeros((5, 7)), "last": np.zeros((5, 3))}
    with pytest.warns(RedrawnSiteWarning) as caught:
        review = inspect_sites(two_effects, x(6), 1).review(entries)
    (message,) = [str(warning.message) for warning in caught]
    return review, message


def test_rows_that_do_not_fit_are_new_for_all():
    """Two row-level latents, one of which would fit by chance: both go."""
    review, _ = review_of_two_effects()
    assert {verdict.action for verdict in review.values()} == {"redrawn"}
    causes = {"a": Cause.ROWS_MISFIT, "b": Cause.ROWS_MISFIT, "last": Cause.OTHER_ROWS}
    assert {name: verdict.cause for name, verdict in review.items()} == causes


@pytest.mark.words
def test_rows_that_do_not_fit_are_said_to_be_others():
    review, message = review_of_two_effects()
    assert "'a' was recorded for 7, here it has 6" in review["last"].reason
    assert "rows do not fit" in message
    assert "new_rows=False" not in message  # it would keep `last` only


@pytest.mark.parametrize(("same", "action"), [(True, "kept"), (False, "redrawn")])
def test_known_data_of_the_fit_decide(same, action, recwarn):
    data = x(6) if same else x(6) + 1
    posterior = {name: (("draw", "row")[: value.ndim], value) for name, value in row_effects().items()}
    samples = with_groups(posterior=xr.Dataset(posterior), constant_data=xr.Dataset({"x": ("row", x(6))}))
    review = inspect_sites(models.row_effects, data).review(samples)
    assert review["z"].action == action
    assert [w.category for w in recwarn] == ([] if same else [RedrawnSiteWarning])


def test_nothing_known_keeps_and_warns():
    with pytest.warns(
        RowLevelSiteWarning, match=r"'z' \(recorded \(6,\), model \(6,\)\).*new_rows=False.*new_rows=True"
    ):
        clean = strip_deterministic(models.row_effects, row_effects(), x(6))
    assert "z" in clean


def test_a_model_that_needs_no_arguments_was_fitted_without():
    """Nothing can then be other rows."""

    data = x(6)

    def model(x=data, y=None):
        models.row_effects(x, y)

    for samples in (row_effects(), {"sigma": np.ones(5), "z": np.zeros((5, 6))}):
        assert set(strip_deterministic(model, samples)) == {"sigma", "z"}


def test_model_that_takes_no_arguments_is_its_own_data():
    """There are no other rows that it could be given."""

    def model():
        models.closed_over()

    entries = {"a": np.zeros(5), "z": np.zeros((5, 6))}
    assert set(strip_deterministic(model, entries)) == {"a", "z"}


def review_of_an_observed_site():
    entries = {"a": np.zeros(5), "z": np.zeros((5, 6)), "obs": np.zeros((5, 6))}
    posterior = {name: (("draw", "row")[: value.ndim], value) for name, value in entries.items()}
    samples = with_groups(posterior=xr.Dataset(posterior), observed_data=xr.Dataset({"obs": ("row", np.zeros(6))}))
    return inspect_sites(lambda: models.closed_over()).review(samples, new_rows=False)


def test_known_observed_sites_are_stripped():
    """A site that was observed in the fit is a target, though nothing in this call shows it."""
    verdict = review_of_an_observed_site()["obs"]
    assert (verdict.action, verdict.cause) == ("stripped", Cause.TARGET)


@pytest.mark.words
def test_known_observed_sites_are_said_to_be_observed():
    assert "observed in the fit" in review_of_an_observed_site()["obs"].reason


def test_scalar_target_is_stripped():
    entries = {"rate": np.ones(5), "total": np.ones(5, int)}
    assert list(strip_deterministic(models.total, entries, x(4))) == ["rate"]


# ------------------------------------------------------------------------------------------- where it points


def test_warnings_point_at_the_users_line():
    line = inspect.currentframe().f_lineno
    with pytest.warns(RowLevelSiteWarning) as caught:
        strip_deterministic(models.row_effects, row_effects(), x(6))
    assert (caught[0].filename, caught[0].lineno) == (__file__, line + 2)
    table = inspect_sites(models.row_effects, x(4))
    with pytest.warns(RedrawnSiteWarning) as caught:
        table.review(row_effects())
    assert (caught[0].filename, caught[0].lineno) == (__file__, line + 6)


# -------------------------------------------------------------------------------------------- what is refused


def test_centred_posterior_for_a_non_centred_model():
    """`theta` carries what was fitted: stripped, it would be recomputed from prior draws."""
    entries = {"mu": np.zeros(5), "tau": np.ones(5), "theta": np.zeros((5, 8))}
    with pytest.raises(MissingLatentError, match=r"'theta' from 'theta_decentered'") as caught:
        strip_deterministic(models.noncentred_schools, entries, 8, SIGMA)
    assert caught.value.missing == {"theta": ("theta_decentered",)}
    clean = strip_deterministic(models.noncentred_schools, entries, 8, SIGMA, redraw=("theta_decentered",))
    assert set(clean) == {"mu", "tau"}
    other_schools = strip_deterministic(models.noncentred_schools, entries, 3, SIGMA[:3], new_rows=True)
    assert set(other_schools) == {"mu", "tau"}  # it was said that all schools are to be drawn
    entries["theta_decentered"] = np.zeros((5, 8))
    assert "theta" not in strip_deterministic(models.noncentred_schools, entries, 8, SIGMA, new_rows=False)


@pytest.mark.parametrize(
    ("model", "name", "shape"),
    [(models.projected, "direction", (3,)), (models.circular, "angle", ()), (models.transformed, "a", ())],
)
def test_every_reparametrization_is_protected(model, name, shape):
    """Whatever kind NumPyro's trace gives the site, it was the only carrier of what was fitted."""
    with pytest.raises(MissingLatentError, match=repr(name)):
        strip_deterministic(model, {name: np.ones((5, *shape)), "other": np.zeros(5)}, x(3))


def test_reparametrized_noise_of_a_coefficient_in_a_scan():
    """The latents of a `scan` carry its deterministic sites."""
    entries = {"drift": np.zeros(5), "start": np.zeros(5), "double": np.zeros((5, 6)), "last": np.zeros(5)}
    with pytest.raises(MissingLatentError, match="'level'"):
        strip_deterministic(models.local_level, entries, steps=6)


def test_marginalized_discrete_latents_have_no_entry():
    """A fit by enumeration records what is computed from them, never them."""
    entries = {"weights": np.ones((5, 3)) / 3, "location": np.zeros((5, 3)), "center": np.zeros((5, 6))}
    assert set(strip_deterministic(models.mixture, entries, rows=6)) == {"weights", "location"}


def test_what_is_computed_from_a_prediction_is_predicted():
    """A deterministic site downstream of the observed one: its latent has no entry, and needs none."""

    def model(x, y=None):
        a = numpyro.sample("a", dist.Normal())
        obs = numpyro.sample("obs", dist.Normal(a * x), obs=y)
        numpyro.deterministic("total", obs.sum())

    assert list(strip_deterministic(model, {"a": np.zeros(5), "total": np.zeros(5)}, x(3))) == ["a"]


def test_coefficient_that_is_missing_is_noticed():
    entries = {"intercept": np.zeros(5), "mu": np.zeros((5, 9))}
    with pytest.raises(MissingLatentError, match=r"'mu' from 'slope'"):
        strip_deterministic(models.line, entries, x(3))


def test_all_mismatches_are_told_at_once():
    entries = {"tau": np.ones(5), "lambdas": np.ones((5, 3)), "unscaled": np.ones((5, 3))}
    with pytest.raises(ShapeMismatchError, match=r"'lambdas'.*'unscaled'") as caught:
        strip_deterministic(models.horseshoe, entries, np.zeros((6, 4)))
    assert caught.value.model == {"lambdas": (4,), "unscaled": (4,)}
    clean = strip_deterministic(models.horseshoe, entries, np.zeros((6, 4)), redraw=["lambdas", "unscaled"])
    assert list(clean) == ["tau"]


def test_rank_that_changed_is_a_mismatch():
    with pytest.raises(ShapeMismatchError, match=r"'z' has recorded shape \(6, 1\)"):
        strip_deterministic(models.row_effects, {"sigma": np.ones(5), "z": np.zeros((5, 6, 1))}, x(6))


def test_row_and_feature_mismatch_names_both():
    """A row dimension may differ, that of the features may not."""

    def model(X, y=None):
        beta = numpyro.sample("beta", dist.Normal().expand(X.shape))
        numpyro.sample("obs", dist.Normal((X * beta).sum(-1)), obs=y)

    with pytest.raises(
        ShapeMismatchError, match=r"'beta'.*dimension 0 is 6 .* dimension 1 is 3 instead of 4"
    ) as caught:
        strip_deterministic(model, {"beta": np.zeros((5, 6, 3))}, np.zeros((9, 4), np.float32))
    assert caught.value.recorded == {"beta": (6, 3)}


def test_each_side_of_a_table_is_judged_by_itself():
    """Of a panel both sides are followed by the target: what has changed in number is redrawn, and said."""
    entries = {"effect": np.zeros((5, 3)), "cell": np.zeros((5, 6, 3))}
    for shape, gone in (((9, 3), {"cell"}), ((6, 4), {"effect", "cell"})):
        with pytest.warns(RedrawnSiteWarning) as caught:
            review = inspect_sites(models.panel, np.zeros(shape, np.float32)).review(entries)
        assert review.redrawn == gone
        assert len(caught) == 1


def test_mismatch_names_the_number_that_brought_the_size():
    """`J` is 5, as the groups are; `rows`, a number as well, is not."""

    def model(rows, J, y=None):
        with numpyro.plate("groups", J):
            effect = numpyro.sample("effect", dist.Normal())
        with numpyro.plate("data", rows):
            numpyro.sample("obs", dist.Normal(effect.sum()), obs=y)

    with pytest.raises(ShapeMismatchError, match=r"dimension 0 is 4 instead of 5 \(argument 'J' is 5\)"):
        strip_deterministic(model, {"effect": np.zeros((10, 4))}, 7, 5)


def test_entry_and_latent_of_other_kinds_are_both_described():
    entries = {"sigma": np.ones(5), "z": {"b": np.zeros(5)}}
    with pytest.raises(
        SamplesTypeError, match=r"'z' is a mapping or tuple.*'z' of the model is an array of shape \(6,\)"
    ):
        strip_deterministic(models.row_effects, entries, x(6))


def test_latent_that_is_a_tuple_and_entry_that_is_an_array():
    """A user's own distribution may draw any tree; an array takes the place of none."""

    class Pair(dist.Distribution):
        support = dist.constraints.real

        def sample(self, key, sample_shape=()):
            return jax.numpy.zeros(sample_shape), jax.numpy.ones(sample_shape)

    def model():
        numpyro.sample("pair", Pair())
        numpyro.sample("a", dist.Normal())

    with pytest.raises(SamplesTypeError, match=r"'pair' is an array of shape \(\).*the model is a mapping or tuple"):
        strip_deterministic(model, {"pair": np.zeros(5), "a": np.zeros(5)})


def test_draws_by_chain_are_seen_though_no_shape_is_that_of_the_model():
    """The only latent has one value per row, of other rows: its rank tells that chains come first."""

    def model(x, y=None):
        with numpyro.plate("data", x.shape[0]):
            z = numpyro.sample("z", dist.Normal())
            numpyro.sample("obs", dist.Normal(z), obs=y)

    with pytest.warns(RedrawnSiteWarning, match=r"'z' \(recorded \(6,\), model \(4,\)\)"):
        review = inspect_sites(model, x(4)).review({"z": np.zeros((2, 5, 6))})
    assert review.batch_shape == (2, 5)


@pytest.mark.parametrize(
    ("batch", "text"), [((5,), "1 leading batch dimension "), ((2, 5), "2 leading batch dimensions ")]
)
def test_entry_with_too_few_dimensions(batch, text):
    entries = {"intercept": np.zeros(batch), "slope": np.zeros(batch), "sigma": np.float32(1.0)}
    with pytest.raises(BatchShapeError, match=text):
        strip_deterministic(models.line, entries, x(3))


def test_redraw_and_new_rows_may_be_combined():
    entries = {"effect": np.zeros((5, 3)), "cell": np.zeros((5, 6, 3)), "unused": np.zeros(5)}
    clean = strip_deterministic(
        models.panel, entries, np.zeros((9, 4), np.float32), redraw=("effect", "cell"), new_rows=True
    )
    assert list(clean) == ["unused"]


def test_review_lists_latents_without_an_entry():
    review = inspect_sites(models.row_effects, x(6)).review({"sigma": np.ones(5)})
    assert review.missing == ("z", "obs")
    assert "latents without an entry, drawn by Predictive: z\npredicted: obs" in repr(review)


# ------------------------------------------------------------------------- obs_mask, NumPyro issue 1847


def test_observation_mask_end_to_end():
    """Fitted with a mask, predicted for other rows: neither the imputed nor the merged values are put back."""
    y = np.where(x(6) > 0.5, 1.0, 0.0).astype(np.float32)
    conditioned = handlers.substitute(models.masked_observations, data={})
    samples = Predictive(conditioned, num_samples=5)(KEY, x(6), x(6) > 0.5, y)
    samples = {name: np.asarray(samples[name]) for name in ("mu", "obs_unobserved", "obs")}
    with pytest.warns(RedrawnSiteWarning, match="'obs_unobserved'"):
        clean = strip_deterministic(models.masked_observations, samples, x(3), np.ones(3, bool))
    assert list(clean) == ["mu"]
    predicted = Predictive(models.masked_observations, clean)(KEY, x(3), np.ones(3, bool))
    truth = Predictive(models.masked_observations, {"mu": samples["mu"]})(KEY, x(3), np.ones(3, bool))
    assert predicted["obs"].shape == (5, 3)
    assert np.array_equal(predicted["obs"], truth["obs"])
