"""What holds for ``solve`` at every point: broadcasting, equivalent rules, bounds, complaints."""

import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptron_theory import KeepEasy, KeepHard, KeepRandom, KeepWindow, solve
from perceptron_theory.solver import batch, margin_search

FIELDS = ("error", "teacher_overlap", "probe_overlap", "margin", "converged")
FEW = settings(max_examples=5, deadline=None)
BATCH = 12


def batches(low, high):
    """Arrays of BATCH numbers."""
    return st.lists(st.floats(low, high), min_size=BATCH, max_size=BATCH).map(np.array)


log_alphas, log_fractions, angles = batches(-3, 5), batches(-4, 0), batches(0, np.pi / 2)


def assert_same(one, other, rtol=1e-13, rows=slice(None)):
    for name in FIELDS:
        np.testing.assert_allclose(getattr(one, name), np.asarray(getattr(other, name))[rows], rtol=rtol, atol=1e-15)


@FEW
@given(log_alpha=log_alphas, log_f=log_fractions, theta=angles, order=st.permutations(range(BATCH)))
def test_points_do_not_see_each_other(log_alpha, log_f, theta, order):
    """Permuted points give permuted results, and each point alone gives what it gives in company."""
    alpha_prune, f, order = 10**log_alpha, 10**log_f, np.array(order)
    for rule in (KeepHard, KeepEasy):
        together = solve(alpha_prune / f, rule(f), theta)
        permuted = solve((alpha_prune / f)[order], rule(f[order]), theta[order])
        assert_same(permuted, together, rows=order)
        alone = solve(alpha_prune[3] / f[3], rule(f[3]), theta[3])
        assert isinstance(alone.error, float)
        assert_same(alone, together, rows=3)


def test_broadcasting_of_all_arguments():
    alpha_tot, f, theta = np.array([3.0, 8.0])[:, None, None], np.array([0.2, 0.5, 0.9])[:, None], [0, 0.1, 0.5, 1.0]
    found = solve(alpha_tot, KeepHard(f), theta)
    for name in FIELDS:
        assert getattr(found, name).shape == (2, 3, 4)
    for i, j, k in np.ndindex(2, 3, 4):
        alone = solve(float(alpha_tot[i, 0, 0]), KeepHard(float(f[j, 0])), theta[k])
        for name in FIELDS:
            assert getattr(alone, name) == pytest.approx(getattr(found, name)[i, j, k], rel=1e-13)
    window = solve(4.0, KeepWindow([0.1, 0.2], np.array([[0.5], [0.6], [0.7]])), 0.1)
    assert window.error.shape == (3, 2)
    assert window.error[2, 1] == pytest.approx(solve(4.0, KeepWindow(0.2, 0.7), 0.1).error, rel=1e-13)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 255, 256, 257, 300])
def test_results_do_not_depend_on_how_points_fall_into_groups(count):
    f = np.linspace(0.2, 0.9, 300)
    theta = np.where(np.arange(300) % 3, 0.3, 0.0)
    everything = solve(5.0, KeepHard(f), theta)
    assert_same(solve(5.0, KeepHard(f[:count]), theta[:count]), everything, rows=slice(count))


@FEW
@given(log_alpha=log_alphas, log_f=log_fractions, theta=angles)
def test_bounds_and_equivalent_rules(log_alpha, log_f, theta):
    alpha_prune, f = 10**log_alpha, np.minimum(10**log_f, 0.999)
    hard, easy = (solve(alpha_prune / f, rule(f), theta) for rule in (KeepHard, KeepEasy))
    assert_same(solve(alpha_prune / f, KeepWindow(0, f), theta), hard)
    # 1 - (1 - f) differs from f by rounding, 1e-16 / f of it
    window = KeepWindow(1 - f, 1)
    assert_same(solve(alpha_prune / window.fraction, window, theta), easy, rtol=1e-10)
    for found in (hard, easy):
        assert np.all((found.error > 0) & (found.error <= 0.5))
        assert np.all(found.margin > 0)
        assert np.all(np.abs(found.teacher_overlap) <= 1)
        assert np.all(np.abs(found.probe_overlap) <= 1)
        # one rounding of an overlap near 1 moves its arccos by sqrt(2 eps)
        rounding = np.sqrt(2 * np.finfo(float).eps) / np.pi
        np.testing.assert_allclose(found.error, np.arccos(found.teacher_overlap) / np.pi, atol=rounding)
        # the student is a unit vector: its components in the teacher-probe plane cannot be longer than 1
        sin, cos = np.sin(theta), np.cos(theta)
        plane = (found.probe_overlap - found.teacher_overlap * cos) ** 2 + (found.teacher_overlap * sin) ** 2
        assert np.all(plane <= sin**2 * (1 + 1e-9) + 1e-15)


