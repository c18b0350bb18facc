"""What calls with one signature run, and how their answers are labelled."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from .compiled import Batch, Draws

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Plan:
    """Draws, what is compiled for them, and the labels of what comes out."""

    draws: Draws
    batch: Batch
    dims: Mapping[str, tuple[Hashable, ...]]
    coords: Mapping[str, Any]
    of_draws: Any  # a Dataset of the coordinates of chains and draws
    attributes: Mapping[str, str]

    def answer(self, rng_key: Any, inputs: Any, lazy: bool, progress_bar: bool) -> xr.Dataset:
        """Predict with one key for all draws."""
        total = self.draws.total
        keys = jax.random.split(rng_key, total) if total > 1 else rng_key[None]
        keys = np.asarray(jax.random.key_data(keys))
        if lazy:
            return self._labelled(self.batch.later(keys, self.draws, inputs))
        return self._labelled(self.batch.now(keys, self.draws, inputs, progress_bar))

    def _labelled(self, arrays: Mapping[str, Any]) -> xr.Dataset:
        import xarray as xr

        answer = xr.Dataset() if self.of_draws is None else self.of_draws.copy()
        variables = {name: (dims, arrays[name]) for name, dims in self.dims.items()}
        coords = {name: (name, np.asarray(labels)) for name, labels in self.coords.items()}
        answer = answer.assign(variables).assign_coords(coords)
        answer.attrs = dict(self.attributes)
        return answer
