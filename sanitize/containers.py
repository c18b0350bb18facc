"""What samples tell, whatever they are kept in: a kind of container is one class, opened at one door. Knows no model.

Neither ArviZ nor xarray is imported here: whoever passes a container of theirs has done so.
"""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Any

import numpy as np
from numpyro.infer import MCMC
from numpyro.infer.autoguide import AutoGuide
from numpyro.infer.svi import SVIRunResult

from .errors import OptionError, SamplesTypeError, a, listing
from .kinds import Dataset, InferenceData

Shape = tuple[int, ...]

POSTERIOR = "posterior"

_SAMPLE_POSTERIOR = "guide.sample_posterior(rng_key, svi_result.params, sample_shape=(1000,))"


def open(samples: Any, group: str = POSTERIOR) -> Container:
    """The container of samples; ``group`` says where the draws are, if it has groups. A new kind is one line here."""
    kinds: tuple[tuple[Any, Callable[[Any], Container]], ...] = (
        (MCMC, Fitted),
        (_loaded("xarray", "Dataset"), Labelled),
        (_loaded("xarray", "DataTree"), lambda t: Tree(t, group) if t.children or not t.data_vars else Node(t)),
        (_loaded("arviz.data.inference_data", "InferenceData"), lambda idata: Groups(idata, group)),
        (object, Entries),
    )
    return next(make(samples) for kind, make in kinds if isinstance(samples, kind))


# What people pass for samples, by the name of its type, and what is to be said of it.
_MISTAKEN = {
    "str": " (a path? load it, as by az.from_netcdf({!r}))",
    "PosixPath": " (a path: load it, as by az.from_netcdf({!r}))",
    "DataFrame": " (a table such as az.summary's holds no draws)",
}


