"""`inspect_sites`: the sites of a model, to read and to review samples against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from . import containers
from .errors import listing
from .kinds import Model, OneOrMore, Samples
from .model.call import Call
from .model.inspection import Inspection
from .model.trace import Site
from .options import Options
from .prepare import Case
from .review import Review
from .tables import dataframe, html_table, text_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class SiteTable(Mapping[str, Site]):
    """The sites of a model under given arguments, in the order of the run: a read-only mapping name -> `Site`.

    Prints as an aligned table, shows as an HTML table in notebooks. Which dimensions follow the data rows, and
    which latents an argument would make observed, takes further abstract runs; they happen when a site is first
    looked at.
    """

    inspection: Inspection = field(repr=False)

    def __getitem__(self, name: str) -> Site:
        inspection = self.inspection
        sites = inspection.run.sites
        if name not in sites:
            raise KeyError(f"no site {name!r} in this model: it has {listing(sites)}")
        is_computed = sites[name].kind in ("deterministic", "observed")
        return replace(
            sites[name],
            parents=inspection.parents(name) if is_computed else (),
            dims=inspection.dims(name),
            row_dims=inspection.row_dims.get(name, ()),
            observable=inspection.observable.get(name),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.inspection.run.sites)

    def __len__(self) -> int:
        return len(self.inspection.run.sites)

    def review(
        self,
        samples: Samples,
        new_rows: bool | None = None,
        keep: OneOrMore = (),
        redraw: OneOrMore = (),
    ) -> Review:
        """Give a verdict on every entry of posterior samples.

        Parameters
        ----------
        samples : mapping of arrays, MCMC, xarray.Dataset, arviz.InferenceData or xarray.DataTree
            Entries of shape ``(*batch, *per-draw shape)``, where ``batch`` is nothing, draws, or chains and draws.
        new_rows : bool, optional
            Whether the data rows are other rows than those of the fit. True strips latents that have one value
            per row, False keeps them, None goes by evidence.
        keep, redraw : str or sequence of str
            What stays as it was fitted, and what is drawn from its prior, see `strip_deterministic`.

        Returns
        -------
        Review
            A mapping name -> `Verdict`; its ``apply`` strips, and raises what was refused.

        Raises
        ------
        BatchShapeError, NoSharedSiteError, SamplesTypeError, OptionError
            See `strip_deterministic`.

        Warns
        -----
        RedrawnSiteWarning, RowLevelSiteWarning, MissingLatentWarning
            See `strip_deterministic`.
        OtherArgumentsWarning, IndexRangeWarning, DataStatisticWarning
            Likewise.

        Examples
        --------
        >>> import numpy as np, numpyro, numpyro.distributions as dist
        >>> from sanitize import inspect_sites
        >>> def model(x, y=None):
        ...     slope = numpyro.sample("slope", dist.Normal())
        ...     mu = numpyro.deterministic("mu", slope * x)
        ...     numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
        >>> samples = {"slope": np.zeros(50), "mu": np.zeros((50, 100))}
        >>> review = inspect_sites(model, np.zeros(3)).review(samples)
        >>> review["mu"].action
        'stripped'
        >>> sorted(review.apply(samples))
        ['slope']
        """
        options = Options.of(new_rows=new_rows, keep=keep, redraw=redraw)
        return Case.of(self.inspection, containers.open(samples), options).review()

    def to_dataframe(self) -> pd.DataFrame:
        """The sites with one row each, in the order of the run.

        Returns
        -------
        pandas.DataFrame
            Indexed by ``site``, with columns ``kind``, ``shape``, ``dtype``, ``row_dims``, ``plates`` (their names),
            ``parents`` and ``observable``, as in `Site`.

        Examples
        --------
        >>> import numpy as np, numpyro, numpyro.distributions as dist
        >>> from sanitize import inspect_sites
        >>> def model(x, y=None):
        ...     slope = numpyro.sample("slope", dist.Normal())
        ...     numpyro.deterministic("mu", slope * x)
        >>> inspect_sites(model, np.zeros(3)).to_dataframe()["kind"].to_dict()
        {'slope': 'latent', 'mu': 'deterministic'}
        """
        columns = ("site", "kind", "shape", "dtype", "row_dims", "plates", "parents", "observable")
        rows = []
        for site in self.values():
            plates = tuple(plate.name for plate in site.plates)
            rows.append(
                (site.name, site.kind, site.shape, site.dtype, site.row_dims, plates, site.parents, site.observable)
            )
        return dataframe(columns, rows)

    def __repr__(self) -> str:
        return text_table(_COLUMNS, [*map(_row, self.values())])

    def _repr_html_(self) -> str:
        return html_table(_COLUMNS, [*map(_row, self.values())])


_COLUMNS = ("site", "kind", "shape", "dtype", "rows", "plates", "note")


def _row(site: Site) -> tuple[str, ...]:
    kind = site.kind
    if site.observable:
        kind = f"observed if {site.observable} is given"
    shape = "tree" if site.shape is None else str(site.shape)
    dtype = "" if site.dtype is None else str(site.dtype)
    rows = ", ".join(_followed(site, dim) for dim in site.row_dims)
    sizes = [f"{plate.name}[{plate.size}]" for plate in site.plates]
    plates = ", ".join(sizes)
    note = ""
    if site.kind == "deterministic" and site.parents:
        note = "from " + ", ".join(site.parents)
    return site.name, kind, shape, dtype, rows, plates, note


def _followed(site: Site, dim: int) -> str:
    """``X[0]``: what a dimension of rows follows."""
    follows = site.dims[dim].follows if site.dims else ()
    return follows[0] if follows else f"dim {dim}"


def inspect_sites(model: Model, /, *args: Any, **kwargs: Any) -> SiteTable:
    """Run a model once, abstractly, and tell its sites: which are random, which deterministic, of what shape.

    Nothing is computed, and no memory is used: the cost is the same for ten rows and ten million. A model that
    needs the values of its arguments (``np.unique(group)``) is traced with them; one that needs the values of
    its latents (``if z > 0:``) is run.

    Parameters
    ----------
    model : callable
        A NumPyro model: a function, a method, a ``functools.partial``, or any of them inside NumPyro's handlers.
    *args, **kwargs
        The model's arguments, as ``Predictive`` would get them. Arrays may be ``jax.ShapeDtypeStruct``.

    Returns
    -------
    SiteTable
        A mapping name -> `Site`, in the order of the run.

    Raises
    ------
    ModelArgumentsError
        If arguments of the model are missing. What the model itself raises comes through as it is.

    Examples
    --------
    >>> import numpy as np, numpyro, numpyro.distributions as dist
    >>> from sanitize import inspect_sites
    >>> def model(x, y=None):
    ...     slope = numpyro.sample("slope", dist.Normal())
    ...     mu = numpyro.deterministic("mu", slope * x)
    ...     numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
    >>> inspect_sites(model, np.zeros(3))
    site   kind                    shape  dtype    rows  note
    slope  latent                  ()     float32
    mu     deterministic           (3,)   float32  x[0]  from slope
    y      observed if y is given  (3,)   float32  x[0]
    """
    return SiteTable(Inspection.of(Call.of(model, args, kwargs)))
