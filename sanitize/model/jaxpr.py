"""What a value is computed from: the only reader of jaxprs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .call import Call
from .trace import Run

Labels = frozenset[str]
NOTHING: Labels = frozenset()

# What a value can be computed from, beside latents (which go by their names).
KEY, CLOSED_OVER, UNSURE = "the key", "data closed over", "unsure"


class Flow(NamedTuple):
    """What each variable of a jaxpr is computed from, and what each end of the search was itself drawn from."""

    reached: Mapping[Any, Labels]
    drawn_from: Mapping[Any, Labels]
    constants: Labels

    def of(self, variable: Any) -> Labels:
        if _is_literal(variable):
            return self.constants if np.ndim(variable.val) else NOTHING
        return self.reached.get(variable, NOTHING)


def flow(jaxpr: Any, given: Mapping[Any, Labels], ends: Mapping[Any, Labels], constants: Labels = NOTHING) -> Flow:
    """Follow labels of the inputs (``given``) through the equations.

    The variables in ``ends`` (latents) end the search: what one was itself drawn from does not reach past it, since
    its entry replaces it. The outputs of one equation (a ``scan``, a ``cond``) are taken to depend on all ends among
    them, which are what the key was for; where there are none, they are not told apart. ``constants`` is the label
    of arrays that stand in the jaxpr itself.
    """
    reached = {**given, **{v: ends[v] for v in jaxpr.invars if v in ends}}
    drawn_from: dict[Any, Labels] = {}
    found = Flow(reached, drawn_from, constants)
    for equation in jaxpr.eqns:
        inputs = NOTHING.union(*map(found.of, equation.invars))
        siblings = NOTHING.union(*(ends.get(v, NOTHING) for v in equation.outvars))
        outputs = inputs
        if siblings:
            outputs = (inputs - {KEY}) | siblings
        elif KEY in inputs and equation.primitive.name in ("scan", "while", "cond"):
            outputs = (inputs - {KEY}) | {UNSURE}
        for variable in equation.outvars:
            if variable in ends:
                drawn_from[variable] = inputs  # whether one latent of a scan is drawn from another, it does not tell
            reached[variable] = ends.get(variable, outputs)
    return found


def ancestors(run: Run) -> dict[str, Labels]:
    """Which latents the value of each site is computed from, or (of a latent) drawn from.

    A latent ends the search. Without a jaxpr (an eager run), a value may depend on every latent before it.
    """
    result: dict[str, Labels] = {}
    if run.jaxpr is None:
        earlier = NOTHING
        for name, site in run.sites.items():
            result[name] = earlier
            if site.kind == "latent":
                earlier |= {name}
        return result
    values = [(v, name) for v, name in zip(run.jaxpr.outvars, run.owners) if not _is_literal(v)]
    latents: dict[Any, Labels] = {}
    for variable, name in values:
        if run.sites[name].kind == "latent":
            latents[variable] = latents.get(variable, NOTHING) | {name}
    found = flow(run.jaxpr, {}, latents)
    for variable, name in values:
        source = found.drawn_from.get(variable, NOTHING) if run.sites[name].kind == "latent" else found.of(variable)
        result[name] = result.get(name, NOTHING) | (source - {name})
    return result


def needed(jaxpr: Any, wanted: Iterable[Any]) -> tuple[list[Any], set[Any]]:
    """The equations that some variables take, in their order, and all variables that have a part in them."""
    variables = {v for v in wanted if not _is_literal(v)}
    equations = []
    for equation in reversed(jaxpr.eqns):
        if variables.intersection(equation.outvars):
            equations.append(equation)
            variables.update(v for v in equation.invars if not _is_literal(v))
    return equations[::-1], variables


def reaching(call: Call, run: Run) -> set[str]:
    """The arguments that have a part in a site, its value or its distribution, or whose values the model has."""
    variables = needed(run.jaxpr, run.jaxpr.outvars)[1]
    unused = {i for i, variable in zip(call.traced, run.jaxpr.invars) if variable not in variables}
    return {name for i, name in enumerate(call.names) if i not in unused}


def computation(jaxpr: Any, wanted: Sequence[Any]) -> Hashable:
    """The equations that some variables take, their variables numbered: equal for equal computations."""
    numbers = {v: i for i, v in enumerate(jaxpr.invars)}

    def number(v: Any) -> Hashable:
        return f"{v.val!r}" if _is_literal(v) else numbers.setdefault(v, len(numbers))

    equations = needed(jaxpr, wanted)[0]
    steps = ((e.primitive.name, str(e.params), *map(number, e.invars), *map(number, e.outvars)) for e in equations)
    return (*steps, *map(number, wanted))


def _is_literal(variable: Any) -> bool:
    return hasattr(variable, "val")
