"""Students that pick their examples: the rule, the certificate, the theory of one ranking, and bad input."""

import jax
import numpy as np
import pytest

from perceptron_theory import (
    HingeLoss,
    KeepHard,
    KeepRandom,
    Labels,
    LogisticLoss,
    MaxMargin,
    Results,
    SquareLoss,
    solve,
)
from simulations import select_queries, simulate
from simulations.query_selection import QuerySelection
from simulations.simulation import number_of_trials
from simulations.students.solvers import LARGEST_GAP
from simulations.trials.run import Precision

SMALL = (5.0, 0.4, 4, 20)  # alpha_tot, fraction, num_rounds, num_features: 40 of 100 examples in 4 rounds
RIDGE = SquareLoss(0.1)  # a student that is quickly compiled


def weights(rows: np.ndarray) -> np.ndarray:
    return np.linalg.solve(rows.T @ rows + 0.1 * np.eye(20), rows.sum(axis=0))


@pytest.mark.parametrize("theta", [None, 0.3])
def test_every_round_picks_the_hardest_of_what_is_left(theta):
    trials = QuerySelection(*SMALL, theta=theta, student=RIDGE, seed=2)
    errors = trials.run(np.array([7]), jax.devices("cpu")[0])["errors"][0]
    pool, picked_in = trials.history(7)
    assert pool.shape == (100, 20)
    picked = np.zeros(100, bool)
    for k in range(4):
        batch = picked_in == k  # an example is picked in one round alone: the batches are disjoint
        assert batch.sum() == 10
        if k > 0:
            distance = np.abs(pool @ weights(pool[picked]))
        elif theta is None:
            distance = np.arange(100)
        else:
            distance = np.abs(pool[:, :2] @ [np.cos(theta), np.sin(theta)])
        expected = np.flatnonzero(~picked)[np.argsort(distance[~picked])[:10]]
        assert set(np.flatnonzero(batch)) == set(expected)
        picked |= batch
        w = weights(pool[picked])
        assert errors[k] == pytest.approx(np.arccos(w[0] / np.linalg.norm(w)) / np.pi, abs=1e-9)
    assert np.all(picked_in[~picked] == 4)


def test_inputs_are_normal_and_labelled_by_the_teacher():
    """False-alarm rate 1e-4: four two-sided tests at 4.2 standard errors (2.7e-5 each)."""
    trials = QuerySelection(20.0, 0.1, 1, 50, labels=Labels(0.2), student=RIDGE)
    pool = trials.history(0)[0] * np.sqrt(50)  # y x, 1000 rows
    correct = pool[:, 0] > 0
    assert abs(correct.mean() - 0.8) < 4.2 * np.sqrt(0.16 / 1000)
    others = pool[:, 1:]
    assert abs(others.mean()) < 4.2 / np.sqrt(others.size)
    assert abs((others**2).mean() - 1) < 4.2 * np.sqrt(2 / others.size)
    assert abs((pool[:, 0] ** 2).mean() - 1) < 4.2 * np.sqrt(2 / 1000)


def test_first_batch_at_random_does_not_look_at_the_inputs():
    trials = QuerySelection(*SMALL, student=RIDGE)
    pool, picked_in = trials.history(3)
    np.testing.assert_array_equal(np.flatnonzero(picked_in == 0), np.arange(10))
    assert np.unique(pool[:, 0]).size == 100


@pytest.mark.parametrize(
    ("theta", "rule"), [(0.0, KeepHard), (0.35, KeepHard), (None, KeepRandom)], ids=["perfect", "imperfect", "random"]
)
def test_one_round_is_one_ranking(theta, rule):
    """Theory is for infinite N: 0.5/N = 0.5 % of the error is allowed; false-alarm rate below 3 x 1e-4 beyond it."""
    found = select_queries(6.0, 0.5, 1, 100, 60, seed=4, theta=theta)
    expected = solve(6.0, rule(0.5), theta or 0.0).error
    assert abs(found.mean[0] - expected) < 3.9 * found.standard_error[0] + 0.005 * expected


