"""``validate``: its arithmetic, its independence of order and interruption, its files."""

import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.stats import chi2, norm, t

from perceptron_theory import (
    HingeLoss,
    KeepByLabel,
    KeepEasy,
    KeepHard,
    KeepPolicy,
    KeepRandom,
    KeepWindow,
    Labels,
    Results,
    SquareLoss,
    solve,
)
from simulations import PerceptronRule, Point, TrainedProbe, simulate, validate
from simulations.validation import progress, validation
from simulations.validation.significance import normal_score

SQUARE = SquareLoss(0.1)  # the student that is quickest to compile
POINTS = [
    Point(5.0, keep, 0.3, 20, 10, SQUARE)
    for keep in (KeepHard(0.4), KeepEasy(0.4), KeepRandom(0.4), KeepWindow(0.3, 0.7))
]
SEVERAL = Point(5.0, KeepHard(0.4), 0.3, (10, 20, 40), 12, SQUARE)
PROBE = TrainedProbe(2.0, PerceptronRule(2))


class Counted:
    """``simulate`` that counts its calls and can be interrupted."""

    def __init__(self, interrupt_at=None):
        self.interrupt_at, self.calls = interrupt_at, []

    def __call__(self, *args, **kwargs):
        self.calls.append(args)
        if len(self.calls) == self.interrupt_at:
            raise KeyboardInterrupt
        return simulate(*args, **kwargs)


@pytest.fixture
def counted(monkeypatch):
    def install(interrupt_at=None):
        counter = Counted(interrupt_at)
        monkeypatch.setattr(validation, "simulate", counter)
        return counter

    return install


def same(first, second) -> bool:
    """Equal bit for bit."""
    arrays = all(
        getattr(first, name).tobytes() == getattr(second, name).tobytes()
        for name in ("theory", "mean", "standard_error", "z", "extrapolated", "z_extrapolated")
    )
    trials = all(
        getattr(a, name).tobytes() == getattr(b, name).tobytes()
        for one, other in zip(first.simulations, second.simulations, strict=True)
        for a, b in zip(one, other, strict=True)
        for name in ("errors", "gaps", "margins", "kept", "probe_angles")
    )
    return arrays and trials and (first.chi_square, first.p_value) == (second.chi_square, second.p_value)


def student_score(residuals) -> float:
    """Normal score of a mean by SciPy's distributions, residuals being of one size."""
    value = residuals.mean() / residuals.std(ddof=1) * np.sqrt(residuals.size)
    return float(norm.isf(t.sf(value, residuals.size - 1)))


def test_arithmetic():
    result = validate(POINTS, seed=1)
    assert result.points == tuple(POINTS)
    for i, (point, (simulation,)) in enumerate(zip(POINTS, result.simulations, strict=True)):
        theory = solve(5.0, point.keep, 0.3, student=SQUARE).error  # 100 examples, 40 kept: nothing was rounded
        assert result.theory[i] == pytest.approx(theory, rel=1e-12)
        assert result.mean[i] == simulation.mean
        assert result.standard_error[i] == simulation.standard_error
        assert result.z[i] == pytest.approx(student_score(simulation.errors - theory), rel=1e-9)
    assert result.chi_square == pytest.approx(sum(z**2 for z in result.z))
    assert result.p_value == pytest.approx(1 - chi2.cdf(result.chi_square, df=4), rel=1e-9)
    assert 0 < result.p_value <= 1
    assert result.worst_gap == max(s.gaps.max() for (s,) in result.simulations)
    for name in ("extrapolated", "extrapolated_error", "z_extrapolated"):
        assert np.all(np.isnan(getattr(result, name)))
    assert all(
        np.isnan(getattr(result, f"{a}_{b}")) for a in ("chi_square", "p_value") for b in ("extrapolated", "law")
    )
    worst = POINTS[int(np.argmax(np.abs(result.z)))]
    assert "4 points, 40 trials" in result.summary()
    assert "extrapolated" not in result.summary()
    assert str(worst.keep) in result.summary()


