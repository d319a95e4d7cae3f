"""The proof that no separator exists, against linear programming."""

import numpy as np
import pytest
from scipy.optimize import linprog

from perceptron_theory import KeepHard, Labels
from simulations import simulate
from simulations.pruned_students import PrunedStudents
from simulations.students.separability import is_proven_inseparable


def is_separable(rows: np.ndarray) -> bool:
    """The largest t with A w >= t in the cube |w_i| <= 1 is positive, by scipy's linear programming."""
    count, size = rows.shape
    found = linprog(
        np.r_[np.zeros(size), -1],
        A_ub=np.c_[-rows, np.ones(count)],
        b_ub=np.zeros(count),
        bounds=[(-1, 1)] * size + [(None, 1)],
    )
    assert found.status == 0
    assert not 1e-12 < found.x[-1] < 1e-6, "too close to call"
    return found.x[-1] > 1e-6


def test_random_labels_at_the_threshold():
    # twice as many examples as features: separable with probability one half (Cover 1965)
    verdicts = []
    for seed in range(30):
        rows = np.random.default_rng(seed).normal(size=(40, 20))
        verdicts.append(is_separable(rows))
        assert is_proven_inseparable(rows) == (not verdicts[-1])
    assert 5 <= sum(verdicts) <= 25  # both cases occur


def test_rows_of_zeros_take_no_part():
    rows = np.random.default_rng(0).normal(size=(60, 20))
    assert not is_separable(rows)
    assert is_proven_inseparable(np.concatenate([np.zeros((20, 20)), rows]))
    assert not is_proven_inseparable(np.zeros((20, 20)))


def test_contradicting_examples():
    # a and -a: weights 1 and 1; for a proof all examples together must also span the space
    rows = np.random.default_rng(1).normal(size=(20, 20))
    assert is_proven_inseparable(np.concatenate([rows, -rows]))
    # a unit vector along each axis and minus their sum, A^T (1, 1, ..., 1) = 0; without the last one w = (1, ..., 1)
    rows = np.concatenate([np.eye(20), -np.ones((1, 20))])
    assert is_proven_inseparable(rows)
    assert not is_proven_inseparable(rows[:-1])


def test_nothing_is_proven_of_separable_data_however_small_the_margin():
    rng = np.random.default_rng(2)
    for margin in (1e-2, 1e-6, 1e-10, 0.0):
        x = rng.normal(size=(40, 20))
        rows = np.sign(x[:, :1]) * x
        rows[:, 0] += margin - rows[:, 0].min()  # the smallest teacher coordinate is the margin, 0 included
        assert not is_proven_inseparable(rows)


def test_simulate_says_which_trial_has_no_separator():
    arguments, labels = (4.0, KeepHard(0.5), 0.3, 20), Labels(0.3)
    with pytest.raises(RuntimeError, match=r"data of trial \d of seed 0 are not separable.*HingeLoss") as found:
        simulate(*arguments, num_trials=10, seed=0, labels=labels)
    trials = PrunedStudents(*arguments, labels=labels, seed=0)
    rows = [trials.data(number) for number in range(10)]
    separable = [is_separable(r[np.any(r != 0, axis=1)]) for r in rows]
    assert 2 <= sum(separable) <= 8
    assert not separable[int(str(found.value).split("trial ")[1][0])]
