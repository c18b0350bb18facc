"""`strip_deterministic`: where the arguments come from, then inspect, review, apply."""

from __future__ import annotations

from typing import Any, overload

import jax

from . import containers
from .containers import Container
from .errors import ModelArgumentsError, listing
from .fit import recorded_arguments
from .kinds import Converted, Model, OneOrMore, Same
from .model.call import Call, arguments_error
from .model.inspection import Inspection
from .model.trace import try_run
from .options import Options, refuse_collisions
from .prepare import prepare
from .verdicts import explains


@overload
def strip_deterministic(
    model: Model,
    samples: Same,
    /,
    *args: Any,
    new_rows: bool | None = None,
    keep: OneOrMore = (),
    redraw: OneOrMore = (),
    **kwargs: Any,
) -> Same: ...
@overload
def strip_deterministic(
    model: Model,
    samples: Converted,
    /,
    *args: Any,
    new_rows: bool | None = None,
    keep: OneOrMore = (),
    redraw: OneOrMore = (),
    **kwargs: Any,
) -> dict[str, jax.Array]: ...
def strip_deterministic(
    model: Model,
    samples: Any,
    /,
    *args: Any,
    new_rows: bool | None = None,
    keep: OneOrMore = (),
    redraw: OneOrMore = (),
    **kwargs: Any,
) -> Any:
    """Strip from posterior samples all but fitted latents, so that stock ``Predictive`` is right on other data.

    Values of ``numpyro.deterministic`` sites and draws of observed sites are removed; latents that have one value
    per data row are removed where the rows are other rows. All else is kept.

    Parameters
    ----------
    model : callable
        The NumPyro model to predict with.
    samples : mapping of arrays, MCMC, xarray.Dataset, arviz.InferenceData or xarray.DataTree
        Posterior samples. Entries have shape ``(*batch, *per-draw shape)``, where ``batch`` is nothing, draws, or
        chains and draws. xarray's dimensions ``chain`` and ``draw``, or those that the attribute ``sample_dims``
        names, may have any place.
    *args, **kwargs
        The model's arguments, those that you predict with. Where none are passed, those of the fit, if the samples
        hold them: a fitted ``MCMC`` does, and arrays of the groups ``constant_data`` and ``observed_data`` whose
        names are parameters of the model; the result then fits the rows of the fit. Else they are worked out from
        the samples, and the result fits data of any number of rows. Pass arguments where a call without them is
        refused, and where row-level latents are to be kept for the rows that you predict.
    new_rows : bool, optional
        Whether the data rows are other rows than those of the fit. True strips the row-level latents whose rows
        changed in number, or those of the only rows there are; False keeps them; None (default) goes by evidence
        (see Notes), and warns where there is none.
    keep : str or sequence of str
        What stays as it was fitted, whatever evidence says: latents, plates or labelled dims (all latents that have
        them), and deterministic sites, whose fitted value then stands although the model would compute another.
    redraw : str or sequence of str
        Latents, plates or labelled dims that are stripped although they were fitted: drawn from their prior.

    Returns
    -------
    The type of ``samples``
        With the entries that are kept: the same array objects, in the same order, nothing loaded. Groups,
        coordinates, attributes and encodings are as they were, but for coordinates that only stripped variables
        used. For an ``MCMC``, a named tuple and an open file (``numpy.load``), a dict. The input is not changed.

    Raises
    ------
    ModelArgumentsError
        The model cannot be run with these arguments; or none were passed, and the samples do not tell for certain
        what follows from them.
    ShapeMismatchError
        A latent does not fit in another dimension than rows (features or groups have changed), or along its rows,
        and its values depend on each other (a walk, a Gaussian process). The error carries the ``review``.
    MissingLatentError
        A recorded value would be computed anew from a latent that has no entry: what was fitted would be lost.
    BatchShapeError, NoSharedSiteError, NothingLeftError, SamplesTypeError, OptionError
        The samples, or the options, are not what they should be.

    Warns
    -----
    AssumedArgumentsWarning
        None were passed, and they were worked out from the samples: the warning says as what.
    RedrawnSiteWarning
        Row-level latents were stripped: the model draws them from their prior, given the other draws. None of their
        fitted values is used.
    RowLevelSiteWarning
        Row-level latents were kept, and nothing tells whether the rows are those of the fit.
    MissingLatentWarning
        A latent without an entry has a part in what is predicted: its prior stands in for it.
    OtherArgumentsWarning
        The fit had other labels, groups, options or handlers than this call, as far as the samples show it.
    IndexRangeWarning
        An index among the arguments does not exist, and the model does not guard it. JAX does not raise.
    DataStatisticWarning
        Rows act on each other through the arguments (``x - x.mean()``), and are not known to be those of the fit.

    Notes
    -----
    Automates the workaround of NumPyro issues 1772 and 1861.

    *Rows* are what a prediction target has values for, along each of its dimensions (``X[0]``, a number ``J``); a
    latent is *row-level* if one of its dimensions follows them. Whether they are the rows of the fit is told by the
    lengths of the entries, by the arguments of the fit where the samples hold them, and by recorded deterministic
    values that the model computes anew from the arguments passed. A latent of which it could not be told is kept
    where it fits, and refused where it does not.

    To work out arguments, the model's body runs dozens of times, abstractly, without data, and a few recorded draws are
    read and recomputed.

    Examples
    --------
    >>> import warnings, numpy as np, numpyro, numpyro.distributions as dist
    >>> from sanitize import strip_deterministic
    >>> def model(x, y=None):
    ...     slope = numpyro.sample("slope", dist.Normal())
    ...     mu = numpyro.deterministic("mu", slope * x)
    ...     numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
    >>> samples = {"slope": np.zeros(50), "mu": np.zeros((50, 100))}
    >>> warnings.simplefilter("ignore")  # it warns that it takes x for float32[100]
    >>> list(strip_deterministic(model, samples))
    ['slope']
    >>> list(strip_deterministic(model, samples, np.zeros(3)))  # with the arguments to predict with, it is certain
    ['slope']
    """
    call = Call.of(model, args, kwargs)
    refuse_collisions(call)
    if "group" in kwargs and (why := call.why_not_bound()):  # an option of ours in version 0.1
        raise arguments_error(call, f"{why}. Pass a group of the samples by itself, as in samples['prior']")
    options = Options.of(new_rows=new_rows, keep=keep, redraw=redraw)
    opened = containers.open(samples)
    _, review = prepare(_inspect(call, opened, options), opened, options)
    return review.apply_to(opened)


