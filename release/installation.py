"""The wheel as users get it: installed in an environment of its own, away from the checkout, and the main job run."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["JOBS", "install", "run_main_job"]

JOBS = {"whole": (), "small": ("--num-features", "20", "--num-trials", "4")}
"""Options of the main job: all of it takes a few minutes on two cores, with small simulations about two thirds."""

WRITTEN = [
    *(f"fig{number}.{suffix}" for number in (1, 2, 3) for suffix in ("pdf", "png")),
    *("curves.nc", "validation.nc", "digits.nc"),
]


def install(wheel: Path, folder: Path) -> Path:
    """Make a virtual environment and install the wheel with what real data need, from the package index.

    Returns:
        Its Python.

    Raises:
        ValueError: pip failed, or what it installed does not fit together.
    """
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    _run([*pip, "install", "--quiet", f"data-pruning-theory[real-data] @ {wheel.absolute().as_uri()}"], folder)
    _run([*pip, "check"], folder)
    return python


def run_main_job(python: Path, folder: Path, job: str = "whole") -> None:
    """Run ``python -m figures reproduce`` in an empty folder and see that it wrote what it promises.

    Args:
        python: of the environment that has the wheel.
        folder: the folder, made here.
        job: see ``JOBS``.

    Raises:
        FileExistsError: the folder is there already.
        ValueError: the job failed, did not run from the environment, or a file is missing or empty.
    """
    folder.mkdir()
    where = [str(python), "-c", "import figures; print(figures.__file__)"]
    found = subprocess.run(where, cwd=folder, env=_environment(), capture_output=True, text=True, check=False).stdout
    if not found.startswith(str(python.parent.parent)):
        raise ValueError(f"the package must be that of the environment {python.parent.parent}, got {found.strip()!r}")
    _run([str(python), "-m", "figures", "reproduce", *JOBS[job], "--out", "results"], folder)
    missing = [name for name in WRITTEN if not (folder / "results" / name).is_file()]
    empty = [name for name in WRITTEN if name not in missing and not (folder / "results" / name).stat().st_size]
    if missing or empty:
        raise ValueError(f"the main job must write {', '.join(WRITTEN)}; missing or empty: {[*missing, *empty]}")


def _environment() -> dict[str, str]:
    """That of users: no sources beside those installed, no programs compiled before."""
    ours = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "JAX_COMPILATION_CACHE_DIR")
    return {name: value for name, value in os.environ.items() if name not in ours}


def _run(words: list[str], folder: Path) -> None:
    done = subprocess.run(words, cwd=folder, env=_environment(), check=False)
    if done.returncode:
        raise ValueError(f"{' '.join(words)} ended with code {done.returncode}; see above")
