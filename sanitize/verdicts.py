"""The table of verdicts: what happens to each entry of posterior samples, and why."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .containers import Container
from .errors import (
    BatchShapeError,
    MissingLatentError,
    NoSharedSiteError,
    OptionError,
    RedrawnSiteWarning,
    RowLevelSiteWarning,
    SamplesTypeError,
    SanitizeError,
    ShapeMismatchError,
    listing,
)
from .fit import same_rows
from .model.call import Call, Shape, is_integer, shape_of
from .model.inspection import Inspection
from .model.sizes import nothing_follows, numbered
from .model.trace import Site

KEPT, STRIPPED, REFUSED = "kept", "stripped", "refused"


@dataclass(frozen=True)
class Verdict:
    """What happens to one entry.

    Attributes
    ----------
    action : str
        ``"kept"``, ``"stripped"``, or ``"refused"``: it can be neither, and ``Review.apply`` raises.
    reason : str
        Why, in one sentence.
    recorded_shape : tuple of int, or None
        The entry's shape without chain and draw dimensions; None for a tree of arrays.
    model_shape : tuple of int, or None
        The site's shape in the model with these arguments; None where it has no such site.
    """

    action: str
    reason: str
    recorded_shape: Shape | None
    model_shape: Shape | None


class Refusal(NamedTuple):
    """What `Review.apply` raises."""

    category: type[SanitizeError]
    message: str
    seen: Mapping[str, Any]


class Judgement(NamedTuple):
    """The verdicts on all entries, and what is said of them."""

    verdicts: Mapping[str, Verdict]
    batch_shape: Shape
    missing: tuple[str, ...]  # latents without an entry
    redrawn: frozenset[str]  # fitted latents that are stripped
    refusals: tuple[Refusal, ...]
    notices: tuple[tuple[str, type[Warning]], ...]
    by_values: bool  # whether values of the arguments counted, so that other values may end otherwise


def judge(
    inspection: Inspection,
    samples: Container,
    *,
    new_rows: bool | None = None,
    redraw: Sequence[str] = (),
    batch_ndims: int | None = None,
) -> Judgement:
    """Give a verdict on every entry. See `SiteTable.review`."""
    _refuse_other_model(inspection, samples.shapes)
    _refuse_options(inspection, new_rows, redraw)
    ndims = samples.batch_ndims if batch_ndims is None else batch_ndims
    batch = batch_shape(samples.shapes, inspection, ndims)
    settled = Settlement(inspection, samples, new_rows, frozenset(redraw), len(batch))
    verdicts = {name: _verdict(settled, entry) for name, entry in settled.entries.items()}
    refusals = tuple(_refusals(settled, verdicts))
    notices = () if refusals else tuple(_notices(settled, verdicts))
    missing = tuple(name for name in inspection.run.named("latent") if name not in verdicts)
    latents = frozenset(name for name, entry in settled.entries.items() if entry.is_latent and entry.target is None)
    redrawn = frozenset(name for name in latents if verdicts[name].action == STRIPPED)
    return Judgement(verdicts, batch, missing, redrawn, refusals, notices, settled.by_values)


def _verdict(settled: Settlement, entry: Entry) -> Verdict:
    """The table of verdicts, row by row."""
    name, site = entry.name, entry.site

    def verdict(action: str, reason: str) -> Verdict:
        return Verdict(action, reason, entry.recorded, entry.shape)

    if site is None:
        return verdict(KEPT, "unused: no site of this model, Predictive ignores it")
    if site.kind == "deterministic":
        if lost := settled.lost(name):
            return verdict(REFUSED, f"deterministic: the only carrier of what was fitted of {listing(lost)}")
        parents = settled.inspection.parents(name)
        return verdict(STRIPPED, f"deterministic: recomputed{' from ' if parents else ''}{', '.join(parents)}")
    if site.kind == "observed":
        return verdict(STRIPPED, "observed: predicted anew, or scored from the data passed")
    if site.kind == "plate":
        return verdict(STRIPPED, "plate: its indices belong to the rows that were subsampled then")
    if site.kind in ("param", "mutable"):
        return verdict(KEPT, f"{site.kind}: no random site")
    if name in settled.redraw:
        return verdict(STRIPPED, "latent named in redraw: drawn from its prior")
    if entry.target:
        return verdict(STRIPPED, f"observed {entry.target}: predicted anew, or scored from the data passed")
    if entry.mismatch is None or not set(entry.mismatch) <= set(settled.row_dims(name)):
        return verdict(REFUSED, "latent: does not fit")
    if not settled.row_level(name):
        return verdict(KEPT, "latent: fits")
    if not settled.rows_fit(entry):
        return verdict(STRIPPED, "row-level latent: its rows do not fit, drawn from its conditional prior")
    new, why = settled.rows_are_new
    if new:
        return verdict(STRIPPED, f"row-level latent: {why}, drawn from its conditional prior")
    return verdict(KEPT, f"row-level latent: fits, {why}")


@dataclass(frozen=True)
class Entry:
    """The facts of one entry."""

    name: str
    site: Site | None
    recorded: Shape | None  # per draw; None for a tree of arrays
    target: str | None  # how we know that a site which is latent in this call was observed in the fit
    scanned: bool  # inside `control_flow.scan`

    @property
    def is_latent(self) -> bool:
        return self.site is not None and self.site.kind == "latent"

    @property
    def shape(self) -> Shape | None:
        """In the model with these arguments."""
        return None if self.site is None else self.site.shape

    @functools.cached_property
    def mismatch(self) -> tuple[int, ...] | None:
        """The dimensions in which the recorded shape is not the model's; None where their number differs."""
        recorded, model = self.recorded, self.shape
        if recorded is None or model is None:
            return () if recorded is model else None
        more = max(len(recorded) - len(model), 0)
        if recorded[:more] == (1,) * more:
            recorded = recorded[more:]  # axes of size one in front broadcast
        if len(recorded) != len(model):
            return None
        return tuple(i for i, (n, m) in enumerate(zip(recorded, model)) if n != m)

    @property
    def fits(self) -> bool:
        return self.mismatch == () or self.continues

    @property
    def continues(self) -> bool:
        """A series in a ``scan`` that is recorded for its first steps: NumPyro draws the steps after them."""
        return bool(
            self.scanned and self.mismatch == (0,) and self.recorded and self.shape and self.recorded[0] < self.shape[0]
        )