@pytest.mark.parametrize("freedom", [1, 2.5, 9, 59, 1e4])
def test_normal_scores(freedom):
    values = np.array([-30.0, -3, -0.5, -1e-3, 0, 1e-3, 0.5, 3, 10])
    score = normal_score(values, freedom)
    np.testing.assert_allclose(norm.logsf(np.abs(score)), np.log(t.sf(np.abs(values), freedom)), rtol=1e-10)
    assert np.all(np.sign(score) == np.sign(values))


def test_normal_scores_of_hopeless_theories():
    """Tails below double precision; the logarithms of the tails are from mpmath, 30 digits."""
    cases = {(500, 1e6): -5358.12999708342, (1e4, 60): -1542.28331504207, (1e8, 60): -1804.98114346096}
    for (freedom, value), log_tail in cases.items():
        score = normal_score([value, -value], freedom)
        assert norm.logcdf(score[1]) == pytest.approx(log_tail, rel=1e-6)
        assert score[0] == -score[1]
    big = normal_score(np.geomspace(1, 1e150, 2000), 59)
    assert np.all(np.diff(big) > 0)  # no step where the logarithm takes over


def test_arithmetic_of_several_sizes():
    """Weighted least squares written out, and Satterthwaite's degrees of freedom."""
    result = validate([SEVERAL], seed=1)
    (found,) = result.simulations
    assert [s.num_features for s in found] == [10, 20, 40]
    assert len({s.seed for s in found}) == 3
    theory = solve(5.0, KeepHard(0.4), 0.3, student=SQUARE).error
    residual = np.array([s.mean - theory for s in found])
    variance = np.array([s.standard_error**2 for s in found])
    size, weight = np.array([10, 20, 40]), np.array([10, 20, 40]) * 12
    design = np.stack([np.ones(3), 1 / size], axis=1)
    fit = np.linalg.inv(design.T @ (weight[:, None] * design)) @ design.T * weight
    limit, share = fit[0] @ residual, fit[0] ** 2 * variance
    freedom = share.sum() ** 2 / (share**2 / 11).sum()
    assert result.extrapolated[0] == pytest.approx(theory + limit, rel=1e-12)
    assert result.extrapolated_error[0] == pytest.approx(np.sqrt(share.sum()), rel=1e-9)
    expected = norm.isf(t.sf(limit / np.sqrt(share.sum()), freedom))
    assert result.z_extrapolated[0] == pytest.approx(expected, rel=1e-9)
    assert result.chi_square_extrapolated == pytest.approx(expected**2)
    assert result.p_value_extrapolated == pytest.approx(chi2.sf(expected**2, 1))
    # one contrast is left, that which vanishes for a constant and for 1/N
    contrast = np.cross(design[:, 0], design[:, 1])
    parts = contrast**2 * variance
    value, freedom = contrast @ residual / np.sqrt(parts.sum()), parts.sum() ** 2 / (parts**2 / 11).sum()
    left = norm.isf(t.sf(abs(value), freedom)) ** 2
    assert (result.chi_square_law, result.p_value_law) == pytest.approx((left, chi2.sf(left, 1)))
    # and the rest is of the largest size
    assert result.z[0] == pytest.approx(student_score(found[2].errors - theory), rel=1e-9)
    assert result.mean[0] == found[2].mean
    assert "1 points, 36 trials: extrapolated to infinite N, 1 points" in result.summary()
    table = result.results()
    assert (table["num_features"][0], table["sizes"][0], table["trials_of_sizes"][0]) == (40, "10 20 40", "12 12 12")
    assert table.config["p_value_extrapolated"] == result.p_value_extrapolated
    assert result.to_xarray()["z_extrapolated"].sizes == {"point": 1}


def test_points_of_one_size_do_not_take_part_in_the_extrapolation():
    result = validate([POINTS[0], replace(SEVERAL, num_features=(10, 40))], seed=1)
    assert np.isnan(result.z_extrapolated).tolist() == [True, False]
    assert result.chi_square_extrapolated == pytest.approx(result.z_extrapolated[1] ** 2)
    assert np.isnan(result.chi_square_law)  # two sizes are always on the law
    assert result.chi_square == pytest.approx(result.z @ result.z)


