"""Every sentence that verdicts, refusals and warnings say. No other code reads them."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ..containers import per_draw_dims
from ..errors import listing, meant
from ..kinds import Shape
from ..model import argument
from ..model.argument import is_integer
from ..model.index import OutOfRange
from ..model.inspection import Inspection
from ..model.interventions import Ignored
from ..model.rows import Statistic
from ..model.sizes import Size
from .facts import Entry, Facts, Names, Obstacle, is_of_guide, names_of
from .table import Cause

Shapes = Mapping[str, Shape]
Entries = Sequence[Entry]

_FROM_PRIOR = "drawn from its prior, given the other draws; none of its fitted values is used"
_PREDICTED = "predicted anew, or scored from the data passed"

_REASONS = {
    Cause.NO_SITE: "unused: not a site of this model, Predictive ignores it",
    Cause.OBSERVED: f"observed: {_PREDICTED}",
    Cause.PLATE: "plate: its indices belong to the rows that were subsampled then",
    Cause.FIXED: "deterministic named in keep: put back by the drop-ins, and by stock with condition_deterministic",
    Cause.FIXED_MISFIT: "deterministic named in keep: its shape is not that of the model",
    Cause.REDRAW: "latent named in redraw: drawn from its prior",
    Cause.EMPTY: "latent: holds no value in this model, so that nothing is drawn",
    Cause.EXTEND: "latent named in extend: fits",
    Cause.CARRIED_ON: "latent named in extend: fitted values stay, the others are drawn given them",
    Cause.REVERSED: "latent: in a reversed scan, where NumPyro puts recorded values back in reverse",
    Cause.CONTINUED: "latent: the first steps of a series, which NumPyro continues",
    Cause.MISFIT: "latent: does not fit",
    Cause.KEEP_MISFIT: "latent named in keep: its rows do not fit",
    Cause.JOINT_MISFIT: "row-level latent: its rows do not fit, and its values depend on each other",
    Cause.UNTOLD_MISFIT: "row-level latent: its rows do not fit, and its values may depend on each other",
    Cause.ROWS_MISFIT: f"row-level latent: its rows do not fit, {_FROM_PRIOR}",
    Cause.PACKED: "latent: NeuTra packs all latents into it, with values for the rows of the fit",
    Cause.OUTSIDE: "latent: has a value that is not in its support",
    Cause.KEEP: "latent named in keep: has the model's shape",
    Cause.SAME_ROWS: "row-level latent: has the model's shape, the rows are those of the fit",
    Cause.FITS: "latent: has the model's shape",
}

_OBSTACLES = {
    Obstacle.RANK: "it has another number of dimensions than the model's",
    Obstacle.FEWER: (
        "the model has fewer values than were fitted; levels= says which they are, where the samples label them"
    ),
    Obstacle.REVERSED: "the scan runs in reverse",
    Obstacle.NO_STEPS: "inside a scan it goes on along the steps only",
}

_UNTOLD = {
    Cause.JOINT_OTHER_ROWS: (
        "the data differ from those of the fit (the values depend on each other: if they were drawn anew, all that was "
        "fitted would be lost)"
    ),
    Cause.UNTOLD_ROWS: "nothing tells whether these are the rows of the fit",
    Cause.UNTOLD_DIMENSION: "it could not be told whether it has values for rows",
}

NOT_TOLD = "whether indices exist could not be told: the model does not run without values of its arguments and latents"


# -------------------------------------------------------------------------------------------------------- verdicts


def reason(cause: Cause, entry: Entry) -> str:
    """Why a verdict is as it is."""
    if cause is Cause.LOST_LATENT:
        return f"deterministic: recomputed from {listing(entry.lost)}, which has no entry"
    if cause is Cause.RECOMPUTED:
        parents = ", ".join(entry.facts.inspection.parents(entry.name))
        return f"deterministic: recomputed from {parents}" if parents else "deterministic: recomputed"
    if cause is Cause.PARAM:
        return f"{entry.kind}: not a random site"
    if cause is Cause.TARGET:
        return f"observed {entry.target}: {_PREDICTED}"
    if cause is Cause.OBSTACLE:
        return f"latent named in extend: {_obstacle(entry)}"
    if cause is Cause.OTHER_ROWS:
        return f"row-level latent: {_why_redrawn(entry)}, {_FROM_PRIOR}"
    if cause in _UNTOLD:
        kind = "row-level latent" if entry.rows else "latent"
        return f"{kind}: has the model's shape, {_UNTOLD[cause]}"
    return _REASONS[cause]


def _obstacle(entry: Entry) -> str:
    if entry.obstacle is Obstacle.FEWER:
        lengths = zip(entry.lengths or (), entry.shape or ())
        was, now = next(both for both in lengths if both[0] > both[1])
        both = f"{was + now}: the {was} of the fit, then {now} new"
        return f"{_OBSTACLES[entry.obstacle]}. To go on, pass {both}"
    if entry.obstacle in _OBSTACLES:
        return _OBSTACLES[entry.obstacle]
    argument = " or ".join(entry.other_beginning.words) if entry.other_beginning else "the data"
    return (
        f"{argument} does not begin with the values of the fit: pass those of the fit first, and the new ones after "
        "them"
    )


def _why_redrawn(entry: Entry) -> str:
    facts, size = entry.facts, entry.other_rows
    if entry.mismatch or size is None:
        return "its rows do not fit"
    if facts.new_rows:
        return "new_rows=True"
    if size in facts.fit.changed:
        return facts.fit.changed[size]
    if facts.inspection.assumed:
        return "no arguments were passed and the result has to fit any rows"
    return "the data differ from those of the fit"


def shape_text(shape: Shape | None) -> str:
    """A shape in a table."""
    return "-" if shape is None else str(shape)


# -------------------------------------------------------------------------------------------------------- options


def named_twice(name: str, verbs: Names) -> str:
    one, other = verbs
    return f"{name!r} is named in {one} and in {other}: name it in one of them."


def nothing_to_carry_on(name: str) -> str:
    return f"extend names {name!r}, but the samples have no entry for it: there is nothing to carry on."


def nothing_goes_on(entries: Entries) -> str:
    return (
        f"extend names {listing(names_of(entries))}, where nothing goes on: the number of values is written in the "
        "model, and no argument changes it. Make their number an argument of the model, or leave out extend."
    )


def no_name_for(verb: str, name: str, inspection: Inspection) -> str:
    site = inspection.site(name)
    what = "not a site" if site is None else f"a site of kind {site.kind}"
    why = {
        "redraw": "only latents can be drawn from their prior",
        "keep": "only latents and recorded values are kept",
        "extend": "only latents, and plates or labelled dimensions of latents, are carried on",
    }
    latents = listing(inspection.run.named("latent")) or "none"
    like = meant(name, inspection.run.sites)
    instead = f" {like!r} may be meant." if site is None and like else ""
    named = f"{verb} names {name!r}, which is {what} of this model"
    return f"{named}: {why[verb]}, and its latents are {latents}.{instead}"


def rows_have_changed(facts: Facts, size: Size) -> str:
    return (
        f"new_rows=False says that the rows are those of the fit, but {facts.fit.changed[size]}. Leave new_rows out, "
        "or pass the rows of the fit."
    )


def which_rows(facts: Facts, several: Entries, untold: Entries) -> str:
    sizes = [" = ".join(size.words) for size in facts.inspection.rows]
    rows = " and ".join(sizes)
    which = f"the targets follow {rows}" if several else "it could not be told what the rows are"
    redraw = names_of(several or untold)
    return (
        f"new_rows=True does not tell which rows are others: {which}. Name the latents whose rows are others, as in "
        f"redraw={redraw!r}, in place of new_rows."
    )


# -------------------------------------------------------------------------------------------------------- samples


NO_ENTRIES = (
    "The samples are empty: there is nothing to strip. To predict from the prior, call "
    "Predictive(model, num_samples=...)."
)


def other_model(inspection: Inspection, shapes: Mapping[str, Shape | None]) -> str:
    latents = listing(inspection.run.named("latent")) or "none"
    model = f"the model's latents are {latents}" if inspection.run.sites else "the model runs no sites"
    trees = [name for name, shape in shapes.items() if shape is None]
    if inspect.isclass(inspection.call.model):
        way_out = "It is a class: pass an instance that can be called"
    elif any("auto_" in name for name in shapes):
        way_out = "They are params of a guide: pass guide.sample_posterior(rng_key, params, sample_shape=(1000,))"
    elif trees:
        way_out = f"Entry {listing(trees)} is not an array: if it holds the draws, pass it alone"
    else:
        way_out = "Pass the model that was fitted"
    have = f"the samples have {listing(shapes)}, {model}"
    return f"No entry is a site of {inspection.call.description}: {have}. {way_out}."


def too_few_dimensions(shapes: Shapes, ndims: int) -> str:
    return (
        f"Entry {listing(shapes)} has too few dimensions: {_shapes(shapes)}, where the other entries have {ndims} "
        f"leading batch dimension{_s(ndims)} (chains, draws). Give every entry one value per draw, or remove it."
    )


def no_draws(shapes: Shapes) -> str:
    return (
        f"The samples hold no draws: {_shapes(shapes)}. Run the fit with num_samples > 0, or look at how they were "
        "thinned."
    )


def different_batches(shapes: Shapes, ndims: int) -> str:
    which = "chain and draw" if ndims > 1 else "draw"
    return (
        f"The entries disagree on their leading {which} dimensions: {_shapes(shapes)}. Thin or group all entries alike "
        "before stripping."
    )


def _shapes(shapes: Shapes) -> str:
    parts = [f"{name!r} has shape {shape}" for name, shape in shapes.items()]
    return ", ".join(parts)


def _s(number: int) -> str:
    return "s" if number > 1 else ""


# -------------------------------------------------------------------------------------------------------- refusals


def not_what_the_model_draws(entry: Entry) -> str:
    recorded, model = _kind_of_value(entry.recorded), _kind_of_value(entry.shape)
    return (
        f"Entry {entry.name!r} is {recorded}, whereas the latent {entry.name!r} of the model is {model}. Make the "
        "entry what the model draws, with the draws along the first axis."
    )


def _kind_of_value(shape: Shape | None) -> str:
    return "a mapping or tuple" if shape is None else f"an array of shape {shape} per draw"


def outside(entry: Entry) -> str:
    name, supports = entry.name, entry.facts.inspection.run.supports
    support = supports.get(name, "bounded by what it is drawn with")
    return (
        f"Entry {name!r} has the value {entry.outside}, which is no value of the latent {name!r}: its support is "
        f"{support}. Unconstrained draws (the logarithm of a scale, say) are no samples of the model: pass what "
        "mcmc.get_samples() or guide.sample_posterior() returns, or constrain them first "
        f"(numpyro.infer.util.constrain_fn). With keep=({name!r},) they are used as they are."
    )


def packed(entry: Entry) -> str:
    return (
        f"NeuTra packs all latents into {entry.name!r}, with values for the rows of the fit. Here the rows are others: "
        "pass the model without NeuTra, whose latents the samples hold by their own names. If the rows are the same, "
        f"pass new_rows=False or keep=({entry.name!r},)."
    )


def does_not_fit(facts: Facts, entries: Entries, joint: Entries) -> str:
    text = "; ".join(map(_mismatch, entries))
    text = text[0].upper() + text[1:]
    return f"{text}. {_way_out(facts, entries, joint)}"


def _mismatch(entry: Entry) -> str:
    was, now = entry.lengths or (), entry.shape or ()
    kind = "latent" if entry.is_latent else "entry"
    recorded = entry.recorded or ()
    text = f"{kind} {entry.name!r} has recorded shape {recorded} per draw, the model's is {now}"
    for dim in entry.mismatch or ():
        lengths = was[dim], now[dim]
        text += f"; dimension {dim} is {was[dim]} instead of {now[dim]}"
        sources = [_source(*source, *lengths) for source in entry.facts.sources(entry, dim)]
        if sources:
            text += f" ({', '.join(sources)})"
    return text


def _source(name: str, leaf: Any, was: int, now: int) -> str:
    if is_integer(leaf):
        return f"argument {name!r} is {leaf}"
    shape = argument.of(leaf).shape
    turned = "; is it transposed?" if sorted(shape) == sorted((was, now)) else ""
    return f"argument {name!r} has shape {shape}{turned}"


def _way_out(facts: Facts, entries: Entries, joint: Entries) -> str:
    backwards = names_of(entry for entry in entries if entry.is_reversed)
    if backwards:
        return (
            f"The scan of {listing(backwards)} runs in reverse, and NumPyro puts recorded values back in the order in "
            "which it runs. For the steps of the fit, turn them round along their first axis and pass "
            f"keep={backwards!r}; or pass redraw={backwards!r} to draw from the prior."
        )
    shapes = [(entry.recorded, entry.shape) for entry in facts.latents]
    if all(was is None or now is None or len(was) == len(now) + 1 for was, now in shapes):
        return (
            "Every entry has one leading dimension too many: if the draws are grouped by chain, pass batch_ndims=2 to "
            "Predictive or log_likelihood."
        )
    stuck = [entry for entry in entries if entry.verb == "extend"]
    if stuck:
        obstacles = "; ".join(dict.fromkeys(map(_obstacle, stuck)))
        return f"{listing(names_of(stuck))} cannot be carried on: {obstacles}."
    ways = f"redraw={names_of(entries)!r} to draw from the prior."
    if extend := offer_of_extend(entries):
        ways = f"{extend}, or {ways}"
    if joint:
        return f"{_on_each_other(joint)} Pass the rows of the fit, or {ways}"
    return (
        "The prior never replaces a fitted coefficient unless you ask for it: pass arguments of the size that was "
        f"fitted, or {ways}"
    )


def _on_each_other(entries: Entries) -> str:
    series = names_of(entry for entry in entries if entry.obstacle is Obstacle.NO_STEPS)
    if series:
        return (
            f"The series {listing(series)} stand in a scan, which goes on along its steps only: no series can be added "
            "to those that were fitted."
        )
    seen = names_of(entry for entry in entries if entry.is_joint)
    if seen:
        return (
            f"The values of {listing(seen)} depend on each other along the rows (a walk, a Gaussian process): if they "
            "were drawn anew, all that was fitted would be lost."
        )
    return (
        f"Whether the values of {listing(names_of(entries))} depend on each other along the rows could not be told, "
        f"since the model does not run on few of them ({entries[0].why_untold}). If they do and were drawn anew, all "
        "that was fitted would be lost."
    )


def offer_of_extend(entries: Iterable[Entry]) -> str:
    """For entries of which the model has more; empty where there are none."""
    grown = [entry for entry in entries if entry.goes_on]
    if not grown:
        return ""
    way = f"extend={names_of(grown)!r} (of the drop-ins; sites= of sanitize.extend) to draw the others given them"
    samples = grown[0].facts.samples
    for entry in grown:
        for dim in per_draw_dims(samples, entry.name):
            if dim in samples.labels:
                return f"{way}, and levels={{{dim!r}: [...]}} to say which is which"
    return way


def nothing_left(names: Iterable[str], batch_shape: Shape) -> str:
    return (
        f"Every entry would be stripped: {listing(names)}. Such values are predicted or recomputed, not fitted: pass "
        "the posterior samples they came from. Without latents there is nothing to condition on: call "
        f"Predictive(model, num_samples={math.prod(batch_shape)}) instead, or use sanitize.Predictive, which goes on "
        "with the number of draws that the samples had."
    )


def would_be_lost(inspection: Inspection, missing: Mapping[str, Names]) -> str:
    lost = tuple(dict.fromkeys(itertools.chain(*missing.values())))
    parts = [f"{name!r} from {listing(parents)}" for name, parents in missing.items()]
    computed = "; ".join(parts)
    params = any(inspection.run.sites[name].kind == "param" for name in lost)
    settle = "pass params=" if params else f"pass redraw={lost!r} to draw them from their prior"
    return (
        f"In this model {listing(missing)} would be recomputed from latents (or params) that have no entry "
        f"({computed}): draws from the prior would replace the fitted values. Pass the model "
        f"that was fitted, add the missing entries, or {settle}."
    )


def cannot_be_drawn(facts: Facts, latents: Sequence[str]) -> str:
    fitted = [facts.entries[name] for name in latents if name in facts.entries]
    ways = ["give it a distribution that can be drawn from in the model that predicts"]
    if len(fitted) < len(latents):
        ways.insert(0, "add the entries of the fit")
    elif all(entry.fits for entry in fitted):
        ways.insert(0, f"pass keep={names_of(fitted)!r}")
    return (
        f"Nothing gives a value to {listing(latents)}, and the model cannot draw one: nothing can be drawn from its "
        f"distribution (ImproperUniform, for example). Either {'; or '.join(ways)}."
    )


# -------------------------------------------------------------------------------------------------------- warnings


def redrawn(entries: Entries) -> str:
    names = names_of(entries)
    several = len(names) > 1
    settle = f"Pass new_rows=True or redraw={names!r} if this is meant"
    if all(entry.fits for entry in entries):
        settle += ", or new_rows=False to keep them"
    if extend := offer_of_extend(entry for entry in entries if entry.mismatch):
        settle += f", or {extend}"
    return (
        f"The row-level latent{_s(len(names))} {_with_shapes(entries)} {'are' if several else 'is'} redrawn: "
        f"{_why_redrawn(entries[0])}. The model draws {'them' if several else 'it'} from the prior, given the other "
        f"draws; none of the fitted values is used. {settle}."
    )


def kept_untold(entries: Entries, cause: Cause) -> str:
    names = names_of(entries)
    is_kept = "are kept: they fit" if len(names) > 1 else "is kept: it fits"
    if_not = ", new_rows=True if not" if all(entry.rows for entry in entries) else ""
    return (
        f"The row-level latent{_s(len(names))} {_with_shapes(entries)} {is_kept}, but {_UNTOLD[cause]}. Pass "
        f"new_rows=False if the rows are the same{if_not}; or name entries in keep={names!r} or redraw={names!r}."
    )


def _with_shapes(entries: Entries) -> str:
    """``'z' (recorded (100,), model (20,))``."""
    named = []
    for entry in entries:
        shapes = f"recorded {shape_text(entry.recorded)}, model {shape_text(entry.shape)}"
        named.append(f"{entry.name!r} ({shapes})")
    return ", ".join(named)


def data_come_back(data: Sequence[tuple[str, list[str]]]) -> str:
    parts, arguments = [], []
    for name, sites in data:
        parts.append(f"{name!r} is given, so for {listing(sites)} the data come back")
        arguments.append(name)
    return f"{'; '.join(parts)}: to predict, leave out {listing(arguments)}."


def conditioned_data_come_back(sites: Names) -> str:
    return (
        f"condition around the model gives {listing(sites)} the data, so that the data come back: to predict, pass the "
        "model without it."
    )


def handlers(names: Sequence[Ignored], sites: Names, latents: Names) -> str:
    parts = list(map(_ignored, names))
    if latents:
        parts.append(
            f"The handlers around the model set {listing(sites)}, so that {listing(latents)} would be drawn with "
            "something else than in the fit. The fitted values are used all the same. Pass "
            f"redraw={latents!r} for what the intervention brings about, or keep={latents!r} to leave them as they were"
        )
    return ". ".join(parts) + "."


def _ignored(found: Ignored) -> str:
    handler = "substitute, or params=," if found.handler == "substitute" else found.handler
    named = f"The handler {handler} names {found.name!r}"
    if found.kind:
        return f"{named}, a site of kind {found.kind}: NumPyro leaves it as it is. Name what it is computed from"
    like = f"; {found.like!r} may be meant" if found.like else ". inspect_sites(model, ...) lists its sites"
    return f"{named}, which is not a site of the model: NumPyro ignores it{like}"


def initial_values(params: Sequence[str]) -> str:
    return (
        f"Nothing gives a value to {listing(params)} of the guide: the initial value is taken, as if there had been no "
        "fit. Pass the guide that was fitted, and in params= what the fit made of it."
    )


def missing_latents(facts: Facts, missing: Mapping[str, Names]) -> str:
    sites = facts.inspection.run.sites
    params = [name for name in missing if sites[name].kind == "param"]
    latents = tuple(name for name in missing if name not in params)
    enumerated = [name for name in latents if facts.is_marginalized(name)]
    parts, alike, of_guide = [], [], False
    for name, entries in missing.items():
        others = [entry for entry in entries if not is_of_guide(name, entry)]
        of_guide |= len(others) < len(entries)
        if others:
            alike.append(f"{name!r} may be entry {listing(others)}")
    if latents:
        them = "them" if len(latents) > 1 else "it"
        parts.append(
            f"The samples have no entry for {listing(latents)}, and what is predicted is computed from {them}: the "
            "model draws from the prior, as if there had been no fit"
        )
    if enumerated:
        parts.append(
            f"A fit enumerates a discrete latent, so that there are no draws of {listing(enumerated)}: NumPyro's "
            "Predictive(model, samples, infer_discrete=True) draws them if the data of the fit are passed"
        )
    if params:
        how = "params= to Predictive" if facts.use.draws else "numpyro.handlers.substitute(model, params) as the model"
        parts.append(
            f"Nothing gives a value to the param{_s(len(params))} {listing(params)}: the initial value is taken, as if "
            f"there had been no fit. Pass {how}"
        )
    if alike:
        parts.append(f"No site claims these entries: {', '.join(alike)}; rename them")
    if of_guide:
        parts.append("Entries named ..._auto_... are params of a guide: pass guide.sample_posterior(...)")
    elif facts.unclaimed and not alike and latents:
        parts.append(f"No site claims {listing(names_of(facts.unclaimed))}")
    if latents:
        parts.append(f"Add the entries, or say by redraw={latents!r} that this is meant")
    return ". ".join(parts) + "."


def other_arguments(differences: Mapping[str, str], kept: Names) -> str:
    parts = [f"{argument}: {words}" for argument, words in differences.items()]
    said = "; ".join(parts)
    return (
        f"This call differs from the fit in its arguments: {said}. The fitted values are used all the same. Pass what "
        f"the fit was given, or keep={kept!r} if this is meant."
    )


def reaches_nothing(arguments: Names, targets: Collection[str]) -> str:
    return (
        f"Nothing in the model depends on {listing(arguments)}: {listing(targets)} has the rows that are written in "
        "the model, whatever is passed. Read the argument in the model, or pass new_rows=False if the rows of the "
        "model are meant."
    )


def indices_out_of_range(found: Collection[OutOfRange]) -> str:
    which = "Indices do" if len(found) > 1 else "An index does"
    groups = tuple(dict.fromkeys(name for one in found for name in one.groups))
    new = f" For groups that are new, give the model their number, and pass extend={groups!r}." if groups else ""
    return (
        f"{which} not exist, and JAX does not raise: {'; '.join(map(str, found))}. Pass indices that exist, or guard "
        f"both ends in the model: jnp.where((i >= 0) & (i < n), a[jnp.clip(i, 0, n - 1)], 0.0).{new}"
    )


def place_counts(found: Statistic, facts: Facts) -> str:
    ways = ["pass what counts (the time, the group) as an argument of the model"]
    if facts.inspection.rows:  # else the rows cannot be more
        ways.append("pass the rows of the fit first, and the new ones after them")
    return (
        "In this model the place of a row counts (arange(len(x)), the index of a plate, an array in the model): where "
        f"all rows are alike, {found.parameter} of {found.target!r} still differs by up to {found.moves:.2g} between "
        "them. The model takes the first row of this call for the first row of the fit, and nothing tells that it is. "
        f"{_either(ways, facts)}"
    )


def rows_lag(found: Statistic, facts: Facts) -> str:
    return (
        f"In this model there is a lag of {found.reach} rows: what is drawn at one row of {found.target!r} depends on "
        f"{listing(found.arguments)} at the {found.reach} rows before it. The first rows of this call have none before "
        f"them. {_either([f'pass the last {found.reach} rows of the fit in front'], facts)}"
    )


def _either(ways: list[str], facts: Facts) -> str:
    if not facts.fit.changed:
        ways = [*ways, "say by new_rows=False that these are the rows of the fit"]
    if len(ways) > 1:
        return f"Either {'; or '.join(ways)}."
    return f"{ways[0].capitalize()}."


def rows_act_on_each_other(found: Statistic, facts: Facts) -> str:
    if not found.arguments:
        return place_counts(found, facts)
    if found.reach:
        return rows_lag(found, facts)
    moves = f"moves by up to {found.moves:.2g}"
    if found.moves == math.inf:
        moves = "becomes NaN, or a number from NaN"
    ways = ["compute it from the rows of the fit, and pass it to the model"]
    if found.keep:
        ways.insert(0, f"pass keep={found.keep!r}, which puts back what the fit recorded")
    return (
        f"In this model rows act on each other: what is drawn at one row of {found.target!r} depends on "
        f"{listing(found.arguments)} at other rows (a mean, a maximum, quantiles, ranks, the first row). With other "
        f"values in half of eight rows, {found.parameter} {moves}, and nothing tells that "
        f"these are the rows of the fit. {_either(ways, facts)}"
    )


# --------------------------------------------------------------------------------------------------------- remarks


def on_index(found: OutOfRange) -> str:
    return f"out of range: {found}"


def on_statistic(found: Statistic) -> str:
    if not found.arguments:
        return f"the place of a row counts: {found.target} ({found.parameter}) is drawn by the number of the row"
    arguments = listing(found.arguments)
    return f"rows act on each other: {found.target} ({found.parameter}) by {arguments} at other rows"


def on_rows_untold(why: str) -> str:
    return f"it could not be told whether rows act on each other, since the model did not run on few rows ({why})"
