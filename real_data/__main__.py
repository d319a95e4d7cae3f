"""Command line of the real-data experiments: ``python -m real_data --help``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from perceptron_theory import Results, command_line
from real_data.config import DigitsExperiment

app = tyro.extras.SubcommandApp()


@app.command
def run(
    experiment: Annotated[DigitsExperiment, tyro.conf.arg(name="")],
    out: Path = Path("results/real_data"),
    quiet: bool = False,
) -> Callable[[], None]:
    """Measure test error against the number of examples kept, on handwritten digits (no download).

    Writes OUT/digits.nc, errors as fractions, and OUT/seeds/ as it goes; run again after Ctrl-C to continue.
    Prints test errors in per cent, mean +- standard error over seeds.

    Args:
        experiment: the settings.
        out: folder for the results.
        quiet: no progress bar.
    """
    return partial(_run, experiment, out, progress=not quiet)


def _run(experiment: DigitsExperiment, out: Path, *, progress: bool) -> None:
    from real_data.experiment import run_experiment

    print(error_table(run_experiment(experiment, out=out, progress=progress)))
    print(f"saved in {out / 'digits.nc'}")


@app.command
def show(path: tyro.conf.Positional[Path]) -> Callable[[], None]:
    """Print the table of a result file: test errors in per cent, mean +- standard error over seeds.

    Args:
        path: a file that ``run`` wrote, OUT/digits.nc.
    """
    return lambda: print(error_table(Results.load(path)))


def error_table(results: Results) -> str:
    """Test errors in per cent by rule and fraction, mean +- standard error, with the number kept."""

    def cell(mean: float, standard_error: float) -> str:
        return f"{100 * mean:6.2f} +- {100 * standard_error:4.2f}"

    def count(numbers: np.ndarray) -> str:
        least, most = numbers.min(), numbers.max()
        return f"{least}" if least == most else f"{least}-{most}"

    num_seeds = results.sizes["seed"]
    rows = [
        ["fraction kept", *(f"{f:g}" for f in results["fraction"]), "all"],
        ["number kept", *(count(results["num_kept"][:, i]) for i in range(results["fraction"].size)), ""],
    ]
    for i, rule in enumerate(results["rule"]):
        rows.append([str(rule), *map(cell, results["mean"][i], results["standard_error"][i]), ""])
    rows[-1][-1] = cell(float(results["mean_all"]), float(results["standard_error_all"]))
    table = "\n".join(f"{row[0]:13}" + "".join(f"{entry:>16}" for entry in row[1:]) for row in rows)
    return f"Test error in %, mean +- standard error over {num_seeds} seeds\n{table}"


def main() -> None:
    """Run the command line; bad input ends with one line on stderr and exit code 2."""
    command_line.main(app, "python -m real_data", __doc__)


if __name__ == "__main__":
    main()
