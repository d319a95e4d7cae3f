"""Features: how many of them the student sees, and how much each of them varies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from data_pruning.arguments import broadcast, check_choice, integer, is_traced, real_array
from perceptron_theory.long_sums import LONGEST, nodes_of_sum, num_nodes

__all__ = ["Features", "Hidden", "PowerLawFeatures", "SeenFeatures", "Spectrum"]

LEAST_ROOM = 1e-14  # of cos^2 psi - cos^2 theta, where the probe is all that the student sees of teacher and probe
ROUNDING = 3e-7  # of cos^2 psi - cos^2 theta, for an angle in single precision
WIDTH_STEP = 48  # numbers of nodes are multiples of this, so that few programs are compiled
STEEPEST = 10.0  # decay beyond which sums over features are not exact to many digits


class Hidden(NamedTuple):
    """What is hidden of features of equal variance: the eigenvalues of K = C^-1 - 1.

    C is the Gram matrix of the seen parts of teacher and rest of the probe.  Scalars inside the compiled code, one row
    per point on the host.
    """

    along: Any  # the probe
    across: Any


class Spectrum(NamedTuple):
    """Features of unequal variance; sums over those seen are taken over nodes, arrays of shape (num_nodes,)."""

    count: Any  # features that a node stands for, over M
    variance: Any
    share: Any  # the teacher's part in a feature, times the number of features that a node stands for
    hidden: Any  # the teacher's part in the features not seen, a scalar


@dataclass(frozen=True)
class Features(ABC):
    """Base of what is said about the features of the examples, and about which of them the student sees.

    Where features are given, the numbers of examples and lambda count the *student's* parameters, M, the features that
    it sees: alpha_tot is examples per M, and lambda stands before (M / 2) |w|^2.  Labels are given by a teacher of all
    features.  The best that a student can do is the part of the teacher that it sees; the angle psi between the two,
    over pi, is the error that no number of examples removes.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of the numbers."""

    @abstractmethod
    def hidden_part(self, *, xp: Any = np) -> Any:
        """sin^2 psi, the part of the variance of the teacher's field that is in no feature seen; of shape ``shape``.

        Args:
            xp: numpy, or jax.numpy if a number is traced.
        """

    def seen_part(self, *, xp: Any = np) -> Any:
        """cos^2 psi, the other part."""
        return 1 - self.hidden_part(xp=xp)

    @abstractmethod
    def structure(self, theta: Any, shape: tuple[int, ...], *, xp: Any = np) -> Hidden | Spectrum:
        """What the solver knows of the features; arrays of ``shape``, or of ``shape`` and one row per node of sums.

        Args:
            theta: angle between probe and teacher in radians, in [0, pi/2].
            shape: shape of all arguments.
            xp: numpy, or jax.numpy if a number is traced.
        """


@dataclass(frozen=True)
class SeenFeatures(Features):
    """Features of equal variance, x ~ N(0, I_N), of which the student sees M = fraction N: the size of the model.

    Attributes:
        fraction: part of the features that the student sees, M / N = cos^2 psi, in (0, 1]; number or array.
        probe: "all": the probe sees all features, in a random direction at the angle theta to the teacher; or "seen":
            the probe sees what the student sees.  theta is the angle in the space of all features, so that with "seen"
            cos theta <= cos psi.
    """

    fraction: Any = 1.0
    probe: Literal["all", "seen"] = "all"

    def __post_init__(self) -> None:
        fraction = real_array("fraction", self.fraction)
        if not is_traced(fraction) and not np.all((fraction > 0) & (fraction <= 1)):
            raise ValueError(f"fraction, the part of the features seen, must lie in (0, 1], got {self.fraction!r}")
        check_choice("probe", self.probe, ("all", "seen"))

    @property
    def shape(self) -> tuple[int, ...]:  # noqa: D102
        return np.shape(self.fraction)

    def hidden_part(self, *, xp: Any = np) -> Any:  # noqa: D102
        return 1 - real_array("fraction", self.fraction)

    def structure(self, theta: Any, shape: tuple[int, ...], *, xp: Any = np) -> Hidden:
        """As in the base class.

        Raises:
            ValueError: a probe that sees what the student sees cannot be as close to the teacher.
        """
        seen = real_array("fraction", self.fraction)
        if xp is not np:  # traced numbers cannot be refused: where there is no such student it is NaN
            seen = xp.where((seen > 0) & (seen <= 1), seen, xp.nan)
        ratio = (1 - seen) / seen
        if self.probe == "all":
            return Hidden(*(xp.broadcast_to(ratio, shape) for _ in range(2)))
        room = seen - xp.cos(theta) ** 2  # cos^2 psi - cos^2 theta
        if xp is not np:
            room = xp.where(room < -ROUNDING, xp.nan, room)
        elif np.any(room < -ROUNDING):
            worst = int(np.argmin(np.broadcast_to(room, shape)))
            at, angle = (float(np.broadcast_to(a, shape).flat[worst]) for a in (seen, theta))
            raise ValueError(
                f"a probe that sees a fraction {at:g} of the features is at least {np.arccos(np.sqrt(at)):.8g} radians "
                f"from the teacher, got theta = {angle:.8g}"
            )
        across = (1 - seen) / xp.maximum(room, LEAST_ROOM)
        return Hidden(xp.zeros(shape), xp.broadcast_to(across, shape))


@dataclass(frozen=True)
class PowerLawFeatures(Features):
    """Features of unequal variance, of which the student sees the strongest: data with a scaling law.

    Feature k = 1, ..., N has the variance k^-decay, and the teacher takes a part of the variance of its field from it
    that is proportional to k^-teacher_decay.  The student sees the first M = num_seen features.  The rest of the probe
    beyond the teacher takes the same parts, and is not correlated with the teacher in any of them.  The theory is
    exact where many features share each variance, all numbers of features being multiplied by their number.

    With n examples and m features the error falls like n^-alpha and m^-beta, with the exponents in ``asymptotics``.

    Attributes:
        decay: exponent of the variances, in (1, 10]: their sum must be finite; number or array.
        teacher_decay: exponent of the teacher's parts, > 1 and at most 10; number or array.
        num_seen: M, features that the student sees, 1 to ``num_features``; integer or array of integers.
        num_features: N, all features; at most 2^20, an integer.

    Source: power-law spectra as in Bordelon, Canatar and Pehlevan (ICML 2020) and Maloney, Roberts and Sully (2022).
    """

    decay: Any
    teacher_decay: Any
    num_seen: Any
    num_features: int = 2**17

    def __post_init__(self) -> None:
        for name, what in (("decay", "the variances k^-decay"), ("teacher_decay", "the parts k^-teacher_decay")):
            value = real_array(name, getattr(self, name))
            if not is_traced(value) and not np.all(value > 1):
                raise ValueError(f"{name} must be above 1, or {what} are not summable, got {getattr(self, name)!r}")
            if not is_traced(value) and not np.all(value <= STEEPEST):
                raise ValueError(f"{name} must lie in (1, {STEEPEST:g}], got {getattr(self, name)!r}")
        total = integer("num_features", self.num_features, 1)
        if total > LONGEST:
            raise ValueError(f"num_features must be at most 2^20 = {LONGEST}, got {self.num_features!r}")
        if is_traced(self.num_seen):
            raise TypeError("num_seen is a number of features and cannot be traced; trace decay or teacher_decay")
        seen = real_array("num_seen", self.num_seen)
        if not np.all(seen == np.round(seen)):
            raise TypeError(f"num_seen must be whole numbers of features, got {self.num_seen!r}")
        if not np.all((seen >= 1) & (seen <= total)):
            raise ValueError(f"num_seen must lie in [1, num_features = {total}], got {self.num_seen!r}")
        broadcast(decay=self.decay, teacher_decay=self.teacher_decay, num_seen=self.num_seen)

    @property
    def shape(self) -> tuple[int, ...]:  # noqa: D102
        return np.broadcast_shapes(*(np.shape(x) for x in (self.decay, self.teacher_decay, self.num_seen)))

    def hidden_part(self, *, xp: Any = np) -> Any:  # noqa: D102
        return self._parts(xp)[1]

    def structure(self, theta: Any, shape: tuple[int, ...], *, xp: Any = np) -> Spectrum:  # noqa: D102
        (k, count), hidden, power = self._parts(xp)
        decay = xp.asarray(real_array("decay", self.decay))[..., None]
        if xp is not np:  # as above
            b = xp.asarray(real_array("teacher_decay", self.teacher_decay))[..., None]
            decay = xp.where((decay > 1) & (decay <= STEEPEST) & (b > 1) & (b <= STEEPEST), decay, xp.nan)
        per_seen = count / np.asarray(self.num_seen, float)[..., None]
        rows = (per_seen, k**-decay, count * power)
        wide = [xp.broadcast_to(row, (*shape, k.shape[-1])) for row in rows]
        return Spectrum(wide[0], wide[1], wide[2], xp.broadcast_to(hidden, shape))

    def _parts(self, xp: Any) -> tuple[tuple[Any, Any], Any, Any]:
        """Nodes and weights of sums over features seen; the teacher's part that is hidden, and that of each node."""
        b = xp.asarray(real_array("teacher_decay", self.teacher_decay))[..., None]
        seen, hidden = (_nodes(self.num_seen, self.num_features, beyond=beyond) for beyond in (False, True))
        in_seen, in_hidden = ((count * k**-b).sum(-1) for k, count in (seen, hidden))
        total = in_seen + in_hidden
        return seen, in_hidden / total, seen[0] ** -b / total[..., None]


def _nodes(num_seen: Any, num_features: int, *, beyond: bool) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of sums over the features seen, or over those beyond; shape (*num_seen.shape, num_nodes)."""
    sizes, which = np.unique(np.asarray(num_seen, int), return_inverse=True)
    sums = [nodes_of_sum(m + 1, num_features) if beyond else nodes_of_sum(1, m) for m in sizes.tolist()]
    width = num_nodes(num_features if beyond or not sizes.size else int(sizes[-1]))
    width = -(-width // WIDTH_STEP) * WIDTH_STEP
    k, count = np.ones((sizes.size, width)), np.zeros((sizes.size, width))
    for row, (nodes, weights) in enumerate(sums):
        k[row, : nodes.size], count[row, : nodes.size] = nodes, weights
    shape = (*np.shape(num_seen), width)
    return k[which].reshape(shape), count[which].reshape(shape)
