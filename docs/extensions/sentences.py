"""What a function returns and what an attribute is are sentences, in which a colon ends no name of a type."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

__all__ = ["as_fields", "setup"]

EXCEPTION = re.compile(r"\s*[\w., ]*(Error|Exit|Interrupt|Warning):")


def as_fields(lines: list[str]) -> list[str]:
    """A docstring with its sections of what is returned as fields, which the reader of Google's style leaves alone."""
    found: list[str] = []
    indent: int | None = None  # of the header of the section that we are in
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        depth = len(line) - len(line.lstrip())
        header = line.strip()
        sentence = header == "Raises:" and not EXCEPTION.match(after)  # as in: As ``solve``.
        if header in ("Returns:", "Yields:") or sentence:
            indent = depth
            found += ["", " " * depth + f":{header[:-1].lower()}:"]
        else:
            if indent is not None and header and depth <= indent:
                indent = None
                found.append("")
            if indent is not None and header and found[-1].endswith((":returns:", ":yields:", ":raises:")):
                found[-1] += f" {header}"
            else:
                found.append(line)
    return found


def process(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Change a docstring in place, before napoleon reads it."""
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]  # napoleon looks for a type in the first line: a comment
    else:
        lines[:] = as_fields(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", process, priority=300)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
