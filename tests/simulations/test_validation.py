"""``validate``: its arithmetic, its independence of order and interruption, its files."""

from dataclasses import astuple, replace

import numpy as np
import pytest
from scipy.stats import chi2

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
from simulations import Point, validate, validation

POINTS = [
    Point(5.0, keep, 0.3, num_features=20, num_trials=10)
    for keep in (KeepHard(0.4), KeepEasy(0.4), KeepRandom(0.4), KeepWindow(0.3, 0.7))
]


class Counted:
    """``simulate`` that counts its calls and can be interrupted."""

    def __init__(self, simulate, interrupt_at=None):
        self.simulate, self.interrupt_at, self.calls = simulate, interrupt_at, []

    def __call__(self, *args, **kwargs):
        self.calls.append(args)
        if len(self.calls) == self.interrupt_at:
            raise KeyboardInterrupt
        return self.simulate(*args, **kwargs)


@pytest.fixture
def counted(monkeypatch):
    def install(interrupt_at=None):
        counter = Counted(original, interrupt_at)
        monkeypatch.setattr(validation, "simulate", counter)
        return counter

    original = validation.simulate
    return install


def same(first, second) -> bool:
    """Equal bit for bit."""
    arrays = all(
        getattr(first, name).tobytes() == getattr(second, name).tobytes()
        for name in ("theory", "mean", "standard_error", "z")
    )
    trials = all(
        all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in zip(astuple(s), astuple(t), strict=True))
        for s, t in zip(first.simulations, second.simulations, strict=True)
    )
    return arrays and trials and (first.chi_square, first.p_value) == (second.chi_square, second.p_value)


def test_arithmetic():
    result = validate(POINTS, seed=1)
    assert result.points == tuple(POINTS)
    for i, (point, simulation) in enumerate(zip(POINTS, result.simulations, strict=True)):
        theory = solve(5.0, point.keep, 0.3).error  # 100 examples, 40 kept: nothing was rounded
        assert result.theory[i] == pytest.approx(theory, rel=1e-12)
        assert result.mean[i] == simulation.mean
        assert result.standard_error[i] == simulation.standard_error
        assert result.z[i] == pytest.approx((simulation.mean - theory) / simulation.standard_error, rel=1e-9)
    assert result.chi_square == pytest.approx(sum(z**2 for z in result.z))
    assert result.p_value == pytest.approx(1 - chi2.cdf(result.chi_square, df=4), rel=1e-9)
    assert 0 < result.p_value <= 1
    assert result.worst_gap == max(s.gaps.max() for s in result.simulations)
    worst = POINTS[int(np.argmax(np.abs(result.z)))]
    assert "4 points, 40 trials" in result.summary()
    assert str(worst.keep) in result.summary()


def test_the_theory_is_that_of_the_rounded_numbers_of_examples():
    # 101.8 examples become 102, of which 40 are kept instead of 39.7
    point = Point(5.09, KeepHard(0.389), 0.3, num_features=20, num_trials=10)
    result = validate([point])
    assert (result.simulations[0].num_examples, result.simulations[0].num_kept) == (102, 40)
    assert result.theory[0] == pytest.approx(solve(102 / 20, KeepHard(40 / 102), 0.3).error, rel=1e-12)
    assert abs(result.theory[0] / solve(5.09, KeepHard(0.389), 0.3).error - 1) > 1e-4


def test_every_point_has_trials_of_its_own():
    others = [
        replace(POINTS[0], theta=0.31),
        replace(POINTS[0], alpha_tot=5.05),
        replace(POINTS[0], num_trials=11),
        replace(POINTS[0], keep=KeepWindow(0.0, 0.4)),
    ]
    seeds = [s.seed for seed in (0, 1) for s in validate([*POINTS, *others], seed=seed).simulations]
    assert len(set(seeds)) == 16
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_point_does_not_depend_on_the_others():
    together, alone = validate(POINTS, seed=1), validate(POINTS[2:3], seed=1)
    backwards = validate(POINTS[::-1], seed=1)
    assert together.simulations[2].errors.tobytes() == alone.simulations[0].errors.tobytes()
    assert together.mean.tobytes() == backwards.mean[::-1].tobytes()


def test_a_good_theory_is_accepted_and_a_wrong_one_is_not(monkeypatch):
    assert validate(POINTS, seed=1).p_value > 1e-4
    monkeypatch.setattr(validation, "solve", lambda alpha_tot, *args, **kw: solve(alpha_tot / 4, *args, **kw))
    assert validate(POINTS, seed=1).p_value < 1e-10


@pytest.mark.parametrize("points", [[], ()])
def test_no_points(points):
    with pytest.raises(ValueError, match="points is empty"):
        validate(points)


def test_the_same_point_twice(counted):
    counter = counted()
    again = Point(5, KeepEasy(np.float64(0.4)), 0.3, num_features=20, num_trials=10)  # written differently
    with pytest.raises(ValueError, match=r"points must differ.*KeepEasy\(f=0\.4\)"):
        validate([*POINTS, again])
    assert counter.calls == []


