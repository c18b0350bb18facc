"""An entry of posterior samples, and all that is known of it.

A further run of the model takes time. So a fact is asked where it can decide something, and remembered.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import Enum
from functools import cached_property
from typing import Any

from ..carry import has_rule
from ..fit import Fit
from ..kinds import Shape
from ..model import argument
from ..model.argument import is_integer
from ..model.dists import support_of
from ..model.interventions import set_sites, without
from ..model.jaxpr import ancestors, drawn_from
from ..model.replay import Draw, Outcome, attempt, attempt_or_why, replay
from ..model.rows import Statistic, reaches_other_rows
from ..model.sizes import Size
from ..model.support import outside
from ..model.trace import Run, try_run
from ..options import Options

Names = tuple[str, ...]
Verbs = dict[str, str]  # entry, or latent without one -> "keep", "redraw" or "extend"

_ENDINGS = ("_decentered", "_base")  # NumPyro's reparametrizations name so what they draw instead
_ALIKE = 0.75  # from which ratio on two names differ by a slip of the pen


class Obstacle(Enum):
    """Why a latent cannot be carried on, as far as shapes and arguments tell."""

    RANK = "another number of dimensions"
    FEWER = "fewer values than were fitted"
    REVERSED = "a reversed scan"
    NO_STEPS = "along another dimension than the steps of a scan"
    BEGINNING = "other arguments for what was fitted"


class Entry:
    """One entry, and what is known of it."""

    def __init__(self, facts: Facts, name: str, recorded: Shape | None):
        self.facts, self.name, self.recorded = facts, name, recorded  # per draw; None for a tree of arrays
        self.site = facts.inspection.site(name)  # with these arguments
        self.kind = "" if self.site is None else self.site.kind
        self.shape = None if self.site is None else self.site.shape
        self.is_latent = self.kind == "latent"

    @property
    def verb(self) -> str | None:
        """``"keep"``, ``"redraw"`` or ``"extend"``, where the user named it."""
        return self.facts.verbs.get(self.name)

    @cached_property
    def target(self) -> str | None:
        """How we know that a latent of this call is predicted; None: it is not."""
        return self.facts.target(self.name)

    @property
    def holds_values(self) -> bool:
        return self.shape is None or 0 not in self.shape

    # ------------------------------------------------------------------------------------------------- shapes

    @cached_property
    def lengths(self) -> Shape | None:
        """The recorded shape with as many dimensions as the model's: axes of size one in front broadcast."""
        if self.recorded is None or self.shape is None:
            return None
        more = len(self.recorded) - len(self.shape)
        broadcasts = more >= 0 and set(self.recorded[:more]) <= {1}
        return self.recorded[more:] if broadcasts else None

    @cached_property
    def mismatch(self) -> tuple[int, ...] | None:
        """The dimensions in which the recorded shape is not the model's; None where their number differs."""
        if self.lengths is None:
            return () if self.recorded is self.shape else None  # both are trees of arrays
        return tuple(dim for dim, length in enumerate(self.shape or ()) if self.lengths[dim] != length)

    @property
    def fits(self) -> bool:
        return self.mismatch == ()

    @property
    def is_shorter(self) -> bool:
        """Whether the model has fewer values than were fitted, along some dimension."""
        return any(was > now for was, now in zip(self.lengths or (), self.shape or ()))

    @property
    def fits_but_for_rows(self) -> bool:
        dims = self.facts.inspection.row_dims.get(self.name, ()) if self.rows else ()
        return self.mismatch is not None and {*self.mismatch} <= {*dims}

    @property
    def is_scanned(self) -> bool:
        return self.name in self.facts.inspection.run.scanned

    @property
    def is_reversed(self) -> bool:
        """Whether it stands in a ``scan(reverse=True)``, where NumPyro puts recorded values back in reverse."""
        return self.name in self.facts.inspection.reversed_series

    @cached_property
    def is_continued(self) -> bool:
        """A series recorded for other steps: in a ``scan``, or latents that a loop names, each drawn from the last."""
        fit = self.facts.fit
        if any(map(fit.begins_otherwise, self.rows)):
            return False
        if self.is_scanned and self.mismatch == (0,):
            return not self.is_shorter
        changed = any(size in fit.changed for size in self.rows)
        return self.fits and changed and self.facts.inspection.is_chained(self.name)

    # --------------------------------------------------------------------------------------------------- rows

    @cached_property
    def rows(self) -> list[Size]:
        """The rows that it has values for: along a dimension, or as one of many sites that a loop names."""
        return self.facts.rows_of(self.name)

    @cached_property
    def other_rows(self) -> Size | None:
        """Its rows that are proven to be other rows than those of the fit."""
        return next(filter(self.facts.are_others, self.rows), None)

    @cached_property
    def rows_are_untold(self) -> bool:
        """Whether nothing tells that its rows are those of the fit."""
        if self.is_of_a_subsample:
            return self.facts.new_rows is not False
        if self.facts.rows_are_settled:
            return False
        doubtful = filter(self.facts.may_be_others, self.rows)
        return any(self.facts.fit.same(size) is None for size in doubtful)

    @property
    def is_of_a_subsample(self) -> bool:
        """Whether it has values for a subsample of a plate: each run draws another subsample."""
        plates = () if self.site is None else self.site.plates
        return any(plate.name in self.facts.inspection.run.subsampled for plate in plates)

    @cached_property
    def may_have_rows(self) -> bool:
        """Whether it is used row by row along a dimension of which it could not be told what it follows."""
        inspection = self.facts.inspection
        if self.facts.rows_are_settled or not self.shape or self.name not in inspection.run.sites:
            return False
        untold = inspection.untold(self.name)
        return any(inspection.is_used_row_by_row(self.name, dim) for dim in untold)

    @cached_property
    def packed_rows(self) -> set[bool | None]:
        """For a vector into which NeuTra packs values for rows: whether these are the fit's rows; None: not known."""
        inspection = self.facts.inspection
        if self.name.endswith("_shared_latent") and not self.facts.rows_are_settled:
            for name in inspection.run.named("deterministic"):
                # NumPyro adds this factor for each latent that it takes out of the vector
                is_packed = f"_{name}_log_prob" in inspection.run.sites
                if is_packed and inspection.untold(name):
                    same = map(self.facts.fit.same, inspection.sizes.fixed)
                    return {False} if self.facts.new_rows else set(same)
        return set()

    @cached_property
    def follows_arguments(self) -> bool:
        """Whether it is as long as an argument."""
        if not self.shape or self.name not in self.facts.inspection.run.sites:
            return False
        return not all(size.is_lone for size in self.facts.inspection.sizes.followed_by(self.name))

    @cached_property
    def is_joint(self) -> bool:
        """Whether the values along the rows that do not fit depend on each other: by distribution, or by use."""
        return self._is_drawn_jointly(self.mismatch or ()) or any(acts for acts, _ in self._acting)

    def _is_drawn_jointly(self, dims: Iterable[int]) -> bool:
        """By distribution along one of these dimensions, or step by step in a scan."""
        return any(dim >= self._batch_ndim or self.is_scanned for dim in dims)

    @property
    def _batch_ndim(self) -> int:
        """The number of dimensions along which values are drawn independently of each other."""
        return len(self.shape or ()) - self.facts.inspection.run.joint.get(self.name, 0)

    @property
    def why_untold(self) -> str:
        """Why it could not be told whether they do; empty: it could."""
        return next((why for _, why in self._acting if why), "")

    @cached_property
    def _acting(self) -> list[tuple[bool | None, str]]:
        """For each dimension that does not fit: whether its values act on other rows, or why that is not known."""
        found: list[tuple[bool | None, str]] = []
        for dim in self.mismatch or ():
            if not self.facts.inspection.stays_in_its_row(self.name, dim):
                found += self.facts.acts_on_other_rows(self.name, dim)
        return found

    @property
    def is_kept_jointly(self) -> bool:
        """Whether it is drawn jointly along rows, of which there are as many as in the fit: a walk, a Dirichlet."""
        facts = self.facts
        if facts.new_rows or facts.inspection.assumed:
            return False
        if any(size in facts.fit.changed for size in self.rows):
            return False
        return self._is_drawn_jointly(facts.inspection.row_dims.get(self.name, ()))

    @property
    def stays_in_its_rows(self) -> bool:
        """Whether the jaxpr shows that none of its values for rows has a part in what is drawn at other rows."""
        inspection = self.facts.inspection
        dims = inspection.row_dims.get(self.name, ())
        if not dims or self._is_drawn_jointly(dims):
            return False
        return all(inspection.stays_in_its_row(self.name, dim) for dim in dims)

    @cached_property
    def outside(self) -> Any:
        """A value among its draws that its site cannot have; None: there is none."""
        return self.facts.outside(self.name)

    # --------------------------------------------------------------------------------------------- carrying on

    @cached_property
    def obstacle(self) -> Obstacle | None:
        """Why it cannot be carried on; None: it can, as far as shapes and arguments tell."""
        if self.lengths is None:
            return Obstacle.RANK
        if self.is_shorter:
            return Obstacle.FEWER
        if self.is_reversed:
            return Obstacle.REVERSED
        if self.is_scanned and self.mismatch not in ((), (0,)):
            return Obstacle.NO_STEPS
        return Obstacle.BEGINNING if self.other_beginning else None

    @property
    def goes_on(self) -> bool:
        """Whether ``extend`` may be offered: it has become longer, and it is known how its distribution goes on."""
        run, grown = self.facts.inspection.run, self.mismatch
        if not grown or self.obstacle or self.name in run.made_up:
            return False
        if not all(map(self.facts.fit.is_continued, self._rows_put_into)):
            return False
        # of the dimensions that are drawn jointly, only the first one goes on
        beyond = max(grown) - self._batch_ndim
        return beyond < 0 or (beyond == 0 and has_rule(run.families[self.name]))

    @property
    def is_written(self) -> bool:
        """Whether the model fixes how many values it has: no argument makes them more."""
        inspection, name = self.facts.inspection, self.name
        return not (inspection.untold(name) or inspection.sizes.followed_by(name))

    @cached_property
    def other_beginning(self) -> Size | None:
        """The size along which it does not fit, and whose arguments do not begin with those of the fit."""
        for dim in self.mismatch or ():
            for size in self.facts.inspection.sizes.of[self.name][dim]:
                if self.facts.fit.begins_otherwise(size):
                    return size
        return next(filter(self.facts.begin_otherwise, self._rows_put_into), None)

    @property
    def _rows_put_into(self) -> list[Size]:
        """The rows into which an index puts its values: their number does not say where the fitted values belong."""
        found: list[Size] = []
        for dim in self.mismatch or ():
            found += self.facts.inspection.put_into.get((self.name, dim), ())
        return found

    @cached_property
    def lost(self) -> Names:
        """Latents without an entry that a recorded value is computed from: its fitted values would be lost."""
        others = [name for name in self.facts.entries if name != self.name]
        lost = self.facts.missed(others, (self.name,))
        return tuple(name for name in lost if not self.facts.is_marginalized(name))


