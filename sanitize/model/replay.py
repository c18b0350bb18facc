"""Runs with values: the model with this draw, on these rows. Something is changed, it is run again, and what differs is
the answer.

`replay` is one run. `few_rows` makes the call that is cheap to run. `differences` compares two runs. `attempt` asks a
question that takes such runs: it is the one place where an exception becomes "could not be told".
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers

from .axes import Axis, lengths_of, resized, with_defaults
from .call import Call, Shape
from .dists import parameters, unmasked
from .trace import ONE_RUN_AT_A_TIME, trace_model

Draw = Mapping[str, Any]  # one draw: the value of each site
Rows = tuple[Axis, ...]  # the axes of one size
View = Callable[[Any], Iterable[Any]]  # which parts of an array are compared

# Two values are the same if they differ by less than this share of the largest number in the array. The same
# computation in another compilation differs by rounding, which a Cholesky factor or an exponential blows up to 1e-4.
# What is really other (a flag, a covariate, another row) changes a value by about its own size.
TOLERANCE = 1e-3

FEW = 8  # rows of a short run
NEAR = 2  # a lag reaches so many rows

RAISE = False  # tests set it: a mistake of ours is then an exception, and no silence

P = ParamSpec("P")
T = TypeVar("T")


def attempt(question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """The answer to a question that takes runs with values; None: it could not be told.

    A model need not run on few rows, or with a draw that was made up. What it raises then is no mistake of the user.
    """
    try:
        # the filters of warnings are one list for the process: without the lock they would stay off
        with ONE_RUN_AT_A_TIME, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return question(*args, **kwargs)
    except Exception:
        if RAISE:
            raise
        return None


class Replayed(NamedTuple):
    """What a run with values makes of one site."""

    kind: str  # that of a `Site`
    value: Any
    fn: Any  # the distribution of a latent or observed site, with its masks
    arrays: Mapping[str, Any]  # what it is drawn with, by parameter; of a deterministic site its value


Outcome = Mapping[str, Replayed]


def replay(call: Call, draw: Draw, kept: Collection[str] = (), key: Any = None) -> Outcome:
    """Run the model with a draw put in. It raises what the model raises: ask through `attempt`.

    What the draw does not name is drawn with the key. A value for another number of rows is repeated, or cut. Observed
    sites keep their data. Of deterministic sites only those in ``kept`` are put in.
    """

    def put_in(message: dict[str, Any]) -> Any:
        name, kind = message["name"], message["type"]
        if name not in draw or message.get("is_observed"):
            return None
        if kind == "deterministic":
            return jnp.asarray(draw[name]) if name in kept else None
        if kind == "sample":
            return _fitted_to(message, draw[name])
        return draw[name]

    model = handlers.substitute(call.model, substitute_fn=put_in)
    arrays = [call.leaves[i] for i in call.traced]
    trace = trace_model(model, call.masked, *call.filled(arrays), key)
    return {name: _replayed(message) for name, message in trace.items()}


def _fitted_to(message: Mapping[str, Any], value: Any) -> Any:
    """A draw for other rows: the same numbers again, or fewer of them. None: it cannot be that of this site."""
    if "_scan_current_index" in message["infer"]:
        return value  # the whole series, of which `scan` takes the step
    shape = (*message["kwargs"].get("sample_shape", ()), *message["fn"].shape())
    if np.shape(value) == shape:
        return jnp.asarray(value)
    value = np.asarray(value)
    if value.ndim != len(shape) or 0 in value.shape:
        return None
    for dim, length in enumerate(shape):
        value = value.take(np.arange(length) % value.shape[dim], dim)
    return jnp.asarray(value)


def _replayed(message: Mapping[str, Any]) -> Replayed:
    kind, value = message["type"], message["value"]
    if kind == "sample":
        fn = message["fn"]
        kind = "observed" if message["is_observed"] else "latent"
        return Replayed(kind, value, fn, dict(parameters(unmasked(fn))))
    return Replayed(kind, value, None, {"value": value} if kind == "deterministic" else {})


def latents_of(outcome: Outcome) -> dict[str, Any]:
    """The draw that a run was made with."""
    return {name: site.value for name, site in outcome.items() if site.kind == "latent"}


# ---------------------------------------------------------------------------------------------------- few rows


def few_rows(call: Call, sizes: Iterable[Rows]) -> tuple[Call, dict[Rows, int]] | None:
    """The call with few rows of each size, and how many they are: lengths that nothing else has.

    None where values are not known, or cannot be made fewer.
    """
    call = replace(with_defaults(call), mode="concrete")
    used = {axis.length for axis in lengths_of(call)}
    free = (n for n in itertools.count(FEW) if n not in used)
    lengths = {axes: next(free) for axes in dict.fromkeys(sizes)}
    few = resized(call, [(axis, n) for axes, n in lengths.items() for axis in axes])
    if few is None or any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in few.leaves):
        return None
    return few, lengths


# -------------------------------------------------------------------------------------------------- what differs


class Moved(NamedTuple):
    """What differs between two runs: the parameter of a site, and by how much."""

    site: str
    parameter: str
    by: float


def same(one: Any, other: Any) -> Any:
    """Elementwise equality up to rounding, NaN equal to NaN."""
    one, other = _numbers(one), _numbers(other)
    scale = np.max(np.abs(other[np.isfinite(other)]), initial=0.0)
    with np.errstate(invalid="ignore"):
        return (one == other) | (np.abs(one - other) <= TOLERANCE * scale) | (np.isnan(one) & np.isnan(other))


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
            now = after_of.get(parameter)
            if np.shape(was) != np.shape(now):
                continue
            for one, other in zip(view(np.asarray(now)), view(np.asarray(was))):
                if differ(one, other):
                    gap = np.abs(_numbers(one) - _numbers(other))
                    by = np.max(gap, initial=0.0, where=np.isfinite(gap))
                    yield Moved(site, parameter, float(by))


def whole(array: Any) -> Iterator[Any]:
    """A `View` of all of an array."""
    yield array


def rows_at(stay: Sequence[bool]) -> View:
    """A `View` of these rows along all dimensions of rows: arrays that have none are compared as a whole."""

    def view(array: Any) -> Iterator[Any]:
        for dim in _dims_of(array, len(stay)):
            array = array.compress(stay, dim)
        yield array

    return view


def rows_along_each(stay: Sequence[bool]) -> View:
    """A `View` of these rows along one dimension after the other: arrays that have none are not compared."""

    def view(array: Any) -> Iterator[Any]:
        for dim in _dims_of(array, len(stay)):
            yield array.compress(stay, dim)

    return view


def _dims_of(array: Any, n: int) -> list[int]:
    return [dim for dim, length in enumerate(np.shape(array)) if length == n]


def shapes_differ(before: Outcome, after: Outcome, sites: Iterable[str]) -> bool:
    """Whether sites have other shapes, so that they are not compared."""
    return any(_shape(before[site]) != _shape(after[site]) for site in sites)


def _shape(site: Replayed) -> Shape:
    return tuple(np.shape(site.value)) if site.fn is None else tuple(site.fn.shape())
