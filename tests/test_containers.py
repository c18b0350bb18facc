"""Containers of posterior samples: ArviZ of both generations, xarray, MCMC, named tuples; lazy and sharded arrays."""

import contextlib
import importlib.util
import os
import subprocess
import sys
import textwrap
import warnings
from collections import OrderedDict, defaultdict, namedtuple

import jax
import jax.numpy as jnp
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpyro.infer import HMC, MCMC, SVI, Predictive, Trace_ELBO, log_likelihood
from numpyro.infer.autoguide import AutoMultivariateNormal
from numpyro.infer.reparam import TransformReparam
from warned import warned
from without_words import says

from sanitize import (
    AssumedArgumentsWarning,
    BatchShapeError,
    MissingLatentError,
    ModelArgumentsError,
    NothingLeftError,
    OptionError,
    RedrawnSiteWarning,
    RowLevelSiteWarning,
    SamplesTypeError,
    SanitizeWarning,
    inspect_sites,
    posterior_samples,
    strip_deterministic,
)
from sanitize.verdicts import Cause

az = pytest.importorskip("arviz")
xr = pytest.importorskip("xarray")

KEY = jax.random.PRNGKey(0)
LATENTS = ["alpha", "beta", "sigma"]  # of models.regression
LINE = ["slope", "intercept"]  # of models.line
CHAINS, DRAWS, ROWS = 2, 10, 12
KINDS = ["InferenceData"] * az.__version__.startswith("0.") + ["DataTree"] * hasattr(xr, "DataTree")


def data(rows, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 3)).astype(np.float32)
    return X, (X.sum(-1) + rng.normal(size=rows)).astype(np.float32)


def fit(model, *args, **kwargs):
    kernel = HMC(model, trajectory_length=1.0)
    options = {"num_chains": CHAINS, "chain_method": "vectorized", "progress_bar": False}
    mcmc = MCMC(kernel, num_warmup=30, num_samples=DRAWS, **options)
    mcmc.run(KEY, *args, **kwargs)
    return mcmc


@pytest.fixture(scope="module")
def fitted():
    return fit(models.regression, *data(ROWS))


@pytest.fixture(scope="module")
def row_fit():
    """A fit with an effect for each of its rows."""
    x, y = data(ROWS)[0][:, 0], data(ROWS)[1]
    return fit(models.row_effects, x, y)


@pytest.fixture(scope="module")
def guided():
    """A guide of `models.line`, its parameters and its data."""
    x, y = data(ROWS)[0][:, 0], data(ROWS)[1]
    guide = AutoMultivariateNormal(models.line)
    svi = SVI(models.line, guide, numpyro.optim.Adam(0.1), Trace_ELBO())
    return guide, svi.run(KEY, 5, x, y, progress_bar=False).params, x


@pytest.fixture(params=KINDS)
def container(request):
    """Builds a container with groups out of Datasets by name, in that order."""

    def build(groups):
        if request.param == "DataTree":
            return xr.DataTree.from_dict(groups)
        idata = az.InferenceData()
        for name, dataset in groups.items():
            idata.add_groups({name: dataset}, warn_on_custom_groups=False)
        return idata

    return build


def dataset(entries, dims=("chain", "draw"), **dims_of):
    """A Dataset of entries (chains, draws, ...) whose other dimensions are named after the entry."""
    named = {
        name: dims_of.get(name, tuple(f"{name}_{i}" for i in range(value.ndim - len(dims))))
        for name, value in entries.items()
    }
    return xr.Dataset({name: ((*dims, *named[name]), value) for name, value in entries.items()})


def plain(entries):
    """A Dataset of arrays that are no draws."""
    return dataset({name: np.asarray(value) for name, value in entries.items()}, dims=())


def line_entries(*batch, rows=4):
    """What a fit of `models.line` records."""
    return {"slope": np.zeros(batch), "intercept": np.zeros(batch), "mu": np.zeros((*batch, rows))}


def names(samples, group="posterior"):
    return list(samples[group].data_vars)


def equal(result, truth):
    assert set(result) == set(truth)
    return all(np.array_equal(result[name], truth[name]) for name in truth)


