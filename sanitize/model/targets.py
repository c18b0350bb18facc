"""What is predicted: the sites that are observed, or would be if the model were called otherwise."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from ..kinds import Shape
from .call import Call, lengths_of
from .sizes import cut, find_sizes
from .trace import Run, try_run

_MOST_TRIES = 3  # arrays under the keys of a dict: those that come first have a value a row
_MOST_STEPS = 10**7  # a larger integer counts nothing that arrays are made for: it is a date

Path = tuple[Any, ...]  # to a value among the arguments: its key at each step


@dataclass(frozen=True)
class Observation:
    """A call in which latents are observed, or gone, because an argument, a key or a flag is changed.

    Attributes
    ----------
    words : str
        What is changed.
    call : Call
        The changed call.
    run : Run
        Its run.
    latents : tuple of str
        The latents that are observed in it, or gone.
    added : frozenset of str
        The sites that are observed in it, and that the unchanged call does not have.
    is_flag : bool
        Whether a flag is flipped; everything else is given.
    """

    words: str
    call: Call
    run: Run
    latents: tuple[str, ...]
    added: frozenset[str]
    is_flag: bool

    def explains(self, name: str, made: Iterable[str]) -> bool:
        """Whether a latent is observed in this call, or gone with all that is ``made`` of it."""
        if name not in self.latents:
            return False
        left = self.run.sites.keys() & made
        return name in self.run.sites or left.issubset(self.latents)


def observations(call: Call, base: Run) -> tuple[Observation, ...]:
    """What changes if an argument that is None, or a key that a dict lacks, is given, and if a flag is flipped.

    The array given has one value a row, or the shape of a latent (the latent drawn last comes first). The first array
    with which the model runs tells: NumPyro lets a site be observed with a value of any shape. Where the model runs
    with none of them, it may ask the outcome for its values (``np.isnan(y)``). Then all arrays are zeros.
    """
    for name, default in call.defaults().items():
        leaves = jax.tree_util.tree_leaves(default, is_leaf=lambda x: x is None)
        if any(leaf is None or isinstance(leaf, bool) for leaf in leaves):
            call = call.with_keyword(name, default)
    seen = _given(call, base)
    if call.mode == "abstract" and None in seen.values():
        with_zeros = _given(*cut(_with_zeros(call), base))
        for words, found in with_zeros.items():
            seen[words] = seen.get(words) or found
    for i, leaf in enumerate(call.leaves):
        if isinstance(leaf, bool):
            words = f"{call.names[i]}={not leaf}"
            flipped = call.with_leaves({i: not leaf})
            seen[words] = _first_seen(words, [flipped], base, is_flag=True)
    return tuple(filter(None, seen.values()))


def _given(call: Call, base: Run) -> dict[str, Observation | None]:
    """What changes with each argument that is None, and each key that a dict lacks, if it is given."""
    arrays, seen = _made_up_arrays(call, base), {}

    def give(*which: int) -> None:
        words = " and ".join(call.names[i] for i in which)
        calls = (call.with_leaves(dict.fromkeys(which, array)) for array in arrays)
        seen[words] = _first_seen(words, calls, base)

    missing = [i for i, leaf in enumerate(call.leaves) if leaf is None]
    for i in missing:
        give(i)
        words = call.names[i]
        seen[words] = seen[words] or _first_seen(words, _with_dicts(call, i, arrays), base)
    for path in _absent_keys(call):
        words = path_in_words(call, path)
        changed = (with_value(call.arguments(), path, array) for array in arrays)
        calls = (call.with_arguments(*arguments) for arguments in changed)
        seen[words] = _first_seen(words, calls, base)
    telling = [found for found in seen.values() if found and (found.latents or found.added)]
    if len(missing) > 1 and not telling:  # a count and its exposure
        give(*missing)
    return seen


def _with_zeros(call: Call) -> Call:
    """The call with made-up values in the place of those that the model does not need."""
    zeros = []
    for array in call.shapes:
        is_number = isinstance(array.dtype, np.dtype)
        zeros.append(np.zeros(array.shape, array.dtype) if is_number else array)
    return replace(call.with_traced(zeros), mode="concrete")


def _first_seen(words: str, calls: Iterable[Call], base: Run, is_flag: bool = False) -> Observation | None:
    """What the first call tells with which the model runs."""
    for call in calls:
        after = try_run(call)
        if after is None:
            continue
        lost = []
        for name in base.named("latent"):
            site = after.sites.get(name)
            # NumPyro records a site as deterministic if it is given with `obs_mask`
            if site is None or site.kind in ("observed", "deterministic"):
                lost.append(name)
        added = frozenset(after.named("observed")).difference(base.sites)
        return Observation(words, call, after, tuple(lost), added, is_flag)
    return None


def rows_with_its_data(found: Iterable[Observation], call: Call) -> frozenset[str]:
    """The rows, in words, of a call whose model has observed sites only with data (``if y is not None: ...``).

    Where what is observed is a single number (a ``factor``), they are those of the data.
    """
    passed = {name for name, leaf in zip(call.names, call.leaves) if leaf is not None}
    words: set[str] = set()
    for observation in found:
        if observation.is_flag or not observation.added:
            continue
        sizes = find_sizes(observation.call, observation.run, observation.added)
        names = observation.call.names
        given = {i for i, name in enumerate(names) if name not in passed}
        of_targets, of_data = set[str](), set[str]()
        for size in sizes.rows(observation.added):
            if any(axis.leaf not in given for axis in size.axes):
                of_targets.update(size.words)
        for size in sizes.sizes:
            if given & size.led:
                of_data.update(size.words)
        words |= of_targets or of_data
    return frozenset(words)


def _made_up_arrays(call: Call, base: Run) -> list[Any]:
    rows, steps = [], []
    for axis in lengths_of(call):
        if axis.kind == "leading":
            rows.append((axis.length,))
        elif axis.kind == "integer" and axis.length < _MOST_STEPS:
            steps.append((axis.length,))
    types: list[tuple[Shape, Any]] = []
    for name in reversed(base.named("latent")):
        site = base.sites[name]
        if site.shape is not None:
            types.append((site.shape, site.dtype))
    number = np.dtype(jax.dtypes.canonicalize_dtype(float))
    for shape in (*rows, *steps):
        types.append((shape, number))
    for shape in rows:
        types.append(((*shape, 3), number))  # several values a row
        types.append((shape, np.dtype("int32")))  # a category

    def rank(of: tuple[Shape, Any]) -> tuple[bool, bool]:
        """What has a value, or several, for each row comes first. A number comes last: it fits almost everywhere."""
        shape, _ = of
        return not shape, shape[:1] not in rows

    make = jax.ShapeDtypeStruct if call.mode == "abstract" else np.zeros
    in_order = sorted(dict.fromkeys(types), key=rank)
    return [make(*of) for of in in_order]


# ------------------------------------------------------------------------------------------ keys of a dict


class Asking(dict[Any, Any]):
    """A dict that writes down which keys it lacks when it is asked for them, and whether it had to have them."""

    def __init__(self, items: Mapping[Any, Any], path: Path, asked: dict[Path, bool]):
        super().__init__()
        for key, value in items.items():
            self[key] = _asking(value, (*path, key), asked)
        self.path, self.asked = path, asked

    def __contains__(self, key: Any) -> bool:
        is_there = super().__contains__(key)
        if not is_there:
            self.asked.setdefault((*self.path, key), False)
        return is_there

    def get(self, key: Any, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401 - which would be this very function

    def pop(self, key: Any, *default: Any) -> Any:
        if key in self or default:
            return super().pop(key, *default)
        return self[key]

    def __missing__(self, key: Any) -> Any:
        self.asked[(*self.path, key)] = True
        raise KeyError(key)


def _asking(tree: Any, path: Path, asked: dict[Path, bool]) -> Any:
    """The same with dicts that write down what they are asked for."""
    if type(tree) is dict:
        return Asking(tree, path, asked)
    if type(tree) in (list, tuple):
        return type(tree)(_asking(value, (*path, i), asked) for i, value in enumerate(tree))
    return tree


def _absent_keys(call: Call) -> Mapping[Path, bool]:
    """The keys that the model asks of dicts among the arguments, and that these lack: whether it has to have them."""
    args, kwargs = call.arguments()
    asked: dict[Path, bool] = {}

    def model(*args: Any, **kwargs: Any) -> Any:
        asking_args, asking_kwargs = _asking((args, kwargs), (), asked)
        return call.model(*asking_args, **asking_kwargs)

    if dict in map(type, (*args, *kwargs.values())):
        try_run(replace(call, model=model))
    return asked


def _with_dicts(call: Call, leaf: int, arrays: Iterable[Any]) -> Iterator[Call]:
    """Calls with a dict in the place of an argument: an array stands under each key that the model asks for."""
    with_dict = call.with_leaves({leaf: {}})
    empty = call.with_arguments(*with_dict.arguments())
    for array in itertools.islice(arrays, _MOST_TRIES):
        filled = empty
        while paths := [path for path, has_to_be in _absent_keys(filled).items() if has_to_be]:
            for path in paths:
                filled = filled.with_arguments(*with_value(filled.arguments(), path, array))
            yield filled


def path_in_words(call: Call, path: Path) -> str:
    """``data['x']``: a value among the arguments, as one would write it."""
    is_keyword, first, *steps = path
    names = [parameter.name for parameter in call.parameters or ()]
    if not is_keyword:
        first = names[first] if first < len(names) else f"args[{first}]"
    words = str(first)
    for step in steps:
        words += f"[{step!r}]"
    return words


def with_value(tree: Any, path: Path, value: Any) -> Any:
    """The same arguments, with another value at the end of the path. Its last step may be a key that a dict lacks."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(tree, Mapping):
        changed = with_value(tree.get(key), rest, value)
        return {**tree, key: changed}
    items = list(tree)
    items[key] = with_value(items[key], rest, value)
    return type(tree)(items)
