"""Models as textbooks and tutorials have them, each with the arguments of a fit: the corpus for the bare call.

Their shapes are those of NumPyro's examples and tutorials (and of the books that these follow). What a fit records of
them, `record_fit` makes up: names, shapes, and values that belong together, which is all that stripping looks at.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.distributions import biject_to
from numpyro.distributions.distribution import validation_enabled
from numpyro.infer.reparam import LocScaleReparam

from models import schools as eight_schools
from sanitize import inspect_sites


class Case(NamedTuple):
    """A model, and the arguments that it was fitted with."""

    model: Any
    args: tuple
    kwargs: dict = {}  # noqa: RUF012 - never changed


def record_fit(model, args=(), kwargs=None, draws=6, without=()):
    """What ``mcmc.get_samples()`` holds: continuous latents, and values of deterministic sites computed from them.

    The latents are numbers between 0 and 1, or what these become on the way to a support that does not contain them.
    """
    kwargs = kwargs or {}
    sites = inspect_sites(model, *args, **kwargs)
    latents = [site for site in sites.values() if site.kind == "latent"]
    marginalized = {site.name for site in latents if site.discrete}
    rng = np.random.default_rng(5)
    values = {
        site.name: np.zeros((draws, *site.shape), np.int32)
        if site.discrete
        else rng.uniform(0.1, 0.9, (draws, *site.shape)).astype(np.float32)
        for site in latents
    }
    one = handlers.substitute(model, data={name: jnp.asarray(value[0]) for name, value in values.items()})
    with validation_enabled(False):
        trace = handlers.trace(handlers.seed(one, jax.random.PRNGKey(0))).get_trace(*args, **kwargs)
    for name in values.keys() - marginalized:
        support = trace[name]["fn"].support
        if not np.all(support(values[name])):
            transform = biject_to(support)
            shape = transform.inverse_shape(values[name].shape)
            values[name] = np.asarray(transform(rng.uniform(0.1, 0.9, shape).astype(np.float32)))
    computed = [
        name
        for name, site in sites.items()
        if site.kind == "deterministic" and not marginalized.intersection(site.parents)
    ]

    def compute(values):
        fitted = handlers.seed(handlers.substitute(model, data=values), jax.random.PRNGKey(0))
        trace = handlers.trace(fitted).get_trace(*args, **kwargs)
        return {name: trace[name]["value"] for name in computed}

    if computed:
        values.update({name: np.asarray(value) for name, value in jax.jit(jax.vmap(compute))(values).items()})
    return {name: values[name] for name in sites if name in values and name not in marginalized.union(without)}


# --------------------------------------------------------------------------------------------------- regressions


def linear_regression(X, y=None):
    alpha = numpyro.sample("alpha", dist.Normal(0.0, 1.0))
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([X.shape[1]]).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0))
    with numpyro.plate("data", X.shape[0]):
        eta = numpyro.deterministic("eta", alpha + X @ beta)
        numpyro.sample("obs", dist.Normal(eta, sigma), obs=y)


def divorce(marriage=None, age=None, divorce=None):
    """Statistical Rethinking, chapter 5: predictors that may be left out."""
    a = numpyro.sample("a", dist.Normal(0.0, 0.2))
    effect_of_marriage, effect_of_age = 0.0, 0.0
    if marriage is not None:
        effect_of_marriage = numpyro.sample("bM", dist.Normal(0.0, 0.5)) * marriage
    if age is not None:
        effect_of_age = numpyro.sample("bA", dist.Normal(0.0, 0.5)) * age
    sigma = numpyro.sample("sigma", dist.Exponential(1.0))
    mu = numpyro.deterministic("mu", a + effect_of_marriage + effect_of_age)
    numpyro.sample("obs", dist.Normal(mu, sigma), obs=divorce)


def logistic_regression(x, y=None):
    beta = numpyro.sample("beta", dist.Normal(0.0, 3.0).expand([x.shape[1]]))
    logits = numpyro.deterministic("logits", jnp.matmul(x, beta))
    numpyro.sample("obs", dist.Bernoulli(logits=logits), obs=y)


def poisson_with_exposure(log_population, contact, total_tools=None):
    """Oceanic tools: a coefficient for each of two contact rates."""
    a = numpyro.sample("a", dist.Normal(3.0, 0.5).expand([2]))
    b = numpyro.sample("b", dist.Normal(0.0, 0.2).expand([2]))
    rate = numpyro.deterministic("rate", jnp.exp(a[contact] + b[contact] * log_population))
    numpyro.sample("T", dist.Poisson(rate), obs=total_tools)


def robust_regression(x, y):
    intercept = numpyro.sample("intercept", dist.Normal(0.0, 10.0))
    slope = numpyro.sample("slope", dist.Normal(0.0, 10.0))
    nu = numpyro.sample("nu", dist.Gamma(2.0, 0.1))
    scale = numpyro.sample("scale", dist.HalfCauchy(1.0))
    with numpyro.plate("N", len(x)):
        numpyro.sample("obs", dist.StudentT(nu, intercept + slope * x, scale), obs=y)


def polynomial(weight, height=None, degree=3):
    a = numpyro.sample("a", dist.Normal(178.0, 20.0))
    b = numpyro.sample("b", dist.Normal(0.0, 10.0).expand([degree]))
    sigma = numpyro.sample("sigma", dist.Uniform(0.0, 50.0))
    powers = jnp.stack([weight**k for k in range(1, degree + 1)], axis=-1)
    mu = numpyro.deterministic("mu", a + powers @ b)
    numpyro.sample("height", dist.Normal(mu, sigma), obs=height)


def splines(basis, doy=None):
    w = numpyro.sample("w", dist.Normal(0.0, 10.0).expand(basis.shape[1:]))
    a = numpyro.sample("a", dist.Normal(100.0, 10.0))
    mu = numpyro.deterministic("mu", a + jnp.dot(basis, w))
    sigma = numpyro.sample("sigma", dist.Exponential(1.0))
    numpyro.sample("D", dist.Normal(mu, sigma), obs=doy)


def horseshoe(X, Y):
    lambdas = numpyro.sample("lambdas", dist.HalfCauchy(jnp.ones(X.shape[1])))
    tau = numpyro.sample("tau", dist.HalfCauchy(jnp.ones(1)))
    unscaled = numpyro.sample("unscaled_betas", dist.Normal(0.0, jnp.ones(X.shape[1])))
    betas = numpyro.deterministic("betas", tau * lambdas * unscaled)
    precision = numpyro.sample("prec_obs", dist.Gamma(3.0, 1.0))
    numpyro.sample("Y", dist.Normal(jnp.dot(X, betas), 1.0 / jnp.sqrt(precision)), obs=Y)


def sparse_regression(X, Y, hypers):
    """Hyperparameters in a dict."""
    sparsity = hypers["expected_sparsity"]
    msq = numpyro.sample("msq", dist.HalfNormal(hypers["scale"]))
    lam = numpyro.sample("lambda", dist.HalfCauchy(jnp.ones(X.shape[1])))
    kappa = numpyro.deterministic("kappa", jnp.sqrt(msq) * lam / jnp.sqrt(msq + (sparsity * lam) ** 2))
    beta = numpyro.sample("beta", dist.Normal(0.0, kappa))
    numpyro.sample("Y", dist.Normal(X @ beta, 1.0), obs=Y)


def multivariate_regression(X, Y=None, outcomes=2):
    B = numpyro.sample("B", dist.Normal(0.0, 1.0).expand([X.shape[1], outcomes]))
    scale = numpyro.sample("scale", dist.HalfNormal(1.0).expand([outcomes]))
    chol = numpyro.sample("chol", dist.LKJCholesky(outcomes, 2.0))
    with numpyro.plate("N", X.shape[0]):
        numpyro.sample("Y", dist.MultivariateNormal(X @ B, scale_tril=scale[:, None] * chol), obs=Y)


def ordered_logit(treatment, response=None, categories=7):
    """The trolley problem: cutpoints."""
    b = numpyro.sample("b", dist.Normal(0.0, 0.5))
    cutpoints = numpyro.sample(
        "cutpoints",
        dist.TransformedDistribution(
            dist.Normal(0.0, 1.5).expand([categories - 1]).to_event(1), dist.transforms.OrderedTransform()
        ),
    )
    phi = numpyro.deterministic("phi", b * treatment)
    numpyro.sample("R", dist.OrderedLogistic(phi, cutpoints), obs=response)


def zero_inflated_poisson(X, Y):
    b1 = numpyro.sample("b1", dist.Normal(0.0, 1.0).expand([X.shape[1]]).to_event(1))
    b2 = numpyro.sample("b2", dist.Normal(0.0, 1.0).expand([X.shape[1]]).to_event(1))
    with numpyro.plate("obs", X.shape[0]):
        gate = numpyro.deterministic("gate", jax.nn.sigmoid(X @ b1))
        rate = numpyro.deterministic("rate", jnp.exp(X @ b2))
        numpyro.sample("Y", dist.ZeroInflatedPoisson(gate, rate), obs=Y)


def subsampled_logistic(data, labels, subsample_size=None):
    coefs = numpyro.sample("coefs", dist.Normal(jnp.zeros(data.shape[1]), jnp.ones(data.shape[1])))
    with numpyro.plate("N", data.shape[0], subsample_size=subsample_size) as idx:
        numpyro.sample("obs", dist.Bernoulli(logits=jnp.dot(data[idx], coefs)), obs=labels[idx])


def censored_survival(time, is_observed, x):
    b0 = numpyro.sample("b0", dist.Normal(0.0, 5.0))
    b1 = numpyro.sample("b1", dist.Normal(0.0, 5.0))
    rate = numpyro.deterministic("rate", jnp.exp(b0 + b1 * x))
    with handlers.mask(mask=is_observed):
        numpyro.sample("died", dist.Exponential(rate), obs=time)


def cuped(y_post, treatment, y_pre):
    """A deterministic site that is the data of another site."""
    theta = numpyro.sample("theta", dist.Normal(0.0, 3.0))
    intercept = numpyro.sample("intercept", dist.Normal(0.0, 2.0))
    beta = numpyro.sample("beta", dist.Normal(0.0, 3.0))
    sigma = numpyro.sample("sigma", dist.HalfCauchy(2.0))
    y_cuped = numpyro.deterministic("y_cuped", y_post - theta * (y_pre - jnp.mean(y_pre)))
    with numpyro.plate("observations", len(treatment)):
        numpyro.sample("y_cuped_pred", dist.Normal(intercept + beta * treatment, sigma), obs=y_cuped)


# --------------------------------------------------------------------------------------------------- hierarchies


def eight_schools_noncentred(J, sigma, y=None):
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))
    with numpyro.plate("J", J):
        theta_raw = numpyro.sample("theta_raw", dist.Normal(0.0, 1.0))
        theta = numpyro.deterministic("theta", mu + tau * theta_raw)
        numpyro.sample("obs", dist.Normal(theta, sigma), obs=y)


@handlers.reparam(config={"theta": LocScaleReparam(centered=0)})
def eight_schools_reparametrized(J, sigma, y=None):
    eight_schools(J, sigma, y)


def varying_intercepts(group, x, n_groups, y=None):
    mu_a = numpyro.sample("mu_a", dist.Normal(0.0, 1.0))
    sigma_a = numpyro.sample("sigma_a", dist.HalfNormal(1.0))
    b = numpyro.sample("b", dist.Normal(0.0, 1.0))
    with numpyro.plate("groups", n_groups):
        a = numpyro.sample("a", dist.Normal(mu_a, sigma_a))
    with numpyro.plate("data", len(x)):
        mu = numpyro.deterministic("mu", a[group] + b * x)
        numpyro.sample("obs", dist.Normal(mu, 1.0), obs=y)


def varying_slopes(cafe, afternoon, wait=None):
    """Statistical Rethinking, chapter 14: correlated intercepts and slopes, a fixed number of cafes."""
    a = numpyro.sample("a", dist.Normal(5.0, 2.0))
    b = numpyro.sample("b", dist.Normal(-1.0, 0.5))
    sigma_cafe = numpyro.sample("sigma_cafe", dist.Exponential(1.0).expand([2]))
    sigma = numpyro.sample("sigma", dist.Exponential(1.0))
    chol = numpyro.sample("L_Rho", dist.LKJCholesky(2, 2.0))
    rho = numpyro.deterministic("Rho", chol @ chol.T)
    covariance = jnp.outer(sigma_cafe, sigma_cafe) * rho
    effects = numpyro.sample("a_cafe,b_cafe", dist.MultivariateNormal(jnp.stack([a, b]), covariance).expand([20]))
    mu = effects[:, 0][cafe] + effects[:, 1][cafe] * afternoon
    numpyro.sample("wait", dist.Normal(mu, sigma), obs=wait)


def patients(patient_code, weeks, FVC_obs=None):
    """Osic: as many effects as there are distinct codes."""
    mu_a = numpyro.sample("mu_a", dist.Normal(0.0, 500.0))
    sigma_a = numpyro.sample("sigma_a", dist.HalfNormal(100.0))
    with numpyro.plate("plate_i", len(np.unique(patient_code))):
        a = numpyro.sample("a", dist.Normal(mu_a, sigma_a))
        b = numpyro.sample("b", dist.Normal(0.0, 3.0))
    sigma = numpyro.sample("sigma", dist.HalfNormal(100.0))
    with numpyro.plate("data", len(patient_code)):
        numpyro.sample("obs", dist.Normal(a[patient_code] + b[patient_code] * weeks, sigma), obs=FVC_obs)


def patients_by_smoking(patient_code, weeks, map_patient_to_smoking, FVC_obs=None):
    with numpyro.plate("plate_smoking", len(np.unique(map_patient_to_smoking))):
        mu_a = numpyro.sample("mu_a", dist.Normal(0.0, 500.0))
    with numpyro.plate("plate_i", len(np.unique(patient_code))):
        a = numpyro.sample("a", dist.Normal(mu_a[map_patient_to_smoking], 100.0))
    sigma = numpyro.sample("sigma", dist.HalfNormal(100.0))
    with numpyro.plate("data", len(patient_code)):
        numpyro.sample("obs", dist.Normal(a[patient_code] + weeks, sigma), obs=FVC_obs)


def radon(county, floor, uranium, log_radon=None):
    """A covariate of the groups: its length is their number."""
    gamma = numpyro.sample("gamma", dist.Normal(0.0, 1.0).expand([2]))
    tau = numpyro.sample("tau", dist.HalfNormal(1.0))
    with numpyro.plate("counties", uranium.shape[0]):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        alpha = numpyro.deterministic("alpha", gamma[0] + gamma[1] * uranium + tau * z)
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0))
    with numpyro.plate("homes", county.shape[0]):
        numpyro.sample("log_radon", dist.Normal(alpha[county] + beta * floor, 1.0), obs=log_radon)


def baseball_pooled(at_bats, hits=None):
    phi = numpyro.sample("phi", dist.Uniform(0.0, 1.0))
    with numpyro.plate("num_players", at_bats.shape[0]):
        numpyro.sample("obs", dist.Binomial(at_bats, probs=phi), obs=hits)


def baseball_partially_pooled(at_bats, hits=None):
    m = numpyro.sample("m", dist.Uniform(0.0, 1.0))
    kappa = numpyro.sample("kappa", dist.Pareto(1.0, 1.5))
    with numpyro.plate("num_players", at_bats.shape[0]):
        phi = numpyro.sample("phi", dist.Beta(m * kappa, (1.0 - m) * kappa))
        numpyro.sample("obs", dist.Binomial(at_bats, probs=phi), obs=hits)


def berkeley_admissions(dept, male, applications, admit=None):
    """Correlated effects of six departments; here as many as the data have."""
    v = numpyro.sample("v", dist.Normal(0.0, 1.0).expand([2]))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0).expand([2]))
    chol = numpyro.sample("L_Rho", dist.LKJCholesky(2, 2.0))
    with numpyro.plate("num_dept", int(np.max(dept)) + 1):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
    v_dept = numpyro.deterministic("v_dept", v + z @ (sigma[:, None] * chol).T)
    logits = v_dept[dept, 0] + v_dept[dept, 1] * male
    numpyro.sample("admit", dist.Binomial(applications, logits=logits), obs=admit)


def tadpoles(tank, density, survived=None):
    a_bar = numpyro.sample("a_bar", dist.Normal(0.0, 1.5))
    sigma = numpyro.sample("sigma", dist.Exponential(1.0))
    a = numpyro.sample("a", dist.Normal(a_bar, sigma).expand([len(tank)]))
    p = numpyro.deterministic("p", jax.nn.sigmoid(a[tank]))
    numpyro.sample("S", dist.Binomial(density, probs=p), obs=survived)


def chimpanzees(actor, block, treatment, pulled_left=None):
    """Cross-classified effects: numbers of levels written into the model."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.5).expand([7]))
    g = numpyro.sample("g", dist.Normal(0.0, 1.0).expand([6]))
    b = numpyro.sample("b", dist.Normal(0.0, 0.5).expand([4]))
    numpyro.sample("pulled_left", dist.Bernoulli(logits=a[actor] + g[block] + b[treatment]), obs=pulled_left)