@contextlib.contextmanager
def silent():
    """Nothing is warned of: the evidence settles the matter."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", SanitizeWarning)
        yield


def netcdf_engine():
    for module, engine in [("h5py", "h5netcdf"), ("netCDF4", "netcdf4")]:
        if importlib.util.find_spec(module):
            return engine
    pytest.skip("needs h5py or netCDF4")


def run_python(code):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ------------------------------------------------------------------------------------- the result of stripping


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, ROWS, 20])
def test_predictions_from_arviz_are_those_of_the_latents_alone(fitted, rows):
    """From NumPyro to ArviZ, stripped, and back: bit for bit what stock gives for the latents of the MCMC."""
    X, y = data(rows, seed=1)
    idata = az.from_numpyro(fitted)
    clean = strip_deterministic(models.regression, idata, X)
    assert type(clean) is type(idata)
    assert names(clean) == LATENTS
    assert "eta" in names(idata)
    draws = posterior_samples(clean)
    truth = {name: fitted.get_samples()[name] for name in LATENTS}
    predicted = Predictive(models.regression, draws)(KEY, X)
    assert equal(predicted, Predictive(models.regression, truth)(KEY, X))
    scored = log_likelihood(models.regression, draws, X, y)
    assert equal(scored, log_likelihood(models.regression, truth, X, y))


def test_all_else_is_as_it_was(container):
    """Other groups, their order, coordinates, attributes and encodings; the input; and no array is copied."""
    latents = {"alpha": np.zeros((2, 5)), "beta": np.ones((2, 5, 3)), "sigma": np.ones((2, 5))}
    posterior = dataset({**latents, "eta": np.zeros((2, 5, 4))})
    posterior = posterior.assign_coords(chain=[0, 1], beta_0=["a", "b", "c"], eta_0=[10, 20, 30, 40])
    posterior.attrs["sampling_time"] = 3.5
    posterior["beta"].attrs["units"] = "m"
    posterior["beta"].encoding["zlib"] = True
    posterior.encoding["source"] = "file"
    warmup = dataset({"alpha": np.zeros((2, 3)), "eta": np.zeros((2, 3, 4)), "step": np.zeros((2, 3))})
    groups = {
        "my_group": plain({"eta": np.zeros(7)}),
        "posterior": posterior,
        "warmup_posterior": warmup,
        "prior": posterior.copy(),
        "observed_data": plain({"obs": np.zeros(4)}),
    }
    samples = container(groups)
    samples.attrs["title"] = "a fit"
    before, order = copies(samples), list(samples)

    clean = strip_deterministic(models.regression, samples, np.zeros((2, 3)))

    assert list(clean) == order
    assert clean.attrs == {"title": "a fit"}
    assert names(clean) == ["alpha", "beta", "sigma"]
    assert names(clean, "warmup_posterior") == ["alpha", "step"]
    for name in order:
        for kept in names(clean, name):
            assert clean[name][kept].variable.data is samples[name][kept].variable.data
            assert clean[name][kept].attrs == samples[name][kept].attrs
            assert clean[name][kept].encoding == samples[name][kept].encoding
        assert clean[name].attrs == samples[name].attrs
        assert clean[name].encoding == samples[name].encoding
        if "posterior" not in name:
            assert as_dataset(clean[name]).identical(as_dataset(samples[name]))
    expected = before["posterior"].drop_vars(["eta", "eta_0"])
    assert as_dataset(clean["posterior"]).identical(expected)
    assert list(samples) == order
    for name, dataset_before in before.items():
        assert as_dataset(samples[name]).identical(dataset_before)
    # nor does the result share what could be changed
    clean["prior"]["new"] = 1
    assert "new" not in samples["prior"]


def as_dataset(group):
    return group if isinstance(group, xr.Dataset) else group.to_dataset()


def copies(samples):
    return {name: as_dataset(samples[name]).copy(deep=True) for name in samples}


def test_groups_added_to_the_result_are_not_added_to_the_input(container):
    samples = container({"posterior": dataset(line_entries(1, 3))})
    clean = strip_deterministic(models.line, samples, np.zeros(3))
    clean["predictions"] = dataset({"obs": np.zeros((1, 3, 3))})
    assert list(samples) == ["posterior"]
    assert set(clean) == {"posterior", "predictions"}


def test_coordinates_go_with_the_last_variable_that_used_them():
    posterior = dataset({**line_entries(1, 3, rows=2), "beta": np.zeros((1, 3, 4))}, mu=("row",), beta=("k",))
    posterior = posterior.assign_coords(
        row=[5, 6], label=("row", ["x", "y"]), k=list("abcd"), chain=[0], scalar=1.0, unused=("extra", [1, 2])
    )
    clean = strip_deterministic(models.line, posterior, np.zeros(3))
    assert list(clean.data_vars) == ["slope", "intercept", "beta"]
    assert set(clean.coords) == {"chain", "k", "scalar", "unused"}
    # a dimension that something else still has keeps its labels
    posterior["weight"] = ("row", [0.5, 0.5])
    posterior["weight"] = posterior["weight"].expand_dims(chain=1, draw=3)
    clean = strip_deterministic(models.line, posterior, np.zeros(3))
    assert {"row", "label"} <= set(clean.coords)


def test_multi_index_goes_whole():
    pd = pytest.importorskip("pandas")
    rows = xr.Coordinates.from_pandas_multiindex(
        pd.MultiIndex.from_product([["a", "b"], [0, 1]], names=["city", "year"]), "row"
    )
    posterior = dataset(line_entries(1, 3), mu=("row",)).assign_coords(rows)
    clean = strip_deterministic(models.line, posterior, np.zeros(3))
    assert list(clean.coords) == []


def test_dataset_in_dataset_out(fitted):
    """`idata.posterior`: a Dataset in ArviZ 0, a node of the tree in ArviZ 1."""
    posterior = az.from_numpyro(fitted).posterior
    clean = strip_deterministic(models.regression, posterior, data(5)[0])
    assert type(clean) is type(posterior)
    assert list(clean.data_vars) == LATENTS
    assert clean.attrs == posterior.attrs
    assert "eta" in posterior.data_vars


@pytest.mark.skipif("DataTree" not in KINDS, reason="needs xarray.DataTree")
def test_node_of_a_tree_is_a_group():
    tree = xr.DataTree.from_dict(
        {
            "/": xr.Dataset(coords={"chain": [7]}),
            "posterior": dataset(line_entries(1, 3)),
        }
    )
    clean = strip_deterministic(models.line, tree["posterior"], np.zeros(3))
    assert type(clean) is xr.DataTree
    assert list(clean.data_vars) == LINE
    assert (clean.name, list(clean.coords["chain"])) == ("posterior", [7])
    whole = strip_deterministic(models.line, tree, np.zeros(3))
    assert list(whole["posterior"].coords["chain"]) == [7]
    assert list(tree["posterior"].data_vars) == [*LINE, "mu"]


def test_review_of_a_container_is_applied_to_another(container):
    """Inspect once, strip many times."""
    entries = line_entries(2, 3)
    samples = container({"posterior": dataset(entries), "prior": dataset(entries)})
    review = inspect_sites(models.line, np.zeros(9)).review(samples)
    assert review.batch_shape == (2, 3)
    assert review["mu"].recorded_shape == (4,)
    assert names(review.apply(samples)) == LINE
    more = container({"posterior": dataset({name: np.repeat(value, 4, axis=1) for name, value in entries.items()})})
    assert names(review.apply(more)) == LINE
    other = container({"posterior": dataset({**entries, "tau": np.zeros((2, 3))})})
    with pytest.raises(SamplesTypeError, match="'tau' not reviewed"):
        review.apply(other)


def test_nothing_left_of_a_container(container):
    samples = container({"posterior": dataset({"obs": np.zeros((2, 3, 4))})})
    with pytest.raises(NothingLeftError, match="num_samples=6"):
        strip_deterministic(models.line, samples, np.zeros(4))


# ----------------------------------------------------------------------------------------------------- groups


def test_another_group_is_a_container_of_its_own(container):
    entries = line_entries(2, 3)
    samples = container({"posterior": dataset(entries), "prior": dataset(entries)})
    clean = strip_deterministic(models.line, samples["prior"], np.zeros(5))
    assert type(clean) is type(samples["prior"])
    assert list(clean.data_vars) == LINE
    assert names(samples, "prior") == names(samples) == [*LINE, "mu"]


def test_group_that_is_not_there(container):
    samples = container({"prior": dataset({"slope": np.zeros((2, 3))})})
    with pytest.raises(OptionError, match="no group 'posterior': its groups are 'prior'"):
        strip_deterministic(models.line, samples, np.zeros(5))
    with pytest.raises(OptionError, match="no group 'posterior': its groups are 'prior'"):
        posterior_samples(samples)
    with pytest.raises(OptionError, match="no group 'elsewhere'"):
        posterior_samples(samples, group="elsewhere")


GROUPED = {"location": np.zeros((1, 4)), "effect": np.zeros((1, 4, 3)), "mu": np.zeros((1, 4, 2))}


def test_group_is_the_models_where_it_is_an_index(container):
    """Many models have a parameter of that name; only a name of a group of the samples is ours."""
    index = np.zeros(5, int)
    samples = container({"posterior": dataset(GROUPED)})
    clean = strip_deterministic(models.group_effects, samples, np.zeros(5), group=index, J=3)
    assert names(clean) == ["location", "effect"]
    draws = posterior_samples(samples)
    assert set(strip_deterministic(models.group_effects, draws, np.zeros(5), group=index, J=3)) == {
        "location",
        "effect",
    }
    assert set(strip_deterministic(models.group_effects, draws, np.zeros(5), index, 3)) == {"location", "effect"}

    def by_name(x, group, **options):
        assert group == "treated"
        models.line(x)

    draws = line_entries(4)
    assert list(strip_deterministic(by_name, draws, np.zeros(5), group="treated")) == LINE


def test_group_is_no_option(container):
    """It was one in version 0.1: said as for any other name that the model does not take, with what to do."""
    samples = container({"posterior": dataset({"slope": np.zeros((2, 3))})})
    for entries in (samples, {"slope": np.zeros(4)}):
        with pytest.raises(ModelArgumentsError, match=r"unexpected keyword argument 'group'.*samples\['prior'\]"):
            strip_deterministic(models.line, entries, np.zeros(5), group="prior")


# ------------------------------------------------------------------------------------------- sample dimensions


@given(st.permutations(["chain", "draw", "feature"]), st.permutations(["chain", "draw", "row"]))
def test_dimensions_in_any_order(beta_dims, eta_dims):
    """Chains and draws are found by name: the verdicts and the draws do not depend on their place."""
    sizes = {"chain": 2, "draw": 3, "feature": 3, "row": 4}
    rng = np.random.default_rng(0)
    posterior = xr.Dataset(
        {
            "alpha": (("draw", "chain"), rng.normal(size=(3, 2))),
            "sigma": (("chain", "draw"), np.ones((2, 3))),
            "beta": (beta_dims, rng.normal(size=[sizes[dim] for dim in beta_dims])),
            "eta": (eta_dims, rng.normal(size=[sizes[dim] for dim in eta_dims])),
        }
    )
    review = inspect_sites(models.regression, np.zeros((5, 3))).review(posterior)
    assert review.batch_shape == (2, 3)
    assert {name: verdict.recorded_shape for name, verdict in review.items()} == {
        "alpha": (),
        "sigma": (),
        "beta": (3,),
        "eta": (4,),
    }
    clean = review.apply(posterior)
    assert clean["beta"].dims == tuple(beta_dims)
    draws = posterior_samples(clean)
    expected = posterior["beta"].transpose("chain", "draw", "feature").values.reshape(6, 3)
    assert np.array_equal(draws["beta"], expected)
    assert draws["alpha"][4] == posterior["alpha"].sel(chain=1, draw=1)


@pytest.mark.parametrize("said", [["particle"], "particle", np.array(["particle"]), ["island", "particle"]])
def test_sample_dims_attribute_names_the_draws(said):
    """As ArviZ 1 writes it; netCDF gives one name back as a string, and several as an array."""
    dims = ("particle",) if len(np.atleast_1d(said)) == 1 else ("island", "particle")
    shape = (5,) if len(dims) == 1 else (2, 5)
    posterior = dataset(line_entries(*shape), dims=dims)
    posterior.attrs["sample_dims"] = said
    review = inspect_sites(models.line, np.zeros(3)).review(posterior)
    assert review.batch_shape == shape
    assert posterior_samples(posterior)["mu"].shape == (int(np.prod(shape)), 4)


def test_what_extract_returns(fitted):
    """ArviZ's `extract` stacks chains and draws, and puts them last: NumPyro would take the draws for data."""
    extracted = az.extract(az.from_numpyro(fitted))
    assert extracted["beta"].shape == (3, CHAINS * DRAWS)
    clean = strip_deterministic(models.regression, extracted, data(5)[0])
    assert list(clean.data_vars) == LATENTS
    assert equal(posterior_samples(clean), {name: fitted.get_samples()[name] for name in LATENTS})


