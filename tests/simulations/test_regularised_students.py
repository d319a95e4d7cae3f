"""The solvers of the regularised students against independent ones, and their certificates against what they claim."""

from functools import partial

import jax
import numpy as np
import piqp
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from data_pruning.compilation import quickly_compiled
from simulations.students import hinge_loss, logistic_loss, square_loss
from simulations.students.certificate import TARGET_GAP, Minimum, angle_gap
from simulations.students.hinge_loss import support_vector_machine
from simulations.students.logistic_loss import logistic_regression
from simulations.students.square_loss import minimum_norm, ridge

ROUNDING = 1e-13  # 1 - cos of angles that rounding alone may cause
SOLVERS = {
    "square": quickly_compiled()(ridge),
    "logistic": quickly_compiled()(logistic_regression),
    "hinge": quickly_compiled()(support_vector_machine),
    "minimum norm": quickly_compiled()(minimum_norm),
}
LAMS = [1e-4, 0.1, 10.0]


def solved(name: str, examples: np.ndarray, lam: float) -> Minimum:
    with jax.enable_x64(True):
        return Minimum(*(np.asarray(value) for value in SOLVERS[name](examples, lam)))


def data(num_examples: int, seed: int, *, flipped: float = 0.1, num_features: int = 40) -> np.ndarray:
    """Label times input over sqrt N of the hardest fifth of a pool, with wrong labels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(5 * num_examples, num_features))
    x = x[np.argsort(np.abs(x[:, 0]))[:num_examples]]
    label = np.sign(x[:, :1]) * np.where(rng.random((num_examples, 1)) < flipped, -1, 1)
    return label * x / np.sqrt(num_features)


WIDE, TALL = data(30, 1), data(100, 2)
DATA = {"fewer examples than features": WIDE, "more examples than features": TALL}


def angle(v: np.ndarray, w: np.ndarray) -> float:
    return float(2 * np.arcsin(min(1.0, np.linalg.norm(v / np.linalg.norm(v) - w / np.linalg.norm(w)) / 2)))


def peer_square(rows, lam):
    """Least squares on the examples and one more per feature: sqrt(lam) v_i = 0."""
    count, size = rows.shape
    stacked = np.concatenate([rows, np.sqrt(lam) * np.eye(size)])
    return np.linalg.lstsq(stacked, np.r_[np.ones(count), np.zeros(size)])[0], 1e-9


def peer_logistic(rows, lam):
    """Scipy's trust-region method; how far off it is by the strong convexity of the loss."""

    def objective(v):
        return np.logaddexp(0, -rows @ v).sum() + lam / 2 * v @ v

    def gradient(v):
        return lam * v - expit(-rows @ v) @ rows

    def hessian(v):
        h = rows @ v
        return rows.T @ ((expit(h) * expit(-h))[:, None] * rows) + lam * np.eye(v.size)

    start = np.zeros(rows.shape[1])
    v = minimize(objective, start, jac=gradient, hess=hessian, method="trust-exact", options={"gtol": 1e-12}).x
    return v, np.linalg.norm(gradient(v)) / lam


def peer_hinge(rows, lam):
    """Piqp on variables (v, xi); how far off it is by its own multipliers."""
    count, size = rows.shape
    solver = piqp.DenseSolver()
    for name in ("eps_abs", "eps_rel", "eps_duality_gap_abs", "eps_duality_gap_rel"):
        setattr(solver.settings, name, 1e-12)
    quadratic = np.diag(np.r_[np.full(size, lam), np.zeros(count)])
    cost = np.r_[np.zeros(size), np.ones(count)]
    constraints = np.concatenate([rows, np.eye(count)], axis=1)
    below, above = np.r_[np.full(size, -np.inf), np.zeros(count)], np.full(size + count, np.inf)
    solver.setup(quadratic, cost, None, None, constraints, np.ones(count), np.full(count, np.inf), below, above)
    assert solver.solve() in (piqp.PIQP_SOLVED, piqp.PIQP_MAX_ITER_REACHED)
    v = solver.result.x[:size]
    a = np.clip(solver.result.z_l, 0, 1)
    primal = np.maximum(0, 1 - rows @ v).sum() + lam / 2 * v @ v
    pull = a @ rows
    return v, np.sqrt(2 * max(0.0, primal - (a.sum() - pull @ pull / (2 * lam))) / lam)


