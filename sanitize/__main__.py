"""``python -m sanitize``: the README's first example, and whether it is right on the installed NumPyro."""

from __future__ import annotations

import argparse
import functools
import runpy
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from .behavior import HAZARDS, RIGHT, WRONG, Hazard, compared, in_words, measured, predict, score, versions
from .strip import strip_deterministic

LATENTS = ("alpha", "beta", "sigma")  # of the example's model


def run_example() -> dict[str, Any]:
    """What the example defines, once it has run and printed."""
    return runpy.run_module("sanitize.example")


def show() -> bool:
    """Run the example, then compare bit for bit with the latents alone; whether the stripped samples are right."""
    print(in_words(versions()))
    print("\nThe README's first example, on 100 rows to fit and 100 others to predict ...\n", flush=True)
    example = run_example()
    model, samples = example["model"], example["samples"]
    latents = {name: samples[name] for name in LATENTS}
    all_right = True
    for title, rows in {"100 other rows": 100, "20 new rows": 20, "one new row": 1}.items():
        X, y = example["X_new"][:rows], example["y_new"][:rows]
        clean = strip_deterministic(model, samples, X)
        for name, call in {"Predictive": predict, "log_likelihood": score}.items():
            result_of = functools.partial(call, model, x=X, y=y, site="y")
            truth = result_of(latents)
            stock, sanitized = compared(result_of, samples, truth), compared(result_of, clean, truth)
            all_right &= sanitized[0] == RIGHT
            print(f"\n{name}, {title}")
            print(f"  samples as they are  {told(*stock)}")
            print(f"  strip_deterministic  {told(*sanitized)}")
    verdict = "right, bit for bit equal to" if all_right else "NOT equal to"
    print(f"\nThe sanitized path is {verdict} stock NumPyro on the latents alone.")
    return all_right


def told(outcome: str, detail: str) -> str:
    """A line on what a call gave. A wrong result stands in capitals."""
    word = outcome.upper() if outcome == WRONG else outcome
    return f"{word}: {detail}" if detail else word


def with_progress(hazards: Sequence[Hazard]) -> Iterator[Hazard]:
    """The hazards one by one. After two seconds a terminal shows how many are done; a log does not."""
    start, line = time.monotonic(), ""
    for done, hazard in enumerate(hazards):
        if sys.stderr.isatty() and time.monotonic() - start > 2:
            line = f"{done} of {len(hazards)} hazards"
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
        yield hazard
    if line:
        print(f"\r{' ' * len(line)}\r", end="", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 if the sanitized path is right everywhere."""
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
