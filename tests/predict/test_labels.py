"""Which labels of the fit go with which call, and one name for what is one size."""

import arviz as az
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from containers_of import with_groups
from numpyro import deterministic, param, plate, sample
from numpyro.infer import MCMC, NUTS
from since import OF_PREDICTOR

from sanitize import OptionError, OtherArgumentsWarning, Predictor

pytestmark = OF_PREDICTOR
KEY = jax.random.PRNGKey(2)
X, W = np.arange(4, dtype=np.float32), np.array([1.0, 2.0, 3.0], np.float32)
COORDS = {"item": ["p", "q", "r"], "row": [10, 11, 12, 13], "group": ["u", "v"]}
RNG = np.random.default_rng(0)


def of_the_fit(shapes, **constant):
    """An InferenceData whose entries have these dimensions; ``constant`` are arguments with theirs."""
    lengths = {name: len(labels) for name, labels in COORDS.items()}
    data = {}
    for name, dims in shapes.items():
        values = RNG.normal(size=(2, 3, *(lengths[dim] for dim in dims))).astype(np.float32)
        data[name] = (("chain", "draw", *dims), values)
    used = {dim for dims in shapes.values() for dim in dims}
    posterior = xr.Dataset(data, coords={name: COORDS[name] for name in used})
    return with_groups(posterior=posterior, **({"constant_data": xr.Dataset(constant)} if constant else {}))


def items(x, w, y=None):
    slope = sample("slope", dist.Normal())
    mu = deterministic("mu", slope * x[:, None] + w)
    sample("y", dist.Normal(mu, 1.0).to_event(1), obs=y)


def fitted_items(x, w, y=None):
    easy = sample("easy", dist.Normal(jnp.zeros(len(w)), 1.0).to_event(1))
    sample("y", dist.Normal(x[:, None] + w + easy, 1.0).to_event(1), obs=y)


def process(w, y=None):
    mu = deterministic("mu", sample("slope", dist.Normal()) * w)
    sample("y", dist.MultivariateNormal(mu, jnp.eye(len(w))), obs=y)


MU = {"slope": (), "mu": ("row", "item")}
TOLD = {"x": ("row", X), "w": ("item", W)}
CASES = [
    # model, entries, arguments of the fit, arguments of the call, dims of `y` that have labels
    (items, MU, TOLD, (X, W), {"row", "item"}),
    (items, MU, TOLD, (X, W + 1), {"row"}),
    (items, MU, TOLD, (X + 1, W), {"item"}),
    (items, MU, TOLD, (X + 1, W + 1), set()),
    (items, MU, TOLD, (X, W[:2]), {"row"}),
    (items, MU, {}, (X + 1, W + 1), set()),
    (fitted_items, {"easy": ("item",)}, TOLD, (X, W), {"item"}),
    (fitted_items, {"easy": ("item",)}, TOLD, (X + 1, W), {"item"}),
    (fitted_items, {"easy": ("item",)}, {}, (X + 1, W), {"item"}),
    (fitted_items, {"easy": ("item",)}, TOLD, (X, W + 1), set()),
    (process, {"slope": (), "mu": ("item",)}, {"w": ("item", W)}, (W,), {"item"}),
    (process, {"slope": (), "mu": ("item",)}, {"w": ("item", W)}, (W + 1,), set()),
]


@pytest.mark.filterwarnings("ignore::sanitize.OtherArgumentsWarning")
@pytest.mark.slow
@pytest.mark.parametrize("case", range(len(CASES)))
def test_labels_of_the_fit_go_with_what_is_the_fits(case):
    model, entries, told, arguments, labelled = CASES[case]
    answer = Predictor(model, of_the_fit(entries, **told), return_sites="y")(KEY, *arguments)
    assert set(answer.coords) - {"chain", "draw"} == labelled
    assert all(list(answer[name].values) == COORDS[name] for name in labelled)


def test_groups_keep_their_labels_on_other_rows():
    def model(x, group, y=None):
        effect = sample("effect", dist.Normal().expand([2]).to_event(1))
        deterministic("shrunk", effect / 2)
        sample("y", dist.Normal(effect[group] * x, 1.0), obs=y)

    told = {"x": ("row", X), "group": ("row", np.array([0, 1, 0, 1]))}
    samples = of_the_fit({"effect": ("group",), "shrunk": ("group",)}, **told)
    for group in ([0, 1, 0, 1], [1, 1, 0, 0], [0, 0, 0, 0]):
        answer = Predictor(model, samples)(KEY, X + 1, np.array(group))
        assert list(answer["group"].values) == ["u", "v"]


# ------------------------------------------------------------------------------------------- one name for one size


def line(x, y=None):
    mu = deterministic("mu", sample("slope", dist.Normal()) * x)
    sample("y", dist.Normal(mu, 1.0), obs=y)


def in_plate(x, y=None):
    mu = deterministic("mu", sample("slope", dist.Normal()) * x)
    with plate("N", len(x)):
        sample("y", dist.Normal(mu, 1.0), obs=y)


def with_rows(x, y=None):
    with plate("N", len(x)):
        z = sample("z", dist.Normal())
        sample("y", dist.Normal(deterministic("mu", z + x), 1.0), obs=y)


@pytest.mark.parametrize("model", [line, in_plate])
def test_all_that_follows_a_size_is_called_as_the_entry_is(model):
    answer = Predictor(model, of_the_fit({"slope": (), "mu": ("row",)}))(KEY, X)
    assert answer["y"].dims == answer["mu"].dims == ("chain", "draw", "row")
    params = Predictor(model, of_the_fit({"slope": (), "mu": ("row",)}), kind="params")(KEY, X)
    assert params["y.loc"].dims == ("chain", "draw", "row")


