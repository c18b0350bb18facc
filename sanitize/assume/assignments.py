"""Made-up arguments of a model, and whether its sites under them are those of recorded samples.

Each parameter is read as an array, a number, a flag, ...: an assignment. Its sizes are primes that occur nowhere in
the samples, so that one abstract run shows which dimension of which site has which size, and the recorded shapes tell
what the sizes were. An assignment explains the samples if a second run, with these sizes, agrees with every entry.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import Distribution
from numpyro.distributions.distribution import validation_enabled
from numpyro.primitives import Messenger

from ..model.call import Call, Shape, is_array, parameters_of
from ..model.inspection import Inspection
from ..model.trace import ONE_RUN_AT_A_TIME, Run, try_run

# Far enough apart that `n - 1` and `n + 2` of one are not those of another; small, because models loop over them.
_PRIMES = (11, 17, 23, 29, 37, 43, 53, 59, 67, 73, 79, 89, 97, 103, 109, 127, 137, 149, 157, 163, 173, 179, 191, 197)

Path = tuple[Any, ...]  # ("X",) is a parameter, ("data", "x") the value of a key
Axis = tuple[Path, int]

ROWS: Axis = ((), 0)  # the leading axes of arrays share one size unless they are split off

STRIPPED_KINDS = ("deterministic", "observed", "plate")


class Reading(NamedTuple):
    """What a parameter is tried as: how many free sizes it has, and how a value is made of them."""

    name: str
    make: Callable[..., Any]
    sizes: int = 0
    array: bool = False  # whether the first size is a leading axis

    @property
    def is_fixed(self) -> bool:
        """Whether it is one value, made up or known to the model."""
        return self.sizes == 0 and self not in (NUMBER, WHOLE, OPTIONS)

    @property
    def is_number(self) -> bool:
        """Whether it is a size, passed as a number."""
        return bool(self.sizes) and not self.array


def _array(dtype: Any, dims: int) -> Callable[..., Any]:
    return lambda *shape: jax.ShapeDtypeStruct(shape, jnp.result_type(dtype))


def _index(values: Callable[[np.ndarray[Any, Any], int], Any]) -> Callable[..., Any]:
    return lambda n, levels: values(np.arange(n) % levels, levels)


def fixed(value: Any) -> Reading:
    """One value."""
    return Reading(repr(value), lambda: value)


VECTOR = Reading("vector", _array(float, 1), 1, True)
MATRIX = Reading("matrix", _array(float, 2), 2, True)
INDEX = Reading("index", _array(int, 1), 1, True)
COUNTS = Reading("integer matrix", _array(int, 2), 2, True)
CUBE = Reading("three-dimensional array", _array(float, 3), 3, True)
FLAGS = Reading("flags", _array(bool, 1), 1, True)
NUMBER = Reading("number", _array(float, 0))
WHOLE = Reading("whole number", _array(int, 0))
INT = Reading("int", lambda n: n, 1)
VALUES = Reading("concrete index", _index(lambda x, levels: x), 2, True)
OTHER_VALUES = (
    Reading("sorted index", _index(lambda x, levels: np.sort(x)), 2, True),
    Reading("descending index", _index(lambda x, levels: levels - 1 - x), 2, True),
    Reading("index from 1", _index(lambda x, levels: x + 1), 2, True),
    Reading("negative index", _index(lambda x, levels: -1 - x), 2, True),
    Reading("fractions", _index(lambda x, levels: (x / levels - 0.5).astype(np.float32)), 2, True),
    Reading("numbers with a gap", _index(lambda x, levels: np.where(x, x, np.nan).astype(np.float32)), 2, True),
)
OPTIONS = Reading("dict", lambda: None)
NONE, TRUE, FALSE = fixed(None), fixed(True), fixed(False)


@dataclass(frozen=True)
class Assignment:
    """One reading for each parameter that is given, and which of their sizes are one and the same."""

    readings: Mapping[Path, Reading]
    split: frozenset[Path] = frozenset()  # arrays whose leading axis has a size of its own
    joined: tuple[tuple[Axis, Axis], ...] = ()  # sizes that are one
    fixed: Mapping[Axis, int] = field(default_factory=dict)  # sizes that are given

    def size_of(self, axis: Axis) -> Axis:
        """The size that an axis has; axes of one size share it."""
        path, i = axis
        if path in self.readings and self.readings[path].array and i == 0 and path not in self.split:
            axis = ROWS
        for one, other in self.joined:
            if axis == one:
                axis = other
        return axis

    @functools.cached_property
    def axes(self) -> list[Axis]:
        return [(path, i) for path, reading in self.readings.items() for i in range(reading.sizes)]

    @functools.cached_property
    def sizes(self) -> list[Axis]:
        """The free sizes."""
        return [s for s in dict.fromkeys(map(self.size_of, self.axes)) if s not in self.fixed]

    @functools.cached_property
    def leading(self) -> frozenset[Axis]:
        """The sizes that are the leading axis of an array."""
        return frozenset(self.size_of((path, 0)) for path, reading in self.readings.items() if reading.array)

    @functools.cached_property
    def partition(self) -> frozenset[frozenset[Axis]]:
        """The axes, those of one size together."""
        together: dict[Axis, set[Axis]] = {}
        for axis in self.axes:
            together.setdefault(self.size_of(axis), set()).add(axis)
        return frozenset(map(frozenset, together.values()))

    @functools.cached_property
    def numbers(self) -> list[Path]:
        """What is read as one number, which is made up."""
        values = {path: reading.make() for path, reading in self.readings.items() if reading.is_fixed}
        return [path for path, x in values.items() if isinstance(x, (int, float)) and not isinstance(x, bool)]

    def identity(self) -> Any:
        """What tells it from others."""
        readings = frozenset((path, reading.name) for path, reading in self.readings.items())
        return readings, self.partition, frozenset(self.fixed.items())

    def is_finer(self, other: Assignment) -> bool:
        """Whether it has sizes of their own where the other has one, and none the other way round."""
        return self.partition != other.partition and all(
            any(mine <= theirs for theirs in other.partition) for mine in self.partition
        )

    def inside(self, path: Path) -> list[Path]:
        """The keys of a dict."""
        return [p for p in self.readings if p[:-1] == path and len(p) > 1]

    def given(self, path: Path, reading: Reading) -> Assignment:
        """The same with another reading of one parameter."""
        readings = {p: r for p, r in self.readings.items() if p[: len(path)] != path or len(p) == len(path)}
        return replace(self, readings={**readings, path: reading})

    def patterns(self) -> list[Assignment]:
        """Other ways of which sizes are one: two sizes that are joined, arrays that have rows of their own."""
        plain = replace(self, split=frozenset(), joined=())
        arrays = [path for path, reading in self.readings.items() if reading.array]
        joined = [replace(plain, joined=(pair,)) for pair in itertools.combinations(plain.sizes, 2)]
        apart = [
            replace(plain, split=frozenset(some), joined=tuple(((path, 0), (some[0], 0)) for path in some[1:]))
            for count in range(1, len(arrays))
            for some in itertools.combinations(arrays, count)
        ]
        both = [
            replace(one, joined=(*one.joined, (((*one.split,)[0], 0), other)))
            for one in apart
            for other in plain.sizes
            if len(one.split) == 1 and other != ROWS and other[0] not in one.split
        ]
        more = [
            replace(self, split=self.split | {path}, joined=tuple(pair for pair in self.joined if pair[0] != (path, 0)))
            for path in arrays
        ]
        return list({a.partition: a for a in (plain, *joined, *apart, *both, *more)}.values())

    def call(self, model: Callable[..., Any], sizes: Mapping[Axis, int]) -> Call:
        """The call with these sizes."""
        sizes = {**sizes, **self.fixed}

        def value(path: Path) -> Any:
            reading = self.readings[path]
            if reading is OPTIONS:
                return {p[-1]: value(p) for p in self.inside(path)}
            return reading.make(*(sizes[self.size_of((path, i))] for i in range(reading.sizes)))

        positional = [p.name for p in parameters_of(model) or () if p.kind is p.POSITIONAL_ONLY]
        given = {path[0]: value(path) for path in self.readings if len(path) == 1}
        args = tuple(given.pop(name) for name in positional if name in given)
        concrete = {VALUES, *OTHER_VALUES}.intersection(self.readings.values())
        return replace(Call.of(model, args, given), mode="concrete" if concrete else "abstract")


# ------------------------------------------------------------------------------------------------ one light run


class Mismatch(Exception):
    """The sites contradict the samples."""


class _Watched(Messenger):  # type: ignore[misc]
    """Sees each site as it comes, and spares the run the drawing of latents: only their shapes are wanted."""

    def __init__(self, see: Callable[[str, Shape], None]):
        super().__init__(None)
        self.see = see

    def process_message(self, message: dict[str, Any]) -> None:
        if message["type"] == "sample" and message["value"] is None and isinstance(message["fn"], Distribution):
            fn = message["fn"]
            try:
                dtype = jnp.result_type(int if fn.is_discrete else float)
            except Exception:  # no support, or one that does not say (NumPyro's versions differ): it is drawn from
                return
            message["value"] = jnp.zeros(fn.shape(message["kwargs"].get("sample_shape", ())), dtype)

    def postprocess_message(self, message: dict[str, Any]) -> None:
        if message["type"] in ("sample", "deterministic") and hasattr(message["value"], "shape"):
            self.see(message["name"], tuple(message["value"].shape))


class _Attempt:
    """The model, its failure caught before JAX sees it: which takes longer to report it than the run took."""

    def __init__(self, model: Callable[..., Any], see: Callable[[str, Shape], None], dicts: Iterable[Path]):
        self.model, self.see, self.dicts = model, see, frozenset(dicts)
        self.failure: Exception | None = None
        self.asked: dict[Path, bool] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        kwargs = {name: self._watched((name,), value) for name, value in kwargs.items()}
        try:
            with _Watched(self.see):
                return self.model(*args, **kwargs)
        except Exception as error:
            self.failure = error
            return None

    def _watched(self, path: Path, value: Any) -> Any:
        if path not in self.dicts:
            return value
        return _Asked({key: self._watched((*path, key), v) for key, v in value.items()}, path, self.asked)


class _Asked(dict):  # type: ignore[type-arg]
    """A dict that notes which keys it lacks: ``asked[path]`` tells whether one had to be there."""

    def __init__(self, inside: Mapping[Any, Any], path: Path, asked: dict[Path, bool]):
        super().__init__(inside)
        self.path, self.asked = path, asked

    def __missing__(self, key: Any) -> Any:
        self.asked[(*self.path, key)] = True
        raise KeyError(key)

    def __contains__(self, key: Any) -> bool:
        there = super().__contains__(key)
        if not there:
            self.asked.setdefault((*self.path, key), False)
        return there

    def get(self, key: Any, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401 - which would be this very function

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise Mismatch("which keys there are cannot be worked out")

    __iter__ = __len__ = __eq__ = keys = values = items = pop = copy = setdefault = _refuse  # type: ignore[assignment]
    __or__ = __ror__ = __ne__ = __reversed__ = _refuse  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


# ---------------------------------------------------------------------------------------- what explains samples


class Budget:
    """Counts runs: a number of them, the same on every machine."""

    def __init__(self, runs: int):
        self.left = runs

    def spend(self) -> None:
        self.left -= 1


@dataclass(frozen=True, eq=False)
class Explanation:
    """An assignment whose sites agree with every entry."""

    assignment: Assignment
    primes: Mapping[Axis, int]
    sizes: Mapping[Axis, int]  # those read off the samples; the others are free
    structure: Run  # with primes for sizes
    table: Inspection  # with the sizes of the samples
    entries: frozenset[str]
    batch_ndims: int
    optional: tuple[Path, ...]  # keys that were asked for and need not be there

    @functools.cached_property
    def targets(self) -> frozenset[str]:
        """Sites that are observed, and latents without an entry that nothing is drawn from or computed from.

        Where no site is observed, a prediction may itself have an entry.
        """
        outcome = self.table.run
        used = frozenset[str]().union(*self.table.ancestors.values())
        observed = frozenset(name for name, site in outcome.sites.items() if site.kind == "observed")
        ends = {name for name, site in outcome.sites.items() if site.kind == "latent" and name not in used}
        return observed | (ends - self.entries if observed else ends)

    @functools.cached_property
    def row_dims(self) -> dict[str, tuple[int, ...]]:
        """The dimensions of each site that follow the rows."""
        given = [
            p.default for p in parameters_of(self.table.call.model) or () if (p.name,) not in self.assignment.readings
        ]
        if any(map(is_array, given)):  # the rows are those of a default, whose size is not made up
            return {name: self.table.row_dims.get(name, ()) for name in self.table.run.sites}
        return row_dims(self.assignment, self.structure, self.primes, self.targets)

    def described(self) -> list[str]:
        """``X: float32[1000, 3]`` for each argument, with a question mark for a size that the samples do not tell."""
        readings = self.assignment.readings.items()
        return [f"{_name(path)}: {self._text(path, reading)}" for path, reading in readings if reading is not OPTIONS]

    def _text(self, path: Path, reading: Reading) -> str:
        sizes = [self.sizes.get(self.assignment.size_of((path, i))) for i in range(reading.sizes)]
        if reading.is_number:
            return "some int" if sizes[0] is None else str(sizes[0])
        dtype = getattr(reading.make(*(1 for _ in sizes)), "dtype", None)
        if dtype is None:
            return reading.name
        dtype = jax.dtypes.canonicalize_dtype(dtype)
        concrete = reading in (VALUES, *OTHER_VALUES)
        dims = ", ".join("?" if n is None else str(n) for n in (sizes[:1] if concrete else sizes))
        return f"{dtype}[{dims}]" + (f" of {sizes[1] or 'some'} values" if concrete else "")

    def __str__(self) -> str:
        return ", ".join(self.described()) or "the defaults"

    def kind(self, name: str) -> str:
        """What it makes of an entry, in words."""
        kind = self.table.run.sites[name].kind
        return f"{kind} (one for each row)" if kind == "latent" and self.row_dims.get(name) else kind

    def is_stripped(self, name: str) -> bool:
        """Whether an entry is stripped whatever the rows are."""
        site = self.table.run.sites[name]
        return site.kind in STRIPPED_KINDS or (site.kind == "latent" and name in self.table.observable)

    @functools.cached_property
    def lost(self) -> dict[str, tuple[str, ...]]:
        """Entries that would be recomputed from latents that have none: those would be drawn from their prior."""
        sites = self.table.run.sites
        lost: dict[str, tuple[str, ...]] = {}
        for name in self.entries:
            absent = [p for p in self.table.parents(name) if p not in self.entries and not sites[p].discrete]
            if absent and sites[name].kind == "deterministic":
                absent = [p for p in absent if p not in self.table.observable]
            if absent and sites[name].kind == "deterministic":
                lost[name] = tuple(absent)
        return lost

    @functools.cached_property
    def lacking(self) -> list[str]:
        """Latents that others depend on and that have no entry, though a fit records them."""
        absent = [
            name
            for name, site in self.table.run.sites.items()
            if site.kind == "latent" and name not in self.targets | self.entries and not site.discrete
        ]
        return [name for name in absent if name not in self.table.observable] if absent else []

    def elsewhere(self) -> list[Call]:
        """The same call with other sizes where the samples tell none; with none, if they tell all."""
        free = [size for size in self.primes if size not in self.sizes]
        other = {**self.primes, **self.sizes, **{size: self.primes[size] + 4 for size in free}}
        return [self.assignment.call(self.table.call.model, other)] if free else []


def _name(path: Path) -> str:
    return str(path[0]) + "".join(f"[{key!r}]" for key in path[1:])


def row_dims(
    assignment: Assignment, structure: Run, primes: Mapping[Axis, int], targets: Iterable[str]
) -> dict[str, tuple[int, ...]]:
    """The dimensions of each site that follow the rows, as the row probe has it: sizes of arrays before numbers."""
    made_of = {name: [_source(n, primes)[0] for n in site.shape or ()] for name, site in structure.sites.items()}
    # data of one value may be given for a distribution of many
    drawn = {name: structure.dist_shapes.get(name, ()) for name in targets}
    moving = {_source(n, primes)[0] for shape in drawn.values() for n in shape}
    numbers = {assignment.size_of((path, 0)) for path, reading in assignment.readings.items() if reading.is_number}
    rows = moving & assignment.leading or moving & numbers
    return {name: tuple(i for i, size in enumerate(sizes) if size in rows) for name, sizes in made_of.items()}


class Samples:
    """The recorded shapes, and what explains them."""

    def __init__(self, model: Callable[..., Any], shapes: Mapping[str, Shape | None], batch_ndims: int | None):
        self.model, self.shapes = model, shapes
        arrays = [shape for shape in shapes.values() if shape is not None]
        self.batch_ndims = [
            n
            for n in ((1, 2, 0) if batch_ndims is None else (batch_ndims,))
            if len({shape[:n] for shape in arrays}) <= 1 and all(len(shape) >= n for shape in arrays)
        ]
        taken = {n for shape in arrays for n in shape}
        self.primes = [p for p in _PRIMES if not any(abs(n - p) <= 2 or (n and n % p == 0) for n in taken)]
        # of the latest attempt
        self.failure: Exception | None = None
        self.asked: Mapping[Path, bool] = {}

    def explain(self, assignment: Assignment, budget: Budget, like: Explanation | None = None) -> Explanation | None:
        """Whether an assignment explains the samples, in two runs at most; else ``failure`` tells why not.

        With ``like``, None also where it makes of every entry what that one makes of it.
        """
        # made-up parameters of distributions need not be valid; the switch is one for the process
        with ONE_RUN_AT_A_TIME, validation_enabled(False):
            return self._explain(assignment, budget, like)

    def _explain(self, assignment: Assignment, budget: Budget, like: Explanation | None) -> Explanation | None:
        primes = self._primes_of(assignment)
        found = self._light_run(assignment, primes, primes, budget)
        if found is None:
            return None
        structure, ndims = found
        asked = self.asked
        shapes = {name: None if shape is None else shape[ndims:] for name, shape in self.shapes.items()}
        sizes = _read_off(((structure.sites[name].shape, shape) for name, shape in shapes.items()), primes)
        if sizes is not None and like is not None and self._is_like(assignment, structure, primes, like):
            again = self._light_run(assignment, {**primes, **sizes}, {}, budget) if sizes else found
            if again is None or self._is_like(assignment, again[0], primes, like, kinds_only=True):
                return None
        if sizes is not None:
            budget.spend()
            call = assignment.call(self.model, {**primes, **sizes})
            outcome = try_run(call)
            if outcome is not None and _agrees(outcome, shapes):
                optional = tuple(path for path, needed in asked.items() if not needed)
                table, entries = Inspection(call, outcome), frozenset(shapes)
                return Explanation(assignment, primes, sizes, structure, table, entries, ndims, optional)
        self.failure = Mismatch("the sizes contradict each other")
        return None

    def _is_like(
        self,
        assignment: Assignment,
        structure: Run,
        primes: Mapping[Axis, int],
        like: Explanation,
        kinds_only: bool = False,
    ) -> bool:
        """Whether it makes the same of every entry, as far as a light run can tell."""
        sites, others = structure.sites, like.structure.sites
        if any(sites[name].kind != others[name].kind for name in self.shapes):
            return False
        if kinds_only or assignment.fixed:
            return True
        dims = row_dims(assignment, structure, primes, like.targets)
        return all(dims[name] == like.row_dims[name] for name in self.shapes if sites[name].kind == "latent")

    def _primes_of(self, assignment: Assignment) -> dict[Axis, int]:
        leading, split = assignment.leading, assignment.split
        levels = {(path, 1) for path, reading in assignment.readings.items() if reading in (VALUES, *OTHER_VALUES)}
        # an array is longer than the number of its distinct values, and rows are the longest of all
        ordered = sorted(assignment.sizes, key=lambda s: (s in leading, s not in levels, s[0] not in split))
        # the rows have the same size throughout, so that JAX knows most of what is traced
        rows, others = self.primes[8], iter([*self.primes[:8], *self.primes[9:]])
        return {size: rows if size == ROWS else next(others) for size in ordered}

    def _light_run(
        self, assignment: Assignment, sizes: Mapping[Axis, int], primes: Mapping[Axis, int], budget: Budget
    ) -> tuple[Run, int] | None:
        """The sites with these sizes, those that are ``primes`` free, and how many dimensions are chains and draws."""
        budget.spend()
        possible = set(self.batch_ndims)

        def see(name: str, shape: Shape) -> None:
            recorded = self.shapes.get(name)
            if recorded is not None:
                ndims = len(recorded) - len(shape)
                possible.intersection_update({ndims})
                if not possible or _read_off([(shape, recorded[ndims:])], primes) is None:
                    raise Mismatch(f"shape of {name!r}")

        dicts = [path for path, reading in assignment.readings.items() if reading is OPTIONS]
        attempt = _Attempt(self.model, see, dicts)
        outcome = try_run(replace(assignment.call(self.model, sizes), model=attempt))
        self.failure, self.asked = attempt.failure, attempt.asked
        if outcome is None or self.failure is not None:
            self.failure = self.failure or Mismatch("no run")
        elif any(name not in outcome.sites for name in self.shapes):
            self.failure = Mismatch("an entry is no site")
        elif not _data_fit(outcome):
            self.failure = Mismatch("data and distribution have different shapes")
        elif any(not assignment.inside(d) and not any(path[: len(d)] == d for path in self.asked) for d in dicts):
            self.failure = Mismatch("a dict that was not asked for any key")
        if self.failure is not None or not possible or outcome is None:
            return None
        return outcome, next(n for n in self.batch_ndims if n in possible)


def _agrees(outcome: Run, shapes: Mapping[str, Shape | None]) -> bool:
    """Whether every entry has the shape of its site, exactly."""
    sites = outcome.sites
    return all(name in sites and sites[name].shape == shape for name, shape in shapes.items()) and _data_fit(outcome)


def _data_fit(outcome: Run) -> bool:
    """Whether data and distribution of each observed site can be of one shape: NumPyro's trace does not look."""
    for name, site in outcome.sites.items():
        if site.kind == "observed" and site.shape is not None:
            try:
                np.broadcast_shapes(site.shape, outcome.dist_shapes[name])
            except ValueError:
                return False
    return True


