"""The fitted part stays: what was fitted must not change when more is asked for.

Recorded values are computed anew, densities of fitted values are seen under two passes that draw other new values, and
what ties latents to each other (a factor) is looked at for a mixed difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .ancestral import TABLE, Arrays, Compared, Keys, Leaves, Pass, Passed, every_draw
from .errors import ExtensionError, SanitizeWarning, listing, warn
from .model.dists import unmasked
from .model.replay import Draw, attempt, differ, replay

# What the fitted part may differ by, relative to its largest value. Measured on 100 random and 40 other models:
# - recomputed, up to 2e-7 for sums, scans and products. `L @ z` of a Gaussian process differs more, by 4e-2 with a
#   jitter of 1e-6, and that is up to 1.3 times what a change of 1e-6 in draws and arguments does. What is harmful
#   begins at 2e-4 (`t / T` for the step 1001), and at 70 times that change.
# - in two passes that differ in what they draw, 0, and 5e-4 for a mean over 1000 groups.
# - in the mixed difference of what ties fitted and new values, 1e-7, and 1e-2 for one more area beside 300.
_COMPUTED, _ROUNDING, _DENSITY, _TIED = 1e-5, 10.0, 1e-5, 1e-5
# Log density a recorded value, below that of a draw from the prior: 0 to 1 in fits of a Gaussian process, 5 where the
# data are noise, and 0.6 to 1 where its inputs are in another order, so that this sees gross mistakes only.
_IMPLAUSIBLE = 10.0
_FEW = 16  # draws are enough to see that targets change


Inputs = tuple[Keys, Arrays, Leaves]


class Seen(NamedTuple):
    """What is known of the fit: recorded values, and the log density of fitted ones in the first draw."""

    computed: Arrays
    density: Mapping[str, float]


class _Gap(NamedTuple):
    """How far values differ at most where the first are finite, and how large those are."""

    size: float
    scale: float

    @classmethod
    def of(cls, one: Any, other: Any) -> _Gap:
        one, other = np.asarray(one, float), np.asarray(other, float)
        finite = np.isfinite(one)
        size = np.max(np.abs(one - other)[finite], initial=0.0)
        return cls(float(size), float(np.max(np.abs(one[finite]), initial=0.0)))

    def is_within(self, tolerance: float) -> bool:
        return self.size <= tolerance * self.scale


def check(plan: Pass, run: Callable[..., Passed], inputs: Inputs, other: Keys, ran: Passed, seen: Seen) -> None:
    """What was fitted is not to change, seen on the first draws. Only ties and doubts take a further compilation."""
    _refuse_implausible(ran.excess)
    _refuse_changed(plan, inputs, ran.computed, seen.computed)
    _refuse_other_prior(ran.density, seen.density)
    if not (ran.computed or ran.density or ran.targets or plan.ties):
        return
    _, draws, leaves = inputs
    again = run(other, draws, leaves)
    _refuse_dependent(plan, {**ran.computed, **ran.density}, {**again.computed, **again.density})
    _compare_targets(plan, ran.targets, again.targets)
    if plan.ties:
        _refuse_tied(plan, {**draws, **ran.values}, again.values, leaves)


def _refuse_implausible(excess: Arrays) -> None:
    for name, value in excess.items():
        below = float(np.median(np.asarray(value)))
        if below > _IMPLAUSIBLE:
            raise ExtensionError(
                f"The fitted values of {name!r} are none that its distribution with these arguments produces (the log "
                f"density of a value lies {below:.0f} below that of a draw from the prior): the arguments have to "
                f"begin with those of the fit, in their order, and go on with the new ones.",
                sites=(name,),
            )


def _refuse_changed(plan: Pass, inputs: Inputs, computed: Arrays, recorded: Arrays) -> None:
    """Recorded values have to come again. Where they do not, rounding is measured before it is blamed."""
    doubtful = {}
    for name, value in computed.items():
        gap = _Gap.of(recorded[name][: len(value)], value)
        if not gap.is_within(_COMPUTED):
            doubtful[name] = gap
    nearby = plan.nearly(*inputs) if doubtful else {}
    for name, gap in doubtful.items():
        if gap.size <= _ROUNDING * _Gap.of(computed[name], nearby[name]).size:
            continue
        raise ExtensionError(
            f"What was fitted would change: {name!r}, recomputed along its fitted part, is off by {gap.size:.3g} from "
            f"values up to {gap.scale:.3g}. So {_carried_on(plan)} cannot be carried on with these arguments: they "
            f"have to begin with those of the fit, and what the model computes for those must not depend on what comes "
            f"after them (a mean over groups, a basis made from the range of the data).",
            sites=(name,),
        )


def density_in_fit(plan: Pass, draw: Draw) -> dict[str, float]:
    """How likely what is carried on was in the fit, where its arguments are known."""
    in_fit = plan.fitted and attempt(replay, plan.fitted, draw)
    found: dict[str, float] = {}
    if not in_fit:
        return found
    for name in plan.where.keys() & plan.scored:
        found[name] = float(np.sum(unmasked(in_fit[name].fn).log_prob(draw[name])))
    return found


def _refuse_other_prior(density: Arrays, in_fit: Mapping[str, float]) -> None:
    """Fitted values have to be as likely as they were in the fit, seen on one draw."""
    for name in density.keys() & in_fit.keys():
        was, now = in_fit[name], float(density[name][0])
        if differ(now, was):
            raise ExtensionError(
                f"The fitted values of {name!r} have another distribution with these arguments than they had in the "
                f"fit (log density {now:.5g}, it was {was:.5g}), as where a prior depends on how many there are. New "
                f"ones would be drawn from that: fit the model with them in it, or name {name!r} in redraw= of the "
                f"drop-ins.",
                sites=(name,),
            )


def _carried_on(plan: Pass) -> str:
    return listing(plan.where or plan.wanted)


def _refuse_dependent(plan: Pass, one: Arrays, other: Arrays) -> None:
    """Two passes of one compilation that differ in what they draw: all else has to be the same."""
    for name, value in one.items():
        if _Gap.of(value, other[name]).is_within(_DENSITY):
            continue
        is_computed = name in plan.computed
        what = f"{name!r} along its fitted part" if is_computed else f"the distribution of the fitted {name!r}"
        redrawn = name if name in plan.scored else next(iter(plan.where or plan.wanted))
        raise ExtensionError(
            f"What was fitted would change: {what} depends on what is drawn anew of {_carried_on(plan)} (a mean over "
            f"groups, for example), so that what was fitted tells of those. They cannot be drawn forward from the "
            f"model: fit it with the new ones in it, or name {redrawn!r} in redraw= of the drop-ins.",
            sites=(name,),
        )


def _compare_targets(plan: Pass, one: Mapping[str, Compared], other: Mapping[str, Compared]) -> None:
    """What targets are drawn with along the fitted part, under the same two passes: shares are meant to change."""
    gaps = {name: _Gap.of(one[name].part[:_FEW], other[name].part[:_FEW]) for name in one}
    moved = [name for name, gap in gaps.items() if not gap.is_within(_DENSITY)]
    if not moved:
        return
    names = listing(sorted(plan.targets))
    moved = [name for name in moved if name.startswith(TABLE)] or moved
    if all(_are_shares(one[name], other[name]) for name in moved):
        warn(
            f"The shares of what was fitted become smaller: the new values of {_carried_on(plan)} have a part in what "
            f"{names} is drawn with. If this is not meant, fit the model with the new ones in it.",
            SanitizeWarning,
            sites=(*plan.targets,),
        )
        return
    raise ExtensionError(
        f"What was fitted would change: what {names} is drawn with along the fitted part depends on what is drawn anew "
        f"of {_carried_on(plan)} (a mean over all that is subtracted, effects that sum to zero, innovations that are "
        f"summed up from the last). So it cannot be carried on: fit the model with the new ones in it, or name "
        f"{_carried_on(plan)} in redraw= of the drop-ins.",
        sites=(*plan.targets,),
    )


def _are_shares(one: Compared, other: Compared) -> bool:
    """Whether these are parts of a whole, which is the same in both passes."""
    is_whole = _Gap.of(one.sums, other.sums).is_within(_DENSITY)
    return bool(is_whole and np.min(one.lowest) >= 0 and np.max(one.sums) > 0)


def _refuse_tied(plan: Pass, values: Arrays, others: Arrays, leaves: Leaves) -> None:
    """What ties a latent's fitted values to its new ones, as a factor for neighbours, leaves a mixed difference."""
    score = plan.each(plan.tied, values, leaves)
    for name, at in plan.where.items():
        fitted = every_draw(at)
        one, other = np.array(values[name]), np.array(others[name])
        mixed, other_mixed = one.copy(), other.copy()
        elsewhere = np.roll(one[fitted], 1, axis=0)
        mixed[fitted] = elsewhere
        other_mixed[fitted] = elsewhere
        scores = [score({**values, name: x}, leaves) for x in (one, other, mixed, other_mixed)]
        for tie in plan.ties:
            a, b, c, d = (np.asarray(found[tie], float) for found in scores)
            scale = np.max(np.abs([a, b, c, d]), axis=0)
            if (np.abs(a - b - c + d) > _TIED * scale).any():
                raise ExtensionError(
                    f"What was fitted would change: {tie!r} (a factor, or an observation of latents) ties the fitted "
                    f"values of {name!r} to its new ones, which cannot be drawn forward from the model: fit it with "
                    f"the new ones in it.",
                    sites=(name, tie),
                )


def refuse_not_finite(name: str, value: np.ndarray, recorded: Any) -> None:
    """A value that is not a number, where none was recorded."""
    is_nan = np.isnan(value)
    if is_nan.any() and not (recorded is not None and np.isnan(recorded).any()):
        draws = int(is_nan.any(tuple(range(1, value.ndim))).sum())
        raise ExtensionError(
            f"{name!r} carried on is not a number in {draws} of {len(value)} draws: a covariance is not positive "
            f"definite in the precision of JAX. Add jitter to its diagonal, or set jax_enable_x64.",
            sites=(name,),
        )
