"""Vision transformers against torchvision and timm: the same tensors, the same function of them, other resolutions."""

import importlib.util
import json
from collections import Counter
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from data_pruning.compilation import quickly_compiled
from real_data.models import ModelConfig, VisionTransformer, build
from real_data.models.position_embedding import interpolated
from real_data.training.networks import architecture_of
from real_data.training.train import TrainingConfig, default_networks_at_once, train

_place = Path(__file__).parent / "reference" / "make_torch_transformer.py"
_spec = importlib.util.spec_from_file_location("make_torch_transformer", _place)
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)
KEPT = json.loads(reference.FILE.read_text())
KIND = {"vit_b_16": "vit-b", "vit_tiny_patch16_224": "vit-ti", "vit_small_patch16_224": "vit-s"}
EXACT = {"precision": "float32"}

OUTSIDE_BLOCKS = {  # our name: in torchvision, in timm
    "embedding/patches/kernel": ("conv_proj.weight", "patch_embed.proj.weight"),
    "embedding/patches/bias": ("conv_proj.bias", "patch_embed.proj.bias"),
    "embedding/class_token": ("class_token", "cls_token"),
    "embedding/positions": ("encoder.pos_embedding", "pos_embed"),
    "embedding/registers": ("", "reg_token"),
    "norm/scale": ("encoder.ln.weight", "norm.weight"),
    "norm/bias": ("encoder.ln.bias", "norm.bias"),
    "head/kernel": ("heads.head.weight", "head.weight"),
    "head/bias": ("heads.head.bias", "head.bias"),
}
IN_BLOCKS = {
    "attention_norm": ("ln_1.", "norm1."),
    "attention/query_key_value": ("self_attention.in_proj_", "attn.qkv."),
    "attention/projection": ("self_attention.out_proj.", "attn.proj."),
    "mlp_norm": ("ln_2.", "norm2."),
    "mlp/expansion": ("mlp.0.", "mlp.fc1."),
    "mlp/contraction": ("mlp.3.", "mlp.fc2."),
}


def name_in(library, path):
    """Name in torchvision or timm of one of our tensors."""
    number = ("torchvision", "timm").index(library)
    if path in OUTSIDE_BLOCKS:
        return OUTSIDE_BLOCKS[path][number]
    _, block, *layer, leaf = path.split("/")
    place = ("encoder.layers.encoder_layer_", "blocks.")[number] + f"{block}."
    return place + IN_BLOCKS["/".join(layer)][number] + ("bias" if leaf == "bias" else "weight")


def torch_shape(path, shape):
    """Shape there: kernels have the outputs first, that of patches is a convolution, tokens have an axis more."""
    if path == "embedding/patches/kernel":
        size = round(np.sqrt(shape[0] / 3))
        return (shape[1], 3, size, size)
    if path in ("embedding/class_token", "embedding/positions", "embedding/registers"):
        return (1, *shape)
    return tuple(shape[::-1])


def from_torch(values):
    if values.ndim == 4:  # patches: row, column, channel
        return values.transpose(2, 3, 1, 0).reshape(-1, len(values))
    return values[0] if values.ndim == 3 else values.T


def network_of(case, shape=None):
    """Our network for images of this shape, without values."""
    settings, own_shape = reference.CASES[case]
    config = ModelConfig(
        KIND[case.split("/")[1]], depth=settings.get("depth"), registers=settings.get("reg_tokens", 0), **EXACT
    )
    return build(config, (*(shape or own_shape), 3), reference.NUM_CLASSES)


def weights_of(case, tensor):
    """Structure of the network for 224 x 224 pixels, and its weights from ``tensor(name, shape)``."""
    graphdef, params = split(network_of(case, (224, 224)))
    library = case.split("/")[0]

    def fill(path, leaf):
        path = "/".join(str(key.key) for key in path)
        shape = torch_shape(path, leaf.shape)
        if path == "embedding/positions" and "registers" in case:  # timm has none for the class token there
            values = tensor(name_in(library, path), (1, shape[1] - 1, shape[2]))
            return np.pad(from_torch(values), ((1, 0), (0, 0)))
        return from_torch(tensor(name_in(library, path), shape))

    return graphdef, jax.tree.map_with_path(fill, params)


def split(model):
    graphdef, params = nnx.split(nnx.eval_shape(lambda: model(rngs=nnx.Rngs(0))), nnx.Param)
    return graphdef, nnx.to_pure_dict(params)


@quickly_compiled(static_argnames="graphdef")
def logits_of(graphdef, params, images):
    return nnx.merge(graphdef, params)(images)


