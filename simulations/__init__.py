"""Finite perceptrons trained on pruned data, each solved to a certificate: experiments that check the theory."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulations.experiment import Simulation, simulate
    from simulations.interior_point import Separator, max_margin
    from simulations.probe import PerceptronRule, TrainedProbe
    from simulations.query_selection import QueryExperiment, select_queries
    from simulations.validation import Point, Validation, validate

__all__ = [
    "PerceptronRule",
    "Point",
    "QueryExperiment",
    "Separator",
    "Simulation",
    "TrainedProbe",
    "Validation",
    "max_margin",
    "select_queries",
    "simulate",
    "validate",
]

_HOME = {
    "PerceptronRule": "probe",
    "Point": "validation",
    "QueryExperiment": "query_selection",
    "Separator": "interior_point",
    "Simulation": "experiment",
    "TrainedProbe": "probe",
    "Validation": "validation",
    "max_margin": "interior_point",
    "select_queries": "query_selection",
    "simulate": "experiment",
    "validate": "validation",
}


def __getattr__(name: str) -> Any:
    """Load the room, and with it JAX, when something in it is first asked for."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