def test_one_round_is_simulate_in_distribution():
    """The same settings in the two programs; exact at any N. False-alarm rate 1e-4 (3.9 standard errors)."""
    one = select_queries(6.0, 0.5, 1, 20, 300, seed=1, theta=0.35, student=RIDGE)
    other = simulate(6.0, KeepHard(0.5), 0.35, 20, 300, seed=2, student=RIDGE)
    assert one.kept[0] == other.num_kept
    spread = np.hypot(one.standard_error[0], other.standard_error)
    assert abs(one.mean[0] - other.mean) < 3.9 * spread
    difference = one.margins.mean() - other.margins.mean()
    assert abs(difference) < 3.9 * np.sqrt((one.margins.var(ddof=1) + other.margins.var(ddof=1)) / 300)


def test_picking_by_the_student_beats_random_examples():
    """The theory of random examples is beaten by far more than finite N makes (2 % of the error)."""
    found = select_queries(10.0, 0.4, 8, 50, 40, seed=0)
    random = solve(10.0, KeepRandom(found.alpha_kept / 10.0), 0.0).error
    assert found.mean[-1] < 0.75 * random[-1]
    assert np.all(np.diff(found.mean) < 0)
    assert np.all(found.gaps <= LARGEST_GAP)
    np.testing.assert_array_equal(found.alpha_kept, np.arange(1, 9) * 0.5)


def test_batches_are_equal_to_one_example():
    kept = QuerySelection(5.0, 0.37, 7, 20).kept_after
    assert kept[-1] == 37 == KeepHard(0.37).kept_positions(100).size
    assert set(np.diff(kept, prepend=0)) == {5, 6}


def test_reproducible_and_resumed(tmp_path, monkeypatch):
    first = select_queries(*SMALL, 13, seed=5, student=RIDGE)
    assert select_queries(*SMALL, 23, seed=5, student=RIDGE).errors[:13].tobytes() == first.errors.tobytes()
    assert select_queries(*SMALL, 13, seed=6, student=RIDGE).errors.tobytes() != first.errors.tobytes()
    stored = select_queries(*SMALL, 10, seed=5, student=RIDGE, out=tmp_path)
    assert stored.errors.tobytes() == first.errors[:10].tobytes()
    run, seen = QuerySelection.run, []

    def watched(self, numbers, device):
        seen.extend(numbers.tolist())
        return run(self, numbers, device)

    monkeypatch.setattr(QuerySelection, "run", watched)
    more = select_queries(*SMALL, 13, seed=5, student=RIDGE, out=tmp_path)
    assert more.errors.tobytes() == first.errors.tobytes()
    assert set(seen) == {10, 11, 12}
    assert [path.name[:8] for path in tmp_path.iterdir()] == ["queries-"]


@pytest.mark.parametrize("student", [RIDGE, LogisticLoss(0.1), HingeLoss(0.1)], ids=str)
def test_students_with_wrong_labels_are_certified(student):
    found = select_queries(5.0, 0.4, 3, 20, 5, student=student, labels=Labels(0.1))
    assert found.errors.shape == found.gaps.shape == found.margins.shape == (5, 3)
    assert np.all(found.gaps <= LARGEST_GAP)


def test_inseparable_examples_are_said_to_be():
    with pytest.raises(RuntimeError, match=r"picked in trial \d of seed 0 after round \d of 2 are not separable"):
        select_queries(10.0, 0.8, 2, 20, 3, labels=Labels(0.3))


def test_precision_holds_after_every_round():
    found = select_queries(*SMALL, "auto", seed=1, target=6e-3, student=RIDGE)
    assert found.num_trials % 10 == 0
    assert np.all(found.standard_error <= 6e-3)
    assert found.num_trials > 30
    fewer = found.errors[: found.num_trials - 10]
    assert np.any(fewer.std(axis=0, ddof=1) / np.sqrt(len(fewer)) > 6e-3)


