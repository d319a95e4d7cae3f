"""Weights by the names of torchvision, timm and the authors of the ViT: the same functions, and back bit for bit."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

from data_pruning.compilation import quickly_compiled
from real_data import models, weights
from real_data.models.config import ModelConfig
from real_data.training.augmentation import Standardization, to_inputs
from real_data.training.fine_tuning import FineTuning
from real_data.training.layers import with_values
from real_data.weights.axes import RULES
from real_data.weights.named_weights import NamedWeights
from real_data.weights.naming import entries, family_of
from real_data.weights.start import shapes_of
from real_data.weights.tensor_file import read_tensor_file


def _script(name):
    place = Path(__file__).parent / "reference" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


residual, transformer = _script("make_torchvision_resnet"), _script("make_torch_transformer")
NAMES = json.loads(_script("make_torch_weights").FILE.read_text())["names"]
RNG = np.random.default_rng(0)


def shapes_in(library_and_name):
    """Shapes by name in a state dict of torchvision or timm; a number alone has none."""
    pairs = (line.split(" ") for line in NAMES[library_and_name])
    return {name: tuple(map(int, shape[0].split("x"))) if shape else () for name, *shape in pairs}


FULL = {  # network there: ours, images, classes
    "torchvision/resnet18": (ModelConfig("resnet18"), 224, 1000),
    "torchvision/resnet50": (ModelConfig("resnet50"), 224, 1000),
    "torchvision/vit_b_16": (ModelConfig("vit-b"), 224, 1000),
    "timm/vit_tiny_patch16_224": (ModelConfig("vit-ti"), 224, 1000),
    "timm/vit_small_patch14_reg4_dinov2": (ModelConfig("vit-s", patch_size=14, registers=4), 518, 1000),
}


@pytest.mark.parametrize("there", FULL)
def test_names_and_shapes_are_those_of_state_dicts(there):
    """At full size, of shapes alone; timm has no position for the class token beside registers, and no head there."""
    config, size, num_classes = FULL[there]
    ours = shapes_of(config, (size, size, 3), num_classes)
    naming = there.split("/")[0]
    found = {}
    for entry in entries(naming, family_of(ours), ours, own=True):
        if entry.own in ours:
            write = RULES[entry.rule].write
            there_too = jax.eval_shape(lambda x, write=write: write(x, 3), jax.ShapeDtypeStruct(ours[entry.own], "f4"))
            found |= dict(zip(entry.names[0], (each.shape for each in there_too), strict=True))
    expected = shapes_in(there)
    if "dinov2" in there:
        found["pos_embed"] = (1, found["pos_embed"][1] - 1, found["pos_embed"][2])
        found = {name: shape for name, shape in found.items() if not name.startswith("head.")}
        expected = {name: shape for name, shape in expected.items() if not name.endswith("gamma")}
    assert found == {name: shape for name, shape in expected.items() if not name.endswith("num_batches_tracked")}


def logits_of(config, image_shape, num_classes, start, images):
    """Logits of our network with the weights of a start; images are inputs already where it has no pixels."""
    make = models.build(config, image_shape, num_classes)
    graphdef, *states = nnx.split(nnx.eval_shape(lambda: make(rngs=nnx.Rngs(0))), nnx.Param, nnx.BatchStat)
    trees = [
        with_values(kind, nnx.to_pure_dict(state), start.arrays)
        for kind, state in zip(("params", "batch_stats"), states, strict=True)
    ]
    inputs = images if start.standardization is None else to_inputs(images, start.standardization)
    return np.asarray(quickly_compiled()(lambda p, s, x: nnx.merge(graphdef, p, s)(x))(*trees, inputs))


def test_logits_of_a_residual_network_are_those_of_torchvision(tmp_path, capsys):
    """The weights of test_residual_networks.py through a file, by the names that are common for CIFAR."""
    tensors = {}
    for name, shape in shapes_in("torchvision/resnet18").items():
        shape = {"conv1.weight": (64, 3, 3, 3), "fc.weight": (10, 512), "fc.bias": (10,)}.get(name, shape)
        tensors[name] = np.array(7) if name.endswith("num_batches_tracked") else residual.tensor(name, shape)
    usual = {name.replace("downsample", "shortcut").replace("fc.", "linear."): t for name, t in tensors.items()}
    save_file({f"module.{name}": tensor for name, tensor in usual.items()}, tmp_path / "net.safetensors")
    config = ModelConfig("resnet18", precision="float32")
    settings = FineTuning(str(tmp_path / "net.safetensors"), head="keep", pixels="data")
    start = weights.starting_weights(settings, config, (32, 32, 3), 10)
    expected = np.array(json.loads(residual.FILE.read_text())["cases"]["resnet18/cifar"]["logits"])
    logits = logits_of(config, (32, 32, 3), 10, start, residual.images("cifar"))
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    notes = capsys.readouterr().err
    assert "names without their module." in notes
    assert "left out, as no function of the network: 20 x num_batches_tracked" in notes


@pytest.mark.parametrize("case", ["timm/vit_tiny_patch16_224/registers", "timm/vit_tiny_patch16_224/smaller"])
def test_logits_of_a_transformer_are_those_of_timm(case, tmp_path, capsys):
    """The weights of test_vision_transformer.py through a file; of another image size, with positions interpolated."""
    more, size = transformer.CASES[case]
    shapes = {
        name: (10, *shape[1:]) if name.startswith("head.") else shape
        for name, shape in shapes_in("timm/vit_tiny_patch16_224").items()
        if not any(name.startswith(f"blocks.{block}.") for block in range(3, 12))
    }
    if "reg_tokens" in more:
        shapes |= {"reg_token": (1, 4, 192), "pos_embed": (1, 196, 192)}
    save_file({name: transformer.tensor(name, shape) for name, shape in shapes.items()}, tmp_path / "v.safetensors")
    config = ModelConfig("vit-ti", depth=3, registers=more.get("reg_tokens", 0), precision="float32", patch_size=16)
    settings = FineTuning(str(tmp_path / "v.safetensors"), head="keep", pixels="data")
    start = weights.starting_weights(settings, config, (*size, 3), 10)
    expected = np.array(json.loads(transformer.FILE.read_text())["cases"][case]["logits"])
    logits = logits_of(config, (*size, 3), 10, start, transformer.images(size))
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert ("positions interpolated from 14 x 14 to 6 x 10 patches" in capsys.readouterr().err) == ("smaller" in case)


def random_weights(config, image_shape, num_classes=5):
    """Weights of a network, as if they had been read."""
    shapes = shapes_of(config, image_shape, num_classes)
    arrays = {name: RNG.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    pixels = Standardization(RNG.random(image_shape[2], np.float32), RNG.random(image_shape[2], np.float32))
    return NamedWeights(arrays, model=config, image_shape=image_shape, num_classes=num_classes, standardization=pixels)


SMALL = {
    "mlp": (ModelConfig("mlp", hidden=(7, 6)), (8, 8, 1), ()),
    "cnn": (ModelConfig("cnn", width=0.1), (8, 8, 3), ()),
    "resnet18": (ModelConfig("resnet18", width=0.05), (8, 8, 3), ("torchvision", "timm")),
    "resnet50": (ModelConfig("resnet50", width=0.04, stem="imagenet"), (8, 8, 1), ("torchvision", "timm")),
    "transformer": (
        ModelConfig("vit-ti", width=0.7, depth=2, patch_size=4),
        (8, 12, 2),
        ("torchvision", "timm", "vit-authors"),
    ),
    "registers": (ModelConfig("vit-ti", width=0.3, depth=1, patch_size=2, registers=3), (8, 8, 3), ("timm",)),
}


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_what_is_written_is_read_again_bit_for_bit(kind, suffix, tmp_path):
    config, shape, namings = SMALL[kind]
    given = random_weights(config, shape)
    for naming in ("own", "torchvision", "timm", "vit-authors"):
        path = tmp_path / f"{naming}{suffix}"
        if naming not in ("own", *namings):
            with pytest.raises(
                ValueError, match=r"naming must be one that has names for|no such tensors in the naming"
            ):
                weights.write(path, given, naming=naming)
            assert not path.exists()
            continue
        if naming == "vit-authors" and suffix == ".npz":  # their files have names and arrays, nothing else
            with pytest.raises(ValueError, match=r"path must end in .safetensors for images of 8 x 12 pixels"):
                weights.write(path, given, naming=naming)
            square = random_weights(config, (8, 8, shape[2]))
            assert "the file does not say how pixels are standardised" in weights.write(path, square, naming=naming)[0]
            found = weights.read(path)
            assert found.digest == square.digest
            assert found.standardization is None
            continue
        weights.write(path, given, naming=naming)
        found = weights.read(path)
        assert found.digest == given.digest
        assert (found.model, found.image_shape, found.num_classes) == (config, shape, 5)
        np.testing.assert_array_equal(found.standardization, given.standardization)
        tensors, *_ = read_tensor_file(path)
        assert set(tensors).isdisjoint(given.arrays) == (naming != "own")


def test_registers_have_no_positions_unless_timm_gives_them_some(tmp_path):
    config, shape, _ = SMALL["registers"]
    given = random_weights(config, shape)
    assert weights.write(tmp_path / "a.npz", given, naming="timm") == ("timm: reg_tokens=3, no_embed_class=False",)
    positions = np.array(given.arrays["params/embedding/positions"])
    positions[0] = 0
    given = replace(given, arrays={**given.arrays, "params/embedding/positions": positions})
    assert weights.write(tmp_path / "b.npz", given, naming="timm") == ("timm: reg_tokens=3, no_embed_class=True",)
    assert weights.read(tmp_path / "b.npz").digest == given.digest
    tensors, *_ = read_tensor_file(tmp_path / "a.npz")
    assert tensors["pos_embed"].shape == (1, 1 + 3 + 16, 64)
    tensors["pos_embed"][:, 1:4] = 2
    np.savez(tmp_path / "c.npz", **tensors)
    found = weights.read(tmp_path / "c.npz")
    np.testing.assert_array_equal(
        found.arrays["params/embedding/registers"], given.arrays["params/embedding/registers"] + np.float32(2)
    )


def test_scales_of_layers_are_multiplied_into_them(tmp_path):
    """A layer followed by scales, (x K + b) g = x (K g) + b g, as DINOv2 has them."""
    config, shape, _ = SMALL["transformer"]
    given = random_weights(config, shape)
    weights.write(tmp_path / "v.npz", given, naming="timm")
    tensors = dict(np.load(tmp_path / "v.npz"))
    del tensors["description"]
    gamma = RNG.standard_normal(128).astype(np.float32)
    tensors["blocks.1.ls2.gamma"] = gamma
    np.savez(tmp_path / "w.npz", **tensors)
    with pytest.raises(ValueError, match=r"positions of 7 tokens are neither those of a square of patches"):
        weights.read(tmp_path / "w.npz")
    tensors["pos_embed"] = tensors["pos_embed"][:, :5]
    np.savez(tmp_path / "w.npz", **tensors)
    found = weights.read(tmp_path / "w.npz")
    layer = "params/blocks/1/mlp/contraction"
    np.testing.assert_array_equal(found.arrays[f"{layer}/kernel"], given.arrays[f"{layer}/kernel"] * gamma)
    np.testing.assert_array_equal(found.arrays[f"{layer}/bias"], given.arrays[f"{layer}/bias"] * gamma)
    assert found.customary_pixels is None  # of two channels
    assert any("multiplied into their layers: 1 scales" in note for note in found.notes)


def test_live_beside_torch(tmp_path):
    """State dicts that PyTorch saves give the same logits here, and what is written here loads there strictly."""
    torch = pytest.importorskip("torch")
    timm = pytest.importorskip("timm")
    torchvision = pytest.importorskip("torchvision")
    from safetensors.torch import load_file

    def vit():
        return timm.create_model("vit_tiny_patch16_224", depth=2, num_classes=10, img_size=64)

    cases = {
        "torchvision": (lambda: torchvision.models.resnet18(num_classes=10), ModelConfig("resnet18"), residual),
        "timm": (vit, ModelConfig("vit-ti", depth=2), transformer),
    }
    images = RNG.random((2, 64, 64, 3)).astype(np.float32)
    for naming, (make, config, reference) in cases.items():
        there = make()
        state = {
            name: t if name.endswith("tracked") else torch.from_numpy(reference.tensor(name, tuple(t.shape)))
            for name, t in there.state_dict().items()
        }
        there.load_state_dict(state)
        torch.save(there.state_dict(), tmp_path / "there.pth")
        settings = FineTuning(str(tmp_path / "there.pth"), head="keep")
        start = weights.starting_weights(settings, config, (64, 64, 3), 10)
        with torch.no_grad():
            inputs = torch.from_numpy(np.array(to_inputs(images, start.standardization))).permute(0, 3, 1, 2)
            expected = there.eval()(inputs).numpy()
            found = logits_of(config, (64, 64, 3), 10, start, images)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
            weights.write(tmp_path / "back.safetensors", weights.read(tmp_path / "there.pth"), naming=naming)
            again = make()
            again.load_state_dict(load_file(tmp_path / "back.safetensors"), strict=True)
            np.testing.assert_array_equal(again.eval()(inputs).numpy(), expected)
            if naming == "timm":  # its own reader of the files of the authors
                written = weights.read(tmp_path / "there.pth")
                weights.write(tmp_path / "authors.npz", written, naming="vit-authors")
                theirs = vit()
                theirs.load_pretrained(str(tmp_path / "authors.npz"))
                np.testing.assert_array_equal(theirs.eval()(inputs).numpy(), expected)
