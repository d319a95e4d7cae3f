"""Command line of the figures: ``python -m figures --help``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import tyro

from perceptron_theory import command_line

app = tyro.extras.SubcommandApp()


@app.command
def reproduce(
    out: Path = Path("results"), num_features: int = 200, num_trials: int = 60, seed: int = 0
) -> Callable[[], None]:
    """Compute theory, simulate, run the digits experiment and draw all figures: a few minutes on two cores.

    Run again after Ctrl-C to continue.  Prints how well theory and simulation agree and where the files are.

    Args:
        out: folder for data (NetCDF) and figures (PDF, PNG).
        num_features: parameters of the simulated students, N.
        num_trials: independent trials per simulated point, at least 2.
        seed: seed of the simulations.
    """
    return _job("reproduce", out, num_features, num_trials, seed)


@app.command(name="best-rule")
def best_rule(
    out: Path = Path("results"), num_features: int = 200, num_trials: int = 60, seed: int = 0
) -> Callable[[], None]:
    """Phase diagram, certificates and frontier of the best keep rule: a few minutes on two cores.

    Run again after Ctrl-C to continue, or after the end to redraw.

    Args:
        out: folder for data (NetCDF) and figures (PDF, PNG).
        num_features: parameters of the simulated students, N.
        num_trials: independent trials per simulated point, at least 2.
        seed: seed of the simulations.
    """
    return _job("find_best_rule", out, num_features, num_trials, seed)


@app.command
def students(
    out: Path = Path("results"), num_features: int = 200, num_trials: int = 40, seed: int = 0
) -> Callable[[], None]:
    """Max margin, square, logistic and hinge loss on pruned data, and label noise: a few minutes on two cores.

    Run again after Ctrl-C to continue, or after the end to redraw.

    Args:
        out: folder for data (NetCDF) and figures (PDF, PNG).
        num_features: parameters of the simulated students, N.
        num_trials: independent trials per simulated point, at least 2.
        seed: seed of the simulations.
    """
    return _job("compare_students", out, num_features, num_trials, seed)


def _job(name: str, out: Path, num_features: int, num_trials: int, seed: int) -> Callable[[], None]:
    def work() -> None:
        from figures import reproduction

        start = time.monotonic()
        run = getattr(reproduction, name)
        validation, files = run(out, num_features=num_features, num_trials=num_trials, seed=seed)
        print(f"\nTheory against simulation: {validation.summary()}")
        print("Every simulated student is certified: the gap bounds how far it is from the exact one.")
        print("Files: " + ", ".join(str(path) for path in files))
        print(f"Finished in {time.monotonic() - start:.0f} s")

    return work


def _redraw(name: str, folder: Path) -> Callable[[], None]:
    def work() -> None:
        from figures import reproduction

        print("wrote " + ", ".join(str(path) for path in reproduction.draw(folder, (name,))))

    return work


@app.command
def fig1(folder: Path = Path("results")) -> Callable[[], None]:
    """Redraw figure 1 (perfect probe: curves, frontier, crossover) from saved data.

    Args:
        folder: where curves.nc and validation.nc are, and the figure goes.
    """
    return _redraw("fig1", folder)


@app.command
def fig2(folder: Path = Path("results")) -> Callable[[], None]:
    """Redraw figure 2 (imperfect probes: the frontier bends to a power law) from saved data.

    Args:
        folder: where curves.nc and validation.nc are, and the figure goes.
    """
    return _redraw("fig2", folder)


@app.command
def fig3(folder: Path = Path("results")) -> Callable[[], None]:
    """Redraw figure 3 (real images) from saved data.

    Args:
        folder: where digits.nc is, and the figure goes.
    """
    return _redraw("fig3", folder)


def main() -> None:
    """Run the command line; bad input ends with one line on stderr and exit code 2."""
    command_line.main(app, "python -m figures", __doc__)


if __name__ == "__main__":
    main()
