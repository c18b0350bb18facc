"""Whether recorded values of deterministic sites are what the model computes from the recorded latents.

The proof that a site is rightly called deterministic, where arguments or defaults of the fit are not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from numpyro import handlers

from .errors import listing
from .sites import Call, Run, abstract, is_array, trace_model

# The same computation in another compilation differs by rounding, which a Cholesky factor or an exponential blows up.
# Another flag or string changes a value by about its own size.
_TOLERANCE = 1e-3

# What gives a few draws of the named entries, each of shape (draws, *per-draw shape).
Draws = Callable[[Sequence[str]], Mapping[str, Any]]

_ARGUMENT, _KEY, _ENTRY, _CLOSED_OVER, _UNSURE = "argument", "key", "entry", "closed over", "unsure"


def contradiction(call: Call, run: Run, recorded: Draws, entries: Sequence[str]) -> str | None:
    """What speaks against the recorded deterministic entries being those of this run; None: nothing.

    ``recorded`` gives a few draws of the named entries, of shape ``(draws, *per-draw shape)``. A value that depends
    on the array arguments (or on data that the model closes over) is not compared: those of the fit are not known.
    """
    computed = [name for name in entries if name in run.sites and run.sites[name].kind == "deterministic"]
    latents = [name for name in entries if name in run.sites and run.sites[name].kind == "latent"]
    if not computed:
        return None
    sources = _sources(call, run, computed, latents)
    unexplained = [name for name in computed if _KEY in sources[name]]
    if unexplained:
        return f"{listing(unexplained)} would be drawn anew: with the recorded latents given, a random key decides"
    constant = [name for name in computed if not sources[name] & {_ENTRY, _UNSURE, *run.sites}]
    comparable = [
        name
        for name in computed
        if call.mode == "abstract" and not sources[name] & {_ARGUMENT, _CLOSED_OVER, _UNSURE, *run.sites}
    ]
    if not (constant or comparable):
        return None
    draws = recorded([*dict.fromkeys([*constant, *comparable, *(latents if comparable else ())])])
    varying = [name for name in constant if not (np.asarray(draws[name]) == np.asarray(draws[name])[:1]).all()]
    if varying:
        return f"the recorded draws of {listing(varying)} differ, but no latent has a part in computing them"
    return _compare(call, comparable, latents, draws) if comparable else None


def _compute(call: Call, computed: Sequence[str], arrays: Any, key: Any, latents: Mapping[str, Any]) -> dict[str, Any]:
    """The deterministic values of one draw."""
    args, kwargs = call.arguments(_with_arrays(call, arrays))
    model = handlers.seed(handlers.substitute(call.model, data=dict(latents)), key)
    trace = trace_model(model, True, args, kwargs)
    found = {name: trace[name]["value"] for name in computed}
    found["_drawn"] = {
        name: message["value"]
        for name, message in trace.items()
        if message["type"] == "plate" or (message["type"] == "sample" and not message["is_observed"])
    }
    return found


def _traced(call: Call) -> list[int]:
    return [
        i
        for i, leaf in enumerate(call.leaves)
        if is_array(leaf) and (call.mode == "abstract" or isinstance(leaf, jax.ShapeDtypeStruct))
    ]


def _with_arrays(call: Call, arrays: Sequence[Any]) -> list[Any]:
    leaves = list(call.leaves)
    for i, array in zip(_traced(call), arrays):
        leaves[i] = array
    return leaves


def _sources(call: Call, run: Run, computed: Sequence[str], latents: Sequence[str]) -> dict[str, frozenset[str]]:
    """What each value is computed from: arguments, the key, entries, data closed over, or latents by name.

    A latent without an entry ends the search, as in `sites`: it stands for the key that it is drawn with.
    """
    arrays = [abstract(call.leaves[i]) for i in _traced(call)]
    key = jax.eval_shape(lambda: jax.random.PRNGKey(0))
    values = {name: jax.ShapeDtypeStruct(run.sites[name].shape or (), run.sites[name].dtype) for name in latents}
    owners: list[str] = []

    def compute(arrays: Any, key: Any, latents: Any) -> list[Any]:
        found = _compute(call, computed, arrays, key, latents)
        drawn = {name: value for name, value in found.pop("_drawn").items() if name not in latents}
        pairs = [(n, x) for n, v in {**found, **drawn}.items() for x in jax.tree_util.tree_leaves(v)]
        owners[:] = [name for name, _ in pairs]
        return [jax.numpy.asarray(value) for _, value in pairs]

    closed = jax.make_jaxpr(compute)(arrays, key, values)
    jaxpr = closed.jaxpr
    labels = [_ARGUMENT] * len(arrays) + [_KEY] + [_ENTRY] * len(values)
    reached = {variable: frozenset({label}) for variable, label in zip(jaxpr.invars, labels)}
    reached.update({v: frozenset({_CLOSED_OVER}) for v, x in zip(jaxpr.constvars, closed.consts) if np.ndim(x)})
    drawn = {v: n for v, n in zip(jaxpr.outvars, owners) if n not in computed and not hasattr(v, "val")}
    nothing: frozenset[str] = frozenset()

    def of(variable: Any) -> frozenset[str]:
        if hasattr(variable, "val"):
            return frozenset({_CLOSED_OVER}) if np.ndim(variable.val) else nothing
        return reached.get(variable, nothing)

    for equation in jaxpr.eqns:
        inputs = nothing.union(*map(of, equation.invars))
        siblings = frozenset(drawn[v] for v in equation.outvars if v in drawn)
        if siblings:  # the latents among the outputs of a `scan` are what the key was for
            inputs = (inputs - {_KEY}) | siblings
        elif _KEY in inputs and equation.primitive.name in ("scan", "while", "cond"):
            inputs = (inputs - {_KEY}) | {_UNSURE}  # its outputs are not told apart
        for variable in equation.outvars:
            reached[variable] = frozenset({drawn[variable]}) if variable in drawn else inputs
    result = dict.fromkeys(computed, nothing)
    for variable, name in zip(jaxpr.outvars, owners):
        if name in result:
            result[name] |= of(variable)
    return result


def _compare(call: Call, computed: Sequence[str], latents: Sequence[str], draws: Mapping[str, Any]) -> str | None:
    # what is not used of the arguments is neither computed nor transferred
    arrays = [
        np.broadcast_to(np.zeros((), a.dtype), a.shape) for a in (abstract(call.leaves[i]) for i in _traced(call))
    ]

    @jax.jit
    def compute(arrays: Any, latents: Any) -> Any:
        found = _compute(call, computed, arrays, jax.random.PRNGKey(0), latents)
        return {name: found[name] for name in computed}

    for i in range(len(next(iter(draws.values())))):
        values = compute(arrays, {name: draws[name][i] for name in latents})
        for name in computed:
            value, was = np.asarray(values[name]), np.asarray(draws[name][i])
            scale = np.max(np.abs(was[np.isfinite(was)]), initial=0.0)
            near = (value == was) | (np.abs(value - was) <= _TOLERANCE * scale) | (np.isnan(value) & np.isnan(was))
            if value.shape != was.shape or not near.all():
                return f"{name!r} computed from the recorded latents is not what was recorded"
    return None