class Settlement:
    """What is settled for the call as a whole. Further runs happen only where an answer can change a verdict."""

    def __init__(
        self, inspection: Inspection, samples: Container, new_rows: bool | None, redraw: frozenset[str], ndims: int
    ):
        self.inspection, self.samples, self.new_rows, self.redraw = inspection, samples, new_rows, redraw
        self.by_values = False
        targets = self._targets()
        self.entries = {
            name: Entry(
                name,
                inspection.site(name),
                None if shape is None else shape[ndims:],
                targets.get(name),
                name in inspection.run.scanned,
            )
            for name, shape in samples.shapes.items()
        }
        # those whose shape has to fit
        self.latents = [e for e in self.entries.values() if e.is_latent and e.name not in redraw and not e.target]

    def _targets(self) -> dict[str, str]:
        """Entries of sites that were observed in the fit, and how we know."""
        found = dict.fromkeys(self.samples.observed_data, "in the fit")
        latents = self.inspection.run.named("latent")
        # nothing is drawn from a prediction target: a posterior of coefficients alone needs no further run
        if any(name in self.samples.shapes and name not in self.inspection.drawn_from for name in latents):
            observable = self.inspection.observable
            found = {**{name: f"when {argument} is given" for name, argument in observable.items()}, **found}
        return found

    def row_level(self, name: str) -> bool:
        """Whether it has values for the rows: along a dimension, or as one of many sites."""
        return bool(self.row_dims(name)) or name in self._named_by_row

    def row_dims(self, name: str) -> tuple[int, ...]:
        return self._row_dims.get(name, ())

    @functools.cached_property
    def _named_by_row(self) -> Mapping[str, bool]:
        """Latents that a loop over the rows names, and whether the samples hold those of the same rows."""
        if self.new_rows is False:
            return {}
        found = self.inspection.named_by_row.intersection(entry.name for entry in self.latents)
        if not found:
            return {}
        recorded, loops = numbered(self.entries), numbered(self.inspection.run.named("latent"))
        return {
            name: set(names) == set(recorded[pattern])
            for pattern, names in loops.items()
            for name in found.intersection(names)
        }

    @functools.cached_property
    def _row_dims(self) -> Mapping[str, tuple[int, ...]]:
        call, run = self.inspection.call, self.inspection.run
        dimensioned = [entry.name for entry in self.latents if entry.recorded and entry.name in run.sites]
        if any(entry.mismatch != () for entry in self.latents):
            return self.inspection.row_dims
        quiet = not dimensioned or self.new_rows is False or nothing_follows(call, run, dimensioned)
        return {} if quiet else self.inspection.row_dims

    def rows_fit(self, entry: Entry) -> bool:
        return self._named_by_row.get(entry.name, entry.fits)

    @functools.cached_property
    def same_rows(self) -> bool | None:
        """Whether the data passed are those of the fit; None: unknown."""
        same = same_rows(self.inspection.call, self.samples)
        self.by_values = same is not None
        return same

    @functools.cached_property
    def rows_are_new(self) -> tuple[bool, str]:
        """Whether row-level latents that fit are stripped nevertheless, and by which evidence."""
        if self.new_rows is not None:
            return self.new_rows, f"new_rows={self.new_rows}"
        if any(self.row_level(entry.name) and not self.rows_fit(entry) for entry in self.latents):
            return True, "the rows of another entry do not fit"
        if self.same_rows is not None:
            return not self.same_rows, (
                "the data are those of the fit" if self.same_rows else "the data differ from those of the fit"
            )
        if self.inspection.call.bare:
            return True, "no arguments were passed and the result has to fit any rows"
        return False, "nothing tells whether these are the rows of the fit"

    def lost(self, name: str) -> tuple[str, ...]:
        """Latents without an entry that a recorded value is computed from: its fitted values would be lost."""
        sites = self.inspection.run.sites
        absent = [p for p in self.inspection.parents(name) if p not in self.entries and p not in self.redraw]
        absent = [p for p in absent if not sites[p].discrete]  # else marginalized
        if absent and self.new_rows:  # it was said that these are other rows than the fit's
            absent = [p for p in absent if not self.inspection.row_dims.get(p)]
        targets = {*self.samples.observed_data, *(self.inspection.observable if absent else ())}
        return tuple(p for p in absent if p not in targets)


