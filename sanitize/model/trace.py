"""One abstract run of a model: the name, kind, shape, dtype and plates of every site.

The run is NumPyro's own ``trace``, ``seed``, ``substitute`` and ``mask`` under ``jax.make_jaxpr``: what
``jax.eval_shape`` does, and the jaxpr tells in addition which latents a value is computed from. Nothing
is sampled or allocated, so that the cost does not depend on the number of rows.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers
from numpyro.distributions import Delta
from numpyro.infer import init_to_uniform
from numpyro.primitives import Messenger

from ..kinds import Args, Kwargs, Model, Shape
from . import advice, argument, dists
from .argument import is_value_list
from .call import Call, arguments_error

# NumPyro's stack of effect handlers is one list for the whole process: runs of two threads would see
# each other's sites. Re-entrant, because a model may itself predict with a sanitized posterior.
ONE_RUN_AT_A_TIME = threading.RLock()

_REACHED = "_sanitize_reached"  # attribute of an error: the last site before it
_IS_GIVEN = "_sanitize_is_given"  # key of a message: whether handlers give it a value
_IS_MADE_UP = "_sanitize_is_made_up"  # the same: whether no value of it can be drawn

# What JAX raises where Python code asks a tracer for its value (`int(x)`, `if z:`, `x[mask]`, `np.unique(x)`).
NEEDS_VALUES = (jax.errors.JAXTypeError, jax.errors.JAXIndexError)


class Dim(NamedTuple):
    """One dimension of a site: how long it is, and what it follows.

    ``follows`` is in words (``("X[0]", "len(labels)")``), empty where the model fixes the length; ``known`` is False
    where neither could be told.
    """

    size: int
    follows: tuple[str, ...] = ()
    plate: str | None = None
    known: bool = True


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
    dims : tuple of Dim
        What each dimension of ``shape`` follows; the run does not tell, `Inspection` does.
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
    dims: tuple[Dim, ...] = ()
    row_dims: tuple[int, ...] = ()
    observable: str | None = None

    @property
    def rank(self) -> int:
        """How many dimensions one value has."""
        return len(self.shape or ())

    @property
    def discrete(self) -> bool:
        """Whether its values are integers, so that a fit may have marginalized it."""
        return isinstance(self.dtype, np.dtype) and self.dtype.kind in "iub"


@dataclass(frozen=True)
class Run:
    """The outcome of one run: its sites, and what probes and verdicts need beside them."""

    sites: Mapping[str, Site]
    dist_shapes: Mapping[str, Shape]  # of sample sites: the shape that their distribution draws
    joint: Mapping[str, int]  # of sample sites: how many rightmost dimensions are drawn jointly (a walk, a Dirichlet)
    families: Mapping[str, type]  # of sample sites: the class of the distribution that draws these
    scanned: frozenset[str]  # sites inside `control_flow.scan`
    jaxpr: Any  # of the run; None where it was eager
    owners: tuple[str, ...]  # of the jaxpr's first outputs: which site each is a value of
    drawn_with: tuple[str, ...] = ()  # of the outputs after them: of which site each is a parameter
    consts: tuple[Any, ...] = ()  # values of the jaxpr's `constvars`
    supports: Mapping[str, Any] = field(default_factory=dict)  # of latents, where no bound of it is an array
    given: frozenset[str] = frozenset()  # sites that handlers of the model's own, or a `Delta`, give a value
    subsampled: frozenset[str] = frozenset()  # plates that hold a part of their rows, drawn anew in each run
    made_up: frozenset[str] = frozenset()  # sites of which no value can be drawn

    def named(self, kind: str) -> list[str]:
        """The sites of a kind, in the order of the run."""
        return [name for name, site in self.sites.items() if site.kind == kind]


def run(call: Call) -> tuple[Run, Call]:
    """Run the model of ``call`` once and record its sites, in the first mode that works.

    Returns the run, and the call with its mode set: what was found out need not be tried again.
    """
    failure: Exception | None = None
    has_none = any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in call.leaves)
    for mode in ("abstract", "concrete", "eager"):
        if mode == "eager" and (has_none or not isinstance(failure, NEEDS_VALUES)):
            break
        chosen = replace(call, mode=mode)
        try:
            return run_in_mode(chosen), chosen
        except Exception as error:  # whatever a model does with an array that is none, values may cure it
            failure = error
    assert failure is not None
    raise _explained(call, failure)


@contextlib.contextmanager
def in_silence() -> Iterator[None]:
    """One run at a time, without warnings: their filters are one list for the process, too, and left in the order of
    entering, they would stay off."""
    with ONE_RUN_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def try_run(call: Call) -> Run | None:
    """A run that may fail, or warn: the arguments are made up, so that a failure is an answer."""
    try:
        with in_silence():
            return run_in_mode(call)
    except Exception:
        return None


def run_in_mode(call: Call) -> Run:
    """Run the model in the mode of the call."""
    found: dict[str, Any] = {}

    def record(arrays: Sequence[Any]) -> list[Any]:
        args, kwargs = call.filled(arrays)
        trace = trace_model(call.model, call.masked, args, kwargs)
        outputs: list[Any] = []
        owners: list[str] = []
        for name, message in trace.items():
            if message["type"] in ("sample", "deterministic", "param"):
                values = [x for x in jax.tree_util.tree_leaves(message["value"]) if isinstance(x, jax.Array)]
                outputs += values
                owners += [name] * len(values)
        # a value that is only a parameter of what is observed goes into no equation
        drawn_with: list[str] = []
        for name, message in trace.items():
            if message["type"] == "sample":
                parameters = dists.arrays(message["fn"])
                outputs += parameters
                drawn_with += [name] * len(parameters)
        for message in trace.values():
            if message["type"] == "sample":
                outputs += dists.masks(message["fn"])
        found.update(_plain(trace), owners=tuple(owners), drawn_with=tuple(drawn_with))
        return outputs

    with ONE_RUN_AT_A_TIME:
        if call.mode == "eager":
            record([])
            return Run(jaxpr=None, **found)
        closed = jax.make_jaxpr(record)(call.shapes)
        return Run(jaxpr=closed.jaxpr, consts=tuple(closed.consts), **found)


def is_factor(site: Site) -> bool:
    """``numpyro.factor`` holds no value."""
    return bool(site.event_dim) and (site.shape or ())[-1:] == (0,)


def trace_model(model: Model, masked: bool, args: Args, kwargs: Kwargs, key: Any = None) -> Mapping[str, Any]:
    """NumPyro's trace of the model, run as ``Predictive`` runs it, apart from handlers around the caller."""
    if masked:
        model = handlers.mask(model, mask=False)
    model = handlers.seed(model, jax.random.PRNGKey(0) if key is None else key)
    model = handlers.substitute(model, substitute_fn=_value_where_none_can_be_drawn)
    tracer = handlers.trace(model)
    with ONE_RUN_AT_A_TIME, _handlers_as_they_were(model), handlers.block():
        try:
            return tracer.get_trace(*args, **kwargs)
        except Exception as error:
            with contextlib.suppress(Exception):  # an exception that takes no attributes
                vars(error)[_REACHED] = next(reversed(tracer.trace), None)
            raise


