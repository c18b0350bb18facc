"""Handlers around the model: what `do` and `condition` set is told where fitted values were drawn otherwise, and a name
that no site has is told."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan
from numpyro.handlers import block, condition, do, mask, reparam, scope, seed, substitute
from numpyro.infer import MCMC, NUTS
from numpyro.infer import Predictive as StockPredictive
from numpyro.infer.reparam import LocScaleReparam
from warned import warned

import sanitize
from sanitize import OtherArgumentsWarning, inspect_sites, strip_deterministic
from sanitize.model import replay

KEY = jax.random.PRNGKey(0)
RNG = np.random.default_rng(1)
DRAWS = 40
DOSE = np.linspace(0.5, 1.5, 5).astype(np.float32)
G = np.array([0, 1, 2, 0])


@pytest.fixture(autouse=True)
def a_mistake_of_ours_is_no_silence(monkeypatch):
    monkeypatch.setattr(replay, "RAISE", True)


def mediated(dose, y=None):
    """A dose, whether it was taken, a mediator with one value a person, an outcome."""
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    with numpyro.plate("people", len(dose)):
        taken = numpyro.sample("taken", dist.Normal(dose, 0.01), obs=dose)
        mediator = numpyro.sample("mediator", dist.Normal(slope * taken, 0.1))
        effect = numpyro.deterministic("effect", 3.0 * mediator)
        numpyro.sample("y", dist.Normal(effect, 0.1), obs=y)


def grouped(g, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    tau = numpyro.sample("tau", dist.HalfNormal(1))
    with numpyro.plate("groups", 3):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
    numpyro.sample("y", dist.Normal(theta[g], 0.1), obs=y)


def chain(x, y=None):
    a = numpyro.sample("a", dist.Normal(0, 1))
    b = numpyro.sample("b", dist.Normal(2 * a, 1))
    c = numpyro.sample("c", dist.LogNormal(b, 0.1))
    numpyro.sample("y", dist.Normal(c * x, 0.1), obs=y)


def options(x, power, shift=0.0, y=None):
    a = numpyro.sample("a", dist.Normal(0, 1))
    b = numpyro.sample("b", dist.Normal(a**power, 1))
    numpyro.sample("y", dist.Normal(b * x + shift, 0.1), obs=y)


def by_covariance(x, y=None):
    rho = numpyro.sample("rho", dist.Uniform(0, 1))
    covariance = jnp.eye(2) * (1 - rho) + rho
    beta = numpyro.sample("beta", dist.MultivariateNormal(jnp.zeros(2), covariance))
    numpyro.sample("y", dist.Normal(x @ beta, 0.1), obs=y)


def draws(model, *args, without=()):
    prior = StockPredictive(model, num_samples=DRAWS)(KEY, *args)
    return {name: np.asarray(value) for name, value in prior.items() if name not in without}


def of_mediated(**more):
    return draws(mediated, DOSE, without=("taken", "y"), **more)


X2 = np.ones((4, 2), np.float32)

# The model, its samples, its arguments -> the latents that are drawn otherwise, or the names that say nothing.
SPEAKS = {
    "do above a mediator": (do(mediated, {"taken": 2.0}), of_mediated(), DOSE, {"mediator"}),
    "an array": (do(mediated, {"taken": DOSE + 1}), of_mediated(), DOSE, {"mediator"}),
    "condition in place of data": (condition(mediated, {"taken": DOSE + 1}), of_mediated(), DOSE, {"mediator"}),
    "do above groups": (do(grouped, {"mu": 5.0}), draws(grouped, G), G, {"theta"}),
    "condition above groups": (condition(grouped, {"tau": 9.0}), draws(grouped, G), G, {"theta"}),
    "do, entry removed by hand": (do(grouped, {"mu": 5.0}), draws(grouped, G, without=["mu"]), G, {"theta"}),
    "inside scope": (
        scope(do(grouped, {"mu": 5.0}), "s"),
        {f"s/{name}": value for name, value in draws(grouped, G).items()},
        G,
        {"s/theta"},
    ),
    "around scope": (
        do(scope(grouped, "s", divider="."), {"s.mu": 5.0}),
        {f"s.{name}": value for name, value in draws(grouped, G).items()},
        G,
        {"s.theta"},
    ),
    "nested": (seed(mask(do(condition(chain, {"y": DOSE}), {"a": 3.0}), True), 0), draws(chain, DOSE), DOSE, {"b"}),
    "a partial of a handler": (
        partial(mask(partial(do(options, {"a": 3.0}), power=2), True), shift=1.0),
        {"a": np.ones(DRAWS), "b": np.linspace(1, 2, DRAWS)},
        DOSE,
        {"b"},
    ),
    "misspelt in a partial": (
        partial(do(options, {"A": 3.0}), power=2),
        {"a": np.ones(DRAWS), "b": np.ones(DRAWS)},
        DOSE,
        {"A"},
    ),
    "a covariance": (do(by_covariance, {"rho": 0.9}), draws(by_covariance, X2), X2, {"beta"}),
    "misspelt in do": (do(mediated, {"takn": 1.0}), of_mediated(), DOSE, {"takn"}),
    "misspelt in condition": (condition(grouped, {"Tau": 1.0}), draws(grouped, G), G, {"Tau"}),
    "misspelt in block": (block(seed(grouped, 0), hide=["mv"]), {"theta": draws(grouped, G)["theta"]}, G, {"mv"}),
    "misspelt in substitute": (substitute(grouped, {"thtea": 1.0}), draws(grouped, G), G, {"thtea"}),
    "one letter too many": (substitute(grouped, {"thetaa": 1.0}), draws(grouped, G), G, {"thetaa"}),
    "without its scope": (
        do(scope(chain, "s"), {"b": 1.0}),
        {f"s/{name}": value for name, value in draws(chain, DOSE).items()},
        DOSE,
        {"b"},
    ),
    "with a scope that it does not see": (
        scope(do(chain, {"s/b": 1.0}), "s"),
        {f"s/{name}": value for name, value in draws(chain, DOSE).items()},
        DOSE,
        {"s/b"},
    ),
    "do on a deterministic": (do(mediated, {"effect": 9.0}), of_mediated(), DOSE, {"effect"}),
    "do on what is reparametrized inside": (
        do(reparam(grouped, {"theta": LocScaleReparam(0)}), {"theta": np.ones(3)}),
        draws(reparam(grouped, {"theta": LocScaleReparam(0)}), G),
        G,
        {"theta"},
    ),
    "hidden from do": (
        do(block(seed(chain, 0), hide=["a"]), {"a": 1.0}),
        draws(chain, DOSE, without=["a"]),
        DOSE,
        {"a"},
    ),
}

SILENT = {
    "do below what was fitted": (do(mediated, {"mediator": 1.0}), of_mediated(), DOSE),
    "do to what the data were": (do(mediated, {"taken": DOSE}), of_mediated(), DOSE),
    "do to a number that the data were": (do(mediated, {"taken": 1.0}), of_mediated(), np.ones(5, np.float32)),
    "do on groups": (do(grouped, {"theta": np.zeros(3)}), draws(grouped, G), G),
    "do on the last of a chain": (do(chain, {"c": 1.0}), draws(chain, DOSE), DOSE),
    "conditioned in the fit too": (condition(grouped, {"tau": 1.0}), draws(grouped, G, without=["tau"]), G),
    "do on two, one above the other": (do(chain, {"b": 1.0, "c": 2.0}), draws(chain, DOSE), DOSE),
    "reparametrized": (reparam(grouped, {"theta": LocScaleReparam(0)}), draws(grouped, G, without=["theta"]), G),
    "scoped": (scope(grouped, "s"), {f"s/{name}": value for name, value in draws(grouped, G).items()}, G),
    "params of a guide": (substitute(grouped, {"theta_auto_loc": 1.0, "mu_auto_loc": 1.0}), draws(grouped, G), G),
    "substituted": (substitute(grouped, {"tau": 1.0}), draws(grouped, G, without=["tau"]), G),
    "substituted beside an alike": (substitute(grouped, {"theta": np.ones(3), "thtea": 2.0}), draws(grouped, G), G),
    "params of a guide by hand": (substitute(grouped, {"theta_q": np.ones(3), "q_theta": 1.0}), draws(grouped, G), G),
    "a partial": (
        partial(do(partial(options, power=2), {"b": 3.0}), shift=1.0),
        {"a": np.ones(DRAWS), "b": np.ones(DRAWS)},
        DOSE,
    ),
    "block by a function": (
        block(seed(grouped, 0), hide_fn=lambda site: site["name"] == "mu"),
        draws(grouped, G, without=["mu"]),
        G,
    ),
    "block of sites": (block(seed(grouped, 0), hide=["mu", "tau"]), draws(grouped, G, without=["mu", "tau"]), G),
    "seeded and masked": (seed(mask(grouped, True), 0), draws(grouped, G), G),
    "a condition by a function": (condition(grouped, condition_fn=lambda site: None), draws(grouped, G), G),
}


def told(model, samples, args, **options):
    """The names that are told of, and the message."""
    with warned() as caught:
        options.setdefault("new_rows", False)
        strip_deterministic(model, samples, args, **options)
    found = [w.message for w in caught if w.category is OtherArgumentsWarning]
    names = set().union(*[message.differences for message in found])
    return names, " ".join(map(str, found))


@pytest.mark.parametrize("case", SPEAKS)
def test_handlers_that_do_otherwise_than_expected_are_told(case):
    *call, names = SPEAKS[case]
    found, message = told(*call)
    assert found == names
    assert all(repr(name) in message for name in names)


@pytest.mark.parametrize("case", SILENT)
def test_handlers_that_leave_fitted_values_alone_are_silent(case):
    assert told(*SILENT[case]) == (set(), "")


@pytest.mark.parametrize("verb", ["keep", "redraw"])
def test_a_verb_settles_an_intervention(verb):
    model, samples, args, (name,) = SPEAKS["do above a mediator"]
    assert told(model, samples, args, **{verb: name}) == (set(), "")


def test_what_is_drawn_from_a_redrawn_latent_is_told():
    """b is drawn anew under do(a), so that the fitted c is another b's."""
    model = do(chain, {"a": 3.0})
    names, message = told(model, draws(chain, DOSE), DOSE)
    assert names == {"b"}
    assert "redraw=('b',)" in message
    assert "'a'" in message
    assert told(model, draws(chain, DOSE), DOSE, redraw="b")[0] == {"c"}
    assert told(model, draws(chain, DOSE), DOSE, redraw=("b", "c"))[0] == set()


