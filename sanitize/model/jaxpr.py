"""What a value is computed from: the only reader of jaxprs."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .call import Call, Shape
from .trace import Run, Site

Labels = frozenset[str]
NOTHING: Labels = frozenset()

# What a value can be computed from, beside latents (which go by their names).
KEY, CLOSED_OVER, UNSURE = "the key", "data closed over", "unsure"


class Flow(NamedTuple):
    """What each variable of a jaxpr is computed from, and what each end of the search was itself drawn from."""

    reached: dict[Any, Labels]
    drawn_from: dict[Any, Labels]
    constants: Labels

    def of(self, variable: Any) -> Labels:
        if _is_literal(variable):
            return self.constants if np.ndim(variable.val) else NOTHING
        return self.reached.get(variable, NOTHING)


def flow(jaxpr: Any, given: Mapping[Any, Labels], ends: Mapping[Any, Labels], constants: Labels = NOTHING) -> Flow:
    """Follow labels of the inputs (``given``) through the equations.

    The variables in ``ends`` (latents) end the search: what one was itself drawn from does not reach past it, since
    its entry replaces it. A ``scan`` with ends among its outputs is followed inside. The outputs of a ``cond`` depend
    on all ends among them, which are what the key was for; where there are none, they are not told apart.
    ``constants`` is the label of arrays that stand in the jaxpr itself.
    """
    reached = {**given, **{v: ends[v] for v in jaxpr.invars if v in ends}}
    drawn_from: dict[Any, Labels] = {}
    found = Flow(reached, drawn_from, constants)
    for equation in jaxpr.eqns:
        inputs = NOTHING.union(*map(found.of, equation.invars))
        siblings = NOTHING.union(*(ends.get(v, NOTHING) for v in equation.outvars))
        if siblings and equation.primitive.name in ("scan", *_CALLS):
            _flow_inside(equation, found, ends)
            continue
        outputs = inputs
        if siblings:
            outputs = (inputs - {KEY}) | siblings
        elif KEY in inputs and equation.primitive.name in ("scan", "while", "cond"):
            outputs = (inputs - {KEY}) | {UNSURE}
        for variable in equation.outvars:
            if variable in ends:
                drawn_from[variable] = inputs
            reached[variable] = ends.get(variable, outputs)
    return found


def _flow_inside(equation: Any, outside: Flow, ends: Mapping[Any, Labels]) -> None:
    """Follow labels through the body of a scan (again, until what it carries brings nothing new) or of a call."""
    body = _inner_jaxpr(equation.params)
    given = dict(zip(body.invars, map(outside.of, equation.invars)))
    inner_ends: dict[Any, Labels] = {}
    for inner, outer in zip(body.outvars, equation.outvars):
        if outer in ends and not _is_literal(inner):
            inner_ends[inner] = inner_ends.get(inner, NOTHING) | ends[outer]
    first = equation.params.get("num_consts", 0)
    carried = list(zip(body.outvars, body.invars[first : first + equation.params.get("num_carry", 0)]))
    while True:
        inside = flow(body, given, inner_ends, outside.constants)
        again = {before: given[before] | inside.of(after) for after, before in carried}
        if all(given[variable] == labels for variable, labels in again.items()):
            break
        given.update(again)
    for inner, outer in zip(body.outvars, equation.outvars):
        outside.reached[outer] = ends.get(outer, inside.of(inner))
        if outer in ends and not _is_literal(inner):
            outside.drawn_from[outer] = inside.drawn_from.get(inner, NOTHING)


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


def drawn_from(run: Run) -> Labels:
    """The latents that a sample site is drawn from: they have a part in its parameters."""
    above = ancestors(run)
    if run.jaxpr is None:
        return NOTHING.union(*(above[name] for name in run.dist_shapes))
    latents = {
        v: frozenset({name})
        for v, name in zip(run.jaxpr.outvars, run.owners)
        if run.sites[name].kind == "latent" and not _is_literal(v)
    }
    found = flow(run.jaxpr, {}, latents)
    parameters = zip(run.jaxpr.outvars[len(run.owners) :], run.drawn_with)
    by_parameters = (found.of(v) - {name} for v, name in parameters)
    return NOTHING.union(*by_parameters, *(above.get(name, NOTHING) for name in run.dist_shapes))


def reversed_series(run: Run) -> Labels:
    """Latents of a scan that runs from the last step to the first."""
    if run.jaxpr is None or not run.scanned:
        return NOTHING
    backwards = {v for e in run.jaxpr.eqns if e.params.get("reverse") for v in e.outvars}
    values = zip(run.jaxpr.outvars, run.owners)
    return frozenset(name for v, name in values if name in run.scanned and not _is_literal(v) and v in backwards)


# ------------------------------------------------------------------------------------ along one dimension

GATHERED, ROW_BY_ROW, OTHERWISE = "gathered", "row by row", "otherwise"

# Primitives that compute each element from the same elements of their operands.
_ELEMENTWISE = """
    abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp convert_element_type copy copy_p cos
    cosh digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt imag integer_pow is_finite le lgamma log log1p
    logistic lt max min mul ne neg nextafter not or pow real reduce_precision rem round rsqrt select_n sign sin sinh
    sqrt square stop_gradient sub tan tanh xor
