"""What a `Predictor` runs for calls of one signature, as a file: neither the model nor its code is in it.

The file is a zip archive of ``about.json``, of the program as ``jax.export`` writes it, and of arrays as NumPy writes
them. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import pickle
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ModelArgumentsError, OptionError, listing
from ..memory import Signature
from ..model import argument
from ..model.advice import refuse_other_than_key
from ..model.argument import abstract, is_array
from ..model.call import Call
from .compiled import Batch, Draws, Loaded, exported
from .parameters import Part
from .plan import Plan

if TYPE_CHECKING:
    import xarray as xr

Path = str | os.PathLike[str]
About = dict[str, Any]

_FORMAT = 1
_ABOUT, _PROGRAM = "about.json", "program"
_OF_BATCH = "piece", "size", "parts", "is_whole"  # fields of a batch
_LARGE = 1000.0  # a cast or a product in 32 bits loses nothing for numbers up to this one


class SavedPredictor:
    """What `sanitize.load` gives: it predicts as the `Predictor` did that was saved, for calls of the same signature.

    It takes the arguments of the model. Arrays have to have the same shapes and dtypes as when it was saved, and all
    else the same values.
    """

    def __init__(self, about: About, plan: Plan):
        self._about, self._plan = about, plan
        self._stub = _stub(about["parameters"])

    def __call__(self, rng_key: Any = None, *args: Any, **kwargs: Any) -> xr.Dataset:
        """Predict, see `Predictor.__call__`.

        Raises
        ------
        ModelArgumentsError
            An argument that the file was not written for. The error names it.
        """
        refuse_other_than_key(rng_key, "The first argument of the call", "load(path)(key, ...)")
        call = Call(self._stub).with_arguments(args, kwargs)
        given = dict(zip(call.names, call.leaves))
        arrays = []
        for known in self._about["arguments"]:
            name = known["name"]
            leaf = given.pop(name, None)
            wrong = _wrong(known, leaf)
            if wrong:
                raise ModelArgumentsError(f"Argument {name!r} is not what this file was written for: {wrong}.")
            if known["taken"]:
                arrays.append(jnp.asarray(leaf))
        if given:
            raise ModelArgumentsError(f"This file was written for a call without {listing(given)}.")
        key, lazy = jnp.asarray(rng_key), self._about["lazy"]
        return self._plan.answer(key, arrays, lazy, progress_bar=False)


# ------------------------------------------------------------------------------------------------------- to write


def save(
    path: Path,
    plan: Plan,
    signature: Signature,
    params: Any,
    lazy: bool,
    platforms: Sequence[str] | None,
    by_value: bool,
) -> None:
    """Write what a plan runs, and for which calls. ``by_value``: for these arguments alone."""
    draws, call = plan.draws, signature.call
    function = plan.batch.function
    keys, of_draws, (arrays, _) = function.inputs

    def program(keys: Any, draws: Any, arrays: Any) -> Any:
        return function.function(keys, draws, (arrays, params))

    about: About = {"format": _FORMAT, "jax_version": jax.__version__}
    about["x64"] = function.x64
    about["lazy"] = lazy
    about["parameters"] = [(p.name, p.kind.name) for p in call.parameters or ()]
    about["arguments"] = [_described(signature, i, by_value) for i in range(len(call.leaves))]
    about["draws"] = {"shape": draws.shape, "names": [*draws.arrays]}
    about["batch"] = {name: getattr(plan.batch, name) for name in _OF_BATCH}
    about["template"] = _as_dict(plan.template)
    try:
        text = json.dumps(about)
    except TypeError as error:
        raise OptionError(f"A name or a label cannot be written ({error}): it has to be text or a number.") from error
    data = exported(jax.jit(program), (keys, of_draws, arrays), platforms)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(_ABOUT, text)
        file.writestr(_PROGRAM, data)
        for name, values in draws.slice(0, draws.total).items():
            member = zipfile.ZipInfo(f"draws/{name}")  # stored: numbers compress badly
            with file.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(values), allow_pickle=False)


def _as_dict(template: xr.Dataset) -> About:
    """As xarray describes a Dataset, with labels. Each level of an index of several levels is a coordinate."""
    several = []
    for dim in template.dims:
        if dim in template.indexes and template.indexes[dim].nlevels > 1:
            several.append(dim)
    template = template.reset_index(several)
    found: About = template.to_dict(data=False)
    for name, described in found["coords"].items():
        labels = template[name].values
        if labels.dtype.kind in "mM":  # of time
            labels = labels.astype(np.int64)
        described["data"] = labels.tolist()
    return found


def _described(signature: Signature, i: int, by_value: bool) -> About:
    """An argument: its shape and dtype if it is taken as an array, else its value."""
    leaf = signature.call.leaves[i]
    is_taken = i in signature.which
    described: About = {"name": signature.call.names[i], "taken": is_taken}
    if by_value or not is_taken:
        described["value"] = _digest(leaf)
    else:
        described["type"] = _type(leaf)
    if i in signature.asked:
        described["largest"] = max(_LARGE, 2 * _largest(leaf))
    return described


# --------------------------------------------------------------------------------------------------------- to read


def load(path: Path) -> SavedPredictor:
    """Read what `Predictor.save` wrote. It predicts without the model, and without tracing.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    SavedPredictor
        To be called as the `Predictor` was: ``load(path)(rng_key, *args, **kwargs)``.

    Raises
    ------
    OptionError
        A file that `Predictor.save` did not write, that is cut, that is of another format, or written where
        ``jax_enable_x64`` was set otherwise; a JAX that cannot read it.

    Notes
    -----
    Needs JAX 0.4.30 or later, and flatbuffers. Nothing is unpickled. The file need not be read by the version of JAX
    that wrote it: see `jax.export <https://docs.jax.dev/en/latest/export/export.html>`_ for how far apart they may be.

    Examples
    --------
    >>> import jax, numpy as np, numpyro, numpyro.distributions as dist, os, tempfile
    >>> import sanitize
    >>> def model(x, y=None):
    ...     slope = numpyro.sample("slope", dist.Normal())
    ...     numpyro.sample("y", dist.Normal(slope * x, 1.0), obs=y)
    >>> predict, key = sanitize.Predictor(model, {"slope": np.zeros(50)}), jax.random.PRNGKey(0)
    >>> path = os.path.join(tempfile.mkdtemp(), "model.sanitize")
    >>> predict.save(path, key, np.zeros(3))
    >>> sanitize.load(path)(key, np.ones(3)).equals(predict(key, np.ones(3)))
    True
    """
    name = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as file:
            about = json.loads(file.read(_ABOUT))
            written = about["format"]
            if written != _FORMAT:
                raise OptionError(
                    f"{name} is of format {written}, and this version of sanitize reads format {_FORMAT}: write it "
                    "again with Predictor.save."
                )
            return SavedPredictor(about, _plan(file, about))
    except OptionError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError) as error:
        raise OptionError(
            f"{name} is not a file that Predictor.save wrote, or it was cut off or changed ({error!r}): write it again."
        ) from error


def _plan(file: zipfile.ZipFile, about: About) -> Plan:
    of_draws, known = about["draws"], about["batch"]
    arrays = {}
    for name in of_draws["names"]:
        with file.open(f"draws/{name}") as member:
            arrays[name] = np.lib.format.read_array(member, allow_pickle=False)
    draws = Draws(arrays, tuple(of_draws["shape"]))
    template = _as_dataset(about["template"])
    outputs = {}
    for name, x in template.items():
        of_one = x.shape[len(draws.shape) :]
        outputs[str(name)] = jax.ShapeDtypeStruct(of_one, x.dtype)
    function = Loaded(file.read(_PROGRAM), about["x64"])
    function.program()  # which says what is wrong with it
    for name, part in known["parts"].items():
        known["parts"][name] = Part(*part)
    batch = Batch(function, outputs=outputs, **known)
    return Plan(draws, batch, template)


def _as_dataset(described: About) -> xr.Dataset:
    import xarray as xr

    for x in described["coords"].values():
        x["data"] = np.array(x["data"], x["dtype"])
    for x in described["data_vars"].values():
        zero = np.zeros((), x["dtype"])
        x["data"] = np.broadcast_to(zero, x["shape"])
    return xr.Dataset.from_dict(described)


# ------------------------------------------------------------------------------------------------------- arguments


def _stub(parameters: Sequence[Sequence[Any]]) -> Any:
    """A function with the model's parameters, by which arguments get their names."""

    def model(*args: Any, **kwargs: Any) -> None:
        """Never called."""

    if parameters:
        own = []
        for name, kind in parameters:
            own.append(inspect.Parameter(name, getattr(inspect.Parameter, kind)))
        model.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
    return model


