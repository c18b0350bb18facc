"""What users may pass, for type checkers. Samples are typed by structure, since NumPyro has no types for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar


class Dataset(Protocol):
    """An ``xarray.Dataset`` or ``xarray.DataTree``."""

    @property
    def data_vars(self) -> Any: ...
    @property
    def isel(self) -> Any: ...


class InferenceData(Protocol):
    """An ``arviz.InferenceData``, which ArviZ has no more since version 1."""

    @property
    def groups(self) -> Any: ...
    @property
    def isel(self) -> Any: ...


class HasSamples(Protocol):
    """A fitted ``MCMC``."""

    @property
    def get_samples(self) -> Any: ...


class HasFields(Protocol):
    """A named tuple of arrays, as BlackJAX has."""

    @property
    def _asdict(self) -> Any: ...


# What comes back as what it was, and what comes back as a dict.
Same = TypeVar("Same", bound=Mapping[str, Any] | Dataset | InferenceData)
Converted: TypeAlias = HasSamples | HasFields
Samples: TypeAlias = Mapping[str, Any] | Dataset | InferenceData | Converted

OneOrMore: TypeAlias = str | Sequence[str]  # names
Model: TypeAlias = Callable[..., Any]
Args: TypeAlias = tuple[Any, ...]
Kwargs: TypeAlias = Mapping[str, Any]
Shape: TypeAlias = tuple[int, ...]
