"""Densities at which networks reach one and the same error, and whether they all scale alike with depth and width.

At an error L the pruning law says (depth^phi width^psi density)^2 (1 - (e/L)^(2/gamma)) = a constant of L, where e is
the error of the unpruned network.  So the logarithm of the density, with half that of the bracket, is a constant - phi
log(depth) - psi log(width) at any L, with the same phi and psi.  Of the law this assumes how the unpruned error enters,
which matters near it, and nothing of its form in the density.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from real_data.magnitude_pruning.curves import PruningCurves

__all__ = ["Contours", "fit_contours", "levels_for"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Contours:
    """Slopes of contours of the error.

    Attributes:
        levels: errors, shape (num_levels,).
        density: density at which each network reaches each of them, corrected for its unpruned error, geometric mean
            over seeds, shape (num_networks, num_levels); NaN for networks some of whose seeds do not.
        exponents: phi and psi of each level, shape (num_levels, 2); phi is 0 where all networks have one depth.
        standard_errors: of these, from the spread over seeds, likewise.
        common: phi and psi of all levels together.
        chi_square: of the differences between levels, in units of their errors over seeds.
        degrees: its degrees of freedom.
        p_value: how often a larger one is seen if phi and psi are the same at all levels.
        scatter: of the networks about the power laws of their level: root mean square of the logarithm of the density.
        seed_error: what seeds leave of it.
    """

    levels: Floats
    density: Floats
    exponents: Floats
    standard_errors: Floats
    common: Floats
    chi_square: float
    degrees: int
    p_value: float
    scatter: float
    seed_error: float


def levels_for(curves: PruningCurves) -> Floats:
    """Three errors from half as much again as the worst unpruned network's to half of guessing, even in the logarithm.

    Raises:
        ValueError: there is nothing between them.
    """
    low, high = 1.5 * float(curves.unpruned_error.max()), 0.5 * curves.guessing_error
    if low >= high:
        raise ValueError(f"no errors lie between 1.5 times that of the worst network, {low:.3g}, and {high:.3g}")
    return np.geomspace(low, high, 3)


def log_densities(density: Floats, errors: Floats, level: float) -> Floats:
    """Logarithm of the density at which errors exceed a level for good, interpolated; NaN where they do not.

    Args:
        density: falling, shape (num_rounds,).
        errors: shape (num_rounds, num_seeds).
        level: the error.
    """
    found = np.full(errors.shape[1], np.nan)
    for seed, of_seed in enumerate(errors.T):
        below = np.flatnonzero(of_seed <= level)
        if below.size == 0 or below[-1] + 1 == len(of_seed):
            continue
        ends = slice(below[-1], below[-1] + 2)
        y, x = np.log(of_seed[ends]), np.log(density[ends])
        found[seed] = x[0] + (np.log(level) - y[0]) / (y[1] - y[0]) * (x[1] - x[0])
    return found


def fit_contours(curves: PruningCurves, levels: Floats, gamma: float) -> Contours:
    """Regress the densities at each level on depth and width, and test whether the slopes agree.

    Only networks all of whose seeds reach all levels take part.

    Args:
        curves: the measured errors.
        levels: errors above that of every unpruned network, shape (num_levels,).
        gamma: exponent of the law.

    Raises:
        ValueError: they are too few to tell the slopes.
    """
    logs = np.array(
        [[log_densities(d, e, level) for level in levels] for d, e in zip(curves.density, curves.errors, strict=True)]
    )  # (network, level, seed)
    above = 1 - (curves.unpruned_error[:, None] / levels) ** (2 / gamma)
    logs += 0.5 * np.log(np.where(above > 0, above, np.nan))[..., None]
    there = np.isfinite(logs).all(axis=(1, 2))
    sizes = np.stack([np.log(curves.depth), np.log(curves.width)], axis=1)[there]
    varied = [column for column in range(2) if np.ptp(sizes[:, column]) > 0] if there.any() else []
    design = np.column_stack([np.ones(len(sizes)), sizes[:, varied]])
    if not varied or len(sizes) <= design.shape[1] or len(sizes) * (logs.shape[-1] - 1) < len(levels):
        raise ValueError(
            f"{there.sum()} of {there.size} networks reach the errors {np.round(levels, 3).tolist()} with all their "
            "seeds, too few to tell how their densities scale: prune in more rounds"
        )
    values, num_seeds = logs[there], logs.shape[-1]
    mean = values.mean(axis=-1)
    spread = values - mean[..., None]
    of_seeds = np.einsum("nas,nbs->ab", spread, spread) / (len(values) * (num_seeds - 1) * num_seeds)
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ mean  # (1 + varied, level)
    residual = mean - design @ coefficients
    slopes, of_slopes = -coefficients[1:], inverse[1:, 1:]
    common, chi_square = _agreement(slopes, of_slopes, of_seeds)
    exponents, errors, together = np.zeros((len(levels), 2)), np.zeros((len(levels), 2)), np.zeros(2)
    exponents[:, varied] = slopes.T
    errors[:, varied] = np.sqrt(np.outer(np.diag(of_seeds), np.diag(of_slopes)))
    together[varied] = common
    from scipy.stats import chi2

    degrees = (len(levels) - 1) * len(varied)
    density = np.where(there[:, None], np.exp(logs.mean(axis=-1)), np.nan)
    return Contours(
        levels,
        density,
        exponents,
        errors,
        together,
        chi_square,
        degrees,
        float(chi2.sf(chi_square, degrees)),
        float(np.sqrt(np.sum(residual**2) / (len(sizes) - design.shape[1]) / len(levels))),
        float(np.sqrt(np.mean(np.diag(of_seeds)))),
    )


def _agreement(slopes: Floats, of_slopes: Floats, of_levels: Floats) -> tuple[Floats, float]:
    """Common slopes of all levels, by generalised least squares, and chi-square of the deviations from them.

    Args:
        slopes: shape (num_slopes, num_levels).
        of_slopes: their covariance at one level for noise of variance 1, shape (num_slopes, num_slopes).
        of_levels: covariance of the noise between levels, shape (num_levels, num_levels).
    """
    precision = np.linalg.inv(of_levels)
    common = slopes @ precision.sum(axis=1) / precision.sum()
    off = slopes - common[:, None]
    return common, float(np.trace(precision @ off.T @ np.linalg.solve(of_slopes, off)))
