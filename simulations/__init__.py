"""Finite perceptrons trained on pruned data, each solved to a certificate: experiments that check the theory."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulations.experiment import Simulation, simulate
    from simulations.interior_point import Separator, max_margin
    from simulations.validation import Point, Validation, validate

__all__ = ["Point", "Separator", "Simulation", "Validation", "max_margin", "simulate", "validate"]

_HOME = {
    "Separator": "interior_point",
    "Point": "validation",
    "Simulation": "experiment",
    "Validation": "validation",
    "max_margin": "interior_point",
    "simulate": "experiment",
    "validate": "validation",
}


def __getattr__(name: str) -> Any:
    """Load the room, and with it JAX, when something in it is first asked for."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
