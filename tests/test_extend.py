"""`extend`: what was fitted stays bit for bit, the rest is drawn given it, and what cannot go on is refused."""

import extend_models as public
import jax
import jax.numpy as jnp
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import infer as stock
from since import OF_PREDICTOR

import sanitize
from sanitize import (
    ExtensionError,
    MissingLatentWarning,
    OptionError,
    RedrawnSiteWarning,
    ShapeMismatchError,
    carry_on,
    extend,
)
from sanitize.carry import complete

KEY = jax.random.PRNGKey(0)
DRAWS = 4000


def recorded(model, *args, draws=40, without=()):
    """A fit's entries, latents from the prior: the distribution of what is carried on does not depend on the fit."""
    samples = stock.Predictive(model, num_samples=draws)(jax.random.PRNGKey(3), *args)
    return {name: np.asarray(value) for name, value in samples.items() if name not in without}


def is_standard_normal(z):
    """Mean and variance within four Monte Carlo standard errors."""
    z = np.asarray(z, float).ravel()
    return abs(z.mean()) < 4 / np.sqrt(z.size) and abs(z.var() - 1) < 4 * np.sqrt(2 / z.size)


def schools(J, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfNormal(5))
    with numpyro.plate("school", J):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.deterministic("effect", theta - mu)
        numpyro.sample("y", dist.Normal(theta, 1.0), obs=y)


def walk(T, y=None):
    scale = numpyro.sample("scale", dist.HalfNormal(1.0))
    x = numpyro.sample("x", dist.GaussianRandomWalk(scale, T))
    numpyro.sample("y", dist.Normal(x, 1.0), obs=y)


# ------------------------------------------------------------------------------------- one distribution, closed forms


def conditional(mean, cov, at, value):
    """Mean and covariance of the others given the values at some positions, in double precision."""
    mean, cov = np.asarray(mean, float), np.asarray(cov, float)
    others = np.setdiff1d(np.arange(len(mean)), at)
    gain = cov[np.ix_(others, at)] @ np.linalg.inv(cov[np.ix_(at, at)])
    return (
        others,
        mean[others] + gain @ (value - mean[at]),
        cov[np.ix_(others, others)] - gain @ cov[np.ix_(at, others)],
    )


def agree(draws, mean, cov):
    """Mean and covariance of the draws within four Monte Carlo standard errors."""
    n, sd = len(draws), np.sqrt(np.diag(cov))
    of_mean = np.abs(draws.mean(0) - mean) <= 4 * sd / np.sqrt(n) + 1e-3
    of_cov = 4 * np.sqrt((np.outer(sd, sd) ** 2 + cov**2) / n) + 1e-3
    return of_mean.all() and (np.abs(np.cov(draws.T) - cov) <= of_cov).all()


X = np.array([0.0, 0.4, 0.9, 1.5, 2.0, 2.3, 2.9], np.float32)
DISTANCE = np.abs(X[:, None] - X)
KERNELS = {
    "rbf": np.exp(-0.5 * DISTANCE**2),
    "matern": (1 + np.sqrt(3) * DISTANCE) * np.exp(-np.sqrt(3) * DISTANCE),
    "periodic": np.exp(-2 * np.sin(np.pi * DISTANCE / 3.5) ** 2),
}


@pytest.mark.parametrize("at", [[0, 1, 2, 3, 4], [0, 2, 5]], ids=["first", "between"])
@pytest.mark.parametrize("name", ["matern", *(pytest.param(n, marks=pytest.mark.slow) for n in ("rbf", "periodic"))])
def test_gaussian_processes_go_on_by_their_conditional(name, at):
    cov = (KERNELS[name] + 1e-3 * np.eye(len(X))).astype(np.float32)
    fn = dist.MultivariateNormal(jnp.sin(X), covariance_matrix=cov)
    value = fn.sample(jax.random.PRNGKey(1))[np.array(at)]
    draw = jax.jit(jax.vmap(lambda key: complete(fn, key, value, (np.array(at),))))
    draws = np.asarray(draw(jax.random.split(KEY, DRAWS)))
    others, mean, cov = conditional(np.sin(X), cov, at, np.asarray(value))
    assert np.allclose(draws[:, at], value, atol=1e-5)
    assert agree(draws[:, others], mean, cov)


@pytest.mark.slow
@pytest.mark.parametrize("given", ["covariance_matrix", "precision_matrix", "scale_tril"])
def test_normal_vectors_in_batches_however_their_covariance_is_given(given):
    """Recorded are two of three elements of the batch: the third has a past of its own."""
    cov = (KERNELS["matern"] + 0.1 * np.eye(len(X))).astype(np.float32)
    matrix = {
        "covariance_matrix": cov,
        "precision_matrix": np.linalg.inv(cov),
        "scale_tril": np.linalg.cholesky(cov),
    }[given]
    fn = dist.MultivariateNormal(jnp.arange(3.0)[:, None] * jnp.ones(len(X)), **{given: matrix})
    value = fn.sample(jax.random.PRNGKey(1))[:2, :5]
    draw = jax.jit(jax.vmap(lambda key: complete(fn, key, value, (np.arange(2), np.arange(5)))))
    draws = np.asarray(draw(jax.random.split(KEY, DRAWS)))
    for i in range(2):
        others, mean, rest = conditional(i * np.ones(len(X)), cov, np.arange(5), np.asarray(value[i]))
        assert agree(draws[:, i, others], mean, rest)
    assert agree(draws[:, 2], 2 * np.ones(len(X)), cov)


