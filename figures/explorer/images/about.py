"""What is known about one image, and about a pair of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_pruning.arguments import check_choice, check_integer
from figures.explorer.images.collection import Collection
from figures.explorer.images.kept import Kept
from figures.explorer.images.ranking import ranking
from figures.explorer.images.view import PAIRS, Choice

if TYPE_CHECKING:
    from real_data.duplicates.report import Duplicates

__all__ = ["PairAbout", "about_image", "pair_about", "pair_numbers"]


def about_image(collection: Collection, choice: Choice, index: int, kept: Kept | None) -> list[tuple[str, str]]:
    """Name, class, scores with their ranks, and whether an image is kept, as names and values.

    Args:
        collection: what is looked at.
        choice: the score that is ranked by comes first.
        index: position among the training images.
        kept: what is kept; None where nothing is chosen.
    """
    check_integer("image", index, 0, collection.num_images - 1)
    rows = [("image", str(index))]
    if collection.dataset.train_names is not None:
        rows.append(("file", collection.image_name(index)))
    rows.append(("class", collection.class_name(int(collection.dataset.train_labels[index]))))
    for name in sorted(collection.scores, key=lambda name: name != choice.score):
        place = int(ranking(collection, name, choice.seed).place[index]) + 1
        score = f"{collection.score(name).values[index]:.4g}"
        rows.append((name, f"{score} (rank {place:,} of {collection.num_images:,})"))
    if kept is not None:
        weight = kept.weight_of(index)
        state = "yes" if kept.mask[index] else "no"
        rows.append(("kept by the rule", state if weight is None else f"{state}, weight {weight:.3g}"))
    return rows


class PairAbout(NamedTuple):
    """A pair of duplicates.

    Attributes:
        image: position of the training image.
        of: position of the other one, in the training or test set.
        in_test: whether the other one is a test image.
        similarity: cosine.
        marks: what is special about it, in words.
        labels: classes of both, by name.
        kept: whether each stays; test images always do.
    """

    image: int
    of: int
    in_test: bool
    similarity: float
    marks: tuple[str, ...]
    labels: tuple[str, str]
    kept: tuple[bool, bool]


def pair_numbers(collection: Collection, kind: str) -> NDArray[np.int64]:
    """Which pairs are of a kind, the most similar first.

    Args:
        collection: with duplicates.
        kind: one of ``PAIRS``: all, train-test, train-train, exact copies, or those whose classes differ.

    Raises:
        ValueError: there is no such kind, or there are no duplicates.
    """
    check_choice("pairs", kind, PAIRS)
    found = _duplicates(collection)
    pairs = found.pairs
    masks = {
        "all": lambda: np.ones(len(pairs), bool),
        "train-test": lambda: pairs.in_test,
        "train-train": lambda: ~pairs.in_test,
        "exact": lambda: pairs.exact,
        "other-class": lambda: found.disagree(collection.dataset),
    }
    return np.flatnonzero(masks[kind]())


def pair_about(collection: Collection, number: int) -> PairAbout:
    """What is known about a pair.

    Args:
        collection: with duplicates.
        number: of the pair, in the order of the file.
    """
    found, data = _duplicates(collection), collection.dataset
    check_integer("number", number, 0, len(found.pairs) - 1)
    pairs = found.pairs
    image, of, in_test = int(pairs.image[number]), int(pairs.of[number]), bool(pairs.in_test[number])
    other = int((data.test_labels if in_test else data.train_labels)[of])
    labels = collection.class_name(int(data.train_labels[image])), collection.class_name(other)
    marks = [
        *(["leak into the test set"] if in_test else []),
        *(["exact copy"] if pairs.exact[number] else []),
        *(["mirrored"] if pairs.mirrored[number] else []),
        *(["classes differ"] if labels[0] != labels[1] else []),
    ]
    stays = bool(found.kept[image]), in_test or bool(found.kept[of])
    return PairAbout(image, of, in_test, float(pairs.similarity[number]), tuple(marks), labels, stays)


def _duplicates(collection: Collection) -> Duplicates:
    if collection.duplicates is None:
        raise ValueError("there are no duplicates here: give --duplicates FOLDER, of python -m real_data duplicates")
    return collection.duplicates
