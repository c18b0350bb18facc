"""Models whose sites depend on what was passed: what a call without arguments must not guess.

Each case is a model with the arguments of one fit; where two fits of one model record entries of the same names and
shapes that are of different kinds, both are here. An error is always right, a wrong kind never.
"""

import dataclasses
import enum
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from textbook_models import linear_regression, radon, record_fit, stacking


class Case(NamedTuple):
    """A model, the arguments of a fit, and what was done to its samples before they were stripped."""

    model: Any
    args: tuple = ()
    kwargs: dict = {}  # noqa: RUF012 - never changed
    change: Any = None

    def samples(self):
        samples = record_fit(self.model, self.args, self.kwargs)
        return samples if self.change is None else self.change(samples)


def _either(latent, base, scale=1.0):
    """``theta``, once a latent and once computed: the entries have the same names and shapes."""
    if latent:
        return numpyro.sample("theta", dist.Normal(base, scale))
    return numpyro.deterministic("theta", base * (1.0 + scale))


def flag(x, hierarchical):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(hierarchical, base)
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=x)


def flag_by_default(x, hierarchical=True, y=None):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0).expand([4]))
    theta = _either(hierarchical, base)
    numpyro.sample("obs", dist.Normal(theta.sum() * x, 1.0), obs=y)


def flag_that_scales_by_data(x, hierarchical=True, y=None):
    """What is computed depends on the data, so that recomputing it cannot tell the two apart."""
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(hierarchical, base * jnp.std(x))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def defaults_only(noncentred=True, scale=2.0):
    """No required parameter at all."""
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    z = numpyro.sample("z", dist.Normal(0.0, 1.0))
    if noncentred:
        numpyro.deterministic("theta", mu + scale * z)
    else:
        numpyro.sample("theta", dist.Normal(mu, scale))


def string_option(x, link):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(link == "probit", base)
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=x)


def string_by_default(x, y=None, prior="normal"):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    if prior.startswith("norm"):
        theta = numpyro.deterministic("theta", base + 1.0)
    elif prior == "horseshoe":
        theta = numpyro.sample("theta", dist.Normal(base, 1.0))
    else:
        raise ValueError(prior)
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def option_in_dict(x, options):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(options["centred"], base)
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=x)


def option_that_may_be_missing(x, options):
    base = numpyro.sample("base", dist.Normal(0.0, options["scale"]))
    theta = _either(options.get("centred", False), base)
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=x)


def options_by_default(x, options={"deep": {"centred": True}}):  # noqa: B006 - as people write them
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(options["deep"]["centred"], base)
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=x)


def integer_code(x, code):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(code == 7, base)
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=x)


class Kind(enum.Enum):
    FLAT = 1
    NESTED = 2


def enum_option(x, kind):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(kind is Kind.NESTED, base)
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=x)


def threshold_on_groups(J, y=None):
    """Above five groups their effects are latents; the size of the entry does not change."""
    base = numpyro.sample("base", dist.Normal(0.0, 1.0).expand([8]))
    theta = _either(J > 5, base)
    numpyro.sample("obs", dist.Normal(theta.sum(), 1.0).expand([J]), obs=y)


def threshold_on_rows(x, y=None):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(x.shape[0] > 100, base)
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def threshold_on_a_number(x, scale):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(scale > 0.5, base)
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=x)


def two_flags(x, y=None, pooled=False, centred=False):
    """Only both together make the difference."""
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(pooled and centred, base)
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def sites_named_by_data(x, names):
    total = 0.0
    for i, name in enumerate(names):
        value = numpyro.sample(name, dist.Normal(0.0, 1.0)) if i else numpyro.deterministic(name, jnp.ones(()))
        total = total + value
    numpyro.sample("obs", dist.Normal(total * x, 1.0), obs=x)


def roles_swapped(x, which):
    names = ("a", "b") if which == 0 else ("b", "a")
    value = numpyro.sample(names[0], dist.Normal(0.0, 1.0))
    numpyro.deterministic(names[1], value)
    numpyro.sample("obs", dist.Normal(value * x, 1.0), obs=x)


def exchanged(a, b):
    """Two numbers that could be each other."""
    base = numpyro.sample("base", dist.Normal(0.0, 1.0).expand([max(a, b)]))
    _either(a > b, base)
    numpyro.sample("obs", dist.Normal(base, 1.0), obs=jnp.zeros(max(a, b)))


def weights_or_none(x, w):
    base = numpyro.sample("base", dist.HalfNormal(1.0))
    given = w is not None
    sigma = numpyro.deterministic("sigma", base * 2.0) if given else numpyro.sample("sigma", dist.HalfNormal(base))
    numpyro.sample("obs", dist.Normal(x, sigma), obs=x)


def default_none(x, y=None, sigma=None):
    base = numpyro.sample("base", dist.HalfNormal(1.0))
    if sigma is None:
        scale = numpyro.sample("scale", dist.HalfNormal(base))
    else:
        scale = numpyro.deterministic("scale", sigma * base)
    numpyro.sample("obs", dist.Normal(x, scale), obs=y)


