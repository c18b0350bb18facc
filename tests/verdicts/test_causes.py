"""Every row of the table of verdicts, with and without words: no decision rests on a sentence."""

import types
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from fits import Fitted
from numpyro.contrib.control_flow import scan
from without_words import empty_messages

from sanitize import containers
from sanitize.model.call import Call
from sanitize.model.inspection import Inspection
from sanitize.options import Options
from sanitize.prepare import Case
from sanitize.verdicts import Cause


def x(rows):
    return np.linspace(0.0, 1.0, rows, dtype=np.float32)


def draws(**shapes):
    return {name: np.ones((5, *shape), np.float32) for name, shape in shapes.items()}


def backwards(y=None, steps=None):
    def step(level, y_t):
        level = numpyro.sample("level", dist.Normal(level, 0.1))
        numpyro.sample("obs", dist.Normal(level, 1.0), obs=y_t)
        return level, level

    scan(step, 0.0, y, length=steps, reverse=True)


def folded(x, y=None):
    """It runs without values only."""
    if not isinstance(x, jax.core.Tracer):
        raise ValueError("these rows do not fold")
    z = numpyro.sample("z", dist.Normal().expand(x.shape))
    numpyro.sample("obs", dist.Normal(z[::-1], 1.0), obs=y)


def packed(x, y=None):
    """As NeuTra has it: all latents in one vector, which is as long as those of the fit."""
    vector = numpyro.sample("auto_shared_latent", dist.Normal().expand([7]).to_event(1))
    numpyro.factor("_z_log_prob", 0.0)
    z = numpyro.deterministic("z", vector[1:])
    numpyro.sample("obs", dist.Normal(z + x, 1.0), obs=y)


class Row(NamedTuple):
    """A call, and one entry of its samples on which the verdict has this cause."""

    cause: Cause
    action: str
    entry: str
    model: Any
    args: tuple[Any, ...]
    samples: Any
    options: Mapping[str, Any] = {}
    kwargs: Mapping[str, Any] = {}


LINE = draws(intercept=(), slope=())
ROWS = draws(sigma=(), z=(6,))
GROUPS = draws(location=(), effect=(4,))
STEPS = draws(drift=(), start=(), level=(6,))
INDEX = np.arange(6) % 3

TABLE = [
    Row(Cause.NO_SITE, "kept", "other", models.line, (x(3),), {**LINE, **draws(other=(2,))}),
    Row(Cause.PARAM, "kept", "scale", models.with_params, (x(3),), draws(a=(), scale=())),
    Row(Cause.OBSERVED, "stripped", "obs", models.line, (x(3), x(3)), {**LINE, **draws(obs=(9,))}),
    Row(Cause.PLATE, "stripped", "data", models.subsampled, (x(20), 5), draws(beta=(), data=(5,))),
    Row(Cause.RECOMPUTED, "stripped", "mu", models.line, (x(3),), {**LINE, **draws(mu=(9,))}),
    Row(Cause.FIXED, "kept", "mu", models.line, (x(3),), {**LINE, **draws(mu=(3,))}, {"keep": "mu"}),
    Row(Cause.FIXED_MISFIT, "refused", "mu", models.line, (x(3),), {**LINE, **draws(mu=(9,))}, {"keep": "mu"}),
    Row(Cause.LOST_LATENT, "refused", "mu", models.line, (x(3),), draws(intercept=(), mu=(3,))),
    Row(Cause.REDRAW, "redrawn", "slope", models.line, (x(3),), LINE, {"redraw": "slope"}),
    Row(Cause.TARGET, "stripped", "obs", models.line, (x(3),), {**LINE, **draws(obs=(9,))}),
    Row(Cause.EMPTY, "stripped", "z", models.expanded_row_effects, (x(0),), ROWS),
    Row(Cause.EXTEND, "kept", "effect", models.group_effects, (x(6), INDEX, 4), GROUPS, {"extend": "effect"}),
    Row(Cause.CARRIED_ON, "kept", "effect", models.group_effects, (x(6), INDEX, 5), GROUPS, {"extend": "effect"}),
    Row(Cause.OBSTACLE, "refused", "effect", models.group_effects, (x(6), INDEX, 3), GROUPS, {"extend": "effect"}),
    Row(Cause.REVERSED, "refused", "level", backwards, (), draws(level=(6,)), {}, {"steps": 6}),
    Row(
        Cause.CONTINUED,
        "kept",
        "level",
        models.local_level,
        (),
        draws(drift=(), start=(), level=(6,)),
        {},
        {"steps": 9},
    ),
    Row(Cause.MISFIT, "refused", "effect", models.group_effects, (x(6), INDEX, 5), GROUPS),
    Row(Cause.KEEP_MISFIT, "refused", "z", models.row_effects, (x(4),), ROWS, {"keep": "z"}),
    Row(Cause.JOINT_MISFIT, "refused", "f", models.gaussian_process, (x(4),), draws(length=(), f=(6,))),
    Row(Cause.UNTOLD_MISFIT, "refused", "z", folded, (x(12),), draws(z=(24,))),
    Row(Cause.ROWS_MISFIT, "redrawn", "z", models.row_effects, (x(4),), ROWS),
    Row(Cause.OUTSIDE, "refused", "sigma", models.row_effects, (x(6),), {**ROWS, "sigma": np.full(5, -2.0)}),
    Row(Cause.KEEP, "kept", "z", models.row_effects, (x(6),), ROWS, {"keep": "z"}),
    Row(Cause.OTHER_ROWS, "redrawn", "z", models.row_effects, (x(6),), ROWS, {"new_rows": True}),
    Row(
        Cause.JOINT_OTHER_ROWS,
        "kept",
        "f",
        models.gaussian_process,
        (x(6) ** 2,),
        Fitted(models.gaussian_process, x(6), x(6)),
    ),
    Row(Cause.PACKED, "refused", "auto_shared_latent", packed, (x(6) ** 2,), Fitted(packed, x(6))),
    Row(Cause.UNTOLD_ROWS, "kept", "z", models.row_effects, (x(6),), ROWS),
    Row(
        Cause.UNTOLD_DIMENSION,
        "kept",
        "z",
        models.from_object,
        (types.SimpleNamespace(x=x(6)),),
        draws(a=(), z=(6,)),
    ),
    Row(Cause.SAME_ROWS, "kept", "z", models.row_effects, (x(6),), ROWS, {"new_rows": False}),
    Row(Cause.FITS, "kept", "slope", models.line, (x(3),), LINE),
]

