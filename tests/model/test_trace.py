"""The inspector: one abstract run of whatever people pass as a model."""

import collections
import functools
import threading

import jax
import jax.numpy as jnp
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.primitives import _PYRO_STACK

from sanitize import Dim, ModelArgumentsError, Plate, Site, inspect_sites
from sanitize.model import trace

X = np.zeros((20, 3), np.float32)
x = np.ones(20, np.float32)


def kinds(table):
    return {name: site.kind for name, site in table.inspection.run.sites.items()}


def shapes(table):
    return {name: site.shape for name, site in table.inspection.run.sites.items()}


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


# ------------------------------------------------------------------------------------------------ arguments


@pytest.mark.parametrize("values", [x, x.astype(np.float64), x.astype(np.int64), jnp.ones(20), [1.0] * 20])
def test_array_arguments_of_every_kind(values):
    """NumPy float64 and int64, JAX arrays, lists of numbers: the same sites."""
    table = inspect_sites(models.structured, {"x": values}, (1, 2))
    assert shapes(table) == {"a": (2,), "obs": (20,)}


def test_arguments_that_are_no_arrays():
    """Dicts, tuples, ints, strings, None, DataFrames and PRNG keys stay what they are."""
    frame = pd.DataFrame({"column": np.zeros(20)})
    for key in (jax.random.PRNGKey(0), jax.random.key(0) if hasattr(jax.random, "key") else jax.random.PRNGKey(0)):
        table = inspect_sites(models.structured, {"x": x, "y": None}, (1, 2), flag="on", frame=frame, key=key)
        assert kinds(table) == {"a": "latent", "obs": "latent"}
    assert kinds(inspect_sites(models.structured, {"x": x, "y": x}, (1, 2)))["obs"] == "observed"


def test_shape_dtype_struct_stands_for_an_array():
    table = inspect_sites(models.regression, jax.ShapeDtypeStruct((10_000_000, 3), jnp.float32))
    assert table["eta"].shape == (10_000_000,)


def test_dtypes_are_canonical():
    def model(y):
        numpyro.sample("obs", dist.Normal(), obs=y)

    with_x64_off = inspect_sites(model, np.zeros(3, np.float64))["obs"].dtype
    assert with_x64_off == np.float32
    assert inspect_sites(model, [1, 2])["obs"].shape == (2,)


def test_x64():
    jax.config.update("jax_enable_x64", True)
    try:
        table = inspect_sites(models.regression, np.zeros((20, 3)))
        assert table["eta"].dtype == np.float64
        assert table["data"].dtype == np.int64
    finally:
        jax.config.update("jax_enable_x64", False)


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


def test_model_that_needs_the_values_of_an_argument():
    table = inspect_sites(models.concrete_groups, x, np.arange(20) % 4)
    assert table["effect"].shape == (4,)
    assert table["mu"].parents == ("effect",)


def test_model_that_branches_on_a_latent():
    """Without a jaxpr, a value is taken to depend on all latents before it."""
    assert inspect_sites(models.value_dependent)["b"].parents == ("z", "a")


@pytest.mark.parametrize(
    "model",
    [models.line, models.partial_line, models.Model().run, models.Model(), handlers.block(models.line, hide=[])],
)
def test_whatever_is_callable_is_a_model(model):
    assert shapes(inspect_sites(model, x)) == {"intercept": (), "slope": (), "mu": (20,), "obs": (20,)}


def test_model_already_in_handlers():
    wrapped = handlers.trace(handlers.substitute(models.seeded, data={"a": 2.0}))
    assert kinds(inspect_sites(wrapped, x)) == {"a": "latent", "b": "deterministic", "obs": "latent"}


def test_handlers_of_the_user_stay_as_they_were():
    """`trace` keeps the sites of its last run, and `seed` of old versions its last key: ours would be tracers."""
    tracer = handlers.trace(handlers.seed(models.line, 1))
    recorded = tracer.get_trace(x)
    key = tracer.fn.rng_key
    inspect_sites(tracer, x)
    assert tracer.trace is recorded
    assert tracer.fn.rng_key is key