# ------------------------------------------------------------------------------------------------------ refusals


def _refuse_other_model(inspection: Inspection, shapes: Mapping[str, Shape | None]) -> None:
    latents = tuple(inspection.run.named("latent"))
    if not shapes:
        raise NoSharedSiteError(
            "The samples are empty: there is nothing to strip. To predict from the prior, call "
            "Predictive(model, num_samples=...).",
            entries=(),
            latents=latents,
        )
    if any(inspection.site(name) for name in shapes):
        return
    call = inspection.call
    what = f"No entry is a site of {call.description}: the samples have {listing(shapes)}, "
    what += (
        f"the model's latents are {listing(latents) or 'none'}" if inspection.run.sites else "the model runs no sites"
    )
    trees = [name for name, shape in shapes.items() if shape is None]
    if inspect.isclass(call.model):
        way_out = "It is a class: pass an instance that can be called"
    elif trees:
        way_out = f"Entry {listing(trees)} is no array: if the draws are in it, pass it alone"
    else:
        way_out = "Pass the model that was fitted"
    raise NoSharedSiteError(f"{what}. {way_out}.", entries=tuple(shapes), latents=latents)


def _refuse_options(inspection: Inspection, new_rows: Any, redraw: Any) -> None:
    if not (new_rows is None or isinstance(new_rows, bool)):
        raise OptionError(f"new_rows is {new_rows!r}: it has to be True, False or None.")
    if isinstance(redraw, str) or not isinstance(redraw, Collection):
        raise OptionError(f"redraw is {redraw!r}: it has to be a sequence of site names, as in redraw=('a',).")
    latents = inspection.run.named("latent")
    for name in redraw:
        if name in latents:
            continue
        site = inspection.site(name) if isinstance(name, str) else None
        what = "no site" if site is None else f"a site of kind {site.kind}"
        raise OptionError(
            f"redraw names {name!r}, which is {what} of this model: only latents can be drawn from their prior, "
            f"and its latents are {listing(latents) or 'none'}."
        )


