"""The version of the package, which result files name.

It stands in the sources, not in what is installed, so that the same sources write the same bytes everywhere.
"""

from __future__ import annotations

__all__ = ["VERSION"]

VERSION = "0.1.0"  # also in pyproject.toml and CITATION.cff; the tests compare
