"""Models that branch on an option, or on values: written after the code, in rounds, none to fit it.

In each, ``theta`` is a latent or computed from the data, so that its recorded values tell nothing. Each is fitted with
its defaults and otherwise; the second fit is what a guess gets wrong.
"""

import collections
import dataclasses
import datetime
import enum
import functools
import re
import string
import typing

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from adversarial_models import Case, _either
from numpyro.infer.reparam import LocScaleReparam


def _model(x, y, latent, loc=0.0):
    base = numpyro.sample("base", dist.Normal(loc, 1.0))
    theta = _either(latent, base * x.mean())
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def match_statement(x, family, y=None):
    match family:
        case "horseshoe" | "laplace":
            latent = True
        case "fixed":
            latent = False
        case _:
            raise ValueError(family)
    _model(x, y, latent)


def wide_features(X, y=None):
    w = numpyro.sample("w", dist.Normal(0.0, 1.0).expand([X.shape[1]]))
    _model(X @ w, y, X.shape[1] > 8)


def names_in_tuple(x, random=(), y=None):
    _model(x, y, "theta" in random)


@dataclasses.dataclass(frozen=True)
class Options:
    centred: bool = True


def dataclass_required(x, options, y=None):
    _model(x, y, options.centred)


def equality_of_a_float(x, alpha=1.0, y=None):
    _model(x, y, alpha == 0.0)


def random_in_the_fit_only(x, y=None):
    _model(x, y, y is not None)


def layers_in_a_list(x, hidden=[4], y=None):  # noqa: B006 - as people write them
    weights = [numpyro.sample(f"w{i}", dist.Normal(0.0, 1.0)) for i in range(len(hidden))]
    last = numpyro.deterministic("w1", sum(weights) * x.mean()) if len(hidden) < 2 else weights[1]
    numpyro.sample("obs", dist.Normal(last * x, 1.0), obs=y)


def names_by_role(x, order=("a", "b"), y=None):
    first, second = order
    theta = numpyro.deterministic(second, numpyro.sample(first, dist.Normal(0.0, 1.0)) * x.mean())
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def mode_and_flag(x, mode=1, flag=False, y=None):
    _model(x, y, mode == 2 and not flag)


def formula(x, spec="y ~ 1 + x", y=None):
    _model(x, y, "(1|g)" in [term.strip() for term in re.split(r"[~+]", spec)])


def data_with_optional_key(data, y=None):
    _model(data["x"], y, "weights" in data)


def many_levels(g, y=None):
    _model(g, y, len(np.unique(g)) > 3)


def numeric_string(x, version="2", y=None):
    _model(x, y, int(version) >= 3)


def degrees_of_freedom(x, df=3.0, y=None):
    _model(x, y, 1 < df < 30)


PRIORS = {1: "flat", 2: "nested", 3: "flat"}


def table_of_priors(x, prior=1, y=None):
    _model(x, y, PRIORS[prior] == "nested")


def largest_level(x, levels=(0.1, 0.5), y=None):
    _model(x, y, max(levels) > 0.7)


def keyword_only(x, y=None, *, noncentred=np.bool_(True)):  # noqa: B008 - as people write them
    _model(x, y, not noncentred)


def truthiness(x, groups=None, y=None):
    _model(x, y, bool(groups))


def power_of_two(x, k, y=None):
    numpyro.sample("c", dist.Normal(0.0, 1.0).expand([k]))
    _model(x, y, k & (k - 1) == 0)


def monotone(x, y=None):
    _model(x, y, bool(np.all(np.diff(x) > 0)))


class CallableModel:
    def __call__(self, x, prior="flat", y=None):
        _model(x, y, prior != "flat")


class Priors:
    flat, nested = False, True


def attribute_by_name(x, prior="flat", y=None):
    _model(x, y, getattr(Priors, prior))


def built_table(x, mode="m0", y=None):
    table = {f"m{i}": i % 2 == 1 for i in range(4)}
    _model(x, y, table[mode])


class Mode(str, enum.Enum):
    A = "a"
    B = "b"


def string_enum(x, mode=Mode.A, y=None):
    _model(x, y, mode == "b")


def caught(x, version="first", y=None):
    try:
        number = int(version)
    except ValueError:
        number = 0
    _model(x, y, number > 2)


def any_of_names(x, names=("alpha",), y=None):
    _model(x, y, any(name == "theta" for name in names))


def majority(x, a=True, b=False, c=False, y=None):
    _model(x, y, sum([a, b, c]) >= 2)


def or_default(x, order=None, y=None):
    order = order or 2
    _model(x, y, order >= 3)


def none_or_string(x, link=None, y=None):
    _model(x, y, link in ("probit", "cauchit"))


