"""The handlers around the model of a call: what they say of sites that the fit had otherwise."""

from __future__ import annotations

from dataclasses import replace

from ..model.argument import equal
from ..model.interventions import drawn_otherwise, set_sites, without
from ..model.replay import attempt
from ..model.trace import try_run
from .facts import Facts, Names


def set_anew(facts: Facts) -> Names:
    """The sites that `do` and `condition` set here, and, as far as the samples tell, did not set so in the fit."""
    call, in_fit = facts.inspection.call, set_sites(facts.samples.model)
    anew, doubtful = [], []
    for name, (kind, value) in set_sites(call.model).items():
        if name in in_fit and equal(in_fit[name][1], value):
            continue
        anew.append(name)
        if kind == "condition" and name not in facts.entries and name not in in_fit:
            doubtful.append(name)
    plain = None
    if doubtful:
        plain = try_run(replace(call, model=without(call.model, anew)))
    latents = doubtful if plain is None else plain.named("latent")
    # a fit records its latents: these were conditioned then, too
    conditioned = set(doubtful).intersection(latents)
    return tuple(name for name in anew if name not in conditioned)


def drawn_otherwise_than_fitted(facts: Facts, sites: Names, kept: Names) -> Names:
    """The kept latents that are drawn with something else where these sites are set."""
    if not sites or not kept:
        return ()
    inspection, call = facts.inspection, facts.inspection.call
    named = []
    for name, entry in facts.entries.items():
        is_fitted = entry.is_latent and entry.fits and not entry.target
        if is_fitted and (name in kept or facts.verbs.get(name) == "redraw"):
            named.append(name)
    values = facts.samples.some_draws(named, facts.fit.ndims, 2)
    draws = [dict(zip(values, draw)) for draw in zip(*values.values())]
    plain = replace(call, model=without(call.model, sites))
    moved = attempt(drawn_otherwise, call, plain, draws) or set()
    redrawn, found = moved.difference(kept), []
    for name in inspection.used(()):
        is_below = not redrawn.isdisjoint(inspection.parents(name))
        if name in kept and (is_below or name in moved):
            found.append(name)
    return tuple(found)
