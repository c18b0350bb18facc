"""The 13 hazards of unsanitized samples: the stock path is shown to fail, then the sanitized one to be right."""

import numpy as np
import numpyro
import pytest

from sanitize import strip_deterministic
from sanitize.behavior import CRASH, HAZARDS, RIGHT, WRONG, _compare, posterior

VERSION = tuple(int(part) for part in numpyro.__version__.split(".")[:2])

# What stock does, by the first version that does so: the design's table, confirmed by measurement.
BEFORE_14, IN_14, SINCE_15 = 0, 1, 2
STOCK = {
    "Predictive, deterministic entry, new number of rows": (RIGHT, CRASH, RIGHT),
    "Predictive, deterministic entry, same number of rows, other X": (RIGHT, WRONG, RIGHT),
    "Predictive, deterministic entry, one new row": (RIGHT, WRONG, RIGHT),
    "log_likelihood, deterministic entry, new number of rows": (RIGHT, CRASH, CRASH),
    "log_likelihood, deterministic entry, same rows, other X": (RIGHT, WRONG, WRONG),
    "log_likelihood, deterministic entry, one new row": (RIGHT, WRONG, WRONG),
    "log_density, deterministic entry, other X": (RIGHT, WRONG, WRONG),
    "Predictive, draws of obs among the samples": (CRASH, CRASH, CRASH),
    'same, return_sites=["obs"]': (WRONG, WRONG, WRONG),
    "log_likelihood, draws of obs among the samples": (WRONG, WRONG, WRONG),
    "row-level latent, new number of rows": (CRASH, CRASH, CRASH),
    "row-level latent, one new row": (WRONG, WRONG, WRONG),
    "row-level latent, same number of rows, other rows": (WRONG, WRONG, WRONG),
}


def test_every_hazard_of_the_design_is_there():
    assert {hazard.name for hazard in HAZARDS} == set(STOCK)


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.name)
def test_stock_fails_and_sanitized_is_right(hazard):
    """Truth is the same call on the latents alone, bit for bit."""
    samples = dict(posterior(hazard.entry))
    assert hazard.entry in samples
    truth = hazard.call(hazard.model, {n: v for n, v in samples.items() if n != hazard.entry}, hazard.x)
    era = BEFORE_14 if VERSION < (0, 14) else IN_14 if VERSION == (0, 14) else SINCE_15
    assert _compare(hazard, samples, truth)[0] == STOCK[hazard.name][era]
    clean = strip_deterministic(hazard.model, samples, hazard.x, hazard.y, new_rows=True)
    assert hazard.entry not in clean
    assert np.array_equal(hazard.call(hazard.model, clean, hazard.x), truth)
