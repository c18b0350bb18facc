"""Random NumPyro models for property tests: a random graph of latents and deterministics, and what is right for each.

A model is plain data (`RandomModel`, printed whole where a property fails), and `function` makes a NumPyro model of
it. Every value has named axes, so that what is global, per row or computed, and whether rows act on each other, is
known from how the model was built and not from running it.

The axes: ``row``, and in two-way tables ``column``, are those of the target; ``group`` and ``cross`` are looked up by
one index a row each (crossed), ``region`` by one a group (nested); ``feature`` are columns of X, ``output`` is fixed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from hypothesis import settings
from hypothesis import strategies as st
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.infer.reparam import LocScaleReparam, TransformReparam

TARGET = "obs"
KEPT, STRIPPED, REDRAWN, REFUSED = "kept", "stripped", "redrawn", "refused"

GLOBAL_AXES = [
    (), ("feature",), ("group",), ("group", "feature"), ("feature", "output"), ("output",),
    ("cross",), ("group", "cross"), ("region",),
]  # fmt: skip
ROW_AXES = [("row",), ("row", "output"), ("row", "feature"), ("column",), ("row", "column")]

REPARAMETRIZED = {
    "normal": ("_decentered", LocScaleReparam(0.0)),
    "student": ("_decentered", LocScaleReparam(0.0, shape_params=["df"])),
    "lognormal": ("_base", TransformReparam()),
}


class Node(NamedTuple):
    """A latent or a deterministic, the axes of its value, and how these are laid out in NumPyro."""

    name: str
    kind: str  # "latent" or "deterministic"
    axes: tuple[str, ...]
    layout: str  # "plates", "batch", "event", "mixed" (a plate around events), "scan", or named by a "loop" or "chain"
    parents: tuple[str, ...] = ()
    family: str = "normal"
    reparametrized: bool = False

    @property
    def is_named_by_a_loop(self) -> bool:
        return self.layout in ("loop", "chain")

    @property
    def is_latent(self) -> bool:
        return self.kind == "latent"


class Data(NamedTuple):
    """What a model works with, whatever arguments it came from."""

    x: Any  # (row, feature), or None
    g: Any
    h: Any
    r: Any
    sizes: Mapping[str, int]


@dataclasses.dataclass(frozen=True)
class RandomModel:
    """A model, the data that it was fitted on, and how its arguments are passed."""

    nodes: tuple[Node, ...]
    target: Node
    fitted: Mapping[str, int]  # axis -> its length in the fit
    changing: str  # the axis that other calls have another number of: "row", or "column"
    rows_from: str  # "array" (one value a row), "matrix" (also features, or columns), or "number" (an integer)
    groups_from: str  # "number", "covariate" (one value a group), "labels" (a list), "objects" or "codes" (an array)
    passing: str  # "arguments", "dict" (all as its keys, y too), or "flag" (y is always given, a flag observes it)
    keywords: int  # how many of the arguments are passed by keyword
    reparam_inside: bool  # or around the model, as a decorator is

    # ------------------------------------------------------------------------------------------ the arguments

    @property
    def rows(self) -> int:
        """How many the fit had of what changes."""
        return self.fitted[self.changing]

    def sizes(self, rows: int) -> dict[str, int]:
        """The length of each axis, for so many of what changes: labels name the groups that are among the rows."""
        sizes = {**self.fitted, self.changing: rows}
        if self.groups_from in ("labels", "objects", "codes"):
            sizes["group"] = min(sizes["row"], sizes["group"])
        return sizes

    def arguments(
        self, rows: int, y: bool | None = False, seed: int = 0, order: Any = slice(None)
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments for a number of rows; y given, passed as None (``False``), or not passed at all (``None``)."""
        rng = np.random.default_rng(seed)
        sizes = self.sizes(rows)
        passed: dict[str, Any] = {}
        if self.rows_from == "number":
            passed["n"] = sizes["row"]
        else:
            second = "column" if self.is_table else "feature"
            shape = (sizes["row"], sizes[second]) if self.rows_from == "matrix" else (sizes["row"],)
            passed["X"] = rng.normal(size=shape).astype(np.float32)[order]
        if self.is_table and self.rows_from != "matrix":
            m = sizes["column"]
            passed["m"] = m if self.rows_from == "number" else np.arange(m, dtype=np.float32)
        if self._uses("group") or self._uses("region"):
            codes = (np.arange(sizes["row"]) % sizes["group"]).astype(np.int32)
            if self.groups_from in ("labels", "objects"):
                names = np.array([f"g{code}" for code in codes], object)[order]
                passed["g"] = names.tolist() if self.groups_from == "labels" else names
            else:
                passed["g"] = codes[order]
            if self.groups_from == "number":
                passed["J"] = sizes["group"]
            elif self.groups_from == "covariate":
                passed["u"] = np.arange(sizes["group"], dtype=np.float32)
        if self._uses("region"):
            passed["r"] = (np.arange(sizes["group"]) % sizes["region"]).astype(np.int32)
            passed["R"] = sizes["region"]
        if self._uses("cross"):
            passed["h"] = rng.integers(sizes["cross"], size=sizes["row"]).astype(np.int32)[order]
            passed["K"] = sizes["cross"]
        shape = self.shape(self.target, rows)
        values = (
            rng.integers(2, size=shape) if self.target.family in ("poisson", "bernoulli") else rng.normal(size=shape)
        )
        values = values.astype(np.float32)
        if self.changing == "row" or not self.is_table:
            values = values[order]
        if y is not None or self.passing == "flag":
            passed["y"] = values if y or self.passing == "flag" else None
        if y is not None and self.passing == "flag":
            passed["observed"] = y
        if self.passing == "dict":
            passed = {"data": passed}
        by_position = max(len(passed) - self.keywords, 0)
        names = list(passed)
        return tuple(passed[n] for n in names[:by_position]), {n: passed[n] for n in names[by_position:]}

    @property
    def function(self) -> Callable[..., None]:
        """The NumPyro model, with no more parameters than it needs."""
        config = {node.name: REPARAMETRIZED[node.family][1] for node in self.nodes if node.reparametrized}
        around = config and not self.reparam_inside
        _, kwargs = dataclasses.replace(self, keywords=99).arguments(self.rows, y=True)
        optional = {"y": None, "observed": False}
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        signature = inspect.Signature(
            [inspect.Parameter(n, kind, default=optional.get(n, inspect.Parameter.empty)) for n in kwargs]
        )

        def model(*args: Any, **kwargs: Any) -> None:
            passed = signature.bind(*args, **kwargs).arguments
            passed = passed.get("data", passed)
            y = passed.get("y") if self.passing != "flag" or passed.get("observed") else None
            with handlers.reparam(config=config) if config and not around else contextlib.nullcontext():
                self._run(self._data(passed), y)

        model.__signature__ = signature  # type: ignore[attr-defined]
        return handlers.reparam(model, config=config) if around else model

    def _data(self, passed: Mapping[str, Any]) -> Data:
        x, g = passed.get("X"), passed.get("g")
        sizes = {**self.fitted, "row": passed["n"] if x is None else x.shape[0]}
        if self.is_table:
            sizes["column"] = x.shape[1] if self.rows_from == "matrix" else passed["m"]
            if self.rows_from == "array":
                sizes["column"] = passed["m"].shape[0]
        elif self.rows_from == "matrix":
            sizes["feature"] = x.shape[1]
        if "J" in passed:
            sizes["group"] = passed["J"]
        elif "u" in passed:
            sizes["group"] = passed["u"].shape[0]
        elif g is not None:
            levels, g = np.unique(g, return_inverse=True)
            sizes["group"] = len(levels)
        sizes |= {axis: passed[name] for axis, name in (("region", "R"), ("cross", "K")) if name in passed}
        features = x if self.rows_from == "matrix" and not self.is_table else None
        return Data(features, g, passed.get("h"), passed.get("r"), sizes)

    # --------------------------------------------------------------------------------------------- what is right

    @property
    def is_table(self) -> bool:
        return "column" in self.target.axes

    @functools.cached_property
    def latents(self) -> dict[str, tuple[Node, int]]:
        """The entries that a fit records of the latents: of a loop, one each; of a reparametrized site, its base."""
        found = {}
        for node in (node for node in self.nodes if node.is_latent):
            base = node.name + (REPARAMETRIZED[node.family][0] if node.reparametrized else "")
            n = self.sizes(self.rows)[node.axes[0]] if node.is_named_by_a_loop else 0
            found |= {f"{base}_{i}": (node, i) for i in range(n)} if node.is_named_by_a_loop else {base: (node, 0)}
        return found

    def of(self, *axes: str) -> set[str]:
        """The recorded latents that have one of these axes."""
        return {name for name, (node, _) in self.latents.items() if {*axes} & {*node.axes}}

    @property
    def computed(self) -> list[str]:
        return [node.name for node in self.nodes if node.kind == "deterministic" or node.reparametrized]

    def verdicts(self, rows: int, new_rows: bool | None = None) -> dict[str, str]:
        """What happens to each entry, by the table of the design."""
        latents = {name: self._verdict(node, i, rows, new_rows) for name, (node, i) in self.latents.items()}
        return {**latents, **dict.fromkeys([*self.computed, TARGET], STRIPPED)}

    def _verdict(self, node: Node, i: int, rows: int, new_rows: bool | None) -> str:
        before, now = self.sizes(self.rows), self.sizes(rows)
        follows = self.changing in node.axes
        if node.is_named_by_a_loop:
            others = follows and (rows != self.rows if new_rows is None else new_rows)
            beyond = i >= now[node.axes[0]]  # no site of this model
            chained = node.layout == "chain"
            return REDRAWN if others and not beyond and (new_rows or not chained) else KEPT
        if any(before[axis] != now[axis] for axis in node.axes if axis != self.changing):
            return REFUSED
        if not follows or (rows == self.rows and not new_rows):
            return KEPT
        if new_rows:
            return REDRAWN
        if node.layout == "scan":
            return KEPT if rows > self.rows else REFUSED
        return REFUSED if self._is_joint(node) else REDRAWN

    def continues(self, rows: int) -> bool:
        """Whether a recorded series goes on for the rows, or stops before."""
        nodes = [node for node, _ in self.latents.values() if self.changing in node.axes]
        return any(n.layout == "chain" or (n.layout == "scan" and rows > self.rows) for n in nodes)

    def _is_joint(self, node: Node) -> bool:
        """Whether values along what changes depend on each other: by their distribution, or by use."""
        return (node.family == "mvn" and node.axes[-1] == self.changing) or self._reaches_other_rows(node, False)

    def _reaches_other_rows(self, node: Node, crossed: bool) -> bool:
        """A mean over the rows, used where the rows are, given all latents that the model draws."""
        for child in (n for n in (*self.nodes, self.target) if node.name in n.parents):
            now = crossed or self.changing not in child.axes
            shifted = child.reparametrized and child.family != "lognormal"  # its base is drawn from no parent
            drawn = child.is_latent and not shifted and not child.is_named_by_a_loop
            if now and drawn and self.changing in child.axes:
                return True
            if (shifted or not child.is_latent) and self._reaches_other_rows(child, now):
                return True
        return False

    def acts_on_rows(self, node: Node) -> bool:
        """Whether the value of a node at one row depends on that of an ancestor at another row."""
        above = [n for n in self.nodes if n.name in node.parents]
        return any(("row" in n.axes and "row" not in node.axes) or self.acts_on_rows(n) for n in above)

    def shape(self, node: Node, rows: int) -> tuple[int, ...]:
        sizes = self.sizes(rows)
        return tuple(sizes[axis] for axis in node.axes)

    # ------------------------------------------------------------------------------------------------ samples

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

        latents = {name: samples[name] for name in self.latents}
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

    # ------------------------------------------------------------------------------------------------ the model

    def _uses(self, axis: str) -> bool:
        return any(axis in node.axes for node in self.nodes)

    def _run(self, data: Data, y: Any) -> None:
        values: dict[str, Any] = {}
        axes = {node.name: node.axes for node in self.nodes}
        for node in (*self.nodes, self.target):
            parents = [_fit(values[p], axes[p], node.axes, data) for p in node.parents]
            # no value grows out of all bounds from latent to latent, nor does any saturate
            location = jnp.arcsinh(sum(parents, start=jnp.full(_shape(node.axes, data), 0.1)))
            values[node.name] = _site(node, location, data, obs=y if node is self.target else None)


