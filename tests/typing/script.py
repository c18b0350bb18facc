"""A user's script, as an editor reads it: from a fit to predictions, scores and a picture of what is kept."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import xarray
from typing_extensions import assert_type

import sanitize
from sanitize import Predictive, Predictor, Review, SiteTable, extend, inspect_sites, log_likelihood, posterior_samples


class Mcmc:
    """As NumPyro's, which has no types."""

    def get_samples(self, group_by_chain: bool = False) -> dict[str, jax.Array]:
        raise NotImplementedError


def model(x: Any, school: Any, n_schools: int, y: Any = None) -> None: ...


def main(mcmc: Mcmc, idata: xarray.DataTree, labelled: xarray.Dataset) -> None:
    key = jax.random.PRNGKey(0)
    x, school = np.zeros(4), np.zeros(4, int)

    sites = inspect_sites(model, x, school, 5)
    assert_type(sites, SiteTable)
    review = sites.review(mcmc, new_rows=True)
    assert_type(review, Review)
    for name, verdict in review.items():
        print(name, verdict.action, verdict.reason.upper(), len(verdict.recorded_shape or ()))
    clean = review.apply(mcmc.get_samples())
    assert_type(clean, dict[str, jax.Array])

    predictive = Predictive(model, clean, num_samples=None, return_sites=["y"], batch_ndims=1, keep="effect")
    assert_type(predictive(key, x, school, 5)["y"], jax.Array)
    Predictive(model, clean, batch_ndims="2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    more = extend(model, labelled, key, x, school, 6, sites="effect", levels={"school": ["A", "F"]})
    assert_type(more, xarray.Dataset)
    assert_type(extend(model, mcmc, key, x, school, 6, sites=True), dict[str, jax.Array])
    extend(model, 3, key, sites=True)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]

    predict = Predictor(model, idata, kind="mean", batch_size=100, lazy=True, extend="school")
    expected = predict(key, x, school, 6)
    assert_type(expected, xarray.Dataset)
    assert_type(predict.log_likelihood(x, school, 6, np.zeros(4)), xarray.Dataset)
    Predictor(model, idata, kind="median")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    scores = log_likelihood(model, posterior_samples(idata), x, school, 5, y=np.zeros(4))
    print(float(scores["y"].mean()), expected.sizes["draw"])
    try:
        sanitize.strip_deterministic(model, idata, x, school, 7)
    except sanitize.ShapeMismatchError as error:
        print(error)