PEERS = {"square": peer_square, "logistic": peer_logistic, "hinge": peer_hinge}


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("shape", DATA)
@pytest.mark.parametrize("lam", LAMS)
def test_agrees_with_an_independent_solver(name, shape, lam):
    rows = DATA[shape]
    found, (v, distance) = solved(name, rows, lam), PEERS[name](rows, lam)
    assert found.gap <= TARGET_GAP
    assert distance < 1e-4 * np.linalg.norm(v), "the other solver did not solve it: nothing to compare with"
    # in length as well as in direction: our distance to the minimum is |v| sin(angle) at most
    ours = np.linalg.norm(found.weights) * np.sqrt(2 * (found.gap + ROUNDING))
    assert np.linalg.norm(found.weights - v) <= ours + distance
    assert found.margin == pytest.approx(np.min(rows @ found.weights) / np.linalg.norm(found.weights), rel=1e-12)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("lam", [0.1, 10.0])
def test_one_example(name, lam):
    # v = s a with |a|^2 = q = 4.  Square: (q + lam) s = 1.  Logistic: lam s = 1/(1 + exp(q s)), here checked.
    # Hinge: s = 1/lam as long as q s < 1, else q s = 1: lam = 0.1 stops at the kink, lam = 10 does not reach it.
    a = np.zeros((30, 40))
    a[3, 5], a[3, 7] = 2 * np.cos(0.3), 2 * np.sin(0.3)
    found = solved(name, a, lam)
    assert angle(found.weights, a[3]) <= np.arccos(1 - TARGET_GAP)
    s = np.linalg.norm(found.weights) / 2
    if name == "square":
        assert s == pytest.approx(1 / (4 + lam), rel=1e-12)
    elif name == "logistic":
        assert lam * s == pytest.approx(expit(-4 * s), rel=1e-5)
    else:
        assert s == pytest.approx(min(1 / lam, 1 / 4), rel=1e-5)
    assert found.margin == pytest.approx(2, rel=1e-9)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize(("few", "many"), [(22, 30), (65, 100), (30, 100)])
def test_rows_of_zeros_do_not_change_the_answer(name, few, many):
    rows = data(few, 3)
    padded = np.zeros((many, 40))
    padded[np.sort(np.random.default_rng(4).permutation(many)[:few])] = rows
    alone, among_zeros = solved(name, rows, 0.1), solved(name, padded, 0.1)
    assert max(alone.gap, among_zeros.gap) <= TARGET_GAP
    assert angle(alone.weights, among_zeros.weights) <= sum(
        np.arccos(1 - np.maximum(found.gap, ROUNDING)) for found in (alone, among_zeros)
    )
    assert among_zeros.margin == pytest.approx(alone.margin, rel=1e-4, abs=1e-5)


def gap_of(name, rows, lam):
    """The certificate of a student given from outside; for the hinge with the multipliers that suit it best."""
    if name == "square":
        certificate = jax.jit(partial(square_loss._gap, rows, np.ones(len(rows)), lam))
    elif name == "logistic":
        certificate = jax.jit(partial(logistic_loss._gap, rows, lam))
    else:
        certificate = jax.jit(partial(hinge_loss._gap, rows, np.ones(len(rows)), lam))

    def gap(*given):
        with jax.enable_x64(True):
            return float(certificate(*given))

    return gap


@pytest.mark.parametrize("name", ["square", "logistic"])
@pytest.mark.parametrize("shape", DATA)
def test_the_gradient_certificate_bounds_the_distance_of_any_student(name, shape):
    rows, lam = DATA[shape], 0.1
    best = solved(name, rows, lam)
    gap, rng = gap_of(name, rows, lam), np.random.default_rng(5)
    assert gap(best.weights) == pytest.approx(best.gap, rel=0.5, abs=1e-25)
    for off in np.repeat(10.0 ** -np.arange(0, 7), 10):
        v = best.weights + off * np.linalg.norm(best.weights) * rng.normal(size=40) / np.sqrt(40)
        claimed = gap(v)
        assert claimed > best.gap
        assert claimed == np.inf or angle(v, best.weights) <= np.arccos(1 - claimed) + np.arccos(1 - best.gap)


