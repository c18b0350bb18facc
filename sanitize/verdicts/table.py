"""The table of verdicts, row by row: what an entry is, what happens to it, and by which cause."""

from __future__ import annotations

from enum import Enum

from .facts import Entry

KEPT, STRIPPED, REDRAWN, REFUSED = "kept", "stripped", "redrawn", "refused"


class Cause(Enum):
    """The rows of the table of verdicts: why an entry is kept, stripped, redrawn or refused."""

    NO_SITE = "no site of this model"
    PARAM = "a param or mutable site"
    OBSERVED = "an observed site"
    PLATE = "recorded indices of a subsample"
    RECOMPUTED = "a deterministic site"
    FIXED = "a deterministic site in keep"
    FIXED_MISFIT = "a deterministic site in keep, of another shape"
    LOST_LATENT = "a deterministic site computed from a latent that has no entry"
    REDRAW = "a latent in redraw"
    TARGET = "a latent that is predicted"
    EMPTY = "a latent that holds no value in the model"
    EXTEND = "a latent in extend that fits"
    CARRIED_ON = "a latent in extend that has more values in the model"
    OBSTACLE = "a latent in extend that cannot be carried on"
    REVERSED = "a series of a reversed scan"
    CONTINUED = "the first steps of a series"
    MISFIT = "a latent that does not fit, and not along its rows alone"
    KEEP_MISFIT = "a latent in keep whose rows do not fit"
    JOINT_MISFIT = "a latent whose rows do not fit, with values that depend on each other"
    UNTOLD_MISFIT = "a latent whose rows do not fit, with values of which it could not be told whether they depend so"
    ROWS_MISFIT = "a latent whose rows do not fit"
    OUTSIDE = "a latent that fits, with draws outside of its support"
    KEEP = "a latent in keep that fits"
    OTHER_ROWS = "a latent that fits, of other rows"
    JOINT_OTHER_ROWS = "a latent that fits, of rows with other data, whose values are drawn jointly"
    PACKED = "a vector of all latents that fits, with values for other rows"
    UNTOLD_ROWS = "a latent that fits, of rows that may be others"
    UNTOLD_DIMENSION = "a latent that fits, and may have values for rows"
    SAME_ROWS = "a latent that fits, of the rows of the fit"
    FITS = "a latent that fits, and has no values for rows"


def verdict_on(entry: Entry) -> tuple[str, Cause]:
    """What happens to an entry, and why."""
    if entry.site is None:
        return KEPT, Cause.NO_SITE
    if entry.kind == "deterministic":
        return _on_computed(entry)
    if entry.kind == "observed":
        return STRIPPED, Cause.OBSERVED
    if entry.kind == "plate":
        return STRIPPED, Cause.PLATE
    if entry.kind in ("param", "mutable"):
        return KEPT, Cause.PARAM
    return _on_latent(entry)


def _on_computed(entry: Entry) -> tuple[str, Cause]:
    if entry.verb == "keep" and entry.fits:
        return KEPT, Cause.FIXED
    if entry.verb == "keep":
        return REFUSED, Cause.FIXED_MISFIT
    if entry.lost:
        return REFUSED, Cause.LOST_LATENT
    return STRIPPED, Cause.RECOMPUTED


def _on_latent(entry: Entry) -> tuple[str, Cause]:
    if entry.verb == "redraw" and entry.holds_values:
        return REDRAWN, Cause.REDRAW
    if entry.target and entry.verb != "keep":
        return STRIPPED, Cause.TARGET
    if not entry.holds_values:
        return STRIPPED, Cause.EMPTY
    if entry.verb == "extend" and entry.obstacle:
        return REFUSED, Cause.OBSTACLE
    if entry.verb == "extend":
        return KEPT, Cause.CARRIED_ON if entry.mismatch else Cause.EXTEND
    if entry.verb is None and entry.is_reversed:
        return REFUSED, Cause.REVERSED
    if entry.verb is None and not entry.facts.new_rows and entry.is_continued:
        return KEPT, Cause.CONTINUED
    return _on_fitting(entry) if entry.fits else _on_unfitting(entry)


def _on_unfitting(entry: Entry) -> tuple[str, Cause]:
    if not entry.fits_but_for_rows:
        return REFUSED, Cause.MISFIT
    if entry.verb == "keep":
        return REFUSED, Cause.KEEP_MISFIT
    if not entry.facts.new_rows and entry.is_joint:
        return REFUSED, Cause.JOINT_MISFIT
    if not entry.facts.new_rows and entry.why_untold:
        return REFUSED, Cause.UNTOLD_MISFIT
    return REDRAWN, Cause.ROWS_MISFIT


def _on_fitting(entry: Entry) -> tuple[str, Cause]:
    if entry.verb == "keep":
        return KEPT, Cause.KEEP
    if entry.other_rows and not entry.is_kept_jointly:
        return REDRAWN, Cause.OTHER_ROWS
    if entry.outside is not None:
        return REFUSED, Cause.OUTSIDE
    if entry.other_rows:
        return KEPT, Cause.JOINT_OTHER_ROWS
    if entry.rows_are_untold:
        return KEPT, Cause.UNTOLD_ROWS
    if False in entry.packed_rows:
        return REFUSED, Cause.PACKED
    if entry.may_have_rows or None in entry.packed_rows:
        return KEPT, Cause.UNTOLD_DIMENSION
    return KEPT, Cause.SAME_ROWS if entry.rows else Cause.FITS
