"""Small models with the answer by hand: what each dimension follows, and which sizes are rows.

In an answer, "X[0] y[0]" is a size of two axes, "a * b" are two sizes, "" is fixed by the model, "?" cannot be told.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import xarray as xr
from numpyro import handlers
from numpyro.contrib.control_flow import scan

Normal, HalfNormal, sample, plate = dist.Normal, dist.HalfNormal, numpyro.sample, numpyro.plate


class Truth(NamedTuple):
    """A model, the arguments of a call, and what is right for them."""

    model: Any
    args: tuple
    kwargs: dict
    follows: dict  # site -> one string a dimension
    rows: tuple  # sizes that are rows


TRUTHS: dict[str, Truth] = {}


def truth(*args, follows, rows=(), **kwargs):
    def note(model):
        name = model.__name__ if model.__name__ not in TRUTHS else f"{model.__name__}_{len(TRUTHS)}"
        TRUTHS[name] = Truth(model, args, kwargs, follows, rows)
        return model

    return note


def f(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def codes(k, n):
    return (np.arange(n) % k).astype(np.int32)


# ---------------------------------------------------------------------------------------------- regressions


@truth(f(30, 3), f(30), follows={"beta": ("X[1]",), "y": ("X[0] y[0]",)}, rows=("X[0] y[0]",))
@truth(f(30, 3), follows={"beta": ("X[1]",), "y": ("X[0]",)}, rows=("X[0]",))
@truth(f(3, 3), follows={"beta": ("X[1]",), "y": ("X[0]",)}, rows=("X[0]",))
@truth(f(1, 3), follows={"beta": ("X[1]",), "y": ("X[0]",)}, rows=("X[0]",))
@truth(f(0, 3), follows={"beta": ("X[1]",), "y": ("X[0]",)}, rows=("X[0]",))
@truth(f(3), follows={"beta": ("X[0]",), "y": ()}, rows=())  # one row, given as a vector
def regression(X, y=None):
    beta = sample("beta", Normal().expand([X.shape[-1]]))
    sample("y", Normal(X @ beta, 1.0), obs=y)


@truth(
    f(30, 2), f(30), follows={"x_true": ("X[0] y[0]", "X[1]"), "b": ("X[1]",), "y": ("X[0] y[0]",)}, rows=("X[0] y[0]",)
)
def errors_in_variables(X, y=None):
    b = sample("b", Normal().expand([X.shape[1]]))
    x_true = sample("x_true", Normal().expand([*X.shape]))
    sample("X", Normal(x_true, 0.1), obs=X)
    sample("y", Normal(x_true @ b, 1.0), obs=y)


@truth(f(30, 3), f(30, 2), follows={"B": ("X[1]", "Y[1]"), "Y": ("X[0] Y[0]", "Y[1]")}, rows=("X[0] Y[0]",))
def several_outcomes(X, Y):
    B = sample("B", Normal().expand([X.shape[1], Y.shape[1]]))
    sample("Y", Normal(X @ B, 1.0).to_event(1), obs=Y)


@truth(f(30), f(30), follows={"beta": ("degree",), "y": ("x[0] y[0]",)}, rows=("x[0] y[0]",))
def polynomial(x, y=None, degree=3):
    beta = sample("beta", Normal().expand([degree]))
    sample("y", Normal(jnp.stack([x**i for i in range(degree)], -1) @ beta, 1.0), obs=y)


# a number that equals the number of columns by accident is told apart only where it could be rows
@truth(f(30, 5), 5, follows={"w": ("X[1] width", "X[1] width"), "v": ("X[1] width",), "y": ("X[0]",)}, rows=("X[0]",))
@truth(f(30, 5), 30, follows={"w": ("X[1]", "width"), "v": ("width",), "y": ("X[0]",)}, rows=("X[0]",))
def net(X, width, y=None):
    w = sample("w", Normal().expand([X.shape[1], width]))
    v = sample("v", Normal().expand([width]))
    sample("y", Normal(jnp.tanh(X @ w) @ v, 1.0), obs=y)


@truth(f(30, 3), [4, 4], follows={"y": ("X[0]",), "W0": ("X[1]", ""), "W1": ("", ""), "out": ("",)}, rows=("X[0]",))
@truth(f(30, 2), [4, 4], follows={"y": ("X[0]",), "W1": ("", ""), "out": ("",)}, rows=("X[0]",))
def net_by_loop(X, hidden, y=None):
    h, before = X, X.shape[1]
    for i, width in enumerate(hidden):
        h, before = jnp.tanh(h @ sample(f"W{i}", Normal().expand([before, width]))), width
    sample("y", Normal(h @ sample("out", Normal().expand([before])), 1.0), obs=y)


@truth([1.0, 2.0, 3.0, 4.0], follows={"z": ("len(x)",), "y": ("len(x)",)}, rows=("len(x)",))
def a_list_of_numbers(x, y=None):
    x = jnp.asarray(x)
    z = sample("z", Normal().expand(x.shape))
    sample("y", Normal(x + z, 1.0), obs=y)


@truth(f(30), f(30), follows={"b": ("",), "p": ("", ""), "y": ("x[0] y[0]",)}, rows=("x[0] y[0]",))
def fixed_numbers(x, y=None):
    b = sample("b", Normal().expand([4]))
    sample("p", dist.Dirichlet(jnp.ones((2, 3))))
    sample("y", Normal(b.sum() * x, 1.0), obs=y)


@truth(f(30), np.array([1, 0, 2] * 10), follows={"theta": ("",), "y": ("x[0] y[0]",)}, rows=("x[0] y[0]",))
def three_categories(x, y=None):
    theta = sample("theta", Normal().expand([3]))
    sample("y", dist.Categorical(logits=x[:, None] * theta), obs=y)


@truth(
    np.ones((30, 3), np.int32),
    follows={"theta": ("counts[1]",), "counts": ("counts[0]", "counts[1]")},
    rows=("counts[0]",),
)
def multinomial(counts):
    theta = sample("theta", dist.Dirichlet(jnp.ones(counts.shape[1])))
    sample("counts", dist.Multinomial(total_count=counts.sum(-1), probs=theta), obs=counts)


@truth(
    np.ones((30, 3), np.int32), follows={"theta": ("",), "counts": ("counts[0]", "")}, rows=("counts[0]",)
)  # the model fixes the columns, which are not "not told"
def three_columns(counts):
    theta = sample("theta", dist.Dirichlet(jnp.ones(3)))
    sample("counts", dist.Multinomial(total_count=counts.sum(-1), probs=theta), obs=counts)


@truth(f(40), f(40), follows={"knots": ("n_knots",), "y": ("x[0] y[0]",)}, rows=("x[0] y[0]",))
def knots(x, y, n_knots=6):
    w = sample("knots", Normal().expand([n_knots]))
    sample("y", Normal(jnp.exp(-((x[:, None] - jnp.linspace(0, 1, n_knots)) ** 2)) @ w, 1.0), obs=y)


# ------------------------------------------------------------------------------------------- rows of their own


@truth(8, f(8), f(8), follows={"theta": ("J sigma[0] y[0]",), "y": ("J sigma[0] y[0]",)}, rows=("J sigma[0] y[0]",))
@truth(8, f(8), follows={"theta": ("J sigma[0]",), "y": ("J sigma[0]",)}, rows=("J sigma[0]",))
def eight_schools(J, sigma, y=None):
    with plate("school", J):
        theta = sample("theta", Normal())
        sample("y", Normal(theta, sigma), obs=y)


@truth(f(20), follows={"z": ("x[0]",), "y": ("x[0]",)}, rows=("x[0]",))
def overdispersed(x, y=None):
    with plate("rows", len(x)):
        z = sample("z", Normal())
        sample("y", dist.Poisson(jnp.exp(x + z)), obs=y)


@truth(20, follows={"z": ("n",), "y": ("n",)}, rows=("n",))
def rows_by_number(n, y=None):
    with plate("rows", n):
        sample("y", Normal(sample("z", Normal()), 1.0), obs=y)


@truth(f(20), 20, follows={"z": ("n y[0]",), "y": ("n y[0]",)}, rows=("n y[0]",))
def rows_by_number_and_array(y, n):
    with plate("rows", n):
        sample("y", Normal(sample("z", Normal()), 1.0), obs=y)


@truth(f(20, 2), follows={"z": ("X[0]", "k"), "W": ("X[1]", "k"), "X": ("X[0]", "X[1]")}, rows=("X[0]",))
@truth(f(20, 20), follows={"z": ("X[0]", "k"), "W": ("X[1]", "k"), "X": ("X[0]", "X[1]")}, rows=("X[0]",))
def factor_analysis(X, k=3):
    W = sample("W", Normal().expand([X.shape[1], k]))
    z = sample("z", Normal().expand([X.shape[0], k]))
    sample("X", Normal(z @ W.T, 1.0).to_event(1), obs=X)


# ------------------------------------------------------------------------------------------------- two-way tables


@truth(
    12,
    5,
    follows={"a": ("n_students",), "b": ("n_items",), "y": ("n_students", "n_items")},
    rows=("n_students", "n_items"),
)
@truth(
    7,
    7,
    follows={"a": ("n_students",), "b": ("n_items",), "y": ("n_students", "n_items")},
    rows=("n_students", "n_items"),
)
@truth(
    12,
    5,
    f(12, 5),
    follows={"a": ("n_students y[0]",), "b": ("n_items y[1]",)},
    rows=("n_students y[0]", "n_items y[1]"),
)
def rasch(n_students, n_items, y=None):
    a = sample("a", Normal().expand([n_students]))
    b = sample("b", Normal().expand([n_items]))
    sample("y", dist.Bernoulli(logits=a[:, None] - b), obs=y)


@truth(
    f(12, 5),
    f(12, 5),
    follows={"a": ("x[0] y[0]",), "t": ("x[1] y[1]",), "y": ("x[0] y[0]", "x[1] y[1]")},
    rows=("x[0] y[0]", "x[1] y[1]"),
)
def subjects_by_visits(x, y=None):
    with plate("subject", x.shape[0], dim=-2):
        a = sample("a_", Normal())
    a = numpyro.deterministic("a", a[:, 0])
    with plate("visit", x.shape[1]):
        t = sample("t", Normal())
    sample("y", Normal(a[:, None] + t + x, 1.0), obs=y)


@truth(
    f(3, 20, 2),
    f(3, 20),
    follows={"beta": ("X[0] y[0]", "X[2]"), "y": ("X[0] y[0]", "X[1] y[1]")},
    rows=("X[0] y[0]", "X[1] y[1]"),
)
@truth(
    f(20, 20, 20),
    f(20, 20),
    follows={"beta": ("X[0] y[0]", "X[2]"), "y": ("X[0] y[0]", "X[1] y[1]")},
    rows=("X[0] y[0]", "X[1] y[1]"),
)
def seemingly_unrelated(X, y):
    beta = sample("beta", Normal().expand([X.shape[0], X.shape[2]]))
    sample("y", Normal(jnp.einsum("erf,ef->er", X, beta), 1.0), obs=y)


@truth(
    f(4, 10, 3),
    f(10, 2),
    follows={"beta": ("y[0]", "x[1]"), "z": ("y[0]", "y[1] x[0]"), "y": ("y[0]", "y[1] x[0]", "y[2]")},
    rows=("y[0]", "y[1] x[0]", "y[2]"),
)
def occupancy(y, x):
    species, sites, visits = y.shape
    beta = sample("beta", Normal().expand([species, x.shape[1]]))
    z = sample("z", Normal((beta @ x.T), 1.0))
    sample("y", Normal(jnp.broadcast_to(z[..., None], (species, sites, visits)), 1.0), obs=y)


@truth(6, 4, follows={"a": ("n",), "b": ("m",), "f": ("n * m",), "y": ("n * m",)}, rows=("n", "m"))
def outer_sizes(n, m, y=None):
    a = sample("a", Normal().expand([n]))
    b = sample("b", Normal().expand([m]))
    f = numpyro.deterministic("f", jnp.kron(a, b))
    sample("y", Normal(f, 1.0), obs=y)


@truth(6, 4, f(24), follows={"a": ("n y[0]",), "b": ("m y[0]",), "y": ("n y[0] * m y[0]",)}, rows=("n y[0]", "m y[0]"))
def outer_sizes_observed(n, m, y):
    a = sample("a", Normal().expand([n]))
    b = sample("b", Normal().expand([m]))
    sample("y", Normal(jnp.kron(a, b), 1.0), obs=y)


# ---------------------------------------------------------------------------------------------------------- groups


@truth(codes(5, 30), f(30), 5, f(30), follows={"a": ("n_groups",), "y": ("g[0] x[0] y[0]",)}, rows=("g[0] x[0] y[0]",))
@truth(codes(5, 30), f(30), 5, follows={"a": ("n_groups",), "y": ("g[0] x[0]",)}, rows=("g[0] x[0]",))
@truth(
    codes(30, 30), f(30), 30, f(30), follows={"a": ("n_groups",), "y": ("g[0] x[0] y[0]",)}, rows=("g[0] x[0] y[0]",)
)
def groups_by_number(g, x, n_groups, y=None):
    a = sample("a", Normal().expand([n_groups]))
    sample("y", Normal(a[g] + x, 1.0), obs=y)


@truth(codes(5, 30), f(30), follows={"a": ("levels of g",), "y": ("g[0] x[0]",)}, rows=("g[0] x[0]",))
@truth(codes(5, 30), f(30), f(30), follows={"a": ("levels of g",), "y": ("g[0] x[0] y[0]",)}, rows=("g[0] x[0] y[0]",))
def groups_by_unique(g, x, y=None):
    levels, index = np.unique(g, return_inverse=True)
    a = sample("a", Normal().expand([len(levels)]))
    sample("y", Normal(a[index] + x, 1.0), obs=y)


@truth(codes(5, 30), follows={"a": ("levels of g",), "y": ("g[0]",)}, rows=("g[0]",))
def groups_by_maximum(g, y=None):
    with plate("group", int(g.max()) + 1):
        a = sample("a", Normal())
    sample("y", Normal(a[g], 1.0), obs=y)


@truth(list("abcde"), codes(5, 30), follows={"a": ("len(labels)",), "y": ("g[0]",)}, rows=("g[0]",))
@truth(np.array(list("abcde"), object), codes(5, 30), follows={"a": ("labels[0]",), "y": ("g[0]",)}, rows=("g[0]",))
@truth(np.array(list("abcde")), codes(5, 30), follows={"a": ("labels[0]",), "y": ("g[0]",)}, rows=("g[0]",))
@truth(tuple("abcde"), codes(5, 30), follows={"y": ("g[0]",)}, rows=("g[0]",))
def groups_by_labels(labels, g, y=None):
    a = sample("a", Normal().expand([len(labels)]))
    sample("y", Normal(a[g], 1.0), obs=y)


@truth(
    ["a", "b", "c", "a", "b", "c"] * 4,
    follows={"a": ("levels of school",), "y": ("len(school)",)},
    rows=("len(school)",),
)
def labels_a_row(school, y=None):
    levels, index = np.unique(school, return_inverse=True)
    a = sample("a", Normal().expand([len(levels)]))
    sample("y", Normal(a[index], 1.0), obs=y)


@truth(codes(6, 30), f(6), follows={"a": ("uranium[0]",), "y": ("county[0]",)}, rows=("county[0]",))
@truth(codes(30, 30), f(30), follows={"a": ("uranium[0]",), "y": ("county[0]",)}, rows=("county[0]",))
def one_row_a_group(county, uranium, y=None):
    a = sample("a", Normal(uranium, 1.0))
    sample("y", Normal(a[county], 1.0), obs=y)


@truth(codes(6, 30), f(6), follows={"a": ("levels of county uranium[0]",), "y": ("county[0]",)}, rows=("county[0]",))
def one_row_a_group_by_unique(county, uranium, y=None):
    with plate("county", len(np.unique(county))):
        a = sample("a", Normal(uranium, 1.0))
    sample("y", Normal(a[county], 1.0), obs=y)


@truth(
    codes(6, 30), codes(3, 6), 3, follows={"b": ("n_regions",), "a": ("region_of[0]",), "y": ("g[0]",)}, rows=("g[0]",)
)
def nested_groups(g, region_of, n_regions, y=None):
    b = sample("b", Normal().expand([n_regions]))
    a = sample("a", Normal(b[region_of], 1.0))
    sample("y", Normal(a[g], 1.0), obs=y)


@truth(
    codes(6, 30),
    codes(5, 30),
    6,
    5,
    f(30),
    follows={"a": ("I",), "b": ("J",), "ab": ("I", "J")},
    rows=("g[0] h[0] y[0]",),
)
@truth(
    codes(6, 30),
    codes(6, 30),
    6,
    6,
    f(30),
    follows={"a": ("I",), "b": ("J",), "ab": ("I", "J")},
    rows=("g[0] h[0] y[0]",),
)
def crossed_groups(g, h, I, J, y=None):  # noqa: E741 - as people call them
    a, b = sample("a", Normal().expand([I])), sample("b", Normal().expand([J]))
    ab = sample("ab", Normal().expand([I, J]))
    sample("y", Normal(a[g] + b[h] + ab[g, h], 1.0), obs=y)


@truth(np.eye(5, dtype=np.float32)[codes(5, 30)], follows={"a": ("Z[1]",), "y": ("Z[0]",)}, rows=("Z[0]",))
def one_hot_groups(Z, y=None):
    a = sample("a", Normal().expand([Z.shape[1]]))
    sample("y", Normal(Z @ a, 1.0), obs=y)


@truth(codes(3, 30), follows={"mu": ("K",), "y": ("y[0]",)}, rows=("y[0]",))
def mixture(y, K=4):
    mu = sample("mu", Normal().expand([K]))
    mixing = dist.Categorical(jnp.ones(K) / K)
    sample("y", dist.MixtureSameFamily(mixing, Normal(mu, 1.0)), obs=y)


# ----------------------------------------------------------------------------------------- frames, dicts, xarray


FRAME = pd.DataFrame({"age": f(24), "school": list("abc") * 8, "y": f(24)})


@truth(FRAME, follows={"a": ("levels of df['school']",), "y": ("len(df)",)}, rows=("len(df)",))
@truth(
    FRAME.assign(school=codes(3, 24)), follows={"a": ("levels of df['school']",), "y": ("len(df)",)}, rows=("len(df)",)
)
def frame_of_text(df):
    a = sample("a", Normal().expand([df["school"].nunique()]))
    index = pd.factorize(df["school"])[0]
    sample("y", Normal(a[index] + df["age"].to_numpy(), 1.0), obs=df["y"].to_numpy())


@truth(
    FRAME.assign(school=FRAME.school.astype("category")),
    follows={"a": ("levels of df['school']",), "y": ("len(df)",)},
    rows=("len(df)",),
)
def frame_with_categories(df):
    a = sample("a", Normal().expand([len(df["school"].cat.categories)]))
    sample("y", Normal(a[df["school"].cat.codes.to_numpy()], 1.0), obs=df["y"].to_numpy())


@truth(
    pd.DataFrame(f(20, 3), columns=["a", "b", "c"]),
    follows={"beta": ("X.columns",), "y": ("len(X)",)},
    rows=("len(X)",),
)
def frame_as_matrix(X, y=None):
    beta = sample("beta", Normal().expand([X.shape[1]]))
    sample("y", Normal(X.to_numpy() @ beta, 1.0), obs=y)


@truth(pd.Series(list("abcd") * 5), follows={"a": ("levels of s",), "y": ("s[0]",)}, rows=("s[0]",))
def series_of_text(s, y=None):
    a = sample("a", Normal().expand([s.nunique()]))
    sample("y", Normal(a[pd.factorize(s)[0]], 1.0), obs=y)


@truth(
    {"x": f(20), "g": codes(4, 20), "J": 4},
    follows={"a": ("data['J']",), "y": ("data['x'][0] data['g'][0]",)},
    rows=("data['x'][0] data['g'][0]",),
)
def data_in_a_dict(data):
    a = sample("a", Normal().expand([data["J"]]))
    sample("y", Normal(a[data["g"]] + data["x"], 1.0), obs=data.get("y"))


@truth(
    xr.Dataset({"x": (("obs", "feature"), f(20, 3)), "g": ("obs", codes(4, 20))}, coords={"school": list("abcd")}),
    follows={"a": ("ds.sizes['school']",), "b": ("ds.sizes['feature']",), "y": ("ds.sizes['obs']",)},
    rows=("ds.sizes['obs']",),
)
def xarray_dataset(ds, y=None):
    a = sample("a", Normal().expand([ds.sizes["school"]]))
    b = sample("b", Normal().expand([ds.sizes["feature"]]))
    sample("y", Normal(a[ds["g"].values] + ds["x"].values @ b, 1.0), obs=y)


@truth(
    xr.DataArray(f(20, 3), dims=("obs", "feature")),
    follows={"b": ("X.sizes['feature']",), "y": ("X.sizes['obs']",)},
    rows=("X.sizes['obs']",),
)
def xarray_array(X, y=None):
    b = sample("b", Normal().expand([X.sizes["feature"]]))
    sample("y", Normal(X.values @ b, 1.0), obs=y)


# ------------------------------------------------------------------------------------------------------- closures

CLOSED = f(20)


@truth(follows={"z": ("?",), "y": ("?",)})
def data_closed_over():
    z = sample("z", Normal().expand([20]))
    sample("y", Normal(z, 1.0), obs=CLOSED)


@truth(f(20), follows={"a": ("",), "y": ("x[0]",)}, rows=("x[0]",))
def index_closed_over(x, y=None):
    a = sample("a", Normal().expand([5]))
    sample("y", Normal(a[np.arange(len(x)) % 5] + x, 1.0), obs=y)


@truth(f(20), follows={"a": ("",), "z": ("?",), "y": ("?",)})
def partly_closed_over(y):
    a = sample("a", Normal().expand([5]))
    z = sample("z", Normal().expand([20]))
    sample("y", Normal(a[codes(5, 20)] + z + CLOSED, 1.0), obs=y)


def _simple(x):
    z = sample("z", Normal().expand([len(x)]))
    sample("y", Normal(x + z, 1.0))


def _register_conditioned():
    TRUTHS["conditioned"] = Truth(
        handlers.condition(_simple, data={"y": jnp.asarray(CLOSED)}), (f(20),), {}, {"z": ("?",), "y": ("?",)}, ()
    )


_register_conditioned()


# --------------------------------------------------------------------------------------------------- series, loops


@truth(f(20), follows={"z": ("y[0]",), "y": ("y[0]",)}, rows=("y[0]",))
def walk(y):
    z = sample("z", dist.GaussianRandomWalk(1.0, num_steps=len(y)))
    sample("y", Normal(z, 1.0), obs=y)


@truth(f(20), follows={"z": ("y[0]",), "y": ("y[0]",)}, rows=("y[0]",))
def walk_one_shorter(y):
    first = sample("first", Normal())
    z = sample("z", Normal().expand([len(y) - 1]))
    sample("y", Normal(first + jnp.concatenate([jnp.zeros(1), jnp.cumsum(z)]), 1.0), obs=y)


@truth(f(20), follows={"y": ("y[0]",)}, rows=("y[0]",))
def autoregression(y):
    c = sample("c", Normal().expand([2]))
    sample("y", Normal(c[0] + c[1] * y[:-1], 1.0), obs=y[1:])


@truth(f(50), 2, follows={"phi": ("p",), "y": ("p * y[0]",)}, rows=("y[0]",))
def lags_by_number(y, p):
    phi = sample("phi", Normal().expand([p]))
    lagged = jnp.stack([y[p - i - 1 : len(y) - i - 1] for i in range(p)], -1)
    sample("y", Normal(lagged @ phi, 1.0), obs=y[p:])


@truth(f(20), f(20, 2), follows={"z": ("y[0] x[0]",), "y": ("y[0] x[0]",), "b": ("x[1]",)}, rows=("y[0] x[0]",))
def scan_over_rows(y, x):
    b = sample("b", Normal().expand([x.shape[1]]))

    def step(carry, row):
        z = sample("z", Normal(carry, 1.0))
        sample("y", Normal(z + row[1] @ b, 1.0), obs=row[0])
        return z, None

    scan(step, 0.0, (y, x))


@truth(f(4, 20), follows={"z": ("y[1]", "y[0]"), "a": ("y[0]",), "y": ("y[1]", "y[0]")}, rows=("y[0]", "y[1]"))
def scan_along_columns(y):
    a = sample("a", Normal().expand([y.shape[0]]))

    def step(carry, now):
        z = sample("z", Normal(carry, 1.0))
        sample("y", Normal(a + z, 1.0), obs=now)
        return z, None

    scan(step, jnp.zeros(y.shape[0]), y.T)


@truth(f(20), 5, follows={"z": ("y[0] * future",), "y": ("y[0]",)}, rows=("y[0]",))
def scan_of_more_steps(y, future):
    z = sample("z", Normal().expand([len(y) + future]))
    sample("y", Normal(z[: len(y)], 1.0), obs=y)


@truth(f(8), follows={"level_0": (), "y": ("y[0]",)}, rows=("y[0]",))
def levels_by_loop(y):
    level, levels = 0.0, []
    for t in range(len(y)):
        level = sample(f"level_{t}", Normal(level, 1.0))
        levels.append(level)
    sample("y", Normal(jnp.stack(levels), 1.0), obs=y)


@truth(f(30), 4, follows={"b_0": (), "y": ("x[0]",)}, rows=("x[0]",))
def layers_by_loop(x, depth, y=None):
    for i in range(depth):
        x = sample(f"b_{i}", Normal()) * jnp.tanh(x)
    sample("y", Normal(x, 1.0), obs=y)


@truth(f(20, 2), f(20), follows={"f": ("X[0] y[0]",), "ls": ("X[1]",), "y": ("X[0] y[0]",)}, rows=("X[0] y[0]",))
def gaussian_process(X, y=None):
    ls = sample("ls", HalfNormal().expand([X.shape[1]]))
    K = jnp.exp(-(((X[:, None] - X[None]) / ls) ** 2).sum(-1)) + 0.1 * jnp.eye(len(X))
    f = sample("f", dist.MultivariateNormal(jnp.zeros(len(X)), K))
    sample("y", Normal(f, 1.0), obs=y)


@truth(f(20, 20), f(20), follows={"f": ("K[0] y[0]",), "y": ("K[0] y[0]",)}, rows=("K[0] y[0]",))
def factor_of_a_kernel_given(K, y):
    f = sample("f", dist.MultivariateNormal(jnp.zeros(K.shape[0]), K @ K.T + jnp.eye(K.shape[0])))
    sample("y", Normal(f, 1.0), obs=y)


@truth(f(20, 20), f(20), follows={"f": ("K[0] K[1] y[0]",), "y": ("K[0] K[1] y[0]",)}, rows=("K[0] K[1] y[0]",))
def kernel_given(K, y):
    f = sample("f", dist.MultivariateNormal(jnp.zeros(K.shape[0]), K + jnp.eye(K.shape[0])))
    sample("y", Normal(f, 1.0), obs=y)


@truth(np.eye(9, dtype=np.float32), codes(9, 30), follows={"phi": ("W[0] W[1]",), "y": ("area[0]",)}, rows=("area[0]",))
def areas_on_a_map(W, area, y=None):
    n = W.shape[0]
    phi = sample("phi", dist.MultivariateNormal(jnp.zeros(n), precision_matrix=jnp.diag(W.sum(1)) - 0.1 * W))
    sample("y", dist.Poisson(jnp.exp(phi[area])), obs=y)


@truth(f(20), 4, follows={"r": ("x[0]", "K"), "L": ("K", "K"), "y": ("x[0]",)}, rows=("x[0]",))
def correlated_slopes(x, K, y=None):
    L = sample("L", dist.LKJCholesky(K))
    r = sample("r", Normal().expand([len(x), K]))
    sample("y", Normal((r @ L.T).sum(-1) + x, 1.0), obs=y)


@truth(f(24), 4, follows={"s": ("period",), "y": ("y[0]",)}, rows=("y[0]",))
def seasonal(y, period):
    s = sample("s", Normal().expand([period]))
    sample("y", Normal(jnp.resize(s, y.shape), 1.0), obs=y)


@truth(f(12), f(30), follows={"theta": ("train[0]",), "pred": ("test[0]",), "y": ("train[0]",)}, rows=("train[0]",))
def train_and_test(train, test):
    theta = sample("theta", Normal().expand([len(train)]))
    numpyro.deterministic("pred", test * theta.mean())
    sample("y", Normal(theta, 1.0), obs=train)


@truth(f(20), np.arange(20) % 3 > 0, follows={"z": ("y[0] mask[0]",), "y": ("y[0] mask[0]",)}, rows=("y[0] mask[0]",))
def masked_rows(y, mask):
    with plate("rows", len(y)), handlers.mask(mask=mask):
        z = sample("z", Normal())
        sample("y", Normal(z, 1.0), obs=y)


@truth(f(20), follows={"z": ("x[0]",), "total": ()}, rows=())
def scalar_target(x, total=None):
    z = sample("z", Normal().expand([len(x)]))
    sample("total", Normal((x * z).sum(), 1.0), obs=total)


@truth(f(20), follows={"z": ("x[0]",), "mu": ("x[0]",)}, rows=())
def no_target(x):
    z = sample("z", Normal().expand([len(x)]))
    numpyro.deterministic("mu", x + z)


@truth(f(20), follows={"z": ("x[0]",), "mu": ("x[0]",)}, rows=("x[0]",))
def target_with_data_only(x, y=None):
    z = sample("z", Normal().expand([len(x)]))
    mu = numpyro.deterministic("mu", x + z)
    if y is not None:
        sample("y", Normal(mu, 1.0), obs=y)


@truth(
    f(20),
    np.ones(15, np.int32),
    f(15, 3),
    follows={"z": ("x[0]",), "w": ("u[1]",), "y": ("x[0]",), "v": ("v[0] u[0]",)},
    rows=("x[0]", "v[0] u[0]"),
)
def two_likelihoods(x, v, u, y=None):
    z = sample("z", Normal().expand([len(x)]))
    w = sample("w", Normal().expand([u.shape[1]]))
    sample("y", Normal(z + x, 1.0), obs=y)
    sample("v", dist.Poisson(jnp.exp(u @ w)), obs=v)


@truth(jax.random.PRNGKey(0), f(20, 2), follows={"b": ("X[1]",), "y": ("X[0]",)}, rows=("X[0]",))
def key_passed(key, X, y=None):
    b = sample("b", Normal().expand([X.shape[1]]))
    sample("y", Normal(X @ b + jax.random.normal(key), 1.0), obs=y)


@truth(f(20), f(20), follows={"z": ("x[0] y[0]",), "y": ("x[0] y[0]",)}, rows=("x[0] y[0]",), subsample=5)
def subsample_size_in_words(x, y, subsample=None):
    z = sample("z", Normal().expand([len(x)]))
    sample("y", Normal(x + z, 1.0), obs=y)
