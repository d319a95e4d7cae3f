"""Command line of the real-data experiments: ``python -m real_data --help``."""

from __future__ import annotations

from real_data.commands import advice, data, experiments, scores, training  # noqa: F401  (they add their commands)
from real_data.commands.options import cli


def main() -> None:
    """Run the command line; bad input ends with one line on stderr and exit code 2."""
    cli.main()


if __name__ == "__main__":
    main()
