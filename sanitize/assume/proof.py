"""Every argument is data, or a length, or it is asked for. Whatever else it may have been makes no difference."""

from __future__ import annotations

import dis
import functools
import itertools
import re
from collections.abc import Collection, Hashable
from typing import Any

import numpy as np
from numpyro.distributions.distribution import Distribution, validation_enabled

from ..containers import Container
from ..model.advice import function_of
from ..model.argument import abstract, is_array, is_integer
from ..model.checksums import contradiction
from ..model.inspection import Inspection
from ..model.jaxpr import reaching
from ..model.trace import ONE_RUN_AT_A_TIME
from . import arguments as kinds
from .arguments import Extent, Path, Reading, Trial, text_of
from .runs import Explanation
from .search import Search

_MOST_RUNS = 800
_LENGTHS = (1, 2, 3, 4, 5, 211)  # of an axis that the samples do not tell
_NUMBERS = (0, 1, 2, 3, 7, 211)  # for an int that they do not tell
_MOST_FLAGS = 3
_SWITCHES = (kinds.TRUE, kinds.FALSE)

# What else an argument may have been, by the kind of its reading.
_DATA = (*kinds.DATA, kinds.CUBE, kinds.NONE)
_OTHERS = {
    "fields": (),
    "array": _DATA,
    "values": (*kinds.OTHER_VALUES, *_DATA),
    "number": (*_DATA, kinds.LIST),
    "length": (kinds.NONE, kinds.VECTOR),
    "value": (kinds.NONE, kinds.VECTOR),
}


class Untold(Exception):
    """What the samples do not tell, and the entries in doubt, if it is only about these."""


