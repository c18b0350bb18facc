"""The call without arguments: right kinds or a clear error, never a guess, and it says on what it rests."""

import functools
import inspect
import warnings

import jax
import jax.numpy as jnp
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from adversarial_models import ADVERSARIAL, defaults_only, integer_code
from containers_of import with_groups
from numpyro.infer import HMC, MCMC
from option_models import OPTION_MODELS
from realistic_models import PLAIN, REALISTIC, REFUSE
from textbook_models import TEXTBOOK, eight_schools, linear_regression, polynomial, record_fit

from sanitize import (
    AssumedArgumentsWarning,
    DataStatisticWarning,
    MissingLatentError,
    MissingLatentWarning,
    ModelArgumentsError,
    RedrawnSiteWarning,
    ShapeMismatchError,
    containers,
    inspect_sites,
    strip_deterministic,
)
from sanitize import assume as assume_module
from sanitize.assume import assumed_arguments
from sanitize.assume import proof as proof_module
from sanitize.errors import SanitizeError
from sanitize.model.call import Call
from sanitize.options import Options
from sanitize.prepare import Case

UNSOLVED = {"dawid_skene", "imputation"}  # sizes that are values


def quietly(strip):
    """What it returns, or its own error; its warnings are looked at elsewhere."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=AssumedArgumentsWarning)
        warnings.filterwarnings("ignore", category=RedrawnSiteWarning)
        warnings.filterwarnings("ignore", category=DataStatisticWarning)
        try:
            return strip()
        except SanitizeError as error:
            return error


def bare(model, samples, **options):
    return quietly(lambda: strip_deterministic(model, samples, **options))


def told(case, samples):
    scores_a_total = case.model is TEXTBOOK["stacking"].model  # then no rows are known
    options = {} if scores_a_total else {"new_rows": True}
    return quietly(lambda: strip_deterministic(case.model, samples, *case.args, **options, **case.kwargs))


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


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook_models_are_solved_and_agree_with_the_arguments_of_the_fit(name):
    """Entry by entry what the fit's own arguments give; the two that cannot be solved say so."""
    case = TEXTBOOK[name]
    samples = record_fit(*case)
    if name == "coal_mining":  # its change point was enumerated, and its prior would stand in
        with pytest.warns(MissingLatentWarning, match="switch"):
            assert_entry_by_entry(bare(case.model, samples), told(case, samples))
        return
    clean = bare(case.model, samples)
    if name in UNSOLVED:
        assert isinstance(clean, ModelArgumentsError)
        assert f"{case.model.__name__}(" in str(clean)
        assert "strip_deterministic(model, samples, " in str(clean)
    else:
        assert_entry_by_entry(clean, told(case, samples))


@pytest.mark.slow
def test_at_least_47_of_50_textbook_models_are_solved():
    """The bar of this feature, by count: the test above shows which."""
    assert len(TEXTBOOK) >= 50
    assert len(TEXTBOOK) - len(UNSOLVED) >= 47
    assert set(TEXTBOOK) >= UNSOLVED


