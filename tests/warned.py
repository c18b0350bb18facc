"""What this package warns of, and nothing that others do: JAX deprecates on its own schedule."""

import contextlib
import warnings

from sanitize import SanitizeWarning


@contextlib.contextmanager
def warned():
    """The warnings of a block, in their order."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SanitizeWarning)
        yield caught
