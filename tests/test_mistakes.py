"""What a beginner does wrong, each as it is done: the message holds the words that tell the way out.

`python tests/test_mistakes.py` prints how many are told, and every message.
"""

import contextlib
import re
import warnings

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from models import regression
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoNormal
from warned import warned

import sanitize
from sanitize import extend, inspect_sites, posterior_samples, strip_deterministic
from sanitize import log_likelihood as score

KEY = jax.random.PRNGKey(0)


def three_columns(X, y=None):
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([3]).to_event(1))
    numpyro.sample("y", dist.Normal(X @ beta, 1.0), obs=y)


def needs_y(X, y):
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([X.shape[1]]).to_event(1))
    with numpyro.plate("rows", y.shape[0]):
        numpyro.sample("y", dist.Normal(X @ beta, 1.0), obs=y)


def with_options(X, y=None, **kwargs):
    regression(X, y)


def grouped(x, group, y=None):
    with numpyro.plate("groups", 3):
        effect = numpyro.sample("effect", dist.Normal(0.0, 1.0))
    numpyro.sample("y", dist.Normal(effect[group] + x, 1.0), obs=y)


def per_row(x, y=None):
    with numpyro.plate("rows", x.shape[0]):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        numpyro.sample("y", dist.Normal(x + z, 1.0), obs=y)


def number_of_groups(x, group, n_groups, y=None):
    with numpyro.plate("groups", n_groups):
        effect = numpyro.sample("effect", dist.Normal(0.0, 1.0))
    numpyro.sample("y", dist.Normal(effect[group] + x, 1.0), obs=y)


def schools(J, y=None):
    with numpyro.plate("school", J):
        theta = numpyro.sample("theta", dist.Normal(0.0, 1.0))
        numpyro.sample("y", dist.Normal(theta, 1.0), obs=y)


def pupils(school, x, J=8, y=None):
    with numpyro.plate("school", J):
        theta = numpyro.sample("theta", dist.Normal(0.0, 1.0))
    with numpyro.plate("pupils", len(x)):
        numpyro.sample("y", dist.Normal(theta[school] + x, 1.0), obs=y)


def walk(n, y=None):
    level = numpyro.sample("level", dist.GaussianRandomWalk(1.0, num_steps=n))
    numpyro.sample("y", dist.Normal(level, 1.0), obs=y)


def of_a_frame(df, y=None):
    slope = numpyro.sample("slope", dist.Normal(0.0, 1.0))
    numpyro.sample("y", dist.Normal(slope * df["price"].to_numpy(), 1.0), obs=y)


def some_missing(x, mask, y=None):
    slope = numpyro.sample("slope", dist.Normal(0.0, 1.0))
    with numpyro.plate("rows", len(x)):
        numpyro.sample("y", dist.Normal(slope * x, 1.0), obs=y, obs_mask=mask)


def a_net(x, y=None):
    weights = numpyro.param("weights", np.zeros(3))
    scale = numpyro.sample("scale", dist.HalfNormal(1.0))
    numpyro.sample("y", dist.Normal(x @ weights, scale), obs=y)


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def fitted_by_svi():
    svi = SVI(three_columns, AutoNormal(three_columns), numpyro.optim.Adam(0.1), Trace_ELBO())
    with quiet():
        return svi.run(KEY, 2, X, y, progress_bar=False)


rng = np.random.default_rng(0)
X, X_new, y = rng.normal(size=(9, 3)), rng.normal(size=(5, 3)), rng.normal(size=9)
s = {"alpha": np.zeros(6), "beta": np.ones((6, 3)), "sigma": np.ones(6), "eta": np.ones((6, 9))}
by_chain = {name: np.stack([value, value]) for name, value in s.items()}
strip, Predictive = strip_deterministic, sanitize.Predictive

z = {"z": np.ones((6, 5))}
b, three_groups = {"beta": s["beta"]}, {"effect": s["beta"]}
x, group = np.zeros(2), np.array([0, 1])


