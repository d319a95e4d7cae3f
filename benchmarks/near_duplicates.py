"""Known near-duplicates of CIFAR-10 among the images flagged, planted copies, and what cells lose and cost.

    python benchmarks/near_duplicates.py FOLDER PAIRS.csv
    python benchmarks/near_duplicates.py --cells 50000 100000 200000

The folder has train/CLASS/NUMBER.jpg and test/CLASS/NUMBER.jpg.  The table has the known pairs (ciFAIR, Barz and
Denzler 2020): test_class, test_number, train_class, train_number, judgment (1: the same shot, 2: very similar).  A
known pair is listed if its test image is among the n most similar to a training image, and the pair itself reaches the
cosine of the n-th.  Standard errors are binomial, over known pairs; those of differences are paired.
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from real_data import DuplicateConfig, ImageDataset, find_duplicates, load
from real_data.duplicates.candidates import all_blocks, nearest, pairs_above
from real_data.duplicates.cells import Cells, usual_num_cells
from real_data.duplicates.described import describe
from real_data.duplicates.exact_copies import digests_of
from real_data.duplicates.thumbnails import read_thumbnails
from real_data.duplicates.whitening import unit_rows

FLAGGED = (100, 286, 600, 1000, 2000)
PLANTED = 20


def known_pairs(folder: Path, file: Path, data: ImageDataset) -> np.ndarray:
    """Positions of test and training image of each known pair, and its judgment, shape (num, 3)."""
    trained = {name: n for n, name in enumerate(data.train_names or ())}
    files = sorted(path.relative_to(folder).as_posix() for path in folder.glob("test/*/*"))
    tested = {name: n for n, name in enumerate(files)}
    with file.open() as lines:
        return np.array(
            [
                [
                    tested[f"test/{row['test_class']}/{row['test_number']}.jpg"],
                    trained[f"train/{row['train_class']}/{row['train_number']}.jpg"],
                    int(row["judgment"]),
                ]
                for row in csv.DictReader(lines)
            ]
        )


def described(data: ImageDataset) -> dict[str, Any]:
    """Unit vectors of test and training images, by what they are made of, and the CPU time of that."""
    found = {}
    begin = time.process_time()
    small = [read_thumbnails(images).values for images in (data.test_images, data.train_images)]
    flat = [each.reshape(len(each), -1) - each.mean(axis=(1, 2, 3))[:, None] for each in small]
    found["8 x 8 x 3 means"] = [unit_rows(each) for each in flat], time.process_time() - begin
    mean = flat[1].mean(axis=0)
    variance, directions = np.linalg.eigh(np.cov((flat[1] - mean).T))
    whiten = directions[:, ::-1][:, :64] / np.sqrt(variance[::-1][:64])
    found["the same, PCA-whitened, 64"] = (
        [unit_rows((each - mean) @ whiten) for each in flat],
        (time.process_time() - begin),
    )
    for name, mirror in (("ours", False), ("ours, --mirror", True)):
        begin = time.process_time()
        train, test = describe(data, mirror=mirror)
        assert test is not None
        rows = [one.features[one.contents.of_row] for one in (test, train)]
        if mirror and test.mirrored is not None:
            rows.append(test.mirrored[test.contents.of_row])
        found[name] = rows, time.process_time() - begin
    return found


def recall(data: ImageDataset, known: np.ndarray) -> None:
    """Print how many known pairs are listed, for each kind of features."""
    listed: dict[str, np.ndarray] = {}
    print(f"{len(known)} known pairs; listed (as the nearest; test image flagged), in per cent, n test images flagged")
    print(f"{'features':28} rank-1  " + "  ".join(f"{f'n = {n}':>23}" for n in FLAGGED) + "  CPU s")
    for name, ((test, train, *mirrored), seconds) in described(data).items():
        begin = time.process_time()
        best = nearest(test, train, all_blocks(len(test), len(train)), within=False)[0]
        cosine = np.sum(test[known[:, 0]] * train[known[:, 1]], axis=1)
        if mirrored:
            best = np.maximum(best, nearest(mirrored[0], train, all_blocks(len(test), len(train)), within=False)[0])
            cosine = np.maximum(cosine, np.sum(mirrored[0][known[:, 0]] * train[known[:, 1]], axis=1))
        seconds += time.process_time() - begin
        thresholds = np.sort(best)[::-1][np.array(FLAGGED) - 1]
        listed[name] = cosine[:, None] >= thresholds - 1e-6
        flagged = best[known[:, 0], None] >= thresholds
        first = cosine >= best[known[:, 0]] - 1e-6
        nearest_listed = (listed[name] & first[:, None]).mean(axis=0)
        cells = "  ".join(
            f"{100 * hit:5.1f} ± {100 * error(hit, len(known)):3.1f} ({100 * one:4.1f} {100 * image:4.1f})"
            for hit, one, image in zip(listed[name].mean(axis=0), nearest_listed, flagged.mean(axis=0), strict=True)
        )
        print(f"{name:28} {100 * first.mean():6.1f}  {cells}  {seconds:5.1f}")
        for judgment in (1, 2):
            print(f"{'':28} judgment {judgment}: rank-1 {100 * first[known[:, 2] == judgment].mean():.1f}")
    difference = listed["ours"].astype(float) - listed["the same, PCA-whitened, 64"]
    print(
        "ours - PCA-whitened:                 "
        + "  ".join(
            f"{100 * m:+5.1f} ± {100 * s / np.sqrt(len(known)):3.1f}            "
            for m, s in zip(difference.mean(axis=0), difference.std(axis=0), strict=True)
        )
    )


def error(share: float, number: int) -> float:
    """Standard error of a share."""
    return float(np.sqrt(share * (1 - share) / number))


def planted(data: ImageDataset, seed: int) -> None:
    """Print how many sources of 20 changed copies are the nearest neighbours among 6,000 images."""
    rng = np.random.default_rng(seed)
    some = rng.choice(len(data.train_images), 6000, replace=False)
    train = data.train_images[some]
    sources = rng.choice(6000, PLANTED, replace=False)
    originals = train[sources]
    changes = {
        "exact": originals,
        "JPEG quality 75": np.stack([jpeg(image) for image in originals]),
        "shifted 1 px": np.roll(originals, 1, axis=2),
        "shifted 2 px": np.roll(originals, 2, axis=2),
        "brighter": np.clip(1.25 * originals.astype(float) + 10, 0, 255).astype(np.uint8),
        "mirrored": np.ascontiguousarray(originals[:, :, ::-1]),
    }
    for mirror in (False, True):
        for name, test in changes.items():
            small = ImageDataset("planted", train, data.train_labels[some], test, np.zeros(PLANTED, int), 10)
            ours, copies = describe(small, mirror=mirror)
            assert copies is not None
            of_train, of_test = (one.contents.of_row for one in (ours, copies))
            cosines = copies.features[of_test] @ ours.features[of_train].T
            if copies.mirrored is not None:
                cosines = np.maximum(cosines, copies.mirrored[of_test] @ ours.features[of_train].T)
            right = cosines[np.arange(PLANTED), sources]
            first = int(np.sum(right >= cosines.max(axis=1)))
            print(f"{'--mirror ' if mirror else ''}{name}: {first} of {PLANTED}, least cosine {right.min():.3f}")


def jpeg(image: np.ndarray) -> np.ndarray:
    """The image after JPEG compression of quality 75."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=75)
    return np.asarray(Image.open(file))