def _source(n: int, primes: Mapping[Axis, int]) -> tuple[Axis | None, Callable[[int], int | None]]:
    """The size that a dimension of ``n`` is made of, and how to tell that size from the dimension recorded."""
    for size, prime in primes.items():
        if abs(n - prime) <= 2:
            return size, functools.partial(_less, n - prime)
    for size, prime in primes.items():
        if n and n % prime == 0:
            return size, functools.partial(_part, n // prime)
    return None, lambda recorded: None


def _less(more: int, recorded: int) -> int:
    return recorded - more


def _part(times: int, recorded: int) -> int | None:
    return recorded // times if recorded % times == 0 else None


def _read_off(pairs: Iterable[tuple[Shape | None, Shape | None]], primes: Mapping[Axis, int]) -> dict[Axis, int] | None:
    """The sizes that make the shapes of sites those recorded; None where no sizes do."""
    found: dict[Axis, int] = {}
    for shape, recorded in pairs:
        for n, was in zip(shape or (), recorded or ()):
            if n == was:  # no size: the primes are such that neither they nor what is made of them is recorded
                continue
            size, solve = _source(n, primes)
            solution = None if size is None else solve(was)
            if size is None or solution is None or solution < 0 or found.setdefault(size, solution) != solution:
                return None
    return found
