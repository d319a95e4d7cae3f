"""Images decoded as needed: what is cut out, determinism, and files that cannot be read."""

import io
import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from real_data.datasets import ImageDataset, ImageFiles, image_files
from real_data.datasets.image_decoding import _random_box, center_crop, random_resized_crop, whole_image

SIZE = 32


def smooth(width, height, seed=0):
    """A picture without sharp edges, so that JPEG and resizing change little."""
    phases = np.random.default_rng(seed).uniform(0, 6, 3)
    y, x = np.mgrid[:height, :width] / max(width, height)
    waves = [np.sin(5 * x + 3 * y + p) + np.cos(4 * y - 2 * x + p) for p in phases]
    return (127.5 + 60 * np.stack(waves, axis=2)).astype(np.uint8)


def encoded(pixels, kind="PNG", **settings):
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for n in range(20):
        content = encoded(smooth(60 + 17 * n, 300 - 11 * n, n), "JPEG", quality=95)
        (folder / f"{n:02}.jpg").write_bytes(content)
    return folder


@pytest.fixture
def files(folder):
    paths = sorted(folder.iterdir())
    return ImageFiles.in_folders(paths, [path.name for path in paths], SIZE)


def test_the_centre_is_cut_out():
    # a square of 64 x 64 in the middle of 100 x 64; the crop takes 7/8 of it: 56 x 56, columns 22 to 78, rows 4 to 60
    pixels = np.zeros((64, 100, 3), np.uint8)
    pixels[4:60, 22:78] = (255, 128, 7)
    crop = center_crop(encoded(pixels), "x", 56)
    assert crop.shape == (56, 56, 3)
    assert np.all(crop == (255, 128, 7))
    pixels[4, 22], pixels[59, 77] = (1, 2, 3), (4, 5, 6)
    crop = center_crop(encoded(pixels), "x", 56)
    assert crop[0, 0].tolist() == [1, 2, 3]
    assert crop[-1, -1].tolist() == [4, 5, 6]
    # upright, the same turned
    turned = center_crop(encoded(pixels.transpose(1, 0, 2)), "x", 56)
    np.testing.assert_array_equal(turned, crop.transpose(1, 0, 2))


def test_small_images_are_enlarged():
    assert np.all(center_crop(encoded(np.full((3, 2, 3), 9, np.uint8)), "x", 16) == 9)
    assert np.all(random_resized_crop(encoded(np.full((1, 1, 3), 9, np.uint8)), "x", 16, 0) == 9)


@pytest.mark.parametrize("shape", [(1100, 700), (701, 1103), (257, 300)])
def test_a_jpeg_decoded_at_a_fraction_of_its_size_shows_the_same(shape):
    pixels = smooth(*shape)
    jpeg, png = encoded(pixels, "JPEG", quality=98), encoded(pixels)
    for seed in range(5):
        crops = [random_resized_crop(content, "x", SIZE, seed).astype(int) for content in (jpeg, png)]
        assert np.abs(crops[0] - crops[1]).max() <= 4
    centres = [center_crop(content, "x", SIZE).astype(int) for content in (jpeg, png)]
    assert np.abs(centres[0] - centres[1]).max() <= 4


def test_random_boxes_have_the_areas_and_ratios_they_should():
    rng = np.random.default_rng(0)
    boxes = np.array([_random_box(400, 300, rng) for _ in range(4000)])
    left, top, width, height = boxes.T
    assert np.all(left >= 0)
    assert np.all(top >= 0)
    assert np.all(left + width <= 400)
    assert np.all(top + height <= 300)
    area, ratio = width * height / 120_000, width / height
    assert area.min() > 0.075
    assert ratio.min() > 0.73
    assert ratio.max() < 1.36
    # boxes of up to 40% of the area always fit (253 pixels at most), so there areas are uniform: as many in the upper
    # half of that interval as in the lower, to 5 standard deviations; draws that do not fit are repeated, which only
    # adds to the share of 0.32 / 0.92
    low, high = np.sum((area > 0.08) & (area < 0.24)), np.sum((area > 0.24) & (area < 0.4))
    assert abs(low - high) < 5 * np.sqrt(low + high)
    assert (low + high) / 4000 > 0.32 / 0.92
    # in these, ratios are as often above 1 as below
    small = (area < 0.4) & (ratio != 1)
    assert abs(np.sum(ratio[small] > 1) - np.sum(ratio[small] < 1)) < 5 * np.sqrt(np.sum(small))
    # nothing fits: the largest central box with a ratio of 4/3 or 3/4
    assert _random_box(100, 3, rng) == (48, 0, 4, 3)
    assert _random_box(3, 100, rng) == (0, 48, 3, 4)


