"""What one run under arguments on trial answers: its shapes tell sizes, its failure what to try next."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from numpyro.distributions import Distribution
from numpyro.distributions.distribution import validation_enabled
from numpyro.primitives import Messenger

from ..containers import Container
from ..model.argument import Shape, is_array
from ..model.call import Call
from ..model.sizes import numbered
from ..model.trace import ONE_RUN_AT_A_TIME, Run, try_run
from .arguments import FIELDS, Extent, Lengths, Path, Record, Trial

# Far enough apart that `n - 1` and `n + 2` of one are not those of another; small, because models loop over them.
_PRIMES = (11, 17, 23, 29, 37, 43, 53, 59, 67, 73, 79, 89, 97, 103, 109, 127, 137, 149, 157, 163, 173, 179, 191, 197)


Pair = tuple[int, int]  # two lengths


class Mismatch(Exception):
    """The sites are not those of the samples: why, and pairs of lengths that would have to be one."""

    def __init__(self, why: str, *pairs: Pair):
        super().__init__(why)
        self.pairs = pairs


class NoSite(Mismatch):
    """An entry is no site: a flag is often the reason."""


class Answer(NamedTuple):
    """What a run answers."""

    run: Run | None
    failure: Exception | None
    asked: Mapping[Path, bool] = {}  # keys that a record lacks: whether one had to be there
    batch_ndims: int = 0  # how many leading dimensions of the entries are chains and draws


class Runner:
    """The model and the recorded shapes: `run` answers what a trial makes of them."""

    def __init__(self, call: Call, samples: Container, settled: Collection[str]):
        self.call = call
        self.shapes = samples.shapes
        self.recorded = frozenset(samples.shapes).union(settled)
        self.runs = 0
        arrays = [shape for shape in self.shapes.values() if shape is not None]
        self.batch_ndims = _shared_dims(arrays) if samples.batch_ndims is None else [samples.batch_ndims]
        per_draw = itertools.chain(*(shape[max(self.batch_ndims) :] for shape in arrays))
        longer = dict.fromkeys(n for n in per_draw if n > 1)
        self.recorded_lengths = [*itertools.islice(longer, 3), 1]
        taken = set(map(len, numbered(self.shapes).values())).union(*arrays)
        self._primes = [prime for prime in _PRIMES if not any(_is_made_of(n, prime) for n in taken)]

    def primes(self, trial: Trial) -> dict[Extent, int]:
        """A prime for each size; fewer where there are too many sizes."""
        return dict(zip(trial.sizes, self._primes))

    def run(self, trial: Trial, lengths: Lengths, primes: Lengths | None = None, draws: bool = False) -> Answer:
        """The sites with these lengths, of which some are primes; the run stops where they contradict the samples."""
        self.runs += 1
        asked: dict[Path, bool] = {}
        watch = _Watch(self, primes or {}, draws)

        def model(*args: Any, **kwargs: Any) -> None:
            given = {name: _asking(value, (name,), asked) for name, value in kwargs.items()}
            with watch:
                self.call.model(*args, **given)

        with ONE_RUN_AT_A_TIME, validation_enabled(False):  # made-up parameters of distributions need not be valid
            outcome = try_run(replace(trial.call(self.call, lengths), model=model))
        failure = watch.failure
        if failure is None:
            failure = self._mismatch(outcome, trial, asked, primes)
        return Answer(outcome, failure, asked, min(watch.batch_ndims, default=0))

    def _mismatch(
        self, outcome: Run | None, trial: Trial, asked: Collection[Path], primes: Lengths | None
    ) -> Mismatch | None:
        """Why a run that ended does not explain the samples."""
        if outcome is None:
            return Mismatch("no run")
        opened = {path[:-1] for path in [*trial.readings, *asked]}
        for path, reading in trial.readings.items():
            if reading is FIELDS and path not in opened:
                return Mismatch("a dict that was asked for no key")
        missing = self.shapes.keys() - outcome.sites.keys()
        if primes is not None:
            missing.difference_update(strays(outcome, self.shapes))
        if missing:
            return NoSite("an entry is no site")
        pairs = list(_observed_otherwise(outcome))
        return Mismatch("data of another shape than their distribution", *pairs) if pairs else None

    def sizes(self, structure: Run, ndims: int, primes: Lengths) -> dict[Extent, int] | None:
        """The sizes in the fit, read off a run with primes; also off how many sites a loop has named."""
        pairs: list[tuple[Shape, Shape]] = []
        for name, recorded in self.shapes.items():
            shape = structure.sites[name].shape if name in structure.sites else None
            if shape is not None and recorded is not None:
                pairs.append((shape, recorded[ndims:]))
        loops = numbered(structure.sites)
        for pattern, names in numbered(self.shapes).items():
            count = len(loops.get(pattern, ()))
            if source(count, primes)[0] is not None:
                pairs.append(((count,), (len(names),)))
        return read_off(pairs, primes)


def _shared_dims(shapes: Sequence[Shape]) -> list[int]:
    """How many leading dimensions may be chains and draws: entries that share a dimension share the draws."""
    shared = []
    for n in (1, 2):
        leading = {shape[:n] for shape in shapes}
        if len(leading) <= 1 and all(len(dims) == n for dims in leading):
            shared.append(n)
    return shared or [0]


def _asking(value: Any, path: Path, asked: dict[Path, bool]) -> Any:
    """A record that writes down what it is asked for, at any depth."""
    if not isinstance(value, Record):
        return value
    fields = {key: _asking(inner, (*path, key), asked) for key, inner in dict.items(value)}
    return Record(fields, path, asked)


class _Watch(Messenger):  # type: ignore[misc]
    """Compares each site with its entry as it comes, and keeps a failure before JAX takes time to report it.

    Latents need not be drawn, unless ``draws``: only their shapes are wanted.
    """

    def __init__(self, runner: Runner, primes: Lengths, draws: bool):
        super().__init__(None)
        self.shapes = runner.shapes
        self.batch_ndims = set(runner.batch_ndims)
        self.primes = primes
        self.draws = draws
        self.failure: Exception | None = None

    def __exit__(self, *failure: Any) -> bool:
        super().__exit__(*failure)
        if isinstance(failure[1], Exception):
            self.failure = failure[1]
        return self.failure is not None

    def process_message(self, message: dict[str, Any]) -> None:
        fn = message.get("fn")
        is_drawn = message["type"] == "sample" and message["value"] is None
        if self.draws or not is_drawn or not isinstance(fn, Distribution):
            return
        # without a support, or with one that does not say (NumPyro's versions differ), it is drawn from
        with contextlib.suppress(AssertionError, AttributeError, NotImplementedError):
            shape = fn.shape(message["kwargs"].get("sample_shape", ()))
            dtype = jnp.result_type(int if fn.is_discrete else float)
            zero, one = jnp.zeros((), dtype), jnp.ones((), dtype)
            # an equation of its own in the jaxpr, which zeros are not: what is made of it is told by that
            message["value"] = jax.lax.rng_uniform(zero, one, shape)

    def postprocess_message(self, message: dict[str, Any]) -> None:
        if message["type"] not in ("sample", "deterministic"):
            return
        name = message["name"]
        if not isinstance(name, str):
            raise Mismatch("a name that is no text")
        recorded = self.shapes.get(name)
        if recorded is None or not is_array(message["value"]):
            return
        shape = message["value"].shape
        ndims = len(recorded) - len(shape)
        self.batch_ndims &= {ndims}
        per_draw = recorded[ndims:]
        if not self.batch_ndims or read_off([(shape, per_draw)], self.primes) is None:
            raise Mismatch(f"the shape of {name!r}")


def _observed_otherwise(outcome: Run) -> Iterator[Pair]:
    """Lengths of data that are not those of their distribution: NumPyro's trace does not look."""
    for name in outcome.named("observed"):
        shape = outcome.sites[name].shape or ()
        for n, m in zip(reversed(shape), reversed(outcome.dist_shapes[name])):
            if n != m and 1 not in (n, m):
                yield n, m


