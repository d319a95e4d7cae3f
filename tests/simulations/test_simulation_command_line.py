"""The command line ``python -m simulations``."""

import sys

import numpy as np
import pytest

from perceptron_theory import KeepEasy, KeepHard, KeepRandom, Labels, Results, SquareLoss, solve
from simulations import PerceptronRule, Point, TrainedProbe, select_queries, simulate, validate
from simulations.__main__ import main, validation_table

SMALL = [
    "--alpha-tot",
    "5",
    "--f",
    "0.4",
    "--student",
    "square",
    "--lam",
    "0.1",
    "--num-features",
    "20",
    "--num-trials",
    "10",
    "--seed",
    "3",
]


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the command line in this process: exit code, stdout, stderr."""

    def run(arguments):
        monkeypatch.setattr(sys, "argv", ["simulations", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        return (code, *capsys.readouterr())

    return run


def test_run_prints_what_simulate_returns(call):
    code, out, err = call(["run", *SMALL, "--theta-deg", "20", "--flip-probability", "0.1", "--quiet"])
    assert (code, err) == (0, "")
    labels = Labels(0.1)
    found = simulate(5.0, KeepHard(0.4), np.deg2rad(20), 20, 10, 3, student=SquareLoss(0.1), labels=labels)
    assert out.startswith(f"test error {found.mean:.6f} +- {found.standard_error:.6f} over 10 trials, N = 20\n")
    assert "40 of 100 examples kept; worst certificate: gap " in out


def test_run_with_a_trained_probe_and_another_rule(call, tmp_path):
    path = tmp_path / "new" / "trials.nc"
    probe = [
        "--rule",
        "random",
        "--probe-alpha",
        "2",
        "--probe-student",
        "perceptron",
        "--probe-epochs",
        "3",
        "--quiet",
        "--save",
    ]
    code, out, err = call(["run", *SMALL, *probe, path])
    assert (code, err) == (0, "")
    probe = TrainedProbe(2.0, PerceptronRule(3))
    found = simulate(5.0, KeepRandom(0.4), probe, 20, 10, 3, student=SquareLoss(0.1))
    degrees = np.rad2deg(found.probe_angles)
    assert f"probe {degrees.mean():.3f} degrees from the teacher, standard deviation {degrees.std(ddof=1):.3f}" in out
    assert out.endswith(f"saved in {path}\n")
    saved = Results.load(path)
    np.testing.assert_array_equal(saved["errors"], found.errors)
    np.testing.assert_array_equal(saved["probe_angles"], found.probe_angles)


def test_run_to_a_precision_and_on(call, tmp_path):
    arguments = ["run", *SMALL, "--quiet", "--out", tmp_path, "--num-trials"]
    code, out, err = call([*arguments, "auto", "--target", "0.005"])
    assert (code, err) == (0, "")
    number = int(out.split(" over ")[1].split()[0])
    error = float(out.split("+- ")[1].split()[0])
    assert number % 10 == 0
    assert 30 <= number < 1000
    assert error <= 0.005
    (folder,) = tmp_path.iterdir()
    before = {path.name for path in folder.iterdir()}
    assert call([*arguments, "20"])[0] == 0  # they are there
    assert {path.name for path in folder.iterdir()} == before


def test_run_with_a_truth_that_is_not_the_teacher(call):
    angles = ["--theta-deg", "20", "--truth-angle-deg", "25", "--probe-truth-angle-deg", "30", "--quiet"]
    code, out, _ = call(["run", *SMALL, *angles])
    labels = Labels(0.0, np.deg2rad(25), np.deg2rad(30))
    found = simulate(5.0, KeepHard(0.4), np.deg2rad(20), 20, 10, 3, student=SquareLoss(0.1), labels=labels)
    assert code == 0
    assert f"{found.mean:.6f}" in out


VALIDATE = [
    "validate",
    "--alpha-prune",
    "1",
    "2",
    "--rule",
    "hard",
    "easy",
    "--f",
    "0.4",
    "1",
    "--theta-deg",
    "20",
    "--student",
    "square",
    "--lam",
    "0.1",
]


def test_validate_and_show(call, tmp_path):
    sizes = ["--flip-probability", "0.1", "--num-features", "10", "20", "40", "--num-trials", "10", "--quiet", "--out"]
    code, out, err = call([*VALIDATE, *sizes, tmp_path])
    assert (code, err) == (0, "")
    points = [
        Point(a / f, rule(f), np.deg2rad(20), (10, 20, 40), 10, SquareLoss(0.1), Labels(0.1))
        for f, rule, a in ((0.4, KeepHard, 1), (0.4, KeepHard, 2), (0.4, KeepEasy, 1), (0.4, KeepEasy, 2))
    ]
    points += [replace_all(points[0], a) for a in (1, 2)]
    found = validate(points)
    lines = out.splitlines()
    assert lines[0].split() == [
        *("rule", "f", "theta/deg", "alpha_prune", "N", "theory", "simulation", "+-", "z"),
        *("N", "=", "inf", "+-", "z", "gap"),
    ]
    assert len({len(line) for line in lines[:7]}) == 1  # aligned
    for line, z, extrapolated in zip(lines[1:7], found.z, found.z_extrapolated, strict=True):
        words = line.split()
        assert (float(words[8]), float(words[11])) == pytest.approx((z, extrapolated), abs=0.006)
    assert lines[7] == found.summary()
    assert lines[8] == f"saved in {tmp_path / 'validation.nc'}"
    assert call(["show", tmp_path / "validation.nc"]) == (0, "\n".join(lines[:7]) + "\n", "")
    assert len(list((tmp_path / "points").iterdir())) == 6 * 3


def replace_all(point, alpha):
    return Point(float(alpha), KeepHard(1.0), point.theta, point.num_features, 10, point.student, point.labels)


def test_validate_one_size(call, tmp_path):
    sizes = ["--num-features", "20", "--num-trials", "auto", "--target", "0.02", "--quiet", "--out"]
    code, out, err = call([*VALIDATE, *sizes, tmp_path])
    assert (code, err) == (0, "")
    assert "inf" not in out
    assert "6 points, " in out
    table = Results.load(tmp_path / "validation.nc")
    assert np.all(table["standard_error"] <= 0.02)
    # files of versions that did not extrapolate have no such columns
    for name in ("extrapolated", "extrapolated_error", "z_extrapolated"):
        del table.variables[name]
    assert validation_table(table) == "\n".join(out.splitlines()[:7])


BAD = {
    "run --alpha-tot -5": "alpha_tot must be positive",
    "run --alpha-tot 5 --num-trials many": "--num-trials",
    "run --alpha-tot 5 --num-trials auto": "needs a target",
    "run --alpha-tot 5 --num-trials 10 --target 0.1": "belongs to num_trials",
    "run --alpha-tot 5 --rule window --f 0.5": "leave out --f",
    "run --alpha-tot 5 --lower 0.5": "belong to --rule window",
    "run --alpha-tot 5 --lam 0.5": "--lam is needed by the students square, logistic and hinge, and by them only",
    "run --alpha-tot 5 --probe-alpha 2 --theta-deg 20": "leave out one",
    "run --alpha-tot 5 --probe-epochs 2": "belong to a trained probe",
    "run --alpha-tot 5 --probe-alpha 2 --probe-epochs 2": "--probe-epochs belongs to --probe-student perceptron",
    "run --alpha-tot 5 --probe-alpha 2 --probe-lam 2": "--probe-lam is needed by the students",
    "run --alpha-tot 5 --probe-alpha 2 --probe-lam 1 --probe-student perceptron": "--probe-lam belongs to",
    "run --alpha-tot 5 --probe-alpha -2": "probe's examples per parameter, must be positive",
    "run --alpha-tot 5 --truth-angle-deg 20": "needs --probe-truth-angle-deg",
    "run --alpha-tot 5 --save trials.csv": "--save must end in .nc",
    "validate --num-features 200 100": "increasing",
    "validate --flip-probability 0.7": "flip_probability",
    "show missing.nc": "missing.nc",
}


@pytest.mark.parametrize("arguments", BAD)
def test_bad_input_is_one_line(call, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call([*arguments.split()])
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("python -m simulations: ")
    assert BAD[arguments] in err
    assert list(tmp_path.iterdir()) == []


def test_interrupted(call, tmp_path, monkeypatch):
    from simulations.validation import validation

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(validation, "simulate", interrupted)
    code, out, err = call([*VALIDATE, "--num-trials", "10", "--quiet", "--out", tmp_path])
    assert (code, out) == (130, "")
    assert f"Interrupted. 0 of 120 trials finished, saved in {tmp_path / 'points'}; run the same again" in err


@pytest.mark.parametrize("command", ["run", "validate", "show"])
def test_help(call, command):
    code, out, _ = call([command, "--help"])
    assert code == 0
    assert "(required)" in out or "default" in out


def test_queries_prints_what_select_queries_returns(call, tmp_path):
    path = tmp_path / "queries.nc"
    code, out, err = call(["queries", *SMALL, "--rounds", "3", "--save", path, "--quiet"])
    assert (code, err) == (0, "")
    found = select_queries(5.0, 0.4, 3, 20, 10, 3, student=SquareLoss(0.1))
    lines = out.splitlines()
    assert lines[0].split("  ")[0] == "picked"
    assert [line.split()[0] for line in lines[1:4]] == [str(kept) for kept in found.kept]
    assert [line.split()[2] for line in lines[1:4]] == [f"{mean:.5f}" for mean in found.mean]
    theory = solve(5.0, KeepRandom(0.4), 0.0, student=SquareLoss(0.1)).error
    assert lines[3].split()[4] == f"{theory:.5f}"
    np.testing.assert_array_equal(Results.load(path)["errors"], found.errors)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rounds", "0"], "num_rounds"),
        (["--rounds", "500"], "num_rounds = 500"),
        (["--f", "2"], "fraction"),
        (["--save", "x.csv"], "--save"),
        (["--num-trials", "auto"], "target"),
    ],
)
def test_bad_queries_are_one_line(call, options, message):
    code, out, err = call(["queries", "--alpha-tot", "5", "--num-features", "20", *options])
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_features(call, tmp_path):
    student = "--student square --lam 0.3 --num-trials 4 --quiet"
    arguments = f"run --alpha-tot 4 --f 0.5 --theta-deg 20 --seen-fraction 0.5 --num-features 40 {student}"
    code, out, _ = call(arguments.split())
    assert code == 0
    assert "N = 40, 20 of them seen" in out
    assert "40 of 80 examples kept" in out
    law = "--num-seen 5 --decay 1.5 --teacher-decay 1.8 --num-all 20 --num-features 40"
    arguments = f"validate --alpha-prune 2 --rule hard --f 0.5 --theta-deg 20 {law} {student} --out"
    code, out, _ = call([*arguments.split(), str(tmp_path)])
    assert code == 0
    assert "common shift" in out
    code, _, err = call(f"run --alpha-tot 4 --theta-deg 20 {law[:-2]}20 {student}".split())
    assert code == 2
    assert "twice the power-law features' own 20" in err
