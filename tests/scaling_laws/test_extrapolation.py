"""Extrapolation, choice among laws, forecasts with intervals, the benchmark, tables and the command line."""

import json

import numpy as np
import pytest
from scipy.stats import binom

from data_pruning.records.results import Results
from scaling_laws.__main__ import cli
from scaling_laws.benchmark import COMBINED, run_benchmark
from scaling_laws.comparison import compare_laws
from scaling_laws.extrapolation import extrapolate
from scaling_laws.forecasting import Curve, forecast, forecast_curves
from scaling_laws.tables import read_columns

N = np.geomspace(100, 1e5, 16)
GRID_N, GRID_M = (grid.reshape(-1) for grid in np.meshgrid(np.geomspace(100, 1e5, 8), np.geomspace(8, 512, 6)))


def power(n, a=3.0, alpha=0.5, c=0.02):
    return a * n**-alpha + c


def noise_of(seed, size, noise=0.01):
    return np.exp(noise * np.random.default_rng(seed).standard_normal(size))


def additive(n, m):
    return 3 * n**-0.45 + 0.8 * m**-0.4 + 0.02


def test_the_small_part_is_fitted_and_the_large_judged():
    errors = additive(GRID_N, GRID_M)
    found = extrapolate("additive", {"n": GRID_N, "m": GRID_M}, errors, intervals="none")
    inside = (GRID_N.max() / 4 + 1e-6 >= GRID_N) & (GRID_M.max() / 4 + 1e-6 >= GRID_M)
    np.testing.assert_array_equal(found.points["fitted"], inside)
    assert found.num_fitted == inside.sum()
    assert found.num_judged == (~inside).sum()
    assert found.outside.worst < 1e-5
    assert (
        extrapolate("additive", {"n": GRID_N, "m": GRID_M}, errors, share=0.5, intervals="none").num_fitted
        > found.num_fitted
    )
    # nothing of the large part is seen by the fit
    other = extrapolate("additive", {"n": GRID_N, "m": GRID_M}, np.where(inside, errors, 2 * errors), intervals="none")
    assert other.fit.parameters == found.fit.parameters
    assert other.outside.mean == pytest.approx(-0.5, abs=1e-5)
    assert other.log_rms == pytest.approx(np.log(2), abs=1e-5)


def test_extrapolation_names_what_is_wrong():
    scales = {"n": N}
    with pytest.raises(ValueError, match="fitted must be 16 booleans"):
        extrapolate("power", scales, power(N), fitted=np.ones(16))
    with pytest.raises(ValueError, match="16 of 16 points are those that are fitted"):
        extrapolate("power", scales, power(N), fitted=np.ones(16, bool))
    with pytest.raises(ValueError, match="share must"):
        extrapolate("power", scales, power(N), share=2.0)


def test_the_law_is_chosen_by_its_forecasts():
    """The power law with constant made the data; laws that contain it fit as well, with more parameters."""
    found = compare_laws({"n": N}, power(N), intervals="none")
    assert found.best.form == "power+constant"
    by_name = {one.form: one for one in found.judged}
    assert by_name["power"].rolling_rms > 3 * by_name["power+constant"].rolling_rms
    assert (
        found.num_judged == 6  # the tenth of 16 values ends the smallest 60 %
    )  # of 16 values, 10 are the smallest 60 %, 3 more up to 80 %, then 3... the last fold has 3 or 4
    text = str(found)
    assert "rolling extrapolation" in text
    assert "power+constant" in text


def test_forms_that_cannot_be_judged_say_why():
    found = compare_laws({"n": N[:7]}, power(N[:7]), intervals="none")
    refused = {one.form: one.refused for one in found.judged if one.refused}
    assert "parameters" in refused["broken"]
    assert "4 points" in refused["m4"]
    with pytest.raises(ValueError, match=r"power: .* parameters"):
        compare_laws({"n": N[:3]}, power(N[:3]))


def test_joint_laws_are_compared():
    found = compare_laws(
        {"n": GRID_N, "m": GRID_M}, additive(GRID_N, GRID_M) * noise_of(1, GRID_N.size), intervals="none"
    )
    assert found.best.form == "additive"


def test_forecasts_of_an_exact_curve():
    found = forecast({"n": N}, power(N), [2e5, 4e5])
    np.testing.assert_allclose(found.error, power(np.array([2e5, 4e5])), rtol=0.02)
    for low, high in found.intervals.values():
        assert np.all((low < power(found.at)) & (power(found.at) < high))
    (low, high), (lower, higher) = found.intervals[0.8], found.intervals[0.95]
    assert np.all((lower < low) & (high < higher))
    assert found.backtest is not None
    assert set(found.by_form) == {"power+constant", "m3", "envelope", "m4"}


