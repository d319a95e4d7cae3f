"""The command line ``python -m perceptron_theory``."""

import csv
import subprocess
import sys

import numpy as np
import pytest

from perceptron_theory import KeepEasy, KeepHard, KeepWindow, crossover, pareto_frontier, solve
from perceptron_theory.__main__ import main


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the command line in this process: exit code, stdout, stderr."""

    def run(arguments):
        monkeypatch.setattr(sys, "argv", ["perceptron_theory", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        return (code, *capsys.readouterr())

    return run


def table_of(text):
    """Rows of a printed table as dictionaries."""
    lines = [line.split() for line in text.splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:] if line[0] != "saved"]


def csv_of(path):
    """Comments and rows of a CSV file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    return comments, list(csv.DictReader(lines[len(comments) :]))


def test_solve_all_combinations(call, tmp_path):
    path = tmp_path / "new" / "table.csv"
    arguments = "solve --alpha-tot 1 10 --rule hard easy --f 0.2 0.5 --theta-deg 0 20 --csv"
    code, out, err = call([*arguments.split(), path])
    assert (code, err) == (0, "")
    assert out.endswith(f"saved in {path}\n")
    printed, (comments, rows) = table_of(out), csv_of(path)
    assert len(printed) == len(rows) == 2 * 2 * 2 * 2
    assert [comment[2:].split(":")[0] for comment in comments[1:]] == list(rows[0])
    assert any("theta_deg" in comment and "degrees" in comment for comment in comments)
    widths = {len(line) for line in out.splitlines()[:-1]}
    assert len(widths) == 1  # aligned
    for row, shown in zip(rows, printed, strict=True):
        rule = {"hard": KeepHard, "easy": KeepEasy}[row["rule"]]
        expected = solve(float(row["alpha_tot"]), rule(float(row["f"])), np.radians(float(row["theta_deg"])))
        assert float(row["error"]) == pytest.approx(expected.error, rel=1e-13)
        assert float(row["R"]) == pytest.approx(expected.teacher_overlap, rel=1e-13)
        assert float(row["rho"]) == pytest.approx(expected.probe_overlap, rel=1e-13)
        assert float(row["kappa"]) == pytest.approx(expected.margin, rel=1e-13)
        assert float(row["alpha_prune"]) == pytest.approx(float(row["alpha_tot"]) * float(row["f"]))
        assert float(shown["error"]) == pytest.approx(expected.error, rel=1e-7)
        assert shown["rule"] == row["rule"]


def test_windows_are_pairs_of_ranks(call, tmp_path):
    path = tmp_path / "w.csv"
    arguments = "solve --alpha-tot 20 --rule window hard --f 0.1 --lower 0.3 0.486 --upper 0.5 0.586 --csv"
    code, _, err = call([*arguments.split(), path])
    assert (code, err) == (0, "")
    _, rows = csv_of(path)
    assert [(row["rule"], row["lower"], row["upper"]) for row in rows] == [
        ("window", "0.3", "0.5"),
        ("window", "0.486", "0.586"),
        ("hard", "", ""),
    ]
    assert float(rows[1]["error"]) == pytest.approx(solve(20, KeepWindow(0.486, 0.586), 0.0).error, rel=1e-13)


