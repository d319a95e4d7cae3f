"""The figure of scaling laws: every kind of result file, fitted and extrapolated parts told apart."""

import numpy as np
import pytest

from data_pruning import Results
from figures.draw.scaling_laws import scaling_laws
from scaling_laws.extrapolation import extrapolate
from scaling_laws.forecasting import Curve, forecast

N = np.geomspace(100, 1e5, 8)


@pytest.fixture(scope="module")
def extrapolated():
    n, m = (grid.reshape(-1) for grid in np.meshgrid(N, [8.0, 16.0, 32.0]))
    inside = (n < 1e4) & (m < 20)
    return extrapolate("kaplan", {"n": n, "m": m}, n**-0.3 + m**-0.5, fitted=inside, intervals="none").to_results()


def test_points_that_were_fitted_are_full_and_the_others_open(extrapolated):
    (axes,) = scaling_laws([extrapolated]).axes
    full = sum(line.get_xdata().size for line in axes.lines if line.get_marker() == "o" and line.get_mfc() != "white")
    empty = sum(line.get_xdata().size for line in axes.lines if line.get_marker() == "o" and line.get_mfc() == "white")
    assert full == extrapolated["point_fitted"].sum() > 0
    assert empty == (~extrapolated["point_fitted"]).sum() > 0
    solid = [line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 200]
    dashed = [line for line in axes.lines if line.get_linestyle() == "--" and len(line.get_xdata()) == 200]
    assert len(solid) == len(dashed) == 3
    for one, other in zip(solid, dashed, strict=True):  # each place is one or the other
        assert np.all(np.isnan(one.get_ydata()) ^ np.isnan(other.get_ydata()))


def test_forecasts_and_benchmarks(extrapolated):
    curve = Curve(N, 3 * N**-0.5 + 0.02, np.array([2e5, 4e5]))
    found = forecast({"n": N}, curve.errors, curve.at).to_results(curve)
    benchmark = Results("benchmark")
    benchmark.add("curve", "curve", ["a", "b"], "", "curve")
    benchmark.add("group", "curve", ["x", "y"], "", "group")
    benchmark.add("form", "form", ["power", "power, weight n", "combined forecast"], "", "law")
    benchmark.add("rms", ("form", "curve"), [[0.1, np.nan], [0.05, 0.06], [0.01, 0.02]], "1", "rms")
    benchmark.add("level", "level", [0.8, 0.95], "1", "level")
    benchmark.add("coverage", ("level", "curve"), [[0.8, 0.8], [0.9, 1.0]], "1", "coverage")
    figure = scaling_laws([found, benchmark, extrapolated])
    assert len(figure.axes) == 3
    assert "80 % hold 80.0 %, 95 % hold 95.0 %" in figure.axes[1].get_title()
    assert [text.get_text() for text in figure.axes[1].get_yticklabels()][-1] == "combined forecast"


def test_other_results_are_refused():
    with pytest.raises(ValueError, match=r"no results of the commands .* but: other"):
        scaling_laws([Results("other")])
    with pytest.raises(ValueError, match="files must be 1 to 8 results, got 0"):
        scaling_laws([])