def _shape(axes: tuple[str, ...], data: Data) -> tuple[int, ...]:
    return tuple(data.sizes[axis] for axis in axes)


def _fit(value: Any, have: tuple[str, ...], want: tuple[str, ...], data: Data) -> Any:
    """A value with other axes: groups are looked up, features multiplied by X, what is left over averaged."""
    index = {}
    if "row" in want and "row" not in have:
        index = {"group": data.g, "cross": data.h, "region": data.r[data.g] if "region" in have else None}
    elif "group" in want:
        index = {"region": data.r}
    if by_index := [axis for axis in have if axis in index and axis not in want]:
        value = jnp.moveaxis(value, [have.index(axis) for axis in by_index], range(len(by_index)))
        value = value[tuple(index[axis] for axis in by_index)]
        have = (want[0], *(axis for axis in have if axis not in by_index))
    elif "row" in want and "row" not in have and "feature" in have and "feature" not in want and data.x is not None:
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
    if node.is_named_by_a_loop:
        values: list[Any] = []
        for i in range(location.shape[0]):
            last = values[-1] if values and node.layout == "chain" else 0.0
            values.append(
                numpyro.sample(f"{node.name}_{i}", _distribution(node.family, jnp.arcsinh(location[i] + last)))
            )
        return jnp.stack(values)
    with contextlib.ExitStack() as plates:
        for i, axis in enumerate(node.axes[:plated]):
            dim = i - plated
            plates.enter_context(numpyro.plate(axis if dim == -1 else f"{axis}_outer", data.sizes[axis], dim=dim))
        if node.kind == "deterministic":
            return numpyro.deterministic(node.name, jnp.arcsinh(location))
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
    is_table = draw(st.integers(0, 3)) == 0
    rows_from = draw(st.sampled_from(["array", "matrix", "number"]))
    groups_from = draw(st.sampled_from(["number", "covariate", "labels", "objects", "codes"]))
    axes = {"row", *(["column"] if is_table else ["output"])}
    axes |= {"feature"} if rows_from == "matrix" and not is_table else set()
    grouping = draw(st.sampled_from([(), ("group",), ("group", "cross"), ("group", "region")]))
    axes |= {*grouping} - ({"region"} if groups_from in ("labels", "objects", "codes") else set())

    global_axes = [some for some in GLOBAL_AXES if axes.issuperset(some)]
    row_axes = [some for some in ROW_AXES if axes.issuperset(some)]
    # what is seldom met by chance: a series beside another row-level latent, groups drawn from what they are nested in
    together: list[tuple[tuple[str, ...], ...]] = [(), (), ()]
    together += [(("row",), ("row",))] if per_row is not False else []
    together += [(("region",), ("group",))] if "region" in axes else []
    wanted = dict(enumerate(draw(st.sampled_from(together)), start=1))
    nodes: list[Node] = []
    for i in range(draw(st.integers(1 + len(wanted), 5))):
        kind = draw(st.sampled_from(["latent", "latent", "deterministic"])) if i and i not in wanted else "latent"
        # the first is global: a posterior has something that other rows have too
        anywhere = i > 0 and (kind == "deterministic" or per_row is not False)
        of = wanted.get(i) or draw(st.sampled_from(global_axes + row_axes if anywhere else global_axes))
        # what is drawn for all rows together is not drawn from single ones
        along = {"row", "column"}.intersection(of)
        parents = [n.name for n in nodes if kind == "deterministic" or _touched_rows(n, nodes) <= along]
        chosen = draw(st.lists(st.sampled_from(parents), max_size=2, unique=True)) if parents else []
        if wanted.get(i) == ("group",):
            chosen = ["b"]
        series = i == 1 and wanted.get(i) == ("row",)
        nodes.append(_random_node(draw, "abcde"[i], kind, of, tuple(chosen), series))
    outputs = draw(st.booleans()) and any("output" in node.axes for node in nodes)
    parents = draw(st.lists(st.sampled_from([n.name for n in nodes]), min_size=1, max_size=3, unique=True))
    target = Node(
        TARGET,
        "latent",
        ("row", "column") if is_table else ("row", "output") if outputs else ("row",),
        # of a table, too, each element is an outcome: columns inside of an event would be one row's
        draw(st.sampled_from(["plates", "batch", "event", *([] if is_table else ["mixed"])])),
        tuple(parents),
        draw(st.sampled_from(["normal", "student", "bernoulli", "poisson"])),
    )
    return RandomModel(
        tuple(nodes),
        target,
        fitted={axis: draw(size) for axis in ("row", "column", "feature", "output", "group", "cross", "region")},
        changing=draw(st.sampled_from(["row", "column"])) if is_table else "row",
        rows_from=rows_from,
        groups_from=groups_from,
        passing=draw(st.sampled_from(["arguments", "arguments", "dict", "flag"])),
        keywords=draw(st.integers(0, 4)),
        reparam_inside=draw(st.booleans()),
    )


