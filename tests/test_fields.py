"""Models of many fields: each verdict and each warning as worked out by hand from the table of verdicts."""

import warnings

import pytest
from field_models import EXTRA, HARD, ROUTINE, samples_of
from warned import warned

import sanitize
from sanitize import inspect_sites, strip_deterministic

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("case", [*HARD, *EXTRA, *ROUTINE], ids=lambda case: case.name)
def test_each_entry_is_judged_as_by_hand(case):
    samples, error = samples_of(case), getattr(sanitize, case.error or "", None)
    with warned() as caught:
        if error is None:
            strip_deterministic(case.model, samples, *case.new_args, **case.new_kwargs, **case.options)
        else:
            with pytest.raises(error):
                strip_deterministic(case.model, samples, *case.new_args, **case.new_kwargs, **case.options)
    said = {w.category.__name__ for w in caught}
    if error is None:
        assert case.warns <= said <= case.warns | case.may_warn
    if error is sanitize.OptionError:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        review = inspect_sites(case.model, *case.new_args, **case.new_kwargs).review(samples, **case.options)
    if case.expected:
        assert review.keys() == case.expected.keys()
    for name, wanted in case.expected.items():
        assert review[name].action in (wanted if isinstance(wanted, tuple) else (wanted,)), name


def test_routine_calls_are_forty_and_silent():
    assert len(ROUTINE) == 40
    assert not any(case.warns or case.error for case in ROUTINE)
