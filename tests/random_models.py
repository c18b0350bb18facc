"""Random NumPyro models for property tests: a random graph of latents and deterministics, and what is right for each.

A model is plain data (`RandomModel`, printed whole where a property fails), and `function` makes a NumPyro model of
it. Every value has named axes, so that what is global, per row or computed is known from how the model was built and
not from running it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from hypothesis import strategies as st
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.infer.reparam import LocScaleReparam, TransformReparam

TARGET = "obs"

GLOBAL_AXES = [(), ("feature",), ("group",), ("group", "feature"), ("feature", "output"), ("output",)]
ROW_AXES = [("row",), ("row", "output"), ("row", "feature")]

REPARAMETRIZED = {"normal": "_decentered", "student": "_decentered", "lognormal": "_base"}


class Node(NamedTuple):
    """A latent or a deterministic, the axes of its value, and how these are laid out in NumPyro."""

    name: str
    kind: str  # "latent" or "deterministic"
    axes: tuple[str, ...]
    layout: str  # "plates", "batch", "event", "mixed" (a plate around events) or "scan"
    parents: tuple[str, ...] = ()
    family: str = "normal"
    reparametrized: bool = False


class Data(NamedTuple):
    """The arrays that a model works with, whatever arguments they came from."""

    x: Any
    group: Any
    sizes: dict[str, int]


@dataclasses.dataclass(frozen=True)
class RandomModel:
    """A model, the data that it was fitted on, and how its arguments are passed."""

    nodes: tuple[Node, ...]
    target: Node
    rows: int  # of the fit
    features: int
    outputs: int
    groups: int
    groups_from: str  # "number" (an integer argument) or "covariate" (an array with one value a group)
    matrix: bool  # whether X has columns; else it is one value a row
    keywords: int  # how many of the arguments are passed by keyword
    reparam_inside: bool  # or around the model, as a decorator is

    @property
    def function(self) -> Callable[..., None]:
        """The NumPyro model, with no more parameters than it needs."""
        config = {
            node.name: {
                "normal": LocScaleReparam(0.0),
                "student": LocScaleReparam(0.0, shape_params=["df"]),
                "lognormal": TransformReparam(),
            }[node.family]
            for node in self.nodes
            if node.reparametrized
        }
        around = config and not self.reparam_inside

        def run(x: Any, group: Any, groups: int, y: Any) -> None:
            columns = x.shape[1] if x.ndim > 1 else self.features
            sizes = {"row": x.shape[0], "feature": columns, "group": groups, "output": self.outputs}
            with handlers.reparam(config=config) if config and not around else contextlib.nullcontext():
                self._run(Data(x, group, sizes), y)

        if not self._uses("group"):

            def model(X: Any, y: Any = None) -> None:
                run(X, None, 1, y)

        elif self.groups_from == "number":

            def model(X: Any, g: Any, J: int, y: Any = None) -> None:  # type: ignore[misc]
                run(X, g, J, y)

        else:

            def model(X: Any, g: Any, u: Any, y: Any = None) -> None:  # type: ignore[misc]
                run(X, g, u.shape[0], y)

        return handlers.reparam(model, config=config) if around else model

    def arguments(self, rows: int, y: bool | None = False, seed: int = 0) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments for a number of rows; y given, passed as None (``False``), or not passed at all (``None``)."""
        rng = np.random.default_rng(seed)
        shape = (rows, self.features) if self.matrix else (rows,)
        passed: dict[str, Any] = {"X": rng.normal(size=shape).astype(np.float32)}
        if self._uses("group"):
            passed["g"] = rng.integers(self.groups, size=rows).astype(np.int32)
            covariate = np.arange(self.groups, dtype=np.float32)
            passed |= {"J": self.groups} if self.groups_from == "number" else {"u": covariate}
        if y is not None:
            shape = self.target_shape(rows)
            discrete = self.target.family in ("poisson", "bernoulli")
            values = rng.integers(2, size=shape) if discrete else rng.normal(size=shape)
            passed["y"] = values.astype(np.float32) if y else None
        by_position = max(len(passed) - self.keywords, 0)
        names = list(passed)
        return tuple(passed[n] for n in names[:by_position]), {n: passed[n] for n in names[by_position:]}

    def target_shape(self, rows: int) -> tuple[int, ...]:
        return tuple({"row": rows, "output": self.outputs}[axis] for axis in self.target.axes)

    def latents(self, per_row: bool) -> list[str]:
        """The latents that a fit records: of a reparametrized site, the one that its value is computed from."""
        return [
            node.name + (REPARAMETRIZED[node.family] if node.reparametrized else "")
            for node in self.nodes
            if node.kind == "latent" and ("row" in node.axes) == per_row
        ]

    @property
    def scanned(self) -> list[str]:
        return [node.name for node in self.nodes if node.layout == "scan"]

    @property
    def computed(self) -> list[str]:
        return [node.name for node in self.nodes if node.kind == "deterministic" or node.reparametrized]

    def kept(self, rows: int) -> set[str]:
        """The entries that stay for so many rows, where nothing else tells whether they are those of the fit."""
        kept = set(self.latents(per_row=False))
        per_row = set(self.latents(per_row=True))
        if rows == self.rows:
            return kept | per_row
        if rows > self.rows and per_row == set(self.scanned):
            return kept | per_row  # NumPyro's scan goes on from the recorded steps
        return kept

    def samples(self, draws: tuple[int, ...] = (3,), seed: int = 1) -> dict[str, np.ndarray]:
        """Made-up draws of every site but plates, as stock NumPyro's own trace has them: stale values anywhere tell.

        All within the support of any family here.
        """
        rng = np.random.default_rng(seed)
        samples = {}
        for name, message in self.sites(self.rows).items():
            if message["type"] in ("sample", "deterministic"):
                shape = (*draws, *message["shape"])
                integers = np.dtype(message["dtype"]).kind in "iub"
                values = rng.integers(2, size=shape) if integers else rng.uniform(0.1, 0.9, size=shape)
                samples[name] = values.astype(np.int32 if integers else np.float32)
        return samples

    def fit(self) -> dict[str, np.ndarray]:
        """Made-up draws of the latents and of the target, and what the model computes from these latents."""
        samples = self.samples()
        args, kwargs = self.arguments(self.rows)

        def compute(latents: dict[str, Any]) -> dict[str, Any]:
            fitted = handlers.substitute(handlers.seed(self.function, jax.random.PRNGKey(0)), data=latents)
            trace = handlers.trace(fitted).get_trace(*args, **kwargs)
            return {name: trace[name]["value"] for name in self.computed}

        latents = {name: samples[name] for name in self.latents(per_row=False) + self.latents(per_row=True)}
        computed = jax.vmap(compute)(latents) if self.computed else {}
        return {**samples, **{name: np.asarray(value) for name, value in computed.items()}}

    def sites(self, rows: int, y: bool = False) -> dict[str, dict[str, Any]]:
        """Type, shape and dtype of every site, by NumPyro's trace alone."""
        found: dict[str, dict[str, Any]] = {}

        def run() -> None:
            args, kwargs = self.arguments(rows, y)
            trace = handlers.trace(handlers.seed(self.function, jax.random.PRNGKey(0))).get_trace(*args, **kwargs)
            for name, message in trace.items():
                if message["type"] != "plate":
                    value = message["value"]
                    found[name] = {
                        "type": message["type"],
                        "observed": message.get("is_observed", False),
                        "shape": jnp.shape(value),
                        "dtype": jnp.result_type(value),
                    }

        jax.eval_shape(run)
        return found

    def _uses(self, axis: str) -> bool:
        return any(axis in node.axes for node in self.nodes)

    def _run(self, data: Data, y: Any) -> None:
        values: dict[str, Any] = {}
        for node in self.nodes:
            axes = {n.name: n.axes for n in self.nodes}
            location = sum(
                (_fit(values[p], axes[p], node.axes, data) for p in node.parents),
                start=0.1 * jnp.zeros(_shape(node.axes, data)),
            )
            values[node.name] = _site(node, location, data)
        axes = {n.name: n.axes for n in self.nodes}
        location = sum(
            (_fit(values[p], axes[p], self.target.axes, data) for p in self.target.parents),
            start=jnp.zeros(_shape(self.target.axes, data)),
        )
        _site(self.target, location, data, obs=y)