@pytest.mark.slow
@pytest.mark.parametrize("case", ADVERSARIAL.values(), ids=ADVERSARIAL)
def test_adversarial_models_are_right_or_refused(case):
    """Where the kinds depend on what was passed, an error is right and a wrong kind never."""
    assert_right_or_refused(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", REALISTIC + PLAIN, ids=lambda case: case.name)
def test_realistic_models_are_solved(case):
    """A third of them with sizes written into the model as numbers."""
    samples = case.samples()
    clean = bare(case.model, samples)
    assert not isinstance(clean, Exception), clean
    assert set(clean) == case.kept


@pytest.mark.parametrize("case", REFUSE, ids=lambda case: case.name)
def test_what_no_trial_can_tell_is_asked_for(case):
    """Another fit of the model has entries of the same names and shapes, and other verdicts."""
    error = bare(case.model, case.samples())
    assert isinstance(error, ModelArgumentsError)
    assert str(error).count(". ") == 1, "what could not be told, and the call that settles it"


@pytest.mark.slow
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
    opened = containers.open(samples)
    with pytest.warns(AssumedArgumentsWarning):
        inspection = assumed_arguments(Call.of(model, (), {}), opened)
    review = Case.of(inspection, opened, Options()).review()
    assert review.assumed[0] == "X: float32[20, 3]"
    assert "X: float32[20, 3]" in repr(review).splitlines()[-1]
    assert "X: float32[20, 3]" in review._repr_html_()
    passed = inspect_sites(model, *args).review(samples)
    assert passed.assumed == ()
    assert "worked out" not in repr(passed)


def test_a_size_that_no_entry_has_is_a_question_mark():
    """What is not known is not made up in what is said."""
    case = TEXTBOOK["baseball_pooled"]
    with pytest.warns(AssumedArgumentsWarning, match=r"at_bats: \w+\[\?\]"):
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


# ------------------------------------------------------------------------------------------- what is worked out


def noncentred(sigma, y=None):
    """A deterministic site that recorded draws can prove: nothing but latents is in it."""
    tau = numpyro.sample("tau", dist.HalfNormal(1.0))
    with numpyro.plate("J", len(sigma)):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        theta = numpyro.deterministic("theta", tau * z)
        numpyro.sample("obs", dist.Normal(theta, sigma), obs=y)


@pytest.mark.parametrize("wrap", [lambda ds: ds, lambda ds: with_groups(posterior=ds)], ids=["Dataset", "groups"])
def test_draws_are_read_from_every_container(wrap):
    """Chains and draws, in any place; values that the latents do not compute are seen in each."""
    flat = record_fit(noncentred, (np.ones(8, np.float32), np.ones(8, np.float32)))
    dims = {"tau": (), "z": ("J",), "theta": ("J",)}
    chains = {name: (dims[name] + ("draw", "chain"), np.moveaxis(v, 0, -1)[..., None]) for name, v in flat.items()}
    clean = bare(noncentred, wrap(xr.Dataset(chains)), new_rows=False)
    assert list(getattr(clean, "posterior", clean)) == ["tau", "z"]
    chains["theta"] = chains["theta"][0], chains["theta"][1] + 1.0
    refused = bare(noncentred, wrap(xr.Dataset(chains)), new_rows=False)
    assert "'theta' computed from the recorded latents is not what was recorded" in str(refused)


def squares(X, y=None):
    """Twice as many coefficients as columns."""
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([2 * X.shape[1]]).to_event(1))
    mu = numpyro.deterministic("mu", jnp.concatenate([X, X**2], 1) @ beta)
    numpyro.sample("obs", dist.Normal(mu, 1.0), obs=y)


def test_a_size_is_read_off_its_multiples():
    """And where what is recorded is no multiple, no size is made up."""
    samples = record_fit(squares, (np.ones((9, 3), np.float32), np.ones(9, np.float32)))
    with pytest.warns(AssumedArgumentsWarning, match=r"X: float32\[9, 3\]"):
        assert list(strip_deterministic(squares, samples)) == ["beta"]
    samples["beta"] = samples["beta"][:, :5]
    with pytest.raises(ModelArgumentsError, match=r"'beta' \(6, 5\)"):
        strip_deterministic(squares, samples)


def with_priors(X, group, priors: dict, y=None):
    beta = numpyro.sample("beta", dist.Normal(0.0, priors["scale"]).expand([X.shape[1]]).to_event(1))
    mu = numpyro.deterministic("mu", X @ beta + priors["location"] + group)
    numpyro.sample("obs", dist.Normal(mu, 1.0), obs=y)


def test_annotations_say_what_is_tried_first():
    """Without them, it would not be found in as many runs as there may be."""
    X, group, y = np.ones((9, 3), np.float32), np.zeros(9, np.int32), np.ones(9, np.float32)
    samples = record_fit(with_priors, (X, group, {"scale": 1.0, "location": 2.0}, y))
    with pytest.warns(AssumedArgumentsWarning, match=r"X: float32\[9, 3\]"):
        assert list(strip_deterministic(with_priors, samples)) == ["beta"]


class Flat(dist.Distribution):
    """A user's own density: nothing says what its values are, so that it has to be drawn from."""

    def __init__(self):
        super().__init__((), (3,))

    def sample(self, key, sample_shape=()):
        return jnp.zeros((*sample_shape, 3))

    def log_prob(self, value):
        return jnp.zeros(value.shape[:-1])


def test_a_distribution_that_does_not_tell_its_support():
    def model(x, y=None):
        a = numpyro.sample("a", Flat())
        mu = numpyro.deterministic("mu", a.sum() * x)
        numpyro.sample("obs", dist.Normal(mu, 1.0), obs=y)

    with pytest.warns(AssumedArgumentsWarning, match=r"x: float32\[9\]"):
        assert list(strip_deterministic(model, {"a": np.zeros((5, 3)), "mu": np.zeros((5, 9))})) == ["a"]


