"""The joint law of examples and network size: fitted to small scales, judged on large ones, rule by rule."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from data_pruning import Results
from real_data.studies.model_sizes import failed_networks
from scaling_laws import Extrapolation, LawFit, extrapolate, fit_law
from scaling_laws.fitting import Relative

__all__ = ["FORMS", "joint_law", "scales_named", "selection_names"]

FORMS = ("envelope", "additive", "kaplan", "kaplan+constant", "p-norm+constant")
SMALL = 0.25
"""Share of the largest number of examples, and of parameters, up to which a law is fitted."""
TOLERANCE = 0.01  # of a fourth: a network of a fourth of the width has biases of its own
MOST_POWER = 3.0  # of the depth, in either direction
PARTS = {"inside": "small part, fitted", "outside": "large part, judged", "all": "all points, fitted to all of them"}

Measure = Literal["parameters", "width", "width depth^phi"]
Floats = NDArray[np.float64]


class _Points(NamedTuple):
    """Points of one way to choose examples, of which all networks learned; arrays of shape (num_points,)."""

    n: Floats
    width: Floats
    depth: Floats
    parameters: Floats
    errors: Floats
    small: NDArray[np.bool_]

    def scales(self, measure: str, power: float) -> dict[str, Any]:
        return scales_named(measure, self.n, self.width, self.depth, self.parameters, power)


@dataclass(frozen=True)
class _Law:
    """A law fitted to the small part, and to all points; None where that cannot be, with the reasons."""

    small: Extrapolation | None
    whole: LawFit | None
    powers: tuple[float, float]  # of the depth, in both
    reasons: tuple[str, ...]


def scales_named(measure: str, n: Any, width: Any, depth: Any, parameters: Any, power: float) -> dict[str, Any]:
    """The scales of a law: number of examples and the measure of the network's size."""
    return {"n": n, "m": parameters} if measure == "parameters" else {"n": n, "w": width * depth**power}


def joint_law(results: Results) -> Results:
    """Fit joint laws to errors of networks of several sizes.

    Laws are fitted to means over seeds, with all relative deviations alike, and once more to all points.  The small
    part has n and number of parameters m at most a fourth (to 1 %) of the largest, n being the number of examples kept;
    the error of guessing in the envelope is held at that of the most frequent class.  Points of which a network did
    not learn are left out.

    Args:
        results: of :func:`real_data.studies.model_sizes.measure_model_sizes`.

    Returns:
        Over (selection, measure, form), where measure is ``parameters``, m, and, where it is another, ``width`` or,
        with several depths, ``width depth^phi``: for each part of ``inside``, ``outside`` and ``all`` ``mean_PART``,
        ``std_PART`` and ``worst_PART`` of (law - error) / error; ``phi`` and ``phi_all``; ``fitted`` and
        ``fitted_all``, 0 where there is no fit and the numbers are 0; with (model, pool) ``law``, the law of the small
        part.  Over (selection, model, pool) ``num_kept``, ``error``, ``standard_error``, ``small`` and ``learned``.
        ``noise`` (selection), root mean square of the relative standard errors; ``unchanged_mean`` and
        ``unchanged_std`` (selection), the relative deviation outside the fit of no law at all, of the error of the
        nearest small point, 0 where there is nothing to judge.  The config has the ``parameters`` of the laws of the
        small part, why laws could not be fitted, or may not be the best ones (``remarks``), and the networks that
        ``failed``.

    Raises:
        MissingVariableError: the results are of something else.
        ValueError: an error is 0.
    """
    measures: tuple[Measure, ...] = ("parameters",)
    if np.unique(results["depth"]).size > 1:
        measures = ("parameters", "width depth^phi")
    elif np.ptp(np.log(results["num_parameters"] / results["width"])) > TOLERANCE:  # else they are the same
        measures = ("parameters", "width")
    errors = np.moveaxis(results["mean"], 2, 0)
    kept = np.moveaxis(results["num_kept"].mean(axis=-1), 2, 0)
    learned = np.moveaxis(np.all(results["learned"] == 1, axis=-1), 2, 0)
    if not np.all(errors[learned] > 0):
        raise ValueError("an error is 0, which no law describes: test on more images, or leave the largest sizes out")
    few_parameters = _is_small(results["num_parameters"], results["num_parameters"].max())[:, None]
    small = few_parameters & _is_small(kept, kept.max(axis=(1, 2), keepdims=True))
    shape = (len(errors), len(measures), len(FORMS))
    values = {f"{name}_{part}": np.zeros(shape) for part in PARTS for name in ("mean", "std", "worst")}
    values |= {"phi": np.zeros(shape), "phi_all": np.zeros(shape)}
    flags = {name: np.zeros(shape, int) for name in ("fitted", "fitted_all")}
    law_of_all = np.zeros((*shape, *errors.shape[1:]))
    parameters: dict[str, Any] = {}
    reasons = []
    width, depth, num_parameters = (
        np.broadcast_to(results[name][:, None], errors.shape[1:]).astype(float)
        for name in ("width", "depth", "num_parameters")
    )
    of_selections = [
        _Points(n[used], width[used], depth[used], num_parameters[used], e[used], few[used])
        for n, e, few, used in zip(kept, errors, small, learned, strict=True)
    ]
    for i, (name, points) in enumerate(zip(selection_names(results), of_selections, strict=True)):
        for j, measure in enumerate(measures):
            for k, form in enumerate(FORMS):
                found = _fitted(points, measure, form, float(results["guessing_error"]))
                reasons += [f"{name}, {measure}, {form}: {reason}" for reason in found.reasons]
                values["phi"][i, j, k], values["phi_all"][i, j, k] = found.powers
                parts: list[tuple[str, Any]] = []
                if found.small is not None:
                    flags["fitted"][i, j, k] = 1
                    parts += [("inside", found.small.inside), ("outside", found.small.outside)]
                    parameters.setdefault(name, {}).setdefault(measure, {})[form] = found.small.fit.parameters
                    scales = scales_named(measure, kept[i], width, depth, num_parameters, found.powers[0])
                    law_of_all[i, j, k] = found.small.fit.predict(scales)
                if found.whole is not None:
                    flags["fitted_all"][i, j, k] = 1
                    parts.append(("all", found.whole.relative))
                for part, relative in parts:
                    for statistic, value in relative._asdict().items():
                        values[f"{statistic}_{part}"][i, j, k] = value
    config = {
        "measurement": dict(results.config),
        "parameters": parameters,
        "remarks": reasons,
        "failed": failed_networks(results),
    }
    law = Results(f"Joint law fitted to: {results.title}", config)
    for name in ("depth", "width", "num_parameters", "pool_size", "rule", "fraction", "guessing_error"):
        variable = results.variables[name]
        law.add(name, variable.dims, variable.values, variable.units, variable.description)
    law.add("measure", "measure", list(measures), "", "measure of the size of the network")
    law.add("form", "form", list(FORMS), "", "form of the law")
    three, cells = ("selection", "measure", "form"), ("selection", "model", "pool")
    for name, array in values.items():
        statistic, _, part = name.partition("_")
        about = PARTS.get(part, "")
        described = f"{statistic} of (law - error) / error, {about}"
        law.add(name, three, array, "1", "power of the depth in the size" if statistic == "phi" else described)
    for name, array in flags.items():
        law.add(name, three, array, "1", "1 where there is a fit, to the small part or to all points")
    law.add("law", (*three, "model", "pool"), law_of_all, "1", "error of the law fitted to the small part")
    standard_error = np.moveaxis(results["standard_error"], 2, 0)
    for name, array, described in (
        ("num_kept", kept, "number of examples kept n"),
        ("error", errors, "test error, mean over seeds"),
        ("standard_error", standard_error, "standard error of it"),
        ("small", small.astype(int), "1 where n and m are at most a fourth of the largest"),
        ("learned", learned.astype(int), "1 where the networks of all seeds learned"),
    ):
        law.add(name, cells, array, "1", described)
    noise = [
        float(np.sqrt(np.mean((s[ok] / e[ok]) ** 2))) for s, e, ok in zip(standard_error, errors, learned, strict=True)
    ]
    law.add("noise", "selection", noise, "1", "root mean square of the relative standard error")
    unchanged = np.array([_unchanged(points)[:2] for points in of_selections])
    for name, column in zip(("mean", "std"), unchanged.T, strict=True):
        described = f"{name} of (error of the nearest small point - error) / error, large part"
        law.add(f"unchanged_{name}", "selection", column, "1", described)
    return law


