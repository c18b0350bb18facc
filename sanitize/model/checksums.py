"""Recorded deterministic values are checksums: they are computed anew from the recorded latents, and compared.

If they are equal, the arguments that have a part in them are those of the fit. If they are not, though only latents
have a part in them, this is not the model of the fit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ..errors import listing
from . import argument
from .call import Axis, Call
from .jaxpr import CLOSED_OVER, KEY, NOTHING, Labels, computation, flow
from .replay import Draw, differ, replay, same
from .trace import Run

Names = Sequence[str]
Recorded = Callable[[Names], Mapping[str, Any]]  # a few draws of entries, ``(draws, *per-draw shape)``

_LITTLE = 0.01  # this share of the difference between two samples does not make another sample
_ROUNDING = 1e-6  # of one number, in single precision
_ARGUMENT, _ENTRY = "an argument", "an entry"  # what a value can be computed from, beside what `jaxpr` names


def contradiction(
    call: Call,
    run: Run,
    recorded: Recorded,
    entries: Names,
    other: Call | None,
    known: dict[Hashable, list[str]],
) -> str | None:
    """What speaks against the deterministic entries being those of this run; None: nothing does.

    A value is not compared if it depends on array arguments, on data that the model closes over, or on what differs in
    ``other`` (the call with other made-up sizes): what the fit had there is not known. ``known`` keeps the answers.
    """
    checksums = _Checksums(call, run, entries)
    drawn = [name for name, sources in checksums.sources.items() if KEY in sources]
    if drawn:
        return f"{listing(drawn)} would be drawn anew: with the recorded latents given, the random key decides"
    varying = []
    for name in checksums.made_of(_ARGUMENT, CLOSED_OVER):
        values = recorded([name])[name]
        if not same(values, values[:1]).all():
            varying.append(name)
    if varying:
        return f"the recorded draws of {listing(varying)} differ, but no latent has a part in them"
    comparable = checksums.made_of(_ENTRY) if call.mode == "abstract" else []
    if other is not None:
        elsewhere = _Checksums(other, run, entries)
        for name in tuple(comparable):
            if elsewhere.computation([name]) != checksums.computation([name]):
                comparable.remove(name)
    if not comparable:
        return None
    computation = checksums.computation(comparable)
    if computation not in known:
        zeros = [np.zeros(x.shape, x.dtype) for x in call.shapes]  # no array has a part
        known[computation] = checksums.different(comparable, zeros, recorded)
    if known[computation]:
        return f"{listing(known[computation])} computed from the recorded latents is not what was recorded"
    return None


def recomputed(call: Call, run: Run, recorded: Recorded, entries: Names) -> set[str]:
    """The deterministic entries that come again, computed from the recorded latents and these arguments.

    They prove that the arguments are those of the fit. Left out is what no argument has a part in. See `attempt`.
    """
    checksums = _Checksums(call, run, entries)
    argument = _ARGUMENT if call.mode == "abstract" else CLOSED_OVER  # values stand in the jaxpr as constants
    told = checksums.made_of(_ARGUMENT, _ENTRY, CLOSED_OVER)
    telling = [name for name in told if argument in checksums.sources[name]]
    if not telling or not call.has_values:
        return set()
    return set(telling).difference(checksums.different(telling, call.arrays, recorded))


def comes_of_these_rows(call: Call, axis: Axis, draw: Draw, entries: Names) -> bool:
    """Whether what was recorded of an argument comes again from these rows, and not from others like them.

    Recorded may be a mean, a scale, coefficients on the scale of the data. Others like these rows are the same rows
    drawn with replacement (the bootstrap): the values of another sample would differ by about as much. A value near
    zero proves nothing, since all centred data have it. The order of rows does not count. See `attempt`.
    """
    rows = np.random.default_rng(0).integers(axis.length, size=axis.length)
    known = argument.of(call.leaves[axis.leaf])
    others = known.taken(int(axis.dim), rows)
    before = replay(call, draw)
    after = replay(call.with_leaves({axis.leaf: others}), draw)
    is_proven = False
    for name in entries:
        now = np.asarray(before[name].value, float)
        moves, rounding = np.abs(after[name].value - now), _ROUNDING * np.abs(now)
        little = _LITTLE * moves
        if (moves <= rounding).all():  # the rows have no part in it
            continue
        if (np.abs(draw[name] - now) > rounding + little).any():
            return False
        proves = (rounding < little) & (little < np.abs(now))
        is_proven = is_proven or proves.any()
    return bool(is_proven)


class _Checksums:
    """The deterministic entries of a call, and how they are computed from its latents."""

    def __init__(self, call: Call, run: Run, entries: Names):
        self.call = call
        self.computed, self.latents = list[str](), dict[str, Any]()
        for name in entries:
            site = run.sites.get(name)
            if site and site.kind == "deterministic":
                self.computed.append(name)
            elif site and site.kind == "latent":
                self.latents[name] = jax.ShapeDtypeStruct(site.shape or (), site.dtype)

    @functools.cached_property
    def _traced(self) -> tuple[Any, list[str]]:
        """The jaxpr that computes the values from arguments, key and latents, and whose its outputs are.

        Its outputs are also the values that are drawn: latents without an entry, and the indices of a subsample.
        """
        owners: list[str] = []

        def compute(arrays: Any, key: Any, latents: Draw) -> list[Any]:
            values: list[Any] = []
            outcome = replay(self.call.with_traced(arrays), latents, key=key)
            for name, site in outcome.items():
                is_drawn = site.kind == "plate" or (site.kind == "latent" and name not in latents)
                if is_drawn or name in self.computed:
                    leaves = jax.tree_util.tree_leaves(site.value)
                    values += map(jax.numpy.asarray, leaves)
                    owners.extend([name] * len(leaves))
            return values

        key = jax.eval_shape(jax.random.PRNGKey, 0)
        return jax.make_jaxpr(compute)(self.call.shapes, key, self.latents).jaxpr, owners

    @functools.cached_property
    def sources(self) -> dict[str, Labels]:
        """What each value is computed from: arguments, the key, entries, data closed over, or latents by name.

        A latent without an entry ends the search, as in `sites`: it stands for the key that it is drawn with.
        """
        sources = dict.fromkeys(self.computed, NOTHING)
        if not sources:
            return sources
        jaxpr, owners = self._traced
        labels = [_ARGUMENT] * len(self.call.traced)
        labels += [KEY, *[_ENTRY] * len(self.latents)]
        closed_over = frozenset({CLOSED_OVER})
        inputs = dict.fromkeys(jaxpr.constvars, closed_over)
        for variable, label in zip(jaxpr.invars, labels):
            inputs[variable] = frozenset({label})
        ends = {}
        for variable, name in zip(jaxpr.outvars, owners):
            if name not in sources and not hasattr(variable, "val"):
                ends[variable] = frozenset({name})
        for name, found in zip(owners, flow(jaxpr, inputs, ends, closed_over)):
            if name in sources:
                sources[name] |= found
        return sources

    def made_of(self, *sources: str) -> list[str]:
        """The values that are computed from these sources alone."""
        return [name for name in self.computed if self.sources[name] <= {*sources}]

    def computation(self, names: Names) -> Hashable:
        """How these are computed: equal if two calls compute the same."""
        jaxpr, owners = self._traced
        wanted = [variable for variable, name in zip(jaxpr.outvars, owners) if name in names]
        return computation(jaxpr, wanted)

    def different(self, names: Names, arrays: Sequence[Any], recorded: Recorded) -> list[str]:
        """The values that are not what was recorded, computed from these arguments and the recorded latents."""

        @jax.jit
        def compute(arrays: Any, draw: Draw) -> dict[str, Any]:
            outcome = replay(self.call.with_traced(arrays), draw)
            return {name: outcome[name].value for name in names}

        found = list[str]()
        draws = recorded([*names, *self.latents])
        for values in zip(*draws.values()):
            draw = dict(zip(draws, values))
            for name, value in compute(arrays, draw).items():
                if name not in found and differ(value, draw[name]):
                    found.append(name)
        return found