@pytest.mark.slow
def test_arguments_of_an_mcmc_for_another_model_are_left():
    """It takes more arguments than the model that was fitted."""
    mcmc = MCMC(HMC(models.line, trajectory_length=1.0), num_warmup=1, num_samples=5, progress_bar=False)
    mcmc.run(jax.random.PRNGKey(0), np.ones(7, np.float32), y=np.ones(7, np.float32))

    def with_index(x, group, y=None):
        models.line(x + group, y)

    with pytest.warns(AssumedArgumentsWarning, match=r"x: float32\[7\]"):
        assert list(strip_deterministic(with_index, mcmc)) == ["intercept", "slope"]


# ----------------------------------------------------------------------------------------------- what is refused


def test_what_reaches_nothing_is_asked_for():
    """It may be an option of which a helper, here one that only looks whether it is this very function, makes much."""

    def model(x, link, y=None):
        base = numpyro.sample("base", dist.Normal(0.0, 1.0))
        numpyro.sample("obs", dist.Normal(base * (1.0 if link is jnp.exp else 2.0) * x, 1.0), obs=y)

    with pytest.raises(ModelArgumentsError, match="do not tell what link was") as caught:
        strip_deterministic(model, {"base": np.zeros(4)})
    assert "model(x, link, y=None)" in str(caught.value)


def test_open_signatures_are_refused():
    """`*args` and `**kwargs` do not say what there is."""
    with pytest.raises(ModelArgumentsError, match="signature does not tell"):
        strip_deterministic(ADVERSARIAL["extra_keywords"].model, {"base": np.zeros(5)})


def test_an_open_signature_that_requires_nothing_is_run_as_it_is():
    """Without arguments, which is what it then predicts with; its own failure is told, and the call to make."""

    def open_model(*args, **options):
        models.line(args[0] if options.get("required") or args else np.zeros(3, np.float32))

    samples = {"intercept": np.zeros(5), "slope": np.zeros(5), "mu": np.zeros((5, 3))}
    assert list(strip_deterministic(open_model, samples)) == ["intercept", "slope"]
    failing = functools.partial(open_model, required=True)
    with pytest.raises(ModelArgumentsError, match=r"(?s)without them it fails \(IndexError: .*samples, \*args"):
        strip_deterministic(failing, samples)


def test_entries_that_no_default_explains_are_reviewed_as_they_are():
    """A model that requires no arguments is its own explanation; what does not fit it is told in the review."""

    def features(scale=3.0):
        beta = numpyro.sample("beta", dist.Normal(0.0, scale).expand([3]).to_event(1))
        numpyro.sample("obs", dist.Normal(beta.sum(), 1.0), obs=1.0)

    with pytest.raises(ShapeMismatchError, match=r"'beta' has recorded shape \(5,\)"):
        strip_deterministic(features, {"beta": np.zeros((4, 5))})


def times_rows(X, y=None):
    theta = numpyro.sample("theta", dist.Normal().expand([X.shape[1]]))
    numpyro.deterministic("total", theta * X.shape[0])
    numpyro.sample("y", dist.Normal(X @ theta, 1.0), obs=y)


def times_number(n, y=None):
    theta = numpyro.sample("theta", dist.Normal())
    numpyro.deterministic("total", theta * n)
    numpyro.sample("y", dist.Normal(theta, 1.0).expand([n]), obs=y)


@pytest.mark.parametrize(("model", "shape"), [(times_rows, (5,)), (times_number, ())])
def test_what_a_made_up_number_of_rows_computes_refutes_nothing(model, shape):
    theta = np.linspace(-1.0, 1.0, 3 * int(np.prod(shape)), dtype=np.float32).reshape(3, *shape)
    with pytest.warns(AssumedArgumentsWarning):
        assert set(strip_deterministic(model, {"theta": theta, "total": 37 * theta})) == {"theta"}


def test_a_deterministic_site_that_differs_without_a_latent_is_refused():
    """Its draws differ, and under these arguments nothing that was drawn is in it."""

    def baseline(x, y=None):
        numpyro.sample("a", dist.Normal(0.0, 1.0))
        numpyro.deterministic("mu", 2.0 * x)

    samples = {"a": np.zeros(4), "mu": np.arange(12.0).reshape(4, 3)}
    with pytest.raises(ModelArgumentsError, match="the recorded draws of 'mu' differ, but no latent has a part in"):
        strip_deterministic(baseline, samples)


