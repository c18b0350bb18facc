"""One session for each NumPyro that is tested, oldest first: ``nox -s numpyro-0.14.0``; all: ``nox``."""

import json
import pathlib
import sys

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False  # a session without its Python is skipped, and says so

# numpyro, python, what else it needs. JAX before 0.4.27 wants NumPy 1 and a SciPy of that time.
OLD = ("numpy<2", "scipy<1.13")
VERSIONS = [
    ("0.10.1", "3.10", ("jax==0.4.13", "jaxlib==0.4.13", "arviz<0.22", *OLD)),  # newer: from_numpyro fails
    ("0.11.0", "3.10", ("jax==0.4.13", "jaxlib==0.4.13", "arviz<1", *OLD)),
    ("0.12.1", "3.10", ("jax==0.4.13", "jaxlib==0.4.13", "arviz<1", *OLD)),
    ("0.13.2", "3.11", ("jax==0.4.20", "jaxlib==0.4.20", "arviz<1", *OLD)),
    ("0.14.0", "3.11", ("jax==0.4.26", "jaxlib==0.4.26", "arviz<1", *OLD)),
    ("0.15.0", "3.11", ("jax==0.4.28", "jaxlib==0.4.28", "arviz<1", "numpy<2")),
    ("0.15.3", "3.12", ("jax==0.4.34", "jaxlib==0.4.34", "arviz<1")),
    ("0.16.1", "3.12", ("jax==0.4.35", "jaxlib==0.4.35", "arviz<1")),
    ("0.17.0", "3.12", ("jax==0.4.38", "jaxlib==0.4.38", "arviz<1")),
    ("0.18.0", "3.12", ("jax==0.5.3", "jaxlib==0.5.3", "arviz<1")),
    ("0.19.0", "3.12", ("jax==0.7.0", "jaxlib==0.7.0", "arviz<1")),
    ("0.20.1", "3.13", ("jax<0.9", "jaxlib<0.9", "arviz<1")),
    ("0.21.0", "3.13", ("jax<0.10", "jaxlib<0.10", "arviz<1")),
    ("0.22.0", "3.12", ("jax==0.10.2", "jaxlib==0.10.2", "arviz<1")),
]
# flax is left to the README's test command: its own pins on JAX would decide the versions here
TEST = ("pytest", "pytest-xdist", "hypothesis", "pandas", "dask", "zarr", "h5netcdf", "h5py", "graphviz")


def run_tests(session: nox.Session, *pins: str, selection: tuple[str, ...] = ()) -> None:
    session.install("-e", ".", *pins, *TEST)
    options = ("-n", "2", "-q", "--durations=8", "--hypothesis-profile=brief")
    session.run("python", "-m", "pytest", *options, *selection, *session.posargs)


def add_session(numpyro: str, python: str, needs: tuple[str, ...]) -> None:
    @nox.session(name=f"numpyro-{numpyro}", python=python)
    def tests(session: nox.Session) -> None:
        """The tests on one NumPyro; what does not depend on it is left to the newest: doctests, examples, options."""
        selection = ("tests", "--ignore=tests/test_examples.py", "-k", "not branch_on_options")
        run_tests(session, f"numpyro=={numpyro}", *needs, selection=selection)


for version in VERSIONS:
    add_session(*version)


@nox.session(name="arviz-1", python="3.13")
def arviz_1(session: nox.Session) -> None:
    """The tests on the newest of everything, ArviZ 1.x among it."""
    run_tests(session, "numpyro", "arviz>=1", "dask", "zarr", "netcdf4")


@nox.session(python="3.12")
def docs(session: nox.Session) -> None:
    """The API reference from the docstrings, into ``docs/``."""
    session.install("-e", ".[docs]")
    session.run("pdoc", "-d", "numpy", "-o", "docs", "./sanitize", *session.posargs)


@nox.session(python=False)
def hazards(session: nox.Session) -> None:
    """Measure every hazard on every NumPyro, and write the README's table from what was measured."""
    sys.path.insert(0, "tests")
    import hazard_table

    results = {}
    for numpyro, python, needs in VERSIONS:
        packages = [part for spec in (".", f"numpyro=={numpyro}", *needs) for part in ("--with", spec)]
        command = ("uv", "run", "--quiet", "--isolated", "--no-project", "--python", python, *packages)
        output = session.run(*command, "python", "-m", "sanitize", "--json", silent=True, external=True)
        measured = json.loads(output[output.index("{\n") :])
        results[numpyro] = {name: outcome["stock"] for name, outcome in measured["hazards"].items()}
        session.log(f"{numpyro}: {sorted(set(results[numpyro].values()))}")
    readme = pathlib.Path("README.md")
    readme.write_text(hazard_table.replace(readme.read_text(), results))
