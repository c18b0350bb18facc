"""The models that the tests share, in one place. Each is small, and shaped like one that people write."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.contrib.control_flow import cond, scan
from numpyro.infer.reparam import CircularReparam, LocScaleReparam, ProjectedNormalReparam, TransformReparam
from numpyro.primitives import mutable


def regression(X, y=None):
    """NumPyro issue 1772: a deterministic site under a plate."""
    alpha = numpyro.sample("alpha", dist.Normal(0.0, 1.0))
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([X.shape[1]]).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0))
    with numpyro.plate("data", X.shape[0]):
        eta = numpyro.deterministic("eta", alpha + X @ beta)
        numpyro.sample("obs", dist.Normal(eta, sigma), obs=y)


def line(x, y=None):
    """A regression with scalar coefficients: none of its entries can follow the rows."""
    intercept = numpyro.sample("intercept", dist.Normal(0.0, 1.0))
    slope = numpyro.sample("slope", dist.Normal(0.0, 1.0))
    mu = numpyro.deterministic("mu", intercept + slope * x)
    numpyro.sample("obs", dist.Normal(mu, 1.0), obs=y)


def nested_plates(rows, columns, y=None):
    with numpyro.plate("columns", columns, dim=-1):
        a = numpyro.sample("a", dist.Normal(0.0, 1.0))
        with numpyro.plate("rows", rows, dim=-2):
            b = numpyro.sample("b", dist.MultivariateNormal(jnp.zeros(2), jnp.eye(2)))
            numpyro.sample("obs", dist.Normal(a + b[..., 0], 1.0), obs=y)


def subsampled(X, batch, y=None):
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0))
    with numpyro.plate("data", X.shape[0], subsample_size=batch) as index:
        mu = numpyro.deterministic("mu", X[index] * beta)
        numpyro.sample("obs", dist.Normal(mu, 1.0), obs=None if y is None else y[index])


def with_factor(x):
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    numpyro.factor("penalty", -jnp.abs(a * x).sum())


def improper(x, y=None):
    a = numpyro.sample("a", dist.ImproperUniform(dist.constraints.positive, (), event_shape=(3,)))
    shifted = dist.TransformedDistribution(
        dist.ImproperUniform(dist.constraints.positive, (), ()), dist.transforms.AffineTransform(2.0, 1.0)
    )
    b = numpyro.sample("b", shifted)
    with numpyro.plate("data", x.shape[0]):
        numpyro.sample("obs", dist.Normal(a.sum() + b * x, 1.0), obs=y)


def mixture(y=None, rows=None):
    """Row-level assignments, marginalized in a fit."""
    weights = numpyro.sample("weights", dist.Dirichlet(jnp.ones(3)))
    with numpyro.plate("components", 3):
        location = numpyro.sample("location", dist.Normal(0.0, 5.0))
    with numpyro.plate("data", rows if y is None else len(y)):
        z = numpyro.sample("z", dist.Categorical(weights), infer={"enumerate": "parallel"})
        numpyro.deterministic("center", location[z])
        numpyro.sample("obs", dist.Normal(location[z], 1.0), obs=y)


def masked_observations(x, mask, y=None):
    """NumPyro issue 1847: `obs_mask` makes the site deterministic and adds two others."""
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    with numpyro.plate("data", x.shape[0]):
        numpyro.sample("obs", dist.Normal(mu + x, 1.0), obs=y, obs_mask=mask)


def local_level(y=None, steps=None):
    """A random walk seen with noise, as a `scan`."""
    drift = numpyro.sample("drift", dist.Normal(0.0, 1.0))
    start = numpyro.sample("start", dist.Normal(0.0, 1.0))

    def step(level, y_t):
        level = numpyro.sample("level", dist.Normal(level + drift, 0.1))
        numpyro.deterministic("double", 2.0 * level)
        numpyro.sample("obs", dist.Normal(level, 1.0), obs=y_t)
        return level, level

    _, levels = scan(step, start, y, length=steps)
    numpyro.deterministic("last", levels[-1])


def driven_level(x, y=None):
    """A random walk with a covariate for each step."""
    drift = numpyro.sample("drift", dist.Normal(0.0, 1.0))

    def step(level, xy):
        level = numpyro.sample("level", dist.Normal(level + drift * xy[0], 0.1))
        numpyro.sample("obs", dist.Normal(level, 1.0), obs=xy[1])
        return level, None

    scan(step, 0.0, (x, y), length=len(x))


def branching(x):
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))

    def branch(scale):
        def draw(_):
            value = numpyro.sample("b", dist.Normal(a, scale))
            return numpyro.deterministic("twice", 2.0 * value)

        return draw

    c = cond(x > 0, branch(1.0), branch(10.0), None)
    numpyro.deterministic("c", c)


def schools(J, sigma, y=None):
    """Eight schools (Rubin 1981), centred."""
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))
    with numpyro.plate("J", J):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("obs", dist.Normal(theta, sigma), obs=y)


noncentred_schools = handlers.reparam(schools, config={"theta": LocScaleReparam(centered=0)})


@handlers.reparam(config={"a": TransformReparam()})
def transformed(x, y=None):
    base = dist.TransformedDistribution(dist.Normal(0.0, 1.0), dist.transforms.AffineTransform(1.0, 2.0))
    a = numpyro.sample("a", base)
    numpyro.sample("obs", dist.Normal(a * x, 1.0), obs=y)


@handlers.reparam(config={"direction": ProjectedNormalReparam()})
def projected(x, y=None):
    direction = numpyro.sample("direction", dist.ProjectedNormal(jnp.zeros(3)))
    numpyro.sample("obs", dist.Normal(direction.sum() * x, 1.0), obs=y)


@handlers.reparam(config={"angle": CircularReparam()})
def circular(x, y=None):
    angle = numpyro.sample("angle", dist.VonMises(0.0, 1.0))
    numpyro.sample("obs", dist.Normal(angle * x, 1.0), obs=y)


def inner(x, y=None):
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    b = numpyro.deterministic("b", a * x)
    numpyro.sample("obs", dist.Normal(b, 1.0), obs=y)


scoped = handlers.scope(inner, prefix="inner")
conditioned = handlers.condition(inner, data={"a": 1.0})
intervened = handlers.do(inner, data={"a": 1.0})
seeded = handlers.seed(inner, rng_seed=7)
partial_line = functools.partial(line, y=None)


class Model:
    """A model as a method, and as a callable object."""

    def run(self, x, y=None):
        line(x, y)

    __call__ = run


def with_params(x, y=None):
    scale = numpyro.param("scale", 1.0, constraint=dist.constraints.positive)
    lazy = numpyro.param("lazy", lambda key: jnp.zeros(4))
    count = mutable("count", {"value": jnp.zeros(2)})
    count["value"] = count["value"] + 1
    a = numpyro.sample("a", dist.Normal(lazy.sum(), scale))
    numpyro.sample("obs", dist.Normal(a * x, 1.0), obs=y)


def structured(data, sizes, flag="on", note=None, frame=None, key=None):
    """Arguments of every kind."""
    if flag == "on":
        a = numpyro.sample("a", dist.Normal(0.0, 1.0).expand([sizes[1]]))
    x = jnp.asarray(data["x"])
    if frame is not None:
        x = x + frame["column"].to_numpy()
    if key is not None:
        x = x + jax.random.uniform(key, x.shape)
    numpyro.sample("obs", dist.Normal(a.sum() * x, 1.0), obs=data.get("y"))


def concrete_groups(x, group, y=None):
    """Needs the values of an argument: as many effects as there are distinct groups."""
    groups = np.unique(group)
    with numpyro.plate("groups", len(groups)):
        effect = numpyro.sample("effect", dist.Normal(0.0, 1.0))
    with numpyro.plate("data", x.shape[0]):
        mu = numpyro.deterministic("mu", effect[group] + x)
        numpyro.sample("obs", dist.Normal(mu, 1.0), obs=y)


def concrete_everything(x, n, y=None):
    """`int`, boolean indexing and NumPy tests of arguments."""
    kept = x[x > 0]
    if np.isnan(x).any():
        raise ValueError("there are NaN among x")
    a = numpyro.sample("a", dist.Normal(0.0, 1.0).expand([int(n)]))
    numpyro.sample("obs", dist.Normal(a.sum() * kept, 1.0), obs=y)


def value_dependent():
    """Branches in Python on the value of a latent."""
    z = numpyro.sample("z", dist.Bernoulli(0.5))
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    numpyro.deterministic("b", a + 1.0 if z > 0 else a - 1.0)


def chain(x, y=None):
    """Deterministic sites computed from one another, through a jitted helper and an index."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0).expand([2]))
    b = numpyro.sample("b", dist.Normal(a.sum(), 1.0))
    first = numpyro.deterministic("first", jax.jit(lambda v: v**2)(a[0]))
    second = numpyro.deterministic("second", first + b)
    numpyro.deterministic("constant", x * 2.0)
    numpyro.sample("obs", dist.Normal(second * x, 1.0), obs=y)