def item_response(student, item, n_students, n_items, correct=None):
    with numpyro.plate("students", n_students):
        ability = numpyro.sample("ability", dist.Normal(0.0, 1.0))
    with numpyro.plate("items", n_items):
        difficulty = numpyro.sample("difficulty", dist.Normal(0.0, 1.0))
        discrimination = numpyro.sample("discrimination", dist.LogNormal(0.0, 0.5))
    logits = numpyro.deterministic("logits", discrimination[item] * (ability[student] - difficulty[item]))
    numpyro.sample("correct", dist.Bernoulli(logits=logits), obs=correct)


def bradley_terry(winner, loser, n_players, won=None):
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0))
    with numpyro.plate("players", n_players):
        skill = numpyro.sample("skill", dist.Normal(0.0, sigma))
    numpyro.deterministic("rank", jnp.argsort(skill))
    numpyro.sample("won", dist.Bernoulli(logits=skill[winner] - skill[loser]), obs=won)


def dawid_skene(positions, annotations):
    """Annotators whose number, and that of the classes, is the largest value of the data."""
    annotators, classes = int(np.max(positions)) + 1, int(np.max(annotations)) + 1
    items, count = annotations.shape
    with numpyro.plate("annotator", annotators, dim=-2), numpyro.plate("class", classes):
        beta = numpyro.sample("beta", dist.Dirichlet(jnp.ones(classes)))
    pi = numpyro.sample("pi", dist.Dirichlet(jnp.ones(classes)))
    with numpyro.plate("item", items, dim=-2):
        c = numpyro.sample("c", dist.Categorical(pi), infer={"enumerate": "parallel"})
        with numpyro.plate("position", count):
            numpyro.sample("y", dist.Categorical(beta[positions, c, :]), obs=annotations)


