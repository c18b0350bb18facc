"""Calls of other fields: right, or told; and routine calls, of which nothing is said."""

import warnings

import numpy as np
import pytest
from field_calls import DUE, SILENT

import sanitize

# These take longer than the others: they fit, solve an equation, or have much to compile.
LONG = [
    "survival_cuts_from_the_data",
    "ode_on_the_fits_times",
    "finance_scale_from_the_sample",
    "mixture_of_rows",
    "marketing_correlation_passed_for_its_factor",
    "same_map_in_other_type",
    "epidemiology_other_map",
    "education_other_districts_non_centred",
    "draws_on_the_boundary",
    "education_years_since_the_first",
    "finance_drawdown",
    "exposure_per_row",
    "toxicology_link_left_out",
    "tourism_days_since_the_first",
    "economics_share_of_a_household",
    "epidemiology_orthogonal_polynomials",
    "linguistics_global_switch",
    "distances_to_fixed_towns",
    "ecology_idata_other_species_same_number",
]


def fast_first(names):
    return [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in names]


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


@pytest.mark.parametrize("name", fast_first(DUE))
def test_right_or_told(name):
    call, names = DUE[name]
    got, right, said = answer(call)
    told = any(one in text for one in names for text in said)
    assert told or (is_right(got, right) and not said)


@pytest.mark.parametrize("name", fast_first(SILENT))
def test_nothing_is_said_of_routine_calls(name):
    got, right, said = answer(SILENT[name])
    assert not said
    assert right is None or is_right(got, right)
