"""Read by mypy and pyright, not run: what goes in comes out, and what is no samples is an error.

A comment that ignores an error is an error itself where there is none to ignore.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
import numpy.typing as npt
import xarray
from typing_extensions import assert_type

from sanitize import Predictive, inspect_sites, log_likelihood, posterior_samples, strip_deterministic


class Mcmc:
    """As NumPyro's, which has no types."""

    def get_samples(self, group_by_chain: bool = False) -> dict[str, jax.Array]:
        raise NotImplementedError


class Position(NamedTuple):
    slope: jax.Array


def model(x: Any, y: Any = None) -> None: ...


def the_same_comes_back(
    arrays: dict[str, jax.Array],
    numbers: dict[str, npt.NDArray[np.float64]],
    dataset: xarray.Dataset,
    tree: xarray.DataTree,
) -> None:
    assert_type(strip_deterministic(model, arrays, 1.0), dict[str, jax.Array])
    assert_type(strip_deterministic(model, numbers, x=1.0, new_rows=True), dict[str, npt.NDArray[np.float64]])
    assert_type(strip_deterministic(model, dataset, 1.0, keep="a"), xarray.Dataset)
    assert_type(strip_deterministic(model, tree, redraw=["a", "b"]), xarray.DataTree)
    review = inspect_sites(model, 1.0).review(tree)
    assert_type(review.apply(arrays), dict[str, jax.Array])
    assert_type(review.apply(tree), xarray.DataTree)


def a_dict_comes_back(mcmc: Mcmc, position: Position) -> None:
    assert_type(strip_deterministic(model, mcmc, 1.0), dict[str, jax.Array])
    assert_type(strip_deterministic(model, position, 1.0), dict[str, jax.Array])
    assert_type(inspect_sites(model, 1.0).review(mcmc).apply(mcmc), dict[str, jax.Array])


def the_drop_ins_take_all_of_them(mcmc: Mcmc, tree: xarray.DataTree, key: jax.Array) -> None:
    assert_type(Predictive(model, tree)(key, 1.0), dict[str, jax.Array])
    assert_type(log_likelihood(model, mcmc, 1.0, 2.0), dict[str, jax.Array])
    assert_type(posterior_samples(tree), dict[str, np.ndarray[Any, Any]])


def what_is_no_samples(array: jax.Array, data: xarray.DataArray) -> None:
    strip_deterministic(model, 3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    strip_deterministic(model, array)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    strip_deterministic(model, data)  # mypy sees that it has a `__getattr__`  # pyright: ignore[reportArgumentType, reportCallIssue]
    strip_deterministic(model, {"a": array}, new_rows=1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    posterior_samples({"a": array})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    inspect_sites(model).review(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    inspect_sites(model).review({}).apply(3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    Predictive(model, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    log_likelihood(model, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
