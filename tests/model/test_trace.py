"""The inspector: one abstract run of whatever people pass as a model."""

import functools
import threading

import jax
import jax.numpy as jnp
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.primitives import _PYRO_STACK
from told import kinds, shapes

from sanitize import Dim, Plate, Site, inspect_sites
from sanitize.model import trace

X = np.zeros((20, 3), np.float32)
x = np.ones(20, np.float32)


def test_every_fact_about_a_site():
    """Name, kind, shape, dtype, event_dim, plates, parents of the regression of NumPyro issue 1772."""
    table = inspect_sites(models.regression, X)
    assert kinds(table) == {
        "alpha": "latent",
        "beta": "latent",
        "sigma": "latent",
        "data": "plate",
        "eta": "deterministic",
        "obs": "latent",
    }
    follows_columns = (Dim(3, ("X[1]",)),)
    assert table["beta"] == Site("beta", "latent", (3,), np.dtype("float32"), event_dim=1, dims=follows_columns)
    assert table["eta"].parents == ("alpha", "beta")
    assert table["obs"].plates == (Plate("data", -1, 20),)
    assert table["obs"].row_dims == (0,)
    assert table["obs"].observable == "y"
    assert inspect_sites(models.regression, X, x)["obs"].kind == "observed"


def test_agrees_with_numpyros_own_trace():
    """Kinds, shapes and order are those of an eager trace of the same model."""
    calls = [
        (models.regression, (X, x)),
        (models.nested_plates, (4, 3)),
        (models.noncentred_schools, (8, np.ones(8, np.float32))),
        (models.scoped, (x,)),
        (models.chain, (x, x)),
        (models.local_level, (x,)),
        (models.masked_observations, (x, x > 0, x)),
    ]
    for model, args in calls:
        trace = handlers.trace(handlers.seed(model, 0)).get_trace(*args)
        table = inspect_sites(model, *args)
        assert list(table) == list(trace)
        for name, message in trace.items():
            assert table[name].shape == np.shape(message["value"])
            assert table[name].dtype == jnp.asarray(message["value"]).dtype
            observed = message["type"] == "sample" and message["is_observed"]
            latent = message["type"] == "sample" and not message["is_observed"]
            assert table[name].kind == ("observed" if observed else "latent" if latent else message["type"])


def test_nested_plates():
    table = inspect_sites(models.nested_plates, 4, 3)
    assert table["a"].plates == (Plate("columns", -1, 3),)
    assert set(table["b"].plates) == {Plate("rows", -2, 4), Plate("columns", -1, 3)}
    assert (table["b"].shape, table["b"].event_dim) == ((4, 3, 2), 1)


def test_subsampled_plate_has_the_size_of_the_subsample():
    table = inspect_sites(models.subsampled, x, 5)
    assert table["data"].kind == "plate"
    assert table["data"].shape == (5,)
    assert table["mu"].shape == (5,)
    assert table["obs"].plates == (Plate("data", -1, 5),)


def test_factor_is_observed():
    assert kinds(inspect_sites(models.with_factor, x)) == {"a": "latent", "penalty": "observed"}


def test_delta_is_a_latent():
    """NumPyro substitutes a recorded `Delta` like any random site, so it is one."""
    assert inspect_sites(lambda: numpyro.sample("a", dist.Delta(1.0)))["a"].kind == "latent"


def test_improper_uniform_needs_no_sampler():
    table = inspect_sites(models.improper, x)
    assert shapes(table) == {"a": (3,), "b": (), "data": (20,), "obs": (20,)}
    assert table["a"].event_dim == 1


def test_enumerated_discrete_latent():
    table = inspect_sites(models.mixture, x)
    assert table["z"].kind == "latent"
    assert table["z"].discrete
    assert not table["weights"].discrete


def test_obs_mask_makes_three_sites():
    table = inspect_sites(models.masked_observations, x, x > 0, x)
    assert kinds(table) == {
        "mu": "latent",
        "data": "plate",
        "obs_observed": "observed",
        "obs_unobserved": "latent",
        "obs": "deterministic",
    }


