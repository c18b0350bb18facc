"""The call without arguments is the same wherever NumPyro is installed: nothing is made of where a file is."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpyro
import pytest

import sanitize

SCRIPT = """
import sys, sysconfig, warnings
import numpy as np, numpyro, numpyro.distributions as dist
from sanitize import strip_deterministic

assert sys.prefix != sys.base_prefix
assert not numpyro.__file__.startswith(sysconfig.get_path("purelib")), numpyro.__file__

NEVER = np.timedelta64("NaT")  # a global that is no number, and does not equal itself

def regression(X, y=None):
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([X.shape[1]]).to_event(1))
    mu = numpyro.deterministic("mu", X @ beta)
    numpyro.sample("obs", dist.Normal(mu, 1.0), obs=y)

def three_features(X, y=None):
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([3]))
    mu = numpyro.deterministic("mu", X @ beta if np.isnat(NEVER) else X @ beta + 1.0)
    numpyro.sample("obs", dist.Normal(mu, 1.0), obs=y)

samples = {"beta": np.ones((5, 3)), "mu": np.ones((5, 9))}
warnings.simplefilter("ignore")
for model in (regression, three_features):
    print(*strip_deterministic(model, samples))
"""


def installed():
    """Where the packages of this interpreter are, and where the library under test and NumPyro are."""
    own = [str(Path(module.__file__).parents[1]) for module in (sanitize, numpyro)]
    return list(dict.fromkeys([*own, *(path for path in sys.path if [*Path(path).glob("*.dist-info")])]))


def on_the_path(prefix, python):
    """``PYTHONPATH``: no site-packages have them."""
    return {"PYTHONPATH": os.pathsep.join(installed())}


def in_the_user_site(prefix, python):
    """``pip install --user``, which a virtual environment with --system-site-packages sees, too."""
    user = prefix / "user"
    scheme = sysconfig.get_preferred_scheme("user")
    site = Path(sysconfig.get_path("purelib", scheme, vars={"userbase": str(user)}))
    site.mkdir(parents=True)
    (site / "numpyro").symlink_to(Path(numpyro.__file__).parent)
    (site / "others.pth").write_text("\n".join(installed()))
    return {"PYTHONUSERBASE": str(user)}


def by_a_pth_file(prefix, python):
    """An editable install: its own site-packages say only where the files are."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    Path(site, "others.pth").write_text("\n".join(installed()))
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("environment", [on_the_path, in_the_user_site, by_a_pth_file])
def test_a_bare_call_of_a_plain_regression(environment, tmp_path):
    """In an environment of its own, without packages: of its libraries, no file is in its site-packages."""
    venv.create(tmp_path / "venv", system_site_packages=environment is in_the_user_site, symlinks=os.name != "nt")
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    (tmp_path / "script.py").write_text(SCRIPT)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [python, tmp_path / "script.py"],
        env={**inherited, **environment(tmp_path, python), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["beta", "beta"]
