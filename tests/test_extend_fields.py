"""`extend` in other fields: calls as their statisticians make them, with the right answer by hand."""

import extend_field_models as field
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro import handlers
from numpyro import infer as stock

import sanitize
from sanitize import ExtensionError, OptionError, RedrawnSiteWarning, ShapeMismatchError, extend

pytestmark = pytest.mark.slow
KEY = jax.random.PRNGKey(7)
DRAWS = 2000


def recorded(model, *args, target=None, draws=DRAWS):
    """Entries as a fit records them, latents from the prior. The target is given: it takes longest to draw."""
    given = {}
    if target is not None:
        trace = jax.eval_shape(lambda: _values(model, args))
        given = {target: np.zeros(trace[target].shape, trace[target].dtype)}
    samples = stock.Predictive(model, num_samples=draws)(jax.random.PRNGKey(3), *args, **given)
    return {name: np.asarray(value) for name, value in samples.items() if name not in (target, "histories", "survival")}


def _values(model, args):
    trace = handlers.trace(handlers.seed(model, KEY)).get_trace(*args)
    return {name: site["value"] for name, site in trace.items() if site["type"] == "sample"}


def standard(z, *parents):
    """Standard normal within four Monte Carlo standard errors, column by column, and told nothing by the parents."""
    z = np.asarray(z, float).reshape(len(z), -1)
    n = len(z)
    assert (abs(z.mean(0)) < 4 / np.sqrt(n)).all(), z.mean(0)
    assert (abs(z.var(0) - 1) < 4 * np.sqrt(2 / n)).all(), z.var(0)
    others = np.concatenate([z, *(np.asarray(p, float).reshape(n, -1) for p in parents)], 1)
    corr = np.atleast_2d(np.corrcoef(others.T))[: z.shape[1]]
    corr[np.arange(z.shape[1]), np.arange(z.shape[1])] = 0
    assert (abs(corr) < 4.5 / np.sqrt(n)).all(), abs(corr).max()


def stays(more, samples, **at):
    """The fitted part is what it was, bit for bit; all else is the same object."""
    for name in at:
        part = more[name][(slice(None), *at[name])]
        assert np.array_equal(part, samples[name]), name
    for name in more:
        if name not in at:
            assert more[name] is samples[name], name


F = slice(None)


def test_occupancy_at_new_sites():
    x = np.linspace(-1, 1, 9).astype(np.float32)
    samples = recorded(field.occupancy, x[:6], 4, target="y")
    del samples["z"]  # summed out
    more = extend(field.occupancy, samples, KEY, x, 4, sites=["eps"])
    stays(more, samples, eps=(slice(6),))
    standard(more["eps"][:, 6:] / samples["sd"][:, None], samples["b"])
    out = sanitize.Predictive(field.occupancy, samples, extend="site")(KEY, x, 4)
    assert out["y"].shape == (DRAWS, 4, 9)
    assert np.allclose(out["psi"][:, :6], samples["psi"], atol=1e-5)


def test_recapture_with_a_factor_for_the_likelihood():
    histories = np.random.default_rng(0).integers(0, 2, (30, 5))
    site = np.arange(30) % 4
    samples = recorded(field.recapture, histories, site, 4)
    more = extend(field.recapture, samples, KEY, histories, site, 6, sites="sites")
    stays(more, samples, logit_phi=(slice(4),))
    standard((more["logit_phi"][:, 4:] - samples["mu"][:, None]) / samples["sd"][:, None], samples["mu"])


def test_crossed_effects_scored():
    t, y = np.repeat(np.arange(5), 3), np.tile(np.arange(3), 5)
    samples = recorded(field.counts_by_transect, t, y, 5, 3, target="counts")
    t2, y2 = np.array([0, 6, 5, 2]), np.array([3, 0, 3, 1])
    counts = np.array([2, 1, 4, 3])
    score = sanitize.log_likelihood(
        field.counts_by_transect, samples, t2, y2, 7, 4, counts, extend=["transects", "years"], rng_key=KEY
    )["counts"]
    assert score.shape == (DRAWS, 4)
    more = extend(field.counts_by_transect, samples, KEY, t2, y2, 7, 4, sites=["a", "b"])
    stays(more, samples, a=(slice(5),), b=(slice(3),))
    standard(more["a"][:, 5:] / samples["sd"][:, :1])
    standard(more["b"][:, 3:] / samples["sd"][:, 1:], more["a"][:, 5:])
    known = samples["level"] + samples["a"][:, 2] + samples["b"][:, 1]
    truth = counts[3] * known - np.exp(known) - np.log(6.0)
    assert np.allclose(score[:, 3], truth, rtol=1e-4, atol=1e-4)


