"""Means against closed forms and integrals of the density, and what has none."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.distributions import transforms as T
from scipy import integrate, stats
from since import HAS_PREDICTOR, OF_PREDICTOR

from sanitize import OptionError, Predictor
from sanitize.predict.means import mean_of

A = jnp.array


def of_density(density, low, high):
    """The mean by integration, whatever the density's constant."""
    points = {"limit": 200, "epsabs": 1e-11}
    total = integrate.quad(density, low, high, **points)[0]
    return integrate.quad(lambda x: x * density(x), low, high, **points)[0] / total


def truncated(family, low, high, *parameters):
    return of_density(getattr(stats, family)(*parameters).pdf, low, high)


def folded(family, *parameters):
    of = getattr(stats, family)(*parameters)
    return of_density(lambda x: of.pdf(x) + of.pdf(-x), 0, np.inf)


def transformed(base, *parts):
    return dist.TransformedDistribution(base, list(parts))


MIX = A([0.25, 0.75])
CLOSED_FORMS = {
    # affine and other linear transforms
    "affine": (lambda: transformed(dist.Gamma(3.0, 2.0), T.AffineTransform(1.0, 4.0)), 7.0),
    "affine, negative": (lambda: transformed(dist.Exponential(0.5), T.AffineTransform(1.0, -2.0)), -3.0),
    "affine twice": (
        lambda: transformed(dist.Beta(2.0, 6.0), T.AffineTransform(0.0, 4.0), T.AffineTransform(-1.0, 3.0)),
        2.0,
    ),
    "affine by row": (lambda: transformed(dist.Beta(2.0, 2.0), T.AffineTransform(0.0, A([2.0, 4.0, 6.0]))), [1, 2, 3]),
    "affine of a count": (lambda: transformed(dist.Poisson(4.5), T.AffineTransform(1.0, 2.0)), 10.0),
    "affine of an event": (
        lambda: transformed(dist.Gumbel(A([0.0, 1.0]), 2.0).to_event(1), T.AffineTransform(1.0, 2.0)),
        1 + 2 * (np.array([0.0, 1.0]) + 2 * np.euler_gamma),
    ),
    "independent affine": (
        lambda: transformed(
            dist.Laplace(A([1.0, 2.0]), 1.0).to_event(1), T.IndependentTransform(T.AffineTransform(0.0, 3.0), 1)
        ),
        [3.0, 6.0],
    ),
    "Cholesky": (
        lambda: transformed(
            dist.Gamma(A([2.0, 3.0]), 1.0).to_event(1),
            T.LowerCholeskyAffine(A([1.0, 0.0]), A([[1.0, 0.0], [2.0, 1.0]])),
        ),
        [3.0, 7.0],
    ),
    "permuted": (
        lambda: transformed(dist.Normal(A([1.0, 2.0, 3.0]), 1.0), T.PermuteTransform(A([2, 0, 1]))),
        [3, 1, 2],
    ),
    # log-normal by transform
    "exp": (lambda: transformed(dist.Normal(0.5, 1.0), T.ExpTransform()), np.exp(1.0)),
    "exp, location and scale": (
        lambda: transformed(dist.Normal(0.0, 1.0), T.AffineTransform(0.5, -0.8), T.ExpTransform()),
        np.exp(0.5 + 0.32),
    ),
    "exp, shifted": (
        lambda: transformed(dist.Normal(0.5, 0.2), T.ExpTransform(), T.AffineTransform(2.0, 3.0)),
        2 + 3 * np.exp(0.52),
    ),
    "LogNormal, affine": (
        lambda: transformed(dist.LogNormal(0.5, 0.2), T.AffineTransform(-1.0, 2.0)),
        2 * np.exp(0.52) - 1,
    ),
    "exp of a vector": (
        lambda: transformed(dist.MultivariateNormal(A([0.0, 1.0]), A([[1.0, 0.3], [0.3, 0.5]])), T.ExpTransform()),
        np.exp([0.5, 1.25]),
    ),
    # folded
    "folded Normal": (lambda: dist.FoldedDistribution(dist.Normal(0.7, 1.3)), folded("norm", 0.7, 1.3)),
    "folded Normal, below": (lambda: dist.FoldedDistribution(dist.Normal(-2.0, 0.5)), folded("norm", -2.0, 0.5)),
    "folded Laplace": (lambda: dist.FoldedDistribution(dist.Laplace(0.7, 1.3)), folded("laplace", 0.7, 1.3)),
    "folded Logistic": (lambda: dist.FoldedDistribution(dist.Logistic(-0.7, 1.3)), folded("logistic", -0.7, 1.3)),
    "folded StudentT": (lambda: dist.FoldedDistribution(dist.StudentT(4.0, 0.7, 1.3)), folded("t", 4.0, 0.7, 1.3)),
    "folded, affine": (
        lambda: transformed(dist.FoldedDistribution(dist.Normal(0.7, 1.3)), T.AffineTransform(1.0, 2.0)),
        1 + 2 * folded("norm", 0.7, 1.3),
    ),
    "absolute": (lambda: transformed(dist.Normal(0.0, 2.0), T.AbsTransform()), 2 * np.sqrt(2 / np.pi)),
    # truncated
    "Normal above": (lambda: dist.TruncatedNormal(0.5, 2.0, low=1.0), truncated("norm", 1, np.inf, 0.5, 2)),
    "Normal below": (lambda: dist.TruncatedNormal(0.5, 2.0, high=-1.0), truncated("norm", -np.inf, -1, 0.5, 2)),
    "Normal between": (lambda: dist.TruncatedNormal(0.5, 2.0, low=-1.0, high=0.0), truncated("norm", -1, 0, 0.5, 2)),
    "Normal, far": (lambda: dist.TruncatedNormal(0.0, 1.0, low=6.0, high=8.0), truncated("norm", 6, 8)),
    "Cauchy between": (lambda: dist.TruncatedCauchy(0.5, 2.0, low=-1.0, high=4.0), truncated("cauchy", -1, 4, 0.5, 2)),
    "Laplace above": (
        lambda: dist.LeftTruncatedDistribution(dist.Laplace(0.5, 2.0), 1.0),
        truncated("laplace", 1, np.inf, 0.5, 2),
    ),
    "Laplace between": (
        lambda: dist.TwoSidedTruncatedDistribution(dist.Laplace(0.5, 2.0), -1.0, 4.0),
        truncated("laplace", -1, 4, 0.5, 2),
    ),
    "Logistic below": (
        lambda: dist.RightTruncatedDistribution(dist.Logistic(0.5, 2.0), 1.0),
        truncated("logistic", -np.inf, 1, 0.5, 2),
    ),
    "StudentT above": (
        lambda: dist.LeftTruncatedDistribution(dist.StudentT(3.0, 0.5, 2.0), 1.0),
        truncated("t", 1, np.inf, 3, 0.5, 2),
    ),
    "StudentT between": (
        lambda: dist.TwoSidedTruncatedDistribution(dist.StudentT(0.8, 0.5, 2.0), -1.0, 4.0),
        truncated("t", -1, 4, 0.8, 0.5, 2),
    ),
    "StudentT of 1 between": (
        lambda: dist.TwoSidedTruncatedDistribution(dist.StudentT(1.0, 0.5, 2.0), -1.0, 4.0),
        truncated("cauchy", -1, 4, 0.5, 2),
    ),
    "truncated, affine": (
        lambda: transformed(dist.TruncatedNormal(0.5, 2.0, low=1.0), T.AffineTransform(1.0, 2.0)),
        1 + 2 * truncated("norm", 1, np.inf, 0.5, 2),
    ),
    # mixtures of such, and what is censored
    "mixture of affine": (
        lambda: dist.MixtureGeneral(
            dist.Categorical(MIX),
            [dist.Normal(2.0, 1.0), transformed(dist.Normal(1.0, 1.0), T.AffineTransform(1.0, 2.0))],
        ),
        0.25 * 2 + 0.75 * 3,
    ),
    "mixture of log-normal": (
        lambda: dist.MixtureSameFamily(
            dist.Categorical(MIX), transformed(dist.Normal(A([0.0, 1.0]), 0.5), T.ExpTransform())
        ),
        (0.25 + 0.75 * np.e) * np.exp(0.125),
    ),
    "mixture of events": (
        lambda: dist.MixtureSameFamily(
            dist.Categorical(MIX),
            transformed(dist.Normal(A([[0.0, 1.0], [2.0, 3.0]]), 0.5), T.AffineTransform(0.0, 2.0)).to_event(1),
        ),
        [3.0, 5.0],
    ),
    "mixture of truncated": (
        lambda: dist.MixtureGeneral(
            dist.Categorical(MIX),
            [dist.LeftTruncatedDistribution(dist.Laplace(0.5, 2.0), 1.0), dist.TruncatedNormal(0.5, 2.0, low=1.0)],
            support=dist.constraints.greater_than_eq(1.0),
        ),
        0.25 * truncated("laplace", 1, np.inf, 0.5, 2) + 0.75 * truncated("norm", 1, np.inf, 0.5, 2),
    ),
    "left censored": (lambda: dist.LeftCensoredDistribution(dist.Normal(2.0, 1.0), A([True, False, True])), 2.0),
    "right censored": (
        lambda: dist.RightCensoredDistribution(dist.Exponential(A([1.0, 2.0, 4.0])), A([0, 1, 0])),
        [1, 0.5, 0.25],
    ),
    "right censored LogNormal": (
        lambda: dist.RightCensoredDistribution(transformed(dist.Normal(0.0, 1.0), T.ExpTransform()), False),
        np.exp(0.5),
    ),
    "power law": (lambda: dist.LowerTruncatedPowerLaw(-3.5, 2.0), of_density(lambda x: x**-3.5, 2, np.inf)),
    "power law between": (lambda: dist.DoublyTruncatedPowerLaw(-2.5, 1.0, 5.0), of_density(lambda x: x**-2.5, 1, 5)),
    "power law of -2": (lambda: dist.DoublyTruncatedPowerLaw(-2.0, 1.0, 5.0), of_density(lambda x: x**-2.0, 1, 5)),
    "power law of -1": (lambda: dist.DoublyTruncatedPowerLaw(-1.0, 1.0, 5.0), 4 / np.log(5)),
}