# -------------------------------------------------------------------------------------------------- time series


def stochastic_volatility(returns):
    step_size = numpyro.sample("sigma", dist.Exponential(50.0))
    s = numpyro.sample("s", dist.GaussianRandomWalk(scale=step_size, num_steps=jnp.shape(returns)[0]))
    nu = numpyro.sample("nu", dist.Exponential(0.1))
    numpyro.sample("r", dist.StudentT(df=nu, loc=0.0, scale=jnp.exp(s)), obs=returns)


def ar2(y):
    alpha_1 = numpyro.sample("alpha_1", dist.Normal(0.0, 1.0))
    alpha_2 = numpyro.sample("alpha_2", dist.Normal(0.0, 1.0))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0))

    def step(carry, y_t):
        before, last = carry
        mean = numpyro.deterministic("mean", alpha_1 * last + alpha_2 * before)
        now = numpyro.sample("y", dist.Normal(mean, sigma), obs=y_t)
        return (last, now), None

    scan(step, (y[0], y[1]), y[2:])


def ar2_in_a_loop(y):
    alpha_1 = numpyro.sample("alpha_1", dist.Normal(0.0, 1.0))
    alpha_2 = numpyro.sample("alpha_2", dist.Normal(0.0, 1.0))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0))
    for t in range(2, len(y)):
        numpyro.sample(f"y_{t}", dist.Normal(alpha_1 * y[t - 1] + alpha_2 * y[t - 2], sigma), obs=y[t])


