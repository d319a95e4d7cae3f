"""AdamW against optax itself, with clipping, masks and interruptions; and what its settings refuse."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_digits

from real_data import MLP, TrainingConfig, train
from real_data.magnitude_pruning.masked_training import MaskedTraining
from real_data.magnitude_pruning.masks import flattened, pruned, whole
from real_data.training import train as training
from real_data.training.learning_rates import learning_rates
from real_data.training.run_folder import RunFolder

DIGITS = load_digits()
IMAGES, LABELS = (DIGITS.images[:400, ..., None] / 16).astype(np.float32), DIGITS.target[:400]
MODEL = partial(MLP, 64, 10, (8,))
ADAMW = TrainingConfig(
    num_steps=40,
    batch_size=16,
    learning_rate=1e-2,
    momentum=0.8,
    second_momentum=0.95,
    weight_decay=0.1,
    gradient_clip=None,
    optimizer="adamw",
    standardize=False,
)


def trained(config=ADAMW, **settings):
    return train(MODEL, IMAGES, LABELS, [np.arange(300)], seeds=[5], config=config, **settings)


def by_optax(config, optimizer, batches):
    """The same training, each step written out."""
    params = jax.tree.map(lambda array: jnp.asarray(array[0]), training.initial_weights(MODEL, [5])[0]["layers"])
    state = optimizer.init(params)
    pixels, labels = jnp.asarray(IMAGES.reshape(len(IMAGES), -1)), jnp.asarray(LABELS)

    def loss(params, batch):
        hidden = jax.nn.relu(pixels[batch] @ params[0]["kernel"] + params[0]["bias"])
        logits = hidden @ params[1]["kernel"] + params[1]["bias"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels[batch]).mean()

    @jax.jit
    def step(params, state, batch):
        value, gradient = jax.value_and_grad(loss)(params, batch)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value

    losses = []
    for batch in batches:
        params, state, value = step(params, state, batch)
        losses.append(value)
    return np.array(losses), params


@pytest.mark.parametrize(
    ("config", "optimizer"),
    [
        (ADAMW, lambda rate: optax.adamw(rate, 0.8, 0.95, weight_decay=0.1)),
        (
            replace(ADAMW, gradient_clip=0.5),
            lambda rate: optax.chain(optax.clip_by_global_norm(0.5), optax.adamw(rate, 0.8, 0.95, weight_decay=0.1)),
        ),
        (
            replace(ADAMW, optimizer="sgd", learning_rate=0.1, second_momentum=0.999),
            lambda rate: optax.chain(optax.add_decayed_weights(0.1), optax.sgd(rate, 0.8, nesterov=True)),
        ),
    ],
)
def test_steps_are_those_of_optax(config, optimizer):
    """To rounding: Adam divides by the root of squared gradients, and so keeps the relative error of small ones."""
    found = trained(config)
    assert found.learning_rates == ((config.learning_rate,),)
    rates = learning_rates(config, config.num_steps)
    losses, params = by_optax(config, optimizer(lambda step: jnp.asarray(rates)[step]), found.batches()[0])
    np.testing.assert_allclose(found.losses[0], losses, rtol=1e-4)
    for layer in (0, 1):
        for name in ("kernel", "bias"):
            np.testing.assert_allclose(found.params["layers"][layer][name][0], params[layer][name], atol=2e-5)


def test_the_decay_is_decoupled_from_the_gradient():
    """An input that is 0 everywhere has no gradient: its weights shrink by rate times decay, and nothing else."""
    config = replace(ADAMW, schedule="constant", warmup=0.0)
    before = training.initial_weights(MODEL, [5])[0]["layers"][0]["kernel"][0]
    after = trained(config).params["layers"][0]["kernel"][0]
    blank = ~IMAGES[:300].reshape(300, -1).any(axis=0)
    assert blank.any()
    np.testing.assert_allclose(after[blank], before[blank] * (1 - 1e-2 * 0.1) ** 40, rtol=1e-5)


def test_an_interrupted_training_goes_on_with_the_same_bits(tmp_path, monkeypatch):
    """Ctrl-C after the second checkpoint: means, squares and the count of steps come from there."""
    expected = trained(networks_at_once=1)
    save = RunFolder.save

    def saved_then_interrupted(self, step, tree):
        save(self, step, tree)
        if step == 14:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "save", saved_then_interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained(folder=tmp_path, checkpoint_every=7)
    found = trained(folder=tmp_path, checkpoint_every=7)
    np.testing.assert_array_equal(found.losses, expected.losses)
    jax.tree.map(np.testing.assert_array_equal, found.params, expected.params)
    with pytest.raises(ValueError, match=r"training\.second_momentum is 0\.95 there and 0\.9 now"):
        trained(replace(ADAMW, second_momentum=0.9), folder=tmp_path)


@pytest.mark.parametrize("config", [ADAMW, replace(ADAMW, optimizer="sgd", learning_rate=0.05)])
def test_masked_weights_stay_zero(config):
    masking = MaskedTraining(MODEL, IMAGES, LABELS, (np.arange(300),), (5,), config)
    params, batch_stats = masking.start()
    masks = pruned(whole(params), params, 200)
    found = masking.between(params, batch_stats, masks, 0, 40)
    values, left = flattened(found.params), flattened(masks)
    assert left.sum() == 200
    np.testing.assert_array_equal(values[~left], 0)
    assert np.all(values[left] != 0)
    unmasked = masking.between(params, batch_stats, whole(params), 0, 40)
    expected = trained(config)
    np.testing.assert_allclose(unmasked.losses, expected.losses, rtol=1e-4)


def test_settings_are_checked():
    with pytest.raises(ValueError, match="optimizer must be one of sgd, adamw, got 'adam'"):
        TrainingConfig(optimizer="adam")
    with pytest.raises(ValueError, match=r"second_momentum must lie in \[0, 1\), got 1"):
        TrainingConfig(optimizer="adamw", second_momentum=1.0)
