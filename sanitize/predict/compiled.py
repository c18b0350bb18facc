"""A function compiled ahead of time, and how it runs over draws: in pieces, in batches, now or when dask says so."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm.auto import tqdm

from ..errors import OptionError
from ..memory import Memory
from ..model.argument import Shape, abstract
from ..model.trace import ONE_RUN_AT_A_TIME
from .one_draw import no_mean
from .parameters import Parts

Arrays = dict[str, Any]

_PIECE = 4 * 2**20  # bytes that one piece puts out, so that it stays in the caches of the processor
_CHUNK = 64 * 2**20  # bytes of a chunk of a lazy answer, where no batch size was said


class Draws:
    """Draws of some entries, of shape ``(*batch shape, *per-draw shape)``, one chain after the other.

    What is not in memory is sliced only. What is sharded over devices stays there.
    """

    def __init__(self, arrays: Arrays, shape: Shape):
        self.shape, self.total = shape, int(np.prod(shape))
        # an entry that is not a site carries the number of draws, where no other is left
        arrays = arrays or {"_draws": np.zeros(shape)}
        self.arrays = {name: self._flat(x) for name, x in arrays.items()}
        self.sharded = any(_is_sharded(x) for x in arrays.values())

    def _flat(self, x: Any) -> Any:
        if not _is_in_memory(x):
            return x
        x = x if _is_sharded(x) else np.asarray(x)
        return x.reshape(self.total, *x.shape[len(self.shape) :])

    def with_drawn(self, arrays: Mapping[str, Any], ndims: int) -> Draws:
        """With other arrays of some entries, of ``ndims`` leading dimensions."""
        draws = copy.copy(self)
        vars(draws).pop("held", None)
        draws.arrays = {**self.arrays, **{name: x.reshape(self.total, *x.shape[ndims:]) for name, x in arrays.items()}}
        return draws

    def slice(self, start: int, stop: int) -> Arrays:
        """The draws in between; what is not in memory has still to be read."""
        if stop - start == self.total and self.sharded:
            return self.arrays
        return {name: self._slice(x, start, stop) for name, x in self.arrays.items()}

    def _slice(self, x: Any, start: int, stop: int) -> Any:
        if not self.shape and not _is_in_memory(x):
            return np.asarray(x)[None]
        if len(self.shape) < 2 or _is_in_memory(x):
            return x[start:stop]
        parts, per_chain = [], self.shape[1]
        for chain in range(start // per_chain, (stop - 1) // per_chain + 1):
            first = chain * per_chain
            parts.append(x[chain, max(start - first, 0) : min(stop - first, per_chain)])
        return parts[0] if len(parts) == 1 else np.concatenate([np.asarray(part) for part in parts])

    @functools.cached_property
    def held(self) -> Arrays:
        """All of them where they are computed with."""
        return {name: jnp.asarray(x) for name, x in self.arrays.items()}

    @property
    def in_memory(self) -> bool:
        return all(map(_is_in_memory, self.arrays.values()))

    def one(self) -> Arrays:
        """Shapes of one draw, for the compiler."""
        shapes = {}
        for name, x in self.arrays.items():
            leading = 1 if _is_in_memory(x) else len(self.shape)
            shapes[name] = jax.ShapeDtypeStruct(x.shape[leading:], jax.dtypes.canonicalize_dtype(x.dtype))
        return shapes


def _is_in_memory(x: Any) -> bool:
    return isinstance(x, (np.ndarray, jax.Array))


def _is_sharded(x: Any) -> bool:
    return isinstance(x, jax.Array) and len(x.sharding.device_set) > 1


class Compiled:
    """A function of arrays that never runs Python again: NumPyro's stack of handlers is one a process.

    Pickled it is the bytes of ``jax.export``, so that no process that loads it needs the model.
    """

    def __init__(self, function: Callable[..., Any], inputs: tuple[Any, ...], sharded: bool = False):
        self.x64 = jax.config.jax_enable_x64  # type: ignore[attr-defined]
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
        return _loaded, (self.exported, self.x64)


def exported(function: Any, inputs: tuple[Any, ...], platforms: Sequence[str] | None = None) -> bytes:
    """What ``jax.export`` makes of a function, for these platforms; by default for this one."""
    export = _export()
    with ONE_RUN_AT_A_TIME:
        return bytes(export.export(function, platforms=platforms)(*inputs).serialize())


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


class Loaded:
    """What a `Compiled` is in another process."""

    def __init__(self, data: bytes, x64: bool):
        self.data, self.x64 = data, x64
        self.call = jax.jit(_export().deserialize(bytearray(data)).call)

    def __call__(self, *inputs: Any) -> Any:
        self.refuse_other_precision()
        return self.call(*inputs)

    def refuse_other_precision(self) -> None:
        """The numbers would not be those of the process that compiled."""
        if self.x64 != jax.config.jax_enable_x64:  # type: ignore[attr-defined]
            raise OptionError(
                f"This was compiled with jax_enable_x64={self.x64}, and this process has the other setting: set "
                f"JAX_ENABLE_X64={int(self.x64)} in the environment of the workers, or of this process."
            )

    def __reduce__(self) -> Any:
        return _loaded, (self.data, self.x64)


_LOADED = Memory[Loaded]()


def _loaded(data: bytes, x64: bool) -> Loaded:
    return _LOADED.get((data, x64)) or _LOADED.keep((data, x64), Loaded(data, x64))


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
        cls, one: Callable[..., Arrays], draws: Draws, inputs: Any, size: int | None, by_chain: bool, parts: Parts
    ) -> Batch:
        """Compile ``one(key, draw, inputs)`` for pieces of these draws; ``size`` as said, if it was."""
        inputs = jax.tree_util.tree_map(lambda x: abstract(jnp.asarray(x)), inputs)
        given = abstract(jax.random.key_data(jax.random.PRNGKey(0))), draws.one()
        with ONE_RUN_AT_A_TIME:
            outputs = jax.eval_shape(one, *given, inputs)
        each = max(1, sum(x.size * x.dtype.itemsize for x in outputs.values()))
        most = draws.shape[-1] if by_chain and draws.shape else draws.total
        if size is None:
            size = max(1, _CHUNK // each) if by_chain else most
        size = min(most, size)
        pieces = 1 if draws.sharded else -(-size // max(1, _PIECE // each))
        n = -(-size // pieces)
        keys, of_draws = jax.tree_util.tree_map(lambda x: jax.ShapeDtypeStruct((n, *x.shape), x.dtype), given)
        function = jax.vmap(one, (0, 0, None))
        is_whole = n == draws.total and draws.in_memory and not (by_chain or draws.sharded)
        if is_whole:
            function, keys = _of_one_key(function, n), given[0]
        return cls(Compiled(function, (keys, of_draws, inputs), draws.sharded), n, size, outputs, parts, is_whole)

    def __call__(self, keys: Any, draws: Arrays, inputs: Any, take: int) -> Arrays:
        """The last ``take`` draws of those passed."""
        result = self._empty(len(keys))
        self._fill(result, keys, draws, inputs)
        return {name: x[-take:] for name, x in result.items()}

    def _empty(self, n: int) -> Arrays:
        return {name: np.empty((n, *x.shape), x.dtype) for name, x in self.outputs.items()}

    def at_once(self, key: Any, draws: Draws, inputs: Any) -> Arrays:
        """All draws by one call."""
        found = {}
        for name, values in self.function(key, draws.held, inputs).items():
            self._refuse_no_mean(name, values := np.array(values))
            found[name] = values.reshape(*draws.shape, *values.shape[1:])
        return found

    def _refuse_no_mean(self, name: str, values: Any) -> None:
        part = self.parts.get(name)
        if part and part.is_mean and not np.isfinite(values).all():
            raise no_mean(part, "is NaN or infinite")

    def _fill(self, result: Arrays, keys: Any, draws: Arrays, inputs: Any) -> None:
        """Run piece by piece."""
        n, piece = len(keys), self.piece
        inputs = jax.tree_util.tree_map(jnp.asarray, inputs)
        draws = {name: x if isinstance(x, jax.Array) else np.asarray(x) for name, x in draws.items()}
        for stop in range(piece, n + piece, piece):
            stop = min(stop, n)
            rows = slice(stop - piece, stop)
            some = draws if piece == n else {name: x[rows] for name, x in draws.items()}
            for name, values in self.function(keys[rows], some, inputs).items():
                values = np.asarray(values)
                self._refuse_no_mean(name, values)
                result[name][rows] = values

    def _steps(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """From where to where the batches read, and how many draws they give: a short one reads some before it."""
        for i in range(start, stop, self.size):
            end = min(i + self.size, stop)
            yield min(i, end - self.piece), end, end - i

    def now(self, keys: Any, draws: Draws, inputs: Any, progress_bar: bool) -> Arrays:
        """All draws, of shape ``(*batch shape, ...)``."""
        result = self._empty(draws.total)
        steps = [*self._steps(0, draws.total)]
        for start, stop, _ in tqdm(steps, disable=len(steps) == 1 or not progress_bar):
            part = {name: x[start:stop] for name, x in result.items()}
            self._fill(part, keys[start:stop], draws.slice(start, stop), inputs)
        return {name: x.reshape(*draws.shape, *x.shape[1:]) for name, x in result.items()}

    def later(self, keys: Any, draws: Draws, inputs: Any) -> Arrays:
        """The same as dask arrays, a batch a chunk. No chunk crosses chains."""
        try:
            import dask
            import dask.array as da
        except ImportError as error:
            raise OptionError(f"lazy=True needs dask ({error}): pip install dask.") from error

        run, inputs = dask.delayed(self, pure=False), dask.delayed(inputs, pure=False)
        per_chain = draws.shape[-1] if draws.shape else 1
        batches = []
        for first in range(0, draws.total, per_chain):
            for start, stop, take in self._steps(first, first + per_chain):
                batches.append((take, run(keys[start:stop], draws.slice(start, stop), inputs, take)))
        per_output = {}
        for name, x in self.outputs.items():
            chunks = [da.from_delayed(batch[name], (take, *x.shape), x.dtype) for take, batch in batches]
            each = len(chunks) * per_chain // draws.total  # of one chain
            chains = [da.concatenate(chunks[i : i + each]) for i in range(0, len(chunks), each)]
            if len(draws.shape) == 2:
                per_output[name] = da.stack(chains)
            else:
                per_output[name] = chains[0] if draws.shape else chains[0][0]
        return per_output


def split(key: Any, n: int) -> Any:
    """One key a draw, as stock has them: it does not split for one draw."""
    return jax.random.split(key, n) if n > 1 else key[None]


def _of_one_key(function: Callable[..., Any], n: int) -> Callable[..., Any]:
    return lambda key, draws, inputs: function(split(key, n), draws, inputs)
