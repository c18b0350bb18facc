"""What the fit was given and this call is not is said, where no row explains it and where it changes a prediction."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from fits import KEY, Fitted, draws, heard
from without_words import says

import sanitize
from sanitize import OtherArgumentsWarning, strip_deterministic

pd = pytest.importorskip("pandas")
xarray = pytest.importorskip("xarray")

N = 12
X = np.linspace(-1, 1, N)
Y = np.linspace(0, 1, N)
G = np.arange(N) % 3
SCHOOLS = ["A", "B", "C"] * 4

# ------------------------------------------------------------------------------------------------------- models


def by_label(labels, x, y=None):
    levels, g = np.unique(np.asarray(labels), return_inverse=True)
    with numpyro.plate("school", len(levels)):
        a = numpyro.sample("a", dist.Normal())
    with numpyro.plate("rows", len(g)):
        numpyro.sample("y", dist.Normal(a[g] + x, 1.0), obs=y)


def by_known_label(labels, x, y=None, n=3):
    g = np.unique(np.asarray(labels), return_inverse=True)[1]
    a = numpyro.sample("a", dist.Normal().expand([n]))
    numpyro.sample("y", dist.Normal(a[g] + x, 1.0), obs=y)


def looked_up(labels, x, y=None):
    g = np.array(["ABC".index(label) for label in labels])
    a = numpyro.sample("a", dist.Normal().expand([3]))
    numpyro.sample("y", dist.Normal(a[g] + x, 1.0), obs=y)


def by_position(df, y=None):
    values = jnp.asarray(df.to_numpy(dtype=float))
    with numpyro.plate("feature", values.shape[1]):
        b = numpyro.sample("b", dist.Normal())
    with numpyro.plate("rows", len(df)):
        numpyro.sample("y", dist.Normal(values @ b, 1.0), obs=y)


def by_name(df):
    b = numpyro.sample("b", dist.Normal().expand([2]))
    y = df["y"].to_numpy() if "y" in df else None
    numpyro.sample("y", dist.Normal(df["x"].to_numpy() * b[0] + df["z"].to_numpy() * b[1], 1.0), obs=y)


def by_category(df, y=None, n=3):
    g = df["g"].cat.codes.to_numpy()
    a = numpyro.sample("a", dist.Normal().expand([n]))
    numpyro.sample("y", dist.Normal(a[g] + df["x"].to_numpy(), 1.0), obs=y)


def choice(costs, chosen=None):
    """The constants of the alternatives stand in the order of the dict."""
    cost = jnp.stack([jnp.asarray(costs[k]) for k in costs], -1)
    asc = numpyro.sample("asc", dist.Normal().expand([len(costs)]))
    numpyro.sample("chosen", dist.Categorical(logits=asc - cost), obs=chosen)


def choice_by_name(costs, chosen=None):
    asc = numpyro.sample("asc", dist.Normal())
    utility = jnp.stack([asc - costs["bus"], -jnp.asarray(costs["car"])], -1)
    numpyro.sample("chosen", dist.Categorical(logits=utility), obs=chosen)


def linked(x, y=None, link="logit"):
    b = numpyro.sample("b", dist.Normal())
    eta = b * x
    p = 1 / (1 + jnp.exp(-eta)) if link == "logit" else 0.5 + jnp.arctan(eta) / jnp.pi
    numpyro.sample("y", dist.Bernoulli(p), obs=y)


def radon(g, x, u, y=None):
    gamma = numpyro.sample("gamma", dist.Normal())
    with numpyro.plate("county", len(u)):
        a = numpyro.sample("a", dist.Normal(gamma * u, 1.0))
    with numpyro.plate("rows", len(g)):
        numpyro.sample("y", dist.Normal(a[g] + u[g] * gamma + x, 1.0), obs=y)


def spatial(g, distance, y=None):
    n = distance.shape[0]
    f = numpyro.sample("f", dist.Normal().expand([n]))
    smooth = jnp.exp(-distance) @ f
    with numpyro.plate("rows", len(g)):
        numpyro.sample("y", dist.Normal(smooth[g], 1.0), obs=y)


def exposed(x, y=None, exposure=None):
    b = numpyro.sample("b", dist.Normal())
    log_rate = b * x + (0.0 if exposure is None else jnp.log(exposure))
    numpyro.sample("y", dist.Poisson(jnp.exp(log_rate)), obs=y)


def seasonal(t, y=None, period=12.0):
    b = numpyro.sample("b", dist.Normal().expand([2]))
    angle = 2 * jnp.pi * t / period
    numpyro.sample("y", dist.Normal(b[0] * jnp.sin(angle) + b[1] * jnp.cos(angle), 1.0), obs=y)


def lagged(t, y=None, lag=1):
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * jnp.roll(t, lag), 1.0), obs=y)


def measured(x, y=None, unit=1.0):
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * x / unit, 1.0), obs=y)


def activated(x, y=None, activation=jnp.tanh):
    w = numpyro.sample("w", dist.Normal().expand([4]))
    numpyro.sample("y", dist.Normal(activation(x[:, None] * w).sum(-1), 1.0), obs=y)


def spline(x, knots, y=None):
    w = numpyro.sample("w", dist.Normal().expand([len(knots)]))
    with numpyro.plate("rows", len(x)):
        numpyro.sample("y", dist.Normal(jnp.exp(-((x[:, None] - knots) ** 2)) @ w, 1.0), obs=y)


def centred_option(x, y=None, centred=False):
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * (x - 3.0 if centred else x), 1.0), obs=y)


def power(x, y=None, p=1.0):
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * jnp.abs(x) ** p, 1.0), obs=y)


def verbose(x, y=None, debug=False, name="model"):
    b = numpyro.sample("b", dist.Normal())
    if debug:
        numpyro.deterministic("eta", b * x)
    numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y)


def flagged(x, y, observed=False):
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y if observed else None)


def masked(x, y=None, mask=None):
    b = numpyro.sample("b", dist.Normal())
    with numpyro.handlers.mask(mask=True if mask is None else mask):
        numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y)


def numbered(x, n, y=None):
    b = numpyro.sample("b", dist.Normal())
    with numpyro.plate("rows", n):
        numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y)


def subsampled(x, y=None, batch=None):
    b = numpyro.sample("b", dist.Normal())
    with numpyro.plate("rows", len(x), subsample_size=batch) as i:
        numpyro.sample("y", dist.Normal(b * jnp.asarray(x)[i], 1.0), obs=None if y is None else jnp.asarray(y)[i])


def forecast(x, y=None, future=0):
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y)
    if future:
        numpyro.sample("y_future", dist.Normal(b, 1.0).expand([future]))


def in_dict(data):
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * data["x"], data["s"]), obs=data.get("y"))


def items(student, item, right=None):
    s, i = (np.unique(np.asarray(c), return_inverse=True)[1] for c in (student, item))
    ability = numpyro.sample("ability", dist.Normal().expand([4]))
    difficulty = numpyro.sample("difficulty", dist.Normal().expand([3]))
    numpyro.sample("right", dist.Bernoulli(logits=ability[s] - difficulty[i]), obs=right)


def features(X, y=None):
    b = numpyro.sample("b", dist.Normal().expand([X.shape[1]]))
    with numpyro.plate("rows", X.shape[0]):
        numpyro.sample("y", dist.Normal(jnp.asarray(np.asarray(X)) @ b, 1.0), obs=y)


def animals(relationship, animal, y=None):
    """What tells one animal from another is read by the prior alone."""
    u = numpyro.sample("u", dist.MultivariateNormal(jnp.zeros(len(relationship)), relationship))
    numpyro.sample("y", dist.Normal(u[animal], 1.0), obs=y)


def districts_of_regions(district, region_of, y=None, regions=2):
    region = numpyro.sample("region", dist.Normal().expand([regions]))
    with numpyro.plate("districts", len(region_of)):
        a = numpyro.sample("a", dist.Normal(region[region_of], 1.0))
    numpyro.sample("y", dist.Normal(a[district], 1.0), obs=y)


def neighbours(area, one, other, y=None, areas=4):
    """The map of the areas is read by a factor alone."""
    phi = numpyro.sample("phi", dist.Normal().expand([areas]))
    numpyro.factor("smooth", -0.5 * ((phi[one] - phi[other]) ** 2).sum())
    numpyro.sample("y", dist.Normal(phi[area], 1.0), obs=y)


def dummies(df, y=None):
    zones = pd.get_dummies(df["zone"]).to_numpy(float)
    b = numpyro.sample("b", dist.Normal().expand([zones.shape[1]]))
    numpyro.sample("y", dist.Normal(zones @ b, 1.0), obs=y)


def in_order_of_appearance(df, y=None):
    codes, labels = pd.factorize(df["user"])
    a = numpyro.sample("a", dist.Normal().expand([len(labels)]))
    numpyro.sample("y", dist.Normal(a[codes], 1.0), obs=y)


def crossed(df, y=None):
    """Groups are combinations of labels."""
    cell = np.unique((df["sex"] + df["zone"]).to_numpy(str), return_inverse=True)[1]
    a = numpyro.sample("a", dist.Normal().expand([int(cell.max()) + 1]))
    numpyro.sample("y", dist.Normal(a[cell] + df["x"].to_numpy(), 1.0), obs=y)


def widths(x, width, y=None):
    b = numpyro.sample("b", dist.Normal(0.0, width).expand([3]))
    numpyro.sample("y", dist.Normal(x * b[0], 1.0), obs=y)


def gaps(x, seen=None, y=None):
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y, obs_mask=seen)


def closed_over(weight, y=None):
    """The rows are those of the fit, whatever is passed."""
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * jnp.asarray(X), 1.0), obs=y)


def closed_over_by_plate(x, z, y=None):
    b = numpyro.sample("b", dist.Normal())
    with numpyro.plate("rows", N):
        numpyro.sample("y", dist.Normal(b * jnp.asarray(X), 1.0), obs=y)


def of_fixed_length(x, z, y=None):
    """One argument is read, the other is not."""
    b = numpyro.sample("b", dist.Normal())
    with numpyro.plate("rows", N):
        numpyro.sample("y", dist.Normal(b * x, 1.0), obs=y)


def of_length(x, y=None):
    """Nothing but the length is read."""
    b = numpyro.sample("b", dist.Normal())
    with numpyro.plate("rows", len(x)):
        numpyro.sample("y", dist.Normal(b, 1.0), obs=y)


def total(x, y=None):
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b, 1.0), obs=y)


# ------------------------------------------------------------------------------------------------------ samples


def frame(**columns):
    return pd.DataFrame(columns)


DF = frame(x=X, z=X**2)
CATEGORIES = frame(x=X, g=pd.Categorical(SCHOOLS, categories=["A", "B", "C"]))
COSTS = {"bus": X, "car": X**2, "train": X + 1}


def idata(model, *args, dims=None, coords=None, constant_data=None, without=(), **kwargs):
    """An InferenceData (or the DataTree of ArviZ 1) of the draws of a fit."""
    samples = draws(model, *args, without=without, **kwargs)
    dims = dims or {}
    variables = {
        name: (("chain", "draw", *dims.get(name, [f"{name}_dim_{i}" for i in range(value.ndim - 1)])), value[None])
        for name, value in samples.items()
    }
    coords = {**{d: np.arange(n) for d, n in xarray.Dataset(variables).sizes.items()}, **(coords or {})}
    posterior = xarray.Dataset(variables, coords=coords)
    recorded = {
        name: (tuple(f"{name}_dim_{i}" for i in range(np.ndim(v))), np.asarray(v))
        for name, v in (constant_data or {}).items()
    }
    if hasattr(xarray, "DataTree"):
        groups = {"posterior": posterior, **({"constant_data": xarray.Dataset(recorded)} if recorded else {})}
        return xarray.DataTree.from_dict(groups)
    arviz = pytest.importorskip("arviz")
    groups = {"posterior": posterior, **({"constant_data": xarray.Dataset(recorded)} if recorded else {})}
    return arviz.InferenceData(**groups)


def call(model, samples, *args, **kwargs):
    return lambda: strip_deterministic(model, samples(), *args, **kwargs)


def fit(model, *args, **kwargs):
    return lambda: Fitted(model, *args, **kwargs)


def labelled(model, *args, **kwargs):
    return lambda: idata(model, *args, **kwargs)


RELATED = np.array([[1.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 1.0]])
CELLS = frame(x=X, sex=["f", "m"] * 6, zone=SCHOOLS)

SPEAKS = {
    "an argument that reaches nothing": (
        call(closed_over, lambda: draws(closed_over, X, Y), np.ones(3)),
        "weight: nothing",
    ),
    "as many rows that reach nothing": (call(closed_over, lambda: draws(closed_over, X, Y), X + 1), "weight: nothing"),
    "two arguments that reach nothing": (
        call(closed_over_by_plate, fit(closed_over_by_plate, X, X, Y), X[:3], X[:3]),
        "z: nothing",
    ),
    "relationship of other animals": (
        call(animals, fit(animals, RELATED, G, Y), RELATED[::-1, ::-1], G[:5]),
        "relationship",
    ),
    "parents of groups": (
        call(districts_of_regions, fit(districts_of_regions, G, np.array([0, 0, 1]), Y), G[:5], np.array([1, 0, 0])),
        "region_of",
    ),
    "another map": (
        call(
            neighbours,
            fit(neighbours, G, np.array([0, 1, 2]), np.array([1, 2, 3]), Y),
            G[:5],
            np.array([0, 0, 0]),
            np.array([1, 2, 3]),
        ),
        "one",
    ),
    "group covariate, all larger by as much": (
        call(radon, fit(radon, G, X, np.arange(3.0), Y), G[:5], X[:5], np.arange(3.0) + 5),
        "u",
    ),
    "dummies of other zones, one a row": (
        call(dummies, fit(dummies, frame(zone=list("ABCABC")), Y[:6]), frame(zone=list("BCD"))),
        "zone",
    ),
    "labels in another order of appearance": (
        call(
            in_order_of_appearance,
            fit(in_order_of_appearance, frame(user=SCHOOLS), Y),
            frame(user=SCHOOLS[::-1]),
        ),
        "user",
    ),
    "numbers in another order of appearance": (
        call(
            in_order_of_appearance,
            fit(in_order_of_appearance, frame(user=100 + G), Y),
            frame(user=100 + G[::-1]),
        ),
        "user",
    ),
    "other combinations of labels": (
        call(crossed, fit(crossed, CELLS, Y), CELLS.assign(zone=["A", "B", "D"] * 4)),
        "zone",
    ),
    "other schools": (call(by_label, fit(by_label, SCHOOLS, X, Y), ["A", "B", "F"] * 4, X), "labels"),
    "other schools, an array of objects": (
        call(by_label, fit(by_label, np.array(SCHOOLS, object), X, Y), np.array(["D", "E", "F"] * 4, object), X),
        "labels",
    ),
    "other schools, the number fixed": (
        call(by_known_label, fit(by_known_label, SCHOOLS, X, Y), ["A", "C", "D"] * 4, X),
        "labels",
    ),
    "other numbers of subjects": (
        call(by_label, fit(by_label, 100 + G, X, Y), np.where(G == 2, 200, 100 + G), X),
        "labels",
    ),
    "other items": (
        call(items, fit(items, list("abcd") * 3, SCHOOLS, G > 0), list("abcd") * 3, ["A", "B", "D"] * 4),
        "item",
    ),
    "columns in another order": (call(by_position, fit(by_position, DF, Y), DF[["z", "x"]]), "df"),
    "other columns": (call(by_position, fit(by_position, DF, Y), frame(x=X, income=X**3)), "income"),
    "categories in another order": (
        call(
            by_category,
            fit(by_category, CATEGORIES, Y),
            frame(x=X, g=pd.Categorical(SCHOOLS, categories=["C", "B", "A"])),
        ),
        "df",
    ),
    "categories of a part": (
        call(
            by_category,
            fit(by_category, CATEGORIES, Y),
            frame(x=X[:4], g=pd.Categorical(["B", "C", "B", "C"])),
        ),
        "df",
    ),
    "alternatives in another order": (
        call(choice, fit(choice, COSTS, G), {k: COSTS[k] for k in ("train", "bus", "car")}),
        "costs",
    ),
    "another alternative": (
        call(choice, fit(choice, COSTS, G), {"bus": X, "car": X**2, "plane": X}),
        "plane",
    ),
    "link of the fit not passed again": (call(linked, fit(linked, X, G > 0, link="cauchit"), X[:5]), "link"),
    "group covariate": (call(radon, fit(radon, G, X, np.arange(3.0), Y), G[:5], X[:5], np.ones(3)), "u"),
    "distances of other places": (
        call(spatial, fit(spatial, G, np.eye(3), Y), G[:7], np.ones((3, 3))),
        "distance",
    ),
    "exposure left out": (call(exposed, fit(exposed, X, G, np.full(N, 9.0)), X), "exposure"),
    "period": (call(seasonal, fit(seasonal, X, Y, period=7.0), X[:5]), "period"),
    "lag": (call(lagged, fit(lagged, X, Y, lag=2), X), "lag"),
    "unit": (call(measured, fit(measured, X, Y, 1000.0), X), "unit"),
    "activation": (call(activated, fit(activated, X, Y, activation=jnp.sin), X), "activation"),
    "knots": (call(spline, fit(spline, X, np.linspace(-1, 1, 5), Y), X[:6], np.linspace(-1, 1, 5) ** 3), "knots"),
    "centring": (call(centred_option, fit(centred_option, X, Y, centred=True), X[:3]), "centred"),
    "option in constant_data": (
        call(power, labelled(power, X, Y, p=2.0, constant_data={"x": X, "p": 2.0}), X[:4]),
        "p",
    ),
    "group covariate in constant_data": (
        call(
            radon,
            labelled(radon, G, X, np.arange(3.0), Y, constant_data={"u": np.arange(3.0)}),
            G[:5],
            X[:5],
            np.ones(3),
        ),
        "u",
    ),
    "labels of the coordinate": (
        call(
            by_label,
            labelled(by_label, SCHOOLS, X, Y, dims={"a": ["school"]}, coords={"school": ["A", "B", "C"]}),
            ["A", "B", "F"] * 4,
            X,
        ),
        "school",
    ),
    "columns of the coordinate": (
        call(
            by_position,
            labelled(by_position, DF, Y, dims={"b": ["feature"]}, coords={"feature": ["x", "z"]}),
            DF[["z", "x"]],
        ),
        "feature",
    ),
    "labelled array, features in another order": (
        call(
            features,
            fit(features, xarray.DataArray(np.ones((N, 2)), dims=("row", "f"), coords={"f": ["p", "q"]}), Y),
            xarray.DataArray(np.eye(N)[:, :2], dims=("row", "f"), coords={"f": ["q", "p"]}),
        ),
        "X",
    ),
}

SILENT = {
    "one argument of two is read": call(of_fixed_length, lambda: draws(of_fixed_length, X, X, Y), X, X[:3]),
    "the rows of the model are meant": call(closed_over, lambda: draws(closed_over, X, Y), X[:3], new_rows=False),
    "only the length is read": call(of_length, lambda: draws(of_length, X, Y), X[:3]),
    "a total has no rows": call(total, lambda: draws(total, X, 0.5), X[:3]),
    "the same relationship": call(animals, fit(animals, RELATED, G, Y), RELATED, G[:5]),
    "the same parents": call(
        districts_of_regions, fit(districts_of_regions, G, np.array([0, 0, 1]), Y), G[:5], np.array([0, 0, 1])
    ),
    "the same map": call(
        neighbours,
        fit(neighbours, G, np.array([0, 1, 2]), np.array([1, 2, 3]), Y),
        G[:5],
        np.array([0, 1, 2]),
        np.array([1, 2, 3]),
    ),
    "dummies of the same zones": call(
        dummies, fit(dummies, frame(zone=list("ABCABC")), Y[:6]), frame(zone=list("CAB"))
    ),
    "labels in the same order of appearance": call(
        in_order_of_appearance, fit(in_order_of_appearance, frame(user=SCHOOLS), Y), frame(user=list("ABBC"))
    ),
    "the same combinations in another order": call(crossed, fit(crossed, CELLS, Y), CELLS[::-1]),
    "another width of a prior that is the same for all": call(widths, fit(widths, X, 2.0, Y), X[:5], 1.0),
    "the mask of the outcome left out with it": call(gaps, fit(gaps, X, X > 0, Y), X[:5]),
    "the same": call(linked, fit(linked, X, G > 0), X, G > 0),
    "nothing passed": call(linked, fit(linked, X, G > 0, link="cauchit")),
    "other rows": call(linked, fit(linked, X, G > 0), X[:5] + 1),
    "outcome left out": call(radon, fit(radon, G, X, np.arange(3.0), Y), G, X, np.arange(3.0)),
    "fewer rows, the same schools": call(by_label, fit(by_label, SCHOOLS, X, Y), ["B", "A", "C", "C"], X[:4]),
    "rows in another order": call(by_label, fit(by_label, SCHOOLS, X, Y), SCHOOLS[::-1], X[::-1]),
    "fewer schools, looked up": call(looked_up, fit(looked_up, SCHOOLS, X, Y), ["B", "C"], X[:2]),
    "other rows of the same numbered subjects": call(by_label, fit(by_label, 100 + G, X, Y), 100 + G[::-1], X),
    "columns by name": call(by_name, fit(by_name, DF.assign(y=Y)), DF[["z", "x"]]),
    "columns by name, more of them": call(by_name, fit(by_name, DF.assign(y=Y)), DF.assign(w=1.0, v="text")),
    "columns by name, other texts beside": call(
        by_name, fit(by_name, DF.assign(y=Y, person=SCHOOLS)), DF.assign(person=["D", "E", "F"] * 4)
    ),
    "same categories, fewer used": call(by_category, fit(by_category, CATEGORIES, Y), CATEGORIES.iloc[:2]),
    "index of the frame": call(by_position, fit(by_position, DF, Y), DF.iloc[::-1]),
    "keys by name": call(
        choice_by_name, fit(choice_by_name, {"bus": X, "car": X}, G > 0), {"car": X[:3], "bus": X[:3]}
    ),
    "keys in the same order": call(choice, fit(choice, COSTS, G), {k: v[:4] for k, v in COSTS.items()}),
    "outcome's key left out": call(in_dict, fit(in_dict, {"y": Y, "x": X, "s": 1.0}), {"x": X[:5], "s": 1.0}),
    "option passed again": call(linked, fit(linked, X, G > 0, link="cauchit"), X[:5], link="cauchit"),
    "option by position": call(measured, fit(measured, X, Y, unit=10.0), X[:5], None, 10.0),
    "option without a part": call(verbose, fit(verbose, X, Y, debug=True, name="first"), X[:5]),
    "flag of the outcome": call(flagged, fit(flagged, X, Y, observed=True), X, Y),
    "mask left out": call(masked, fit(masked, X, Y, mask=X > 0), X[:5]),
    "number of rows": call(numbered, fit(numbered, X, N, Y), X[:5], 5),
    "another value meant": call(measured, fit(measured, X, Y), X, unit=5.0),
    "subsampled fit": call(subsampled, fit(subsampled, X, Y, batch=4), X),
    "a horizon": call(forecast, fit(forecast, X, Y), X, future=4),
    "other rows of the same groups": call(
        radon, fit(radon, G, X, np.arange(3.0), Y), G[::-1][:7], X[:7] * 2, np.arange(3.0)
    ),
    "covariate by JAX": call(radon, fit(radon, G, X, np.arange(3) / 7, Y), G[:7], X[:7], jnp.asarray(np.arange(3) / 7)),
    "coordinates agree": call(
        by_label,
        labelled(by_label, SCHOOLS, X, Y, dims={"a": ["school"]}, coords={"school": ["A", "B", "C"]}),
        ["C", "B", "A"],
        X[:3],
    ),
    "coordinates are numbers only": call(by_label, labelled(by_label, SCHOOLS, X, Y), ["A", "B", "F"] * 4, X),
    "columns of the coordinate agree": call(
        by_position, labelled(by_position, DF, Y, dims={"b": ["feature"]}, coords={"feature": ["x", "z"]}), DF[:4]
    ),
    "a dict": call(linked, lambda: draws(linked, X, G > 0, link="cauchit"), X),
    "constant_data of other rows": call(measured, labelled(measured, X, Y, constant_data={"x": X}), X[:4]),
    "the same items, other students": call(
        items, fit(items, list("abcd") * 3, SCHOOLS, G > 0), list("dcba") * 3, SCHOOLS[::-1]
    ),
}


def said(run):
    """What the warning carries, in words; empty: there is none."""
    found = heard(run, OtherArgumentsWarning)
    return "" if found is None else "; ".join(f"{argument}: {words}" for argument, words in found.differences.items())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", SPEAKS)
def test_other_arguments_are_said(case):
    run, words = SPEAKS[case]
    assert words in said(run)
    assert said(run)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", SILENT)
def test_routine_calls_are_silent(case):
    assert said(SILENT[case]) == ""


@pytest.mark.filterwarnings("ignore")
def test_the_warning_carries_what_was_seen():
    with pytest.warns(OtherArgumentsWarning) as caught:
        call(linked, fit(linked, X, G > 0, link="cauchit"), X[:5])()
    warning = next(w.message for w in caught if isinstance(w.message, OtherArgumentsWarning))
    assert list(warning.differences) == ["link"]
    assert "'cauchit'" in warning.differences["link"]
    assert says(str(warning), "'cauchit'")


def test_keep_says_that_it_is_meant():
    call(linked, fit(linked, X, G > 0, link="cauchit"), X[:5], keep=("b",))()  # warnings are errors here


@pytest.mark.filterwarnings("ignore")
def test_the_drop_in_says_it_at_every_call():
    predictive = sanitize.Predictive(linked, Fitted(linked, X, G > 0, link="cauchit"))
    for _ in range(2):
        with pytest.warns(OtherArgumentsWarning, match="link"):
            predictive(KEY, X[:5])


# ------------------------------------------------------------------------------------------------------ a code book


def clubs(book, home, y=None):
    with numpyro.plate("club", len(book)):
        s = numpyro.sample("s", dist.Normal())
    numpyro.sample("y", dist.Normal(s[np.array([book[name] for name in home])], 1.0), obs=y)


BOOK, HOME = {"a": 0, "b": 1, "c": 2}, ["a", "b", "c", "a"]


@pytest.mark.parametrize(
    ("book", "home", "told"),
    [
        (BOOK, HOME[:2], False),
        ({"c": 2, "b": 1, "a": 0}, HOME, False),  # keys in another order, with the same codes
        ({"c": 0, "a": 1, "b": 2}, ["a", "b"], True),
        ({"a": 0, "b": 1, "d": 2}, ["a", "d"], True),
        ({"x": 0, "y": 1, "z": 2}, ["z"], True),
    ],
)
@pytest.mark.parametrize("wrap", [lambda book: (clubs, book), lambda book: (in_a_dict, {"book": book})])
def test_a_code_book_names_the_groups(wrap, book, home, told):
    model, now = wrap(book)
    fit = Fitted(model, wrap(BOOK)[1], HOME, np.zeros(4))
    found = heard(lambda: strip_deterministic(model, fit, now, home), OtherArgumentsWarning)
    assert (found is not None) == told
    if told:
        assert any("book" in name for name in found.differences)


def in_a_dict(data, home, y=None):
    clubs(data["book"], home, y)


def test_numbers_of_a_dict_that_nothing_is_picked_by_are_no_code_book():
    def lagged(x, of, y=None):
        b = numpyro.sample("b", dist.Normal().expand([2]))
        numpyro.sample("y", dist.Normal(b[0] * x * len(of) + b[1], 1.0), obs=y)

    fit = Fitted(lagged, X, {"lag": 1, "degree": 2}, Y)
    run = lambda: strip_deterministic(lagged, fit, X[:3], {"lag": 2, "degree": 1})  # noqa: E731
    assert heard(run, OtherArgumentsWarning) is None
