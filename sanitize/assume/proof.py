"""Every argument is data, or a length, or it is asked for; and whatever else it may have been makes no difference."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Hashable
from typing import Any

import numpy as np
from numpyro.distributions.distribution import validation_enabled

from ..containers import Container
from ..model.call import abstract, is_array, is_integer
from ..model.jaxpr import reaching
from ..model.trace import ONE_RUN_AT_A_TIME
from ..model.values import contradiction
from . import readings as kinds
from .readings import Path, Reading
from .runs import source
from .search import Explanation, Search
from .trials import Trial, text_of

_MOST_RUNS = 800
_LENGTHS = (1, 2, 3, 4, 5, 211)  # of an axis that the samples do not tell
_NUMBERS = (0, 1, 2, 3, 7, 211)  # for an int that they do not tell


class Untold(Exception):
    """What the samples do not tell, and the entries in doubt, if it is only about these."""

    def __init__(self, what: str, *entries: str):
        super().__init__(what)
        self.entries = entries


class Proof:
    """That an explanation is the only one, for what it makes of the entries."""

    def __init__(self, search: Search, samples: Container, settled: Collection[str]):
        self.search, self.samples, self.settled = search, samples, settled
        self.entries = sorted(samples.shapes.keys() - set(settled))  # what is to be told
        self._last = search.runner.runs + _MOST_RUNS
        self._recomputed: dict[Hashable, list[str]] = {}
        self._explained: dict[Hashable, Explanation | None] = {}

    def contradiction(self, found: Explanation) -> str | None:
        """What speaks against the recorded deterministic entries being computed under these arguments."""
        call, run = found.inspection.call, found.inspection.run
        other = {size: found.sizes.get(size, prime + 4) for size, prime in found.primes.items()}
        others = [found.trial.call(call, other)] if found.sizes.keys() < found.primes.keys() else []
        draws = functools.partial(self.samples.some_draws, ndims=found.answer.batch_ndims)
        names = [n for n in self.samples.shapes if n not in self.settled or found.kind(n) == "latent"]
        with ONE_RUN_AT_A_TIME, validation_enabled(False):
            return contradiction(call, run, draws, names, others, self._recomputed)

    def prove(self, found: Explanation) -> None:
        """Raise `Untold` unless each argument is told, and nothing else that it may have been makes a difference."""
        self._last = self.search.runner.runs + _MOST_RUNS
        self._explained = {found.trial.identity: found}
        self._check_sizes(found)
        for key in found.answer.asked:  # and not needed
            raise Untold(f"whether {text_of(key)} was there")
        given = {path: None if r is kinds.NONE else r for path, r in found.trial.readings.items()}
        defaults = {(p.name,): p.default for p in self.search.parameters if p.default is not p.empty}
        flags, absent = [], []
        for path, what in {**defaults, **given}.items():
            if what in (kinds.TRUE, kinds.FALSE) if path in given else isinstance(what, (bool, np.bool_)):
                flags.append(path)
            elif what is None:
                absent += self._left_out(found, path)
            elif not (self._is_told if path in given else self._is_no_matter)(found, path, what):
                raise Untold(f"what {text_of(path)} was")
        if len(flags) > 3:
            raise Untold(f"what {text_of(flags[0])} was")
        for values in itertools.product((kinds.TRUE, kinds.FALSE), repeat=len(flags)):
            self._compare(found, functools.reduce(lambda t, flag: t.given(*flag), zip(flags, values), found.trial))
        for one, other in itertools.combinations(absent, 2):
            self._compare(found, self._with(found, *other, self._with(found, *one)))
        self._check_readings(found)

    def _is_told(self, found: Explanation, path: Path, reading: Reading) -> bool:
        """Whether it is data, which reach a site, or a length."""
        told = [found.length((path, i)) is not None for i in range(reading.sizes)]
        if reading is kinds.INT:
            of_array = found.trial.size_of((path, 0)) in found.trial.leading
            is_number = told[0] or of_array or self._as_data(found, path, kinds.NUMBER, kinds.WHOLE)
            return bool(is_number) or self._moves_shapes(found, path)
        if reading.kind in ("values", "value"):
            return told[-1:] == [True]
        return reading is kinds.FIELDS or any(told) or self._reaches(found, path)

    def _is_no_matter(self, found: Explanation, path: Path, default: Any) -> bool:
        """Whether it makes no difference that the fit may have had another value than the default."""
        if is_array(default) or isinstance(default, (float, np.floating)):
            other_values = Reading("other values", lambda: abstract(np.asarray(default)), 0, "number")
            self._compare(found, self._with(found, path, kinds.LIST))
            return self._as_data(found, path, other_values) is not None
        if not is_integer(default):
            return False
        other = self._compare(found, found.trial.given(path, kinds.INT))
        if other is not None and other.length((path, 0)) == default:
            return True
        return bool(other and self._as_data(found, path, kinds.WHOLE)) or self._moves_shapes(found, path)

    def _left_out(self, found: Explanation, path: Path) -> list[tuple[Path, Reading]]:
        """What is not given is data that may be left out, a target among them, or a length; else it is asked for."""
        if reading := self._as_data(found, path, *kinds.DATA):
            return [(path, reading)]
        predicted = max(found.predicted, key=len, default=())
        as_target = self._with(found, path, kinds.CUBE if len(predicted) > 2 else kinds.MATRIX)
        for i, n in enumerate(predicted[:3]):
            size, times, more = source(n, found.primes)
            as_target = as_target.tied((path, i), *((size, more) if times == 1 else (None, n))) or as_target
        target = self._compare(found, as_target)
        if not (target and self._reaches(target, path)) and not self._moves_shapes(found, path):
            raise Untold(f"what {text_of(path)} was")
        return []

    def _as_data(self, found: Explanation, path: Path, *readings: Reading) -> Reading | None:
        """As what it may be data that reaches a site, if it may."""
        for reading in readings:
            other = self._compare(found, self._with(found, path, reading))
            if other is not None and self._reaches(other, path):
                return reading
        return None

    def _reaches(self, found: Explanation, path: Path) -> bool:
        return text_of(path) in reaching(found.inspection.call, found.inspection.run)

    def _moves_shapes(self, found: Explanation, path: Path) -> bool:
        """Whether a number is a length, though of nothing that is recorded."""
        others = [self._compare(found, found.trial.given(path, kinds.value(n))) for n in _NUMBERS]
        return len({tuple((n, s.shape) for n, s in other.structure.sites.items()) for other in others if other}) > 1

    def _check_sizes(self, found: Explanation) -> None:
        """With primes for sizes the kinds are those of the fit, and the rows those of `Inspection.row_dims`."""
        sites = found.inspection.run.sites
        for name in self.entries:
            if name in found.structure.sites and found.structure.sites[name].kind != found.kind(name):
                raise Untold(f"whether {name!r} is {found.kind(name)}, which depends on sizes", name)
            if found.primes and found.kind(name) == "latent" and sites[name].shape:
                same = found.row_dims.get(name) == found.inspection.row_dims.get(name)
                if not (same or found.is_stripped(name)):
                    raise Untold(f"whether the latent {name!r} has one value for each row, since sizes coincide", name)

    def _check_readings(self, found: Explanation) -> None:
        """Each argument as all that it may have been besides, and arrays of other lengths."""
        data = (*kinds.DATA, kinds.CUBE, kinds.NONE)
        others = {"fields": (), "values": (*kinds.OTHER_VALUES, *data), "array": data, "number": (*data, kinds.LIST)}
        for path, reading in found.trial.readings.items():
            for other in others.get(reading.kind, (kinds.NONE, kinds.VECTOR)):
                self._compare(found, self._with(found, path, other))
        arrays = [axis for axis in found.trial.axes if found.trial.readings[axis[0]].is_array]
        for size in found.trial.sizes:
            if size in map(found.trial.size_of, arrays):
                for n in (1,) if size in found.sizes else _LENGTHS:
                    self._compare(found, found.trial.tied(size, None, n))

    def _with(self, found: Explanation, path: Path, reading: Reading, trial: Trial | None = None) -> Trial:
        """Another reading of one argument; an array that is new has as many rows as what is predicted."""
        trial = (trial or found.trial).given(path, reading)
        rows = [size for size in trial.sizes if size in found.rows & found.trial.leading and size[0] != path]
        if reading.is_array and rows and trial.size_of((path, 0)) == (path, 0):
            return trial.tied((path, 0), rows[0], 0) or trial
        return trial

    def _compare(self, found: Explanation, trial: Trial | None) -> Explanation | None:
        """What a trial explains, if it does: compared."""
        if trial is None:
            return None
        if trial.identity not in self._explained:
            if self.search.runner.runs > self._last:
                raise Untold("what the arguments were: there is more to be tried than may be")
            other = next(self.search.explanations(trial, 6, only_ties=True), None)
            self._explained[trial.identity] = other
            if other is not None:
                self.compare(found, other)
        return self._explained[trial.identity]

    def compare(self, found: Explanation, other: Explanation) -> None:
        """Raise `Untold` if another explanation makes another thing of an entry, and nothing refutes it."""
        differing = [name for name in self.entries if _differs(name, found, other)]
        # a computation refuted with a made-up number may be right with another number
        made_up = any(r.kind in ("number", "value") for r in other.trial.readings.values())
        if differing and not other.lost and (made_up or self.contradiction(other) is None):
            one, two = (_described(differing[0], explanation) for explanation in (found, other))
            raise Untold(f"whether {differing[0]!r} is {one} or {two}", *differing)


def _described(name: str, found: Explanation) -> str:
    follows_rows = found.kind(name) == "latent" and found.row_dims.get(name)
    return "latent (one value for each row)" if follows_rows else found.kind(name)


def _differs(name: str, found: Explanation, other: Explanation) -> bool:
    if found.kind(name) != other.kind(name):
        return found.is_stripped(name) != other.is_stripped(name)
    if found.kind(name) != "latent" or found.row_dims.get(name) == other.row_dims.get(name):
        return False
    # rows cannot be compared where an array became a number, or is not given, or a size is given
    arrays = {path: reading for path, reading in found.trial.readings.items() if reading.kind == "array"}
    now = {path: other.trial.readings.get(path, kinds.NONE) for path in arrays}
    comparable = all(r.is_array and r.sizes == arrays[path].sizes for path, r in now.items())
    return comparable and len(other.trial.sizes) >= len(found.trial.sizes) and not found.is_stripped(name)
