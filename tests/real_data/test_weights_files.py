"""Files of weights: formats, what is refused, which start they make for a network, and the command."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from real_data import models, weights
from real_data.__main__ import cli
from real_data.models.config import ModelConfig
from real_data.training import train as training
from real_data.training.array_file import digest_of_arrays, write_arrays
from real_data.training.augmentation import Standardization
from real_data.training.config import TrainingConfig
from real_data.training.fine_tuning import FineTuning
from real_data.training.weights_file import load_weights, save_weights
from real_data.weights.named_weights import NamedWeights
from real_data.weights.start import shapes_of

RNG = np.random.default_rng(0)
RESNET = ModelConfig("resnet18", width=0.05)
TRANSFORMER = ModelConfig("vit-ti", width=0.3, depth=2, patch_size=4)


def weights_of(config, image_shape=(8, 8, 3), num_classes=5):
    shapes = shapes_of(config, image_shape, num_classes)
    arrays = {name: RNG.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return NamedWeights(arrays, model=config, image_shape=image_shape, num_classes=num_classes)


def state_dict(config, naming, tmp_path, **change):
    """Tensors of random weights by the names of a naming, without a description."""
    weights.write(tmp_path / "named.npz", weights_of(config, **change), naming=naming)
    with np.load(tmp_path / "named.npz") as file:
        return {name: file[name] for name in file.files if name != "description"}


# formats


def test_damaged_safetensors_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    weights.write(path, weights_of(RESNET))
    whole = path.read_bytes()
    for content in (whole[:-100], whole[:500], whole[:8] + b"{" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"x.safetensors is no safetensors file, or is damaged"):
            weights.read(path)
    path.write_bytes(whole[:-4] + b"\x00\x00\x80\x3f")  # the last number is 1
    with pytest.raises(ValueError, match="its weights do not match the sha256 of its description"):
        weights.read(path)
    for content in (b"", b"not at all", b"PK" + whole, bytes(100)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"is no file of weights|is a damaged archive"):
            weights.read(path)


def test_numbers_of_two_bytes_are_read_exactly_and_longer_ones_are_rounded_with_a_note(tmp_path):
    tensors = state_dict(TRANSFORMER, "timm", tmp_path)
    halves = {name: array.astype(np.float16) for name, array in tensors.items()}
    save_file(halves, tmp_path / "half.safetensors")
    found = weights.read(tmp_path / "half.safetensors")
    np.savez(tmp_path / "same.npz", **{name: array.astype(np.float32) for name, array in halves.items()})
    assert found.digest == weights.read(tmp_path / "same.npz").digest
    np.savez(tmp_path / "double.npz", **{**tensors, "norm.bias": tensors["norm.bias"].astype(np.float64)})
    found = weights.read(tmp_path / "double.npz")
    assert "rounded to float32: 1 tensors, params/norm/bias ..." in found.notes
    np.savez(tmp_path / "high.npz", **{name: array.astype(">f4") for name, array in tensors.items()})
    high = weights.read(tmp_path / "high.npz")
    assert high.digest == found.digest
    assert not any("rounded" in note for note in high.notes)
    np.savez(tmp_path / "whole.npz", **{**tensors, "norm.bias": np.zeros(64, int)})
    with pytest.raises(ValueError, match=r"weights must be floating point: params/norm/bias is of type int64"):
        weights.read(tmp_path / "whole.npz")
    tensors["norm.bias"][3] = np.nan
    np.savez(tmp_path / "nan.npz", **tensors)
    with pytest.raises(ValueError, match=r"numbers that are not finite: params/norm/bias"):
        weights.read(tmp_path / "nan.npz")


def test_names_that_are_not_known_are_all_listed(tmp_path):
    tensors = state_dict(TRANSFORMER, "timm", tmp_path)
    more = {f"blocks.0.extra{i:02d}": np.zeros(2, np.float32) for i in range(43)}
    np.savez(tmp_path / "x.npz", **{**tensors, **more, "norm.weight": np.zeros((2, 2), np.float32)})
    with pytest.raises(ValueError, match=r"blocks.0.extra00 \(2,\) is of no use; .*extra39 .*; and 3 more$"):
        weights.read(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", **{**tensors, "patch_embed.proj.weight": np.zeros((64, 48), np.float32)})
    with pytest.raises(ValueError, match=r"patch_embed.proj.weight has shape \(64, 48\), not 4 axes"):
        weights.read(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", a=np.zeros(3), b=np.zeros(2))
    with pytest.raises(ValueError, match=r"its names are those of no network that is known: a; b"):
        weights.read(tmp_path / "x.npz")
    with pytest.raises(ValueError, match=r"no network in the naming torchvision"):
        weights.read(tmp_path / "named.npz", "torchvision")
    with pytest.raises(FileNotFoundError, match="there is no"):
        weights.read(tmp_path / "absent")


def test_the_layer_before_the_head_of_some_transformers_goes_with_the_head(tmp_path):
    tensors = state_dict(TRANSFORMER, "vit-authors", tmp_path)
    before = {"pre_logits/kernel": np.zeros((64, 64), np.float32), "pre_logits/bias": np.zeros(64, np.float32)}
    np.savez(tmp_path / "x.npz", **tensors, **before)
    found = weights.read(tmp_path / "x.npz")
    assert found.num_classes is None
    assert "left out: pre_logits/kernel, pre_logits/bias and the head behind it" in found.notes[0]
    with pytest.raises(ValueError, match="has no head"):
        weights.starting_weights(FineTuning(str(tmp_path / "x.npz"), head="keep"), TRANSFORMER, (8, 8, 3), 5)
    wide = {  # heads of attention of 32 channels
        name: array.reshape(*array.shape[:-2], 2, 32) if "query" in name else array for name, array in tensors.items()
    }
    np.savez(tmp_path / "x.npz", **wide)
    with pytest.raises(
        ValueError, match=r"encoderblock_\*/.*Attention_1/query/bias .*of 32 channels, those here have 64 \(2 times\)"
    ):
        weights.read(tmp_path / "x.npz")
    tensors.pop("Transformer/encoderblock_1/MultiHeadDotProductAttention_1/key/bias")
    np.savez(tmp_path / "x.npz", **tensors)
    with pytest.raises(ValueError, match=r"encoderblock_1/MultiHeadDotProductAttention_1/key/bias is missing"):
        weights.read(tmp_path / "x.npz")


# what a training starts from


def start(path, config=TRANSFORMER, image_shape=(8, 8, 3), num_classes=5, **settings):
    return weights.starting_weights(FineTuning(str(path), **settings), config, image_shape, num_classes)


def test_the_head_is_new_or_kept(tmp_path):
    given = weights_of(TRANSFORMER)
    weights.write(tmp_path / "x.npz", given)
    assert set(given.arrays) - set(start(tmp_path / "x.npz").arrays) == {"params/head/kernel", "params/head/bias"}
    assert set(start(tmp_path / "x.npz", num_classes=7, layers="head").arrays) < set(given.arrays)
    kept = start(tmp_path / "x.npz", head="keep", layer_decay=0.5)
    assert kept.arrays.keys() == given.arrays.keys()
    assert (kept.layers, kept.layer_decay) == ("all", 0.5)
    with pytest.raises(ValueError, match=r"head must be new for 7 classes, got 'keep': .* has a head of 5 classes"):
        start(tmp_path / "x.npz", num_classes=7, head="keep")


def test_pixels_are_those_of_the_file_or_customary_or_of_the_data(tmp_path, capsys):
    pixels = Standardization(np.float32([0.1, 0.2, 0.3]), np.float32([1 / 3, 0.5, 0.6]))
    for naming in ("own", "timm"):
        weights.write(
            tmp_path / f"{naming}.safetensors", replace(weights_of(TRANSFORMER), standardization=pixels), 0, naming
        )
        for choice in ("auto", "weights"):
            found = start(tmp_path / f"{naming}.safetensors", pixels=choice).standardization
            np.testing.assert_array_equal(found, pixels)
        assert start(tmp_path / f"{naming}.safetensors", pixels="data").standardization is None
    assert capsys.readouterr().err == ""
    imagenet = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    half = ([0.5] * 3, [0.5] * 3)
    for config, naming, usual in (
        (TRANSFORMER, "timm", half),
        (TRANSFORMER, "vit-authors", half),
        (TRANSFORMER, "torchvision", imagenet),
        (RESNET, "torchvision", imagenet),
    ):
        np.savez(tmp_path / "x.npz", **state_dict(config, naming, tmp_path))
        np.testing.assert_array_equal(start(tmp_path / "x.npz", config).standardization, np.float32(usual))
        assert "does not say how pixels are standardised: mean 0." in capsys.readouterr().err
        with pytest.raises(ValueError, match=r"pixels must be auto or data for .*, got 'weights'"):
            start(tmp_path / "x.npz", config, pixels="weights")
    grey = {"config": RESNET, "image_shape": (8, 8, 1)}
    np.savez(tmp_path / "x.npz", **state_dict(RESNET, "torchvision", tmp_path, image_shape=(8, 8, 1)))
    assert start(tmp_path / "x.npz", **grey).standardization is None
    assert "by the training images" in capsys.readouterr().err


def test_another_network_is_refused_with_all_differences(tmp_path):
    weights.write(tmp_path / "x.npz", weights_of(TRANSFORMER))
    with pytest.raises(ValueError) as refused:
        start(tmp_path / "x.npz", replace(TRANSFORMER, depth=3, registers=2))
    message = str(refused.value)
    assert "(vit-ti, width 0.333, 2 blocks, patches of 4 x 4) has other weights than" in message
    assert "13 differences: params/" in message
    assert all(f"blocks/2/{name} is missing" in message for name in ("mlp/expansion/kernel", "attention_norm/bias"))
    assert message.endswith("registers is missing, [2, 64] needed")
    with pytest.raises(ValueError, match=r"registers is missing, \[2, 64\] needed"):
        start(tmp_path / "x.npz", replace(TRANSFORMER, registers=2))
    with pytest.raises(ValueError, match=r"4 x 4\) has .* 2 x 2\), 2 differences: .* is \[48, 64\], \[12, 64\] needed"):
        start(tmp_path / "x.npz", replace(TRANSFORMER, patch_size=2))
    with pytest.raises(
        ValueError, match=r"settings \(vit-ti, width 0.333, 1 blocks, .*, 12 differences: .* not in the net"
    ):
        start(tmp_path / "x.npz", replace(TRANSFORMER, depth=1))
    with pytest.raises(ValueError, match=r"settings \(resnet18, width 0.0469, stem cifar\), 130 differences"):
        start(tmp_path / "x.npz", RESNET)
    with pytest.raises(ValueError, match="kind must be a network that is trained by gradient descent"):
        start(tmp_path / "x.npz", ModelConfig("random-features"))


def test_a_hidden_layer_is_not_taken_for_the_head(tmp_path):
    """Hidden widths 7 and 5 without the head have the shapes of hidden width 7 with a head of 5 classes."""
    weights.write(tmp_path / "x.npz", weights_of(ModelConfig("mlp", hidden=(7, 5))))
    with pytest.raises(ValueError, match=r"params/layers/1/kernel \[7, 5\] is no head there"):
        start(tmp_path / "x.npz", ModelConfig("mlp", hidden=(7,)))


def test_positions_are_interpolated_for_another_size(tmp_path, capsys):
    given = weights_of(TRANSFORMER, (12, 8, 3))
    weights.write(tmp_path / "x.npz", given)
    name = "params/embedding/positions"
    np.testing.assert_array_equal(start(tmp_path / "x.npz", image_shape=(12, 8, 3)).arrays[name], given.arrays[name])
    assert capsys.readouterr().err.count("interpolated") == 0
    found = start(tmp_path / "x.npz", image_shape=(8, 16, 3)).arrays[name]
    assert found.shape == (1 + 2 * 4, 64)
    np.testing.assert_array_equal(found[0], given.arrays[name][0])
    assert "positions interpolated from 3 x 2 to 2 x 4 patches" in capsys.readouterr().err


# our own files


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two networks after two steps, and the file of their weights."""
    images = RNG.integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
    config = ModelConfig("mlp", hidden=(7,))
    networks = training.train(
        models.build(config, (8, 8, 1), 5),
        images,
        np.arange(20) % 5,
        [np.arange(20)] * 2,
        seeds=(0, 1),
        config=TrainingConfig(num_steps=2, batch_size=4),
    )
    folder = tmp_path_factory.mktemp("run")
    provenance = {"dataset": {"name": "noise", "sha256": "0"}}
    save_weights(folder / "weights.npz", networks, model=config, image_shape=(8, 8, 1), provenance=provenance)
    return networks, folder


