"""The table of verdicts: what happens to each entry of posterior samples, and why.

Knows shapes and sites, never containers.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from . import containers
from .errors import (
    BatchShapeError,
    MissingLatentError,
    NoSharedSiteError,
    NothingLeftError,
    OptionError,
    RedrawnSiteWarning,
    RowLevelSiteWarning,
    SamplesTypeError,
    ShapeMismatchError,
    listing,
    warn,
)
from .evidence import FitEvidence, fit_evidence
from .probes import is_integer, named_by_row, nothing_follows, numbered, shape_of
from .sites import Call, Shape, Site, SiteTable, describe_model, without_data
from .tables import dataframe, html_table, text_table

if TYPE_CHECKING:
    import graphviz
    import pandas as pd

KEPT, STRIPPED = "kept", "stripped"

_SHAPE = attrgetter("shape")


@dataclass(frozen=True)
class Verdict:
    """What happens to one entry.

    Attributes
    ----------
    action : str
        ``"kept"`` or ``"stripped"``.
    reason : str
        Why, in one sentence.
    recorded_shape : tuple of int, or None
        The entry's shape without chain and draw dimensions; None for a tree of arrays.
    model_shape : tuple of int, or None
        The site's shape in the model with these arguments; None where it has no such site.
    """

    action: str
    reason: str
    recorded_shape: Shape | None
    model_shape: Shape | None


@dataclass(frozen=True, eq=False)
class Review(Mapping[str, Verdict]):
    """The verdict on every entry: a read-only mapping name -> `Verdict`. ``apply`` carries it out.

    Attributes
    ----------
    batch_shape : tuple of int
        The leading dimensions that all entries share: ``()``, ``(draws,)`` or ``(chains, draws)``.
    missing : tuple of str
        Latents of the model without an entry: ``Predictive`` draws them, the predicted sites among them.
    assumed : tuple of str
        The arguments that were worked out from the samples, where none were passed: ``"X: float32[1000, 3]"``.
    redrawn : frozenset of str
        Fitted latents that are stripped: ``Predictive`` draws them from their (conditional) prior.
    """

    verdicts: Mapping[str, Verdict] = field(repr=False)
    shapes: Mapping[str, Shape | None] = field(repr=False)  # as recorded, batch dimensions included
    batch_shape: Shape
    missing: tuple[str, ...]
    group: str = field(default=containers.POSTERIOR, repr=False)  # of samples that have groups
    notices: tuple[tuple[str, type[Warning]], ...] = field(default=(), repr=False)  # what `warn` says
    assumed: tuple[str, ...] = ()
    redrawn: frozenset[str] = frozenset()
    call: Call | None = field(default=None, repr=False)  # without data, where the model does not need them

    def __getitem__(self, name: str) -> Verdict:
        return self.verdicts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.verdicts)

    def __len__(self) -> int:
        return len(self.verdicts)

    @functools.cached_property
    def kept(self) -> frozenset[str]:
        """Names of the entries that stay."""
        return frozenset(name for name, verdict in self.verdicts.items() if verdict.action == KEPT)

    @functools.cached_property
    def stripped(self) -> frozenset[str]:
        """Names of the entries that go."""
        return frozenset(self.verdicts) - self.kept

    def warn(self) -> None:
        """Say again what was said when the samples were reviewed, at the line that asks."""
        for message, category in self.notices:
            warn(message, category)

    def apply(self, samples: Any) -> Any:
        """Strip samples that have the reviewed entries: the same type comes back, with the same array objects.

        Raises
        ------
        SamplesTypeError
            If the names, or the per-draw shapes of kept entries, are not those that were reviewed.
        NothingLeftError
            If no entry would be left.
        """
        if not self.kept:
            raise NothingLeftError(
                f"Every entry would be stripped: {listing(self)}. Without latents there is nothing to condition on: "
                f"call Predictive(model, num_samples={int(np.prod(self.batch_shape))}) instead, or use "
                f"sanitize.Predictive, which goes on with the number of draws that the samples had.",
                batch_shape=self.batch_shape,
            )
        if type(samples) is dict and len(samples) == len(self.verdicts) and self.stripped <= samples.keys():
            # what serving does, many times: the same names in the same shapes
            clean = samples.copy()
            for name in self.stripped:
                del clean[name]
            names, shapes = self._kept_shapes
            try:
                if list(clean) == names and list(map(_SHAPE, clean.values())) == shapes:
                    return clean
            except AttributeError:
                pass
        self._check_entries(containers.entry_shapes(samples, self.group))
        return containers.keep(samples, self.kept, self.group)

    @functools.cached_property
    def _kept_shapes(self) -> tuple[list[str], list[Shape | None]]:
        names = [name for name in self.shapes if name in self.kept]
        return names, [self.shapes[name] for name in names]

    def _check_entries(self, shapes: Mapping[str, Shape | None]) -> None:
        ndims = len(self.batch_shape)
        extra = [name for name in shapes if name not in self.shapes]
        lacking = [name for name in self.shapes if name not in shapes]
        parts = [f"{listing(extra)} not reviewed"] if extra else []
        parts += [f"{listing(lacking)} reviewed but not there"] if lacking else []
        parts += [
            f"{name!r} has shape {shapes[name]}, reviewed was {self.shapes[name]}"
            for name in self.kept.intersection(shapes)
            if (shapes[name] or ())[ndims:] != (self.shapes[name] or ())[ndims:]
        ]
        if parts:
            raise SamplesTypeError(f"These are not the entries reviewed: {'; '.join(parts)}. Review them anew.")

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (name, v.action, _text(v.recorded_shape), _text(v.model_shape), v.reason)
            for name, v in sorted(self.verdicts.items(), key=lambda item: item[1].action == KEPT)
        ]

    def _summary(self) -> str:
        stripped = len(self) - len(self.kept)
        batch = f"batch shape {self.batch_shape}"
        return f"{stripped} of {len(self)} entries stripped, {len(self.kept)} kept ({batch}, shapes per draw)"

    def _missing_line(self) -> str:
        return f"latents without an entry, drawn by Predictive: {', '.join(self.missing)}" if self.missing else ""

    def _assumed_line(self) -> str:
        return f"arguments worked out from the samples: {', '.join(self.assumed)}" if self.assumed else ""

    def __repr__(self) -> str:
        lines = [self._summary(), text_table(_COLUMNS, self._rows()), self._missing_line(), self._assumed_line()]
        return "\n".join(line for line in lines if line)

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

        Needs the Python package ``graphviz`` (``pip install 'numpyro-sanitize[render]'``); the program ``dot`` only to
        turn the graph into a picture, as notebooks do.

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
        from .render import render

        if self.call is None:
            raise OptionError(
                "This review was copied or pickled, and has left its model behind: review anew to render."
            )
        return render(self, self.call)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "call": None}  # models are often closures, which do not pickle

    def _repr_html_(self) -> str:
        caption = ". ".join(line for line in (self._summary(), self._missing_line(), self._assumed_line()) if line)
        return html_table(_COLUMNS, self._rows(), caption)


_COLUMNS = ("entry", "verdict", "recorded", "model", "reason")


def _text(shape: Shape | None) -> str:
    return "-" if shape is None else str(shape)


def review_samples(
    table: SiteTable,
    samples: Any,
    *,
    new_rows: bool | None = None,
    redraw: Sequence[str] = (),
    batch_ndims: int | None = None,
    group: str = containers.POSTERIOR,
    evidence: FitEvidence | None = None,
) -> Review:
    """Give a verdict on every entry, and say what is redrawn. See `SiteTable.review`."""
    shapes = containers.entry_shapes(samples, group)
    if batch_ndims is None:
        batch_ndims = containers.batch_ndims(samples, group)
    if evidence is None:
        evidence = fit_evidence(table.call, samples)
    facts = _Facts(table, shapes, new_rows, redraw, batch_ndims, evidence)
    verdicts = {name: _verdict(facts, name) for name in facts.shapes}
    _refuse_mismatches(facts)
    _refuse_lost_latents(facts, [name for name, verdict in verdicts.items() if verdict.action == STRIPPED])
    missing = tuple(name for name in facts.latents if name not in facts.shapes)
    notices = tuple(_notices(facts, verdicts))
    redrawn = frozenset(name for name in facts.latent_entries if verdicts[name].action == STRIPPED) | facts.redraw
    review = Review(
        verdicts,
        dict(facts.shapes),
        facts.batch_shape,
        missing,
        group,
        notices,
        table.call.assumed,
        redrawn.intersection(verdicts),
        without_data(table.call),
    )
    review.warn()
    return review


def _verdict(facts: _Facts, name: str) -> Verdict:
    """The table of verdicts, row by row."""
    site = facts.site(name)

    def verdict(action: str, reason: str) -> Verdict:
        return Verdict(action, reason, facts.recorded(name), None if site is None else site.shape)

    if site is None:
        return verdict(KEPT, "unused: no site of this model, Predictive ignores it")
    if site.kind == "deterministic":
        source = f" from {', '.join(site.parents)}" if site.parents else ""
        return verdict(STRIPPED, f"deterministic: recomputed{source}")
    if site.kind == "observed":
        return verdict(STRIPPED, "observed: predicted anew, or scored from the data passed")
    if site.kind == "plate":
        return verdict(STRIPPED, "plate: its indices belong to the rows that were subsampled then")
    if site.kind in ("param", "mutable"):
        return verdict(KEPT, f"{site.kind}: no random site")
    if name in facts.redraw:
        return verdict(STRIPPED, "latent named in redraw: drawn from its prior")
    if observed := facts.observed(name):
        return verdict(STRIPPED, f"observed {observed}: predicted anew, or scored from the data passed")
    if not facts.row_level(name):
        return verdict(KEPT, "latent: fits")  # or is refused, see _refuse_mismatches
    if not facts.rows_fit(name):
        return verdict(STRIPPED, "row-level latent: its rows do not fit, drawn from its conditional prior")
    new, why = facts.rows_are_new
    if new:
        return verdict(STRIPPED, f"row-level latent: {why}, drawn from its conditional prior")
    return verdict(KEPT, f"row-level latent: fits, {why}")


class _Facts:
    """What the table of verdicts asks. Probes run only when an answer can change a verdict."""

    def __init__(
        self,
        table: SiteTable,
        shapes: Mapping[str, Shape | None],
        new_rows: bool | None,
        redraw: Sequence[str],
        batch_ndims: int | None,
        evidence: FitEvidence,
    ):
        self.table, self.shapes, self.evidence = table, shapes, evidence
        self.latents = tuple(name for name, site in table.run.sites.items() if site.kind == "latent")
        _refuse_other_model(self)
        _check_options(self, new_rows, redraw)
        self.new_rows, self.redraw = new_rows, frozenset(redraw)
        model_shapes = {name: site.shape for name in shapes if (site := self.site(name)) is not None}
        self.batch_shape = _batch_shape(shapes, model_shapes, batch_ndims)

    def site(self, name: str) -> Site | None:
        """The site of this name; failing that, one that only runs without a mask (``log_likelihood``) have."""
        return self.table.run.sites.get(name) or self.table.unmasked.get(name)

    def recorded(self, name: str) -> Shape | None:
        """The entry's per-draw shape."""
        shape = self.shapes[name]
        return None if shape is None else shape[len(self.batch_shape) :]

    def observed(self, name: str) -> str | None:
        """How we know that a site which is latent in this call was observed in the fit; None: it was not."""
        if name in self.evidence.observed:
            return "in the fit"
        if self._a_target_may_be_there and name in self.table.observable:
            return f"when {self.table.observable[name]} is given"
        return None

    @functools.cached_property
    def _a_target_may_be_there(self) -> bool:
        """Nothing is drawn from a prediction target. A posterior of coefficients alone needs no probe."""
        run = self.table.run
        drawn_from = frozenset[str]().union(*(run.ancestors.get(name, ()) for name in run.dist_shapes))
        return any(name in self.shapes and name not in drawn_from for name in self.latents)

    @functools.cached_property
    def latent_entries(self) -> list[str]:
        """Entries whose shape has to fit."""
        return [
            name
            for name in self.shapes
            if (site := self.site(name)) is not None
            and site.kind == "latent"
            and name not in self.redraw
            and not self.observed(name)
        ]

    def mismatch(self, name: str) -> tuple[int, ...] | None:
        """The dimensions in which the recorded shape is not the model's; None where their number differs."""
        site, recorded = self.site(name), self.recorded(name)
        model = None if site is None else site.shape
        if recorded is None or model is None:
            return () if recorded is model else None
        more = max(len(recorded) - len(model), 0)
        if recorded[:more] == (1,) * more:
            recorded = recorded[more:]  # axes of size one in front broadcast
        if len(recorded) != len(model):
            return None
        return tuple(i for i, (n, m) in enumerate(zip(recorded, model)) if n != m)

    def row_level(self, name: str) -> bool:
        """Whether it has values for the rows: along a dimension, or as one of many sites."""
        return bool(self.row_dims(name)) or name in self._named_by_row

    def row_dims(self, name: str) -> tuple[int, ...]:
        return self._row_dims.get(name, ())

    @functools.cached_property
    def _named_by_row(self) -> Mapping[str, bool]:
        """Latents that a loop over the rows names, and whether the samples hold those of the same rows."""
        if self.new_rows is False:
            return {}
        found = named_by_row(self.table.call, self.table.run).intersection(self.latent_entries)
        if not found:
            return {}
        recorded = numbered(self.shapes)
        loops = numbered(self.latents).items()
        return {
            name: set(names) == set(recorded[pattern]) for pattern, names in loops for name in found.intersection(names)
        }

    @functools.cached_property
    def _row_dims(self) -> Mapping[str, tuple[int, ...]]:
        table = self.table
        dimensioned = [name for name in self.latent_entries if self.recorded(name) and name in table.run.sites]
        all_fit = all(self.mismatch(name) == () for name in self.latent_entries)
        if all_fit and (not dimensioned or self.new_rows is False):
            return {}
        if all_fit and nothing_follows(table.call, table.run, dimensioned):
            return {}
        return table.row_dims

    def continues(self, name: str) -> bool:
        """A series in a ``scan`` that is recorded for its first steps: NumPyro draws the steps after them."""
        if name not in self.table.run.scanned or self.mismatch(name) != (0,):
            return False
        recorded, site = self.recorded(name), self.site(name)
        return bool(recorded and site and site.shape and recorded[0] < site.shape[0])

    def rows_fit(self, name: str) -> bool:
        if name in self._named_by_row:
            return self._named_by_row[name]
        return self.mismatch(name) == () or self.continues(name)

    @functools.cached_property
    def same_rows(self) -> bool | None:
        """Whether the data passed are those of the fit; None: unknown."""
        same = self.evidence.same_rows
        return same() if callable(same) else same

    @functools.cached_property
    def rows_are_new(self) -> tuple[bool, str]:
        """Whether row-level latents that fit are stripped nevertheless, and by which evidence."""
        if self.new_rows is not None:
            return self.new_rows, f"new_rows={self.new_rows}"
        if any(self.row_level(name) and not self.rows_fit(name) for name in self.latent_entries):
            return True, "the rows of another entry do not fit"
        if self.same_rows is not None:
            return not self.same_rows, (
                "the data are those of the fit" if self.same_rows else "the data differ from those of the fit"
            )
        if self.table.call.bare:
            return True, "no arguments were passed and the result has to fit any rows"
        return False, "nothing tells whether these are the rows of the fit"


