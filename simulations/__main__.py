"""Command line of the simulations: ``python -m simulations --help``."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from data_pruning import KeepRule, KeepWindow, Results, keep_rule
from data_pruning.command_line import CommandLine, table
from data_pruning.records.writable import check_file, check_folder
from perceptron_theory import Labels
from perceptron_theory.student_options import (
    FeatureChoice,
    FeatureOptions,
    StudentChoice,
    StudentName,
    StudentOptions,
    student_named,
)
from simulations.nyquist.experiment import NyquistExperiment

cli = CommandLine("python -m simulations", __doc__, sizes="--num-features, --alpha-tot or --f")

ProbeName = StudentName | Literal["perceptron"]
FRACTION = tyro.conf.arg(aliases=("--fraction",))


@dataclass(frozen=True)
class Trials:
    """The trials.

    Attributes:
        num_trials: independent trials of each size and point, at least 2; or auto, as many as --target takes.
        target: with auto, the standard error of the test error that is small enough.
        seed: seed of all random numbers.
        quiet: no progress bar.
    """

    num_trials: int | Literal["auto"] = 100
    target: float | None = None
    seed: int = 0
    quiet: bool = False


@dataclass(frozen=True)
class Files:
    """What is kept of the trials.

    Attributes:
        out: folder where every finished batch of trials is saved; those that are there are not run again.
        save: file for the trials as one result (NetCDF, suffix .nc).
    """

    out: Path | None = None
    save: Path | None = None

    def check(self) -> None:
        """Raise a ``ValueError`` if the file cannot be one."""
        if self.save is not None:
            check_file("--save", self.save, ".nc")

    def write(self, found: Any) -> None:
        """Save what was found where a file is named."""
        if self.save is not None:
            print(f"saved in {found.results().save(self.save)}")


TrialOptions = Annotated[Trials, tyro.conf.arg(name="")]
FileOptions = Annotated[Files, tyro.conf.arg(name="")]
NyquistOptions = Annotated[NyquistExperiment, tyro.conf.arg(name="")]


@cli.command
def run(
    alpha_tot: float,
    rule: str = "hard",
    f: Annotated[float, FRACTION] = 1.0,
    lower: float = 0.0,
    upper: float = 1.0,
    theta_deg: float = 0.0,
    probe_alpha: float | None = None,
    probe_student: ProbeName = "max-margin",
    probe_lam: float | None = None,
    probe_epochs: int = 1,
    student: StudentOptions = StudentChoice(),  # noqa: B008  (frozen)
    truth_angle_deg: float = 0.0,
    probe_truth_angle_deg: float | None = None,
    features: FeatureOptions = FeatureChoice(),  # noqa: B008
    num_features: int = 200,
    trials: TrialOptions = Trials(),
    files: FileOptions = Files(),
) -> None:
    """Simulate one point and print the test error (a fraction, not per cent) with its standard error.

    Example, to a standard error of 3e-4, on disk as it goes, to be run again after Ctrl-C to continue:
    python -m simulations run --alpha-tot 10 --f 0.3 --theta-deg 20 --num-trials auto --target 3e-4 --out trials

    Args:
        alpha_tot: examples per parameter before pruning.
        rule: hard, easy, random, window (of difficulty ranks, --lower to --upper), window@P, proportional@POWER (of
            1/|z|, z the margin of the probe), coverage@TRIM, mix@SHARE, policy@EDGES/PROBABILITIES; any of them with
            importance weights, RULE+weighted@GAMMA.
        f: fraction kept by all rules but window, in (0, 1].
        lower: hardest difficulty rank that window keeps, 0 = hardest.
        upper: easiest difficulty rank that window keeps, 1 = easiest.
        theta_deg: angle between probe and teacher in degrees, 0 to 90.
        probe_alpha: train the probe in every trial, on so many examples per parameter, instead of giving its angle.
        probe_student: how the probe is trained: to the optimum of a student, or by the perceptron rule.
        probe_lam: ridge lambda of a probe trained by square, logistic or hinge.
        probe_epochs: passes of the perceptron rule through the examples of the probe.
        student: the student and its labels.
        truth_angle_deg: angle in degrees between the teacher that gives the labels and the truth that tests.
        probe_truth_angle_deg: angle in degrees between probe and truth; needed if the truth is not the teacher.
        features: what it sees.
        num_features: features of the examples, N: the parameters of a student that sees them all; of power-law features
            how many share each variance times --num-all.
        trials: how many trials, and of what seed.
        files: what is kept of them.
    """
    from simulations import simulate

    files.check()
    found = simulate(
        alpha_tot,
        _rule(rule, f, lower, upper),
        _probe(theta_deg, probe_alpha, probe_student, probe_lam, probe_epochs),
        num_features,
        trials.num_trials,
        trials.seed,
        student=student.chosen(),
        labels=_labels(student.flip_probability, truth_angle_deg, probe_truth_angle_deg),
        features=features.chosen(),
        target=trials.target,
        out=files.out,
        progress=not trials.quiet,
    )
    print(
        f"test error {found.mean:.6f} +- {found.standard_error:.6f} over {found.num_trials} trials, N = {num_features}"
        + (f", {found.num_parameters} of them seen" if found.features is not None else "")
    )
    if probe_alpha is not None:
        angles = found.probe_angles * 180 / math.pi
        print(f"probe {angles.mean():.3f} degrees from the teacher, standard deviation {angles.std(ddof=1):.3f}")
    print(f"{found.num_kept:g} of {found.num_examples} examples kept; worst certificate: gap {found.gaps.max():.1e}")
    files.write(found)


def _rule(rule: str, f: float, lower: float, upper: float) -> KeepRule:
    if rule == "window":
        if f != 1:
            raise ValueError("--rule window keeps the ranks from --lower to --upper: leave out --f")
        return KeepWindow(lower, upper)
    if (lower, upper) != (0, 1):
        raise ValueError(f"--lower and --upper belong to --rule window, not to --rule {rule}")
    return keep_rule(rule, f)


def _probe(theta_deg: float, alpha: float | None, student: ProbeName, lam: float | None, epochs: int) -> Any:
    """The angle of the probe in radians, or how it is trained."""
    from simulations import PerceptronRule, TrainedProbe

    if alpha is None:
        if (student, lam, epochs) != ("max-margin", None, 1):
            raise ValueError("--probe-student, --probe-lam and --probe-epochs belong to a trained probe: --probe-alpha")
        return math.radians(theta_deg)
    if theta_deg != 0:
        raise ValueError("--theta-deg gives the angle of the probe, --probe-alpha trains it: leave out one")
    if student != "perceptron":
        if epochs != 1:
            raise ValueError(f"--probe-epochs belongs to --probe-student perceptron, not to {student}")
        return TrainedProbe(alpha, student_named(student, lam, "--probe-lam"))
    if lam is not None:
        raise ValueError("--probe-lam belongs to --probe-student square, logistic or hinge, not to perceptron")
    return TrainedProbe(alpha, PerceptronRule(epochs))


def _labels(flip_probability: float, truth_angle_deg: float, probe_truth_angle_deg: float | None) -> Labels:
    if probe_truth_angle_deg is None:
        if truth_angle_deg != 0:
            raise ValueError("--truth-angle-deg needs --probe-truth-angle-deg, the angle between probe and truth")
        return Labels(flip_probability)
    return Labels(flip_probability, math.radians(truth_angle_deg), math.radians(probe_truth_angle_deg))


@cli.command
def validate(
    alpha_prune: tuple[float, ...] = (0.5, 1, 2, 4, 8),
    rule: tuple[str, ...] = ("hard", "easy"),
    f: Annotated[tuple[float, ...], FRACTION] = (0.2, 0.5, 1.0),
    theta_deg: tuple[float, ...] = (0.0, 20.0),
    student: StudentOptions = StudentChoice(),  # noqa: B008  (frozen)
    features: FeatureOptions = FeatureChoice(),  # noqa: B008
    num_features: tuple[int, ...] = (50, 200),
    trials: TrialOptions = Trials(num_trials=60),
    out: Path = Path("results/simulations"),
) -> None:
    """Compare theory and simulation at all combinations of the settings, and extrapolated to infinite N.

    Writes each finished batch of trials to OUT/points at once, and OUT/validation.nc; run again after Ctrl-C to
    continue.  Prints test errors (fractions) and normal scores z of simulation - theory: at the largest N, where a
    deviation of about 0.5/N of the error is expected, and by a fit of 1/N extrapolated to infinite N.

    Args:
        alpha_prune: kept examples per parameter.
        rule: keep rules, as for run, without window.
        f: fractions kept, in (0, 1]; at f = 1 all rules agree and one of them is simulated.
        theta_deg: angles between probe and teacher in degrees, 0 to 90.
        student: the student and its labels.
        features: what it sees.
        num_features: features of the examples, N, as for run; several, increasing, to extrapolate.
        trials: how many trials, and of what seed.
        out: folder for the results.
    """
    from simulations.validation.point import Point
    from simulations.validation.validation import validate as compare

    if not num_features:
        raise ValueError("--num-features is empty: give at least one size")
    sizes = num_features[0] if len(num_features) == 1 else num_features
    who, labels, seen = student.chosen(), student.labels(), features.chosen()
    points = []
    for theta, fraction, name, alpha in itertools.product(theta_deg, f, rule, alpha_prune):
        if fraction == 1 and (name != rule[0] or theta != theta_deg[0]):
            continue
        keep = keep_rule(name, fraction)
        points.append(
            Point(
                alpha / fraction, keep, math.radians(theta), sizes, trials.num_trials, who, labels, trials.target, seen
            )
        )
    found = compare(points, seed=trials.seed, out=out / "points", progress=not trials.quiet)
    print(validation_table(found.results()))
    print(found.summary())
    print(f"saved in {found.results().save(out / 'validation.nc')}")


@cli.command
def queries(
    alpha_tot: float,
    f: Annotated[float, FRACTION] = 0.2,
    rounds: int = 10,
    theta_deg: float | None = None,
    student: StudentOptions = StudentChoice(),  # noqa: B008  (frozen)
    num_features: int = 200,
    trials: TrialOptions = Trials(),
    files: FileOptions = Files(),
) -> None:
    """Let students pick their examples batch by batch, those nearest to their own hyperplane.

    Prints the test error (a fraction) after every batch, beside the theory of random examples and of the same number
    of hardest examples by a perfect probe.

    Args:
        alpha_tot: examples per parameter in the pool.
        f: fraction of the pool picked in the end, in (0, 1].
        rounds: batches of equal size in which it is picked.
        theta_deg: pick the first batch by a probe at this angle to the teacher in degrees, 0 to 90, not at random.
        student: the student and its labels.
        num_features: parameters of the student, N.
        trials: how many trials, and of what seed; --target is met after every batch.
        files: what is kept of them.
    """
    from data_pruning import KeepHard, KeepRandom
    from perceptron_theory import solve
    from simulations import select_queries

    files.check()
    who, labels = student.chosen(), student.labels()
    found = select_queries(
        alpha_tot,
        f,
        rounds,
        num_features,
        trials.num_trials,
        trials.seed,
        theta=None if theta_deg is None else math.radians(theta_deg),
        student=who,
        labels=labels,
        target=trials.target,
        out=files.out,
        progress=not trials.quiet,
    )
    share = found.alpha_kept / found.alpha_tot
    theories = [
        solve(found.alpha_tot, rule(share), 0.0, student=who, labels=labels, on_failure="flag").error
        for rule in (KeepRandom, KeepHard)
    ]
    header = ["picked", "per parameter", "test error", "+-", "theory, random", "theory, perfect probe", "gap"]
    columns = (found.kept, found.alpha_kept, found.mean, found.standard_error, *theories, found.gaps.max(axis=0))
    rows = [
        [f"{kept}", f"{alpha:g}", *(f"{value:.5f}" for value in values), f"{gap:.1e}"]
        for kept, alpha, *values, gap in zip(*columns, strict=True)
    ]
    print(table(header, rows))
    files.write(found)


@cli.command
def nyquist(
    experiment: NyquistOptions = NyquistExperiment(),  # noqa: B008  (frozen)
    out: Path = Path("results/nyquist"),
    quiet: bool = False,
) -> None:
    """Measure how learners of a band-limited function err against examples per coefficient: seconds.

    Prints the relative error of each learner, median over draws, beside the exact law of the learner band (root of the
    mean of its E error^2 over the designs).  Each finished density is saved in OUT/densities at once, and the whole in
    OUT/nyquist.nc; run again after Ctrl-C to continue.

    Args:
        experiment: target, examples and learners.
        out: folder for the results.
        quiet: no progress bar.
    """
    from simulations.nyquist.experiment import measure_nyquist

    check_folder("--out", out)
    found = measure_nyquist(experiment, out=out / "densities", progress=not quiet)
    print(nyquist_table(found))
    print(f"saved in {found.save(out / 'nyquist.nc')}")


def nyquist_table(results: Results) -> str:
    """The errors as text, a line per density."""
    laws = ["law"] if "law" in results.variables else []
    header = ["n/D", "n", *laws, *results["learner"].tolist(), "condition number"]
    rows = [
        [
            f"{results['n_per_coefficient'][i]:.3f}",
            f"{n}",
            *(f"{math.sqrt((results[law][i] ** 2).mean()):.1e}" for law in laws),
            *(f"{statistics.median(errors):.1e}" for errors in results["error"][i]),
            f"{statistics.median(results['condition_number'][i]):.1e}",
        ]
        for i, n in enumerate(results["n"])
    ]
    return table(header, rows)


@cli.command
def show(path: tyro.conf.Positional[Path]) -> None:
    """Print the table of a result file.

    Args:
        path: a file that ``validate`` wrote, OUT/validation.nc.
    """
    print(validation_table(Results.load(path)))


def validation_table(results: Results) -> str:
    """The comparison as text, a line per point."""
    entries: list[tuple[str, str, Callable[[Any], str]]] = [
        ("rule", "rule", str),
        ("f", "f", "{:g}".format),
        ("theta/deg", "theta", lambda theta: f"{math.degrees(theta):g}"),
        ("alpha_prune", "alpha_prune", "{:g}".format),
        ("N", "num_features", str),
        ("theory", "theory", "{:.5f}".format),
        ("simulation", "mean", "{:.5f}".format),
        ("+-", "standard_error", "{:.5f}".format),
        ("z", "z", "{:+.2f}".format),
    ]
    if "z_extrapolated" in results.variables and not all(map(math.isnan, results["z_extrapolated"])):
        entries += [
            ("N = inf", "extrapolated", "{:.5f}".format),
            ("+-", "extrapolated_error", "{:.5f}".format),
            ("z", "z_extrapolated", "{:+.2f}".format),
        ]
    entries.append(("gap", "gap", "{:.1e}".format))
    columns = [[text(value) for value in results[name]] for _, name, text in entries]
    return table([header for header, _, _ in entries], list(zip(*columns, strict=True)))


def main() -> None:
    """Run the command line; bad input ends with one line on stderr and exit code 2."""
    cli.main()


if __name__ == "__main__":
    main()
