"""Latents (or params) without an entry that are used all the same, and entries that may be theirs by another name."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from .errors import listing
from .model.call import Shape
from .model.inspection import Inspection
from .options import Use

_ENDINGS = ("_decentered", "_base")  # NumPyro's reparametrizations name so what they draw instead
_ALIKE = 0.75  # from which ratio on two names differ by a slip of the pen


def entries_for(name: str, shape: Shape | None, unclaimed: Mapping[str, Shape | None]) -> tuple[str, ...]:
    """The entries that no site claims, which a latent may be under another name."""
    return tuple(
        entry for entry, was in unclaimed.items() if _is_guides(name, entry) or (was == shape and _alike(name, entry))
    )


def _alike(name: str, entry: str) -> bool:
    short, long = sorted((name, entry), key=len)
    scoped = long.endswith(short) and not long[: -len(short)][-1:].isalnum()
    ending = long.startswith(short) and long[len(short) :] in _ENDINGS
    slip = difflib.SequenceMatcher(None, name.casefold(), entry.casefold()).ratio() >= _ALIKE
    return scoped or ending or slip


def _is_guides(name: str, entry: str) -> bool:
    return entry.startswith(f"{name}_auto_")


def message(
    inspection: Inspection, missing: Mapping[str, tuple[str, ...]], unclaimed: Collection[str], use: Use
) -> str:
    """What is said of them."""
    params = [name for name in missing if inspection.run.sites[name].kind == "param"]
    latents = [name for name in missing if name not in params]
    parts = []
    if latents:
        parts.append(
            f"The samples have no entry for {listing(latents)}, and what is predicted is computed from "
            f"{'them' if len(latents) > 1 else 'it'}: the model draws from the prior, as if there had been no fit"
        )
    if params:
        parts.append(
            f"Nothing gives a value to the param{'s' * (len(params) > 1)} {listing(params)}: the initial value is "
            f"taken, as if there had been no fit. Pass "
            f"{'params= to Predictive' if use.draws else 'numpyro.handlers.substitute(model, params) as the model'}"
        )
    hints = {name: [e for e in entries if not _is_guides(name, e)] for name, entries in missing.items()}
    if said := [f"{name!r} may be entry {listing(entries)}" for name, entries in hints.items() if entries]:
        parts.append(f"No site claims these entries: {', '.join(said)}; rename them")
    if any(_is_guides(name, entry) for name, entries in missing.items() for entry in entries):
        parts.append("Entries named ..._auto_... are params of a guide: pass guide.sample_posterior(...)")
    elif unclaimed and not said and latents:
        parts.append(f"No site claims {listing(unclaimed)}")
    if latents:
        parts.append(f"Add the entries, or say by redraw={tuple(latents)!r} that this is meant")
    return ". ".join(parts) + "."
