"""What type checkers say of calls: see ``typing/``, which they read and nobody runs."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).parent / "typing"
OPTIONS = {"mypy": (), "pyright": ("--pythonpath", sys.executable)}


@pytest.mark.slow
@pytest.mark.parametrize("checker", OPTIONS)
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_types_are_told_and_what_is_no_samples_is_an_error(checker, path):
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is in the extra `dev`")
    command = [sys.executable, "-m", checker, *OPTIONS[checker], str(path)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=FOLDER.parent.parent)
    assert result.returncode == 0, result.stdout