def test_new_persons_and_new_items():
    samples = recorded(field.two_parameters, 8, 4, target="y")
    more = extend(field.two_parameters, samples, KEY, 11, 6, sites=["person", "item"])
    stays(more, samples, ability=(slice(8),), a=(slice(4),), b=(slice(4),))
    standard(more["ability"][:, 8:])
    standard(np.log(more["a"][:, 4:]) / samples["sd_a"][:, None], samples["sd_a"])
    standard(more["b"][:, 4:] / samples["sd_b"][:, None], samples["sd_b"])
    persons = extend(field.two_parameters, samples, KEY, 11, 4, sites="person")
    stays(persons, samples, ability=(slice(8),))
    with pytest.warns(RedrawnSiteWarning, match=r"extend=\('a', 'b'\)"):  # the items are an axis of the target, too
        assert set(extend(field.two_parameters, samples, KEY, 11, 6, sites="person")) == {"sd_a", "sd_b", "ability"}


def test_correlated_tastes_of_new_households():
    X = np.random.default_rng(1).normal(size=(12, 4, 3)).astype(np.float32)
    h = np.arange(12) % 5
    samples = recorded(field.brand_choice, h, X, 5, target="choice")
    more = extend(field.brand_choice, samples, KEY, h + 2, X, 7, sites="household")
    stays(more, samples, beta=(slice(5),))
    tril = samples["sd"][:, :, None] * samples["corr"]
    z = np.linalg.solve(tril[:, None], (more["beta"][:, 5:] - samples["mu"][:, None])[..., None])
    standard(z, samples["mu"])
    clean = {name: samples[name] for name in ("mu", "sd", "corr", "beta")}
    predictor = sanitize.Predictor(field.brand_choice, clean, extend="household", batch_size=500)
    dataset = predictor(KEY, h + 2, X, 7)
    drop_in = sanitize.Predictive(field.brand_choice, clean, extend="household")(KEY, h + 2, X, 7)
    assert np.array_equal(dataset["choice"].values, drop_in["choice"])


def test_correlated_tastes_by_hand():
    h = np.arange(12) % 6
    x = np.linspace(-1, 1, 12).astype(np.float32)
    samples = recorded(field.tastes_noncentred, h, x, 6, target="y")
    more = extend(field.tastes_noncentred, samples, KEY, h + 2, x, 8, sites="z")
    stays(more, samples, z=(F, slice(6)))
    standard(more["z"][:, :, 6:])
    out = sanitize.Predictive(field.tastes_noncentred, samples, extend="z", return_sites=["beta"])(KEY, h + 2, x, 8)
    assert np.allclose(out["beta"][:, :6], samples["beta"], atol=1e-5)


def test_articles_in_brands_in_categories():
    brands, skus = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2, 3])
    sku, price = np.arange(5), np.linspace(0, 1, 5).astype(np.float32)
    samples = recorded(field.elasticities, brands, skus, sku, price, 3, target="log_units")
    brands2, skus2 = np.append(brands, [2, 3]), np.append(skus, [1, 5, 4])
    args = (brands2, skus2, np.arange(8), np.linspace(0, 1, 8).astype(np.float32), 4)
    more = extend(field.elasticities, samples, KEY, *args, sites=["category", "brand", "sku"])
    stays(more, samples, by_category=(slice(3),), by_brand=(slice(4),), by_sku=(slice(5),))
    tau = samples["tau"]
    c = (more["by_category"][:, 3] - samples["mu"]) / tau[:, 0]
    b = (more["by_brand"][:, 4:] - more["by_category"][:, brands2[4:]]) / tau[:, 1:2]
    s = (more["by_sku"][:, 5:] - more["by_brand"][:, skus2[5:]]) / tau[:, 2:]
    standard(np.concatenate([c[:, None], b, s], 1), samples["by_category"], samples["mu"])
    only = extend(field.elasticities, samples, KEY, brands, np.append(skus, 1), sku, price, 3, sites="sku")
    stays(only, samples, by_sku=(slice(5),))
    with pytest.raises(ShapeMismatchError, match="by_category"):
        extend(field.elasticities, samples, KEY, *args, sites=["brand", "sku"])


