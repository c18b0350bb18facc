"""What ArviZ asks of a model: against SciPy, closed forms, and refits by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.infer import MCMC, NUTS
from scipy import stats

from sanitize import MissingLatentError, OptionError, Predictor, SamplesTypeError, SanitizeWarning

az = pytest.importorskip("arviz")
xr = pytest.importorskip("xarray")
pytest.importorskip("numpyro", "0.15")

from containers_of import with_groups  # noqa: E402

from sanitize.arviz import NumPyroWrapper, log_prior, mm_from_numpyro, with_predictions  # noqa: E402

try:
    from arviz_stats import lfo_cv
except ImportError:
    lfo_cv = None
needs_arviz_1 = pytest.mark.skipif(lfo_cv is None, reason="ArviZ 1.3")

SCHOOLS_Y = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0], np.float32)
SCHOOLS_SIGMA = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0], np.float32)


def schools(sigma, y=None):
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.HalfNormal(5.0))
    with numpyro.plate("school", len(sigma)):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def line(x, y=None, noise=1.0):
    slope = numpyro.sample("slope", dist.Normal(0.0, 2.0))
    mu = numpyro.deterministic("mu", slope * x)
    numpyro.sample("y", dist.Normal(mu, noise), obs=y)


def lines(table, y=None):
    """Weights of a Dirichlet, a correlated pair, a scale; the rows are those of a dict or a frame."""
    weights = numpyro.sample("weights", dist.Dirichlet(jnp.ones(3)))
    pair = numpyro.sample("pair", dist.MultivariateNormal(jnp.zeros(2), jnp.array([[1.0, 0.5], [0.5, 2.0]])))
    sigma = numpyro.sample("sigma", dist.LogNormal(0.0, 1.0))
    x = jnp.asarray(np.asarray(table["x"]))
    numpyro.sample("y", dist.Normal(pair[0] + pair[1] * weights[0] * x, sigma), obs=y)


def fit(model, *args, key=0, draws=200, **kwargs):
    mcmc = MCMC(NUTS(model), num_warmup=draws, num_samples=draws, num_chains=2, **QUIETLY)
    mcmc.run(jax.random.PRNGKey(key), *args, **kwargs)
    return mcmc


QUIETLY = {"chain_method": "sequential", "progress_bar": False}


# -------------------------------------------------------------------------------------------------- log prior


def test_the_log_prior_is_that_of_scipy(rng):
    samples = {
        "mu": rng.normal(size=(2, 30)),
        "tau": rng.uniform(0.1, 4.0, (2, 30)),
        "theta": rng.normal(size=(2, 30, 8)),
        "y": rng.normal(size=(2, 30, 8)),  # predictions beside the draws
    }
    found = log_prior(schools, samples, SCHOOLS_SIGMA, SCHOOLS_Y)
    mu, tau, theta = (samples[name] for name in ("mu", "tau", "theta"))
    expected = {
        "mu": stats.norm.logpdf(mu, 0.0, 5.0),
        "tau": stats.halfnorm.logpdf(tau, 0.0, 5.0),
        "theta": stats.norm.logpdf(theta, mu[..., None], tau[..., None]),
    }
    assert list(found.data_vars) == ["mu", "tau", "theta"]
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5)
    assert found["theta"].dims == ("chain", "draw", "school")
    assert found["mu"].dims == ("chain", "draw")


@pytest.mark.parametrize("table", [dict, "frame", "dataset"])
def test_joint_latents_have_one_density_a_draw_whatever_the_arguments_are(rng, table):
    x = np.linspace(0, 1, 7, dtype=np.float32)
    if table == "frame":
        table = pytest.importorskip("pandas").DataFrame
    elif table == "dataset":
        table = lambda columns: xr.Dataset({"x": ("row", columns["x"])})  # noqa: E731
    samples = {
        "weights": rng.dirichlet(np.ones(3), 20),
        "pair": rng.normal(size=(20, 2)),
        "sigma": rng.lognormal(size=20),
    }
    found = log_prior(lines, samples, table({"x": x}), y=np.zeros(7))
    covariance = [[1.0, 0.5], [0.5, 2.0]]
    np.testing.assert_allclose(found["weights"], np.full(20, np.log(2.0)), rtol=1e-4)
    np.testing.assert_allclose(
        found["pair"], stats.multivariate_normal.logpdf(samples["pair"], cov=covariance), rtol=1e-4
    )
    np.testing.assert_allclose(found["sigma"], stats.lognorm.logpdf(samples["sigma"], 1.0), rtol=1e-4, atol=1e-5)
    assert all(found[name].dims == ("draw",) for name in found)


def test_scales_and_values_of_handlers_count_and_other_containers_give_the_same(rng):
    samples = {"slope": rng.normal(size=(2, 10)), "mu": np.zeros((2, 10, 3))}
    x = np.zeros(3, np.float32)
    expected = stats.norm.logpdf(samples["slope"], 0.0, 2.0)
    scaled = log_prior(handlers.scale(line, 0.5), samples, x, x)
    np.testing.assert_allclose(scaled["slope"], 0.5 * expected, rtol=1e-5)
    posterior = xr.Dataset({"slope": (("draw", "chain"), samples["slope"].T)}, {"chain": [3, 5]})
    labelled = log_prior(line, with_groups(posterior=posterior), x, y=x)
    np.testing.assert_allclose(labelled["slope"], expected, rtol=1e-5)
    assert labelled["chain"].values.tolist() == [3, 5]
    given = handlers.substitute(schools, {"tau": 1.0})
    samples = {"mu": np.zeros(4), "theta": np.zeros((4, 8))}
    assert np.unique(log_prior(given, samples, SCHOOLS_SIGMA)["tau"]).size == 1


@pytest.mark.slow
def test_an_mcmc_tells_its_arguments_and_the_labels_are_those_of_a_predictor():
    mcmc = fit(schools, SCHOOLS_SIGMA, SCHOOLS_Y, draws=20)
    found = log_prior(schools, mcmc)
    again = log_prior(schools, mcmc, SCHOOLS_SIGMA, y=SCHOOLS_Y)
    xr.testing.assert_equal(found, again)
    assert dict(found.sizes) == {"chain": 2, "draw": 20, "school": 8}


def test_a_factor_is_left_out_and_said_and_a_param_is_left_out():
    def model(x, y=None):
        slope = numpyro.sample("slope", dist.Normal())
        shift = numpyro.param("shift", 0.0)
        numpyro.factor("penalty", -(slope**2))
        numpyro.sample("y", dist.Normal(slope * x + shift, 1.0), obs=y)

    with pytest.warns(SanitizeWarning, match="'penalty'") as caught:
        found = log_prior(model, {"slope": np.zeros(5), "shift": np.zeros(5)}, np.zeros(3), np.zeros(3))
    assert caught[0].message.factors == ("penalty",)
    assert list(found) == ["slope"]


def mixture(x, y=None):
    means = numpyro.sample("means", dist.Normal(0.0, 2.0).expand([2]).to_event(1))
    with numpyro.plate("row", len(x)):
        which = numpyro.sample("which", dist.Bernoulli(0.5), infer={"enumerate": "parallel"})
        numpyro.sample("y", dist.Normal(means[which], 1.0), obs=y)


def test_a_latent_without_an_entry_is_named():
    x = np.zeros(3, np.float32)
    with pytest.raises(MissingLatentError, match="'which', which log_prior needs"):
        log_prior(mixture, {"means": np.zeros((5, 2))}, x, x)
    recorded = {"means": np.zeros((5, 2)), "which": np.zeros((5, 3), int)}
    np.testing.assert_allclose(log_prior(mixture, recorded, x, x)["which"], np.log(0.5), rtol=1e-5)
    with pytest.raises(MissingLatentError, match="'theta'"):
        log_prior(schools, {"mu": np.zeros(4), "tau": np.ones(4)}, SCHOOLS_SIGMA, SCHOOLS_Y)


def test_arguments_of_other_rows_are_refused():
    samples = {"mu": np.zeros(4), "tau": np.ones(4), "theta": np.zeros((4, 8))}
    with pytest.raises(OptionError, match="theta"):
        log_prior(schools, samples, SCHOOLS_SIGMA[:5], SCHOOLS_Y[:5])


# -------------------------------------------------------------------------------------------- moment matching


def scored(model, samples, *args, **kwargs):
    """What ArviZ makes of a fit: draws of latents by name, and scores."""
    posterior = {}
    for name, x in samples.items():
        posterior[name] = ("chain", "draw", *(f"{name}_dim_{i}" for i in range(x.ndim - 2))), x
    labels = {"chain": np.arange(x.shape[0]), "draw": np.arange(x.shape[1])}
    idata = with_groups(posterior=xr.Dataset(posterior, labels))
    scores = Predictor(model, idata, new_rows=False).log_likelihood(*args, **kwargs)
    return with_groups(posterior=idata["posterior"].to_dataset(), log_likelihood=scores)


def conjugate(rng, x, y, noise=1.0, draws=1000):
    """Draws of the slope of `line`, whose posterior is a normal distribution."""
    precision = 0.25 + (x**2).sum() / noise**2
    return rng.normal((x * y).sum() / noise**2 / precision, precision**-0.5, (4, draws)).astype(np.float32)


def left_out(x, y, i, noise=1.0):
    """The log predictive density of one row of `line`, given the others."""
    others = np.arange(len(x)) != i
    precision = 0.25 + (x[others] ** 2).sum() / noise**2
    mean = (x * y)[others].sum() / noise**2 / precision
    return stats.norm.logpdf(y[i], x[i] * mean, np.sqrt(noise**2 + x[i] ** 2 / precision))


@needs_arviz_1
@pytest.mark.filterwarnings("ignore:Estimated shape parameter", "ignore:After Moment Matching")
def test_moment_matching_is_nearer_to_exact_refits_row_by_row(rng):
    x = np.array([0.3, -0.5, 0.4, 0.2, -0.1, 2.0, 0.6, -0.7, 0.5], np.float32)
    y = np.array([0.2, -0.4, 0.9, 0.0, 0.3, -6.0, 0.7, -0.5, 0.1], np.float32)
    idata = scored(line, {"slope": conjugate(rng, x, y)}, x, y)
    exact = np.array([left_out(x, y, i) for i in range(9)])
    plain = az.loo(idata, pointwise=True)
    matched = az.loo_moment_match(idata, plain, *mm_from_numpyro(line, idata, x, y), pointwise=True)
    assert plain.pareto_k[5] > 0.7 > matched.pareto_k[5]
    assert np.abs(plain.elpd_i - exact).max() > 1.5
    np.testing.assert_allclose(matched.elpd_i, exact, atol=0.2)


@needs_arviz_1
def test_densities_are_those_that_the_sampler_sees_with_the_rows_in_their_order(rng):
    sigma, y = SCHOOLS_SIGMA, SCHOOLS_Y
    samples = {
        "mu": rng.normal(size=(2, 5)),
        "tau": rng.uniform(0.5, 3, (2, 5)),
        "theta": rng.normal(size=(2, 5, 8)),
    }
    log_prob, log_likelihood, upars = mm_from_numpyro(schools, samples, sigma, y)
    assert upars.dims == ("chain", "draw", "unconstrained_parameter")
    assert upars["unconstrained_parameter"].values.tolist() == ["mu", "tau", *(f"theta[{i}]" for i in range(8))]
    mu, tau, theta = (samples[name] for name in ("mu", "tau", "theta"))
    np.testing.assert_allclose(upars.sel(unconstrained_parameter="tau"), np.log(tau), rtol=1e-5)
    rows = stats.norm.logpdf(y, theta, sigma)
    priors = stats.norm.logpdf(mu, 0, 5) + stats.halfnorm.logpdf(tau, 0, 5) + np.log(tau)  # with the Jacobian
    priors += stats.norm.logpdf(theta, mu[..., None], tau[..., None]).sum(-1)
    np.testing.assert_allclose(log_prob(upars), priors + rows.sum(-1), rtol=1e-5)
    for i in (0, 7):
        np.testing.assert_allclose(log_likelihood(upars, i), rows[..., i], rtol=1e-4)
    moved = log_likelihood(upars.transpose("unconstrained_parameter", ...) + 1.0, 2)
    np.testing.assert_allclose(moved, stats.norm.logpdf(y[2], theta[..., 2] + 1.0, sigma[2]), rtol=1e-4)


@needs_arviz_1
def test_supports_that_depend_on_other_latents_are_followed(rng):
    def model(y):
        top = numpyro.sample("top", dist.Exponential())
        with numpyro.plate("row", len(y)):
            share = numpyro.sample("share", dist.Uniform(0.0, top))
            numpyro.sample("y", dist.Normal(share, 1.0), obs=y)

    top = rng.uniform(1.0, 2.0, (1, 6)).astype(np.float32)
    share = (rng.uniform(0.1, 0.9, (1, 6, 4)) * top[..., None]).astype(np.float32)
    y = np.arange(4, dtype=np.float32)
    _, log_likelihood, upars = mm_from_numpyro(model, {"top": top, "share": share}, y)
    np.testing.assert_allclose(log_likelihood(upars, 3), stats.norm.logpdf(3.0, share[..., 3]), rtol=1e-4)


@needs_arviz_1
def test_flat_draws_are_one_chain_and_labels_are_those_of_the_draws():
    x = np.zeros(3, np.float32)
    assert dict(mm_from_numpyro(line, {"slope": np.zeros(7)}, x, x)[2].sizes)["chain"] == 1
    posterior = xr.Dataset({"slope": (("draw", "chain"), np.zeros((5, 2)))}, {"chain": [3, 5]})
    upars = mm_from_numpyro(line, with_groups(posterior=posterior), x, y=x)[2]
    assert upars["chain"].values.tolist() == [3, 5]


def as_one_event(x, y=None):
    scale = numpyro.sample("scale", dist.HalfNormal())
    numpyro.sample("y", dist.MultivariateNormal(jnp.zeros(len(x)), scale * jnp.eye(len(x))), obs=y)


def by_factor(x, y):
    slope = numpyro.sample("slope", dist.Normal())
    numpyro.factor("likelihood", dist.Normal(slope * x, 1.0).log_prob(y).sum())


def two_outcomes(x, y=None, z=None):
    slope = numpyro.sample("slope", dist.Normal())
    numpyro.sample("y", dist.Normal(slope * x, 1.0), obs=y)
    numpyro.sample("z", dist.Normal(slope * x, 1.0), obs=z)


@needs_arviz_1
@pytest.mark.parametrize(
    ("model", "names", "match"),
    [
        (mixture, {"means": (2,), "which": (3,)}, "'which' is discrete"),
        (as_one_event, {"scale": ()}, "'y' is drawn as one event"),
        (by_factor, {"slope": ()}, "'likelihood' is a factor"),
        (two_outcomes, {"slope": ()}, "'y' and 'z'"),
        (line, {"slope": ()}, "none"),
    ],
)
def test_what_cannot_be_matched_is_refused_by_name(model, names, match):
    data = (np.zeros(3, np.float32),) * (1 if model is line else 3 if model is two_outcomes else 2)
    samples = {name: np.ones((4, *shape), int if name == "which" else float) for name, shape in names.items()}
    with pytest.raises(OptionError, match=match):
        mm_from_numpyro(model, samples, *data)


@needs_arviz_1
def test_one_of_several_outcomes_is_named():
    data = np.zeros(3, np.float32)
    _, of_z, upars = mm_from_numpyro(two_outcomes, {"slope": np.ones((1, 4))}, data, data, data + 1, var_name="z")
    np.testing.assert_allclose(of_z(upars, 0), stats.norm.logpdf(1.0), rtol=1e-5)


# What PyMC 6.4 and ArviZ 1.3 give for draws of `spread_line_draws` and `rate_draws`, in an environment of their own:
#     with pm.Model() as model:
#         variance = pm.InverseGamma("variance", 3.0, 3.0)
#         slope = pm.Normal("slope", 0.0, 2 * pm.math.sqrt(variance))
#         pm.Normal("y", slope * x, pm.math.sqrt(variance), observed=y)
#     with pm.Model() as model:
#         rate = pm.Gamma("rate", 2.0, 1.0, shape=3)
#         pm.Poisson("y", rate[group], observed=y)
#     loo = az.loo(idata, pointwise=True)  # idata: the draws, and the log likelihoods by SciPy
#     az.loo_moment_match(idata, loo, model=model).elpd
OF_PYMC = {"spread_line": (-16.19081, -17.70442), "rates": (-24.09403, -25.39252)}


def spread_line(x, y=None):
    variance = numpyro.sample("variance", dist.InverseGamma(3.0, 3.0))
    slope = numpyro.sample("slope", dist.Normal(0.0, 2 * jnp.sqrt(variance)))
    numpyro.sample("y", dist.Normal(slope * x, jnp.sqrt(variance)), obs=y)


def spread_line_draws():
    """Exact draws of the posterior, and the arguments."""
    rng = np.random.default_rng(1)
    x = np.linspace(-1, 1, 12)
    x[11] = 3.0
    y = x + 0.3 * np.sin(9 * x)
    y[11] = -1.0
    precision = 0.25 + x @ x
    mean = x @ y / precision
    rest = 3 + 0.5 * (y @ y - mean**2 * precision)
    variance = stats.invgamma.rvs(3 + 6, scale=rest, size=(4, 500), random_state=rng)
    return {"variance": variance, "slope": rng.normal(mean, np.sqrt(variance / precision))}, (x, y)


def rates(group, y=None):
    rate = numpyro.sample("rate", dist.Gamma(2.0, 1.0).expand([3]).to_event(1))
    numpyro.sample("y", dist.Poisson(rate[group]), obs=y)


def rate_draws():
    """Exact draws of the posterior, and the arguments."""
    rng = np.random.default_rng(2)
    group = np.array([0, 0, 1, 1, 1, 2])
    y = np.array([3, 4, 1, 0, 9, 12])
    rate = rng.gamma(2.0 + np.bincount(group, y), 1.0 / (1.0 + np.bincount(group)), (4, 500, 3))
    return {"rate": rate}, (group, y)


@needs_arviz_1
@pytest.mark.filterwarnings("ignore:Estimated shape parameter", "ignore:After Moment Matching")
@pytest.mark.parametrize(("model", "draws"), [(spread_line, spread_line_draws), (rates, rate_draws)])
def test_moment_matching_gives_what_pymc_gives_on_the_same_draws(model, draws):
    samples, args = draws()
    idata = scored(model, samples, *args)
    plain = az.loo(idata, pointwise=True)
    matched = az.loo_moment_match(idata, plain, *mm_from_numpyro(model, idata, *args))
    np.testing.assert_allclose((plain.elpd, matched.elpd), OF_PYMC[model.__name__], atol=0.01)


# ------------------------------------------------------------------------------------------------------ refits


def fitted(model, samples, *args, **kwargs):
    """An MCMC with these draws, as if it had been run."""
    mcmc = MCMC(NUTS(model), num_warmup=1, num_samples=len(next(iter(samples.values()))), **QUIETLY)
    mcmc._args, mcmc._kwargs, mcmc._last_state = args, kwargs, ()
    mcmc._states_flat = mcmc._states = {"z": {name: jnp.asarray(x) for name, x in samples.items()}}
    return mcmc


def without(model, shapes, idx, *args, **kwargs):
    """The arguments of a refit without these rows, and those with which they are scored."""
    draws = np.random.default_rng(0)
    samples = {name: draws.uniform(0.3, 0.9, (4, *shape)).astype(np.float32) for name, shape in shapes.items()}
    mcmc = fitted(model, samples, *args, **kwargs)
    wrapper = NumPyroWrapper(mcmc, with_groups(posterior=xr.Dataset()))
    part, (everything, n) = wrapper.sel_observations(idx)
    assert n == np.size(idx)
    return part.arguments(), everything.arguments()


N = 7
ROWS = np.array([0, 1, 3, 4, 6])  # without 2 and 5
X = np.linspace(-1, 1, N).astype(np.float32)
Y = (X + 0.1).astype(np.float32)
GROUP = np.array([0, 1, 2, 0, 1, 2, 2])


def by_group(x, group, n_groups, y=None):
    with numpyro.plate("groups", n_groups):
        effect = numpyro.sample("effect", dist.Normal())
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(effect[group] + x, 1.0), obs=y)


@needs_arviz_1
def test_rows_of_positional_arguments_and_keywords():
    (args, kwargs), (scored_args, scored_kwargs) = without(by_group, {"effect": (3,)}, [5, 2], X, GROUP, 3, y=Y)
    np.testing.assert_array_equal(args[0], X[ROWS])
    np.testing.assert_array_equal(args[1], GROUP[ROWS])
    assert args[2] == 3
    np.testing.assert_array_equal(kwargs["y"], Y[ROWS])
    order = [*ROWS, 5, 2]  # held-out rows last, as they were asked for
    np.testing.assert_array_equal(scored_args[1], GROUP[order])
    np.testing.assert_array_equal(scored_kwargs["y"], Y[order])


@needs_arviz_1
def test_a_number_of_rows_goes_with_them():
    def model(n, x, y):
        slope = numpyro.sample("slope", dist.Normal())
        with numpyro.plate("row", n):
            numpyro.sample("y", dist.Normal(slope * x, 1.0), obs=y)

    ((n, x, y), _), ((m, *_), _) = without(model, {"slope": ()}, 3, N, X, Y)
    assert (n, len(x), len(y), m) == (6, 6, 6, 7)


@needs_arviz_1
def test_columns_stay_also_where_there_are_as_many_as_rows():
    def model(features, y):
        beta = numpyro.sample("beta", dist.Normal(0, 1).expand([features.shape[1]]).to_event(1))
        numpyro.sample("y", dist.Normal(features @ beta, 1.0), obs=y)

    square = np.arange(N * N, dtype=np.float32).reshape(N, N)
    ((features, _), _), _ = without(model, {"beta": (N,)}, [2, 5], square, Y)
    np.testing.assert_array_equal(features, square[ROWS])


@needs_arviz_1
def test_rows_along_another_axis():
    def model(features, y):
        beta = numpyro.sample("beta", dist.Normal(0, 1).expand([features.shape[0]]).to_event(1))
        numpyro.sample("y", dist.Normal(beta @ features, 1.0), obs=y)

    features = np.arange(3 * N, dtype=np.float32).reshape(3, N)
    ((found, _), _), _ = without(model, {"beta": (3,)}, [2, 5], features, Y)
    np.testing.assert_array_equal(found, features[:, ROWS])


@needs_arviz_1
def test_a_dict():
    def model(data):
        slope = numpyro.sample("slope", dist.Normal())
        with numpyro.plate("row", len(data["x"])):
            numpyro.sample("y", dist.Normal(slope * data["x"], data["scale"]), obs=data["y"])

    data = {"x": X, "y": Y, "scale": 2.0, "unused": np.zeros(3)}
    ((found,), _), _ = without(model, {"slope": ()}, [2, 5], data)
    np.testing.assert_array_equal(found["x"], X[ROWS])
    np.testing.assert_array_equal(found["y"], Y[ROWS])
    assert found["scale"] == 2.0
    assert len(found["unused"]) == 3


@needs_arviz_1
def test_a_frame_with_categories_keeps_them():
    pd = pytest.importorskip("pandas")

    def model(frame):
        group = frame["group"].astype("category")
        with numpyro.plate("groups", len(frame["group"].cat.categories)):
            effect = numpyro.sample("effect", dist.Normal())
        with numpyro.plate("row", len(frame)):
            mu = effect[group.cat.codes.to_numpy()]
            numpyro.sample("y", dist.Normal(mu, 1.0), obs=frame["y"].to_numpy())

    frame = pd.DataFrame({"y": Y, "group": pd.Categorical(list("abcabbb"))})
    ((found,), _), ((everything,), _) = without(model, {"effect": (3,)}, [2], frame)  # the only c
    assert found["y"].tolist() == np.delete(Y, 2).tolist()
    assert list(found["group"].cat.categories) == ["a", "b", "c"]
    assert everything["group"].tolist() == list("ababbbc")


@needs_arviz_1
def test_a_series_and_an_index_array():
    pd = pytest.importorskip("pandas")

    def model(x, group, n_groups, y):
        with numpyro.plate("groups", n_groups):
            effect = numpyro.sample("effect", dist.Normal())
        numpyro.sample("y", dist.Normal(effect[group] + x.to_numpy(), 1.0), obs=y)

    ((x, group, *_), _), _ = without(model, {"effect": (3,)}, [2, 5], pd.Series(X), GROUP, 3, Y)
    np.testing.assert_array_equal(x, X[ROWS])
    np.testing.assert_array_equal(group, GROUP[ROWS])


@needs_arviz_1
def test_a_dataset_and_a_labelled_array():
    def model(data, y):
        slope = numpyro.sample("slope", dist.Normal())
        numpyro.sample("y", dist.Normal(slope * data["x"].values, 1.0), obs=y.values)

    labels = {"day": np.arange(10, 10 + N)}
    data = xr.Dataset({"x": ("day", X)}, labels)
    ((found, y), _), _ = without(model, {"slope": ()}, [2, 5], data, xr.DataArray(Y, labels, ("day",)))
    assert found["day"].values.tolist() == (10 + ROWS).tolist()
    np.testing.assert_array_equal(y, Y[ROWS])


@needs_arviz_1
def test_a_list_of_numbers():
    def model(x, y):
        slope = numpyro.sample("slope", dist.Normal())
        numpyro.sample("y", dist.Normal(slope * jnp.array(x), 1.0), obs=jnp.array(y))

    ((x, y), _), _ = without(model, {"slope": ()}, [2, 5], X.tolist(), Y.tolist())
    assert (x, y) == (X[ROWS].tolist(), Y[ROWS].tolist())


@needs_arviz_1
def test_of_two_tables_the_one_that_is_scored():
    def model(towns, town, y, levels=None):
        slope = numpyro.sample("slope", dist.Normal())
        with numpyro.plate("towns", len(towns)):
            effect = numpyro.sample("effect", dist.Normal(slope * towns, 1.0))
        numpyro.sample("y", dist.Normal(effect[town], 1.0), obs=y)

    towns = np.linspace(0, 1, 3).astype(np.float32)
    ((found, town, y), _), _ = without(model, {"slope": (), "effect": (3,)}, [2, 5], towns, GROUP, Y)
    np.testing.assert_array_equal(found, towns)
    np.testing.assert_array_equal(town, GROUP[ROWS])
    np.testing.assert_array_equal(y, Y[ROWS])


@needs_arviz_1
def test_a_table_that_is_as_long_by_accident_is_refused():
    table = np.linspace(0, 1, N).astype(np.float32)
    index = np.array([6, 5, 4, 3, 2, 1, 0])

    def model(table, index, y):
        slope = numpyro.sample("slope", dist.Normal())
        numpyro.sample("y", dist.Normal(slope * table[index], 1.0), obs=y)

    with pytest.raises(OptionError, match=r"table\[0\] = index\[0\]"):
        without(model, {"slope": ()}, [2, 5], table, index, Y)
    with pytest.raises(OptionError, match="'y' at the others is drawn with another loc"):
        without(model, {"slope": ()}, [2, 5], jnp.asarray(table), index, Y)


@needs_arviz_1
def test_several_outcomes_of_one_row_go_together():
    def model(x, y=None):
        slope = numpyro.sample("slope", dist.Normal())
        with numpyro.plate("row", len(x)):
            numpyro.sample("y", dist.Normal(slope * x[:, None], jnp.ones(2)).to_event(1), obs=y)

    ((x, y), _), _ = without(model, {"slope": ()}, [2, 5], X, np.stack([Y, Y], 1))
    assert (x.shape, y.shape) == ((5,), (5, 2))


def gaussian_process(x, y=None):
    length = numpyro.sample("length", dist.LogNormal(0.0, 0.3))
    gap = (x[:, None] - x) / length
    kernel = jnp.exp(-0.5 * gap**2) + 1e-3 * jnp.eye(len(x))
    f = numpyro.sample("f", dist.MultivariateNormal(jnp.zeros(len(x)), kernel))
    numpyro.sample("y", dist.Normal(f, 0.5), obs=y)


@needs_arviz_1
def test_inputs_of_a_gaussian_process_can_be_left_out():
    ((x, _), _), _ = without(gaussian_process, {"length": (), "f": (N,)}, [2, 5], X, Y)
    np.testing.assert_array_equal(x, X[ROWS])


def walk(y):
    scale = numpyro.sample("scale", dist.HalfNormal())
    level = numpyro.sample("level", dist.GaussianRandomWalk(scale, len(y)))
    numpyro.sample("y", dist.Normal(level, 1.0), obs=y)


def innovations(y):
    with numpyro.plate("time", len(y)):
        step = numpyro.sample("step", dist.Normal())
        numpyro.sample("y", dist.Normal(jnp.cumsum(step), 1.0), obs=y)


def lagged(x, y):
    slope = numpyro.sample("slope", dist.Normal())
    before = jnp.concatenate([jnp.zeros(1), x[:-1]])
    numpyro.sample("y", dist.Normal(slope * before, 1.0), obs=y)


def trend(x, y):
    slope = numpyro.sample("slope", dist.Normal())
    numpyro.sample("y", dist.Normal(slope * jnp.arange(len(x)) + x, 1.0), obs=y)


def in_scan(y):
    scale = numpyro.sample("scale", dist.HalfNormal())

    def step(before, _):
        now = numpyro.sample("level", dist.Normal(before, scale))
        return now, now

    _, levels = scan(step, jnp.zeros(()), None, len(y))
    numpyro.sample("y", dist.Normal(levels, 1.0), obs=y)


SERIES = [
    (walk, {"scale": (), "level": (N,)}, (Y,)),
    (innovations, {"step": (N,)}, (Y,)),
    (lagged, {"slope": ()}, (X, Y)),
    (trend, {"slope": ()}, (X, Y)),
    (in_scan, {"scale": (), "level": (N,)}, (Y,)),
]


@needs_arviz_1
@pytest.mark.parametrize(("model", "shapes", "args"), SERIES)
def test_a_series_is_left_out_at_its_end_only(model, shapes, args):
    (found, _), (everything, _) = without(model, shapes, [5, 6], *args)
    for was, part, ordered in zip(args, found, everything):
        np.testing.assert_array_equal(part, was[:5])
        np.testing.assert_array_equal(ordered, was)
    with pytest.raises(OptionError, match="Rows at the end can be left out, as lfo_cv does"):
        without(model, shapes, [2, 5], *args)


def centred(x, y):
    slope = numpyro.sample("slope", dist.Normal())
    numpyro.sample("y", dist.Normal(slope * (x - x.mean()), 1.0), obs=y)


def scaled(x, y):
    slope = numpyro.sample("slope", dist.Normal(0.0, 1.0 / len(x)))
    numpyro.sample("y", dist.Normal(slope * x, 1.0), obs=y)


@needs_arviz_1
@pytest.mark.parametrize(("model", "name"), [(centred, "'y'"), (scaled, "'slope'")])
@pytest.mark.parametrize("idx", [[2, 5], [5, 6], 0])
def test_what_all_rows_have_a_part_in_is_refused_by_name(model, name, idx):
    with pytest.raises(OptionError, match=f"{name} at the others is drawn with another"):
        without(model, {"slope": ()}, idx, X, Y)


# An outcome that is made of all rows inside the model: a refit would score other numbers.


def standardized(score):
    return (score - score.mean()) / score.std()


def share_of_all(score):
    return score / score.sum()


def ranked(score):
    return jnp.argsort(jnp.argsort(score)).astype(float)


def above_the_median(score):
    return (score > jnp.median(score)).astype(float)


def with_outcome(transformed):
    def model(x, score):
        slope = numpyro.sample("slope", dist.Normal())
        numpyro.sample("score", dist.Normal(slope * x, 1.0), obs=transformed(score))

    return model


SCORES = np.array([3.1, 5.0, 9.5, 2.2, 1.2, 0.2, 0.9], np.float32)


@needs_arviz_1
@pytest.mark.parametrize("transformed", [standardized, share_of_all, ranked, above_the_median])
@pytest.mark.parametrize("idx", [[3, 5], [0, 1, 2, 5], [5, 6]])
def test_an_outcome_that_is_made_of_all_rows_is_refused_by_name(transformed, idx):
    with pytest.raises(OptionError, match="'score' at the others is observed with another value"):
        without(with_outcome(transformed), {"slope": ()}, idx, X, SCORES)


@needs_arviz_1
@pytest.mark.parametrize("transformed", [jnp.log1p, np.asarray, lambda score: (score - 3.0) / 2.0, lambda s: s > 1.0])
@pytest.mark.parametrize("idx", [[2, 5], [5, 6], 0])
def test_an_outcome_that_is_made_row_by_row_can_be_left_out(transformed, idx):
    ((x, score), _), _ = without(with_outcome(transformed), {"slope": ()}, idx, X, SCORES)
    np.testing.assert_array_equal(x, np.delete(X, idx))
    np.testing.assert_array_equal(score, np.delete(SCORES, idx))


def counted(group, y):
    with numpyro.plate("groups", int(group.max()) + 1):
        effect = numpyro.sample("effect", dist.Normal())
    numpyro.sample("y", dist.Normal(effect[group], 1.0), obs=y)


def numbered(group, y):
    names, codes = np.unique(group, return_inverse=True)
    with numpyro.plate("groups", len(names)):
        effect = numpyro.sample("effect", dist.Normal())
    numpyro.sample("y", dist.Normal(effect[codes], 1.0), obs=y)


@needs_arviz_1
@pytest.mark.parametrize(("model", "group"), [(counted, [0, 0, 1, 1, 0, 1, 2]), (numbered, [0, 0, 2, 2, 0, 2, 1])])
def test_groups_that_are_counted_in_the_data_are_refused_where_another_number_is_counted(model, group):
    group = np.array(group)
    with pytest.raises(OptionError, match=r"'groups' of shape \(2,\), where \(3,\) was expected"):
        without(model, {"effect": (3,)}, 6, group, Y)
    ((found, _), _), _ = without(model, {"effect": (3,)}, 0, group, Y)
    np.testing.assert_array_equal(found, group[1:])


def of_closure():
    slope = numpyro.sample("slope", dist.Normal())
    numpyro.sample("y", dist.Normal(slope * X, 1.0), obs=Y)


def covariates_of_closure(y):
    slope = numpyro.sample("slope", dist.Normal())
    numpyro.sample("y", dist.Normal(slope * X, 1.0), obs=y)


def table_of_scores(x, y):
    slope = numpyro.sample("slope", dist.Normal())
    numpyro.sample("y", dist.Normal(slope * x[:, None], jnp.ones(3)), obs=y)


@needs_arviz_1
@pytest.mark.parametrize(
    ("model", "args", "match"),
    [
        (of_closure, (), "no argument"),
        (covariates_of_closure, (Y,), "no argument"),
        (table_of_scores, (X, np.zeros((N, 3), np.float32)), r"x\[0\]"),
        (as_one_event, (X, Y), "one event"),
        (by_factor, (X, Y), "'likelihood' is a factor"),
    ],
)
def test_models_without_rows_to_leave_out_are_refused_by_name(model, args, match):
    shape = {"scale": ()} if model is as_one_event else {"slope": ()}
    with pytest.raises(OptionError, match=match):
        without(model, shape, 2, *args)


# -------------------------------------------------------------- ten models of other fields: five are refused by name


def toxicology(trials):
    lethal = numpyro.sample("lethal", dist.Normal(1.5, 1.0))
    steep = numpyro.sample("steep", dist.LogNormal(0.0, 1.0))
    logits = steep * (trials["dose"].to_numpy() - lethal)
    with numpyro.plate("batch", len(trials)):
        numpyro.sample(
            "dead", dist.Binomial(trials["insects"].to_numpy(), logits=logits), obs=trials["dead"].to_numpy()
        )


def pollination(visits, n_plants, n_bees, *, count=None):
    with numpyro.plate("plants", n_plants):
        plant = numpyro.sample("plant", dist.Normal())
    with numpyro.plate("bees", n_bees):
        bee = numpyro.sample("bee", dist.Normal())
    with numpyro.plate("visit", visits["hours"].shape[0]):
        rate = visits["hours"] * jnp.exp(plant[visits["plant"]] + bee[visits["bee"]])
        numpyro.sample("count", dist.Poisson(rate), obs=count)


def exam(answers):
    with numpyro.plate("person", answers.sizes["person"]):
        ability = numpyro.sample("ability", dist.Normal(answers["age"].values, 1.0))
    with numpyro.plate("item", 2):
        hard = numpyro.sample("hard", dist.Normal())
    logits = ability[answers["who"].values] - hard[answers["which"].values]
    numpyro.sample("right", dist.Bernoulli(logits=logits), obs=answers["right"].values)


def enzyme(substrate, rate=None, noise=0.1):
    top = numpyro.sample("top", dist.LogNormal(0.0, 1.0))
    half = numpyro.sample("half", dist.LogNormal(0.0, 1.0))
    with numpyro.plate("tube", len(substrate)):
        true = numpyro.sample("true", dist.LogNormal(jnp.log(substrate + 2.0), 0.1))
        numpyro.sample("rate", dist.StudentT(4.0, top * true / (half + true), noise), obs=rate)


def astronomy(stars):
    x, y, covariance = stars
    depth = numpyro.sample("depth", dist.HalfNormal())
    with numpyro.plate("star", x.shape[0]):
        z = numpyro.sample("z", dist.Normal(0.0, depth))
        place = jnp.stack([z, 2 * z], -1)
        numpyro.sample("seen", dist.MultivariateNormal(place, covariance), obs=jnp.stack([x, y], -1))


def table_of_trials():
    pd = pytest.importorskip("pandas")
    return pd.DataFrame({"dose": X, "insects": np.full(N, 9), "dead": COUNTS}, index=list("gfedcba"))


def table_of_answers():
    columns = {"who": ("answer", GROUP), "which": ("answer", BOTH), "right": ("answer", BOTH)}
    return xr.Dataset({"age": ("person", X[:3]), **columns})


COUNTS = np.array([3, 1, 4, 1, 5, 2, 6])
BOTH = np.array([1, 0, 1, 0, 1, 0, 1])
VISITS = {"hours": X + 2, "plant": GROUP, "bee": BOTH}
COVARIANCES = (np.arange(1, N + 1)[:, None, None] * np.eye(2)).astype(np.float32)
TAKEN = [
    (toxicology, {"lethal": (), "steep": ()}, lambda: ((table_of_trials(),), {})),
    (pollination, {"plant": (3,), "bee": (2,)}, lambda: ((VISITS, 3, 2), {"count": COUNTS})),
    (exam, {"ability": (3,), "hard": (2,)}, lambda: ((table_of_answers(),), {})),
    (enzyme, {"top": (), "half": (), "true": (N,)}, lambda: ((), {"substrate": X, "rate": Y})),
    (astronomy, {"depth": (), "z": (N,)}, lambda: (((X, Y, COVARIANCES),), {})),
]


def at_rows(arg):
    """The same, by hand: what is as long as the rows loses those that are held out."""
    if hasattr(arg, "iloc"):
        return arg.iloc[ROWS]
    if isinstance(arg, xr.Dataset):
        return arg.isel(answer=ROWS)
    return arg[ROWS] if np.shape(arg)[:1] == (N,) else arg


@needs_arviz_1
@pytest.mark.parametrize(("model", "shapes", "call"), TAKEN)
def test_rows_of_other_fields(model, shapes, call):
    args, kwargs = call()
    found, _ = without(model, shapes, [2, 5], *args, **kwargs)
    is_leaf = lambda arg: hasattr(arg, "columns") or isinstance(arg, xr.Dataset)  # noqa: E731
    was = [at_rows(arg) for arg in jax.tree_util.tree_leaves((args, kwargs), is_leaf=is_leaf)]
    now = jax.tree_util.tree_leaves(found, is_leaf=is_leaf)
    if model is enzyme:
        now = now[: len(was)]  # the default of `noise` comes with the call
    assert len(now) == len(was)
    for one, other in zip(was, now):
        if is_leaf(one):
            assert one.equals(other)
        else:
            np.testing.assert_array_equal(other, one)


def tournament(winner, loser, margin):
    with numpyro.plate("players", int(max(winner.max(), loser.max())) + 1):
        skill = numpyro.sample("skill", dist.Normal())
    numpyro.sample("margin", dist.Normal(skill[winner] - skill[loser], 1.0), obs=margin)


def disease_map(neighbours, y):
    rho = numpyro.sample("rho", dist.Uniform(0.0, 1.0))
    precision = jnp.diag(neighbours.sum(1)) - rho * neighbours + 0.1 * jnp.eye(len(y))
    phi = numpyro.sample("phi", dist.MultivariateNormal(jnp.zeros(len(y)), precision_matrix=precision))
    numpyro.sample("y", dist.Normal(phi, 1.0), obs=y)


def market(price, share):
    taste = numpyro.sample("taste", dist.Normal())
    numpyro.sample("share", dist.Normal(jax.nn.softmax(-taste * price), 0.1), obs=share)


def outbreak(cases, beds):
    r = numpyro.sample("r", dist.LogNormal(0.0, 0.5))
    before = jnp.concatenate([jnp.ones(1), jnp.cumsum(cases)[:-1]])
    numpyro.sample("cases", dist.Poisson(r * before / beds), obs=cases)


RING = np.roll(np.eye(N), 1, 0) + np.roll(np.eye(N), -1, 0)
PLAYERS = np.array([0, 1, 2, 0, 1, 0, 1]), np.array([1, 0, 0, 1, 0, 1, 0])
REFUSED = [
    (with_outcome(standardized), {"slope": ()}, (X, SCORES), "'score' at the others is observed with another value"),
    (tournament, {"skill": (3,)}, (*PLAYERS, Y), r"'players' of shape \(2,\)"),
    (disease_map, {"rho": (), "phi": (N,)}, (RING, Y), "'phi' at the others is drawn with another covariance"),
    (market, {"taste": ()}, (X, Y), "'share' at the others is drawn with another loc"),
    (outbreak, {"r": ()}, (COUNTS, X + 3), "'cases' at the others is drawn with another rate"),
]


@needs_arviz_1
@pytest.mark.parametrize(("model", "shapes", "args", "match"), REFUSED)
def test_models_of_other_fields_that_are_refused_by_name(model, shapes, args, match):
    with pytest.raises(OptionError, match=match):
        without(model, shapes, [2, 5], *args)


# ------------------------------------------------------------------------- refits against closed forms and by hand


def with_scores(mcmc, model, *args, dims=None):
    """What a user has after a fit."""
    idata = az.from_numpyro(mcmc)
    idata["log_likelihood"] = Predictor(model, mcmc, dims=dims).log_likelihood(*args)
    return idata


def error_of(scores):
    """The Monte-Carlo error of a log mean of densities, of draws in a dimension."""
    densities = np.exp(scores - scores.max())
    return densities.std() / densities.mean() / np.sqrt(densities.size / 4)  # draws of a chain are not independent


class Recording(NumPyroWrapper):
    """It keeps the scores, from which the error of their mean follows."""

    def log_likelihood__i(self, excluded_obs, idata__i):
        scores = super().log_likelihood__i(excluded_obs, idata__i)
        self.errors = [*getattr(self, "errors", []), error_of(scores.values)]
        return scores


@needs_arviz_1
@pytest.mark.slow
def test_kfold_is_what_refits_by_hand_give_and_refits_of_equal_shape_are_compiled_once():
    x = np.linspace(-1, 2, 9).astype(np.float32)
    y = (x + np.sin(7 * x)).astype(np.float32)
    runs = []

    def model(x, y=None):
        runs.append(len(x))
        line(x, y)

    mcmc = fit(model, x, y)
    idata = with_scores(mcmc, model, x, y)
    wrapper = NumPyroWrapper(mcmc, idata, jax.random.PRNGKey(5))
    found = az.loo_kfold(idata, wrapper, folds=np.arange(9) % 3, pointwise=True)
    for fold in range(3):
        rest, held = np.arange(9) % 3 != fold, np.arange(9) % 3 == fold
        again = MCMC(NUTS(line), num_warmup=200, num_samples=200, num_chains=2, jit_model_args=True, **QUIETLY)
        again.run(jax.random.PRNGKey(5), x[rest], y[rest])
        slope = np.asarray(again.get_samples()["slope"])
        expected = np.log(np.exp(stats.norm.logpdf(y[held], slope[:, None] * x[held])).mean(0))
        np.testing.assert_allclose(found.elpd_i[held], expected, atol=1e-4)
    part, _ = wrapper.sel_observations([1, 4, 7])
    before = len(runs)
    wrapper.sample(part)
    assert len(runs) - before <= 8  # a compilation runs the model some forty times


@needs_arviz_1
@pytest.mark.slow
def test_lfo_is_what_refits_by_hand_give():
    x = np.linspace(-1, 2, 9).astype(np.float32)
    y = (x + np.sin(7 * x)).astype(np.float32)

    def model(x, y=None):
        slope = numpyro.sample("slope", dist.Normal(0.0, 1.0))
        with numpyro.plate("time", len(x)):
            numpyro.sample("y", dist.Normal(slope * x, 1.0), obs=y)

    mcmc = fit(model, x, y)
    idata = with_scores(mcmc, model, x, y)
    wrapper = NumPyroWrapper(mcmc, idata, jax.random.PRNGKey(5))
    found = az.lfo_cv(idata, wrapper, 6, 1, method="exact", pointwise=True)
    for i, cutoff in enumerate((6, 7, 8)):
        again = MCMC(NUTS(model), num_warmup=200, num_samples=200, num_chains=2, jit_model_args=True, **QUIETLY)
        again.run(jax.random.PRNGKey(5), x[:cutoff], y[:cutoff])
        slope = np.asarray(again.get_samples()["slope"])
        expected = np.log(np.exp(stats.norm.logpdf(y[cutoff], slope * x[cutoff])).mean())
        np.testing.assert_allclose(found.elpd_i[i], expected, atol=1e-4)


@needs_arviz_1
@pytest.mark.slow
def test_kfold_of_eight_schools_is_that_of_integrals():
    mcmc = fit(schools, SCHOOLS_SIGMA, SCHOOLS_Y, draws=2000)
    idata = with_scores(mcmc, schools, SCHOOLS_SIGMA, SCHOOLS_Y)
    wrapper = Recording(mcmc, idata)
    found = az.loo_kfold(idata, wrapper, folds=np.arange(8), pointwise=True)
    mu, tau = np.meshgrid(np.linspace(-25, 30, 400), np.linspace(0.01, 30, 400), indexing="ij")
    prior = stats.norm.logpdf(mu, 0, 5) + stats.halfnorm.logpdf(tau, 0, 5)
    sd = np.sqrt(tau[..., None] ** 2 + SCHOOLS_SIGMA**2)
    rows = stats.norm.logpdf(SCHOOLS_Y, mu[..., None], sd)
    for i in range(8):
        others = np.exp(prior + rows.sum(-1) - rows[..., i])
        exact = np.log((others * np.exp(rows[..., i])).sum() / others.sum())
        assert abs(found.elpd_i[i] - exact) < 4 * wrapper.errors[i]


def normal_left_out(covariance, noise, y, held):
    """The log density of held-out values of a Gaussian vector that is seen with noise, each alone, given the others."""
    total = covariance + noise**2 * np.eye(len(y))
    rest = np.setdiff1d(np.arange(len(y)), held)
    weights = np.linalg.solve(total[np.ix_(rest, rest)], total[np.ix_(rest, held)])
    variance = np.diag(total)[held] - (total[np.ix_(rest, held)] * weights).sum(0)
    return stats.norm.logpdf(y[held], y[rest] @ weights, np.sqrt(variance))


@needs_arviz_1
@pytest.mark.slow
def test_lfo_of_a_walk_is_that_of_the_kalman_filter():
    y = np.array([0.3, 0.8, 0.5, 1.4, 1.9, 1.2, 2.2, 2.0], np.float32)

    def model(y):
        level = numpyro.sample("level", dist.GaussianRandomWalk(0.7, len(y)))
        with numpyro.plate("time", len(y)):
            numpyro.sample("y", dist.Normal(level, 0.5), obs=y)

    mcmc = fit(model, y, draws=1500)
    idata = with_scores(mcmc, model, y)
    wrapper = Recording(mcmc, idata)
    found = az.lfo_cv(idata, wrapper, 5, 1, method="exact", pointwise=True)
    time = np.arange(1, 9)
    covariance = 0.49 * np.minimum(time, time[:, None])
    for i, cutoff in enumerate((5, 6, 7)):
        part = np.ix_(time[: cutoff + 1] - 1, time[: cutoff + 1] - 1)
        exact = normal_left_out(covariance[part], 0.5, y[: cutoff + 1], np.array([cutoff]))
        assert abs(found.elpd_i[i] - exact[0]) < 4 * max(wrapper.errors[i], 0.005)


@needs_arviz_1
@pytest.mark.slow
def test_kfold_of_a_gaussian_process_is_that_of_conditional_normals():
    x = np.linspace(-2, 2, 9).astype(np.float32)
    y = np.sin(2 * x).astype(np.float32)
    kernel = np.exp(-0.5 * (x[:, None] - x) ** 2 / 0.64) + 1e-3 * np.eye(9)

    def model(x, y=None):
        kernel = jnp.exp(-0.5 * (x[:, None] - x) ** 2 / 0.64) + 1e-3 * jnp.eye(len(x))
        f = numpyro.sample("f", dist.MultivariateNormal(jnp.zeros(len(x)), kernel))
        numpyro.sample("y", dist.Normal(f, 0.5), obs=y)

    mcmc = fit(model, x, y, draws=1500)
    idata = with_scores(mcmc, model, x, y)
    wrapper = Recording(mcmc, idata)
    found = az.loo_kfold(idata, wrapper, folds=np.arange(9) % 3, pointwise=True)
    for fold in range(3):
        held = np.flatnonzero(np.arange(9) % 3 == fold)
        exact = normal_left_out(kernel, 0.5, y, held)
        assert np.abs(found.elpd_i[held] - exact).max() < 4 * max(wrapper.errors[fold], 0.01)


@needs_arviz_1
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_reloo_scores_single_rows_anew():
    x = np.array([0.3, -0.5, 0.4, 0.2, -0.1, 1.5, 0.6, -0.7, 0.5], np.float32)
    y = np.array([0.2, -0.4, 0.9, 0.0, 0.3, -2.5, 0.7, -0.5, 0.1], np.float32)
    mcmc = fit(line, x, y, draws=1000)
    idata = with_scores(mcmc, line, x, y)
    wrapper = Recording(mcmc, idata)
    found = az.reloo(wrapper, k_threshold=0.5, pointwise=True)
    assert found.pareto_k[5] == 0.0
    assert abs(found.elpd_i[5] - left_out(x, y, 5)) < 4 * max(wrapper.errors)


# ------------------------------------------------------------------------------------------- predictions beside draws


def recorded(dims=None, chains=2, **more):
    """Draws of `line` by groups, as ArviZ has them after a fit to 5 rows."""
    rng = np.random.default_rng(0)
    slope = rng.normal(size=(chains, 20)).astype(np.float32)
    draws = {"chain": np.arange(chains), "draw": np.arange(20)}
    mu = slope[..., None] * np.linspace(-1, 1, 5, dtype=np.float32)
    posterior = {"slope": (("chain", "draw"), slope), "mu": (("chain", "draw", "mu_dim_0"), mu)}
    observed = xr.Dataset({"y": (dims or "y_dim_0", mu[0, 0])})
    return with_groups(posterior=xr.Dataset(posterior, draws), observed_data=observed, **more)


def groups_of(idata):
    return sorted(
        idata.groups() if callable(idata.groups) else [name.strip("/") for name in idata.groups if name != "/"]
    )


FIVE = np.linspace(-1, 1, 5, dtype=np.float32)


@pytest.mark.parametrize("rows", [FIVE, np.zeros(3, np.float32)])
def test_predictions_stand_beside_the_draws_and_the_input_is_as_it_was(rows):
    idata = recorded()
    predicted = Predictor(line, idata)(jax.random.PRNGKey(0), rows)
    before = predicted.copy(deep=True)
    found = with_predictions(idata, predicted)
    assert type(found) is type(idata)
    assert groups_of(found) == ["observed_data", "posterior", "predictions"]
    assert groups_of(idata) == ["observed_data", "posterior"]
    xr.testing.assert_identical(predicted, before)
    assert found["predictions"]["mu"].dims == found["predictions"]["y"].dims == ("chain", "draw", "y_dim_0")
    np.testing.assert_array_equal(found["predictions"]["mu"], predicted["mu"])
    again = with_predictions(found, predicted[["y"]])  # a cell that is run twice
    assert list(again["predictions"].data_vars) == ["y"]
    assert list(found["predictions"].data_vars) == ["mu", "y"]


@needs_arviz_1
def test_arviz_plots_them_beside_the_observed_data():
    idata = recorded()
    found = with_predictions(idata, Predictor(line, idata)(jax.random.PRNGKey(0), FIVE), "posterior_predictive")
    az.plot_ppc_dist(found, num_samples=10, backend="none")


def test_dimensions_are_those_of_the_observed_data_also_where_draws_come_without_labels():
    def model(x, y=None):
        slope = numpyro.sample("slope", dist.Normal())
        with numpyro.plate("row", len(x)):
            mu = numpyro.deterministic("mu", slope * x)
            numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    idata = recorded(dims="day")
    predicted = Predictor(model, {"slope": np.zeros(20)})(jax.random.PRNGKey(0), FIVE)
    assert predicted["y"].dims == ("draw", "row")
    found = with_predictions(idata, predicted, group="posterior_predictive")["posterior_predictive"]
    assert found["y"].dims == found["mu"].dims == ("chain", "draw", "day")


def test_what_is_as_long_as_the_rows_by_accident_is_not_paired_with_them():
    def model(x, y=None):
        beta = numpyro.sample("beta", dist.Normal(0, 1).expand([5]).to_event(1))
        numpyro.deterministic("size", beta**2)
        numpyro.sample("y", dist.Normal(x @ beta, 1.0), obs=y)

    predicted = Predictor(model, {"beta": np.zeros((2, 20, 5))})(jax.random.PRNGKey(0), np.zeros((5, 5), np.float32))
    found = with_predictions(recorded(), predicted)["predictions"]
    assert found["size"].dims == ("chain", "draw", "size_dim_0")
    assert found["y"].dims == ("chain", "draw", "y_dim_0")


@pytest.mark.parametrize("samples", [{"slope": np.zeros(3)}, xr.Dataset({"slope": ("draw", np.zeros(3))})])
def test_samples_without_groups_are_refused(samples):
    predicted = Predictor(line, {"slope": np.zeros(3)})(jax.random.PRNGKey(0), FIVE)
    with pytest.raises(SamplesTypeError, match="without groups"):
        with_predictions(samples, predicted)


@pytest.mark.skipif(lfo_cv is not None, reason="ArviZ before 1.3")
def test_what_needs_another_arviz_says_so_at_the_call():
    with pytest.raises(OptionError, match=r"mm_from_numpyro needs ArviZ 1\.3"):
        mm_from_numpyro(line, {"slope": np.zeros(4)}, np.zeros(3), np.zeros(3))
    mcmc = MCMC(NUTS(line), num_warmup=1, num_samples=1)
    with pytest.raises(OptionError, match=r"NumPyroWrapper needs ArviZ 1\.3"):
        NumPyroWrapper(mcmc, None)
