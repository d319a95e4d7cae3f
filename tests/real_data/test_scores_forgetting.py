"""Forgetting: scripted trainings by hand, and against histories kept in lists."""

from itertools import pairwise

import numpy as np
import pytest

from real_data.scores import forgetting_events
from real_data.training.batches import batch_indices

R, W = True, False


def scripted(*histories):
    """One network that sees the examples 0, 1, ... in every batch, with the right and wrong answers given."""
    correct = np.array(histories, dtype=bool).T[None]
    batches = np.broadcast_to(np.arange(len(histories)), correct.shape)
    return forgetting_events(correct, batches, len(histories))[0].tolist()


def test_events_by_hand():
    # five presentations, so at most 2 events; never learned: 3
    assert scripted([R, R, R, R, R]) == [0]
    assert scripted([W, W, R, R, R]) == [0]  # learned late, never forgotten
    assert scripted([R, W, W, W, W]) == [1]  # wrong from then on: forgotten once
    assert scripted([R, W, R, W, R], [W, R, W, R, W], [W, W, W, W, W]) == [2, 2, 3]
    assert scripted([W, W], [R, W], [W, R]) == [2, 1, 0]  # two presentations: at most 1 event


def test_examples_absent_from_a_batch_keep_their_state():
    # example 0 is right in step 0 and wrong when it comes next, in step 2; example 1: wrong, right
    batches = np.array([[[0, 2], [1, 2], [0, 1]]])
    correct = np.array([[[R, R], [W, R], [W, R]]])
    assert forgetting_events(correct, batches, 3).tolist() == [[1, 0, 0]]


def test_an_example_twice_in_a_batch_is_presented_once():
    # Example 0: right (twice), wrong (twice): one event, two presentations.  Counted by copies, it would have four
    # presentations, and example 1, never learned, would score 3.
    batches = np.array([[[0, 0, 1], [1, 0, 0]]])
    correct = np.array([[[R, R, W], [W, W, W]]])
    assert forgetting_events(correct, batches, 2).tolist() == [[1, 2]]
    # augmented copies can differ: right only if all are; within the batch nothing is forgotten
    correct = np.array([[[R, W, W], [W, R, R]]])
    assert forgetting_events(correct, batches, 2).tolist() == [[0, 2]]
    correct = np.array([[[R, R, W], [W, R, W]]])
    assert forgetting_events(correct, batches, 2).tolist() == [[1, 2]]


def test_never_learned_is_hardest():
    """Above every example that the network learned, however the histories are."""
    rng = np.random.default_rng(0)
    correct = rng.random((4, 30, 10)) < 0.5
    correct[:, :, 3] = False
    correct[:, :, 4] = np.arange(30) % 2 == 0  # right, wrong, right, ...: 15 events, as many as possible
    scores = forgetting_events(correct, np.broadcast_to(np.arange(10), correct.shape), 10)
    assert scores[:, 4].tolist() == [15] * 4
    assert scores[:, 3].tolist() == [16] * 4


@pytest.mark.parametrize(("num_examples", "batch_size"), [(20, 8), (5, 8), (7, 1)])
def test_against_histories_in_lists(num_examples, batch_size):
    """Batches as in training: they run on across epochs, and may hold more examples than there are."""
    rng = np.random.default_rng(num_examples)
    batches = np.stack([batch_indices(np.arange(num_examples), 40, batch_size, seed) for seed in range(3)])
    # a network answers by example and step: copies in a batch agree, as without augmentation
    chance = rng.random(num_examples) ** 2
    answers = rng.random((3, 40, num_examples)) < chance
    correct = np.take_along_axis(answers, batches, axis=2)
    expected = np.zeros((3, num_examples))
    for network in range(3):
        histories = [
            [answers[network, step, x] for step in range(40) if x in batches[network, step]]
            for x in range(num_examples)
        ]
        most = max(len(history) for history in histories)
        for x, history in enumerate(histories):
            changes = sum(a and not b for a, b in pairwise(history))
            expected[network, x] = changes if any(history) else most // 2 + 1
    np.testing.assert_array_equal(forgetting_events(correct, batches, num_examples), expected)


def test_examples_not_presented_are_named():
    batches = np.array([[[0, 1], [0, 1], [3, 1]]])
    with pytest.raises(
        ValueError,
        match=r"at least twice in training, but 3 of 5 .*, 2 of them never; the first: 2 \(0 times\), "
        r"3 \(1 times\), 4 \(0 times\): raise num_steps or num_epochs",
    ):
        forgetting_events(np.ones((1, 3, 2), bool), batches, 5)


def test_bad_records_are_named():
    correct, batches = np.ones((1, 3, 2), bool), np.zeros((1, 3, 2), int)
    with pytest.raises(ValueError, match=r"batches must lie in \[0, 2\), got 0 to 2"):
        forgetting_events(correct, batches + np.array([0, 2]), 2)
    with pytest.raises(ValueError, match=r"got \(1, 3, 2\) and \(1, 3, 1\)"):
        forgetting_events(correct, batches[:, :, :1], 2)
    with pytest.raises(TypeError, match="correct must be boolean and batches integer, got float64"):
        forgetting_events(correct.astype(float), batches, 2)
