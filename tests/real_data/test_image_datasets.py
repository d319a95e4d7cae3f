"""Data sets as such: the digits, checks, fingerprints, subsets and pools."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from real_data.datasets import ImageDataset, load, load_digits


def rows(images):
    return images.reshape(len(images), -1)


def tiny(num_train=12, **change):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (num_train + 3, 2, 4, 3), np.uint8)
    labels = np.arange(num_train + 3) % 3
    names = tuple(f"{n}.png" for n in range(num_train))
    data = ImageDataset(
        "tiny",
        images[:num_train],
        labels[:num_train],
        images[num_train:],
        labels[num_train:],
        3,
        ("a", "b", "c"),
        names,
    )
    return replace(data, **change)


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
    first, again, other = load_digits(0), load("digits"), load("digits", split_seed=1)
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
    other_shape = {part: getattr(data, part).reshape(-1, 4, 16, 1) for part in ("train_images", "test_images")}
    changed = [
        data,
        replace(data, test_images=pixels),
        replace(data, train_labels=labels),
        replace(data, train_labels=data.train_labels.astype(np.int32)),
        replace(data, **other_shape),
    ]
    assert len({one.fingerprint for one in changed}) == 5
    # scores belong to the training part: the second has the same
    assert len({one.train_fingerprint for one in changed}) == 4
    assert changed[1].train_fingerprint == data.train_fingerprint != data.fingerprint


def test_fingerprints_do_not_change_from_version_to_version():
    images, labels = np.array([1, 2], np.uint8).reshape(1, 1, 2, 1), np.zeros(1, np.int64)
    data = ImageDataset("two pixels", images, labels, images, labels, 1)
    part = b"|u1(1, 1, 2, 1)" + b"\x01\x02" + b"<i8(1,)" + bytes(8)
    assert data.train_fingerprint == hashlib.sha256(part).hexdigest()
    assert data.fingerprint == hashlib.sha256(part + part).hexdigest()


def test_fingerprint_is_of_values_not_of_memory():
    data = tiny()
    turned = np.asfortranarray(data.train_images)
    big = data.train_labels.astype(">i8")
    assert replace(data, train_images=turned, train_labels=big).fingerprint == data.fingerprint


def test_subset_keeps_names_and_the_test_set():
    data = tiny()
    part = data.subset([7, 2])
    np.testing.assert_array_equal(part.train_images, data.train_images[[7, 2]])
    assert part.train_labels.tolist() == [1, 2]
    assert part.train_names == ("7.png", "2.png")
    assert part.test_images is data.test_images
    assert part.class_names == data.class_names
    assert part.train_fingerprint != data.train_fingerprint == data.subset(np.arange(12)).train_fingerprint

    wrong = data.subset(np.array([7, 2]), np.array([0, 0]))
    assert wrong.train_labels.tolist() == [0, 0]
    assert wrong.train_fingerprint != part.train_fingerprint
    assert tiny(train_names=None).subset([1]).train_names is None

    with pytest.raises(ValueError, match=r"indices must lie in \[0, 12\), but indices\[1\] is 12"):
        data.subset([0, 12])
    with pytest.raises(ValueError, match=r"but indices\[0\] is -1"):
        data.subset([-1])
    with pytest.raises(ValueError, match=r"indices must be integers, at least one, got bool of shape \(12,\)"):
        data.subset(np.ones(12, bool))
    with pytest.raises(ValueError, match="indices must be integers, at least one"):
        data.subset(np.zeros(0, int))
    with pytest.raises(ValueError, match=r"train_labels must be integers of shape \(2,\), got int64 of shape \(1,\)"):
        data.subset([0, 1], [0])
    with pytest.raises(ValueError, match=r"train_labels must lie in \[0, 3\), but train_labels\[1\] is 3"):
        data.subset([0, 1], [0, 3])


def test_pool_is_stratified_seeded_and_nested():
    data = load_digits(0)
    pools = {size: data.pool(size, 5) for size in (1, 37, 400, 1200)}
    for size, pool in pools.items():
        assert pool.shape == (size,)
        assert np.all(np.diff(pool) > 0)
        exact = size * np.bincount(data.train_labels) / 1200
        assert np.all(np.abs(np.bincount(data.train_labels[pool], minlength=10) - exact) < 1)
    assert pools[1200].tolist() == list(range(1200))
    assert set(pools[37]) <= set(pools[400])
    np.testing.assert_array_equal(data.pool(37, 5), pools[37])
    assert set(data.pool(37, 6)) != set(pools[37])
    for size in (0, 1201):
        with pytest.raises(ValueError, match=rf"size must lie in \[1, 1200\], .* got {size}"):
            data.pool(size, 0)


def test_bad_data_is_named():
    data = load_digits(0)
    with pytest.raises(ValueError, match=r"num_train must lie in \[10, 1787\], got 1797"):
        load_digits(0, num_train=1797)
    with pytest.raises(ValueError, match=r"train_images must be .* uint8 or float32 .* got float64"):
        replace(data, train_images=data.train_images.astype(float))
    with pytest.raises(ValueError, match=r"test_labels must be integers of shape \(597,\), got int64 .*\(596,\)"):
        replace(data, test_labels=data.test_labels[1:])
    first = np.flatnonzero(data.train_labels == 9)[0]
    with pytest.raises(ValueError, match=rf"train_labels must lie in \[0, 9\), but train_labels\[{first}\] is 9"):
        replace(data, num_classes=9, class_names=None)
    labels = data.test_labels.copy()
    labels[4] = -1
    with pytest.raises(ValueError, match=r"test_labels must lie in \[0, 10\), but test_labels\[4\] is -1"):
        replace(data, test_labels=labels)
    with pytest.raises(ValueError, match=r"class_names must be 10 names, one per class, got 1"):
        replace(data, class_names=("0",))
    with pytest.raises(ValueError, match=r"train_names must be 1200 names, one per training image, got 2"):
        replace(data, train_names=("a", "b"))
    with pytest.raises(ValueError, match=r"one shape and type, got float32 of 8 x 8 x 1 and float32 of 4 x 16 x 1"):
        replace(data, test_images=data.test_images.reshape(-1, 4, 16, 1))
    with pytest.raises(ValueError, match=r"got float32 of 8 x 8 x 1 and uint8 of 8 x 8 x 1"):
        replace(data, test_images=data.test_images.astype(np.uint8))
    with pytest.raises(ValueError, match=r"test_images must be at least one image"):
        replace(data, test_images=data.test_images[:0], test_labels=data.test_labels[:0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_found(value):
    data = load_digits(0)
    images = data.train_images.copy()
    images[[11, 500], 3, 4, 0] = value
    with pytest.raises(ValueError, match=r"train_images must be finite, but 2 of 1200 .* is train_images\[11\]"):
        replace(data, train_images=images)
