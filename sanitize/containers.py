"""What the samples say, for every kind of container: a kind is one class, opened at one door. Knows no model.

Neither ArviZ nor xarray is imported here: whoever passes a container of theirs has done so.
"""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Collection, Hashable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from numpyro.infer import MCMC
from numpyro.infer.autoguide import AutoGuide
from numpyro.infer.svi import SVIRunResult

from .errors import OptionError, SamplesTypeError, a, listing
from .kinds import Dataset, InferenceData, Shape

Dims = tuple[Hashable, ...]
Arrays = Mapping[str, Any]
Coords = Mapping[Hashable, Any]
Positions = Mapping[Hashable, np.ndarray]

POSTERIOR = "posterior"
WARMUP = "warmup_posterior"

_SAMPLE_POSTERIOR = "guide.sample_posterior(rng_key, svi_result.params, sample_shape=(1000,))"

# What people pass for samples, by the name of its type, and what is to be said of it.
_MISTAKEN = {
    "str": " (a path? load it, as by az.from_netcdf({!r}))",
    "PosixPath": " (a path: load it, as by az.from_netcdf({!r}))",
    "DataFrame": " (a table such as az.summary's holds no draws)",
}


def open(samples: Any, group: str = POSTERIOR) -> Container:
    """The container of samples; ``group`` says where the draws are, if it has groups."""
    for module, name, kind in _KINDS:
        theirs = getattr(sys.modules.get(module), name, ())
        if isinstance(samples, theirs):
            return kind(samples, group)
    return Entries(samples)


class Drawn(NamedTuple):
    """Arrays that take the place of entries, or are new, in the batch shape; coordinates of dimensions they changed."""

    arrays: Arrays
    coords: Coords


NOTHING = Drawn({}, {})
_NOTHING_TOLD: Mapping[Any, Any] = {}


class _Kind:
    """What every kind tells, of which it may know nothing."""

    shapes: dict[str, Shape | None]  # as recorded, chains and draws leading; None for a tree of arrays
    batch_ndims: int | None = None  # how many leading dimensions are chains and draws; None: it does not tell
    arguments: tuple[tuple[Any, ...], Arrays] | None = None  # that the fit had
    model: Any = None  # that was fitted, with the handlers around it
    constant_data: Arrays = _NOTHING_TOLD  # recorded beside the draws, not loaded
    observed_data: Arrays = _NOTHING_TOLD
    dims: Mapping[str, Dims] = _NOTHING_TOLD  # names of the dimensions of an entry
    sample_dims: Dims = ()  # those of them that are chains and draws
    labels: Coords = _NOTHING_TOLD  # dimension of an entry -> its coordinate, an array

    def of_draws(self) -> Any:
        """A Dataset of the coordinates of chains and draws alone."""
        import xarray as xr

        return xr.Dataset()

    def by_draw(self, ndims: int) -> tuple[dict[str, Any], Dims]:
        """All entries with chains and draws leading, not loaded, and what these dimensions are called."""
        raise NotImplementedError

    def values(self, names: Collection[str], ndims: int) -> dict[str, Any]:
        """All draws of these entries, ``(draws, *per-draw shape)``: only these are loaded."""
        arrays, leading = self.by_draw(ndims)
        flat = functools.partial(_flat, ndims=len(leading))
        return {name: jax.tree_util.tree_map(flat, arrays[name]) for name in names}


