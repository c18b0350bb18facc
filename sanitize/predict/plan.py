"""What calls with one signature run, and how their answers are labelled."""

from __future__ import annotations

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
    """Draws, what is compiled for them, and an answer without its numbers: labels are made once."""

    draws: Draws
    batch: Batch
    template: xr.Dataset

    def answer(self, rng_key: Any, inputs: Any, lazy: bool, progress_bar: bool) -> xr.Dataset:
        """Predict with one key for all draws."""
        batch, draws = self.batch, self.draws
        if batch.is_whole:
            raw = rng_key if isinstance(rng_key.dtype, np.dtype) else jax.random.key_data(rng_key)
            return self.template.copy(data=batch.at_once(raw, draws, inputs))
        keys = np.asarray(jax.random.key_data(split(rng_key, draws.total)))
        if lazy:
            return self.template.copy(data=batch.later(keys, draws, inputs))
        return self.template.copy(data=batch.now(keys, draws, inputs, progress_bar))


def template(
    of_draws: xr.Dataset,
    draws: Draws,
    outputs: Mapping[str, Any],
    dims: Mapping[str, tuple[Hashable, ...]],
    coords: Mapping[str, Any],
) -> xr.Dataset:
    """A Dataset of the shapes that outputs have, without memory for numbers."""
    variables = {}
    for name, own in dims.items():
        zero = np.zeros((), outputs[name].dtype)
        variables[name] = own, np.broadcast_to(zero, (*draws.shape, *outputs[name].shape))
    labels = {name: (name, np.asarray(values)) for name, values in coords.items()}
    return of_draws.assign(variables).assign_coords(labels)
