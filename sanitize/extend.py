"""`extend`: fitted values carried on to more groups, rows or steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload

import jax

from . import containers
from .continuation import carried_on
from .errors import OptionError
from .kinds import Converted, Model, Same
from .model.advice import refuse_other_than_key
from .model.call import Call
from .model.inspection import Inspection
from .options import Options, refuse_taken
from .prepare import prepare


@overload
def extend(
    model: Model,
    samples: Same,
    rng_key: Any,
    /,
    *args: Any,
    sites: str | Sequence[str] | bool,
    levels: Mapping[str, Sequence[Any]] | None = None,
    **kwargs: Any,
) -> Same: ...
@overload
def extend(
    model: Model,
    samples: Converted,
    rng_key: Any,
    /,
    *args: Any,
    sites: str | Sequence[str] | bool,
    levels: Mapping[str, Sequence[Any]] | None = None,
    **kwargs: Any,
) -> dict[str, jax.Array]: ...
def extend(
    model: Model,
    samples: Any,
    rng_key: Any,
    /,
    *args: Any,
    sites: str | Sequence[str] | bool = (),
    levels: Mapping[str, Sequence[Any]] | None = None,
    **kwargs: Any,
) -> Any:
    """Carry fitted values on to more groups, rows or steps: what was fitted stays, the rest is drawn given it.

    Parameters
    ----------
    model : callable
        The NumPyro model that was fitted.
    samples : mapping of arrays, MCMC, xarray.Dataset, arviz.InferenceData or xarray.DataTree
        Posterior samples, see `strip_deterministic`.
    rng_key : jax.Array
        The key to draw with. What is drawn depends on it, the number of the draw and the name of the site alone.
    *args, **kwargs
        The model's arguments with the groups, rows or steps that are asked for. Where nothing labels them, those of
        the fit come first.
    sites : str, sequence of str, or True
        What is carried on: latents, plates or labelled dimensions (all latents that have them), or True: all that do
        not fit.
    levels : mapping, optional
        The labels of a dimension, in the order in which the model counts them: ``{"school": ["B", "F"]}``. Known ones
        take their fitted values along, unknown ones are drawn. Needs samples that label the dimension.

    Returns
    -------
    The type of ``samples``
        As `strip_deterministic` returns it, with the entries of ``sites`` in the model's shape. Fitted values are the
        same bit for bit; entries that fit are the same array objects. Coordinates follow: from ``levels``, or by
        their step where that is regular. Latents that a loop names (``level_8``) become entries, and so does what
        had to be drawn as no entry held it, and others were drawn from it.

    Raises
    ------
    ShapeMismatchError
        A latent that is not in ``sites`` does not fit, or one that is cannot be carried on: the model has fewer
        values, or the arguments do not begin with those of the fit, where the samples hold them.
    OptionError
        Names or labels that are not there; a distribution drawn jointly for which no rule is known, see `carry_on`.
    ExtensionError
        What was fitted would change: a recorded deterministic value, or what targets are drawn with, is another along
        the fitted part; the distribution of a fitted value depends on what is drawn, or is not that of the fit; or it
        cannot have produced the recorded values.

    Warns
    -----
    MissingLatentWarning, OtherArgumentsWarning, IndexRangeWarning, DataStatisticWarning
        See `strip_deterministic`.
    SanitizeWarning
        Shares (``softmax``, categories) of what was fitted become smaller.

    Notes
    -----
    Values that are independent given the fitted ones are fresh draws, with fitted parents: groups, rows, innovations
    that the model sums up (``cumsum(z)``, ``L @ z``), latents named in a loop. A series in ``scan`` goes on as
    NumPyro continues it. Values that are drawn jointly go on by a rule for their distribution, see `carry_on`.

    What targets are drawn with along the fitted part (rows that have become longer with a latent, and what is looked
    up among fitted values) is seen in two passes that draw other new values: effects that are centred or sum to zero,
    innovations that count from the last one. What the samples do not tell cannot be seen: a prior that depends on the
    *number* of groups, and other inputs before those of the fit, where the samples do not hold the fit's arguments (an
    ``MCMC`` does). Nor can a mean over all that is taken inside of a loop over rows (``lax.map``, ``scan``).

    Examples
    --------
    >>> import jax, numpy as np, numpyro, numpyro.distributions as dist
    >>> from sanitize import extend
    >>> def model(n_schools, y=None):
    ...     tau = numpyro.sample("tau", dist.HalfNormal(5.0))
    ...     with numpyro.plate("school", n_schools):
    ...         theta = numpyro.sample("theta", dist.Normal(0.0, tau))
    ...         numpyro.sample("y", dist.Normal(theta, 1.0), obs=y)
    >>> samples = {"tau": np.ones(50), "theta": np.zeros((50, 8))}
    >>> more = extend(model, samples, jax.random.PRNGKey(0), 10, sites="theta")
    >>> more["theta"].shape, bool((more["theta"][:, :8] == samples["theta"]).all())
    ((50, 10), True)
    """
    call = Call.of(model, args, kwargs)
    refuse_taken(call, sites=sites, levels=levels)
    refuse_other_than_key(rng_key, "The third argument", "extend(model, samples, key, ...)")
    options = Options.of(extend=sites, levels=levels)
    if not options.carries_on:
        raise OptionError(
            "sites= names what is carried on, a latent or a plate, or is True for all that do not fit: "
            "extend(model, samples, key, ..., sites='theta')."
        )
    opened = containers.open(samples)
    case, review = prepare(Inspection.of(call), opened, options)
    drawn = carried_on(case, review, rng_key)
    return case.samples.keep(review.kept, drawn) if drawn.arrays else review.apply_to(case.samples)