class Entries(_Kind):
    """A mapping of arrays, a named tuple (as BlackJAX and some kernels have for positions), an open file."""

    def __init__(self, samples: Any):
        if isinstance(samples, (SVIRunResult, AutoGuide)):
            raise SamplesTypeError(f"The samples are {a(samples)}, which holds no draws: pass {_SAMPLE_POSTERIOR}.")
        entries = samples._asdict() if hasattr(samples, "_asdict") else samples
        if not isinstance(entries, Mapping):
            what = _MISTAKEN.get(type(samples).__name__, "").format(samples)
            raise SamplesTypeError(
                f"The samples are {a(samples)}, not a mapping of names to arrays{what}: pass what "
                "mcmc.get_samples() or guide.sample_posterior() returns, the MCMC itself, or ArviZ's InferenceData or "
                "DataTree, as the second argument after the model."
            )
        self.entries = entries
        self.shapes = {name: _shape(name, value) for name, value in entries.items()}

    def arrays(self, batch_ndims: int) -> dict[str, Any]:
        """The dict that NumPyro wants, with so many leading batch dimensions."""
        return self.entries if isinstance(self.entries, dict) else dict(self.entries)

    def by_draw(self, ndims: int) -> tuple[dict[str, Any], Dims]:
        """All entries with chains and draws leading, not loaded, and what these dimensions are called."""
        return self.arrays(ndims), ("chain", "draw")[2 - ndims :]

    def some_draws(self, names: Collection[str], ndims: int, most: int = 3) -> dict[str, Any]:
        """A few draws of these entries, evenly spread, ``(draws, *per-draw shape)``: only these are loaded."""
        draws = {}
        for name in names:
            value = self.entries[name]
            batch = np.shape(value)[:ndims]
            some = []
            for i in _evenly(int(np.prod(batch)), most):
                at = np.unravel_index(i, batch)
                some.append(np.asarray(value[at]))
            draws[name] = np.stack(some)
        return draws

    def draws_in_memory(self, name: str, ndims: int) -> Any:
        """All draws of an entry, per-draw dimensions last; None where they are not in memory."""
        value = self.entries[name]
        is_in_memory = isinstance(value, (np.ndarray, jax.Array)) or ndims == 0
        return value if is_in_memory else None

    def take(self, positions: Positions) -> Entries:
        """The same with only these positions of labelled dimensions, in their order."""
        taken = dict(self.entries)
        for name in taken:
            dims = per_draw_dims(self, name)
            for axis, dim in enumerate(dims, start=-len(dims)):
                if dim in positions:
                    taken[name] = np.take(taken[name], positions[dim], axis)
        return beside(self, taken)

    def keep(self, names: Collection[str], drawn: Drawn = NOTHING) -> Any:
        """What the user passed, with only these entries and what was drawn: the same arrays, in the same order."""
        kept = {name: value for name, value in self.entries.items() if name in names}
        kept.update(drawn.arrays)
        if isinstance(self.entries, dict):  # a defaultdict, say, cannot be made from its items
            result = copy.copy(self.entries)
            result.clear()
            result.update(kept)
            return result
        if hasattr(self.entries, "close"):  # an open file (`numpy.load`, h5py) is made from a path
            return kept
        try:
            return type(self.entries)(kept)  # type: ignore[call-arg]
        except TypeError:
            return kept


class Fitted(Entries):
    """A fitted ``MCMC``, which also holds the arguments of the fit."""

    batch_ndims = 1

    def __init__(self, mcmc: MCMC, group: str = POSTERIOR):
        if mcmc.last_state is None:
            raise SamplesTypeError("The MCMC holds no samples: call its run method first.")
        super().__init__(mcmc.get_samples())
        self.mcmc = mcmc
        self.arguments = (mcmc._args, mcmc._kwargs)
        self.model = getattr(mcmc.sampler, "model", None)

    def arrays(self, batch_ndims: int) -> dict[str, Any]:
        return dict(self.mcmc.get_samples(group_by_chain=batch_ndims == 2))

    def by_draw(self, ndims: int) -> tuple[dict[str, Any], Dims]:
        return super().by_draw(2)

    def of_draws(self) -> Any:
        """Both are numbered, as ArviZ does it."""
        import xarray as xr

        first, *_ = jax.tree_util.tree_leaves(self.arrays(2))
        chains, draws, *_ = first.shape
        return xr.Dataset(coords={"chain": np.arange(chains), "draw": np.arange(draws)})