def make(fn):
    try:
        return fn()
    except AttributeError as error:
        pytest.skip(f"this NumPyro has none: {error}")


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_the_mean_is_the_closed_form(name):
    fn, truth = CLOSED_FORMS[name]
    fn = make(fn).expand([2, 3] if np.ndim(truth) and len(truth) == 3 else [3])
    mean = mean_of(fn.mask(True))
    assert mean.shape == fn.shape()
    np.testing.assert_allclose(mean, np.broadcast_to(truth, fn.shape()), rtol=2e-5)


@pytest.mark.parametrize(
    "make_fn",
    [
        lambda: dist.Cauchy(),
        lambda: dist.FoldedDistribution(dist.Cauchy()),
        lambda: dist.FoldedDistribution(dist.StudentT(1.0)),
        lambda: dist.LeftTruncatedDistribution(dist.Cauchy(), 1.0),
        lambda: dist.RightTruncatedDistribution(dist.StudentT(0.8), 1.0),
        lambda: transformed(dist.Cauchy(), T.AffineTransform(1.0, 2.0)),
        lambda: dist.MixtureSameFamily(dist.Categorical(MIX), dist.Cauchy(A([0.0, 1.0]))),
        lambda: dist.LowerTruncatedPowerLaw(-1.5, 2.0),
    ],
)
def test_a_mean_that_does_not_exist_is_nan_or_infinite(make_fn):
    assert not np.isfinite(mean_of(make(make_fn))).any()


