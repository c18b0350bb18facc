"""Strip posterior samples of what is no latent draw, before NumPyro predicts with them."""

from .behavior import Behavior, numpyro_behavior
from .containers import posterior_samples
from .errors import (
    AssumedArgumentsWarning,
    BatchShapeError,
    DataStatisticWarning,
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
from .infer import Predictive, log_likelihood
from .model.trace import Dim, Plate, Site
from .predictor import Predictor
from .review import Review
from .sites import SiteTable, inspect_sites
from .strip import strip_deterministic
from .verdicts import Verdict

__all__ = [
    "AssumedArgumentsWarning",
    "BatchShapeError",
    "Behavior",
    "DataStatisticWarning",
    "Dim",
    "IndexRangeWarning",
    "MissingLatentError",
    "MissingLatentWarning",
    "ModelArgumentsError",
    "NoSharedSiteError",
    "NothingLeftError",
    "OptionError",
    "OtherArgumentsWarning",
    "Plate",
    "Predictive",
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
    "inspect_sites",
    "log_likelihood",
    "numpyro_behavior",
    "posterior_samples",
    "strip_deterministic",
]
