"""Settings of an experiment: checked where they come in, and as JSON where results are kept."""

from __future__ import annotations

import math
from dataclasses import fields
from importlib import metadata
from typing import Any

import numpy as np

from perceptron_theory import KeepRule

__all__ = ["as_json", "integer", "number", "software"]


def integer(name: str, value: Any, low: int) -> int:
    """``value`` as an integer, at least ``low``.

    Raises:
        TypeError, ValueError: it is none, or too small; the message names the argument.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if not low <= value < 2**63:
        raise ValueError(f"{name} must lie in [{low}, 2**63), got {value!r}")
    return int(value)


def number(name: str, value: Any) -> float:
    """``value`` as one finite number.

    Raises:
        TypeError, ValueError: it is none; the message names the argument.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return float(value)


def as_json(item: Any, **kind: str) -> dict[str, Any]:
    """Fields of a rule, student, probe or labels as JSON values.

    Args:
        item: a dataclass.
        kind: entries that come first, such as the name of its class.
    """
    return kind | {field.name: _value(getattr(item, field.name)) for field in fields(item)}


def _value(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, KeepRule):
        return as_json(value, rule=type(value).__name__)
    array = np.asarray(value, float)
    return float(array) if array.ndim == 0 else array.tolist()


def software(platform: str) -> dict[str, str]:
    """What besides the settings determines the last digits: versions, and the kind of device."""
    versions = {name: metadata.version(name) for name in ("data-pruning-theory", "jax", "jaxlib", "numpy", "scipy")}
    return versions | {"platform": platform}