class Entries:
    """A mapping of arrays, a named tuple (as BlackJAX and some kernels have for positions), an open file."""

    batch_ndims: int | None = None  # how many leading dimensions are chains and draws; None: it does not tell
    arguments: tuple[tuple[Any, ...], Mapping[str, Any]] | None = None  # that the fit had, if it tells
    constant_data: Mapping[str, Any] = {}  # arrays recorded beside the draws, not loaded
    observed_data: Mapping[str, Any] = {}
    dims: Mapping[str, tuple[Hashable, ...]] = {}  # names of the dimensions of an entry, if it has any
    labels: Mapping[Hashable, Any] = {}  # dimension of an entry -> its coordinate, an array

    def __init__(self, samples: Any):
        if isinstance(samples, (SVIRunResult, AutoGuide)):
            raise SamplesTypeError(f"The samples are {a(samples)}, which holds no draws: pass {_SAMPLE_POSTERIOR}.")
        entries = samples._asdict() if hasattr(samples, "_asdict") else samples
        if not isinstance(entries, Mapping):
            what = next((what for kind, what in _MISTAKEN.items() if kind == type(samples).__name__), "")
            raise SamplesTypeError(
                f"The samples are {a(samples)}, not a mapping of names to arrays{what.format(samples)}: pass what "
                f"mcmc.get_samples() or guide.sample_posterior() returns, the MCMC itself, or ArviZ's InferenceData or "
                f"DataTree, as the second argument after the model."
            )
        self.entries = entries
        # name -> recorded shape of every entry, chains and draws leading; None for a tree of arrays
        self.shapes = {name: _shape(name, value) for name, value in entries.items()}

    def some_draws(self, names: Collection[str], ndims: int, most: int = 3) -> dict[str, Any]:
        """A few draws of these entries, evenly spread, ``(draws, *per-draw shape)``: only these are loaded."""
        draws = {}
        for name in names:
            batch = np.shape(self.entries[name])[:ndims]
            total = int(np.prod(batch))
            chosen = [np.unravel_index(i * total // most, batch) for i in range(min(most, total))]
            draws[name] = np.stack([np.asarray(self.entries[name][index]) for index in chosen])
        return draws

    def arrays(self, batch_ndims: int) -> dict[str, Any]:
        """The dict that NumPyro wants, with so many leading batch dimensions."""
        return self.entries if isinstance(self.entries, dict) else dict(self.entries)

    def by_draw(self, ndims: int) -> tuple[dict[str, Any], tuple[Hashable, ...]]:
        """All entries with chains and draws leading, not loaded, and what these dimensions are called."""
        return self.arrays(ndims), ("chain", "draw")[2 - ndims :]

    def of_draws(self) -> Any:
        """A Dataset of the coordinates of chains and draws; None where there are none."""
        return None

    def keep(self, names: Collection[str]) -> Any:
        """A container of the same type with only these entries: the same array objects, in the same order."""
        kept = {name: self.entries[name] for name in self.entries if name in names}
        if type(self.entries) is dict:
            return kept
        if isinstance(self.entries, dict):  # a defaultdict, say, cannot be made from its items
            result = copy.copy(self.entries)
            result.clear()
            result.update(kept)
            return result
        try:
            return type(self.entries)(kept)  # type: ignore[call-arg]
        except Exception:  # an open file (`numpy.load`, h5py) is made from a path, if at all
            return kept


class Fitted(Entries):
    """A fitted ``MCMC``, which also holds the arguments of the fit."""

    batch_ndims = 1

    def __init__(self, mcmc: MCMC):
        if mcmc.last_state is None:
            raise SamplesTypeError("The MCMC holds no samples: call its run method first.")
        super().__init__(mcmc.get_samples())
        self.mcmc, self.arguments = mcmc, (mcmc._args, mcmc._kwargs)

    def arrays(self, batch_ndims: int) -> dict[str, Any]:
        return dict(self.mcmc.get_samples(group_by_chain=batch_ndims == 2))

    def by_draw(self, ndims: int) -> tuple[dict[str, Any], tuple[Hashable, ...]]:
        return super().by_draw(2)


class Labelled:
    """An ``xarray.Dataset``, whose dimensions tell chains and draws by name."""

    arguments = None
    constant_data: Mapping[str, Any] = {}
    observed_data: Mapping[str, Any] = {}

    def __init__(self, dataset: Any):
        self.dataset = dataset
        self.sample_dims = _sample_dims(dataset)
        self.dims = {name: dataset.variables[name].dims for name in dataset.data_vars}
        self.shapes: dict[str, Shape | None] = {}  # as those of `Entries`: nothing is loaded or copied
        for name in dataset.data_vars:
            variable = dataset.variables[name]
            _shape(name, variable)
            self.shapes[name] = tuple(variable.sizes[dim] for dim in _draws_first(variable.dims, self.sample_dims))

    @property
    def batch_ndims(self) -> int:
        return len(self.sample_dims)

    @functools.cached_property
    def labels(self) -> Mapping[Hashable, Any]:
        coords, leading = self.dataset.coords, self.sample_dims
        own = [dim for dim in self.dataset.dims if dim not in leading and dim in coords]
        return {dim: coords[dim].values for dim in own}

    def by_draw(self, ndims: int) -> tuple[dict[str, Any], tuple[Hashable, ...]]:
        """As `Entries.by_draw`."""
        variables = {name: self.dataset.variables[name] for name in self.dataset.data_vars}
        leading = self.sample_dims
        return {n: v.transpose(*_draws_first(v.dims, leading)) for n, v in variables.items()}, leading

    def of_draws(self) -> Any:
        """As `Entries.of_draws`."""
        leading, dataset = set(self.sample_dims), self.dataset
        others = [name for name in dataset.coords if not leading.issuperset(dataset.variables[name].dims)]
        result = dataset.drop_vars([*dataset.data_vars, *others])
        result.attrs = {}
        return result

    def some_draws(self, names: Collection[str], ndims: int, most: int = 3) -> dict[str, Any]:
        """As `Entries.some_draws`."""
        total = int(np.prod([self.dataset.sizes[dim] for dim in self.sample_dims]))
        return Labelled(self.dataset[list(names)]).draws(min(most, total))

    def draws(self, num_samples: int | None = None) -> dict[str, np.ndarray[Any, Any]]:
        """All entries, ``(draws, *per-draw shape)``; thinned evenly to so many draws: only these are loaded."""
        dataset, leading = self.dataset, self.sample_dims
        if num_samples is not None:
            sizes = tuple(dataset.sizes[dim] for dim in leading)
            chosen = np.unravel_index(np.arange(num_samples) * int(np.prod(sizes)) // num_samples, sizes)
            dataset = dataset.drop_vars(list(dataset.coords))  # labels of draws would only be in the way
            dataset = dataset.isel({dim: ("sample", index) for dim, index in zip(leading, chosen)})
            leading = ("sample",)
        result = {}
        for name in dataset.data_vars:
            variable = dataset.variables[name]
            values = variable.transpose(*_draws_first(variable.dims, leading)).values
            result[name] = values.reshape(-1, *values.shape[len(leading) :])
        return result

    def arrays(self, batch_ndims: int) -> dict[str, Any]:
        """As `Entries.arrays`."""
        draws: dict[str, Any] = self.draws()
        return {n: x.reshape(self.shapes[n]) for n, x in draws.items()} if batch_ndims == 2 else draws

    def keep(self, names: Collection[str]) -> Any:
        """As `Entries.keep`."""
        return _only(self.dataset, names)


class Groups(Labelled):
    """An ``arviz.InferenceData``: its group ``posterior``, and what it recorded of the data."""

    def __init__(self, samples: Any, group: str = POSTERIOR):
        self.samples = samples
        if group not in self.names():
            raise OptionError(
                f"The {type(samples).__name__} has no group {group!r}: its groups are "
                f"{listing(self.names()) or 'none'}. Pass the group that holds the draws, as in samples['prior']."
            )
        self.constant_data, self.observed_data = self._arrays("constant_data"), self._arrays("observed_data")
        super().__init__(self.group(group))

    def names(self) -> list[str]:
        return list(self.samples)

    def group(self, name: str) -> Any:
        return self.samples[name]

    def _arrays(self, group: str) -> dict[str, Any]:
        """The arrays of a group by name, not loaded; empty where there is none."""
        dataset = self.group(group) if group in self.names() else None
        return {} if dataset is None else {name: dataset.variables[name] for name in dataset.data_vars}

    def cleaned(self) -> list[str]:
        """The groups that hold draws: the posterior, and its warm-up with it."""
        return [name for name in (POSTERIOR, f"warmup_{POSTERIOR}") if name in self.names()]

    def keep(self, names: Collection[str]) -> Any:
        idata = copy.copy(self.samples)
        # one level deeper, so that neither the groups nor the list of them are shared
        vars(idata).update({name: copy.copy(value) for name, value in vars(self.samples).items()})
        for name in self.cleaned():
            setattr(idata, name, self._without_stripped(idata[name], names))
        return idata

    def _without_stripped(self, dataset: Any, names: Collection[str]) -> Any:
        """What only the warm-up has (or only the group judged) stays."""
        return _without(dataset, [name for name in self.dataset.data_vars if name not in names])


class Tree(Groups):
    """An ``xarray.DataTree`` of groups, as ArviZ has since version 1."""

    def names(self) -> list[str]:
        return list(self.samples.children)

    def group(self, name: str) -> Any:
        return self.samples.children[name].to_dataset()

    def keep(self, names: Collection[str]) -> Any:
        tree = self.samples.copy()
        for name in self.cleaned():
            node = tree.children[name]
            node.dataset = self._without_stripped(node.to_dataset(inherit=False), names)
        return tree


class Node(Labelled):
    """A ``DataTree`` that is itself one group, as in ``tree["prior"]``."""

    def __init__(self, node: Any):
        self.node = node
        super().__init__(node.to_dataset())

    def keep(self, names: Collection[str]) -> Any:
        node = self.node.copy()
        node.dataset = _only(node.to_dataset(inherit=False), names)
        return node


Container = Entries | Labelled


def beside(samples: Container | None, arrays: Mapping[str, Any]) -> Entries:
    """Arrays that NumPyro is given, with what the container that they came from tells of the fit."""
    entries = Entries(arrays)
    if samples is not None:
        entries.arguments = samples.arguments
        entries.constant_data, entries.observed_data = samples.constant_data, samples.observed_data
        entries.dims, entries.labels = samples.dims, samples.labels
    return entries


def posterior_samples(
    samples: Dataset | InferenceData, group: str = POSTERIOR, num_samples: int | None = None
) -> dict[str, np.ndarray[Any, Any]]:
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
    container = open(samples, group)
    if not isinstance(container, Labelled):
        raise SamplesTypeError(
            f"The samples are {a(samples)}: posterior_samples reads an InferenceData, DataTree or "
            f"Dataset. A dict of draws, such as mcmc.get_samples() returns, is what Predictive wants already."
        )
    total = int(np.prod([container.dataset.sizes[dim] for dim in container.sample_dims]))
    if num_samples is not None and (
        isinstance(num_samples, bool) or not isinstance(num_samples, int) or not 1 <= num_samples <= total
    ):
        raise OptionError(f"num_samples is {num_samples!r}: it has to be between 1 and {total}, as many as there are.")
    return container.draws(num_samples)


def _loaded(module: str, name: str) -> Any:
    """A class of a module, if that has been imported, for ``isinstance``."""
    return getattr(sys.modules.get(module), name, ())


def _sample_dims(dataset: Any) -> tuple[Hashable, ...]:
    """Chain and draw, or what the attribute of ArviZ 1 says (netCDF makes one name of a list of one)."""
    dims, said = dataset.dims, dataset.attrs.get("sample_dims", ())
    for names in ([said] if isinstance(said, str) else said, ("chain", "draw"), ("sample",)):
        if found := tuple(dim for dim in names if dim in dims):
            return found
    raise SamplesTypeError(
        f"The {type(dataset).__name__} has dimensions {listing(map(str, dims)) or 'none'}, and none of them is "
        f"'chain', 'draw' or 'sample': set its attribute sample_dims to the names of the dimensions that are draws."
    )


def _draws_first(dims: Iterable[Hashable], leading: Collection[Hashable]) -> list[Hashable]:
    dims = list(dims)
    return [dim for dim in leading if dim in dims] + [dim for dim in dims if dim not in leading]


def _only(dataset: Any, names: Collection[str]) -> Any:
    return _without(dataset, [name for name in dataset.data_vars if name not in names])


def _without(dataset: Any, names: Collection[str]) -> Any:
    """The Dataset without these variables, and without the coordinates that only they used."""
    names = [name for name in names if name in dataset.data_vars]
    kept = {dim for name in dataset.data_vars if name not in names for dim in dataset.variables[name].dims}
    unused = {dim for name in names for dim in dataset.variables[name].dims} - kept
    coords = [name for name in dataset.coords if unused.intersection(dataset.variables[name].dims)]
    return dataset.drop_vars([*names, *coords])


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
                f"Entry {name!r} is a {type(value).__name__} that cannot be an array ({error}): give every draw the "
                f"same shape, or remove it."
            ) from None
    dtype = getattr(value, "dtype", None)
    kind = getattr(dtype, "kind", "f")
    if kind in "OSUMm" or getattr(dtype, "names", None):
        raise SamplesTypeError(
            f"Entry {name!r} is an array of dtype {value.dtype} and shape {tuple(value.shape)}: posterior samples "
            f"are arrays of numbers. Remove or convert it."
        )
    return tuple(int(n) for n in value.shape)
