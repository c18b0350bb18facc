"""Models of which the fitted part would change if fitted values were carried on, and as many of which it stays.

Each with the arguments of the fit, the arguments that ask for more, and what is carried on.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan

FIRST = np.array([0, 1, 2, 0, 1])
THEN = np.array([0, 1, 4, 3, 2, 0])
TWO, THREE = np.array([0, 1, 0, 1, 1]), np.array([0, 1, 1, 0, 2, 0])
X6 = np.linspace(0, 2, 6).astype(np.float32)
X8 = np.r_[X6, np.float32([2.4, 3.0])]
CHANGES, SHARES, STAYS = {}, {}, {}
MEMBERS = np.eye(5, dtype=np.float32)[[0, 3, 2, 0, 1]]
MEMBERS[[0, 1, 3], [1, 4, 4]] = 0.5


def case(cases, fitted, more, sites):
    def keep(model):
        cases[model.__name__] = model, fitted, more, sites
        return model

    return keep


def effects(name, *shape):
    return numpyro.sample(name, dist.Normal(0.0, 1.0).expand(shape))


def outcome(mean, y=None, name="y"):
    numpyro.sample(name, dist.Normal(mean, 1.0), obs=y)


def walk_in_a_scan(n):
    def step(x, _):
        x = numpyro.sample("x", dist.Normal(x, 1.0))
        return x, x

    return scan(step, jnp.zeros(()), jnp.arange(n))[1]


def kernel(x):
    return jnp.exp(-0.5 * (x[:, None] - x) ** 2) + 1e-3 * jnp.eye(x.shape[0])


# ------------------------------------------------------------------------------------------------------- it changes


@case(CHANGES, (3,), (5,), "t")
def centred_in_a_plate(n, y=None):
    t = effects("t", n)
    outcome(t - t.mean(), y)


@case(CHANGES, (FIRST, 3), (THEN, 5), "t")
def centred_before_the_index(g, n, y=None):
    t = effects("t", n)
    outcome((t - t.mean())[g], y)


@case(CHANGES, (FIRST, 3), (THEN, 5), "t")
def centred_after_the_index(g, n, y=None):
    t = effects("t", n)
    outcome(t[g] - t.mean(), y)


@case(CHANGES, (FIRST, 3), (THEN, 5), "u")
def sum_coded(g, n, y=None):
    u = effects("u", n - 1)
    outcome(jnp.concatenate([u, -u.sum(keepdims=True)])[g], y)


@case(CHANGES, (FIRST, 3), (THEN, 5), "t")
def standardized(g, n, y=None):
    t = effects("t", n)
    numpyro.sample("y", dist.Poisson(jnp.exp(((t - t.mean()) / t.std())[g])), obs=y)


@case(CHANGES, (6,), (8,), "z")
def innovations_from_the_last(n, y=None):
    outcome(jnp.cumsum(effects("z", n)[::-1])[::-1], y)


@case(CHANGES, (X6,), (X8,), "z")
def process_by_eigenvectors(x, y=None):
    values, vectors = jnp.linalg.eigh(kernel(x))
    outcome(vectors @ (jnp.sqrt(values) * effects("z", x.shape[0])), y)


@case(CHANGES, (FIRST, 3), (THEN, 5), "t")
def through_deterministic_sites(g, n, y=None):
    t = effects("t", n)
    mean = numpyro.deterministic("mean", t.mean())
    outcome(numpyro.deterministic("mu", t[g] - mean), y)


@case(CHANGES, (3, np.zeros(3, np.float32)), (5, np.zeros(5, np.float32)), "t")
def a_factor_for_each_group(n, y):
    t = effects("t", n)
    numpyro.factor("likelihood", dist.Normal(t - t.mean(), 1.0).log_prob(y))


@case(CHANGES, (FIRST, 3), (THEN, 5), "t")
def the_second_of_two_targets(g, n, y=None, w=None):
    t = effects("t", n)
    outcome(t[g], y)
    outcome((t - t.mean())[g], w, "w")


@case(CHANGES, (FIRST, TWO, 3, 2), (THEN, THREE, 5, 3), ("a", "b"))
def the_second_of_two_plates(g, h, n, m, y=None):
    with numpyro.plate("A", n):
        a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    with numpyro.plate("B", m):
        b = numpyro.sample("b", dist.Normal(0.0, 1.0))
    outcome(a[g] + b[h] - b.mean(), y)


@case(CHANGES, (FIRST, TWO, 3, 2), (THEN, np.minimum(THREE, 1), 5, 2), "ab")
def interactions_that_sum_to_zero(g, h, n, m, y=None):
    ab = effects("ab", n, m)
    outcome((ab - ab.mean(0))[g, h], y)


@case(CHANGES, (np.eye(3, dtype=np.float32)[FIRST],), (np.eye(5, dtype=np.float32)[THEN],), "t")
def by_a_design_matrix(Z, y=None):
    t = effects("t", Z.shape[1])
    outcome(Z @ t - t.mean(), y)


@case(CHANGES, (np.array([0, 0, 1]), FIRST, 2), (np.array([0, 0, 1, 2, 1]), THEN, 3), "t")
def centred_two_levels_above(state, g, n, y=None):
    t = effects("t", n)
    outcome((t - t.mean())[state][g], y)


@case(CHANGES, (FIRST, 3), (THEN, 5), "t")
def a_scale_from_the_spread_of_all(g, n, y=None):
    t = effects("t", n)
    numpyro.sample("y", dist.Normal(t[g], jnp.exp(t.std())), obs=y)


@case(CHANGES, (4, 3), (6, 3), "t")
def scales_from_the_spread_of_columns(n, k, y=None):
    t = effects("t", n, k)
    numpyro.sample("y", dist.Normal(t, jnp.exp(t.std(0))), obs=y)


@case(CHANGES, (FIRST, TWO, 3, 2), (THEN, THREE, 5, 3), ("t", "u"))
def a_scale_from_the_mean_of_others(g, h, n, m, y=None):
    t, u = effects("t", n), effects("u", m)
    numpyro.sample("y", dist.Normal(t[g], jnp.exp(u.mean())), obs=y)


@case(CHANGES, (6,), (9,), "x")
def a_series_that_is_centred(n, y=None):
    x = walk_in_a_scan(n)
    outcome(x - x.mean(), y)


@case(CHANGES, (6, np.array([0, 3, 5, 5])), (9, np.array([0, 3, 8, 5])), "x")
def a_series_that_is_centred_and_looked_up(n, at, y=None):
    x = walk_in_a_scan(n)
    outcome((x - x.mean())[at], y)


@case(CHANGES, (FIRST, 3), (THEN, 5), "t")
def centred_before_a_loop(g, n, y=None):
    t = effects("t", n)
    centred = t - t.mean()
    outcome(jax.lax.map(lambda i: centred[i], jnp.asarray(g)), y)


# ------------------------------------------------------------------------------------------------------- shares


@case(SHARES, (3,), (4,), "t")
def categories(n, y=None):
    numpyro.sample("y", dist.Categorical(logits=effects("t", n)), obs=y)


@case(SHARES, (3,), (4,), "t")
def counts_of_kinds(n, y=None):
    numpyro.sample("y", dist.Multinomial(20, jax.nn.softmax(effects("t", n))), obs=y)


@case(SHARES, (FIRST, 3), (THEN, 5), "t")
def a_softmax_that_is_looked_up(g, n, y=None):
    numpyro.sample("y", dist.Poisson(100 * jax.nn.softmax(effects("t", n))[g]), obs=y)


# ------------------------------------------------------------------------------------------------------- it stays


@case(STAYS, (FIRST, 3), (THEN, 5), "t")
def groups(g, n, y=None):
    outcome(effects("t", n)[g], y)


@case(STAYS, (FIRST, 3), (THEN, 5), "z")
def groups_noncentred(g, n, y=None):
    tau = numpyro.sample("tau", dist.HalfNormal(1.0))
    outcome((tau * effects("z", n))[g], y)


@case(STAYS, (np.array([0, 0, 1]), FIRST, 2), (np.array([0, 0, 1, 2, 1]), THEN, 3), ("t", "town"))
def nested(state, g, n, y=None):
    t = effects("t", n)
    with numpyro.plate("towns", len(state)):
        town = numpyro.sample("town", dist.Normal(t[state], 1.0))
    outcome(town[g], y)


@case(STAYS, (np.array([0, 0, 1]), FIRST, TWO, 2, 2), (np.array([0, 0, 2]), FIRST, THREE[:5], 3, 3), ("t", "b"))
def nested_by_an_index_of_an_index(state, g, h, n, m, y=None):
    outcome(effects("t", n)[state][g] + effects("b", m)[h], y)


@case(STAYS, (np.arange(10) % 6, 6), (np.arange(12) % 8, 8), "z")
def a_walk_at_times(i, n, y=None):
    outcome(jnp.cumsum(effects("z", n))[i], y)


@case(STAYS, (X6, np.arange(10) % 6, np.arange(10) % 3, 3), (X8, np.arange(12) % 8, np.arange(12) % 5, 5), ("z", "t"))
def a_process_and_groups(x, i, g, n, y=None):
    f = jnp.linalg.cholesky(kernel(x)) @ effects("z", x.shape[0])
    outcome(f[i] + effects("t", n)[g], y)


@case(STAYS, (X6, np.arange(10) % 6), (X8, np.arange(12) % 8), "f")
def a_process_by_its_conditional(x, i, y=None):
    f = numpyro.sample("f", dist.MultivariateNormal(jnp.zeros(x.shape[0]), covariance_matrix=kernel(x)))
    outcome(f[i], y)


@case(STAYS, (FIRST, TWO, 3, 2), (THEN, THREE, 5, 3), ("a", "b"))
def crossed(g, h, n, m, y=None):
    outcome(effects("a", n)[g] + effects("b", m)[h], y)


@case(STAYS, (FIRST, TWO, 3, 2), (THEN, THREE, 5, 3), "ab")
def interactions(g, h, n, m, y=None):
    outcome(effects("ab", n, m)[g, h], y)


@case(STAYS, (FIRST * 0, FIRST * 0, 1, 1), (THEN * 0, THREE, 1, 3), "ab")
def interactions_with_a_single_group(g, h, n, m, y=None):
    outcome(effects("ab", n, m)[g, h], y)


@case(STAYS, (FIRST, 3), (THEN, 5), "t")
def groups_beside_areas_that_are_centred(g, n, y=None):
    with numpyro.plate("areas", 4):
        phi = numpyro.sample("phi", dist.Normal(0.0, 10.0))
    numpyro.factor("ties", -0.5 * ((phi[1:] - phi[:-1]) ** 2).sum())
    outcome(phi[0] - phi.mean() + effects("t", n)[g], y)


@case(STAYS, (3,), (5,), "t")
def a_total_of_all(n, y=None):
    numpyro.sample("y", dist.Poisson(jnp.exp(effects("t", n)).sum()), obs=y)


@case(STAYS, (FIRST, 3), (THEN, 5), "t")
def a_spread_that_nothing_is_drawn_with(g, n, y=None):
    t = effects("t", n)
    numpyro.deterministic("sd", t.std())
    outcome(t[g], y)


@case(STAYS, (FIRST, 3), (THEN, 5), "t")
def a_reference_group(g, n, y=None):
    outcome(jnp.concatenate([jnp.zeros(1), effects("t", n - 1)])[g], y)


@case(STAYS, (MEMBERS[:, :3], FIRST, 3), (MEMBERS, THEN[:5], 5), ("t", "u"))
def several_members(Z, g, n, y=None):
    outcome(Z @ effects("t", Z.shape[1]) + effects("u", n)[g], y)


@case(STAYS, (FIRST, 3), (THEN, 5), ("t", "eps"))
def an_effect_for_each_row(g, n, y=None):
    outcome(effects("t", n)[g] + effects("eps", len(g)), y)


@case(STAYS, (FIRST, FIRST[::-1].copy(), 3), (THEN, THEN[::-1].copy(), 5), "t")
def winners_and_losers(g, h, n, y=None):
    t = effects("t", n)
    outcome(t[g] - t[h], y)


@case(STAYS, (5,), (7,), "x")
def a_series_in_a_scan(n, y=None):
    outcome(walk_in_a_scan(n), y)


@case(STAYS, (6, np.array([0, 3, 5, 5])), (9, np.array([0, 3, 8, 5])), "x")
def a_series_that_is_looked_up(n, at, y=None):
    outcome(walk_in_a_scan(n)[at], y)


@case(STAYS, (FIRST, 3), (THEN, 5), "t")
def looked_up_in_a_loop(g, n, y=None):
    t = effects("t", n)
    outcome(jax.lax.map(lambda i: t[i], jnp.asarray(g)), y)


@case(STAYS, (FIRST, TWO, 3, 2), (THEN, THREE, 5, 3), ("t", "u"))
def scales_of_other_groups(g, h, n, m, y=None):
    t, u = effects("t", n), effects("u", m)
    numpyro.sample("y", dist.Normal(t[g], jnp.exp(u[h])), obs=y)


@case(STAYS, (4, 3), (6, 3), ("t", "u"))
def scales_of_rows_and_columns(n, k, y=None):
    t, u, v = effects("t", n, k), effects("u", n, 1), effects("v", k)
    numpyro.sample("y", dist.Normal(t, jnp.exp(u + v)), obs=y)


@case(STAYS, (3,), (5,), "t")
def a_total_that_is_measured_seven_times(n, y=None):
    numpyro.sample("y", dist.Normal(effects("t", n).sum(), 1.0).expand([7]), obs=y)


@case(STAYS, (6,), (9,), "z")
def a_filter_of_the_past(n, y=None):
    outcome(jnp.convolve(effects("z", n), jnp.array([0.5, 0.3, 0.2]))[:n], y)


@case(STAYS, (FIRST, 3), (THEN, 5), "t")
def ordered_answers(g, n, y=None):
    numpyro.sample("y", dist.OrderedLogistic(effects("t", n)[g], jnp.array([-1.0, 1.0])), obs=y)
