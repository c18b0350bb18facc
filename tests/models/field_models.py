"""Calls of many fields with the right answer worked out by hand, from the table of verdicts.

In HARD and EXTRA something is other than in the fit; calls in ROUTINE have to be right and silent. `expected` names
every entry; a tuple holds alternatives that the table leaves open. `warns` must be given, `may_warn` may.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import xarray as xr
from containers_of import with_groups
from numpyro import deterministic, handlers, plate, sample
from numpyro.contrib.control_flow import scan
from numpyro.infer import MCMC, NUTS, Predictive

REDRAWN, ROWLEVEL = "RedrawnSiteWarning", "RowLevelSiteWarning"
SHAPE, OPTION, MISSING = "ShapeMismatchError", "OptionError", "MissingLatentError"
KEY = jax.random.PRNGKey(18)


@dataclass(frozen=True)
class Case:
    """One call, and what it has to give; `without` are entries left out, the last three belong to an InferenceData."""

    name: str
    field: str
    model: Callable[..., Any]
    fit_args: tuple = ()
    fit_kwargs: dict = field(default_factory=dict)
    new_args: tuple = ()
    new_kwargs: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    expected: dict = field(default_factory=dict)
    warns: frozenset = frozenset()
    error: str | None = None
    container: str = "dict"
    why: str = ""
    may_warn: frozenset = frozenset()
    without: tuple = ()
    constant_data: dict = field(default_factory=dict)
    observed_data: dict = field(default_factory=dict)
    dims: dict = field(default_factory=dict)


def V(kept="", stripped="", refused="", either=None, redrawn=""):
    """Verdicts by name."""
    out = dict.fromkeys(kept.split(), "kept") | dict.fromkeys(stripped.split(), "stripped")
    out |= dict.fromkeys(redrawn.split(), "redrawn")
    return out | dict.fromkeys(refused.split(), "refused") | (either or {})


def W(*names):
    return frozenset(names)


def u(*shape, seed=0):
    """Numbers around 0, all different."""
    return np.random.default_rng(1000 + seed).normal(size=shape).astype(np.float32)


def pos(*shape, seed=0):
    return np.exp(0.3 * u(*shape, seed=seed)).astype(np.float32)


def idx(n, groups):
    """Every group occurs."""
    return (np.arange(n)[::-1] % groups).astype(np.int32)


def bits(n, seed=0):
    return (u(n, seed=seed) > 0).astype(np.int32)


def counts(*shape, seed=0):
    return np.random.default_rng(seed).poisson(2.0, size=shape).astype(np.int32)


# ------------------------------------------------------------------------------------------------ making the samples

_CACHE: dict = {}


def entries_of(case):
    """Names of what a fit under the case's arguments records."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trace = handlers.trace(handlers.seed(case.model, KEY)).get_trace(*case.fit_args, **case.fit_kwargs)
    names = [
        name
        for name, site in trace.items()
        if site["type"] == "deterministic" or (site["type"] == "sample" and not site["is_observed"])
    ]
    return [name for name in names if name not in case.without]


def _prior(case, draws=6):
    values = Predictive(case.model, num_samples=draws)(KEY, *case.fit_args, **case.fit_kwargs)
    return {name: np.asarray(values[name]) for name in entries_of(case)}


def samples_of(case):
    if case.name not in _CACHE:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _CACHE[case.name] = _make(case)
    return _CACHE[case.name]


def _make(case):
    if case.container == "mcmc":
        mcmc = MCMC(NUTS(case.model), num_warmup=4, num_samples=5, progress_bar=False)
        mcmc.run(KEY, *case.fit_args, **case.fit_kwargs)
        return mcmc
    values = _prior(case)
    if case.container == "dict":
        return values
    by_chain = {name: value.reshape(2, 3, *value.shape[1:]) for name, value in values.items()}
    if case.container == "chains":
        return by_chain
    dims = {name: ("chain", "draw", *case.dims.get(name, ())) for name in by_chain}

    def labelled(name, value):
        rest = [f"{name}_dim_{i}" for i in range(value.ndim - len(dims[name]))]
        return (*dims[name], *rest), value

    posterior = xr.Dataset({name: labelled(name, value) for name, value in by_chain.items()})
    if case.container == "dataset":
        return posterior
    groups = {"constant_data": case.constant_data, "observed_data": case.observed_data}
    plain = {
        group: xr.Dataset({n: ([f"{n}_dim_{i}" for i in range(np.ndim(x))], x) for n, x in data.items()})
        for group, data in groups.items()
        if data
    }
    return with_groups(posterior=posterior, **plain)


# =============================================================================================================== HARD


def transects(n_sites, n_species, counts=None):
    """Counts of every species at every site."""
    mu = sample("mu", dist.Normal(0.0, 1.0))
    species, sites = plate("species", n_species, dim=-1), plate("sites", n_sites, dim=-2)
    with species:
        affinity = sample("affinity", dist.Normal(mu, 1.0))
    with sites:
        richness = sample("richness", dist.Normal(0.0, 0.5))
    with sites, species:
        sample("counts", dist.Poisson(jnp.exp(affinity + richness)), obs=counts)


def readings(n_readers, n_scans, scores=None):
    """Radiologists grade scans; the scans' severity is non-centred."""
    tau = sample("tau", dist.HalfNormal(1.0))
    scans, readers = plate("scans", n_scans, dim=-1), plate("readers", n_readers, dim=-2)
    with scans:
        severity = deterministic("severity", tau * sample("z_scan", dist.Normal(0.0, 1.0)))
    with readers:
        bias = sample("bias", dist.Normal(0.0, 0.5))
    with readers, scans:
        sample("scores", dist.Normal(severity + bias, 0.5), obs=scores)


def judgments(n_judges, n_sentences, rating=None):
    """Acceptability of sentences, no plates."""
    harsh = sample("harsh", dist.Normal(0.0, 1.0).expand([n_judges]))
    accept = sample("accept", dist.Normal(0.0, 1.0).expand([n_sentences]))
    spread = sample("spread", dist.HalfNormal(1.0).expand([n_judges]))
    sample("rating", dist.Normal(accept - harsh[:, None], spread[:, None] + 0.1), obs=rating)


def yields(rain, year, tonnes=None):
    """Farms x seasons; the season has a covariate of its own."""
    a = sample("a", dist.Normal(0.0, 1.0).expand([2]))
    farms, seasons = plate("farms", rain.shape[0], dim=-2), plate("seasons", rain.shape[1], dim=-1)
    with farms:
        soil = sample("soil", dist.Normal(0.0, 1.0))
    with seasons:
        weather = sample("weather", dist.Normal(0.0, 1.0))
    with farms, seasons:
        sample("tonnes", dist.Normal(a[0] * rain + a[1] * year + soil + weather, 1.0), obs=tonnes)


def runoff(rain, flow=None):
    """Gauges x days; one array brings both sizes."""
    b = sample("b", dist.Normal(0.0, 1.0))
    gauge = sample("gauge", dist.Normal(0.0, 1.0).expand([rain.shape[0], 1]))
    storm = sample("storm", dist.Normal(0.0, 1.0).expand([rain.shape[1]]))
    mean = deterministic("mean", b * rain + gauge + storm)
    sample("flow", dist.Normal(mean, 1.0), obs=flow)


def unrelated_regressions(X, demand=None):
    """Goods x weeks x prices: a system of demand equations with correlated noise."""
    goods, _, prices = X.shape
    elasticity = sample("elasticity", dist.Normal(0.0, 1.0).expand([goods, prices]).to_event(2))
    sd = sample("sd", dist.HalfNormal(1.0).expand([goods]).to_event(1))
    corr = sample("corr", dist.LKJCholesky(goods, 2.0))
    mean = jnp.einsum("gwp,gp->wg", X, elasticity)
    sample("demand", dist.MultivariateNormal(mean, scale_tril=(sd[:, None] + 0.1) * corr), obs=demand)


def absorption(dose, time, ka_known=None, conc=None):
    """One compartment; the absorption rate may be known from another study."""
    ka = sample("ka", dist.LogNormal(0.5, 0.2), obs=ka_known)
    ke = sample("ke", dist.LogNormal(-1.0, 0.2))
    volume = sample("volume", dist.LogNormal(1.0, 0.2))
    sigma = sample("sigma", dist.HalfNormal(0.2))
    curve = deterministic("curve", dose / volume * ka / (ka - ke) * (jnp.exp(-ke * time) - jnp.exp(-ka * time)))
    sample("conc", dist.Normal(curve, sigma + 0.01), obs=conc)


def scaling_relation(mass_seen, mass_error, mass_exact=None, luminosity=None):
    """Galaxies: the true mass is a latent, unless a simulation gives it."""
    centre = sample("centre", dist.Normal(0.0, 1.0))
    slope = sample("slope", dist.Normal(1.0, 0.5))
    with plate("galaxies", mass_seen.shape[0]):
        mass = sample("mass", dist.Normal(centre, 1.0), obs=mass_exact)
        sample("mass_seen", dist.Normal(mass, mass_error), obs=mass_seen)
        sample("luminosity", dist.Normal(slope * mass, 0.3), obs=luminosity)


