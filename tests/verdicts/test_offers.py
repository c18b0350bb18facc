"""What is offered works: `extend=` where it is known how values go on; where it does nothing, that is said."""

import extend_field_models as field
import fitted_part_models as cases
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from fits import Fitted
from warned import warned

from sanitize import SanitizeWarning, ShapeMismatchError, extend, inspect_sites, strip_deterministic

KEY = jax.random.PRNGKey(0)
SINCE_0_16 = pytest.mark.skipif(not hasattr(dist, "ZeroSumNormal"), reason="not in this NumPyro")


def shares(k, y=None):
    cases.outcome(numpyro.sample("z", dist.Dirichlet(jnp.ones(k))), y)


def around_zero(k, y=None):
    cases.outcome(numpyro.sample("z", dist.ZeroSumNormal(1.0, event_shape=(k,))), y)


def ordered(k, y=None):
    fn = dist.TransformedDistribution(dist.Normal(0.0, 1.0).expand([k]), dist.transforms.OrderedTransform())
    cases.outcome(numpyro.sample("z", fn), y)


def flat(k, y=None):
    with numpyro.plate("group", k):
        cases.outcome(numpyro.sample("z", dist.ImproperUniform(dist.constraints.real, (), ())), y)


def groups(k, y=None):
    cases.outcome(jnp.outer(jnp.ones(9), cases.effects("z", k)).sum(1), y)


def walk(k, y=None):
    cases.outcome(numpyro.sample("z", dist.GaussianRandomWalk(1.0, k)), y)


def positive_walk(k, y=None):
    fn = dist.TransformedDistribution(dist.GaussianRandomWalk(1.0, k), dist.transforms.ExpTransform())
    cases.outcome(numpyro.sample("z", fn), y)


@pytest.mark.parametrize("model", [shares, pytest.param(around_zero, marks=SINCE_0_16)])
def test_what_does_not_go_on_is_not_offered(model):
    with pytest.raises(ShapeMismatchError, match="redraw=") as error:
        strip_deterministic(model, {"z": np.ones((4, 3))}, 5)
    assert "extend=" not in str(error.value)


def test_what_cannot_be_drawn_is_not_offered():
    with warned() as said:
        strip_deterministic(flat, {"z": np.ones((4, 3)), "a": np.ones(4)}, 5)
    assert said
    assert not any("extend=" in str(w.message) for w in said)


@pytest.mark.parametrize("model", [groups, walk, positive_walk])
def test_what_goes_on_is_offered(model):
    samples = {"z": np.ones((4, 3), np.float32)}
    with pytest.raises(ShapeMismatchError, match=r"extend=\('z',\)"):
        strip_deterministic(model, samples, 5)
    assert extend(model, samples, KEY, 5, sites="z")["z"].shape == (4, 5)


def test_cut_points_go_on_above_the_last_one():
    with pytest.raises(ShapeMismatchError, match=r"extend=\('z',\)"):
        strip_deterministic(ordered, {"z": np.tile(np.float32([-1, 0, 2]), (500, 1))}, 4)
    samples = {"z": np.tile(np.float32([-1, 0, 2]), (500, 1))}
    more = extend(ordered, samples, KEY, 4, sites="z")["z"]
    assert np.array_equal(more[:, :3], samples["z"])
    gap = np.log(more[:, 3] - 2)
    assert abs(gap.mean()) < 0.2
    assert abs(gap.std() - 1) < 0.15


@SINCE_0_16
def test_an_autoregression_by_its_transform_goes_on_from_its_last_state():
    def model(n, y=None):
        steps = dist.Normal(0.0, 0.01).expand([n, 1]).to_event(2)
        transform = dist.transforms.RecursiveLinearTransform(jnp.array([[0.5]]))
        z = numpyro.sample("z", dist.TransformedDistribution(steps, transform))
        cases.outcome(z[:, 0], y)

    samples = {"z": np.tile(np.float32([1, 2, 4, 8])[:, None], (50, 1, 1))}
    more = extend(model, samples, KEY, 6, sites="z")["z"]
    assert np.array_equal(more[:, :4], samples["z"])
    assert np.allclose(more[:, 4:, 0].mean(0), [4, 2], atol=0.02)


def test_the_new_steps_alone():
    samples = {"z": np.ones((4, 40), np.float32)}
    with pytest.raises(ShapeMismatchError, match="pass 52: the 40 of the fit, then 12 new"):
        extend(walk, samples, KEY, 12, sites="z")


def written(x, g, y=None):
    a, b = cases.effects("a", 3), numpyro.sample("b", dist.Normal(0.0, 1.0))
    cases.outcome(a[g] + b * x, y)


