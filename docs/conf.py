"""How Sphinx builds the site, `make docs`: it reads the package and the kept notebooks; it runs and fetches nothing."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import claude_magic

project = "claude_magic"
author = "The claude_magic contributors"
copyright = f"2026, {author}"
version = release = claude_magic.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "site_extension"]
smartquotes = False  # two dashes are an option

# Pages.
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]  # the run as data, which only JupyterLab draws
nb_execution_mode = "off"
nb_merge_streams = True
nb_mime_priority_overrides = [("html", "application/vnd.claude-magic.v1+json", None)]
copybutton_exclude = ".linenos, .gp, .go"
copybutton_selector = "div.highlight pre"

# The reference.
default_role = "code"  # docstrings are written in Markdown, where one backtick is code
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
add_module_names = False
maximum_signature_line_length = 90

# The theme.
html_theme = "pydata_sphinx_theme"
html_title = "claude_magic"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": [], "changelog": []}
html_theme_options = {
    "logo": {"text": "claude_magic"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "show_prev_next": True,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
pygments_style = "friendly"
