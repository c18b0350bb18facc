"""The model graph with verdicts, and tables for pandas."""

import copy
import html
import pickle
import sys

import jax
import models
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

from sanitize import OptionError, inspect_sites, strip_deterministic

x = np.linspace(0.0, 1.0, 4, dtype=np.float32)


def review(model, samples, *args, new_rows=None, redraw=(), **kwargs):
    return inspect_sites(model, *args, **kwargs).review(samples, new_rows=new_rows, redraw=redraw)


@pytest.fixture
def row_effects():
    """The review of a posterior with one entry of each fate."""
    samples = {"sigma": np.ones(3), "z": np.zeros((3, 9)), "mu": np.zeros((3, 9))}
    return review(models.row_effects, samples, x, new_rows=True)


def nodes(graph):
    """What the graph says of each node, its later statements winning, as Graphviz reads them."""
    found = {}
    text = graph.source.replace("\n", " ").replace("\t", " ")
    for statement in text.split("]"):
        head, _, attributes = statement.rpartition("[")
        name = head.split()[-1].strip('"') if head.split() else ""
        found.setdefault(name, "")
        found[name] += attributes
    return found


def edges(graph):
    return {tuple(line.strip().split(" -> ")) for line in graph.source.splitlines() if " -> " in line}


def test_every_site_says_its_verdict_in_words_and_looks(row_effects):
    """Kept, stripped (greyed), redrawn (outlined twice), and what is predicted."""
    pytest.importorskip("graphviz")
    said = nodes(row_effects.render())
    for name, word, look in [
        ("sigma", "kept", "color="),
        ("z", "redrawn", "peripheries=2"),
        ("mu", "stripped", "grey85"),
        ("obs", "predicted", "#e8dff5"),
    ]:
        assert f'label="{name} {word}"' in said[name]
        assert look in said[name]
    assert "peripheries" not in said["mu"]


def test_edges_and_plates_are_those_of_the_model(row_effects):
    pytest.importorskip("graphviz")
    graph = row_effects.render()
    assert {("sigma", "z"), ("z", "mu")} <= edges(graph)
    assert "cluster_data" in graph.source


@pytest.mark.parametrize(
    ("model", "args", "kwargs", "edge"),
    [
        (models.local_level, (), {"steps": 4}, ("drift", "level")),
        (models.concrete_groups, (x, np.arange(4)), {}, ("effect", "mu")),
        (models.regression, (jax.ShapeDtypeStruct((4, 3), "float32"),), {}, ("alpha", "eta")),
        (models.improper, (x,), {}, ("a", "obs")),
        (models.panel, (np.ones((4, 3), np.float32),), {}, ("cell", "obs")),
        (models.with_params, (x,), {}, None),
        (models.noncentred_schools, (4, x + 1), {}, ("theta_decentered", "theta")),
    ],
)
def test_models_of_every_kind_are_drawn(model, args, kwargs, edge):
    """A `scan`, which NumPyro's own rendering does not support; concrete values; shapes in place of arrays."""
    pytest.importorskip("graphviz")
    table = inspect_sites(model, *args, **kwargs)
    samples = {n: np.zeros((3, *s.shape)) for n, s in table.items() if s.kind == "latent" and s.shape is not None}
    graph = table.review(samples, new_rows=False).render()
    for name, site in table.items():
        if site.kind in ("latent", "observed", "deterministic"):
            assert name in nodes(graph)
    if edge is not None:
        assert edge in edges(graph)


def test_observed_sites_without_an_entry_are_as_numpyro_draws_them():
    pytest.importorskip("graphviz")
    graph = review(models.line, {"intercept": np.zeros(3), "slope": np.zeros(3)}, x, x).render()
    assert "fillcolor=grey" in nodes(graph)["obs"]
    assert "no entry" not in nodes(graph)["obs"]