def test_age_by_region():
    population = np.full((3, 6), 1000.0, np.float32)
    samples = recorded(field.age_by_region, population[:, :4], target="deaths")
    more = extend(field.age_by_region, samples, KEY, population, sites="region")
    stays(more, samples, by_region=(slice(4),), both=(F, slice(4)))
    standard(more["by_region"][:, 4:] / samples["sd"][:, 1:2])
    standard(more["both"][:, :, 4:] / samples["sd"][:, 2:, None], more["by_region"][:, 4:])
    square = recorded(field.age_by_region, population[:, :3], target="deaths")  # as many ages as regions
    more = extend(field.age_by_region, square, KEY, population, sites="region")
    stays(more, square, by_region=(slice(3),), both=(F, slice(3)))


def test_a_renewal_by_week():
    g = np.array([0.2, 0.5, 0.3], np.float32)
    samples = recorded(field.weekly_renewal, 30, g, target="cases")
    more = extend(field.weekly_renewal, samples, KEY, 44, g, sites="log_R")
    stays(more, samples, log_R=(slice(5),))
    standard(np.diff(more["log_R"][:, 4:]) / samples["sd"][:, None])
    out = sanitize.Predictive(field.weekly_renewal, samples, extend="log_R")(KEY, 44, g)
    assert out["cases"].shape == (DRAWS, 44)
    assert np.allclose(out["infections"][:, :30], samples["infections"], rtol=1e-3)


def test_frailties_of_new_hospitals():
    time = np.linspace(0.1, 4.9, 20).astype(np.float32)
    event, h = np.arange(20) % 2, np.arange(20) % 4
    samples = recorded(field.frailty, time, h, event, 4)
    more = extend(field.frailty, samples, KEY, time, h + 1, event, 6, sites="w")
    stays(more, samples, w=(slice(4),))
    new = more["w"][:, 4:]
    assert (new > 0).all()
    assert abs(new.mean() - 1) < 4 * new.std() / np.sqrt(new.size)
    z = (new - 1) / np.sqrt(samples["theta"])[:, None]
    assert abs(z.var() - 1) < 0.2


def test_volatility_goes_on():
    samples = recorded(field.volatility, 25, target="returns")
    more = extend(field.volatility, samples, KEY, 32, sites="day")
    stays(more, samples, z=(slice(25),))
    standard(more["z"][:, 25:], samples["z"][:, -2:])
    h = sanitize.Predictive(field.volatility, samples, extend="day", return_sites=["h"])(KEY, 32)["h"]
    assert np.allclose(h[:, :25], samples["h"], atol=1e-5)
    z = (h[:, 25] - samples["phi"] * samples["h"][:, 24]) / samples["sd"]
    standard(z, samples["h"][:, 24])


def test_factors_of_new_days():
    samples = recorded(field.factors, 8, 5, target="returns")
    more = extend(field.factors, samples, KEY, 11, 5, sites="f")
    stays(more, samples, f=(slice(8),))
    standard(more["f"][:, 8:])
    both = extend(field.factors, samples, KEY, 11, 6, sites=["f", "asset", "sd"])
    stays(both, samples, f=(slice(8),), loading=(F, slice(5)), sd=(slice(5),))
    standard(both["loading"][:, :, 5:])
    assert (both["sd"][:, 5:] > 0).all()


def test_kriging_at_new_places():
    coords = np.random.default_rng(5).uniform(0, 3, (15, 2)).astype(np.float32)
    samples = recorded(field.kriging, coords[:12], target="counts")
    more = extend(field.kriging, samples, KEY, coords, sites="s")
    stays(more, samples, s=(slice(12),))
    cov = np.asarray(
        jax.vmap(lambda *by: field.spatial_cov(jnp.asarray(coords), *by))(samples["length"], samples["sd"]), float
    )
    gain = np.linalg.solve(cov[:, :12, :12], cov[:, :12, 12:]).transpose(0, 2, 1)
    mean = (gain @ samples["s"][..., None])[..., 0]
    rest = cov[:, 12:, 12:] - gain @ cov[:, :12, 12:]
    z = np.linalg.solve(np.linalg.cholesky(rest), (more["s"][:, 12:] - mean)[..., None])
    standard(z, mean)


def test_neighbours_tied_by_a_factor_do_not_go_on():
    n1, n2 = np.array([0, 1, 2]), np.array([1, 2, 3])
    samples = recorded(field.icar, n1, n2, 4, target="cases")
    with pytest.raises(ExtensionError, match=r"'ties'.*ties the fitted values of 'phi'"):
        extend(field.icar, samples, KEY, np.append(n1, 3), np.append(n2, 4), 5, sites="areas")


