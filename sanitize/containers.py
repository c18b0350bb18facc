"""The shapes of entries out of a container of posterior samples, and the kept entries back into one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from .errors import SamplesTypeError

Shape = tuple[int, ...]


def entry_shapes(samples: Any) -> dict[str, Shape | None]:
    """Name -> recorded shape of every entry; None for a tree of arrays. Nothing is loaded or copied."""
    if not isinstance(samples, Mapping):
        raise SamplesTypeError(
            f"The samples are a {type(samples).__name__}, not a mapping of names to arrays: pass what "
            f"mcmc.get_samples() or guide.sample_posterior() returns, as the second argument after the model."
        )
    return {name: _shape(name, value) for name, value in samples.items()}


def keep(samples: Mapping[str, Any], names: Collection[str]) -> Any:
    """A container of the same type with only these entries: the same array objects, in the same order."""
    kept = {name: value for name, value in samples.items() if name in names}
    return kept if type(samples) is dict else type(samples)(kept)  # type: ignore[call-arg]


def _shape(name: str, value: Any) -> Shape | None:
    if not isinstance(name, str):
        raise SamplesTypeError(f"The name of entry {name!r} is a {type(name).__name__}: site names are strings.")
    if isinstance(value, (Mapping, tuple)):
        return None
    if not hasattr(value, "shape"):
        value = np.asarray(value)
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    if kind in "OSUM":
        raise SamplesTypeError(
            f"Entry {name!r} is an array of dtype {value.dtype} and shape {tuple(value.shape)}: posterior samples "
            f"are arrays of numbers. Remove or convert it."
        )
    return tuple(int(n) for n in value.shape)
