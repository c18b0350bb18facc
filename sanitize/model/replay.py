"""Runs with values: the model with this draw, on these rows. Something is changed, it is run again, and what differs is
the answer.

`replay` is one run. `few_rows` makes the call that is cheap to run. `differences` compares two runs. `attempt` asks a
question that takes such runs: it is the one place where an exception becomes "could not be told".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers

from ..kinds import Shape
from .argument import abstract
from .call import Axis, Call, lengths_of, resized, with_defaults
from .dists import parameters, unmasked
from .trace import in_silence, trace_model

Draw = Mapping[str, Any]  # one draw: the value of each site
Rows = tuple[Axis, ...]  # the axes of one size
Names = Collection[str]
Programs = dict[str, Any]  # what was traced, by the shapes and plain values that it was traced for
View = Callable[[Any], Iterable[Any]]  # which parts of an array are compared

# Two values are the same if they differ by less than this share of the largest number in the array. The same
# computation in another compilation differs by rounding, which a Cholesky factor or an exponential blows up to 1e-4.
# A real difference (a flag, a covariate, another row) changes a value by about its own size.
TOLERANCE = 1e-3

FEW = 8  # rows of a short run
NEAR = 2  # a lag reaches so many rows

RAISE = False  # tests set it: then a mistake of ours raises, and is not silent

_PLAIN = (bool, int, float, complex, str, type(None))
_NUMBERS = (jax.Array, np.ndarray, np.number, np.bool_, int, float, complex)

P = ParamSpec("P")
T = TypeVar("T")


def attempt(question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """The answer to a question that takes runs with values; None: it could not be told.

    A model need not run on few rows, or with a draw that was made up. What it raises then is not a mistake of the user.
    """
    return attempt_or_why(question, *args, **kwargs)[0]


def attempt_or_why(question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T | None, str]:
    """The answer, or None, and why it could not be told."""
    try:
        with in_silence():
            return question(*args, **kwargs), ""
    except Exception as error:
        if RAISE:
            raise
        first, *_ = str(error).splitlines() or [""]
        return None, f"{type(error).__name__}: {first}"


class Replayed(NamedTuple):
    """What a run with values makes of one site."""

    kind: str  # that of a `Site`
    value: Any
    fn: Any = None  # the distribution of a latent or observed site, with its masks; None after `replay_again`
    shape: Shape = ()  # of one draw
    arrays: Mapping[str, Any] = {}  # what it is drawn with, by parameter; of a deterministic site its value


Outcome = Mapping[str, Replayed]


def replay(call: Call, draw: Draw, kept: Names = (), key: Any = None) -> Outcome:
    """Run the model with a draw put in. It raises what the model raises: ask through `attempt`.

    What the draw does not name is drawn with the key. Observed sites keep their data. Of deterministic sites only those
    in ``kept`` are put in.
    """

    def put_in(message: dict[str, Any]) -> Any:
        name = message["name"]
        if name not in draw or message.get("is_observed"):
            return None
        if message["type"] == "deterministic" and name not in kept:
            return None
        return jnp.asarray(draw[name])

    return replay_with(call, put_in, key)


def replay_with(call: Call, put_in: Callable[[dict[str, Any]], Any], key: Any = None) -> Outcome:
    """The same, with what a ``substitute_fn`` of NumPyro's puts in."""
    if not call.has_values:
        raise ValueError("there are shapes in place of arrays")
    model = handlers.substitute(call.model, substitute_fn=put_in)
    args, kwargs = call.filled(call.arrays)
    trace = trace_model(model, call.masked, args, kwargs, key)
    return {name: _replayed(message) for name, message in trace.items()}


