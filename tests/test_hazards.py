"""The 13 hazards of unsanitized samples: the stock path is shown to fail, then the sanitized one to be right."""

import warnings

import pytest
from hazards import HAZARDS, STOCK, outcome, samples_of

from sanitize import strip_deterministic
from sanitize.behavior import RIGHT


def test_every_hazard_of_the_design_is_there():
    assert [hazard.name for hazard in HAZARDS] == list(STOCK)
    assert len(STOCK) == 13


@pytest.mark.slow
@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.name)
def test_stock_fails_and_sanitized_is_right(hazard):
    """Truth is the same call on the latents alone, bit for bit."""
    samples = samples_of(hazard)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning of stock makes no wrong result right
        assert outcome(hazard, samples) == STOCK[hazard.name]
    clean = strip_deterministic(hazard.model, samples, hazard.x, hazard.y, new_rows=True)
    assert set(samples) - set(clean) == {hazard.entry}
    assert outcome(hazard, clean) == RIGHT
