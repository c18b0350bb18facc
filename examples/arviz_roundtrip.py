"""Fit, save with ArviZ, load in a new process, predict 200 new rows there, and plot them.

Runs with ArviZ 0.x (InferenceData) and ArviZ 1.x (DataTree); the plot needs matplotlib.
Data: Treloar, M. A. (1974), in Bates and Watts, Nonlinear Regression Analysis (1988): velocity of an enzymatic reaction
(counts/min^2) by substrate concentration (ppm), with puromycin.
"""

import importlib.util
import subprocess
import sys

import arviz as az
import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import xarray
from numpyro.infer import MCMC, NUTS, Predictive

from sanitize import posterior_samples, strip_deterministic

# fmt: off
CONCENTRATION = np.array([0.02, 0.02, 0.06, 0.06, 0.11, 0.11, 0.22, 0.22, 0.56, 0.56, 1.10, 1.10], dtype=np.float32)
VELOCITY = np.array([76, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200], dtype=np.float32)
# fmt: on


def model(concentration, velocity=None):
    """Michaelis and Menten's law."""
    maximum = numpyro.sample("maximum", dist.Normal(200.0, 50.0))
    half = numpyro.sample("half", dist.LogNormal(-2.0, 1.0))
    sigma = numpyro.sample("sigma", dist.HalfNormal(20.0))
    with numpyro.plate("run", len(concentration)):
        mean = numpyro.deterministic("mean", maximum * concentration / (half + concentration))
        numpyro.sample("velocity", dist.Normal(mean, sigma), obs=velocity)


def fit(path):
    mcmc = MCMC(NUTS(model), num_warmup=500, num_samples=4000, progress_bar=False)
    mcmc.run(jax.random.PRNGKey(0), CONCENTRATION, VELOCITY)
    az.from_numpyro(mcmc, constant_data={"concentration": CONCENTRATION}).to_netcdf(path)


def predict(path):
    idata = az.from_netcdf(path)
    new = np.linspace(0.005, 1.2, 200, dtype=np.float32)

    clean = strip_deterministic(model, idata, new)
    print("recorded:", list(idata["posterior"].data_vars), "kept:", list(clean["posterior"].data_vars))
    predicted = Predictive(model, posterior_samples(clean))(jax.random.PRNGKey(1), new)

    by_chain = (*(clean["posterior"].sizes[dim] for dim in ("chain", "draw")), len(new))
    velocity = np.asarray(predicted["velocity"]).reshape(by_chain)
    clean["predictions"] = xarray.Dataset({"velocity": (("chain", "draw", "run"), velocity)})
    clean["predictions_constant_data"] = xarray.Dataset({"concentration": ("run", new)})

    low, high = np.percentile(velocity, [5, 95], axis=(0, 1))
    inside = (np.interp(CONCENTRATION, new, low) < VELOCITY) & (np.interp(CONCENTRATION, new, high) > VELOCITY)
    print(f"{velocity.shape[-1]} new rows; 90 % intervals hold {inside.sum()} of {inside.size} measurements")
    assert velocity.shape == (1, 4000, 200)
    assert inside.sum() >= 9
    if importlib.util.find_spec("matplotlib"):
        plot(clean, "arviz_roundtrip.png")


def plot(idata, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    x, velocity = idata["predictions_constant_data"]["concentration"], idata["predictions"]["velocity"]
    if az.__version__ < "1":
        figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
        for probability, alpha in ((0.9, 0.25), (0.5, 0.4)):
            fill = {"alpha": alpha, "lw": 0}
            az.plot_hdi(x, velocity, hdi_prob=probability, smooth=False, color="C0", fill_kwargs=fill, ax=axes)
        axes.plot(x, velocity.mean(("chain", "draw")), "C0")
    else:
        collection = az.plot_lm(
            idata,
            x="concentration",
            y="velocity",
            group="predictions",
            ci_prob=(0.5, 0.9),
            smooth=False,
            visuals={"observed_scatter": False},
            backend="matplotlib",
            figure_kwargs={"figsize": (7, 4), "layout": "constrained"},
        )
        figure = collection.viz["figure"].item()
        axes = figure.axes[0]
    axes.plot(CONCENTRATION, VELOCITY, "ko", label="12 measurements")
    axes.set(
        xlabel="concentration (ppm)", ylabel="velocity (counts/min²)", title="200 new rows: 50 % and 90 % intervals"
    )
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)


def main():
    path = "puromycin.nc"
    fit(path)
    subprocess.run([sys.executable, __file__, path], check=True)


if __name__ == "__main__":
    predict(sys.argv[1]) if sys.argv[1:] and sys.argv[1].endswith(".nc") else main()
