"""A file predicts what its predictor did, without the model; what it was not written for is told by name."""

import io
import json
import pickle
import subprocess
import sys
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from since import OF_PREDICTOR

import sanitize
from sanitize import ModelArgumentsError, OptionError, Predictor

pytestmark = OF_PREDICTOR

pytest.importorskip("jax.export")
pytest.importorskip("flatbuffers")

KEY, OTHER = jax.random.PRNGKey(5), jax.random.PRNGKey(6)
RNG = np.random.default_rng(0)
X, NEW = RNG.normal(size=(2, 6, 3)).astype(np.float32)


def regression(X, scale=1.0, y=None):
    beta = numpyro.sample("beta", dist.Normal().expand([3]).to_event(1))
    with numpyro.plate("row", X.shape[0]):
        mu = numpyro.deterministic("mu", X @ beta)
        numpyro.sample("y", dist.Normal(mu, scale), obs=y)


def groups(x, group, y=None):
    with numpyro.plate("school", 4):
        effect = numpyro.sample("effect", dist.Normal())
    with numpyro.plate("pupil", len(x)):
        numpyro.sample("y", dist.Bernoulli(logits=effect[group] * x), obs=y)


def levels(x, group, how="all", y=None):
    effect = numpyro.sample("effect", dist.Normal().expand([len(np.unique(group))]).to_event(1))
    numpyro.sample("y", dist.Normal(effect[group] * x, 1.0), obs=y)


def since(t, y=None):
    slope = numpyro.sample("slope", dist.Normal())
    numpyro.sample("y", dist.Normal(slope * (t - 50.0), 1.0), obs=y)


def in_a_dict(data):
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Poisson(jnp.exp(b * data["x"] + data["more"]["offset"])), obs=data.get("y"))


def with_params(x, y=None):
    w = numpyro.param("w", jnp.zeros(2))
    b = numpyro.sample("b", dist.Normal())
    numpyro.sample("y", dist.Normal(w[0] + b * x, jnp.exp(w[1])), obs=y)


BETA = {"beta": RNG.normal(size=(2, 5, 3)).astype(np.float32)}
EFFECT = {"effect": RNG.normal(size=(9, 4)).astype(np.float32)}
B = {"b": RNG.normal(size=7).astype(np.float32)}
G, H = np.array([0, 1, 2, 3, 3]), np.array([3, 0, 0, 2, 1])
V, W = np.arange(5.0), np.arange(5.0) / 7
DICTS = [{"x": x, "more": {"offset": x[:1]}} for x in (V[:3], W[:3])]

CASES = {
    "an array": (Predictor(regression, BETA), (X,), (NEW,)),
    "a float": (Predictor(regression, BETA, return_sites="y"), (X, 0.5), (NEW, 2.5)),
    "means by chain": (Predictor(regression, BETA, kind="mean"), (X,), (NEW,)),
    "parameters": (Predictor(groups, EFFECT, kind="params"), (V, G), (W, H)),
    "in batches, later": (Predictor(regression, BETA, batch_size=2, lazy=True), (X,), (NEW,)),
    "an index": (Predictor(groups, EFFECT), (V, G), (W, H)),
    "probabilities": (Predictor(groups, EFFECT, kind="mean"), (V, G), (W, H)),
    "computed in NumPy": (Predictor(since, {"slope": B["b"]}), (V,), (W * 100,)),
    "values": (Predictor(levels, EFFECT), (V, G, "all"), (W, G, "all")),
    "a dict": (Predictor(in_a_dict, B), (DICTS[0],), (DICTS[1],)),
    "params": (Predictor(with_params, B, params={"w": np.array([2.0, -1.0])}), (V,), (W,)),
    "coordinates": (Predictor(regression, BETA, coords={"row": list("abcdef")}), (X,), (NEW,)),
    "one draw": (Predictor(in_a_dict, {"b": np.float32(0.3)}), (DICTS[0],), (DICTS[1],)),
}
FAST = {"an array", "an index"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in FAST else pytest.mark.slow) for n in CASES])
def test_a_file_predicts_what_was_saved(name, tmp_path):
    predict, args, others = CASES[name]
    path = tmp_path / "a.sanitize"
    predict.save(path, KEY, *args)
    saved = sanitize.load(path)
    for key, given in ((KEY, args), (OTHER, others)):
        answer, truth = saved(key, *given), predict(key, *given)
        xr.testing.assert_allclose(answer, truth, 1e-5)
        assert answer.attrs == truth.attrs
        assert {name: x.dtype for name, x in answer.variables.items()} == {
            name: x.dtype for name, x in truth.variables.items()
        }
    with zipfile.ZipFile(path) as file:
        beside = sum(i.compress_size for i in file.infolist() if not i.filename.startswith("draws/"))
    assert beside < 50_000


