"""The search for contradictions: other arguments that explain the samples, and make another thing of an entry.

Parameters are given other types, flags, numbers and strings, arrays other sizes, also two at once. Which values of an
option can matter, its model's code says (`constants`). Budgets are numbers of runs, the same on every machine, and a
search that does not finish proves nothing.
"""

from __future__ import annotations

import copy
import enum
import functools
import itertools
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from inspect import Parameter
from typing import Any, NamedTuple

from .assignments import (
    COUNTS,
    CUBE,
    FALSE,
    FLAGS,
    INDEX,
    INT,
    MATRIX,
    NEEDS_VALUES,
    NONE,
    NUMBER,
    OPTIONS,
    OTHER_VALUES,
    TRUE,
    VALUES,
    VECTOR,
    Assignment,
    Budget,
    Explanation,
    Path,
    Reading,
    Samples,
    fixed,
)
from .constants import Constants, is_library
from .probes import nothing_follows
from .recompute import contradiction
from .sites import abstract, is_array

_MOST_RUNS = 800

_LARGE = 211  # rows, where no number is mentioned that could be a threshold
_MOST_ROWS = 2000  # of the numbers mentioned: a model may loop over its rows

_UNKNOWN, _NOTED, _OTHER_VALUES_OF_DEFAULT = "a string", "a noted int", "other values than the default's"

# What a parameter may have been instead: of other dimensions, of another type.
_ANYTHING = (NUMBER, VECTOR, MATRIX, CUBE, INDEX, FLAGS, COUNTS, INT, NONE, TRUE, FALSE)

_MOST_FLAGS = 6  # that are tried in all combinations

# Some draws of the named entries, given how many leading dimensions are chains and draws.
Draws = Callable[[int, Sequence[str]], Mapping[str, Any]]


class Ambiguous(Exception):
    """What speaks against an assignment that explains the samples."""


class _Noted:
    """A value that notes what the model's own code compares it with, and whether it looks at it at all."""

    looked = False

    def __init__(self, *args: Any):
        self.others: list[Any] = []


def _noting(method: Callable[..., Any]) -> Callable[..., Any]:
    def look(self: Any, *args: Any) -> Any:
        # a library that is given a string for an array looks at it too, but makes nothing of its value
        if not is_library(sys._getframe(1).f_code.co_filename):
            self.looked = True
            self.others += args
        return method(self, *args)

    return look


class _Unknown(_Noted, str):
    """A string that is none of those that the model knows."""


class _Number(_Noted, int):
    """A size like any other."""


# comparing it, looking it up, its methods; not what is done to arrays too (its length, an element, arithmetic)
_LOOKS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__")
for _method in (*_LOOKS, "__contains__", *(name for name in dir(str) if not name.startswith("_"))):
    setattr(_Unknown, _method, _noting(getattr(str, _method)))
for _method in _LOOKS:
    setattr(_Number, _method, _noting(getattr(int, _method)))


class _Change(NamedTuple):
    """One way in which the arguments of the fit may have been others. Two of one ``subject`` are no pair."""

    subject: Hashable  # a parameter, or a size
    reading: Reading | None  # None: the size is
    size: int = 0

    def apply(self, assignment: Assignment) -> Assignment:
        if self.reading is None:
            return replace(assignment, fixed={**assignment.fixed, self.subject: self.size})  # type: ignore[dict-item]
        return assignment.given(self.subject, self.reading)  # type: ignore[arg-type]


