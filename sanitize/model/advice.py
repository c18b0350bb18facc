"""Messages on something that is not a model, on missing arguments, and on an exception that a model raised."""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpyro.distributions import Distribution
from numpyro.infer import Predictive
from numpyro.infer.autoguide import AutoGuide
from numpyro.primitives import Messenger

from ..errors import OPTIONS, ModelArgumentsError, OptionError, add_note, listing, meant
from ..kinds import Args, Model
from . import argument

Parameters = list[inspect.Parameter]
Leaves = Mapping[str, Any]  # arguments by name

# Options that are given where a drop-in is made, and not at its call.
_AT_PREDICTIVE = (*OPTIONS, "extend", "levels", "batch_ndims", "num_samples", "return_sites", "parallel")
_AT_PREDICTOR = ("kind", "batch_size", "lazy", "dims", "coords", "progress_bar")
_GIVEN_AT = dict.fromkeys(_AT_PREDICTIVE, "Predictive") | dict.fromkeys(_AT_PREDICTOR, "Predictor")
_KEY = (
    "{named} is a random key: strip_deterministic, inspect_sites and log_likelihood take none; Predictive takes "
    "it before the model's arguments, as in Predictive(model, samples)(key, ...)."
)


def undecorated(model: Model) -> Model:
    """The function under handlers that were used as decorators: such a handler hides its signature."""
    while isinstance(model, Messenger) and model.fn is not None:
        if getattr(model, "__wrapped__", None) is not None:
            break
        model = model.fn
    return model


def function_of(model: Model) -> Model:
    """The function under handlers and partials, as far as their signature is its own."""
    model = undecorated(model)
    while isinstance(model, functools.partial):
        model = model.func
    return model


def parameters_of(model: Model) -> Parameters | None:
    """The model's parameters; None where Python cannot tell them."""
    signature = signature_of(undecorated(model))
    return None if signature is None else list(signature.parameters.values())


def signature_of(function: Model) -> inspect.Signature | None:
    """None where Python cannot tell it."""
    with contextlib.suppress(ValueError, TypeError):  # what is written in C may have none
        return inspect.signature(function)
    return None


def described(model: Model) -> str:
    """``model(X, y=None)``."""
    function = function_of(model)
    name = getattr(function, "__name__", type(function).__name__)
    return f"{name}{signature_of(function) or '(...)'}"


def refuse_other_than_model(model: Any) -> None:
    """Refuse what cannot be a model: it is not callable, or its call runs no sites."""
    inner = undecorated(model)
    if isinstance(inner, AutoGuide):
        raise ModelArgumentsError(
            f"{type(inner).__name__} is a guide, not the model: pass the model that it was made "
            "for, and guide.sample_posterior(rng_key, params, sample_shape=(1000,)) as the samples."
        )
    if not callable(model) or isinstance(model, (Distribution, Predictive)):
        raise ModelArgumentsError(
            "The model has to be a function (or a callable object) of NumPyro primitives, not "
            f"{type(model).__name__}: pass the model first, without calling it, then the samples."
        )
    function = function_of(model)
    if not inspect.isroutine(function):
        function = getattr(function, "__call__", function)  # noqa: B004 - the method, not whether there is one
    if inspect.isgeneratorfunction(function):
        kind = "generator (it yields)"
    elif inspect.iscoroutinefunction(function):
        kind = "coroutine (it is async)"
    else:
        return
    signature = described(model)
    said = f"{signature} is a {kind}: calling it runs none of its sites. Make it a plain function."
    raise ModelArgumentsError(said, signature=signature)


def refuse_other_than_key(key: Any, what: str, as_in: str) -> None:
    """Refuse all but one key of JAX's random numbers."""
    if argument.is_key(key):
        is_old = isinstance(key.dtype, np.dtype)  # two numbers
        if is_old or key.shape == ():
            return
    seen = argument.of(key).description
    raise OptionError(f"{what} has to be one random key, and is {seen}: {as_in}, with key = jax.random.PRNGKey(0).")


def missing_arguments(model: Model, args: Args, kwargs: Leaves, what: str) -> ModelArgumentsError:
    """The signature, and the call to make."""
    parameters = parameters_of(model) or []
    names = [p.name for p in parameters]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    unknown = [name for name in kwargs if not takes_any and name not in names]
    hints = [_on_unknown(name, names) for name in unknown]
    for i, value in enumerate(args):
        if argument.is_key(value):
            hints.append(_KEY.format(named=f"Argument {i + 1}"))
    needed, has_defaults = "", False
    for p in parameters:
        if p.default is not p.empty:
            has_defaults = True
            continue
        form = str(p.replace(annotation=p.empty))  # with its stars
        if p.kind is p.KEYWORD_ONLY:
            form += f"={form}"
        needed += f", {form}"
    absent = re.search(r"missing a required argument: '(\w+)'", what)
    if absent and not hints and (args or kwargs) and not has_defaults:
        name = absent[1]
        hints.append(f"If {name!r} is what is predicted, give it the default None in the model ({name}=None).")
    if _GIVEN_AT.keys().isdisjoint(unknown):
        calls = f"strip_deterministic(model, samples{needed}), or inspect_sites(model{needed})"
        calls += f", or Predictive(model, samples)(key{needed})"
        hints.insert(0, f"Pass the arguments that you predict with: {calls}.")
    signature = described(model)
    advised = " ".join(hints)
    said = f"{signature} cannot be run with the arguments at hand: {what}. {advised}"
    return ModelArgumentsError(said, signature=signature)


