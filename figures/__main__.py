"""Command line of the figures: ``python -m figures --help``."""

from __future__ import annotations

from figures.commands import explore, jobs, paper, scores, studies  # noqa: F401  (they add their commands)
from figures.commands.command_line import cli


def main() -> None:
    """Run the command line; bad input ends with one line on stderr and exit code 2."""
    cli.main()


if __name__ == "__main__":
    main()
