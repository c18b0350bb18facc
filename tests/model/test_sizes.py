"""What each dimension follows, what rows are, what is predicted: laws over models with the answer by hand."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from textbook_models import TEXTBOOK
from truth_models import TRUTHS, codes, f

from sanitize.model.call import Call
from sanitize.model.inspection import Inspection
from sanitize.model.jaxpr import GATHERED, OTHERWISE, ROW_BY_ROW, uses
from sanitize.model.trace import Dim

Normal, sample = dist.Normal, numpyro.sample


def inspect(model, *args, **kwargs):
    return Inspection.of(Call.of(model, args, kwargs))


def in_words(inspection, name):
    """As the answers in `truth_models` have it, words of a size in the order of their letters."""
    untold = inspection.untold(name)
    dims = inspection.sizes.of[name]
    return tuple(
        "?" if i in untold else " * ".join(sorted(_words(size.words) for size in dim)) for i, dim in enumerate(dims)
    )


def _words(words):
    return " ".join(sorted(word.replace(" ", "_") for word in words))


def right(answer):
    return " * ".join(
        sorted(
            _words(size.replace("levels of ", "levels_of_").split(" ")) if size else "" for size in answer.split(" * ")
        )
    )


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
        called = set(inspection.row_dims.get(name, ()))
        assert called <= {i for i, dim in enumerate(answer) if rows & {*right(dim).split(" * ")}}


def test_few_runs_tell(truth):
    _, inspection = truth
    assert inspection.sizes.runs <= 16


@pytest.mark.slow
def test_the_truths_take_at_most_225_changed_runs():
    inspections = [inspect(case.model, *case.args, **case.kwargs) for case in TRUTHS.values()]
    assert sum(inspection.sizes.runs for inspection in inspections) <= 225


@pytest.mark.slow
def test_the_textbook_models_take_at_most_120_changed_runs():
    inspections = [inspect(case.model, *case.args, **case.kwargs) for case in TEXTBOOK.values()]
    assert sum(inspection.sizes.runs for inspection in inspections) <= 120


# ------------------------------------------------------------------------- what is used by index, what row by row

LABELS = ["a", "b", "c", "d", "e"]
G, Y = codes(5, 30), f(30)


def plain(a):
    sample("y", Normal(a[G], 1.0), obs=Y)


def taken(a):
    sample("y", Normal(jnp.take(a, G, mode="clip"), 1.0), obs=Y)


def non_centred(a):
    theta = numpyro.deterministic("theta", 1.0 + 2.0 * jnp.exp(a))
    sample("y", Normal(theta[G], 1.0), obs=Y)


def through_another_latent(a):
    b = sample("b", Normal(a, 1.0))
    sample("y", Normal(b[G], 1.0), obs=Y)


def with_data_of_the_group(a):
    sample("y", Normal((a * f(5))[G] + Y, 1.0), obs=Y)


def as_parameter(a):
    sample("y", Normal(a, 1.0), obs=f(5))


def as_parameter_of_a_prediction(a):
    sample("y", Normal(jnp.exp(a) + f(5), 1.0))


def as_scale_of_a_table(a):
    sample("y", Normal(0.0, jnp.exp(a)[:, None]).expand([5, 7]), obs=f(5, 7))


def as_factor(a):
    numpyro.factor("y", -(a**2))


def both(a):
    sample("y", Normal(a[G], 1.0), obs=Y)
    sample("x", Normal(a, 1.0), obs=f(5))


def in_a_product(a):
    sample("y", Normal(f(30, 5) @ a, 1.0), obs=Y)


def cumulated(a):
    sample("y", Normal(jnp.cumsum(a)[G], 1.0), obs=Y)


def one_by_one(a):
    for i in range(5):
        sample(f"y_{i}", Normal(a[i], 1.0), obs=1.0)


def with_group_of_model(use):
    def model(*args):
        use(sample("a", Normal().expand([5])))

    return model


@pytest.mark.parametrize("use", [plain, taken, non_centred, through_another_latent, with_data_of_the_group])
def test_what_is_only_picked_by_an_index_is_a_group(use):
    assert uses(inspect(with_group_of_model(use)).run, "a", 0) == {GATHERED}


@pytest.mark.parametrize("use", [as_parameter, as_parameter_of_a_prediction, as_scale_of_a_table, as_factor, both])
def test_what_is_a_parameter_at_full_length_is_used_row_by_row(use):
    assert ROW_BY_ROW in uses(inspect(with_group_of_model(use)).run, "a", 0)


@pytest.mark.parametrize("use", [in_a_product, cumulated, one_by_one])
def test_other_uses_are_neither(use):
    assert uses(inspect(with_group_of_model(use)).run, "a", 0) == {OTHERWISE}


def test_the_index_along_one_dimension_says_nothing_of_the_other():
    def model():
        a = sample("a", Normal().expand([5, 30]))
        sample("y", Normal(a[2 * jnp.ones(1, int)], 1.0), obs=f(1, 30))

    run = inspect(model).run
    assert uses(run, "a", 0) == {GATHERED}
    assert uses(run, "a", 1) == {ROW_BY_ROW}


# ------------------------------------------------------------------------------------------------ what is predicted


def y_given(x, y=None):
    sample("y", Normal(x * sample("b", Normal()), 1.0), obs=y)


def y_pred_without_y(x, y=None):
    mu = x * sample("b", Normal())
    if y is not None:
        sample("y", Normal(mu, 1.0), obs=y)
    else:
        sample("y_pred", Normal(mu, 1.0))


def y_in_a_dict(data):
    sample("y", Normal(data["x"] * sample("b", Normal()), 1.0), obs=data.get("y"))


def y_in_a_dict_if_there(data):
    mu = data["x"] * sample("b", Normal())
    sample("y", Normal(mu, 1.0), obs=data["y"] if "y" in data else None)  # noqa: SIM401 - asked otherwise


def y_in_an_inner_dict(data):
    sample("y", Normal(data["in"]["x"] * sample("b", Normal()), 1.0), obs=data["in"].get("y"))


def y_by_a_flag(x, y, observed=False):
    sample("y", Normal(x * sample("b", Normal()), 1.0), obs=y if observed else None)


def y_by_a_mask(x, mask, y=None):
    sample("y", Normal(x * sample("b", Normal()), 1.0), obs=y, obs_mask=mask if y is not None else None)


def slope_can_be_given(x, y=None, slope=None):
    b = sample("b", Normal(), obs=slope)
    sample("y", Normal(x * b, 1.0), obs=y)


def size_can_be_given(size=None, x=1.0, y=None):
    z = sample("z", Normal().expand([20]), obs=size)
    sample("y", Normal(z * x, 1.0), obs=y)


def hurdle(any=None, count=None):
    p = sample("p", dist.Beta(1.0, 1.0))
    a = sample("any", dist.Bernoulli(p).expand([20]), obs=any)
    c = sample("count", dist.Poisson(3.0).expand([20]), obs=count)
    numpyro.deterministic("whole", a * c)


def scored_by_factor(x):
    b = sample("b", Normal())
    numpyro.factor("y", -((x - b) ** 2))


def a_flag_of_the_model(x, pooled=True, y=None):
    a = sample("a", Normal())
    b = 0.0 if pooled else sample("b", Normal())
    sample("y", Normal(x * a + b, 1.0), obs=y)


def nothing_observed(x):
    numpyro.deterministic("mu", x * sample("b", Normal()))


@pytest.mark.parametrize(
    ("model", "args", "targets"),
    [
        (y_given, (f(20),), {"y"}),
        (y_given, (f(20), f(20)), {"y"}),
        (y_pred_without_y, (f(20),), {"y_pred"}),
        (y_in_a_dict, ({"x": f(20)},), {"y"}),
        (y_in_a_dict_if_there, ({"x": f(20)},), {"y"}),
        (y_in_an_inner_dict, ({"in": {"x": f(20)}},), {"y"}),
        (y_by_a_flag, (f(20), f(20)), {"y"}),
        (y_by_a_mask, (f(20), np.arange(20) > 3), {"y"}),
        (slope_can_be_given, (f(20),), {"y"}),
        (slope_can_be_given, (f(20), f(20)), {"y"}),
        (size_can_be_given, (), {"y"}),
        (hurdle, (), {"any", "count"}),
        (scored_by_factor, (f(20),), {"y"}),
        (a_flag_of_the_model, (f(20),), {"y"}),
        (nothing_observed, (f(20),), set()),
    ],
)
def test_targets_are_what_can_be_observed_and_nothing_is_drawn_from(model, args, targets):
    assert inspect(model, *args).targets == targets


def test_what_can_be_observed_names_what_would_observe_it():
    assert inspect(slope_can_be_given, f(20)).observable == {"b": "slope", "y": "y"}
    assert inspect(y_in_a_dict, {"x": f(20)}).observable == {"y": "data['y']"}
    assert inspect(y_in_an_inner_dict, {"in": {"x": f(20)}}).observable == {"y": "data['in']['y']"}
    assert inspect(y_by_a_flag, f(20), f(20)).observable == {"y": "observed=True"}


# ------------------------------------------------------------------------------------------------------ other laws


def test_the_number_of_rows_costs_nothing_where_values_are_needed():
    lengths = []

    def model(g, x, y=None):
        lengths.append(len(g))
        levels, index = np.unique(g, return_inverse=True)
        a = sample("a", Normal().expand([len(levels)]))
        sample("y", Normal(a[index] + x, 1.0), obs=y)

    inspection = inspect(model, codes(7, 1_000_000), f(1_000_000))
    lengths.clear()
    assert in_words(inspection, "a") == ("levels_of_g",)
    assert in_words(inspection, "y") == ("g[0] x[0]",)
    assert lengths
    assert max(lengths) < 1000  # how long it takes is asked by the benchmarks
    assert {size.length for size in inspection.rows} == {1_000_000}


def test_dims_say_length_arguments_and_plate():
    def model(x, K=4):
        with numpyro.plate("rows", len(x)):
            sample("z", Normal().expand([K]).to_event(1))

    dims = inspect(model, f(20)).dims("z")
    assert dims == (Dim(20, ("x[0]",), "rows"), Dim(4, ("K",)))


def test_arguments_are_left_as_they_were():
    data = {"x": f(20), "labels": ["a", "b"]}
    inspect(y_in_a_dict, data).sizes  # noqa: B018
    assert list(data) == ["x", "labels"]
    assert data["labels"] == ["a", "b"]


def test_a_loop_over_the_rows_names_row_level_latents_and_other_loops_do_not():
    def by_row(y):
        z = jnp.stack([sample(f"z_{i}", Normal()) for i in range(len(y))])
        sample("y", Normal(z, 1.0), obs=y)

    def by_number(y, n):
        z = jnp.stack([sample(f"z_{i}", Normal()) for i in range(n)])
        sample("y", Normal(z.sum(), 1.0).expand(y.shape), obs=y)

    def named_by_row(inspection):
        return {name for name, sizes in inspection.sizes.loops.items() if sizes.intersection(inspection.rows)}

    assert named_by_row(inspect(by_row, f(6))) == {f"z_{i}" for i in range(6)}
    assert named_by_row(inspect(by_number, f(30), 6)) == set()
    assert named_by_row(inspect(by_number, f(6), 6)) == set()  # as many as rows by accident
