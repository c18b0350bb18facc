"""The arguments of a fit, worked out from its samples: what a call without arguments rests on."""

from .search import assumed_arguments

__all__ = ["assumed_arguments"]
