"""The site: ``make docs``.  It is built and read without a network."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from data_pruning.records.software import source_digest  # noqa: E402

ROOMS = ("data_pruning", "perceptron_theory", "simulations", "scaling_laws", "real_data", "figures")

project = "data-pruning-theory"
author = copyright = "The data-pruning-theory developers"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "docs.extensions.absolute_values",
    "docs.extensions.code_links",
    "docs.extensions.command_pages",
    "docs.extensions.mathml",
    "docs.extensions.public_names",
    "docs.extensions.sentences",
    "docs.extensions.signatures",
]
exclude_patterns = ["_build", "extensions"]
default_role = "py:obj"

# pages
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3
nb_execution_mode = "cache"  # what a cell gave is kept for as long as no source of the rooms changes
nb_execution_cache_path = str(ROOT / "docs" / "_build" / "notebooks" / source_digest(*ROOMS))
nb_execution_timeout = 180
nb_execution_raise_on_error = True

# reference
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Attributes", "params_style"), "Source", "Sources"]

# looks
html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_sidebars: dict[str, list[str]] = {
    page: [] for page in ("index", "gallery", "benchmarks", "changelog", "contributing")
}
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "header_links_before_dropdown": 8,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
