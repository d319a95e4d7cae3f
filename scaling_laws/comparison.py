"""Which law: by how well each forecasts larger scales, never by how well it fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from data_pruning.command_line import table
from data_pruning.records.results import Results
from scaling_laws.evaluation import log_errors
from scaling_laws.fitting import LawFit, check_fittable, fit_law
from scaling_laws.forms.catalogue import JOINT, ONE_SCALE, form_named
from scaling_laws.forms.form import Floats, Form
from scaling_laws.observations import Observations
from scaling_laws.search import best_of_each, fixed_coordinates

__all__ = ["Judged", "LawComparison", "check_held", "compare_laws"]

FOLDS = ((0.6, 0.8), (0.8, 1.0))
"""Shares of the different values of each scale: fitted up to the first, judged beyond it up to the second."""

_MOST_STEPS = 300  # of a search: a flat direction changes no forecast


@dataclass(frozen=True)
class Judged:
    """How one form forecasts.

    Attributes:
        form: its name.
        num_parameters: its free parameters.
        rolling_rms: root mean square of log(forecast / error) over the points of the rolling extrapolation; NaN where
            the form was refused.
        relative_std: standard deviation of (law - error) / error of a fit to all points, in which the most flexible
            form is the best.
        refused: why the form could not be judged; empty where it was.
    """

    form: str
    num_parameters: int
    rolling_rms: float
    relative_std: float
    refused: str = ""


@dataclass(frozen=True, eq=False)
class LawComparison:
    """The forms, judged by rolling extrapolation, and the best of them fitted to all points.

    Attributes:
        judged: one entry for each form, best forecasts first, then those that were refused.
        best: the chosen law: of those that forecast as well as the best, within one standard error of the difference,
            that with the fewest parameters.
        num_judged: points that were forecast.
    """

    judged: tuple[Judged, ...]
    best: LawFit
    num_judged: int

    def to_results(self) -> Results:
        """The comparison as named arrays, with the best fit's, to save in a file."""
        results = self.best.to_results()
        results = Results(f"{results.title}, chosen by rolling extrapolation", results.config, results.variables)
        results.add("form", "form", [one.form for one in self.judged], "", "form")
        for name, description in (
            ("num_parameters", "its free parameters"),
            ("rolling_rms", "root mean square of log(forecast / error) of larger scales"),
            ("relative_std", "standard deviation of (law - error) / error in a fit to all points"),
        ):
            results.add(f"form_{name}", "form", [getattr(one, name) for one in self.judged], "1", description)
        results.add("form_refused", "form", [one.refused for one in self.judged], "", "why it was not judged")
        return results

    def __str__(self) -> str:
        rows = [
            [one.form, str(one.num_parameters), f"{100 * one.rolling_rms:.2f} %", f"{100 * one.relative_std:.2f} %"]
            for one in self.judged
            if not one.refused
        ]
        lines = [
            f"forecasts of {self.num_judged} points by fits to smaller scales (rolling extrapolation):",
            table(["form", "parameters", "rms of log error", "sd in a fit to all"], rows),
            *(f"{one.form} refused: {one.refused}" for one in self.judged if one.refused),
            f"chosen: {self.best}",
        ]
        return "\n".join(lines)