class Facts:
    """What is known of a call and of the fit, for all entries, and for latents that have none."""

    def __init__(self, fit: Fit, verbs: Verbs, options: Options):
        self.fit, self.inspection, self.samples = fit, fit.inspection, fit.samples
        self.verbs, self.new_rows, self.use = dict(verbs), options.new_rows, options.use
        self.entries = {name: Entry(self, name, shape) for name, shape in fit.recorded.items()}

    @cached_property
    def latents(self) -> list[Entry]:
        """The entries whose shape has to fit."""
        latents = [entry for entry in self.entries.values() if entry.is_latent]
        return [entry for entry in latents if entry.verb != "redraw" and not entry.target]

    # ------------------------------------------------------------------------------------------------- targets

    def target(self, name: str) -> str | None:
        """How we know that a latent of this call is what is predicted; None: it is not."""
        if name in self.inspection.drawn_from:  # known without a further run
            return None
        if name in self.samples.observed_data:
            return "in the fit"
        what = self.inspection.observable.get(name)
        return f"when {what} is given" if what else None

    # ---------------------------------------------------------------------------------------------------- rows

    def rows_of(self, name: str) -> list[Size]:
        """The rows that a latent has values for."""
        site = self.inspection.run.sites.get(name)
        # a site without a dimension, and without a number in its name, follows nothing. Sizes take further runs
        may_follow = site is not None and (site.shape or _is_numbered(name))
        if not may_follow or not self.inspection.may_be_rows(name):
            return []
        rows = self.inspection.rows_of(name)
        return [size for size in self.inspection.rows if size in rows]

    @cached_property
    def changed_rows(self) -> list[Size]:
        """Rows of another number than the fit had."""
        return [size for size in self.inspection.rows if size in self.fit.changed]

    def are_others(self, size: Size) -> bool:
        """Whether the rows of this size are proven, or said, to be others than those of the fit."""
        if self.new_rows:  # the rows whose number has changed are meant; if none has, the only rows
            return size in (self.changed_rows or self.inspection.rows)
        if self.new_rows is False:
            return False
        if size in self.fit.changed or self.inspection.assumed:
            return True
        return self.fit.same(size) is False

    def begin_otherwise(self, size: Size) -> bool:
        """Whether the rows are known not to begin with those of the fit."""
        is_known = any(self.fit.leaf(axis.leaf) is not None for axis in size.axes)
        return is_known and self.fit.same(size) is False and not self.fit.is_continued(size)

    @property
    def rows_are_settled(self) -> bool:
        return self.new_rows is False or self.fit.had_no_arguments

    @cached_property
    def _leading_rows(self) -> list[Size]:
        """Rows that are the leading axis of an argument, if there are such: the columns of a table are seldom new.

        Covariates come before data: species that lead the observed array alone are seldom new.
        """
        led, read = [], []
        for size in self.inspection.rows:
            leading = [axis for axis in size.axes if axis.kind == "leading"]
            arguments = {self.fit.call.names[axis.leaf] for axis in leading}
            if arguments:
                led.append(size)
            if not arguments.isdisjoint(self.inspection.arguments.drawn_with):
                read.append(size)
        return read or led or list(self.inspection.rows)

    def may_be_others(self, size: Size) -> bool:
        """Whether rows of this size may be other rows than the fit's, where nothing tells.

        Not if a target has them along one dimension, and rows of another number along another dimension: then those are
        new, and these are taken for the fit's.
        """
        if size not in self._leading_rows:
            return False
        of = self.inspection.sizes.of
        for name in self.inspection.targets.intersection(of):
            follows = frozenset[Size]().union(*of[name])
            if size in follows and not follows.isdisjoint(self.changed_rows):
                return False
        return True

    def acts_on_other_rows(self, name: str, dim: int) -> Iterator[tuple[bool | None, str]]:
        """Whether a latent's value at one row has a part in what is drawn at another, or why that could not be told."""
        inspection, of = self.inspection, self.inspection.sizes.of
        for size in inspection.rows_along(name, dim):
            joint = [site for site in inspection.run.joint if any(size in follows for follows in of[site])]
            yield attempt_or_why(reaches_other_rows, inspection.call, size.axes, name, dim, frozenset(joint))

    def outside(self, name: str) -> Any:
        """A value among the draws of a latent that is not in its support; None: there is none, or it is not known."""
        support = self.inspection.run.supports.get(name)
        if support is None:
            return self._outside_of_bounds_drawn(name)
        draws = self.samples.draws_in_memory(name, self.fit.ndims)
        return None if draws is None else attempt(outside, support, draws)

    def _outside_of_bounds_drawn(self, name: str) -> Any:
        """The same where the bounds depend on the draw: a few draws are looked at."""
        if not self.entries.keys() >= {*self.inspection.parents(name)}:
            return None
        for draw, outcome in self._few_replayed:
            value = attempt(outside, support_of(outcome[name].fn), draw[name])
            if value is not None:
                return value
        return None

    @cached_property
    def _few_replayed(self) -> list[tuple[Draw, Outcome]]:
        """A few draws of the entries whose shapes fit, and runs with them."""
        names = [entry.name for entry in self.latents if entry.fits]
        draws = self.samples.some_draws(names, self.fit.ndims)
        found: list[tuple[Draw, Outcome]] = []
        for one in range(min(map(len, draws.values()))):
            draw = {name: values[one] for name, values in draws.items()}
            outcome = attempt(replay, self.inspection.call, draw)
            if outcome is not None:
                found.append((draw, outcome))
        return found

    # --------------------------------------------------------------------------------------------- carrying on

    def extend_all(self) -> None:
        """Carry on what ``extend=True`` stands for.

        Latents that do not fit, those that fit and may have other rows, and those of a loop after the recorded ones.
        """
        for entry in self.latents:
            if entry.verb is not None:
                continue
            goes_on = entry.holds_values
            if entry.fits:
                goes_on = entry.rows_are_untold or entry.may_have_rows
            if goes_on:
                self.verbs[entry.name] = "extend"
        for name in self.inspection.run.named("latent"):
            if name not in self.entries and self.is_beyond(name) and not self.target(name):
                self.verbs.setdefault(name, "extend")

    def extended(self) -> Names:
        """The latents of the verb ``extend`` of which something is to be drawn."""
        found = []
        for name, verb in self.verbs.items():
            if verb != "extend" or self.target(name):
                continue
            if name in self.entries:
                is_longer = bool(self.entries[name].mismatch)
            else:
                is_longer = any(one in self.entries for one in self.inspection.loop_of(name))
            if is_longer:
                found.append(name)
        return tuple(found)

    def is_beyond(self, name: str) -> bool:
        """Whether a loop over a size names it, after those that were recorded."""
        recorded = [one in self.entries for one in self.inspection.loop_of(name)]
        beyond = any(recorded) and not any(recorded[recorded.index(False) :])
        return beyond and name in self.inspection.sizes.loops

    # -------------------------------------------------------------------------------------- without an entry

    def missed(self, kept: Sequence[str], returned: Names | None) -> list[str]:
        """Latents and params without an entry that have a part in what is returned, and belong to the fit."""
        used = self.inspection.used(kept, returned)
        return [name for name in used if self._is_missing(name) and not self._is_new(name)]

    def _is_missing(self, name: str) -> bool:
        """Whether the site would be used without a fitted value."""
        if name in self.entries or name in self.verbs or name in self.inspection.run.given:
            return False
        if self.inspection.run.sites[name].kind == "param":
            return self.use.at_once
        if not self.use.draws:
            return False
        return name not in self.samples.observed_data and name not in self.inspection.targets

    def _is_new(self, name: str) -> bool:
        """Whether a latent without an entry belongs to other rows than the fit's, or only to this call."""
        if any(map(self.are_others, self.rows_of(name))):
            return True
        if self.inspection.run.sites[name].kind != "latent":
            return False
        is_new = self.is_beyond(name) or self.inspection.is_new_with_this_call(name)
        return is_new or self.fit.is_new(name)

    def is_marginalized(self, name: str) -> bool:
        """Whether a latent is discrete: a fit enumerates it, and has no draws of it."""
        site = self.inspection.run.sites[name]
        return site.discrete and site.kind == "latent"

    def _is_of_rows_or_inferred(self, name: str) -> bool:
        """Whether the prior of a discrete latent is right: the latent belongs to a row, or NumPyro infers it."""
        inspection = self.inspection
        infers = not inspection.call.masked  # as with `infer_discrete`
        of_any_rows = inspection.assumed and inspection.sizes.followed_by(name)
        return infers or bool(self.rows_of(name) or inspection.untold(name) or of_any_rows)

    def _may_be_left_out(self, name: str) -> bool:
        """Row-level latents are often left out on purpose: they are not missed but for the rows of the fit."""
        if self.new_rows is False:
            return False
        return any(self.fit.same(size) is not True for size in self.rows_of(name))

    def missing(self, kept: Sequence[str]) -> dict[str, Names]:
        """Latents, or params, without an entry that are used all the same -> the entries that they may be."""
        found: dict[str, Names] = {}
        if not kept and not self.use.at_once:  # which is an error of its own
            return found
        for name in self.missed(kept, self.use.returned):
            if self.is_marginalized(name) and self._is_of_rows_or_inferred(name):
                continue
            entries = self._entries_for(name)
            if entries or not self._may_be_left_out(name):
                found[name] = entries
        return found

    @cached_property
    def unclaimed(self) -> list[Entry]:
        """Entries that are no site of this model."""
        return [entry for entry in self.entries.values() if entry.site is None]

    def _entries_for(self, name: str) -> Names:
        """The entries that no site claims, which a latent may be under another name."""
        found, shape = [], self.inspection.run.sites[name].shape
        for entry in self.unclaimed:
            is_alike = entry.recorded == shape and _alike(name, entry.name)
            if is_alike or is_of_guide(name, entry.name):
                found.append(entry.name)
        return tuple(found)

    # ----------------------------------------------------------------------------------------------- arguments

    def sources(self, entry: Entry, dim: int) -> Iterator[tuple[str, Any]]:
        """Every argument that may have brought a size: what the dimension follows, else all that are as long."""
        if entry.name not in self.inspection.run.sites:
            return
        call, length = self.fit.call, (entry.shape or ())[dim]
        follows = self.inspection.sizes.of[entry.name][dim]
        told = {axis.leaf for size in follows for axis in size.axes}
        for i, (name, leaf) in enumerate(zip(call.names, call.leaves)):
            lengths = (int(leaf),) if is_integer(leaf) else argument.of(leaf).shape
            if lengths and (i in told if told else length in lengths):
                yield name, leaf

    def data_for_predictions(self) -> list[tuple[str, list[str]]]:
        """Arguments that observe sites which are asked for, where nothing is left to predict."""
        call, observed, found = self.inspection.call, self._observed_for_nothing, []
        parameters = call.parameters if observed else ()
        for parameter in parameters or ():
            if parameter.default is not None or parameter.name not in call.names:
                continue
            leaf = call.names.index(parameter.name)
            without = try_run(call.with_leaves({leaf: None}))
            if without is None:
                continue
            latents = without.named("latent")
            predicted = [name for name in observed if name in latents]
            if predicted and not self._are_computed_from(predicted, without):
                found.append((parameter.name, predicted))
        return found

    def conditioned_data(self) -> Names:
        """The same of what `condition` around the model observes, and nothing else is drawn from."""
        predicted = self.inspection.ends.intersection(self.inspection.run.named("latent"))
        if not predicted <= self.entries.keys():
            return ()
        call = self.inspection.call
        conditioned = set_sites(call.model)
        names = tuple(name for name in self._observed_for_nothing if name in conditioned)
        plain = try_run(replace(call, model=without(call.model, names))) if names else None
        causes = drawn_from(plain) if plain else ()
        return tuple(name for name in names if name not in causes)

    @cached_property
    def _observed_for_nothing(self) -> list[str]:
        """The observed sites that are returned, where no target is left to predict, and no discrete latent."""
        run = self.inspection.run
        latents = run.named("latent")
        discrete = [name for name in latents if run.sites[name].discrete and name not in self.entries]
        observed = [name for name in run.named("observed") if self._is_returned(name)]
        if not observed or discrete or not self.inspection.targets.isdisjoint(latents):
            return []
        return observed

    def _is_returned(self, name: str) -> bool:
        return self.use.returned is None or name in self.use.returned

    def _are_computed_from(self, data: list[str], without: Run) -> bool:
        """Whether a deterministic site that is returned is made of data, as residuals are: these are passed for it."""
        above = ancestors(without)
        computed = [*filter(self._is_returned, self.inspection.run.named("deterministic"))]
        if not without.sites.keys() >= {*computed}:
            return True
        return any(not above[name].isdisjoint(data) for name in computed)

    @property
    def statistic(self) -> Statistic | None:
        """How rows that are not known to be the fit's act on each other; None: they do not, or it cannot be told."""
        return self._statistic[0]

    @property
    def why_rows_are_untold(self) -> str:
        """Why it cannot be told whether they do; empty: it can."""
        return self._statistic[1]

    @cached_property
    def _statistic(self) -> tuple[Statistic | None, str]:
        inspection, fit = self.inspection, self.fit
        if self.new_rows is False or not self.use.recomputes or inspection.assumed:
            return None, ""
        arrays = [entry for entry in self.entries.values() if entry.recorded is not None]
        computed = [entry.name for entry in arrays if entry.kind == "deterministic"]
        latents = [entry.name for entry in arrays if entry.is_latent]
        if not latents or not (inspection.rows_may_meet or inspection.rows_may_be_counted):
            return None, ""
        draws = fit.samples.some_draws([*latents, *computed], fit.ndims, 1)
        draw = {name: values[0] for name, values in draws.items()}
        kept = [name for name, verb in self.verbs.items() if verb == "keep"]
        # what cannot change may be rows, too: beside a column that the model closes over
        rows = inspection.rows or inspection.sizes.fixed
        alone = []
        if inspection.rows_may_meet:
            alone = [name for name in latents if self.entries[name].stays_in_its_rows]
        found, why = inspection.statistic(draw, kept, rows, alone)
        if found is None and not why:
            return None, ""
        # only now, since values are compared for it
        others = [size for size in rows if not fit.is_continued(size)]
        if found is None:
            return None, why if others else ""
        if found.arguments and fit.had(found.arguments, draw):
            return None, ""
        return (found, "") if len(others) == len(rows) else inspection.statistic(draw, kept, others, alone)


def names_of(entries: Iterable[Entry]) -> Names:
    return tuple(entry.name for entry in entries)


def _is_numbered(name: str) -> bool:
    return any(character.isdigit() for character in name)


def is_of_guide(name: str, entry: str) -> bool:
    """Whether an entry is a param that an ``AutoGuide`` has for a latent."""
    return entry.startswith(f"{name}_auto_")


def _alike(name: str, entry: str) -> bool:
    shorter, longer = sorted((name, entry), key=len)
    before = longer.removesuffix(shorter)
    scoped = before != longer and not before[-1:].isalnum()
    ending = longer.removeprefix(shorter) in _ENDINGS
    matcher = difflib.SequenceMatcher(None, name.casefold(), entry.casefold())
    return scoped or ending or matcher.ratio() >= _ALIKE
