"""Recorded deterministic values are checksums: computed anew from the recorded latents, they are what was recorded.

If they are, the arguments that have a part in them are those of the fit. If they are not, though latents alone have a
part in them, this is not the model of the fit.
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

_LITTLE = 0.01  # this share of what differs from sample to sample is no other sample
_ROUNDING = 1e-6  # of one number, in single precision
_ARGUMENT, _ENTRY = "an argument", "an entry"  # what a value can be computed from, beside what `jaxpr` names


def contradiction(
    call: Call,
    run: Run,
    recorded: Recorded,
    entries: Names,
    others: Sequence[Call],
    known: dict[Hashable, list[str]],
) -> str | None:
    """What speaks against the deterministic entries being those of this run; None: nothing does.

    Not compared is a value that depends on array arguments, on data that the model closes over, or on what is different
    in ``others`` (calls with other made-up sizes): what those were in the fit is not known. ``known`` keeps what was
    computed.
    """
    checksums = _Checksums(call, run, entries)
    drawn = [name for name, sources in checksums.sources.items() if KEY in sources]
    if drawn:
        return f"{listing(drawn)} would be drawn anew: with the recorded latents given, the random key decides"
    constant = checksums.made_of(_ARGUMENT, CLOSED_OVER)
    draws = recorded(constant) if constant else {}
    varying = [name for name, values in draws.items() if not same(values, values[:1]).all()]
    if varying:
        return f"the recorded draws of {listing(varying)} differ, but no latent has a part in them"
    comparable = checksums.made_of(_ENTRY) if call.mode == "abstract" else []
    for other in others:
        elsewhere = _Checksums(other, run, entries)
        for name in list(comparable):
            if elsewhere.computation([name]) != checksums.computation([name]):
                comparable.remove(name)
    if not comparable:
        return None
    computation = checksums.computation(comparable)
    if computation not in known:
        # what is not used of the arguments is neither computed nor transferred
        zeros = [np.broadcast_to(np.zeros((), x.dtype), x.shape) for x in call.shapes]
        known[computation] = checksums.different(comparable, zeros, recorded)
    if known[computation]:
        return f"{listing(known[computation])} computed from the recorded latents is not what was recorded"
    return None


def recomputed(call: Call, run: Run, recorded: Recorded, entries: Names) -> set[str]:
    """The deterministic entries that the model computes anew, from the recorded latents and from these arguments.

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

    A mean, a scale, coefficients on the scale of the data. Others like them are the same rows drawn with replacement,
    the bootstrap: data of another sample would differ about so much. A value near zero proves nothing, since centred
    data have the same. The order of rows has no part in it. See `attempt`.
    """
    rows = np.random.default_rng(0).integers(axis.length, size=axis.length)
    others = argument.of(call.leaves[axis.leaf]).taken(int(axis.dim), rows)
    before, after = replay(call, draw), replay(call.with_leaves({axis.leaf: others}), draw)
    is_proven = False
    for name in entries:
        now = np.asarray(before[name].value, float)
        moves, off = np.abs(after[name].value - now), np.abs(draw[name] - now)
        rounding, little = _ROUNDING * np.abs(now), _LITTLE * moves
        if (moves <= rounding).all():  # the rows have no part in it
            continue
        if not (off <= rounding + little).all():
            return False
        is_proven |= bool(((rounding < little) & (little < np.abs(now))).any())
    return is_proven


class _Checksums:
    """The deterministic entries of a call, and how they are computed from its latents."""

    def __init__(self, call: Call, run: Run, entries: Names):
        self.call, self.sites = call, run.sites
        self.computed, self.latents = list[str](), list[str]()
        for name in entries:
            kind = run.sites[name].kind if name in run.sites else None
            if kind == "deterministic":
                self.computed.append(name)
            elif kind == "latent":
                self.latents.append(name)

    @functools.cached_property
    def _traced(self) -> tuple[Any, list[str]]:
        """The jaxpr that computes the values from arguments, key and latents, and whose its outputs are.

        Besides, it has the values that are drawn: latents without an entry, and the indices of a subsample.
        """
        owners: list[str] = []

        def compute(arrays: Any, key: Any, latents: Draw) -> list[Any]:
            values: list[Any] = []
            for name, site in replay(self.call.with_traced(arrays), latents, key=key).items():
                is_drawn = site.kind == "plate" or (site.kind == "latent" and name not in latents)
                if is_drawn or name in self.computed:
                    leaves = jax.tree_util.tree_leaves(site.value)
                    values += map(jax.numpy.asarray, leaves)
                    owners.extend([name] * len(leaves))
            return values

        key = jax.eval_shape(lambda: jax.random.PRNGKey(0))
        latents = {}
        for name in self.latents:
            site = self.sites[name]
            latents[name] = jax.ShapeDtypeStruct(site.shape or (), site.dtype)
        return jax.make_jaxpr(compute)(self.call.shapes, key, latents).jaxpr, owners

    @functools.cached_property
    def sources(self) -> dict[str, Labels]:
        """What each value is computed from: arguments, the key, entries, data closed over, or latents by name.

        A latent without an entry ends the search, as in `sites`: it stands for the key that it is drawn with.
        """
        sources = dict.fromkeys(self.computed, NOTHING)
        if not sources:
            return sources
        jaxpr, owners = self._traced
        closed_over = frozenset({CLOSED_OVER})
        inputs = dict.fromkeys(jaxpr.constvars, closed_over)
        labels = [_ARGUMENT] * len(self.call.traced) + [KEY] + [_ENTRY] * len(self.latents)
        for variable, label in zip(jaxpr.invars, labels):
            inputs[variable] = frozenset({label})
        ends = {}
        for variable, name in zip(jaxpr.outvars, owners):
            if name not in sources and not hasattr(variable, "val"):
                ends[variable] = frozenset({name})
        found = flow(jaxpr, inputs, ends, closed_over)
        for name, source in zip(owners, found):
            if name in sources:
                sources[name] |= source
        return sources

    def made_of(self, *sources: str) -> list[str]:
        """The values that are computed from nothing else."""
        return [name for name in self.computed if self.sources[name] <= {*sources}]

    def computation(self, names: Names) -> Hashable:
        """How these are computed: equal if two calls compute the same."""
        jaxpr, owners = self._traced
        wanted = [variable for variable, name in zip(jaxpr.outvars, owners) if name in names]
        return computation(jaxpr, wanted)

    def different(self, names: Names, arrays: Sequence[Any], recorded: Recorded) -> list[str]:
        """Those that are, computed anew from these arguments and the recorded latents, not what was recorded."""

        @jax.jit
        def compute(arrays: Any, draw: Draw) -> dict[str, Any]:
            outcome = replay(self.call.with_traced(arrays), draw)
            return {name: outcome[name].value for name in names}

        draws = recorded([*names, *self.latents])
        is_other = dict.fromkeys(names, False)
        for values in zip(*draws.values()):
            draw = dict(zip(draws, values))
            for name, value in compute(arrays, draw).items():
                is_other[name] |= differ(value, draw[name])
        return [name for name in names if is_other[name]]