def test_one_chain_selected():
    posterior = dataset(line_entries(2, 5)).isel(chain=0)
    posterior.attrs["sample_dims"] = ["chain", "draw"]
    review = inspect_sites(models.line, np.zeros(3)).review(posterior)
    assert review.batch_shape == (5,)
    assert list(review.apply(posterior).coords) == list(posterior.coords)


def test_no_sample_dimension():
    posterior = dataset({"slope": np.zeros(5)}, dims=("iteration",))
    with pytest.raises(SamplesTypeError, match=r"'iteration'.*sample_dims"):
        strip_deterministic(models.line, posterior, np.zeros(3))


def test_variable_without_draws():
    posterior = dataset({"slope": np.zeros((2, 5)), "intercept": np.zeros((2, 5))})
    posterior["intercept"] = posterior["intercept"].isel(draw=0)
    with pytest.raises(BatchShapeError, match=r"'intercept' has shape \(2,\)"):
        strip_deterministic(models.line, posterior, np.zeros(3))


def test_variable_of_strings():
    posterior = dataset({"slope": np.zeros((2, 2)), "note": np.array([["a", "b"], ["c", "d"]])})
    with pytest.raises(SamplesTypeError, match="'note' is an array of dtype"):
        strip_deterministic(models.line, posterior, np.zeros(3))