@contextlib.contextmanager
def _handlers_as_they_were(model: Model) -> Iterator[None]:
    """Undo what a run leaves in the handlers that the user's model is wrapped in: `trace` keeps its sites, and
    `seed`, in old versions, its last key. Both would be tracers that outlive the run."""
    states = []
    while isinstance(model, (Messenger, functools.partial)):
        if isinstance(model, Messenger):
            states.append((vars(model), dict(vars(model))))
        model = model.func if isinstance(model, functools.partial) else model.fn
    try:
        yield
    finally:
        for attributes, before in states:
            attributes.clear()
            attributes.update(before)


def _value_where_none_can_be_drawn(message: dict[str, Any]) -> Any:
    """A value of the right shape for distributions without a sampler (``ImproperUniform``)."""
    is_given = message["value"] is not None or message.get("is_observed")
    message[_IS_GIVEN] = is_given or isinstance(dists.unmasked(message.get("fn")), Delta)
    if message["type"] != "sample" or is_given or dists.has_sampler(message["fn"]):
        return None
    message[_IS_MADE_UP] = True
    return init_to_uniform(message)


def with_params_as_variables(model: Model) -> Model:
    """The model with new variables for the initial values of params: a jaxpr does not tell constants apart."""
    return handlers.substitute(model, substitute_fn=_as_variable)


