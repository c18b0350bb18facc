"""Thirty models of other fields, called without arguments: written after the search was done, and kept as they were.

Values of rows (effects of studies, noise of observations) are redrawn: the result has to fit any rows.
"""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from fits import recorded

from sanitize import AssumedArgumentsWarning, RedrawnSiteWarning, strip_deterministic

N, HN, S, P, D = dist.Normal, dist.HalfNormal, numpyro.sample, numpyro.plate, numpyro.deterministic

n = 26
t = np.linspace(0, 1, n, dtype=np.float32)
X = np.ones((n, 4), np.float32)
site, yr = np.arange(n) % 5, np.arange(n) % 3

CASES = []


def case(*args, kept, without=()):

    def keep(model):
        marks = [pytest.mark.slow] * (len(CASES) % 5 > 0)
        CASES.append(pytest.param(model, args, kept, without, id=model.__name__, marks=marks))
        return model

    return keep


@case(t, t, kept={"a", "b", "s"})
def allometry(log_mass, log_rate=None):
    a = S("a", N(0, 1))
    b = S("b", N(0.75, 0.1))
    s = S("s", HN(1.0))
    with P("animals", log_mass.shape[0]):
        S("y", N(a + b * log_mass, s), obs=log_rate)


@case(t, t, 1.0, kept={"vmax", "km", "s"})
def enzyme(conc, rate=None, scale=1.0):
    v = S("vmax", dist.LogNormal(0, scale))
    k = S("km", dist.LogNormal(0, scale))
    s = S("s", HN(1.0))
    mu = D("mu", v * conc / (k + conc))
    S("y", N(mu, s), obs=rate)


@case(X, np.zeros(n, int), kept={"b", "cut"})
def ordinal(X, rating=None, K=4):
    b = S("b", N().expand([X.shape[1]]).to_event(1))
    c = S("cut", dist.TransformedDistribution(N(0, 1).expand([K - 1]), dist.transforms.OrderedTransform()))
    with P("obs", len(X)):
        S("y", dist.OrderedLogistic(X @ b, c), obs=rating)


@case(site, 5, t, kept={"mu", "tau", "theta", "s"})
def eight(school, n_schools, y=None):
    mu = S("mu", N(0, 5))
    tau = S("tau", dist.HalfCauchy(5.0))
    s = S("s", HN(1.0))
    with P("schools", n_schools):
        th = S("theta", N(mu, tau))
    with P("pupils", len(school)):
        S("y", N(th[school], s), obs=y)


@case(site, yr, t, 5, 3, kept={"a", "b", "sa", "sb"})
def crossed(site, year, y, n_site, n_year):
    sa = S("sa", HN(1.0))
    sb = S("sb", HN(1.0))
    with P("site", n_site):
        a = S("a", N(0, sa))
    with P("year", n_year):
        b = S("b", N(0, sb))
    S("y", N(a[site] + b[year], 1.0), obs=y)


@case(t, t > 0.4, t, kept={"shape", "rate"})
def weibull(time, event, x, y=None):
    k = S("shape", HN(1.0))
    b = S("rate", N())
    lam = jnp.exp(b * x)
    d = dist.Weibull(lam, k)
    ll = jnp.where(event, d.log_prob(time + 0.1), -(((time + 0.1) / lam) ** k))
    numpyro.factor("ll", ll.sum())


@case(t, kept={"phi", "s", "mu"})
def ar1(y):
    mu = S("mu", N())
    phi = S("phi", dist.Uniform(-1, 1))
    s = S("s", HN(1.0))
    S("y", N(mu + phi * (y[:-1] - mu), s), obs=y[1:])


@case(n, t, kept={"s"})
def local_level(T, y=None):
    s = S("s", HN(1.0))
    z = S("z", N().expand([T]))
    lv = D("level", s * jnp.cumsum(z))
    S("y", N(lv, 0.3), obs=y)


