"""The call without arguments: right kinds or a clear error, never a guess, and it says on what it rests."""

import functools
import inspect
import warnings

import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from adversarial_models import ADVERSARIAL, defaults_only, integer_code, string_option
from option_models import OPTION_MODELS
from textbook_models import TEXTBOOK, eight_schools, linear_regression, polynomial, record_fit, stacking

from sanitize import (
    AssumedArgumentsWarning,
    MissingLatentError,
    ModelArgumentsError,
    RedrawnSiteWarning,
    inspect_sites,
    strip_deterministic,
)
from sanitize import assume as assume_module
from sanitize import variations as variations_module
from sanitize.assume import assumed_arguments
from sanitize.errors import SanitizeError
from sanitize.options import StandIn
from sanitize.review import review_samples

UNSOLVED = {"dawid_skene", "holt_winters", "imputation", "stacking"}  # sizes that are values, too many parameters


def quietly(strip):
    """What it returns, or its own error; its warnings are looked at elsewhere."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=AssumedArgumentsWarning)
        warnings.filterwarnings("ignore", category=RedrawnSiteWarning)
        try:
            return strip()
        except SanitizeError as error:
            return error


def bare(model, samples, **options):
    return quietly(lambda: strip_deterministic(model, samples, **options))


def told(case, samples):
    return quietly(lambda: strip_deterministic(case.model, samples, *case.args, new_rows=True, **case.kwargs))


def assert_entry_by_entry(clean, expected):
    assert not isinstance(expected, Exception)
    assert list(clean) == list(expected)
    assert all(clean[name] is expected[name] for name in expected)


def calls_of(model):
    """The model, and a list with one item for each time that its body ran."""
    calls = []

    @functools.wraps(model)
    def counted(*args, **kwargs):
        calls.append(args)
        return model(*args, **kwargs)

    return counted, calls


def regression(rows=20, features=3):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, features)).astype(np.float32)
    return linear_regression, (X, X[:, 0])


# ------------------------------------------------------------------------------------------- right, or an error


@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook_models_are_solved_and_agree_with_the_arguments_of_the_fit(name):
    """Entry by entry what the fit's own arguments give; the three that cannot be solved say so."""
    case = TEXTBOOK[name]
    samples = record_fit(*case)
    clean = bare(case.model, samples)
    if name in UNSOLVED:
        assert isinstance(clean, ModelArgumentsError)
        assert f"{case.model.__name__}(" in str(clean)
        assert "strip_deterministic(model, samples, " in str(clean)
    else:
        assert_entry_by_entry(clean, told(case, samples))


def test_at_least_32_of_at_least_40_textbook_models_are_solved():
    """The bar of this feature, by count: the test above shows which."""
    assert len(TEXTBOOK) >= 40
    assert len(TEXTBOOK) - len(UNSOLVED) >= 32
    assert set(TEXTBOOK) >= UNSOLVED


@pytest.mark.parametrize("case", ADVERSARIAL.values(), ids=ADVERSARIAL)
def test_adversarial_models_are_right_or_refused(case):
    """Where the kinds depend on what was passed, an error is right and a wrong kind never."""
    assert_right_or_refused(case)


@pytest.mark.parametrize("case", OPTION_MODELS.values(), ids=OPTION_MODELS)
def test_models_that_branch_on_options_are_right_or_refused(case):
    """However an option is asked for its value, and whichever it was."""
    assert_right_or_refused(case)


def assert_right_or_refused(case):
    samples = case.samples()
    clean = bare(case.model, samples)
    if not isinstance(clean, Exception):
        assert_entry_by_entry(clean, told(case, samples))


def test_there_are_at_least_25_adversarial_models():
    """The bar of this feature: which of their fits are refused is not fixed, only that no answer is wrong."""
    assert len({case.model for case in ADVERSARIAL.values()}) >= 25


def test_a_call_without_arguments_strips_what_no_argument_decides():
    """The first line of the README."""
    model, args = regression()
    samples = record_fit(model, args)
    with pytest.warns(AssumedArgumentsWarning):
        clean = strip_deterministic(model, samples)
    assert list(clean) == ["alpha", "beta", "sigma"]
    assert all(clean[name] is samples[name] for name in clean)
    assert "eta" in samples


# --------------------------------------------------------------------------------------------- what is announced


def test_the_warning_names_what_was_assumed_at_the_line_of_the_user():
    """Once a call, with dtypes and sizes, and how to make it certain."""
    model, args = regression()
    samples = record_fit(model, args)
    with pytest.warns(AssumedArgumentsWarning) as caught:
        strip_deterministic(model, samples)
    line = inspect.currentframe().f_lineno - 1
    assert len(caught) == 1
    assert "X: float32[20, 3]" in str(caught[0].message)
    assert "Pass the arguments" in str(caught[0].message)
    assert (caught[0].filename, caught[0].lineno) == (__file__, line)


