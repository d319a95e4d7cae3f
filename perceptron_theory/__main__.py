"""Exact test error of perceptrons trained on pruned data.

A teacher labels Gaussian examples; a probe at angle theta to the teacher ranks them by difficulty; a rule keeps a
fraction f of the alpha_tot examples per parameter; the student is trained on what is kept.
Angles are in degrees; errors are fractions, 0.5 = chance; alpha_tot and alpha_prune = f alpha_tot are examples per
parameter before and after pruning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from data_pruning import KeepRule, KeepWindow, keep_rule
from data_pruning.command_line import CommandLine, table
from data_pruning.records.writable import check_file
from perceptron_theory.answer_tables import Cell, show, write_csv
from perceptron_theory.labels import Labels
from perceptron_theory.student_options import FeatureChoice, FeatureOptions, StudentChoice, StudentOptions
from perceptron_theory.students import LossName

cli = CommandLine("python -m perceptron_theory", __doc__)

Fractions = Annotated[tuple[float, ...], tyro.conf.arg(aliases=("--fraction",))]
Table = Annotated[Path | None, tyro.conf.arg(aliases=("--save",))]


@cli.command
def solve(
    alpha_tot: tuple[float, ...],
    rule: tuple[str, ...] = ("hard",),
    f: Fractions = (),
    lower: tuple[float, ...] = (),
    upper: tuple[float, ...] = (),
    theta_deg: tuple[float, ...] = (0.0,),
    student: StudentOptions = StudentChoice(),  # noqa: B008  (frozen)
    features: FeatureOptions = FeatureChoice(),  # noqa: B008
    csv: Table = None,
) -> None:
    """Test error and overlaps of the student, for all combinations of the values given.

    Example: python -m perceptron_theory solve --alpha-tot 1 4 10 --rule hard easy --f 0.2 0.5 --theta-deg 0 20

    Args:
        alpha_tot: examples per parameter of the student before pruning; f alpha_tot in [1e-3, 1e5].
        rule: what to keep: hard, easy, random, window (of difficulty ranks, --lower to --upper), window@P,
            proportional@POWER (of 1/|z|, z the margin of the probe), coverage@TRIM, mix@SHARE,
            policy@EDGES/PROBABILITIES; any of them with importance weights, RULE+weighted@GAMMA.
        f: fractions kept by all rules but window, in [1e-4, 1].
        lower: lowest ranks of the windows, 0 = hardest.
        upper: highest ranks of the windows, 1 = easiest; as many as lower, paired with them.
        theta_deg: angles between probe and teacher in degrees, in [0, 90]; 0 = perfect probe.
        student: the student and its labels.
        features: what it sees.
        csv: write the table to this file too, with all digits.
    """
    if csv is not None:
        check_file("--csv", csv)
    _solve(alpha_tot, rule, f, lower, upper, theta_deg, student, features, csv)


def _solve(
    alpha_tot: Sequence[float],
    rules: Sequence[str],
    f: Sequence[float],
    lower: Sequence[float],
    upper: Sequence[float],
    theta_deg: Sequence[float],
    student: StudentChoice,
    features: FeatureChoice,
    path: Path | None,
) -> None:
    who, labels, seen = student.chosen(), student.labels(), features.chosen()
    has_window, has_fraction = "window" in rules, any(rule != "window" for rule in rules)
    if has_fraction != bool(f):
        raise ValueError("--f is needed by all rules but window, and by them only")
    if len(lower) != len(upper) or has_window != bool(lower):
        raise ValueError("--rule window needs --lower and --upper, as many of one as of the other; no other rule does")
    _check_given(alpha_tot=alpha_tot, rule=rules, theta_deg=theta_deg)
    # the name of the rule, the columns that say which, the rule
    kept: list[tuple[str, list[Cell], KeepRule]] = []
    for name in dict.fromkeys(rules):
        if name == "window":
            windows = ((low, high, KeepWindow(low, high)) for low, high in zip(lower, upper, strict=True))
            kept += [(name, [keep.fraction, low, high], keep) for low, high, keep in windows]
        else:
            kept += [(name, [x, "", ""] if has_window else [x], keep_rule(name, x)) for x in f]

    import numpy as np

    from perceptron_theory.solution import solve

    last = "kappa" if student.lam is None else "norm"
    rows: list[list[Cell]] = []
    for name, which, keep in kept:
        alphas, angles = np.array(alpha_tot)[:, None], np.radians(theta_deg)
        s = solve(alphas, keep, angles, student=who, labels=labels, features=seen)
        size = s.margin if student.lam is None else s.norm
        for (i, alpha), (j, angle) in product(enumerate(alpha_tot), enumerate(theta_deg)):
            values = (field[i, j] for field in (s.error, s.teacher_overlap, s.probe_overlap, size))
            rows.append([name, *which, alpha, keep.fraction * alpha, angle, *map(float, values)])
    columns = ["rule", "f", *(["lower", "upper"] if has_window else [])]
    columns += ["alpha_tot", "alpha_prune", "theta_deg", "error", "R", "rho", last]
    sees = "" if seen is None else f", {seen}"
    flips = f"{100 * student.flip_probability:g} % of the labels flipped"
    show(columns, rows, path, f"{who}{sees}, {flips}, on pruned data")


@cli.command
def frontier(
    alpha_prune: tuple[float, ...],
    theta_deg: tuple[float, ...] = (0.0,),
    rule: Literal["best", "hard", "easy"] = "best",
    f_min: float = 0.01,
    csv: Table = None,
) -> None:
    """Lowest test error at each number of kept examples, over the fraction f = alpha_prune / alpha_tot kept.

    Example: python -m perceptron_theory frontier --alpha-prune 1 2 4 8 --theta-deg 0 20

    Args:
        alpha_prune: kept examples per parameter, in [1e-3, 1e5].
        theta_deg: angles between probe and teacher in degrees, in [0, 90]; 0 = perfect probe.
        rule: what to keep: the hardest or the easiest examples, or whichever of the two is better.
        f_min: smallest fraction kept, in [1e-4, 1): the pool is at most alpha_prune / f_min.
        csv: write the table to this file too, with all digits.
    """
    if csv is not None:
        check_file("--csv", csv)
    _frontier(alpha_prune, theta_deg, rule, f_min, csv)


def _frontier(
    alpha_prune: Sequence[float],
    theta_deg: Sequence[float],
    rule: Literal["best", "hard", "easy"],
    f_min: float,
    path: Path | None,
) -> None:
    _check_given(alpha_prune=alpha_prune, theta_deg=theta_deg)
    from perceptron_theory.frontier import pareto_frontier

    rows: list[list[Cell]] = []
    for angle in theta_deg:
        best = pareto_frontier(alpha_prune, math.radians(angle), rule=rule, f_min=f_min)
        for i, alpha in enumerate(alpha_prune):
            f = float(best.fraction[i])
            rows.append([str(best.rule[i]), f, alpha / f, alpha, angle, float(best.error[i]), bool(best.at_limit[i])])
    columns = ["rule", "f", "alpha_tot", "alpha_prune", "theta_deg", "error", "at_limit"]
    show(columns, rows, path, f"Lowest test error over f in [{f_min:g}, 1]")


@cli.command
def crossover(
    f: Fractions,
    theta_deg: tuple[float, ...] = (0.0,),
    csv: Table = None,
) -> None:
    """The alpha_tot above which keeping the hardest examples beats keeping the easiest.

    Example: python -m perceptron_theory crossover --f 0.1 0.2 0.5 --theta-deg 0 10

    Args:
        f: fractions kept, in [1e-4, 1).
        theta_deg: angles between probe and teacher in degrees, in [0, 90]; 0 = perfect probe.
        csv: write the table to this file too, with all digits.
    """
    if csv is not None:
        check_file("--csv", csv)
    _crossover(f, theta_deg, csv)


def _crossover(f: Sequence[float], theta_deg: Sequence[float], path: Path | None) -> None:
    _check_given(f=f, theta_deg=theta_deg)
    import numpy as np

    from perceptron_theory.frontier import crossover

    found = crossover(np.array(f)[:, None], np.radians(theta_deg))
    rows: list[list[Cell]] = []
    for (i, x), (j, angle) in product(enumerate(f), enumerate(theta_deg)):
        alpha = float(found.alpha_tot[i, j])
        rows.append([x, angle, alpha, x * alpha, float(found.error[i, j]), bool(found.exists[i, j])])
    columns = ["f", "theta_deg", "alpha_tot", "alpha_prune", "error", "exists"]
    show(columns, rows, path, "Where keep-hard overtakes keep-easy")


@cli.command
def recommend(
    alpha_tot: float,
    keep: Annotated[float, tyro.conf.arg(aliases=("--f", "--fraction"))],
    theta_deg: float = 0.0,
    student: StudentOptions = StudentChoice(),  # noqa: B008  (frozen)
    csv: Table = None,
) -> None:
    """Which difficulty ranks to keep: the best of all keep rules, what it gives, and how certain that is.

    Example: python -m perceptron_theory recommend --alpha-tot 20 --theta-deg 15 --keep 0.2

    Args:
        alpha_tot: examples per parameter before pruning.
        keep: fraction to keep, in [1e-4, 1).
        theta_deg: angle between probe and teacher in degrees, in [0, 90]; 0 = perfect probe.
        student: the student and its labels.
        csv: write what examples of each rank are worth to this file.
    """
    if csv is not None:
        check_file("--csv", csv)
    _recommend(alpha_tot, keep, theta_deg, student, csv)


def _recommend(
    alpha_tot: float,
    keep: float,
    theta_deg: float,
    student: StudentChoice,
    path: Path | None,
) -> None:
    _check_given(theta_deg=[theta_deg])
    who, labels = student.chosen(), student.labels()
    from perceptron_theory.best_rule import optimal_policy

    best = optimal_policy(alpha_tot, keep, math.radians(theta_deg), student=who, labels=labels)
    ranks = " and ".join(f"{low:.4f} to {high:.4f}" for low, high in best.windows)
    print(f"Keep difficulty ranks {ranks} (0 = hardest, 1 = easiest).")
    rows: list[list[Cell]] = [["best", best.error, 1.0]]
    if not best.is_window:
        rows.append(["best window", best.window_error, best.window_error / best.error])
    others = (("hard", best.hard_error), ("easy", best.easy_error), ("random", best.random_error))
    rows += [[name, error, error / best.error] for name, error in others]
    print(table(["rule", "error", "over best"], [[str(r[0]), f"{r[1]:.6g}", f"{r[2]:.4g}"] for r in rows]))
    kind = "one window" if len(best.windows) == 1 else f"{len(best.windows)} windows, which beat any one window"
    print(
        f"Certificate: {kind}; to first order no other rule that keeps this fraction lowers the error by more than "
        f"{100 * max(best.gap, 1e-11):.1g} %."
    )
    if best.threshold < 0:
        print("Examples at the edge of what is kept do harm: keeping fewer gives a lower error.")
    if path is not None:
        cells: list[list[Cell]] = [
            [float(low), float(high), float(value)]
            for low, high, value in zip(best.ranks[:-1], best.ranks[1:], best.value, strict=True)
        ]
        write_csv(path, ["lower", "upper", "value"], cells, f"What examples of each rank are worth; keep {ranks}")


@cli.command
def compute_optimal(
    budget: tuple[float, ...],
    decay: float = 1.5,
    teacher_decay: float = 1.8,
    theta_deg: float = 10.0,
    num_all: int = 2**17,
    loss: LossName = "square",
    flip_probability: float = 0.0,
    scoring_cost: float = 0.0,
    f_min: float = 0.05,
    most_examples: float | None = None,
    csv: Table = None,
) -> None:
    """How many examples to keep, which, and how large a student to train on them, for a budget of compute.

    Without pruning this is the trade between data and parameters of scaling laws; with it the best window of difficulty
    ranks and the fraction kept are searched as well.  Every training has its best ridge.

    Example: python -m perceptron_theory compute-optimal --budget 1e4 1e6 1e8 --theta-deg 10 --scoring-cost 30

    Args:
        budget: kept examples times features of the student, plus what scoring costs; several for a frontier.
        decay: exponent of the variances k^-decay of the features, > 1.
        teacher_decay: exponent of the part k^-teacher_decay that the teacher takes from each feature, > 1.
        theta_deg: angle between the probe that ranks the pool and the teacher in degrees, in [0, 90].
        num_all: features altogether, at most 2^20.
        loss: loss of the student: square takes one or two seconds per budget, logistic and hinge minutes.
        flip_probability: fraction of wrong labels, in [0, 0.5).
        scoring_cost: cost of scoring one example of the pool: features of the probe, times what a pass costs beside a
            training step.
        f_min: smallest fraction kept, in [1e-4, 1).
        most_examples: size of the largest pool there is; default no limit.
        csv: write the table to this file too, with all digits.
    """
    if csv is not None:
        check_file("--csv", csv)
    _check_given(budget=budget, theta_deg=[theta_deg])
    _compute_optimal(
        budget,
        csv,
        theta=math.radians(theta_deg),
        decay=decay,
        teacher_decay=teacher_decay,
        num_features=num_all,
        loss=loss,
        labels=Labels(flip_probability),
        scoring_cost=scoring_cost,
        f_min=f_min,
        most_examples=most_examples,
    )


def _compute_optimal(budget: Sequence[float], path: Path | None, **settings: Any) -> None:
    from perceptron_theory.compute_budget import compute_optimal

    found = compute_optimal(list(budget), **settings, progress=True)
    best, plain = found.best, found.unpruned
    numbers = [found.budget, best.num_kept, best.num_seen, best.num_examples, best.fraction, best.lower, best.upper]
    numbers += [best.error, plain.num_kept, plain.num_seen, plain.error, plain.error / best.error]
    rows: list[list[Cell]] = [
        [*map(float, row), bool(at_limit)] for *row, at_limit in zip(*numbers, found.at_limit, strict=True)
    ]
    columns = ["budget", "n", "m", "pool", "f", "lower", "upper", "error", "n_all", "m_all", "error_all", "gain"]
    show([*columns, "at_limit"], rows, path, "Compute-optimal pruning")
    which = [f"{one:g}" for one, pays in zip(budget, found.pays, strict=True) if not pays]
    if which:
        print(f"Pruning does not pay (less than 0.1 %) at a budget of {', '.join(which)}: train on random examples.")


@cli.command
def sources(
    num_examples: tuple[float, ...],
    num_seen: tuple[int, ...],
    decay: float = 1.5,
    teacher_decay: float = 1.8,
    num_all: int = 2**17,
    loss: LossName = "square",
    flip_probability: float = 0.0,
    csv: Table = None,
) -> None:
    """Where the error comes from: features not seen, too few examples, wrong labels, and what the loss does not learn.

    For students of power-law features with their best ridge, on random examples.

    Example: python -m perceptron_theory sources --num-examples 512 8192 --num-seen 128 1032

    Args:
        num_examples: numbers of examples.
        num_seen: numbers of features that the student sees.
        decay: exponent of the variances k^-decay of the features, > 1.
        teacher_decay: exponent of the part k^-teacher_decay that the teacher takes from each feature, > 1.
        num_all: features altogether, at most 2^20.
        loss: loss of the student.
        flip_probability: fraction of wrong labels, in [0, 0.5).
        csv: write the table to this file too, with all digits.
    """
    if csv is not None:
        check_file("--csv", csv)
    _check_given(num_examples=num_examples, num_seen=num_seen, theta_deg=[0.0])
    for name, values in (("--num-examples", num_examples), ("--num-seen", num_seen)):
        wrong = [value for value in values if not 0 < value < math.inf]
        if wrong:
            raise ValueError(f"{name} must be positive and finite, got {wrong[0]:g}")
    _sources(num_examples, num_seen, (decay, teacher_decay), num_all, loss, Labels(flip_probability), csv)


def _sources(
    num_examples: Sequence[float],
    num_seen: Sequence[int],
    decays: tuple[float, float],
    num_all: int,
    loss: LossName,
    labels: Labels,
    path: Path | None,
) -> None:
    import numpy as np

    from data_pruning import KeepRandom
    from perceptron_theory.features import PowerLawFeatures
    from perceptron_theory.ridge import best_ridge
    from perceptron_theory.sources import error_sources
    from perceptron_theory.students import LOSSES

    features = PowerLawFeatures(*decays, np.array(num_seen), num_all)
    alpha = np.array(num_examples)[:, None] / np.array(num_seen)
    best = best_ridge(alpha, KeepRandom(1.0), 0.0, loss=loss, labels=labels, features=features)
    found = error_sources(alpha, student=LOSSES[loss](best.lam), labels=labels, features=features)
    parts = (found.realizability, found.uncertainty, found.noise, found.learning_deficiency, found.error, best.lam)
    rows: list[list[Cell]] = []
    for (i, n), (j, m) in product(enumerate(num_examples), enumerate(num_seen)):
        rows.append([n, float(m), *(float(part[i, j]) for part in parts)])
    columns = ["n", "m", "realizability", "uncertainty", "noise", "deficiency", "error", "lam"]
    show(columns, rows, path, f"Sources of the test error, {loss} loss with its best ridge")


def _check_given(*, theta_deg: Sequence[float], **lists: Sequence[float] | Sequence[int] | Sequence[str]) -> None:
    for name, values in {**lists, "theta_deg": theta_deg}.items():
        if not values:
            raise ValueError(f"--{name.replace('_', '-')} needs at least one value")
    for angle in theta_deg:
        if not 0 <= angle <= 90:
            raise ValueError(f"theta_deg is in degrees and must lie in [0, 90], got {angle:g}")


def main() -> None:
    """Run the command line; bad input ends with one line on stderr and exit code 2."""
    cli.main()


if __name__ == "__main__":
    main()