def saved(tmp_path, predict, *args, **kwargs):
    predict.save(tmp_path / "a.sanitize", KEY, *args, **kwargs)
    return sanitize.load(tmp_path / "a.sanitize")


@pytest.mark.slow
def test_a_process_without_the_model_predicts(tmp_path):
    predict = Predictor(regression, BETA)
    predict.save(tmp_path / "a", KEY, X)
    np.save(tmp_path / "x.npy", NEW)
    code = """if True:
        import sys, numpy as np, jax, sanitize
        from numpyro import handlers
        def refuse(*args, **kwargs): raise AssertionError("a model was run")
        handlers.seed.__call__ = handlers.trace.get_trace = refuse
        folder = sys.argv[1]
        answer = sanitize.load(folder + "/a")(jax.random.PRNGKey(6), X=np.load(folder + "/x.npy"))
        np.savez(folder + "/answer.npz", **{name: x.values for name, x in answer.items()})
    """
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    with np.load(tmp_path / "answer.npz") as answer:
        for name, truth in predict(OTHER, NEW).items():
            np.testing.assert_allclose(answer[name], truth, 1e-5, 1e-6)


def test_an_argument_it_was_not_written_for_is_told_by_name(tmp_path):
    run = saved(tmp_path, Predictor(regression, BETA), X, 0.5)
    for args, words in {
        (4,): r"'X' .* it is 4, and was an array",
        (): "'X' .* it is None",
        (lambda: X[:5],): r"'X' .* \(5, 3\) float32, and were \(6, 3\)",
        (lambda: X.astype(int),): "'X' .* int32, and were",
        (lambda: X, "text"): "'scale' .* it is str",
        (lambda: X, 0.5, 3.0): "without 'y'",
    }.items():
        args = [x() if callable(x) else x for x in args]
        with pytest.raises(ModelArgumentsError, match=words):
            run(KEY, *args)
    assert run(KEY, X.astype(np.float64), scale=1.0).equals(run(KEY, X, 1.0))
    with pytest.raises(OptionError, match="first argument of the call"):
        run(X)


@pytest.mark.slow
def test_what_counted_by_value_is_checked(tmp_path):
    run = saved(tmp_path, Predictor(levels, EFFECT), V, G)
    run(KEY, W, G.copy())
    with pytest.raises(ModelArgumentsError, match=r"'group' .* counts by value"):
        run(KEY, W, H)
    with pytest.raises(ModelArgumentsError, match="without 'how'"):
        run(KEY, W, G, "all")
    run = saved(tmp_path, Predictor(since, {"slope": B["b"]}), V)
    run(KEY, V + 100)
    with pytest.raises(ModelArgumentsError, match=r"'t' .* computes with it in NumPy"):
        run(KEY, V + 1.7e9)
    run = saved(tmp_path, Predictor(since, {"slope": B["b"]}), V + 1.7e9)
    with pytest.raises(ModelArgumentsError, match=r"'t' .* computes with|'t' .* counts by value"):
        run(KEY, V + 3.7e9)


def row_effects(x, y=None):
    with numpyro.plate("row", len(x)):
        z = numpyro.sample("z", dist.Normal())
        numpyro.sample("y", dist.Normal(x + z, 1.0), obs=y)


