"""GraNd: gradients of single examples taken one by one, values by hand, independence of the batch."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from data_pruning.compilation import quickly_compiled
from real_data.models import CNN, MLP, ResNet, VisionTransformer, gradient_squares, gradient_tap, residual
from real_data.scores.grand import _one_by_one, gradient_norm

NUM_CLASSES = 5
TINY = {"patch_size": 4, "width": 24, "num_heads": 3, "depth": 2}
CASES = {
    "logistic regression": (partial(MLP, 108, NUM_CLASSES, ()), (6, 6, 3)),
    "mlp": (partial(MLP, 108, NUM_CLASSES, (11, 7)), (6, 6, 3)),
    "cnn": (partial(CNN, (9, 8, 3), NUM_CLASSES, (5, 6, 7)), (9, 8, 3)),
    "resnet18, cifar": (partial(ResNet, 18, 3, NUM_CLASSES, stem="cifar", width=1 / 8), (17, 16, 3)),
    "resnet50, imagenet": (partial(ResNet, 50, 3, NUM_CLASSES, stem="imagenet", width=1 / 16), (35, 32, 3)),
    "transformer": (partial(VisionTransformer, (8, 12, 3), NUM_CLASSES, **TINY), (8, 12, 3)),
    "transformer, registers": (partial(VisionTransformer, (8, 12, 3), NUM_CLASSES, registers=3, **TINY), (8, 12, 3)),
}

# both kinds of blocks, both stems; one block a stage instead of up to six: more of the same would tell nothing new
SHALLOW = ("resnet18, cifar", "resnet50, imagenet")


def abstract_network(name, **options):
    """A network without values."""
    model, _ = CASES[name]
    with pytest.MonkeyPatch.context() as patch:
        if name in SHALLOW:
            patch.setattr(residual, "_STAGES", dict.fromkeys((18, 50), (1, 1, 1, 1)))
        return nnx.eval_shape(lambda: model(rngs=nnx.Rngs(0), **options))


def network_and_batch(name, num_images=6):
    """A network, its weights and statistics, images and labels; random numbers of NumPy, as they need no compiling."""
    _, shape = CASES[name]
    rng = np.random.default_rng(0)
    graphdef, *states = nnx.split(abstract_network(name), nnx.Param, nnx.BatchStat)

    def values(path, leaf):
        name = path[-1].key
        if name == "var":
            return rng.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
        if name == "scale":  # small: features stay of order 1, so that early layers have a share in the gradient
            return rng.uniform(0.1, 0.5, leaf.shape).astype(np.float32)
        size = np.sqrt(2 / np.prod(leaf.shape[:-1])) if name == "kernel" else 0.1
        return (size * rng.normal(size=leaf.shape)).astype(np.float32)

    states = [jax.tree.map_with_path(values, nnx.to_pure_dict(state)) for state in states]
    images = rng.normal(size=(num_images, *shape)).astype(np.float32)
    return graphdef, states, images, rng.integers(0, NUM_CLASSES, num_images)


@quickly_compiled(static_argnames=("graphdef", "norm"))
def lengths(graphdef, states, images, labels, norm=gradient_norm):
    return norm(nnx.merge(graphdef, *states), images, labels)


@pytest.mark.parametrize("name", CASES)
def test_one_backward_pass_gives_every_examples_gradient(name):
    """Both ways round to float32: 6e-8 per operation, some 1e-6 after many layers."""
    arguments = network_and_batch(name)
    found = lengths(*arguments)
    expected = lengths(*arguments, norm=_one_by_one)
    assert found.shape == (6,)
    assert found.dtype == jnp.float32
    assert np.all(np.isfinite(expected) & (expected > 1e-3))
    np.testing.assert_allclose(found, expected, rtol=2e-5)


def test_a_score_depends_on_no_other_example():
    graphdef, states, images, labels = network_and_batch("resnet18, cifar")
    together = lengths(graphdef, states, images, labels)
    reversed_ = lengths(graphdef, states, images[::-1], labels[::-1])
    np.testing.assert_allclose(reversed_[::-1], together, rtol=1e-5)
    others = np.random.default_rng(1).normal(size=images.shape).astype(np.float32) * 10
    others[2] = images[2]
    np.testing.assert_allclose(lengths(graphdef, states, others, labels)[2], together[2], rtol=1e-5)
    np.testing.assert_allclose(lengths(graphdef, states, images[2:3], labels[2:3])[0], together[2], rtol=1e-5)


def test_logistic_regression_by_hand():
    """The gradient is (p - y) x^T for the kernel and p - y for the bias: |p - y| sqrt(|x|^2 + 1)."""
    graphdef, states, images, labels = network_and_batch("logistic regression")
    weights = states[0]["layers"][0]
    x = images.reshape(len(images), -1)
    p = jax.nn.softmax(x @ weights["kernel"] + weights["bias"])
    error = np.linalg.norm(p - np.eye(NUM_CLASSES)[labels], axis=1)
    expected = error * np.sqrt(np.sum(x**2, axis=1) + 1)
    np.testing.assert_allclose(lengths(graphdef, states, images, labels), expected, rtol=1e-5)


@pytest.mark.parametrize("way", ["matrices", "products", "shifted_products"])
@pytest.mark.parametrize(("kernel", "padding"), [((3, 3), ((1, 1), (1, 1))), ((2, 3), ((0, 1), (2, 0))), ((1, 1), 0)])
def test_both_forms_for_convolutions(way, kernel, padding):
    """Each against the gradients themselves, whichever the layer would choose."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3, 5, 6, 4)).astype(np.float32)
    weights = rng.normal(size=(*kernel, 4, 7)).astype(np.float32)
    padding = ((0, 0), (0, 0)) if padding == 0 else padding
    strides = (1, 1) if way == "shifted_products" else (2, 1)

    def convolve(weights, x):
        return gradient_tap._convolve(x[None], (weights, None), strides=strides, padding=padding)[0]

    d = rng.normal(size=jax.vmap(partial(convolve, weights))(x).shape).astype(np.float32)
    offsets = [(dy, dx) for dy in range(kernel[0]) for dx in range(kernel[1])]
    settings = (padding,) if way == "shifted_products" else (strides, padding)
    found = getattr(gradient_squares, f"_squares_by_{way}")(x, d, offsets, *settings)
    gradients = jax.vmap(lambda x, d: jax.vjp(lambda w: convolve(w, x), weights)[1](d)[0])(x, d)
    np.testing.assert_allclose(found, np.sum(gradients**2, axis=(1, 2, 3, 4)), rtol=1e-5)


