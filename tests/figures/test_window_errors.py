"""The picture of the study of windows shows the numbers it was given."""

import subprocess
import sys

import numpy as np
import pytest

from figures import windows
from perceptron_theory import Results


def prediction(sizes):
    rng = np.random.default_rng(0)
    results = Results("made up", {"calibrated_on": sizes[0]})
    results.add("pool_size", "pool", sizes, "1", "")
    results.add("place", "place", [0.0, 0.5, 1.0], "1", "")
    results.add("fraction", "fraction", [0.2, 0.4], "1", "")
    for name in ("measured", "standard_error", "predicted"):
        values = rng.uniform(0.5, 2, (len(sizes), 3, 2)) * (0.1 if name == "standard_error" else 1)
        results.add(name, ("pool", "place", "fraction"), values, "1", "")
    return results


def test_panels_show_measurement_and_theory():
    data = [prediction([250, 4000]), prediction([1200])]
    figure = windows(data, ["shirts", "digits"])
    assert len(figure.axes) == 3
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [
        "shirts, pool 250\n(theory calibrated here)",
        "shirts, pool 4,000\n(theory predicted)",
        "digits, pool 1,200\n(theory calibrated here)",
    ]
    axes = figure.axes[1]
    for k, f in enumerate((0.2, 0.4)):
        start = np.array([0, 0.5, 1]) * (1 - f)
        (theory,) = [line for line in axes.lines if line.get_label() == f"theory, f = {f:g}"]
        np.testing.assert_allclose(theory.get_xydata(), np.stack([start, data[0]["predicted"][1, :, k]], axis=1))
        (bars,) = [bars for bars in axes.containers if bars.get_label() == f"measured, f = {f:g}"]
        np.testing.assert_allclose(bars.lines[0].get_xydata(), np.stack([start, data[0]["measured"][1, :, k]], axis=1))
        segments = np.array(bars.lines[2][0].get_segments())
        np.testing.assert_allclose(np.ptp(segments[:, :, 1], axis=1), 2 * data[0]["standard_error"][1, :, k])
    assert axes.get_xlabel().startswith("rank at which the window starts")
    assert figure.axes[0].get_ylabel() == "test error / that of random examples"
    with pytest.raises(KeyError):
        windows([Results("something else", {})], ["x"])


def test_command_line_draws_it_from_files(tmp_path):
    for stem in ("fashion-mnist", "noisy-digits"):
        prediction([300]).save(tmp_path / f"{stem}-prediction.nc")
    done = subprocess.run(
        [sys.executable, "-m", "figures", "windows", "--folder", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.glob("windows.*")} == {"windows.pdf", "windows.png"}
