"""What is said of the values that a call passes: indices that do not exist, rows that act on each other."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import listing
from .fit import Fit
from .model.inspection import Inspection
from .model.ranges import OutOfRange
from .model.statistics import Statistic

NOT_TOLD = "whether indices exist: not told, since the model ran with values only"


def indices_message(found: Sequence[OutOfRange]) -> str:
    return (
        f"{'Indices do' if len(found) > 1 else 'An index does'} not exist: {'; '.join(map(str, found))}. JAX does not "
        f"raise. Pass indices that exist, or guard the others in the model, as in "
        f"jnp.where(i >= 0, a[jnp.maximum(i, 0)], 0.0)."
    )


def statistic(inspection: Inspection, fit: Fit, kept: Sequence[str]) -> Statistic | None:
    """How rows that are not known to be the fit's act on each other; None: they do not, or it cannot be told."""
    sites = inspection.run.sites
    names = [name for name, shape in fit.recorded.items() if shape is not None and name in sites]
    if inspection.assumed or not any(sites[name].kind == "latent" for name in names) or not inspection.rows_may_meet:
        return None
    names = [name for name in names if sites[name].kind in ("latent", "deterministic")]
    draw = {name: values[0] for name, values in fit.samples.some_draws(names, fit.ndims, 1).items()}
    found = inspection.statistic(draw, kept)
    if found is None:
        return None
    # only now, since values are compared for it
    rows = [size for size in inspection.rows if fit.same(size) is not True]
    return found if len(rows) == len(inspection.rows) else inspection.statistic(draw, kept, rows)


def statistic_message(found: Statistic, fit: Fit) -> str:
    ways = []
    if found.keep:
        ways.append(f"pass keep={found.keep!r}, which puts back what the fit recorded")
    ways.append("compute it from the rows of the fit, and pass it to the model")
    if not fit.changed:
        ways.append("say by new_rows=False that these are the rows of the fit")
    return (
        f"In this model rows act on each other: what is drawn at one row of {found.target!r} depends on "
        f"{listing(found.arguments)} at other rows (a mean, a maximum, quantiles, ranks, the first row). With other "
        f"values in half of eight rows, {found.parameter} moves by up to {found.moves:.2g}, and nothing tells that "
        f"these are the rows of the fit. Either {'; or '.join(ways)}."
    )


def remarks(inspection: Inspection, found: Statistic | None) -> tuple[str, ...]:
    """What a review says of them, a line each."""
    lines = [f"out of range: {problem}" for problem in inspection.indices_out_of_range]
    if inspection.run.jaxpr is None and inspection.call.leaves:
        lines.append(NOT_TOLD)
    if found is not None:
        lines.append(
            f"rows act on each other: {found.target} ({found.parameter}) by {listing(found.arguments)} at other rows"
        )
    return tuple(lines)
