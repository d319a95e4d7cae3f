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
    num_groups = 0
    number: NDArray[np.int64] = np.zeros(0, np.int64)
    total: NDArray[np.float64] | None = None
    entropies: NDArray[np.float64] = np.zeros(0)
    for group in groups():
        num_groups += 1
        number = group.numbers if total is None else number + group.numbers
        entropies = group.entropies if total is None else entropies + group.entropies
        total = group.probabilities if total is None else total + group.probabilities
    if total is None:
        raise ValueError("groups must give at least one, got none")
    if np.any(number == 0):
        raise ValueError(
            f"{np.sum(number == 0)} of {number.size} images are in the share of all networks: train more networks"
        )
    whole = _of_sums(number, total, entropies)
    if num_groups < FEWEST_GROUPS:
        unknown = np.full(number.size, np.inf)
        return Uncertainty(*(Estimate(values, unknown) for values in whole))
    jackknives = [_Jackknife(values) for values in whole]
    for group in groups():
        left = (group.numbers > 0) & (group.numbers < number)
        rest = np.where(left, number - group.numbers, 1)
        without = _of_sums(rest, total - group.probabilities, entropies - group.entropies)
        for jackknife, values in zip(jackknives, without, strict=True):
            jackknife.leave_out(values, left, np.where(left, group.numbers / rest, 1.0))
    return Uncertainty(*(Estimate(one.whole, one.standard_error()) for one in jackknives))


def _of_sums(number: NDArray, total: NDArray, entropies: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean = np.maximum(total, 0) / number[:, None]
    mean /= np.where(mean.sum(axis=1) > 0, mean.sum(axis=1), 1)[:, None]  # float32 sums
    entropy = -xlogy(mean, mean).sum(axis=1)
    return entropy, np.maximum(entropy - entropies / number, 0)


class _Jackknife:
    """Standard errors of values from those without each group, which come one after another and are not kept.

    With h = n / m of a group of m of n networks and d the value less that without the group, the pseudo-value is the
    value plus (h - 1) d, their centre the value plus c = sum (1 - 1 / h) d, and the variance the mean over groups of
    ((h - 1) d - c)^2 / (h - 1).
    """

    def __init__(self, whole: NDArray[np.float64]) -> None:
        self.whole = whole
        self._groups = np.zeros(whole.size, np.int64)
        self._squares, self._sum, self._weights, self._centre = np.zeros((4, whole.size))

    def leave_out(self, without: NDArray, left: NDArray[np.bool_], odds: NDArray[np.float64]) -> None:
        """A group of which ``left`` says where it counts, and ``odds`` its networks over the others, 1 / (h - 1)."""
        d = np.where(left, self.whole - without, 0.0)
        self._groups += left
        self._squares += d**2 / odds
        self._sum += d
        self._weights += np.where(left, odds, 0.0)
        self._centre += d / (1 + odds)

    def standard_error(self) -> NDArray[np.float64]:
        """Where fewer than two groups count, the root mean square of the others."""
        several = self._groups > 1
        squares = self._squares - 2 * self._centre * self._sum + self._centre**2 * self._weights
        variance = np.where(several, np.maximum(squares, 0) / np.maximum(self._groups, 1), 0.0)
        variance[~several] = variance[several].mean() if several.any() else np.inf
        return np.sqrt(variance)


def votes_of(parts: Iterable[tuple[NDArray[np.bool_], NDArray]], num_classes: int) -> NDArray:
    """How many networks that have not seen an image name each class.

    Args:
        parts: for some networks at a time, whether each has seen each image and the class that it names, both of shape
            (num_networks, num_images).
        num_classes: number of classes.

    Returns:
        Integers of shape (num_images, num_classes), of 16 bits up to 65,535 networks.
    """
    votes: NDArray | None = None
    num_networks = 0
    for seen, predicted in parts:
        if votes is None:
            votes = np.zeros((seen.shape[1], num_classes), np.uint16)  # of ImageNet 2.6 GB
        num_networks += len(seen)
        if num_networks > np.iinfo(votes.dtype).max:
            votes = votes.astype(np.int64)
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
    number = numbers.sum(axis=1, dtype=np.int64)
    if np.any(number == 0):
        raise ValueError(f"votes: {np.sum(number == 0)} of {number.size} images have none: train more networks")
    most = numbers.max(axis=1).astype(np.int64)
    return Estimate(1 - most / number, np.sqrt(share_variance(most, number)))
