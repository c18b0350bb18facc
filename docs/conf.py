"""Sphinx, as NumPyro and ArviZ have it: ``sphinx-build -W docs docs/_build`` fails at the first broken link or name."""

import dataclasses
import re

from sanitize import __version__

project = "sanitize"
author = "the sanitize developers"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"sanitize {release}"
html_static_path = ["static"]
html_css_files = ["messages.css"]

myst_heading_anchors = 3
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Warns", "returns_style")]  # names as types, which may be links
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100
default_role = "py:obj"  # `strip_deterministic` in a docstring is a link
suppress_warnings = ["misc.highlighting_failure"]

_WARNINGS = re.compile(r"^\s*\w+Warning(, \w+Warning)*$")


def link_warnings(app, what, name, obj, options, lines):
    """The names of warnings below `Warns` become links, as those of errors are."""
    for i, line in enumerate(lines):
        if _WARNINGS.match(line):
            lines[i] = re.sub(r"\w+", r"`\g<0>`", line)


def made_by_us(app, what, name, obj, options, signature, returns):
    """What users get and do not make has attributes, which its docstring lists: no arguments besides."""
    if what == "class" and dataclasses.is_dataclass(obj):
        return "", returns


def setup(app):
    app.connect("autodoc-process-signature", made_by_us)
    app.connect("autodoc-process-docstring", link_warnings, priority=400)  # before napoleon reads them
