"""Indices that do not exist: what is picked by arguments alone, compared with the axis that it is picked from.

JAX does not raise where an index is out of range: it takes the last element, counts negative ones from the end, gives
NaN, or drops what was to be added. The index is found in the jaxpr, and its lowest and highest value are worked out
from those of the arguments; only where they may be out of range is it computed. What the model guards (``jnp.where``,
a mask) is told by two runs that pick something else there: where nothing is drawn otherwise, it is guarded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers

from .call import Call, Withheld, has_values, is_integer, shape_of
from .jaxpr import Change, Labels, Pick, Value, evaluate, needed, picks, variables_of
from .trace import ONE_RUN_AT_A_TIME, Run, parameters, trace_model, try_run

_VALUES = 5  # of those out of range, so many are named


@dataclass(frozen=True)
class OutOfRange:
    """An index that leaves the range of what it picks from.

    Attributes
    ----------
    arguments : tuple of str
        The arguments that it is computed from; none where that could not be told.
    kind : str
        ``"gather"``, ``"scatter"`` (as ``segment_sum``), or ``"one_hot"``.
    latents : tuple of str
        What it picks from, or what that is computed from.
    length : int
        Indices 0 to ``length - 1`` exist.
    values : tuple of int
        At most five of those that do not.
    count, total : int
        How many elements of the index do not exist, and how many it has.
    effect : str
        What JAX does.
    """

    arguments: tuple[str, ...]
    kind: str
    latents: tuple[str, ...]
    length: int
    values: tuple[int, ...]
    count: int
    total: int
    effect: str

    def __str__(self) -> str:
        index = " and ".join(map(repr, self.arguments)) or "an index of the model"
        values = ", ".join(map(str, self.values)) + (", ..." if len(self.values) == _VALUES else "")
        where = {"gather": "picks from", "scatter": "adds into", "one_hot": "is one-hot of"}[self.kind]
        what = f" {', '.join(map(repr, self.latents))}, along" if self.latents and self.kind == "gather" else ""
        many = f"{self.count} of {self.total} values" if self.total > 1 else "its value"
        return f"{index} {where}{what} {self.length}: {many} ({values}) {self.effect}"


def out_of_range(call: Call, run: Run) -> tuple[OutOfRange, ...]:
    """The indices computed from the arguments of ``call`` that do not exist; ``run`` is its run."""
    call, run = _with_negative_numbers(call, run)
    if run.jaxpr is None or not _suspects(call, run.jaxpr, run.consts, _inputs(call), variables_of(run)):
        return ()
    try:
        with ONE_RUN_AT_A_TIME:
            second = _Second(call, run)
        found = [pick for pick in second.suspects if second.matters(pick)]
    except Exception:  # it does not run without the mask, or not with such latents
        found = _suspects(call, run.jaxpr, run.consts, _inputs(call), variables_of(run))
    merged: dict[OutOfRange, dict[str, None]] = {}  # one index that picks from several
    for one in (_described(call, run, pick) for pick in found):
        merged.setdefault(replace(one, latents=()), {}).update(dict.fromkeys(one.latents))
    return tuple(replace(one, latents=tuple(latents)) for one, latents in merged.items())


def _with_negative_numbers(call: Call, run: Run) -> tuple[Call, Run]:
    """A negative number among the arguments leaves no trace in the jaxpr where it is an index: see it as an array."""
    numbers = {i: np.asarray(leaf) for i, leaf in enumerate(call.leaves) if is_integer(leaf) and leaf < 0}
    if numbers and call.mode == "abstract" and (seen := try_run(changed := call.with_leaves(numbers))) is not None:
        return changed, seen
    return call, run


def _inputs(call: Call) -> list[Value]:
    arrays = [call.leaves[i] for i in call.traced]
    return [Value.of_argument(i, x if _has_values(x) else None) for i, x in zip(call.traced, arrays)]


def _has_values(x: Any) -> bool:
    known = isinstance(x, Withheld) or has_values(x)  # what is withheld is asked for where an index hangs on it
    return known and isinstance(x.dtype, np.dtype)  # a typed PRNG key's is none


def _suspects(
    call: Call, jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Value], ends: Mapping[Any, Labels]
) -> list[Pick]:
    return [pick for pick in picks(jaxpr, consts, inputs, ends) if _may_leave(pick) and _bad(call, pick).any()]


def _may_leave(pick: Pick) -> bool:
    low, high = pick.by.bounds()
    return not (high <= pick.last and (low >= 0 or pick.kind != "gather"))


def _bad(call: Call, pick: Pick) -> Any:
    """Which elements of the index do not exist."""
    array = np.asarray(_narrow(pick.by).array())
    bad = array > pick.last
    if pick.kind == "gather" and not bad.all() and (pick.by.arguments or _holds_data(call, pick.by)):
        bad |= array < 0  # -1 in the model's own text is the last one
    if pick.kind != "gather" and not pick.by.arguments and not _holds_data(call, pick.by):
        bad[...] = False
    return bad


def _narrow(index: Value) -> Value:
    """The index before its elements were repeated."""
    while index.made in ("broadcast_in_dim", "reshape", "squeeze", "transpose", "step"):
        index = index.inputs[0]
    return index


def _constants(index: Value) -> Iterator[Any]:
    if index.made == "constant":
        yield index.content
    for value in index.inputs:
        yield from _constants(value)


def _holds_data(call: Call, index: Value) -> bool:
    """Whether a constant is what an argument holds, or as long as one of which the model has the values."""
    untraced = [leaf for i, leaf in enumerate(call.leaves) if i not in call.traced]
    lengths = {n for leaf in untraced for n in shape_of(leaf)[:1]}
    constants = list(_constants(index))
    return any(np.ndim(x) and len(x) in lengths for x in constants) or bool(_names(call, constants))


def _names(call: Call, constants: Sequence[Any]) -> list[str]:
    """The arguments, not traced, that hold one of these constants."""
    found = []
    for i, (name, leaf) in enumerate(zip(call.names, call.leaves)):
        if i in call.traced or isinstance(leaf, (bool, str)) or leaf is None:
            continue
        for words, values in _values(name, leaf):
            if any(np.shape(values) == np.shape(x) and np.array_equal(values, x) for x in constants):
                found.append(words)
    return found


def _values(name: str, leaf: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(leaf, "columns"):
        for column in leaf.columns:
            yield f"{name}[{column!r}]", _codes(leaf[column])
    elif hasattr(leaf, "data_vars"):
        for variable in leaf.data_vars:
            yield f"{name}[{variable!r}]", np.asarray(leaf[variable])
    elif is_integer(leaf) or shape_of(leaf):
        yield name, _codes(leaf)


def _codes(values: Any) -> Any:
    return np.asarray(values.cat.codes) if hasattr(values, "cat") else np.asarray(values)


def _described(call: Call, run: Run, pick: Pick) -> OutOfRange:
    array, bad = np.asarray(_narrow(pick.by).array()), _bad(call, pick)
    values = sorted(int(v) for v in np.unique(array[bad]))
    names = [call.names[i] for i in sorted(pick.by.arguments)]
    latents = tuple(name for name in run.sites if name in pick.latents)
    return OutOfRange(
        tuple(dict.fromkeys(names or _names(call, list(_constants(pick.by))))),
        pick.kind,
        latents,
        pick.length,
        tuple(values[:2] + values[2:][-(_VALUES - 2) :]),
        int(bad.sum()),
        int(bad.size),
        _effect(pick, array, bad),
    )


def _effect(pick: Pick, array: Any, bad: Any) -> str:
    if pick.kind == "scatter":
        return "do not exist, and what belongs to them is dropped"
    if pick.kind == "one_hot":
        return "have no column, and are all zeros"
    words = []
    if (array[bad] < 0).any():
        words.append("are counted from the end" if pick.wraps else "are taken for 0")
    if (array[bad] > pick.last).any():
        words.append("do not exist, and give NaN" if pick.fills else f"are taken for {int(pick.last)}")
    return ", or ".join(words)


class _Second:
    """A second run, with stand-ins for the latents and without the mask that ``Predictive`` runs under."""

    def __init__(self, call: Call, run: Run):
        latents = {n: site for n, site in run.sites.items() if site.kind == "latent" and site.shape is not None}
        shapes = {name: jax.ShapeDtypeStruct(site.shape, site.dtype) for name, site in latents.items()}
        self.found: list[tuple[bool, int]] = []  # of each output: whether a site is drawn with it; its site's mask

        def compute(arrays: Any, latents: Any) -> list[Any]:
            args, kwargs = call.filled(arrays)
            trace = trace_model(handlers.substitute(call.model, data=dict(latents)), False, args, kwargs)
            self.found, outputs = [], []
            for message in trace.values():
                if message["type"] == "deterministic":
                    new = [(False, x) for x in jax.tree_util.tree_leaves(message["value"])]
                    mask, batch = True, ()
                elif message["type"] == "sample":
                    new = [(True, x) for x in parameters(message["fn"])]
                    mask, batch = _mask(message["fn"]), message["fn"].batch_shape
                else:
                    continue
                for drawn, x in new:
                    self.found.append((drawn, len(batch)))
                    outputs += [jnp.asarray(x), jnp.broadcast_to(mask, batch)]
            return outputs

        closed = jax.make_jaxpr(compute)(call.shapes, shapes)
        self.jaxpr, self.consts = closed.jaxpr, closed.consts
        # a dict is flattened in the order of its keys
        self.names = sorted(shapes)
        ends = dict(zip(self.jaxpr.invars[len(call.traced) :], (frozenset({name}) for name in self.names)))
        unknown = [Value("latent", latents=labels) for labels in ends.values()]
        self.suspects = _suspects(call, self.jaxpr, self.consts, [*_inputs(call), *unknown], ends)
        arrays = [jnp.asarray(call.leaves[i]) for i in call.traced]
        self.inputs = [*arrays, *(_stand_in(shapes[name]) for name in self.names)]

    def matters(self, pick: Pick) -> bool:
        """Whether something is drawn otherwise if something else is picked in place of what does not exist."""
        if pick.length == 1 and pick.kind == "gather":
            return True
        one, other = (evaluate(self.jaxpr, self.consts, self.inputs, {pick.at: c}) for c in _changes(pick))
        return any(
            _differ(one[2 * i], other[2 * i], one[2 * i + 1], batch)
            for i, (drawn, batch) in enumerate(self.found)
            if drawn or 2 * i not in self._used
        )

    @property
    def _used(self) -> set[int]:
        """The deterministic values that something is drawn with: what becomes of them tells."""
        outputs = self.jaxpr.outvars
        drawn = [outputs[2 * i] for i, (drawn, _) in enumerate(self.found) if drawn]
        variables = needed(self.jaxpr, drawn)[1]
        return {i for i, v in enumerate(outputs) if not hasattr(v, "val") and v in variables}


def _stand_in(shape: Any) -> Any:
    """Numbers that most supports contain, all different."""
    n = math.prod(shape.shape)
    numbers = np.arange(n) % 2 if shape.dtype.kind in "iub" else np.linspace(0.1, 0.9, n)
    return jnp.asarray(numbers.reshape(shape.shape).astype(shape.dtype))


def _mask(fn: Any) -> Any:
    while fn is not None:
        if isinstance(mask := getattr(fn, "_mask", None), (jax.Array, np.ndarray)):
            return mask
        fn = getattr(fn, "base_dist", None)
    return True


def _differ(one: Any, other: Any, mask: Any, batch: int) -> bool:
    one, other, mask = np.asarray(one), np.asarray(other), np.asarray(mask)
    differ = (one != other) & ~((one != one) & (other != other))
    if differ.shape[:batch] == mask.shape and not mask.all():
        differ &= mask.reshape(mask.shape + (1,) * (differ.ndim - batch))
    return bool(differ.any())


def _changes(pick: Pick) -> Iterator[Change]:
    """Two things to pick, or to add to, in place of what does not exist."""
    elsewhere = {"gather": (0, pick.length - 1), "scatter": (0, pick.length), "one_hot": (0, -1)}[pick.kind]
    if math.isfinite(pick.last) and pick.kind == "gather":
        elsewhere = (0, int(pick.last))
    for value in elsewhere:
        yield _change(pick, value)


def _change(pick: Pick, value: int) -> Callable[[list[Any]], list[Any]]:
    def change(given: list[Any]) -> list[Any]:
        given = list(given)
        index = jnp.asarray(given[pick.operand])
        if pick.column is not None:
            index, whole = index[..., pick.column], index
        bad = index > pick.last
        if pick.kind == "gather":
            bad |= index < 0
        new = jnp.where(bad, jnp.asarray(value, index.dtype), index)
        if pick.wraps:  # select_n(index < 0, index, index + length)
            given[0] = jnp.where(bad, False, given[0])
        if pick.column is not None:
            new = whole.at[..., pick.column].set(new)
        given[pick.operand] = new
        return given

    return change