# What else can be said: other data than the fit's, and each reason why something cannot be carried on.
BESIDE = [
    Row(Cause.OTHER_ROWS, "redrawn", "z", models.row_effects, (x(6) + 1,), Fitted(models.row_effects, x(6), x(6))),
    Row(Cause.SAME_ROWS, "kept", "z", models.row_effects, (x(6),), Fitted(models.row_effects, x(6), x(6))),
    Row(Cause.OBSTACLE, "refused", "level", backwards, (), draws(level=(6,)), {"extend": "level"}, {"steps": 9}),
    Row(
        Cause.OBSTACLE,
        "refused",
        "z",
        models.row_effects,
        (x(9) + 1,),
        Fitted(models.row_effects, x(6), x(6)),
        {"extend": "z"},
    ),
    Row(
        Cause.OBSTACLE,
        "refused",
        "effect",
        models.group_effects,
        (x(6), INDEX, 4),
        {**GROUPS, **draws(effect=(4, 2))},
        {"extend": "effect"},
    ),
    Row(Cause.FITS, "kept", "intercept", models.line, (x(3),), draws(intercept=())),
]


def reviewed(row):
    inspection = Inspection.of(Call.of(row.model, row.args, row.kwargs))
    case = Case.of(inspection, containers.open(row.samples), Options.of(**row.options))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return case.review()


def judged(row):
    """All that a review decides: actions and causes, and the classes of what is said with what it carries."""
    review = reviewed(row)
    said = [(one.category, repr(one.seen)) for one in (*review.refusals, *review.notices)]
    verdicts = {name: (verdict.action, verdict.cause) for name, verdict in review.items()}
    return verdicts, said, review.missing, review.extended


def test_there_is_a_model_for_each_row():
    assert [row.cause for row in TABLE] == list(Cause)


@pytest.mark.parametrize("row", [*TABLE, *BESIDE], ids=lambda row: f"{row.cause.name} {row.entry}")
def test_each_row_is_decided_with_and_without_words(row, monkeypatch):
    with_words = judged(row)
    assert with_words[0][row.entry] == (row.action, row.cause)
    empty_messages(monkeypatch)
    assert judged(row) == with_words


@pytest.mark.words
def test_each_cause_has_words():
    for row in TABLE:
        assert len(reviewed(row)[row.entry].reason.split()) > 2
