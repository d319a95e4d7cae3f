"""Whether a version may be released: nothing uncommitted, one version everywhere, a dated section of the changelog."""

from __future__ import annotations

import datetime
import re
import subprocess
import tomllib
from pathlib import Path

__all__ = ["ready_version"]


def ready_version(root: Path) -> str:
    """The version that stands in the sources, if it may be released.

    Args:
        root: the checkout.

    Raises:
        ValueError: something is not committed; ``pyproject.toml``, ``CITATION.cff`` and the sources have different
            versions; the changelog does not begin with a dated section for it; or it is tagged already.
    """
    changed = _git(root, "status", "--porcelain").splitlines()
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise ValueError(f"the tree must be clean, but {changed[0].strip()}{more}: commit or remove it")
    version = _one_version(root)
    _check_changelog((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    tag = f"v{version}"
    if tag in _git(root, "tag", "--list").split():
        raise ValueError(f"version {version} is tagged {tag} already: give the next one a number and a section")
    return version


def _one_version(root: Path) -> str:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = str(project["version"])
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"the version in pyproject.toml must be like 1.2.3, got {version!r}")
    for file, pattern in (
        ("CITATION.cff", r"^version: (\S+)$"),
        ("data_pruning/records/version.py", r'^VERSION = "([^"]*)"'),
    ):
        found = re.search(pattern, (root / file).read_text(encoding="utf-8"), re.MULTILINE)
        if found is None or found[1] != version:
            there = "none" if found is None else found[1]
            raise ValueError(f"the version in {file} must be {version}, as in pyproject.toml, got {there}")
    return version


def _check_changelog(text: str, version: str) -> None:
    """See that the newest section is ``## VERSION (YYYY-MM-DD)``."""
    newest = next((line for line in text.splitlines() if line.startswith("## ")), "")
    found = re.fullmatch(r"## (\S+) \((.+)\)", newest)
    if found is None or found[1] != version:
        raise ValueError(f"CHANGELOG.md must begin with the section '## {version} (YYYY-MM-DD)', got {newest!r}")
    try:
        datetime.date.fromisoformat(found[2])
    except ValueError:
        raise ValueError(f"the section of CHANGELOG.md must be dated YYYY-MM-DD, got {newest!r}") from None


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"git {' '.join(words)} failed in {root}: {done.stderr.strip()}")
    return done.stdout