class Proof:
    """The proof that no other explanation makes something else of the entries."""

    def __init__(self, search: Search, samples: Container, settled: Collection[str]):
        self.search = search
        self.samples = samples
        self.settled = settled
        self.entries = sorted(samples.shapes.keys() - set(settled))  # what is to be told
        self._recomputed: dict[Hashable, list[str]] = {}
        self._explained: dict[Trial, Explanation | None] = {}
        self._last_run = 0

    def contradiction(self, found: Explanation) -> str | None:
        """What speaks against the recorded deterministic entries being computed under these arguments."""
        call = found.inspection.call
        other = None
        if found.sizes.keys() < found.primes.keys():
            other_primes = {size: prime + 4 for size, prime in found.primes.items()}
            other = found.trial.call(call, {**other_primes, **found.sizes})
        draws = functools.partial(self.samples.some_draws, ndims=found.answer.batch_ndims)
        names = []
        for name in self.samples.shapes:
            if name not in self.settled or found.kind(name) == "latent":
                names.append(name)
        with ONE_RUN_AT_A_TIME, validation_enabled(False):
            return contradiction(call, found.inspection.run, draws, names, other, self._recomputed)

    def prove(self, found: Explanation) -> None:
        """Raise `Untold` unless each argument is told, and nothing else that it may have been makes a difference."""
        self._last_run = self.search.runs + _MOST_RUNS
        self._explained = {found.trial: found}
        self._check_sizes(found)
        self._check_arguments(found)
        self._check_readings(found)
        self._check_lengths(found)

    def _check_sizes(self, found: Explanation) -> None:
        """With primes for sizes each entry is the same: no two sizes of the fit coincide."""
        for name in self.entries:
            if name not in found.with_primes.run.sites:
                continue
            kind = found.with_primes.run.sites[name].kind
            if kind != found.kind(name):
                raise Untold(f"whether {name!r} is {found.kind(name)}, which depends on sizes", name)
            if kind == "latent" and _differ(name, found.inspection, found.with_primes):
                raise Untold(f"whether the latent {name!r} has one value for each row, since sizes coincide", name)

    def _check_arguments(self, found: Explanation) -> None:
        """Each is data or a length; flags, and data that may be left out, make no difference."""
        flags: list[Path] = []
        absent: list[tuple[Path, Reading]] = []
        for key in found.answer.asked:  # and not needed
            data = self._as_data(found, key, *kinds.DATA)
            if data is None:
                raise Untold(f"whether {text_of(key)} was there")
            absent.append((key, data))
        for path, reading in self._readings(found).items():
            untold = Untold(f"what {text_of(path)} was")
            if reading in _SWITCHES:
                flags.append(path)
            elif reading is kinds.NONE and (given := self._as_data(found, path, *kinds.DATA)):
                absent.append((path, given))
            elif self._is_read(path) and not self._is_told(found, path, reading):
                raise untold
            if len(flags) > _MOST_FLAGS:
                raise untold
        for values in itertools.product(_SWITCHES, repeat=len(flags)):
            trial = found.trial
            for path, reading in zip(flags, values):
                trial = trial.given(path, reading)
            self._compare(found, trial)
        for one, other in itertools.combinations(absent, 2):
            with_one = self._with(found.trial, found, *one)
            self._compare(found, self._with(with_one, found, *other))

    def _is_read(self, path: Path) -> bool:
        """Whether the code of the model mentions a parameter, or all of them. Without code to read, it may."""
        code = getattr(function_of(self.search.call.model), "__code__", None)
        if code is None or path[0] not in code.co_varnames:
            return True
        names = {path[0], "locals", "vars", "eval", "exec"}
        for instruction in dis.get_instructions(code):
            words = re.findall(r"\w+", instruction.argrepr)
            if not names.isdisjoint(words):
                return True
        return False

    def _readings(self, found: Explanation) -> dict[Path, Reading]:
        """What each argument was read as; what was not given has its default."""
        readings = {}
        for path, parameter in self.search.parameters.items():
            if parameter.default is not parameter.empty:
                readings[path] = kinds.of_default(parameter.default)
        return {**readings, **found.trial.readings}

    def _is_told(self, found: Explanation, path: Path, reading: Reading) -> bool:
        """Whether it is data that reach a site, or a length, or makes no difference."""
        if reading is kinds.NONE:
            return self._is_target(found, path) or self._moves_shapes(found, path)
        if path not in found.trial.readings:
            return self._is_no_matter(found, path, reading.make())
        lengths = found.trial.shape(path, found.sizes)
        if reading is kinds.INT:
            size = found.trial.size_of((path, 0))
            if lengths[0] is not None or size in found.trial.leading:
                return True
            is_number = self._as_data(found, path, kinds.NUMBER, kinds.WHOLE)
            return is_number is not None or self._moves_shapes(found, path)
        if reading.kind == "values":
            return lengths[1] is not None
        is_read_off = lengths.count(None) < len(lengths)
        return reading is kinds.FIELDS or is_read_off or _reaches(found, path)

    def _is_no_matter(self, found: Explanation, path: Path, default: Any) -> bool:
        """Whether it makes no difference that the fit may have had another value than the default."""
        if isinstance(default, Distribution):  # a function may have sites, and a prior has none
            return True
        numbers = default if isinstance(default, (tuple, list)) else [default]
        are_floats = all(isinstance(number, (float, np.floating)) for number in numbers)
        if are_floats or is_array(default):
            self._try(found, path, kinds.LIST)
            shape = abstract(np.asarray(default))
            other_values = Reading("other values", lambda: shape, 0, "number")
            return self._as_data(found, path, other_values) is not None
        if not is_integer(default):
            return False
        other = self._try(found, path, kinds.INT)
        if other is not None:
            is_as_long = other.trial.shape(path, other.sizes) == [default]
            if is_as_long or self._as_data(found, path, kinds.WHOLE) is not None:
                return True
        return self._moves_shapes(found, path)

    def _as_data(self, found: Explanation, path: Path, *readings: Reading) -> Reading | None:
        """The first of these readings under which it is data that reach a site; None: there is none."""
        for reading in readings:
            other = self._try(found, path, reading)
            if other is not None and _reaches(other, path):
                return reading
        return None

    def _is_target(self, found: Explanation, path: Path) -> bool:
        """Whether it makes latents observed if it is given, and all other entries keep their kind."""
        others = set(self.entries).difference(found.inspection.targets)
        for observation in found.inspection.observations:
            if observation.words == text_of(path) and observation.latents:
                sites = observation.run.sites
                return all(name in sites and sites[name].kind == found.kind(name) for name in others)
        return False

    def _moves_shapes(self, found: Explanation, path: Path) -> bool:
        """Whether a number is a length, but of nothing that is recorded."""
        seen = set()
        for n in _NUMBERS:
            other = self._try(found, path, kinds.value(n))
            if other is not None:
                sites = other.with_primes.run.sites.values()
                seen.add(tuple((site.name, site.shape) for site in sites))
        return len(seen) > 1

    def _check_readings(self, found: Explanation) -> None:
        """Try each argument as everything else that it may have been."""
        for path, reading in found.trial.readings.items():
            for other in _OTHERS[reading.kind]:
                self._try(found, path, other)

    def _check_lengths(self, found: Explanation) -> None:
        """Try arrays of other lengths."""
        trial = found.trial
        for size in trial.sizes:
            if size not in trial.of_arrays:
                continue
            lengths = (1,) if size in found.sizes else _LENGTHS
            for n in lengths:
                other = trial.with_tie(size, None, n)
                self._compare(found, other or trial)

    def _try(self, found: Explanation, path: Path, reading: Reading) -> Explanation | None:
        """What another reading of one argument explains, if it does: compared."""
        trial = self._with(found.trial, found, path, reading)
        return self._compare(found, trial)

    def _with(self, trial: Trial, found: Explanation, path: Path, reading: Reading) -> Trial:
        """Another reading of one argument; an array that is new has as many rows as what is predicted."""
        trial = trial.given(path, reading)
        first: Extent = (path, 0)
        if not reading.is_array or trial.size_of(first) != first:
            return trial
        axes = itertools.chain(*(size.axes for size in found.with_primes.rows))
        lengths = {axis.length for axis in axes}
        for size in trial.sizes:
            is_of_rows = size in found.trial.leading and found.primes[size] in lengths
            if is_of_rows and size[0] != path:
                return trial.with_tie(first, size, 0) or trial
        return trial

    def _compare(self, found: Explanation, trial: Trial) -> Explanation | None:
        """What a trial explains, if it does: compared."""
        if trial not in self._explained:
            if self.search.runs > self._last_run:
                raise Untold("what the arguments were: there is more to be tried than may be")
            other = next(self.search.explanations(trial, 6, only_ties=True), None)
            self._explained[trial] = other
            if other is not None:
                self.compare(found, other)
        return self._explained[trial]

    def compare(self, found: Explanation, other: Explanation) -> None:
        """Raise `Untold` if another explanation makes something else of an entry, and nothing refutes it."""
        differing = [name for name in self.entries if _explained_otherwise(name, found, other)]
        if not differing or other.inspection.lost(self.search.recorded):
            return
        # a computation refuted with a made-up number may be right with another number
        made_up = {reading.kind for reading in other.trial.readings.values()} & {"number", "value"}
        if made_up or self.contradiction(other) is None:
            one, two = found.kind(differing[0]), other.kind(differing[0])
            what = f"is {one} or {two}" if one != two else "has one value for each row"
            raise Untold(f"whether {differing[0]!r} {what}", *differing)


