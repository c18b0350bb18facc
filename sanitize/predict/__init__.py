"""`Predictor`, and what it alone needs. Loaded when it is first asked for, see ``sanitize.__getattr__``."""

from .predictor import Predictor

__all__ = ["Predictor"]
