"""What is predicted: the sites that are observed, or would be if the model were called otherwise."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from .argument import Shape
from .call import Axis, Call, lengths_of
from .sizes import cut, find_sizes
from .trace import Run, try_run

_MOST_STEPS = 10**7  # a larger integer counts nothing that arrays are made for: it is a date

Path = tuple[Any, ...]  # to a value among the arguments: its key at each step


@dataclass(frozen=True)
class Observation:
    """A call otherwise, in which latents are observed or gone: with ``words`` (an argument, a key, a flag) changed."""

    words: str
    call: Call
    run: Run
    latents: tuple[str, ...]
    is_flag: bool  # it is flipped; all else is given

    def adds(self, base: Run) -> frozenset[str]:
        """The sites that are observed in this call, and are none of ``base``."""
        return frozenset(self.run.named("observed")).difference(base.sites)

    def explains(self, name: str, made: Iterable[str]) -> bool:
        """Whether a latent is observed in this call, or gone with all that is ``made`` of it."""
        if name not in self.latents:
            return False
        left = set(made).intersection(self.run.sites).difference(self.latents)
        return name in self.run.sites or not left


def observations(call: Call, base: Run) -> tuple[Observation, ...]:
    """What an argument that is None, a key that a dict lacks, and a flag would change if they were given, or flipped.

    The array given has one value a row, or the shape of a latent (those that the model draws last come first). The
    first that the model runs with tells: NumPyro lets a site be observed with a value of any shape. Where the model
    runs with none, it may ask the outcome for its values (``np.isnan(y)``): then all arrays are zeros.
    """
    for name, default in call.defaults().items():
        if any(leaf is None or isinstance(leaf, bool) for leaf in _leaves(default)):
            call = call.with_keyword(name, default)
    seen = _given(call, base)
    if call.mode == "abstract" and None in seen.values():
        for words, found in _given(*cut(_with_zeros(call), base)).items():
            seen[words] = seen[words] or found
    missing = [i for i, leaf in enumerate(call.leaves) if leaf is None]
    if len(missing) > 1 and not any(found and (found.latents or found.adds(base)) for found in seen.values()):
        calls = (call.with_leaves(dict.fromkeys(missing, array)) for array in _made_up_arrays(call, base))
        together = " and ".join(call.names[i] for i in missing)  # as a count and its exposure
        seen[together] = _first_seen(together, calls, base)
    for i, (name, leaf) in enumerate(zip(call.names, call.leaves)):
        if isinstance(leaf, bool):
            words = f"{name}={not leaf}"
            seen[words] = _first_seen(words, [call.with_leaves({i: not leaf})], base, is_flag=True)
    return tuple(found for found in seen.values() if found)


def _leaves(tree: Any) -> list[Any]:
    return jax.tree_util.tree_leaves(tree, is_leaf=lambda x: x is None)


def _given(call: Call, base: Run) -> dict[str, Observation | None]:
    """What each argument that is None, and each key that a dict lacks, would change if it were given."""
    arrays, seen = _made_up_arrays(call, base), {}
    for i, (name, leaf) in enumerate(zip(call.names, call.leaves)):
        if leaf is None:
            seen[name] = _first_seen(name, (call.with_leaves({i: array}) for array in arrays), base)
    for path in _absent_keys(call):
        changed = (with_value(call.arguments(), path, array) for array in arrays)
        calls = (call.with_arguments(*arguments) for arguments in changed)
        words = path_in_words(call, path)
        seen[words] = _first_seen(words, calls, base)
    return seen


def _with_zeros(call: Call) -> Call:
    """A call that the model runs without values, with made-up ones."""
    zeros = (np.zeros(x.shape, x.dtype) if isinstance(x.dtype, np.dtype) else x for x in call.shapes)
    return replace(call.with_traced(zeros), mode="concrete")


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


def rows_with_its_data(found: Iterable[Observation], call: Call, base: Run) -> frozenset[str]:
    """The rows, in words, of a call whose model has observed sites only with data (``if y is not None: ...``).

    Where what is observed is a single number (a ``factor``), they are those of the data.
    """
    passed = {name for name, leaf in zip(call.names, call.leaves) if leaf is not None}
    words: set[str] = set()
    for observation in found:
        targets = frozenset[str]() if observation.is_flag else observation.adds(base)
        if targets:
            sizes, names = find_sizes(observation.call, observation.run, targets), observation.call.names
            of_targets = [size for size in sizes.rows(targets) if any(names[axis.leaf] in passed for axis in size.axes)]
            of_data = [size for size in sizes.sizes if any(_is_new_row(names, axis, passed) for axis in size.axes)]
            for size in of_targets or of_data:
                words.update(size.words)
    return frozenset(words)


def _is_new_row(names: Sequence[str], axis: Axis, passed: Collection[str]) -> bool:
    """Whether these are the rows of an argument that was not passed."""
    return axis.kind == "leading" and names[axis.leaf] not in passed


def _is_taken(after: Run, name: str) -> bool:
    """NumPyro records a site as deterministic if it is given with ``obs_mask``."""
    return name not in after.sites or after.sites[name].kind in ("observed", "deterministic")


def _made_up_arrays(call: Call, base: Run) -> list[Any]:
    number = np.dtype(jax.dtypes.canonicalize_dtype(float))
    rows = _lengths(call, "leading")
    steps = [length for length in _lengths(call, "integer") if length < _MOST_STEPS]
    types: list[tuple[Shape, Any]] = []
    for name in reversed(base.named("latent")):
        site = base.sites[name]
        if site.shape is not None:
            types.append((site.shape, site.dtype))
    for length in (*rows, *steps):
        types.append(((length,), number))
    for length in rows:
        types.append(((length, 3), number))  # several values a row
    for length in rows:
        types.append(((length,), np.dtype("int32")))  # a category

    def rank(of: tuple[Shape, Any]) -> int:
        """One value a row, or several, come first, and a single number last: it fits what it is not meant for."""
        shape, _ = of
        if not shape:
            return 2
        return 0 if shape[0] in rows else 1

    make = jax.ShapeDtypeStruct if call.mode == "abstract" else np.zeros
    return [make(shape, dtype) for shape, dtype in sorted(dict.fromkeys(types), key=rank)]


def _lengths(call: Call, kind: str) -> list[int]:
    return [axis.length for axis in lengths_of(call) if axis.kind == kind and axis.length > 0]


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
