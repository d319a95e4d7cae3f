"""Checkpoints of the long trainings of an experiment."""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["CHECKPOINT_EVERY", "discard", "place_of"]

CHECKPOINT_EVERY = 1000
"""Steps between checkpoints."""


def place_of(folder: Path, name: str, num_steps: int, *, always: bool = False) -> Path | None:
    """Where a training of a results folder keeps its checkpoints; a short one needs none, unless there are many."""
    return folder / "checkpoints" / name if always or num_steps > CHECKPOINT_EVERY else None


def discard(place: Path | None) -> None:
    """Delete the checkpoints of a training whose result is saved."""
    if place is not None and place.exists():  # what is solved for has none
        shutil.rmtree(place)