def test_networks_of_a_training_are_read_from_its_folder_and_written_for_others(trained, tmp_path):
    networks, folder = trained
    for i in range(2):
        found = weights.read(folder, network=i)
        assert found.image_shape == (8, 8, 1)
        assert found.model == ModelConfig("mlp", hidden=(7,), precision="float32")
        np.testing.assert_array_equal(found.arrays["params/layers/0/kernel"], networks.params["layers"][0]["kernel"][i])
        weights.write(tmp_path / f"{i}.safetensors", found)
        weights.write(tmp_path / f"again{i}.safetensors", networks, network=i)
        again = weights.read(tmp_path / f"{i}.safetensors")
        assert again.provenance == {"dataset": {"name": "noise", "sha256": "0"}}
        assert again.digest == found.digest == weights.read(tmp_path / f"again{i}.safetensors").digest
        first = start(folder, found.model, (8, 8, 1), network=i)
        assert start(tmp_path / f"{i}.safetensors", found.model, (8, 8, 1)).digest == first.digest
        np.testing.assert_array_equal(first.standardization, networks.standardization)
    with pytest.raises(ValueError, match=r"network must be in \[0, 1\]"):
        weights.read(folder, network=2)
    with pytest.raises(ValueError, match="network must be 0"):
        weights.read(tmp_path / "0.safetensors", network=1)