def test_scan():
    table = inspect_sites(models.local_level, x)
    assert shapes(table)["level"] == (20,)
    assert kinds(table)["obs"] == "observed"
    assert kinds(table)["double"] == "deterministic"
    assert "level" in table["double"].parents
    assert "level" in table["last"].parents
    assert table.inspection.run.scanned == {"level", "obs"}


def test_cond():
    table = inspect_sites(models.branching, jnp.float32(1.0))
    assert kinds(table) == {"a": "latent", "b": "latent", "twice": "deterministic", "c": "deterministic"}
    assert "b" in table["c"].parents


def test_reparametrized_site_is_deterministic():
    table = inspect_sites(models.noncentred_schools, 8, np.ones(8))
    assert table["theta"].kind == "deterministic"
    assert table["theta_decentered"].kind == "latent"
    assert inspect_sites(models.schools, 8, np.ones(8))["theta"].kind == "latent"
    table = inspect_sites(models.transformed, x)
    assert (table["a"].kind, table["a_base"].kind) == ("deterministic", "latent")


@pytest.mark.parametrize(("model", "name"), [(models.projected, "direction"), (models.circular, "angle")])
def test_reparametrized_site_is_never_a_latent(model, name):
    """Whatever kind NumPyro's trace gives it, its value is known to be computed from a latent."""
    site = inspect_sites(model, x)[name]
    assert site.kind in ("deterministic", "observed")
    assert site.parents


def test_scope_prefixes_names():
    assert set(inspect_sites(models.scoped, x)) == {"inner/a", "inner/b", "inner/obs"}


def test_condition_and_do():
    assert kinds(inspect_sites(models.conditioned, x)) == {"a": "observed", "b": "deterministic", "obs": "latent"}
    table = inspect_sites(models.intervened, x)
    assert table["a"].kind == "latent"
    assert table["b"].parents == ()  # it is computed from the intervention


def test_param_and_mutable():
    table = inspect_sites(models.with_params, x)
    assert table["scale"] == Site("scale", "param", (), np.dtype("float32"))
    assert table["lazy"].shape == (4,)
    assert (table["count"].kind, table["count"].shape) == ("mutable", None)  # a tree of arrays


def test_flax_module():
    nn = pytest.importorskip("flax.linen")
    from numpyro.contrib.module import flax_module

    def model(X):
        net = flax_module("net", nn.Dense(1), input_shape=(3,))
        numpyro.sample("obs", dist.Normal(net(X)[..., 0], 1.0))

    table = inspect_sites(model, X)
    assert (table["net$params"].kind, table["net$params"].shape) == ("param", None)
    assert table["obs"].shape == (20,)


def test_random_flax_module():
    nn = pytest.importorskip("flax.linen")
    from numpyro.contrib.module import random_flax_module

    def model(X):
        net = random_flax_module("net", nn.Dense(1), {"kernel": dist.Normal(), "bias": dist.Normal()}, input_shape=(3,))
        numpyro.sample("obs", dist.Normal(net(X)[..., 0], 1.0))

    table = inspect_sites(model, X)
    assert (table["net/kernel"].kind, table["net/kernel"].shape) == ("latent", (3, 1))


def test_nnx_module():
    nnx = pytest.importorskip("flax.nnx")
    nnx_module = pytest.importorskip("numpyro.contrib.module").__dict__.get("nnx_module")
    if nnx_module is None:
        pytest.skip("this NumPyro has no nnx_module")

    def model(X):
        net = nnx_module("net", nnx.Linear(3, 1, rngs=nnx.Rngs(0)))
        numpyro.sample("obs", dist.Normal(net(X)[..., 0], 1.0))

    table = inspect_sites(model, X)
    assert table["net$params"].kind == "param"
    assert table["obs"].shape == (20,)


@pytest.mark.parametrize(
    ("model", "args", "mode"),
    [
        (models.regression, (X,), "abstract"),
        (models.concrete_groups, (x, np.arange(20) % 4), "concrete"),
        (models.concrete_everything, (x, np.int64(3)), "concrete"),
        (models.value_dependent, (), "eager"),
    ],
)
def test_falls_back_only_as_far_as_it_has_to(model, args, mode):
    assert inspect_sites(model, *args).inspection.call.mode == mode