def test_what_is_written_in_the_model_does_not_go_on():
    samples, g = {"a": np.ones((4, 3)), "b": np.ones(4)}, np.array([0, 2, 1, 2])
    with pytest.warns(SanitizeWarning, match="'a', where nothing goes on") as said:
        extend(written, samples, KEY, np.ones(4), g, sites="a")
    assert said[0].message.sites == ("a",)
    with warned() as said:
        extend(written, samples, KEY, np.ones(4), g, sites=True)
        extend(groups, {"z": np.ones((4, 3))}, KEY, 3, sites="z")
    assert not said


@pytest.mark.slow
def test_a_matrix_of_groups_by_groups_begins_with_that_of_the_fit():
    def related(K, g, y=None):
        u = numpyro.sample("u", dist.MultivariateNormal(jnp.zeros(K.shape[0]), K))
        cases.outcome(u[g], y)

    K = np.exp(-np.abs(np.subtract.outer(np.arange(6.0), np.arange(6.0)))).astype(np.float32)
    fit = Fitted(related, K[:4, :4], np.arange(4), y=np.zeros(4, np.float32))
    assert extend(related, fit, KEY, K, np.arange(6), sites="u")["u"].shape[1] == 6
    with pytest.raises(ShapeMismatchError, match="does not begin with the values of the fit"):
        extend(related, fit, KEY, K[::-1, ::-1] + np.eye(6, dtype=np.float32), np.arange(6), sites="u")


@pytest.mark.slow
def test_one_more_series_in_a_scan_is_refused_for_its_reason():
    samples = {"sd": np.ones((4, 3), np.float32), "x": np.ones((4, 5, 3), np.float32)}
    with pytest.raises(ShapeMismatchError, match="goes on along its steps only") as error:
        strip_deterministic(field.scanned_panel, samples, 4, 5, redraw="sd")
    assert "a walk" not in str(error.value)
    assert "extend=" not in str(error.value)
    with pytest.raises(ShapeMismatchError, match="goes on along the steps only"):
        extend(field.scanned_panel, samples, KEY, 4, 5, sites=["x", "sd"])
    assert "x" in strip_deterministic(field.scanned_panel, samples, 3, 7)


def imputed_in_a_plate(x, y=None):
    gaps = np.flatnonzero(np.isnan(x))
    with numpyro.plate("gaps", len(gaps)):
        z = numpyro.sample("z", dist.Normal())
    cases.outcome(jnp.asarray(x).at[gaps].set(z), y)


def imputed_at_an_argument(x, gaps, y=None):
    z = numpyro.sample("z", dist.Normal().expand([len(gaps)]))
    cases.outcome(jnp.nan_to_num(x).at[gaps].set(z), y)


def imputed_by_their_number(x, gaps, n_gaps, y=None):
    z = numpyro.sample("z", dist.Normal().expand([n_gaps]).to_event(1))
    cases.outcome(jnp.nan_to_num(x).at[gaps].set(z), y)


def with_gaps(rows, *gaps):
    x = np.sin(np.arange(rows) + rows).astype(np.float32)  # fewer rows are no beginning of more
    x[[*gaps]] = np.nan
    return x


def arguments(model, x):
    gaps = np.flatnonzero(np.isnan(x))
    every = {imputed_in_a_plate: (x,), imputed_at_an_argument: (x, gaps)}
    return every.get(model, (x, gaps, len(gaps)))


FEWER, AS_MANY, MORE = with_gaps(5, 0, 1, 4), with_gaps(7, 0, 1, 4), with_gaps(12, 2, 5, 8)
LONGER = np.concatenate([with_gaps(7, 2, 5), with_gaps(5, 1, 3)])


@pytest.mark.parametrize("model", [imputed_in_a_plate, imputed_at_an_argument, imputed_by_their_number])
def test_values_put_into_rows_go_on_only_where_the_rows_do(model):
    def said(samples, x):
        with warned() as caught:
            inspect_sites(model, *arguments(model, x)).review(samples)
        return " ".join(str(w.message) for w in caught)

    fit = Fitted(model, *arguments(model, with_gaps(7, 2, 5)), y=np.zeros(7, np.float32))
    for x in (FEWER, AS_MANY, MORE):
        for samples in (fit, fit.get_samples()):
            assert "redraw=('z',)" in said(samples, x)
            assert "extend=" not in said(samples, x)
        with pytest.raises(ShapeMismatchError, match="does not begin with the values of the fit"):
            extend(model, fit, KEY, *arguments(model, x), sites="z")
    assert "extend=('z',)" in said(fit, LONGER)
    more = extend(model, fit, KEY, *arguments(model, LONGER), sites="z")["z"]
    assert np.array_equal(more[:, :2], fit.get_samples()["z"])