def churn(X, left=None):
    """As people write it who want the predictions under another name."""
    base = sample("base", dist.Normal(0.0, 1.0))
    weights = sample("weights", dist.Normal(0.0, 1.0).expand([X.shape[1]]).to_event(1))
    logit = deterministic("logit", base + X @ weights)
    if left is None:
        sample("left_pred", dist.Bernoulli(logits=logit))
    else:
        sample("left", dist.Bernoulli(logits=logit), obs=left)


def claim_counts(data):
    """Motor insurance; everything in one dict, the outcome where there is one."""
    rate = sample("rate", dist.Normal(0.0, 1.0))
    with plate("regions", data["n_regions"]):
        region = sample("region", dist.Normal(0.0, 0.5))
    mean = jnp.exp(rate + region[data["region_code"]]) * data["exposure"]
    sample("claims", dist.Poisson(mean), obs=data.get("claims"))


def bearing_life(load, hours, observed=True):
    """A flag says whether the lifetimes are there."""
    shape = sample("shape", dist.LogNormal(0.5, 0.2))
    effect = sample("effect", dist.Normal(0.0, 0.5))
    scale = deterministic("scale", jnp.exp(1.0 + effect * load))
    sample("life", dist.Weibull(scale, shape), obs=hours if observed else None)


def landings(effort, caught=None, weight=None):
    """A hurdle: is anything caught, and how much."""
    p0 = sample("p0", dist.Normal(0.0, 1.0))
    w0 = sample("w0", dist.Normal(0.0, 1.0))
    with plate("hauls", len(effort)):
        any_fish = sample("caught", dist.Bernoulli(logits=p0 + effort), obs=caught)
        kilos = sample("weight", dist.LogNormal(w0 + effort, 0.5), obs=weight)
        deterministic("landed", any_fish * kilos)


def credit(X, default=None):
    """X may be one applicant."""
    intercept = sample("intercept", dist.Normal(0.0, 1.0))
    beta = sample("beta", dist.Normal(0.0, 1.0).expand([X.shape[-1]]).to_event(1))
    score = deterministic("score", intercept + X @ beta)
    sample("default", dist.Bernoulli(logits=score), obs=default)


def penalty_shots(X, scored=None):
    """A site for each column, in a loop."""
    score = sample("skill", dist.Normal(0.0, 1.0))
    for j in range(X.shape[-1]):
        score = score + sample(f"w_{j}", dist.Normal(0.0, 1.0)) * X[..., j]
    sample("scored", dist.Bernoulli(logits=score), obs=scored)


def reading_scores(hours, score=None):
    """A random effect for each pupil, one row a pupil."""
    tau = sample("tau", dist.HalfNormal(1.0))
    gain = sample("gain", dist.Normal(0.0, 1.0))
    with plate("pupils", hours.shape[0]):
        ability = sample("ability", dist.Normal(0.0, tau))
        sample("score", dist.Normal(ability + gain * hours, 1.0), obs=score)


def reproduction(tests, cases=None):
    """Daily cases; log R is a random walk."""
    step = sample("step", dist.HalfNormal(0.1))
    log_r = sample("log_r", dist.GaussianRandomWalk(scale=step + 0.01, num_steps=tests.shape[0]))
    r = deterministic("r", jnp.exp(log_r))
    sample("cases", dist.Poisson(tests * r), obs=cases)


def soil_carbon(coords, carbon=None):
    """A Gaussian process over the field."""
    reach = sample("reach", dist.LogNormal(0.0, 0.2))
    mean = sample("mean", dist.Normal(0.0, 1.0))
    n = coords.shape[0]
    d2 = ((coords[:, None, :] - coords[None, :, :]) ** 2).sum(-1)
    surface = sample("surface", dist.MultivariateNormal(jnp.zeros(n), jnp.exp(-d2 / reach) + 1e-2 * jnp.eye(n)))
    sample("carbon", dist.Normal(mean + surface, 0.3), obs=carbon)


def spread_path(days, spread=None):
    """A non-centred walk: innovations are iid, the path is their sum."""
    vol = sample("vol", dist.HalfNormal(0.2))
    shock = sample("shock", dist.Normal(0.0, 1.0).expand([days]))
    path = deterministic("path", vol * jnp.cumsum(shock))
    sample("spread", dist.StudentT(4.0, path, 0.1), obs=spread)


def asthma_map(distance, expected, cases=None):
    """Admissions by area; a non-centred Gaussian process over distances."""
    reach = sample("reach", dist.LogNormal(0.0, 0.2))
    areas = distance.shape[0]
    with plate("areas", areas):
        z = sample("z", dist.Normal(0.0, 1.0))
    chol = jnp.linalg.cholesky(jnp.exp(-distance / reach) + 1e-2 * jnp.eye(areas))
    sample("cases", dist.Poisson(expected * jnp.exp(chol @ z)), obs=cases)


def overnight_stays(quarters, stays=None):
    """A level for each quarter, drawn around the one before, each a site of its own."""
    rough = sample("rough", dist.HalfNormal(0.3))
    level, path = sample("start", dist.Normal(0.0, 1.0)), []
    for t in range(quarters):
        level = sample(f"level_{t}", dist.Normal(level, rough + 0.05))
        path.append(level)
    trend = deterministic("trend", jnp.stack(path))
    sample("stays", dist.Normal(trend, 0.2), obs=stays)


def electricity(steps, future=0, load=None):
    """Forecast by a number of steps more."""
    drift = sample("drift", dist.Normal(0.0, 0.1))
    noise = sample("noise", dist.HalfNormal(0.5))

    def transition(state, load_t):
        state = sample("state", dist.Normal(state + drift, 0.2))
        sample("load", dist.Normal(state, noise + 0.05), obs=load_t)
        return state, None

    scan(transition, 0.0, load, length=steps + future)


def footfall(warmth, visitors=None):
    """A level in a scan, beside an effect of each day."""
    b = sample("b", dist.Normal(0.0, 1.0))
    with plate("days", warmth.shape[0]):
        shock = sample("shock", dist.Normal(0.0, 0.3))

    def transition(level, w):
        level = sample("level", dist.Normal(0.9 * level + 0.1 * w, 0.2))
        return level, level

    _, levels = scan(transition, 0.0, warmth)
    sample("visitors", dist.Normal(levels + b * warmth + shock, 0.5), obs=visitors)


def ridership(price, riders=None):
    """Bus lines x weeks: time runs along the columns."""
    b = sample("b", dist.Normal(0.0, 1.0))

    def transition(level, price_t):
        level = sample("level", dist.Normal(level, 0.2))
        return level, level + b * price_t

    _, mean = scan(transition, jnp.zeros(price.shape[0]), price.T)
    sample("riders", dist.Normal(mean.T, 0.5), obs=riders)


def reserves(premium, paid=None):
    """A recursion that runs from the last year to the first."""
    decay = sample("decay", dist.Beta(4.0, 2.0))

    def transition(open_claims, p):
        open_claims = sample("open_claims", dist.Normal(decay * open_claims + p, 0.2))
        return open_claims, open_claims

    _, path = scan(transition, 0.0, premium, reverse=True)
    sample("paid", dist.Normal(path, 0.3), obs=paid)


def solubility(X, hidden, logs=None):
    """A net for molecules; `hidden` lists the widths of its layers."""
    h = X
    for i, width in enumerate(hidden):
        w = sample(f"w{i}", dist.Normal(0.0, 1.0).expand([h.shape[1], width]).to_event(2))
        b = sample(f"b{i}", dist.Normal(0.0, 1.0).expand([width]).to_event(1))
        h = jnp.tanh(h @ w + b)
    out = sample("out", dist.Normal(0.0, 1.0).expand([h.shape[1]]).to_event(1))
    sample("logs", dist.Normal(h @ out, 0.5), obs=logs)


def milk(feed, kg=None):
    """One row a cow."""
    b = sample("b", dist.Normal(0.0, 1.0))
    with plate("cows", feed.shape[0]):
        cow = sample("cow", dist.Normal(0.0, 0.5))
        sample("kg", dist.Normal(b * feed + cow, 0.5), obs=kg)


def burglaries(households, adjacency, reports=None):
    """A conditional autoregressive map."""
    level = sample("level", dist.Normal(0.0, 1.0))
    areas = adjacency.shape[0]
    phi = sample("phi", dist.CAR(jnp.zeros(areas), 0.5, 2.0, adjacency))
    sample("reports", dist.Poisson(households * jnp.exp(level + phi)), obs=reports)


def vital_signs(hour, bed=1, pulse=None):
    """One bed at a time; which one is a number."""
    shift = sample("shift", dist.Normal(0.0, 1.0))
    wiggle = sample("wiggle", dist.Normal(0.0, 0.2).expand([hour.shape[0]]))
    sample("pulse", dist.Normal(shift + 0.1 * bed + wiggle * jnp.cos(hour), 0.3), obs=pulse)


