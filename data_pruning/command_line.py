"""How the command lines of all rooms run: one-line errors, exit codes, the same words for the same options."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Callable, Sequence
from typing import Literal, NoReturn

import tyro

from data_pruning.keep_rules import KeepEasy, KeepHard, KeepRandom, KeepRule

__all__ = ["RULES", "RuleName", "main", "table"]

RuleName = Literal["hard", "easy", "random"]
RULES: dict[str, Callable[[float], KeepRule]] = {"hard": KeepHard, "easy": KeepEasy, "random": KeepRandom}


def main(app: tyro.extras.SubcommandApp, prog: str, description: str | None) -> None:
    """Run a command line whose commands return, as a function, what is to be done.

    Bad input ends with one line on stderr and exit code 2, Ctrl-C with what is saved and exit code 130.
    """
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):  # parsing only: the work is done below
            command: Callable[[], None] = app.cli(prog=prog, description=description)
        command()
    except (ValueError, TypeError, OSError, ArithmeticError, RuntimeError) as error:
        _stop(2, f"{prog}: " + "; ".join([str(error), *getattr(error, "__notes__", [])]))
    except KeyboardInterrupt as interrupt:
        _stop(130, f"\nInterrupted. {interrupt}".rstrip())
    except SystemExit as stop:
        if stop.code:
            print(f"{prog}: {_without_box(complaint.getvalue())}", file=sys.stderr)
        raise


def _stop(code: int, message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(code)


def _without_box(message: str) -> str:
    """The first paragraph of the box that tyro draws around an error, on one line."""
    lines = [line.strip("│ ") for line in message.splitlines() if not line.startswith(("╭", "╰"))]
    paragraph = " ".join(lines).split("──")[0]
    return re.sub(r"__tyro-dummy-inner__\.(\w+\.)?", "", paragraph).strip()


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Text columns, right-aligned under their names."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    return "\n".join(
        "  ".join(f"{entry:>{width}}" for entry, width in zip(row, widths, strict=True)) for row in (header, *rows)
    )
