"""`python -m sanitize`, and what it measures of the installed NumPyro."""

import importlib.metadata
import io
import itertools
import json
import pathlib
import re
import sys

import hazard_table
import numpy as np
import numpyro
import pytest

from sanitize import __main__ as main
from sanitize import behavior


@pytest.fixture(scope="module")
def measured():
    return behavior.numpyro_behavior()


@pytest.mark.slow
def test_sanitized_is_right_for_every_hazard(measured):
    assert len(measured.hazards) == 13
    assert {name: o.sanitized for name, o in measured.hazards.items()} == dict.fromkeys(measured.hazards, "right")


@pytest.mark.slow
def test_the_problem_is_real_on_the_installed_numpyro(measured):
    """The stock path is not right where the design says so: what is fixed was seen to fail."""
    stock = {name: o.stock for name, o in measured.hazards.items()}
    assert stock['same, return_sites=["obs"]'] == "silently wrong"
    assert stock["row-level latent, one new row"] == "silently wrong"
    version = tuple(int(part) for part in numpyro.__version__.split(".")[:2])
    if version >= (0, 14):
        assert stock["log_likelihood, deterministic entry, one new row"] == "silently wrong"
    if version == (0, 14):
        assert stock["Predictive, deterministic entry, one new row"] == "silently wrong"


@pytest.mark.slow
def test_json_and_table_tell_the_same(measured):
    told = json.loads(measured.to_json())
    assert told["versions"]["numpyro"] == numpyro.__version__
    assert list(told["hazards"]) == list(measured.hazards)
    for name, outcome in measured.hazards.items():
        assert told["hazards"][name]["stock"] == outcome.stock
        assert any(line.startswith(name) and outcome.stock in line for line in repr(measured).splitlines())


def test_comparison_sees_a_difference():
    """A measurement that called everything right would prove nothing."""
    hazard = behavior.HAZARDS[1]
    samples = behavior.posterior("eta")
    latents = {name: value for name, value in samples.items() if name != "eta"}
    truth = np.array(hazard.run(latents))
    assert behavior.compared(hazard.run, latents, truth)[0] == "right"
    truth[0, 0] += 1e-6 + abs(truth[0, 0]) * 1e-6
    assert behavior.compared(hazard.run, latents, truth)[0] == "silently wrong"


@pytest.mark.slow
def test_main_job_fails_if_the_sanitized_path_is_not_right(monkeypatch, capsys):
    """Exit status 1 if stripping did nothing, 0 as it is; the wrong score is shown beside the right one."""
    example = main.run_example()
    monkeypatch.setattr(main, "run_example", lambda: example)
    assert main.main([]) == 0
    shown = capsys.readouterr().out
    assert "SILENTLY WRONG" in shown or "0.1" in numpyro.__version__
    monkeypatch.setattr(main, "strip_deterministic", lambda model, samples, *args: samples)
    if tuple(int(part) for part in numpyro.__version__.split(".")[:2]) >= (0, 14):
        assert main.main([]) == 1
        assert "NOT equal" in capsys.readouterr().out


def test_the_example_is_that_of_the_readme():
    page = (pathlib.Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    first, second = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[:2]
    code = (pathlib.Path(main.__file__).parent / "example.py").read_text(encoding="utf-8")
    assert code.split('"""\n\n', 1)[1] == f"{first}\n{second}"


@pytest.mark.parametrize(("terminal", "seconds"), [(True, 1), (True, 0), (False, 1)])
def test_progress_is_shown_on_a_terminal_after_two_seconds(monkeypatch, terminal, seconds):
    """None in logs and pipes, none where it is quick; at the end the line is cleared."""
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(main.time, "monotonic", itertools.count(0, seconds).__next__)
    assert list(main.with_progress("abcd")) == list("abcd")
    shown = stream.getvalue().split("\r")
    if terminal and seconds:
        assert shown == ["", "2 of 4 hazards", "3 of 4 hazards", " " * 14, ""]
    else:
        assert shown == [""]


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    def version(name):
        if name == "arviz":
            raise importlib.metadata.PackageNotFoundError(name)
        return importlib.metadata.version(name)

    monkeypatch.setattr(behavior, "version", version)
    assert list(behavior.versions()) == ["numpyro", "jax", "jaxlib", "python"]


def test_the_documentation_tells_what_is_measured(measured):
    """Its table is generated; a NumPyro that is newer than the table is told apart."""
    page = (pathlib.Path(__file__).parent.parent / "docs" / "hazards.md").read_text()
    try:
        told = hazard_table.told(page, numpyro.__version__)
    except LookupError:
        pytest.skip("the table in docs/hazards.md does not have this NumPyro")
    assert told == {name: outcome.stock for name, outcome in measured.hazards.items()}


def test_table_is_read_back_as_it_was_written():
    results = {"0.10.1": {"a, b": "right"}, "0.11.0": {"a, b": "right"}, "0.12.0": {"a, b": "silently wrong"}}
    page = f"x\n{hazard_table.START}old\n{hazard_table.END}\ny"
    written = hazard_table.replace(page, results)
    assert "0.10.1–0.11.0" in written  # noqa: RUF001
    for version, outcomes in results.items():
        assert hazard_table.told(written, version) == outcomes
    with pytest.raises(LookupError):
        hazard_table.told(written, "0.13.0")
