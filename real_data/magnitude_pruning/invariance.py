"""Does the error of a pruned network depend on its size through one invariant?  Fits of the pruning law.

The law of Rosenfeld, Frankle, Carbin and Shavit, *On the predictability of pruning across scales* (ICML 2021):

    error = e |(m* - i p (g/e)^(1/gamma)) / (m* - i p)|^gamma,    m* = depth^phi width^psi density,

where e is the measured error of the unpruned network and g that of guessing.  Each hypothesis says what the size
invariant m* is; it is judged by networks of a depth and width that its fit has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from real_data.magnitude_pruning.curves import PruningCurves

__all__ = ["HYPOTHESES", "FittedLaw", "Hypothesis", "fit_each", "fit_invariant"]

Floats = NDArray[np.float64]

FEWEST_SIZES = 4


@dataclass(frozen=True)
class Hypothesis:
    """What the size invariant is.

    Attributes:
        name: in a few words.
        formula: of the invariant, in a few characters.
        fixed: exponents that are not fitted.
        by_count: whether the number of weights before pruning takes the place of the width.
    """

    name: str
    formula: str
    fixed: Mapping[str, float] = field(default_factory=dict)
    by_count: bool = False


HYPOTHESES = (
    Hypothesis("free", "l^phi w^psi d"),
    Hypothesis("width only", "w^psi d", {"phi": 0.0}),
    Hypothesis("weights left", "N d", {"phi": 0.0, "psi": 1.0}, by_count=True),
    Hypothesis("depth width^2", "l w^2 d", {"phi": 1.0, "psi": 2.0}),
    Hypothesis("none", "d", {"phi": 0.0, "psi": 0.0}),
)
"""What is tried, the most general one first; N is the number of weights before pruning."""


@dataclass(frozen=True)
class FittedLaw:
    """The pruning law fitted to all networks together, under one hypothesis.

    Attributes:
        hypothesis: the hypothesis.
        parameters: guessing_error, gamma, p, phi, psi.
        standard_errors: of these, by the jackknife over depths and widths (Efron 1982), from the fits that leave out
            one of them.
        invariant: m* of each point, shape (num_networks, num_rounds).
        predicted: error of the law, likewise.
        predicted_left_out: error of the law fitted to the networks of other depths and widths, likewise.
    """

    hypothesis: Hypothesis
    parameters: Mapping[str, float]
    standard_errors: Mapping[str, float]
    invariant: Floats
    predicted: Floats
    predicted_left_out: Floats


def fit_invariant(curves: PruningCurves, hypothesis: Hypothesis) -> FittedLaw:
    """Fit the law to all networks, and to those of all other sizes for each depth and width.

    The error of guessing is fixed: networks that are not pruned far enough leave it free.

    Raises:
        ValueError: fewer than four different sizes.
    """
    sizes = curves.sizes
    if len(set(sizes.tolist())) < FEWEST_SIZES:
        raise ValueError(
            f"an invariant needs networks of at least {FEWEST_SIZES} depths and widths that were trained without "
            f"fail, got {len(set(sizes.tolist()))}"
        )
    everything = np.ones(sizes.size, bool)
    parameters, predicted = _fit(curves, hypothesis, everything, everything)
    left_out, of_others = np.empty_like(curves.density), []
    for size in np.unique(sizes):
        others, left_out[sizes == size] = _fit(curves, hypothesis, sizes != size, sizes == size)
        of_others.append(others)
    spread = {name: np.array([others[name] for others in of_others]) for name in parameters}
    errors = {name: float(np.sqrt(each.size - 1) * each.std()) for name, each in spread.items()}
    scales = _scales(curves, hypothesis)
    size = scales["depth"] ** parameters["phi"] * scales["width"] ** parameters["psi"]
    return FittedLaw(hypothesis, parameters, errors, size * scales["density"], predicted, left_out)


def fit_each(curves: PruningCurves) -> tuple[Floats, Floats, Floats]:
    """Fit the law to each network by itself, with its own gamma and p.

    Returns:
        gamma and p of each network, shape (num_networks,), and the errors of the laws, shape (num_networks,
        num_rounds).
    """
    found = []
    own = Hypothesis("own", "d", {"phi": 0.0, "psi": 0.0})
    for i in range(len(curves.depth)):
        this = np.arange(len(curves.depth)) == i
        found.append(_fit(curves, own, this, this))
    gamma, p = (np.array([parameters[name] for parameters, _ in found]) for name in ("gamma", "p"))
    return gamma, p, np.concatenate([predicted for _, predicted in found])


def relative_deviation(predicted: Floats, curves: PruningCurves) -> Floats:
    """Deviation of a law from the measured errors, relative to these, shape (num_networks, num_rounds)."""
    return predicted / curves.mean - 1


def _scales(curves: PruningCurves, hypothesis: Hypothesis) -> dict[str, Floats]:
    """The scales of each point, each of shape (num_networks, num_rounds)."""
    by_network = {
        "unpruned_error": curves.unpruned_error,
        "depth": curves.depth.astype(np.float64),
        "width": curves.num_weights.astype(np.float64) if hypothesis.by_count else curves.width,
    }
    shape = curves.density.shape
    spread = {name: np.broadcast_to(values[:, None], shape) for name, values in by_network.items()}
    return {"density": curves.density, **spread}


def _fit(
    curves: PruningCurves, hypothesis: Hypothesis, fitted: NDArray[np.bool_], wanted: NDArray[np.bool_]
) -> tuple[dict[str, float], Floats]:
    """Parameters of the law fitted to some networks, and its errors for the wanted ones."""
    from scaling_laws import fit_law

    fixed = {"guessing_error": curves.guessing_error, **hypothesis.fixed}
    scales = _scales(curves, hypothesis)
    for exponent, scale in (("phi", "depth"), ("psi", "width")):
        if np.ptp(scales[scale][fitted]) == 0:  # then they cannot tell it
            fixed.setdefault(exponent, 0.0)
    found = fit_law(
        "magnitude-pruning",
        {name: values[fitted].ravel() for name, values in scales.items()},
        curves.mean[fitted].ravel(),
        fixed=fixed,
        intervals="none",
    )
    predicted = found.predict({name: values[wanted].ravel() for name, values in scales.items()})
    return dict(found.parameters), np.asarray(predicted).reshape(-1, curves.density.shape[1])
