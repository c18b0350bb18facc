"""`strip_deterministic`: where the arguments come from, then inspect, review, apply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .errors import OptionError
from .sites import inspect_sites, parameters_of

_OPTIONS = ("new_rows", "redraw")


def strip_deterministic(
    model: Callable[..., Any],
    samples: Any,
    /,
    *args: Any,
    new_rows: bool | None = None,
    redraw: Sequence[str] = (),
    **kwargs: Any,
) -> Any:
    """Strip from posterior samples what is no latent draw, so that stock ``Predictive`` is right on other data.

    Values of ``numpyro.deterministic`` sites and draws of observed sites are removed; latents that have one value
    per data row are removed where the rows are other rows. All else is kept.

    Parameters
    ----------
    model : callable
        The NumPyro model to predict with.
    samples : mapping of arrays
        Posterior samples. Entries have shape ``(*batch, *per-draw shape)``, where ``batch`` is nothing, draws, or
        chains and draws.
    *args, **kwargs
        The model's arguments, those that you predict with.
    new_rows : bool, optional
        Whether the data rows are other rows than those of the fit. True strips row-level latents, False keeps
        them, None (default) goes by evidence and warns where there is none.
    redraw : sequence of str
        Latents to strip although they were fitted: the model draws them from their prior.

    Returns
    -------
    The type of ``samples``
        With the entries that are kept: the same array objects, in the same order. The input is not changed.

    Raises
    ------
    ModelArgumentsError
        The model cannot be run with these arguments.
    ShapeMismatchError
        A latent does not fit in another dimension than rows: features or groups have changed.
    MissingLatentError
        A stripped entry was the only carrier of what was fitted.
    BatchShapeError, NoSharedSiteError, NothingLeftError, SamplesTypeError, OptionError
        The samples, or the options, are not what they should be.

    Warns
    -----
    RedrawnSiteWarning
        Row-level latents were stripped: the model draws them from their conditional prior.
    RowLevelSiteWarning
        Row-level latents were kept, and nothing tells whether the rows are those of the fit.

    Notes
    -----
    Automates the workaround of NumPyro issues 1772 and 1861.

    Examples
    --------
    >>> import numpy as np, numpyro, numpyro.distributions as dist
    >>> from sanitize import strip_deterministic
    >>> def model(x, y=None):
    ...     slope = numpyro.sample("slope", dist.Normal())
    ...     mu = numpyro.deterministic("mu", slope * x)
    ...     numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
    >>> samples = {"slope": np.zeros(50), "mu": np.zeros((50, 100))}
    >>> list(strip_deterministic(model, samples, np.zeros(3)))
    ['slope']
    """
    _refuse_collisions(model)
    table = inspect_sites(model, *args, **kwargs)
    return table.review(samples, new_rows=new_rows, redraw=redraw).apply(samples)


def _refuse_collisions(model: Callable[..., Any]) -> None:
    taken = [p.name for p in parameters_of(model) or () if p.name in _OPTIONS] if callable(model) else []
    if taken:
        raise OptionError(
            f"The model has a parameter of its own named {taken[0]!r}, an option of strip_deterministic: call "
            f"inspect_sites(model, ...).review(samples, new_rows=..., redraw=...).apply(samples) instead."
        )
