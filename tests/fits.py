"""What stands for a fit in the tests of missing latents and of other arguments: names and shapes, without MCMC."""

import jax
import numpy as np
from numpyro import handlers
from numpyro.infer import MCMC, NUTS
from warned import warned

KEY = jax.random.PRNGKey(0)
DRAWS = 3


def heard(run, category):
    """The one warning of a category that a call says; None: it says none."""
    with warned() as caught:
        run()
    found = [w.message for w in caught if isinstance(w.message, category)]
    assert len(found) <= 1
    return found[0] if found else None


def draws(model, *args, without=(), named=None, **kwargs):
    """Samples as a fit with these arguments records them, by name and shape; some lost, some renamed."""

    def recorded():
        trace = handlers.trace(handlers.seed(model, KEY)).get_trace(*args, **kwargs)
        kinds = {name: "observed" if site.get("is_observed") else site["type"] for name, site in trace.items()}
        return {name: trace[name]["value"] for name, kind in kinds.items() if kind in ("sample", "deterministic")}

    named = named or {}
    return {
        named.get(name, name): np.full((DRAWS, *site.shape), 0.5).astype(site.dtype)
        for name, site in jax.eval_shape(recorded).items()
        if name not in without
    }


def recorded(model, *args, draws=5, **kwargs):
    """What a fit records: draws of the latents, and what is computed from them, under `vmap` as in NumPyro."""

    def one(key):
        trace = handlers.trace(handlers.seed(model, key)).get_trace(*args, **kwargs)
        kinds = ("sample", "deterministic")
        sites = {name: site for name, site in trace.items() if site["type"] in kinds and not site.get("is_observed")}
        return {name: site["value"] for name, site in sites.items() if name != "y"}

    return jax.tree_util.tree_map(np.asarray, jax.vmap(one)(jax.random.split(KEY, draws)))


class Fitted(MCMC):
    """An ``MCMC`` that has run, all but the work."""

    def __init__(self, model, *args, without=(), **kwargs):
        self._args, self._kwargs = args, kwargs
        self.sampler = NUTS(model)
        self._draws = draws(model, *args, without=without, **kwargs)

    @property
    def last_state(self):
        return self._draws

    def get_samples(self, group_by_chain=False):
        return {name: value[None] if group_by_chain else value for name, value in self._draws.items()}