def test_names_that_arviz_made_up_are_not_shared():
    posterior = xr.Dataset(
        {"slope": (("chain", "draw"), np.zeros((2, 3))), "mu": (("chain", "draw", "mu_dim_0"), np.zeros((2, 3, 4)))}
    )
    assert Predictor(line, posterior)(KEY, X)["y"].dims == ("chain", "draw", "y_dim_0")
    assert Predictor(in_plate, posterior)(KEY, X)["y"].dims == ("chain", "draw", "N")


def test_a_row_level_latent_names_the_rows():
    answer = Predictor(with_rows, of_the_fit({"z": ("row",)}), keep="z")(KEY, X)
    assert {name: x.dims[2:] for name, x in answer.items()} == {"y": ("row",), "mu": ("row",)}


def test_two_dimensions_of_one_size_have_two_names():
    def model(x, y=None):
        slope = sample("slope", dist.Normal())
        deterministic("covariance", slope * jnp.outer(x, x))
        sample("y", dist.Normal(slope * x, 1.0), obs=y)

    posterior = xr.Dataset(
        {
            "slope": (("chain", "draw"), np.zeros((2, 3))),
            "covariance": (("chain", "draw", "item", "other item"), np.zeros((2, 3, 4, 4))),
        }
    )
    answer = Predictor(model, posterior)(KEY, X)
    assert answer["covariance"].dims[2:] == ("item", "other item")
    assert answer["y"].dims[2:] == ("item",)


# ----------------------------------------------------------------------------------------------- coords and params

SLOPE = {"slope": np.ones((2, 3), np.float32)}


def test_coords_of_no_dimension_are_told():
    with pytest.raises(OptionError, match=r"coords names 'n', not a dimension.*'chain', 'draw' and 'N'"):
        Predictor(in_plate, SLOPE, coords={"n": list("abcd")})(KEY, X)


@pytest.mark.parametrize(
    ("options", "coords"),
    [
        ({"return_sites": "y"}, {"N": list("abcd")}),
        ({"return_sites": "y"}, {"mu_dim_0": list("abcd")}),
        ({"dims": {"mu": ["day"]}, "return_sites": "y"}, {"day": list("abcd")}),
        ({}, {"y_category": ["no", "yes"]}),
        ({}, {"chain": [5, 6], "draw": list("abc")}),
    ],
)
def test_coords_of_another_output_are_no_error(options, coords):
    answer = Predictor(in_plate, SLOPE, coords=coords, **options)(KEY, X)
    for name in set(coords).intersection(answer.dims):
        assert list(answer[name].values) == list(coords[name])


def test_coords_of_a_labelled_entry_are_no_error():
    samples = of_the_fit({"slope": (), "mu": ("row",), "gone": ("group",)})
    Predictor(line, samples, coords={"group": ["U", "V"]}, return_sites="y")(KEY, X)


def with_param(x, y=None):
    mu = param("offset", jnp.zeros(())) + sample("slope", dist.Normal()) * x
    sample("y", dist.Normal(mu, 1.0), obs=y)


@pytest.mark.parametrize(
    ("model", "params", "name"),
    [(line, {"offset": 1.0}, "offset"), (in_plate, {"w": 1.0, "bias": 2.0}, "w"), (line, {"slop": 1.0}, "slop")],
)
def test_params_of_no_site_are_told(model, params, name):
    with pytest.warns(OtherArgumentsWarning, match=rf"params=, names '{name}', which is not a site"):
        Predictor(model, SLOPE, params=params)(KEY, X)


@pytest.mark.parametrize(
    ("model", "params"),
    [
        (with_param, {"offset": 1.0}),
        (with_param, {"offset": 1.0, "auto_loc": np.zeros(1), "auto_scale": np.ones(1)}),
        (with_param, {"offset": 1.0, "encoder$params": {"w": np.zeros(1)}, "temperature": 2.0}),
        (line, {"auto_loc": np.zeros(1), "auto_scale": np.ones(1)}),
        (line, {"slope_auto_loc": np.zeros(1), "slope_loc": np.zeros(1), "q_slope_scale": np.ones(1)}),
        (line, {"encoder$params": {"w": np.zeros(1)}}),
        (line, {}),
    ],
)
def test_params_of_a_guide_are_silent(model, params):
    Predictor(model, SLOPE, params=params)(KEY, X)


@pytest.mark.parametrize(("model", "samples"), [(line, SLOPE), (with_param, SLOPE), (in_plate, {"gone": np.ones(3)})])
@pytest.mark.filterwarnings("ignore::sanitize.SanitizeWarning")
def test_a_latent_in_params_is_told(model, samples):
    with pytest.raises(OptionError, match="params names 'slope', a latent"):
        Predictor(model, samples, params={"slope": 1.0})(KEY, X)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:There are not enough devices:UserWarning")
def test_chains_and_draws_of_an_mcmc_are_numbered_as_arviz_does():
    mcmc = MCMC(NUTS(line), num_warmup=5, num_samples=4, num_chains=2, progress_bar=False)
    mcmc.run(KEY, X, np.zeros(4, np.float32))
    answer, recorded = Predictor(line, mcmc)(KEY, X), az.from_numpyro(mcmc).posterior
    for name in ("chain", "draw"):
        np.testing.assert_array_equal(answer[name], recorded[name])
        assert name in answer.coords
    assert not Predictor(line, mcmc.get_samples())(KEY, X).coords
