"""What an instance remembers of the calls that it has seen, and when a call is one of them."""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections.abc import Collection, Hashable, Iterator
from typing import Any, Generic, TypeVar

import jax
import numpy as np

from .model.argument import is_array
from .model.call import Call

_MOST = 32  # answers that one memory keeps: shapes that a server sees are few

Answer = TypeVar("Answer")


class Memory(Generic[Answer]):
    """Answers by what they depend on. The one that was used longest ago is forgotten where there are many."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, Answer] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Answer | None:
        with self._lock:
            answer = self._answers.pop(key, None)
            if answer is not None:
                self._answers[key] = answer  # at the end, as the one used last
            return answer

    def keep(self, key: Hashable, answer: Answer) -> Answer:
        with self._lock:
            self._answers[key] = answer
            if len(self._answers) > _MOST:
                del self._answers[next(iter(self._answers))]
        return answer

    def __len__(self) -> int:
        return len(self._answers)

    def __iter__(self) -> Iterator[Answer]:
        return iter([*self._answers.values()])

    def __reduce__(self) -> Any:
        return Memory, ()  # answers are worked out anew: they need not survive pickling


def key_of(call: Call, by_shape: Collection[int]) -> Hashable:
    """What answers on a call depend on: shapes of the arguments in ``by_shape``, all else by value.

    An answer that was given without the values of some arguments, see `Withheld`, has those in ``by_shape``.
    """
    leaves = tuple(shape_key(leaf) if i in by_shape else value_key(leaf) for i, leaf in enumerate(call.leaves))
    return call.treedef, leaves, jax.config.jax_enable_x64  # type: ignore[attr-defined]


def shape_key(leaf: Any) -> Hashable:
    """Shape and dtype of an array, the type of a number."""
    if is_array(leaf):
        return tuple(leaf.shape), str(leaf.dtype)
    return str(type(leaf))


def value_key(leaf: Any) -> Hashable:
    """The value of an argument, to look it up; one of which it cannot be told is like no other."""
    if leaf is None or isinstance(leaf, (bool, int, float, complex, str, bytes)):
        return type(leaf), repr(leaf)  # where 0.0 is not -0.0, and NaN is NaN
    if callable(leaf):
        return type(leaf), leaf if isinstance(leaf, Hashable) else object()
    try:
        # an object by what is in it: that may have changed since the last call
        return type(leaf), hashlib.sha256(pickle.dumps(np.asarray(leaf) if is_array(leaf) else leaf)).digest()
    except Exception:
        return type(leaf), object()
