"""One ancestral pass of the model: fitted values stay where they were, the others are drawn given them.

NumPyro's own ``substitute`` puts the values in, in the order of the model.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import random
from numpyro import handlers

from .carry import complete
from .containers import Arrays
from .errors import OptionError
from .model.dists import has_sampler, name_of, unwrapped
from .model.inspection import Inspection
from .model.trace import trace_model

Positions = Sequence[np.ndarray]  # along each dimension


class Passed(NamedTuple):
    """What a pass gives, of each by the name of its site."""

    values: Arrays  # of what is carried on
    computed: Arrays  # recorded deterministic values, computed anew
    density: Arrays  # of fitted values, given what was drawn
    excess: Arrays  # by how much the density of a whole Gaussian value lies below a usual one, for each fitted value


@dataclass(frozen=True, eq=False)
class Pass:
    """What one pass does, the same for all draws."""

    inspection: Inspection
    where: Mapping[str, Positions]  # latents that are carried on -> the positions of their recorded values
    wanted: Collection[str]  # sites whose values are asked for
    computed: Mapping[str, Positions]  # recorded deterministic sites that are compared -> their fitted part
    scored: Collection[str]  # fitted latents whose distribution depends on what is drawn
    ties: Collection[str]  # factors, and observations of latents, that depend on what is drawn

    def run(self, key: jax.Array, draw: Arrays) -> Passed:
        """The pass of one draw."""
        given = _Given(self, key, draw)
        trace = self._trace(True, random.fold_in(key, 0), substitute_fn=given)
        values = {name: trace[name]["value"] for name in self.wanted}
        computed = {}
        for name, at in self.computed.items():
            computed[name] = jnp.asarray(trace[name]["value"])[np.ix_(*at)]
        return Passed(values, computed, given.density, given.excess)

    def tied(self, values: Arrays) -> Arrays:
        """The log densities of what ties latents to each other, given all of them in one draw."""
        trace = self._trace(False, None, data=dict(values))
        return {name: jnp.sum(trace[name]["fn"].log_prob(trace[name]["value"])) for name in self.ties}

    def _trace(self, masked: bool, key: Any, **given: Any) -> Arrays:
        call = self.inspection.call
        model = handlers.substitute(call.model, **given)
        return trace_model(model, masked and call.masked, *call.arguments(), key)

    def nearly(self, keys: Any, draws: Arrays) -> Arrays:
        """Recorded values computed anew with draws and arguments that differ in their last digits."""
        call = self.inspection.call
        changed = {i: leaf * (1 + 1e-6) for i, leaf in enumerate(call.leaves) if _is_float(leaf)}
        inspection = replace(self.inspection, call=call.with_leaves(changed))
        other = replace(self, inspection=inspection)
        draws = {name: x * (1 - 1e-6) if _is_float(x) else x for name, x in draws.items()}
        nearby: Passed = other.each(other.run)(keys, draws)
        return nearby.computed

    def each(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of one draw, for many: one by one where the model branches on the values of latents."""
        if self.inspection.call.mode != "eager":
            return jax.jit(jax.vmap(function))

        def one_by_one(*draws: Any) -> Any:
            results = []
            for i in range(len(jax.tree_util.tree_leaves(draws)[0])):
                draw = jax.tree_util.tree_map(lambda x, i=i: x[i], draws)
                results.append(function(*draw))
            return jax.tree_util.tree_map(lambda *x: np.stack(x), *results)

        return one_by_one


class _Given:
    """The ``substitute_fn`` of one pass: the value of each site, and the densities that are seen on the way."""

    def __init__(self, plan: Pass, key: jax.Array, draw: Arrays):
        self.plan, self.key, self.draw = plan, key, draw
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
        return random.fold_in(self.key, zlib.crc32(name.encode()) & 0x7FFFFFFF)

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