def selection_names(results: Results) -> list[str]:
    """A phrase for each way to choose examples."""
    pairs = zip(results["rule"].tolist(), results["fraction"].tolist(), strict=True)
    return ["all" if rule == "all" else f"{rule} at f = {f:g}" for rule, f in pairs]


def _is_small(values: Any, largest: Any) -> NDArray[np.bool_]:
    return np.asarray(values <= SMALL * (1 + TOLERANCE) * largest)


def _unchanged(points: _Points) -> Relative:
    """Deviations of large points from the nearest small ones, in log n and log m: what a law must do better than."""
    if points.small.all() or not points.small.any():
        return Relative(0.0, 0.0, 0.0)
    x = np.log(np.stack([points.n, points.parameters], axis=1))
    distance = np.abs(x[~points.small, None] - x[None, points.small]).sum(axis=-1)
    nearest = points.errors[points.small][np.argmin(distance, axis=1)]
    return Relative.of(nearest, points.errors[~points.small])


def _fitted(points: _Points, measure: Measure, form: str, guessing_error: float) -> _Law:
    fixed = {"guessing_error": guessing_error} if form == "envelope" else None

    def to_small(power: float) -> Extrapolation:
        scales = points.scales(measure, power)
        return extrapolate(form, scales, points.errors, fitted=points.small, fixed=fixed, intervals="none")

    def to_all(power: float) -> LawFit:
        return fit_law(form, points.scales(measure, power), points.errors, fixed=fixed, intervals="none")

    free = measure == "width depth^phi"
    small, power, reasons = _at_best_power(to_small, lambda found: found.fit.cost, free)
    whole, power_of_all, more = _at_best_power(to_all, lambda found: found.cost, free)
    return _Law(
        small,
        whole,
        (power, power_of_all),
        tuple(dict.fromkeys([*reasons, *(f"of all points: {one}" for one in more)])),
    )


def _at_best_power(fit: Any, cost: Any, free: bool) -> tuple[Any, float, list[str]]:
    """The fit at the power of the depth of lowest cost, the power, and why there is none or it may be not the best."""

    def cost_at(power: float) -> float:
        try:
            return float(cost(fit(power)))
        except (ValueError, FloatingPointError):
            return float("inf")

    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        power = 0.0
        if free:
            powers = np.linspace(-MOST_POWER, MOST_POWER, 7)
            costs = [cost_at(one) for one in powers]
            if np.isfinite(min(costs)):
                best = int(np.argmin(costs))
                ends = powers[max(best - 1, 0)], powers[min(best + 1, len(powers) - 1)]
                power = float(minimize_scalar(cost_at, bounds=ends, method="bounded", options={"xatol": 5e-3}).x)
        complaints.clear()
        try:
            found = fit(power)
        except (ValueError, FloatingPointError) as reason:
            return None, 0.0, [f"NO FIT, {reason}"]
    return found, power, [str(one.message) for one in complaints]