@pytest.mark.parametrize("shape", DATA)
def test_the_duality_certificate_bounds_the_distance_of_any_student(shape):
    rows, lam = DATA[shape], 0.1
    best = solved("hinge", rows, lam)
    # multipliers at the solution: 1 inside the margin, 0 outside, on it whatever lambda v = A^T a leaves
    h = rows @ best.weights
    on = np.abs(h - 1) < 1e-5
    a = np.where(h < 1, 1.0, 0.0)
    a[on] = np.linalg.lstsq(rows[on].T, lam * best.weights - a[~on] @ rows[~on])[0]
    gap, rng = gap_of("hinge", rows, lam), np.random.default_rng(6)
    assert gap(best.weights, a) < 1e-9
    for off in np.repeat(10.0 ** -np.arange(0, 7), 10):
        v = best.weights + off * np.linalg.norm(best.weights) * rng.normal(size=40) / np.sqrt(40)
        for multipliers in (a, a + off * rng.normal(size=len(rows))):  # clipped to [0, 1]
            claimed = gap(v, multipliers)
            assert claimed > best.gap
            assert claimed == np.inf or angle(v, best.weights) <= np.arccos(1 - claimed) + np.arccos(1 - best.gap)
    # the formula of the docstring is primal minus dual
    v, a = best.weights * 1.1, np.clip(a, 0.05, 0.9)
    primal = sum(max(0.0, 1 - row @ v) for row in rows) + lam / 2 * v @ v
    dual = a.sum() - np.sum((a @ rows) ** 2) / (2 * lam)
    with jax.enable_x64(True):
        expected = float(angle_gap(np.sqrt(2 * (primal - dual) / lam), v))
    assert gap(v, a) == pytest.approx(expected, rel=1e-9)


def test_the_gap_is_that_of_the_largest_angle():
    with jax.enable_x64(True):
        v = np.array([3.0, 4.0])
        # a disc of radius 2.5 around a point 5 away is seen under 30 degrees on each side
        assert float(angle_gap(np.float64(2.5), v)) == pytest.approx(1 - np.cos(np.pi / 6), rel=1e-14)
        assert float(angle_gap(np.float64(1e-9), v)) == pytest.approx(2e-20, rel=1e-9)
        assert float(angle_gap(np.float64(5.0), v)) == np.inf
        assert not float(angle_gap(np.float64(0.0), 0 * v)) <= 1  # no direction, no certificate


MINIMUM_NORM = {
    "fewer": WIDE,
    "more": TALL,
    "as many": data(40, 7),
    "fewer, each twice": np.repeat(data(15, 8), 2, axis=0),
    "more, dependent columns": data(100, 9) * (np.arange(40) < 30),
}


@pytest.mark.parametrize("name", MINIMUM_NORM)
def test_minimum_norm_against_lstsq(name):
    rows = MINIMUM_NORM[name]
    found = solved("minimum norm", rows, 0.0)
    v = np.linalg.lstsq(rows, np.ones(len(rows)))[0]
    assert found.gap <= TARGET_GAP
    np.testing.assert_allclose(found.weights, v, rtol=0, atol=1e-9 * np.linalg.norm(v))


def test_minimum_norm_is_the_limit_of_ridge_regression():
    for rows in DATA.values():
        assert angle(solved("minimum norm", rows, 0.0).weights, solved("square", rows, 1e-7).weights) < 1e-4


def test_minimum_norm_claims_no_more_than_it_can():
    # singular values 1 and s: rounding of relative size 1e-16 moves the solution by about 1e-16/s^2
    rng = np.random.default_rng(10)
    left, right = (np.linalg.qr(rng.normal(size=(n, 40)))[0] for n in (100, 40))
    gaps = []
    for s in (1e-2, 1e-4, 1e-6):
        rows = left * np.r_[np.ones(39), s] @ right.T
        found = solved("minimum norm", rows, 0.0)
        exact = right @ ((left.T @ np.ones(100)) / np.r_[np.ones(39), s])
        assert found.gap == np.inf or angle(found.weights, exact) <= np.arccos(1 - found.gap) + 1e-7
        gaps.append(found.gap)
    assert gaps == sorted(gaps)
    assert gaps[0] < 1e-20


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("examples", [np.full((30, 40), np.nan), np.zeros((30, 40))], ids=["nan", "nothing"])
def test_data_without_an_answer_get_no_certificate(name, examples):
    assert not solved(name, examples, 0.1).gap <= 1e-10
