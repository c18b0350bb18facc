"""Every argument is data, or a length, or it is asked for; and whatever else it may have been makes no difference."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpyro.distributions.distribution import validation_enabled

from ..containers import Container
from ..model.call import abstract, is_array, is_integer
from ..model.trace import ONE_RUN_AT_A_TIME
from ..model.values import contradiction
from .readings import (
    COUNTS,
    CUBE,
    FALSE,
    FIELDS,
    FLAGS,
    INDEX,
    INT,
    LIST,
    MATRIX,
    NONE,
    NUMBER,
    OTHER_VALUES,
    TRUE,
    VECTOR,
    WHOLE,
    Path,
    Reading,
    value,
)
from .search import Explanation, Search
from .trials import Trial, text_of

_MOST_RUNS = 800
_LENGTHS = (1, 2, 3, 4, 5, 211)  # of an axis that the samples do not tell
_NUMBERS = (0, 1, 2, 3, 7, 211)  # for an int that they do not tell
_DATA = (VECTOR, INDEX, NUMBER, MATRIX, COUNTS, FLAGS)
_ANY_DATA = (NUMBER, VECTOR, MATRIX, INDEX, FLAGS, COUNTS, CUBE, NONE)


class Untold(Exception):
    """What the samples do not tell, and the entries in doubt, if it is only about these."""

    def __init__(self, what: str, entries: Sequence[str] = ()):
        super().__init__(what)
        self.entries = tuple(entries)


class Proof:
    """That an explanation is the only one, for what it makes of the entries."""

    def __init__(self, search: Search, samples: Container):
        self.search, self.samples = search, samples
        self._recomputed: dict[Hashable, list[str]] = {}
        self._last = search.runner.runs + _MOST_RUNS

    def contradiction(self, found: Explanation) -> str | None:
        """What speaks against the recorded deterministic entries being computed under these arguments."""

        def draws(names: Sequence[str]) -> dict[str, Any]:
            return self.samples.some_draws(names, found.batch_ndims)

        call, run, names = found.inspection.call, found.inspection.run, sorted(found.recorded)
        # a settled entry is as good as a latent: what is computed from it is, itself is not compared
        names = [name for name in names if name in found.entries or run.sites[name].kind == "latent"]
        with ONE_RUN_AT_A_TIME, validation_enabled(False):
            return contradiction(call, run, draws, names, found.elsewhere(), self._recomputed)

    def prove(self, found: Explanation) -> None:
        """Raise `Untold` unless each argument is told, and nothing else that it may have been makes a difference."""
        self._last = self.search.runner.runs + _MOST_RUNS
        self._sizes_make_no_difference(found)
        if found.optional:
            raise Untold(f"whether {text_of(found.optional[0])} was there")
        flags: list[Path] = []
        absent: list[tuple[Path, Reading]] = []
        for path, reading in found.trial.readings.items():
            if reading in (TRUE, FALSE):
                flags.append(path)
            elif reading is NONE:
                absent += self._left_out(found, path)
            elif reading is INT:
                self._is_told_length(found, path) or self._is_any_of(found, path, NUMBER, WHOLE) or self._moves_shapes(
                    found, path
                )
            elif not self._is_told_data(found, path, reading):
                _ask(path)
        for parameter in self.search.parameters:
            path, default = (parameter.name,), parameter.default
            if path in found.trial.readings or default is parameter.empty:
                continue
            if isinstance(default, (bool, np.bool_)):
                flags.append(path)
            elif default is None:
                absent += self._left_out(found, path)
            elif not self._is_told_default(found, path, default):
                _ask(path)
        self._flags_make_no_difference(found, flags)
        for one, other in itertools.combinations(absent, 2):
            self._compare(found, self._with(found, *other, self._with(found, *one)))
        self._readings_make_no_difference(found)

    # ------------------------------------------------------------------------------------------ what is told

    def _is_told_data(self, found: Explanation, path: Path, reading: Reading) -> bool:
        """What reaches a site is data, and so is what the samples tell a length of."""
        told = [found.size((path, i)) is not None for i in range(reading.sizes)]
        if reading.kind == "values":
            return told[1]
        return reading is FIELDS or (reading.kind != "value" and (text_of(path) in found.reached or any(told)))

    def _is_told_length(self, found: Explanation, path: Path) -> bool:
        return found.size((path, 0)) is not None or found.trial.size_of((path, 0)) in found.trial.leading

    def _is_told_default(self, found: Explanation, path: Path, default: Any) -> bool:
        """Whether it makes no difference that this default may not be what the fit had."""
        if is_array(default):
            return self._is_any_of(found, path, Reading("other values", lambda: abstract(default), 0, "number"))
        if isinstance(default, (float, np.floating)):
            self._compare(found, self._with(found, path, LIST))
            return self._is_any_of(found, path, NUMBER)
        if not is_integer(default):
            return False
        other = self._explained(found.trial.given(path, INT))
        if other is not None and other.size((path, 0)) == default:
            self.compare(found, other)
            return True
        is_data = other is not None and self._is_any_of(found, path, WHOLE)
        return is_data or self._moves_shapes(found, path)

    def _is_any_of(self, found: Explanation, path: Path, *readings: Reading) -> Reading | None:
        """As what it may be data that reaches a site, if it may."""
        for reading in readings:
            other = self._compare(found, self._with(found, path, reading))
            if other is not None and text_of(path) in other.reached:
                return reading
        return None

    def _moves_shapes(self, found: Explanation, path: Path) -> bool:
        """That a number is a length, though of nothing that is recorded. Else it is asked for."""
        others = [self._compare(found, found.trial.given(path, value(n))) for n in _NUMBERS]
        shapes = {tuple((n, s.shape) for n, s in other.structure.sites.items()) for other in others if other}
        if len(shapes) < 2:
            _ask(path)
        return True

    def _left_out(self, found: Explanation, path: Path) -> list[tuple[Path, Reading]]:
        """What is not given is a target, or data that may be left out, or a length; else it is asked for."""
        reading = self._is_any_of(found, path, *_DATA)
        if reading is None:
            self._moves_shapes(found, path)
        return [] if reading is None else [(path, reading)]

    # --------------------------------------------------------------------------- what may make no difference

    def _sizes_make_no_difference(self, found: Explanation) -> None:
        """With primes for sizes the kinds are those of the fit, and the rows those of `Inspection.row_dims`."""
        sites = found.inspection.run.sites
        for name in sorted(found.entries & found.structure.sites.keys()):
            if found.structure.sites[name].kind != sites[name].kind:
                raise Untold(f"whether {name!r} is {sites[name].kind}, which depends on sizes", [name])
        latents = [name for name in sorted(found.entries) if sites[name].kind == "latent" and sites[name].shape]
        for name in latents if found.primes else ():
            by_lengths = found.inspection.row_dims.get(name, ())
            if found.row_dims.get(name, ()) != by_lengths and not found.is_stripped(name):
                raise Untold(f"whether the latent {name!r} has one value for each row, since sizes coincide", [name])

    def _flags_make_no_difference(self, found: Explanation, flags: Sequence[Path]) -> None:
        if len(flags) > 3:
            _ask(flags[0])
        for values in itertools.product((TRUE, FALSE), repeat=len(flags)):
            self._compare(found, functools.reduce(lambda t, flag: t.given(*flag), zip(flags, values), found.trial))

    def _readings_make_no_difference(self, found: Explanation) -> None:
        """Each argument as all that it may have been besides, and arrays of other lengths."""
        for path, reading in found.trial.readings.items():
            others: Sequence[Reading] = (NONE, VECTOR)
            if reading is FIELDS:
                others = ()
            elif reading.is_array:
                others = (*(OTHER_VALUES if reading.kind == "values" else ()), *_ANY_DATA)
            elif reading.kind == "number":
                others = (*_ANY_DATA, LIST)
            for other in others:
                if other is not reading:
                    self._compare(found, self._with(found, path, other))
        of_arrays = {found.trial.size_of(a) for a in found.trial.axes if found.trial.readings[a[0]].is_array}
        for size in found.trial.sizes:
            if size in of_arrays:
                for n in (1,) if size in found.sizes else _LENGTHS:
                    self._compare(found, found.trial.tied(size, None, n))

    # ------------------------------------------------------------------------------------------ one comparison

    def _with(self, found: Explanation, path: Path, reading: Reading, trial: Trial | None = None) -> Trial:
        """Another reading of one argument; of an array that is new, as many rows as what is predicted has."""
        trial = (found.trial if trial is None else trial).given(path, reading)
        rows = [size for size in found.rows & found.trial.leading if size is not None and size[0] != path]
        if reading.is_array and rows and trial.size_of((path, 0)) == (path, 0):
            return trial.tied((path, 0), sorted(rows, key=repr)[0], 0) or trial
        return trial

    def _explained(self, trial: Trial) -> Explanation | None:
        if self.search.runner.runs > self._last:
            raise Untold("what the arguments were: there is more to be tried than may be")
        return next(self.search.explanations(trial, 6, only_ties=True), None)

    def _compare(self, found: Explanation, trial: Trial | None) -> Explanation | None:
        """What a trial explains, compared: raises `Untold` where it makes another thing of an entry."""
        other = None if trial is None else self._explained(trial)
        if other is not None:
            self.compare(found, other)
        return other

    def compare(self, found: Explanation, other: Explanation) -> None:
        """Raise `Untold` if another explanation makes another thing of an entry, and nothing refutes it."""
        differing = [name for name in sorted(found.entries) if _differs(name, found, other)]
        if not differing or other.lost:
            return
        # a computation refuted with a made-up number may be right with another number
        made_up = any(r.kind in ("number", "value") for r in other.trial.readings.values())
        if made_up or self.contradiction(other) is None:
            name = differing[0]
            raise Untold(f"whether {name!r} is {found.described(name)} or {other.described(name)}", differing)


def _differs(name: str, found: Explanation, other: Explanation) -> bool:
    if found.kind(name) != other.kind(name):
        return found.is_stripped(name) != other.is_stripped(name)
    if found.kind(name) != "latent" or not _rows_are_comparable(found, other):
        return False
    return found.row_dims.get(name) != other.row_dims.get(name) and not found.is_stripped(name)


def _rows_are_comparable(found: Explanation, other: Explanation) -> bool:
    """Not where an array became a number, or is not given, or a size is given."""
    for path, reading in found.trial.readings.items():
        if reading.kind == "array":
            now = other.trial.readings.get(path, NONE)
            if not now.is_array or now.sizes != reading.sizes:
                return False
    return len(other.trial.sizes) >= len(found.trial.sizes)


def _ask(path: Path) -> None:
    raise Untold(f"what {text_of(path)} was")
