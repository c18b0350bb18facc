"""The search for contradictions: other arguments that explain the samples, and make another thing of an entry.

Parameters are given other types, arrays other sizes, also two at once. Of an option every value is tried on which the
model branches (`options`); one that it uses otherwise may have been anything, and then nothing is proven. Budgets are
numbers of runs, the same on every machine, and a search that does not finish proves nothing.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from inspect import Parameter
from typing import Any, NamedTuple

from ..model.call import abstract, is_array
from ..model.trace import NEEDS_VALUES
from ..model.values import contradiction
from .assignments import (
    COUNTS,
    CUBE,
    FALSE,
    FLAGS,
    INDEX,
    INT,
    MATRIX,
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
    Mismatch,
    Path,
    Reading,
    Samples,
    fixed,
)
from .constants import Constants
from .options import StandIn, all_values, is_stand_in, without_its_value

_MOST_RUNS = 800

_LARGE = 211  # rows, where no number is mentioned that could be a threshold
_MOST_ROWS = 2000  # of the numbers mentioned: a model may loop over its rows

_OTHER_VALUES_OF_DEFAULT = "other values than the default's"

# What a parameter may have been instead: of other dimensions, of another type.
_ANYTHING = (NUMBER, VECTOR, MATRIX, CUBE, INDEX, FLAGS, COUNTS, INT, NONE, TRUE, FALSE)

# Some draws of the named entries, given how many leading dimensions are chains and draws.
Draws = Callable[[int, Sequence[str]], Mapping[str, Any]]


def nothing_follows(*_):
    return False


class Ambiguous(Exception):
    """What speaks against an assignment that explains the samples."""


class _Change(NamedTuple):
    """One way in which the arguments of the fit may have been others. Two of one ``subject`` are no pair."""

    subject: Path  # a parameter, or an axis whose size is another
    reading: Reading | None  # None: the size is
    size: int = 0
    value: Any = None  # of an option that is read without it

    def apply(self, assignment: Assignment) -> Assignment:
        if self.reading is None:
            return replace(assignment, fixed={**assignment.fixed, self.subject: self.size})  # type: ignore[dict-item]
        return assignment.given(self.subject, self.reading)


class _Answer(NamedTuple):
    """What a run under other arguments tells."""

    failure: Exception | None
    asked: Mapping[Path, Sequence[Any]]  # what options were compared with
    proves: bool  # that other values of the options than those asked for do the same
    unlisted: bool  # whether an option was used in ways that show no values

    @property
    def explains(self) -> bool:
        return self.failure is None

    @classmethod
    def of(cls, failure: Exception | None, stand_ins: Mapping[Path, StandIn]) -> _Answer:
        asked = {path: list(s.asked.values()) for path, s in stand_ins.items() if s.asked}
        unlisted = any(s.unlisted for s in stand_ins.values())
        written = any(s.written for s in stand_ins.values())
        if failure is None:
            proves = not unlisted
        elif isinstance(failure, (TypeError, AttributeError, *NEEDS_VALUES)):
            proves = False
        else:  # a model that refuses what it does not know
            proves = bool(asked) and not unlisted and not (written and isinstance(failure, Mismatch))
        return cls(failure, asked, proves, unlisted)


class Proof:
    """That all which explains the samples makes the same of every entry."""

    def __init__(self, samples: Samples, parameters: Sequence[Parameter], constants: Constants, draws: Draws):
        self.samples, self.parameters, self.constants, self.draws = samples, parameters, constants, draws
        self.budget = Budget(_MOST_RUNS)
        self._seen: set[Any] = set()
        self._explored: set[Any] = set()
        self._answers: dict[Any, _Answer] = {}
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
        if self.constants.tests_types:
            raise Ambiguous("its code asks of what type something is")
        for name in self.samples.shapes:
            if found.structure.sites[name].kind != found.table.run.sites[name].kind:
                raise Ambiguous(f"whether {name!r} is {found.table.run.sites[name].kind} depends on sizes")
        self._check_rows(found)
        for assignment in found.assignment.patterns():
            if not found.assignment.is_finer(assignment):
                self._check(found, assignment)
        options = self._options(found)
        general = functools.reduce(lambda assignment, change: change.apply(assignment), options, found.assignment)
        changes = self._explore(found, general, options)
        for path, readings in self._alternatives(found):
            changes += self._vary(found, path, readings)
        changes += self._other_sizes(found)
        paths = {option.subject for option in options}
        for change in changes:
            explains = self._ask(found, change.apply(found.assignment)).explains
            if explains and options and change.subject not in paths:
                self._explore(found, change.apply(general), options)
        for one, other in itertools.combinations(changes, 2):
            sizes = one.reading is None or other.reading is None
            if one.subject != other.subject and (not sizes or paths & {one.subject, other.subject}):
                self._check(found, other.apply(one.apply(found.assignment)))

    # ---------------------------------------------------------------------------------------------- options

    def _options(self, found: Explanation) -> list[_Change]:
        """Each option, read as generally as it can be without its value."""
        readings = found.assignment.readings
        values = {(p.name,): p.default for p in self.parameters if p.default is not p.empty}
        values = {path: value for path, value in values.items() if path not in readings}
        values.update({path: reading.make() for path, reading in readings.items() if reading.is_fixed})
        options = []
        for path, value in values.items():
            if value is None or is_array(value):
                continue
            ways = [_Change(path, reading, value=value) for reading in without_its_value(value)]
            options.append(next((way for way in ways if self._is_general(found, way)), ways[0]))
        return options

    def _is_general(self, found: Explanation, option: _Change) -> bool:
        """Whether a run without the value of an option shows all that follows from it."""
        assignment = option.apply(found.assignment)
        if option.reading is not INT:
            return self._ask(found, assignment).proves
        other = self._explain(assignment)  # a size: the samples tell it
        if other is None or other.sizes.get(assignment.size_of((option.subject, 0))) != option.value:
            return False
        self.compare(found, other)
        return True

    def _explore(self, found: Explanation, general: Assignment, options: Sequence[_Change]) -> list[_Change]:
        """Check every value of an option on which the model branches: those are returned."""
        branches: dict[Any, _Change] = {}
        pending = [general]
        for option in options:
            values = all_values(option.value)
            pending += [_Change(option.subject, fixed(value)).apply(general) for value in values]
        while pending:
            tried = pending.pop()
            if tried.identity() in self._explored:
                continue
            self._explored.add(tried.identity())
            answer = self._ask(found, tried)
            asked = [_Change(path, fixed(value)) for path, values in answer.asked.items() for value in values]
            unread = [option for option in options if tried.readings[option.subject] is option.reading]
            if unread and not answer.proves:
                few = next((o for o in unread if all_values(o.value)), None)
                if few is None:
                    names = " or ".join(repr(o.subject[-1]) for o in unread)
                    raise Ambiguous(f"its code does more with {names} than to compare it, and it may have been another")
                asked += [_Change(few.subject, fixed(value)) for value in all_values(few.value)]
            branches.update({change[:2]: change for change in asked})
            pending += [change.apply(tried) for change in asked]
        return list(branches.values())

    def _ask(self, found: Explanation, assignment: Assignment) -> _Answer:
        """Check an assignment, and see what the model asked of its options."""
        identity = assignment.identity()
        if identity not in self._answers:
            values = {path: reading.make() for path, reading in assignment.readings.items() if reading.sizes == 0}
            stand_ins = {path: value for path, value in values.items() if is_stand_in(value)}
            for stand_in in stand_ins.values():
                stand_in.forget()
            self._check(found, assignment)
            self._answers[identity] = _Answer.of(self.samples.failure, stand_ins)
        return self._answers[identity]

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
        anything = [*_ANYTHING, *without_its_value("a string")]
        for path, reading in found.assignment.readings.items():
            values = (VALUES, *OTHER_VALUES) if reading in (VALUES, *OTHER_VALUES) else ()
            yield path, [NONE] if reading is OPTIONS else [*values, *anything]
        for path in found.optional:
            yield path, anything
        for parameter in self.parameters:
            path, default = (parameter.name,), parameter.default
            if path in found.assignment.readings or default is parameter.empty:
                continue
            if default is None:
                yield path, anything
            elif is_array(default):
                yield path, [Reading(_OTHER_VALUES_OF_DEFAULT, lambda default=default: abstract(default)), *_ANYTHING]
            elif callable(default):
                yield path, [NONE, *map(fixed, self.constants.functions)]
            else:
                yield path, [NONE, VECTOR, MATRIX]

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

    def _vary(self, found: Explanation, path: Path, readings: Sequence[Reading]) -> list[_Change]:
        """Check what a parameter may have been instead. Returns what of it is to be tried in pairs."""
        base = found.assignment.readings.get(path)
        pending = [*readings]
        if base is INT and found.assignment.size_of((path, 0)) not in found.sizes:
            pending += map(fixed, sorted({*range(-1, 5), *self._near(0), _LARGE}))
        tried = {} if base is None else {base.name: base}
        while pending:
            reading = pending.pop(0)
            if reading.name in tried:
                continue
            tried[reading.name] = reading
            answer = self._ask(found, found.assignment.given(path, reading))
            if reading.name == _OTHER_VALUES_OF_DEFAULT and isinstance(answer.failure, NEEDS_VALUES):
                raise Ambiguous(f"its code asks for the values of {path[0]}, which may have been others")
            pending += map(fixed, answer.asked.get(path, ()))
            if answer.unlisted:
                raise Ambiguous(f"its code looks something up in {path[-1]!r}, and what is not known")
        if base is not None and (base.array or base in (NUMBER, OPTIONS)):
            return [_Change(path, NONE)]
        if base is INT:
            return [_Change(path, reading) for reading in (NONE, fixed(-1), fixed(_LARGE))]
        asked = [reading for reading in tried.values() if reading.is_fixed and reading not in readings]
        return [_Change(path, reading) for reading in (VECTOR, NONE, TRUE, *asked) if reading is not base]

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
        arrays += [(p.name,) for p in self.parameters if is_array(p.default)]
        readings = other.assignment.readings
        now = [readings[path] for path in arrays if path in readings]
        meant = (NUMBER, NONE) if self.constants.tests_none else (NUMBER,)
        return not other.assignment.fixed and all(reading.array or reading in meant for reading in now)
