"""How the site is made of these pages: `make docs` (docs/decisions/0020)."""

from __future__ import annotations

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
