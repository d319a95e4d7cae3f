"""Influence: closed forms of ridge regression, blocks that change nothing, its noise, and its memory."""

import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import norm

from real_data.scores.influence import influence, influence_of_each
from real_data.scores.influence_noise import largest_of_normals
from real_data.scores.subset_plan import plan_subsets
from real_data.subset_trainings import PackedBits, SubsetTrainings


def random_outcomes(seed, num_networks=60, n=37, num_tests=29):
    rng = np.random.default_rng(seed)
    return rng.random((num_networks, num_tests)) < 0.6, rng.random((num_networks, n)) < 0.7


def test_ridge_regression_in_closed_form():
    """The n networks that leave one out: infl_ij = mean_{k != i} f_-k(x_j) - f_-i(x_j) to 1e-12.

    With f_-i(x) = f(x) - x^T A x_i r_i / (1 - h_ii), A = (X^T X + lam I)^-1; outcomes are from refits.
    """
    rng = np.random.default_rng(0)
    x, y, tests, lam = rng.standard_normal((12, 4)), rng.standard_normal(12), rng.standard_normal((9, 4)), 0.3
    a = np.linalg.inv(x.T @ x + lam * np.eye(4))
    r, h = y - x @ a @ x.T @ y, np.einsum("id,de,ie->i", x, a, x)
    own = (x @ a @ tests.T) * (r / (1 - h))[:, None]  # f(x_j) - f_-i(x_j)
    members = ~np.eye(12, dtype=bool)
    fits = [np.linalg.solve(x[kept].T @ x[kept] + lam * np.eye(4), x[kept].T @ y[kept]) for kept in members]
    outcomes = np.array([tests @ weights for weights in fits])
    np.testing.assert_allclose(tests @ a @ x.T @ y - outcomes, own, rtol=0, atol=1e-12)
    expected = own - (own.sum(axis=0) - own) / 11
    np.testing.assert_allclose(influence_of_each(outcomes, members), expected, rtol=0, atol=1e-12)
    found = influence(outcomes, members, top=3, tests_at_once=2)
    np.testing.assert_allclose(found.total, np.abs(expected).sum(axis=1), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.top_values, -np.sort(-expected, axis=1)[:, :3], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.top_tests, np.argsort(-expected, axis=1)[:, :3])


def test_all_subsets_by_the_definition():
    """All C(8, 5) subsets, outcomes that depend on the subset anyhow; against two means."""
    rng = np.random.default_rng(1)
    members = np.zeros((56, 8), bool)
    for k, subset in enumerate(combinations(range(8), 5)):
        members[k, list(subset)] = True
    right = rng.random((56, 6)) < 0.5
    found = influence_of_each(right, members)
    for i in range(8):
        expected = right[members[:, i]].mean(axis=0) - right[~members[:, i]].mean(axis=0)
        np.testing.assert_allclose(found[i], expected, rtol=0, atol=1e-12)
    # a test image that only networks with example 2 know: influence 1
    assert influence(members[:, [2]], members).largest[2] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("same_class", [False, True])
def test_blocks_change_nothing(same_class):
    right, members = random_outcomes(2)
    labels = {"labels": np.arange(37) % 3, "test_labels": np.arange(29) % 3} if same_class else {}
    everything = influence_of_each(right, members)
    if same_class:
        everything = np.where(labels["labels"][:, None] == labels["test_labels"], everything, np.nan)
    whole = influence(right, members, **labels)
    np.testing.assert_allclose(whole.total, np.nansum(np.abs(everything), axis=1), rtol=0, atol=1e-12)
    np.testing.assert_allclose(whole.largest, np.nanmax(everything, axis=1), rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.take_along_axis(everything, whole.top_tests, 1), whole.top_values, atol=1e-12)
    for rows, tests, packed in ((1, 1, False), (5, 7, True), (16, 64, True)):
        given = (PackedBits.of(right), PackedBits.of(members)) if packed else (right, members)
        parts = influence(*given, rows_at_once=rows, tests_at_once=tests, **labels)
        for name in ("total", "largest", "top_values", "total_floor", "largest_floor", "total_error"):
            np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-12, atol=1e-14, err_msg=name)
    # the error is that of the entry
    i, j = 4, whole.top_tests[4, 0]
    (a, p), (b, q) = (
        (side.sum(), (right[side, j].sum() + 0.5) / (side.sum() + 1)) for side in (members[:, i], ~members[:, i])
    )
    assert whole.largest_error[i] == pytest.approx(np.sqrt(p * (1 - p) / a + q * (1 - q) / b), rel=1e-12)


def test_a_class_without_test_images_has_no_influence():
    right, members = random_outcomes(3)
    labels = np.where(np.arange(37) < 5, 7, 0)
    found = influence(right, members, labels=labels, test_labels=np.zeros(29, int), top=40)
    assert np.all(found.total[:5] == 0)
    assert np.all(found.top_tests[:5] == -1)
    assert np.all(found.top_tests[5:, :29] >= 0)
    assert np.all(found.top_tests[5:, 29:] == -1)
    assert np.all(found.total[5:] > 0)


