"""Many differences in one line: ``listed``."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["listed"]

MOST = 40
"""Kinds of differences that an error lists."""


def listed(lines: Iterable[str]) -> str:
    """Lines as one; those that differ only in the number of a block or layer are one, with ``*``, and counted.

    More than :data:`MOST` of such kinds are counted at the end.
    """
    kinds: dict[str, list[str]] = {}
    for line in lines:
        kinds.setdefault(re.sub(r"(?<=[/._])\d+(?=[/.])", "*", line, count=1), []).append(line)
    words = [same[0] if len(same) == 1 else f"{kind} ({len(same)} times)" for kind, same in kinds.items()]
    rest = sum(len(same) for same in list(kinds.values())[MOST:])
    return "; ".join(words[:MOST]) + (f"; and {rest} more" if rest else "")