@pytest.mark.parametrize(("positions", "by_matrices"), [(3, False), (5, True)])
def test_both_forms_for_sequences(positions, by_matrices):
    """6 x 7 entries of a matrix against 13 of each position: matrices from four positions on."""
    rng = np.random.default_rng(4)
    x, d = (rng.normal(size=(2, positions, size)).astype(np.float32) for size in (6, 7))
    gradients = np.einsum("bpi,bpo->bio", x.astype(np.float64), d)
    np.testing.assert_allclose(gradient_squares.sequence_squares(x, d), np.sum(gradients**2, axis=(1, 2)), rtol=1e-5)
    program = str(jax.make_jaxpr(gradient_squares.sequence_squares)(x, d))
    assert ("f32[2,6,7]" in program) == by_matrices


def test_normalized_layers_on_sequences_and_arrays_added_to_each_example():
    """A normalisation without scale or bias, dense layers without bias, and what is added, each by itself."""
    rng = np.random.default_rng(6)
    x, d, w = (rng.normal(size=shape).astype(np.float32) for shape in ((3, 5, 4), (3, 5, 4), (5, 4)))
    layers = [
        nnx.LayerNorm(4, use_scale=scale, use_bias=bias, rngs=nnx.Rngs(0))
        for scale, bias in ((True, True), (True, False), (False, True), (False, False))
    ]
    layers.append(nnx.Linear(4, 4, use_bias=False, rngs=nnx.Rngs(0)))

    def squares(function):
        return jax.grad(lambda tap: jnp.sum(function(tap) * d))(jnp.zeros(3))

    for layer in layers:
        graphdef, weights = nnx.split(layer)
        np.testing.assert_allclose(gradient_tap.call(layer, x, jnp.zeros(3)), layer(x), atol=1e-5)

        def of_one(x, d, graphdef=graphdef, weights=weights):
            gradient = jax.grad(lambda w: jnp.sum(nnx.merge(graphdef, w)(x) * d))(weights)
            return sum((jnp.sum(g**2) for g in jax.tree.leaves(gradient)), start=jnp.zeros(()))

        found = squares(lambda tap, layer=layer: gradient_tap.call(layer, x, tap))
        np.testing.assert_allclose(found, jax.vmap(of_one)(x, d), rtol=1e-5)
    np.testing.assert_allclose(squares(lambda tap: gradient_tap.added(x, w, tap)), np.sum(d**2, axis=(1, 2)), rtol=1e-6)


