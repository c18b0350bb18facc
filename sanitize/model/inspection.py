"""What verdicts ask of a model under given arguments: one run, and answers that are worked out when first asked for."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

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
Dims = tuple[int, ...]


class by_values(functools.cached_property[Any]):
    """An answer that values of the arguments decide; all others hold for every call of the same shapes."""


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
        """That of a call with other values in arguments of the same shapes: what shapes told is not asked again."""
        call = replace(call, mode=self.call.mode, masked=self.call.masked)
        if call.mode != "abstract":  # the run is made with values
            return replace(Inspection.of(call), assumed=self.assumed)
        other = replace(self, call=call)
        for name, answer in vars(self).items():
            if name not in vars(other) and not isinstance(vars(Inspection)[name], by_values):
                vars(other)[name] = answer
        return other

    def without_values(self) -> Inspection:
        """Without the values that the run made do without: calls of the same shapes have others."""
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

    @property
    def given(self) -> Labels:
        """Latents and params that the model's own handlers give a value: no entry is missed."""
        return self.run.given

    @functools.cached_property
    def _parents(self) -> Mapping[str, Labels]:
        """The latents and params that each site is computed or drawn from."""
        marked = None
        if self.run.named("param"):
            marked = try_run(replace(self.call, model=with_params_as_variables(self.call.model)))
        return parents(marked or self.run, ("latent", "param"))

    def used(self, kept: Names, returned: Names | None = None) -> list[str]:
        """Latents and params that have a part in the sites that are returned (None: all), where ``kept`` ones are put
        in: what those were drawn from is used no more."""
        sites = self.run.sites
        todo = set(sites if returned is None else returned).difference(kept)
        found: set[str] = set()
        while todo:
            above = self._parents.get(todo.pop(), NOTHING) - found
            found |= above.difference(kept)
            todo |= above.difference(kept)
        return [name for name in sites if name in found]

    def unrecorded(self, entries: Collection[str]) -> tuple[str, ...]:
        """Latents without an entry that something is computed or drawn from. A fit records them: no discrete ones."""
        used = self.drawn_from.union(*self.ancestors.values()).difference(entries)
        latents = [name for name in self.run.named("latent") if name in used and not self.run.sites[name].discrete]
        return tuple(name for name in latents if name not in self.targets)

    def lost(self, entries: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Recorded values that would be computed anew from such latents, and these."""
        unrecorded, found = self.unrecorded(entries), {}
        for name in sorted(entries) if unrecorded else ():
            lost = tuple(parent for parent in self.parents(name) if parent in unrecorded)
            if lost and self.run.sites[name].kind == "deterministic":
                found[name] = lost
        return found

    def is_new_with_this_call(self, name: str) -> bool:
        """Whether a latent is observed when an argument is given that is not, or gone with all that is made of it."""
        made = [site for site, above in self._parents.items() if name in above]
        return any(seen.explains(name, made) for seen in self.observations)

    @functools.cached_property
    def _lengths_of_ends(self) -> frozenset[int]:
        """How long what may be a target is, along any of its dimensions."""
        lengths = frozenset[int]()
        for end in self.ends:
            lengths = lengths.union(self.run.sites[end].shape or ())
        return lengths

    def tells_of(self, axis: Axis) -> bool:
        """Whether other values of an argument may mean that others stand along this axis: not those of a mask, with
        which nothing is drawn. Outcomes and flags tell of their rows, not of their columns."""
        if not axis.is_of_array:
            return True
        drawn_with, observed = self._used_arguments
        if axis.kind == "later":
            return axis.leaf in drawn_with and argument.of(self.call.leaves[axis.leaf]).kind != "b"
        return axis.leaf in drawn_with or axis.leaf in observed

    @functools.cached_property
    def _used_arguments(self) -> tuple[frozenset[int], frozenset[int]]:
        """The arguments that sites are drawn with, and those that are observed."""
        call, run = self.call, self.run
        values = frozenset(range(len(call.leaves))).difference(call.traced)  # they stand in the jaxpr as constants
        if run.jaxpr is None:
            return values, values
        given = {variable: frozenset({str(leaf)}) for variable, leaf in zip(run.jaxpr.invars, call.traced)}
        outputs = flow(run.jaxpr, given, {})
        drawn_with, observed = values, frozenset[int]()
        for _, above in of_parameters(run, outputs):
            drawn_with = drawn_with.union(map(int, above))
        for name, above in zip(run.owners, outputs):
            if run.sites[name].kind == "observed":
                observed = observed.union(map(int, above))
        return drawn_with, observed

    @functools.cached_property
    def unreached(self) -> tuple[str, ...]:
        """Arrays that nothing depends on, where the rows of what is predicted are those of no argument."""
        call, run, lengths = self.call, self.run, self._lengths_of_ends
        if run.jaxpr is None or not lengths or len(call.traced) < len(call.leaves):
            return ()  # what is no array stands in the jaxpr as constants
        given = {}
        for variable, leaf in zip(run.jaxpr.invars, call.traced):
            given[variable] = frozenset({call.names[leaf]})
        reached, unreached = NOTHING.union(*flow(run.jaxpr, given, {})), []
        for leaf in call.traced:
            shape = argument.of(call.leaves[leaf]).shape
            if call.names[leaf] not in reached and shape:
                unreached.append(call.names[leaf])
            elif not lengths.isdisjoint(shape):
                return ()
        follow_something = unreached and any(map(self.sizes.followed_by, self.ends))
        return () if follow_something else tuple(unreached)

    @functools.cached_property
    def read(self) -> frozenset[str]:
        """Arguments that something is drawn with, or that no array is: others are data, or passed for their shape."""
        names, run = dict(enumerate(self.call.names)), self.run
        if run.jaxpr is None:
            return frozenset(names.values())
        given = {variable: frozenset({names.pop(i)}) for i, variable in zip(self.call.traced, run.jaxpr.invars)}
        outputs = flow(run.jaxpr, given, {})
        return frozenset(names.values()).union(*(above for _, above in of_parameters(run, outputs)))

    @by_values
    def indices_out_of_range(self) -> tuple[OutOfRange, ...]:
        """Indices that do not exist, as far as the values of the arguments are known."""
        return out_of_range(self.call, self.run)

    @functools.cached_property
    def rows_may_meet(self) -> bool:
        """Whether the jaxpr leaves it open that what is drawn at one row depends on the arguments at others."""
        call, lengths = self.call, self._lengths_of_ends
        for i, leaf in enumerate(call.leaves):  # what is no array stands in the jaxpr as constants
            if i not in call.traced and not lengths.isdisjoint(argument.of(leaf).shape):
                return True
        if self.run.jaxpr is None:
            return bool(lengths)
        axes = []
        for number, array in enumerate(call.shapes):
            axes += [(number, dim) for dim, length in enumerate(array.shape) if length in lengths]
        if not axes or not rows_may_meet(self.run, axes, self.ends):
            return False
        # as long as the rows may be the columns, too, which only meet
        places = {(axis.leaf, axis.dim) for size in self.rows for axis in size.axes}
        of_rows = [(number, dim) for number, dim in axes if (call.traced[number], dim) in places]
        return rows_may_meet(self.run, of_rows, self.ends)

    @functools.cached_property
    def rows_may_be_counted(self) -> bool:
        """Whether the jaxpr leaves it open that the number of a row has a part in what is drawn at it."""
        lengths = self._lengths_of_ends
        return bool(lengths) and (self.run.jaxpr is None or may_count_rows(self.run, lengths, self.ends))

    def statistic(self, draw: Draw, kept: Names, sizes: Collection[Size], alone: Names) -> tuple[Statistic | None, str]:
        """How what is drawn at one row depends on the arguments at others, or on its place; None: it does not.

        Of the row-level latents, those that are ``alone`` stay in their rows. The text says why it could not be told.
        """
        run, rows = self.run, {}
        is_fixed = not self.rows  # then they cannot be fewer, and statistics are not looked for
        for size in sizes:
            targets = [name for name in self.targets if self._has_one_a_row(name, size)]
            if targets and not size.is_lone:
                rows[size.axes] = targets
        if not rows:
            return None, ""
        offered = []
        for name in run.named("deterministic"):
            fits = name in draw and run.sites[name].shape == np.shape(draw[name])
            if fits and name not in kept and name not in self.row_dims:
                offered.append(name)
        draw = {name: value for name, value in draw.items() if name not in run.scanned}  # few rows are fewer steps
        still = dict(draw)
        for name in run.named("latent"):
            if name in self.row_dims or self.untold(name):
                still[name] = np.zeros(run.sites[name].shape or (), run.sites[name].dtype)
        others = [size.axes for size in self.rows]
        scene = Scene(self.call, rows, others, still, kept, self.programs, is_fixed)
        found, why = None, ""
        if self.rows_may_meet and not is_fixed:
            # through the others, as of a Gaussian process, rows are to act on each other
            moving = {name: draw[name] for name in alone}
            found, why = attempt_or_why(find_statistic, replace(scene, draw={**still, **moving}), offered)
        if found is None and self.rows_may_be_counted:
            found = attempt(find_place, scene)
        return found, why

    def _has_one_a_row(self, target: str, size: Size) -> bool:
        """Whether a target is drawn row by row: one event is drawn at once, as a Gaussian process that is observed."""
        if size in self.sizes.fixed:
            shape = self.run.sites[target].shape or ()
            dims = [i for i in self.untold(target) if shape[i] == size.length]
        else:
            dims = [i for i, follows in enumerate(self.sizes.of[target]) if size in follows]
        batch = self.run.sites[target].rank - self.run.joint.get(target, 0)
        return bool(dims) and max(dims) < batch and target not in self.run.scanned

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
        """What is predicted: observed, or could be, if nothing is drawn from it: else it is data of other sites."""
        return frozenset((*self.run.named("observed"), *self.observable)) - self.drawn_from

    @functools.cached_property
    def sizes(self) -> Sizes:
        """What each dimension of each site follows."""
        return find_sizes(self.call, self.run, self.ends)

    @functools.cached_property
    def ends(self) -> frozenset[str]:
        """What may be a target: it takes no further run to know that nothing is drawn from it."""
        return frozenset((*self.run.named("observed"), *self.run.named("latent"))) - self.drawn_from

    def untold(self, name: str) -> frozenset[int]:
        """The dimensions of a site of which it could not be told whether they follow anything."""
        untold = self.sizes.untold(name, self.ends)
        # which of the ends are targets takes further runs, and is asked only where it matters
        return self.sizes.untold(name, self.targets) if untold else untold

    def may_be_rows(self, name: str) -> bool:
        """Whether a site follows what an end follows; if not, it is not row-level, whatever the targets are."""
        follows = self.rows_of(name)
        return any(follows & self.sizes.followed_by(end) for end in self.ends)

    def rows_of(self, name: str) -> frozenset[Size]:
        """The sizes that a site has values for: what it follows, and what a latent is put into by an index."""
        return self.sizes.followed_by(name).union(*self.put_into.get(name, {}).values())

    @functools.cached_property
    def put_into(self) -> Mapping[str, Mapping[int, frozenset[Size]]]:
        """Latents whose values are put into rows by an index: each of these dimensions, and the sizes of those rows."""
        found: dict[str, dict[int, frozenset[Size]]] = {}
        for name in self.run.named("latent") if places_by_index(self.run.jaxpr) else ():
            for dim in range(self.run.sites[name].rank):
                at = placed_at(self.run, name, dim)
                rows = frozenset[Size]().union(*(self.sizes.of[end][along] for end, along in at))
                if rows:
                    found.setdefault(name, {})[dim] = rows
        return found

    @functools.cached_property
    def rows(self) -> tuple[Size, ...]:
        """The sizes that a target follows."""
        if self.targets:
            return self.sizes.rows(self.targets)
        # a model that scores its latents only where there are data: see it with data
        words = rows_with_its_data(self.observations, self.call)
        return tuple(size for size in self.sizes.sizes if not words.isdisjoint(size.words))

    @property
    def rows_or_fixed(self) -> tuple[Size, ...]:
        """Where there are no rows, what cannot change: it may be rows beside a column that the model closes over."""
        return self.rows or self.sizes.fixed

    @functools.cached_property
    def row_dims(self) -> Mapping[str, Dims]:
        """The dimensions that follow the data rows, of each site that has any."""
        found = {}
        for name, dims in self.sizes.of.items():
            following = tuple(dim for dim in range(len(dims)) if self.rows_along(name, dim))
            if following:
                found[name] = following
        return found

    def rows_along(self, name: str, dim: int) -> list[Size]:
        """The rows that a dimension of a site has values for."""
        follows = self.sizes.of[name][dim].union(self.put_into.get(name, {}).get(dim, ()))
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

    def loop_of(self, name: str) -> list[str]:
        """The latents that a loop names with this one."""
        return _loop_of(self.run, name)

    def is_chained(self, name: str) -> bool:
        """Whether the latents that a loop names with this one (``level_0``, ...) are drawn from each other."""
        seen = self.run
        axes = [axis for size in self.sizes.loops.get(name, ()) for axis in size.axes]
        if axes and len(_loop_of(seen, name)) == 1:  # a loop of one step: see three
            longer = resized(with_defaults(self.call), [(axis, 3 * axis.length) for axis in axes])
            seen = (longer and try_run(longer)) or seen
        loop = _loop_of(seen, name)
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
        seen = attempt(run, replace(self.call, masked=False))  # code that only a likelihood reaches need not run here
        return seen[0].sites if seen else {}

    def site(self, name: str) -> Site | None:
        """The site of this name; failing that, one that only runs without a mask (``log_likelihood``) have."""
        return self.run.sites.get(name) or self.unmasked.get(name)


def _loop_of(run: Run, name: str) -> list[str]:
    for names in numbered(run.named("latent")).values():
        if name in names:
            return names
    return []
