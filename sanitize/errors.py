"""Errors and warnings: what was seen, by name and shape, and what to do about it."""

from __future__ import annotations

import difflib
import functools
import os
import sys
import warnings
from collections.abc import Iterable
from typing import Any

OPTIONS = ("new_rows", "keep", "redraw")  # of this package, beside the model's arguments

_GUIDES = "numpyro.infer.autoguide"
_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class _WithDetails(Exception):
    """Carries what was seen as attributes, also through pickling."""

    def __init__(self, message: str, **seen: Any):
        super().__init__(message)
        self.__dict__.update(seen)

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(type(self), **vars(self)), self.args[:1]


class SanitizeError(_WithDetails):
    """Base of all errors of this package. Its instances carry what was seen as attributes."""


class ModelArgumentsError(SanitizeError, TypeError):
    """The model cannot be run with the arguments at hand. Carries ``signature``."""


class SamplesTypeError(SanitizeError, TypeError, ValueError):
    """The samples are not draws: of a kind that cannot be stripped, not numbers, or outside the support of a site."""


class OptionError(SanitizeError, ValueError):
    """A keyword of this package (``new_rows``, ``keep``, ``redraw``, ``extend``, ...) cannot be understood."""


class BatchShapeError(SanitizeError, ValueError):
    """Entries disagree on their leading chain and draw dimensions. Carries ``shapes``."""


class ShapeMismatchError(SanitizeError, ValueError):
    """A latent's recorded shape is not the model's. Carries ``recorded`` and ``model`` shapes by name."""


class MissingLatentError(SanitizeError, ValueError):
    """A site's fitted values would be recomputed from prior draws. Carries ``missing`` by name."""


class NoSharedSiteError(SanitizeError, ValueError):
    """No entry of the samples is a latent of the model. Carries ``entries`` and ``latents``."""


class NothingLeftError(SanitizeError, ValueError):
    """Every entry would be stripped. Carries ``batch_shape``."""


class ExtensionError(SanitizeError, ValueError):
    """Fitted values cannot be carried on without changing what was fitted. Carries ``sites``."""


class SanitizeWarning(_WithDetails, UserWarning):
    """Base of all warnings of this package. Its instances carry what was seen as attributes."""


class AssumedArgumentsWarning(SanitizeWarning):
    """No arguments were passed: those of the fit were worked out from the samples."""


class RedrawnSiteWarning(SanitizeWarning):
    """Row-level latents were stripped: they are drawn from their prior, given the other draws. Carries ``sites``."""


class RowLevelSiteWarning(SanitizeWarning):
    """Row-level latents were kept, although nothing tells whether the rows are the fit's. Carries ``sites``."""


class MissingLatentWarning(SanitizeWarning):
    """Latents without an entry are used: drawn from their prior. Carries ``missing``: name -> entries it may be."""


class OtherArgumentsWarning(SanitizeWarning):
    """The fit was given other labels, groups or options than this call. Carries ``differences`` by argument."""


class IndexRangeWarning(SanitizeWarning):
    """An index among the arguments does not exist. Carries ``indices``: a tuple of what was seen of each."""


class DataStatisticWarning(SanitizeWarning):
    """Rows act on each other through the arguments, and may be other rows than the fit's. Carries ``statistic``."""


def warn(message: str, category: type[SanitizeWarning], **seen: Any) -> None:
    """Warn at the first line outside of this package: that is the user's line.

    Where NumPyro's names were replaced by ours it may be a guide's, which computes deterministic values for the samples
    that it returns. Nobody can settle anything there, and a prediction strips such values: nothing is said.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    if frame.f_globals.get("__name__") != _GUIDES:
        warnings.warn(category(message, **seen), stacklevel=level)


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an error that is not ours. The error keeps its type and traceback."""
    if hasattr(error, "add_note"):  # Python 3.11 and later
        error.add_note(note)
    else:
        error.args = (f"{error.args[0] if error.args else ''}\n{note}", *error.args[1:])


def meant(name: str, names: Iterable[str]) -> str:
    """The name among these that a misspelt name is most like; empty: there is none."""
    folded = {other.casefold(): other for other in names}
    return next((folded[like] for like in difflib.get_close_matches(name.casefold(), folded, 1, 0.75)), "")


def a(thing: Any) -> str:
    """``an int``, ``a list``: what something is."""
    name = type(thing).__name__
    an = name[0].lower() in "aeiou" or name.startswith(("MCMC", "SVI"))
    return "None" if thing is None else f"{'an' if an else 'a'} {name}"


def listing(names: Iterable[str], most: int = 8) -> str:
    """``'a', 'b' and 3 more``: names as they appear in messages."""
    named = list(map(repr, names))
    if len(named) > most:
        named[most - 1 :] = [f"{len(named) - most + 1} more"]
    first = ", ".join(named[:-1])
    return " and ".join([first, *named[-1:]] if first else named)
