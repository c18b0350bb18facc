"""Models as NumPyro's tutorials and examples write them, unchanged: what each fit records, and what has to go on."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan
from numpyro.handlers import reparam
from numpyro.infer.reparam import LocScaleReparam, TransformReparam

SIGMA = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0, 12.0, 13.0], np.float32)


def eight_schools_noncentered(J, sigma, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("J", J):
        with reparam(config={"theta": TransformReparam()}):
            theta = numpyro.sample(
                "theta", dist.TransformedDistribution(dist.Normal(0.0, 1.0), dist.transforms.AffineTransform(mu, tau))
            )
        numpyro.sample("obs", dist.Normal(theta, sigma), obs=y)


def osic(patient_code, weeks, FVC_obs=None):
    """The tutorial on hierarchical linear regression."""
    mu_a = numpyro.sample("mu_a", dist.Normal(0.0, 500.0))
    sigma_a = numpyro.sample("sigma_a", dist.HalfNormal(100.0))
    mu_b = numpyro.sample("mu_b", dist.Normal(0.0, 3.0))
    sigma_b = numpyro.sample("sigma_b", dist.HalfNormal(3.0))
    n_patients = len(np.unique(patient_code))
    with numpyro.plate("plate_i", n_patients):
        a = numpyro.sample("a", dist.Normal(mu_a, sigma_a))
        b = numpyro.sample("b", dist.Normal(mu_b, sigma_b))
    s = numpyro.sample("s", dist.HalfNormal(100.0))
    FVC_est = a[patient_code] + b[patient_code] * weeks
    with numpyro.plate("data", len(patient_code)):
        numpyro.sample("obs", dist.Normal(FVC_est, s), obs=FVC_obs)


def radon(floor, county, n_counties, log_radon=None):
    """Varying intercepts and slopes, decentred by hand at the handler."""
    mu = numpyro.sample("mu", dist.Normal(0, 1).expand([2]).to_event(1))
    sd = numpyro.sample("sd", dist.HalfNormal(1).expand([2]).to_event(1))
    with numpyro.plate("counties", n_counties), reparam(config={"coef": LocScaleReparam(0)}):
        coef = numpyro.sample("coef", dist.Normal(mu, sd).to_event(1))
    sigma = numpyro.sample("sigma", dist.Exponential(1.0))
    mean = coef[county, 0] + coef[county, 1] * floor
    numpyro.sample("obs", dist.Normal(mean, sigma), obs=log_radon)


def stochastic_volatility(n_days, returns=None):
    step_size = numpyro.sample("sigma", dist.Exponential(50.0))
    s = numpyro.sample("s", dist.GaussianRandomWalk(scale=step_size, num_steps=n_days))
    nu = numpyro.sample("nu", dist.Exponential(0.1))
    numpyro.sample("r", dist.StudentT(df=nu, loc=0.0, scale=jnp.exp(s)), obs=returns)


def panel_of_walks(n_firms, n_years, y=None):
    with numpyro.plate("firm", n_firms):
        scale = numpyro.sample("scale", dist.HalfNormal(1.0))
        path = numpyro.sample("path", dist.GaussianRandomWalk(scale, n_years))
    numpyro.sample("y", dist.Normal(path, 0.1).to_event(1), obs=y)


def kernel(X, Z, var, length, noise, jitter=1.0e-6, include_noise=True):
    """That of the example `gp.py`."""
    deltaXsq = jnp.power((X[:, None] - Z) / length, 2.0)
    k = var * jnp.exp(-0.5 * deltaXsq)
    if include_noise:
        k += (noise + jitter) * jnp.eye(X.shape[0])
    return k


def gp_classification(X, Y=None):
    var = numpyro.sample("var", dist.LogNormal(0.0, 0.3))
    length = numpyro.sample("length", dist.LogNormal(0.0, 0.3))
    k = kernel(X, X, var, length, 1e-3)
    f = numpyro.sample("f", dist.MultivariateNormal(loc=jnp.zeros(X.shape[0]), covariance_matrix=k))
    numpyro.sample("Y", dist.Bernoulli(logits=f), obs=Y)


def gp_noncentered(X, Y=None):
    length = numpyro.sample("length", dist.LogNormal(0.0, 0.3))
    k = kernel(X, X, 1.0, length, 1e-3)
    z = numpyro.sample("z", dist.Normal(0, 1).expand([X.shape[0]]))
    f = numpyro.deterministic("f", jnp.linalg.cholesky(k) @ z)
    numpyro.sample("Y", dist.Normal(f, 0.1), obs=Y)


def renewal(n_days, generation, cases=None):
    """Renewal equation of an epidemic, whose log R walks by innovations that are summed up."""
    scale = numpyro.sample("scale", dist.HalfNormal(0.1))
    with numpyro.plate("days", n_days):
        eps = numpyro.sample("eps", dist.Normal(0, 1))
    R = numpyro.deterministic("R", jnp.exp(scale * jnp.cumsum(eps)))

    def step(past, R_t):
        new = R_t * jnp.dot(past, generation)
        return jnp.concatenate([new[None], past[:-1]]), new

    _, infections = jax.lax.scan(step, jnp.ones(len(generation)) * 10.0, R)
    infections = numpyro.deterministic("infections", infections)
    numpyro.sample("cases", dist.Poisson(infections), obs=cases)


def local_level(n_steps, y=None):
    """A state-space model whose loop names the states."""
    drift = numpyro.sample("drift", dist.HalfNormal(1.0))
    level = numpyro.sample("level_0", dist.Normal(0.0, 1.0))
    path = [level]
    for t in range(1, n_steps):
        level = numpyro.sample(f"level_{t}", dist.Normal(level, drift))
        path.append(level)
    numpyro.sample("y", dist.Normal(jnp.stack(path), 0.5), obs=y)


def ar2(n_steps, y=None):
    """An autoregression in `scan`, with its states as latents."""
    phi = numpyro.sample("phi", dist.Normal(0.3, 0.1).expand([2]).to_event(1))

    def transition(carry, _):
        one, two = carry
        x = numpyro.sample("x", dist.Normal(phi[0] * one + phi[1] * two, 1.0))
        return (x, one), x

    _, x = scan(transition, (0.0, 0.0), jnp.arange(n_steps))
    numpyro.sample("y", dist.Normal(x, 0.1), obs=y)


def nested(n_states, state_of_town, y=None):
    tau = numpyro.sample("tau", dist.HalfNormal(1.0))
    with numpyro.plate("state", n_states):
        state = numpyro.sample("alpha", dist.Normal(0.0, 2.0))
    with numpyro.plate("town", len(state_of_town)):
        town = numpyro.sample("beta", dist.Normal(state[state_of_town], tau))
    numpyro.sample("y", dist.Normal(town, 1.0), obs=y)


def rasch(student, item, n_students, n_items, y=None):
    with numpyro.plate("students", n_students):
        ability = numpyro.sample("ability", dist.Normal(0, 1))
    with numpyro.plate("items", n_items):
        difficulty = numpyro.sample("difficulty", dist.Normal(0, 2))
    numpyro.sample("y", dist.Bernoulli(logits=ability[student] - difficulty[item]), obs=y)


def correlated_slopes(group, n_groups, x, y=None):
    """The café of `Statistical Rethinking`: correlated intercepts and slopes, one event a group."""
    sd = numpyro.sample("sd", dist.Exponential(1.0).expand([2]).to_event(1))
    corr = numpyro.sample("corr", dist.LKJCholesky(2, 2.0))
    with numpyro.plate("cafe", n_groups):
        ab = numpyro.sample("ab", dist.MultivariateNormal(jnp.zeros(2), scale_tril=sd[:, None] * corr))
    numpyro.sample("y", dist.Normal(ab[group, 0] + ab[group, 1] * x, 1.0), obs=y)


def ornstein_uhlenbeck(t, y=None):
    rate = numpyro.sample("rate", dist.LogNormal(0.0, 0.2))
    x = numpyro.sample("x", dist.EulerMaruyama(t, lambda x, t: (-rate * x, 0.5), dist.Normal(0.0, 1.0)))
    numpyro.sample("y", dist.Normal(x, 0.1), obs=y)


def linear_trend(n_steps, y=None):
    A = jnp.array([[1.0, 1.0], [0.0, 0.9]])
    tril = numpyro.sample("scale", dist.HalfNormal(1.0)) * jnp.eye(2)
    z = numpyro.sample("z", dist.GaussianStateSpace(n_steps, A, scale_tril=tril))
    numpyro.sample("y", dist.Normal(z[..., 0], 0.1).to_event(1), obs=y)
