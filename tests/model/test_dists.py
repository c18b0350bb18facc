"""What is inside a distribution, whatever NumPyro has wrapped it in."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from sanitize.model import dists

MASK = jnp.array([True, False, True])
WRAPPED = dist.Normal(jnp.zeros(3), 2.0).mask(MASK).expand([4, 3]).to_event(1)


def test_wrappers_are_looked_through():
    assert type(dists.unwrapped(WRAPPED)) is dist.Normal
    assert dists.name_of(WRAPPED) == "Normal"
    assert type(dists.unmasked(WRAPPED)) is dist.Independent
    np.testing.assert_array_equal(dists.mask_of(WRAPPED), MASK)
    assert dists.mask_of(dist.Normal()) is True


def test_parameters_have_the_names_of_the_distribution():
    assert {"loc", "scale"} <= {*dict(dists.parameters(WRAPPED))}
    mixture = dist.MixtureSameFamily(dist.Categorical(jnp.ones(2) / 2), dist.Normal(jnp.zeros(2), 1.0))
    assert {"mixing_distribution.probs", "component_distribution.loc"} <= {*dict(dists.parameters(mixture))}


@pytest.mark.parametrize(
    ("fn", "dims"),
    [
        (WRAPPED, 0),
        (dist.LogNormal(jnp.zeros(3), 1.0).to_event(1), 0),
        (dist.GaussianRandomWalk(1.0, 5), 1),
        (dist.Dirichlet(jnp.ones((2, 3))).to_event(1), 1),
        (dist.TransformedDistribution(dist.Dirichlet(jnp.ones(3)), dist.transforms.StickBreakingTransform().inv), 1),
    ],
)
def test_dimensions_that_are_drawn_jointly(fn, dims):
    assert dists.joint_dims(fn) == dims


def test_what_has_no_sampler():
    improper = dist.ImproperUniform(dist.constraints.real, (), event_shape=(3,))
    assert not dists.has_sampler(improper)
    assert not dists.has_sampler(improper.mask(False))
    assert dists.has_sampler(WRAPPED)
