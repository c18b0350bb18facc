"""The verdicts on all entries, what is refused, and what is warned of."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..containers import Container
from ..errors import (
    BatchShapeError,
    DataStatisticWarning,
    MissingLatentError,
    MissingLatentWarning,
    NoSharedSiteError,
    OptionError,
    OtherArgumentsWarning,
    RedrawnSiteWarning,
    RowLevelSiteWarning,
    SamplesTypeError,
    SanitizeWarning,
    ShapeMismatchError,
)
from ..fit import Fit, other_arguments
from ..kinds import Shape
from ..model.checksums import contradiction
from ..model.inspection import Inspection
from ..model.interventions import ignored
from ..options import Options
from . import messages
from .facts import Entry, Facts, Verbs, names_of
from .handled import drawn_otherwise_than_fitted, set_anew
from .table import KEPT, REDRAWN, Cause, verdict_on

Shapes = Mapping[str, Shape | None]

_REDRAWN_UNASKED = (Cause.ROWS_MISFIT, Cause.OTHER_ROWS)
_MISFITS = (Cause.OBSTACLE, Cause.REVERSED, Cause.MISFIT, Cause.KEEP_MISFIT, Cause.JOINT_MISFIT, Cause.UNTOLD_MISFIT)
_UNTOLD = (Cause.JOINT_OTHER_ROWS, Cause.UNTOLD_ROWS, Cause.UNTOLD_DIMENSION)


@dataclass(frozen=True)
class Verdict:
    """What happens to one entry.

    Attributes
    ----------
    action : str
        ``"kept"``; ``"stripped"``: it is recomputed or predicted; ``"redrawn"``: a fitted latent that is drawn from
        its prior; or ``"refused"``: it can be none of these, and ``Review.apply`` raises.
    cause : Cause
        Why: the row of the table of verdicts (``sanitize.verdicts.Cause``), for code to ask.
    reason : str
        Why, in one sentence, to read.
    recorded_shape : tuple of int, or None
        The entry's shape without chain and draw dimensions; None for a tree of arrays.
    model_shape : tuple of int, or None
        The site's shape in the model with these arguments; None where it has no such site.
    """

    action: str
    cause: Cause
    reason: str
    recorded_shape: Shape | None
    model_shape: Shape | None


class Said(NamedTuple):
    """An error or a warning to come: its class, its message, and what it carries."""

    category: type[Any]
    message: str
    seen: Mapping[str, Any] = {}


Verdicts = Mapping[str, Verdict]


def facts_of(fit: Fit, verbs: Verbs, options: Options) -> Facts:
    """What is known of the entries of a call, with all that the user has settled."""
    facts = Facts(fit, verbs, options)
    _refuse_new_rows(facts)
    if options.extend_all:
        facts.extend_all()
    return facts


def verdicts_on(facts: Facts) -> Verdicts:
    """The verdict on every entry."""
    verdicts = {}
    for name, entry in facts.entries.items():
        action, cause = verdict_on(entry)
        reason = messages.reason(cause, entry)
        verdicts[name] = Verdict(action, cause, reason, entry.recorded, entry.shape)
    return verdicts


# --------------------------------------------------------------------------------------------------------- options


def settled(inspection: Inspection, samples: Container, options: Options) -> Verbs:
    """The verb that settles an entry, or a latent without one. A plate or labelled dim stands for its latents."""
    settled: Verbs = {}
    for verb, names in options.verbs.items():
        for name in names:
            for one in _named(inspection, samples, verb, name):
                other = settled.setdefault(one, verb)
                if other != verb:
                    raise OptionError(messages.named_twice(one, (other, verb)))
    return settled


def _named(inspection: Inspection, samples: Container, verb: str, name: str) -> list[str]:
    site = inspection.site(name)
    kind = "" if site is None else site.kind
    one_of = [name, *inspection.loop_of(name)]
    if verb == "extend" and kind == "latent" and samples.shapes.keys().isdisjoint(one_of):
        raise OptionError(messages.nothing_to_carry_on(name))
    if kind == "latent" or (kind == "deterministic" and verb == "keep"):
        return [name]
    found = []
    for latent in inspection.run.named("latent"):
        plates = [plate.name for plate in inspection.run.sites[latent].plates]
        if name in plates or name in samples.dims.get(latent, ()):
            found.append(latent)
    if not found:
        raise OptionError(messages.no_name_for(verb, name, inspection))
    return found


def _refuse_new_rows(facts: Facts) -> None:
    """What `new_rows` says has to be possible, and to tell which rows are meant."""
    if facts.new_rows is None:
        return
    if facts.new_rows is False:
        grown = set[Any]()
        for entry in facts.latents:
            if entry.is_continued:
                grown.update(entry.rows)
        for size in facts.changed_rows:
            if size not in grown:
                raise OptionError(messages.rows_have_changed(facts, size))
        return
    free = [entry for entry in facts.latents if entry.verb is None]
    several: list[Entry] = []
    untold: list[Entry] = []
    for entry in free:
        is_of_a_part = entry.is_of_a_subsample and not entry.rows
        if is_of_a_part or entry.may_have_rows:
            untold.append(entry)
    if not facts.inspection.rows:
        untold = [entry for entry in free if entry.follows_arguments or entry in untold]
    elif facts.changed_rows and any(entry.other_rows for entry in free):
        untold = []
    elif not facts.changed_rows and len(facts.inspection.rows) > 1:
        several = [entry for entry in free if entry.rows]
    if several or untold:
        raise OptionError(messages.which_rows(facts, several, untold))


# --------------------------------------------------------------------------------------------------------- samples


def refuse_other_model(inspection: Inspection, shapes: Shapes) -> None:
    if any(inspection.site(name) for name in shapes):
        return
    said = messages.other_model(inspection, shapes) if shapes else messages.NO_ENTRIES
    latents = tuple(inspection.run.named("latent"))
    raise NoSharedSiteError(said, entries=tuple(shapes), latents=latents)


def batch_shape(shapes: Shapes, inspection: Inspection, ndims: int | None) -> Shape:
    """The leading dimensions that all entries share: none, draws, or chains and draws."""
    arrays = {name: shape for name, shape in shapes.items() if shape is not None}
    if ndims is None:
        ndims = _likely_ndims(arrays, inspection)
    flat = {name: shape for name, shape in arrays.items() if len(shape) < ndims}
    if flat:
        raise BatchShapeError(messages.too_few_dimensions(flat, ndims), shapes=arrays)
    empty = {name: shape for name, shape in arrays.items() if 0 in shape[:ndims]}
    if empty:
        raise BatchShapeError(messages.no_draws(empty), shapes=arrays)
    firsts: dict[Shape, str] = {}
    for name, shape in arrays.items():
        firsts.setdefault(shape[:ndims], name)
    if len(firsts) > 1:
        odd = {name: arrays[name] for name in firsts.values()}
        raise BatchShapeError(messages.different_batches(odd, ndims), shapes=arrays)
    return next(iter(firsts), ())


def _likely_ndims(arrays: Mapping[str, Shape], inspection: Inspection) -> int:
    """How many batch dimensions there are, the shapes of sites tell: the number with which most entries fit."""
    votes = Counter[int]()
    for name, recorded in arrays.items():
        site = inspection.site(name)
        if site is not None and site.shape is not None:
            ndims = len(recorded) - len(site.shape)
            votes[ndims] += 1  # its rank fits
            if recorded[max(ndims, 0) :] == site.shape:
                votes[ndims] += len(arrays)
    return max((1, 2, 0), key=votes.__getitem__)


def explains(inspection: Inspection, samples: Container) -> bool:
    """Whether every entry is a site of just the recorded shape, and what is computed is what was recorded."""
    try:
        batch = batch_shape(samples.shapes, inspection, samples.batch_ndims)
        fit = Fit(inspection, samples, batch)
    except BatchShapeError:
        return False
    sites = inspection.run.sites
    for name, shape in fit.recorded.items():
        if name not in sites or sites[name].shape != shape:
            return False
    draws = functools.partial(samples.some_draws, ndims=fit.ndims)
    found = contradiction(inspection.call, inspection.run, draws, list(samples.shapes), None, {})
    return found is None


# -------------------------------------------------------------------------------------------------------- refusals


def refusals(facts: Facts, verdicts: Verdicts) -> Iterator[Said]:
    """What was refused, by its cause."""
    unfitting = _caused(facts, verdicts, _MISFITS)
    for entry in unfitting:
        if entry.recorded is None or entry.shape is None:
            yield Said(SamplesTypeError, messages.not_what_the_model_draws(entry))
            return
    unfitting += _caused(facts, verdicts, [Cause.FIXED_MISFIT])
    if unfitting:
        joint = _caused(facts, verdicts, [Cause.JOINT_MISFIT, Cause.UNTOLD_MISFIT])
        recorded = {entry.name: entry.recorded for entry in unfitting}
        model = {entry.name: entry.shape for entry in unfitting}
        said = messages.does_not_fit(facts, unfitting, joint)
        yield Said(ShapeMismatchError, said, {"recorded": recorded, "model": model})
    for entry in _caused(facts, verdicts, [Cause.OUTSIDE]):
        yield Said(SamplesTypeError, messages.outside(entry), {"entry": entry.name, "value": entry.outside})
    for entry in _caused(facts, verdicts, [Cause.PACKED]):
        seen = {"recorded": {entry.name: entry.recorded}, "model": {entry.name: entry.shape}}
        yield Said(ShapeMismatchError, messages.packed(entry), seen)
    lost = _caused(facts, verdicts, [Cause.LOST_LATENT])
    missing = {entry.name: entry.lost for entry in lost}
    if missing:
        said = messages.would_be_lost(facts.inspection, missing)
        yield Said(MissingLatentError, said, {"missing": missing})
    impossible = _impossible(facts, verdicts) if facts.use.at_once and facts.use.draws else []
    if impossible:
        said = messages.cannot_be_drawn(facts, impossible)
        yield Said(MissingLatentError, said, {"missing": dict.fromkeys(impossible, ())})


def _impossible(facts: Facts, verdicts: Verdicts) -> list[str]:
    """Latents that the model is to draw, and cannot."""
    left = set(facts.extended())
    for name, verdict in verdicts.items():
        if verdict.action != REDRAWN:
            left.add(name)
    return sorted(facts.inspection.run.made_up - left)


# -------------------------------------------------------------------------------------------------------- warnings


def notices(facts: Facts, verdicts: Verdicts) -> Iterator[Said]:
    """Nothing is drawn from a prior, or kept on a guess, without a warning that says how to settle it."""
    yield from _row_notices(facts, verdicts)
    extended = [entry for entry in facts.entries.values() if entry.verb == "extend"]
    fitting = _caused(facts, verdicts, [Cause.EXTEND])
    written = [entry for entry in fitting if entry.is_written]
    if written and len(written) == len(extended):
        yield Said(SanitizeWarning, messages.nothing_goes_on(written), {"sites": names_of(written)})
    if facts.use.at_once and facts.use.draws:
        yield from _data_notices(facts)
    all_kept = [name for name, verdict in verdicts.items() if verdict.action == KEPT]
    if missing := facts.missing(all_kept):
        said = messages.missing_latents(facts, missing)
        yield Said(MissingLatentWarning, said, {"missing": missing})
    free = names_of(entry for entry in facts.latents if entry.verb is None)
    kept = tuple(name for name in free if name in all_kept)
    is_settled = facts.new_rows is False or facts.inspection.assumed
    unreached = () if is_settled else facts.inspection.unreached
    if unreached:
        said = messages.reaches_nothing(unreached, sorted(facts.inspection.targets))
        seen = {"differences": dict.fromkeys(unreached, "nothing in the model depends on it")}
        yield Said(OtherArgumentsWarning, said, seen)
    elif differences := other_arguments(facts.fit, kept):
        said = messages.other_arguments(differences, kept)
        yield Said(OtherArgumentsWarning, said, {"differences": differences})
    yield from _handler_notices(facts, kept)
    if found := facts.statistic:
        said = messages.rows_act_on_each_other(found, facts)
        yield Said(DataStatisticWarning, said, {"statistic": found})


def _data_notices(facts: Facts) -> Iterator[Said]:
    """The data that come back in place of predictions."""
    if data := facts.data_for_predictions():
        yield Said(SanitizeWarning, messages.data_come_back(data))
    if sites := facts.conditioned_data():
        yield Said(SanitizeWarning, messages.conditioned_data_come_back(sites))


def _handler_notices(facts: Facts, kept: tuple[str, ...]) -> Iterator[Said]:
    names = list(ignored(facts.inspection.call, facts.inspection.run))
    sites = set_anew(facts)
    latents = drawn_otherwise_than_fitted(facts, sites, kept)
    if names or latents:
        differences = dict.fromkeys([name.name for name in names], "ignored")
        differences.update(dict.fromkeys(latents, "drawn otherwise"))
        said = messages.handlers(names, sites, latents)
        yield Said(OtherArgumentsWarning, said, {"differences": differences})


def _row_notices(facts: Facts, verdicts: Verdicts) -> Iterator[Said]:
    if facts.new_rows is True:
        return
    redrawn = _caused(facts, verdicts, _REDRAWN_UNASKED)
    if redrawn:
        yield Said(RedrawnSiteWarning, messages.redrawn(redrawn), {"sites": names_of(redrawn)})
    untold = _caused(facts, verdicts, _UNTOLD)
    if untold:
        said = messages.kept_untold(untold, verdicts[untold[0].name].cause)
        yield Said(RowLevelSiteWarning, said, {"sites": names_of(untold)})


def _caused(facts: Facts, verdicts: Verdicts, causes: Collection[Cause]) -> list[Entry]:
    return [entry for name, entry in facts.entries.items() if verdicts[name].cause in causes]


def remarks(facts: Facts) -> Iterator[str]:
    """What the review says of the values of the arguments."""
    inspection = facts.inspection
    if inspection.run.jaxpr is None and inspection.call.leaves:
        yield messages.NOT_TOLD
    if facts.statistic:
        yield messages.on_statistic(facts.statistic)
    elif facts.why_rows_are_untold:
        yield messages.on_rows_untold(facts.why_rows_are_untold)
