"""The ridge-regression student in closed form: over the whole accepted domain, and against its equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pruning.compilation import quickly_compiled
from perceptron_theory import HingeLoss, KeepEasy, KeepHard, KeepRandom, Labels, LogisticLoss, SquareLoss, solve
from perceptron_theory.solver import regularised
from perceptron_theory.solver.least_squares import least_squares
from perceptron_theory.solver.points import flat_points


def domain(number, seed):
    """Random points of the accepted domain; a third of them at theta = 0."""
    rng = np.random.default_rng(seed)
    alpha, f, lam = (10 ** rng.uniform(*ends, number) for ends in ((-3, 5), (-4, 0), (-8, 3)))
    theta = rng.uniform(0, np.pi / 2, number) * (rng.random(number) > 1 / 3)
    return alpha, f, theta, lam


@pytest.mark.parametrize("rule", [KeepHard, KeepEasy, KeepRandom])
@pytest.mark.parametrize("flips", [0.0, 0.1])
def test_it_converges_everywhere(rule, flips):
    alpha, f, theta, lam = domain(400, 1)
    found = solve(alpha / f, rule(f), theta, student=SquareLoss(lam), labels=Labels(flips))  # else it would raise
    assert np.all((found.error > 0) & (found.error < 0.5 + 1e-9))


def test_values_where_the_search_of_old_failed():
    assert solve(8497.07 / 0.0020811, KeepHard(0.0020811), 0.0, student=SquareLoss(0.0666393)).error == pytest.approx(
        2.2422e-05, rel=1e-4
    )
    found = solve(333.745 / 0.00023231, KeepHard(0.00023231), 0.940067, student=SquareLoss(6.519e-8))
    assert found.error == pytest.approx(0.0107197, rel=1e-5)


@pytest.mark.parametrize("flips", [0.0, 0.1])
def test_it_meets_the_saddle_point_equations(flips):
    """The equations of all students, by their own quadrature along the student: the next Newton step is rounding."""
    labels = Labels(flips)
    alpha, f, theta, lam = domain(60, 2)
    alpha, theta = 10 ** (0.6 * np.log10(alpha)), np.maximum(theta, 0.05)  # well conditioned
    f, lam = np.maximum(f, 0.02), np.maximum(lam, 1e-4)

    def step(point):
        at = least_squares(point.alpha_prune, point.strips, point.theta, point.lam, aligned=False)
        equations = regularised.conditions(
            "square", point.alpha_prune, point.strips, point.theta, point.lam, at, aligned=False
        )
        length = jnp.hypot(jnp.hypot(at[0], at[1]), jnp.exp(at[2]))
        scale = jnp.stack([length, length, 1.0 + 0 * length, 1.0 + 0 * length])
        return jnp.max(jnp.abs(regularised.newton_step(equations, equations.value, at)) / scale)

    with jax.enable_x64(True):
        points, _ = flat_points(alpha / f, KeepHard(f), theta, SquareLoss(lam), labels, alpha.shape, aligned=False)
        steps = np.asarray(quickly_compiled()(jax.vmap(step))(points))
    assert steps.max() < 1e-9


@pytest.mark.parametrize("student", [HingeLoss, LogisticLoss])
def test_few_examples_of_tiny_margin_are_no_obstacle(student):
    """At theta = 0 the search started four orders of magnitude off where f is tiny, and never arrived."""
    found = solve(7765 / 2.168e-4, KeepHard(2.168e-4), 0.0, student=student(3.014))
    assert found.converged
    if student is HingeLoss:
        assert found.error == pytest.approx(0.2608, abs=1e-4)


def test_nan_alarms_of_jax_stay_silent():
    with jax.debug_nans(True):
        assert solve(10, KeepHard(0.2), 0.0).error == pytest.approx(0.097119528, rel=1e-8)


def test_wrong_labels_and_tiny_lambda_leave_all_digits():
    """Lambda alone holds the student along the thin strip kept; rounding moved it by 1e-9, and the search went on."""
    alpha, f, theta, lam = np.array(
        [[5.746e4, 2.836e-4, 1.079, 4.705e-6], [1.214e4, 2.088e-4, 0.565, 1.112e-6], [4.554e4, 1.201e-4, 0.5227, 2e-8]]
    ).T
    found = solve(alpha / f, KeepHard(f), theta, student=LogisticLoss(lam), labels=Labels(0.1))
    assert np.all(found.converged & (found.residual < 1e-13))
    np.testing.assert_allclose(found.error[:2], [0.00224533101, 0.00448395432], rtol=1e-8)