@pytest.mark.slow
def test_a_low_rank_normal_and_a_transformed_one():
    factor, diagonal = np.cos(np.arange(14.0)).reshape(7, 2), np.full(7, 0.3)
    low = dist.LowRankMultivariateNormal(jnp.zeros(7), jnp.asarray(factor), jnp.asarray(diagonal))
    loc = jnp.arange(7.0)
    exp = dist.TransformedDistribution(low, [dist.transforms.AffineTransform(loc, 2.0), dist.transforms.ExpTransform()])
    value = low.sample(jax.random.PRNGKey(1))[:4]
    keys, at = jax.random.split(KEY, DRAWS), np.arange(4)
    draws = np.asarray(jax.jit(jax.vmap(lambda key: complete(low, key, value, (at,))))(keys))
    others, mean, cov = conditional(np.zeros(7), factor @ factor.T + np.diag(diagonal), at, np.asarray(value))
    assert agree(draws[:, others], mean, cov)
    there = jnp.exp(2 * value + loc[:4])
    again = np.asarray(jax.jit(jax.vmap(lambda key: complete(exp, key, there, (at,))))(keys))
    assert np.allclose((np.log(again) - np.arange(7)) / 2, draws, atol=1e-4)


def test_walks_go_on_from_their_last_step():
    scale, past = jnp.array([0.5, 2.0]), jnp.array([[1.0, 3.0], [0.0, -4.0]])
    fn = dist.GaussianRandomWalk(scale, 5)
    draw = jax.jit(jax.vmap(lambda key: complete(fn, key, past, (np.arange(2), np.arange(2)))))
    draws = np.asarray(draw(jax.random.split(KEY, DRAWS)))
    assert np.array_equal(draws[:, :, :2], np.broadcast_to(past, (DRAWS, 2, 2)))
    assert is_standard_normal(np.diff(draws[:, :, 1:], axis=-1) / scale[:, None])


@pytest.mark.skipif(not hasattr(dist, "EulerMaruyama"), reason="since NumPyro 0.14")
def test_paths_of_differential_equations_go_on_from_their_last_state():
    t = jnp.array([0.0, 0.5, 0.7, 1.0, 1.4])
    fn = dist.EulerMaruyama(t, lambda x, t: (-x, 0.5 + t), dist.Normal(jnp.zeros(2), 1.0).to_event(1))
    past = jnp.array([[1.0, 2.0], [0.5, 1.5]])
    draw = jax.jit(jax.vmap(lambda key: complete(fn, key, past, (np.arange(2), np.arange(2)))))
    draws = np.asarray(draw(jax.random.split(KEY, DRAWS)))
    dt = np.diff(t)[1:, None]
    z = (draws[:, 2:] - draws[:, 1:-1] * (1 - dt)) / (np.sqrt(dt) * (0.5 + np.asarray(t)[1:-1, None]))
    assert np.array_equal(draws[:, :2], np.broadcast_to(past, (DRAWS, 2, 2)))
    assert is_standard_normal(z)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(dist, "GaussianStateSpace"), reason="since NumPyro 0.16")
def test_linear_states_go_on_from_their_last_one():
    A, L = np.array([[1.0, 0.5], [0.0, 0.9]], np.float32), np.array([[1.0, 0.0], [0.3, 0.2]], np.float32)
    fn = dist.GaussianStateSpace(5, A, scale_tril=L)
    past = jnp.array([[1.0, 2.0], [0.5, 1.5]])
    draw = jax.jit(jax.vmap(lambda key: complete(fn, key, past, (np.arange(2), np.arange(2)))))
    draws = np.asarray(draw(jax.random.split(KEY, DRAWS)))
    assert is_standard_normal(np.linalg.solve(L, (draws[:, 2:] - draws[:, 1:-1] @ A.T)[..., None]))


# ----------------------------------------------------------------------------------------------- models in public


def _groups(name, old, loc, scale):
    return lambda m: (m[name][:, old:] - np.asarray(m[loc])[:, None]) / np.asarray(m[scale])[:, None]


GENERATION = np.array([0.2, 0.5, 0.3], np.float32)
CODES = np.array([0, 0, 1, 2], np.int32)
STATES = np.array([0, 0, 1], np.int32)
GRID = np.linspace(0, 2, 6).astype(np.float32)
LONGER = np.r_[GRID, np.float32([2.4, 3.0])]


def _gp_residuals(m):
    """New values of each draw, whitened by that draw's own conditional."""
    z = []
    for f, var, length in zip(m["f"], m["var"], m["length"]):
        cov = np.asarray(public.kernel(LONGER, LONGER, var, length, 1e-3), float)
        others, mean, rest = conditional(np.zeros(8), cov, np.arange(6), f[:6])
        z.append(np.linalg.solve(np.linalg.cholesky(rest), f[others] - mean))
    return np.array(z)


