"""`Predictor`: stock ``Predictive``, compiled once, in batches of draws, labelled, lazy if asked for."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro import handlers

from .. import containers
from ..continuation import Carrier, key_of_extend
from ..errors import NoSharedSiteError, OptionError, SamplesTypeError, listing
from ..infer import cannot_score, inspect_call, latents_of_the_fit, not_given, say_lengths, spare_values
from ..kinds import Model, OneOrMore
from ..memory import Memory, Signature, key_of
from ..model.advice import described, refuse_other_than_key
from ..model.argument import ValuesAsked, is_integer
from ..model.call import Call
from ..model.inspection import Inspection
from ..model.replay import attempt
from ..model.trace import ONE_RUN_AT_A_TIME
from ..options import Options, Use
from ..prepare import Case
from ..review import Review
from ..verdicts import messages
from .compiled import Batch, Draws
from .file import save
from .labels import Labels
from .one_draw import one_draw, outcomes, predictions, priors, scores, site_of
from .parameters import Parts
from .plan import Plan, template
from .signature import Taken, as_arrays, may_be_taken, other_values, taking

if TYPE_CHECKING:
    import xarray as xr

_SCORES = ("log_likelihood", "log_prior")  # kinds for which nothing is drawn
_VERDICTS = ("sanitize_kept", "sanitize_stripped", "sanitize_redrawn")  # attributes of an answer
_SINCE = (0, 15)  # of NumPyro: an older one splits keys in another way, and mixes recorded with drawn values


class Predictor:
    """Predict many times, or more than memory holds: compiled once, in batches of draws, an ``xarray.Dataset`` back.

    The numbers are those of NumPyro's ``Predictive`` with the same key and stripped samples, up to rounding, whatever
    the batches.

    Parameters
    ----------
    model : callable
        The NumPyro model.
    samples : mapping of arrays, MCMC, xarray.Dataset, arviz.InferenceData or xarray.DataTree
        Posterior samples. Entries may be stripped, see `strip_deterministic`. Chains and draws come back as they were,
        those of an ``MCMC`` by chain. Dask arrays are read batch by batch.
    return_sites : str or sequence of str, optional
        Sites to give back. By default what ``Predictive`` gives: sites that are drawn, and deterministic sites. With
        ``kind="params"`` single parameters, too: ``"y.loc"``.
    params : dict, optional
        Values of ``numpyro.param`` sites, of neural networks for example.
    kind : {"samples", "mean", "params"}
        ``"samples"`` draws observed sites; ``"mean"`` gives the mean of their distribution instead, without noise,
        and the probabilities of a category, along a dimension that is named after the site (``y_category``);
        ``"params"`` gives the parameters of their distribution by name: ``y.loc``, ``y.scale``. Deterministic sites
        are given with all three.
    batch_size : int, optional
        How many draws are in memory at once: a chunk of a lazy answer, and what is read of dask arrays. By default all
        draws; for a lazy answer as many as 64 MB hold.
    lazy : bool
        Give back dask arrays, which are computed batch by batch when they are asked for (``compute``, ``to_zarr``,
        ``mean("draw").compute()``). The draws do not depend on the chunks.
    new_rows, keep, redraw
        See `strip_deterministic`.
    extend : str, sequence of str, or True
        Names of what is carried on to more groups, rows or steps, as ``sites`` of `sanitize.extend`. The values are
        drawn and held in memory at once, with a key that is folded from the key of the call.
    levels : mapping, optional
        The labels of a dimension in the model's order, see `sanitize.extend`.
    rng_key : jax.Array, optional
        The key for ``extend`` in ``log_likelihood``. The same key gives the same values there as in a call.
    dims : mapping of str to sequence of str, optional
        Names of the dimensions of a site, without chains and draws. By default the names that the recorded entry has,
        the plates, or a frame or labelled array among the arguments; else ``<site>_dim_0``.
    coords : mapping of str to sequence, optional
        Labels along dimensions.
    progress_bar : bool
        Show one where there are several batches. Off where the environment variable ``CI`` is set, as in NumPyro.

    Raises
    ------
    OptionError
        At once: an option that cannot be understood. At the call, before anything is compiled: what is not a key, a
        name that is not a site, and a distribution that has no mean or no parameters, by its name.
    ShapeMismatchError, MissingLatentError, BatchShapeError, ModelArgumentsError
        At the call, see `strip_deterministic`.

    Warns
    -----
    RedrawnSiteWarning, RowLevelSiteWarning, MissingLatentWarning
        At the call, see `strip_deterministic`.
    OtherArgumentsWarning, IndexRangeWarning, DataStatisticWarning
        Likewise.

    Notes
    -----
    It compiles once for each signature: the shapes and dtypes of arrays and Python's floats, and the values of all
    other arguments. Some arrays count by value, too: those whose values the model needs (``np.unique(group)``), and
    those from which it computes other numbers without the values, in NumPy with 64 bits that JAX would cast away (time
    stamps), or in a branch on ``isinstance(x, np.ndarray)``. A global or a field that the model reads is read when a
    signature is seen for the first time, as by ``jax.jit``. ``factor`` sites are left out.

    Threads of this process, or a cluster, can compute a lazy answer. What was compiled is pickled by ``jax.export``, so
    that workers do not need the model (the extra ``dask`` installs what they need).

    Draws that are sharded over devices are used where they are.

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
        model: Model,
        samples: Any,
        return_sites: OneOrMore | None = None,
        params: Mapping[str, Any] | None = None,
        kind: Literal["samples", "mean", "params"] = "samples",
        batch_size: int | None = None,
        lazy: bool = False,
        new_rows: bool | None = None,
        keep: OneOrMore = (),
        redraw: OneOrMore = (),
        extend: OneOrMore | bool = (),
        levels: Mapping[str, Sequence[Any]] | None = None,
        rng_key: Any = None,
        dims: Mapping[str, Sequence[str]] | None = None,
        coords: Mapping[str, Any] | None = None,
        progress_bar: bool = True,
    ):
        _refuse_old_numpyro()
        if kind not in ("samples", "mean", "params"):
            raise OptionError(f"kind is {kind!r}: it has to be 'samples', 'mean' or 'params'.")
        if batch_size is not None and not (is_integer(batch_size) and batch_size > 0):
            raise OptionError(f"batch_size is {batch_size!r}: it has to be a positive whole number, or None.")
        self.model = model
        self.params = dict(params or {})
        self.return_sites = [return_sites] if isinstance(return_sites, str) else return_sites
        self.kind = kind
        self.batch_size = batch_size
        self.lazy = lazy
        self.progress_bar = progress_bar and "CI" not in os.environ
        self.options = Options.of(new_rows=new_rows, keep=keep, redraw=redraw, extend=extend, levels=levels)
        self.rng_key = rng_key
        self.dims = dict(dims or {})
        self.coords = dict(coords or {})
        self._samples = containers.open(samples)
        if not self._samples.shapes:
            raise NoSharedSiteError(messages.NO_ENTRIES, entries=(), latents=())

        self._taken = Memory[Taken]()
        self._inspections = Memory[Inspection]()
        self._reviews = Memory[Review]()
        self._batches = Memory[Batch]()
        self._plans = Memory[Plan]()
        self._carriers = Memory[Carrier]()

    def __repr__(self) -> str:
        model = described(self.model)
        entries = listing(self._samples.shapes)
        return f"Predictor({model}, samples of {entries}, kind={self.kind!r})"

    def __call__(self, rng_key: Any = None, *args: Any, **kwargs: Any) -> xr.Dataset:
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
            A variable for each site, with dimensions ``(chain, draw, *dims)``, or ``(draw, *dims)`` where draws are
            not grouped by chain. Its attributes hold versions, and which entries were kept, stripped and redrawn.
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
        rng_key = self.rng_key
        if rng_key is None:
            rng_key = jax.random.PRNGKey(0)
        return self._answer("log_likelihood", rng_key, args, kwargs)

    def log_prior(self, *args: Any, **kwargs: Any) -> xr.Dataset:
        """The log density of each latent under its prior, see `sanitize.arviz.log_prior`."""
        return self._answer("log_prior", jax.random.PRNGKey(0), args, kwargs)

    def save(
        self,
        path: str | os.PathLike[str],
        rng_key: Any = None,
        *args: Any,
        platforms: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write a file that predicts for calls like this one, without the model: see `sanitize.load`.

        Parameters
        ----------
        path : str or path-like
            The file; one that exists is replaced.
        rng_key : jax.Array
            A key as for a call.
        *args, **kwargs
            The model's arguments: arrays with the shapes and dtypes of later calls, all else with the same values.
        platforms : sequence of str, optional
            Where it will run: ``["cpu", "cuda"]``. By default on this platform.

        Raises
        ------
        OptionError
            With ``extend``; where JAX has no ``jax.export`` (before 0.4.30); labels that are neither text nor numbers.

        Notes
        -----
        The file holds draws, labels and what was compiled. Params and values that the model closes over are part of
        that. Where the verdict on a row-level entry needed the values of arrays, these arrays count by value, too.
        """
        refuse_other_than_key(rng_key, "The second argument of save", "predict.save(path, key, ...)")
        if self.options.carries_on:
            raise OptionError(
                "save does not go with extend=, whose values are drawn anew for each key: carry them on before, as in "
                "Predictor(model, sanitize.extend(model, samples, ...))."
            )
        signature, plan = self._prepared(self.kind, jnp.asarray(rng_key), args, kwargs)
        other = attempt(self._with_other_values, signature)
        by_value = other is None or other.attrs != plan.template.attrs
        if other is not None and not by_value:
            # labels that belong to these rows alone are left out
            theirs, gone = other.coords, []
            for name, labels in plan.template.coords.items():
                if name not in theirs or not labels.equals(theirs[name]):
                    gone.append(name)
            plan = replace(plan, template=plan.template.drop_vars(gone))
        save(path, plan, signature, self.params, self.lazy, platforms, by_value)

    # ---------------------------------------------------------------------------------------------- of one call

    def _answer(self, kind: str, rng_key: Any, *arguments: Any) -> xr.Dataset:
        signature, plan = self._prepared(kind, rng_key, *arguments)
        inputs = signature.arrays, self.params
        return plan.answer(rng_key, inputs, self.lazy, self.progress_bar)

    def _prepared(self, kind: str, rng_key: Any, *arguments: Any) -> tuple[Signature, Plan]:
        with ONE_RUN_AT_A_TIME:  # threads of a server share what was compiled
            call = self._bare_call.with_arguments(*arguments)
            signature = self._signature(kind, call)
            return signature, self._plan(rng_key, signature)

    @functools.cached_property
    def _bare_call(self) -> Call:
        """The model without arguments."""
        model = self.model
        if self.params:
            model = handlers.substitute(model, data=self.params)
        return Call.of(model, (), {})

    def _signature(self, kind: str, call: Call) -> Signature:
        """What this call has in common with others."""
        masked = kind not in _SCORES
        likely = may_be_taken(call)
        first = kind, key_of(call, likely)

        def taken_of() -> Taken:
            return Taken.of(inspect_call(call, masked))

        taken = self._taken.of(first, taken_of)
        which = taken.by(call)
        with_arrays = as_arrays(call, which)
        key = first if which == likely else (kind, key_of(with_arrays, which))
        unseen = self._inspections.of(key, lambda: taken.inspection(with_arrays, which))
        return Signature(kind, unseen, with_arrays, which, key, taken.asked)

    def _plan(self, rng_key: jax.Array, signature: Signature) -> Plan:
        """What this call runs. Warns, and raises, where something is wrong with the call."""
        case = functools.partial(self._case, signature.kind)
        review = self._reviews.by_need(signature, lambda seen: case(seen).judged())
        try:
            review.with_indices(signature.unseen).warn()
        except ValuesAsked:  # the values of indices are checked at each call
            review.with_indices(signature.inspection).warn()
        review.refuse()
        drawn = containers.NOTHING
        verdicts = review.kept, review.redrawn, review.extended

        def carrier_of(seen: Inspection) -> Carrier:
            return Carrier.of(case(seen), review, signature.which)

        def plan_of(seen: Inspection) -> Plan:
            return self._made(signature, case(seen), review, drawn)

        if self.options.carries_on:
            carrier = self._carriers.by_need(signature, carrier_of, *verdicts)
            drawn = carrier(key_of_extend(rng_key), signature.arrays)
        plan = self._plans.by_need(signature, plan_of, *verdicts)
        if not drawn.arrays:
            return plan
        ndims = len(review.batch_shape)
        draws = plan.draws.with_drawn(drawn.arrays, ndims)
        return replace(plan, draws=draws)

    def _case(self, kind: str, inspection: Inspection) -> Case:
        sites, returned = inspection.run.sites, None
        if self.return_sites is not None:
            returned = tuple(site_of(name, sites) for name in self.return_sites)
        use = Use(True, kind not in _SCORES, returned=returned)
        options = replace(self.options, use=use)
        return Case.of(inspection, self._samples, options)

    def _with_other_values(self, signature: Signature) -> xr.Dataset:
        """The template for another call of the same signature. It shows what the values of arrays decide."""
        others = other_values(signature.call, signature.which)
        call = signature.call.with_leaves(others)
        inspection = signature.unseen.with_call(call)
        case = self._case(self.kind, inspection)
        review = case.judged()
        return self._made(signature, case, review, containers.NOTHING).template

    def _made(self, signature: Signature, case: Case, review: Review, drawn: containers.Drawn) -> Plan:
        inspection, ndims = case.inspection, len(review.batch_shape)
        self._refuse_names(inspection)
        arrays, leading = case.samples.by_draw(ndims)
        first, *_ = arrays.values()
        kept = review.kept.intersection(inspection.run.sites)
        fitted, trees = {}, []
        for name, x in arrays.items():
            if name not in kept or name in drawn.arrays:
                continue
            fitted[name] = x
            if review.shapes[name] is None:
                trees.append(name)
        if trees:
            raise SamplesTypeError(f"Entry {listing(trees)} is a tree of arrays: pass it in params=, not as draws.")
        shape = np.shape(first)[: len(leading)]
        draws = Draws.of(fitted, shape).with_drawn(drawn.arrays, ndims)

        def compiled() -> Batch:
            return self._compiled(signature, inspection, review, draws)

        key = signature.key, *draws.arrays, review.redrawn
        batch = self._batches.of(key, compiled)
        outputs, of_draws = batch.outputs, dict(zip(leading, draws.shape))
        labels = Labels(case.fit, self.dims, self.coords, drawn.coords, outputs, batch.parts, of_draws)
        answer = template(self._samples.of_draws(), of_draws, outputs, labels)
        answer.attrs = _attributes(signature.kind, review, labels)
        return Plan(draws, batch, answer)

    def _refuse_names(self, inspection: Inspection) -> None:
        sites, unknown = inspection.run.sites, []
        for name in self.return_sites or ():
            # whether a distribution has the parameter shows when the model runs
            site = site_of(name, sites) if self.kind == "params" else name
            if inspection.site(site) is None:
                unknown.append(name)
        latents = inspection.run.named("latent")
        fixed = [name for name in latents if name in self.params]
        if fixed:
            raise OptionError(
                f"params names {listing(fixed)}, a latent, which would be the same in all draws: it holds values of "
                "numpyro.param sites. Values of latents are entries of the samples, or numpyro.handlers.condition's."
            )
        if unknown:
            where = inspection.call.description
            known = listing(sites, most=20)
            raise OptionError(
                f"return_sites names {listing(unknown)}, which is not a site of {where}: its sites are {known}."
            )

    def _compiled(self, signature: Signature, inspection: Inspection, review: Review, draws: Draws) -> Batch:
        kind = signature.kind
        parts: Parts = {}
        missing: list[str] = []
        if kind == "log_likelihood":
            missing = not_given(review, inspection)
            spare = spare_values(inspection, draws.arrays, missing)
            missing = [name for name in missing if name not in spare]
            of = scores(spare)
        elif kind == "log_prior":
            of = priors(latents_of_the_fit(review, inspection, kind))
        else:
            targets: list[str] = []
            if kind != "samples":
                targets = outcomes(inspection, draws.arrays, review.redrawn)
            of = predictions(inspection, draws.arrays, self.return_sites, targets, kind, parts)
        call = taking(signature.call, signature.which)
        one = one_draw(self.model, call, of)
        inputs = signature.arrays, self.params
        try:
            return Batch.of(one, draws, inputs, self.batch_size, self.lazy, parts)
        except Exception as error:
            if missing:
                raise cannot_score(inspection, missing) from error
            say_lengths(signature.call, error)
            raise


def _attributes(kind: str, review: Review, labels: Labels) -> dict[str, str]:
    """What an answer tells of itself: text only, which every format of files takes."""
    attributes = {"inference_library": "numpyro"}
    attributes["inference_library_version"] = numpyro.__version__
    attributes["creation_library"] = "sanitize"
    attributes["kind"] = kind
    pairs = map("=".join, labels.paired.items())
    attributes["sanitize_rows"] = ", ".join(pairs)
    verdicts = review.kept, review.stripped, review.redrawn
    for word, names in zip(_VERDICTS, verdicts):
        in_order = [name for name in review if name in names]
        attributes[word] = ", ".join(in_order)
    return attributes


def _refuse_old_numpyro() -> None:
    major, minor, *_ = numpyro.__version__.split(".")
    if (int(major), int(minor)) < _SINCE:
        needed = ".".join(map(str, _SINCE))
        raise OptionError(
            f"Predictor needs NumPyro {needed} or later, and here is {numpyro.__version__}: sanitize.Predictive works "
            "with all versions."
        )
