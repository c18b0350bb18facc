"""What was recorded of the rows as a whole (a mean, a scale) proves the fit's data, where it comes again from them."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from fits import heard, recorded

from sanitize import DataStatisticWarning, RowLevelSiteWarning, strip_deterministic

pd = pytest.importorskip("pandas")

RNG = np.random.default_rng(3)
N = 30


def on_their_scale(x, y=None):
    """Kruschke's: standardized inside, recorded on the scale of the data."""
    mean, sd = x.mean(), x.std()
    z0, z1 = numpyro.sample("z0", dist.Normal(0.0, 2.0)), numpyro.sample("z1", dist.Normal(0.0, 2.0))
    numpyro.deterministic("b1", z1 / sd)
    numpyro.deterministic("b0", z0 - z1 * mean / sd)
    numpyro.sample("y", dist.Normal(z0 + z1 * (x - mean) / sd, 1.0), obs=y)


def mean_recorded(x, y=None):
    mean = numpyro.deterministic("mean_x", x.mean())
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * (x - mean), 1.0), obs=y)


def scale_recorded(x, y=None):
    scale = x.max() - x.min()
    numpyro.deterministic("scale", scale)
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * x / scale, 1.0), obs=y)


def column_means_recorded(x, y=None):
    X = jnp.stack([jnp.ones(len(x)), x, x**2], 1)
    means = numpyro.deterministic("means", X.mean(0))
    b = numpyro.sample("b", dist.Normal().expand([3]))
    numpyro.sample("y", dist.Normal((X - means) @ b, 1.0), obs=y)


def in_a_frame(df, y=None):
    x = jnp.asarray(df["x"].to_numpy())
    numpyro.deterministic("x_bar", x.mean())
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(b * (x - x.mean()), 1.0), obs=y)


def in_a_dict(data, y=None):
    b = numpyro.sample("b", dist.Normal())
    numpyro.deterministic("slope", b / data["x"].std())
    numpyro.sample("y", dist.Normal(b * data["x"] / data["x"].std(), 1.0), obs=y)


def with_row_effects(x, y=None):
    mean = numpyro.deterministic("mean_x", x.mean())
    b = numpyro.sample("b", dist.Normal())
    e = numpyro.sample("e", dist.Normal().expand([len(x)]))
    numpyro.sample("y", dist.Normal(b * (x - mean) + e, 1.0), obs=y)


MODELS = {
    on_their_scale: lambda x: x,
    mean_recorded: lambda x: x,
    scale_recorded: lambda x: x,
    column_means_recorded: lambda x: x,
    in_a_frame: lambda x: pd.DataFrame({"x": x}),
    in_a_dict: lambda x: {"x": x},
}


def said(model, fit, new, category=DataStatisticWarning):
    return heard(lambda: strip_deterministic(model, recorded(model, fit), new), category)


@pytest.mark.parametrize(
    "model", [pytest.param(m, marks=[pytest.mark.slow] * (i > 1), id=m.__name__) for i, m in enumerate(MODELS)]
)
@pytest.mark.parametrize("shift", [3.0, pytest.param(2005.0, id="years", marks=pytest.mark.slow)])
def test_what_was_recorded_of_the_rows_proves_them(model, shift):
    as_argument, rng = MODELS[model], np.random.default_rng(0)
    x = rng.normal(shift, 4.0, N).astype(np.float32)
    # other rows of the same population, which differ by no more than from sample to sample
    others = rng.normal(shift, 4.0, N).astype(np.float32)
    assert said(model, as_argument(x), as_argument(x)) is None
    assert said(model, as_argument(x), as_argument(others)) is not None
    assert said(model, as_argument(x), as_argument(x[:20])) is not None


def test_the_mean_of_centred_data_proves_nothing():
    def model(x, y=None):
        mean = numpyro.deterministic("mean_x", x.mean())
        b = numpyro.sample("b", dist.Normal())
        numpyro.sample("y", dist.Normal(b * (x - mean) / x.std(), 1.0), obs=y)

    x, others = RNG.normal(size=N), RNG.normal(size=N) * 3
    assert said(model, x - x.mean(), others - others.mean()) is not None


def test_one_value_that_comes_again_is_not_enough_where_another_does_not():
    def model(x, y=None):
        numpyro.deterministic("largest", x.max())
        mean = numpyro.deterministic("mean_x", x.mean())
        b = numpyro.sample("b", dist.Normal())
        numpyro.sample("y", dist.Normal(b * (x - mean) / x.max(), 1.0), obs=y)

    x = RNG.uniform(1.0, 5.0, N)
    others = np.append(RNG.uniform(1.0, 2.0, N - 1), x.max())  # of the same largest value
    assert said(model, x, x) is None
    assert said(model, x, others) is not None


def test_which_row_is_which_a_mean_does_not_tell():
    x = RNG.normal(3.0, 1.0, N).astype(np.float32)
    assert said(with_row_effects, x, x[::-1].copy(), RowLevelSiteWarning) is not None
    assert said(with_row_effects, x, x, RowLevelSiteWarning) is not None


def test_a_statistic_of_another_argument_is_not_proven():
    def model(x, z, y=None):
        numpyro.deterministic("mean_x", x.mean())
        b = numpyro.sample("b", dist.Normal())
        numpyro.sample("y", dist.Normal(b * (x - x.mean()) + z / z.max(), 1.0), obs=y)

    x, z = RNG.normal(2.0, 1.0, (2, N))
    samples = recorded(model, x, z)
    assert heard(lambda: strip_deterministic(model, samples, x, z), DataStatisticWarning) is not None
