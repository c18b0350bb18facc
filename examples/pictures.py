"""The pictures of the documentation: how the site table, a review and its graph look, on light and dark, and narrow.

``nox -s pictures`` writes all of them to ``docs/pictures``, each with its source beside it: pages (``.html``), which a
browser (``chromium``) shows, and graphs (``.gv``), which Graphviz (the Python package and the program ``dot``) draws.
A test compares the sources with what the code makes today.
"""

import importlib.util
import pathlib
import shutil
import subprocess
import tempfile

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Predictive

from sanitize import inspect_sites

THEMES = {
    "light": ("#ffffff", "#1f2328", 900),
    "dark": ("#0d1117", "#e6edf3", 900),
    "narrow": ("#ffffff", "#1f2328", 468),  # a window of 500 pixels: tables scroll
}


def model(X, school, schools, y=None):
    """Scores of pupils: coefficients, an effect of each school, and one of each pupil."""
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([X.shape[1]]).to_event(1))
    tau = numpyro.sample("tau", dist.HalfNormal(1.0))
    with numpyro.plate("schools", schools):
        effect = numpyro.sample("effect", dist.Normal(0.0, tau))
    with numpyro.plate("pupils", X.shape[0]):
        talent = numpyro.sample("talent", dist.Normal(0.0, 0.5))
        eta = numpyro.deterministic("eta", X @ beta + effect[school] + talent)
        numpyro.sample("score", dist.Normal(eta, 0.1), obs=y)


def data(pupils, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(pupils, 3)).astype(np.float32), rng.integers(4, size=pupils), 4


# Draws with the shapes of a fit on 100 pupils; 20 others are to be predicted.
samples = Predictive(model, num_samples=500, parallel=True)(jax.random.PRNGKey(0), *data(100, seed=0))
sites = inspect_sites(model, *data(20, seed=1))
review = sites.review(samples, new_rows=True)
assert review.kept == {"beta", "tau", "effect"}
assert review.redrawn == {"talent"}


def page(background, text, width):
    """As a notebook shows both tables, in its own colours."""
    style = (
        f"body {{ background: {background}; color: {text}; font: 13px/1.5 sans-serif; margin: 16px; width: {width}px }}"
    )
    style += " table { border-collapse: collapse }"
    style += " tbody tr:nth-child(odd) { background: #80808020 } pre { margin: 20px 0 6px 0.8em }"
    calls = ["inspect_sites(model, X_new, school, 4)", "_.review(samples, new_rows=True)"]
    parts = [f"<pre>{call}</pre>{table._repr_html_()}" for call, table in zip(calls, (sites, review))]
    return f"<!doctype html><meta charset='utf-8'><style>{style}</style>{''.join(parts)}"


def sizes():
    """Which axes of the arguments the dimensions of the sites follow."""
    import graphviz

    graph = graphviz.Digraph(graph_attr={"rankdir": "LR", "dpi": "110"}, node_attr={"shape": "box", "style": "rounded"})
    arguments, drawn = graphviz.Digraph("cluster_arguments"), graphviz.Digraph("cluster_sites")
    for cluster, label in ((arguments, "arguments"), (drawn, "dimensions of sites")):
        cluster.attr(label=label, color="grey")
    for name in ("score", "talent", "beta", "effect"):
        site = sites[name]
        (dim,) = site.dims
        axis = " = ".join(dim.follows)
        arguments.node(axis, label=f"{axis}: {dim.size}")
        what = "target" if site.observable else "row-level" if site.row_dims else "stays"
        drawn.node(name, label=f"{name} {site.shape}\n{what}")
        graph.edge(axis, name, label="rows" if site.row_dims else "")
    graph.subgraph(arguments)
    graph.subgraph(drawn)
    return graph


def sources():
    """The text that each picture is drawn from, by its name."""
    texts = {f"notebook-{theme}.html": page(*colours) for theme, colours in THEMES.items()}
    if importlib.util.find_spec("graphviz"):
        graph = review.render()
        graph.attr(rankdir="LR", dpi="110")
        texts.update({"graph.gv": graph.source, "sizes.gv": sizes().source})
    return texts


def screenshot(source, target, width):
    """What Chromium shows of a page, without the empty rest of its window."""
    import matplotlib.image

    with tempfile.TemporaryDirectory() as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
        flags += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"]
        flags += ["--force-device-scale-factor=2", "--hide-scrollbars", f"--window-size={width},1200"]
        command = [shutil.which("chromium"), *flags, f"--screenshot={target.resolve()}", source.resolve().as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    picture = matplotlib.image.imread(target)
    used = np.nonzero((picture != picture[-1, -1]).any(-1))
    matplotlib.image.imsave(target, picture[: used[0].max() + 32, : used[1].max() + 32].copy())


def draw(name, text):
    """Write a source and its picture; neither, where the program that draws it is not installed."""
    source = pathlib.Path(name)
    picture = source.with_suffix(".png")
    program = "dot" if source.suffix == ".gv" else "chromium"
    if not shutil.which(program) or not importlib.util.find_spec("matplotlib"):
        print(f"no picture of {name}: {program} or Matplotlib is not installed")
        return
    source.write_text(text, encoding="utf-8")
    if program == "dot":
        subprocess.run([program, "-Tpng", f"-o{picture}", source], check=True, timeout=60)
    else:
        screenshot(source, picture, 500 if "narrow" in name else 940)


if __name__ == "__main__":
    for name, text in sources().items():
        draw(name, text)
