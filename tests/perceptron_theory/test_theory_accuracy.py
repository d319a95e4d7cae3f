"""``solve`` over its whole domain: against extended precision, plain scipy, and itself with twice the nodes."""

import importlib.util
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from perceptron_theory import KeepEasy, KeepHard, KeepRandom, KeepWindow, solve
from perceptron_theory.solver import batch, quadrature

HERE = Path(__file__).parent
POINTS = json.loads((HERE / "extended_precision.json").read_text())["points"]


def module_at(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rules(f, lower):
    """Keep-hard, keep-easy and a window of the same fractions."""
    return KeepHard(f), KeepEasy(f), KeepWindow(lower, np.minimum(lower + f, 1))


def random_points(seed, count):
    """Points of the whole domain, angles down to 1e-8 and exactly 0 among them: alpha_prune, f, theta, lower."""
    rng = np.random.default_rng(seed)
    alpha_prune, f = 10 ** rng.uniform(-3, 5, count), 10 ** rng.uniform(-4, 0, count)
    theta = np.where(rng.random(count) < 0.4, 10 ** rng.uniform(-8, 0, count), rng.uniform(0, np.pi / 2, count))
    theta[rng.random(count) < 0.15] = 0.0
    return alpha_prune, f, theta, rng.uniform(0, 1, count) * (1 - f)


def test_extended_precision_points():
    """Thirteen points where double precision is hardest, each solved with 34 digits by another program."""
    alpha_prune, lower, upper, theta = (
        np.array([point[name] for point in POINTS]) for name in ("alpha_prune", "lower", "upper", "theta")
    )
    keep = KeepWindow(lower, upper)
    found = solve(alpha_prune / keep.fraction, keep, theta)
    for name, mine, is_overlap in (
        ("error", found.error, False),
        ("kappa", found.margin, False),
        ("R", found.teacher_overlap, True),
        ("rho", found.probe_overlap, True),
    ):
        expected = np.array([point[name] for point in POINTS])
        np.testing.assert_allclose(mine, expected, rtol=0 if is_overlap else 1e-10, atol=1e-10 * is_overlap)


def test_extended_precision_file_is_what_its_program_computes():
    point = POINTS[7]
    assert point["theta"] == 0.0
    again = module_at(HERE / "extended_precision.py").refine(
        *(point[name] for name in ("alpha_prune", "lower", "upper", "theta"))
    )
    for name, value in again.items():
        assert value == pytest.approx(point[name], rel=1e-15)


@pytest.mark.parametrize(("theta_deg", "count"), [(0, 30), (20, 3), (65, 3)])
def test_plain_scipy_agrees(theta_deg, count):
    """The peer of the benchmark: adaptive quadrature inside fsolve, started 2 per cent away."""
    scipy_theory = module_at(HERE.parents[1] / "benchmarks" / "scipy_theory.py")
    rng = np.random.default_rng(theta_deg)
    theta = np.radians(theta_deg)
    for i in range(count):
        alpha_prune, f = 10 ** rng.uniform(-0.5, 1.5), 10 ** rng.uniform(-1, 0)
        lower = rng.uniform(0, 1 - f)
        keep = (KeepHard(f), KeepEasy(f), KeepWindow(lower, lower + f))[i % 3]
        lower, upper, _ = (float(edge[0]) for edge in keep.windows())
        mine = solve(alpha_prune / keep.fraction, keep, theta)
        across = (mine.probe_overlap - mine.teacher_overlap * np.cos(theta)) / np.sin(theta) if theta else 0.0
        outside = np.sqrt(1 - mine.teacher_overlap**2 - across**2)
        student = [mine.teacher_overlap, mine.margin] if theta == 0 else [mine.teacher_overlap, across, mine.margin]
        start = np.array(student) / outside * (1 + 0.02 * rng.choice([-1, 1], len(student)))
        theirs, success = scipy_theory.solve(alpha_prune, lower, upper, theta, start)
        if theta or success:  # from some starts fsolve does not arrive
            assert success
            assert mine.error == pytest.approx(scipy_theory.error(theirs), rel=1e-9)
            assert mine.margin == pytest.approx(theirs[-1] / np.sqrt(1 + np.sum(theirs[:-1] ** 2)), rel=1e-9)


def test_twice_the_quadrature_nodes_change_nothing(monkeypatch):
    """150 random points of the whole domain for each rule, to 1e-10."""
    alpha_prune, f, theta, lower = random_points(1, 150)
    keeps = rules(f, lower)
    coarse = [solve(alpha_prune / keep.fraction, keep, theta) for keep in keeps]
    nodes, weights = np.polynomial.legendre.leggauss(56)
    for name, value in (("NODES", nodes), ("WEIGHTS", weights), ("STEP", 9.5), ("REACH", 9.5), ("TAIL", 15.5)):
        monkeypatch.setattr(quadrature, name, value)
    monkeypatch.setattr(batch, "_grouped", cache(batch._grouped.__wrapped__))  # compile anew
    for before, keep in zip(coarse, keeps, strict=True):
        after = solve(alpha_prune / keep.fraction, keep, theta)
        assert np.any(before.error != after.error)  # the finer quadrature was used
        np.testing.assert_allclose(before.error, after.error, rtol=1e-10)
        np.testing.assert_allclose(before.margin, after.margin, rtol=1e-10)
        np.testing.assert_allclose(before.teacher_overlap, after.teacher_overlap, rtol=0, atol=1e-10)
        np.testing.assert_allclose(before.probe_overlap, after.probe_overlap, rtol=0, atol=1e-10)


@pytest.mark.parametrize("rule", [0, 1, 2], ids=["hard", "easy", "window"])
def test_every_random_point_converges(rule):
    alpha_prune, f, theta, lower = random_points(2, 500)
    keep = rules(f, lower)[rule]
    found = solve(alpha_prune / keep.fraction, keep, theta)  # raises if one does not
    assert found.converged.all()
    assert np.all((found.error > 0) & (found.error <= 0.5))
    assert np.all(found.margin > 0)


def test_short_students_converge():
    """Few hard examples and a perfect probe: the student's component in the teacher's plane is of length f.

    The slope of the margin along it is then a small difference of large numbers if computed carelessly, and the search
    stalls in the noise.  Random points as above, of this corner alone.
    """
    rng = np.random.default_rng(3)
    f = 10 ** rng.uniform(-4, -3, 3000)
    alpha_prune = 10 ** rng.uniform(-3, 0.3, 3000)
    theta = np.where(rng.random(3000) < 0.8, 0.0, 10 ** rng.uniform(-8, -4, 3000))
    found = solve(alpha_prune / f, KeepHard(f), theta)
    assert found.converged.all()
    assert np.max(found.num_steps) < 60


def test_perfect_probe_is_the_limit_of_small_angles():
    """theta = 0 has a quadrature of its own; the other one must arrive there."""
    alpha_prune, f = np.array([0.3, 1.9, 2.5, 20.0])[:, None], np.array([0.03, 0.4])
    for rule in (KeepHard, KeepEasy):
        keep = rule(f)
        at_zero, near = (solve(alpha_prune / f, keep, theta) for theta in (0.0, 1e-9))
        np.testing.assert_allclose(near.error, at_zero.error, rtol=1e-6)
        np.testing.assert_allclose(near.margin, at_zero.margin, rtol=1e-6)


@pytest.mark.parametrize("rule", ["hard", "easy", "random", "window"])
def test_corners_of_the_domain_converge(rule):
    """The ends of the ranges of all arguments together."""
    f = np.array([1e-4, 1.0])
    window = KeepWindow([0.5, 0.0], [0.5001, 1.0])
    keep = {"hard": KeepHard(f), "easy": KeepEasy(f), "random": KeepRandom(f), "window": window}[rule]
    alpha_prune = np.array([1e-3, 1.0, 2.0, 1e5])[:, None, None]
    theta = np.radians([0, 1e-8, 1, 45, 90])[:, None]
    found = solve(alpha_prune / keep.fraction, keep, theta)
    assert found.converged.all()
    assert np.all((found.error > 0) & (found.error <= 0.5))
    assert np.all(found.margin > 0)
