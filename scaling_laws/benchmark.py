"""Laws and the forecaster judged on many learning curves, each with a fitting and an extrapolated part."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_pruning.command_line import table
from data_pruning.records.results import Results
from scaling_laws.evaluation import log_errors
from scaling_laws.forecasting import LEVELS, Curve, Forecast, check_forecastable, forecast_curves
from scaling_laws.forms.catalogue import ONE_SCALE, form_named
from scaling_laws.forms.form import Floats
from scaling_laws.observations import Observations
from scaling_laws.search import best_of_each
from scaling_laws.tables import read_columns, read_groups

__all__ = ["COMBINED", "Benchmark", "curves_of", "run_benchmark"]

COMBINED = "combined forecast"

_MOST_POINTS = 48  # of a curve, as in the forecaster
_FINALISTS = 2
_MOST_STEPS = 100


@dataclass(frozen=True, eq=False)
class Benchmark:
    """How laws extrapolate many curves.

    Attributes:
        curves: names of the curves.
        groups: group of each curve.
        forms: names of the laws, those whose deviations weigh alike and in proportion to the scale, and the forecaster.
        rms: root mean square of log(forecast / error) over the extrapolated part, shape (num_forms, num_curves); NaN
            where the curve has too few points for the law.
        coverage: by level, the share of the extrapolated points of each curve that lie in the forecaster's interval,
            shape (num_curves,).
        refused: why curves were left out, by name.
        horizon: largest extrapolated over largest fitted scale, shape (num_curves,).
    """

    curves: tuple[str, ...]
    groups: tuple[str, ...]
    forms: tuple[str, ...]
    rms: Floats
    coverage: dict[float, Floats]
    refused: dict[str, str]
    horizon: Floats

    def to_results(self) -> Results:
        """The benchmark as named arrays, to save in a file and to draw."""
        results = Results("Extrapolation of learning curves by scaling laws", {"refused": self.refused})
        results.add("curve", "curve", list(self.curves), "", "learning curve")
        results.add("group", "curve", list(self.groups), "", "group of the curve")
        results.add("form", "form", list(self.forms), "", "law")
        results.add("rms", ("form", "curve"), self.rms, "1", "rms of log(forecast / error), extrapolated part")
        results.add("level", "level", list(self.coverage), "1", "level of the forecast intervals")
        results.add("coverage", ("level", "curve"), list(self.coverage.values()), "1", "share of the points in them")
        results.add("horizon", "curve", self.horizon, "1", "largest extrapolated over largest fitted scale")
        return results

    def __str__(self) -> str:
        groups = dict.fromkeys(self.groups)
        chosen = {
            f"{group}, {self.groups.count(group)}": np.array([g == group for g in self.groups]) for group in groups
        }
        if len(groups) > 1:
            chosen[f"all {len(self.curves)}"] = np.ones(len(self.curves), bool)
        rows = []
        for name, rms in zip(self.forms, self.rms, strict=True):
            row = [name]
            for mask in chosen.values():
                some = rms[mask]
                known = some[~np.isnan(some)]
                short = "" if known.size == some.size else f" ({known.size})"
                row.append(f"{known.mean():.4f} / {np.median(known):.4f}{short}" if known.size else "-")
            rows.append(row)
        lines = ["rms of log(forecast / error) of the extrapolated part, mean / median over curves:"]
        lines.append(table(["law", *chosen], rows))
        for level, share in self.coverage.items():
            parts = ", ".join(f"{100 * share[mask].mean():.1f} % ({name})" for name, mask in chosen.items())
            lines.append(
                f"{100 * level:g} % forecast intervals hold {parts} of the extrapolated points, mean over curves"
            )
        lines += [f"left out {name}: {reason}" for name, reason in self.refused.items()]
        return "\n".join(lines)


def curves_of(
    tables: Sequence[str | os.PathLike[str]], x: str, y: str, curve: Sequence[str], fitted: str
) -> tuple[dict[str, tuple[Curve, Floats]], dict[str, str]]:
    """Curves of tables, and the name of the table, without its ending, of each curve.

    Args:
        tables: the files, see :func:`scaling_laws.tables.read_columns`.
        x: column of the scale.
        y: column of the error.
        curve: columns that together name a curve.
        fitted: column that says which rows are fitted, 1, and which are judged, 0.

    Raises:
        FileNotFoundError, ValueError: a file or column is missing, or an entry is none.
    """
    curves: dict[str, tuple[Curve, Floats]] = {}
    groups: dict[str, str] = {}
    for path in map(Path, tables):
        columns, names = read_columns(path, [x], y, [fitted]), read_groups(path, curve)
        wrong = np.flatnonzero((columns[fitted] != 0) & (columns[fitted] != 1))
        if wrong.size:
            raise ValueError(
                f"{path}: column {fitted!r} must be 0 or 1, but row {wrong[0] + 1} has {columns[fitted][wrong[0]]:g}"
            )
        for name in dict.fromkeys(names.tolist()):
            if name in curves:
                raise ValueError(f"{path} has a curve {name!r}, as {groups[name]} has: give tables whose curves differ")
            inner, outer = ((names == name) & (columns[fitted] == part) for part in (1, 0))
            curves[name] = Curve(columns[x][inner], columns[y][inner], columns[x][outer]), columns[y][outer]
            groups[name] = path.stem
    return curves, groups


def run_benchmark(
    curves: Mapping[str, tuple[Curve, Floats]],
    groups: Mapping[str, str] | None = None,
    forms: Sequence[str] | None = None,
    *,
    progress: bool = False,
) -> Benchmark:
    """Judge laws on curves.

    Args:
        curves: by name, the fitted part with the scales of the extrapolated part in ``at``, and the errors there.
        groups: group of each curve, by its name; None is one group.
        forms: names of laws in one scale; None is all.
        progress: whether to show a progress bar.

    Raises:
        ValueError: no curve can be judged, or a form is unknown.
    """
    names = tuple(ONE_SCALE) if forms is None else tuple(forms)
    laws = [form_named(name, ("n",)) for name in names]
    kept, refused = _fit_for_it(curves)
    if not kept:
        raise ValueError("no curve can be judged: " + "; ".join(f"{name}: {why}" for name, why in refused.items()))
    judged = [np.log(curves[name][1]) for name in kept]
    x = [np.log(curves[name][0].at)[None] for name in kept]
    labels, rows = [], []
    with tqdm(total=2 * len(laws), desc="laws", unit="law", disable=not progress) as bar:
        for exponent in (0.0, 1.0):
            data = [
                Observations.checked({"n": curves[name][0].scale}, curves[name][0].errors, None, exponent).thinned(
                    _MOST_POINTS
                )
                for name in kept
            ]
            for law in laws:
                row = np.full(len(kept), np.nan)
                long = [i for i, one in enumerate(data) if one.num_points > law.num_parameters]
                best = (
                    best_of_each(law, [data[i] for i in long], most_steps=_MOST_STEPS, finalists=_FINALISTS)
                    if long
                    else []
                )
                for i, one in zip(long, best, strict=True):
                    row[i] = np.sqrt(np.mean((log_errors(law, one.p[None], x[i])[0] - judged[i]) ** 2))
                labels.append(law.name if exponent == 0 else f"{law.name}, weight n")
                rows.append(row)
                bar.update()
    found = forecast_curves([curves[name][0] for name in kept], progress=progress)
    labels.append(COMBINED)
    rows.append(np.array([np.sqrt(np.mean((np.log(f.error) - y) ** 2)) for f, y in zip(found, judged, strict=True)]))
    coverage = {level: np.array([_share(f, y, level) for f, y in zip(found, judged, strict=True)]) for level in LEVELS}
    group = tuple("curves" if groups is None else groups[name] for name in kept)
    horizon = np.array([curves[name][0].at.max() / curves[name][0].scale.max() for name in kept])
    return Benchmark(tuple(kept), group, tuple(labels), np.array(rows), coverage, refused, horizon)


def _fit_for_it(curves: Mapping[str, tuple[Curve, Floats]]) -> tuple[list[str], dict[str, str]]:
    """Names of the curves that can be forecast, and why the others cannot."""
    kept, refused = [], {}
    for name, (curve, errors) in curves.items():
        try:
            check_forecastable(Observations.checked({"n": curve.scale}, curve.errors))
            if not errors.size or np.any(~(errors > 0)):
                raise ValueError("the extrapolated part must have errors above 0")
        except ValueError as error:
            refused[name] = str(error)
        else:
            kept.append(name)
    return kept, refused


def _share(found: Forecast, log_error: Floats, level: float) -> float:
    low, high = found.intervals[level]
    return float(np.mean((log_error >= np.log(low)) & (log_error <= np.log(high))))
