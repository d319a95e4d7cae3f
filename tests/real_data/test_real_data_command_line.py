"""The command line ``python -m real_data``, in processes of its own."""

import subprocess
import sys

import pytest

TINY = "run --rules hard random --fractions 0.5 --num-seeds 2 --num-train 200 --num-score-networks 1"
STEPS = "--scoring.num-steps 2 --retraining.num-steps 3"


def real_data(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "real_data", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run --num-seeds 1", "num_seeds must be at least 2, got 1"),
        ("run --fractions 0.2 1.5", "each of fractions must lie in (0, 1], got 1.5"),
        ("run --retraining.momentum 1", "Error parsing retraining: momentum must lie in [0, 1), got 1.0"),
        ("run --num-seeds ten", "Error parsing --num-seeds: invalid literal for int()"),
        ("run --fracton 0.3", "Unrecognized options: --fracton"),
        ("show missing.nc", "No such file or directory: 'missing.nc'"),
        ("show pyproject.toml", "pyproject.toml is not a result file of this package"),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    done = real_data(*arguments.split())
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("python -m real_data: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_run_then_show(tmp_path):
    done = real_data(*TINY.split(), *STEPS.split(), "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    *table, where = done.stdout.splitlines()
    assert where == f"saved in {tmp_path / 'digits.nc'}"
    assert [line.split()[0] for line in table[1:]] == ["fraction", "number", "hard", "random"]
    assert table[2].split() == ["number", "kept", "100"]
    assert "seed" in done.stderr  # the progress bar
    shown = real_data("show", tmp_path / "digits.nc")
    assert shown.stdout.splitlines() == table
    assert shown.stderr == ""


def test_help_and_prune_load_no_network_library():
    check = (
        "import sys, contextlib, real_data, real_data.__main__ as main\n"
        "real_data.prune\n"
        "sys.argv = ['real_data', 'run', '--help']\n"
        "with contextlib.suppress(SystemExit): main.main()\n"
        "print('loaded', sorted({'flax', 'optax', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("loaded []\n")
    assert "fractions kept f of the training pool, each in (0, 1]" in " ".join(
        line.strip("│ ") for line in done.stdout.splitlines()
    )