def fixed_values(x, fixed=None, y=None):
    fixed = fixed or {}
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    if "theta" in fixed:
        theta = numpyro.deterministic("theta", fixed["theta"] * base)
    else:
        theta = numpyro.sample("theta", dist.Normal(base, 1.0))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def scale_or_list(x, scale=1.0, y=None):
    _model(x, y, isinstance(scale, (list, tuple)))


def since(x, start=datetime.date(2019, 1, 1), y=None):
    _model(x, y, start.year > 2020)


def numpy_scalar(x, power=np.float32(1), y=None):  # noqa: B008
    _model(x, y, power != 1)


def drawn(base):
    return numpyro.sample("theta", dist.Normal(base, 1.0))


def computed(base):
    return numpyro.deterministic("theta", 2 * base)


def function_that_makes_sites(x, effect=computed, y=None):
    theta = effect(numpyro.sample("base", dist.Normal(0.0, 1.0)))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def mask_given(x, mask=None, y=None):
    _model(x, y, mask is not None and bool(np.any(mask)))


def two_strings(x, prior="normal", centring="none", y=None):
    if prior not in ("normal", "student") or centring not in ("none", "full"):
        raise ValueError(f"{prior}, {centring}?")
    _model(x, y, prior == "student" and centring == "full")


def literal(x, prior: typing.Literal["flat", "nested"] = "flat", y=None):
    _model(x, y, prior == "nested")


def last_letter(x, name="effect_c", y=None):
    _model(x, y, name[-1] == "r")


def identity_of_a_flag(x, centred=False, y=None):
    _model(x, y, centred is not False)


def counted_levels(x, n_levels=3, y=None):
    numpyro.sample("z", dist.Normal(0.0, 1.0).expand([n_levels]))
    _model(x, y, n_levels > 5)


def groups_or_none(x, g, hierarchical=None, y=None):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    if hierarchical:
        with numpyro.plate("groups", 4):
            a = numpyro.sample("a", dist.Normal(mu, 1.0))
    else:
        a = numpyro.deterministic("a", jnp.full(4, mu * x.mean()))
    numpyro.sample("obs", dist.Normal(a[g] * x, 1.0), obs=y)


def number_of_columns(X, y=None):
    columns = [X[:, i] for i in range(X.shape[1])]
    _model(columns[0], y, len(columns) in (3, 5))


def mask_by_dtype(x, observed, y=None):
    _model(x * observed, y, observed.dtype == bool)


def two_dicts(data, priors, y=None):
    _model(data["x"], y, "theta_scale" in priors, priors["loc"])


def options_or_none(x, options=None, y=None):
    _model(x, y, options is not None and options.get("hierarchical", False))


def lower_case(x, family="Gaussian", y=None):
    kinds = {"gaussian": False, "student": True}
    _model(x, y, kinds[family.lower()])


def lag_or_lead(x, lag=-1, y=None):
    _model(jnp.roll(x, lag), y, lag >= 0)


def missing_target(x, y):
    _model(x, np.nan_to_num(y), bool(np.isnan(y).any()))


def either_of(x, lower=None, upper=None, y=None):
    _model(x, y, lower is None and upper is not None)


@functools.lru_cache
def _is_random(kind):
    return kind.endswith("effects")


def cached_helper(x, kind="pooled", y=None):
    _model(x, y, _is_random(kind))


def probability(x, p=0.5, y=None):
    _model(x, y, p in (0.0, 1.0))


def sorted_strings(x, a="alpha", b="beta", y=None):
    _model(x, y, a > b)


def options_compared(x, left="one", right="two", y=None):
    _model(x, y, left == right)


def ratio(x, a=1.0, b=2.0, y=None):
    _model(x, y, a / b > 1.0)


def mean_of_target(x, y):
    _model(x, y, float(np.mean(y)) > 0.5)


def constant_column(X, y=None):
    _model(X[:, 0], y, bool((np.asarray(X)[:, 0] == 1).all()))


def gaps_in_groups(g, y=None):
    with numpyro.plate("groups", 4):
        numpyro.sample("a", dist.Normal(0.0, 1.0))
    _model(g, y, len(np.unique(g)) < int(np.max(g)) + 1)


Config = collections.namedtuple("Config", "random scale")


def named_tuple(x, config=Config(False, 1.0), y=None):  # noqa: B008
    _model(x, y, config.random)


def letters(x, terms="ab", y=None):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    for name in string.ascii_lowercase[:3]:
        if name in terms:
            numpyro.sample(name, dist.Normal(0.0, 1.0))
        else:
            numpyro.deterministic(name, base * x.mean())
    numpyro.sample("obs", dist.Normal(base * x, 1.0), obs=y)


def counted_names(x, names=["u", "v"], y=None):  # noqa: B006
    for name in names:
        numpyro.sample(name, dist.Normal(0.0, 1.0))
    _model(x, y, len(names) != 2)


def square(x, k=2, y=None):
    _model(x, y, k**2 == 9)


