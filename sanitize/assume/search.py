"""Propose, run, compare: trials in the order of their cost, until the sites of one are the recorded entries."""

from __future__ import annotations

import functools
import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from inspect import Parameter

from ..model.call import Axis, lengths_of
from ..model.inspection import Inspection
from ..model.sizes import Size, Sizes
from ..model.trace import NEEDS_VALUES
from . import arguments as kinds
from .arguments import Extent, Lengths, Path, Reading, Trial
from .failures import HINTS, INDEXER, INTEGER, lengths_in, pairs_in, said
from .runs import Answer, Mismatch, NoSite, Runner, source

Costed = Iterator[tuple[float, Trial]]


@dataclass(frozen=True, eq=False)
class WithPrimes(Inspection):
    """Of a call whose sizes are primes: what a dimension follows is read off, in no run, and no two sizes coincide."""

    primes: Lengths = field(default_factory=dict)

    @functools.cached_property
    def sizes(self) -> Sizes:
        axes: dict[Extent | None, list[Axis]] = {}
        for axis in lengths_of(self.call):
            axes.setdefault(self._source(axis.length), []).append(axis)
        axes.pop(None, None)  # what no prime is part of
        sizes = {extent: Size(tuple(same)) for extent, same in axes.items()}
        follows = {extent: frozenset([size]) for extent, size in sizes.items()}
        nothing = frozenset[Size]()
        of = {}
        for name, site in self.run.sites.items():
            sources = map(self._source, site.shape or ())
            of[name] = tuple(follows.get(extent, nothing) for extent in sources)
        return Sizes(self.run.sites, of, {}, tuple(sizes.values()), frozenset(), nothing, 0)

    def _source(self, n: int) -> Extent | None:
        return source(n, self.primes)[0]


@dataclass(frozen=True, eq=False)
class Explanation:
    """A trial whose sites agree with every entry."""

    trial: Trial
    primes: Lengths
    sizes: Lengths  # read off the samples; the others are free
    with_primes: Inspection
    inspection: Inspection  # with the sizes of the fit
    answer: Answer

    def kind(self, name: str) -> str:
        return self.inspection.run.sites[name].kind


