"""What happens to each entry of posterior samples, and why.

`facts` knows an entry, `table` decides on it and names the cause, `messages` puts causes in words, and `judgement` goes
through all entries.
"""

from . import messages
from .facts import Names, Verbs
from .judgement import (
    Said,
    Verdict,
    batch_shape,
    explains,
    facts_of,
    notices,
    refusals,
    refuse_other_model,
    remarks,
    settled,
    verdicts_on,
)
from .messages import shape_text
from .table import KEPT, REDRAWN, REFUSED, STRIPPED, Cause

__all__ = [
    "KEPT",
    "REDRAWN",
    "REFUSED",
    "STRIPPED",
    "Cause",
    "Names",
    "Said",
    "Verbs",
    "Verdict",
    "batch_shape",
    "explains",
    "facts_of",
    "messages",
    "notices",
    "refusals",
    "refuse_other_model",
    "remarks",
    "settled",
    "shape_text",
    "verdicts_on",
]