def test_all_forms_are_in_use():
    """The networks above would not notice a wrong form that they never choose."""
    chosen = []
    for way in ("matrices", "products", "shifted_products"):
        original = getattr(gradient_squares, f"_squares_by_{way}")

        def noting(*arguments, way=way, original=original):
            chosen.append(way)
            return original(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gradient_squares, f"_squares_by_{way}", noting)
            for name in ("resnet18, cifar", "cnn"):
                graphdef, states, images, labels = network_and_batch(name)
                jax.eval_shape(lambda s, g=graphdef, i=images, y=labels: gradient_norm(nnx.merge(g, *s), i, y), states)
    assert set(chosen) == {"matrices", "products", "shifted_products"}


class Foreign(nnx.Module):
    """Knows of no tap, and has weights that no tap knows: a scale of the whole input."""

    def __init__(self, *, rngs):
        self.scale = nnx.Param(jnp.float32(0.7))
        self.dense = nnx.Linear(12, NUM_CLASSES, rngs=rngs)

    def __call__(self, images):
        return self.dense(self.scale[...] * images.reshape(len(images), -1))


def test_networks_without_a_tap_are_taken_one_by_one():
    """With e = p - y and s the scale, the gradients are e s x^T, e and e . (W^T x)."""
    network = Foreign(rngs=nnx.Rngs(0))
    rng = np.random.default_rng(2)
    images, labels = rng.normal(size=(4, 2, 2, 3)).astype(np.float32), np.array([0, 4, 2, 2])
    x, kernel = images.reshape(4, -1), np.asarray(network.dense.kernel[...])
    e = np.asarray(jax.nn.softmax(network(images))) - np.eye(NUM_CLASSES)[labels]
    squares = np.sum(e**2, axis=1) * (0.49 * np.sum(x**2, axis=1) + 1) + np.sum(e * (x @ kernel), axis=1) ** 2
    np.testing.assert_allclose(gradient_norm(network, images, jnp.asarray(labels)), np.sqrt(squares), rtol=1e-5)


def test_bfloat16_is_close_to_float32():
    """Activations keep 8 bits, relative error up to 2^-9 = 0.2 % in each of 10 layers; lengths to a few per cent."""
    _, states, images, labels = network_and_batch("resnet18, cifar")
    networks = [abstract_network("resnet18, cifar", dtype=dtype) for dtype in (jnp.float32, jnp.bfloat16)]
    graphdefs = [nnx.split(network)[0] for network in networks]
    exact, rounded = (lengths(graphdef, states, images, labels) for graphdef in graphdefs)
    assert rounded.dtype == jnp.float32
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded, exact, rtol=0.05)


def test_a_tap_is_refused_in_training_and_by_unknown_layers():
    graphdef, states, images, _ = network_and_batch("resnet18, cifar")
    with pytest.raises(ValueError, match="a tap needs train = False"):
        nnx.merge(graphdef, *states)(images, train=True, tap=jnp.zeros(len(images)))
    with pytest.raises(
        ValueError, match=r"a tap needs nnx\.Linear, nnx\.Conv, nnx\.BatchNorm, nnx\.LayerNorm, got Embed"
    ):
        gradient_tap.call(nnx.Embed(3, 4, rngs=nnx.Rngs(0)), jnp.zeros((2, 3)), jnp.zeros(2))
    grouped = nnx.Conv(4, 4, (3, 3), feature_group_count=2, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="without groups or dilation"):
        gradient_tap.call(grouped, jnp.zeros((2, 5, 5, 4)), jnp.zeros(2))


def test_the_batch_size_does_not_matter_even_for_examples_that_are_nearly_sure():
    """A trained network: most of p is near 1, where 1 - p would be rounding.

    The bound is that of float32 logits, which differ by some 1e-6 with the shape of a product: a relative 1e-5.
    """
    from sklearn.datasets import load_digits

    from real_data import ModelConfig, TrainingConfig, models, train
    from real_data.scores.scoring import scores_of_networks

    digits = load_digits()
    images, labels = digits.images[:300, ..., None].astype(np.float32) / 16, digits.target[:300]
    model = models.build(ModelConfig("mlp"), (8, 8, 1), 10)
    networks = train(model, images, labels, [np.arange(300)], seeds=[0], config=TrainingConfig(num_steps=300))
    found = [scores_of_networks(networks, ["grand", "el2n"], images, labels, batch_size=size) for size in (1, 97, 1024)]
    assert found[0]["el2n"].min() < 1e-3  # else this tests nothing
    for other in found[1:]:
        for metric in ("grand", "el2n"):
            np.testing.assert_allclose(other[metric], found[0][metric], rtol=1e-5)