def test_files_of_versions_without_transformers_are_read(trained, tmp_path):
    """Their descriptions have no fields of vision transformers, which take their defaults."""
    networks, folder = trained
    with np.load(folder / "weights.npz") as file:
        arrays = dict(file)
    about = json.loads(str(arrays["description"]))
    for name in ("patch_size", "registers", "depth"):
        del about["model"][name]
    arrays["description"] = np.array(json.dumps(about))
    arrays.pop("sha256")
    write_arrays(tmp_path / "weights.npz", {"sha256": np.array(digest_of_arrays(arrays)), **arrays})
    old = load_weights(tmp_path / "weights.npz")
    np.testing.assert_array_equal(old.params["layers"][0]["kernel"], networks.params["layers"][0]["kernel"])
    assert weights.read(tmp_path).digest == weights.read(folder).digest


# the command


def test_the_command_shows_and_converts(tmp_path, capsys):
    np.savez(tmp_path / "x.npz", **state_dict(TRANSFORMER, "torchvision", tmp_path))
    cli.main(["weights", str(tmp_path / "x.npz"), "--to", str(tmp_path / "y.safetensors"), "--naming", "timm"])
    shown = capsys.readouterr().out
    assert "network: vit-ti, width 0.333, 2 blocks, patches of 4 x 4; 103941 weights in 32 tensors" in shown
    assert "naming: torchvision; images: 8x8x3; classes: 5" in shown
    assert "pixels: the file does not say; customary for such weights: mean 0.485, 0.456, 0.406" in shown
    assert "and 12 more, with --names all" in shown
    assert "saved in" in shown
    assert weights.read(tmp_path / "y.safetensors").digest == weights.read(tmp_path / "x.npz").digest
    cli.main(["weights", str(tmp_path / "y.safetensors"), "--names", "all"])
    assert "params/norm/scale" in capsys.readouterr().out
    cli.main(["weights", str(tmp_path / "x.npz"), "--to", str(tmp_path / "half.npz"), "--pixels", "half"])
    assert "pixels: mean 0.5, 0.5, 0.5 and scale 0.5, 0.5, 0.5" in capsys.readouterr().out
    np.testing.assert_array_equal(start(tmp_path / "half.npz", pixels="weights").standardization, np.full((2, 3), 0.5))
    with pytest.raises(SystemExit):
        cli.main(["weights", str(tmp_path / "x.npz"), "--to", str(tmp_path / "y.safetensors")])
    assert "--to must be a new file" in capsys.readouterr().err


def test_the_command_is_cheap_to_import():
    program = (
        "import sys, contextlib; from real_data.__main__ import cli\n"
        "with contextlib.suppress(SystemExit): cli.main(['weights', '--help'])\n"
        "assert not {'jax', 'flax', 'safetensors'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
