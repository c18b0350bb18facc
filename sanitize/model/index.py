"""Indices that do not exist: what is picked by arguments alone, compared with the axis that it is picked from.

JAX does not raise if an index is out of range: it takes the last element, counts negative ones from the end, gives NaN,
or drops what it should add. The index is found in the jaxpr. Its lowest and highest value are worked out from those of
the arguments; the index itself is computed only if they may be out of range. The model may guard against such values
(``jnp.where``, a mask). Two runs show this, with other values of the latents where JAX picks: the model guards if bad
rows are drawn with the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from . import argument
from .argument import Withheld, has_values, is_integer
from .call import Call
from .dists import mask_of
from .jaxpr import Pick, Value, before_repeating, of_parameters, picks
from .replay import Draw, Replayed, attempt, latents_of, replay
from .trace import Run, try_run

_VALUES = 5  # so many values out of range are named at most


@dataclass(frozen=True)
class OutOfRange:
    """An index that leaves the range of what it picks from.

    Attributes
    ----------
    arguments : tuple of str
        The arguments that it is computed from; empty if they are not known.
    kind : str
        ``"gather"``, ``"scatter"`` (as ``segment_sum``), or ``"one_hot"``.
    latents : tuple of str
        The latents and params that it picks from, or from which this is computed.
    length : int
        Indices 0 to ``length - 1`` exist.
    values : tuple of int
        At most five of the indices that do not exist.
    count, total : int
        How many elements of the index do not exist, and how many it has.
    effect : str
        What JAX does, and for how many.
    groups : tuple of str
        Latents that have a value for each index that exists. ``extend=`` gives more values to them.
    """

    arguments: tuple[str, ...]
    kind: str
    latents: tuple[str, ...]
    length: int
    values: tuple[int, ...]
    count: int
    total: int
    effect: str
    groups: tuple[str, ...] = ()

    def __str__(self) -> str:
        index = " and ".join(map(repr, self.arguments)) or "an index of the model"
        values = ", ".join(map(str, self.values))
        if len(self.values) == _VALUES:
            values += ", ..."
        source = f"{self._source} has {self.length} values (0 to {self.length - 1})"
        return f"{index} holds {values}, but {source}: JAX {self.effect}"

    @property
    def _source(self) -> str:
        """What is picked from, in words."""
        if self.kind == "scatter":
            return "what it adds into"
        if self.kind == "one_hot":
            return "its one-hot code"
        latents = ", ".join(map(repr, self.latents))
        if len(self.latents) > 1:
            return f"what is made of {latents}"
        return latents or "what it picks from"


@dataclass(frozen=True)
class _Wrong:
    """A pick by elements that do not exist."""

    pick: Pick
    index: Any  # before its elements were repeated
    is_bad: Any  # of each element

    @property
    def values(self) -> Any:
        return self.index[self.is_bad]


def out_of_range(call: Call, run: Run) -> tuple[OutOfRange, ...]:
    """The indices computed from the arguments of ``call`` that do not exist; ``run`` is its run."""
    call, run = _with_negative_numbers(call, run)
    if run.jaxpr is None:
        return ()
    found, outputs = picks(run, _inputs(call))
    latents_by_index: dict[OutOfRange, dict[str, None]] = {}  # one index may pick from several
    for wrong in _wrong(call, found):
        sites = _made_with(run, wrong.pick, outputs)
        if not _is_guarded(call, wrong, sites):
            description = _described(call, wrong)
            latents = [name for name in run.sites if name in wrong.pick.latents]
            latents_by_index.setdefault(description, {}).update(dict.fromkeys(latents))
    return tuple(_picking_from(one, run, latents) for one, latents in latents_by_index.items())


def _picking_from(found: OutOfRange, run: Run, latents: Collection[str]) -> OutOfRange:
    groups = []
    for name in latents:
        site = run.sites[name]
        if site.kind == "latent" and found.length in (site.shape or ()):
            groups.append(name)
    return replace(found, latents=tuple(latents), groups=tuple(groups))


def _with_negative_numbers(call: Call, run: Run) -> tuple[Call, Run]:
    """A negative number that is an index leaves no trace in the jaxpr: it is passed as an array."""
    numbers = {}
    for i, leaf in enumerate(call.leaves):
        if is_integer(leaf) and leaf < 0:
            numbers[i] = np.asarray(leaf)
    if not numbers or call.mode != "abstract":
        return call, run
    changed = call.with_leaves(numbers)
    seen = try_run(changed)
    return (call, run) if seen is None else (changed, seen)


def _inputs(call: Call) -> list[Value]:
    values = []
    for i in call.traced:
        leaf, source = call.leaves[i], frozenset({i})
        if _has_values(leaf):
            values.append(Value("argument", source, known=True, content=leaf))
        else:
            values.append(Value("argument", source))
    return values


def _has_values(x: Any) -> bool:
    known = isinstance(x, Withheld) or has_values(x)  # what is withheld is asked for if an index needs it
    return known and isinstance(x.dtype, np.dtype)  # which a typed PRNG key does not have


# ------------------------------------------------------------------------------------------- what does not exist


def _wrong(call: Call, found: Sequence[Pick]) -> Iterator[_Wrong]:
    for pick in found:
        low, high = pick.by.bounds
        if high <= pick.last and (low >= 0 or pick.kind != "gather"):
            continue
        index = np.asarray(before_repeating(pick.by).array())
        is_bad = np.asarray(_does_not_exist(call, pick, index))
        if is_bad.any():
            yield _Wrong(pick, index, is_bad)


def _does_not_exist(call: Call, pick: Pick, index: Any) -> Any:
    above = index > pick.last
    of_arguments = pick.by.arguments or _holds_data(call, pick.by)
    if pick.kind == "gather":
        return above | (index < 0) if of_arguments else above  # -1 in the model's own text is the last one
    return above if of_arguments else np.zeros_like(above)


def _constants(index: Value) -> Iterator[Any]:
    if index.made == "constant":
        yield index.content
    for value in index.inputs:
        yield from _constants(value)


def _holds_data(call: Call, index: Value) -> bool:
    """Whether a constant is what an argument holds, or as long as one of which the model has the values."""
    lengths: set[int] = set()
    for i, leaf in enumerate(call.leaves):
        if i not in call.traced:
            lengths.update(argument.of(leaf).shape[:1])
    for constant in _constants(index):
        if np.ndim(constant) and len(constant) in lengths:
            return True
    return bool(_names(call, index))


def _names(call: Call, index: Value) -> list[str]:
    """The arguments, not traced, that hold a constant of this index."""
    found, constants = [], list(_constants(index))
    for i, (name, leaf) in enumerate(zip(call.names, call.leaves)):
        if i in call.traced:
            continue
        columns = argument.of(leaf).columns
        if is_integer(leaf):
            columns = {None: argument.of(np.asarray(leaf))}
        for column, values in columns.items():
            if any(np.array_equal(values.codes, constant) for constant in constants):
                found.append(argument.column_name(name, column))
    return found


def _described(call: Call, wrong: _Wrong) -> OutOfRange:
    pick, is_bad = wrong.pick, wrong.is_bad
    values = np.unique(wrong.values).astype(int).tolist()
    if len(values) > _VALUES:
        values = values[:2] + values[2 - _VALUES :]
    names = [call.names[i] for i in pick.by.arguments] or _names(call, pick.by)
    arguments = tuple(dict.fromkeys(names))
    count, total = int(is_bad.sum()), is_bad.size
    effect = _what_jax_does(pick, wrong.values)
    if total > 1:
        elements = "rows" if is_bad.ndim == 1 else "values"
        effect += f" for {count} of {total} {elements}"
    latents = ()  # see `_picking_from`
    return OutOfRange(arguments, pick.kind, latents, pick.length, tuple(values), count, total, effect)


def _what_jax_does(pick: Pick, values: Any) -> str:
    if pick.kind == "scatter":
        return "drops what belongs to them"
    if pick.kind == "one_hot":
        return "gives zeros"
    words = []
    if (values < 0).any():
        words.append("counts from the end" if pick.wraps else "uses the first one")
    if (values > pick.last).any():
        words.append("gives NaN" if pick.fills else "uses the last one")
    return " or ".join(words)


# ------------------------------------------------------------------------------------------- what the model guards


def _made_with(run: Run, pick: Pick, outputs: Sequence[Value]) -> set[str]:
    """The sites that are drawn with what is picked; if there are none, the deterministic ones computed from it."""

    def made_with(values: Iterable[tuple[str, Value]]) -> set[str]:
        return {name for name, value in values if (pick.equation,) in value.sources}

    drawn = made_with(of_parameters(run, outputs))
    computed = made_with(zip(run.owners, outputs))
    return drawn or computed.intersection(run.named("deterministic"))


def _is_guarded(call: Call, wrong: _Wrong, sites: Collection[str]) -> bool:
    """Whether it makes no difference what JAX does. For what a scatter drops this is not known."""
    if not sites:
        return True
    return wrong.pick.kind == "gather" and attempt(_makes_no_difference, call, wrong, sites) is True


def _makes_no_difference(call: Call, wrong: _Wrong, sites: Collection[str]) -> bool:
    """Whether the bad rows are drawn with the same if other values stand where JAX picks."""
    pick, values = wrong.pick, wrong.values
    picked = np.where(values < 0, values + pick.length, values) if pick.wraps else values
    last = min(pick.last, pick.length - 1)
    at = np.unique(np.clip(picked, 0, last).astype(int))
    alone = _with_nobody_else_there(call, wrong, at)
    unmasked = replace(alone, masked=False)
    before = replay(unmasked, {})
    drawn = latents_of(before)
    drawn.update((name, before[name].value) for name in pick.latents)  # params among them
    others = _other_values(drawn, pick, at)
    after = replay(unmasked, {**drawn, **others})
    return not any(_differs(before[site], after[site], wrong) for site in sites)


def _with_nobody_else_there(call: Call, wrong: _Wrong, at: Any) -> Call:
    """JAX picks somewhere for bad rows. A good row that picks there, too, becomes one of the bad rows."""
    changes = {i: jnp.asarray(call.leaves[i]) for i in call.traced}  # as the model sees them
    bad = _any_in_row(wrong.is_bad)
    if bad.ndim:
        rows = np.arange(len(bad))
        taken = _any_in_row(np.isin(wrong.index, at)) & ~bad
        rows[taken] = np.resize(rows[bad], taken.sum())
        for i, leaf in enumerate(call.leaves):
            if argument.of(leaf).shape[:1] == rows.shape:
                changes[i] = argument.of(changes.get(i, leaf)).taken(0, rows)
    return call.with_leaves(changes)


def _any_in_row(array: Any) -> Any:
    """Of each row, whether something in it is true."""
    return array.any(axis=tuple(range(1, array.ndim)))


def _other_values(latents: Draw, pick: Pick, at: Any) -> Draw:
    """The latents that are picked from, with other values where JAX picks."""
    others, changed = {}, {}
    for name in pick.latents.intersection(latents):
        value = np.array(latents[name])
        other = np.where(value == 0, 1, value / 2)  # in most supports
        others[name] = other.astype(value.dtype)
        for dim, length in enumerate(value.shape):
            if length == pick.length:
                where = (slice(None),) * dim + (at,)
                value[where] = others[name][where]
                changed[name] = value
    return changed or others  # others: what is picked from is put together from latents of other lengths


def _differs(before: Replayed, after: Replayed, wrong: _Wrong) -> bool:
    """Whether a site is drawn with something else at bad rows. No rounding: the computation is the same."""
    batch = () if before.fn is None else before.fn.batch_shape
    mask = np.broadcast_to(np.asarray(mask_of(before.fn)), batch)
    gives_nan = wrong.pick.fills and (wrong.values > wrong.pick.last).any()
    bad = _any_in_row(wrong.is_bad)
    for parameter in before.arrays.keys() & after.arrays.keys():  # some are worked out when they are first drawn
        one = np.asarray(before.arrays[parameter])
        other = np.asarray(after.arrays[parameter])
        is_nan = np.isnan(one)
        differ = (one != other) & ~(is_nan & np.isnan(other))
        if gives_nan:
            differ |= is_nan
        if differ.shape[: len(batch)] == batch:
            event = range(len(batch), differ.ndim)
            differ &= np.expand_dims(mask, tuple(event))
        if bad.shape and bad.size in differ.shape:
            differ = differ.compress(bad, differ.shape.index(bad.size))
        if differ.any():
            return True
    return False