# model, the fit's arguments, what is carried on, the arguments that ask for more, and new values as standard normals
PUBLIC = {
    "eight_schools": (
        models.schools, (8, public.SIGMA[:8]), "theta", (10, public.SIGMA), _groups("theta", 8, "mu", "tau"),
    ),
    "eight_schools_noncentered": (
        public.eight_schools_noncentered, (8, public.SIGMA[:8]), "J", (10, public.SIGMA),
        lambda m: m["theta_base"][:, 8:],
    ),
    "osic": (
        public.osic, (CODES, np.arange(4.0)), "plate_i", (np.r_[CODES, 3, 4], np.arange(6.0)),
        _groups("a", 3, "mu_a", "sigma_a"),
    ),
    "radon": (
        public.radon, (np.zeros(4, np.float32), CODES, 3), True, (np.zeros(4, np.float32), CODES, 5),
        lambda m: m["coef_decentered"][:, 3:],
    ),
    "stochastic_volatility": (
        public.stochastic_volatility, (6,), "s", (9,),
        lambda m: np.diff(m["s"][:, 5:]) / m["sigma"][:, None],
    ),
    "panel_of_walks": (
        public.panel_of_walks, (3, 4), True, (5, 6),
        lambda m: np.concatenate([
            (np.diff(m["path"][:, :3, 3:]) / m["scale"][:, :3, None]).ravel(),
            (np.diff(m["path"][:, 3:], prepend=0) / m["scale"][:, 3:, None]).ravel(),
        ]),
    ),
    "gp_classification": (public.gp_classification, (GRID,), "f", (LONGER,), _gp_residuals),
    "gp_noncentered": (public.gp_noncentered, (GRID,), "z", (LONGER,), lambda m: m["z"][:, 6:]),
    "renewal": (public.renewal, (6, GENERATION), "days", (9, GENERATION), lambda m: m["eps"][:, 6:]),
    "local_level": (
        public.local_level, (4,), True, (6,),
        lambda m: np.stack([(m["level_4"] - m["level_3"]), (m["level_5"] - m["level_4"])], 1) / m["drift"][:, None],
    ),
    "ar2": (
        public.ar2, (4,), "x", (7,),
        lambda m: m["x"][:, 4:] - m["phi"][:, :1] * m["x"][:, 3:-1] - m["phi"][:, 1:] * m["x"][:, 2:-2],
    ),
    "nested_new_town": (
        public.nested, (2, STATES), "town", (2, np.r_[STATES, 1, 0].astype(np.int32)),
        lambda m: (m["beta"][:, 3:] - m["alpha"][:, [1, 0]]) / m["tau"][:, None],
    ),
    "nested_new_state": (
        public.nested, (2, STATES), ("alpha", "beta"), (3, np.r_[STATES, 2, 0].astype(np.int32)),
        lambda m: np.c_[(m["beta"][:, 3:] - m["alpha"][:, [2, 0]]) / m["tau"][:, None], m["alpha"][:, 2:] / 2],
    ),
    "rasch": (
        public.rasch, (CODES, STATES[:1].repeat(4), 3, 2), "students", (CODES, STATES[:1].repeat(4), 5, 2),
        lambda m: m["ability"][:, 3:],
    ),
    "correlated_slopes": (
        public.correlated_slopes, (CODES, 3, np.ones(4)), "cafe", (CODES, 5, np.ones(4)),
        lambda m: np.linalg.solve(m["sd"][:, None, :, None] * m["corr"][:, None], m["ab"][:, 3:, :, None]),
    ),
    "ornstein_uhlenbeck": (
        public.ornstein_uhlenbeck, (np.arange(5.0) / 10,), "x", (np.arange(8.0) / 10,),
        lambda m: (m["x"][:, 5:] - m["x"][:, 4:-1] * (1 - m["rate"][:, None] / 10)) / (0.5 * np.sqrt(0.1)),
    ),
    "linear_trend": (
        public.linear_trend, (4,), "z", (6,),
        lambda m: (m["z"][:, 4:] - m["z"][:, 3:-1] @ np.array([[1, 1], [0, 0.9]]).T) / m["scale"][:, None, None],
    ),
}  # fmt: skip
NEEDS = {"ornstein_uhlenbeck": "EulerMaruyama", "linear_trend": "GaussianStateSpace"}
FAST = ("nested_new_state",)


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in PUBLIC]
)
def test_public_models_go_on_unchanged(name):
    """The fitted part bit for bit, the new part against the conditional by hand."""
    model, fitted, sites, asked, residuals = PUBLIC[name]
    if not hasattr(dist, NEEDS.get(name, "Normal")):
        pytest.skip("not in this NumPyro")
    samples = recorded(model, *fitted, draws=600)
    more = extend(model, samples, KEY, *asked, sites=sites)
    for entry, values in more.items():
        if entry in samples:
            fitted_part = values[tuple(slice(n) for n in samples[entry].shape)]
            assert np.array_equal(fitted_part, samples[entry])
            assert values is samples[entry] or values.shape != samples[entry].shape
    with numpyro.handlers.block():
        stock.Predictive(model, dict(more))(KEY, *asked)  # stock takes it
    assert is_standard_normal(residuals(more))


# ------------------------------------------------------------------------------------------------------------- laws


