"""What verdicts ask of a model under given arguments: one run, and answers that are worked out when first asked for."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace

from . import sizes
from .call import Call
from .jaxpr import Labels, ancestors
from .trace import Run, Site, run


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
        return sizes.drawn_from(self.run)

    @functools.cached_property
    def observable(self) -> Mapping[str, str]:
        """Latents that become observed when an argument that is None is given: site -> argument."""
        return sizes.observable_sites(self.call, self.run)

    @functools.cached_property
    def row_dims(self) -> Mapping[str, tuple[int, ...]]:
        """The dimensions that follow the data rows, of each site that has any."""
        return sizes.row_dims(self.call, self.run, self.observable)

    @functools.cached_property
    def named_by_row(self) -> frozenset[str]:
        """Latents that a loop over the rows names, one for each."""
        return sizes.named_by_row(self.call, self.run)

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
