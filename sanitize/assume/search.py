"""Propose, run, compare: trials in the order of their cost, until the sites of one are the recorded entries."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from inspect import Parameter
from typing import Any

from numpyro.distributions.distribution import validation_enabled

from ..containers import Container
from ..model.call import Call
from ..model.inspection import Inspection
from ..model.sizes import numbered
from ..model.trace import NEEDS_VALUES, ONE_RUN_AT_A_TIME, Run, try_run
from . import arguments as kinds
from .arguments import Extent, Lengths, Path, Reading, Record, Trial
from .failures import HINTS, INDEXER, INTEGER, lengths_in, pairs_in, said
from .runs import (
    PRIMES,
    Answer,
    Explanation,
    Mismatch,
    Misshapen,
    NoSite,
    Watch,
    WithPrimes,
    is_made_of,
    observed_otherwise,
    shared_dims,
    sizes_in,
    source,
    strays,
)

Costed = Iterator[tuple[float, Trial]]


class Search:
    """Trials in the order of their cost; what a failure names is changed first."""

    def __init__(self, call: Call, parameters: Sequence[Parameter], samples: Container, settled: Collection[str]):
        self.call = call
        self.parameters = {(p.name,): p for p in parameters}
        self.shapes = samples.shapes
        self.recorded = frozenset(samples.shapes).union(settled)
        self.runs = 0
        arrays = [shape for shape in self.shapes.values() if shape is not None]
        told = samples.batch_ndims
        self.batch_ndims = shared_dims(arrays) if told is None else [told]
        most_ndims = max(self.batch_ndims)
        longer: dict[int, None] = {}
        for shape in arrays:
            longer.update(dict.fromkeys(n for n in shape[most_ndims:] if n > 1))
        self.recorded_lengths = [*itertools.islice(longer, 3), 1]
        of_loops = map(len, numbered(self.shapes).values())
        taken = set(of_loops).union(*arrays)
        self._primes = [prime for prime in PRIMES if not any(is_made_of(n, prime) for n in taken)]

    def order(self, path: Path) -> list[Reading]:
        """The readings to try for an argument, the likeliest first."""
        likely = kinds.likely(path, self.parameters.get(path))
        return list(dict.fromkeys(likely))

    def first(self) -> Trial:
        """The likeliest reading of each parameter that has to be given, or may be of another length."""
        readings = {}
        for path, parameter in self.parameters.items():
            default = parameter.default
            if default is parameter.empty or type(default) in (type(None), bool, int):
                readings[path] = self.order(path)[0]
        return Trial.of(readings)

    def explanations(self, first: Trial, most_runs: int, only_ties: bool = False) -> Iterator[Explanation]:
        """What explains the samples, the likeliest first; with ``only_ties``, of the readings given."""
        heap = [(0.0, 0, first)]
        seen = {first}
        last = self.runs + most_runs
        while heap and self.runs < last:
            cost, _, trial = heapq.heappop(heap)
            found = self.explain(trial, draws=not only_ties)
            if isinstance(found, Explanation):
                yield found
                ways = self._with_data(found)
            else:
                ways = self._other_lengths(trial, found.failure)
                if not only_ties:
                    ways = itertools.chain(ways, self._other_readings(trial, found))
            for more, other in ways:
                if other not in seen:
                    seen.add(other)
                    item = (cost + more, len(seen), other)
                    heapq.heappush(heap, item)

    def explain(self, trial: Trial, draws: bool) -> Explanation | Answer:
        """What a trial explains, in at most two runs; if it does not, the answer that says why."""
        given = dict(trial.readings)
        for path, reading in trial.readings.items():
            if reading is kinds.NOT_GIVEN:
                del given[path]
        trial = replace(trial, readings=given)
        primes = self._primes_of(trial)
        if len(primes) < len(trial.sizes):
            return Answer(None, Mismatch("too many sizes"))
        answer = self._run(trial, primes, primes)
        if answer.run is None or answer.failure:
            return answer
        lengths = {**primes, **answer.sizes}
        if trial.with_values:  # longer than they have levels
            longest = max(answer.sizes.values(), default=1)
            for size, prime in primes.items():
                if size in trial.leading and size not in answer.sizes:
                    lengths[size] += prime * (longest // prime)
        confirmed = self._run(trial, lengths, {}, draws)
        if confirmed.run is None or confirmed.failure:
            return confirmed
        with_primes = WithPrimes(trial.call(self.call, primes), answer.run, primes=primes)
        call, described = trial.call(self.call, lengths), trial.described(answer.sizes)
        inspection = Inspection(call, confirmed.run, described)
        return Explanation(trial, primes, answer, with_primes, inspection)

    def _primes_of(self, trial: Trial) -> dict[Extent, int]:
        """A prime for each size; fewer where there are too many sizes."""
        return dict(zip(trial.sizes, self._primes))

    def _run(self, trial: Trial, lengths: Lengths, primes: Lengths, draws: bool = False) -> Answer:
        """The sites with these lengths, of which some are primes."""
        self.runs += 1
        asked: dict[Path, bool] = {}
        watch = Watch(draws)

        def model(*args: Any, **kwargs: Any) -> None:
            given = {name: _asking(value, (name,), asked) for name, value in kwargs.items()}
            with watch:
                self.call.model(*args, **given)

        with ONE_RUN_AT_A_TIME, validation_enabled(False):  # made-up parameters of distributions need not be valid
            run = try_run(replace(trial.call(self.call, lengths), model=model))
        if watch.failure or run is None:
            return Answer(None, watch.failure or Mismatch("no run"), asked)
        try:
            return Answer(run, None, asked, *self._sizes(run, trial, asked, primes))
        except Mismatch as mismatch:
            return Answer(run, mismatch, asked)

    def _sizes(self, run: Run, trial: Trial, asked: Collection[Path], primes: Lengths) -> tuple[Lengths, int]:
        """The sizes in the fit, and how many dimensions are draws; `Mismatch` where the run does not explain it."""
        found = sizes_in(run, self.shapes, self.batch_ndims, primes)
        opened = {path[:-1] for path in [*trial.readings, *asked]}
        for path, reading in trial.readings.items():
            if reading is kinds.FIELDS and path not in opened:
                raise Mismatch("a dict that was asked for no key")
        missing = self.shapes.keys() - run.sites.keys()
        if primes:
            missing.difference_update(strays(run, self.shapes))
        if missing:
            raise NoSite("an entry is no site")
        for n, m in observed_otherwise(run):
            raise Mismatch(f"data of shape ({n},), and their distribution ({m},)")
        return found

    def _other_lengths(self, trial: Trial, failure: Exception | None) -> Costed:
        """The two lengths that a failure names are one, or one is a number of the model's."""
        is_vague = isinstance(failure, (AssertionError, ValueError))
        ties = dict.fromkeys(filter(None, self._ties(trial, failure)))
        if is_vague and not ties:
            inner = [size for size in trial.sizes if size not in trial.leading]
            pairs = itertools.product(inner, self.recorded_lengths)
            tied = [trial.with_tie(size, None, n) for size, n in pairs]
            ties = dict.fromkeys(filter(None, tied))
        yield from zip((0.1, 0.3, 0.5, 0.7), ties)
        if is_vague or not ties:
            yield 0.4, trial.of_one_length()

    def _with_data(self, found: Explanation) -> Costed:
        """Latents that have no entry were observed, if an argument can be their data."""
        unrecorded = found.inspection.unrecorded(self.recorded)
        if not unrecorded:
            return
        for seen in found.inspection.observations:
            if not seen.is_flag and not set(unrecorded).isdisjoint(seen.latents):
                yield 0.1, found.trial.given((seen.words,), kinds.VECTOR)

    def _ties(self, trial: Trial, failure: Exception | None) -> Iterator[Trial | None]:
        if not isinstance(failure, (*NEEDS_VALUES, Misshapen)):
            primes = self._primes_of(trial)
            for pair in pairs_in(said(failure)):
                yield _tied(trial, primes, *pair)

    def _other_readings(self, trial: Trial, answer: Answer) -> Costed:
        failure = answer.failure
        for path, needed in answer.asked.items():
            if needed:
                yield 0.0, trial.given(path, self.order(path)[0])
        primes = self._primes_of(trial)
        lengths = lengths_in(said(failure))
        named = {source(n, primes)[0] for n in lengths} - {None}
        guilty = {path for (path, _), (size, _) in trial.lengths.items() if size in named}
        vectors = [path for path, reading in trial.readings.items() if reading is kinds.VECTOR]
        if INDEXER.is_given_by(failure) and not guilty.intersection(vectors):  # integers serve as numbers, too
            of_integers = trial
            for path in vectors:
                of_integers = of_integers.given(path, kinds.INDEX)
            yield 0.2, of_integers
        for path, reading in trial.readings.items():
            is_guilty = path in guilty or not guilty
            for hint in HINTS:
                is_meant = reading in hint.may_be and (is_guilty or not hint.of_guilty)
                if is_meant and hint.is_given_by(failure):
                    yield 0.3, trial.given(path, hint.may_be[reading])
            if path in guilty and INTEGER.is_given_by(failure):
                yield 0.2, trial.given(path, kinds.INDEX)
                yield 0.2, trial.given(path, kinds.INT)
            order = self.order(path)
            if reading in order[:-1]:
                cost = 0.7 if is_guilty else 1.5
                if len(order) == 2 and isinstance(failure, NoSite):
                    cost = 0.2
                following = order.index(reading) + 1
                yield cost, trial.given(path, order[following])


def _asking(value: Any, path: Path, asked: dict[Path, bool]) -> Any:
    """A record that writes down what it is asked for, at any depth."""
    if not isinstance(value, Record):
        return value
    fields = {key: _asking(inner, (*path, key), asked) for key, inner in dict.items(value)}
    return Record(fields, path, asked)


def _tied(trial: Trial, primes: Lengths, n: int, m: int) -> Trial | None:
    """The trial with two sizes tied, so that these lengths become one."""
    one, times, more = source(n, primes)
    other, others, longer = source(m, primes)
    if one == other or 1 in (n, m):
        return None
    if one is None:
        return _tied(trial, primes, m, n)
    if other is not None:
        are_whole = times == others == 1
        return trial.with_tie(one, other, longer - more) if are_whole else None
    length, rest = divmod(m - more, times)
    return None if rest else trial.with_tie(one, None, length)
