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
from ..kinds import Model
from ..model.call import Call
from ..model.dists import is_category, name_of, unwrapped
from ..model.inspection import Inspection
from ..model.sizes import numbered
from ..model.trace import is_factor
from .means import mean_of
from .parameters import CATEGORY, Part, Parts, parameters_of

Names = Collection[str]
Values = dict[str, Any]
Of = Callable[[Model, Any, Values, Any, Any], Values]  # model, key, draw, args, kwargs -> what sites give

_INSTEAD = " (instead)"  # after the name of a site: what comes in its place is called so until it is handed out


def one_draw(model: Model, call: Call, of: Of) -> Callable[[Any, Values, Any], Values]:
    """A function of key, draw and inputs, which is to be compiled."""

    def one(key: Any, draw: Values, inputs: tuple[list[Any], Values]) -> Values:
        arrays, params = inputs
        given = handlers.substitute(model, data=params) if params else model
        with handlers.block():  # handlers around the caller are not those of later calls
            values = of(given, key, dict(draw), *call.filled(arrays))
        # the value of a site may be a tree of arrays: each array has a name of its own
        leaves, _ = jax.tree_util.tree_flatten_with_path(values)
        found = {}
        for (site, *path), value in leaves:
            part = jax.tree_util.keystr(tuple(path))
            found[site.key + part] = jnp.asarray(value)
        return found

    return one


def scores(spare: Values) -> Of:
    """Log likelihoods. ``spare`` are values of latents on which no likelihood depends."""

    def of(model: Model, key: Any, draw: Values, args: Any, kwargs: Any) -> Values:
        if spare:
            model = handlers.substitute(model, spare)
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
            if site["scale"] is not None:
                density = site["scale"] * density
            found[name] = density
        return found

    return of


def predictions(
    inspection: Inspection, given: Names, wanted: Sequence[str] | None, targets: Names, kind: str, parts: Parts
) -> Of:
    """Predictions. In place of the targets comes what ``kind`` says; it is described in ``parts``."""
    sites = inspection.run.sites
    computed = inspection.run.named("deterministic")
    fixed = [name for name in given if name in computed]
    if not wanted:
        likely = *drawn_anew(inspection, given), *computed
        wanted = [name for name in likely if not is_factor(sites[name])]
    names, strangers = [], []
    sought: dict[str, list[str]] = {}  # target -> itself, or its parameters
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
        if kind == "mean":
            return _mean(name, fn, parts)
        return _parameters(name, fn, sought[name], parts)

    def of(model: Model, key: Any, draw: Values, args: Any, kwargs: Any) -> Values:
        if sought:
            model = _recording(model, sought, instead)
        predictive = StockPredictive(model, draw, batch_ndims=0, return_sites=names)
        if fixed:
            condition_on_deterministic(predictive, fixed)
        values: Values = predictive(key, *args, **kwargs)
        for name in sought:
            values.update(values.pop(name + _INSTEAD))
        return values

    return of


def site_of(name: str, sites: Names) -> str:
    """The site that a name means: ``y`` for ``y``, and for its parameter ``y.loc``."""
    if name not in sites:
        for site in sites:
            if name.startswith(f"{site}."):
                return site
    return name


def drawn_anew(inspection: Inspection, given: Names) -> list[str]:
    """The sites for which the draws have no value."""
    found = []
    for name, site in inspection.run.sites.items():
        if site.kind in ("latent", "observed") and name not in given:
            found.append(name)
    return found


def outcomes(inspection: Inspection, given: Names, redrawn: Names) -> list[str]:
    """The sites whose mean is given in place of a draw: what is observed, but not latents that are redrawn."""
    drawn = drawn_anew(inspection, given)
    observed = {*inspection.ends, *inspection.observable}
    # all steps of a series count as its last one does, though each but the last is a parent of the next
    for names in numbered(drawn).values():
        if not observed.isdisjoint(names):
            observed.update(names)
    return [name for name in drawn if name in observed and name not in redrawn]


def _recording(model: Model, targets: Names, instead: Callable[[str, Any], Values]) -> Model:
    """The model. It records what comes in place of each target, beside what it draws."""

    def recording(*args: Any, **kwargs: Any) -> None:
        with handlers.trace() as trace:
            model(*args, **kwargs)
        for name in targets:
            numpyro.deterministic(name + _INSTEAD, instead(name, trace[name]["fn"]))

    return recording


def _parameters(name: str, fn: Any, sought: Names, parts: Parts) -> Values:
    """The parameters that ``sought`` names: all, if it names the site itself."""
    found, values = [], {}
    for parameter in parameters_of(fn):
        path = f"{name}.{parameter.name}"
        found.append(path)
        if name in sought or path in sought:
            values[path] = parameter.value
            parts[path] = Part(name, name_of(fn), False, parameter.dims)
    unknown = [path for path in sought if path not in (name, *found)]
    if unknown or not found:
        has = f"its parameters are {listing(found)}" if found else "it has no parameters"
        wrong = listing(unknown or [name])
        raise OptionError(f"kind='params' cannot give {wrong}: {name!r} is drawn from a {name_of(fn)}, and {has}.")
    return values


def _mean(name: str, fn: Any, parts: Parts) -> Values:
    """The mean; of a category the probabilities, along a dimension of their own."""
    shape = fn.shape()
    dims = tuple(range(len(shape)))
    part = Part(name, name_of(fn), True, dims)
    parts[name] = part
    if is_category(fn):
        parts[name] = part._replace(dims=(*dims, CATEGORY))
        probs = unwrapped(fn).probs
        full = *shape, probs.shape[-1]
        return {name: jnp.broadcast_to(probs, full)}
    try:
        return {name: mean_of(fn)}
    except (NotImplementedError, AttributeError, TypeError) as error:
        raise no_mean(part, "is not known") from error


def no_mean(part: Part, what: str) -> OptionError:
    return OptionError(
        f"The mean of the distribution of {part.site!r}, {part.distribution}, {what}, so that kind='mean' cannot give "
        f"it. Pass kind='samples' to draw from it, or leave {part.site!r} out of return_sites."
    )
