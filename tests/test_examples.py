"""The examples run as they are, and check their own results."""

import pathlib
import runpy

import pytest

EXAMPLES = sorted((pathlib.Path(__file__).parent.parent / "examples").glob("*.py"))

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_tutorial_runs():
    """Every cell of the notebook, its assertions among them, in a kernel of its own."""
    nbclient = pytest.importorskip("nbclient", reason="the notebook takes nbclient and ipykernel, in the extra `dev`")
    pytest.importorskip("ipykernel", reason="the notebook takes nbclient and ipykernel, in the extra `dev`")
    import nbformat

    notebook = nbformat.read(EXAMPLES[0].parent / "tutorial.ipynb", as_version=4)
    root = str(EXAMPLES[0].parent.parent)
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": root}}
    ).execute()
