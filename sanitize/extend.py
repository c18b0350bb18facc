"""`extend`: fitted values carried on to more groups, rows or steps.

One ancestral pass of the model a draw: NumPyro's own ``substitute`` puts recorded values where they were, and what is
not recorded is drawn given them, in the order of the model.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import random
from numpyro import handlers

from . import containers
from .carry import complete, inner
from .containers import Container, per_draw_dims
from .errors import ExtensionError, OptionError, listing
from .levels import Levels, as_index, continued
from .model.call import Call, arguments_error, refuse_other_than_key
from .model.inspection import Inspection
from .model.trace import is_factor, trace_model
from .options import Options, refuse_taken
from .prepare import Case, prepare
from .review import Review

# Draws that are worked on at once: a Gaussian process of 500 inputs needs 1 MB a draw for each matrix.
_PIECE = 128

# What the fitted part may differ by, relative to its largest value. Measured on 100 random and 40 other models:
# - recomputed, up to 2e-7 for sums, scans and products. `L @ z` of a Gaussian process differs more, by 4e-2 with a
#   jitter of 1e-6, and that is up to 1.3 times what a change of 1e-6 in draws and arguments does. What is harmful
#   begins at 2e-4 (`t / T` for the step 1001), and at 70 times that change.
# - in two passes that differ in what they draw, 0, and 5e-4 for a mean over 1000 groups.
# - in the mixed difference of what ties fitted and new values, 1e-7, and 1e-2 for one more area beside 300.
_COMPUTED, _ROUNDING, _DENSITY, _TIED = 1e-5, 10.0, 1e-5, 1e-5
# Log density a recorded value, below that of a draw from the prior: 0 to 1 in fits of a Gaussian process, 5 where the
# data are noise, and 0.6 to 1 where its inputs are in another order, so that this sees gross mistakes only.
_IMPLAUSIBLE = 10.0


class Drawn(NamedTuple):
    """What was carried on: arrays in the samples' batch shape, and coordinates of their dimensions."""

    arrays: Mapping[str, Any]
    coords: Mapping[Hashable, Any]


