"""What has a length: moved to `call`; this file goes when nobody imports from it."""

from __future__ import annotations

from .call import Axis, Call, argument, lengths_of, levels_of, resized, with_defaults

__all__ = ["Axis", "lengths_of", "levels_of", "resized", "with_defaults"]


def has_no_values(call: Call, leaf: object) -> bool:
    return call.is_traced(leaf)


def taken(leaf: object, dim: int, index: object) -> object:
    return argument.of(leaf).taken(dim, index)


def with_levels(leaf: object, column: object, values: object) -> object:
    return argument.of(leaf).with_columns({column: values})  # type: ignore[dict-item]


def like(column: object, values: object) -> object:
    return argument.of(column).like(values)  # type: ignore[arg-type]
