"""What stands for a fit in the tests of missing latents and of other arguments: draws from the prior, no MCMC."""

import jax
import numpy as np
from numpyro import handlers
from numpyro.infer import MCMC

KEY = jax.random.PRNGKey(0)
DRAWS = 3


def draws(model, *args, without=(), named=None, **kwargs):
    """Samples as a fit with these arguments records them: latents and deterministic sites, some lost, some renamed."""
    traces = [
        handlers.trace(handlers.seed(model, jax.random.PRNGKey(i))).get_trace(*args, **kwargs) for i in range(DRAWS)
    ]
    recorded = [
        name
        for name, site in traces[0].items()
        if site["type"] == "deterministic" or (site["type"] == "sample" and not site["is_observed"])
    ]
    named = named or {}
    return {
        named.get(name, name): np.stack([np.asarray(trace[name]["value"]) for trace in traces])
        for name in recorded
        if name not in without
    }


class Fitted(MCMC):
    """An ``MCMC`` that has run, by prior draws."""

    def __init__(self, model, *args, without=(), **kwargs):
        self._args, self._kwargs = args, kwargs
        self._draws = draws(model, *args, without=without, **kwargs)

    @property
    def last_state(self):
        return self._draws

    def get_samples(self, group_by_chain=False):
        return {name: value[None] if group_by_chain else value for name, value in self._draws.items()}
