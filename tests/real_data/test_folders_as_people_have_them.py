"""Folders of images as people have them: layouts, captions, damaged files, photographs taken upright, pipes, copies."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from real_data import Experiment, TrainingRun, load
from real_data.datasets import image_decoding
from real_data.datasets.image_files import ImageFiles
from real_data.selection.kept_list import read_kept, write_kept
from real_data.training.examples import Examples

RNG = np.random.default_rng(0)


def write(folder, number, size=(6, 5), first=0):
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(first, first + number):
        Image.fromarray(RNG.integers(0, 256, (*size, 3), np.uint8)).save(folder / f"{n}.png")


def two_classes(path, number=3):
    for name in ("cat", "dog"):
        write(path / name, number)


@pytest.mark.parametrize("name", ["test", "val", "valid", "validation"])
def test_train_beside_any_customary_name(tmp_path, name):
    two_classes(tmp_path / "train")
    two_classes(tmp_path / name, 1)
    data = load("folder", tmp_path)
    assert (len(data.train_labels), len(data.test_labels)) == (6, 2)


def test_two_of_them_are_a_question(tmp_path):
    for name, number in (("train", 3), ("val", 2), ("test", 1)):
        two_classes(tmp_path / name, number)
    with pytest.raises(ValueError, match=r"has test and val beside train: say which .*--test-folder test"):
        load("folder", tmp_path)
    assert len(load("folder", tmp_path, test_folder="val").test_labels) == 4
    assert len(load("folder", tmp_path, test_folder="test").test_labels) == 2
    with pytest.raises(FileNotFoundError, match="must have a folder 'dev'"):
        load("folder", tmp_path, test_folder="dev")
    with pytest.raises(ValueError, match="test_folder is for folder, not for digits"):
        load("digits", test_folder="val")


def test_a_folder_without_division_says_what_is_set_aside(tmp_path):
    two_classes(tmp_path / "train")
    data = load("folder", tmp_path)  # train alone is divided, not taken for a class
    assert data.class_names == ("cat", "dog")
    (note,) = data.notes
    assert "2 of 6 images are set aside as test images" in note


def test_sub_folders_are_read_and_other_files_counted(tmp_path):
    write(tmp_path / "cat" / "2021" / "june", 2)
    write(tmp_path / "cat", 1, first=7)
    write(tmp_path / "dog", 3)
    for name in ("0.txt", "1.txt", "Thumbs.db"):
        (tmp_path / "cat" / name).write_text("a cat")
    (tmp_path / "cat" / ".DS_Store").write_text("")
    write(tmp_path / "cat" / ".thumbnails", 2)
    write(tmp_path, 1)
    (tmp_path / "cat" / "2021" / "round").symlink_to(tmp_path / "cat", target_is_directory=True)  # no end of it
    data = load("folder", tmp_path)
    names = sorted(data.train_names)
    assert len(data.train_labels) + len(data.test_labels) == 6
    assert {"cat/2021/june/0.png", "cat/2021/june/1.png", "cat/7.png"} & set(names)
    assert data.notes[:3] == (
        f"1 images beside the folders of the classes have no class and are left out: {tmp_path / '0.png'}",
        "3 files that are no images by their names were passed over: 1 .db, 2 .txt",
        "3 hidden files were passed over, whose names or folders begin with a dot",
    )


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    two_classes(tmp_path)
    write(tmp_path / "dog" / "locked", 1)
    scan = os.scandir

    def locked(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(PermissionError, match="locked"):
        load("folder", tmp_path)


def test_a_folder_with_bad_images_is_looked_through_once(tmp_path, monkeypatch):
    """Experiments read the same folder many times."""
    two_classes(tmp_path, 4)
    (tmp_path / "cat" / "cut.png").write_bytes(b"no image")
    looks = []
    look = ImageFiles.undecodable
    monkeypatch.setattr(ImageFiles, "undecodable", lambda self: looks.append(1) or look(self))
    for _ in range(3):
        data = load("folder", tmp_path, skip_undecodable=True)
        assert "1 images that cannot be decoded are left out: cat/cut.png" in " ".join(data.notes)
    assert len(looks) == 1


@pytest.mark.parametrize("image_size", [None, 4])
def test_all_undecodable_images_are_listed_before_anything_else(tmp_path, image_size):
    two_classes(tmp_path / "train")
    two_classes(tmp_path / "test", 2)
    photograph = Image.fromarray(RNG.integers(0, 256, (6, 5, 3), np.uint8))
    photograph.save(tmp_path / "train" / "cat" / "whole.jpg", quality=95)
    content = (tmp_path / "train" / "cat" / "whole.jpg").read_bytes()
    bad = [tmp_path / "train" / "cat" / "cut.jpg", tmp_path / "test" / "dog" / "cut.jpg"]
    for path in bad:
        path.write_bytes(content[: len(content) // 2])
    (tmp_path / "train" / "dog" / "text.png").write_text("not at all")
    with pytest.raises(ValueError, match=r"3 of 14 images in .* cannot be decoded") as refused:
        load("folder", tmp_path, image_size=image_size)
    for name in ("train/cat/cut.jpg", "test/dog/cut.jpg", "train/dog/text.png", "--skip-undecodable"):
        assert name in str(refused.value)
    data = load("folder", tmp_path, image_size=image_size, skip_undecodable=True)
    assert (len(data.train_labels), len(data.test_labels)) == (7, 4)
    assert "3 images that cannot be decoded are left out: " in data.notes[0]
    assert "train/cat/cut.jpg" not in data.train_names
    # it is part of the settings, and the images are what the fingerprint is of
    assert Experiment(dataset="folder", path="x", skip_undecodable=True) != Experiment(dataset="folder", path="x")
    assert TrainingRun(dataset="folder", path="x", test_folder="val").test_folder == "val"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright(tmp_path, orientation):
    """Each orientation as the camera stores it, by the definition of the EXIF tag: rows and columns of the scene."""
    scene = RNG.integers(0, 256, (4, 6, 3), np.uint8)
    stored = {
        1: scene,
        2: scene[:, ::-1],
        3: scene[::-1, ::-1],
        4: scene[::-1],
        5: scene.transpose(1, 0, 2),
        6: scene.transpose(1, 0, 2)[::-1],  # taken with the camera turned: the 0th row is the right side
        7: scene.transpose(1, 0, 2)[::-1, ::-1],
        8: scene.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[image_decoding.ORIENTATION] = orientation
    path = tmp_path / "x.png"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    np.testing.assert_array_equal(image_decoding.whole_image(path.read_bytes(), "x"), scene)
    square = image_decoding.center_crop(path.read_bytes(), "x", 4, 1.0)
    np.testing.assert_array_equal(square, scene[:, 1:5])


def test_what_is_no_regular_file_is_refused(tmp_path):
    two_classes(tmp_path)
    os.mkfifo(tmp_path / "cat" / "x.png")
    with pytest.raises(ValueError, match=r"x.png is called like an image but is no regular file"):
        load("folder", tmp_path)


def test_images_of_the_size_asked_for_stay_as_they_are(tmp_path):
    for name in ("train", "test"):
        for of_class in ("cat", "dog"):
            write(tmp_path / name / of_class, 2, (8, 8))
    asked, own = load("folder", tmp_path, image_size=8), load("folder", tmp_path)
    np.testing.assert_array_equal(asked.train_images[:], own.train_images)


def test_copies_of_test_images_among_the_training_images_are_named(tmp_path):
    two_classes(tmp_path / "train")
    two_classes(tmp_path / "test", 2)
    content = (tmp_path / "train" / "cat" / "1.png").read_bytes()
    (tmp_path / "test" / "dog" / "1.png").write_bytes(content)
    (note,) = load("folder", tmp_path).notes
    assert "1 test images are training images too" in note
    assert "test/dog/1.png is train/cat/1.png" in note


def test_huge_pictures_in_small_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(image_decoding, "MOST_PIXELS", 100)
    two_classes(tmp_path, 2)
    Image.new("L", (50, 50)).save(tmp_path / "cat" / "bomb.png")
    with pytest.raises(ValueError, match=r"bomb.png .*50 x 50 pixels; at most 100 are read"):
        load("folder", tmp_path)


def test_kept_lists_name_images_by_position_or_name(tmp_path):
    two_classes(tmp_path / "train")
    two_classes(tmp_path / "test", 1)
    data = load("folder", tmp_path)
    listed = tmp_path / "kept.txt"
    listed.write_text("4\n0\n\ntrain/cat/2.png\n")
    assert read_kept(listed, data).indices.tolist() == [0, 2, 4]
    for text, message in (
        ("6\n", r"line 1: positions must lie in \[0, 6\), got 6"),
        ("0\ntrain/cat/0.png\n", "line 2: the image of line 1 again"),
        ("bird\n", "line 1: 'bird' is neither a position nor the name"),
        ("\n", "names no image"),
        ("0\t1.5\n1\n", "line 2: all images must have a weight, or none"),
        ("0\t1.5\n1\theavy\n", "line 2: 'heavy' after the tab is not a weight"),
        ("0\t-1\n", r"line 1: weights must lie in \[1e-30, 1e\+30\], got -1"),
        ("0\tnan\n", r"line 1: weights must lie in .*, got nan"),
        ("0\t1e60\n", r"line 1: weights must lie in .*, got 1e60"),
    ):
        listed.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_kept(listed, data)


def test_kept_lists_carry_weights(tmp_path):
    """Names with blanks and tabs among them; what is written is read, to the last bit."""
    two_classes(tmp_path / "train")
    two_classes(tmp_path / "test", 1)
    (tmp_path / "train/cat/0.png").rename(tmp_path / "train/cat/a b\t2.png")
    data = load("folder", tmp_path)
    kept = Examples(np.array([0, 2, 3]), np.array([1 / 3, 1.1, 7.3e-5], np.float32))
    for names in (None, data.train_names):
        write_kept(tmp_path / "kept.txt", kept, names)
        found = read_kept(tmp_path / "kept.txt", data)
        np.testing.assert_array_equal(found.indices, kept.indices)
        np.testing.assert_array_equal(found.weights, kept.weights)
    write_kept(tmp_path / "kept.txt", Examples(kept.indices), data.train_names)
    assert read_kept(tmp_path / "kept.txt", data).weights is None


@pytest.mark.parametrize(
    "names", [("train", "testing"), ("Train", "Test"), ("training", "validation"), ("train", "dev")]
)
def test_parts_of_a_data_set_are_not_taken_for_classes(tmp_path, names):
    for name in names:
        two_classes(tmp_path / name)
    with pytest.raises(ValueError, match=r"are these classes or parts\?"):
        load("folder", tmp_path)
    if names == ("train", "dev"):
        assert load("folder", tmp_path, test_folder="dev").class_names == ("cat", "dog")


def test_copies_are_found_where_a_third_is_set_aside_too(tmp_path):
    two_classes(tmp_path)
    content = (tmp_path / "cat" / "0.png").read_bytes()
    for n in range(20):
        (tmp_path / "cat" / f"copy-{n}.png").write_bytes(content)
    assert any("test images are training images too" in note for note in load("folder", tmp_path).notes)


def test_a_damaged_exif_block_leaves_the_picture_as_it_is():
    scene = np.full((16, 16, 3), 200, np.uint8)
    file = io.BytesIO()
    Image.fromarray(scene).save(file, "JPEG", quality=95, exif=b"Exif\0\0garbage!")
    assert image_decoding.whole_image(file.getvalue(), "x").shape == (16, 16, 3)
    assert image_decoding.center_crop(file.getvalue(), "x", 8, 1.0).shape == (8, 8, 3)
