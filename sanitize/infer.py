"""Drop-ins for NumPyro's ``Predictive`` and ``log_likelihood``: strip against the call's own arguments, then stock."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import numpyro
from numpyro import handlers
from numpyro import infer as stock

from . import containers
from .continuation import carried_on, key_of_extend
from .errors import (
    BatchShapeError,
    MissingLatentError,
    MissingLatentWarning,
    NoSharedSiteError,
    OptionError,
    add_note,
    listing,
    meant,
    warn,
)
from .kinds import Args, Kwargs, Model, OneOrMore, Samples, Shape
from .memory import Memory, key_of
from .model.advice import described, of_lengths, refuse_other_than_key
from .model.argument import ValuesAsked
from .model.call import Call, arguments_error
from .model.inspection import Inspection
from .model.replay import attempt, replay
from .options import Options, Use, refuse_collisions, refuse_taken
from .prepare import Case, prepare
from .review import Review
from .verdicts import messages

# From import time: whoever replaces NumPyro's names by ours must not make us call ourselves.
StockPredictive = stock.Predictive
stock_log_likelihood = stock.log_likelihood

_OPTIONS = ("new_rows", "keep", "redraw", "extend", "levels")  # of this package, beside NumPyro's


class Predictive(StockPredictive):  # type: ignore[misc,valid-type]
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
    keep, redraw : str or sequence of str
        What stays as it was fitted, and what is drawn from its prior, see `strip_deterministic`.
    extend : str, sequence of str, or True
        Whose fitted values are carried on to more groups, rows or steps, see `sanitize.extend`, where it is ``sites``.
        Drawn with a key that is folded from that of the call.
    levels : mapping, optional
        The labels of a dimension in the model's order, see `sanitize.extend`.
    guide, params, num_samples, return_sites, infer_discrete, parallel, batch_ndims
        NumPyro's own.
    **options
        What only some versions of NumPyro have: an explicit ``exclude_deterministic=False`` or
        ``condition_deterministic=True`` is honoured.

    Raises
    ------
    ShapeMismatchError, MissingLatentError, ModelArgumentsError
        At the call, see `strip_deterministic`.

    Warns
    -----
    RedrawnSiteWarning, RowLevelSiteWarning, MissingLatentWarning
        At the call, see `strip_deterministic`.
    OtherArgumentsWarning, IndexRangeWarning, DataStatisticWarning
        Likewise.

    Notes
    -----
    Without samples it is NumPyro's. What a ``guide`` draws is judged as samples are, but for params that are a batch
    (``batch_ndims=1``). The model is run abstractly at every call, since what it reads
    (a global, a field) may have changed; what further runs told is remembered for arguments of the same shapes,
    dtypes and static values. A deterministic site in ``keep`` needs NumPyro 0.14 or later.

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
        model: Model,
        posterior_samples: Samples | None = None,
        *,
        new_rows: bool | None = None,
        keep: OneOrMore = (),
        redraw: OneOrMore = (),
        extend: OneOrMore | bool = (),
        levels: Mapping[str, Sequence[Any]] | None = None,
        guide: Model | None = None,
        params: Mapping[str, Any] | None = None,
        num_samples: int | None = None,
        return_sites: Sequence[str] | None = None,
        infer_discrete: bool = False,
        parallel: bool = False,
        batch_ndims: int | None = None,
        **options: Any,
    ):
        _refuse_unknown(options)
        self._samples = arrays = None
        if posterior_samples is not None:
            self._samples = containers.open(posterior_samples)  # what is no dict may tell of the fit
            if not self._samples.shapes and num_samples is None:
                raise NoSharedSiteError(messages.NO_ENTRIES, entries=(), latents=())
            _refuse_one_draw(self._samples.shapes, batch_ndims)
            arrays = self._samples.arrays(1 if batch_ndims is None else batch_ndims)
        super().__init__(
            model,
            arrays,
            guide=guide,
            params=params,
            num_samples=num_samples,
            return_sites=return_sites,
            infer_discrete=infer_discrete,
            parallel=parallel,
            batch_ndims=batch_ndims,
            **options,
        )
        self.new_rows, self.keep, self.redraw, self.extend, self.levels = new_rows, keep, redraw, extend, levels
        self._reviews = Memory[tuple[Any, Review]]()

    def __repr__(self) -> str:
        samples = "no samples"
        if self._samples is not None:
            samples = f"samples of {listing(self._samples.shapes)}"
        parts = [described(self.model), samples]
        for name in _OPTIONS:
            value = getattr(self, name)
            if value not in (None, ()):
                parts.append(f"{name}={value!r}")
        return f"Predictive({', '.join(parts)})"

    def __call__(self, rng_key: Any = None, *args: Any, **kwargs: Any) -> dict[str, jax.Array]:
        """Predict. See NumPyro's ``Predictive.__call__``."""
        refuse_other_than_key(rng_key, "The first argument of the call", "Predictive(model, samples)(key, ...)")
        are_params_a_batch = self.batch_ndims and self.params
        if self.guide is not None and not are_params_a_batch:
            rng_key, guide_key = jax.random.split(rng_key)  # as stock does
            drawn = self._drawn_by_guide(guide_key, args, kwargs)
            return drawn(rng_key, *args, **kwargs)
        if self.guide is not None or not self.posterior_samples:
            return super().__call__(rng_key, *args, **kwargs)
        clean = copy.copy(self)
        clean.posterior_samples, fixed = self._clean(rng_key, args, kwargs)
        if fixed:
            condition_on_deterministic(clean, fixed)
        # the number of draws is that of the samples also where none of their entries is left
        return StockPredictive.__call__(clean, rng_key, *args, **kwargs)

    def _drawn_by_guide(self, rng_key: Any, args: Args, kwargs: Kwargs) -> Predictive:
        """The same with what the guide draws as its samples."""
        drawing, drawn = copy.copy(self), copy.copy(self)
        drawing.model, drawing.guide, drawing.infer_discrete = self.guide, None, False
        drawing.return_sites = ""  # NumPyro's sign for all sites
        fresh = copy.copy(self.guide)  # a guide sets itself up in its first run
        entries = StockPredictive.__call__(drawing, rng_key, *args, **kwargs)
        guide = Call(handlers.substitute(fresh, data=self.params))
        of_guide = _params_of(guide.with_arguments(args, kwargs))
        params = [name for name in of_guide if name not in self.params]
        if params:
            warn(messages.initial_values(params), MissingLatentWarning, missing=dict.fromkeys(params, ()))
        drawn.guide = None
        for name in (*self.params, *params):
            entries.pop(name, None)
        # the model gets its own, and those that neither has, so that it can warn of them
        call = Call.of(self.model, args, kwargs)
        own = inspect_call(call, masked=True).run.sites
        drawn.params = dict(self.params)
        for name in of_guide:
            if name not in own:
                drawn.params.pop(name, None)
        drawn.posterior_samples = entries
        drawn._samples = containers.open(entries)
        return drawn

    def _clean(self, rng_key: Any, args: Args, kwargs: Kwargs) -> tuple[dict[str, Any], list[str]]:
        """The entries that stay, and the deterministic ones among them."""
        model = self.model
        if self.params:
            model = handlers.substitute(model, data=self.params)
        call = Call.of(model, args, kwargs)
        # with infer_discrete, NumPyro runs the model without the mask
        inspection = inspect_call(call, masked=not self.infer_discrete)
        recomputes = not _conditions_on_deterministic(self)
        returned = None if self.return_sites is None else tuple(self.return_sites)
        options = Options.of(
            new_rows=self.new_rows,
            keep=self.keep,
            redraw=self.redraw,
            extend=self.extend,
            levels=self.levels,
            batch_ndims=len(self._batch_shape),
            use=Use(at_once=True, recomputes=recomputes, returned=returned),
        )
        samples = containers.beside(self._samples, self.posterior_samples)
        case = Case.of(inspection.without_values(), samples, options)
        review = self._judged(case, inspection).with_indices(inspection)
        review.warn()
        review.refuse()
        kept = what_stays(case.with_values(inspection.call), review, rng_key)
        deterministic = inspection.run.named("deterministic")
        return kept, [name for name in kept if name in deterministic]

    def _judged(self, case: Case, inspection: Inspection) -> Review:
        """The model is run anew at each call, since what it reads may have changed; what that tells is remembered."""
        call, run = inspection.call, inspection.run
        of_call = key_of(call, call.traced)
        of_samples = (*case.verbs.items(), *case.samples.shapes.items())
        key = (of_call, case.options, of_samples)
        told = run.sites, run.dist_shapes, inspection.ancestors, inspection.drawn_from
        known = self._reviews.get(key)
        if known and known[0] == told:
            return known[1]
        try:
            review = case.judged()
        except ValuesAsked:
            return case.with_values(call).judged()
        self._reviews.keep(key, (told, review))
        return review