def replay_again(call: Call, draw: Draw, kept: Names, programs: Programs) -> Outcome:
    """The same of what is drawn, where many runs differ in values only: the model is traced for the first of them.

    A model that needs values is run each time, and so is one with a frame among its arguments.
    """
    known = [leaf for leaf in call.leaves if not call.is_traced(leaf)]
    are_plain = all(isinstance(leaf, _PLAIN) for leaf in known)
    if call.mode != "abstract" or not are_plain:
        return replay(call, draw, kept)
    inputs = jax.tree_util.tree_map(jnp.asarray, (call.arrays, dict(draw)))
    types = jax.tree_util.tree_map(abstract, inputs)
    identity = repr((call.names, call.traced, known, sorted(kept), types))
    if identity not in programs:
        programs[identity] = _traced(call, kept, inputs)
    closed, tree, plain = programs[identity]
    flat = jax.tree_util.tree_leaves(inputs)
    outputs = jax.core.eval_jaxpr(closed.jaxpr, closed.consts, *flat)
    found = jax.tree_util.tree_unflatten(tree, outputs)
    outcome = {}
    for name, (value, made) in found.items():
        outcome[name] = plain[name]._replace(value=value, arrays=made)
    return outcome


def _traced(call: Call, kept: Names, inputs: tuple[Any, ...]) -> tuple[Any, Any, Outcome]:
    """The jaxpr of a run, how its outputs are folded, and what of its sites is no value."""
    plain: dict[str, Replayed] = {}

    def run(arrays: Sequence[Any], draw: Draw) -> Any:
        found = {}
        for name, site in replay(call.with_traced(arrays), draw, kept).items():
            if site.fn is not None:  # the value of another site may be anything
                found[name] = site.value, site.arrays
                plain[name] = Replayed(site.kind, None, shape=site.shape)
        return found

    closed, shapes = jax.make_jaxpr(run, return_shape=True)(*inputs)
    return closed, jax.tree_util.tree_structure(shapes), plain


def traced_for(call: Call, draw: Draw, sites: Names) -> tuple[Any, Any]:
    """The jaxpr of what some sites are, are drawn with and, where the call is scored, score; and how it is folded.

    It is a function of what the call traces, and of a draw, of which shapes are passed.
    """

    def run(arrays: Sequence[Any], draw: Draw) -> Any:
        found = {}
        for name, site in replay(call.with_traced(arrays), draw).items():
            if name in sites:
                is_scored = site.kind == "observed" and not call.masked
                score = site.fn.log_prob(site.value) if is_scored else None
                numbers = jax.tree_util.tree_leaves((site.value, dict(site.arrays), score))
                found[name] = [x for x in numbers if isinstance(x, _NUMBERS)]
        return found

    closed, shapes = jax.make_jaxpr(run, return_shape=True)(call.shapes, draw)
    return closed, jax.tree_util.tree_structure(shapes)


def _replayed(message: Mapping[str, Any]) -> Replayed:
    kind, value = message["type"], message["value"]
    if kind == "sample":
        fn = message["fn"]
        kind = "observed" if message["is_observed"] else "latent"
        drawn_with = dict(parameters(unmasked(fn)))
        return Replayed(kind, value, fn, tuple(fn.shape()), drawn_with)
    if kind == "deterministic":
        return Replayed(kind, value, None, np.shape(value), {"value": value})
    return Replayed(kind, value)


def latents_of(outcome: Outcome) -> dict[str, Any]:
    """The draw that a run was made with."""
    return {name: site.value for name, site in outcome.items() if site.kind == "latent"}


def repeated(draw: Draw, outcome: Outcome) -> dict[str, Any]:
    """A draw for the rows of another run: the same numbers of a latent again, or fewer of them."""
    found = dict(draw)
    for name in latents_of(outcome).keys() & draw.keys():
        value = np.asarray(found.pop(name))
        shape = outcome[name].shape
        if value.ndim != len(shape) or 0 in value.shape:
            continue
        for dim, length in enumerate(shape):
            value = value.take(np.arange(length), dim, mode="wrap")
        found[name] = value
    return found


# ---------------------------------------------------------------------------------------------------- few rows


