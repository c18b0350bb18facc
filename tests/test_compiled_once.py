"""`extend` is compiled once for one computation: in `Predictor` for a signature, elsewhere for the same jaxpr."""

import contextlib

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from since import OF_PREDICTOR

import sanitize
from sanitize import ExtensionError, Predictive, Predictor, extend

KEY = jax.random.PRNGKey(0)


def towns(x, n, y=None):
    """The same prior for all towns, and a mean that follows a covariate."""
    tau = numpyro.sample("tau", dist.HalfNormal(1.0))
    with numpyro.plate("town", n):
        t = numpyro.sample("t", dist.Normal(0.0, tau))
        numpyro.sample("y", dist.Normal(t + x, 1.0), obs=y)


def fit(n=4):
    return {"tau": np.ones(50, np.float32), "t": np.random.default_rng(0).normal(size=(50, n)).astype(np.float32)}


@contextlib.contextmanager
def compilations():
    seen, listening = [], [True]

    def listen(name, *args, **kwargs):
        if "backend_compile" in name and listening[0]:
            seen.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    listening[0] = False


@OF_PREDICTOR
@pytest.mark.slow
def test_a_predictor_compiles_what_goes_on_once():
    predict = Predictor(towns, fit(), extend="t", progress_bar=False)
    x = np.zeros(6, np.float32)
    for i in range(2):
        predict(jax.random.PRNGKey(i), x, 6)
    with compilations() as seen:
        answer = predict(jax.random.PRNGKey(5), x + 1, 6)
    assert not seen
    truth = Predictive(towns, fit(), extend="t")(jax.random.PRNGKey(5), x + 1, 6)
    assert np.allclose(answer["y"], truth["y"], atol=1e-5)
    with compilations() as seen:
        extend(towns, fit(), jax.random.PRNGKey(7), x, 6, sites="t")  # the covariate is a constant here
        before = len(seen)
        extend(towns, fit(), jax.random.PRNGKey(8), x + 2, 6, sites="t")
    assert len(seen) == before


@OF_PREDICTOR
@pytest.mark.slow
def test_a_predictor_checks_each_call():
    """Other values of an argument may change what was fitted, although the shapes are the same."""

    def model(w, n, y=None):
        t = numpyro.sample("t", dist.Normal(0.0, 1.0).expand([n]))
        numpyro.sample("y", dist.Normal(t - w * t.mean(), 1.0), obs=y)

    samples = {"t": fit()["t"]}
    predict = Predictor(model, samples, extend="t", progress_bar=False)
    predict(KEY, np.float32(0), 6)
    with pytest.raises(ExtensionError):
        predict(KEY, np.float32(1), 6)
    assert predict(KEY, np.float32(0), 6)["y"].shape == (50, 6)


@pytest.mark.slow
def test_a_changed_closure_is_another_model():
    shift = 0.0

    def model(n, y=None):
        t = numpyro.sample("t", dist.Normal(shift, 0.1).expand([n]))
        numpyro.sample("y", dist.Normal(t, 1.0), obs=y)

    samples = {"t": fit()["t"]}
    means = []
    for shift in (0.0, 50.0, jnp.full(6, 7.0)):  # noqa: B007 - the model reads it
        means.append(float(np.mean(extend(model, samples, KEY, 6, sites="t")["t"][:, 4:])))
    assert np.allclose(means, [0, 50, 7], atol=0.2)


@pytest.mark.slow
def test_models_are_not_held():
    import gc
    import weakref

    def made():
        def model(n, y=None):
            t = numpyro.sample("t", dist.LogNormal(0.0, 1.0).expand([n]))
            numpyro.sample("y", dist.Normal(jax.nn.softplus(t), 1.0), obs=y)

        return model

    model = made()
    extend(model, {"t": np.exp(fit()["t"])}, KEY, 6, sites="t")
    held = weakref.ref(model)
    del model
    gc.collect()
    jax.clear_caches()
    gc.collect()
    assert held() is None


def test_new_values_alone_are_drawn_where_all_are_alike():
    """The fitted part is copied, whatever the prior; what is new has the prior's distribution."""
    recorded = jnp.arange(3.0)
    for fn in (dist.Normal(1.0, 2.0).expand([7]), dist.Normal(1.0, 2.0).expand([7]).to_event(1)):
        draw = jax.jit(jax.vmap(lambda key, fn=fn: sanitize.carry.complete(fn, key, recorded, (np.arange(3),))))
        values = np.asarray(draw(jax.random.split(KEY, 2000)))
        assert (values[:, :3] == np.arange(3)).all()
        assert abs(values[:, 3:].mean() - 1) < 0.1
        assert abs(values[:, 3:].std() - 2) < 0.1
