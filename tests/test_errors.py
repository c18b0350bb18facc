"""Errors carry what was seen, warnings point at the user's line, and names read as a sentence."""

import copy
import pickle
import warnings

import pytest

import sanitize
from sanitize import errors
from sanitize.errors import SanitizeError, listing

ERRORS = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, SanitizeError)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_is_public_and_of_a_builtin_kind(error):
    """Code that catches `ValueError` or `TypeError` catches ours."""
    assert getattr(sanitize, error.__name__) is error
    if error is not SanitizeError:
        assert issubclass(error, (TypeError, ValueError))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_what_was_seen_survives_copying(error, copied):
    """An error that comes back from another process carries its message and its data."""
    original = error("seen and to do", shapes={"a": (3,)}, missing=("b",))
    again = copied(original)
    assert type(again) is error
    assert again.args == ("seen and to do",)
    assert (again.shapes, again.missing) == ({"a": (3,)}, ("b",))


@pytest.mark.parametrize(
    "warning", [errors.AssumedArgumentsWarning, errors.RedrawnSiteWarning, errors.RowLevelSiteWarning]
)
def test_every_warning_is_public_and_can_be_turned_off_by_kind(warning):
    assert getattr(sanitize, warning.__name__) is warning
    with warnings.catch_warnings():
        warnings.simplefilter("error", sanitize.SanitizeWarning)
        warnings.simplefilter("ignore", warning)
        errors.warn("not heard", warning)


def test_a_warning_points_at_the_first_line_outside_of_the_package():
    with pytest.warns(errors.RedrawnSiteWarning, match="rows") as caught:
        errors.warn("rows", errors.RedrawnSiteWarning)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "'a'"),
        (["a", "b"], "'a' and 'b'"),
        (["a", "b", "c"], "'a', 'b' and 'c'"),
        ("abcdefgh", "'a', 'b', 'c', 'd', 'e', 'f', 'g' and 'h'"),
        ("abcdefghi", "'a', 'b', 'c', 'd', 'e', 'f', 'g' and 2 more"),
    ],
)
def test_names_are_listed_as_in_a_sentence(names, text):
    assert listing(names) == text