def few_rows(call: Call, sizes: Iterable[Rows], fewest: int = FEW) -> tuple[Call, dict[Rows, int]]:
    """The call with few rows of each size, and how many they are: lengths that nothing else has.

    It raises where they cannot be fewer: ask through `attempt`.
    """
    concrete = replace(with_defaults(call), mode="concrete")  # so that values are taken, and not shapes alone
    used = {axis.length for axis in lengths_of(concrete)}
    free = (n for n in itertools.count(fewest) if n not in used)
    lengths = dict(zip(dict.fromkeys(sizes), free))
    changes = [(axis, n) for axes, n in lengths.items() for axis in axes]
    few = resized(concrete, changes)
    if few is None or not few.has_values:
        raise ValueError("there are no few rows of these sizes, or their values are not known")
    return replace(few, mode=call.mode), lengths


# -------------------------------------------------------------------------------------------------- what differs


class Moved(NamedTuple):
    """What differs between two runs: the parameter of a site, and by how much."""

    site: str
    parameter: str
    by: float


def same(one: Any, other: Any, tolerance: float = TOLERANCE, axis: int | None = None) -> Any:
    """Elementwise equality up to rounding, NaN equal to NaN. The largest number is that of all, or along an axis."""
    one, other = _numbers(one), _numbers(other)
    largest = np.max(np.abs(other), axis, initial=0.0, where=np.isfinite(other))
    both_nan = np.isnan(one) & np.isnan(other)
    with np.errstate(invalid="ignore"):
        is_near = np.abs(one - other) <= tolerance * largest
    return (one == other) | is_near | both_nan  # no number is near an infinite one


def _numbers(values: Any) -> Any:
    """As numbers that can be subtracted, which booleans and unsigned integers cannot."""
    values = np.asarray(values)
    return values if values.dtype.kind in "fc" else values.astype(float)


def differ(one: Any, other: Any) -> bool:
    """Whether two arrays have other shapes, or differ by more than rounding."""
    return np.shape(one) != np.shape(other) or not same(one, other).all()


def differences(before: Outcome, after: Outcome, sites: Iterable[str], view: View) -> Iterator[Moved]:
    """Where two runs differ, in the parts that ``view`` takes from each array. Other shapes are not compared."""
    for site in sites:
        after_of = after[site].arrays
        for parameter, was in before[site].arrays.items():
            now: Any = after_of.get(parameter)
            if np.shape(was) != np.shape(now):
                continue
            for one, other in zip(view(np.asarray(now)), view(np.asarray(was))):
                if differ(one, other):
                    gap = np.abs(_numbers(one) - _numbers(other))
                    largest = float(np.max(gap, initial=0.0, where=np.isfinite(gap)))
                    # where all that differs is NaN or infinite in one of them, it is by more than any number
                    yield Moved(site, parameter, largest or math.inf)


def whole(array: Any) -> Iterator[Any]:
    """A `View` of all of an array."""
    yield array


def between_elements(array: Any) -> Iterator[Any]:
    """A `View` of an array that tells elements apart: one that is the same for all of them tells nothing."""
    first = np.ravel(array)[:1]
    is_alike = len(first) == 1 and same(array, first).all()
    yield np.zeros_like(array) if is_alike else array


def rows_at(stay: Any) -> View:
    """A `View` of these rows along all dimensions of rows: arrays that have none are compared as a whole."""

    def view(array: Any) -> Iterator[Any]:
        for dim in _dims_of(array, len(stay)):
            array = array.compress(stay, dim)
        yield array

    return view


def rows_along_each(stay: Any) -> View:
    """A `View` of these rows along one dimension after the other: arrays that have none are not compared."""

    def view(array: Any) -> Iterator[Any]:
        for dim in _dims_of(array, len(stay)):
            yield array.compress(stay, dim)

    return view


def _dims_of(array: Any, n: int) -> list[int]:
    return [dim for dim, length in enumerate(np.shape(array)) if length == n]
