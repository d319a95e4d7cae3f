"""Scaling laws over power-law features: how the error falls with the number of examples and with that of features.

Feature k has the variance k^-a, and the teacher takes the part tau_k = k^-b / zeta(b) of its field's variance from it
(``PowerLawFeatures`` without end).  A test error is the angle between student and teacher over pi; its square is pi^-2
times the part of the teacher's field that the student gets wrong, where that is small.

*Few features, n -> infinity.*  Of the teacher all is learned that is seen.  What is hidden is

    h = sum_{k > m} tau_k = zeta(b, m + 1) / zeta(b) -> m^(1 - b) / ((b - 1) zeta(b)),    error = arcsin(sqrt h) / pi,

which falls like m^-beta with beta = (b - 1) / 2, whatever the loss.

*Few examples, m -> infinity, the Bayes-optimal student.*  Let e = 1 - q be the part of the field that is not known.  An
example tells the more the better the teacher is known, as only those near its boundary count:
Q = n kappa / sqrt e with kappa = (1 - 2 eta)^2 sqrt(2 / pi) int phi^2 / (eta + (1 - 2 eta) Phi), (``sources``
with q -> 1).  The sum over features is an integral, sum tau_k / (1 + tau_k Q) -> int dk / (zeta(b) k^b + Q), so that

    e = A Q^(1/b - 1)       A = zeta(b)^(-1/b) (pi / b) / sin(pi / b)
    e = (A (n kappa)^(1/b - 1))^(2 b / (b + 1))       error = sqrt e / pi

which falls like n^-alpha with alpha = (b - 1) / (b + 1).

*Few examples, square loss of the best ridge.*  To the square loss a label is a line with noise, y = rho t + rest, with
rho = (1 - 2 eta) sqrt(2 / pi) and a rest of variance 1 - rho^2 that never falls, however well the teacher is known.
With u the feature up to which the student learns (lambda M / (n u^-a) ~ 1) it misses, and adds (Caponnetto and De Vito
2007; here from R, S and G of ``solver.feature_response`` with n >> u),

    rho^2 sum tau_k / (1 + (k / u)^-a)^2 -> rho^2 u^(1 - b) I / zeta(b)       I = int x^(2 a - b) / (1 + x^a)^2 dx
    (1 - rho^2) / n sum 1 / (1 + (k / u)^a)^2 -> (1 - rho^2) u J / n          J = int 1 / (1 + x^a)^2 dx

whose sum is least where u^b = n (b - 1) rho^2 I / (zeta(b) (1 - rho^2) J), and rho^2 e = b rho^2 u^(1 - b) I / zeta(b)
there: e falls like n^(1/b - 1), alpha = (b - 1) / (2 b).  Where b > 2 a + 1 the integral I diverges at its lower end:
ridge shrinks the first features as well and misses rho^2 zeta(b - 2 a) u^(-2 a) / zeta(b) by them, which gives
alpha = a / (2 a + 1), known as the saturation of ridge regression.

So the loss changes the exponent: what the square loss does not learn is not a constant factor.  Logistic loss with its
best ridge stays within a few per cent of the Bayes-optimal student.

Sources: Bordelon, Canatar and Pehlevan (2020), Spigler, Geiger and Wyart (2020) and Cui, Loureiro, Krzakala and
Zdeborova (2021) for ridge regression with power laws; the amplitudes and the Bayes-optimal law are derived here.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.special import beta, ndtr, zeta

from data_pruning.arguments import check_choice, number, real_array

__all__ = ["data_exponent", "model_size_exponent", "unlimited_examples_error", "unlimited_features_error"]

StudentKind = Literal["bayes", "square"]


def model_size_exponent(teacher_decay: ArrayLike) -> Any:
    """Beta in error ~ m^-beta, m the number of features seen, with any number of examples: (b - 1) / 2.

    Args:
        teacher_decay: b > 1; scalar or array.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range.
    """
    return ((_above_one("teacher_decay", teacher_decay) - 1) / 2)[()]


def data_exponent(teacher_decay: ArrayLike, decay: ArrayLike = np.inf, *, student: StudentKind = "square") -> Any:
    """Alpha in error ~ n^-alpha, n the number of examples, where all features are seen.

    Args:
        teacher_decay: b > 1; scalar or array.
        decay: a > 1, which matters to the square loss alone and where b > 2 a + 1.
        student: "square", ridge regression on the labels with its best lambda; or "bayes", the Bayes-optimal student.

    Returns:
        (b - 1) / (b + 1) of the Bayes-optimal student; of the square loss (c - 1) / (2 c), c the lesser of b and
        2 a + 1.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range.
    """
    check_choice("student", student, ("bayes", "square"))
    b = _above_one("teacher_decay", teacher_decay)
    a = np.asarray(decay, float)
    if not np.all(a > 1):
        raise ValueError(f"decay must be above 1, got {decay!r}")
    if student == "bayes":
        return ((b - 1) / (b + 1) + 0 / a)[()]
    lesser = np.minimum(b, 2 * a + 1)
    return ((lesser - 1) / (2 * lesser))[()]


def unlimited_examples_error(num_seen: ArrayLike, teacher_decay: ArrayLike) -> Any:
    """Test error of a student of the first m features with any number of examples: its realizability.

    Args:
        num_seen: m, at least 1; scalar or array.
        teacher_decay: b > 1; scalar or array.

    Returns:
        arcsin(sqrt h) / pi, exact for features without end.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range.
    """
    m, b = real_array("num_seen", num_seen), _above_one("teacher_decay", teacher_decay)
    if not np.all(m >= 1):
        raise ValueError(f"num_seen must be at least 1, got {num_seen!r}")
    return (np.arcsin(np.sqrt(zeta(b, m + 1) / zeta(b))) / np.pi)[()]


def unlimited_features_error(
    num_examples: ArrayLike,
    teacher_decay: float,
    decay: float | None = None,
    *,
    student: StudentKind = "square",
    flip_probability: float = 0.0,
) -> Any:
    """The law to which the test error falls where all features are seen and examples are many but few beside them.

    Args:
        num_examples: n > 0; scalar or array.
        teacher_decay: b > 1.
        decay: a > 1, needed for the square loss, with b < 2 a + 1.
        student: "square", ridge regression on the labels with its best lambda; or "bayes", the Bayes-optimal student.
        flip_probability: eta, in [0, 1/2).

    Returns:
        The power law with its amplitude.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range.
    """
    check_choice("student", student, ("bayes", "square"))
    n, b = (
        _positive("num_examples", num_examples),
        float(_above_one("teacher_decay", number("teacher_decay", teacher_decay))),
    )
    eta = number("flip_probability", flip_probability)
    if not 0 <= eta < 0.5:
        raise ValueError(f"flip_probability must lie in [0, 1/2), got {flip_probability!r}")
    if student == "bayes":
        kappa = (1 - 2 * eta) ** 2 * np.sqrt(2 / np.pi) * _boundary_information(eta)
        a_constant = zeta(b) ** (-1 / b) * (np.pi / b) / np.sin(np.pi / b)
        unknown = (a_constant * (n * kappa) ** (1 / b - 1)) ** (2 * b / (b + 1))
        return (np.sqrt(unknown) / np.pi)[()]
    if decay is None:
        raise ValueError("decay is needed for the square loss")
    a = float(_above_one("decay", number("decay", decay)))
    if b >= 2 * a + 1:
        raise ValueError(f"teacher_decay must be below 2 decay + 1 = {2 * a + 1:g}, or ridge saturates, got {b:g}")
    signal = (1 - 2 * eta) ** 2 * 2 / np.pi
    missed = signal / zeta(b) * beta((2 * a - b + 1) / a, 2 - (2 * a - b + 1) / a) / a
    added = (1 - signal) * beta(1 / a, 2 - 1 / a) / a
    up_to = (n * (b - 1) * missed / added) ** (1 / b)  # where missed u^(1 - b) + added u / n is least
    return (np.sqrt((missed * up_to ** (1 - b) + added * up_to / n) / signal) / np.pi)[()]


def _boundary_information(eta: float) -> float:
    """Int phi^2 / (eta + (1 - 2 eta) Phi)."""

    def density(x: float) -> float:
        return float(np.exp(-x * x) / (2 * np.pi) / (eta + (1 - 2 * eta) * ndtr(x)))

    return float(quad(density, -12, 12, epsabs=0, epsrel=1e-12, limit=200)[0])


def _above_one(name: str, value: ArrayLike) -> Any:
    array = real_array(name, value)
    if not np.all(array > 1):
        raise ValueError(f"{name} must be above 1, got {value!r}")
    return array


def _positive(name: str, value: ArrayLike) -> Any:
    array = real_array(name, value)
    if not np.all(array > 0):
        raise ValueError(f"{name} must be positive, got {value!r}")
    return array
