"""The handlers around a model: which sites they name, and the model without what they set.

NumPyro's `do` and `condition` set sample sites. They ignore a name that no such site has, and say nothing.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpyro import handlers
from numpyro.primitives import Messenger

from ..errors import meant
from ..kinds import Model
from .call import Call
from .replay import Draw, differ, replay
from .trace import Run, try_run

Names = Collection[str]


class Handler(NamedTuple):
    """A handler that names sites.

    Attributes
    ----------
    kind : str
        ``"do"``, ``"condition"``, ``"substitute"`` or ``"block"``.
    values : mapping
        What it gives the sites, by the names that it sees.
    scope : str
        What the scopes around it put in front of these names.
    inner : callable
        The model that it is around.
    """

    kind: str
    values: Mapping[str, Any]
    scope: str
    inner: Model

    @property
    def sets(self) -> bool:
        """Whether it gives sample sites another value than the one drawn."""
        return self.kind in ("do", "condition")


class Ignored(NamedTuple):
    """A name in a handler that changes nothing: no site has it (``kind`` is empty), or one of another kind has it."""

    handler: str
    name: str
    kind: str
    like: str  # the site that may be meant


def around(model: Model) -> Iterator[Handler]:
    """The handlers of a model that name sites, the outermost first."""
    scope, model = "", _inward(model)
    while isinstance(model, Messenger):
        if values := _values(model):
            yield Handler(type(model).__name__, values, scope, model.fn)
        scope = _scope_inside(model, scope)
        model = _inward(model.fn)


def _inward(model: Model) -> Model:
    """A `functools.partial` of a handler as the same handler of a partial."""
    if not isinstance(model, functools.partial) or not isinstance(model.func, Messenger):
        return model
    other = copy.copy(model.func)
    other.fn = functools.partial(model.func.fn, *model.args, **model.keywords)
    return other


def _values(handler: Messenger) -> Mapping[str, Any]:
    if isinstance(handler, (handlers.do, handlers.condition, handlers.substitute)):
        return handler.data or {}
    if isinstance(handler, handlers.block):  # which keeps its names in a closure, in NumPyro 0.10 to 0.22
        closure = inspect.getclosurevars(handler.hide_fn).nonlocals
        return dict.fromkeys(closure.get("hide") or closure.get("expose") or ())
    return {}


def _scope_inside(handler: Messenger, scope: str) -> str:
    return f"{scope}{handler.prefix}{handler.divider}" if isinstance(handler, handlers.scope) else scope


def ignored(call: Call, run: Run) -> Iterator[Ignored]:
    """The names in handlers that change nothing. `substitute` may hold params of a guide, which the model lacks."""
    for handler in around(call.model):
        named = list(handler.values)
        if handler.kind == "substitute":
            named = [name for name in named if handler.scope + name not in run.sites]
        seen = try_run(replace(call, model=handler.inner)) if named else None
        if seen is None:
            continue
        is_one_used = len(named) < len(handler.values)
        for name in named:
            site = seen.sites.get(name)
            if site is not None:
                if handler.sets and site.kind not in ("latent", "observed"):
                    yield Ignored(handler.kind, name, site.kind, "")
                continue
            like = meant(name, seen.sites.keys() - handler.values.keys())
            is_slip = bool(like) and f"_{like}_" not in f"_{name}_"  # as in the param `theta_loc`
            may_be_of_guide = handler.kind == "substitute" and (is_one_used or _is_of_guide(name, seen))
            if is_slip or not may_be_of_guide:
                yield Ignored(handler.kind, name, "", like)


def _is_of_guide(name: str, run: Run) -> bool:
    """Whether a param may be one of a guide: of an `AutoGuide`, of a network, or named after a site."""
    if name.startswith("auto_") or "$" in name:
        return True
    return any(f"_{site}_" in f"_{name}_" for site in run.sites)


def set_sites(model: Model) -> dict[str, tuple[str, Any]]:
    """The sites that `do` and `condition` set: name -> which of them, and the value."""
    found = {}
    for handler in around(model):
        for name, value in handler.values.items() if handler.sets else ():
            found[handler.scope + name] = handler.kind, value
    return found


def without(model: Model, names: Names, scope: str = "") -> Model:
    """The model where `do` and `condition` leave these sites as they are."""
    model = _inward(model)
    if not isinstance(model, Messenger):
        return model
    other = copy.copy(model)
    if isinstance(model, (handlers.do, handlers.condition)):
        other.data = {name: value for name, value in _values(model).items() if scope + name not in names}
    other.fn = without(model.fn, names, _scope_inside(model, scope))
    return other


def drawn_otherwise(call: Call, plain: Call, draws: Collection[Draw]) -> set[str]:
    """The latents that two calls draw with other parameters, given the same draw. See `attempt`."""
    found = set()
    for draw in draws:
        before, after = replay(plain, draw), replay(call, draw)
        for name in before.keys() & after.keys():
            was, now = before[name], after[name]
            if was.kind == now.kind == "latent" and _is_other(was.arrays, now.arrays):
                found.add(name)
    return found


def _is_other(was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether parameters differ. A number in place of many that are equal to it is no difference."""
    shared = was.keys() & now.keys()
    return any(differ(*np.broadcast_arrays(was[name], now[name])) for name in shared)
