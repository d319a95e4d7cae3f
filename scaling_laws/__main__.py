"""Fit, compare and extrapolate scaling laws of any table: ``python -m scaling_laws --help``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from data_pruning.arguments import check_real
from data_pruning.command_line import CommandLine
from data_pruning.records.writable import check_file

cli = CommandLine("python -m scaling_laws", __doc__, sizes="the table")

Table = tyro.conf.Positional[Path]
Names = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")]


@cli.command
def fit(
    table: Table,
    x: Names,
    y: str,
    form: str | None = None,
    standard_errors: str | None = None,
    hold: tuple[str, ...] = (),
    huber: float | None = None,
    weight_exponent: float = 0.0,
    intervals: Literal["auto", "seeds", "points", "profile", "none"] = "auto",
    level: float = 0.95,
    out: Path | None = None,
) -> None:
    """Fit a scaling law to a table; without --form, the one that forecasts larger scales best.

    Args:
        table: CSV, TSV or JSON lines with a header, or a result file of this package (.nc).
        x: columns of the scales: the number of examples first, then what measures the model.
        y: column of the test error or loss.
        form: name of the law; for one scale power, power+constant, exponential, m3, envelope, m4 or broken, for several
            additive, envelope, kaplan, p-norm, kaplan+constant or p-norm+constant.
        standard_errors: column of the standard errors of y.
        hold: parameters that are held, as NAME=VALUE, for example guessing_error=0.9.
        huber: deviations of the logarithm beyond which they count linearly; losses of language models want 0.001.
        weight_exponent: deviations weigh as the first scale to this power.
        intervals: how intervals are found: bootstrap of seeds or of points, profile likelihood, none; auto chooses.
        level: confidence level of the intervals, in (0, 1).
        out: result file to write, .nc; ``python -m figures scaling-laws`` draws it.
    """
    _check_out(out)
    from scaling_laws.comparison import compare_laws
    from scaling_laws.extrapolation import add_points
    from scaling_laws.fitting import fit_law
    from scaling_laws.tables import read_columns

    columns = read_columns(table, _different(x), y, [standard_errors] if standard_errors else [])
    columns[y] = _means(columns[y], standard_errors)
    scales, deviations = {name: columns[name] for name in x}, columns[standard_errors] if standard_errors else None
    held = _held(hold)
    options: dict[str, Any] = {
        "huber": huber,
        "weight_exponent": weight_exponent,
        "intervals": intervals,
        "level": level,
    }
    found: Any
    if form is None:
        found = compare_laws(scales, columns[y], standard_errors=deviations, fixed=held, **options)
    else:
        found = fit_law(form, scales, columns[y], standard_errors=deviations, fixed=held, **options)
    print(found)
    if out is not None:
        law = found if form is not None else found.best
        results, error = found.to_results(), columns[y].mean(axis=1) if columns[y].ndim == 2 else columns[y]
        points = {"error": error, "fitted": np.ones(error.size, bool), "law": law.predict(scales)}
        add_points(results, scales, points)
        results.save(out)
        print(f"saved in {out}")


@cli.command
def extrapolate(
    table: Table,
    x: Names,
    y: str,
    form: tuple[str, ...] = (),
    share: float = 0.25,
    fitted: str | None = None,
    standard_errors: str | None = None,
    hold: tuple[str, ...] = (),
    huber: float | None = None,
    weight_exponent: float = 0.0,
    out: Path | None = None,
) -> None:
    """Fit laws to the small scales of a table and judge them on the large ones.

    Args:
        table: as for the command fit.
        x: as for the command fit.
        y: as for the command fit.
        form: names of the laws; none is all for so many scales.
        share: rows of which every scale is at most this share of its largest value are fitted, in (0, 1).
        fitted: column that says which rows are fitted, 1, and which are judged, 0; in place of share.
        standard_errors: as for the command fit.
        hold: as for the command fit, in the laws that have the parameter.
        huber: as for the command fit.
        weight_exponent: as for the command fit.
        out: result file of the law that extrapolates best, .nc; ``python -m figures scaling-laws`` draws it.
    """
    _check_out(out)
    from scaling_laws import extrapolation
    from scaling_laws.comparison import check_held
    from scaling_laws.forms.catalogue import JOINT, ONE_SCALE, form_named
    from scaling_laws.tables import read_columns

    others = [name for name in (standard_errors, fitted) if name is not None]
    columns = read_columns(table, _different(x), y, others)
    columns[y] = _means(columns[y], standard_errors)
    chosen = None
    if fitted is not None:
        bad = ~((columns[fitted] == 0) | (columns[fitted] == 1))
        if bad.any():
            raise ValueError(
                f"--fitted {fitted} must be 0 or 1, but row {int(bad.argmax()) + 1} has {columns[fitted][bad][0]:g}"
            )
        chosen = columns[fitted] == 1
    names = form or tuple(ONE_SCALE if len(x) == 1 else JOINT)
    held, found, refusals = _held(hold), [], []
    check_real("--share", share, "(0, 1)")
    check_held(held, [form_named(name, x) for name in _different(names, "--form")])
    for name in names:
        own = {one: value for one, value in held.items() if one in form_named(name, x).names}
        try:
            one = extrapolation.extrapolate(
                name,
                {scale: columns[scale] for scale in x},
                columns[y],
                fitted=chosen,
                share=share,
                standard_errors=columns[standard_errors] if standard_errors else None,
                fixed=own,
                huber=huber,
                weight_exponent=weight_exponent,
                intervals="none",
            )
        except (ValueError, FloatingPointError) as error:
            if len(names) == 1:
                raise
            refusals.append(f"{name} refused: {error}")
        else:
            print(one, flush=True)
            found.append(one)
    print("\n".join(refusals), end="\n" if refusals else "")
    if not found:
        raise ValueError("no law could be fitted to these rows")
    best = min(found, key=lambda one: one.log_rms)
    if len(found) > 1:
        print(f"best outside the fit: {best.fit}")
    else:
        print(best.fit)
    if out is not None:
        best.to_results().save(out)
        print(f"saved in {out}")


@cli.command
def forecast(
    table: Table,
    x: str,
    y: str,
    at: tuple[float, ...] = (),
    up_to: float | None = None,
    levels: tuple[float, ...] = (0.8, 0.95),
    out: Path | None = None,
) -> None:
    """Forecast a learning curve at larger scales, by four laws together, with intervals.

    Args:
        table: as for the command fit.
        x: column of the scale, such as the number of examples; at least six different values.
        y: column of the test error or loss.
        at: scales to forecast.
        up_to: largest scale that is fitted; rows beyond it are forecast, and compared with their error.
        levels: levels of the intervals, each in (0, 1).
        out: result file to write, .nc; ``python -m figures scaling-laws`` draws it.
    """
    _check_out(out)
    from scaling_laws import forecasting
    from scaling_laws.tables import read_columns

    columns = read_columns(table, [x], y)
    n, error = columns[x], columns[y].mean(axis=1) if columns[y].ndim == 2 else columns[y]
    fitted = np.ones(n.size, bool) if up_to is None else n <= up_to
    if not fitted.any():
        raise ValueError(f"--up-to must leave rows to fit, from {x} = {n.min():g} on, got {up_to:g}")
    wanted = np.unique([*at, *n[~fitted]])
    if not wanted.size:
        raise ValueError("say what to forecast, by --at or --up-to")
    found = forecasting.forecast({x: n[fitted]}, error[fitted], wanted, levels=levels)
    print(found)
    later = np.searchsorted(wanted, n[~fitted])
    for level, (low, high) in found.intervals.items():
        if later.size:
            held = np.mean((low[later] <= error[~fitted]) & (error[~fitted] <= high[later]))
            print(f"{100 * level:g} % intervals hold {100 * held:.0f} % of the {later.size} rows beyond {up_to:g}")
    if out is not None:
        results = found.to_results(forecasting.Curve(n[fitted], error[fitted], wanted))
        if later.size:
            results.add("later_scale", "later", n[~fitted], "1", f"{x} of the rows that were not fitted")
            results.add("later_error", "later", error[~fitted], "1", "their error")
        results.save(out)
        print(f"saved in {out}")


@cli.command
def benchmark(
    tables: tyro.conf.Positional[tuple[Path, ...]],
    x: str,
    y: str,
    curve: Names,
    fitted: str,
    form: tuple[str, ...] = (),
    out: Path | None = None,
) -> None:
    """Judge laws, and the forecaster with its intervals, on many learning curves.

    Args:
        tables: as for the command fit; each file is a group of its own.
        x: column of the scale.
        y: column of the test error or loss.
        curve: columns that together name a curve.
        fitted: column that says which rows are fitted, 1, and which are judged, 0.
        form: names of laws in one scale; none is all.
        out: result file to write, .nc; ``python -m figures scaling-laws`` draws it.
    """
    _check_out(out)
    from scaling_laws.benchmark import curves_of, run_benchmark

    curves, groups = curves_of(tables, x, y, curve, fitted)
    found = run_benchmark(curves, groups, form or None, progress=True)
    print(found)
    if out is not None:
        found.to_results().save(out)
        print(f"saved in {out}")


def _check_out(out: Path | None) -> None:
    if out is not None:
        check_file("--out", out, ".nc")


def _different(names: tuple[str, ...], option: str = "--x") -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError(f"{option} must be different names, got {' '.join(names)}")
    return names


def _means(errors: np.ndarray, standard_errors: str | None) -> np.ndarray:
    """Errors, as means where there are too few seeds for their spread, or where standard errors are given."""
    if errors.ndim == 2 and (errors.shape[1] < 3 or standard_errors is not None):
        return errors.mean(axis=1)
    return errors


def _held(entries: tuple[str, ...]) -> dict[str, float]:
    held = {}
    for entry in entries:
        name, _, value = entry.partition("=")
        if name in held:
            raise ValueError(f"--hold names {name} twice")
        try:
            held[name] = float(value)
        except ValueError:
            raise ValueError(f"--hold must be NAME=VALUE with a number, got {entry!r}") from None
    return held


def main() -> None:
    """Run the command line; bad input ends with one line on stderr and exit code 2."""
    cli.main()


if __name__ == "__main__":
    main()
