"""A function compiled ahead of time, and how it runs over draws: in pieces, in batches, now or when dask says so."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm.auto import tqdm

from ..errors import OptionError
from ..model.argument import Shape, abstract
from ..model.trace import ONE_RUN_AT_A_TIME
from .one_draw import no_mean
from .parameters import Parts

Arrays = dict[str, Any]

_each = jax.tree_util.tree_map

_PIECE = 4 * 2**20  # bytes that one piece puts out, so that it stays in the caches of the processor
_CHUNK = 64 * 2**20  # bytes of a chunk of a lazy answer, where no batch size was said


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws of some entries, one chain after the other.

    What is not in memory keeps its chains, and is sliced only. What is sharded over devices stays there.
    """

    arrays: Arrays
    shape: Shape  # chains and draws, or draws, or nothing

    @classmethod
    def of(cls, arrays: Arrays, shape: Shape) -> Draws:
        """Of arrays that have chains and draws leading."""
        # an entry that is not a site carries the number of draws, where no other is left
        arrays = arrays or {"_draws": np.zeros(shape)}
        found = {}
        for name, x in arrays.items():
            is_read = _is_in_memory(x) or not shape
            found[name] = _flat(x, len(shape)) if is_read else x
        return cls(found, shape)

    def with_drawn(self, arrays: Mapping[str, Any], ndims: int) -> Draws:
        """With other arrays of some entries, of ``ndims`` leading dimensions."""
        drawn = {name: _flat(x, ndims) for name, x in arrays.items()}
        return Draws({**self.arrays, **drawn}, self.shape)

    @property
    def total(self) -> int:
        return int(np.prod(self.shape))

    @property
    def per_chain(self) -> int:
        return self.shape[-1] if self.shape else 1

    @functools.cached_property
    def sharded(self) -> bool:
        return any(map(_is_sharded, self.arrays.values()))

    @functools.cached_property
    def in_memory(self) -> bool:
        return all(map(_is_in_memory, self.arrays.values()))

    @property
    def unbroken(self) -> int:
        """So many can be read at once: what is not in memory is read chain by chain."""
        return self.total if self.in_memory else self.per_chain

    @functools.cached_property
    def held(self) -> Arrays:
        """All of them where they are computed with."""
        return _each(jnp.asarray, self.arrays)

    def slice(self, start: int, stop: int) -> Arrays:
        """The draws in between, of one chain where some are not in memory: these have still to be read."""
        if stop - start == self.total and self.sharded:
            return self.arrays
        return {name: self._slice(x, start, stop) for name, x in self.arrays.items()}

    def _slice(self, x: Any, start: int, stop: int) -> Any:
        if len(self.shape) < 2 or _is_in_memory(x):
            return x[start:stop]
        chain, first = divmod(start, self.per_chain)
        return x[chain, first : first + stop - start]

    def one(self) -> Arrays:
        """Shapes of one draw, for the compiler."""
        shapes = {}
        for name, x in self.arrays.items():
            leading = 1 if _is_in_memory(x) else len(self.shape)
            dtype = jax.dtypes.canonicalize_dtype(x.dtype)
            shapes[name] = jax.ShapeDtypeStruct(x.shape[leading:], dtype)
        return shapes


def _flat(x: Any, ndims: int) -> Any:
    """With one dimension of draws in place of ``ndims``."""
    x = x if _is_sharded(x) else np.asarray(x)
    draws = int(np.prod(x.shape[:ndims]))
    return x.reshape(draws, *x.shape[ndims:])


def _is_in_memory(x: Any) -> bool:
    return isinstance(x, (np.ndarray, jax.Array))


def _is_sharded(x: Any) -> bool:
    return isinstance(x, jax.Array) and len(x.sharding.device_set) > 1


class Compiled:
    """A function of arrays that never runs Python again: NumPyro's stack of handlers is one a process.

    Pickled it is the bytes of ``jax.export``, so that no process that loads it needs the model.
    """

    def __init__(self, function: Callable[..., Any], inputs: tuple[Any, ...], sharded: bool = False):
        self.x64 = _x64()
        self.function, self.inputs = jax.jit(function), inputs
        with ONE_RUN_AT_A_TIME:
            lowered = self.function.lower(*inputs)
        # how draws are sharded is seen when they come
        self.call = self.function if sharded else lowered.compile()

    def __call__(self, *inputs: Any) -> Any:
        return self.call(*inputs)

    @functools.cached_property
    def exported(self) -> bytes:
        return exported(self.function, self.inputs)

    def __reduce__(self) -> Any:
        return Loaded, (self.exported, self.x64)


