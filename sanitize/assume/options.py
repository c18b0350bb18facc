"""Options: arguments that are no arrays, on whose values a model may branch.

Which values an option may have had, nobody can list; on which of them the model branches, the model tells. It is given
a stand-in that can be compared, tested and named in an error, and nothing else. What it was compared with is tried in
its place, until nothing new is asked. A number may be traced instead: a traced run takes no branch on its value.
"""

from __future__ import annotations

import enum
import numbers
import os
import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import numpyro
from numpyro import handlers

from ..model.call import is_array
from .assignments import INT, NUMBER, WHOLE, Reading

ANOTHER = "another value"

_NO_MODELS = tuple(os.path.dirname(str(file)) for file in (__file__, jax.__file__, np.__file__, numpyro.__file__))


class Unlisted(TypeError):
    """What a model asks of an option has more answers than can be tried."""


class StandIn:
    """Any value other than those that it is compared with: ``asked`` holds these."""

    def __init__(self, value: Any):
        self._type = type(value) if isinstance(value, (str, numbers.Number)) else StandIn
        self.forget()

    def forget(self) -> None:
        """What was asked until now belongs to another run."""
        self.asked: dict[str, Any] = {}
        self.unlisted = self.written = False

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # so that isinstance takes the same branch
        return self._type

    def __eq__(self, other: object) -> bool:
        if is_array(other) or callable(other):
            self._refuse()
        self.asked[repr(other)] = other
        return other is self

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        self.asked.update({"True": True, "False": False})
        return True

    def __str__(self) -> str:
        self.written = True  # into an error, or into the name of a site
        return ANOTHER

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return str(self)

    def _refuse(self, *args: Any) -> Any:
        self.unlisted = True
        raise Unlisted("an option was looked up, or taken apart")

    __hash__ = __contains__ = _refuse  # type: ignore[assignment]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            self._refuse()
        raise TypeError("no element")

    def __getattr__(self, name: str) -> Any:
        # an array has attributes too; and JAX asks everything whether it is one
        asks = sys._getframe(1).f_code.co_filename
        self.unlisted |= not (name.startswith("__") or hasattr(np.ndarray, name) or asks.startswith(_NO_MODELS))
        raise AttributeError(name)


def is_stand_in(value: Any) -> bool:
    return type(value) is StandIn


def all_values(value: Any) -> list[Any]:
    """All values of this type, where there are few."""
    if isinstance(value, bool):
        return [True, False]
    return list(type(value)) if isinstance(value, enum.Enum) else []


def without_its_value(value: Any) -> list[Reading]:
    """How an option can be read without its value, the most general way first."""
    if callable(value):
        return [another_function(value)]
    stand_in = StandIn(value)
    anything = Reading(ANOTHER, lambda: stand_in)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return [anything]
    return [WHOLE, anything, INT] if isinstance(value, numbers.Integral) else [NUMBER, anything]


def another_function(function: Callable[..., Any]) -> Reading:
    """A function that does the same and is not the same. It must make no sites: another might make others."""

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        with handlers.trace() as made:
            result = function(*args, **kwargs)
        if made:
            raise Unlisted("a function that was passed makes sites")
        return result

    return Reading("another function", lambda: stand_in)