def guarded(x, y=None):
    """A part that only runs where the log density is wanted."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    if numpyro.get_mask() is not False:
        numpyro.deterministic("costly", a * x)
    numpyro.sample("obs", dist.Normal(a * x, 1.0), obs=y)


def raising(x):
    raise KeyError("the model's own mistake")


def no_arguments():
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    numpyro.deterministic("b", 2.0 * a)
    with numpyro.plate("data", 5):
        numpyro.sample("obs", dist.Normal(a, 1.0), obs=jnp.zeros(5))


# ------------------------------------------------------------------------- models with data-shaped latents


def row_effects(x, y=None):
    """One effect for each row."""
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0))
    with numpyro.plate("data", x.shape[0]):
        z = numpyro.sample("z", dist.Normal(0.0, sigma))
        mu = numpyro.deterministic("mu", x + z)
        numpyro.sample("obs", dist.Normal(mu, 1.0), obs=y)


def expanded_row_effects(x, y=None):
    """One effect for each row, outside of any plate."""
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0))
    z = numpyro.sample("z", dist.Normal(0.0, sigma).expand([len(x)]))
    numpyro.sample("obs", dist.Normal(x + z, 1.0), obs=y)


def looped_row_effects(x, y=None):
    """One effect for each row, each a site of its own."""
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0))
    for i in range(len(x)):
        z = numpyro.sample(f"z_{i}", dist.Normal(0.0, sigma))
        numpyro.sample(f"obs_{i}", dist.Normal(x[i] + z, 1.0), obs=None if y is None else y[i])


def looped_coefficients(X, y=None):
    """One coefficient for each feature, each a site of its own."""
    mu = sum(numpyro.sample(f"beta_{i}", dist.Normal(0.0, 1.0)) * X[:, i] for i in range(X.shape[1]))
    numpyro.sample("obs", dist.Normal(mu, 1.0), obs=y)


def looped_panel(X, y=None):
    """One effect for each row and one coefficient for each feature, each a site of its own."""
    z = [numpyro.sample(f"z_{i}", dist.Normal(0.0, 1.0)) for i in range(X.shape[0])]
    beta = [numpyro.sample(f"beta_{j}", dist.Normal(0.0, 1.0)) for j in range(X.shape[1])]
    numpyro.sample("obs", dist.Normal(jnp.stack(z) + X @ jnp.stack(beta), 1.0), obs=y)


def group_effects(x, group, J, y=None):
    """One effect for each group, picked by an index vector."""
    location = numpyro.sample("location", dist.Normal(0.0, 1.0))
    with numpyro.plate("groups", J):
        effect = numpyro.sample("effect", dist.Normal(location, 1.0))
    with numpyro.plate("data", x.shape[0]):
        mu = numpyro.deterministic("mu", effect[group] + x)
        numpyro.sample("obs", dist.Normal(mu, 1.0), obs=y)


def group_covariate(x, group, u, y=None):
    """Group effects around a group-level covariate: as many as it has entries."""
    with numpyro.plate("groups", u.shape[0]):
        effect = numpyro.sample("effect", dist.Normal(u, 1.0))
    numpyro.sample("obs", dist.Normal(effect[group] + x, 1.0), obs=y)


def gaussian_process(x, y=None):
    """A latent function value for each row."""
    length = numpyro.sample("length", dist.LogNormal(0.0, 0.1))
    kernel = jnp.exp(-0.5 * ((x[:, None] - x[None, :]) / length) ** 2) + 1e-3 * jnp.eye(x.shape[0])
    f = numpyro.sample("f", dist.MultivariateNormal(jnp.zeros(x.shape[0]), covariance_matrix=kernel))
    numpyro.sample("obs", dist.Normal(f, 0.1), obs=y)


def distance_process(D, y=None):
    """A Gaussian process that is given its distances, a square matrix."""
    length = numpyro.sample("length", dist.LogNormal(0.0, 0.1))
    kernel = jnp.exp(-0.5 * (D / length) ** 2) + 1e-3 * jnp.eye(D.shape[0])
    f = numpyro.sample("f", dist.MultivariateNormal(jnp.zeros(D.shape[0]), covariance_matrix=kernel))
    numpyro.sample("obs", dist.Normal(f, 0.1), obs=y)


def volatility(steps, returns=None):
    """Stochastic volatility; its length comes as a number."""
    sigma = numpyro.sample("sigma", dist.Exponential(50.0))
    s = numpyro.sample("s", dist.GaussianRandomWalk(scale=sigma, num_steps=steps))
    numpyro.sample("obs", dist.StudentT(10.0, 0.0, jnp.exp(s)), obs=returns)


def imputation(age, missing, y=None):
    """Missing values of a covariate are latents, put in place by an index."""
    location = numpyro.sample("location", dist.Normal(0.0, 1.0))
    imputed = numpyro.sample("imputed", dist.Normal(location, 1.0).expand([missing.shape[0]]))
    age = jnp.asarray(age).at[missing].set(imputed)
    slope = numpyro.sample("slope", dist.Normal(0.0, 1.0))
    numpyro.sample("obs", dist.Normal(slope * age, 1.0), obs=y)


def horseshoe(X, y=None):
    """Sparse regression; the number of features may equal the number of rows."""
    features = X.shape[1]
    tau = numpyro.sample("tau", dist.HalfCauchy(1.0))
    lambdas = numpyro.sample("lambdas", dist.HalfCauchy(jnp.ones(features)))
    unscaled = numpyro.sample("unscaled", dist.Normal(jnp.zeros(features), 1.0))
    beta = numpyro.deterministic("beta", tau * lambdas * unscaled)
    numpyro.sample("obs", dist.Normal(X @ beta, 1.0), obs=y)


def multi_output(X, Y=None, outputs=2):
    W = numpyro.sample("W", dist.Normal(0.0, 1.0).expand([X.shape[1], outputs]).to_event(2))
    with numpyro.plate("data", X.shape[0]):
        mean = numpyro.deterministic("mean", X @ W)
        numpyro.sample("obs", dist.Normal(mean, 1.0).to_event(1), obs=Y)


def panel(X, Y=None):
    """Rows by groups: nested plates, an effect for each group and one for each cell."""
    with numpyro.plate("groups", X.shape[1], dim=-1):
        effect = numpyro.sample("effect", dist.Normal(0.0, 1.0))
        with numpyro.plate("rows", X.shape[0], dim=-2):
            cell = numpyro.sample("cell", dist.Normal(effect, 1.0))
            numpyro.sample("obs", dist.Normal(cell + X, 1.0), obs=Y)


def scored_function(x, y=None):
    """`f` is drawn always, and scored only where there are data: a latent in both calls."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    f = numpyro.sample("f", dist.Normal(a, 1.0).expand([x.shape[0]]))
    if y is not None:
        numpyro.sample("obs", dist.Normal(f, 1.0), obs=y)