def test_precision_of_several_numbers_is_that_of_the_least_precise():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(500, 2)) * [1.0, 2.0]
    both, worse = (Precision(0.1).enough(v) for v in (values, values[:, 1]))
    assert both == worse == Precision(0.1).enough(values[:, 1:])
    assert Precision(0.1).next_goal(values[:60]) == Precision(0.1).next_goal(values[:60, 1])
    assert number_of_trials("auto", 0.1) == Precision(0.1)


def test_results_are_saved_whole(tmp_path):
    found = select_queries(*SMALL, 4, seed=5, student=RIDGE)
    again = Results.load(found.results().save(tmp_path / "queries.nc"))
    assert again.sizes["round"] == 4
    np.testing.assert_array_equal(again["errors"], found.errors)
    np.testing.assert_array_equal(again["kept"], [10, 20, 30, 40])
    np.testing.assert_allclose(again["standard_error"], found.errors.std(axis=0, ddof=1) / 2, rtol=1e-12)
    dataset = found.to_xarray()
    assert dataset["errors"].dims == ("trial", "round")
    assert found.alpha_tot == 5.0


def test_only_what_matters_is_in_the_settings():
    settings = QuerySelection(*SMALL).settings()
    assert settings.keys() == {
        *("alpha_tot", "fraction", "num_rounds", "num_features", "theta", "seed", "software"),
    }
    assert QuerySelection(*SMALL, student=HingeLoss(0.1)).settings()["student"] == {"student": "HingeLoss", "lam": 0.1}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"alpha_tot": 0.0}, ValueError, "alpha_tot must be positive, got 0.0"),
        ({"alpha_tot": float("nan")}, ValueError, "alpha_tot must be finite, got nan"),
        ({"alpha_tot": 0.01}, ValueError, "gives no example"),
        ({"fraction": 0.0}, ValueError, r"fraction must lie in \(0, 1\], got 0.0"),
        ({"fraction": 1.5}, ValueError, r"fraction must lie in \(0, 1\], got 1.5"),
        ({"fraction": 0.001}, ValueError, "keep a larger fraction"),
        ({"num_rounds": 0}, ValueError, "num_rounds must lie in"),
        ({"num_rounds": 2.0}, TypeError, "num_rounds must be an integer, got 2.0"),
        ({"num_rounds": 41}, ValueError, "num_rounds = 41 batches of at least one example are more than the 40"),
        ({"num_features": 1}, ValueError, "num_features must lie in"),
        ({"theta": 1.6}, ValueError, r"theta is in radians and must lie in \[0, pi/2\], got 1.6"),
        ({"theta": "hard"}, TypeError, "theta must be a number"),
        ({"student": LogisticLoss(0.0)}, ValueError, "no unique minimum"),
        ({"student": MaxMargin}, TypeError, "student must be"),
        ({"labels": 0.1}, TypeError, r"labels must be Labels\(...\), got 0.1"),
        ({"labels": Labels(0.0, 0.2, 0.3)}, ValueError, "the truth must be the teacher"),
        ({"seed": -1}, ValueError, "seed must lie in"),
        ({"num_trials": 1}, ValueError, "num_trials must lie in"),
        ({"num_trials": "auto"}, ValueError, 'num_trials "auto" needs a target'),
    ],
    ids=str,
)
def test_bad_input_is_named(change, error, message):
    good = {"alpha_tot": 5.0, "fraction": 0.4, "num_rounds": 4, "num_features": 20, "num_trials": 2}
    with pytest.raises(error, match=message):
        select_queries(**good | change)


def test_a_pool_that_does_not_fit_is_refused_before_it_is_drawn():
    with pytest.raises(MemoryError, match="one trial at a time needs"):
        select_queries(1e6, 1e-5, 2, 5000, 2)