def extend(
    model: Callable[..., Any],
    samples: Any,
    rng_key: Any,
    /,
    *args: Any,
    sites: str | Sequence[str] | bool,
    levels: Mapping[str, Sequence[Any]] | None = None,
    **kwargs: Any,
) -> Any:
    """Carry fitted values on to more groups, rows or steps: what was fitted stays, the rest is drawn given it.

    Parameters
    ----------
    model : callable
        The NumPyro model that was fitted.
    samples : mapping of arrays, MCMC, xarray.Dataset, arviz.InferenceData or xarray.DataTree
        Posterior samples, see `strip_deterministic`.
    rng_key : jax.Array
        The key to draw with. What is drawn depends on it, the number of the draw and the name of the site alone.
    *args, **kwargs
        The model's arguments with the groups, rows or steps that are asked for. Where nothing labels them, those of
        the fit come first.
    sites : str, sequence of str, or True
        What is carried on: latents, plates or labelled dimensions (all latents that have them), or True: all that do
        not fit.
    levels : mapping, optional
        The labels of a dimension, in the order in which the model counts them: ``{"school": ["B", "F"]}``. Known ones
        take their fitted values along, unknown ones are drawn. Needs samples that label the dimension.

    Returns
    -------
    The type of ``samples``
        As `strip_deterministic` returns it, with the entries of ``sites`` in the model's shape. Fitted values are the
        same bit for bit; entries that fit are the same array objects. Coordinates follow: from ``levels``, or by
        their step where that is regular. Latents that a loop names (``level_8``) become entries, and so does what
        had to be drawn as no entry held it, and others were drawn from it.

    Raises
    ------
    ShapeMismatchError
        A latent that is not in ``sites`` does not fit, or one that is cannot be carried on: the model has fewer
        values, or the arguments do not begin with those of the fit, where the samples hold them.
    OptionError
        Names or labels that are not there; a distribution drawn jointly for which no rule is known, see `carry_on`.
    ExtensionError
        What was fitted would change: a recorded deterministic value is another along the fitted part, the
        distribution of a fitted value depends on what is drawn, or the recorded values are none that it produces.

    Notes
    -----
    Values that are independent given the fitted ones are fresh draws, with fitted parents: groups, rows, innovations
    that the model sums up (``cumsum(z)``, ``L @ z``), latents named in a loop. A series in ``scan`` goes on as
    NumPyro continues it. Values that are drawn jointly go on by a rule for their distribution, see `carry_on`.

    What the samples do not tell cannot be seen: a prior that depends on the *number* of groups; innovations used
    backwards (the last one first) where no path was recorded at a deterministic site; other inputs before those of the
    fit where neither the samples hold those nor the density shows it.

    Examples
    --------
    >>> import jax, numpy as np, numpyro, numpyro.distributions as dist
    >>> from sanitize import extend
    >>> def model(n_schools, y=None):
    ...     tau = numpyro.sample("tau", dist.HalfNormal(5.0))
    ...     with numpyro.plate("school", n_schools):
    ...         theta = numpyro.sample("theta", dist.Normal(0.0, tau))
    ...         numpyro.sample("y", dist.Normal(theta, 1.0), obs=y)
    >>> samples = {"tau": np.ones(50), "theta": np.zeros((50, 8))}
    >>> more = extend(model, samples, jax.random.PRNGKey(0), 10, sites="theta")
    >>> more["theta"].shape, bool((more["theta"][:, :8] == samples["theta"]).all())
    ((50, 10), True)
    """
    call = Call.of(model, args, kwargs)
    refuse_taken(call, sites=sites, levels=levels)
    refuse_other_than_key(rng_key, "The third argument", "extend(model, samples, key, ...)")
    options = Options.of(extend=sites, levels=levels)
    opened = containers.open(samples)
    case, review = prepare(Inspection.of(call), opened, options)
    drawn = carried_on(case, review, rng_key)
    return case.samples.keep(review.kept, *drawn) if drawn.arrays else review.apply_to(case.samples)


def key_of_extend(rng_key: jax.Array) -> jax.Array:
    """The key that values are carried on with where ``rng_key`` is for the predictions."""
    return random.fold_in(rng_key, 23)


# ------------------------------------------------------------------------------------------------------- drawing


