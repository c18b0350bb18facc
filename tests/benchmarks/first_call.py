"""The first call in a fresh process: processor seconds of what is named, for a plain model of the name that follows.

``python first_call.py strip|stock regression|groups``
"""

import sys
import time

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Predictive

from sanitize import strip_deterministic

ROWS, NEW, GROUPS, DRAWS = 100, 20, 8, 1000


def regression(x, y=None):
    a, b = numpyro.sample("a", dist.Normal()), numpyro.sample("b", dist.Normal())
    mu = numpyro.deterministic("mu", a + b * x)
    numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def groups(x, group, y=None):
    b, tau = numpyro.sample("b", dist.Normal()), numpyro.sample("tau", dist.HalfNormal())
    with numpyro.plate("group", GROUPS):
        a = numpyro.sample("a", dist.Normal(0.0, tau))
    mu = numpyro.deterministic("mu", a[group] + b * x)
    numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def main(what, name):
    rng = np.random.default_rng(0)
    draws = {"b": rng.normal(size=DRAWS).astype(np.float32)}
    arguments = [np.linspace(0, 1, NEW, dtype=np.float32)]
    if name == "groups":
        draws["tau"] = np.ones(DRAWS, np.float32)
        draws["a"] = rng.normal(size=(DRAWS, GROUPS)).astype(np.float32)
        arguments.append(np.arange(NEW) % GROUPS)
    else:
        draws["a"] = rng.normal(size=DRAWS).astype(np.float32)
    model = {"regression": regression, "groups": groups}[name]
    recorded = {**draws, "mu": np.zeros((DRAWS, ROWS), np.float32)}
    jax.random.PRNGKey(0)  # JAX itself has started
    start = time.process_time()
    if what == "strip":
        strip_deterministic(model, recorded, *arguments)
    else:
        jax.block_until_ready(Predictive(model, draws)(jax.random.PRNGKey(1), *arguments))
    print(time.process_time() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