def _refuse_other_model(facts: _Facts) -> None:
    if not facts.shapes:
        raise NoSharedSiteError(
            "The samples are empty: there is nothing to strip. To predict from the prior, call "
            "Predictive(model, num_samples=...).",
            entries=(),
            latents=facts.latents,
        )
    if any(facts.site(name) for name in facts.shapes):
        return
    model, run = facts.table.call.model, facts.table.run
    what = f"No entry is a site of {describe_model(model)}: the samples have {listing(facts.shapes)}, "
    what += f"the model's latents are {listing(facts.latents) or 'none'}" if run.sites else "the model runs no sites"
    trees = [name for name, shape in facts.shapes.items() if shape is None]
    if inspect.isclass(model):
        way_out = "It is a class: pass an instance that can be called"
    elif trees:
        way_out = f"Entry {listing(trees)} is no array: if the draws are in it, pass it alone"
    else:
        way_out = "Pass the model that was fitted"
    raise NoSharedSiteError(f"{what}. {way_out}.", entries=tuple(facts.shapes), latents=facts.latents)


def _check_options(facts: _Facts, new_rows: Any, redraw: Any) -> None:
    if not (new_rows is None or isinstance(new_rows, bool)):
        raise OptionError(f"new_rows is {new_rows!r}: it has to be True, False or None.")
    if isinstance(redraw, str) or not isinstance(redraw, Collection):
        raise OptionError(f"redraw is {redraw!r}: it has to be a sequence of site names, as in redraw=('a',).")
    for name in redraw:
        if name in facts.latents:
            continue
        site = facts.site(name) if isinstance(name, str) else None
        what = "no site" if site is None else f"a site of kind {site.kind}"
        raise OptionError(
            f"redraw names {name!r}, which is {what} of this model: only latents can be drawn from their prior, "
            f"and its latents are {listing(facts.latents) or 'none'}."
        )


