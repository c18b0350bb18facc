"""The core works where nothing but JAX and NumPyro is installed: `nox -s bare` has no more, here the rest is hidden."""

import pathlib
import re
import subprocess
import sys

import pytest

EXTRAS = ("arviz", "xarray", "pandas", "h5netcdf", "h5py", "netCDF4", "graphviz", "dask", "flax", "optax", "matplotlib")

CODE = """if True:
    import sys
    for name in {hidden}:
        sys.modules[name] = None  # an import of it fails
    import jax, numpy as np, numpyro, numpyro.distributions as dist, sanitize
    from numpyro.infer import MCMC, NUTS

    def model(x, y=None):
        slope = numpyro.sample("slope", dist.Normal())
        mu = numpyro.deterministic("mu", slope * x)
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    mcmc = MCMC(NUTS(model), num_warmup=5, num_samples=5, progress_bar=False)
    mcmc.run(jax.random.PRNGKey(0), np.ones(4), np.ones(4))
    review = sanitize.inspect_sites(model, np.ones(3)).review(mcmc)
    repr(review), review._repr_html_()
    assert list(sanitize.strip_deterministic(model, mcmc, np.ones(3))) == ["slope"]
    assert sanitize.Predictive(model, mcmc)(jax.random.PRNGKey(0), np.ones(3))["y"].shape == (5, 3)
    assert sanitize.log_likelihood(model, mcmc.get_samples(), np.ones(3), np.ones(3))["y"].shape == (5, 3)
    for call, package in ((review.to_dataframe, "pandas"), (review.render, "graphviz")):
        try:
            call()
        except ImportError as error:
            assert f"pip install {{package}}" in str(error), error
        else:
            raise AssertionError(package)
"""


@pytest.mark.slow
def test_the_core_works_without_any_extra():
    code = CODE.format(hidden=EXTRAS)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_three_packages_are_required():
    project = (pathlib.Path(__file__).parent.parent / "pyproject.toml").read_text()
    needed = re.search(r"^dependencies = \[(.*)\]$", project, re.MULTILINE)[1].split(", ")
    assert sorted(re.split(r"[^\w-]", text.strip('"'))[0] for text in needed) == ["jax", "jaxlib", "numpyro"]


def test_a_star_import_leaves_numpyros_names_alone():
    names = {}
    exec("from sanitize import *", names)
    assert not {"Predictive", "log_likelihood"} & names.keys()
    assert "strip_deterministic" in names
