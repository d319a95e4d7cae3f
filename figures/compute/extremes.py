"""The hardest and the easiest images of a data set and of its classes, to be kept and drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data_pruning import Results
from data_pruning.arguments import check_integer
from figures.compute.software import software

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset
    from real_data.scores import Scores

__all__ = ["class_extremes", "class_name", "compute_extremes", "drawn_pixels", "numbers_of"]

ENDS = ("hardest", "easiest")
MOST_CLASSES = 20  # in one picture
MOST_IMAGES = 200  # of the whole set, at each end
LONGEST_SIDE = 64  # pixels of a thumbnail
TIE_SEED = 0

Integers = NDArray[np.int64]


def compute_extremes(
    dataset: ImageDataset,
    scores: Scores,
    *,
    num_whole: int = 24,
    num_per_class: int = 8,
    classes: Sequence[int] | None = None,
) -> Results:
    """The images at both ends of a score, with their pixels.

    Args:
        dataset: the data set that was scored.
        scores: of its training images; among equal ones the order is drawn at random, with a fixed seed.
        num_whole: images of the whole set at each end, in [1, 200]; it has twice as many or more.
        num_per_class: images of each class at each end, at least 1; every class has twice as many or more.
        classes: labels of 1 to 20 different classes; None is the first ten.

    Returns:
        Over (end, whole), the ends ``hardest`` and ``easiest``: ``whole_index``, ``whole_label``, ``whole_score`` and
        ``whole_image``, pixels in 0..255; over (row, end, place), a row for each class: ``class_index``,
        ``class_score``, ``class_image``; ``row_label``, the class of each row; ``class_name`` of all.  The hardest are
        first at both ends.  Images beyond 64 pixels are reduced to them.

    Raises:
        ValueError: scores of other images, unknown classes, or too few images.
    """
    scores.check(dataset)
    values, labels = scores.values, np.asarray(dataset.train_labels)
    check_integer("num_whole", num_whole, 1, MOST_IMAGES)
    if 2 * num_whole > values.size:
        raise ValueError(
            f"num_whole = {num_whole} hardest and easiest images need {2 * num_whole}, but there are {values.size}"
        )
    chosen = list(range(min(10, dataset.num_classes))) if classes is None else [int(label) for label in classes]
    whole = _both_ends(values, np.arange(values.size), num_whole)
    of_classes = class_extremes(dataset, scores, num_per_class, chosen)
    results = Results(
        "Hardest and easiest images",
        {
            "dataset": dataset.name,
            "fingerprint": scores.fingerprint,
            "metric": scores.metric,
            "num_examples": int(values.size),
            "score_settings": dict(scores.config),
            "tied": scores.tied,
            "software": software(),
        },
    )
    names = [class_name(label, dataset.class_names) for label in range(dataset.num_classes)]
    results.add("class_name", "class", names, "", "name of each class")
    results.add("end", "end", list(ENDS), "", "end of the ranking; the hardest are first at both")
    results.add("row_label", "row", chosen, "1", "class of each row of images")
    pixels = _thumbnails(drawn_pixels(dataset.train_images, np.concatenate([whole.ravel(), of_classes.ravel()])))
    for name, dims, indices, images in (
        ("whole", ("end", "whole"), whole, pixels[: whole.size]),
        ("class", ("row", "end", "place"), of_classes, pixels[whole.size :]),
    ):
        results.add(f"{name}_index", dims, indices, "1", "number of each image among the training images, from 0")
        results.add(f"{name}_score", dims, values[indices], "1", "its score, higher = harder")
        shape = (*indices.shape, *images.shape[1:])
        described = "its pixels, in 0..255, reduced where it is large"
        results.add(f"{name}_image", (*dims, "y", "x", "channel"), images.reshape(shape), "1", described)
    results.add("whole_label", ("end", "whole"), labels[whole], "1", "its class")
    return results


def class_extremes(dataset: ImageDataset, scores: Scores, num_per_class: int, classes: Sequence[int]) -> Integers:
    """Numbers of the hardest and the easiest training images of classes, shape (num_classes, 2, num_per_class).

    Raises:
        ValueError: too many or unknown classes, or one with too few images.
    """
    labels = np.asarray(dataset.train_labels)
    if num_per_class < 1:
        raise ValueError(f"num_per_class must be at least 1, got {num_per_class}")
    if not 1 <= len(classes) <= MOST_CLASSES:
        raise ValueError(
            f"classes must be 1 to {MOST_CLASSES} of the {dataset.num_classes} classes, got {len(classes)}"
        )
    found = []
    for label in classes:
        if not 0 <= label < dataset.num_classes:
            raise ValueError(f"classes must be in [0, {dataset.num_classes}), got {label}")
        members = np.flatnonzero(labels == label)
        if members.size < 2 * num_per_class:
            raise ValueError(
                f"class {label} has {members.size} training images, but num_per_class = {num_per_class} "
                f"hardest and easiest ones need {2 * num_per_class}"
            )
        found.append(_both_ends(scores.values, members, num_per_class))
    return np.stack(found)


def drawn_pixels(images: Any, indices: Integers) -> NDArray[np.uint8]:
    """Some of the images in 0..255, of shape (num_indices, height, width, channels).

    What is neither uint8 nor in [0, 1] is no brightness: it is stretched to the range of these images.

    Raises:
        ValueError: they have neither 1 nor 3 channels.
    """
    chosen = np.asarray(images[indices.ravel()])
    if chosen.shape[-1] not in (1, 3):
        raise ValueError(f"images must have 1 or 3 channels to be drawn, got {chosen.shape[-1]}")
    if chosen.dtype == np.uint8:
        return chosen
    pixels = chosen.astype(np.float64)
    if pixels.min() < 0 or pixels.max() > 1:
        pixels = (pixels - pixels.min()) / max(float(np.ptp(pixels)), np.finfo(float).tiny)
    return np.round(255 * pixels).astype(np.uint8)


def numbers_of(names: Sequence[str], dataset: ImageDataset) -> list[int]:
    """Labels of classes given by name or by number.

    Raises:
        ValueError: there is no such class.
    """
    known = {name: label for label, name in enumerate(dataset.class_names or ())}
    known = {str(label): label for label in range(dataset.num_classes)} | known
    for name in names:
        if name not in known:
            shown = ", ".join((dataset.class_names or ())[:MOST_CLASSES])
            named = f" or of {shown}{' ...' if dataset.num_classes > MOST_CLASSES else ''}" if shown else ""
            raise ValueError(f"classes must be numbers in [0, {dataset.num_classes}){named}, got {name!r}")
    return [known[name] for name in names]


def class_name(label: int, class_names: Sequence[str] | None) -> str:
    """Name of a class; where there are no names, its number."""
    return str(class_names[label]) if class_names else str(label)


def _both_ends(values: NDArray[np.float64], members: Integers, number: int) -> Integers:
    """The hardest and the easiest of some examples; among equal ones the order is drawn at random."""
    shuffled = np.random.default_rng(TIE_SEED).permutation(members)  # not by position: neighbours are often of a class
    hardest_first = shuffled[np.argsort(-values[shuffled], kind="stable")]
    return np.stack([hardest_first[:number], hardest_first[-number:]])


def _thumbnails(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = images.shape[1:3]
    if max(height, width) <= LONGEST_SIDE:
        return images
    from PIL import Image

    scale = LONGEST_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    reduced = [
        np.asarray(
            Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).resize(size, Image.Resampling.BOX)
        )
        for image in images
    ]
    return np.stack(reduced).reshape(len(images), size[1], size[0], images.shape[-1])
