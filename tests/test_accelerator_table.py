"""The table that the script for an accelerator prints."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "accelerator_table.py"
RATES = [
    {"work": "training step", "side": "ours", "images_per_second": 300.0},
    {"work": "training step", "side": "PyTorch", "images_per_second": 400.0},
    {"work": "forward", "side": "ours", "images_per_second": 900.0},
]
XML = """<testsuites><testsuite tests="5" failures="1" errors="0" skipped="1">
<testcase name="test_good"/><testcase name="test_bad"><failure/></testcase></testsuite></testsuites>"""


@pytest.fixture
def table():
    spec = importlib.util.spec_from_file_location("accelerator_table", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.table


def test_a_table_has_every_stage_as_far_as_it_came(table, tmp_path):
    trials = [
        {"num_features": 50, "device": "gpu", "trials_per_second": 1000.0, "share_of_ceiling": share}
        for share in (0.25, 0.1)
    ]
    (tmp_path / "throughput.json").write_text(json.dumps(trials))
    entry = {"network": "resnet18", "image_size": 32, "batch": 64, "rates": RATES}
    (tmp_path / "images.json").write_text(json.dumps([entry]))
    (tmp_path / "large.json").write_text(
        json.dumps([entry | {"network": "vit-b", "image_size": 224, "rates": RATES[:1]}])
    )
    (tmp_path / "tests.xml").write_text(XML)
    (tmp_path / "stages.tsv").write_text(
        "tests\tfailed: 1 | of 5\t9\nthroughput\tstopped after its 60 s\t60\nimages\tdone\t3\n"
        "large\tdone\t4\ntraining\tdone\t3\n"
    )
    lines = table(tmp_path).splitlines()
    rows = [line[2:-2].split(" | ") for line in lines if line.startswith("|")][2:]
    assert rows == [
        ["tests", "3 of 5 passed, 1 skipped", "test_bad"],
        ["stage tests", "failed: 1 / of 5", "9 s"],
        ["certified trials, N = 50, gpu", "1000.0 / s", "4.0 times the arithmetic floor (goal at most 5: met)"],
        ["certified trials, N = 50, gpu", "1000.0 / s", "10.0 times the arithmetic floor (goal at most 5: missed)"],
        ["stage throughput", "stopped after its 60 s", "60 s"],
        [
            "resnet18, 32 pixels, batch 64: training step",
            "300 images / s",
            "0.75 times PyTorch (400 / s) (goal at least 1: missed)",
        ],
        ["resnet18, 32 pixels, batch 64: forward", "900 images / s", ""],
        ["vit-b, 224 pixels, batch 64: training step", "300 images / s", "PyTorch not installed"],
        ["stage training", rows[-1][1], "3 s"],
    ]
    assert rows[-1][1].startswith("cannot be read: FileNotFoundError: ")
    assert lines[-1] == "Time with compilation: tests 9 s, throughput 60 s, images 3 s, large 4 s, training 3 s."


def test_a_stage_that_never_began_is_said(table, tmp_path):
    (tmp_path / "stages.tsv").write_text("images\tskipped, not installed: flax\t0\n")
    assert "| stage images | skipped, not installed: flax | 0 s |" in table(tmp_path)
    assert "| stage large | never began | 0 s |" in table(tmp_path)
    assert "| stage training | skipped: no folder of images was given | 0 s |" in table(tmp_path)


@pytest.mark.parametrize("wrong", ["--rounds 0", "--batch -1", "--cores -1", "--patch-size 0"])
def test_the_benchmark_of_images_refuses_numbers_before_it_measures(wrong):
    """No rounds would be rates of NaN in the file."""
    command = [sys.executable, str(SCRIPT.with_name("images.py")), *wrong.split()]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert f"{wrong.split()[0]} must be at least" in found.stderr
