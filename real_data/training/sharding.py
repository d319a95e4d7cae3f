"""Where the arrays of a training lie when JAX sees several devices: by network, or by example of a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

__all__ = ["Placement"]


@dataclass(frozen=True)
class Placement:
    """How a training is spread over devices.

    Attributes:
        mesh: the devices, along the axis "devices"; None is a single one.
        by_network: whether each device has some of the networks; otherwise it has a part of every batch.
    """

    mesh: Mesh | None
    by_network: bool

    @classmethod
    def of(cls, num_networks: int, batch_size: int) -> Placement:
        """All local devices if they divide the networks evenly, else as many as divide the batch evenly."""
        devices = jax.local_devices()
        by_network = num_networks % len(devices) == 0
        number = len(devices) if by_network else math.gcd(batch_size, len(devices))
        if number == 1:
            return cls(None, by_network)
        mesh = jax.make_mesh((number,), ("devices",), devices=devices[:number], axis_types=(AxisType.Auto,))
        return cls(mesh, by_network)

    def per_network(self, tree: Any) -> Any:
        """Arrays of shape (num_networks, ...)."""
        return self._put(tree, PartitionSpec("devices") if self.by_network else PartitionSpec())

    def per_example(self, array: Any) -> Any:
        """Indices (num_networks, ..., batch_size), or a batch of images (1, batch_size, height, width, channels)."""
        if self.by_network:
            return self._put(array, PartitionSpec("devices"))
        axis = 1 if array.ndim == 5 else array.ndim - 1
        return self._put(array, PartitionSpec(*[None] * axis, "devices"))

    def everywhere(self, array: Any) -> Any:
        """An array that every device needs whole."""
        return self._put(array, PartitionSpec())

    def _put(self, tree: Any, spec: PartitionSpec) -> Any:
        return jax.device_put(tree, None if self.mesh is None else NamedSharding(self.mesh, spec))
