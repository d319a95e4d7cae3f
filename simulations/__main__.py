"""Command line of the simulations: ``python -m simulations --help``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import tyro

from perceptron_theory import (
    HingeLoss,
    KeepRule,
    KeepWindow,
    Labels,
    LogisticLoss,
    MaxMargin,
    Results,
    SquareLoss,
    Student,
    command_line,
)
from perceptron_theory.command_line import RULES, RuleName

app = tyro.extras.SubcommandApp()

StudentName = Literal["max-margin", "square", "logistic", "hinge"]
LOSSES: dict[str, Callable[[float], Student]] = {"square": SquareLoss, "logistic": LogisticLoss, "hinge": HingeLoss}


@app.command
def run(
    alpha_tot: float,
    rule: Literal["hard", "easy", "random", "window"] = "hard",
    f: float = 1.0,
    lower: float = 0.0,
    upper: float = 1.0,
    theta_deg: float = 0.0,
    student: StudentName = "max-margin",
    lam: float = 0.0,
    flip_probability: float = 0.0,
    num_features: int = 200,
    num_trials: int = 100,
    seed: int = 0,
    quiet: bool = False,
) -> Callable[[], None]:
    """Simulate one point and print the test error (a fraction, not per cent) with its standard error.

    Args:
        alpha_tot: examples per parameter before pruning.
        rule: keep rule.
        f: fraction kept by hard, easy or random, in (0, 1].
        lower: hardest difficulty rank that window keeps, 0 = hardest.
        upper: easiest difficulty rank that window keeps, 1 = easiest.
        theta_deg: angle between probe and teacher in degrees, 0 to 90.
        student: largest margin, or the loss that is minimised.
        lam: ridge lambda of square (at least 0), logistic and hinge (positive).
        flip_probability: share of wrong labels, in [0, 0.5).
        num_features: parameters of the student, N.
        num_trials: independent trials, at least 2.
        seed: seed of all random numbers.
        quiet: no progress bar.
    """

    def work() -> None:
        from simulations import simulate

        found = simulate(
            alpha_tot,
            _rule(rule, f, lower, upper),
            math.radians(theta_deg),
            num_features,
            num_trials,
            seed,
            student=_student(student, lam),
            labels=Labels(flip_probability),
            progress=not quiet,
        )
        print(f"test error {found.mean:.6f} +- {found.standard_error:.6f} over {num_trials} trials, N = {num_features}")
        print(
            f"{found.num_kept:g} of {found.num_examples} examples kept; worst certificate: gap {found.gaps.max():.1e}"
        )

    return work


def _rule(rule: str, f: float, lower: float, upper: float) -> KeepRule:
    if rule == "window":
        if f != 1:
            raise ValueError("--rule window keeps the ranks from --lower to --upper: leave out --f")
        return KeepWindow(lower, upper)
    if (lower, upper) != (0, 1):
        raise ValueError(f"--lower and --upper belong to --rule window, not to --rule {rule}")
    return RULES[rule](f)


def _student(student: str, lam: float) -> Student:
    if student == "max-margin":
        if lam != 0:
            raise ValueError("--lam belongs to --student square, logistic or hinge, not to max-margin")
        return MaxMargin()
    return LOSSES[student](lam)


@app.command
def validate(
    alpha_prune: tuple[float, ...] = (0.5, 1, 2, 4, 8),
    rule: tuple[RuleName, ...] = ("hard", "easy"),
    f: tuple[float, ...] = (0.2, 0.5, 1.0),
    theta_deg: tuple[float, ...] = (0.0, 20.0),
    num_features: int = 200,
    num_trials: int = 60,
    seed: int = 0,
    out: Path = Path("results/simulations"),
    quiet: bool = False,
) -> Callable[[], None]:
    """Compare theory and simulation at all combinations of the settings.

    Writes each finished point to OUT/points at once, and OUT/validation.nc; run again after Ctrl-C to continue.
    Prints test errors (fractions) and z = (simulation - theory) / standard error.

    Args:
        alpha_prune: kept examples per parameter.
        rule: keep rules.
        f: fractions kept, in (0, 1]; at f = 1 all rules agree and one of them is simulated.
        theta_deg: angles between probe and teacher in degrees, 0 to 90.
        num_features: parameters of the student, N.
        num_trials: independent trials per point, at least 2.
        seed: seed of all random numbers.
        out: folder for the results.
        quiet: no progress bar.
    """

    def work() -> None:
        from simulations.validation import Point
        from simulations.validation import validate as compare

        points = []
        for theta, fraction, name, alpha in itertools.product(theta_deg, f, rule, alpha_prune):
            if fraction == 1 and (name != rule[0] or theta != theta_deg[0]):
                continue
            keep = RULES[name](fraction)
            points.append(Point(alpha / fraction, keep, math.radians(theta), num_features, num_trials))
        found = compare(points, seed=seed, out=out / "points", progress=not quiet)
        print(validation_table(found.results()))
        print(found.summary())
        print(f"saved in {found.results().save(out / 'validation.nc')}")

    return work


@app.command
def show(path: tyro.conf.Positional[Path]) -> Callable[[], None]:
    """Print the table of a result file.

    Args:
        path: a file that ``validate`` wrote, OUT/validation.nc.
    """
    return lambda: print(validation_table(Results.load(path)))


def validation_table(results: Results) -> str:
    """The comparison as text, a line per point."""
    header = ["rule", "f", "theta/deg", "alpha_prune", "theory", "simulation", "+-", "z", "gap"]
    rows = [
        [
            str(rule),
            f"{fraction:g}",
            f"{math.degrees(theta):g}",
            f"{alpha:g}",
            f"{theory:.5f}",
            f"{mean:.5f}",
            f"{error:.5f}",
            f"{z:+.2f}",
            f"{gap:.1e}",
        ]
        for rule, fraction, theta, alpha, theory, mean, error, z, gap in zip(
            *(
                results[name]
                for name in ("rule", "f", "theta", "alpha_prune", "theory", "mean", "standard_error", "z", "gap")
            ),
            strict=True,
        )
    ]
    return command_line.table(header, rows)


def main() -> None:
    """Run the command line; bad input ends with one line on stderr and exit code 2."""
    command_line.main(app, "python -m simulations", __doc__)


if __name__ == "__main__":
    main()