def _signature() -> inspect.Signature:
    own = inspect.signature(Predictive.__init__).parameters
    _self, *theirs = inspect.signature(StockPredictive.__init__).parameters.values()
    added = [own[name] for name in _OPTIONS]
    return inspect.Signature(theirs + added)


Predictive.__signature__ = _signature()


def log_likelihood(
    model: Model,
    posterior_samples: Samples,
    *args: Any,
    parallel: bool = False,
    batch_ndims: int = 1,
    new_rows: bool | None = None,
    keep: OneOrMore = (),
    redraw: OneOrMore = (),
    extend: OneOrMore | bool = (),
    levels: Mapping[str, Sequence[Any]] | None = None,
    rng_key: Any = None,
    **kwargs: Any,
) -> dict[str, jax.Array]:
    """NumPyro's ``log_likelihood``, with samples that are stripped against the arguments of the call.

    Parameters
    ----------
    model : callable
        The NumPyro model. One with params (``flax_module``, ``numpyro.param``) is given their values with it:
        ``numpyro.handlers.substitute(model, params)``.
    posterior_samples : mapping of arrays, MCMC, xarray.Dataset, arviz.InferenceData or xarray.DataTree
        Entries of shape ``(*batch, *per-draw shape)`` with ``batch_ndims`` batch dimensions.
    *args, **kwargs
        The model's arguments, the data to score among them.
    parallel, batch_ndims
        As in NumPyro.
    new_rows, keep, redraw
        See `strip_deterministic`. Nothing is drawn here, so that a latent which is redrawn is missing.
    extend, levels
        Whose fitted values are carried on before they score the data, see `sanitize.extend`.
    rng_key : jax.Array, optional
        The key for ``extend``, which is folded as ``Predictive`` does: the same key carries the same values on.

    Returns
    -------
    dict of arrays
        Of shape ``(*batch, *batch shape of the site)`` for each observed site. An outcome whose data are not passed
        is left out, unless one that is scored depends on it.

    Raises
    ------
    MissingLatentError
        If a latent of the model has no entry, or its rows do not fit. NumPyro fails deep inside.
    ShapeMismatchError, ModelArgumentsError, OptionError
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
    >>> from sanitize import log_likelihood
    >>> def model(x, y=None):
    ...     slope = numpyro.sample("slope", dist.Normal())
    ...     mu = numpyro.deterministic("mu", slope * x)
    ...     numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
    >>> samples = {"slope": np.zeros(50), "mu": np.zeros((50, 100))}
    >>> log_likelihood(model, samples, np.zeros(3), np.zeros(3))["y"].shape
    (50, 3)
    """
    call = Call.of(model, args, kwargs)
    refuse_collisions(call)
    refuse_taken(call, extend=extend, levels=levels, rng_key=rng_key)
    if "params" in kwargs and (why := call.why_not_bound()):
        what = (
            f"{why}. Params are given with the model: log_likelihood(numpyro.handlers.substitute(model, params), ...)"
        )
        raise arguments_error(call, what)
    samples = containers.open(posterior_samples)
    _refuse_one_draw(samples.shapes, batch_ndims)
    arrays = samples.arrays(batch_ndims)
    inspection = inspect_call(call, masked=False)
    clean, missing = arrays, inspection.run.named("latent")
    if arrays:
        first, *_ = arrays.values()
        batch = np.shape(first)[:batch_ndims]
        options = Options.of(
            new_rows=new_rows,
            keep=keep,
            redraw=redraw,
            extend=extend,
            levels=levels,
            batch_ndims=len(batch),
            use=Use(at_once=True, draws=False),
        )
        case, review = prepare(inspection, containers.beside(samples, arrays), options)
        clean = what_stays(case, review, rng_key)
        missing = [name for name in not_given(review, inspection) if name not in clean]
        if not clean:  # an entry that is not a site carries the number of draws
            clean["_draws"] = np.zeros(batch)
    if spare := spare_values(inspection, clean, missing):
        model = handlers.substitute(model, spare)
        missing = [name for name in missing if name not in spare]
    try:
        return stock_log_likelihood(model, clean, *args, parallel=parallel, batch_ndims=batch_ndims, **kwargs)
    except Exception as error:
        if not missing:
            say_lengths(call, error)
            raise
        raise cannot_score(inspection, missing) from error


