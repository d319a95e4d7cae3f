"""Finite perceptrons trained on pruned data: ``simulate``."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jax.sharding import Mesh

from data_pruning import KeepByLabel, KeepRule, Results
from data_pruning.arguments import integer, number
from perceptron_theory import Labels, MaxMargin, Student
from perceptron_theory.features import Features
from simulations.probe import TrainedProbe
from simulations.pruned_students import PrunedStudents
from simulations.seen_features import rounded
from simulations.trials.run import Precision, run_trials

__all__ = ["Simulation", "number_of_trials", "simulate"]


@dataclass(frozen=True, eq=False)
class Simulation:
    """Test errors of independent trials, each with its certificate of optimality.

    Attributes:
        trials: the settings.
        errors: test error of each trial, the angle between student and truth over pi, exact (no test set), shape
            (num_trials,).
        gaps: certificate of each trial, shape (num_trials,): the angle of the student is right to arccos(1 - gap).
            For max-margin students it is the relative width of the bracket around the largest margin.
        margins: margin kappa of each trial, min y w.x / |w| over the kept examples for x ~ N(0, I_N), shape
            (num_trials,); negative where an example is misclassified.
        kept: examples of each trial after pruning, shape (num_trials,); all equal unless the rule looks at labels.
        probe_angles: angle between probe and teacher of each trial in radians, shape (num_trials,), in [0, pi]: as
            measured for a trained probe, else all theta.
        probe_gaps: certificate of each trained probe; None if the angle is given.
    """

    trials: PrunedStudents
    errors: np.ndarray
    gaps: np.ndarray
    margins: np.ndarray
    kept: np.ndarray
    probe_angles: np.ndarray
    probe_gaps: np.ndarray | None = None

    @property
    def mean(self) -> float:
        """Mean of ``errors``."""
        return float(self.errors.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of ``mean``."""
        return float(self.errors.std(ddof=1) / math.sqrt(self.errors.size))

    @property
    def num_trials(self) -> int:
        """Number of trials."""
        return self.errors.size

    @property
    def num_features(self) -> int:
        """Features of the examples, N: the parameters of the student where it sees them all."""
        return self.trials.num_features

    @property
    def num_parameters(self) -> int:
        """Parameters of the student: the features that it sees."""
        return self.trials.num_parameters

    @property
    def num_examples(self) -> int:
        """Examples per trial before pruning."""
        return self.trials.num_examples

    @property
    def seed(self) -> int:
        """Seed of the trials."""
        return self.trials.seed

    @property
    def num_kept(self) -> float:
        """Examples per trial after pruning, mean over trials; whole unless the rule looks at labels."""
        return float(self.kept.mean())

    @property
    def alpha_tot(self) -> float:
        """Examples per parameter before pruning, with numbers of examples as they were rounded."""
        return self.num_examples / self.num_parameters

    @property
    def features(self) -> Features | None:
        """What the student sees of the features, with numbers as they were rounded; None is all of them."""
        return rounded(self.trials.features, self.num_features)

    @property
    def fraction(self) -> float:
        """Fraction kept, with numbers of examples as they were rounded."""
        return self.num_kept / self.num_examples

    def results(self) -> Results:
        """The trials as results that can be saved, and read by xarray and others."""
        results = Results(self.trials.title, self.trials.settings())
        for name, column in self.trials.columns.items():
            results.add(name, ("trial", *column.dims), getattr(self, name), column.units, column.description)
        results.add("mean", (), self.mean, "1", "mean of errors")
        results.add("standard_error", (), self.standard_error, "1", "standard error of mean")
        results.add("num_examples", (), self.num_examples, "1", "examples per trial before pruning")
        return results

    def to_xarray(self) -> Any:
        """The same as an ``xarray.Dataset`` with the dimension ``trial``, units and descriptions."""
        return self.results().to_xarray()