@pytest.fixture(scope="module")
def fit():
    return recorded(schools, 4, draws=300)


def test_extending_by_nothing_returns_the_same_arrays(fit):
    more = extend(schools, fit, KEY, 4, sites=True)
    assert set(more) == {"mu", "tau", "theta"}
    assert all(more[name] is fit[name] for name in more)
    assert extend(schools, fit, KEY, 4, sites="theta")["theta"] is fit["theta"]


def test_draws_depend_on_the_key_and_the_draw_only(fit):
    """Not on how many draws there are, on the order of names or entries, or on how often it is asked."""
    more = extend(schools, fit, KEY, 6, sites="theta")["theta"]
    few = {name: values[:150] for name, values in reversed(fit.items())}
    assert np.array_equal(extend(schools, few, KEY, 6, sites=["school"])["theta"], more[:150])
    assert not np.array_equal(extend(schools, fit, jax.random.PRNGKey(1), 6, sites="theta")["theta"], more)
    chains = {name: values.reshape(2, 150, *values.shape[1:]) for name, values in fit.items()}
    assert np.array_equal(extend(schools, chains, KEY, 6, sites=True)["theta"].reshape(more.shape), more)


@pytest.mark.slow
def test_what_else_is_extended_changes_nothing():
    samples = recorded(public.rasch, CODES, CODES[:1].repeat(4), 3, 2)
    asked = (CODES, CODES[:1].repeat(4), 5)
    both = extend(public.rasch, samples, KEY, *asked, 4, sites=("items", "students"))
    turned = extend(public.rasch, samples, KEY, *asked, 4, sites=("ability", "difficulty"))
    one = extend(public.rasch, samples, KEY, *asked, 2, sites="ability")
    assert np.array_equal(both["ability"], one["ability"])
    assert all(np.array_equal(both[name], turned[name]) for name in both)


def test_parents_are_the_fitted_ones(fit):
    more = extend(schools, fit, KEY, 60, sites="theta")
    new = more["theta"][:, 4:]
    assert is_standard_normal((new - fit["mu"][:, None]) / fit["tau"][:, None])
    assert np.corrcoef(new.mean(1), fit["mu"])[0, 1] > 0.9


def test_the_input_is_not_changed(fit):
    before = {name: values.copy() for name, values in fit.items()}
    extend(schools, fit, KEY, 6, sites="theta")
    assert all(np.array_equal(before[name], fit[name]) for name in fit)


def test_values_that_no_entry_holds_are_drawn_once():
    """The parents without an entry, which new values were drawn from, come back: the two belong together."""
    samples = recorded(schools, 4, without=("mu", "effect"))
    with pytest.warns(MissingLatentWarning, match="'mu'"):
        more = extend(schools, samples, KEY, 2000, sites="theta")
    assert set(more) == {"mu", "tau", "theta"}
    gap = (more["theta"][:, 4:].mean(1) - more["mu"]) / (more["tau"] / np.sqrt(1996))
    assert np.abs(gap).max() < 6


def test_double_precision_of_the_samples_is_kept():
    samples = recorded(schools, 4)
    samples["theta"] = samples["theta"].astype(float) + 1e-12
    more = extend(schools, samples, KEY, 6, sites="theta")["theta"]
    assert more.dtype == float
    assert np.array_equal(more[:, :4], samples["theta"])


def test_models_that_branch_on_latents_go_on_draw_by_draw():
    def model(J, y=None):
        high = numpyro.sample("high", dist.Normal())
        loc = 10.0 if high > 0 else -10.0
        with numpyro.plate("group", J):
            a = numpyro.sample("a", dist.Normal(loc, 1.0))
            numpyro.sample("y", dist.Normal(a, 1.0), obs=y)

    samples = {"high": np.array([1.0, -1.0, 2.0]), "a": np.zeros((3, 2))}
    more = extend(model, samples, KEY, 4, sites="a")["a"][:, 2:]
    assert ((more > 0) == (samples["high"] > 0)[:, None]).all()


def test_masked_and_independent_dimensions_are_fresh_draws():
    def model(n, y=None):
        loc = numpyro.sample("loc", dist.Normal(0, 3).expand([2]).to_event(1))
        a = numpyro.sample("a", dist.Normal(loc, 1.0).expand([n, 2]).to_event(2).mask(True))
        numpyro.sample("y", dist.Normal(a, 1.0).to_event(2), obs=y)

    samples = recorded(model, 3, draws=500)
    more = extend(model, samples, KEY, 5, sites="a")
    assert is_standard_normal(more["a"][:, 3:] - samples["loc"][:, None])


