"""What a value is computed from: the only reader of jaxprs.

`Walk` goes through the equations once, also through calls and loops. A rule decides what it carries along: labels
(`flow`), the place of one dimension (`uses`, `rows_may_meet`), or values and what they pick (`picks`).
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..kinds import Shape
from .argument import equal, has_values
from .call import Call
from .trace import Run, Site

Labels = frozenset[str]
NOTHING: Labels = frozenset()
Ends = Mapping[Any, Any]  # the variables at which the search ends, each with what it has

# ------------------------------------------------------------------------------- what JAX calls things, 0.4.13 to 0.12


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Primitives that only call another jaxpr.
_CALLS = _words(
    "pjit jit closed_call core_call remat remat2 checkpoint custom_jvp_call custom_vjp_call custom_vjp_call_jaxpr"
)
_ONE_HOT = "_one_hot"  # the name of the call that `jax.nn.one_hot` makes
_RANDOM = _words("random_bits random_seed random_wrap random_split random_fold_in threefry2x32")

# They compute each element from the same elements of their operands.
_ELEMENTWISE = _words(
    """
    abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp convert_element_type copy copy_p cos
    cosh digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt imag integer_pow is_finite le lgamma log log1p
    logistic lt max min mul ne neg nextafter not or pow real reduce_precision rem round rsqrt select_n sign sin sinh
    sqrt square stop_gradient sub tan tanh xor
    """
)
# They do not change values: they only arrange, repeat or drop them. The last two names are our own: see `Value`.
_VIEWS = _words("broadcast_in_dim copy copy_p expand_dims reshape rev slice squeeze stop_gradient transpose step stack")


def _name(equation: Any) -> str:
    return str(equation.primitive.name)


def _is_literal(variable: Any) -> bool:
    return hasattr(variable, "val")


def _is_one_hot(equation: Any) -> bool:
    return _name(equation) in _CALLS and equation.params.get("name") == _ONE_HOT


def _inside(equation: Any) -> tuple[Any, Sequence[Any]]:
    """The jaxpr of a call, or of one step of a loop, and its constants."""
    params = equation.params
    inner = next(params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in params)
    return getattr(inner, "jaxpr", inner), getattr(inner, "consts", ())


def _consts_and_carry(scan: Any) -> tuple[int, int]:
    """How many operands of a scan all steps get, and how many go from step to step. The others are one a step."""
    if "num_consts" in scan.params:
        return scan.params["num_consts"], scan.params["num_carry"]
    consts, carry, _ = scan.params["ft_in"].unpack()  # JAX 0.12 and later
    return len(list(consts)), len(list(carry))


def _bind(equation: Any, inputs: Sequence[Any]) -> Sequence[Any]:
    """The outputs of an equation, computed."""
    primitive = equation.primitive
    params = primitive.get_bind_params(equation.params)
    if isinstance(params, tuple):  # in JAX before 0.10
        functions, params = params
        inputs = [*functions, *inputs]
    outputs = primitive.bind(*inputs, **params)
    return outputs if primitive.multiple_results else [outputs]


# ------------------------------------------------------------------------------------------------------- the walk


class Walk:
    """One way through a jaxpr. A rule (a subclass) says what the outputs of an equation have, given what its operands
    have. This is a set, unless the rule says otherwise."""

    nothing: Any = NOTHING

    def outputs(self, equation: Any, operands: Sequence[Any], ends: Ends) -> Sequence[Any]:
        """What the outputs of an equation have, if the walk does not go into it."""
        raise NotImplementedError

    def constant(self, value: Any) -> Any:
        """What a constant of the jaxpr has."""
        return self.nothing

    def both(self, one: Any, other: Any) -> Any:
        """What a variable has if it may be either of two."""
        return one | other

    def opens(self, equation: Any, operands: Sequence[Any], ends: Ends) -> bool:
        """Whether the walk goes into a call or a loop."""
        return _name(equation) in _CALLS

    def into_loop(self, operands: Sequence[Any], first: int, many: int) -> list[Any]:
        """What the body of a loop gets. From the ``first`` operand on, ``many`` go from step to step."""
        return list(operands)

    def out_of_loop(self, outputs: Sequence[Any], many: int) -> Sequence[Any]:
        """What comes out of a loop; the first ``many`` went from step to step."""
        return outputs

    def known(self, jaxpr: Any, consts: Sequence[Any], inputs: Iterable[Any] = ()) -> dict[Any, Any]:
        """What the constants and the inputs of a jaxpr have."""
        found = dict(zip(jaxpr.constvars, map(self.constant, consts)))
        found.update(zip(jaxpr.invars, inputs))
        return found

    def follow(self, jaxpr: Any, known: Mapping[Any, Any], ends: Ends) -> list[Any]:
        """What the outputs of a jaxpr have. ``known`` is what its inputs have.

        A variable in ``ends`` (the value of a latent) has what ``ends`` says, whatever it is computed from.
        """
        has = dict(known)
        for variable in jaxpr.invars:
            if variable in ends:
                has[variable] = ends[variable]

        def of(variable: Any) -> Any:
            if _is_literal(variable):
                return self.constant(variable.val)
            return has.get(variable, self.nothing)

        for equation in jaxpr.eqns:
            operands = [of(v) for v in equation.invars]
            if not self.opens(equation, operands, ends):
                outputs = self.outputs(equation, operands, ends)
            elif _name(equation) == "scan":
                outputs = self._follow_loop(equation, operands, ends)
            else:
                outputs = self._follow_inside(equation, operands, ends)
            for variable, output in zip(equation.outvars, outputs):
                has[variable] = ends.get(variable, output)
        return [of(v) for v in jaxpr.outvars]

    def _follow_inside(self, equation: Any, inputs: Sequence[Any], ends: Ends) -> list[Any]:
        inner, consts = _inside(equation)
        known = self.known(inner, consts, inputs)
        inner_ends: dict[Any, Any] = {}
        for variable, outer in zip(inner.outvars, equation.outvars):
            if outer in ends and not _is_literal(variable):
                before = inner_ends.get(variable, ends[outer])
                inner_ends[variable] = self.both(before, ends[outer])
        return self.follow(inner, known, inner_ends)

    def _follow_loop(self, loop: Any, operands: Sequence[Any], ends: Ends) -> Sequence[Any]:
        """The body stands for all steps: it is walked again until what goes from step to step stays the same."""
        first, many = _consts_and_carry(loop)
        inputs = self.into_loop(operands, first, many)
        while True:
            outputs = self._follow_inside(loop, inputs, ends)
            before = inputs[first : first + many]
            after = list(map(self.both, before, outputs))
            if after == before:
                return self.out_of_loop(outputs, many)
            inputs[first : first + many] = after


# ------------------------------------------------------------------------------------------------- labels: the rule

# What a value can be computed from, beside latents (which go by their names).
KEY, CLOSED_OVER, UNSURE = "the key", "data closed over", "unsure"


class _Sources(Walk):
    """What each variable is computed from.

    The walk goes into a loop if latents are among its outputs. All outputs of a ``cond`` depend on the latents among
    them: they used the key. If there are none, it is not known which outputs used it.
    """

    def __init__(self, constants: Labels = NOTHING):
        self.constants = constants
        self.drawn_from: dict[Labels, Labels] = {}  # what each end was itself computed from

    def constant(self, value: Any) -> Labels:
        return self.constants if np.ndim(value) else NOTHING

    def opens(self, equation: Any, operands: Sequence[Labels], ends: Ends) -> bool:
        if _name(equation) == "scan":
            return not ends.keys().isdisjoint(equation.outvars)
        return _name(equation) in _CALLS

    def outputs(self, equation: Any, operands: Sequence[Labels], ends: Ends) -> Sequence[Labels]:
        inputs = NOTHING.union(*operands)
        drawn = [ends[v] for v in equation.outvars if v in ends]
        for labels in drawn:
            before = self.drawn_from.get(labels, NOTHING)
            self.drawn_from[labels] = before | inputs
        outputs = inputs
        if drawn:
            outputs = (inputs - {KEY}).union(*drawn)
        elif KEY in inputs and _name(equation) in ("scan", "while", "cond"):
            outputs = (inputs - {KEY}) | {UNSURE}
        return [outputs] * len(equation.outvars)


def flow(jaxpr: Any, given: Mapping[Any, Labels], ends: Ends, constants: Labels = NOTHING) -> list[Labels]:
    """What each output is computed from: labels of the inputs (``given``), followed through the equations.

    The variables in ``ends`` (latents) end the search: what a latent is drawn from does not reach past it, since its
    entry replaces it. ``constants`` is the label of arrays in the jaxpr itself.
    """
    return _Sources(constants).follow(jaxpr, given, ends)


class _RowNumbers(_Sources):
    """What is computed from numbers that are as many as rows: ``arange(n)``, or an array in the model."""

    def __init__(self, lengths: frozenset[int]):
        super().__init__()
        self.lengths = lengths

    def constant(self, value: Any) -> Labels:
        return self.of_shape(np.shape(value))

    def of_shape(self, shape: Shape) -> Labels:
        return NOTHING if self.lengths.isdisjoint(shape) else frozenset({CLOSED_OVER})

    def outputs(self, equation: Any, operands: Sequence[Labels], ends: Ends) -> Sequence[Labels]:
        if _name(equation) == "iota":
            operands = [self.of_shape(equation.params["shape"])]
        return super().outputs(equation, operands, ends)


def may_count_rows(run: Run, lengths: Iterable[int], sites: Iterable[str]) -> bool:
    """Whether parameters of some sites are computed, latents given, from numbers that may count so many rows."""
    wanted = frozenset(sites)
    rule = _RowNumbers(frozenset(lengths))
    ends = dict.fromkeys(variables_of(run), NOTHING)
    outputs = rule.follow(run.jaxpr, rule.known(run.jaxpr, run.consts), ends)
    return any(owner in wanted and above for owner, above in of_parameters(run, outputs))


def variables_of(run: Run, kinds: Sequence[str] = ("latent",)) -> dict[Any, Labels]:
    """The variables of a run's jaxpr that are values of sites."""
    found = dict[Any, Labels]()
    for variable, name in zip(run.jaxpr.outvars, run.owners):
        if run.sites[name].kind in kinds and not _is_literal(variable):
            before = found.get(variable, NOTHING)
            found[variable] = before | {name}
    return found