def barley(variety, nitrogen, tonnes=None):
    """Varieties by name, in a list of strings."""
    names = sorted(set(variety))
    code = np.array([names.index(v) for v in variety])
    tau = sample("tau", dist.HalfNormal(1.0))
    effect = sample("effect", dist.Normal(0.0, 1.0).expand([len(names)]))
    response = sample("response", dist.Normal(0.0, 1.0).expand([len(names)]))
    sample("tonnes", dist.Normal(tau * effect[code] + response[code] * nitrogen, 0.5), obs=tonnes)


def cruise(temperature, station, depth, oxygen=None):
    """Casts at stations; xarray in, the depth has one value a station."""
    b = sample("b", dist.Normal(0.0, 1.0))
    offset = sample("offset", dist.Normal(jnp.asarray(depth.values) * 0.1, 1.0))
    mean = b * jnp.asarray(temperature.values) + offset[station.values]
    sample("oxygen", dist.Normal(mean, 0.3), obs=oxygen)


def mortality(age, deaths=None, sample_obs=True):
    """Without `sample_obs` the model only computes rates."""
    a = sample("a", dist.Normal(-1.0, 0.2))
    b = sample("b", dist.Normal(0.0, 0.2))
    frailty = sample("frailty", dist.Normal(0.0, 0.1).expand([age.shape[0]]))
    rate = deterministic("rate", jnp.exp(a + b * age + frailty))
    if sample_obs:
        sample("deaths", dist.Poisson(rate), obs=deaths)


def loan_losses(sector, month, sector_beta, month_rate, loss=None):
    """Effects of sectors and of months, each with a table of its own."""
    with plate("sectors", sector_beta.shape[0]):
        cyclic = sample("cyclic", dist.Normal(sector_beta, 1.0))
    with plate("months", month_rate.shape[0]):
        macro = sample("macro", dist.Normal(month_rate, 1.0))
    sample("loss", dist.Normal(cyclic[sector] + macro[month], 0.5), obs=loss)


def tasting(sugar, liking=None):
    """Judges x wines."""
    b = sample("b", dist.Normal(0.0, 1.0))
    judges, wines = plate("judges", sugar.shape[0], dim=-2), plate("wines", sugar.shape[1], dim=-1)
    with judges:
        judge = sample("judge", dist.Normal(0.0, 1.0))
    with wines:
        wine = sample("wine", dist.Normal(0.0, 1.0))
    with judges, wines:
        sample("liking", dist.Normal(b * sugar + judge + wine, 0.5), obs=liking)


def media_mix(spend, sales=None):
    """The covariate is centred by its mean, which the fit records."""
    a = sample("a", dist.Normal(0.0, 1.0))
    b = sample("b", dist.Normal(0.0, 1.0))
    centre = deterministic("centre", spend.mean())
    mu = deterministic("mu", a + b * (spend - centre))
    sample("sales", dist.Normal(mu, 0.5), obs=sales)


def tree_heights(diameter, stand, n_stands, height=None):
    """Two effects of each stand."""
    b = sample("b", dist.Normal(0.0, 1.0))
    tau = sample("tau", dist.HalfNormal(1.0))
    with plate("stands", n_stands):
        site_index = sample("site_index", dist.Normal(0.0, tau))
        taper = sample("taper", dist.Normal(b, 0.2))
    with plate("trees", diameter.shape[0]):
        sample("height", dist.Normal(site_index[stand] + taper[stand] * diameter, 0.5), obs=height)


def bird_occupancy(habitat, n_species, n_visits, seen=None):
    """Species x sites x visits; coefficients by species and covariate."""
    beta = sample("beta", dist.Normal(0.0, 1.0).expand([n_species, habitat.shape[1]]).to_event(2))
    effort = sample("effort", dist.Normal(0.0, 1.0))
    site = sample("site", dist.Normal(0.0, 0.5).expand([habitat.shape[0]]))
    psi = deterministic("psi", jax.nn.sigmoid(beta @ habitat.T + site))
    p = jax.nn.sigmoid(effort) * psi[:, :, None] * jnp.ones(n_visits)
    sample("seen", dist.Bernoulli(p), obs=seen)


def two_polls(phone, online, phone_share=None, online_share=None):
    """Two surveys, each with its own respondents."""
    house = sample("house", dist.Normal(0.0, 1.0).expand([2]))
    phone_eps = sample("phone_eps", dist.Normal(0.0, 0.5).expand([phone.shape[0]]))
    online_eps = sample("online_eps", dist.Normal(0.0, 0.5).expand([online.shape[0]]))
    sample("phone_share", dist.Normal(house[0] * phone + phone_eps, 0.3), obs=phone_share)
    sample("online_share", dist.Normal(house[1] * online + online_eps, 0.3), obs=online_share)


def store_series(data):
    """Covariates under keys of a dict; a level in a scan."""
    b = sample("b", dist.Normal(0.0, 1.0).expand([2]))

    def transition(level, promo):
        level = sample("level", dist.Normal(level + 0.1 * promo, 0.2))
        return level, level

    _, levels = scan(transition, 0.0, jnp.asarray(data["promo"]))
    mean = levels + b[0] * data["promo"] + b[1] * data["price"]
    sample("units", dist.Normal(mean, 0.5), obs=data.get("units"))


def make_glaciers(n):
    """The number of glaciers is closed over."""

    def glaciers(area, loss=None):
        b = sample("b", dist.Normal(0.0, 1.0))
        local = sample("local", dist.Normal(0.0, 0.5).expand([n]))
        sample("loss", dist.Normal(b * area + local, 0.5), obs=loss)

    return glaciers


def xarr(values, *names):
    return xr.DataArray(values, dims=names)


def squared(n, seed=0):
    """Distances between n places."""
    x = u(n, 2, seed=seed)
    return np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1)).astype(np.float32)


RING = (np.abs(np.subtract.outer(np.arange(6), np.arange(6))) % 4 == 1).astype(np.float32)
glaciers8 = make_glaciers(8)