def test_a_deterministic_site_that_the_key_decides_is_refused():
    """Recomputed, it would be another value each time."""

    def noisy(x, y=None):
        a = numpyro.sample("a", dist.Normal(0.0, 1.0))
        numpyro.deterministic("mu", a * x + jax.random.normal(numpyro.prng_key(), x.shape))

    with pytest.raises(ModelArgumentsError, match="'mu' would be drawn anew"):
        strip_deterministic(noisy, {"a": np.zeros(4), "mu": np.zeros((4, 3))})


def test_the_search_is_bounded_by_a_number_of_runs(monkeypatch):
    """The same number on every machine, and a smaller one is kept."""
    samples = {"alpha": np.zeros(6), "beta": np.zeros((6, 3)), "sigma": np.ones((6, 2, 2)), "eta": np.zeros((6, 9))}
    counts = []
    for most in (40, 10):
        monkeypatch.setattr(assume_module, "_MOST_RUNS", most)
        model, calls = calls_of(linear_regression)
        with pytest.raises(ModelArgumentsError, match="none were found that explain the entries"):
            strip_deterministic(model, samples)
        counts.append(len(calls))
        assert len(calls) <= most + 1  # an explanation takes two
    assert counts[0] > counts[1]


def test_a_proof_that_does_not_finish_proves_nothing(monkeypatch):
    """A search for contradictions that was cut short counts as a contradiction."""
    model, args = regression()
    samples = record_fit(model, args)
    monkeypatch.setattr(proof_module, "_MOST_RUNS", 3)
    with pytest.raises(ModelArgumentsError, match="more to be tried than may be"):
        strip_deterministic(model, samples)


def test_what_is_ambiguous_is_named():
    """The entry, and the two that it may be."""
    case = ADVERSARIAL["integer_code, other"]
    with pytest.raises(ModelArgumentsError, match="whether 'theta' is deterministic or latent"):
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
        theta = numpyro.deterministic("theta", mu + z)
    else:
        theta = numpyro.sample("theta", dist.Normal(mu, 1.0))
    numpyro.sample("obs", dist.Normal(theta, 1.0), obs=0.5)


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
def test_a_text_is_asked_for(options):
    """Whatever it was: which other texts the model knows, no trial tells."""
    x = np.linspace(0.0, 1.0, 9, dtype=np.float32)
    samples = record_fit(likelihood_by_name, (x,), {"y": x, **options})
    with pytest.raises(ModelArgumentsError, match="do not tell what family was"):
        strip_deterministic(likelihood_by_name, samples)
    known = functools.partial(likelihood_by_name, family="student")  # what is bound is no question
    assert_entry_by_entry(bare(known, samples), {"slope": samples["slope"]})


# ------------------------------------------------------------------------------------------------ what samples tell


def cutpoints(x, K=4, y=None):
    slope = numpyro.sample("slope", dist.Normal(0.0, 1.0))
    for k in range(K - 1):
        numpyro.deterministic(f"thres_{k}", slope + k)
    numpyro.sample("obs", dist.Normal(slope * x, 1.0), obs=y)


def cutpoints_by_default(K=4):
    slope = numpyro.sample("slope", dist.Normal(0.0, 1.0))
    for k in range(K - 1):
        numpyro.deterministic(f"thres_{k}", slope + k)


@pytest.mark.parametrize("levels", [3, 4, 9, 30])
def test_a_number_in_a_name_tells_a_size(levels):
    """``thres_6`` is no site where K is 4, and no entry of another model either."""
    x = np.ones(12, np.float32)
    samples = record_fit(cutpoints, (x,), {"K": levels, "y": x})
    with pytest.warns(AssumedArgumentsWarning, match=f"K: {levels}" if levels > 4 else "x: "):
        assert list(strip_deterministic(cutpoints, samples)) == ["slope"]
    samples = record_fit(cutpoints_by_default, (), {"K": levels})
    assert list(bare(cutpoints_by_default, samples)) == ["slope"]


def cutpoints_in_pairs(K=4):
    numpyro.sample("slope", dist.Normal(0.0, 1.0))
    for k in range(min(K, 4)):
        numpyro.deterministic(f"thres_{k}", jnp.ones(()))


def test_an_entry_with_a_number_too_high_is_not_kept_as_one_of_another_model():
    with pytest.raises(ModelArgumentsError, match="'thres_4' were recorded for another size"):
        strip_deterministic(cutpoints_in_pairs, {"slope": np.zeros(5), "thres_0": np.ones(5), "thres_4": np.ones(5)})


