"""NumPyro's graph of a model, with the verdicts on the entries of posterior samples drawn into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
from numpyro import handlers
from numpyro.infer.inspect import generate_graph_specification, get_model_relations, render_graph

from .sites import ONE_RUN_AT_A_TIME, Call, Run, abstract, is_array, run

if TYPE_CHECKING:
    from .review import Review

_DRAWN = ("latent", "observed", "deterministic")

# What a reader sees without colour, and with it: the second line of the label, and the outline, say the same.
_KEPT = {"fillcolor": "white", "color": "#2a9d5c", "penwidth": "2"}
_STRIPPED = {"fillcolor": "grey85", "color": "grey50", "fontcolor": "grey35", "style": "filled,dashed"}
_REDRAWN = {"fillcolor": "#fdebd0", "color": "#d1495b", "penwidth": "2", "peripheries": "2"}
_NO_ENTRY = {"fillcolor": "white", "color": "grey50", "style": "filled,dotted"}


def render(review: Review, call: Call) -> Any:
    """A ``graphviz.Digraph``. See `Review.render`."""
    outcome, call = run(call, fall_back=True)
    graph = render_graph(generate_graph_specification(_relations(call, outcome)))
    for name, site in outcome.sites.items():
        if site.kind in _DRAWN:
            word, style = _style(review, name)
            # Graphviz adds what a later statement on a node says to what NumPyro said
            graph.node(name, label=f"{name}\n{word}" if word else name, **style)
    return graph


def _style(review: Review, name: str) -> tuple[str, Mapping[str, str]]:
    if name in review.redrawn:
        return "redrawn", _REDRAWN
    if name in review:
        return review[name].action, _KEPT if name in review.kept else _STRIPPED
    return ("no entry", _NO_ENTRY) if name in review.missing else ("", {})


def _relations(call: Call, outcome: Run) -> Mapping[str, Any]:
    """NumPyro's relations between sites; ours where it has none, or not of all sites.

    It does not support ``scan``; early versions leave deterministic sites out, or know another JAX.
    """
    drawn = {n: s for n, s in outcome.sites.items() if s.kind in _DRAWN}
    try:
        relations = {} if outcome.scanned else _numpyros_relations(call)
    except Exception:
        relations = {}
    if drawn.keys() <= relations.get("sample_sample", {}).keys():
        return relations
    plates = dict.fromkeys(plate.name for site in drawn.values() for plate in site.plates)
    return {
        "sample_sample": {
            name: [n for n in drawn if n in (site.parents or outcome.ancestors.get(name, ()))]
            for name, site in drawn.items()
        },
        "sample_param": {name: [] for name in drawn},
        "sample_dist": {name: site.kind.capitalize() for name, site in drawn.items()},
        "param_constraint": {},
        "plate_sample": {
            plate: [n for n, site in drawn.items() if plate in [p.name for p in site.plates]] for plate in plates
        },
        "observed": [name for name, site in drawn.items() if site.kind == "observed"],
    }


def _numpyros_relations(call: Call) -> Mapping[str, Any]:
    """Without arithmetic where the model needs no values: its arrays are traced here as in every run."""
    traced = [i for i, leaf in enumerate(call.leaves) if is_array(leaf) and call.mode == "abstract"]
    found: dict[str, Any] = {}

    def record(arrays: Any) -> tuple[()]:
        leaves = list(call.leaves)
        for i, array in zip(traced, arrays):
            leaves[i] = array
        args, kwargs = call.arguments(leaves)
        found.update(get_model_relations(call.model, args, kwargs))
        return ()

    with ONE_RUN_AT_A_TIME, handlers.block():
        jax.eval_shape(record, [abstract(call.leaves[i]) for i in traced])
    return found