def cells_on(data: ImageDataset, threshold: float) -> None:
    """Print how many of the pairs of training images are lost by cells."""
    rows = describe(data)[0].features
    near = nearest(rows, rows, all_blocks(len(rows)), within=True)
    every = pairs_above(rows, rows, all_blocks(len(rows)), threshold, near, within=True)
    for num_probes in (1, 2, 4):
        begin = time.process_time()
        cells = Cells.fit(rows, usual_num_cells(2 * 10**5), num_probes, 0)
        blocks = cells.blocks(cells.probes(rows))
        near = nearest(rows, rows, blocks, within=True)
        found = pairs_above(rows, rows, blocks, threshold, near, within=True)
        seconds = time.process_time() - begin
        lost = lost_copies(cells, rows, (threshold, (1 + threshold) / 2))
        print(
            f"{len(cells.centroids)} cells, {num_probes} probed: {len(found)} of {len(every)} pairs, "
            f"{100 * (1 - len(found) / len(every)):.2f} % lost; {lost}; {seconds:.1f} CPU s"
        )


def lost_copies(cells: Cells, rows: np.ndarray, cosines: tuple[float, ...]) -> str:
    """Shares of planted copies that are lost, as a text."""
    shares = [(cosine, *(100 * part for part in cells.share_lost(rows, cosine, 0))) for cosine in cosines]
    return "copies planted " + ", ".join(f"at {cosine:.3f} {share:.2f} ± {s:.2f} %" for cosine, share, s in shares)


def scaling(sizes: list[int]) -> None:
    """Print the time that cells take for made-up images, and its exponent."""
    rng = np.random.default_rng(0)
    centres = unit_rows(rng.standard_normal((1000, 128)) * np.arange(1, 129) ** -0.3)
    times = []
    for size in sizes:
        rows = rng.standard_normal((size, 128), np.float32)
        rows = unit_rows(centres[rng.integers(0, 1000, size)] + np.float32(1.2) * unit_rows(rows))
        rows = rows[np.argsort(digests_of(rows))]
        begin = time.process_time()
        num_cells = round(np.sqrt(2 * size))
        cells = Cells.fit(rows, num_cells, 2, 0)
        fitted = time.process_time() - begin
        blocks = cells.blocks(cells.probes(rows))
        nearest(rows, rows, blocks, within=True)
        times.append(time.process_time() - begin)
        print(
            f"{size:,} rows of 128, {num_cells} cells: {times[-1]:.1f} CPU s, {fitted:.1f} of them k-means; "
            f"{lost_copies(cells, rows, (0.9, 0.95))}"
        )
    if len(sizes) > 1:
        slope = np.polyfit(np.log(sizes), np.log(times), 1)[0]
        print(f"time grows as number^{slope:.2f}")


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("pairs", type=Path, nargs="?")
    parser.add_argument("--cells", type=int, nargs="*", default=[], help="sizes of made-up data for the time of cells")
    arguments = parser.parse_args()
    if arguments.folder is not None and arguments.pairs is not None:
        data = load("folder", arguments.folder)
        known = known_pairs(arguments.folder, arguments.pairs, data)
        recall(data, known)
        begin, cpu = time.perf_counter(), time.process_time()
        found = find_duplicates(data, DuplicateConfig(flag=600))
        wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
        rows = {
            (of, image)
            for of, image in zip(
                found.pairs.of[found.pairs.in_test], found.pairs.image[found.pairs.in_test], strict=True
            )
        }
        hits = sum((test, train) in rows for test, train, _ in known)
        print(f"--flag 600 as a whole: {hits} of {len(known)} in the table of pairs; {wall:.1f} s, {cpu:.1f} CPU s")
        planted(data, 0)
        cells_on(data, found.threshold or 1.0)
    if arguments.cells:
        scaling(arguments.cells)


if __name__ == "__main__":
    main()