def holt_winters(y, n_seasons, future=0):
    smoothing = numpyro.sample("smoothing", dist.Beta(1.0, 1.0))
    noise = numpyro.sample("noise", dist.HalfNormal(1.0))
    level = numpyro.sample("level_init", dist.Normal(0.0, 1.0))
    with numpyro.plate("n_seasons", n_seasons):
        season = numpyro.sample("seasonality_init", dist.Normal(0.0, 1.0))

    def step(carry, t):
        level, season = carry
        mean = numpyro.deterministic("mean", level + season[0])
        value = jnp.where(t < y.shape[0], y[t], mean)
        numpyro.sample("y", dist.Normal(mean, noise), obs=value)
        level = smoothing * (value - season[0]) + (1 - smoothing) * level
        return (level, jnp.roll(season, -1)), None

    scan(step, (level, season), jnp.arange(y.shape[0] + future))


def local_trend(T, y=None):
    """A noisy random walk of as many steps as asked for."""
    q = numpyro.sample("q", dist.HalfNormal(1.0))
    with numpyro.plate("steps", T):
        increments = numpyro.sample("increments", dist.Normal(0.0, 1.0))
        level = numpyro.deterministic("level", q * jnp.cumsum(increments))
        numpyro.sample("y", dist.Normal(level, 1.0), obs=y)