def of_parameters(run: Run, outputs: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """What the parameters of sites have, each with its site. ``outputs`` is what all outputs of a run have."""
    return zip(run.drawn_with, outputs[len(run.owners) :])


def ancestors(run: Run) -> dict[str, Labels]:
    """Which latents the value of each site is computed from, or (of a latent) drawn from."""
    return _above(run, ("latent",), run.owners)


def parents(run: Run, kinds: Sequence[str] = ("latent",)) -> dict[str, Labels]:
    """What each site is computed or drawn from: by its value, or by the parameters of its distribution."""
    return _above(run, kinds, run.owners + run.drawn_with)


def _above(run: Run, kinds: Sequence[str], owners: Sequence[str]) -> dict[str, Labels]:
    """What the first outputs of a run are computed from, by site. A latent ends the search."""
    result = dict[str, Labels]()
    if run.jaxpr is None:  # an eager run: a value may depend on every latent before it
        earlier = NOTHING
        for name, site in run.sites.items():
            result[name] = earlier
            if site.kind in kinds:
                earlier |= {name}
        return result
    rule, ends = _Sources(), variables_of(run, kinds)
    outputs = rule.follow(run.jaxpr, {}, ends)
    for number, (name, above) in enumerate(zip(owners, outputs)):
        is_value = number < len(run.owners)
        if is_value and run.sites[name].kind in kinds:
            above = rule.drawn_from.get(above, NOTHING)
        before = result.get(name, NOTHING)
        result[name] = before | (above - {name})
    return result


def drawn_from(run: Run) -> Labels:
    """The latents that a sample site is drawn from: its parameters are computed from them."""
    above = parents(run)
    return NOTHING.union(*(above.get(name, NOTHING) for name in run.dist_shapes))


# ------------------------------------------------------------------------------------------ one dimension: the rule

GATHERED, ROW_BY_ROW, OTHERWISE = "gathered", "row by row", "otherwise"
PLACED = "placed"  # said in addition to the dimension that values are put into

Way = int | str  # a dimension; or a word that says what was made of it


class _Dimension(Walk):
    """Where one dimension goes. After a matrix product, a sum, a loop or an unknown primitive it is only a word."""

    def outputs(self, equation: Any, operands: Sequence[frozenset[Way]], ends: Ends) -> Sequence[frozenset[Way]]:
        found = set[Way]()
        for operand, ways in enumerate(operands):
            for way in ways:
                found.add(_dim_after(equation, operand, way))
            if ways and _is_placed(equation, operand):
                found.add(PLACED)
        if len(found - {GATHERED, OTHERWISE, PLACED}) > 1:
            found.add(OTHERWISE)  # each element meets each other one, as in a distance matrix
        return [frozenset(found)] * len(equation.outvars)


def _dim_after(equation: Any, operand: int, dim: Way) -> Way:
    """Which dimension of the outputs a dimension of an operand becomes; a word if they do not have it."""
    if isinstance(dim, str):
        return dim
    name, params = _name(equation), equation.params
    before = equation.invars[operand].aval.shape
    after = equation.outvars[0].aval.shape
    if name in _ELEMENTWISE:
        return dim if after == before else OTHERWISE
    if name == "broadcast_in_dim":
        return int(params["broadcast_dimensions"][dim])
    if name == "transpose":
        return list(params["permutation"]).index(dim)
    if name == "squeeze":
        return _dim_without(params["dimensions"], dim)
    if name == "reshape":
        return _dim_after_reshape(before, after, dim)
    if name in ("slice", "dynamic_slice"):
        return dim if operand == 0 and after[dim] == before[dim] else OTHERWISE
    if name == "rev":
        return dim if dim not in params["dimensions"] else OTHERWISE
    if name == "concatenate":
        return dim if dim != params["dimension"] else OTHERWISE
    if name == "dot_general":
        return _dim_after_product(equation, operand, dim)
    if name.startswith("reduce_") and dim not in params.get("axes", (dim,)):
        return _dim_without(params["axes"], dim)
    if name == "gather":
        return _dim_after_gather(equation, operand, dim)
    if name.startswith("scatter") and operand == 0:
        return dim
    if _is_placed(equation, operand):
        return _dim_after_scatter(equation, dim)
    return OTHERWISE


def _is_placed(equation: Any, operand: int) -> bool:
    """Whether an operand is what is put into an array by an index: ``z`` in ``x.at[i].set(z)``."""
    return operand == 2 and _name(equation).startswith("scatter")


def _dim_without(gone: Sequence[int], dim: int) -> int:
    return dim - len([d for d in gone if d < dim])


def _dim_after_reshape(before: Shape, after: Shape, dim: int) -> Way:
    above = math.prod(before[:dim])
    for i, length in enumerate(after):
        is_same = length == before[dim] and math.prod(after[:i]) == above
        if is_same:
            return i
    return OTHERWISE


def _dim_after_product(equation: Any, operand: int, dim: int) -> Way:
    contracted, batch = (pair[operand] for pair in equation.params["dimension_numbers"])
    if dim in contracted:
        return OTHERWISE
    if dim in batch:
        return list(batch).index(dim)
    rank = equation.invars[operand].aval.ndim
    free = _without(rank, contracted, batch)
    after = equation.outvars[0].aval.ndim
    first = after - len(free) if operand else len(batch)
    return first + free.index(dim)


def _dim_after_gather(equation: Any, operand: int, dim: int) -> Way:
    numbers = equation.params["dimension_numbers"]
    shape = equation.invars[operand].aval.shape
    if operand == 1:  # what is picked for one row stays in this row
        after = equation.outvars[0].aval.ndim
        rows = _without(after, numbers.offset_dims)
        return rows[dim] if dim < len(shape) - 1 else OTHERWISE
    if dim in numbers.start_index_map:
        return GATHERED
    if equation.params["slice_sizes"][dim] != shape[dim]:
        return OTHERWISE
    kept = _without(len(shape), numbers.collapsed_slice_dims, _batching_dims(numbers))
    if dim not in kept:
        return OTHERWISE
    offset = sorted(numbers.offset_dims)
    return int(offset[kept.index(dim)])


def _dim_after_scatter(equation: Any, dim: int) -> Way:
    """Values that each have an index are put along the first dimension that the index is for."""
    numbers = equation.params["dimension_numbers"]
    if dim not in numbers.update_window_dims:
        return int(numbers.scatter_dims_to_operand_dims[0])
    rank = equation.invars[0].aval.ndim
    kept = _without(rank, numbers.inserted_window_dims, _batching_dims(numbers))
    window = sorted(numbers.update_window_dims)
    return kept[window.index(dim)]


def _batching_dims(numbers: Any) -> Sequence[int]:
    return getattr(numbers, "operand_batching_dims", ())  # JAX 0.4.31 and later


def _without(rank: int, *gone: Sequence[int]) -> list[int]:
    """The dimensions of an array without these."""
    return sorted(set(range(rank)).difference(*gone))


def uses(run: Run, name: str, dim: int) -> Labels:
    """How a latent is used along one of its dimensions, also through elementwise operations and further latents.

    `GATHERED`: picked by an index. `ROW_BY_ROW`: a parameter of a site that nothing is drawn from, and as long as the
    dimension that it is for. `PLACED`: put by an index into an array; the other words say how the array is used.
    `OTHERWISE`: in a matrix product, a sum, a loop, or an unknown primitive. To be recorded only, as in a deterministic
    site, is no use.
    """
    ways = {use for _, use in _reached(run, name, dim)}
    return frozenset(way if isinstance(way, str) else ROW_BY_ROW for way in ways)


def places_by_index(jaxpr: Any) -> bool:
    """Whether anything is put into an array by an index."""
    for equation in jaxpr.eqns if jaxpr else ():
        if _is_placed(equation, 2):
            return True
        if _name(equation) in _CALLS and places_by_index(_inside(equation)[0]):
            return True
    return False


def placed_at(run: Run, name: str, dim: int) -> frozenset[tuple[str, int]]:
    """Where an index puts values along a dimension of a latent: sites that nothing is drawn from, each with the
    dimension that is filled row by row."""
    found, is_placed = set(), False
    for owner, use in _reached(run, name, dim):
        if isinstance(use, int):
            found.add((owner, use))
        elif use == PLACED:
            is_placed = True
    return frozenset(found if is_placed else ())


def _reached(run: Run, name: str, dim: int) -> set[tuple[str, Way]]:
    """The sites that one dimension of a latent comes to, each with what has become of it there. A site with a dimension
    is listed only if nothing is drawn from it."""
    if run.jaxpr is None:
        return {(name, OTHERWISE)}
    found = set[tuple[str, Way]]()
    parents = drawn_from(run)
    todo: list[tuple[str, Way]] = [(name, dim)]
    for site, along in todo:  # which grows
        ends = {}
        for variable, owner in zip(run.jaxpr.outvars, run.owners):
            if owner == site and not _is_literal(variable):
                ends[variable] = frozenset({along})
        outputs = _Dimension().follow(run.jaxpr, {}, ends)
        variables = of_parameters(run, run.jaxpr.outvars)
        for (owner, variable), (_, ways) in zip(variables, of_parameters(run, outputs)):
            for way in ways if owner != site else ():
                use = _dim_of_value(run.sites[owner], variable.aval.shape, way)
                if isinstance(use, str) or owner not in parents:
                    found.add((owner, use))
                elif (owner, use) not in todo:
                    todo.append((owner, use))
    return found


def _dim_of_value(site: Site, parameter: Shape, dim: Way) -> Way:
    """The dimension of a site's value that a dimension of a parameter is for; parameters broadcast from the right."""
    if isinstance(dim, str):
        return dim
    shape = site.shape or ()
    for end in (len(shape) - site.event_dim, len(shape)):
        at = end - len(parameter) + dim
        if 0 <= at < len(shape) and shape[at] == parameter[dim]:
            return at
    return OTHERWISE


def rows_may_meet(run: Run, axes: Iterable[tuple[int, int]], sites: Iterable[str]) -> bool:
    """Whether values along an axis of an argument may meet before they reach parameters of some sites, latents given.
    ``axes`` are pairs of an input of the jaxpr and a dimension."""
    wanted = frozenset(sites)
    ends = dict.fromkeys(variables_of(run), NOTHING)
    for number, dim in axes:
        start = {run.jaxpr.invars[number]: frozenset({dim})}
        outputs = _Dimension().follow(run.jaxpr, start, ends)
        for owner, ways in of_parameters(run, outputs):
            if owner in wanted and not ways.isdisjoint({GATHERED, OTHERWISE}):
                return True
    return False


# --------------------------------------------------------------------------------- values, and what is picked: the rule


@dataclass(eq=False)
class Value:
    """A value in a jaxpr: what it is computed from and by which equation, also across calls.

    Attributes
    ----------
    made : str
        The primitive; or ``"argument"``, ``"constant"``, ``"latent"``, ``"unknown"``; in a loop ``"step"`` (the part of
        an array that one step gets) and ``"stack"`` (the array of what all steps give).
    sources : frozenset
        What it is computed from: numbers of arguments, names of latents, and picks, by the identity of their equation.
    known : bool
        Whether it is computed from arguments and constants alone.
    steps : bool
        Whether it has one value for each step of a loop, along a leading axis.
    content : array
        Its numbers, if they are known already.
    """

    made: str
    sources: frozenset[Any] = NOTHING
    inputs: Sequence[Value] = ()
    equation: Any = None
    output: int = 0
    known: bool = False
    steps: bool = False
    content: Any = None

    @property
    def latents(self) -> Labels:
        return frozenset(source for source in self.sources if isinstance(source, str))

    @property
    def arguments(self) -> list[int]:
        return sorted(source for source in self.sources if isinstance(source, int))

    def array(self) -> Any:
        """Its numbers, which are computed if they are not known yet."""
        has_values(self.content)  # this asks for it, if it is withheld
        if self.content is None:
            inputs = [value.array() for value in self.inputs]
            if self.made in ("step", "stack"):
                self.content = inputs[0]
            elif self.steps:
                axes = [0 if value.steps else None for value in self.inputs]
                self.content = jax.vmap(self._computed, axes)(*inputs)
            else:
                self.content = self._computed(*inputs)
        return self.content

    def _computed(self, *inputs: Any) -> Any:
        return _bind(self.equation, inputs)[self.output]

    @functools.cached_property
    def bounds(self) -> tuple[float, float]:
        """Two numbers between which all elements lie. If possible, they are computed from the bounds of operands."""
        return self._bounds_by_operands() or _lowest_and_highest(self.array())

    def _bounds_by_operands(self) -> tuple[float, float] | None:
        made, inputs = self.made, self.inputs
        if self.content is not None:
            return None
        if made in _VIEWS:
            return inputs[0].bounds
        params = self.equation.params
        if self.equation.outvars[self.output].aval.dtype == bool:
            return 0.0, 1.0
        if made == "iota":
            return 0.0, params["shape"][params["dimension"]] - 1.0
        if made in ("gather", "dynamic_slice") and not _fills(params):
            return inputs[0].bounds
        if made == "concatenate":
            return _around(inputs)
        if made == "select_n":
            return _around(inputs[1:])
        if made not in _MONOTONE:
            return None
        bounds = [value.bounds for value in inputs]
        if not np.isfinite(bounds).all():
            return None
        corners = itertools.product(*bounds)
        results = [float(_MONOTONE[made](*corner)) for corner in corners]
        return min(results), max(results)


def _lowest_and_highest(array: Any) -> tuple[float, float]:
    array = np.asarray(array)
    if not array.size:
        return 0.0, 0.0
    return float(array.min()), float(array.max())


def _around(values: Sequence[Value]) -> tuple[float, float]:
    lows, highs = zip(*(value.bounds for value in values))
    return min(lows), max(highs)


# Their lowest and highest values are at bounds of their operands.
_MONOTONE: Mapping[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
    "max": max,
    "min": min,
    "clamp": lambda low, x, high: min(max(low, x), high),
    "floor": math.floor,
    "ceil": math.ceil,
    "convert_element_type": math.trunc,
}


class Pick(NamedTuple):
    """A gather, a slice, a scatter, or a ``one_hot`` by an index that is computed from arguments alone."""

    kind: str  # "gather", "scatter", "one_hot"
    by: Value  # the index, before it was wrapped
    wraps: bool  # whether negative ones are counted from the end
    last: float  # the highest index that exists; infinite: the model says itself what it wants above it
    length: int
    fills: bool  # whether NaN is given for what does not exist; else the last element is taken
    latents: Labels
    equation: int  # its identity


class _Values(Walk):
    """All values, and how each is computed. The walk goes into calls, not into loops."""

    nothing = Value("unknown")

    def constant(self, value: Any) -> Value:
        return Value("constant", known=True, content=value)

    def outputs(self, equation: Any, operands: Sequence[Value], ends: Ends) -> Sequence[Value]:
        made, sources = _name(equation), frozenset[Any]()
        for value in operands:
            sources |= value.sources
        known = made not in _RANDOM and all(value.known for value in operands)
        steps = any(value.steps for value in operands)
        return [Value(made, sources, operands, equation, i, known, steps) for i in range(len(equation.outvars))]


class _Picks(_Values):
    """The values, and what is picked on the way. What goes from step to step in a loop is not known."""

    def __init__(self) -> None:
        self.found: list[Pick] = []

    def both(self, one: Value, other: Value) -> Value:
        return one if other.sources <= one.sources else Value("unknown", one.sources | other.sources)

    def opens(self, equation: Any, operands: Sequence[Value], ends: Ends) -> bool:
        if _name(equation) == "scan":
            return not all(value.known for value in operands)
        return _name(equation) in _CALLS and not _is_one_hot(equation)

    def outputs(self, equation: Any, operands: Sequence[Value], ends: Ends) -> Sequence[Value]:
        outputs = super().outputs(equation, operands, ends)
        found = list(_picks_of(equation, operands))
        self.found += found
        for value in outputs if found else ():
            value.sources |= {(id(equation),)}
        return outputs

    def into_loop(self, operands: Sequence[Value], first: int, many: int) -> list[Value]:
        inputs = list(operands[:first])
        in_another = any(value.steps for value in operands)
        for number, value in enumerate(operands[first:]):
            of_step = Value("step", value.sources, (value,), known=value.known, steps=True)
            is_unknown = number < many or in_another
            inputs.append(Value("unknown", value.sources) if is_unknown else of_step)
        return inputs

    def out_of_loop(self, outputs: Sequence[Value], many: int) -> Sequence[Value]:
        values = [Value("unknown", value.sources) for value in outputs[:many]]
        for value in outputs[many:]:
            known = value.known and value.steps
            values.append(Value("stack", value.sources, (value,), known=known))
        return values


def picks(run: Run, inputs: Sequence[Value]) -> tuple[list[Pick], list[Value]]:
    """What a run picks, given values of its inputs, and the values of its outputs."""
    jaxpr, rule = run.jaxpr, _Picks()
    known = rule.known(jaxpr, run.consts, inputs)
    values = variables_of(run, ("latent", "param"))
    ends = {variable: Value("latent", names) for variable, names in values.items()}
    for variable in jaxpr.constvars:
        if variable in ends:  # handlers give the value of a latent
            known[variable] = ends[variable]
    outputs = rule.follow(jaxpr, known, ends)
    return rule.found, outputs


def _picks_of(equation: Any, operands: Sequence[Value]) -> Iterator[Pick]:
    """One for each component of the index that is known."""
    name, params = _name(equation), equation.params
    if _is_one_hot(equation):
        if operands[0].known:
            of, to = equation.invars[0].aval, equation.outvars[0].aval
            classes = to.size // max(of.size, 1)
            yield Pick("one_hot", operands[0], False, classes - 1, classes, False, NOTHING, id(equation))
        return
    kind = "scatter" if name.startswith("scatter") else "gather"
    if name == "dynamic_slice":
        components = operands[1:]
        dims = range(len(components))
    elif name == "gather":
        dims = params["dimension_numbers"].start_index_map
        components = _components(operands[1], len(dims))
    elif kind == "scatter":
        dims = params["dimension_numbers"].scatter_dims_to_operand_dims
        components = _components(operands[1], len(dims))
    else:
        return
    latents = operands[0].latents
    for value in operands[2:]:
        latents |= value.latents
    if kind == "gather" and not latents:
        return
    shape, is_meant = equation.invars[0].aval.shape, _is_meant(equation)
    for dim, index in zip(dims, components):
        length = shape[dim]
        raw = _before_wrapping(_unchanged(index), length)
        if index.known and (raw or not is_meant):
            taken = params["slice_sizes"][dim] if kind == "gather" else 1
            last = math.inf if is_meant else length - taken
            by, wraps = raw or index, raw is not None
            yield Pick(kind, by, wraps, last, length, _fills(params), latents, id(equation))


def _fills(params: Mapping[str, Any]) -> bool:
    return "FILL" in str(params.get("mode"))


def _is_meant(equation: Any) -> bool:
    """Whether the model itself says what it wants for an index that does not exist."""
    params = equation.params
    if _fills(params):
        fill = params.get("fill_value")
        return fill is not None and not np.isnan(fill)
    if "CLIP" not in str(params.get("mode")):
        return False
    # under `vmap` a slice at one index becomes a gather that clips; otherwise the user asks for clipping
    numbers = params["dimension_numbers"]
    return _name(equation) != "gather" or {*numbers.start_index_map} <= {*numbers.collapsed_slice_dims}


def _components(index: Value, many: int) -> Sequence[Value]:
    """The components of an index. If they cannot be separated, none is known."""
    if many == 1:
        return [index]
    if index.known and index.made == "concatenate":
        equation = index.equation
        last = equation.outvars[0].aval.ndim - 1
        lengths = [v.aval.shape[last] for v in equation.invars]
        if equation.params["dimension"] == last and lengths == [1] * many:
            return index.inputs
    return [Value("unknown")] * many


def _unchanged(index: Value) -> Value:
    """The value whose numbers an index has, perhaps of another type."""
    while index.made in _VIEWS or index.made == "convert_element_type":
        index = index.inputs[0]
    return index


def _before_wrapping(value: Value, length: int | None = None) -> Value | None:
    """The index that JAX wraps by ``select_n(index < 0, index, index + length)``, of any length or of this one."""
    if value.made != "select_n" or len(value.inputs) != 3:
        return None
    _, raw, more = value.inputs
    if more.made != "add" or more.inputs[0] is not raw:
        return None
    added = more.inputs[1].content
    if added is None:
        return None
    is_wanted = length is None or np.all(added == length)
    return raw if is_wanted else None


def before_repeating(index: Value) -> Value:
    """The index before its elements were repeated."""
    while index.made in ("broadcast_in_dim", "reshape", "squeeze", "transpose", "step"):
        index = index.inputs[0]
    return index


# --------------------------------------------------------------------------------------- two computations: the rule


def computed(closed: Any, arguments: Mapping[int, Any]) -> list[Value]:
    """The outputs of a jaxpr. Its first inputs are these arguments, the others are latents."""
    rule, jaxpr, values = _Values(), closed.jaxpr, []
    for i, x in arguments.items():
        values.append(Value("argument", frozenset({i}), known=True, content=x))
    for i in range(len(jaxpr.invars) - len(values)):
        values.append(Value("latent", output=i))
    return rule.follow(jaxpr, rule.known(jaxpr, closed.consts, values), {})


def differing(one: Sequence[Value], other: Sequence[Value]) -> list[tuple[Value, Value]] | None:
    """Known values that two computations compute differently; None: they differ in what they make of latents."""
    todo, frontier = list(zip(one, other)), []
    seen = set[tuple[Value, Value]]()
    for pair in todo:  # which grows
        if pair in seen:
            continue
        seen.add(pair)
        if pair[0].known and pair[1].known:
            frontier.append(pair)
        elif _is_same_step(*pair):
            todo += zip(pair[0].inputs, pair[1].inputs)
        else:
            return None
    alike = set[tuple[Value, Value]]()
    return [pair for pair in frontier if not _are_alike(pair, alike)]


def _are_alike(pair: tuple[Value, Value], alike: set[tuple[Value, Value]]) -> bool:
    """Whether both are the same computation of the same numbers. ``alike`` holds the pairs of which this is known."""
    todo, found = [pair], {pair}
    for one, other in todo:  # which grows
        if other.content is not None or _before_wrapping(one):
            if _arranged(one).content is None:
                return False
            if not equal(one.array(), other.array()):
                return False
            continue
        if not _is_same_step(one, other):
            return False
        inner = {*zip(one.inputs, other.inputs)}.difference(alike, found)
        found |= inner
        todo += inner
    alike |= found
    return True


def _is_same_step(one: Value, other: Value) -> bool:
    return one.content is None and other.content is None and _step(one) == _step(other)


def _arranged(value: Value) -> Value:
    """The value whose numbers another one only arranges, or wraps as an index: they are not rounded."""
    while value.content is None:
        raw = value.inputs[0] if value.made in _VIEWS else _before_wrapping(value)
        if raw is None:
            break
        value = raw
    return value


def _step(value: Value) -> Hashable:
    """The equation by which a value is made, without the places of functions in memory."""
    params = str(value.equation and value.equation.params)
    params = re.sub(r"0x[0-9a-f]+", "", params)
    return value.made, value.output, len(value.inputs), params


# --------------------------------------------------------------------------------------- what is looked up in a table


class LookUp(NamedTuple):
    """A table, and what picks from it along one dimension: an index, or the other factor of a product."""

    table: Any
    dim: int
    by: Any  # None: in a loop, by something unknown
    contracted: int | None = None  # the dimension of the other factor; None: ``by`` is an index

    def picks(self, known: Any) -> Any:
        """For each index, or row of the other factor: whether it picks only what is ``known`` of the table."""
        if self.contracted is None:
            return jnp.asarray(known)[self.by]
        others = jnp.moveaxis(self.by, self.contracted, -1) != 0
        return ~(others & ~known).any(-1)


def evaluated(closed: Any, inputs: Sequence[Any], targets: slice, latents: slice) -> tuple[list[Any], list[LookUp]]:
    """The outputs of a jaxpr, and what is looked up on the way from some of them (``latents``) to others
    (``targets``)."""
    jaxpr, found = closed.jaxpr, list[LookUp]()
    ends = _variables(jaxpr.outvars[latents])
    needed = {id(equation) for equation in _needed(jaxpr, jaxpr.outvars[targets], ends)}
    outputs = _evaluated(jaxpr, closed.consts, inputs, ends, needed, found)
    return outputs, found


def _variables(among: Iterable[Any]) -> set[Any]:
    return {v for v in among if not _is_literal(v)}


def _needed(jaxpr: Any, wanted: Iterable[Any], ends: Collection[Any] = ()) -> list[Any]:
    """The equations that some variables need, from the last to the first, without those that the ``ends`` need."""
    needed = _variables(wanted).difference(ends)
    equations = []
    for equation in reversed(jaxpr.eqns):
        if not needed.isdisjoint(equation.outvars):
            equations.append(equation)
            needed |= _variables(equation.invars).difference(ends)
    return equations


def _evaluated(
    jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Any], start: set[Any], needed: Any, found: list[LookUp]
) -> list[Any]:
    """The outputs. ``found`` gets the look-ups in what comes from ``start``, by equations in ``needed`` (None: all)."""
    values = dict(zip(jaxpr.constvars, consts))
    values.update(zip(jaxpr.invars, inputs))
    comes = set(start)
    for equation in jaxpr.eqns:
        operands = [v.val if _is_literal(v) else values[v] for v in equation.invars]
        take = [not _is_literal(v) and v in comes for v in equation.invars]
        draws = not start.isdisjoint(equation.outvars)  # a scan that draws latents gives their path, too
        if draws or any(take):
            comes.update(equation.outvars)
        is_needed = needed is None or id(equation) in needed
        seen = found if is_needed else []
        if _name(equation) in _CALLS:
            inner, inner_consts = _inside(equation)
            inner_start = set(itertools.compress(inner.invars, take))
            outputs: Sequence[Any] = _evaluated(inner, inner_consts, operands, inner_start, None, seen)
        else:
            seen += _look_ups(equation, operands, take)
            outputs = _bind(equation, operands)
        values.update(zip(equation.outvars, outputs))
    return [v.val if _is_literal(v) else values[v] for v in jaxpr.outvars]


