"""A review of posterior samples: the verdicts, to read, to render, to apply."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, overload

import jax

from . import containers
from .containers import Container
from .errors import IndexRangeWarning, NothingLeftError, OptionError, SamplesTypeError, listing, warn
from .fit import Fit
from .kinds import Converted, Same, Shape
from .model.call import Call
from .model.index import OutOfRange
from .model.inspection import Inspection
from .options import Options
from .render import render
from .tables import dataframe, html_table, text_table
from .verdicts import (
    KEPT,
    REDRAWN,
    REFUSED,
    STRIPPED,
    Names,
    Said,
    Verbs,
    Verdict,
    facts_of,
    messages,
    notices,
    refusals,
    remarks,
    shape_text,
    verdicts_on,
)

if TYPE_CHECKING:
    import graphviz
    import pandas as pd

_SHAPE = attrgetter("shape")
_ORDER = (REFUSED, REDRAWN, STRIPPED, KEPT)  # what a reader looks for first


@dataclass(frozen=True, eq=False)
class Review(Mapping[str, Verdict]):
    """The verdict on every entry: a read-only mapping name -> `Verdict`. ``apply`` carries it out.

    Attributes
    ----------
    batch_shape : tuple of int
        The leading dimensions that all entries share: ``()``, ``(draws,)`` or ``(chains, draws)``.
    missing : tuple of str
        Latents of the model without an entry: ``Predictive`` draws them, the predicted sites among them.
    predicted : tuple of str
        Those of them from which nothing else is drawn: targets are among them.
    assumed : tuple of str
        The arguments that were worked out from the samples, where none were passed: ``"X: float32[1000, 3]"``.
    """

    verdicts: Mapping[str, Verdict]
    shapes: Mapping[str, Shape | None]  # as recorded, batch dimensions included
    batch_shape: Shape
    missing: Names
    predicted: Names
    assumed: Names
    extended: Names  # latents that are to be carried on, those of a loop without an entry among them
    refusals: tuple[Said, ...]
    notices: tuple[Said, ...]
    remarks: Names  # on the arguments
    call: Call | None  # without data, where the model does not need them
    indices: tuple[OutOfRange, ...] = ()  # of this call that do not exist

    @classmethod
    def of(cls, fit: Fit, verbs: Verbs, options: Options) -> Review:
        """Give a verdict on every entry, before the values of indices are looked at."""
        inspection, facts = fit.inspection, facts_of(fit, verbs, options)
        verdicts = verdicts_on(facts)
        refused = tuple(refusals(facts, verdicts))
        missing = tuple(name for name in inspection.run.named("latent") if name not in verdicts)
        return cls(
            verdicts,
            shapes=dict(fit.samples.shapes),
            batch_shape=fit.batch_shape,
            missing=missing,
            predicted=tuple(name for name in missing if name in inspection.ends),
            assumed=inspection.assumed,
            extended=facts.extended(),
            refusals=refused,
            notices=() if refused else tuple(notices(facts, verdicts)),
            remarks=() if refused else tuple(remarks(facts)),
            call=inspection.call.without_data(),
        )

    def __getitem__(self, name: str) -> Verdict:
        if name not in self.verdicts:
            raise KeyError(f"no entry {name!r} in these samples: they have {listing(self.verdicts)}")
        return self.verdicts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.verdicts)

    def __len__(self) -> int:
        return len(self.verdicts)

    @functools.cached_property
    def kept(self) -> frozenset[str]:
        """Names of the entries that stay."""
        return self._with_action(KEPT)

    @functools.cached_property
    def stripped(self) -> frozenset[str]:
        """Names of the entries that go without loss: they are recomputed or predicted."""
        return self._with_action(STRIPPED)

    @functools.cached_property
    def redrawn(self) -> frozenset[str]:
        """Names of the fitted latents that go: ``Predictive`` draws them from their prior."""
        return self._with_action(REDRAWN)

    @functools.cached_property
    def gone(self) -> frozenset[str]:
        """Names of the entries that ``apply`` takes out: what is stripped, and what is redrawn."""
        return self.stripped | self.redrawn

    @functools.cached_property
    def refused(self) -> frozenset[str]:
        """Names of the entries that can neither stay nor go: ``apply`` raises."""
        return self._with_action(REFUSED)

    def _with_action(self, action: str) -> frozenset[str]:
        return frozenset(name for name, verdict in self.verdicts.items() if verdict.action == action)

    def with_indices(self, inspection: Inspection) -> Review:
        """With the indices in a user's arguments that do not exist. Arguments that were worked out are made up."""
        is_asked = not (self.refusals or self.assumed)
        return replace(self, indices=inspection.indices_out_of_range()) if is_asked else self

    def warn(self) -> None:
        """Repeat the warnings of the review, at the line of the user that asks for them."""
        for category, message, seen in self.notices:
            warn(message, category, **seen)
        if self.indices:
            warn(messages.indices_out_of_range(self.indices), IndexRangeWarning, indices=self.indices)

    @overload
    def apply(self, samples: Same) -> Same: ...
    @overload
    def apply(self, samples: Converted) -> dict[str, jax.Array]: ...
    def apply(self, samples: Any) -> Any:
        """Strip samples that have the reviewed entries: the same type comes back, with the same array objects.

        Raises
        ------
        ShapeMismatchError, MissingLatentError
            What was refused. The error carries the ``review``.
        SamplesTypeError
            If the names, or the per-draw shapes of kept entries, are not those that were reviewed.
        NothingLeftError
            If no entry would be left.
        """
        self.refuse()
        same_names = type(samples) is dict and len(samples) == len(self.verdicts) and self.gone <= samples.keys()
        if same_names and self.kept:  # a service does this many times, with the same names and shapes
            clean = samples.copy()
            for name in self.gone:
                del clean[name]
            names, shapes = self._kept_shapes
            try:
                if list(clean) == names and list(map(_SHAPE, clean.values())) == shapes:
                    return clean
            except AttributeError:
                pass
        return self.apply_to(containers.open(samples))

    def apply_to(self, samples: Container) -> Any:
        """The same for samples that are open."""
        self.refuse()
        if not self.kept:
            raise NothingLeftError(messages.nothing_left(self, self.batch_shape), batch_shape=self.batch_shape)
        self._refuse_other_entries(samples.shapes)
        return samples.keep(self.kept)

    def refuse(self) -> None:
        """Raise what was refused, if anything was."""
        for category, message, seen in self.refusals:
            raise category(message, review=self, **seen)

    @functools.cached_property
    def _kept_shapes(self) -> tuple[list[str], list[Shape | None]]:
        names = [name for name in self.shapes if name in self.kept]
        return names, [self.shapes[name] for name in names]

    def _refuse_other_entries(self, shapes: Mapping[str, Shape | None]) -> None:
        ndims = len(self.batch_shape)
        extra = [name for name in shapes if name not in self.shapes]
        lacking = [name for name in self.shapes if name not in shapes]
        parts = [f"{listing(extra)} not reviewed"] if extra else []
        parts += [f"{listing(lacking)} reviewed but not there"] if lacking else []
        for name in self.kept.intersection(shapes):
            was, now = self.shapes[name], shapes[name]
            if (was or ())[ndims:] != (now or ())[ndims:]:
                parts.append(f"{name!r} has shape {now}, but {was} was reviewed")
        if parts:
            raise SamplesTypeError(f"These are not the entries reviewed: {'; '.join(parts)}. Review them anew.")

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for name in sorted(self, key=lambda name: _ORDER.index(self[name].action)):
            verdict = self[name]
            recorded, model = shape_text(verdict.recorded_shape), shape_text(verdict.model_shape)
            rows.append((name, verdict.action, recorded, model, verdict.reason))
        return rows

    def _summary(self) -> str:
        refused = f"{len(self.refused)} refused, " if self.refused else ""
        redrawn = f"{len(self.redrawn)} redrawn, " if self.redrawn else ""
        counts = f"{refused}{len(self.stripped)} of {len(self)} entries stripped, {redrawn}{len(self.kept)} kept"
        ndims = len(self.batch_shape)
        by_chain = f": batch_ndims={ndims} for NumPyro" if ndims > 1 else ""
        return f"{counts} (batch shape {self.batch_shape}{by_chain}, shapes per draw)"

    def _lines(self) -> list[str]:
        """The lines below the table."""
        lines = []
        latents = [name for name in self.missing if name not in self.predicted]
        if latents:
            lines.append(f"latents without an entry, drawn by Predictive: {', '.join(latents)}")
        if self.predicted:
            lines.append(f"predicted: {', '.join(self.predicted)}")
        if self.assumed:
            lines.append(f"arguments worked out from the samples: {', '.join(self.assumed)}")
        return [*lines, *map(messages.on_index, self.indices), *self.remarks]

    def __repr__(self) -> str:
        return "\n".join([self._summary(), text_table(_COLUMNS, self._rows()), *self._lines()])

    def to_dataframe(self) -> pd.DataFrame:
        """The table of verdicts with one row an entry, in the order of the entries.

        Returns
        -------
        pandas.DataFrame
            Indexed by ``entry``, with columns ``verdict``, ``recorded``, ``model`` (shapes per draw, or None) and
            ``reason``.

        Examples
        --------
        >>> import numpy as np, numpyro, numpyro.distributions as dist
        >>> from sanitize import inspect_sites
        >>> def model(x, y=None):
        ...     slope = numpyro.sample("slope", dist.Normal())
        ...     numpyro.deterministic("mu", slope * x)
        >>> review = inspect_sites(model, np.zeros(3)).review({"slope": np.zeros(50), "mu": np.zeros((50, 100))})
        >>> review.to_dataframe()["verdict"].to_dict()
        {'slope': 'kept', 'mu': 'stripped'}
        """
        rows = [(name, v.action, v.recorded_shape, v.model_shape, v.reason) for name, v in self.items()]
        return dataframe(_COLUMNS, rows)

    def render(self) -> graphviz.Digraph:
        """NumPyro's graph of the model: what is kept, what is stripped (greyed), what is redrawn (double outline).

        Needs the Python package ``graphviz`` (``pip install graphviz``); the program ``dot`` only to turn the graph
        into a picture, as notebooks do.

        Returns
        -------
        graphviz.Digraph

        Raises
        ------
        ImportError
            Without the package ``graphviz``.
        OptionError
            If the review was copied or pickled: it has left its model behind.

        Notes
        -----
        Edges and plates are those of ``numpyro.render_model``; a model with ``scan``, which that does not support,
        is drawn from the sites alone.

        Examples
        --------
        >>> import numpy as np, numpyro, numpyro.distributions as dist
        >>> from sanitize import inspect_sites
        >>> def model(x, y=None):
        ...     slope = numpyro.sample("slope", dist.Normal())
        ...     numpyro.deterministic("mu", slope * x)
        >>> review = inspect_sites(model, np.zeros(3)).review({"slope": np.zeros(50), "mu": np.zeros((50, 100))})
        >>> graph = review.render()  # doctest: +SKIP
        """
        if self.call is None:
            raise OptionError(
                "This review was copied or pickled, and has left its model behind: review anew to render."
            )
        words = {name: verdict.action for name, verdict in self.items()}
        words.update(dict.fromkeys(self.missing, "no entry"))
        return render(self.call, words)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "call": None}  # models are often closures, which do not pickle

    def _repr_html_(self) -> str:
        return html_table(_COLUMNS, self._rows(), self._summary(), self._lines())


_COLUMNS = ("entry", "verdict", "recorded", "model", "reason")
