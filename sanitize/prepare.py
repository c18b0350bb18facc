"""One way for all front doors: settle what the user names, put the samples in order, review, refuse."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .containers import Container, beside
from .fit import Fit
from .levels import Levels, in_order, levels_of, settled_by_levels
from .model.call import Call
from .model.inspection import Inspection
from .options import Options
from .review import Review
from .verdicts import Verbs, batch_shape, refuse_other_model, settled


@dataclass(frozen=True, eq=False)
class Case:
    """A call and its samples, with all that the user has settled."""

    samples: Container  # in the order of the labels
    fit: Fit  # of the entries that are judged
    verbs: Verbs
    levels: Levels
    options: Options

    @classmethod
    def of(cls, inspection: Inspection, samples: Container, options: Options) -> Case:
        """Everything that comes before the verdicts."""
        if not options.use.at_once:  # NumPyro takes the number of draws from any entry, and so do we
            refuse_other_model(inspection, samples.shapes)
        ndims = samples.batch_ndims if options.batch_ndims is None else options.batch_ndims
        batch = batch_shape(samples.shapes, inspection, ndims)
        verbs = settled(inspection, samples, options)
        levels = levels_of(samples, options)
        named = [*settled_by_levels(inspection, samples, options, levels, verbs)] if levels else []
        if not options.extend_all:
            verbs.update(dict.fromkeys(named, "extend"))
        samples = in_order(samples, levels)
        judged = samples
        if not options.use.recomputes:
            judged = _without_deterministic(inspection, samples, verbs)
        return cls(samples, Fit(inspection, judged, batch), verbs, levels, options)

    @property
    def inspection(self) -> Inspection:
        return self.fit.inspection

    def with_values(self, call: Call) -> Case:
        """The same where the values of the arguments are known."""
        inspection = self.inspection.with_call(call)
        return replace(self, fit=Fit(inspection, self.fit.samples, self.fit.batch_shape))

    def review(self) -> Review:
        """Give a verdict on every entry, and say what is redrawn."""
        review = self.judged().with_indices(self.inspection)
        review.warn()
        return review

    def judged(self) -> Review:
        """The review before the values of indices are looked at, and before anything is said: a memory may keep it."""
        return Review.of(self.fit, self.verbs, self.options)


def prepare(inspection: Inspection, samples: Container, options: Options) -> tuple[Case, Review]:
    """The case and its review. It raises what is refused."""
    case = Case.of(inspection, samples, options)
    review = case.review()
    review.refuse()
    return case, review


def _without_deterministic(inspection: Inspection, samples: Container, verbs: Verbs) -> Container:
    """The entries without recorded deterministic values. These are put back: the latents behind them may be missing."""
    sites = inspection.run.sites
    others = {}
    for name, value in samples.arrays(0).items():
        if name not in sites or sites[name].kind != "deterministic":
            others[name] = value
            continue
        for parent in inspection.parents(name):
            if parent not in samples.shapes:
                verbs.setdefault(parent, "redraw")
    return beside(samples, others)
