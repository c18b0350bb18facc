"""One ancestral pass of the model: fitted values stay where they were, the others are drawn given them.

NumPyro's own ``substitute`` puts the values in, in the order of the model.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
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
from .kinds import Shape
from .memory import Memory
from .model.call import Call
from .model.dists import has_sampler, name_of, unwrapped
from .model.inspection import Inspection
from .model.jaxpr import LookUp, evaluated
from .model.replay import Replayed, replay_with

Positions = Sequence[np.ndarray]  # along each dimension
Keys = tuple[jax.Array, jax.Array]
Leaves = Sequence[Any]  # arguments
DrawnWith = Mapping[tuple[str, str], Any]  # by target and parameter

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
        part = array
        for dim, known in parts.items():
            behind = (1,) * (array.ndim - dim - 1)
            is_fitted = jnp.reshape(known, (-1, *behind))
            part = jnp.where(is_fitted, part, 0)
        return cls(part, array.sum(tuple(parts)), array.min())


class Passed(NamedTuple):
    """What a pass gives, of each by the name of its site."""

    values: Arrays  # of what is carried on
    computed: Arrays  # recorded deterministic values, computed anew
    density: Arrays  # of fitted values, given what was drawn
    excess: Arrays  # by how much the density of a whole Gaussian value lies below a usual one, for each fitted value
    targets: Mapping[str, Compared]  # what targets are drawn with along the fitted part, and what they look up there


class _Picked(NamedTuple):
    """Of each row that looks something up: whether what it picks was fitted."""

    known: Any
    is_index: bool

    def along(self, length: int) -> Any:
        """The same of each row along a dimension, or of all together where there are not so many."""
        if length not in self.known.shape:
            return self.known.all()
        dim = self.known.shape.index(length)
        rows = jnp.moveaxis(self.known, dim, 0)
        return rows.reshape(length, -1).all(1)


@dataclass(frozen=True, eq=False)
class Pass:
    """What one pass does, the same for all draws."""

    inspection: Inspection
    where: Mapping[str, Positions]  # latents that are carried on -> the positions of their recorded values
    parts: Mapping[int, np.ndarray]  # how long dimensions are that have become longer -> what of them was fitted
    wanted: Collection[str]  # sites whose values are asked for
    computed: Mapping[str, Positions]  # recorded deterministic sites that are compared -> their fitted part
    scored: Collection[str]  # fitted latents whose densities are compared
    ties: Collection[str]  # factors, and observations of latents, that depend on what is drawn
    targets: Mapping[str, Collection[int]]  # what is predicted -> lengths of the dimensions that have become longer
    taken: Sequence[int]  # arguments whose values come with each pass; those of all others are in it

    def run(self, keys: Keys, draw: Arrays, leaves: Leaves) -> Passed:
        """The pass of one draw. The second key is for what is wanted, the first for all else."""
        inputs = keys, dict(draw), leaves
        looked_up = list[LookUp]()
        if self.inspection.call.mode == "eager":
            drawn_with, passed = self._run(*inputs)
        else:
            closed, shapes = jax.make_jaxpr(self._run, return_shape=True)(*inputs)
            n = len(shapes[0])
            latents = slice(n, n + len(shapes[1].values))
            arrays = jax.tree_util.tree_leaves(inputs)
            outputs, looked_up = evaluated(closed, arrays, slice(n), latents)
            tree = jax.tree_util.tree_structure(shapes)
            drawn_with, passed = jax.tree_util.tree_unflatten(tree, outputs)
        return passed._replace(targets=self._compared(drawn_with, looked_up))

    def call(self, leaves: Leaves) -> Call:
        """The call with values for all arguments."""
        changed = dict(zip(self.taken, leaves))
        return self.inspection.call.with_leaves(changed)

    def _run(self, keys: Keys, draw: Arrays, leaves: Leaves) -> tuple[DrawnWith, Passed]:
        """What targets are drawn with, and what a pass gives but for that."""
        given = _Given(self, keys, draw)
        is_scanned = not self.inspection.run.scanned.isdisjoint(self.wanted)  # that NumPyro draws, with the run's key
        run_key = random.fold_in(keys[is_scanned], 0)
        outcome = replay_with(self.call(leaves), given, run_key)
        values = {name: outcome[name].value for name in self.wanted}
        computed = {}
        for name, at in self.computed.items():
            whole = jnp.asarray(outcome[name].value)
            computed[name] = whole[np.ix_(*at)]
        drawn_with = {}
        for name, site in outcome.items():
            of_site = _drawn_with(site) if name in self.targets else {}
            for parameter, value in of_site.items():
                array = jnp.asarray(value)
                drawn_with[name, parameter] = _of_rows(site.fn, array)
        return drawn_with, Passed(values, computed, given.density, given.excess, {})

    def _compared(self, drawn_with: DrawnWith, looked_up: Sequence[LookUp]) -> dict[str, Compared]:
        """The fitted part of what targets are drawn with, and of the tables that they look it up in."""
        compared, picked = {}, list[_Picked]()
        for number, look_up in enumerate(looked_up):
            parts = self._parts(look_up.table)
            if look_up.dim not in parts:
                continue
            compared[f"{TABLE}{number}"] = Compared.of(look_up.table, parts)
            if look_up.by is not None:
                known = look_up.picks(parts[look_up.dim])
                picked.append(_Picked(known, look_up.contracted is None))
        for (target, parameter), array in drawn_with.items():
            parts = self._parts(array)
            is_fitted = False
            for dim, length in enumerate(array.shape):
                is_longer = parameter == _SHARES or length in self.targets[target]
                for known in self._rows(picked, length, is_longer):
                    if dim in parts:
                        known = known & parts[dim]
                    parts[dim] = known
                    is_fitted = True
            if is_fitted:
                compared[f"{target}.{parameter}"] = Compared.of(array, parts)
        return compared

    def _parts(self, array: Any) -> dict[int, Any]:
        """Where what was fitted stands, along each dimension of an array that may have become longer."""
        found = {}
        for dim, length in enumerate(array.shape):
            if length in self.parts:
                found[dim] = self.parts[length]
        return found

    def _rows(self, picked: Sequence[_Picked], length: int, is_longer: bool) -> list[Any]:
        """Which of so many rows were fitted, by all that tells; empty: nothing does.

        Rows that have become longer with a latent were fitted by their place, and what they look up by an index.
        """
        telling = [one for one in picked if length in one.known.shape]
        if is_longer:
            rows = [one.along(length) for one in telling if one.is_index]
            if length in self.parts:
                rows.append(self.parts[length])
            return rows
        return [one.along(length) for one in picked] if telling else []

    def tied(self, values: Arrays, leaves: Leaves) -> Arrays:
        """The log densities of what ties latents to each other, given all of them in one draw."""
        call = replace(self.call(leaves), masked=False)
        outcome = replay_with(call, lambda message: values.get(message["name"]))
        scores = {}
        for name in self.ties:
            site = outcome[name]
            logs = site.fn.log_prob(site.value)
            scores[name] = jnp.sum(logs)
        return scores

    def each(self, function: Callable[..., Any], *inputs: Any) -> Callable[..., Any]:
        """A function of one draw, for many draws like these inputs; the last input is the same for all.

        One by one where the model branches on the values of latents.
        """
        if self.inspection.call.mode != "eager":
            of_draws = [0] * (len(inputs) - 1)
            return compiled_once(jax.vmap(function, (*of_draws, None)), *inputs)

        def one_by_one(*inputs: Any) -> Any:
            *draws, leaves = inputs
            arrays, tree = jax.tree_util.tree_flatten(draws)
            results = []
            for one in zip(*arrays):
                draw = jax.tree_util.tree_unflatten(tree, one)
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
        evaluate = functools.partial(jax.core.eval_jaxpr, closed.jaxpr)
        compiled = _COMPILED.keep(text, jax.jit(evaluate))

    def call(*inputs: Any) -> Any:
        outputs = compiled(closed.consts, *jax.tree_util.tree_leaves(inputs))
        return jax.tree_util.tree_unflatten(tree, outputs)

    return call


def _drawn_with(site: Replayed) -> Mapping[str, Any]:
    """The parameters of a site; of one that draws categories their shares."""
    fn = unwrapped(site.fn)
    return {_SHARES: fn.probs} if isinstance(fn, _OF_SHARES) else site.arrays


def _of_rows(fn: Any, array: jax.Array) -> jax.Array:
    """A parameter for each row: one for all rows is for the fitted ones, too."""
    batch = fn.batch_shape
    if array.ndim > len(batch):
        return array
    lengths = zip(reversed(array.shape), reversed(batch))
    is_of_rows = all(n in (1, length) for n, length in lengths)
    return jnp.broadcast_to(array, batch) if is_of_rows else array


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
        # NumPyro itself goes on with a scan that is recorded for its first steps
        if message["is_observed"] or "_scan_current_index" in message["infer"]:
            return self.draw.get(name)
        fn = message["fn"]
        shape = tuple(message["kwargs"].get("sample_shape", ()))
        if name in self.plan.where:
            return self._carried_on(name, fn, shape)
        if name in self.draw:
            value = self.draw[name]
            if name in self.plan.scored:
                logs = fn.log_prob(value)
                self.density[name] = jnp.sum(logs)
            return value
        # of `ImproperUniform` the run itself makes up a value
        return fn.sample(self._key(name), shape) if has_sampler(fn) else None

    def _key(self, name: str) -> jax.Array:
        """It depends on the name alone: what else is drawn changes nothing."""
        key = self.keys[name in self.plan.wanted]
        of_name = zlib.crc32(name.encode())
        return random.fold_in(key, of_name & 0x7FFFFFFF)

    def _carried_on(self, name: str, fn: Any, shape: Shape) -> Any:
        where = self.plan.where[name]
        recorded = jnp.asarray(self.draw[name])
        try:
            value = complete(fn, self._key(name), recorded, where, shape)
        except OptionError as error:
            raise OptionError(f"Latent {name!r} cannot be carried on: {error}.") from None
        except NotImplementedError:
            why = f"nothing can be drawn from a {name_of(fn)}"
            raise OptionError(f"Latent {name!r} cannot be carried on: {why}.") from None
        self._score(name, unwrapped(fn), value, recorded.size)
        return value

    def _score(self, name: str, fn: Any, value: jax.Array, fitted: int) -> None:
        """The density of the fitted part; of a normal vector that has become longer that of all."""
        where = self.plan.where[name]
        batch_ndims = value.ndim - fn.event_dim
        fitted_event = tuple(map(len, where[batch_ndims:]))
        is_whole = fitted_event == value.shape[batch_ndims:]
        if not is_whole and isinstance(fn, dist.MultivariateNormal):
            self.excess[name] = _below_usual(fn, value) / fitted
        elif is_whole and name in self.plan.scored:
            logs = fn.log_prob(value)
            logs = jnp.broadcast_to(logs, value.shape[:batch_ndims])
            of_fitted = logs[np.ix_(*where[:batch_ndims])]
            self.density[name] = jnp.sum(of_fitted)


def _below_usual(fn: dist.MultivariateNormal, value: Any) -> Any:
    """How far the log density lies below the mean of that of a draw from the prior.

    The mean is in closed form: solves side by side can block each other in jaxlib's pool of threads (seen with 0.10.2
    on two cores), and the one solve here waits for that of `complete`.
    """
    scales = jnp.diagonal(fn.scale_tril, axis1=-2, axis2=-1)
    of_standard = 0.5 * (1 + jnp.log(2 * jnp.pi))
    usual = -jnp.sum(of_standard + jnp.log(scales), -1)
    below = usual - fn.log_prob(value)
    return jnp.sum(below)


def every_draw(where: Positions) -> Any:
    """The index of positions along each dimension, for all draws."""
    return (slice(None), *np.ix_(*where))