class Search:
    """Trials in the order of their cost; what a failure names is changed first."""

    def __init__(self, runner: Runner, parameters: Sequence[Parameter]):
        self.runner = runner
        self.parameters = {(p.name,): p for p in parameters}

    def order(self, path: Path) -> list[Reading]:
        """What an argument is tried as, the likeliest first."""
        return list(dict.fromkeys(kinds.likely(path, self.parameters.get(path))))

    def first(self) -> Trial:
        """The likeliest reading of each parameter that has to be given, or may be of another length."""
        readings = {}
        for path, parameter in self.parameters.items():
            if parameter.default is parameter.empty or type(parameter.default) in (type(None), bool, int):
                readings[path] = self.order(path)[0]
        return Trial(readings)

    def explanations(self, first: Trial, most_runs: int, only_ties: bool = False) -> Iterator[Explanation]:
        """What explains the samples, the likeliest first; with ``only_ties``, of the readings given."""
        heap = [(0.0, 0, first)]
        seen = {first}
        last = self.runner.runs + most_runs
        while heap and self.runner.runs < last:
            cost, _, trial = heapq.heappop(heap)
            found = self.explain(trial, draws=not only_ties)
            if isinstance(found, Explanation):
                yield found
                continue
            ways = self._other_lengths(trial, found.failure)
            if not only_ties:
                ways = itertools.chain(ways, self._other_readings(trial, found))
            for more, other in ways:
                if other not in seen:
                    seen.add(other)
                    heapq.heappush(heap, (cost + more, len(seen), other))

    def _other_lengths(self, trial: Trial, failure: Exception | None) -> Costed:
        """The two lengths that a failure names are one, or one is a number of the model's."""
        is_vague = isinstance(failure, (AssertionError, ValueError))
        ties = dict.fromkeys(filter(None, self._ties(trial, failure)))
        if is_vague and not ties:
            inner = [size for size in trial.sizes if size not in trial.leading]
            pairs = itertools.product(inner, self.runner.recorded_lengths)
            ties = dict.fromkeys(filter(None, (trial.with_tie(size, None, n) for size, n in pairs)))
        yield from zip((0.1, 0.3, 0.5, 0.7), ties)
        if is_vague or not ties:
            yield 0.4, trial.of_one_length()

    def _ties(self, trial: Trial, failure: Exception | None) -> Iterator[Trial | None]:
        if not isinstance(failure, NEEDS_VALUES):
            primes = self.runner.primes(trial)
            for pair in failure.pairs if isinstance(failure, Mismatch) else pairs_in(said(failure)):
                yield _tied(trial, primes, *pair)

    def _other_readings(self, trial: Trial, answer: Answer) -> Costed:
        failure = answer.failure
        text = said(failure)
        for path, needed in answer.asked.items():
            if needed:
                yield 0.0, trial.given(path, self.order(path)[0])
        guilty = _blamed(trial, self.runner.primes(trial), text)
        vectors = [path for path, reading in trial.readings.items() if reading is kinds.VECTOR]
        if INDEXER.is_given_by(failure) and not guilty.intersection(vectors):  # integers serve as numbers, too
            of_integers = trial
            for path in vectors:
                of_integers = of_integers.given(path, kinds.INDEX)
            yield 0.2, of_integers
        for path, reading in trial.readings.items():
            is_guilty = path in guilty or not guilty
            for hint in HINTS:
                if hint.is_given_by(failure) and reading in hint.may_be and (is_guilty or not hint.of_guilty):
                    yield 0.3, trial.given(path, hint.may_be[reading])
            if path in guilty and INTEGER.is_given_by(failure):
                yield 0.2, trial.given(path, kinds.INDEX)
                yield 0.2, trial.given(path, kinds.INT)
            order = self.order(path)
            if reading in order[:-1]:
                cost = 0.2 if len(order) == 2 and isinstance(failure, NoSite) else 0.7 if is_guilty else 1.5
                yield cost, trial.given(path, order[order.index(reading) + 1])

    def explain(self, trial: Trial, draws: bool) -> Explanation | Answer:
        """Whether a trial explains the samples, in two runs at most; else the answer that says why not."""
        given = {path: reading for path, reading in trial.readings.items() if reading is not kinds.NOT_GIVEN}
        trial = replace(trial, readings=given)
        runner = self.runner
        primes = runner.primes(trial)
        if len(primes) < len(trial.sizes):
            return Answer(None, Mismatch("too many sizes"))
        answer = runner.run(trial, primes, primes)
        if answer.run is None or answer.failure is not None:
            return answer
        sizes = runner.sizes(answer.run, answer.batch_ndims, primes)
        if sizes is None:
            return answer._replace(failure=Mismatch("the sizes contradict each other"))
        lengths = {**primes, **sizes}
        if trial.with_values:  # longer than they have levels
            longest = max(sizes.values(), default=1)
            for size in trial.sizes:
                if size in trial.leading and size not in sizes:
                    lengths[size] += primes[size] * (longest // primes[size])
        confirmed = runner.run(trial, lengths, draws=draws)
        if confirmed.run is None or confirmed.failure is not None:
            return confirmed
        inspection = Inspection(trial.call(runner.call, lengths), confirmed.run, trial.described(sizes))
        with_primes = WithPrimes(trial.call(runner.call, primes), answer.run, primes=primes)
        return Explanation(trial, primes, sizes, with_primes, inspection, answer)


def _tied(trial: Trial, primes: Lengths, n: int, m: int) -> Trial | None:
    """With the sizes of two lengths tied so that these are one."""
    one, times, more = source(n, primes)
    other, others, longer = source(m, primes)
    if one == other or 1 in (n, m):
        return None
    if one is None:
        return _tied(trial, primes, m, n)
    if other is not None:
        return trial.with_tie(one, other, longer - more) if times == others == 1 else None
    length, rest = divmod(m - more, times)
    return None if rest else trial.with_tie(one, None, length)


def _blamed(trial: Trial, primes: Lengths, text: str) -> set[Path]:
    """The arguments of which a failure names a length."""
    sizes = {source(n, primes)[0] for n in lengths_in(text)} - {None}
    return {extent[0] for extent in trial.extents if trial.size_of(extent) in sizes}