def test_draws_are_not_taken_for_rows():
    """Scalar latents of shape (8,) are eight draws, not one draw of eight groups."""

    def groups(x, k, y=None):
        a = numpyro.sample("a", dist.Normal(0.0, 1.0).expand([k]))
        numpyro.sample("obs", dist.Normal(a.sum() * x, 1.0), obs=y)

    with pytest.raises(ModelArgumentsError, match="none were found"):
        strip_deterministic(groups, {"a": np.zeros(8)})


def flag_by_default(x, latent=False, y=None):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    if latent:
        theta = numpyro.sample("theta", dist.Normal(base, 1.0))
    else:
        theta = numpyro.deterministic("theta", base * jnp.std(x))
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def test_what_the_user_has_settled_is_not_asked():
    """The entry in doubt is named with the keywords that settle it; with one of them the rest is cleaned."""
    samples = record_fit(flag_by_default, (np.ones(9, np.float32),))
    with pytest.raises(ModelArgumentsError, match=r"whether 'theta' is .*\('theta',\) alone, by keep= or redraw="):
        strip_deterministic(flag_by_default, samples)
    call, opened = Call.of(flag_by_default, (), {}), containers.open(samples)
    with pytest.warns(AssumedArgumentsWarning, match="x: float32"):
        assert assumed_arguments(call, opened, settled=("theta",)).run.sites["base"].kind == "latent"


def test_a_flag_that_was_not_the_default_is_found():
    def interaction(x, z, both=False, y=None):
        mu = numpyro.sample("a", dist.Normal(0.0, 1.0)) * x
        if both:
            mu = mu + numpyro.sample("b", dist.Normal(0.0, 1.0)) * x * z
        numpyro.sample("obs", dist.Normal(numpyro.deterministic("mu", mu), 1.0), obs=y)

    x = np.ones(9, np.float32)
    samples = record_fit(interaction, (x, x, True))
    assert list(bare(interaction, samples)) == ["a", "b"]


# --------------------------------------------------------------------------- arguments of which nothing is to be told


def effect(scale=1.0):
    base = numpyro.sample("base", dist.Normal(0.0, 1.0))
    return base, numpyro.deterministic("theta", base * scale)


def unused_number(x, N, y=None):
    _, theta = effect()
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def unused_text(x, y=None, run="first"):
    _, theta = effect()
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


def unused_and_optional(x=None, y=None):
    _, theta = effect()
    if y is not None:
        numpyro.sample("obs", dist.Normal(theta, 1.0), obs=y)


def unused_by_position(x, label, /, y=None):
    _, theta = effect()
    numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)


UNUSED = {
    "number": (unused_number, (np.ones(7, np.float32), 7)),
    "text": (unused_text, (np.ones(7, np.float32),)),
    "optional": (unused_and_optional, (None, np.ones(7, np.float32))),
    "by position": (unused_by_position, (np.ones(7, np.float32), "a")),
}


@pytest.mark.parametrize(("model", "args"), UNUSED.values(), ids=UNUSED)
def test_an_argument_that_the_model_does_not_use_is_not_asked_for(model, args):
    assert list(bare(model, record_fit(model, args))) == ["base"]


def swallowed(option):
    try:
        return len(option) == 7
    except TypeError:
        return False


def looked_up(option):
    try:
        return {"latent": True}[option]
    except (KeyError, TypeError):
        return False


USES = {
    "equal": lambda option: option == "latent",
    "a type": lambda option: isinstance(option, str),
    "swallowed": swallowed,
    "looked up": looked_up,
    "true": lambda option: option is True,
    "an enum": lambda option: option is inspect.Parameter.empty,
    "its type": lambda option: type(option) is str,
    "all at once": lambda option: locals()["option"] == "latent",
    "given": lambda option: option is not None,
}


@pytest.mark.parametrize("asks", USES.values(), ids=USES)
def test_an_option_that_is_only_asked_for_what_it_is_was_used(asks):
    """No computation shows it, and what is made of an entry hangs on it."""

    def model(x, option, y=None):
        base = numpyro.sample("base", dist.Normal(0.0, 1.0))
        drawn = numpyro.sample("theta", dist.Normal(base, 1.0)) if asks(option) else None
        theta = numpyro.deterministic("theta", base * jnp.std(x)) if drawn is None else drawn
        numpyro.sample("obs", dist.Normal(theta * x, 1.0), obs=y)

    def in_a_closure(x, option, y=None):
        def theta(base):
            drawn = numpyro.sample("theta", dist.Normal(base, 1.0)) if asks(option) else None
            return numpyro.deterministic("theta", base * jnp.std(x)) if drawn is None else drawn

        base = numpyro.sample("base", dist.Normal(0.0, 1.0))
        numpyro.sample("obs", dist.Normal(theta(base) * x, 1.0), obs=y)

    samples = {"base": np.linspace(0.0, 1.0, 6), "theta": np.linspace(0.0, 1.0, 6)}
    assert isinstance(bare(in_a_closure, samples), ModelArgumentsError)
    assert isinstance(bare(model, samples), ModelArgumentsError)


