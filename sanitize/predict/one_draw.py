"""What one draw of the latents gives: predictions, means, or log likelihoods, as stock NumPyro has them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpyro
from numpyro import handlers

from ..errors import OptionError
from ..infer import StockPredictive, condition_on_deterministic, stock_log_likelihood
from ..model.call import Call
from ..model.dists import is_category, name_of, unwrapped
from ..model.inspection import Inspection
from ..model.sizes import numbered
from ..model.trace import is_factor
from .means import mean_of

Names = Collection[str]
Model = Callable[..., Any]
Values = dict[str, Any]
Of = Callable[[Model, Any, Values, Any, Any], Values]  # model, key, draw, args, kwargs -> what sites give

_INSTEAD = " (instead)"  # after the name of a site: what comes in its place is called so until it is handed out

CATEGORY = "category"  # the dimension of probabilities, after the name of the site


class Part(NamedTuple):
    """What an output is that stands for a site."""

    site: str
    distribution: str
    is_mean: bool
    dims: tuple[int | str, ...]  # which dimensions of the site its own are, or what they are called after the site


Parts = dict[str, Part]


def one_draw(model: Model, call: Call, of: Of) -> Callable[[Any, Values, Any], Values]:
    """A function of the key, the draw and the inputs, to be compiled."""

    def one(key: Any, draw: Values, inputs: tuple[list[Any], Values]) -> Values:
        leaves, params = inputs
        given = handlers.substitute(model, data=params) if params else model
        with handlers.block():  # handlers around the caller are not those of later calls
            values = of(given, key, dict(draw), *call.filled(leaves))
        # a site's value may be a tree of arrays: each has a name of its own
        found, _ = jax.tree_util.tree_flatten_with_path(values)
        return {path[0].key + jax.tree_util.keystr(path[1:]): jnp.asarray(value) for path, value in found}

    return one


def scores(spare: Values) -> Of:
    """Log likelihoods; ``spare`` are values of latents on which none depends."""

    def of(model: Model, key: Any, draw: Values, args: Any, kwargs: Any) -> Values:
        model = handlers.substitute(model, spare) if spare else model
        return stock_log_likelihood(model, draw, *args, batch_ndims=0, **kwargs)

    return of


def priors(names: Names) -> Of:
    """Log densities of these latents, given those above them."""

    def of(model: Model, key: Any, draw: Values, args: Any, kwargs: Any) -> Values:
        seeded = handlers.seed(handlers.substitute(model, draw), key)
        trace = handlers.trace(seeded).get_trace(*args, **kwargs)
        found = {}
        for name in names:
            site = trace[name]
            density = site["fn"].log_prob(site["value"])
            found[name] = density if site["scale"] is None else site["scale"] * density
        return found

    return of


def predictions(inspection: Inspection, given: Names, wanted: Sequence[str] | None, targets: Names, parts: Parts) -> Of:
    """Predictions. In place of the targets their means; ``parts`` is filled with what these are."""
    sites = inspection.run.sites
    fixed = [name for name in given if name in sites and sites[name].kind == "deterministic"]
    if not wanted:
        drawn = drawn_anew(inspection, given)
        computed = inspection.run.named("deterministic")
        wanted = [name for name in (*drawn, *computed) if not is_factor(sites[name])]
    targets = [name for name in targets if name in wanted]
    names = [f"{name}{_INSTEAD}" if name in targets else name for name in wanted]

    def of(model: Model, key: Any, draw: Values, args: Any, kwargs: Any) -> Values:
        if targets:
            model = _with_means(model, targets, parts)
        predictive = StockPredictive(model, draw, batch_ndims=0, return_sites=names)
        if fixed:
            condition_on_deterministic(predictive, fixed)
        values: Values = predictive(key, *args, **kwargs)
        for name in targets:
            values.update(values.pop(f"{name}{_INSTEAD}"))
        return values

    return of


def drawn_anew(inspection: Inspection, given: Names) -> list[str]:
    """The sites that no draw has a value for."""
    sites = inspection.run.sites.items()
    return [name for name, site in sites if site.kind in ("latent", "observed") and name not in given]


def outcomes(inspection: Inspection, given: Names, redrawn: Names) -> list[str]:
    """Of these the sites of which a mean is what is asked for: what is observed, and no latent that is redrawn."""
    drawn = drawn_anew(inspection, given)
    observed = {*inspection.ends, *inspection.observable}
    # the steps of a series are what its last one is, though the next is drawn from each
    for names in numbered(drawn).values():
        if not observed.isdisjoint(names):
            observed.update(names)
    return [name for name in drawn if name in observed and name not in redrawn]


def _with_means(model: Model, targets: Names, parts: Parts) -> Model:
    """The model, which records the mean of the distribution of each target beside what it draws."""

    def with_means(*args: Any, **kwargs: Any) -> None:
        with handlers.trace() as trace:
            model(*args, **kwargs)
        for name in targets:
            numpyro.deterministic(f"{name}{_INSTEAD}", {name: _mean(name, trace[name]["fn"], parts)})

    return with_means


def _mean(name: str, fn: Any, parts: Parts) -> Any:
    """Of a category the probabilities, along a dimension of their own."""
    part = parts[name] = Part(name, name_of(fn), True, tuple(range(len(fn.shape()))))
    if is_category(fn):
        parts[name] = part._replace(dims=(*part.dims, CATEGORY))
        probs = unwrapped(fn).probs
        return jnp.broadcast_to(probs, (*fn.shape(), probs.shape[-1]))
    try:
        return mean_of(fn)
    except (NotImplementedError, AttributeError, TypeError) as error:
        raise no_mean(part, "is not known") from error


def no_mean(part: Part, what: str) -> OptionError:
    return OptionError(
        f"The mean of the distribution of {part.site!r}, {part.distribution}, {what}, so that kind='mean' cannot give "
        f"it. Pass kind='samples' to draw from it, or leave {part.site!r} out of return_sites."
    )