@pytest.mark.parametrize(
    "make_fn",
    [
        lambda: transformed(dist.Normal(), T.SigmoidTransform()),
        lambda: transformed(dist.Normal(), T.ExpTransform(), T.ExpTransform()),
        lambda: transformed(dist.Gamma(2.0, 1.0), T.ExpTransform()),
        lambda: transformed(dist.Normal(), T.PowerTransform(3.0)),
        lambda: dist.LeftTruncatedDistribution(dist.SoftLaplace(0.0, 1.0), 1.0),
        lambda: dist.SineSkewed(dist.VonMises(A([0.0]), A([1.0])).to_event(1), A([0.5])),  # NumPyro gives another's
        lambda: dist.EulerMaruyama(jnp.arange(3.0), lambda x, t: (-x, 1.0), dist.Normal(0.0, 1.0)),
    ],
)
def test_a_mean_that_nobody_wrote_is_an_error(make_fn):
    with pytest.raises(NotImplementedError):
        mean_of(make(make_fn))


# ------------------------------------------------------------------------------------------------ in a Predictor

KEY = jax.random.PRNGKey(0)
CUTS = A([-1.0, 0.5, 2.0])
X = np.array([-1.0, 0.0, 3.0], np.float32)


def ordinal(x, link):
    """Shares of four ordered answers."""
    below = link(np.asarray(CUTS) - x[:, None])
    edges = np.concatenate([np.zeros((len(x), 1)), below, np.ones((len(x), 1))], 1)
    return np.diff(edges)


