"""Every block of the README and of the documentation runs as it stands, each page from top to bottom.

A block of Python that is followed by a block of text prints that text, warnings and the error that ends it included.
Numbers may differ by a tenth, since versions of JAX draw differently; ``...`` stands for anything.

``python tests/test_docs.py docs/messages.md`` writes below each block what it prints.
"""

import contextlib
import doctest
import functools
import inspect
import io
import pathlib
import re
import runpy
import sys
import textwrap
import warnings

import numpy as np
import pytest

import sanitize

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(python|text|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
AFTER = re.compile(r"(?<=^```\n)\n```text\n.*?^```\n", re.MULTILINE | re.DOTALL)  # what a block before prints
READ_WRONGLY = (
    "no latent draw",
    "conditional prior",
    "only carrier",
    "latent: fits",
    "of the fit's",
    "takes for groups",
)
UNTOLD = re.compile(r"^\w+(Warning|Error): ", re.MULTILINE)
NEEDS_ALSO = re.compile(r"^Needs also: `pip install (.+)`$", re.MULTILINE)
NUMBER = re.compile(r"-?\d+\.\d+")

pytest.importorskip("arviz")


def marked(path):
    marks = [pytest.mark.slow]  # pages run in the session `pages`
    if NEEDS_ALSO.search(path.read_text(encoding="utf-8")):
        marks.append(pytest.mark.needs_more)
    return pytest.param(path, id=path.stem, marks=marks)


@pytest.mark.words
@pytest.mark.parametrize("path", [marked(path) for path in PAGES])
def test_blocks_run_and_print_what_the_page_says(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = path.read_text(encoding="utf-8")
    for package in " ".join(NEEDS_ALSO.findall(page)).split():  # beside the extra `arviz`
        pytest.importorskip(package)
    blocks = [(match[1], match[2], page.count("\n", 0, match.start(2))) for match in BLOCK.finditer(page)]
    namespace = {"__name__": "__main__"}
    for (kind, body, line), (after, expected, _) in zip(blocks, [*blocks[1:], ("", "", 0)]):
        if kind != "python":
            continue
        printed = output(compile("\n" * line + body, str(path), "exec"), namespace)
        right = agree(expected, printed) if after == "text" else not UNTOLD.search(printed)
        assert right, f"{path.name}, line {line}:\n{printed}"


def test_messages_are_whole():
    """Who searches for words of a message finds them."""
    assert "..." not in (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_pictures_are_drawn_from_what_the_code_makes_today():
    pytest.importorskip("graphviz")
    for name, source in runpy.run_path(str(ROOT / "examples" / "pictures.py"))["sources"]().items():
        drawn_from = (ROOT / "docs" / "pictures" / name).read_text(encoding="utf-8")
        assert drawn_from == source, f"{name} is stale: nox -s pictures draws it anew"


def test_the_readme_is_short():
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") <= 140


@pytest.mark.parametrize("name", sorted(name for name in sanitize.__all__ if name.endswith(("Error", "Warning"))))
def test_no_message_lacks_its_entry(name):
    assert f"\n## {name}\n" in (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")


def test_the_reference_has_every_public_name():
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    names = re.findall(r"^\.\. auto\w+:: sanitize\.(\w+)$", reference, re.MULTILINE)
    assert set(names) == {*sanitize.__all__, "Predictive", "log_likelihood"}
    assert names[0] == "strip_deterministic"
    assert all(name.endswith("Warning") for name in names[-3:])


@pytest.mark.parametrize(
    "name", ["strip_deterministic", "SiteTable.review", "Predictive", "log_likelihood", "Predictor"]
)
def test_every_warning_is_listed_where_it_may_be_given(name):
    listed = inspect.getdoc(functools.reduce(getattr, name.split("."), sanitize)).partition("Warns\n-----\n")[2]
    told = {name for name in sanitize.__all__ if name.endswith("Warning")} - {"SanitizeWarning"}
    if name != "strip_deterministic":  # the others have to be given their arguments
        told.remove("AssumedArgumentsWarning")
    assert told <= set(re.findall(r"\w+Warning", listed))


def test_no_phrase_that_was_read_wrongly():
    for path in [*PAGES, *pathlib.Path(sanitize.__file__).parent.rglob("*.py")]:
        text = " ".join(path.read_text(encoding="utf-8").split()).casefold()
        assert not [phrase for phrase in READ_WRONGLY if phrase in text], path


def test_the_citation_has_this_version():
    assert f"\nversion: {sanitize.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def output(code, namespace):
    """What a block prints, with its warnings and the error that ends it as ``Category: message``."""
    with contextlib.redirect_stdout(io.StringIO()) as out, warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.showwarning = lambda message, category, *_: print(f"{category.__name__}: {message}")
        try:
            exec(code, namespace)
        except Exception as error:
            notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
            print(f"{type(error).__name__}: {error}{notes}")
    return out.getvalue()


def agree(expected, printed):
    numbers = [[float(n) for n in NUMBER.findall(text)] for text in (expected, printed)]
    words = [NUMBER.sub("#", text) for text in (expected, printed)]
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if not doctest.OutputChecker().check_output(*words, flags):
        return False
    return "..." in expected or np.allclose(*numbers, rtol=0.1)


def filled(page):
    """The page with what its blocks print, in lines of 120 characters."""
    namespace = {"__name__": "__main__"}
    parts = []
    for part in re.split(r"(^```python\n.*?^```\n)", AFTER.sub("", page), flags=re.MULTILINE | re.DOTALL):
        parts.append(part)
        if part.startswith("```python\n"):
            lines = output(part[len("```python\n") : -len("```\n")], namespace).splitlines()
            wrapped = [textwrap.fill(line, 120, break_long_words=False, break_on_hyphens=False) for line in lines]
            if wrapped:
                parts.append("\n".join(["", "```text", *wrapped, "```", ""]))
    return "".join(parts)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = pathlib.Path(name)
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
