"""What the installed NumPyro does with unsanitized samples: each known hazard, measured in seconds, without data.

A hazard is a call of stock NumPyro whose result is compared, bit for bit, with the same call on the latents alone.
"""

from __future__ import annotations

import contextlib
import json
import platform
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Predictive, log_likelihood
from numpyro.infer.util import log_density

from .strip import strip_deterministic
from .tables import text_table

RIGHT, CRASH, WRONG = "right", "crash", "silently wrong"

_ROWS, _DRAWS = 100, 50
_KEY = 0


def _regression(x: Any, y: Any = None) -> None:
    intercept = numpyro.sample("intercept", dist.Normal(0.0, 1.0))
    slope = numpyro.sample("slope", dist.Normal(0.0, 1.0))
    with numpyro.plate("rows", x.shape[0]):
        eta = numpyro.deterministic("eta", intercept + slope * x)
        numpyro.sample("obs", dist.Normal(eta, 1.0), obs=y)


def _row_effects(x: Any, y: Any = None) -> None:
    slope = numpyro.sample("slope", dist.Normal(0.0, 1.0))
    with numpyro.plate("rows", x.shape[0]):
        effect = numpyro.sample("effect", dist.Normal(slope * x, 1.0))
        numpyro.sample("obs", dist.Normal(effect, 0.1), obs=y)


def predict(model: Any, samples: Any, x: Any, y: Any, site: str = "obs") -> Any:
    """Draws of a site, shape ``(draws, rows)``."""
    return Predictive(model, samples)(jax.random.PRNGKey(_KEY), x)[site]


def predict_alone(model: Any, samples: Any, x: Any, y: Any, site: str = "obs") -> Any:
    """The same, with nothing else asked for."""
    return Predictive(model, samples, return_sites=[site])(jax.random.PRNGKey(_KEY), x)[site]


def score(model: Any, samples: Any, x: Any, y: Any, site: str = "obs") -> Any:
    """Log likelihood of each row under each draw, shape ``(draws, rows)``."""
    return log_likelihood(model, samples, x, y)[site]


def density(model: Any, samples: Any, x: Any, y: Any) -> Any:
    """Log density of the model under the first draw."""
    one_draw = {name: np.asarray(value)[0] for name, value in samples.items()}
    return log_density(model, (x, y), {}, one_draw)[0]


def _y(x: Any) -> Any:
    return np.cos(x)


class Hazard(NamedTuple):
    """A stock call, and what makes it hazardous."""

    name: str
    call: Callable[[Any, Any, Any, Any], Any]
    entry: str  # the entry that makes it hazardous: "eta" (deterministic), "obs" (observed), "effect" (row-level)
    rows: int
    fitted_rows: bool = False  # whether x is that of the fit

    def run(self, samples: Mapping[str, Any]) -> Any:
        """What the call gives with these samples."""
        return self.call(self.model, samples, self.x, _y(self.x))

    @property
    def model(self) -> Callable[..., None]:
        return _model(self.entry)

    @property
    def x(self) -> np.ndarray[Any, Any]:
        return _x(self.rows) if self.fitted_rows else _x(self.rows) ** 2

    @property
    def y(self) -> Any:
        """The data that the call scores; None where it predicts."""
        return None if self.call in (predict, predict_alone) else _y(self.x)


def _x(rows: int) -> np.ndarray[Any, Any]:
    return np.linspace(0.5, 2.0, rows, dtype=np.float32)


HAZARDS = (
    Hazard("Predictive, deterministic entry, new number of rows", predict, "eta", 20),
    Hazard("Predictive, deterministic entry, same number of rows, other X", predict, "eta", _ROWS),
    Hazard("Predictive, deterministic entry, one new row", predict, "eta", 1),
    Hazard("log_likelihood, deterministic entry, new number of rows", score, "eta", 20),
    Hazard("log_likelihood, deterministic entry, same rows, other X", score, "eta", _ROWS),
    Hazard("log_likelihood, deterministic entry, one new row", score, "eta", 1),
    Hazard("log_density, deterministic entry, other X", density, "eta", _ROWS),
    Hazard("Predictive, draws of obs among the samples", predict, "obs", _ROWS, True),
    Hazard('same, return_sites=["obs"]', predict_alone, "obs", _ROWS, True),
    Hazard("log_likelihood, draws of obs among the samples", score, "obs", _ROWS, True),
    Hazard("row-level latent, new number of rows", predict, "effect", 20),
    Hazard("row-level latent, one new row", predict, "effect", 1),
    Hazard("row-level latent, same number of rows, other rows", predict, "effect", _ROWS),
)