def capture_recapture(capture_history, sex):
    phi_male = numpyro.sample("phi_male", dist.Uniform(0.0, 1.0))
    phi_female = numpyro.sample("phi_female", dist.Uniform(0.0, 1.0))
    phi = sex * phi_male + (1.0 - sex) * phi_female
    rho = numpyro.sample("rho", dist.Uniform(0.0, 1.0))

    def step(carry, y):
        first_seen, z = carry
        with numpyro.plate("animals", capture_history.shape[0], dim=-1), handlers.mask(mask=first_seen):
            z = numpyro.sample("z", dist.Bernoulli(phi * z), infer={"enumerate": "parallel"})
            numpyro.sample("y", dist.Bernoulli(rho * z), obs=y)
        return (first_seen | y.astype(bool), z), None

    n = capture_history.shape[0]
    scan(step, (capture_history[:, 0].astype(bool), jnp.ones(n, dtype=int)), jnp.swapaxes(capture_history[:, 1:], 0, 1))


def predator_prey(N, y=None):
    z_init = numpyro.sample("z_init", dist.LogNormal(jnp.log(10.0), 1.0).expand([2]))
    theta = numpyro.sample("theta", dist.LogNormal(jnp.array([0.0, -3.0, 0.0, -3.0]), 0.5))

    def step(z, _):
        growth = jnp.stack([theta[0] - theta[1] * z[1], -theta[2] + theta[3] * z[0]])
        return z + 0.01 * growth * z, z

    z = numpyro.deterministic("z", jax.lax.scan(step, z_init, jnp.arange(N))[1])
    sigma = numpyro.sample("sigma", dist.LogNormal(-1.0, 1.0).expand([2]))
    numpyro.sample("y", dist.LogNormal(jnp.log(jnp.abs(z) + 1e-6), sigma), obs=y)


