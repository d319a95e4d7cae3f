"""The command line that the commands of the figures belong to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data_pruning.command_line import CommandLine

__all__ = ["cli", "say_saved"]

cli = CommandLine(
    "python -m figures",
    "Compute what the theory predicts and draw it, and draw results of the other rooms from saved files.",
    sizes="--num-features, --image-size or --num-per-class",
)


def say_saved(written: Sequence[Path]) -> None:
    """One line for each file that was written."""
    for path in written:
        print(f"saved in {path}")
