"""Propose, run, compare: trials in the order of their cost, until the sites of one are the recorded entries."""

from __future__ import annotations

import functools
import heapq
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import Parameter

import jax

from ..model.call import Call, is_array
from ..model.inspection import Inspection
from ..model.jaxpr import reaching
from ..model.trace import NEEDS_VALUES, Run
from .readings import (
    COUNTS,
    CUBE,
    FALSE,
    FIELDS,
    FLAGS,
    INDEX,
    INT,
    MATRIX,
    NONE,
    NOT_GIVEN,
    NUMBER,
    TRUE,
    VALUES,
    VECTOR,
    Axis,
    Path,
    Reading,
)
from .runs import Answer, Lengths, Mismatch, Runner, blamed, said, source, ties
from .trials import Trial, text_of


@dataclass(frozen=True, eq=False)
class Explanation:
    """A trial whose sites agree with every entry."""

    trial: Trial
    primes: Lengths
    sizes: Lengths  # read off the samples; the others are free
    structure: Run  # with primes for sizes
    inspection: Inspection  # with the sizes of the fit
    recorded: frozenset[str]
    settled: frozenset[str]  # entries that the user has settled
    batch_ndims: int
    optional: tuple[Path, ...]  # keys that were asked for, and need not be there

    @property
    def entries(self) -> frozenset[str]:
        """What is to be told."""
        return self.recorded - self.settled

    def kind(self, name: str) -> str:
        return self.inspection.run.sites[name].kind

    def described(self, name: str) -> str:
        return "latent, one for each row" if self.follows_rows(name) else self.kind(name)

    def follows_rows(self, name: str) -> bool:
        return self.kind(name) == "latent" and bool(self.row_dims.get(name))

    def is_stripped(self, name: str) -> bool:
        """Whether an entry goes whatever the rows are."""
        kind = self.kind(name)
        return kind in ("deterministic", "observed", "plate") or (kind == "latent" and self.is_observable(name))

    def is_observable(self, name: str) -> bool:
        return name in self.inspection.observable

    @functools.cached_property
    def moved(self) -> Mapping[str, tuple[Axis | None, ...]]:
        """The size that each dimension of each site is made of."""
        sites = self.structure.sites.items()
        return {name: tuple(source(n, self.primes)[0] for n in site.shape or ()) for name, site in sites}

    @functools.cached_property
    def used(self) -> frozenset[str]:
        """The latents that something is computed or drawn from."""
        return self.inspection.drawn_from.union(*self.inspection.ancestors.values())

    @functools.cached_property
    def rows(self) -> frozenset[Axis | None]:
        """The sizes that what is predicted follows; those of arrays come before numbers."""
        run = self.inspection.run
        ends = set(run.named("latent")) - self.used
        observed = set(run.named("observed"))
        # where no site is observed, a prediction may itself have an entry
        targets = observed | (ends - self.recorded if observed else ends)
        shapes = (self.structure.dist_shapes.get(name, ()) for name in targets)
        moving = {source(n, self.primes)[0] for shape in shapes for n in shape} - {None}
        numbers = {self.trial.size_of((path, 0)) for path, r in self.trial.readings.items() if r is INT}
        return frozenset(moving & self.trial.leading or moving & numbers)

    @functools.cached_property
    def row_dims(self) -> Mapping[str, tuple[int, ...]]:
        """As `Inspection.row_dims`, but told by the primes."""
        defaults = [p.default for p in self.inspection.call.parameters or () if (p.name,) not in self.trial.readings]
        if any(map(is_array, defaults)):  # rows of a length that is no prime
            return {name: self.inspection.row_dims.get(name, ()) for name in self.inspection.run.sites}
        return {name: tuple(i for i, size in enumerate(s) if size in self.rows) for name, s in self.moved.items()}

    def size(self, axis: Axis) -> int | None:
        """How long an axis was in the fit, if the samples tell."""
        size, more = self.trial.made_of(axis)
        return more if size is None else self.sizes[size] + more if size in self.sizes else None

    @functools.cached_property
    def reached(self) -> Collection[str]:
        """The arguments that reach a site. One that the model has the values of may have."""
        call = self.inspection.call
        reached = reaching(self.inspection.run)
        traced = {i: place for place, i in enumerate(call.traced)}
        return {name for i, name in enumerate(call.names) if i not in traced or traced[i] in reached}

    @functools.cached_property
    def lost(self) -> Mapping[str, tuple[str, ...]]:
        """Entries that would be recomputed from latents without an entry."""
        sites = self.inspection.run.sites
        lost = {}
        for name in sorted(self.entries):
            absent = self._absent(self.inspection.parents(name) if sites[name].kind == "deterministic" else ())
            if absent:
                lost[name] = absent
        return lost

    @functools.cached_property
    def lacking(self) -> tuple[str, ...]:
        """Latents without an entry that others depend on: a fit records them."""
        return self._absent(name for name in self.inspection.run.named("latent") if name in self.used)

    def _absent(self, latents: Iterable[str]) -> tuple[str, ...]:
        sites = self.inspection.run.sites
        absent = [name for name in latents if name not in self.recorded | self.settled and not sites[name].discrete]
        return tuple(name for name in absent if not self.is_observable(name))

    def elsewhere(self) -> list[Call]:
        """The call with other lengths where the samples tell none."""
        other = {size: self.sizes.get(size, prime + 4) for size, prime in self.primes.items()}
        return [self.trial.call(self.inspection.call, other)] if self.sizes.keys() < self.primes.keys() else []


