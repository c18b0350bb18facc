"""Models of many fields whose arguments hold an index that does not exist, or whose rows act on each other; and models
that look like them, of which nothing is to be said. Each with what a person says of it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import xarray as xr
from numpyro import deterministic, handlers, plate, sample
from numpyro.contrib.control_flow import scan

from sanitize import inspect_sites

ROWS = 8


class Case(NamedTuple):
    """A model, a call, and what the warning names: of an index argument, values and how many; of rows the argument."""

    name: str
    model: Any
    args: tuple
    says: Any = None
    options: dict = {}  # noqa: RUF012 - never changed


def posterior(model, args):
    """Entries of two draws, of the shapes that the model has with these arguments."""
    sites = inspect_sites(model, *args)
    entries = {}
    for name, site in sites.items():
        if site.kind in ("latent", "deterministic") and not site.observable:
            n = int(np.prod(site.shape))
            one = np.arange(n) % 2 if site.discrete else np.linspace(0.2, 0.8, n)
            if name == "weights":
                one = one / one.sum()
            entries[name] = np.broadcast_to(one.reshape(site.shape), (2, *site.shape)).astype(site.dtype)
    return entries


def ints(*values):
    return np.array(values, np.int32)


def u(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


X = u(ROWS)
UP = np.abs(u(ROWS, seed=1)) + 1.0
CODES = ints(0, 1, 2, 3, 4, 0, 1, 2)  # of five
BAD = ints(0, 1, 7, 3, 4, 0, 7, 2)
UNKNOWN = ints(0, 1, -1, 3, 4, 0, 1, 2)


def normal(name, *shape):
    return sample(name, dist.Normal(0.0, 1.0).expand(shape))


def by_group(pick, groups=5, **sites):
    """A model of one effect a group, which ``pick`` takes from them."""

    def model(*args, y=None):
        effect = normal("effect", groups)
        sample("y", dist.Normal(pick(effect, *args), 1.0), obs=y)

    return model


def by_rows(f):
    """A regression on a covariate that ``f`` transforms."""

    def model(x, *more, y=None):
        slope = sample("slope", dist.Normal(0.0, 1.0))
        sample("y", dist.Normal(slope * f(x, *more), 1.0), obs=y)

    return model


# ------------------------------------------------------------------------------------- indices that do not exist


def schools(school, y=None):
    tau = sample("tau", dist.HalfNormal(1.0))
    with plate("schools", 5):
        theta = sample("theta", dist.Normal(0.0, tau))
    with plate("pupils", school.shape[0]):
        sample("y", dist.Normal(theta[school], 1.0), obs=y)


def occupancy(site, visit, seen=None):
    """Ecology: two indices, of which one is right."""
    site_effect, visit_effect = normal("site_effect", 8), normal("visit_effect", 3)
    sample("seen", dist.Bernoulli(logits=site_effect[site] + visit_effect[visit]), obs=seen)


def ratings(home, away, result=None):
    """Sport: home and away of one table of strengths."""
    strength = normal("strength", 5)
    sample("result", dist.Bernoulli(logits=strength[home] - strength[away]), obs=result)


def item_response(person, item, correct=None):
    ability, difficulty = normal("ability", 8), normal("difficulty", 5)
    discrimination = sample("discrimination", dist.LogNormal(0.0, 0.3).expand([5]))
    sample("correct", dist.Bernoulli(logits=discrimination[item] * (ability[person] - difficulty[item])), obs=correct)


def batches(batch, gene_scale, counts=None):
    """Cells by genes: a row of a table of effects."""
    effect = normal("effect", 5, 3)
    sample("counts", dist.Poisson(jnp.exp(effect[batch]) * gene_scale).to_event(1), obs=counts)


def doses(dose, response=None):
    """Codes from 1: the model subtracts."""
    effect = normal("effect", 5)
    sample("response", dist.Normal(effect[dose - 1], 1.0), obs=response)


def region_frame(frame, y=None):
    """pandas: a category that is not known is -1."""
    effect, slope = normal("effect", 3), normal("slope")
    code = frame["region"].cat.codes.to_numpy()
    sample("y", dist.Normal(effect[code] + slope * frame["x"].to_numpy(), 1.0), obs=y)


REGIONS = pd.DataFrame(
    {"region": pd.Categorical(["n", "s", "w", None, "n", "s", "w", "n"], categories=["n", "s", "w"]), "x": X}
)


def changes(series, regime, y=None):
    """A loop over time that looks up a regime."""
    level = normal("level", 3)

    def step(state, inputs):
        x, r = inputs
        state = sample("state", dist.Normal(0.5 * state + level[r] + x, 1.0))
        return state, state

    scan(step, jnp.zeros(()), (series, regime))


def dummies(kind, y=None):
    beta = normal("beta", 6)
    sample("y", dist.Normal(jax.nn.one_hot(kind, 6) @ beta, 1.0), obs=y)


def totals(spend, household, y=None):
    """A sum by household, of what the persons spend."""
    rate = normal("rate")
    sample("y", dist.Normal(jax.ops.segment_sum(rate * spend, household, num_segments=3), 1.0), obs=y)


def vote(row, column, y=None):
    cell = normal("cell", 4, 5)
    sample("y", dist.Bernoulli(logits=cell[row, column]), obs=y)


def stock(day, y=None):
    """A fitted curve, one value a day, read by a slice at a number."""
    curve = normal("curve", 5)
    sample("y", dist.Normal(jax.lax.dynamic_slice(curve, (day,), (2,)), 1.0), obs=y)


def by_label(labels, y=None):
    effect = normal("effect", 3)
    sample("y", dist.Normal(effect[jnp.array(labels)], 1.0), obs=y)


INDEX_SPEAKS = [
    Case("schools: code 7 of 5", schools, (BAD,), ("school", (7,), 2)),
    Case("occupancy: site 8 of 8", occupancy, (ints(0, 8, 2, 3), ints(0, 1, 2, 0)), ("site", (8,), 1)),
    Case("football: a team that was promoted", ratings, (ints(0, 1, 2), ints(4, 5, 6)), ("away", (5, 6), 2)),
    Case("item response: an item from the next form", item_response, (ints(0, 1), ints(4, 9)), ("item", (9,), 1)),
    Case("cells: batch 5 of 5", batches, (ints(0, 5), np.ones(3, np.float32)), ("batch", (5,), 1)),
    Case("doses: 0 of a code from 1", doses, (ints(1, 5, 0),), ("dose", (-1,), 1)),
    Case("regions: missing in pandas", region_frame, (REGIONS,), ("frame['region']", (-1,), 1)),
    Case("regimes: in a loop over time", changes, (X, ints(0, 1, 2, 3, 0, 1, 2, 3)), ("regime", (3,), 2)),
    Case("kinds: one_hot of 6 of 6", dummies, (ints(0, 5, 6),), ("kind", (6,), 1)),
    Case("households: segment 3 of 3", totals, (X, ints(0, 1, 2, 3, 3, 0, 1, 2)), ("household", (3,), 2)),
    Case("votes: a table by two indices", vote, (ints(0, 3), ints(5, 4)), ("column", (5,), 1)),
    Case("stock: a day after the last", stock, (np.int32(6),), ("day", (6,), 1)),
    Case("labels as a list", by_label, ([0, 2, 3],), ("labels", (3,), 1)),
    Case("one group as a number", by_group(lambda a, i: a[i]), (9,), ("args[0]", (9,), 1)),
    Case("the last group by accident", by_group(lambda a, i: a[i]), (-1,), ("args[0]", (-1,), 1)),
    Case("take gives NaN", by_group(jnp.take), (BAD,), ("args[0]", (7,), 2)),
    Case("vmap", by_group(lambda a, g: jax.vmap(lambda i: a[i])(g)), (UNKNOWN,), ("args[0]", (-1,), 1)),
    Case("a reference level before the effects", by_group(lambda a, g: jnp.append(0.0, a)[g]), (BAD - 1,),
         ("args[0]", (-1, 6), 4)),
    Case("guarded from below alone", by_group(lambda a, g: jnp.where(g >= 0, a[jnp.maximum(g, 0)], 0.0)), (BAD,),
         ("args[0]", (7,), 2)),
]  # fmt: skip


def guests(home, away, y=None):
    """Sport: no guest is -1; the last team, which JAX takes for it, plays at home in other rows."""
    strength = normal("strength", 5)
    sample("y", dist.Normal(strength[home] - jnp.where(away >= 0, strength[away], 0.0), 1.0), obs=y)


def masked(group, y=None):
    effect = normal("effect", 5)
    with handlers.mask(mask=group >= 0):
        sample("y", dist.Normal(effect[group], 1.0), obs=y)


def masked_distribution(group, y=None):
    effect = normal("effect", 5)
    sample("y", dist.Normal(effect[group], 1.0).mask(group >= 0), obs=y)


def padded_sequences(words, y=None):
    """Topic or language models: sequences end in -1, which a factor leaves out."""
    logits = normal("logits", 6)
    numpyro.factor("score", jnp.where(words >= 0, logits[words], 0.0).sum())
    sample("y", dist.Normal(logits.sum(), 1.0), obs=y)


def padded_loop(series, regime, y=None):
    level = normal("level", 3)

    def step(state, inputs):
        x, r = inputs
        state = sample("state", dist.Normal(0.5 * state + x + jnp.where(r < 0, 0.0, level[r]), 1.0))
        return state, state

    scan(step, jnp.zeros(()), (series, regime))


def mixture_of_fitted(x, y=None):
    """An index that is a latent, as in a mixture."""
    weights, place = sample("weights", dist.Dirichlet(jnp.ones(3))), normal("place", 3)
    which = sample("which", dist.Categorical(weights).expand([x.shape[0]]))
    sample("y", dist.Normal(place[which] + x, 1.0), obs=y)


def curve(t, y=None):
    """The model's own negative numbers: the last value, and all but the first."""
    knots = normal("knots", 5)
    slope = (knots[-1] - knots[jnp.array([0, -2])].mean()) + knots[-2:].sum()
    sample("y", dist.Normal(slope * t, 1.0), obs=y)


