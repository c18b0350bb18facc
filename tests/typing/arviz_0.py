"""As ``samples.py``, for what ArviZ has before version 1."""

from __future__ import annotations

from typing import Any

import arviz
from typing_extensions import assert_type

from sanitize import inspect_sites, strip_deterministic


def model(x: Any, y: Any = None) -> None: ...


def the_same_comes_back(idata: arviz.InferenceData) -> None:
    assert_type(strip_deterministic(model, idata, 1.0), arviz.InferenceData)
    assert_type(inspect_sites(model, 1.0).review(idata).apply(idata), arviz.InferenceData)
