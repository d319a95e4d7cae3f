"""Experiment: error of learners of a band-limited function against the density of examples, n/D.

Cells, one density with all its draws, are saved as they are finished and found again.  The examples and the target of
a draw depend on the seed, the number of examples and the number of the draw alone, so that all learners see the same.
"""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from data_pruning import Results
from data_pruning.arguments import check_choice, check_different, check_integer, check_real, check_tuple
from data_pruning.records.results import stored
from data_pruning.records.software import source_digest, versions
from data_pruning.records.writable import check_folder
from simulations.nyquist.laws import condition_number, grid_square_error, mean_square_error
from simulations.nyquist.learners import MOST_BAND, BandLimited, Learner, learner_named
from simulations.nyquist.torus import MOST_ENTRIES, basis, num_coefficients, regular_grid, uniform_points

__all__ = ["DENSITIES", "LEARNERS", "NyquistExperiment", "measure_nyquist"]

DENSITIES = (0.25, 0.5, 0.75, 0.9, 0.98, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0)
LEARNERS = ("band", "gaussian", "laplace", "ntk")
BOUNDS = (
    ("dimension", 1, 16),
    ("band", 1, MOST_BAND),
    ("draws", 1, 2**20),
    ("num_test", 10, 2**27),
    ("seed", 0, math.inf),
)
MOST_EXAMPLES = 2.0**53  # for a number in double precision to be exact


@dataclass(frozen=True)
class NyquistExperiment:
    """Learners of band-limited functions; the fields determine every number.

    Attributes:
        dimension: d of the torus, 1 to 16.
        band: largest frequency of the target along an axis, B, at least 1; its D = (2B + 1)^d coefficients are drawn
            isotropic, of mean square 1.
        design: examples at the points of a regular grid with a random shift, or at uniform random points.
        labels: values f(x), or classes sign f(x).
        noise: standard deviation of the noise that is added to a label, in [0, 1e6].
        learners: by their names, see ``learner_named``.
        densities: examples per coefficient, n/D, > 0; on a grid to the nearest number of points along an axis.
        draws: independent targets and designs of each density, at least 1.
        num_test: fresh uniform points that measure the error, at least 10.
        seed: non-negative integer.
    """

    dimension: int = 1
    band: int = 20
    design: Literal["grid", "random"] = "random"
    labels: Literal["values", "classes"] = "values"
    noise: float = 0.0
    learners: tuple[str, ...] = LEARNERS
    densities: tuple[float, ...] = DENSITIES
    draws: int = 20
    num_test: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least, most in BOUNDS:
            check_integer(name, getattr(self, name), least, most)
        check_choice("design", self.design, ("grid", "random"))
        check_choice("labels", self.labels, ("values", "classes"))
        check_real("noise", self.noise, "[0, 1e6]")
        check_tuple("learners", self.learners, str)
        check_different("learners", self.learners)
        check_tuple("densities", self.densities)
        check_different("densities", self.densities)
        for density in self.densities:
            check_real("densities", density, "(0, inf)")
        most = self.num_examples(max(self.densities))
        for name, learner in zip(("band", *self.learners), (BandLimited(self.band), *self.makers()), strict=True):
            entries = learner.entries(most, self.num_test, self.dimension)
            if entries > MOST_ENTRIES:
                raise ValueError(
                    f"learner {name} needs a matrix of {entries:.3g} numbers for {most:.3g} examples, at most "
                    f"{MOST_ENTRIES:.3g} fit: take a smaller band, dimension, density or num_test"
                )

    @property
    def num_coefficients(self) -> int:
        """Degrees of freedom of the target, D."""
        return num_coefficients(self.band, self.dimension)

    def num_examples(self, density: float) -> int:
        """Examples at a density, n, at least 1."""
        wanted = min(density * self.num_coefficients, MOST_EXAMPLES)  # above what any learner can hold
        if self.design == "random":
            return max(1, round(wanted))
        return int(max(1, round(wanted ** (1 / self.dimension))) ** self.dimension)

    def makers(self) -> list[Learner]:
        """The learners."""
        return [learner_named(name, self.band, self.dimension, self.noise) for name in self.learners]


@cache
def _software() -> dict[str, str]:
    source = source_digest("data_pruning", "simulations.nyquist")
    return versions(("numpy", "scipy")) | {"source": source}


