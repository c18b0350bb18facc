"""One ancestral pass of the model: fitted values stay where they were, the others are drawn given them.

NumPyro's own ``substitute`` puts the values in, in the order of the model.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import random

from .carry import complete
from .containers import Arrays
from .errors import OptionError
from .memory import Memory
from .model.call import Call
from .model.dists import has_sampler, name_of, unwrapped
from .model.inspection import Inspection
from .model.jaxpr import LookUp, evaluated
from .model.replay import Replayed, replay_with

Positions = Sequence[np.ndarray]  # along each dimension
Keys = tuple[jax.Array, jax.Array]
Leaves = Sequence[Any]  # arguments

_OF_SHARES = (dist.CategoricalLogits, dist.CategoricalProbs, dist.MultinomialLogits, dist.MultinomialProbs)
_SHARES = "shares"  # a parameter of these
TABLE = "table "  # before the number of one that targets look something up in


class Compared(NamedTuple):
    """The fitted part of an array, and what tells whether it holds shares: its sums, and its lowest value."""

    part: Any
    sums: Any
    lowest: Any

    @classmethod
    def of(cls, array: Any, parts: Mapping[int, Any]) -> Compared:
        """Of an array, where ``parts`` tells along which dimension what was fitted stands where."""
        known: Any = True
        for dim, part in parts.items():
            known = known & jnp.reshape(part, (-1,) + (1,) * (array.ndim - dim - 1))
        return cls(jnp.where(known, array, 0), array.sum(tuple(parts)), array.min())


class Passed(NamedTuple):
    """What a pass gives, of each by the name of its site."""

    values: Arrays  # of what is carried on
    computed: Arrays  # recorded deterministic values, computed anew
    density: Arrays  # of fitted values, given what was drawn
    excess: Arrays  # by how much the density of a whole Gaussian value lies below a usual one, for each fitted value
    targets: Mapping[str, Compared]  # what targets are drawn with along the fitted part, and what they look up there


class Longer(NamedTuple):
    """A dimension that has become longer: how long it is, and where its fitted values stand."""

    length: int
    at: np.ndarray

    def part(self, length: int) -> np.ndarray | None:
        """Where what was fitted stands along a dimension; None: it is not as long, or longer by a reference group."""
        more = length - self.length
        if more and (abs(more) > 2 or not np.array_equal(self.at, np.arange(len(self.at)))):
            return None
        return np.isin(np.arange(length), self.at) if not more else np.arange(length) < len(self.at) + more


@dataclass(frozen=True, eq=False)
class Pass:
    """What one pass does, the same for all draws."""

    inspection: Inspection
    where: Mapping[str, Positions]  # latents that are carried on -> the positions of their recorded values
    wanted: Collection[str]  # sites whose values are asked for
    computed: Mapping[str, Positions]  # recorded deterministic sites that are compared -> their fitted part
    scored: Collection[str]  # fitted latents whose densities are compared
    ties: Collection[str]  # factors, and observations of latents, that depend on what is drawn
    targets: Mapping[str, Collection[int]]  # what is predicted -> lengths of the dimensions that have become longer
    fitted: Call | None  # the call with the arguments of the fit, where they are known
    taken: Sequence[int]  # arguments whose values come with each pass; those of all others are in it

    def run(self, keys: Keys, draw: Arrays, leaves: Leaves) -> Passed:
        """The pass of one draw. The second key is for what is wanted, the first for all else."""
        inputs = keys, dict(draw), leaves
        if self.inspection.call.mode == "eager":
            drawn_with, passed = self._run(*inputs)
            return passed._replace(targets=self._compared(drawn_with, []))
        closed, shapes = jax.make_jaxpr(self._run, return_shape=True)(*inputs)
        first = len(jax.tree_util.tree_leaves(shapes[0]))
        latents = slice(first, first + len(shapes[1].values))
        outputs, found = evaluated(closed, jax.tree_util.tree_leaves(inputs), slice(first), latents)
        drawn_with, passed = jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(shapes), outputs)
        return passed._replace(targets=self._compared(drawn_with, found))

    def call(self, leaves: Leaves) -> Call:
        """The call with values for all arguments."""
        return self.inspection.call.with_leaves(dict(zip(self.taken, leaves)))

    def _run(self, keys: Keys, draw: Arrays, leaves: Leaves) -> tuple[Arrays, Passed]:
        """What targets are drawn with, and what a pass gives but for that."""
        given = _Given(self, keys, draw)
        outcome = replay_with(self.call(leaves), given, random.fold_in(keys[0], 0))
        values = {name: outcome[name].value for name in self.wanted}
        computed = {}
        for name, at in self.computed.items():
            computed[name] = jnp.asarray(outcome[name].value)[np.ix_(*at)]
        drawn_with = {name: _drawn_with(outcome[name]) for name in self.targets if name in outcome}
        return drawn_with, Passed(values, computed, given.density, given.excess, {})

    @functools.cached_property
    def longer(self) -> list[Longer]:
        """The dimensions that have become longer."""
        found = []
        for name, where in self.where.items():
            for at, length in zip(where, self.inspection.run.sites[name].shape or ()):
                if len(at) < length:
                    found.append(Longer(length, at))
        return found

    def part(self, length: int) -> Any:
        """Where what was fitted stands along a dimension of this length; None: none of this length is longer."""
        exact = [longer for longer in self.longer if longer.length == length]
        for longer in exact or self.longer:
            known = longer.part(length)
            if known is not None:
                return known
        return None

    def _compared(self, drawn_with: Arrays, found: Sequence[LookUp]) -> dict[str, Compared]:
        """The fitted part of what targets are drawn with, and of the tables that they look it up in."""
        compared, picked = {}, list[tuple[bool, Any]]()
        for number, look_up in enumerate(found):
            parts = self._parts(look_up.table)
            if look_up.dim in parts:
                compared[f"{TABLE}{number}"] = Compared.of(look_up.table, parts)
                picked.append((look_up.contracted is None, look_up.picks(parts[look_up.dim])))
        for target, name, array in _each(drawn_with):
            parts, is_fitted = self._parts(array), False
            for dim, length in enumerate(array.shape):
                of_rows = self._picked(picked, length, name == _SHARES or length in self.targets[target])
                is_fitted |= bool(of_rows)
                parts[dim] = functools.reduce(jnp.logical_and, of_rows, parts.get(dim, np.full(length, True)))
            if is_fitted:
                compared[f"{target}.{name}"] = Compared.of(array, parts)
        return compared

    def _parts(self, array: Any) -> dict[int, Any]:
        """Where what was fitted stands, along each dimension of an array that may have become longer."""
        parts = {dim: self.part(length) for dim, length in enumerate(array.shape)}
        return {dim: known for dim, known in parts.items() if known is not None}

    def _picked(self, picked: Sequence[tuple[bool, Any]], length: int, is_longer: bool) -> list[Any]:
        """Whether what rows look up was fitted, where there are so many rows; empty: it is not told what was fitted.

        Rows that have become longer with a latent were fitted by their place, and what they look up by an index.
        """
        of_rows = [known for is_index, known in picked if length in known.shape and (is_index or not is_longer)]
        if is_longer:
            return [_along(known, length) for known in of_rows] + [True] * (self.part(length) is not None)
        return [_along(known, length) for _, known in picked] if of_rows else []

    def tied(self, values: Arrays, leaves: Leaves) -> Arrays:
        """The log densities of what ties latents to each other, given all of them in one draw."""
        call = replace(self.call(leaves), masked=False)
        outcome = replay_with(call, lambda message: values.get(message["name"]))
        return {name: jnp.sum(outcome[name].fn.log_prob(outcome[name].value)) for name in self.ties}

    def nearly(self, keys: Any, draws: Arrays, leaves: Leaves) -> Arrays:
        """Recorded values computed anew with draws and arguments that differ in their last digits."""
        call = self.inspection.call
        changed = {i: leaf * (1 + 1e-6) for i, leaf in enumerate(call.leaves) if _is_float(leaf)}
        other = replace(self, inspection=replace(self.inspection, call=call.with_leaves(changed)))
        leaves = [leaf * (1 + 1e-6) if _is_float(leaf) else leaf for leaf in leaves]
        draws = {name: x * (1 - 1e-6) if _is_float(x) else x for name, x in draws.items()}
        nearby: Passed = other.each(other.run, keys, draws, leaves)(keys, draws, leaves)
        return nearby.computed

    def each(self, function: Callable[..., Any], *inputs: Any) -> Callable[..., Any]:
        """A function of one draw, for many draws like these inputs; the last input is the same for all.

        One by one where the model branches on the values of latents.
        """
        if self.inspection.call.mode != "eager":
            many = jax.vmap(function, (*[0] * (len(inputs) - 1), None))
            return compiled_once(many, *inputs)

        def one_by_one(*inputs: Any) -> Any:
            *draws, leaves = inputs
            results = []
            for i in range(len(jax.tree_util.tree_leaves(draws)[0])):
                draw = jax.tree_util.tree_map(lambda x, i=i: x[i], draws)
                results.append(function(*draw, leaves))
            return jax.tree_util.tree_map(lambda *x: np.stack(x), *results)

        return one_by_one


_COMPILED = Memory[Any]()


def compiled_once(function: Callable[..., Any], *inputs: Any) -> Callable[..., Any]:
    """The function, compiled for such inputs, if no function of the same computation was before.

    It is traced each time, since what it reads (a closure, a global) may have changed. Constants are inputs.
    """
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*inputs)
    text, tree = str(closed.jaxpr), jax.tree_util.tree_structure(shapes)
    compiled = None if "0x" in text else _COMPILED.get(text)  # a function of Python is known by its place in memory
    if compiled is None:
        compiled = _COMPILED.keep(text, jax.jit(functools.partial(jax.core.eval_jaxpr, closed.jaxpr)))

    def call(*inputs: Any) -> Any:
        return jax.tree_util.tree_unflatten(tree, compiled(closed.consts, *jax.tree_util.tree_leaves(inputs)))

    return call


def _drawn_with(site: Replayed) -> dict[str, Any]:
    """The parameters of a site; of one that draws categories their shares."""
    fn = unwrapped(site.fn)
    if isinstance(fn, _OF_SHARES):
        return {_SHARES: jnp.asarray(fn.probs)}
    return {name: jnp.asarray(array) for name, array in site.arrays.items()}


def _each(drawn_with: Arrays) -> Iterator[tuple[str, str, Any]]:
    for target, arrays in drawn_with.items():
        for name, array in arrays.items():
            yield target, name, array


def _along(rows: Any, length: int) -> Any:
    """Whether all is known: of each row, or of all together where there are not so many."""
    if length not in rows.shape:
        return rows.all()
    here = rows.shape.index(length)
    return rows.all(tuple(dim for dim in range(rows.ndim) if dim != here))


class _Given:
    """The ``substitute_fn`` of one pass: the value of each site, and the densities that are seen on the way."""

    def __init__(self, plan: Pass, keys: Keys, draw: Arrays):
        self.plan, self.keys, self.draw = plan, keys, draw
        self.density: dict[str, Any] = {}
        self.excess: dict[str, Any] = {}

    def __call__(self, message: Mapping[str, Any]) -> Any:
        name = str(message.get("name"))
        if message["type"] != "sample":
            holds_value = message["type"] in ("param", "mutable", "deterministic")
            return self.draw.get(name) if holds_value else None
        fn, shape = message["fn"], tuple(message["kwargs"].get("sample_shape", ()))
        # NumPyro itself goes on with a scan that is recorded for its first steps
        if message["is_observed"] or "_scan_current_index" in message["infer"]:
            return self.draw.get(name)
        if name in self.plan.where:
            return self._carried_on(name, fn, shape)
        if name in self.draw:
            if name in self.plan.scored:
                self.density[name] = jnp.sum(fn.log_prob(self.draw[name]))
            return self.draw[name]
        # of `ImproperUniform` the run itself makes up a value
        return fn.sample(self._key(name), shape) if has_sampler(fn) else None

    def _key(self, name: str) -> jax.Array:
        """It depends on the name alone: what else is drawn changes nothing."""
        key = self.keys[name in self.plan.wanted]
        return random.fold_in(key, zlib.crc32(name.encode()) & 0x7FFFFFFF)

    def _carried_on(self, name: str, fn: Any, shape: tuple[int, ...]) -> Any:
        where, recorded = self.plan.where[name], self.draw[name]
        try:
            value = complete(fn, self._key(name), jnp.asarray(recorded), where, shape)
        except OptionError as error:
            raise OptionError(f"Latent {name!r} cannot be carried on: {error}.") from None
        except NotImplementedError:
            why = f"nothing can be drawn from a {name_of(fn)}"
            raise OptionError(f"Latent {name!r} cannot be carried on: {why}.") from None
        fn = unwrapped(fn)
        batch_ndims = value.ndim - fn.event_dim
        event = zip(where[batch_ndims:], value.shape[batch_ndims:])
        if isinstance(fn, dist.MultivariateNormal) and len(where[-1]) < value.shape[-1]:
            self.excess[name] = _below_usual(fn, value) / int(np.prod(np.shape(recorded)))
        elif name in self.plan.scored and all(len(at) == length for at, length in event):
            logs = jnp.broadcast_to(fn.log_prob(value), value.shape[:batch_ndims])
            self.density[name] = jnp.sum(logs[np.ix_(*where[:batch_ndims])])
        return value


def _below_usual(fn: dist.MultivariateNormal, value: Any) -> Any:
    """How far the log density lies below the mean of that of a draw from the prior.

    The mean is in closed form: solves side by side can block each other in jaxlib's pool of threads (seen with 0.10.2
    on two cores), and the one solve here waits for that of `complete`.
    """
    tril = fn.scale_tril
    usual = -0.5 * tril.shape[-1] * (1 + jnp.log(2 * jnp.pi))
    usual -= jnp.log(jnp.diagonal(tril, axis1=-2, axis2=-1)).sum(-1)
    return jnp.sum(usual - fn.log_prob(value))


def _is_float(x: Any) -> bool:
    is_number = isinstance(x, (float, np.floating, np.ndarray, jax.Array))
    return is_number and jnp.issubdtype(jnp.result_type(x), jnp.floating)


def every_draw(where: Positions) -> Any:
    """The index of positions along each dimension, for all draws."""
    return (slice(None), *np.ix_(*where))