def coal_mining(disasters):
    """A change point, marginalized."""
    early = numpyro.sample("early", dist.Exponential(1.0))
    late = numpyro.sample("late", dist.Exponential(1.0))
    T = disasters.shape[0]
    switch = numpyro.sample("switch", dist.DiscreteUniform(0, T - 1), infer={"enumerate": "parallel"})
    numpyro.sample("D", dist.Poisson(jnp.where(jnp.arange(T) < switch, early, late)), obs=disasters)


# ----------------------------------------------------------------------------- functions, mixtures, factors, others


def gaussian_process(X, Y):
    var = numpyro.sample("kernel_var", dist.LogNormal(0.0, 10.0))
    noise = numpyro.sample("kernel_noise", dist.LogNormal(0.0, 10.0))
    length = numpyro.sample("kernel_length", dist.LogNormal(0.0, 10.0))
    k = var * jnp.exp(-0.5 * ((X[:, None] - X) / length) ** 2) + (noise + 1e-6) * jnp.eye(X.shape[0])
    numpyro.sample("Y", dist.MultivariateNormal(jnp.zeros(X.shape[0]), covariance_matrix=k), obs=Y)


def hilbert_space_process(x, L, M, y=None):
    amplitude = numpyro.sample("amplitude", dist.LogNormal(0.0, 1.0))
    length = numpyro.sample("length", dist.LogNormal(0.0, 1.0))
    frequencies = jnp.arange(1, M + 1) * jnp.pi / 2 / L
    density = amplitude * jnp.sqrt(length) * jnp.exp(-0.25 * (length * frequencies) ** 2)
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([M]))
    f = numpyro.deterministic("f", jnp.sin((x[:, None] + L) * frequencies) @ (density * beta))
    numpyro.sample("y", dist.Normal(f, 0.1), obs=y)


def bayesian_neural_network(X, Y, D_H, D_Y=1):
    D_X = X.shape[1]
    w1 = numpyro.sample("w1", dist.Normal(jnp.zeros((D_X, D_H)), jnp.ones((D_X, D_H))))
    w2 = numpyro.sample("w2", dist.Normal(jnp.zeros((D_H, D_H)), jnp.ones((D_H, D_H))))
    w3 = numpyro.sample("w3", dist.Normal(jnp.zeros((D_H, D_Y)), jnp.ones((D_H, D_Y))))
    z = jnp.tanh(jnp.tanh(X @ w1) @ w2) @ w3
    if Y is not None:
        assert z.shape == Y.shape
    precision = numpyro.sample("prec_obs", dist.Gamma(3.0, 1.0))
    with numpyro.plate("data", X.shape[0]):
        numpyro.sample("Y", dist.Normal(z, 1.0 / jnp.sqrt(precision)).to_event(1), obs=Y)


