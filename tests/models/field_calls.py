"""Calls of other fields, each with the right answer by hand: of half of them something has to be said, of half nothing.

The last nineteen were written when the laws were done: on their first run one was silent (a list of names).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import xarray as xr
from containers_of import with_groups
from jax.experimental.ode import odeint
from numpyro import deterministic as det
from numpyro import handlers, plate, sample
from numpyro.infer import MCMC, NUTS
from numpyro.infer.reparam import LocScaleReparam

import sanitize as S

N, HN = dist.Normal, dist.HalfNormal
KEY, D = jax.random.PRNGKey(3), 30
DUE, SILENT = {}, {}


def full(value):
    """The same draw thirty times."""
    value = np.asarray(value, np.float32)
    return value + np.zeros((D, *value.shape), np.float32)


class Fitted(MCMC):
    """An ``MCMC`` that has run, with these draws."""

    def __init__(self, model, draws, *args, **kwargs):
        super().__init__(NUTS(model), num_warmup=1, num_samples=D, progress_bar=False)
        self._args, self._kwargs, self._last_state = args, kwargs, object()
        self._states_flat = {"z": dict(draws)}
        self._states = {"z": {name: values[None] for name, values in draws.items()}}


def due(*names):
    """Right, or told: what is said has one of these names."""

    def keep(call):
        DUE[call.__name__] = (call, names)
        return call

    return keep


def silent(call):
    """Nothing is said, and the answer is right (None: not worked out)."""
    SILENT[call.__name__] = call
    return call


def data_tree(draws, constant):
    """The same with what was recorded beside it, as ArviZ has it."""
    by_chain = {
        name: (("chain", "draw", *(f"{name}_{i}" for i in range(v.ndim - 1))), v[None]) for name, v in draws.items()
    }
    recorded = {name: ((f"{name}_dim",), value) for name, value in constant.items()}
    return with_groups(posterior=xr.Dataset(by_chain), constant_data=xr.Dataset(recorded))


def predict(model, samples, *args, **kwargs):
    return np.asarray(S.Predictive(model, samples)(KEY, *args, **kwargs)["y"]).mean(0)


def irt(Z, person, item, y=None):
    w = sample("w", N(0, 1).expand([Z.shape[1]]).to_event(1))
    with plate("items", len(Z)):
        diff = sample("difficulty", N(Z @ w, 0.1))
    sample("y", N(-diff[item] + 0 * person, 0.01), obs=y)


@due("difficulty", "Z")
def psychometrics_other_items():
    Z = np.array([[1, 0], [0, 1], [1, 1]], "f")
    it = np.array([0, 1, 2, 0])
    m = Fitted(irt, {"w": full([1, 2]), "difficulty": full([1, 2, 3])}, Z, it * 0.0, it, np.zeros(4, "f"))
    return predict(irt, m, Z[[1, 2, 0]], it * 0.0, it), -np.array([2, 3, 1, 2])


def car(W, expected, y=None):
    tau = sample("tau", dist.Gamma(2, 2))
    Q = tau * (jnp.diag(W.sum(1) + 1.0) - 0.9 * W)
    phi = sample("phi", dist.MultivariateNormal(0.0, precision_matrix=Q))
    sample("y", dist.Normal(expected * jnp.exp(phi), 0.01), obs=y)


@due("phi", "W")
def epidemiology_other_map():
    W = np.zeros((4, 4), "f")
    W[0, 1] = W[1, 0] = W[1, 2] = W[2, 1] = W[2, 3] = W[3, 2] = 1
    P = [2, 0, 3, 1]
    e = np.ones(4, "f")
    m = Fitted(car, {"tau": full(1.0), "phi": full([0, 0.5, 1, 1.5])}, W, e, np.ones(4, "f"))
    return predict(car, m, W[P][:, P], e), np.exp(np.array([0, 0.5, 1, 1.5]))[P]


def adstock(spend, y=None):
    b = sample("b", N(0, 1))
    w = 0.7 ** np.arange(8)
    padded = jnp.concatenate([jnp.zeros(7), spend])
    sp = sum(w[k] * padded[7 - k : 7 - k + len(spend)] for k in range(8))
    sample("y", N(b * sp, 0.01), obs=y)


@due("spend")
def marketing_carry_over():
    s = np.linspace(1, 3, 20).astype("f")
    return predict(adstock, Fitted(adstock, {"b": full(2.0)}, s, s), s[-5:] + 1), None


def drawdown(price, y=None):
    b = sample("b", N(0, 1))
    top = jax.lax.associative_scan(jnp.maximum, price)
    sample("y", N(b * (price - top), 0.01), obs=y)


@due("price")
def finance_drawdown():
    p = np.array([3, 5, 4, 6, 2, 1], "f")
    return predict(drawdown, {"b": full(1.0)}, p[3:] - 1), np.array([5, 1, 0]) - 6


@dataclasses.dataclass
class Survey:
    area: object
    counts: object


jax.tree_util.register_pytree_node(Survey, lambda s: ((s.area, s.counts), None), lambda _, c: Survey(*c))


def nmixture(survey):
    a = sample("a", N())
    with plate("sites", survey.area.shape[0]):
        eps = sample("eps", N(0, 0.01))
        sample("y", N(a + eps + 0 * survey.area, 0.01), obs=survey.counts)


@due("eps")
def ecology_sites_in_a_dataclass():
    m = {"a": full(0.0), "eps": full(np.full(6, 5.0)), "y": full(np.full(6, 5.0))}
    return predict(nmixture, m, Survey(np.arange(6, dtype="f") + 50, None)), np.zeros(6)


def duel(games, y=None):
    codes, teams = pd.factorize(games["home"].to_numpy())
    with plate("team", len(teams)):
        skill = sample("skill", N(0, 3))
    sample("y", N(skill[codes], 0.01), obs=y)


@due("home", "games")
def sports_other_order_of_teams():
    g = pd.DataFrame({"home": list("abcabc")})
    m = Fitted(duel, {"skill": full([1, 2, 3])}, g, np.zeros(6, "f"))
    return predict(duel, m, pd.DataFrame({"home": list("cba")})), np.array([3.0, 2, 1])


def crop(n, y=None):
    b, c = sample("b", N(0, 1)), sample("c", N(0, 1))
    nitrogen = sample("nitrogen", N(0, 5))
    biomass = sample("biomass", N(b * nitrogen, 0.01))
    sample("y", N(c * biomass + 0 * n, 0.01), obs=y)


@due("biomass")
def agronomy_do_above_a_mediator():
    m = {"b": full(2.0), "c": full(3.0), "nitrogen": full(1.0), "biomass": full(2.0)}
    return predict(handlers.do(crop, {"nitrogen": 4.0}), m, np.zeros(2, "f")), np.full(2, 24.0)


@due("nitrogn")
def agronomy_condition_misspelt():
    m = {"b": full(2.0), "c": full(3.0), "nitrogen": full(1.0), "biomass": full(2.0)}
    return predict(handlers.condition(crop, {"nitrogn": 4.0}), m, np.zeros(2, "f")), None


@due("biomas")
def agronomy_block_misspelt():
    m = {"b": full(2.0), "c": full(3.0), "nitrogen": full(1.0), "biomass": full(2.0)}
    return predict(handlers.block(crop, hide=["biomas"]), m, np.zeros(2, "f")), None


def patients(x, y=None):
    a = sample("a", N(0, 1))
    with plate("patients", len(x)):
        u = sample("u", N(a, 0.01))
        sample("y", N(u + 0 * x, 0.01), obs=y)


def patients_guide(x, y=None):
    sample("a", dist.Delta(numpyro.param("ga", 0.0)))
    with plate("patients", len(x)):
        sample("u", N(numpyro.param("gu", jnp.zeros(6)), 0.01))


@due("u")
def pharmacology_guide_of_other_patients():
    p = S.Predictive(
        patients, guide=patients_guide, params={"ga": jnp.array(0.0), "gu": jnp.full(6, 7.0)}, num_samples=D
    )
    return np.asarray(p(KEY, np.arange(6, dtype="f") + 90)["y"]).mean(0), np.zeros(6)


def pk(t, y=None):
    ka = sample("ka", dist.LogNormal(0, 1))
    s = sample("s", HN(1))
    sample("y", N(ka * t, s), obs=y)


@due("ka")
def pharmacology_unconstrained():
    return predict(pk, {"ka": full(-1.2), "s": full(0.1)}, np.arange(3, dtype="f")), None


def share(x, y=None):
    p = sample("p", dist.Beta(1, 1))
    sample("y", N(p + 0 * x, 0.01), obs=y)


@due("p")
def ecology_logit_draws():
    return predict(share, {"p": full(2.2)}, np.arange(3, dtype="f")), None


def monthly(rain, y=None):
    m = sample("m", N(0, 3).expand([12]).to_event(1))
    sample("y", N(m[jnp.arange(len(rain)) % 12] + 0 * rain, 0.01), obs=y)


@due("rain", "place", "y")
def hydrology_month_by_place():
    return predict(monthly, {"m": full(np.arange(12))}, np.ones(13, "f")), np.roll(np.arange(13) % 12, 5)


def regime(x, y=None):
    k = sample("k", dist.Categorical(probs=jnp.array([0.5, 0.5])), infer={"enumerate": "parallel"})
    mu = sample("mu", N(0, 9).expand([2]).to_event(1))
    sample("y", N(mu[k] + 0 * x, 0.01), obs=y)


@due("k")
def linguistics_global_switch():
    return predict(
        regime, Fitted(regime, {"mu": full([1.0, 9.0])}, np.ones(5, "f"), np.full(5, 9.0, "f")), np.ones(4, "f")
    ), np.full(4, 9.0)


TABLE = np.arange(4, dtype="f")


def with_global(x, y=None):
    b = sample("b", N(0, 1))
    sample("y", N(b * TABLE, 0.01), obs=y)


@due("x")
def astronomy_argument_unused():
    return predict(with_global, {"b": full(2.0)}, np.array([10, 20, 30, 40], "f")), np.array([20.0, 40, 60, 80])


def param_effects(code, y=None):
    e = numpyro.param("e", jnp.zeros(3))
    a = sample("a", N(0, 1))
    sample("y", N(a + e[code], 0.01), obs=y)


@due("code")
def insurance_code_beyond_params():
    p = S.Predictive(param_effects, {"a": full(0.0)}, params={"e": jnp.array([1.0, 2, 3])})
    return np.asarray(p(KEY, np.array([0, 3]))["y"]).mean(0), None


def within(income, house, y=None):
    b = sample("b", N(0, 1))
    total = jax.ops.segment_sum(income, house, 3)
    sample("y", N(b * income / total[house], 0.01), obs=y)


@due("income")
def economics_share_of_a_household():
    return predict(within, {"b": full(1.0)}, np.array([1, 2, 3], "f"), np.array([0, 0, 1])), None


def season(df, y=None):
    b = sample("b", N(0, 1))
    day = np.asarray((df.index - df.index.min()).days, "f")
    sample("y", N(b * day, 0.01), obs=y)


@due("df")
def tourism_days_since_the_first():
    def f(a, n):
        return pd.DataFrame({"z": np.zeros(n)}, index=pd.date_range(a, periods=n))

    return predict(
        season, Fitted(season, {"b": full(1.0)}, f("2024-01-01", 9), np.zeros(9, "f")), f("2024-01-10", 4)
    ), np.array([9.0, 10, 11, 12])


def binary(x, y=None, link="logit"):
    b = sample("b", N(0, 1))
    f = jax.nn.sigmoid if link == "logit" else jax.scipy.stats.norm.cdf
    sample("y", N(f(b * x), 0.001), obs=y)


@due("link")
def toxicology_link_left_out():
    x = np.array([1.0, 2, -1], "f")
    return predict(binary, Fitted(binary, {"b": full(1.0)}, x, x, link="probit"), x + 1), None


def schools(district, school, y=None):
    d = sample("d", N(0, 5).expand([2]).to_event(1))
    with plate("schools", len(district)):
        z = sample("z", N(0, 1))
    effect = det("effect", d[district] + z)
    sample("y", N(effect[school], 0.01), obs=y)


@due("district", "z")
def education_other_districts_non_centred():
    dd, s = np.array([0, 0, 1]), np.array([0, 1, 2])
    m = Fitted(
        schools, {"d": full([10, 20]), "z": full([1, 2, 3]), "effect": full([11, 12, 23])}, dd, s, np.zeros(3, "f")
    )
    return predict(schools, m, np.array([1, 0, 0]), s), np.array([23.0, 11, 12])


def zscore(df, y=None):
    b = sample("b", N(0, 1))
    r = df["dose"].rank().to_numpy("f")
    sample("y", N(b * r, 0.01), obs=y)


@due("dose", "df")
def toxicology_ranks():
    return predict(zscore, {"b": full(1.0)}, pd.DataFrame({"dose": [5.0, 9, 7]})), None


@silent
def regression_new_rows():
    def m(X, y=None):
        b = sample("b", N(0, 1).expand([2]).to_event(1))
        mu = det("mu", X @ b)
        sample("y", N(mu, 0.01), obs=y)

    X = np.arange(10, dtype="f").reshape(5, 2)
    return predict(m, Fitted(m, {"b": full([1, 2]), "mu": full(X @ [1, 2])}, X, np.zeros(5, "f")), X[:3] + 7), (
        X[:3] + 7
    ) @ [1, 2]


@silent
def same_items_new_answers():
    Z = np.array([[1, 0], [0, 1], [1, 1]], "f")
    it = np.array([0, 1, 2, 0])
    m = Fitted(irt, {"w": full([1, 2]), "difficulty": full([1, 2, 3])}, Z, it * 0.0, it, np.zeros(4, "f"))
    return predict(irt, m, Z.copy(), np.zeros(3), np.array([2, 0, 2])), -np.array([3.0, 1, 3])


@silent
def lag_of_one():
    def m(x, y=None):
        b = sample("b", N(0, 1))
        before = jnp.concatenate([x[:1], x[:-1]])
        sample("y", N(b * before, 0.01), obs=y)

    return predict(m, {"b": full(2.0)}, np.array([1, 2, 3, 4, 5, 6, 7, 8, 9], "f")), None


@silent
def forecast_that_begins_with_the_fit():
    def m(x, y=None):
        b = sample("b", N(0, 1))
        sample("y", N(b * jnp.arange(len(x)) + x, 0.01), obs=y)

    x = np.linspace(0, 1, 12).astype("f")
    return predict(m, Fitted(m, {"b": full(2.0)}, x, x), np.concatenate([x, x[:4] + 3])), 2.0 * np.arange(
        16
    ) + np.concatenate([x, x[:4] + 3])


@silent
def do_beside_what_is_recorded():
    def m(x, y=None):
        b = sample("b", N(0, 1))
        policy = sample("policy", N(0, 1))
        sample("y", N(b * x + policy, 0.01), obs=y)

    return predict(handlers.do(m, {"policy": 3.0}), {"b": full(2.0)}, np.arange(4, dtype="f")), 2 * np.arange(4.0) + 3


@silent
def reparam_around():
    def m(x, y=None):
        with plate("g", 3):
            g = sample("g_effect", N(1.0, 2.0))
        sample("y", N(g[0] * x, 0.01), obs=y)

    r = handlers.reparam(m, config={"g_effect": LocScaleReparam(0)})
    return predict(
        r, {"g_effect_decentered": full([0, 1, 2]), "g_effect": full([1, 3, 5])}, np.arange(4, dtype="f")
    ), np.arange(4.0)


@silent
def params_substituted():
    m = handlers.substitute(param_effects, data={"e": jnp.array([1.0, 2, 3]), "guide_loc": jnp.zeros(2)})
    return predict(m, {"a": full(0.0)}, np.array([0, 2])), np.array([1.0, 3])


@silent
def guide_of_globals():
    def m(x, y=None):
        b = sample("b", N(0, 1))
        sample("y", N(b * x, 0.01), obs=y)

    def g(x, y=None):
        return sample("b", N(numpyro.param("l", 0.0), 0.001))

    p = S.Predictive(m, guide=g, params={"l": jnp.array(4.0)}, num_samples=D)
    return np.asarray(p(KEY, np.arange(3, dtype="f"))["y"]).mean(0), 4.0 * np.arange(3)


@silent
def draws_on_the_boundary():
    def m(x, y=None):
        s = sample("s", HN(1))
        w = sample("w", dist.Dirichlet(jnp.ones(3)))
        p = sample("p", dist.Beta(1, 1))
        sample("y", N(w[0] * x + p, s + 0.01), obs=y)

    return predict(
        m, {"s": full(0.0), "w": full(np.array([0.2, 0.3, 0.5]) * (1 + 1e-6)), "p": full(1.0)}, np.arange(3, dtype="f")
    ), 0.2 * np.arange(3) + 1


@silent
def degrees_by_arange():
    def m(x, y=None):
        b = sample("b", N(0, 1).expand([3]).to_event(1))
        sample("y", N((x[:, None] ** jnp.arange(3)) @ b, 0.01), obs=y)

    return predict(m, {"b": full([1, 2, 3])}, np.array([0, 1, 2, 3], "f")), np.array([1.0, 6, 17, 34])


@silent
def centre_passed():
    def m(x, centre, y=None):
        b = sample("b", N(0, 1))
        sample("y", N(b * (x - centre), 0.01), obs=y)

    return predict(
        m, Fitted(m, {"b": full(2.0)}, np.arange(5, dtype="f"), 2.0, np.zeros(5, "f")), np.array([7, 8, 9], "f"), 2.0
    ), np.array([10.0, 12, 14])


@silent
def noise_of_targets_chosen():
    def m(x, y=None, robust=True):
        b = sample("b", N(0, 1))
        sample("y", dist.StudentT(5.0, b * x, 0.01) if robust else N(b * x, 0.01), obs=y)

    x = np.arange(5, dtype="f")
    return predict(m, Fitted(m, {"b": full(2.0)}, x, x), x[:3], robust=False), 2.0 * x[:3]


@silent
def columns_by_name():
    def m(df, y=None):
        b, c = sample("b", N(0, 1)), sample("c", N(0, 1))
        sample("y", N(b * df["age"].to_numpy("f") + c * df["bmi"].to_numpy("f"), 0.01), obs=y)

    df = pd.DataFrame({"age": [1.0, 2, 3], "bmi": [4.0, 5, 6]})
    return predict(
        m, Fitted(m, {"b": full(1.0), "c": full(2.0)}, df, np.zeros(3, "f")), df[["bmi", "age"]] + 1
    ), np.array([12.0, 15, 18])


@silent
def recoded_column_not_read():
    def m(df, y=None):
        b = sample("b", N(0, 1))
        sample("y", N(b * df["age"].to_numpy("f"), 0.01), obs=y)

    df = pd.DataFrame({"age": [1.0, 2, 3], "clinic": list("abc")})
    return predict(
        m, Fitted(m, {"b": full(1.0)}, df, np.zeros(3, "f")), pd.DataFrame({"age": [4.0, 5, 6], "clinic": list("xyz")})
    ), np.array([4.0, 5, 6])


@silent
def mixture_of_rows():
    def m(x, y=None):
        mu = sample("mu", N(0, 9).expand([2]).to_event(1))
        w = sample("w", dist.Beta(1, 1))
        with plate("n", len(x)):
            k = sample("k", dist.Bernoulli(w), infer={"enumerate": "parallel"})
            sample("y", N(mu[k] + 0 * x, 0.01), obs=y)

    return predict(
        m, Fitted(m, {"mu": full([4, 4]), "w": full(0.5)}, np.zeros(6, "f"), np.zeros(6, "f")), np.zeros(3, "f")
    ), np.full(3, 4.0)


@silent
def fixed_categories():
    L = ["a", "b", "c"]

    def m(df, y=None):
        code = pd.Categorical(df["shop"], categories=L).codes.astype(int)
        with plate("shop", 3):
            s = sample("s", N(0, 3))
        sample("y", N(s[code], 0.01), obs=y)

    def f(s):
        return pd.DataFrame({"shop": list(s)})

    return predict(m, Fitted(m, {"s": full([1, 2, 3])}, f("abcab"), np.zeros(5, "f")), f("cb")), np.array([3.0, 2])


@silent
def code_within_params():
    p = S.Predictive(param_effects, {"a": full(0.0)}, params={"e": jnp.array([1.0, 2, 3])})
    return np.asarray(p(KEY, np.array([0, 2]))["y"]).mean(0), np.array([1.0, 3])


@silent
def exposure_per_row():
    def m(x, exposure, y=None):
        b = sample("b", N(0, 1))
        sample("y", dist.Poisson(exposure * jnp.exp(b * x)), obs=y)

    predict(
        m,
        Fitted(m, {"b": full(0.1)}, np.ones(5, "f"), np.ones(5, "f"), np.ones(5, int)),
        np.ones(3, "f") * 2,
        np.ones(3, "f") * 9,
    )
    return 0, 0


@silent
def ode_on_the_fits_times():
    def m(t, y=None):
        k = sample("k", dist.LogNormal(0, 1))
        c = odeint(lambda c, t: -k * c, jnp.array([10.0]), t)[:, 0]
        sample("y", N(c, 0.01), obs=y)

    t = np.linspace(0, 2, 6).astype("f")
    return predict(m, Fitted(m, {"k": full(1.0)}, t, t), t), 10 * np.exp(-t)


@silent
def likelihood_of_the_fit():
    def m(g, y=None):
        with plate("groups", 3):
            a = sample("a", N(0, 3))
        sample("y", N(a[g], 1.0), obs=y)

    g, y = np.array([0, 1, 2, 2]), np.zeros(4, "f")
    got = S.log_likelihood(m, Fitted(m, {"a": full([1, 2, 3])}, g, y), g, y)["y"].mean(0)
    return np.asarray(got), np.asarray(N(np.array([1.0, 2, 3, 3]), 1.0).log_prob(0.0))


@silent
def same_map_in_other_type():
    W = np.zeros((3, 3), "f")
    W[0, 1] = W[1, 0] = W[1, 2] = W[2, 1] = 1
    e = np.ones(3, "f")
    m = Fitted(car, {"tau": full(1.0), "phi": full([0, 0.5, 1])}, W, e, np.ones(3, "f"))
    return predict(car, m, jnp.asarray(W), jnp.asarray(e)), np.exp([0, 0.5, 1])


def growth(data, y=None):
    r = sample("r", N(0, 1))
    k = sample("k", HN(1))
    with plate("species", data["traits"].shape[0]):
        b = sample("b", N(data["traits"] * r, 0.1))
    sample("y", N(b[data["species"]] * k, 0.01), obs=y)


@due("b", "traits")
def ecology_idata_other_species_same_number():
    d = {"r": full(1.0), "k": full(1.0), "b": full([1, 2, 3])}
    x = {"traits": np.array([1, 2, 3], "f"), "species": np.array([0, 1, 2, 1])}
    i = data_tree(d, constant=x)
    return predict(growth, i, {"traits": np.array([3, 1, 2], "f"), "species": x["species"]}), np.array([3.0, 1, 2, 1])


def rasch(answers):
    with plate("person", answers["who"].shape[0]):
        ability = sample("ability", N(0, 1))
        sample("y", N(ability + 0 * answers["who"], 0.01), obs=answers.get("y"))


@due("ability")
def psychometrics_other_persons_same_number_dict():
    return predict(rasch, {"ability": full([5, 6, 7])}, {"who": np.array([7, 8, 9])}), np.zeros(3)


def hazard(t, y=None):
    lam = sample("lam", dist.Gamma(2, 2).expand([4]).to_event(1))
    cuts = jnp.quantile(t, jnp.array([0.25, 0.5, 0.75]))
    sample("y", N(lam[jnp.searchsorted(cuts, t)], 0.01), obs=y)


@due("t")
def survival_cuts_from_the_data():
    return predict(hazard, {"lam": full([1, 2, 3, 4])}, np.array([5, 6, 7, 8], "f")), None


def garch(r, y=None):
    a = sample("a", dist.Beta(2, 2))
    var = r.std() ** 2
    sample("y", N(0 * r, jnp.sqrt(a * var)), obs=y)


@due("r")
def finance_scale_from_the_sample():
    return predict(garch, {"a": full(0.5)}, np.array([0.1, 0.2, -0.4], "f")), None


def poly_basis(df, y=None):
    b = sample("b", N(0, 1).expand([2]).to_event(1))
    Q, _ = np.linalg.qr(np.vander(df["age"].to_numpy(float), 2))
    sample("y", N(jnp.asarray(Q) @ b, 0.01), obs=y)


@due("df", "age")
def epidemiology_orthogonal_polynomials():
    return predict(poly_basis, {"b": full([1, 2])}, pd.DataFrame({"age": [30.0, 40, 55, 61]})), None


def survey(strata_names, stratum, y=None):
    with plate("strata", len(strata_names)):
        s = sample("s", N(0, 1))
    sample("y", N(s[stratum], 0.01), obs=y)


@due("s", "strata_names")
def politics_other_strata_names():
    m = Fitted(survey, {"s": full([1, 2, 3])}, ["north", "south", "west"], np.array([0, 1, 2]), np.zeros(3, "f"))
    return predict(survey, m, ["west", "north", "south"], np.array([0, 1, 2])), np.array([3.0, 1, 2])


def treat(x, y=None):
    t = sample("t", dist.Bernoulli(0.5).expand([len(x)]).to_event(1))
    e = sample("e", N(0, 1))
    m = sample("m", N(e * t.sum(), 0.01))
    sample("y", N(m + 0 * x, 0.01), obs=y)


@due("m")
def trial_do_on_treatment_above_recorded():
    return predict(
        handlers.do(treat, {"t": np.ones(3)}),
        {"e": full(1.0), "m": full(0.0), "t": full(np.zeros(3))},
        np.zeros(3, "f"),
    ), np.full(3, 3.0)


def lkj(x, y=None):
    L = sample("L", dist.LKJCholesky(2))
    z = sample("z", N(0, 1).expand([2]).to_event(1))
    sample("y", N((L @ z)[0] * x, 0.01), obs=y)


@due("L")
def marketing_correlation_passed_for_its_factor():
    return predict(lkj, {"L": full([[1, 0.5], [0.5, 1]]), "z": full([1, 2])}, np.ones(2, "f")), None


def school_year(year, y=None):
    b = sample("b", N(0, 1))
    sample("y", N(b * (year - year[0]), 0.01), obs=y)


@due("year")
def education_years_since_the_first():
    return predict(school_year, {"b": full(1.0)}, np.arange(2020, 2026)), None


def vec(x, y=None):
    codes, names = pd.factorize(np.asarray(x))
    e = sample("e", N(0, 1).expand([len(names)]).to_event(1))
    sample("y", N(e[codes], 0.01), obs=y)


@due("x")
def agronomy_varieties_in_other_order_as_list():
    m = Fitted(vec, {"e": full([1, 2, 3])}, ["rye", "oat", "rye", "spelt"], np.zeros(4, "f"))
    return predict(vec, m, ["oat", "spelt", "rye"]), np.array([2.0, 3, 1])


@silent
def idata_same_species():
    d = {"r": full(1.0), "k": full(1.0), "b": full([1, 2, 3])}
    x = {"traits": np.array([1, 2, 3], "f"), "species": np.array([0, 1, 2, 1])}
    return predict(
        growth,
        data_tree(d, constant=dict(x.items())),
        {"traits": x["traits"], "species": np.array([2, 2])},
    ), np.array([3.0, 3])


@silent
def names_in_the_same_order():
    m = Fitted(survey, {"s": full([1, 2, 3])}, ["north", "south", "west"], np.array([0, 1, 2]), np.zeros(3, "f"))
    return predict(survey, m, ["north", "south", "west"], np.array([2, 0])), np.array([3.0, 1])


@silent
def fixed_knots_of_a_spline():
    K = np.linspace(0, 1, 4)

    def m(x, y=None):
        w = sample("w", N(0, 1).expand([4]).to_event(1))
        sample("y", N(jnp.exp(-((x[:, None] - K) ** 2)) @ w, 0.01), obs=y)

    x = np.array([0.1, 0.4, 2], "f")
    return predict(m, {"w": full([1, 2, 3, 4])}, x), np.exp(-((x[:, None] - K) ** 2)) @ [1, 2, 3, 4]


@silent
def softmax_of_choices():
    def m(X, y=None):
        b = sample("b", N(0, 1).expand([2]).to_event(1))
        u = X @ b
        sample("y", dist.Categorical(logits=u), obs=y)

    predict(m, {"b": full([1, 2])}, np.random.default_rng(0).normal(size=(5, 3, 2)).astype("f"))
    return 0, 0


@silent
def distances_to_fixed_towns():
    T = np.array([[0, 0], [3, 4.0]])

    def m(xy, y=None):
        b = sample("b", N(0, 1).expand([2]).to_event(1))
        d = jnp.sqrt(((xy[:, None] - T) ** 2).sum(-1))
        sample("y", N(d @ b, 0.01), obs=y)

    return predict(m, {"b": full([1, 0])}, np.array([[3, 4], [0, 0.0]])), np.array([5.0, 0])


@silent
def hierarchical_with_the_fits_districts():
    def m(district, school, y=None):
        d = sample("d", N(0, 5).expand([2]).to_event(1))
        with plate("schools", len(district)):
            z = sample("z", N(0, 1))
        sample("y", N((d[district] + z)[school], 0.01), obs=y)

    dd = np.array([0, 0, 1])
    f = Fitted(m, {"d": full([10, 20]), "z": full([1, 2, 3])}, dd, np.arange(3), np.zeros(3, "f"))
    return predict(m, f, dd, np.array([2, 2, 0])), np.array([23.0, 23, 11])


@silent
def count_with_exposure_passed_by_keyword():
    def m(*, exposure, y=None):
        lam = sample("lam", dist.Gamma(1, 1))
        sample("y", dist.Poisson(lam * exposure), obs=y)

    predict(m, {"lam": full(3.0)}, exposure=np.array([1, 2, 3], "f"))
    return 0, 0


@silent
def boolean_flags_per_row():
    def m(is_new, y=None):
        a = sample("a", N(0, 1).expand([2]).to_event(1))
        sample("y", N(jnp.where(is_new, a[1], a[0]), 0.01), obs=y)

    return predict(
        m, Fitted(m, {"a": full([1, 2])}, np.array([True, False]), np.zeros(2, "f")), np.array([False, False, True])
    ), np.array([1.0, 1, 2])


@silent
def year_as_a_covariate():
    def m(year, y=None):
        b = sample("b", N(0, 1))
        sample("y", N(b * (year - 2000.0), 0.01), obs=y)

    return predict(
        m, Fitted(m, {"b": full(1.0)}, np.arange(2000, 2009), np.zeros(9, "f")), np.arange(2009, 2012)
    ), np.array([9.0, 10, 11])
