"""A model and the arguments of one call, flat, so that they can be changed one by one."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import jax
import numpy as np
from numpyro.distributions import Distribution
from numpyro.infer import Predictive
from numpyro.infer.autoguide import AutoGuide
from numpyro.primitives import Messenger

from ..errors import OPTIONS, ModelArgumentsError, OptionError, meant
from . import argument
from .argument import Shape, abstract, is_array, is_integer, is_key, is_value_list

__all__ = ["Shape", "abstract", "is_array", "is_integer", "is_key", "is_value_list"]  # moved to `argument`

Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]


def refuse_other_than_key(key: Any, what: str, as_in: str) -> None:
    """Refuse all but one key of JAX's random numbers."""
    if not is_key(key) or (not isinstance(key.dtype, np.dtype) and key.shape != ()):
        seen = repr(key) if isinstance(key, int) else argument.of(key).description
        raise OptionError(f"{what} has to be one random key, and is {seen}: {as_in}, with key = jax.random.PRNGKey(0).")


def shape_of(leaf: Any) -> Shape:
    """As `argument.of` has it."""
    return argument.of(leaf).shape


def _own(x: Any) -> Any:
    """A copy of data that a model could change in place: a run to look leaves the caller's as it is."""
    if type(x) is np.ndarray:
        return x.copy()
    return [_own(v) for v in x] if is_value_list(x) else x


def _is_leaf(x: Any) -> bool:
    return x is None or is_value_list(x)


class _InOrder(dict[Any, Any]):
    """A dict that JAX flattens in the order in which the model gets it: a plain one it sorts, if it can."""


jax.tree_util.register_pytree_with_keys(
    _InOrder,
    lambda d: ([(jax.tree_util.DictKey(key), value) for key, value in d.items()], tuple(d)),
    lambda keys, values: cast(Any, dict(zip(keys, values))),  # a plain dict again: what the model was to get
)


def _in_order(x: Any) -> Any:
    if type(x) is dict:
        return _InOrder((key, _in_order(value)) for key, value in x.items())
    if type(x) is tuple or (type(x) is list and not is_value_list(x)):
        return type(x)(map(_in_order, x))
    return x


