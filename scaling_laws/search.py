"""The best coordinates of a form: many starts, the best of them to the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scaling_laws.forms.form import Floats, Form
from scaling_laws.least_squares import MOST_STEPS, minimise
from scaling_laws.observations import Observations

__all__ = ["Minimum", "best_of_each", "fixed_coordinates"]

_FIRST_STEPS = 30
_MOST_FIRST = 256
FINALISTS = 4
_SAME = 1e-6  # relative difference of costs below which two searches found the same minimum


class Minimum(NamedTuple):
    """The best minimum found.

    Attributes:
        p: its coordinates, for the scales as they are, shape (num_parameters,).
        cost: half the weighted squares, or their Huber function.
        converged: whether no step could lower it.
        num_agreeing: searches that ended there, of the finalists.
    """

    p: Floats
    cost: float
    converged: bool
    num_agreeing: int


def fixed_coordinates(form: Form, fixed: Mapping[str, float] | None) -> Floats:
    """Coordinates of the parameters that are held at a value, NaN for the others.

    Raises:
        ValueError: a name is none of the form's, or a value is out of range.
    """
    found = np.full(form.num_parameters, np.nan)
    for name, value in (fixed or {}).items():
        if name not in form.names:
            raise ValueError(f"fixed must name parameters of {form.name}, {', '.join(form.names)}, got {name!r}")
        if not np.isfinite(value):
            raise ValueError(f"fixed: {name} must be finite, got {value!r}")
        parameter = form.parameters[form.names.index(name)]
        try:
            found[form.names.index(name)] = parameter.coordinate(float(value))
        except ValueError as error:
            raise ValueError(f"fixed: {error}") from error
    if np.all(~np.isnan(found)):
        raise ValueError(f"fixed must leave a parameter of {form.name} free, got all of {', '.join(form.names)}")
    return found


def best_of_each(
    form: Form,
    data: Sequence[Observations],
    *,
    fixed: Floats | None = None,
    huber: float | None = None,
    most_steps: int = MOST_STEPS,
    finalists: int = FINALISTS,
) -> list[Minimum]:
    """The best minimum for each of many data sets, which are searched side by side.

    All starts make a few steps; the best of each data set go on to the end.

    Args:
        form: the law.
        data: what it is fitted to.
        fixed: coordinates that are held, NaN for the others, shape (num_parameters,).
        huber: see :func:`minimise`.
        most_steps: steps after which a search ends.
        finalists: searches of each data set that go on to the end.
    """
    held = np.full(form.num_parameters, np.nan) if fixed is None else fixed
    free = np.isnan(held)
    centre = form.centred and free.all()  # a held coefficient is that of the scales as they are
    most = max(one.num_points for one in data)
    starts, owner, x0s = [], [], []
    x = np.zeros((len(data), len(form.scales), most))
    y, weights, limits = (np.zeros((len(data), most)) for _ in range(3))
    for number, one in enumerate(data):
        x0 = one.x.mean(axis=1) if centre else np.zeros(len(form.scales))
        order = np.argsort(one.x[0], kind="stable")  # so that every few of them are spread out
        x[number, :, : one.num_points] = one.x[:, order] - x0[:, None]
        columns = ((y, one.y), (weights, one.weights), (limits, one.thresholds(huber)))
        for filled, values in columns:
            filled[number, : one.num_points] = values[order]
        begin = np.unique(np.where(free, form.starts(one.x - x0[:, None], one.y), held), axis=0)
        starts.append(begin)
        owner.append(np.full(len(begin), number))
        x0s.append(x0)
    of = np.concatenate(owner)
    # a part of many points is enough to say which starts are worth going on from
    every = slice(None, None, -(-most // _MOST_FIRST) if len(data) == 1 else 1)
    part, limit = (x[..., every][of], y[:, every][of], weights[:, every][of]), limits[:, every][of]
    first = minimise(form, np.concatenate(starts), *part, free=free, huber=limit, most_steps=_FIRST_STEPS)
    best = np.concatenate(
        [np.flatnonzero(of == i)[np.argsort(first.cost[of == i], kind="stable")[:finalists]] for i in range(len(data))]
    )
    whole, limit = (x[of[best]], y[of[best]], weights[of[best]]), limits[of[best]]
    last = minimise(form, first.p[best], *whole, free=free, huber=limit, most_steps=most_steps)
    found = []
    for number in range(len(data)):
        own = np.flatnonzero(of[best] == number)
        winner = own[np.argmin(last.cost[own])]
        cost = float(last.cost[winner])
        agreeing = int(np.sum(last.cost[own] <= cost * (1 + _SAME) + 1e-20))
        found.append(Minimum(form.shifted(last.p[winner], x0s[number]), cost, bool(last.converged[winner]), agreeing))
    return found