def test_noise_floors():
    """No influence at all, K = 200, 150 independent test images, 1,500 examples.

    Measured with seeds 100 to 129, mean and deviation over seeds: mean sum over mean floor 1.0013, 0.0013 (counts are
    discrete); scatter of the sums over total_error 1.005, 0.047 (256 phantoms: 0.044); share of the largest influences
    above their floor 0.488, 0.012.  The bounds are five deviations from the mean: false alarms below 1e-5 if normal.
    """
    rng = np.random.default_rng(5)
    q = rng.uniform(0.1, 0.95, 150)
    right, members = rng.random((200, 150)) < q, rng.random((200, 1500)) < 0.7
    found = influence(right, members)
    assert abs(found.total.mean() / found.total_floor.mean() - 1.0013) < 0.0065
    seen = members.sum(axis=0)
    observed = right.mean(axis=0)
    variance = observed * (1 - observed) * 200 / 199
    predicted = np.sqrt(2 / np.pi) * np.sum(np.sqrt(variance)) * np.sqrt(1 / seen + 1 / (200 - seen))
    np.testing.assert_allclose(found.total_floor, predicted, rtol=1e-12)
    assert abs(np.std(found.total / found.total_floor) / np.mean(found.total_error / found.total_floor) - 1.005) < 0.235
    assert abs(np.mean(found.largest > found.largest_floor) - 0.488) < 0.06


def test_scatter_of_sums_where_networks_differ_as_a_whole():
    """Half of the networks are bad at everything: sums scatter far more than those of independent test images.

    Scatter of sum over floor 0.274, deviation over seeds 100 to 129 0.012 (independent test images: 0.062); over
    total_error 1.037, 0.080: bounds of five deviations, false alarms below 1e-5 if normal.
    """
    rng = np.random.default_rng(6)
    good = rng.random((200, 1)) < 0.5
    right, members = rng.random((200, 150)) < np.where(good, 0.9, 0.3), rng.random((200, 1500)) < 0.7
    found = influence(right, members)
    scatter = np.std(found.total / found.total_floor)
    assert abs(scatter / np.mean(found.total_error / found.total_floor) - 1.037) < 0.4
    assert scatter > 3 * np.sqrt((np.pi / 2 - 1) / 150)


def test_the_largest_of_normal_numbers():
    """For equal deviations the median of the largest of m is the quantile 2^(-1/m)."""
    for m in (1, 2, 50, 10_000):
        assert largest_of_normals(np.full(m, 0.3)) == pytest.approx(0.3 * norm.ppf(0.5 ** (1 / m)), abs=1e-9)
    assert largest_of_normals(np.zeros(3)) == 0
    assert min(largest_of_normals(np.array([s])) for s in np.linspace(0.01, 0.5, 50)) == 0  # never below
    # ImageNet, K = 2,000: 50,000 test images of q = 0.24 and s = 0.7
    width = np.sqrt(1 / 1400 + 1 / 600)
    assert largest_of_normals(np.full(50_000, np.sqrt(0.24 * 0.76))) * width == pytest.approx(0.09, abs=0.005)


def test_the_matrix_is_never_in_memory():
    """20,000 examples and 8,000 test images: 640 MB of float32 as a matrix; an eighth of that is enough."""
    rng = np.random.default_rng(7)
    members = PackedBits(rng.integers(0, 256, (24, 2500), dtype=np.uint8), 20_000)
    seen = members.all().sum(axis=0)
    keep = np.flatnonzero((seen > 0) & (seen < 24))
    members = PackedBits.of(members.picked(keep))
    right = PackedBits(rng.integers(0, 256, (24, 1000), dtype=np.uint8), 8000)
    tracemalloc.start()
    found = influence(right, members, rows_at_once=1024)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 20_000 * 8000 / 8
    settings, sizes = SubsetTrainings(), {"num_examples": 1024, "num_tests": 8000, "num_classes": 10}
    plan = plan_subsets(settings, num_networks=24, influence_classes="all", **sizes)
    assert 0.8 < plan.influence_bytes / peak < 1.2  # what the plan says of a block of 1,024
    some = np.sort(rng.choice(keep.size, 20, replace=False))
    expected = influence_of_each(right.all(), members.picked(some))
    np.testing.assert_allclose(found.total[some], np.abs(expected).sum(axis=1), rtol=1e-10)
    np.testing.assert_allclose(found.largest[some], expected.max(axis=1), rtol=1e-10)


def test_bad_input_is_named():
    right, members = random_outcomes(8)
    with pytest.raises(ValueError, match="of the same networks, got 59 and 60"):
        influence(right[1:], members)
    with pytest.raises(ValueError, match="give both labels and test_labels, or neither"):
        influence(right, members, labels=np.zeros(37, int))
    with pytest.raises(ValueError, match=r"test_labels must have shape \(29,\), got \(28,\)"):
        influence(right, members, labels=np.zeros(37, int), test_labels=np.zeros(28, int))
    with pytest.raises(TypeError, match="labels must be integers"):
        influence(right, members, labels=np.zeros(37), test_labels=np.zeros(29, int))
    with pytest.raises(ValueError, match="top must be at least 1, got 0"):
        influence(right, members, top=0)
    members[:, 30] = True
    with pytest.raises(ValueError, match=r"1 are in the share of all K = 60 networks.*the first is example 30"):
        influence(right, members, rows_at_once=8)
    with pytest.raises(ValueError, match=r"2 are in the share of all K = 1 networks"):
        influence(right[:1], np.ones((1, 2), bool))  # nothing of the kind can be drawn


def test_the_floor_is_right_for_few_networks():
    """No influence, K = 20, 4,000 examples, 200 test images: the scatter is that among the networks that there are.

    Mean sum over mean floor with seeds 100 to 129: 1.0133, deviation 0.0022; with sqrt(q (1 - q)) as deviation it is
    1.026 times as much.
    """
    rng = np.random.default_rng(7)
    right, members = rng.random((20, 200)) < rng.uniform(0.1, 0.95, 200), rng.random((20, 4000)) < 0.5
    found = influence(right, members[:, members.any(axis=0) & ~members.all(axis=0)])
    assert abs(found.total.mean() / found.total_floor.mean() - 1.0133) < 0.012