class Proof:
    """That all which explains the samples makes the same of every entry."""

    def __init__(self, samples: Samples, parameters: Sequence[Parameter], constants: Constants, draws: Draws):
        self.samples, self.parameters, self.constants, self.draws = samples, parameters, constants, draws
        self.budget = Budget(_MOST_RUNS)
        self._seen: set[Any] = set()
        self._computed: dict[Hashable, list[str]] = {}

    def finest(self, found: Explanation) -> Explanation:
        """The same readings with as many sizes of their own as explain the samples.

        That two sizes are one is a special case of their being two: they happened to be equal in the fit.
        """
        while True:
            finer = (a for a in found.assignment.patterns() if a.is_finer(found.assignment))
            better = next((e for a in finer if (e := self._explain(a)) and not e.lost), None)
            if better is None:
                return found
            found = better

    def contradiction(self, found: Explanation) -> str | None:
        """What speaks against the recorded deterministic entries being computed under these arguments."""
        draws = functools.partial(self.draws, found.batch_ndims)
        call, outcome, entries = found.table.call, found.table.run, list(self.samples.shapes)
        return contradiction(call, outcome, draws, entries, found.elsewhere(), self._computed)

    def prove(self, found: Explanation) -> None:
        """Raise `Ambiguous` unless everything that explains the samples makes the same of every entry."""
        if not self.constants.complete:
            raise Ambiguous("the model's code is too large to be searched for the options that it knows")
        for name in self.samples.shapes:
            if found.structure.sites[name].kind != found.table.run.sites[name].kind:
                raise Ambiguous(f"whether {name!r} is {found.table.run.sites[name].kind} depends on sizes")
        self._check_rows(found)
        for assignment in found.assignment.patterns():
            if not found.assignment.is_finer(assignment):
                self._check(found, assignment)
        changes: list[_Change] = []
        options: set[Hashable] = set()
        for path, readings in self._alternatives(found):
            more, is_option = self._vary(found, path, readings)
            changes += more
            options |= {path} if is_option else set()
        for change in self._other_sizes(found):
            self._check(found, change.apply(found.assignment))
            changes.append(change)
        for one, other in itertools.combinations(changes, 2):
            sizes = one.reading is None or other.reading is None
            if one.subject != other.subject and (not sizes or options & {one.subject, other.subject}):
                self._check(found, other.apply(one.apply(found.assignment)))
        self._check_flags(found)

    def _check_flags(self, found: Explanation) -> None:
        """More than two flags may act together."""
        readings = {(p.name,): fixed(p.default) for p in self.parameters if isinstance(p.default, bool)}
        readings.update(found.assignment.readings)
        flipped = {FALSE.name: TRUE, TRUE.name: FALSE}
        changes = [_Change(path, flipped[r.name]) for path, r in readings.items() if r.name in flipped]
        if len(changes) > _MOST_FLAGS:
            raise Ambiguous(f"its {len(changes)} flags are too many to be tried in all combinations")
        for count in range(3, len(changes) + 1):
            for some in itertools.combinations(changes, count):
                self._check(found, functools.reduce(lambda assignment, c: c.apply(assignment), some, found.assignment))

    def _check_rows(self, found: Explanation) -> None:
        """That the row probe, with the sizes of the samples, finds the rows that the structure shows."""
        if not found.primes:  # no size was made up: the probe sees the rows of the defaults
            return
        table, dims = found.table, found.row_dims
        latents = [
            name
            for name in self.samples.shapes
            if table.run.sites[name].kind == "latent" and dims.get(name) is not None
        ]
        latents = [name for name in latents if table.run.sites[name].shape]
        if not latents or (not any(dims[n] for n in latents) and nothing_follows(table.call, table.run, latents)):
            return
        for name in latents:
            if dims[name] != table.row_dims.get(name, ()) and not found.is_stripped(name):
                raise Ambiguous(
                    f"whether the latent {name!r} has one value for each row depends on sizes that coincide"
                )

    # ------------------------------------------------------------------------------------------ what is varied

    def _alternatives(self, found: Explanation) -> Iterator[tuple[Path, Sequence[Reading]]]:
        """Each parameter, and each key of a dict, with what it may have been instead."""
        readings = found.assignment.readings
        anything = [*_ANYTHING, self._unknown()]
        for path, reading in readings.items():
            values = (VALUES, *OTHER_VALUES) if reading in (VALUES, *OTHER_VALUES) else ()
            yield path, [NONE] if reading is OPTIONS else [*values, *anything]
        for path in found.optional:
            yield path, anything
        for parameter in self.parameters:
            path = (parameter.name,)
            if path not in readings and parameter.default is not parameter.empty:
                yield path, anything if parameter.default is None else list(self._instead_of(parameter.default))

    def _instead_of(self, default: Any) -> Iterator[Reading]:
        """What may have been passed instead of a default."""
        if isinstance(default, bool):
            yield from (fixed(not default), NONE, self._unknown())
        elif isinstance(default, (int, float)):
            yield from (NUMBER, NONE, INT, self._unknown())
        elif isinstance(default, str):
            yield from (self._unknown(), NONE, TRUE, FALSE)
        elif is_array(default):
            yield from (Reading(_OTHER_VALUES_OF_DEFAULT, lambda: abstract(default)), *_ANYTHING)
        elif callable(default) and not isinstance(default, type):
            yield from map(fixed, (functools.partial(default), *self.constants.functions))
        else:
            yield from map(fixed, self._values_instead_of(default))

    def _values_instead_of(self, value: Any) -> Iterator[Any]:
        if isinstance(value, enum.Enum):
            yield from (member for member in type(value) if member is not value)
        elif isinstance(value, bool) or value is None:
            yield from (other for other in (True, False, None) if other is not value)
        elif isinstance(value, (int, float)):
            yield from (number for number in self._numbers if number != value)
        elif isinstance(value, str):
            yield from (string for string in self.constants.strings if string != value)
        elif isinstance(value, (dict, list, tuple)) or (hasattr(value, "__dict__") and not callable(value)):
            yield from self._one_changed(value)

    def _one_changed(self, whole: Any) -> Iterator[Any]:
        """A dict, a tuple, an object with one value inside changed."""
        if isinstance(whole, dict):
            for key, value in whole.items():
                for other in self._values_instead_of(value):
                    changed = copy.copy(whole)
                    changed[key] = other
                    yield changed
        elif isinstance(whole, (list, tuple)):
            for i, value in enumerate(whole):
                for other in self._values_instead_of(value):
                    values = [*whole[:i], other, *whole[i + 1 :]]
                    yield type(whole)(*values) if hasattr(whole, "_fields") else type(whole)(values)
            if not hasattr(whole, "_fields"):
                lengths = {0, len(whole) - 1, len(whole) + 1, 2 * len(whole)} - {-1}
                yield from (type(whole)(itertools.islice(itertools.cycle(whole), n)) for n in sorted(lengths))
        else:
            for name, value in vars(whole).items():
                for other in self._values_instead_of(value):
                    changed = copy.copy(whole)
                    object.__setattr__(changed, name, other)  # a frozen dataclass as well
                    yield changed

    @functools.cached_property
    def _integers(self) -> list[int]:
        return sorted({*self._near(0), *range(-1, 5), _LARGE})

    @functools.cached_property
    def _numbers(self) -> list[float]:
        """Numbers around those that the model mentions, and between them."""
        mentioned = sorted({0, 1, *self.constants.numbers})
        if not any(isinstance(x, float) for x in mentioned):
            return list(self._integers)
        around = [mentioned[0] - 1, *mentioned, mentioned[-1] + 1]
        return sorted({*self._integers, *mentioned, *((a + b) / 2 for a, b in itertools.pairwise(around))})

    def _near(self, least: int) -> set[int]:
        near = {c + d for c in self.constants.integers if c >= least for d in (-1, 0, 1)}
        return {n for n in near if n < _MOST_ROWS}

    def _other_sizes(self, found: Explanation) -> Iterator[_Change]:
        """Other sizes of arrays: a model may have thresholds."""
        assignment = found.assignment
        arrays = {assignment.size_of(axis) for axis in assignment.axes if assignment.readings[axis[0]].array}
        for size in assignment.sizes:
            if size in arrays:
                free = () if size in found.sizes else (2, _LARGE)
                yield from (_Change(size, None, n) for n in sorted({1, *free, *self._near(3)}))

    # -------------------------------------------------------------------------------------------- one variation

    def _vary(self, found: Explanation, path: Path, readings: Sequence[Reading]) -> tuple[list[_Change], bool]:
        """Check what a parameter may have been instead.

        Returns what of it is to be tried in pairs, and whether it is an option: the model may branch on its value.
        """
        base = found.assignment.readings.get(path)
        is_array = base is not None and (base.array or base in (NUMBER, OPTIONS))
        is_size = base is INT and found.assignment.size_of((path, 0)) in found.sizes
        is_option = not is_array and not is_size and (base is not None or self._default(path) is not None)
        pending = list(readings)
        noted = _Number(0)
        if base is INT:
            pending.append(Reading(_NOTED, lambda n: self._noted(n, noted.others), 1))
            pending += map(fixed, (*self.constants.members, *self._integers))
        elif base is not None and not is_array:
            pending += map(fixed, (*self.constants.members, *self._numbers))
        if base is not None and isinstance(base.make() if base.sizes == 0 else None, str):
            pending += map(fixed, self.constants.strings)
        tried = {repr(self._default(path)): NONE} if base is None else {base.name: base}
        while pending:
            reading = pending.pop(0)
            if reading.name in tried:
                continue
            tried[reading.name] = reading
            self._check(found, found.assignment.given(path, reading))
            failure = self.samples.failure
            if reading.name == _OTHER_VALUES_OF_DEFAULT and isinstance(failure, NEEDS_VALUES):
                raise Ambiguous(f"its code asks for the values of {path[0]}, which may have been others")
            if reading is NUMBER and isinstance(failure, NEEDS_VALUES) and not is_array and base is not INT:
                pending, is_option = [*pending, *map(fixed, self._numbers)], True
            if reading.name == _NOTED:
                near = {int(n) + d for n in noted.others if isinstance(n, (int, float)) for d in (-1, 0, 1)}
                pending += map(fixed, sorted(near))
            if reading.name == _UNKNOWN:
                pending += map(fixed, self.constants.members)
                if reading.make().looked:
                    others = [x for x in reading.make().others if isinstance(x, str)]
                    pending, is_option = [*pending, *map(fixed, (*self.constants.strings, *others))], True
        del tried[next(iter(tried))]
        if is_array and not is_option:
            return [_Change(path, NONE)], False
        if is_size and not is_option:
            return [_Change(path, r) for r in (NONE, fixed(self._integers[0]), fixed(self._integers[-1]))], False
        if not is_option:
            return [_Change(path, r) for r in (VECTOR, TRUE)], False
        return [_Change(path, r) for r in tried.values() if r.sizes == 0 or r is VECTOR], True

    def _default(self, path: Path) -> Any:
        return next((p.default for p in self.parameters if path == (p.name,)), None)

    def _noted(self, n: int, others: list[Any]) -> _Number:
        number = _Number(n)
        number.others = others
        return number

    def _unknown(self) -> Reading:
        string = _Unknown("none of those that the model knows")
        return Reading(_UNKNOWN, lambda: string)

    def _explain(self, assignment: Assignment, like: Explanation | None = None) -> Explanation | None:
        if self.budget.left < 0:
            raise Ambiguous("looking for other arguments that explain them took more runs than it may")
        self._seen.add(assignment.identity())
        return self.samples.explain(assignment, self.budget, like)

    def _check(self, found: Explanation, assignment: Assignment) -> None:
        """Raise `Ambiguous` if the assignment explains the samples, and makes another thing of an entry."""
        self.samples.failure = None
        if assignment.identity() in self._seen:
            return
        other = self._explain(assignment, found)
        if other is not None:
            self.compare(found, other)

    def compare(self, found: Explanation, other: Explanation) -> None:
        """Raise `Ambiguous` if another explanation makes another thing of an entry, and nothing refutes it."""
        if not (differing := self._differing(found, other)) or other.lost:
            return
        # a computation refuted with a made-up number may be right with another number
        if other.assignment.numbers or self.contradiction(other) is None:
            name = differing[0]
            raise Ambiguous(f"{name!r} is {found.kind(name)} with {found}, but {other.kind(name)} with {other}")

    def _differing(self, found: Explanation, other: Explanation) -> list[str]:
        """Entries of which two explanations make different things."""
        rows = self._has_rows(found, other)

        def differs(name: str) -> bool:
            one, two = found.table.run.sites[name].kind, other.table.run.sites[name].kind
            if one != two:
                return found.is_stripped(name) != other.is_stripped(name)
            rows_differ = rows and found.row_dims.get(name) != other.row_dims.get(name)
            return one == "latent" and rows_differ and not found.is_stripped(name)

        return [name for name in self.samples.shapes if differs(name)]

    def _has_rows(self, found: Explanation, other: Explanation) -> bool:
        """Whether it can be told what follows the rows: not where an array became a flag, or its size a number."""
        arrays = [path for path, reading in found.assignment.readings.items() if reading.array]
        now = [other.assignment.readings[path] for path in arrays]
        meant = (NUMBER, NONE) if self.constants.tests_none else (NUMBER,)
        return not other.assignment.fixed and all(reading.array or reading in meant for reading in now)
