"""Calls of other fields: right, or told; and routine calls, of which nothing is said."""

import warnings

import numpy as np
import pytest
from field_calls import DUE, SILENT

import sanitize


def answer(call):
    """What a call gives, what is right, and what is said of it. A refusal is said, too."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            got, right = call()
        except sanitize.SanitizeError as error:
            return None, None, [str(error)]
    return got, right, [str(one.message) for one in caught if isinstance(one.message, sanitize.SanitizeWarning)]


def is_right(got, right):
    return right is not None and np.shape(got) == np.shape(right) and np.allclose(got, right, atol=0.15)


@pytest.mark.parametrize("name", DUE)
def test_right_or_told(name):
    call, names = DUE[name]
    got, right, said = answer(call)
    told = any(one in text for one in names for text in said)
    assert told or (is_right(got, right) and not said)


@pytest.mark.parametrize("name", SILENT)
def test_nothing_is_said_of_routine_calls(name):
    got, right, said = answer(SILENT[name])
    assert not said
    assert right is None or is_right(got, right)
