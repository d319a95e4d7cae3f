"""How the command lines of all rooms run: one-line errors, exit codes, the same words for the same options."""

from __future__ import annotations

import _thread
import contextlib
import functools
import io
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import tyro

__all__ = ["EXTRAS", "CommandLine", "table"]

EXTRAS = {
    "real-data": ("flax", "optax", "orbax", "PIL", "pooch", "safetensors", "sklearn"),
    "cluster": ("dask", "distributed", "submitit"),
    "explore": ("dash", "plotly"),
}
"""Modules that are installed with an extra of the package."""


class CommandLine:
    """The commands of a room.  A command is a plain function; its arguments are the options.

    Bad input ends with one line on stderr and exit code 2, Ctrl-C with what is saved and exit code 130.

    Args:
        prog: how the command line is called, for example ``python -m simulations``.
        description: what ``--help`` says first.
        sizes: the options that memory grows with; named where there is not enough of it.
    """

    def __init__(self, prog: str, description: str | None, sizes: str = "the sizes"):
        self.prog = prog
        self.description = description
        self.sizes = sizes
        self.functions: dict[str, Callable[..., None]] = {}

    def command(self, function: Callable[..., None]) -> Callable[..., None]:
        """Decorator that makes a function a command, of its own name with hyphens."""
        self.functions[function.__name__.strip("_").replace("_", "-")] = function
        return function

    @contextlib.contextmanager
    def _warnings_are_one_line(self) -> Iterator[None]:
        """Our own warnings to the user as lines without the place in the code; the others as ever."""
        with warnings.catch_warnings():
            show = warnings.showwarning

            def plainly(message: Warning | str, category: type[Warning], *place: Any) -> None:
                if category is UserWarning:
                    print(f"{self.prog}: warning: {' '.join(str(message).split())}", file=sys.stderr)
                else:
                    show(message, category, *place)

            warnings.showwarning = plainly  # type: ignore[assignment]
            yield

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """Parse the arguments (those of the process where there are none) and run the command.

        Raises:
            SystemExit: with code 2 after bad input, 130 after Ctrl-C, 0 after ``--help``.
        """
        try:
            work = self._parse(arguments)
            with _interrupts_are_not_lost(), self._warnings_are_one_line():
                work()
        except BrokenPipeError:  # whoever reads the output has read enough, as head does
            sys.stderr.close()
            sys.exit(1)
        except ModuleNotFoundError as error:
            self._stop_for_missing(error)
        except (ValueError, TypeError, OSError, ArithmeticError, RuntimeError) as error:
            if "RESOURCE_EXHAUSTED" in str(error):  # JAX has no class for it
                self._stop_for_memory(error)
            _stop(2, f"{self.prog}: " + "; ".join([_one_line(error), *_notes(error)]))
        except MemoryError as error:
            self._stop_for_memory(error)
        except KeyboardInterrupt as interrupt:
            _stop(130, f"\nInterrupted. {interrupt}".rstrip())

    def _parse(self, arguments: Sequence[str] | None) -> Callable[[], None]:
        """The work that the arguments ask for; tyro's complaint, if there is one, on one line."""
        complaint = io.StringIO()
        try:
            with contextlib.redirect_stderr(complaint):
                return tyro.extras.subcommand_cli_from_dict(
                    {name: _deferred(function) for name, function in self.functions.items()},
                    prog=self.prog,
                    description=self.description,
                    args=arguments,
                )
        except SystemExit as stop:
            if stop.code:
                print(f"{self.prog}: {_without_box(complaint.getvalue())}", file=sys.stderr)
            raise

    def _stop_for_memory(self, error: BaseException) -> NoReturn:
        what = _one_line(error).removeprefix("RESOURCE_EXHAUSTED: ")
        _stop(2, f"{self.prog}: not enough memory: {'; '.join(filter(None, [what, f'make {self.sizes} smaller']))}")

    def _stop_for_missing(self, error: ModuleNotFoundError) -> NoReturn:
        """Name the extra that has the module; a module of nobody's is a fault of ours, and traced."""
        module = (error.name or "").split(".")[0]
        for extra, modules in EXTRAS.items():
            if module in modules:
                _stop(
                    2,
                    f"{self.prog}: the package {module} is missing: pip install 'data-pruning-theory[{extra}]'",
                )
        raise error


def _deferred(function: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """The function, called later: so that what it prints is not taken for a complaint about its arguments."""

    @functools.wraps(function)
    def later(*values: Any, **options: Any) -> Callable[[], None]:
        return functools.partial(function, *values, **options)

    return later


@contextlib.contextmanager
def _interrupts_are_not_lost() -> Iterator[None]:
    """A Ctrl-C that falls into a callback, from where no exception gets out, is delivered again."""
    before, again = sys.unraisablehook, threading.Timer(0.05, _thread.interrupt_main)  # from outside of the callback
    again.daemon = True

    def hook(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            before(unraisable)
        elif again.ident is None:
            again.start()

    sys.unraisablehook = hook
    try:
        yield
        if again.ident is not None:  # the work ended before it was interrupted again
            again.cancel()
            raise KeyboardInterrupt
    finally:
        again.cancel()
        sys.unraisablehook = before


def _stop(code: int, message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(code)


def _one_line(error: BaseException) -> str:
    """The first line of what an error says: those of compilers go on for pages."""
    return str(error).strip().partition("\n")[0]


def _notes(error: BaseException) -> list[str]:
    """What was added to an error, but for what JAX adds about its own traceback."""
    return [note for note in getattr(error, "__notes__", []) if "JAX_TRACEBACK_FILTERING" not in note]


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