def test_areas_of_a_car_do_not_go_on():
    W = (abs(np.subtract.outer(np.arange(6), np.arange(6))) == 1).astype(np.float32)
    samples = recorded(field.car, W[:4, :4], target="cases")
    with pytest.raises(OptionError, match="CAR"):
        extend(field.car, samples, KEY, W, sites="phi")


def test_firms_and_years_both_go_on():
    samples = recorded(field.panel, 3, 10, target="y")
    more = extend(field.panel, samples, KEY, 5, 13, sites=["path", "scale"])
    stays(more, samples, path=(slice(3), slice(10)), scale=(slice(3),))
    scale = more["scale"]
    standard(np.diff(more["path"][:, :3, 9:]) / scale[:, :3, None], more["path"][:, :3, 9])
    standard(more["path"][:, 3:, 0] / scale[:, 3:])
    standard(np.diff(more["path"][:, 3:]) / scale[:, 3:, None])
    years = extend(field.panel, samples, KEY, 3, 13, sites=True)
    stays(years, samples, path=(F, slice(10)))


def test_coefficients_that_walk():
    X = np.random.default_rng(2).normal(size=(26, 3)).astype(np.float32)
    samples = recorded(field.varying_coefficients, X[:20], target="y")
    more = extend(field.varying_coefficients, samples, KEY, X, sites="z")
    stays(more, samples, z=(slice(20),))
    standard(more["z"][:, 20:])
    square = recorded(field.varying_coefficients, X[:3], target="y")  # as many steps as features
    more = extend(field.varying_coefficients, square, KEY, X[:5], sites=True)
    stays(more, square, z=(slice(3),))
    out = sanitize.Predictor(field.varying_coefficients, square, extend="z")(KEY, X[:5])
    assert out["y"].shape == (DRAWS, 5)


def test_seasons_do_not_grow():
    month = np.arange(18) % 12
    samples = recorded(field.seasons, month[:12], target="y")
    more = extend(field.seasons, samples, KEY, month, sites=True)
    stays(more, samples, level=(slice(12),))
    standard(np.diff(more["level"][:, 11:]) / samples["sd"][:, None])
    out = sanitize.Predictive(field.seasons, samples, extend="level")(KEY, month)
    truth = samples["season"][:, 5] + samples["quarter"][:, 1] + more["level"][:, 17]
    assert abs(out["y"][:, 17].var() - truth.var() - 0.25) < 0.3


def test_firms_in_a_scan():
    samples = recorded(field.scanned_panel, 3, 6, target="y")
    out = sanitize.Predictive(field.scanned_panel, samples, return_sites=["x", "y"])(
        KEY, 3, 8
    )  # NumPyro goes on by itself
    assert np.allclose(np.asarray(out["x"])[:, :6], samples["x"])
    with pytest.raises(ShapeMismatchError, match="'x' cannot be carried on: inside a scan it goes on along the steps"):
        extend(field.scanned_panel, samples, KEY, 5, 6, sites="firm")


def test_effects_that_sum_to_zero_do_not_go_on():
    samples = recorded(field.zero_sum, np.arange(4), 4, target="y")
    with pytest.raises(OptionError, match="ZeroSumNormal"):
        extend(field.zero_sum, samples, KEY, np.arange(6), 6, sites="effect")


def test_compositions_of_new_strata():
    samples = recorded(field.compositions, np.arange(4), 4, target="counts")
    more = extend(field.compositions, samples, KEY, np.arange(6), 6, sites="strata")
    stays(more, samples, share=(slice(4),))
    new = more["share"][:, 4:]
    assert np.allclose(new.sum(-1), 1, atol=1e-5)
    gap = (new - samples["base"][:, None]).mean(1)
    assert (abs(gap.mean(0)) < 4 * gap.std(0) / np.sqrt(DRAWS)).all()


def test_cells_whose_kinds_were_sampled():
    batch = np.arange(10) % 3
    samples = recorded(field.mixture, 10, batch, 3, target="y")
    args = (14, np.append(batch, [3, 4, 3, 0]), 5)
    more = extend(field.mixture, samples, KEY, *args, sites=["batches", "kind"])
    stays(more, samples, shift=(slice(3),), kind=(slice(10),))
    standard(more["shift"][:, 3:] / samples["sd"][:, None])
    kinds = np.asarray(more["kind"])[:, 10:]
    assert kinds.dtype == samples["kind"].dtype
    rest = (kinds - samples["w"][:, None]) / np.sqrt(samples["w"] * (1 - samples["w"]))[:, None]
    standard(rest, samples["w"])
    summed_out = {name: samples[name] for name in samples if name != "kind"}
    out = sanitize.Predictive(field.mixture, summed_out, extend="batches")(KEY, *args)
    assert out["y"].shape == (DRAWS, 14)


