"""The README's first example as it stands there: `python -m sanitize` runs it."""

import jax, numpy as np, numpyro, numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS, Predictive, log_likelihood

def model(X, y=None):
    alpha = numpyro.sample("alpha", dist.Normal(0.0, 1.0))
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([X.shape[1]]).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0))
    with numpyro.plate("rows", X.shape[0]):
        eta = numpyro.deterministic("eta", alpha + X @ beta)
        numpyro.sample("y", dist.Normal(eta, sigma), obs=y)

rng = np.random.default_rng(0)
X, X_new = rng.normal(size=(2, 100, 3))                     # 100 rows to fit, 100 others to predict
y, y_new = (x @ [1.0, -1.0, 2.0] + 0.5 * rng.normal(size=100) for x in (X, X_new))

mcmc = MCMC(NUTS(model), num_warmup=300, num_samples=500, progress_bar=False)
mcmc.run(jax.random.PRNGKey(0), X, y)
samples = mcmc.get_samples()
print({name: draws.shape for name, draws in sorted(samples.items())})
print("mean log likelihood of a new row:", log_likelihood(model, samples, X_new, y_new)["y"].mean())

from sanitize import inspect_sites, strip_deterministic

clean = strip_deterministic(model, samples, X_new)          # pass the arguments that you predict with
print(list(clean))
print("mean log likelihood of a new row:", log_likelihood(model, clean, X_new, y_new)["y"].mean())
predicted = Predictive(model, clean)(jax.random.PRNGKey(1), X_new)
print(inspect_sites(model, X_new).review(samples))          # what went, and why
