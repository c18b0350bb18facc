"""Models of other fields, as their statisticians write them, for what is carried on."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan

# ------------------------------------------------------------------------------------------------------------ ecology


def occupancy(forest, n_visits, y=None):
    """Is the species there, and is it seen? Occupancy is discrete, and summed out by NUTS."""
    b = numpyro.sample("b", dist.Normal(0, 1).expand([2]).to_event(1))
    sd = numpyro.sample("sd", dist.HalfNormal(1))
    p = numpyro.sample("p", dist.Beta(2, 2))
    with numpyro.plate("site", len(forest), dim=-1):
        eps = numpyro.sample("eps", dist.Normal(0, sd))
        psi = numpyro.deterministic("psi", jax.nn.sigmoid(b[0] + b[1] * forest + eps))
        z = numpyro.sample("z", dist.Bernoulli(psi), infer={"enumerate": "parallel"})
        with numpyro.plate("visit", n_visits, dim=-2):
            numpyro.sample("y", dist.Bernoulli(z * p), obs=y)


def recapture(histories, site, n_sites):
    """Cormack-Jolly-Seber with survival by site; the likelihood of all histories is one factor."""
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    sd = numpyro.sample("sd", dist.HalfNormal(1))
    p = numpyro.sample("p", dist.Beta(2, 2))
    with numpyro.plate("sites", n_sites):
        logit_phi = numpyro.sample("logit_phi", dist.Normal(mu, sd))
    phi = numpyro.deterministic("phi", jax.nn.sigmoid(logit_phi))[site]
    seen_later = jnp.cumsum(histories[:, ::-1], 1)[:, ::-1][:, 1:] > 0
    loglik = jnp.where(
        seen_later,
        jnp.log(phi)[:, None] + jnp.log(jnp.where(histories[:, 1:] > 0, p, 1 - p)),
        jnp.log1p(-phi * p)[:, None],
    )
    numpyro.factor("histories", loglik.sum())


def counts_by_transect(transect, year, n_transects, n_years, counts=None):
    """Crossed effects: transects and years."""
    level = numpyro.sample("level", dist.Normal(1, 0.3))
    sd = numpyro.sample("sd", dist.HalfNormal(0.5).expand([2]).to_event(1))
    with numpyro.plate("transects", n_transects):
        a = numpyro.sample("a", dist.Normal(0, sd[0]))
    with numpyro.plate("years", n_years):
        b = numpyro.sample("b", dist.Normal(0, sd[1]))
    with numpyro.plate("data", len(transect)):
        numpyro.sample("counts", dist.Poisson(jnp.exp(level + a[transect] + b[year])), obs=counts)


# ------------------------------------------------------------------------------------------------------ psychometrics


def two_parameters(n_persons, n_items, y=None):
    """The 2PL model, a matrix of persons by items."""
    sd_a = numpyro.sample("sd_a", dist.HalfNormal(0.5))
    sd_b = numpyro.sample("sd_b", dist.HalfNormal(2))
    with numpyro.plate("item", n_items, dim=-1):
        a = numpyro.sample("a", dist.LogNormal(0, sd_a))
        b = numpyro.sample("b", dist.Normal(0, sd_b))
    with numpyro.plate("person", n_persons, dim=-2):
        ability = numpyro.sample("ability", dist.Normal(0, 1))
        with numpyro.plate("answers", n_items, dim=-1):
            numpyro.sample("y", dist.Bernoulli(logits=a * (ability - b)), obs=y)


# ---------------------------------------------------------------------------------------------------------- marketing


def brand_choice(household, X, n_households, choice=None):
    """A panel: tastes correlated over features, one vector a household. X is (occasions, brands, features)."""
    n_features = X.shape[-1]
    mu = numpyro.sample("mu", dist.Normal(0, 1).expand([n_features]).to_event(1))
    sd = numpyro.sample("sd", dist.HalfNormal(1).expand([n_features]).to_event(1))
    corr = numpyro.sample("corr", dist.LKJCholesky(n_features, 2.0))
    with numpyro.plate("household", n_households):
        beta = numpyro.sample("beta", dist.MultivariateNormal(mu, scale_tril=sd[:, None] * corr))
    utility = jnp.einsum("nbf,nf->nb", X, beta[household])
    numpyro.sample("choice", dist.Categorical(logits=utility), obs=choice)


def tastes_noncentred(household, x, n_households, y=None):
    """The same by hand: z has its features first."""
    sd = numpyro.sample("sd", dist.HalfNormal(1).expand([2]).to_event(1))
    corr = numpyro.sample("corr", dist.LKJCholesky(2, 2.0))
    z = numpyro.sample("z", dist.Normal(0, 1).expand([2, n_households]).to_event(2))
    beta = numpyro.deterministic("beta", ((sd[:, None] * corr) @ z).T)
    numpyro.sample("y", dist.Normal(beta[household, 0] + beta[household, 1] * x, 1.0), obs=y)


def elasticities(category_of_brand, brand_of_sku, sku, log_price, n_categories, log_units=None):
    """Price elasticities of articles in brands in categories."""
    mu = numpyro.sample("mu", dist.Normal(-2, 0.5))
    tau = numpyro.sample("tau", dist.HalfNormal(0.5).expand([3]).to_event(1))
    with numpyro.plate("category", n_categories):
        by_category = numpyro.sample("by_category", dist.Normal(mu, tau[0]))
    with numpyro.plate("brand", len(category_of_brand)):
        by_brand = numpyro.sample("by_brand", dist.Normal(by_category[category_of_brand], tau[1]))
    with numpyro.plate("sku", len(brand_of_sku)):
        by_sku = numpyro.sample("by_sku", dist.Normal(by_brand[brand_of_sku], tau[2]))
    numpyro.sample("log_units", dist.Normal(by_sku[sku] * log_price, 0.5), obs=log_units)


# ------------------------------------------------------------------------------------------------------- epidemiology


def age_by_region(population, deaths=None):
    """Mortality with effects of age, region and both. Population is (ages, regions)."""
    n_ages, n_regions = population.shape
    sd = numpyro.sample("sd", dist.HalfNormal(0.5).expand([3]).to_event(1))
    base = numpyro.sample("base", dist.Normal(-5, 1))
    ages = numpyro.plate("age", n_ages, dim=-2)
    regions = numpyro.plate("region", n_regions, dim=-1)
    with ages:
        by_age = numpyro.sample("by_age", dist.Normal(0, sd[0]))
    with regions:
        by_region = numpyro.sample("by_region", dist.Normal(0, sd[1]))
    with ages, regions:
        both = numpyro.sample("both", dist.Normal(0, sd[2]))
        rate = numpyro.deterministic("rate", jnp.exp(base + by_age + by_region + both))
        numpyro.sample("deaths", dist.Poisson(population * rate), obs=deaths)


def weekly_renewal(n_days, generation, cases=None):
    """log R walks from week to week, and is repeated by day."""
    n_weeks = -(-n_days // 7)
    sd = numpyro.sample("sd", dist.HalfNormal(0.1))
    log_R = numpyro.sample("log_R", dist.GaussianRandomWalk(sd, n_weeks))
    R = numpyro.deterministic("R", jnp.repeat(jnp.exp(log_R), 7)[:n_days])

    def step(past, R_t):
        new = R_t * past @ generation
        return jnp.concatenate([new[None], past[:-1]]), new

    _, infections = jax.lax.scan(step, jnp.full(len(generation), 10.0), R)
    infections = numpyro.deterministic("infections", infections)
    k = numpyro.sample("k", dist.Exponential(0.1))
    numpyro.sample("cases", dist.NegativeBinomial2(infections, k), obs=cases)


def frailty(time, hospital, event, n_hospitals, n_intervals=5):
    """Piecewise exponential survival with gamma frailties; the baseline walks over fixed intervals."""
    theta = numpyro.sample("theta", dist.LogNormal(0.0, 0.3))
    log_base = numpyro.sample("log_base", dist.GaussianRandomWalk(0.3, n_intervals))
    with numpyro.plate("hospitals", n_hospitals):
        w = numpyro.sample("w", dist.Gamma(1 / theta, 1 / theta))
    edges = jnp.arange(n_intervals)
    exposure = jnp.clip(time[:, None] - edges, 0.0, 1.0)
    at = jnp.clip(jnp.floor(time).astype(int), 0, n_intervals - 1)
    loglik = event * (log_base[at] + jnp.log(w[hospital])) - w[hospital] * (exposure @ jnp.exp(log_base))
    with numpyro.plate("patients", len(time)):
        numpyro.factor("survival", loglik)


# ------------------------------------------------------------------------------------------------------------ finance


def volatility(n_days, returns=None):
    """AR(1) log volatility, non-centred: innovations in, a path out."""
    phi = numpyro.sample("phi", dist.Uniform(0.5, 0.99))
    sd = numpyro.sample("sd", dist.HalfNormal(0.3))
    with numpyro.plate("day", n_days):
        z = numpyro.sample("z", dist.Normal(0, 1))

    def step(h, z_t):
        h = phi * h + sd * z_t
        return h, h

    _, h = jax.lax.scan(step, 0.0, z)
    h = numpyro.deterministic("h", h)
    numpyro.sample("returns", dist.Normal(0, jnp.exp(h / 2)), obs=returns)


def factors(n_days, n_assets, n_factors=2, returns=None):
    """Loadings of assets on factors that come anew each day."""
    with numpyro.plate("factor", n_factors, dim=-2), numpyro.plate("asset", n_assets, dim=-1):
        loading = numpyro.sample("loading", dist.Normal(0, 1))
    with numpyro.plate("day", n_days, dim=-2), numpyro.plate("factor_of_day", n_factors, dim=-1):
        f = numpyro.sample("f", dist.Normal(0, 1))
    sd = numpyro.sample("sd", dist.HalfNormal(1).expand([n_assets]).to_event(1))
    numpyro.sample("returns", dist.Normal(f @ loading, sd).to_event(1), obs=returns)


# ------------------------------------------------------------------------------------------------------------- spatial


def spatial_cov(coords, length, sd):
    distance = jnp.sqrt(((coords[:, None] - coords) ** 2).sum(-1) + 1e-12)
    return sd**2 * jnp.exp(-distance / length) + 1e-4 * jnp.eye(coords.shape[0])


def kriging(coords, counts=None):
    """Counts at places; coords is (n, 2)."""
    length = numpyro.sample("length", dist.InverseGamma(5, 5))
    sd = numpyro.sample("sd", dist.HalfNormal(1))
    s = numpyro.sample("s", dist.MultivariateNormal(0.0, spatial_cov(coords, length, sd)))
    numpyro.sample("counts", dist.Poisson(jnp.exp(s)), obs=counts)


def icar(node1, node2, n_areas, cases=None):
    """Besag's model as it is written in NumPyro: a factor ties neighbours."""
    sd = numpyro.sample("sd", dist.HalfNormal(1))
    with numpyro.plate("areas", n_areas):
        phi = numpyro.sample("phi", dist.Normal(0, 10))
    numpyro.factor("ties", -0.5 * ((phi[node1] - phi[node2]) ** 2).sum())
    numpyro.sample("cases", dist.Poisson(jnp.exp(sd * phi)), obs=cases)


