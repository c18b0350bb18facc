"""The table of verdicts: what happens to each entry of posterior samples, and why."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..compare import other_arguments
from ..containers import Container, per_draw_dims
from ..data import indices_message, remarks, statistic, statistic_message
from ..errors import (
    BatchShapeError,
    DataStatisticWarning,
    IndexRangeWarning,
    MissingLatentError,
    MissingLatentWarning,
    NoSharedSiteError,
    OptionError,
    OtherArgumentsWarning,
    RedrawnSiteWarning,
    RowLevelSiteWarning,
    SamplesTypeError,
    SanitizeError,
    SanitizeWarning,
    ShapeMismatchError,
    listing,
)
from ..fit import Fit
from ..missing import entries_for, message
from ..model.axes import with_defaults
from ..model.call import Shape, is_integer, shape_of
from ..model.inspection import Inspection
from ..model.sizes import Size
from ..model.statistics import Statistic
from ..model.trace import Site, try_run
from ..model.values import contradiction, reaches_other_rows
from ..options import Options

Verbs = dict[str, str]  # entry, or latent without one -> "keep", "redraw" or "extend"

KEPT, STRIPPED, REFUSED = "kept", "stripped", "refused"

_REDRAWN = "drawn from its prior, given the other draws; none of its fitted values is used"


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


class Notice(NamedTuple):
    """What is warned of."""

    category: type[SanitizeWarning]
    message: str
    seen: Mapping[str, Any]


class Judgement(NamedTuple):
    """The verdicts on all entries, and what is said of them."""

    verdicts: Mapping[str, Verdict]
    batch_shape: Shape
    missing: tuple[str, ...]  # latents without an entry
    redrawn: frozenset[str]  # fitted latents that are stripped
    extended: tuple[str, ...]  # latents that are to be carried on, those of a loop without an entry among them
    refusals: tuple[Refusal, ...]
    notices: tuple[Notice, ...]
    remarks: tuple[str, ...]  # on the values of the arguments
    by_values: bool  # whether values of the arguments counted, so that other values may end otherwise


def judge(fit: Fit, verbs: Verbs, options: Options) -> Judgement:
    """Give a verdict on every entry. See `SiteTable.review`."""
    table = _Table(fit, verbs, options)
    if options.extend_all:  # what fits is that of the fit, unless something tells that it is not
        fitting = [entry.name for entry in table.latents if entry.mismatch == () and table.guess(entry.name)]
        verbs = {**dict.fromkeys([*table.unfitting(), *fitting], "extend"), **verbs}
        table = _Table(fit, verbs, options)
    verdicts = {name: table.verdict(entry) for name, entry in table.entries.items()}
    refusals = tuple(_refusals(table, verdicts))
    notices = () if refusals else tuple(_notices(table, verdicts))
    missing = tuple(name for name in fit.inspection.run.named("latent") if name not in verdicts)
    redrawn = frozenset(
        name
        for name, entry in table.entries.items()
        if entry.is_latent and entry.shape_holds_values and verdicts[name].action == STRIPPED
        if entry.verb == "redraw" or not entry.target
    )
    return Judgement(
        verdicts,
        fit.batch_shape,
        missing,
        redrawn,
        table.extended(),
        refusals,
        notices,
        () if refusals else table.remarks,
        fit.by_values,
    )


@dataclass(frozen=True)
class Entry:
    """The facts of one entry."""

    name: str
    site: Site | None
    recorded: Shape | None  # per draw; None for a tree of arrays
    scanned: bool  # inside `control_flow.scan`
    verb: str | None  # "keep", "redraw" or "extend", where the user named it
    target: str | None  # how we know that a site which is latent in this call is predicted

    @property
    def is_latent(self) -> bool:
        return self.site is not None and self.site.kind == "latent"

    @property
    def shape(self) -> Shape | None:
        """In the model with these arguments."""
        return None if self.site is None else self.site.shape

    @property
    def shape_holds_values(self) -> bool:
        return self.shape is None or 0 not in self.shape

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
    def continues(self) -> bool:
        """A series in a ``scan`` that is recorded for its first steps: NumPyro draws the steps after them."""
        return bool(
            self.scanned and self.mismatch == (0,) and self.recorded and self.shape and self.recorded[0] < self.shape[0]
        )


class _Table:
    """The table of verdicts for one call. Further runs happen only where an answer can change a verdict."""

    def __init__(self, fit: Fit, verbs: Verbs, options: Options):
        self.fit, self.inspection, self.samples = fit, fit.inspection, fit.samples
        self.verbs, self.new_rows, self.use = verbs, options.new_rows, options.use
        inspection = self.inspection
        self.entries = {
            name: Entry(
                name, inspection.site(name), shape, name in inspection.run.scanned, verbs.get(name), self.target(name)
            )
            for name, shape in fit.recorded.items()
        }
        # those whose shape has to fit
        self.latents = [e for e in self.entries.values() if e.is_latent and not e.target and e.verb != "redraw"]
        self._refuse_new_rows()

    def verdict(self, entry: Entry) -> Verdict:
        """The table, row by row."""
        name, site = entry.name, entry.site

        def verdict(action: str, reason: str) -> Verdict:
            return Verdict(action, reason, entry.recorded, entry.shape)

        if site is None:
            return verdict(KEPT, "unused: not a site of this model, Predictive ignores it")
        if site.kind == "deterministic" and entry.verb == "keep":
            if entry.mismatch != ():
                return verdict(REFUSED, "deterministic named in keep: its shape is not that of the model")
            return verdict(
                KEPT, "deterministic named in keep: put back by the drop-ins, and by stock with condition_deterministic"
            )
        if site.kind == "deterministic":
            if lost := self.lost(name):
                return verdict(REFUSED, f"deterministic: recomputed from {listing(lost)}, which has no entry")
            parents = self.inspection.parents(name)
            return verdict(STRIPPED, f"deterministic: recomputed{' from ' if parents else ''}{', '.join(parents)}")
        if site.kind == "observed":
            return verdict(STRIPPED, "observed: predicted anew, or scored from the data passed")
        if site.kind == "plate":
            return verdict(STRIPPED, "plate: its indices belong to the rows that were subsampled then")
        if site.kind in ("param", "mutable"):
            return verdict(KEPT, f"{site.kind}: not a random site")
        # all others are latent
        if entry.verb == "redraw":
            return verdict(STRIPPED, "latent named in redraw: drawn from its prior")
        if entry.target and entry.verb in (None, "extend"):
            return verdict(STRIPPED, f"observed {entry.target}: predicted anew, or scored from the data passed")
        if not entry.shape_holds_values:
            return verdict(STRIPPED, "latent: holds no value in this model, so that nothing is drawn")
        if entry.verb == "extend":
            if why := self.cannot_go_on(entry):
                return verdict(REFUSED, f"latent named in extend: {why}")
            goes_on = "fitted values stay, the others are drawn given them" if entry.mismatch else "fits"
            return verdict(KEPT, f"latent named in extend: {goes_on}")
        if entry.verb is None and name in self.inspection.reversed_series:
            return verdict(REFUSED, "latent: in a reversed scan, where NumPyro puts recorded values back in reverse")
        if self.is_continued(entry) and entry.verb is None and not self.new_rows:
            return verdict(KEPT, "latent: the first steps of a series, which NumPyro continues")
        rows = self.row_dims(name)
        if entry.mismatch is None or not rows.issuperset(entry.mismatch):
            return verdict(REFUSED, "latent: does not fit")
        if entry.mismatch and entry.verb == "keep":
            return verdict(REFUSED, "latent named in keep: its rows do not fit")
        if entry.mismatch and not self.new_rows and self.is_joint(entry):
            return verdict(REFUSED, "row-level latent: its rows do not fit, and its values depend on each other")
        if entry.mismatch:
            return verdict(STRIPPED, f"row-level latent: its rows do not fit, {_REDRAWN}")
        if entry.verb == "keep":
            return verdict(KEPT, "latent named in keep: has the model's shape")
        if others := [size for size in self.rows_of(name) if self.others(size)]:
            return verdict(STRIPPED, f"row-level latent: {self.others(others[0])}, {_REDRAWN}")
        if self.rows_of(name):
            why = self.guess(name) or "the rows are those of the fit"
            return verdict(KEPT, f"row-level latent: has the model's shape, {why}")
        return verdict(KEPT, f"latent: has the model's shape{', ' if self.guess(name) else ''}{self.guess(name)}")

    # --------------------------------------------------------------------------------------------- carrying on

    def unfitting(self) -> list[str]:
        """What ``extend=True`` stands for: latents that do not fit, and those of a loop after the recorded ones."""
        entries = [e.name for e in self.latents if e.verb is None and e.mismatch != () and e.shape_holds_values]
        absent = (name for name in self.inspection.run.named("latent") if name not in self.entries)
        return entries + [name for name in absent if self._is_beyond(name) and not self.target(name)]

    def extended(self) -> tuple[str, ...]:
        """The latents of the verb ``extend`` of which something is to be drawn."""
        named = [name for name, verb in self.verbs.items() if verb == "extend" and not self.target(name)]
        recorded = self.entries.keys()
        beyond = (n for n in named if n not in recorded and not recorded.isdisjoint(self.inspection.loop_of(n)))
        return (*(n for n in named if n in recorded and self.entries[n].mismatch), *beyond)

    def cannot_go_on(self, entry: Entry) -> str:
        """Why a latent cannot be carried on; empty: it can, as far as shapes and arguments tell."""
        was, now = entry.recorded, entry.shape
        if entry.mismatch is None or was is None or now is None:
            return "it has another number of dimensions than the model's"
        was = was[len(was) - len(now) :]
        if any(was[dim] > now[dim] for dim in entry.mismatch):
            return "the model has fewer values than were fitted; levels= tells which, where the samples label them"
        if entry.name in self.inspection.reversed_series:
            return "the scan runs in reverse"
        if entry.scanned and entry.mismatch not in ((), (0,)):
            return "inside a scan it goes on along the steps only"
        for dim in entry.mismatch:
            for size in self.inspection.sizes.of[entry.name][dim]:
                if self.fit.begins_otherwise(size):
                    return (
                        f"{' or '.join(size.words)} does not begin with the values of the fit, of which the recorded "
                        f"ones come first: pass those of the fit, and the new ones after them"
                    )
        return ""

    # ---------------------------------------------------------------------------------------------- targets

    @functools.cached_property
    def _may_hold_predictions(self) -> bool:
        """Nothing is drawn from a prediction target. A posterior of coefficients alone takes no further run."""
        latents = self.inspection.run.named("latent")
        return any(name in self.samples.shapes and name not in self.inspection.drawn_from for name in latents)

    def target(self, name: str) -> str | None:
        """How we know that a latent of this call is what is predicted; None: it is not."""
        if name in self.inspection.drawn_from:
            return None
        if name in self.samples.observed_data:
            return "in the fit"
        if not self._may_hold_predictions or name not in self.inspection.observable:
            return None
        return f"when {self.inspection.observable[name]} is given"

    # ------------------------------------------------------------------------------------------------- rows

    @functools.cached_property
    def _quiet(self) -> bool:
        """Whether no entry has a dimension that could follow anything, and all fit: sizes need not be looked for."""
        loops = any(character.isdigit() for entry in self.latents for character in entry.name)
        return not loops and all(entry.mismatch == () and not entry.recorded for entry in self.latents)

    def _may_be_rows(self, name: str) -> bool:
        return not self._quiet and name in self.inspection.run.sites and self.inspection.may_be_rows(name)

    def row_dims(self, name: str) -> frozenset[int]:
        """The dimensions of a latent that follow rows."""
        if not self._may_be_rows(name):
            return frozenset()
        return frozenset(self.inspection.row_dims.get(name, ()))

    def rows_of(self, name: str) -> list[Size]:
        """The rows that a latent has values for: along a dimension, or as one of many sites that a loop names."""
        if not self._may_be_rows(name):
            return []
        follows = self.inspection.sizes.followed_by(name)
        return [size for size in self.inspection.rows if size in follows]

    def others(self, size: Size) -> str:
        """Why the rows of this size are others than those of the fit; empty: they are not, or nothing tells."""
        if self.new_rows is not None:
            return "new_rows=True" if self.new_rows and size in self._meant else ""
        if size in self.fit.changed:
            return self.fit.changed[size]
        if self.inspection.assumed:
            return "no arguments were passed and the result has to fit any rows"
        if self.fit.same(size) is False:
            return "the data differ from those of the fit"
        return ""

    def guess(self, name: str) -> str:
        """Why a latent that fits is kept on a guess; empty: it is none."""
        if self.new_rows is False or self.verbs.get(name) or self.fit.had_no_arguments:
            return ""
        leading = [size for size in self.rows_of(name) if size in self._first_rows and not self._is_crossed(size)]
        if any(self.fit.same(size) is None for size in leading):
            return "nothing tells whether these are the rows of the fit"
        if not self._quiet and self._is_untold_row_by_row(name):
            return "it could not be told whether it has values for rows"
        return ""

    def is_continued(self, entry: Entry) -> bool:
        """A series recorded for other steps: in a ``scan``, or latents that a loop names, each drawn from the last."""
        if not self._quiet and any(map(self.fit.begins_otherwise, self.rows_of(entry.name))):
            return False
        changed = any(size in self.fit.changed for size in self.rows_of(entry.name))
        return entry.continues or (entry.mismatch == () and changed and self.inspection.is_chained(entry.name))

    def _is_crossed(self, size: Size) -> bool:
        """Whether a target has these rows along one dimension and rows of another number along another one: then it
        is the others that are new, and these are taken for the fit's."""
        of = self.inspection.sizes.of
        follow = (frozenset[Size]().union(*of[name]) for name in self.inspection.targets if name in of)
        return any(size in rows and not rows.isdisjoint(self.changed_rows) for rows in follow)

    @functools.cached_property
    def changed_rows(self) -> list[Size]:
        """Rows of another number than the fit had."""
        return [size for size in self.inspection.rows if size in self.fit.changed]

    @functools.cached_property
    def _first_rows(self) -> list[Size]:
        """Rows by the leading axis of an argument, if there are such: of a table the columns are seldom others."""
        rows = self.inspection.rows
        return [size for size in rows if any(axis.kind == "leading" for axis in size.axes)] or list(rows)

    def _is_untold_row_by_row(self, name: str) -> bool:
        if name not in self.inspection.run.sites:
            return False
        return any(self.inspection.is_used_row_by_row(name, dim) for dim in self.inspection.untold(name))

    @functools.cached_property
    def _meant(self) -> list[Size]:
        """The rows that ``new_rows=True`` speaks of: those whose number has changed, else the only ones."""
        return self.changed_rows or list(self.inspection.rows)

    def is_joint(self, entry: Entry) -> bool:
        """Whether the values along the rows that do not fit depend on each other: by distribution, or by use."""
        name, run = entry.name, self.inspection.run
        rank, joint = len(entry.shape or ()), run.joint.get(name, 0)
        for dim in entry.mismatch or ():
            if dim >= rank - joint or name in run.scanned:
                return True
            if self.inspection.stays_in_its_row(name, dim):
                continue
            for size in self.inspection.sizes.of[name][dim]:
                sites = frozenset(n for n in run.joint if any(size in dims for dims in self.inspection.sizes.of[n]))
                if reaches_other_rows(self.inspection.call, size.axes, name, dim, sites) is not False:
                    return True
        return False

    def lost(self, name: str) -> tuple[str, ...]:
        """Latents without an entry that a recorded value is computed from: its fitted values would be lost."""
        if all(p in self.entries for p in self.inspection.parents(name)) and not self._has_open_params:
            return ()
        used = self.inspection.used([n for n in self.entries if n != name], (name,))
        return tuple(p for p in used if self.is_missing(p) and not self._is_new(p))

    def missing(self, verdicts: Mapping[str, Verdict]) -> dict[str, tuple[str, ...]]:
        """Latents, or params, without an entry that are used all the same -> the entries that they may be."""
        inspection = self.inspection
        above = inspection.drawn_from.union(*inspection.ancestors.values()) if self.use.draws else ()
        if all(name in self.entries for name in above) and not self._has_open_params:
            return {}  # a target without an entry is what is predicted
        kept = [name for name, verdict in verdicts.items() if verdict.action == KEPT]
        if not kept and not self.use.at_once:
            return {}  # which is an error of its own
        used = [p for p in inspection.used(kept, self.use.returned) if self.is_missing(p)]
        found = {p: entries_for(p, inspection.run.sites[p].shape, self.unclaimed) for p in used}
        return {
            p: entries for p, entries in found.items() if not self._is_new(p) and (entries or not self._may_be_new(p))
        }

    @functools.cached_property
    def unclaimed(self) -> dict[str, Shape | None]:
        """Entries that are no site of this model."""
        return {name: entry.recorded for name, entry in self.entries.items() if entry.site is None}

    @property
    def _has_open_params(self) -> bool:
        return self.use.at_once and any(name not in self.entries for name in self.inspection.run.named("param"))

    def is_missing(self, name: str) -> bool:
        """Whether what stands in for an entry, if the site is used, is nothing that a fit has told."""
        site = self.inspection.run.sites[name]
        if name in self.entries or name in self.verbs or name in self.inspection.given:
            return False
        if site.kind == "param":
            return self.use.at_once
        if site.discrete or not self.use.draws:  # the former are marginalized
            return False
        return name not in self.samples.observed_data and name not in self.inspection.targets

    def _is_new(self, name: str) -> bool:
        """Whether a latent without an entry belongs to other rows than the fit's, or only to this call."""
        return any(self.others(size) for size in self._rows_of_missing(name)) or (
            self.inspection.run.sites[name].kind == "latent"
            and (self._is_beyond(name) or self.inspection.is_new_with_this_call(name))
        )

    def _may_be_new(self, name: str) -> bool:
        """Row-level latents are often left out on purpose: they are not missed but for the rows of the fit."""
        return self.new_rows is not False and any(
            self.fit.same(size) is not True for size in self._rows_of_missing(name)
        )

    def _rows_of_missing(self, name: str) -> list[Size]:
        if not self.inspection.run.sites[name].shape and not any(character.isdigit() for character in name):
            return []
        follows = self.inspection.sizes.followed_by(name)
        return [size for size in self.inspection.rows if size in follows]

    def _is_beyond(self, name: str) -> bool:
        """One of many that a loop over a size names, after those that were recorded."""
        loop = self.inspection.loop_of(name)
        recorded = [one in self.entries for one in loop]
        beyond = any(recorded) and not any(recorded[recorded.index(False) :])
        return beyond and name in self.inspection.sizes.loops

    @functools.cached_property
    def statistic(self) -> Statistic | None:
        """How rows that are not known to be the fit's act on each other."""
        if self.new_rows is False or not self.use.recomputes:
            return None
        return statistic(self.inspection, self.fit, [name for name, verb in self.verbs.items() if verb == "keep"])

    @property
    def remarks(self) -> tuple[str, ...]:
        return remarks(self.inspection, self.statistic)

    def _refuse_new_rows(self) -> None:
        new_rows = self.new_rows
        if new_rows is False:
            grown = {size for e in self.latents if self.is_continued(e) for size in self.rows_of(e.name)}
            if changed := [size for size in self.changed_rows if size not in grown]:
                raise OptionError(
                    f"new_rows=False says that the rows are those of the fit, but {self.fit.changed[changed[0]]}. "
                    f"Leave new_rows out, or pass the rows of the fit."
                )
        if new_rows and not self.changed_rows:
            named = {e.name: self.rows_of(e.name) for e in self.latents if e.verb is None}
            untold = [name for name in named if not self._quiet and self._is_untold_row_by_row(name)]
            several = [name for name, rows in named.items() if rows] if len(self.inspection.rows) > 1 else []
            if several or untold:
                rows = " and ".join(" = ".join(size.words) for size in self.inspection.rows)
                which = f"the targets follow {rows}" if several else "it could not be told what the rows are"
                raise OptionError(
                    f"new_rows=True does not tell which rows are others: {which}. Name the latents whose rows are "
                    f"others, as in redraw={tuple(several or untold)!r}, in place of new_rows."
                )


