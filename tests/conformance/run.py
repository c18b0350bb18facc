"""NumPyro's own tests with the drop-ins against the same tests unchanged: `python tests/conformance/run.py CHECKOUT`.

CHECKOUT is a clone of NumPyro's repository at the commit nearest to the installed version: its tests are in no
distribution. Exit status 1 if a test that passes unchanged does not pass with the drop-ins.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent

# In the order of how many calls they make.
FILES = (
    "test/infer/test_infer_util.py",
    "test/infer/test_calibration.py",
    "test/contrib/test_control_flow.py",
    "test/infer/test_external_helpers.py",
    "test/test_pickle.py",
    "test/contrib/einstein/test_mixture_guide_predictive.py",
    "test/infer/test_autoguide.py",
)


def run(checkout, tests, extra, *options):
    """Test -> what the plugin wrote of it."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = Path(folder) / "outcomes"
        paths = [str(HERE), str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "drop_ins", "-p", "no:cacheprovider", "--tb=short"]
        command += ["-c", str(checkout / "pyproject.toml"), "--rootdir", str(checkout)]
        command += ["--outcomes", str(outcomes), *options, *extra, *(str(checkout / name) for name in tests)]
        # elsewhere than in the checkout: the installed NumPyro is tested, not the checkout's
        subprocess.run(command, cwd=HERE, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, check=False)
        lines = outcomes.read_text().splitlines() if outcomes.exists() else []
    return {line["test"]: line for line in map(json.loads, lines)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("extra", nargs="*", help="options for pytest, after --")
    options = parser.parse_args()
    checkout = options.checkout.resolve()
    tests = [name for name in FILES if (checkout / name).exists()]
    with ThreadPoolExecutor() as pool:
        unchanged = pool.submit(run, checkout, tests, options.extra)
        replaced = pool.submit(run, checkout, tests, options.extra, "--drop-ins")
    unchanged, replaced = unchanged.result(), replaced.result()
    compare(unchanged, replaced)


def compare(unchanged, replaced):
    used = [name for name, line in unchanged.items() if line["calls"]]
    passed = [name for name, line in unchanged.items() if line["outcome"] == "passed"]
    worse = [name for name in passed if replaced.get(name, {}).get("outcome") != "passed"]
    total = sum(unchanged[name]["calls"] for name in used)
    print(f"{len(unchanged)} tests, of which {len(used)} call the functions, {total} times")
    for title, lines in (("unchanged", unchanged), ("drop-ins", replaced)):
        outcomes = [line["outcome"] for line in lines.values()]
        print(f"{title}: {', '.join(f'{outcomes.count(o)} {o}' for o in sorted(set(outcomes)))}")
    for name in worse:
        print(f"\nWORSE {name}\n{replaced.get(name, {}).get('text', 'did not run')}")
    print(f"{len(worse)} tests pass unchanged and not with the drop-ins")
    sys.exit(bool(worse) or not passed)


if __name__ == "__main__":
    main()
