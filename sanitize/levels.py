"""`levels=`: the labels of a dimension in the order in which the model counts them."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .containers import Container, per_draw_dims
from .errors import OptionError, listing
from .model.inspection import Inspection
from .options import Options


class Level(NamedTuple):
    """A labelled dimension in the order that the user gives it."""

    labels: Sequence[Any]
    at: np.ndarray  # where its known labels stand
    among: np.ndarray  # which of the samples' labels these are
    unknown: list[Any]


Levels = Mapping[Hashable, Level]


def levels_of(samples: Container, options: Options) -> Levels:
    """Where the labels that the user names stand, and which of them the samples know."""
    return {dim: _level(samples, dim, labels) for dim, labels in options.levels.items()}


def in_order(samples: Container, levels: Levels) -> Container:
    """The samples in the order of the labels, as far as they know them."""
    moved = {}
    for dim, level in levels.items():
        if not np.array_equal(level.among, np.arange(len(samples.labels[dim]))):
            moved[dim] = level.among
    return samples.take(moved) if moved else samples


def settled_by_levels(
    inspection: Inspection, samples: Container, options: Options, levels: Levels, verbs: Mapping[str, str]
) -> Iterator[str]:
    """Entries that no verb names, and the labels settle: they say which groups, rows or steps the call has."""
    for name in inspection.run.named("latent"):
        verb = verbs.get(name)
        if name not in samples.shapes or verb == "redraw" or name in inspection.observable:
            continue
        shape = inspection.run.sites[name].shape or ()
        dims = per_draw_dims(samples, name)
        own = dims[len(dims) - len(shape) :]
        for dim, n in zip(own, shape):
            if dim not in levels:
                continue
            _refuse_other_number(name, dim, levels[dim], n)
            unknown = levels[dim].unknown
            if unknown and verb != "extend" and not options.extend_all:
                raise OptionError(
                    f"levels[{dim!r}] names {listing(map(str, unknown))}, for which the samples have no "
                    f"{name!r}. Pass {name!r} in extend= (sites= of sanitize.extend) to draw them given the others."
                )
            if name not in verbs:
                yield name


def _refuse_other_number(name: str, dim: Hashable, level: Level, n: int) -> None:
    if len(level.labels) != n:
        raise OptionError(
            f"levels[{dim!r}] has {len(level.labels)} labels, and {name!r} has {n} values along {dim!r} "
            "in the model with these arguments: give one label for each, in the model's order."
        )


def _level(samples: Container, dim: str, labels: Sequence[Any]) -> Level:
    if dim not in samples.labels:
        raise OptionError(
            f"levels names the dimension {dim!r}, and the samples label "
            f"{listing(map(str, samples.labels)) or 'none'}: pass an xarray.Dataset or ArviZ's InferenceData with "
            f"dims= and coords={{{dim!r}: [...]}}, the labels of the fit."
        )
    index = as_index(samples.labels[dim])
    labels = list(labels)
    if len({*labels}) < len(labels) or not index.is_unique:
        raise OptionError(
            f"levels[{dim!r}] names a label twice, or the samples do: it is not clear which values are meant."
        )
    found = index.get_indexer(labels)
    if (found < 0).all():
        raise OptionError(
            f"levels[{dim!r}] is {listing(map(str, labels))}, and the samples know none of them, but "
            f"{listing(map(str, index))}. If all of them are new, name the latents in redraw=."
        )
    known = found >= 0
    unknown = [label for label, is_known in zip(labels, known) if not is_known]
    return Level(labels, np.flatnonzero(known), found[known], unknown)


def as_index(labels: Any) -> Any:
    """The labels of a dimension as pandas' index."""
    import pandas as pd

    return pd.Index(labels)


def continued(name: str, dim: Hashable, index: Any, n: int) -> Any:
    """The coordinates of a dimension that has become longer: on by their step, where that is regular."""
    more = n - len(index)
    if hasattr(index, "freq"):  # dates
        found = _continued_dates(index, more)
        if found is not None:
            return found
    elif index.dtype.kind in "iuf":
        steps = np.diff(index.values)
        step = steps[0] if len(steps) else 1
        is_regular = np.allclose(steps, step, rtol=1e-5) and step
        if is_regular and (len(steps) > 1 or step == 1):
            later = index.values[-1] + step * np.arange(1, more + 1)
            return np.concatenate([index.values, later])
    raise OptionError(
        f"The samples label the dimension {dim!r} of {name!r}, {len(index)} of its values, and the model has {n}: pass "
        f"levels={{{dim!r}: [...]}} with {n} labels in the model's order, which tells the new ones from the fitted."
    )


def _continued_dates(index: Any, more: int) -> Any:
    """None where the dates have no regular step."""
    import pandas as pd

    if len(index) < 3:
        return None
    with warnings.catch_warnings():  # pandas is about to return an object in place of a text; either serves
        warnings.simplefilter("ignore")
        freq = pd.infer_freq(index)
    if freq is None:
        return None
    dates = pd.date_range(index[-1], periods=more + 1, freq=freq)
    return index.append(dates[1:]).values