HARD = [
    Case(
        "transects: other sites",
        "ecology",
        transects,
        (12, 5),
        {"counts": counts(12, 5)},
        (7, 5),
        expected=V("mu affinity", redrawn="richness"),
        warns=W(REDRAWN),
        may_warn=W(ROWLEVEL),
        why="Each entry is judged by its own dimensions: sites changed in number (stripped, said), species fit (kept; "
        "nothing proves the species the same, so RowLevelSiteWarning beside is allowed).",
    ),
    Case(
        "readings: other scans, MCMC",
        "radiology",
        readings,
        (4, 9),
        {"scores": u(4, 9)},
        (4, 6),
        expected=V("tau bias", "severity", redrawn="z_scan"),
        warns=W(REDRAWN),
        container="mcmc",
        why="Scalars are compared too: the number of readers equals the fit's (same rows, kept silently), the scans do "
        "not fit along their rows (stripped, RedrawnSiteWarning).",
    ),
    Case(
        "judgments: new_rows=True, more sentences",
        "linguistics",
        judgments,
        (6, 10),
        {"rating": u(6, 10)},
        (6, 15),
        options={"new_rows": True},
        expected=V("harsh spread", redrawn="accept"),
        may_warn=W(ROWLEVEL),
        why="new_rows=True strips the row-level latents whose rows changed in number, and only these.",
    ),
    Case(
        "yields: more farms, MCMC",
        "agronomy",
        yields,
        (u(5, 4), u(4, seed=1)),
        {"tonnes": u(5, 4, seed=2)},
        (u(8, 4, seed=3), u(4, seed=1)),
        expected=V("a weather", redrawn="soil"),
        warns=W(REDRAWN),
        container="mcmc",
        why="A changed argument says nothing of a size when another of its axes changed in length: of the seasons only "
        "`year` speaks, and it is equal; farms do not fit.",
    ),
    Case(
        "runoff: fewer days",
        "hydrology",
        runoff,
        (u(4, 9),),
        {"flow": u(4, 9, seed=1)},
        (u(4, 6, seed=2),),
        expected=V("b gauge", "mean", redrawn="storm"),
        warns=W(REDRAWN),
        may_warn=W(ROWLEVEL),
        why="One axis of the array changed: only the latent that follows it is redrawn (gauges: not told, kept).",
    ),
    Case(
        "unrelated regressions: other weeks",
        "economics",
        unrelated_regressions,
        (u(3, 12, 2),),
        {"demand": u(12, 3, seed=1)},
        (u(3, 7, 2, seed=2),),
        expected=V("elasticity sd corr"),
        may_warn=W(ROWLEVEL),
        why="No latent follows the weeks, the only size that changed (the target follows the goods too, which fit).",
    ),
    Case(
        "absorption: a rate that could be observed",
        "pharmacology",
        absorption,
        (pos(9), pos(9, seed=1)),
        {"conc": u(9, seed=2)},
        (pos(6, seed=3), pos(6, seed=4)),
        {"conc": u(6, seed=5)},
        expected=V("ka ke volume sigma", "curve"),
        why="A target is what nothing else is drawn from: conc is drawn from ka, although ka_known could observe it.",
    ),
    Case(
        "scaling relation: the fit's own arguments",
        "astronomy",
        scaling_relation,
        (u(8), pos(8)),
        {"luminosity": u(8, seed=1)},
        (u(8), pos(8)),
        {"luminosity": u(8, seed=1)},
        expected=V("centre slope mass"),
        container="mcmc",
        why="mass is no target (others are drawn from it); its rows are proven the same by the MCMC's own arguments.",
    ),
    Case(
        "churn: predictions that exist only without outcomes",
        "marketing",
        churn,
        (u(10, 3),),
        {},
        (u(10, 3, seed=1),),
        expected=V("base weights", "logit left_pred"),
        why="A latent that no site is drawn from and that is gone when an argument that is None is given is a target.",
    ),
    Case(
        "claims: outcome under a key of a dict",
        "insurance",
        claim_counts,
        ({"exposure": pos(11), "region_code": idx(11, 4), "n_regions": 4},),
        {},
        ({"exposure": pos(11, seed=1), "region_code": idx(11, 4)[::-1].copy(), "n_regions": 4},),
        expected=V("rate region", "claims"),
        why="claims becomes observed when the key that the dict lacks is given: a target; regions are groups.",
    ),
    Case(
        "bearings: flag observed=False",
        "reliability",
        bearing_life,
        (u(10), pos(10)),
        {"observed": False},
        (u(10, seed=1), pos(10, seed=2)),
        {"observed": False},
        expected=V("shape effect", "scale life"),
        why="life becomes observed when a flag is flipped: a target, so old predictions go.",
    ),
    Case(
        "landings: a hurdle",
        "fisheries",
        landings,
        (u(9),),
        {},
        (u(9, seed=1),),
        expected=V("p0 w0", "caught weight landed"),
        why="Deterministic sites do not make a target a parent: both parts of the hurdle are targets.",
    ),
    Case(
        "credit: one applicant as a vector",
        "banking",
        credit,
        (u(14, 5),),
        {"default": bits(14)},
        (u(5, seed=1),),
        expected=V("intercept beta", "score"),
        why="The target is a scalar: no size moves it, no latent is row-level; the axis is that of the features.",
    ),
    Case(
        "penalty shots: one row as a vector, new_rows=True",
        "sports",
        penalty_shots,
        (u(12, 3),),
        {"scored": bits(12)},
        (u(3, seed=1),),
        options={"new_rows": True},
        expected=V("skill w_0 w_1 w_2"),
        why="The size that names w_j moves no target, so they are no rows: new_rows=True has nothing to strip.",
    ),
    Case(
        "reading scores: new_rows=False, other number",
        "education",
        reading_scores,
        (u(12),),
        {"score": u(12, seed=1)},
        (u(9, seed=2),),
        options={"new_rows": False},
        error=OPTION,
        why="new_rows=False where the number of rows has changed is an OptionError.",
    ),
    Case(
        "reproduction number: one week more",
        "epidemiology",
        reproduction,
        (pos(14) * 9,),
        {"cases": counts(14)},
        (pos(21, seed=1) * 9,),
        expected=V("step", "r", "log_r"),
        error=SHAPE,
        why="A latent that depends along its rows by its distribution (walk) is refused where it does not fit.",
    ),
    Case(
        "soil carbon: other places",
        "soil science",
        soil_carbon,
        (u(10, 2),),
        {"carbon": u(10, seed=1)},
        (u(13, 2, seed=2),),
        expected=V("reach mean", "", "surface"),
        error=SHAPE,
        why="A multivariate normal depends along its rows: refused where it does not fit, not redrawn.",
    ),
    Case(
        "spread: innovations summed, five days more",
        "finance",
        spread_path,
        (15,),
        {"spread": u(15)},
        (20,),
        expected=V("vol", "path", "shock"),
        error=SHAPE,
        why="shock depends along its rows by use (cumsum): its value at one row reaches another row's target.",
    ),
    Case(
        "asthma: L @ z with more areas",
        "public health",
        asthma_map,
        (squared(8), pos(8)),
        {"cases": counts(8)},
        (squared(11, seed=3), pos(11, seed=4)),
        expected=V("reach", "", "z"),
        error=SHAPE,
        why="z depends along its rows by use (L @ z): refused where it does not fit.",
    ),
    Case(
        "overnight stays: levels named in a loop",
        "tourism",
        overnight_stays,
        (8,),
        {"stays": u(8)},
        (11,),
        expected=V("rough start " + " ".join(f"level_{t}" for t in range(8)), "trend"),
        may_warn=W(ROWLEVEL),
        why="Latents named by a loop: recorded ones kept, those beyond drawn given them; trend is no error, since its "
        "latents without an entry are new with this call. (They are row-level, and the table does not say silent.)",
    ),
    Case(
        "electricity: steps by a number",
        "energy",
        electricity,
        (10,),
        {"load": u(10)},
        (10,),
        {"future": 4},
        expected=V("drift noise state"),
        why="A series in scan recorded for its first steps is kept without a word.",
    ),
    Case(
        "footfall: a scan beside effects of days",
        "retail",
        footfall,
        (u(9),),
        {"visitors": u(9, seed=1)},
        (np.concatenate([u(9), u(3, seed=2)]),),
        expected=V("b level", redrawn="shock"),
        warns=W(REDRAWN),
        why="The scan is continued by NumPyro (kept); the iid effects of days do not fit along their rows (stripped).",
    ),
    Case(
        "ridership: time along columns",
        "transport",
        ridership,
        (u(3, 8),),
        {"riders": u(3, 8, seed=1)},
        (np.concatenate([u(3, 8), u(3, 4, seed=2)], axis=1),),
        expected=V("b level"),
        why="A series in scan recorded for its first steps is kept without a word, along whichever axis time runs.",
    ),
    Case(
        "reserves: a longer scan in reverse",
        "actuarial science",
        reserves,
        (pos(7),),
        {"paid": u(7)},
        (pos(10, seed=1),),
        expected=V("decay", "", "open_claims"),
        error=SHAPE,
        why="NumPyro cannot continue a scan in reverse (it would put the steps in the wrong places): refused.",
    ),
    Case(
        "solubility: widths in a list",
        "chemistry",
        solubility,
        (u(15, 3), [6, 4]),
        {"logs": u(15, seed=1)},
        (u(8, 3, seed=2), [6, 4]),
        expected=V("w0 b0 w1 b1 out"),
        why="A list of numbers is no data unless the model makes an array of it: its length names no rows.",
    ),
    Case(
        "milk: same feed, other outcomes",
        "dairy science",
        milk,
        (u(8),),
        {"kg": u(8, seed=1)},
        (u(8),),
        {"kg": u(8, seed=2)},
        expected=V("b cow"),
        warns=W(ROWLEVEL),
        container="mcmc",
        why="Same covariates, other outcomes: some of the arguments of this size are equal, some are not: not told.",
    ),
    Case(
        "burglaries: same map, other households",
        "criminology",
        burglaries,
        (pos(6), RING),
        {"reports": counts(6)},
        (pos(6, seed=1), RING),
        expected=V("level phi"),
        warns=W(ROWLEVEL),
        container="mcmc",
        why="Same map, other exposure: some arguments of this size are equal, some not: not told, kept and said.",
    ),
    Case(
        "vital signs: another bed",
        "intensive care",
        vital_signs,
        (u(7), 1),
        {"pulse": u(7, seed=1)},
        (u(7), 2),
        expected=V("shift wiggle"),
        warns=W(ROWLEVEL),
        container="mcmc",
        why="Another `unit=` with all else equal: not told, kept and said.",
    ),
    Case(
        "barley: varieties in a list of strings",
        "plant breeding",
        barley,
        (list("abcabdcabd"), u(10)),
        {"tonnes": u(10, seed=1)},
        (list("ddcba"), u(5, seed=2)),
        expected=V("tau effect response"),
        why="Labels are groups (only gathered from, four levels in both calls): kept, without a word.",
    ),
    Case(
        "cruise: xarray arguments",
        "oceanography",
        cruise,
        (xarr(u(12), "cast"), xarr(idx(12, 5), "cast"), xarr(pos(5), "station")),
        {"oxygen": u(12, seed=1)},
        (xarr(u(5, seed=2), "cast"), xarr(idx(5, 5), "cast"), xarr(pos(5), "station")),
        expected=V("b offset"),
        why="offset follows depth, a table of one row a station: a group, though there are five casts, too.",
    ),
    Case(
        "mortality: no target, other ages",
        "demography",
        mortality,
        (u(9),),
        {"deaths": counts(9)},
        (u(6, seed=1),),
        {"sample_obs": False},
        expected=V("a b", "rate", "frailty"),
        error=SHAPE,
        why="A model without a target has no rows: a latent that does not fit is refused.",
    ),
    Case(
        "loan losses: two tables of the same length",
        "banking",
        loan_losses,
        (idx(20, 5), idx(20, 5)[::-1].copy(), u(5), u(5, seed=1)),
        {"loss": u(20)},
        (idx(20, 5), idx(20, 7), u(5), u(7, seed=2)),
        expected=V("cyclic", "", "macro"),
        error=SHAPE,
        why="Only macro follows month_rate, whose length changed: a group is refused, never redrawn; sectors are kept.",
    ),
    Case(
        "tasting: new_rows=True with two sizes",
        "sensory science",
        tasting,
        (u(6, 4),),
        {"liking": u(6, 4, seed=1)},
        (u(6, 4, seed=2),),
        options={"new_rows": True},
        error=OPTION,
        why="No number changed and targets follow two sizes that latents follow: OptionError asks for redraw=.",
    ),
    Case(
        "media mix: keep the fit's mean",
        "marketing",
        media_mix,
        (u(11),),
        {"sales": u(11, seed=1)},
        (u(6, seed=2),),
        options={"keep": ["centre"]},
        expected=V("a b centre", "mu"),
        why="keep takes a recorded deterministic; its shape follows no rows, so that it is kept.",
    ),
    Case(
        "tree heights: redraw by plate",
        "forestry",
        tree_heights,
        (u(12), idx(12, 5), 5),
        {"height": u(12, seed=1)},
        (u(9, seed=2), idx(9, 8), 8),
        options={"redraw": ["stands"]},
        expected=V("b tau", redrawn="site_index taper"),
        why="The name of a plate stands for every latent that has it; what the user names is stripped silently.",
    ),
    Case(
        "bird occupancy: fewer sites, MCMC",
        "ornithology",
        bird_occupancy,
        (u(8, 2), 3, 4),
        {"seen": (u(3, 8, 4) > 0).astype(np.int32)},
        (u(5, 2, seed=1), 3, 4),
        expected=V("beta effort", "psi", redrawn="site"),
        warns=W(REDRAWN),
        container="mcmc",
        why="beta follows the species, whose number equals the fit's (same, kept); only the sites changed.",
    ),
    Case(
        "two polls of the same size, one is another",
        "political science",
        two_polls,
        (u(7), u(7, seed=1)),
        {"phone_share": u(7, seed=2), "online_share": u(7, seed=3)},
        (u(7), u(7, seed=4)),
        expected=V("house phone_eps", redrawn="online_eps"),
        warns=W(REDRAWN),
        container="mcmc",
        why="Evidence is for each size by itself: phone is equal (kept silently), online is all other (stripped).",
    ),
    Case(
        "store series: fit's rows and more, keys of a dict",
        "retail",
        store_series,
        ({"promo": u(8), "price": u(8, seed=1), "units": u(8, seed=2)},),
        {},
        ({"promo": np.concatenate([u(8), u(4, seed=3)]), "price": np.concatenate([u(8, seed=1), u(4, seed=4)])},),
        expected=V("b level"),
        container="idata",
        constant_data={"promo": u(8), "price": u(8, seed=1)},
        observed_data={"units": u(8, seed=2)},
        why="Covariates for the fit's rows and more after them continue the fit's series: kept without a word.",
    ),
    Case(
        "glaciers: the number of rows is closed over",
        "glaciology",
        glaciers8,
        (u(8),),
        {"loss": u(8, seed=1)},
        (u(8, seed=2),),
        expected=V("b local"),
        warns=W(ROWLEVEL),
        why="local is as long as an axis that cannot change: not told; used row by row, so kept with the warning.",
    ),
    Case(
        "tasting: keep by plate, other judges",
        "sensory science",
        tasting,
        (u(6, 4),),
        {"liking": u(6, 4, seed=1)},
        (u(9, 4, seed=2),),
        options={"keep": ["wines"]},
        expected=V("b wine", redrawn="judge"),
        warns=W(REDRAWN),
        why="keep by plate settles the wines silently; judges do not fit along their rows: stripped and said.",
    ),
]


