"""One abstract run of a model: the name, kind, shape, dtype and plates of every site.

The run is NumPyro's own ``trace``, ``seed``, ``substitute`` and ``mask`` under ``jax.make_jaxpr``: what
``jax.eval_shape`` does, and the jaxpr tells in addition which latents a value is computed from. Nothing
is sampled or allocated, so that the cost does not depend on the number of rows.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import jax
import numpy as np
from numpyro import handlers
from numpyro.distributions import Distribution
from numpyro.infer import Predictive, init_to_uniform
from numpyro.primitives import Messenger

from .errors import ModelArgumentsError
from .tables import dataframe, html_table, text_table

if TYPE_CHECKING:
    import pandas as pd

    from .review import Review

Shape = tuple[int, ...]

# NumPyro's stack of effect handlers is one list for the whole process: runs of two threads would see
# each other's sites. Re-entrant, because a model may itself predict with a sanitized posterior.
ONE_RUN_AT_A_TIME = threading.RLock()

# What JAX raises where Python code asks a tracer for its value (`int(x)`, `if z:`, `x[mask]`, `np.unique(x)`).
_NEEDS_VALUES = (jax.errors.JAXTypeError, jax.errors.JAXIndexError)


class Plate(NamedTuple):
    """A plate around a site: its name, its (negative) batch dimension, and its (subsampled) size."""

    name: str
    dim: int
    size: int


@dataclass(frozen=True)
class Site:
    """What one abstract run tells of a site. Plain Python throughout: no arrays, no tracers.

    Attributes
    ----------
    name : str
        Name of the site, with the prefixes that ``handlers.scope`` gave it.
    kind : str
        ``"latent"``, ``"observed"``, ``"deterministic"``, ``"param"``, ``"mutable"`` or ``"plate"``. The words
        are those of NumPyro's trace: ``factor`` is observed, an unobserved ``Delta`` is a latent.
    shape : tuple of int, or None
        Shape of one value, without chain and draw dimensions; None where the value is no array but a
        tree of arrays (the ``param`` of a neural network).
    dtype : numpy.dtype, or None
        Canonical dtype of the value.
    event_dim : int
        How many rightmost dimensions belong to one event; 0 for sites without a distribution.
    plates : tuple of Plate
        The plates around the site, innermost first.
    parents : tuple of str
        Names of the latents that a deterministic (or observed) value is computed from.
    row_dims : tuple of int
        The dimensions of ``shape`` that follow the rows of the data.
    observable : str, or None
        For a latent: the name of the argument which, given, makes it an observed site.
    """

    name: str
    kind: str
    shape: Shape | None
    dtype: Any
    event_dim: int = 0
    plates: tuple[Plate, ...] = ()
    parents: tuple[str, ...] = ()
    row_dims: tuple[int, ...] = ()
    observable: str | None = None

    @property
    def discrete(self) -> bool:
        """Whether its values are integers, so that a fit may have marginalized it."""
        return isinstance(self.dtype, np.dtype) and self.dtype.kind in "iub"


@dataclass(frozen=True)
class Run:
    """The outcome of one run: its sites, and what probes and verdicts need beside them."""

    sites: Mapping[str, Site]
    dist_shapes: Mapping[str, Shape]  # of sample sites: the shape that their distribution draws
    scanned: frozenset[str]  # sites inside `control_flow.scan`
    ancestors: Mapping[str, frozenset[str]]  # of sample sites: the latents that their value is drawn from
    mode: str  # "abstract", "concrete" or "eager"


def _is_tracer(x: Any) -> bool:
    return isinstance(x, jax.core.Tracer)


def is_array(x: Any) -> bool:
    """Whether an argument is made abstract: an array of a dtype that JAX knows."""
    if isinstance(x, (jax.Array, jax.ShapeDtypeStruct)):
        return True
    # not its subclasses: a masked array without its mask would be another argument
    return type(x) is np.ndarray and x.dtype.kind in "biufc"


def abstract(x: Any) -> Any:
    """Shape and canonical dtype in place of an array."""
    dtype = x.dtype
    if isinstance(dtype, np.dtype):  # the dtype of a typed PRNG key is none, and canonicalize_dtype rejects it
        dtype = jax.dtypes.canonicalize_dtype(dtype)
    return jax.ShapeDtypeStruct(tuple(x.shape), dtype)


def is_number_list(x: Any) -> bool:
    """A list of numbers, also nested, is data (one argument), not a container of arguments."""
    return (
        isinstance(x, list)
        and len(x) > 0
        and all(isinstance(v, (bool, int, float, complex)) or is_number_list(v) for v in x)
    )


def _own(x: Any) -> Any:
    """A copy of data that a model could change in place: a run to look leaves the caller's as it is."""
    if type(x) is np.ndarray:
        return x.copy()
    return [_own(v) for v in x] if is_number_list(x) else x


