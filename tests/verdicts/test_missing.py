"""A latent (or param) without an entry is said where its prior (or initial value) would be used, and only there."""

import functools
import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from fits import KEY, Fitted, draws, heard
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer import Predictive as StockPredictive
from numpyro.infer.autoguide import AutoDelta, AutoMultivariateNormal, AutoNormal
from numpyro.infer.reparam import LocScaleReparam, TransformReparam
from since import HAS_PREDICTOR
from without_words import says

import sanitize
from sanitize import (
    MissingLatentError,
    MissingLatentWarning,
    ModelArgumentsError,
    NoSharedSiteError,
    SamplesTypeError,
    SanitizeWarning,
    inspect_sites,
    log_likelihood,
    strip_deterministic,
)

X = np.linspace(-1, 1, 12)
Y = np.linspace(0, 1, 12)
G = np.arange(12) % 4

# ------------------------------------------------------------------------------------------------------- models


def line(x, y=None):
    a = numpyro.sample("a", dist.Normal())
    b = numpyro.sample("b", dist.Normal())
    sigma = numpyro.sample("sigma", dist.HalfNormal())
    mu = numpyro.deterministic("mu", a + b * x)
    numpyro.sample("y", dist.Normal(mu, sigma), obs=y)


def line_of_known_noise(x, y=None):
    a = numpyro.sample("a", dist.Normal())
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(a + b * x, 1.0), obs=y)


def regions(x, y=None):
    a_south = numpyro.sample("a_south", dist.Normal())
    a_north = numpyro.sample("a_north", dist.Normal())
    numpyro.sample("y", dist.Normal(jnp.where(x > 0, a_north, a_south), 1.0), obs=y)


def radon(g, x, n=4, y=None):
    mu_a = numpyro.sample("mu_a", dist.Normal())
    tau = numpyro.sample("tau", dist.HalfNormal())
    with numpyro.plate("county", n):
        a = numpyro.sample("a", dist.Normal(mu_a, tau))
    b = numpyro.sample("b", dist.Normal())
    with numpyro.plate("rows", len(g)):
        numpyro.sample("y", dist.Normal(a[g] + b * x, 1.0), obs=y)


def radon_by_hand(g, x, n=4, y=None):
    tau = numpyro.sample("tau", dist.HalfNormal())
    with numpyro.plate("county", n):
        a = tau * numpyro.sample("a_decentered", dist.Normal())
    numpyro.sample("y", dist.Normal(a[g] + x, 1.0), obs=y)


def schools(s, y=None):
    mu = numpyro.sample("mu", dist.Normal())
    tau = numpyro.sample("tau", dist.HalfNormal())
    with numpyro.plate("J", len(s)):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, s), obs=y)


def scoped(x, y=None):
    with handlers.scope(prefix="slope", divider="/"):
        b = numpyro.sample("b", dist.Normal())
    a = numpyro.sample("a", dist.Normal())
    numpyro.sample("y", dist.Normal(a + b * x, 1.0), obs=y)


def second_stage(x, y=None):
    """The exposure of a first model, whose draws are merged in."""
    effect = numpyro.sample("effect", dist.Normal())
    exposure = numpyro.sample("exposure", dist.Gamma(2.0, 2.0))
    numpyro.sample("y", dist.Poisson(jnp.exp(effect * exposure * x)), obs=y)


def mixture(y=None, n=12):
    w = numpyro.sample("w", dist.Dirichlet(jnp.ones(2)))
    with numpyro.plate("K", 2):
        locs = numpyro.sample("locs", dist.Normal(0, 10))
    with numpyro.plate("N", n):
        z = numpyro.sample("z", dist.Categorical(w), infer={"enumerate": "parallel"})
        numpyro.sample("y", dist.Normal(locs[z], 1.0), obs=y)


def capture(caught=None, n=12):
    """Marginalized discrete states, a state at each of them."""
    p = numpyro.sample("p", dist.Beta(1.0, 1.0))
    phi = numpyro.sample("phi", dist.Beta(1.0, 1.0))
    with numpyro.plate("animals", n):
        alive = numpyro.sample("alive", dist.Bernoulli(phi), infer={"enumerate": "parallel"})
        numpyro.sample("caught", dist.Bernoulli(p * alive), obs=caught)


