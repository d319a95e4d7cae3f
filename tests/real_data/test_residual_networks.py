"""ResNets against torchvision: the same tensors, the same function of them, the same statistics after a batch."""

import importlib.util
import json
from collections import Counter
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from data_pruning.compilation import quickly_compiled
from real_data.models import ResNet

_place = Path(__file__).parent / "reference" / "make_torchvision_resnet.py"
_spec = importlib.util.spec_from_file_location("make_torchvision_resnet", _place)
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)
CASES = json.loads(reference.FILE.read_text())["cases"]

STAGE_OF_BLOCK = {
    18: [(stage, number) for stage in range(4) for number in range(2)],
    50: [(stage, number) for stage, count in enumerate((3, 4, 6, 3)) for number in range(count)],
}
LEAVES = {"scale": "weight", "kernel": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}


def torch_name(path, num_layers):
    """Name in torchvision of one of our tensors."""
    *place, leaf = (getattr(key, "key", None) for key in path)
    if place[0] == "head":
        return f"fc.{LEAVES[leaf]}"
    kind = place[-1]
    if place[0] == "stem":
        return f"{'conv1' if kind == 'convolution' else 'bn1'}.{LEAVES[leaf]}"
    stage, number = STAGE_OF_BLOCK[num_layers][int(place[1])]
    if place[2] == "shortcut":
        layer = f"downsample.{0 if kind == 'convolution' else 1}"
    else:
        layer = f"{'conv' if kind == 'convolution' else 'bn'}{int(place[3]) + 1}"
    return f"layer{stage + 1}.{number}.{layer}.{LEAVES[leaf]}"


def torch_shape(shape):
    """Axes in PyTorch's order: the outputs first."""
    return {4: lambda s: (s[3], s[2], s[0], s[1]), 2: lambda s: s[::-1], 1: lambda s: s}[len(shape)](tuple(shape))


def from_torch(values):
    return {4: lambda v: v.transpose(2, 3, 1, 0), 2: lambda v: v.T, 1: lambda v: v}[values.ndim](values)


def abstract(num_layers, stem, **change):
    """Structure of the network and its tensors, without values."""
    settings = {"num_channels": 3, "num_classes": reference.NUM_CLASSES} | change
    network = nnx.eval_shape(lambda: ResNet(num_layers, stem=stem, rngs=nnx.Rngs(0), **settings))
    graphdef, params, statistics = nnx.split(network, nnx.Param, nnx.BatchStat)
    return graphdef, nnx.to_pure_dict(params), nnx.to_pure_dict(statistics)


def forward(num_layers, stem, images, tensor, *, train=False):
    """Logits, and statistics after the batch by their names in torchvision; tensor(name, shape) gives the weights."""
    graphdef, *states = abstract(num_layers, stem)

    def fill(path, leaf):
        return from_torch(tensor(torch_name(path, num_layers), torch_shape(leaf.shape)))

    states = [jax.tree.map_with_path(fill, state) for state in states]

    @quickly_compiled()
    def call(params, statistics, images):
        network = nnx.merge(graphdef, params, statistics)
        return network(images, train=train), nnx.to_pure_dict(nnx.state(network, nnx.BatchStat))

    logits, statistics = call(*states, images)
    after = jax.tree.leaves_with_path(statistics)
    return np.asarray(logits), {torch_name(path, num_layers): np.asarray(leaf) for path, leaf in after}


@pytest.mark.parametrize(("num_layers", "stem"), reference.CASES)
def test_parameters_have_the_shapes_of_torchvision(num_layers, stem):
    case = CASES[f"resnet{num_layers}/{stem}"]
    _, params, _ = abstract(num_layers, stem)
    shapes = [torch_shape(leaf.shape) for leaf in jax.tree.leaves(params)]
    assert Counter("x".join(map(str, shape)) for shape in shapes) == case["num_tensors_of_shape"]
    assert sum(map(np.prod, shapes)) == case["num_parameters"]


@pytest.mark.parametrize(("num_layers", "published"), [(18, 11_689_512), (50, 25_557_032)])
def test_number_of_parameters_as_published(num_layers, published):
    """On the page of torchvision's pretrained models, for 1000 classes."""
    _, params, _ = abstract(num_layers, "imagenet", num_classes=1000)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == published


@pytest.mark.parametrize(("num_layers", "stem"), reference.CASES)
def test_logits_are_those_of_torchvision(num_layers, stem):
    """Kept logits are double precision, ours float32: 53 layers of rounding, 6e-8 each, leave some 1e-6."""
    logits, _ = forward(num_layers, stem, reference.images(stem), reference.tensor)
    expected = np.array(CASES[f"resnet{num_layers}/{stem}"]["logits"])
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("num_layers", "stem"), reference.CASES)
def test_live_beside_torchvision(num_layers, stem):
    """In training too: logits by the statistics of the batch, and running statistics after it."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchvision")
    network = reference.filled(reference.torchvision_resnet(num_layers, stem)).double()
    images = reference.images(stem, 8)
    theirs = torch.from_numpy(images).double().permute(0, 3, 1, 2)
    with torch.no_grad():
        logits, _ = forward(num_layers, stem, images, reference.tensor)
        expected = network.eval()(theirs).numpy()
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())

        sizes = {}
        for name, module in network.named_modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.register_forward_hook(
                    lambda m, x, y, name=name: sizes.update({name: x[0].numel() / x[0].shape[1]})
                )
        logits, after = forward(num_layers, stem, images, reference.tensor, train=True)
        expected = network.train()(theirs).numpy()
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-3 * np.abs(expected).max())
    state = network.state_dict()
    for name, value in after.items():
        theirs = state[name].numpy()
        if name.endswith("var"):  # PyTorch divides the variance of the batch by n - 1
            before, n = reference.tensor(name, theirs.shape), sizes[name.removesuffix(".running_var")]
            theirs = 0.9 * before + (theirs - 0.9 * before) * (n - 1) / n
        np.testing.assert_allclose(value, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max(), err_msg=name)


@pytest.mark.parametrize("num_layers", [18, 50])
def test_width_multiplies_all_channels(num_layers):
    _, whole, _ = abstract(num_layers, "cifar")
    _, half, _ = abstract(num_layers, "cifar", width=0.5)
    halved = jax.tree.map(lambda leaf: tuple(n if n in (1, 3, 10) else n // 2 for n in leaf.shape), whole)
    assert jax.tree.map(lambda leaf: leaf.shape, half) == halved


def test_number_of_layers_is_checked():
    with pytest.raises(ValueError, match="num_layers must be 18 or 50, got 34"):
        ResNet(34, 3, 10, rngs=nnx.Rngs(0))
