"""Vision transformers."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from data_pruning.arguments import check_integer
from real_data.models.gradient_tap import added, as_precise_as, call

__all__ = ["HEAD_WIDTH", "VisionTransformer", "check_patches"]

HEAD_WIDTH = 64
"""Channels of one head of attention."""

_EPSILON = 1e-6
_xavier = nnx.initializers.xavier_uniform()
_normal = nnx.initializers.normal(0.02)


class VisionTransformer(nnx.Module):
    """Transformer on the patches of an image, the same function of its weights as torchvision's and timm's.

    Dosovitskiy et al., *An image is worth 16 x 16 words* (ICLR 2021, arXiv 2010.11929): linear embedding of the
    patches, a class token, learned positions, blocks of attention and of two dense layers with exact GELU between them,
    both behind a layer normalisation (epsilon 1e-6), and a linear layer on the class token.  At patch size 16 and 224 x
    224 pixels the parameters are one to one those of ``torchvision.models.vit_b_16`` (768 channels) and of timm's
    ``vit_tiny_patch16_224`` (192) and ``vit_small_patch16_224`` (384).  Registers are further tokens of no patch and no
    position: Darcet et al., *Vision transformers need registers* (ICLR 2024, arXiv 2309.16588).

    Tokens stand in the order class, registers, patches row by row.  Examples never meet.

    Initial weights as in the code of the authors: kernels uniform of variance 2 / (inputs + outputs) (Glorot and Bengio
    2010), with those of queries, keys and values taken as three; patches normal of variance 1 / inputs; positions
    normal of standard deviation 0.02; class token and biases 0.  Other than there the head is not 0 but truncated
    normal of standard deviation 0.02 (Touvron et al. 2021, DeiT), so that every layer has a gradient from the start,
    and registers are normal of 0.02.

    Args:
        image_shape: height, width and channels of an image; height and width multiples of ``patch_size``.
        num_classes: number of classes, the width of the output.
        patch_size: pixels of height and width of a patch, at least 1.
        width: channels of a token, a multiple of ``num_heads``.
        num_heads: heads of attention, at least 1.
        depth: number of blocks, at least 1.
        registers: number of register tokens, at least 0.
        dtype: type of the activations; weights are float32, softmax and statistics of layers are computed in float32.
        rngs: random numbers of the initial weights.

    Raises:
        ValueError: patches of this size do not tile the image, or another argument is out of its range.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        *,
        patch_size: int = 16,
        width: int = 192,
        num_heads: int = 3,
        depth: int = 12,
        registers: int = 0,
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        check_integer("patch_size", patch_size, 1)
        check_integer("num_heads", num_heads, 1)
        check_integer("depth", depth, 1)
        check_integer("registers", registers, 0)
        if width < 1 or width % num_heads:
            raise ValueError(f"width must be a multiple of num_heads = {num_heads}, got {width}")
        self.embedding = _Embedding(image_shape, patch_size, width, registers, dtype=dtype, rngs=rngs)
        self.blocks = nnx.List([_Block(width, num_heads, dtype=dtype, rngs=rngs) for _ in range(depth)])
        self.norm = _normalization(width, dtype, rngs)
        self.head = nnx.Linear(width, num_classes, kernel_init=nnx.initializers.truncated_normal(0.02), rngs=rngs)

    def __call__(self, images: jax.Array, *, train: bool = False, tap: jax.Array | None = None) -> jax.Array:
        """Logits of a batch of images, shape (batch, num_classes)."""
        return call(self.head, self.features(images, tap=tap), tap)

    @property
    def num_tokens(self) -> int:
        """Tokens of an image: the class, registers and patches."""
        registers = self.embedding.registers
        return self.embedding.positions.shape[0] + (0 if registers is None else registers.shape[0])

    def features(self, images: jax.Array, *, train: bool = False, tap: jax.Array | None = None) -> jax.Array:
        """The class token after the last layer normalisation, shape (batch, width)."""
        tokens = self.embedding(images, tap)
        for block in self.blocks:
            tokens = block(tokens, tap)
        return call(self.norm, tokens[:, 0], tap).astype(jnp.float32)


def check_patches(image_shape: tuple[int, int, int], patch_size: int) -> None:
    """Raise a ``ValueError`` unless patches of this size tile the image; the message says which do."""
    rows, columns, _ = image_shape
    if rows % patch_size or columns % patch_size:
        sizes = [n for n in range(1, min(rows, columns) + 1) if rows % n == 0 and columns % n == 0]
        raise ValueError(
            f"patch_size must divide height and width of the images, {rows} x {columns}: one of "
            f"{', '.join(map(str, sizes))}, got {patch_size}"
        )


def _normalization(width: int, dtype: Any, rngs: nnx.Rngs) -> nnx.LayerNorm:
    # the variance as the mean of squared deviations: E[x^2] - E[x]^2 loses digits where channels have a large mean
    return nnx.LayerNorm(width, epsilon=_EPSILON, use_fast_variance=False, dtype=dtype, rngs=rngs)


