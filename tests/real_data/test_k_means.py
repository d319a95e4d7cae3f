"""k-means by angle and by distance: known answers, and that it is a matter of the set of rows alone."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.cluster import KMeans

from real_data.embeddings.cluster_distance import cluster_distance
from real_data.embeddings.config import ClusterConfig
from real_data.embeddings.k_means import distances_to, k_means
from real_data.embeddings.lloyd import DifferentRows, Lloyd
from real_data.embeddings.row_order import row_order
from real_data.embeddings.seeding import greedy_centroids


def planted(num_rows=3000, num_clusters=20, width=64, seed=0):
    """Rows of any length at known angles, up to 0.5, to one of several random directions; float32."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((num_clusters, width))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    own = directions[rng.integers(num_clusters, size=num_rows)]
    across = rng.standard_normal((num_rows, width))
    across -= np.sum(across * own, axis=1, keepdims=True) * own
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    angles = rng.uniform(0.02, 0.5, num_rows)
    rows = np.cos(angles)[:, None] * own + np.sin(angles)[:, None] * across
    return (rows * rng.uniform(0.5, 3, (num_rows, 1))).astype(np.float32), angles


ROWS, ANGLES = planted()


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_distances_are_in_the_order_of_the_planted_angles(kind):
    found = k_means(ROWS.astype(kind), 20)
    assert found.converged
    assert spearmanr(found.distances, ANGLES).statistic > 0.99
    np.testing.assert_allclose(np.linalg.norm(found.centroids, axis=1), 1, rtol=1e-12)
    assert found.inertia == pytest.approx(found.distances.sum(), rel=1e-12)


@pytest.mark.parametrize("spherical", [True, False])
@pytest.mark.parametrize(("num_clusters", "width"), [(7, 64), (300, 61)])
def test_the_order_of_rows_does_not_matter_bit_for_bit(spherical, num_clusters, width):
    """Of an odd width too, where rows begin at other places of a vector register."""
    order = np.random.default_rng(1).permutation(len(ROWS))
    one = k_means(ROWS[:, :width], num_clusters, spherical=spherical, max_iterations=5)
    other = k_means(ROWS[order, :width], num_clusters, spherical=spherical, max_iterations=5)
    np.testing.assert_array_equal(other.distances, one.distances[order])
    np.testing.assert_array_equal(other.labels, one.labels[order])
    np.testing.assert_array_equal(other.centroids, one.centroids)
    assert other.inertia == one.inertia


@pytest.mark.parametrize("times", [2, 3])
def test_all_rows_several_times_over_are_the_same_rows(times):
    one, many = k_means(ROWS, 30), k_means(np.concatenate([ROWS] * times), 30)
    np.testing.assert_array_equal(many.distances, np.tile(one.distances, times))
    np.testing.assert_array_equal(many.centroids, one.centroids)
    assert many.inertia == pytest.approx(times * one.inertia, rel=1e-12)


def test_some_rows_twice_weigh_twice():
    """Two rows at right angles, one of them three times: the mean direction has tangent 1/3."""
    rows = np.array([[1.0, 0], [1, 0], [0, 1], [1, 0]])
    found = k_means(rows, 1)
    np.testing.assert_allclose(found.centroids, [np.array([3, 1]) / np.sqrt(10)], rtol=1e-15)


def test_as_many_clusters_as_rows_leave_no_distance():
    for spherical in (True, False):
        found = k_means(ROWS[:200], 200, spherical=spherical)
        assert found.distances.max() < 1e-12
        assert np.unique(found.labels).size == 200


def test_one_cluster_is_the_mean_direction():
    directions = ROWS.astype(np.float64) / np.linalg.norm(ROWS.astype(np.float64), axis=1, keepdims=True)
    mean = directions.sum(axis=0) / np.linalg.norm(directions.sum(axis=0))
    np.testing.assert_allclose(k_means(ROWS, 1).distances, 1 - directions @ mean, atol=1e-14)
    np.testing.assert_allclose(
        k_means(ROWS, 1, spherical=False).centroids[0], ROWS.mean(axis=0, dtype=float), rtol=1e-9
    )


@pytest.mark.parametrize("spherical", [True, False])
def test_every_iteration_is_that_of_a_plain_loop(spherical):
    """From the same centroids, beside ten lines of NumPy in double precision; 40 clusters, few move at last."""
    rows = start = np.random.default_rng(2).standard_normal((3000, 8))
    if spherical:
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    centroids = rows[:40].copy()
    for _ in range(12):
        squares = ((rows[:, None] - centroids[None]) ** 2).sum(axis=2)
        labels = squares.argmin(axis=1)
        centroids = np.stack([rows[labels == c].sum(axis=0) for c in range(40)])
        centroids /= np.linalg.norm(centroids, axis=1, keepdims=True) if spherical else np.bincount(labels)[:, None]
    found = k_means(start, 40, spherical=spherical, start=rows[:40], max_iterations=12, tolerance=0)
    np.testing.assert_allclose(found.centroids, centroids, atol=1e-6)


def test_distances_by_length_are_as_good_as_those_of_scikit_learn():
    """Rows far from the origin, where products cancel; the best of five starts of each, within 3 %."""
    rows = ROWS + np.float32(1000)
    ours = k_means(rows, 20, spherical=False, num_starts=5)
    theirs = KMeans(20, n_init=5, random_state=0).fit(rows.astype(np.float64))
    assert ours.inertia < 1.03 * theirs.inertia_
    np.testing.assert_allclose(
        ours.distances, np.linalg.norm(rows.astype(np.float64) - ours.centroids[ours.labels], axis=1), rtol=1e-9
    )


