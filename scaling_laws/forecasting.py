"""Forecasts of learning curves by several laws together, with intervals: ``forecast``.

Four laws are fitted with deviations weighed in proportion to the scale, so that they follow the largest scales, and the
forecast is the median of theirs, in the logarithm.  Its standard error has three parts, added as squares:

- the standard deviation of the four forecasts;
- how much the same forecaster errs on the curve's own larger half: it is fitted to scales up to a half and a fourth of
  the largest, and judged on the next factor of two; this part grows in proportion to the logarithm of the horizon;
- the noise of one measurement, from the residuals.

Intervals are those of Student's t with 3 degrees of freedom, as the spread of four laws has.  Laws and weight are a
choice among some twenty that was made with the public benchmark in view, on whose fitting parts alone, extrapolated to
each other, it is among the best three; the degrees of freedom and the weights of the parts were not fitted.  The
coverage there is in ``benchmarks/README.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from data_pruning.arguments import check_real, real_array
from data_pruning.records.results import Results
from scaling_laws.evaluation import log_errors
from scaling_laws.forms.catalogue import form_named
from scaling_laws.forms.form import Floats
from scaling_laws.observations import Observations
from scaling_laws.search import best_of_each

__all__ = ["FORECASTERS", "LEVELS", "Curve", "Forecast", "check_forecastable", "forecast", "forecast_curves"]

FORECASTERS = ("power+constant", "m3", "envelope", "m4")
LEVELS = (0.8, 0.95)
WEIGHT_EXPONENT = 1.0
FEWEST_POINTS = 6  # one more than m4 has parameters

_CUTS = (0.5, 0.25)  # of the largest scale, up to which a curve is fitted to judge the forecaster on it
_DOUBLE = np.log(2.0)
_MOST_POINTS = 48  # of a curve; more cost time and change little
_FINALISTS = 2
_MOST_STEPS = 100  # of a search: a few flat directions are no harm to a median of four


@dataclass(frozen=True, eq=False)
class Curve:
    """Errors against one scale.

    Attributes:
        scale: values of the scale, shape (num_points,), above 0, at least six different ones.
        errors: errors, above 0, of the same shape.
        at: values of the scale to forecast, shape (num_forecasts,), above 0.
    """

    scale: Floats
    errors: Floats
    at: Floats


@dataclass(frozen=True, eq=False)
class Forecast:
    """Forecasts of a curve.

    Attributes:
        scale: name of the scale.
        at: values of the scale, shape (num_forecasts,).
        error: forecast errors, of the same shape.
        intervals: by level, lower and upper ends for one measurement, each of the same shape.
        by_form: forecasts of each law, of the same shape.
        at_points: the median of the laws at the points of the curve, shape (num_points,).
        backtest: root mean square of log(forecast / error) of the forecaster on the curve's own larger part, at
            horizons up to a factor of two; None where the curve is too short for that, and the intervals lack this
            part.
        noise: standard deviation of the logarithm of one error about the laws.
        num_points: points of the curve.
        largest: largest scale among them.
    """

    scale: str
    at: Floats
    error: Floats
    intervals: dict[float, tuple[Floats, Floats]]
    by_form: dict[str, Floats]
    at_points: Floats
    backtest: float | None
    noise: float
    num_points: int
    largest: float

    def to_results(self, curve: Curve | None = None) -> Results:
        """The forecasts as named arrays, with the points of the curve if given, to save in a file and to draw."""
        config = {"scale": self.scale, "forms": list(self.by_form), "largest": self.largest}
        results = Results(f"Forecast of a learning curve against {self.scale}", config)
        results.add("at", "at", self.at, "1", f"{self.scale} of the forecasts")
        results.add("forecast", "at", self.error, "1", "forecast error")
        results.add("level", "level", list(self.intervals), "1", "level of the intervals")
        results.add(
            "interval", ("level", "end", "at"), [list(x) for x in self.intervals.values()], "1", "forecast intervals"
        )
        results.add("form", "form", list(self.by_form), "", "law")
        results.add("by_form", ("form", "at"), list(self.by_form.values()), "1", "forecast of each law")
        results.add(
            "backtest", (), np.nan if self.backtest is None else self.backtest, "1", "rms of log on its own larger part"
        )
        results.add("noise", (), self.noise, "1", "standard deviation of the logarithm of one error")
        results.add("num_points", (), self.num_points, "1", "points of the curve")
        if curve is not None:
            results.add("point_scale", "point", curve.scale, "1", f"{self.scale} of the points")
            results.add("point_error", "point", curve.errors, "1", "error of the points")
            results.add("point_law", "point", self.at_points, "1", "median of the laws there")
        return results

    def __str__(self) -> str:
        back = "too short to be judged on itself" if self.backtest is None else f"{100 * self.backtest:.2f} % on itself"
        lines = [
            f"forecasts from {self.num_points} points up to {self.scale} = {self.largest:g} "
            f"(noise {100 * self.noise:.2f} %, {back}):"
        ]
        for number, value in enumerate(self.at):
            ends = ", ".join(
                f"{100 * level:g} % [{low[number]:.4g}, {high[number]:.4g}]"
                for level, (low, high) in self.intervals.items()
            )
            lines.append(f"  {self.scale} = {value:g}: {self.error[number]:.4g}, {ends}")
        return "\n".join(lines)


def forecast(
    scales: Mapping[str, ArrayLike], errors: ArrayLike, at: ArrayLike, *, levels: Sequence[float] = LEVELS
) -> Forecast:
    """Forecast a learning curve beyond its largest scale, by four laws together.

    Args:
        scales: one scale by name, such as {"n": [...]}, shape (num_points,), above 0, at least six different values.
        errors: errors or losses, above 0, shape (num_points,), or (num_points, num_seeds), of which the means are
            taken.
        at: values of the scale, above 0, one or shape (num_forecasts,).
        levels: levels of the intervals, each in (0, 1).

    Raises:
        ValueError: an argument out of range, or errors that rise.

    Example:
        >>> from scaling_laws import forecast
        >>> n = [250, 500, 1000, 2000, 4000, 8000]
        >>> print(forecast({"n": n}, [0.262, 0.228, 0.204, 0.182, 0.164, 0.149], [16000]))
        forecasts from 6 points up to n = 8000 (noise 0.14 %, too short to be judged on itself):
          n = 16000: 0.1365, 80 % [0.1353, 0.1378], 95 % [0.1341, 0.139]
    """
    if not isinstance(scales, Mapping) or len(scales) != 1:
        raise ValueError(
            f"scales must have one scale, such as {{'n': [...]}}, got {scales!r}; for more see extrapolate"
        )
    for level in levels:
        check_real("each of levels", level, "(0, 1)")
    if not levels or len(set(levels)) < len(levels):
        raise ValueError(f"levels must be different ones, at least one, got {levels!r}")
    ((name, values),) = scales.items()
    mean = np.asarray(real_array("errors", errors))
    mean = mean.mean(axis=1) if mean.ndim == 2 else mean
    where = np.atleast_1d(real_array("at", at))
    if where.ndim != 1 or np.any(where <= 0):
        raise ValueError(f"at must be values above 0, got {at!r}")
    curve = Curve(real_array(f"scales[{name!r}]", values), mean, where)
    return forecast_curves([curve], levels=levels, scale=name)[0]


def forecast_curves(
    curves: Sequence[Curve], *, levels: Sequence[float] = LEVELS, scale: str = "n", progress: bool = False
) -> list[Forecast]:
    """Forecasts of many curves, which are fitted side by side; see :func:`forecast`."""
    check = partial(Observations.checked, weight_exponent=WEIGHT_EXPONENT)
    whole = [check({scale: curve.scale}, curve.errors) for curve in curves]
    parts: list[tuple[int, float, Observations]] = []
    for number, data in enumerate(whole):
        check_forecastable(data)
        least, wanted = float(np.exp(data.x[0].min())), float(curves[number].at.min())
        if wanted < least * (1 - 1e-9):
            raise ValueError(f"at must be at least the smallest {scale}, {least:g}, got {wanted:g}")
        parts.append((number, 1.0, data))
        for cut in _CUTS:
            small, judged = _split(data, cut)
            if np.unique(data.x[0, small]).size >= FEWEST_POINTS and judged.any():
                inner = np.exp(data.x[:, small]), np.exp(data.y[small])
                parts.append((number, cut, check({scale: inner[0][0]}, inner[1])))
    thinned = [data.thinned(_MOST_POINTS) for _, _, data in parts]
    laws = {}
    for name in tqdm(FORECASTERS, desc="laws", unit="law", disable=not progress):
        laws[name] = best_of_each(form_named(name, (scale,)), thinned, most_steps=_MOST_STEPS, finalists=_FINALISTS)

    def median(part: int, x: Floats) -> tuple[Floats, Floats]:
        each = np.stack(
            [log_errors(form_named(name, (scale,)), laws[name][part].p[None], x)[0] for name in FORECASTERS]
        )
        return np.median(each, axis=0), each

    squares: dict[int, list[float]] = {}
    for part, (number, cut, _) in enumerate(parts):
        if cut < 1:
            _, judged = _split(whole[number], cut)
            deviation = median(part, whole[number].x[:, judged])[0] - whole[number].y[judged]
            squares.setdefault(number, []).append(float(np.mean(deviation**2)))
    found = []
    for part, (number, cut, data) in enumerate(parts):
        if cut < 1:
            continue
        own = squares.get(number)
        backtest = float(np.sqrt(np.mean(own))) if own else None
        at_points = median(part, data.x)[0]
        residuals = at_points - data.y
        noise = float(np.sqrt(np.average(residuals**2, weights=data.weights)))
        x = np.log(curves[number].at)[None]
        found.append(_described(scale, curves[number], data, *median(part, x), at_points, backtest, noise, levels))
    return found


def check_forecastable(data: Observations) -> None:
    """Refuse curves that are too short, or rise.

    Raises:
        ValueError: there are fewer than six different values of the scale, or errors rise.
    """
    found = np.unique(data.thinned(_MOST_POINTS).x[0]).size
    if found < FEWEST_POINTS:
        raise ValueError(
            f"a forecast needs at least {FEWEST_POINTS} different values of {data.scales[0]}, spread out, got {found}"
        )
    data.check_falling()


def _split(data: Observations, cut: float) -> tuple[np.ndarray, np.ndarray]:
    """Points up to a share of the largest scale, and those of the next factor of two."""
    end = data.x[0].max() + np.log(cut) + 1e-9
    return data.x[0] <= end, (data.x[0] > end) & (data.x[0] <= end + _DOUBLE)


def _described(
    scale: str,
    curve: Curve,
    data: Observations,
    middle: Floats,
    each: Floats,
    at_points: Floats,
    backtest: float | None,
    noise: float,
    levels: Sequence[float],
) -> Forecast:
    from scipy import stats

    horizon = np.maximum(np.log(curve.at) - data.x[0].max(), 0.0)
    own = 0.0 if backtest is None else backtest * horizon / _DOUBLE
    error = np.sqrt(each.var(axis=0, ddof=1) + own**2 + noise**2)
    ends = {}
    for level in levels:
        reach = float(stats.t.ppf((1 + level) / 2, len(FORECASTERS) - 1)) * error
        ends[float(level)] = (np.exp(middle - reach), np.exp(middle + reach))
    by_form = dict(zip(FORECASTERS, np.exp(each), strict=True))
    largest = float(np.exp(data.x[0].max()))
    return Forecast(
        scale, curve.at, np.exp(middle), ends, by_form, np.exp(at_points), backtest, noise, data.num_points, largest
    )
