"""How well a law fitted to small scales describes larger ones: ``extrapolate``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from data_pruning.arguments import check_real
from data_pruning.records.results import Results
from scaling_laws.fitting import LawFit, Relative, fit_law
from scaling_laws.forms.form import Floats
from scaling_laws.observations import Observations

__all__ = ["DEFAULT_SHARE", "Extrapolation", "add_points", "extrapolate"]

DEFAULT_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class Extrapolation:
    """A law fitted to a part of the points and judged on the others.

    Attributes:
        fit: the law, fitted to the part.
        inside: relative deviations (law - error) / error of the points that were fitted.
        outside: the same of the others.
        log_rms: root mean square of log(law / error) of the others.
        num_fitted: points that were fitted.
        num_judged: points that were not.
        scales: values of each scale, by name, of all points.
        points: ``error`` (means over seeds) of all points, which were ``fitted``, and the ``law`` there.
    """

    fit: LawFit
    inside: Relative
    outside: Relative
    log_rms: float
    num_fitted: int
    num_judged: int
    scales: dict[str, np.ndarray]
    points: dict[str, np.ndarray]

    def to_results(self) -> Results:
        """The extrapolation as named arrays, with the fit's, to save in a file and to draw."""
        results = self.fit.to_results()
        results = Results(f"{results.title}, extrapolated", results.config, results.variables)
        add_points(results, self.scales, self.points)
        for part, one in (("inside", self.inside), ("outside", self.outside)):
            results.add(
                part, "statistic", list(one), "1", f"(law - error) / error {part} the fit: mean, sd, largest size"
            )
        results.add("log_rms", (), self.log_rms, "1", "root mean square of log(law / error) outside the fit")
        return results

    def __str__(self) -> str:
        return (
            f"{self.fit.form}: inside the fit ({self.num_fitted} points) {self.inside}; "
            f"outside ({self.num_judged}) {self.outside}"
        )


def extrapolate(
    form: str,
    scales: Mapping[str, ArrayLike],
    errors: ArrayLike,
    *,
    fitted: ArrayLike | None = None,
    share: float = DEFAULT_SHARE,
    standard_errors: ArrayLike | None = None,
    **options: Any,
) -> Extrapolation:
    """Fit a law to the small scales and judge it on the large ones.

    As Rosenfeld et al., *A constructive prediction of the generalization error across scales* (ICLR 2020), section 6,
    judge
    theirs: by mean and standard deviation of the relative deviation.

    Args:
        form: as for :func:`fit_law`.
        scales: as for :func:`fit_law`.
        errors: as for :func:`fit_law`.
        fitted: which points are fitted, booleans of shape (num_points,); None is those of which every scale is at most
            ``share`` of its largest value.
        share: see ``fitted``; in (0, 1).
        standard_errors: as for :func:`fit_law`.
        options: further ones of :func:`fit_law`.

    Raises:
        ValueError: no point is left to judge; or as :func:`fit_law`, for the points that are fitted.
        FloatingPointError: as :func:`fit_law`.
    """
    data = Observations.checked(scales, errors, standard_errors)
    if fitted is None:
        check_real("share", share, "(0, 1)")
        chosen = np.all(data.x <= data.x.max(axis=1, keepdims=True) + np.log(share) + 1e-9, axis=0)
        told = f"with every scale at most {share:g} of its largest value"
    else:
        chosen = np.asarray(fitted)
        if chosen.dtype != np.bool_ or chosen.shape != (data.num_points,):
            raise ValueError(f"fitted must be {data.num_points} booleans, got {fitted!r}")
        told = "that are fitted"
    if chosen.all() or not chosen.any():
        raise ValueError(
            f"{int(chosen.sum())} of {data.num_points} points are those {told}: there must be some, and others"
        )
    columns = {name: np.asarray(values, np.float64) for name, values in scales.items()}
    values = np.asarray(errors, np.float64)
    deviations = None if standard_errors is None else np.asarray(standard_errors)[chosen]
    part = {name: column[chosen] for name, column in columns.items()}
    fit = fit_law(form, part, values[chosen], standard_errors=deviations, **options)
    law, mean = fit.predict(columns), np.exp(data.y)
    outside = ~chosen
    return Extrapolation(
        fit,
        Relative.of(law[chosen], mean[chosen]),
        Relative.of(law[outside], mean[outside]),
        log_rms(law[outside], mean[outside]),
        int(chosen.sum()),
        int(outside.sum()),
        columns,
        {"error": mean, "fitted": chosen, "law": law},
    )


def add_points(results: Results, scales: Mapping[str, np.ndarray], points: Mapping[str, np.ndarray]) -> None:
    """Add points: their scales, ``error``, ``law`` and whether they were ``fitted``, each of shape (num_points,)."""
    for name, values in scales.items():
        results.add(f"scale_{name}", "point", values, "1", f"{name} of each point")
    for name, values in points.items():
        results.add(f"point_{name}", "point", values, "" if values.dtype == bool else "1", f"{name} of each point")


def log_rms(law: Floats, errors: Floats) -> float:
    """Root mean square of log(law / error)."""
    return float(np.sqrt(np.mean(np.log(law / errors) ** 2)))