@case(t, t, 12, kept={"b", "a"})
def seasonal(x, y=None, period=12):
    b = S("b", N().expand([period]))
    a = S("a", N())
    S("y", N(a * x + b[jnp.arange(len(x)) % period], 1.0), obs=y)


@case(X, t, kept={"tau", "lam", "b0", "z"})
def horseshoe(X, y=None):
    d = X.shape[1]
    tau = S("tau", dist.HalfCauchy(1.0))
    lam = S("lam", dist.HalfCauchy(1.0).expand([d]))
    z = S("z", N().expand([d]))
    b = D("b", tau * lam * z)
    S("y", N(S("b0", N()) + X @ b, 1.0), obs=y)


@case(t, t, kept={"var", "ls", "noise"})
def gp(x, y=None):
    v = S("var", HN(1.0))
    ls = S("ls", HN(1.0))
    s = S("noise", HN(1.0))
    K = v * jnp.exp(-0.5 * ((x[:, None] - x) / ls) ** 2) + (s + 0.0001) * jnp.eye(len(x))
    S("y", dist.MultivariateNormal(jnp.zeros(len(x)), K), obs=y)


@case(np.ones((8, 3)), kept={"p", "a"}, without=("y",))
def detection(hist):
    p = S("p", dist.Beta(1, 1))
    a = S("a", N())
    with P("sites", hist.shape[0], dim=-2), P("visits", hist.shape[1], dim=-1):
        S("y", dist.Bernoulli(p * jax.nn.sigmoid(a)), obs=hist)


@case({"dose": t, "dead": np.zeros(n, int), "n": np.full(n, 5)}, kept={"a", "b"})
def dose_response(data):
    a, b = (S("a", N()), S("b", N()))
    S("y", dist.Binomial(data["n"], logits=a + b * data["dose"]), obs=data.get("dead"))


@case(t, t, t, kept={"a", "b", "sig", "nu"})
def robust(x, z, y=None, weights=None):
    a, b = (S("a", N()), S("b", N().expand([2])))
    s = S("sig", HN(1.0))
    nu = S("nu", dist.Gamma(2.0, 0.1))
    S("y", dist.StudentT(nu, a + b[0] * x + b[1] * z, s), obs=y)


@case(X, t, 0.1, kept={"w1", "w2", "prec"})
def bnn(X, Y=None, noise=0.1, H=6):
    w1 = S("w1", N().expand([X.shape[1], H]))
    w2 = S("w2", N().expand([H, 1]))
    pr = S("prec", dist.Gamma(3.0, 1.0))
    mu = (jnp.tanh(X @ w1) @ w2)[:, 0]
    S("y", N(mu, 1 / jnp.sqrt(pr)), obs=Y)


@case(t, t, t, kept={"a", "b", "c", "eff"}, without=("y", "treat"))
def instrument(z, treat=None, y=None):
    a, b, c, e = (S("a", N()), S("b", N()), S("c", N()), S("eff", N()))
    tr = S("treat", N(a + b * z, 1.0), obs=treat)
    S("y", N(c + e * tr, 1.0), obs=y)


@case(np.ones((n, 3), "f"), kept={"mu", "sig"})
def multivariate(Y):
    mu = S("mu", N().expand([Y.shape[1]]).to_event(1))
    s = S("sig", HN(1.0).expand([Y.shape[1]]).to_event(1))
    with P("n", Y.shape[0]):
        S("y", N(mu, s).to_event(1), obs=Y)


@case(site, t, t, kept={"L", "mu", "ab"})
def varying_slopes(g, x, y=None, J=5):
    mu = S("mu", N().expand([2]).to_event(1))
    L = S("L", HN(1.0).expand([2]).to_event(1))
    with P("j", J):
        ab = S("ab", N(mu, L).to_event(1))
    S("y", N(ab[g, 0] + ab[g, 1] * x, 1.0), obs=y)