# ------------------------------------------------------------------------------------------- posterior_samples


def test_posterior_samples_are_those_of_the_mcmc(fitted):
    assert equal(posterior_samples(az.from_numpyro(fitted)), fitted.get_samples())


@pytest.mark.parametrize("num_samples", [1, 7, CHAINS * DRAWS])
def test_thinned_evenly(fitted, num_samples):
    """Draws of every chain, in their order, at even distance."""
    idata = az.from_numpyro(fitted)
    every = posterior_samples(idata)
    index = np.arange(num_samples) * (CHAINS * DRAWS) // num_samples
    assert set(np.diff(index)) <= {(CHAINS * DRAWS) // num_samples, (CHAINS * DRAWS) // num_samples + 1}
    thinned = posterior_samples(idata, num_samples=num_samples)
    assert equal(thinned, {name: value[index] for name, value in every.items()})


def test_posterior_samples_of_another_group(container):
    samples = container({"prior": dataset({"slope": np.arange(6.0).reshape(2, 3)})})
    assert posterior_samples(samples, "prior")["slope"].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("num_samples", [0, -1, 7, 2.0, True, "all"])
def test_number_of_samples_that_cannot_be(num_samples):
    posterior = dataset({"slope": np.zeros((2, 3))})
    with pytest.raises(OptionError, match="between 1 and 6"):
        posterior_samples(posterior, num_samples=num_samples)


def test_posterior_samples_of_a_dict():
    with pytest.raises(SamplesTypeError, match=r"dict of draws.*is what Predictive wants already"):
        posterior_samples({"slope": np.zeros(3)})


# --------------------------------------------------------------------------------------- what tells of the fit


def switched(x, observe=False):
    """Observed or not by a flag: no argument that is None shows the target."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    numpyro.sample("obs", dist.Normal(a * x, 1.0), obs=x if observe else None)


def test_observed_data_names_the_observed_sites(container):
    entries = {"a": np.zeros((1, 4)), "obs": np.zeros((1, 4, 3))}
    posterior = dataset(entries)
    known = container({"posterior": posterior, "observed_data": plain({"obs": np.zeros(3)})})
    review = inspect_sites(switched, np.zeros(3)).review(known)
    assert (review["obs"].action, review["obs"].cause) == ("stripped", Cause.TARGET)
    assert says(review["obs"].reason, "observed in the fit: predicted anew, or scored from the data passed")
    assert names(strip_deterministic(switched, known, np.zeros(3))) == ["a"]
    unknown = inspect_sites(switched, np.zeros(3)).review(container({"posterior": posterior}), new_rows=False)
    assert unknown["obs"].action == "stripped"


def test_mcmc_gives_a_dict_for_its_own_arguments(fitted):
    with silent():
        clean = strip_deterministic(models.regression, fitted)
    assert type(clean) is dict
    assert list(clean) == [name for name in fitted.get_samples() if name in LATENTS]
    assert all(clean[name] is fitted.get_samples()[name] for name in clean)
    assert list(strip_deterministic(models.regression, fitted, data(5)[0])) == list(clean)


def test_mcmc_tells_whether_the_rows_are_new(row_fit):
    """Compared by value, whatever the type, position and precision: only other data are new rows."""
    (x, y), model = row_fit._args, models.row_effects
    with silent():
        assert "z" in strip_deterministic(model, row_fit)
        assert "z" in strip_deterministic(model, row_fit, x.copy())
        assert "z" in strip_deterministic(model, row_fit, x=jax.numpy.asarray(x), y=y.astype(np.float64))
        assert "z" not in strip_deterministic(model, row_fit, x + 1, new_rows=True)
    for arguments in [(x + 1,), (x + 1, y + 1), (x[:5],)]:
        with pytest.warns(RedrawnSiteWarning, match="'z'"):
            assert "z" not in strip_deterministic(model, row_fit, *arguments)
    with pytest.warns(RowLevelSiteWarning):  # the same covariates, other outcomes: nothing is proven
        assert "z" in strip_deterministic(model, row_fit, x, y + 1)
    with pytest.warns(RowLevelSiteWarning):  # the shape alone does not tell
        assert "z" in strip_deterministic(model, row_fit, jax.ShapeDtypeStruct(x.shape, x.dtype))


def test_mcmc_that_was_not_run():
    mcmc = MCMC(HMC(models.line), num_warmup=1, num_samples=1)
    with pytest.raises(SamplesTypeError, match="call its run method first"):
        strip_deterministic(models.line, mcmc)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["frame", "dict"])
def test_data_within_arguments_are_compared(arguments):
    """A DataFrame, and arrays in a dict."""
    pd = pytest.importorskip("pandas")
    x = np.array([0.0, 1.0, 2.0], np.float32)
    if arguments == "frame":
        model, args, same = models.from_frame, (pd.DataFrame({"x": x}), x), (pd.DataFrame({"x": x}),)
        other = (pd.DataFrame({"x": x + 1}),)
    else:
        model, args, same = models.from_dict, ({"x": x, "y": x},), ({"x": x.copy(), "y": None},)
        other = ({"x": x + 1, "y": None},)
    mcmc = MCMC(HMC(model, trajectory_length=1.0), num_warmup=5, num_samples=5, progress_bar=False)
    mcmc.run(KEY, *args)
    with silent():
        assert "z" in strip_deterministic(model, mcmc, *same)
    with pytest.warns(RedrawnSiteWarning):
        assert "z" not in strip_deterministic(model, mcmc, *other)


def test_data_of_other_shapes_differ_and_keys_do_not_compare():
    """An argument of another shape that no row follows leaves it open; a typed key does not compare."""

    def model(x, extra, y=None):
        models.row_effects(x, y)

    x = np.zeros(3, np.float32)
    one, same = jax.random.key(0), jax.random.key(0)
    for extra, other, categories in ((x, x[:2], [RowLevelSiteWarning]), (one, same, [])):
        mcmc = MCMC(HMC(model, trajectory_length=1.0), num_warmup=1, num_samples=2, progress_bar=False)
        mcmc.run(KEY, x, extra, x)
        with warned() as caught:
            assert "z" in strip_deterministic(model, mcmc, x, other)
        assert [warning.category for warning in caught] == categories


ROW_LEVEL = {"sigma": np.ones((1, 4)), "z": np.zeros((1, 4, 3)), "mu": np.zeros((1, 4, 3))}


@pytest.fixture
def recorded(container):
    """Builds a container with a row-level latent, and data of its fit."""

    def build(**groups):
        return container({"posterior": dataset(ROW_LEVEL), **{name: plain(group) for name, group in groups.items()}})

    return build


NAN = np.array([0.1, np.nan, 3.0])


@pytest.mark.parametrize(
    ("groups", "x", "y"),
    [
        ({"constant_data": {"x": NAN}}, NAN, None),
        ({"constant_data": {"x": NAN}}, NAN.astype(np.float32), None),
        ({"constant_data": {"x": NAN.astype(np.float32)}}, NAN, None),
        ({"constant_data": {"x": [1, 2, 3]}}, np.array([1.0, 2.0, 3.0]), None),
        ({"constant_data": {"x": NAN}, "observed_data": {"y": NAN + 1}}, NAN, NAN + 1),
        ({"constant_data": {"x": NAN}, "observed_data": {"obs": NAN + 1}}, NAN, NAN + 1),
    ],
)
def test_data_of_the_groups_are_those_of_the_fit(recorded, groups, x, y):
    """NaN equal to NaN, in either precision; observed data under the name of the argument, or of the site."""
    with silent():
        clean = strip_deterministic(models.row_effects, recorded(**groups), x, y)
    assert names(clean) == ["sigma", "z"]


@pytest.mark.parametrize("x", [NAN + 1, np.array([1.0, 2.0, 3.0])])
def test_data_of_the_groups_are_others(recorded, x):
    samples = recorded(constant_data={"x": NAN})
    with pytest.warns(RedrawnSiteWarning, match="the data differ from those of the fit"):
        assert names(strip_deterministic(models.row_effects, samples, x)) == ["sigma"]


@pytest.mark.parametrize(
    ("groups", "y"),
    [
        ({}, None),
        ({"constant_data": {"other": NAN}}, None),
        ({"observed_data": {"obs": NAN + 1}}, NAN + 1),  # y is known, x is not
        ({"constant_data": {"x": NAN}, "observed_data": {"obs": NAN}}, NAN + 1),  # y may be of another site
    ],
)
def test_data_that_cannot_be_compared_tell_nothing(recorded, groups, y):
    with pytest.warns(RowLevelSiteWarning, match="new_rows"):
        clean = strip_deterministic(models.row_effects, recorded(**groups), NAN, y)
    assert names(clean) == ["sigma", "z"]


# ------------------------------------------------------------------------------- where arguments come from


def test_groups_have_the_arguments(recorded):
    """None passed: those of the fit, so that its rows are kept; and passed ones win."""
    samples = recorded(constant_data={"x": NAN}, observed_data={"y": NAN})
    with silent():
        assert names(strip_deterministic(models.row_effects, samples)) == ["sigma", "z"]
    with pytest.warns(RedrawnSiteWarning):
        assert names(strip_deterministic(models.row_effects, samples, np.zeros(5))) == ["sigma"]


def test_numbers_among_constant_data_are_numbers(container):
    """ArviZ 0 stores a number as an array of one element, ArviZ 1 without dimensions; one row stays an array."""
    entries = {"mu": np.zeros((1, 4)), "tau": np.ones((1, 4)), "theta": np.zeros((1, 4, 8))}
    for J in ([8], 8):
        samples = container({"posterior": dataset(entries), "constant_data": plain({"J": J, "sigma": np.ones(8)})})
        with silent():
            assert names(strip_deterministic(models.schools, samples)) == ["mu", "tau", "theta"]
    entries = {"sigma": np.ones((1, 4)), "z": np.zeros((1, 4, 1))}
    samples = container({"posterior": dataset(entries), "constant_data": plain({"x": [2.0]})})
    with silent():
        assert names(strip_deterministic(models.row_effects, samples)) == ["sigma", "z"]


def optional(y=None, rows=8):
    """Could run without arguments, but is fitted with some."""
    models.row_effects(np.zeros(rows if y is None else len(y)), y)


def test_arguments_of_an_mcmc_come_before_the_models_defaults():
    mcmc = fit(optional, rows=3)
    with silent():
        assert "z" in strip_deterministic(optional, mcmc)


def test_arguments_of_the_fit_come_before_the_models_defaults(container):
    """Where there are none, how many rows the fit had is asked for: `rows` may have been given as well."""
    samples = container({"posterior": dataset(ROW_LEVEL), "observed_data": plain({"y": NAN})})
    with silent():
        assert names(strip_deterministic(optional, samples)) == ["sigma", "z"]
    with pytest.raises(ModelArgumentsError, match="what rows was"):
        strip_deterministic(optional, container({"posterior": dataset(ROW_LEVEL)}))


def test_arguments_recorded_in_part(container):
    """They do not do; all of them are worked out from the entries."""
    entries = {"mu": np.zeros((1, 4)), "tau": np.ones((1, 4)), "theta": np.zeros((1, 4, 8))}
    samples = container({"posterior": dataset(entries), "constant_data": plain({"sigma": np.ones(8)})})
    with pytest.warns(AssumedArgumentsWarning, match="J: 8"), pytest.warns(RedrawnSiteWarning):
        assert names(strip_deterministic(models.schools, samples)) == ["mu", "tau"]


def test_arguments_recorded_that_do_not_do(container):
    samples = container({"posterior": dataset({"alpha": np.zeros((1, 4))}), "constant_data": plain({"X": np.zeros(3)})})
    with pytest.raises(ModelArgumentsError, match=r"recorded with the samples \('X'\).*IndexError") as caught:
        strip_deterministic(models.regression, samples)
    assert isinstance(caught.value.__cause__, IndexError)


def test_no_arguments_anywhere():
    with pytest.raises(ModelArgumentsError, match="none were passed"):
        strip_deterministic(models.regression, {"alpha": np.zeros(4)})


# ------------------------------------------------------------------------------------ lazy and sharded arrays


@pytest.fixture
def no_computing():
    """Whatever asks dask for values fails."""
    dask = pytest.importorskip("dask")

    def scheduler(graph, keys, **options):
        raise AssertionError("something was computed")

    with dask.config.set(scheduler=scheduler):
        yield


def lazy(entries):
    """50 GB that are nowhere."""
    array = pytest.importorskip("dask.array")
    return dataset({name: array.zeros(shape, chunks=(1, 1000, *shape[2:])) for name, shape in entries.items()})


def test_dask_stays_lazy(container, no_computing):
    latents = {"alpha": (4, 10_000), "beta": (4, 10_000, 3), "sigma": (4, 10_000)}
    posterior = lazy({**latents, "eta": (4, 10_000, 150_000)})
    assert posterior.nbytes > 48e9
    # not even the data of the fit: no entry of this model depends on whether the rows are new
    data_of_fit = xr.Dataset({"X": (("row", "feature"), pytest.importorskip("dask.array").ones((5, 3)))})
    samples = container({"posterior": posterior, "constant_data": data_of_fit})
    for clean in (
        strip_deterministic(models.regression, samples, np.zeros((5, 3)))["posterior"],
        strip_deterministic(models.regression, posterior, np.zeros((5, 3))),
    ):
        assert list(clean.data_vars) == list(latents)
        for name in clean.data_vars:
            assert clean[name].variable.data is posterior[name].variable.data


def test_thinning_reads_the_chosen_draws_only():
    """Chunks without a chosen draw are not computed."""
    array = pytest.importorskip("dask.array")
    read = []

    def block(block_info=None):
        read.append(block_info[None]["chunk-location"])
        return np.zeros((1, 10))

    values = array.map_blocks(block, chunks=((1,) * 4, (10,) * 5), dtype=float)
    posterior = xr.Dataset({"alpha": (("chain", "draw"), values)})
    assert posterior_samples(posterior, num_samples=2)["alpha"].shape == (2,)
    assert sorted(set(read)) == [(0, 0), (2, 0)]


@pytest.mark.parametrize("kind", ["zarr", "netcdf"])
def test_from_disk_and_back(container, tmp_path, kind):
    """A posterior opened lazily is stripped without reading it, and what comes back can be saved."""
    dask = pytest.importorskip("dask")
    engine = netcdf_engine() if kind == "netcdf" else pytest.importorskip("zarr")
    rng = np.random.default_rng(0)
    entries = {name: value + rng.normal(size=value.shape) for name, value in line_entries(2, 5).items()}
    path = str(tmp_path / "posterior")
    save, load = (
        (lambda ds, path: ds.to_zarr(path, consolidated=False), lambda path: xr.open_zarr(path, consolidated=False))
        if kind == "zarr"
        else (
            lambda ds, path: ds.to_netcdf(path, engine=engine),
            lambda path: xr.open_dataset(path, engine=engine, chunks={}),
        )
    )
    save(dataset(entries), path)
    with load(path) as posterior:
        with dask.config.set(scheduler=lambda *args, **kwargs: pytest.fail("something was read")):
            clean = strip_deterministic(models.line, container({"posterior": posterior}), np.zeros(3))
            clean = as_dataset(clean["posterior"])
        assert clean["slope"].encoding == posterior["slope"].encoding
        save(clean, path + "-clean")
    with load(path + "-clean") as result:
        assert set(result.data_vars) == set(LINE)
        assert np.array_equal(result["slope"], entries["slope"])


@pytest.mark.slow
def test_sharded_arrays_keep_their_sharding():
    """On eight devices, as dicts and in a Dataset: the same arrays, on the same devices, and predictions alike."""
    run_python(
        """
        import os
        os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
        import jax, numpy as np
        import models
        from jax.sharding import Mesh, NamedSharding, PartitionSpec
        from numpyro.infer import Predictive
        from sanitize import strip_deterministic
        assert jax.device_count() == 8
        sharding = NamedSharding(Mesh(np.array(jax.devices()), ("draws",)), PartitionSpec("draws"))
        whole = {"slope": np.arange(16.0), "intercept": np.ones(16), "mu": np.zeros((16, 3))}
        samples = {name: jax.device_put(value.astype(np.float32), sharding) for name, value in whole.items()}
        clean = strip_deterministic(models.line, samples, np.zeros(5))
        assert set(clean) == {"slope", "intercept"}
        for name, value in clean.items():
            assert value is samples[name]
            assert len(value.sharding.device_set) == 8 and value.sharding.is_equivalent_to(sharding, value.ndim)
        alone = {name: np.asarray(samples[name]) for name in clean}
        x = np.ones(5, np.float32)
        predicted = Predictive(models.line, clean)(jax.random.PRNGKey(0), x)["mu"]
        assert np.array_equal(predicted, Predictive(models.line, alone)(jax.random.PRNGKey(0), x)["mu"])
        """
    )


def test_arviz_and_xarray_are_not_imported():
    """They are slow to import: that is for those who use them to do."""
    run_python(
        """
        import sys
        import numpy as np, numpyro, numpyro.distributions as dist
        from sanitize import strip_deterministic
        def model(x):
            mu = numpyro.deterministic("mu", numpyro.sample("a", dist.Normal()) * x)
        assert list(strip_deterministic(model, {"a": np.zeros(3), "mu": np.zeros((3, 2))}, np.zeros(4))) == ["a"]
        heavy = {"arviz", "arviz_base", "xarray", "dask", "pandas"} & set(sys.modules)
        assert not heavy, heavy
        """
    )


# ------------------------------------------------------------------------------------ samples of other programs


Position = namedtuple("Position", ["slope", "intercept", "mu"])


def test_named_tuple_gives_a_dict():
    """BlackJAX's positions, draws by chains."""
    position = Position(np.zeros((9, 2)), np.zeros((9, 2)), np.zeros((9, 2, 4)))
    clean = strip_deterministic(models.line, position, np.zeros(3))
    assert type(clean) is dict
    assert list(clean) == LINE
    assert clean["slope"] is position.slope


def test_mappings_of_other_types_come_back_as_they_are():
    entries = line_entries(4)
    for samples in (OrderedDict(entries), defaultdict(list, entries)):
        clean = strip_deterministic(models.line, samples, np.zeros(3))
        assert type(clean) is type(samples)
        assert list(clean) == LINE
    assert clean.default_factory is list
    assert list(samples) == [*LINE, "mu"]


def test_open_files_give_a_dict_of_what_is_kept(tmp_path):
    """`numpy.load` and h5py open mappings that cannot be made from entries; what is stripped is not read for that."""
    entries = line_entries(4)
    np.savez(tmp_path / "posterior.npz", **entries)
    with np.load(tmp_path / "posterior.npz") as file:
        clean = strip_deterministic(models.line, file, np.zeros(3))
    assert type(clean) is dict
    assert list(clean) == LINE
    assert all(np.array_equal(clean[name], entries[name]) for name in clean)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(), (7,), (3, 7)])