def test_redrawn_it_is_what_the_intervention_brings_about():
    """y = 3 * slope * taken, in closed form."""
    samples = of_mediated()
    answer = sanitize.Predictive(do(mediated, {"taken": 2.0}), samples, new_rows=False, redraw="mediator")(KEY, DOSE)
    difference = answer["y"] - 6.0 * samples["slope"][:, None]
    assert abs(difference.mean()) < 0.1


def test_a_fit_with_the_same_handlers_is_known():
    """The MCMC holds the model that was fitted."""
    fitted = condition(do(grouped, {"mu": 1.0}), {"tau": 0.5})
    mcmc = MCMC(NUTS(fitted), num_warmup=5, num_samples=5, progress_bar=False)
    mcmc.run(KEY, G, y=np.ones(4, np.float32))
    assert told(fitted, mcmc, G)[0] == set()
    assert told(condition(do(grouped, {"mu": 1.0}), {"tau": 0.5}), mcmc, G)[0] == set()
    assert told(condition(do(grouped, {"mu": 4.0}), {"tau": 0.5}), mcmc, G)[0] == {"theta"}
    assert told(condition(do(grouped, {"mu": 1.0}), {"tau": 2.0}), mcmc, G)[0] == {"theta"}


def test_a_name_that_may_be_meant_is_named():
    assert "'taken' may be meant" in told(*SPEAKS["misspelt in do"][:3])[1]
    assert "kind deterministic" in told(*SPEAKS["do on a deterministic"][:3])[1]