def test_model_already_in_handlers():
    wrapped = handlers.trace(handlers.substitute(models.seeded, data={"a": 2.0}))
    assert kinds(inspect_sites(wrapped, x)) == {"a": "latent", "b": "deterministic", "obs": "latent"}


@pytest.mark.parametrize("around", [lambda model: model, lambda model: functools.partial(model, y=None)])
def test_handlers_of_the_user_stay_as_they_were(around):
    """`trace` keeps the sites of its last run, and `seed` of old versions its last key: ours would be tracers."""
    seeded = handlers.seed(models.line, 1)
    tracer = handlers.trace(around(seeded))
    recorded = tracer.get_trace(x)
    key = seeded.rng_key
    inspect_sites(tracer, x)
    assert tracer.trace is recorded
    assert seeded.rng_key is key


def test_guarded_part_does_not_run():
    """The model runs as `Predictive` runs it, under a mask."""
    table = inspect_sites(models.guarded, x)
    assert "costly" not in table
    assert table.inspection.unmasked["costly"].kind == "deterministic"


# --------------------------------------------------------------------------------------- leaving no trace


def test_nothing_of_a_tracer_survives():
    with jax.checking_leaks():
        table = inspect_sites(models.regression, X)
        repr(table)
    for site in table.values():
        assert not any(isinstance(leaf, jax.Array) for leaf in jax.tree_util.tree_leaves(vars(site)))


def test_arguments_may_be_tracers():
    """Calls inside jit, vmap and scan: the sites are those of one element, and nothing leaks."""
    seen = []

    def inside(X):
        seen.append(shapes(inspect_sites(models.regression, X)))
        return X.sum()

    with jax.checking_leaks():
        jax.jit(inside)(X)
        jax.vmap(inside)(np.zeros((2, 20, 3), np.float32))
        jax.lax.scan(lambda c, X: (c, inside(X)), 0.0, np.zeros((2, 20, 3), np.float32))
    assert all(found["eta"] == (20,) for found in seen)
    assert len(seen) >= 3


def test_no_global_random_state():
    before = np.random.get_state()[1].copy()
    inspect_sites(models.regression, X)
    assert np.array_equal(before, np.random.get_state()[1])


@pytest.mark.parametrize("model", [models.regression, models.raising])
def test_handlers_around_the_caller_see_nothing(model):
    """Neither a trace, a seed nor a plate outside takes part, and the stack is as it was, also after a failure."""
    with handlers.trace() as outer, handlers.seed(rng_seed=1) as _, numpyro.plate("outside", 7):
        depth, recorded = len(_PYRO_STACK), list(outer)
        try:
            table = inspect_sites(model, X)
        except KeyError:
            pass
        else:
            assert table["alpha"].shape == ()
        assert len(_PYRO_STACK) == depth
        assert list(outer) == recorded
    assert not _PYRO_STACK


