"""Indices that do not exist: what is picked by arguments alone, compared with the axis that it is picked from.

JAX does not raise where an index is out of range: it takes the last element, counts negative ones from the end, gives
NaN, or drops what was to be added. The index is found in the jaxpr, and its lowest and highest value are worked out
from those of the arguments; only where they may be out of range is it computed. What the model guards (``jnp.where``,
a mask) is told by two runs with other values of the latents where JAX picks: it is guarded if bad rows are drawn with
the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
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
        What it picks from, or what that is computed from; params among them.
    length : int
        Indices 0 to ``length - 1`` exist.
    values : tuple of int
        At most five of those that do not.
    count, total : int
        How many elements of the index do not exist, and how many it has.
    effect : str
        What JAX does, and for how many.
    groups : tuple of str
        Latents that have a value for each index that exists: what ``extend=`` gives more values to.
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
        values = ", ".join(map(str, self.values)) + (", ..." if len(self.values) == _VALUES else "")
        source = f"{self._source} has {self.length} values (0 to {self.length - 1})"
        return f"{index} holds {values}, but {source}: JAX {self.effect}"

    @property
    def _source(self) -> str:
        """What is picked from, in words."""
        if self.kind != "gather":
            return "what it adds into" if self.kind == "scatter" else "its one-hot code"
        of = ", ".join(map(repr, self.latents))
        made_of = f"what is made of {of}" if of else "what it picks from"
        return of if len(self.latents) == 1 else made_of


@dataclass(frozen=True)
class _Wrong:
    """A pick by elements that do not exist."""

    pick: Pick
    index: Any  # before its elements were repeated
    is_bad: Any  # of each element

    @property
    def values(self) -> Any:
        return self.index[self.is_bad]

    @property
    def rows(self) -> Any:
        """Of each row, whether there is one in it."""
        return _any_in_row(self.is_bad) if self.is_bad.ndim else self.is_bad


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
    """A negative number among the arguments leaves no trace in the jaxpr where it is an index: see it as an array."""
    numbers = {i: np.asarray(leaf) for i, leaf in enumerate(call.leaves) if is_integer(leaf) and leaf < 0}
    if not numbers or call.mode != "abstract":
        return call, run
    changed = call.with_leaves(numbers)
    seen = try_run(changed)
    return (call, run) if seen is None else (changed, seen)


def _inputs(call: Call) -> list[Value]:
    values = []
    for i in call.traced:
        leaf = call.leaves[i]
        content = leaf if _has_values(leaf) else None
        values.append(Value("argument", frozenset({i}), known=content is not None, content=content))
    return values


def _has_values(x: Any) -> bool:
    known = isinstance(x, Withheld) or has_values(x)  # what is withheld is asked for where an index hangs on it
    return known and isinstance(x.dtype, np.dtype)  # a typed PRNG key's is none


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
    return any(np.ndim(x) and len(x) in lengths for x in _constants(index)) or bool(_names(call, index))


def _names(call: Call, index: Value) -> list[str]:
    """The arguments, not traced, that hold a constant of this index."""
    found, constants = [], list(_constants(index))
    for i, (name, leaf) in enumerate(zip(call.names, call.leaves)):
        if i in call.traced:
            continue
        columns = {None: argument.of(np.asarray(leaf))} if is_integer(leaf) else argument.of(leaf).columns
        for column, values in columns.items():
            if any(np.array_equal(values.codes, constant) for constant in constants):
                found.append(argument.column_name(name, column))
    return found


def _described(call: Call, wrong: _Wrong) -> OutOfRange:
    pick = wrong.pick
    values = np.unique(wrong.values).astype(int).tolist()
    if len(values) > _VALUES:
        values = values[:2] + values[2 - _VALUES :]
    names = [call.names[i] for i in pick.by.arguments] or _names(call, pick.by)
    return OutOfRange(
        arguments=tuple(dict.fromkeys(names)),
        kind=pick.kind,
        latents=(),
        length=pick.length,
        values=tuple(values),
        count=int(wrong.is_bad.sum()),
        total=int(wrong.is_bad.size),
        effect=_effect(wrong),
    )


def _effect(wrong: _Wrong) -> str:
    words = _what_jax_does(wrong.pick, wrong.values)
    count, total = wrong.is_bad.sum(), wrong.is_bad.size
    return f"{words} for {count} of {total} {'rows' if wrong.is_bad.ndim == 1 else 'values'}" if total > 1 else words


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
    """The sites that are drawn with what is picked; failing them, the deterministic ones that are computed from it."""
    drawn = {name for name, value in of_parameters(run, outputs) if (pick.equation,) in value.sources}
    if drawn:
        return drawn
    computed = {name for name, value in zip(run.owners, outputs) if (pick.equation,) in value.sources}
    return computed.intersection(run.named("deterministic"))


def _is_guarded(call: Call, wrong: _Wrong, sites: Collection[str]) -> bool:
    """Whether it makes no difference what JAX does. Of what a scatter drops it cannot be told."""
    if not sites:
        return True
    return wrong.pick.kind == "gather" and attempt(_makes_no_difference, call, wrong, sites) is True


def _makes_no_difference(call: Call, wrong: _Wrong, sites: Collection[str]) -> bool:
    """Whether the bad rows are drawn with the same if other values stand where JAX picks."""
    pick, values = wrong.pick, wrong.values
    picked = np.where(values < 0, values + pick.length, values) if pick.wraps else values
    at = np.unique(np.clip(picked, 0, min(pick.last, pick.length - 1)).astype(int))
    alone = replace(_with_nobody_else_there(call, wrong, at), masked=False)
    before = replay(alone, {})
    drawn = {**latents_of(before), **{name: before[name].value for name in pick.latents}}  # params among them
    after = replay(alone, {**drawn, **_other_values(drawn, pick, at)})
    return not any(_differs(before[site], after[site], wrong) for site in sites)


def _with_nobody_else_there(call: Call, wrong: _Wrong, at: Any) -> Call:
    """A row that rightly picks where JAX picks for bad ones becomes one of these."""
    changes = {i: jnp.asarray(call.leaves[i]) for i in call.traced}  # as the model sees them
    bad = wrong.rows
    if bad.ndim:
        rows = np.arange(len(bad))
        taken = _any_in_row(np.isin(wrong.index, at)) & ~bad
        rows[taken] = np.resize(rows[bad], taken.sum())
        for i, leaf in enumerate(call.leaves):
            if argument.of(leaf).shape[:1] == rows.shape:
                changes[i] = argument.of(changes.get(i, leaf)).taken(0, rows)
    return call.with_leaves(changes)


def _any_in_row(array: Any) -> Any:
    return array.any(axis=tuple(range(1, array.ndim)))


def _other_values(latents: Draw, pick: Pick, at: Any) -> Draw:
    """The latents that are picked from, with other values where JAX picks."""
    others, changed = {}, {}
    for name in pick.latents.intersection(latents):
        value = np.array(latents[name])
        others[name] = np.where(value == 0, 1, value / 2).astype(value.dtype)  # in most supports
        for dim, length in enumerate(value.shape):
            if length == pick.length:
                where = (slice(None),) * dim + (at,)
                value[where] = others[name][where]
                changed[name] = value
    return changed or others  # what is picked from is put together of latents of other lengths


def _differs(before: Replayed, after: Replayed, wrong: _Wrong) -> bool:
    """Whether a site is drawn with something else at bad rows. No rounding: the computation is the same."""
    batch = () if before.fn is None else before.fn.batch_shape
    mask = np.broadcast_to(np.asarray(mask_of(before.fn)), batch)
    gives_nan = wrong.pick.fills and (wrong.values > wrong.pick.last).any()
    for parameter in before.arrays.keys() & after.arrays.keys():  # some are worked out when they are first drawn
        one, other = np.asarray(before.arrays[parameter]), np.asarray(after.arrays[parameter])
        is_nan = np.isnan(one)
        differ = (one != other) & ~(is_nan & np.isnan(other))
        if gives_nan:
            differ |= is_nan
        if differ.shape[: len(batch)] == batch:
            differ &= mask.reshape(batch + (1,) * (differ.ndim - len(batch)))
        if wrong.rows.shape and wrong.rows.size in differ.shape:
            differ = differ.compress(wrong.rows, differ.shape.index(wrong.rows.size))
        if differ.any():
            return True
    return False