def spline(x, y=None):
    """A bin by comparison, which lies in the range whatever the values are."""
    level = normal("level", 4)
    sample("y", dist.Normal(level[jnp.digitize(x, jnp.array([-0.5, 0.0, 0.5]))], 1.0), obs=y)


def subsampled(x, group, y=None):
    effect = normal("effect", 5)
    with plate("rows", x.shape[0], subsample_size=4) as i:
        sample("y", dist.Normal(effect[group[i]] + x[i], 1.0), obs=None)


def lookup_of_data(county, uranium, y=None):
    """A covariate of groups is no fitted value."""
    slope = normal("slope")
    sample("y", dist.Normal(slope * uranium[county], 1.0), obs=y)


def frame_codes(frame, y=None):
    effect = normal("effect", 3)
    code = frame["region"].cat.codes.to_numpy()
    guarded = jnp.where(code >= 0, effect[np.maximum(code, 0)], 0.0)
    sample("y", dist.Normal(guarded, 1.0), obs=y)


INDEX_SILENT = [
    Case("all exist", schools, (CODES,)),
    Case("unknown ones have no effect", by_group(lambda a, g: jnp.where(g < 0, 0.0, a[jnp.maximum(g, 0)])), (UNKNOWN,)),
    Case("picked first, taken out after", by_group(lambda a, g: jnp.where(g < 0, 0.0, a[g])), (UNKNOWN,)),
    Case("multiplied by an indicator", by_group(lambda a, g: a[g] * (g >= 0)), (UNKNOWN,)),
    Case("above the last, taken out", by_group(lambda a, g: jnp.where(g < 5, a[g], 0.0)), (BAD,)),
    Case("clipped", by_group(lambda a, g: a[jnp.clip(g, 0, 4)]), (BAD,)),
    Case("take that clips", by_group(lambda a, g: jnp.take(a, g, mode="clip")), (BAD,)),
    Case("wrapped on purpose", by_group(lambda a, g: a[g % 5]), (BAD,)),
    Case("filled on purpose", by_group(lambda a, g: a.at[g].get(mode="fill", fill_value=0.0)), (BAD,)),
    Case("no guest", guests, (ints(4, 0, 1, 2), ints(0, -1, 4, 3))),
    Case("masked by a handler", masked, (UNKNOWN,)),
    Case("masked distribution", masked_distribution, (UNKNOWN,)),
    Case("padded sequences", padded_sequences, (UNKNOWN.reshape(2, 4),)),
    Case("padded loop", padded_loop, (X, ints(0, 1, 2, -1, 0, 1, -1, -1))),
    Case("one_hot of the reference level", dummies, (ints(0, 5, -1),)),
    Case("a mixture", mixture_of_fitted, (X,)),
    Case("the model's own -1", curve, (X,)),
    Case("bins", spline, (10 * X,)),
    Case("a subsample", subsampled, (X, CODES)),
    Case("a covariate of groups", lookup_of_data, (CODES, u(3))),
    Case("codes from 1", doses, (CODES + 1,)),
    Case("pandas, guarded", frame_codes, (REGIONS,)),
    Case("a number that exists", by_group(lambda a, i: a[i]), (4,)),
    Case("unsigned codes", by_group(lambda a, g: a[g]), (CODES.astype(np.uint8),)),
    Case("no integers", by_rows(lambda x: x), (X,)),
]  # fmt: skip


