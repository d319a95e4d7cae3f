"""IDX files, and Fashion-MNIST."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from real_data.datasets import load, read_fashion_mnist, read_idx

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 28, 28), np.uint8)
LABELS = np.array([9, 0, 3, 3, 1], np.uint8)


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(folder, compressed=True, **change):
    for name, array in (
        ("train-images-idx3-ubyte", IMAGES),
        ("train-labels-idx1-ubyte", LABELS),
        ("t10k-images-idx3-ubyte", IMAGES[::-1]),
        ("t10k-labels-idx1-ubyte", LABELS[::-1]),
    ):
        content = change.get(name.split("-idx")[0].replace("-", "_"), idx(array))
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("compressed", [True, False])
def test_files_as_published(tmp_path, compressed):
    data = load("fashion-mnist", write(tmp_path, compressed))
    np.testing.assert_array_equal(data.train_images, IMAGES[..., None])
    np.testing.assert_array_equal(data.test_images, IMAGES[::-1, ..., None])
    assert data.train_labels.tolist() == [9, 0, 3, 3, 1]
    assert data.test_labels.tolist() == [1, 3, 3, 0, 9]
    assert data.train_labels.dtype == np.int64
    assert data.class_names[9] == "ankle boot"


def test_the_real_images():
    if not DEBIAN.is_dir():
        pytest.skip(f"Debian's package dataset-fashion-mnist is not installed: no folder {DEBIAN}")
    data = read_fashion_mnist(DEBIAN)
    assert data.train_images.shape == (60000, 28, 28, 1)
    assert np.bincount(data.train_labels).tolist() == [6000] * 10
    assert np.bincount(data.test_labels).tolist() == [1000] * 10
    # mean and standard deviation of the training pixels, as everybody standardises with: 0.2860 and 0.3530
    assert data.train_images.mean() / 255 == pytest.approx(0.2860, abs=5e-5)
    assert data.train_images.std() / 255 == pytest.approx(0.3530, abs=5e-5)
    # ankle boots are high, trousers narrow: mean image of a class, brightest column and share of the outer columns
    boots, trousers = (data.train_images[data.train_labels == c].mean(axis=0)[..., 0] for c in (9, 1))
    assert trousers[:, 8:20].sum() > 0.85 * trousers.sum() > 0.85 * boots[:, 8:20].sum()
    assert data.fingerprint == "e82adc0c97c6273e3db09f058ebe2cde03fe9e1df16f9d9054d558032e2a0f39"


def test_it_is_found_where_debian_puts_it(tmp_path, monkeypatch):
    if not DEBIAN.is_dir():
        pytest.skip(f"Debian's package dataset-fashion-mnist is not installed: no folder {DEBIAN}")
    monkeypatch.setenv("DATA_PRUNING_DATA", str(tmp_path))
    assert len(load("fashion-mnist").train_labels) == 60000
    # the data folder comes first
    (tmp_path / "fashion-mnist").mkdir()
    write(tmp_path / "fashion-mnist")
    assert len(load("fashion-mnist").train_labels) == 5


@pytest.mark.parametrize("compress", [gzip.compress, bytes], ids=["gz", "plain"])
def test_damaged_idx_files_are_named(tmp_path, compress):
    path = tmp_path / "images"
    whole = idx(IMAGES)

    def read(content):
        path.write_bytes(compress(content))
        return read_idx(path, num_axes=3)

    np.testing.assert_array_equal(read(whole), IMAGES)
    with pytest.raises(ValueError, match=r"images: bad magic number 00000801 at offset 0, expected 00000803"):
        read(idx(LABELS))
    with pytest.raises(ValueError, match=r"images: bad magic number 00000d03"):  # float32
        read(whole[:2] + b"\x0d" + whole[3:])
    with pytest.raises(ValueError, match=r"images: bad magic number nothing"):
        read(b"")
    with pytest.raises(ValueError, match=r"images: the header ends at offset 10, expected 16 bytes"):
        read(whole[:10])
    with pytest.raises(ValueError, match=r"gives 5 x 28 x 28 = 3920 bytes, got 3919 from offset 16 on"):
        read(whole[:-1])
    with pytest.raises(ValueError, match=r"gives 5 x 28 x 28 = 3920 bytes, got more from offset 16 on"):
        read(whole + b"\0")
    with pytest.raises(ValueError, match=r"images: the header at offset 4 gives 4294967295 x"):
        read(whole[:4] + b"\xff" * 12 + whole[16:])


def test_damaged_gzip_files_are_named(tmp_path):
    path = tmp_path / "images.gz"
    whole = gzip.compress(idx(IMAGES))
    altered = bytearray(whole)
    altered[len(whole) // 2] ^= 1
    for content in (whole[:-1], whole[:-9], whole[:1000], bytes(altered), whole[:-8] + bytes(4) + whole[-4:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"images\.gz: the gzip file is truncated or altered: "):
            read_idx(path, num_axes=3)


def test_images_and_labels_must_fit(tmp_path):
    with pytest.raises(ValueError, match=r"train-labels-idx1-ubyte.gz: 4 labels for the 5 images of train-images-idx3"):
        read_fashion_mnist(write(tmp_path, train_labels=idx(LABELS[1:])))
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte.gz: label 10 at offset 11, image 3"):
        read_fashion_mnist(write(tmp_path, t10k_labels=idx(np.array([0, 0, 0, 10, 11], np.uint8))))
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte.gz: images must be of 28 x 28 pixels, got 28 x 27"):
        read_fashion_mnist(write(tmp_path, t10k_images=idx(IMAGES[:, 1:])))
    write(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no file t10k-images-idx3-ubyte.gz or t10k-images-idx3-ubyte$"):
        read_fashion_mnist(tmp_path)
