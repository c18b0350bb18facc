"""The house: one way down, one door for containers, one for the bare call, and nothing heavy that nobody asked for."""

import ast
import pathlib
import subprocess
import sys

import models
import numpy as np
import pytest

import sanitize
from sanitize import containers, strip_deterministic
from sanitize.model import advice

ROOT = pathlib.Path(sanitize.__file__).parent
SAMPLES = {"alpha": np.zeros(4), "beta": np.zeros((4, 3)), "sigma": np.ones(4), "eta": np.zeros((4, 9))}
X = np.zeros((5, 3), np.float32)


@pytest.fixture
def counted(monkeypatch):
    """Replaces a function of a module by itself, with a count of its calls."""

    def counted(module, name):
        calls, original = [], getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, **kwargs: calls.append(1) or original(*args, **kwargs))
        return calls

    return counted


@pytest.mark.parametrize("arguments", [(X,), ()])
@pytest.mark.filterwarnings("ignore::sanitize.AssumedArgumentsWarning")
def test_a_call_opens_the_samples_once_and_validates_the_model_once(counted, arguments):
    opened, validated = counted(containers, "open"), counted(advice, "refuse_other_than_model")
    assert list(strip_deterministic(models.regression, SAMPLES, *arguments)) == ["alpha", "beta", "sigma"]
    assert (len(opened), len(validated)) == (1, 1)


def test_a_call_with_arguments_loads_neither_the_wing_nor_what_is_heavy():
    code = """if True:
        import sys, numpy as np, numpyro, numpyro.distributions as dist, sanitize
        def model(x, y=None):
            slope = numpyro.sample("slope", dist.Normal())
            mu = numpyro.deterministic("mu", slope * x)
            numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
        samples = {"slope": np.zeros(5), "mu": np.zeros((5, 9))}
        sanitize.strip_deterministic(model, samples, np.zeros(3))
        sanitize.Predictive(model, samples)(numpyro.util.jax.random.PRNGKey(0), np.zeros(3))
        print(sorted(m for m in sys.modules if m in ("arviz", "xarray", "pandas", "dask", "sanitize.assume")))
    """
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_own_modules_are_imported_at_the_top_of_the_file():
    """But for two doors: `strip` opens the wing of the bare call, and `Predictor` is loaded when it is asked for."""
    inside = [
        (str(path.relative_to(ROOT)), node.module)
        for path in ROOT.rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("sanitize"))
    ]
    assert sorted(inside) == [("__init__.py", "predict"), ("strip.py", "assume")]


def test_what_is_loaded_on_first_use_is_there_for_everybody():
    code = """if True:
        import sys, sanitize
        assert not [name for name in sys.modules if name.startswith("sanitize.predict")]
        assert {*sanitize.__all__, "Predictive", "log_likelihood"} <= set(dir(sanitize))
        assert not {"infer", "model", "verdicts", "Any"} & set(dir(sanitize))  # rooms, and what they import
        from sanitize import *
        assert Predictor is sanitize.Predictor
        assert "sanitize.predict.predictor" in sys.modules
        assert not hasattr(sanitize, "Predict")
    """
    subprocess.run([sys.executable, "-c", code], check=True)