def our_logits(case):
    shape = reference.CASES[case][1]
    graphdef, params = weights_of(case, reference.tensor)
    if shape != (224, 224):
        graphdef, _ = split(network_of(case))
        embedding = params["embedding"]
        embedding["positions"] = interpolated(embedding["positions"], (14, 14), (shape[0] // 16, shape[1] // 16))
    return np.asarray(logits_of(graphdef, params, reference.images(shape)))


@pytest.mark.parametrize("case", reference.CASES)
def test_parameters_have_the_shapes_of_torchvision_and_timm(case):
    _, params = split(network_of(case, (224, 224)))
    shapes = []
    for path, leaf in jax.tree.leaves_with_path(params):
        path = "/".join(str(key.key) for key in path)
        shape = torch_shape(path, leaf.shape)
        if path == "embedding/positions" and "registers" in case:
            shape = (1, shape[1] - 1, shape[2])
        shapes.append(shape)
    kept = KEPT["cases"][case]
    assert Counter("x".join(map(str, shape)) for shape in shapes) == kept["num_tensors_of_shape"]
    assert sum(map(np.prod, shapes)) == kept["num_parameters"]


@pytest.mark.parametrize(("kind", "published"), [("vit-b", 86_567_656), ("vit-s", 22_050_664), ("vit-ti", 5_717_416)])
def test_number_of_parameters_as_published(kind, published):
    """On torchvision's page of vit_b_16, and 22.1 and 5.7 million in timm's tables, for 1000 classes."""
    architecture = architecture_of(build(ModelConfig(kind), (224, 224, 3), 1000), (224, 224, 3))
    assert architecture.num_weights == published
    assert architecture.num_tokens == 197
    assert not architecture.convolutional


@pytest.mark.parametrize("case", reference.CASES)
def test_logits_are_those_of_torchvision_and_timm(case):
    """Kept logits are double precision, ours float32; those of another size have positions interpolated by timm.

    A block has about ten operations, each of relative rounding 6e-8, so 12 blocks leave some 1e-6.
    """
    expected = np.array(KEPT["cases"][case]["logits"])
    np.testing.assert_allclose(our_logits(case), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("case", reference.CASES)
def test_live_beside_torchvision_and_timm(case):
    pytest.importorskip("torch")
    pytest.importorskip(case.split("/")[0])
    network = reference.filled(reference.torch_transformer(case))
    expected = reference.logits(network, reference.images(reference.CASES[case][1]))
    np.testing.assert_allclose(our_logits(case), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("number", range(len(reference.GRIDS)))
def test_positions_are_interpolated_as_timm_does(number):
    """Of numbers of size up to 4 both ways are float32, about ten operations each."""
    before, after = reference.GRIDS[number]
    given = reference.positions(before)
    found = interpolated(given, before, after)
    np.testing.assert_allclose(found, np.array(KEPT["positions"][number]), rtol=0, atol=5e-6)
    np.testing.assert_array_equal(found[0], given[0])


def test_positions_of_the_same_grid_stay_as_they_are():
    given = reference.positions((4, 6))
    np.testing.assert_array_equal(interpolated(given, (4, 6), (4, 6)), given)
    with pytest.raises(ValueError, match=r"positions must have 1 \+ 5 x 5 rows, the class token and the grid, got"):
        interpolated(given, (5, 5), (4, 6))
    with pytest.raises(ValueError, match="before and after must have at least one row and one column"):
        interpolated(given, (4, 6), (0, 6))
    with pytest.raises(ValueError, match="positions must be finite"):
        interpolated(np.full_like(given, np.nan), (4, 6), (4, 6))


TINY = ModelConfig("vit-ti", width=0.34, depth=2, registers=2)


def test_outputs_are_float32_and_follow_the_type_of_the_activations():
    """As for the other networks: the head is of float32 in either case."""
    images = np.random.default_rng(0).normal(size=(3, 8, 12, 3)).astype(np.float32)
    _, params = split(build(ModelConfig(**{**TINY.__dict__, **EXACT}), (8, 12, 3), 5))
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda leaf: rng.normal(scale=0.2, size=leaf.shape).astype(np.float32), params)
    found = {}
    for precision in ("float32", "bfloat16"):
        graphdef, _ = split(build(ModelConfig(**{**TINY.__dict__, "precision": precision}), (8, 12, 3), 5))
        features = quickly_compiled()(lambda p, g=graphdef: nnx.merge(g, p).features(images))(params)
        logits = logits_of(graphdef, params, images)
        assert features.dtype == logits.dtype == jnp.float32
        assert features.shape == (3, 64)
        head = params["head"]
        np.testing.assert_allclose(features @ head["kernel"] + head["bias"], logits, rtol=1e-4, atol=1e-5)
        found[precision] = logits
        rounded = np.asarray(features.astype(jnp.bfloat16).astype(jnp.float32))
        assert np.array_equal(features, rounded) == (precision == "bfloat16")
    # 8 bits in each of some 25 operations: 2^-9 sqrt(25) = 1 % of the size of the logits, 5 of these
    exact, rounded = found["float32"], found["bfloat16"]
    assert 0 < np.abs(rounded - exact).max() < 0.05 * np.abs(exact).max()


def test_patches_of_the_settings():
    def tokens(shape, **settings):
        return architecture_of(build(ModelConfig("vit-ti", **settings), (*shape, 3), 5), (*shape, 3)).num_tokens

    assert tokens((64, 80)) == 1 + 4 * 5
    assert tokens((60, 80)) == 1 + 15 * 20
    assert tokens((60, 80), patch_size=10, registers=4) == 1 + 4 + 6 * 8
    with pytest.raises(
        ValueError, match="patch_size must divide height and width of the images, 64 x 72: one of 1, 2, "
    ):
        tokens((64, 72))
    with pytest.raises(ValueError, match="must be None, 0 and None for cnn, got 4, 0 and None"):
        ModelConfig("cnn", patch_size=4)
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        ModelConfig("vit-s", depth=0)
    with pytest.raises(ValueError, match="width must be a multiple of num_heads = 3, got 64"):
        VisionTransformer((8, 8, 3), 5, patch_size=4, width=64, rngs=nnx.Rngs(0))


def test_initial_weights_have_the_variance_of_the_source():
    """Kernels of 64 x 192, 64 x 64 and 64 x 256 numbers, at most 4096 of them: standard error of a uniform variance
    sqrt(0.8 / n) = 1.4 %, of a normal one (48 x 64) sqrt(2 / n) = 2.6 %; in 5 of these a false alarm once in a million.
    """
    network = build(ModelConfig("vit-ti", width=0.34, depth=1), (32, 32, 3), 10)(rngs=nnx.Rngs(3))
    block = network.blocks[0]
    for layer, variance in (
        (block.attention.query_key_value, 1 / 64),
        (block.attention.projection, 1 / 64),
        (block.mlp.expansion, 2 / (64 + 256)),
        (block.mlp.contraction, 2 / (64 + 256)),
    ):
        kernel = np.asarray(layer.kernel[...])
        assert abs(kernel.var() / variance - 1) < 0.07
        assert np.abs(kernel).max() <= np.sqrt(3 * variance)
    assert abs(np.asarray(network.embedding.patches.kernel[...]).var() * 48 - 1) < 0.13
    assert abs(np.asarray(network.embedding.positions[...]).std() / 0.02 - 1) < 0.065
    head = np.asarray(network.head.kernel[...])
    assert 0 < np.abs(head).max() <= 0.02 * 2 / 0.87  # two standard deviations before it was cut


def test_few_large_networks_are_side_by_side():
    images = np.zeros((2, 8, 8, 1), np.uint8)
    at_once = partial(default_networks_at_once, images=images)

    def model(*settings, **more):
        return build(ModelConfig(*settings, **more), (8, 8, 1), 10)

    assert architecture_of(model("vit-ti", width=0.34, depth=2), (8, 8, 1)).num_weights == 102_218
    assert at_once(model("vit-ti", width=0.34, depth=2)) == 2**20 // 102_218
    assert at_once(model("vit-ti")) == at_once(model("cnn")) == 1
    assert at_once(model("mlp", hidden=(4096, 4096))) == at_once(model("mlp")) == 64


def test_trains_and_answers_the_same_one_by_one_and_side_by_side(monkeypatch):
    """Digits of three classes: better than chance (2/3 of errors) by far; answers differ by float32 rounding."""
    from sklearn.datasets import load_digits

    digits = load_digits(n_class=3)
    images, labels = digits.images[..., None].astype(np.float32) / 16, digits.target
    model = build(ModelConfig("vit-ti", width=0.34, depth=1), (8, 8, 1), 3)
    config = TrainingConfig(num_steps=60, batch_size=32, learning_rate=0.03)
    networks = train(model, images, labels, [np.arange(300)] * 2, seeds=[0, 1], config=config)
    assert np.all(networks.errors(images[300:], labels[300:]) < 0.2)
    together = networks.logits(images)
    monkeypatch.setattr("real_data.training.networks.MOST_WEIGHTS", 1)
    monkeypatch.setattr("real_data.training.networks.MOST_TOKENS", 100)  # 20 images
    np.testing.assert_allclose(networks.logits(images), together, atol=1e-4)
