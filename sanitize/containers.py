"""The shapes of entries out of a container of posterior samples, and the kept entries back into one.

Neither ArviZ nor xarray is imported here: whoever passes a container of theirs has done so.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any

import numpy as np
from numpyro.infer import MCMC

from .errors import OptionError, SamplesTypeError, listing

Shape = tuple[int, ...]

POSTERIOR = "posterior"


def entry_shapes(samples: Any, group: str = POSTERIOR) -> dict[str, Shape | None]:
    """Name -> recorded shape of every entry, chains and draws leading; None for a tree of arrays.

    Nothing is loaded or copied.
    """
    dataset = _dataset(samples, group)
    if dataset is None:
        return {name: _shape(name, value) for name, value in _mapping(samples).items()}
    leading = _sample_dims(dataset)
    shapes: dict[str, Shape | None] = {}
    for name in dataset.data_vars:
        variable = dataset.variables[name]
        _shape(name, variable)
        shapes[name] = tuple(variable.sizes[dim] for dim in _draws_first(variable.dims, leading))
    return shapes


def batch_ndims(samples: Any, group: str = POSTERIOR) -> int | None:
    """How many leading dimensions are chains and draws; None where the container does not tell."""
    if isinstance(samples, MCMC):
        return 1
    dataset = _dataset(samples, group)
    return None if dataset is None else len(_sample_dims(dataset))


def keep(samples: Any, names: Collection[str], group: str = POSTERIOR) -> Any:
    """A container of the same type with only these entries: the same array objects, in the same order."""
    dataset = _dataset(samples, group)
    if dataset is None:
        return _keep_in_mapping(samples, names)
    gone = [name for name in dataset.data_vars if name not in names]
    if dataset is samples:
        return _without(samples, gone)
    cleaned = (group, f"warmup_{group}")
    if _is_tree(samples):
        tree = samples.copy()
        nodes = [tree.children[name] for name in cleaned if name in tree.children] if has_groups(samples) else [tree]
        for node in nodes:
            node.dataset = _without(node.to_dataset(inherit=False), gone)
        return tree
    idata = copy.copy(samples)
    # one level deeper, so that neither the groups nor the list of them are shared
    vars(idata).update({name: copy.copy(value) for name, value in vars(samples).items()})
    for name in cleaned:
        if name in idata:
            setattr(idata, name, _without(idata[name], gone))
    return idata


def some_draws(samples: Any, group: str, ndims: int, names: Collection[str], most: int = 3) -> dict[str, Any]:
    """A few draws of these entries, evenly spread, of shape ``(draws, *per-draw shape)``: only these are loaded."""
    dataset = _dataset(samples, group)
    if dataset is not None:
        sizes = [dataset.sizes[dim] for dim in _sample_dims(dataset)]
        return posterior_samples(dataset[list(names)], num_samples=min(most, int(np.prod(sizes))))
    draws = {}
    for name, value in _mapping(samples).items():
        if name in names:
            batch = np.shape(value)[:ndims]
            total = int(np.prod(batch))
            chosen = [np.unravel_index(i * total // most, batch) for i in range(min(most, total))]
            draws[name] = np.stack([np.asarray(value[index]) for index in chosen])
    return draws


def has_groups(samples: Any) -> bool:
    """Whether it is an ``InferenceData``, or a ``DataTree`` that is not itself one group."""
    if _is_tree(samples):
        return bool(samples.children) or not samples.data_vars
    return isinstance(samples, _loaded("arviz.data.inference_data", "InferenceData"))


def data_group(samples: Any, group: str) -> dict[str, Any]:
    """The arrays of ``constant_data`` or ``observed_data`` by name, not loaded; empty where there is none."""
    if not (has_groups(samples) and group in _group_names(samples)):
        return {}
    dataset = _dataset(samples, group)
    return {name: dataset.variables[name] for name in dataset.data_vars}


def posterior_samples(samples: Any, group: str = POSTERIOR, num_samples: int | None = None) -> dict[str, np.ndarray]:
    """Give draws as NumPyro wants them: a dict of arrays with all chains' draws along the first axis.

    Parameters
    ----------
    samples : arviz.InferenceData, xarray.DataTree or xarray.Dataset
        Variables of shape ``(chain, draw, *per-draw shape)``, with these dimensions in any order. Other sample
        dimensions are those that the attribute ``sample_dims`` names, or ``sample``.
    group : str
        Which group, where the samples have groups.
    num_samples : int, optional
        Thin evenly to so many draws: only these are loaded.

    Returns
    -------
    dict of numpy.ndarray
        Of shape ``(draws, *per-draw shape)``, one chain after the other as in ``mcmc.get_samples()``.

    Raises
    ------
    SamplesTypeError
        If the samples are of another type.
    OptionError
        If there is no such group, or there are fewer draws than asked for.

    Notes
    -----
    ArviZ's ``extract`` puts the draws last, which ``Predictive`` takes for data.

    Examples
    --------
    >>> import numpy as np, xarray
    >>> from sanitize import posterior_samples
    >>> posterior = xarray.Dataset({"beta": (("chain", "draw", "feature"), np.zeros((4, 100, 3)))})
    >>> posterior_samples(posterior)["beta"].shape
    (400, 3)
    >>> posterior_samples(posterior, num_samples=50)["beta"].shape
    (50, 3)
    """
    dataset = _dataset(samples, group)
    if dataset is None:
        raise SamplesTypeError(
            f"The samples are a {type(samples).__name__}: posterior_samples reads an InferenceData, DataTree or "
            f"Dataset. A dict of draws, such as mcmc.get_samples() returns, is what Predictive wants already."
        )
    leading = _sample_dims(dataset)
    sizes = tuple(dataset.sizes[dim] for dim in leading)
    total = int(np.prod(sizes))
    if num_samples is not None:
        if isinstance(num_samples, bool) or not isinstance(num_samples, int) or not 1 <= num_samples <= total:
            raise OptionError(
                f"num_samples is {num_samples!r}: it has to be between 1 and {total}, as many as there are."
            )
        chosen = np.unravel_index(np.arange(num_samples) * total // num_samples, sizes)
        dataset = dataset.drop_vars(list(dataset.coords))  # labels of draws would only be in the way
        dataset = dataset.isel({dim: ("sample", index) for dim, index in zip(leading, chosen)})
        leading, sizes = ("sample",), (num_samples,)
    result = {}
    for name in dataset.data_vars:
        variable = dataset.variables[name]
        values = variable.transpose(*_draws_first(variable.dims, leading)).values
        result[name] = values.reshape(-1, *values.shape[len(leading) :])
    return result


def arrays(samples: Any, batch_ndims: int) -> dict[str, Any]:
    """Any container as the dict that NumPyro wants, with so many leading batch dimensions."""
    if isinstance(samples, MCMC):
        return dict(samples.get_samples(group_by_chain=batch_ndims == 2))
    if _dataset(samples, POSTERIOR) is None:
        return dict(_mapping(samples))
    draws: dict[str, Any] = posterior_samples(samples)
    if batch_ndims == 2:
        shapes = entry_shapes(samples)
        draws = {name: value.reshape(shapes[name]) for name, value in draws.items()}
    return draws


# ------------------------------------------------------------------------------------------ kinds of containers


def _loaded(module: str, name: str) -> Any:
    """A class of a module, if that has been imported, for ``isinstance``."""
    return getattr(sys.modules.get(module), name, ())


def _is_tree(samples: Any) -> bool:
    return isinstance(samples, _loaded("xarray", "DataTree"))


def _group_names(samples: Any) -> list[str]:
    return list(samples.children if _is_tree(samples) else samples)


def _dataset(samples: Any, group: str) -> Any:
    """The ``xarray.Dataset`` with the entries; None for containers that have none."""
    if isinstance(samples, _loaded("xarray", "Dataset")):
        return samples
    if has_groups(samples):
        if group not in _group_names(samples):
            raise OptionError(
                f"The {type(samples).__name__} has no group {group!r}: its groups are "
                f"{listing(_group_names(samples)) or 'none'}. Pass group=... to name one of them."
            )
        return samples.children[group].to_dataset() if _is_tree(samples) else samples[group]
    return samples.to_dataset() if _is_tree(samples) else None


def _sample_dims(dataset: Any) -> tuple[Hashable, ...]:
    """Chain and draw, or what the attribute of ArviZ 1 says (netCDF makes one name of a list of one)."""
    said = dataset.attrs.get("sample_dims", ())
    for dims in ([said] if isinstance(said, str) else said, ("chain", "draw"), ("sample",)):
        if found := tuple(dim for dim in dims if dim in dataset.dims):
            return found
    raise SamplesTypeError(
        f"The {type(dataset).__name__} has dimensions {listing(map(str, dataset.dims)) or 'none'}, and none of them is "
        f"'chain', 'draw' or 'sample': set its attribute sample_dims to the names of the dimensions that are draws."
    )


def _draws_first(dims: Iterable[Hashable], leading: Collection[Hashable]) -> list[Hashable]:
    dims = list(dims)
    return [dim for dim in leading if dim in dims] + [dim for dim in dims if dim not in leading]


def _without(dataset: Any, names: Collection[str]) -> Any:
    """The Dataset without these variables, and without the coordinates that only they used."""
    names = [name for name in names if name in dataset.data_vars]
    kept = {dim for name in dataset.data_vars if name not in names for dim in dataset.variables[name].dims}
    unused = {dim for name in names for dim in dataset.variables[name].dims} - kept
    coords = [name for name in dataset.coords if unused.intersection(dataset.variables[name].dims)]
    return dataset.drop_vars([*names, *coords])


def _mapping(samples: Any) -> Mapping[str, Any]:
    """The entries of all other kinds: a fitted ``MCMC``, a named tuple, a mapping."""
    entries = samples
    if isinstance(samples, MCMC):
        if samples.last_state is None:
            raise SamplesTypeError("The MCMC holds no samples: call its run method first.")
        entries = samples.get_samples()
    if hasattr(entries, "_asdict"):  # a named tuple, as BlackJAX and some kernels have for positions
        entries = entries._asdict()
    if not isinstance(entries, Mapping):
        raise SamplesTypeError(
            f"The samples are a {type(samples).__name__}, not a mapping of names to arrays: pass what "
            f"mcmc.get_samples() or guide.sample_posterior() returns, the MCMC itself, or ArviZ's InferenceData or "
            f"DataTree, as the second argument after the model."
        )
    return entries


def _keep_in_mapping(samples: Any, names: Collection[str]) -> Any:
    entries = _mapping(samples)
    kept = {name: entries[name] for name in entries if name in names}
    if type(entries) is dict:
        return kept
    if isinstance(entries, dict):  # a defaultdict, say, cannot be made from its items
        result = copy.copy(entries)
        result.clear()
        result.update(kept)
        return result
    try:
        return type(entries)(kept)  # type: ignore[call-arg]
    except Exception:  # an open file (`numpy.load`, h5py) is made from a path, if at all
        return kept


def _shape(name: Any, value: Any) -> Shape | None:
    if not isinstance(name, str):
        raise SamplesTypeError(f"The name of entry {name!r} is a {type(name).__name__}: site names are strings.")
    if isinstance(value, (Mapping, tuple)):
        return None
    if not hasattr(value, "shape"):
        try:
            value = np.asarray(value)
        except ValueError as error:  # a list of lists of different lengths
            raise SamplesTypeError(
                f"Entry {name!r} is a {type(value).__name__} that makes no array ({error}): give every draw the same "
                f"shape, or remove it."
            ) from None
    dtype = getattr(value, "dtype", None)
    kind = getattr(dtype, "kind", "f")
    if kind in "OSUMm" or getattr(dtype, "names", None):
        raise SamplesTypeError(
            f"Entry {name!r} is an array of dtype {value.dtype} and shape {tuple(value.shape)}: posterior samples "
            f"are arrays of numbers. Remove or convert it."
        )
    return tuple(int(n) for n in value.shape)