def _shape(axes: tuple[str, ...], data: Data) -> tuple[int, ...]:
    return tuple(data.sizes[axis] for axis in axes)


def _fit(value: Any, have: tuple[str, ...], want: tuple[str, ...], data: Data) -> Any:
    """A value with other axes: groups are looked up, features multiplied by X, what is left over averaged."""
    if "row" in want and "row" not in have:
        if "group" in have and "group" not in want:
            value = jnp.moveaxis(jnp.take(value, data.group, axis=have.index("group")), have.index("group"), 0)
            have = ("row", *(axis for axis in have if axis != "group"))
        elif "feature" in have and "feature" not in want and jnp.ndim(data.x) > 1:
            value = jnp.tensordot(data.x, value, axes=(1, have.index("feature")))
            have = ("row", *(axis for axis in have if axis != "feature"))
    for axis in have:
        if axis not in want:
            value = jnp.mean(value, axis=have.index(axis))
            have = tuple(other for other in have if other != axis)
    value = jnp.transpose(value, [have.index(axis) for axis in want if axis in have])
    value = value.reshape([data.sizes[axis] if axis in have else 1 for axis in want])
    return jnp.broadcast_to(value, _shape(want, data))


def _site(node: Node, location: Any, data: Data, obs: Any = None) -> Any:
    plated = {"plates": len(node.axes), "mixed": min(len(node.axes), 1)}.get(node.layout, 0)
    if node.layout == "scan":

        def step(carry: Any, now: Any) -> tuple[Any, Any]:
            value = numpyro.sample(node.name, dist.Normal(0.5 * carry + now, 1.0))
            return value, value

        return scan(step, 0.0, location)[1]
    with contextlib.ExitStack() as plates:
        for i, axis in enumerate(node.axes[:plated]):
            dim = i - plated
            plates.enter_context(numpyro.plate(axis if dim == -1 else f"{axis}_outer", data.sizes[axis], dim=dim))
        if node.kind == "deterministic":
            return numpyro.deterministic(node.name, jnp.tanh(location))
        if node.family == "mvn":
            fn = dist.MultivariateNormal(location, jnp.eye(location.shape[-1]))
            events = 1
        else:
            fn, events = _distribution(node.family, location), 0
        batch = len(node.axes) - events
        if node.layout in ("event", "mixed") and batch > plated:
            fn = fn.to_event(batch - plated)
        return numpyro.sample(node.name, fn, obs=obs)