def _random_node(
    draw: Any, name: str, kind: str, axes: tuple[str, ...], parents: tuple[str, ...], series: bool
) -> Node:
    layouts = ["plates", "batch", "event", "mixed"]
    if kind == "deterministic":
        return Node(name, kind, axes, draw(st.sampled_from(["plates", "batch"])), parents)
    if series or (axes == ("row",) and draw(st.integers(0, 3)) == 0):
        return Node(name, kind, axes, "scan", parents)
    if len(axes) == 1 and draw(st.integers(0, 4)) == 0:
        family = draw(st.sampled_from(["normal", "halfnormal"]))
        return Node(name, kind, axes, draw(st.sampled_from(["loop", "chain"])), parents, family)
    families = ["normal", "normal", "student", "lognormal", "halfnormal", "bernoulli", *(["mvn"] if axes else [])]
    family = draw(st.sampled_from(families))
    if family == "mvn":
        layouts = ["batch"] if len(axes) == 1 else ["batch", "event", "mixed"]
    layout = draw(st.sampled_from(layouts))
    reparametrized = family in REPARAMETRIZED and draw(st.integers(0, 2)) == 0
    return Node(name, kind, axes, layout, parents, family, reparametrized)


def _touched_rows(node: Node, nodes: list[Node]) -> set[str]:
    """The axes of the target that the value of a node, or of an ancestor, has."""
    above = (_touched_rows(n, nodes) for n in nodes if n.name in node.parents)
    return {"row", "column"}.intersection(node.axes).union(*above)


def fewer(part: int) -> settings:
    """One of so many examples, for what stock NumPyro compiles anew; all of them where hundreds are asked for."""
    examples = settings().max_examples
    return settings(max_examples=examples if examples >= 300 else examples // part)
