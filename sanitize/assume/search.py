"""Propose, run, compare: trials in the order of their cost, until the sites of one are the recorded entries."""

from __future__ import annotations

import functools
import heapq
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import Parameter

from ..model.argument import is_array
from ..model.inspection import Inspection
from ..model.trace import NEEDS_VALUES, Run
from . import arguments as kinds
from .arguments import Axis, Lengths, Path, Reading, Trial
from .runs import Answer, Mismatch, Runner, blamed, said, source, ties


@dataclass(frozen=True, eq=False)
class Explanation:
    """A trial whose sites agree with every entry."""

    trial: Trial
    primes: Lengths
    sizes: Lengths  # read off the samples; the others are free
    structure: Run  # with primes for sizes
    inspection: Inspection  # with the sizes of the fit
    recorded: frozenset[str]
    answer: Answer

    def kind(self, name: str) -> str:
        return self.inspection.run.sites[name].kind

    def is_stripped(self, name: str) -> bool:
        """Whether an entry goes whatever the rows are."""
        kind = self.kind(name)
        return kind in ("deterministic", "observed", "plate") or (kind == "latent" and name in self.inspection.targets)

    @functools.cached_property
    def used(self) -> frozenset[str]:
        """The latents that something is computed or drawn from."""
        return self.inspection.drawn_from.union(*self.inspection.ancestors.values())

    @functools.cached_property
    def rows(self) -> frozenset[Axis | None]:
        """The sizes that what is predicted follows; those of arrays come before numbers."""
        run = self.inspection.run
        ends, observed = set(run.named("latent")) - self.used, set(run.named("observed"))
        # where no site is observed, a prediction may itself have an entry
        targets = observed | (ends - self.recorded if observed else ends)
        shapes = [shape for name, shape in self.structure.dist_shapes.items() if name in targets]
        moving = {source(n, self.primes)[0] for n in itertools.chain(*shapes)} - {None}
        numbers = {self.trial.size_of((path, 0)) for path, r in self.trial.readings.items() if r is kinds.INT}
        return frozenset(moving & self.trial.leading or moving & numbers)

    def row_dims(self, name: str) -> tuple[int, ...]:
        """As `Inspection.row_dims`, but read off the primes: no two sizes coincide, and it takes no run."""
        defaults = [p.default for p in self.inspection.call.parameters or () if (p.name,) not in self.trial.readings]
        if any(map(is_array, defaults)):  # rows of a length that is no prime
            return self.inspection.row_dims.get(name, ())
        shape = self.structure.sites[name].shape if name in self.structure.sites else None
        return tuple(i for i, n in enumerate(shape or ()) if source(n, self.primes)[0] in self.rows)

    @functools.cached_property
    def lacking(self) -> tuple[str, ...]:
        """Latents without an entry that something depends on: a fit records them."""
        run, unrecorded = self.inspection.run, self.used - self.recorded  # discrete ones are marginalized
        latents = [name for name in run.named("latent") if name in unrecorded and not run.sites[name].discrete]
        return tuple(name for name in latents if name not in self.inspection.targets)

    @functools.cached_property
    def lost(self) -> Mapping[str, tuple[str, ...]]:
        """Entries that would be recomputed from such latents."""
        computed = (n for n in sorted(self.recorded) if n in self.structure.sites and self.kind(n) == "deterministic")
        lost = {n: tuple(p for p in self.inspection.parents(n) if p in self.lacking) for n in computed}
        return {name: latents for name, latents in lost.items() if latents}


