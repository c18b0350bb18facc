"""What a value is computed from: the only reader of jaxprs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
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
    first, many = _consts_and_carry(equation) if equation.primitive.name == "scan" else (0, 0)
    carried = list(zip(body.outvars, body.invars[first : first + many]))
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


def _consts_and_carry(scan: Any) -> tuple[int, int]:
    """How many operands of a scan go to all steps, and how many from step to step; the others are one a step."""
    if "num_consts" in scan.params:
        return scan.params["num_consts"], scan.params["num_carry"]
    consts, carry, _ = scan.params["ft_in"].unpack()  # JAX 0.12 and later
    return len(list(consts)), len(list(carry))


def ancestors(run: Run, kinds: Sequence[str] = ("latent",)) -> dict[str, Labels]:
    """Which latents the value of each site is computed from, or (of a latent) drawn from.

    A latent ends the search. Without a jaxpr (an eager run), a value may depend on every latent before it.
    """
    return _ancestors(run, kinds, _flow_of_sites(run, kinds))


def _ancestors(run: Run, kinds: Sequence[str], found: Flow | None) -> dict[str, Labels]:
    result: dict[str, Labels] = {}
    if found is None:
        earlier = NOTHING
        for name, site in run.sites.items():
            result[name] = earlier
            if site.kind in kinds:
                earlier |= {name}
        return result
    values = [(v, name) for v, name in zip(run.jaxpr.outvars, run.owners) if not _is_literal(v)]
    for variable, name in values:
        source = found.drawn_from.get(variable, NOTHING) if run.sites[name].kind in kinds else found.of(variable)
        result[name] = result.get(name, NOTHING) | (source - {name})
    return result


def _flow_of_sites(run: Run, kinds: Sequence[str]) -> Flow | None:
    """Which sites have a part in each variable; None for an eager run."""
    return None if run.jaxpr is None else flow(run.jaxpr, {}, variables_of(run, kinds))


def variables_of(run: Run, kinds: Sequence[str] = ("latent",)) -> dict[Any, Labels]:
    """The variables of a run's jaxpr that are values of sites."""
    found: dict[Any, Labels] = {}
    for variable, name in zip(run.jaxpr.outvars, run.owners):
        if run.sites[name].kind in kinds and not _is_literal(variable):
            found[variable] = found.get(variable, NOTHING) | {name}
    return found


def parents(run: Run, kinds: Sequence[str] = ("latent",)) -> dict[str, Labels]:
    """What each site is computed or drawn from: by its value, or by the parameters of its distribution."""
    known = _flow_of_sites(run, kinds)
    found = _ancestors(run, kinds, known)
    if known is not None:
        for variable, name in zip(run.jaxpr.outvars[len(run.owners) :], run.drawn_with):
            found[name] = found.get(name, NOTHING) | (known.of(variable) - {name})
    return found


def drawn_from(run: Run) -> Labels:
    """The latents that a sample site is drawn from: they have a part in its parameters."""
    above = parents(run)
    return NOTHING.union(*(above.get(name, NOTHING) for name in run.dist_shapes))


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
    if name == "dot_general":
        (contracted, batch) = (pair[operand] for pair in params["dimension_numbers"])
        if dim in contracted:
            return OTHERWISE
        if dim in batch:
            return list(batch).index(dim)
        free = [d for d in range(len(shape)) if d not in contracted and d not in batch]
        return free.index(dim) + (len(batch) if operand == 0 else len(after) - len(free))
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


def rows_may_meet(run: Run, axes: Iterable[tuple[int, int]], sites: Collection[str]) -> bool:
    """Whether on the way to what some sites are drawn with, latents given, values along an axis of an argument may
    meet. ``axes`` are pairs of an input of the jaxpr and a dimension."""
    wanted = (v for v, owner in zip(run.jaxpr.outvars[len(run.owners) :], run.drawn_with) if owner in sites)
    part = run.jaxpr.replace(eqns=needed(run.jaxpr, wanted, given=variables_of(run))[0])
    found: set[str] = set()
    for number, dim in axes:
        _follow_dim(part, {run.jaxpr.invars[number]: dim}, found)
    return bool(found)


def needed(jaxpr: Any, wanted: Iterable[Any], given: Collection[Any] = ()) -> tuple[list[Any], set[Any]]:
    """The equations that some variables take, in their order, and all variables that have a part in them.

    What those in ``given`` are computed from does not count.
    """
    variables = {v for v in wanted if not _is_literal(v) and v not in given}
    equations = []
    for equation in reversed(jaxpr.eqns):
        if variables.intersection(equation.outvars):
            equations.append(equation)
            variables.update(v for v in equation.invars if not _is_literal(v) and v not in given)
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


# --------------------------------------------------------------------------------- values, and what is picked by them