def test_intervals_hold_new_measurements():
    """Of 40 noisy curves, each measured at twice the scale, the 80 % interval holds at least 26, the 95 % at least 34.

    False alarms if coverage is as it says: 1 % and 2 %, by the binomial distribution.
    """
    rng = np.random.default_rng(5)
    curves, truth = [], []
    for _ in range(40):
        a, alpha, c = 3 * rng.uniform(0.5, 2), rng.uniform(0.3, 0.7), rng.uniform(0, 0.05)
        curves.append(Curve(N, power(N, a, alpha, c) * np.exp(0.02 * rng.standard_normal(N.size)), np.array([2e5])))
        truth.append(power(2e5, a, alpha, c) * np.exp(0.02 * rng.standard_normal()))
    found = forecast_curves(curves)
    for level, least in ((0.8, 26), (0.95, 34)):
        assert binom.cdf(least - 1, 40, level) < 0.02
        held = sum(f.intervals[level][0][0] <= t <= f.intervals[level][1][0] for f, t in zip(found, truth, strict=True))
        assert held >= least


def test_forecasts_do_not_depend_on_the_curves_beside_them():
    curves = [Curve(N, power(N, c=c) * noise_of(2, N.size), np.array([2e5])) for c in (0.0, 0.02, 0.05)]
    together, alone = forecast_curves(curves), forecast_curves(curves[1:2])
    np.testing.assert_allclose(together[1].error, alone[0].error, rtol=1e-6)


def test_short_curves_are_forecast_without_a_backtest_and_shorter_ones_not():
    n = np.geomspace(1e4, 2e4, 7)
    found = forecast({"n": n}, power(n), 3e4)
    assert found.backtest is None
    assert "too short to be judged on itself" in str(found)
    with pytest.raises(ValueError, match="needs at least 6 different values of n, spread out, got 5"):
        forecast({"n": N[:5]}, power(N[:5]), 1e5)
    with pytest.raises(ValueError, match="errors rise"):
        forecast({"n": N}, power(N)[::-1], 1e6)
    with pytest.raises(ValueError, match="scales must have one scale"):
        forecast({"n": N, "m": N}, power(N), 1e6)
    with pytest.raises(ValueError, match="at must be values above 0"):
        forecast({"n": N}, power(N), [-1.0])
    with pytest.raises(ValueError, match="each of levels"):
        forecast({"n": N}, power(N), 1e6, levels=(2.0,))
    with pytest.raises(ValueError, match="levels must be different ones, at least one"):
        forecast({"n": N}, power(N), 1e6, levels=())


@pytest.fixture(scope="module")
def benchmark_table(tmp_path_factory):
    """A table of three curves of one exact law, and one that rises."""
    path = tmp_path_factory.mktemp("tables") / "curves.csv"
    rows = ["task,n,loss,training"]
    for task, c in (("a", 0.01), ("b", 0.03), ("c", 0.06)):
        noise = noise_of(int(100 * c), N.size, 0.005)
        rows += [f"{task},{n},{e},{int(n <= 3e4)}" for n, e in zip(N, power(N, c=c) * noise, strict=True)]
    rows += [f"d,{n},{e},{int(n <= 3e4)}" for n, e in zip(N, power(N)[::-1], strict=True)]
    path.write_text("\n".join(rows) + "\n")
    return path


def test_benchmark_of_a_table(benchmark_table, tmp_path, capsys):
    out = tmp_path / "benchmark.nc"
    arguments = ["--x", "n", "--y", "loss", "--curve", "task", "--fitted", "training"]
    cli.main(["benchmark", str(benchmark_table), *arguments, "--form", "power", "power+constant", "--out", str(out)])
    text = capsys.readouterr().out
    assert "combined forecast" in text
    assert "95 % forecast intervals hold" in text
    assert "left out d: errors rise with n" in text
    results = Results.load(out)
    rms = dict(zip(results["form"].tolist(), results["rms"].mean(axis=1), strict=True))
    assert rms["power+constant"] < 0.02 < rms["power"]
    assert rms[COMBINED] < 0.03
    assert results["curve"].tolist() == ["a", "b", "c"]


def test_repeated_measurements_are_averaged():
    """20 repeats of 20 % noise at each of 8 scales: a mean has 4.5 %, and the forecast is as near, not 20 % off."""
    rng = np.random.default_rng(0)
    n = np.repeat(np.geomspace(100, 1e4, 8), 20)
    off = []
    for _ in range(10):
        found = forecast({"n": n}, power(n) * np.exp(0.2 * rng.standard_normal(n.size)), [1e4])
        off.append(np.log(found.error[0] / power(1e4)))
    assert np.sqrt(np.mean(np.square(off))) < 0.09


def test_forecasts_do_not_go_backwards():
    with pytest.raises(ValueError, match="at must be at least the smallest n, 100, got 50"):
        forecast({"n": N}, power(N), [50.0])


def test_held_parameters_that_no_form_has_are_named():
    with pytest.raises(
        ValueError, match="fixed must name parameters of the forms, coefficient, exponent, got 'constnat'"
    ):
        compare_laws({"n": N}, power(N), ["power"], fixed={"constnat": 0.1})
    with pytest.raises(ValueError, match="forms must be different ones"):
        compare_laws({"n": N}, power(N), [])
    found = compare_laws({"n": N}, power(N), ["power", "power+constant"], fixed={"coefficient": 3.0, "exponent": 0.5})
    assert {one.form: one.refused for one in found.judged}["power"].startswith("fixed must leave")


