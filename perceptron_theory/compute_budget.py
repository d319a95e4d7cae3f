"""Compute-optimal pruning: for a budget, how many examples to keep, which, and how large a student to train on them.

A training of a student of m features on n kept examples costs C = n m, as networks cost their parameters times the
examples that they see; a probe that ranks a pool of n / f examples costs ``scoring_cost`` for each of them.  Without
pruning this is the trade of Hoffmann et al. ("Chinchilla", 2022) between data and parameters, here with the exact error
of a student of power-law features.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from data_pruning.arguments import check_choice, integer, number, real_array, real_number
from data_pruning.keep_rules import KeepRandom, KeepWindow
from perceptron_theory.features import PowerLawFeatures
from perceptron_theory.labels import Labels
from perceptron_theory.ridge import best_ridge
from perceptron_theory.solver.points import ALPHA_PRUNE_RANGE, FRACTION_RANGE, check_types, checked_numbers
from perceptron_theory.students import LOSSES, LossName, MaxMargin

__all__ = ["ComputeOptimal", "Training", "compute_optimal"]

Floats = NDArray[np.float64]

PER_OCTAVE = 2  # sizes of the student tried at first
FRACTIONS, PLACES = 7, 6  # fractions kept and places of the window tried at first
PASSES, LOCAL = 5, 2  # refinements around the best, and values to each side of it in each
SHRINK = 0.5  # of the steps from one refinement to the next
SMALLEST_GAIN = 1e-3  # of the error, that scoring a pool must bring


@dataclass(frozen=True)
class Training:
    """Trainings, one per budget; arrays of the shape of ``budget``.

    Attributes:
        num_kept: n, examples trained on.
        num_seen: m, features of the student: its parameters.
        fraction: f, the part of the pool that is kept; 1 is no pruning: random examples, and no scoring.
        lower: hardest difficulty rank kept (0 = hardest of the pool).
        upper: easiest difficulty rank kept, lower + f.
        lam: best ridge lambda.
        error: test error.
        lam_at_edge: whether that lambda is an end of the range that ``best_ridge`` searches.
    """

    num_kept: Any
    num_seen: Any
    fraction: Any
    lower: Any
    upper: Any
    lam: Any
    error: Any
    lam_at_edge: Any

    @property
    def num_examples(self) -> Any:
        """Examples of the pool, kept or not."""
        return self.num_kept / self.fraction


@dataclass(frozen=True)
class ComputeOptimal:
    """The best training of each budget, with pruning and without.

    Attributes:
        budget: C, kept examples times features plus what scoring costs.
        best: the best training.
        unpruned: the best training without pruning.
        at_limit: whether the best fraction is ``f_min``, so that a still larger pool would lower the error.
    """

    budget: Any
    best: Training
    unpruned: Training
    at_limit: Any

    @property
    def pays(self) -> Any:
        """Whether pruning lowers the error, by at least a thousandth of itself."""
        return self.best.fraction < 1


def compute_optimal(
    budget: ArrayLike,
    theta: float,
    *,
    decay: float,
    teacher_decay: float,
    num_features: int = 2**17,
    loss: LossName = "square",
    labels: Labels = Labels(),  # noqa: B008  (frozen)
    scoring_cost: float = 0.0,
    f_min: float = 0.05,
    most_examples: float | None = None,
    progress: bool = False,
) -> ComputeOptimal:
    """The best numbers of examples and of features for a budget, and the best window of difficulty to keep.

    All sizes, fractions and places of the window on a grid are tried, with the best ridge each, and the best of them
    refined.  Each budget is searched by itself.

    Args:
        budget: C > 0, in kept examples times features; scalar or array.
        theta: angle between the probe that ranks the pool and the teacher in radians, in [0, pi/2].
        decay: exponent of the variances of the features, as ``PowerLawFeatures``.
        teacher_decay: exponent of the teacher's parts.
        num_features: all features, the largest student.
        loss: "square" (a second or two per budget), "logistic" or "hinge" (minutes).
        labels: the labels, single numbers.
        scoring_cost: what scoring one example of the pool costs, in the same units, at least 0: the number of
            features of the probe if that is trained already, times what a pass costs beside a training step.
        f_min: smallest fraction kept, in [1e-4, 1).
        most_examples: examples that there are, the largest pool; None is no limit.
        progress: show a progress bar over the budgets on stderr.

    Returns:
        The best trainings; n is budget / (m + scoring_cost / f), not rounded, at least 1 and at most f most_examples.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range, or a budget for which no training lies in
            the domain of ``solve``.
        RuntimeError: as ``best_ridge``.
    """
    budgets = real_array("budget", budget)
    if not np.all(budgets > 0):
        raise ValueError(f"budget must be positive, got {budget!r}")
    cost = number("scoring_cost", scoring_cost)
    if cost < 0:
        raise ValueError(f"scoring_cost must be at least 0, got {scoring_cost!r}")
    low = number("f_min", f_min)
    if not FRACTION_RANGE[0] <= low < 1:
        raise ValueError(f"f_min must lie in [{FRACTION_RANGE[0]:g}, 1), got {f_min!r}")
    pool = np.inf if most_examples is None else number("most_examples", most_examples)
    if not pool >= 1:
        raise ValueError(f"most_examples must be at least 1, got {most_examples!r}")
    law = (real_number("decay", decay), real_number("teacher_decay", teacher_decay))
    PowerLawFeatures(*law, 1, integer("num_features", num_features, 1))
    check_types(KeepRandom(1.0), MaxMargin(), labels)
    real_number("labels.flip_probability", labels.flip_probability)
    check_choice("loss", loss, tuple(LOSSES))
    angle = float(checked_numbers(1.0, real_number("theta", theta))[1])
    search = _Search(angle, *law, num_features, loss, labels, cost, low, pool)
    every = [float(c) for c in budgets.reshape(-1)]
    for one in every:
        search.sizes(one)  # refuses what would stop the search after minutes
    found = [search.of(c) for c in tqdm(every, desc="budgets", unit="budget", disable=not progress, leave=False)]

    def shaped(values: Any) -> Any:
        return np.reshape(values, budgets.shape) if budgets.shape else np.reshape(values, ()).item()

    def joined(trainings: list[Training]) -> Training:
        columns = {field.name: np.array([getattr(t, field.name) for t in trainings]) for field in fields(Training)}
        columns["num_seen"] = columns["num_seen"].astype(np.int64)
        columns["lam_at_edge"] = columns["lam_at_edge"].astype(bool)
        return Training(**{name: shaped(column) for name, column in columns.items()})

    best, unpruned = (joined([pair[i] for pair in found]) for i in (0, 1))
    at_limit = np.array([pair[0].fraction <= low * (1 + 1e-9) for pair in found], bool)
    return ComputeOptimal(shaped(budgets), best, unpruned, shaped(at_limit))


@dataclass(frozen=True)
class _Search:
    theta: float
    decay: float
    teacher_decay: float
    num_features: int
    loss: LossName
    labels: Labels
    scoring_cost: float
    f_min: float
    most_examples: float

    def of(self, budget: float) -> tuple[Training, Training]:
        """The best training, and the best without pruning."""
        sizes = np.log(self.sizes(budget))
        unpruned = self._refined(budget, (sizes, np.zeros(1), np.zeros(1)))
        if not np.isfinite(unpruned.error):
            raise ValueError(f"budget = {budget:g} is out of range: no training for it is in the domain of the theory")
        fractions = np.linspace(np.log(self.f_min), 0, FRACTIONS)[:-1]
        # a pruned student is not smaller than a quarter, nor larger than 64 times the unpruned one
        near = sizes[(sizes > np.log(unpruned.num_seen / 4)) & (sizes < np.log(unpruned.num_seen * 64))]
        pruned = self._refined(budget, (near, fractions, np.linspace(0, 1, PLACES)))
        pays = pruned.error < unpruned.error * (1 - SMALLEST_GAIN)
        return (pruned if pays else unpruned), unpruned

    def sizes(self, budget: float) -> Floats:
        """Numbers of features for which an unpruned training is in the domain; a ``ValueError`` if there is none."""
        few, many = ALPHA_PRUNE_RANGE
        # min(budget / m, most_examples) examples, at least one, from few to many of them per feature
        low = max(min(np.sqrt(budget / many), self.most_examples / many) * 1.01, 1.0)
        high = min(min(np.sqrt(budget / few), self.most_examples / few) * 0.99, budget, self.num_features)
        if low > high:
            raise ValueError(
                f"budget = {budget:g} is out of range: with 1 to {self.num_features} features it gives no number of "
                f"examples, at least one, that is {few:g} to {many:g} times as large"
            )
        return np.unique(np.round(np.geomspace(low, high, 2 + int(PER_OCTAVE * np.log2(high / low)))))

    def _refined(self, budget: float, axes: tuple[Floats, Floats, Floats]) -> Training:
        """The best over a grid of log m, log f and the place of the window, refined."""
        steps = [float(axis[1] - axis[0]) if axis.size > 1 else 0.0 for axis in axes]
        steps[0] = np.log(2) / PER_OCTAVE if axes[0].size > 1 else 0.0
        best: Training | None = None
        for _ in range(1 + PASSES):
            found = self._best(budget, *(axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")))
            best = found if best is None or found.error < best.error else best
            steps = [SHRINK * step for step in steps]
            at = (np.log(best.num_seen), np.log(best.fraction), best.lower / max(1 - best.fraction, 1e-12))
            around = [
                x + step * np.arange(-LOCAL, LOCAL + 1) if step else np.array([x])
                for x, step in zip(at, steps, strict=True)
            ]
            limits = ((0.0, np.log(self.num_features)), (np.log(self.f_min), 0.0), (0.0, 1.0))
            clipped = [np.unique(np.clip(axis, *limit)) for axis, limit in zip(around, limits, strict=True)]
            axes = (clipped[0], clipped[1], clipped[2])
        assert best is not None
        return best

    def _best(self, budget: float, log_size: Floats, log_fraction: Floats, place: Floats) -> Training:
        """The best of these trainings; of infinite error where none is in the domain."""
        m, f = np.maximum(np.round(np.exp(log_size)), 1.0), np.exp(log_fraction)
        n = budget / (m + np.where(f < 1, self.scoring_cost / f, 0.0))
        n = np.minimum(n, self.most_examples * f)  # what is left of the budget cannot be spent on examples
        lower = place * (1 - f)
        low, high = ALPHA_PRUNE_RANGE
        inside = (n / m >= low) & (n / m <= high) & (n >= 1)
        error, lam, at_edge = np.full(m.size, np.inf), np.full(m.size, np.nan), np.zeros(m.size, bool)
        if inside.any():
            keep = KeepWindow(lower[inside], np.minimum(lower + f, 1.0)[inside])
            features = PowerLawFeatures(self.decay, self.teacher_decay, m[inside].astype(int), self.num_features)
            alpha_tot = n[inside] / m[inside] / keep.fraction
            ridge = best_ridge(alpha_tot, keep, self.theta, loss=self.loss, labels=self.labels, features=features)
            error[inside], lam[inside], at_edge[inside] = ridge.error, ridge.lam, ridge.at_edge
        i = int(np.argmin(error))
        values = (n[i], m[i], f[i], lower[i], min(lower[i] + f[i], 1.0), lam[i], error[i], at_edge[i])
        return Training(*(float(value) for value in values))