def _as_variable(message: dict[str, Any]) -> Any:
    if message["type"] != "param" or message["value"] is not None:
        return None
    value = message["fn"](*message["args"], **message["kwargs"])
    if isinstance(value, dict) and any(isinstance(x, jax.core.Tracer) for x in jax.tree_util.tree_leaves(value)):
        return value  # the same tree: `flax_module` goes on with its own, `random_flax_module` takes leaves out of it
    return jax.tree_util.tree_map(lambda x: jnp.squeeze(jnp.expand_dims(x, 0), 0), value)


def _plain(trace: Mapping[str, Any]) -> dict[str, Any]:
    """What the trace says, in plain Python: nothing of a tracer may outlive the run."""
    sites: dict[str, Site] = {}
    dist_shapes: dict[str, Shape] = {}
    joint: dict[str, int] = {}
    families: dict[str, type] = {}
    scanned: list[str] = []
    given: list[str] = []
    supports: dict[str, Any] = {}
    subsampled: list[str] = []
    made_up = [name for name, message in trace.items() if message.get(_IS_MADE_UP)]
    for name, message in trace.items():
        kind = message["type"]
        event_dim = 0
        if kind == "sample":
            kind = "observed" if message["is_observed"] else "latent"
            fn = message["fn"]
            event_dim = int(fn.event_dim)
            dist_shapes[name] = tuple(int(n) for n in fn.shape())
            joint[name] = dists.joint_dims(fn)
            families[name] = dists.family_of(fn)
            if kind == "latent" and (support := dists.written_support(fn)) is not None:
                supports[name] = support
            if "_scan_current_index" in message["infer"]:  # which `scan` leaves at each of its sites
                scanned.append(name)
        if message.get(_IS_GIVEN) and kind in ("latent", "param"):
            given.append(name)
        if kind == "plate":
            size, subsample_size = message["args"]
            if subsample_size not in (None, size):
                subsampled.append(name)
        shape, dtype = _shape_and_dtype(message["value"])
        plates = [Plate(frame.name, int(frame.dim), int(frame.size)) for frame in message.get("cond_indep_stack") or ()]
        sites[name] = Site(name, kind, shape, dtype, event_dim, tuple(plates))
    return {
        "sites": sites,
        "dist_shapes": dist_shapes,
        "joint": joint,
        "families": families,
        "scanned": frozenset(scanned),
        "given": frozenset(given),
        "supports": supports,
        "subsampled": frozenset(subsampled),
        "made_up": frozenset(made_up),
    }


def _shape_and_dtype(value: Any) -> tuple[Shape | None, Any]:
    if isinstance(value, (bool, int, float, complex)) or is_value_list(value):
        value = np.asarray(value)
    known = argument.of(value)
    dtype = known.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biufc":
        dtype = np.dtype(jax.dtypes.canonicalize_dtype(dtype))
    return (None if dtype is None else known.shape), dtype


def _explained(call: Call, error: Exception) -> Exception:
    """The user's own exception with a note; ours where arguments are missing."""
    mismatch = call.why_not_bound() if isinstance(error, TypeError) else None
    if mismatch:
        return arguments_error(call, mismatch)
    reached = vars(error).pop(_REACHED, None)
    advice.say_where(error, call.model, dict(zip(call.names, call.leaves)), reached)
    return error