At = tuple[int, ...]  # where an equation stands: its number, after those of the calls and loops around it

# They leave the values as they are, and only arrange (or repeat, or drop) them.
_VIEWS = """
    broadcast_in_dim copy copy_p expand_dims reshape rev slice squeeze stop_gradient transpose step stack
"""
_RANDOM = ("random_bits", "random_seed", "random_wrap", "random_split", "random_fold_in", "threefry2x32")


@dataclass(eq=False)
class Value:
    """A value in a jaxpr: what it is computed from and by which equation, also across calls."""

    made: str  # the primitive; or "argument", "constant", "latent", "unknown"
    inputs: tuple[Value, ...] = ()
    equation: Any = None
    at: At = ()
    output: int = 0
    latents: Labels = NOTHING
    arguments: frozenset[int] = frozenset()
    known: bool = False  # it is computed from arguments and constants alone
    steps: bool = False  # one for each step of a loop, along a leading axis
    content: Any = None  # the array, where that is known
    _bounds: tuple[float, float] | None = None

    @classmethod
    def of_argument(cls, number: int, content: Any) -> Value:
        """An input of the jaxpr; ``content`` is None where only its shape is known."""
        return cls("argument", arguments=frozenset({number}), known=content is not None, content=content)

    def array(self) -> Any:
        """What it is, computed if need be."""
        if self.content is None:
            inputs = [value.array() for value in self.inputs]
            if self.made in ("step", "stack"):
                self.content = inputs[0]
            else:

                def compute(*inputs: Any) -> Any:
                    outputs = _bind(self.equation, inputs)
                    return outputs[self.output]

                axes = [0 if value.steps else None for value in self.inputs]
                self.content = (jax.vmap(compute, axes) if self.steps else compute)(*inputs)
        return self.content

    def bounds(self) -> tuple[float, float]:
        """Two numbers between which all elements lie. Arithmetic is done on those of the operands, not on arrays."""
        if self._bounds is None:
            self._bounds = self._bounds_by_operands() or _ends(self.array())
        return self._bounds

    def _bounds_by_operands(self) -> tuple[float, float] | None:
        made, inputs = self.made, self.inputs
        if self.content is not None or self.equation is None:
            return inputs[0].bounds() if made in ("step", "stack") else None
        params = self.equation.params
        if self.equation.outvars[self.output].aval.dtype == bool:
            return 0.0, 1.0
        if made == "iota":
            return 0.0, params["shape"][params["dimension"]] - 1.0
        if made in _VIEWS.split() or (made in ("gather", "dynamic_slice") and "FILL" not in str(params.get("mode"))):
            return inputs[0].bounds()
        if made in ("concatenate", "select_n"):
            each = [value.bounds() for value in (inputs[1:] if made == "select_n" else inputs)]
            return min(low for low, _ in each), max(high for _, high in each)
        if made in _MONOTONE:
            each = [value.bounds() for value in inputs]
            if all(map(math.isfinite, itertools.chain(*each))):
                ends = [float(_MONOTONE[made](*operands)) for operands in itertools.product(*each)]
                return min(ends), max(ends)
        return None


def _ends(array: Any) -> tuple[float, float]:
    array = np.asarray(array)
    return (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)


# Between the ends of their operands' bounds they have no higher or lower value.
_MONOTONE: Mapping[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "neg": lambda x: -x,
    "max": max,
    "min": min,
    "clamp": lambda low, x, high: min(max(low, x), high),
    "floor": math.floor,
    "ceil": math.ceil,
    "convert_element_type": math.trunc,
}


class Pick(NamedTuple):
    """A gather, a slice, a scatter, or a ``one_hot``: an index known from arguments alone, and what it picks from."""

    kind: str  # "gather", "scatter", "one_hot"
    by: Value  # the index, before it was wrapped
    wraps: bool  # negative ones are counted from the end
    last: float  # the highest index that exists; infinite: what lies above it is as the model wants it
    length: int
    fills: bool  # what does not exist is NaN; else the last is taken
    latents: Labels
    at: At  # the equation that wraps, or picks
    operand: int  # which of its operands the index is
    column: int | None  # which column of that operand


def picks(jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Value], ends: Mapping[Any, Labels]) -> list[Pick]:
    """All of them in a jaxpr. ``ends`` are the variables that are latents."""
    found: list[Pick] = []
    if _has_picks(jaxpr):
        _open(jaxpr, consts, inputs, ends, (), found)
    return found


def _is_pick(equation: Any) -> bool:
    name = equation.primitive.name
    return name in ("gather", "dynamic_slice") or name.startswith("scatter") or _is_one_hot(equation)


def _is_one_hot(equation: Any) -> bool:
    return equation.primitive.name in _CALLS.split() and equation.params.get("name") == "_one_hot"


