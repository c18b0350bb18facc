"""What ArviZ asks of a model: against SciPy, closed forms, and refits by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import handlers
from numpyro.infer import MCMC, NUTS
from scipy import stats

from sanitize import MissingLatentError, OptionError, Predictor, SanitizeWarning

az = pytest.importorskip("arviz")
xr = pytest.importorskip("xarray")
pytest.importorskip("numpyro", "0.15")

from containers_of import with_groups  # noqa: E402

from sanitize.arviz import log_prior, mm_from_numpyro  # noqa: E402

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


@pytest.mark.skipif(lfo_cv is not None, reason="ArviZ before 1.3")
def test_what_needs_another_arviz_says_so_at_the_call():
    with pytest.raises(OptionError, match=r"mm_from_numpyro needs ArviZ 1\.3"):
        mm_from_numpyro(line, {"slope": np.zeros(4)}, np.zeros(3), np.zeros(3))