def test_parents_end_at_the_first_latent():
    """What a latent was itself drawn from does not reach past it: its entry replaces it."""
    table = inspect_sites(models.chain, x, x)
    assert table["first"].parents == ("a",)
    assert table["second"].parents == ("a", "b")
    assert table["constant"].parents == ()
    assert table["obs"].parents == ()


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


# -------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("args", "kwargs", "what"),
    [((), {}, "missing a required argument: 'X'"), ((X, x, x), {}, "too many"), ((X,), {"z": 1}, "unexpected keyword")],
)
def test_wrong_arguments(args, kwargs, what):
    """The signature and the call to make, never the model's own TypeError."""
    with pytest.raises(ModelArgumentsError, match=what) as caught:
        inspect_sites(models.regression, *args, **kwargs)
    assert "regression(X, y=None)" in str(caught.value)
    assert "strip_deterministic(model, samples, X)" in str(caught.value)
    assert caught.value.signature == "regression(X, y=None)"
    assert caught.value.__context__ is None


def test_wrong_arguments_of_wrapped_models():
    for model in (functools.partial(models.regression, y=None), handlers.seed(models.regression, 0)):
        with pytest.raises(ModelArgumentsError, match="'X'"):
            inspect_sites(model)


def test_model_has_to_be_callable():
    with pytest.raises(ModelArgumentsError, match="not dict"):
        inspect_sites({"a": 1})


def test_the_models_own_exception_comes_through():
    with pytest.raises(KeyError, match="the model's own mistake") as caught:
        inspect_sites(models.raising, x)
    assert caught.value.__context__ is None
    if hasattr(caught.value, "add_note"):
        assert any("raising(x)" in note for note in caught.value.__notes__)


def test_a_failure_of_the_model_that_was_run_comes_through():
    """It branches on a latent, so that it is run, and fails there."""

    def model(x):
        if numpyro.sample("a", dist.Normal(0.0, 1.0)) < jnp.inf:
            raise KeyError("the model's own mistake")

    with pytest.raises(KeyError, match="the model's own mistake"):
        inspect_sites(model, x)


def test_a_callable_without_signature_says_itself_what_it_lacks():
    with pytest.raises(TypeError, match="at least 1 argument") as caught:
        inspect_sites(max)
    assert not isinstance(caught.value, ModelArgumentsError)


def test_a_type_error_of_the_models_own_comes_through():
    def model(x):
        return x + "text"

    with pytest.raises(TypeError) as caught:
        inspect_sites(model, x)
    assert not isinstance(caught.value, ModelArgumentsError)


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
    assert inspect_sites(fixed).inspection.given == {"start", "weight", "fixed"}
    assert inspect_sites(model).inspection.given == {"fixed"}


# ------------------------------------------------------------------------------ models that people also write


def test_dict_keeps_the_order_in_which_it_was_written():
    """JAX sorts the keys of a dict: a model that unpacks one would get its columns exchanged."""
    table = inspect_sites(models.ordered_data, {"X": X, "A": x})
    assert shapes(table)["beta"] == (3,)
    assert table.inspection.call.names == ("data['X']", "data['A']")
    assert list(inspect_sites(models.by_keyword, z=x, a=x)) == ["z", "a"]


def test_keys_of_mixed_types():
    """JAX cannot sort them; a model can use them."""

    def model(data):
        numpyro.sample("obs", dist.Normal(data[1] + data["a"], 1.0))

    assert shapes(inspect_sites(model, {1: x, "a": x})) == {"obs": (20,)}
    assert shapes(inspect_sites(lambda pair: model(pair[0]), [{1: x, "a": x}])) == {"obs": (20,)}


def test_the_model_gets_a_plain_dict():
    seen = []
    inspect_sites(lambda data, rest: seen.append((type(data), type(rest["more"]), type(rest))), {"x": x}, {"more": {}})
    assert seen == [(dict, dict, dict)]


