"""Runs with values: whether recorded values are what the model computes, and whether rows act on each other."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from numpyro import handlers

from ..errors import listing
from .axes import Axis, lengths_of, resized, with_defaults
from .call import Call
from .jaxpr import CLOSED_OVER, KEY, NOTHING, Labels, computation, flow
from .trace import ONE_RUN_AT_A_TIME, Run, parameters, trace_model, unmasked

# The same computation in another compilation differs by rounding, which a Cholesky factor or an exponential blows up.
# Another flag or string changes a value by about its own size.
_TOLERANCE = 1e-3

_ARGUMENT, _ENTRY = "an argument", "an entry"  # what a value can be computed from, beside what `jaxpr` names


def contradiction(
    call: Call,
    outcome: Run,
    recorded: Callable[[Sequence[str]], Mapping[str, Any]],
    entries: Sequence[str],
    others: Sequence[Call] = (),
    known: dict[Hashable, list[str]] | None = None,
) -> str | None:
    """What speaks against the deterministic entries being those of this run; None: nothing does.

    ``recorded`` gives a few draws of the named entries, of shape ``(draws, *per-draw shape)``. Not compared is a
    value that depends on array arguments, on data that the model closes over, or on what is different in ``others``
    (calls with other made-up sizes): what those were in the fit is not known. ``known`` keeps what was computed.
    """
    sites = outcome.sites
    computed = [name for name in entries if name in sites and sites[name].kind == "deterministic"]
    latents = [name for name in entries if name in sites and sites[name].kind == "latent"]
    if not computed:
        return None
    graph = _Graph.of(call, outcome, computed, latents)
    drawn = [name for name in computed if KEY in graph.sources[name]]
    if drawn:
        return f"{listing(drawn)} would be drawn anew: with the recorded latents given, the random key decides"
    constant = [name for name in computed if graph.sources[name] <= {_ARGUMENT, CLOSED_OVER}]
    comparable = [name for name in computed if call.mode == "abstract" and graph.sources[name] <= {_ENTRY}]
    for other in others if comparable else ():
        elsewhere = _Graph.of(other, outcome, computed, latents)
        comparable = [name for name in comparable if elsewhere.computation([name]) == graph.computation([name])]
    if not (constant or comparable):
        return None
    draws = recorded([*dict.fromkeys([*constant, *comparable, *(latents if comparable else ())])])
    varying = [name for name in constant if not same(draws[name], draws[name][:1]).all()]
    if varying:
        return f"the recorded draws of {listing(varying)} differ, but no latent has a part in them"
    known = {} if known is None else known
    computation = graph.computation(comparable)
    if computation not in known:
        # what is not used of the arguments is neither computed nor transferred
        arrays = [np.broadcast_to(np.zeros((), x.dtype), x.shape) for x in call.shapes]
        known[computation] = _different(call, arrays, comparable, latents, draws) if comparable else []
    if not (different := known[computation]):
        return None
    return f"{listing(different)} computed from the recorded latents is not what was recorded"


def same(one: Any, other: Any) -> Any:
    """Elementwise equality up to rounding, NaN equal to NaN."""
    one, other = np.asarray(one), np.asarray(other)
    scale = np.max(np.abs(other[np.isfinite(other)]), initial=0.0)
    with np.errstate(invalid="ignore"):
        return (one == other) | (np.abs(one - other) <= _TOLERANCE * scale) | (np.isnan(one) & np.isnan(other))


def recomputed(
    call: Call, outcome: Run, recorded: Callable[[Sequence[str]], Mapping[str, Any]], entries: Sequence[str]
) -> frozenset[str]:
    """The deterministic entries that the model computes anew, from the recorded latents and from these arguments.

    They prove that the arguments are those of the fit. Left out is what no argument has a part in.
    """
    arrays = [call.leaves[i] for i in call.traced]
    computed = [name for name in entries if name in outcome.sites and outcome.sites[name].kind == "deterministic"]
    latents = [name for name in entries if name in outcome.sites and outcome.sites[name].kind == "latent"]
    if not computed or any(isinstance(array, jax.ShapeDtypeStruct) for array in arrays):
        return frozenset()
    sources = _Graph.of(call, outcome, computed, latents).sources
    argument = _ARGUMENT if call.mode == "abstract" else CLOSED_OVER  # values stand in the jaxpr as constants
    telling = [n for n in computed if argument in sources[n] and sources[n] <= {_ARGUMENT, _ENTRY, CLOSED_OVER}]
    if not telling:
        return frozenset()
    different = _different(call, arrays, telling, latents, recorded([*telling, *latents]))
    return frozenset(telling).difference(different)


def reaches_other_rows(call: Call, rows: Sequence[Axis], name: str, dim: int, names: Collection[str]) -> bool | None:
    """Whether the value of a latent at one row has a part in what is drawn at rows far from it; None: cannot be told.

    The model is run on a few rows with one draw of all latents, and again with another value at the first row, and at
    one in the middle. A lag reaches the neighbours of a row, a sum (``cumsum(z)``, ``L @ z``, ``z.mean()``) all rows.
    ``names`` are the sites whose distributions are compared.
    """
    call = replace(with_defaults(call), mode="concrete")
    lengths = {axis.length for axis in lengths_of(call)}
    n = next(n for n in itertools.count(8) if n not in lengths)
    few = resized(call, [(axis, n) for axis in rows])
    if few is None or any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in few.leaves):
        return None
    args, kwargs = few.arguments()

    def drawn(key: int, given: Mapping[str, Any]) -> Mapping[str, Any]:
        model = handlers.substitute(few.model, data=dict(given))
        return trace_model(model, few.masked, args, kwargs, jax.random.PRNGKey(key))

    try:
        with ONE_RUN_AT_A_TIME, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            base, other = drawn(0, {}), drawn(1, {})
            latents = {k: m["value"] for k, m in base.items() if m["type"] == "sample" and not m["is_observed"]}
            value, changed = np.asarray(latents[name]), np.asarray(other[name]["value"])
            for key in range(2, 6):  # discrete values may be drawn twice
                if (changed != value).all():
                    break
                changed = np.where(changed == value, drawn(key, {})[name]["value"], changed)
            for row in (0, value.shape[dim] // 2):
                at = (slice(None),) * dim + (row,)
                mixed = value.copy()
                mixed[at] = changed[at]
                after = drawn(0, {**latents, name: mixed})
                far = np.abs(np.arange(n) - row) > 2
                for site in set(names) - {name}:
                    for before, now in zip(parameters(base[site]["fn"]), parameters(after[site]["fn"])):
                        for axis in (i for i, length in enumerate(before.shape) if length == n):
                            one, two = (np.asarray(x).compress(far, axis) for x in (now, before))
                            if not same(one, two).all():
                                return True
    except Exception:  # a model that does not run on these rows
        return None
    return False


def computes_alike(one: Call, other: Call, kept: Collection[str]) -> bool | None:
    """Whether two calls of a model end alike, given the same latents; None: they have other shapes, or do not run.

    Compared are deterministic values and what sites are drawn with, but of those in ``kept``, whose draws stand.
    """
    try:
        with ONE_RUN_AT_A_TIME, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            first = trace_model(one.model, one.masked, *one.arguments(), jax.random.PRNGKey(0))
            given = {k: m["value"] for k, m in first.items() if m["type"] in ("sample", "plate")}

            def latents(message: dict[str, Any]) -> Any:
                is_drawn = message["type"] in ("sample", "plate") and not message.get("is_observed")
                return given.get(message["name"]) if is_drawn else None

            model = handlers.substitute(other.model, substitute_fn=latents)
            second = trace_model(model, other.masked, *other.arguments(), jax.random.PRNGKey(0))
            for name in (name for name in first if name in second and name not in kept):
                before, now = _made(first[name]), _made(second[name])
                if len(before) != len(now):
                    return False
                if any(np.shape(x) != np.shape(y) for x, y in zip(before, now)):
                    return None
                if not all(same(x, y).all() for x, y in zip(before, now)):
                    return False
    except Exception:
        return None
    return True


def _made(message: Mapping[str, Any]) -> list[Any]:
    """What a deterministic site is, and a sample site is drawn with: the mask of a likelihood has no part in that."""
    if message["type"] != "sample":
        return [message["value"]] if message["type"] == "deterministic" else []
    fn = unmasked(message["fn"])
    return [np.zeros(fn.shape()), *parameters(fn)]


def _different(
    call: Call, arrays: Sequence[Any], computed: Sequence[str], latents: Sequence[str], draws: Mapping[str, Any]
) -> list[str]:
    """The names whose recorded draws are not what is computed."""

    @jax.jit
    def compute(arrays: Any, latents: Any) -> Any:
        trace = _trace(call, arrays, jax.random.PRNGKey(0), latents)
        return {name: trace[name]["value"] for name in computed}

    different = set()
    for i in range(len(draws[computed[0]])):
        values = compute(arrays, {name: draws[name][i] for name in latents})
        for name in computed:
            was = draws[name][i]
            if np.shape(values[name]) != np.shape(was) or not same(values[name], was).all():
                different.add(name)
    return [name for name in computed if name in different]


def _trace(call: Call, arrays: Sequence[Any], key: Any, latents: Mapping[str, Any]) -> Mapping[str, Any]:
    args, kwargs = call.filled(arrays)
    return trace_model(handlers.substitute(call.model, data=dict(latents)), True, args, kwargs, key)


@dataclass(frozen=True)
class _Graph:
    """The jaxpr that computes deterministic values from the entries, and what each is computed from."""

    jaxpr: Any
    owners: Sequence[str]  # of the jaxpr's outputs
    sources: Mapping[str, Labels]

    @classmethod
    def of(cls, call: Call, outcome: Run, computed: Sequence[str], latents: Sequence[str]) -> _Graph:
        """What each value is computed from: arguments, the key, entries, data closed over, or latents by name.

        A latent without an entry ends the search, as in `sites`: it stands for the key that it is drawn with.
        """
        key = jax.eval_shape(lambda: jax.random.PRNGKey(0))
        sites = outcome.sites
        values = {name: jax.ShapeDtypeStruct(sites[name].shape or (), sites[name].dtype) for name in latents}
        owners: list[str] = []

        def compute(arrays: Any, key: Any, latents: Any) -> list[Any]:
            trace = _trace(call, arrays, key, latents)
            found = {name: trace[name]["value"] for name in computed}
            found.update(_drawn(trace, latents))
            pairs = [(name, leaf) for name, value in found.items() for leaf in jax.tree_util.tree_leaves(value)]
            owners[:] = [name for name, _ in pairs]
            return [jax.numpy.asarray(value) for _, value in pairs]

        jaxpr = jax.make_jaxpr(compute)(call.shapes, key, values).jaxpr
        labels = [_ARGUMENT] * len(call.traced) + [KEY] + [_ENTRY] * len(values)
        given = {variable: frozenset({label}) for variable, label in zip(jaxpr.invars, labels)}
        given.update({v: frozenset({CLOSED_OVER}) for v in jaxpr.constvars})
        outputs = [(v, name) for v, name in zip(jaxpr.outvars, owners) if not hasattr(v, "val")]
        found = flow(
            jaxpr,
            given,
            {v: frozenset({name}) for v, name in outputs if name not in computed},
            frozenset({CLOSED_OVER}),
        )
        sources = dict.fromkeys(computed, NOTHING)
        for variable, name in zip(jaxpr.outvars, owners):
            if name in sources:
                sources[name] |= found.of(variable)
        return cls(jaxpr, owners, sources)

    def computation(self, computed: Sequence[str]) -> Hashable:
        return computation(self.jaxpr, [v for v, name in zip(self.jaxpr.outvars, self.owners) if name in computed])


def _drawn(trace: Mapping[str, Any], latents: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The sites whose value is drawn: latents without an entry, and the indices of a subsample."""
    for name, message in trace.items():
        is_latent = message["type"] == "sample" and not message["is_observed"] and name not in latents
        if is_latent or message["type"] == "plate":
            yield name, message["value"]