def test_the_review_says_on_which_arguments_it_rests():
    """As a tuple, as a line of its print-out, and in HTML; not where arguments were passed."""
    model, args = regression()
    samples = record_fit(model, args)
    with pytest.warns(AssumedArgumentsWarning):
        table = assumed_arguments(model, samples)
    review = review_samples(table, samples)
    assert review.assumed[0] == "X: float32[20, 3]"
    assert "X: float32[20, 3]" in repr(review).splitlines()[-1]
    assert "X: float32[20, 3]" in review._repr_html_()
    passed = inspect_sites(model, *args).review(samples)
    assert passed.assumed == ()
    assert "worked out" not in repr(passed)


def test_a_size_that_no_entry_has_is_a_question_mark():
    """What is not known is not made up in what is said."""
    case = TEXTBOOK["baseball_pooled"]
    with pytest.warns(AssumedArgumentsWarning, match=r"at_bats: float32\[\?\]"):
        strip_deterministic(case.model, record_fit(*case))


def test_nothing_is_announced_where_a_model_needs_no_arguments():
    """Nothing was assumed, so nothing is said: warnings are errors here."""
    samples = record_fit(models.no_arguments)
    assert strip_deterministic(models.no_arguments, samples)


# -------------------------------------------------------------------------------------------------- rows


def test_row_level_latents_go_because_the_result_fits_any_rows():
    """No arguments: any number of rows has to fit; a warning says how to keep them."""
    case = TEXTBOOK["eight_schools"]
    samples = record_fit(*case)
    with (
        pytest.warns(AssumedArgumentsWarning, match="J: 8"),
        pytest.warns(RedrawnSiteWarning, match="new_rows=False"),
    ):
        clean = strip_deterministic(eight_schools, samples)
    assert list(clean) == ["mu", "tau"]


def test_row_level_latents_stay_where_the_rows_are_said_to_be_the_same():
    """`new_rows=False` keeps them, with nothing said about rows."""
    case = TEXTBOOK["eight_schools"]
    samples = record_fit(*case)
    with pytest.warns(AssumedArgumentsWarning) as caught:
        clean = strip_deterministic(eight_schools, samples, new_rows=False)
    assert [w.category for w in caught] == [AssumedArgumentsWarning]
    assert list(clean) == ["mu", "tau", "theta"]


# ----------------------------------------------------------------------------------------------- what is refused


def test_more_than_four_parameters_are_refused_before_anything_runs():
    """The clear error at once, with the signature and the number."""
    model, calls = calls_of(stacking)
    case = TEXTBOOK["stacking"]
    samples = record_fit(*case)
    with pytest.raises(ModelArgumentsError, match="it needs 6: at most 4") as caught:
        strip_deterministic(model, samples)
    assert "stacking(X, d_discrete, X_test, lpd_point, tau_mu, tau_sigma)" in str(caught.value)
    assert calls == []


def test_open_signatures_are_refused():
    """`*args` and `**kwargs` do not say what there is."""
    with pytest.raises(ModelArgumentsError, match="signature does not tell"):
        strip_deterministic(ADVERSARIAL["extra_keywords"].model, {"base": np.zeros(5)})


def test_the_search_is_bounded_by_a_number_of_runs(monkeypatch):
    """The same number on every machine: what it says that it ran, it ran, and a smaller budget is kept."""
    samples = {"alpha": np.zeros(6), "beta": np.zeros((6, 3)), "sigma": np.ones((6, 2, 2)), "eta": np.zeros((6, 9))}
    counts = []
    for most in (40, 10):
        monkeypatch.setattr(assume_module, "_MOST_RUNS", most)
        model, calls = calls_of(linear_regression)
        with pytest.raises(ModelArgumentsError, match=r"nothing in \d+ runs"):
            strip_deterministic(model, samples)
        counts.append(len(calls))
        assert len(calls) <= most + 1  # an explanation takes two
    assert counts[0] > counts[1]


def test_a_proof_that_does_not_finish_proves_nothing(monkeypatch):
    """A search for contradictions that was cut short counts as a contradiction."""
    case = ADVERSARIAL["string_option"]
    samples = case.samples()
    monkeypatch.setattr(variations_module, "_MOST_RUNS", 30)
    with pytest.raises(ModelArgumentsError, match="more runs than it may"):
        strip_deterministic(string_option, samples)