"""
# Primitives that are but a jaxpr of their own.
_CALLS = """
    pjit jit closed_call core_call remat remat2 checkpoint custom_jvp_call custom_vjp_call custom_vjp_call_jaxpr
"""


def uses(run: Run, name: str, dim: int) -> Labels:
    """How a latent is used along one of its dimensions, also through elementwise operations and further latents.

    `GATHERED`: picked by an index. `ROW_BY_ROW`: a parameter, as long as the dimension that it is for, of a site that
    nothing is drawn from. `OTHERWISE`: in a matrix product, a sum, a loop, or in what is not known here. What is only
    recorded, as a deterministic site is, is no use.
    """
    if run.jaxpr is None:
        return frozenset({OTHERWISE})
    found: set[str] = set()
    parents = drawn_from(run)
    parameters = list(zip(run.jaxpr.outvars[len(run.owners) :], run.drawn_with))
    todo, seen = [(name, dim)], {(name, dim)}
    while todo:
        site, dim = todo.pop()
        values = (v for v, owner in zip(run.jaxpr.outvars, run.owners) if owner == site and not _is_literal(v))
        reached = _follow_dim(run.jaxpr, dict.fromkeys(values, dim), found)
        for variable, owner in parameters:
            if _is_literal(variable) or variable not in reached or owner == site:
                continue
            at = _dim_of_value(run.sites[owner], variable.aval.shape, reached[variable])
            if at is None:
                found.add(OTHERWISE)
            elif owner not in parents:
                found.add(ROW_BY_ROW)
            elif (owner, at) not in seen:
                seen.add((owner, at))
                todo.append((owner, at))
    return frozenset(found)


def _dim_of_value(site: Site, parameter: Shape, dim: int) -> int | None:
    """The dimension of a site's value that a dimension of a parameter is for; parameters broadcast from the right."""
    shape = site.shape or ()
    for end in (len(shape) - site.event_dim, len(shape)):
        at = end - len(parameter) + dim
        if 0 <= at < len(shape) and shape[at] == parameter[dim]:
            return at
    return None


def _follow_dim(jaxpr: Any, start: Mapping[Any, int], found: set[str]) -> dict[Any, int]:
    """Which variables have the dimension, and where; other uses of it are added to ``found``."""
    reached = dict(start)
    for equation in jaxpr.eqns:
        has = [(i, v, reached[v]) for i, v in enumerate(equation.invars) if not _is_literal(v) and v in reached]
        for i, variable, dim in has:
            if equation.primitive.name in _CALLS.split():
                inner = _inner_jaxpr(equation.params)
                inside = _follow_dim(inner, {inner.invars[i]: dim}, found)
                outputs = {v: inside[w] for v, w in zip(equation.outvars, inner.outvars) if _in(w, inside)}
                reached.update(outputs)
                continue
            at = _dim_after(equation, i, variable.aval.shape, dim)
            if isinstance(at, str):
                found.add(at)
            else:
                if any(reached.get(v, at) != at for v in equation.outvars):
                    found.add(OTHERWISE)  # each element with each other, as of a distance matrix
                reached.update(dict.fromkeys(equation.outvars, at))
    return reached


def _inner_jaxpr(params: Mapping[str, Any]) -> Any:
    inner = next(params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in params)
    return getattr(inner, "jaxpr", inner)


def _in(variable: Any, mapping: Mapping[Any, Any]) -> bool:
    return not _is_literal(variable) and variable in mapping


def _dim_after(equation: Any, operand: int, shape: Shape, dim: int) -> int | str:
    """Where the outputs have a dimension of an operand; a word where they have it no more."""
    name, params = equation.primitive.name, equation.params
    after = equation.outvars[0].aval.shape
    if name in _ELEMENTWISE.split():
        return dim if after == shape else OTHERWISE
    if name == "broadcast_in_dim":
        return int(params["broadcast_dimensions"][dim])
    if name == "transpose":
        return list(params["permutation"]).index(dim)
    if name == "squeeze":
        return dim - sum(d < dim for d in params["dimensions"])
    if name == "reshape":
        before = math.prod(shape[:dim])
        fits = (i for i, n in enumerate(after) if n == shape[dim] and math.prod(after[:i]) == before)
        return next(fits, OTHERWISE)
    if name in ("slice", "dynamic_slice", "rev"):
        untouched = dim not in params["dimensions"] if name == "rev" else after[dim] == shape[dim]
        return dim if untouched and operand == 0 else OTHERWISE
    if name == "concatenate":
        return dim if params["dimension"] != dim else OTHERWISE
    if name.startswith("reduce_") and dim not in params.get("axes", (dim,)):
        return dim - sum(d < dim for d in params["axes"])
    if name == "gather" and operand == 0:
        numbers = params["dimension_numbers"]
        if dim in numbers.start_index_map:
            return GATHERED
        gone = {*numbers.collapsed_slice_dims, *getattr(numbers, "operand_batching_dims", ())}
        kept = [d for d in range(len(shape)) if d not in gone]
        if dim in kept and params["slice_sizes"][dim] == shape[dim]:
            return int(sorted(numbers.offset_dims)[kept.index(dim)])
    return OTHERWISE


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
