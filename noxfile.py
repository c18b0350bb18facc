"""One session for each NumPyro that is tested, oldest first: ``nox -s numpyro-0.14.0``; all: ``nox``."""

import json
import pathlib
import re
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
# The oldest and the newest take all tests. In between, CI has the time for stripping and predictions.
BETWEEN = ("0.14.0", "0.15.0", "0.16.1")
HEART = (
    "tests/test_strip.py",
    "tests/test_infer.py",
    "tests/test_containers.py",
    "tests/predict",
    "tests/model/test_trace.py",
)
# flax is left to the newest of everything: its own pins on JAX would decide the versions here
TEST = ("flatbuffers", "pytest", "pytest-xdist", "hypothesis", "pandas", "dask", "zarr", "h5netcdf", "h5py", "graphviz")


def run_pytest(session: nox.Session, *selection: str) -> None:
    options = ("-n", "2", "--dist", "loadfile", "-q", "--durations=8", "--hypothesis-profile=brief")
    session.run("python", "-m", "pytest", *options, *selection, *session.posargs)


def add_session(numpyro: str, python: str, needs: tuple[str, ...]) -> None:
    @nox.session(name=f"numpyro-{numpyro}", python=python)
    def tests(session: nox.Session) -> None:
        """The tests on one NumPyro; what does not depend on it is left to the newest: doctests, examples, options.

        With any argument after ``--`` all tests run on versions in between, too.
        """
        session.install("-e", ".", f"numpyro=={numpyro}", *needs, *TEST)
        ignored = (f"--ignore=tests/test_{name}.py" for name in ("examples", "docs", "mistakes", "house", "tables"))
        selection = HEART if numpyro in BETWEEN and not session.posargs else ("tests", *ignored)
        run_pytest(session, *selection, "-k", "not branch_on_options")


for version in VERSIONS:
    add_session(*version)


@nox.session(name="arviz-1", python="3.13")
def arviz_1(session: nox.Session) -> None:
    """Stripping, predictions and ArviZ on the newest of everything; with any argument after ``--`` all tests."""
    session.install("-e", ".[arviz]", "arviz>=1", *TEST, "flax")
    newest = ("tests/test_arviz.py", "tests/test_extend.py")
    run_pytest(session, *(() if session.posargs else (*HEART, *newest)))


@nox.session(python="3.12")
def slow(session: nox.Session) -> None:
    """All slow tests but those of pages: CI leaves out random models, coverage of intervals, means and bare calls."""
    session.install("-e", ".[dev]")
    session.run(
        "python", "-m", "pytest", "-n", "2", "-q", "-m", "slow", "--ignore=tests/test_docs.py", *session.posargs
    )


@nox.session(python="3.13")
def pre(session: nox.Session) -> None:
    """Stripping and traces on pre-releases of NumPyro, JAX and ArviZ: what will break is known before."""
    session.install("--pre", "-e", ".[arviz]", *TEST)
    session.run("python", "-c", "import sanitize.behavior as b; print(b.in_words(b.versions()))")
    run_pytest(session, "tests/test_strip.py", "tests/model/test_trace.py")


@nox.session(python="3.13")
@nox.parametrize("arviz", ["<1", ">=1"], ids=["0", "1"])
def pages(session: nox.Session, arviz: str) -> None:
    """What people paste, with nothing else than the extra `arviz` brings and the page asks for; then the notebook."""
    session.install("-e", ".[arviz]", f"arviz{arviz}", "pytest", "pytest-xdist", "hypothesis")
    run = ("python", "-m", "pytest", "-n", "2", "-q", "-m", "slow or not slow", "--durations=8")
    session.run(*run, "tests/test_docs.py", "tests/test_examples.py", "-k", "not tutorial")
    session.install("dask", "flatbuffers", "zarr", "flax", "graphviz", "nbclient", "ipykernel", "matplotlib")
    session.run(*run, "tests/test_docs.py", "tests/test_examples.py", "-k", "needs_more or tutorial")


@nox.session(python="3.12")
def bare(session: nox.Session) -> None:
    """Nothing but what the core needs."""
    session.install("-e", ".", "pytest", "hypothesis")
    session.run("python", "-m", "sanitize")
    run = ("python", "-m", "pytest", "-q", "-m", "slow or not slow")
    session.run(*run, "tests/test_bare.py", "tests/test_errors.py", *session.posargs)


@nox.session(python="3.12")
def docs(session: nox.Session) -> None:
    """The documentation, into ``docs/_build``: a broken link or name is an error."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "-q", "docs", "docs/_build", *session.posargs)


@nox.session(python="3.12")
def pictures(session: nox.Session) -> None:
    """Tables and graph as a headless Chromium and Graphviz (Debian: chromium, graphviz) draw them; plots of pages."""
    session.install("-e", ".[render]", "matplotlib", "arviz>=1.3")
    session.chdir("docs/pictures")
    session.run("python", "../../examples/pictures.py")
    for page in ("compare-models", "prior-influence", "arviz-plots"):
        text = pathlib.Path(f"../how-to/{page}.md").read_text()
        session.run("python", "-c", "\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)))


@nox.session(python=False)
def hazards(session: nox.Session) -> None:
    """Measure every hazard on every NumPyro, and write the table of docs/hazards.md from what was measured."""
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
    page = pathlib.Path("docs/hazards.md")
    page.write_text(hazard_table.replace(page.read_text(), results))
