"""The value of a rank, measured: by how much the error falls when examples of a rank are kept a little more often.

The experimental twin of :func:`perceptron_theory.value_function`.  Policies are drawn at random around a base policy,
in pairs that lie opposite each other; a network is trained on what each keeps, and the logarithm of the ratio of the
errors of a pair is regressed on the difference of their keep probabilities.  So neither the curvature of the error nor
what is special about a pool plays a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning import KeepPolicy
from data_pruning.arguments import check_integer, check_real
from data_pruning.sampling import capped_probabilities

__all__ = ["RankValues", "measured_rank_values", "name_of", "random_policies", "stepped"]

Floats = NDArray[np.float64]
SPREAD = 0.5  # by how much probabilities differ from those of the base, relative
SOFTENED = 0.1  # share of random in the policy around which values are measured: room below probability 1


class RankValues(NamedTuple):
    """What examples of each bin of rank are worth, around a base policy.

    Attributes:
        edges: bins of difficulty rank, 0 = hardest, shape (num_bins + 1,).
        value: - d log(error) / d pi(u) averaged over each bin, per fraction of the data, less its mean over all ranks
            (at a fixed number of examples kept the mean does not matter), shape (num_bins,).
        standard_error: of ``value``, likewise.
        num_trainings: number of trainings behind it.
    """

    edges: Floats
    value: Floats
    standard_error: Floats
    num_trainings: int


def random_policies(base: KeepPolicy, num_pairs: int, *, seed: int, spread: float = SPREAD) -> list[KeepPolicy]:
    """Pairs of opposite policies around the base, softened by a tenth of random, of the same fraction.

    A bin of probability p has p (1 + d) in one policy of a pair and p (1 - d) in the other, with |d| at most
    ``spread``, nearly equal for all bins, and random signs.

    Args:
        base: a policy of equal bins of rank.
        num_pairs: how many pairs, at least 1.
        seed: non-negative integer.
        spread: largest relative difference of a probability from that of the base, in (0, 1).

    Returns:
        2 num_pairs policies; those of a pair follow each other.

    Raises:
        ValueError: a number out of range, or a fraction of 1.
    """
    check_integer("num_pairs", num_pairs, 1)
    check_real("spread", spread, "(0, 1)")
    fraction = float(base.fraction)
    if fraction >= 1:
        raise ValueError("the base must keep less than everything: nothing can be moved")
    middle = softened(base)
    rng = np.random.default_rng(seed)
    policies = []
    for _ in range(num_pairs):
        move = rng.permutation(np.resize([1.0, -1.0], middle.size))
        move -= (middle @ move) / middle.sum()  # the fraction stays
        move *= spread / np.abs(move).max()
        move *= min(1.0, float(np.min((1 - middle) / (middle * np.abs(move)))))
        policies += [KeepPolicy(base.edges, np.clip(middle * (1 + sign * move), 0, 1)) for sign in (1, -1)]
    return policies


def softened(base: KeepPolicy) -> Floats:
    """Probabilities of the policy around which values are measured."""
    return (1 - SOFTENED) * np.asarray(base.probability, float) + SOFTENED * float(base.fraction)


def measured_rank_values(policies: Sequence[KeepPolicy], errors: ArrayLike) -> RankValues:
    """Values of the ranks from the errors of networks trained on what pairs of opposite policies keep.

    Ordinary least squares on the pairs, seed by seed.

    Args:
        policies: of equal bins of rank and equal fraction, pair after pair (:func:`random_policies`).
        errors: test errors, positive, shape (num_policies, num_seeds).

    Raises:
        ValueError: too few trainings, or an error of 0.
    """
    errors = np.asarray(errors, float)
    if not np.all(errors > 0):
        raise ValueError("errors must be positive: a test error of 0 has no logarithm; take more test images")
    probability = np.stack([np.asarray(policy.probability, float) for policy in policies])
    num_bins, num_seeds = probability.shape[1], errors.shape[1]
    x = np.repeat(probability[::2] - probability[1::2], num_seeds, axis=0)
    y = (np.log(errors[::2]) - np.log(errors[1::2])).ravel()
    degrees = y.size - (num_bins - 1)
    if degrees < 1:
        raise ValueError(f"{len(policies)} policies on {num_seeds} seeds are too few for {num_bins} bins")
    # what sums to zero over the bins cannot be told: the least-squares solution of least norm has none of it
    covariance = np.linalg.pinv(x.T @ x, rcond=1e-10)
    slope = covariance @ (x.T @ y)
    variance = np.sum((y - x @ slope) ** 2) / degrees
    error = np.sqrt(variance * np.diag(covariance))
    # log(error) changes by - sum value_b d pi_b / num_bins
    edges = np.asarray(policies[0].edges, float)
    return RankValues(edges, -num_bins * slope, num_bins * error, errors.size)


def stepped(base: KeepPolicy, values: RankValues, length: float, *, floor: float = 0.1) -> KeepPolicy:
    """The policy a step along the values away from the base, of the same fraction.

    Args:
        base: a policy of equal bins.
        values: measured around it.
        length: by how much the logarithm of the probability of the bin of largest absolute value changes, before
            all are brought to the same fraction; the trust region.
        floor: no probability falls below ``floor`` times the fraction, in [0, 1).
    """
    check_real("length", length, "[0, inf)")
    check_real("floor", floor, "[0, 1)")
    largest = np.abs(values.value).max()
    lean = np.exp(length * values.value / largest) if largest > 0 else np.ones(values.value.size)
    return _of_weights(base, np.asarray(base.probability, float) * lean, floor)


def _of_weights(base: KeepPolicy, weights: Floats, floor: float = 0.0) -> KeepPolicy:
    """The policy of the base's bins and fraction with probabilities in proportion to the weights, as far as may be."""
    fraction, num_bins = float(base.fraction), weights.size
    free = capped_probabilities(weights, fraction * num_bins)
    return KeepPolicy(base.edges, np.clip(floor * fraction + (1 - floor) * free, 0, 1))


def name_of(policy: KeepPolicy) -> str:
    """The policy as command lines and experiments call it."""
    parts = (np.asarray(part, float) for part in (policy.edges, policy.probability))
    return "policy@" + "/".join(",".join(f"{x:.6g}" for x in part) for part in parts)
