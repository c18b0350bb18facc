"""Arguments of every kind, as people pass them."""

import collections

import jax
import jax.numpy as jnp
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from numpyro import handlers
from told import kinds, shapes

from sanitize import inspect_sites

X = np.zeros((20, 3), np.float32)
x = np.ones(20, np.float32)


@pytest.mark.parametrize("values", [x, x.astype(np.float64), x.astype(np.int64), jnp.ones(20), [1.0] * 20])
def test_array_arguments_of_every_kind(values):
    """NumPy float64 and int64, JAX arrays, lists of numbers: the same sites."""
    table = inspect_sites(models.structured, {"x": values}, (1, 2))
    assert shapes(table) == {"a": (2,), "obs": (20,)}


def test_arguments_that_are_no_arrays():
    """Dicts, tuples, ints, strings, None, DataFrames and PRNG keys stay what they are."""
    frame = pd.DataFrame({"column": np.zeros(20)})
    for key in (jax.random.PRNGKey(0), jax.random.key(0) if hasattr(jax.random, "key") else jax.random.PRNGKey(0)):
        table = inspect_sites(models.structured, {"x": x, "y": None}, (1, 2), flag="on", frame=frame, key=key)
        assert kinds(table) == {"a": "latent", "obs": "latent"}
    assert kinds(inspect_sites(models.structured, {"x": x, "y": x}, (1, 2)))["obs"] == "observed"


def test_shape_dtype_struct_stands_for_an_array():
    table = inspect_sites(models.regression, jax.ShapeDtypeStruct((10_000_000, 3), jnp.float32))
    assert table["eta"].shape == (10_000_000,)


def test_dtypes_are_canonical():
    def model(y):
        numpyro.sample("obs", dist.Normal(), obs=y)

    with_x64_off = inspect_sites(model, np.zeros(3, np.float64))["obs"].dtype
    assert with_x64_off == np.float32
    assert inspect_sites(model, [1, 2])["obs"].shape == (2,)


def test_x64():
    jax.config.update("jax_enable_x64", True)
    try:
        table = inspect_sites(models.regression, np.zeros((20, 3)))
        assert table["eta"].dtype == np.float64
        assert table["data"].dtype == np.int64
    finally:
        jax.config.update("jax_enable_x64", False)


def test_model_that_needs_the_values_of_an_argument():
    table = inspect_sites(models.concrete_groups, x, np.arange(20) % 4)
    assert table["effect"].shape == (4,)
    assert table["mu"].parents == ("effect",)


@pytest.mark.parametrize(
    "model",
    [models.line, models.partial_line, models.Model().run, models.Model(), handlers.block(models.line, hide=[])],
)
def test_whatever_is_callable_is_a_model(model):
    assert shapes(inspect_sites(model, x)) == {"intercept": (), "slope": (), "mu": (20,), "obs": (20,)}


def test_dict_keeps_the_order_in_which_it_was_written():
    """JAX sorts the keys of a dict: a model that unpacks one would get its columns exchanged."""
    table = inspect_sites(models.ordered_data, {"X": X, "A": x})
    assert shapes(table)["beta"] == (3,)
    assert table.inspection.call.names == ("data['X']", "data['A']")
    assert list(inspect_sites(models.by_keyword, z=x, a=x)) == ["z", "a"]


def test_keys_of_mixed_types():
    """JAX cannot sort them; a model can use them."""

    def model(data):
        numpyro.sample("obs", dist.Normal(data[1] + data["a"], 1.0))

    assert shapes(inspect_sites(model, {1: x, "a": x})) == {"obs": (20,)}
    assert shapes(inspect_sites(lambda pair: model(pair[0]), [{1: x, "a": x}])) == {"obs": (20,)}


def test_the_model_gets_a_plain_dict():
    seen = []
    inspect_sites(lambda data, rest: seen.append((type(data), type(rest["more"]), type(rest))), {"x": x}, {"more": {}})
    assert seen == [(dict, dict, dict)]


def test_callers_dict_is_not_changed_by_a_model_that_changes_it():
    data = {"x": x, "y": None}
    repr(inspect_sites(models.consuming, data))
    assert list(data) == ["x", "y"]


def test_memory_map_is_an_array(tmp_path):
    """It is data like any other, as far as its rows are concerned."""
    values = np.memmap(tmp_path / "x", np.float32, "w+", shape=(20,))
    assert inspect_sites(models.line, values)["obs"].row_dims == (0,)


def test_named_tuple_and_list_of_arrays():
    """Their parts are named in the words of the caller."""
    Data = collections.namedtuple("Data", ["x", "y"])
    table = inspect_sites(lambda data: models.line(data.x, data.y), Data(x, None))
    assert table.inspection.call.names == ("data.x", "data.y")
    assert table["obs"].observable == "data.y"
    assert inspect_sites(lambda data: models.line(*data), [x, None])["obs"].observable == "data[1]"
