"""What is predicted: the sites that are observed, or would be if the model were called otherwise."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from .axes import lengths_of
from .call import Call, Shape
from .trace import Run, try_run


@dataclass(frozen=True)
class Observation:
    """A call otherwise, in which latents are observed or gone: with ``words`` (an argument, a key, a flag) changed."""

    words: str
    call: Call
    run: Run
    latents: tuple[str, ...]


def observations(call: Call, base: Run) -> tuple[Observation, ...]:
    """What an argument that is None, a key that a dict lacks, and a flag would change if they were given, or flipped.

    The array given has the shape of a latent (those that the model draws last come first), or one value a row or a
    step. The first that the model runs with tells: NumPyro lets a site be observed with a value of any shape.
    """
    found = []
    shapes = _shapes(call, base)
    arrays = [_made_up(shape, dtype, call.mode) for shape, dtype in shapes]
    for words, given in _arguments_to_give(call).items():
        runs = ((changed, try_run(changed)) for changed in map(given, arrays))
        found.append((words, next((pair for pair in runs if pair[1] is not None), None)))
    for words, flipped in _flags(call):
        found.append((words, (flipped, try_run(flipped))))
    result = []
    for words, pair in found:
        if pair and (after := pair[1]) is not None:
            lost = tuple(name for name in base.named("latent") if _is_taken(after, name))
            result.append(Observation(words, pair[0], after, lost))
    return tuple(result)


def observable_sites(found: Iterable[Observation]) -> dict[str, str]:
    """Latents that become observed, or are gone, when an argument is given: site -> argument, in words."""
    sites: dict[str, str] = {}
    for observation in found:
        for name in observation.latents:
            sites.setdefault(name, observation.words)
    return sites


def targets_of(base: Run, observable: Collection[str], drawn_from: Collection[str]) -> frozenset[str]:
    """Observed sites, and what could be observed, if nothing is drawn from it: else it is data of other sites."""
    return frozenset(base.named("observed")) | {name for name in observable if name not in drawn_from}


def with_its_data(found: Iterable[Observation], base: Run) -> Observation | None:
    """The call with data given, of a model that has its observed sites only then (``if y is not None: ...``)."""
    for observation in found:
        if set(observation.run.named("observed")) - base.sites.keys() and not observation.words.endswith(_FLIPPED):
            return observation
    return None


def _is_taken(after: Run, name: str) -> bool:
    """NumPyro records a site as deterministic if it is given with ``obs_mask``."""
    return name not in after.sites or after.sites[name].kind in ("observed", "deterministic")


def _shapes(call: Call, base: Run) -> list[tuple[Shape, Any]]:
    latents = [base.sites[name] for name in reversed(base.named("latent"))]
    shapes = [(site.shape, site.dtype) for site in latents if site.shape is not None]
    axes = [a for a in lengths_of(call) if a.length > 0]
    rows = [a.length for kind in ("leading", "integer") for a in axes if a.kind == kind]  # a row, or a step
    return list(dict.fromkeys([*shapes, *(((n,), np.dtype(jax.dtypes.canonicalize_dtype(float))) for n in rows)]))


def _made_up(shape: Shape, dtype: Any, mode: str) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype) if mode == "abstract" else np.zeros(shape, dtype)


# ------------------------------------------------------------------------------------- what could be given


Give = Callable[[Any], Call]


def _arguments_to_give(call: Call) -> dict[str, Give]:
    """Name -> the call with that argument given: those that are None, parameters that default to it, absent keys."""

    def by_leaf(i: int) -> Give:
        return lambda value: call.with_leaves({i: value})

    def by_keyword(name: str) -> Give:
        return lambda value: call.with_keyword(name, value)

    def by_key(path: Path, key: Any) -> Give:
        return lambda value: call.with_arguments(*with_value(call.arguments(), (*path, key), value))

    found = {name: by_leaf(i) for i, (name, leaf) in enumerate(zip(call.names, call.leaves)) if leaf is None}
    found.update({name: by_keyword(name) for name, default in _defaults(call) if default is None})
    found.update({f"{name}[{key!r}]": by_key(path, key) for name, path, key in _absent_keys(call)})
    return found


_FLIPPED = ("=True", "=False")


def _flags(call: Call) -> Iterator[tuple[str, Call]]:
    for i, (name, leaf) in enumerate(zip(call.names, call.leaves)):
        if isinstance(leaf, bool):
            yield f"{name}={not leaf}", call.with_leaves({i: not leaf})
    for name, default in _defaults(call):
        if isinstance(default, bool):
            yield f"{name}={not default}", call.with_keyword(name, not default)


def _defaults(call: Call) -> Iterator[tuple[str, Any]]:
    """Parameters that were not passed, and their defaults."""
    args, kwargs = call.arguments()
    for i, p in enumerate(call.parameters or ()):
        if p.name not in kwargs and not (i < len(args) and p.kind is not p.KEYWORD_ONLY):
            yield p.name, p.default


# ------------------------------------------------------------------------------------------ keys of a dict

Path = tuple[Any, ...]  # to a value among the arguments: its key at each step


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


def _absent_keys(call: Call) -> list[tuple[str, Path, Any]]:
    """Of each dict among the arguments: its name, the way to it, and each key that the model asks it for in vain."""
    args, kwargs = call.arguments()
    if not any(type(value) is dict for value in (*args, *kwargs.values())):
        return []
    asked: dict[Path, bool] = {}

    def model(*args: Any, **kwargs: Any) -> Any:
        kwargs = {name: _asking(value, (1, name), asked) for name, value in kwargs.items()}
        return call.model(*_asking(args, (0,), asked), **kwargs)

    try_run(replace(call, model=model))
    return [(path_in_words(call, (*path,)), (*path,), key) for *path, key in asked]


def path_in_words(call: Call, path: Path) -> str:
    """``data['x']``: a value among the arguments, as one would write it."""
    names = [p.name for p in call.parameters or ()]
    first = path[1] if path[0] else names[path[1]] if path[1] < len(names) else f"args[{path[1]}]"
    return str(first) + "".join(f"[{step!r}]" for step in path[2:])


def with_value(tree: Any, path: Path, value: Any) -> Any:
    """The same arguments, with another value at the end of the path, which may be a key that a dict has not yet."""
    if not path:
        return value
    if isinstance(tree, Mapping):
        return {**tree, path[0]: with_value(tree.get(path[0]), path[1:], value)}
    return type(tree)(with_value(v, path[1:], value) if i == path[0] else v for i, v in enumerate(tree))
