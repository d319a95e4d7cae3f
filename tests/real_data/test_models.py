"""Networks: what they return, what state they have, and that the settings reach them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from data_pruning.compilation import quickly_compiled
from real_data.models import MLP, build
from real_data.models.config import ModelConfig
from real_data.models.convolution import convolve
from real_data.models.convolutional import largest_of_four
from real_data.models.residual import _Normalized

KINDS = {
    "mlp": ModelConfig("mlp", hidden=(9, 6)),
    "cnn": ModelConfig("cnn", width=0.25),
    "resnet18": ModelConfig("resnet18", width=0.0625),
}
WIDTH = {"mlp": 6, "cnn": 32, "resnet18": 32}
IMAGES = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)


def made(config):
    """Structure, weights and statistics; random numbers of NumPy, as those of JAX take long to compile."""
    model = build(config, IMAGES.shape[1:], 5)
    graphdef, *states = nnx.split(nnx.eval_shape(lambda: model(rngs=nnx.Rngs(0))), nnx.Param, nnx.BatchStat)
    rng = np.random.default_rng(1)

    def values(path, leaf):
        if path[-1].key in ("scale", "var"):
            return jnp.ones(leaf.shape, leaf.dtype)
        if path[-1].key != "kernel":
            return jnp.zeros(leaf.shape, leaf.dtype)
        return jnp.asarray(np.sqrt(2 / np.prod(leaf.shape[:-1])) * rng.normal(size=leaf.shape), leaf.dtype)

    return graphdef, *(jax.tree.map_with_path(values, nnx.to_pure_dict(state)) for state in states)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_and_state_are_float32(kind, precision):
    """Whatever the type of the activations; the logits are the last layer's function of the features."""
    config = ModelConfig(**{**KINDS[kind].__dict__, "precision": precision})
    graphdef, params, statistics = made(config)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves((params, statistics)))

    @quickly_compiled()
    def outputs(*states):
        network = nnx.merge(graphdef, *states)
        return network(IMAGES), network.features(IMAGES)

    logits, features = outputs(params, statistics)
    assert (logits.shape, logits.dtype) == ((4, 5), jnp.float32)
    assert (features.shape, features.dtype) == ((4, WIDTH[kind]), jnp.float32)
    last = params["layers"][2] if kind == "mlp" else params["head"]
    np.testing.assert_allclose(features @ last["kernel"] + last["bias"], logits, rtol=1e-5, atol=1e-6)
    in_bfloat16 = np.array_equal(features, features.astype(jnp.bfloat16).astype(jnp.float32))
    assert in_bfloat16 == (precision == "bfloat16")  # of the ResNet, too: one pixel is left to average over


def test_equal_settings_give_the_same_object():
    for config in KINDS.values():
        again = ModelConfig(**config.__dict__)
        assert build(config, (8, 8, 3), 5) is build(again, [8, 8, 3], 5)
        assert build(config, (8, 8, 3), 5) is not build(config, (8, 8, 3), 6)
    one, other = (made(KINDS["resnet18"])[0] for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)


def test_automatic_precision_is_float32_on_a_cpu():
    if jax.default_backend() != "cpu":
        pytest.skip("for a CPU")
    graphdef, params, statistics = made(KINDS["cnn"])
    exact, *_ = made(ModelConfig(**{**KINDS["cnn"].__dict__, "precision": "float32"}))
    one, other = (nnx.merge(g, params, statistics)(IMAGES) for g in (graphdef, exact))
    np.testing.assert_array_equal(one, other)


def test_automatic_stem_goes_by_the_size_of_the_images():
    def stem(height, width):
        model = build(ModelConfig("resnet18", width=0.0625), (height, width, 1), 5)
        return nnx.eval_shape(lambda: model(rngs=nnx.Rngs(0))).stem.convolution.kernel.shape

    assert stem(64, 80) == (7, 7, 1, 4)
    assert stem(63, 80) == (3, 3, 1, 4)