def strays(outcome: Run, names: Iterable[str]) -> list[str]:
    """The entries that would be sites but for their number: a loop was of another size."""
    found = []
    loops = numbered(outcome.sites).keys()
    for pattern, alike in numbered(names).items():
        if pattern in loops:
            found += [name for name in alike if name not in outcome.sites]
    return found


def _is_made_of(n: int, prime: int) -> bool:
    return abs(n - prime) <= 2 or (n > 0 and n % prime == 0)


def source(n: int, primes: Lengths) -> tuple[Extent | None, int, int]:
    """The size that a length is made of: ``n = times * size + more``."""
    for size, prime in primes.items():
        if abs(n - prime) <= 2:
            return size, 1, n - prime
    for size, prime in primes.items():
        if n and n % prime == 0:
            return size, n // prime, 0
    return None, 1, n


def read_off(pairs: Iterable[tuple[Shape, Shape]], primes: Lengths) -> dict[Extent, int] | None:
    """The sizes that make the shapes of sites those recorded; None where no sizes do."""
    found: dict[Extent, int] = {}
    of_two = set()  # of these a length does not tell what each was
    for one, other in itertools.combinations(primes.values(), 2):
        of_two.update([one + other, one * other])
    for shape, recorded in pairs:
        for n, was in zip(shape, recorded):
            if n == was or n in of_two:
                continue
            size, times, more = source(n, primes)
            length, rest = divmod(was - more, times)
            if size is None or rest or length < 0 or found.setdefault(size, length) != length:
                return None
    return found
