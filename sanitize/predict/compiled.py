"""A function compiled ahead of time, and how it runs over draws: in pieces, in batches, now or when dask says so."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm.auto import tqdm

from ..errors import OptionError
from ..kinds import Shape
from ..model.argument import abstract
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

    An array that is not in memory keeps its chains; it is only sliced. An array that is sharded stays on its devices.
    """

    arrays: Arrays
    shape: Shape  # chains and draws, or draws, or nothing

    @classmethod
    def of(cls, arrays: Arrays, shape: Shape) -> Draws:
        """Of arrays that have chains and draws leading."""
        # where no entry is left, one that is not a site carries the number of draws
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
        """The number of draws that can be read at once: what is not in memory is read chain by chain."""
        return self.total if self.in_memory else self.per_chain

    @functools.cached_property
    def held(self) -> Arrays:
        """All draws as JAX's arrays."""
        return _each(jnp.asarray, self.arrays)

    def slice(self, start: int, stop: int) -> Arrays:
        """The draws from ``start`` to ``stop``. They are of one chain where some arrays are not in memory."""
        length = stop - start
        if length == self.total and self.sharded:
            return self.arrays
        chain, first = divmod(start, self.per_chain)
        found = {}
        for name, x in self.arrays.items():
            if len(self.shape) < 2 or _is_in_memory(x):
                found[name] = x[start:stop]
            else:
                found[name] = x[chain, first : first + length]
        return found

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
    if not _is_sharded(x):
        x = np.asarray(x)
    draws, of_one = x.shape[:ndims], x.shape[ndims:]
    return x.reshape(int(np.prod(draws)), *of_one)


def _is_in_memory(x: Any) -> bool:
    return isinstance(x, (np.ndarray, jax.Array))


def _is_sharded(x: Any) -> bool:
    return isinstance(x, jax.Array) and len(x.sharding.device_set) > 1


class Compiled:
    """A function of arrays that never runs Python again: a process has only one stack of NumPyro's handlers.

    Its pickle is the bytes of ``jax.export``, so that a process that loads it does not need the model.
    """

    def __init__(self, function: Callable[..., Any], inputs: tuple[Any, ...], sharded: bool = False):
        self.x64 = _x64()
        self.function, self.inputs = jax.jit(function), inputs
        with ONE_RUN_AT_A_TIME:
            lowered = self.function.lower(*inputs)
        # how draws are sharded is known at the call only
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
            "A file, or another process, gets what was compiled from jax.export, which needs JAX 0.4.30 or later and "
            f"flatbuffers ({error}): pip install flatbuffers. Threads of this process need neither: "
            "compute(scheduler='threads')."
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
        """What runs. It is an error where the numbers would not be those of the process that compiled."""
        if self.x64 != _x64():
            raise OptionError(
                f"This was compiled with jax_enable_x64={self.x64}, and this process has the other setting: set "
                f"JAX_ENABLE_X64={int(self.x64)} in the environment of the workers, or of this process."
            )
        return _program(self.data)


@functools.lru_cache
def _program(data: bytes) -> Callable[..., Any]:
    """One for all tasks of a worker: each task is unpickled anew."""
    program = _export().deserialize(bytearray(data))
    return jax.jit(program.call)