class Search:
    """Trials in the order of their cost; what a failure names is changed first."""

    def __init__(self, runner: Runner, parameters: Sequence[Parameter]):
        self.runner, self.parameters = runner, parameters

    def order(self, path: Path) -> list[Reading]:
        """What an argument is tried as, the likeliest first."""
        parameter = next((p for p in self.parameters if path == (p.name,)), None)
        return list(dict.fromkeys(kinds.likely(path, parameter)))

    def first(self) -> Trial:
        """The likeliest reading of each parameter that has to be given, or may be of another length."""
        searched = [p for p in self.parameters if p.default is p.empty or type(p.default) in (type(None), bool, int)]
        return Trial({(p.name,): self.order((p.name,))[0] for p in searched})

    def explanations(self, first: Trial, most_runs: int, only_ties: bool = False) -> Iterator[Explanation]:
        """What explains the samples, the likeliest first; with ``only_ties``, of the readings given."""
        heap, seen, runs = [(0.0, 0, first)], {first.identity}, self.runner.runs
        while heap and self.runner.runs - runs < most_runs:
            cost, _, trial = heapq.heappop(heap)
            found = self.explain(trial, drawn=not only_ties)
            if isinstance(found, Explanation):
                yield found
                continue
            assert found.failure is not None
            ways = self._other_lengths(trial, found.failure)
            for more, other in ways if only_ties else itertools.chain(ways, self._other_readings(trial, found)):
                if other.identity not in seen:
                    seen.add(other.identity)
                    heapq.heappush(heap, (cost + more, len(seen), other))

    def _other_lengths(self, trial: Trial, failure: Exception) -> Iterator[tuple[float, Trial]]:
        primes = self.runner.primes(trial)
        tied = ties(trial, primes, failure, self.runner.recorded_lengths)
        yield from ((0.1 + i / 5, way) for i, way in enumerate(tied))
        if not tied or isinstance(failure, (AssertionError, ValueError)):
            yield 0.4, trial.of_one_length()

    def _other_readings(self, trial: Trial, answer: Answer) -> Iterator[tuple[float, Trial]]:
        failure, text = answer.failure, said(answer.failure)
        yield from ((0.0, trial.given(path, self.order(path)[0])) for path, needed in answer.asked.items() if needed)
        guilty = blamed(trial, self.runner.primes(trial), text)
        vectors = [path for path, reading in trial.readings.items() if reading is kinds.VECTOR]
        if "Indexer" in text and not guilty & set(vectors):  # integers serve as numbers, too
            yield 0.2, functools.reduce(lambda t, path: t.given(path, kinds.INDEX), vectors, trial)
        asks_for_values = isinstance(failure, NEEDS_VALUES) and "integer type" not in text
        asks_for_more = isinstance(failure, IndexError) or re.search("einsum|subscript", text, re.IGNORECASE)
        for path, reading in trial.readings.items():
            is_guilty = path in guilty or not guilty
            if path in vectors and (isinstance(failure, AttributeError) or "string indexing" in text):
                yield 0.3, trial.given(path, kinds.FIELDS)
            if path in vectors and "bool" in text:
                yield 0.3, trial.given(path, kinds.FLAGS)
            if asks_for_more and reading in kinds.WITH_ONE_MORE_DIMENSION:
                yield 0.3, trial.given(path, kinds.WITH_ONE_MORE_DIMENSION[reading])
            if asks_for_values and is_guilty and reading in (kinds.INDEX, kinds.VECTOR):
                yield 0.3, trial.given(path, kinds.VALUES)
            if path in guilty and "integer" in text:
                yield from ((0.2, trial.given(path, other)) for other in (kinds.INDEX, kinds.INT))
            order = self.order(path)
            if reading in order[:-1]:
                cost = 0.2 if len(order) == 2 and "no site" in text else 0.7 if is_guilty else 1.5
                yield cost, trial.given(path, order[order.index(reading) + 1])

    def explain(self, trial: Trial, drawn: bool) -> Explanation | Answer:
        """Whether a trial explains the samples, in two runs at most; else the answer that says why not."""
        trial = replace(trial, readings={path: r for path, r in trial.readings.items() if r is not kinds.NOT_GIVEN})
        primes = self.runner.primes(trial)
        if len(primes) < len(trial.sizes):
            return Answer(None, Mismatch("too many sizes"))
        answer = self.runner.run(trial, primes, free=True)
        if answer.run is None or answer.failure is not None:
            return answer
        sizes = self.runner.sizes(answer.run, answer.batch_ndims, primes)
        if sizes is None:
            return answer._replace(failure=Mismatch("the sizes contradict each other"))
        lengths = {**primes, **sizes}
        if any(reading.kind == "values" for reading in trial.readings.values()):  # longer than they have levels
            longest = max(sizes.values(), default=1)
            lengths |= {s: primes[s] * (1 + longest // primes[s]) for s in trial.leading - sizes.keys()}
        confirmed = self.runner.run(trial, lengths, free=False, drawn=drawn)
        if confirmed.run is None or confirmed.failure is not None:
            return confirmed
        inspection = Inspection(trial.call(self.runner.call, lengths), confirmed.run, trial.described(sizes))
        return Explanation(trial, primes, sizes, answer.run, inspection, self.runner.recorded, answer)
