import pytest

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
