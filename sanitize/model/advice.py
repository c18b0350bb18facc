"""What is said of a model that is none, of arguments that are missing, and of what a model raised."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpyro.distributions import Distribution
from numpyro.infer import Predictive
from numpyro.infer.autoguide import AutoGuide
from numpyro.primitives import Messenger

from ..errors import OPTIONS, ModelArgumentsError, OptionError, add_note, listing, meant
from . import argument

Model = Callable[..., Any]
Parameters = list[inspect.Parameter]
Args = tuple[Any, ...]
Leaves = Mapping[str, Any]  # arguments by name

# Options that are given where a drop-in is made, and not at its call.
_OF_PREDICTIVE = (*OPTIONS, "extend", "levels", "batch_ndims", "num_samples", "return_sites", "parallel")
_OF_PREDICTOR = ("kind", "batch_size", "lazy", "dims", "coords", "progress_bar")
_KEY = (
    "{named} is a random key: strip_deterministic, inspect_sites and log_likelihood take none; Predictive takes "
    "it before the model's arguments, as in Predictive(model, samples)(key, ...)."
)


def undecorated(model: Model) -> Model:
    """The function under a handler that was used as a decorator: such a handler hides its signature."""
    while isinstance(model, Messenger) and getattr(model, "__wrapped__", None) is None and model.fn is not None:
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
    try:
        return inspect.signature(function)
    except ValueError:  # what is written in C need not have one
        return None
    except TypeError:  # before Python 3.12: one that is made up
        return None


def described(model: Model) -> str:
    """``model(X, y=None)``."""
    function = function_of(model)
    name = getattr(function, "__name__", type(function).__name__)
    return f"{name}{signature_of(function) or '(...)'}"


def refuse_other_than_model(model: Any) -> None:
    """What cannot be a model: no callable, or one that runs no sites when it is called."""
    inner = undecorated(model)
    if isinstance(inner, AutoGuide):
        raise ModelArgumentsError(
            f"{type(inner).__name__} is a guide, not the model: pass the model that it was made "
            f"for, and guide.sample_posterior(rng_key, params, sample_shape=(1000,)) as the samples."
        )
    if not callable(model) or isinstance(model, (Distribution, Predictive)):
        raise ModelArgumentsError(
            f"The model has to be a function (or a callable object) of NumPyro primitives, not "
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
    raise ModelArgumentsError(
        f"{described(model)} is a {kind}: calling it runs none of its sites. Make it a plain function.",
        signature=described(model),
    )


def refuse_other_than_key(key: Any, what: str, as_in: str) -> None:
    """Refuse all but one key of JAX's random numbers."""
    if argument.is_key(key) and (isinstance(key.dtype, np.dtype) or key.shape == ()):
        return
    seen = argument.of(key).description
    raise OptionError(f"{what} has to be one random key, and is {seen}: {as_in}, with key = jax.random.PRNGKey(0).")


def missing_arguments(model: Model, args: Args, kwargs: Leaves, what: str) -> ModelArgumentsError:
    """The signature, and the call to make."""
    parameters = parameters_of(model) or []
    hints = list(_on_unknown(kwargs, parameters))
    for i, value in enumerate(args):
        if argument.is_key(value):
            hints.append(_KEY.format(named=f"Argument {i + 1}"))
    absent = re.search(r"missing a required argument: '(\w+)'", what)
    if absent and not hints and (args or kwargs) and all(p.default is p.empty for p in parameters):
        name = absent[1]
        hints.append(f"If {name!r} is what is predicted, give it the default None in the model ({name}=None).")
    needed = []
    for p in parameters:
        if p.default is p.empty:
            form = str(p.replace(annotation=p.empty))  # with its stars
            needed.append(f"{p.name}={form}" if p.kind is p.KEYWORD_ONLY else form)
    strip, look, predict = (", ".join([*first, *needed]) for first in (["model", "samples"], ["model"], ["key"]))
    if not any("is an option of" in hint for hint in hints):
        calls = f"strip_deterministic({strip}), or inspect_sites({look}), or Predictive(model, samples)({predict})"
        hints.insert(0, f"Pass the arguments that you predict with: {calls}.")
    return ModelArgumentsError(
        f"{described(model)} cannot be run with the arguments at hand: {what}. {' '.join(hints)}",
        signature=described(model),
    )