def _inspect(call: Call, samples: Container, options: Options) -> Inspection:
    """The model under the arguments passed, else under those of the fit, else under those worked out."""
    if call.leaves:
        return Inspection.of(call)
    failure: Exception | None = None
    for args, recorded in recorded_arguments(call, samples):
        try:
            return Inspection.of(call.with_arguments(args, recorded))
        except Exception as error:  # they may be other things of the same name
            failure = failure or error
            names = listing(recorded) or "by position"
    if call.parameters == []:
        return Inspection.of(call)
    if call.parameters and not any(p.default is p.empty for p in call.parameters):
        own = try_run(call)
        if own is not None and explains(Inspection(call, own), samples):
            return Inspection(call, own)  # it was fitted without any, too
    from .assume import assumed_arguments  # a call with arguments does not load it

    try:
        inspection = assumed_arguments(call, samples, (*options.keep, *options.redraw))
    except ModelArgumentsError as error:
        if failure is None:
            raise
        why = f"{error} Those recorded with the samples ({names}) do not work: {type(failure).__name__}: {failure}"
        raise ModelArgumentsError(why, signature=call.description) from failure
    if inspection is not None:
        return inspection
    try:
        return Inspection.of(call)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise arguments_error(call, f"none were passed, and without them it fails ({why})") from error
