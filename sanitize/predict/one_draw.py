"""What one draw of the latents gives: predictions, means, or log likelihoods, as stock NumPyro has them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
from numpyro import handlers

from ..errors import OptionError, listing
from ..infer import StockPredictive, condition_on_deterministic, stock_log_likelihood
from ..model.call import Call
from ..model.dists import is_category, name_of, unwrapped
from ..model.inspection import Inspection
from ..model.sizes import numbered
from ..model.trace import is_factor
from .means import mean_of
from .parameters import CATEGORY, Part, Parts, parameters_of

Names = Collection[str]
Model = Callable[..., Any]
Values = dict[str, Any]
Of = Callable[[Model, Any, Values, Any, Any], Values]  # model, key, draw, args, kwargs -> what sites give

_INSTEAD = " (instead)"  # after the name of a site: what comes in its place is called so until it is handed out


def one_draw(model: Model, call: Call, of: Of) -> Callable[[Any, Values, Any], Values]:
    """A function of the key, the draw and the inputs, to be compiled."""

    def one(key: Any, draw: Values, inputs: tuple[list[Any], Values]) -> Values:
        arrays, params = inputs
        given = handlers.substitute(model, data=params) if params else model
        with handlers.block():  # handlers around the caller are not those of later calls
            values = of(given, key, dict(draw), *call.filled(arrays))
        # a site's value may be a tree of arrays: each has a name of its own
        leaves, _ = jax.tree_util.tree_flatten_with_path(values)
        found = {}
        for (site, *path), value in leaves:
            found[site.key + jax.tree_util.keystr(tuple(path))] = jnp.asarray(value)
        return found

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


def predictions(
    inspection: Inspection, given: Names, wanted: Sequence[str] | None, targets: Names, kind: str, parts: Parts
) -> Of:
    """Predictions. In place of the targets what ``kind`` says; ``parts`` is filled with what that is."""
    sites = inspection.run.sites
    fixed = [name for name in given if name in sites and sites[name].kind == "deterministic"]
    if not wanted:
        drawn = drawn_anew(inspection, given)
        computed = inspection.run.named("deterministic")
        wanted = [name for name in (*drawn, *computed) if not is_factor(sites[name])]
    names, strangers = [], []
    sought: dict[str, list[str]] = {}  # target -> itself, or parameters of it
    for name in wanted:
        site = site_of(name, sites)
        if site in targets:
            sought.setdefault(site, []).append(name)
        elif site == name:
            names.append(name)
        else:
            strangers.append(name)
    if strangers:
        raise OptionError(
            f"return_sites names {listing(strangers)}, and kind='params' gives parameters of what is observed: "
            f"of {listing(targets)}."
        )
    names += [name + _INSTEAD for name in sought]

    def instead(name: str, fn: Any) -> Values:
        return _mean(name, fn, parts) if kind == "mean" else _parameters(name, fn, sought[name], parts)

    def of(model: Model, key: Any, draw: Values, args: Any, kwargs: Any) -> Values:
        model = _recording(model, sought, instead) if sought else model
        predictive = StockPredictive(model, draw, batch_ndims=0, return_sites=names)
        if fixed:
            condition_on_deterministic(predictive, fixed)
        values: Values = predictive(key, *args, **kwargs)
        for name in sought:
            values.update(values.pop(name + _INSTEAD))
        return values

    return of


def site_of(name: str, sites: Names) -> str:
    """The site that a name means: itself, or that of which it is a parameter, ``y.loc``."""
    if name in sites:
        return name
    return next((site for site in sites if name.startswith(f"{site}.")), name)


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


def _recording(model: Model, targets: Names, instead: Callable[[str, Any], Values]) -> Model:
    """The model, which records what comes in place of each target beside what it draws."""

    def recording(*args: Any, **kwargs: Any) -> None:
        with handlers.trace() as trace:
            model(*args, **kwargs)
        for name in targets:
            numpyro.deterministic(name + _INSTEAD, instead(name, trace[name]["fn"]))

    return recording


def _parameters(name: str, fn: Any, sought: Names, parts: Parts) -> Values:
    """Those of the distribution that are sought: all, if the site itself is."""
    found = {f"{name}.{parameter.name}": parameter for parameter in parameters_of(fn)}
    unknown = [one for one in sought if one not in (name, *found)]
    if unknown or not found:
        has = f"its parameters are {listing(found)}" if found else "it has no parameters"
        raise OptionError(
            f"kind='params' cannot give {listing(unknown or [name])}: {name!r} is drawn from a {name_of(fn)}, "
            f"and {has}."
        )
    values = {}
    for one, parameter in found.items():
        if name in sought or one in sought:
            values[one] = parameter.value
            parts[one] = Part(name, name_of(fn), False, parameter.dims)
    return values


def _mean(name: str, fn: Any, parts: Parts) -> Values:
    """Of a category the probabilities, along a dimension of their own."""
    shape = fn.shape()
    part = Part(name, name_of(fn), True, tuple(range(len(shape))))
    parts[name] = part
    if is_category(fn):
        parts[name] = part._replace(dims=(*part.dims, CATEGORY))
        probs = unwrapped(fn).probs
        return {name: jnp.broadcast_to(probs, (*shape, probs.shape[-1]))}
    try:
        return {name: mean_of(fn)}
    except (NotImplementedError, AttributeError, TypeError) as error:
        raise no_mean(part, "is not known") from error


def no_mean(part: Part, what: str) -> OptionError:
    return OptionError(
        f"The mean of the distribution of {part.site!r}, {part.distribution}, {what}, so that kind='mean' cannot give "
        f"it. Pass kind='samples' to draw from it, or leave {part.site!r} out of return_sites."
    )
