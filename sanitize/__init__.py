"""Strip posterior samples of everything that the model draws or computes again, before NumPyro predicts with them."""

from typing import TYPE_CHECKING, Any

from .behavior import Behavior, numpyro_behavior
from .carry import carry_on
from .containers import posterior_samples
from .errors import (
    AssumedArgumentsWarning,
    BatchShapeError,
    DataStatisticWarning,
    ExtensionError,
    IndexRangeWarning,
    MissingLatentError,
    MissingLatentWarning,
    ModelArgumentsError,
    NoSharedSiteError,
    NothingLeftError,
    OptionError,
    OtherArgumentsWarning,
    RedrawnSiteWarning,
    RowLevelSiteWarning,
    SamplesTypeError,
    SanitizeError,
    SanitizeWarning,
    ShapeMismatchError,
)
from .extend import extend
from .infer import Predictive as Predictive
from .infer import log_likelihood as log_likelihood
from .model.trace import Dim, Plate, Site
from .review import Review
from .sites import SiteTable, inspect_sites
from .strip import strip_deterministic
from .verdicts import Verdict

if TYPE_CHECKING:
    from .predict import Predictor as Predictor
    from .predict import load as load
else:  # type checkers would take any name for one that this function knows

    def __getattr__(name: str) -> Any:
        """`Predictor` and `load` are loaded when they are first asked for: few users need them."""
        if name in ("Predictor", "load"):
            from .predict import Predictor, load

            return load if name == "load" else Predictor
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        """The public names, for tab completion of ``sanitize.``; modules of the package are left out."""
        return sorted([*__all__, "Predictive", "__version__", "arviz", "log_likelihood"])


__version__ = "0.2.0.dev0"

# Not `Predictive` and `log_likelihood`: `from sanitize import *` would replace NumPyro's without notice.
__all__ = [
    "AssumedArgumentsWarning",
    "BatchShapeError",
    "Behavior",
    "DataStatisticWarning",
    "Dim",
    "ExtensionError",
    "IndexRangeWarning",
    "MissingLatentError",
    "MissingLatentWarning",
    "ModelArgumentsError",
    "NoSharedSiteError",
    "NothingLeftError",
    "OptionError",
    "OtherArgumentsWarning",
    "Plate",
    "Predictor",
    "RedrawnSiteWarning",
    "Review",
    "RowLevelSiteWarning",
    "SamplesTypeError",
    "SanitizeError",
    "SanitizeWarning",
    "ShapeMismatchError",
    "Site",
    "SiteTable",
    "Verdict",
    "carry_on",
    "extend",
    "inspect_sites",
    "load",
    "numpyro_behavior",
    "posterior_samples",
    "strip_deterministic",
]