def test_small_files_are_decoded_by_one_thread(files, monkeypatch):
    def no_threads(num_threads):
        raise AssertionError("threads")

    monkeypatch.setattr(image_files, "ThreadPoolExecutor", no_threads)
    expected = replace(files, num_threads=1)[:3]
    monkeypatch.setattr(image_files, "SMALL", files.num_bytes.mean() - 1)
    with pytest.raises(AssertionError, match="threads"):
        files[:3]
    monkeypatch.setattr(image_files, "SMALL", files.num_bytes.mean() + 1)
    np.testing.assert_array_equal(files[:3], expected)


def test_crops_depend_on_their_seeds_alone(files):
    seeds = np.random.SeedSequence(5).generate_state(20)
    crops = files.crops(np.arange(20), seeds)
    assert crops.shape == (20, SIZE, SIZE, 3)
    order = np.random.default_rng(1).permutation(20)
    for num_threads in (1, 2, 7):
        other = replace(files, num_threads=num_threads)
        np.testing.assert_array_equal(other.crops(order, seeds[order]), crops[order])
        np.testing.assert_array_equal(other[order], files[order])
    again = files.crops([3, 3, 3], [7, 8, 7])
    np.testing.assert_array_equal(again[0], again[2])
    assert np.any(again[0] != again[1])
    with pytest.raises(ValueError, match=r"indices must lie in \[0, 20\), got 3 to 20"):
        files.crops([3, 20], [0, 0])
    with pytest.raises(ValueError, match=r"one each, got shapes \(2,\) and \(3,\)"):
        files.crops([3, 4], [0, 0, 0])


def test_it_is_indexed_like_an_array(files):
    assert files.shape == (20, SIZE, SIZE, 3)
    assert (files.ndim, files.dtype, len(files)) == (4, np.uint8, 20)
    everything = files[:]
    assert everything.shape == files.shape
    assert everything.dtype == files.dtype
    for index in (slice(3, 9, 2), np.array([5, 0, 5]), [4], -1, 7, np.array([[1, 2], [3, 4]]), np.arange(20) % 2 == 0):
        np.testing.assert_array_equal(files[index], everything[index])
    with pytest.raises(IndexError, match="index 20 is out of bounds"):
        files[20]
    with pytest.raises(TypeError, match="decoded when indexed"):
        np.asarray(files)


def test_fingerprint_is_of_names_sizes_and_labels(files):
    labels = np.arange(20) % 2
    data = ImageDataset("files", files, labels, files, labels, 2)
    resized = files.num_bytes.copy()
    resized[3] += 1
    renamed = ("other.jpg", *files.names[1:])
    changed = [
        data,
        replace(data, train_images=replace(files, names=renamed)),
        replace(data, train_images=replace(files, num_bytes=resized)),
        replace(data, train_images=replace(files, image_size=31), test_images=replace(files, image_size=31)),
        replace(data, train_labels=1 - labels),
        data.subset([1, 0, *range(2, 20)]),
    ]
    assert len({one.train_fingerprint for one in changed}) == 6
    # neither the place nor the number of threads counts, nor what the files hold
    moved = replace(files, places=(files.places[0] / "elsewhere",), num_threads=1)
    assert replace(data, train_images=moved).train_fingerprint == data.train_fingerprint


