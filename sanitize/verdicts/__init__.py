"""What happens to each entry of posterior samples, and why."""

from .table import KEPT, REFUSED, STRIPPED, Judgement, Verdict, batch_shape, explains, judge, settled, shape_text

__all__ = [
    "KEPT",
    "REFUSED",
    "STRIPPED",
    "Judgement",
    "Verdict",
    "batch_shape",
    "explains",
    "judge",
    "settled",
    "shape_text",
]