def autoregression(x, y=None):
    rho = numpyro.sample("rho", dist.Uniform(-1, 1))
    sigma = numpyro.sample("sigma", dist.HalfNormal())

    def step(carry, inputs):
        x, y = inputs
        carry = numpyro.sample("y", dist.Normal(rho * carry + x, sigma), obs=y)
        return carry, None

    scan(step, 0.0, (x, y))


def with_param(x, y=None):
    b = numpyro.sample("b", dist.Normal())
    sigma = numpyro.param("sigma", 1.0, constraint=dist.constraints.positive)
    numpyro.sample("y", dist.Normal(b * x, sigma), obs=y)


def unused_param(x, y=None):
    b = numpyro.sample("b", dist.Normal())
    numpyro.param("scale_of_the_guide", jnp.ones(3))
    numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y)


def weibull(t, event=None):
    k = numpyro.sample("k", dist.HalfNormal())
    rate = numpyro.sample("rate", dist.HalfNormal())
    numpyro.sample("t", dist.Weibull(rate, k).expand([len(t)]), obs=event)


def ordinal(x, y=None):
    b = numpyro.sample("b", dist.Normal())
    cutpoints = numpyro.sample(
        "cutpoints", dist.TransformedDistribution(dist.Normal(jnp.zeros(3), 1), dist.transforms.OrderedTransform())
    )
    numpyro.sample("y", dist.OrderedLogistic(b * x, cutpoints), obs=y)


def process(x, y=None):
    length = numpyro.sample("length", dist.HalfNormal())
    noise = numpyro.sample("noise", dist.HalfNormal())
    k = jnp.exp(-(((x[:, None] - x) / length) ** 2)) + (noise + 0.1) * jnp.eye(len(x))
    numpyro.sample("y", dist.MultivariateNormal(jnp.zeros(len(x)), k), obs=y)


def by_factor(x, y=None):
    theta = numpyro.sample("theta", dist.Normal())
    shift = numpyro.sample("shift", dist.Normal())
    numpyro.factor("likelihood", -((x * theta - shift) ** 2).sum())


def options(x, y=None, robust=False):
    b = numpyro.sample("b", dist.Normal())
    if robust:
        nu = numpyro.sample("nu", dist.Gamma(2.0, 0.1))
        numpyro.sample("y", dist.StudentT(nu, b * x, 1.0), obs=y)
    else:
        numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y)


def predicts_extra(x, y=None):
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y)
    if y is None:
        noise = numpyro.sample("noise", dist.HalfNormal())
        numpyro.sample("y_noisy", dist.Normal(b * x, noise))


def flagged(x, y=None, forecast=False):
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y)
    if forecast:
        shock = numpyro.sample("shock", dist.Normal())
        numpyro.sample("y_future", dist.Normal(b * 2 + shock, 1.0))


def two_outcomes(x, y=None, z=None):
    a = numpyro.sample("a", dist.Normal())
    c = numpyro.sample("c", dist.Normal())
    numpyro.sample("y", dist.Normal(a * x, 1.0), obs=y)
    numpyro.sample("z", dist.Normal(c * x, 1.0), obs=z)


def imputed(n, x=None, y=None):
    mu_x = numpyro.sample("mu_x", dist.Normal())
    b = numpyro.sample("b", dist.Normal())
    with numpyro.plate("n", n):
        x = numpyro.sample("x", dist.Normal(mu_x, 1.0), obs=x)
        numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y)


def overdispersed(x, y=None):
    b = numpyro.sample("b", dist.Normal())
    with numpyro.plate("rows", len(x)):
        e = numpyro.sample("e", dist.Normal())
        numpyro.sample("y", dist.Poisson(jnp.exp(b * x + e)), obs=y)


def with_spare(x, y=None):
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("spare", dist.Normal())
    numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y)


def levels(y=None, n=4):
    level, found = 0.0, []
    for i in range(n):
        level = numpyro.sample(f"level_{i}", dist.Normal(level, 1.0))
        found.append(level)
    numpyro.sample("y", dist.Normal(jnp.stack(found), 1.0), obs=y)


def subsampled(x, y=None):
    b = numpyro.sample("b", dist.Normal())
    with numpyro.plate("n", len(x), subsample_size=5) as i:
        numpyro.sample("y", dist.Normal(b * jnp.asarray(x)[i], 1.0), obs=None if y is None else jnp.asarray(y)[i])