def batch_shape(shapes: Mapping[str, Shape | None], inspection: Inspection, ndims: int | None) -> Shape:
    """The leading dimensions that all entries share: none, draws, or chains and draws.

    How many they are, the shapes of the model's sites tell: the number with which most entries fit.
    """
    arrays = {name: shape for name, shape in shapes.items() if shape is not None}
    if ndims is None:
        sites = [(shape, site) for name, shape in arrays.items() if (site := inspection.site(name)) is not None]
        pairs = [(shape, site.shape) for shape, site in sites if site.shape is not None]

        def agreement(ndims: int) -> tuple[int, int]:
            exact = sum(recorded[ndims:] == shape for recorded, shape in pairs if len(recorded) >= ndims)
            return exact, sum(len(recorded) == ndims + len(shape) for recorded, shape in pairs)

        ndims = max((1, 2, 0), key=agreement)
    short = {name: shape for name, shape in arrays.items() if len(shape) < ndims}
    if short:
        raise BatchShapeError(
            f"Entry {listing(short)} has too few dimensions: {_shapes_text(short)}, where the other entries have "
            f"{ndims} leading batch dimension{'s' * (ndims > 1)} (chains, draws). Give every entry one value per "
            f"draw, or remove it.",
            shapes=dict(arrays),
        )
    empty = {name: shape for name, shape in arrays.items() if 0 in shape[:ndims]}
    if empty:
        raise BatchShapeError(
            f"The samples hold no draws: {_shapes_text(empty)}. Run the fit with num_samples > 0, or look at how they "
            f"were thinned.",
            shapes=dict(arrays),
        )
    batches: dict[Shape, str] = {}
    for name, shape in arrays.items():
        batches.setdefault(shape[:ndims], name)
    if len(batches) > 1:
        odd = {name: arrays[name] for name in batches.values()}
        raise BatchShapeError(
            f"The entries disagree on their leading chain and draw dimensions: {_shapes_text(odd)}, of which the "
            f"first {ndims} should be the same. Thin or group all entries alike before stripping.",
            shapes=dict(arrays),
        )
    return next(iter(batches), ())