def gaussian_mixture(K, data=None):
    weights = numpyro.sample("weights", dist.Dirichlet(jnp.ones(K)))
    scale = numpyro.sample("scale", dist.LogNormal(0.0, 2.0))
    with numpyro.plate("components", K):
        locs = numpyro.sample("locs", dist.Normal(0.0, 10.0))
    with numpyro.plate("data", len(data)):
        assignment = numpyro.sample("assignment", dist.Categorical(weights), infer={"enumerate": "parallel"})
        numpyro.sample("obs", dist.Normal(locs[assignment], scale), obs=data)


def mixture_same_family(data):
    weights = numpyro.sample("weights", dist.Dirichlet(jnp.ones(3)))
    locs = numpyro.sample("locs", dist.Normal(0.0, 10.0).expand([3]))
    numpyro.sample("obs", dist.MixtureSameFamily(dist.Categorical(weights), dist.Normal(locs, 1.0)), obs=data)


def probabilistic_pca(data, latent_dim):
    n, d = data.shape
    W = numpyro.sample("W", dist.Normal(0.0, 1.0).expand([d, latent_dim]).to_event(2))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0))
    with numpyro.plate("rows", n):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0).expand([latent_dim]).to_event(1))
        numpyro.sample("x", dist.Normal(z @ W.T, sigma).to_event(1), obs=data)


def dirichlet_multinomial(counts):
    concentration = numpyro.sample("concentration", dist.HalfNormal(5.0).expand([counts.shape[1]]))
    with numpyro.plate("rows", counts.shape[0]):
        numpyro.sample("counts", dist.DirichletMultinomial(concentration, counts.sum(-1)), obs=counts)


def proportions(design_matrix, outcome, bucket_size=None):
    """Marketing test: one factor's effect, as a difference of proportions."""
    beta = numpyro.sample("coefficients", dist.Normal(0.0, 1.0).expand([design_matrix.shape[1]]).to_event(1))
    p = numpyro.deterministic("p", jax.nn.sigmoid(design_matrix @ beta))
    numpyro.sample("obs", dist.Binomial(1 if bucket_size is None else bucket_size, probs=p), obs=outcome)


def bayesian_network(exam, score=None):
    """The student network: latents that depend on one another, one deterministic summary."""
    difficulty = numpyro.sample("difficulty", dist.Beta(2.0, 2.0))
    intelligence = numpyro.sample("intelligence", dist.Normal(0.0, 1.0))
    grade = numpyro.sample("grade", dist.Normal(intelligence - difficulty, 0.5))
    letter = numpyro.deterministic("letter", jax.nn.sigmoid(grade))
    numpyro.sample("score", dist.Normal(intelligence * exam + letter, 0.1), obs=score)


def imputation(age, survived=None):
    """Missing values become latents: their number is a value of the data, which nothing tells."""
    missing = np.nonzero(np.isnan(age))[0]
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    imputed = numpyro.sample("age_impute", dist.Normal(mu, 1.0).expand([len(missing)]))
    b = numpyro.sample("b", dist.Normal(0.0, 1.0))
    complete = jnp.asarray(age).at[missing].set(imputed)
    numpyro.sample("survived", dist.Bernoulli(logits=b * complete), obs=survived)


def stacking(X, d_discrete, X_test, lpd_point, tau_mu, tau_sigma):
    """Six required parameters: too many to search."""
    beta = numpyro.sample("beta", dist.Normal(0.0, tau_sigma).expand([X.shape[1], lpd_point.shape[1] - 1]))
    f = numpyro.deterministic("f", X @ beta)
    numpyro.deterministic("f_test", X_test @ beta)
    numpyro.factor("stacked", jax.nn.logsumexp(f + lpd_point[:, :-1]))