# ------------------------------------------------------------------------------------- rows that act on each other


def centred_recorded(x, y=None):
    mean, sd = deterministic("x_mean", x.mean()), deterministic("x_sd", x.std())
    slope = sample("slope", dist.Normal(0.0, 1.0))
    sample("y", dist.Normal(slope * (x - mean) / sd, 1.0), obs=y)


def group_centred(x, group, y=None):
    """Education: pupils against the mean of their class."""
    slope = sample("slope", dist.Normal(0.0, 1.0))
    n = jax.ops.segment_sum(jnp.ones_like(x), group, 5)
    mean = jax.ops.segment_sum(x, group, 5) / jnp.maximum(n, 1.0)
    sample("y", dist.Normal(slope * (x - mean[group]), 1.0), obs=y)


def saturation(spend, sales=None):
    """Marketing: spend over the largest spend."""
    beta = sample("beta", dist.HalfNormal(1.0))
    share = spend / spend.max()
    sample("sales", dist.Normal(beta * share / (share + 0.5), 1.0), obs=sales)


def ages(frame, y=None):
    slope = sample("slope", dist.Normal(0.0, 1.0))
    sample("y", dist.Normal(slope * (frame.age - frame.age.mean()).to_numpy(), 1.0), obs=y)


def years(frame, y=None):
    slope = sample("slope", dist.Normal(0.0, 1.0))
    sample("y", dist.Normal(slope * (frame.year - frame.year.min()).to_numpy(), 1.0), obs=y)


