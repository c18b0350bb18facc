"""The fitted part stays: what was fitted must not change when more is asked for.

Recorded values are computed anew, densities of fitted values are seen under two passes that draw other new values, and
what ties latents to each other (a factor) is looked at for a mixed difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .ancestral import TABLE, Arrays, Compared, Keys, Leaves, Pass, Passed, every_draw
from .errors import ExtensionError, SanitizeWarning, listing, warn
from .model.replay import differ, same

# What the fitted part may differ by, relative to its largest value. Measured on 100 random and 40 other models:
# - recomputed, up to 2e-7 for sums, scans and products. `L @ z` of a Gaussian process differs more, by 4e-2 with a
#   jitter of 1e-6, and that is up to 1.3 times what a change of 1e-6 in draws and arguments does. What is harmful
#   begins at 2e-4 (`t / T` for the step 1001), and at 70 times that change.
# - in two passes that differ in what they draw, 0, and 5e-4 for a mean over 1000 groups.
# - in the mixed difference of what ties fitted and new values, 1e-7, and 1e-2 for one more area beside 300.
_SAME, _ROUNDING, _NEARBY = 1e-5, 10.0, 1e-6
# Log density a recorded value, below that of a draw from the prior: 0 to 1 in fits of a Gaussian process, 5 where the
# data are noise, and 0.6 to 1 where its inputs are in another order, so that this sees gross mistakes only.
_IMPLAUSIBLE = 10.0
_FEW = 16  # draws are enough to see that targets change


class Seen(NamedTuple):
    """What is known of the fit: recorded values, and the log density of fitted ones in the first draw."""

    computed: Arrays
    density: Mapping[str, float]


class Inputs(NamedTuple):
    """What the passes of some draws are made with."""

    keys: Keys
    draws: Arrays
    leaves: Leaves


def _moved(one: Any, other: Any) -> bool:
    return not same(other, one, _SAME).all()


def _off(one: Any, other: Any) -> float:
    """How far values differ at most, where the first are finite."""
    gap = np.abs(np.subtract(one, other, dtype=float))
    return float(np.max(gap, initial=0.0, where=np.isfinite(one)))


def check(plan: Pass, run: Callable[..., Passed], inputs: Inputs, other: Keys, ran: Passed, seen: Seen) -> None:
    """The fitted part must not change, checked on the first draws. Only ties and doubts take another compilation."""
    _refuse_implausible(ran.excess)
    _refuse_changed(plan, inputs, ran.computed, seen.computed)
    _refuse_other_prior(ran.density, seen.density)
    if ran.computed or ran.density or ran.targets or plan.ties:
        again = run(*inputs._replace(keys=other))
        one, other_one = {**ran.computed, **ran.density}, {**again.computed, **again.density}
        _refuse_dependent(plan, one, other_one)
        _compare_targets(plan, ran.targets, again.targets)
        if plan.ties:
            values = {**inputs.draws, **ran.values}
            _refuse_tied(plan, values, again.values, inputs.leaves)


def _refuse_implausible(excess: Arrays) -> None:
    for name, value in excess.items():
        below = float(np.median(value))
        if below > _IMPLAUSIBLE:
            raise ExtensionError(
                f"With these arguments the distribution of {name!r} cannot have produced its fitted values (the log "
                f"density of a value lies {below:.0f} below that of a draw from the prior): the arguments have to "
                "begin with those of the fit, in their order, and go on with the new ones.",
                sites=(name,),
            )


def _refuse_changed(plan: Pass, inputs: Inputs, computed: Arrays, recorded: Arrays) -> None:
    """Recorded values have to come out again. Before rounding is blamed for a difference, it is measured."""
    doubtful = {}
    for name, value in computed.items():
        was = recorded[name][: len(value)]
        if _moved(was, value):
            doubtful[name] = was
    nearby = _computed_nearby(plan, inputs) if doubtful else {}
    for name, was in doubtful.items():
        off = _off(was, computed[name])
        rounding = _off(computed[name], nearby[name])
        if off <= _ROUNDING * rounding:
            continue
        scale = _off(was, 0.0)
        raise ExtensionError(
            f"What was fitted would change: {name!r}, recomputed along its fitted part, is off by {off:.3g} from "
            f"values up to {scale:.3g}. So {_carried_on(plan)} cannot be carried on with these arguments: they "
            "have to begin with those of the fit, and what the model computes for those must not depend on what comes "
            "after them (a mean over groups, a basis made from the range of the data).",
            sites=(name,),
        )


def _computed_nearby(plan: Pass, inputs: Inputs) -> Arrays:
    """Recorded values computed anew with draws and arguments that differ in their last digits."""
    call = plan.inspection.call
    leaves = _times(1 + _NEARBY, call.leaves)
    changed = call.with_leaves(dict(enumerate(leaves)))
    plan = replace(plan, inspection=replace(plan.inspection, call=changed))
    draws = _times(1 - _NEARBY, inputs.draws)
    inputs = Inputs(inputs.keys, draws, _times(1 + _NEARBY, inputs.leaves))
    passed: Passed = plan.each(plan.run, *inputs)(*inputs)
    return passed.computed


def _times(factor: float, values: Any) -> Any:
    """The same with other numbers that are not whole."""

    def times(x: Any) -> Any:
        if not isinstance(x, (float, np.floating, np.ndarray, jax.Array)):
            return x
        is_float = jnp.issubdtype(jnp.result_type(x), jnp.floating)
        return x * factor if is_float else x

    return jax.tree_util.tree_map(times, values)


def _refuse_other_prior(density: Arrays, in_fit: Mapping[str, float]) -> None:
    """Fitted values have to be as likely as they were in the fit, seen on one draw."""
    for name in density.keys() & in_fit.keys():
        was, now = in_fit[name], float(density[name][0])
        if differ(now, was):
            raise ExtensionError(
                f"The fitted values of {name!r} have another distribution with these arguments than they had in the "
                f"fit (log density {now:.5g}, it was {was:.5g}), as where a prior depends on how many there are. New "
                f"ones would be drawn from that: fit the model with them in it, or name {name!r} in redraw= of the "
                "drop-ins.",
                sites=(name,),
            )


def _carried_on(plan: Pass) -> str:
    return listing(plan.where or plan.wanted)


def _refuse_dependent(plan: Pass, one: Arrays, other: Arrays) -> None:
    """Two passes of one compilation that differ in what they draw: all else has to be the same."""
    for name, value in one.items():
        if not _moved(value, other[name]):
            continue
        what = f"the distribution of the fitted {name!r}"
        if name in plan.computed:
            what = f"{name!r} along its fitted part"
        first, *_ = plan.where or plan.wanted
        redrawn = name if name in plan.scored else first
        raise ExtensionError(
            f"What was fitted would change: {what} depends on what is drawn anew of {_carried_on(plan)} (a mean over "
            "groups, for example), so that what was fitted tells of those. They cannot be drawn forward from the "
            f"model: fit it with the new ones in it, or name {redrawn!r} in redraw= of the drop-ins.",
            sites=(name,),
        )


def _compare_targets(plan: Pass, one: Mapping[str, Compared], other: Mapping[str, Compared]) -> None:
    """What targets are drawn with along the fitted part, under the same two passes: shares are meant to change."""
    moved = []
    for name in one:
        part, other_part = one[name].part[:_FEW], other[name].part[:_FEW]
        if _moved(part, other_part):
            moved.append(name)
    if not moved:
        return
    tables = [name for name in moved if name.startswith(TABLE)]
    names, new = listing(sorted(plan.targets)), _carried_on(plan)
    if all(_are_shares(one[name], other[name]) for name in tables or moved):
        warn(
            f"The shares of what was fitted become smaller: the new values of {new} have a part in what {names} is "
            "drawn with. If this is not meant, fit the model with the new ones in it.",
            SanitizeWarning,
            sites=(*plan.targets,),
        )
        return
    raise ExtensionError(
        f"What was fitted would change: what {names} is drawn with along the fitted part depends on what is drawn anew "
        f"of {new} (a mean over all that is subtracted, effects that sum to zero, innovations that are summed up from "
        f"the last). So it cannot be carried on: fit the model with the new ones in it, or name {new} in redraw= of "
        "the drop-ins.",
        sites=(*plan.targets,),
    )


def _are_shares(one: Compared, other: Compared) -> bool:
    """Whether these are parts of a whole, which is the same in both passes."""
    lowest, largest = np.min(one.lowest), np.max(one.sums)
    are_parts = bool(lowest >= 0 and largest > 0)
    return are_parts and not _moved(one.sums, other.sums)


def _refuse_tied(plan: Pass, values: Arrays, others: Arrays, leaves: Leaves) -> None:
    """What ties a latent's fitted values to its new ones, as a factor for neighbours, leaves a mixed difference."""
    score = plan.each(plan.tied, values, leaves)
    for name, at in plan.where.items():
        fitted = every_draw(at)
        scores = []
        for drawn in (values[name], others[name]):
            mixed = np.array(drawn)  # new values of this draw, and fitted ones of the draw before
            mixed[fitted] = np.roll(mixed[fitted], 1, axis=0)
            for value in (drawn, mixed):
                scores.append(score({**values, name: value}, leaves))
        for tie in plan.ties:
            a, b, c, d = four = [np.asarray(found[tie], float) for found in scores]
            scale = np.abs(four).max(axis=0)
            gap = np.abs(a - b - c + d)
            if (gap > _SAME * scale).any():
                raise ExtensionError(
                    f"What was fitted would change: {tie!r} (a factor, or an observation of latents) ties the fitted "
                    f"values of {name!r} to its new ones, which cannot be drawn forward from the model: fit it with "
                    "the new ones in it.",
                    sites=(name, tie),
                )
