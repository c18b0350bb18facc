"""A kind of argument is one class: the same questions of arrays, lists, frames and labelled arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sanitize.model import argument

TABLE = pd.DataFrame({"x": [0.0, 1.0, 2.0], "g": pd.Categorical(["b", "a", "b"])}, index=["p", "q", "r"])
LABELLED = xr.DataArray(np.arange(6).reshape(3, 2), dims=("row", "group"), coords={"group": ["a", "b"]})
DATASET = xr.Dataset({"code": ("row", np.array([0, 1, 0])), "x": ("row", np.zeros(3))})

KINDS = {
    "array": (np.arange(6.0).reshape(3, 2), (3, 2)),
    "of JAX": (jnp.zeros((3, 2)), (3, 2)),
    "abstract": (jax.ShapeDtypeStruct((3, 2), np.float32), (3, 2)),
    "list": ([[1, 2], [3, 4], [5, 6]], (3, 2)),
    "ragged list": ([[1, 2], [3]], (2,)),
    "labels": (["a", "b", "a"], (3,)),
    "series": (TABLE["x"], (3,)),
    "frame": (TABLE, (3, 2)),
    "labelled array": (LABELLED, (3, 2)),
    "dataset": (DATASET, (3,)),
    "number": (3, ()),
    "none": (None, ()),
    "dict": ({"x": 1}, ()),
    "object": (object(), ()),
}


@pytest.mark.parametrize(("value", "shape"), KINDS.values(), ids=KINDS)
def test_shape(value, shape):
    assert argument.of(value).shape == shape


@pytest.mark.parametrize(
    "kind", [kind for kind, (_, shape) in KINDS.items() if shape[:1] == (3,) and kind != "abstract"]
)
def test_rows_taken(kind):
    value, shape = KINDS[kind]
    taken = argument.of(argument.of(value).taken(0, np.array([0, 2])))
    assert type(taken.value) is type(value)
    assert taken.shape == (2, *shape[1:])
    for name, column in argument.of(value).columns.items():
        np.testing.assert_array_equal(taken.columns[name].array, column.array[[0, 2]])


def test_columns_taken_have_names_of_their_own():
    assert list(argument.of(TABLE).taken(1, np.array([0, 0, 1])).columns) == ["x", "x~1", "g"]
    assert argument.of([[1, 2], [3, 4]]).taken(1, np.array([1])) == [[2], [4]]


@pytest.mark.parametrize("value", [TABLE, DATASET])
def test_other_values_in_a_column_leave_the_table_as_it_was(value):
    changed = argument.of(value).with_columns({"x": np.array([5.0, 6.0, 7.0])})
    np.testing.assert_array_equal(changed["x"], [5.0, 6.0, 7.0])
    np.testing.assert_array_equal(value["x"], argument.of(value).columns["x"].array)
    assert type(changed) is type(value)


def test_other_values_of_what_is_its_own_column():
    assert argument.of(["a", "b"]).with_columns({None: np.array(["c", "d"])}) == ["c", "d"]
    series = argument.of(TABLE["g"]).with_columns({None: np.array(["c", "d", "c"])})
    assert series.dtype == "category"
    assert list(series.index) == ["p", "q", "r"]


@pytest.mark.parametrize(
    ("value", "levels"),
    [
        (["a", "b", "a"], 2),
        (np.array([3, 3, 3]), 1),
        (np.array([0.5, 1.5]), 0),
        (TABLE["g"], 2),
        (pd.Series(pd.Categorical([0.5, 1.5])), 0),
        (np.array([[], {}], object), 0),
        ([[1, 2], [3]], 0),
    ],
)
def test_levels(value, levels):
    assert argument.of(value).levels == levels


def test_more_levels_lose_none_of_the_old():
    column = argument.of(["a", "b", "a", "b", "a"])
    assert column.with_levels(4).tolist() == ["a", "b", "a", "~1", "~0"]
    assert column.with_levels(6) is None
    assert argument.of(np.array([4, 4, 2])).with_levels(3).tolist() == [4, 5, 2]


def test_codes_are_those_of_categories():
    assert argument.of(TABLE["g"]).codes.tolist() == [1, 0, 1]
    assert argument.of(TABLE["g"]).categories == ["a", "b"]
    assert argument.of(np.array([7, 8])).codes.tolist() == [7, 8]


def test_text():
    assert argument.of(["a", "b"]).text == ["a", "b"]
    assert argument.of(np.array(["a", None], object)).text == []
    assert argument.of(TABLE["g"]).text == []  # categories tell by themselves
    assert argument.of(TABLE["x"]).text == []


def test_names_and_labels_along_dimensions():
    frame, array = argument.of(TABLE.rename_axis("school")), argument.of(LABELLED)
    assert (frame.dim_name(0), list(frame.labels(0))) == ("school", ["p", "q", "r"])
    assert (frame.dim_name(1), list(frame.labels(1))) == (None, ["x", "g"])
    assert (array.dim_name(1), list(array.labels(1)), array.labels(0)) == ("group", ["a", "b"], None)
    assert argument.of(np.zeros(3)).labels(0) is None
    assert [argument.of(x).is_labelled for x in (TABLE, TABLE["x"], LABELLED, DATASET, np.zeros(3))] == [True] * 4 + [
        False
    ]


@pytest.mark.parametrize(
    ("value", "what", "names", "other"),
    [
        ({"a": 1, "b": 2}, "keys", ["a", "b"], {"b": 2, "a": 1}),
        (TABLE, "columns", ["x", "g"], TABLE[["g", "x"]]),
        (LABELLED, "labels of 'group'", ["a", "b"], LABELLED.sel(group=["b", "a"])),
    ],
)
def test_orders(value, what, names, other):
    order = {order.what: order for order in argument.of(value).orders()}[what]
    assert order.names == names
    changed = order.reordered(names[::-1])
    assert list(changed) == list(other) if isinstance(value, dict) else changed.equals(other)


def test_categories_have_an_order_and_no_places():
    categories = [order for order in argument.of(TABLE).orders() if order.what == "categories"]
    assert [(order.where, order.names, order.renamed) for order in categories] == [("['g']", ["a", "b"], None)]
    assert list(categories[0].reordered(["b", "a"])["g"].cat.codes) == [0, 1, 0]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((2, 3)), "(2, 3) float64"),
        (np.array(["a", "b"]), "U1 (2,)"),
        (None, "None"),
        (2.5, "2.5"),
        ("text", "str"),
        (TABLE, "DataFrame"),
    ],
)
def test_descriptions(value, words):
    assert argument.of(value).description == words


def test_equal_as_jax_sees_it():
    assert argument.equal(np.array([1.0, np.nan]), np.array([1.0, np.nan], np.float32)) is True
    assert argument.equal(np.array([1.0]), np.array([2.0])) is False
    assert argument.equal(np.zeros(2), jax.ShapeDtypeStruct((2,), np.float32)) is None