def knots(x, y=None):
    """A spline whose knots are quantiles of the data."""
    w = normal("w", 3)
    at = jnp.quantile(x, jnp.array([0.25, 0.5, 0.75]))
    sample("y", dist.Normal(jnp.maximum(x[:, None] - at, 0.0) @ w, 1.0), obs=y)


def noise(x, y=None):
    """The scale of the noise by the spread of all rows."""
    slope, sigma = sample("slope", dist.Normal(0.0, 1.0)), sample("sigma", dist.HalfNormal(1.0))
    sample("y", dist.Normal(slope * x, sigma * x.std()), obs=y)


def survival(age, event=None):
    """Medicine: centred inside, the outcome is no normal one."""
    b = normal("b")
    sample("event", dist.Exponential(jnp.exp(b * (age - jnp.median(age)))), obs=event)


def columns_scaled(X, y=None):
    beta = normal("beta", 3)
    Z = (X - X.mean(0)) / X.std(0)
    sample("y", dist.Bernoulli(logits=Z @ beta), obs=y)


def adstock(spend, sales=None):
    """Marketing: what was spent all weeks before, carried over."""
    beta = sample("beta", dist.HalfNormal(1.0))
    carried = jax.lax.scan(lambda c, s: (0.7 * c + s, 0.7 * c + s), jnp.zeros(()), spend)[1]
    sample("sales", dist.Normal(beta * carried, 1.0), obs=sales)


AGES = pd.DataFrame({"age": [20, 31, 45, 52, 60, 38, 27, 71], "year": [2001, 2004, 2005, 2009, 2010, 2012, 2015, 2020]})

ROWS_SPEAK = [
    Case("x - mean(x)", by_rows(lambda x: x - x.mean()), (X,), ("x",)),
    Case("centred, mean recorded", centred_recorded, (X,), ("x",)),
    Case("one row, centred", by_rows(lambda x: x - x.mean()), (X[:1],), ("x",)),
    Case("time since the first row", by_rows(lambda x: x - x[0]), (np.sort(X),), ("x",)),
    Case("ranks", by_rows(lambda x: jnp.argsort(jnp.argsort(x)) / x.shape[0]), (X,), ("x",)),
    Case("pupils against their class", group_centred, (X, CODES), ("x", "group")),
    Case("spend over the largest", saturation, (UP,), ("spend",)),
    Case("age in a frame", ages, (AGES,), ("frame",)),
    Case("years since the first in a frame", years, (AGES,), ("frame",)),
    Case("knots at quantiles", knots, (X,), ("x",)),
    Case("noise by the spread", noise, (X,), ("x",)),
    Case("median in a hazard", survival, (UP,), ("age",)),
    Case("columns scaled", columns_scaled, (u(ROWS, 3),), ("X",)),
    Case("adstock", adstock, (UP,), ("spend",)),
    Case("share of the total", by_rows(lambda x: x / x.sum()), (UP,), ("x",)),
    Case("a list of numbers", by_rows(lambda x: np.array(x) - np.mean(x)), (X.tolist(),), ("x",)),
]  # fmt: skip


