"""`extend` for kinds of models that the other tests do not have, each against its conditional written by hand."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import infer as stock
from numpyro.contrib.control_flow import scan
from numpyro.handlers import mask, reparam
from numpyro.infer.reparam import LocScaleReparam
from scipy import special, stats

from sanitize import OptionError, Predictive, extend

pytestmark = pytest.mark.slow
KEY = jax.random.PRNGKey(11)
DRAWS = 1500
KINDS, REFUSED = {}, {}


def kind(fitted, more, sites, whitened, **grown):
    """A model, the arguments of its fit, those that ask for more, what goes on, how many values of it were fitted
    along each dimension, and its new values as standard normals."""

    def keep(model):
        KINDS[model.__name__] = model, fitted, more, sites, whitened, grown
        return model

    return keep


def refused(fitted, more, sites, match):
    def keep(model):
        REFUSED[model.__name__] = model, fitted, more, sites, match
        return model

    return keep


def recorded(model, *args):
    """Entries as a fit records them, latents from the prior."""
    samples = stock.Predictive(model, num_samples=DRAWS)(jax.random.PRNGKey(3), *args)
    return {name: np.asarray(value) for name, value in samples.items() if name != "y"}


def column(values):
    return np.asarray(values, float)[:, None]


def whitened_by(mean, cov, r, values):
    """The values after the first r of jointly normal ones, given those, as standard normals: one row a draw."""
    mean, cov, values = (np.asarray(x, float) for x in (mean, cov, values))
    gain = np.swapaxes(np.linalg.solve(cov[..., :r, :r], cov[..., :r, r:]), -1, -2)
    center = mean[..., r:] + (gain @ (values - mean)[..., :r, None])[..., 0]
    rest = cov[..., r:, r:] - gain @ cov[..., :r, r:]
    return np.linalg.solve(np.linalg.cholesky(rest), (values[..., r:] - center)[..., None])


@pytest.mark.parametrize("name", KINDS)
def test_kinds_go_on_by_their_conditional(name):
    model, fitted, more, sites, whitened, grown = KINDS[name]
    samples = recorded(model, *fitted)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        longer = extend(model, samples, KEY, *more, sites=sites)
        predicted = Predictive(model, samples, extend=sites)(KEY, *more)
    for entry, value in samples.items():
        if entry in grown:
            part = (slice(None), *map(slice, grown[entry]))
            assert longer[entry].shape != value.shape, entry
            assert np.array_equal(longer[entry][part], value), entry
        elif entry in longer:
            assert longer[entry] is value, entry
        else:  # a recorded deterministic, computed anew
            part = tuple(map(slice, value.shape))
            assert np.allclose(predicted[entry][part], value, rtol=1e-3, atol=1e-3), entry
    z = np.asarray(whitened({**samples, **longer}), float).reshape(DRAWS, -1)
    assert (abs(z.mean(0)) < 4.5 / np.sqrt(DRAWS)).all(), z.mean(0)
    assert (abs(z.var(0) - 1) < 4.5 * np.sqrt(2 / DRAWS)).all(), z.var(0)
    corr = np.atleast_2d(np.corrcoef(z.T))
    assert (abs(corr - np.eye(len(corr))) < 5 / np.sqrt(DRAWS)).all()


@pytest.mark.parametrize("name", REFUSED)
def test_kinds_that_do_not_go_on_are_refused_by_name(name):
    model, fitted, more, sites, match = REFUSED[name]
    if name == "a_matrix_of_coefficients" and not hasattr(dist, "MatrixNormal"):
        pytest.skip("not in this NumPyro")
    with pytest.raises(OptionError, match=match):
        extend(model, recorded(model, *fitted), KEY, *more, sites=sites)


# -------------------------------------------------------------------------------------------------------- groups


@kind(
    (2, 3), (3, 5), ("region", "school"),
    lambda m: np.concatenate([
        ((m["effect"] - m["level"])[:, :2, 3:] / column(m["sd"])[..., None]).reshape(DRAWS, -1),
        ((m["effect"] - m["level"])[:, 2] / column(m["sd"])),
        m["level"][:, 2] / 3,
    ], 1),
    level=(2, 1), effect=(2, 3),
)  # fmt: skip
def schools_in_regions_in_two_plates(n_regions, n_schools, y=None):
    sd = numpyro.sample("sd", dist.HalfNormal(1.0))
    with numpyro.plate("region", n_regions, dim=-2):
        level = numpyro.sample("level", dist.Normal(0.0, 3.0))
        with numpyro.plate("school", n_schools, dim=-1):
            effect = numpyro.sample("effect", dist.Normal(level, sd))
            numpyro.sample("y", dist.Normal(effect, 1.0), obs=y)


SUBJECT, ITEM = np.array([0, 1, 2, 3, 0, 1]), np.array([0, 1, 2, 0, 1, 2])
U4, U6 = np.linspace(-1, 1, 4).astype(np.float32), np.linspace(-1, 7 / 3, 6).astype(np.float32)


def _slopes(m):
    mean = m["gamma"][:, None] * U6[None, 4:, None]
    cov = m["sd"][:, :, None] * m["corr"] * m["sd"][:, None]
    tril = np.linalg.cholesky(cov.astype(float))
    of_subjects = np.linalg.solve(tril[:, None], (m["ab"][:, 4:] - mean)[..., None]).reshape(DRAWS, -1)
    return np.concatenate([of_subjects, m["item"][:, 3:] / column(m["tau"])], 1)


@kind((SUBJECT, ITEM, U4, 3), (SUBJECT[::-1] + 2, ITEM + 2, U6, 5), ("subjects", "items"), _slopes, ab=(4,), item=(3,))
def crossed_with_correlated_slopes(subject, item, u, n_items, y=None):
    sd = numpyro.sample("sd", dist.LogNormal(0.0, 0.3).expand([2]).to_event(1))
    corr = numpyro.sample("corr", dist.LKJ(2, 2.0))
    gamma = numpyro.sample("gamma", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
    tau = numpyro.sample("tau", dist.HalfNormal(1.0))
    cov = sd[:, None] * corr * sd
    with numpyro.plate("subjects", len(u)):
        ab = numpyro.sample("ab", dist.MultivariateNormal(u[:, None] * gamma, covariance_matrix=cov))
    with numpyro.plate("items", n_items):
        b = numpyro.sample("item", dist.Normal(0.0, tau))
    x = jnp.linspace(0, 1, len(subject))
    numpyro.sample("y", dist.Normal(ab[subject, 0] + ab[subject, 1] * x + b[item], 1.0), obs=y)


@kind(
    (np.arange(12) % 3, 3), (np.arange(12) % 5, 5), "rater",
    lambda m: np.concatenate([m["cuts"][:, 3:, :1], np.log(np.diff(m["cuts"][:, 3:]))], 2),
    cuts=(3,),
)  # fmt: skip
def cut_points_of_new_raters(rater, n, y=None):
    base = dist.Normal(0.0, 1.0).expand([4]).to_event(1)
    with numpyro.plate("rater", n):
        cuts = numpyro.sample("cuts", dist.TransformedDistribution(base, dist.transforms.OrderedTransform()))
    slope = numpyro.sample("slope", dist.Normal(0.0, 1.0))
    quality = slope * jnp.linspace(-1, 1, len(rater))
    numpyro.sample("y", dist.OrderedLogistic(quality, cuts[rater]), obs=y)


def _through(cdf):
    return special.ndtri(np.clip(np.asarray(cdf, float), 1e-7, 1 - 1e-7))


@kind(
    (np.full(5, 20), 5), (np.full(8, 20), 8), "theta",
    lambda m: _through(special.betainc(column(5 * m["mean"]), column(5 * (1 - m["mean"])), m["theta"][:, 5:])),
    theta=(5,),
)  # fmt: skip
def rates_of_hospitals(n, hospitals, y=None):
    mean = numpyro.sample("mean", dist.Beta(4.0, 4.0))
    with numpyro.plate("hospital", hospitals):
        theta = numpyro.sample("theta", dist.Beta(5 * mean, 5 * (1 - mean)))
        numpyro.sample("y", dist.Binomial(n, theta), obs=y)


@kind(
    (np.arange(8) % 4, 4), (np.arange(8) % 6, 6), True,
    lambda m: _through(stats.t.cdf(m["effect"][:, 4:] / m["local"][:, 4:], 4)),
    effect=(4,), local=(4,),
)  # fmt: skip
def heavy_tails_with_scales_of_their_own(g, n, y=None):
    local = numpyro.sample("local", dist.HalfCauchy(1.0).expand([n]))
    effect = numpyro.sample("effect", dist.StudentT(4.0, 0.0, local))
    numpyro.sample("y", dist.Normal(effect[g], 1.0), obs=y)


def _mixture(m):
    low, high = (stats.norm.cdf(m["effect"][:, 4:], loc, 0.5) for loc in (-1, 2))
    return _through(column(m["share"]) * low + (1 - column(m["share"])) * high)


@kind((np.arange(8) % 4, 4), (np.arange(8) % 6, 6), "group", _mixture, effect=(4,))
def groups_of_two_sorts(g, n, y=None):
    share = numpyro.sample("share", dist.Uniform(0.2, 0.8))
    parts = dist.Normal(jnp.array([-1.0, 2.0]), 0.5)
    sorts = dist.MixtureSameFamily(dist.Categorical(jnp.stack([share, 1 - share])), parts)
    with numpyro.plate("group", n):
        effect = numpyro.sample("effect", sorts)
    numpyro.sample("y", dist.Normal(effect[g], 1.0), obs=y)


@kind(
    (np.arange(8) % 4, 4), (np.arange(8) % 6, 6), "coef",
    lambda m: (m["coef"][:, 4:] - m["mu"][:, None]) / m["sd"][:, None, None],
    coef=(4, 2),
)  # fmt: skip
def one_event_of_all_coefficients(g, n, y=None):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
    sd = numpyro.sample("sd", dist.HalfNormal(1.0))
    coef = numpyro.sample("coef", dist.Normal(mu, sd).expand([n, 2]).to_event(2))
    x = jnp.linspace(-1, 1, len(g))
    numpyro.sample("y", dist.Normal(coef[g, 0] + x * coef[g, 1], 1.0), obs=y)


@kind(
    (np.arange(8) % 4, 4), (np.arange(8) % 6, 6), "group",
    lambda m: (m["theta_decentered"][:, 4:] - 0.3 * column(m["mu"])) / column(m["tau"] ** 0.3),
    theta_decentered=(4,),
)  # fmt: skip
def groups_centred_in_part(g, n, y=None):
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.LogNormal(0.0, 0.5))
    with numpyro.plate("group", n), reparam(config={"theta": LocScaleReparam(0.3)}):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
    numpyro.sample("y", dist.Normal(theta[g], 1.0), obs=y)


@kind(
    (np.arange(8) % 4, np.array([True, True, False, True])),
    (np.arange(8) % 6, np.array([True, True, False, True, False, True])),
    "group", lambda m: m["theta"][:, 4:] / column(m["tau"]), theta=(4,),
)  # fmt: skip
def groups_some_of_which_are_masked(g, is_known, y=None):
    tau = numpyro.sample("tau", dist.HalfNormal(1.0))
    with numpyro.plate("group", len(is_known)), mask(mask=is_known):
        theta = numpyro.sample("theta", dist.Normal(0.0, tau))
    numpyro.sample("y", dist.Normal(theta[g], 1.0), obs=y)


# --------------------------------------------------------------------------------------------------- steps of time


@kind(
    (8,), (12,), "x",
    lambda m: (np.diff(m["x"][:, 7:]) - column(m["drift"])) / column(m["sd"]),
    x=(8,),
)  # fmt: skip
def a_walk_with_drift(n, y=None):
    drift = numpyro.sample("drift", dist.Normal(0.0, 1.0))
    sd = numpyro.sample("sd", dist.HalfNormal(1.0))
    trend = dist.transforms.AffineTransform(drift * jnp.arange(n), 1.0)
    x = numpyro.sample("x", dist.TransformedDistribution(dist.GaussianRandomWalk(sd, n), trend))
    numpyro.sample("y", dist.Normal(x, 1.0), obs=y)


T8 = np.cumsum([0.5, 1.0, 0.2, 2.0, 0.7, 1.0, 0.4, 0.1]).astype(np.float32)
T11 = np.r_[T8, T8[-1] + np.float32([0.3, 2.0, 2.1])]


@kind((T8,), (T11,), "step", lambda m: m["step"][:, 8:] / (column(m["sd"]) * np.sqrt(np.diff(T11)[7:])), step=(8,))
def a_walk_at_irregular_times(t, y=None):
    sd = numpyro.sample("sd", dist.HalfNormal(1.0))
    with numpyro.plate("time", t.shape[0]):
        step = numpyro.sample("step", dist.Normal(0.0, sd * jnp.sqrt(jnp.diff(t, prepend=0.0))))
    path = numpyro.deterministic("path", jnp.cumsum(step))
    numpyro.sample("y", dist.Normal(path, 1.0), obs=y)


@kind(
    (10,), (14,), "noise", lambda m: m["noise"][:, 10:] / column(m["sd"]), noise=(10,),
)  # fmt: skip
def an_ar2_by_its_innovations(n, y=None):
    phi = numpyro.sample("phi", dist.Normal(jnp.array([0.5, -0.2]), 0.1).to_event(1))
    sd = numpyro.sample("sd", dist.HalfNormal(1.0))
    noise = numpyro.sample("noise", dist.Normal(0.0, sd).expand([n]))

    def step(past, e):
        new = phi @ past + e
        return jnp.stack([new, past[0]]), new

    series = numpyro.deterministic("series", jax.lax.scan(step, jnp.zeros(2), noise)[1])
    numpyro.sample("y", dist.Normal(series, 0.1), obs=y)


@kind(
    (10,), (14,), "time", lambda m: m["e"][:, 10:], e=(10,),
)  # fmt: skip
def a_moving_average(n, y=None):
    theta = numpyro.sample("theta", dist.Uniform(-0.9, 0.9))
    with numpyro.plate("time", n):
        e = numpyro.sample("e", dist.Normal(0.0, 1.0))
    mean = numpyro.deterministic("mean", e.at[1:].add(theta * e[:-1]))
    numpyro.sample("y", dist.Normal(mean, 0.1), obs=y)


@kind(
    (7,), (10,), "step",
    lambda m: np.linalg.solve((m["sd"][:, :, None] * m["tril"])[:, None], m["step"][:, 7:, :, None]),
    step=(7,),
)  # fmt: skip
def a_walk_of_correlated_series(n, y=None):
    sd = numpyro.sample("sd", dist.LogNormal(0.0, 0.3).expand([3]).to_event(1))
    tril = numpyro.sample("tril", dist.LKJCholesky(3, 1.0))
    with numpyro.plate("time", n):
        step = numpyro.sample("step", dist.MultivariateNormal(jnp.zeros(3), scale_tril=sd[:, None] * tril))
    path = numpyro.deterministic("path", jnp.cumsum(step, 0))
    numpyro.sample("y", dist.Normal(path, 1.0).to_event(1), obs=y)


def _pair(m):
    level, slope = m["level"], m["slope"]
    of_level = (level[:, 6:] - level[:, 5:-1] - slope[:, 5:-1]) / column(m["sd"])
    return np.concatenate([of_level, (slope[:, 6:] - 0.8 * slope[:, 5:-1]) / 0.3], 1)


@kind((6,), (9,), True, _pair, level=(6,), slope=(6,))
def two_series_in_a_scan(n, y=None):
    sd = numpyro.sample("sd", dist.HalfNormal(1.0))

    def step(carry, _):
        level, slope = carry
        level = numpyro.sample("level", dist.Normal(level + slope, sd))
        slope = numpyro.sample("slope", dist.Normal(0.8 * slope, 0.3))
        return (level, slope), level

    level = scan(step, (jnp.zeros(()), jnp.zeros(())), jnp.arange(n))[1]
    numpyro.sample("y", dist.Normal(level, 0.1), obs=y)


def _states(m):
    A = np.array([[0.5, 0.2], [-0.1, 0.7]])
    noise = m["state"][:, 6:] - m["state"][:, 5:-1] @ A.T
    return np.linalg.solve(m["tril"][:, None], noise[..., None])


@kind((6,), (9,), "state", _states, state=(6, 2))
def a_vector_autoregression_in_a_scan(n, y=None):
    tril = numpyro.sample("tril", dist.LKJCholesky(2, 1.0))
    A = jnp.array([[0.5, 0.2], [-0.1, 0.7]])

    def step(state, _):
        state = numpyro.sample("state", dist.MultivariateNormal(A @ state, scale_tril=tril))
        return state, state

    states = scan(step, jnp.zeros(2), jnp.arange(n))[1]
    numpyro.sample("y", dist.Normal(states, 0.1).to_event(1), obs=y)


# ---------------------------------------------------------------------------------------------- Gaussian processes


X9 = np.random.default_rng(0).uniform(0, 3, (9, 2)).astype(np.float32)


def rational_quadratic(x, length, np=jnp):
    distance = (((x[:, None] - x) / length) ** 2).sum(-1)
    return (1 + distance / 3) ** -1.5 + 1e-2 * np.eye(len(x))


def _rational(m):
    x = X9.astype(float)
    cov = np.stack([rational_quadratic(x, length, np) for length in m["length"].astype(float)])
    return whitened_by(column(m["slope"]) * x[:, 0], cov, 6, m["f"])


@kind((X9[:6],), (X9,), "f", _rational, f=(6,))
def a_process_of_two_inputs_around_a_line(x, y=None):
    length = numpyro.sample("length", dist.LogNormal(0.0, 0.2).expand([2]).to_event(1))
    slope = numpyro.sample("slope", dist.Normal(0.0, 1.0))
    k = rational_quadratic(x, length)
    f = numpyro.sample("f", dist.MultivariateNormal(slope * x[:, 0], covariance_matrix=k))
    numpyro.sample("y", dist.Normal(f, 0.1), obs=y)


def _outputs(m):
    grid = np.arange(9.0)
    cov = np.exp(-abs(grid[:, None] - grid) / m["length"].astype(float)[..., None, None])
    new = np.linalg.solve(np.linalg.cholesky(cov[:, 2:]), m["f"][:, 2:, :, None])
    old = whitened_by(np.zeros(9), cov[:, :2], 6, m["f"][:, :2])
    return np.concatenate([old.reshape(DRAWS, -1), new.reshape(DRAWS, -1)], 1)


@kind((np.arange(6.0), 2), (np.arange(9.0), 3), ("length", "f"), _outputs, length=(2,), f=(2, 6))
def a_process_for_each_output(x, outputs, y=None):
    with numpyro.plate("output", outputs):
        length = numpyro.sample("length", dist.LogNormal(0.0, 0.3))
        k = jnp.exp(-abs(x[:, None] - x) / length[:, None, None])
        f = numpyro.sample("f", dist.MultivariateNormal(jnp.zeros(len(x)), k))
    numpyro.sample("y", dist.Normal(f, 0.1).to_event(1), obs=y)


LOADS = np.random.default_rng(1).normal(size=(9, 2)).astype(np.float32)


@kind(
    (LOADS[:6],), (LOADS,), "f",
    lambda m: whitened_by(np.zeros(9), LOADS @ LOADS.T + column(m["noise"])[..., None] * np.eye(9), 6, m["f"]),
    f=(6,),
)  # fmt: skip
def assets_with_common_factors(loads, y=None):
    noise = numpyro.sample("noise", dist.LogNormal(0.0, 0.3))
    d = noise * jnp.ones(len(loads))
    f = numpyro.sample("f", dist.LowRankMultivariateNormal(jnp.zeros(len(loads)), loads, d))
    numpyro.sample("y", dist.Normal(f, 0.1), obs=y)


@kind(
    (np.arange(6.0), np.arange(10) % 6), (np.arange(9.0), np.arange(12) % 9), "z", lambda m: m["z"][:, 6:], z=(6,),
)  # fmt: skip
def a_season_on_a_line_by_its_cholesky_factor(x, at, y=None):
    width = numpyro.sample("width", dist.LogNormal(0.0, 0.3))
    distance = jnp.sin(jnp.pi * (x[:, None] - x) / 5.5)
    k = jnp.exp(-2 * (distance / width) ** 2) + 0.1 * x[:, None] * x + 0.1 * jnp.eye(len(x))
    with numpyro.plate("inputs", len(x)):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
    f = numpyro.deterministic("f", jnp.linalg.cholesky(k) @ z)
    numpyro.sample("y", dist.Normal(f[at], 0.1), obs=y)


# ----------------------------------------------------------------------------------------------------- no rule


@refused((3,), (4,), "p", "'p' cannot be carried on.*TransformedDistribution")
def shares_by_sticks(n, y=None):
    base = dist.Normal(0.0, 1.0).expand([n - 1]).to_event(1)
    p = numpyro.sample("p", dist.TransformedDistribution(base, dist.transforms.StickBreakingTransform()))
    numpyro.sample("y", dist.Multinomial(20, p), obs=y)


@refused((2,), (3,), "corr", "'corr' cannot be carried on.*LKJCholesky")
def one_more_correlated_outcome(n, y=None):
    corr = numpyro.sample("corr", dist.LKJCholesky(n, 1.0))
    numpyro.sample("y", dist.MultivariateNormal(jnp.zeros(n), scale_tril=corr), obs=y)


@refused((np.eye(4), 2), (np.eye(6), 2), "B", "'B' cannot be carried on.*MatrixNormal")
def a_matrix_of_coefficients(cov, k, y=None):
    B = numpyro.sample("B", dist.MatrixNormal(jnp.zeros((len(cov), k)), jnp.asarray(cov), jnp.eye(k)))
    numpyro.sample("y", dist.Normal(B, 1.0).to_event(2), obs=y)