def assumptions(trial: Trial, sizes: Lengths) -> tuple[str, ...]:
    """``X: float32[1000, 3]`` for each argument, with a question mark for a length that the samples do not tell."""

    def length(axis: Axis) -> str:
        size, more = trial.made_of(axis)
        return str(more) if size is None else str(sizes[size] + more) if size in sizes else "?"

    def text(path: Path, reading: Reading) -> str:
        lengths = [length((path, i)) for i in range(reading.sizes)]
        if reading is INT:
            return "some int" if lengths == ["?"] else lengths[0]
        if reading.kind == "value":
            return reading.name
        dtype = jax.dtypes.canonicalize_dtype(reading.make(*(1 for _ in lengths)).dtype)
        if reading.kind == "values":
            return f"{dtype}[{lengths[0]}] of {lengths[1].replace('?', 'some')} values"
        return f"{dtype}[{', '.join(lengths)}]"

    return tuple(f"{text_of(path)}: {text(path, r)}" for path, r in trial.readings.items() if r is not FIELDS)


# What names suggest, for the order of the trials only.
_DATA = "data|dataset|batch|d"
_SUGGESTIONS: tuple[tuple[str, tuple[Reading, ...]], ...] = (
    (r"y|Y|y_\w+|obs|labels?|outcomes?|targets?", (VECTOR, NONE)),
    (r"X(_\w+)?|Z|design\w*|features|covariates|basis|\w*matrix|\w*history", (MATRIX,)),
    (r"n|k|steps|future|degree|order|horizon|length|[A-W]|[DN]_[A-Z]", (INT,)),
    (r"(n|num|len|dim|size)_\w+|\w+_(dim|size|num)", (INT,)),
    (r"\w*(idx|index|code|group|county|subject|actor|block|student|item|player|team|region|label|id)s?", (INDEX,)),
    (r"(is|use|has|with|include|do)_\w+|\w*cent(e)?red|flag", (TRUE,)),
    (rf"hyper\w*|config|cfg|options|opts|params|settings|args|{_DATA}", (FIELDS,)),
)
_ANNOTATIONS = {"int": INT, "bool": TRUE, "float": NUMBER, "dict": FIELDS}
_USUAL = (VECTOR, MATRIX, INDEX, INT, NUMBER, NONE, TRUE, FALSE, FIELDS, FLAGS, COUNTS, CUBE)
_WITH_ONE_MORE_DIMENSION = {VECTOR: MATRIX, MATRIX: CUBE, INDEX: COUNTS}


