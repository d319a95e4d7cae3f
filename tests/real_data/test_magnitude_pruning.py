"""Magnitude pruning: exact masks, weights that stay 0, rewinding, and resuming with the same bits; and its law."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from data_pruning import Results
from data_pruning.records.settings import digest_of
from real_data import MagnitudePruning, TrainingConfig, measure_magnitude_pruning
from real_data.magnitude_pruning import rounds as of_rounds
from real_data.magnitude_pruning.config import default_design
from real_data.magnitude_pruning.contours import fit_contours, log_densities
from real_data.magnitude_pruning.curves import PruningCurves, curves_of
from real_data.magnitude_pruning.law import law_table, pruning_law
from real_data.magnitude_pruning.masks import flattened, masked, num_weights, pruned, restored, whole
from real_data.magnitude_pruning.rounds import NetworkSize, load_images, prune_rounds, software, training_of

TINY = MagnitudePruning(
    depths=(1,), widths=(4, 6), pool_sizes=(100,), rounds=3, rewind_step=5, num_seeds=2, training=TrainingConfig(20)
)


def measure(config, out=None, **settings):
    return measure_magnitude_pruning(config, out=out, progress=False, **settings)


def weights(first, second, bias=(0.0, 0.0)):
    """Weights of one network in the form of a real one: two kernels and a bias."""
    kernels = [np.asarray(kernel, np.float32)[None] for kernel in (first, second)]
    bias = np.asarray(bias, np.float32)[None]
    return {"layers": {0: {"kernel": kernels[0], "bias": bias}, 1: {"kernel": kernels[1]}}}


def test_masks_by_hand():
    params = weights([[1.0, -5.0], [3.0, 0.5]], [[2.0], [-4.0]], bias=(0.1, 0.1))
    masks = whole(params)
    assert num_weights(params) == 6
    np.testing.assert_array_equal(masks["layers"][0]["bias"], [True])  # biases are not pruned: one for the network
    masks = pruned(masks, params, 4)  # over both kernels: 0.5 and 1 go
    np.testing.assert_array_equal(masks["layers"][0]["kernel"], [[[False, True], [True, False]]])
    np.testing.assert_array_equal(masks["layers"][1]["kernel"], [[[True], [True]]])
    left = masked(params, masks)
    np.testing.assert_array_equal(left["layers"][0]["kernel"], [[[0, -5], [3, 0]]])
    np.testing.assert_array_equal(left["layers"][0]["bias"], np.float32([[0.1, 0.1]]))
    again = pruned(masks, weights([[9.0, 1.0], [2.0, 9.0]], [[3.0], [4.0]]), 2)  # what is gone does not come back
    np.testing.assert_array_equal(flattened(again), [[False, False, False, False, True, True]])
    same = restored(flattened(again), params)
    jax.tree.map(np.testing.assert_array_equal, same, again)


def test_equal_magnitudes_leave_exactly_as_many():
    params = weights([[1.0, -1.0], [1.0, 2.0]], [[1.0], [-1.0]])
    masks = pruned(whole(params), params, 3)  # of five of magnitude 1 the first three go
    np.testing.assert_array_equal(flattened(masks), [[False, False, False, True, True, True]])
    np.testing.assert_array_equal(flattened(pruned(masks, params, 3)), flattened(masks))  # none needs to go
    with pytest.raises(ValueError, match=r"num_left must lie in \[1, 3\], the number of weights left, got 4"):
        pruned(masks, params, 4)
    with pytest.raises(ValueError, match="params must be finite"):
        pruned(masks, weights([[np.nan, 1], [1, 2]], [[1], [1]]), 2)


@pytest.fixture(scope="module")
def training():
    data = load_images(TINY)
    return training_of(NetworkSize(TINY, 1, 6, 100, data.fingerprint, "none"), data)


@pytest.fixture(scope="module")
def half(training):
    """Weights before the first step, and masks that leave half of them."""
    params, batch_stats = training.start()
    return params, batch_stats, pruned(whole(params), params, num_weights(params) // 2)


def test_pruned_weights_stay_exactly_0(training, half):
    params, batch_stats, masks = half
    networks = training.between(params, batch_stats, masks, 5, 20)
    for mask, before, after in zip(*map(jax.tree.leaves, (masks, params, networks.params)), strict=True):
        if mask.ndim > 1:
            assert np.all(after[~mask] == 0)
            assert np.mean(after[mask] != before[mask]) > 0.5  # the others are trained
    assert networks.losses.shape == (2, 15)
    assert networks.correct.shape == (2, 15, 64)


def test_seeds_side_by_side_are_those_one_by_one(training, half):
    """To float32 rounding: 1e-4 of weights of size 0.1 to 1, after 15 steps."""
    params, batch_stats, masks = half
    together = training.between(params, batch_stats, masks, 5, 20)
    for i in range(2):
        part = slice(i, i + 1)
        alone = replace(training, subsets=training.subsets[part], seeds=training.seeds[part])
        one = alone.between(*(jax.tree.map(lambda x: x[part], tree) for tree in half), 5, 20)  # noqa: B023
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a[0], b[i], atol=1e-4),  # noqa: B023
            one.params,
            together.params,
        )


def test_momentum_starts_anew_at_the_rewind_step(training, half):
    """So the first step from there is (1 + momentum) times the gradient, as of Nesterov's very first."""
    params, batch_stats, _ = half
    masks = whole(params)
    with_momentum = training.between(params, batch_stats, masks, 5, 6)
    without = replace(training, config=replace(training.config, momentum=0.0)).between(params, batch_stats, masks, 5, 6)
    moved = [
        np.concatenate([(b - a).ravel() for a, b in zip(*map(jax.tree.leaves, (params, one.params)), strict=True)])
        for one in (with_momentum, without)
    ]
    np.testing.assert_allclose(moved[0], 1.9 * moved[1], atol=1e-6)
    assert np.abs(moved[1]).max() > 1e-3


