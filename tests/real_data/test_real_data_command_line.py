"""The command line ``python -m real_data``, in processes of its own."""

import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from perceptron_theory import Results

TINY = "run --rules hard random --fractions 0.5 --num-seeds 2 --pool-sizes 200 --num-score-networks 1"
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
        ("run --retraining.momentum 1", "momentum must lie in [0, 1), got 1.0"),
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
        "heavy = {'jax', 'flax', 'optax', 'orbax', 'sklearn', 'scipy', 'PIL', 'pooch'}\n"
        "print('loaded', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("loaded []\n")
    assert "fractions of the pool kept, in (0, 1]." in " ".join(line.strip("│ ") for line in done.stdout.splitlines())


def test_score_prune_train_rerun(tmp_path):
    """The steps of an experiment one by one, each from the files of the one before."""
    steps = "--num-networks 2 --training.num-steps 5 --quiet"
    done = real_data("score", "--metrics", "el2n", "margin", *steps.split(), "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["el2n", "margin"]
    scores = tmp_path / "digits-el2n.nc"

    done = real_data("prune", scores, "--rule", "window@0.5", "--fraction", "0.25", "--out", tmp_path / "kept.txt")
    where = f"their positions among the 1200 training images in {tmp_path / 'kept.txt'}"
    assert done.stdout == f"300 of 1200 images kept (597 more are the test images); {where}\n"
    kept = [int(line) for line in (tmp_path / "kept.txt").read_text().split()]
    assert len(set(kept)) == 300

    run = "--rule window@0.5 --fraction 0.25 --training.num-steps 20 --seeds 3 --checkpoint-every 10 --quiet"
    done = real_data("train", "--scores", scores, *run.split(), "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("seed 3: test error ")
    results = Results.load(tmp_path / "run" / "result.nc")
    assert results["kept"].tolist() == kept
    metrics = [json.loads(line) for line in (tmp_path / "run/network-0/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in metrics] == [10, 20]

    again = real_data("rerun", tmp_path / "run/settings.json", "--out", tmp_path / "again", "--quiet")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again/result.nc").read_bytes() == (tmp_path / "run/result.nc").read_bytes()
    other = real_data("train", "--training.num-steps", "21", "--out", tmp_path / "run", "--quiet")
    assert other.returncode == 2
    assert "run/settings.json belongs to other settings" in other.stderr
    wrong = real_data("prune", scores, "--dataset", "digits", "--fraction", "0.001")
    assert wrong.returncode == 2
    assert "leaves no example of class" in wrong.stderr


def test_recommend_says_what_to_keep(tmp_path):
    pilot = "--num-seeds 4 --rules hard window@0.5 coverage@0.1 --max-pool 600 --num-score-networks 2 --quiet"
    pilot += " --retraining.num-steps 60"
    done = real_data("recommend", "--dataset", "digits", "--keep", "0.4", *pilot.split(), "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Keep 480 of 1200 images")
    assert "Error to expect: " in done.stdout
    found = re.search(r"Error to expect: (\S+) %, 95 % interval (\S+) to (\S+) %, (.*)", done.stdout)
    error, low, high = map(float, found.groups()[:3])
    assert 0 <= low <= error <= high <= 100
    assert re.match(r"a power law continued from pools up to 600|of the largest pool, 600 images", found[4])
    pools = [int(line.split()[0]) for line in done.stdout.splitlines() if re.match(r" +\d", line)]
    assert pools == [150, 300, 600]
    last = done.stdout.splitlines()[-1]
    assert last.startswith("  python -m real_data train --dataset digits")
    assert last.endswith("--fraction 0.4 --training.num-steps 60")
    refused = real_data("recommend", "--dataset", "digits", "--keep", "1300")
    assert refused.returncode == 2
    assert "keep must be a fraction in (0, 1) or a whole number of images in [1, 1200), got 1300" in refused.stderr


@pytest.mark.parametrize("which", ["scoring", "retraining"])
def test_recommend_gives_no_advice_from_networks_that_learn_nothing(tmp_path, which):
    pilot = (
        "--num-seeds 4 --rules hard window@0.5 coverage@0.1 --num-pools 1 --max-pool 200 --num-score-networks 1 --quiet"
    )
    steps = "--scoring.num-steps 30 --retraining.num-steps 30"
    frozen = f"--{which}.learning-rate 1e-9"
    words = f"recommend --dataset digits --keep 0.4 {pilot} {steps} {frozen} --out {tmp_path}"
    done = real_data(*words.split())
    assert done.returncode == 2
    assert "no better than the most frequent class" in done.stderr
    assert "Keep" not in done.stdout


def test_a_score_that_was_killed_is_the_same_when_run_again(tmp_path):
    words = "score --dataset digits --num-networks 2 --training.num-steps 1300 --training.batch-size 16 --quiet --out"
    assert real_data(*words.split(), tmp_path / "whole").returncode == 0
    folder = tmp_path / "killed"
    with subprocess.Popen(
        [sys.executable, "-m", "real_data", *words.split(), str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        while not any(path.name.isdigit() for path in folder.rglob("checkpoints/*")):
            assert process.poll() is None, "it ended before its first checkpoint"
            time.sleep(0.02)
        process.kill()
    assert not list(folder.glob("*.nc"))
    again = real_data(*words.split(), folder)
    assert again.returncode == 0, again.stderr
    files = [path / "digits-el2n.nc" for path in (folder, tmp_path / "whole")]
    scores, expected = (Results.load(file) for file in files)
    np.testing.assert_array_equal(scores["score"], expected["score"])
    assert [path.name for path in folder.iterdir()] == ["digits-el2n.nc"]


def test_published_scores_become_a_score_file(tmp_path):
    """Ten images in two classes; the CSV lists them in another order, and a low score means hard."""
    rng = np.random.default_rng(0)
    rows = ["file,easiness"]
    for part, number in (("train", 5), ("test", 2)):
        for name in ("cat", "dog"):
            (tmp_path / "images" / part / name).mkdir(parents=True)
            for i in range(number):
                image = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
                image.save(tmp_path / "images" / part / name / f"{name}{i}.png")
                rows[1:1] = [f"{name}{i}.png,{i + (10 if name == 'dog' else 0)}"] if part == "train" else []
    (tmp_path / "published.csv").write_text("\n".join(rows))
    columns = "--name-column file --score-column easiness --lower-is-harder"
    source = ["--dataset", "folder", "--path", tmp_path / "images"]
    done = real_data("score", *source, "--from-csv", tmp_path / "published.csv", *columns.split(), "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    values = Results.load(tmp_path / "folder-published.nc")["score"]
    assert values.tolist() == [0, -1, -2, -3, -4, -10, -11, -12, -13, -14]
    done = real_data(
        "prune", tmp_path / "folder-published.nc", *source, "--fraction", "0.2", "--out", tmp_path / "kept.txt"
    )
    assert (tmp_path / "kept.txt").read_text().split() == ["0", "5"], done.stderr
