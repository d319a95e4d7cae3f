"""Data drawn in the plane of teacher and probe against data drawn plainly in all N dimensions."""

from functools import partial

import jax
import numpy as np
import pytest
from scipy.stats import ks_2samp, kstest

from data_pruning.compilation import quickly_compiled
from simulations.ensemble import draw_kept_examples

N, POOL, PADDED_POOL, KEPT, POOLS = 5, 30, 40, 12, 3000
FALSE_ALARM = 1e-4  # of each Kolmogorov-Smirnov test; seeds are fixed, so a test that passes goes on passing


@quickly_compiled()
def _draw(keys, positions, num_kept, theta):
    one = partial(draw_kept_examples, pool_size=PADDED_POOL, num_features=N)
    return jax.vmap(lambda key, kept: one(key, kept, num_kept, POOL, theta))(keys, positions)


def drawn(positions, theta, *, num_kept=None, seed=0) -> np.ndarray:
    """Kept rows of many pools, times sqrt N: shape (POOLS, len(positions), N)."""
    positions = np.broadcast_to(positions, (POOLS, len(positions)))
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), POOLS)
        count = positions.shape[1] if num_kept is None else num_kept
        return np.asarray(_draw(keys, positions, count, theta)) * np.sqrt(N)


def drawn_plainly(positions, theta, seed) -> np.ndarray:
    """The same by the definition: N-dimensional Gaussians, teacher and probe anywhere, then seen from the basis."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(N, N)))[0]
    teacher, probe = basis[0], np.cos(theta) * basis[0] + np.sin(theta) * basis[1]
    x = rng.normal(size=(POOLS, POOL, N))
    order = np.argsort(np.abs(x @ probe), axis=1)[:, positions]
    kept = np.take_along_axis(x, order[..., None], axis=1)
    return np.sign(kept @ teacher)[..., None] * (kept @ basis.T)


def margin_under_probe(rows: np.ndarray, theta: float) -> np.ndarray:
    return rows[..., 0] * np.cos(theta) + rows[..., 1] * np.sin(theta)


RULES = {
    "hard": np.arange(KEPT),
    "easy": np.arange(POOL - KEPT, POOL),
    "scattered": np.arange(0, 2 * KEPT, 2),
}


@pytest.mark.parametrize("theta", [0.0, 0.4, np.pi / 2])
@pytest.mark.parametrize("rule", RULES)
def test_same_distribution_as_plain_data_in_all_dimensions(rule, theta):
    positions = RULES[rule]
    # one example of each pool: those of the same pool are dependent and would spoil the false-alarm rate
    which = np.random.default_rng(1).integers(KEPT, size=POOLS)
    ours, plain = (
        rows[np.arange(POOLS), which] for rows in (drawn(positions, theta), drawn_plainly(positions, theta, seed=2))
    )
    features = {
        "y p": lambda rows: rows[:, 0],
        "y q": lambda rows: rows[:, 1],
        "|z|": lambda rows: np.abs(margin_under_probe(rows, theta)),
        "y z": lambda rows: margin_under_probe(rows, theta),
        "y r": lambda rows: rows[:, 2],
        "p r": lambda rows: rows[:, 0] * rows[:, 3],
        "q r": lambda rows: rows[:, 1] * rows[:, 4],
        "r r'": lambda rows: rows[:, 2] * rows[:, 4],
        "r^2": lambda rows: np.sum(rows[:, 2:] ** 2, axis=1),
    }
    for name, feature in features.items():
        assert ks_2samp(feature(ours), feature(plain)).pvalue > FALSE_ALARM, name
    assert kstest(ours[:, 2:].ravel(), "norm").pvalue > FALSE_ALARM


def test_without_selection_the_examples_are_gaussian():
    rows = drawn(np.arange(POOL), 0.4)[:200]
    # y p is |p| of a Gaussian; y q, by symmetry, a Gaussian independent of it
    assert kstest(rows[..., 0].ravel(), "halfnorm").pvalue > FALSE_ALARM
    assert kstest(rows[..., 1:].ravel(), "norm").pvalue > FALSE_ALARM
    # second moments: all of them 1 or 0 with variance 2 or 1 over the number of examples; five standard errors, 6e-7
    flat = rows[..., 1:].reshape(-1, N - 1)
    error = flat.T @ flat / len(flat) - np.eye(N - 1)
    assert np.all(np.abs(error) < 5 * np.sqrt((1 + np.eye(N - 1)) / len(flat)))


@pytest.mark.parametrize("theta", [0.0, 0.4, np.pi / 2])
def test_positions_count_from_the_hardest_example(theta):
    pool = drawn(np.arange(POOL), theta)
    z = np.abs(margin_under_probe(pool, theta))
    assert np.all(np.diff(z, axis=1) > 0)
    # the same keys give the same pools, whatever is kept of them
    hard, easy = (drawn(RULES[rule], theta) for rule in ("hard", "easy"))
    np.testing.assert_allclose(np.abs(margin_under_probe(hard, theta)), z[:, :KEPT], rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.abs(margin_under_probe(easy, theta)), z[:, POOL - KEPT :], rtol=0, atol=1e-12)


def test_ranks_are_those_of_the_pool_alone():
    # with the padding of the pool ranked among the examples, the easiest would come from beyond the pool
    easiest = drawn(RULES["easy"], 0.0)[:, -1, 0]
    largest = np.abs(np.random.default_rng(5).normal(size=(POOLS, POOL))).max(axis=1)
    assert ks_2samp(easiest, largest).pvalue > FALSE_ALARM


@pytest.mark.parametrize("theta", [0.0, 0.4, np.pi / 2])
def test_the_teacher_separates_the_rows_and_padding_is_zero(theta):
    rows = drawn(np.arange(KEPT), theta, num_kept=KEPT - 5)
    assert np.all(rows[:, : KEPT - 5, 0] > 0)
    assert np.all(rows[:, KEPT - 5 :] == 0)


def test_no_random_number_is_used_twice():
    # 150 numbers in a pool; two equal to nine digits by chance in any of 100 pools: probability 1e-3 at most
    for rows in drawn(np.arange(POOL), 0.4)[:100]:
        assert np.unique(np.abs(rows).round(9)).size == POOL * N


def test_at_ninety_degrees_the_probe_knows_nothing_of_the_teacher():
    hard = drawn(RULES["hard"], np.pi / 2)[:, 0]
    assert kstest(hard[:, 0], "halfnorm").pvalue > FALSE_ALARM