def _on_unknown(name: str, names: list[str]) -> str:
    """A keyword that the model does not have: an option of ours in the wrong place, or a misspelt name."""
    made = _GIVEN_AT.get(name)
    if made:
        maker = f"{made}(model, samples, {name}=...)(key, ...)"
        return f"That is an option of {made}(...), which is given where it is made: {maker}."
    like = meant(name, [*names, *OPTIONS])
    has = f"{like}= may be meant" if like else f"it has {listing(names) or 'none'}"
    return f"The model has no parameter {name!r}: {has}."


def say_where(error: Exception, model: Model, leaves: Leaves, reached: str | None) -> None:
    """Add a note to the model's own exception: where it was raised, and what may be wrong with the arguments."""
    where = f"after its site {reached!r}" if reached else "before its first site"
    passed = []
    for name, leaf in leaves.items():
        passed.append(f"{name}: {argument.of(leaf).description}")
    given = ", ".join(passed) or "no arguments"
    hints = list(_hints(leaves, error)) or list(_left_out(model, leaves, error))
    said = f"This was raised by {described(model)} itself, {where}, run by sanitize to see its sites with {given}."
    add_note(error, " ".join([said, *hints]))


def _hints(leaves: Leaves, error: Exception) -> Iterator[str]:
    """What is wrong with the arguments, as far as it can be seen from here."""
    for name, leaf in leaves.items():
        yield from _hints_on(name, leaf, leaves, error)
    if isinstance(error, (AttributeError, TypeError)):
        for name in dict.fromkeys(name.partition("['")[0] for name in leaves):
            if name in leaves:
                continue  # it has no keys
            yield f"If {name} holds the samples: inspect_sites(model, ...).review(samples) takes them, not the model."
    if not isinstance(error, (AttributeError, KeyError)):
        yield from of_lengths(leaves)


def _left_out(model: Model, leaves: Leaves, error: Exception) -> Iterator[str]:
    """The arguments that were not passed, and so are None."""
    names = []
    for p in parameters_of(model) or ():
        if p.default is None and p.name not in leaves:
            names.append(p.name)
    if names and isinstance(error, (AttributeError, TypeError)):
        yield f"Not passed, and so None: {listing(names)}."


def _hints_on(name: str, leaf: Any, leaves: Leaves, error: Exception) -> Iterator[str]:
    known = argument.of(leaf)
    if argument.is_key(leaf):
        yield _KEY.format(named=name)
    elif known.is_table:
        if isinstance(error, KeyError):
            yield f"{name} has the columns {listing(known.columns)}."
        elif isinstance(error, TypeError):  # JAX takes no tables
            yield f"{name} is a {type(leaf).__name__}: where the model calls JAX on it, pass {name}.to_numpy()."
    elif isinstance(leaf, list) or (known.is_labelled and known.kind in "iufb"):
        yield f"{name} is a {type(leaf).__name__}: pass np.asarray({name})."
    elif known.kind in "OSU":
        yield (
            f"{name} holds no numbers. Labels become an index by those of the fit, in their order: "
            f"pandas.Index(labels).get_indexer({name})."
        )
    elif 0 in known.shape:
        yield f"{name} has shape {known.shape}: there are no rows."
    elif known.kind == "f" and "index" in str(error).casefold() and _is_whole(leaf):
        yield f"If {name} is an index, pass whole numbers: {name}.astype(int)."
    elif len(known.shape) == 1 and isinstance(error, IndexError):
        shapes = {other: argument.of(leaves[other]).shape for other in leaves}
        tables = [other for other, shape in shapes.items() if len(shape) == 2]
        swapped = f", and {listing(tables)} has two: they may be swapped. If not," if tables else " only:"
        yield f"{name} has one dimension{swapped} one row is passed as {name}[None], one column as {name}[:, None]."


def _is_whole(leaf: Any) -> bool:
    """Whether the values are known, and whole numbers or NaN."""
    if not argument.has_values(leaf):
        return False
    fractions = np.asarray(leaf) % 1
    return not np.nan_to_num(fractions).any()


def of_lengths(leaves: Leaves) -> Iterator[str]:
    """Say how long arguments are that may have to be equally long."""
    lengths = {}
    for name, leaf in leaves.items():
        shape = argument.of(leaf).shape
        if shape and not argument.is_key(leaf):
            lengths[name] = shape[0]
    if len(set(lengths.values())) > 1:
        each = [f"{name} is {length} long" for name, length in lengths.items()]
        has = ", ".join(each)
        yield f"If they have a value for each row, they have to be equally long: {has}."
