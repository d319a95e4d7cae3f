"""The jobs: theory, simulation and real images, saved as data, and drawn."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from data_pruning import KeepEasy, KeepHard, Results
from data_pruning.records.atomic_file import write_atomically
from data_pruning.records.results import stored
from figures import fig1, fig2, fig3, fig4, fig6
from figures.compute import best_rule, joint_law, probes, queries, students
from figures.compute.curves import compute_curves
from figures.compute.software import software
from figures.draw import best_rule as best_rule_pictures
from figures.draw.joint_law import joint_law as draw_joint_law
from figures.draw.probes import probes as draw_probes
from figures.draw.queries import queries as draw_queries
from figures.draw.students import label_noise
from figures.draw.students import students as draw_students
from figures.settings import Job
from real_data import Experiment, run_experiment
from simulations import Point, Validation, validate

__all__ = [
    "COMPARISONS",
    "FILES",
    "Job",
    "compare",
    "draw",
    "pick_queries",
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
    "joint_law": "joint_law.nc",
    "joint_law_validation": "joint_law_validation.nc",
    "transfer": "transfer.nc",
    "extremes": "fig6.nc",
}


def points_to_simulate(num_features: int, num_trials: int) -> list[Point]:
    """The simulated points of figures 1 and 2."""
    everything = [Point(alpha, KeepHard(1.0), 0.0, num_features, num_trials) for alpha in ALPHAS]
    pruned = [
        Point(alpha / f, rule(f), np.deg2rad(angle), num_features, num_trials)
        for angle, rule, f, alpha in itertools.product((0.0, 10.0, 20.0), (KeepHard, KeepEasy), (0.1, 0.2, 0.5), ALPHAS)
    ]
    return everything + pruned


class Comparison(NamedTuple):
    """Theory, the simulations that check it, and the pictures of both.

    Attributes:
        theory: computes data, or finds them in the folder that it is given; by their names in ``FILES``.
        points: what to simulate, from those data, N and the number of trials.
        validation: name in ``FILES`` of the comparison.
        pictures: names of the figures.
        table: what is saved of the comparison.
    """

    theory: Callable[[Path], dict[str, Results]]
    points: Callable[[dict[str, Results], int, int], list[Point]]
    validation: str
    pictures: tuple[str, ...]
    table: Callable[[Validation], Results] = Validation.results


def _curves(folder: Path) -> dict[str, Results]:
    return {"curves": stored(folder, "curves", {"software": software()}, compute_curves)}


def _best_rule(folder: Path) -> dict[str, Results]:
    return {
        "phase_diagram": best_rule.compute_phase_diagram(folder, (0, 10, 20), 20, 16, progress=True),
        "policies": best_rule.compute_policies(folder, best_rule.CASES, progress=True),
        "frontier": best_rule.compute_frontiers(folder, fractions=best_rule.FRONTIER_FRACTIONS, progress=True),
    }


def _students(folder: Path) -> dict[str, Results]:
    return {
        "students": students.compute_students(folder, progress=True),
        "label_noise": students.compute_label_noise(folder, progress=True),
    }


COMPARISONS = {
    "perceptron": Comparison(_curves, lambda _, *sizes: points_to_simulate(*sizes), "validation", ("fig1", "fig2")),
    "best-rule": Comparison(
        _best_rule,
        lambda data, *sizes: best_rule.points_to_simulate(*data.values(), *sizes),
        "best_rule_validation",
        ("phase_diagram", "policies", "frontier"),
    ),
    "students": Comparison(
        _students,
        lambda _, *sizes: students.points_to_simulate(*sizes),
        "students_validation",
        ("students", "label_noise"),
    ),
    "probes": Comparison(
        lambda folder: {"probes": probes.compute_probes(folder)},
        lambda _, *sizes: probes.points_to_simulate(*sizes),
        "probes_validation",
        ("probes",),
        probes.validation_of_probes,
    ),
    "joint-law": Comparison(
        lambda folder: {"joint_law": joint_law.compute_joint_law(folder)},
        lambda data, *sizes: joint_law.points_to_simulate(data["joint_law"], *sizes),
        "joint_law_validation",
        ("joint_law",),
    ),
}


def compare(name: str, job: Job) -> tuple[Validation, list[Path]]:
    """Compute, simulate, save and draw a comparison; an interrupted run continues where it stopped.

    Args:
        name: "perceptron", "best-rule", "students", "probes" or "joint-law".
        job: sizes, seed and folder.

    Returns:
        The comparison of theory and simulation, and the files written.

    Raises:
        ValueError: a size below 2, or a folder that is a file.
        KeyboardInterrupt: interrupted; what is finished is saved, and the message says where.
    """
    job.check()
    what = COMPARISONS[name]
    data = what.theory(job.out / "theory")
    points = what.points(data, job.num_features, job.num_trials)
    validation = validate(points, seed=job.seed, out=job.out / "points", progress=True)
    files = _save({**data, what.validation: what.table(validation)}, job.out)
    return validation, [*files, *draw(job.out, what.pictures)]


def reproduce(job: Job) -> tuple[Validation, list[Path]]:
    """The main job: the perceptron's figures 1 and 2, the digits experiment and figure 3; as ``compare``."""
    job.check()
    with tqdm(total=2, desc="theory and simulation", unit="step") as steps:
        validation, files = compare("perceptron", job)
        steps.update()
        steps.set_description("digits")
        run_experiment(Experiment(), out=job.out, progress=True)
        steps.update()
    return validation, [*files, job.out / FILES["digits"], *draw(job.out, ("fig3",))]


def pick_queries(job: Job) -> tuple[Results, list[Path]]:
    """Students that pick their examples, simulated and drawn; as ``compare``, but what was found is a table."""
    job.check()
    sizes = {"num_features": job.num_features, "num_trials": job.num_trials, "seed": job.seed}
    found = queries.compute_queries(job.out / "points", queries.CASES, **sizes, progress=True)
    return found, [*_save({"queries": found}, job.out), *draw(job.out, ("queries",))]


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
        "fig4": lambda: fig4(load("transfer")),
        "fig6": lambda: fig6(load("extremes")),
        "phase_diagram": lambda: best_rule_pictures.phase_diagram(load("phase_diagram"), load("best_rule_validation")),
        "policies": lambda: best_rule_pictures.policies(load("policies"), load("best_rule_validation")),
        "frontier": lambda: best_rule_pictures.frontier(load("frontier"), load("best_rule_validation")),
        "students": lambda: draw_students(load("students"), load("students_validation")),
        "label_noise": lambda: label_noise(load("label_noise"), load("students_validation")),
        "probes": lambda: draw_probes(load("probes"), load("probes_validation")),
        "queries": lambda: draw_queries(load("queries")),
        "joint_law": lambda: draw_joint_law(load("joint_law"), load("joint_law_validation")),
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
