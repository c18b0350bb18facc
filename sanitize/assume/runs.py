"""What one run under arguments on trial answers: its shapes tell sizes, its error names lengths that are one."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from numpyro.distributions import Distribution
from numpyro.distributions.distribution import validation_enabled
from numpyro.primitives import Messenger

from ..containers import Container
from ..model.argument import Shape
from ..model.call import Call
from ..model.sizes import numbered
from ..model.trace import NEEDS_VALUES, ONE_RUN_AT_A_TIME, Run, try_run
from .arguments import FIELDS, Axis, Lengths, Path, Record, Trial

# Far enough apart that `n - 1` and `n + 2` of one are not those of another; small, because models loop over them.
_PRIMES = (11, 17, 23, 29, 37, 43, 53, 59, 67, 73, 79, 89, 97, 103, 109, 127, 137, 149, 157, 163, 173, 179, 191, 197)


class Mismatch(Exception):
    """The sites are not those of the samples: why, and pairs of lengths that would have to be one."""


class Answer(NamedTuple):
    """What a run answers."""

    run: Run | None
    failure: Exception | None
    asked: Mapping[Path, bool] = {}  # keys that a record lacks: whether one had to be there
    batch_ndims: int = 0  # how many leading dimensions of the entries are chains and draws


class Runner:
    """The model and the recorded shapes: `run` answers what a trial makes of them."""

    def __init__(self, call: Call, samples: Container, settled: Collection[str]):
        self.call, self.shapes, self.runs = call, samples.shapes, 0
        self.recorded = frozenset(samples.shapes).union(settled)
        arrays = [shape for shape in self.shapes.values() if shape is not None]
        shared = [n for n in (1, 2, 0) if len({s[:n] for s in arrays}) <= 1 and all(len(s) >= n for s in arrays)]
        # entries that share a dimension share the draws: these are no rows
        likely = [n for n in shared if n] or shared
        self.batch_ndims = likely if samples.batch_ndims is None else [samples.batch_ndims]
        per_draw = [n for shape in arrays for n in shape[max(self.batch_ndims, default=0) :]]
        self.recorded_lengths = [*list(dict.fromkeys(n for n in per_draw if n > 1))[:3], 1]
        taken = {n for shape in arrays for n in shape} | {len(names) for names in numbered(self.shapes).values()}
        self._primes = [p for p in _PRIMES if not any(abs(n - p) <= 2 or (n and n % p == 0) for n in taken)]

    def primes(self, trial: Trial) -> dict[Axis, int]:
        """A prime for each size; fewer where there are too many sizes."""
        return dict(zip(trial.sizes, self._primes))

    def run(self, trial: Trial, lengths: Lengths, free: bool, drawn: bool = False) -> Answer:
        """The sites with these lengths, primes if they are ``free``: stopped where they contradict the samples."""
        self.runs += 1
        primes = lengths if free else {}
        possible, asked, failures = set(self.batch_ndims), dict[Path, bool](), list[Exception]()
        records = {path for path, reading in trial.readings.items() if reading is FIELDS}

        def see(name: str, shape: Shape) -> None:
            if not isinstance(name, str):
                raise Mismatch("a name that is no text")
            if (recorded := self.shapes.get(name)) is not None:
                possible.intersection_update({ndims := len(recorded) - len(shape)})
                if not possible or read_off([(shape, recorded[ndims:])], primes) is None:
                    raise Mismatch(f"the shape of {name!r}")

        def watched(path: Path, value: Any) -> Any:
            if path not in records:
                return value
            return Record({key: watched((*path, key), v) for key, v in dict.items(value)}, path, asked)

        def attempt(*args: Any, **kwargs: Any) -> None:  # the failure is caught before JAX takes time to report it
            try:
                with _Watched(see, drawn):
                    self.call.model(*args, **{name: watched((name,), value) for name, value in kwargs.items()})
            except Exception as error:
                failures.append(error)

        with ONE_RUN_AT_A_TIME, validation_enabled(False):  # made-up parameters of distributions need not be valid
            outcome = try_run(replace(trial.call(self.call, lengths), model=attempt))
        if outcome and not failures:
            if records - {path[:-1] for path in [*trial.readings, *asked]}:
                failures.append(Mismatch("a dict that was asked for no key"))
            elif self.shapes.keys() - outcome.sites.keys() - set(strays(outcome, self.shapes) if free else ()):
                failures.append(Mismatch("an entry is no site"))
            elif pairs := [  # NumPyro's trace does not look
                (n, m)
                for name in outcome.named("observed")
                for n, m in zip(reversed(outcome.sites[name].shape or ()), reversed(outcome.dist_shapes[name]))
                if n != m and 1 not in (n, m)
            ]:
                failures.append(Mismatch("data of another shape than their distribution", *pairs))
        ndims = next((n for n in self.batch_ndims if n in possible), 0)
        return Answer(outcome, next(iter(failures), None if outcome else Mismatch("no run")), asked, ndims)

    def sizes(self, structure: Run, ndims: int, primes: Lengths) -> dict[Axis, int] | None:
        """The sizes in the fit, read off a run with primes; also off how many sites a loop has named."""
        shapes = {name: None if shape is None else shape[ndims:] for name, shape in self.shapes.items()}
        pairs = [(structure.sites[name].shape, shape) for name, shape in shapes.items() if name in structure.sites]
        loops, recorded = numbered(structure.sites), numbered(shapes)
        counts = [((len(loops[p]),), (len(names),)) for p, names in recorded.items() if p in loops]
        return read_off([*pairs, *((n, was) for n, was in counts if source(*n, primes)[0])], primes)


class _Watched(Messenger):  # type: ignore[misc]
    """Sees each site as it comes, and spares the run the drawing of latents: only their shapes are wanted."""

    def __init__(self, see: Callable[[str, Shape], None], drawn: bool):
        super().__init__(None)
        self.see, self.drawn = see, drawn

    def process_message(self, message: dict[str, Any]) -> None:
        fn = message.get("fn")
        if message["type"] == "sample" and message["value"] is None and not self.drawn and isinstance(fn, Distribution):
            # without a support, or with one that does not say (NumPyro's versions differ), it is drawn from
            with contextlib.suppress(Exception):
                dtype = jnp.result_type(int if fn.is_discrete else float)
                zero, one = jnp.zeros((), dtype), jnp.ones((), dtype)
                message["value"] = jax.lax.rng_uniform(zero, one, fn.shape(message["kwargs"].get("sample_shape", ())))

    def postprocess_message(self, message: dict[str, Any]) -> None:
        if message["type"] in ("sample", "deterministic") and hasattr(message["value"], "shape"):
            self.see(message["name"], tuple(message["value"].shape))


def strays(outcome: Run, names: Iterable[str]) -> list[str]:
    """The entries that would be sites but for their number: a loop was of another size."""
    loops = numbered(outcome.sites)
    return [name for name in names if name not in outcome.sites and loops.keys() & numbered([name]).keys()]


def source(n: int, primes: Lengths) -> tuple[Axis | None, int, int]:
    """The size that a length is made of: ``n = times * size + more``."""
    near = ((size, 1, n - prime) for size, prime in primes.items() if abs(n - prime) <= 2)
    multiples = ((size, n // prime, 0) for size, prime in primes.items() if n and n % prime == 0)
    return next(itertools.chain(near, multiples), (None, 1, n))


def read_off(pairs: Iterable[tuple[Shape | None, Shape | None]], primes: Lengths) -> dict[Axis, int] | None:
    """The sizes that make the shapes of sites those recorded; None where no sizes do."""
    found: dict[Axis, int] = {}
    of_two = {f for a, b in itertools.combinations(primes.values(), 2) for f in (a + b, a * b)}
    for shape, recorded in pairs:
        for n, was in zip(shape or (), recorded or ()):
            if n == was or n in of_two:
                continue
            size, times, more = source(n, primes)
            length, rest = divmod(was - more, times)
            if size is None or rest or length < 0 or found.setdefault(size, length) != length:
                return None
    return found


def ties(trial: Trial, primes: Lengths, failure: Exception, known: Iterable[int]) -> list[Trial]:
    """What a failure says of sizes: the two lengths that it names are one, or one is a number of the model's."""
    if isinstance(failure, NEEDS_VALUES):
        return []
    ways: list[Trial | None] = []
    for n, m in failure.args[1:] if isinstance(failure, Mismatch) else _named_pairs(said(failure)):
        (one, times, k), (other, others, j) = source(n, primes), source(m, primes)
        if one == other or 1 in (n, m):
            continue
        if one is None:
            one, times, k, other, m = other, others, j, None, n
        assert one is not None
        more, rest = (j - k, times * others - 1) if other is not None else divmod(m - k, times)
        ways.append(None if rest else trial.tied(one, other, more))
    if not any(ways) and isinstance(failure, (AssertionError, ValueError)):  # it does not say which
        inner = (size for size in trial.sizes if size not in trial.leading)
        ways += [trial.tied(size, None, n) for size, n in itertools.product(inner, known)]
    return list({way.identity: way for way in ways if way is not None}.values())[:4]


def _named_pairs(text: str) -> Iterator[tuple[int, int]]:
    """Lengths that an error names: those of two shapes, aligned at their ends, before any others."""
    shapes = [[int(n) for n in re.findall(r"\d+", shape)] for shape in re.findall(r"\(([\d, ]*)\)", text)]
    for one, other in itertools.combinations(shapes, 2):
        yield from zip(reversed(one), reversed(other))
    yield from itertools.combinations(dict.fromkeys(int(n) for n in re.findall(r"(?<![\w.])\d+", text)), 2)


def blamed(trial: Trial, primes: Lengths, text: str) -> set[Path]:
    """The arguments of which a failure names a length."""
    sizes = {source(int(n), primes)[0] for n in re.findall(r"(?<![\w.])\d+", text)} - {None}
    return {axis[0] for axis in trial.axes if trial.size_of(axis) in sizes}


def said(failure: Exception | None) -> str:
    """What a failure says, without JAX's advice."""
    text = failure.args[0] if isinstance(failure, Mismatch) else str(failure)
    return text.split("The error occurred")[0].split("\n\nSee")[0][:600]
