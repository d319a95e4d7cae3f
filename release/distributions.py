"""Source distribution and wheel: built from what is committed, and looked into."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

__all__ = ["Distributions", "build", "check_contents", "committed_files"]

MADE = ("PKG-INFO", "setup.cfg", "data_pruning_theory.egg-info/")
"""What building adds to a source distribution."""


class Distributions(NamedTuple):
    """The two files that are uploaded."""

    source: Path
    wheel: Path


def committed_files(root: Path) -> set[str]:
    """Names of the files of the last commit."""
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "-z", "--name-only", "HEAD"], cwd=root, capture_output=True, check=True
    ).stdout.decode()
    return set(filter(None, listed.split("\0")))


def build(root: Path, out: Path, workplace: Path) -> Distributions:
    """Build both, the wheel from the source distribution, and let twine check them.

    Args:
        root: the checkout.
        out: folder of the two files, made if missing.
        workplace: an empty folder, where the last commit is unpacked: what git ignores gets into nothing.

    Raises:
        ValueError: there are other distributions in ``out``; building or twine's check failed, and what they said
            is on the screen.
    """
    if others := sorted(path.name for pattern in ("*.tar.gz", "*.whl") for path in out.glob(pattern)):
        raise ValueError(f"out must be a folder without other distributions, but {out} has {', '.join(others)}")
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=root, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(workplace, filter="data")
    # without isolation: what building needs is among the tools of development, and nothing is fetched
    _run("-m", "build", "--no-isolation", "--outdir", str(out.absolute()), ".", where=workplace)
    made = Distributions(next(out.glob("*.tar.gz")), next(out.glob("*.whl")))
    _run("-m", "twine", "check", "--strict", *map(str, made), where=root)
    return made


def check_contents(made: Distributions, version: str, committed: set[str]) -> None:
    """See that the source distribution is what was committed, and the wheel of the version, with its licence.

    Raises:
        ValueError: files are missing or too many, or a name or version is another.
    """
    stem = f"data_pruning_theory-{version}"
    if made.source.name != f"{stem}.tar.gz" or not made.wheel.name.startswith(f"{stem}-py3-none-any"):
        raise ValueError(f"distributions must be of version {version}, got {made.source.name} and {made.wheel.name}")
    with tarfile.open(made.source) as archive:
        names = {member.name.removeprefix(f"{stem}/") for member in archive.getmembers() if member.isfile()}
    names = {name for name in names if not name.startswith(MADE)}
    for what, odd in (("lacks", committed - names), ("has beyond what is committed", names - committed)):
        if odd:
            raise ValueError(f"the source distribution {what} {len(odd)} files: {', '.join(sorted(odd)[:5])}")
    with zipfile.ZipFile(made.wheel) as archive:
        names = set(archive.namelist())
    if f"{stem}.dist-info/licenses/LICENSE" not in names:
        raise ValueError("the wheel lacks the licence")
    beside = sorted({name.split("/")[0] for name in names} & {"tests", "benchmarks", "docs", "release"})
    if beside:
        raise ValueError(f"the wheel has {', '.join(beside)}, which are not for users")


def _run(*words: str, where: Path) -> None:
    """Run Python, and show what it printed if it fails: building names every file."""
    done = subprocess.run(
        [sys.executable, *words], cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise ValueError(f"python {' '.join(words)} ended with code {done.returncode}; see above")
