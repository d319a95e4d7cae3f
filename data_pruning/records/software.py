"""What determines numbers besides the settings: the versions of packages and a digest of our own sources."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

__all__ = ["source_digest", "versions"]


@cache
def source_digest(*places: str) -> str:
    """SHA-256 of the sources of packages and modules, so that results of other code are never taken for those of this.

    Args:
        places: names of packages, all files of which count, sub-packages included, or of modules.

    Raises:
        ModuleNotFoundError: a place does not exist.
    """
    digest = hashlib.sha256()
    for place in places:
        spec = find_spec(place)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"no module named {place!r}", name=place)
        origin = Path(spec.origin)
        package = spec.submodule_search_locations is not None
        for path in sorted(origin.parent.rglob("*.py")) if package else [origin]:
            digest.update(f"{place}/{path.relative_to(origin.parent).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def versions(packages: Iterable[str], optional: Iterable[str] = ()) -> dict[str, str]:
    """The installed version of each package; of the optional ones only of those that are there."""
    found = {name: metadata.version(name) for name in packages}
    for name in optional:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