def test_without_graphviz_the_error_says_what_to_install(row_effects, monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(ImportError, match="pip install"):
        row_effects.render()


@pytest.mark.parametrize("copied", [copy.copy, lambda review: pickle.loads(pickle.dumps(review))])
def test_a_review_can_be_sent_elsewhere(copied):
    """It strips there; only its graph stays behind, as models are often closures that cannot be pickled."""
    samples = {"intercept": np.zeros(3), "slope": np.zeros(3), "mu": np.zeros((3, 9))}
    sent = copied(review(lambda x: models.line(x), samples, x))
    assert list(sent.apply(samples)) == ["intercept", "slope"]
    with pytest.raises(OptionError, match="review anew"):
        sent.render()


def test_a_review_keeps_no_data():
    """One that is kept for long, as the drop-in does, holds shapes where the call had arrays."""
    found = review(models.line, {"intercept": np.zeros(3), "slope": np.zeros(3)}, x)
    assert not any(isinstance(leaf, (np.ndarray, jax.Array)) for leaf in found.call.leaves)


def test_redrawn_are_the_fitted_latents_that_go(row_effects):
    """Neither what is computed nor what is predicted was fitted."""
    assert row_effects.redrawn == {"z"}
    assert "z" not in row_effects.stripped
    assert row_effects.gone == row_effects.stripped | row_effects.redrawn
    assert "1 redrawn" in repr(row_effects)
    assert ">redrawn<span" in row_effects._repr_html_()
    samples = {"intercept": np.zeros(3), "slope": np.zeros(3), "mu": np.zeros((3, 9)), "obs": np.zeros((3, 9))}
    assert review(models.line, samples, x).redrawn == set()
    assert review(models.line, samples, x, redraw=["slope"]).redrawn == {"slope"}
    assert review(models.line, {"intercept": np.zeros(3)}, x, redraw=["slope"]).redrawn == set()


# ------------------------------------------------------------------------------------------------- pandas


def test_sites_as_a_dataframe():
    """One row a site, its facts as they are."""
    table = inspect_sites(models.regression, np.ones((5, 3), np.float32))
    frame = table.to_dataframe()
    assert list(frame.index) == list(table)
    assert frame.index.name == "site"
    for name, site in table.items():
        assert all(frame.loc[name, fact] == getattr(site, fact) for fact in frame.columns.drop("plates"))
    assert frame.loc["obs"].plates == ("data",)
    assert list(frame[frame.kind == "latent"].index) == ["alpha", "beta", "sigma", "obs"]


def test_verdicts_as_a_dataframe(row_effects):
    frame = row_effects.to_dataframe()
    assert list(frame.index) == ["sigma", "z", "mu"]
    assert frame["verdict"].tolist() == ["kept", "redrawn", "stripped"]
    assert frame["recorded"].tolist() == [(), (9,), (9,)]
    assert frame["model"].tolist() == [(), (4,), (4,)]
    assert frame.loc["mu", "reason"] == row_effects["mu"].reason


def test_dataframes_of_nothing():
    """A model without sites is a table without rows, with the same columns."""
    frame = inspect_sites(lambda x: None, x).to_dataframe()
    assert len(frame) == 0
    assert "kind" in frame.columns


def test_a_review_of_stripped_samples_shows_them_all_kept(row_effects):
    clean = strip_deterministic(models.row_effects, {"sigma": np.ones(3)}, x)
    assert set(review(models.row_effects, clean, x).to_dataframe()["verdict"]) == {"kept"}


@pytest.mark.words
def test_texts_say_nothing_of_what_there_is_not():
    """No latent without an entry, no latent that a value is computed from: the sentence ends there."""

    def model(x):
        models.inner(x)
        numpyro.deterministic("constant", 2.0 * x)

    table = inspect_sites(model, x)
    samples = {n: np.zeros((3, *s.shape)) for n, s in table.items() if s.kind in ("latent", "deterministic")}
    found = table.review(samples, new_rows=False)
    assert found["constant"].reason == "deterministic: recomputed"
    assert not found.missing
    assert "shapes per draw)</caption>" in found._repr_html_()


@pytest.mark.parametrize("name", ["a<b>", "<b>a</b>", "net:0.kernel", 'a"b', "a'b", "a\\b"])
def test_any_name_is_drawn(name, tmp_path):
    graphviz = pytest.importorskip("graphviz")

    def model(x, y=None):
        slope = numpyro.sample(name, dist.Normal(0.0, 1.0))
        numpyro.sample("y", dist.Normal(slope * x, 1.0), obs=y)

    graph = inspect_sites(model, np.zeros(3)).review({name: np.zeros(4)}).render()
    assert len(edges(graph)) == 1
    try:
        drawn = graph.pipe("svg").decode()
    except graphviz.ExecutableNotFound:
        return
    assert name in html.unescape(drawn)