def scored_effects(x, group, u, y=None):
    """As `scored_function`, with an effect for each row of a table of groups that nothing is drawn from."""
    with numpyro.plate("groups", len(u)):
        effect = numpyro.sample("effect", dist.Normal(0.0, 1.0))
    f = numpyro.sample("f", dist.Normal(0.0, 1.0).expand([x.shape[0]]))
    if y is not None:
        numpyro.sample("obs", dist.Normal(f + (effect * u)[group], 1.0), obs=y)


def switching(x, y=None):
    """Branches in Python on a latent, and calculates with its target."""
    z = numpyro.sample("z", dist.Bernoulli(0.5))
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    numpyro.sample("obs", dist.Normal(a * x if z > 0 else x, 1.0), obs=None if y is None else jnp.log(y))


def measured_error(x, sd=None, y=None):
    """An array for `sd` is data, a number is no matter."""
    sd = numpyro.sample("sd", dist.HalfNormal(1.0), obs=sd if np.ndim(sd) else None)
    numpyro.sample("obs", dist.Normal(x, sd.mean()), obs=y)


def total(x, y=None):
    """The prediction target is a scalar."""
    rate = numpyro.sample("rate", dist.Gamma(1.0, 1.0))
    numpyro.sample("total", dist.Poisson(rate * x.sum()), obs=y)


