"""The options of a call: one frozen object, checked once; and the names that parameters of a model may not have."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .errors import OPTIONS, OptionError, meant
from .model.call import Call

Names = tuple[str, ...]


class Use(NamedTuple):
    """What becomes of the samples after the verdicts."""

    at_once: bool = False  # this very call runs the model with them, so that params have their initial values
    draws: bool = True  # latents without an entry are drawn; `log_likelihood` cannot
    recomputes: bool = True  # deterministic sites; else their recorded values are put back
    returned: Names | None = None  # the sites that are asked for; None: all


FOR_STOCK = Use()  # stripped samples, that NumPyro is given later


@dataclass(frozen=True)
class Options:
    """The options of a call. `Options.of` checks what a user passes."""

    new_rows: bool | None = None
    keep: Names = ()
    redraw: Names = ()
    extend: Names = ()
    extend_all: bool = False  # ``extend=True``: all that do not fit
    levels: Mapping[str, Sequence[Any]] = field(default_factory=dict, hash=False)
    batch_ndims: int | None = None  # None: the samples tell
    use: Use = FOR_STOCK

    @classmethod
    def of(
        cls,
        *,
        new_rows: Any = None,
        keep: Any = (),
        redraw: Any = (),
        extend: Any = (),
        levels: Any = None,
        batch_ndims: int | None = None,
        use: Use = FOR_STOCK,
    ) -> Options:
        """What a user passed, checked."""
        if isinstance(new_rows, np.bool_):
            new_rows = bool(new_rows)
        if not (new_rows is None or isinstance(new_rows, bool)):
            raise OptionError(
                f"new_rows is {reprlib.repr(new_rows)}: it has to be True, False or None. The model's arguments go "
                "where the model is: strip_deterministic(model, samples, X), inspect_sites(model, X).review(samples)."
            )
        if levels is not None and not isinstance(levels, Mapping):
            raise OptionError(
                f"levels is {levels!r}: it maps a dimension to its labels, as in {{'school': ['B', 'F']}}."
            )
        extend_all = extend is True
        return cls(
            new_rows,
            _names("keep", keep),
            _names("redraw", redraw),
            () if extend_all else _names("extend", extend),
            extend_all,
            levels or {},
            batch_ndims,
            use,
        )

    @property
    def carries_on(self) -> bool:
        """Whether fitted values may have to be carried on."""
        return bool(self.extend_all or self.extend or self.levels)

    @property
    def verbs(self) -> dict[str, Names]:
        """Each verb, with the names that it settles."""
        return {"keep": self.keep, "redraw": self.redraw, "extend": self.extend}


def _names(verb: str, names: Any) -> Names:
    if isinstance(names, str):
        return (names,)
    if not isinstance(names, Collection) or not all(isinstance(name, str) for name in names):
        raise OptionError(f"{verb} is {names!r}: it has to be a name, or a sequence of names, as in {verb}=('a',).")
    return tuple(names)


def refuse_collisions(call: Call) -> None:
    """Refuse parameters of the model that have the name of an option, and options that went to its ``**kwargs``."""
    own = [p.name for p in call.parameters or ()]
    for name in call.arguments()[1]:
        like = "" if name in own else meant(name, OPTIONS)
        if like and call.why_not_bound() is None:
            raise OptionError(
                f"{name!r} goes to the model's **kwargs, and {like}= is an option of strip_deterministic: if the model "
                "is meant, call inspect_sites(model, ...).review(samples).apply(samples) instead."
            )
    for name in own:
        if name in OPTIONS:
            raise OptionError(
                f"The model has a parameter of its own named {name!r}, an option of strip_deterministic: call "
                "inspect_sites(model, ...).review(samples, new_rows=..., redraw=...).apply(samples) instead."
            )


def refuse_taken(call: Call, **given: Any) -> None:
    """Refuse options that are also parameters of the model, where no positional argument fills these."""
    by_position, _ = call.arguments()
    own = [p.name for p in (call.parameters or ())[len(by_position) :]]
    for name, value in given.items():
        is_given = not (value is None or (isinstance(value, tuple) and not value))
        if is_given and name in own:
            raise OptionError(
                f"The model has a parameter of its own named {name!r}, an option here, too: pass it by position, or "
                "call sanitize.Predictive(model, samples, extend=..., levels=...), where none collides."
            )
