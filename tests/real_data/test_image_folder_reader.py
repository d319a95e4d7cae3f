"""Folders of images with one sub-folder for each class."""

import numpy as np
import pytest
from PIL import Image

from real_data.datasets import ImageFiles, image_folder, load

RNG = np.random.default_rng(0)


def write(folder, numbers, shape=(6, 5, 3), suffix=".png"):
    """Random images; returns the pixels of each by class and name."""
    pixels = {}
    for name, number in numbers.items():
        (folder / name).mkdir(parents=True)
        for n in range(number):
            image = RNG.integers(0, 256, shape, np.uint8)
            Image.fromarray(image).save(folder / name / f"{n:03}{suffix}")
            pixels[f"{name}/{n:03}{suffix}"] = image
    return pixels


def test_it_is_divided_by_class_and_seed(tmp_path):
    pixels = write(tmp_path / "pets", {"dog": 31, "cat": 60, "bird": 8})
    data = load("folder", tmp_path / "pets")
    assert data.name == "pets"
    assert data.class_names == ("bird", "cat", "dog")
    # a third of 99 is 33: of 8, 60 and 31 that is 2.67, 20 and 10.33
    assert np.bincount(data.test_labels).tolist() == [3, 20, 10]
    assert np.bincount(data.train_labels).tolist() == [5, 40, 21]
    assert list(data.train_names) == sorted(data.train_names)
    for n, name in enumerate(data.train_names):
        np.testing.assert_array_equal(data.train_images[n], pixels[name])
        assert data.class_names[data.train_labels[n]] == name.split("/")[0]
    # the rest is the test set
    rest = [pixels[name].tobytes() for name in sorted(set(pixels) - set(data.train_names))]
    assert [image.tobytes() for image in data.test_images] == rest
    again, other = (load("folder", str(tmp_path / "pets"), split_seed=seed) for seed in (0, 1))
    assert again.fingerprint == data.fingerprint
    assert set(other.train_names) != set(data.train_names)


@pytest.mark.parametrize("image_size", [None, 4])
def test_train_and_test_folders_are_the_division(tmp_path, image_size):
    train = write(tmp_path / "train", {"b": 2, "a": 3})
    test = write(tmp_path / "test", {"b": 1})
    write(tmp_path / "notes", {"x": 1})  # beside them, passed over
    (tmp_path / "train" / "README.txt").write_text("passed over")
    (tmp_path / "train" / "a" / ".DS_Store").write_text("passed over")
    (tmp_path / "train" / ".cache").mkdir()
    data = load("folder", tmp_path, image_size=image_size, split_seed=5)
    assert data.train_names == (
        "train/a/000.png",
        "train/a/001.png",
        "train/a/002.png",
        "train/b/000.png",
        "train/b/001.png",
    )
    assert data.train_labels.tolist() == [0, 0, 0, 1, 1]
    assert data.test_labels.tolist() == [1]
    assert data.fingerprint == load("folder", tmp_path, image_size=image_size).fingerprint
    if image_size is None:
        np.testing.assert_array_equal(data.train_images, list(train.values())[2:] + list(train.values())[:2])
        np.testing.assert_array_equal(data.test_images, list(test.values()))
    else:
        assert isinstance(data.train_images, ImageFiles)
        assert isinstance(data.test_images, ImageFiles)
        assert data.train_images[:].shape == (5, 4, 4, 3)
        assert data.test_images[:].shape == (1, 4, 4, 3)


def test_gray_images_keep_one_channel(tmp_path):
    gray = write(tmp_path, {"a": 4}, (6, 5))
    data = load("folder", tmp_path)
    assert data.train_images.shape == (3, 6, 5, 1)
    np.testing.assert_array_equal(data.train_images[0, ..., 0], gray[data.train_names[0]])
    # one image in colour, wherever it is, and all have three
    colour = write(tmp_path, {"b": 1})
    mixed = load("folder", tmp_path)
    assert mixed.train_images.shape[1:] == mixed.test_images.shape[1:] == (6, 5, 3)
    everything = {image.tobytes() for image in np.concatenate([mixed.train_images, mixed.test_images])}
    assert everything == {np.repeat(i[..., None], 3, 2).tobytes() for i in gray.values()} | {
        colour["b/000.png"].tobytes()
    }


def test_images_of_many_sizes_need_image_size(tmp_path, monkeypatch):
    write(tmp_path, {"a": 3})
    write(tmp_path, {"b": 3}, (7, 5, 3), ".JPEG")
    with pytest.raises(ValueError, match=r"a/000.png has 5 x 6 pixels, b/000.JPEG has 5 x 7; give image_size"):
        load("folder", tmp_path)
    assert load("folder", tmp_path, image_size=3).train_images.shape == (4, 3, 3, 3)
    monkeypatch.setattr(image_folder, "MOST_BYTES", 539)
    with pytest.raises(ValueError, match=r"6 images of 5 x 6 pixels are more than .* GiB; give image_size"):
        load("folder", tmp_path)


def test_what_is_not_such_a_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="path must be given for folder"):
        load("folder")
    with pytest.raises(FileNotFoundError, match=r"absent is not a folder"):
        load("folder", tmp_path / "absent")
    with pytest.raises(ValueError, match=r"has no sub-folders; it must have one for each class"):
        load("folder", tmp_path)
    write(tmp_path, {"a": 2})
    with pytest.raises(ValueError, match=r"has 2 images; at least 3 are needed"):
        load("folder", tmp_path)
    (tmp_path / "b").mkdir()
    with pytest.raises(ValueError, match=r"b has no images"):
        load("folder", tmp_path)
    (tmp_path / "b" / "labels.csv").write_text("1,2")
    with pytest.raises(ValueError, match=r"b has no images, no file that ends in .bmp, "):
        load("folder", tmp_path)
    (tmp_path / "b" / "0.png").write_bytes((tmp_path / "a" / "000.png").read_bytes()[:40])
    with pytest.raises(ValueError, match=r"b/0.png in .*b cannot be decoded: "):
        load("folder", tmp_path)


def test_a_class_of_the_test_set_needs_training_images(tmp_path):
    write(tmp_path / "train", {"a": 1})
    write(tmp_path / "test", {"a": 1, "b": 1})
    with pytest.raises(ValueError, match=r"test has a class 'b' that .*train has not"):
        load("folder", tmp_path)