def exported(function: Any, inputs: tuple[Any, ...], platforms: Sequence[str] | None = None) -> bytes:
    """What ``jax.export`` makes of a function, for these platforms; by default for this one."""
    export = _export().export(function, platforms=platforms)
    with ONE_RUN_AT_A_TIME:
        return bytes(export(*inputs).serialize())


def _export() -> Any:
    try:
        import flatbuffers  # noqa: F401 - in which JAX writes
        from jax import export
    except ImportError as error:
        raise OptionError(
            f"A file, or another process, gets what was compiled from jax.export, which needs JAX 0.4.30 or later and "
            f"flatbuffers ({error}): pip install flatbuffers. Threads of this process need neither: "
            f"compute(scheduler='threads')."
        ) from error
    return export


@dataclass(frozen=True)
class Loaded:
    """What a `Compiled` is in another process."""

    data: bytes
    x64: bool

    def __call__(self, *inputs: Any) -> Any:
        return self.program()(*inputs)

    def program(self) -> Callable[..., Any]:
        """What runs; where the numbers would not be those of the process that compiled, an error."""
        if self.x64 != _x64():
            raise OptionError(
                f"This was compiled with jax_enable_x64={self.x64}, and this process has the other setting: set "
                f"JAX_ENABLE_X64={int(self.x64)} in the environment of the workers, or of this process."
            )
        return _program(self.data)


@functools.lru_cache
def _program(data: bytes) -> Callable[..., Any]:
    """One for all tasks of a worker, each of which is unpickled."""
    return jax.jit(_export().deserialize(bytearray(data)).call)