def latent_centred(x, group, y=None):
    """A statistic of latents: effects that sum to zero."""
    effect = normal("effect", 5)
    effect = effect - effect.mean()
    sample("y", dist.Normal(effect[group] + x, 1.0), obs=y)


def lagged(x, y=None):
    slope = sample("slope", dist.Normal(0.0, 1.0))
    before = jnp.concatenate([jnp.zeros(1), x[:-1]])
    sample("y", dist.Normal(slope * (x - 0.5 * before), 1.0), obs=y)


def total_only(x, y=None):
    """Epidemiology: the total of all regions is observed as well."""
    rate = sample("rate", dist.HalfNormal(1.0))
    sample("y", dist.Poisson(rate * x), obs=y)
    sample("total", dist.Poisson(rate * x.sum()), obs=None)


def softmax_in_row(utilities, choice=None):
    b = sample("b", dist.Normal(0.0, 1.0))
    share = jax.nn.softmax(b * utilities, axis=1)
    sample("choice", dist.Categorical(probs=share), obs=choice)


def compositional(parts, y=None):
    """Geology: the log ratio to the mean of a row."""
    b = normal("b", 3)
    logs = jnp.log(parts)
    sample("y", dist.Normal((logs - logs.mean(axis=1, keepdims=True)) @ b, 1.0), obs=y)


def process(x, y=None):
    scale = sample("scale", dist.HalfNormal(1.0))
    K = scale * jnp.exp(-((x[:, None] - x) ** 2)) + 0.1 * jnp.eye(x.shape[0])
    sample("y", dist.MultivariateNormal(jnp.zeros(x.shape[0]), K), obs=y)


def latent_process(x, y=None):
    K = jnp.exp(-((x[:, None] - x) ** 2)) + 0.1 * jnp.eye(x.shape[0])
    z = normal("z", x.shape[0])
    sample("y", dist.Normal(jnp.linalg.cholesky(K) @ z, 1.0), obs=y)


def prior_by_data(x, y=None):
    """The prior's width by the spread of the data, as rstanarm has it."""
    slope = sample("slope", dist.Normal(0.0, 2.5 / x.std()))
    sample("y", dist.Normal(slope * x, 1.0), obs=y)


def groups_by_unique(frame, y=None):
    levels, code = np.unique(frame["g"].to_numpy(), return_inverse=True)
    effect = normal("effect", len(levels))
    sample("y", dist.Normal(effect[code] + frame["x"].to_numpy(), 1.0), obs=y)


def crossed_by_unique(site, season, y=None):
    levels, code = np.unique(site, return_inverse=True)
    effect = normal("effect", len(levels), 2)
    sample("y", dist.Normal(effect[code, season], 1.0), obs=y)


def local_level(x, y=None):
    def step(level, x):
        level = sample("level", dist.Normal(level, 1.0))
        sample("y", dist.Normal(level + x, 1.0))
        return level, None

    scan(step, jnp.zeros(()), x)


def net(X, y=None):
    w1, w2 = normal("w1", 3, 4), normal("w2", 4)
    sample("y", dist.Normal(jnp.tanh(X @ w1) @ w2, 1.0), obs=y)


def batched_matmul(X, y=None):
    W = normal("W", 2, 3)
    sample("y", dist.Normal(jnp.einsum("nj,kj->nk", X, W), 1.0).to_event(1), obs=y)


def labelled(data, y=None):
    slope = sample("slope", dist.Normal(0.0, 1.0))
    sample("y", dist.Normal(slope * data["x"].values, 1.0), obs=y)


def logsum(x, y=None):
    """A score of all rows that is no row's."""
    slope = sample("slope", dist.Normal(0.0, 1.0))
    numpyro.factor("penalty", -jnp.sum((slope * x) ** 2))
    sample("y", dist.Normal(slope * x, 1.0), obs=y)