def test_benchmark_without_a_curve():
    with pytest.raises(ValueError, match="no curve can be judged: a: errors rise"):
        run_benchmark({"a": (Curve(N, power(N)[::-1], N[-1:]), power(N[-1:]))})


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".nc"])
def test_tables_of_every_kind(tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    n, e = [100.0, 200.0, 400.0], [0.4, 0.3, 0.25]
    if suffix == ".jsonl":
        path.write_text("\n".join(json.dumps({"n": a, "e": b, "name": "x"}) for a, b in zip(n, e, strict=True)))
    elif suffix == ".nc":
        results = Results("table")
        results.add("n", "n", n, "1", "examples")
        results.add("width", "width", [8, 16], "1", "width")
        errors = np.arange(1.0, 25.0).reshape(2, 3, 4)
        results.add("e", ("width", "n", "seed"), errors, "1", "error")
        results.save(path)
        found = read_columns(path, ["n", "width"], "e")
        assert found["n"].tolist() == n * 2
        assert found["width"].tolist() == [8] * 3 + [16] * 3
        np.testing.assert_array_equal(found["e"], errors.reshape(6, 4))
        with pytest.raises(ValueError, match="along which 'n' does not"):
            read_columns(path, ["width"], "n")
        with pytest.raises(ValueError, match="'e' runs along width, along which no scale does"):
            read_columns(path, ["n"], "e")
        return
    else:
        path.write_text(
            "\n".join(
                ("\t" if suffix == ".tsv" else ",").join(map(str, row)) for row in [("n", "e"), *zip(n, e, strict=True)]
            )
        )
    found = read_columns(path, ["n"], "e")
    assert found["n"].tolist() == n
    assert found["e"].tolist() == e


def test_wrong_tables_are_named(tmp_path):
    path = tmp_path / "table.csv"
    with pytest.raises(FileNotFoundError, match="there is no table"):
        read_columns(path, ["n"], "e")
    path.write_text("n,e,s\n1,0.4,a\n2,,b\n")
    with pytest.raises(ValueError, match="no column 'm', but n, e, s"):
        read_columns(path, ["m"], "e")
    with pytest.raises(ValueError, match="'e' has 1 entries that are no finite numbers, the first in row 2"):
        read_columns(path, ["n"], "e")
    with pytest.raises(ValueError, match="'s' must be of numbers, but row 1 has 'a'"):
        read_columns(path, ["s"], "n")
    path.write_text("n,e\n1,0.4,0.8\n2,0.3,0.6\n")
    with pytest.raises(ValueError, match=r"cannot be read as a table: .* loss of data"):
        read_columns(path, ["n"], "e")
    path.write_text("n, n,e\n1,2,0.4\n")
    with pytest.raises(ValueError, match="has two columns 'n'"):
        read_columns(path, ["n"], "e")
    path.write_text("n,e\n")
    with pytest.raises(ValueError, match="no rows"):
        read_columns(path, ["n"], "e")


@pytest.fixture
def joint_table(tmp_path):
    path = tmp_path / "joint.csv"
    errors = additive(GRID_N, GRID_M)
    rows = [f"{n},{m},{e}" for n, m, e in zip(GRID_N, GRID_M, errors, strict=True)]
    path.write_text("\n".join(["n,m,error", *rows]) + "\n")
    return path


def test_command_line_fits_and_extrapolates(joint_table, tmp_path, capsys):
    out = tmp_path / "fit.nc"
    columns = ["--x", "n", "m", "--y", "error"]
    cli.main(["fit", str(joint_table), *columns, "--form", "additive", "--intervals", "none", "--out", str(out)])
    assert "data_exponent = 0.45\n" in capsys.readouterr().out
    assert Results.load(out).config["form"] == "additive"
    cli.main(["extrapolate", str(joint_table), *columns, "--out", str(out)])
    text = capsys.readouterr().out
    assert "best outside the fit: additive" in text
    assert "outside (" in text
    results = Results.load(out)
    assert results["point_fitted"].sum() < results["point_fitted"].size


def test_command_line_forecasts(tmp_path, capsys):
    path, out = tmp_path / "curve.csv", tmp_path / "forecast.nc"
    path.write_text("\n".join(["n,error", *(f"{n},{e}" for n, e in zip(N, power(N), strict=True))]))
    cli.main(["forecast", str(path), "--x", "n", "--y", "error", "--at", "200000", "--out", str(out)])
    assert "n = 200000: 0.026" in capsys.readouterr().out
    assert Results.load(out)["interval"].shape == (2, 2, 1)
    columns = [str(path), "--x", "n", "--y", "error"]
    cli.main(["forecast", *columns, "--up-to", "30000", "--out", str(out)])
    assert "95 % intervals hold 100 % of the 3 rows beyond 30000" in capsys.readouterr().out
    assert Results.load(out)["later_error"].size == 3
    with pytest.raises(SystemExit):
        cli.main(["forecast", *columns])
    assert "say what to forecast" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["fit", *columns, "--form", "power", "--hold", "exponent"])
    assert "--hold must be NAME=VALUE" in capsys.readouterr().err