def _wrong(known: Mapping[str, Any], leaf: Any) -> str | None:
    """What is wrong with an argument; None: nothing."""
    if "value" in known:
        is_same = known["value"] == _digest(leaf)
        return None if is_same else "it counts by value, and has another one"
    if not (is_array(leaf) or isinstance(leaf, (float, np.floating))):
        return f"it is {argument.of(leaf).description}, and was an array or a float"
    found, written = _type(leaf), known["type"]
    if found != written:
        return f"its shape and dtype are {found}, and were {written}"
    largest, most = _largest(leaf), known.get("largest", np.inf)
    if largest > most:
        return (
            f"it has numbers up to {largest:.4g}, and the model computes with it in NumPy, which was compared "
            f"with what JAX computes for numbers up to {most:.4g} only"
        )
    return None


def _type(leaf: Any) -> str:
    """Shape and dtype, as JAX sees them."""
    array = leaf if is_array(leaf) else np.asarray(leaf)
    return argument.of(abstract(array)).description


def _largest(leaf: Any) -> float:
    values = np.abs(np.asarray(leaf).astype(float))
    finite = values[np.isfinite(values)]
    return float(finite.max(initial=0.0))


def _digest(leaf: Any) -> str:
    """The value of an argument, the same in all processes."""
    if leaf is None or isinstance(leaf, (bool, int, float, complex, str, bytes)):
        return f"{type(leaf).__name__} {leaf!r}"
    content = repr([type(leaf).__name__, *_content(leaf)])
    return hashlib.sha256(content.encode()).hexdigest()


def _content(leaf: Any) -> Iterator[Any]:
    known = argument.of(leaf)
    if callable(leaf):
        yield leaf.__module__, leaf.__qualname__
    elif known.shape or is_array(leaf):
        columns = known.columns or {None: known}
        for name, column in columns.items():
            values = column.array
            numbers = values.tolist() if values.dtype == object else values.tobytes()
            yield name, values.shape, values.dtype.str, numbers
        for dim in range(len(known.shape)):
            labels = known.labels(dim)
            yield None if labels is None else labels.tolist()
    else:
        yield pickle.dumps(leaf)