# --------------------------------------------------------------------------------------------------------- verbs


def settled(inspection: Inspection, samples: Container, options: Options) -> Verbs:
    """Entry, or latent without one -> the verb that settles it. A plate or labelled dim stands for its latents."""
    settled: Verbs = {}
    for verb, names in options.verbs.items():
        for name in names:
            for one in _named(inspection, samples, verb, name):
                if settled.setdefault(one, verb) != verb:
                    raise OptionError(f"{one!r} is named in {settled[one]} and in {verb}: name it in one of them.")
    return settled


def _named(inspection: Inspection, samples: Container, verb: str, name: str) -> list[str]:
    latents = inspection.run.named("latent")
    kinds = ("latent", "deterministic") if verb == "keep" else ("latent",)
    site = inspection.site(name)
    if verb == "extend" and name in latents and not any(n in samples.shapes for n in (name, *inspection.loop_of(name))):
        raise OptionError(f"extend names {name!r}, of which the samples have no entry: there is nothing to carry on.")
    if site is not None and site.kind in kinds:
        return [name]
    by_plate = [n for n in latents if any(plate.name == name for plate in inspection.run.sites[n].plates)]
    if found := list(dict.fromkeys([*by_plate, *(n for n in latents if name in samples.dims.get(n, ()))])):
        return found
    what = "not a site" if site is None else f"a site of kind {site.kind}"
    why = {
        "redraw": "only latents can be drawn from their prior",
        "keep": "only latents and recorded values are kept",
        "extend": "only latents, and plates or labelled dimensions of latents, are carried on",
    }[verb]
    raise OptionError(
        f"{verb} names {name!r}, which is {what} of this model: {why}, and its latents are "
        f"{listing(latents) or 'none'}."
    )