def test_a_rule_of_ones_own_in_five_lines():
    class Chain(dist.Distribution):
        """Two states; each stays with a probability."""

        support = dist.constraints.real_vector

        def __init__(self, stay, num_steps):
            self.stay, self.num_steps = stay, num_steps
            super().__init__((), (num_steps,))

        def sample(self, key, sample_shape=()):
            flips = jax.random.bernoulli(key, 1 - self.stay, (*sample_shape, self.num_steps))
            return jnp.cumsum(flips, -1) % 2.0

        def log_prob(self, value):
            flips = jnp.diff(value, prepend=0.0) != 0
            return jnp.where(flips, jnp.log1p(-self.stay), jnp.log(self.stay)).sum(-1)

    def model(T):
        stay = numpyro.sample("stay", dist.Uniform(0.5, 1.0))
        states = numpyro.sample("states", Chain(stay, T))
        numpyro.sample("y", dist.Normal(states, 1.0))

    samples = recorded(model, 4, draws=500, without=("y",))
    with pytest.raises(OptionError, match=r"'states' cannot be carried on.*Chain.*carry_on.register"):
        extend(model, samples, KEY, 6, sites="states")

    @carry_on.register(Chain)
    def _(fn, rng_key, recorded, at):
        flips = jax.random.bernoulli(rng_key, 1 - fn.stay, (*recorded.shape[:-1], fn.num_steps - len(at)))
        return jnp.concatenate([recorded, (recorded[..., -1:] + jnp.cumsum(flips, -1)) % 2.0], -1)

    states = extend(model, samples, KEY, 300, sites="states")["states"]
    stayed = (np.diff(states[:, 3:]) == 0).mean(1)
    assert np.abs(stayed - samples["stay"]).max() < 0.15


# ---------------------------------------------------------------------------------------------- containers, labels


@pytest.fixture
def labelled(fit):
    xarray = pytest.importorskip("xarray")
    arrays = {name: values[:40].reshape(2, 20, *values.shape[1:]) for name, values in fit.items()}
    dims = {"theta": ("school",), "effect": ("school",), "y": ("school",)}
    variables = {name: (("chain", "draw", *dims.get(name, ())), x) for name, x in arrays.items()}
    coords = {"school": ["A", "B", "C", "D"], "town": ("school", ["a", "b", "c", "d"])}
    dataset = xarray.Dataset(variables, coords, attrs={"made_by": "test"})
    dataset["theta"].attrs["unit"] = "points"
    return dataset.transpose("school", ...)


def test_known_levels_take_their_values_along_and_unknown_ones_are_drawn(labelled):
    more = extend(schools, labelled, KEY, 4, sites="school", levels={"school": ["D", "Z", "B", "A"]})
    assert type(more) is type(labelled)
    assert list(more.data_vars) == [name for name in labelled.data_vars if name in ("mu", "tau", "theta")]
    assert more["school"].values.tolist() == ["D", "Z", "B", "A"]
    assert more["theta"].dims == labelled["theta"].dims
    assert more["theta"].attrs == {"unit": "points"}
    assert more.attrs == labelled.attrs
    for school in ("D", "B", "A"):
        assert np.array_equal(more["theta"].sel(school=school), labelled["theta"].sel(school=school))
    new = more["theta"].sel(school="Z").transpose("chain", "draw").values
    assert np.isfinite(new).all()
    assert not np.isin(new, labelled["theta"]).any()


def test_levels_alone_reorder_and_take_subsets(labelled):
    more = extend(schools, labelled, KEY, 2, sites=(), levels={"school": ["C", "A"]})
    assert np.array_equal(more["theta"], labelled["theta"].sel(school=["C", "A"]))
    assert more["town"].values.tolist() == ["c", "a"]
    same = extend(schools, labelled, KEY, 4, sites=(), levels={"school": ["A", "B", "C", "D"]})
    assert same["theta"].variable._data is labelled["theta"].variable._data or np.array_equal(
        same["theta"], labelled["theta"]
    )


def test_time_goes_on_where_its_step_is_regular(rng):
    xarray = pytest.importorskip("xarray")
    pandas = pytest.importorskip("pandas")
    for time in (np.arange(2000, 2006), pandas.date_range("2020-01-01", periods=6, freq="MS"), np.arange(6) * 0.5):
        samples = xarray.Dataset(
            {"scale": (("draw",), np.ones(9)), "x": (("draw", "time"), rng.normal(size=(9, 6)))}, {"time": time},
            attrs={"sample_dims": ["draw"]},
        )  # fmt: skip
        more = extend(walk, samples, KEY, 8, sites="time")
        assert more["x"].shape == (9, 8)
        assert np.array_equal(more["time"][:6], samples["time"])
        step = more["time"].values[-1] - more["time"].values[-2]
        assert step > 0 * step
    assert more["time"].values.tolist() == (np.arange(8) * 0.5).tolist()


def test_inference_data_comes_back_with_the_groups_that_it_had(labelled):
    arviz = pytest.importorskip("arviz")
    if not arviz.__version__.startswith("0."):
        pytest.skip("ArviZ 1 has DataTree")
    idata = arviz.InferenceData(posterior=labelled, sample_stats=labelled[["mu"]].rename(mu="lp"))
    levels = {"school": ["A", "B", "C", "D", "E"]}
    more = extend(schools, idata, KEY, 5, sites="school", levels=levels)
    assert isinstance(more, arviz.InferenceData)
    assert list(more.groups()) == list(idata.groups())
    assert dict(more.posterior["theta"].sizes)["school"] == 5
    assert dict(idata.posterior["theta"].sizes)["school"] == 4