@case(t, X, t, kept={"w", "b", "s"})
def splines(x, B, y=None):
    w = S("w", N().expand([B.shape[1]]))
    b = S("b", N())
    s = S("s", dist.Exponential(1.0))
    mu = D("mu", B @ w + b * x)
    S("y", N(mu, s), obs=y)


@case(np.arange(n), t, kept={"pi_", "lam"})
def zero_inflated(counts, x):
    p = S("pi_", dist.Beta(2, 2))
    lam = S("lam", N())
    S("y", dist.ZeroInflatedPoisson(p, jnp.exp(lam * x)), obs=counts)


@case(site, yr, np.zeros(n, int), kept={"skill", "home"})
def tournament(i, j, won=None, n_players=5):
    sk = S("skill", N().expand([n_players]))
    h = S("home", N())
    S("y", dist.Bernoulli(logits=h + sk[i] - sk[j]), obs=won)


@case(np.ones((6, n), "f"), np.ones(n, "f"), kept={"s"})
def panel(Y, t):
    s = S("s", HN(1.0))
    with P("units", Y.shape[0], dim=-2):
        a = S("a", N())
        b = S("b", N())
    with P("units2", Y.shape[0], dim=-2), P("t", len(t), dim=-1):
        S("y", N(a + b * t, s), obs=Y)


@case(n, t, t, kept={"b", "se"})
def overdispersed(n_obs, x, y=None):
    b = S("b", N())
    se = S("se", HN(1.0))
    e = S("e", N(0, 1).expand([n_obs]))
    S("y", dist.Poisson(jnp.exp(b * x + se * e)), obs=y)


@case(t, np.ones(n), t, kept={"tau", "mu"})
def meta(y, se, x=None):
    mu = S("mu", N())
    tau = S("tau", HN(1.0))
    with P("studies", len(y)):
        th = S("theta", N(mu, tau))
        S("y", N(th, se), obs=y)


@case(X, site, kept={"W", "b"})
def softmax(X, labels=None, n_classes=4):
    W = S("W", N().expand([X.shape[1], n_classes]))
    b = S("b", N().expand([n_classes]))
    S("y", dist.Categorical(logits=X @ W + b), obs=labels)


@case(t, 2.0, t, kept={"b", "sigma"})
def sd_prior(x, prior_sd, y=None):
    b = S("b", N(0, prior_sd))
    s = S("sigma", dist.Exponential(1 / prior_sd))
    S("y", N(b * x, s), obs=y)


@case(t, t, False, kept={"b", "s"})
def log_option(x, y=None, log=False):
    b = S("b", N())
    s = S("s", HN(1.0))
    S("y", (dist.LogNormal if log else N)(b * x, s), obs=y)


@case(t, 3, t, kept={"b", "s"})
def poly(x, degree, y=None):
    b = S("b", N().expand([degree + 1]))
    s = S("s", HN(1.0))
    S("y", N(sum(b[k] * x**k for k in range(degree + 1)), s), obs=y)


@case(site, t, t, kept={"a", "b"})
def frame_like(county, floor, log_radon=None):
    J = len(np.unique(county))
    with P("county", J):
        a = S("a", N())
    b = S("b", N())
    with P("homes", len(county)):
        S("y", N(a[county] + b * floor, 1.0), obs=log_radon)


@case(t, np.arange(n) % 2, t, kept={"b", "t0", "t1"})
def ate(x, w, y=None):
    b = S("b", N())
    t0, t1 = (S("t0", N()), S("t1", N()))
    D("effect", t1 - t0)
    S("y", N(b * x + jnp.where(w == 1, t1, t0), 1.0), obs=y)


@pytest.mark.parametrize(("model", "args", "kept", "without"), CASES)
def test_the_entries_tell_what_the_fit_was_given(model, args, kept, without):
    samples = {name: value for name, value in recorded(model, *args).items() if name not in without}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssumedArgumentsWarning)
        warnings.simplefilter("ignore", RedrawnSiteWarning)
        assert {*strip_deterministic(model, samples)} == kept
