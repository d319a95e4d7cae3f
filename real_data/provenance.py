"""What determines numbers besides the settings: versions of packages, digest of the sources, kind of device."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

import jax

from perceptron_theory import apportionment, keep_rules

__all__ = ["software"]

PACKAGES = ("numpy", "jax", "jaxlib", "flax", "optax")
OPTIONAL_PACKAGES = ("pillow",)
SOURCES = (
    "augmentation",
    "batches",
    "config",
    "descent",
    "networks",
    "pruning",
    "sharding",
    "task",
    "training",
    "models",
    "scores",
    "datasets/image_decoding",
    "datasets/image_files",
    "datasets/stratification",
)


@cache
def software() -> dict[str, str]:
    """Versions of the packages and the sources that determine numbers, number and kind of devices.

    Returns:
        The version of each package; ``source``, SHA-256 of the sources; ``device``, number and kind, as JAX
        calls it.
    """
    device = f"{jax.local_device_count()} x {jax.devices()[0].device_kind}"
    return _versions() | {"source": _digest_of_sources(), "device": device}


def _versions() -> dict[str, str]:
    versions = {name: metadata.version(name) for name in PACKAGES}
    for name in OPTIONAL_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    room = Path(__file__).parent
    files = [Path(str(module.__file__)) for module in (keep_rules, apportionment)]
    for name in SOURCES:
        files += sorted((room / name).glob("*.py")) if (room / name).is_dir() else [room / f"{name}.py"]
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()
