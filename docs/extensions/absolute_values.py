"""Bars in docstrings are absolute values, as in |J.x|, not substitutions of reStructuredText."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

__all__ = ["setup", "with_absolute_values"]

LITERAL = re.compile(r"(``.+?``)")


def with_absolute_values(line: str) -> str:
    """A line of a docstring with its bars escaped, but for those of literals, examples and tables."""
    if line.lstrip().startswith((">>>", "...", "| ", "+-")):
        return line
    parts = LITERAL.split(line)
    return "".join(part if LITERAL.fullmatch(part) else re.sub(r"(?<!\\)\|", r"\\|", part) for part in parts)


def escape(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Escape the bars of a docstring, in place."""
    lines[:] = [with_absolute_values(line) for line in lines]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", escape, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
