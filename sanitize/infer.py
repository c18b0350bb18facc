"""Drop-ins for NumPyro's ``Predictive`` and ``log_likelihood``: strip against the call's own arguments, then stock."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from numpyro import handlers
from numpyro import infer as stock

from . import containers
from .errors import MissingLatentError, NoSharedSiteError, listing
from .evidence import FitEvidence, fit_evidence
from .review import Review, review_samples
from .sites import Call, SiteTable, abstract, is_array, run
from .strip import refuse_collisions

# From import time: whoever replaces NumPyro's names by ours must not make us call ourselves.
_StockPredictive = stock.Predictive
_stock_log_likelihood = stock.log_likelihood

_MOST_REVIEWS = 32  # that one instance remembers: shapes that a server sees are few


class Predictive(_StockPredictive):  # type: ignore[misc,valid-type]
    """NumPyro's ``Predictive``, which strips its samples against the arguments of each call.

    Takes what NumPyro's takes, and any container of samples that `strip_deterministic` takes.

    Parameters
    ----------
    model : callable
        The NumPyro model.
    posterior_samples : mapping of arrays, MCMC, xarray.Dataset, arviz.InferenceData or xarray.DataTree, optional
        Entries of shape ``(*batch, *per-draw shape)`` with ``batch_ndims`` batch dimensions.
    new_rows : bool, optional
        Whether the rows of a call are other rows than those of the fit, see `strip_deterministic`.
    redraw : sequence of str
        Latents to draw from their prior although they were fitted.
    **options
        NumPyro's own: ``guide``, ``params``, ``num_samples``, ``return_sites``, ``infer_discrete``, ``parallel``,
        ``batch_ndims``. An explicit ``exclude_deterministic=False`` or ``condition_deterministic=True`` is honoured.

    Raises
    ------
    ShapeMismatchError, MissingLatentError, ModelArgumentsError
        At the call, see `strip_deterministic`.

    Notes
    -----
    With ``guide``, or without samples, it is NumPyro's. Calls with arguments of the same shapes, dtypes and static
    values inspect the model once.

    Examples
    --------
    >>> import jax, numpy as np, numpyro, numpyro.distributions as dist
    >>> from sanitize import Predictive
    >>> def model(x, y=None):
    ...     slope = numpyro.sample("slope", dist.Normal())
    ...     mu = numpyro.deterministic("mu", slope * x)
    ...     numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
    >>> samples = {"slope": np.zeros(50), "mu": np.zeros((50, 100)), "y": np.zeros((50, 100))}
    >>> Predictive(model, samples)(jax.random.PRNGKey(0), np.zeros(3))["y"].shape
    (50, 3)
    """

    def __init__(
        self,
        model: Callable[..., Any],
        posterior_samples: Any = None,
        *,
        new_rows: bool | None = None,
        redraw: Sequence[str] = (),
        **options: Any,
    ):
        batch_ndims = options.get("batch_ndims")
        arrays = _arrays(posterior_samples, 1 if batch_ndims is None else batch_ndims)
        super().__init__(model, arrays, **options)
        self.new_rows, self.redraw = new_rows, redraw
        self._fit = None if isinstance(posterior_samples, dict) else posterior_samples  # may tell of the fit
        self._reviews: dict[Hashable, Review] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reviews": {}}  # made anew; its keys need not survive pickling

    def __call__(self, rng_key: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Predict. See NumPyro's ``Predictive.__call__``."""
        if self.guide is not None or not self.posterior_samples:
            return super().__call__(rng_key, *args, **kwargs)
        clean = copy.copy(self)
        clean.posterior_samples = self._clean(args, kwargs)
        # the number of draws is that of the samples also where none of their entries is left
        return _StockPredictive.__call__(clean, rng_key, *args, **kwargs)

    def _clean(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        model = handlers.substitute(self.model, data=self.params) if self.params else self.model
        call = Call.of(model, args, kwargs)
        conditions = _conditions_on_deterministic(self)
        wishes = (self.infer_discrete, conditions, self.new_rows, repr(self.redraw))
        key = _key(call, self.model, *wishes, *self._shapes())
        review = self._reviews.get(key) if key is not None else None
        if review is None:
            # with infer_discrete, NumPyro runs the model without the mask
            table = _inspect(call, masked=not self.infer_discrete)
            samples, redraw = self.posterior_samples, self.redraw
            if conditions:
                sites = table.run.sites
                # what the deterministic values were computed from need not be there
                redraw = (*redraw, *(n for n, site in sites.items() if site.kind == "latent" and n not in samples))
                samples = {n: v for n, v in samples.items() if n not in sites or sites[n].kind != "deterministic"}
            evidence, compared = _watched(fit_evidence(table.call, samples if self._fit is None else self._fit))
            try:
                review = review_samples(
                    table,
                    samples,
                    new_rows=self.new_rows,
                    redraw=redraw,
                    batch_ndims=len(self._batch_shape),
                    evidence=evidence,
                )
            except NoSharedSiteError:  # NumPyro takes from such entries the number of draws, and so do we
                return dict(self.posterior_samples)
            # else the values of the arguments counted
            if key is not None and table.call.mode == "abstract" and not (compared and self._fit is not None):
                if len(self._reviews) >= _MOST_REVIEWS:
                    self._reviews = {}
                self._reviews[key] = review
        else:
            review.warn()
        stripped = review.stripped
        return {name: value for name, value in self.posterior_samples.items() if name not in stripped}

    def _shapes(self) -> list[Hashable]:
        return [(name, np.shape(value)) for name, value in self.posterior_samples.items()]


def _signature() -> inspect.Signature:
    own = inspect.signature(Predictive.__init__).parameters
    theirs = inspect.signature(_StockPredictive.__init__).parameters
    added = [own["new_rows"], own["redraw"]]
    return inspect.Signature([p for name, p in theirs.items() if name != "self"] + added)


Predictive.__signature__ = _signature()


def log_likelihood(
    model: Callable[..., Any],
    posterior_samples: Any,
    *args: Any,
    parallel: bool = False,
    batch_ndims: int = 1,
    new_rows: bool | None = None,
    redraw: Sequence[str] = (),
    **kwargs: Any,
) -> dict[str, Any]:
    """NumPyro's ``log_likelihood``, with samples that are stripped against the arguments of the call.

    Parameters
    ----------
    model : callable
        The NumPyro model.
    posterior_samples : mapping of arrays, MCMC, xarray.Dataset, arviz.InferenceData or xarray.DataTree
        Entries of shape ``(*batch, *per-draw shape)`` with ``batch_ndims`` batch dimensions.
    *args, **kwargs
        The model's arguments, the data to score among them.
    parallel, batch_ndims
        As in NumPyro.
    new_rows, redraw
        See `strip_deterministic`. Nothing can be drawn here, so that a latent which is stripped is missing.

    Returns
    -------
    dict of arrays
        Of shape ``(*batch, *batch shape of the site)`` for each observed site.

    Raises
    ------
    MissingLatentError
        If a latent of the model has no entry, or its rows do not fit. NumPyro fails deep inside.
    ShapeMismatchError, ModelArgumentsError, OptionError
        See `strip_deterministic`.

    Examples
    --------
    >>> import numpy as np, numpyro, numpyro.distributions as dist
    >>> from sanitize import log_likelihood
    >>> def model(x, y=None):
    ...     slope = numpyro.sample("slope", dist.Normal())
    ...     mu = numpyro.deterministic("mu", slope * x)
    ...     numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
    >>> samples = {"slope": np.zeros(50), "mu": np.zeros((50, 100))}
    >>> log_likelihood(model, samples, np.zeros(3), np.zeros(3))["y"].shape
    (50, 3)
    """
    refuse_collisions(model)
    containers.entry_shapes(posterior_samples)  # that these are no samples is the first thing to say
    arrays = _arrays(posterior_samples, batch_ndims)
    table = _inspect(Call.of(model, args, kwargs), masked=False)
    stripped: frozenset[str] = frozenset()
    missing = tuple(name for name in table.run.sites if _is_latent(table, name))
    if arrays:
        evidence = fit_evidence(table.call, posterior_samples)
        ndims = len(np.shape(next(iter(arrays.values())))[:batch_ndims])
        try:
            review = review_samples(
                table, arrays, new_rows=new_rows, redraw=redraw, batch_ndims=ndims, evidence=evidence
            )
        except NoSharedSiteError:
            pass
        else:
            stripped = review.stripped
            missing = review.missing + tuple(n for n in review if n in stripped and _is_latent(table, n))
    clean = {name: value for name, value in arrays.items() if name not in stripped}
    if arrays and not clean:  # an entry that is no site carries the number of draws
        clean["_draws"] = np.zeros(np.shape(next(iter(arrays.values())))[:batch_ndims])
    try:
        return _stock_log_likelihood(model, clean, *args, parallel=parallel, batch_ndims=batch_ndims, **kwargs)
    except Exception as error:
        if not missing:
            raise
        raise MissingLatentError(
            f"The samples hold no values of the latents {listing(missing)}, which log_likelihood needs and cannot "
            f"draw: add their entries, for the rows that are scored, or marginalize them in the model.",
            missing=dict.fromkeys(missing, ()),
        ) from error


def _is_latent(table: SiteTable, name: str) -> bool:
    site = table.run.sites.get(name)
    return site is not None and site.kind == "latent"


def _inspect(call: Call, masked: bool) -> SiteTable:
    """The sites under exactly these arguments, also where there are none."""
    outcome, call = run(replace(call, bare=False, masked=masked), fall_back=True)
    return SiteTable(call, outcome)


def _watched(evidence: FitEvidence) -> tuple[FitEvidence, list[bool | None]]:
    """The same evidence, and a list that is empty as long as nobody has asked for a comparison of the data."""
    answers: list[bool | None] = []
    same = evidence.same_rows

    def same_rows() -> bool | None:
        answers.append(same() if callable(same) else same)
        return answers[-1]

    return replace(evidence, same_rows=same_rows), answers


def _arrays(samples: Any, batch_ndims: int) -> Any:
    """The dict that NumPyro wants, chains and draws leading, as many batch dimensions as asked for."""
    return samples if samples is None or isinstance(samples, dict) else containers.arrays(samples, batch_ndims)


def _conditions_on_deterministic(predictive: Predictive) -> bool:
    """Whether the wish to put deterministic entries back was made known, by either name that NumPyro gives it."""
    said = vars(predictive)
    if "condition_deterministic" in said:
        return bool(said["condition_deterministic"])
    return not said.get("exclude_deterministic", True)


def _key(call: Call, *more: Hashable) -> Hashable | None:
    """What a review depends on: shapes and dtypes of arrays, all else by value; None where that cannot be told."""
    leaves = tuple(
        (leaf.shape, leaf.dtype) if is_array(leaf) else (type(leaf), leaf) for leaf in map(_abstract, call.leaves)
    )
    key = (call.treedef, leaves, jax.config.jax_enable_x64, *more)  # type: ignore[attr-defined]
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _abstract(leaf: Any) -> Any:
    return abstract(leaf) if is_array(leaf) else leaf