def differences(y=None, steps=None):
    """Innovations: one fewer than there are rows."""
    steps = steps if y is None else y.shape[0]
    first = numpyro.sample("first", dist.Normal(0.0, 1.0))
    jumps = numpyro.sample("jumps", dist.Normal(0.0, 1.0).expand([steps - 1]))
    path = jnp.concatenate([first[None], first + jnp.cumsum(jumps)])
    numpyro.sample("obs", dist.Normal(path, 1.0), obs=y)


def weekly(x, y=None):
    """A level for each seven rows."""
    weeks = x.shape[0] // 7
    level = numpyro.sample("level", dist.Normal(0.0, 1.0).expand([weeks]))
    numpyro.sample("obs", dist.Normal(jnp.repeat(level, 7) + x, 1.0), obs=y)


def closed_over(y=None):
    """Takes no data but y: the rows are closed over."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    with numpyro.plate("data", 6):
        z = numpyro.sample("z", dist.Normal(a, 1.0))
        numpyro.sample("obs", dist.Normal(z, 1.0), obs=y)


def from_frame(frame, y=None):
    """The data come as a DataFrame."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    z = numpyro.sample("z", dist.Normal(0.0, 1.0).expand([len(frame["x"])]))
    numpyro.sample("obs", dist.Normal(a * frame["x"].to_numpy() + z, 1.0), obs=y)


