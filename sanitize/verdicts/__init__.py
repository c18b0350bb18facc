"""What happens to each entry of posterior samples, and why.

`facts` knows an entry, `table` decides on it and names the cause, `messages` puts causes in words, and `judgement` goes
through all entries.
"""

from . import messages
from .facts import Verbs
from .judgement import Judgement, Verdict, batch_shape, explains, judge, refuse_other_model, settled
from .messages import shape_text
from .table import KEPT, REFUSED, STRIPPED, Cause

__all__ = [
    "KEPT",
    "REFUSED",
    "STRIPPED",
    "Cause",
    "Judgement",
    "Verbs",
    "Verdict",
    "batch_shape",
    "explains",
    "judge",
    "messages",
    "refuse_other_model",
    "settled",
    "shape_text",
]
