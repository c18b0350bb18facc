"""What stands in a run where samples have no entry: values by the model's own handlers, initial values of params."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from numpyro.distributions import Delta
from numpyro.primitives import Messenger

from .call import Call
from .jaxpr import Labels, parents
from .trace import Run, try_run

_KINDS = ("latent", "param")


class _Marking(Messenger):  # type: ignore[misc]
    """Notes which sites handlers inside of it gave a value, and makes new variables of the initial values of params.

    Such a value is often a constant, which a jaxpr does not tell from others.
    """

    def __init__(self, fn: Callable[..., Any]):
        super().__init__(fn)
        self.given: set[str] = set()

    def process_message(self, msg: dict[str, Any]) -> None:
        if msg["type"] not in ("sample", "param"):
            return
        if msg["value"] is not None or isinstance(msg["fn"], Delta):
            self.given.add(msg["name"])
        elif msg["type"] == "param":
            msg["value"] = _marked(msg["fn"](*msg["args"], **msg["kwargs"]))


def _marked(value: Any) -> Any:
    leaves = jax.tree_util.tree_leaves(value)
    if isinstance(value, dict) and any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        return value  # the same tree: `flax_module` goes on with its own, `random_flax_module` takes leaves out of it
    return jax.tree_util.tree_map(lambda x: jnp.squeeze(jnp.expand_dims(x, 0), 0), value)


def given_and_parents(call: Call, base: Run) -> tuple[Labels, Mapping[str, Labels]]:
    """The latents and params that handlers give a value, and what each site is computed or drawn from of both kinds."""
    marking = _Marking(call.model)
    marked = try_run(replace(call, model=marking))
    if marked is None:
        return frozenset(), parents(base, _KINDS)
    # a `scan` hands its sites on with the values that they have inside of it
    return frozenset(marking.given - marked.scanned), parents(marked, _KINDS)
