"""Squared norms of per-example gradients, out of a single backward pass.

A layer is called as usual, ``call(layer, x)``.  With a tap, zeros of shape (batch,), the output is the same, but in the
backward pass the layer hands the tap the squared norm of each example's gradient with respect to the layer's own
weights, and no gradient to the weights.  Given the same tap, the layers of a network add up what they hand back: if
L_i is the loss of example i, and example i alone decides it, the derivative of sum_i L_i with respect to tap_i is

    |grad_w L_i|^2,    w all weights of the network.

With x the input of a layer and d the derivative of the loss with respect to its output, one example at a time:

* linear: the gradient of the kernel is x d^T, with squared norm |x|^2 |d|^2;
* linear on sequences, and convolution: a sum over positions p, see :mod:`real_data.models.gradient_squares`;
* batch normalisation by running statistics, and layer normalisation: sum_p d(p) xhat(p) for the scale;
* biases: sum_p d(p);
* an array that is added to every example, such as the positions of a transformer: d.

Source: Goodfellow, *Efficient per-example gradient computations* (2015); for layers with positions see there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from real_data.models.gradient_squares import Padding, convolution_squares, sequence_squares, sum_of_squares

__all__ = ["added", "as_precise_as", "call"]

Weights = tuple[Any, ...]  # arrays, or None for a bias that is not there
_TAPPED = ("Linear", "Conv", "BatchNorm", "LayerNorm")


def call(layer: nnx.Module, x: jax.Array, tap: jax.Array | None = None, *, train: bool = False) -> jax.Array:
    """Output of a layer; with a tap, its backward pass measures gradients instead of returning them.

    Activations of float32 are multiplied in float32 on every device.

    Args:
        layer: ``nnx.Linear``, a two-dimensional ``nnx.Conv`` without groups or dilation, ``nnx.BatchNorm``, or
            ``nnx.LayerNorm`` over the last axis.
        x: inputs, shape (batch, height, width, channels) for a convolution, else (batch, ..., features).
        tap: zeros of shape (batch,), or None for the plain layer.
        train: whether batch normalisation uses and updates the statistics of the batch.

    Raises:
        ValueError: a tap together with ``train``, where examples are not independent, or a layer of another kind.
    """
    with as_precise_as(getattr(layer, "dtype", None) or x.dtype):
        return _call(layer, x, tap, train)


def _call(layer: nnx.Module, x: jax.Array, tap: jax.Array | None, train: bool) -> jax.Array:
    if tap is None:
        return layer(x, use_running_average=not train) if isinstance(layer, nnx.BatchNorm) else layer(x)
    if train:
        raise ValueError("a tap needs train = False: the statistics of a batch tie its examples together")
    if isinstance(layer, nnx.Linear):
        kernel, bias = layer.kernel[...], None if layer.bias is None else layer.bias[...]
        x, kernel, bias = layer.promote_dtype((x, kernel, bias), dtype=layer.dtype)
        return _tapped(_linear, _linear_squares, x, (kernel, bias), tap)
    if isinstance(layer, nnx.BatchNorm):
        dtype = layer.dtype or x.dtype
        scale, bias = (None if weight is None else weight[...] for weight in (layer.scale, layer.bias))
        apply = partial(_normalize, epsilon=layer.epsilon, dtype=dtype)
        squares = partial(_normalize_squares, epsilon=layer.epsilon)
        return _tapped(apply, squares, x, (scale, bias, layer.mean[...], layer.var[...]), tap)
    if isinstance(layer, nnx.LayerNorm):
        scale, bias = (None if weight is None else weight[...] for weight in (layer.scale, layer.bias))
        x, scale, bias = layer.promote_dtype((x, scale, bias), dtype=layer.dtype)
        apply = partial(_layer_normalize, epsilon=layer.epsilon)
        return _tapped(apply, partial(_layer_normalize_squares, epsilon=layer.epsilon), x, (scale, bias), tap)
    if isinstance(layer, nnx.Conv):
        return _tapped_convolution(layer, x, tap)
    raise ValueError(f"a tap needs nnx.{', nnx.'.join(_TAPPED)}, got {type(layer).__name__}")


def added(x: jax.Array, weight: jax.Array, tap: jax.Array | None = None) -> jax.Array:
    """``x + weight`` for every example; with a tap, as of :func:`call`.

    Args:
        x: shape (batch, ...).
        weight: shape of one example; brought to the type of ``x``.
        tap: zeros of shape (batch,), or None.
    """
    weight = weight.astype(x.dtype)
    if tap is None:
        return x + weight
    return _tapped(_add, _add_squares, x, (weight,), tap)


def as_precise_as(dtype: Any) -> AbstractContextManager[Any]:
    """Products of float32 in float32: by default a GPU rounds their factors to TF32, a TPU to bfloat16.

    Args:
        dtype: type of the activations; products of others are left as they are.
    """
    return jax.default_matmul_precision("highest") if dtype == jnp.float32 else nullcontext()


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _tapped(
    apply: Callable[..., jax.Array], squares: Callable[..., jax.Array], x: jax.Array, weights: Weights, tap: jax.Array
) -> jax.Array:
    return apply(x, weights)


def _forward(
    apply: Callable[..., jax.Array], squares: Callable[..., jax.Array], x: jax.Array, weights: Weights, tap: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, Weights]]:
    return apply(x, weights), (x, weights)


def _backward(
    apply: Callable[..., jax.Array],
    squares: Callable[..., jax.Array],
    saved: tuple[jax.Array, Weights],
    d: jax.Array,
) -> tuple[jax.Array, Any, jax.Array]:
    x, weights = saved
    with as_precise_as(x.dtype):
        (to_x,) = jax.vjp(lambda x: apply(x, weights), x)[1](d)
        return to_x, jax.tree.map(jnp.zeros_like, weights), squares(x, weights, d)


_tapped.defvjp(_forward, _backward)


def _bias_squares(bias: jax.Array | None, d: jax.Array) -> jax.Array:
    if bias is None:
        return jnp.zeros(len(d), jnp.float32)
    return sum_of_squares(jnp.sum(d.astype(jnp.float32), axis=tuple(range(1, d.ndim - 1))))


def _linear(x: jax.Array, weights: Weights) -> jax.Array:
    kernel, bias = weights
    return x @ kernel if bias is None else x @ kernel + bias


def _linear_squares(x: jax.Array, weights: Weights, d: jax.Array) -> jax.Array:
    if x.ndim == 2:
        return sum_of_squares(x) * sum_of_squares(d) + _bias_squares(weights[1], d)
    sequences = (a.reshape(len(a), -1, a.shape[-1]) for a in (x, d))
    return sequence_squares(*sequences) + _bias_squares(weights[1], d)


def _add(x: jax.Array, weights: Weights) -> jax.Array:
    return x + weights[0]


def _add_squares(x: jax.Array, weights: Weights, d: jax.Array) -> jax.Array:
    return sum_of_squares(d)


def _normalize(x: jax.Array, weights: Weights, *, epsilon: float, dtype: Any) -> jax.Array:
    scale, bias, mean, var = weights
    factor = lax.rsqrt(var + epsilon)
    y = (x - mean) * (factor if scale is None else factor * scale)
    return (y if bias is None else y + bias).astype(dtype)


def _normalize_squares(x: jax.Array, weights: Weights, d: jax.Array, *, epsilon: float) -> jax.Array:
    scale, bias, mean, var = weights
    total = _bias_squares(bias, d)
    if scale is None:
        return total
    to_scale = jnp.sum(d.astype(jnp.float32) * (x - mean), axis=tuple(range(1, x.ndim - 1))) * lax.rsqrt(var + epsilon)
    return total + sum_of_squares(to_scale)


def _standardized(x: jax.Array, epsilon: float) -> jax.Array:
    """Each position by its own mean and variance, in float32."""
    x = x.astype(jnp.float32)
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    return centred * lax.rsqrt(jnp.mean(jnp.square(centred), axis=-1, keepdims=True) + epsilon)


def _layer_normalize(x: jax.Array, weights: Weights, *, epsilon: float) -> jax.Array:
    scale, bias = weights
    y = _standardized(x, epsilon)
    y = y if scale is None else y * scale
    return (y if bias is None else y + bias).astype(x.dtype)


def _layer_normalize_squares(x: jax.Array, weights: Weights, d: jax.Array, *, epsilon: float) -> jax.Array:
    scale, bias = weights
    total = _bias_squares(bias, d)
    if scale is None:
        return total
    to_scale = jnp.sum(d.astype(jnp.float32) * _standardized(x, epsilon), axis=tuple(range(1, x.ndim - 1)))
    return total + sum_of_squares(to_scale)


def _pair(n: Any) -> Any:
    return (n or 1, n or 1) if n is None or isinstance(n, int) else tuple(n)


def _tapped_convolution(layer: nnx.Conv, x: jax.Array, tap: jax.Array) -> jax.Array:
    height, width = layer.kernel.shape[:2]
    strides, dilation = map(_pair, (layer.strides, layer.kernel_dilation))
    if layer.feature_group_count != 1 or dilation != (1, 1) or layer.input_dilation not in (1, (1, 1)):
        raise ValueError("a tap needs a convolution without groups or dilation")
    if isinstance(layer.padding, str):
        if layer.padding not in ("SAME", "VALID"):
            raise ValueError(f"a tap needs a convolution with padding by numbers, SAME or VALID, got {layer.padding!r}")
        padding: Any = tuple(lax.padtype_to_pads(x.shape[1:3], (height, width), strides, layer.padding))
    else:
        pairs = [layer.padding] * 2 if isinstance(layer.padding, int) else layer.padding
        padding = tuple((n, n) if isinstance(n, int) else tuple(n) for n in pairs)
    kernel, bias = layer.kernel[...], None if layer.bias is None else layer.bias[...]
    x, kernel, bias = layer.promote_dtype((x, kernel, bias), dtype=layer.dtype)
    settings = {"strides": strides, "padding": padding}
    return _tapped(partial(_convolve, **settings), partial(_convolution_squares, **settings), x, (kernel, bias), tap)


def _convolve(x: jax.Array, weights: Weights, *, strides: tuple[int, int], padding: Padding) -> jax.Array:
    kernel, bias = weights
    y = lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y if bias is None else y + bias


def _convolution_squares(
    x: jax.Array, weights: Weights, d: jax.Array, *, strides: tuple[int, int], padding: Padding
) -> jax.Array:
    kernel, bias = weights
    total = convolution_squares(x, d, kernel.shape[:2], strides=strides, padding=padding)
    return total + _bias_squares(bias, d)