def both_none(x, y=None, w=None):
    _model(x, y, y is None and w is not None)


def reparam_option(x, reparam="none", y=None):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    with numpyro.handlers.reparam(config={"theta": LocScaleReparam(0.0)} if reparam == "full" else {}):
        theta = numpyro.sample("theta", dist.Normal(base, 1.0))
    if reparam != "full":
        numpyro.sample("theta_decentered", dist.Normal(theta, 1.0))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def _cases():
    x = np.linspace(-1.5, 2.0, 12, dtype=np.float32)
    X = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    wide = np.random.default_rng(0).normal(size=(14, 12)).astype(np.float32)
    g, g5 = np.arange(12) % 4, np.arange(12) % 5
    fits = {
        match_statement: [((x, "laplace"), {}), ((x, "fixed"), {})],
        wide_features: [((wide,), {"y": wide[:, 0]}), ((wide[:, :3],), {"y": wide[:, 0]})],
        dataclass_required: [((x, Options()), {}), ((x, Options(False)), {})],
        random_in_the_fit_only: [((x,), {}), ((x,), {"y": None})],
        data_with_optional_key: [(({"x": x},), {}), (({"x": x, "weights": x},), {})],
        many_levels: [((g % 3,), {}), ((g5,), {})],
        mode_and_flag: [((x,), {}), ((x, 2), {}), ((x, 2, True), {})],
        power_of_two: [((x, 4), {}), ((x, 6), {})],
        monotone: [((x,), {}), ((x[::-1].copy(),), {})],
        CallableModel(): [((x,), {}), ((x, "nested"), {})],
        string_enum: [((x,), {}), ((x, Mode.B), {}), ((x, "b"), {})],
        majority: [((x,), {}), ((x, True, True), {}), ((x, False, True, True), {})],
        two_strings: [((x,), {}), ((x, "student"), {}), ((x, "student", "full"), {})],
        groups_or_none: [((x, g), {}), ((x, g, True), {})],
        number_of_columns: [((X,), {}), ((X[:, :3],), {})],
        mask_by_dtype: [((x, x), {}), ((x, x > 0), {})],
        two_dicts: [(({"x": x}, {"loc": 0.0}), {}), (({"x": x}, {"loc": 0.0, "theta_scale": 1.0}), {})],
        missing_target: [((x,), {}), ((x,), {"y": np.where(x > 1, np.nan, x)})],
        either_of: [((x,), {}), ((x,), {"upper": 1.0}), ((x,), {"lower": 1.0, "upper": 2.0})],
        options_compared: [((x,), {}), ((x, "two"), {}), ((x, "q", "q"), {})],
        mean_of_target: [((x,), {}), ((x,), {"y": x + 5})],
        constant_column: [((X,), {}), ((np.ones_like(X),), {})],
        gaps_in_groups: [((g,), {}), ((np.where(g == 1, 3, g),), {})],
        letters: [((x,), {}), ((x, "ac"), {}), ((x, ""), {})],
        both_none: [((x,), {}), ((x,), {"y": None, "w": x})],
        keyword_only: [((x,), {}), ((x,), {"noncentred": False})],
    }
    others = {
        names_in_tuple: ("theta",),
        equality_of_a_float: 0.0,
        layers_in_a_list: [4, 4],
        names_by_role: ("b", "a"),
        formula: "y ~ x + (1|g)",
        numeric_string: "10",
        degrees_of_freedom: 50.0,
        table_of_priors: 2,
        largest_level: (0.2, 0.9),
        truthiness: [1, 2],
        attribute_by_name: "nested",
        built_table: "m3",
        caught: "3",
        any_of_names: ("theta",),
        or_default: 4,
        none_or_string: "cauchit",
        fixed_values: {"theta": 1.5},
        scale_or_list: [2.0],
        since: datetime.date(2024, 5, 1),
        numpy_scalar: np.float32(2),
        function_that_makes_sites: drawn,
        mask_given: x > 0,
        literal: "nested",
        last_letter: "effect_r",
        identity_of_a_flag: True,
        counted_levels: 7,
        options_or_none: {"hierarchical": True},
        lower_case: "Student",
        lag_or_lead: 2,
        cached_helper: "random effects",
        probability: 1.0,
        sorted_strings: "z",
        ratio: 4.0,
        named_tuple: Config(True, 1.0),
        counted_names: ["u", "v", "w"],
        square: 3,
        reparam_option: "full",
    }
    fits.update({model: [((x,), {}), ((x, other), {})] for model, other in others.items()})
    return {
        f"{getattr(model, '__name__', 'callable_model')} {i}": Case(model, args, {"y": x, **kwargs})
        for model, pairs in fits.items()
        for i, (args, kwargs) in enumerate(pairs)
    }


OPTION_MODELS = _cases()
