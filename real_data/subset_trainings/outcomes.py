"""What networks that were trained on random shares of a pool say of every image, read from their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_pruning import Results
from data_pruning.records.settings import from_json
from real_data.subset_trainings.group import TITLE, class_type
from real_data.subset_trainings.packing import PackedBits, from_words
from real_data.subset_trainings.settings import SubsetTrainings

__all__ = ["GroupSums", "SubsetOutcomes"]


class GroupSums(NamedTuple):
    """Sums over the networks of one file that have not seen an image.

    Attributes:
        numbers: of these networks, shape (num_images,).
        probabilities: sums of their probabilities, shape (num_images, num_classes).
        entropies: sums of the entropies of each, in nats, shape (num_images,).
    """

    numbers: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    entropies: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SubsetOutcomes:
    """What K networks, each trained on a random share of n images, say of these and of test images.

    Bits are held packed; the numbers (EL2N and so on) are read from the files, ten networks at a time, when asked for.

    Attributes:
        settings: of the networks.
        num_classes: number of classes.
        seeds: of the networks.
        training_errors: error in the last quarter of each training, shape (K,).
        members: whether each network was trained on each example, bits of shape (K, n).
        right: whether each network is right about each example, bits of shape (K, n).
        test_right: whether it is right about each test image, bits of shape (K, num_tests).
        files: the files, in the order of the networks; or their content, where there are no files any more.
    """

    settings: SubsetTrainings
    num_classes: int
    seeds: tuple[int, ...]
    training_errors: NDArray[np.float64]
    members: PackedBits
    right: PackedBits
    test_right: PackedBits
    files: tuple[Path | Results, ...]

    @classmethod
    def load(cls, files: Sequence[Path | Results]) -> SubsetOutcomes:
        """Read the files of one set of subset trainings.

        Raises:
            ValueError: no files, a damaged one, files of other settings, images or software than the first, or of
                networks that do not follow one another from network 0 on.
        """
        if not files:
            raise ValueError("files must be at least one, got none")
        parts: dict[str, list[np.ndarray]] = {name: [] for name in ("members", "right", "test_right")}
        seeds: list[int] = []
        errors: list[np.ndarray] = []
        about: dict[str, Any] | None = None
        for file in files:
            found = _read(file)
            about = about or dict(found.config)
            if found.config != about:
                raise ValueError(f"{file} is of other settings, images or software than {files[0]}")
            for name, of_name in parts.items():
                number = about["num_tests" if name == "test_right" else "num_examples"]
                of_name.append(from_words(found[name], np.bool_, number))
            numbers = [int(number) for number in found["network"]]
            if numbers != list(range(len(seeds), len(seeds) + len(numbers))):
                raise ValueError(
                    f"{file} has networks {numbers[0]} to {numbers[-1]} in the place of those from {len(seeds)} on: "
                    "delete it"
                )
            seeds += [int(seed) for seed in found["seed"]]
            errors.append(found["training_error"])
        assert about is not None
        bits = {
            name: PackedBits(np.concatenate(of_name), about["num_tests" if name == "test_right" else "num_examples"])
            for name, of_name in parts.items()
        }
        return cls(
            from_json(SubsetTrainings, about["settings"]),
            about["num_classes"],
            tuple(seeds),
            np.concatenate(errors),
            bits["members"],
            bits["right"],
            bits["test_right"],
            tuple(files),
        )

    @property
    def num_networks(self) -> int:
        """K."""
        return len(self.seeds)

    @property
    def num_examples(self) -> int:
        """Number of images of the pool."""
        return self.members.num_columns

    @property
    def num_tests(self) -> int:
        """Number of test images."""
        return self.test_right.num_columns

    def in_memory(self) -> SubsetOutcomes:
        """The same, with the content of the files instead of the files."""
        return replace(self, files=tuple(_read(file) for file in self.files))

    def each(self, name: str, *, tests: bool = False) -> Iterator[tuple[NDArray[np.bool_], np.ndarray]]:
        """What the networks say, file by file.

        Args:
            name: el2n, risen_margin (margin + 1), entropy (float16) or predicted (the class).
            tests: of the test images, which no network has seen.

        Yields:
            Whether each network has seen each image, and the numbers, both of shape (num_networks_of_file, num_images).
        """
        number = self.num_tests if tests else self.num_examples
        kind = class_type(self.num_classes) if name == "predicted" else np.dtype(np.float16)
        for file in self.files:
            found = _read(file)
            values = from_words(found[f"test_{name}" if tests else name], kind, number)
            yield _seen(found, number, tests), values

    def sums(self, *, tests: bool = False) -> Iterator[GroupSums]:
        """Sums over the networks of each file that have not seen an image, file by file.

        Args:
            tests: of the test images, which no network has seen.

        Raises:
            ValueError: the files have no sums of probabilities, as there were too many images times classes.
        """
        number = self.num_tests if tests else self.num_examples
        prefix = "test_" if tests else ""
        for file in self.files:
            found = _read(file)
            if f"{prefix}sums" not in found.variables:
                raise ValueError(
                    f"entropy and mutual-information need sums of probabilities, which are not kept of {number} images "
                    f"in {self.num_classes} classes: take variation-ratio"
                )
            probabilities = from_words(found[f"{prefix}sums"], np.float32, self.num_classes)
            numbers = np.sum(~_seen(found, number, tests), axis=0)
            yield GroupSums(numbers, probabilities.astype(np.float64), found[f"{prefix}entropy_sum"])


def _read(file: Path | Results) -> Results:
    if isinstance(file, Results):
        return file
    found = Results.load(file)
    if found.title != TITLE:
        raise ValueError(f"{file} is not a file of subset trainings, but: {found.title}")
    return found


def _seen(found: Results, number: int, tests: bool) -> NDArray[np.bool_]:
    if tests:
        return np.zeros((len(found["network"]), number), bool)
    return PackedBits(from_words(found["members"], np.bool_, number), number).all()
