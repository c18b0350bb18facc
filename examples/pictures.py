"""The pictures of the documentation: how the site table, a review and its graph look, on light and dark, and narrow.

Writes ``notebook-light.html``, ``-dark.html`` and ``-narrow.html`` to the working directory (``nox -s pictures``:
``docs/pictures``); with a browser (``chromium``) their screenshots, and with Graphviz (the Python package and
the program ``dot``) ``graph.png``.
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
    style += (
        " table { border-collapse: collapse; margin-bottom: 20px } caption { text-align: left; padding: 0.3em 0.8em }"
    )
    style += " tbody tr:nth-child(odd) { background: #80808020 } pre { margin: 0 0 6px 0.8em }"
    calls = ["inspect_sites(model, X_new, school, 4)", "_.review(samples, new_rows=True)"]
    parts = [f"<pre>{call}</pre>{table._repr_html_()}" for call, table in zip(calls, (sites, review))]
    return f"<!doctype html><meta charset='utf-8'><style>{style}</style>{''.join(parts)}"


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


for theme, colours in THEMES.items():
    html = pathlib.Path(f"notebook-{theme}.html")
    html.write_text(page(*colours), encoding="utf-8")
    if shutil.which("chromium") and importlib.util.find_spec("matplotlib"):
        screenshot(html, html.with_suffix(".png"), colours[-1] + (32 if theme == "narrow" else 40))
    else:
        print(f"no picture of {html}: chromium or Matplotlib is not installed")

try:
    graph = review.render()
except ImportError as error:
    print(f"no graph: {error}")
else:
    graph.attr(rankdir="LR", dpi="110")
    if shutil.which("dot"):
        graph.render("graph", format="png", cleanup=True)
    else:
        print("no picture of the graph: Graphviz's program dot is not installed")
