"""A dict, a frame, an object under trial: it tells which keys the model asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from .readings import Path


class Unlisted(Exception):
    """The model asked which keys there are."""


class Record(dict[Any, Any]):
    """Its keys are attributes, too, unless an array has one of that name. Notes which it lacks in ``asked``."""

    def __init__(self, items: Iterable[tuple[Any, Any]], path: Path = (), asked: dict[Path, bool] | None = None):
        super().__init__(items)
        vars(self).update(path=path, asked={} if asked is None else asked)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or hasattr(jax.Array, name) or hasattr(np.ndarray, name):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __missing__(self, key: Any) -> Any:
        self.asked[(*self.path, key)] = True  # it has to be there
        raise KeyError(key)

    def __contains__(self, key: Any) -> bool:
        there = super().__contains__(key)
        if not there:
            self.asked.setdefault((*self.path, key), False)
        return there

    def get(self, key: Any, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401 - which would be this very function

    def __len__(self) -> int:
        return len(self["index"])  # of a frame: its rows

    def to_numpy(self) -> Any:
        return self["values"]

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise Unlisted

    __iter__ = __eq__ = keys = items = pop = copy = setdefault = _refuse  # type: ignore[assignment]
    __or__ = __ror__ = __ne__ = __reversed__ = _refuse  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]
    values = property(lambda self: self["values"])  # type: ignore[assignment]  # of a column; calling it fails


jax.tree_util.register_pytree_with_keys(
    Record,
    lambda record: ([(jax.tree_util.DictKey(k), v) for k, v in dict.items(record)], tuple(dict.keys(record))),
    lambda keys, values: Record(zip(keys, values)),
)