class _Embedding(nnx.Module):
    """Tokens of an image: class, registers, patches."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        patch_size: int,
        width: int,
        registers: int,
        *,
        dtype: Any,
        rngs: nnx.Rngs,
    ):
        check_patches(image_shape, patch_size)
        rows, columns, channels = image_shape
        self.patch_size = patch_size
        self.patches = nnx.Linear(patch_size**2 * channels, width, dtype=dtype, rngs=rngs)
        num_patches = (rows // patch_size) * (columns // patch_size)
        self.class_token = nnx.Param(jnp.zeros((1, width)))
        self.positions = nnx.Param(_normal(rngs.params(), (1 + num_patches, width)))
        self.registers = nnx.Param(_normal(rngs.params(), (registers, width))) if registers else None

    def __call__(self, images: jax.Array, tap: jax.Array | None) -> jax.Array:
        # a product of matrices, where a convolution of the same weights is slower on a CPU
        batch, height, width, channels = images.shape
        size = self.patch_size
        pixels = images.reshape(batch, height // size, size, width // size, size, channels).swapaxes(2, 3)
        patches = call(self.patches, pixels.reshape(batch, -1, size * size * channels), tap)

        def token(weight: jax.Array) -> jax.Array:
            return added(jnp.zeros((batch, *weight.shape), patches.dtype), weight, tap)

        tokens = jnp.concatenate([token(self.class_token[...]), patches], axis=1)
        tokens = added(tokens, self.positions[...], tap)
        if self.registers is None:
            return tokens
        return jnp.concatenate([tokens[:, :1], token(self.registers[...]), tokens[:, 1:]], axis=1)


class _Block(nnx.Module):
    """Attention and two dense layers, with a way around each."""

    def __init__(self, width: int, num_heads: int, *, dtype: Any, rngs: nnx.Rngs):
        self.attention_norm = _normalization(width, dtype, rngs)
        self.attention = Attention(width, num_heads, dtype=dtype, rngs=rngs)
        self.mlp_norm = _normalization(width, dtype, rngs)
        self.mlp = _DenseLayers(width, dtype=dtype, rngs=rngs)

    def __call__(self, tokens: jax.Array, tap: jax.Array | None) -> jax.Array:
        tokens = tokens + self.attention(call(self.attention_norm, tokens, tap), tap)
        return tokens + self.mlp(call(self.mlp_norm, tokens, tap), tap)


class Attention(nnx.Module):
    """Every token takes what it asks for from all others; scaled by 1 / sqrt(channels of a head)."""

    def __init__(self, width: int, num_heads: int, *, dtype: Any, rngs: nnx.Rngs):
        self.num_heads = num_heads
        # uniform of variance 1 / width: that of three kernels of as many outputs as inputs
        three = nnx.initializers.variance_scaling(1.0, "fan_in", "uniform")
        self.query_key_value = nnx.Linear(width, 3 * width, kernel_init=three, dtype=dtype, rngs=rngs)
        self.projection = nnx.Linear(width, width, kernel_init=_xavier, dtype=dtype, rngs=rngs)

    def __call__(self, tokens: jax.Array, tap: jax.Array | None) -> jax.Array:
        batch, number, _ = tokens.shape
        three = call(self.query_key_value, _rows(tokens, tap), tap)
        # split, then heads beside the batch: gradients of jax.nn.dot_product_attention take longer on a CPU
        query, key, value = (
            part.reshape(batch, number, self.num_heads, -1).swapaxes(1, 2) for part in jnp.split(three, 3, axis=-1)
        )
        query = query / math.sqrt(query.shape[-1])  # the scale of the matches, on fewer numbers
        with as_precise_as(three.dtype):
            matches = jnp.matmul(query, key.swapaxes(2, 3), preferred_element_type=jnp.float32)
            taken = jax.nn.softmax(matches).astype(value.dtype) @ value
        taken = taken.swapaxes(1, 2).reshape(tokens.shape)
        return call(self.projection, _rows(taken, tap), tap).reshape(tokens.shape)


class _DenseLayers(nnx.Module):
    """To four times as many channels, and back."""

    def __init__(self, width: int, *, dtype: Any, rngs: nnx.Rngs):
        self.expansion = nnx.Linear(width, 4 * width, kernel_init=_xavier, dtype=dtype, rngs=rngs)
        self.contraction = nnx.Linear(4 * width, width, kernel_init=_xavier, dtype=dtype, rngs=rngs)

    def __call__(self, tokens: jax.Array, tap: jax.Array | None) -> jax.Array:
        expanded = call(self.expansion, _rows(tokens, tap), tap)
        return call(self.contraction, _gelu(expanded), tap).reshape(tokens.shape)


def _rows(tokens: jax.Array, tap: jax.Array | None) -> jax.Array:
    """Tokens of all examples as one matrix, whose gradients XLA computes 1.6 times as fast on a CPU, unless tapped."""
    return tokens.reshape(-1, tokens.shape[-1]) if tap is None else tokens


def _gelu(x: jax.Array) -> jax.Array:
    """Each number times the normal distribution function at it (Hendrycks and Gimpel 2016), computed in float32.

    By the error function, as in PyTorch.  JAX's own takes its complement, whose gradient is slow on a CPU and which is
    more precise only where the result is below 1e-5.
    """
    y = x.astype(jnp.float32)
    return (0.5 * y * (1 + jax.lax.erf(y * math.sqrt(0.5)))).astype(x.dtype)
