"""What calls with one signature run, and how their answers are labelled."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from .compiled import Batch, Draws, split
from .labels import Labels

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
    coords: xr.Dataset, of_draws: Mapping[Hashable, int], outputs: Mapping[str, Any], labels: Labels
) -> xr.Dataset:
    """A Dataset of the shapes that outputs have, without memory for numbers; ``coords`` are those of the draws."""
    variables = {}
    for name, dims in labels.names.items():
        output = outputs[name]
        zero = np.zeros((), output.dtype)
        variables[name] = (*of_draws, *dims), np.broadcast_to(zero, (*of_draws.values(), *output.shape))
    own = {name: (name, np.asarray(values)) for name, values in labels.coords.items()}
    return coords.assign(variables).assign_coords(own)
