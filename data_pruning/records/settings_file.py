"""The settings file of a results folder: written once, compared when work goes on there."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from data_pruning.records.atomic_file import write_atomically

__all__ = ["check_settings", "write_settings"]


def write_settings(path: Path, settings: Mapping[str, Any], *, may_change: Collection[str] = ()) -> None:
    """Write settings as JSON; where there are some already they must be the same.

    Args:
        path: the file.
        settings: the settings.
        may_change: names of settings in which the file may differ, inner ones as ``outer.inner``; it is then written
            anew.

    Raises:
        ValueError: see :func:`check_settings`.
    """
    if check_settings(path, settings, may_change=may_change):
        return
    write_atomically(path, (json.dumps(settings, indent=2) + "\n").encode())


def check_settings(path: Path, settings: Mapping[str, Any], *, may_change: Collection[str] = ()) -> bool:
    """Whether a file holds just these settings; False if there is none, or they differ in what may change.

    Raises:
        ValueError: the file holds other settings or is not JSON; the message names the first difference.
    """
    if not path.exists():
        return False
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is not a settings file: {error}") from error
    before, now = (_without(each, may_change) for each in (found, settings))
    if before != now:
        name, here, there = _first_difference(now, before)
        raise ValueError(
            f"{path} belongs to other settings: {name} is {there!r} there and {here!r} now; give another folder"
        )
    return found == settings


def _without(settings: Any, names: Collection[str]) -> Any:
    """Settings without some of them."""
    if not isinstance(settings, Mapping):
        return settings
    inner = {
        key: [name.removeprefix(f"{key}.") for name in names if name.startswith(f"{key}.")]
        for key in settings
        if key not in names
    }
    return {key: _without(settings[key], own) for key, own in inner.items()}


class _NotGiven:
    """In place of a setting that other versions of the software do not have."""

    def __repr__(self) -> str:
        return "not given"


_NOT_GIVEN = _NotGiven()


def _first_difference(now: Any, before: Any, name: str = "") -> tuple[str, Any, Any]:
    if isinstance(now, dict) and isinstance(before, dict):
        for key in {**now, **before}:
            here, there = now.get(key, _NOT_GIVEN), before.get(key, _NOT_GIVEN)
            if here != there:
                return _first_difference(here, there, f"{name}.{key}" if name else key)
    return name or "everything", now, before