def by_value(x):
    """Needs the data's values."""
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(np.mean(x) > 0, base)
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=x)


def by_value_of_an_index(group, y=None):
    """As many effects as groups; what they are depends on the first row."""
    base = numpyro.sample("base", dist.Normal(0.0, 1.0).expand([len(np.unique(group))]))
    theta = _either(np.asarray(group)[0] == 0, base)
    numpyro.sample("obs", dist.Normal(theta[group], 1.0), obs=y)


def group_covariate(x, group, u, y=None):
    """``u`` has one value a group, and nothing recorded has one value a row."""
    with numpyro.plate("groups", u.shape[0]):
        effect = numpyro.sample("effect", dist.Normal(u, 1.0))
    with numpyro.plate("rows", x.shape[0]):
        numpyro.sample("obs", dist.Normal(effect[group] + x, 1.0), obs=y)


def two_group_covariates(x, group, u, v):
    with numpyro.plate("groups", u.shape[0]):
        effect = numpyro.sample("effect", dist.Normal(u * v, 1.0))
    numpyro.sample("obs", dist.Normal(effect[group] + x, 1.0), obs=x)


def rows_or_groups(x, k, per_row=False):
    """The same latent: one value a row, or one a group."""
    size = x.shape[0] if per_row else k
    theta = numpyro.sample("theta", dist.Normal(0.0, 1.0).expand([size]))
    numpyro.sample("obs", dist.Normal(x + theta.sum(), 1.0), obs=x)


def extra_keywords(x, **options):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(options.get("centred", False), base)
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=x)


@dataclasses.dataclass(frozen=True)
class Config:
    centred: bool = True
    scale: float = 1.0


def config_by_default(x, y=None, config=Config()):
    base = numpyro.sample("base", dist.Normal(0.0, config.scale))
    theta = _either(config.centred, base)
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


PRIORS = {
    "flat": lambda base: numpyro.deterministic("theta", base),
    "nested": lambda base: numpyro.sample("theta", dist.Normal(base, 1.0)),
}


def looked_up(x, prior):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    numpyro.sample("obs", dist.Normal(PRIORS[prior](base) * x, 1.0), obs=x)


# ----------------------------------------------------------------------------------------------------------------
# Written when the code was done, to see how it fares. What is computed depends on the data, so that nothing but the
# variation of arguments can tell.


def by_dtype(x, y=None):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(jnp.issubdtype(x.dtype, jnp.integer), base * jnp.std(x))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def by_dimensions(x, y=None):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(x.ndim == 2, base * jnp.std(x))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def by_function(x, link):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(link is jnp.exp, base * jnp.std(x))
    numpyro.sample("obs", dist.Normal(link(theta) * x, 1.0), obs=x)


def bit_mask(x, effects=5, y=None):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(effects & 8, base * jnp.std(x))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def parity(x, k, y=None):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(k % 2 == 0, base * jnp.std(x))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def length_of_string(x, formula):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(len(formula) > 8, base * jnp.std(x))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=x)


def three_flags(x, y=None, a=False, b=False, c=False):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(a and b and c, base * jnp.std(x))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def wide(X, y=None):
    n, p = X.shape
    base = numpyro.sample("base", dist.Normal(0.0, 1.0).expand([p]))
    theta = _either(p > n, base * X.std())
    numpyro.sample("obs", dist.Normal(X @ theta, 1.0), obs=y)


def computed_threshold(x, scale=1.0, y=None):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(scale > np.sqrt(50.0) * 3, base * jnp.std(x))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


ACTIVE = np.array([True, False])


def array_by_default(x, active=ACTIVE, y=None):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(bool(active.all()), base * jnp.std(x))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def built_string(x, family="gauss", y=None):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(family == "-".join(("student", "t")), base * jnp.std(x))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def layers(x, sizes=(3, 3), y=None):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(len(sizes) > 2, base * jnp.std(x))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def function_by_default(x, link=jnp.tanh, y=None):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    theta = _either(link is jnp.exp, base * jnp.std(x))
    numpyro.sample("obs", dist.Normal(link(theta) * x, 1.0), obs=y)


def _without(*names):
    return lambda samples: {name: value for name, value in samples.items() if name not in names}


def _by_chain(samples):
    return {name: value.reshape(2, 3, *value.shape[1:]) for name, value in samples.items()}


def _of_another_model(samples):
    """A centred posterior: ``eta`` was a latent, and is not what this model would compute."""
    return {**samples, "eta": np.random.default_rng(3).normal(size=samples["eta"].shape).astype(np.float32)}


