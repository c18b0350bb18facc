"""The words of other people's errors that the bare call reads: each error is made here, and has to say them still."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

from sanitize.assume import arguments, failures
from sanitize.model.trace import NEEDS_VALUES

ROWS, OTHERS, COLUMNS = 11, 17, 3
VECTOR = jax.ShapeDtypeStruct((ROWS,), np.float32)
MATRIX = jax.ShapeDtypeStruct((ROWS, COLUMNS), np.float32)
INDEX = jax.ShapeDtypeStruct((OTHERS,), np.int32)
NUMBER = jax.ShapeDtypeStruct((), np.float32)


def failure_of(function, *arguments):
    """What a computation with arguments of these shapes raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is what is asked
        jax.eval_shape(function, *arguments)
    return caught.value


@pytest.mark.parametrize(
    ("hint", "function"),
    [
        (failures.INDEXER, lambda x: jnp.zeros(5)[x]),
        (failures.INDEXER, lambda x: jnp.zeros(5).at[x].set(1.0)),
        (failures.INTEGER, lambda x: jnp.zeros(5)[x]),
        (failures.INTEGER, lambda x: jnp.zeros(x)),
        (failures.INTEGER, lambda x: jnp.take_along_axis(jnp.zeros(ROWS), x, 0)),
    ],
)
def test_the_words_are_said(hint, function):
    assert hint.is_given_by(failure_of(function, VECTOR))


def of_a_vector(function):
    return function, VECTOR


@pytest.mark.parametrize(
    ("failure", "reading", "other"),
    [
        (of_a_vector(lambda x: x["a"]), arguments.VECTOR, arguments.FIELDS),
        (of_a_vector(lambda x: x.age), arguments.VECTOR, arguments.FIELDS),
        (of_a_vector(lambda x: ~x), arguments.VECTOR, arguments.FLAGS),
        (of_a_vector(lambda x: (x > 0) & x), arguments.VECTOR, arguments.FLAGS),
        (of_a_vector(lambda x: x[:, 0]), arguments.VECTOR, arguments.MATRIX),
        (of_a_vector(lambda x: x.shape[1]), arguments.INDEX, arguments.COUNTS),
        (of_a_vector(lambda x: jnp.einsum("ij,j->i", x, x)), arguments.VECTOR, arguments.MATRIX),
        (of_a_vector(lambda x: dist.Normal(x, 1.0).to_event(2)), arguments.MATRIX, arguments.CUBE),
        ((lambda g: np.zeros(3)[g], INDEX), arguments.INDEX, arguments.VALUES),
        ((lambda g: jnp.unique(g), INDEX), arguments.INDEX, arguments.VALUES),
        ((lambda x: 1.0 if x else 2.0, NUMBER), arguments.VECTOR, arguments.VALUES),
    ],
)
def test_what_an_error_suggests(failure, reading, other):
    """Each row of the table is given by an error that it was written for."""
    error = failure_of(*failure)
    assert other in [
        hint.may_be[reading] for hint in failures.HINTS if hint.is_given_by(error) and reading in hint.may_be
    ]


@pytest.mark.parametrize(
    ("function", "arguments", "pair"),
    [
        (lambda x, g: x + g, (VECTOR, INDEX), (ROWS, OTHERS)),
        (lambda x, g: x @ g, (MATRIX, INDEX), (COLUMNS, OTHERS)),
        (lambda x, g: dist.Normal(x, g).shape(), (VECTOR, INDEX), (ROWS, OTHERS)),
        (lambda x, g: jnp.broadcast_shapes(x.shape, g.shape), (VECTOR, INDEX), (ROWS, OTHERS)),
        (lambda x, g: jax.lax.scan(lambda c, z: (c, z), 0.0, (x, g)), (VECTOR, INDEX), (ROWS, OTHERS)),
    ],
)
def test_the_lengths_that_should_be_one_are_named_first(function, arguments, pair):
    pairs = list(failures.pairs_in(failures.said(failure_of(function, *arguments))))
    assert set(pairs[0]) == set(pair)


def test_a_plate_names_its_size_and_the_length_of_what_is_in_it():
    def model(x):
        with numpyro.handlers.seed(rng_seed=0), numpyro.plate("rows", OTHERS):
            numpyro.sample("y", dist.Normal(x, 1.0))

    assert {ROWS, OTHERS} <= set(failures.lengths_in(failures.said(failure_of(model, VECTOR))))


def test_advice_is_no_part_of_what_is_said():
    """It names lines and versions, whose numbers are no lengths."""
    error = failure_of(lambda x: jnp.arange(x), NUMBER)
    assert isinstance(error, NEEDS_VALUES)
    assert "https://" in str(error)
    assert "https://" not in failures.said(error)
    assert failures.lengths_in("float32[11] and z_7, 5 columns, 5 rows") == [11, 5]
