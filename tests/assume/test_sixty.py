"""Of sixty models of other fields, called without arguments: those of a kind that the other tests have not.

The sixty were written after the search was done. All but the images were solved, or refused with what to pass.
"""

import warnings

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from fits import recorded

from sanitize import AssumedArgumentsWarning, ModelArgumentsError, strip_deterministic

N, HN, S, P, D = dist.Normal, dist.HalfNormal, numpyro.sample, numpyro.plate, numpyro.deterministic

n = 14
t = np.linspace(0.1, 1, n, dtype=np.float32)
KNOTS = np.array([0.3, 0.6, 1.0], np.float32)
unit, time = np.arange(n) % 5, np.arange(n) % 3

CASES = []


def case(*args, kept, slow=True):

    def keep(model):
        marks = [pytest.mark.slow] * slow
        CASES.append(pytest.param(model, args, kept, id=model.__name__, marks=marks))
        return model

    return keep


@case(np.ones((n, 4, 3), np.float32), kept={"a", "w"}, slow=False)
def images(img, y=None):
    a = S("a", N(0, 1))
    w = S("w", N(0, 1).expand(img.shape[1:]).to_event(2))
    S("y", dist.BernoulliLogits(a + jnp.einsum("nhw,hw->n", img, w)), obs=y)


@case(np.ones((n, 5, 4, 3), np.float32), kept={"w"})
def spectra_in_rooms(cube, y=None):
    w = S("w", N(0, 1).expand(cube.shape[1:]).to_event(3))
    S("y", N((cube * w).sum((1, 2, 3)), 1.0), obs=y)


@case(np.ones((n, 3, 2), np.float32), kept={"b"}, slow=False)
def choice(X, y=None):
    b = S("b", N(0, 1).expand([X.shape[-1]]).to_event(1))
    with P("choosers", X.shape[0]):
        S("y", dist.Categorical(logits=X @ b), obs=y)


@case(t, kept={"k", "d"})
def piecewise_trend(t, y=None, knots=KNOTS):
    k = S("k", N(0, 1))
    d = S("d", dist.Laplace(0, 0.5).expand([len(knots)]))
    trend = D("trend", k * t + ((t[:, None] > knots) * (t[:, None] - knots)) @ d)
    S("y", N(trend, 0.3), obs=y)


@case(t, np.ones((n, 3), np.float32), kept={"presence", "detection"})
def occupancy(forest, wind, seen=None):
    presence = S("presence", N(0, 1).expand([2]))
    detection = S("detection", N(0, 1).expand([2]))
    psi = D("psi", 1 / (1 + jnp.exp(-presence[0] - presence[1] * forest)))
    p = 1 / (1 + jnp.exp(-detection[0] - detection[1] * wind))
    with P("sites", forest.shape[0]):
        S("y", dist.Bernoulli(psi[:, None] * p).to_event(1), obs=seen)


@case(unit, time, unit % 2, 5, 3, kept={"unit", "time", "effect"})
def difference_in_differences(unit, time, treated, n_units, n_times, y=None):
    u = S("unit", N(0, 1).expand([n_units]).to_event(1))
    period = S("time", N(0, 1).expand([n_times]).to_event(1))
    effect = S("effect", N(0, 1))
    S("y", N(u[unit] + period[time] + effect * treated, 1.0), obs=y)


@pytest.mark.parametrize(("model", "args", "kept"), CASES)
def test_the_entries_tell_what_the_fit_was_given(model, args, kept):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssumedArgumentsWarning)
        assert {*strip_deterministic(model, recorded(model, *args))} == kept


def factors(persons, items, answers=None):
    loadings = S("loadings", N(0, 1).expand([2, items]).to_event(2))
    with P("persons", persons):
        score = S("score", N(0, 1).expand([2]).to_event(1))
        S("y", N(score @ loadings, 1.0).to_event(1), obs=answers)


def test_persons_and_items_are_asked_for():
    """Both may be rows of the table: no entry says which of them will be others."""
    with pytest.raises(ModelArgumentsError, match=r"strip_deterministic\(model, samples, persons, items\)"):
        strip_deterministic(factors, recorded(factors, n, 4))