@pytest.mark.parametrize("keep", [KeepHard(0.4), KeepByLabel(KeepHard(0.6), KeepEasy(0.3))])
def test_trained_probes_are_compared_at_their_own_angles(keep):
    """With so few examples a probe is often at more than 90 degrees: -J ranks alike, and predicts the other label."""
    probe = TrainedProbe(0.1, PerceptronRule(1))
    asked = []

    def theory(alpha_tot, keep, theta, *, student, labels):
        asked.append((keep, theta))
        return solve(alpha_tot, keep, theta, student=student, labels=labels)

    result = validate([Point(5.0, keep, probe, 20, 12, SQUARE, Labels(0.1))], seed=1, theory=theory)
    ((simulation,),) = result.simulations
    angles = simulation.probe_angles
    assert np.unique(angles).size == 12
    assert 0 < np.sum(angles > np.pi / 2) < 12
    expected = []
    for angle in angles:
        mirrored = angle > np.pi / 2
        rule = KeepByLabel(keep.disagree, keep.agree) if mirrored and isinstance(keep, KeepByLabel) else keep
        theta = np.pi - angle if mirrored else angle
        expected.append(solve(5.0, rule, theta, student=SQUARE, labels=Labels(0.1)).error)
    assert len(asked) == (2 if isinstance(keep, KeepByLabel) else 1)  # vectorised
    assert result.theory[0] == pytest.approx(np.mean(expected), rel=1e-9)
    assert result.z[0] == pytest.approx(student_score(simulation.errors - expected), rel=1e-6)
    table = result.results()
    assert table["theta"][0] == pytest.approx(angles.mean())
    assert table["probe"].tolist() == [str(probe)]


def test_trained_probes_resume(tmp_path):
    points = [replace(POINTS[0], theta=PROBE, num_features=(10, 20))]
    first = validate(points, seed=1, out=tmp_path)
    assert same(first, validate(points, seed=1, out=tmp_path))
    assert same(first, validate(points, seed=1))
    assert points[0].settings()["theta"] == {
        "probe": "TrainedProbe",
        "alpha": 2.0,
        "student": {"student": "PerceptronRule", "epochs": 2.0},
    }


def test_auto(tmp_path):
    point = replace(SEVERAL, num_features=(10, 20), num_trials="auto", target=0.007)
    result = validate([point], seed=1, out=tmp_path)
    few, many = (s.num_trials for s in result.simulations[0][::-1])
    assert 30 <= few < many
    assert all(s.standard_error <= 0.007 for s in result.simulations[0])
    assert point.settings()["target"] == 0.007
    assert result.results()["trials_of_sizes"][0] == f"{many} {few}"
    # the trials are those of any number, so that more add to those that are there
    again = validate([replace(point, num_trials=20, target=None)], seed=1, out=tmp_path)
    for one, other in zip(result.simulations[0], again.simulations[0], strict=True):
        assert one.errors[:20].tobytes() == other.errors.tobytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_the_theory_is_that_of_the_rounded_numbers_of_examples():
    # 101.8 examples become 102, of which 40 are kept instead of 39.7
    result = validate([Point(5.09, KeepHard(0.389), 0.3, 20, 10, SQUARE)])
    ((simulation,),) = result.simulations
    assert (simulation.num_examples, simulation.num_kept) == (102, 40)
    rounded, asked = (
        solve(a, KeepHard(f), 0.3, student=SQUARE).error for a, f in ((102 / 20, 40 / 102), (5.09, 0.389))
    )
    assert result.theory[0] == pytest.approx(rounded, rel=1e-12)
    assert abs(rounded / asked - 1) > 1e-4