def _look_ups(equation: Any, operands: Sequence[Any], take: Sequence[bool]) -> Iterator[LookUp]:
    name, params = _name(equation), equation.params
    if name == "dot_general":
        contracted, _ = params["dimension_numbers"]
        for table, by in ((0, 1), (1, 0)):
            if take[table]:
                for dim, other in zip(contracted[table], contracted[by]):
                    yield LookUp(operands[table], dim, operands[by], other)
    elif name in ("gather", "dynamic_slice") and take[0]:
        table = operands[0]
        dims: Sequence[int] = range(table.ndim)
        indices: Any = operands[1:]
        if name == "gather":
            dims = params["dimension_numbers"].start_index_map
            indices = jnp.moveaxis(operands[1], -1, 0)
        for dim, index in zip(dims, indices):
            if params["slice_sizes"][dim] == 1 < table.shape[dim]:  # else it is a part that is sliced
                yield LookUp(table, dim, index)
    elif name == "scan":
        tables = operands[: params["num_consts"]]
        for table in itertools.compress(tables, take):
            for dim in range(table.ndim):
                yield LookUp(table, dim, None)


# ------------------------------------------------------------------------------------------- equations, and their text


def reaching(call: Call, run: Run) -> set[str]:
    """The arguments that the value or the distribution of a site is computed from, or whose values the model sees."""
    names, inputs = dict(enumerate(call.names)), {}
    for i, variable in zip(call.traced, run.jaxpr.invars):
        inputs[variable] = frozenset({names.pop(i)})
    outputs = flow(run.jaxpr, inputs, {})
    return set(names.values()).union(*outputs)


def reversed_series(run: Run) -> Labels:
    """Latents of a scan that runs from the last step to the first."""
    if run.jaxpr is None or not run.scanned:
        return NOTHING
    backwards = set[Any]()
    for equation in run.jaxpr.eqns:
        if equation.params.get("reverse"):
            backwards.update(equation.outvars)
    found = NOTHING
    for variable, names in variables_of(run).items():
        if variable in backwards:
            found |= names
    return found.intersection(run.scanned)


def computation(jaxpr: Any, wanted: Sequence[Any]) -> Hashable:
    """The equations that some variables need, with their variables numbered: equal for equal computations."""
    numbers = {v: i for i, v in enumerate(jaxpr.invars)}

    def number(v: Any) -> Hashable:
        if _is_literal(v):
            return repr(v.val)
        return numbers.setdefault(v, len(numbers))

    steps = list[Hashable]()
    for equation in reversed(_needed(jaxpr, wanted)):
        variables = map(number, [*equation.invars, *equation.outvars])
        steps.append((_name(equation), str(equation.params), *variables))
    return (*steps, *map(number, wanted))
