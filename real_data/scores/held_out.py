"""Means over the networks that have not seen an example, and their standard errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from real_data.subset_trainings.packing import Bits, PackedBits

__all__ = ["Estimate", "check_split", "columns_of", "held_out_mean", "matrix", "share_variance"]

COLUMNS_AT_ONCE = 2**15


class Estimate(NamedTuple):
    """Numbers of examples, and their standard errors over networks, both float64 of shape (num_examples,)."""

    values: NDArray[np.float64]
    standard_error: NDArray[np.float64]


def matrix(name: str, value: Bits | ArrayLike, *, boolean: bool = False) -> Bits:
    """A matrix of networks and examples: packed bits as they are, or an array of booleans or finite numbers.

    Raises:
        TypeError: something else than booleans where there must be such.
        ValueError: not two axes, no entries, or numbers that are not finite.
    """
    if isinstance(value, PackedBits):
        return value
    array = np.asarray(value)
    if boolean and array.dtype != np.bool_:
        raise TypeError(f"{name} must be boolean, got an array of type {array.dtype}")
    if array.ndim != 2 or not array.size:
        raise ValueError(f"{name} must have shape (num_networks, num_examples), got {array.shape}")
    if array.dtype != np.bool_:
        if array.dtype.kind not in "fiu":
            raise TypeError(f"{name} must be booleans or real numbers, got an array of type {array.dtype}")
        array = array.astype(np.float64)
        if not np.all(np.isfinite(array)):
            raise ValueError(f"{name} must be finite, but {np.sum(~np.isfinite(array))} of {array.size} are not")
    return array


def columns_of(values: Bits, first: int, stop: int) -> np.ndarray:
    """Columns in [first, stop) of a matrix, unpacked."""
    return values.columns(first, stop) if isinstance(values, PackedBits) else values[:, first:stop]


def check_split(members: NDArray[np.bool_], first: int = 0, *, held_out_only: bool = False) -> NDArray[np.int64]:
    """How many networks have seen each example, if some have and others have not.

    Args:
        members: whether each network was trained on each example, shape (num_networks, num_examples).
        first: number of the first of these examples, for the message.
        held_out_only: whether it is enough that some networks have not seen an example.

    Raises:
        ValueError: an example was in the share of all networks, or of none.
    """
    seen = members.sum(axis=0)
    always = np.flatnonzero(seen == len(members))
    never = np.flatnonzero(seen == 0) if not held_out_only else np.zeros(0, np.int64)
    if always.size or never.size:
        example = first + int((always if always.size else never)[0])
        raise ValueError(
            f"of {members.shape[1]} examples {always.size} are in the share of all K = {len(members)} networks and "
            f"{never.size} in that of none (mean share s = {members.mean():.3g}; the first is example {example}): "
            "nothing can be said of them: train more networks"
        )
    return seen


def share_variance(right: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.float64]:
    """Variance of a share of ``number`` answers of which ``right`` are right.

    p (1 - p) / number with p = (right + 1/2) / (number + 1), the mean under Jeffreys' prior: of few networks that all
    agree, the share itself would have variance 0, as if it were known.
    """
    p = (right + 0.5) / (number + 1)
    return p * (1 - p) / number


def held_out_mean(parts: Iterable[tuple[NDArray[np.bool_], np.ndarray]]) -> Estimate:
    """Mean over the networks that have not seen an example.

    Args:
        parts: for some of the networks at a time, whether each has seen each example and what it says of it, booleans
            or numbers, both of shape (num_networks, num_examples).

    Returns:
        Means, and standard errors: of booleans by :func:`share_variance`, of numbers from their variance over networks;
        an example that only one network has not seen takes the mean variance of the others, and if there are no others
        the standard error is infinite.

    Raises:
        ValueError: all networks have seen an example, or shapes that do not fit.
    """
    held: np.ndarray | None = None
    boolean, num_networks = True, 0
    for members, given in parts:
        if members.shape != given.shape:
            raise ValueError(f"members and values must have one shape, got {members.shape} and {given.shape}")
        boolean &= given.dtype == np.bool_
        values = given.astype(np.float64)
        if held is None:
            held = np.zeros((3, members.shape[1]))
        out = ~members
        num_networks += len(members)
        held += [out.sum(axis=0), np.sum(values * out, axis=0), np.sum(values**2 * out, axis=0)]
    if held is None:
        raise ValueError("parts must be at least one, got none")
    number, total, squares = held
    if np.any(number == 0):
        raise ValueError(
            f"{np.sum(number == 0)} of {number.size} examples are in the share of all K = {num_networks} networks, so "
            f"that none can be asked that has not seen them (mean share s = {1 - number.mean() / num_networks:.3g}): "
            "train more networks"
        )
    mean = total / number
    if boolean:
        return Estimate(mean, np.sqrt(share_variance(total, number)))
    several = number > 1
    variance = np.full(number.size, np.inf)
    variance[several] = np.maximum(squares - total * mean, 0)[several] / (number[several] - 1)
    if several.any():
        variance[~several] = variance[several].mean()
    return Estimate(mean, np.sqrt(variance / number))