# ------------------------------------------------------------------------------------------- what an entry tells of it


def mediation(dose, M=None, D=None):
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    M = numpyro.sample("M", dist.Normal(a * dose, 1.0), obs=M)
    b = numpyro.sample("b", dist.Normal(0.0, 1.0))
    numpyro.sample("D", dist.Normal(numpyro.deterministic("mu", b * M + dose), 1.0), obs=D)


def two_mediators(x, m1=None, m2=None, y=None):
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    m1 = numpyro.sample("m1", dist.Normal(a * x, 1.0), obs=m1)
    m2 = numpyro.sample("m2", dist.Normal(a * m1, 1.0), obs=m2)
    numpyro.sample("y", dist.Normal(a * m2, 1.0), obs=y)


def test_a_latent_without_an_entry_was_observed_if_an_argument_can_be_its_data():
    five = np.arange(5.0, dtype=np.float32)
    fits = [(mediation, ["a", "b"]), (two_mediators, ["a"])]
    for model, kept in fits:
        args = [five] * len(inspect.signature(model).parameters)
        assert list(bare(model, record_fit(model, args))) == kept
    recorded = record_fit(mediation, (five, None, five))  # `M` was drawn, or it was data, and these are predictions
    assert isinstance(bare(mediation, recorded), ModelArgumentsError)


def gamma_prior(shape, rate, y):
    tau = numpyro.sample("tau", dist.Gamma(shape, rate))
    with numpyro.plate("rows", len(y)):
        numpyro.sample("y", dist.Normal(0.0, tau), obs=y)


def horseshoe_scale(X, tau0, y=None):
    tau = numpyro.sample("tau", dist.HalfCauchy(tau0))
    b = numpyro.sample("b", dist.Normal(0.0, tau).expand([X.shape[1]]))
    numpyro.sample("y", dist.Normal(X @ b, 1.0), obs=y)


def prior_by_column(X, scale, y=None):  # here it is an array: one for each coefficient
    b = numpyro.sample("b", dist.Normal(jnp.zeros(X.shape[1]), scale))
    numpyro.sample("y", dist.Normal(X @ b, 1.0), obs=y)


def groups_in_a_set(g, y=None):
    a = numpyro.sample("a", dist.Normal(0.0, 1.0).expand([len(set(g))]))
    numpyro.sample("y", dist.Normal(a[g], 1.0), obs=y)


def visits(covs, y=None):  # sites, periods, visits, covariates
    a = numpyro.sample("a", dist.Normal(0.0, 1.0).expand([covs.shape[3]]))
    numpyro.sample("y", dist.Normal(numpyro.deterministic("p", covs @ a), 1.0), obs=y)


def test_the_shapes_of_entries_tell_numbers_and_dimensions():
    five, X = np.ones(5, np.float32), np.ones((5, 2), np.float32)
    fits = [
        (gamma_prior, (2.0, 1.0, five), ["tau"]),
        (horseshoe_scale, (X, 0.1, five), ["tau", "b"]),
        (prior_by_column, (X, np.ones(2, np.float32), five), ["b"]),
        (visits, (np.ones((4, 3, 5, 2), np.float32), None), ["a"]),
    ]
    for model, args, kept in fits:
        clean = bare(model, record_fit(model, args))
        assert not isinstance(clean, Exception), clean
        assert sorted(clean) == sorted(kept)


def tracers_are_hashable():
    """In old versions of JAX: a set of traced codes has as many as there are rows, and nothing fails."""
    try:
        jax.eval_shape(lambda x: [len(set(x)), x][1], jnp.arange(3))
    except TypeError:
        return False
    return True


@pytest.mark.skipif(tracers_are_hashable(), reason="a set of what is traced counts the rows")
def test_the_levels_of_a_set_are_those_of_the_entry():
    code = np.array([0, 1, 2, 0, 1])
    assert list(bare(groups_in_a_set, record_fit(groups_in_a_set, (code, np.ones(5, np.float32))))) == ["a"]