def _on_unknown(kwargs: Leaves, parameters: Parameters) -> Iterator[str]:
    """Keywords that the model does not have: options of ours in the wrong place, and misspelt names."""
    names = [p.name for p in parameters]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    options = dict.fromkeys(_OF_PREDICTOR, "Predictor") | dict.fromkeys(_OF_PREDICTIVE, "Predictive")
    for name in kwargs:
        like = meant(name, [*names, *OPTIONS])
        if name in names:
            continue
        if name in options:
            maker = f"{options[name]}(model, samples, {name}=...)(key, ...)"
            yield f"That is an option of {options[name]}(...), which is given where it is made: {maker}."
        elif like:
            yield f"The model has no parameter {name!r}: {like}= may be meant."
        else:
            yield f"The model has no parameter {name!r}: it has {listing(names) or 'none'}."


def say_where(error: Exception, model: Model, leaves: Leaves, reached: str | None) -> None:
    """A note on the model's own exception: where it was raised, and what of the arguments may be wrong."""
    where = f"after its site {reached!r}" if reached else "before its first site"
    passed = []
    for name, leaf in leaves.items():
        passed.append(f"{name}: {argument.of(leaf).description}")
    hints = [*_hints(leaves, error)] or [*_left_out(model, leaves, error)]
    hint = " ".join(["", *hints])
    add_note(
        error,
        f"This was raised by {described(model)} itself, {where}, run by sanitize to see its sites with "
        f"{', '.join(passed) or 'no arguments'}.{hint}",
    )


def _hints(leaves: Leaves, error: Exception) -> Iterator[str]:
    """What is wrong with the arguments, as far as it can be seen from here."""
    for name, leaf in leaves.items():
        yield from _hints_on(name, leaf, leaves, error)
    keys = dict.fromkeys(name[: name.index("['")] for name in leaves if "['" in name)
    if isinstance(error, (AttributeError, TypeError)):
        for name in keys:
            yield f"If {name} holds the samples: inspect_sites(model, ...).review(samples) takes them, not the model."
    if not isinstance(error, (AttributeError, KeyError)):
        yield from of_lengths(leaves)


def _left_out(model: Model, leaves: Leaves, error: Exception) -> Iterator[str]:
    """The arguments that were not passed, and so are None."""
    names = [p.name for p in parameters_of(model) or () if p.default is None and p.name not in leaves]
    if names and isinstance(error, (AttributeError, TypeError)):
        yield f"Not passed, and so None: {listing(names)}."


def _hints_on(name: str, leaf: Any, leaves: Leaves, error: Exception) -> Iterator[str]:
    known = argument.of(leaf)
    is_number = known.kind in "iufb"
    if argument.is_key(leaf):
        yield _KEY.format(named=name)
    elif isinstance(leaf, list):
        yield f"{name} is a list: pass np.asarray({name})."
    elif known.is_table:
        if isinstance(error, KeyError):
            yield f"{name} has the columns {listing(known.columns)}."
        elif isinstance(error, TypeError):  # JAX takes no tables
            yield f"{name} is a {type(leaf).__name__}: where the model calls JAX on it, pass {name}.to_numpy()."
    elif known.kind in "OSU":
        yield (
            f"{name} holds no numbers. Labels become an index by those of the fit, in their order: "
            f"pandas.Index(labels).get_indexer({name})."
        )
    elif known.is_labelled and is_number:
        yield f"{name} is a {type(leaf).__name__}: pass np.asarray({name})."
    elif 0 in known.shape:
        yield f"{name} has shape {known.shape}: there are no rows."
    elif known.kind == "f" and "index" in str(error).casefold() and _is_whole(leaf):
        yield f"If {name} is an index, pass whole numbers: {name}.astype(int)."
    elif len(known.shape) == 1 and isinstance(error, IndexError):
        tables = [other for other, leaf in leaves.items() if len(argument.of(leaf).shape) == 2]
        swapped = f", and {listing(tables)} has two: they may be swapped. If not," if tables else " only:"
        yield f"{name} has one dimension{swapped} one row is passed as {name}[None], one column as {name}[:, None]."


def _is_whole(leaf: Any) -> bool:
    """Whether the values are known, and whole numbers or NaN."""
    if not argument.has_values(leaf):
        return False
    values = np.asarray(leaf)
    return bool(((values == np.floor(values)) | np.isnan(values)).all())


def of_lengths(leaves: Leaves) -> Iterator[str]:
    """Arguments that may be of different rows."""
    lengths = {}
    for name, leaf in leaves.items():
        shape = argument.of(leaf).shape
        if shape and not argument.is_key(leaf):
            lengths[name] = shape[0]
    if len({*lengths.values()}) > 1:
        has = ", ".join(f"{name} is {length} long" for name, length in lengths.items())
        yield f"If they have a value for each row, they have to be equally long: {has}."