def measure_nyquist(
    experiment: NyquistExperiment, *, out: str | os.PathLike[str] | None = None, progress: bool = False
) -> Results:
    """Measure the errors of an experiment.

    Args:
        experiment: the settings.
        out: folder where each density is saved as it is finished; those that are there are not measured again, also
            for an experiment with others besides.  None saves nothing.
        progress: show a progress bar on stderr.

    Returns:
        ``error`` (density, learner, draw): root mean square deviation of the prediction from the label without noise,
        at fresh points, over that of the answer 0; ``wrong_class`` (same): share of fresh points where the sign is not
        that of f; ``condition_number`` (density, draw) of the basis of the target at the points; ``law`` and
        ``ridge_law`` (density, draw): root of the exact E error^2 for these points of the learners band and ridge,
        where labels are values; and the coordinates.

    Raises:
        ValueError: ``out`` is a file, or a saved file is damaged.
        MemoryError: a matrix of more than 1 GiB.
        KeyboardInterrupt: interrupted; the message says what is saved.
        OSError: the disk is full, among others.
    """
    if out is not None:
        check_folder("out", out)
    whole = {**asdict(experiment), "software": _software()}
    cells: list[Results] = []
    bar = tqdm(total=len(experiment.densities), desc="densities", unit="density", disable=not progress, leave=False)
    try:
        for density in experiment.densities:
            cells.append(_cell(experiment, experiment.num_examples(density), whole, out))
            bar.update()
    except KeyboardInterrupt:
        where = f"saved in {out}; run the same again to continue" if out is not None else "nothing saved: no out folder"
        done = f"{len(cells)} of {len(experiment.densities)} densities finished"
        raise KeyboardInterrupt(f"{done}, {where}") from None
    finally:
        bar.close()
    results = Results("Errors of learners of band-limited functions", whole)
    n = np.array([experiment.num_examples(density) for density in experiment.densities])
    results.add("n", "density", n, "1", "examples")
    results.add("n_per_coefficient", "density", n / experiment.num_coefficients, "1", "examples per coefficient, n/D")
    results.add("num_coefficients", (), experiment.num_coefficients, "1", "coefficients of the target, D")
    results.add("learner", "learner", list(experiment.learners), "", "learner")
    for name, variable in cells[0].variables.items():
        values = np.stack([cell[name] for cell in cells])
        results.add(name, ("density", *variable.dims), values, variable.units, variable.description)
    return results


def _cell(
    experiment: NyquistExperiment, num_examples: int, whole: dict[str, Any], out: str | os.PathLike[str] | None
) -> Results:
    """One density, measured or found."""
    settings = {name: value for name, value in whole.items() if name != "densities"} | {"num_examples": num_examples}

    def compute() -> Results:
        draws = [_draw(experiment, num_examples, number) for number in range(experiment.draws)]
        results = Results("Errors of learners of band-limited functions at one density", settings)
        for name, (dims, description) in COLUMNS.items():
            if name in draws[0]:
                values = np.stack([draw[name] for draw in draws], axis=-1)
                results.add(name, (*dims, "draw"), values, "1", description)
        return results

    return compute() if out is None else stored(Path(out), "nyquist", settings, compute)


COLUMNS: dict[str, tuple[tuple[str, ...], str]] = {
    "error": (("learner",), "root mean square error at fresh points over that of the answer 0"),
    "wrong_class": (("learner",), "share of fresh points where the sign is not that of the target"),
    "condition_number": ((), "condition number of the basis of the target at the points"),
    "law": ((), "root of the exact mean square error of the learner band at these points"),
    "ridge_law": ((), "root of the exact mean square error of the learner ridge at these points"),
}


def _draw(experiment: NyquistExperiment, num_examples: int, number: int) -> dict[str, Any]:
    """One target, one design, all learners."""
    rng = np.random.default_rng([experiment.seed, num_examples, number])
    band, d, noise = experiment.band, experiment.dimension, experiment.noise
    c = rng.standard_normal(experiment.num_coefficients)
    c /= np.linalg.norm(c)
    per_axis = round(num_examples ** (1 / d))
    grid = experiment.design == "grid"
    x = regular_grid(per_axis, d, rng) if grid else uniform_points(num_examples, d, rng)
    fresh = uniform_points(experiment.num_test, d, rng)
    values, truth = basis(x, band) @ c, basis(fresh, band) @ c
    classes = np.sign(truth)
    if experiment.labels == "classes":
        values, truth = np.sign(values), classes
    told = values + noise * rng.standard_normal(num_examples)
    predicted = [learner.predict(x, told, fresh) for learner in experiment.makers()]
    found: dict[str, Any] = {
        "error": [np.linalg.norm(p - truth) / np.linalg.norm(truth) for p in predicted],
        "wrong_class": [np.mean(np.sign(p) != classes) for p in predicted],
        "condition_number": condition_number(x, band),
    }
    if experiment.labels == "values":
        square = grid_square_error(per_axis, band, d, noise=noise) if grid else mean_square_error(x, band, noise=noise)
        found["law"] = np.sqrt(square)
        if noise > 0:
            ridge = BandLimited(band, noise**2 * experiment.num_coefficients).ridge
            found["ridge_law"] = np.sqrt(mean_square_error(x, band, noise=noise, ridge=ridge))
    return found
