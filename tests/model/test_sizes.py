"""What each dimension follows, what rows are, what is predicted: laws over models with the answer by hand."""

import time

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from textbook_models import TEXTBOOK
from truth_models import TRUTHS, codes, f

from sanitize.model.call import Call
from sanitize.model.inspection import Inspection

Normal, sample = dist.Normal, numpyro.sample


def inspect(model, *args, **kwargs):
    return Inspection.of(Call.of(model, args, kwargs))


def in_words(inspection, name):
    """As the answers in `truth_models` have it, words of a size in the order of their letters."""
    untold = inspection.sizes.untold.get(name, ())
    dims = inspection.sizes.of[name]
    return tuple(
        "?" if i in untold else " * ".join(sorted(_words(size.words) for size in dim)) for i, dim in enumerate(dims)
    )


def _words(words):
    return " ".join(sorted(word.replace(" ", "_") for word in words))


def right(answer):
    return " * ".join(sorted(_words(size.replace("levels of ", "levels_of_").split(" ")) if size else "" for size in answer.split(" * ")))


@pytest.fixture(params=TRUTHS, scope="module")
def truth(request):
    case = TRUTHS[request.param]
    return case, inspect(case.model, *case.args, **case.kwargs)


def test_each_dimension_follows_what_it_was_told_by_hand(truth):
    case, inspection = truth
    found = {name: in_words(inspection, name) for name in case.follows}
    assert found == {name: tuple(map(right, dims)) for name, dims in case.follows.items()}


def test_rows_are_the_sizes_that_a_target_follows(truth):
    case, inspection = truth
    assert {_words(size.words) for size in inspection.rows} == {*map(right, case.rows)}


def test_what_is_no_row_by_hand_is_never_called_row_level(truth):
    case, inspection = truth
    rows = {*map(right, case.rows)}
    for name, answer in case.follows.items():
        called = {i for i in inspection.row_dims.get(name, ())}
        assert called <= {i for i, dim in enumerate(answer) if rows & {*right(dim).split(" * ")}}


def test_few_runs_tell(truth):
    _, inspection = truth
    assert inspection.sizes.runs <= 16


def test_the_textbook_models_take_at_most_90_changed_runs():
    inspections = [inspect(case.model, *case.args, **case.kwargs) for case in TEXTBOOK.values()]
    assert sum(inspection.sizes.runs for inspection in inspections) <= 90
