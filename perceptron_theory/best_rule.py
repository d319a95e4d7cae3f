"""The best keep rule of all: a global search with a certificate.

Among the rules of mean f a rule can be best only if it keeps exactly the ranks of highest value v(u) (``rank_value``):
v above a threshold where pi = 1, below it where pi = 0, equal to it where pi lies between.  How far a rule is from that
is one number, the Frank-Wolfe gap

    gap = max over rules rho of mean f of the integral of v (rho - pi),

the first-order gain in log(error) that any change of the rule can promise.  The landscape has several local minima, so
the search is global: over all windows of rank first, on a grid with every local minimum refined, then, where the gap
says that no window is best, over unions of windows, each new one put where the value function asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import LinearConstraint, minimize
from scipy.optimize.elementwise import find_minimum

from data_pruning.arguments import broadcast, check_real, real_array, real_number
from data_pruning.keep_policy import KeepPolicy
from data_pruning.keep_rules import KeepEasy, KeepHard, KeepRandom, KeepRule, KeepWindow
from perceptron_theory.labels import Labels
from perceptron_theory.rank_value import NUM_CELLS, Problem, one_of_each
from perceptron_theory.solution import solve
from perceptron_theory.solver.points import FRACTION_RANGE
from perceptron_theory.students import MaxMargin, Student

__all__ = ["OptimalFrontier", "OptimalPolicy", "best_window", "optimal_frontier", "optimal_policy"]

Floats = NDArray[np.float64]

NUM_STARTS = 41  # windows tried at first, per point
NUM_MINIMA = 3  # local minima refined, per point
MAX_WINDOWS = 4
THIN = 1e-7  # width in rank of the cells that stand for an edge


@dataclass(frozen=True)
class OptimalPolicy:
    """The best keep rule found, with its certificate.

    Attributes:
        policy: the rule, of mean f.
        error: its test error.
        window_error: test error of the best single window.
        window: that window.
        hard_error: test error of the same fraction kept hard.
        easy_error: test error of the same fraction kept easy.
        random_error: test error of the same fraction kept at random.
        ranks: edges of the cells of rank, shape (num_cells + 1,).
        value: mean of the value function v over each cell, shape (num_cells,).
        threshold: value at which the best rule of mean f would stop keeping.
        gap: Frank-Wolfe gap in log(error): to first order no other rule of mean f lowers the error by more than this
            relative amount.
        is_window: whether a single window is best.
    """

    policy: KeepPolicy
    error: float
    window_error: float
    window: KeepWindow
    hard_error: float
    easy_error: float
    random_error: float
    ranks: Floats
    value: Floats
    threshold: float
    gap: float
    is_window: bool

    @property
    def windows(self) -> list[tuple[float, float]]:
        """The windows of rank kept, hardest first."""
        lower, upper, _ = self.policy.windows()
        return [(float(a), float(b)) for a, b in zip(lower, upper, strict=True)]


@dataclass(frozen=True)
class _Windows(KeepRule):
    """Arrays of unions of windows, kept whole: ``lower`` and ``upper`` of shape (..., num_windows)."""

    lower: Any
    upper: Any

    def windows(self) -> tuple[Any, Any, Any]:
        return self.lower, self.upper, (self.upper > self.lower).astype(float)


def best_window(
    alpha_tot: ArrayLike,
    f: ArrayLike,
    theta: ArrayLike,
    *,
    student: Student = MaxMargin(),  # noqa: B008  (frozen)
    labels: Labels = Labels(),  # noqa: B008
) -> tuple[Any, Any]:
    """The window of difficulty [a, a + f] that gives the lowest test error, over all a in [0, 1 - f].

    Args:
        alpha_tot: examples per parameter before pruning.
        f: fraction kept, in [1e-4, 1].
        theta: angle between probe and teacher in radians, in [0, pi/2].
        student: the student.
        labels: the labels.

    Numbers are scalars or arrays, broadcast against each other; those of ``student`` and ``labels`` are scalars.

    Returns:
        Lower rank a of the window and its test error, of the broadcast shape.  The error is within 1e-9 (relative) of
        the lowest; two minima closer than 2 % of the range of a may count as one.

    Raises:
        As ``solve``.

    Example:
        >>> from math import radians
        >>> from perceptron_theory import best_window
        >>> lower, error = best_window(20, 0.2, radians(15))
        >>> print(f"ranks {lower:.4f} to {lower + 0.2:.4f}: {error:.4f}")
        ranks 0.0726 to 0.2726: 0.0532
    """
    one_of_each(student, labels)
    broadcast(alpha_tot=real_array("alpha_tot", alpha_tot), f=_fraction(f), theta=real_array("theta", theta))
    alpha_tot, f, theta = np.broadcast_arrays(
        real_array("alpha_tot", alpha_tot), _fraction(f), real_array("theta", theta)
    )
    shape = f.shape
    alpha, f, theta = (np.ravel(a).astype(np.float64) for a in (alpha_tot, f, theta))

    def log_error(place: Floats, alpha: Floats, f: Floats, theta: Floats) -> Floats:
        lower = place * (1 - f)
        window = KeepWindow(lower, np.minimum(np.maximum(lower + f, np.nextafter(lower, 2)), 1.0))
        return np.asarray(np.log(solve(alpha, window, theta, student=student, labels=labels).error))

    places = (
        1 - np.cos(np.linspace(0, np.pi, NUM_STARTS))
    ) / 2  # dense at both ends, where windows become hard and easy
    tried = log_error(places, alpha[:, None], f[:, None], theta[:, None])
    best, at = tried.min(axis=1), places[tried.argmin(axis=1)]
    middle = tried[:, 1:-1]
    lowest = np.where((middle <= tried[:, :-2]) & (middle <= tried[:, 2:]), middle, np.inf)
    order = np.argsort(lowest, axis=1)[:, :NUM_MINIMA]
    row, which = np.nonzero(np.isfinite(np.take_along_axis(lowest, order, axis=1)))
    if row.size:
        k = order[row, which] + 1
        found = find_minimum(
            log_error,
            (places[k - 1], places[k], places[k + 1]),
            args=(alpha[row], f[row], theta[row]),
            tolerances={"xatol": 1e-7, "xrtol": 0, "fatol": 0, "frtol": 0},
        )
        for i in np.argsort(-found.f_x):  # the lowest of each row is written last
            if found.f_x[i] <= best[row[i]]:
                best[row[i]], at[row[i]] = found.f_x[i], found.x[i]
    return (at * (1 - f)).reshape(shape)[()], np.exp(best).reshape(shape)[()]


def optimal_policy(
    alpha_tot: float,
    f: float,
    theta: float,
    *,
    student: Student = MaxMargin(),  # noqa: B008
    labels: Labels = Labels(),  # noqa: B008
    tolerance: float = 1e-5,
) -> OptimalPolicy:
    """The keep rule of mean f with the lowest test error among all keep probabilities over rank.

    Args:
        alpha_tot: examples per parameter before pruning, scalar.
        f: fraction kept, scalar in [1e-4, 1).
        theta: angle between probe and teacher in radians, scalar in [0, pi/2].
        student: the student, with scalar numbers.
        labels: the labels, with scalar numbers.
        tolerance: gap in log(error) below which a rule counts as first-order optimal.

    Returns:
        The policy with its certificate ``gap``.  The search over windows is global, on a grid; that over unions of up
        to four windows starts from the best windows and from what their value functions ask for, so the certificate,
        not the search, says how good a union is.

    Raises:
        TypeError, ValueError: as ``solve``.

    Example:
        >>> from math import radians
        >>> from perceptron_theory import optimal_policy
        >>> best = optimal_policy(20, 0.2, radians(15))
        >>> print(f"{best.error:.4f}, hard {best.hard_error:.4f}, easy {best.easy_error:.4f}")
        0.0532, hard 0.0790, easy 0.0960
        >>> best.is_window, best.gap < 1e-9  # to first order no other rule is better
        (True, True)
    """
    problem = _Search.of(alpha_tot, theta, student, labels)
    f = real_number("f", f)
    _fraction(f)
    if not f < 1:
        raise ValueError(f"f must be below 1 for a choice to be left, got {f!r}")
    check_real("tolerance", tolerance, "(0, inf)")
    a, window_error = (float(x) for x in best_window(alpha_tot, f, theta, student=student, labels=labels))
    lower, upper = np.array([a]), np.array([min(a + f, 1.0)])
    window = KeepWindow(a, float(upper[0]))
    error, certificate = window_error, problem.certify(lower, upper, f)
    is_window = certificate.gap <= tolerance
    while certificate.gap > tolerance and lower.size < MAX_WINDOWS:
        better = problem.with_one_more(lower, upper, f, certificate)
        if better is None:
            break
        lower, upper, error = better
        certificate = problem.certify(lower, upper, f)
    hard, easy, random = (
        float(solve(alpha_tot, rule, theta, student=student, labels=labels).error)
        for rule in (KeepHard(f), KeepEasy(f), KeepRandom(f))
    )
    return OptimalPolicy(
        policy=_as_policy(lower, upper),
        error=float(error),
        window_error=window_error,
        window=window,
        hard_error=hard,
        easy_error=easy,
        random_error=random,
        ranks=certificate.ranks,
        value=certificate.value,
        threshold=certificate.threshold,
        gap=certificate.gap,
        is_window=is_window,
    )


@dataclass(frozen=True)
class OptimalFrontier:
    """Lowest test error over all keep rules at each number of kept examples, for a given number of examples.

    Attributes:
        alpha_prune: kept examples per parameter, shape (num_points,).
        fraction: f = alpha_prune / alpha_tot.
        error: lowest test error over all rules.
        gap: certificate of each, in log(error).
        policies: the rules.
        hard_error: test error of keep-hard at the same f; likewise the next two.
        easy_error: of keep-easy.
        random_error: of keep-random.
    """

    alpha_prune: Floats
    fraction: Floats
    error: Floats
    gap: Floats
    policies: tuple[KeepPolicy, ...]
    hard_error: Floats
    easy_error: Floats
    random_error: Floats


def optimal_frontier(
    alpha_tot: float,
    theta: float,
    fractions: ArrayLike,
    *,
    student: Student = MaxMargin(),  # noqa: B008
    labels: Labels = Labels(),  # noqa: B008
) -> OptimalFrontier:
    """The frontier over all keep rules: ``optimal_policy`` at each fraction kept.

    Args:
        alpha_tot: examples per parameter before pruning, scalar.
        theta: angle between probe and teacher in radians, scalar.
        fractions: fractions kept, in [1e-4, 1), shape (num_points,).
        student: the student, with scalar numbers.
        labels: the labels, with scalar numbers.

    Raises:
        As ``optimal_policy``.
    """
    f = np.atleast_1d(_fraction(fractions))
    found = [optimal_policy(alpha_tot, x, theta, student=student, labels=labels) for x in f]
    return OptimalFrontier(
        alpha_prune=alpha_tot * f,
        fraction=f,
        error=np.array([best.error for best in found]),
        gap=np.array([best.gap for best in found]),
        policies=tuple(best.policy for best in found),
        hard_error=np.array([best.hard_error for best in found]),
        easy_error=np.array([best.easy_error for best in found]),
        random_error=np.array([best.random_error for best in found]),
    )


@dataclass(frozen=True)
class _Certificate:
    ranks: Floats
    value: Floats
    threshold: float
    gap: float


@dataclass(frozen=True)
class _Search(Problem):
    """The rules of one point."""

    def certify(self, lower: Floats, upper: Floats, f: float) -> _Certificate:
        """Value function on a grid that the windows' edges belong to, threshold and Frank-Wolfe gap."""
        ranks = np.unique(np.concatenate([np.linspace(0, 1, NUM_CELLS - 2 * lower.size), lower, upper]))
        ranks = ranks[np.r_[True, np.diff(ranks) > 1e-9]]
        ranks[-1] = 1.0
        value = self.cell_values(_as_policy(lower, upper), ranks[:-1], ranks[1:])
        width, middle = np.diff(ranks), (ranks[1:] + ranks[:-1]) / 2
        kept = np.any((middle[:, None] > lower) & (middle[:, None] < upper), axis=1)
        order = np.argsort(-value)
        left = f - np.concatenate([[0], np.cumsum(width[order])[:-1]])
        taken = np.clip(left, 0, width[order])  # the best of first order: the cells of highest value
        gap = float(value[order] @ taken - value[kept] @ width[kept])
        threshold = float(value[order][np.flatnonzero(taken > 0)[-1]])
        return _Certificate(ranks, value, threshold, gap)

    def with_one_more(
        self, lower: Floats, upper: Floats, f: float, certificate: _Certificate
    ) -> tuple[Floats, Floats, float] | None:
        """The best union with one more window, or a gap, where the value function asks for it; None if no better."""
        middle = (certificate.ranks[1:] + certificate.ranks[:-1]) / 2
        kept = np.any((middle[:, None] > lower) & (middle[:, None] < upper), axis=1)
        outside = np.where(~kept, certificate.value, -np.inf)
        inside = np.where(kept, certificate.value, np.inf)
        now = self.log_error(lower, upper)
        best: tuple[Floats, Floats, float] | None = None
        for share in (0.3, 0.1, 0.03):
            for split in (False, True):
                start = (
                    _split(lower, upper, middle[inside.argmin()], share * f)
                    if split
                    else _joined(lower, upper, middle[outside.argmax()], share * f)
                )
                if start is None:
                    continue
                found = self.descend(*start, f)
                if found is not None and found[2] < now - 1e-9 and (best is None or found[2] < np.log(best[2])):
                    best = (found[0], found[1], float(np.exp(found[2])))
            if best is not None:
                break
        return best

    def log_error(self, lower: Floats, upper: Floats) -> float:
        """Logarithm of the error of a union of windows."""
        count = max(0, MAX_WINDOWS - lower.size)
        padded = _Windows(*(np.concatenate([edge, np.full(count, 0.5)]) for edge in (lower, upper)))
        found = solve(self.alpha_tot, padded, self.theta, student=self.student, labels=self.labels, on_failure="flag")
        return float(np.log(found.error)) if found.converged else np.inf

    def descend(self, lower: Floats, upper: Floats, f: float) -> tuple[Floats, Floats, float] | None:
        """Move the edges of a union downhill, by sequential quadratic programming with exact slopes."""
        edges = np.column_stack([lower, upper]).ravel()
        sign = np.tile([-1.0, 1.0], lower.size)
        scaled = _to_width(edges, f)
        if scaled is None:
            return None

        def slopes(x: Floats) -> Floats:
            start, stop = np.clip(x - THIN / 2, 0, 1 - THIN), np.clip(x + THIN / 2, THIN, 1)
            return -sign * self.cell_values(_as_policy(x[::2], x[1::2]), start, stop)

        order = np.diff(np.eye(scaled.size), axis=0)
        result = minimize(
            lambda x: self.log_error(x[::2], x[1::2]),
            scaled,
            jac=slopes,
            method="SLSQP",
            bounds=[(0.0, 1.0)] * scaled.size,
            constraints=[LinearConstraint(sign[None], f, f), LinearConstraint(order, 1e-6, 1.0)],
            options={"maxiter": 60, "ftol": 1e-12},
        )
        x = np.clip(result.x, 0, 1)
        return x[::2], x[1::2], self.log_error(x[::2], x[1::2])