@FEW
@given(log_alpha=log_alphas, log_f=log_fractions, theta=angles)
def test_random_selection_is_no_selection_whatever_the_probe(log_alpha, log_f, theta):
    alpha_prune, f = 10**log_alpha, 10**log_f
    random = solve(alpha_prune / f, KeepRandom(f), theta)
    plain = solve(alpha_prune, KeepRandom(1.0), 0.0)
    np.testing.assert_allclose(random.error, plain.error, rtol=1e-10)
    np.testing.assert_allclose(random.margin, plain.margin, rtol=1e-10)
    np.testing.assert_allclose(random.probe_overlap, plain.teacher_overlap * np.cos(theta), rtol=0, atol=1e-10)
    np.testing.assert_allclose(solve(alpha_prune, KeepWindow(0, 1), theta).error, plain.error, rtol=1e-10)


@pytest.mark.parametrize("theta", [0.0, 1e-3, 0.4, 1.3])
def test_more_data_help_and_narrow_the_margin(theta):
    """At fixed f, error and margin fall as alpha_tot grows: an example more is a constraint more."""
    alpha_prune = np.geomspace(1e-2, 1e4, 60)
    for keep in (KeepHard(0.05), KeepEasy(0.3), KeepRandom(0.5), KeepWindow(0.2, 0.6)):
        found = solve(alpha_prune / keep.fraction, keep, theta)
        assert np.all(np.diff(found.error) < 0)
        assert np.all(np.diff(found.margin) < 0)


def test_error_keeps_its_digits_when_small():
    """arccos(R) would lose half of them; 0.5005/alpha shows that they are there."""
    error = solve(np.array([1e4, 1e5]), KeepRandom(1.0), 0.0).error
    assert error[0] / error[1] == pytest.approx(10, rel=1e-3)
    assert solve(1e9, KeepHard(1e-4), 0.0).error < 1e-9


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ((np.nan, KeepHard(0.2), 0.1), ValueError, ("alpha_tot", "finite", "nan")),
        ((np.inf, KeepHard(0.2), 0.1), ValueError, ("alpha_tot", "finite", "inf")),
        ((4.0, KeepHard(0.2), np.nan), ValueError, ("theta", "finite", "nan")),
        ((4.0, KeepHard(0.2), 2.0), ValueError, ("theta", "radians", "[0, pi/2]", "2.")),
        ((4.0, KeepHard(0.2), -0.1), ValueError, ("theta", "[0, pi/2]", "-0.1")),
        ((-4.0, KeepHard(0.2), 0.1), ValueError, ("alpha_prune", "[0.001, 100000]", "-0.8")),
        ((0.0, KeepHard(0.2), 0.1), ValueError, ("alpha_prune", "[0.001, 100000]", "0")),
        ((1e7, KeepHard(0.2), 0.1), ValueError, ("alpha_prune", "[0.001, 100000]", "2e+06")),
        ((4.0, KeepHard(5e-5), 0.1), ValueError, ("f", "[0.0001, 1]", "5e-05")),
        ((4.0, KeepWindow(0.5, 0.50005), 0.1), ValueError, ("f", "[0.0001, 1]", "5e-05")),
        (([1.0, 2.0, 3.0], KeepHard([0.2, 0.3]), 0.1), ValueError, ("broadcast", "(3,)", "(2,)")),
        (("4", KeepHard(0.2), 0.1), TypeError, ("alpha_tot", "real number", "'4'")),
        ((None, KeepHard(0.2), 0.1), TypeError, ("alpha_tot", "None")),
        ((True, KeepHard(0.2), 0.1), TypeError, ("alpha_tot", "True")),
        ((4 + 1j, KeepHard(0.2), 0.1), TypeError, ("alpha_tot", "real")),
        ((4.0, KeepHard(0.2), "20"), TypeError, ("theta", "'20'")),
        ((4.0, 0.2, 0.1), TypeError, ("keep", "KeepHard(0.2)", "0.2")),
        ((4.0, KeepHard, 0.1), TypeError, ("keep", "KeepHard")),
    ],
)
def test_bad_input_names_argument_value_and_range(arguments, kind, words):
    with pytest.raises(kind) as caught:
        solve(*arguments)
    for word in words:
        assert word in str(caught.value)


