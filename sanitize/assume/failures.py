"""What errors of JAX, NumPy and NumPyro say in English, and what it suggests. No other file reads their words.

A hint proves nothing: where the words change, a search takes more trials.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..model.trace import NEEDS_VALUES
from .arguments import COUNTS, CUBE, FIELDS, FLAGS, FOUR, INDEX, MATRIX, NUMBER, VALUES, VECTOR, WHOLE, Reading
from .runs import Misshapen

_ONE_MORE_DIMENSION = {VECTOR: MATRIX, MATRIX: CUBE, CUBE: FOUR, INDEX: COUNTS}
_ADVICE = ("The error occurred", "\n\nSee")  # how JAX's begins
_LONGEST = 600


class Hint(NamedTuple):
    """An error suggests that an argument, which was read as one thing, may be another.

    ``seen`` is the sentence with its words, from JAX 0.4.13 to 0.10.2; the tests make each of these errors.
    """

    error: type[Exception] | tuple[type[Exception], ...]
    words: str
    seen: str
    may_be: Mapping[Reading, Reading] = {}
    of_guilty: bool = False  # where lengths are named, only of arguments that have one of them

    def is_given_by(self, failure: Exception | None) -> bool:
        return isinstance(failure, self.error) and re.search(self.words, said(failure)) is not None


INDEXER = Hint(Exception, "Indexer", "Indexer must have integer or boolean type (x[i])")
INTEGER = Hint(Exception, "integer", "Shapes must be 1D sequences of concrete values of integer type")
HINTS = (
    Hint(AttributeError, "", "the type tells", {VECTOR: FIELDS}),
    Hint(TypeError, "string indexing", "JAX does not support string indexing (x['a'])", {VECTOR: FIELDS}),
    Hint(Exception, "bool", "Accepted dtypes are subtypes of integer, bool (~x)", {VECTOR: FLAGS}),
    Hint(IndexError, "", "the type tells", _ONE_MORE_DIMENSION),
    Hint(ValueError, "[Ee]insum|subscript", "Einstein sum subscript 'ij' does not ...", _ONE_MORE_DIMENSION),
    Hint(
        ValueError,
        "reinterpreted_batch_ndims",
        "Expected reinterpreted_batch_ndims <= ... (to_event(2))",
        _ONE_MORE_DIMENSION,
    ),
    Hint(ValueError, "values to unpack", "not enough values to unpack (expected 2, got 1)", _ONE_MORE_DIMENSION),
    Hint(TypeError, "unhashable", "unhashable type: tracer (set(x))", {INDEX: VALUES, VECTOR: VALUES}),
    Hint(Misshapen, "", "the type tells", {VECTOR: NUMBER, INDEX: WHOLE}, of_guilty=True),
    Hint(NEEDS_VALUES, "", "the type tells", {INDEX: VALUES, VECTOR: VALUES}, of_guilty=True),
)


def said(failure: Exception | None) -> str:
    """What an error says, without advice."""
    text = str(failure)
    for advice in _ADVICE:
        text = text.split(advice)[0]
    return text[:_LONGEST]


def lengths_in(text: str) -> list[int]:
    """The lengths that an error names, each once."""
    found = re.findall(r"(?<![\w.])\d+", text)
    return list(dict.fromkeys(map(int, found)))


def pairs_in(text: str) -> Iterator[tuple[int, int]]:
    """Two lengths that an error names: those of two shapes, aligned at their ends, before any others."""
    shapes = []
    for shape in re.findall(r"\(([\d, ]*)\)", text):
        lengths = re.findall(r"\d+", shape)
        shapes.append([*map(int, lengths)])
    for one, other in itertools.combinations(shapes, 2):
        yield from zip(reversed(one), reversed(other))
    yield from itertools.combinations(lengths_in(text), 2)