def _has_picks(jaxpr: Any) -> bool:
    return any(
        _is_pick(e) or ((e.primitive.name == "scan" or e.primitive.name in _CALLS.split()) and _has_picks(_inner(e)))
        for e in jaxpr.eqns
    )


def _inner(equation: Any) -> Any:
    return _inner_jaxpr(equation.params)


def _inner_consts(equation: Any) -> Sequence[Any]:
    inner = next(equation.params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in equation.params)
    return getattr(inner, "consts", ())


def _open(
    jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Value], ends: Mapping[Any, Labels], at: At, found: list[Pick]
) -> list[Value]:
    """The values of the outputs; what is picked on the way is added to ``found``."""
    values = {v: Value("constant", known=True, content=const) for v, const in zip(jaxpr.constvars, consts)}
    values.update(zip(jaxpr.invars, inputs))
    values.update({v: Value("latent", latents=ends[v]) for v in jaxpr.invars if v in ends})

    def of(variable: Any) -> Value:
        if _is_literal(variable):
            return Value("constant", known=True, content=variable.val)
        return values[variable]

    for number, equation in enumerate(jaxpr.eqns):
        given, here, name = tuple(map(of, equation.invars)), (*at, number), equation.primitive.name
        latents = NOTHING.union(*(value.latents for value in given))
        arguments = frozenset[int]().union(*(value.arguments for value in given))
        known = name not in _RANDOM and all(value.known for value in given)
        if _is_pick(equation):
            found += _picks_of(equation, given, here)
        outputs: list[Value] = []
        if name == "scan" and not known and _has_picks(_inner(equation)):
            outputs = _open_scan(equation, given, ends, here, found)
        elif name in _CALLS.split() and (known or _has_picks(_inner(equation))):
            inner = _inner(equation)
            inside = {w: ends[v] for v, w in zip(equation.outvars, inner.outvars) if v in ends and not _is_literal(w)}
            outputs = _open(inner, _inner_consts(equation), given, inside, here, found)
        else:
            steps = any(value.steps for value in given)
            made = name if known else "unknown"
            outputs = [
                Value(made, given, equation, here, i, latents, arguments, known, steps)
                for i in range(len(equation.outvars))
            ]
        for variable, value in zip(equation.outvars, outputs):
            values[variable] = Value("latent", latents=ends[variable]) if variable in ends else value
    return [of(v) for v in jaxpr.outvars]


def _open_scan(
    equation: Any, given: Sequence[Value], ends: Mapping[Any, Labels], at: At, found: list[Pick]
) -> list[Value]:
    """The body once: what it is given of each step stands for all steps."""
    consts, carry = _consts_and_carry(equation)
    body = _inner(equation)
    inside = {w: ends[v] for v, w in zip(equation.outvars, body.outvars) if v in ends and not _is_literal(w)}
    latents = NOTHING.union(*(v.latents for v in given), *inside.values())
    before = [Value("unknown", latents=latents) for _ in range(carry)]
    steps = [
        Value("step", (v,), latents=v.latents, arguments=v.arguments, known=v.known and not v.steps, steps=True)
        for v in given[consts + carry :]
    ]
    if any(v.steps for v in given):  # a loop in a loop
        steps = [Value("unknown", latents=v.latents) for v in steps]
    after = _open(body, _inner_consts(equation), [*given[:consts], *before, *steps], inside, at, found)
    stacked = [
        Value("stack", (v,), latents=v.latents, arguments=v.arguments, known=v.known and v.steps) for v in after[carry:]
    ]
    return [*before, *stacked]


def _picks_of(equation: Any, given: Sequence[Value], at: At) -> Iterator[Pick]:
    """One for each component of the index that is known. Of constants alone, a scatter or a ``one_hot`` is no index
    of arguments; a gather is, since what an argument is that is no array stands in the jaxpr as a constant."""
    name, params = equation.primitive.name, equation.params
    if _is_one_hot(equation):
        classes = next(e.params["shape"][e.params["dimension"]] for e in _inner(equation).eqns if "iota" in str(e))
        if given[0].known:
            yield Pick("one_hot", given[0], False, classes - 1, classes, False, NOTHING, at, 0, None)
        return
    shape = equation.invars[0].aval.shape
    components: list[tuple[int, float, Value, int, int | None]]
    if name == "dynamic_slice":
        sizes = params["slice_sizes"]
        components = [(dim, shape[dim] - sizes[dim], start, 1 + dim, None) for dim, start in enumerate(given[1:])]
    else:
        numbers = params["dimension_numbers"]
        dims = numbers.start_index_map if name == "gather" else numbers.scatter_dims_to_operand_dims
        window = params["slice_sizes"] if name == "gather" else _window(equation)
        columns = _columns(given[1], len(dims))
        components = [(d, shape[d] - window[d], columns[i], 1, i) for i, d in enumerate(dims)]
    kind = "scatter" if name.startswith("scatter") else "gather"
    if kind == "gather" and not given[0].latents:
        return
    mode = str(params.get("mode"))
    fill = params.get("fill_value")
    chosen = "FILL" in mode and kind == "gather" and fill is not None and not np.isnan(fill)
    # under `vmap` a slice at one index becomes such a gather; else the user has asked for it
    chosen |= "CLIP" in mode and bool(set(dims) <= set(numbers.collapsed_slice_dims))
    for dim, last, index, operand, column in components:
        if not index.known:
            continue
        raw = _unwrapped(index, shape[dim])
        if chosen and raw is None:
            continue
        latents = given[0].latents.union(*(v.latents for v in given[2:])) if kind == "scatter" else given[0].latents
        top = math.inf if chosen else last
        if raw is None:
            yield Pick(kind, index, False, top, shape[dim], "FILL" in mode, latents, at, operand, column)
        else:
            wrapped, where = raw
            yield Pick(kind, wrapped, True, top, shape[dim], "FILL" in mode, latents, where, 1, None)