def _is_leaf(x: Any) -> bool:
    return x is None or is_number_list(x)


class _InOrder(dict[Any, Any]):
    """A dict that JAX flattens in the order in which the model gets it: a plain one it sorts, if it can."""


jax.tree_util.register_pytree_with_keys(
    _InOrder,
    lambda d: ([(jax.tree_util.DictKey(key), value) for key, value in d.items()], tuple(d)),
    lambda keys, values: cast(Any, dict(zip(keys, values))),  # a plain dict again: what the model was to get
)


def _in_order(x: Any) -> Any:
    if type(x) is dict:
        return _InOrder((key, _in_order(value)) for key, value in x.items())
    if type(x) is tuple or (type(x) is list and not is_number_list(x)):
        return type(x)(map(_in_order, x))
    return x


@dataclass(frozen=True)
class Call:
    """A model and the arguments of one call, flat, so that probes can change them one by one."""

    model: Callable[..., Any]
    leaves: tuple[Any, ...]
    names: tuple[str, ...]  # "X", "data['x']"
    treedef: Any
    bare: bool  # no arguments, though the model takes some
    mode: str = "abstract"  # what the first run found that the model needs
    masked: bool = True  # run as `Predictive` runs it; False: as `log_likelihood` does
    assumed: tuple[str, ...] = ()  # arguments that were worked out from the samples: "X: float32[1000, 3]"

    @classmethod
    def of(cls, model: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        refuse_other_than_model(model)
        parameters = parameters_of(model)
        tree = _in_order((args, dict(kwargs)))
        flat, treedef = jax.tree_util.tree_flatten_with_path(tree, is_leaf=_is_leaf)
        names, leaves = [], []
        positional = [p.name for p in parameters or () if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        for path, leaf in flat:
            key = getattr(path[1], "key", getattr(path[1], "idx", None))
            if isinstance(key, int):
                key = positional[key] if key < len(positional) else f"args[{key}]"
            names.append(f"{key}{jax.tree_util.keystr(path[2:])}")
            # a tracer of the caller's must not outlive the run
            leaves.append(abstract(leaf) if _is_tracer(leaf) else leaf)
        bare = not args and not kwargs and bool(parameters is None or parameters)
        return cls(model, tuple(leaves), tuple(names), treedef, bare)

    def with_leaves(self, changes: Mapping[int, Any]) -> Call:
        return replace(self, leaves=tuple(changes.get(i, leaf) for i, leaf in enumerate(self.leaves)))

    def with_keyword(self, name: str, value: Any) -> Call:
        args, kwargs = self.arguments()
        given = Call.of(self.model, args, {**kwargs, name: value})
        return replace(given, bare=self.bare, mode=self.mode, masked=self.masked)

    def arguments(self, leaves: Sequence[Any] | None = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return jax.tree_util.tree_unflatten(self.treedef, self.leaves if leaves is None else leaves)


def refuse_other_than_model(model: Any) -> None:
    """What cannot be a model: no callable, or one that runs no sites when it is called."""
    if not callable(model) or isinstance(model, (Distribution, Predictive)):
        raise ModelArgumentsError(
            f"The model has to be a function (or a callable object) of NumPyro primitives, not "
            f"{type(model).__name__}: pass the model first, then the samples."
        )
    function = _undecorated(model)
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = getattr(function, "__call__", function)  # noqa: B004 - the method, not whether there is one
    if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        kind = "generator (it yields)" if inspect.isgeneratorfunction(function) else "coroutine (it is async)"
        raise ModelArgumentsError(
            f"{describe_model(model)} is a {kind}: calling it runs none of its sites. Make it a plain function.",
            signature=describe_model(model),
        )


def without_data(call: Call) -> Call:
    """The call with shapes in place of arrays, if the model runs with them: it can be kept for long."""
    if call.mode != "abstract":
        return call
    return replace(call, leaves=tuple(abstract(leaf) if is_array(leaf) else leaf for leaf in call.leaves))


def parameters_of(model: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """The model's parameters; None where Python cannot tell them."""
    try:
        return list(inspect.signature(_undecorated(model)).parameters.values())
    except (TypeError, ValueError):
        return None


def _undecorated(model: Callable[..., Any]) -> Callable[..., Any]:
    """The function under a handler that was used as a decorator: such a handler hides its signature."""
    while isinstance(model, Messenger) and getattr(model, "__wrapped__", None) is None and model.fn is not None:
        model = model.fn
    return model


def describe_model(model: Callable[..., Any]) -> str:
    """``model(X, y=None)``."""
    model = _undecorated(model)
    while isinstance(model, functools.partial):
        model = model.func
    name = getattr(model, "__name__", type(model).__name__)
    try:
        return f"{name}{inspect.signature(model)}"
    except (TypeError, ValueError):
        return f"{name}(...)"


def run(call: Call, *, fall_back: bool = False) -> tuple[Run, Call]:
    """Run the model of ``call`` once and record its sites; with ``fall_back``, in the first mode that works.

    Returns the run, and the call with its mode set: what was found out need not be tried again.
    """
    if not fall_back:
        return _run_in_mode(call, call.mode), call
    failure: Exception | None = None
    for mode in ("abstract", "concrete", "eager"):
        if mode == "concrete" and not any(
            is_array(leaf) and not isinstance(leaf, jax.ShapeDtypeStruct) for leaf in call.leaves
        ):
            continue  # it would be the abstract run again
        if mode == "eager" and (
            not isinstance(failure, _NEEDS_VALUES)
            or any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in call.leaves)
        ):
            break
        try:
            return _run_in_mode(call, mode), replace(call, mode=mode)
        except Exception as error:  # whatever a model does with an array that is none, values may cure it
            failure = error
    assert failure is not None
    raise _explained(call, failure)


def _run_in_mode(call: Call, mode: str) -> Run:
    traced = [
        i
        for i, leaf in enumerate(call.leaves)
        if is_array(leaf) and (mode == "abstract" or isinstance(leaf, jax.ShapeDtypeStruct))
    ]
    found: dict[str, Any] = {}

    def record(arrays: Sequence[Any]) -> list[Any]:
        given = dict(zip(traced, arrays))
        leaves = [given[i] if i in given else _own(leaf) for i, leaf in enumerate(call.leaves)]
        args, kwargs = call.arguments(leaves)
        trace = trace_model(call.model, call.masked, args, kwargs)
        values = [
            (name, value)
            for name, message in trace.items()
            if message["type"] in ("sample", "deterministic")
            for value in jax.tree_util.tree_leaves(message["value"])
            if isinstance(value, jax.Array)
        ]
        found.update(_plain(trace))
        found["owners"] = [name for name, _ in values]
        return [value for _, value in values]

    with ONE_RUN_AT_A_TIME:
        if mode == "eager":
            record([])
            ancestors = _earlier_latents(found["sites"])
        else:
            jaxpr = jax.make_jaxpr(record)([abstract(call.leaves[i]) for i in traced]).jaxpr
            ancestors = _ancestors(jaxpr, found["owners"], found["sites"])
    sites = {
        name: replace(site, parents=tuple(n for n in found["sites"] if n in ancestors.get(name, ())))
        if site.kind in ("deterministic", "observed")
        else site
        for name, site in found["sites"].items()
    }
    return Run(sites, found["dist_shapes"], found["scanned"], ancestors, mode)


def trace_model(
    model: Callable[..., Any], masked: bool, args: tuple[Any, ...], kwargs: Mapping[str, Any], key: Any = None
) -> Mapping[str, Any]:
    """NumPyro's trace of the model, run as ``Predictive`` runs it, apart from handlers around the caller."""
    if masked:
        model = handlers.mask(model, mask=False)
    model = handlers.seed(model, jax.random.PRNGKey(0) if key is None else key)
    model = handlers.substitute(model, substitute_fn=_value_where_none_can_be_drawn)
    tracer = handlers.trace(model)
    with ONE_RUN_AT_A_TIME, _handlers_as_they_were(model), handlers.block():
        return tracer.get_trace(*args, **kwargs)


@contextlib.contextmanager
def _handlers_as_they_were(model: Callable[..., Any]) -> Iterator[None]:
    """Undo what a run leaves in the handlers that the user's model is wrapped in: `trace` keeps its sites, and
    `seed`, in old versions, its last key. Both would be tracers that outlive the run."""
    states = []
    while isinstance(model, Messenger):
        states.append((vars(model), dict(vars(model))))
        model = model.fn
    try:
        yield
    finally:
        for attributes, before in states:
            attributes.clear()
            attributes.update(before)


def _value_where_none_can_be_drawn(message: dict[str, Any]) -> Any:
    """A value of the right shape for distributions without a sampler (``ImproperUniform``)."""
    if message["type"] != "sample" or message["value"] is not None or message["is_observed"]:
        return None
    fn = message["fn"]
    while hasattr(fn, "base_dist"):
        fn = fn.base_dist
    return None if _has_sampler(fn) else init_to_uniform(message)


def _has_sampler(fn: Distribution) -> bool:
    if type(fn).sample is Distribution.sample:
        return False
    if type(fn).__module__.startswith("numpyro."):
        return True
    try:  # people write distributions of their own, for their density only
        jax.eval_shape(fn.sample, jax.random.PRNGKey(0))
    except NotImplementedError:
        return False
    return True


def _plain(trace: Mapping[str, Any]) -> dict[str, Any]:
    """What the trace says, in plain Python: nothing of a tracer may outlive the run."""
    sites: dict[str, Site] = {}
    dist_shapes: dict[str, Shape] = {}
    scanned: list[str] = []
    for name, message in trace.items():
        kind = message["type"]
        event_dim = 0
        if kind == "sample":
            kind = "observed" if message["is_observed"] else "latent"
            fn = message["fn"]
            event_dim = int(fn.event_dim)
            dist_shapes[name] = tuple(int(n) for n in fn.shape())
            if "_scan_current_index" in message["infer"]:  # which `scan` leaves at each of its sites
                scanned.append(name)
        shape, dtype = _shape_and_dtype(message["value"])
        plates = tuple(
            Plate(frame.name, int(frame.dim), int(frame.size)) for frame in message.get("cond_indep_stack") or ()
        )
        sites[name] = Site(name, kind, shape, dtype, event_dim, plates)
    return {"sites": sites, "dist_shapes": dist_shapes, "scanned": frozenset(scanned)}


def _shape_and_dtype(value: Any) -> tuple[Shape | None, Any]:
    if not (hasattr(value, "shape") and hasattr(value, "dtype")):
        if not (isinstance(value, (bool, int, float, complex)) or is_number_list(value)):
            return None, None
        value = np.asarray(value)
    dtype = value.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biufc":
        dtype = np.dtype(jax.dtypes.canonicalize_dtype(dtype))
    return tuple(int(n) for n in value.shape), dtype


def _ancestors(jaxpr: Any, owners: Sequence[str], sites: Mapping[str, Site]) -> dict[str, frozenset[str]]:
    """Which latents each value is computed from, read off the jaxpr of the run.

    A latent ends the search: what it was itself drawn from does not reach past it, since its entry replaces
    it. The outputs of one equation (a ``scan``, a ``cond``) are taken to depend on all latents among them.
    """
    nothing: frozenset[str] = frozenset()
    latent_of: dict[Any, frozenset[str]] = {}
    for variable, name in zip(jaxpr.outvars, owners):
        if sites[name].kind == "latent" and not hasattr(variable, "val"):
            latent_of[variable] = latent_of.get(variable, nothing) | {name}
    reached: dict[Any, frozenset[str]] = {v: latent_of[v] for v in jaxpr.invars if v in latent_of}
    drawn_from: dict[Any, frozenset[str]] = {}
    for equation in jaxpr.eqns:
        inputs = nothing.union(*(reached.get(v, nothing) for v in equation.invars if not hasattr(v, "val")))
        siblings = nothing.union(*(latent_of.get(v, nothing) for v in equation.outvars))
        for variable in equation.outvars:
            if variable in latent_of:
                reached[variable] = latent_of[variable]
                drawn_from[variable] = inputs  # whether one latent of a scan is drawn from another, it does not tell
            elif inputs or siblings:
                reached[variable] = inputs | siblings
    result: dict[str, frozenset[str]] = {}
    for variable, name in zip(jaxpr.outvars, owners):
        if hasattr(variable, "val"):
            continue
        source = drawn_from if sites[name].kind == "latent" else reached
        result[name] = result.get(name, nothing) | (source.get(variable, nothing) - {name})
    return result


def _earlier_latents(sites: Mapping[str, Site]) -> dict[str, frozenset[str]]:
    """Without a jaxpr: a value may depend on every latent before it."""
    result, earlier = {}, frozenset[str]()
    for name, site in sites.items():
        result[name] = earlier
        if site.kind == "latent":
            earlier |= {name}
    return result


def _explained(call: Call, error: Exception) -> Exception:
    """The user's own exception with a note; ours where arguments are missing."""
    args, kwargs = call.arguments()
    if isinstance(error, TypeError):
        try:
            inspect.signature(_undecorated(call.model)).bind(*args, **kwargs)
        except ValueError:  # no signature to compare with
            pass
        except TypeError as mismatch:
            return arguments_error(call.model, str(mismatch))
    if hasattr(error, "add_note"):  # Python 3.11 and later
        error.add_note(f"This was raised by {describe_model(call.model)} itself, run by sanitize to see its sites.")
    return error


def arguments_error(model: Callable[..., Any], what: str) -> ModelArgumentsError:
    """The signature, and the call to make."""
    parameters = parameters_of(model) or []
    kinds = inspect.Parameter
    forms: dict[Any, str] = {kinds.KEYWORD_ONLY: "{0}={0}", kinds.VAR_POSITIONAL: "*{0}", kinds.VAR_KEYWORD: "**{0}"}
    needed = ", ".join(forms.get(p.kind, "{0}").format(p.name) for p in parameters if p.default is p.empty)
    call = f"model, {needed}" if needed else "model"
    return ModelArgumentsError(
        f"{describe_model(model)} cannot be run with the arguments at hand: {what}. Pass the arguments that you "
        f"predict with: strip_deterministic({call.replace('model', 'model, samples', 1)}), or inspect_sites({call}).",
        signature=describe_model(model),
    )


@dataclass(frozen=True, eq=False)
class SiteTable(Mapping[str, Site]):
    """The sites of a model under given arguments, in the order of the run: a read-only mapping name -> `Site`.

    Prints as an aligned table, shows as an HTML table in notebooks. Which dimensions follow the data rows, and
    which latents an argument would make observed, takes further abstract runs; they happen when a site is first
    looked at.
    """

    call: Call = field(repr=False)
    run: Run = field(repr=False)

    # `probes` and `review` are later modules, imported when first needed: imports run downwards only.

    @functools.cached_property
    def observable(self) -> Mapping[str, str]:
        """Latents that become observed when an argument that is None is given: site -> argument."""
        from .probes import observable_sites

        return observable_sites(self.call, self.run)

    @functools.cached_property
    def row_dims(self) -> Mapping[str, tuple[int, ...]]:
        """The dimensions that follow the data rows, of each site that has any."""
        from .probes import row_dims

        return row_dims(self.call, self.run, self.observable)

    @functools.cached_property
    def unmasked(self) -> Mapping[str, Site]:
        """The sites of the run that ``log_likelihood`` makes: also those behind ``numpyro.get_mask()``."""
        try:
            return run(replace(self.call, masked=False))[0].sites
        except Exception:  # code that only a likelihood reaches need not run here
            return {}

    def __getitem__(self, name: str) -> Site:
        site = self.run.sites[name]
        return replace(site, row_dims=self.row_dims.get(name, ()), observable=self.observable.get(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.run.sites)

    def __len__(self) -> int:
        return len(self.run.sites)

    def review(
        self, samples: Any, new_rows: bool | None = None, redraw: Sequence[str] = (), group: str = "posterior"
    ) -> Review:
        """Give a verdict on every entry of posterior samples.

        Parameters
        ----------
        samples : mapping of arrays, MCMC, xarray.Dataset, arviz.InferenceData or xarray.DataTree
            Entries of shape ``(*batch, *per-draw shape)``, where ``batch`` is nothing, draws, or chains and draws.
        new_rows : bool, optional
            Whether the data rows are other rows than those of the fit. True strips latents that have one value
            per row, False keeps them, None goes by evidence.
        redraw : sequence of str
            Latents to strip although they fit: the model draws them from their prior.
        group : str
            Which group to judge, where the samples have groups.

        Returns
        -------
        Review
            A mapping name -> `Verdict`; its ``apply`` strips.

        Raises
        ------
        ShapeMismatchError, MissingLatentError, BatchShapeError, NoSharedSiteError, SamplesTypeError

        Examples
        --------
        >>> import numpy as np, numpyro, numpyro.distributions as dist
        >>> from sanitize import inspect_sites
        >>> def model(x, y=None):
        ...     slope = numpyro.sample("slope", dist.Normal())
        ...     mu = numpyro.deterministic("mu", slope * x)
        ...     numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
        >>> samples = {"slope": np.zeros(50), "mu": np.zeros((50, 100))}
        >>> review = inspect_sites(model, np.zeros(3)).review(samples)
        >>> review["mu"].action
        'stripped'
        >>> sorted(review.apply(samples))
        ['slope']
        """
        from .review import review_samples

        return review_samples(self, samples, new_rows=new_rows, redraw=redraw, group=group)

    def to_dataframe(self) -> pd.DataFrame:
        """The sites with one row each, in the order of the run.

        Returns
        -------
        pandas.DataFrame
            Indexed by ``site``, with columns ``kind``, ``shape``, ``dtype``, ``row_dims``, ``plates`` (their names),
            ``parents`` and ``observable``, as in `Site`.

        Examples
        --------
        >>> import numpy as np, numpyro, numpyro.distributions as dist
        >>> from sanitize import inspect_sites
        >>> def model(x, y=None):
        ...     slope = numpyro.sample("slope", dist.Normal())
        ...     numpyro.deterministic("mu", slope * x)
        >>> inspect_sites(model, np.zeros(3)).to_dataframe()["kind"].to_dict()
        {'slope': 'latent', 'mu': 'deterministic'}
        """
        columns = ("site", "kind", "shape", "dtype", "row_dims", "plates", "parents", "observable")
        rows = [
            (s.name, s.kind, s.shape, s.dtype, s.row_dims, tuple(p.name for p in s.plates), s.parents, s.observable)
            for s in self.values()
        ]
        return dataframe(columns, rows)

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for site in self.values():
            notes = []
            if site.kind == "deterministic" and site.parents:
                notes.append("from " + ", ".join(site.parents))
            if site.observable:
                notes.append(f"observed if {site.observable} is given")
            rows.append(
                (
                    site.name,
                    site.kind,
                    "tree" if site.shape is None else str(site.shape),
                    "" if site.dtype is None else str(site.dtype),
                    ", ".join(str(dim) for dim in site.row_dims),
                    ", ".join(f"{p.name}[{p.size}]" for p in site.plates),
                    "; ".join(notes),
                )
            )
        return rows

    def __repr__(self) -> str:
        return text_table(_COLUMNS, self._rows())

    def _repr_html_(self) -> str:
        return html_table(_COLUMNS, self._rows())


_COLUMNS = ("site", "kind", "shape", "dtype", "row dims", "plates", "")


def inspect_sites(model: Callable[..., Any], /, *args: Any, **kwargs: Any) -> SiteTable:
    """Run a model once, abstractly, and tell its sites: which are random, which deterministic, of what shape.

    Nothing is computed, and no memory is used: the cost is the same for ten rows and ten million. A model that
    needs the values of its arguments (``np.unique(group)``) is traced with them; one that needs the values of
    its latents (``if z > 0:``) is run.

    Parameters
    ----------
    model : callable
        A NumPyro model: a function, a method, a ``functools.partial``, or any of them inside NumPyro's handlers.
    *args, **kwargs
        The model's arguments, as ``Predictive`` would get them. Arrays may be ``jax.ShapeDtypeStruct``.

    Returns
    -------
    SiteTable
        A mapping name -> `Site`, in the order of the run.

    Raises
    ------
    ModelArgumentsError
        If arguments of the model are missing. What the model itself raises comes through as it is.

    Examples
    --------
    >>> import numpy as np, numpyro, numpyro.distributions as dist
    >>> from sanitize import inspect_sites
    >>> def model(x, y=None):
    ...     slope = numpyro.sample("slope", dist.Normal())
    ...     mu = numpyro.deterministic("mu", slope * x)
    ...     numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
    >>> inspect_sites(model, np.zeros(3))
    site   kind           shape  dtype    row dims
    slope  latent         ()     float32
    mu     deterministic  (3,)   float32  0         from slope
    y      latent         (3,)   float32  0         observed if y is given
    """
    call = Call.of(model, args, kwargs)
    outcome, call = run(call, fall_back=True)
    return SiteTable(call, outcome)
