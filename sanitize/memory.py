"""What an instance remembers of the calls that it has seen, and when a call is one of them."""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import jax
import numpy as np

from .model.argument import ValuesAsked, is_array
from .model.call import Call
from .model.inspection import Inspection

_MOST = 32  # answers that one memory keeps: a server sees few shapes

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Signature:
    """A call, and what it has in common with others."""

    kind: str  # what is asked of the call: samples, means, scores
    unseen: Inspection  # without the values of arrays, for which other calls have others of the same shapes
    call: Call
    which: tuple[int, ...]  # those arrays
    key: Hashable
    asked: tuple[int, ...] = ()  # those of them whose values decided, for this call, that it has them in common

    @property
    def inspection(self) -> Inspection:
        """With the values of this call."""
        return self.unseen.with_call(self.call)

    @property
    def arrays(self) -> list[Any]:
        return [self.call.leaves[i] for i in self.which]


class Memory(Generic[Answer]):
    """Answers by what they depend on. The one that was used longest ago is forgotten where there are many."""

    def __init__(self) -> None:
        self.answers: dict[Hashable, Any] = {}  # None: values are asked for
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Answer | None:
        with self._lock:
            if key not in self.answers:
                return None
            answer = self.answers[key] = self.answers.pop(key)  # at the end, as the one used last
            return answer

    def keep(self, key: Hashable, answer: Any) -> Any:
        with self._lock:
            self.answers[key] = answer
            if len(self.answers) > _MOST:
                del self.answers[next(iter(self.answers))]
        return answer

    def of(self, key: Hashable, make: Callable[[], Answer]) -> Answer:
        known = self.get(key)
        return self.keep(key, make()) if known is None else known

    def by_need(self, signature: Signature, make: Callable[[Inspection], Answer], *more: Hashable) -> Answer:
        """An answer made from an inspection: for all calls of the signature, or for these values if it takes them."""
        key = (signature.key, *more)
        known = self.get(key)
        if known is not None:
            return known
        if key not in self.answers:
            try:
                return self.keep(key, make(signature.unseen))
            except ValuesAsked:
                self.keep(key, None)
        values = (key_of(signature.call, ()), *key)
        return self.of(values, lambda: make(signature.inspection))

    def __reduce__(self) -> Any:
        return Memory, ()  # answers are not pickled: they are worked out again


def key_of(call: Call, by_shape: Collection[int]) -> Hashable:
    """What answers on a call depend on: shapes of the arguments in ``by_shape``, all else by value.

    An answer that was given without the values of some arguments, see `Withheld`, has those in ``by_shape``.
    """
    keys: list[Hashable] = []
    for i, leaf in enumerate(call.leaves):
        if i not in by_shape:
            keys.append(value_key(leaf))
        elif is_array(leaf):
            keys.append((tuple(leaf.shape), str(leaf.dtype)))
        else:
            keys.append(str(type(leaf)))
    return call.treedef, *keys, jax.config.jax_enable_x64  # type: ignore[attr-defined]


def value_key(leaf: Any) -> Hashable:
    """The value of an argument, to look it up; an argument whose value cannot be read equals no other."""
    if leaf is None or isinstance(leaf, (bool, int, float, complex, str, bytes)):
        return type(leaf), repr(leaf)  # where 0.0 is not -0.0, and NaN is NaN
    if callable(leaf):
        return type(leaf), leaf if isinstance(leaf, Hashable) else object()
    try:
        # an object by what is in it: that may have changed since the last call
        return type(leaf), hashlib.sha256(pickle.dumps(np.asarray(leaf) if is_array(leaf) else leaf)).digest()
    except Exception:
        return type(leaf), object()
