"""Since which NumPyro something is there."""

import numpyro
import pytest

HAS_PREDICTOR = tuple(map(int, numpyro.__version__.split(".")[:2])) >= (0, 15)
OF_PREDICTOR = pytest.mark.skipif(not HAS_PREDICTOR, reason="Predictor needs NumPyro 0.15")