def test_threads_do_not_see_each_others_sites():
    calls = [(models.regression, X), (models.line, x), (models.chain, x), (models.inner, x)] * 2
    alone = [shapes(inspect_sites(model, argument)) for model, argument in calls]
    found = [None] * len(calls)

    def inspect(i):
        for _ in range(3):
            found[i] = shapes(inspect_sites(*calls[i]))

    threads = [threading.Thread(target=inspect, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone


def test_cost_does_not_depend_on_the_rows(monkeypatch):
    """No array of the data's size is ever made: all of them would fail here."""
    table = inspect_sites(models.regression, jax.ShapeDtypeStruct((10**12, 3), jnp.float32))
    assert table["eta"].shape == (10**12,)


# ------------------------------------------------------------------------------------------------- display


def test_table_is_a_read_only_mapping_that_prints_aligned():
    table = inspect_sites(models.regression, X)
    assert len(table) == 6
    assert next(iter(table)) == "alpha"
    with pytest.raises(KeyError):
        table["nothing"]
    with pytest.raises(TypeError):
        table["alpha"] = None
    lines = repr(table).splitlines()
    starts = {line.index("latent" if "latent" in line else "deterministic") for line in lines if "determ" in line}
    assert starts == {lines[0].index("kind")}
    assert "observed if y is given" in repr(table)


def test_html_escapes_names():
    def model():
        numpyro.sample("<b>", dist.Normal())

    assert "&lt;b&gt;" in inspect_sites(model)._repr_html_()
    assert "<b>" not in inspect_sites(model)._repr_html_()


@given(hnp.array_shapes(max_dims=3, max_side=4), st.integers(1, 5))
def test_any_shape_is_told_as_the_model_draws_it(event, rows):
    """For all shapes of a latent and numbers of rows, the table has the shapes of an eager run."""

    def model(x):
        a = numpyro.sample("a", dist.Normal(0.0, 1.0).expand(event))
        with numpyro.plate("data", x.shape[0]):
            numpyro.deterministic("total", a.sum() * x)

    found = shapes(inspect_sites(model, np.zeros(rows)))
    assert found == {"a": event, "data": (rows,), "total": (rows,)}


def test_one_run(monkeypatch):
    """`inspect_sites` itself is one run of the model, not two."""
    runs = []
    original = trace.run_in_mode
    monkeypatch.setattr(trace, "run_in_mode", lambda *a, **k: runs.append(1) or original(*a, **k))
    inspect_sites(models.regression, X)
    assert len(runs) == 1


def test_what_handlers_give_is_told_by_that_run():
    """The values that handlers of the model's own give, and those of a `Delta`; not what a `scan` hands on."""

    def step(level, _):
        level = numpyro.sample("level", dist.Normal(level, 1.0))
        return level, level

    def model():
        start = numpyro.sample("start", dist.Normal())
        weight = numpyro.param("weight", jnp.ones(2))
        numpyro.param("bias", jnp.zeros(2))
        numpyro.sample("fixed", dist.Delta(weight.sum()))
        scan(step, start, jnp.arange(3))
        numpyro.sample("y", dist.Normal(start, 1.0), obs=0.0)

    fixed = handlers.substitute(model, data={"start": jnp.ones(()), "weight": jnp.ones(2)})
    assert inspect_sites(fixed).inspection.run.given == {"start", "weight", "fixed"}
    assert inspect_sites(model).inspection.run.given == {"fixed"}


# ------------------------------------------------------------------------------ models that people also write


def test_distribution_without_a_sampler_of_its_own():
    """A user's own density is inspected, since stock `Predictive` with its draws never samples it."""
    assert shapes(inspect_sites(models.density_only, x)) == {"a": (2,), "mu": (20,), "obs": (20,)}
    assert inspect_sites(models.density_only, x)["mu"].parents == ("a",)


def test_users_own_distribution_is_drawn_from():
    """One that has a sampler, and one whose support does not say whether it is discrete."""

    class Own(dist.Distribution):
        support = dist.constraints.real

        def sample(self, key, sample_shape=()):
            return jnp.zeros((*sample_shape, 2))

    def model(x):
        numpyro.sample("a", Own(event_shape=(2,)))

    assert shapes(inspect_sites(model, x)) == {"a": (2,)}


def test_typed_key_as_the_value_of_a_site():
    """Its dtype is none of NumPy's."""

    def model(x):
        numpyro.deterministic("key", jax.random.key(0))

    site = inspect_sites(model, x)["key"]
    assert site.shape == ()
    assert "key" in str(site.dtype)
    assert not site.discrete


@pytest.mark.parametrize(
    ("model", "argument", "error"),
    [(models.nested_failure, x, RuntimeError), (models.local_level, jnp.zeros(()), IndexError)],
)
def test_handlers_are_closed_after_a_failure_inside_of_them(model, argument, error):
    """In a plate and handlers of the model's own, and at a `scan` over a scalar."""
    with pytest.raises(error):
        inspect_sites(model, argument)
    assert not _PYRO_STACK


def test_substitution_and_scope_around_the_caller_take_no_part():
    with handlers.scope(prefix="outer"), handlers.substitute(data={"a": 1.0}), handlers.mask(mask=False):
        table = inspect_sites(models.guarded, x)
        assert kinds(table) == {"a": "latent", "obs": "latent"}
        assert "costly" in table.inspection.unmasked
