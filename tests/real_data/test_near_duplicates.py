"""Near-duplicates: planted copies are found, stars are no chains, and the order of images does not matter."""

import csv
import io
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from real_data import DuplicateConfig, Duplicates, ImageDataset, find_duplicates, load
from real_data.__main__ import cli
from real_data.duplicates import candidates
from real_data.duplicates.candidates import PairList, all_blocks, nearest, pairs_above
from real_data.duplicates.cells import Cells, usual_num_cells
from real_data.duplicates.exact_copies import Contents, digests_of
from real_data.duplicates.stars import stars
from real_data.duplicates.thumbnails import Boxes, area_means, read_thumbnails
from real_data.duplicates.whitening import fit_whitening, unit_rows
from real_data.selection.kept_list import read_kept


def pictures(num, seed, size=32, channels=3):
    """Smooth random images with the falling spectrum of photographs."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)) * size
    spectrum = np.fft.rfft2(rng.standard_normal((num, channels, size, size))) / (1 + frequency) ** 1.5
    smooth = np.fft.irfft2(spectrum, (size, size))
    smooth += 0.7 * smooth.mean(axis=1, keepdims=True)
    pixels = 128 + 45 * smooth / smooth.std(axis=(1, 2, 3), keepdims=True)
    return np.clip(pixels, 0, 255).round().astype(np.uint8).transpose(0, 2, 3, 1)


def dataset(train, test, train_labels=None, test_labels=None, **more):
    labels = [np.arange(len(x)) % 3 if y is None else y for x, y in ((train, train_labels), (test, test_labels))]
    return ImageDataset("made up", train, labels[0], test, labels[1], 3, **more)


def jpeg(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=75)
    return np.asarray(Image.open(file))


CHANGES = {
    "exact": lambda x: x,
    "jpeg": lambda x: np.stack([jpeg(image) for image in x]),
    "shifted 1": lambda x: np.roll(x, 1, axis=2),
    "shifted 2": lambda x: np.roll(x, 2, axis=1),
    "brighter": lambda x: np.clip(1.25 * x.astype(float) + 10, 0, 255).astype(np.uint8),
    "mirrored": lambda x: x[:, :, ::-1],
}
TRAIN = pictures(600, 0)
SOURCES = np.arange(20) * 30


@pytest.mark.parametrize("change", CHANGES)
def test_the_source_of_a_changed_copy_is_its_nearest_neighbour(change):
    """20 of 20 each, among 600; a mirrored one only where mirrored ones are compared."""
    test = np.concatenate([CHANGES[change](TRAIN[SOURCES]), pictures(60, 1)])
    data = dataset(TRAIN, test)
    for mirror in (False, True):
        found = find_duplicates(data, DuplicateConfig(flag=20, where=("train-test",), mirror=mirror))
        first = {int(of): int(image) for image, of in zip(found.pairs.image[::-1], found.pairs.of[::-1], strict=True)}
        right = sum(first.get(n) == source for n, source in enumerate(SOURCES))
        if change == "mirrored" and not mirror:
            assert right <= 2  # by chance
        else:
            assert right == 20, (mirror, right)
            assert found.num_flagged == 20
            assert np.all(found.pairs.exact == (change == "exact"))
            assert np.all(found.pairs.mirrored == (change == "mirrored"))


def test_parts_of_pixels_count_by_their_area():
    # 3 pixels a, b, c in 2 parts: (a + b/2) / 1.5 and (b/2 + c) / 1.5
    row = np.array([[[[3.0], [6.0], [9.0]]]])
    np.testing.assert_allclose(area_means(row, 2)[0, 0, :, 0], [4, 8], rtol=1e-6)
    np.testing.assert_allclose(area_means(row, 6)[0, 0, :, 0], [3, 3, 6, 6, 9, 9], rtol=1e-6)
    # the right half: from the middle of b on
    half = Boxes(*(np.array([x]) for x in (0.0, 0.5, 1.0, 0.5)))
    np.testing.assert_allclose(area_means(row, 1, half)[0, 0, 0, 0], (3 + 9) / 1.5, rtol=1e-6)
    np.testing.assert_allclose(area_means(TRAIN[:5], 8), TRAIN[:5].reshape(5, 8, 4, 8, 4, 3).mean((2, 4)), rtol=1e-5)
    assert area_means(pictures(2, 0, 5, 1), 8).shape == (2, 8, 8, 1)


def chain():
    """Three embeddings: a-b and b-c at 40 degrees, a-c at 80; and one far from all."""
    angles = np.deg2rad([0, 40, 80, 220])
    return np.column_stack([np.cos(angles), np.sin(angles)])


def test_a_chain_is_two_stars():
    scores = {"a": [3, 2, 1, 0], "b": [2, 3, 1, 0], "c": [1, 2, 3, 0]}
    kept = {}
    for hardest, values in scores.items():
        config = DuplicateConfig(0.7, where=("train-train",), keep="hardest")
        found = find_duplicates(None, config, embeddings=chain(), scores=values)
        kept[hardest] = np.flatnonzero(found.kept).tolist()
        assert len(found.pairs) == 2  # not a-c
    # from the ends: a star and an image by itself; from the middle: all are within the threshold of it
    assert kept == {"a": [0, 2, 3], "b": [1, 3], "c": [0, 2, 3]}


def test_every_dropped_one_is_near_its_kept_one_and_kept_ones_are_apart():
    rng = np.random.default_rng(3)
    rows = unit_rows(rng.standard_normal((300, 4)))
    cosines = rows @ rows.T
    i, j = np.nonzero(np.triu(cosines >= 0.9, 1))
    preference = rng.permutation(300).astype(float)
    of, cosine = stars(300, PairList(i, j, cosines[i, j]), preference)
    kept = np.flatnonzero(of < 0)
    assert 0 < kept.size < 290
    for n in np.flatnonzero(of >= 0):
        assert of[of[n]] == -1
        assert cosines[n, of[n]] >= 0.9
        assert cosines[n, of[n]] == cosines[n, kept].max() == cosine[n]
    among_kept = cosines[np.ix_(kept, kept)][np.triu_indices(kept.size, 1)]
    assert among_kept.max() < 0.9
    assert of[np.argmax(preference)] == -1


@pytest.mark.parametrize("keep", ["farthest", "hardest"])
def test_the_order_of_images_does_not_matter(keep):
    """The same stars bit for bit, also with cells, ties of the scores and exact copies."""
    rng = np.random.default_rng(5)
    some = TRAIN[:200]
    train = np.concatenate([some, np.roll(some[:40], 1, axis=1), some[:5], np.roll(some[:20], -1, axis=2)])
    test = np.concatenate([np.roll(some[50:60], 1, axis=1), pictures(20, 9)])
    score = np.round(rng.random(len(train)))
    score[240:245] = score[:5]
    labels = rng.integers(0, 3, len(train))
    for num_cells in (1, 5):
        config = DuplicateConfig(0.8, keep=keep, num_cells=num_cells, mirror=True)
        outcomes = []
        for order in (np.arange(len(train)), rng.permutation(len(train))):
            data = dataset(train[order], test, labels[order])
            found = find_duplicates(data, config, scores=None if keep == "farthest" else score[order])
            contents = digests_of(train[order])
            table = found.dropped
            others = np.where(table.in_test, b"test", contents[np.where(table.in_test, 0, table.of)])
            rows = sorted(zip(contents[table.image], others, table.similarity, strict=True))
            outcomes.append((rows, sorted(contents[found.kept])))
        assert outcomes[0] == outcomes[1]
        assert len(outcomes[0][0]) > 50


def test_blocks_find_what_all_cosines_hold(monkeypatch):
    monkeypatch.setattr(candidates, "ROWS", 7)
    monkeypatch.setattr(candidates, "COLUMNS", 11)
    rng = np.random.default_rng(0)
    a, b = (unit_rows(rng.standard_normal((n, 3))) for n in (40, 50))
    cosines = a @ b.T
    near = nearest(a, b, all_blocks(40, 50), within=False)
    np.testing.assert_allclose(near[0], cosines.max(axis=1), atol=1e-6)
    np.testing.assert_allclose(near[1], cosines.max(axis=0), atol=1e-6)
    found = pairs_above(a, b, all_blocks(40, 50), 0.95, near, within=False)
    assert set(zip(found.row, found.column, strict=True)) == set(zip(*np.nonzero(cosines >= 0.95), strict=True))
    own = a @ a.T - 3 * np.eye(40)
    near = nearest(a, a, all_blocks(40), within=True)
    np.testing.assert_allclose(near[0], own.max(axis=1), atol=1e-6)
    found = pairs_above(a, a, all_blocks(40), 0.95, near, within=True)
    assert set(zip(found.row, found.column, strict=True)) == set(zip(*np.nonzero(np.triu(own >= 0.95)), strict=True))
    monkeypatch.setattr(candidates, "MOST_PAIRS", 10)
    with pytest.raises(ValueError, match="threshold must be higher: more than 10 pairs"):
        pairs_above(a, a, all_blocks(40), 0.5, near, within=True)


def test_cells_lose_little_and_say_how_much():
    rows = unit_rows(np.random.default_rng(1).standard_normal((3000, 16)))
    rows = rows[np.argsort(digests_of(rows))]
    shares = {probes: Cells.fit(rows, 30, probes, 0).share_lost(rows, 0.8, 0) for probes in (1, 2, 30)}
    assert shares[30] == (0, 0)
    assert 0 < shares[2][0] < 0.6 * shares[1][0]
    # as predicted: copies at exactly this cosine, among the rows, found by a search with these cells
    rng = np.random.default_rng(2)
    sources = rows[rng.integers(0, 3000, 1000)]
    away = rng.standard_normal(sources.shape)
    away = unit_rows(away - np.sum(away * sources, axis=1, keepdims=True) * sources)
    copies = unit_rows(0.8 * sources + 0.6 * away)
    cells = Cells.fit(rows, 30, 2, 0)
    near, _ = nearest(copies, rows, cells.blocks(cells.probes(copies), cells.probes(rows)), within=False)
    lost = np.mean(near < 0.8 - 1e-5)
    bound = 4 * np.hypot(shares[2][1], np.sqrt(lost * (1 - lost) / 1000))  # false alarms: 1 in 10,000
    assert abs(lost - shares[2][0]) < bound
    with pytest.raises(ValueError, match="num_cells must be at most the number of different rows, 3000, got 3001"):
        Cells.fit(rows, 3001, 2, 0)
    assert [usual_num_cells(n) for n in (100_000, 1_000_000)] == [1, 1414]


def test_as_many_cells_as_are_probed_find_all_pairs(tmp_path):
    data = dataset(np.concatenate([TRAIN[:100], np.roll(TRAIN[:50], 1, axis=1)]), np.roll(TRAIN[40:70], 1, axis=2))
    tables = []
    for num_cells in (1, 4):
        found = find_duplicates(data, DuplicateConfig(0.7, keep="first", num_cells=num_cells, num_probes=4))
        tables.append(found.pairs)
        assert [(cosine, share) for cosine, share, _ in found.lost] == ([] if num_cells == 1 else [(0.7, 0), (0.85, 0)])
        again = Duplicates.load(found.save(tmp_path / str(num_cells), data)[1])
        assert again.lost == found.lost
    for name in ("image", "of", "in_test", "dropped"):
        np.testing.assert_array_equal(getattr(tables[0], name), getattr(tables[1], name))


def test_training_images_like_test_images_are_dropped_and_no_others_for_it():
    """x is like the test image, y like x alone: y stays.  A copy of x goes with it."""
    angles = np.deg2rad([30, 60, 30, 150])  # x, y, a copy of x, another
    train = np.column_stack([np.cos(angles), np.sin(angles)])
    test = np.array([[1.0, 0.0], [0.0, -1.0]])
    pixels = pictures(5, 0)
    data = dataset(pixels[[0, 1, 0, 2]], pixels[3:5])
    found = find_duplicates(
        data, DuplicateConfig(0.8, keep="first"), thumbnails=False, embeddings=train, test_embeddings=test
    )
    np.testing.assert_array_equal(found.kept, [False, True, False, True])
    rows = [(int(p.image), int(p.of), bool(p.in_test)) for p in (found.dropped[n] for n in range(2))]
    assert sorted(rows) == [(0, 0, True), (2, 0, True)]
    assert found.num_flagged == 1
    apart = find_duplicates(
        data,
        DuplicateConfig(0.8, where=("train-train",), keep="first"),
        thumbnails=False,
        embeddings=train,
    )
    np.testing.assert_array_equal(apart.kept, [True, False, False, True])
    assert apart.nearest_test is None


def test_exact_copies_need_no_threshold():
    train, test = np.concatenate([TRAIN[:50], TRAIN[:3], TRAIN[:1]]), np.concatenate([TRAIN[10:12], pictures(5, 4)])
    found = find_duplicates(dataset(train, test), DuplicateConfig())
    assert found.threshold is None
    assert sorted(np.flatnonzero(~found.kept)) == [10, 11, 50, 51, 52, 53]
    assert found.pairs.exact.all()
    assert Contents.of(digests_of(train)).first.size == 50
    assert found.curve([0.999])[0] == (0.999, 2, 7)


def test_the_number_flagged_is_that_asked_for():
    data = dataset(TRAIN[:300], pictures(200, 7))
    found = find_duplicates(data, DuplicateConfig(flag=30))
    assert found.num_flagged == 30
    assert found.curve([found.threshold])[0][1] == 30
    apart = find_duplicates(data, DuplicateConfig(flag=30, where=("train-train",)))
    assert apart.nearest_test is None
    assert apart.curve([apart.threshold])[0][2] in (30, 31)  # two that are nearest to each other are flagged together
    with pytest.raises(ValueError, match="at most the number of images that may be flagged, 200, got 201"):
        find_duplicates(data, DuplicateConfig(flag=201))


def test_an_image_is_no_duplicate_of_itself_at_any_threshold():
    """Two different images are opposite to each other, whitened: the threshold that flags them is below -1."""
    found = find_duplicates(dataset(TRAIN[:2], TRAIN[2:3]), DuplicateConfig(flag=1, where=("train-train",)))
    assert found.threshold < -1
    np.testing.assert_array_equal(np.sort([found.pairs.image, found.pairs.of], axis=0), [[0], [1]])
    assert found.kept.sum() == 1


def test_which_is_kept_is_a_choice(tmp_path):
    """Files of 40, 80 and 60 pixels, of one picture, and others of 40."""
    big = pictures(60, 0, 80)
    others = [(n, 40) for n in range(1, 50)]
    for part, chosen in (("train", [(0, 40), (0, 80), (0, 60), *others]), ("test", [(50, 40)])):
        folder = tmp_path / part / "a"
        folder.mkdir(parents=True)
        for n, (number, size) in enumerate(chosen):
            image = Image.fromarray(big[number]).resize((size, size), Image.Resampling.BOX)
            image.save(folder / f"{n:02d}.png")
    data = load("folder", tmp_path, image_size=32)
    kept = {}
    for keep in ("first", "largest", "hardest", "easiest"):
        scores = np.array([2.0, 1.0, 3.0, *np.zeros(49)]) if keep in ("hardest", "easiest") else None
        found = find_duplicates(data, DuplicateConfig(0.9, keep=keep), scores=scores)
        assert found.kept[3:].all()
        kept[keep] = np.flatnonzero(found.kept[:3]).tolist()
    assert kept == {"first": [0], "largest": [1], "hardest": [2], "easiest": [1]}
    # farthest from the centroid: of the star of three directions that which is least like the mean of all
    rows = np.deg2rad([0, 10, 20, 90])
    rows = np.column_stack([np.cos(rows), np.sin(rows)])
    found = find_duplicates(None, DuplicateConfig(0.9, where=("train-train",)), embeddings=rows)
    assert np.flatnonzero(found.kept).tolist() == [0, 3]
    with pytest.raises(ValueError, match="of one size"):
        find_duplicates(dataset(TRAIN[:9], TRAIN[9:12]), DuplicateConfig(0.9, keep="largest"))
    for keep, scores in (("hardest", None), ("first", np.ones(9)), ("hardest", np.full(9, np.nan))):
        with pytest.raises(ValueError, match="scores"):
            find_duplicates(dataset(TRAIN[:9], TRAIN[9:12]), DuplicateConfig(0.9, keep=keep), scores=scores)


def test_files_hold_pairs_and_a_list_that_others_read(tmp_path):
    train = np.concatenate([TRAIN[:60], np.roll(TRAIN[:6], 1, axis=1)])
    names = tuple(f"train/{n}.png" for n in range(len(train)))
    labels = np.zeros(len(train), int)
    labels[60] = 2  # the copy of image 0 has another label
    data = dataset(train, np.roll(TRAIN[20:22], 1, axis=1), labels, np.zeros(2, int), train_names=names)
    found = find_duplicates(data, DuplicateConfig(0.8, keep="first"))
    files = found.save(tmp_path, data)
    assert [file.name for file in files] == ["pairs.csv", "duplicates.nc", "kept.txt", "kept.names.txt"]
    for file in files[2:]:
        np.testing.assert_array_equal(read_kept(file, data).indices, np.flatnonzero(found.kept))
    rows = list(csv.DictReader(files[0].read_text().splitlines()))
    assert {int(row["image"]) for row in rows if row["dropped"] == "1"} == set(np.flatnonzero(~found.kept).tolist())
    assert {int(row["image"]) for row in rows if row["where"] == "train-test"} == {20, 21}
    assert [row["image_name"] for row in rows if row["same_class"] == "0"] == ["train/60.png"]
    assert [float(row["similarity"]) for row in rows] == sorted(
        (float(row["similarity"]) for row in rows), reverse=True
    )
    again = Duplicates.load(files[1])
    again.check(data)
    assert again.threshold == found.threshold
    for name in ("image", "of", "in_test", "exact", "mirrored", "dropped", "similarity"):
        np.testing.assert_array_equal(getattr(again.pairs, name), getattr(found.pairs, name))
    np.testing.assert_array_equal(again.kept, found.kept)
    with pytest.raises(ValueError, match="fingerprint"):
        again.check(replace(data, name="other", train_images=TRAIN[: len(train)]))
    assert len(found.save(tmp_path)) == 3
    assert not files[3].exists()  # names of an earlier search would not be those of kept.txt
    # no pairs, and nothing left
    none = find_duplicates(data, DuplicateConfig())
    assert len(Duplicates.load(none.save(tmp_path / "none", data)[1]).pairs) == 0
    with pytest.raises(ValueError, match="nothing would be kept"):
        find_duplicates(dataset(TRAIN[:4], TRAIN[:4]), DuplicateConfig()).save(tmp_path / "all")


def test_image_files_are_looked_at_once_and_an_interrupted_search_goes_on(tmp_path, monkeypatch, capsys):
    pixels = pictures(12, 0)
    for part, chosen in (("train", range(9)), ("test", range(9, 12))):
        (tmp_path / part / "a").mkdir(parents=True)
        for n in chosen:
            Image.fromarray(pixels[n]).save(tmp_path / part / "a" / f"{n:02d}.png")
    files, arrays = load("folder", tmp_path, image_size=32), load("folder", tmp_path)
    kept = tmp_path / "unfinished"
    one, other = read_thumbnails(files.train_images, folder=kept), read_thumbnails(arrays.train_images)
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.digests, other.digests)
    assert len(list(kept.iterdir())) == 1

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    out = ["duplicates", "--dataset", "folder", "--path", str(tmp_path), "--image-size", "32", "--out"]
    with monkeypatch.context() as patch:
        patch.setattr("real_data.duplicates.described.fit_whitening", interrupted)
        with pytest.raises(SystemExit):
            cli.main([*out, str(tmp_path / "out")])
    assert "thumbnails of image files are saved" in capsys.readouterr().err
    assert (tmp_path / "out" / "unfinished").is_dir()
    cli.main([*out, str(tmp_path / "out")])
    assert not (tmp_path / "out" / "unfinished").exists()
    monkeypatch.setattr("real_data.datasets.image_files.center_crop", None)  # they are not decoded again
    np.testing.assert_array_equal(read_thumbnails(files.train_images, folder=kept).values, one.values)


def test_embeddings_alone_or_with_thumbnails():
    """With both, the cosine is the mean of the two."""
    data, rng = dataset(TRAIN[:80], TRAIN[80:120]), np.random.default_rng(0)
    rows = (300 * rng.standard_normal((120, 6))).astype(np.float16)  # their squares are infinite in this type
    both, config = (rows[:80], rows[80:]), DuplicateConfig(-0.99, where=("train-test",))
    near = [
        find_duplicates(data, config, thumbnails=t, embeddings=e[0], test_embeddings=e[1]).pairs
        for t, e in ((True, (None, None)), (False, both), (True, both))
    ]
    cosines = np.zeros((3, 80, 40))
    for k, pairs in enumerate(near):
        assert len(pairs) > 3000
        cosines[k, pairs.image, pairs.of] = pairs.similarity
    np.testing.assert_allclose(cosines[2], cosines[:2].mean(axis=0), atol=1e-5)
    exact = rows.astype(float) / np.linalg.norm(rows.astype(float), axis=1, keepdims=True)
    np.testing.assert_allclose(cosines[1], np.where(cosines[1] == 0, 0, exact[:80] @ exact[80:].T), atol=1e-5)
    config = DuplicateConfig(where=("train-train",))
    texts = find_duplicates(None, config, embeddings=np.concatenate([rows, rows[:4]]))
    assert np.flatnonzero(~texts.kept).tolist() == [120, 121, 122, 123]
    bad = rows.copy()
    bad[7] = 0
    for embeddings, message in ((bad, "row 7"), (rows[0], "shape"), (rows.astype(int), "floating-point")):
        with pytest.raises(ValueError, match=message):
            find_duplicates(None, config, embeddings=embeddings)
    with pytest.raises(ValueError, match="a row for each of the 80 training images"):
        find_duplicates(data, config, embeddings=rows)
    with pytest.raises(ValueError, match="a row for each of the 40 test images"):
        find_duplicates(data, DuplicateConfig(), embeddings=rows[:80], test_embeddings=rows)
    with pytest.raises(ValueError, match="embeddings of the test images are missing"):
        find_duplicates(data, DuplicateConfig(), embeddings=rows[:80])
    with pytest.raises(ValueError, match="must be train-train"):
        find_duplicates(None, DuplicateConfig(), embeddings=rows)
    with pytest.raises(ValueError, match="no embeddings of the mirrored"):
        find_duplicates(data, DuplicateConfig(mirror=True), embeddings=rows[:80])


@pytest.mark.parametrize("size", [8, 5, 45])
def test_gray_images_of_any_size(size):
    pixels = pictures(100, 0, size, 1).astype(np.float32) / 255
    data = dataset(pixels, np.clip(pixels[:10] * 0.9 + 0.03, 0, 1))
    found = find_duplicates(data, DuplicateConfig(flag=10, where=("train-test",)))
    best = found.dropped
    assert dict(zip(best.image.tolist(), best.of.tolist(), strict=True)) == {n: n for n in range(10)}


def test_whitening_holds_no_second_copy_of_the_thumbnails():
    """A million thumbnails are 0.8 GB, and their covariance in double precision by numpy.cov three more."""
    rng = np.random.default_rng(0)
    thumbnails = rng.random((40_000, 8, 8, 3), np.float32)
    changed = thumbnails[:500] + 0.1 * rng.random((500, 8, 8, 3), np.float32)
    tracemalloc.start()
    whitening = fit_whitening(thumbnails, thumbnails[:500], changed)
    assert tracemalloc.get_traced_memory()[1] < 1.8 * thumbnails.nbytes  # eight thousand in double precision
    tracemalloc.reset_peak()
    found = whitening(thumbnails)
    assert tracemalloc.get_traced_memory()[1] < found.nbytes + 1.2 * thumbnails.nbytes
    tracemalloc.stop()
    flat = thumbnails.reshape(len(thumbnails), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    flat = flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 0.1 * whitening.contrast)
    np.testing.assert_allclose(whitening.mean, flat.mean(axis=0), atol=1e-6)
    numbers = (flat - flat.mean(axis=0)) @ whitening.matrix
    # V^T (C + noise) V = 1 times the weights; the noise is a thousandth
    weights = (1 - whitening.noise_share) / (whitening.noise_share + 0.05)
    np.testing.assert_allclose(np.cov(numbers, rowvar=False), np.diag(weights), rtol=5e-3, atol=5e-3 * weights.max())


def test_images_that_do_not_differ_are_refused():
    one = np.repeat(pictures(1, 0), 3, axis=0)
    with pytest.raises(ValueError, match="thumbnails need two different training images"):
        find_duplicates(dataset(one, one), DuplicateConfig(0.9))
    flat = np.broadcast_to(np.arange(9, dtype=np.uint8)[:, None, None, None], (9, 8, 8, 3))
    with pytest.raises(ValueError, match="thumbnails do not tell them apart"):
        find_duplicates(dataset(flat, flat), DuplicateConfig(0.9))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 1.5}, "threshold must lie in"),
        ({"threshold": 0.9, "flag": 3}, "exclude each other"),
        ({"flag": 0}, "flag must be at least 1"),
        ({"where": ()}, "where must be different ones"),
        ({"keep": "last"}, "keep must be one of"),
        ({"num_probes": 0}, "num_probes"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        DuplicateConfig(**settings)


def test_the_command_writes_files_that_prune_takes(tmp_path, capsys):
    """Embeddings of training images in which the first two rows are alike, with thumbnails or alone, and of texts."""
    rows = np.random.default_rng(0).standard_normal((1200, 20)).astype(np.float32)
    rows[1] = 2 * rows[0] + 0.01
    np.save(tmp_path / "rows.npy", rows)
    file, out = str(tmp_path / "rows.npy"), tmp_path / "out"
    cli.main(["duplicates", "--features", file, "--where", "train-train", "--threshold", "0.95", "--out", str(out)])
    said = capsys.readouterr().out
    assert "1,199 of 1,200 training images kept" in said
    assert "1 of near-duplicates with a cosine of 0.9500 or more" in said
    cli.main(
        ["duplicates", "--dataset", "none", "--features", file, "--flag", "2", "--keep", "first", "--out", str(out)]
    )
    assert "1,199 of 1,200 training images kept" in capsys.readouterr().out
    kept = [int(line) for line in (out / "kept.txt").read_text().splitlines()]
    assert kept == [0, *range(2, 1200)]
    cli.main(["score", "--metrics", "random", "--out", str(tmp_path), "--quiet"])
    pruned = tmp_path / "pruned.txt"
    scores = str(tmp_path / "digits-random.nc")
    cli.main(["prune", scores, "--fraction", "1", "--among", str(out / "kept.txt"), "--out", str(pruned)])
    assert [int(line) for line in pruned.read_text().splitlines()] == kept
    for words, message in (
        (["--dataset", "none", "--features", file, "--path", "elsewhere"], "--dataset none reads no images"),
        (["--where"], "where must be different ones"),
    ):
        with pytest.raises(SystemExit):
            cli.main(["duplicates", *words, "--out", str(out)])
        assert message in capsys.readouterr().err
    words = ["--keep", "hardest", "--scores", scores, "--mirror", "--num-cells", "8", "--flag", "9", "--quiet"]
    cli.main(["duplicates", *words, "--out", str(out)])
    said = capsys.readouterr()
    assert "8 cells lose" in said.out
    assert "for 9 test images" in said.out or "for 10 test images" in said.out