def car(W, cases=None):
    sd = numpyro.sample("sd", dist.HalfNormal(1))
    phi = numpyro.sample("phi", dist.CAR(0.0, 0.5, 1.0, W))
    numpyro.sample("cases", dist.Poisson(jnp.exp(sd * phi)), obs=cases)


# -------------------------------------------------------------------------------------------------------------- series


def panel(n_firms, n_years, y=None):
    """A walk for each firm, around a common drift, with scales of their own."""
    drift = numpyro.sample("drift", dist.Normal(0, 0.3))
    with numpyro.plate("firm", n_firms):
        scale = numpyro.sample("scale", dist.HalfNormal(1))
        path = numpyro.sample("path", dist.GaussianRandomWalk(scale, n_years))
    numpyro.sample("y", dist.Normal(path + drift * jnp.arange(n_years), 0.2).to_event(1), obs=y)


def varying_coefficients(X, y=None):
    """Coefficients that walk: (steps, features) innovations, summed up."""
    T, p = X.shape
    sd = numpyro.sample("sd", dist.HalfNormal(0.3).expand([p]).to_event(1))
    z = numpyro.sample("z", dist.Normal(0, 1).expand([T, p]).to_event(2))
    beta = numpyro.deterministic("beta", jnp.cumsum(sd * z, 0))
    numpyro.sample("y", dist.Normal((X * beta).sum(-1), 0.5), obs=y)