class Search:
    """Trials in the order of their cost; what a failure names is changed first."""

    def __init__(self, runner: Runner, parameters: Sequence[Parameter], settled: Collection[str]):
        self.runner, self.parameters, self.settled = runner, parameters, frozenset(settled)
        self._orders: dict[Path, list[Reading]] = {}

    def first(self) -> Trial:
        """The likeliest reading of each parameter that has to be given, or may be of another length."""
        searched = [p for p in self.parameters if p.default in (p.empty, None) or type(p.default) is int]
        return Trial({(p.name,): self.order((p.name,))[0] for p in searched})

    def explanations(self, first: Trial, most_runs: int, only_ties: bool = False) -> Iterator[Explanation]:
        """What explains the samples, the likeliest first; with ``only_ties``, of the readings given."""
        heap: list[tuple[float, int, Trial]] = [(0.0, 0, first)]
        seen, runs = {first.identity}, self.runner.runs
        while heap and self.runner.runs - runs < most_runs:
            cost, _, trial = heapq.heappop(heap)
            found = self.explain(trial)
            if isinstance(found, Explanation):
                yield found
                continue
            assert found.failure is not None
            ways = self._other_lengths(trial, found.failure)
            for more, other in ways if only_ties else itertools.chain(ways, self._other_readings(trial, found)):
                if other is not None and other.identity not in seen:
                    seen.add(other.identity)
                    heapq.heappush(heap, (cost + more, len(seen), other))

    def _other_lengths(self, trial: Trial, failure: Exception) -> Iterator[tuple[float, Trial | None]]:
        primes = self.runner.primes(_given(trial))
        tied = list(itertools.islice(ties(trial, primes, failure, self.runner.recorded_lengths), 4))
        yield from ((0.1 + i / 5, way) for i, way in enumerate(tied))
        if not tied or isinstance(failure, (AssertionError, ValueError)):
            yield 0.4, trial.of_one_length()

    def _other_readings(self, trial: Trial, answer: Answer) -> Iterator[tuple[float, Trial]]:
        failure = answer.failure
        assert failure is not None
        text = said(failure)
        for path in (path for path, needed in answer.asked.items() if needed):
            yield 0.0, trial.given(path, self.order(path)[0])
        guilty = blamed(trial, self.runner.primes(_given(trial)), failure)
        vectors = [path for path, reading in trial.readings.items() if reading is VECTOR]
        if "Indexer" in text and not guilty & set(vectors):  # integers serve as numbers, too
            yield 0.2, functools.reduce(lambda t, path: t.given(path, INDEX), vectors, trial)
        for path, reading in trial.readings.items():
            is_guilty = path in guilty or not guilty
            if reading is VECTOR and isinstance(failure, AttributeError):
                yield 0.3, trial.given(path, FIELDS)
            if reading is VECTOR and "bool" in text:
                yield 0.3, trial.given(path, FLAGS)
            if reading in _WITH_ONE_MORE_DIMENSION and (
                isinstance(failure, IndexError) or re.search("einsum|subscript", text, re.IGNORECASE)
            ):
                yield 0.3, trial.given(path, _WITH_ONE_MORE_DIMENSION[reading])
            asks_for_values = isinstance(failure, NEEDS_VALUES) and "integer type" not in text
            if reading in (INDEX, VECTOR) and asks_for_values and is_guilty:
                yield 0.3, trial.given(path, VALUES)
            if path in guilty and "integer" in text:
                yield from ((0.2, trial.given(path, other)) for other in (INDEX, INT))
            order = self.order(path)
            later = order[order.index(reading) + 1 :] if reading in order else []
            if later:
                yield 0.7 if is_guilty else 1.5, trial.given(path, later[0])

    def explain(self, trial: Trial) -> Explanation | Answer:
        """Whether a trial explains the samples, in two runs at most; else the answer that says why not."""
        trial = _given(trial)
        primes = self.runner.primes(trial)
        if len(primes) < len(trial.sizes):
            return Answer(None, Mismatch("too many sizes"))
        answer = self.runner.run(trial, primes, primes)
        if answer.failure is not None or answer.run is None:
            return answer
        sizes = self.runner.sizes(answer.run, answer.batch_ndims, primes)
        if sizes is None:
            return answer._replace(failure=Mismatch("the sizes contradict each other"))
        lengths = {**primes, **sizes}
        if any(reading.kind == "values" for reading in trial.readings.values()):  # longer than they have levels
            longest = max([1, *sizes.values()])
            free = trial.leading - sizes.keys()
            lengths.update({size: primes[size] * (1 + longest // primes[size]) for size in free if size is not None})
        confirmed = self.runner.run(trial, lengths, {}, drawn=True)
        if confirmed.failure is not None or confirmed.run is None:
            return confirmed
        call = trial.call(self.runner.call, lengths)
        return Explanation(
            trial,
            primes,
            sizes,
            answer.run,
            Inspection(call, confirmed.run, assumptions(trial, sizes)),
            frozenset(self.runner.shapes),
            self.settled,
            answer.batch_ndims,
            tuple(answer.asked),
        )

    def order(self, path: Path) -> list[Reading]:
        """What an argument is tried as, the likeliest first: by its default, its annotation, its name."""
        if path not in self._orders:
            self._orders[path] = list({reading.name: reading for reading in self._likely(path)}.values())
        return self._orders[path]

    def _likely(self, path: Path) -> Iterator[Reading]:
        parameter = next((p for p in self.parameters if path == (p.name,)), None)
        if parameter is not None and parameter.default is not parameter.empty:
            yield NOT_GIVEN
            if type(parameter.default) is int:
                yield INT
                return
        annotation = None if parameter is None else parameter.annotation
        annotated = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        if annotated in _ANNOTATIONS:
            yield _ANNOTATIONS[annotated]
        yield from next((r for pattern, r in _SUGGESTIONS if re.fullmatch(pattern, str(path[-1]))), ())
        if len(path) > 1 and not re.fullmatch(_DATA, str(path[-2])):
            yield NUMBER
        yield from _USUAL


def _given(trial: Trial) -> Trial:
    return replace(trial, readings={path: r for path, r in trial.readings.items() if r is not NOT_GIVEN})
