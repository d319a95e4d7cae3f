"""``solve`` under JAX: gradients against difference quotients, jvp, vmap and jit against plain calls, and refusals."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pruning.compilation import quickly_compiled
from perceptron_theory import (
    HingeLoss,
    KeepByLabel,
    KeepHard,
    KeepPolicy,
    KeepRandom,
    Labels,
    LogisticLoss,
    MaxMargin,
    SquareLoss,
    separability_threshold,
    solve,
)

# the logistic student, whose gradient takes a minute to compile, is in test_scaling.py, forwards
STUDENTS = {"max-margin": lambda lam: MaxMargin(), "square": SquareLoss, "hinge": HingeLoss}
# Everything at once, so that each student is compiled once: a policy for examples on which probe and label agree, the
# hardest f of the others.
NAMES = ("alpha_tot", "f", "theta", "lam", "eta", "policy", "truth_angle", "probe_truth_angle")
CENTRE = np.array([1.2, 0.3, 0.5, 0.2, 0.05, 0.6, 0.4, 0.7])


def solution(name, x, xp=jnp):
    alpha_tot, f, theta, lam, eta, policy, truth_angle, probe_truth_angle = x
    keep = KeepByLabel(KeepPolicy([0, 1], xp.stack([policy], -1)), KeepHard(f))
    # the two ways to measure the error are shared between the students
    labels = Labels(eta, truth_angle, probe_truth_angle) if name in ("square", "hinge") else Labels(eta)
    return solve(alpha_tot, keep, theta, student=STUDENTS[name](lam), labels=labels)


def error_and_rest(name, x):
    found = solution(name, x)
    return found.error, {field: value for field, value in vars(found).items() if value is not None}


@cache
def compiled(name):
    """Error, all fields and the gradient of the error, in one compiled function."""
    return quickly_compiled()(jax.value_and_grad(lambda x: error_and_rest(name, x), has_aux=True))


def at(name, x):
    with jax.enable_x64(True):
        (error, fields), gradient = compiled(name)(np.asarray(x))
        return float(error), {field: np.asarray(value) for field, value in fields.items()}, np.asarray(gradient)


@pytest.mark.parametrize("name", STUDENTS)
def test_gradient_against_difference_quotients(name):
    """Fourth-order central differences, step 1e-3 relative: truncation about 1e-10, rounding 1e-12 relative."""
    gradient = at(name, CENTRE)[2]
    quotient = np.zeros(CENTRE.size)
    for i, step in enumerate(1e-3 * CENTRE):
        up, down, far_up, far_down = (at(name, CENTRE + k * step * np.eye(CENTRE.size)[i])[0] for k in (1, -1, 2, -2))
        quotient[i] = (8 * (up - down) - (far_up - far_down)) / (12 * step)
    np.testing.assert_allclose(gradient, quotient, rtol=1e-6, atol=1e-11)
    moves = {field: slope != 0 for field, slope in zip(NAMES, gradient, strict=True)}
    assert moves["lam"] == (name != "max-margin")
    assert moves["truth_angle"] == moves["probe_truth_angle"] == (name in ("square", "hinge"))
    assert all(moves[field] for field in ("alpha_tot", "f", "theta", "eta", "policy"))


@pytest.mark.parametrize("name", ["max-margin", "square", "hinge"])
def test_traced_fields_are_those_of_the_plain_call(name):
    _, fields, _ = at(name, CENTRE)
    plain = solution(name, CENTRE, np)
    assert (plain.margin is None) == ("margin" not in fields)
    for field, value in fields.items():
        if field not in ("residual", "num_steps"):
            assert value.shape == ()
            assert value == pytest.approx(getattr(plain, field), rel=1e-12, abs=1e-13)
    assert isinstance(plain.error, float)  # no JAX array leaks out of the plain call
    assert plain.converged is True


def test_jvp_and_vmap_agree_with_the_gradient():
    rng = np.random.default_rng(0)
    points = CENTRE * (1 + 0.05 * rng.standard_normal((2, CENTRE.size)))
    tangents = rng.standard_normal(points.shape)

    def error(x):
        return solution("square", x).error

    with jax.enable_x64(True):
        both = quickly_compiled()(jax.vmap(lambda x, t: jax.jvp(error, (x,), (t,))))
        values, slopes = both(points, tangents)
        values, slopes = np.asarray(values), np.asarray(slopes)
    for i, point in enumerate(points):
        value, _, gradient = at("square", point)
        assert values[i] == pytest.approx(value, rel=1e-12)
        assert slopes[i] == pytest.approx(gradient @ tangents[i], rel=1e-10)


def test_eager_tracing_and_arrays_agree_with_the_plain_call():
    """Without jit, several values at once, and only one argument traced: shapes as in the plain call."""
    alpha_tot = np.array([[1.0], [3.0]])
    f = np.array([0.3, 0.6, 1.0])
    keep_of, student = KeepHard, SquareLoss(0.1)
    with jax.enable_x64(True):
        values, slopes = jax.jvp(
            lambda a: solve(a, keep_of(f), 0.4, student=student).error, (alpha_tot,), (np.ones_like(alpha_tot),)
        )
        values, slopes = np.asarray(values), np.asarray(slopes)
    plain = solve(alpha_tot, keep_of(f), 0.4, student=student).error
    assert values.shape == plain.shape == (2, 3)
    np.testing.assert_allclose(values, plain, rtol=1e-12)
    step = 1e-4
    up, down = (solve(alpha_tot + s, keep_of(f), 0.4, student=student).error for s in (step, -step))
    np.testing.assert_allclose(slopes, (up - down) / (2 * step), rtol=1e-6)


def test_no_max_margin_student_no_number():
    """Beyond separability a traced point is NaN with ``converged`` False; at the same numbers the plain call raises."""
    crowded = CENTRE.copy()
    crowded[[0, 1, 4]] = 60.0, 0.9, 0.3
    keep = KeepByLabel(KeepPolicy([0, 1], [CENTRE[5]]), KeepHard(0.9))
    fraction = solve(1.0, keep, CENTRE[2], student=SquareLoss(0.1), labels=Labels(0.3)).fraction
    assert 60.0 * fraction > separability_threshold(keep, CENTRE[2], Labels(0.3))
    error, fields, gradient = at("max-margin", crowded)
    assert np.isnan(error)
    assert not fields["converged"]
    assert np.isnan(fields["margin"])
    assert np.isnan(fields["teacher_overlap"])
    assert np.isnan(gradient[[0, 1, 2, 4, 5]]).all()
    with pytest.raises(ValueError, match="not separable"):
        solution("max-margin", crowded, np)
    assert at("square", crowded)[1]["converged"]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: solve(x, KeepHard(0.5), 0.3).error,
        lambda x: solve(2.0, KeepHard(0.1 * x), 0.3).error,
        lambda x: solve(2.0, KeepHard(0.5), 0.1 * x).error,
        lambda x: solve(2.0, KeepHard(0.5), 0.3, student=SquareLoss(x)).error,
        lambda x: solve(2.0, KeepHard(0.5), 0.3, student=SquareLoss(0.1), labels=Labels(0.1 * x)).error,
        lambda x: solve(2.0, KeepPolicy([0, 1], jnp.stack([0.1 * x])), 0.3).error,
    ],
)
@pytest.mark.parametrize("transform", [jax.jit, jax.grad])
def test_single_precision_is_refused(call, transform):
    with pytest.raises(TypeError, match=r"traced in single precision: put `with jax\.enable_x64\(True\):`"):
        transform(call)(jnp.float32(2.0))
    assert not jax.config.jax_enable_x64


@pytest.mark.parametrize("student", [HingeLoss(0.0), LogisticLoss(0)])
def test_the_limit_of_no_regularisation_is_refused(student):
    with jax.enable_x64(True), pytest.raises(ValueError, match=r"lam = 0 is not available under a JAX transformation"):
        jax.jit(lambda a: solve(a, KeepHard(0.5), 0.3, student=student).error)(2.0)


def test_edges_of_a_policy_cannot_be_traced():
    with jax.enable_x64(True), pytest.raises(TypeError, match="edges of a KeepPolicy cannot be traced"):
        jax.jit(lambda e: solve(2.0, KeepPolicy(jnp.stack([0.0 * e, e, 1.0 + 0 * e]), [1, 0]), 0.3).error)(0.5)


def test_shapes_are_checked_while_tracing():
    with jax.enable_x64(True), pytest.raises(ValueError, match="shapes do not broadcast"):
        jax.jit(lambda a: solve(a, KeepRandom(np.array([0.1, 0.2])), 0.1).error)(np.ones(3))