@pytest.mark.slow
def test_a_verdict_that_values_decided_holds_for_these_values(tmp_path):
    mcmc = numpyro.infer.MCMC(numpyro.infer.NUTS(row_effects), num_warmup=3, num_samples=4, progress_bar=False)
    mcmc.run(KEY, V, V)
    run = saved(tmp_path, Predictor(row_effects, mcmc), V)
    assert run(KEY, V)["y"].shape == (1, 4, 5)
    with pytest.raises(ModelArgumentsError, match=r"'x' .* counts by value"):
        run(KEY, V + 1)


@pytest.mark.slow
def test_labels_of_the_fits_rows_are_left_out(tmp_path):
    """Whether rows are the fit's is asked of their values, and a file has none to ask."""
    posterior = xr.Dataset(
        {"beta": (("chain", "draw", "c"), BETA["beta"]), "mu": (("chain", "draw", "row"), BETA["beta"] @ X.T)},
        coords={"chain": [0, 1], "row": list("abcdef")},
    )
    run = saved(tmp_path, Predictor(regression, posterior), X)
    answer = run(KEY, NEW)
    assert "row" not in answer.coords
    assert answer.chain.values.tolist() == [0, 1]


def rewrite(path, name, change):
    """The file with a member changed."""
    with zipfile.ZipFile(path) as file:
        members = {member: file.read(member) for member in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for member, data in members.items():
            file.writestr(member, change(data) if member == name else data)


def test_a_file_that_is_none_is_told(tmp_path):
    path = tmp_path / "a.sanitize"
    Predictor(regression, BETA).save(path, KEY, X)
    whole = path.read_bytes()
    others = {
        "cut": whole[: len(whole) // 2],
        "text": b"model",
        "empty": b"",
        "pickled": pickle.dumps({"a": 1}),
        "changed": whole.replace(b"draws/beta", b"draws/bxta"),
    }
    for name, data in others.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(OptionError, match=rf"{name} is not a file that Predictor.save wrote"):
            sanitize.load(tmp_path / name)
    np.savez(tmp_path / "b.npz", a=np.zeros(3))
    with pytest.raises(OptionError, match=r"not a file that Predictor\.save wrote"):
        sanitize.load(tmp_path / "b.npz")
    rewrite(path, "about.json", lambda data: json.dumps({**json.loads(data), "format": 99}))
    with pytest.raises(OptionError, match="of format 99, and this version of sanitize reads format 1"):
        sanitize.load(path)
    with pytest.raises(FileNotFoundError):
        sanitize.load(tmp_path / "nothing")


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    path = tmp_path / "a.sanitize"
    Predictor(regression, BETA).save(path, KEY, X)
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, None)
    sanitize.load(path)
    objects = io.BytesIO()
    np.save(objects, np.array([{}], object), allow_pickle=True)
    rewrite(path, "draws/beta", lambda _: objects.getvalue())
    with pytest.raises(OptionError, match="not a file that"):
        sanitize.load(path)


@pytest.mark.slow
def test_what_cannot_be_saved_is_told(tmp_path, monkeypatch):
    predict = Predictor(groups, EFFECT, extend="effect")
    with pytest.raises(OptionError, match="save does not go with extend="):
        predict.save(tmp_path / "a", KEY, V, G)
    with pytest.raises(OptionError, match="second argument of save"):
        predict.save(tmp_path / "a", V)
    labelled = Predictor(regression, BETA, coords={"row": [object() for _ in X]})
    with pytest.raises(OptionError, match="cannot be written"):
        labelled.save(tmp_path / "a", KEY, X)
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(OptionError, match=r"JAX 0.4.30 or later and flatbuffers"):
        Predictor(regression, BETA).save(tmp_path / "a", KEY, X)


@pytest.mark.slow
def test_platforms_and_precision(tmp_path):
    run = saved(tmp_path, Predictor(regression, BETA), X, platforms=["cpu", "cuda"])
    assert run(KEY, X).sizes["row"] == 6
    jax.config.update("jax_enable_x64", True)
    try:
        with pytest.raises(OptionError, match="JAX_ENABLE_X64=0"):
            sanitize.load(tmp_path / "a.sanitize")
    finally:
        jax.config.update("jax_enable_x64", False)
