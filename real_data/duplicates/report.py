"""What a search for duplicates found, and its files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data_pruning import Results
from data_pruning.records.atomic_file import write_atomically
from real_data.datasets.image_files import ImageFiles
from real_data.duplicates.table import PairTable
from real_data.selection.kept_list import write_kept
from real_data.training.examples import Examples

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["Duplicates"]

TITLE = "Near-duplicates among images"
COLUMNS = ("image", "of", "similarity", "where", "dropped", "exact", "mirrored")
LOST = ("lost_cosine", "lost_share", "lost_error")
PAIR_VARIABLES = {
    "image": "position of a training image",
    "of": "position of the image it is like",
    "similarity": "cosine",
    "in_test": "whether the other one is a test image",
    "exact": "whether their pixels are the same",
    "mirrored": "whether they are alike when one is mirrored",
    "dropped": "whether this pair is why the training image is dropped",
}


@dataclass(frozen=True, eq=False)
class Duplicates:
    """Pairs of duplicates, and which training images are kept.

    Attributes:
        pairs: all pairs at or above the threshold.
        kept: whether each training image is kept, shape (num_train,).
        threshold: least cosine of near-duplicates; None where only exact copies count.
        nearest_train: largest cosine of each training image with another one, shape (num_train,), -1 where there is
            none; None where they were not compared.
        nearest_test: largest cosine of each test image with a training image, shape (num_test,), or None.
        config: settings, data set and fingerprint; a JSON value.
        num_cells: cells of the search; 1 where all pairs were compared.
        lost: share of planted copies that the cells lose, with its standard error: for a cosine at the threshold and
            one halfway to 1, each (cosine, share, standard error); empty without cells.
    """

    pairs: PairTable
    kept: NDArray[np.bool_]
    threshold: float | None
    nearest_train: NDArray[np.float32] | None = None
    nearest_test: NDArray[np.float32] | None = None
    config: dict[str, Any] = field(default_factory=dict)
    num_cells: int = 1
    lost: tuple[tuple[float, float, float], ...] = ()

    @property
    def dropped(self) -> PairTable:
        """One row for each training image that is not kept: whose duplicate it is."""
        return self.pairs[self.pairs.dropped]

    @property
    def num_flagged(self) -> int:
        """Test images that have a duplicate among the training images."""
        return int(np.unique(self.pairs.of[self.pairs.in_test]).size)

    def disagree(self, dataset: ImageDataset) -> NDArray[np.bool_]:
        """Which pairs have different labels, shape (num_pairs,)."""
        labels, tests = np.asarray(dataset.train_labels), np.asarray(dataset.test_labels)
        of, in_test = self.pairs.of, self.pairs.in_test
        other = np.where(in_test, tests[np.where(in_test, of, 0)], labels[np.where(in_test, 0, of)])
        return np.asarray(labels[self.pairs.image] != other)

    def curve(self, thresholds: Sequence[float]) -> list[tuple[float, int | None, int | None]]:
        """How many images have a duplicate at each threshold: test images, and training images among each other."""

        def flagged(near: NDArray[np.float32] | None, threshold: float) -> int | None:
            return None if near is None else int(np.sum(near >= threshold))

        return [(t, flagged(self.nearest_test, t), flagged(self.nearest_train, t)) for t in thresholds]

    def thresholds(self) -> list[float]:
        """Thresholds at which about 0.1, 0.2, 0.5, ... 50 % of images are flagged, descending."""
        values = self.nearest_train if self.nearest_test is None else self.nearest_test
        assert values is not None
        shares = np.array([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5])
        found = np.floor(1000 * np.quantile(values, 1 - shares)) / 1000
        return np.unique(found)[::-1].tolist()

    def save(self, folder: Path, dataset: ImageDataset | None = None) -> list[Path]:
        """Write pairs.csv, duplicates.nc, kept.txt and, where training images have names, kept.names.txt.

        Raises:
            ValueError: no training image is kept.
        """
        kept = np.flatnonzero(self.kept)
        if kept.size == 0:
            raise ValueError(
                "every training image has a duplicate among the test images: nothing would be kept; take a higher "
                "threshold or a smaller flag"
            )
        files = [folder / name for name in ("pairs.csv", "duplicates.nc", "kept.txt")]
        names = folder / "kept.names.txt"
        names.unlink(missing_ok=True)  # of an earlier search
        write_atomically(files[0], self._csv(dataset).encode("utf-8", "surrogateescape"))
        self.results().save(files[1])
        write_kept(files[2], Examples(kept))
        if dataset is not None and dataset.train_names is not None:
            files.append(names)
            write_kept(names, Examples(kept), dataset.train_names)
        return files

    def results(self) -> Results:
        """As a result file; without pairs the variables of pairs are missing."""
        results = Results(TITLE, self.config)
        results.add("kept", "train", self.kept, "1", "whether the training image is kept")
        of, of_test, similarity = (np.full(self.kept.size, fill) for fill in (-1, False, 1.0))
        rows = self.dropped
        of[rows.image], of_test[rows.image], similarity[rows.image] = rows.of, rows.in_test, rows.similarity
        results.add("of", "train", of, "1", "whose duplicate a dropped image is, its position; -1 if kept")
        results.add("of_test", "train", of_test, "1", "whether that is a test image")
        results.add("similarity", "train", similarity, "1", "cosine with it; 1 if kept")
        for name, near in (("train", self.nearest_train), ("test", self.nearest_test)):
            if near is not None:
                results.add(
                    f"nearest_{name}", name, near, "1", f"largest cosine of a {name} image with a training image"
                )
        if self.lost:
            texts = ("cosine of planted copies", "share of them that the cells lose", "its standard error")
            for name, column, text in zip(LOST, zip(*self.lost, strict=True), texts, strict=True):
                results.add(name, "planted", column, "1", text)
        if len(self.pairs):
            for name, text in PAIR_VARIABLES.items():
                results.add(f"pair_{name}", "pair", getattr(self.pairs, name), "1", text)
        return results

    @classmethod
    def load(cls, path: Path) -> Duplicates:
        """Read duplicates.nc.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is another file.
        """
        found = Results.load(path)
        if found.title != TITLE:
            raise ValueError(f"{path} is not a file of the command duplicates, but: {found.title}")
        pairs = PairTable(**{name: _found(found, f"pair_{name}") for name in PAIR_VARIABLES})
        train, test = (found[name] if name in found.variables else None for name in ("nearest_train", "nearest_test"))
        config = dict(found.config)
        columns = [found[name].tolist() for name in LOST if name in found.variables]
        lost = tuple(zip(*columns, strict=True))
        return cls(pairs, found["kept"], config["threshold"], train, test, config, config["num_cells"], lost)

    def check(self, dataset: ImageDataset) -> None:
        """Make sure that these are duplicates among the images of ``dataset``.

        Raises:
            ValueError: they are of other images.
        """
        if self.config.get("fingerprint") != dataset.fingerprint:
            raise ValueError(
                f"these duplicates are of {self.config.get('dataset')!r} with fingerprint "
                f"{self.config.get('fingerprint')}, not of {dataset.name!r} with {dataset.fingerprint}; images are the "
                "same only when read alike, with the same image_size, test_folder and skip_undecodable"
            )

    def _csv(self, dataset: ImageDataset | None) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        further = () if dataset is None else ("image_class", "of_class", "same_class", "image_name", "of_name")
        writer.writerow((*COLUMNS, *further))
        pairs = self.pairs
        differ = np.zeros(len(pairs), bool) if dataset is None else self.disagree(dataset)
        for n in range(len(pairs)):
            image, of, in_test = int(pairs.image[n]), int(pairs.of[n]), bool(pairs.in_test[n])
            row: list[Any] = [image, of, f"{pairs.similarity[n]:.6f}", "train-test" if in_test else "train-train"]
            row += [int(each[n]) for each in (pairs.dropped, pairs.exact, pairs.mirrored)]
            if dataset is not None:
                of_labels = dataset.test_labels if in_test else dataset.train_labels
                row += [
                    _class_name(dataset, labels[i]) for labels, i in ((dataset.train_labels, image), (of_labels, of))
                ]
                row += [int(not differ[n]), _name(dataset, image, False), _name(dataset, of, in_test)]
            writer.writerow(row)
        return text.getvalue()


def _found(results: Results, name: str) -> np.ndarray:
    """A variable of pairs, empty where there are no pairs."""
    kind = (
        float if name == "pair_similarity" else bool if name[5:] in ("in_test", "exact", "mirrored", "dropped") else int
    )
    return results[name] if name in results.variables else np.empty(0, kind)


def _class_name(dataset: ImageDataset, label: int) -> str:
    return str(label) if dataset.class_names is None else dataset.class_names[label]


def _name(dataset: ImageDataset, position: int, in_test: bool) -> str:
    """File name of an image, empty where there is none."""
    if not in_test:
        return "" if dataset.train_names is None else dataset.train_names[position]
    images = dataset.test_images
    return images.names[position] if isinstance(images, ImageFiles) else ""
