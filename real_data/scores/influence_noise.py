"""What influence looks like where there is none: noise of networks, and examples that no network has seen."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import log_ndtr

from real_data.scores.held_out import columns_of
from real_data.subset_trainings.packing import Bits

__all__ = ["largest_of_normals", "phantom_members", "spread_of"]

COLUMNS_AT_ONCE = 4096
NUM_PHANTOMS = 256


def spread_of(outcomes: Bits) -> NDArray[np.float64]:
    """Standard deviation over networks of the outcome of each test image.

    Of right and wrong sqrt(q (1 - q) K / (K - 1)): unbiased, as which networks have seen an example is drawn among the
    K that there are.  With outcomes as they are, the variance of the difference of two means is the square of this one
    times 1 / a + 1 / (K - a), exactly.
    """
    starts = range(0, outcomes.shape[1], COLUMNS_AT_ONCE)
    return np.concatenate(
        [columns_of(outcomes, first, first + COLUMNS_AT_ONCE).std(axis=0, ddof=1) for first in starts]
    )


def largest_of_normals(spread: NDArray[np.float64]) -> float:
    """Median of the largest of independent normal numbers of mean 0 and these standard deviations, at least one."""
    s = spread[spread > 0]
    if not s.size:
        return 0.0

    def over_half(x: float) -> float:
        return float(np.sum(log_ndtr(x / s))) - math.log(0.5)

    if s.size < spread.size and over_half(0.0) > 0:  # one that never varies is 0
        return 0.0
    high = float(s.max()) * (2 + math.sqrt(2 * math.log(s.size + 1)))
    return max(float(brentq(over_half, -high, high, xtol=1e-12 * high)), 0.0)  # of one it is 0


def phantom_members(members: Bits, seed: int) -> NDArray[np.bool_]:
    """Memberships of examples that do not exist, drawn as those that do: what seems to be their influence is noise.

    Networks differ in how good they are, on all test images together; so the scatter of a sum of influences is not that
    of independent test images, and is taken from these.

    Args:
        members: whether each network was trained on each example, shape (num_networks, n); each in some and not in all.
        seed: of the phantoms.

    Returns:
        Shape (num_networks, 256), each in some and not in all.
    """
    share = float(np.mean(columns_of(members, 0, COLUMNS_AT_ONCE)))
    rng = np.random.default_rng(seed)
    found = np.empty((members.shape[0], 0), bool)
    while found.shape[1] < NUM_PHANTOMS:
        drawn = rng.random((members.shape[0], NUM_PHANTOMS)) < share
        seen = drawn.sum(axis=0)
        found = np.concatenate([found, drawn[:, (seen > 0) & (seen < len(drawn))]], axis=1)
    return found[:, :NUM_PHANTOMS]
