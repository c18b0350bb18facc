"""What verdicts ask of a model under given arguments: one run, and answers that are worked out when first asked for."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from . import argument
from .call import Axis, Call, resized, with_defaults
from .index import OutOfRange, out_of_range
from .jaxpr import (
    NOTHING,
    PLACED,
    ROW_BY_ROW,
    Labels,
    ancestors,
    drawn_from,
    flow,
    may_count_rows,
    of_parameters,
    parents,
    placed_at,
    places_by_index,
    reversed_series,
    rows_may_meet,
    uses,
)
from .replay import Draw, Programs, attempt, attempt_or_why
from .rows import Scene, Statistic, find_place, find_statistic
from .sizes import Size, Sizes, cut, find_sizes, numbered
from .targets import Observation, observations, rows_with_its_data
from .trace import Dim, Run, Site, run, try_run, with_params_as_variables

Names = Collection[str]


class Uses(NamedTuple):
    """Arguments, by name: what sites are drawn with, what is observed, and what has a part in anything.

    Values that stand in the jaxpr as constants count as used.
    """

    drawn_with: Labels
    observed: Labels
    all: Labels


@dataclass(frozen=True, eq=False)
class Inspection:
    """A call, its run, and what jaxpr and further runs tell of it."""

    call: Call
    run: Run
    assumed: tuple[str, ...] = ()  # arguments that were worked out from the samples: "X: float32[1000, 3]"
    programs: Programs = field(default_factory=dict, repr=False)  # runs on few rows, for other values of these shapes

    @classmethod
    def of(cls, call: Call) -> Inspection:
        """Run the model of a call, in the first mode that works."""
        outcome, call = run(call)
        return cls(call, outcome)

    def with_call(self, call: Call) -> Inspection:
        """The inspection of a call with other values of the same shapes: what shapes tell is not asked again."""
        call = replace(call, mode=self.call.mode, masked=self.call.masked)
        if call.mode != "abstract":  # the run is made with values
            return replace(Inspection.of(call), assumed=self.assumed)
        other = replace(self, call=call)
        for name, answer in vars(self).items():
            vars(other).setdefault(name, answer)
        return other

    def without_values(self) -> Inspection:
        """Without the values that the run did not need: other calls of the same shapes have other ones."""
        if self.call.mode != "abstract":
            return self
        return self.with_call(self.call.withheld(self.call.traced))

    @functools.cached_property
    def ancestors(self) -> Mapping[str, Labels]:
        """The latents that the value of each site is computed or drawn from."""
        return ancestors(self.run)

    def parents(self, name: str) -> tuple[str, ...]:
        """The same for one site, in the order of the run."""
        above = self.ancestors.get(name, ())
        return tuple(n for n in self.run.sites if n in above)

    @functools.cached_property
    def drawn_from(self) -> frozenset[str]:
        """Latents that a sample site is drawn from."""
        return drawn_from(self.run)

    @functools.cached_property
    def _parents(self) -> Mapping[str, Labels]:
        """The latents and params that each site is computed or drawn from."""
        marked = None
        if self.run.named("param"):
            marked = try_run(replace(self.call, model=with_params_as_variables(self.call.model)))
        return parents(marked or self.run, ("latent", "param"))

    def used(self, kept: Names, returned: Names | None = None) -> list[str]:
        """Latents and params that have a part in the sites that are returned (None: in all sites).

        The values of ``kept`` ones are put in: what those were drawn from is used no more.
        """
        sites = self.run.sites
        todo = set(sites if returned is None else returned).difference(kept)
        found: set[str] = set()
        while todo:
            above = self._parents.get(todo.pop(), NOTHING)
            new = above.difference(found, kept)
            found |= new
            todo |= new
        return [name for name in sites if name in found]

    def unrecorded(self, entries: Collection[str]) -> tuple[str, ...]:
        """Latents without an entry that something is computed or drawn from. A fit records no discrete ones."""
        used = self.drawn_from.union(*self.ancestors.values())
        found = []
        for name in self.run.named("latent"):
            is_recorded = name in entries or self.run.sites[name].discrete
            if name in used and not is_recorded and name not in self.targets:
                found.append(name)
        return tuple(found)

    def lost(self, entries: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Recorded values that would be computed anew from such latents, and these latents."""
        unrecorded, found = self.unrecorded(entries), {}
        for name in sorted(entries):
            lost = tuple(parent for parent in self.parents(name) if parent in unrecorded)
            if lost and self.run.sites[name].kind == "deterministic":
                found[name] = lost
        return found

    def is_new_with_this_call(self, name: str) -> bool:
        """Whether a latent is observed, or gone with all that is made of it, when an argument is given that is None."""
        made = [site for site, above in self._parents.items() if name in above]
        return any(seen.explains(name, made) for seen in self.observations)

    @functools.cached_property
    def _lengths_of_ends(self) -> frozenset[int]:
        """The lengths of all dimensions of what may be a target."""
        lengths = set[int]()
        for end in self.ends:
            lengths.update(self.run.sites[end].shape or ())
        return frozenset(lengths)

    @functools.cached_property
    def arguments(self) -> Uses:
        """What the jaxpr uses the arguments for. Others are data, or passed for their shape alone."""
        run, names = self.run, self.call.names
        traced = [names[i] for i in self.call.traced]
        values = frozenset(names).difference(traced)
        if run.jaxpr is None:
            return Uses(values, values, values)
        given = {}
        for variable, name in zip(run.jaxpr.invars, traced):
            given[variable] = frozenset({name})
        outputs = flow(run.jaxpr, given, {})
        drawn_with = observed = values
        for _, above in of_parameters(run, outputs):
            drawn_with |= above
        for name, above in zip(run.owners, outputs):
            if run.sites[name].kind == "observed":
                observed |= above
        return Uses(drawn_with, observed, values.union(*outputs))

    def tells_of(self, axis: Axis) -> bool:
        """Whether other values of an argument may mean that others stand along this axis.

        Not those of a mask, with which nothing is drawn. Outcomes and flags tell of their rows, not of their columns.
        """
        if not axis.is_of_array:
            return True
        name = self.call.names[axis.leaf]
        is_drawn_with = name in self.arguments.drawn_with
        if axis.kind == "later":
            return is_drawn_with and argument.of(self.call.leaves[axis.leaf]).kind != "b"
        return is_drawn_with or name in self.arguments.observed

    @functools.cached_property
    def unreached(self) -> tuple[str, ...]:
        """Arrays on which nothing depends, where what is predicted has the rows of no argument."""
        call, lengths, found = self.call, self._lengths_of_ends, []
        if not lengths or len(call.traced) < len(call.leaves):
            return ()
        for name, array in zip(call.names, call.shapes):
            if array.shape and name not in self.arguments.all:
                found.append(name)
            elif not lengths.isdisjoint(array.shape):
                return ()
        if found and any(map(self.sizes.followed_by, self.ends)):
            return ()
        return tuple(found)

    def indices_out_of_range(self) -> tuple[OutOfRange, ...]:
        """Indices that do not exist, as far as values are known. They are looked at anew: all else is of the shapes."""
        return out_of_range(self.call, self.run)

    @functools.cached_property
    def rows_may_meet(self) -> bool:
        """Whether, by the jaxpr, what is drawn at one row may depend on the arguments at other rows."""
        call, lengths = self.call, self._lengths_of_ends
        for leaf in call.leaves:
            if not call.is_traced(leaf) and not lengths.isdisjoint(argument.of(leaf).shape):
                return True  # its values stand in the jaxpr as constants
        if self.run.jaxpr is None:
            return bool(lengths)
        axes = []
        for number, array in enumerate(call.shapes):
            for dim, length in enumerate(array.shape):
                if length in lengths:
                    axes.append((number, dim))
        if not rows_may_meet(self.run, axes, self.ends):
            return False
        # there may be as many columns as rows, and columns do meet
        places = [axis.place[:2] for size in self.rows for axis in size.axes]
        of_rows = [(number, dim) for number, dim in axes if (call.traced[number], dim) in places]
        return rows_may_meet(self.run, of_rows, self.ends)

    @functools.cached_property
    def rows_may_be_counted(self) -> bool:
        """Whether, by the jaxpr, the number of a row may have a part in what is drawn at it."""
        lengths = self._lengths_of_ends
        if not lengths or self.run.jaxpr is None:
            return bool(lengths)
        return may_count_rows(self.run, lengths, self.ends)

    def statistic(self, draw: Draw, kept: Names, sizes: Collection[Size], alone: Names) -> tuple[Statistic | None, str]:
        """How what is drawn at one row depends on the arguments at others, or on its place; None: it does not.

        Row-level latents are zero, except those of ``alone``, whose values stay in their rows. The text says why it
        could not be told.
        """
        run, rows = self.run, {}
        for size in sizes:
            targets = [name for name in self.targets if self._has_one_a_row(name, size)]
            if targets and not size.is_lone:
                rows[size.axes] = targets
        if not rows:
            return None, ""
        offered = [name for name in run.named("deterministic") if self._may_be_kept(name, draw, kept)]
        still = {name: value for name, value in draw.items() if name not in run.scanned}  # few rows are fewer steps
        for name in run.named("latent"):
            if self.untold(name) or not self.rows_of(name).isdisjoint(self.rows):
                site = run.sites[name]
                still[name] = np.zeros(site.shape or (), site.dtype)
        others = [size.axes for size in self.rows]
        scene = Scene(self.call, rows, others, still, kept, self.programs)
        found, why = None, ""
        if others and self.rows_may_meet:
            # other latents, such as a Gaussian process, may connect rows on purpose: they stay zero
            moving = {name: draw[name] for name in alone}
            found, why = attempt_or_why(find_statistic, replace(scene, draw={**still, **moving}), offered)
        if found is None and self.rows_may_be_counted:
            found = attempt(find_place, scene)
        return found, why

    def _may_be_kept(self, name: str, draw: Draw, kept: Names) -> bool:
        """Whether a recorded deterministic value could stay as it is on other rows."""
        if name not in draw or name in kept or name in self.row_dims:
            return False
        return self.run.sites[name].shape == np.shape(draw[name])

    def _has_one_a_row(self, target: str, size: Size) -> bool:
        """Whether a target is drawn row by row. One event, such as an observed Gaussian process, is drawn at once."""
        site, dims = self.run.sites[target], []
        may_follow = self.untold(target) if size in self.sizes.fixed else ()
        for dim, length in enumerate(site.shape or ()):
            is_as_long = dim in may_follow and length == size.length
            if is_as_long or size in self.sizes.of[target][dim]:
                dims.append(dim)
        batch_ndim = site.rank - self.run.joint.get(target, 0)
        return bool(dims) and max(dims) < batch_ndim and target not in self.run.scanned

    @functools.cached_property
    def observations(self) -> tuple[Observation, ...]:
        """What arguments that are not given would observe."""
        return observations(*cut(self.call, self.run))

    @functools.cached_property
    def observable(self) -> Mapping[str, str]:
        """Latents that become observed, or are gone, when an argument is given: site -> argument, in words."""
        sites: dict[str, str] = {}
        for seen in self.observations:
            for name in seen.latents:
                sites.setdefault(name, seen.words)
        return sites

    @functools.cached_property
    def targets(self) -> frozenset[str]:
        """What is predicted: what is observed, or could be. Data that other sites are drawn from are not predicted."""
        return frozenset((*self.run.named("observed"), *self.observable)) - self.drawn_from

    @functools.cached_property
    def sizes(self) -> Sizes:
        """What each dimension of each site follows."""
        return find_sizes(self.call, self.run, self.ends)

    @functools.cached_property
    def ends(self) -> frozenset[str]:
        """What may be a target, since nothing is drawn from it. This takes no further run."""
        return frozenset(self.run.dist_shapes) - self.drawn_from

    def untold(self, name: str) -> frozenset[int]:
        """The dimensions of a site of which it could not be told whether they follow anything."""
        untold = self.sizes.untold(name, self.ends)
        # which of the ends are targets takes further runs, and is asked only where it matters
        return self.sizes.untold(name, self.targets) if untold else untold

    def may_be_rows(self, name: str) -> bool:
        """Whether a site follows what an end follows. Otherwise it is not row-level, whatever the targets are."""
        follows = self.rows_of(name)
        return any(follows & self.sizes.followed_by(end) for end in self.ends)

    def rows_of(self, name: str) -> frozenset[Size]:
        """The sizes that a site has values for: what it follows, and what a latent is put into by an index."""
        found = self.sizes.followed_by(name)
        for dim in range(self.run.sites[name].rank):
            found |= self._along(name, dim)
        return found

    def _along(self, name: str, dim: int) -> frozenset[Size]:
        """The same of one dimension of a site."""
        return self.sizes.of[name][dim].union(self.put_into.get((name, dim), ()))

    @functools.cached_property
    def put_into(self) -> Mapping[tuple[str, int], frozenset[Size]]:
        """Dimensions of latents whose values an index puts into rows, and the sizes of these rows."""
        found = {}
        for name in self.run.named("latent") if places_by_index(self.run.jaxpr) else ():
            for dim in range(self.run.sites[name].rank):
                rows = frozenset[Size]()
                for end, along in placed_at(self.run, name, dim):
                    rows |= self.sizes.of[end][along]
                found[name, dim] = rows
        return found

    @functools.cached_property
    def rows(self) -> tuple[Size, ...]:
        """The sizes that a target follows."""
        if self.targets:
            return self.sizes.rows(self.targets)
        # a model that scores its latents only where there are data is looked at with data
        words = rows_with_its_data(self.observations, self.call)
        return tuple(size for size in self.sizes.sizes if not words.isdisjoint(size.words))

    @functools.cached_property
    def row_dims(self) -> Mapping[str, tuple[int, ...]]:
        """The dimensions of each site that follow the data rows; sites that have none are left out."""
        found = {}
        for name, site in self.run.sites.items():
            following = tuple(dim for dim in range(site.rank) if self.rows_along(name, dim))
            if following:
                found[name] = following
        return found

    def rows_along(self, name: str, dim: int) -> list[Size]:
        """The rows that a dimension of a site has values for."""
        follows = self._along(name, dim)
        return [size for size in self.rows if size in follows]

    def dims(self, name: str) -> tuple[Dim, ...]:
        """Each dimension of a site, with what it follows in words."""
        site, untold = self.run.sites[name], self.untold(name)
        plates = {}
        for plate in site.plates:
            plates[site.rank - site.event_dim + plate.dim] = plate.name
        found = []
        for i, length in enumerate(site.shape or ()):
            words: list[str] = []
            for size in self.sizes.sizes:
                if size in self.sizes.of[name][i]:
                    words += size.words
            found.append(Dim(length, tuple(words), plates.get(i), i not in untold))
        return tuple(found)

    def loop_of(self, name: str, run: Run | None = None) -> list[str]:
        """The latents that a loop names with this one, in this run or another one."""
        for names in numbered((run or self.run).named("latent")).values():
            if name in names:
                return names
        return []

    def is_chained(self, name: str) -> bool:
        """Whether the latents that a loop names with this one (``level_0``, ...) are drawn from each other."""
        seen = self.run
        changes = []
        for size in self.sizes.loops.get(name, ()):
            for axis in size.axes:
                changes.append((axis, 3 * axis.length))
        if changes and len(self.loop_of(name, seen)) == 1:  # a loop of one step: look at three
            longer = resized(with_defaults(self.call), changes)
            seen = (longer and try_run(longer)) or seen
        loop = self.loop_of(name, seen)
        above = self.ancestors if seen is self.run else ancestors(seen)
        return any(not above.get(one, NOTHING).isdisjoint(loop) for one in loop)

    @functools.cached_property
    def reversed_series(self) -> frozenset[str]:
        """Latents in a ``scan(reverse=True)``."""
        return reversed_series(self.run)

    def is_used_row_by_row(self, name: str, dim: int) -> bool:
        """Whether a latent's values along a dimension are parameters of what is predicted, one for each element."""
        return ROW_BY_ROW in uses(self.run, name, dim)

    def stays_in_its_row(self, name: str, dim: int) -> bool:
        """Whether the jaxpr alone shows that no value along a dimension has a part in what is drawn at others."""
        return uses(self.run, name, dim) <= {ROW_BY_ROW, PLACED}

    @functools.cached_property
    def unmasked(self) -> Mapping[str, Site]:
        """The sites of the run that ``log_likelihood`` makes: also those behind ``numpyro.get_mask()``."""
        seen = attempt(run, replace(self.call, masked=False))  # code that only a likelihood reaches may fail here
        return seen[0].sites if seen else {}

    def site(self, name: str) -> Site | None:
        """The site of this name; failing that, one that only runs without a mask (``log_likelihood``) have."""
        return self.run.sites.get(name) or self.unmasked.get(name)