def test_an_interrupted_run_continues_where_it_stopped(tmp_path, counted):
    counter = counted(interrupt_at=3)
    with pytest.raises(KeyboardInterrupt, match="2 of 4 points finished, saved in ") as stopped:
        validate(POINTS, seed=1, out=tmp_path / "runs")
    assert str(tmp_path / "runs") in str(stopped.value)
    assert len(list((tmp_path / "runs").iterdir())) == 2

    counter = counted()
    resumed = validate(POINTS, seed=1, out=tmp_path / "runs")
    assert [args[1] for args in counter.calls] == [POINTS[2].keep, POINTS[3].keep]
    assert same(resumed, validate(POINTS, seed=1, out=tmp_path / "at once"))
    assert same(resumed, validate(POINTS, seed=1))  # nor does saving change anything

    counter = counted()
    assert same(resumed, validate(POINTS, seed=1, out=tmp_path / "runs"))
    assert counter.calls == []
    validate(POINTS[:1], seed=2, out=tmp_path / "runs")  # another seed is another run
    assert len(counter.calls) == 1


def test_interrupted_without_a_folder(counted):
    counted(interrupt_at=2)
    with pytest.raises(KeyboardInterrupt, match="1 of 4 points finished, nothing was saved"):
        validate(POINTS)


@pytest.mark.parametrize("damage", ["cut short", "empty", "not a result file"])
def test_a_damaged_file_is_named_and_not_overwritten(tmp_path, damage):
    validate(POINTS[:1], out=tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    damaged = {"cut short": whole[: len(whole) // 2], "empty": b"", "not a result file": b"x" * 1000}[damage]
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=path.name):
        validate(POINTS[:1], out=tmp_path)
    assert path.read_bytes() == damaged


def test_a_file_of_other_settings_is_not_taken(tmp_path):
    validate(POINTS[:1], seed=0, out=tmp_path / "first")
    validate(POINTS[:1], seed=1, out=tmp_path / "second")
    (first,), (second,) = (tmp_path / "first").iterdir(), (tmp_path / "second").iterdir()
    second.write_bytes(first.read_bytes())
    with pytest.raises(ValueError, match=f"{second.name}.*another configuration"):
        validate(POINTS[:1], seed=1, out=tmp_path / "second")


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
        assert loaded[name].tolist() == variable.values.tolist()
        assert loaded.variables[name].units == variable.units
        assert loaded.variables[name].dims == ("point",)
    assert loaded["rule"].tolist() == ["hard", "easy", "random", "window"]
    np.testing.assert_array_equal(loaded["z"], result.z)
    np.testing.assert_array_equal(loaded["alpha_prune"], [2.0] * 4)
    np.testing.assert_array_equal(loaded["seed"], [s.seed for s in result.simulations])


def test_bad_points_are_named():
    with pytest.raises(ValueError, match="theta"):
        validate([replace(POINTS[0], theta=20.0)])
    with pytest.raises(ValueError, match="num_trials"):
        validate([replace(POINTS[0], num_trials=1)])


OTHERS = [
    replace(POINTS[0], student=SquareLoss(0.1)),
    replace(POINTS[0], student=SquareLoss(0.1), labels=Labels(0.1)),
    replace(POINTS[0], student=SquareLoss(0.1), labels=Labels(0.0, 0.2, 0.4)),
    replace(POINTS[0], student=SquareLoss(0.1), keep=KeepPolicy([0, 0.5, 1], [0.2, 0.6])),
    replace(POINTS[0], student=SquareLoss(0.1), keep=KeepByLabel(KeepHard(0.4), KeepPolicy([0, 0.5, 1], [1.0, 0.0]))),
    replace(POINTS[0], student=SquareLoss(0.1), keep=KeepByLabel(KeepHard(0.4))),
]


def test_settings_of_points_as_they_always_were():
    # saved files of earlier versions go by this JSON
    assert POINTS[3].settings() == {
        "alpha_tot": 5.0,
        "keep": {"rule": "KeepWindow", "lower": 0.3, "upper": 0.7},
        "theta": 0.3,
        "num_features": 20,
        "num_trials": 10,
    }
    assert replace(POINTS[3], labels=Labels(0)).settings() == POINTS[3].settings()


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


def test_students_labels_and_new_rules_are_passed_on_and_saved(tmp_path, monkeypatch):
    asked = []

    def theory(alpha_tot, keep, theta, *, student, labels):
        asked.append((alpha_tot, keep, theta, student, labels))
        return type("Solution", (), {"error": 0.3})

    monkeypatch.setattr(validation, "solve", theory)
    result = validate(OTHERS, seed=1, out=tmp_path)
    assert [(a[3], a[4]) for a in asked] == [(point.student, point.labels) for point in OTHERS]
    assert asked[3][1].fraction == result.simulations[3].fraction
    assert asked[4][1] is OTHERS[4].keep  # as asked for: its numbers vary
    assert same(result, validate(OTHERS, seed=1, out=tmp_path))  # from the files
    assert same(result, validate(OTHERS, seed=1))
    kept = result.simulations[5].kept
    assert kept.shape == (10,)
    assert np.unique(kept).size > 1
    table = result.results()
    assert table["student"].tolist() == ["square"] * 6
    assert table["lam"].tolist() == [0.1] * 6
    assert table["flip_probability"].tolist() == [0, 0.1, 0, 0, 0, 0]
    assert table["truth_angle"].tolist() == [0, 0, 0.2, 0, 0, 0]
    assert table["probe_truth_angle"].tolist() == [0.3, 0.3, 0.4, 0.3, 0.3, 0.3]
    assert table["f"][5] == pytest.approx(kept.mean() / 100)


@pytest.mark.parametrize("field", ["keep", "student", "labels"])
def test_a_point_of_wrong_things_is_named(field):
    with pytest.raises(TypeError, match=field):
        replace(POINTS[0], **{field: "hard"})