@pytest.mark.parametrize("case", ["do above a mediator", "misspelt in do"])
def test_every_door_says_it(case):
    model, samples, args, names = SPEAKS[case]
    calls = [
        lambda: sanitize.Predictive(model, samples, new_rows=False)(KEY, args),
        lambda: sanitize.Predictive(model, samples, new_rows=False)(KEY, args + 0.1),
        lambda: inspect_sites(model, args).review(samples, new_rows=False),
    ]
    for call in calls:
        with warned() as caught:
            call()
        assert [set(w.message.differences) for w in caught if w.category is OtherArgumentsWarning] == [names]


# ----------------------------------------------------------------------------------------------- data that come back


def unconditional(x):
    """Nothing makes y observed but a handler."""
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    taken = numpyro.sample("taken", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(slope * x + taken, 1.0))


def come_back(model, samples, *args, **options):
    with warned() as caught:
        sanitize.Predictive(model, samples, **options)(KEY, *args)
    return [str(w.message) for w in caught if "come back" in str(w.message)]


def test_data_that_condition_brings_come_back_and_are_told():
    y = np.ones(5, np.float32)
    slope = {"slope": np.ones(3, np.float32), "taken": np.ones(3, np.float32)}
    (message,) = come_back(condition(unconditional, {"y": y}), slope, DOSE)
    assert "'y'" in message
    assert "condition" in message
    assert come_back(condition(grouped, {"y": np.ones(4)}), draws(grouped, G, without=["y"]), G)
    assert not come_back(condition(unconditional, {"taken": 1.0}), {"slope": slope["slope"]}, DOSE)
    assert not come_back(unconditional, slope, DOSE)
    assert not come_back(condition(unconditional, {"y": y}), slope, DOSE, return_sites=["slope"])