class Labelled(_Kind):
    """An ``xarray.Dataset``, whose dimensions tell chains and draws by name."""

    is_taken = False  # whether the dataset is no longer what it was opened with

    def __init__(self, dataset: Any, group: str = POSTERIOR):
        self._look_at(dataset)

    def _look_at(self, dataset: Any) -> None:
        self.dataset = dataset
        self.sample_dims = _sample_dims(dataset)
        self.batch_ndims = len(self.sample_dims)
        self.dims, self.shapes, self.labels = {}, {}, {}
        for name in dataset.data_vars:
            variable = dataset.variables[name]
            _shape(name, variable)
            self.dims[name] = variable.dims
            self.shapes[name] = self._by_draw(name).shape
        for dim in dataset.dims:
            if dim in dataset.coords and dim not in self.sample_dims:
                self.labels[dim] = dataset.coords[dim].values

    def _by_draw(self, name: str) -> Any:
        return self.dataset.variables[name].transpose(*self.sample_dims, ..., missing_dims="ignore")

    def arrays(self, batch_ndims: int) -> dict[str, Any]:
        """As `Entries.arrays`."""
        if batch_ndims == 2:
            return {name: self._by_draw(name).values for name in self.shapes}
        return self.values(self.shapes, 1)

    def by_draw(self, ndims: int) -> tuple[dict[str, Any], Dims]:
        """As `Entries.by_draw`."""
        arrays = {}
        for name in self.shapes:
            values = self.draws_in_memory(name, ndims)
            arrays[name] = self._by_draw(name) if values is None else values
        return arrays, self.sample_dims

    def of_draws(self) -> Any:
        others = []
        for name, coord in self.dataset.coords.items():
            if not {*self.sample_dims}.issuperset(coord.dims):
                others.append(name)
        result = self.dataset.drop_vars([*self.shapes, *others])
        result.attrs = {}
        return result

    def some_draws(self, names: Collection[str], ndims: int, most: int = 3) -> dict[str, Any]:
        """As `Entries.some_draws`."""
        chosen = Labelled(self.dataset[list(names)]).thinned(most)
        return chosen.values(names, 1)

    def draws_in_memory(self, name: str, ndims: int) -> Any:
        """As `Entries.draws_in_memory`."""
        variable = self._by_draw(name)
        return variable.values if variable._in_memory else None  # a private name of xarray, the same since 2016

    @property
    def num_draws(self) -> int:
        """Of all chains."""
        sizes = [self.dataset.sizes[dim] for dim in self.sample_dims]
        return int(np.prod(sizes))

    def thinned(self, most: int) -> Labelled:
        """So many draws, evenly spread, along one dimension: only these are loaded."""
        sizes = [self.dataset.sizes[dim] for dim in self.sample_dims]
        chosen = np.unravel_index(_evenly(self.num_draws, most), sizes)
        one_by_one = {dim: ("sample", index) for dim, index in zip(self.sample_dims, chosen)}
        dataset = self.dataset.drop_vars(list(self.dataset.coords))  # labels of draws would only be in the way
        try:
            return Labelled(dataset.isel(one_by_one))
        except TypeError:  # xarray takes single draws of NumPy's and dask's arrays, but not of JAX's
            in_numpy = dataset.map(lambda v: v.copy(data=v.values))
            return Labelled(in_numpy.isel(one_by_one))

    def take(self, positions: Positions) -> Labelled:
        """As `Entries.take`."""
        taken = copy.copy(self)
        taken.is_taken = True
        taken._look_at(self.dataset.isel(positions))
        return taken

    def keep(self, names: Collection[str], drawn: Drawn = NOTHING) -> Any:
        """As `Entries.keep`."""
        kept = [name for name in self.shapes if name in names]
        return self._renewed(kept, drawn) if drawn.arrays else _only(self.dataset, kept)

    def _renewed(self, names: Collection[str], drawn: Drawn) -> Any:
        """The Dataset with changed variables; what is no site and has a dimension that they changed, is left out."""
        old = self.dataset
        new: dict[str, Any] = {}
        sizes: dict[Hashable, int] = {}
        for name, values in drawn.arrays.items():
            dims = self._dims_of(name, values.ndim)
            attrs = old[name].attrs if name in self.shapes else {}
            new[name] = dims, values, attrs
            sizes.update(zip(dims, values.shape))
        other = {dim for dim, n in sizes.items() if old.sizes.get(dim, n) != n}
        fitting = []
        for name in names:
            if name not in new and other.isdisjoint(self.dims[name]):
                fitting.append(name)
        result = _only(old, fitting)
        gone = [name for name, coord in result.coords.items() if other.intersection(coord.dims)]
        result = result.drop_vars(gone).assign(new).assign_coords(drawn.coords)
        # entries and their dimensions in the order that they had
        for name in new:
            if name in self.shapes:
                result[name] = result[name].transpose(*self.dims[name])
        in_order = dict.fromkeys([*self.shapes, *new])
        return result[[name for name in in_order if name in result]]

    def _dims_of(self, name: str, ndim: int) -> Dims:
        """Of an entry, chains and draws leading; one that is new gets names as ArviZ gives them."""
        if name in self.shapes:
            return self._by_draw(name).dims
        own = range(ndim - len(self.sample_dims))
        return (*self.sample_dims, *(f"{name}_dim_{i}" for i in own))


