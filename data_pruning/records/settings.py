"""Settings as JSON: written, read back, and named by a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

__all__ = ["Config", "digest_of", "from_json", "read_json", "to_json"]


Config = TypeVar("Config")


def to_json(config: Any) -> Any:
    """A settings object as a JSON value, as it comes back from a file: tuples become lists."""
    return json.loads(json.dumps(asdict(config)))


def from_json(kind: type[Config], value: Mapping[str, Any]) -> Config:
    """The settings object that :func:`to_json` turned into ``value``.

    Args:
        kind: the class, a dataclass; the types of its fields say which of them are settings themselves.
        value: its fields; those left out take their default.

    Raises:
        TypeError: the value of a field is of the wrong type.
        ValueError: a field is unknown, or its value is not allowed.
    """
    assert is_dataclass(kind)
    if not isinstance(value, Mapping):
        raise ValueError(f"the settings of {kind.__name__} must be a table of names and values, got {value!r}")
    types = get_type_hints(kind)
    known = {f.name for f in fields(kind)}
    unknown = sorted(set(value) - known)
    if unknown:
        raise ValueError(f"{kind.__name__} has no setting {unknown[0]!r}; it has {', '.join(sorted(known))}")
    return kind(**{name: _field(name, types[name], entry) for name, entry in value.items()})


def _field(name: str, kind: Any, entry: Any) -> Any:
    """The value of a field of type ``kind``; lists become tuples, tables the settings that the type names."""
    if isinstance(kind, type) and is_dataclass(kind):
        return _from_json_at(name, kind, entry)
    if isinstance(entry, Mapping):  # settings that may be None
        settings = [one for one in get_args(kind) if isinstance(one, type) and is_dataclass(one)]
        return _from_json_at(name, settings[0], entry) if settings else entry
    if isinstance(entry, list):
        of_each = next(iter(get_args(kind)), None)
        if isinstance(of_each, type) and is_dataclass(of_each):
            return tuple(_from_json_at(name, of_each, one) for one in entry)
        return tuple(entry)
    return entry


def _from_json_at(name: str, kind: type[Config], value: Any) -> Config:
    """:func:`from_json`, whose complaints begin with the name of the field."""
    try:
        return from_json(kind, value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error


def read_json(path: Path) -> Any:
    """The JSON value in a settings file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not JSON in UTF-8, or has a name twice, of which one would be lost.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once_each)
    except ValueError as error:  # JSON and Unicode errors are such
        raise ValueError(f"{path} is not a settings file: {error}") from error


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return table


def digest_of(value: Any) -> str:
    """Sixteen hexadecimal digits that name a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
