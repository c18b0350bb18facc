"""The arguments of a fit, worked out from its samples: what a call without arguments rests on.

Parameters are read as arrays, numbers, flags, ... until an assignment explains the samples (`assignments`). That it
explains them does not make it the fit's: deterministic entries have to be what the model computes from the recorded
latents (`recompute`), and whatever else explains the samples has to give the same kinds (`variations`). Else the call
is ambiguous: an error, never a guess.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import Parameter

from ..containers import Container
from ..errors import AssumedArgumentsWarning, MissingLatentError, listing, warn
from ..model.call import Call, arguments_error
from ..model.inspection import Inspection
from ..model.trace import NEEDS_VALUES
from .assignments import (
    FALSE,
    INDEX,
    INT,
    MATRIX,
    NONE,
    NUMBER,
    OPTIONS,
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
from .constants import Constants, constants_of, unwrap
from .variations import Ambiguous, Proof

MOST_SEARCHED = 4  # parameters; more cannot be told apart by shapes in a reasonable number of runs

_MOST_RUNS = 250


def assumed_arguments(call: Call, samples: Container) -> Inspection | None:
    """The sites of a model under arguments that explain the samples, if all that explain them agree on the kinds.

    The model's body runs many times, abstractly: dozens of times for a regression, hundreds for a model with flags.

    Parameters
    ----------
    call : Call
        The NumPyro model, without arguments.
    samples : Container
        The samples of its fit. A few draws are read.

    Returns
    -------
    Inspection or None
        Its ``assumed`` lists the arguments. None for a model that needs none, where none explain the samples.

    Raises
    ------
    ModelArgumentsError
        Nothing explains the samples, or arguments that explain them make different things of an entry.
    MissingLatentError
        What explains the samples recomputes an entry from a latent that has none.

    Warns
    -----
    AssumedArgumentsWarning
        Arguments were assumed.
    """
    model = call.model
    parameters = _parameters(call)
    if parameters is None:
        return None
    required = [p for p in parameters if p.default is p.empty]
    shapes = samples.shapes
    draws = lambda ndims, names: samples.some_draws(names, ndims)  # noqa: E731
    search = _Search(Samples(model, shapes, samples.batch_ndims), parameters)
    notes: dict[str, None] = {}
    recomputed: dict[str, tuple[str, ...]] = {}
    refuted: list[Explanation] = []
    proof = Proof(search.samples, parameters, search.constants, draws)
    for found in search.explanations():
        if found.lost or found.lacking:
            missing = dict.fromkeys([*found.lacking, *itertools.chain(*found.lost.values())])
            notes[f"with {found}, the latents {listing(missing)} would have no entry"] = None
            if found.lost and not found.assignment.readings:
                return None  # the review says what is missing
            recomputed = recomputed or found.lost
            continue
        try:
            found = proof.finest(found)
            if finding := proof.contradiction(found):
                refuted.append(found)
                notes[f"with {found}, {finding}"] = None
                continue
            for other in refuted:
                proof.compare(found, other)
            proof.prove(found)
        except Ambiguous as ambiguity:
            raise arguments_error(call, f"none were passed, and the samples do not tell: {ambiguity}") from None
        return _announced(found)
    if required and recomputed:
        computed = "; ".join(f"{name!r} from {listing(latents)}" for name, latents in recomputed.items())
        raise MissingLatentError(
            f"No arguments were passed, and with those that would explain the samples entries are recomputed from "
            f"latents that the samples do not hold ({computed}): stripped, the fitted values would be replaced by "
            f"draws from the prior. Pass the model that was fitted, with its arguments, or add the missing entries.",
            missing=recomputed,
        )
    if required or refuted:
        entries = ", ".join(f"{name!r} {shape}" for name, shape in itertools.islice(shapes.items(), 6))
        why = f" ({'; '.join(list(notes)[:2])})" if notes else ""
        tried = f"in {_MOST_RUNS - search.budget.left} runs with made-up ones"
        raise arguments_error(call, f"none were passed, and nothing {tried} explains the entries {entries}{why}")
    return None


def _parameters(call: Call) -> list[Parameter] | None:
    """The parameters that may be searched; None where there are none, or nothing tells and nothing is required."""
    parameters = call.parameters
    required = [p for p in parameters or () if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not parameters or any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        if required:
            raise arguments_error(
                call, "none were passed, and with * or ** its signature does not tell which there are"
            )
        return None
    if len(required) > MOST_SEARCHED:
        raise arguments_error(
            call,
            f"none were passed, and it needs {len(required)}: at most {MOST_SEARCHED} are worked out from the samples",
        )
    bound = {name for inner in unwrap(call.model) if isinstance(inner, functools.partial) for name in inner.keywords}
    return [p for p in parameters if p.name not in bound]


def _announced(found: Explanation) -> Inspection:
    assumed = found.described()
    call, outcome = found.table.call, found.table.run
    if assumed:
        warn(
            f"No arguments of {call.description} were passed; the samples are explained by "
            f"{', '.join(assumed)}. Pass the arguments that you predict with to make it certain.",
            AssumedArgumentsWarning,
        )
    return Inspection(call, outcome, tuple(assumed))


# What names suggest, for the order of the trials only.
_DATA = "data|dataset|batch|d"
_SUGGESTIONS: tuple[tuple[str, tuple[Reading, ...]], ...] = (
    (r"y|Y|y_\w+|obs|labels?|outcomes?|targets?", (VECTOR, NONE)),
    (r"X(_\w+)?|Z|design\w*|features|covariates|basis|\w*matrix|\w*history", (MATRIX,)),
    (r"n|k|steps|future|degree|order|horizon|length|[A-W]|[DN]_[A-Z]", (INT,)),
    (r"(n|num|len|dim|size)_\w+|\w+_(dim|size|num)", (INT,)),
    (r"\w*(idx|index|code|group|county|subject|actor|block|student|item|player|team|region|label)s?", (INDEX,)),
    (r"(is|use|has|with|include|do)_\w+|\w*cent(e)?red|flag", (TRUE,)),
    (rf"hyper\w*|config|cfg|options|opts|params|settings|args|{_DATA}", (OPTIONS,)),
)
_ANNOTATIONS: Mapping[str, Reading] = {"int": INT, "bool": TRUE, "float": NUMBER, "dict": OPTIONS}

_NOT_GIVEN = Reading("not given", lambda: None)


@dataclass(frozen=True)
class _State:
    """A point of the search: how far down its list each parameter is, and which pattern of sizes."""

    ranks: tuple[tuple[Path, int], ...]
    pattern: int = 0
    concrete: bool = False  # an index has values, for a model that asks for them

    def next(self) -> Iterator[_State]:
        for i, (path, rank) in enumerate(self.ranks):
            yield replace(self, ranks=(*self.ranks[:i], (path, rank + 1), *self.ranks[i + 1 :]))


class _Search:
    """Assignments in the order of their cost, the usual ones first."""

    def __init__(self, samples: Samples, parameters: Sequence[Parameter]):
        self.samples, self.parameters = samples, parameters
        self.budget = Budget(_MOST_RUNS)
        self._orders: dict[Path, list[Reading]] = {}

    @functools.cached_property
    def constants(self) -> Constants:
        return constants_of(self.samples.model)

    def explanations(self) -> Iterator[Explanation]:
        heap: list[tuple[float, int, _State]] = []
        counter, seen = itertools.count(), set[_State]()

        def push(cost: float, state: _State) -> None:
            if state not in seen:
                seen.add(state)
                heapq.heappush(heap, (cost, next(counter), state))

        push(0.0, _State(tuple(((p.name,), 0) for p in self._searched())))
        while heap and self.budget.left > 0:
            cost, _, state = heapq.heappop(heap)
            if state.pattern == 0 and not state.concrete:
                for successor in state.next():
                    if all(rank < len(self._order(path)) for path, rank in successor.ranks):
                        push(cost + 1, successor)
            patterns = self._assignment(state).patterns()
            found = self.samples.explain(patterns[state.pattern], self.budget)
            if found is not None:
                yield found
                continue
            failure = self.samples.failure
            for path, needed in self.samples.asked.items():
                if needed:
                    push(cost, _State((*state.ranks, (path, 0))))
            if isinstance(failure, NEEDS_VALUES):
                push(cost + 0.5, replace(state, concrete=True))
            elif state.pattern == 0 and isinstance(failure, (ValueError, TypeError, AssertionError)):
                for i in range(1, len(patterns)):
                    push(cost + 2 + i / 4, replace(state, pattern=i))

    def _searched(self) -> list[Parameter]:
        required = [p for p in self.parameters if p.default is p.empty]
        optional = [p for p in self.parameters if p.default is None]
        return required + optional if len(required) + len(optional) <= MOST_SEARCHED else required

    def _assignment(self, state: _State) -> Assignment:
        readings = {path: self._order(path)[rank] for path, rank in state.ranks}
        if state.concrete:
            readings = {path: VALUES if reading is INDEX else reading for path, reading in readings.items()}
        return Assignment({path: reading for path, reading in readings.items() if reading is not _NOT_GIVEN})

    def _order(self, path: Path) -> list[Reading]:
        """What a parameter is tried as, likeliest first."""
        if path not in self._orders:
            usual = [VECTOR, MATRIX, INDEX, INT, NUMBER, NONE, TRUE, FALSE, OPTIONS]
            constants = (*self.constants.members, *self.constants.strings, *self.constants.numbers)
            order = [*self._suggested(path), *usual, *map(fixed, constants)]
            self._orders[path] = list({reading.name: reading for reading in order}.values())
        return self._orders[path]

    def _suggested(self, path: Path) -> list[Reading]:
        """What a parameter's default, annotation and name suggest."""
        parameter = next((p for p in self.parameters if path == (p.name,)), None)
        suggested = [_NOT_GIVEN] if parameter is not None and parameter.default is None else []
        annotation = Parameter.empty if parameter is None else parameter.annotation
        annotated = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        if annotated in _ANNOTATIONS:
            suggested.append(_ANNOTATIONS[annotated])
        if annotated == "str":
            suggested += map(fixed, self.constants.strings)
        suggested += next((r for pattern, r in _SUGGESTIONS if re.fullmatch(pattern, str(path[-1]))), ())
        if len(path) > 1 and not re.fullmatch(_DATA, str(path[-2])):
            suggested.append(NUMBER)
        return suggested