def flax_model(x, y=None):
    linen = pytest.importorskip("flax.linen")
    module = pytest.importorskip("numpyro.contrib.module")
    net = module.flax_module("net", linen.Dense(1), input_shape=(1,))
    sigma = numpyro.sample("sigma", dist.HalfNormal())
    numpyro.sample("y", dist.Normal(net(x[:, None])[:, 0], sigma), obs=y)


def random_flax(x, y=None, prior=None):
    linen = pytest.importorskip("flax.linen")
    module = pytest.importorskip("numpyro.contrib.module")
    net = module.random_flax_module("net", linen.Dense(1), prior or dist.Normal(), input_shape=(1,))
    numpyro.sample("y", dist.Normal(net(x[:, None])[:, 0], 1.0), obs=y)


half_random = functools.partial(random_flax, prior={"bias": dist.Cauchy()})


def guide_draws(guide, model, *args):
    """What a guide that nobody trained gives: the names are those of a fit."""
    shapes = jax.eval_shape(lambda: guide.sample_posterior(KEY, params_of(guide, model, *args), sample_shape=(3,)))
    return {name: np.full(x.shape, 0.5, x.dtype) for name, x in shapes.items()}


def params_of(guide, model, *args):
    svi = SVI(model, guide, numpyro.optim.Adam(0.1), Trace_ELBO())
    return svi.get_params(svi.init(KEY, *args))


def net_params(model):
    trace = handlers.trace(handlers.seed(model, KEY)).get_trace(X)
    return {"net$params": trace["net$params"]["value"]}


learned = handlers.reparam(radon, config={"a": LocScaleReparam(None)})
noncentred = handlers.reparam(radon, config={"a": LocScaleReparam(0)})


def based(x, y=None):
    with handlers.reparam(config={"b": TransformReparam()}):
        b = numpyro.sample(
            "b", dist.TransformedDistribution(dist.Normal(), dist.transforms.AffineTransform(jnp.array(1.0), 2.0))
        )
    numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y)


def change_point(t, y=None):
    at = numpyro.sample("at", dist.DiscreteUniform(0, 9), infer={"enumerate": "parallel"})
    rates = numpyro.sample("rates", dist.Exponential().expand([2]))
    numpyro.sample("y", dist.Poisson(jnp.where(t < at, rates[0], rates[1])), obs=y)


def two_regimes(x, y=None):
    regime = numpyro.sample("regime", dist.Bernoulli(0.5), infer={"enumerate": "parallel"})
    b = numpyro.sample("b", dist.Normal())
    mu = numpyro.deterministic("mu", jnp.where(regime == 1, b * x, -b * x))
    numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def classes_of_groups(g, y=None):
    centres = numpyro.sample("centres", dist.Normal().expand([2]))
    with numpyro.plate("groups", 4):
        z = numpyro.sample("z", dist.Bernoulli(0.5), infer={"enumerate": "parallel"})
    numpyro.sample("y", dist.Normal(centres[z][g], 1.0), obs=y)


def classes_of_rows(x, y=None):
    b = numpyro.sample("b", dist.Normal().expand([2]))
    with numpyro.plate("rows", len(x)):
        z = numpyro.sample("z", dist.Bernoulli(0.5), infer={"enumerate": "parallel"})
        numpyro.sample("y", dist.Normal(b[z] * x, 1.0), obs=y)


def hidden_states(y):
    stay = numpyro.sample("stay", dist.Beta(2.0, 2.0))

    def step(state, value):
        state = numpyro.sample("state", dist.Bernoulli(jnp.where(state == 1, stay, 1 - stay)))
        numpyro.sample("y", dist.Normal(state, 1.0), obs=value)
        return state, None

    scan(step, 0, y)


def forecast(x, y=None, future=0):
    s = numpyro.sample("s", dist.HalfNormal())
    numpyro.sample("y", dist.Normal(x, s), obs=y)
    if future:
        noise = numpyro.sample("noise", dist.Normal(0, s).expand([future]))
        numpyro.deterministic("ahead", jnp.cumsum(noise))


def by_regime(x, y=None, robust=False):
    noise = dist.Normal(0, numpyro.sample("s", dist.HalfNormal()))
    if robust:
        noise = dist.StudentT(numpyro.sample("df", dist.Gamma(2.0, 0.1)), 0, 1.0)
    numpyro.sample("y", noise.expand([len(x)]), obs=y)


# -------------------------------------------------------------------------------------------------- what is said


