"""``simulate`` with a folder: killed, resumed, extended, shared by processes, and what it says when it must stop."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest

from perceptron_theory import KeepHard, Results, SquareLoss
from simulations import simulate as simulate_any
from simulations.trials.run import Precision

SMALL = (5.0, KeepHard(0.4), 0.3, 20)
simulate = partial(simulate_any, student=SquareLoss(0.1))  # which compiles fast
NUM_TRIALS = 2000
CHILD = f"""
import sys
from perceptron_theory import KeepHard, SquareLoss
from simulations import pruned_students, simulate
from simulations.trials.store import TrialStore
add = TrialStore.add
def reported(self, trials, values):
    path = add(self, trials, values)
    sys.stdout.write(" ".join(map(str, trials)) + "\\n")  # at once: two threads report
    sys.stdout.flush()
    return path
TrialStore.add = reported
simulate(5.0, KeepHard(0.4), 0.3, 20, {NUM_TRIALS}, seed=3, student=SquareLoss(0.1), out=sys.argv[1])
print("finished", flush=True)
"""


def start(folder) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True)


def same(first, second) -> bool:
    names = ("errors", "gaps", "margins", "kept")
    return all(getattr(first, name).tobytes() == getattr(second, name).tobytes() for name in names)


def stored(folder) -> set[int]:
    return {int(trial) for path in folder.glob("*/trials-*.nc") for trial in Results.load(path)["trial"]}


def test_killed_at_random_moments_it_continues_with_the_same_result(tmp_path):
    rng, reported, finished = random.Random(7), set(), False
    for attempt in range(40):
        with start(tmp_path) as child:
            first = child.stdout.readline().split()  # the moments that matter begin with the first batch
            if attempt < 6 and first != ["finished"]:
                time.sleep(rng.uniform(0, 0.3))
                child.send_signal(signal.SIGKILL)
            whole = [line for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        lines = [first, *(line.split() for line in whole)]
        finished = ["finished"] in lines
        reported |= {int(word) for words in lines for word in words if word != "finished"}
        assert reported <= stored(tmp_path)  # what was saved stays saved: lost are the batches in flight alone
        if finished:
            break
    assert finished
    assert attempt >= 3  # it was killed a few times in the middle
    assert same(simulate(*SMALL, NUM_TRIALS, seed=3, out=tmp_path), simulate(*SMALL, NUM_TRIALS, seed=3))


def test_two_processes_share_a_folder(tmp_path):
    children = [start(tmp_path) for _ in range(2)]
    lines = [child.communicate(timeout=200)[0].splitlines() for child in children]
    assert all(found[-1] == "finished" for found in lines)
    computed = [int(word) for found in lines for line in found[:-1] for word in line.split()]
    assert set(computed) == set(range(NUM_TRIALS))
    assert len(computed) < 1.2 * NUM_TRIALS  # hardly any twice
    assert same(simulate(*SMALL, NUM_TRIALS, seed=3, out=tmp_path), simulate(*SMALL, NUM_TRIALS, seed=3))


def test_more_trials_extend_those_that_are_saved(tmp_path, monkeypatch):
    ran = []
    from simulations.pruned_students import PrunedStudents

    run = PrunedStudents.run

    def watched(self, numbers, device):
        ran.extend(numbers)
        return run(self, numbers, device)

    monkeypatch.setattr(PrunedStudents, "run", watched)
    few = simulate(*SMALL, 13, seed=3, out=tmp_path)
    assert set(ran) == set(range(13))
    ran.clear()
    many = simulate(*SMALL, 40, seed=3, out=tmp_path)
    assert set(ran) == set(range(13, 40))
    ran.clear()
    assert same(few, simulate(*SMALL, 13, seed=3, out=tmp_path))
    assert same(many, simulate(*SMALL, 40, seed=3, out=tmp_path))
    assert ran == []
    assert same(many, simulate(*SMALL, 40, seed=3))
    ran.clear()
    simulate(*SMALL, 13, seed=4, out=tmp_path)  # another seed is another folder
    assert set(ran) == set(range(13))
    assert len(list(tmp_path.iterdir())) == 2


def test_automatic_numbers_of_trials(tmp_path):
    found = simulate(*SMALL, "auto", seed=3, target=0.002, out=tmp_path)
    assert found.standard_error <= 0.002
    assert found.num_trials % 10 == 0
    earlier = simulate(*SMALL, found.num_trials - 10, seed=3, out=tmp_path)
    assert earlier.standard_error > 0.002  # no trial too many
    assert same(found, simulate(*SMALL, found.num_trials, seed=3))
    assert same(found, simulate(*SMALL, "auto", seed=3, target=0.002, out=tmp_path))
    assert same(found, simulate(*SMALL, "auto", seed=3, target=0.002))
    assert simulate(*SMALL, "auto", seed=3, target=1.0).num_trials == 30  # fewer are not believed


def test_enough_is_the_first_number_that_suffices():
    values = np.random.default_rng(1).normal(0.3, 0.1, 2000)
    for target in (0.05, 0.01, 0.004, 0.003):
        found = Precision(target).enough(values)
        errors = {n: values[:n].std(ddof=1) / n**0.5 for n in range(30, 2001, 10)}
        assert found == next(n for n, error in errors.items() if error <= target)
        assert Precision(target).enough(values[: found - 1]) is None


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"num_trials": "auto"}, ValueError, 'num_trials "auto" needs a target'),
        ({"num_trials": "auto", "target": 0.0}, ValueError, r"target.*must be positive, got 0\.0"),
        ({"num_trials": "auto", "target": "low"}, TypeError, "target must be a number, got 'low'"),
        ({"num_trials": 10, "target": 0.1}, ValueError, r'target = 0\.1 belongs to num_trials "auto"'),
        ({"num_trials": "many"}, TypeError, "num_trials must be an integer, got 'many'"),
    ],
)
def test_bad_numbers_of_trials_are_named(options, kind, message):
    with pytest.raises(kind, match=message):
        simulate(*SMALL, **options)


def test_a_damaged_file_is_named_and_left_alone(tmp_path):
    simulate(*SMALL, 20, seed=3, out=tmp_path)
    (path,) = tmp_path.glob("*/trials-*.nc")
    damaged = bytearray(path.read_bytes())
    where = damaged.index(Results.load(path)["errors"][5:6].astype(">f8").tobytes())
    damaged[where + 3] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=path.name):
        simulate(*SMALL, 20, seed=3, out=tmp_path)
    assert path.read_bytes() == damaged


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    simulate(*SMALL, 20, seed=3, out=tmp_path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"full|No space") as failure:
        simulate(*SMALL, 40, seed=3, out=tmp_path)
    assert str(tmp_path) in str(failure.value)
    monkeypatch.undo()
    assert stored(tmp_path) == set(range(20))
    assert same(simulate(*SMALL, 40, seed=3, out=tmp_path), simulate(*SMALL, 40, seed=3))


def test_interrupted_by_hand_it_says_what_is_saved(tmp_path, monkeypatch):
    from simulations.trials import run as trials

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    simulate(*SMALL, 20, seed=3, out=tmp_path)
    monkeypatch.setattr(trials, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"\d+ of 60 trials finished, saved in .*students-"):
        simulate(*SMALL, 60, seed=3, out=tmp_path)
    with pytest.raises(KeyboardInterrupt, match="of 60 trials finished, nothing saved"):
        simulate(*SMALL, 60, seed=3)


def test_files_tell_strangers_what_they_are(tmp_path):
    simulate(*SMALL, 20, seed=3, out=tmp_path)
    (path,) = tmp_path.glob("*/trials-*.nc")
    found = Results.load(path)
    assert found.variables["errors"].units == "1"
    assert "test error" in found.variables["errors"].description
    assert found["trial"].tolist() == list(range(20))
    text = json.dumps(found.config)
    assert all(word in text for word in ("alpha_tot", "KeepHard", "num_features", "seed", "jaxlib"))
    assert str(tmp_path) not in text


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(ValueError, match=r"out must be a folder, but .*file is a file"):
        simulate(*SMALL, 20, seed=3, out=path)
    assert path.read_text() == "mine"
