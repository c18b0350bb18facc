"""NumPyro's graph of a model, with the verdicts on the entries of posterior samples drawn into it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jax
from numpyro import handlers
from numpyro.infer.inspect import generate_graph_specification, get_model_relations, render_graph

from .model.call import Call
from .model.inspection import Inspection
from .model.trace import ONE_RUN_AT_A_TIME

_DRAWN = ("latent", "observed", "deterministic")

# What a reader sees without colour, and with it: the second line of the label, and the outline, say the same.
_STYLES = {
    "kept": {"fillcolor": "white", "color": "#2a9d5c", "penwidth": "2"},
    "stripped": {"fillcolor": "grey85", "color": "grey50", "fontcolor": "grey35", "style": "filled,dashed"},
    "redrawn": {"fillcolor": "#fdebd0", "color": "#d1495b", "penwidth": "2", "peripheries": "2"},
    "refused": {"fillcolor": "#fdebd0", "color": "#d1495b", "penwidth": "2", "style": "filled,dashed"},
    "no entry": {"fillcolor": "white", "color": "grey50", "style": "filled,dotted"},
    "predicted": {"fillcolor": "#e8dff5", "color": "#8a63d2", "penwidth": "2"},
}


def render(call: Call, words: Mapping[str, str]) -> Any:
    """A ``graphviz.Digraph``, with a word for each site that has one. See `Review.render`."""
    inspection = Inspection.of(call)
    # Graphviz reads a colon as the port of a node, and a < as the begin of HTML
    names = inspection.run.sites
    ids = {name: name if re.fullmatch(r"[\w/. ]+", name) else f"site {i}" for i, name in enumerate(names)}
    graph = render_graph(generate_graph_specification(_renamed(_relations(inspection), ids)))
    import graphviz  # which NumPyro has imported by now, or said how to install it

    for name, site in inspection.run.sites.items():
        if site.kind in _DRAWN:
            word = words.get(name, "")
            if word == "no entry" and name in inspection.targets:
                word = "predicted"
            # Graphviz adds what a later statement on a node says to what NumPyro said
            label = graphviz.escape(f"{name}\n{word}" if word else name)
            graph.node(ids[name], label=label, **_STYLES.get(word, {}))
    return graph


def _renamed(relations: Mapping[str, Any], ids: Mapping[str, str]) -> Mapping[str, Any]:
    """The relations with other names of the sites."""

    def named(value: Any) -> Any:
        if isinstance(value, dict):
            return {ids.get(name, name): named(of) for name, of in value.items()}
        return [ids.get(name, name) for name in value] if isinstance(value, list) else value

    return {key: named(value) for key, value in relations.items()}


def _relations(inspection: Inspection) -> Mapping[str, Any]:
    """NumPyro's relations between sites; ours where it has none, or not of all sites.

    It does not support ``scan``; early versions leave deterministic sites out, or know another JAX.
    """
    drawn = {n: s for n, s in inspection.run.sites.items() if s.kind in _DRAWN}
    try:
        relations = {} if inspection.run.scanned else _numpyros_relations(inspection.call)
    except Exception:
        relations = {}
    if drawn.keys() <= relations.get("sample_sample", {}).keys():
        return relations
    plates = dict.fromkeys(plate.name for site in drawn.values() for plate in site.plates)
    return {
        "sample_sample": {name: [n for n in drawn if n in inspection.parents(name)] for name in drawn},
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
    found: dict[str, Any] = {}

    def record(arrays: Any) -> tuple[()]:
        args, kwargs = call.filled(arrays)
        found.update(get_model_relations(call.model, args, kwargs))
        return ()

    with ONE_RUN_AT_A_TIME, handlers.block():
        jax.eval_shape(record, call.shapes)
    return found