def strip(model, samples, *args, **kwargs):
    return strip_deterministic(model, samples, *args, **kwargs)


def predict(model, samples, *args, **options):
    kwargs = options.pop("kwargs", {})
    predictive = sanitize.Predictive(model, samples, **options)
    return jax.eval_shape(lambda: predictive(KEY, *args, **kwargs))  # traced, which is when it warns


def said(run):
    """Names that the warning has, and what it says; no names: there is none."""
    found = heard(run, MissingLatentWarning)
    return (set(found.missing), str(found)) if found is not None else (set(), "")


SPEAKS = {
    "change point that the fit enumerated": (
        lambda: predict(change_point, draws(change_point, X, without=["at"]), X),
        {"at"},
        "infer_discrete=True",
    ),
    "change point, with the MCMC": (
        lambda: strip(change_point, Fitted(change_point, X, Y.astype(int), without=["at"]), X),
        {"at"},
        "redraw=('at',)",
    ),
    "regime of all rows": (
        lambda: strip(two_regimes, draws(two_regimes, X, without=["regime"]), X[:5]),
        {"regime"},
        "",
    ),
    "classes of groups": (
        lambda: strip(classes_of_groups, draws(classes_of_groups, G, without=["z"]), G),
        {"z"},
        "",
    ),
    "an option that the fit had, and its latent lost": (
        lambda: strip(by_regime, Fitted(by_regime, X, Y, robust=True, without=["df"]), X, robust=True),
        {"df"},
        "",
    ),
    "regression, var_names": (lambda: strip(line, draws(line, X, without=["sigma"]), X), {"sigma"}, ""),
    "regression, also by the drop-in": (
        lambda: predict(line, draws(line, X, without=["sigma"]), X),
        {"sigma"},
        "redraw=('sigma',)",
    ),
    "misspelt": (
        lambda: strip(regions, draws(regions, X, named={"a_south": "a_South"}), X),
        {"a_south"},
        "'a_South'",
    ),
    "multilevel, the groups lost": (lambda: strip(radon, draws(radon, G, X, without=["a"]), G, X), {"a"}, ""),
    "scope, prefix missing": (
        lambda: strip(scoped, draws(scoped, X, named={"slope/b": "b"}), X),
        {"slope/b"},
        "'b'",
    ),
    "scope, prefix too many": (
        lambda: strip(line, draws(line, X, named={"sigma": "outer/sigma"}), X),
        {"sigma"},
        "'outer/sigma'",
    ),
    "non-centred model, centred fit": (
        lambda: strip(radon_by_hand, draws(radon, G, X, without=["mu_a", "b"]), G, X),
        {"a_decentered"},
        "'a'",
    ),
    "centred model, non-centred fit": (
        lambda: strip(radon, draws(radon, G, X, named={"a": "a_decentered"}), G, X),
        {"a"},
        "'a_decentered'",
    ),
    "two stages, the second alone": (
        lambda: strip(second_stage, draws(second_stage, X, without=["exposure"]), X),
        {"exposure"},
        "",
    ),
    "mixture, components lost": (lambda: strip(mixture, draws(mixture, without=["locs", "z"]), Y), {"locs"}, ""),
    "capture-recapture, through marginalized states": (
        lambda: strip(capture, draws(capture, without=["phi", "alive"]), np.ones(12)),
        {"phi"},
        "",
    ),
    "series in a scan": (lambda: strip(autoregression, draws(autoregression, X, Y, without=["rho"]), X), {"rho"}, ""),
    "param without value": (lambda: predict(with_param, draws(with_param, X), X), {"sigma"}, "params="),
    "flax without params": (lambda: predict(flax_model, draws(flax_model, X), X), {"net$params"}, "params="),
    "random flax, a weight lost": (
        lambda: strip(random_flax, draws(random_flax, X, without=["net/bias"]), X),
        {"net/bias"},
        "",
    ),
    "random flax, half of it params": (
        lambda: predict(half_random, draws(half_random, X), X),
        {"net$params"},
        "params=",
    ),
    "learned centering without params": (
        lambda: predict(learned, draws(learned, G, X, without=["a"]), G, X),
        {"a_centered"},
        "params=",
    ),
    "a guide's params": (
        lambda: predict(
            line, {"a_auto_loc": np.zeros(3), "b_auto_loc": np.zeros(3), **draws(line, X, without=["a", "b", "mu"])}, X
        ),
        {"a", "b"},
        "sample_posterior",
    ),
    "no entry is a site": (
        lambda: predict(line, {"alpha": np.zeros(3), "beta": np.zeros(3)}, X),
        {"a", "b", "sigma"},
        "",
    ),
    "guide of a model with known noise": (
        lambda: strip(line, guide_draws(AutoNormal(line_of_known_noise), line_of_known_noise, X, Y), X),
        {"sigma"},
        "",
    ),
    "new schools, hyperparameters lost": (
        lambda: sanitize.Predictive(schools, draws(schools, np.ones(8), without=["mu", "tau"]))(KEY, np.ones(5)),
        {"mu", "tau"},
        "",
    ),
    "survival": (lambda: strip(weibull, draws(weibull, X, without=["k"]), X), {"k"}, ""),
    "ordinal": (lambda: strip(ordinal, draws(ordinal, X, without=["cutpoints"]), X), {"cutpoints"}, ""),
    "kernel of a process": (lambda: strip(process, draws(process, X, without=["length"]), X), {"length"}, ""),
    "log density by factor": (lambda: strip(by_factor, draws(by_factor, X, without=["theta"]), X), {"theta"}, ""),
    "option that the fit had not": (lambda: strip(options, draws(options, X), X, robust=True), {"nu"}, ""),
    "return_sites that need it": (
        lambda: predict(two_outcomes, draws(two_outcomes, X, Y, Y, without=["c"]), X, return_sites=("z",)),
        {"c"},
        "",
    ),
    "own rows lost, fit known": (
        lambda: strip(overdispersed, Fitted(overdispersed, X, Y, without=["e"]), X),
        {"e"},
        "",
    ),
    "half kept by redraw": (
        lambda: strip(line, draws(line, X, without=["sigma", "b", "mu"]), X, redraw=("b",)),
        {"sigma"},
        "",
    ),
}

