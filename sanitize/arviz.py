"""What ArviZ asks of a model beside draws: densities of the prior, moved draws, refits. Loaded when it is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpyro import handlers
from numpyro.infer.util import constrain_fn, potential_energy, unconstrain_fn

from . import containers
from .errors import OptionError, SanitizeWarning, listing, warn
from .infer import inspect_call, latents_of_the_fit, stock_log_likelihood
from .kinds import Samples
from .model.call import Call
from .model.inspection import Inspection
from .model.trace import is_factor
from .options import Options, Use
from .predict import Predictor
from .prepare import prepare

if TYPE_CHECKING:
    import xarray as xr

Model = Callable[..., Any]
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
            f"If it is prior, add its values to the result.",
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
    case, review = prepare(inspection, containers.open(samples), Options.of(new_rows=False, use=Use(True, draws=False)))
    names = latents_of_the_fit(review, inspection, "mm_from_numpyro")
    discrete = [name for name in names if inspection.run.sites[name].discrete]
    if discrete:
        raise OptionError(
            f"Moment matching moves draws of continuous latents, and {listing(discrete)} is discrete: marginalize "
            f"it in the model."
        )
    names += [name for name in inspection.run.named("param") if name in review.kept]
    arrays, leading = case.samples.by_draw(len(review.batch_shape))
    draws = {name: jnp.asarray(np.asarray(arrays[name])) for name in names if name in review.kept}
    first = next(iter(draws.values()))
    shape = (1, 1, *first.shape[: len(leading)])[-2:]
    draws = {name: x.reshape(*shape, *x.shape[len(leading) :]) for name, x in draws.items()}

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

    of_draws = case.samples.of_draws()
    coords = {} if of_draws is None else {dim: of_draws[dim] for dim in leading if dim in of_draws.coords}

    def labelled(function: Callable[..., Any], *others: None) -> OfDraws:
        of_chain = jax.vmap(function, (0, *others))
        compiled = jax.jit(jax.vmap(of_chain, (0, *others)))

        def of_all(upars: xr.DataArray, *i: int) -> xr.DataArray:
            values = compiled(jnp.asarray(upars.transpose("chain", "draw", ...).values), *i)
            return xr.DataArray(np.asarray(values, float), coords, ("chain", "draw"))

        return of_all

    flat = jax.jit(jax.vmap(jax.vmap(lambda draw: ravel_pytree(unconstrained(draw))[0])))(draws)
    upars = xr.DataArray(np.asarray(flat, float), coords, ("chain", "draw", "unconstrained_parameter"))
    upars = upars.assign_coords(unconstrained_parameter=_elements(one))
    return labelled(log_prob), labelled(log_likelihood, None), upars


def _call_of_fit(model: Model, samples: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
    """The call with these arguments; without any, with those that an ``MCMC`` holds."""
    recorded = containers.open(samples).arguments
    if recorded is not None and not (args or kwargs):
        args, kwargs = recorded
    return Call.of(model, args, kwargs)


def _scored(inspection: Inspection, var_name: str | None) -> str:
    """The observed site of which each row has a likelihood."""
    observed = inspection.run.named("observed")
    factors = [name for name in observed if is_factor(inspection.run.sites[name])]
    names = [name for name in observed if name not in factors]
    if var_name is None and len(names) == 1:
        (var_name,) = names
    if var_name not in names:
        because = f": {listing(factors)} is a factor, one number for all rows" if factors else ""
        raise OptionError(
            f"var_name is {var_name!r}: it has to name an observed site with a likelihood for each row, and those of "
            f"{inspection.call.description} are {listing(names) or 'none'}{because}."
        )
    site, rows = inspection.run.sites[var_name], frozenset(inspection.rows)
    follows = inspection.sizes.of[var_name]
    n = site.rank - site.event_dim
    in_event = any(map(rows.intersection, follows[n:])) and not any(map(rows.intersection, follows[:n]))
    if n == 0 or in_event:
        raise OptionError(
            f"{var_name!r} is drawn as one event, so that it has one likelihood for all rows, and none for each: give "
            f"the model a latent for each row, and observe the rows given them."
        )
    return var_name


def _elements(draw: Mapping[str, Any]) -> list[str]:
    """The names of the elements of a draw, in the order in which they are flattened: ``theta[0]``."""
    names = []
    for name in sorted(draw):
        for index in np.ndindex(np.shape(draw[name])):
            names.append(f"{name}[{','.join(map(str, index))}]" if index else name)
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