def answers(x):
    slope = numpyro.sample("slope", dist.Normal())
    eta = slope * x
    logits = jnp.stack([eta, 0 * eta, -eta], -1)
    with numpyro.plate("person", len(x)), numpyro.handlers.mask(mask=x > -0.5):
        numpyro.sample("vote", dist.Categorical(logits=logits))
        numpyro.sample("party", dist.Categorical(probs=jax.nn.softmax(logits)))
        numpyro.sample("agree", dist.OrderedLogistic(eta, CUTS))
        below = jax.scipy.stats.norm.cdf(CUTS - eta[:, None])
        edges = jnp.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))
        numpyro.sample("like", dist.Categorical(jnp.diff(edges)))
        numpyro.sample("count", dist.Multinomial(10, logits=logits))
        numpyro.sample("age", dist.Normal(eta, 1.0))
    numpyro.sample("pair", dist.Categorical(probs=A([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])).to_event(1))
    numpyro.sample("all", dist.Categorical(probs=A([0.2, 0.8])).expand([3]))


@pytest.fixture(scope="module")
def expected():
    if not HAS_PREDICTOR:
        pytest.skip("Predictor needs NumPyro 0.15")
    samples = {"slope": np.array([[1.0, 1.0]], np.float32)}
    return Predictor(answers, samples, kind="mean", coords={"vote_category": ["left", "none", "right"]})(KEY, X)


def softmax(x):
    shares = np.exp(np.stack([x, 0 * x, -x], -1))
    return shares / shares.sum(-1, keepdims=True)


SHARES = {
    "vote": (softmax(X), ("person", "vote_category")),
    "party": (softmax(X), ("person", "party_category")),
    "agree": (ordinal(X, stats.logistic.cdf), ("person", "agree_category")),
    "like": (ordinal(X, stats.norm.cdf), ("person", "like_category")),
    "pair": (np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]), ("pair_dim_0", "pair_category")),
    "all": (np.tile([0.2, 0.8], (3, 1)), ("all_dim_0", "all_category")),
    "count": (10 * softmax(X), ("person", "count_dim_1")),  # numbers, of which there is a mean
    "age": (X, ("person",)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARES)
def test_of_a_category_the_probabilities_come(expected, name):
    truth, dims = SHARES[name]
    assert expected[name].dims == ("chain", "draw", *dims)
    np.testing.assert_allclose(expected[name][0, 1], truth, rtol=2e-5, atol=1e-7)


@pytest.mark.slow
def test_categories_are_numbered_or_as_they_are_called(expected):
    assert list(expected["agree_category"].values) == [0, 1, 2, 3]
    assert list(expected["vote_category"].values) == ["left", "none", "right"]


@OF_PREDICTOR
@pytest.mark.parametrize("dims", [["voter"], ["voter", "party"]])
def test_dims_may_name_the_categories(dims):
    predict = Predictor(answers, {"slope": np.ones(2, np.float32)}, "vote", kind="mean", dims={"vote": dims})
    assert predict(KEY, X)["vote"].dims == ("draw", *(dims if len(dims) == 2 else (*dims, "vote_category")))


@OF_PREDICTOR
@pytest.mark.filterwarnings("ignore::sanitize.MissingLatentWarning")
def test_dims_of_what_is_no_category_have_one_name_each():
    predict = Predictor(answers, {"slope": np.ones(2)}, "age", kind="mean", dims={"age": ["person", "more"]})
    with pytest.raises(OptionError, match="dims of 'age'"):
        predict(KEY, X)


@OF_PREDICTOR
@pytest.mark.slow
def test_a_model_of_all_closed_forms():
    made = {}
    for name, (make_fn, truth) in CLOSED_FORMS.items():
        try:
            make_fn()
        except AttributeError:
            continue
        if "StudentT" not in name:  # NumPyro draws from one that is truncated with a package more
            made[name.replace(",", "")] = make_fn, truth

    def model():
        numpyro.sample("unused", dist.Normal())
        with numpyro.plate("row", 3):
            for name, (make_fn, _) in made.items():
                numpyro.sample(name, make_fn())

    predict = Predictor(model, {"unused": np.zeros(4)}, kind="mean")
    answer, drawn = predict(KEY), Predictor(model, {"unused": np.zeros(4)})(KEY)
    for name, (_, truth) in made.items():
        assert answer[name].dims == drawn[name].dims
        assert answer[name].shape == drawn[name].shape
        np.testing.assert_allclose(answer[name], np.broadcast_to(truth, answer[name].shape), rtol=2e-5, err_msg=name)
