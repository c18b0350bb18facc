"""What one run under trial arguments answers: its shapes give the sizes, its failure says what to try next."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from numpyro.distributions import Distribution
from numpyro.primitives import Messenger

from ..kinds import Shape
from ..model.call import Axis, lengths_of
from ..model.inspection import Inspection
from ..model.sizes import Size, Sizes, numbered
from ..model.trace import Run
from .arguments import Extent, Lengths, Path, Trial

# So far apart that `n - 1` and `n + 2` of one do not meet another; small, because models loop over them.
PRIMES = (11, 17, 23, 29, 37, 43, 53, 59, 67, 73, 79, 89, 97, 103, 109, 127, 137, 149, 157, 163, 173, 179, 191, 197)


class Mismatch(Exception):
    """The sites are not those of the samples."""


class NoSite(Mismatch):
    """An entry is not a site. Often a flag is the reason."""


class Misshapen(Mismatch):
    """A site has another shape than its entry."""


class Answer(NamedTuple):
    """What a run answers."""

    run: Run | None
    failure: Exception | None
    asked: Mapping[Path, bool] = {}  # keys that a record lacks: whether one had to be there
    sizes: Mapping[Extent, int] = {}  # read off the entries
    batch_ndims: int = 0  # how many leading dimensions of the entries are chains and draws


class Watch(Messenger):  # type: ignore[misc]
    """Keeps a failure before JAX takes time to report it.

    Latents need not be drawn, unless ``draws``: only their shapes are wanted.
    """

    def __init__(self, draws: bool):
        super().__init__(None)
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
            # an equation of its own in the jaxpr, which zeros are not: what is made of it is told by that
            message["value"] = jax.lax.rng_uniform(jnp.zeros((), dtype), jnp.ones((), dtype), shape)


@dataclass(frozen=True, eq=False)
class WithPrimes(Inspection):
    """Of a call whose sizes are primes: what a dimension follows is read off, in no run, and no two sizes coincide."""

    primes: Lengths = field(default_factory=dict)

    @functools.cached_property
    def sizes(self) -> Sizes:
        axes: dict[Extent | None, list[Axis]] = {}
        for axis in lengths_of(self.call):
            axes.setdefault(source(axis.length, self.primes)[0], []).append(axis)
        axes.pop(None, None)  # what no prime is part of
        sizes = {extent: Size(tuple(same)) for extent, same in axes.items()}
        follows = {extent: frozenset([size]) for extent, size in sizes.items()}
        nothing = frozenset[Size]()
        of = {}
        for name, site in self.run.sites.items():
            of[name] = tuple(follows.get(source(n, self.primes)[0], nothing) for n in site.shape or ())
        return Sizes(self.run.sites, of, {}, tuple(sizes.values()), frozenset(), (), nothing, 0)


@dataclass(frozen=True, eq=False)
class Explanation:
    """A trial whose sites agree with every entry."""

    trial: Trial
    primes: Lengths
    answer: Answer  # of the run with primes
    with_primes: Inspection
    inspection: Inspection  # with the sizes of the fit

    @property
    def sizes(self) -> Lengths:
        """Read off the samples; the others are free."""
        return self.answer.sizes

    def kind(self, name: str) -> str:
        return self.inspection.run.sites[name].kind


def shared_dims(shapes: Collection[Shape]) -> list[int]:
    """How many leading dimensions may be chains and draws: entries that share a dimension share the draws."""
    shared: list[int] = []
    for n in (1, 2):
        leading = {shape[:n] for shape in shapes}
        if len(leading) == 1 and len(*leading) == n:
            shared.append(n)
    return shared or [0]


def sizes_in(
    run: Run, shapes: Mapping[str, Shape | None], ndims: Collection[int], primes: Lengths
) -> tuple[Lengths, int]:
    """The sizes in the fit, and how many dimensions are draws; `Misshapen` where no sizes make the recorded shapes.

    They are read off a run with primes; also off how many sites a loop has named.
    """
    sizes: dict[Extent, int] = {}
    ndims = set(ndims)
    for name, recorded in shapes.items():
        shape = run.sites[name].shape if name in run.sites else None
        if shape is None or recorded is None:
            continue
        draws = len(recorded) - len(shape)
        ndims &= {draws}
        if not ndims or not _read_off(shape, recorded[draws:], primes, sizes):
            raise Misshapen(f"{name!r} has shape {shape}")
    loops = numbered(run.sites)
    for pattern, names in numbered(shapes).items():
        count = len(loops.get(pattern, ()))
        if source(count, primes)[0] and not _read_off((count,), (len(names),), primes, sizes):
            raise Misshapen(f"{pattern!r} are {count}")
    return sizes, min(ndims, default=0)


def observed_otherwise(run: Run) -> Iterator[tuple[int, int]]:
    """Lengths of data that differ from those of their distribution: NumPyro's trace does not check them."""
    for name in run.named("observed"):
        shape = run.sites[name].shape or ()
        for n, m in zip(reversed(shape), reversed(run.dist_shapes[name])):
            if n != m and 1 not in (n, m):
                yield n, m


def strays(run: Run, names: Iterable[str]) -> list[str]:
    """The entries that differ from sites in their number only: a loop was of another size."""
    found = []
    loops = numbered(run.sites).keys()
    for pattern, alike in numbered(names).items():
        if pattern in loops:
            found += [name for name in alike if name not in run.sites]
    return found


def is_made_of(n: int, prime: int) -> bool:
    """Whether a length is about a prime, or about a multiple of it."""
    return abs(n - prime) <= 2 or (n > 0 and n % prime == 0)


def source(n: int, primes: Lengths) -> tuple[Extent | None, int, int]:
    """The size that a length is made of: ``n = times * size + more``."""
    for size, prime in primes.items():
        if abs(n - prime) <= 2:
            return size, 1, n - prime
    for size, prime in primes.items():
        if is_made_of(n, prime):
            return size, n // prime, 0
    return None, 1, n


def _read_off(shape: Shape, recorded: Shape, primes: Lengths, sizes: dict[Extent, int]) -> bool:
    """Read sizes off a shape; False where none make it the one recorded."""
    for n, was in zip(shape, recorded):
        if n == was or any(n in (p + q, p * q) for p, q in itertools.combinations(primes.values(), 2)):
            continue  # of two sizes a length does not tell what each was
        size, times, more = source(n, primes)
        length, rest = divmod(was - more, times)
        if size is None or rest or length < 0 or sizes.setdefault(size, length) != length:
            return False
    return True