def states(steps):
    def step(state, _):
        x = numpyro.sample("x", dist.Normal(0.5 * state, 1.0))
        numpyro.sample("y", dist.Normal(x, 1.0))
        return x, None

    scan(step, numpyro.sample("start", dist.Normal(0.0, 1.0)), None, steps)


def test_what_others_are_drawn_from_is_not_taken_for_data():
    """A cause, or the states of a series, that `condition` sets beside recorded predictions."""
    samples = {"slope": np.ones(3, np.float32), "y": np.ones((3, 5), np.float32)}
    assert not come_back(condition(unconditional, {"taken": 1.0}), samples, DOSE)
    samples = {"start": np.ones(3, np.float32), "y": np.ones((3, 4), np.float32)}
    assert not come_back(condition(states, {"x": jnp.ones(4)}), samples, 6, return_sites=["x", "y"], parallel=True)
    samples["x"] = samples.pop("y")
    assert come_back(condition(states, {"y": jnp.ones(4)}), samples, 4)


def residuals(x, y=None):
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    seen = numpyro.sample("y", dist.Normal(slope * x, 1.0), obs=y)
    numpyro.deterministic("residual", seen - slope * x)


def residuals_with_data_alone(x, y=None):
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(slope * x, 1.0), obs=y)
    if y is not None:
        numpyro.deterministic("residual", y - slope * x)


@pytest.mark.parametrize("model", [residuals, residuals_with_data_alone])
def test_data_that_are_passed_for_what_is_computed_of_them_are_silent(model):
    samples, y = {"slope": np.ones(3, np.float32)}, np.ones(5, np.float32)
    assert not come_back(model, samples, DOSE, y)
    assert come_back(model, samples, DOSE, y, return_sites=["y"])


def test_data_are_told_where_what_is_computed_is_not_of_them():
    samples = {**of_mediated(), "effect": np.zeros((DRAWS, 5))}
    assert come_back(mediated, samples, DOSE, np.ones(5, np.float32), new_rows=False)
