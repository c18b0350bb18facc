"""The 13 hazards of unsanitized samples, for every test that shows a path to be right where stock is not.

``from hazards import HAZARDS, samples_of, latents_of, truth_of``. A hazard has ``model``, ``x`` and ``y`` (new
arguments; ``y`` is None where the call predicts), ``entry`` (the name among the samples that should not be there)
and ``call(model, samples, x)``, the stock call. ``samples_of`` gives the posterior with that entry, ``latents_of``
without it, ``truth_of`` the call on the latents alone: the right answer, to be met bit for bit.
"""

import numpy as np
import numpyro

from sanitize.behavior import CRASH, HAZARDS, RIGHT, WRONG, posterior

__all__ = ["HAZARDS", "STOCK", "latents_of", "outcome", "samples_of", "truth_of"]

VERSION = tuple(int(part) for part in numpyro.__version__.split(".")[:2])
_ERA = 0 if VERSION < (0, 14) else 1 if VERSION == (0, 14) else 2

# What stock does before NumPyro 0.14, in it, and since 0.15: the design's table, confirmed by measurement.
_STOCK = {
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
STOCK = {name: outcomes[_ERA] for name, outcomes in _STOCK.items()}


def samples_of(hazard):
    """The posterior as it is recorded, the hazardous entry among it."""
    return dict(posterior(hazard.entry))


def latents_of(hazard):
    """The posterior without that entry."""
    return {name: value for name, value in samples_of(hazard).items() if name != hazard.entry}


def truth_of(hazard):
    """The stock call on the latents alone."""
    return np.asarray(hazard.run(latents_of(hazard)))


def outcome(hazard, samples):
    """``"right"``, ``"crash"`` or ``"silently wrong"``: what the stock call makes of these samples."""
    try:
        result = hazard.run(samples)
    except Exception:  # what it crashes with differs between versions
        return CRASH
    return RIGHT if np.array_equal(result, truth_of(hazard)) else WRONG
