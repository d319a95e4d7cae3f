"""Windows of signed margin: what a score that knows the label, such as EL2N, keeps of a teacher-student data set.

A loss-based score of an example (x, y) under a probe J falls with the signed margin y (J.x): hardest of all are the
examples on which probe and label disagree, those far from the probe's boundary first; then the examples on which they
agree, the nearest first.  The theory's difficulty |J.x| does not know the label; but a window of signed margin is a
window of |J.x| among the examples on which they agree and another among those on which they do not, a
:class:`perceptron_theory.KeepByLabel`, and so the theory solves it exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import cumulative_simpson
from scipy.special import erf, ndtr

from data_pruning.arguments import broadcast, real_array, real_number
from data_pruning.keep_by_label import KeepByLabel
from data_pruning.keep_rules import KeepWindow

__all__ = ["signed_margin_window"]

LARGEST_MARGIN = 9.0  # the mass beyond is below 1e-18
NUM_NODES = 20_001
LEAST_WIDTH = 1e-9  # of a side that keeps nothing


def signed_margin_window(
    lower: ArrayLike, upper: ArrayLike, theta: float, *, flip_probability: float = 0.0
) -> KeepByLabel:
    """The window of ranks [lower, upper] in signed margin y (J.x), 0 = most negative = hardest.

    With x ~ N(0, I) and z = J.x, the label sign(T.x), flipped with probability eta, agrees with the probe with
    probability eta + (1 - 2 eta) Phi(|z| cot theta); this fixes the threshold of signed margin at every rank.

    Args:
        lower: rank at which the window begins, in [0, 1).
        upper: rank at which it ends, in (lower, 1]; broadcast against ``lower``.
        theta: angle between probe and label generator, in (0, pi/2], radians.
        flip_probability: probability eta of a wrong label, in [0, 1/2).

    Returns:
        The keep rule, an array of rules if ``lower`` or ``upper`` is one; it keeps upper - lower of the data, to about
        1e-9: a side that keeps nothing is a window of that width.

    Raises:
        ValueError: an argument out of range.
    """
    lower, upper = real_array("lower", lower), real_array("upper", upper)
    broadcast(lower=lower, upper=upper)
    theta, flip_probability = real_number("theta", theta), real_number("flip_probability", flip_probability)
    first, last = np.broadcast_arrays(lower, upper)
    if not np.all((first >= 0) & (first < last) & (last <= 1)):
        raise ValueError(f"ranks need 0 <= lower < upper <= 1, got lower = {lower!r}, upper = {upper!r}")
    if not 0 < theta <= np.pi / 2:
        raise ValueError(f"theta must lie in (0, pi/2] radians, got {theta!r}")
    if not 0 <= flip_probability < 0.5:
        raise ValueError(f"flip_probability must lie in [0, 1/2), got {flip_probability!r}")
    z = np.linspace(0, LARGEST_MARGIN, NUM_NODES)
    density = np.sqrt(2 / np.pi) * np.exp(-(z**2) / 2)
    agree = flip_probability + (1 - 2 * flip_probability) * ndtr(z / np.tan(theta))
    agreeing, disagreeing = (cumulative_simpson(density * share, x=z, initial=0) for share in (agree, 1 - agree))
    wrong = disagreeing[-1]

    def agree_rank(rank: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rank in |z| below which the agreeing examples of signed margin up to ``rank`` lie."""
        threshold = np.interp(rank - wrong, agreeing, z)
        return np.where(rank >= 1, 1.0, erf(threshold / np.sqrt(2)))

    def disagree_rank(rank: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rank in |z| above which the disagreeing examples of signed margin up to ``rank`` lie."""
        threshold = np.interp(wrong - rank, disagreeing, z)
        return np.where(rank <= 0, 1.0, erf(threshold / np.sqrt(2)))

    return KeepByLabel(_window(agree_rank(first), agree_rank(last)), _window(disagree_rank(last), disagree_rank(first)))


def _window(lower: NDArray[np.float64], upper: NDArray[np.float64]) -> KeepWindow:
    lower = np.minimum(lower, 1 - LEAST_WIDTH)
    return KeepWindow(lower[()], np.maximum(upper, lower + LEAST_WIDTH)[()])