def test_a_memory_map_is_read_as_the_array(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    np.testing.assert_array_equal(k_means(mapped, 5).distances, k_means(ROWS, 5).distances)


@pytest.mark.parametrize("spherical", [True, False])
def test_clusters_without_rows_go_to_the_rows_that_cost_most(spherical):
    """All rows near one of three centroids; the others are moved to the two rows farthest from it."""
    rows = np.array([[10.0, 0], [10, 1], [10, 2], [10, -4], [10, 3]])
    work = DifferentRows.of(rows, row_order(rows, seed=0, without_zeros=spherical), spherical)
    start = np.array([[1.0, 0], [-1, 0], [0, -1]]) if spherical else np.array([[0.0, 0], [100, 0], [0, 100]])
    lloyd = Lloyd(work, start)
    lloyd.assign()
    lloyd.move()
    expected = np.array([[10.0, -4], [10, 3]])
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True) if spherical else expected - rows.mean(axis=0)
    np.testing.assert_allclose(lloyd.centroids[1:], expected, atol=1e-12)
    assert k_means(rows, 5, spherical=spherical, start=np.repeat(rows[:1], 5, axis=0)).distances.max() < 1e-12


def test_rows_without_direction_are_at_right_angles_to_all():
    rows = np.concatenate([ROWS[:50], np.zeros((2, 64), np.float32)])
    found, without = k_means(rows, 3), k_means(ROWS[:50], 3)
    np.testing.assert_array_equal(found.distances[50:], [1, 1])
    np.testing.assert_array_equal(found.distances[:50], without.distances)


def test_greedy_seeding_finds_every_planted_group():
    """Eight groups of very different sizes, 1,000 to 1, far from one another: one row of each, from any of 20 seeds."""
    rng = np.random.default_rng(0)
    sizes = (1000, 400, 200, 100, 50, 10, 3, 1)
    middles = 100 * np.eye(8)
    rows = (np.repeat(middles, sizes, axis=0) + rng.standard_normal((sum(sizes), 8))).astype(np.float32)
    group = np.repeat(np.arange(8), sizes)
    for seed in range(20):
        chosen = greedy_centroids(rows, np.ones(len(rows)), 8, np.random.default_rng(seed))
        assert sorted(group[chosen]) == list(range(8))


def test_what_is_not_computed_again_is_as_if_it_were():
    """30 iterations on rows without clusters: few centroids move in the last ones."""
    rows = np.random.default_rng(3).standard_normal((3000, 6)).astype(np.float32)
    work = DifferentRows.of(rows, row_order(rows, seed=0, without_zeros=True), True)
    lloyd, moving = Lloyd(work, work.exact(slice(0, 100)) * work.scale[:100, None]), []
    for _ in range(30):
        lloyd.assign()
        fresh = Lloyd(work, lloyd.centroids)
        fresh.assign()
        np.testing.assert_array_equal(lloyd.labels, fresh.labels)
        np.testing.assert_allclose(lloyd.products, fresh.products, rtol=1e-6)
        np.testing.assert_allclose(lloyd.sums, fresh.sums, atol=1e-10)
        np.testing.assert_array_equal(lloyd.counts, fresh.counts)
        lloyd.move()
        moving.append(lloyd._moved.mean())
    assert moving[0] == 1
    assert any(0 < share < 0.6 for share in moving)


def test_the_seed_is_followed_and_more_starts_are_no_worse():
    inertia = [k_means(ROWS, 60, seed=seed).inertia for seed in (0, 0, 1)]
    assert inertia[0] == inertia[1] != inertia[2]
    assert k_means(ROWS, 60, num_starts=4).inertia <= inertia[0]


def test_test_examples_are_scored_by_the_centroids_of_the_others():
    found = cluster_distance(ROWS[:2000], 20, test_embeddings=ROWS[2000:])
    assert found.test_values.shape == (1000,)
    assert spearmanr(found.test_values, ANGLES[2000:]).statistic > 0.97
    own = distances_to(k_means(ROWS[:2000], 20).centroids, ROWS[:2000])[1]
    np.testing.assert_array_equal(own, found.values)
    by_length = cluster_distance(ROWS, 20, test_embeddings=ROWS, config=ClusterConfig(spherical=False))
    np.testing.assert_allclose(by_length.test_values, by_length.values, atol=1e-9)


@pytest.mark.parametrize(
    ("rows", "arguments", "message"),
    [
        (ROWS, {"num_clusters": 0}, r"num_clusters must be an integer in \[1, 3000\]"),
        (np.tile(ROWS[:5], (3, 1)), {"num_clusters": 6}, r"in \[1, 5\], the number of different rows"),
        (np.zeros((4, 2)), {"num_clusters": 1}, "different rows that are not zero"),
        (np.array([[1.0, 2], [np.nan, 1]]), {"num_clusters": 1}, "row 1 has length nan"),
        (
            np.array([[1.0, 2], [0, 1], [1e200, 1]]),
            {"num_clusters": 1},
            r"in \[1e-18, 1e\+18\], but row 2 has length inf",
        ),
        (np.array([[1.0, 2], [1e-30, 1e-30]]), {"num_clusters": 1}, "row 1 has length 1.41421e-30"),
        (np.ones((4, 2), int), {"num_clusters": 1}, "must be float16, float32 or float64"),
        (ROWS[0], {"num_clusters": 1}, r"of shape \(num_rows, width\)"),
        (ROWS, {"num_clusters": 3, "tolerance": 1.0}, "tolerance must lie in"),
        (ROWS, {"num_clusters": 3, "num_starts": 0}, "num_starts must be at least 1"),
        (ROWS, {"num_clusters": 3, "start": ROWS[:2]}, r"start must be finite of shape \(3, 64\)"),
    ],
)
def test_bad_arguments_are_named(rows, arguments, message):
    with pytest.raises(ValueError, match=message):
        k_means(rows, **arguments)
