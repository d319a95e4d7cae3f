"""Students that see a part of the features: how what they see hangs together with teacher and probe.

Labels and selection depend on an example only through its fields u = (t, q), t = T.x of the teacher and q of the rest
of the probe.  The features that the student sees, over their standard deviations, are normal given u,

    z = V u + (1 - V V^T)^(1/2) g        (1 - V V^T)^(1/2) = 1 - V A V^T,    A = (1 + (1 - V^T V)^(1/2))^-1

with V, of shape (M, 2), their covariances with t and q: so u is drawn for all examples, and M numbers g for those alone
that are kept.  V^T V is the Gram matrix of the seen parts of T and Q.

The field of a student w on new examples has the covariance V^T (S w) with u and the variance |S w|^2, S the standard
deviations of the features.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from perceptron_theory.features import Features, PowerLawFeatures, SeenFeatures

__all__ = ["SeenCoordinates", "field_error", "field_gap", "num_seen_of", "rounded", "seen_coordinates", "seen_rows"]


class SeenCoordinates(NamedTuple):
    """What is known of the features that the student sees.

    Attributes:
        plane: V, shape (M, 2).
        mixing: A, shape (2, 2).
        deviation: standard deviation of each feature, shape (M,).
        truth: covariance of each feature, over its standard deviation, with the field of the truth, shape (M,).
        hidden: the part of the variance of the truth's field that is in no feature seen; scalar.
    """

    plane: np.ndarray
    mixing: np.ndarray
    deviation: np.ndarray
    truth: np.ndarray
    hidden: np.ndarray


def num_seen_of(features: Features | None, num_features: int) -> int:
    """M, how many of N features the student sees: its parameters.

    Raises:
        ValueError: none, or numbers that do not fit those of the features.
    """
    if features is None:
        return num_features
    if isinstance(features, SeenFeatures):
        seen = round(float(features.fraction) * num_features)
        if seen < 2:
            raise ValueError(
                f"the student must see at least 2 features, got fraction = {features.fraction:g} of "
                f"num_features = {num_features}"
            )
        return seen
    assert isinstance(features, PowerLawFeatures)
    copies, left = divmod(num_features, features.num_features)
    if left or not copies:
        raise ValueError(
            f"num_features must be a multiple of the power-law features' own {features.num_features}, the ratio being "
            f"how many features share each variance; got {num_features}"
        )
    return copies * int(features.num_seen)


def rounded(features: Features | None, num_features: int) -> Features | None:
    """The features with the numbers that a simulation of N features has."""
    if not isinstance(features, SeenFeatures):
        return features
    return SeenFeatures(num_seen_of(features, num_features) / num_features, features.probe)


def seen_coordinates(
    features: Features, num_features: int, theta: float, truth: tuple[float, float, float]
) -> SeenCoordinates:
    """The coordinates of what is seen of N features.

    Args:
        features: single numbers.
        num_features: N, as ``num_seen_of`` takes it.
        theta: angle between probe and teacher in radians, in [0, pi/2].
        truth: components of the truth along the teacher, along the rest of the probe, and outside of both; the last
            is in no feature that is seen.

    Raises:
        ValueError: as ``num_seen_of``, or one feature of each variance only where the probe is not the teacher.
    """
    num_seen, known = num_seen_of(features, num_features), rounded(features, num_features)
    plane, deviation = np.zeros((num_seen, 2)), np.ones(num_seen)
    if isinstance(known, SeenFeatures):
        try:
            hidden = known.structure(theta, ())
        except ValueError as problem:
            raise ValueError(
                f"{problem}; fraction = {float(known.fraction):.6g} is {num_seen} of num_features = {num_features}"
            ) from None
        # eigenvalues of V^T V along and across the probe
        along, across = (1 / (1 + float(k)) for k in hidden)
        probe = np.array([np.cos(theta), np.sin(theta)])
        beside = np.array([-np.sin(theta), np.cos(theta)])
        plane[:2] = np.sqrt(along) * np.outer(probe, probe) + np.sqrt(across) * np.outer(beside, beside)
    elif isinstance(known, PowerLawFeatures):
        copies = num_features // known.num_features
        if copies < 2 and theta != 0:
            raise ValueError(
                f"num_features must be at least twice the power-law features' own {known.num_features} where theta is "
                f"not 0: teacher and rest of the probe need a feature each of every variance; got {num_features}"
            )
        k = np.arange(1, int(known.num_seen) + 1, dtype=float)
        everything = np.arange(1, known.num_features + 1, dtype=float) ** -float(known.teacher_decay)
        share = np.sqrt(everything[: k.size] / everything.sum())
        deviation[:] = np.repeat(k ** (-0.5 * float(known.decay)), copies)
        for which in range(min(copies, 2)):
            plane[which::copies, which] = share
    gram = plane.T @ plane
    values, vectors = np.linalg.eigh(gram)
    mixing = vectors / (1 + np.sqrt(np.maximum(1 - values, 0.0))) @ vectors.T
    in_plane = np.array(truth[:2])
    hidden_part = truth[2] ** 2 + in_plane @ (np.eye(2) - gram) @ in_plane
    return SeenCoordinates(plane, mixing, deviation, plane @ in_plane, np.array(max(hidden_part, 0.0)))


def seen_rows(fields: Array, normal: Array, seen: SeenCoordinates) -> Array:
    """What the student sees of examples, shape (num_examples, M).

    Args:
        fields: t and q of each example, shape (num_examples, 2).
        normal: independent standard normal numbers, shape (num_examples, M).
        seen: the coordinates.
    """
    return (normal + (fields - normal @ seen.plane @ seen.mixing) @ seen.plane.T) * seen.deviation


def field_error(weights: Array, seen: SeenCoordinates) -> Array:
    """Test error of a student of shape (M,): the angle between its field and the truth's over pi."""
    w = seen.deviation * weights
    along = w @ seen.truth
    # |w|^2 - along^2 as a sum of squares
    across = jnp.hypot(jnp.linalg.norm(w - along * seen.truth), along * jnp.sqrt(seen.hidden))
    return jnp.arctan2(across, along) / jnp.pi


def field_gap(weights: Array, gap: Array, seen: SeenCoordinates) -> Array:
    """1 - cos of the angle to which the student's field is right, where its direction is right to arccos(1 - gap).

    The part of w that may be wrong has the length |w| sin, and a field of at most the largest deviation times that.
    """
    stretch = jnp.max(seen.deviation) * jnp.linalg.norm(weights) / jnp.linalg.norm(seen.deviation * weights)
    sine_squared = stretch**2 * gap * (2 - gap)
    wrong = sine_squared / (1 + jnp.sqrt(jnp.maximum(1 - sine_squared, 0.0)))
    return jnp.where((gap < 1) & (sine_squared < 1), wrong, jnp.inf)
