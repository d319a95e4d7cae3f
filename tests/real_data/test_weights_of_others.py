"""Files of weights as others write them: what stands around names and tensors, and what looks like ours but is not."""

import json
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from real_data import models, weights
from real_data.__main__ import cli
from real_data.models.config import ModelConfig
from real_data.training import train as training
from real_data.training.array_file import digest_of_arrays, write_arrays
from real_data.training.config import TrainingConfig
from real_data.training.fine_tuning import FineTuning
from real_data.weights.axes import RULES
from real_data.weights.listing import listed
from real_data.weights.named_weights import NamedWeights
from real_data.weights.start import shapes_of
from real_data.weights.tensor_file import write_tensor_file

RNG = np.random.default_rng(0)
TRANSFORMER = ModelConfig("vit-ti", width=0.3, depth=2, patch_size=4)


def weights_of(config=TRANSFORMER, image_shape=(8, 8, 3), num_classes=5):
    shapes = shapes_of(config, image_shape, num_classes)
    arrays = {name: RNG.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return NamedWeights(arrays, model=config, image_shape=image_shape, num_classes=num_classes)


@pytest.fixture
def tensors(tmp_path):
    """Weights of a small transformer by the names of timm, without a description."""
    weights.write(tmp_path / "timm.npz", weights_of(), naming="timm")
    with np.load(tmp_path / "timm.npz") as file:
        return {name: file[name] for name in file.files if name != "description"}


def read(tmp_path, tensors, **metadata):
    save_file(tensors, tmp_path / "x.safetensors", metadata=metadata)
    return weights.read(tmp_path / "x.safetensors")


def test_what_stands_before_all_names_is_left_out(tensors, tmp_path):
    """Of several devices and compiled in either order, of part of a model, of an average over the steps of training."""
    plain = read(tmp_path, tensors)
    for prefix in ("module.", "_orig_mod.module.", "module._orig_mod.", "model.backbone."):
        found = read(tmp_path, {f"{prefix}{name}": array for name, array in tensors.items()})
        assert found.digest == plain.digest
        assert f"names without their {prefix}" in found.notes
    averaged = {"n_averaged": np.array(7), **{f"module.{name}": array for name, array in tensors.items()}}
    found = read(tmp_path, averaged)
    assert found.digest == plain.digest
    assert "left out, as no function of the network: n_averaged" in found.notes
    with pytest.raises(ValueError, match=r"no network that is known: .*; module.head.*; other.x"):
        read(tmp_path, {**averaged, "other.x": np.zeros(2, np.float32)})
    two = {f"{part}.{name}": array for part in ("student", "teacher") for name, array in tensors.items()}
    with pytest.raises(ValueError, match=r"no network that is known: .*student.*teacher"):
        read(tmp_path, two)


@pytest.mark.parametrize("text", ['{"model": "vit", "by": "someone"}', "{a vision transformer}", "[1]", "of someone"])
def test_descriptions_of_other_tools_are_not_taken_for_ours(text, tensors, tmp_path):
    plain = read(tmp_path, tensors)
    assert read(tmp_path, tensors, description=text, format="pt").digest == plain.digest
    np.savez(tmp_path / "x.npz", **tensors, description=np.array(text))
    assert weights.read(tmp_path / "x.npz").digest == plain.digest
    header = json.dumps({"__metadata__": None, "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "null.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(ValueError, match="names are those of no network that is known: a"):
        weights.read(tmp_path / "null.safetensors")


@pytest.mark.parametrize(
    "change",
    [
        {"model": 5},
        {"image_shape": [8, 8]},
        {"image_shape": "888"},
        {"standardization": [1]},
        {"standardization": {"mean": [0], "scale": [0]}},
        {"standardization": {"mean": [0] * 3, "scale": [1]}},
        {"standardization": {"mean": 0, "scale": 1}},
        {"model": {"kind": "x"}},
    ],
)
def test_a_damaged_description_of_ours_is_refused(change, tmp_path):
    given = weights_of()
    write_tensor_file(tmp_path / "x.npz", given.arrays, {"weights_sha256": given.digest, **change})
    with pytest.raises(ValueError, match=r"x.npz: its description is damaged: "):
        weights.read(tmp_path / "x.npz")


def test_names_like_ours_of_other_shapes_are_refused_or_of_no_known_network(tmp_path):
    """Never an error of Python without the file: no axes, too few of them, and a name that ends early."""
    for name, shape in (("params/head/kernel", ()), ("params/embedding/registers", ()), ("params/head/kernel", None)):
        array = np.zeros((), np.float32) if shape is not None else np.array(["a"])
        np.savez(tmp_path / "x.npz", **{name: array})
        with pytest.raises(ValueError, match=rf"x.npz: .*{name}"):
            weights.read(tmp_path / "x.npz")
    for name in ("params/embedding/patches/kernel", "params/stem/convolution/kernel", "params/layers"):
        np.savez(tmp_path / "x.npz", **{name: np.zeros(3, np.float32)})
        assert weights.read(tmp_path / "x.npz").model is None
        with pytest.raises(ValueError, match=r"x.npz \(a network that is not known\) has other weights"):
            weights.starting_weights(FineTuning(str(tmp_path / "x.npz")), TRANSFORMER, (8, 8, 3), 5)


@pytest.mark.parametrize("image_shape", [(8, 16, 3), (4, 12, 3), (8, 12, 3)])
def test_our_positions_are_the_class_token_and_the_patches_whatever_their_number(image_shape, tmp_path):
    """Without a description, with registers: 1 + 8 and 1 + 3 rows are squares themselves, 1 + 6 no kind of square."""
    config = replace(TRANSFORMER, registers=2)
    given = weights_of(config, image_shape)
    np.savez(tmp_path / "x.npz", **given.arrays)
    assert weights.read(tmp_path / "x.npz").digest == given.digest
    start = weights.starting_weights(FineTuning(str(tmp_path / "x.npz"), head="keep"), config, image_shape, 5)
    np.testing.assert_array_equal(
        start.arrays["params/embedding/positions"], given.arrays["params/embedding/positions"]
    )


def test_tensors_that_would_be_read_as_something_else_are_refused(tensors, tmp_path):
    """Patches of 8 x 2 pixels have as many as those of 4 x 4; scales as a column would be those of the rows."""
    wide = np.zeros((64, 3, 8, 2), np.float32)
    many = np.zeros((2, 5, 64), np.float32)
    with pytest.raises(ValueError) as refused:
        read(tmp_path, {**tensors, "patch_embed.proj.weight": wide, "pos_embed": many})
    assert "patch_embed.proj.weight has shape (64, 3, 8, 2), patches of 8 x 2 pixels, those here are square" in str(
        refused.value
    )
    assert "pos_embed has shape (2, 5, 64), whose first axis is not 1" in str(refused.value)
    with pytest.raises(ValueError, match=r"those here are square"):
        RULES["patch_kernel"].read([wide.transpose(2, 3, 1, 0)])
    with pytest.raises(ValueError, match=r"blocks.0.ls1.gamma has shape \(64, 1\), not one number for each output"):
        read(tmp_path, {**tensors, "blocks.0.ls1.gamma": np.ones((64, 1), np.float32)})
    parts = [np.zeros((64, heads, 64), np.float32) for heads in (1, 2, 1)]
    with pytest.raises(ValueError, match=r"those beside it \(64, 2, 64\) and \(64, 1, 64\)"):
        RULES["heads_in"].read(parts)


def test_heads_of_attention_that_files_do_not_tell_of(tensors, tmp_path):
    assert "heads of attention taken to be 1 of 64 channels: the file does not say" in read(tmp_path, tensors).notes
    assert not weights.read(tmp_path / "timm.npz").notes
    narrow = {"patch_embed.proj.weight": np.zeros((96, 3, 4, 4), np.float32)}
    with pytest.raises(ValueError, match=r"tokens of 96 channels have heads of attention of another number of them"):
        read(tmp_path, narrow)
    huge = {f"blocks.{block}.norm1.bias": np.zeros(1280, np.float32) for block in range(32)}
    with pytest.raises(ValueError, match=r"have heads of attention of 80 channels, as ViT-H, those here 64"):
        read(tmp_path, {"patch_embed.proj.weight": np.zeros((1280, 3, 4, 4), np.float32), **huge})


@pytest.mark.parametrize(
    ("config", "other", "same"),
    [
        (ModelConfig("mlp", hidden=(6,)), [(4, 16, 1), (4, 4, 4), (16, 4, 1)], (8, 8, 1)),
        (ModelConfig("cnn", width=0.1), [(4, 16, 1)], (9, 11, 1)),
    ],
)
def test_weights_of_pixels_are_for_images_of_one_shape(config, other, same, tmp_path):
    """Images of other rows, columns or channels with as many pixels would be fed to the wrong weights."""
    weights.write(tmp_path / "x.npz", weights_of(config, (8, 8, 1)))
    settings = FineTuning(str(tmp_path / "x.npz"))
    assert weights.starting_weights(settings, config, same, 5).arrays
    for shape in other:
        with pytest.raises(ValueError, match=r"images are \[8, 8, 1\] there, "):
            weights.starting_weights(settings, config, shape, 5)


def test_trained_transformers_are_written_with_the_shape_of_their_images(tmp_path):
    """2 x 8 patches are as many as 4 x 4, for which they would be taken without it."""
    config, shape = replace(TRANSFORMER, depth=1, patch_size=2), (4, 16, 1)
    networks = training.train(
        models.build(config, shape, 2),
        RNG.integers(0, 256, (8, *shape), dtype=np.uint8),
        np.arange(8) % 2,
        [np.arange(8)],
        seeds=(0,),
        config=TrainingConfig(num_steps=1, batch_size=4),
    )
    path = tmp_path / "x.safetensors"
    for wrong, message in (
        (None, "image_shape must be given for vision transformers"),
        ((4, 16, 3), "height, width and 1 channels, got"),
        ((8, 16, 1), "image_shape must be of 16 patches of 2 x 2 pixels, got"),
    ):
        with pytest.raises(ValueError, match=message):
            weights.write(path, networks, image_shape=wrong)
    for naming in ("own", "timm"):
        weights.write(path, networks, naming=naming, image_shape=shape)
        found = weights.starting_weights(FineTuning(str(path)), config, shape, 2)
        np.testing.assert_array_equal(
            found.arrays["params/embedding/positions"], networks.params["embedding"]["positions"][0]
        )
    with pytest.raises(ValueError, match="image_shape must be None for the weights of one network"):
        weights.write(path, weights.read(path), image_shape=shape)


def test_networks_are_named_by_the_channels_of_their_own_images(tmp_path):
    weights.write(tmp_path / "x.npz", weights_of())
    with pytest.raises(ValueError, match=r"\(vit-ti, .*, patches of 4 x 4\) has other weights .*, patches of 2 x 2\)"):
        weights.starting_weights(FineTuning(str(tmp_path / "x.npz")), replace(TRANSFORMER, patch_size=2), (8, 8, 1), 5)
    with pytest.raises(FileNotFoundError, match=f"there is no weights.npz in the folder {tmp_path}"):
        weights.read(tmp_path)


def test_weights_of_a_training_that_are_not_finite_are_refused(tmp_path):
    arrays = {
        "description": np.array(json.dumps({"image_shape": [8, 8, 1], "num_classes": 5, "model": {"kind": "mlp"}})),
        "params/layers/0/bias": np.float32([[1, 2], [np.nan, 2]]),
        "standardization/mean": np.zeros(1, np.float32),
        "standardization/scale": np.ones(1, np.float32),
        "seeds": np.arange(2),
    }
    write_arrays(tmp_path / "weights.npz", {"sha256": np.array(digest_of_arrays(arrays)), **arrays})
    assert weights.read(tmp_path, network=0).num_networks == 2
    with pytest.raises(ValueError, match=r"weights.npz: numbers that are not finite: params/layers/0/bias"):
        weights.read(tmp_path, network=1)
    np.savez(tmp_path / "far.npz", **{"params/head/bias": np.array([1e300])})
    with pytest.raises(ValueError, match=r"far.npz: numbers that are not finite: params/head/bias"):
        weights.read(tmp_path / "far.npz")


def test_archives_with_other_members_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as archive:
        archive.writestr("readme", "hello")
    with pytest.raises(ValueError, match="readme is no array"):
        weights.read(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", a=np.zeros(3))
    with zipfile.ZipFile(tmp_path / "y.npz") as archive:
        content = archive.read("a.npy")
    with zipfile.ZipFile(tmp_path / "y.npz", "a") as archive:
        archive.writestr("a", content)
    with pytest.raises(ValueError, match="a name is in it twice"):
        weights.read(tmp_path / "y.npz")
    with zipfile.ZipFile(tmp_path / "z.pt", "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__/net.py"):
            archive.writestr(f"z/{name}", b"\x80\x02}.")
    with pytest.raises(ValueError, match=r"it is a program of TorchScript: save model.state_dict\(\) alone"):
        weights.read(tmp_path / "z.pt")
    save_file({}, tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="it has no tensors"):
        weights.read(tmp_path / "none.safetensors")
    types = {"a": np.zeros(2, bool), "b": np.zeros(2, bool)}
    save_file(types, tmp_path / "types.safetensors")
    with pytest.raises(ValueError, match="a is of type BOOL; b is of type BOOL"):
        weights.read(tmp_path / "types.safetensors")


def test_lines_that_differ_in_the_number_of_a_block_are_listed_as_one():
    lines = [f"blocks.{i}.norm1.weight is missing" for i in range(12)]
    assert listed(["a", *lines, "b.1.c"]) == "a; blocks.*.norm1.weight is missing (12 times); b.1.c"
    assert listed([*(f"x{i}" for i in range(41)), "y.1.", "y.2."]).endswith("; x39; and 3 more")


def test_what_the_command_would_not_use_is_refused(tensors, tmp_path, capsys):
    read(tmp_path, tensors)
    for more in (["--naming", "timm"], ["--pixels", "half"]):
        with pytest.raises(SystemExit) as stop:
            cli.main(["weights", str(tmp_path / "x.safetensors"), *more])
        assert stop.value.code == 2
        assert f"got {' '.join(more)} without --to" in capsys.readouterr().err


def test_the_command_says_what_is_missing_and_converts_no_halves(tensors, tmp_path, capsys):
    del tensors["blocks.1.mlp.fc1.bias"]
    read(tmp_path, {**tensors, "norm.weight": np.zeros(32, np.float32)})
    cli.main(["weights", str(tmp_path / "x.safetensors")])
    shown = capsys.readouterr().out
    assert "params/blocks/1/mlp/expansion/bias is missing, [256] needed" in shown
    assert "params/norm/scale is [32], [64] needed" in shown
    with pytest.raises(SystemExit):
        cli.main(["weights", str(tmp_path / "x.safetensors"), "--to", str(tmp_path / "y.npz")])
    assert "--to needs a file of a whole network" in capsys.readouterr().err
    assert not (tmp_path / "y.npz").exists()
    residual = weights_of(ModelConfig("resnet18", width=0.05))
    arrays = {name: array for name, array in residual.arrays.items() if "head" not in name}
    weights.write(tmp_path / "r.npz", replace(residual, arrays=arrays, num_classes=None), naming="torchvision")
    cli.main(["weights", str(tmp_path / "r.npz"), "--to", str(tmp_path / "s.npz")])
    assert "missing" not in capsys.readouterr().out
