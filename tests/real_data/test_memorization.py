"""Memorization: closed forms of ridge regression and nearest neighbours, all subsets, and its standard error."""

from itertools import combinations

import numpy as np
import pytest

from real_data.scores.held_out import Estimate
from real_data.scores.memorization import memorization
from real_data.subset_trainings import PackedBits


def ridge(seed, n=12, d=4, lam=0.7):
    """Images X, answers y, and for ridge regression on all of them A, residuals r and leverages h."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    a = np.linalg.inv(x.T @ x + lam * np.eye(d))
    return x, y, a, y - x @ a @ x.T @ y, np.einsum("id,de,ie->i", x, a, x), lam


def refitted(x, y, lam, kept, at):
    weights = np.linalg.solve(x[kept].T @ x[kept] + lam * np.eye(x.shape[1]), x[kept].T @ y[kept])
    return at @ weights


def test_self_influence_of_ridge_regression_in_closed_form():
    """f(x_i) - f_-i(x_i) = h_ii r_i / (1 - h_ii), from refits with and without each example."""
    x, y, _, r, h, lam = ridge(0)
    for i in range(len(y)):
        kept = np.arange(len(y)) != i
        outcomes = [[refitted(x, y, lam, chosen, x[i])] for chosen in (kept | True, kept)]
        found = memorization(outcomes, np.array([[True], [False]]))
        assert found.values[0] == pytest.approx(h[i] * r[i] / (1 - h[i]), abs=1e-12)
        assert found.standard_error[0] == np.inf  # one network on either side: nothing is known


def test_all_networks_that_leave_one_out():
    """mem_i = mean_{k != i} f_-k(x_i) - f_-i(x_i), every f_-k in closed form."""
    x, y, a, r, h, lam = ridge(1)
    n = len(y)
    members = ~np.eye(n, dtype=bool)
    outcomes = np.array([refitted(x, y, lam, kept, x) for kept in members])
    left_out = (x @ a @ x.T @ y)[None] - (x @ a @ x.T) * (r / (1 - h))[:, None]  # f_-k(x_j), shape (k, j)
    expected = (left_out.sum(axis=0) - np.diag(left_out)) / (n - 1) - np.diag(left_out)
    found = memorization(outcomes, members)
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-12)
    # one network on one side: its variance is taken to be that of the others
    others = [np.var(np.delete(outcomes[:, i], i), ddof=1) for i in range(n)]
    np.testing.assert_allclose(found.standard_error, np.sqrt(np.array(others) * (1 / (n - 1) + 1)), rtol=1e-12)


def nearest_neighbours(x, y, size):
    """Of all subsets of a size: whether 1-nearest-neighbour is right about each point, and which are in."""
    subsets = list(combinations(range(len(y)), size))
    members = np.zeros((len(subsets), len(y)), bool)
    for k, subset in enumerate(subsets):
        members[k, list(subset)] = True
    distance = np.abs(x[:, None] - x[None, :])
    nearest = np.array([[subset[np.argmin(row[list(subset)])] for row in distance] for subset in subsets])
    return y[nearest] == y, members


@pytest.mark.parametrize(
    ("copies", "expected"),
    [
        (1, 1.0),  # a wrong label without company is remembered and nothing else
        (2, 1 - 5 / 7),  # 1 - m / (n - 1): the other copy is in the share
        (3, 1 / 21),  # both others are out: one of the C(7, 5) shares without this one
    ],
)
def test_nearest_neighbours_on_all_subsets(copies, expected):
    x = np.array([0.0] * copies + [0.9 + 0.1 * i for i in range(8 - copies)])
    y = np.array([1] * copies + [0] * (8 - copies))
    right, members = nearest_neighbours(x, y, 5)
    found = memorization(right, members)
    np.testing.assert_allclose(found.values[:copies], expected, rtol=0, atol=1e-12)
    # and every example by the definition
    for i in range(8):
        seen = members[:, i]
        assert found.values[i] == pytest.approx(right[seen, i].mean() - right[~seen, i].mean(), abs=1e-12)
    for packed in ((PackedBits.of(right), members), (PackedBits.of(right), PackedBits.of(members))):
        np.testing.assert_array_equal(memorization(*packed).values, found.values)
    np.testing.assert_allclose(memorization(right.astype(float), members).values, found.values, atol=1e-15)


def test_largest_standard_errors():
    """Half right on both sides: sqrt(1/4 (1/a + 1/(K - a))), which is 0.244 for K = 20 and 0.077 for 200."""
    for number, expected in ((20, 0.244), (200, 0.0772)):
        members = np.arange(number)[:, None] < 0.7 * number
        right = np.arange(number)[:, None] % 2 == 0
        assert memorization(right, members).standard_error[0] == pytest.approx(expected, abs=5e-4)


def test_networks_that_agree_are_not_certain():
    members = np.array([[True], [True], [True], [False]])
    found = memorization(np.ones((4, 1), bool), members)
    assert found.values[0] == 0
    # p = 3.5/4 of three, 1.5/2 of one
    assert found.standard_error[0] == pytest.approx(np.sqrt(0.875 * 0.125 / 3 + 0.75 * 0.25), rel=1e-12)


def test_standard_errors_of_numbers_by_hand():
    """Seen: 1, 2, 6, of mean 3 and variance 7; not seen: 0, 4, of mean 2 and variance 8."""
    found = memorization(np.array([[1.0], [2], [6], [0], [4]]), np.arange(5)[:, None] < 3)
    assert found.values[0] == 1
    assert found.standard_error[0] == pytest.approx(np.sqrt(7 / 3 + 8 / 2), rel=1e-12)


def test_standard_errors_are_what_they_say():
    """Of 4,000 examples without memorization, K = 100: the score in units of its standard error has deviation 1.

    Measured with seeds 100 to 129: mean 1.036 (1.031 from variances), as the plug-in variance of some 30 networks is a
    little small; deviation 0.009 over seeds.  The bounds are five of these from the mean: false alarms below 1e-5.
    """
    rng = np.random.default_rng(3)
    members = rng.random((100, 4000)) < 0.7
    right = rng.random((100, 4000)) < rng.uniform(0.2, 0.8, 4000)
    for outcomes in (right, right.astype(float)):
        found = memorization(outcomes, members)
        assert abs(np.std(found.values / found.standard_error) - 1.034) < 0.045


def test_what_cannot_be_known_is_refused():
    right = np.ones((20, 5), bool)
    members = np.tile(np.arange(20)[:, None] < 14, (1, 5))
    for column in (True, False):
        members[:, 3] = column
        number = "1 are in the share of all K = 20" if column else "1 in that of none"
        with pytest.raises(ValueError, match=rf"{number}.*mean share s = 0\.\d+; the first is example 3"):
            memorization(right, members)
    with pytest.raises(TypeError, match="members must be boolean, got an array of type float64"):
        memorization(right, np.ones((20, 5)))
    with pytest.raises(ValueError, match=r"outcomes and members must have one shape, got \(20, 4\) and \(20, 5\)"):
        memorization(right[:, :4], members)
    with pytest.raises(ValueError, match="outcomes must be finite, but 1 of 100 are not"):
        memorization(np.where(np.arange(100).reshape(20, 5) == 7, np.nan, 1.0), members)
    assert isinstance(memorization(right[:, :3], members[:, :3]), Estimate)