def simulate(
    alpha_tot: float,
    keep: KeepRule | KeepByLabel,
    theta: float | TrainedProbe,
    num_features: int = 200,
    num_trials: int | Literal["auto"] = 100,
    seed: int = 0,
    *,
    student: Student = MaxMargin(),  # noqa: B008 (frozen)
    labels: Labels = Labels(),  # noqa: B008 (frozen)
    features: Features | None = None,
    target: float | None = None,
    out: str | os.PathLike[str] | None = None,
    mesh: Mesh | None = None,
    progress: bool = False,
    bar: Any = None,
) -> Simulation:
    """Train students on pruned data sets and measure their test error.

    Each trial draws round(alpha_tot N) examples, ranks them by the probe, keeps what the rule says by rank, and trains
    the student on the rest, with a certificate.  Trials are independent, and trial i of a seed is the same whatever
    the number of trials, and on a CPU, bit for bit, of devices.

    Args:
        alpha_tot: examples per parameter of the student before pruning, > 0.
        keep: one keep rule, or one for the examples whose label the probe predicts and one for the others.
        theta: angle between probe and teacher in radians, in [0, pi/2]; or a ``TrainedProbe``, which every trial
            trains and measures anew.
        num_features: N, at least 2; with power-law features a multiple of their ``num_features``, at least twice that
            unless theta is 0.
        num_trials: number of trials, at least 2 (for a standard error); or "auto", as many as ``target`` takes: the
            first multiple of 10, at least 30.
        seed: non-negative integer.
        student: what is minimised; its lambda is one number, positive for the logistic and the hinge loss.
        labels: flips of labels, and the truth that counts; all fields single numbers.
        features: what the student sees of the features, single numbers; None is all of them, of equal variance.
        target: with "auto", the standard error of the mean test error that is small enough, > 0.
        out: folder in which every finished batch is saved at once, in a sub-folder named after these settings; what is
            there is not computed again, more trials are added to it, and several processes may share the work.
        mesh: JAX mesh whose devices share the trials, those of other hosts included; default all devices.
        progress: show a progress bar with the time left on stderr.
        bar: a ``tqdm`` bar to advance instead.

    Returns:
        The simulation.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range, a rule that keeps no example, or a saved
            file that is damaged.
        MemoryError: not even one trial at a time fits in memory; before any is run.
        RuntimeError: a trial whose gap stayed above 1e-10, or, for max-margin students, whose data are proven to have
            no separator; no trial is ever left out.
        KeyboardInterrupt: interrupted; the message says what is saved.
        OSError: the disk is full, among others.

    Source: the model of Sorscher et al. 2022, section 2; students, flips and imperfect teachers as in Dohmatob,
        Pezeshki, Askari-Hemmat 2025.

    Example:
        >>> from perceptron_theory import KeepHard
        >>> from simulations import simulate
        >>> found = simulate(4, KeepHard(0.5), 0.0, num_features=20, num_trials=8)
        >>> print(f"{found.mean:.2f} +- {found.standard_error:.2f}")
        0.12 +- 0.02
        >>> bool(found.gaps.max() < 1e-10)  # each student is certified
        True
    """
    wanted = number_of_trials(num_trials, target)
    trials = PrunedStudents(alpha_tot, keep, theta, num_features, student, labels, seed, features)
    columns = run_trials(trials, wanted, out=out, stem="students", mesh=mesh, progress=progress, bar=bar)
    if not isinstance(trials.theta, TrainedProbe):
        columns["probe_angles"] = np.full(columns["errors"].size, trials.theta)
    return Simulation(trials, **columns)


def number_of_trials(num_trials: int | Literal["auto"], target: float | None) -> int | Precision:
    """How many trials, or how precise.

    Args:
        num_trials: at least 2, or "auto".
        target: standard error, > 0, with "auto" alone.

    Raises:
        TypeError, ValueError: one of the wrong type, out of range, or without the other.
    """
    if num_trials == "auto":
        if target is None:
            raise ValueError('num_trials "auto" needs a target, the standard error that is small enough')
        if number("target", target) <= 0:
            raise ValueError(f"target, a standard error, must be positive, got {target!r}")
        return Precision(float(target))
    if target is not None:
        raise ValueError(f'target = {target!r} belongs to num_trials "auto", got num_trials = {num_trials!r}')
    return integer("num_trials", num_trials, 2)