class Outcome(NamedTuple):
    """What a call gave, against the truth: ``"right"``, ``"crash"`` or ``"silently wrong"``."""

    stock: str
    sanitized: str
    detail: str  # the stock path's error or shape


@dataclass(frozen=True, eq=False)
class Behavior:
    """The outcome of every hazard, and the versions that it was measured on. Prints as a table."""

    versions: Mapping[str, str]
    hazards: Mapping[str, Outcome]

    @property
    def sanitized_is_right(self) -> bool:
        """Whether the sanitized path gave the truth for every hazard."""
        return all(outcome.sanitized == RIGHT for outcome in self.hazards.values())

    def to_json(self) -> str:
        """Versions and outcomes as JSON."""
        hazards = {name: outcome._asdict() for name, outcome in self.hazards.items()}
        found = {"versions": dict(self.versions), "hazards": hazards}
        return json.dumps(found, indent=2)

    def __repr__(self) -> str:
        rows = [(name, *outcome) for name, outcome in self.hazards.items()]
        return f"{in_words(self.versions)}\n{text_table(('hazard', 'stock', 'sanitized', 'what stock gave'), rows)}"


def numpyro_behavior() -> Behavior:
    """Measure what the installed NumPyro does with unsanitized samples, and what it does with sanitized ones.

    Returns
    -------
    Behavior
        For each hazard whether the stock call is right, crashes, or is silently wrong, with the samples as they are
        and after `strip_deterministic`. Truth is the same call on the latents alone, compared bit for bit.

    Notes
    -----
    The hazards are those of NumPyro issues 1772, 1847, 1861 and 2086. Takes some seconds; needs no data.

    Examples
    --------
    >>> from sanitize import numpyro_behavior
    >>> behavior = numpyro_behavior()
    >>> behavior.hazards["same, return_sites=[\\"obs\\"]"].stock
    'silently wrong'
    >>> behavior.sanitized_is_right
    True
    """
    return measured(HAZARDS)


def measured(hazards: Iterable[Hazard]) -> Behavior:
    """What the installed NumPyro does with each of some hazards."""
    return Behavior(versions(), {hazard.name: measure(hazard) for hazard in hazards})


def versions() -> dict[str, str]:
    """The versions that matter, by name; ArviZ may not be installed."""
    packages = {}
    for name in ("numpyro", "jax", "jaxlib", "arviz"):
        with contextlib.suppress(PackageNotFoundError):
            packages[name] = version(name)
    return {**packages, "python": platform.python_version()}


def in_words(versions: Mapping[str, str]) -> str:
    """The versions in one line."""
    parts = [f"{name} {number}" for name, number in versions.items()]
    return ", ".join(parts)


def measure(hazard: Hazard) -> Outcome:
    """Run one hazard on the samples as they are, and on the stripped ones."""
    samples = posterior(hazard.entry)
    latents = {name: value for name, value in samples.items() if name != hazard.entry}
    truth = hazard.run(latents)
    clean = strip_deterministic(hazard.model, samples, hazard.x, hazard.y, new_rows=True)
    stock, detail = compared(hazard.run, samples, truth)
    sanitized, _ = compared(hazard.run, clean, truth)
    return Outcome(stock, sanitized, detail)


@cache
def posterior(entry: str) -> Mapping[str, Any]:
    """Made-up draws as a fit on 100 rows records them, the hazardous entry among them."""
    rng = np.random.default_rng(0)
    names = ("slope",) if entry == "effect" else ("intercept", "slope")
    samples = {name: rng.normal(size=_DRAWS).astype(np.float32) for name in names}
    predictive = Predictive(_model(entry), samples, return_sites=[entry])
    return {**samples, **predictive(jax.random.PRNGKey(1), _x(_ROWS))}


def _model(entry: str) -> Callable[..., None]:
    return _row_effects if entry == "effect" else _regression


def compared(call: Callable[[Mapping[str, Any]], Any], samples: Mapping[str, Any], truth: Any) -> tuple[str, str]:
    """How a call of stock NumPyro with these samples compares with the truth, and a detail where it is not right."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # stock warns of some of them; a warning does not make a result right
            result = call(samples)
    except Exception as error:  # the error differs between versions
        return CRASH, type(error).__name__
    if np.array_equal(result, truth):
        return RIGHT, ""
    if np.shape(result) != np.shape(truth):
        return WRONG, f"shape {np.shape(result)}, should be {np.shape(truth)}"
    gap = np.abs(np.subtract(result, truth)).max()
    return WRONG, f"off by up to {gap:.3g}"
