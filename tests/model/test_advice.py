"""What is said where a model cannot be run."""

import functools

import jax.numpy as jnp
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import handlers

from sanitize import ModelArgumentsError, inspect_sites

X = np.zeros((20, 3), np.float32)
x = np.ones(20, np.float32)


@pytest.mark.parametrize(
    ("args", "kwargs", "what"),
    [((), {}, "missing a required argument: 'X'"), ((X, x, x), {}, "too many"), ((X,), {"z": 1}, "unexpected keyword")],
)
def test_wrong_arguments(args, kwargs, what):
    """The signature and the call to make, never the model's own TypeError."""
    with pytest.raises(ModelArgumentsError, match=what) as caught:
        inspect_sites(models.regression, *args, **kwargs)
    assert "regression(X, y=None)" in str(caught.value)
    assert "strip_deterministic(model, samples, X)" in str(caught.value)
    assert caught.value.signature == "regression(X, y=None)"
    assert caught.value.__context__ is None


def test_wrong_arguments_of_wrapped_models():
    for model in (functools.partial(models.regression, y=None), handlers.seed(models.regression, 0)):
        with pytest.raises(ModelArgumentsError, match="'X'"):
            inspect_sites(model)


def test_model_has_to_be_callable():
    with pytest.raises(ModelArgumentsError, match="not dict"):
        inspect_sites({"a": 1})


def test_the_models_own_exception_comes_through():
    with pytest.raises(KeyError, match="the model's own mistake") as caught:
        inspect_sites(models.raising, x)
    assert caught.value.__context__ is None
    if hasattr(caught.value, "add_note"):
        assert any("raising(x)" in note for note in caught.value.__notes__)


def test_a_failure_of_the_model_that_was_run_comes_through():
    """It branches on a latent, so that it is run, and fails there."""

    def model(x):
        if numpyro.sample("a", dist.Normal(0.0, 1.0)) < jnp.inf:
            raise KeyError("the model's own mistake")

    with pytest.raises(KeyError, match="the model's own mistake"):
        inspect_sites(model, x)


def test_a_callable_without_signature_says_itself_what_it_lacks():
    with pytest.raises(TypeError, match="at least 1 argument") as caught:
        inspect_sites(max)
    assert not isinstance(caught.value, ModelArgumentsError)


def test_a_type_error_of_the_models_own_comes_through():
    def model(x):
        return x + "text"

    with pytest.raises(TypeError) as caught:
        inspect_sites(model, x)
    assert not isinstance(caught.value, ModelArgumentsError)


def test_an_exception_keeps_the_cause_that_the_model_gave_it():
    """Only what the model chained is chained; our attempts with other arguments are not."""

    def model(x):
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error

    with pytest.raises(ValueError, match="second") as caught:
        inspect_sites(model, x)
    chained = []
    error = caught.value
    while error is not None and len(chained) < 9:
        error = error.__cause__ or error.__context__
        chained.append(type(error).__name__)
    assert chained.count("ValueError") == 0
    of_jax = {"UnfilteredStackTrace", "SimplifiedTraceback"}  # where it hides its own frames
    assert {"KeyError", "NoneType"} >= set(chained) - of_jax


def test_call_to_make_says_where_there_may_be_more_arguments():
    def model(X, *args, scale, **kwargs): ...

    with pytest.raises(ModelArgumentsError, match=r"samples, X, \*args, scale=scale, \*\*kwargs\)"):
        inspect_sites(model)


def test_call_to_make_reads_well_without_required_arguments():
    with pytest.raises(ModelArgumentsError, match=r"strip_deterministic\(model, samples\), or inspect_sites\(model\)"):
        inspect_sites(models.no_arguments, x)
