"""Pytest plugin: NumPyro's tests with the drop-ins in place of `Predictive` and `log_likelihood`.

Selects the tests whose source mentions one of the two (or `sample_posterior`), counts the stock calls that each of
them makes, and writes one JSON line per test. As a script: runs a program with the drop-ins in place.
"""

import functools
import inspect
import json
import re
import runpy
import sys

# so that the modules which hold the names are there
import numpyro.contrib.einstein
import numpyro.infer.autoguide
import numpyro.infer.calibration  # noqa: F401
import pytest
from numpyro.infer import util

NAMES = ("Predictive", "log_likelihood")
_MENTIONED = re.compile(r"\b(Predictive|log_likelihood|sample_posterior)\(")

calls = [0]


def counted(function):
    """A stock function that counts its calls."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        calls[0] += 1
        return function(*args, **kwargs)

    return call


def put_in_place(name, old, new):
    """Wherever NumPyro's modules hold the old object under this name, put the new one."""
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").split(".")[0] == "numpyro" and vars(module).get(name) is old:
            setattr(module, name, new)


def count_stock():
    util.Predictive.__call__ = counted(util.Predictive.__call__)
    put_in_place("log_likelihood", util.log_likelihood, counted(util.log_likelihood))


def replace():
    """The drop-ins in NumPyro's place. Imported here, so that what they hold as stock is what is counted."""
    import sanitize

    for name in NAMES:
        put_in_place(name, getattr(util, name), getattr(sanitize, name))


def pytest_addoption(parser):
    parser.addoption("--drop-ins", action="store_true", help="replace Predictive and log_likelihood by sanitize's")
    parser.addoption("--outcomes", help="file for one JSON line per test")


def pytest_configure(config):
    count_stock()
    if config.getoption("--drop-ins"):
        replace()


def pytest_collection_modifyitems(config, items):
    selected = [item for item in items if _MENTIONED.search(inspect.getsource(item.function))]
    config.hook.pytest_deselected(items=[item for item in items if item not in selected])
    items[:] = selected
    if config.getoption("--drop-ins"):
        # a line that says what was kept, and changes nothing, is no failure; what is redrawn or refused stays one
        for item in items:
            item.add_marker(pytest.mark.filterwarnings("default::sanitize.RowLevelSiteWarning"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    calls[0] = 0
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    path = item.config.getoption("--outcomes")
    if path and (report.when == "call" or report.outcome != "passed"):
        line = {"test": item.nodeid, "outcome": report.outcome, "calls": calls[0], "text": report.longreprtext[-600:]}
        with open(path, "a") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    replace()
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