def test_frontier_and_crossover(call, tmp_path):
    path = tmp_path / "f.csv"
    code, out, _ = call(["frontier", "--alpha-prune", 2.5, 4, "--theta-deg", 0, 20, "--f-min", 0.05, "--csv", path])
    assert code == 0
    _, rows = csv_of(path)
    assert [row["at_limit"] for row in table_of(out)] == ["yes", "yes", "yes", "no"]
    for row in rows:
        expected = pareto_frontier(float(row["alpha_prune"]), np.radians(float(row["theta_deg"])), f_min=0.05)
        assert float(row["error"]) == pytest.approx(expected.error, rel=1e-12)
        assert row["rule"] == expected.rule
        assert int(row["at_limit"]) == expected.at_limit
        assert float(row["alpha_tot"]) * float(row["f"]) == pytest.approx(float(row["alpha_prune"]))

    code, out, _ = call(["crossover", "--f", 0.5, "--theta-deg", 0, 90])
    assert code == 0
    there, nowhere = table_of(out)
    assert float(there["alpha_tot"]) == pytest.approx(crossover(0.5, 0.0).alpha_tot, rel=1e-7)
    assert (there["exists"], nowhere["exists"], nowhere["alpha_tot"]) == ("yes", "no", "nan")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("solve --alpha-tot 4 --f 0.2 --theta-deg 120", "theta_deg is in degrees and must lie in [0, 90], got 120"),
        ("solve --alpha-tot 4 --f 1.2", "f, the fraction kept, must lie in (0, 1], got 1.2"),
        ("solve --alpha-tot 4 --f nan", "f must be finite, got nan"),
        ("solve --alpha-tot 1e9 --f 0.2", "alpha_prune = f alpha_tot must lie in [0.001, 100000], got 2e+08"),
        ("solve --alpha-tot x --f 0.2", "Error parsing --alpha-tot"),
        ("solve --f 0.2", "--alpha-tot"),
        ("solve --alpha-tot --f 0.2", "--alpha-tot needs at least one value"),
        ("solve --alpha-tot 4", "--f is needed by all rules but window"),
        ("solve --alpha-tot 4 --rule window --lower 0.5 --upper 0.2", "0 <= lower < upper <= 1, got lower = 0.5"),
        ("solve --alpha-tot 4 --rule window --lower 0.5", "--rule window needs --lower and --upper"),
        ("solve --alpha-tot 4 --f 0.2 --rule middle", "a keep rule is hard, easy, random"),
        ("frontier --alpha-prune 2 --f-min 2", "f_min must lie in [0.0001, 1), got 2.0"),
        ("crossover --f 1", "f must lie below 1"),
        ("crossover --f 0.2 --theta-deg nan", "theta_deg is in degrees and must lie in [0, 90], got nan"),
        ("solv", "solv"),
    ],
)
def test_bad_input_is_one_line(call, arguments, message):
    code, out, err = call(arguments.split())
    assert code == 2
    assert message in err
    assert err.startswith("python -m perceptron_theory: ")
    assert err.count("\n") == 1
    assert out == ""


def test_a_table_that_cannot_be_written(call, tmp_path):
    code, _, err = call(["solve", "--alpha-tot", 4, "--f", 0.2, "--csv", tmp_path])
    assert code == 2
    assert f"--csv must be a file, but {tmp_path} is a folder" in err
    assert err.count("\n") == 1