def test_what_is_ambiguous_is_named():
    """The entry, what it would be, and under which two assignments."""
    case = ADVERSARIAL["integer_code, other"]
    with pytest.raises(ModelArgumentsError, match=r"'theta' is deterministic with .* but latent with"):
        strip_deterministic(integer_code, case.samples())


def test_recorded_values_that_the_defaults_do_not_compute_are_refused():
    """A model without required parameters, fitted under another default: shapes agree, values do not."""
    samples = record_fit(defaults_only, (), {"noncentred": False})
    with pytest.raises(ModelArgumentsError, match="'theta' computed from the recorded latents is not what was"):
        strip_deterministic(defaults_only, samples)


def noncentred_by_default(noncentered=True):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    if noncentered:
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        numpyro.deterministic("theta", mu + z)
    else:
        numpyro.sample("theta", dist.Normal(mu, 1.0))


def test_a_default_that_lacks_a_latent_of_the_fit_is_no_explanation():
    """A centred posterior, a model that is non-centred by default: the fitted effects are not thrown away."""
    samples = record_fit(noncentred_by_default, (), {"noncentered": False})
    with pytest.raises(MissingLatentError) as caught:
        strip_deterministic(noncentred_by_default, samples)
    assert caught.value.missing["theta"] == ("z",)


def test_a_default_under_which_the_values_agree_is_accepted():
    """The same model and the fit that its default describes."""
    samples = record_fit(noncentred_by_default)
    assert list(strip_deterministic(noncentred_by_default, samples)) == ["mu", "z"]


def test_an_entry_computed_from_a_latent_that_has_none_is_refused():
    """Stripped, its fitted values would be replaced by draws from the prior."""
    model, args = regression()
    samples = record_fit(model, args, without=("beta",))
    with pytest.raises(MissingLatentError, match="'eta' from 'beta'") as caught:
        strip_deterministic(model, samples)
    assert caught.value.missing == {"eta": ("beta",)}


def test_a_default_number_that_only_scales_a_value_is_no_matter():
    """Another degree is another shape: the recorded one decides, and the kinds are the same for each."""
    case = TEXTBOOK["polynomial"]
    samples = record_fit(polynomial, case.args, {"degree": 5})
    clean = bare(polynomial, samples)
    assert isinstance(clean, ModelArgumentsError) or list(clean) == ["a", "b", "sigma"]


def test_samples_are_refused_before_a_model_runs():
    """That these are no samples is the first thing to say."""
    model, calls = calls_of(linear_regression)
    with pytest.raises(TypeError, match="not a mapping"):
        strip_deterministic(model, [1, 2])
    assert calls == []


# ------------------------------------------------------------------------------------- options that are no matter


def likelihood_by_name(x, family="normal", scale=2.0, positive=False, y=None):
    """Options of every type, none of which makes another thing of a site."""
    slope = numpyro.sample("slope", dist.Normal(0.0, scale))
    mean = numpyro.deterministic("mean", slope * x)
    if family == "normal":
        likelihood = dist.Normal(mean, 1.0)
    elif family == "student":
        likelihood = dist.StudentT(3.0, mean, 1.0)
    else:
        raise ValueError(f"unknown family {family}")
    if positive:
        likelihood = likelihood.mask(x > 0)
    numpyro.sample("obs", likelihood, obs=y)


@pytest.mark.parametrize("options", [{}, {"family": "student"}, {"scale": 9.0}, {"positive": True}])
def test_options_that_are_compared_and_change_no_kind_are_no_matter(options):
    """Every branch was looked at, whichever the fit took: the call is solved, and its defaults are no guess."""
    x = np.linspace(0.0, 1.0, 9, dtype=np.float32)
    samples = record_fit(likelihood_by_name, (x,), {"y": x, **options})
    clean = bare(likelihood_by_name, samples)
    assert_entry_by_entry(clean, {"slope": samples["slope"]})


def test_a_stand_in_notes_what_it_is_compared_with_and_nothing_else():
    """What it is compared with can be tried in its place; what is looked up, taken apart or calculated cannot."""
    stand_in = StandIn("normal")
    assert isinstance(stand_in, str)
    assert stand_in not in ("a", "b")
    assert stand_in != "c"
    assert list(stand_in.asked.values()) == ["a", "b", "c"]
    assert not stand_in.unlisted
    for use in (
        lambda: {"a": 1}[stand_in],
        lambda: "a" in stand_in,
        lambda: stand_in["key"],
        lambda: stand_in.startswith("a"),
    ):
        stand_in.forget()
        with pytest.raises((TypeError, AttributeError)):
            use()
        assert stand_in.unlisted
    with pytest.raises(TypeError):
        stand_in + 1
