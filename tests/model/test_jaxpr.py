"""From which latents a value is computed; and how JAX calls what is read: where a name changes, a test here fails."""

import jax
import jax.numpy as jnp
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import sample

from sanitize import inspect_sites, strip_deterministic
from sanitize.model import jaxpr, trace
from sanitize.model.call import Call
from sanitize.model.inspection import Inspection

X = np.linspace(-1.0, 1.0, 6, dtype=np.float32)
x = np.ones(20, np.float32)
G = np.array([0, 1, 2, 3, 4, 0])


def equations(function, *arrays):
    return jax.make_jaxpr(function)(*arrays).jaxpr.eqns


def test_one_hot_is_a_call_of_this_name():
    assert [jaxpr._is_one_hot(e) for e in equations(lambda g: jax.nn.one_hot(g, 3), G)] == [True]


def test_what_a_loop_is_given():
    def loop(c, x):
        return jax.lax.scan(lambda carry, x: (carry + x * c, carry), jnp.zeros(()), x)

    (scan,) = (e for e in equations(loop, jnp.ones(()), X) if e.primitive.name == "scan")
    assert jaxpr._consts_and_carry(scan) == (1, 1)
    assert len(jaxpr._inside(scan)[0].invars) == 3


@pytest.mark.parametrize(
    ("mode", "fills", "is_meant"), [("fill", True, False), ("clip", False, True), (None, False, False)]
)
def test_modes_of_a_gather_are_read_from_their_text(mode, fills, is_meant):
    inner = equations(lambda a, g: a.at[g].get(mode=mode), X, G)
    (gather,) = (e for e in inner if e.primitive.name == "gather")
    assert (jaxpr._fills(gather.params), jaxpr._is_meant(gather)) == (fills, is_meant)


@pytest.mark.parametrize("pick", [lambda a, g: a[g], lambda a, g: jax.vmap(lambda i: a[i])(g)])
def test_the_index_is_found_under_its_wrapping(pick):
    def model(g):
        sample("y", dist.Normal(pick(sample("a", dist.Normal().expand([5])), g), 1.0))

    run = Inspection.of(Call.of(model, (G,), {})).run
    argument = jaxpr.Value("argument", frozenset({0}), known=True, content=G)
    ((found,), _) = jaxpr.picks(run, [argument])
    assert (found.wraps, found.length, found.latents) == (True, 5, {"a"})
    assert jaxpr.before_repeating(found.by).content is G


# --------------------------------------------------------------------------- what is picked for one row stays in it


def plain(group, x):
    a = sample("a", dist.Normal().expand([5]))
    return a[group] + x


def slopes(group, x):
    b = sample("b", dist.Normal().expand([5, 2]).to_event(1))
    return b[group, 0] + b[group][:, 1] * x


def non_centred(group, x):
    theta = 1.0 + 2.0 * sample("z", dist.Normal().expand([5]))
    return jnp.take(theta, group) * x


def with_model(location):
    def model(group, x, y=None):
        sample("y", dist.Normal(location(group, x), 1.0), obs=y)

    return model


@pytest.mark.parametrize("location", [plain, slopes, non_centred])
def test_group_effects_take_six_runs_of_the_model_and_none_with_values(location):
    model = with_model(location)
    inspection = Inspection.of(Call.of(model, (G, X), {}))
    assert not inspection.rows_may_meet
    samples = {n: np.zeros((3, *s.shape)) for n, s in inspection.run.sites.items() if s.kind == "latent" and n != "y"}
    runs = []

    def counted(*args):
        runs.append(1)
        return model(*args)

    strip_deterministic(counted, samples, G, X)
    assert len(runs) <= 6


def by_the_first_of_a_group(group, x):
    return x - x[group]


def by_a_table_of_means(group, x):
    return plain(group, x) - (jax.nn.one_hot(group, 5).T @ x)[group]


def by_a_distance(group, x):
    return jax.jit(lambda x: x[:, None] - x)(x).max(0)


@pytest.mark.parametrize("location", [by_the_first_of_a_group, by_a_table_of_means, by_a_distance])
def test_rows_that_are_picked_from_may_meet(location):
    assert Inspection.of(Call.of(with_model(location), (G, X), {})).rows_may_meet


def test_a_row_level_index_that_is_a_latent_stays_in_its_row():
    def model(x):
        place = sample("place", dist.Normal().expand([3]))
        which = sample("which", dist.Categorical(jnp.ones(3) / 3).expand([x.shape[0]]))
        numpyro.deterministic("total", which.sum())
        sample("y", dist.Normal(place[which] + x, 1.0))

    run = trace.run(Call.of(model, (X,), {}))[0]
    assert jaxpr.uses(run, "which", 0) == {jaxpr.ROW_BY_ROW}


def test_model_that_branches_on_a_latent():
    """Without a jaxpr, a value is taken to depend on all latents before it."""
    assert inspect_sites(models.value_dependent)["b"].parents == ("z", "a")


def test_parents_end_at_the_first_latent():
    """What a latent was itself drawn from does not reach past it: its entry replaces it."""
    table = inspect_sites(models.chain, x, x)
    assert table["first"].parents == ("a",)
    assert table["second"].parents == ("a", "b")
    assert table["constant"].parents == ()
    assert table["obs"].parents == ()


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