def test_statistics_move_in_training_alone():
    """By a tenth of the way from (0, 1) to the mean and variance of the batch."""
    graphdef, params, statistics = made(KINDS["resnet18"])

    @quickly_compiled(static_argnames="train")
    def after(train):
        network = nnx.merge(graphdef, params, statistics)
        network(IMAGES, train=train)
        return nnx.to_pure_dict(nnx.state(network, nnx.BatchStat)), network.stem.convolution(IMAGES)

    jax.tree.map(np.testing.assert_array_equal, after(train=False)[0], statistics)
    moved, seen = after(train=True)
    first = moved["stem"]["normalization"]
    np.testing.assert_allclose(first["mean"], 0.1 * seen.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(first["var"], 0.9 + 0.1 * seen.var(axis=(0, 1, 2)), rtol=1e-4)


def test_initial_convolutions_have_the_variance_of_he():
    """A kernel of 3 x 3 x 64 x 128, 73728 normal numbers: standard error of the variance sqrt(2 / n) = 0.5 %; in 5 of
    these, a false alarm once in a million seeds."""
    layer = _Normalized(64, 128, 3, dtype=jnp.float32, rngs=nnx.Rngs(0))
    kernel = np.asarray(layer.convolution.kernel[...])
    assert kernel.shape == (3, 3, 64, 128)
    assert abs(kernel.var() / (2 / (9 * 128)) - 1) < 0.026


def test_mlp_without_hidden_layers_is_linear():
    network = MLP(192, 5, (), rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(network.features(IMAGES), IMAGES.reshape(4, -1))
    np.testing.assert_allclose(network(IMAGES) + network(-IMAGES), 0, atol=1e-5)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="image_shape must be height, width and channels"):
        build(ModelConfig(), (8, 8), 10)
    with pytest.raises(ValueError, match="num_classes must be at least 2, got 1"):
        build(ModelConfig(), (8, 8, 1), 1)
    with pytest.raises(ValueError, match="a cnn needs images of at least 4 x 4 pixels, got 3 x 8"):
        build(ModelConfig("cnn"), (3, 8, 1), 10)


@pytest.mark.parametrize(
    ("kernel", "padding"), [((3, 3), ((1, 1), (1, 1))), ((2, 3), ((0, 1), (2, 0))), ((1, 1), None)]
)
def test_gradients_of_convolutions_are_those_of_jax(kernel, padding):
    """Sums of up to 240 products, of size up to about 50, rounded to float32."""
    rng = np.random.default_rng(5)
    weights, d = (rng.normal(size=shape).astype(np.float32) for shape in ((*kernel, 3, 7), (4, 8, 8, 7)))
    padding = padding or ((0, 0), (0, 0))
    settings = dict.fromkeys(("lhs_dilation", "rhs_dilation"), (1, 1)) | {
        "feature_group_count": 1,
        "precision": None,
        "dimension_numbers": ("NHWC", "HWIO", "NHWC"),
    }

    def gradients(function):
        return jax.vjp(lambda x, w: function(x, w, (1, 1), padding, **settings), IMAGES, weights)[1](d)

    for ours, theirs in zip(gradients(convolve), gradients(jax.lax.conv_general_dilated), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("size", [(6, 8), (7, 5)])
def test_pooling_takes_the_largest_of_four(size):
    images = jnp.asarray(np.random.default_rng(3).normal(size=(2, *size, 3)), jnp.float32)
    expected = nnx.max_pool(images, (2, 2), strides=(2, 2))
    np.testing.assert_array_equal(largest_of_four(images), expected)
    gradients = [
        jax.grad(lambda x, pool=pool: jnp.sum(jnp.sin(pool(x))))(images)
        for pool in (largest_of_four, lambda x: nnx.max_pool(x, (2, 2), strides=(2, 2)))
    ]
    np.testing.assert_allclose(*gradients, atol=1e-6)
