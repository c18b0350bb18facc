"""`kind="params"`: what each observed site is drawn with, as a recorded deterministic site would have it."""

import arviz as az
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from numpyro import deterministic, plate, sample
from numpyro import infer as stock
from numpyro.contrib.control_flow import scan
from numpyro.distributions import transforms as T
from since import OF_PREDICTOR

from sanitize import OptionError, Predictor
from sanitize.predict.parameters import CATEGORY, COMPONENT, parameters_of

KEY = jax.random.PRNGKey(7)
A = jnp.array
N, D = 5, 4
X = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)


# ------------------------------------------------------------------------------------------- of a distribution

V, W = A([1.0, 2.0, 3.0]), A([0.5, 1.5, 2.5])
GIVEN = {
    "Normal": {"loc": V, "scale": 2.0},
    "StudentT": {"df": 3.0, "loc": V, "scale": W},
    "LogNormal": {"loc": V, "scale": W},
    "Gamma": {"concentration": V, "rate": W},
    "InverseGamma": {"concentration": V, "rate": W},
    "Beta": {"concentration1": V, "concentration0": W},
    "BetaProportion": {"mean": A([0.2, 0.5, 0.7]), "concentration": W},
    "Exponential": {"rate": V},
    "HalfNormal": {"scale": V},
    "HalfCauchy": {"scale": V},
    "Cauchy": {"loc": V, "scale": W},
    "Laplace": {"loc": V, "scale": W},
    "AsymmetricLaplace": {"loc": V, "scale": W, "asymmetry": V},
    "Gumbel": {"loc": V, "scale": W},
    "Logistic": {"loc": V, "scale": W},
    "Levy": {"loc": V, "scale": W},
    "Pareto": {"scale": V, "alpha": W},
    "Uniform": {"low": V - 1, "high": V},
    "LogUniform": {"low": V, "high": V + 1},
    "Weibull": {"scale": V, "concentration": W},
    "Kumaraswamy": {"concentration1": V, "concentration0": W},
    "Chi2": {"df": V},
    "VonMises": {"loc": V, "concentration": W},
    "SoftLaplace": {"loc": V, "scale": W},
    "Gompertz": {"concentration": V, "rate": W},
    "Poisson": {"rate": V},
    "GammaPoisson": {"concentration": V, "rate": W},
    "NegativeBinomial2": {"mean": V, "concentration": W},
    "NegativeBinomialProbs": {"total_count": V, "probs": A([0.2, 0.5, 0.7])},
    "NegativeBinomialLogits": {"total_count": V, "logits": W},
    "BetaBinomial": {"concentration1": V, "concentration0": W, "total_count": A([3, 4, 5])},
    "BernoulliProbs": {"probs": A([0.2, 0.5, 0.7])},
    "BinomialProbs": {"probs": A([0.2, 0.5, 0.7]), "total_count": A([3, 4, 5])},
    "GeometricProbs": {"probs": A([0.2, 0.5, 0.7])},
    "ZeroInflatedPoisson": {"gate": A([0.2, 0.5, 0.7]), "rate": W},
    "DiscreteUniform": {"low": A([0, 1, 2]), "high": A([3, 4, 5])},
    "Dirichlet": {"concentration": V},
    "DirichletMultinomial": {"concentration": V, "total_count": A(9)},
    "MultinomialProbs": {"probs": A([0.2, 0.3, 0.5]), "total_count": A(9)},
    "CategoricalProbs": {"probs": A([0.2, 0.3, 0.5])},
    "MultivariateNormal": {"loc": V, "scale_tril": jnp.eye(3)},
    "LowRankMultivariateNormal": {"loc": V, "cov_factor": jnp.ones((3, 2)), "cov_diag": W},
    "MultivariateStudentT": {"df": 4.0, "loc": V, "scale_tril": jnp.eye(3)},
    "ProjectedNormal": {"concentration": V},
    "Delta": {"v": V, "log_density": 0.0},
    "Wishart": {"concentration": 5.0, "scale_matrix": 2 * jnp.eye(3)},
    "ZeroSumNormal": {"scale": 2.0, "event_shape": (3,)},
    "GaussianRandomWalk": {"scale": 2.0, "num_steps": 3},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", GIVEN)
def test_what_a_distribution_was_given_comes_back(name):
    if not hasattr(dist, name):
        pytest.skip("this NumPyro has none")
    given = {key: value for key, value in GIVEN[name].items() if key not in ("event_shape", "num_steps")}
    fn = getattr(dist, name)(**GIVEN[name])
    found = {parameter.name: parameter for parameter in parameters_of(fn.mask(A(True)))}
    assert set(found) == set(given)
    for key, value in given.items():
        assert found[key].value.shape == np.shape(value)
        np.testing.assert_allclose(found[key].value, value, rtol=1e-5)


INSIDE = {
    "expanded": (lambda: dist.Normal(V, 2.0).expand([2, 3]).to_event(1), {"loc": (1,), "scale": ()}),
    "a column": (lambda: dist.Normal(jnp.ones((2, 1)), V), {"loc": (0, None), "scale": (1,)}),
    "logits": (lambda: dist.Bernoulli(logits=V), {"logits": (0,), "probs": (0,)}),
    "categories": (
        lambda: dist.Categorical(logits=jnp.ones((2, 3))),
        {"logits": (0, CATEGORY), "probs": (0, CATEGORY)},
    ),
    "ordered": (
        lambda: dist.OrderedLogistic(V, A([0.0, 1.0])),
        {"predictor": (0,), "cutpoints": (None,), "probs": (0, CATEGORY)},
    ),
    "two answers": (
        lambda: dist.OrderedLogistic(V, A([0.0])),
        {"predictor": (0,), "cutpoints": (None,), "probs": (0, CATEGORY)},
    ),
    "mixture": (
        lambda: dist.MixtureSameFamily(dist.Categorical(jnp.ones(3) / 3), dist.Normal(jnp.ones((2, 3)), V)),
        {"mixing.probs": (COMPONENT,), "component.loc": (0, COMPONENT), "component.scale": (COMPONENT,)},
    ),
    "mixture of events": (
        lambda: dist.MixtureSameFamily(
            dist.Categorical(jnp.ones((4, 3)) / 3), dist.Normal(jnp.ones((3, 2)), 1.0).to_event(1)
        ),
        {"mixing.probs": (0, COMPONENT), "component.loc": (COMPONENT, 1), "component.scale": ()},
    ),
    "mixture of families": (
        lambda: dist.MixtureGeneral(dist.Categorical(A([0.3, 0.7])), [dist.Normal(V, 1.0), dist.Cauchy(0.0, 2.0)]),
        {
            "mixing.probs": (COMPONENT,),
            **{"component.0.loc": (0,), "component.0.scale": (), "component.1.loc": (), "component.1.scale": ()},
        },
    ),
    "truncated": (
        lambda: dist.TruncatedNormal(V, 2.0, low=0.0, high=9.0),
        {"base_dist.loc": (0,), "base_dist.scale": (), "low": (), "high": ()},
    ),
    "zero-inflated": (
        lambda: dist.ZeroInflatedDistribution(dist.NegativeBinomial2(V, 2.0), gate=A(0.3)),
        {"base_dist.mean": (0,), "base_dist.concentration": (), "gate": ()},
    ),
    "affine": (
        lambda: dist.TransformedDistribution(dist.Beta(V, 2.0), T.AffineTransform(1.0, W)),
        {
            "base_dist.concentration1": (0,),
            "base_dist.concentration0": (),
            **{"transforms.0.loc": (), "transforms.0.scale": (0,)},
        },
    ),
    "folded": (lambda: dist.FoldedDistribution(dist.Normal(V, 1.0)), {"base_dist.loc": (0,), "base_dist.scale": ()}),
    "joint": (
        lambda: dist.MultivariateNormal(jnp.ones((2, 3)), jnp.eye(3)),
        {"loc": (0, 1), "covariance_matrix": (None, None), "scale_tril": (None, None)},
    ),
    "a matrix": (
        lambda: dist.MatrixNormal(jnp.ones((2, 2)), jnp.eye(2), jnp.eye(2)),
        {"loc": (0, 1), "scale_tril_row": (None, None), "scale_tril_column": (None, None)},
    ),
    "one row": (lambda: dist.Normal(A([1.0]), 1.0), {"loc": (0,), "scale": (0,)}),
}


@pytest.mark.parametrize("name", INSIDE)
def test_parameters_have_dimensions_of_what_is_drawn(name):
    if name == "a matrix" and not hasattr(dist, "MatrixNormal"):
        pytest.skip("younger than this NumPyro")
    make, dims = INSIDE[name]
    found = {parameter.name: parameter for parameter in parameters_of(make())}
    assert {key: parameter.dims for key, parameter in found.items()} == dims
    assert all(len(parameter.dims) == parameter.value.ndim for parameter in found.values())


class Own(dist.Distribution):
    """As people write one, with arguments that no constraints are written for."""

    support = dist.constraints.real

    def __init__(self, center, width=2.0):
        self.center, self.width = center, width
        super().__init__(jnp.shape(center))

    def sample(self, key, sample_shape=()):
        return self.center + self.width * jax.random.normal(key, (*sample_shape, *self.batch_shape))


def test_a_distribution_of_ones_own():
    found = {parameter.name: (parameter.value, parameter.dims) for parameter in parameters_of(Own(V))}
    np.testing.assert_array_equal(found["center"][0], V)
    assert (found["center"][1], found["width"][1]) == ((0,), ())


# ----------------------------------------------------------------------------------------------- of twenty models


def told(name, value):
    """Record a value, as people do who want the mean of ``y``."""
    return deterministic(f"told.{name}", value)


def normal(x, a, b, s):
    with plate("row", len(x)):
        sample("y", dist.Normal(told("loc", a + x @ b), told("scale", s)))


def negative_binomial(x, a, b, s):
    with plate("row", len(x)):
        sample("y", dist.NegativeBinomial2(told("mean", jnp.exp(a + x @ b)), told("concentration", s)))


def logistic(x, a, b, s):
    logits = told("logits", a + x @ b)
    told("probs", jax.nn.sigmoid(logits))
    with plate("row", len(x)):
        sample("y", dist.Bernoulli(logits=logits))


def categories(x, a, b, s):
    logits = told("logits", jnp.stack([a + x @ b, x @ b, jnp.zeros(len(x))], -1))
    told("probs", jax.nn.softmax(logits, -1))
    with plate("row", len(x)):
        sample("y", dist.Categorical(logits=logits))


def ordered(x, a, b, s):
    cuts = told("cutpoints", jnp.stack([a, a + s, a + 2 * s]))
    with plate("row", len(x)):
        sample("y", dist.OrderedLogistic(told("predictor", x @ b), cuts))


def mixture(x, a, b, s):
    shares = told("mixing.probs", jax.nn.softmax(jnp.stack([a, 0.0])))
    both = told("component.loc", jnp.stack([x @ b, a + x @ b], -1))
    with plate("row", len(x)):
        sample("y", dist.MixtureSameFamily(dist.Categorical(shares), dist.Normal(both, told("component.scale", s))))


def families(x, a, b, s):
    shares = dist.Categorical(A([0.3, 0.7]))
    parts = [
        dist.Normal(told("component.0.loc", x @ b), 1.0),
        dist.StudentT(3.0, told("component.1.loc", a + x @ b), s),
    ]
    with plate("row", len(x)):
        sample("y", dist.MixtureGeneral(shares, parts))


def inflated(x, a, b, s):
    base = dist.Poisson(told("base_dist.rate", jnp.exp(x @ b)))
    with plate("row", len(x)):
        sample("y", dist.ZeroInflatedDistribution(base, gate=told("gate", jax.nn.sigmoid(a))))


def masked(x, a, b, s):
    fn = dist.LogNormal(told("loc", a + x @ b), told("scale", s))
    sample("y", fn.mask(x[:, 0] > 0).to_event(1))


def affine(x, a, b, s):
    base = dist.Beta(told("base_dist.concentration1", jnp.exp(x @ b)), 2.0)
    sample("y", dist.TransformedDistribution(base, T.AffineTransform(1.0, told("transforms.0.scale", s))))


def truncated(x, a, b, s):
    with plate("row", len(x)):
        loc, scale = told("base_dist.loc", a + x @ b), told("base_dist.scale", s)
        sample("y", dist.TruncatedNormal(loc, scale, low=told("low", -s)))


def joint(x, a, b, s):
    sample("y", dist.MultivariateNormal(told("loc", a + x @ b), scale_tril=told("scale_tril", s * jnp.eye(len(x)))))


def outputs(x, a, b, s):
    with plate("row", len(x)):
        sample("y", dist.Normal(told("loc", jnp.outer(x @ b, b)), told("scale", s * jnp.ones(3))).to_event(1))


def two_plates(x, a, b, s):
    with plate("col", 3, dim=-1), plate("row", len(x), dim=-2):
        sample("y", dist.Gamma(told("concentration", s), told("rate", jnp.exp(x * b))))


def counts(x, a, b, s):
    shares = told("probs", jax.nn.softmax(x * b, -1))
    with plate("row", len(x)):
        sample("y", dist.Multinomial(10, shares))


def compositions(x, a, b, s):
    with plate("row", len(x)):
        sample("y", dist.Dirichlet(told("concentration", jnp.exp(x * b))))


def folded(x, a, b, s):
    with plate("row", len(x)):
        sample("y", dist.FoldedDistribution(dist.Normal(told("base_dist.loc", a + x @ b), told("base_dist.scale", s))))


def under_handlers(x, a, b, s):
    with numpyro.handlers.scale(scale=2.0), numpyro.handlers.mask(mask=x[:, 0] > 0), plate("row", len(x)):
        sample("y", dist.StudentT(4.0, told("loc", a + x @ b), told("scale", s)))


def one_for_all(x, a, b, s):
    with plate("row", len(x)):
        sample("y", dist.Exponential(told("rate", s)))


def beta_binomial(x, a, b, s):
    with plate("row", len(x)):
        rate = told("concentration1", jnp.exp(x @ b))
        sample("y", dist.BetaBinomial(rate, told("concentration0", s), told("total_count", jnp.arange(len(x)) + 3)))


TWENTY = [
    *(normal, negative_binomial, logistic, categories, ordered, mixture, families, inflated, masked, affine),
    *(truncated, joint, outputs, two_plates, counts, compositions, folded, under_handlers, one_for_all, beta_binomial),
]
SAMPLES = {
    "a": np.random.default_rng(1).normal(size=D).astype(np.float32),
    "b": np.random.default_rng(2).normal(size=(D, 3)).astype(np.float32),
    "s": np.array([0.5, 1.0, 1.5, 2.0], np.float32),
}


def with_prior(likelihood):
    def model(x):
        b = sample("b", dist.Normal().expand([3]).to_event(1))
        likelihood(x, sample("a", dist.Normal()), b, sample("s", dist.HalfNormal()))

    return model


@OF_PREDICTOR
@pytest.mark.slow
@pytest.mark.parametrize("likelihood", TWENTY)
def test_parameters_are_what_a_deterministic_site_records(likelihood):
    model = with_prior(likelihood)
    answer = Predictor(model, SAMPLES, kind="params")(KEY, X)
    drawn = Predictor(model, SAMPLES, return_sites="y")(KEY, X)
    names = [name for name in answer if name.startswith("told.")]
    truth = stock.Predictive(model, SAMPLES, return_sites=names)(KEY, X)
    assert names
    assert "y" not in answer
    for name in names:
        mine = answer[name.replace("told", "y")]
        assert mine.shape == truth[name].shape
        np.testing.assert_allclose(mine, truth[name], rtol=2e-5, atol=1e-6)
    rows = drawn["y"].dims[1]
    along_rows = [name for name in answer if name.startswith("y.") and rows in answer[name].dims]
    assert along_rows or likelihood in (one_for_all,)
    assert answer.attrs["kind"] == "params"


# --------------------------------------------------------------------------------------------------- as labelled


def level(x, y=None):
    slope = sample("slope", dist.Normal())
    with plate("row", len(x)):
        sample("y", dist.Normal(slope * x, 2.0), obs=y)
    sample("z", dist.Categorical(logits=slope * jnp.eye(2)), obs=None if y is None else jnp.zeros(2, int))


CHAINS = {"slope": np.arange(6, dtype=np.float32).reshape(2, 3)}
ROWS = np.array([1.0, 2.0, 4.0], np.float32)


@OF_PREDICTOR
def test_parameters_by_chain_lazily_and_in_part():
    whole = Predictor(level, CHAINS, kind="params")(KEY, ROWS)
    assert {name: x.dims for name, x in whole.items()} == {
        "y.loc": ("chain", "draw", "row"),
        "y.scale": ("chain", "draw"),
        "z.logits": ("chain", "draw", "z_dim_0", "z_category"),
        "z.probs": ("chain", "draw", "z_dim_0", "z_category"),
    }
    np.testing.assert_array_equal(whole["y.loc"], CHAINS["slope"][..., None] * ROWS)
    assert list(whole["z_category"].values) == [0, 1]
    lazy = Predictor(level, CHAINS, kind="params", lazy=True, batch_size=2)(KEY, ROWS)
    xr.testing.assert_equal(lazy.compute(), whole)
    assert lazy["y.loc"].chunks is not None
    for wanted, names in {"y": {"y.loc", "y.scale"}, "z.probs": {"z.probs"}}.items():
        part = Predictor(level, CHAINS, wanted, kind="params")(KEY, ROWS)
        assert set(part.data_vars) == names
        xr.testing.assert_equal(part, whole[[*names]])


@OF_PREDICTOR
def test_dims_and_coords_are_those_of_the_site():
    options = {"dims": {"y": ["day"], "z": ["item"]}, "coords": {"day": ["a", "b", "c"], "z_category": ["no", "yes"]}}
    answer = Predictor(level, CHAINS, kind="params", **options)(KEY, ROWS)
    assert answer["y.loc"].dims[2:] == ("day",)
    assert answer["z.probs"].dims[2:] == ("item", "z_category")
    assert list(answer["day"].values) == ["a", "b", "c"]
    assert list(answer["z_category"].values) == ["no", "yes"]


@OF_PREDICTOR
def test_other_rows_have_their_own_number():
    predict = Predictor(level, CHAINS, "y.loc", kind="params")
    assert [predict(KEY, ROWS[:n])["y.loc"].shape for n in (3, 1, 2)] == [(2, 3, 3), (2, 3, 1), (2, 3, 2)]


@OF_PREDICTOR
@pytest.mark.slow
def test_parameters_go_through_arviz_and_files(tmp_path):
    answer = Predictor(level, CHAINS, kind="params")(KEY, ROWS)
    answer.to_netcdf(tmp_path / "answer.nc")
    xr.testing.assert_equal(xr.open_dataset(tmp_path / "answer.nc"), answer)
    assert "y.scale" in az.summary(answer, kind="stats").index


@OF_PREDICTOR
@pytest.mark.slow
def test_parameters_of_the_steps_of_a_series():
    def model(steps):
        phi = sample("phi", dist.Normal())

        def step(y, _):
            y = sample("y", dist.Normal(phi * y, 0.1))
            return y, y

        scan(step, 8.0, jnp.arange(steps))

    samples = {"phi": np.full(4, 0.5, np.float32)}
    answer, drawn = (Predictor(model, samples, kind=kind)(KEY, 3) for kind in ("params", "samples"))
    past = np.concatenate([np.full((4, 1), 8.0), drawn["y"][:, :-1]], 1)
    np.testing.assert_allclose(answer["y.loc"], past / 2, rtol=1e-6)
    assert answer["y.loc"].dims == ("draw", "y_dim_0")


@OF_PREDICTOR
@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("y.rate", "'y.rate'.*Normal.*'y.loc' and 'y.scale'"),
        ("slope.loc", "'slope.loc'.*of 'y' and 'z'"),
        ("x.loc", "'x.loc', which is not a site"),
    ],
)
def test_what_is_no_parameter_is_told_by_name(wanted, words):
    with pytest.raises(OptionError, match=words):
        Predictor(level, CHAINS, wanted, kind="params")(KEY, ROWS)


@OF_PREDICTOR
def test_a_distribution_without_parameters_is_told_by_name():
    class Coin(dist.Distribution):
        support = dist.constraints.boolean

        def __init__(self):
            super().__init__(())

        def sample(self, key, sample_shape=()):
            return jax.random.bernoulli(key, 0.5, sample_shape).astype(int)

    def model():
        deterministic("double", 2 * sample("a", dist.Normal()))
        sample("y", Coin())

    with pytest.raises(OptionError, match="'y' is drawn from a Coin, and it has no parameters"):
        Predictor(model, {"a": np.ones(2)}, kind="params")(KEY)
    assert set(Predictor(model, {"a": np.ones(2)}, "double", kind="params")(KEY)) == {"double"}
