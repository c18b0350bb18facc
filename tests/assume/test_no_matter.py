"""Calls without arguments of models whose arguments change no verdict: priors, masks, options, four dimensions."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from fits import draws
from numpyro import handlers

from sanitize import AssumedArgumentsWarning, ModelArgumentsError, strip_deterministic

Normal, sample, plate, deterministic = dist.Normal, numpyro.sample, numpyro.plate, numpyro.deterministic

X = np.linspace(0, 1, 23, dtype=np.float32)
G = np.arange(23) % 4
M = np.ones((23, 3), np.float32)
STANDARD = dist.Normal(0.0, 1.0)

CASES = []


def is_hashed():
    """Whether JAX tells the elements of what it traces apart by their identity, as it did before 2025."""
    try:
        jax.make_jaxpr(lambda x: (hash(x), x)[1])(1.0)
    except TypeError:
        return False
    return True


OLD_SETS = pytest.mark.skipif(is_hashed(), reason="this JAX makes sets of what it traces: each row is another element")


def case(*args, kept, without=("y",), asks=False, marks=()):
    def keep(model):
        CASES.append(pytest.param(model, args, kept.split(), without, asks, id=model.__name__, marks=marks))
        return model

    return keep


@case(X, X, kept="b")
def an_option_that_is_never_used(x, y, extra=None):
    sample("y", Normal(sample("b", Normal()) * x, 1.0), obs=y)


@case(X, X, kept="b")
def a_prior_as_an_object(x, y=None, prior=STANDARD):
    sample("y", Normal(sample("b", prior) * x, 1.0), obs=y)


@case(M, X, kept="b")
def a_prior_as_a_tuple(design, y=None, prior=(0.0, 1.0)):
    sample("y", Normal(design @ sample("b", Normal(*prior).expand([design.shape[1]])), 1.0), obs=y)


@case(X, X > 0.5, X, kept="b s")
def censored_rows(x, censored, y=None):
    b, s = sample("b", Normal()), sample("s", dist.HalfNormal())
    with plate("n", len(x)):
        with handlers.mask(mask=~censored):
            sample("y", Normal(b * x, s), obs=y)
        with handlers.mask(mask=censored):
            sample("beyond", dist.Bernoulli(logits=b * x), obs=jnp.ones(len(x)))


@case(X, X, X > 0.5, kept="b")
def rows_that_may_be_censored(x, y=None, censored=None):
    b = sample("b", Normal())
    with handlers.mask(mask=True if censored is None else ~censored):
        sample("y", Normal(b * x, 1.0), obs=y)


@case(np.ones((6, 3, 2, 5), np.float32), np.ones((6, 3, 2)), kept="a s")
def four_dimensions(covariates, y=None):
    _, _, _, many = covariates.shape
    a, s = sample("a", Normal().expand([many])), sample("s", dist.HalfNormal())
    sample("y", Normal(covariates @ a, s), obs=y)


@case(np.ones((6, 3, 2, 5), np.float32), np.ones((6, 3, 2)), kept="a")
def four_dimensions_recorded(covariates, y=None):
    a = sample("a", Normal().expand([covariates.shape[-1]]))
    eta = deterministic("eta", covariates @ a)
    with plate("i", len(covariates), dim=-3), plate("j", covariates.shape[1], dim=-2), plate("k", 2, dim=-1):
        sample("y", Normal(eta, 1.0), obs=y)


@case(X, X, X, kept="a b c d", without=("y", "M"))
def a_mediator_that_was_observed(A, M=None, y=None):
    a, b, c, d = (sample(name, Normal()) for name in "abcd")
    M = sample("M", Normal(a + b * A, 1.0), obs=M)
    sample("y", Normal(c * M + d * A, 1.0), obs=y)


@case(1.0, 2.0, G, kept="th", without=("k",))
def parameters_of_a_prior(a, b, k):
    th = sample("th", dist.Beta(a, b))
    with plate("n", len(k)):
        sample("k", dist.Bernoulli(th), obs=k)


@case(X, X, 0.0, 5.0, kept="b s")
def mean_and_scale_of_a_prior(x, y, mu0, tau):
    b, s = sample("b", Normal(mu0, tau)), sample("s", dist.HalfNormal(tau))
    sample("y", Normal(b * x, s), obs=y)


@case(G, X, kept="a", marks=OLD_SETS)
def as_many_as_a_set_has(group, y):
    a = sample("a", Normal().expand([len(set(group))]))
    sample("y", Normal(a[group], 1.0), obs=y)


@case(G, X, kept="a mu")
def as_many_as_a_list_has(group, y=None):
    with plate("g", len(set(group.tolist()))):
        a = sample("a", Normal(sample("mu", Normal()), 1.0))
    sample("y", Normal(a[group], 1.0), obs=y)


@case({"dose": X, "dead": G}, kept="a b")
def an_outcome_that_a_dict_may_lack(data):
    a, b = sample("a", Normal()), sample("b", Normal())
    sample("y", dist.Binomial(5, logits=a + b * data["dose"]), obs=data.get("dead"))


@case(10, X, X, kept="phi")
def a_number_that_is_never_used(n, x, y):
    sample("y", Normal(sample("phi", Normal()) * x, 1.0), obs=y)


@case(X, X, "centred", kept="a b", asks=True)
def a_word_that_decides(x, y=None, how="centred"):
    """Either of them may have been computed: nothing tells how the fit went."""
    a = sample("a", Normal())
    b = sample("b", Normal(a, 1.0)) if how == "centred" else deterministic("b", a + 1.0)
    sample("y", Normal(b * x, 1.0), obs=y)


@case(X, X, kept="a b", asks=True)
def a_word_that_may_be_none(x, y=None, how=None):
    a = sample("a", Normal())
    b = deterministic("b", a + 1.0) if how == "other" else sample("b", Normal(a, 1.0))
    sample("y", Normal(b * x, 1.0), obs=y)


@pytest.mark.parametrize(("model", "args", "kept", "without", "asks"), CASES)
def test_what_changes_no_verdict_is_not_asked_for(model, args, kept, without, asks):
    samples = draws(model, *args, without=without)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssumedArgumentsWarning)
        if asks:
            with pytest.raises(ModelArgumentsError, match="how"):
                strip_deterministic(model, samples)
        else:
            assert sorted(strip_deterministic(model, samples)) == sorted(kept)