def _distribution(family: str, location: Any) -> Any:
    return {
        "normal": lambda: dist.Normal(location, 1.0),
        "student": lambda: dist.StudentT(5.0, location, 1.0),
        "lognormal": lambda: dist.LogNormal(location, 1.0),
        "halfnormal": lambda: dist.HalfNormal(jnp.exp(location)),
        "bernoulli": lambda: dist.Bernoulli(logits=location),
        "poisson": lambda: dist.Poisson(jnp.exp(location)),
    }[family]()


# -------------------------------------------------------------------------------------------------- strategies


@st.composite
def random_models(draw: Any, per_row: bool | None = None) -> RandomModel:
    """Any model; ``per_row=False``: none of whose latents has one value a row."""
    size = st.integers(1, 4)
    matrix = draw(st.booleans())
    grouped = draw(st.booleans())

    def allowed(axes: tuple[str, ...]) -> bool:
        return (matrix or "feature" not in axes) and (grouped or "group" not in axes)

    global_axes = [axes for axes in GLOBAL_AXES if allowed(axes)]
    row_axes = [axes for axes in ROW_AXES if allowed(axes)]
    nodes: list[Node] = []
    for i in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["latent", "latent", "deterministic"])) if nodes else "latent"
        # the first is global: a posterior has something that other rows have too
        anywhere = i > 0 and (kind == "deterministic" or per_row is not False)
        axes = draw(st.sampled_from(global_axes + row_axes if anywhere else global_axes))
        # what is drawn for all rows together is not drawn from single ones
        parents = [n.name for n in nodes if kind == "deterministic" or "row" in axes or not _touches_rows(n, nodes)]
        chosen = draw(st.lists(st.sampled_from(parents), max_size=2, unique=True)) if parents else []
        nodes.append(_random_node(draw, f"{kind[0]}{i}", kind, axes, tuple(chosen)))
    outputs = draw(st.booleans()) and any("output" in node.axes for node in nodes)
    parents = draw(st.lists(st.sampled_from([n.name for n in nodes]), min_size=1, max_size=3, unique=True))
    target = Node(
        TARGET,
        "latent",
        ("row", "output") if outputs else ("row",),
        draw(st.sampled_from(["plates", "mixed", "batch", "event"])),
        tuple(parents),
        draw(st.sampled_from(["normal", "student", "bernoulli", "poisson"])),
    )
    return RandomModel(
        tuple(nodes),
        target,
        rows=draw(size),
        features=draw(size),
        outputs=draw(size),
        groups=draw(size),
        groups_from=draw(st.sampled_from(["number", "covariate"])),
        matrix=matrix,
        keywords=draw(st.integers(0, 4)),
        reparam_inside=draw(st.booleans()),
    )


def _random_node(draw: Any, name: str, kind: str, axes: tuple[str, ...], parents: tuple[str, ...]) -> Node:
    layouts = ["plates", "batch", "event", "mixed"]
    if kind == "deterministic":
        return Node(name, kind, axes, draw(st.sampled_from(["plates", "batch"])), parents)
    if axes == ("row",) and draw(st.integers(0, 3)) == 0:
        return Node(name, kind, axes, "scan", parents)
    families = ["normal", "normal", "student", "lognormal", "halfnormal", "bernoulli", *(["mvn"] if axes else [])]
    family = draw(st.sampled_from(families))
    if family == "mvn":
        layouts = ["batch"] if len(axes) == 1 else ["batch", "event", "mixed"]
    layout = draw(st.sampled_from(layouts))
    reparametrized = family in REPARAMETRIZED and draw(st.integers(0, 2)) == 0
    return Node(name, kind, axes, layout, parents, family, reparametrized)


def _touches_rows(node: Node, nodes: list[Node]) -> bool:
    by_name = {n.name: n for n in nodes}
    return "row" in node.axes or any(_touches_rows(by_name[parent], nodes) for parent in node.parents)