def _fraction(value: ArrayLike) -> Floats:
    f = real_array("f", value)
    low, high = FRACTION_RANGE
    if np.any((f < low) | (f > high)):
        raise ValueError(f"f, the fraction kept, must lie in [{low:g}, {high:g}], got {value!r}")
    return f


def _as_policy(lower: Floats, upper: Floats) -> KeepPolicy:
    """The union of windows."""
    edges = np.unique(np.concatenate([[0.0, 1.0], lower, upper]))
    middle = (edges[1:] + edges[:-1]) / 2
    return KeepPolicy(edges, np.any((middle[:, None] > lower) & (middle[:, None] < upper), axis=1).astype(float))


def _joined(lower: Floats, upper: Floats, at: float, width: float) -> tuple[Floats, Floats]:
    """The windows shrunk in proportion, and a new one of the given width around a rank outside of them."""
    shrink = width * (upper - lower) / np.sum(upper - lower) / 2
    low, high = lower + shrink, upper - shrink
    between = np.concatenate([[0.0], high]), np.concatenate([low, [1.0]])
    i = int(np.searchsorted(low, at))
    room_low, room_high = between[0][i], between[1][i]
    half = min(width, 0.9 * (room_high - room_low)) / 2
    centre = float(np.clip(at, room_low + half * 1.01, room_high - half * 1.01))
    return np.insert(low, i, centre - half), np.insert(high, i, centre + half)


def _split(lower: Floats, upper: Floats, at: float, width: float) -> tuple[Floats, Floats] | None:
    """The windows with a hole of the given width around a rank inside one of them, and widened in turn."""
    i = int(np.searchsorted(lower, at)) - 1
    if i < 0 or width > 0.8 * (upper[i] - lower[i]):
        return None
    centre = float(np.clip(at, lower[i] + 0.55 * width, upper[i] - 0.55 * width))
    return np.insert(lower, i + 1, centre + width / 2), np.insert(upper, i, centre - width / 2)


def _to_width(edges: Floats, f: float) -> Floats | None:
    """Edges scaled about each window's middle so that the windows add up to f; None if they would touch."""
    low, high = edges[::2], edges[1::2]
    middle, half = (low + high) / 2, (high - low) / 2
    half = half * f / (2 * half.sum())
    moved = np.clip(np.column_stack([middle - half, middle + half]).ravel(), 0, 1)
    return moved if np.all(np.diff(moved) > 1e-6) else None
