"""Simulations behind the explorer: those of ``simulate``, run once, shown on the way, and cancelled."""

import subprocess
import sys
import time

import pytest

from figures.explorer import trials
from figures.explorer.question import Question
from simulations import simulate

QUICK = Question(student="square", alpha_tot=3.0)


def finished(key: str) -> trials.TrialsState:
    """The state in the end."""
    for _ in range(600):
        if trials.state(key).finished:
            return trials.state(key)
        time.sleep(0.05)
    raise AssertionError(f"not finished: {trials.state(key)}")


def test_trials_are_those_of_simulate_and_run_once() -> None:
    key = trials.start(QUICK, 20, 60, 3)
    found = finished(key)
    expected = simulate(3.0, QUICK.keep, QUICK.theta, 20, 60, 3, student=QUICK.student_model)
    assert found.mean == expected.mean
    assert found.standard_error == expected.standard_error
    assert found.worst_gap == expected.gaps.max()
    assert (found.done, found.total, found.message) == (60, 60, "finished")
    assert trials.start(QUICK, 20, 60, 3) == key
    assert trials.state(key) is found  # nothing was run again
    assert trials.start(QUICK, 20, 60, 4) != key


def test_trials_are_cancelled_and_begin_again_where_they_ended() -> None:
    key = trials.start(QUICK, 20, 3000, 5)
    behind = trials.start(QUICK, 20, 10, 6)
    while trials.state(key).mean is None and not trials.state(key).finished:
        time.sleep(0.01)
    trials.cancel(key)
    found = finished(key)
    assert found.message == "cancelled"
    assert 0 < found.done < 3000
    assert finished(behind).message == "finished"  # the next in the queue is not held up
    assert trials.start(QUICK, 20, 3000, 5) == key
    assert not trials.state(key).finished
    trials.stop()
    assert finished(key).message == "cancelled"


def test_trials_that_fail_say_so() -> None:
    question = Question(alpha_tot=40.0, flip_probability=0.3)  # no separator
    found = finished(trials.start(question, 20, 10, 0))
    assert "separa" in found.message
    assert "\n" not in found.message
    assert found.mean is None


@pytest.mark.parametrize(
    ("num_features", "num_trials", "message"),
    [
        (1, 10, r"num_features must lie in \[2"),
        (401, 10, r"num_features must lie in \[2, 400\] here, got 401"),
        (20, 1, r"num_trials must lie in \[2"),
        (20, 20000, r"num_trials must lie in \[2, 10000\] here, got 20000"),
    ],
)
def test_numbers_of_trials_out_of_range_are_refused(num_features: int, num_trials: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trials.start(QUICK, num_features, num_trials)


def test_unknown_keys_and_rules_that_keep_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="no trials have the key 'x'"):
        trials.state("x")
    with pytest.raises(ValueError, match="keeps none"):
        trials.start(Question(alpha_tot=1.0, f=0.001), 20, 10)
    with pytest.raises(TypeError, match="question must be a Question"):
        trials.start("hard")  # type: ignore[arg-type]


def test_a_process_ends_while_trials_run() -> None:
    program = (
        "import time; from figures.explorer import trials; from figures.explorer.question import Question\n"
        "key = trials.start(Question(student='square', alpha_tot=3.0), 20, 10000, 5)\n"
        "while trials.state(key).done == 0: time.sleep(0.05)\n"
        "trials.stop(); print('end')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "end\n"