SILENT = {
    "change point, settled": lambda: strip(change_point, draws(change_point, X, without=["at"]), X, redraw="at"),
    "change point, with its posterior": lambda: strip(change_point, draws(change_point, X), X),
    "change point that is not asked for": lambda: predict(
        two_regimes, draws(two_regimes, X, without=["regime"]), X, return_sites=["b"]
    ),
    "classes of rows": lambda: strip(classes_of_rows, draws(classes_of_rows, X, without=["z"]), X),
    "classes of other rows": lambda: strip(classes_of_rows, draws(classes_of_rows, X, without=["z"]), X[:5]),
    "states of a series": lambda: strip(hidden_states, draws(hidden_states, Y, without=["state"]), Y),
    "noise of a future that the fit had not": lambda: strip(forecast, Fitted(forecast, X, Y), X, future=3),
    "complete": lambda: strip(line, draws(line, X), X),
    "complete, drop-in": lambda: predict(line, draws(line, X), X[:5]),
    "assignments marginalized": lambda: strip(mixture, draws(mixture, without=["z"]), n=7),
    "states marginalized": lambda: predict(capture, draws(capture, without=["alive"])),
    "extra sites where y is None": lambda: strip(predicts_extra, draws(predicts_extra, X, Y), X),
    "extra sites by a flag": lambda: strip(flagged, draws(flagged, X, Y), X, forecast=True),
    "redraw": lambda: strip(line, draws(line, X, without=["sigma"]), X, redraw="sigma"),
    "return_sites that do not need it": lambda: predict(
        two_outcomes, draws(two_outcomes, X, Y, Y, without=["c"]), X, return_sites=("y",)
    ),
    "row-level, new rows": lambda: strip(
        overdispersed, draws(overdispersed, X, Y, without=["e"]), X[:5], new_rows=True
    ),
    "row-level, left out on purpose": lambda: strip(overdispersed, draws(overdispersed, X, Y, without=["e"]), X[:5]),
    "new schools": lambda: strip(schools, draws(schools, np.ones(8), np.ones(8), without=["theta"]), np.ones(5)),
    "hyperparameters of kept groups": lambda: strip(radon, draws(radon, G, X, without=["mu_a", "tau"]), G, X),
    "with a guide": lambda: sanitize.Predictive(
        line, guide=AutoNormal(line), params=params_of(AutoNormal(line), line, X, Y), num_samples=3
    ),
    "prior predictive": lambda: sanitize.Predictive(line, num_samples=3)(KEY, X),
    "prior predictive of an empty posterior": lambda: sanitize.Predictive(line, {}, num_samples=3)(KEY, X),
    "flax with params": lambda: predict(flax_model, draws(flax_model, X), X, params=net_params(flax_model)),
    "flax, stripped for stock": lambda: strip(flax_model, draws(flax_model, X), X),
    "param with its value": lambda: predict(with_param, draws(with_param, X), X, params={"sigma": 2.0}),
    "param substituted": lambda: predict(handlers.substitute(with_param, {"sigma": 2.0}), draws(with_param, X), X),
    "param among the samples": lambda: predict(with_param, {**draws(with_param, X), "sigma": np.ones(3)}, X),
    "param that nothing is computed from": lambda: predict(unused_param, draws(unused_param, X), X),
    "random flax": lambda: predict(random_flax, draws(random_flax, X), X),
    "random flax, half of it params, given": lambda: predict(
        half_random, draws(half_random, X), X, params=net_params(flax_model)
    ),
    "learned centering with params": lambda: predict(
        learned, draws(learned, G, X), G, X, params={"a_centered": np.full(4, 0.3)}
    ),
    "reparametrized": lambda: strip(noncentred, draws(noncentred, G, X), G, X),
    "reparametrized by a base": lambda: strip(based, draws(based, X), X),
    "scoped": lambda: strip(scoped, draws(scoped, X), X),
    "AutoNormal": lambda: strip(line, guide_draws(AutoNormal(line), line, X, Y), X),
    "AutoMultivariateNormal": lambda: predict(line, guide_draws(AutoMultivariateNormal(line), line, X), X),
    "AutoDelta": lambda: predict(radon, guide_draws(AutoDelta(radon), radon, G, X), G, X),
    "covariate observed in the fit": lambda: strip(imputed, draws(imputed, 12, X, Y), 12),
    "latent that nothing is drawn from": lambda: strip(with_spare, draws(with_spare, X, without=["spare"]), X),
    "levels beyond the recorded": lambda: strip(levels, draws(levels, n=4), n=6),
    "subsampled": lambda: strip(subsampled, draws(subsampled, X, Y), X),
    "latent given by a handler": lambda: strip(
        handlers.substitute(line, {"sigma": 1.0}), draws(line, X, without=["sigma"]), X
    ),
    "latent conditioned": lambda: strip(handlers.condition(line, {"sigma": 1.0}), draws(line, X, without=["sigma"]), X),
    "option that the fit had": lambda: predict(options, draws(options, X, Y, robust=True), X, kwargs={"robust": True}),
    "two stages, merged": lambda: strip(second_stage, draws(second_stage, X), X),
}


