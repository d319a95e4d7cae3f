"""The digits: split, labels and fingerprint."""

from dataclasses import replace

import numpy as np
import pytest

from real_data import load_digits


def rows(images):
    return images.reshape(len(images), -1)


def test_split_is_stratified_and_complete():
    data = load_digits(3)
    assert data.train_images.shape == (1200, 8, 8, 1)
    assert data.test_images.shape == (597, 8, 8, 1)
    in_train, in_test = np.bincount(data.train_labels), np.bincount(data.test_labels)
    exact = 1200 * (in_train + in_test) / 1797
    assert np.all(np.abs(in_train - exact) < 1)
    # scikit-learn's class sizes, and its images, each used once (it has no two equal ones)
    assert (in_train + in_test).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    everything = np.concatenate([rows(data.train_images), rows(data.test_images)])
    assert len(np.unique(everything, axis=0)) == 1797
    assert everything.min() == 0
    assert everything.max() == 1


def test_split_is_a_function_of_its_seed():
    first, again, other = load_digits(0), load_digits(0), load_digits(1)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    np.testing.assert_array_equal(first.train_images, again.train_images)
    overlap = set(map(bytes, rows(first.test_images))) & set(map(bytes, rows(other.test_images)))
    # two independent test sets of 597 out of 1797 share 597^2 / 1797 = 198 +- 9
    assert abs(len(overlap) - 198) < 45


def test_fingerprint_sees_every_value():
    data = load_digits(0, num_train=100)
    assert len(data.train_labels) == 100
    pixels, labels = data.test_images.copy(), data.train_labels.copy()
    pixels[-1, -1, -1, -1] += 1 / 16
    labels[0] = (labels[0] + 1) % 10
    fingerprints = {
        data.fingerprint,
        replace(data, test_images=pixels).fingerprint,
        replace(data, train_labels=labels).fingerprint,
        replace(data, train_labels=data.train_labels.astype(np.int32)).fingerprint,
        replace(data, test_images=data.test_images.reshape(-1, 4, 16, 1)).fingerprint,
    }
    assert len(fingerprints) == 5


def test_bad_data_is_named():
    data = load_digits(0)
    with pytest.raises(ValueError, match=r"num_train must lie in \[10, 1787\], got 1797"):
        load_digits(0, num_train=1797)
    with pytest.raises(ValueError, match=r"train_images must be uint8 or float32 .* got float64"):
        replace(data, train_images=data.train_images.astype(float))
    with pytest.raises(ValueError, match=r"test_labels must be integers of shape \(597,\), got int64 .*\(596,\)"):
        replace(data, test_labels=data.test_labels[1:])
    with pytest.raises(ValueError, match=r"train_labels must be at least one, all in \[0, 9\)"):
        replace(data, num_classes=9)