def test_a_tree_comes_back(labelled):
    xarray = pytest.importorskip("xarray")
    if not hasattr(xarray, "DataTree"):
        pytest.skip("before DataTree")
    tree = xarray.DataTree.from_dict({"posterior": labelled})
    more = extend(schools, tree, KEY, 5, sites="school", levels={"school": ["E", "A", "B", "C", "D"]})
    assert more["posterior"]["school"].values.tolist() == ["E", "A", "B", "C", "D"]
    node = extend(schools, tree["posterior"], KEY, 5, sites="school", levels={"school": ["E", "A", "B", "C", "D"]})
    assert np.array_equal(node["theta"], more["posterior"]["theta"])


def test_latents_of_a_loop_become_entries():
    xarray = pytest.importorskip("xarray")
    samples = recorded(public.local_level, 3)
    data = {name: (("draw", *(f"{name}_{i}" for i in range(x.ndim - 1))), x) for name, x in samples.items()}
    more = extend(public.local_level, xarray.Dataset(data, attrs={"sample_dims": "draw"}), KEY, 5, sites="level_3")
    assert {"level_0", "level_1", "level_2", "level_3"} <= set(more.data_vars)
    assert more["level_3"].dims == ("draw",)


def test_what_is_no_site_is_left_out_where_its_dimension_changed(labelled):
    more = extend(
        schools, labelled.assign(shrinkage=labelled["theta"] * 0, other=labelled["mu"]), KEY, 5, sites="theta",
        levels={"school": list("ABCDE")},
    )  # fmt: skip
    assert "other" in more
    assert "shrinkage" not in more


# ----------------------------------------------------------------------------------------------------------- drop-ins


def test_predictive_carries_on_with_a_folded_key(fit):
    result = sanitize.Predictive(schools, fit, extend="theta")(KEY, 6)
    more = extend(schools, fit, jax.random.fold_in(KEY, 23), 6, sites="theta")
    truth = stock.Predictive(schools, more)(KEY, 6)
    assert all(np.array_equal(result[name], truth[name]) for name in truth)
    predictive = sanitize.Predictive(schools, fit, extend=True)
    assert all(np.array_equal(predictive(KEY, 6)[name], truth[name]) for name in truth)
    assert predictive(KEY, 4)["y"].shape == (300, 4)  # an instance serves calls of any size


def test_predictive_takes_levels(labelled):
    predictive = sanitize.Predictive(
        schools, labelled, extend="school", levels={"school": ["D", "Z", "A"]}, batch_ndims=2, return_sites=["effect"]
    )
    effect = predictive(KEY, 3)["effect"]
    truth = labelled["theta"].sel(school=["D", "A"]).transpose("chain", "draw", "school") - labelled["mu"]
    assert np.allclose(effect[..., [0, 2]], truth, atol=1e-5)


def test_log_likelihood_scores_what_was_carried_on(fit):
    y = np.ones(6, np.float32)
    score = sanitize.log_likelihood(schools, fit, 6, y, extend="theta", rng_key=KEY)["y"]
    more = extend(schools, fit, jax.random.fold_in(KEY, 23), 6, sites="theta")
    assert np.array_equal(score, stock.log_likelihood(schools, more, 6, y)["y"])
    with pytest.raises(OptionError, match="rng_key has to be one random key, and is None"):
        sanitize.log_likelihood(schools, fit, 6, y, extend="theta")


@pytest.mark.slow
@OF_PREDICTOR
def test_predictor_gives_what_predictive_gives(fit):
    predict = sanitize.Predictor(schools, fit, extend="school", batch_size=64, rng_key=KEY, progress_bar=False)
    for n in (6, 9, 6):
        answer, truth = predict(KEY, n), sanitize.Predictive(schools, fit, extend="school")(KEY, n)
        assert answer["y"].dims == ("draw", "school")
        assert all(np.allclose(answer[name], truth[name], atol=1e-5) for name in truth)
    y = np.ones(6, np.float32)
    scores = predict.log_likelihood(6, y)["y"]
    truth = sanitize.log_likelihood(schools, fit, 6, y, extend="theta", rng_key=KEY)["y"]
    assert np.allclose(scores, truth, atol=1e-5)
    with pytest.raises(OptionError, match="rng_key has to be one random key"):
        sanitize.Predictor(schools, fit, extend="school").log_likelihood(6, y)


@OF_PREDICTOR
def test_predictor_labels_what_was_carried_on(labelled, rng):
    levels = {"school": ["D", "Z", "A"]}
    answer = sanitize.Predictor(schools, labelled, extend="school", levels=levels)(KEY, 3)
    assert answer["effect"].sizes == {"chain": 2, "draw": 20, "school": 3}
    assert answer["school"].values.tolist() == ["D", "Z", "A"]
    truth = labelled["theta"].sel(school=["D", "A"]) - labelled["mu"]
    assert np.allclose(answer["effect"].sel(school=["D", "A"]), truth.transpose("chain", "draw", "school"), atol=1e-5)
    chosen = sanitize.Predictor(schools, labelled, levels={"school": ["D", "A"]})(KEY, 2)
    assert chosen["school"].values.tolist() == ["D", "A"]
    assert np.allclose(chosen["effect"], truth.transpose("chain", "draw", "school"), atol=1e-5)