GROUPS = pd.DataFrame({"g": list("abcabcab"), "x": X})

ROWS_SILENT = [
    Case("a straight line", by_rows(lambda x: x), (X,)),
    Case("effects that sum to zero", latent_centred, (X, CODES)),
    Case("a lag", lagged, (X,)),
    Case("a total beside the rows", total_only, (UP,)),
    Case("softmax within a row", softmax_in_row, (u(ROWS, 3),)),
    Case("log ratios within a row", compositional, (np.abs(u(ROWS, 3)) + 1,)),
    Case("a Gaussian process that is observed", process, (X,)),
    Case("a Gaussian process that is not", latent_process, (X,)),
    Case("the prior's width", prior_by_data, (X,)),
    Case("labels by np.unique", groups_by_unique, (GROUPS,)),
    Case("a local level", local_level, (X,)),
    Case("a net", net, (u(ROWS, 3),)),
    Case("several outcomes", batched_matmul, (u(ROWS, 3),)),
    Case("a frame", labelled, (GROUPS,)),
    Case("a dataset of xarray", labelled, (xr.Dataset({"x": ("row", X)}),)),
    Case("a penalty", logsum, (X,)),
    Case("centred, rows of the fit", by_rows(lambda x: x - x.mean()), (X,), None, {"new_rows": False}),
    Case("centred, mean kept", centred_recorded, (X,), None, {"keep": ("x_mean", "x_sd")}),
    Case("polynomial", by_rows(lambda x: jnp.stack([x, x**2]).sum(0)), (X,)),
    Case("a constant of the model's own", by_rows(lambda x: x - jnp.arange(3.0).mean()), (X,)),
    Case("labels by np.unique beside a plain index", crossed_by_unique, (np.array([0, 1]), np.array([1, 0]))),
]  # fmt: skip


# ------------------------------------------------------------------------------------- calls written to break it


def piecewise_hazard(time, event=None):
    """Survival: the interval by cut points, after the last of which the fit had none."""
    log_hazard = normal("log_hazard", 3)
    interval = jnp.searchsorted(jnp.array([0.0, 1.0, 2.0, 3.0]), time, side="right") - 1
    sample("event", dist.Poisson(jnp.exp(log_hazard[interval])), obs=event)


def car(edges, y=None):
    """Disease mapping: differences along the edges of a map."""
    phi = normal("phi", 4)
    sample("y", dist.Normal(phi[edges[:, 0]] - phi[edges[:, 1]], 1.0), obs=y)


def genotypes(genotype, y=None):
    effect = normal("effect", 3)
    sample("y", dist.Normal(effect[genotype], 1.0), obs=y)


def float_codes(subject, y=None):
    """Linguistics: a column that pandas made float."""
    effect = normal("effect", 4)
    sample("y", dist.Normal(effect[subject.astype(int)], 1.0), obs=y)


def transitions(before, after=None, y=None):
    table = jax.nn.log_softmax(normal("table", 3, 3), axis=1)
    numpyro.factor("likelihood", table[before, after].sum())
    sample("y", dist.Normal(table[before, 0], 1.0), obs=y)


def basket(sku, price, y=None):
    beta = normal("beta", 4, 2)
    sample("y", dist.Normal((jnp.take(beta, sku, axis=0) * price).sum(-1), 1.0), obs=y)


def stores(store, region_of, y=None):
    """Retail: the region of a store is looked up in a table of the arguments."""
    region = normal("region", 2)
    sample("y", dist.Normal(region[region_of[store]], 1.0), obs=y)


def supervised(state, y=None):
    level = normal("level", 3)
    sample("y", dist.Normal(jax.nn.one_hot(state, 3) @ level, 1.0), obs=y)


def padded_objects(visit, y=None):
    """Astronomy: padding points at a row of zeros after the last object."""
    flux = jnp.concatenate([normal("flux", 4), jnp.zeros(1)])
    sample("y", dist.Normal(flux[visit].sum(1), 1.0), obs=y)


def forms(items, y=None):
    """Tests of unequal length: -1 is no item."""
    ability, difficulty = normal("ability"), normal("difficulty", 5)
    with handlers.mask(mask=items >= 0), plate("n", 2, dim=-2), plate("k", 3, dim=-1):
        sample("y", dist.Bernoulli(logits=ability - difficulty[items]), obs=y)


