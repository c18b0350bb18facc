"""Arguments under trial: a reading of each, and which of their lengths are one."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax

from ..model.call import Call
from .readings import FIELDS, Axis, Path, Reading, Record

Lengths = Mapping[Axis, int]
Group = Mapping["Axis | None", int]


@dataclass(frozen=True)
class Trial:
    """A reading of each argument that is given, and what is known of their lengths.

    ``groups`` are axes of one length, but for a number that each has on top; None among them stands for zero, so that
    the others are just numbers. A *size* is the first axis of a group: it decides how long the others are.
    """

    readings: Mapping[Path, Reading]
    groups: tuple[Group, ...] = ()

    def _group(self, axis: Axis) -> Group:
        return next((group for group in self.groups if axis in group), {axis: 0})

    def made_of(self, axis: Axis) -> tuple[Axis | None, int]:
        """The size that decides how long an axis is (None: a number does), and how much longer it is."""
        group = self._group(axis)
        size = None if None in group else next(other for other in self.axes if other in group)
        return size, group[axis] - group[size]

    def size_of(self, axis: Axis) -> Axis | None:
        return self.made_of(axis)[0]

    @functools.cached_property
    def axes(self) -> list[Axis]:
        return [(path, i) for path, reading in self.readings.items() for i in range(reading.sizes)]

    @functools.cached_property
    def sizes(self) -> list[Axis]:
        """Those that are free, shorter ones first: an index has to be longer than it has levels."""
        free = dict.fromkeys(size for axis in self.axes if (size := self.size_of(axis)) is not None)
        indices = [path for path, reading in self.readings.items() if reading.kind == "values"]
        rows, levels = ({self.size_of((path, i)) for path in indices} for i in (0, 1))
        return sorted(free, key=lambda size: (size in rows) * (2 - (size in levels)))

    @functools.cached_property
    def leading(self) -> frozenset[Axis]:
        """The sizes that are the first dimension of an array."""
        arrays = [path for path, reading in self.readings.items() if reading.is_array]
        return frozenset(size for path in arrays if (size := self.size_of((path, 0))) is not None)

    @functools.cached_property
    def identity(self) -> Any:
        """What tells it from others."""
        readings = frozenset((path, reading.name) for path, reading in self.readings.items())
        return readings, frozenset((axis, self.made_of(axis)) for axis in self.axes)

    def given(self, path: Path, reading: Reading) -> Trial:
        """With another reading of one argument; what was known of its own lengths stays, if it has as many."""
        before = self.readings.get(path)
        readings = {p: r for p, r in self.readings.items() if p[: len(path)] != path or p == path}
        readings[path] = reading
        dims = before.sizes if before is not None and before.is_array and reading.is_array else 0
        if dims and (dims == reading.sizes or (dims == 1 and reading.kind == "values")):
            return Trial(readings, self.groups)
        left = ({a: k for a, k in g.items() if a is None or a[0][: len(path)] != path} for g in self.groups)
        return Trial(readings, tuple(group for group in left if len(group) > 1))

    def tied(self, one: Axis, other: Axis | None, more: int) -> Trial | None:
        """With ``one`` as long as the other plus ``more``; None if that is no news, or impossible."""
        zero: Group = {None: 0}
        mine, theirs = self._group(one), zero if other is None else self._group(other)
        if None in mine or one in theirs:
            return None
        together = {**theirs, **{axis: k - mine[one] + theirs[other] + more for axis, k in mine.items()}}
        if together[one] < together.get(None, together[one]):
            return None
        return replace(self, groups=(*(g for g in self.groups if g not in (mine, theirs)), together))

    def of_one_length(self) -> Trial | None:
        """With all arrays of one length, if that is news."""
        arrays = [(path, 0) for path, r in self.readings.items() if r.is_array and self.size_of((path, 0)) is not None]
        tied = functools.reduce(lambda trial, axis: trial.tied(axis, arrays[0], 0) or trial, arrays[1:], self)
        return tied if tied is not self else None

    def length(self, axis: Axis, lengths: Lengths) -> int | None:
        """How long an axis is with these lengths of the sizes, if they tell."""
        size, more = self.made_of(axis)
        return more if size is None else lengths[size] + more if size in lengths else None

    def call(self, bare: Call, lengths: Lengths) -> Call:
        """The call with these lengths of the sizes."""

        def make(path: Path) -> Any:
            reading = self.readings[path]
            if reading is FIELDS:
                return Record({p[-1]: make(p) for p in self.readings if p[:-1] == path and len(p) > 1}, path, {})
            return reading.make(*(max(self.length((path, i), lengths) or 0, 0) for i in range(reading.sizes)))

        given = {path[0]: make(path) for path in self.readings if len(path) == 1}
        positional = [p.name for p in bare.parameters or () if p.kind is p.POSITIONAL_ONLY]
        args = tuple(given.pop(name) for name in positional if name in given)
        with_values = any(reading.kind == "values" for reading in self.readings.values())
        return replace(bare.with_arguments(args, given), mode="concrete" if with_values else "abstract")

    def described(self, sizes: Lengths) -> tuple[str, ...]:
        """``X: float32[1000, 3]`` for each argument, with a question mark for a length that is not told."""

        def text(path: Path, reading: Reading) -> str:
            told = [self.length((path, i), sizes) for i in range(reading.sizes)]
            lengths = ["?" if n is None else str(n) for n in told]
            if reading.kind in ("value", "length"):
                return lengths[0] if lengths else reading.name
            dtype = jax.dtypes.canonicalize_dtype(reading.make(*(1 for _ in lengths)).dtype)
            return f"{dtype}[{', '.join(lengths[:1] if reading.kind == 'values' else lengths)}]"

        return tuple(f"{text_of(path)}: {text(path, r)}" for path, r in self.readings.items() if r is not FIELDS)


def text_of(path: Path) -> str:
    """``data['x']``, as `Call` names it."""
    return str(path[0]) + "".join(f"[{key!r}]" for key in path[1:])