def test_every_point_has_trials_of_its_own():
    others = [
        replace(POINTS[0], theta=0.31),
        replace(POINTS[0], alpha_tot=5.05),
        replace(POINTS[0], num_features=21),
        replace(POINTS[0], keep=KeepWindow(0.0, 0.4)),
        replace(POINTS[0], theta=PROBE),
    ]
    seeds = [p.students(20, seed).seed for seed in (0, 1) for p in (*POINTS, *others) if p is not others[2]]
    seeds += [others[2].students(21, seed).seed for seed in (0, 1)]
    assert len(set(seeds)) == 18
    assert all(0 <= seed < 2**31 for seed in seeds)
    # but the number of trials does not matter, nor do the other sizes
    assert replace(POINTS[0], num_trials=11, num_features=(20, 40)).students(20, 1) == POINTS[0].students(20, 1)
    assert validate(POINTS[:1], seed=1).simulations[0][0].seed == POINTS[0].students(20, 1).seed


def test_a_point_does_not_depend_on_the_others():
    together, alone = validate(POINTS, seed=1), validate(POINTS[2:3], seed=1)
    backwards = validate(POINTS[::-1], seed=1)
    assert together.simulations[2][0].errors.tobytes() == alone.simulations[0][0].errors.tobytes()
    assert together.mean.tobytes() == backwards.mean[::-1].tobytes()


def test_a_good_theory_is_accepted_and_a_wrong_one_is_not():
    def wrong(alpha_tot, *args, **kwargs):
        return solve(alpha_tot / 4, *args, **kwargs).error  # a plain number

    assert validate(POINTS, seed=1).p_value > 1e-4
    assert validate(POINTS, seed=1, theory=wrong).p_value < 1e-10


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.nan, "positive finite"),
        (-0.1, "positive finite"),
        ([0.1, 0.2], r"of shape \(\)"),
        ("0.1", r"of shape \(\)"),
        (None, r"of shape \(\)"),
    ],
)
def test_a_theory_that_gives_something_else_is_named(given, message):
    with pytest.raises(ValueError, match=f"theory must give.*{message}"):
        validate(POINTS[:1], theory=lambda *args, **kwargs: given)
    with pytest.raises(TypeError, match=r"theory must be a function.*0\.1"):
        validate(POINTS[:1], theory=0.1)


@pytest.mark.parametrize("points", [[], ()])
def test_no_points(points):
    with pytest.raises(ValueError, match="points is empty"):
        validate(points)


@pytest.mark.parametrize(
    "again",
    [
        Point(5, KeepEasy(np.float64(0.4)), 0.3, 20, 10, SQUARE),  # written differently
        replace(POINTS[1], num_trials=11),
        replace(POINTS[1], num_trials="auto", target=0.1),
        replace(POINTS[1], num_features=(10, 20)),  # one size in common
    ],
)
def test_the_same_trials_twice(counted, again):
    counter = counted()
    with pytest.raises(ValueError, match=r"points must differ.*N = 20 of .*KeepEasy\(f=.*0\.4\)"):
        validate([*POINTS, again])
    assert counter.calls == []


def test_an_interrupted_run_continues_where_it_stopped(tmp_path, counted):
    counted(interrupt_at=3)
    with pytest.raises(KeyboardInterrupt, match="20 of 40 trials finished, saved in ") as stopped:
        validate(POINTS, seed=1, out=tmp_path / "runs")
    assert str(tmp_path / "runs") in str(stopped.value)
    assert len(list((tmp_path / "runs").iterdir())) == 2

    counted(interrupt_at=4)  # what was there counts
    with pytest.raises(KeyboardInterrupt, match="30 of 40 trials finished, saved in "):
        validate(POINTS, seed=1, out=tmp_path / "runs")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.nc")}
    assert len(times) == 3

    resumed = validate(POINTS, seed=1, out=tmp_path / "runs")
    assert same(resumed, validate(POINTS, seed=1, out=tmp_path / "at once"))
    assert same(resumed, validate(POINTS, seed=1))  # nor does saving change anything
    assert same(resumed, validate(POINTS, seed=1, out=tmp_path / "runs"))
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    validate(POINTS[:1], seed=2, out=tmp_path / "runs")  # another seed is another run
    assert len(list((tmp_path / "runs").iterdir())) == 5