class Groups(Labelled):
    """An ``arviz.InferenceData``: its group ``posterior``, and what it recorded of the data."""

    def __init__(self, samples: Any, group: str = POSTERIOR):
        self.samples = samples
        if group not in self.names():
            raise OptionError(
                f"The {type(samples).__name__} has no group {group!r}: its groups are "
                f"{listing(self.names()) or 'none'}. Pass the group that holds the draws, as in samples['prior']."
            )
        self.constant_data = self._variables("constant_data")
        self.observed_data = self._variables("observed_data")
        super().__init__(self._group(samples, group))

    def names(self) -> list[str]:
        """Of the groups."""
        return list(self.samples)

    def _group(self, samples: Any, name: str, inherit: bool = True) -> Any:
        """A group as a Dataset, with the coordinates of groups above it."""
        return samples[name]

    def _variables(self, group: str) -> dict[str, Any]:
        """The variables of a group, not loaded; none where there is no such group."""
        if group not in self.names():
            return {}
        dataset = self._group(self.samples, group)
        return {name: dataset.variables[name] for name in dataset.data_vars}

    def keep(self, names: Collection[str], drawn: Drawn = NOTHING) -> Any:
        result = self._copied()
        gone = [name for name in self.shapes if name not in names]
        for group in (POSTERIOR, WARMUP):
            if group not in self.names():
                continue
            if group == POSTERIOR and (drawn.arrays or self.is_taken):
                self._put(result, group, super().keep(names, drawn))
            else:  # what only the warm-up has stays, and as it was
                dataset = self._group(result, group, inherit=False)
                self._put(result, group, _without(dataset, gone))
        return result

    def with_group(self, group: str, dataset: Any) -> Any:
        """The same with one more group, or another one of this name."""
        result = self._copied()
        if group in self.names():
            self._put(result, group, dataset)
        else:
            result[group] = dataset
        return result

    def _copied(self) -> Any:
        idata = copy.copy(self.samples)
        # one level deeper, so that neither the groups nor the list of them are shared
        for name, value in vars(self.samples).items():
            vars(idata)[name] = copy.copy(value)
        return idata

    def _put(self, result: Any, group: str, dataset: Any) -> None:
        setattr(result, group, dataset)


class Tree(Groups):
    """An ``xarray.DataTree`` of groups, as ArviZ has since version 1, or one of its groups: ``tree["prior"]``."""

    def __init__(self, tree: Any, group: str = POSTERIOR):
        self.is_group = bool(tree.data_vars) and not tree.children
        super().__init__(tree, POSTERIOR if self.is_group else group)

    def names(self) -> list[str]:
        return [POSTERIOR] if self.is_group else list(self.samples.children)

    def _group(self, samples: Any, name: str, inherit: bool = True) -> Any:
        return self._node(samples, name).to_dataset(inherit=inherit)

    def _node(self, tree: Any, group: str) -> Any:
        return tree if self.is_group else tree.children[group]

    def _copied(self) -> Any:
        return self.samples.copy()

    def _put(self, result: Any, group: str, dataset: Any) -> None:
        self._node(result, group).dataset = dataset