def _window(equation: Any) -> Sequence[int]:
    """How long a piece a scatter writes along each dimension."""
    numbers, updates = equation.params["dimension_numbers"], equation.invars[2].aval.shape
    gone = {*numbers.inserted_window_dims, *getattr(numbers, "operand_batching_dims", ())}
    lengths = iter([updates[d] for d in numbers.update_window_dims])
    return [1 if d in gone else next(lengths) for d in range(len(equation.invars[0].aval.shape))]


def _columns(index: Value, many: int) -> list[Value]:
    """The components of an index; where they cannot be told apart, none is known."""
    if many == 1:
        return [index]
    widths = [v.aval.shape[-1] for v in index.equation.invars] if index.made == "concatenate" else []
    if widths == [1] * many and index.equation.params["dimension"] == len(index.equation.outvars[0].aval.shape) - 1:
        return list(index.inputs)
    return [Value("unknown")] * many


def _unwrapped(index: Value, length: int) -> tuple[Value, At] | None:
    """The index that JAX wraps by ``select_n(index < 0, index, index + length)``, and where it does."""
    while index.made in (*_VIEWS.split(), "convert_element_type"):
        index = index.inputs[0]
    if index.made != "select_n" or len(index.inputs) != 3:
        return None
    _, raw, more = index.inputs
    if more.made == "add" and more.inputs[0] is raw and np.all(more.inputs[1].content == length):
        return raw, index.at
    return None


def _bind(equation: Any, inputs: Sequence[Any]) -> Sequence[Any]:
    params = equation.primitive.get_bind_params(equation.params)
    functions, params = params if isinstance(params, tuple) else ((), params)  # a tuple in JAX before 0.10
    outputs = equation.primitive.bind(*functions, *inputs, **params)
    return outputs if equation.primitive.multiple_results else [outputs]


Change = Callable[[list[Any]], list[Any]]


def evaluate(
    jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Any], changes: Mapping[At, Change], at: At = ()
) -> list[Any]:
    """The outputs of a jaxpr, where the equations in ``changes`` are given other operands."""
    values = {**dict(zip(jaxpr.constvars, consts)), **dict(zip(jaxpr.invars, inputs))}
    for number, equation in enumerate(jaxpr.eqns):
        here = (*at, number)
        given = [v.val if _is_literal(v) else values[v] for v in equation.invars]
        if here in changes:
            given = changes[here](given)
        if not any(len(place) > len(here) and place[: len(here)] == here for place in changes):
            outputs = _bind(equation, given)
        elif equation.primitive.name == "scan":
            outputs = _evaluate_scan(equation, given, changes, here)
        else:
            outputs = evaluate(_inner(equation), _inner_consts(equation), given, changes, here)
        values.update(zip(equation.outvars, outputs))
    return [v.val if _is_literal(v) else values[v] for v in jaxpr.outvars]


def _evaluate_scan(equation: Any, given: Sequence[Any], changes: Mapping[At, Change], at: At) -> list[Any]:
    first, many = _consts_and_carry(equation)
    consts, carry, steps = given[:first], list(given[first : first + many]), list(given[first + many :])

    def body(carry: Any, step: Any) -> Any:
        outputs = evaluate(_inner(equation), _inner_consts(equation), [*consts, *carry, *step], changes, at)
        return outputs[:many], outputs[many:]

    length, reverse = equation.params["length"], equation.params["reverse"]
    carry, stacked = jax.lax.scan(body, carry, steps, length, reverse)
    return [*carry, *stacked]


def _is_literal(variable: Any) -> bool:
    return hasattr(variable, "val")