# ------------------------------------------------------------------------------------------------------ refusals


def refuse_other_model(inspection: Inspection, shapes: Mapping[str, Shape | None]) -> None:
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
    elif any("auto_" in name for name in shapes):
        way_out = "They are params of a guide: pass guide.sample_posterior(rng_key, params, sample_shape=(1000,))"
    elif trees:
        way_out = f"Entry {listing(trees)} is not an array: if it holds the draws, pass it alone"
    else:
        way_out = "Pass the model that was fitted"
    raise NoSharedSiteError(f"{what}. {way_out}.", entries=tuple(shapes), latents=latents)


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


def explains(inspection: Inspection, samples: Container) -> bool:
    """Whether every entry is a site of just the recorded shape, and what is computed is what was recorded."""
    try:
        ndims = len(batch_shape(samples.shapes, inspection, samples.batch_ndims))
    except BatchShapeError:
        return False
    sites = inspection.run.sites
    for name, shape in samples.shapes.items():
        if name not in sites or sites[name].shape != (None if shape is None else shape[ndims:]):
            return False
    draws = functools.partial(samples.some_draws, ndims=ndims)
    return contradiction(inspection.call, inspection.run, draws, list(samples.shapes)) is None


def _shapes_text(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{name!r} has shape {shape}" for name, shape in shapes.items())


def _refusals(table: _Table, verdicts: Mapping[str, Verdict]) -> Iterator[Refusal]:
    """What was refused, by its cause."""
    refused = [table.entries[name] for name, verdict in verdicts.items() if verdict.action == REFUSED]
    kept = [entry for entry in refused if entry.verb == "keep"]
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
    if kept or latents:
        recorded = {entry.name: entry.recorded for entry in dict.fromkeys([*latents, *kept])}
        texts = "; ".join(_mismatch_text(table, table.entries[name]) for name in recorded)
        yield Refusal(
            ShapeMismatchError,
            f"{texts[0].upper()}{texts[1:]}. {_way_out(table, verdicts, recorded)}",
            {"recorded": recorded, "model": {name: table.entries[name].shape for name in recorded}},
        )
    if missing := {
        entry.name: table.lost(entry.name) for entry in refused if not entry.is_latent and entry not in kept
    }:
        lost = tuple(dict.fromkeys(parent for parents in missing.values() for parent in parents))
        computed = "; ".join(f"{name!r} from {listing(parents)}" for name, parents in missing.items())
        yield Refusal(
            MissingLatentError,
            f"In this model {listing(missing)} would be recomputed from latents (or params) that have no entry "
            f"({computed}): stripped, the fitted values would be replaced by draws from the prior. Pass the model "
            f"that was fitted, add the missing entries, or {_settle(table.inspection, lost)}.",
            {"missing": missing},
        )


def _settle(inspection: Inspection, lost: Collection[str]) -> str:
    if any(inspection.run.sites[name].kind == "param" for name in lost):
        return "pass params="
    return f"pass redraw={tuple(lost)!r} to draw them from their prior"


def _way_out(table: _Table, verdicts: Mapping[str, Verdict], names: Collection[str]) -> str:
    if backwards := [name for name in names if name in table.inspection.reversed_series]:
        return (
            f"The scan of {listing(backwards)} runs in reverse, and NumPyro puts recorded values back in the order in "
            f"which it runs. For the steps of the fit, turn them round along their first axis and pass "
            f"keep={tuple(backwards)!r}; or pass redraw={tuple(backwards)!r} to draw from the prior."
        )
    latents = [entry for entry in table.latents if entry.recorded is not None and entry.shape is not None]
    by_chain = [e for e in latents if len(e.recorded or ()) == len(e.shape or ()) + 1]
    if latents == by_chain:
        return (
            "Every entry has one leading dimension too many: if the draws are grouped by chain, pass batch_ndims=2 to "
            "Predictive or log_likelihood."
        )
    if stuck := [name for name in names if table.entries[name].verb == "extend"]:
        reasons = (verdicts[name].reason.removeprefix("latent named in extend: ") for name in stuck)
        return f"{listing(stuck)} cannot be carried on: {'; '.join(dict.fromkeys(reasons))}."
    joint = [name for name in names if verdicts[name].reason.endswith("depend on each other")]
    redraw = tuple(names)
    ways = f"{_carry_on(table, names)}redraw={redraw!r} to draw from the prior."
    if joint:
        return (
            f"The values of {listing(joint)} depend on each other along the rows (a walk, a Gaussian process): drawn "
            f"anew, all that was fitted is lost. Pass the rows of the fit, or {ways}"
        )
    return (
        f"A fitted coefficient is never replaced by its prior unasked: pass arguments of the size that was fitted, or "
        f"{ways}"
    )


def _carry_on(table: _Table, names: Collection[str]) -> str:
    """The offer of ``extend=``, for entries of which the model has more."""
    grown = tuple(name for name in names if not table.cannot_go_on(table.entries[name]))
    if not grown:
        return ""
    dims = [dim for name in grown for dim in per_draw_dims(table.samples, name) if dim in table.samples.labels]
    levels = f", and levels={{{dims[0]!r}: [...]}} to say which is which" if dims else ""
    return f"extend={grown!r} (of the drop-ins; sites= of sanitize.extend) to draw the others given them{levels}, or "


def _mismatch_text(table: _Table, entry: Entry) -> str:
    was, now = entry.recorded or (), entry.shape or ()
    kind = "latent" if entry.is_latent else "entry"
    text = f"{kind} {entry.name!r} has recorded shape {was} per draw, the model's is {now}"
    for dim in entry.mismatch or ():
        text += f"; dimension {dim} is {was[dim]} instead of {now[dim]}{_likely_sources(table.inspection, entry, dim)}"
    return text


def _likely_sources(inspection: Inspection, entry: Entry, dim: int) -> str:
    """Every argument that may have brought a size: what the dimension follows, else all that are as long."""
    if entry.name not in inspection.run.sites:
        return ""
    call, length = with_defaults(inspection.call), (entry.shape or ())[dim]
    told = {axis.leaf for size in inspection.sizes.of[entry.name][dim] for axis in size.axes}
    found = []
    for i, (name, leaf) in enumerate(zip(call.names, call.leaves)):
        if is_integer(leaf) and (i in told or (not told and int(leaf) == length)):
            found.append(f"argument {name!r} is {leaf}")
        elif shape_of(leaf) and (i in told or (not told and length in shape_of(leaf))):
            turned = sorted(shape_of(leaf)) == sorted((length, (entry.recorded or ())[dim])) and "; is it transposed?"
            found.append(f"argument {name!r} has shape {shape_of(leaf)}{turned or ''}")
    return f" ({', '.join(found)})" if found else ""


def _what(shape: Shape | None) -> str:
    return "a mapping or tuple" if shape is None else f"an array of shape {shape} per draw"


# ------------------------------------------------------------------------------------------------------- notices


def _notices(table: _Table, verdicts: Mapping[str, Verdict]) -> Iterator[Notice]:
    """Nothing is drawn from a prior, or kept on a guess, without a warning that says how to settle it."""
    yield from _row_notices(table, verdicts)
    if table.use.at_once and table.use.draws and (data := _data_for_predictions(table)):
        yield Notice(
            SanitizeWarning,
            "; ".join(f"{argument!r} is given, so for {listing(sites)} the data come back" for argument, sites in data)
            + f": to predict, leave out {listing(argument for argument, _ in data)}.",
            {},
        )
    if missing := table.missing(verdicts):
        said = message(table.inspection, missing, table.unclaimed, table.use)
        yield Notice(MissingLatentWarning, said, {"missing": missing})
    kept = [e.name for e in table.latents if verdicts[e.name].action == KEPT and e.verb is None]
    if differences := other_arguments(table.inspection, table.samples, table.fit, kept):
        said = "; ".join(f"{argument}: {words}" for argument, words in differences.items())
        yield Notice(
            OtherArgumentsWarning,
            f"This call differs from the fit in its arguments: {said}. The fitted values are used all the same. Pass "
            f"what the fit was given, or keep={tuple(kept)!r} if this is meant.",
            {"differences": differences},
        )
    if indices := table.inspection.indices_out_of_range:
        yield Notice(IndexRangeWarning, indices_message(indices), {"indices": indices})
    if (found := table.statistic) is not None:
        yield Notice(DataStatisticWarning, statistic_message(found, table.fit), {"statistic": found})


def _data_for_predictions(table: _Table) -> list[tuple[str, list[str]]]:
    """Arguments that observe sites which are asked for, where nothing is left to predict."""
    inspection, asked = table.inspection, table.use.returned
    observed = [n for n in inspection.run.named("observed") if asked is None or n in asked]
    if not observed or not inspection.targets.isdisjoint(inspection.run.named("latent")):
        return []
    found = []
    for p in inspection.call.parameters or ():
        if p.default is None and p.name in inspection.call.names:
            without = try_run(inspection.call.with_leaves({inspection.call.names.index(p.name): None}))
            sites = [n for n in observed if without and n in without.sites and without.sites[n].kind == "latent"]
            found += [(p.name, sites)] if sites else []
    return found


def _row_notices(table: _Table, verdicts: Mapping[str, Verdict]) -> Iterator[Notice]:
    if table.new_rows is True:
        return
    free = [entry for entry in table.latents if entry.verb is None and entry.shape_holds_values]
    redrawn = [entry for entry in free if verdicts[entry.name].action == STRIPPED]
    if redrawn:
        why = verdicts[redrawn[0].name].reason.removeprefix("row-level latent: ").removesuffix(f", {_REDRAWN}")
        names = tuple(entry.name for entry in redrawn)
        settle = f"Pass new_rows=True or redraw={names!r} if this is meant"
        if not any(entry.mismatch for entry in redrawn):
            settle += ", or new_rows=False to keep them"
        if carry_on := _carry_on(table, [entry.name for entry in redrawn if entry.mismatch]):
            settle += f", or {carry_on.removesuffix(', or ')}"
        yield Notice(
            RedrawnSiteWarning,
            f"Stripped the row-level latents {_sizes(redrawn)}: {why}. The model draws them from their prior, given "
            f"the other draws; none of their fitted values is used. {settle}.",
            {"sites": names},
        )
    kept = [entry for entry in free if verdicts[entry.name].action == KEPT and not table.is_continued(entry)]
    guessed = [entry for entry in kept if table.guess(entry.name)]
    if guessed:
        names = tuple(entry.name for entry in guessed)
        yield Notice(
            RowLevelSiteWarning,
            f"Kept the row-level latents {_sizes(guessed)}: they fit, but {table.guess(names[0])}. "
            f"Pass new_rows=False if the rows are the same, new_rows=True if not; or name entries in keep={names!r} or "
            f"redraw={names!r}.",
            {"sites": names},
        )


def _sizes(entries: Sequence[Entry]) -> str:
    """``'z' (recorded (100,), model (20,))``."""
    return ", ".join(
        f"{entry.name!r} (recorded {shape_text(entry.recorded)}, model {shape_text(entry.shape)})" for entry in entries
    )


def shape_text(shape: Shape | None) -> str:
    return "-" if shape is None else str(shape)
