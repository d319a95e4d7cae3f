"""The main job: theory, simulation and real images, saved as data, drawn and summed up."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from data_pruning import KeepEasy, KeepHard, Results
from data_pruning.records.atomic_file import write_atomically
from data_pruning.records.results import stored
from figures import fig1, fig2, fig3
from figures.compute import best_rule, probes, queries, students
from figures.compute.curves import compute_curves
from figures.compute.software import software
from figures.draw import best_rule as best_rule_pictures
from figures.draw.probes import probes as draw_probes
from figures.draw.queries import queries as draw_queries
from figures.draw.students import label_noise
from figures.draw.students import students as draw_students
from perceptron_theory import Student
from real_data import Experiment, run_experiment
from simulations import Point, Validation, validate

__all__ = [
    "FILES",
    "compare_probes",
    "compare_queries",
    "compare_students",
    "draw",
    "find_best_rule",
    "points_to_simulate",
    "reproduce",
    "save_figure",
]

ALPHAS = (0.3, 0.8, 1.6, 3.0, 6.0)  # kept examples per parameter
FILES = {
    "curves": "curves.nc",
    "validation": "validation.nc",
    "digits": "digits.nc",
    "phase_diagram": "phase_diagram.nc",
    "policies": "policies.nc",
    "frontier": "frontier.nc",
    "best_rule_validation": "best_rule_validation.nc",
    "students": "students.nc",
    "label_noise": "label_noise.nc",
    "students_validation": "students_validation.nc",
    "probes": "probes.nc",
    "probes_validation": "probes_validation.nc",
    "queries": "queries.nc",
}


def points_to_simulate(num_features: int, num_trials: int) -> list[Point]:
    """The simulated points of figures 1 and 2."""
    everything = [Point(alpha, KeepHard(1.0), 0.0, num_features, num_trials) for alpha in ALPHAS]
    pruned = [
        Point(alpha / f, rule(f), np.deg2rad(angle), num_features, num_trials)
        for angle, rule, f, alpha in itertools.product((0.0, 10.0, 20.0), (KeepHard, KeepEasy), (0.1, 0.2, 0.5), ALPHAS)
    ]
    return everything + pruned


def reproduce(
    out: Path, *, num_features: int = 200, num_trials: int = 60, seed: int = 0
) -> tuple[Validation, list[Path]]:
    """Compute, simulate, train, save and draw everything; an interrupted run continues where it stopped.

    Args:
        out: folder for data and figures.
        num_features: N of the simulations.
        num_trials: trials per simulated point.
        seed: seed of the simulations.

    Returns:
        The comparison of theory and simulation, and the files written.

    Raises:
        KeyboardInterrupt: interrupted; the message says what is saved.
    """
    _check(out, num_features, num_trials)
    steps = tqdm(total=4, desc="theory", unit="step", position=0)

    compute = stored(out / "theory", "curves", {"software": software()}, compute_curves).save(out / FILES["curves"])
    steps.update()
    steps.set_description("simulation")
    validation = validate(points_to_simulate(num_features, num_trials), seed=seed, out=out / "points", progress=True)
    validation.results().save(out / FILES["validation"])
    steps.update()
    steps.set_description("digits")
    run_experiment(Experiment(), out=out, progress=True)
    steps.update()
    steps.set_description("figures")
    files = [compute, out / FILES["validation"], out / FILES["digits"], *draw(out)]
    steps.update()
    steps.close()
    return validation, files


def find_best_rule(
    out: Path,
    *,
    num_features: int = 200,
    num_trials: int = 60,
    seed: int = 0,
    num_alphas: int = 20,
    num_fractions: int = 16,
    cases: Sequence[tuple[float, float, float, Student]] = best_rule.CASES,
    fractions: Sequence[float] = best_rule.FRONTIER_FRACTIONS,
) -> tuple[Validation, list[Path]]:
    """Phase diagram, certificates and frontier of the best rule, simulated and drawn; an interrupted run continues.

    Args:
        out: folder for data and figures.
        num_features: N of the simulations.
        num_trials: trials per simulated point.
        seed: seed of the simulations.
        num_alphas: values of alpha_tot of the phase diagram.
        num_fractions: values of f of the phase diagram.
        cases: alpha_tot, f, theta in degrees and student of the certificates.
        fractions: fractions of the frontier at which the best of all rules is searched.

    Returns:
        The comparison of theory and simulation, and the files written.

    Raises:
        KeyboardInterrupt: interrupted; what is finished is saved.
    """
    _check(out, num_features, num_trials)
    theory = out / "theory"
    data = {
        "phase_diagram": best_rule.compute_phase_diagram(theory, (0, 10, 20), num_alphas, num_fractions, progress=True),
        "policies": best_rule.compute_policies(theory, cases, progress=True),
        "frontier": best_rule.compute_frontiers(theory, fractions=fractions, progress=True),
    }
    points = best_rule.points_to_simulate(
        data["phase_diagram"], data["policies"], data["frontier"], num_features, num_trials
    )
    validation = validate(points, seed=seed, out=out / "points", progress=True)
    data["best_rule_validation"] = validation.results()
    return validation, [*_save(data, out), *draw(out, ("phase_diagram", "policies", "frontier"))]


def compare_students(
    out: Path,
    *,
    num_features: int = 200,
    num_trials: int = 40,
    seed: int = 0,
) -> tuple[Validation, list[Path]]:
    """Students compared and label noise, simulated and drawn; an interrupted run continues.

    Args:
        out: folder for data and figures.
        num_features: N of the simulations.
        num_trials: trials per simulated point.
        seed: seed of the simulations.

    Returns:
        The comparison of theory and simulation, and the files written.

    Raises:
        KeyboardInterrupt: interrupted; what is finished is saved.
    """
    _check(out, num_features, num_trials)
    data = {
        "students": students.compute_students(out / "theory", progress=True),
        "label_noise": students.compute_label_noise(out / "theory", progress=True),
    }
    points = students.points_to_simulate(num_features, num_trials)
    validation = validate(points, seed=seed, out=out / "points", progress=True)
    data["students_validation"] = validation.results()
    return validation, [*_save(data, out), *draw(out, ("students", "label_noise"))]


def compare_probes(
    out: Path,
    *,
    num_features: int = 200,
    num_trials: int = 40,
    seed: int = 0,
) -> tuple[Validation, list[Path]]:
    """Pruning by trained probes, simulated and drawn; an interrupted run continues.

    Args:
        out: folder for data and figures.
        num_features: N of the simulations.
        num_trials: trials per simulated point.
        seed: seed of the simulations.

    Returns:
        The comparison of simulation and theory at the measured angles, and the files written.

    Raises:
        KeyboardInterrupt: interrupted; what is finished is saved.
    """
    _check(out, num_features, num_trials)
    data = {"probes": probes.compute_probes(out / "theory")}
    points = probes.points_to_simulate(num_features, num_trials)
    validation = validate(points, seed=seed, out=out / "points", progress=True)
    data["probes_validation"] = probes.validation_of_probes(validation)
    return validation, [*_save(data, out), *draw(out, ("probes",))]


def compare_queries(
    out: Path,
    *,
    num_features: int = 200,
    num_trials: int = 40,
    seed: int = 0,
    cases: Sequence[tuple[float, float, int]] = queries.CASES,
) -> tuple[Results, list[Path]]:
    """Students that pick their examples, simulated and drawn; an interrupted run continues.

    Args:
        out: folder for data and figures.
        num_features: N of the simulations.
        num_trials: trials per case.
        seed: seed of the simulations.
        cases: alpha_tot, fraction picked in the end, and number of rounds.

    Returns:
        What was found, and the files written.

    Raises:
        KeyboardInterrupt: interrupted; what is finished is saved.
    """
    _check(out, num_features, num_trials)
    found = queries.compute_queries(
        out / "points", cases, num_features=num_features, num_trials=num_trials, seed=seed, progress=True
    )
    return found, [*_save({"queries": found}, out), *draw(out, ("queries",))]


def _check(out: Path, num_features: int, num_trials: int) -> None:
    """What would stop the job only after minutes of theory."""
    if out.is_file():
        raise ValueError(f"out must be a folder, but {out} is a file")
    for name, value in (("num_features", num_features), ("num_trials", num_trials)):
        if value < 2:
            raise ValueError(f"{name} must be at least 2, got {value}")


def _save(data: dict[str, Results], out: Path) -> list[Path]:
    return [results.save(out / FILES[name]) for name, results in data.items()]


def draw(folder: Path, names: tuple[str, ...] = ("fig1", "fig2", "fig3")) -> list[Path]:
    """Draw figures from saved data alone, as PDF and PNG.

    Args:
        folder: where the data are and the figures go.
        names: figures to draw.

    Returns:
        The files written.

    Raises:
        FileNotFoundError: the data of a figure are missing.
    """

    def load(name: str) -> Results:
        return Results.load(folder / FILES[name])

    makers = {
        "fig1": lambda: fig1(load("curves"), load("validation")),
        "fig2": lambda: fig2(load("curves"), load("validation")),
        "fig3": lambda: fig3(load("digits")),
        "phase_diagram": lambda: best_rule_pictures.phase_diagram(load("phase_diagram"), load("best_rule_validation")),
        "policies": lambda: best_rule_pictures.policies(load("policies"), load("best_rule_validation")),
        "frontier": lambda: best_rule_pictures.frontier(load("frontier"), load("best_rule_validation")),
        "students": lambda: draw_students(load("students"), load("students_validation")),
        "label_noise": lambda: label_noise(load("label_noise"), load("students_validation")),
        "probes": lambda: draw_probes(load("probes"), load("probes_validation")),
        "queries": lambda: draw_queries(load("queries")),
    }
    return [path for name in names for path in save_figure(makers[name](), folder / name)]


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PDF and PNG, each whole or not at all, and return the paths."""
    written = []
    stem.parent.mkdir(parents=True, exist_ok=True)
    for suffix in ("pdf", "png"):
        path = stem.with_name(f"{stem.name}.{suffix}")
        content = io.BytesIO()
        # no creation date: the same data give the same file
        undated = {"CreationDate": None} if suffix == "pdf" else {}
        figure.savefig(content, format=suffix, dpi=150, metadata=undated)
        write_atomically(path, content.getbuffer())
        written.append(path)
    return written
