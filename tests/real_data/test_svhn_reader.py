"""SVHN, on .mat files of the real format with few images."""

import numpy as np
import pytest
from scipy.io import savemat

from real_data.datasets import load, mat_file, read_svhn

RNG = np.random.default_rng(0)


def part(number):
    labels = RNG.integers(1, 11, (number, 1), np.uint8)
    labels[0] = 10
    return {"X": RNG.integers(0, 256, (32, 32, 3, number), np.uint8), "y": labels}


PARTS = {"train": part(6), "test": part(4), "extra": part(5)}


def write(folder, **change):
    for name, content in (PARTS | change).items():
        savemat(folder / f"{name}_32x32.mat", content, do_compression=True)
    return folder


def test_files_as_published(tmp_path):
    data = load("svhn", write(tmp_path))
    assert data.train_images.shape == (6, 32, 32, 3)
    assert data.train_images[4, 30, 2, 1] == PARTS["train"]["X"][30, 2, 1, 4]
    np.testing.assert_array_equal(data.test_images, np.moveaxis(PARTS["test"]["X"], 3, 0))
    assert data.train_images.flags.c_contiguous
    # ten is the digit 0
    assert data.test_labels.tolist() == [int(x) % 10 for x in PARTS["test"]["y"][:, 0]]
    assert data.test_labels[0] == 0
    assert data.train_labels.dtype == np.int64


def test_extra_images_follow_the_training_images(tmp_path):
    data = load("svhn-extra", write(tmp_path))
    both = np.concatenate([PARTS["train"]["X"], PARTS["extra"]["X"]], axis=3)
    np.testing.assert_array_equal(data.train_images, np.moveaxis(both, 3, 0))
    assert data.train_labels.size == 11
    assert data.test_labels.size == 4
    (tmp_path / "extra_32x32.mat").unlink()
    assert read_svhn(tmp_path).train_labels.size == 6
    with pytest.raises(FileNotFoundError, match=r"has no file extra_32x32\.mat"):
        read_svhn(tmp_path, extra=True)


@pytest.mark.parametrize("content", ["half", "all but the end", "altered", "empty", "text"])
def test_damaged_files_are_named(tmp_path, content):
    path = write(tmp_path) / "test_32x32.mat"
    whole = path.read_bytes()
    altered = bytearray(whole)
    altered[len(whole) // 2] ^= 255
    path.write_bytes(
        {
            "half": whole[: len(whole) // 2],
            "all but the end": whole[:-3],
            "altered": bytes(altered),
            "empty": b"",
            "text": b"not a mat file at all\n" * 30,
        }[content]
    )
    with pytest.raises(ValueError, match=r"test_32x32\.mat: (truncated, altered or no .mat file|the .mat file has no)"):
        read_svhn(tmp_path)


def test_a_file_that_unpacks_to_anything_is_refused(tmp_path, monkeypatch):
    """The bound, here so low that the files of these tests are beyond it."""
    monkeypatch.setattr(mat_file, "MOST", 1e-4)
    with pytest.raises(ValueError, match=r"test_32x32\.mat unpacks to more than 0\.0001 times the 80,178,560 bytes"):
        read_svhn(write(tmp_path))


def test_variables_are_checked(tmp_path):
    images, labels = PARTS["train"]["X"], PARTS["train"]["y"]

    def read(**content):
        return read_svhn(write(tmp_path, train=content))

    with pytest.raises(ValueError, match=r"train_32x32.mat: the .mat file has no variable y"):
        read(X=images)
    with pytest.raises(ValueError, match=r"train_32x32.mat: the .mat file has no variable X"):
        read(y=labels)
    with pytest.raises(ValueError, match=r"X must be uint8 of shape \(32, 32, 3, num\), got float64"):
        read(X=images.astype(float), y=labels)
    with pytest.raises(ValueError, match=r"X must be uint8 .*, got uint8 of shape \(6, 32, 32, 3\)"):
        read(X=np.moveaxis(images, 3, 0), y=labels)
    with pytest.raises(ValueError, match=r"y must be 6 numbers, as many as images, got uint8 of shape \(5, 1\)"):
        read(X=images, y=labels[1:])
    for bad in (0, 11):
        wrong = labels.copy()
        wrong[3] = bad
        with pytest.raises(ValueError, match=rf"train_32x32.mat: label {bad} at record 3, allowed are 1 to 10"):
            read(X=images, y=wrong)
    with pytest.raises(ValueError, match=r"label 2.5 at record 0"):
        read(X=images, y=labels - 7.5)