def seasons(month, y=None):
    """A level that walks, with twelve seasonal effects."""
    sd = numpyro.sample("sd", dist.HalfNormal(0.3))
    season = numpyro.sample("season", dist.Normal(0, 1).expand([12]))
    quarter = numpyro.sample("quarter", dist.ZeroSumNormal(1.0, event_shape=(4,)))
    level = numpyro.sample("level", dist.GaussianRandomWalk(sd, month.shape[0]))
    numpyro.sample("y", dist.Normal(level + season[month] + quarter[month // 3], 0.5), obs=y)


def scanned_panel(n_firms, n_years, y=None):
    """The states of all firms in one `scan`."""
    with numpyro.plate("firm", n_firms):
        sd = numpyro.sample("sd", dist.HalfNormal(1))

    def step(x, _):
        with numpyro.plate("firm", n_firms):
            x = numpyro.sample("x", dist.Normal(x, sd))
        return x, x

    _, path = scan(step, jnp.zeros(n_firms), jnp.arange(n_years))
    numpyro.sample("y", dist.Normal(path, 0.2), obs=y)


# -------------------------------------------------------------------------------------------------------------- others


def zero_sum(group, n_groups, y=None):
    effect = numpyro.sample("effect", dist.ZeroSumNormal(1.0, event_shape=(n_groups,)))
    numpyro.sample("y", dist.Normal(effect[group], 1.0), obs=y)


def compositions(stratum, n_strata, counts=None):
    """Shares of three kinds in each stratum."""
    kappa = numpyro.sample("kappa", dist.LogNormal(1.5, 0.2))
    base = numpyro.sample("base", dist.Dirichlet(jnp.ones(3) * 4))
    with numpyro.plate("strata", n_strata):
        share = numpyro.sample("share", dist.Dirichlet(kappa * base))
    numpyro.sample("counts", dist.Multinomial(20, share[stratum]), obs=counts)


def mixture(n_cells, batch, n_batches, y=None):
    """Two kinds of cells and effects of batches; the kinds were sampled with the rest (`DiscreteHMCGibbs`)."""
    w = numpyro.sample("w", dist.Beta(5, 5))
    mu = numpyro.sample("mu", dist.Normal(jnp.array([-2.0, 2.0]), 1).to_event(1))
    sd = numpyro.sample("sd", dist.HalfNormal(1))
    with numpyro.plate("batches", n_batches):
        shift = numpyro.sample("shift", dist.Normal(0, sd))
    with numpyro.plate("cells", n_cells):
        kind = numpyro.sample("kind", dist.Bernoulli(w))
        numpyro.sample("y", dist.Normal(mu[kind] + shift[batch], 0.5), obs=y)


def horseshoe(X, clinic, n_clinics, y=None):
    """A sparse regression with clinics; as many clinics as features."""
    p = X.shape[1]
    tau = numpyro.sample("tau", dist.HalfCauchy(0.1))
    lam = numpyro.sample("lam", dist.HalfCauchy(1).expand([p]).to_event(1))
    z = numpyro.sample("z", dist.Normal(0, 1).expand([p]).to_event(1))
    beta = numpyro.deterministic("beta", tau * lam * z)
    sd = numpyro.sample("sd", dist.HalfNormal(1))
    clinics = numpyro.sample("clinics", dist.Normal(0, sd).expand([n_clinics]))
    numpyro.sample("y", dist.Normal(X @ beta + clinics[clinic], 1.0), obs=y)


def schools_with_covariate(school, u, x, y=None):
    """Gelman and Hill: intercepts explained by a covariate of the groups, a scale for each."""
    g = numpyro.sample("g", dist.Normal(0, 1).expand([2]).to_event(1))
    tau = numpyro.sample("tau", dist.HalfNormal(1))
    with numpyro.plate("school", len(u)):
        a = numpyro.sample("a", dist.Normal(g[0] + g[1] * u, tau))
        s = numpyro.sample("s", dist.LogNormal(0.0, 0.2))
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(a[school] + slope * x, s[school]), obs=y)
