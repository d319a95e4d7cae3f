"""Command line of the real-data experiments: ``python -m real_data --help``."""

from __future__ import annotations

from real_data.commands import (  # noqa: F401  (they add their commands)
    advice,
    benchmark,
    combining,
    data,
    duplicates,
    embeddings,
    experiments,
    joint_law,
    judging,
    magnitude_pruning,
    plan,
    pruning,
    published_scores,
    scores,
    training,
    transfer,
    weights,
)
from real_data.commands.options import cli
from real_data.training.memory import keep_freed_memory


def main() -> None:
    """Run the command line; bad input ends with one line on stderr and exit code 2."""
    keep_freed_memory()
    cli.main()


if __name__ == "__main__":
    main()
