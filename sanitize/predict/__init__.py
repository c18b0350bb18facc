"""`Predictor`, `load`, and what they alone need. Loaded when one is first asked for, see ``sanitize.__getattr__``."""

from .file import SavedPredictor, load
from .predictor import Predictor

__all__ = ["Predictor", "SavedPredictor", "load"]
