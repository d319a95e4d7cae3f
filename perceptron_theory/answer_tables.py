"""Tables in which the command line answers: printed, and as CSV files that say what their columns are."""

from __future__ import annotations

import csv
from pathlib import Path

from data_pruning.command_line import table

__all__ = ["Cell", "show", "write_csv"]

Cell = str | float | bool

UNITS = {
    "rule": "keep rule",
    "f": "fraction kept",
    "lower": "lowest difficulty rank kept (0 = hardest, 1 = easiest)",
    "upper": "highest difficulty rank kept",
    "value": "- d log(error) / d keep probability, per fraction of the data",
    "alpha_tot": "examples per parameter before pruning",
    "alpha_prune": "kept examples per parameter, f alpha_tot",
    "theta_deg": "angle between probe and teacher, degrees",
    "error": "test error, fraction of new examples misclassified",
    "R": "overlap (cosine of the angle) of student and teacher",
    "rho": "overlap of student and probe",
    "norm": "length of the student",
    "kappa": "margin: smallest y w.x / |w| of the kept examples",
    "at_limit": "1 if f is the smallest allowed, so that a larger pool would lower the error",
    "exists": "1 if keep-hard overtakes keep-easy anywhere",
    "budget": "kept examples times features of the student, plus what scoring costs",
    "n": "examples trained on",
    "m": "features of the student",
    "pool": "examples of the pool, n / f",
    "lam": "best ridge lambda",
    "n_all": "examples of the best training without pruning",
    "m_all": "features of the student of the best training without pruning",
    "error_all": "test error of the best training without pruning",
    "gain": "error_all / error",
    "realizability": "error of the best student that sees these features",
    "uncertainty": "what the Bayes-optimal student adds with these examples and no wrong label",
    "noise": "what wrong labels add to that",
    "deficiency": "learning deficiency: what the student adds to the Bayes-optimal one",
}


def show(columns: list[str], rows: list[list[Cell]], path: Path | None, title: str) -> None:
    """Print the table; with a path, write it as CSV under comments that say what the columns are."""

    def text(cell: Cell) -> str:
        if isinstance(cell, bool):
            return "yes" if cell else "no"
        return cell if isinstance(cell, str) else f"{cell:.8g}"

    print(table(columns, [[text(cell) for cell in row] for row in rows]))
    if path is not None:
        write_csv(path, columns, rows, title)


def write_csv(path: Path, columns: list[str], rows: list[list[Cell]], title: str) -> None:
    """Write the table as CSV under comments that say what the columns are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(f"# {title}. perceptron_theory\n")
        file.writelines(f"# {column}: {UNITS[column]}\n" for column in columns)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([int(cell) if isinstance(cell, bool) else cell for cell in row] for row in rows)
    print(f"saved in {path}")