def _x64() -> bool:
    return bool(jax.config.jax_enable_x64)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Batch:
    """A compiled function of ``(keys, draws, inputs)``, which runs over batches of ``size`` draws in pieces.

    All pieces have the same number of draws, so that the last one overlaps the one before. Where one piece holds all
    draws it is a function of one key, which it splits itself.
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
        """Compile ``one(key, draw, inputs)`` for pieces of these draws. ``size`` is what the user passed."""
        inputs = _each(lambda x: abstract(jnp.asarray(x)), inputs)
        key = abstract(jax.random.key_data(jax.random.PRNGKey(0)))
        draw = draws.one()
        with ONE_RUN_AT_A_TIME:
            outputs = jax.eval_shape(one, key, draw, inputs)
        size, piece = _lengths(draws, outputs, size, lazy)
        is_whole = piece == draws.total and draws.in_memory and not (lazy or draws.sharded)
        function, keys = jax.vmap(one, (0, 0, None)), _several(key, piece)
        if is_whole:
            function, keys = _of_one_key(function, piece), key
        shapes = keys, _several(draw, piece), inputs
        compiled = Compiled(function, shapes, draws.sharded)
        return cls(compiled, piece, size, outputs, parts, is_whole)

    def __call__(self, keys: Any, draws: Arrays, inputs: Any, take: int) -> Arrays:
        """The last ``take`` draws of those passed."""
        result = self._empty(len(keys))
        self._fill(result, keys, draws, inputs)
        return _rows(result, slice(-take, None))

    def _empty(self, n: int) -> Arrays:
        return {name: np.empty((n, *x.shape), x.dtype) for name, x in self.outputs.items()}

    def at_once(self, key: Any, draws: Draws, inputs: Any) -> Arrays:
        """All draws by one call."""
        found = _each(np.array, self._run(key, draws.held, inputs))
        return _by_chain(found, draws)

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
        """Where each batch starts and stops to read, and how many draws it gives: a short one reads some before."""
        for first in range(0, total, unbroken):
            end = first + unbroken
            for start in range(first, end, self.size):
                stop = min(start + self.size, end)
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
        """The same as dask arrays, with one batch a chunk. No chunk crosses chains."""
        try:
            import dask
            import dask.array as da
        except ImportError as error:
            raise OptionError(f"lazy=True needs dask ({error}): pip install dask.") from error

        run, inputs = dask.delayed(self, pure=False), dask.delayed(inputs, pure=False)
        batches = []
        for start, stop, take in self._steps(draws.total, draws.per_chain):
            some = draws.slice(start, stop)
            batch = run(keys[start:stop], some, inputs, take)
            batches.append((take, batch))
        chains = range(0, draws.total, draws.per_chain)
        found = {}
        for name, x in self.outputs.items():
            chunks = []
            for take, batch in batches:
                chunks.append(da.from_delayed(batch[name], (take, *x.shape), x.dtype))
            whole = da.concatenate(chunks)
            by_chain = da.stack([whole[first : first + draws.per_chain] for first in chains])
            missing = 2 - len(draws.shape)
            found[name] = by_chain[(0,) * missing]
        return found


def _lengths(draws: Draws, outputs: Arrays, size: int | None, lazy: bool) -> tuple[int, int]:
    """How many draws a batch has, and a piece of it. ``size`` is what the user passed."""
    of_one = sum(x.size * x.dtype.itemsize for x in outputs.values())
    of_one = max(of_one, 1)
    if size is None:
        size = max(1, _CHUNK // of_one) if lazy else draws.total
    size = min(size, draws.per_chain if lazy else draws.unbroken)
    if draws.sharded:
        return size, size
    most = max(1, _PIECE // of_one)
    pieces = math.ceil(size / most)
    return size, math.ceil(size / pieces)


def _several(shapes: Any, n: int) -> Any:
    """The same shapes with ``n`` in front."""
    return _each(lambda x: jax.ShapeDtypeStruct((n, *x.shape), x.dtype), shapes)


def _rows(arrays: Arrays, rows: slice) -> Arrays:
    return _each(lambda x: x[rows], arrays)


def _by_chain(arrays: Arrays, draws: Draws) -> Arrays:
    return _each(lambda x: x.reshape(draws.shape + x.shape[1:]), arrays)


def split(key: Any, n: int) -> Any:
    """One key a draw, as stock NumPyro has them: it does not split the key for one draw."""
    return jax.random.split(key, n) if n > 1 else key[None]


def _of_one_key(function: Callable[..., Any], n: int) -> Callable[..., Any]:
    return lambda key, draws, inputs: function(split(key, n), draws, inputs)
