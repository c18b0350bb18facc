"""Arguments under trial: a reading of each, and which of their lengths are one."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..model.call import Call
from .readings import FIELDS, Axis, Path, Reading, Record


@dataclass(frozen=True)
class Trial:
    """A reading of each argument that is given, and what is known of their lengths.

    ``ties`` says of an axis that it is as long as another plus a number, or (None) just as a number.
    """

    readings: Mapping[Path, Reading]
    ties: Mapping[Axis, tuple[Axis | None, int]] = field(default_factory=dict)

    def made_of(self, axis: Axis) -> tuple[Axis | None, int]:
        """The free axis that decides how long an axis is (None: a number does), and how much longer it is."""
        more = 0
        while axis in self.ties:
            other, k = self.ties[axis]
            more += k
            if other is None:
                return None, more
            axis = other
        return axis, more

    def size_of(self, axis: Axis) -> Axis | None:
        """The free axis that decides how long an axis is: such an axis is a *size*."""
        return self.made_of(axis)[0]

    @functools.cached_property
    def axes(self) -> list[Axis]:
        return [(path, i) for path, reading in self.readings.items() for i in range(reading.sizes)]

    @functools.cached_property
    def sizes(self) -> list[Axis]:
        """The free axes, shorter ones first: an index has to be longer than it has levels."""
        depth = dict.fromkeys([size for axis in self.axes if (size := self.size_of(axis)) is not None], 0)
        with_levels = [path for path, reading in self.readings.items() if reading.kind == "values"]
        for _, path in itertools.product(with_levels, with_levels):
            rows, levels = self.size_of((path, 0)), self.size_of((path, 1))
            if rows is not None and rows != levels:
                depth[rows] = max(depth[rows], 1 + (0 if levels is None else depth[levels]))
        return sorted(depth, key=depth.__getitem__)

    @functools.cached_property
    def leading(self) -> frozenset[Axis | None]:
        """The sizes that are the first dimension of an array."""
        return frozenset(self.size_of((path, 0)) for path, r in self.readings.items() if r.is_array) - {None}

    @functools.cached_property
    def identity(self) -> Any:
        """What tells it from others."""
        readings = frozenset((path, reading.name) for path, reading in self.readings.items())
        return readings, frozenset((axis, self.made_of(axis)) for axis in self.axes)

    def given(self, path: Path, reading: Reading) -> Trial:
        """With another reading of one argument; what was known of lengths stays, as far as it can."""
        readings = {p: r for p, r in self.readings.items() if p[: len(path)] != path or p == path}
        before, readings[path] = readings.get(path), reading
        if before is not None and before.is_array and reading.is_array and (
            before.sizes == reading.sizes or (reading.kind == "values" and before.sizes == 1)
        ):
            return Trial(readings, self.ties)
        ties: dict[Axis, tuple[Axis | None, int]] = {}
        heirs: dict[Axis, tuple[Axis, int]] = {}  # the first axis tied to one of this argument's stands for it
        for axis in self.axes:
            if axis not in self.ties or axis[0] not in readings or axis[0] == path:
                continue
            size, more = self.made_of(axis)
            if size is not None and size[0][: len(path)] == path:
                if size not in heirs:
                    heirs[size] = axis, more
                    continue
                size, more = heirs[size][0], more - heirs[size][1]
            ties[axis] = size, more
        return Trial(readings, ties)

    def tied(self, one: Axis, other: Axis | None, more: int) -> Trial | None:
        """With ``one`` as long as the other plus ``more``; None if that is no news, or impossible."""
        size, k = self.made_of(one)
        target, m = (None, 0) if other is None else self.made_of(other)
        if size is None or size == target or (target is None and m + more < k):
            return None
        return replace(self, ties={**self.ties, size: (target, m + more - k)})

    def of_one_length(self) -> Trial | None:
        """With all arrays of one length, if that is news."""
        arrays = [(path, 0) for path, r in self.readings.items() if r.is_array and self.size_of((path, 0)) is not None]
        tied = self
        for axis in arrays[1:]:
            tied = tied.tied(axis, arrays[0], 0) or tied
        return tied if tied is not self else None

    def call(self, bare: Call, lengths: Mapping[Axis, int]) -> Call:
        """The call with these lengths of the sizes."""

        def length(axis: Axis) -> int:
            size, more = self.made_of(axis)
            return max(more + (0 if size is None else lengths[size]), 0)

        def make(path: Path) -> Any:
            reading = self.readings[path]
            if reading is FIELDS:
                return Record((p[-1], make(p)) for p in self.readings if p[:-1] == path and len(p) > 1)
            return reading.make(*(length((path, i)) for i in range(reading.sizes)))

        given = {path[0]: make(path) for path in self.readings if len(path) == 1}
        positional = [p.name for p in bare.parameters or () if p.kind is p.POSITIONAL_ONLY]
        args = tuple(given.pop(name) for name in positional if name in given)
        with_values = any(reading.kind == "values" for reading in self.readings.values())
        return replace(bare.with_arguments(args, given), bare=True, mode="concrete" if with_values else "abstract")


def text_of(path: Path) -> str:
    """``data['x']``"""
    return str(path[0]) + "".join(f"[{key!r}]" for key in path[1:])
