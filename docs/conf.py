"""How the site is made of these pages: `make docs` (docs/decisions/0020)."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

from ioc_runtime.version import __version__

project = "ioc-operator"
version = release = __version__
copyright = "the ioc-operator maintainers"
extensions = ["myst_parser"]
myst_heading_anchors = 4
nitpicky = True
html_theme = "furo"
html_title = f"ioc-operator {__version__}"
html_static_path = ["site"]
html_css_files = ["site.css"]
# The pages are Markdown that is read elsewhere, too: it is not shown a third time.
html_show_sourcelink = False
html_copy_source = False


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", only_what_is_here)


def only_what_is_here(app: Sphinx, page: str, source: list[str]) -> None:
    """Links out of docs/ are for readers of the repository: their words stay.

    That they lead somewhere a test sees to (tests/unit/test_pages.py).
    """
    here = (Path(app.srcdir) / page).parent

    def words(link: re.Match[str]) -> str:
        inside = (here / link[2]).resolve().is_relative_to(app.srcdir)
        return link[0] if inside else link[1]

    source[0] = re.sub(r"\[([^\]]*)\]\((\.\./[^)#\s]*)[^)]*\)", words, source[0])
