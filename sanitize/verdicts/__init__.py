"""What happens to each entry of posterior samples, and why."""

from .table import (
    KEPT,
    REFUSED,
    STRIPPED,
    Judgement,
    Verbs,
    Verdict,
    batch_shape,
    explains,
    judge,
    refuse_other_model,
    settled,
    shape_text,
)

__all__ = [
    "KEPT",
    "REFUSED",
    "STRIPPED",
    "Judgement",
    "Verbs",
    "Verdict",
    "batch_shape",
    "explains",
    "judge",
    "refuse_other_model",
    "settled",
    "shape_text",
]
