"""Fixed features with a readout that is solved for."""

import numpy as np
import pytest

from real_data import ModelConfig, TrainingConfig, load_digits, models, train
from real_data.scores import scores_of_networks
from real_data.training.examples import Examples
from real_data.training.readout import RIDGES

DATA = load_digits(0)
CONFIG = TrainingConfig()


def trained(kind, subsets, seeds, width=0.2):
    model = models.build(ModelConfig(kind, width=width), DATA.train_images.shape[1:], 10)
    return train(model, DATA.train_images, DATA.train_labels, subsets, seeds=seeds, config=CONFIG)


def test_the_readout_is_weighted_ridge_regression():
    """By the normal equations with an intercept that is not shrunk; lambda by leaving out each example for real."""
    kept = np.arange(150)
    weights = np.random.default_rng(0).uniform(0.5, 2, 150)
    networks = trained("random-features", [Examples(kept, weights.astype(np.float32))], [3])
    features = np.asarray(networks.features(DATA.train_images[:150])[0], np.float64)
    target = np.eye(10)[DATA.train_labels[:150]]

    def solved(rows, ridge):
        w = weights[rows]
        mean, mean_target = w @ features[rows] / w.sum(), w @ target[rows] / w.sum()
        x, y = features[rows] - mean, target[rows] - mean_target
        kernel = np.linalg.solve(x.T @ (w[:, None] * x) + ridge * np.eye(x.shape[1]), x.T @ (w[:, None] * y))
        return kernel, mean_target - mean @ kernel

    everything = np.arange(150)
    centred = features - weights @ features / weights.sum()
    size = np.trace(centred.T @ (weights[:, None] * centred)) / features.shape[1]
    losses = []
    for ridge in RIDGES[4:12:2] * size:
        errors = []
        for i in range(0, 150, 10):  # every tenth: the winner is the same
            kernel, bias = solved(np.delete(everything, i), ridge)
            errors.append(weights[i] * np.sum((target[i] - features[i] @ kernel - bias) ** 2))
        losses.append(np.mean(errors))
    found = networks.params["readout"]
    fits = [solved(everything, ridge)[0] for ridge in RIDGES * size]
    cosines = [np.sum(k * found["kernel"][0]) / np.linalg.norm(k) / np.linalg.norm(found["kernel"][0]) for k in fits]
    best = int(np.argmax(cosines))
    assert cosines[best] > 1 - 1e-6
    assert 4 <= best < 12
    near = min(range(4), key=lambda j: abs(4 + 2 * j - best))
    assert losses[near] < 1.05 * min(losses)
    # intercept and kernel have the same scale
    kernel, bias = solved(everything, RIDGES[best] * size)
    scale = np.sum(kernel * found["kernel"][0]) / np.sum(kernel**2)
    np.testing.assert_allclose(found["bias"][0], scale * bias, rtol=1e-3, atol=1e-4 * scale)


def test_neighbours_do_not_matter():
    """Trained beside subsets of other sizes, some with weights: the same network, and the same training error."""
    mine = np.arange(0, 400, 2)
    others = [np.arange(90), Examples(np.arange(300), np.linspace(0.5, 1.5, 300, dtype=np.float32)), mine]
    alone, beside = trained("random-features", [mine], [3]), trained("random-features", others, [5, 3, 3])
    np.testing.assert_array_equal(alone.params["readout"]["kernel"][0], beside.params["readout"]["kernel"][2])
    assert alone.training_errors[0] == beside.training_errors[2]


@pytest.mark.parametrize(("kind", "most"), [("random-features", 0.10), ("patch-features", 0.10)])
def test_they_learn_and_share_features(kind, most):
    """Twice the same kept set gives the same network; another seed other features; a mixture of sizes is no matter."""
    subsets = [np.arange(400), np.arange(200), np.arange(400)]
    networks = trained(kind, subsets, [0, 0, 1], width=0.5)
    errors = networks.errors(DATA.test_images, DATA.test_labels)
    assert errors[0] < most
    assert errors[0] < errors[1]
    assert networks.learned.all()
    alone = trained(kind, [np.arange(400)], [1], width=0.5)
    np.testing.assert_allclose(alone.logits(DATA.test_images)[0], networks.logits(DATA.test_images)[2], atol=1e-3)
    # logits that share features are those of each network
    by_network = networks.map(_logits, DATA.test_images)
    np.testing.assert_allclose(networks.logits(DATA.test_images), by_network, atol=1e-3)
    assert networks.training_errors[0] == pytest.approx(errors[0], abs=0.06)  # of examples left out


def _logits(network, inputs, labels):
    return network(inputs)


def test_left_out_answers_are_calibrated():
    """The mean probability of the right class is near the share of right answers, on new images."""
    networks = trained("random-features", [np.arange(600)], [0], width=0.5)
    logits = networks.logits(DATA.test_images)[0].astype(float)
    probability = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    right = logits.argmax(axis=1) == DATA.test_labels
    assert abs(probability.max(axis=1).mean() - right.mean()) < 0.05


def test_scores_of_gradients_need_gradient_descent():
    networks = trained("random-features", [np.arange(100)], [0])
    for metric in ("grand", "forgetting"):
        with pytest.raises(ValueError, match=r"grand and the course of training .* need networks"):
            scores_of_networks(networks, [metric], DATA.train_images[:100], DATA.train_labels[:100])
    assert scores_of_networks(networks, ["el2n"], DATA.train_images[:100], DATA.train_labels[:100])["el2n"].shape == (
        1,
        100,
    )
    with pytest.raises(ValueError, match="rs2 and infobatch choose while gradients descend"):
        trained("random-features", [Examples(np.arange(100), per_epoch=10)], [0])


def test_patches_need_room():
    with pytest.raises(ValueError, match="at least 8 x 8 pixels for patch features"):
        models.build(ModelConfig("patch-features"), (7, 9, 1), 10)(rngs=None)