def from_dict(data):
    """The data come as a dict, None where there are none."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    z = numpyro.sample("z", dist.Normal(0.0, 1.0).expand([len(data["x"])]))
    numpyro.sample("obs", dist.Normal(a * jnp.asarray(data["x"]) + z, 1.0), obs=data["y"])


def flagged(x, noncentred=1, y=None):
    """An integer code that changes the kinds: 1 is not a size."""
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    if noncentred == 1:
        raw = numpyro.sample("raw", dist.Normal(0.0, 1.0))
        theta = numpyro.deterministic("theta", mu + raw)
    else:
        theta = numpyro.sample("theta", dist.Normal(mu, 1.0))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


# ------------------------------------------- rows that are hard to see: no leading axis of an array shows them


def pooled(x, y=None):
    """An effect for each row; only their total is observed."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    z = numpyro.sample("z", dist.Normal(0.0, 1.0).expand([x.shape[0]]))
    numpyro.sample("obs", dist.Normal((a * x + z).sum(), 1.0), obs=y)


def scored_by_factor(x):
    """An effect for each row; the likelihood is one number, added by hand."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    z = numpyro.sample("z", dist.Normal(0.0, 1.0).expand([x.shape[0]]))
    numpyro.factor("likelihood", -((a * x + z) ** 2).sum())


def rows_in_columns(X, y=None):
    """The rows are the second axis, features the first."""
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([X.shape[0]]))
    z = numpyro.sample("z", dist.Normal(0.0, 1.0).expand([X.shape[1]]))
    numpyro.sample("obs", dist.Normal(beta @ X + z, 1.0), obs=y)


def number_of_rows(x, rows=6, y=None):
    """The number of rows is an argument of its own, which has a default."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    z = numpyro.sample("z", dist.Normal(0.0, 1.0).expand([rows]))
    numpyro.sample("obs", dist.Normal(a * x + z, 1.0), obs=y)


def from_object(data, y=None):
    """The data are attributes of an object that JAX knows nothing of."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    z = numpyro.sample("z", dist.Normal(0.0, 1.0).expand([len(data.x)]))
    numpyro.sample("obs", dist.Normal(a * data.x + z, 1.0), obs=y)


def from_numbers(x, y=None):
    """The data come one by one."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    z = numpyro.sample("z", dist.Normal(0.0, 1.0).expand([len(x)]))
    numpyro.sample("obs", dist.Normal(a * jnp.asarray(x) + z, 1.0), obs=y)


def labelled(x, label, y=None):
    """Groups are named by text."""
    labels, index = np.unique(label, return_inverse=True)
    effect = numpyro.sample("effect", dist.Normal(0.0, 1.0).expand([len(labels)]))
    z = numpyro.sample("z", dist.Normal(0.0, 1.0).expand([len(x)]))
    numpyro.sample("obs", dist.Normal(effect[index] + x + z, 1.0), obs=y)


