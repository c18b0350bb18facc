"""What verdicts ask of a model under given arguments: one run, and answers that are worked out when first asked for."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .axes import Axis, resized, with_defaults
from .call import Call, shape_of
from .jaxpr import NOTHING, ROW_BY_ROW, Labels, ancestors, drawn_from, parents, reversed_series, rows_may_meet, uses
from .ranges import OutOfRange, out_of_range
from .replay import Programs
from .rows import Statistic, find_statistic
from .sizes import Size, Sizes, cut, find_sizes, numbered
from .targets import Observation, observable_sites, observations, targets_of, with_its_data
from .trace import Dim, Run, Site, run, try_run, with_params_as_variables


@dataclass(frozen=True, eq=False)
class Inspection:
    """A call, its run, and what jaxpr and further runs tell of it."""

    call: Call
    run: Run
    assumed: tuple[str, ...] = ()  # arguments that were worked out from the samples: "X: float32[1000, 3]"

    @classmethod
    def of(cls, call: Call) -> Inspection:
        """Run the model of a call, in the first mode that works."""
        outcome, call = run(call)
        return cls(call, outcome)

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

    def used(self, kept: Collection[str], returned: Collection[str] | None = None) -> list[str]:
        """Latents and params that have a part in the sites that are returned (None: all), where ``kept`` ones are put
        in: what those were drawn from is used no more."""
        sites = self.run.sites
        todo = [name for name in (sites if returned is None else returned) if name in sites and name not in kept]
        found: set[str] = set()
        while todo:
            above = self._parents.get(todo.pop(), frozenset()) - found - {*kept}
            found |= above
            todo += above
        return [name for name in sites if name in found]

    def is_new_with_this_call(self, name: str) -> bool:
        """Whether a latent is observed when an argument is given that is not, or gone with all that is made of it."""
        made = [site for site, above in self._parents.items() if name in above]
        return any(
            name in seen.latents
            and (name in seen.run.sites or all(site in seen.latents or site not in seen.run.sites for site in made))
            for seen in self.observations
        )

    @functools.cached_property
    def indices_out_of_range(self) -> tuple[OutOfRange, ...]:
        """Indices that do not exist, as far as the values of the arguments are known."""
        return out_of_range(self.call, self.run)

    @functools.cached_property
    def rows_may_meet(self) -> bool:
        """Whether the jaxpr leaves it open that what is drawn at one row depends on the arguments at others."""
        call, sites = self.call, self.run.sites
        lengths = {n for end in self.ends for n in sites[end].shape or ()}
        axes = [(i, dim) for i, x in enumerate(call.shapes) for dim, n in enumerate(x.shape) if n in lengths]
        outside = [leaf for i, leaf in enumerate(call.leaves) if i not in call.traced]
        if self.run.jaxpr is None or any(lengths.intersection(shape_of(leaf)) for leaf in outside):
            return bool(lengths)
        return bool(axes) and rows_may_meet(self.run, axes, self.ends)

    def statistic(
        self, draw: Mapping[str, Any], kept: Collection[str], sizes: Collection[Size] | None = None
    ) -> Statistic | None:
        """How what is drawn at one row depends on the arguments at others, given a draw; None: it does not."""
        of, joint, run = self.sizes.of, self.run.joint, self.run
        rows: dict[tuple[Axis, ...], list[str]] = {}
        for size in self.rows if sizes is None else sizes:
            dims = {n: [i for i, f in enumerate(of[n]) if size in f] for n in self.targets if n not in run.scanned}
            # one event is drawn at once: a Gaussian process that is observed
            single = [n for n, d in dims.items() if d and max(d) < len(run.sites[n].shape or ()) - joint.get(n, 0)]
            if single and any(axis.is_of_array for axis in size.axes):
                rows[size.axes] = single
        others = [size.axes for size in self.rows]
        recorded = [n for n in run.named("deterministic") if n in draw and run.sites[n].shape == np.shape(draw[n])]
        offered = [n for n in recorded if n not in kept and not any({*self.rows} & f for f in of[n])]
        # through latents with values for rows, as of a Gaussian process, rows are to act on each other
        row_level = [n for n in run.named("latent") if any({*self.rows} & f for f in of[n])]
        draw = {n: value for n, value in draw.items() if n not in run.scanned}  # few rows are fewer steps
        draw.update({n: np.zeros(run.sites[n].shape or (), run.sites[n].dtype) for n in row_level})
        return find_statistic(self.call, rows, others, draw, kept, offered, self.programs) if rows else None

    @functools.cached_property
    def programs(self) -> Programs:
        """Runs on few rows that were traced: for other values of the same shapes the model is not run again."""
        return {}

    @functools.cached_property
    def observations(self) -> tuple[Observation, ...]:
        """What arguments that are not given would observe."""
        short_call, short, _ = cut(self.call, self.run)
        return observations(short_call, short)

    @functools.cached_property
    def observable(self) -> Mapping[str, str]:
        """Latents that become observed, or are gone, when an argument is given: site -> argument, in words."""
        return observable_sites(self.observations)

    @functools.cached_property
    def targets(self) -> frozenset[str]:
        """What is predicted."""
        return targets_of(self.run, self.observable, self.drawn_from)

    @functools.cached_property
    def sizes(self) -> Sizes:
        """What each dimension of each site follows."""
        return find_sizes(self.call, self.run, self.ends)

    @functools.cached_property
    def ends(self) -> frozenset[str]:
        """What may be a target: it takes no further run to know that nothing is drawn from it."""
        return frozenset(self.run.named("observed")) | frozenset(self.run.named("latent")).difference(self.drawn_from)

    def untold(self, name: str) -> frozenset[int]:
        """The dimensions of a site of which it could not be told whether they follow anything."""
        untold = self.sizes.untold(name, self.ends)
        # which of the ends are targets takes further runs, and is asked only where it matters
        return self.sizes.untold(name, self.targets) if untold else untold

    def may_be_rows(self, name: str) -> bool:
        """Whether a site follows what an end follows; if not, it is not row-level, whatever the targets are."""
        followed = frozenset[Size]().union(*map(self.sizes.followed_by, self.ends))
        return not followed.isdisjoint(self.sizes.followed_by(name))

    @functools.cached_property
    def rows(self) -> tuple[Size, ...]:
        """The sizes that a target follows."""
        if self.targets or not (data := with_its_data(self.observations, self.run)):
            return self.sizes.rows(self.targets)
        # a model that scores its latents only where there are data: see it with data
        targets = frozenset(data.run.named("observed"))
        words = {axis for size in find_sizes(data.call, data.run, targets).rows(targets) for axis in size.words}
        return tuple(size for size in self.sizes.sizes if words.intersection(size.words))

    @functools.cached_property
    def row_dims(self) -> Mapping[str, tuple[int, ...]]:
        """The dimensions that follow the data rows, of each site that has any."""
        rows = frozenset(self.rows)
        found = {
            name: tuple(i for i, follows in enumerate(dims) if rows & follows) for name, dims in self.sizes.of.items()
        }
        return {name: dims for name, dims in found.items() if dims}

    def dims(self, name: str) -> tuple[Dim, ...]:
        """Each dimension of a site, with what it follows in words."""
        site = self.run.sites[name]
        batch = len(site.shape or ()) - site.event_dim
        plates = {batch + plate.dim: plate.name for plate in site.plates}
        untold = self.untold(name)
        found = []
        for i, (n, follows) in enumerate(zip(site.shape or (), self.sizes.of[name])):
            words = dict.fromkeys(word for size in self.sizes.sizes if size in follows for word in size.words)
            found.append(Dim(n, tuple(words), plates.get(i), known=i not in untold))
        return tuple(found)

    def loop_of(self, name: str) -> list[str]:
        """The latents that a loop names with this one."""
        return _loop_of(self.run, name)

    def is_chained(self, name: str) -> bool:
        """Whether the latents that a loop names with this one (``level_0``, ...) are drawn from each other."""
        run, sizes = self.run, self.sizes.loops.get(name, ())
        loop = _loop_of(run, name)
        if len(loop) == 1 and sizes:  # a loop of one step: see three
            call = with_defaults(self.call)
            longer = resized(call, [(axis, 3 * axis.length) for size in sizes for axis in size.axes])
            run = (longer and try_run(longer)) or run
            loop = _loop_of(run, name)
        above = self.ancestors if run is self.run else ancestors(run)
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
        return uses(self.run, name, dim) <= {ROW_BY_ROW}

    @functools.cached_property
    def unmasked(self) -> Mapping[str, Site]:
        """The sites of the run that ``log_likelihood`` makes: also those behind ``numpyro.get_mask()``."""
        try:
            return run(replace(self.call, masked=False))[0].sites
        except Exception:  # code that only a likelihood reaches need not run here
            return {}

    def site(self, name: str) -> Site | None:
        """The site of this name; failing that, one that only runs without a mask (``log_likelihood``) have."""
        return self.run.sites.get(name) or self.unmasked.get(name)


def _loop_of(run: Run, name: str) -> list[str]:
    return next((names for names in numbered(run.named("latent")).values() if name in names), [])
