"""Settings of an experiment: checked where they come in, and as JSON where results are kept."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np

from data_pruning import KeepRule
from data_pruning.records.software import source_digest, versions

__all__ = ["as_json", "software"]


def as_json(item: Any, **kind: str) -> dict[str, Any]:
    """Fields of a rule, student, probe, labels or features as JSON values.

    Args:
        item: a dataclass.
        kind: entries that come first, such as the name of its class.
    """
    return kind | {field.name: _value(getattr(item, field.name)) for field in fields(item)}


def _value(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, KeepRule):
        return as_json(value, rule=type(value).__name__)
    array = np.asarray(value, float)
    return float(array) if array.ndim == 0 else array.tolist()


@cache
def software(platform: str) -> dict[str, str]:
    """What besides the settings determines the last digits: versions, our own sources, and the kind of device."""
    source = source_digest("data_pruning", "perceptron_theory", "simulations")
    return versions(("jax", "jaxlib", "numpy", "scipy")) | {"source": source, "platform": platform}
