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
from .model.replay import attempt
from .model.trace import Site
from .tables import COLOURS

_DRAWN = ("latent", "observed", "deterministic")

# The second line of a label and its outline say the same, so that no reader needs the colour.
_STYLES = {
    "kept": {"fillcolor": "white", "color": COLOURS["kept"], "penwidth": "2"},
    "stripped": {"fillcolor": "grey85", "color": "grey50", "fontcolor": "grey35", "style": "filled,dashed"},
    "redrawn": {"fillcolor": "#fdebd0", "color": COLOURS["redrawn"], "penwidth": "2", "peripheries": "2"},
    "refused": {"fillcolor": "#fbe3e6", "color": COLOURS["refused"], "penwidth": "2", "style": "filled,dashed"},
    "no entry": {"fillcolor": "white", "color": "grey50", "style": "filled,dotted"},
    "predicted": {"fillcolor": "#e8dff5", "color": COLOURS["observed"], "penwidth": "2"},
}


Relations = Mapping[str, Any]  # what NumPyro's `get_model_relations` returns


def render(call: Call, words: Mapping[str, str]) -> Any:
    """A ``graphviz.Digraph``, with a word for each site that has one. See `Review.render`."""
    inspection = Inspection.of(call)
    ids = {}  # Graphviz takes a colon for the port of a node, and a < for the start of HTML
    for i, name in enumerate(inspection.run.sites):
        ids[name] = name if re.fullmatch(r"[\w/. ]+", name) else f"site {i}"
    found = _relations(inspection).items()
    relations = {key: _renamed(value, ids) for key, value in found}
    graph = render_graph(generate_graph_specification(relations))
    import graphviz  # which NumPyro has imported by now, or said how to install it

    for name in _drawn(inspection):
        word = words.get(name, "")
        if word == "no entry" and name in inspection.targets:
            word = "predicted"
        # a later statement on a node adds to that of NumPyro
        label = graphviz.escape(f"{name}\n{word}" if word else name)
        graph.node(ids[name], label=label, **_STYLES.get(word, {}))
    return graph


def _renamed(value: Any, ids: Mapping[str, str]) -> Any:
    """A relation with other names of the sites."""
    if isinstance(value, list):
        return [ids.get(name, name) for name in value]
    if isinstance(value, dict):
        return {ids.get(name, name): _renamed(of, ids) for name, of in value.items()}
    return value


def _drawn(inspection: Inspection) -> dict[str, Site]:
    sites = inspection.run.sites
    return {name: sites[name] for name in sites if sites[name].kind in _DRAWN}


def _relations(inspection: Inspection) -> Relations:
    """NumPyro's relations between sites; ours where it has none, or not of all sites.

    It does not support ``scan``; early versions leave deterministic sites out, or know another JAX.
    """
    sites = _drawn(inspection)
    relations = None if inspection.run.scanned else attempt(_numpyros_relations, inspection.call)
    if relations and sites.keys() <= relations.get("sample_sample", {}).keys():
        return relations
    parents: dict[str, list[str]] = {}
    plates: dict[str, list[str]] = {}
    for name, site in sites.items():
        parents[name] = [parent for parent in inspection.parents(name) if parent in sites]
        for plate in site.plates:
            plates.setdefault(plate.name, []).append(name)
    return {
        "sample_sample": parents,
        "sample_param": {name: [] for name in sites},
        "sample_dist": {name: site.kind.capitalize() for name, site in sites.items()},
        "param_constraint": {},
        "plate_sample": plates,
        "observed": [name for name, site in sites.items() if site.kind == "observed"],
    }


def _numpyros_relations(call: Call) -> Relations:
    """Without arithmetic where the model needs no values: its arrays are traced here as in every run."""
    found: dict[str, Any] = {}

    def record(arrays: Any) -> None:
        args, kwargs = call.filled(arrays)
        found.update(get_model_relations(call.model, args, kwargs))

    with handlers.block():
        jax.eval_shape(record, call.shapes)
    return found
