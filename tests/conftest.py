import importlib.metadata
import itertools
import os
import pathlib

# Tests compile much and compute little. Set before JAX is imported, and for processes that tests start.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
if importlib.metadata.version("jaxlib").startswith("0.10."):  # an XLA that does not know a flag ends the process
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")  # a compilation takes half the time
# What one process or run has compiled, the others read.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(pathlib.Path(__file__).parent.parent / ".jax_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import jax
import numpy as np
import pytest
from hypothesis import settings
from numpyro.infer import Predictive
from without_words import ask_for_no_words, empty_messages

settings.register_profile("default", deadline=None, max_examples=16, derandomize=True)
settings.register_profile("brief", deadline=None, max_examples=8, derandomize=True)  # for the sessions of one version
settings.register_profile("thorough", deadline=None, max_examples=300)
settings.load_profile("default")


def pytest_addoption(parser):
    parser.addoption("--without-words", action="store_true", help="empty messages, and no test on words")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """A doctest has no mark of its own, and this one measures all hazards."""
    for item in items:
        if item.name == "sanitize.behavior.numpyro_behavior":
            item.add_marker(pytest.mark.slow)
        if config.getoption("--without-words") and item.get_closest_marker("words"):
            item.add_marker(pytest.mark.skip(reason="about words"))


@pytest.fixture(autouse=True)
def words_may_be_left_out(request, monkeypatch):
    """With ``--without-words`` all that verdicts say is empty: no decision, and no other test, may rest on it."""
    if request.config.getoption("--without-words"):
        empty_messages(monkeypatch)
        ask_for_no_words(monkeypatch)


_tests = itertools.count(1)


@pytest.fixture(autouse=True)
def compiled_code_is_forgotten():
    """One process can map 65,530 pieces of memory on Linux, and crashes beyond: what was compiled goes before."""
    yield
    maps = pathlib.Path("/proc/self/maps")
    if next(_tests) % 5 == 0 and (not maps.exists() or maps.read_bytes().count(b"\n") > 25_000):
        jax.clear_caches()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def record():
    """Draws as a fit records them: latents from the prior, deterministic sites computed from them."""

    def record(model, *args, draws=6, names=None, **kwargs):
        samples = Predictive(model, num_samples=draws, return_sites=names)(jax.random.PRNGKey(3), *args, **kwargs)
        return {name: np.asarray(value) for name, value in samples.items()}

    return record