def _cases():
    rng = np.random.default_rng(2)
    x = rng.normal(size=30).astype(np.float32)
    X = rng.normal(size=(7, 7)).astype(np.float32)
    six = (np.arange(30) % 6).astype(np.int32)
    cases = {
        "threshold_on_groups, 8": Case(threshold_on_groups, (8, x[:8])),
        "threshold_on_groups, 3": Case(threshold_on_groups, (3, x[:3])),
        "threshold_on_rows, 30": Case(threshold_on_rows, (x, x)),
        "threshold_on_rows, 150": Case(threshold_on_rows, (np.tile(x, 5), np.tile(x, 5))),
        "defaults_only": Case(defaults_only),
        "defaults_only, centred": Case(defaults_only, (), {"noncentred": False}),
        "defaults_only, scale": Case(defaults_only, (), {"scale": 3.0}),
        "sites_named_by_data": Case(sites_named_by_data, (x, ("one", "two"))),
        "sites_named_by_data, other": Case(sites_named_by_data, (x, ("two", "one"))),
        "exchanged": Case(exchanged, (5, 3)),
        "exchanged, other": Case(exchanged, (3, 5)),
        "by_value": Case(by_value, (np.abs(x),)),
        "by_value, other": Case(by_value, (-np.abs(x),)),
        "by_value_of_an_index": Case(by_value_of_an_index, (six, x)),
        "by_value_of_an_index, other": Case(by_value_of_an_index, (5 - six, x)),
        "group_covariate": Case(group_covariate, (x, six, X[:6, 0], x)),
        "group_covariate, sizes coincide": Case(group_covariate, (x[:6], six[:6], X[:6, 0], x[:6])),
        "two_group_covariates": Case(two_group_covariates, (x, six, X[:6, 0], X[:6, 1])),
        "rows_or_groups": Case(rows_or_groups, (x, 6)),
        "rows_or_groups, rows": Case(rows_or_groups, (x, 6, True)),
        "extra_keywords": Case(extra_keywords, (x,)),
        "extra_keywords, other": Case(extra_keywords, (x,), {"centred": True}),
        "sizes coincide": Case(linear_regression, (X, X[:, 0])),
        "sizes coincide, radon": Case(radon, (six[:6], x[:6], x[6:12], x[:6])),
        "one row": Case(linear_regression, (X[:1, :3], X[:1, 0])),
        "one row, one feature": Case(linear_regression, (X[:1, :1], X[:1, 0])),
        "chains and draws": Case(linear_regression, (X[:, :3], X[:, 0]), {}, _by_chain),
        "chains and draws, one feature": Case(linear_regression, (X[:3, :1], X[:3, 0]), {}, _by_chain),
        "an entry is missing": Case(linear_regression, (X, X[:, 0]), {}, _without("sigma")),
        "a parent is missing": Case(linear_regression, (X, X[:, 0]), {}, _without("beta")),
        "another model": Case(radon, (six, x, X[:6, 1], x), {}, _without("z")),
        "values of another model": Case(linear_regression, (X, X[:, 0]), {}, _of_another_model),
        "by_dtype": Case(by_dtype, (x, x)),
        "by_dtype, other": Case(by_dtype, (six, x)),
        "by_dimensions": Case(by_dimensions, (x, x)),
        "by_dimensions, other": Case(by_dimensions, (X, X)),
        "wide": Case(wide, (np.tile(X, (2, 1)), x[:14])),
        "wide, other": Case(wide, (X[:3], x[:3])),
        "six parameters": Case(stacking, (X, 1, X[:5], X, 1.0, 1.0)),
    }
    pairs = {
        flag: (True, False),
        string_option: ("probit", "logit"),
        option_in_dict: ({"centred": True}, {"centred": False}),
        option_that_may_be_missing: ({"scale": 1.0}, {"scale": 1.0, "centred": True}),
        options_by_default: ({"deep": {"centred": True}}, {"deep": {"centred": False}}),
        integer_code: (7, 3),
        enum_option: (Kind.FLAT, Kind.NESTED),
        threshold_on_a_number: (0.9, 0.1),
        roles_swapped: (0, 1),
        weights_or_none: (None, np.abs(x)),
        looked_up: ("flat", "nested"),
        by_function: (jnp.tanh, jnp.exp),
        parity: (3, 4),
        length_of_string: ("y ~ x", "y ~ x + (x | g)"),
    }
    for model, (one, other) in pairs.items():
        cases[model.__name__] = Case(model, (x, one))
        cases[f"{model.__name__}, other"] = Case(model, (x, other))
    keywords = {
        flag_by_default: ({}, {"hierarchical": False}),
        flag_that_scales_by_data: ({}, {"hierarchical": False}),
        string_by_default: ({"prior": "normal"}, {"prior": "horseshoe"}),
        two_flags: ({}, {"pooled": True, "centred": True}),
        default_none: ({}, {"sigma": 2.0}),
        config_by_default: ({}, {"config": Config(centred=False)}),
        bit_mask: ({}, {"effects": 8}),
        three_flags: ({}, {"a": True, "b": True, "c": True}),
        computed_threshold: ({}, {"scale": 30.0}),
        array_by_default: ({}, {"active": np.array([True, True])}),
        built_string: ({}, {"family": "student-t"}),
        layers: ({}, {"sizes": (3, 3, 3)}),
        function_by_default: ({}, {"link": jnp.exp}),
    }
    for model, (one, other) in keywords.items():
        cases[model.__name__] = Case(model, (x,), {"y": x, **one})
        cases[f"{model.__name__}, other"] = Case(model, (x,), {"y": x, **other})
    return cases


ADVERSARIAL = _cases()
