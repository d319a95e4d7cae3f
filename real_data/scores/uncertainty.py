"""Uncertainty of an ensemble about images: entropy, mutual information, variation ratio; labels play no part.

Source: Chitta, Alvarez, Haussmann, Farabet, *Training Data Subset Search With Ensemble Active Learning* (2021), section
3.  They train, acquire and train again; here the score is computed once, of networks that have not seen the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from real_data.scores.held_out import Estimate, share_variance

if TYPE_CHECKING:
    from real_data.subset_trainings.outcomes import GroupSums

__all__ = ["Uncertainty", "uncertainty", "uncertainty_from_sums", "variation_ratio", "votes_of"]

FEWEST_GROUPS = 3


class Uncertainty(NamedTuple):
    """Of each image, in nats.

    Attributes:
        entropy: of the mean prediction, H(mean_r p_r), in [0, ln num_classes].
        mutual_information: between prediction and network, H(mean_r p_r) - mean_r H(p_r), at least 0.
    """

    entropy: Estimate
    mutual_information: Estimate


def uncertainty(probabilities: ArrayLike) -> Uncertainty:
    """Entropy of the mean prediction, and mutual information, of networks that all say something of every image.

    Standard errors are to first order: with the mean prediction q, H(q) is the mean over networks of the cross-entropy
    -sum_c p_rc ln q_c, and the mutual information that of the divergence sum_c p_rc ln(p_rc / q_c); their scatter over
    networks is what is given.

    Args:
        probabilities: shape (num_networks, num_images, num_classes), each at least 0, sums 1 to 1e-4.

    Raises:
        ValueError: shapes that do not fit, or numbers that are no probabilities.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 3 or not p.size:
        raise ValueError(f"probabilities must have shape (num_networks, num_images, num_classes), got {p.shape}")
    if not (np.all(p >= 0) and np.allclose(p.sum(axis=-1), 1, rtol=0, atol=1e-4)):
        raise ValueError("probabilities must be at least 0, with sum 1 over the classes")
    mean = p.mean(axis=0)
    logarithm = np.log(mean, out=np.zeros_like(mean), where=mean > 0)
    crossed = -np.einsum("rnc,nc->rn", p, logarithm)
    own = -xlogy(p, p).sum(axis=-1)
    entropy = -xlogy(mean, mean).sum(axis=-1)
    information = np.maximum(entropy - own.mean(axis=0), 0)
    return Uncertainty(Estimate(entropy, _error_of_mean(crossed)), Estimate(information, _error_of_mean(crossed - own)))


def _error_of_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(values) == 1:
        return np.full(values.shape[1], np.inf)
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


def uncertainty_from_sums(groups: Callable[[], Iterable[GroupSums]]) -> Uncertainty:
    """The same from sums over groups of networks, where the probabilities of each network are not known.

    Standard errors are those of the jackknife that leaves out one group at a time, of unequal sizes (Busing, Meijer,
    van der Leeden 1999, *Delete-m Jackknife for Unequal m*).  Images whose networks are all in one group take the root
    mean square of the others; with fewer than three groups they are infinite.

    Args:
        groups: gives, whenever it is called, the sums over the networks of each group, and their numbers, one group at
            a time; see :class:`GroupSums`.

    Raises:
        ValueError: no groups, or an image that no network can be asked about.
    """
    numbers: list[NDArray[np.int64]] = []
    total: NDArray[np.float64] | None = None
    entropies: NDArray[np.float64] = np.zeros(0)
    for group in groups():
        numbers.append(group.numbers)
        total = group.probabilities if total is None else total + group.probabilities
        entropies = group.entropies if len(numbers) == 1 else entropies + group.entropies
    if total is None:
        raise ValueError("groups must give at least one, got none")
    size = np.array(numbers)
    number = size.sum(axis=0)
    if np.any(number == 0):
        raise ValueError(
            f"{np.sum(number == 0)} of {number.size} images are in the share of all networks: train more networks"
        )
    whole = _of_sums(number, total, entropies)
    if len(size) < FEWEST_GROUPS:
        unknown = np.full(number.size, np.inf)
        return Uncertainty(*(Estimate(values, unknown) for values in whole))
    left = (size > 0) & (size < number)
    without = np.empty((2, *size.shape))
    for i, group in enumerate(groups()):
        rest = np.where(left[i], number - group.numbers, 1)
        without[:, i] = _of_sums(rest, total - group.probabilities, entropies - group.entropies)
    return Uncertainty(*(Estimate(w, _jackknife(w, out, size, left)) for w, out in zip(whole, without, strict=True)))


def _of_sums(number: NDArray, total: NDArray, entropies: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean = np.maximum(total, 0) / number[:, None]
    mean /= np.where(mean.sum(axis=1) > 0, mean.sum(axis=1), 1)[:, None]  # float32 sums
    entropy = -xlogy(mean, mean).sum(axis=1)
    return entropy, np.maximum(entropy - entropies / number, 0)


def _jackknife(whole: NDArray, without: NDArray, size: NDArray, left: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Standard errors from the values without each group, shape (num_groups, num_images)."""
    number, groups = size.sum(axis=0), left.sum(axis=0)
    several = groups > 1
    h = np.where(left, number / np.maximum(size, 1), 2.0)
    pseudo = np.where(left, h * whole - (h - 1) * without, 0.0)
    centre = np.sum(pseudo * np.where(left, 1 / h, 0), axis=0)
    squares = np.sum(np.where(left, (pseudo - centre) ** 2 / (h - 1), 0), axis=0)
    variance = np.where(several, squares / np.maximum(groups, 1), 0.0)
    variance[~several] = variance[several].mean() if several.any() else np.inf
    return np.sqrt(variance)


def votes_of(parts: Iterable[tuple[NDArray[np.bool_], NDArray]], num_classes: int) -> NDArray[np.int64]:
    """How many networks that have not seen an image name each class.

    Args:
        parts: for some networks at a time, whether each has seen each image and the class that it names, both of shape
            (num_networks, num_images).
        num_classes: number of classes.

    Returns:
        Shape (num_images, num_classes).
    """
    votes: NDArray[np.int64] | None = None
    for seen, predicted in parts:
        if votes is None:
            votes = np.zeros((seen.shape[1], num_classes), np.int64)
        for of_network, classes in zip(seen, predicted, strict=True):
            asked = np.flatnonzero(~of_network)
            votes[asked, classes[asked]] += 1
    if votes is None:
        raise ValueError("parts must be at least one, got none")
    return votes


def variation_ratio(votes: ArrayLike) -> Estimate:
    """Share of the networks that do not name the class that most of them name.

    Args:
        votes: number of networks that name each class, integers of at least 0, shape (num_images, num_classes), at
            least one network for each image.

    Returns:
        Values in [0, 1 - 1 / num_classes], and standard errors as of a share, the chosen class taken as given.

    Raises:
        ValueError: votes that are none.
    """
    numbers = np.asarray(votes)
    if numbers.ndim != 2 or numbers.dtype.kind not in "iu" or not numbers.size or numbers.min() < 0:
        raise ValueError(f"votes must be integers of at least 0, shape (num_images, num_classes), got {numbers!r}")
    number = numbers.sum(axis=1)
    if np.any(number == 0):
        raise ValueError(f"votes: {np.sum(number == 0)} of {number.size} images have none: train more networks")
    most = numbers.max(axis=1)
    return Estimate(1 - most / number, np.sqrt(share_variance(most, number)))