@dataclass(frozen=True, eq=False)
class _Plan:
    """What one pass does, the same for all draws."""

    inspection: Inspection
    where: Mapping[str, tuple[np.ndarray, ...]]  # carried on -> the positions of its recorded values
    out: Collection[str]  # sites whose values are wanted
    computed: Mapping[str, tuple[np.ndarray, ...]]  # recorded deterministic sites to compare -> the fitted part
    scored: Collection[str]  # fitted latents whose distribution what is drawn has a part in
    ties: Collection[str]  # factors, and observations of latents, that what is drawn has a part in
    idle: Collection[str]  # has no part in any of these: not drawn

    def run(self, key: jax.Array, draw: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """One ancestral pass: values drawn, recorded values computed anew, log densities of fitted ones."""
        density: dict[str, Any] = {}
        excess: dict[str, Any] = {}

        def value(message: Mapping[str, Any]) -> Any:
            name = str(message.get("name"))
            if message["type"] != "sample":
                return draw.get(name) if message["type"] in ("param", "mutable", "deterministic") else None
            if message["is_observed"] or "_scan_current_index" in message["infer"]:
                return draw.get(name)
            if name in draw and name not in self.where:
                if name in self.scored:
                    density[name] = jnp.sum(message["fn"].log_prob(draw[name]))
                return draw[name]
            fn, shape = message["fn"], tuple(message["kwargs"].get("sample_shape", ()))
            own = random.fold_in(key, _number(name))
            if name in self.idle:
                return jnp.zeros(self.inspection.run.sites[name].shape, self.inspection.run.sites[name].dtype)
            if name not in draw:
                return fn.sample(own, shape) if self._is_drawn_by_name(fn) else None
            where = self.where[name]
            try:
                full = complete(fn, own, jnp.asarray(draw[name]), where, shape)
            except OptionError as error:
                raise OptionError(f"Latent {name!r} cannot be carried on: {error}.") from None
            except NotImplementedError:
                raise OptionError(
                    f"Latent {name!r} cannot be carried on: nothing can be drawn from a {type(inner(fn)).__name__}."
                ) from None
            lead = full.ndim - inner(fn).event_dim
            if isinstance(inner(fn), dist.MultivariateNormal) and len(where[-1]) < full.shape[-1]:
                # against the mean of a draw from the prior in closed form: solves side by side can block each other in
                # jaxlib's pool of threads (seen with 0.10.2 on two cores), and this one waits for that of `complete`
                tril = inner(fn).scale_tril
                typical = -0.5 * tril.shape[-1] * (1 + jnp.log(2 * jnp.pi))
                typical -= jnp.log(jnp.diagonal(tril, axis1=-2, axis2=-1)).sum(-1)
                gap = jnp.sum(typical - inner(fn).log_prob(full))
                excess[name] = gap / int(np.prod(np.shape(draw[name])))
            elif name in self.scored and all(len(at) == n for at, n in zip(where[lead:], full.shape[lead:])):
                logs = jnp.broadcast_to(inner(fn).log_prob(full), full.shape[:lead])
                density[name] = jnp.sum(logs[np.ix_(*where[:lead])])
            return full

        call = self.inspection.call
        args, kwargs = call.arguments()
        model = handlers.substitute(call.model, substitute_fn=value)
        trace = trace_model(model, call.masked, args, kwargs, random.fold_in(key, 0))
        out = {name: trace[name]["value"] for name in self.out}
        computed = {name: jnp.asarray(trace[name]["value"])[np.ix_(*at)] for name, at in self.computed.items()}
        return out, computed, density, excess

    def nearly(self, keys: Any, draws: Mapping[str, Any]) -> Mapping[str, Any]:
        """Recorded values computed anew with draws and arguments that differ in their last digits."""
        call = self.inspection.call
        other = {i: leaf * (1 + 1e-6) for i, leaf in enumerate(call.leaves) if _is_float(leaf)}
        plan = replace(self, inspection=replace(self.inspection, call=call.with_leaves(other)))
        draws = {name: x * (1 - 1e-6) if _is_float(x) else x for name, x in draws.items()}
        return cast(Mapping[str, Any], _each(plan, plan.run)(keys, draws)[1])

    def tied(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The log densities of what ties latents to each other, given all of them."""
        args, kwargs = self.inspection.call.arguments()
        trace = trace_model(handlers.substitute(self.inspection.call.model, data=dict(values)), False, args, kwargs)
        return {name: jnp.sum(trace[name]["fn"].log_prob(trace[name]["value"])) for name in self.ties}

    @staticmethod
    def _is_drawn_by_name(fn: Any) -> bool:
        try:
            jax.eval_shape(fn.sample, random.PRNGKey(0))
        except NotImplementedError:  # `ImproperUniform`: the run itself makes up a value
            return False
        return True


def carried_on(case: Case, review: Review, rng_key: Any) -> Drawn:
    """The entries that ``extend`` names, in the model's shape, and coordinates of what has become longer."""
    inspection, samples, levels = case.inspection, case.samples, case.levels
    sites, extended, ndims = inspection.run.sites, review.judgement.extended, len(review.batch_shape)
    if not extended:
        return Drawn({}, {dim: level.labels for dim, level in levels.items()})
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in inspection.call.leaves):
        raise arguments_error(inspection.call, "values are carried on outside of jit, with the arguments' own values")
    recorded = {name: (shape or ())[ndims:] for name, shape in samples.shapes.items()}
    where, coords = {}, {}
    for name in (name for name in extended if name in recorded):
        model, dims = sites[name].shape or (), per_draw_dims(samples, name)
        lengths = recorded[name][len(recorded[name]) - len(model) :]
        labels: list[Hashable] = [*dims[len(dims) - len(model) :]] or [None] * len(model)
        where[name] = tuple(levels[d].at if d in levels else np.arange(r) for d, r in zip(labels, lengths))
        for dim, r, n in zip(labels, lengths, model):
            if dim in levels:
                coords[dim] = levels[dim].labels
            elif r < n and dim in samples.labels:
                coords[dim] = continued(name, dim, as_index(samples.labels[dim]), n)
    kept = [n for n in review.kept if n in sites and sites[n].kind != "observed"]
    given = [name for name in kept if name not in extended]
    used = inspection.used(given, extended)
    also = [name for name in used if name not in review.kept and sites[name].kind == "latent"]
    above = inspection.ancestors
    scored = [n for n in kept if not above.get(n, frozenset()).isdisjoint(extended)]
    computed = _comparable(inspection, samples, recorded, where, extended, levels)
    observed = [n for n in inspection.run.named("observed") if is_factor(sites[n]) or above.get(n)]
    ties = [n for n in observed if not where.keys().isdisjoint(inspection.used(given, [n]))]
    wanted = {*extended, *also, *inspection.used(given, [*computed, *scored, *ties])}
    idle = set(inspection.run.named("latent")).difference(wanted, kept, inspection.run.scanned)
    plan = _Plan(
        inspection, where, dict.fromkeys([*extended, *also]), computed, scored, ties,
        idle if inspection.call.mode != "eager" else (),
    )  # fmt: skip
    values = samples.values(kept, ndims)
    for name, at in where.items():  # dimensions of length one in front are not the model's
        values[name] = values[name].reshape(len(values[name]), *map(len, at))
    was = samples.values([*computed], ndims)
    arrays = _draw(plan, values, was, rng_key)
    return Drawn({name: x.reshape(*review.batch_shape, *x.shape[1:]) for name, x in arrays.items()}, coords)


def _draw(plan: _Plan, values: Mapping[str, Any], was: Mapping[str, Any], rng_key: Any) -> dict[str, Any]:
    """All draws, in pieces of one length, so that one compilation serves them. The last overlaps the one before."""
    total = len(jax.tree_util.tree_leaves(values)[0])
    keys = jax.vmap(functools.partial(random.fold_in, rng_key))(jnp.arange(total))
    run = _each(plan, plan.run)
    piece = min(_PIECE, total)
    found: dict[str, np.ndarray] = {}
    for start in (*range(0, total - piece, piece), total - piece):
        part = slice(start, start + piece)
        draws = jax.tree_util.tree_map(lambda x, part=part: x[part], dict(values))
        ran = run(keys[part], draws)
        if not found:
            _check(plan, run, keys[part], draws, ran, was)
        for name, value in ran[0].items():
            found.setdefault(name, np.empty((total, *value.shape[1:]), value.dtype))[part] = value
    arrays: dict[str, Any] = {}
    for name, value in found.items():
        _refuse_not_finite(plan, name, value, values.get(name))
        if name in plan.where:  # bit for bit, whatever precision JAX works in
            value = value.astype(values[name].dtype)
            value[_every_draw(plan.where[name])] = values[name]
        arrays[name] = jnp.asarray(value) if isinstance(values.get(name), jax.Array) else value
    return arrays


def _each(plan: _Plan, run: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one draw, for many: one by one where the model branches on the values of latents."""
    if plan.inspection.call.mode != "eager":
        return jax.jit(jax.vmap(run))

    def one_by_one(*draws: Any) -> Any:
        n = len(jax.tree_util.tree_leaves(draws)[0])
        each = [run(*jax.tree_util.tree_map(lambda x, i=i: x[i], draws)) for i in range(n)]
        return jax.tree_util.tree_map(lambda *x: np.stack(x), *each)

    return one_by_one


def _is_float(x: Any) -> bool:
    return isinstance(x, (float, np.floating, np.ndarray, jax.Array)) and jnp.issubdtype(
        jnp.result_type(x), jnp.floating
    )


def _every_draw(where: Sequence[np.ndarray]) -> Any:
    """The index of positions along each dimension, for all draws."""
    return (slice(None), *np.ix_(*where))


def _number(name: str) -> int:
    return zlib.crc32(name.encode()) & 0x7FFFFFFF


# -------------------------------------------------------------------------------------------------------- checks


def _comparable(
    inspection: Inspection,
    samples: Container,
    recorded: Mapping[str, tuple[int, ...]],
    where: Mapping[str, tuple[np.ndarray, ...]],
    extended: Collection[str],
    levels: Levels,
) -> dict[str, tuple[np.ndarray, ...]]:
    """Recorded deterministic values that have become longer together with a latent -> their fitted part.

    Not among them are those that follow something else: the rows of a call are often others than those of the fit.
    """
    sites = inspection.run.sites
    longer = [n for n in recorded if n in sites and sites[n].kind == "deterministic" and sites[n].shape != recorded[n]]
    if not longer:
        return {}
    of, loops = inspection.sizes.of, inspection.sizes.loops
    grown: dict[Any, np.ndarray] = {}  # a size, or lengths where it could not be told what a dimension follows
    for name in extended:
        for follows, at, n in zip(of[name], where.get(name, ()), sites[name].shape or ()):
            if len(at) < n and np.array_equal(at, np.arange(len(at))):
                grown.update(dict.fromkeys(follows or [(len(at), n)], at))
        if name not in where:
            steps = sum(one in recorded for one in inspection.loop_of(name))
            grown.update(dict.fromkeys(loops.get(name, ()), np.arange(steps)))

    def part(name: str) -> Iterator[np.ndarray | None]:
        dims = per_draw_dims(samples, name)
        for i, (was, now) in enumerate(zip(recorded[name], sites[name].shape or ())):
            if dims and dims[i] in levels:
                yield levels[dims[i]].at
                continue
            sizes = of[name][i] or [(was, now)]
            at = next((grown[size] for size in sizes if size in grown), None)
            at = np.arange(was) if at is None and was == now and not of[name][i] else at
            yield at if at is not None and len(at) == was else None

    found = {}
    for name in longer:
        parts = [*part(name)] if len(recorded[name]) == len(sites[name].shape or ()) else [None]
        if all(at is not None for at in parts):
            found[name] = tuple(at for at in parts if at is not None)
    return found


def _check(
    plan: _Plan, run: Callable[..., Any], keys: Any, draws: Mapping[str, Any], ran: Any, was: Mapping[str, Any]
) -> None:
    """What was fitted is not to change, seen on the first draws. Only for `ties` and doubts is more compiled."""
    out, computed, density, excess = ran
    _refuse_implausible(excess)
    gaps = {name: _gap(was[name][: len(value)], value) for name, value in computed.items()}
    if doubtful := {name: gap for name, (gap, scale) in gaps.items() if not gap <= _COMPUTED * scale}:
        nearly = plan.nearly(keys, draws)
        for name, gap in doubtful.items():
            if not gap <= _ROUNDING * _gap(computed[name], nearly[name])[0]:
                _refuse_changed(plan, name, *gaps[name])
    if computed or density or plan.ties:
        others = run(jax.vmap(functools.partial(random.fold_in, data=1))(keys), draws)
        _refuse_dependent(plan, {**computed, **density}, {**others[1], **others[2]})
    if plan.ties:
        _refuse_tied(plan, {**draws, **out}, others[0], _each(plan, plan.tied))


def _gap(one: Any, other: Any) -> tuple[float, float]:
    """How far values differ at most where the first are finite, and how large those are."""
    one, other = np.asarray(one, float), np.asarray(other, float)
    finite = np.isfinite(one)
    return float(np.max(np.abs(one - other)[finite], initial=0.0)), float(np.max(np.abs(one[finite]), initial=0.0))


def _refuse_changed(plan: _Plan, name: str, gap: float, scale: float) -> None:
    raise ExtensionError(
        f"What was fitted would change: {name!r}, recomputed along its fitted part, is off by {gap:.3g} from values up "
        f"to {scale:.3g}. So {listing(plan.where or plan.out)} cannot be carried on with these arguments: they have to "
        f"begin with those of the fit, and what the model computes for those must not depend on what comes after them "
        f"(a mean over groups, a basis made from the range of the data).",
        sites=(name,),
    )


def _refuse_dependent(plan: _Plan, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Two passes of one compilation that differ in what they draw: all else has to be the same."""
    for name, value in one.items():
        gap, scale = _gap(value, other[name])
        if not gap <= _DENSITY * scale:
            what = f"{name!r} along its fitted part"
            what = what if name in plan.computed else f"the distribution of the fitted {name!r}"
            raise ExtensionError(
                f"What was fitted would change: {what} depends on what is drawn anew of "
                f"{listing(plan.where or plan.out)} (a mean over groups, for example), so that what was fitted tells "
                f"of those. They cannot be drawn forward from the model: fit it with the new ones in it, or name "
                f"{name if name in plan.scored else next(iter(plan.where or plan.out))!r} in redraw= of the drop-ins.",
                sites=(name,),
            )


def _refuse_tied(
    plan: _Plan, values: Mapping[str, Any], others: Mapping[str, Any], score: Callable[..., Mapping[str, Any]]
) -> None:
    """What ties a latent's fitted values to its new ones, as a factor for neighbours, leaves a mixed difference."""
    for name, at in plan.where.items():
        fitted = _every_draw(at)
        one, two = np.array(values[name]), np.array(others[name])
        three, four = one.copy(), two.copy()
        three[fitted] = four[fitted] = np.roll(one[fitted], 1, axis=0)
        a, b, c, d = (score({**values, name: x}) for x in (one, two, three, four))
        for tie in plan.ties:
            scale = np.abs(np.array([a[tie], b[tie], c[tie], d[tie]], float))
            gap = np.abs(np.asarray(a[tie], float) - b[tie] - c[tie] + d[tie])
            if (gap > _TIED * scale.max(0)).any():
                raise ExtensionError(
                    f"What was fitted would change: {tie!r} (a factor, or an observation of latents) ties the fitted "
                    f"values of {name!r} to its new ones, which cannot be drawn forward from the model: fit it with "
                    f"the new ones in it.",
                    sites=(name, tie),
                )


def _refuse_implausible(excess: Mapping[str, Any]) -> None:
    for name, value in excess.items():
        if (typical := float(np.median(np.asarray(value)))) > _IMPLAUSIBLE:
            raise ExtensionError(
                f"The fitted values of {name!r} are none that its distribution with these arguments produces (the log "
                f"density of a value lies {typical:.0f} below that of a draw from the prior): the arguments have to "
                f"begin with those of the fit, in their order, and go on with the new ones.",
                sites=(name,),
            )


def _refuse_not_finite(plan: _Plan, name: str, value: np.ndarray, recorded: Any) -> None:
    if np.isnan(value).any() and not (recorded is not None and np.isnan(recorded).any()):
        raise ExtensionError(
            f"{name!r} carried on is not a number in {int(np.isnan(value).any(tuple(range(1, value.ndim))).sum())} of "
            f"{len(value)} draws: a covariance is not positive definite in the precision of JAX. Add jitter to its "
            f"diagonal, or set jax_enable_x64.",
            sites=(name,),
        )