def test_interrupted_without_a_folder(counted):
    counted(interrupt_at=2)
    with pytest.raises(KeyboardInterrupt, match="10 of 40 trials finished, nothing saved"):
        validate(POINTS)


def test_interrupted_with_auto(counted):
    counted(interrupt_at=3)
    auto = [replace(point, num_trials="auto", target=1.0) for point in POINTS]  # 30 each, the least
    with pytest.raises(KeyboardInterrupt, match="60 of 120 trials finished"):
        validate(auto, seed=1)


def test_one_progress_bar_over_all_trials(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(progress, "tqdm", partial(progress.tqdm, mininterval=0, miniters=1))  # every step is shown
    validate([SEVERAL], out=tmp_path)
    assert capsys.readouterr().err == ""
    validate([SEVERAL, POINTS[1]], out=tmp_path, progress=True)
    shown = capsys.readouterr().err
    assert max(int(done) for done in re.findall(r"(\d+)/46", shown)) >= 36  # those that were there count at once


@pytest.mark.parametrize("damage", ["cut short", "empty", "not a result file"])
def test_a_damaged_file_is_named_and_not_overwritten(tmp_path, damage):
    validate(POINTS[:1], out=tmp_path)
    (path,) = tmp_path.rglob("*.nc")
    whole = path.read_bytes()
    damaged = {"cut short": whole[: len(whole) // 2], "empty": b"", "not a result file": b"x" * 1000}[damage]
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=path.name):
        validate(POINTS[:1], out=tmp_path)
    assert path.read_bytes() == damaged


def test_a_file_of_other_settings_is_not_taken(tmp_path):
    validate(POINTS[:1], seed=0, out=tmp_path / "first")
    validate(POINTS[:1], seed=1, out=tmp_path / "second")
    (first,), (second,) = ((tmp_path / name).rglob("*.nc") for name in ("first", "second"))
    second.write_bytes(first.read_bytes())
    with pytest.raises(ValueError, match=f"{second.name}.*another configuration"):
        validate(POINTS[:1], seed=1, out=tmp_path / "second")


def test_out_is_a_file(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="out must be a folder"):
        validate(POINTS[:1], out=tmp_path / "file")


def test_results_round_trip(tmp_path):
    result = validate(POINTS, seed=1)
    table = result.results()
    loaded = Results.load(table.save(tmp_path / "table.nc"))
    assert loaded.title == table.title
    assert loaded.config == table.config
    assert loaded.config["points"] == [point.settings() for point in POINTS]
    assert loaded.config["p_value"] == result.p_value
    assert set(loaded.variables) == set(table.variables)
    for name, variable in table.variables.items():
        np.testing.assert_array_equal(loaded[name], variable.values)
        assert loaded.variables[name].units == variable.units
        assert loaded.variables[name].dims == ("point",)
    assert loaded["rule"].tolist() == ["hard", "easy", "random", "window"]
    np.testing.assert_array_equal(loaded["z"], result.z)
    np.testing.assert_array_equal(loaded["alpha_prune"], [2.0] * 4)
    np.testing.assert_array_equal(loaded["seed"], [s.seed for (s,) in result.simulations])


def test_bad_points_are_named():
    for change, kind, message in (
        ({"theta": 20.0}, ValueError, r"theta.*20\.0"),
        ({"num_trials": 1}, ValueError, "num_trials.*1"),
        ({"num_trials": "auto"}, ValueError, "auto.*needs a target"),
        ({"target": 0.1}, ValueError, 'belongs to num_trials "auto"'),
        ({"num_features": ()}, ValueError, "num_features is empty"),
        ({"num_features": (20, 20)}, ValueError, r"increasing.*\(20, 20\)"),
        ({"num_features": (40, 20)}, ValueError, r"increasing.*\(40, 20\)"),
        ({"num_features": [20, 40]}, TypeError, r"num_features.*\[20, 40\]"),
        ({"num_features": (20, 40.0)}, TypeError, r"num_features.*40\.0"),
        ({"num_features": (1, 20)}, ValueError, "num_features.*1"),
        ({"alpha_tot": -1.0}, ValueError, "alpha_tot"),
    ):
        with pytest.raises(kind, match=message):
            replace(POINTS[0], **change)


OTHERS = [
    POINTS[0],
    replace(POINTS[0], labels=Labels(0.1)),
    replace(POINTS[0], labels=Labels(0.0, 0.2, 0.4)),
    replace(POINTS[0], keep=KeepPolicy([0, 0.5, 1], [0.2, 0.6])),
    replace(POINTS[0], keep=KeepByLabel(KeepHard(0.4), KeepPolicy([0, 0.5, 1], [1.0, 0.0]))),
    replace(POINTS[0], keep=KeepByLabel(KeepHard(0.4))),
]


def test_settings_of_points():
    plain = Point(5, KeepWindow(0.3, 0.7), 0.3, 20, 10)
    settings = {
        "alpha_tot": 5.0,
        "keep": {"rule": "KeepWindow", "lower": 0.3, "upper": 0.7},
        "theta": 0.3,
        "num_features": 20,
        "num_trials": 10,
    }
    assert plain.settings() == settings
    assert replace(plain, labels=Labels(0)).settings() == settings
    assert replace(plain, num_features=(10, 20)).settings() == settings | {"num_features": [10, 20]}


def test_settings_of_students_labels_and_new_rules():
    assert OTHERS[1].settings() == POINTS[0].settings() | {
        "student": {"student": "SquareLoss", "lam": 0.1},
        "labels": {"flip_probability": 0.1, "truth_angle": 0.0, "probe_truth_angle": None},
    }
    policy = {"rule": "KeepPolicy", "edges": [0.0, 0.5, 1.0], "probability": [1.0, 0.0]}
    hard = {"rule": "KeepHard", "f": 0.4}
    assert OTHERS[4].settings()["keep"] == {"rule": "KeepByLabel", "agree": hard, "disagree": policy}
    assert OTHERS[5].settings()["keep"] == {"rule": "KeepByLabel", "agree": hard, "disagree": None}
    assert replace(OTHERS[0], student=HingeLoss(0.1)).settings() != OTHERS[0].settings()


def test_students_labels_and_new_rules_are_passed_on_and_saved(tmp_path):
    asked = []

    def theory(alpha_tot, keep, theta, *, student, labels):
        asked.append((alpha_tot, keep, theta, student, labels))
        return type("Solution", (), {"error": 0.3})

    result = validate(OTHERS, seed=1, out=tmp_path, theory=theory)
    assert [(a[3], a[4]) for a in asked] == [(point.student, point.labels) for point in OTHERS]
    assert asked[3][1].fraction == result.largest[3].fraction
    assert asked[4][1] is OTHERS[4].keep  # as asked for: its numbers vary
    assert same(result, validate(OTHERS, seed=1, out=tmp_path, theory=theory))  # from the files
    assert same(result, validate(OTHERS, seed=1, theory=theory))
    kept = result.largest[5].kept
    assert kept.shape == (10,)
    assert np.unique(kept).size > 1
    table = result.results()
    assert table["student"].tolist() == ["square"] * 6
    assert table["lam"].tolist() == [0.1] * 6
    assert table["flip_probability"].tolist() == [0, 0.1, 0, 0, 0, 0]
    assert table["truth_angle"].tolist() == [0, 0, 0.2, 0, 0, 0]
    assert table["probe_truth_angle"].tolist() == pytest.approx([0.3, 0.3, 0.4, 0.3, 0.3, 0.3])
    assert table["f"][5] == pytest.approx(kept.mean() / 100)


@pytest.mark.parametrize("field", ["keep", "student", "labels"])
def test_a_point_of_wrong_things_is_named(field):
    with pytest.raises(TypeError, match=field):
        replace(POINTS[0], **{field: "hard"})


def test_sizes_that_are_no_tuple_are_named():
    with pytest.raises(TypeError, match=r"num_features must be an integer or a tuple .*\[20, 40\]"):
        replace(POINTS[0], num_features=[20, 40])
