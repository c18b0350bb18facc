import os

import jax
import pytest

# speed is measured as users have it, not as the other tests run
os.environ.pop("JAX_DISABLE_MOST_OPTIMIZATIONS", None)
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "").replace("--xla_cpu_use_fusion_emitters=false", "")
jax.config.update("jax_disable_most_optimizations", False)
jax.config.update("jax_compilation_cache_dir", None)

_FIGURES = pytest.StashKey[list]()


@pytest.fixture
def figure(request):
    """Record a figure for the table: ``figure(what, measured, bar)``, all three as text."""
    rows = request.config.stash.setdefault(_FIGURES, [])
    return lambda *row: rows.append(row)


def pytest_terminal_summary(terminalreporter, config):
    terminalreporter.write_line("\n| figure | measured | bar |\n|---|---|---|")
    for row in config.stash.get(_FIGURES, []):
        terminalreporter.write_line(f"| {' | '.join(row)} |")
