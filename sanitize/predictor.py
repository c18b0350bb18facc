"""`Predictor`: stock ``Predictive``, compiled once, in batches of draws, labelled, lazy if asked for."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro import handlers
from numpyro.distributions import Distribution, ExpandedDistribution, Independent, MaskedDistribution

from . import containers
from .compiled import Batch, Draws, no_mean
from .continuation import carried_on, key_of_extend
from .errors import OptionError, SamplesTypeError, listing
from .infer import (
    StockPredictive,
    cannot_score,
    condition_on_deterministic,
    inspect_call,
    not_given,
    spare_values,
    stock_log_likelihood,
)
from .labels import Labels
from .memory import Memory, key_of
from .model.advice import refuse_other_than_key
from .model.argument import ValuesAsked
from .model.call import Call
from .model.inspection import Inspection
from .model.sizes import numbered
from .model.trace import ONE_RUN_AT_A_TIME, is_factor
from .options import Options, Use
from .prepare import Case
from .review import Review
from .signature import as_arrays, calculates_with, lossy, may_be_taken, takeable, taking

if TYPE_CHECKING:
    import xarray as xr

_SINCE = (0, 15)  # of NumPyro; before, recorded values could not be told from drawn ones, and keys were others

_MEAN = " (mean)"  # after the name of a site: what it is called until it is handed out


class Predictor:
    """Predict many times, or more than memory holds: compiled once, in batches of draws, an ``xarray.Dataset`` back.

    The numbers are those of NumPyro's ``Predictive`` with the same key and stripped samples, up to rounding, whatever
    the batches.

    Parameters
    ----------
    model : callable
        The NumPyro model.
    samples : mapping of arrays, MCMC, xarray.Dataset, arviz.InferenceData or xarray.DataTree
        Posterior samples, of which any entries may be stripped, see `strip_deterministic`. Chains and draws come back
        as they were; those of an ``MCMC`` by chain. What dask holds is read batch by batch.
    return_sites : str or sequence of str, optional
        Sites to give back; by default what ``Predictive`` gives: what is drawn, and deterministic sites.
    params : dict, optional
        Values of ``numpyro.param`` sites, of neural networks for example.
    kind : str
        ``"samples"`` draws observed sites; ``"mean"`` gives the mean of their distribution instead, without noise.
        Deterministic sites come in both.
    batch_size : int, optional
        So many draws exist at once: the chunk of a lazy answer, and what is read of samples that dask holds. By
        default all of them; of a lazy answer what 64 MB hold.
    lazy : bool
        Give back dask arrays, which are computed batch by batch when they are asked for (``compute``, ``to_zarr``,
        ``mean("draw").compute()``). The draws do not depend on the chunks.
    new_rows, keep, redraw
        See `strip_deterministic`.
    extend : str, sequence of str, or True
        Whose fitted values are carried on to more groups, rows or steps, see `sanitize.extend`, where it is ``sites``.
        They are drawn and held in memory at once, with a key that is folded from that of the call.
    levels : mapping, optional
        The labels of a dimension in the model's order, see `sanitize.extend`.
    rng_key : jax.Array, optional
        The key for ``extend`` in ``log_likelihood``, folded likewise: the same key carries the same values on.
    dims : mapping of str to sequence of str, optional
        Names of the dimensions of a site, without chains and draws. By default those of the recorded entry, of the
        plates, of a frame or a labelled array among the arguments, else ``<site>_dim_0``.
    coords : mapping of str to sequence, optional
        Labels along dimensions.
    progress_bar : bool
        Show one over the batches, where there are several. Off where the environment has ``CI``, as in NumPyro.

    Raises
    ------
    OptionError
        At once: an option that cannot be understood. At the call, before anything is compiled: a key that is none,
        no such site; and a distribution without a mean, by its name.
    ShapeMismatchError, MissingLatentError, BatchShapeError, ModelArgumentsError
        At the call, see `strip_deterministic`.

    Warns
    -----
    RedrawnSiteWarning, RowLevelSiteWarning
        At the call, see `strip_deterministic`.

    Notes
    -----
    Compiled once for each signature: shapes and dtypes of arrays and Python's floats, and the values of all other
    arguments. Arrays of which the model needs the values (``np.unique(group)``), and 64-bit ones that it calculates
    with in NumPy and that JAX would cast away (time stamps), count among those. What the model reads besides, a global
    or a field, is read when a signature is seen first, as by ``jax.jit``. ``factor`` sites are left out.

    A lazy answer can be computed by the threads of this process, or by a cluster: what was compiled is pickled by
    ``jax.export``, so that no worker needs the model (the extra ``dask`` has what it takes).

    Draws that are sharded over devices are computed where they are.

    Examples
    --------
    >>> import jax, numpy as np, numpyro, numpyro.distributions as dist
    >>> from sanitize import Predictor
    >>> def model(x, y=None):
    ...     slope = numpyro.sample("slope", dist.Normal())
    ...     with numpyro.plate("day", len(x)):
    ...         mu = numpyro.deterministic("mu", slope * x)
    ...         numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
    >>> samples = {"slope": np.zeros((4, 50)), "mu": np.zeros((4, 50, 100))}
    >>> predict = Predictor(model, samples)
    >>> dict(predict(jax.random.PRNGKey(0), np.zeros(3)).sizes)
    {'chain': 4, 'draw': 50, 'day': 3}
    >>> predict.log_likelihood(np.zeros(3), np.zeros(3))["y"].dims
    ('chain', 'draw', 'day')
    >>> expected = Predictor(model, samples, kind="mean", return_sites="y")(jax.random.PRNGKey(0), np.zeros(3))
    >>> float(expected["y"].std())
    0.0
    """

    def __init__(
        self,
        model: Callable[..., Any],
        samples: Any,
        return_sites: str | Sequence[str] | None = None,
        params: Mapping[str, Any] | None = None,
        kind: str = "samples",
        batch_size: int | None = None,
        lazy: bool = False,
        new_rows: bool | None = None,
        keep: str | Sequence[str] = (),
        redraw: str | Sequence[str] = (),
        extend: str | Sequence[str] | bool = (),
        levels: Mapping[str, Sequence[Any]] | None = None,
        rng_key: Any = None,
        dims: Mapping[str, Sequence[str]] | None = None,
        coords: Mapping[str, Any] | None = None,
        progress_bar: bool = True,
    ):
        _refuse_old_numpyro()
        if kind not in ("samples", "mean"):
            raise OptionError(f"kind is {kind!r}: it has to be 'samples' or 'mean'.")
        if batch_size is not None and (
            isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1
        ):
            raise OptionError(f"batch_size is {batch_size!r}: it has to be a positive whole number, or None.")
        self.model, self.params = model, dict(params or {})
        self.return_sites = [return_sites] if isinstance(return_sites, str) else return_sites
        self.kind, self.batch_size, self.lazy, self.progress_bar = kind, batch_size, lazy, progress_bar
        self.options = Options.of(new_rows=new_rows, keep=keep, redraw=redraw, extend=extend, levels=levels)
        self.rng_key = rng_key
        self.dims, self.coords = dict(dims or {}), dict(coords or {})
        self._samples = containers.open(samples)

        self._first, self._inspections = Memory[_Seen](), Memory[Inspection]()
        self._plans, self._batches = Memory[_Plan](), Memory[Batch]()

    def __call__(self, rng_key: Any, *args: Any, **kwargs: Any) -> xr.Dataset:
        """Predict.

        Parameters
        ----------
        rng_key : jax.Array
            As ``jax.random.PRNGKey(0)`` makes it.
        *args, **kwargs
            The model's arguments.

        Returns
        -------
        xarray.Dataset
            A variable for each site, of dimensions ``(chain, draw, *dims)``, ``(draw, *dims)`` for draws that are not
            grouped by chain. Its attributes tell versions, and which entries were kept, stripped and redrawn.
        """
        refuse_other_than_key(rng_key, "The first argument of the call", "Predictor(model, samples)(key, ...)")
        return self._answer(self.kind, jnp.asarray(rng_key), args, kwargs)

    def log_likelihood(self, *args: Any, **kwargs: Any) -> xr.Dataset:
        """Score the data among the arguments, as NumPyro's ``log_likelihood`` does.

        Parameters
        ----------
        *args, **kwargs
            The model's arguments, the data to score among them.

        Returns
        -------
        xarray.Dataset
            A variable for each observed site, with its batch dimensions: ready for ``az.loo`` as the group
            ``log_likelihood``.

        Raises
        ------
        MissingLatentError
            If a latent of the model has no entry, or its rows do not fit: nothing is drawn here.
        """
        if self.options.extend_all or self.options.extend:
            refuse_other_than_key(self.rng_key, "With extend=, rng_key", "Predictor(..., extend=..., rng_key=key)")
        rng_key = jax.random.PRNGKey(0) if self.rng_key is None else self.rng_key
        return self._answer("log_likelihood", rng_key, args, kwargs)

    # ---------------------------------------------------------------------------------------------- of one call

    def _answer(self, kind: str, rng_key: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> xr.Dataset:
        model = handlers.substitute(self.model, data=self.params) if self.params else self.model
        call = Call.of(model, args, kwargs)
        with ONE_RUN_AT_A_TIME:  # threads of a server share what is compiled
            plan, inputs = self._plan(kind, rng_key, call)
        draws = plan.draws
        keys = jax.random.split(rng_key, draws.total) if draws.total > 1 else rng_key[None]
        run = (np.asarray(jax.random.key_data(keys)), draws, (inputs, self.params))
        if self.lazy:
            return plan.dataset(plan.batch.later(*run))
        return plan.dataset(plan.batch.now(*run, self.progress_bar and "CI" not in os.environ))

    def _plan(self, kind: str, rng_key: jax.Array, call: Call) -> tuple[_Plan, list[Any]]:
        """What this call runs, and on which arrays. What is wrong with the call is said."""
        seen = self._seen(kind, call)
        which = seen.taken(call)
        call = as_arrays(call, which)
        inputs = [call.leaves[i] for i in which]
        shapes = (kind, key_of(call, which))
        if (unseen := self._inspections.get(shapes)) is None:
            unseen = self._inspections.keep(shapes, seen.inspection(call, which))
        inspection = unseen.with_call(call)
        plan, key = self._plans.get(shapes), shapes
        if plan is None:
            key = (kind, key_of(call, ()))
            plan = self._plans.get(key)
        if plan is not None:
            plan.review.with_indices(inspection).warn()
            return plan, inputs
        returned = None if self.return_sites is None else tuple(self.return_sites)
        use = Use(at_once=True, draws=kind != "log_likelihood", returned=returned)
        options = replace(self.options, use=use)
        try:
            case = Case.of(inspection if options.carries_on else unseen, self._samples, options)
            review = case.judged()
            key = shapes
        except ValuesAsked:
            inspection = unseen.with_call(call)  # with what shapes have told by now
            case = Case.of(inspection, self._samples, options)
            review = case.judged()
        review.with_indices(inspection).warn()
        review.refuse()
        self._refuse_no_site(inspection)
        arrays, leading = case.samples.by_draw(len(review.batch_shape))
        sites = inspection.run.sites
        batch_shape = np.shape(next(iter(arrays.values())))[: len(leading)]
        drawn = containers.NOTHING
        if options.carries_on:
            drawn = carried_on(case, review, key_of_extend(rng_key))
            ndims = len(review.batch_shape)
            arrays = {**arrays, **{n: x.reshape(*batch_shape, *x.shape[ndims:]) for n, x in drawn.arrays.items()}}
        kept = [name for name in arrays if (name in review.kept or name in drawn.arrays) and name in sites]
        if trees := [name for name in kept if review.shapes.get(name, ()) is None]:
            raise SamplesTypeError(f"Entry {listing(trees)} is a tree of arrays: pass it in params=, not as draws.")
        draws = Draws({name: arrays[name] for name in kept}, batch_shape)
        compiled_for = (shapes, *kept, review.redrawn)
        if (batch := self._batches.get(compiled_for)) is None:
            batch = self._batches.keep(compiled_for, self._compile(kind, inspection, which, review, draws))
        site_of = {name: _site_of(name, sites) for name in batch.outputs}
        in_order = sorted(site_of, key=lambda name: [*sites].index(site_of[name]))
        outputs = {name: (site_of[name], batch.outputs[name].shape) for name in in_order}
        sizes = dict(zip(leading, draws.shape))
        try:
            dims, coords = Labels(case.fit, self.dims, self.coords, drawn.coords).of(outputs, sizes)
        except ValuesAsked:
            case = Case.of(inspection, self._samples, options)
            dims, coords = Labels(case.fit, self.dims, self.coords, drawn.coords).of(outputs, sizes)
            key = (kind, key_of(call, ()))
        plan = _Plan(
            review, draws, batch, tuple(leading), dims, coords, self._samples.of_draws(), self._attrs(kind, review)
        )
        if not options.carries_on:  # then the key decides as well
            self._plans.keep(key, plan)
        return plan, inputs

    def _seen(self, kind: str, call: Call) -> _Seen:
        """What the first call of such shapes has told."""
        key = (kind, key_of(call, may_be_taken(call)))
        if (seen := self._first.get(key)) is None:
            seen = self._first.keep(key, _Seen.of(inspect_call(call, masked=kind != "log_likelihood")))
        return seen

    def _refuse_no_site(self, inspection: Inspection) -> None:
        if unknown := [name for name in self.return_sites or () if inspection.site(name) is None]:
            raise OptionError(
                f"return_sites names {listing(unknown)}, which is not a site of {inspection.call.description}: its "
                f"sites are {listing(inspection.run.sites, most=20)}."
            )

    def _attrs(self, kind: str, review: Review) -> dict[str, str]:
        """Text alone, which every format of files takes."""
        verdicts = {"kept": review.kept, "stripped": review.stripped, "redrawn": review.redrawn}
        return {
            "inference_library": "numpyro",
            "inference_library_version": numpyro.__version__,
            "creation_library": "sanitize",
            "kind": kind,
            **{f"sanitize_{word}": ", ".join(n for n in review if n in names) for word, names in verdicts.items()},
        }

    def _compile(self, kind: str, inspection: Inspection, which: Sequence[int], review: Review, draws: Draws) -> Batch:
        call, means = taking(inspection.call, which), dict[str, str]()
        missing = not_given(review, inspection) if kind == "log_likelihood" else ()
        spare = spare_values(inspection, draws.arrays, missing)
        values = (
            functools.partial(_scores, spare)
            if kind == "log_likelihood"
            else self._predictions(inspection, review, draws, means)
        )

        def one(key: Any, draw: Mapping[str, Any], inputs: tuple[list[Any], Mapping[str, Any]]) -> dict[str, Any]:
            """What one draw gives."""
            leaves, params = inputs
            model = handlers.substitute(self.model, data=params) if params else self.model
            with handlers.block():  # handlers around the caller are not those of later calls
                return _flat(values(model, key, draw, *call.filled(leaves)))

        inputs = [inspection.call.leaves[i] for i in which], self.params
        try:
            return Batch.of(one, draws, inputs, self.batch_size, self.lazy, means)
        except Exception as error:
            if absent := [name for name in missing if name not in spare]:
                raise cannot_score(inspection, absent) from error
            raise

    def _predictions(
        self, inspection: Inspection, review: Review, draws: Draws, means: dict[str, str]
    ) -> Callable[..., dict[str, Any]]:
        """What gives the predictions of one draw; ``means`` is filled with what is a mean of which distribution."""
        sites = inspection.run.sites
        fixed = [name for name in draws.arrays if name in sites and sites[name].kind == "deterministic"]
        drawn = [n for n, s in sites.items() if s.kind in ("latent", "observed") and n not in draws.arrays]
        computed = [n for n, s in sites.items() if s.kind == "deterministic"]
        factors = [n for n in drawn if is_factor(sites[n])]
        wanted = self.return_sites or [name for name in (*drawn, *computed) if name not in factors]
        targets = []
        if self.kind == "mean":
            observed = inspection.ends.union(inspection.observable)
            # the steps of a series are what its last one is, though the next is drawn from each
            loops = [names for names in numbered(drawn).values() if not observed.isdisjoint(names)]
            observed = observed.union(*loops) - review.redrawn
            targets = [name for name in drawn if name in observed and name in wanted]

        def predictions(model: Any, key: Any, draw: Mapping[str, Any], args: Any, kwargs: Any) -> dict[str, Any]:
            model = _with_means(model, targets, means) if targets else model
            names = [f"{name}{_MEAN}" if name in targets else name for name in wanted]
            predictive = StockPredictive(model, dict(draw), batch_ndims=0, return_sites=names)
            if fixed:
                condition_on_deterministic(predictive, fixed)
            return {n.removesuffix(_MEAN): value for n, value in predictive(key, *args, **kwargs).items()}

        return predictions


@dataclass(frozen=True)
class _Seen:
    """What the first call of some shapes has told: which arguments a compiled function may take."""

    first: Inspection
    which: tuple[int, ...]
    calculated: dict[int, bool] = field(default_factory=dict)  # whether the model itself calculates with an argument

    @classmethod
    def of(cls, inspection: Inspection) -> _Seen:
        return cls(inspection.without_values(), takeable(inspection))

    def taken(self, call: Call) -> tuple[int, ...]:
        """Those of which the cast loses nothing that the model calculates with."""
        lost = [*lossy(call, self.which)]
        for i in lost:
            if i not in self.calculated:
                self.calculated[i] = calculates_with(call, self.which, i)
        return tuple(i for i in self.which if not (i in lost and self.calculated[i]))

    def inspection(self, call: Call, which: Sequence[int]) -> Inspection:
        """Of such calls, without the values of what is taken."""
        call = replace(call.withheld(which), masked=self.first.call.masked)
        if self.first.call.mode == "abstract" and self.first.call.traced == call.traced:
            return self.first.with_call(call)
        return Inspection.of(call)


@dataclass(frozen=True)
class _Plan:
    """What calls with one signature run, and how their answers are labelled."""

    review: Review
    draws: Draws
    batch: Batch
    leading: tuple[Hashable, ...]  # what the dimensions of the draws are called
    dims: Mapping[str, tuple[str, ...]]
    coords: Mapping[str, Any]
    of_draws: Any
    attrs: Mapping[str, str]

    def dataset(self, arrays: Mapping[str, Any]) -> xr.Dataset:
        import xarray as xr

        answer = xr.Dataset() if self.of_draws is None else self.of_draws.copy()
        answer = answer.assign({name: ((*self.leading, *self.dims[name]), arrays[name]) for name in self.dims})
        answer.attrs = dict(self.attrs)
        return answer.assign_coords({name: (name, np.asarray(x)) for name, x in self.coords.items()})


def _scores(spare: Any, model: Any, key: Any, draw: Mapping[str, Any], args: Any, kwargs: Any) -> dict[str, Any]:
    model = handlers.substitute(model, spare) if spare else model
    return stock_log_likelihood(model, dict(draw), *args, batch_ndims=0, **kwargs)


def _with_means(model: Callable[..., Any], targets: Collection[str], means: dict[str, str]) -> Callable[..., Any]:
    """The model, which records the mean of the distribution of each target beside what it draws."""

    def with_means(*args: Any, **kwargs: Any) -> None:
        with handlers.trace() as trace:
            model(*args, **kwargs)
        for name in targets:
            fn = trace[name]["fn"]
            means[name] = _name_of(fn)
            try:
                mean = jnp.broadcast_to(fn.mean, fn.shape())
            except (NotImplementedError, AttributeError, TypeError) as error:
                raise no_mean(name, means[name], "is not known") from error
            numpyro.deterministic(f"{name}{_MEAN}", mean)

    return with_means


def _name_of(fn: Distribution) -> str:
    while isinstance(fn, (Independent, ExpandedDistribution, MaskedDistribution)):
        fn = fn.base_dist
    return type(fn).__name__


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Each array by a name of its own, also where a site's value is a tree of arrays."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(dict(values))
    return {path[0].key + jax.tree_util.keystr(path[1:]): jnp.asarray(leaf) for path, leaf in leaves}


def _site_of(output: str, sites: Collection[str]) -> str:
    """The site that an output is, or is a part of."""
    return output if output in sites else next((name for name in sites if output.startswith(f"{name}[")), output)


def _refuse_old_numpyro() -> None:
    version = tuple(int(part) for part in numpyro.__version__.split(".")[:2])
    if version < _SINCE:
        raise OptionError(
            f"Predictor needs NumPyro {'.'.join(map(str, _SINCE))} or later, and here is {numpyro.__version__}: "
            f"sanitize.Predictive works with all versions."
        )
