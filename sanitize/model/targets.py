"""What is predicted: the sites that are observed, or would be if the model were called otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from .call import Call, lengths_of
from .trace import Run, try_run

Path = tuple[Any, ...]  # to a value among the arguments: its key at each step


@dataclass(frozen=True)
class Observation:
    """A call otherwise, in which latents are observed or gone: with ``words`` (an argument, a key, a flag) changed."""

    words: str
    call: Call
    run: Run
    latents: tuple[str, ...]
    is_flag: bool  # it is flipped; all else is given

    def explains(self, name: str, made: Iterable[str]) -> bool:
        """Whether a latent is observed in this call, or gone with all that is ``made`` of it."""
        if name not in self.latents:
            return False
        left = set(made).intersection(self.run.sites).difference(self.latents)
        return name in self.run.sites or not left


def observations(call: Call, base: Run) -> tuple[Observation, ...]:
    """What an argument that is None, a key that a dict lacks, and a flag would change if they were given, or flipped.

    The array given has the shape of a latent (those that the model draws last come first), or one value a row or a
    step. The first that the model runs with tells: NumPyro lets a site be observed with a value of any shape.
    """
    for name, default in call.defaults().items():
        if default is None or isinstance(default, bool):
            call = call.with_keyword(name, default)
    arrays = _made_up_arrays(call, base)
    given, flipped = [], []
    for i, (name, leaf) in enumerate(zip(call.names, call.leaves)):
        if leaf is None:
            given.append(_first_seen(name, (call.with_leaves({i: array}) for array in arrays), base))
        elif isinstance(leaf, bool):
            flipped.append(_first_seen(f"{name}={not leaf}", [call.with_leaves({i: not leaf})], base, is_flag=True))
    for path in _absent_keys(call):
        changed = (with_value(call.arguments(), path, array) for array in arrays)
        calls = (call.with_arguments(*arguments) for arguments in changed)
        given.append(_first_seen(path_in_words(call, path), calls, base))
    return tuple(seen for seen in given + flipped if seen)


def _first_seen(words: str, calls: Iterable[Call], base: Run, is_flag: bool = False) -> Observation | None:
    """Of the first call that the model runs with."""
    for call in calls:
        after = try_run(call)
        if after is not None:
            lost = tuple(name for name in base.named("latent") if _is_taken(after, name))
            return Observation(words, call, after, lost, is_flag)
    return None


def observable_sites(found: Iterable[Observation]) -> dict[str, str]:
    """Latents that become observed, or are gone, when an argument is given: site -> argument, in words."""
    sites: dict[str, str] = {}
    for observation in found:
        for name in observation.latents:
            sites.setdefault(name, observation.words)
    return sites


def with_its_data(found: Iterable[Observation], base: Run) -> Observation | None:
    """The call with data given, of a model that has its observed sites only then (``if y is not None: ...``)."""
    for observation in found:
        more = set(observation.run.named("observed")).difference(base.sites)
        if more and not observation.is_flag:
            return observation
    return None


def _is_taken(after: Run, name: str) -> bool:
    """NumPyro records a site as deterministic if it is given with ``obs_mask``."""
    return name not in after.sites or after.sites[name].kind in ("observed", "deterministic")


def _made_up_arrays(call: Call, base: Run) -> list[Any]:
    types: dict[Any, None] = {}  # in this order, each once
    for name in reversed(base.named("latent")):
        site = base.sites[name]
        if site.shape is not None:
            types[site.shape, site.dtype] = None
    number = np.dtype(jax.dtypes.canonicalize_dtype(float))
    for kind in ("leading", "integer"):  # a row, or a step
        for axis in lengths_of(call):
            if axis.kind == kind and axis.length > 0:
                types[(axis.length,), number] = None
    make = jax.ShapeDtypeStruct if call.mode == "abstract" else np.zeros
    return [make(shape, dtype) for shape, dtype in types]


# ------------------------------------------------------------------------------------------ keys of a dict


class Asking(dict[Any, Any]):
    """A dict that writes down which keys it was asked for and has not, and whether they had to be there."""

    def __init__(self, items: Mapping[Any, Any], path: Path, asked: dict[Path, bool]):
        super().__init__({key: _asking(value, (*path, key), asked) for key, value in items.items()})
        self.path, self.asked = path, asked

    def __contains__(self, key: Any) -> bool:
        there = super().__contains__(key)
        if not there:
            self.asked.setdefault((*self.path, key), False)
        return there

    def get(self, key: Any, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401 - which would be this very function

    def pop(self, key: Any, *default: Any) -> Any:
        return super().pop(key, *default) if key in self or default else self[key]

    def __missing__(self, key: Any) -> Any:
        self.asked[(*self.path, key)] = True
        raise KeyError(key)


def _asking(tree: Any, path: Path, asked: dict[Path, bool]) -> Any:
    if type(tree) is dict:
        return Asking(tree, path, asked)
    if type(tree) in (list, tuple):
        return type(tree)(_asking(value, (*path, i), asked) for i, value in enumerate(tree))
    return tree


def _absent_keys(call: Call) -> Iterable[Path]:
    """The keys that the model asks dicts among the arguments for in vain."""
    args, kwargs = call.arguments()
    asked: dict[Path, bool] = {}

    def model(*args: Any, **kwargs: Any) -> Any:
        return call.model(*_asking(args, (0,), asked), **_asking(kwargs, (1,), asked))

    if any(type(value) is dict for value in (*args, *kwargs.values())):
        try_run(replace(call, model=model))
    return asked


def path_in_words(call: Call, path: Path) -> str:
    """``data['x']``: a value among the arguments, as one would write it."""
    is_keyword, first, *steps = path
    names = [parameter.name for parameter in call.parameters or ()]
    if not is_keyword:
        first = names[first] if first < len(names) else f"args[{first}]"
    return str(first) + "".join(f"[{step!r}]" for step in steps)


def with_value(tree: Any, path: Path, value: Any) -> Any:
    """The same arguments, with another value at the end of the path, which may be a key that a dict has not yet."""
    if not path:
        return value
    key, *rest = path
    if isinstance(tree, Mapping):
        return {**tree, key: with_value(tree.get(key), tuple(rest), value)}
    changed = list(tree)
    changed[key] = with_value(changed[key], tuple(rest), value)
    return type(tree)(changed)
