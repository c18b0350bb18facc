"""Sphinx, as NumPyro and ArviZ have it: ``sphinx-build -W docs docs/_build`` fails at the first broken link or name."""

from sanitize import __version__

project = "sanitize"
author = "the sanitize developers"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"sanitize {release}"

myst_heading_anchors = 3
napoleon_google_docstring = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say what is meant
suppress_warnings = ["misc.highlighting_failure"]
