"""NumPyro's own tests and examples with the drop-ins, against the same unchanged.

`python tests/conformance/run.py CHECKOUT`, where CHECKOUT is a clone of NumPyro's repository at the commit nearest to
the installed version: its tests are in no distribution. Exit status 1 if a test that passes unchanged does not pass
with the drop-ins, or an example prints something else.
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

# Every file of tests that predicts or scores, quick ones first; of the others no test is selected.
FILES = (
    "test/infer/test_infer_util.py",
    "test/infer/test_calibration.py",
    "test/infer/test_external_helpers.py",
    "test/infer/test_mcmc.py",
    "test/infer/test_reparam.py",
    "test/infer/test_svi.py",
    "test/contrib/test_control_flow.py",
    "test/contrib/test_infer_discrete.py",
    "test/contrib/test_module.py",
    "test/contrib/einstein",
    "test/contrib/stochastic_support",
    "test/test_compile.py",
    "test/test_distributions.py",
    "test/test_pickle.py",
    "test/infer/test_autoguide.py",
)

# Examples that predict and need no download, made short. Some draw with seaborn.
EXAMPLES = (
    ("annotation.py", "-n", "20", "--num-warmup", "20"),
    ("dais_demo.py", "--num-samples", "20", "--num-warmup", "20", "--num-svi-steps", "50"),
    ("funnel.py", "-n", "20", "--num-warmup", "20"),
    ("holt_winters.py", "-n", "20", "--num-warmup", "20"),
    ("neutra.py", "-n", "20", "--num-warmup", "20", "--num-iters", "50"),
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
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    tests = [name for name in FILES if (checkout / name).exists()]
    with ThreadPoolExecutor(2) as pool:
        both = pool.map(lambda more: run(checkout, tests, arguments.extra, *more), ([], ["--drop-ins"]))
        worse = compare(*both)
        for name, *options in EXAMPLES:
            unchanged = pool.submit(run_example, checkout, name, options)
            replaced = pool.submit(run_example, checkout, name, options, HERE / "drop_ins.py").result()
            unchanged = unchanged.result()
            print(f"{name}: exit {unchanged[0]} unchanged, {replaced[0]} with the drop-ins, ", end="")
            if unchanged[0]:
                print(f"nothing to compare\n{unchanged[1]}")
            else:
                same = unchanged == replaced
                print("the same output" if same else f"OTHER OUTPUT\n{unchanged[1]}\n---\n{replaced[1]}")
                worse += not same
    sys.exit(bool(worse))


def run_example(checkout, name, options, *launcher):
    """Exit status, and what it prints but for times."""
    paths = [str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": "agg"}
    with tempfile.TemporaryDirectory() as folder:  # for the pictures
        # -O: each example asserts the version that its checkout has
        command = [sys.executable, "-O", *launcher, str(checkout / "examples" / name), *options]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if "time" not in line.lower()]
    return done.returncode, "\n".join(lines) if not done.returncode else done.stderr[-600:]


def compare(unchanged, replaced):
    """The number of tests that pass unchanged and do not with the drop-ins."""
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
    return len(worse) or not passed


if __name__ == "__main__":
    main()