def test_features_do_not_grow_with_clinics():
    X = np.random.default_rng(4).normal(size=(12, 6)).astype(np.float32)
    c = np.arange(12) % 6
    samples = recorded(field.horseshoe, X, c, 6, target="y")
    for sites in ("clinics", True):
        more = extend(field.horseshoe, samples, KEY, X, c + 2, 8, sites=sites)
        stays(more, samples, clinics=(slice(6),))
        standard(more["clinics"][:, 6:] / samples["sd"][:, None], samples["sd"])
    with pytest.raises(ShapeMismatchError, match="lam"):
        extend(field.horseshoe, samples, KEY, np.ones((12, 7), np.float32), c, 8, sites="clinics")


def test_schools_with_a_covariate_by_chain():
    u = np.linspace(-1, 1, 7).astype(np.float32)
    school, x = np.arange(10) % 5, np.linspace(0, 1, 10).astype(np.float32)
    flat = recorded(field.schools_with_covariate, school, u[:5], x, target="y")
    by_chain = {name: v.reshape(2, DRAWS // 2, *v.shape[1:]) for name, v in flat.items()}
    more = extend(field.schools_with_covariate, by_chain, KEY, school + 2, u, x, sites="school")
    assert np.array_equal(more["a"][:, :, :5], by_chain["a"])
    mean = by_chain["g"][..., :1] + by_chain["g"][..., 1:] * u[5:]
    z = (more["a"][:, :, 5:] - mean) / by_chain["tau"][..., None]
    standard(z.reshape(DRAWS, 2), flat["g"])
    out = sanitize.Predictive(field.schools_with_covariate, by_chain, batch_ndims=2, extend="school")(
        KEY, school + 2, u, x
    )
    assert out["y"].shape == (2, DRAWS // 2, 10)


def _idata(samples, dims, coords):
    arviz = pytest.importorskip("arviz")
    by_chain = {name: v.reshape(2, DRAWS // 2, *v.shape[1:]) for name, v in samples.items()}
    if arviz.__version__.startswith("0."):
        return arviz.from_dict(posterior=by_chain, dims=dims, coords=coords)
    return arviz.from_dict({"posterior": by_chain}, dims=dims, coords=coords)


def test_persons_by_their_names():
    samples = recorded(field.two_parameters, 4, 3, target="y")
    dims = {"ability": ["person", "one"], "a": ["item"], "b": ["item"]}
    idata = _idata(samples, dims, {"person": ["ann", "bob", "cy", "di"], "item": ["q1", "q2", "q3"]})
    levels = {"person": ["eve", "bob", "ann"], "item": ["q3", "q1", "q9", "q8"]}
    more = extend(field.two_parameters, idata, KEY, 3, 4, sites=["person", "item"], levels=levels)
    assert type(more) is type(idata)
    old, new = idata.posterior, more.posterior
    assert new["person"].values.tolist() == levels["person"]
    for person in ("ann", "bob"):
        assert np.array_equal(new["ability"].sel(person=person), old["ability"].sel(person=person))
    for item in ("q1", "q3"):
        assert np.array_equal(new["b"].sel(item=item), old["b"].sel(item=item))
    standard(new["ability"].sel(person="eve").values.reshape(DRAWS, 1))
    out = sanitize.Predictor(field.two_parameters, idata, extend=["person", "item"], levels=levels)(KEY, 3, 4)
    assert out["y"].shape == (2, DRAWS // 2, 3, 4)
    with pytest.raises(OptionError, match="q9"):
        extend(field.two_parameters, idata, KEY, 3, 4, sites="person", levels=levels)


def test_regions_by_their_names():
    samples = recorded(field.age_by_region, np.full((3, 4), 1e3, np.float32), target="deaths")
    dims = {"by_age": ["age", "one"], "by_region": ["region"], "both": ["age", "region"], "rate": ["age", "region"]}
    idata = _idata(samples, dims, {"region": list("ABCD"), "age": [20, 40, 60]})
    levels = {"region": ["Z", "D", "A"]}
    out = sanitize.Predictor(field.age_by_region, idata, extend="region", levels=levels)(
        KEY, np.full((3, 3), 1e3, np.float32)
    )
    assert np.allclose(out["rate"].values[..., 1:], idata.posterior["rate"].sel(region=["D", "A"]).values, rtol=1e-3)
