"""What calls with one signature run, and how their answers are labelled."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from .compiled import Batch, Draws, split

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
        batch, draws = self.batch, self.draws
        if batch.is_whole:
            raw = rng_key if isinstance(rng_key.dtype, np.dtype) else jax.random.key_data(rng_key)
            return self._labelled(batch.at_once(raw, draws, inputs))
        keys = np.asarray(jax.random.key_data(split(rng_key, draws.total)))
        arrays = batch.later(keys, draws, inputs) if lazy else batch.now(keys, draws, inputs, progress_bar)
        return self._labelled(arrays)

    def _labelled(self, arrays: Mapping[str, Any]) -> xr.Dataset:
        return self._template.copy(data={name: arrays[name] for name in self.dims})

    @functools.cached_property
    def _template(self) -> xr.Dataset:
        """An answer without its numbers: labels are made once."""
        import xarray as xr

        variables = {}
        for name, dims in self.dims.items():
            output = self.batch.outputs[name]
            variables[name] = (dims, np.broadcast_to(np.zeros((), output.dtype), (*self.draws.shape, *output.shape)))
        answer = xr.Dataset() if self.of_draws is None else self.of_draws.copy()
        coords = {name: (name, np.asarray(labels)) for name, labels in self.coords.items()}
        answer = answer.assign(variables).assign_coords(coords)
        answer.attrs = dict(self.attributes)
        return answer