def _shapes_text(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{name!r} has shape {shape}" for name, shape in shapes.items())


def _refusals(settled: Settlement, verdicts: Mapping[str, Verdict]) -> Iterator[Refusal]:
    """What was refused, by its cause."""
    refused = [settled.entries[name] for name, verdict in verdicts.items() if verdict.action == REFUSED]
    latents = [entry for entry in refused if entry.is_latent]
    for entry in latents:
        was, now = entry.recorded, entry.shape
        if was is None or now is None:
            yield Refusal(
                SamplesTypeError,
                f"Entry {entry.name!r} is {_what(was)}, whereas the latent {entry.name!r} of the model is "
                f"{_what(now)}. Make the entry what the model draws, with the draws along the first axis.",
                {},
            )
            return
    if latents:
        recorded = {entry.name: entry.recorded for entry in latents}
        yield Refusal(
            ShapeMismatchError,
            f"{'. '.join(_mismatch_text(settled, entry) for entry in latents)}. A fitted coefficient is never replaced "
            f"by its prior unasked: pass arguments of the size that was fitted, or redraw={tuple(recorded)!r} to draw "
            f"from the prior.",
            {"recorded": recorded, "model": {entry.name: entry.shape for entry in latents}},
        )
    if missing := {entry.name: settled.lost(entry.name) for entry in refused if not entry.is_latent}:
        lost = tuple(dict.fromkeys(parent for parents in missing.values() for parent in parents))
        computed = "; ".join(f"{name!r} from {listing(parents)}" for name, parents in missing.items())
        yield Refusal(
            MissingLatentError,
            f"In this model {listing(missing)} would be recomputed from latents that the samples do not hold "
            f"({computed}): stripped, the fitted values would be replaced by draws from the prior. Pass the model "
            f"that was fitted, add the missing entries, or pass redraw={lost!r} to draw them from their prior.",
            {"missing": missing},
        )


def _mismatch_text(settled: Settlement, entry: Entry) -> str:
    was, now = entry.recorded or (), entry.shape or ()
    text = f"Latent {entry.name!r} has recorded shape {was} per draw, the model's is {now}"
    for dim in sorted(set(entry.mismatch or ()).difference(settled.row_dims(entry.name))):
        text += f"; dimension {dim} is {was[dim]} instead of {now[dim]}"
        text += _likely_source(settled.inspection.call, now[dim])
    return text


def _what(shape: Shape | None) -> str:
    return "a mapping or tuple" if shape is None else f"an array of shape {shape} per draw"


def _likely_source(call: Call, size: int) -> str:
    """The argument that most likely brought a size: one that has an axis of it, or is that number."""
    for name, leaf in zip(call.names, call.leaves):
        if size in shape_of(leaf):
            return f" (argument {name!r} has shape {shape_of(leaf)})"
    for name, leaf in zip(call.names, call.leaves):
        if is_integer(leaf) and int(leaf) == size:
            return f" (argument {name!r} is {leaf})"
    return ""


# ------------------------------------------------------------------------------------------------------- notices


def _notices(settled: Settlement, verdicts: Mapping[str, Verdict]) -> Iterator[tuple[str, type[Warning]]]:
    """Nothing is redrawn from a prior, or kept on a guess, without a warning that says how to settle it."""
    if settled.new_rows is True:
        return
    rows = [entry for entry in settled.latents if settled.row_level(entry.name)]
    redrawn = [entry for entry in rows if verdicts[entry.name].action == STRIPPED]
    if redrawn:
        settle = "new_rows=True says that this is meant"
        if all(settled.rows_fit(entry) for entry in redrawn):
            settle += ", new_rows=False keeps them"
        fits = settled.rows_fit(redrawn[0])
        why = settled.rows_are_new[1] if fits else "their rows do not fit these arguments"
        yield (
            f"Stripped the row-level latents {_sizes(redrawn)}: {why}. The model draws them from their conditional "
            f"prior; {settle}.",
            RedrawnSiteWarning,
        )
    guessed = [entry for entry in rows if entry not in redrawn]
    if guessed and settled.new_rows is None and settled.same_rows is None:
        yield (
            f"Kept the row-level latents {_sizes(guessed)}: they fit, but {settled.rows_are_new[1]}. "
            f"new_rows=False says that they are; new_rows=True strips them, for other rows.",
            RowLevelSiteWarning,
        )


def _sizes(entries: Sequence[Entry]) -> str:
    """``'z' (recorded (100,), model (20,))``."""
    return ", ".join(
        f"{entry.name!r} (recorded {shape_text(entry.recorded)}, model {shape_text(entry.shape)})" for entry in entries
    )


def shape_text(shape: Shape | None) -> str:
    return "-" if shape is None else str(shape)