def _x64() -> bool:
    return bool(jax.config.jax_enable_x64)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Batch:
    """A compiled function of ``(keys, draws, inputs)``, to be run over batches of ``size`` draws in pieces.

    The last piece overlaps the one before, since all have the same number of draws. Where one piece holds all draws
    it is a function of one key, which it splits itself.
    """

    function: Any
    piece: int
    size: int
    outputs: Arrays  # shape and dtype of what one draw gives
    parts: Parts  # outputs that stand for a site
    is_whole: bool = False  # one piece holds all draws

    @classmethod
    def of(
        cls, one: Callable[..., Arrays], draws: Draws, inputs: Any, size: int | None, lazy: bool, parts: Parts
    ) -> Batch:
        """Compile ``one(key, draw, inputs)`` for pieces of these draws; ``size`` as said, if it was."""
        inputs = _each(lambda x: abstract(jnp.asarray(x)), inputs)
        key = abstract(jax.random.key_data(jax.random.PRNGKey(0)))
        draw = draws.one()
        with ONE_RUN_AT_A_TIME:
            outputs = jax.eval_shape(one, key, draw, inputs)
        each = sum(x.size * x.dtype.itemsize for x in outputs.values()) or 1
        if size is None:
            size = max(1, _CHUNK // each) if lazy else draws.total
        size = min(size, draws.per_chain if lazy else draws.unbroken)
        pieces = 1 if draws.sharded else -(-size // max(1, _PIECE // each))
        piece = -(-size // pieces)
        keys, function = _several(key, piece), jax.vmap(one, (0, 0, None))
        is_whole = piece == draws.total and draws.in_memory and not (lazy or draws.sharded)
        if is_whole:
            function, keys = _of_one_key(function, piece), key
        compiled = Compiled(function, (keys, _several(draw, piece), inputs), draws.sharded)
        return cls(compiled, piece, size, outputs, parts, is_whole)

    def __call__(self, keys: Any, draws: Arrays, inputs: Any, take: int) -> Arrays:
        """The last ``take`` draws of those passed."""
        result = self._empty(len(keys))
        self._fill(result, keys, draws, inputs)
        return _rows(result, slice(-take, None))

    def _empty(self, n: int) -> Arrays:
        return _each(lambda x: np.empty((n, *x.shape), x.dtype), self.outputs)

    def at_once(self, key: Any, draws: Draws, inputs: Any) -> Arrays:
        """All draws by one call."""
        found = self._run(key, draws.held, inputs)
        return _by_chain(_each(np.array, found), draws)

    def _run(self, keys: Any, draws: Arrays, inputs: Any) -> Arrays:
        """What comes out of a piece. A mean that does not exist is an error."""
        found: Arrays = _each(np.asarray, self.function(keys, draws, inputs))
        for name, part in self.parts.items():
            if part.is_mean and not np.isfinite(found[name]).all():
                raise no_mean(part, "is NaN or infinite")
        return found

    def _fill(self, result: Arrays, keys: Any, draws: Arrays, inputs: Any) -> None:
        """Run piece by piece."""
        n, piece = len(keys), self.piece
        inputs = _each(jnp.asarray, inputs)
        # what was not in memory is read here
        draws = _each(lambda x: x if _is_in_memory(x) else np.asarray(x), draws)
        for stop in range(piece, n + piece, piece):
            stop = min(stop, n)
            rows = slice(stop - piece, stop)
            some = draws if piece == n else _rows(draws, rows)
            for name, values in self._run(keys[rows], some, inputs).items():
                result[name][rows] = values

    def _steps(self, total: int, unbroken: int) -> Iterator[tuple[int, int, int]]:
        """From where to where the batches read, and how many draws they give: a short one reads some before it."""
        for first in range(0, total, unbroken):
            for start in range(first, first + unbroken, self.size):
                stop = min(start + self.size, first + unbroken)
                yield min(start, stop - self.piece), stop, stop - start

    def now(self, keys: Any, draws: Draws, inputs: Any, progress_bar: bool) -> Arrays:
        """All draws, of shape ``(*batch shape, ...)``."""
        result = self._empty(draws.total)
        steps = [*self._steps(draws.total, draws.unbroken)]
        for start, stop, _ in tqdm(steps, disable=len(steps) == 1 or not progress_bar):
            part = _rows(result, slice(start, stop))
            self._fill(part, keys[start:stop], draws.slice(start, stop), inputs)
        return _by_chain(result, draws)

    def later(self, keys: Any, draws: Draws, inputs: Any) -> Arrays:
        """The same as dask arrays, a batch a chunk. No chunk crosses chains."""
        try:
            import dask
            import dask.array as da
        except ImportError as error:
            raise OptionError(f"lazy=True needs dask ({error}): pip install dask.") from error

        run, inputs = dask.delayed(self, pure=False), dask.delayed(inputs, pure=False)
        batches = []
        for start, stop, take in self._steps(draws.total, draws.per_chain):
            batches.append((take, run(keys[start:stop], draws.slice(start, stop), inputs, take)))
        chains = range(0, draws.total, draws.per_chain)
        found = {}
        for name, x in self.outputs.items():
            chunks = []
            for take, batch in batches:
                chunks.append(da.from_delayed(batch[name], (take, *x.shape), x.dtype))
            whole = da.concatenate(chunks)
            by_chain = da.stack([whole[first : first + draws.per_chain] for first in chains])
            found[name] = by_chain[(0,) * (2 - len(draws.shape))]  # without dimensions that these draws have not
        return found


def _several(shapes: Any, n: int) -> Any:
    """Shapes of so many of them."""
    return _each(lambda x: jax.ShapeDtypeStruct((n, *x.shape), x.dtype), shapes)


def _rows(arrays: Arrays, rows: slice) -> Arrays:
    return _each(lambda x: x[rows], arrays)


def _by_chain(arrays: Arrays, draws: Draws) -> Arrays:
    return _each(lambda x: x.reshape(draws.shape + x.shape[1:]), arrays)


def split(key: Any, n: int) -> Any:
    """One key a draw, as stock has them: it does not split for one draw."""
    return jax.random.split(key, n) if n > 1 else key[None]


def _of_one_key(function: Callable[..., Any], n: int) -> Callable[..., Any]:
    return lambda key, draws, inputs: function(split(key, n), draws, inputs)