def say_lengths(call: Call, error: Exception) -> None:
    """A note on the error of a run that scores: it may be that the data and the other arguments are of other rows."""
    arguments = dict(zip(call.names, call.leaves))
    for hint in of_lengths(arguments):
        add_note(error, hint)


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    """Options that are neither ours nor NumPyro's."""
    _self, *theirs = inspect.signature(StockPredictive.__init__).parameters
    known = [*theirs, *_OPTIONS]
    for name in options.keys() - {*theirs}:
        like = "extend" if name == "sites" else meant(name, known)
        has = f"{like}= may be meant" if like else f"its options are {listing(known, most=20)}"
        raise OptionError(f"Predictive has no option {name!r}: {has}. The model's arguments are passed at the call.")


def what_stays(case: Case, review: Review, rng_key: Any) -> dict[str, Any]:
    """The entries that are not stripped; those that are carried on with their new values."""
    arrays = case.samples.arrays(len(review.batch_shape))
    kept = {name: arrays[name] for name in arrays if name not in review.gone}
    if review.extended:
        refuse_other_than_key(rng_key, "With extend=, rng_key", "log_likelihood(..., extend=..., rng_key=key)")
        drawn = carried_on(case, review, key_of_extend(rng_key))
        kept.update(drawn.arrays)
    return kept