def test_draws_of_a_guide(guided, shape):
    """`sample_posterior` with and without a sample shape."""
    guide, params, x = guided
    samples = {**guide.sample_posterior(KEY, params, sample_shape=shape), "mu": np.zeros((*shape, ROWS))}
    review = inspect_sites(models.line, x[:5]).review(samples)
    assert review.batch_shape == shape
    assert review.kept == set(LINE)


@pytest.mark.slow
def test_draws_of_predictive_with_a_guide(guided):
    """It adds `_auto_latent`, which is no site of the model."""
    guide, params, x = guided
    samples = Predictive(guide, params=params, num_samples=7)(KEY, x)
    assert "_auto_latent" in samples
    review = inspect_sites(models.line, x[:5]).review(samples)
    assert review["_auto_latent"].cause is Cause.NO_SITE
    clean = review.apply({**samples})
    alone = {name: samples[name] for name in ("slope", "intercept")}
    assert equal(Predictive(models.line, clean)(KEY, x[:5]), Predictive(models.line, alone)(KEY, x[:5]))


# ------------------------------------------------------------------- a posterior that another program has written


def eight_schools(sigma, obs=None):
    """The names are those of ArviZ's example."""
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))
    with numpyro.plate("school", len(sigma)):
        affine = dist.transforms.AffineTransform(mu, tau)
        theta = numpyro.sample("theta", dist.TransformedDistribution(dist.Normal(0.0, 1.0), affine))
        numpyro.sample("obs", dist.Normal(theta, sigma), obs=obs)