def reference(arm, y=None):
    """Trials: the first arm is the reference, and has no effect."""
    effect = normal("effect", 3)
    sample("y", dist.Normal(jnp.where(arm == 0, 0.0, effect[arm - 1]), 1.0), obs=y)


def demeaned(x, firm, y=None):
    """Econometrics: means of firms by a matrix of dummies."""
    slope = sample("slope", dist.Normal(0.0, 1.0))
    D = jax.nn.one_hot(firm, 5)
    means = (D.T @ x) / jnp.maximum(D.sum(0), 1.0)
    sample("y", dist.Normal(slope * (x - D @ means), 1.0), obs=y)


def components(X, y=None):
    """Chemometrics: principal components of the spectra passed."""
    b = normal("b", 2)
    U, s, _ = jnp.linalg.svd(X - X.mean(0), full_matrices=False)
    sample("y", dist.Normal((U * s)[:, :2] @ b, 1.0), obs=y)


def months(temperature, month, y=None):
    climate, slope = normal("climate", 12), normal("slope")
    sample("y", dist.Normal(slope * (temperature - climate[month]), 1.0), obs=y)


def crowding(places, y=None):
    """Forestry: how near the next tree is."""
    b = normal("b")
    d = jnp.sqrt(((places[:, None] - places) ** 2).sum(-1) + 1e-6) + 1e3 * jnp.eye(places.shape[0])
    sample("y", dist.Normal(b * d.min(1), 1.0), obs=y)


def tasting(scores, y=None):
    slope = normal("slope")
    with plate("judges", scores.shape[0], dim=-2), plate("wines", scores.shape[1], dim=-1):
        sample("y", dist.Normal(slope * (scores - scores.mean(0)), 1.0), obs=y)


def anomaly(data, y=None):
    slope = normal("slope")
    sample("y", dist.Normal(slope * (data["x"] - data["x"].mean()).values, 1.0), obs=y)


HAND_SPEAKS = [
    Case("survival: later than the last cut", piecewise_hazard, (np.float32([0.5, 3.5, 9.0]),), ("time", (3,), 2)),
    Case("map: an area more", car, (ints(0, 1, 2, 4).reshape(2, 2),), ("edges", (4,), 1)),
    Case("genotypes: -9 is missing", genotypes, (ints(0, 2, -9),), ("genotype", (-9,), 1)),
    Case("codes that are floats", float_codes, (np.array([0.0, 4.0], np.float32),), ("subject", (4,), 1)),
    Case("transitions: a state more", transitions, (ints(0, 3), ints(0, 1)), ("before", (3,), 1)),
    Case("basket: a product more", basket, (ints(0, 4), np.ones((2, 2), np.float32)), ("sku", (4,), 1)),
    Case("a state that training had not", supervised, (ints(0, 3, -1),), ("state", (3,), 1)),
    Case("standardized", by_rows(jax.nn.standardize), (X,), ("x",)),
    Case("firms by dummies", demeaned, (X, CODES), ("x", "firm")),
    Case("drawdown", by_rows(lambda x: x - jax.lax.cummax(x)), (X,), ("x",)),
    Case("principal components", components, (u(ROWS, 3),), ("X",)),
    Case("crowding", crowding, (u(ROWS, 2),), ("places",)),
    Case("tasting: centred by wine", tasting, (u(ROWS, 3),), ("scores",)),
    Case("anomaly in a dataset", anomaly, (xr.Dataset({"x": ("row", X)}),), ("data",)),
]  # fmt: skip

HAND_SILENT = [
    Case("stores by region", stores, (ints(0, 2, 1), ints(0, 1, 1))),
    Case("padding points at zeros", padded_objects, (ints(0, 3, 4, 1, 4, 4).reshape(2, 3),)),
    Case("forms of unequal length", forms, (ints(0, 1, 4, 2, -1, -1).reshape(2, 3),)),
    Case("the reference arm", reference, (ints(0, 1, 3),)),
    Case("spikes before and after", by_rows(lambda x: jnp.convolve(x, jnp.array([0.2, 0.5, 0.3]), mode="same")), (X,)),
    Case("a sum within the row", by_rows(lambda X: X.sum(axis=1)), (u(ROWS, 3),)),
    Case("anomaly to fitted months", months, (X, ints(0, 1, 2, 3, 4, 5, 10, 11))),
]  # fmt: skip
