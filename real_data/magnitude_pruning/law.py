"""The pruning law of a measurement: all hypotheses about the size invariant, side by side, saved and in a table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from data_pruning import Results
from data_pruning.command_line import table
from real_data.magnitude_pruning.contours import fit_contours, levels_for
from real_data.magnitude_pruning.curves import curves_of
from real_data.magnitude_pruning.invariance import HYPOTHESES, fit_each, fit_invariant, relative_deviation

__all__ = ["law_table", "pruning_law"]

MOST_GAMMA = 100.0  # that is shown: beyond it the law is an exponential of the density


def pruning_law(results: Results) -> Results:
    """Fit the pruning law to a measurement under each hypothesis about the size invariant.

    Args:
        results: of :func:`real_data.magnitude_pruning.measurement.measure_magnitude_pruning`.

    Returns:
        By network, those fitted: ``depth``, ``width``, ``pool_size``, ``num_weights``, ``unpruned_error``,
        ``own_gamma`` and ``own_p``.  By network and round: ``density``, ``mean`` and ``standard_error`` of the measured
        errors, and ``own_predicted``.  By ``hypothesis``: the parameters ``gamma``, ``p``, ``phi`` and ``psi``, with
        ``phi_error`` and ``psi_error``; ``sigma`` and ``sigma_left_out``, the root mean square of the relative
        deviation of the law in the fit and of networks of a depth and width left out of it, with its standard error
        over those; ``excess`` and its error, by how much networks left out deviate more than under the first
        hypothesis, paired by size.  By hypothesis, network and round: ``invariant``, ``predicted`` and
        ``predicted_left_out``.  Where enough networks reach them: ``level``, ``level_phi``, ``level_psi`` and errors of
        these, and the test of their agreement.  The config names the networks that failed to train, which no fit has
        seen.

    Raises:
        KeyError: the results are of something else.
        ValueError: too few networks were trained without fail, or an error is 0.
    """
    curves = curves_of(results)
    laws = [fit_invariant(curves, hypothesis) for hypothesis in HYPOTHESES]
    gamma, p, own = fit_each(curves)
    config: dict[str, Any] = {"measurement": dict(results.config), "failed": list(curves.failed)}
    found = Results(f"Pruning law fitted to: {results.title}", config)
    network, points, hypothesis = "network", ("network", "round"), "hypothesis"
    for name, described in (
        ("depth", "hidden layers l"),
        ("width", "units of each, or factor on the channels, w"),
        ("pool_size", "training images n"),
        ("num_weights", "weights before pruning N"),
    ):
        found.add(name, network, getattr(curves, name), "1", described)
    found.add("unpruned_error", network, curves.unpruned_error, "1", "mean test error at densities above 0.4")
    found.add("own_gamma", network, gamma, "1", "exponent of the law of this network alone")
    found.add("own_p", network, p, "1", "scale of the density in the law of this network alone")
    found.add("density", points, curves.density, "1", "share of weights left")
    found.add("mean", points, curves.mean, "1", "test error, mean over seeds")
    found.add("standard_error", points, curves.standard_error, "1", "standard error of mean")
    found.add("own_predicted", points, own, "1", "error of the law of this network alone")
    found.add("guessing_error", (), curves.guessing_error, "1", "test error of naming the most frequent class")
    noise = _root_mean_square(curves.standard_error / curves.mean)
    found.add("noise", (), noise, "1", "root mean square of the relative standard error of the measured errors")
    found.add("own_sigma", (), _root_mean_square(relative_deviation(own, curves)), "1", "sigma of laws of one network")
    found.add("hypothesis", hypothesis, [law.hypothesis.name for law in laws], "", "what the size invariant is")
    found.add("formula", hypothesis, [law.hypothesis.formula for law in laws], "", "the size invariant m*")
    for name in ("gamma", "p", "phi", "psi"):
        found.add(name, hypothesis, [law.parameters[name] for law in laws], "1", f"{name} of the law")
    for name in ("phi", "psi"):
        errors = [law.standard_errors[name] for law in laws]
        found.add(
            f"{name}_error", hypothesis, errors, "1", f"standard error of {name}, jackknife over depths and widths"
        )
    for name, described in (
        ("invariant", "size invariant m*"),
        ("predicted", "error of the law"),
        ("predicted_left_out", "error of the law fitted to networks of the other depths and widths"),
    ):
        found.add(name, (hypothesis, *points), np.stack([getattr(law, name) for law in laws]), "1", described)
    inside = np.stack([relative_deviation(law.predicted, curves) for law in laws])
    outside = np.stack([relative_deviation(law.predicted_left_out, curves) for law in laws])
    sizes, num_sizes = curves.sizes, int(curves.sizes.max()) + 1
    for name, deviation, described in (
        ("", inside, "in the fit"),
        ("_left_out", outside, "of networks of a depth and width left out of the fit"),
    ):
        of_sizes = np.stack(
            [[_root_mean_square(each[sizes == size]) for size in range(num_sizes)] for each in deviation]
        )
        total = [_root_mean_square(each) for each in deviation]
        found.add(f"mu{name}", hypothesis, deviation.mean(axis=(1, 2)), "1", f"mean relative deviation {described}")
        found.add(f"sigma{name}", hypothesis, total, "1", f"root mean square of the relative deviation {described}")
        spread = _standard_error(of_sizes)
        found.add(f"sigma{name}_error", hypothesis, spread, "1", "standard error of it over depths and widths")
    excess = of_sizes - of_sizes[0]
    found.add("excess", hypothesis, excess.mean(axis=1), "1", "mean over sizes of sigma_left_out less that of free")
    found.add("excess_error", hypothesis, _standard_error(excess), "1", "standard error of it over depths and widths")
    try:
        contours = fit_contours(curves, levels_for(curves), laws[0].parameters["gamma"])
    except ValueError as reason:
        config["no_contours"] = str(reason)
        return found
    found.add("level", "level", contours.levels, "1", "test error at which the densities of networks are compared")
    reached = np.asarray(np.all(np.isfinite(contours.density), axis=1))
    found.add("reached", network, reached, "1", "whether all seeds of the network reach all levels")
    density = np.where(reached[:, None], contours.density, 0)
    found.add(
        "level_density",
        (network, "level"),
        density,
        "1",
        "density at which it does, corrected for its unpruned error; 0 where not",
    )
    for column, name in enumerate(("phi", "psi")):
        found.add(f"level_{name}", "level", contours.exponents[:, column], "1", f"{name} of contours of the error")
        of_levels = contours.standard_errors[:, column]
        found.add(f"level_{name}_error", "level", of_levels, "1", "standard error of it, over seeds")
        found.add(f"contour_{name}", (), contours.common[column], "1", f"{name} of all contours together")
    for name, described in (
        ("chi_square", "differences of phi and psi between levels, in units of their errors"),
        ("degrees", "degrees of freedom of chi_square"),
        ("p_value", "how often a larger chi_square is seen if phi and psi are the same"),
        ("scatter", "of networks about the power law of each level, logarithm of the density"),
        ("seed_error", "what seeds leave of the scatter"),
    ):
        found.add(name, (), getattr(contours, name), "1", described)
    return found


def law_table(law: Results) -> str:
    """What :func:`pruning_law` found, as text: relative deviations in per cent."""
    lines = [
        f"{len(law['depth'])} networks, {law['density'].size} points; seeds leave {100 * law['noise']:.1f} % of noise; "
        f"laws of single networks deviate by {100 * law['own_sigma']:.1f} %"
    ]
    lines += [f"LEFT OUT, FAILED TO TRAIN: {name}" for name in law.config["failed"]]
    header = ["invariant m*", "phi", "psi", "gamma", "sigma %", "left out %", "worse than free"]
    rows = []
    for i, name in enumerate(law["hypothesis"].tolist()):
        excess, error = 100 * law["excess"][i], 100 * law["excess_error"][i]
        rows.append(
            [
                f"{name}: {law['formula'][i]}",
                *(_with_error(law[parameter][i], law[f"{parameter}_error"][i]) for parameter in ("phi", "psi")),
                f"{law['gamma'][i]:.2f}" if law["gamma"][i] < MOST_GAMMA else f"> {MOST_GAMMA:g}",
                f"{100 * law['sigma'][i]:.1f}",
                f"{100 * law['sigma_left_out'][i]:.1f} +- {100 * law['sigma_left_out_error'][i]:.1f}",
                "" if i == 0 else f"{excess:+.1f} +- {error:.1f}",
            ]
        )
    lines += [table(header, rows)]
    if "level" not in law.variables:
        return "\n".join([*lines, f"no contours: {law.config['no_contours']}"])
    lines.append(f"contours of the error, from {np.sum(law['reached'])} networks:")
    for i, level in enumerate(law["level"]):
        phi, psi = (f"{law[f'level_{x}'][i]:.2f} +- {law[f'level_{x}_error'][i]:.2f}" for x in ("phi", "psi"))
        lines.append(f"  at {100 * level:.1f} %: phi {phi}, psi {psi}")
    lines.append(
        f"  do they agree? chi-square {law['chi_square']:.1f} of {law['degrees']}, p = {law['p_value']:.2g}; densities "
        f"scatter by {100 * law['scatter']:.0f} % about these powers, {100 * law['seed_error']:.0f} % by seeds"
    )
    return "\n".join(lines)


def _with_error(value: float, error: float) -> str:
    """A number that was fitted with its standard error, one that was held without."""
    return f"{value:.2f} +- {error:.2f}" if error > 0 else f"{value:.2f}"


def _root_mean_square(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _standard_error(values: Any) -> np.ndarray:
    """Of the mean over the last axis."""
    return np.std(values, axis=-1, ddof=1) / math.sqrt(np.shape(values)[-1])