def test_each_round_starts_from_the_weights_of_the_rewind_step(monkeypatch, tmp_path):
    """Bit for bit; and the density is 0.8^i to the rounding of one weight."""
    calls = []
    between = of_rounds.MaskedTraining.between

    def spied(self, params, batch_stats, masks, first, last):
        networks = between(self, params, batch_stats, masks, first, last)
        calls.append((first, last, params, flattened(masks).sum(axis=1), networks.params))
        return networks

    monkeypatch.setattr(of_rounds.MaskedTraining, "between", spied)
    results = measure(replace(TINY, widths=(6,)), tmp_path)
    assert [call[:2] for call in calls] == [(0, 5), (5, 20), (5, 20), (5, 20)]
    for call in calls[1:]:
        jax.tree.map(np.testing.assert_array_equal, call[2], calls[0][4])
    total = 64 * 6 + 6 * 10
    assert results["num_weights"][0] == total
    for number, call in enumerate(calls[1:]):
        np.testing.assert_array_equal(call[3], round(total * 0.8**number))
    np.testing.assert_allclose(results["density"][0], 0.8 ** np.arange(3), atol=0.5 / total)


def test_interrupted_anywhere_the_bits_are_the_same(monkeypatch, tmp_path):
    """At most one round is trained again, and more rounds go on from those that are saved."""
    whole_run = measure(TINY, tmp_path / "whole")
    between, trained = of_rounds.MaskedTraining.between, []

    def stopping(self, *arguments):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(arguments[3])
        return between(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(of_rounds.MaskedTraining, "between", stopping)
        with pytest.raises(KeyboardInterrupt, match=r"2 of 6 rounds finished; saved in .* Run the same again"):
            measure(TINY, tmp_path / "broken")
    trained = []

    def counting(self, *arguments):
        trained.append(arguments[3])
        return between(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(of_rounds.MaskedTraining, "between", counting)
        again = measure(TINY, tmp_path / "broken")
        assert trained.count(5) == 4  # of six rounds two were saved
        shorter = measure(replace(TINY, rounds=2), tmp_path / "more")
        trained.clear()
        longer = measure(TINY, tmp_path / "more")
        assert trained.count(5) == 2
    for name in whole_run.variables:
        np.testing.assert_array_equal(again[name], whole_run[name])
        np.testing.assert_array_equal(longer[name], whole_run[name])
    np.testing.assert_array_equal(shorter["errors"], whole_run["errors"][:, :2])
    (first, *_) = sorted((tmp_path / "more" / "networks").iterdir())
    first.write_bytes(first.read_bytes()[:-4])
    with pytest.raises(ValueError, match="is damaged"):
        measure(TINY, tmp_path / "more")
    with pytest.raises(ValueError, match=r"belongs to other settings: fraction is 0.2 there and 0.3 now"):
        measure(replace(TINY, fraction=0.3), tmp_path / "more")


def test_workers_must_have_the_same_software_and_data(tmp_path):
    size = NetworkSize(TINY, 1, 6, 100, "other", "other")
    with pytest.raises(ValueError, match="software or device of this worker is another"):
        prune_rounds(size, tmp_path)
    with pytest.raises(ValueError, match=r"sha256 .* is not that of the first worker, other"):
        prune_rounds(replace(size, software=digest_of(software())), tmp_path)
    assert size.key != replace(size, pool_size=101).key != replace(size, width=5).key
    assert size.key == replace(size, config=replace(TINY, rounds=9, widths=(6,))).key


def test_convolutional_networks_of_one_seed_after_another():
    config = MagnitudePruning(
        kind="cnn",
        depths=(4,),
        widths=(0.0625,),
        pool_sizes=(64,),
        rounds=2,
        rewind_step=1,
        num_seeds=2,
        training=TrainingConfig(3),
    )
    results = measure(config)
    # channels 2, 4, 8: 9 (1 2 + 2 4 + 4 8), then 2 x 2 x 8 inputs of the hidden layer of 8 units, and the head
    assert results["num_weights"][0] == 9 * (2 + 8 + 32) + 32 * 8 + 8 * 10
    assert results["errors"].shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depths": (0,)}, "each of depths must be at least 1, got 0"),
        ({"depths": [1]}, "depths must be a tuple"),
        ({"widths": (8, 8)}, r"widths must be different ones, at least one, got \(8, 8\)"),
        ({"widths": (0.5,)}, "each of widths, units of an mlp, must be an integer, got 0.5"),
        ({"kind": "cnn"}, r"depths must be \(4,\), the only depth of a cnn"),
        ({"kind": "patch-features"}, "kind must be one of mlp, cnn, resnet18, resnet50, got 'patch-features'"),
        ({"pool_sizes": (1,)}, "each of pool_sizes must be at least 2, got 1"),
        ({"rounds": 0}, "rounds must be at least 1, got 0"),
        ({"fraction": 1.0}, r"fraction must lie in \(0, 1\), got 1.0"),
        ({"rewind_step": 20}, "rewind_step must be below the 20 steps of the training, got 20"),
        ({"num_seeds": 1}, "num_seeds must be at least 2, got 1"),
        ({"training": 3}, "training must be a TrainingConfig, got 3"),
    ],
)
def test_wrong_settings_are_named(change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        replace(TINY, **change)


def test_what_only_the_data_tell_is_named():
    with pytest.raises(ValueError, match="rounds = 60 leave none of the 444 weights of depth-1-width-6-pool-100"):
        measure(replace(TINY, rounds=60))
    with pytest.raises(ValueError, match=r"size must lie in \[1, 1200\], the number of training images, got 2000"):
        measure(replace(TINY, pool_sizes=(2000,)))
    with pytest.raises(ValueError, match="name the whole training set twice"):
        measure(replace(TINY, pool_sizes=(None, 1200)))
    epochs = TrainingConfig(None, 1, batch_size=50)
    with pytest.raises(ValueError, match="rewind_step must be below the 2 steps of the training, got 5"):
        measure(replace(TINY, training=epochs))
    with pytest.raises(ValueError, match="an executor needs out"):
        measure(TINY, executor=object())
    assert default_design("cifar10", "cnn").depths == (4,)
    assert default_design("cifar10").pool_sizes == (None,)


def made_up(phi=0.3, psi=1.2, noise=0.02, num_rounds=36):
    """A measurement that obeys the law, with noise of single seeds."""
    rng = np.random.default_rng(0)
    depth, width = (grid.ravel() for grid in np.meshgrid([1, 2, 4], [8.0, 16.0, 64.0], indexing="ij"))
    unpruned = 0.05 * (width / 8) ** -0.3 * depth**0.1
    density = np.broadcast_to(0.8 ** np.arange(num_rounds), (depth.size, num_rounds))
    guess, gamma, p = 0.9, 1.5, 0.15
    invariant = (depth**phi * width**psi)[:, None] * density
    e = unpruned[:, None]
    law = e * np.abs((invariant - 1j * p * (guess / e) ** (1 / gamma)) / (invariant - 1j * p)) ** gamma
    errors = law[..., None] * np.exp(noise * rng.standard_normal((*law.shape, 4)))
    results = Results("made up", {"made": "up"})
    for name, values in (
        ("depth", depth.astype(int)),
        ("width", width),
        ("pool_size", np.full(depth.size, 1000)),
        ("num_weights", (74 * width + (depth - 1) * width**2).astype(int)),
    ):
        results.add(name, "network", values, "1", "")
    results.add("density", ("network", "round"), density, "1", "")
    results.add("errors", ("network", "round", "seed"), errors, "1", "")
    results.add("learned", ("network", "round", "seed"), np.ones(errors.shape, int), "1", "")
    results.add("guessing_error", (), guess, "1", "")
    return results


def test_the_law_that_made_the_errors_is_found():
    """phi = 0.3, psi = 1.2, gamma = 1.5: with noise of 1 % of the means, to 0.03, five times the seeds' error."""
    measured = made_up()
    law = pruning_law(measured)
    assert law["hypothesis"].tolist() == ["free", "width only", "weights left", "depth width^2", "none"]
    assert law["phi"][0] == pytest.approx(0.3, abs=0.03)
    assert law["psi"][0] == pytest.approx(1.2, abs=0.03)
    assert law["gamma"][0] == pytest.approx(1.5, abs=0.05)
    assert 0.0005 < law["psi_error"][0] < 0.01
    np.testing.assert_array_equal(law["phi_error"][1:], 0)
    np.testing.assert_array_equal(law["phi"][1:], [0, 0, 1, 0])
    np.testing.assert_array_equal(law["psi"][2:], [1, 2, 0])
    assert law["noise"] == pytest.approx(0.01, rel=0.15)
    assert law["sigma"][0] < law["sigma_left_out"][0] < 0.02
    assert law["own_sigma"] < 0.013
    assert np.all(law["sigma_left_out"][1:] > 0.05)
    assert np.all(law["excess"][1:] > 2 * law["excess_error"][1:])
    for level in range(3):
        for name, value in (("phi", 0.3), ("psi", 1.2)):
            error = law[f"level_{name}_error"][level]
            assert error < 0.01
            assert abs(law[f"level_{name}"][level] - value) < 4 * error + 0.01  # of the unpruned error
    assert law["p_value"] > 1e-3
    text = law_table(law)
    assert "free: l^phi w^psi d" in text
    assert "do they agree? chi-square" in text


def test_networks_that_fail_to_train_are_named_and_left_out():
    measured = made_up()
    measured["learned"][2, 0, 2] = 0
    measured["errors"][4, :, 1] *= 2.5
    measured["errors"][5, 10:, 1] *= 2.5  # after pruning it may differ
    curves = curves_of(measured)
    assert curves.depth.size == 7
    assert curves.failed[0].startswith("depth 1, width 64, 1000 images: a seed is no better than the most frequent")
    assert curves.failed[1].startswith("depth 2, width 16, 1000 images: one seed errs 2.5 times as often")
    few = curves.part(np.arange(7) < 3)
    with pytest.raises(
        ValueError, match="networks of at least 4 depths and widths that were trained without fail, got 3"
    ):
        of_few(few)
    measured["errors"][0, 0] = 0
    with pytest.raises(ValueError, match="needs errors above 0"):
        curves_of(measured)
    with pytest.raises(KeyError):
        curves_of(Results("something else", {}))


def of_few(curves):
    from real_data.magnitude_pruning.invariance import HYPOTHESES, fit_invariant

    return fit_invariant(curves, HYPOTHESES[0])


def test_contours_by_hand():
    density = np.array([1.0, 0.5, 0.25, 0.125])
    errors = np.array([[0.1, 0.1], [0.12, 0.3], [0.2, 0.15], [0.8, 0.6]])
    found = log_densities(density, errors, 0.4)  # halfway in the logarithm for the first seed
    np.testing.assert_allclose(found[0], np.log(0.25 / np.sqrt(2)))
    np.testing.assert_allclose(found[1], np.log(0.25) - np.log(0.4 / 0.15) / np.log(4) * np.log(2))
    assert np.isnan(log_densities(density, errors, 0.05)).all()
    np.testing.assert_array_equal(np.isnan(log_densities(density, errors, 0.7)), [False, True])
    curves = PruningCurves(
        depth=np.ones(3, int),
        width=np.array([4.0, 8.0, 16.0]),
        pool_size=np.ones(3, int),
        num_weights=np.ones(3, int),
        density=np.stack([density] * 3),
        errors=np.stack([errors * factor for factor in ([1.0, 1.0], [0.7, 0.6], [0.5, 0.6])]),
        guessing_error=0.9,
    )
    contours = fit_contours(curves, np.array([0.16, 0.3]), 1.5)
    np.testing.assert_array_equal(contours.exponents[:, 0], 0)  # one depth tells nothing
    assert contours.degrees == 1
    with pytest.raises(ValueError, match="0 of 3 networks reach the errors"):
        fit_contours(curves, np.array([0.2, 0.85]), 1.5)
