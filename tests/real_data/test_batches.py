"""The order in which a network sees its examples."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from real_data.training.batches import batch_indices

SUBSETS = st.sets(st.integers(0, 99), min_size=1).map(lambda kept: np.array(sorted(kept)))
SEEDS = st.integers(0, 2**32 - 1)


@given(kept=SUBSETS, num_steps=st.integers(1, 30), batch_size=st.integers(1, 20), seed=SEEDS)
def test_every_example_is_used_equally_often(kept, num_steps, batch_size, seed):
    stream = batch_indices(kept, num_steps, batch_size, seed).ravel()
    assert stream.size == num_steps * batch_size
    for start in range(0, stream.size, len(kept)):
        epoch = stream[start : start + len(kept)]
        assert len(set(epoch)) == epoch.size
        assert set(epoch) <= set(kept)


@given(kept=SUBSETS, first=st.integers(0, 30), count=st.integers(1, 9), batch_size=st.integers(1, 20), seed=SEEDS)
def test_a_range_of_steps_is_a_part_of_the_whole(kept, first, count, batch_size, seed):
    whole = batch_indices(kept, first + count, batch_size, seed)
    part = batch_indices(kept, count, batch_size, seed, first_step=first)
    assert part.dtype == np.int32
    np.testing.assert_array_equal(part, whole[first:])


def test_epochs_and_seeds_have_their_own_order():
    """Two orders of a hundred examples agree at one place on average; at ten with probability below 1e-7."""
    epochs = np.concatenate([batch_indices(np.arange(100), 3, 100, seed) for seed in (0, 1)])
    for i in range(6):
        assert sorted(epochs[i]) == list(range(100))
        for j in range(i):
            assert np.count_nonzero(epochs[i] == epochs[j]) < 10