def compare_laws(
    scales: Mapping[str, ArrayLike],
    errors: ArrayLike,
    forms: Sequence[str] | None = None,
    *,
    standard_errors: ArrayLike | None = None,
    fixed: Mapping[str, float] | None = None,
    huber: float | None = None,
    weight_exponent: float = 0.0,
    **options: Any,
) -> LawComparison:
    """Judge forms by rolling extrapolation and fit the best.

    Each form is fitted to the points of which every scale is among the smallest 60 % of its different values, and
    judged on those up to 80 %; then fitted up to 80 %, and judged on the rest.

    Args:
        scales: as for :func:`fit_law`.
        errors: as for :func:`fit_law`.
        forms: names of the forms; None is all for so many scales.
        standard_errors: as for :func:`fit_law`.
        fixed: parameters that are held, in the forms that have them.
        huber: as for :func:`fit_law`.
        weight_exponent: as for :func:`fit_law`.
        options: further ones of :func:`fit_law`, for the best.

    Raises:
        ValueError: as :func:`fit_law`, where every form is refused.

    Example:
        >>> from scaling_laws import compare_laws
        >>> n = [250, 500, 1000, 2000, 4000, 8000]
        >>> error = [0.262, 0.228, 0.204, 0.182, 0.164, 0.149]
        >>> print(str(compare_laws({"n": n}, error, ["power", "power+constant"])).splitlines()[2])
        power+constant           3            0.84 %              0.33 %
    """
    data = Observations.checked(scales, errors, standard_errors, weight_exponent)
    names = tuple(ONE_SCALE if len(data.scales) == 1 else JOINT) if forms is None else tuple(forms)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"forms must be different ones, at least one, got {names!r}")
    laws = [form_named(name, data.scales) for name in names]
    check_held(fixed, laws)
    if names != ("magnitude-pruning",):
        data.check_falling()
    folds = _folds(data)
    judged, deviations = [], {}
    for law in laws:
        own = {name: value for name, value in (fixed or {}).items() if name in law.names}
        num = law.num_parameters - len(own)
        try:
            held = fixed_coordinates(law, own)
            check_fittable(law, data, held)
            if not folds:
                raise ValueError("no larger scales to judge it on")
            for inner, _ in folds:
                check_fittable(law, data.part(inner), held)
        except ValueError as error:
            judged.append(Judged(law.name, num, np.nan, np.nan, str(error)))
            continue
        deviations[law.name] = _rolling(law, data, folds, held, huber)
        (best,) = best_of_each(law, [data], fixed=held, huber=huber, most_steps=_MOST_STEPS)
        inside = np.exp(log_errors(law, best.p[None], data.x)[0] - data.y) - 1
        rms = float(np.sqrt(np.mean(deviations[law.name] ** 2)))
        judged.append(Judged(law.name, num, rms, float(np.std(inside))))
    if not deviations:
        raise ValueError("; ".join(f"{one.form}: {one.refused}" for one in judged))
    judged.sort(key=lambda one: (bool(one.refused), one.rolling_rms))
    chosen = _fewest_of_the_best(judged, deviations)
    own = {name: value for name, value in (fixed or {}).items() if name in form_named(chosen, data.scales).names}
    best_fit = fit_law(
        chosen,
        scales,
        errors,
        standard_errors=standard_errors,
        fixed=own,
        huber=huber,
        weight_exponent=weight_exponent,
        **options,
    )
    return LawComparison(tuple(judged), best_fit, next(iter(deviations.values())).size)


def check_held(fixed: Mapping[str, float] | None, laws: Sequence[Form]) -> None:
    """Refuse to hold parameters that none of the laws has.

    Raises:
        ValueError: the message names the first.
    """
    known = {name for law in laws for name in law.names}
    for name in fixed or {}:
        if name not in known:
            raise ValueError(f"fixed must name parameters of the forms, {', '.join(sorted(known))}, got {name!r}")


def _folds(data: Observations) -> list[tuple[np.ndarray, np.ndarray]]:
    """Masks of the points that are fitted and of those that are judged."""
    ranks = [np.unique(row, return_inverse=True) for row in data.x]
    places = np.max([inverse.reshape(-1) / (values.size - 1) for values, inverse in ranks if values.size > 1], axis=0)
    masks = [(places <= low + 1e-9, (places > low + 1e-9) & (places <= high + 1e-9)) for low, high in FOLDS]
    return [(inner, outer) for inner, outer in masks if inner.any() and outer.any()]


def _rolling(
    law: Form, data: Observations, folds: list[tuple[np.ndarray, np.ndarray]], held: Floats, huber: float | None
) -> Floats:
    """log(forecast / error) of all judged points."""
    parts = [data.part(inner) for inner, _ in folds]
    best = best_of_each(law, parts, fixed=held, huber=huber, most_steps=_MOST_STEPS)
    found = [
        log_errors(law, one.p[None], data.x[:, outer])[0] - data.y[outer]
        for one, (_, outer) in zip(best, folds, strict=True)
    ]
    return np.concatenate(found)


def _fewest_of_the_best(judged: list[Judged], deviations: dict[str, Floats]) -> str:
    best = deviations[judged[0].form] ** 2
    ties = [judged[0]]
    for one in judged[1:]:
        if one.refused:
            continue
        difference = deviations[one.form] ** 2 - best
        if difference.mean() <= difference.std(ddof=1 if difference.size > 1 else 0) / np.sqrt(difference.size):
            ties.append(one)
    return min(ties, key=lambda one: (one.num_parameters, one.rolling_rms)).form