def _reaches(found: Explanation, path: Path) -> bool:
    return text_of(path) in reaching(found.inspection.call, found.inspection.run)


def _explained_otherwise(name: str, found: Explanation, other: Explanation) -> bool:
    if found.kind(name) != other.kind(name):
        return _is_stripped(name, found.inspection) != _is_stripped(name, other.inspection)
    if found.kind(name) != "latent" or not _comparable(found, other):
        return False
    return _differ(name, found.with_primes, other.with_primes)


def _comparable(found: Explanation, other: Explanation) -> bool:
    """Rows are not, where an array became a number, or is not given, or a size is given."""
    for path, reading in found.trial.readings.items():
        if reading.kind != "array":
            continue
        then = other.trial.readings.get(path, kinds.NONE)
        if not then.is_array or then.extents != reading.extents:
            return False
    return len(other.trial.sizes) >= len(found.trial.sizes)


def _differ(name: str, one: Inspection, other: Inspection) -> bool:
    """Whether a latent is kept, and has other dimensions of rows."""
    if one.row_dims.get(name) == other.row_dims.get(name):
        return False
    return not _is_stripped(name, one)


def _is_stripped(name: str, inspection: Inspection) -> bool:
    """Whether an entry goes whatever the rows are."""
    kind = inspection.run.sites[name].kind
    return kind in ("deterministic", "observed", "plate") or (kind == "latent" and name in inspection.targets)
