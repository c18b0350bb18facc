"""Calls of other fields through `Predictor`, each with an answer that was worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
import xarray as xr
from jax.scipy.stats import norm
from numpyro import deterministic, plate, sample
from numpyro.contrib.control_flow import scan
from since import OF_PREDICTOR

from sanitize import Predictor

pytestmark = [
    pytest.mark.slow,
    OF_PREDICTOR,
]

KEY = jax.random.PRNGKey(5)
F = np.float32


def close(answer, truth, rtol=2e-5, atol=1e-5):
    np.testing.assert_allclose(np.asarray(answer), truth, rtol=rtol, atol=atol)


def test_pharmacokinetics_dose_and_hours():
    """The dose is a Python float, a power of it is taken in Python; hours are doubles."""

    def model(hours, dose=100.0, y=None):
        ka, ke = sample("ka", dist.LogNormal(0, 1)), sample("ke", dist.LogNormal(-2, 1))
        per_volume = dose**0.9 / 20.0
        mean = deterministic("conc", per_volume * ka / (ka - ke) * (jnp.exp(-ke * hours) - jnp.exp(-ka * hours)))
        sample("y", dist.Normal(mean, 0.1), obs=y)

    ka, ke = np.array([1.0, 2.0], F), np.array([0.1, 0.2], F)
    predict = Predictor(model, {"ka": ka, "ke": ke, "conc": np.zeros((2, 50))}, kind="mean")
    hours = np.array([0.5, 1.25, 7.1])
    for dose in (100.0, 37.5, 250.1):
        k, e = ka[:, None], ke[:, None]
        truth = dose**0.9 / 20 * k / (k - e) * (np.exp(-e * hours) - np.exp(-k * hours))
        answer = predict(KEY, hours, dose)
        close(answer["y"], truth)
        close(answer["conc"], truth)


def test_insurance_claims_by_policy():
    """A frame of policies: its index labels the answer; excess zeros in the claims."""

    def model(policies, claims=None):
        rate, gate = sample("rate", dist.Gamma(1, 1)), sample("gate", dist.Beta(1, 1))
        exposure = policies["years"].to_numpy()
        with plate("policy", len(policies)):
            sample("claims", dist.ZeroInflatedPoisson(gate, rate * exposure), obs=claims)

    policies = pd.DataFrame({"years": [0.5, 1.0, 2.0]}, index=pd.Index(["A7", "B2", "C9"], name="number"))
    samples = {"rate": np.array([1.0, 2.0], F), "gate": np.array([0.5, 0.25], F), "claims": np.zeros((2, 8), int)}
    predict = Predictor(model, samples, kind="mean")
    answer = predict(KEY, policies)
    close(answer["claims"], [[0.25, 0.5, 1.0], [0.75, 1.5, 3.0]])
    assert list(answer["policy"]) == ["A7", "B2", "C9"]
    policies.loc["A7", "years"] = 4.0  # the same object, changed
    close(predict(KEY, policies)["claims"], [[2.0, 0.5, 1.0], [6.0, 1.5, 3.0]])


def test_genotypes_of_a_population():
    """Hardy and Weinberg: counts of three genotypes for each locus, an event of three."""

    def model(sampled, counts=None):
        with plate("locus", len(sampled)):
            p = sample("p", dist.Beta(1, 1))
            genotype = jnp.stack([p**2, 2 * p * (1 - p), (1 - p) ** 2], -1)
            sample("counts", dist.Multinomial(sampled, genotype), obs=counts)

    p = np.array([[0.5, 0.1], [0.2, 0.9]], F)
    sampled = np.array([100, 10])
    predict = Predictor(model, {"p": p}, kind="mean", keep="p", dims={"counts": ["locus", "genotype"]})
    answer = predict(KEY, sampled)
    close(answer["counts"], sampled[:, None] * np.stack([p**2, 2 * p * (1 - p), (1 - p) ** 2], -1))
    assert answer["counts"].dims == ("draw", "locus", "genotype")
    scores = predict.log_likelihood(sampled, np.array([[100, 0, 0], [0, 0, 10]]))
    close(scores["counts"], np.stack([200 * np.log(p[:, 0]), 20 * np.log(1 - p[:, 1])], 1), 1e-3)
    assert scores["counts"].dims == ("draw", "locus")


def test_floods_of_a_river():
    """Yearly maxima, numbered by the year as int64, centred in NumPy."""

    def model(year, y=None):
        trend, scale = sample("trend", dist.Normal()), sample("scale", dist.HalfNormal())
        level = deterministic("level", 10 + trend * (year - 1990) / 10)
        with plate("year", len(year)):
            sample("y", dist.Gumbel(level, scale), obs=y)

    samples = {"trend": np.array([1.0, -1.0], F), "scale": np.array([2.0, 0.5], F), "level": np.zeros((2, 30))}
    answer = Predictor(model, samples, kind="mean")(KEY, np.array([1990, 2000, 2100]))
    close(answer["y"] - answer["level"], np.euler_gamma * np.array([[2.0] * 3, [0.5] * 3]), 1e-4)
    close(answer["level"], [[10, 11, 21], [10, 9, -1]])


def test_counts_of_animals_that_are_never_all_seen():
    """The number at each site was marginalized, and is drawn; the mean of what is seen is given it."""

    def model(visits, sites, y=None):
        rate, p = sample("rate", dist.Gamma(1, 1)), sample("p", dist.Beta(1, 1))
        with plate("site", sites, dim=-2):
            n = sample("n", dist.Poisson(rate), infer={"enumerate": "parallel"})
            with plate("visit", visits, dim=-1):
                sample("y", dist.Binomial(n, p), obs=y)

    samples = {"rate": np.full(400, 20.0, F), "p": np.full(400, 0.25, F)}
    answer = Predictor(model, samples, kind="mean")(KEY, 3, 5)
    close(answer["y"], 0.25 * np.broadcast_to(answer["n"], (400, 5, 3)))
    assert answer["y"].dims == ("draw", "site", "visit")
    assert abs(float(answer["y"].mean()) - 5.0) < 0.2


def test_an_autoregressive_series_gives_the_mean_given_its_past():
    """What is predicted feeds the next step: each mean is that of its own distribution, not a draw."""

    def model(steps, y=None):
        phi = sample("phi", dist.Uniform(-1, 1))

        def step(last, y_t):
            value = sample("y", dist.Normal(phi * last, 1.0), obs=y_t)
            return value, None

        scan(step, 8.0, y, length=steps)

    phi = np.full(500, 0.5, F)
    answer = Predictor(model, {"phi": phi}, kind="mean")(KEY, 3)
    close(answer["y"][:, 0], np.full(500, 4.0))
    assert 0.3 < float(answer["y"][:, 1].std()) < 0.7  # the noise of one step, halved
    close(answer["y"].mean("draw"), [4, 2, 1], rtol=0.1)


def test_a_series_in_a_loop_gives_the_mean_given_its_past():
    def model(steps, y=None):
        phi, last = sample("phi", dist.Uniform(-1, 1)), 8.0
        for t in range(steps):
            last = sample(f"y_{t}", dist.Normal(phi * last, 1.0), obs=None if y is None else y[t])

    answer = Predictor(model, {"phi": np.full(500, 0.5, F)}, kind="mean")(KEY, 3)
    close(answer["y_0"], np.full(500, 4.0))
    assert 0.3 < float(answer["y_1"].std()) < 0.7
    close([answer[f"y_{t}"].mean() for t in range(3)], [4, 2, 1], rtol=0.1)


def test_photons_of_a_variable_star():
    """Julian days, folded in NumPy: seven digits before the point."""

    def model(jd, y=None):
        amplitude = sample("amplitude", dist.HalfNormal())
        phase = 2 * np.pi * ((jd - 2_459_000.5) % 0.25) / 0.25
        with plate("exposure", len(jd)):
            sample("y", dist.Poisson(100 * (1 + amplitude * jnp.sin(phase))), obs=y)

    amplitude = np.array([0.5, 0.1], F)
    predict = Predictor(model, {"amplitude": amplitude}, kind="mean")
    for start in (2_459_000.5, 2_459_100.5625):
        jd = start + np.array([0.0, 0.0625, 0.125, 0.1875])
        shift = 0 if start == 2_459_000.5 else 1
        wave = np.roll([0, 1, 0, -1], -shift)
        close(predict(KEY, jd)["y"], 100 * (1 + amplitude[:, None] * wave), 1e-4)
    close(predict(KEY, np.array([2_459_000.5625]))["y"], [[150.0], [110.0]], 1e-4)  # one row has no spread


def test_a_league_of_named_teams():
    """Names of teams are looked up in Python, among the names that the model was made for."""

    def league(teams):
        place = {name: i for i, name in enumerate(teams)}

        def model(home, away, won=None):
            with plate("team", len(teams)):
                skill = sample("skill", dist.Normal())
            h, a = np.array([place[n] for n in home]), np.array([place[n] for n in away])
            with plate("match", len(home)):
                sample("won", dist.Bernoulli(logits=skill[h] - skill[a]), obs=won)

        return model

    skill = np.log(np.array([[1.0, 3.0, 9.0], [1.0, 1.0, 4.0]], F))
    predict = Predictor(league(["Ajax", "Bari", "Celta"]), {"skill": skill}, kind="mean")
    close(predict(KEY, ["Bari", "Celta"], ["Ajax", "Bari"])["won"], [[0.75, 0.75], [0.5, 0.8]])
    close(predict(KEY, ["Ajax", "Celta"], ["Bari", "Bari"])["won"], [[0.25, 0.75], [0.5, 0.8]])


def test_a_field_trial_in_a_labelled_array():
    """A table of plots by seasons, with names for both."""

    def model(rain, y=None):
        slope = sample("slope", dist.Normal())
        with plate("seasons", rain.sizes["season"], dim=-1), plate("plots", rain.sizes["plot"], dim=-2):
            sample("yields", dist.LogNormal(slope * rain.values, 0.5), obs=y)

    rain = xr.DataArray(
        np.array([[0.0, 1.0, 2.0], [1.0, 1.0, 0.0]], F),
        dims=("plot", "season"),
        coords={"plot": ["north", "south"], "season": [2021, 2022, 2023]},
    )
    slope = np.array([[0.5, 1.0]], F)  # one chain
    answer = Predictor(model, {"slope": slope}, kind="mean")(KEY, rain)
    close(answer["yields"], np.exp(slope[..., None, None] * rain.values + 0.125))
    assert answer["yields"].dims == ("chain", "draw", "plots", "seasons")
    assert list(answer["seasons"]) == [2021, 2022, 2023]
    assert list(answer["plots"]) == ["north", "south"]


def test_enzymes_whose_rates_cannot_be_negative():
    def model(substrate, y=None):
        vmax, km = sample("vmax", dist.HalfNormal()), sample("km", dist.HalfNormal())
        rate = deterministic("rate", vmax * substrate / (km + substrate))
        sample("y", dist.TruncatedNormal(rate, 1.0, low=0.0), obs=y)

    samples = {"vmax": np.array([2.0, 4.0], F), "km": np.array([1.0, 3.0], F)}
    substrate = np.array([1.0, 3.0, 0.0])
    rate = samples["vmax"][:, None] * substrate / (samples["km"][:, None] + substrate)
    answer = Predictor(model, samples, kind="mean")(KEY, substrate)
    close(answer["rate"], rate)
    close(answer["y"], rate + np.exp(-(rate**2) / 2) / np.sqrt(2 * np.pi) / np.asarray(norm.cdf(rate)), 1e-4)


def test_lifetimes_scored_by_hand():
    """The likelihood is a factor, which is left out of predictions; survival is what is computed."""

    def model(years, died=None):
        hazard = sample("hazard", dist.Exponential(1.0))
        deterministic("survival", jnp.exp(-hazard * years))
        deterministic("half", jnp.log(2.0) / hazard)
        if died is not None:
            numpyro.factor("lives", jnp.sum(died * jnp.log(hazard) - hazard * years))

    hazard = np.array([0.5, 0.25], F)
    predict = Predictor(model, {"hazard": hazard, "half": np.zeros(2), "survival": np.zeros((2, 9))})
    years, died = np.array([2.0, 4.0], F), np.array([1, 0])
    answer = predict(KEY, years, died)
    assert set(answer) == {"survival", "half"}
    close(answer["survival"], np.exp(-hazard[:, None] * years))
    close(predict.log_likelihood(years, died)["lives"], np.log(hazard) - 6 * hazard)


@pytest.mark.filterwarnings("ignore::sanitize.DataStatisticWarning")  # spend counts from its maximum
def test_advertising_by_channels_in_a_dict():
    """A dict of columns, the spend a list, the carry-over an option that changes between calls."""

    def model(spend, saturate=False, decay=0.5, y=None):
        base = sample("base", dist.Normal())
        total = base
        for channel, values in spend.items():
            carried, stock = [], 0.0
            for v in values:
                stock = v + decay * stock
                carried.append(stock)
            effect = jnp.array(carried)
            total = total + sample(f"beta_{channel}", dist.HalfNormal()) * (jnp.tanh(effect) if saturate else effect)
        sample("sales", dist.Normal(total, 1.0), obs=y)

    samples = {"base": np.array([1.0], F), "beta_tv": np.array([2.0], F), "beta_radio": np.array([10.0], F)}
    predict = Predictor(model, samples, kind="mean")
    spend = {"tv": [1.0, 0.0, 0.0], "radio": [0.0, 2.0, 0.0]}
    close(predict(KEY, spend)["sales"], [[3.0, 22.0, 11.5]])
    close(predict(KEY, spend, decay=0.25)["sales"], [[3.0, 21.5, 6.125]])
    close(predict(KEY, {"tv": [1.0, 1.0, 0.0], "radio": [0.0, 0.0, 0.0]})["sales"], [[3.0, 4.0, 2.5]])
    close(predict(KEY, {"tv": [9.0], "radio": [9.0]}, saturate=True)["sales"], [[13.0]])


def test_a_questionnaire_gives_the_share_of_each_answer():
    def model(x, y=None):
        slope = sample("slope", dist.Normal())
        cuts = sample("cuts", dist.Normal(jnp.array([-1.0, 1.0]), 1.0))
        p = deterministic("agree", jax.nn.sigmoid(slope * x - cuts[1]))
        sample("y", dist.OrderedLogistic(slope * x, cuts), obs=y)
        return p

    samples = {"slope": np.zeros(3, F), "cuts": np.tile(np.array([-1.0, 1.0], F), (3, 1))}
    answer = Predictor(model, samples, kind="mean")(KEY, np.ones(2, F))
    assert answer["y"].dims == ("draw", "y_dim_0", "y_category")
    tail = 1 / (1 + np.e)
    close(answer["y"], np.broadcast_to([tail, 1 - 2 * tail, tail], (3, 2, 3)))
    close(answer["agree"], answer["y"][..., 2])


def test_spikes_in_microseconds():
    """Times of spikes are int64 beyond int32; their differences are what counts."""

    def model(microseconds, y=None):
        gain = sample("gain", dist.HalfNormal())
        gaps = np.diff(microseconds) / 1000
        sample("y", dist.Exponential(gain / gaps), obs=y)

    start = 1_700_000_000_000_000
    predict = Predictor(model, {"gain": np.array([1.0, 4.0], F)}, kind="mean")
    for gaps in ([2000, 8000], [500, 1500], [2000, 8000]):
        times = start + np.cumsum([0, *gaps])
        close(predict(KEY, times)["y"], np.array(gaps) / 1000 / np.array([[1.0], [4.0]]))


def test_an_epidemic_with_a_chosen_incidence():
    """A callable and a number of steps among the arguments; states come from a recursion."""

    def model(days, infected, incidence=jnp.minimum, y=None):
        rate = sample("rate", dist.Beta(1, 1))

        def step(state, _):
            s, i = state
            new = incidence(rate * i, s)
            return (s - new, i + new), i + new

        _, cases = jax.lax.scan(step, (100.0 - infected, infected), None, length=days)
        deterministic("cases", cases)
        with plate("day", days):
            sample("y", dist.Poisson(cases), obs=y)

    predict = Predictor(model, {"rate": np.array([1.0, 0.5], F), "cases": np.zeros((2, 30))}, kind="mean")
    close(predict(KEY, 4, 10.0)["y"], [[20, 40, 80, 100], [15, 22.5, 33.75, 50.625]])
    close(predict(KEY, 2, 40.0)["y"], [[80, 100], [60, 90]])
    half = predict(KEY, 2, 40.0, lambda a, b: 0.5 * jnp.minimum(a, b))
    close(half["y"], [[60, 80], [50, 62.5]])
    assert half["y"].dims == half["cases"].dims == ("draw", "day")


def test_a_survey_that_is_weighted_and_read_in_batches():
    """Weights scale the likelihood of each answer, and the answers are scored lazily."""

    def model(group, weight, y=None):
        with plate("group", 2):
            share = sample("share", dist.Beta(1, 1))
        with plate("person", len(group)), numpyro.handlers.scale(scale=weight):
            sample("y", dist.Bernoulli(share[group]), obs=y)

    share = np.array([[[0.5, 0.2], [0.25, 0.4]], [[0.1, 0.9], [0.3, 0.7]]], F)
    group, y = np.array([0, 1, 1], np.int32), np.array([1, 1, 0])
    predict = Predictor(model, {"share": share}, batch_size=1, lazy=True)
    chance = np.stack([share[..., 0], share[..., 1], 1 - share[..., 1]], -1)
    scores = predict.log_likelihood(group, np.array([1.0, 2.0, 1.0]), y)
    close(scores["y"], np.log(chance), 1e-4)  # as in stock, `log_prob` is that of one answer, without its weight
