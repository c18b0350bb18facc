"""The arguments of a fit, worked out from its samples: what a call without arguments rests on.

*Propose, run, compare* (`search`). Every extent of every argument starts as a prime of its own. What one abstract run
says decides the next trial (`runs`, `failures`): the two lengths that an error names are one, an argument whose prime
it names is of another kind. The sizes of the fit are read off the recorded shapes, and a second run with these has to
agree with every entry: an explanation.

*A short proof* (`proof`). An explanation need not be the fit: an array or number has to reach a site, the samples have
to tell an int, flags are tried in all combinations; all else is asked for. And whatever else explains the samples has
to make the same of every entry. No trial excludes a branch that nobody tried: it is said what was taken for what.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from inspect import Parameter
from typing import Any

from ..containers import Container
from ..errors import AssumedArgumentsWarning, MissingLatentError, ModelArgumentsError, listing, warn
from ..model.call import Call, arguments_error
from ..model.inspection import Inspection
from ..model.trace import try_run
from .proof import Proof, Untold
from .runs import Explanation, strays
from .search import Search

__all__ = ["assumed_arguments"]

_MOST_RUNS = 250


def assumed_arguments(call: Call, samples: Container, settled: Collection[str] = ()) -> Inspection | None:
    """The sites of a model under arguments that explain the samples, if all that explain them agree on the entries.

    Entries in ``settled`` need not be told: the user says what happens to them. None for a model that needs no
    arguments, where none explain the samples. `ModelArgumentsError` where nothing does, or what does leaves open what
    to make of an entry; `MissingLatentError` where an entry would be recomputed from a latent that has none.
    """
    parameters = _parameters(call)
    if parameters is None:
        return None
    search = Search(call, parameters, samples, settled)
    proof = Proof(search, samples, settled)
    refuted: list[Explanation] = []
    lost: dict[str, tuple[str, ...]] = {}
    reasons: list[str] = []
    try:
        for found in search.explanations(search.first(), _MOST_RUNS):
            if unrecorded := found.inspection.unrecorded(search.recorded):
                lost = lost or found.inspection.lost(search.recorded)
                if lost and not found.trial.readings:
                    return None  # the review says what is missing
                reasons.append(f"{listing(unrecorded)} would have no entry")
            elif finding := proof.contradiction(found):
                refuted.append(found)
                reasons.append(finding)
            else:
                for other in refuted:
                    proof.compare(found, other)
                proof.prove(found)
                _announce(call, found)
                return found.inspection
    except Untold as untold:
        what, *entries = untold.args
        settle = f" (or say it of {tuple(entries)!r} alone, by keep= or redraw=)" if entries else ""
        raise arguments_error(call, f"none were passed, and the samples do not tell {what}{settle}") from None
    if not refuted and all(p.default is not p.empty for p in parameters):
        outcome = try_run(call)
        others = strays(outcome, samples.shapes) if outcome else []
        if not others:
            return None
        reasons = [f"{listing(others)} were recorded for another size"]
    if lost:
        raise _missing(lost)
    raise _unexplained(call, samples, reasons)


def _parameters(call: Call) -> list[Parameter] | None:
    """The parameters that may be given; None where nothing tells which there are, and nothing is required."""
    parameters = call.parameters or []
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(named) < len(parameters):
        if all(p.default is not p.empty for p in named):
            return None
        raise arguments_error(call, "none were passed, and with * or ** its signature does not tell which there are")
    layer: Any = call.model  # a handler, a partial, a wrapper, and what each of them wraps
    bound: set[str] = set()
    while layer is not None:
        if isinstance(layer, functools.partial):
            bound.update(layer.keywords)  # is given
        layer = getattr(layer, "func", None) or getattr(layer, "fn", None) or getattr(layer, "__wrapped__", None)
    return [p for p in named if p.name not in bound] if named else None


def _unexplained(call: Call, samples: Container, reasons: list[str]) -> ModelArgumentsError:
    shapes = [f"{name!r} {shape}" for name, shape in samples.shapes.items()]
    found = f"none were found that explain the entries {', '.join(shapes[:6])}"
    return arguments_error(call, ": ".join([f"none were passed, and {found}", *reasons[:1]]))


def _missing(lost: dict[str, tuple[str, ...]]) -> MissingLatentError:
    computed = "; ".join(f"{name!r} from {listing(latents)}" for name, latents in lost.items())
    return MissingLatentError(
        f"Entries would be recomputed from latents that the samples do not hold ({computed}), which would be "
        "drawn from the prior. Pass the model that was fitted with its arguments, or add the missing entries.",
        missing=lost,
    )


def _announce(call: Call, found: Explanation) -> None:
    if not found.inspection.assumed:
        return
    given = {path[0] for path in found.trial.readings}
    parameters = [p for p in call.parameters or () if p.name in given]
    needed = ", ".join(p.name if p.default is p.empty else f"{p.name}={p.name}" for p in parameters)
    assumed = ", ".join(found.inspection.assumed)
    said = f"No arguments of {call.description} were passed, so the fit's were worked out: {assumed}."
    example = f"strip_deterministic(model, samples, {needed})"
    advice = f"Pass the arguments that you predict with, as in {example}, to make it certain."
    warn(f"{said} {advice}", AssumedArgumentsWarning)