def _batch_shape(
    shapes: Mapping[str, Shape | None], model_shapes: Mapping[str, Shape | None], ndims: int | None
) -> Shape:
    """The leading dimensions that all entries share: none, draws, or chains and draws.

    How many they are, the shapes of the model's sites tell: the number with which most entries fit.
    """
    arrays = {name: shape for name, shape in shapes.items() if shape is not None}
    if ndims is None:
        pairs = [(arrays[name], shape) for name, shape in model_shapes.items() if name in arrays and shape is not None]

        def agreement(ndims: int) -> tuple[int, int]:
            exact = sum(recorded[ndims:] == shape for recorded, shape in pairs if len(recorded) >= ndims)
            return exact, sum(len(recorded) == ndims + len(shape) for recorded, shape in pairs)

        ndims = max((1, 2, 0), key=agreement)
    short = {name: shape for name, shape in arrays.items() if len(shape) < ndims}
    if short:
        raise BatchShapeError(
            f"Entry {listing(short)} has too few dimensions: {_shapes_text(short)}, where the other entries have "
            f"{ndims} leading batch dimension{'s' * (ndims > 1)} (chains, draws). Give every entry one value per "
            f"draw, or remove it.",
            shapes=dict(arrays),
        )
    empty = {name: shape for name, shape in arrays.items() if 0 in shape[:ndims]}
    if empty:
        raise BatchShapeError(
            f"The samples hold no draws: {_shapes_text(empty)}. Run the fit with num_samples > 0, or look at how they "
            f"were thinned.",
            shapes=dict(arrays),
        )
    batches: dict[Shape, str] = {}
    for name, shape in arrays.items():
        batches.setdefault(shape[:ndims], name)
    if len(batches) > 1:
        odd = {name: arrays[name] for name in batches.values()}
        raise BatchShapeError(
            f"The entries disagree on their leading chain and draw dimensions: {_shapes_text(odd)}, of which the "
            f"first {ndims} should be the same. Thin or group all entries alike before stripping.",
            shapes=dict(arrays),
        )
    return next(iter(batches), ())


