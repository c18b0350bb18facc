"""Every argument is data, or a length, or it is asked for; and whatever else it may have been makes no difference."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Hashable
from typing import Any

import numpy as np
from numpyro.distributions.distribution import validation_enabled

from ..containers import Container
from ..model.argument import abstract, is_array, is_integer
from ..model.checksums import contradiction
from ..model.jaxpr import reaching
from ..model.trace import ONE_RUN_AT_A_TIME
from . import arguments as kinds
from .arguments import Path, Reading, Trial, text_of
from .search import Explanation, Search

_MOST_RUNS = 800
_LENGTHS = (1, 2, 3, 4, 5, 211)  # of an axis that the samples do not tell
_NUMBERS = (0, 1, 2, 3, 7, 211)  # for an int that they do not tell


class Untold(Exception):
    """What the samples do not tell, and the entries in doubt, if it is only about these."""


class Proof:
    """That an explanation is the only one, for what it makes of the entries."""

    def __init__(self, search: Search, samples: Container, settled: Collection[str]):
        self.search, self.samples, self.settled = search, samples, settled
        self.entries = sorted(samples.shapes.keys() - set(settled))  # what is to be told
        self._recomputed: dict[Hashable, list[str]] = {}

    def contradiction(self, found: Explanation) -> str | None:
        """What speaks against the recorded deterministic entries being computed under these arguments."""
        other = {size: found.sizes.get(size, prime + 4) for size, prime in found.primes.items()}
        others = [found.trial.call(found.inspection.call, other)] if found.sizes.keys() < found.primes.keys() else []
        draws = functools.partial(self.samples.some_draws, ndims=found.answer.batch_ndims)
        names = [n for n in self.samples.shapes if n not in self.settled or found.kind(n) == "latent"]
        with ONE_RUN_AT_A_TIME, validation_enabled(False):
            return contradiction(found.inspection.call, found.inspection.run, draws, names, others, self._recomputed)

    def prove(self, found: Explanation) -> None:
        """Raise `Untold` unless each argument is told, and nothing else that it may have been makes a difference."""
        self._last = self.search.runner.runs + _MOST_RUNS
        self._explained: dict[Hashable, Explanation | None] = {found.trial.identity: found}
        self._check_sizes(found)
        for key in found.answer.asked:  # and not needed
            raise Untold(f"whether {text_of(key)} was there")
        given = {path: None if r is kinds.NONE else r for path, r in found.trial.readings.items()}
        defaults = {(p.name,): p.default for p in self.search.parameters if p.default is not p.empty}
        flags, absent = [], []
        for path, what in {**defaults, **given}.items():
            if what in (kinds.TRUE, kinds.FALSE) if path in given else isinstance(what, (bool, np.bool_)):
                flags.append(path)
                told = len(flags) <= 3
            elif what is None:  # data that may be left out, a target among them, or a length
                reading = self._as_data(found, path, *kinds.DATA)
                absent += [(path, reading)] if reading else []
                told = bool(reading or self._is_target(found, path)) or self._moves_shapes(found, path)
            else:
                told = (self._is_told if path in given else self._is_no_matter)(found, path, what)
            if not told:
                raise Untold(f"what {text_of(path)} was")
        for values in itertools.product((kinds.TRUE, kinds.FALSE), repeat=len(flags)):
            self._compare(found, functools.reduce(lambda t, flag: t.given(*flag), zip(flags, values), found.trial))
        for one, other in itertools.combinations(absent, 2):
            self._compare(found, self._with(found, *other, self._with(found, *one)))
        self._check_readings(found)

    def _is_told(self, found: Explanation, path: Path, reading: Reading) -> bool:
        """Whether it is data, which reach a site, or a length."""
        told = [n is not None for n in found.trial.shape(path, found.sizes)]
        if reading is kinds.INT:
            is_length = told[0] or found.trial.size_of((path, 0)) in found.trial.leading
            is_number = is_length or self._as_data(found, path, kinds.NUMBER, kinds.WHOLE)
            return bool(is_number) or self._moves_shapes(found, path)
        if reading.kind in ("values", "value"):
            return told[-1:] == [True]
        reached = reaching(found.inspection.call, found.inspection.run)
        return reading is kinds.FIELDS or any(told) or text_of(path) in reached

    def _is_no_matter(self, found: Explanation, path: Path, default: Any) -> bool:
        """Whether it makes no difference that the fit may have had another value than the default."""
        if is_array(default) or isinstance(default, (float, np.floating)):
            other_values = Reading("other values", lambda: abstract(np.asarray(default)), 0, "number")
            self._compare(found, self._with(found, path, kinds.LIST))
            return self._as_data(found, path, other_values) is not None
        if not is_integer(default):
            return False
        other = self._compare(found, found.trial.given(path, kinds.INT))
        is_told = other and other.trial.shape(path, other.sizes) == [default]
        return bool(is_told or (other and self._as_data(found, path, kinds.WHOLE)) or self._moves_shapes(found, path))

    def _as_data(self, found: Explanation, path: Path, *readings: Reading) -> Reading | None:
        """As what it may be data that reaches a site, if it may."""
        for reading in readings:
            other = self._compare(found, self._with(found, path, reading))
            if other is not None and text_of(path) in reaching(other.inspection.call, other.inspection.run):
                return reading
        return None

    def _is_target(self, found: Explanation, path: Path) -> bool:
        """Whether, given, it makes latents observed, and every entry that is no target stays of its kind."""
        seen = next((o for o in found.inspection.observations if o.words == text_of(path) and o.latents), None)
        same = {n for n in self.entries if seen and n in seen.run.sites and seen.run.sites[n].kind == found.kind(n)}
        return seen is not None and found.inspection.targets.union(same).issuperset(self.entries)

    def _moves_shapes(self, found: Explanation, path: Path) -> bool:
        """Whether a number is a length, though of nothing that is recorded."""
        others = [self._compare(found, found.trial.given(path, kinds.value(n))) for n in _NUMBERS]
        return len({tuple((n, s.shape) for n, s in other.structure.sites.items()) for other in others if other}) > 1

    def _check_sizes(self, found: Explanation) -> None:
        """With primes for sizes the kinds are those of the fit, and the rows those of `Inspection.row_dims`."""
        for name in self.entries:
            site, with_primes = found.inspection.run.sites[name], found.structure.sites.get(name)
            if with_primes and with_primes.kind != site.kind:
                raise Untold(f"whether {name!r} is {site.kind}, which depends on sizes", name)
            is_kept = found.primes and site.kind == "latent" and site.shape and not found.is_stripped(name)
            if is_kept and found.row_dims(name) != found.inspection.row_dims.get(name, ()):
                raise Untold(f"whether the latent {name!r} has one value for each row, since sizes coincide", name)

    def _check_readings(self, found: Explanation) -> None:
        """Each argument as all that it may have been besides, and arrays of other lengths."""
        data = (*kinds.DATA, kinds.CUBE, kinds.NONE)
        others = {"fields": (), "values": (*kinds.OTHER_VALUES, *data), "array": data, "number": (*data, kinds.LIST)}
        for path, reading in found.trial.readings.items():
            for other in others.get(reading.kind, (kinds.NONE, kinds.VECTOR)):
                self._compare(found, self._with(found, path, other))
        of_arrays = {found.trial.size_of(axis) for axis in found.trial.axes if found.trial.readings[axis[0]].is_array}
        for size in (size for size in found.trial.sizes if size in of_arrays):
            for n in (1,) if size in found.sizes else _LENGTHS:
                self._compare(found, found.trial.tied(size, None, n) or found.trial)

    def _with(self, found: Explanation, path: Path, reading: Reading, trial: Trial | None = None) -> Trial:
        """Another reading of one argument; an array that is new has as many rows as what is predicted."""
        trial = (trial or found.trial).given(path, reading)
        rows = [size for size in trial.sizes if size in found.rows & found.trial.leading and size[0] != path]
        if reading.is_array and rows and trial.size_of((path, 0)) == (path, 0):
            return trial.tied((path, 0), rows[0], 0) or trial
        return trial

    def _compare(self, found: Explanation, trial: Trial) -> Explanation | None:
        """What a trial explains, if it does: compared."""
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
            one, two = found.kind(differing[0]), other.kind(differing[0])
            what = f"is {one} or {two}" if one != two else "has one value for each row"
            raise Untold(f"whether {differing[0]!r} {what}", *differing)


def _differs(name: str, found: Explanation, other: Explanation) -> bool:
    if found.kind(name) != other.kind(name):
        return found.is_stripped(name) != other.is_stripped(name)
    if found.kind(name) != "latent" or found.row_dims(name) == other.row_dims(name):
        return False
    # rows cannot be compared where an array became a number, or is not given, or a size is given
    arrays = {path: reading.sizes for path, reading in found.trial.readings.items() if reading.kind == "array"}
    others = {path: reading.sizes for path, reading in other.trial.readings.items() if reading.is_array}
    comparable = arrays.items() <= others.items()
    return comparable and len(other.trial.sizes) >= len(found.trial.sizes) and not found.is_stripped(name)