def spare_values(inspection: Inspection, given: Collection[str], missing: Collection[str]) -> dict[str, Any]:
    """Values for latents without an entry on which nothing that is scored depends: they change no score."""
    scored = inspection.run.named("observed")
    if not missing or not scored:
        return {}
    latents = [name for name in inspection.run.named("latent") if name in given]
    needed = inspection.used(latents, scored)
    spare = {}
    for name in set(missing).difference(needed):
        site = inspection.run.sites[name]
        spare[name] = np.zeros(site.shape or (), site.dtype)
    return spare


def cannot_score(inspection: Inspection, missing: Collection[str], what: str = "log_likelihood") -> MissingLatentError:
    """What to do about them; ``what`` needs them."""
    observable = inspection.observable
    given = [name for name in missing if name in observable]
    params = [name for name in inspection.run.named("param") if name not in inspection.run.given]
    ways = []
    if given:
        arguments = dict.fromkeys(observable[name] for name in given)
        ways.append(f"pass {'= and '.join(arguments)}=, the data of {listing(given)}, which {what} is to score")
    if len(given) < len(missing):
        ways.append("add their entries, for the rows that are scored, or marginalize them in the model")
    if params:
        ways.append(f"give the params {listing(params)} their values by numpyro.handlers.substitute(model, params)")
    return MissingLatentError(
        f"The samples hold no values of {listing(missing)}, which {what} needs and cannot draw: {'; '.join(ways)}.",
        missing=dict.fromkeys(missing, ()),
    )


def not_given(review: Review, inspection: Inspection) -> list[str]:
    """Latents of which a likelihood has no values, since they are redrawn, stripped or have no entry."""
    gone = [name for name in inspection.run.named("latent") if name in review.gone]
    return [*review.missing, *gone]


def latents_of_the_fit(review: Review, inspection: Inspection, what: str) -> list[str]:
    """The latents that are no targets, all of which have a value: ``what`` needs the joint density of them."""
    latents = [name for name in inspection.run.named("latent") if name not in inspection.targets]
    needed = set(latents).difference(inspection.run.given)
    missing = [name for name in not_given(review, inspection) if name in needed]
    if missing:
        raise cannot_score(inspection, missing, what)
    return latents


def _refuse_one_draw(shapes: Mapping[str, Shape | None], batch_ndims: int | None) -> None:
    names = [name for name, shape in shapes.items() if shape == ()]
    if batch_ndims != 0 and names and any(shapes.values()):
        if any("_auto_" in name for name in names):
            way_out = "They are params of a guide: pass guide.sample_posterior(rng_key, params, sample_shape=(1000,))."
        else:
            way_out = "If the samples are one draw, give them one: {k: v[None] for k, v in samples.items()}."
        raise BatchShapeError(f"Without a dimension of draws: {listing(names)}. {way_out}", shapes=dict(shapes))


def inspect_call(call: Call, masked: bool) -> Inspection:
    """The sites under exactly these arguments, also where there are none."""
    return Inspection.of(replace(call, masked=masked))


def _params_of(guide: Call) -> list[str]:
    outcome = attempt(replay, guide, {}) or {}
    return [name for name, site in outcome.items() if site.kind == "param"]


def _conditions_on_deterministic(predictive: Predictive) -> bool:
    """Whether the wish to put deterministic entries back was made known, by either name that NumPyro gives it."""
    said = vars(predictive)
    if "condition_deterministic" in said:
        return bool(said["condition_deterministic"])
    return not said.get("exclude_deterministic", True)


def condition_on_deterministic(predictive: Any, names: Sequence[str]) -> None:
    """Let stock put back the deterministic entries that are left, which are those in ``keep``."""
    if "condition_deterministic" in vars(predictive):
        predictive.condition_deterministic = True
    elif "exclude_deterministic" in vars(predictive):
        predictive.exclude_deterministic = False
    elif not _substitutes_deterministic():
        raise OptionError(
            f"keep names the deterministic site {listing(names)}: NumPyro puts recorded values back since version 0.14."
        )


def _substitutes_deterministic() -> bool:
    """Whether this NumPyro puts recorded values back at deterministic sites at all."""
    model = handlers.substitute(lambda: numpyro.deterministic("x", 0.0), data={"x": 1.0})
    with handlers.block():
        sites = handlers.trace(model).get_trace()
    return bool(sites["x"]["value"])