SIGMA = np.array([15, 10, 16, 11, 9, 11, 10, 18], np.float32)
noncentred_eight_schools = numpyro.handlers.reparam(eight_schools, config={"theta": TransformReparam()})


@pytest.fixture
def centered_eight():
    """Made with PyMC, shipped with ArviZ."""
    if az.__version__.startswith("0."):
        pytest.importorskip("h5py")
    netcdf_engine()
    return az.load_arviz_data("centered_eight")


def test_posterior_of_pymc_for_the_plain_model(centered_eight):
    """`theta` is a latent there, and stays for the schools of the fit."""
    clean = strip_deterministic(eight_schools, centered_eight, SIGMA, new_rows=False)
    assert names(clean) == names(centered_eight)
    assert list(clean) == list(centered_eight)
    predicted = Predictive(eight_schools, posterior_samples(clean))(KEY, SIGMA)
    assert predicted["obs"].shape == (2000, 8)


def test_posterior_of_pymc_for_the_noncentred_model(centered_eight):
    """`theta` is computed there: from `theta_base` if that is recorded, and from nothing that was fitted if not."""
    with pytest.raises(MissingLatentError, match=r"'theta' from.*'theta_base'"):
        strip_deterministic(noncentred_eight_schools, centered_eight, SIGMA)
    posterior = centered_eight["posterior"]
    posterior["theta_base"] = (posterior["theta"] - posterior["mu"]) / posterior["tau"]
    clean = strip_deterministic(noncentred_eight_schools, centered_eight, SIGMA, new_rows=False)
    assert names(clean) == [name for name in names(centered_eight) if name != "theta"]
    predicted = Predictive(noncentred_eight_schools, posterior_samples(clean))(KEY, SIGMA)
    assert np.allclose(predicted["theta"], posterior_samples(centered_eight)["theta"], rtol=1e-3, atol=1e-3)


def test_jax_arrays_in_a_dataset_are_thinned_as_well():
    dataset = xr.Dataset({"a": (("chain", "draw"), jnp.arange(8.0).reshape(2, 4))})
    assert posterior_samples(dataset, num_samples=4)["a"].tolist() == [0.0, 2.0, 4.0, 6.0]