@OF_PREDICTOR
def test_predictor_goes_on_with_the_dates():
    import xarray as xr

    months = np.arange("2020-01", "2020-09", dtype="datetime64[M]").astype("datetime64[ns]")
    fit = recorded(walk, 8, draws=20)
    arrays = {"scale": (("chain", "draw"), fit["scale"][None]), "x": (("chain", "draw", "month"), fit["x"][None])}
    observed = xr.Dataset({"y": (("month",), np.zeros(8, np.float32))}, {"month": months})
    answer = sanitize.Predictor(walk, xr.Dataset(arrays, {"month": months}), extend="x", dims={"y": ["month"]})(KEY, 12)
    assert answer["month"].values[-1] == np.datetime64("2020-12-01")
    assert answer["month"].values[:8].tolist() == observed["month"].values.tolist()


@pytest.mark.slow
@OF_PREDICTOR
def test_predictor_of_a_fit_by_chain(fit):
    by_chain = {name: x.reshape(3, 100, *x.shape[1:]) for name, x in fit.items()}
    answer = sanitize.Predictor(schools, by_chain, extend=True)(KEY, 6)
    assert answer["y"].sizes == {"chain": 3, "draw": 100, "school": 6}
    truth = sanitize.Predictive(schools, fit, extend=True)(KEY, 6)["effect"]
    assert np.allclose(answer["effect"].values.reshape(300, 6), truth, atol=1e-5)
    lazy = sanitize.Predictor(schools, by_chain, extend=True, lazy=True, batch_size=30)(KEY, 6)
    assert np.allclose(lazy["effect"].compute(), answer["effect"], atol=1e-5)


def test_refusals_and_warnings_offer_it(fit):
    with pytest.raises(ShapeMismatchError, match=r"extend=\('theta',\).*sites= of sanitize.extend"):
        sanitize.Predictive(schools_by_index, fit)(KEY, np.arange(6), 6)
    with pytest.warns(RedrawnSiteWarning, match=r"extend=\('theta',\)"):
        sanitize.strip_deterministic(schools, fit, 6)
    with pytest.raises(ShapeMismatchError, match=r"extend=\('x',\)"):
        sanitize.strip_deterministic(walk, recorded(walk, 4), 6)


def schools_by_index(index, J, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfNormal(5))
    theta = numpyro.sample("theta", dist.Normal(mu, tau).expand([J]))
    numpyro.sample("y", dist.Normal(theta[index], 1.0), obs=y)


# ------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("sites", "levels", "match"),
    [
        ("gamma", None, "extend names 'gamma', which is not a site"),
        (("theta", 3), None, "it has to be a name"),
        ("y", {"school": ["A"] * 2}, "names a label twice"),
        ("theta", {"town": ["A"]}, "the samples label 'school'"),
        ("theta", ["A"], "maps a dimension to its labels"),
        ("theta", {"school": ["V", "W", "X", "Y", "Z", "Q"]}, "know none of them"),
        ("theta", {"school": ["A", "B", "Z"]}, "has 3 labels, and 'theta' has 6 values"),
        ((), {"school": ["A", "B", "C", "D", "Y", "Z"]}, "names 'Y' and 'Z', for which the samples have no 'theta'"),
        ("theta", None, r"levels={'school': \[...\]} with 6 labels"),
    ],
)
def test_names_and_labels_that_are_not_there(labelled, sites, levels, match):
    with pytest.raises(OptionError, match=match):
        extend(schools, labelled, KEY, 6, sites=sites, levels=levels)


def test_a_dict_has_no_labels(fit):
    with pytest.raises(OptionError, match="the samples label none: pass"):
        extend(schools, fit, KEY, 6, sites="theta", levels={"school": ["A"]})


def test_a_key_is_needed(fit):
    with pytest.raises(OptionError, match="third argument has to be one random key, and is 6"):
        extend(schools, fit, 6, sites="theta")


def test_a_name_in_two_verbs(fit):
    with pytest.raises(OptionError, match="named in keep and in extend"):
        sanitize.Predictive(schools, fit, keep="theta", extend="school")(KEY, 6)


def test_models_with_parameters_of_these_names(fit):
    """Which is meant, is told by passing the model's own by position."""

    def model(J, sites=3, rng_key=None):
        schools(J, np.zeros(J))

    with pytest.raises(OptionError, match="parameter of its own named 'sites'"):
        extend(model, fit, KEY, 6, sites="theta")
    assert extend(model, fit, KEY, 6, 3, sites="theta")["theta"].shape[-1] == 6
    for key in (KEY, jax.random.key(0)):
        with pytest.raises(OptionError, match="parameter of its own named 'rng_key'"):
            sanitize.log_likelihood(model, fit, 6, extend="theta", rng_key=key)
    scores = sanitize.log_likelihood(model, fit, 6, 3, None, extend="theta", rng_key=KEY)
    assert scores["y"].shape[-1] == 6


def test_fewer_values_than_were_fitted(fit):
    with pytest.raises(ShapeMismatchError, match="fewer values than were fitted; levels="):
        extend(schools, fit, KEY, 3, sites="theta")


