"""``python -m sanitize``: the problem and its fix, measured on the installed NumPyro."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS, Predictive, log_likelihood

from .behavior import HAZARDS, Hazard, measured, versions
from .sites import inspect_sites
from .strip import strip_deterministic

FITTED, NEW = 1000, 200


def model(X: Any, y: Any = None) -> None:
    """The regression of NumPyro issue 1772."""
    alpha = numpyro.sample("alpha", dist.Normal(0.0, 1.0))
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([X.shape[1]]).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0))
    with numpyro.plate("data", X.shape[0]):
        eta = numpyro.deterministic("eta", alpha + X @ beta)
        numpyro.sample("obs", dist.Normal(eta, sigma), obs=y)


def simulate(rows: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """``(X, y)`` of shapes ``(rows, 3)`` and ``(rows,)``."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 3)).astype(np.float32)
    noise = rng.normal(scale=0.5, size=rows)
    return X, (0.3 + X @ np.array([1.0, -2.0, 0.5]) + noise).astype(np.float32)


def fit() -> dict[str, Any]:
    """Posterior samples of 1000 rows: alpha, beta, sigma, and the values recorded at eta."""
    mcmc = MCMC(NUTS(model), num_warmup=300, num_samples=500, progress_bar=sys.stderr.isatty())
    mcmc.run(jax.random.PRNGKey(0), *simulate(FITTED, 0))
    return dict(mcmc.get_samples())


def predict(samples: Mapping[str, Any], X: Any, y: Any) -> Any:
    """Draws of obs, shape ``(draws, rows)``."""
    return Predictive(model, samples)(jax.random.PRNGKey(1), X)["obs"]


def score(samples: Mapping[str, Any], X: Any, y: Any) -> Any:
    """Log likelihood of each row under each draw, shape ``(draws, rows)``."""
    return log_likelihood(model, samples, X, y)["obs"]


def attempt(call: Any, samples: Mapping[str, Any], X: Any, y: Any, truth: Any) -> tuple[bool, str]:
    """Whether a call gives the truth, bit for bit, and one line of what it gave."""
    try:
        result = call(samples, X, y)
    except Exception as error:  # the crash is what is shown
        return False, f"crash: {type(error).__name__}: {str(error).splitlines()[0][:70]}"
    right = np.array_equal(result, truth)
    word = "right" if right else "SILENTLY WRONG"
    return right, f"{word}: shape {np.shape(result)}, mean {float(np.mean(result)):.4f}"


def show() -> bool:
    """Fit, predict on other rows with and without stripping; whether the sanitized path was right throughout."""
    print(", ".join(f"{name} {number}" for name, number in versions().items()))
    print(f"\nFitting the regression of NumPyro issue 1772 on {FITTED} rows ...", flush=True)
    samples = fit()
    latents = {name: samples[name] for name in ("alpha", "beta", "sigma")}
    X_new = simulate(NEW, 1)[0]
    table = inspect_sites(model, X_new)
    print(f"\nThe sites of the model for {NEW} new rows, from one abstract run:\n{table!r}")
    print(f"\nThe verdict on the posterior:\n{table.review(samples)!r}")
    all_right = True
    cases = {f"{NEW} new rows": NEW, f"{FITTED} other rows": FITTED, "one new row": 1}
    for title, rows in cases.items():
        X, y = simulate(rows, 1)
        for name, call, data in (("Predictive", predict, (X,)), ("log_likelihood", score, (X, y))):
            clean = strip_deterministic(model, samples, *data)
            truth = call(latents, X, y)
            right, sanitized = attempt(call, clean, X, y, truth)
            all_right &= right
            print(f"\n{name}, {title}")
            print(f"  samples as they are  {attempt(call, samples, X, y, truth)[1]}")
            print(f"  strip_deterministic  {sanitized}")
    verdict = "right, bit for bit equal to" if all_right else "NOT equal to"
    print(f"\nThe sanitized path is {verdict} stock NumPyro on the latents alone.")
    return all_right


def with_progress(hazards: Sequence[Hazard]) -> Iterator[Hazard]:
    """The hazards one by one; a terminal shows how many are done once it has taken two seconds, logs do not."""
    start, line = time.monotonic(), ""
    for done, hazard in enumerate(hazards):
        if sys.stderr.isatty() and time.monotonic() - start > 2:
            line = f"{done} of {len(hazards)} hazards"
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
        yield hazard
    if line:
        print(f"\r{' ' * len(line)}\r", end="", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 where the sanitized path is right throughout."""
    parser = argparse.ArgumentParser(prog="python -m sanitize", description=__doc__)
    parser.add_argument("--check", action="store_true", help="measure every known hazard on the installed NumPyro")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    options = parser.parse_args(arguments)
    if not (options.check or options.json):
        return 0 if show() else 1
    behavior = measured(with_progress(HAZARDS))
    print(behavior.to_json() if options.json else behavior)
    return 0 if behavior.sanitized_is_right else 1


if __name__ == "__main__":
    sys.exit(main())