# ============================================================================================================== EXTRA


def river_quality(ph, gaps, nitrate=None):
    """Missing covariates are latents, as many as `gaps` says."""
    b = sample("b", dist.Normal(0.0, 1.0))
    filled = sample("filled", dist.Normal(0.0, 1.0).expand([gaps.shape[0]]))
    ph = jnp.asarray(ph).at[gaps].set(filled)
    sample("nitrate", dist.Normal(b * ph, 0.5), obs=nitrate)


def goals(strength, y):
    """The likelihood is one number, added by hand."""
    b = sample("b", dist.Normal(0.0, 1.0))
    form = sample("form", dist.Normal(0.0, 0.5).expand([strength.shape[0]]))
    numpyro.factor("likelihood", dist.Poisson(jnp.exp(b * strength + form)).log_prob(y).sum())


def dialects(vowel, dialect, n_dialects, f1=None):
    """Non-centred."""
    tau = sample("tau", dist.HalfNormal(1.0))
    z = sample("z", dist.Normal(0.0, 1.0).expand([n_dialects]))
    shift = deterministic("shift", tau * z)
    sample("f1", dist.Normal(vowel + shift[dialect], 0.5), obs=f1)


def breweries(name, bitterness=None):
    """As many effects as there are different names."""
    names, code = np.unique(name, return_inverse=True)
    effect = sample("effect", dist.Normal(0.0, 1.0).expand([len(names)]))
    sample("bitterness", dist.Normal(effect[code], 0.5), obs=bitterness)


def trial(dose, clinic, n_clinics, response=None):
    """The plate is called otherwise than the dim of the container."""
    b = sample("b", dist.Normal(0.0, 1.0))
    with plate("groups", n_clinics):
        effect = sample("effect", dist.Normal(0.0, 1.0))
    sample("response", dist.Normal(b * dose + effect[clinic], 0.5), obs=response)


def body_sizes(X, traits=2, size=None):
    """The number of outputs is an argument."""
    w = sample("w", dist.Normal(0.0, 1.0).expand([X.shape[1], traits]).to_event(2))
    sample("size", dist.Normal(X @ w, 0.5).to_event(1), obs=size)


OBJECTS = np.array(["Duvel", "Orval", "Chimay", "Orval", "Duvel", "Chimay", "Orval"], dtype=object)

EXTRA = [
    Case(
        "scaling relation: fewer galaxies",
        "astronomy",
        scaling_relation,
        (u(8), pos(8)),
        {"luminosity": u(8, seed=1)},
        (u(5, seed=2), pos(5, seed=3)),
        expected=V("centre slope", redrawn="mass"),
        warns=W(REDRAWN),
        why="mass is row-level, iid, and does not fit along its rows only: stripped, RedrawnSiteWarning.",
    ),
    Case(
        "mortality: no target, the same number of ages",
        "demography",
        mortality,
        (u(9),),
        {"deaths": counts(9)},
        (u(9, seed=1),),
        {"sample_obs": False},
        expected=V("a b frailty", "rate"),
        why="A model without a target has no rows: a latent that fits is kept, without a word.",
    ),
    Case(
        "river quality: nothing is missing now",
        "hydrology",
        river_quality,
        (u(9), np.array([1, 4, 6])),
        {"nitrate": u(9, seed=1)},
        (u(6, seed=2), np.array([], np.int64)),
        expected=V("b", "filled"),
        why="A latent whose model shape holds no value is stripped: nothing would be drawn.",
    ),
    Case(
        "goals: a factor, more matches",
        "sports",
        goals,
        (u(8), counts(8)),
        {},
        (u(10, seed=1), counts(10)),
        expected=V("b", "", "form"),
        error=SHAPE,
        why="Where a target is a scalar (factor) no latent is row-level, and one that does not fit is refused.",
    ),
    Case(
        "media mix: keep what follows the rows",
        "marketing",
        media_mix,
        (u(11),),
        {"sales": u(11, seed=1)},
        (u(6, seed=2),),
        options={"keep": ["mu"]},
        expected=V("a b", "centre", "mu"),
        error=SHAPE,
        why="A deterministic site in keep is refused where its shape follows rows that changed.",
    ),
    Case(
        "dialects: the innovations are missing",
        "linguistics",
        dialects,
        (u(9), idx(9, 3), 3),
        {"f1": u(9, seed=1)},
        (u(6, seed=2), idx(6, 3), 3),
        expected=V("tau", either={"shift": ("redrawn", "refused")}),
        error=MISSING,
        without=("z",),
        why="A deterministic site computed from a latent that has no entry is a MissingLatentError.",
    ),
    Case(
        "breweries: a level fewer",
        "food science",
        breweries,
        (OBJECTS,),
        {"bitterness": u(7)},
        (OBJECTS[:2],),
        expected=V("", "", "effect"),
        error=SHAPE,
        why="A group that does not fit is refused, not redrawn.",
    ),
    Case(
        "reading scores: by chain, fewer pupils",
        "education",
        reading_scores,
        (u(12),),
        {"score": u(12, seed=1)},
        (u(9, seed=2),),
        expected=V("tau gain", redrawn="ability"),
        warns=W(REDRAWN),
        container="chains",
        why="The batch shape is worked out; ability does not fit along its rows only.",
    ),
    Case(
        "soil carbon: other places, new_rows=True",
        "soil science",
        soil_carbon,
        (u(10, 2),),
        {"carbon": u(10, seed=1)},
        (u(13, 2, seed=2),),
        options={"new_rows": True},
        expected=V("reach mean", redrawn="surface"),
        why="new_rows=True strips the row-level latents whose rows changed in number: the user has said so.",
    ),
    Case(
        "two polls, one is larger, a dict",
        "political science",
        two_polls,
        (u(7), u(9, seed=1)),
        {"phone_share": u(7, seed=2), "online_share": u(9, seed=3)},
        (u(7), u(12, seed=4)),
        expected=V("house phone_eps", redrawn="online_eps"),
        warns=W(REDRAWN, ROWLEVEL),
        why="Each size by itself: online does not fit (redrawn, said), phone fits and nothing tells (kept, said).",
    ),
    Case(
        "judgments: one name in two verbs",
        "linguistics",
        judgments,
        (6, 10),
        {"rating": u(6, 10)},
        (6, 10),
        options={"keep": ["harsh"], "redraw": ["harsh"]},
        error=OPTION,
        why="A name in two verbs is an OptionError.",
    ),
    Case(
        "trial: redraw by a dim of the container",
        "medicine",
        trial,
        (u(10), idx(10, 4), 4),
        {"response": u(10, seed=1)},
        (u(7, seed=2), idx(7, 4), 4),
        options={"redraw": ["clinic"]},
        expected=V("b", redrawn="effect"),
        container="dataset",
        dims={"effect": ["clinic"]},
        why="A name is that of an entry, or of a plate or labelled dim, which stands for every latent that has it.",
    ),
    Case(
        "glaciers: new_rows=True where it could not be told",
        "glaciology",
        glaciers8,
        (u(8),),
        {"loss": u(8, seed=1)},
        (u(8, seed=2),),
        options={"new_rows": True},
        error=OPTION,
        why="new_rows=True where no number changed and it could not be told is an OptionError.",
    ),
    Case(
        "body sizes: outputs by a number",
        "anthropology",
        body_sizes,
        (u(10, 3),),
        {"size": u(10, 2)},
        (u(6, 3, seed=1),),
        expected=V("w"),
        may_warn=W(ROWLEVEL),
        why="The rows changed, which w does not follow; w follows `traits`, which the target follows too.",
    ),
    Case(
        "milk: all other cows, MCMC",
        "dairy science",
        milk,
        (u(8),),
        {"kg": u(8, seed=1)},
        (u(8, seed=3),),
        expected=V("b", redrawn="cow"),
        warns=W(REDRAWN),
        container="mcmc",
        why="All arguments that follow this size are other: other rows, stripped and said.",
    ),
]