if "exclude_deterministic" in inspect.signature(StockPredictive).parameters:
    SILENT["recorded values put back"] = lambda: predict(
        line, draws(line, X, without=["a", "b"]), X, exclude_deterministic=False
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", SPEAKS)
def test_a_missing_latent_is_said(case):
    run, names, words = SPEAKS[case]
    missing, message = said(run)
    assert missing == names
    assert says(message, words)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", SILENT)
def test_routine_calls_are_silent(case):
    assert said(SILENT[case]) == (set(), "")


# ------------------------------------------------------------------------------------------- what goes with it


@pytest.mark.filterwarnings("ignore")
def test_the_warning_carries_what_was_seen_and_pickles():
    with pytest.warns(MissingLatentWarning) as caught:
        strip(regions, draws(regions, X, named={"a_south": "a_South"}), X)
    warning = pickle.loads(pickle.dumps(caught[0].message))
    assert isinstance(warning, SanitizeWarning)
    assert warning.missing == {"a_south": ("a_South",)}


def test_the_only_carrier_of_what_was_fitted_is_no_warning_but_an_error():
    with pytest.raises(MissingLatentError, match="latents \\(or params\\) that have no entry"):
        strip(line, draws(line, X, without=["b"]), X)


def test_a_recorded_value_computed_from_params_is_an_error_where_they_have_no_value():
    def model(x, y=None):
        scale = numpyro.param("scale", 1.0)
        b = numpyro.sample("b", dist.Normal())
        mu = numpyro.deterministic("mu", scale * b * x)
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    with pytest.raises(MissingLatentError, match="pass params="):
        predict(model, draws(model, X), X)
    predict(model, draws(model, X), X, params={"scale": 2.0})
    assert list(strip(model, draws(model, X), X)) == ["b"]  # params may be given to NumPyro later


def test_a_repeated_call_says_it_again():
    predictive = sanitize.Predictive(line, draws(line, X, without=["sigma"]))
    for _ in range(2):
        with pytest.warns(MissingLatentWarning, match="sigma"):
            predictive(KEY, X)
    predictive.return_sites = ("mu",)
    predictive(KEY, X)  # nothing that is returned depends on it


@pytest.mark.parametrize("guide", [AutoNormal(line), AutoMultivariateNormal(line)])
def test_a_guide_in_place_of_the_model_is_refused_by_name_and_stays_unbroken(guide):
    with pytest.raises(ModelArgumentsError, match=f"{type(guide).__name__} is a guide"):
        inspect_sites(guide, X)
    assert guide.prototype_trace is None
    params_of(guide, line, X, Y)
    with pytest.raises(ModelArgumentsError, match="is a guide"):
        strip(guide, draws(line, X), X)


def test_what_holds_no_draws_is_told_how_to_get_some():
    guide = AutoNormal(line)
    svi = SVI(line, guide, numpyro.optim.Adam(0.1), Trace_ELBO())
    result = svi.run(KEY, 1, X, Y, progress_bar=False)
    for samples in (result, guide):
        with pytest.raises(SamplesTypeError, match="sample_posterior"):
            strip(line, samples, X)
    with pytest.raises(NoSharedSiteError, match="sample_posterior"):
        strip(line, {name: value[None] for name, value in result.params.items()}, X)


def test_log_likelihood_asks_for_the_data_to_score():
    with pytest.raises(MissingLatentError, match="pass y"):
        log_likelihood(line, draws(line, X), X)


def test_log_likelihood_scores_the_outcome_that_is_given():
    samples = draws(two_outcomes, X, Y, Y)
    assert list(log_likelihood(two_outcomes, samples, X, Y)) == ["y"]
    del samples["c"]  # which only the other one is drawn from
    assert list(log_likelihood(two_outcomes, samples, X, Y)) == ["y"]
    with pytest.raises(MissingLatentError, match="'c'"):
        log_likelihood(two_outcomes, samples, X, Y, Y)


def test_log_likelihood_with_params():
    samples = draws(with_param, X)
    with pytest.warns(MissingLatentWarning, match="substitute\\(model, params\\)"):
        log_likelihood(with_param, samples, X, Y)
    with pytest.raises(ModelArgumentsError, match="substitute\\(model, params\\)"):
        log_likelihood(with_param, samples, X, Y, params={"sigma": 2.0})
    found = log_likelihood(handlers.substitute(with_param, {"sigma": 2.0}), samples, X, Y)["y"]
    assert np.allclose(found[0], dist.Normal(0.5 * X, 2.0).log_prob(Y), atol=1e-5)


def test_hand_picked_latents_give_what_stock_gives():
    samples = draws(line, X)
    latents = {name: samples[name] for name in ("a", "b", "sigma")}
    ours, theirs = (kind(line, latents)(KEY, X) for kind in (sanitize.Predictive, StockPredictive))
    assert all((ours[name] == theirs[name]).all() for name in theirs)


# ------------------------------------------------------------------------------------------- what cannot be drawn

FLAT = dist.ImproperUniform(dist.constraints.real, (), ())


def flat_rows(x, y=None):
    numpyro.sample("g", dist.Normal(0, 1))
    with numpyro.plate("rows", len(x)):
        a = numpyro.sample("a", FLAT)
        numpyro.sample("y", dist.Normal(a + x, 0.1), obs=y)


def flat_groups(g, y=None):
    mean = numpyro.sample("mean", FLAT.mask(True))
    effect = numpyro.sample("effect", dist.ImproperUniform(dist.constraints.real, (4,), ()))
    numpyro.sample("y", dist.Normal(mean + effect[g], 0.1), obs=y)


DOORS = [sanitize.Predictive, *[sanitize.Predictor] * HAS_PREDICTOR]
IMPROPER = {
    "no entry of groups": (flat_groups, {"mean": (3,)}, G, {}, {"effect"}),
    "no entry of a scalar": (flat_groups, {"effect": (3, 4)}, G, {}, {"mean"}),
    "no entry of both": (flat_groups, {"unknown": (3,)}, G, {}, {"mean", "effect"}),
    "other rows": (flat_rows, {"a": (3, 4), "g": (3,)}, X[:3], {"new_rows": True}, {"a"}),
    "rows of another number": (flat_rows, {"a": (3, 4), "g": (3,)}, X[:3], {}, {"a"}),
    "redraw": (flat_rows, {"a": (3, 3), "g": (3,)}, X[:3], {"redraw": "a"}, {"a"}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", IMPROPER)
@pytest.mark.parametrize("door", DOORS)
def test_a_latent_that_cannot_be_drawn_is_named(door, case):
    model, shapes, args, options, names = IMPROPER[case]
    samples = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    with pytest.raises(MissingLatentError, match="the model cannot draw one") as caught:
        door(model, samples, **options)(KEY, args)
    assert {*caught.value.missing} == names
    assert ("pass keep=" in str(caught.value)) == (case == "redraw")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("door", DOORS)
def test_a_latent_that_cannot_be_drawn_is_silent_where_it_is_given(door):
    samples = {"mean": np.ones(3, np.float32), "effect": np.ones((3, 4), np.float32)}
    assert door(flat_groups, samples)(KEY, G)["y"].shape == (3, len(G))
    del samples["mean"]
    given = handlers.substitute(flat_groups, {"mean": 1.0})
    assert door(given, samples)(KEY, G)["y"].shape == (3, len(G))


# ------------------------------------------------------------------------------- the horizon that the fit did not have


def random_walk(T, y=None, future=0):
    """The innovations of the horizon are a site of their own."""
    steps = numpyro.sample("steps", dist.Normal().expand([T]))
    if future:
        steps = jnp.concatenate([steps, numpyro.sample("later", dist.Normal().expand([future]))])
    level = numpyro.deterministic("level", jnp.cumsum(steps))
    numpyro.sample("y", dist.Normal(level[:T], 1.0), obs=y)
    if future:
        numpyro.sample("y_later", dist.Normal(level[T:], 1.0))


def without_a_record(T, y=None, future=0):
    steps = numpyro.sample("steps", dist.Normal().expand([T]))
    if future:
        steps = jnp.concatenate([steps, numpyro.sample("later", dist.Normal().expand([future]))])
    numpyro.sample("y_later" if future else "y", dist.Normal(jnp.cumsum(steps), 1.0), obs=None if future else y)


def later_covariates(x, y=None, x_later=None):
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y)
    if x_later is not None:
        shock = numpyro.sample("later", dist.Normal().expand([len(x_later)]))
        numpyro.sample("y_later", dist.Normal(b * x_later + shock, 1.0))


def with_knots(x, y=None, knots=0):
    """No horizon: what was fitted is drawn with the coefficients."""
    mean = numpyro.sample("b", dist.Normal()) * x
    if knots:
        mean += numpyro.sample("later", dist.Normal().expand([knots])).sum() * x**2
    numpyro.sample("y", dist.Normal(mean, 1.0), obs=y)


def with_another_outcome(x, y=None, others=0):
    """Nor is this: the entry of a scalar may be lost."""
    numpyro.sample("y", dist.Normal(numpyro.sample("b", dist.Normal()) * x, 1.0), obs=y)
    if others:
        numpyro.sample("z", dist.Normal(numpyro.sample("later", dist.Normal()), 1.0).expand([others]))


@pytest.mark.parametrize(
    ("model", "fit", "asked", "said"),
    [
        (random_walk, (12, Y), {"future": 3}, False),
        (without_a_record, (12, Y), {"future": 3}, False),
        (later_covariates, (X, Y), {"x_later": X[:3]}, False),
        (with_knots, (X, Y), {"knots": 4}, True),
        (with_another_outcome, (X, Y), {"others": 4}, True),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_noise_of_a_horizon_that_the_fit_did_not_have_is_not_missed(model, fit, asked, said):
    samples = draws(model, *fit, without=["y"])
    run = functools.partial(strip_deterministic, model, samples, fit[0], **asked)
    assert (heard(run, MissingLatentWarning) is not None) == said


def test_noise_of_a_horizon_that_was_fitted_and_is_lost_is_missed():
    samples = draws(random_walk, 12, Y, future=3, without=["later", "y", "y_later"])
    with pytest.raises(MissingLatentError, match="'later'"):
        strip_deterministic(random_walk, samples, 12, future=3)