def test_unknown_way_to_fail():
    with pytest.raises(ValueError, match=r'on_failure must be "raise" or "flag", got \'ignore\''):
        solve(4.0, KeepHard(0.2), 0.1, on_failure="ignore")


@pytest.mark.parametrize("theta", [0.0, 0.1])
def test_one_bad_element_of_an_array_is_enough(theta):
    with pytest.raises(ValueError, match="alpha_tot must be finite"):
        solve([1.0, np.nan], KeepHard(0.2), theta)
    with pytest.raises(ValueError, match=r"alpha_prune = f alpha_tot must lie in .*got 2e\+08"):
        solve([1.0, 1e9], KeepHard(0.2), theta)


def test_no_points_give_no_results():
    found = solve(np.zeros(0), KeepHard(0.2), 0.1)
    assert found.error.shape == (0,)


@pytest.fixture
def few_steps(monkeypatch):
    """The search stops after five quadratures."""
    monkeypatch.setattr(margin_search, "MAX_STEPS", 5)
    monkeypatch.setattr(batch, "_grouped", cache(batch._grouped.__wrapped__))  # compile anew


@pytest.mark.usefixtures("few_steps")
def test_what_does_not_converge_is_loud_or_flagged():
    with pytest.raises(RuntimeError, match=r"2 of 2 points did not converge.*alpha_prune = 2.*on_failure"):
        solve([20.0, 40.0], KeepHard(0.1), 0.1)
    flagged = solve([20.0, 40.0], KeepHard(0.1), 0.1, on_failure="flag")
    assert flagged.converged.dtype == bool
    assert not flagged.converged.any()
    for name in ("error", "teacher_overlap", "probe_overlap", "margin", "residual"):
        assert np.isnan(getattr(flagged, name)).all()
    alone = solve(20.0, KeepHard(0.1), 0.1, on_failure="flag")
    assert alone.converged is False
    assert np.isnan(alone.error)


def test_importing_and_solving_leave_jax_as_it_was():
    program = (
        "import sys, perceptron_theory as p\n"
        "p.KeepHard(0.2), p.Results('t')\n"
        "assert 'jax' not in sys.modules and 'scipy' not in sys.modules\n"
        "assert abs(p.solve(4.0, p.KeepHard(0.2), 0.0).error - 0.4386189) < 1e-6\n"
        "import jax, jax.numpy as jnp\n"
        "assert jax.config.jax_enable_x64 is False\n"
        "assert jnp.ones(1).dtype == jnp.float32\n"
        "print('done')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "done\n", done.stderr


def test_points_that_start_from_their_neighbours_find_the_same():
    """At theta = 0 a thousand points and more are worked off in the order of neighbours, each from the one before."""
    rng = np.random.default_rng(3)
    alpha, f = (10 ** rng.uniform(*ends, 1500) for ends in ((-3, 5), (-4, 0)))
    for rule in (KeepHard, KeepEasy):
        together = solve(alpha / f, rule(f), 0.0)
        apart = [solve(alpha[i::3] / f[i::3], rule(f[i::3]), 0.0) for i in range(3)]
        for i in range(3):
            np.testing.assert_allclose(together.error[i::3], apart[i].error, rtol=1e-10)
        assert np.mean(together.num_steps) < np.mean(np.concatenate([each.num_steps for each in apart]))