# ============================================================================================================ ROUTINE


def linear(X, y=None):
    a = sample("a", dist.Normal(0.0, 1.0))
    with plate("features", X.shape[1]):
        b = sample("b", dist.Normal(0.0, 1.0))
    s = sample("s", dist.HalfNormal(1.0))
    with plate("rows", X.shape[0]):
        mu = deterministic("mu", a + X @ b)
        sample("y", dist.Normal(mu, s + 0.1), obs=y)


def diagnosis(age, marker, sick=None):
    b = sample("b", dist.Normal(0.0, 1.0).expand([3]))
    sample("sick", dist.Bernoulli(logits=b[0] + b[1] * age + b[2] * marker), obs=sick)


def accidents(traffic, length, n=None):
    a = sample("a", dist.Normal(0.0, 1.0))
    b = sample("b", dist.Normal(0.0, 1.0))
    rate = deterministic("rate", jnp.exp(a + b * traffic))
    with plate("segments", len(traffic)):
        sample("n", dist.Poisson(rate * length), obs=n)


def larvae(treatment, n_treatments, count=None):
    shape = sample("shape", dist.Exponential(1.0))
    level = sample("level", dist.Normal(0.0, 1.0).expand([n_treatments]))
    sample("count", dist.NegativeBinomial2(jnp.exp(level[treatment]), shape + 0.1), obs=count)


def severity(age, power, cost=None):
    a = sample("a", dist.Normal(0.0, 0.5))
    b = sample("b", dist.Normal(0.0, 0.5).expand([2]).to_event(1))
    k = sample("k", dist.LogNormal(0.0, 0.2))
    mean = deterministic("mean", jnp.exp(a + b[0] * age + b[1] * power))
    sample("cost", dist.Gamma(k, k / mean), obs=cost)


def forest_cover(height, share=None):
    a, b = sample("a", dist.Normal(0.0, 1.0)), sample("b", dist.Normal(0.0, 1.0))
    phi = sample("phi", dist.Gamma(5.0, 1.0))
    p = jax.nn.sigmoid(a + b * height)
    sample("share", dist.Beta(p * phi + 0.1, (1 - p) * phi + 0.1), obs=share)


def wine_grade(X, grade=None):
    b = sample("b", dist.Normal(0.0, 1.0).expand([X.shape[1]]).to_event(1))
    ordered = dist.TransformedDistribution(dist.Normal(0.0, 1.0).expand([4]), dist.transforms.OrderedTransform())
    cuts = sample("cuts", ordered)
    sample("grade", dist.OrderedLogistic(X @ b, cuts), obs=grade)


