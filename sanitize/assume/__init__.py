"""The arguments of a fit, worked out from its samples: what a call without arguments rests on.

*Propose, run, compare* (`search`). Every axis of every argument starts as a prime of its own. What one abstract run
says decides the next trial (`runs`): the two lengths that an error names are one, an argument whose prime it names is
of another kind. The sizes of the fit are read off the recorded shapes, and a second run with these has to agree with
every entry: an explanation.

*A short proof* (`proof`). An explanation need not be the fit: an array or number has to reach a site, the samples have
to tell an int, flags are tried in all combinations; all else is asked for. And whatever else explains the samples has
to make the same of every entry. No trial excludes a branch that nobody tried: it is said what was taken for what.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection
from inspect import Parameter

from ..containers import Container
from ..errors import AssumedArgumentsWarning, MissingLatentError, listing, warn
from ..model.call import Call, arguments_error
from ..model.inspection import Inspection
from ..model.trace import try_run
from .proof import Proof, Untold
from .runs import Runner, strays
from .search import Explanation, Search

__all__ = ["assumed_arguments"]

_MOST_RUNS = 250


def assumed_arguments(call: Call, samples: Container, settled: Collection[str] = ()) -> Inspection | None:
    """The sites of a model under arguments that explain the samples, if all that explain them agree on the entries.

    Entries in ``settled`` need not be told: the user says what happens to them. None for a model that needs no
    arguments, where none explain the samples. `ModelArgumentsError` where nothing does, or what does leaves open what
    to make of an entry; `MissingLatentError` where an entry would be recomputed from a latent that has none.
    """
    if (parameters := _parameters(call)) is None:
        return None
    search = Search(Runner(call, samples, settled), parameters)
    proof = Proof(search, samples, settled)
    refuted, lost, why = list[Explanation](), dict[str, tuple[str, ...]](), ""
    try:
        for found in search.explanations(search.first(), _MOST_RUNS):
            if found.lost and not found.trial.readings:
                return None  # the review says what is missing
            if found.lacking:
                lost, why = lost or dict(found.lost), why or f": {listing(found.lacking)} would have no entry"
            elif finding := proof.contradiction(found):
                refuted.append(found)
                why = why or f": {finding}"
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
    if not (refuted or any(p.default is p.empty for p in parameters)):
        others = (outcome := try_run(call)) and strays(outcome, samples.shapes)
        if not others:
            return None
        why = f": {listing(others)} were recorded for another size"
    if lost:
        computed = "; ".join(f"{name!r} from {listing(latents)}" for name, latents in lost.items())
        raise MissingLatentError(
            f"Entries would be recomputed from latents that the samples do not hold ({computed}), which would be "
            f"drawn from the prior. Pass the model that was fitted with its arguments, or add the missing entries.",
            missing=lost,
        )
    shapes = ", ".join(f"{name!r} {shape}" for name, shape in itertools.islice(samples.shapes.items(), 6))
    raise arguments_error(call, f"none were passed, and none were found that explain the entries {shapes}{why}")


def _parameters(call: Call) -> list[Parameter] | None:
    """The parameters that may be given; None where nothing tells which there are, and nothing is required."""
    parameters = call.parameters or []
    variadic = [p for p in parameters if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if variadic and any(p.default is p.empty and p not in variadic for p in parameters):
        raise arguments_error(call, "none were passed, and with * or ** its signature does not tell which there are")
    layers = [call.model]
    for layer in layers:  # a handler, a partial, a wrapper, and what each of them wraps
        inner = getattr(layer, "func", None) or getattr(layer, "fn", None) or getattr(layer, "__wrapped__", None)
        layers += [inner] if inner else []
    bound = {name for layer in layers if isinstance(layer, functools.partial) for name in layer.keywords}  # is given
    return None if variadic or not parameters else [p for p in parameters if p.name not in bound]


def _announce(call: Call, found: Explanation) -> None:
    if assumed := found.inspection.assumed:
        given = {path[0] for path in found.trial.readings}
        parameters = [p for p in call.parameters or () if p.name in given]
        needed = ", ".join(p.name if p.default is p.empty else f"{p.name}={p.name}" for p in parameters)
        warn(
            f"No arguments of {call.description} were passed, so the fit's were worked out: {', '.join(assumed)}. "
            f"Pass the arguments that you predict with, as in strip_deterministic(model, samples, {needed}), to make "
            f"it certain.",
            AssumedArgumentsWarning,
        )