def test_subset_is_not_decoded(files):
    labels = np.arange(20) % 2
    data = ImageDataset("files", files, labels, files, labels, 2, train_names=files.names)
    part = data.subset([7, 2])
    assert isinstance(part.train_images, ImageFiles)
    assert part.train_names == part.train_images.names == ("07.jpg", "02.jpg")
    np.testing.assert_array_equal(part.train_images[:], files[[7, 2]])
    assert part.pool(1, 0).size == 1


def test_it_travels_to_other_processes(files):
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(files))[4:6], files[4:6])


def modes():
    colour = Image.fromarray(smooth(40, 40))
    gray = colour.convert("L")
    palette = colour.quantize(200)
    transparent = palette.copy()
    transparent.info["transparency"] = bytes(200)
    yield "gray", encoded(gray, "JPEG", quality=100), np.asarray(gray.convert("RGB"))
    yield "cmyk", encoded(colour.convert("CMYK"), "JPEG", quality=100), np.asarray(colour)
    yield "palette", encoded(palette, "PNG"), np.asarray(palette.convert("RGB"))
    yield "palette with transparency", encoded(transparent, "PNG", transparency=bytes(200)), None
    yield "alpha", encoded(colour.convert("RGBA"), "PNG"), np.asarray(colour)
    yield "gray with alpha", encoded(gray.convert("LA"), "PNG"), np.asarray(gray.convert("RGB"))
    yield "black and white", encoded(gray.convert("1"), "PNG"), np.asarray(gray.convert("1").convert("RGB"))
    yield "bmp", encoded(colour, "BMP"), np.asarray(colour)


MODES = list(modes())


@pytest.mark.parametrize(("content", "expected"), [row[1:] for row in MODES], ids=[row[0] for row in MODES])
def test_every_kind_of_image_becomes_rgb(content, expected):
    # 7/8 of 40 are 35 pixels
    crop = center_crop(content, "x", 35)
    assert crop.shape == (35, 35, 3)
    if expected is not None:
        centre = np.asarray(
            Image.fromarray(expected).resize((35, 35), Image.Resampling.BILINEAR, (2.5, 2.5, 37.5, 37.5))
        )
        assert np.abs(crop.astype(int) - centre.astype(int)).max() <= 6


@pytest.mark.parametrize("decode", [whole_image, lambda *image: center_crop(*image, 8)])
def test_what_cannot_be_decoded_is_named(decode):
    jpeg, png = encoded(smooth(200, 200), "JPEG"), encoded(smooth(200, 200))
    altered = bytearray(png)
    altered[len(png) // 2] ^= 255
    deep = encoded(Image.fromarray(np.zeros((9, 9), np.uint16)))
    for content, message in (
        (b"", "cannot identify"),
        (b"text, not an image", "cannot identify"),
        (jpeg[: len(jpeg) // 2], "truncated"),
        (png[: len(png) // 2], ""),
        (bytes(altered), ""),
        (deep, "pixels of mode I;16; at most 8 bits"),
    ):
        with pytest.raises(ValueError, match=rf"cat/1.png in there cannot be decoded: .*{message}"):
            decode(content, "cat/1.png in there")


def test_files_that_changed_are_named(tmp_path, folder, files):
    labels = np.zeros(20, int)
    labels[1:] = 1
    path = tmp_path / "a.jpg"
    path.write_bytes((folder / "00.jpg").read_bytes())
    changed = ImageFiles.in_folders([path], ["a.jpg"], SIZE)
    assert changed[:].shape == (1, SIZE, SIZE, 3)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(ValueError, match=r"a.jpg should have \d+ bytes, got \d+; was the file changed"):
        changed[:]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.jpg"):
        changed[:]
    for name, value in (("image_size", 0), ("image_size", 2.5), ("num_threads", 0)):
        with pytest.raises(ValueError, match=rf"{name} must be an integer of at least 1, got {value}"):
            replace(files, **{name: value})
    with pytest.raises(ValueError, match=r"offsets must have one entry for each of 20 names, got shape \(3,\)"):
        replace(files, offsets=np.zeros(3, np.int64))