def calibration(signal, value=None):
    nu = sample("nu", dist.Gamma(2.0, 0.1))
    line = sample("line", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
    sample("value", dist.StudentT(nu + 1.0, line[0] + line[1] * signal, 0.2), obs=value)


def readmission(age, hospital, n_hospitals, back=None):
    mu, tau = sample("mu", dist.Normal(0.0, 1.0)), sample("tau", dist.HalfNormal(1.0))
    b = sample("b", dist.Normal(0.0, 1.0))
    with plate("hospitals", n_hospitals):
        z = sample("z", dist.Normal(0.0, 1.0))
        effect = deterministic("effect", mu + tau * z)
    with plate("patients", age.shape[0]):
        sample("back", dist.Bernoulli(logits=effect[hospital] + b * age), obs=back)


def stress_diary(person, stress, n_persons, mood=None):
    sd = sample("sd", dist.HalfNormal(1.0).expand([2]).to_event(1))
    corr = sample("corr", dist.LKJCholesky(2, 2.0))
    mean = sample("mean", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
    with plate("persons", n_persons):
        ab = sample("ab", dist.MultivariateNormal(mean, scale_tril=(sd[:, None] + 0.1) * corr))
    with plate("days", len(stress)):
        sample("mood", dist.Normal(ab[person, 0] + ab[person, 1] * stress, 0.5), obs=mood)


def inventory(dbh, plot, region_of_plot, n_regions, volume=None):
    with plate("regions", n_regions):
        region = sample("region", dist.Normal(0.0, 1.0))
    with plate("plots", len(region_of_plot)):
        effect = sample("effect", dist.Normal(region[region_of_plot], 0.5))
    b = sample("b", dist.Normal(0.0, 1.0))
    with plate("trees", len(dbh)):
        sample("volume", dist.Normal(effect[plot] + b * dbh, 0.3), obs=volume)


def essays(rater, essay, n_raters, n_essays, grade=None):
    s = sample("s", dist.HalfNormal(1.0).expand([2]))
    strict = sample("strict", dist.Normal(0.0, 1.0).expand([n_raters]))
    quality = sample("quality", dist.Normal(0.0, 1.0).expand([n_essays]))
    sample("grade", dist.Normal(s[0] * quality[essay] - s[1] * strict[rater], 0.3), obs=grade)


def bike_share(basis, trips=None):
    tau = sample("tau", dist.HalfNormal(1.0))
    w = sample("w", dist.Normal(0.0, 1.0).expand([basis.shape[1]]).to_event(1))
    mu = deterministic("mu", basis @ (tau * w))
    sample("trips", dist.Normal(mu, 0.5), obs=trips)


def tides(t, height=None):
    k = jnp.arange(1, 4)
    sin, cos = (sample(n, dist.Normal(0.0, 1.0).expand([3]).to_event(1)) for n in ("sin", "cos"))
    wave = jnp.sin(t[:, None] * k) @ sin + jnp.cos(t[:, None] * k) @ cos
    sample("height", dist.Normal(wave, 0.2), obs=height)


def measurements(X, size=None):
    w = sample("w", dist.Normal(0.0, 1.0).expand([X.shape[1], 2]).to_event(2))
    with plate("people", X.shape[0]):
        mean = deterministic("mean", X @ w)
        sample("size", dist.Normal(mean, 0.5).to_event(1), obs=size)


def nutrients(protein, foods=None):
    slope = sample("slope", dist.Normal(0.0, 1.0).expand([3]).to_event(1))
    corr = sample("corr", dist.LKJCholesky(3, 1.5))
    with plate("samples_", len(protein)):
        sample("foods", dist.MultivariateNormal(protein[:, None] * slope, scale_tril=corr), obs=foods)


def dropout(age, event, time=None):
    a, b = sample("a", dist.Normal(0.0, 0.3)), sample("b", dist.Normal(0.0, 0.3))
    k = sample("k", dist.LogNormal(0.0, 0.2))
    with plate("students", len(age)), handlers.mask(mask=event):
        sample("time", dist.Weibull(jnp.exp(a + b * age), k), obs=time)


def piecewise_hazard(interval, exposure, treated, n_intervals, events=None):
    base = sample("base", dist.Normal(0.0, 1.0).expand([n_intervals]))
    effect = sample("effect", dist.Normal(0.0, 1.0))
    hazard = deterministic("hazard", jnp.exp(base[interval] + effect * treated))
    sample("events", dist.Poisson(hazard * exposure), obs=events)


def bird_counts(cover, n=None):
    """Overdispersion: an effect for each row."""
    a, b = sample("a", dist.Normal(0.0, 0.5)), sample("b", dist.Normal(0.0, 0.5))
    s = sample("s", dist.HalfNormal(0.5))
    with plate("visits", cover.shape[0]):
        eps = sample("eps", dist.Normal(0.0, 1.0))
        rate = deterministic("rate", jnp.exp(a + b * cover + s * eps))
        sample("n", dist.Poisson(rate), obs=n)


def meta_analysis(effect, se, replication=None):
    """Effects of trials, non-centred; a replication may be predicted."""
    mu, tau = sample("mu", dist.Normal(0.0, 1.0)), sample("tau", dist.HalfNormal(1.0))
    with plate("trials", len(se)):
        z = sample("z", dist.Normal(0.0, 1.0))
        theta = deterministic("theta", mu + tau * z)
        sample("effect", dist.Normal(theta, se), obs=effect)


def colours(bright, colour=None):
    share = sample("share", dist.Dirichlet(jnp.ones(2)))
    loc = sample("loc", dist.Normal(jnp.array([-1.0, 1.0]), 0.3).to_event(1))
    b = sample("b", dist.Normal(0.0, 0.3))
    parts = dist.Normal(loc + b * bright[:, None], 0.3)
    sample("colour", dist.MixtureSameFamily(dist.Categorical(share), parts), obs=colour)


def expression(X, trait=None):
    tau = sample("tau", dist.HalfCauchy(1.0))
    lam = sample("lam", dist.HalfCauchy(jnp.ones(X.shape[1])))
    z = sample("z", dist.Normal(jnp.zeros(X.shape[1]), 1.0))
    beta = deterministic("beta", tau * lam * z)
    sample("trait", dist.Normal(X @ beta, 1.0), obs=trait)


def wage_policy(state, year, treated, n_states, n_years, wage=None):
    with plate("states", n_states):
        alpha = sample("alpha", dist.Normal(0.0, 1.0))
    with plate("years", n_years):
        gamma = sample("gamma", dist.Normal(0.0, 1.0))
    effect = sample("effect", dist.Normal(0.0, 1.0))
    with plate("rows", len(treated)):
        sample("wage", dist.Normal(alpha[state] + gamma[year] + effect * treated, 0.5), obs=wage)


_DATES, _ERRORS = u(6), pos(6)


def radiocarbon():
    """All data are closed over."""
    centre = sample("centre", dist.Normal(0.0, 1.0))
    with plate("finds", len(_DATES)):
        z = sample("z", dist.Normal(0.0, 1.0))
        age = deterministic("age", centre + z)
        sample("date", dist.Normal(age, _ERRORS), obs=_DATES)


def vowels(speaker, length, f2=None):
    names, code = np.unique(speaker, return_inverse=True)
    with plate("speakers", len(names)):
        tract = sample("tract", dist.Normal(0.0, 1.0))
    b = sample("b", dist.Normal(0.0, 1.0))
    with plate("tokens", len(length)):
        sample("f2", dist.Normal(tract[code] + b * length, 0.3), obs=f2)


def rents(flats, rent=None):
    """A frame, and a coefficient for two of its columns."""
    a = sample("a", dist.Normal(0.0, 1.0))
    b = sample("b", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
    mu = deterministic("mu", a + flats[["area", "floor"]].to_numpy() @ b)
    sample("rent", dist.Normal(mu, 0.5), obs=rent)


def polls(frame, states, share=None):
    """Polls, and a table of one row a state."""
    slope = sample("slope", dist.Normal(0.0, 1.0))
    with plate("states", len(states)):
        lean = sample("lean", dist.Normal(slope * states["past"].to_numpy(), 0.3))
    with plate("polls", len(frame)):
        sample("share", dist.Normal(lean[frame["state"].to_numpy()], 0.1), obs=share)


def permafrost(depth, L, M, temperature=None):
    """Hilbert space approximation of a Gaussian process."""
    reach = sample("reach", dist.LogNormal(0.0, 0.2))
    root = jnp.arange(1, M + 1) * jnp.pi / (2 * L)
    phi = jnp.sin(root * (depth[:, None] + L)) / jnp.sqrt(L)
    beta = sample("beta", dist.Normal(0.0, 1.0).expand([M]).to_event(1))
    f = deterministic("f", phi @ (jnp.exp(-0.25 * (reach * root) ** 2) * beta))
    sample("temperature", dist.Normal(f, 0.2), obs=temperature)


def mode_choice(X, choice=None):
    """Travellers x modes x attributes."""
    asc = sample("asc", dist.Normal(0.0, 1.0).expand([X.shape[1]]).to_event(1))
    taste = sample("taste", dist.Normal(0.0, 1.0).expand([X.shape[2]]).to_event(1))
    with plate("travellers", X.shape[0]):
        sample("choice", dist.Categorical(logits=X @ taste + asc), obs=choice)


def assay(conc, batch, n_batches, signal=None):
    """Four parameters, the middle by batch."""
    top, slope = sample("top", dist.LogNormal(0.0, 0.2)), sample("slope", dist.LogNormal(0.0, 0.2))
    mid, tau = sample("mid", dist.Normal(0.0, 1.0)), sample("tau", dist.HalfNormal(0.3))
    with plate("batches", n_batches):
        z = sample("z", dist.Normal(0.0, 1.0))
    ec50 = deterministic("ec50", mid + tau * z)
    sample("signal", dist.Normal(top * jax.nn.sigmoid(slope * (conc - ec50[batch])), 0.1), obs=signal)


def make_schools(codes):
    """The codes of the types of school are closed over."""

    def schools_by_type(kind, hours, score=None):
        effect = sample("effect", dist.Normal(0.0, 1.0).expand([len(codes)]))
        b = sample("b", dist.Normal(0.0, 1.0))
        sample("score", dist.Normal(effect[np.array([codes[k] for k in kind])] + b * hours, 0.5), obs=score)

    return schools_by_type


schools_by_type = make_schools({"public": 0, "private": 1, "charter": 2})


def frame(n, seed=0):
    return pd.DataFrame({"area": u(n, seed=seed), "floor": u(n, seed=seed + 1), "city": list("xyz" * n)[:n]})


def poll_frame(n, seed=0):
    return pd.DataFrame({"state": idx(n, 6), "day": u(n, seed=seed)})


STATES = pd.DataFrame({"past": u(6, seed=5)}, index=list("ABCDEF"))

ROUTINE = [
    Case(
        "house prices",
        "real estate",
        linear,
        (u(12, 3), u(12, seed=1)),
        {},
        (u(7, 3, seed=2),),
        expected=V("a b s", "mu"),
        why="Latents that fit, with no dimension of rows.",
    ),
    Case(
        "diagnosis",
        "medicine",
        diagnosis,
        (u(10), u(10, seed=1), bits(10)),
        {},
        (u(4, seed=2), u(4, seed=3)),
        expected=V("b"),
        why="A coefficient of fixed size.",
    ),
    Case(
        "accidents, one segment",
        "road safety",
        accidents,
        (u(9), pos(9)),
        {"n": counts(9)},
        (u(1, seed=1), pos(1)),
        expected=V("a b", "rate"),
        why="Scalar coefficients; rate is recomputed.",
    ),
    Case(
        "larvae",
        "entomology",
        larvae,
        (idx(12, 4), 4),
        {"count": counts(12)},
        (np.array([2, 0]), 4),
        expected=V("shape level"),
        why="level follows n_treatments, which no target follows.",
    ),
    Case(
        "claim severity, scored",
        "insurance",
        severity,
        (u(10), u(10, seed=1)),
        {"cost": pos(10)},
        (u(10, seed=2), u(10, seed=3)),
        {"cost": pos(10, seed=4)},
        expected=V("a b k", "mean"),
        why="Global latents; outcomes passed as for log_likelihood.",
    ),
    Case(
        "forest cover",
        "remote sensing",
        forest_cover,
        (u(8),),
        {"share": jax.nn.sigmoid(u(8))},
        (u(15, seed=1),),
        expected=V("a b phi"),
        why="Scalars.",
    ),
    Case(
        "wine grade, as many features as rows",
        "oenology",
        wine_grade,
        (u(4, 4), counts(4) % 5),
        {},
        (u(4, 4, seed=1),),
        expected=V("b cuts"),
        why="b follows the columns only; cuts are fixed by the model.",
    ),
    Case(
        "calibration, old predictions among the entries",
        "physics",
        calibration,
        (u(9),),
        {},
        (u(5, seed=1),),
        expected=V("nu line", "value"),
        why="value becomes observed when its argument is given: a target.",
    ),
    Case(
        "readmission",
        "health services",
        readmission,
        (u(12), idx(12, 5), 5),
        {"back": bits(12)},
        (u(6, seed=1), idx(6, 5), 5),
        expected=V("mu tau b z", "effect"),
        why="z follows n_hospitals: groups.",
    ),
    Case(
        "stress diary",
        "psychology",
        stress_diary,
        (idx(12, 4), u(12), 4),
        {"mood": u(12, seed=1)},
        (idx(8, 4), u(8, seed=2), 4),
        expected=V("sd corr mean ab"),
        why="ab follows n_persons: groups.",
    ),
    Case(
        "inventory, nested groups",
        "forestry",
        inventory,
        (u(14), idx(14, 6), idx(6, 2), 2),
        {"volume": u(14, seed=1)},
        (u(6, seed=2), idx(6, 6), idx(6, 2), 2),
        expected=V("region effect b"),
        why="effect follows region_of_plot, a table of one row a plot; as many trees as plots change nothing.",
    ),
    Case(
        "essays, crossed",
        "education",
        essays,
        (idx(20, 4), idx(20, 7), 4, 7),
        {"grade": u(20)},
        (idx(7, 4), idx(7, 7), 4, 7),
        expected=V("s strict quality"),
        why="Both follow numbers that no target follows.",
    ),
    Case(
        "bike share",
        "transport",
        bike_share,
        (u(13, 6),),
        {"trips": u(13)},
        (u(6, 6, seed=1),),
        expected=V("tau w", "mu"),
        why="w follows the columns of the basis.",
    ),
    Case(
        "tides",
        "oceanography",
        tides,
        (u(11),),
        {"height": u(11, seed=1)},
        (u(3, seed=2),),
        expected=V("sin cos"),
        why="Three harmonics are fixed by the model, whatever the number of rows.",
    ),
    Case(
        "measurements of people",
        "anthropology",
        measurements,
        (u(9, 3),),
        {"size": u(9, 2)},
        (u(2, 3, seed=1),),
        expected=V("w", "mean"),
        why="Two outputs are fixed by the model.",
    ),
    Case(
        "nutrients",
        "nutrition",
        nutrients,
        (u(8),),
        {"foods": u(8, 3)},
        (u(3, seed=1),),
        expected=V("slope corr"),
        why="Three outcomes are fixed by the model.",
    ),
    Case(
        "dropout, censored",
        "education",
        dropout,
        (u(9), u(9) > 0),
        {"time": pos(9)},
        (u(5, seed=1), np.ones(5, bool)),
        expected=V("a b k"),
        why="Scalars; the target is masked.",
    ),
    Case(
        "piecewise hazard",
        "oncology",
        piecewise_hazard,
        (idx(15, 5), pos(15), bits(15), 5),
        {"events": counts(15)},
        (idx(5, 5), pos(5), bits(5), 5),
        expected=V("base effect", "hazard"),
        why="base follows n_intervals: groups.",
    ),
    Case(
        "bird counts, MCMC, the fit's own arguments",
        "ornithology",
        bird_counts,
        (u(8),),
        {"n": counts(8)},
        (u(8),),
        {"n": counts(8)},
        expected=V("a b s eps", "rate"),
        container="mcmc",
        why="All arguments of the rows equal the fit's: the same rows.",
    ),
    Case(
        "bird counts, MCMC, covariates alone",
        "ornithology",
        bird_counts,
        (u(8),),
        {"n": counts(8)},
        (u(8),),
        expected=V("a b s eps", "rate"),
        container="mcmc",
        why="What is passed equals the fit's; outcomes that are to be predicted say nothing.",
    ),
    Case(
        "bird counts, a dict whose rates tell",
        "ornithology",
        bird_counts,
        (u(8),),
        {"n": counts(8)},
        (u(8),),
        expected=V("a b s eps", "rate"),
        why="The recorded deterministic values, recomputed, are equal: the rows are the fit's.",
    ),
    Case(
        "bird counts, new_rows=True, other number",
        "ornithology",
        bird_counts,
        (u(8),),
        {"n": counts(8)},
        (u(5, seed=1),),
        options={"new_rows": True},
        expected=V("a b s", "rate", redrawn="eps"),
        why="The user said so: stripped silently.",
    ),
    Case(
        "bird counts, keep=",
        "ornithology",
        bird_counts,
        (u(8),),
        {"n": counts(8)},
        (u(8, seed=1),),
        options={"keep": ["eps"]},
        expected=V("a b s eps", "rate"),
        why="Named in keep: kept, silently.",
    ),
    Case(
        "bird counts, redraw=",
        "ornithology",
        bird_counts,
        (u(8),),
        {"n": counts(8)},
        (u(8, seed=1),),
        options={"redraw": ["eps"]},
        expected=V("a b s", "rate", redrawn="eps"),
        why="Named in redraw: stripped, silently.",
    ),
    Case(
        "bird counts, new_rows=False, same number",
        "ornithology",
        bird_counts,
        (u(8),),
        {"n": counts(8)},
        (u(8, seed=1),),
        options={"new_rows": False},
        expected=V("a b s eps", "rate"),
        why="Told to be the same rows.",
    ),
    Case(
        "bird counts, idata with the fit's data",
        "ornithology",
        bird_counts,
        (u(8),),
        {"n": counts(8)},
        (u(8),),
        expected=V("a b s eps", "rate"),
        container="idata",
        constant_data={"cover": u(8)},
        observed_data={"n": counts(8)},
        why="constant_data holds the argument, and it is equal: the same rows.",
    ),
    Case(
        "meta-analysis, MCMC, own arguments",
        "medicine",
        meta_analysis,
        (u(7), pos(7)),
        {},
        (None, pos(7)),
        expected=V("mu tau z", "theta"),
        container="mcmc",
        why="se equals the fit's: the same trials.",
    ),
    Case(
        "house prices, idata, other rows",
        "real estate",
        linear,
        (u(12, 3), u(12, seed=1)),
        {},
        (u(12, 3, seed=2),),
        expected=V("a b s", "mu"),
        container="idata",
        constant_data={"X": u(12, 3)},
        observed_data={"y": u(12, seed=1)},
        why="No latent is row-level, whatever the rows are.",
    ),
    Case(
        "clinics in a Dataset",
        "medicine",
        trial,
        (u(10), idx(10, 4), 4),
        {"response": u(10, seed=1)},
        (u(4, seed=2), idx(4, 4), 4),
        expected=V("b effect"),
        container="dataset",
        dims={"effect": ["clinic"]},
        why="effect follows n_clinics: groups.",
    ),
    Case(
        "house prices by chain",
        "real estate",
        linear,
        (u(12, 3), u(12, seed=1)),
        {},
        (u(7, 3, seed=2),),
        expected=V("a b s", "mu"),
        container="chains",
        why="The batch shape is worked out from the entries.",
    ),
    Case(
        "colours of galaxies, a mixture",
        "astronomy",
        colours,
        (u(9), u(9, seed=1)),
        {},
        (u(5, seed=2),),
        expected=V("share loc b"),
        why="Two components are fixed by the model.",
    ),
    Case(
        "gene expression, horseshoe, MCMC",
        "genomics",
        expression,
        (u(8, 5),),
        {"trait": u(8)},
        (u(5, 5, seed=1),),
        expected=V("tau lam z", "beta"),
        container="mcmc",
        why="lam and z follow the columns.",
    ),
    Case(
        "wage policy",
        "economics",
        wage_policy,
        (idx(18, 6), idx(18, 3), bits(18), 6, 3),
        {"wage": u(18)},
        (idx(6, 6), idx(6, 3), bits(6), 6, 3),
        expected=V("alpha gamma effect"),
        why="Groups by numbers.",
    ),
    Case(
        "radiocarbon, no arguments",
        "archaeology",
        radiocarbon,
        expected=V("centre z", "age"),
        why="A model that needs no arguments, called without, was fitted without: nothing is other rows.",
    ),
    Case(
        "vowels by speaker's name",
        "phonetics",
        vowels,
        (np.array(list("abcabcab"), object), u(8)),
        {"f2": u(8, seed=1)},
        (np.array(list("ccba"), object), u(4, seed=2)),
        expected=V("tract b"),
        why="Labels under np.unique, the same levels: groups.",
    ),
    Case(
        "rents in a frame",
        "housing",
        rents,
        (frame(9),),
        {"rent": u(9)},
        (frame(4, seed=3),),
        expected=V("a b", "mu"),
        why="Two coefficients are fixed by the model.",
    ),
    Case(
        "polls and a table of states",
        "political science",
        polls,
        (poll_frame(10), STATES),
        {"share": u(10)},
        (poll_frame(6, seed=1), STATES),
        expected=V("slope lean"),
        why="lean follows the table of one row a state, though this call has as many polls.",
    ),
    Case(
        "mode choice, MCMC",
        "transport",
        mode_choice,
        (u(9, 4, 2),),
        {"choice": counts(9) % 4},
        (u(4, 4, 2, seed=1),),
        expected=V("asc taste"),
        container="mcmc",
        why="The modes do not move the target's shape.",
    ),
    Case(
        "assay, batches",
        "pharmacology",
        assay,
        (u(12), idx(12, 3), 3),
        {"signal": u(12, seed=1)},
        (u(3, seed=2), idx(3, 3), 3),
        expected=V("top slope mid tau z", "ec50"),
        why="z follows n_batches: groups.",
    ),
    Case(
        "types of school, closed over",
        "education",
        schools_by_type,
        (["public", "charter", "private"] * 3, u(9)),
        {"score": u(9, seed=1)},
        (["private", "public"], u(2, seed=2)),
        expected=V("effect b"),
        why="Three types are fixed by the closure: no rows, only gathered from.",
    ),
]
