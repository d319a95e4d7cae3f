"""How significantly simulations differ from a theory: normal scores, the limit of infinite N, chi-squares.

A theory of infinite N is checked on residuals r = error - theory of independent trials, at one or several sizes N.
All scores come from linear combinations of sample means m_k over their standard errors,

    t = sum_k b_k m_k / sqrt(sum_k v_k),    v_k = b_k^2 s_k^2 / n_k,

with the sample variances s_k^2 of n_k trials.  For normal residuals and one sample, t follows Student's distribution
with n - 1 degrees of freedom; for several, to a good approximation, with

    nu = (sum_k v_k)^2 / sum_k v_k^2 / (n_k - 1)

(Welch, Biometrika 29, 1938; Satterthwaite, Biometrics Bulletin 2, 1946).  Each t is turned into the normal score z of
the same tail probability, so that sums of z^2 follow the chi-square distribution however few the trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, ndtri_exp, stdtr
from scipy.stats import chi2

__all__ = ["ChiSquare", "CommonShift", "Estimate", "Extrapolation", "chi_square", "combine", "common_shift"]
__all__ += ["extrapolate", "normal_score"]

Floats = NDArray[np.float64]
UNDERFLOW = 1e-290  # tail probability below which only the logarithm is computed


class Estimate(NamedTuple):
    """An estimate from samples.

    Attributes:
        value: linear combination of sample means.
        error: its standard error.
        freedom: degrees of freedom of the standard error.
        z: normal score of value / error.
    """

    value: float
    error: float
    freedom: float
    z: float


class Extrapolation(NamedTuple):
    """Residuals at several sizes, extrapolated to infinite N.

    Attributes:
        limit: r_inf, the mean residual at infinite N.
        slope: c in the law r_inf + c / N.
        law_z: normal scores of what the law leaves, shape (number of sizes - 2,); independent of each other and of
            ``limit`` if the variance of a trial is proportional to 1/N.
    """

    limit: Estimate
    slope: float
    law_z: Floats


class ChiSquare(NamedTuple):
    """A sum of squared scores.

    Attributes:
        value: the sum.
        p_value: probability of a larger one; NaN if there is nothing to sum.
    """

    value: float
    p_value: float


class CommonShift(NamedTuple):
    """A relative shift that is common to all points.

    Attributes:
        shift: weighted mean of residual / theory.
        error: its standard error.
        p_value: of the chi-square that is left about the shift; 1 for a single point.
    """

    shift: float
    error: float
    p_value: float


def normal_score(t: ArrayLike, freedom: ArrayLike) -> Floats:
    """The z whose normal tail probability is Student's at t.

    Args:
        t: any numbers.
        freedom: degrees of freedom, > 0, not necessarily whole; broadcast against ``t``.

    Returns:
        Phi^-1(T_nu(t)), to rounding; where the tail probability is below 1e-290 to 1e-6 of itself.
    """
    t, nu = np.broadcast_arrays(np.asarray(t, float), np.asarray(freedom, float))
    tail = stdtr(nu, -np.abs(t))
    # in the far tail T_nu(-|t|) = I_x(nu/2, 1/2) / 2 with x = nu / (nu + t^2), of which the leading term is
    # x^(nu/2) (1 - x)^(-1/2) / (nu B(nu/2, 1/2)); the next is 1/t^2 of it, and t^2 > 1000
    far = np.maximum(np.abs(t), 30.0)
    leading = -0.5 * nu * np.log1p(far / nu * far) + 0.5 * np.log1p(nu / far / far) - np.log(nu) - betaln(nu / 2, 0.5)
    log_tail = np.where(tail > UNDERFLOW, np.log(np.maximum(tail, UNDERFLOW)), leading)
    return np.asarray(np.where(t == 0, 0.0, np.copysign(ndtri_exp(log_tail), t)))


def combine(coefficients: ArrayLike, samples: Sequence[Floats]) -> Estimate:
    """A linear combination of the means of independent samples.

    Args:
        coefficients: b_k, shape (number of samples,).
        samples: each of shape (n_k,), n_k >= 2.

    Raises:
        ValueError: the values of every sample are all the same, so there is no standard error.
    """
    b = np.asarray(coefficients, float)
    value = float(b @ [sample.mean() for sample in samples])
    variance = b**2 * [sample.var(ddof=1) / sample.size for sample in samples]
    if not variance.sum() > 0:
        raise ValueError(f"all {samples[0].size} trials have the same residual, {samples[0][0]:g}: no standard error")
    error = float(np.sqrt(variance.sum()))
    share = variance / variance.sum()
    freedom = float(1 / (share**2 @ [1 / (sample.size - 1) for sample in samples]))
    return Estimate(value, error, freedom, float(normal_score(value / error, freedom)))


def extrapolate(sizes: ArrayLike, samples: Sequence[Floats]) -> Extrapolation:
    """Fit r_inf + c / N to mean residuals.

    Least squares with weights N_k n_k: the variance of a trial's error falls as 1/N, and weights that do not look at
    the noise leave r_inf a linear combination of means, unbiased and with a known distribution.  If the variance falls
    otherwise r_inf is noisier than need be, and its standard error, which is from the samples, says so.  What the law
    leaves is as many numbers as there are sizes beyond two: contrasts sum_k b_k m_k that vanish on the law and are
    orthonormal under these weights.

    Args:
        sizes: N_k, different numbers, shape (number of sizes,), at least two.
        samples: residuals at each size, each of shape (n_k,), n_k >= 2.

    Raises:
        ValueError: fewer than two sizes, or as ``combine``.
    """
    size = np.asarray(sizes, float)
    if np.unique(size).size < max(2, len(samples)):
        raise ValueError(f"an extrapolation takes at least two sizes, all different, got {sizes!r}")
    root = np.sqrt(size * [sample.size for sample in samples])  # of the weights
    law = np.stack([np.ones_like(size), size.min() / size], axis=1)
    q, r = np.linalg.qr(root[:, None] * law, mode="complete")
    fit = np.linalg.solve(r[:2], q[:, :2].T) * root
    means = np.array([sample.mean() for sample in samples])
    left = [combine(q[:, k] * root, samples).z for k in range(2, size.size)]
    return Extrapolation(combine(fit[0], samples), float(size.min() * (fit[1] @ means)), np.array(left))


def chi_square(z: ArrayLike) -> ChiSquare:
    """Sum of squares of independent normal scores, and the probability of a larger one."""
    scores = np.asarray(z, float).reshape(-1)
    if scores.size == 0:
        return ChiSquare(np.nan, np.nan)
    value = float(scores @ scores)
    return ChiSquare(value, float(chi2.sf(value, scores.size)))


def common_shift(theory: Floats, estimates: Sequence[Estimate]) -> CommonShift:
    """The relative shift of all points, and whether they agree about it.

    Args:
        theory: test errors, > 0, shape (num_points,).
        estimates: mean residual of each point.

    The shift is the mean of residual / theory with weights (theory / standard error)^2.
    """
    value, error, freedom = (np.array([getattr(each, name) for each in estimates]) for name in Estimate._fields[:3])
    weight = (theory / error) ** 2
    shift = float(np.average(value / theory, weights=weight))
    if theory.size == 1:
        return CommonShift(shift, float(weight[0] ** -0.5), 1.0)
    z = normal_score((value - shift * theory) / error, freedom)
    left = float(z @ z)
    return CommonShift(shift, float(weight.sum() ** -0.5), float(chi2.sf(left, theory.size - 1)))