eight, steps = {"theta": np.ones((6, 8))}, {"level": np.ones((6, 24))}
slopes, unscaled = {"slope": np.ones(6)}, {"scale": np.ones(6)}
predict = Predictive(regression, s)


def dot_product(X, y=None):
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([3]).to_event(1))
    numpyro.sample("y", dist.Normal(jax.numpy.dot(X, beta), 1.0), obs=y)


def mean_only(y=None, n=None):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    with numpyro.plate("rows", n if y is None else len(y)):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def frame(**columns):
    return pytest.importorskip("pandas").DataFrame(columns)


def labelled():
    xr = pytest.importorskip("xarray")
    return xr.Dataset({"theta": (("chain", "draw", "school"), np.ones((1, 6, 8)))}, {"school": list("ABCDEFGH")})


def summary():
    return pytest.importorskip("pandas").DataFrame({"mean": [0.0, 1.0], "sd": [1.0, 1.0]}, index=["alpha", "sigma"])


def one_draw():
    return {name: value[0] for name, value in s.items()}


def renamed():
    return {"alpha": s["alpha"], "betas": s["beta"], "sigma": s["sigma"]}


# what is done, and the words that its message holds; no words: it is right as it is, and silent
MISTAKES = {
    # ---- the arguments
    "a column too many": (lambda: strip(regression, s, np.ones((5, 4))), "beta | X | (5, 4) | (3,) | redraw"),
    "a column too few": (lambda: strip(regression, s, np.ones((5, 2))), "beta | X | (5, 2) | (3,) | redraw"),
    "a column too many, the model's line": (
        lambda: strip(three_columns, b, np.ones((5, 4))),
        "three_columns(X | beta | X: (5, 4)",
    ),
    "X transposed": (lambda: strip(regression, s, X.T), "beta | X | (3, 9) | transposed"),
    "X transposed, the model's line": (lambda: strip(three_columns, b, X.T), "three_columns(X | beta | X: (3, 9)"),
    "one row without its axis": (lambda: strip(regression, s, X[0]), "regression(X | X: (3,) | X[None]"),
    "one row, the model's line": (lambda: strip(three_columns, b, X[0, :2]), "three_columns(X | beta | X: (2,)"),
    "a key before X": (lambda: strip(regression, s, KEY, X_new), "random key | Predictive(model, samples)(key, ...)"),
    "a key before X, in inspect_sites": (lambda: inspect_sites(regression, KEY, X_new), "random key | take none"),
    "no key": (lambda: Predictive(regression, s)(X_new), "random key | Predictive(model, samples)(key, ...)"),
    "an int for the key": (lambda: Predictive(regression, s)(0, X_new), "random key | jax.random.PRNGKey(0)"),
    "a list of lists for X": (lambda: strip(regression, s, X_new.tolist()), "X: list | np.asarray"),
    "a list of lists, predicted": (lambda: Predictive(regression, s)(KEY, X_new.tolist()), "X: list | np.asarray"),
    "x= for X=": (
        lambda: strip(regression, s, x=X_new),
        "regression(X, y=None) | missing a required argument: 'X' | X=",
    ),
    "x= for X=, predicted": (lambda: Predictive(regression, s)(KEY, x=X_new), "regression(X, y=None) | 'X' | X="),
    "an argument too many": (
        lambda: strip(regression, s, X_new, None, 3),
        "regression(X, y=None) | too many positional arguments",
    ),
    "an option misspelt": (lambda: strip(regression, s, X_new, new_row=True), "'new_row' | new_rows="),
    "an option misspelt, **kwargs": (lambda: strip(with_options, s, X_new, redraws="beta"), "'redraws' | redraw="),
    "an option misspelt, at construction": (lambda: Predictive(regression, s, new_row=True), "'new_row' | new_rows="),
    "y required by the model": (lambda: strip(needs_y, b, X_new), "'y' | y=None | the default None"),
    "y required, None passed": (lambda: strip(needs_y, b, X_new, None), "needs_y | y: None"),
    "y passed to predict": (lambda: Predictive(regression, s)(KEY, X, y), "'y' | the data come back | leave out"),
    "y and X swapped": (lambda: strip(regression, s, y, X), "X: (9,) | y: (9, 3) | swapped"),
    "empty X": (lambda: strip(regression, s, X[:0]), "X | (0, 3) | no rows"),
    "X is None": (lambda: strip(regression, s, None), "X: None"),
    "text for X": (lambda: strip(three_columns, b, X_new.astype(str)), "X: U32 | numbers"),
    "labels for numbers": (lambda: strip(grouped, three_groups, x, np.array(["a", "b"])), "group: U1 | numbers"),
    # ---- the samples
    "one draw, predicted": (lambda: Predictive(regression, one_draw())(KEY, X_new), "one draw | v[None]"),
    "one draw, scored": (lambda: score(regression, one_draw(), X, y), "one draw | v[None]"),
    "samples by chain": (lambda: Predictive(regression, by_chain)(KEY, X_new), "by chain | batch_ndims=2"),
    "samples by chain, scored": (lambda: score(regression, by_chain, X, y), "by chain | batch_ndims=2"),
    "predictions as samples": (
        lambda: strip(regression, {"obs": np.ones((6, 9))}, X_new),
        "'obs' | predicted | posterior samples",
    ),
    "a renamed entry": (lambda: strip(regression, renamed(), X_new), "'beta' | 'betas' | rename"),
    "an entry thinned": (lambda: strip(regression, {**s, "beta": s["beta"][::2]}, X_new), "'beta' | (3, 3) | alike"),
    "an SVI result": (lambda: strip(three_columns, fitted_by_svi(), X_new), "SVIRunResult | guide.sample_posterior"),
    "params of SVI": (
        lambda: strip(three_columns, fitted_by_svi().params, X_new),
        "beta_auto_loc | guide.sample_posterior",
    ),
    "a path": (lambda: strip(regression, "posterior.nc", X_new), "path | az.from_netcdf('posterior.nc')"),
    "a number": (lambda: strip(regression, 3, X_new), "an int | mcmc.get_samples()"),
    "None for the samples": (lambda: strip(regression, None, X_new), "None | mcmc.get_samples()"),
    "a list of draws": (lambda: strip(regression, [1.0, 2.0], X_new), "a list | mcmc.get_samples()"),
    "a summary": (lambda: strip(regression, summary(), X_new), "DataFrame | no draws | mcmc.get_samples()"),
    "no samples for the drop-in": (lambda: Predictive(regression, {}), "empty | num_samples="),
    "no samples": (lambda: strip(regression, {}, X_new), "empty | num_samples"),
    "a dict to posterior_samples": (lambda: posterior_samples(s), "a dict | Predictive wants"),
    "samples of another model": (lambda: strip(per_row, s, X_new[:, 0]), "'z' | 'alpha' | the model that was fitted"),
    # ---- the model
    "model(X) for model": (lambda: strip(None, s), "NoneType | without calling it"),
    "a guide for the model": (
        lambda: strip(AutoNormal(three_columns), b, X_new),
        "is a guide | guide.sample_posterior",
    ),
    "samples and model swapped": (lambda: strip(s, regression, X_new), "dict | pass the model first"),
    "a Predictive for the model": (
        lambda: strip(Predictive(regression, s), s, X_new),
        "Predictive | pass the model first",
    ),
    # ---- the options
    "np.True_": (lambda: strip(per_row, z, X_new[:, 0], new_rows=np.True_, keep="z"), ""),
    "new_rows by text": (
        lambda: strip(regression, s, X_new, new_rows="yes"),
        "new_rows is 'yes' | True, False or None",
    ),
    "a name that is none": (lambda: strip(regression, s, X_new, redraw="bta"), "'bta' | 'beta'"),
    "a site that is none": (lambda: inspect_sites(regression, X_new)["bta"], "'bta' | 'beta' | no site"),
    "an entry that is none": (lambda: inspect_sites(regression, X_new).review(s)["bta"], "'bta' | 'beta' | no entry"),
    "True for keep": (lambda: strip(regression, s, X_new, keep=True), "keep is True | a name"),
    # ---- rows and groups
    "more groups": (
        lambda: strip(number_of_groups, three_groups, x, group, 5),
        "effect | n_groups | 5 | (3,) | redraw",
    ),
    "the same number of rows": (lambda: strip(per_row, z, X_new[:, 0]), "'z' | new_rows=True | new_rows=False"),
    # ---- twenty tasks: predict again
    "new_rows at the call": (lambda: predict(KEY, X_new, new_rows=True), "'new_rows' | an option of Predictive(...)"),
    "keep at the call": (lambda: predict(KEY, X_new, keep="beta"), "Predictive(model, samples, keep=...)(key, ...)"),
    "num_samples at the call": (lambda: predict(KEY, X_new, num_samples=9), "an option of Predictive(...)"),
    "batch_size at the call": (lambda: predict(KEY, X_new, batch_size=9), "an option of Predictor(...)"),
    "extend= to strip": (lambda: strip(schools, eight, 10, extend="theta"), "Predictive(model, samples, extend=...)"),
    "batch_ndims= to strip": (
        lambda: strip(regression, by_chain, X_new, batch_ndims=2),
        "an option of Predictive(...)",
    ),
    "no arguments": (lambda: predict(), "random key | Predictive(model, samples)(key, ...)"),
    "the key alone": (lambda: predict(KEY), "'X' | Predictive(model, samples)(key, X)"),
    "data= for X=": (lambda: predict(KEY, data=X_new), "no parameter 'data' | 'X' and 'y'"),
    "an option that none has": (lambda: Predictive(regression, s, thin=2), "'thin' | num_samples"),
    # ---- groups by an index
    "an index from one": (
        lambda: strip(pupils, eight, np.array([1, 8]), x),
        "'school' holds 8, but 'theta' has 8 values (0 to 7) | uses the last one for 1 of 2 rows | "
        "(i >= 0) & (i < n) | extend=('theta',)",
    ),
    "-1 for an unknown school": (
        lambda: strip(pupils, eight, np.array([1, -1]), x),
        "'school' holds -1 | counts from the end for 1 of 2 rows | extend=('theta',)",
    ),
    "names of schools": (
        lambda: strip(pupils, eight, np.array(["A", "C"]), x),
        "school holds no numbers | by those of the fit | pandas.Index(labels).get_indexer(school)",
    ),
    "names of schools, a labelled fit": (lambda: strip(pupils, labelled(), np.array(["A", "C"]), x), "get_indexer"),
    "schools as floats": (lambda: strip(pupils, eight, np.array([0.0, 2.0]), x), "school.astype(int)"),
    "a Series for an index": (
        lambda: strip(grouped, three_groups, x, frame(group=[0, 1]).group),
        "group is a Series | np.asarray(group)",
    ),
    "schools of other rows": (lambda: strip(pupils, eight, np.arange(5), x), "school is 5 long, x is 2 long"),
    # ---- more groups, more steps
    "more schools, no key": (lambda: extend(schools, eight, 10, sites="theta"), "random key | extend(model, samples"),
    "more schools, no sites": (lambda: extend(schools, eight, KEY, 10), "sites= | sites='theta'"),
    "more schools, extend= for sites=": (lambda: extend(schools, eight, KEY, 10, extend="theta"), "sites="),
    "more schools, sites= for extend=": (lambda: Predictive(schools, eight, sites="theta"), "'sites' | extend="),
    "fewer schools": (lambda: extend(schools, eight, KEY, 5, sites="theta"), "'theta' | 8 instead of 5 | fewer"),
    "a plate misspelt": (lambda: strip(schools, eight, 10, redraw="schools"), "'schools' | 'school' may be meant"),
    "labels of a dict": (
        lambda: Predictive(pupils, eight, extend="theta", levels={"school": list("AB")})(KEY, group, x, 2),
        "'school' | xarray.Dataset | coords=",
    ),
    "the horizon alone": (
        lambda: extend(walk, steps, KEY, 12, sites="level"),
        "24 instead of 12 | pass 36: the 24 of the fit, then 12 new",
    ),
    "a longer walk": (lambda: strip(walk, steps, 36), "'level' | 24 instead of 36 | extend=('level',)"),
    # ---- scoring
    "y forgotten": (lambda: score(regression, s, X), "'obs' | pass y="),
    "a key to score with": (lambda: score(regression, s, KEY, X, y), "random key | log_likelihood take none"),
    "y of other rows": (lambda: score(regression, s, X_new, y), "X is 5 long, y is 9 long"),
    # ---- frames, masks, params, other samples
    "a frame without the column": (
        lambda: strip(of_a_frame, slopes, frame(p=[1.0])),
        "df has the columns 'p'",
    ),
    "a frame for JAX": (
        lambda: strip(dot_product, {"beta": s["beta"]}, frame(a=[1.0], b=[1.0], c=[1.0])),
        "X is a DataFrame | X.to_numpy()",
    ),
    "neither y nor its number": (lambda: Predictive(mean_only, {"mu": np.ones(6)})(KEY), "so None | 'y' and 'n'"),
    "the mask forgotten": (lambda: strip(some_missing, slopes, x), "'mask' | (model, samples, x, mask)"),
    "the mask of the fit": (lambda: strip(some_missing, slopes, x, np.ones(9, bool)), "x is 2 long, mask is 9 long"),
    "params forgotten": (lambda: Predictive(a_net, unscaled)(KEY, X_new), "'weights' | params="),
    "params of a guide, predicted": (
        lambda: Predictive(three_columns, fitted_by_svi().params)(KEY, X_new),
        "guide.sample_posterior",
    ),
    "samples to inspect_sites": (lambda: inspect_sites(regression, s, X), "inspect_sites(model, ...).review(samples)"),
    "arguments to review": (
        lambda: inspect_sites(regression, X).review(s, X),
        "inspect_sites(model, X).review(samples)",
    ),
    # ---- rows
    "another number of rows": (lambda: strip(per_row, z, X[:, 0]), "'z' | (5,) | (9,) | new_rows=True"),
}


def said(mistake):
    """All that a call says: our warnings, errors and notes, and the errors of others."""
    with warned() as caught:
        error = None
        try:
            mistake()
        except Exception as raised:
            error = raised
    ours = [str(warning.message) for warning in caught] + list(getattr(error, "__notes__", ()))
    others = [] if error is None else [str(error)]
    return (ours + others, []) if isinstance(error, sanitize.SanitizeError) else (ours, others)


def lacking(text, words):
    if not words:
        return [text] if text else []
    return [word for word in words.split(" | ") if word not in text]


@pytest.mark.words
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_the_way_out(name):
    mistake, words = MISTAKES[name]
    ours, others = said(mistake)
    text = "\n".join(ours + others)
    assert not lacking(text, words), text
    assert all(len(re.findall(r"[.?!](?= [A-Z]|$)", message)) <= 3 for message in ours), text


if __name__ == "__main__":
    told = 0
    for name, (mistake, words) in MISTAKES.items():
        missing = lacking(text := "\n".join(line for lines in said(mistake) for line in lines), words)
        told += not missing
        print(f"{'told' if not missing else 'LACKS ' + repr(missing)}: {name}\n    {text}")
    print(f"{told} of {len(MISTAKES)} told with the way out")