def _shapes_text(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{name!r} has shape {shape}" for name, shape in shapes.items())


def _refuse_mismatches(facts: _Facts) -> None:
    """A latent that does not fit in another dimension than rows: features or groups have changed."""
    recorded: dict[str, Shape] = {}
    model: dict[str, Shape] = {}
    lines = []
    for name in facts.latent_entries:
        site, dims, rows = facts.site(name), facts.mismatch(name), facts.row_dims(name)
        if dims is not None and set(dims) <= set(rows):
            continue
        was, now = facts.recorded(name), site.shape if site else None
        if was is None or now is None:
            raise SamplesTypeError(
                f"Entry {name!r} is {_what(was)}, whereas the latent {name!r} of the model is {_what(now)}. Make the "
                f"entry what the model draws, with the draws along the first axis."
            )
        recorded[name], model[name] = was, now
        line = f"Latent {name!r} has recorded shape {was} per draw, the model's is {now}"
        for dim in set(dims or ()).difference(rows):
            line += f"; dimension {dim} is {was[dim]} instead of {now[dim]}"
            line += _likely_source(facts.table.call, now[dim])
        lines.append(line)
    if lines:
        raise ShapeMismatchError(
            f"{'. '.join(lines)}. A fitted coefficient is never replaced by "
            f"its prior unasked: pass arguments of the size that was fitted, or redraw={tuple(recorded)!r} to draw "
            f"from the prior.",
            recorded=recorded,
            model=model,
        )


def _what(shape: Shape | None) -> str:
    return "a mapping or tuple" if shape is None else f"an array of shape {shape} per draw"


def _likely_source(call: Call, size: int) -> str:
    """The argument that most likely brought a size: one that has an axis of it, or is that number."""
    for name, leaf in zip(call.names, call.leaves):
        if size in shape_of(leaf):
            return f" (argument {name!r} has shape {shape_of(leaf)})"
    for name, leaf in zip(call.names, call.leaves):
        if is_integer(leaf) and int(leaf) == size:
            return f" (argument {name!r} is {leaf})"
    return ""


def _refuse_lost_latents(facts: _Facts, stripped: Sequence[str]) -> None:
    """A site computed from a latent without entry: what was fitted would be replaced by prior draws."""
    missing: dict[str, tuple[str, ...]] = {}
    for name in stripped:
        site = facts.site(name)
        assert site is not None
        absent = [parent for parent in site.parents if parent not in facts.shapes and parent not in facts.redraw]
        absent = [parent for parent in absent if not facts.table.run.sites[parent].discrete]  # marginalized
        if absent and facts.new_rows:  # it was said that these are other rows than the fit's
            absent = [parent for parent in absent if not facts.table.row_dims.get(parent)]
        targets = facts.evidence.observed.union(facts.table.observable if absent else ())
        if lost := tuple(parent for parent in absent if parent not in targets):
            missing[name] = lost
    if missing:
        lost = tuple(dict.fromkeys(parent for parents in missing.values() for parent in parents))
        computed = "; ".join(f"{name!r} from {listing(parents)}" for name, parents in missing.items())
        raise MissingLatentError(
            f"In this model {listing(missing)} would be recomputed from latents that the samples do not hold "
            f"({computed}): stripped, the fitted values would be replaced by draws from the prior. Pass the model "
            f"that was fitted, add the missing entries, or pass redraw={lost!r} to draw them from their prior.",
            missing=missing,
        )


def _notices(facts: _Facts, verdicts: Mapping[str, Verdict]) -> Iterator[tuple[str, type[Warning]]]:
    """Nothing is redrawn from a prior, or kept on a guess, without a warning that says how to settle it."""
    if facts.new_rows is True:
        return
    rows = [name for name in facts.latent_entries if facts.row_level(name)]
    redrawn = [name for name in rows if verdicts[name].action == STRIPPED]
    if redrawn:
        settle = "new_rows=True says that this is meant"
        if all(facts.rows_fit(name) for name in redrawn):
            settle += ", new_rows=False keeps them"
        why = "their rows do not fit these arguments" if not facts.rows_fit(redrawn[0]) else facts.rows_are_new[1]
        yield (
            f"Stripped the row-level latents {_sizes(facts, redrawn)}: {why}. The model draws them from their "
            f"conditional prior; {settle}.",
            RedrawnSiteWarning,
        )
    guessed = [name for name in rows if name not in redrawn]
    if guessed and facts.new_rows is None and facts.same_rows is None:
        yield (
            f"Kept the row-level latents {_sizes(facts, guessed)}: they fit, but {facts.rows_are_new[1]}. "
            f"new_rows=False says that they are; new_rows=True strips them, for other rows.",
            RowLevelSiteWarning,
        )


def _sizes(facts: _Facts, names: Sequence[str]) -> str:
    """``'z' (recorded (100,), model (20,))``."""
    return ", ".join(
        f"{name!r} (recorded {_text(facts.recorded(name))}, model {_text(site.shape if site else None)})"
        for name in names
        for site in [facts.site(name)]
    )
