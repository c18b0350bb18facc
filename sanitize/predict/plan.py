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
    """Draws, what is compiled for them, and an answer without its numbers: its labels are made only once."""

    draws: Draws
    batch: Batch
    template: xr.Dataset

    def answer(self, rng_key: Any, inputs: Any, lazy: bool, progress_bar: bool) -> xr.Dataset:
        """Predict with one key for all draws."""
        batch, draws = self.batch, self.draws
        if batch.is_whole:
            if not isinstance(rng_key.dtype, np.dtype):  # a typed key
                rng_key = jax.random.key_data(rng_key)
            values = batch.at_once(rng_key, draws, inputs)
            return self.template.copy(data=values)
        of_draws = split(rng_key, draws.total)
        keys = np.asarray(jax.random.key_data(of_draws))
        if lazy:
            values = batch.later(keys, draws, inputs)
            return self.template.copy(data=values)
        values = batch.now(keys, draws, inputs, progress_bar)
        return self.template.copy(data=values)


def template(
    coords: xr.Dataset, of_draws: Mapping[Hashable, int], outputs: Mapping[str, Any], labels: Labels
) -> xr.Dataset:
    """A Dataset of the shapes that outputs have, without memory for numbers; ``coords`` are those of the draws."""
    variables, own = {}, {}
    for name, dims in labels.names.items():
        output = outputs[name]
        zero = np.zeros((), output.dtype)
        shape = *of_draws.values(), *output.shape
        variables[name] = (*of_draws, *dims), np.broadcast_to(zero, shape)
    for name, values in labels.coords.items():
        own[name] = name, np.asarray(values)
    return coords.assign(variables).assign_coords(own)