def conditioned_elsewhere(x, group, u):
    """No argument makes the target observed: a fit puts this model inside `condition`."""
    effect = numpyro.sample("effect", dist.Normal(u, 1.0))
    numpyro.sample("obs", dist.Normal(effect[group] + x, 1.0))


def minibatch(x, size=100, y=None):
    """The rows passed are a part of a larger whole."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    with numpyro.plate("data", size, subsample_size=x.shape[0]):
        z = numpyro.sample("z", dist.Normal(a, 1.0))
        numpyro.sample("obs", dist.Normal(x + z, 1.0), obs=y)


def autoregression(y):
    """The rows are their own covariates; the first has none."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    z = numpyro.sample("z", dist.Normal(0.0, 1.0).expand([y.shape[0] - 1]))
    numpyro.sample("obs", dist.Normal(a * y[:-1] + z, 1.0), obs=y[1:])


# ------------------------------------------------------------------------- models that are hard to inspect


class DensityOnly(dist.Distribution):
    """A distribution of the user's own, written for its density."""

    support = dist.constraints.real
    arg_constraints = {"loc": dist.constraints.real}  # noqa: RUF012

    def __init__(self, loc):
        self.loc = loc
        super().__init__(batch_shape=jnp.shape(loc))

    def sample(self, key, sample_shape=()):
        raise NotImplementedError

    def log_prob(self, value):
        return -((value - self.loc) ** 2)


def density_only(x, y=None):
    """A prior that cannot be sampled: stock `Predictive` never has to."""
    a = numpyro.sample("a", DensityOnly(0.0).expand([2]).to_event(1))
    mu = numpyro.deterministic("mu", a.sum() * x)
    numpyro.sample("obs", dist.Normal(mu, 1.0), obs=y)


def without_latents(x, y=None):
    numpyro.sample("obs", dist.Normal(x, 1.0), obs=y)


def scored_with_data_only(x, y=None):
    """What `numpyro.get_mask()` guards cannot run without `y`."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    if numpyro.get_mask() is not False:
        numpyro.factor("penalty", -jnp.sum((y - a * x) ** 2))


def ordered_data(data, y=None):
    """Unpacks a dict in the order in which it was written."""
    X, offset = data.values()
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([X.shape[1]]).to_event(1))
    eta = numpyro.deterministic("eta", X @ beta + offset)
    numpyro.sample("obs", dist.Normal(eta, 1.0), obs=y)


def by_keyword(**columns):
    """One coefficient for each keyword."""
    for name, column in columns.items():
        numpyro.sample(name, dist.Normal(column.mean(), 1.0))


def many_ways():
    """Values that reach their sites through JAX's control flow and transformations."""
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    b = numpyro.sample("b", dist.Normal(a, 1.0))
    numpyro.deterministic("jitted", jax.jit(jnp.sin)(a))
    numpyro.deterministic("mapped", jax.vmap(lambda t: t + b)(jnp.ones(3)))
    numpyro.deterministic("gradient", jax.grad(lambda t: t**2)(a))
    numpyro.deterministic("loop", jax.lax.fori_loop(0, 3, lambda i, carry: carry + b, 0.0))
    numpyro.deterministic("until", jax.lax.while_loop(lambda carry: carry < a, lambda carry: carry + 1.0, 0.0))
    numpyro.deterministic("chosen", jnp.where(a > 0, 1.0, -1.0))
    numpyro.deterministic("tree", {"first": a, "second": (b, None)})
    numpyro.deterministic("neither", jnp.ones(2))


def counted(n):
    """As many latents as another latent says."""
    z = numpyro.sample("z", dist.Poisson(3.0))
    for i in range(int(z) * 0 + n):
        numpyro.sample(f"a{i}", dist.Normal(0.0, 1.0))


def selected(x):
    """Boolean indexing by a latent."""
    z = numpyro.sample("z", dist.Bernoulli(0.5).expand([x.shape[0]]))
    numpyro.deterministic("chosen", jnp.sum(jnp.asarray(x)[z == 1]))


def consuming(data):
    """Takes its target out of the caller's dict."""
    numpyro.sample("obs", dist.Normal(data["x"], 1.0), obs=data.pop("y"))


def nested_failure(x):
    with numpyro.plate("data", x.shape[0]), handlers.mask(mask=True), handlers.seed(rng_seed=1):
        numpyro.sample("a", dist.Normal(0.0, 1.0))
        raise RuntimeError("inside a plate")