def _data():
    rng = np.random.default_rng(1)
    n, p = 30, 3
    X = rng.normal(size=(n, p)).astype(np.float32)
    x = X[:, 0]
    y = rng.normal(size=n).astype(np.float32)
    flags = (y > 0).astype(np.int32)
    counts = rng.poisson(4.0, size=n).astype(np.int32)

    def index(k, size=n):
        return (np.arange(size) % k).astype(np.int32)

    missing = x.copy()
    missing[::7] = np.nan
    return {
        "linear_regression": Case(linear_regression, (X, y)),
        "divorce": Case(divorce, (), {"age": x, "divorce": y}),
        "logistic_regression": Case(logistic_regression, (X, flags)),
        "poisson_with_exposure": Case(poisson_with_exposure, (x, flags, counts)),
        "robust_regression": Case(robust_regression, (x, y)),
        "polynomial": Case(polynomial, (x, y)),
        "splines": Case(splines, (X, y)),
        "horseshoe": Case(horseshoe, (X, y)),
        "sparse_regression": Case(sparse_regression, (X, y, {"expected_sparsity": 0.3, "scale": 2.0})),
        "multivariate_regression": Case(multivariate_regression, (X, X[:, :2])),
        "ordered_logit": Case(ordered_logit, (x, counts % 7)),
        "zero_inflated_poisson": Case(zero_inflated_poisson, (X, counts)),
        "subsampled_logistic": Case(subsampled_logistic, (jnp.asarray(X), jnp.asarray(flags))),
        "censored_survival": Case(censored_survival, (np.abs(y), flags.astype(bool), x)),
        "cuped": Case(cuped, (y, flags, x)),
        "eight_schools": Case(eight_schools, (8, np.full(8, 10.0, np.float32), y[:8])),
        "eight_schools_noncentred": Case(eight_schools_noncentred, (8, np.full(8, 10.0, np.float32), y[:8])),
        "eight_schools_reparametrized": Case(eight_schools_reparametrized, (8, np.full(8, 10.0, np.float32), y[:8])),
        "varying_intercepts": Case(varying_intercepts, (index(5), x, 5, y)),
        "varying_slopes": Case(varying_slopes, (index(20, 60), np.tile(flags, 2), np.tile(y, 2))),
        "patients": Case(patients, (index(9), x, y)),
        "patients_by_smoking": Case(patients_by_smoking, (index(9), x, index(3, 9), y)),
        "radon": Case(radon, (index(6), flags, X[:6, 1], y)),
        "baseball_pooled": Case(baseball_pooled, (counts + 20, counts)),
        "baseball_partially_pooled": Case(baseball_partially_pooled, (counts[:18] + 20, counts[:18])),
        "berkeley_admissions": Case(berkeley_admissions, (index(6, 12), flags[:12], counts[:12] + 9, counts[:12])),
        "tadpoles": Case(tadpoles, (np.arange(48) % 48, np.full(48, 10), np.full(48, 5))),
        "chimpanzees": Case(chimpanzees, (index(7), index(6), index(4), flags)),
        "item_response": Case(item_response, (index(10), index(6), 10, 6, flags)),
        "bradley_terry": Case(bradley_terry, (index(7), (index(7) + 1) % 7, 7, flags)),
        "dawid_skene": Case(dawid_skene, (np.array([0, 0, 1, 2, 3]), index(4, 60).reshape(12, 5))),
        "stochastic_volatility": Case(stochastic_volatility, (y,)),
        "ar2": Case(ar2, (y,)),
        "ar2_in_a_loop": Case(ar2_in_a_loop, (y,)),
        "holt_winters": Case(holt_winters, (jnp.asarray(y), 4)),
        "local_trend": Case(local_trend, (n, y)),
        "capture_recapture": Case(capture_recapture, (np.stack([flags] * 6, 1), flags)),
        "predator_prey": Case(predator_prey, (21, np.abs(X[:21, :2]))),
        "coal_mining": Case(coal_mining, (counts,)),
        "gaussian_process": Case(gaussian_process, (x, y)),
        "hilbert_space_process": Case(hilbert_space_process, (x, 1.5, 8, y)),
        "bayesian_neural_network": Case(bayesian_neural_network, (X, y[:, None], 5)),
        "gaussian_mixture": Case(gaussian_mixture, (3, y)),
        "mixture_same_family": Case(mixture_same_family, (y,)),
        "probabilistic_pca": Case(probabilistic_pca, (X, 2)),
        "dirichlet_multinomial": Case(dirichlet_multinomial, (counts.reshape(6, 5),)),
        "proportions": Case(proportions, (X, flags)),
        "bayesian_network": Case(bayesian_network, (x, y)),
        "imputation": Case(imputation, (missing, flags)),
        "stacking": Case(stacking, (X, 1, X[:5], X, 1.0, 1.0)),
    }


TEXTBOOK = _data()