def test_callers_dict_is_not_changed_by_a_model_that_changes_it():
    data = {"x": x, "y": None}
    repr(inspect_sites(models.consuming, data))
    assert list(data) == ["x", "y"]


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
    ("name", "parents"),
    [
        ("jitted", ("a",)),
        ("mapped", ("b",)),
        ("gradient", ("a",)),
        ("loop", ("b",)),
        ("until", ("a",)),
        ("chosen", ("a",)),
        ("tree", ("a", "b")),
        ("neither", ()),
    ],
)
def test_parents_through_jaxs_control_flow(name, parents):
    assert inspect_sites(models.many_ways)[name].parents == parents


def test_parents_through_numpyros_control_flow_and_reparam():
    """All of a scan's latents are taken for parents of what it gives out; a reparametrized site has its own noise."""
    table = inspect_sites(models.local_level, x)
    assert set(table["last"].parents) >= {"level"}
    assert set(table["last"].parents) <= {"drift", "start", "level"}
    assert set(inspect_sites(models.branching, jnp.float32(1.0))["c"].parents) <= {"a", "b"}
    table = inspect_sites(models.noncentred_schools, 8, np.ones(8, np.float32))
    assert table["theta"].parents == ("mu", "tau", "theta_decentered")
    assert inspect_sites(models.transformed, x)["a"].parents == ("a_base",)
    assert inspect_sites(models.scoped, x)["inner/b"].parents == ("inner/a",)
    assert inspect_sites(models.conditioned, x)["b"].parents == ()


def test_integers_and_masks_made_of_a_latent():
    """`int(z)` and `x[z == 1]` take an eager run."""
    table = inspect_sites(models.counted, 2)
    assert (list(table), table.inspection.call.mode) == (["z", "a0", "a1"], "eager")
    table = inspect_sites(models.selected, x)
    assert (table["chosen"].parents, table.inspection.call.mode) == (("z",), "eager")


def test_memory_map_is_an_array(tmp_path):
    """It is data like any other, as far as its rows are concerned."""
    values = np.memmap(tmp_path / "x", np.float32, "w+", shape=(20,))
    assert inspect_sites(models.line, values)["obs"].row_dims == (0,)


def test_named_tuple_and_list_of_arrays():
    """Their parts are named in the words of the caller."""
    Data = collections.namedtuple("Data", ["x", "y"])
    table = inspect_sites(lambda data: models.line(data.x, data.y), Data(x, None))
    assert table.inspection.call.names == ("data.x", "data.y")
    assert table["obs"].observable == "data.y"
    assert inspect_sites(lambda data: models.line(*data), [x, None])["obs"].observable == "data[1]"


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


def test_an_exception_keeps_the_cause_that_the_model_gave_it():
    """Only what the model chained is chained; our attempts with other arguments are not."""

    def model(x):
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error

    with pytest.raises(ValueError, match="second") as caught:
        inspect_sites(model, x)
    chained = []
    error = caught.value
    while error is not None and len(chained) < 9:
        error = error.__cause__ or error.__context__
        chained.append(type(error).__name__)
    assert chained.count("ValueError") == 0
    of_jax = {"UnfilteredStackTrace", "SimplifiedTraceback"}  # where it hides its own frames
    assert {"KeyError", "NoneType"} >= set(chained) - of_jax


def test_call_to_make_says_where_there_may_be_more_arguments():
    def model(X, *args, scale, **kwargs): ...

    with pytest.raises(ModelArgumentsError, match=r"samples, X, \*args, scale=scale, \*\*kwargs\)"):
        inspect_sites(model)


def test_call_to_make_reads_well_without_required_arguments():
    with pytest.raises(ModelArgumentsError, match=r"strip_deterministic\(model, samples\), or inspect_sites\(model\)"):
        inspect_sites(models.no_arguments, x)