def test_help_explains_units_without_jax():
    program = (
        "import sys, contextlib, perceptron_theory.__main__ as command\n"
        "sys.argv = ['perceptron_theory', 'solve', '--help']\n"
        "with contextlib.suppress(SystemExit): command.main()\n"
        "print('loaded', sorted({'jax', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("loaded []\n")
    text = " ".join(line.strip("│ ") for line in done.stdout.splitlines())
    for words in (
        "angles between probe and teacher in degrees",
        "examples per parameter of the student before pruning",
        "0 = hardest",
    ):
        assert words in text
    bad = subprocess.run(
        [sys.executable, "-m", "perceptron_theory", "solve", "--alpha-tot", "4", "--f", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert bad.returncode == 2
    assert bad.stderr == "python -m perceptron_theory: f, the fraction kept, must lie in (0, 1], got 2.0\n"


def test_weights_that_are_ignored_are_one_line_on_stderr():
    command = "solve --alpha-tot 6 --rule random+weighted --f 0.3"
    done = subprocess.run(
        [sys.executable, "-m", "perceptron_theory", *command.split()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("python -m perceptron_theory: warning: MaxMargin() ignores the weights of KeepWeighted(")


def test_recommend_says_what_to_keep_and_how_sure_that_is(call, tmp_path):
    path = tmp_path / "values.csv"
    arguments = "recommend --alpha-tot 20 --theta-deg 15 --keep 0.2 --csv"
    code, out, err = call([*arguments.split(), path])
    assert (code, err) == (0, "")
    assert out.startswith("Keep difficulty ranks 0.072")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[2:6]}
    assert float(rows["best"][0]) == pytest.approx(0.0532235, abs=1e-6)
    theta = np.radians(15)
    assert float(rows["hard"][0]) == pytest.approx(solve(20, KeepHard(0.2), theta).error, rel=1e-5)
    assert float(rows["easy"][1]) == pytest.approx(solve(20, KeepEasy(0.2), theta).error / 0.0532235, rel=1e-3)
    assert "Certificate: one window" in out
    comments, cells = csv_of(path)
    assert len(comments) == 4
    kept = [row for row in cells if float(row["lower"]) > 0.0727 and float(row["upper"]) < 0.2725]
    others = [row for row in cells if float(row["lower"]) > 0.2727]
    assert min(float(row["value"]) for row in kept) > max(float(row["value"]) for row in others)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("recommend --alpha-tot 20 --keep 1.2", "f, the fraction kept, must lie in"),
        ("recommend --alpha-tot 20 --keep 0.2 --lam 0.1", "--lam is needed by"),
        ("recommend --alpha-tot 20 --keep 0.2 --student hinge", "--lam is needed by"),
        ("recommend --alpha-tot 20 --keep 0.2 --flip-probability 0.2", "not separable"),
        ("solve --alpha-tot 2 --f 0.5 --student square --lam -1", "lam, the strength"),
    ],
)
def test_what_cannot_be_recommended(call, arguments, complaint):
    code, out, err = call(arguments.split())
    assert (code, out) == (2, "")
    assert complaint in err


def test_solve_of_another_student(call):
    code, out, _ = call(
        ["solve", "--alpha-tot", "4", "--f", "0.5", "--theta-deg", "20", "--student", "square", "--lam", "0.1"]
    )
    assert code == 0
    row = table_of(out)[0]
    assert float(row["error"]) == pytest.approx(0.14574171, abs=1e-8)  # DESIGN's reference solution
    assert "norm" in row


def test_solve_with_features(call):
    student = "--student square --lam 0.3"
    code, out, _ = call(f"solve --alpha-tot 4 --rule hard --f 0.5 --theta-deg 20 {student} --seen-fraction 0.5".split())
    assert code == 0
    assert float(table_of(out)[0]["error"]) == pytest.approx(0.4072566, abs=6e-8)
    law = "--num-seen 100 --decay 1.5 --teacher-decay 1.8 --num-all 600"
    code, out, _ = call(f"solve --alpha-tot 12 --rule random --f 1 --student square --lam 0.01 {law}".split())
    assert code == 0
    assert float(table_of(out)[0]["error"]) == pytest.approx(0.068504954)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--num-seen 10 --decay 1.5", "need all of --num-seen, --decay and --teacher-decay"),
        ("--num-seen 10 --decay 1.5 --teacher-decay 1.8 --seen-fraction 0.5", "leave out --num-seen"),
        ("--probe-sees seen", "--probe-sees belongs to --seen-fraction"),
        ("--num-all 100", "--num-all belongs to power-law features"),
        ("--seen-fraction 1.5", "must lie in (0, 1], got 1.5"),
        ("--num-seen 10 --decay 1 --teacher-decay 1.8", "decay must be above 1"),
        ("--num-seen 10 --decay 1.5 --teacher-decay 1.8 --num-all 9", "num_seen must lie in [1, num_features = 9]"),
        ("--seen-fraction 0.5 --alpha-tot 100", "not below the threshold"),
    ],
)
def test_features_that_are_none(call, options, message):
    code, out, err = call(["solve", "--alpha-tot", "4", "--f", "0.5", *options.split()])
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_compute_optimal(call, tmp_path):
    path = tmp_path / "table.csv"
    arguments = "compute-optimal --budget 1e4 1e6 --num-all 4096 --scoring-cost 30 --csv"
    code, out, _ = call([*arguments.split(), path])
    assert code == 0
    assert "Pruning does not pay (less than 0.1 %) at a budget of 10000: train on random examples." in out
    comments, rows = csv_of(path)
    assert [comment[2:].split(":")[0] for comment in comments[1:]] == list(rows[0])
    assert float(rows[0]["f"]) == 1
    assert float(rows[0]["gain"]) == 1
    large = {name: float(value) for name, value in rows[1].items()}
    assert large["gain"] == pytest.approx(large["error_all"] / large["error"])
    assert large["gain"] > 1.2
    assert large["n"] * (large["m"] + 30 / large["f"]) == pytest.approx(1e6)
    assert large["pool"] == pytest.approx(large["n"] / large["f"])


def test_sources(call):
    code, out, _ = call(["sources", "--num-examples", "512", "8192", "--num-seen", "128", "1032"])
    assert code == 0
    rows = table_of(out)
    assert [(row["n"], row["m"]) for row in rows] == [
        ("512", "128"),
        ("512", "1032"),
        ("8192", "128"),
        ("8192", "1032"),
    ]
    parts = [float(rows[0][name]) for name in ("realizability", "uncertainty", "noise", "deficiency")]
    np.testing.assert_allclose(parts, [0.0372, 0.0314, 0, 0.0125], atol=6e-5)
    assert sum(parts) == pytest.approx(float(rows[0]["error"]), abs=1e-8)
