"""What ArviZ asks of a model beside draws: densities of the prior, moved draws, refits. Loaded when it is imported.

Cross-validation takes one thing for granted: without some rows, the model is the same for the others. `NumPyroWrapper`
runs it with and without them, with one draw, and refuses by name what then is drawn with something else.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpyro import handlers
from numpyro.infer import HMC, MCMC
from numpyro.infer.util import constrain_fn, potential_energy, unconstrain_fn

from . import containers
from .errors import OptionError, SamplesTypeError, SanitizeWarning, a, listing, warn
from .infer import inspect_call, latents_of_the_fit, stock_log_likelihood
from .kinds import Args, Kwargs, Model, Samples
from .memory import Memory, key_of
from .model.call import Call, with_defaults, with_rows
from .model.dists import unwrapped
from .model.inspection import Inspection
from .model.replay import Outcome, Replayed, attempt, differ, latents_of, replay
from .model.sizes import Size
from .model.trace import is_factor, try_run
from .options import Options, Use
from .predict import Predictor
from .predict.signature import Taken, taking
from .prepare import prepare

try:
    from arviz_stats import SamplingWrapper  # which ArviZ asks whether a wrapper is one
except ImportError:
    SamplingWrapper = object

if TYPE_CHECKING:
    import xarray as xr

OfDraws = Callable[..., "xr.DataArray"]


def log_prior(model: Model, samples: Samples, *args: Any, **kwargs: Any) -> xr.Dataset:
    """The log density of each latent under its prior, given the latents above it: ArviZ's group ``log_prior``.

    Parameters
    ----------
    model : callable
        The NumPyro model that was fitted.
    samples : mapping of arrays, MCMC, xarray.Dataset, arviz.InferenceData or xarray.DataTree
        Posterior samples, of which any entries may be recorded deterministic values or predictions.
    *args, **kwargs
        The model's arguments, those of the fit. With an ``MCMC`` they may be left out.

    Returns
    -------
    xarray.Dataset
        A variable for each latent, of dimensions ``(chain, draw, *batch dims)``, labelled as by `Predictor`. Densities
        are those of the values as the model draws them: no Jacobian of a transform.

    Raises
    ------
    MissingLatentError
        A latent has no entry, a discrete one that the fit enumerated for example.
    OptionError, ShapeMismatchError, ModelArgumentsError
        The arguments are not those of the fit.

    Warns
    -----
    SanitizeWarning
        The model has a ``factor``, which is left out: nothing tells whether it is prior or likelihood. Params are left
        out, too, without a word: they have no prior.

    Notes
    -----
    From NumPyro 0.15, with any ArviZ; ``arviz.psense_summary`` reads it.

    Examples
    --------
    >>> import numpy as np, numpyro, numpyro.distributions as dist
    >>> from sanitize.arviz import log_prior
    >>> def model(x, y=None):
    ...     slope = numpyro.sample("slope", dist.Normal())
    ...     numpyro.sample("y", dist.Normal(slope * x, 1.0), obs=y)
    >>> samples = {"slope": np.zeros((4, 50))}
    >>> print(log_prior(model, samples, np.zeros(3), np.zeros(3))["slope"].values.mean().round(3))
    -0.919
    """
    call = _call_of_fit(model, samples, args, kwargs)
    args, options = call.arguments()
    densities = Predictor(model, samples, new_rows=False).log_prior(*args, **options)
    sites = inspect_call(call, masked=False).run.sites
    factors = [name for name, site in sites.items() if is_factor(site)]
    if factors:
        warn(
            f"log_prior leaves out the factor {listing(factors)}: nothing tells whether it is prior or likelihood. "
            "If it is prior, add its values to the result.",
            SanitizeWarning,
            factors=tuple(factors),
        )
    return densities


def mm_from_numpyro(
    model: Model, samples: Samples, *args: Any, var_name: str | None = None, **kwargs: Any
) -> tuple[OfDraws, OfDraws, xr.DataArray]:
    """What ``arviz.loo_moment_match`` wants of a model, in its order.

    Parameters
    ----------
    model : callable
        The NumPyro model that was fitted. All its latents are continuous.
    samples : mapping of arrays, MCMC, xarray.Dataset, arviz.InferenceData or xarray.DataTree
        Posterior samples.
    *args, **kwargs
        The model's arguments, those of the fit. With an ``MCMC`` they may be left out.
    var_name : str, optional
        The observed site that is scored, where there are several.

    Returns
    -------
    log_prob_upars_fn : callable
        ``(upars) -> DataArray`` of dimensions ``(chain, draw)``: the log density of all latents and data, in the
        unconstrained space.
    log_lik_i_upars_fn : callable
        ``(upars, i) -> DataArray`` of dimensions ``(chain, draw)``: the log likelihood of the i-th observation.
    upars : xarray.DataArray
        The draws in the unconstrained space, of dimensions ``(chain, draw, unconstrained_parameter)``.

    Raises
    ------
    OptionError
        ArviZ is older than 1.3; a latent is discrete; the likelihood has no value for each row.
    MissingLatentError
        A latent has no entry.

    Notes
    -----
    The second step of ``arviz.loo(idata, pointwise=True)``, where single observations have a high Pareto k::

        arviz.loo_moment_match(idata, loo, *mm_from_numpyro(model, idata, x, y))
    """
    import xarray as xr

    _refuse_old_arviz("mm_from_numpyro")
    call = _call_of_fit(model, samples, args, kwargs)
    arguments = call.arguments()
    inspection = inspect_call(call, masked=False)
    target = _scored(inspection, var_name)
    options = Options.of(new_rows=False, use=Use(True, draws=False))
    case, review = prepare(inspection, containers.open(samples), options)
    names = latents_of_the_fit(review, inspection, "mm_from_numpyro")
    discrete = [name for name in names if inspection.run.sites[name].discrete]
    if discrete:
        raise OptionError(
            f"Moment matching moves draws of continuous latents, and {listing(discrete)} is discrete: marginalize "
            "it in the model."
        )
    names += [name for name in inspection.run.named("param") if name in review.kept]
    arrays, leading = case.samples.by_draw(len(review.batch_shape))
    draws = {name: _by_chain(arrays[name], len(leading)) for name in names if name in review.kept}

    def unconstrained(draw: Mapping[str, Any]) -> Any:
        return unconstrain_fn(_seeded(model), *arguments, draw)

    one = unconstrained({name: x[0, 0] for name, x in draws.items()})
    unravel = ravel_pytree(one)[1]

    def log_prob(flat: Any) -> Any:
        return -potential_energy(_seeded(model), *arguments, unravel(flat))

    def log_likelihood(flat: Any, i: Any) -> Any:
        draw = constrain_fn(_seeded(model), *arguments, unravel(flat))
        args, options = arguments
        return stock_log_likelihood(model, draw, *args, batch_ndims=0, **options)[target].ravel()[i]

    coords = dict(case.samples.of_draws().coords)

    def labelled(function: Callable[..., Any], *others: None) -> OfDraws:
        of_chain = jax.vmap(function, (0, *others))
        compiled = jax.jit(jax.vmap(of_chain, (0, *others)))

        def of_all(upars: xr.DataArray, *i: int) -> xr.DataArray:
            by_draw = upars.transpose("chain", "draw", ...)
            values = compiled(jnp.asarray(by_draw.values), *i)
            return xr.DataArray(np.asarray(values, float), coords, ("chain", "draw"))

        return of_all

    of_draw = jax.vmap(lambda draw: ravel_pytree(unconstrained(draw))[0])
    flat = jax.jit(jax.vmap(of_draw))(draws)
    upars = xr.DataArray(np.asarray(flat, float), coords, ("chain", "draw", "unconstrained_parameter"))
    upars = upars.assign_coords(unconstrained_parameter=_elements(one))
    return labelled(log_prob), labelled(log_likelihood, None), upars


def with_predictions(idata: Any, dataset: xr.Dataset, group: str = "predictions") -> Any:
    """The samples with predictions beside them, under names of dimensions that ArviZ's plots pair.

    Parameters
    ----------
    idata : arviz.InferenceData or xarray.DataTree
        Samples by groups. They are not changed.
    dataset : xarray.Dataset
        What a `Predictor` gives.
    group : str
        ``"posterior_predictive"`` for the rows of the fit, which ArviZ compares with the group ``observed_data``.

    Returns
    -------
    The type of ``idata``
        With this group, in the place of one of its name. Along rows it has the dimensions of the group
        ``observed_data``, and deterministic values have those of what is predicted. Draws without chains are one chain.

    Raises
    ------
    SamplesTypeError
        The samples have no groups.

    Examples
    --------
    >>> import jax, numpy as np, numpyro, numpyro.distributions as dist, xarray as xr
    >>> from sanitize import Predictor
    >>> from sanitize.arviz import with_predictions
    >>> def model(x, y=None):
    ...     slope = numpyro.sample("slope", dist.Normal())
    ...     mu = numpyro.deterministic("mu", slope * x)
    ...     numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
    >>> idata = xr.DataTree.from_dict({"posterior": xr.Dataset({"slope": (("chain", "draw"), np.zeros((4, 50)))})})
    >>> predicted = Predictor(model, idata)(jax.random.PRNGKey(0), np.zeros(3))
    >>> with_predictions(idata, predicted)["predictions"]["mu"].dims
    ('chain', 'draw', 'y_dim_0')
    """
    container = containers.open(idata)
    if not isinstance(container, containers.Groups) or getattr(container, "is_group", False):
        raise SamplesTypeError(
            f"The samples are {a(idata)} without groups: pass what arviz.from_numpyro(mcmc) returns, an InferenceData "
            "or a DataTree."
        )
    pairs = {}
    for pair in filter(None, dataset.attrs.get("sanitize_rows", "").split(", ")):
        dim, of_target = pair.split("=")
        pairs[dim] = of_target
    variables = {}
    for name, variable in dataset.data_vars.items():
        renamed = [pairs.get(dim, dim) for dim in variable.dims]
        variables[name] = renamed, variable.data, variable.attrs
    gone = []
    for name, coord in dataset.coords.items():
        if not pairs.keys().isdisjoint(coord.dims):
            gone.append(name)
    named = dataset.drop_vars([*variables, *gone]).assign(variables)
    if "chain" not in named.dims:
        named = named.expand_dims("chain")
    for name, observed in container.observed_data.items():
        dims = named[name].dims if name in named else ()
        own = [dim for dim in dims if dim not in ("chain", "draw")]
        if len(own) == len(observed.dims):
            both = zip(own, observed.dims)
            named = named.rename({was: now for was, now in both if now not in named.dims})
    return container.with_group(group, named)


class NumPyroWrapper(SamplingWrapper):  # type: ignore[misc]
    """A fit that ArviZ can make again without some rows: for ``reloo``, ``loo_kfold`` and ``lfo_cv``.

    Rows are taken from every argument that has them, whatever it is. Where held-out rows have latents of their own,
    these are carried on: drawn given what was fitted to the other rows, see `sanitize.extend`.

    Parameters
    ----------
    mcmc : MCMC
        The fit, with its model, kernel and arguments.
    idata : xarray.DataTree
        The same, with the group ``log_likelihood``, whose dimension of rows the scores have.
    rng_key : jax.Array, optional
        With which each refit, and what is carried on, is drawn.
    var_name : str, optional
        The observed site that is scored, where there are several.

    Raises
    ------
    OptionError
        At once: ArviZ is older than 1.3; the likelihood has no value for each row; no argument has the rows. In
        `sel_observations`: without these rows, the others are drawn with something else, since rows act on each other
        or their place counts; or the model counts its groups in the data, and counts others.

    Notes
    -----
    A series can be left out at its end, as ``lfo_cv`` does. Refits of equal shape are compiled once, where the kernel
    is ``NUTS`` or ``HMC``::

        arviz.loo_kfold(idata, NumPyroWrapper(mcmc, idata), k=10)
    """

    def __init__(self, mcmc: MCMC, idata: Any, rng_key: Any = None, var_name: str | None = None):
        _refuse_old_arviz("NumPyroWrapper")
        super().__init__(mcmc.sampler.model, idata)
        self.mcmc, self.samples = mcmc, containers.open(mcmc)
        self.rng_key = jax.random.PRNGKey(0) if rng_key is None else rng_key
        call = with_defaults(_call_of_fit(self.model, mcmc, (), {}))
        self.inspection = inspect_call(call, masked=False)
        self.call = self.inspection.call
        self.var_name = _scored(self.inspection, var_name)
        self.rows = self._rows()
        self._taken = Taken.of(self.inspection)
        self._fits = Memory[MCMC]()

    def _rows(self) -> Size:
        """The size whose axes are the rows of what is scored."""
        site = self.inspection.run.sites[self.var_name]
        follows = self.inspection.sizes.of[self.var_name]
        batch = follows[: site.rank - site.event_dim]
        sizes = []
        if len(batch) == 1:
            sizes = [size for size in batch[0] if not size.is_lone]
        if len(sizes) != 1:
            dims = self.inspection.dims(self.var_name)
            words = " and ".join(dim.follows[0] for dim in dims if dim.follows)
            raise OptionError(
                f"The rows of {self.var_name!r} cannot be left out one by one: it follows "
                f"{words or 'no argument of the model'}, and has to follow one size of arrays among the arguments."
            )
        return sizes[0]

    def sel_observations(self, idx: Any) -> tuple[Call, tuple[Call, int]]:
        """The call without these rows. Besides, the call with all rows, these last, and their number."""
        held = np.atleast_1d(np.asarray(idx)).ravel()
        rest = np.setdiff1d(np.arange(self.rows.length), held)
        part = with_rows(self.call, self.rows.axes, rest)
        self._refuse_other_model(part, rest)
        everything = with_rows(self.call, self.rows.axes, np.concatenate([rest, held]))
        return part, (everything, len(held))

    @functools.cached_property
    def _fitted(self) -> Outcome | None:
        """A run with the last draw of the fit."""
        last = {}
        for name, draws in self.samples.arrays(1).items():
            last[name] = np.asarray(draws)[-1]
        return attempt(replay, self.call, last)

    def _refuse_other_model(self, part: Call, rest: np.ndarray) -> None:
        """The law of cross-validation: without some rows, the others are drawn as before."""
        run, before, after = try_run(part), self._fitted, None
        is_end = len(rest) == rest[-1] + 1
        if run is not None and before is not None:
            for name in run.sites:
                self._refuse_other_number(name, run.sites[name].shape, len(rest))
            draw = {name: self._at(name, value, rest) for name, value in latents_of(before).items()}
            after = attempt(replay, part, draw)
        if before is None or after is None:
            raise OptionError(
                f"The model does not run without some rows of {self.var_name!r} ({' = '.join(self.rows.words)}), so "
                "that it cannot be fitted to the others."
            )
        for name, site in after.items():
            if site.kind not in ("latent", "observed"):
                continue
            was = before[name]
            what = self._drawn_otherwise(name, was, site, rest, is_end)
            is_made = site.kind == "observed" and differ(site.value, self._at(name, was.value, rest))
            if is_made:
                what = "observed with another value"
            if what:
                way = "" if is_end or is_made else " Rows at the end can be left out, as lfo_cv does."
                raise OptionError(
                    f"Without some rows of {self.var_name!r}, {name!r} at the others is {what}: rows act on each "
                    "other (a lag, a walk, a mean of all rows), or their place counts. The fit to the others would "
                    f"be that of another model.{way}"
                )

    def _refuse_other_number(self, name: str, shape: Sequence[int] | None, n: int) -> None:
        was, expected = self.inspection.site(name), None
        if was is not None:
            lengths = [*(was.shape or ())]
            for dim in self._row_dims(name):
                lengths[dim] = n
            expected = tuple(lengths)
        if was is None or shape not in (None, expected):
            raise OptionError(
                f"Without some rows of {self.var_name!r}, the model has {name!r} of shape {shape}, where "
                f"{expected} was expected: it counts in the data how many there "
                "are (group.max() + 1, np.unique). Pass their number as an argument, and fit again."
            )

    def _row_dims(self, name: str) -> list[int]:
        dims = enumerate(self.inspection.sizes.of.get(name, ()))
        return [dim for dim, follows in dims if self.rows in follows]

    def _at(self, name: str, value: Any, rest: np.ndarray) -> Any:
        """The values of a site at these rows."""
        value = np.asarray(value)
        for dim in self._row_dims(name):
            value = value.take(rest, dim)
        return value

    def _drawn_otherwise(self, name: str, before: Replayed, after: Replayed, rest: np.ndarray, is_end: bool) -> str:
        """What differs in how a site is drawn at these rows; empty: nothing."""
        one, other = _drawn_with(before), _drawn_with(after)
        first_joint = len(before.shape) - self.inspection.run.joint.get(name, 0)
        is_joint = max(self._row_dims(name), default=-1) >= first_joint
        if is_joint and not is_end and one is before.arrays:
            return "drawn with another number of values, all drawn at once"
        for parameter, was in one.items():
            word = f"drawn with another {parameter.rpartition('.')[2]}"
            if parameter not in other:
                return word
            was, now = np.asarray(was), np.asarray(other[parameter])
            lengths = zip(was.shape, now.shape)
            for dim, (length, left) in enumerate(lengths):
                if (length, left) == (self.rows.length, len(rest)):
                    was = was.take(rest, dim)
            if differ(now, was):
                return word
        return ""

    def sample(self, modified_observed_data: Call) -> MCMC:
        """Fit again, with the settings of the first fit."""
        call = modified_observed_data
        if not isinstance(self.mcmc.sampler, HMC):
            args, kwargs = call.arguments()
            mcmc = self._mcmc(self.mcmc.sampler)
            mcmc.run(self.rng_key, *args, **kwargs)
            return mcmc
        which = self._taken.by(call)

        def compiled() -> MCMC:
            kernel = self._compiled_once(taking(call, which))
            return self._mcmc(kernel)

        mcmc = self._fits.of(key_of(call, which), compiled)
        arrays = [jnp.asarray(call.leaves[i]) for i in which]
        mcmc.run(self.rng_key, arrays)
        return mcmc

    def _mcmc(self, kernel: Any) -> MCMC:
        old = self.mcmc
        return MCMC(
            kernel,
            num_warmup=old.num_warmup,
            num_samples=old.num_samples,
            num_chains=old.num_chains,
            thinning=old.thinning,
            chain_method=old.chain_method,
            progress_bar=False,
            jit_model_args=kernel is not old.sampler,
        )

    def _compiled_once(self, call: Call) -> HMC:
        """The kernel with the model as a function of arrays alone."""

        def of_arrays(arrays: list[Any]) -> None:
            args, kwargs = call.filled(arrays)
            self.model(*args, **kwargs)

        kernel = copy.copy(self.mcmc.sampler)  # as one that was never run: so NumPyro pickles it
        kernel._model = of_arrays
        return kernel

    def get_inference_data(self, fitted_model: MCMC) -> Any:
        """The draws of a refit."""
        from arviz_base import from_numpyro

        return from_numpyro(fitted_model)

    def log_likelihood__i(self, excluded_obs: tuple[Call, int], idata__i: Any) -> xr.DataArray:
        """Scores of the rows that were left out, in the order in which they were asked for."""
        everything, n = excluded_obs
        args, kwargs = everything.arguments()
        dims = {}
        if "log_likelihood" in self.idata_orig:
            of_fit = self.idata_orig["log_likelihood"][self.var_name].dims
            dims[self.var_name] = [dim for dim in of_fit if dim not in ("chain", "draw")]
        predictor = Predictor(self.model, idata__i, extend=True, rng_key=self.rng_key, dims=dims)
        scores = predictor.log_likelihood(*args, **kwargs)[self.var_name]
        return scores.isel({scores.dims[-1]: slice(-n, None)})


def _drawn_with(site: Replayed) -> Mapping[str, Any]:
    """What a value is drawn with; for a normal vector its moments, since its Cholesky factor goes by the order."""
    fn = unwrapped(site.fn)
    if hasattr(fn, "covariance_matrix"):
        return {"mean": fn.mean, "covariance": fn.covariance_matrix}
    return site.arrays


def _call_of_fit(model: Model, samples: Any, args: Args, kwargs: Kwargs) -> Call:
    """The call with these arguments; without any, with those that an ``MCMC`` holds."""
    recorded = containers.open(samples).arguments
    if recorded is not None and not (args or kwargs):
        args, kwargs = recorded
    return Call.of(model, args, kwargs)


def _scored(inspection: Inspection, var_name: str | None) -> str:
    """The observed site of which each row has a likelihood."""
    sites = inspection.run.sites
    names: list[str] = []
    factors: list[str] = []
    for name in inspection.run.named("observed"):
        kind = factors if is_factor(sites[name]) else names
        kind.append(name)
    if var_name is None and len(names) == 1:
        (var_name,) = names
    if var_name is None or var_name not in names:
        because = f": {listing(factors)} is a factor, one number for all rows" if factors else ""
        raise OptionError(
            f"var_name is {var_name!r}: it has to name an observed site with a likelihood for each row, and those of "
            f"{inspection.call.description} are {listing(names) or 'none'}{because}."
        )
    n = sites[var_name].rank - sites[var_name].event_dim
    of_rows = [not follows.isdisjoint(inspection.rows) for follows in inspection.sizes.of[var_name]]
    is_in_event = any(of_rows[n:]) and not any(of_rows[:n])
    if n == 0 or is_in_event:
        raise OptionError(
            f"{var_name!r} is drawn as one event, so that it has one likelihood for all rows, and none for each: give "
            "the model a latent for each row, and observe the rows given them."
        )
    return var_name


def _by_chain(draws: Any, ndims: int) -> jax.Array:
    """Draws with a dimension of chains and one of draws in front."""
    array = jnp.asarray(np.asarray(draws))
    batch = (1, 1, *array.shape[:ndims])
    return array.reshape(*batch[-2:], *array.shape[ndims:])


def _elements(draw: Mapping[str, Any]) -> list[str]:
    """The names of the elements of a draw, in the order in which they are flattened: ``theta[0]``."""
    names = []
    for name in sorted(draw):
        for index in np.ndindex(np.shape(draw[name])):
            at = ",".join(map(str, index))
            names.append(f"{name}[{at}]" if index else name)
    return names


def _seeded(model: Model) -> Model:
    """The model with a key, which its handler uses up: a new one for each run."""
    return handlers.seed(model, jax.random.PRNGKey(0))


def _refuse_old_arviz(what: str) -> None:
    try:
        from arviz_stats import lfo_cv  # noqa: F401 - since 1.3
    except ImportError as error:
        raise OptionError(
            f"{what} needs ArviZ 1.3 or later, and with it Python 3.12 or later ({error}): pip install 'arviz>=1.3'."
        ) from error