@dataclass(frozen=True)
class Call:
    """A model and the arguments of one call. `Call.of` validates the model; what is made from a call does not again."""

    model: Callable[..., Any]
    leaves: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()  # "X", "data['x']"
    treedef: Any = None
    mode: str = "abstract"  # what the first run found that the model needs
    masked: bool = True  # run as `Predictive` runs it; False: as `log_likelihood` does

    @classmethod
    def of(cls, model: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        _refuse_other_than_model(model)
        return cls(model).with_arguments(args, kwargs)

    def with_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """The same model, with other arguments."""
        tree = _in_order((args, dict(kwargs)))
        flat, treedef = jax.tree_util.tree_flatten_with_path(tree, is_leaf=_is_leaf)
        names, leaves = [], []
        parameters = self.parameters
        positional = [p.name for p in parameters or () if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        for path, leaf in flat:
            key = getattr(path[1], "key", getattr(path[1], "idx", None))
            if isinstance(key, int):
                key = positional[key] if key < len(positional) else f"args[{key}]"
            names.append(f"{key}{jax.tree_util.keystr(path[2:])}")
            # a tracer of the caller's must not outlive the run
            leaves.append(abstract(leaf) if isinstance(leaf, jax.core.Tracer) else leaf)
        return replace(self, leaves=tuple(leaves), names=tuple(names), treedef=treedef)

    def with_leaves(self, changes: Mapping[int, Any]) -> Call:
        return replace(self, leaves=tuple(changes.get(i, leaf) for i, leaf in enumerate(self.leaves)))

    def with_keyword(self, name: str, value: Any) -> Call:
        args, kwargs = self.arguments()
        return self.with_arguments(args, {**kwargs, name: value})

    def without_data(self) -> Call:
        """With shapes in place of arrays, if the model runs with them: it can be kept for long."""
        return self.with_leaves(dict(zip(self.traced, self.shapes))) if self.mode == "abstract" else self

    @property
    def traced(self) -> tuple[int, ...]:
        """Which arguments are abstract in a run: arrays, where the model does not need their values."""
        return tuple(
            i
            for i, leaf in enumerate(self.leaves)
            if isinstance(leaf, jax.ShapeDtypeStruct) or (self.mode == "abstract" and is_array(leaf))
        )

    @property
    def shapes(self) -> list[Any]:
        """Shapes and dtypes of the arguments that are `traced`."""
        return [abstract(self.leaves[i]) for i in self.traced]

    def arguments(self) -> Arguments:
        """``args, kwargs`` as they were passed."""
        return jax.tree_util.tree_unflatten(self.treedef, self.leaves)

    def filled(self, arrays: Sequence[Any]) -> Arguments:
        """``args, kwargs`` for a run: ``arrays`` in place of what is `traced`, all else out of the model's reach."""
        given = dict(zip(self.traced, arrays))
        leaves = [given[i] if i in given else _own(leaf) for i, leaf in enumerate(self.leaves)]
        return jax.tree_util.tree_unflatten(self.treedef, leaves)

    @functools.cached_property
    def parameters(self) -> list[inspect.Parameter] | None:
        return parameters_of(self.model)

    @functools.cached_property
    def description(self) -> str:
        """``model(X, y=None)``."""
        return describe_model(self.model)

    def why_not_bound(self) -> str | None:
        """Why the arguments do not fit the model's signature, in Python's words; None where they do."""
        args, kwargs = self.arguments()
        try:
            inspect.signature(_undecorated(self.model)).bind(*args, **kwargs)
        except ValueError:  # no signature to compare with
            return None
        except TypeError as mismatch:
            return str(mismatch)
        return None


def parameters_of(model: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """The model's parameters; None where Python cannot tell them."""
    try:
        return list(inspect.signature(_undecorated(model)).parameters.values())
    except (TypeError, ValueError):
        return None


def _refuse_other_than_model(model: Any) -> None:
    """What cannot be a model: no callable, or one that runs no sites when it is called."""
    if isinstance(inner := _undecorated(model), AutoGuide):
        raise ModelArgumentsError(
            f"{type(inner).__name__} is a guide, not the model: pass the model that it was made "
            f"for, and guide.sample_posterior(rng_key, params, sample_shape=(1000,)) as the samples."
        )
    if not callable(model) or isinstance(model, (Distribution, Predictive)):
        raise ModelArgumentsError(
            f"The model has to be a function (or a callable object) of NumPyro primitives, not "
            f"{type(model).__name__}: pass the model first, without calling it, then the samples."
        )
    function = _undecorated(model)
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = getattr(function, "__call__", function)  # noqa: B004 - the method, not whether there is one
    if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        kind = "generator (it yields)" if inspect.isgeneratorfunction(function) else "coroutine (it is async)"
        raise ModelArgumentsError(
            f"{describe_model(model)} is a {kind}: calling it runs none of its sites. Make it a plain function.",
            signature=describe_model(model),
        )


def _undecorated(model: Callable[..., Any]) -> Callable[..., Any]:
    """The function under a handler that was used as a decorator: such a handler hides its signature."""
    while isinstance(model, Messenger) and getattr(model, "__wrapped__", None) is None and model.fn is not None:
        model = model.fn
    return model


def describe_model(model: Callable[..., Any]) -> str:
    """``model(X, y=None)``."""
    model = _undecorated(model)
    while isinstance(model, functools.partial):
        model = model.func
    name = getattr(model, "__name__", type(model).__name__)
    try:
        return f"{name}{inspect.signature(model)}"
    except (TypeError, ValueError):
        return f"{name}(...)"


def arguments_error(call: Call, what: str) -> ModelArgumentsError:
    """The signature, and the call to make."""
    kinds = inspect.Parameter
    forms: dict[Any, str] = {kinds.KEYWORD_ONLY: "{0}={0}", kinds.VAR_POSITIONAL: "*{0}", kinds.VAR_KEYWORD: "**{0}"}
    names = [p.name for p in call.parameters or ()]
    args, kwargs = call.arguments() if call.treedef is not None else ((), {})
    hints = [
        f" Instead of {n!r}, {like}= may be meant."
        for n in kwargs
        if n not in names and (like := meant(n, [*names, *OPTIONS]))
    ]
    if (args or kwargs) and not hints and (absent := re.search(r"missing a required argument: '(\w+)'", what)):
        hints = [f" If {absent[1]!r} is what is predicted, give it the default None in the model ({absent[1]}=None)."]
    needed = ", ".join(forms.get(p.kind, "{0}").format(p.name) for p in call.parameters or () if p.default is p.empty)
    example = f"model, {needed}" if needed else "model"
    example = f"strip_deterministic({example.replace('model', 'model, samples', 1)}), or inspect_sites({example})"
    return ModelArgumentsError(
        f"{call.description} cannot be run with the arguments at hand: {what}. Pass the arguments that you predict "
        f"with: {example}.{''.join(hints)}",
        signature=call.description,
    )