# Where the class of a kind comes from, if it was imported, and what opens it. A new kind is one line here.
_KINDS: tuple[tuple[str, str, type[Any]], ...] = (
    ("numpyro.infer", "MCMC", Fitted),
    ("xarray", "Dataset", Labelled),
    ("xarray", "DataTree", Tree),
    ("arviz.data.inference_data", "InferenceData", Groups),
)


Container = Entries | Labelled


def beside(samples: Container | None, arrays: Arrays) -> Entries:
    """Arrays that NumPyro is given, with what the container that they came from tells of the fit."""
    entries = Entries(arrays)
    if samples is not None:
        entries.arguments, entries.model = samples.arguments, samples.model
        entries.constant_data, entries.observed_data = samples.constant_data, samples.observed_data
        entries.dims, entries.labels = samples.dims, samples.labels
        entries.sample_dims = samples.sample_dims
    return entries


def per_draw_dims(samples: Container, name: str) -> Dims:
    """The labelled dimensions of an entry but for chains and draws; empty where it has no labels."""
    dims = samples.dims.get(name, ())
    return tuple(dim for dim in dims if dim not in samples.sample_dims)


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
            "Dataset. A dict of draws, such as mcmc.get_samples() returns, is what Predictive wants already."
        )
    if num_samples is not None:
        total = container.num_draws
        is_number = isinstance(num_samples, int) and not isinstance(num_samples, bool)
        if not is_number or not 1 <= num_samples <= total:
            raise OptionError(
                f"num_samples is {num_samples!r}: it has to be between 1 and {total}, as many as there are."
            )
        container = container.thinned(num_samples)
    return container.arrays(1)


def _evenly(total: int, most: int) -> np.ndarray:
    """The numbers of so many draws, or of all if there are fewer, evenly spread."""
    most = min(most, total)
    return np.arange(most) * total // max(most, 1)


def _flat(x: Any, ndims: int) -> Any:
    x = x if hasattr(x, "reshape") else np.asarray(x)
    return x.reshape(-1, *x.shape[ndims:])


def _sample_dims(dataset: Any) -> Dims:
    """Chain and draw, or what the attribute of ArviZ 1 says (netCDF makes one name of a list of one)."""
    dims, said = dataset.dims, dataset.attrs.get("sample_dims", ())
    if isinstance(said, str):
        said = (said,)
    for names in (said, ("chain", "draw"), ("sample",)):
        if found := tuple(dim for dim in names if dim in dims):
            return found
    raise SamplesTypeError(
        f"The {type(dataset).__name__} has dimensions {listing(map(str, dims)) or 'none'}, and none of them is "
        "'chain', 'draw' or 'sample': set its attribute sample_dims to the names of the dimensions that are draws."
    )


def _only(dataset: Any, names: Collection[str]) -> Any:
    others = [name for name in dataset.data_vars if name not in names]
    return _without(dataset, others)


def _without(dataset: Any, names: Collection[str]) -> Any:
    """The Dataset without these variables, and without the coordinates that only they used."""
    gone, unused = [], set[Hashable]()
    for name in dataset.data_vars:
        if name in names:
            gone.append(name)
            unused.update(dataset.variables[name].dims)
    for name in dataset.data_vars:
        if name not in names:
            unused.difference_update(dataset.variables[name].dims)
    for name, coord in dataset.coords.items():
        if unused.intersection(coord.dims):
            gone.append(name)
    return dataset.drop_vars(gone)


def _shape(name: Any, value: Any) -> Shape | None:
    """Of an entry, which has to be an array of numbers, or a tree of arrays."""
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
                "same shape, or remove it."
            ) from None
    dtype = getattr(value, "dtype", None)
    kind = getattr(dtype, "kind", "f")
    if kind in "OSUMm" or getattr(dtype, "names", None):
        raise SamplesTypeError(
            f"Entry {name!r} is an array of dtype {value.dtype} and shape {tuple(value.shape)}: posterior samples "
            "are arrays of numbers. Remove or convert it."
        )
    return tuple(int(n) for n in value.shape)
