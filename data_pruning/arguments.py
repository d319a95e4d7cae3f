"""Checks of arguments: an error names the argument, the value and what is allowed."""

from __future__ import annotations

import math
import sys
from numbers import Real
from typing import Any

import numpy as np

__all__ = [
    "broadcast",
    "check_boolean",
    "check_choice",
    "check_different",
    "check_integer",
    "check_real",
    "check_settings",
    "check_string",
    "check_tuple",
    "fraction_kept",
    "integer",
    "is_traced",
    "number",
    "real_array",
    "real_number",
]


def is_traced(*values: Any) -> bool:
    """Whether JAX is tracing a value: then it has no numbers yet that could be checked."""
    core = sys.modules.get("jax.core")
    tracer = getattr(core, "Tracer", None)  # None while another thread imports JAX: then nothing is traced yet
    return tracer is not None and any(isinstance(value, tracer) for value in values)


def real_array(name: str, value: Any, *, finite: bool = True) -> Any:
    """``value`` as a float64 array, or a ``ValueError``/``TypeError`` that names the argument.

    A value that JAX traces is returned as it is.  With ``finite`` infinities and NaN are refused.
    """
    if is_traced(value):
        return value
    if np.ma.is_masked(value):
        raise ValueError(f"{name} must have no masked entries: they would be taken for numbers")
    try:
        array = np.asarray(value)
    except ValueError as error:  # lists of different lengths
        raise ValueError(f"{name} must be a number or an array of one shape, got {value!r}") from error
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be a real number or an array of them, got {value!r}")
    array = array.astype(np.float64)
    if finite and not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return array


def real_number(name: str, value: Any) -> float:
    """``value`` as one finite number, or an error that names the argument."""
    number = real_array(name, value)
    if number.ndim:
        raise ValueError(f"{name} must be one number, got {value!r}")
    return float(number)


def broadcast(**arrays: Any) -> tuple[int, ...]:
    """Broadcast shape of arguments by name.

    Raises:
        ValueError: they do not broadcast; the message gives the names and shapes.
    """
    try:
        return np.broadcast_shapes(*(np.shape(array) for array in arrays.values()))
    except ValueError:
        listed = ", ".join(f"{name} {np.shape(array)}" for name, array in arrays.items())
        raise ValueError(f"shapes do not broadcast: {listed}") from None


def fraction_kept(value: Any) -> Any:
    """``value`` as an array of fractions kept, in (0, 1]."""
    f = real_array("f", value)
    if not is_traced(f) and np.any((f <= 0) | (f > 1)):
        raise ValueError(f"f, the fraction kept, must lie in (0, 1], got {value!r}")
    return f


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


def check_integer(name: str, value: int, least: int, most: float = math.inf) -> None:
    """Raise unless ``value`` is an integer in [least, most]."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if not least <= value <= most:
        allowed = f"in [{least}, {most}]" if most < math.inf else f"at least {least}"
        raise ValueError(f"{name} must be {allowed}, got {value}")


def check_real(name: str, value: float, interval: str) -> None:
    """Raise unless ``value`` is a finite real number in ``interval``, for example ``[0, 1)``."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number in {interval}, got {value!r}")
    low, high = map(float, interval[1:-1].split(","))
    above = value >= low if interval[0] == "[" else value > low
    below = value <= high if interval[-1] == "]" else value < high
    if not (above and below and math.isfinite(value)):
        raise ValueError(f"{name} must lie in {interval}, got {value!r}")


def check_boolean(name: str, value: bool) -> None:
    """Raise unless ``value`` is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be true or false, got {value!r}")


def check_string(name: str, value: str | None, *, optional: bool = False) -> None:
    """Raise unless ``value`` is a string, or None where that may be."""
    if not (isinstance(value, str) or (optional and value is None)):
        raise TypeError(f"{name} must be a string{' or None' if optional else ''}, got {value!r}")


def check_tuple(name: str, value: tuple[Any, ...], kind: type | None = None) -> None:
    """Raise unless ``value`` is a tuple, of values of a kind where one is given."""
    if not isinstance(value, tuple):
        raise TypeError(f"{name} must be a tuple (in a file: a list), got {value!r}")
    for one in value:
        if kind is not None and not isinstance(one, kind):
            raise TypeError(f"each of {name} must be a {kind.__name__}, got {one!r}")


def check_settings(name: str, value: Any, kind: type) -> None:
    """Raise unless ``value`` is an object of the settings class ``kind``."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, got {value!r}")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise unless ``value`` is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_different(name: str, values: tuple[Any, ...]) -> None:
    """Raise unless there are values, each once."""
    if not values or len(set(values)) < len(values):
        raise ValueError(f"{name} must be different ones, at least one, got {values!r}")
