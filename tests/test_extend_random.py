"""Whatever the model: more groups leave what was fitted as it was, or it is an error that says so.

``pytest tests/test_extend_random.py --hypothesis-profile=thorough`` runs 300 random models.
"""

import dataclasses
import warnings

import jax
import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from numpyro import infer as stock
from random_models import TARGET, fewer, random_models

from sanitize import ExtensionError, extend

AXES = ("group", "cross", "region")
LOOKED_UP = {"row": ("group", "cross", "region"), "group": ("region",)}


def is_averaged(axis, have, want):
    """Whether `_fit` of `random_models` takes a mean over an axis: it is neither kept nor looked up by an index."""
    looked_up = (
        LOOKED_UP["row"] if "row" in want and "row" not in have else LOOKED_UP["group"] if "group" in want else ()
    )
    return axis in have and axis not in want and axis not in looked_up


def changes(model, axis):
    """The latents and values recorded along an axis that depend on how many it has, by a mean over it; and whether
    such a mean has a part in what the target is drawn with, too."""
    axes = {node.name: node.axes for node in model.nodes}
    found, means = [], set()
    for node in model.nodes:
        if any(parent in means or is_averaged(axis, axes[parent], node.axes) for parent in node.parents):
            shifted = node.reparametrized and node.family != "lognormal"  # its base is drawn from no parent
            if node.is_latent and not shifted:
                found.append(node.name)  # a fitted value: what depends on it depends on nothing that is new
            else:
                means.add(node.name)
                found += [node.name] * (axis in node.axes)
    may_reach = [
        parent in means or is_averaged(axis, axes[parent], model.target.axes) for parent in model.target.parents
    ]
    return found, any(may_reach)


def by_keyword(model):
    return dataclasses.replace(model, keywords=99).arguments(model.rows)[1]


def begun_by(fitted, more):
    """Arguments with more groups that begin with those of the fit: what was fitted keeps its group."""
    if "data" in more:
        return {"data": begun_by(fitted["data"], more["data"])}
    began = {name: np.append(fitted[name], more[name][len(fitted[name]) :]) for name in ("g", "h", "r") if name in more}
    return {**more, **{name: value.astype(np.int32) for name, value in began.items()}}


@st.composite
def models_with_groups(draw):
    """A model whose groups are told by a number or a covariate, and an axis of which there will be more."""
    model = draw(random_models().filter(lambda model: model.of(*AXES)))
    model = dataclasses.replace(model, groups_from=draw(st.sampled_from(["number", "covariate"])))
    return model, draw(st.sampled_from([axis for axis in AXES if model.of(axis)]))


@pytest.mark.slow
@fewer(2)
@given(models_with_groups())
def test_more_groups_leave_what_was_fitted_as_it_was(model_and_axis):
    model, axis = model_and_axis
    more = dataclasses.replace(model, fitted={**model.fitted, axis: model.fitted[axis] + 2})
    kwargs = by_keyword(model)
    samples = stock.Predictive(model.function, num_samples=8)(jax.random.PRNGKey(0), **kwargs)
    samples = {name: np.asarray(value) for name, value in samples.items() if name != TARGET}
    kwargs = begun_by(kwargs, by_keyword(more))
    harmful, may_reach = changes(model, axis)
    event(f"changes: {bool(harmful)}, reaches: {may_reach}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if harmful:
            with pytest.raises(ExtensionError, match="|".join(harmful)):
                extend(model.function, samples, jax.random.PRNGKey(1), sites=True, **kwargs)
            return
        try:
            result = extend(model.function, samples, jax.random.PRNGKey(1), sites=True, **kwargs)
        except ExtensionError:
            assert may_reach
            return
    for name, (node, _) in model.latents.items():
        at = tuple(slice(model.fitted[a] if a == axis else None) for a in node.axes)
        assert np.array_equal(
            np.asarray(result[name])[(..., *(at if not node.is_named_by_a_loop else ()))], samples[name]
        )
