"""Containers of the installed ArviZ, for tests of any of them."""

import arviz as az
import xarray as xr


def with_groups(**datasets):
    """What ArviZ makes of groups: an InferenceData before ArviZ 1, a DataTree since."""
    if az.__version__.startswith("0."):
        return az.InferenceData(**datasets)
    return xr.DataTree.from_dict(datasets)