def test_others_that_do_not_fit_are_not_passed_over():
    samples = recorded(public.rasch, CODES, CODES[:1].repeat(4), 3, 2)
    with pytest.raises(ShapeMismatchError, match="'difficulty' has recorded shape"):
        extend(public.rasch, samples, KEY, CODES, CODES[:1].repeat(4), 5, 4, sites="ability")


@pytest.mark.slow
def test_arguments_that_do_not_begin_with_those_of_the_fit():
    mcmc = stock.MCMC(stock.NUTS(public.gp_noncentered), num_warmup=2, num_samples=2, progress_bar=False)
    mcmc.run(KEY, GRID, np.zeros(6, np.float32))
    with pytest.raises(ShapeMismatchError, match=r"X\[0\] does not begin with the values of the fit"):
        extend(public.gp_noncentered, mcmc, KEY, LONGER[::-1].copy(), sites="z")
    assert extend(public.gp_noncentered, mcmc, KEY, LONGER, sites="z")["z"].shape == (2, 8)


def test_a_fitted_part_that_changes_is_an_error():
    def centred(J, y=None):
        a = numpyro.sample("a", dist.Normal(0, 1).expand([J]))
        centred = numpyro.deterministic("centred", a - a.mean())
        numpyro.sample("y", dist.Normal(centred, 1.0), obs=y)

    with pytest.raises(ExtensionError, match="'centred', recomputed along its fitted part, is off by") as error:
        extend(centred, recorded(centred, 4), KEY, 6, sites="a")
    assert error.value.sites == ("centred",)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sanitize.DataStatisticWarning")  # it says the same, of the targets
def test_a_basis_made_from_the_range_of_the_data_is_an_error():
    def basis(t, y=None):
        w = numpyro.sample("w", dist.Normal().expand([3]))
        eps = numpyro.sample("eps", dist.Normal().expand([t.shape[0]]))
        f = numpyro.deterministic("f", jnp.sin(jnp.outer(t / t.max(), jnp.arange(1, 4))) @ w)
        numpyro.sample("y", dist.Normal(f + eps, 1.0), obs=y)

    with pytest.raises(ExtensionError, match="'f', recomputed"):
        extend(basis, recorded(basis, GRID), KEY, LONGER, sites="eps")


def test_a_distribution_of_fitted_values_that_depends_on_the_new_ones_is_an_error():
    def hierarchy(J, y=None):
        a = numpyro.sample("a", dist.Normal(0, 1).expand([J]))
        g = numpyro.sample("g", dist.Normal(a.mean(), 0.1))
        numpyro.sample("y", dist.Normal(a + g, 1.0), obs=y)

    with pytest.raises(ExtensionError, match="distribution of the fitted 'g' depends on what is drawn anew of 'a'"):
        extend(hierarchy, recorded(hierarchy, 4), KEY, 6, sites="a")


@pytest.mark.slow
def test_inputs_that_the_recorded_values_do_not_belong_to_are_an_error():
    samples = recorded(public.gp_classification, GRID)
    with pytest.raises(ExtensionError, match="the distribution of 'f' cannot have produced its fitted values"):
        extend(public.gp_classification, samples, KEY, np.r_[GRID[::2], GRID[1::2], 3.0, 4.0], sites="f")


def test_joint_distributions_without_a_rule():
    def model(K, y=None):
        p = numpyro.sample("p", dist.Dirichlet(jnp.ones(K)))
        numpyro.sample("y", dist.Categorical(p), obs=y)

    with pytest.raises(OptionError, match=r"'p' cannot be carried on.*Dirichlet"):
        extend(model, recorded(model, 3, without=("y",)), KEY, 4, sites="p")


def test_a_prior_that_cannot_be_drawn_from():
    def model(J, y=None):
        with numpyro.plate("group", J):
            a = numpyro.sample("a", dist.ImproperUniform(dist.constraints.real, (), ()))
            numpyro.sample("y", dist.Normal(a, 1.0), obs=y)

    with pytest.raises(OptionError, match="'a' cannot be carried on: nothing can be drawn from a ImproperUniform"):
        extend(model, {"a": np.zeros((5, 3))}, KEY, 4, sites="a")


@pytest.mark.slow
def test_a_covariance_without_jitter_is_told():
    def model(x, y=None):
        K = jnp.exp(-0.5 * (x[:, None] - x) ** 2 / 100.0)
        f = numpyro.sample("f", dist.MultivariateNormal(jnp.zeros(x.shape[0]), covariance_matrix=K))
        numpyro.sample("y", dist.Normal(f, 1.0), obs=y)

    with pytest.raises(ExtensionError, match=r"not a number in 5 of 5 draws.*jitter"):
        extend(model, {"f": np.zeros((5, 6))}, KEY, np.arange(40.0) / 40, sites="f")


def test_a_walk_does_not_go_on_between_its_steps(rng):
    xarray = pytest.importorskip("xarray")
    samples = xarray.Dataset(
        {"scale": (("draw",), np.ones(9)), "x": (("draw", "time"), rng.normal(size=(9, 3)))}, {"time": [1, 2, 4]},
        attrs={"sample_dims": "draw"},
    )  # fmt: skip
    with pytest.raises(OptionError, match="after its last recorded step only"):
        extend(walk, samples, KEY, 4, sites="x", levels={"time": [1, 2, 3, 4]})
